//! Passwords that a directory keeps: asked for there, with the attempt counted before it goes out.

use super::factors::{Attempt, PersonRecord};
use super::failures::{release, reserve};
use crate::Store;
use crate::fault::{Denied, Done};
use sekisho_core::directory::{Away, Follows, Link, ProvedAccount, SourceKind, proof_elsewhere};
use sekisho_core::facts::Fact;
use sekisho_core::factors::Proof;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::limits;

impl PersonRecord {
    /// True if a directory keeps the password.
    pub(super) fn is_of_directory(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.kind == SourceKind::Directory)
    }

    /// The proof of a login whose password was taken here or, for a linked person, there.
    pub(super) fn proof(&self, here: Proof) -> Proof {
        if self.is_of_directory() { proof_elsewhere(here) } else { here }
    }
}

impl Store {
    /// The person, if the password is theirs: by our own hash, or by the directory that keeps it. Whoever signs in at a
    /// provider has none. Takes as long for an unknown name as for a known one with a password here.
    pub(super) async fn password_holds(&self, attempt: &Attempt<'_>, record: Option<PersonRecord>, password: &Secret) -> Done<Option<PersonRecord>> {
        let Some(link) = record.as_ref().and_then(|record| record.link.clone()) else {
            let fits = self.password_fits(record.as_ref(), password).await?;
            return Ok(record.filter(|_| fits));
        };
        let may_log_in = record.as_ref().is_some_and(|record| record.may_log_in(self.now()));
        let sound = !password.expose().is_empty() && password.expose().chars().count() <= limits::PASSWORD_CHARS;
        if link.kind == SourceKind::Provider || !may_log_in || !sound {
            self.password_fits(None, password).await?;
            return Ok(None);
        }
        if self.asked_there(attempt, &link, password).await?.is_none() {
            return Ok(None);
        }
        // What the directory says may have taken roles away.
        Ok(self.record_of(attempt.login).await?.filter(|record| record.may_log_in(self.now())))
    }

    async fn asked_there(&self, attempt: &Attempt<'_>, link: &Link, password: &Secret) -> Done<Option<ProvedAccount>> {
        let (Some(directory), Some(subject)) = (self.directory(), link.subject.as_deref()) else { return Err(self.down(attempt, "no directory is joined").await) };
        let mut tx = self.write(&self.stranger(attempt)).await?;
        // An attempt that is given up half-way stays counted, so nobody guesses by going away before the answer.
        let now = tx.now();
        let locked = reserve(tx.sql(), attempt.login, attempt.source, self.policy(), now).await?;
        if locked {
            tx.fact(Fact::LockedOut { login: attempt.login.to_owned() });
        }
        tx.commit().await?;
        if locked {
            return Err(Refusal::LockedOut.into());
        }
        let answered = directory.prove(&link.source, &link.known_as, subject, password.clone()).await;
        let mut tx = self.write(&Actor::system()).await?;
        release(tx.sql(), attempt.login, attempt.source).await?;
        tx.commit().await?;
        match answered {
            Ok(proved) => {
                let ended = matches!(self.follow_account(link, Some(proved.account())).await?, Follows::End { .. });
                if ended || proved.account().closed.is_some() {
                    return Err(self.told(attempt, Refusal::DirectoryClosed, proved.account().closed.map_or("no_group", |closed| closed.as_str())).await);
                }
                Ok(Some(proved))
            }
            Err(Away::No(why)) => {
                tracing::info!(source = link.source, why, "a directory refused a login");
                Ok(None)
            }
            // Whether the password was right is not always known here, so the attempt counts.
            Err(Away::Closed(closed)) => match self.count_failure_as(attempt, &Refusal::DirectoryClosed, closed.as_str()).await {
                Ok(()) => Err(Refusal::DirectoryClosed.into()),
                Err(fault) => Err(fault.into()),
            },
            Err(Away::Down(why)) => Err(self.down(attempt, &why).await),
            // No proof, and no failure of whoever tried.
            Err(Away::Odd(why)) => Err(self.down(attempt, why).await),
        }
    }

    async fn down(&self, attempt: &Attempt<'_>, why: &str) -> Denied {
        tracing::error!(why, "ALARM: a directory does not answer; its persons cannot log in by password");
        let why: String = why.chars().take(200).collect();
        self.told(attempt, Refusal::DirectoryDown, &why).await
    }

    /// Writes down a refusal that is nobody's guess, and gives it.
    pub(super) async fn told(&self, attempt: &Attempt<'_>, refusal: Refusal, detail: &str) -> Denied {
        let written = async {
            let mut tx = self.write(&self.stranger(attempt)).await?;
            tx.fact(Fact::Refused { stage: attempt.stage.to_owned(), login: attempt.login.to_owned(), code: refusal.code().to_owned(), detail: detail.to_owned() });
            tx.commit().await
        };
        match written.await {
            Ok(()) => refusal.into(),
            Err(fault) => fault.into(),
        }
    }

    fn stranger(&self, attempt: &Attempt<'_>) -> Actor {
        let mut actor = Actor::system();
        (actor.via, actor.source) = (attempt.via, Some(attempt.source.to_string()));
        actor
    }
}
