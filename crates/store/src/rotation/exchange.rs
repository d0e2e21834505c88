//! One exchange, from the candidate to the credential in force.

use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::ledger::place_of;
use crate::secrets::{Place, Sealed, random_bytes};
use crate::write::Tx;
use sekisho_core::desk::{Cause, TargetCredential};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{AccountId, SessionId};
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_core::rotation::{Rotated, RotationEnd, RotationOrder, RotationTrouble, Rotator};
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, CredentialKind, Target};
use sqlx::Row;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Characters of a password that Sekisho makes: all kinds that password rules ask for, none that a shell, a URL or a
/// person on the telephone trips over.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";
const SYMBOLS: &[u8] = b"-_.+=@%";
/// Length of such a password. About 180 bits; old systems cut at 32 or take no more.
const PASSWORD_CHARS: usize = 32;

/// Where the candidate lies.
fn candidate_place(account: &AccountId) -> Place<'_> {
    Place { table: "rotations", row: account.as_str(), column: "candidate" }
}

/// An exchange whose candidate and recording are durable.
struct Begun {
    account: Account,
    session: SessionId,
    order: RotationOrder,
    /// The credential that was in force.
    old: Secret,
}

/// Account, target and the credential in force.
struct Gathered {
    account: Account,
    target: Target,
    old: TargetCredential,
}

impl Store {
    /// Exchanges the credential of one account, or finds out how an exchange ended that broke off.
    pub(super) async fn exchange(&self, id: &AccountId, rotator: &Arc<dyn Rotator>) -> Done<()> {
        if let Some(candidate) = self.candidate(id).await? {
            return self.find_out(id, candidate, rotator).await;
        }
        let Some(begun) = self.begin_exchange(id, rotator).await? else { return Ok(()) };
        let Begun { account, session, order, old } = begun;
        // A task of its own: whoever waits here may go away, and an exchange is carried to its end all the same.
        let (store, rotator) = (self.clone(), Arc::clone(rotator));
        let done = tokio::spawn(async move {
            let RotationEnd { outcome, other_host_key, recording } = rotator.rotate(order).await;
            store.settle_exchange(&account, &old, Some(&session), &outcome, other_host_key.as_deref()).await?;
            store.end_session(&session, Cause::Closed).await;
            // Dropped after the end was claimed; before that, dropping it would report the session as vanished.
            drop(recording);
            Ok::<_, Fault>(())
        });
        done.await.map_err(|lost| Fault::Crypto(format!("an exchange was lost: {lost}")))??;
        Ok(())
    }

    /// Writes down the candidate and opens the recording. `None` if the account came into use meanwhile.
    async fn begin_exchange(&self, id: &AccountId, rotator: &Arc<dyn Rotator>) -> Done<Option<Begun>> {
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let Gathered { account, target, .. } = self.gather_account(&mut conn, id).await?;
        drop(conn);
        let secret = match account.credential {
            CredentialKind::Password => password()?,
            CredentialKind::PrivateKey => rotator.new_key().map_err(Fault::Crypto)?,
            CredentialKind::Certificate => {
                self.settle_nothing(id).await?;
                return Ok(None);
            }
        };
        let robot = self.open_robot(&target).await?;
        let sealed = self.inner.keys.seal(candidate_place(id), secret.expose().as_bytes())?;
        let mut tx = self.write(&Actor::system()).await?;
        let Gathered { account, target, old } = self.gather_account(tx.sql(), id).await?;
        let running = "SELECT id FROM sessions WHERE ended_at IS NULL AND target = $1 AND account = $2";
        let running = sqlx::query(running).bind(target.id.as_str().to_owned()).bind(account.username.clone()).fetch_optional(tx.sql()).await?;
        // The kind may have been changed by a person since the candidate was made.
        let fits = matches!((&old, account.credential), (TargetCredential::Password(_), CredentialKind::Password) | (TargetCredential::PrivateKey(_), CredentialKind::PrivateKey));
        if running.is_some() || !fits || target.host_keys.is_empty() || !target.active {
            return Ok(None);
        }
        sqlx::query("UPDATE rotations SET candidate = $1 WHERE account = $2 AND candidate IS NULL")
            .bind(sealed.into_bytes())
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        robot.enter(self, &mut tx, &account, &target).await?;
        tx.commit().await?;
        let (session, recording) = robot.into_open();
        let new = credential_of(&account, secret);
        let in_force = secret_of(&old).clone();
        let order = RotationOrder {
            host: target.host,
            port: target.port,
            host_keys: target.host_keys,
            username: account.username.clone(),
            old,
            new,
            recording,
        };
        Ok(Some(Begun { account, session, order, old: in_force }))
    }

