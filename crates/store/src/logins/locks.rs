//! Locks after failures: who and what must wait, and how a person of the hospital lets them in again, with a reason.

use super::failures::{Subject, lift, locked, locked_until};
use crate::Store;
use crate::fault::Done;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sqlx::Row;

/// A login name or a source that must wait.
#[derive(Clone, Debug)]
pub struct Lock {
    /// What it is called in the form that lifts it.
    pub subject: String,
    /// Who or what.
    pub of: Subject,
    /// The person of a login name, if it is somebody's.
    pub person: Option<(PersonId, String)>,
    /// Until when.
    pub until: Timestamp,
    /// How many in a row this one is; each doubles the wait.
    pub locks: i64,
}

impl Store {
    /// What must wait at this moment. Names that are nobody's are locked, too, so that a lock tells nothing.
    ///
    /// # Errors
    /// Without the right to lift locks or to read the ledger.
    pub async fn locks(&self, actor: &Actor) -> Done<Vec<Lock>> {
        may(actor, Action::UnlockPerson, None).or_else(|_| may(actor, Action::ReadLedger, None))?;
        let mut found = Vec::new();
        for (subject, until, locks) in locked(self.read(), self.now()).await? {
            let Some(of) = Subject::parse(&subject) else { continue };
            let person = match &of {
                Subject::Login(login) => self.name_of_login(login).await?,
                _ => None,
            };
            found.push(Lock { subject, of, person, until, locks });
        }
        Ok(found)
    }

    /// Lifts the lock of a person after too many failures.
    ///
    /// # Errors
    /// Without the right or a reason; [`Refusal::NotAllowed`] for oneself; [`Refusal::NotFound`].
    pub async fn unlock_person(&self, actor: &Actor, id: &PersonId, reason: &str) -> Done<()> {
        self.may_lift(actor, reason).await?;
        // Whoever guesses at a password must not be the one who lets themselves go on, in a login that is still open.
        if actor.is_person(id) {
            self.note_refused_act(actor, "unlock_person", &Refusal::NotAllowed).await;
            return Err(Refusal::NotAllowed.into());
        }
        let mut tx = self.write(actor).await?;
        let person = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let now = tx.now();
        if locked_until(tx.sql(), &person.login, now).await?.is_some() {
            tx.fact(Fact::Unlocked { person: id.clone(), reason: reason.to_owned() });
        }
        lift(tx.sql(), &Subject::Login(person.login)).await?;
        Ok(tx.commit().await?)
    }

    /// Lifts the lock of a login name or of a source.
    ///
    /// # Errors
    /// As [`Store::unlock_person`]; [`Refusal::NotFound`] if nothing of that name waits.
    pub async fn lift_lock(&self, actor: &Actor, subject: &str, reason: &str) -> Done<()> {
        let of = Subject::parse(subject).ok_or(Refusal::NotFound)?;
        if let Subject::Login(login) = &of
            && let Some((person, _)) = self.name_of_login(login).await?
        {
            return self.unlock_person(actor, &person, reason).await;
        }
        self.may_lift(actor, reason).await?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        if !locked(tx.sql(), now).await?.iter().any(|(held, ..)| held == subject) {
            return Err(Refusal::NotFound.into());
        }
        lift(tx.sql(), &of).await?;
        tx.fact(Fact::SourceUnlocked { subject: subject.to_owned(), reason: reason.to_owned() });
        Ok(tx.commit().await?)
    }

    async fn may_lift(&self, actor: &Actor, reason: &str) -> Done<()> {
        self.require(actor, Action::UnlockPerson, None, "unlock").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() { Err(Refusal::ReasonNeeded.into()) } else { Ok(()) }
    }

    async fn name_of_login(&self, login: &str) -> Done<Option<(PersonId, String)>> {
        let row = sqlx::query("SELECT id, body FROM persons WHERE login = $1").bind(login.to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let person: sekisho_core::people::Person = crate::ledger::body(&row)?;
        Ok(PersonId::parse(row.try_get("id")?).map(|id| (id, person.name)))
    }
}
