//! What the kernel tells of sockets and addresses.

use procfs::net::{TcpState, UdpState};
use procfs::process::{FDTarget, all_processes};
use sekisho_core::exposure::{Heard, Interface, Look, Place, Transport};
use std::collections::{HashMap, HashSet};

/// Sockets that are told of; a machine with more of them is told as such.
const SOCKETS: usize = 2_000;
/// Letters of a program's name.
const PROGRAM_CHARS: usize = 40;

/// Sockets and addresses.
pub fn read() -> Look {
    let mut look = Look::default();
    let mut found: Vec<(Place, u64)> = Vec::new();
    for (name, read) in [("/proc/net/tcp", procfs::net::tcp as fn() -> _), ("/proc/net/tcp6", procfs::net::tcp6)] {
        match read() {
            Ok(entries) => found.extend(entries.into_iter().filter(|entry| entry.state == TcpState::Listen).map(|entry| {
                (Place { transport: Transport::Tcp, address: entry.local_address.ip(), port: entry.local_address.port() }, entry.inode)
            })),
            Err(error) if !is_missing(&error) => look.blind.push(format!("{name}: {error}")),
            Err(_) if name == "/proc/net/tcp" => look.blind.push(format!("{name} is not there")),
            // A kernel without IPv6 has no table of it.
            Err(_) => {}
        }
    }
    // A port that the kernel handed out for a question of a moment waits for its answer, not for others.
    let fleeting = ephemeral();
    for (name, read) in [("/proc/net/udp", procfs::net::udp as fn() -> _), ("/proc/net/udp6", procfs::net::udp6)] {
        match read() {
            Ok(entries) => found.extend(
                entries
                    .into_iter()
                    .filter(|entry| entry.state == UdpState::Close && entry.remote_address.port() == 0 && !fleeting.contains(&entry.local_address.port()))
                    .map(|entry| (Place { transport: Transport::Udp, address: entry.local_address.ip(), port: entry.local_address.port() }, entry.inode)),
            ),
            Err(error) if !is_missing(&error) => look.blind.push(format!("{name}: {error}")),
            Err(_) => {}
        }
    }
    if found.len() > SOCKETS {
        look.blind.push(format!("{} sockets wait for others; {SOCKETS} of them are told", found.len()));
        found.truncate(SOCKETS);
    }
    let programs = programs(&found.iter().map(|(_, inode)| *inode).collect());
    look.sockets = found.into_iter().map(|(place, inode)| Heard { place, program: programs.get(&inode).cloned() }).collect();
    look.sockets.sort();
    look.sockets.dedup();
    match if_addrs::get_if_addrs() {
        Ok(all) => look.interfaces = all.into_iter().map(|one| Interface { address: one.ip(), name: one.name }).collect(),
        Err(error) => look.blind.push(format!("the machine's addresses: {error}")),
    }
    look.interfaces.sort();
    look
}

fn is_missing(error: &procfs::ProcError) -> bool {
    matches!(error, procfs::ProcError::NotFound(_))
}

fn ephemeral() -> std::ops::RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = text.split_whitespace().map(str::parse::<u16>);
    match (ends.next(), ends.next()) {
        (Some(Ok(low)), Some(Ok(high))) => low..=high,
        _ => 32_768..=60_999,
    }
}

/// The programs that hold these sockets, as far as this account may see that.
fn programs(wanted: &HashSet<u64>) -> HashMap<u64, String> {
    let mut programs = HashMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let Ok(handles) = process.fd() else { continue };
        for handle in handles.flatten() {
            if let FDTarget::Socket(inode) = handle.target
                && wanted.contains(&inode)
                && let Ok(stat) = process.stat()
            {
                // A program names itself; what it wrote may be shown and nothing else.
                let name: String = stat.comm.chars().filter(|letter| letter.is_ascii_graphic()).take(PROGRAM_CHARS).collect();
                programs.entry(inode).or_insert(name);
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_waits_is_seen_and_gone_when_it_is_closed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let seen = |look: &Look| look.sockets.iter().find(|heard| heard.place.transport == Transport::Tcp && heard.place.port == at.port() && heard.place.address == at.ip()).cloned();
        let look = read();
        assert!(look.blind.is_empty(), "{:?}", look.blind);
        assert!(seen(&look).unwrap().program.is_some(), "one's own program is seen");
        assert!(look.interfaces.iter().any(|interface| interface.address.is_loopback()));
        drop(listener);
        assert_eq!(seen(&read()), None);
    }
}
