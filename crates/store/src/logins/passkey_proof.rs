//! What a passkey proves: a login of its own, or that the person of a login is still there.

use super::ceremonies::Asked;
use super::decoy::decoys;
use super::factors::{Attempt, PersonRecord};
use super::own_factors::NoticeKind;
use super::passkeys::{Answer, Found, PasskeyQuestion, broken, in_login, read_answer};
use super::site::handle;
use super::web::{NewLogin, Origin, WebLogin};
use super::failures::unlock;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Proof};
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person, Via, check_login_name};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use serde_json::{Value, json};
use std::net::IpAddr;
use webauthn_rs::prelude::{AuthenticationResult, DiscoverableAuthentication, PublicKeyCredential, WebauthnError};

/// A passkey that proved possession of its key and, by PIN or biometry, its holder.
struct ProvedPasskey {
    found: Found,
}

impl ProvedPasskey {
    /// The one place where an answer becomes a proof. The library verified challenge, origin, relying party, presence,
    /// signature and counter; that the holder was verified is looked at here once more, because everything rests on it.
    fn assertion(mut found: Found, result: &AuthenticationResult) -> Option<Self> {
        let fits = result.user_verified() && result.cred_id() == found.kept.passkey.cred_id() && !found.kept.suspended;
        fits.then_some(())?;
        found.kept.passkey.update_credential(result)?;
        Some(Self { found })
    }
}

/// Why an answer was not taken, for the log; the person reads one sentence for all but a copied key.
fn cause(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::MismatchedChallenge => "challenge",
        WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash | WebauthnError::CredentialCrossOrigin => "origin",
        WebauthnError::UserNotVerified | WebauthnError::UserNotPresent => "not_verified",
        WebauthnError::CredentialPossibleCompromise => "counter",
        WebauthnError::AuthenticationFailure => "signature",
        _ => "malformed",
    }
}

/// Whose passkey is asked for as a second factor, and by which browser's form.
pub(super) struct Second<'a> {
    pub person: &'a PersonId,
    pub login: &'a str,
    pub source: IpAddr,
    pub form: &'a str,
}

fn in_browser(browser: &str) -> String {
    format!("login:{browser}")
}

impl Store {
    /// Asks the browser which passkey it has for this box, or for the one login name that was typed. What is asked for a
    /// name that has no passkey, or that nobody has, looks the same, today and after a restart.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`], [`Refusal::SourceBlocked`].
    pub async fn ask_passkey_login(&self, browser: &str, login: &str, source: IpAddr) -> Done<PasskeyQuestion> {
        self.may_ask(source).await?;
        let named = check_login_name(login).is_ok().then(|| login.to_owned());
        let mut ids = Vec::new();
        if let Some(name) = &named {
            if let Some(record) = self.record_of(name).await? {
                ids = self.usable(&record.person.id).await?;
            }
            if ids.is_empty() {
                let secret = self.inner.keys.derived("passkey decoys");
                ids = decoys(&secret, name).iter().map(|id| URL_SAFE_NO_PAD.encode(id)).collect();
            }
        }
        self.question(&in_browser(browser), source, &ids, |state| Asked::Login { named, state })
    }

    /// Asks a passkey of this login's person.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::NotFound`] without a passkey.
    pub async fn ask_passkey_step_up(&self, login: &WebLogin) -> Done<PasskeyQuestion> {
        let ids = self.usable(&login.person.id).await?;
        if ids.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        self.question(&in_login("step_up", login), login.source, &ids, |state| Asked::StepUp { state })
    }

    async fn usable(&self, person: &PersonId) -> Result<Vec<String>, Fault> {
        let held = self.passkeys_of(person).await?;
        Ok(held.iter().filter(|found| !found.row.suspended).map(|found| URL_SAFE_NO_PAD.encode(found.kept.passkey.cred_id())).collect())
    }

    fn question(&self, binding: &str, source: IpAddr, ids: &[String], asked: impl FnOnce(DiscoverableAuthentication) -> Asked) -> Done<PasskeyQuestion> {
        let (challenge, state) = self.site()?.webauthn.start_discoverable_authentication().map_err(broken)?;
        let mut options = serde_json::to_value(&challenge.public_key)?;
        if let Some(options) = options.as_object_mut() {
            options.remove("extensions");
            let allowed: Vec<Value> = ids.iter().map(|id| json!({ "type": "public-key", "id": id })).collect();
            options.insert("allowCredentials".into(), json!(allowed));
        }
        let ceremony = self.inner.ceremonies.begin(binding, source, self.now(), asked(state))?;
        Ok(PasskeyQuestion { ceremony: ceremony.expose().to_owned(), options })
    }

