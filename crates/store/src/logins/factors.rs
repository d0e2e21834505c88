//! Checking factors. Every failure is counted and written down; all failures have one answer.

use super::failures::{count_login, count_source, locked_until, source_waits, unlock};
use super::totp;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::secrets::{Place, Sealed};
use crate::write::Tx;
use sekisho_core::directory::Link;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Standing};
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role, Via, check_login_name};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::net::IpAddr;

/// A person with what proves them.
pub(crate) struct PersonRecord {
    /// As the ledger has them.
    pub person: Person,
    /// PHC string of the password.
    pub password: String,
    totp: Sealed,
    last_step: i64,
    vendor_active: bool,
    /// The directory or provider that stands in the place of the password, if one does.
    pub link: Option<Link>,
}

impl PersonRecord {
    /// True while the person may log in at all.
    pub fn may_log_in(&self, now: Timestamp) -> bool {
        self.vendor_active && self.person.may_act(now)
    }
}

/// One attempt to log in.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// The name that was given; may belong to nobody.
    pub login: &'a str,
    /// From where.
    pub source: IpAddr,
    /// By which door.
    pub via: Via,
    /// The name of the step in the log: `login`, `second_factor`.
    pub stage: &'a str,
}

impl Store {
    /// Checks a password as the first of two factors.
    ///
    /// # Errors
    /// One refusal for every failure, or that the name or source must wait.
    pub(crate) async fn check_password(&self, login: &str, password: &Secret, source: IpAddr) -> Done<PersonRecord> {
        let attempt = Attempt { login, source, via: Via::Ssh, stage: "login" };
        self.prove_password(&attempt, password).await
    }

    /// The password alone.
    pub(super) async fn prove_password(&self, attempt: &Attempt<'_>, password: &Secret) -> Done<PersonRecord> {
        let _turn = self.turn(attempt.login).await;
        self.may_try(attempt).await?;
        let record = self.record_of(attempt.login).await?;
        match self.password_holds(attempt, record, password).await?.filter(|record| record.may_log_in(self.now())) {
            Some(record) => Ok(record),
            None => Err(self.failed(attempt).await),
        }
    }

    /// Checks a one-time code as the second of two factors, after the first one of the same login. The code is spent.
    ///
    /// # Errors
    /// One refusal for every failure, or that the name or source must wait.
    pub(crate) async fn check_code(&self, person: &PersonId, code: &Secret, source: IpAddr) -> Done<()> {
        let login = self.login_name(person).await?;
        let attempt = Attempt { login: &login, source, via: Via::Ssh, stage: "second_factor" };
        let (record, tx) = self.prove(&attempt, None, code).await?;
        // SSH is no place to set anything up: a role that asks for a passkey comes in by key windows alone.
        if self.factor_standing(&record, FactorKind::Totp).await? != Standing::Full {
            drop(tx);
            return Err(self.wrong_kind(&attempt, &record).await);
        }
        Ok(tx.commit().await?)
    }

