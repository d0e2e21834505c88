//! Parts of targets' logs: which of them may go by their age, or for the room that they take.

use crate::Store;
use crate::fault::Fault;
use crate::log::blocking;
use crate::target_logs::{bytes_on_disk, parts_on_disk};
use sekisho_core::facts::Fact;
use sekisho_core::hold::Thing;
use sekisho_core::people::Actor;
use sekisho_core::retention::KeepClass;
use sekisho_core::time::Timestamp;
use std::sync::PoisonError;
use std::time::Duration;

/// Between two looks at the age of parts.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// A part that lies on the disk.
pub(crate) struct Part {
    pub number: u64,
    pub bytes: u64,
    /// Not before this moment anything was written into it.
    pub began: Timestamp,
    /// When it was closed; `None` for the one that is being written.
    pub closed: Option<Timestamp>,
}

impl Part {
    /// What a hold can know it by.
    pub fn thing(&self) -> Thing {
        Thing { from: self.began, until: self.closed.unwrap_or(Timestamp(i64::MAX)), is_lines: true, ..Thing::default() }
    }
}

/// What may go of them.
pub(crate) struct Droppable {
    /// Numbers, ascending and without a gap.
    pub numbers: Vec<u64>,
    /// `age` or `size`.
    pub why: &'static str,
}

impl Store {
    /// The parts that there are, the oldest first. Each is closed before the next one begins, which its own first line tells.
    pub(crate) async fn parts(&self) -> Result<Vec<Part>, Fault> {
        let store = self.clone();
        let found = blocking(move || parts_on_disk(store.data_dir())).await?;
        let mut parts: Vec<Part> = Vec::with_capacity(found.len());
        let mut last = Timestamp(0);
        for (number, bytes, began) in found {
            last = began.unwrap_or(last).max(last);
            if let Some(before) = parts.last_mut() {
                before.closed = Some(last);
            }
            parts.push(Part { number, bytes, began: last, closed: None });
        }
        Ok(parts)
    }

    /// Which parts may go, the one that is being written never. A hold keeps those within its scope, also from the limit of
    /// the disk; then that is told once a day.
    pub(crate) async fn droppable(&self, current: Option<u64>, limit: u64) -> Result<Option<Droppable>, Fault> {
        let now = self.now();
        let store = self.clone();
        let total = blocking(move || bytes_on_disk(store.data_dir())).await?;
        {
            // What only grows older is looked at now and then.
            let mut looked = self.inner.keeping.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if total <= limit && looked.is_some_and(|at: Timestamp| now < at.plus(LOOK_EVERY)) {
                return Ok(None);
            }
            *looked = Some(now);
        }
        let parts = self.parts().await?;
        let (now, last) = (self.now(), parts.last().map(|part| part.number));
        let mut total: u64 = parts.iter().map(|part| part.bytes).sum();
        let kept = total;
        let (mut numbers, mut why, mut pressed) = (Vec::new(), "age", false);
        for part in parts.iter().filter(|part| Some(part.number) != current && Some(part.number) != last) {
            let thing = part.thing();
            let (held, aged) = self.board(|board| {
                let due = part.closed.and_then(|closed| board.due(KeepClass::TargetLogs, closed, &thing));
                (!board.holds_on(&thing, now).is_empty(), due.is_some_and(|due| due <= now))
            });
            let size = total > limit;
            if held {
                pressed |= size;
                if numbers.is_empty() {
                    continue;
                }
                break;
            }
            if !size && !aged {
                break;
            }
            if numbers.last().is_some_and(|before: &u64| before + 1 != part.number) {
                break;
            }
            if size {
                why = "size";
            }
            total -= part.bytes;
            numbers.push(part.number);
        }
        if pressed && total > limit {
            self.tell_pressed(kept, limit, now).await?;
        }
        // Where the rows of the log are not what the log told, nothing is deleted.
        if !numbers.is_empty() && self.rows_differ().await?.is_some() {
            return Ok(None);
        }
        Ok((!numbers.is_empty()).then_some(Droppable { numbers, why }))
    }

    async fn tell_pressed(&self, bytes: u64, limit: u64, now: Timestamp) -> Result<(), Fault> {
        let day = now.0.div_euclid(24 * 3600 * 1000);
        let told = self.inner.keeping.pressed.lock().unwrap_or_else(PoisonError::into_inner).replace(day);
        if told == Some(day) {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::HoldPressed { bytes, limit });
        tx.commit().await
    }
}
