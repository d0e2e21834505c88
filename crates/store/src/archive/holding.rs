//! Locks of copies that a hold covers: what lies in the archive shall not become free to be deleted while the hold stands.

use super::{ArchiveCopy, ArchiveSettings};
use crate::Store;
use crate::fault::{Done, Fault};
use sekisho_core::archive::{Lock, Trouble, Vault};
use sekisho_core::facts::Fact;
use sekisho_core::hold::{Hold, Thing};
use sekisho_core::ids::{HoldId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::retention::notice;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::Serialize;
use sqlx::Row;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Days for which the lock of a held copy lasts at least, and for which it is prolonged: far enough from each other that few
/// entries tell of it, and the first far enough from none that an archive may be out of reach for months.
const LEAST: Duration = Duration::from_secs(limits::HOLD_LOCK_LEAST_DAYS as u64 * 24 * 3600);
const AHEAD: Duration = Duration::from_secs(limits::HOLD_LOCK_DAYS as u64 * 24 * 3600);
/// Rows that are read at once.
const PAGE: i64 = 500;
/// Locks that are prolonged in one round; what is left is done by the next one.
const AT_ONCE: usize = 50;

/// How the copies in the archive stand of what one hold covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeldCopies {
    /// What the configuration calls the archive.
    pub place: String,
    /// The archive locks copies. One that does not cannot keep anybody from deleting them.
    pub locks: bool,
    /// Copies that the hold covers.
    pub copies: u64,
    /// Those of them whose lock does not last as long as it should.
    pub short: u64,
    /// The first end of a lock among them.
    pub until: Option<Timestamp>,
    /// The code of why some are short, and why.
    pub trouble: Option<(String, String)>,
    /// When this was looked at.
    pub at: Timestamp,
}

/// What the rounds remember of it.
#[derive(Default)]
pub(super) struct Holding {
    seen: Mutex<BTreeMap<HoldId, HeldCopies>>,
    /// A hold was placed, or a round did not come to its end.
    due: std::sync::atomic::AtomicBool,
}

impl Holding {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<HoldId, HeldCopies>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ask(&self) {
        self.due.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn take_due(&self) -> bool {
        self.due.swap(false, std::sync::atomic::Ordering::SeqCst)
    }
}

/// How far ahead of a moment the lock of a copy shall last: for a hold that ends by itself, no further than that asks for.
fn until_of(holds: &[Hold], now: Timestamp, ahead: Duration) -> Timestamp {
    let far = now.plus(ahead);
    let last = holds.iter().map(|hold| hold.until.map_or(far, |end| end.plus(notice()).min(far))).max().unwrap_or(now);
    // Whole seconds are all that an archive knows, and one that began is locked to its end.
    Timestamp(last.0 - last.0.rem_euclid(1000))
}

impl Store {
    /// Has the archive prolong the locks of copies that a hold covers. Asked for at once when a hold is placed.
    pub(crate) fn lock_held_copies_soon(&self) {
        self.inner.archive.holding.ask();
        self.inner.archive.asked.notify_one();
    }

    /// How the copies stand of what a hold covers; `None` without an archive, or before the box has looked.
    ///
    /// # Errors
    /// Without the right to read holds.
    pub async fn held_copies(&self, actor: &Actor, id: &HoldId) -> Done<Option<HeldCopies>> {
        may(actor, Action::ReadRetention, None)?;
        Ok(self.inner.archive.holding.seen().get(id).cloned())
    }

    /// Looks at each copy that a hold covers, and has its lock prolonged. Gives the trouble of the place, if that was why some are
    /// short; it keeps no other copy from its turn, because whoever looks at a hold must read of all of them.
    pub(super) async fn lock_held_copies(&self, vault: &Arc<dyn Vault>, settings: ArchiveSettings) -> Result<Option<Trouble>, Fault> {
        let now = self.now();
        let standing: Vec<HoldId> = self.board(|board| board.holds().filter(|hold| hold.stands(now)).map(|hold| hold.id.clone()).collect());
        let fresh = HeldCopies { place: vault.name().to_owned(), locks: settings.lock.is_some(), at: now, ..HeldCopies::default() };
        let mut seen: BTreeMap<HoldId, HeldCopies> = standing.into_iter().map(|id| (id, fresh.clone())).collect();
        let (mut after, mut down, mut left) = (String::new(), None, AT_ONCE);
        while !seen.is_empty() {
            let rows = sqlx::query("SELECT id FROM archive_copies WHERE kept = 1 AND id > $1 ORDER BY id LIMIT $2").bind(after.clone()).bind(PAGE).fetch_all(self.read()).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("id")?;
            for row in &rows {
                if self.inner.log.is_closed() {
                    return Ok(None);
                }
                let Some(session) = SessionId::parse(row.try_get("id")?) else { continue };
                // A row that somebody changed is found by the look at all rows, and its copy made again.
                let Ok(Some(copy)) = self.archive_row(&session).await else { continue };
                let Some(told) = self.session_told(&session).await?.filter(|_| !copy.removed) else { continue };
                let holds = self.holds_over(&told.thing(now), now);
                if holds.is_empty() {
                    continue;
                }
                let (copy, trouble) = match settings.lock {
                    None => (copy, None),
                    Some(mode) => self.prolong(vault, copy, Lock { mode, until: until_of(&holds, now, AHEAD) }, until_of(&holds, now, LEAST), &mut down, &mut left).await?,
                };
                for hold in &holds {
                    let Some(one) = seen.get_mut(&hold.id) else { continue };
                    one.copies += 1;
                    let until = copy.lock.map(|lock| lock.until);
                    one.until = if one.copies == 1 { until } else { one.until.zip(until).map(|(one, other)| one.min(other)) };
                    if let Some(trouble) = &trouble {
                        one.short += 1;
                        one.trouble.get_or_insert_with(|| (trouble.code().to_owned(), sekisho_core::letter::one_line(&trouble.to_string())));
                    }
                }
            }
        }
        if left == 0 {
            self.inner.archive.holding.ask();
        }
        self.tell_held_copies(seen).await?;
        Ok(down)
    }