    /// Begins a login by a passkey: alone, or with the password beside it if the policy asks for that.
    ///
    /// # Errors
    /// [`Refusal::CeremonyOver`], [`Refusal::PasskeyRefused`], [`Refusal::PasskeyCloned`], [`Refusal::LoginFailed`] for the
    /// password, [`Refusal::FactorRequired`] if the roles accept no passkey, or that the source must wait; the name only
    /// where a password stands beside the passkey.
    pub async fn log_in_with_passkey(&self, browser: &str, answer: &str, password: Option<Secret>, origin: impl Into<Origin>) -> Done<NewLogin> {
        let origin = origin.into();
        let source = origin.source;
        let attempt = Attempt { login: "", source, via: Via::Web, stage: "passkey_login" };
        self.may_try_from(source).await?;
        let (asked, credential) = self.taken(&attempt, &in_browser(browser), answer).await?;
        let Asked::Login { named, state } = asked else { return Err(self.passkey_failed(&attempt, "ceremony", Refusal::CeremonyOver).await) };
        let Some(found) = self.passkey_of(&credential.raw_id).await? else { return Err(self.passkey_failed(&attempt, "unknown", Refusal::PasskeyRefused).await) };
        let login = self.login_name(&found.person).await?;
        let attempt = Attempt { login: &login, ..attempt };
        let _turn = self.turn(&login).await;
        let with_password = self.policy().passkey_with_password;
        // A password can be guessed, a signature cannot: a lock of the name is for those who type.
        if with_password { self.may_try(&attempt).await? } else { self.may_try_from(source).await? }
        if named.as_ref().is_some_and(|named| *named != login) {
            return Err(self.passkey_failed(&attempt, "another_person", Refusal::PasskeyRefused).await);
        }
        // Without a typed name the authenticator must say whose key it is (WebAuthn 7.2 step 6).
        if named.is_none() && credential.get_user_unique_id().is_none() {
            return Err(self.passkey_failed(&attempt, "malformed", Refusal::PasskeyRefused).await);
        }
        let mut proved = self.proved(&attempt, &found.person.clone(), &credential, state).await?;
        let Some(mut record) = self.record_of(&login).await?.filter(|record| record.may_log_in(self.now())) else {
            return Err(self.passkey_failed(&attempt, "inactive", Refusal::PasskeyRefused).await);
        };
        let proof = match (with_password, password) {
            (true, Some(password)) => {
                let Some(held) = self.password_holds(&attempt, Some(record), &password).await? else { return Err(self.failed(&attempt).await) };
                record = held;
                record.proof(Proof::PasswordPasskey)
            }
            (true, None) => return Err(self.failed(&attempt).await),
            (false, _) => Proof::Passkey,
        };
        self.may_use(&attempt, &record, FactorKind::Passkey).await?;
        let actor = Actor::of(&record.person, Via::Web, Some(source.to_string()));
        let mut tx = self.write(&actor).await?;
        self.keep_passkey(&mut tx, &mut proved.found, true).await?;
        if with_password {
            unlock(tx.sql(), &login).await?;
        }
        tx.fact(Fact::PasskeyUsed { person: record.person.id.clone(), passkey: proved.found.row.id.clone(), stage: "login".into() });
        self.begin_login(tx, record.person, proof, origin, Via::Web).await
    }

    /// Takes a passkey as a fresh factor, wherever a one-time code is taken.
    ///
    /// # Errors
    /// As [`Store::log_in_with_passkey`].
    pub async fn step_up_with_passkey(&self, login: &WebLogin, answer: &str) -> Done<()> {
        let person = &login.person;
        let attempt = Attempt { login: &person.login, source: login.source, via: login.actor.via, stage: "passkey_step_up" };
        let _turn = self.turn(&person.login).await;
        self.may_try_from(login.source).await?;
        let (asked, credential) = self.taken(&attempt, &in_login("step_up", login), answer).await?;
        let Asked::StepUp { state } = asked else { return Err(self.passkey_failed(&attempt, "ceremony", Refusal::CeremonyOver).await) };
        let mut proved = self.proved(&attempt, &person.id, &credential, state).await?;
        let Some(record) = self.record_of(&person.login).await?.filter(|record| record.may_log_in(self.now())) else {
            return Err(self.passkey_failed(&attempt, "inactive", Refusal::PasskeyRefused).await);
        };
        self.may_use(&attempt, &record, FactorKind::Passkey).await?;
        let mut tx = self.write(&login.actor).await?;
        self.keep_passkey(&mut tx, &mut proved.found, true).await?;
        tx.fact(Fact::PasskeyUsed { person: person.id.clone(), passkey: proved.found.row.id.clone(), stage: "step_up".into() });
        self.fresh_in(&mut tx, login, FactorKind::Passkey).await?;
        Ok(tx.commit().await?)
    }

