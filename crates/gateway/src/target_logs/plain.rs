//! Syslog in clear, TCP and UDP, from the addresses of a named legacy network. What comes in here proves nothing: the store
//! marks it, and whoever can send from such an address can write its lines.

use super::Ear;
use super::tls::carry;
use crate::line::{Cut, Line};
use sekisho_core::gather::AwayWhy;
use sekisho_core::ids::LogSourceId;
use sekisho_detect::frame::Framing;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest datagram.
const DATAGRAM: usize = 65_535;
/// Datagrams that are handed over at once.
const AT_ONCE: usize = 256;
/// Batches of them that wait to be taken: a few MiB at the most.
const BATCHES: usize = 32;
/// Bytes that the system holds for us while we are busy.
const HELD: usize = 8 * 1024 * 1024;

/// Accepts connections for ever; waits for ever where there is no such listener.
pub async fn accept(ear: &Arc<Ear>) {
    let Some((listener, _)) = &ear.legacy else { return std::future::pending().await };
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (ear, from) = (Arc::clone(ear), peer.ip().to_canonical());
        tokio::spawn(async move {
            let Some(source) = ear.gatherer.legacy(from) else { return ear.gatherer.turned_away(from, AwayWhy::Address).await };
            let cut = Cut::default();
            match ear.places.take(&source, cut.clone()) {
                Some(place) => {
                    let stands = || ear.gatherer.legacy(from).as_ref() == Some(&source);
                    carry(&ear, Line::new(stream, cut.clone()), &source, from, Framing::Either, &place, stands).await;
                }
                None => ear.gatherer.turned_away(from, AwayWhy::Full).await,
            }
            cut.sever();
        });
    }
}

/// Takes datagrams for ever, one message each. Reading never waits for what is read to be taken: what finds no room is counted,
/// and not left to the system, which tells nobody.
pub async fn datagrams(ear: &Arc<Ear>) {
    let Some((_, socket)) = &ear.legacy else { return std::future::pending().await };
    let (sender, mut receiver) = mpsc::channel::<(LogSourceId, Vec<Vec<u8>>)>(BATCHES);
    let takes = Arc::clone(ear);
    // It ends with the sender, which is this future's.
    tokio::spawn(async move {
        while let Some((source, messages)) = receiver.recv().await {
            if takes.gatherer.take(&source, messages).await.is_err() {
                return;
            }
        }
    });
    let _ = socket2::SockRef::from(socket).set_recv_buffer_size(HELD);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((mut length, mut peer)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let mut came = HashMap::<LogSourceId, Vec<Vec<u8>>>::new();
        for _ in 0..AT_ONCE {
            let from = peer.ip().to_canonical();
            match ear.gatherer.legacy(from) {
                Some(source) => {
                    let bytes = buffer.get(..length.min(sekisho_detect::limits::MESSAGE_BYTES)).unwrap_or_default();
                    if ear.places.admits(&source, bytes.len()) {
                        came.entry(source).or_default().push(bytes.to_vec());
                    } else {
                        ear.gatherer.lost(&source, 1);
                    }
                }
                None => ear.gatherer.turned_away(from, AwayWhy::Address).await,
            }
            match socket.try_recv_from(&mut buffer) {
                Ok(next) => (length, peer) = next,
                Err(_) => break,
            }
        }
        for (source, messages) in came {
            match sender.try_send((source, messages)) {
                Ok(()) => {}
                Err(TrySendError::Full((source, messages))) => ear.gatherer.lost(&source, messages.len() as u64),
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }
}
