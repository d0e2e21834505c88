//! A log that is behind what was seen of it outside, or another one: an older copy that was put back, or rewritten history.
//! No session is admitted until a person at the console decides on it.

use super::Place;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::{KeyRotation, entry_in, read_checkpoint};
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::letter::one_line;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{self, Checkpoint, PublicKey, Signature, sign_bytes, verify_bytes};
use sekisho_evidence::decisive::in_force;
use sekisho_evidence::log::{prove_consistency, verify_consistency};
use sekisho_evidence::rotation::{Rotation, open_by_any, read};
use serde::Serialize;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// The context of the signature over a decision to go on after a restore.
const CONTEXT: &str = "restore/v1";
/// Entries of the log that are looked through for contradictions and decisions.
const LOOKED_AT: i64 = 1000;

/// What a place outside has seen of this log, and this log does not continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// What the configuration calls the place.
    pub place: String,
    /// Entries that the log had here.
    pub here: u64,
    /// Entries that the checkpoint there covers.
    pub there: u64,
    /// Its root, 64 hexadecimal digits.
    pub root: String,
}

impl Contradiction {
    fn is(&self, other: &Self) -> bool {
        (&self.place, self.there, &self.root) == (&other.place, other.there, &other.root)
    }

    /// What the log's key signs when somebody decides on it. Neither text has a line feed.
    fn decision(&self, reason: &str) -> String {
        format!("{}\n{}\n{}\n{}\n{reason}\n", self.here, self.there, self.root, self.place)
    }
}

/// A contradiction in memory.
#[derive(Clone, Debug)]
pub(super) struct HeldAgainst {
    what: Contradiction,
    /// It stands in the log.
    told: bool,
}