    /// Checks the code, and the password with it if there is one. Gives a transaction in which the code is spent: who
    /// called adds what follows from the proof and commits.
    pub(super) async fn prove(&self, attempt: &Attempt<'_>, password: Option<&Secret>, code: &Secret) -> Done<(PersonRecord, Tx)> {
        let _turn = self.turn(attempt.login).await;
        self.may_try(attempt).await?;
        let record = self.record_of(attempt.login).await?;
        let record = match password {
            // Who has no code of the person's never reaches the directory: no guessing of its passwords through this box, and
            // no account that strangers lock there.
            Some(password) if record.as_ref().is_some_and(PersonRecord::is_of_directory) && !self.code_fits(record.as_ref(), code)? => {
                self.password_fits(None, password).await?;
                None
            }
            Some(password) => self.password_holds(attempt, record, password).await?,
            None => record,
        };
        // Both factors are looked at before anything is told, so that the answer does not say which one was wrong.
        let Some(record) = record else { return Err(self.failed(attempt).await) };
        let Some(secret) = self.totp_secret(&record)? else { return Err(self.failed(attempt).await) };
        let Some(step) = totp::check(&secret, code, record.last_step, self.now())? else { return Err(self.failed(attempt).await) };
        if !record.may_log_in(self.now()) {
            return Err(self.failed(attempt).await);
        }
        self.may_use(attempt, &record, FactorKind::Totp).await?;
        let actor = Actor::of(&record.person, attempt.via, Some(attempt.source.to_string()));
        let mut tx = self.write(&actor).await?;
        // The condition spends the code even if another door took it a moment ago.
        let spent = sqlx::query("UPDATE credentials SET last_step = $1 WHERE person = $2 AND last_step < $1")
            .bind(step)
            .bind(record.person.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        if spent.rows_affected() != 1 {
            drop(tx);
            return Err(self.failed(attempt).await);
        }
        unlock(tx.sql(), attempt.login).await?;
        Ok((record, tx))
    }

    /// Whether a code is right and was not spent; it is not spent by this.
    fn code_fits(&self, record: Option<&PersonRecord>, code: &Secret) -> Result<bool, Fault> {
        let Some(record) = record else { return Ok(false) };
        let Some(secret) = self.totp_secret(record)? else { return Ok(false) };
        Ok(totp::check(&secret, code, record.last_step, self.now())?.is_some())
    }

    /// Waits for one's turn: attempts on one name are made one after the other.
    pub(super) async fn turn(&self, login: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.inner.stripes.take(login).await
    }

    /// Refuses without counting while name or source must wait. Nothing is written here, so that a flood of attempts
    /// cannot fill the log.
    pub(super) async fn may_try(&self, attempt: &Attempt<'_>) -> Done<()> {
        self.may_try_from(attempt.source).await?;
        if locked_until(self.read(), attempt.login, self.now()).await?.is_some() {
            return Err(Refusal::LockedOut.into());
        }
        Ok(())
    }

    /// The same by the source alone, for what nobody can guess: whoever types wrong passwords to a name must not keep the
    /// holder of its passkey out.
    pub(super) async fn may_try_from(&self, source: IpAddr) -> Done<()> {
        if source_waits(self.read(), source, self.now()).await? { Err(Refusal::SourceBlocked.into()) } else { Ok(()) }
    }

    pub(super) async fn password_fits(&self, record: Option<&PersonRecord>, password: &Secret) -> Result<bool, Fault> {
        let sound = password.expose().chars().count() <= limits::PASSWORD_CHARS;
        // An empty column is no password: that of a linked person is kept elsewhere.
        let hash = record.filter(|record| sound && !record.password.is_empty()).map(|record| record.password.clone());
        // What is too long is not hashed, yet as much work is done as for a password.
        let password = if sound { password.clone() } else { Secret::new("") };
        self.inner.hashing.verify(password, hash).await
    }

    /// Counts and writes down a failure, and gives the refusal for it.
    pub(super) async fn failed(&self, attempt: &Attempt<'_>) -> Denied {
        match self.count_failure_as(attempt, &Refusal::LoginFailed, "").await {
            Ok(()) => Refusal::LoginFailed.into(),
            Err(fault) => fault.into(),
        }
    }

    /// Counts and writes down a failure, with its cause.
    pub(super) async fn count_failure_as(&self, attempt: &Attempt<'_>, refusal: &Refusal, why: &str) -> Result<(), Fault> {
        self.write_failure(attempt, refusal, why, true).await
    }

    /// The same, counted against the source alone.
    pub(super) async fn count_source_failure(&self, attempt: &Attempt<'_>, refusal: &Refusal, why: &str) -> Result<(), Fault> {
        self.write_failure(attempt, refusal, why, false).await
    }

    async fn write_failure(&self, attempt: &Attempt<'_>, refusal: &Refusal, why: &str, by_name: bool) -> Result<(), Fault> {
        let mut actor = Actor::system();
        (actor.via, actor.source) = (attempt.via, Some(attempt.source.to_string()));
        let mut tx = self.write(&actor).await?;
        let now = tx.now();
        if count_source(tx.sql(), attempt.source, now).await? {
            tx.fact(Fact::SourceLocked { source: attempt.source.to_string() });
        }
        // A text that can be nobody's name is not kept: it may be a password in the wrong field.
        let named = check_login_name(attempt.login).is_ok();
        let login = if named { attempt.login.to_owned() } else { String::new() };
        tx.fact(Fact::Refused { stage: attempt.stage.to_owned(), login: login.clone(), code: refusal.code().to_owned(), detail: why.to_owned() });
        if named && by_name && count_login(tx.sql(), attempt.login, self.policy(), now).await? {
            tx.fact(Fact::LockedOut { login });
        }
        tx.commit().await
    }

    /// The person of a login name, if there is one and they have enrolled.
    pub(super) async fn record_of(&self, login: &str) -> Result<Option<PersonRecord>, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal, c.password, c.totp, c.last_step FROM persons p \
            JOIN credentials c ON c.person = p.id WHERE p.login = $1";
        let Some(row) = sqlx::query(text).bind(login.to_owned()).fetch_optional(self.read()).await? else { return Ok(None) };
        let person: Person = self.held(&row, since)?;
        // The column found the row; what counts is what is sealed.
        if person.login != login {
            return Err(Fault::Damaged(format!("the login name of {} was changed by somebody else", person.id)));
        }
        Ok(Some(PersonRecord {
            link: self.link_of(&person.id).await?,
            vendor_active: self.vendor_in_force(person.vendor.as_ref(), self.now()).await?,
            person,
            password: row.try_get("password")?,
            totp: Sealed::from_bytes(row.try_get("totp")?),
            last_step: row.try_get("last_step")?,
        }))
    }

