//! What the listener asks.

use super::{Parcel, RawLine};
use crate::Store;
use sekisho_core::desk::Answer;
use sekisho_core::facts::Fact;
use sekisho_core::gather::{AwayWhy, Gatherer, NotTaken, SourceStanding};
use sekisho_core::ids::LogSourceId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

impl Gatherer for Store {
    fn authority(&self) -> Vec<u8> {
        self.inner.gathering.authority.get().cloned().unwrap_or_default()
    }

    fn standing(&self, serial: &str) -> SourceStanding {
        self.inner.gathering.known().standing(serial)
    }

    fn legacy(&self, address: IpAddr) -> Option<LogSourceId> {
        self.inner.gathering.known().legacy(address)
    }

    fn take<'a>(&'a self, source: &'a LogSourceId, mut messages: Vec<Vec<u8>>) -> Answer<'a, Result<(), NotTaken>> {
        Box::pin(async move {
            let gathering = &self.inner.gathering;
            let door = gathering.door.get().ok_or(NotTaken)?;
            let fits = gathering.fits(source, &messages, self.now());
            if fits < messages.len() {
                self.lost(source, (messages.len() - fits) as u64);
                messages.truncate(fits);
            }
            if messages.is_empty() {
                return Ok(());
            }
            let room = Arc::clone(&gathering.room).acquire_many_owned(kibibytes(&messages)).await.map_err(|_| NotTaken)?;
            let received = self.now();
            let lines = messages.into_iter().map(|bytes| RawLine { received, source: source.clone(), bytes }).collect();
            door.send(Parcel { lines, room }).map_err(|_| NotTaken)
        })
    }

    fn linked(&self, source: &LogSourceId, stands: bool) {
        let now = self.now();
        let mut links = self.inner.gathering.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry(source.clone()).or_insert((0, now));
        link.0 = if stands { link.0 + 1 } else { link.0.saturating_sub(1) };
        if link.0 == 0 {
            link.1 = now;
        }
    }

    fn lost(&self, source: &LogSourceId, count: u64) {
        let mut lost = self.inner.gathering.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost.entry(source.clone()).or_default() += count;
    }

    fn turned_away<'a>(&'a self, from: IpAddr, why: AwayWhy) -> Answer<'a, ()> {
        Box::pin(async move {
            // What only an authority of ours can have signed is counted apart from what anybody can send.
            let Some(others) = self.inner.gathering.away.take(from, matches!(why, AwayWhy::Unknown | AwayWhy::Ended | AwayWhy::Full), self.now()) else { return };
            let written = async {
                let mut tx = self.write(&Actor::system()).await?;
                tx.fact(Fact::LogTurnedAway { why: why.as_str().to_owned(), from: from.to_string(), others });
                tx.commit().await
            };
            if let Err(fault) = written.await {
                tracing::error!(%fault, "that lines were not taken could not be written down");
            }
        })
    }
}

/// What messages take in memory: each a kibibyte at the least, so that short ones do not come for nothing.
fn kibibytes(messages: &[Vec<u8>]) -> u32 {
    let all = messages.iter().map(|message| message.len() / 1024 + 1).sum::<usize>();
    u32::try_from(all.min(limits::LOG_WAITING_KIB)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_room_of_a_day_and_takes_nothing_of_the_others() {
        let gathering = super::super::Gathering::default();
        let (loud, other, now) = (LogSourceId::from_random([1; 10]), LogSourceId::from_random([2; 10]), sekisho_core::time::Timestamp(1_000_000));
        let messages = vec![vec![0; 1024 * 1024]; limits::LOG_DAY_BYTES / (1024 * 1024) + 3];
        assert_eq!(gathering.fits(&loud, &messages, now), messages.len() - 3);
        assert_eq!((gathering.fits(&loud, &messages, now), gathering.fits(&other, &messages[..5], now)), (0, 5));
        assert_eq!(gathering.fits(&loud, &messages[..5], now.plus(std::time::Duration::from_secs(24 * 3600))), 5);
    }

    #[test]
    fn what_waits_is_counted_in_bytes_and_never_asks_for_more_than_there_is() {
        assert_eq!(kibibytes(&[vec![0; 65_536], vec![0; 1]]), 66);
        let all = vec![vec![0; 1024 * 1024]; 100];
        assert_eq!(usize::try_from(kibibytes(&all)).unwrap(), limits::LOG_WAITING_KIB);
        assert_eq!(super::super::Gathering::default().room.available_permits(), limits::LOG_WAITING_KIB);
    }
}
