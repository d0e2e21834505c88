//! Looking at this machine from where it stands: its sockets, its addresses, and its own doors as a stranger meets them.
//!
//! It sees what the kernel lets this account see. A firewall or a router in front of the machine is not seen from here, so
//! a port that is found open may still be unreachable; none that is found closed is open.

mod sockets;
mod tls;

use sekisho_core::desk::Answer;
use sekisho_core::exposure::{Look, Own, Part, Scout};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one connection may take. They never leave the machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// Addresses of the machine at which own listeners are tried.
const ADDRESSES: usize = 64;

/// The listeners of Sekisho, and how to look at them.
#[derive(Clone, Debug)]
pub struct Sentry {
    own: Vec<(Part, SocketAddr)>,
}

impl Sentry {
    /// A sentry for these listeners.
    #[must_use]
    pub fn new(own: Vec<(Part, SocketAddr)>) -> Self {
        Self { own }
    }

    async fn see(&self) -> Look {
        // Reading /proc blocks: not for long, but a thread that carries sessions waits for nothing.
        let seen = tokio::task::spawn_blocking(sockets::read).await;
        let mut look = seen.unwrap_or_else(|_| Look { blind: vec!["the look at the machine's sockets ended early".into()], ..Look::default() });
        let machine: Vec<IpAddr> = look.interfaces.iter().map(|interface| interface.address).filter(is_reachable).take(ADDRESSES).collect();
        for (part, at) in &self.own {
            let mut answers = Vec::new();
            for address in addresses(at.ip(), &machine) {
                let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(SocketAddr::new(address, at.port()))).await;
                if matches!(connected, Ok(Ok(_))) {
                    answers.push(address);
                }
            }
            if let Some(first) = answers.first().filter(|_| matches!(part, Part::Pages | Part::Door)) {
                look.tls.push(tls::look(*part, SocketAddr::new(*first, at.port())).await);
            }
            look.own.push(Own { part: *part, address: at.ip(), port: at.port(), answers });
        }
        look
    }
}

/// Link-local addresses need the interface beside them, which no configuration names; they are left out.
fn is_reachable(address: &IpAddr) -> bool {
    !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The addresses at which a listener may answer.
fn addresses(listen: IpAddr, machine: &[IpAddr]) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    // A listener at `::` takes IPv4, too, unless it was told otherwise; trying tells.
    let mut all: Vec<IpAddr> = machine.iter().copied().filter(|address| listen.is_ipv6() || address.is_ipv4()).collect();
    all.sort_by_key(|address| (!address.is_loopback(), *address));
    all.dedup();
    all
}

impl Scout for Sentry {
    fn look(&self) -> Answer<'_, Look> {
        Box::pin(self.see())
    }
}
