//! The keys of auditors: entered by one person, confirmed by another, and named in each recording that they open.

use super::recipient::{closes_for, is_key};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::auditor_key::{AuditorKey, AuditorKeyAsk, KeyState, KeyStep, check_reason};
use sekisho_core::facts::Fact;
use sekisho_core::ids::AuditorKeyId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_core::two_person::may_confirm;
use sekisho_evidence::recording::{Recipient, RecipientKind};
use sqlx::Row;
use std::collections::BTreeSet;

impl Store {
    /// All keys of auditors, those that wait first, then those in force, then the others.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn auditor_keys(&self, actor: &Actor) -> Done<Vec<AuditorKey>> {
        self.require(actor, Action::ReadLedger, None, "auditor_keys").await?;
        let mut all = self.auditor_keys_held().await?;
        let rank = |key: &AuditorKey| match key.state {
            KeyState::Asked => 0,
            KeyState::Active => 1,
            KeyState::Ended | KeyState::Refused => 2,
        };
        all.sort_by_key(|key| (rank(key), std::cmp::Reverse(key.asked.at)));
        Ok(all)
    }

    /// Enters a key, which then waits for another person.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::BadField`] for a key that is none, or is here already.
    pub async fn ask_auditor_key(&self, actor: &Actor, ask: AuditorKeyAsk) -> Done<AuditorKey> {
        self.require(actor, Action::KeepAuditorKeys, None, "ask_auditor_key").await?;
        ask.check()?;
        let key = ask.key.trim();
        if !is_key(key) || key == self.inner.keys.recordings_public() {
            return Err(Refusal::bad_field("key").into());
        }
        let mut tx = self.write(actor).await?;
        let all = self.auditor_keys_held().await?;
        let standing = || all.iter().filter(|one| matches!(one.state, KeyState::Asked | KeyState::Active));
        // Who holds a second key as well would have both shares, and open alone.
        if standing().any(|one| one.key == key) || self.is_second_key(key) {
            return Err(Refusal::bad_field("key").into());
        }
        if standing().count() >= limits::AUDITOR_KEYS {
            return Err(Refusal::too_many("AUDITOR_KEYS").into());
        }
        let asked = step(actor, tx.now(), ask.reason.trim())?;
        let name = ask.name.trim().to_owned();
        let held = AuditorKey { id: random_id()?, name, key: key.to_owned(), state: KeyState::Asked, asked, decided: None, ended: None };
        sqlx::query("INSERT INTO auditor_keys (id, body) VALUES ($1, '')").bind(held.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.save_auditor_key(&mut tx, &held, "asked", ask.reason.trim()).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Confirms a key that another person entered, or refuses it.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotAllowed`] to confirm it for who is neither planner nor safety manager;
    /// [`Refusal::SameHand`]; [`Refusal::AuditorKeyStep`]; [`Refusal::NotFound`].
    pub async fn decide_auditor_key(&self, actor: &Actor, id: &AuditorKeyId, yes: bool, reason: &str) -> Done<AuditorKey> {
        if yes && let Err(refusal) = may_confirm(actor) {
            self.note_refused_act(actor, "decide_auditor_key", &refusal).await;
            return Err(refusal.into());
        }
        self.change_auditor_key(actor, id, reason, if yes { "confirmed" } else { "refused" }, |key, step| key.decide(step, yes)).await
    }

    /// Ends a key: recordings that begin are wrapped for it no more. Those of its time stay as they are.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::AuditorKeyStep`]; [`Refusal::NotFound`].
    pub async fn end_auditor_key(&self, actor: &Actor, id: &AuditorKeyId, reason: &str) -> Done<AuditorKey> {
        self.change_auditor_key(actor, id, reason, "ended", AuditorKey::end).await
    }

    async fn change_auditor_key(&self, actor: &Actor, id: &AuditorKeyId, reason: &str, change: &str, act: impl FnOnce(&mut AuditorKey, KeyStep) -> Result<(), Refusal>) -> Done<AuditorKey> {
        self.require(actor, Action::KeepAuditorKeys, None, "change_auditor_key").await?;
        let reason = reason.trim();
        check_reason(reason)?;
        let mut tx = self.write(actor).await?;
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM auditor_keys WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        let mut key: AuditorKey = self.held(&row.ok_or(Refusal::NotFound)?, since)?;
        act(&mut key, step(actor, tx.now(), reason)?)?;
        self.save_auditor_key(&mut tx, &key, change, reason).await?;
        tx.commit().await?;
        Ok(key)
    }

    async fn save_auditor_key(&self, tx: &mut Tx, key: &AuditorKey, change: &str, reason: &str) -> Result<(), Fault> {
        let body = serde_json::to_string(key)?;
        sqlx::query("UPDATE auditor_keys SET body = $1 WHERE id = $2").bind(body.clone()).bind(key.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, key, &body).await?;
        tx.fact(Fact::AuditorKeyKept { auditor_key: key.id.clone(), name: key.name.clone(), key: key.key.clone(), change: change.to_owned(), reason: reason.to_owned() });
        Ok(())
    }

    /// The keys as their rows hold them. A row that somebody else changed, put back or took away is an alarm and counts for
    /// nothing: a key that nobody confirmed must open no recording.
    pub(crate) async fn auditor_keys_held(&self) -> Result<Vec<AuditorKey>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT id, body, seal FROM auditor_keys ORDER BY id").fetch_all(self.read()).await?;
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        for row in &rows {
            seen.insert(row.try_get::<String, _>("id")?);
            match self.held::<AuditorKey>(row, since) {
                Ok(key) => all.push(key),
                Err(fault) => self.inner.shelf.alarm(format!("A key of an auditor is passed over, and recordings begin without it: {fault}.")),
            }
        }
        for gone in self.inner.log.told_rows(AuditorKeyId::PREFIX, since).into_iter().filter(|id| !seen.contains(id)) {
            self.inner.shelf.alarm(format!("The row of the auditor's key {gone} was taken away by somebody else; recordings begin without it."));
        }
        Ok(all)
    }

    /// For whom, beside the hospital, recordings that begin are wrapped. A key for which nothing can be closed is an alarm and passed
    /// over: no worker waits for it.
    pub(crate) async fn auditor_recipients(&self) -> Result<Vec<Recipient>, Fault> {
        let all = self.auditor_keys_held().await?;
        let active = all.into_iter().filter(|key| key.state == KeyState::Active).filter(|key| {
            let closes = closes_for(&key.key);
            if let Err(fault) = &closes {
                self.inner.shelf.alarm(format!("The key {} of an auditor is passed over, and recordings begin without it: {fault}.", key.id));
            }
            closes.is_ok()
        });
        let active = active.take(limits::AUDITOR_KEYS);
        Ok(active.map(|key| Recipient { kind: RecipientKind::Auditor, name: key.name, key: key.key }).collect())
    }
}

/// A step of this person. The console has no person, and so cannot be one of two.
fn step(actor: &Actor, at: Timestamp, reason: &str) -> Result<KeyStep, Refusal> {
    let person = actor.person.clone().ok_or(Refusal::NotAllowed)?;
    Ok(KeyStep { person, name: actor.name.clone(), at, reason: reason.to_owned() })
}
