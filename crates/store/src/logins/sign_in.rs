//! Sign-ins at providers: begun in a browser, proved by the provider's word for a subject, ended by a login here.
//!
//! What waits lies in memory, bounded, for minutes, and belongs to the browser that began it. A restart forgets it, and the
//! person presses the button again.

use super::factors::Attempt;
use super::failures::by_source;
use super::passkey_proof::Second;
use super::web::{NewLogin, Origin};
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::links::By;
use crate::secrets::{random_token, token_hash};
use crate::write::Tx;
use sekisho_core::directory::{Away, Claims, Link, SignInAsk, SourceKind};
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Proof, Standing};
use sekisho_core::ids::{LinkId, PersonId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The address that a provider sends the browser back to, with its name behind it, below the one by which the browser came.
/// Each provider has its own, so that the answer of one cannot be taken for that of another (RFC 9700 section 4.4).
const CALLBACK: &str = "/login/callback";

/// What waits for a browser.
enum Step {
    /// For the provider's answer.
    Asked { source: String, ask: Arc<SignInAsk> },
    /// For the second factor of somebody whom the provider proved.
    Half(Proved),
}

struct Waiting {
    step: Step,
    next: String,
    from: String,
    ends_at: Timestamp,
    order: u64,
}

#[derive(Default)]
struct Held {
    order: u64,
    waiting: HashMap<String, Waiting>,
}

/// All of them, by the hash of the browser's own token.
#[derive(Default)]
pub(crate) struct SignIns(Mutex<Held>);

impl SignIns {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, browser: &Secret, step: Step, next: &str, source: IpAddr, now: Timestamp) {
        let mut held = self.held();
        held.waiting.retain(|_, waiting| now < waiting.ends_at);
        let from = by_source(source);
        let of_source = held.waiting.values().filter(|waiting| waiting.from == from).count();
        // Who floods pushes out their own first; nobody is kept from signing in.
        let crowd = if of_source >= limits::SIGN_INS_SOURCE { Some(Some(from.as_str())) } else { (held.waiting.len() >= limits::SIGN_INS).then_some(None) };
        if let Some(of) = crowd {
            let oldest = held.waiting.iter().filter(|(_, waiting)| of.is_none_or(|of| waiting.from == of)).min_by_key(|(_, waiting)| waiting.order).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                held.waiting.remove(&oldest);
            }
        }
        held.order += 1;
        let waiting = Waiting { step, next: next.to_owned(), from, ends_at: now.plus(Duration::from_secs(limits::SIGN_IN_SECONDS as u64)), order: held.order };
        held.waiting.insert(token_hash(browser.expose()), waiting);
    }

    /// Takes out what waits for the provider's answer: good for one, whatever becomes of it.
    fn take_asked(&self, browser: &str, now: Timestamp) -> Option<(String, Arc<SignInAsk>, String)> {
        let key = token_hash(browser);
        let mut held = self.held();
        let found = held.waiting.remove(&key)?;
        match found {
            Waiting { step: Step::Asked { source, ask }, next, ends_at, .. } if now < ends_at => Some((source, ask, next)),
            Waiting { step: Step::Half(_), .. } => {
                // The page of the second factor was opened, and the provider's answer came once more.
                held.waiting.insert(key, found);
                None
            }
            _ => None,
        }
    }

    /// Who waits for the second factor. It may be tried as often as the locks allow.
    fn half(&self, browser: &str, now: Timestamp) -> Option<Half> {
        match self.held().waiting.get(&token_hash(browser))? {
            Waiting { step: Step::Half(proved), next, ends_at, .. } if now < *ends_at => Some(Half { proved: proved.clone(), next: next.clone() }),
            _ => None,
        }
    }

    fn forget(&self, browser: &str) {
        self.held().waiting.remove(&token_hash(browser));
    }
}

/// Somebody whom a provider proved, and who owes the second factor.
#[derive(Clone)]
struct Proved {
    person: PersonId,
    login: String,
    source: String,
    /// The link that they were found by. Another one, though to the same provider, is another statement of an administrator.
    link: LinkId,
    /// What the provider calls them.
    subject: String,
}

