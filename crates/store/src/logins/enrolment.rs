//! One-time links by which a person sets password and second factor. A link after a reset opens only with a code that is
//! told by another way.

use super::failures::{count_source, unlock};
use super::passkeys::PasskeyQuestion;
use super::totp;
use super::web::end_web_logins;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::outbox::Posted;
use crate::secrets::{Place, Sealed, random_bytes, random_token, token_hash};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Held, allowed};
use sekisho_core::ids::PersonId;
use sekisho_core::letter::{DoorWords, Letter};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a link works.
pub(crate) const LINK_SPAN: Duration = Duration::from_secs(72 * 3600);
/// How long the link of the first administrator works: whoever set up the box sits in front of it.
pub(crate) const FIRST_LINK_SPAN: Duration = Duration::from_secs(24 * 3600);

/// A one-time link. Shown once; the store keeps only the hash of its token.
#[derive(Clone, Debug)]
pub struct EnrolmentLink {
    /// The address to open. Empty once the link is on its way by mail: whoever registers or resets does not see it.
    pub url: Secret,
    /// The token in it; empty with it.
    pub token: Secret,
    /// The address to which the link goes by mail.
    pub sent_to: Option<String>,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// The code that opens it, to be told by another way than the link; after a reset, and where the link goes by mail.
    pub handover: Option<Secret>,
}

/// Which letter a link goes with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkLetter {
    /// The person is new.
    Invitation,
    /// The person lost something.
    Reset,
}

/// What the holder of a link is shown.
#[derive(Clone, Debug)]
pub struct EnrolmentOffer {
    /// For whom the link is.
    pub person: Person,
    /// What an authenticator app reads from a picture (`otpauth://…`).
    pub totp_url: Secret,
    /// The same secret for typing it in.
    pub totp_secret_base32: Secret,
    /// What people call the directory or provider that stands in the place of a password here.
    pub elsewhere: Option<String>,
}

/// A passkey that was made during enrolment.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// What the person calls it.
    pub name: String,
    /// What the browser answered.
    pub answer: String,
}

/// What a person chose at their link.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The new password.
    pub password: Secret,
    /// The first code of an authenticator app, if one was set up.
    pub code: Option<Secret>,
    /// A passkey, if one was made.
    pub passkey: Option<NewPasskey>,
}

impl Enrolment {
    /// Password and authenticator app.
    #[must_use]
    pub fn with_code(password: Secret, code: Secret) -> Self {
        Self { password, code: Some(code), passkey: None }
    }
}

struct Pending {
    person: Person,
    secret: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Issues a link inside a change; every earlier link of the person stops working.
    pub(crate) async fn issue_link(&self, tx: &mut Tx, person: &Person, reason: &str, span: Duration) -> Result<EnrolmentLink, Fault> {
        self.put_link(tx, person, reason, span, None, "hand").await
    }

    /// The same, with a code without which it does not open.
    pub(crate) async fn issue_link_with_code(&self, tx: &mut Tx, person: &Person, reason: &str, span: Duration) -> Result<EnrolmentLink, Fault> {
        self.link_with_code(tx, person, reason, span, "hand").await
    }

    async fn link_with_code(&self, tx: &mut Tx, person: &Person, reason: &str, span: Duration, way: &str) -> Result<EnrolmentLink, Fault> {
        // The remainder favours small numbers by one part in 10^11, which helps nobody within five tries.
        let code = format!("{:08}", u64::from_be_bytes(random_bytes()?) % 100_000_000);
        self.put_link(tx, person, reason, span, Some(Secret::new(code)), way).await
    }

    /// Issues a link with a code and sends it to the person, so that the two go by different ways and whoever keeps the
    /// ledger sees the code alone. Without mail or address the link is handed over as any other.
    pub(crate) async fn send_link(&self, tx: &mut Tx, person: &Person, reason: &str, letter: LinkLetter) -> Result<EnrolmentLink, Fault> {
        let mut link = self.link_with_code(tx, person, reason, LINK_SPAN, if self.reaches_by_mail(person) { "mail" } else { "hand" }).await?;
        let (name, login, url, until) = (person.name.clone(), person.login.clone(), link.url.clone(), link.expires_at);
        let letter = match letter {
            LinkLetter::Invitation => Letter::Invitation { name, login, url, until, device: self.door_words(person) },
            LinkLetter::Reset => Letter::Reset { name, login, url, until },
        };
        if let Posted::Written { to, .. } = tx.mail(person, &letter).await? {
            link.sent_to = Some(to);
            link.url = Secret::new("");
            link.token = Secret::new("");
        }
        Ok(link)
    }

