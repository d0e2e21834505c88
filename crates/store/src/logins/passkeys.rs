//! Passkeys and security keys: their rows, how they are added, listed and removed. What a passkey proves is in
//! [`super::passkey_proof`].

use super::ceremonies::Asked;
use super::own_factors::NoticeKind;
use super::site::handle;
use super::web::WebLogin;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::factors::suffices;
use sekisho_core::ids::{PasskeyId, PersonId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::Action;
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::net::IpAddr;
use webauthn_rs::prelude::{Passkey, RegisterPublicKeyCredential};

/// File of the keys folder that stands for: every passkey and every set of recovery codes names its line of the log.
const NUMBERED: &str = "factors.numbered";

/// A question to a passkey, for the browser: it hands `options` to the authenticator, and `ceremony` back with the answer.
#[derive(Clone, Debug, Serialize)]
pub struct PasskeyQuestion {
    /// Carried back with the answer; good for one.
    pub ceremony: String,
    /// What `navigator.credentials` takes, its bytes in base64url.
    pub options: Value,
}

/// A passkey, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PasskeyRow {
    /// Identifier.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// When it was registered.
    pub added_at: Timestamp,
    /// When it last proved its owner.
    pub used_at: Option<Timestamp>,
    /// Suspended because its counter went back.
    pub suspended: bool,
}

/// What lies sealed in a row.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub passkey: Passkey,
    #[serde(default)]
    pub suspended: bool,
    /// The name of the box under which it was made, and under which alone it works.
    #[serde(default)]
    pub site: String,
    /// The log's line that told of it when this was written. A row that says less than the log knows was put back.
    #[serde(default)]
    pub seq: u64,
}

/// A row, opened.
pub(super) struct Found {
    pub row: PasskeyRow,
    pub person: PersonId,
    pub credential: String,
    pub kept: Kept,
}

/// What a browser sends at the end of a ceremony.
#[derive(Deserialize)]
pub(super) struct Answer<T> {
    pub ceremony: String,
    pub credential: T,
}

