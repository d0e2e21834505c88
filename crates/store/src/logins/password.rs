//! Setting passwords: the rules of the core, and none of the last ones again.

use super::web::{WebLogin, end_web_logins};
use super::{factors::Attempt, hashing::Hashing};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::{LEDGER_ROWS, bodies};
use crate::log::blocking;
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::password::{DeniedNames, check_password};
use sekisho_core::people::{Person, Vendor};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sqlx::Row;

/// A password that a list of usual ones, with capitals, digits and signs in their places, finds in fewer tries is refused.
/// The most usual thousands lie far below (ASVS 5.0, 6.2.4).
const USUAL_TRIES: u64 = 1_000_000;

/// Earlier passwords that may not be used again.
const REMEMBERED: i64 = 5;

impl Store {
    /// Sets a new password. Every other login of the person ends, logins by certificate too, and tokens for automation
    /// unless the person keeps them: whoever knew the password may have made one.
    ///
    /// # Errors
    /// A wrong old password counts as a failed login; the rules' refusals; without a fresh one-time code.
    pub async fn change_password(&self, login: &WebLogin, old: Secret, new: Secret, keep_tokens: bool) -> Done<()> {
        self.require_step_up(login, Action::KeepOwnLogin)?;
        let person = &login.person;
        if self.link_of(&person.id).await?.is_some() {
            return Err(Refusal::PasswordElsewhere.into());
        }
        let source = login.source;
        self.prove_password(&Attempt { login: &person.login, source, via: login.actor.via, stage: "change_password" }, &old).await?;
        let hash = self.new_password(person, new).await?;
        let mut tx = self.write(&login.actor).await?;
        self.put_password(&mut tx, &person.id, hash).await?;
        end_web_logins(&mut tx, &person.id, Some(&login.id), "password_changed").await?;
        self.end_beside(&mut tx, login, "password_changed", !keep_tokens).await?;
        tx.fact(Fact::PasswordChanged { person: person.id.clone() });
        Ok(tx.commit().await?)
    }

    /// Checks a password against the rules and hashes it.
    pub(super) async fn new_password(&self, person: &Person, password: Secret) -> Done<String> {
        check_password(password.expose(), &self.denied_names(person).await?, self.policy())?;
        let asked = password.clone();
        if blocking(move || Ok(is_usual(asked.expose()))).await? {
            return Err(Refusal::PasswordGuessable.into());
        }
        if self.is_leaked(&password).await? {
            return Err(Refusal::PasswordLeaked.into());
        }
        let rows = sqlx::query("SELECT password FROM credentials WHERE person = $1 AND password <> '' UNION ALL SELECT password FROM old_passwords WHERE person = $1 AND password <> ''")
            .bind(person.id.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        let hashing: &Hashing = &self.inner.hashing;
        for row in rows {
            if hashing.verify(password.clone(), Some(row.try_get("password")?)).await? {
                return Err(Refusal::PasswordReused.into());
            }
        }
        Ok(hashing.hash(password).await?)
    }

    /// The names that a password of this person must not rest on: of the person, of the facility, of everybody else in the
    /// ledger and of all vendors. Who guesses begins with the names that stand on the hospital's own notice board.
    async fn denied_names(&self, person: &Person) -> Result<DeniedNames, Fault> {
        let mut names = DeniedNames::default();
        for name in [&person.login, &person.name, &person.mail] {
            DeniedNames::add(&mut names.own, name);
        }
        DeniedNames::add(&mut names.own, self.facility());
        let rows = sqlx::query("SELECT body FROM persons ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        for other in bodies::<Person>(&rows)? {
            for name in [&other.login, &other.name, &other.mail] {
                DeniedNames::add(&mut names.others, name);
            }
        }
        let rows = sqlx::query("SELECT body FROM vendors ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        for vendor in bodies::<Vendor>(&rows)? {
            DeniedNames::add(&mut names.others, &vendor.name);
        }
        Ok(names)
    }

    /// Whether the hospital has a file of leaked passwords.
    #[must_use]
    pub fn knows_leaked_passwords(&self) -> bool {
        self.inner.settings.leaked_passwords.is_some()
    }

    /// Whether the file of leaked passwords, if the hospital has one, names this one. A file that cannot be read is a
    /// fault, and no password is set by it.
    async fn is_leaked(&self, password: &Secret) -> Result<bool, Fault> {
        let Some(path) = self.inner.settings.leaked_passwords.clone() else { return Ok(false) };
        let password = password.clone();
        blocking(move || super::leaked::holds(&path, &password)).await
    }

    /// Puts a new hash in the place of the old one, which is remembered.
    pub(super) async fn put_password(&self, tx: &mut Tx, person: &PersonId, hash: String) -> Result<(), Fault> {
        self.remember_password(tx, person).await?;
        let now = tx.now().0;
        sqlx::query("UPDATE credentials SET password = $1, changed_at = $2 WHERE person = $3").bind(hash).bind(now).bind(person.as_str().to_owned()).execute(tx.sql()).await?;
        Ok(())
    }

    /// Keeps the present hash among the remembered ones and forgets those beyond their number.
    pub(crate) async fn remember_password(&self, tx: &mut Tx, person: &PersonId) -> Result<(), Fault> {
        let id = person.as_str().to_owned();
        let text = "INSERT INTO old_passwords (person, changed_at, password) SELECT person, changed_at, password FROM credentials WHERE person = $1 AND password <> '' \
            ON CONFLICT (person, changed_at) DO UPDATE SET password = excluded.password";
        sqlx::query(text).bind(id.clone()).execute(tx.sql()).await?;
        // The present password counts among those that may not come again, so one less is kept here.
        let text = "DELETE FROM old_passwords WHERE person = $1 AND changed_at NOT IN \
            (SELECT changed_at FROM old_passwords WHERE person = $1 ORDER BY changed_at DESC LIMIT $2)";
        sqlx::query(text).bind(id).bind(REMEMBERED - 1).execute(tx.sql()).await?;
        Ok(())
    }
}

/// True if the lists of usual passwords and words of `zxcvbn` lead to this one quickly.
fn is_usual(password: &str) -> bool {
    zxcvbn::zxcvbn(password, &[]).guesses() < USUAL_TRIES
}

#[cfg(test)]
mod tests {
    use super::is_usual;

    #[test]
    fn what_everybody_chooses_is_refused_in_any_dress_and_what_nobody_does_is_not() {
        for usual in ["iloveyou1", "Michael1", "trustno1", "monkey123", "Liverpool1", "superman99", "charlie1"] {
            assert!(is_usual(usual), "{usual}");
        }
        for own in ["tsubame-7-kawa", "mado8no9soto", "Ginkgo4Leaves&Rain", "朝の光2つ目の橋"] {
            assert!(!is_usual(own), "{own}");
        }
    }
}