    /// What a worker's letter says of the outer door, if there is one.
    fn door_words(&self, person: &Person) -> Option<DoorWords> {
        let address = self.inner.settings.door_address.clone();
        (person.is(Role::Worker) && !address.is_empty()).then(|| DoorWords { address, hospital: self.door_name().to_owned(), typed: (self.policy().ssh_login_hours == 0).then(|| person.login.clone()) })
    }

    async fn put_link(&self, tx: &mut Tx, person: &Person, reason: &str, span: Duration, handover: Option<Secret>, way: &str) -> Result<EnrolmentLink, Fault> {
        let token = random_token()?;
        let hash = token_hash(token.expose());
        let secret = totp::fresh()?;
        let place = for_person(&hash, &person.id, handover.is_some());
        let sealed = self.inner.keys.seal(Place { table: "enrolments", row: &place, column: "totp" }, secret.as_slice())?;
        let code = handover.as_ref().map(|code| self.inner.keys.seal(Place { table: "enrolments", row: &place, column: "handover" }, code.expose().as_bytes())).transpose()?;
        let (now, expires_at) = (tx.now(), tx.now().plus(span));
        let id = person.id.as_str().to_owned();
        sqlx::query("DELETE FROM enrolments WHERE person = $1").bind(id.clone()).execute(tx.sql()).await?;
        sqlx::query("INSERT INTO enrolments (token_hash, person, issued_at, expires_at, totp, handover) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(hash)
            .bind(id)
            .bind(now.0)
            .bind(expires_at.0)
            .bind(sealed.into_bytes())
            .bind(code.map(Sealed::into_bytes))
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::EnrolmentIssued { person: person.id.clone(), reason: reason.to_owned(), way: way.to_owned() });
        let url = Secret::new(format!("{}/enrol/{}", self.base_url(), token.expose()));
        Ok(EnrolmentLink { url, token, sent_to: None, expires_at, handover })
    }

    /// What the holder of a link needs to set up their second factor. The same each time, until it is used.
    ///
    /// # Errors
    /// [`Refusal::EnrolmentInvalid`], also while the person's vendor is not in force; [`Refusal::SourceNotAllowed`] where no
    /// line of the vendor is; [`Refusal::HandoverNeeded`] until this browser gave the code of the link.
    pub async fn enrolment(&self, token: &str, browser: &str, source: IpAddr) -> Done<EnrolmentOffer> {
        let Pending { person, secret } = self.pending(token, browser, source).await?;
        let (totp_url, totp_secret_base32) = totp::offer(&secret, &person, self.facility())?;
        let elsewhere = self.link_of(&person.id).await?.map(|link| self.source(&link.source).map_or(link.source.clone(), |info| info.label.clone()));
        Ok(EnrolmentOffer { person, totp_url, totp_secret_base32, elsewhere })
    }

    /// The kinds of second factor that the roles of a link's person accept.
    #[must_use]
    pub fn accepted_factors(&self, person: &Person) -> BTreeSet<FactorKind> {
        allowed(&self.policy().factors, &person.roles)
    }