    fn holds_over(&self, thing: &Thing, now: Timestamp) -> Vec<Hold> {
        self.board(|board| board.holds_on(thing, now).into_iter().cloned().collect())
    }

    /// Prolongs the lock of one copy, if it is shorter than `least`; with the trouble for which it stays short.
    async fn prolong(&self, vault: &Arc<dyn Vault>, copy: ArchiveCopy, lock: Lock, least: Timestamp, down: &mut Option<Trouble>, left: &mut usize) -> Result<(ArchiveCopy, Option<Trouble>), Fault> {
        if copy.lock.is_some_and(|has| least <= has.until) {
            return Ok((copy, None));
        }
        if copy.place != vault.name() {
            return Ok((copy, Some(Trouble::Other("the archive that has it is not configured".into()))));
        }
        if down.is_some() || *left == 0 {
            return Ok((copy, down.clone()));
        }
        let Ok(sha256) = copy.sha256.parse::<Digest>() else { return Err(Fault::Damaged("a copy has no digest".into())) };
        match vault.prolong(&copy.object, &copy.version, copy.bytes, sha256.as_bytes(), lock).await {
            Ok(kept) => {
                *left = left.saturating_sub(1);
                let mut tx = self.write(&Actor::system()).await?;
                let until = kept.lock.map_or(lock.until, |kept| kept.until);
                let copy = ArchiveCopy { lock: kept.lock.or(Some(lock)), ..copy };
                let fact = Fact::ArchiveLockProlonged { session: copy.id.clone(), place: copy.place.clone(), until };
                self.save_copy(&mut tx, &copy, None, fact).await?;
                tx.commit().await?;
                Ok((copy, None))
            }
            Err(trouble) => {
                // What is wrong with one copy says nothing of the others; anything else would be asked a thousand times in vain.
                if !trouble.is_of_one() && !matches!(trouble, Trouble::WeakLock(_)) {
                    *down = Some(trouble.clone());
                }
                Ok((copy, Some(trouble)))
            }
        }
    }

    /// Keeps what was seen for the pages, and writes down what is newly wrong.
    async fn tell_held_copies(&self, seen: BTreeMap<HoldId, HeldCopies>) -> Result<(), Fault> {
        let before = std::mem::replace(&mut *self.inner.archive.holding.seen(), seen.clone());
        let mut told = Vec::new();
        for (hold, held) in seen {
            let Some((code, why)) = held.trouble else { continue };
            let known = before.get(&hold).and_then(|held| held.trouble.as_ref()).is_some_and(|(before, _)| *before == code);
            if !known {
                tracing::error!(%hold, code, why, "ALARM: copies of what is held cannot be kept from being deleted in the archive");
                told.push(Fact::HoldCopiesUnlocked { hold, place: held.place, copies: held.short, code, why });
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for fact in told {
            tx.fact(fact);
        }
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::hold::{HoldBasis, HoldScope};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_lock_lasts_as_long_as_the_hold_asks_for_and_no_longer() {
        let hold = |until| Hold {
            id: HoldId::from_random([1; 10]),
            scope: HoldScope::Everything,
            about: String::new(),
            basis: HoldBasis::Own,
            case_number: "1".into(),
            reason: "x".into(),
            placed_at: Timestamp(0),
            placed_by: None,
            placed_name: String::new(),
            until,
            extended: false,
            ended: None,
        };
        let now = Timestamp(1_000_000_500);
        let days = |days: u32| Timestamp(1_000_000_000).plus(DAY * days);
        assert_eq!(until_of(&[hold(None)], now, AHEAD), days(limits::HOLD_LOCK_DAYS as u32));
        assert_eq!(until_of(&[hold(Some(now.plus(DAY * 30)))], now, AHEAD), days(30 + limits::RETENTION_NOTICE_DAYS as u32));
        assert_eq!(until_of(&[hold(Some(now.plus(DAY * 30))), hold(None)], now, AHEAD), days(limits::HOLD_LOCK_DAYS as u32));
    }
}