    async fn gather_account(&self, conn: &mut sqlx::AnyConnection, id: &AccountId) -> Done<Gathered> {
        let account = self.load_account(&mut *conn, id).await?.ok_or(Refusal::NotFound)?;
        let target = self.load_target(&mut *conn, &account.target).await?.ok_or(Refusal::NotFound)?;
        let old = self.credential(conn, &account).await?;
        Ok(Gathered { account, target, old })
    }

    async fn candidate(&self, id: &AccountId) -> Result<Option<Secret>, Fault> {
        let row = sqlx::query("SELECT candidate FROM rotations WHERE account = $1").bind(id.as_str().to_owned()).fetch_optional(self.read()).await?;
        let sealed: Option<Vec<u8>> = row.map(|row| row.try_get("candidate")).transpose()?.flatten();
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = Zeroizing::new(self.inner.keys.unseal(candidate_place(id), &Sealed::from_bytes(sealed))?);
        std::str::from_utf8(&plain).map(|text| Some(Secret::new(text))).map_err(|_| Fault::Damaged("a candidate is no text".into()))
    }

    /// An exchange broke off: which of the two credentials opens the account?
    async fn find_out(&self, id: &AccountId, candidate: Secret, rotator: &Arc<dyn Rotator>) -> Done<()> {
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let Gathered { account, target, old } = self.gather_account(&mut conn, id).await?;
        drop(conn);
        let in_force = secret_of(&old).clone();
        let tried = vec![credential_of(&account, candidate), old];
        let opening = rotator.which(&target.host, target.port, &target.host_keys, &account.username, tried).await;
        let outcome = match opening.at {
            Some(0) => Rotated::DoneOldRemains,
            Some(_) => Rotated::Unchanged { why: RotationTrouble::NotTaken },
            None if opening.other_host_key.is_some() => Rotated::Unsure { why: RotationTrouble::HostKeyChanged },
            None => Rotated::Unsure { why: RotationTrouble::Unreachable },
        };
        Ok(self.settle_exchange(&account, &in_force, None, &outcome, opening.other_host_key.as_deref()).await?)
    }