    /// Opens a link with its hand-over code, for one browser. After five wrong codes the link ends.
    ///
    /// # Errors
    /// [`Refusal::EnrolmentInvalid`]; [`Refusal::HandoverNeeded`] for a wrong code; that the source must wait.
    pub async fn open_link(&self, token: &str, browser: &str, code: &Secret, source: IpAddr) -> Done<()> {
        let hash = token_hash(token);
        self.may_try(&super::factors::Attempt { login: "", source, via: Via::Web, stage: "link" }).await?;
        // One after the other, so that many at once cannot outrun the counting.
        let _turn = self.turn(&hash).await;
        let person = self.linked(&hash, source).await?;
        let text = "SELECT handover, tries FROM enrolments WHERE token_hash = $1";
        let row = sqlx::query(text).bind(hash.clone()).fetch_optional(self.read()).await?.ok_or(Refusal::EnrolmentInvalid)?;
        let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("handover")? else { return Err(Refusal::EnrolmentInvalid.into()) };
        let place = for_person(&hash, &person.id, true);
        let wanted = self.inner.keys.unseal(Place { table: "enrolments", row: &place, column: "handover" }, &Sealed::from_bytes(sealed))?;
        let typed: Zeroizing<Vec<u8>> = Zeroizing::new(code.expose().chars().filter_map(|letter| letter.to_digit(10).or_else(|| wide_digit(letter))).take(9).filter_map(|digit| u8::try_from(digit).ok()).map(|digit| b'0' + digit).collect());
        if *typed != *wanted {
            let tries = row.try_get::<i64, _>("tries")? + 1;
            let mut actor = Actor::system();
            (actor.via, actor.source) = (Via::Web, Some(source.to_string()));
            let mut tx = self.write(&actor).await?;
            let now = tx.now();
            if count_source(tx.sql(), source, now).await? {
                tx.fact(Fact::SourceLocked { source: source.to_string() });
            }
            let query = if tries >= as_i64(limits::HANDOVER_TRIES as u64) { "DELETE FROM enrolments WHERE token_hash = $1" } else { "UPDATE enrolments SET tries = tries + 1 WHERE token_hash = $1" };
            sqlx::query(query).bind(hash).execute(tx.sql()).await?;
            tx.fact(Fact::Refused { stage: "link".into(), login: person.login.clone(), code: Refusal::HandoverNeeded.code().to_owned(), detail: String::new() });
            tx.commit().await?;
            return Err(Refusal::HandoverNeeded.into());
        }
        let opened = self.inner.keys.seal(Place { table: "enrolments", row: &by_browser(&place, browser), column: "opened" }, b"")?;
        let mut actor = Actor::of(&person, Via::Web, Some(source.to_string()));
        // Who opened it has not proved to be the person yet.
        actor.roles = BTreeSet::new();
        let mut tx = self.write(&actor).await?;
        sqlx::query("UPDATE enrolments SET opened = $1 WHERE token_hash = $2").bind(opened.into_bytes()).bind(hash).execute(tx.sql()).await?;
        tx.fact(Fact::LinkOpened { person: person.id.clone() });
        Ok(tx.commit().await?)
    }

    /// Asks the browser to make a passkey for the person of a link.
    ///
    /// # Errors
    /// As [`Store::enrolment`]; [`Refusal::PasskeysUnavailable`].
    pub async fn ask_enrolment_passkey(&self, token: &str, browser: &str, source: IpAddr) -> Done<PasskeyQuestion> {
        let Pending { person, .. } = self.pending(token, browser, source).await?;
        self.question_for_new(&person, &in_link(token, browser), source).await
    }

