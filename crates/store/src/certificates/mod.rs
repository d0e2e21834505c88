//! Client certificates of devices: codes, certificates, their renewal and their end.

mod authority;
mod away;
mod ceremony;
mod codes;
mod porter;
mod registry;
mod token;

pub use ceremony::{DeviceAuthority, RootLock, sign_device_issuing};
pub(crate) use away::AwayCount;
pub(crate) use registry::Registry;

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::ledger::recall_device_sessions;
use crate::secrets::random_id;
use crate::write::Tx;
use authority::{Signed, Wanted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::device::Device;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{DeviceCertificateId, DeviceCodeId, DeviceId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::porter::Issued;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row};
use std::net::IpAddr;
use std::time::Duration;

/// Certificates of one device that a page lists; the oldest are left out.
const ROWS: i64 = 100;
/// How long certificates that have ended are known by name; after it they are unknown, which is refused as well.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// How a certificate came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertifiedBy {
    /// By a one-time code.
    Code,
    /// By the certificate before it.
    Renewal,
}

impl CertifiedBy {
    /// The name in log, API and words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Renewal => "renewal",
        }
    }
}

/// Why a certificate ends sooner than it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateEnd {
    /// When this was decided.
    pub at: Timestamp,
    /// `revoked`, `enrolled_again`, `renewed`, `device`.
    pub how: String,
    /// Who, if a person did it.
    pub by: String,
    /// Why, in that person's words.
    pub reason: String,
}

/// A client certificate of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCertificate {
    /// Identifier.
    pub id: DeviceCertificateId,
    /// Whose.
    pub device: DeviceId,
    /// Serial number, small hexadecimal letters.
    pub serial: String,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
    /// SHA-256 of its key.
    pub key: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it holds by itself.
    pub until: Timestamp,
    /// Until when it holds in fact.
    pub ends_at: Timestamp,
    /// How it came to be.
    pub how: CertifiedBy,
    /// From where it was asked for.
    pub source: IpAddr,
    /// Serial number of the one that it took the place of.
    pub before: Option<String>,
    /// Why it ends sooner, if it does.
    pub ended: Option<CertificateEnd>,
}

impl DeviceCertificate {
    /// True if it ended at once, and not at the end of an overlap.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.ended.as_ref().is_some_and(|end| end.how != "renewed")
    }

    /// True while it opens the outer door.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        !self.is_revoked() && now < self.ends_at
    }
}

/// A one-time code for a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DeviceCode {
    id: DeviceCodeId,
    device: DeviceId,
    selector: String,
    /// The hash of the ticket, sealed and in base64: forty bits are not kept where a reader of the database could try them.
    hash: String,
    made_at: Timestamp,
    ends_at: Timestamp,
    made_by: String,
    tries: u32,
    /// `used`, `replaced`.
    ended: Option<String>,
}

impl Held for DeviceCertificate {
    const TABLE: &'static str = "device_certificates";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

impl Held for DeviceCode {
    const TABLE: &'static str = "device_codes";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// A code that was just issued. Shown once.
#[derive(Clone, Debug)]
pub struct NewDeviceCode {
    /// What is typed on the device, in groups of four.
    pub code: Secret,
    /// Until when it can be used.
    pub until: Timestamp,
}

/// What a page shows of a device's certificates.
#[derive(Clone, Debug)]
pub struct DeviceCertificates {
    /// The newest first.
    pub certificates: Vec<DeviceCertificate>,
    /// Until when a code that was issued can still be used.
    pub code_until: Option<Timestamp>,
}

impl Store {
    /// Fills the memory from the rows.
    pub(crate) async fn load_certificates(&self) -> Result<(), Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM device_certificates WHERE ends_at > $1").bind(self.now().minus(REMEMBERED).0).fetch_all(self.read()).await?;
        for row in &rows {
            match self.held::<DeviceCertificate>(row, since) {
                Ok(certificate) => self.remember(&certificate),
                // Unknown is refused; the others go on.
                Err(fault) => tracing::error!(%fault, "ALARM: a certificate is passed over"),
            }
        }
        Ok(())
    }

    /// What handshakes are answered from here on.
    pub(crate) fn remember(&self, certificate: &DeviceCertificate) {
        self.inner.certified.put(&certificate.serial, certificate.device.clone(), certificate.ends_at, certificate.is_revoked());
    }

