//! One's own factors: which kinds a person holds and may use, replacing the authenticator app, and what they are told.

use super::factors::{Attempt, PersonRecord};
use super::totp;
use super::web::{WebLogin, end_web_logins};
use super::enrolment::EnrolmentOffer;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::log::as_i64;
use crate::secrets::{Place, Sealed};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Held, Standing, allowed, standing};
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Notices that one person is shown at once.
const NOTICES: i64 = 20;

/// What happened to a person's factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A passkey may have been copied.
    PasskeyCloned,
    /// Another authenticator app was set up.
    AuthenticatorReplaced,
    /// New recovery codes were made.
    RecoveryMade,
    /// A recovery code was used.
    RecoveryUsed,
    /// The hospital reset all factors.
    Reset,
    /// The password is kept by a directory or provider from here on.
    Linked,
    /// It is not any more.
    Unlinked,
    /// A device was let in for SSH by a certificate.
    DeviceLoggedIn,
}

impl NoticeKind {
    const ALL: [Self; 10] = [Self::PasskeyAdded, Self::PasskeyRemoved, Self::PasskeyCloned, Self::AuthenticatorReplaced, Self::RecoveryMade, Self::RecoveryUsed, Self::Reset, Self::Linked, Self::Unlinked, Self::DeviceLoggedIn];

    /// The name in the row and in the words of pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasskeyAdded => "passkey_added",
            Self::PasskeyRemoved => "passkey_removed",
            Self::PasskeyCloned => "passkey_cloned",
            Self::AuthenticatorReplaced => "authenticator_replaced",
            Self::RecoveryMade => "recovery_made",
            Self::RecoveryUsed => "recovery_used",
            Self::Reset => "reset",
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
            Self::DeviceLoggedIn => "device_logged_in",
        }
    }
}

/// A notice to a person that stands on their pages until they say that they have seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Number of the entry in the log.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: NoticeKind,
    /// Name of the passkey, number of codes left, who reset.
    pub detail: String,
}

/// A person's factors, for their own page.
#[derive(Clone, Debug, Serialize)]
pub struct OwnFactors {
    /// What they hold.
    pub held: Held,
    /// The kinds that their roles accept.
    pub allowed: BTreeSet<FactorKind>,
    /// Recovery codes that are left; `None` if none were ever made.
    pub recovery_left: Option<usize>,
    /// When they were made.
    pub recovery_made_at: Option<Timestamp>,
}

impl Store {
    /// One's own factors.
    ///
    /// # Errors
    /// Without a person.
    pub async fn own_factors(&self, actor: &Actor) -> Done<OwnFactors> {
        let person = actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        let recovery = self.recovery_of(person).await?;
        Ok(OwnFactors {
            held: self.held_factors(person).await?,
            allowed: allowed(&self.policy().factors, &actor.roles),
            recovery_left: recovery.as_ref().map(|codes| codes.left()),
            recovery_made_at: recovery.map(|codes| codes.made_at),
        })
    }