    /// Sets password and second factor by a link, which is used up by it.
    ///
    /// # Errors
    /// As [`Store::enrolment`]; the rules' refusals of the password; [`Refusal::LoginFailed`] for a wrong code;
    /// the refusals of a passkey.
    pub async fn enrol(&self, token: &str, browser: &str, source: IpAddr, chosen: Enrolment) -> Done<()> {
        let Pending { person, secret } = self.pending(token, browser, source).await?;
        let Enrolment { password, code, passkey } = chosen;
        let held = Held { totp: code.is_some(), passkey: passkey.is_some() };
        if !held.totp && !held.passkey {
            return Err(Refusal::bad_field("code").into());
        }
        // A factor that the roles do not accept is enough to enrol with: the login that it gives reaches as far as setting up
        // the right one. So a link works without script, and under an address at which no passkey can be made.
        let step = match &code {
            Some(code) => totp::check(&secret, code, 0, self.now())?.ok_or(Refusal::LoginFailed)?,
            None => 0,
        };
        // A linked person has no password here, whatever was typed.
        let hash = if self.link_of(&person.id).await?.is_some() { String::new() } else { self.new_password(&person, password).await? };
        // Last, because a question to a passkey has one answer: what can fail by a slip of the fingers comes before it.
        let made = match &passkey {
            Some(new) => Some((self.made(&in_link(token, browser), &new.name, &new.answer)?, new.name.as_str())),
            None => None,
        };
        let id = person.id.as_str().to_owned();
        // An empty column is no authenticator app.
        let sealed = if held.totp { self.inner.keys.seal(Place { table: "credentials", row: &id, column: "totp" }, &secret)?.into_bytes() } else { Vec::new() };
        let mut tx = self.write(&Actor::of(&person, Via::Web, Some(source.to_string()))).await?;
        let now = tx.now().0;
        let used = sqlx::query("DELETE FROM enrolments WHERE token_hash = $1 AND expires_at > $2").bind(token_hash(token)).bind(now).execute(tx.sql()).await?;
        if used.rows_affected() != 1 {
            return Err(Refusal::EnrolmentInvalid.into());
        }
        self.remember_password(&mut tx, &person.id).await?;
        let text = "INSERT INTO credentials (person, password, totp, last_step, changed_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (person) DO UPDATE SET password = excluded.password, totp = excluded.totp, last_step = excluded.last_step, changed_at = excluded.changed_at";
        sqlx::query(text).bind(id).bind(hash).bind(sealed).bind(step).bind(now).execute(tx.sql()).await?;
        unlock(tx.sql(), &person.login).await?;
        end_web_logins(&mut tx, &person.id, None, "password_changed").await?;
        self.end_ssh_logins(&mut tx, &person.id, "password_changed").await?;
        tx.fact(Fact::Enrolled { person: person.id.clone() });
        if let Some((passkey, name)) = made {
            self.insert_passkey(&mut tx, &person.id, name, passkey).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The person of a link that works, at an address where they may be: a mailbox is read from anywhere, and whoever sets
    /// the factors is the person from then on.
    async fn linked(&self, hash: &str, source: IpAddr) -> Done<Person> {
        let since = self.since();
        let text = "SELECT e.expires_at, p.body, p.seal FROM enrolments e JOIN persons p ON p.id = e.person WHERE e.token_hash = $1";
        let row = sqlx::query(text).bind(hash.to_owned()).fetch_optional(self.read()).await?.ok_or(Refusal::EnrolmentInvalid)?;
        let person: Person = self.held(&row, since)?;
        let now = self.now();
        if now.0 >= row.try_get::<i64, _>("expires_at")? || !person.may_act(now) {
            return Err(Refusal::EnrolmentInvalid.into());
        }
        // Factors that are set while a vendor is away would be good on the day it returns.
        if !self.vendor_in_force(person.vendor.as_ref(), now).await? {
            return Err(Refusal::EnrolmentInvalid.into());
        }
        self.may_come_from(self.read(), &person, source).await?;
        Ok(person)
    }

    async fn pending(&self, token: &str, browser: &str, source: IpAddr) -> Done<Pending> {
        let hash = token_hash(token);
        let person = self.linked(&hash, source).await?;
        let text = "SELECT totp, handover, opened FROM enrolments WHERE token_hash = $1";
        let row = sqlx::query(text).bind(hash.clone()).fetch_optional(self.read()).await?.ok_or(Refusal::EnrolmentInvalid)?;
        let has_code = row.try_get::<Option<Vec<u8>>, _>("handover")?.is_some();
        let place = for_person(&hash, &person.id, has_code);
        if has_code {
            let opened = Sealed::from_bytes(row.try_get::<Option<Vec<u8>>, _>("opened")?.unwrap_or_default());
            let mine = by_browser(&place, browser);
            if self.inner.keys.unseal(Place { table: "enrolments", row: &mine, column: "opened" }, &opened).is_err() {
                return Err(Refusal::HandoverNeeded.into());
            }
        }
        let sealed = Sealed::from_bytes(row.try_get("totp")?);
        let secret = self.inner.keys.unseal(Place { table: "enrolments", row: &place, column: "totp" }, &sealed)?;
        Ok(Pending { person, secret })
    }
}

/// A link is sealed for its person, so that nobody who can write to the database makes it one for somebody else; and for
/// having a code or none, so that nobody takes the code away from it.
fn for_person(hash: &str, person: &PersonId, has_code: bool) -> String {
    if has_code { format!("{hash}:{person}:code") } else { format!("{hash}:{person}") }
}

fn by_browser(place: &str, browser: &str) -> String {
    serde_json::json!([place, token_hash(browser)]).to_string()
}

/// The binding of a ceremony at a link.
fn in_link(token: &str, browser: &str) -> String {
    format!("enrol:{}:{browser}", token_hash(token))
}

/// A digit of a Japanese keyboard.
fn wide_digit(letter: char) -> Option<u32> {
    u32::from(letter).checked_sub(u32::from('０')).filter(|digit| *digit <= 9)
}