/// Reads the answer of a browser; `None` for anything malformed.
pub(super) fn read_answer<T: DeserializeOwned>(text: &str) -> Option<Answer<T>> {
    if text.len() > limits::PASSKEY_ANSWER_BYTES {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// What is kept of a credential's id in clear, to find its row.
pub(super) fn credential_key(id: &[u8]) -> String {
    Digest::of(id).to_string()
}

fn bound(id: &str, person: &str, credential: &str) -> String {
    json!([id, person, credential]).to_string()
}

/// The binding of a ceremony in a login.
pub(super) fn in_login(purpose: &str, login: &WebLogin) -> String {
    format!("{purpose}:{}", login.id)
}

impl Store {
    /// One's own passkeys.
    ///
    /// # Errors
    /// Without a person.
    pub async fn my_passkeys(&self, actor: &Actor) -> Done<Vec<PasskeyRow>> {
        let person = actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        Ok(self.passkeys_of(person).await?.into_iter().map(|found| found.row).collect())
    }

    /// Asks the browser to make a passkey for the person of this login.
    ///
    /// # Errors
    /// Without a fresh factor; [`Refusal::PasskeysUnavailable`]; [`Refusal::TooMany`].
    pub async fn ask_new_passkey(&self, login: &WebLogin) -> Done<PasskeyQuestion> {
        self.require_step_up(login, Action::KeepOwnFactors)?;
        self.question_for_new(&login.person, &in_login("add", login), login.source).await
    }

    pub(super) async fn question_for_new(&self, person: &Person, binding: &str, source: IpAddr) -> Done<PasskeyQuestion> {
        let site = self.site()?;
        let held = self.passkeys_of(&person.id).await?;
        if held.len() >= limits::PASSKEYS {
            return Err(Refusal::too_many("PASSKEYS").into());
        }
        let exclude = held.iter().map(|found| found.kept.passkey.cred_id().clone()).collect();
        let (challenge, state) = site.webauthn.start_passkey_registration(handle(&person.id), &person.login, &person.name, Some(exclude)).map_err(broken)?;
        let mut options = serde_json::to_value(&challenge.public_key)?;
        // A key that can find its person itself spares typing the name; one that cannot is welcome all the same.
        if let Some(selection) = options.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
            selection.insert("residentKey".into(), json!("preferred"));
            selection.insert("requireResidentKey".into(), json!(false));
        }
        let ceremony = self.inner.ceremonies.begin(binding, source, self.now(), Asked::Add { state })?;
        Ok(PasskeyQuestion { ceremony: ceremony.expose().to_owned(), options })
    }

    /// Registers the passkey that the browser made. Every other login of the person ends.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for a name that is none; [`Refusal::CeremonyOver`]; [`Refusal::PasskeyRefused`].
    pub async fn add_passkey(&self, login: &WebLogin, name: &str, answer: &str) -> Done<PasskeyId> {
        self.require_step_up(login, Action::KeepOwnFactors)?;
        let passkey = self.made(&in_login("add", login), name, answer)?;
        let mut tx = self.write(&login.actor).await?;
        let id = self.insert_passkey(&mut tx, &login.person.id, name, passkey).await?;
        self.factors_changed(&mut tx, login).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Holds the answer of a browser against the question: key, origin, user verification, challenge.
    pub(super) fn made(&self, binding: &str, name: &str, answer: &str) -> Result<Passkey, Refusal> {
        check_line("passkey_name", name)?;
        if name.trim().is_empty() {
            return Err(Refusal::bad_field("passkey_name"));
        }
        let answer: Answer<RegisterPublicKeyCredential> = read_answer(answer).ok_or(Refusal::PasskeyRefused)?;
        let Some(Asked::Add { state }) = self.inner.ceremonies.take(&answer.ceremony, binding, self.now()) else { return Err(Refusal::CeremonyOver) };
        self.site()?.webauthn.finish_passkey_registration(&answer.credential, &state).map_err(|error| {
            tracing::info!(%error, "a new passkey was refused");
            Refusal::PasskeyRefused
        })
    }

    pub(super) async fn insert_passkey(&self, tx: &mut Tx, person: &PersonId, name: &str, passkey: Passkey) -> Done<PasskeyId> {
        let id: PasskeyId = random_id()?;
        let credential = credential_key(passkey.cred_id());
        let held = sqlx::query("SELECT person, credential FROM passkeys WHERE person = $1 OR credential = $2").bind(person.as_str().to_owned()).bind(credential.clone()).fetch_all(tx.sql()).await?;
        for row in &held {
            // The same key for two persons would let one log in as the other.
            if row.try_get::<&str, _>("credential")? == credential {
                return Err(Refusal::PasskeyRefused.into());
            }
        }
        if held.len() >= limits::PASSKEYS {
            return Err(Refusal::too_many("PASSKEYS").into());
        }
        let now = tx.now();
        let kept = Kept { passkey, suspended: false, site: self.site()?.name.clone(), seq: tx.next_seq() };
        let body = self.seal_passkey(&id, person, &credential, &kept)?;
        sqlx::query("INSERT INTO passkeys (id, person, credential, name, added_at, body) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(id.as_str().to_owned())
            .bind(person.as_str().to_owned())
            .bind(credential)
            .bind(name.trim().to_owned())
            .bind(now.0)
            .bind(body.into_bytes())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::PasskeyAdded { person: person.clone(), passkey: id.clone(), name: name.trim().to_owned() });
        self.notice(tx, person, NoticeKind::PasskeyAdded, name.trim()).await?;
        Ok(id)
    }

    /// Removes one's own passkey. Every other login of the person ends.
    ///
    /// # Errors
    /// Without a fresh factor; [`Refusal::LastFactor`] if nothing that the roles accept would be left;
    /// [`Refusal::NotFound`].
    pub async fn remove_passkey(&self, login: &WebLogin, id: &PasskeyId) -> Done<()> {
        self.require_step_up(login, Action::KeepOwnFactors)?;
        let person = &login.person;
        let mut tx = self.write(&login.actor).await?;
        // Read within the change, so that two removals at once cannot each count on the other's passkey.
        let since = self.since();
        let rows = sqlx::query(ROWS).bind(person.id.as_str().to_owned()).fetch_all(tx.sql()).await?;
        let held = rows.iter().map(|row| self.opened(row, since)).collect::<Result<Vec<_>, _>>()?;
        let gone = held.iter().find(|found| found.row.id == *id).ok_or(Refusal::NotFound)?;
        let mut left = self.held_factors_in(&mut tx, &person.id).await?;
        left.passkey = held.iter().any(|found| found.row.id != *id && !found.row.suspended);
        if !gone.row.suspended && !suffices(&self.policy().factors, &person.roles, left) {
            return Err(Refusal::LastFactor.into());
        }
        sqlx::query("DELETE FROM passkeys WHERE id = $1 AND person = $2").bind(id.as_str().to_owned()).bind(person.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.notice(&mut tx, &person.id, NoticeKind::PasskeyRemoved, &gone.row.name).await?;
        tx.fact(Fact::PasskeyRemoved { person: person.id.clone(), passkey: id.clone(), name: gone.row.name.clone() });
        self.factors_changed(&mut tx, login).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn passkeys_of(&self, person: &PersonId) -> Result<Vec<Found>, Fault> {
        let since = self.since();
        let rows = sqlx::query(ROWS).bind(person.as_str().to_owned()).fetch_all(self.read()).await?;
        rows.iter().map(|row| self.opened(row, since)).collect()
    }

    /// The row of a credential, if it is registered.
    pub(super) async fn passkey_of(&self, credential: &[u8]) -> Result<Option<Found>, Fault> {
        let text = "SELECT id, person, credential, name, added_at, used_at, body FROM passkeys WHERE credential = $1";
        let since = self.since();
        let row = sqlx::query(text).bind(credential_key(credential)).fetch_optional(self.read()).await?;
        row.map(|row| self.opened(&row, since)).transpose()
    }

    /// How many passkeys were made under another name than the box has: browsers offer none of them.
    ///
    /// # Errors
    /// A fault.
    pub async fn passkeys_of_another_name(&self) -> Result<usize, Fault> {
        let name = self.inner.site.as_ref().map_or("", |site| site.name.as_str());
        let since = self.since();
        let rows = sqlx::query("SELECT id, person, credential, name, added_at, used_at, body FROM passkeys").fetch_all(self.read()).await?;
        // One that cannot be opened is told where it is used.
        let opened = rows.iter().filter_map(|row| self.opened(row, since).ok());
        Ok(opened.filter(|found| !found.kept.site.is_empty() && found.kept.site != name).count())
    }

    fn opened(&self, row: &AnyRow, since: u64) -> Result<Found, Fault> {
        let (id, person, credential): (String, String, String) = (row.try_get("id")?, row.try_get("person")?, row.try_get("credential")?);
        let place = bound(&id, &person, &credential);
        let body = Sealed::from_bytes(row.try_get("body")?);
        let plain = self.inner.keys.unseal(Place { table: "passkeys", row: &place, column: "body" }, &body)?;
        let kept: Kept = serde_json::from_slice(&plain)?;
        if self.is_older(&id, kept.seq, since) {
            return Err(Fault::Damaged(format!("the row of passkey {id} was put back to an older state by somebody else")));
        }
        let damaged = || Fault::Damaged(format!("the row of passkey {id:?} is malformed"));
        let row = PasskeyRow {
            id: PasskeyId::parse(&id).ok_or_else(damaged)?,
            name: row.try_get("name")?,
            added_at: Timestamp(row.try_get("added_at")?),
            used_at: row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp),
            suspended: kept.suspended,
        };
        Ok(Found { row, person: PersonId::parse(&person).ok_or_else(damaged)?, credential, kept })
    }

    fn seal_passkey(&self, id: &PasskeyId, person: &PersonId, credential: &str, kept: &Kept) -> Result<Sealed, Fault> {
        let place = bound(id.as_str(), person.as_str(), credential);
        self.inner.keys.seal(Place { table: "passkeys", row: &place, column: "body" }, &serde_json::to_vec(kept)?)
    }

    /// Names to each passkey and each set of recovery codes the log's line that told of it last; once, on a box that was set up
    /// before they bore it. The mark lies with the keys, so who has the database alone cannot ask for it again.
    pub(crate) async fn number_factors_once(&self) -> Result<(), Fault> {
        if self.inner.keys.load_file(NUMBERED)?.is_some() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let rows = sqlx::query("SELECT id, person, credential, name, added_at, used_at, body FROM passkeys").fetch_all(tx.sql()).await?;
        for row in rows {
            // Read as of the first line: none is older than that.
            let mut found = self.opened(&row, 0)?;
            found.kept.seq = self.inner.log.last_told(found.row.id.as_str()).unwrap_or(0);
            let body = self.seal_passkey(&found.row.id, &found.person, &found.credential, &found.kept)?;
            sqlx::query("UPDATE passkeys SET body = $1 WHERE id = $2").bind(body.into_bytes()).bind(found.row.id.as_str().to_owned()).execute(tx.sql()).await?;
        }
        self.number_recovery(&mut tx).await?;
        tx.commit().await?;
        self.mark_numbered()
    }

    /// Marks a box whose factors name their lines.
    pub(crate) fn mark_numbered(&self) -> Result<(), Fault> {
        self.inner.keys.keep_file(NUMBERED, b"")
    }

    /// Writes a passkey back after a proof, or after it was suspended. The next fact of the change must be the one that tells of
    /// it.
    pub(super) async fn keep_passkey(&self, tx: &mut Tx, found: &mut Found, used: bool) -> Result<(), Fault> {
        found.kept.seq = tx.next_seq();
        let body = self.seal_passkey(&found.row.id, &found.person, &found.credential, &found.kept)?;
        let used_at = if used { Some(tx.now().0) } else { found.row.used_at.map(|at| at.0) };
        sqlx::query("UPDATE passkeys SET body = $1, used_at = $2 WHERE id = $3").bind(body.into_bytes()).bind(used_at).bind(found.row.id.as_str().to_owned()).execute(tx.sql()).await?;
        Ok(())
    }
}

const ROWS: &str = "SELECT id, person, credential, name, added_at, used_at, body FROM passkeys WHERE person = $1 ORDER BY added_at, id";

/// A question that could not be made is a fault of ours.
pub(super) fn broken(error: webauthn_rs::prelude::WebauthnError) -> Fault {
    Fault::Crypto(format!("passkeys: {error}"))
}

/// Removes every passkey and all recovery codes of a person, as part of a reset.
pub(crate) async fn remove_all_factors(tx: &mut Tx, person: &PersonId) -> Result<(), Fault> {
    let rows = sqlx::query("SELECT id, name FROM passkeys WHERE person = $1 ORDER BY added_at, id").bind(person.as_str().to_owned()).fetch_all(tx.sql()).await?;
    for row in rows {
        let id: String = row.try_get("id")?;
        let passkey = PasskeyId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a passkey")))?;
        tx.fact(Fact::PasskeyRemoved { person: person.clone(), passkey, name: row.try_get("name")? });
    }
    for text in ["DELETE FROM passkeys WHERE person = $1", "DELETE FROM recovery_codes WHERE person = $1"] {
        sqlx::query(text).bind(person.as_str().to_owned()).execute(tx.sql()).await?;
    }
    Ok(())
}