    /// Which strong factors a person holds. A passkey that was suspended counts: it is replaced after an identity check, not
    /// by a weaker factor that the suspension would open.
    pub(super) async fn held_factors(&self, person: &PersonId) -> Result<Held, Fault> {
        let row = sqlx::query("SELECT totp FROM credentials WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        let passkey = !self.passkeys_of(person).await?.is_empty();
        Ok(Held { totp: has_totp(row.as_ref())?, passkey })
    }

    /// The authenticator app alone, within a change that looks at the passkeys itself.
    pub(super) async fn held_factors_in(&self, tx: &mut Tx, person: &PersonId) -> Result<Held, Fault> {
        let row = sqlx::query("SELECT totp FROM credentials WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        Ok(Held { totp: has_totp(row.as_ref())?, passkey: false })
    }

    /// How far a factor of this kind reaches for a person.
    pub(super) async fn factor_standing(&self, record: &PersonRecord, kind: FactorKind) -> Result<Standing, Fault> {
        let held = self.held_factors(&record.person.id).await?;
        Ok(standing(&self.policy().factors, &record.person.roles, kind, held))
    }

    /// Writes down that a factor was good but is not the one that the roles ask for.
    pub(super) async fn wrong_kind(&self, attempt: &Attempt<'_>, record: &PersonRecord) -> Denied {
        let kinds = allowed(&self.policy().factors, &record.person.roles).into_iter().filter(|kind| kind.is_strong()).map(FactorKind::as_str).collect::<Vec<_>>().join(", ");
        let refusal = Refusal::FactorRequired { kinds };
        let written = async {
            let mut tx = self.write(&Actor::of(&record.person, attempt.via, Some(attempt.source.to_string()))).await?;
            tx.fact(Fact::Refused { stage: attempt.stage.to_owned(), login: attempt.login.to_owned(), code: refusal.code().to_owned(), detail: String::new() });
            tx.commit().await
        };
        match written.await {
            Ok(()) => refusal.into(),
            Err(fault) => fault.into(),
        }
    }

    /// A fresh secret for an authenticator app, for the person of this login. The same until it is taken, for some minutes.
    ///
    /// # Errors
    /// Without a fresh factor.
    pub async fn offer_authenticator(&self, login: &WebLogin) -> Done<EnrolmentOffer> {
        self.require_step_up(login, Action::KeepOwnFactors)?;
        let secret = self.inner.ceremonies.offer(&login.id, self.now(), || totp::fresh().map(|secret| Zeroizing::new(secret.to_vec())))?;
        let (totp_url, totp_secret_base32) = totp::offer(&secret, &login.person, self.facility())?;
        Ok(EnrolmentOffer { person: login.person.clone(), totp_url, totp_secret_base32, elsewhere: None })
    }

    /// Takes the first code of a new authenticator app, which replaces the old one. Every other login of the person ends.
    ///
    /// # Errors
    /// Without a fresh factor; [`Refusal::BadField`] for a wrong code; [`Refusal::CeremonyOver`] if the offer's time is over.
    pub async fn replace_authenticator(&self, login: &WebLogin, code: Secret) -> Done<()> {
        self.require_step_up(login, Action::KeepOwnFactors)?;
        let secret = self.inner.ceremonies.offered(&login.id, self.now()).ok_or(Refusal::CeremonyOver)?;
        let step = totp::check(&secret, &code, 0, self.now())?.ok_or_else(|| Refusal::bad_field("new_code"))?;
        let id = login.person.id.as_str().to_owned();
        let sealed = self.inner.keys.seal(Place { table: "credentials", row: &id, column: "totp" }, &secret)?;
        let mut tx = self.write(&login.actor).await?;
        // The last step never goes back, not even with a new secret: a clock that was set back gives no code twice.
        let changed = sqlx::query("UPDATE credentials SET totp = $1, last_step = CASE WHEN last_step > $2 THEN last_step ELSE $2 END WHERE person = $3")
            .bind(sealed.into_bytes())
            .bind(step)
            .bind(id)
            .execute(tx.sql())
            .await?;
        if changed.rows_affected() != 1 {
            return Err(Refusal::NotFound.into());
        }
        self.notice(&mut tx, &login.person.id, NoticeKind::AuthenticatorReplaced, "").await?;
        tx.fact(Fact::AuthenticatorReplaced { person: login.person.id.clone() });
        self.factors_changed(&mut tx, login).await?;
        tx.commit().await?;
        self.inner.ceremonies.settle(&login.id);
        Ok(())
    }

    /// After a change of factors every other login ends, and a login that came by less than its person holds has to prove
    /// itself anew by what was set up.
    pub(super) async fn factors_changed(&self, tx: &mut Tx, login: &WebLogin) -> Done<()> {
        end_web_logins(tx, &login.person.id, Some(&login.id), "factors_changed").await?;
        self.end_ssh_logins(tx, &login.person.id, "factors_changed").await?;
        if login.confined || login.recovered_until.is_some() {
            self.stale_in(tx, login).await?;
        }
        Ok(())
    }

    /// Leaves a notice on a person's pages. The number is that of the next fact of this change.
    pub(crate) async fn notice(&self, tx: &mut Tx, person: &PersonId, kind: NoticeKind, detail: &str) -> Result<(), Fault> {
        let (seq, at) = (as_i64(tx.next_seq()), tx.now().0);
        let text = "INSERT INTO factor_notices (person, seq, at, kind, detail) VALUES ($1, $2, $3, $4, $5)";
        sqlx::query(text).bind(person.as_str().to_owned()).bind(seq).bind(at).bind(kind.as_str()).bind(detail.to_owned()).execute(tx.sql()).await?;
        Ok(())
    }

    /// What a person has not yet seen of what happened to their factors, newest first.
    ///
    /// # Errors
    /// Without a person.
    pub async fn notices(&self, actor: &Actor) -> Done<Vec<Notice>> {
        let person = actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        let text = "SELECT seq, at, kind, detail FROM factor_notices WHERE person = $1 AND seen_at IS NULL ORDER BY seq DESC LIMIT $2";
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(NOTICES).fetch_all(self.read()).await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<Option<Notice>, Fault> {
            let kind: &str = row.try_get("kind")?;
            let Some(kind) = NoticeKind::ALL.into_iter().find(|known| known.as_str() == kind) else { return Ok(None) };
            let seq = u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0);
            Ok(Some(Notice { seq, at: Timestamp(row.try_get("at")?), kind, detail: row.try_get("detail")? }))
        };
        Ok(rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?)
    }

    /// Takes the notices up to a number off the person's pages. The entries in the log stay.
    ///
    /// # Errors
    /// Without a person.
    pub async fn notices_seen(&self, actor: &Actor, up_to: u64) -> Done<()> {
        let person = actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now().0;
        let text = "UPDATE factor_notices SET seen_at = $1 WHERE person = $2 AND seq <= $3 AND seen_at IS NULL";
        sqlx::query(text).bind(now).bind(person.as_str().to_owned()).bind(as_i64(up_to)).execute(tx.sql()).await?;
        Ok(tx.commit().await?)
    }

    /// Whether a login that was proved this way is good for setting up a factor and for nothing else. A recovery code always
    /// is: paper may be read by others, and what a person allows or lets pass rests on something that only they hold.
    pub(super) fn is_confined(&self, person: &Person, kind: FactorKind) -> bool {
        !kind.is_strong() || !allowed(&self.policy().factors, &person.roles).contains(&kind)
    }
}

/// An empty column is no authenticator app; a sealed secret is never empty.
fn has_totp(row: Option<&sqlx::any::AnyRow>) -> Result<bool, Fault> {
    let Some(row) = row else { return Ok(false) };
    Ok(!Sealed::from_bytes(row.try_get("totp")?).is_empty())
}