    /// Proves a passkey as the second factor of a person whom somebody else proved before. Gives a transaction in which its use
    /// stands: who called adds what follows and commits.
    pub(super) async fn prove_second(&self, second: &Second<'_>, answer: &str) -> Done<(Person, Tx)> {
        let attempt = Attempt { login: second.login, source: second.source, via: Via::Web, stage: "sign_in_factor" };
        let _turn = self.turn(second.login).await;
        self.may_try_from(second.source).await?;
        let (asked, credential) = self.taken(&attempt, &in_browser(second.form), answer).await?;
        let Asked::Login { state, .. } = asked else { return Err(self.passkey_failed(&attempt, "ceremony", Refusal::CeremonyOver).await) };
        let mut proved = self.proved(&attempt, second.person, &credential, state).await?;
        let Some(record) = self.record_of(second.login).await?.filter(|record| record.may_log_in(self.now())) else {
            return Err(self.passkey_failed(&attempt, "inactive", Refusal::PasskeyRefused).await);
        };
        self.may_use(&attempt, &record, FactorKind::Passkey).await?;
        let mut tx = self.write(&Actor::of(&record.person, Via::Web, Some(second.source.to_string()))).await?;
        self.keep_passkey(&mut tx, &mut proved.found, true).await?;
        tx.fact(Fact::PasskeyUsed { person: record.person.id.clone(), passkey: proved.found.row.id.clone(), stage: "login".into() });
        Ok((record.person, tx))
    }

    async fn may_ask(&self, source: IpAddr) -> Done<()> {
        self.site()?;
        self.may_try_from(source).await
    }

    /// The question that an answer belongs to. An answer to none was replayed, came late, or from another browser.
    async fn taken(&self, attempt: &Attempt<'_>, binding: &str, answer: &str) -> Done<(Asked, PublicKeyCredential)> {
        let read: Option<Answer<PublicKeyCredential>> = read_answer(answer);
        let Some(Answer { ceremony, credential }) = read else { return Err(self.passkey_failed(attempt, "malformed", Refusal::PasskeyRefused).await) };
        match self.inner.ceremonies.take(&ceremony, binding, self.now()) {
            Some(asked) => Ok((asked, credential)),
            None => Err(self.passkey_failed(attempt, "ceremony", Refusal::CeremonyOver).await),
        }
    }

    /// Verifies an answer against the registered key of one person. Called while it is this name's turn, so that the
    /// counter that is read here is the one that is written back.
    async fn proved(&self, attempt: &Attempt<'_>, person: &PersonId, credential: &PublicKeyCredential, state: DiscoverableAuthentication) -> Done<ProvedPasskey> {
        let found = self.passkey_of(&credential.raw_id).await?.filter(|found| found.person == *person);
        let Some(found) = found else { return Err(self.passkey_failed(attempt, "another_person", Refusal::PasskeyRefused).await) };
        if credential.get_user_unique_id().is_some_and(|given| given != handle(person).as_bytes()) {
            return Err(self.passkey_failed(attempt, "another_person", Refusal::PasskeyRefused).await);
        }
        if found.kept.suspended {
            return Err(self.passkey_failed(attempt, "suspended", Refusal::PasskeyCloned).await);
        }
        match self.site()?.webauthn.finish_discoverable_authentication_v2(credential, state, &found.kept.passkey) {
            Ok(result) => match ProvedPasskey::assertion(found, &result) {
                Some(proved) => Ok(proved),
                None => Err(self.passkey_failed(attempt, "not_verified", Refusal::PasskeyRefused).await),
            },
            Err(WebauthnError::CredentialPossibleCompromise) => {
                self.suspend(attempt, found).await?;
                Err(self.passkey_failed(attempt, "counter", Refusal::PasskeyCloned).await)
            }
            Err(error) => Err(self.passkey_failed(attempt, cause(&error), Refusal::PasskeyRefused).await),
        }
    }

    /// Two holders of one key cannot be told apart, so neither is let in by it again.
    async fn suspend(&self, attempt: &Attempt<'_>, mut found: Found) -> Result<(), Fault> {
        found.kept.suspended = true;
        let mut actor = Actor::system();
        (actor.via, actor.source) = (attempt.via, Some(attempt.source.to_string()));
        let mut tx = self.write(&actor).await?;
        self.keep_passkey(&mut tx, &mut found, false).await?;
        tx.fact(Fact::PasskeyCloned { person: found.person.clone(), passkey: found.row.id.clone(), name: found.row.name.clone() });
        self.notice(&mut tx, &found.person, NoticeKind::PasskeyCloned, &found.row.name).await?;
        tx.commit().await
    }

    /// Counts a failure of the source, writes down why, and gives the refusal that the person reads.
    async fn passkey_failed(&self, attempt: &Attempt<'_>, why: &str, refusal: Refusal) -> crate::fault::Denied {
        match self.count_source_failure(attempt, &refusal, why).await {
            Ok(()) => refusal.into(),
            Err(fault) => fault.into(),
        }
    }

    /// Whether the roles accept this kind from this person.
    pub(super) async fn may_use(&self, attempt: &Attempt<'_>, record: &PersonRecord, kind: FactorKind) -> Done<()> {
        match self.factor_standing(record, kind).await? {
            sekisho_core::factors::Standing::Shut => Err(self.wrong_kind(attempt, record).await),
            _ => Ok(()),
        }
    }
}
