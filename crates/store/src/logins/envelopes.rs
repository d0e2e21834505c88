//! Opening an emergency account by its two envelopes. The login is the opening: reason and names first, then both halves
//! are looked at, and the alarm is written in the same transaction as the login. Nothing here asks a directory, a mail
//! server or anything else outside of this box.

use super::factors::Attempt;
use super::failures::{count_emergency_source, emergency_source_waits};
use super::web::{NewLogin, Origin, WebLogin};
use crate::Store;
use crate::fault::{Denied, Done};
use crate::secrets::random_id;
use sekisho_core::emergency::{EmergencyAccount, EmergencyUse, Half, Opening, OpeningClaim};
use sekisho_core::factors::{FactorKind, Proof};
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::letter::Letter;
use sekisho_core::people::{Actor, Person, Via, check_login_name};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sqlx::{Any, Executor, Row};
use std::net::IpAddr;
use std::time::Duration;

/// An account with the sealed halves of what opens it.
#[derive(PartialEq)]
struct Found {
    account: EmergencyAccount,
    person: Person,
    password: Option<Vec<u8>>,
    card: Option<Vec<u8>>,
}

impl Store {
    /// Opens an emergency account and begins a login of it. Those who are named are told at once.
    ///
    /// # Errors
    /// What is missing in the claim; [`Refusal::LoginFailed`] for anything that is not in the envelopes, which is told to
    /// those who are named; that the source must wait.
    pub async fn open_emergency(&self, login: &str, password: Secret, code: Secret, claim: &OpeningClaim, origin: impl Into<Origin>) -> Done<NewLogin> {
        let origin = origin.into();
        let claim = claim.check(self.policy())?;
        let attempt = Attempt { login, source: origin.source, via: Via::Web, stage: "emergency" };
        // By the source alone: nobody who types wrong passwords keeps the account shut.
        self.may_try_envelopes(origin.source).await?;
        let _turn = self.inner.watchfire.turns.take(login).await;
        let Some(found) = self.envelopes_of(login).await? else { return Err(self.not_in_the_envelopes(&attempt, None).await) };
        if self.both_halves(&found, &password, &code)?.is_none() {
            return Err(self.not_in_the_envelopes(&attempt, Some(&found.account)).await);
        }
        let mut tx = self.write(&Actor::of(&found.person, Via::Web, Some(origin.source.to_string()))).await?;
        // Between the look and this turn to write, the return to normal may have been declared or the code spent.
        let at_last = self.envelopes_in(tx.sql(), login).await?;
        let (found, at) = match self.unchanged(found, at_last, |found| self.both_halves(found, &password, &code))? {
            Ok(sound) => sound,
            Err(account) => {
                drop(tx);
                return Err(self.not_in_the_envelopes(&attempt, Some(&account)).await);
            }
        };
        let Found { mut account, person, .. } = found;
        let now = tx.now();
        let opening = Opening { at: now, source: origin.source.to_string(), openers: claim.openers.clone(), cause: claim.cause, reason: claim.reason.clone() };
        let before = match &account.open {
            Some(id) => self.load_use(tx.sql(), id).await?,
            None => None,
        };
        let again = before.is_some();
        let mut usage = match before {
            Some(usage) => usage,
            None => EmergencyUse {
                id: random_id()?,
                account: account.id.clone(),
                person: account.person.clone(),
                login: account.login.clone(),
                openings: Vec::new(),
                told: Vec::new(),
                closed_at: None,
                closed_by: None,
                closed_by_id: None,
                closing_note: String::new(),
                review: None,
            },
        };
        usage.openings.push(opening);
        account.spent |= 1_u32.checked_shl(at).unwrap_or(0);
        account.open = Some(usage.id.clone());
        account.open_until = Some(now.plus(Duration::from_secs(u64::from(self.policy().emergency_hours) * 3600)));
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EmergencyCodeUsed { account: account.id.clone(), login: account.login.clone(), left: account.codes_left() });
        let letter = Letter::EmergencyOpened { login: account.login.clone(), openers: claim.openers.clone(), cause: claim.cause, reason: claim.reason.clone(), source: origin.source.to_string(), at: now };
        let (told, mails) = self.raise_alarm(&mut tx, &account, &letter).await?;
        // A later opening may tell others than the first: all of them were told.
        for name in told {
            if !usage.told.contains(&name) {
                usage.told.push(name);
            }
        }
        self.save_use(&mut tx, &usage).await?;
        tx.fact(Fact::EmergencyOpened { usage: usage.id.clone(), login: account.login.clone(), openers: claim.openers, cause: claim.cause, reason: claim.reason, again, mails });
        let new = self.begin_login(tx, person, Proof::Envelopes, origin, Via::Web).await?;
        self.relight_watchfire().await;
        tracing::error!(account = account.login, usage = %usage.id, mails, "ALARM: an emergency account was opened");
        Ok(new)
    }

    /// Takes another code of the card for acts that need a fresh factor.
    pub(super) async fn step_up_by_card(&self, login: &WebLogin, code: &Secret) -> Done<()> {
        let attempt = Attempt { login: &login.person.login, source: login.source, via: login.actor.via, stage: "second_factor" };
        self.may_try_envelopes(login.source).await?;
        let _turn = self.inner.watchfire.turns.take(&login.person.login).await;
        let found = self.envelopes_of(&login.person.login).await?.filter(|found| found.account.is_in_force(self.now()));
        let Some(found) = found else { return Err(self.not_in_the_envelopes(&attempt, None).await) };
        if self.half_at(&found, Half::Card, code)?.is_none() {
            return Err(self.not_in_the_envelopes(&attempt, Some(&found.account)).await);
        }
        let mut tx = self.write(&login.actor).await?;
        let at_last = self.envelopes_in(tx.sql(), &login.person.login).await?.filter(|found| found.account.is_in_force(tx.now()));
        let (found, at) = match self.unchanged(found, at_last, |found| self.half_at(found, Half::Card, code))? {
            Ok(sound) => sound,
            Err(account) => {
                drop(tx);
                return Err(self.not_in_the_envelopes(&attempt, Some(&account)).await);
            }
        };
        let mut account = found.account;
        account.spent |= 1_u32.checked_shl(at).unwrap_or(0);
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EmergencyCodeUsed { account: account.id.clone(), login: account.login.clone(), left: account.codes_left() });
        self.fresh_in(&mut tx, login, FactorKind::Card).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the login of an emergency account still holds.
    pub(super) async fn still_open(&self, person: &PersonId) -> Done<bool> {
        Ok(self.emergency_in_force(person).await?)
    }

    /// Refuses while the source must wait for its wrong halves. Wrong passwords at other doors do not count here.
    async fn may_try_envelopes(&self, source: IpAddr) -> Done<()> {
        if emergency_source_waits(self.read(), source, self.now()).await? { Err(Refusal::SourceBlocked.into()) } else { Ok(()) }
    }

    async fn envelopes_of(&self, login: &str) -> Done<Option<Found>> {
        self.envelopes_in(self.read(), login).await
    }

    /// What is read within the transaction that opens, if it is what was looked at before and the halves are still right;
    /// otherwise the account that somebody tried.
    fn unchanged(&self, before: Found, at_last: Option<Found>, look: impl Fn(&Found) -> Done<Option<u32>>) -> Done<Result<(Found, u32), EmergencyAccount>> {
        let Some(found) = at_last.filter(|found| *found == before) else { return Ok(Err(before.account)) };
        Ok(look(&found)?.map(|at| (found, at)).ok_or(before.account))
    }

    async fn envelopes_in(&self, executor: impl Executor<'_, Database = Any>, login: &str) -> Done<Option<Found>> {
        let since = self.since();
        let text = "SELECT a.body, a.seal, a.password, a.card, p.body AS person_body, p.seal AS person_seal FROM emergency_accounts a JOIN persons p ON p.id = a.person WHERE a.login = $1";
        let Some(row) = sqlx::query(text).bind(login.to_owned()).fetch_optional(executor).await? else { return Ok(None) };
        let account: EmergencyAccount = self.held(&row, since)?;
        let person: Person = self.held_as(&row, "person_body", "person_seal", since)?;
        // The columns found the rows; what counts is what is sealed.
        let belongs = account.login == login && account.person == person.id && person.emergency && person.may_act(self.now()) && !account.retired;
        if !belongs {
            return Ok(None);
        }
        Ok(Some(Found { account, person, password: row.try_get("password")?, card: row.try_get("card")? }))
    }

    /// The place of the code on the card, if both halves are right. Both are looked at whatever the first one was.
    fn both_halves(&self, found: &Found, password: &Secret, code: &Secret) -> Done<Option<u32>> {
        let (password, code) = (self.half_at(found, Half::Password, password)?, self.half_at(found, Half::Card, code)?);
        Ok(password.and(code))
    }

    fn half_at(&self, found: &Found, half: Half, typed: &Secret) -> Done<Option<u32>> {
        let sealed = match half {
            Half::Password => &found.password,
            Half::Card => &found.card,
        };
        let (Some(envelope), Some(sealed)) = (found.account.envelope(half), sealed) else { return Ok(None) };
        let kept = self.kept_half(&found.account.id, &envelope.number, half, sealed.clone())?;
        Ok(kept.at(half, typed, found.account.spent))
    }

    /// Counts and writes down an attempt, and tells those who are named once an hour.
    async fn not_in_the_envelopes(&self, attempt: &Attempt<'_>, account: Option<&EmergencyAccount>) -> Denied {
        let refused = async {
            let mut actor = Actor::system();
            (actor.via, actor.source) = (attempt.via, Some(attempt.source.to_string()));
            let mut tx = self.write(&actor).await?;
            let now = tx.now();
            if count_emergency_source(tx.sql(), attempt.source, now).await? {
                tx.fact(Fact::SourceLocked { source: attempt.source.to_string() });
            }
            // A text that can be nobody's name is not kept: it may be the password in the wrong field.
            let login = Some(attempt.login).filter(|login| check_login_name(login).is_ok()).unwrap_or_default().to_owned();
            tx.fact(Fact::Refused { stage: attempt.stage.to_owned(), login, code: Refusal::LoginFailed.code().to_owned(), detail: String::new() });
            let Some(account) = account else { return tx.commit().await };
            tx.fact(Fact::EmergencyTried { login: account.login.clone() });
            if self.inner.watchfire.may_write_of(&account.id, now) {
                self.raise_alarm(&mut tx, account, &Letter::EmergencyTried { login: account.login.clone(), source: attempt.source.to_string(), at: now }).await?;
            }
            tracing::error!(account = account.login, source = %attempt.source, "ALARM: somebody tried to open an emergency account");
            tx.commit().await
        };
        match refused.await {
            Ok(()) => Refusal::LoginFailed.into(),
            Err(fault) => fault.into(),
        }
    }
}
