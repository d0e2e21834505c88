//! The listener: accepts, sets the limits, hands each connection to a task of its own.

use crate::line::{Cut, Line};
use crate::ssh::{self, House};
use sekisho_core::desk::{Arrival, Cause, Recall};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A listening gateway. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Gateway {
    listener: Arc<Mutex<Option<TcpListener>>>,
    address: SocketAddr,
    house: Arc<House>,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Gateway {
    pub(crate) fn new(listener: TcpListener, address: SocketAddr, house: House) -> Self {
        Self { listener: Arc::new(Mutex::new(Some(listener))), address, house: Arc::new(house), stopping: watch::Sender::new(false) }
    }

    /// What its connections share, for those that come through the outer door.
    pub(crate) fn house(&self) -> Arc<House> {
        Arc::clone(&self.house)
    }

    /// The address it listens on, with the port that the system chose if the settings said 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until [`Gateway::shutdown`], then closes the port. Never waits for a connection. Returns
    /// at once if it runs already.
    pub async fn run(&self) {
        let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut stopping = self.stopping.subscribe();
        loop {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let cut = Cut::default();
                    let Some(seat) = self.house.lobby.enter(peer.ip(), cut.clone()) else {
                        tracing::warn!(%peer, "too many connections before login");
                        continue;
                    };
                    let line = Line::new(stream, cut.clone());
                    tokio::spawn(ssh::serve(Arc::clone(&self.house), line, cut, Arrival::plain(peer.ip().to_canonical()), None, seat));
                }
                Err(error) => {
                    // Out of descriptors or the like: the next accept would fail at once again.
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Passes the store's word on to the session it is for. Returns at once.
    pub fn recall(&self, recall: Recall) {
        self.house.running.recall(recall);
    }

    /// Stops accepting, ends every session as [`Cause::Shutdown`] and waits until their ends are written down. True
    /// if that was reached within `deadline`.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.stopping.send_replace(true);
        self.house.stop();
        self.house.lobby.clear();
        self.house.running.end_all(Cause::Shutdown);
        tokio::time::timeout(deadline, self.house.running.all_left()).await.is_ok()
    }
}
