//! Asks a time server for the time (SNTP, RFC 4330 and RFC 5905 section 14): one packet each way.
//!
//! Whoever cannot see the packets cannot answer: the transmit time that is sent is random, and comes back as the origin. The clock
//! is read once; how long the answer took is told by the monotonic clock, so that a clock that moves meanwhile spoils nothing.

use crate::one_short_line;
use sekisho_core::time::{Clock, Sample};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Seconds from 1900 to 1970.
const EPOCH: i64 = 2_208_988_800;
/// An era of the 32-bit seconds, in milliseconds.
const ERA_MS: i64 = (1 << 32) * 1000;
/// Version 4, mode 3 (client), no leap second.
const ASK: u8 = 0x23;

/// Asks `server` (`host:port`). `random` are eight bytes that nobody can guess.
///
/// # Errors
/// In words of one line, why there is no time.
pub async fn ask(server: &str, random: [u8; 8], clock: &dyn Clock) -> Result<Sample, String> {
    let asked = tokio::time::timeout(PATIENCE, exchange(server, random, clock)).await;
    asked.unwrap_or_else(|_| Err("it did not answer in time".into())).map_err(|why| one_short_line(&why))
}

async fn exchange(server: &str, random: [u8; 8], clock: &dyn Clock) -> Result<Sample, String> {
    let words = |fault: std::io::Error| fault.to_string();
    let target = tokio::net::lookup_host(server).await.map_err(words)?.next().ok_or("the name has no address")?;
    let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await.map_err(words)?;
    // Connected, so that the kernel drops what comes from elsewhere.
    socket.connect(target).await.map_err(words)?;
    let mut packet = [0_u8; 48];
    packet[0] = ASK;
    packet[40..].copy_from_slice(&random);
    let (sent, began) = (clock.now().0, Instant::now());
    socket.send(&packet).await.map_err(words)?;
    loop {
        let mut room = [0_u8; 512];
        let length = socket.recv(&mut room).await.map_err(words)?;
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        // What answers another question is waited past: a stranger must not be able to end the question with one packet.
        match read(room.get(..length).unwrap_or_default(), random, sent, took) {
            Some(answer) => return answer,
            None => continue,
        }
    }
}

/// Reads an answer to the question with this origin; `None` for one to another question.
fn read(packet: &[u8], random: [u8; 8], sent: i64, took: i64) -> Option<Result<Sample, String>> {
    let part = |at: usize| packet.get(at..at + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let first = *packet.first()?;
    if packet.len() < 48 || part(24)? != random || first & 7 != 4 {
        return None;
    }
    let stratum = *packet.get(1)?;
    if first >> 6 == 3 || !(1..=15).contains(&stratum) {
        return Some(Err(format!("it says itself that its time is not to be relied on (stratum {stratum})")));
    }
    let (received, transmitted) = (milliseconds(part(32)?, sent), milliseconds(part(40)?, sent));
    let (Some(received), Some(transmitted)) = (received, transmitted) else { return Some(Err("it gives no time".into())) };
    let back = sent.saturating_add(took);
    let offset = (received.saturating_sub(sent)).saturating_add(transmitted.saturating_sub(back)) / 2;
    let delay = took.saturating_sub(transmitted.saturating_sub(received)).max(0);
    Some(Ok(Sample { offset_ms: offset, delay_ms: delay, stratum }))
}

/// A time of NTP in milliseconds since 1970, in the era that is nearest to `near`; `None` for the zero that means none.
fn milliseconds(bytes: [u8; 8], near: i64) -> Option<i64> {
    let number = u64::from_be_bytes(bytes);
    if number == 0 {
        return None;
    }
    let (seconds, fraction) = (i64::try_from(number >> 32).ok()?, i64::try_from(number & 0xffff_ffff).ok()?);
    let time = (seconds - EPOCH) * 1000 + ((fraction * 1000) >> 32);
    let eras = (near - time + ERA_MS / 2).div_euclid(ERA_MS);
    Some(time + eras * ERA_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: i64 = 1_795_363_751_000;

    fn stamp(at: i64) -> [u8; 8] {
        let seconds = (at.div_euclid(1000) + EPOCH).rem_euclid(1 << 32) as u64;
        let fraction = ((at.rem_euclid(1000) as u64) << 32) / 1000;
        (seconds << 32 | fraction).to_be_bytes()
    }

    fn packet(received: i64, transmitted: i64) -> Vec<u8> {
        let mut packet = vec![0x24, 2];
        packet.resize(24, 0);
        packet.extend([7; 8]);
        packet.extend(stamp(received));
        packet.extend(stamp(transmitted));
        packet
    }

    #[test]
    fn the_offset_is_that_of_the_rfc_and_survives_the_year_2036() {
        for sent in [SENT, 2_085_978_500_000, 4_102_444_800_000] {
            let answer = read(&packet(sent + 5_010, sent + 5_012), [7; 8], sent, 22).unwrap().unwrap();
            assert!((answer.offset_ms - 5_000).abs() <= 1 && (answer.delay_ms - 20).abs() <= 2, "{answer:?}");
            let behind = read(&packet(sent - 3_600_000, sent - 3_600_000), [7; 8], sent, 0).unwrap().unwrap();
            assert!((behind.offset_ms + 3_600_000).abs() <= 1, "{behind:?}");
        }
    }

    #[test]
    fn answers_to_other_questions_and_from_clocks_that_do_not_know_are_none() {
        let good = packet(SENT, SENT);
        assert!(read(&good, [8; 8], SENT, 0).is_none(), "another origin");
        assert!(read(&good[..47], [7; 8], SENT, 0).is_none());
        let mut asks = good.clone();
        asks[0] = 0x23;
        assert!(read(&asks, [7; 8], SENT, 0).is_none(), "our own question, sent back");
        for (at, value) in [(0, 0xe4), (1, 0), (1, 16)] {
            let mut unsure = good.clone();
            unsure[at] = value;
            assert!(read(&unsure, [7; 8], SENT, 0).unwrap().is_err());
        }
        let mut none = good;
        none[40..48].fill(0);
        assert!(read(&none, [7; 8], SENT, 0).unwrap().is_err());
    }
}
