//! Deleting that stopped because of entries that decide and that the log's key has not signed: what they say, and how two persons
//! let it go on. The entries stay what they are: they say nothing, and every verifier calls them an error.

use super::entry_of;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::log::as_i64;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::{ResumeWish, other_hand};
use std::sync::atomic::Ordering;

/// One entry in doubt, as the row in the database has it at this moment.
#[derive(Clone, Debug)]
pub struct DoubtedEntry {
    /// Its number in the log.
    pub seq: u64,
    /// What the row says, of which nothing is true by itself; none if it cannot be read.
    pub entry: Option<Entry>,
    /// False if the row is by now another one than the log holds.
    pub is_in_log: bool,
}

/// All that stops deleting for want of a signature.
#[derive(Clone, Debug)]
pub struct DoubtState {
    /// The first of the entries, as many as one wish can name; ascending.
    pub entries: Vec<DoubtedEntry>,
    /// How many there are besides.
    pub more: usize,
    /// The wish that waits for another person.
    pub wish: Option<ResumeWish>,
}

impl Store {
    /// The entries in doubt that one wish can name.
    fn doubted_first(&self) -> Vec<u64> {
        self.board(|board| board.doubted().iter().copied().take(limits::DOUBTED_AT_ONCE).collect())
    }

    /// What stopped deleting for want of a signature; none if nothing did.
    ///
    /// # Errors
    /// Without the right to read how keeping stands.
    pub async fn doubted(&self, actor: &Actor) -> Done<Option<DoubtState>> {
        may(actor, Action::ReadRetention, None)?;
        let now = self.now();
        let (all, wish) = self.board(|board| (board.doubted().len(), board.resume(now).cloned()));
        let first = self.doubted_first();
        if first.is_empty() {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(first.len());
        for seq in &first {
            let row = sqlx::query("SELECT body FROM log WHERE seq = $1").bind(as_i64(*seq)).fetch_optional(self.read()).await.map_err(Fault::from)?;
            let read = row.as_ref().and_then(|row| entry_of(row).ok()).filter(|(entry, _)| entry.seq == *seq);
            let is_in_log = match &read {
                Some((entry, body)) => self.is_proved(entry, body)? != Some(false),
                None => false,
            };
            entries.push(DoubtedEntry { seq: *seq, entry: read.map(|(entry, _)| entry), is_in_log });
        }
        Ok(Some(DoubtState { entries, more: all.saturating_sub(first.len()), wish }))
    }

    /// Asks that deleting goes on although entries are in doubt: the first ones up to the number `last`, which the person saw.
    ///
    /// # Errors
    /// Without the right; [`Refusal::BadField`] without a reason; [`Refusal::ChangedMeanwhile`] if `last` is none of them.
    pub async fn ask_resume(&self, actor: &Actor, last: u64, reason: &str) -> Done<()> {
        self.require(actor, Action::ResumeDeleting, None, "ask_resume").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::bad_field("reason").into());
        }
        if actor.person.is_none() {
            return Err(Refusal::NotAllowed.into());
        }
        let mut tx = self.write(actor).await?;
        let entries: Vec<u64> = self.doubted_first().into_iter().filter(|seq| *seq <= last).collect();
        if entries.last() != Some(&last) {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        tx.fact(Fact::DeletingAsked { entries, reason: reason.to_owned() });
        tx.commit().await?;
        Ok(())
    }

    /// Decides on the wish whose entry has the number `asked`. Who asked may take it back, and not agree to it. Gives whether
    /// deleting goes on: not while other entries are in doubt.
    ///
    /// # Errors
    /// Without the right; [`Refusal::SameHand`]; [`Refusal::NothingAsked`], also of what lapsed; [`Refusal::ChangedMeanwhile`].
    pub async fn decide_resume(&self, actor: &Actor, asked: u64, agreed: bool, reason: &str) -> Done<bool> {
        self.require(actor, Action::ResumeDeleting, None, "decide_resume").await?;
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let wish = self.board(|board| board.resume(now).cloned()).ok_or(Refusal::NothingAsked)?;
        if wish.seq != asked {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        if agreed {
            // Nobody is another person than the one whom no entry names.
            let hands = if wish.by.is_none() { Err(Refusal::NotAllowed) } else { other_hand(wish.by.as_ref(), actor.person.as_ref()) };
            if let Err(refusal) = hands {
                drop(tx);
                self.note_refused_act(actor, "decide_resume", &refusal).await;
                return Err(Denied::from(refusal));
            }
            tx.fact(Fact::DeletingResumed { entries: wish.entries, asked_by: wish.name, reason: reason.to_owned() });
        } else {
            tx.fact(Fact::DeletingDeclined { entries: wish.entries, reason: reason.to_owned() });
        }
        tx.commit().await?;
        let goes_on = self.board(|board| board.doubted().is_empty());
        if agreed {
            // What stops deleting from here on is another stop, and is told.
            self.inner.keeping.told.store(false, Ordering::SeqCst);
        }
        Ok(goes_on)
    }
}