impl Store {
    /// What contradicts the log, and was not decided on.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Contradiction> {
        self.held_against().iter().map(|held| held.what.clone()).collect()
    }

    fn held_against(&self) -> MutexGuard<'_, Vec<HeldAgainst>> {
        self.inner.outside.contradictions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether sessions may be admitted, as far as the log is concerned.
    pub(crate) fn log_stands(&self) -> Result<(), Refusal> {
        if self.held_against().is_empty() { Ok(()) } else { Err(Refusal::LogContradicted) }
    }

    /// Holds the log against a checkpoint that `place` has. A contradiction is written down, every session ends, and none
    /// is admitted from there on. Gives whether the log stands.
    ///
    /// # Errors
    /// In words, if the text is no checkpoint that a key of this log signed, so that it says nothing of the log, and all of the
    /// place, which is told at once; a fault is one, too.
    pub async fn compare_outside(&self, place: &dyn Place, note: &str) -> Result<bool, String> {
        let judged = self.judge_outside(place, note).await;
        if let Err(why) = &judged {
            self.tell_now(place.name(), why).await;
        }
        judged
    }

    /// Writes down at once that a place fails.
    pub(super) async fn tell_now(&self, place: &str, why: &str) {
        if let Err(fault) = self.place_fails(place, why, Duration::ZERO).await {
            tracing::error!(%fault, place, why, "ALARM: how a place outside stands could not be written down");
        }
    }

    async fn judge_outside(&self, place: &dyn Place, note: &str) -> Result<bool, String> {
        let seen = checkpoint::unproved(note).map_err(|breach| format!("what it has is no checkpoint: {breach}"))?;
        if seen.origin != self.inner.settings.origin {
            return Err(format!("it has a checkpoint of another log, {:?}", one_line(&seen.origin)));
        }
        let own = self.inner.keys.log_keys();
        let ours = open_by_any(note, &own).is_ok();
        // A key that this copy does not know was made after the copy was taken, if an exchange that one of our keys signed leads
        // to it or a witness stands for it. Anybody can write any other head.
        if !ours && !place.vouches() && !later_key(own.clone(), place, note).await? {
            return Err("it has a head under this log's name that no key of this log signed: it is forged, and the place was written to".into());
        }
        if ours && self.continues(&seen).map_err(|fault| fault.to_string())? {
            return Ok(true);
        }
        let found = Contradiction { place: place.name().to_owned(), here: self.inner.log.size(), there: seen.size, root: seen.root.to_string() };
        // What cannot be read was not decided on: a fault refuses.
        let decided = self.decisions().await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "it cannot be read what was decided on");
            Vec::new()
        });
        if decided.iter().any(|(_, there, root)| (*there, root) == (found.there, &found.root)) {
            return Ok(true);
        }
        if let Ok((_, key)) = open_by_any(note, &own)
            && self.is_laid_down(key, seen.size, &decided)?
        {
            self.former_key_signed(found).await.map_err(|fault| fault.to_string())?;
            return Ok(true);
        }
        self.contradicted(found).await.map_err(|fault| fault.to_string())?;
        Ok(false)
    }

    /// Whether a head that this log does not continue is no statement of it: by a key that was laid down, of a size beyond its
    /// exchange, or of a branch that was left under that key after a restore that somebody decided on. What else contradicts the log is not
    /// explained by the exchange.
    fn is_laid_down(&self, key: &PublicKey, size: u64, decided: &[(u64, u64, String)]) -> Result<bool, String> {
        if *key == *self.inner.keys.log().public() {
            return Ok(false);
        }
        let head = self.head().map_err(|fault| fault.to_string())?;
        let exchanges: Vec<Rotation> = head.exchanges()?.into_iter().filter_map(|(seq, text)| read(&seq.to_string(), std::str::from_utf8(&text).ok()?).ok()).collect();
        let Some(at) = exchanges.iter().position(|one| one.old == *key) else { return Ok(false) };
        let (begins, ends) = (at.checked_sub(1).and_then(|before| exchanges.get(before)).map_or(0, |before| before.seq), exchanges.get(at).map_or(0, |one| one.seq));
        let beyond = exchanges.get(at).is_some_and(|one| size > one.checkpoint.size);
        Ok(beyond || decided.iter().any(|(seq, ..)| (begins..ends).contains(seq)))
    }

    /// Writes down, once, that a key that was laid down signed another log. It stops nobody: whoever has that key could stop the
    /// hospital as often as they like.
    async fn former_key_signed(&self, found: Contradiction) -> Result<(), Fault> {
        let told = self.outside_entries("former_key_signed").await?;
        let known = told.iter().any(|entry| matches!(&entry.fact, Fact::FormerKeySigned { entries, root, .. } if (*entries, root) == (found.there, &found.root)));
        if known || told.len() >= limits::LOG_CONTRADICTIONS {
            return Ok(());
        }
        tracing::error!(place = found.place, entries = found.there, "ALARM: a key that was laid down signed another log than this one");
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::FormerKeySigned { place: found.place, entries: found.there, root: found.root });
        tx.commit().await
    }

    /// Whether the published log continues this head.
    fn continues(&self, seen: &Checkpoint) -> Result<bool, Fault> {
        if seen.size > self.inner.log.size() {
            return Ok(false);
        }
        let files = self.folder();
        let keys = self.inner.keys.log_keys();
        let Some(own) = keys.iter().rev().find_map(|key| read_checkpoint(&files, key).ok().flatten()) else {
            return Err(Fault::LogBroken("the published checkpoint cannot be read".into()));
        };
        if seen.size > own.size {
            return Ok(false);
        }
        let proof = prove_consistency(seen.size, own.size, &files).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        Ok(verify_consistency(seen.size, &seen.root, own.size, &own.root, &proof).is_ok())
    }

    /// The heads against which somebody decided to go on, each behind the number of the decision's entry. A row bears the signature of a key of this log, or it is none: whoever
    /// put an older copy back can write rows.
    async fn decisions(&self) -> Result<Vec<(u64, u64, String)>, Fault> {
        let keys = self.inner.keys.terms();
        let decided = self.outside_entries("restore_accepted").await?.into_iter().filter_map(|entry| {
            let seq = entry.seq;
            let Fact::RestoreAccepted { place, here, there, root, reason, signature } = entry.fact else { return None };
            let signature: Signature = signature.parse().ok()?;
            let decided = Contradiction { place, here, there, root };
            let said = decided.decision(&reason);
            let ours = in_force(&keys, seq).any(|key| verify_bytes(key, CONTEXT, said.as_bytes(), &signature).is_ok());
            ours.then_some((seq, decided.there, decided.root))
        });
        Ok(decided.collect())
    }

    /// Entries of a kind, the newest first. One that is damaged says nothing, and hides no other.
    async fn outside_entries(&self, kind: &'static str) -> Result<Vec<Entry>, Fault> {
        let rows = sqlx::query("SELECT seq, body FROM log WHERE kind = $1 ORDER BY seq DESC LIMIT $2").bind(kind).bind(LOOKED_AT).fetch_all(self.read()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.extend(entry_in(row)?);
        }
        Ok(found)
    }

    /// Holds again what stands in the log and was not decided on: a restart decides nothing, even if the place is silent since.
    pub(crate) async fn hold_again(&self) -> Result<(), Fault> {
        let against = self.outside_entries("log_contradicted").await?;
        if against.is_empty() {
            return Ok(());
        }
        let decided = self.decisions().await?;
        let mut held = self.held_against();
        for entry in against {
            let Fact::LogContradicted { place, here, there, root } = entry.fact else { continue };
            let what = Contradiction { place, here, there, root };
            let known = decided.iter().any(|(_, there, root)| (*there, root) == (what.there, &what.root)) || held.iter().any(|one| one.what.is(&what));
            if !known && held.len() < limits::LOG_CONTRADICTIONS {
                tracing::error!(place = what.place, "ALARM: the log contradicts what was seen of it outside, and nobody has decided on it. No session is admitted.");
                held.push(HeldAgainst { what, told: true });
            }
        }
        Ok(())
    }

    async fn contradicted(&self, found: Contradiction) -> Result<(), Fault> {
        {
            let mut held = self.held_against();
            match held.iter().find(|one| one.what.is(&found)) {
                Some(one) if one.told => return Ok(()),
                Some(_) => {}
                // Nobody is admitted already, and each would be an entry.
                None if held.len() >= limits::LOG_CONTRADICTIONS => return Ok(()),
                // In memory first: nobody is let in while the entry is being written.
                None => held.push(HeldAgainst { what: found.clone(), told: false }),
            }
        }
        let Contradiction { place, here, there, root } = found.clone();
        tracing::error!(
            place,
            here,
            there,
            "ALARM: the log contradicts what was seen of it outside: an older copy was put back, or history was rewritten. No session is admitted. \
             If nobody restored anything, change nothing and keep everything as it is. If somebody did: sekisho log accept-restore --reason \"...\""
        );
        let _ = self.inner.recall.send(Recall { session: None, word: RecallWord::End(Cause::Recalled) });
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogContradicted { place, here, there, root });
        tx.commit().await?;
        if let Some(one) = self.held_against().iter_mut().find(|one| one.what.is(&found)) {
            one.told = true;
        }
        Ok(())
    }

    /// Goes on with a log that checkpoints outside contradict, after a restore that somebody knows of. Only at the console. The
    /// key is exchanged with it: what the lost branch signed by the former key stops nobody again, and a head by the new one is
    /// of what came after. If the exchange fails, the decision stands and there is `None` for it.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] elsewhere; [`Refusal::BadField`] without a reason; [`Refusal::NotFound`] if nothing
    /// contradicts the log.
    pub async fn accept_restore(&self, actor: &Actor, reason: &str) -> Done<(Vec<Contradiction>, Option<KeyRotation>)> {
        if actor.via != Via::Console {
            return Err(Refusal::NotAllowed.into());
        }
        let reason = one_line(reason);
        if reason.chars().count() < 4 {
            return Err(Refusal::bad_field("reason").into());
        }
        let held = self.contradictions();
        if held.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        let mut tx = self.write(actor).await?;
        for one in held.clone() {
            let signature = sign_bytes(&self.inner.keys.deciding(), CONTEXT, one.decision(&reason).as_bytes()).map_err(|breach| Fault::Crypto(breach.to_string()))?;
            let Contradiction { place, here, there, root } = one;
            tx.fact(Fact::RestoreAccepted { place, here, there, root, reason: reason.clone(), signature: signature.to_string() });
        }
        tx.commit().await?;
        self.held_against().retain(|one| !held.contains(&one.what));
        let key = match self.rotate_log_key(actor).await {
            Ok(key) => Some(key),
            Err(denied) => {
                tracing::error!(?denied, "the key of the log could not be exchanged after a restore; `sekisho log rotate-key` does it");
                None
            }
        };
        self.send_outside_now();
        Ok((held, key))
    }
}

/// Whether a key signed this head that exchanges lead to from one of our own keys.
async fn later_key(mut keys: Vec<PublicKey>, place: &dyn Place, note: &str) -> Result<bool, String> {
    for exchange in place.exchanges().await? {
        if keys.contains(&exchange.old) && !keys.contains(&exchange.new) {
            keys.push(exchange.new);
        }
    }
    Ok(open_by_any(note, &keys).is_ok())
}