    /// The certificates of a device, for those who may see the device.
    ///
    /// # Errors
    /// As [`Store::device`].
    pub async fn device_certificates(&self, actor: &Actor, id: &DeviceId) -> Done<DeviceCertificates> {
        let device = self.device(actor, id).await?;
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let certificates = self.certificates_of(&mut conn, &device.id).await?;
        let now = self.now();
        let code = self.codes_of(&mut conn, &device.id).await?.into_iter().find(|code| code.is_open(now));
        Ok(DeviceCertificates { certificates, code_until: code.map(|code| code.ends_at) })
    }

    /// Revokes a certificate at once: its tunnels and the sessions from its device end.
    ///
    /// # Errors
    /// Without the right; [`Refusal::ReasonNeeded`]; [`Refusal::NotFound`], also for one that has ended.
    pub async fn revoke_device_certificate(&self, actor: &Actor, id: &DeviceCertificateId, reason: &str) -> Done<DeviceCertificate> {
        self.require(actor, Action::CertifyDevice, None, "revoke_device_certificate").await?;
        check_line("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let certificate = self.certificate(tx.sql(), "SELECT body, seal FROM device_certificates WHERE id = $1", id.as_str()).await?;
        let certificate = certificate.filter(|certificate| certificate.stands(now)).ok_or(Refusal::NotFound)?;
        let device = self.load_device(tx.sql(), &certificate.device).await?.ok_or(Refusal::NotFound)?;
        let ended = self.end_certificate(&mut tx, certificate, &device.content.name, "revoked", now, reason.trim()).await?;
        self.end_device_logins(&mut tx, &device.id).await?;
        recall_device_sessions(&mut tx, &device.id).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Ends what a device holds, because the device itself ends: certificates and an open code.
    pub(crate) async fn end_device_certificates(&self, tx: &mut Tx, device: &Device, how: &str) -> Result<(), Fault> {
        let now = tx.now();
        for certificate in self.certificates_of(tx.sql(), &device.id).await?.into_iter().filter(|certificate| certificate.stands(now)) {
            self.end_certificate(tx, certificate, &device.content.name, how, now, "").await?;
        }
        self.end_open_codes(tx, device, "replaced").await
    }

    /// A certificate over a device's key, as part of a change.
    async fn issue_certificate(&self, tx: &mut Tx, ask: Issuing<'_>) -> Done<Issued> {
        let Issuing { device, wanted, source, how, before } = ask;
        if device.lost_at.is_some() {
            return Err(Refusal::DeviceLost.into());
        }
        if !device.active {
            return Err(Refusal::DeviceInactive.into());
        }
        let Signed { chain, serial, fingerprint, from, until } = self.certify(&device.id, wanted, tx.now()).await?;
        let certificate = DeviceCertificate {
            id: random_id()?,
            device: device.id.clone(),
            serial,
            fingerprint,
            key: wanted.fingerprint(),
            issued_at: tx.now(),
            until,
            ends_at: until,
            how,
            source,
            before,
            ended: None,
        };
        sqlx::query("INSERT INTO device_certificates (id, device, serial, issued_at, ends_at, body) VALUES ($1, $2, $3, $4, $5, '')")
            .bind(certificate.id.as_str().to_owned())
            .bind(device.id.as_str().to_owned())
            .bind(certificate.serial.clone())
            .bind(certificate.issued_at.0)
            .bind(certificate.ends_at.0)
            .execute(tx.sql())
            .await
            .map_err(Fault::from)?;
        self.save_certificate(tx, &certificate).await?;
        tx.fact(Fact::DeviceCertified {
            certificate: certificate.id.clone(),
            device: device.id.clone(),
            name: device.content.name.clone(),
            serial: certificate.serial.clone(),
            fingerprint: certificate.fingerprint.clone(),
            how: how.as_str().to_owned(),
            source: source.to_string(),
            until,
        });
        tx.certified(certificate);
        Ok(Issued {
            chain: chain.iter().map(|der| STANDARD.encode(der)).collect(),
            device: device.id.clone(),
            device_name: device.content.name.clone(),
            facility: self.facility().to_owned(),
            facility_id: self.door_name().to_owned(),
            from,
            until,
            // The door knows the keys that it leads to.
            ssh_host_keys: Vec::new(),
        })
    }

    async fn end_certificate(&self, tx: &mut Tx, certificate: DeviceCertificate, name: &str, how: &str, until: Timestamp, reason: &str) -> Result<DeviceCertificate, Fault> {
        let by = if how == "revoked" { tx.actor().name.clone() } else { String::new() };
        let end = CertificateEnd { at: tx.now(), how: how.to_owned(), by, reason: reason.to_owned() };
        let certificate = DeviceCertificate { ends_at: until.min(certificate.ends_at), ended: Some(end), ..certificate };
        self.save_certificate(tx, &certificate).await?;
        tx.fact(Fact::DeviceCertificateEnded {
            certificate: certificate.id.clone(),
            device: certificate.device.clone(),
            name: name.to_owned(),
            serial: certificate.serial.clone(),
            how: how.to_owned(),
            until: certificate.ends_at,
            reason: reason.to_owned(),
        });
        tx.certified(certificate.clone());
        Ok(certificate)
    }

    /// Saves a certificate that has a row. The next fact of the change must be the one that tells of it.
    async fn save_certificate(&self, tx: &mut Tx, certificate: &DeviceCertificate) -> Result<(), Fault> {
        let body = serde_json::to_string(certificate)?;
        sqlx::query("UPDATE device_certificates SET ends_at = $1, body = $2 WHERE id = $3")
            .bind(certificate.ends_at.0)
            .bind(body.clone())
            .bind(certificate.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, certificate, &body).await
    }

    async fn certificate(&self, conn: &mut AnyConnection, text: &'static str, key: &str) -> Result<Option<DeviceCertificate>, Fault> {
        let since = self.since();
        let row = sqlx::query(text).bind(key.to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// The newest first.
    async fn certificates_of(&self, conn: &mut AnyConnection, device: &DeviceId) -> Result<Vec<DeviceCertificate>, Fault> {
        let since = self.since();
        let text = "SELECT body, seal FROM device_certificates WHERE device = $1 ORDER BY issued_at DESC, id LIMIT $2";
        let rows = sqlx::query(text).bind(device.as_str().to_owned()).bind(ROWS).fetch_all(conn).await?;
        let sound = rows.iter().filter_map(|row| self.held::<DeviceCertificate>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a certificate is left out")).ok());
        Ok(sound.filter(|certificate| certificate.device == *device).collect())
    }

    /// True if a certificate of this device stands at this moment.
    pub(crate) async fn has_certificate(&self, device: &DeviceId) -> Result<bool, Fault> {
        let mut conn = self.read().acquire().await?;
        let now = self.now();
        Ok(self.certificates_of(&mut conn, device).await?.iter().any(|certificate| certificate.stands(now)))
    }

    /// How many certificates of a device were renewed since a moment.
    async fn renewals_since(&self, conn: &mut AnyConnection, device: &DeviceId, since: Timestamp) -> Result<usize, Fault> {
        let text = "SELECT COUNT(*) AS n FROM device_certificates WHERE device = $1 AND issued_at > $2";
        let row = sqlx::query(text).bind(device.as_str().to_owned()).bind(since.0).fetch_one(conn).await?;
        Ok(usize::try_from(row.try_get::<i64, _>("n")?).unwrap_or(usize::MAX))
    }

    /// Issues a code by which a device comes by its certificate; an earlier one of the device ends. The caller has asked for
    /// a fresh factor.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`]; [`Refusal::DeviceInactive`].
    pub async fn issue_device_code(&self, actor: &Actor, id: &DeviceId) -> Done<NewDeviceCode> {
        self.require(actor, Action::CertifyDevice, None, "issue_device_code").await?;
        may(actor, Action::ReadLedger, None)?;
        let mut tx = self.write(actor).await?;
        let device = self.load_device(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if !device.active || device.lost_at.is_some() {
            return Err(Refusal::DeviceInactive.into());
        }
        self.end_open_codes(&mut tx, &device, "replaced").await?;
        let made = self.make_code(&mut tx, &device).await?;
        tx.commit().await?;
        Ok(made)
    }
}

/// What is to be certified.
struct Issuing<'a> {
    device: &'a Device,
    wanted: &'a Wanted,
    source: IpAddr,
    how: CertifiedBy,
    before: Option<String>,
}

/// How long a replaced certificate still holds.
fn overlap() -> Duration {
    Duration::from_secs(limits::DEVICE_CERTIFICATE_OVERLAP_HOURS as u64 * 3600)
}
