//! One-time links by which a person sets password and second factor.

use super::failures::unlock;
use super::totp;
use super::web::end_web_logins;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::{Place, Sealed, random_token, token_hash};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a link works.
pub(crate) const LINK_SPAN: Duration = Duration::from_secs(72 * 3600);
/// How long the link of the first administrator works: whoever set up the box sits in front of it.
pub(crate) const FIRST_LINK_SPAN: Duration = Duration::from_secs(24 * 3600);

/// A one-time link. Shown once; the store keeps only the hash of its token.
#[derive(Clone, Debug)]
pub struct EnrolmentLink {
    /// The address to open.
    pub url: Secret,
    /// The token in it.
    pub token: Secret,
    /// Until when it works.
    pub expires_at: Timestamp,
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
}

struct Pending {
    person: Person,
    secret: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Issues a link inside a change; every earlier link of the person stops working.
    pub(crate) async fn issue_link(&self, tx: &mut Tx, person: &Person, reason: &str, span: Duration) -> Result<EnrolmentLink, Fault> {
        let token = random_token()?;
        let hash = token_hash(token.expose());
        let secret = totp::fresh()?;
        let place = for_person(&hash, &person.id);
        let sealed = self.inner.keys.seal(Place { table: "enrolments", row: &place, column: "totp" }, secret.as_slice())?;
        let (now, expires_at) = (tx.now(), tx.now().plus(span));
        let id = person.id.as_str().to_owned();
        sqlx::query("DELETE FROM enrolments WHERE person = $1").bind(id.clone()).execute(tx.sql()).await?;
        sqlx::query("INSERT INTO enrolments (token_hash, person, issued_at, expires_at, totp) VALUES ($1, $2, $3, $4, $5)")
            .bind(hash)
            .bind(id)
            .bind(now.0)
            .bind(expires_at.0)
            .bind(sealed.into_bytes())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::EnrolmentIssued { person: person.id.clone(), reason: reason.to_owned() });
        let url = Secret::new(format!("{}/enrol/{}", self.base_url(), token.expose()));
        Ok(EnrolmentLink { url, token, expires_at })
    }

    /// What the holder of a link needs to set up their second factor. The same each time, until it is used.
    ///
    /// # Errors
    /// [`Refusal::EnrolmentInvalid`].
    pub async fn enrolment(&self, token: &str) -> Done<EnrolmentOffer> {
        let Pending { person, secret } = self.pending(token).await?;
        let (totp_url, totp_secret_base32) = totp::offer(&secret, &person, self.facility())?;
        Ok(EnrolmentOffer { person, totp_url, totp_secret_base32 })
    }

    /// Sets password and second factor by a link, which is used up by it.
    ///
    /// # Errors
    /// [`Refusal::EnrolmentInvalid`]; the rules' refusals of the password; [`Refusal::LoginFailed`] for a wrong code.
    pub async fn enrol(&self, token: &str, password: Secret, code: Secret) -> Done<()> {
        let Pending { person, secret } = self.pending(token).await?;
        let step = totp::check(&secret, &code, 0, self.now())?.ok_or(Refusal::LoginFailed)?;
        let hash = self.new_password(&person, password).await?;
        let id = person.id.as_str().to_owned();
        let sealed = self.inner.keys.seal(Place { table: "credentials", row: &id, column: "totp" }, &secret)?;
        let mut tx = self.write(&Actor::of(&person, Via::Web, None)).await?;
        let now = tx.now().0;
        let used = sqlx::query("DELETE FROM enrolments WHERE token_hash = $1 AND expires_at > $2").bind(token_hash(token)).bind(now).execute(tx.sql()).await?;
        if used.rows_affected() != 1 {
            return Err(Refusal::EnrolmentInvalid.into());
        }
        self.remember_password(&mut tx, &person.id).await?;
        let text = "INSERT INTO credentials (person, password, totp, last_step, changed_at) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (person) DO UPDATE SET password = excluded.password, totp = excluded.totp, last_step = excluded.last_step, changed_at = excluded.changed_at";
        sqlx::query(text).bind(id).bind(hash).bind(sealed.into_bytes()).bind(step).bind(now).execute(tx.sql()).await?;
        unlock(tx.sql(), &person.login).await?;
        end_web_logins(&mut tx, &person.id, None, "password_changed").await?;
        tx.fact(Fact::Enrolled { person: person.id.clone() });
        Ok(tx.commit().await?)
    }

    async fn pending(&self, token: &str) -> Done<Pending> {
        let hash = token_hash(token);
        let since = self.since();
        let text = "SELECT e.expires_at, e.totp, p.body, p.seal FROM enrolments e JOIN persons p ON p.id = e.person WHERE e.token_hash = $1";
        let row = sqlx::query(text).bind(hash.clone()).fetch_optional(self.read()).await?.ok_or(Refusal::EnrolmentInvalid)?;
        let person: Person = self.held(&row, since)?;
        let now = self.now();
        if now.0 >= row.try_get::<i64, _>("expires_at")? || !person.may_act(now) {
            return Err(Refusal::EnrolmentInvalid.into());
        }
        let sealed = Sealed::from_bytes(row.try_get("totp")?);
        let place = for_person(&hash, &person.id);
        let secret = self.inner.keys.unseal(Place { table: "enrolments", row: &place, column: "totp" }, &sealed)?;
        Ok(Pending { person, secret })
    }
}

/// A link is sealed for its person, so that nobody who can write to the database makes it one for somebody else.
fn for_person(hash: &str, person: &PersonId) -> String {
    format!("{hash}:{person}")
}