    /// The secret of the person's authenticator app; `None` if they have none.
    pub(super) fn totp_secret(&self, record: &PersonRecord) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Fault> {
        if record.totp.is_empty() {
            return Ok(None);
        }
        let place = Place { table: "credentials", row: record.person.id.as_str(), column: "totp" };
        self.inner.keys.unseal(place, &record.totp).map(Some)
    }

    pub(super) async fn login_name(&self, person: &PersonId) -> Done<String> {
        let row = sqlx::query("SELECT login FROM persons WHERE id = $1").bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        match row {
            Some(row) => Ok(row.try_get("login")?),
            None => Err(Refusal::LoginFailed.into()),
        }
    }

    /// The public keys that a worker may log in with, as `ssh-ed25519 AAAA…`. Empty for anybody else.
    pub(crate) async fn registered_keys(&self, login: &str) -> Done<Vec<String>> {
        let Some(record) = self.record_of(login).await? else { return Ok(Vec::new()) };
        if !record.may_log_in(self.now()) || !record.person.is(Role::Worker) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT key FROM worker_keys WHERE person = $1 ORDER BY added_at").bind(record.person.id.as_str().to_owned()).fetch_all(self.read()).await?;
        Ok(rows.iter().map(|row| row.try_get("key")).collect::<Result<_, _>>()?)
    }

    /// The person whose key was proved by a signature, as the first of two factors. Counts a failure if there is none.
    ///
    /// # Errors
    /// As [`Store::check_password`].
    pub(crate) async fn check_key(&self, login: &str, key: &str, source: IpAddr) -> Done<PersonRecord> {
        let attempt = Attempt { login, source, via: Via::Ssh, stage: "login" };
        let _turn = self.turn(login).await;
        self.may_try(&attempt).await?;
        let known = self.registered_keys(login).await?.iter().any(|registered| registered == key);
        let record = if known { self.record_of(login).await? } else { None };
        match record {
            Some(record) => Ok(record),
            None => Err(self.failed(&attempt).await),
        }
    }
}