/// The same, and the page that was wanted.
struct Half {
    proved: Proved,
    next: String,
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct SignInStart {
    /// The browser's own token, for a cookie.
    pub browser: Secret,
    /// Where the browser is sent.
    pub address: String,
}

/// What became of a sign-in.
#[derive(Debug)]
pub enum SignInEnd {
    /// A login, and the page that was wanted.
    In(Box<NewLogin>, String),
    /// The provider proved one factor; the other one is asked for here.
    Factor {
        /// The browser's own token, a new one.
        browser: Secret,
    },
}

/// Who owes a second factor, for the page that asks for it.
#[derive(Clone, Debug)]
pub struct SignInHalf {
    /// What people call the provider.
    pub label: String,
    /// Display name of the person.
    pub name: String,
}

impl Store {
    /// Begins a sign-in. `base` is the address by which the browser came: it comes back to no other.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for what is no provider; [`Refusal::ProviderFailed`]; that the source must wait.
    pub async fn begin_sign_in(&self, name: &str, base: &str, next: &str, source: IpAddr) -> Done<SignInStart> {
        self.may_try_from(source).await?;
        let info = self.source(name).filter(|info| info.kind == SourceKind::Provider).ok_or(Refusal::NotFound)?;
        let directory = self.directory().ok_or(Refusal::NotFound)?;
        let ask = Arc::new(SignInAsk { state: random_token()?, nonce: random_token()?, verifier: random_token()?, redirect: format!("{base}{CALLBACK}/{}", info.name), begun_at: self.now() });
        let address = match directory.begin(&info.name, &ask).await {
            Ok(address) => address,
            Err(why) => {
                tracing::error!(provider = name, %why, "ALARM: a sign-in provider cannot be used");
                return Err(Refusal::ProviderFailed.into());
            }
        };
        let browser = random_token()?;
        self.inner.sign_ins.keep(&browser, Step::Asked { source: info.name.clone(), ask }, next, source, self.now());
        Ok(SignInStart { browser, address })
    }

    /// Takes what the provider sent the browser back with. `name` is whose address the browser came back to.
    ///
    /// # Errors
    /// [`Refusal::SignInOver`], [`Refusal::ProviderFailed`], [`Refusal::NotLinked`], [`Refusal::PersonInactive`]; the
    /// refusals of a login.
    pub async fn finish_sign_in(&self, name: &str, browser: &str, state: &str, code: Secret, issuer: Option<&str>, origin: Origin) -> Done<SignInEnd> {
        let attempt = Attempt { login: "", source: origin.source, via: Via::Web, stage: "sign_in" };
        self.may_try_from(origin.source).await?;
        let Some((source, ask, next)) = self.inner.sign_ins.take_asked(browser, self.now()) else { return Err(self.sign_in_failed(&attempt, Refusal::SignInOver, "unknown").await) };
        if source != name {
            return Err(self.sign_in_failed(&attempt, Refusal::SignInOver, "mix_up").await);
        }
        if token_hash(state) != token_hash(ask.state.expose()) {
            return Err(self.sign_in_failed(&attempt, Refusal::SignInOver, "state").await);
        }
        if code.expose().is_empty() || code.expose().len() > limits::RETURN_PATH_BYTES {
            return Err(self.sign_in_failed(&attempt, Refusal::ProviderFailed, "no_code").await);
        }
        let directory = self.directory().ok_or(Refusal::SignInOver)?;
        let signed_in = match directory.redeem(&source, &ask, code, issuer).await {
            Ok(signed_in) => signed_in,
            Err(Away::Down(why)) => {
                tracing::error!(provider = source, why, "ALARM: a sign-in provider cannot be asked");
                let why: String = why.chars().take(200).collect();
                return Err(self.told(&attempt, Refusal::ProviderFailed, &format!("down: {why}")).await);
            }
            Err(why) => return Err(self.sign_in_failed(&attempt, Refusal::ProviderFailed, &why.to_string()).await),
        };
        let claims = signed_in.claims();
        let Some(link) = self.linked_by(&source, claims).await? else { return Err(self.sign_in_failed(&attempt, Refusal::NotLinked, &source).await) };
        let login = self.login_name(&link.person).await?;
        let attempt = Attempt { login: &login, ..attempt };
        let _turn = self.turn(&login).await;
        let Some(record) = self.record_of(&login).await? else { return Err(self.told(&attempt, Refusal::SecondFactorMissing, &source).await) };
        // The provider is of one side, and the person may have been registered anew on another one.
        if !self.source(&source).is_some_and(|info| info.may_serve(&record.person)) {
            return Err(self.told(&attempt, Refusal::NotLinked, &source).await);
        }
        if !record.may_log_in(self.now()) {
            return Err(self.told(&attempt, Refusal::PersonInactive, &source).await);
        }
        // An administrator typed the link. That it is theirs the person says once, by a factor of their own.
        let alone = link.confirmed && link.subject.is_some() && claims.several_factors && self.factor_standing(&record, FactorKind::Provider).await? == Standing::Full;
        let mut tx = self.write(&Actor::of(&record.person, Via::Web, Some(origin.source.to_string()))).await?;
        // An administrator may have changed the link while the person was on the way.
        if self.link_within(tx.sql(), &record.person.id).await?.as_ref() != Some(&link) {
            drop(tx);
            return Err(self.told(&attempt, Refusal::NotLinked, &source).await);
        }
        if alone {
            let new = self.begin_login(tx, record.person, Proof::Provider, origin, Via::Web).await?;
            return Ok(SignInEnd::In(Box::new(new), next));
        }
        drop(tx);
        // A new token: what the browser brought along to the provider is worth nothing after it.
        let browser = random_token()?;
        let proved = Proved { person: record.person.id, login, source, link: link.id, subject: claims.subject.clone() };
        self.inner.sign_ins.keep(&browser, Step::Half(proved), &next, origin.source, self.now());
        Ok(SignInEnd::Factor { browser })
    }