    /// Puts the credential that works in force, and writes down how it went. A host key that is not the pinned one raises
    /// the alarm, as it does when a worker's session meets it.
    ///
    /// A person may have set the account's credential since: then neither it nor the new one is thrown away, and the next
    /// round finds out which of them opens the account.
    async fn settle_exchange(&self, begun: &Account, old: &Secret, session: Option<&SessionId>, outcome: &Rotated, other_host_key: Option<&str>) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let account = &self.load_account(tx.sql(), &begun.id).await?.ok_or_else(|| Fault::Damaged("an account went away under its exchange".into()))?;
        let candidate = self.candidate(&account.id).await?;
        let why = RotationTrouble::SetMeanwhile;
        let settled = match (&candidate, outcome) {
            // Another kind was set, and the candidate was dropped with the old one.
            (None, _) => Rotated::Unchanged { why },
            (Some(_), Rotated::Done | Rotated::DoneOldRemains) if !self.is_in_force(&mut tx, account, old).await? => Rotated::Unsure { why },
            (Some(_), outcome) => outcome.clone(),
        };
        let outcome = &settled;
        let done = matches!(outcome, Rotated::Done | Rotated::DoneOldRemains);
        if let Some(candidate) = candidate.filter(|_| done) {
            let sealed = self.inner.keys.seal(place_of(&account.id), candidate.expose().as_bytes())?;
            sqlx::query("UPDATE accounts SET credential = $1 WHERE id = $2")
                .bind(sealed.into_bytes())
                .bind(account.id.as_str().to_owned())
                .execute(tx.sql())
                .await?;
            let now = tx.now();
            sqlx::query("UPDATE rotations SET candidate = NULL, used_at = NULL, asked = 0, tries = 0, next_at = 0, done_at = $1, last = $2 WHERE account = $3")
                .bind(now.0)
                .bind(serde_json::to_string(outcome)?)
                .bind(account.id.as_str().to_owned())
                .execute(tx.sql())
                .await?;
        } else if !matches!(outcome, Rotated::Unsure { .. }) {
            self.drop_candidate(&mut tx, &account.id).await?;
        }
        if !done {
            Self::put_off(&mut tx, &account.id, Some(outcome)).await?;
        }
        if let Some(session) = session {
            sqlx::query("UPDATE robot_sessions SET outcome = $1 WHERE id = $2")
                .bind(serde_json::to_string(outcome)?)
                .bind(session.as_str().to_owned())
                .execute(tx.sql())
                .await?;
        }
        if let Some(seen) = other_host_key {
            self.alarm_target(&mut tx, &account.target, session, seen).await?;
        }
        self.reseal_account(&mut tx, account).await?;
        tx.fact(Fact::CredentialRotated { account: account.id.clone(), username: account.username.clone(), session: session.cloned(), outcome: outcome.clone() });
        tx.commit().await
    }

    /// Whether the account's credential is still the one that the exchange began with.
    async fn is_in_force(&self, tx: &mut Tx, account: &Account, old: &Secret) -> Result<bool, Fault> {
        match self.credential(tx.sql(), account).await {
            Ok(present) => Ok(secret_of(&present).expose() == old.expose()),
            Err(Denied::Refusal(_)) => Ok(false),
            Err(Denied::Fault(fault)) => Err(fault),
        }
    }

    /// The entry that follows tells of the account, so its row bears the number of that entry.
    async fn reseal_account(&self, tx: &mut Tx, account: &Account) -> Result<(), Fault> {
        let text = serde_json::to_string(account)?;
        sqlx::query("UPDATE accounts SET body = $1 WHERE id = $2").bind(text.clone()).bind(account.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, account, &text).await
    }

    /// An account that came to go by certificate has nothing to exchange.
    async fn settle_nothing(&self, id: &AccountId) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        sqlx::query("UPDATE rotations SET mode = 'off', asked = 0, used_at = NULL, candidate = NULL WHERE account = $1")
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        tx.commit().await
    }
}

fn credential_of(account: &Account, secret: Secret) -> TargetCredential {
    if account.credential == CredentialKind::Password { TargetCredential::Password(secret) } else { TargetCredential::PrivateKey(secret) }
}

fn secret_of(credential: &TargetCredential) -> &Secret {
    match credential {
        TargetCredential::Password(secret) | TargetCredential::PrivateKey(secret) | TargetCredential::Certificate { key: secret, .. } => secret,
    }
}

/// A password with every kind of character that rules ask for, at places that chance chose.
fn password() -> Result<Secret, Fault> {
    let all: Vec<u8> = [LETTERS, DIGITS, SYMBOLS].concat();
    loop {
        let mut text = Zeroizing::new(String::with_capacity(PASSWORD_CHARS));
        while text.len() < PASSWORD_CHARS {
            let drawn = Zeroizing::new(random_bytes::<32>()?);
            // Bytes beyond the last whole multiple are dropped, so that every character is equally likely.
            let fair = 256 / all.len() * all.len();
            let chosen = drawn.iter().filter(|byte| usize::from(**byte) < fair).filter_map(|byte| all.get(usize::from(*byte) % all.len()));
            let missing = PASSWORD_CHARS - text.len();
            text.extend(chosen.map(|byte| char::from(*byte)).take(missing));
        }
        let has = |kind: &[u8]| text.bytes().any(|byte| kind.contains(&byte));
        // A leading symbol could be taken for an option somewhere.
        if has(DIGITS) && has(SYMBOLS) && has(LETTERS) && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Ok(Secret::new(text.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_hold_every_kind_and_no_two_are_alike() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_eq!(one.expose().len(), PASSWORD_CHARS);
        assert_ne!(one.expose(), other.expose());
        for kind in [DIGITS, SYMBOLS, LETTERS] {
            assert!(one.expose().bytes().any(|byte| kind.contains(&byte)));
        }
    }
}
