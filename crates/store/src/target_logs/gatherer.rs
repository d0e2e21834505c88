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

    fn take<'a>(&'a self, source: &'a LogSourceId, messages: Vec<Vec<u8>>) -> Answer<'a, Result<(), NotTaken>> {
        Box::pin(async move {
            let gathering = &self.inner.gathering;
            let door = gathering.door.get().ok_or(NotTaken)?;
            let places = u32::try_from(messages.len().min(limits::LOG_WAITING)).unwrap_or(u32::MAX);
            let room = Arc::clone(&gathering.room).acquire_many_owned(places).await.map_err(|_| NotTaken)?;
            let received = self.now();
            let lines = messages.into_iter().map(|bytes| RawLine { received, source: source.clone(), bytes }).collect();
            door.send(Parcel { lines, _room: room }).map_err(|_| NotTaken)
        })
    }

    fn lost(&self, source: &LogSourceId, count: u64) {
        let mut lost = self.inner.gathering.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost.entry(source.clone()).or_default() += count;
    }

    fn turned_away<'a>(&'a self, from: IpAddr, why: AwayWhy) -> Answer<'a, ()> {
        Box::pin(async move {
            // What only an authority of ours can have signed is counted apart from what anybody can send.
            let Some(others) = self.inner.gathering.away.take(from, matches!(why, AwayWhy::Unknown | AwayWhy::Ended), self.now()) else { return };
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