    /// The link of who signed in: by what the provider never gives to another one, or for the first time by the claim that the
    /// configuration names. Never by an address of mail.
    async fn linked_by(&self, source: &str, claims: &Claims) -> Result<Option<Link>, Fault> {
        if let Some(link) = self.link_by(source, By::Subject(&claims.subject)).await? {
            return Ok(Some(link));
        }
        let Some(known_as) = claims.known_as.as_deref() else { return Ok(None) };
        // One that has a subject belongs to somebody else, who had this name before.
        Ok(self.link_by(source, By::KnownAs(known_as)).await?.filter(|link| link.subject.is_none()))
    }

    /// Who owes the second factor in this browser.
    ///
    /// # Errors
    /// [`Refusal::SignInOver`].
    pub async fn sign_in_half(&self, browser: &str) -> Done<SignInHalf> {
        let half = self.inner.sign_ins.half(browser, self.now()).ok_or(Refusal::SignInOver)?.proved;
        let name = self.record_of(&half.login).await?.ok_or(Refusal::SignInOver)?.person.name;
        let label = self.source(&half.source).ok_or(Refusal::SignInOver)?.label.clone();
        Ok(SignInHalf { label, name })
    }

    /// Ends a sign-in with a one-time code.
    ///
    /// # Errors
    /// [`Refusal::SignInOver`]; [`Refusal::NotLinked`]; the refusals of a code.
    pub async fn finish_with_code(&self, browser: &str, code: Secret, origin: Origin) -> Done<(NewLogin, String)> {
        let Half { proved: half, next } = self.half_of(browser).await?;
        let attempt = Attempt { login: &half.login, source: origin.source, via: Via::Web, stage: "sign_in_factor" };
        let (record, tx) = self.prove(&attempt, None, &code).await?;
        self.inner.sign_ins.forget(browser);
        let tx = self.still_linked(tx, &half, &record.person).await?;
        let new = self.begin_login(tx, record.person, Proof::ProviderTotp, origin, Via::Web).await?;
        Ok((new, next))
    }

    /// Ends a sign-in with a passkey of the same person.
    ///
    /// # Errors
    /// [`Refusal::SignInOver`]; [`Refusal::NotLinked`]; the refusals of a passkey.
    pub async fn finish_with_passkey(&self, browser: &str, form: &str, answer: &str, origin: Origin) -> Done<(NewLogin, String)> {
        let Half { proved: half, next } = self.half_of(browser).await?;
        let second = Second { person: &half.person, login: &half.login, source: origin.source, form };
        let (person, tx) = self.prove_second(&second, answer).await?;
        self.inner.sign_ins.forget(browser);
        let tx = self.still_linked(tx, &half, &person).await?;
        let new = self.begin_login(tx, person, Proof::ProviderPasskey, origin, Via::Web).await?;
        Ok((new, next))
    }

    /// Looks at the link once more, in the change that ends the sign-in, and keeps there that the person confirmed it.
    async fn still_linked(&self, mut tx: Tx, half: &Proved, person: &Person) -> Done<Tx> {
        let link = self.link_within(tx.sql(), &person.id).await?.filter(|link| link.id == half.link && link.person == half.person);
        let stands = match link {
            Some(link) => self.confirm_link(&mut tx, link, &half.subject).await?,
            None => false,
        };
        if stands {
            return Ok(tx);
        }
        // The factor holds, so it is spent and the person is told why.
        tx.fact(Fact::Refused { stage: "sign_in_factor".into(), login: half.login.clone(), code: Refusal::NotLinked.code().to_owned(), detail: half.source.clone() });
        tx.commit().await?;
        Err(Refusal::NotLinked.into())
    }

    /// The half, while its link stands.
    async fn half_of(&self, browser: &str) -> Done<Half> {
        let half = self.inner.sign_ins.half(browser, self.now()).ok_or(Refusal::SignInOver)?;
        let stands = self.link_of(&half.proved.person).await?.is_some_and(|link| link.id == half.proved.link);
        if stands { Ok(half) } else { Err(Refusal::SignInOver.into()) }
    }

    /// The person came back without a code: the provider refused them, or they gave up.
    ///
    /// # Errors
    /// Always: [`Refusal::ProviderFailed`], or [`Refusal::SignInOver`].
    pub async fn give_up_sign_in(&self, name: &str, browser: &str, state: &str, source: IpAddr) -> Done<()> {
        let attempt = Attempt { login: "", source, via: Via::Web, stage: "sign_in" };
        match self.inner.sign_ins.take_asked(browser, self.now()) {
            Some((asked, _, _)) if asked != name => Err(self.sign_in_failed(&attempt, Refusal::SignInOver, "mix_up").await),
            Some((_, ask, _)) if token_hash(state) == token_hash(ask.state.expose()) => Err(self.told(&attempt, Refusal::ProviderFailed, "refused_there").await),
            _ => Err(self.sign_in_failed(&attempt, Refusal::SignInOver, "unknown").await),
        }
    }

    /// Counts a failure of the source, writes down why, and gives the refusal that the person reads.
    async fn sign_in_failed(&self, attempt: &Attempt<'_>, refusal: Refusal, why: &str) -> Denied {
        match self.count_source_failure(attempt, &refusal, why).await {
            Ok(()) => refusal.into(),
            Err(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Step {
        let ask = SignInAsk { state: Secret::new("s"), nonce: Secret::new("n"), verifier: Secret::new("v"), redirect: String::new(), begun_at: Timestamp(0) };
        Step::Asked { source: "op".into(), ask: Arc::new(ask) }
    }

    fn half() -> Step {
        Step::Half(Proved { person: PersonId::from_random([1; 10]), login: "sato".into(), source: "op".into(), link: LinkId::from_random([2; 10]), subject: "s-1".into() })
    }

    #[test]
    fn an_answer_is_taken_once_from_the_browser_that_asked_within_minutes() {
        let (held, from, now) = (SignIns::default(), IpAddr::from([192, 0, 2, 1]), Timestamp(1_000_000));
        let browser = Secret::new("mine");
        held.keep(&browser, asked(), "/plans", from, now);
        assert!(held.take_asked("another's", now).is_none());
        assert_eq!(held.take_asked("mine", now).unwrap().2, "/plans");
        assert!(held.take_asked("mine", now).is_none(), "replayed");
        held.keep(&browser, asked(), "/", from, now);
        assert!(held.take_asked("mine", now.plus(Duration::from_secs(limits::SIGN_IN_SECONDS as u64))).is_none(), "too late");
    }

    #[test]
    fn a_half_is_no_answer_and_stays_until_it_is_forgotten() {
        let (held, from, now) = (SignIns::default(), IpAddr::from([192, 0, 2, 1]), Timestamp(1_000_000));
        held.keep(&Secret::new("mine"), half(), "/", from, now);
        assert!(held.take_asked("mine", now).is_none());
        assert!(held.half("mine", now).is_some() && held.half("mine", now).is_some());
        held.forget("mine");
        assert!(held.half("mine", now).is_none());
    }

    #[test]
    fn a_flood_pushes_out_its_own() {
        let (held, now) = (SignIns::default(), Timestamp(1_000_000));
        held.keep(&Secret::new("mine"), asked(), "/", IpAddr::from([192, 0, 2, 1]), now);
        for one in 0..limits::SIGN_INS_SOURCE * 3 {
            held.keep(&Secret::new(format!("theirs {one}")), asked(), "/", IpAddr::from([198, 51, 100, 1]), now);
        }
        assert_eq!(held.held().waiting.len(), limits::SIGN_INS_SOURCE + 1);
        assert!(held.take_asked("mine", now).is_some());
    }
}
