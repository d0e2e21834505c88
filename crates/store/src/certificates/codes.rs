//! One-time codes: made, tried, used up.

use super::{DeviceCode, NewDeviceCode};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::{Place, Sealed, random_bytes, random_id};
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::device::Device;
use sekisho_core::facts::Fact;
use sekisho_core::ids::DeviceId;
use sekisho_core::limits;
use sekisho_core::line::is_off_all_lines;
use sekisho_core::porter::{CODE_CHECK, CODE_SECRET, CODE_SELECTOR, checked_bytes, code_letters, grouped};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sqlx::AnyConnection;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Draws of a selector that no open code has; the first one nearly always serves.
const DRAWS: usize = 20;

impl DeviceCode {
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.ends_at && (self.tries as usize) < limits::DEVICE_CODE_TRIES
    }

    /// Why it opens nothing, whatever secret is said with it.
    fn closed(&self, now: Timestamp) -> Option<&'static str> {
        if self.ended.is_some() {
            return Some("used");
        }
        if now >= self.ends_at {
            return Some("expired");
        }
        ((self.tries as usize) >= limits::DEVICE_CODE_TRIES).then_some("spent")
    }
}

impl Store {
    pub(super) async fn make_code(&self, tx: &mut Tx, device: &Device) -> Done<NewDeviceCode> {
        let now = tx.now();
        let ticket = self.fresh_ticket(tx.sql(), now).await?;
        let selector = ticket.get(..CODE_SELECTOR).unwrap_or_default().to_owned();
        let id = random_id()?;
        let hash = Digest::of(ticket.as_bytes());
        let sealed = self.inner.keys.seal(place(&id), hash.as_bytes())?;
        let until = now.plus(Duration::from_secs(u64::from(self.policy().device_code_minutes) * 60));
        let code = DeviceCode {
            id,
            device: device.id.clone(),
            selector,
            hash: STANDARD.encode(sealed.into_bytes()),
            made_at: now,
            ends_at: until,
            made_by: tx.actor().name.clone(),
            tries: 0,
            ended: None,
        };
        sqlx::query("INSERT INTO device_codes (id, device, selector, made_at, body) VALUES ($1, $2, $3, $4, '')")
            .bind(code.id.as_str().to_owned())
            .bind(device.id.as_str().to_owned())
            .bind(code.selector.clone())
            .bind(now.0)
            .execute(tx.sql())
            .await
            .map_err(Fault::from)?;
        self.save_code(tx, &code).await?;
        tx.fact(Fact::DeviceCodeIssued { device_code: code.id.clone(), device: device.id.clone(), name: device.content.name.clone(), until });
        let check = Digest::of(&checked_bytes(&ticket, &self.ca_certificate_der()?));
        let check = code_letters(check.as_bytes(), CODE_CHECK);
        Ok(NewDeviceCode { code: Secret::new(grouped(&format!("{}{check}", ticket.as_str()))), until })
    }

    async fn fresh_ticket(&self, conn: &mut AnyConnection, now: Timestamp) -> Result<Zeroizing<String>, Fault> {
        for _ in 0..DRAWS {
            let bytes = Zeroizing::new(random_bytes::<8>()?);
            let ticket = Zeroizing::new(code_letters(bytes.as_slice(), CODE_SELECTOR + CODE_SECRET));
            let selector = ticket.get(..CODE_SELECTOR).unwrap_or_default();
            if self.code_by(conn, selector).await?.is_none_or(|other| !other.is_open(now)) {
                return Ok(ticket);
            }
        }
        Err(Fault::Crypto("no free selector for a code was drawn".into()))
    }

    /// Tries a code. On success it is used up within the change, and the device that it is for is given.
    ///
    /// A try that fails is committed by itself: it counts whatever comes after it.
    pub(super) async fn use_code(&self, tx: Tx, ticket: &Secret, source: IpAddr) -> Done<(Tx, Device)> {
        let mut tx = tx;
        let now = tx.now();
        let selector = ticket.expose().get(..CODE_SELECTOR).unwrap_or_default().to_owned();
        let Some(mut code) = self.code_by(tx.sql(), &selector).await? else { return self.code_failed(tx, None, source).await };
        let Some(device) = self.load_device(tx.sql(), &code.device).await? else { return self.code_failed(tx, None, source).await };
        if let Some(why) = code.closed(now) {
            return self.code_failed(tx, Some((code, device.content.name, why)), source).await;
        }
        let sealed = Sealed::from_bytes(STANDARD.decode(&code.hash).map_err(|_| Fault::Damaged("a code's hash is malformed".into()))?);
        let hash = self.inner.keys.unseal(place(&code.id), &sealed)?;
        // Both sides are hashes, so how far a comparison got tells nothing of the secret.
        if hash.as_slice() != Digest::of(ticket.expose().as_bytes()).as_bytes() {
            code.tries += 1;
            let why = if code.is_open(now) { "wrong" } else { "wrong_ended" };
            return self.code_failed(tx, Some((code, device.content.name, why)), source).await;
        }
        // The device of a vendor that has closed lines alone stands at one of them, and in a country that one allows. The code
        // stays good for the right place.
        if is_off_all_lines(&self.load_lines(tx.sql(), &device.vendor).await?, source, self.place_of(source), now) {
            self.save_code(&mut tx, &code).await?;
            tx.fact(Fact::DeviceCodeFailed { device_code: code.id.clone(), device: device.id.clone(), name: device.content.name.clone(), why: "place".into(), source: source.to_string() });
            if crate::logins::count_source(tx.sql(), source, now).await? {
                tx.fact(Fact::SourceLocked { source: source.to_string() });
            }
            tx.commit().await?;
            return Err(Refusal::SourceNotAllowed.into());
        }
        code.ended = Some("used".into());
        self.save_code(&mut tx, &code).await?;
        tx.fact(Fact::DeviceCodeEnded { device_code: code.id.clone(), device: device.id.clone(), name: device.content.name.clone(), how: "used".into() });
        Ok((tx, device))
    }

    async fn code_failed(&self, mut tx: Tx, code: Option<(DeviceCode, String, &str)>, source: IpAddr) -> Done<(Tx, Device)> {
        let now = tx.now();
        if crate::logins::count_source(tx.sql(), source, now).await? {
            tx.fact(Fact::SourceLocked { source: source.to_string() });
        }
        if let Some((code, name, why)) = code {
            self.save_code(&mut tx, &code).await?;
            tx.fact(Fact::DeviceCodeFailed { device_code: code.id.clone(), device: code.device.clone(), name, why: why.to_owned(), source: source.to_string() });
        } else {
            // One that never was is a guess; the count of its source is what stops it.
            tracing::info!(%source, "a code for a device is unknown");
        }
        tx.commit().await?;
        Err(Refusal::DeviceCodeInvalid.into())
    }

    pub(super) async fn end_open_codes(&self, tx: &mut Tx, device: &Device, how: &str) -> Result<(), Fault> {
        let now = tx.now();
        for mut code in self.codes_of(tx.sql(), &device.id).await?.into_iter().filter(|code| code.is_open(now)) {
            code.ended = Some(how.to_owned());
            self.save_code(tx, &code).await?;
            tx.fact(Fact::DeviceCodeEnded { device_code: code.id.clone(), device: device.id.clone(), name: device.content.name.clone(), how: how.to_owned() });
        }
        Ok(())
    }

    /// Saves a code that has a row. The next fact of the change must be the one that tells of it.
    async fn save_code(&self, tx: &mut Tx, code: &DeviceCode) -> Result<(), Fault> {
        let body = serde_json::to_string(code)?;
        sqlx::query("UPDATE device_codes SET body = $1 WHERE id = $2").bind(body.clone()).bind(code.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, code, &body).await
    }

    async fn code_by(&self, conn: &mut AnyConnection, selector: &str) -> Result<Option<DeviceCode>, Fault> {
        let since = self.since();
        let text = "SELECT body, seal FROM device_codes WHERE selector = $1 ORDER BY made_at DESC, id LIMIT 1";
        let row = sqlx::query(text).bind(selector.to_owned()).fetch_optional(conn).await?;
        let code: Option<DeviceCode> = row.as_ref().map(|row| self.held(row, since)).transpose()?;
        Ok(code.filter(|code| code.selector == selector))
    }

    pub(super) async fn codes_of(&self, conn: &mut AnyConnection, device: &DeviceId) -> Result<Vec<DeviceCode>, Fault> {
        let since = self.since();
        let text = "SELECT body, seal FROM device_codes WHERE device = $1 ORDER BY made_at DESC, id LIMIT 10";
        let rows = sqlx::query(text).bind(device.as_str().to_owned()).fetch_all(conn).await?;
        let codes: Vec<DeviceCode> = rows.iter().map(|row| self.held(row, since)).collect::<Result<_, _>>()?;
        Ok(codes.into_iter().filter(|code| code.device == *device).collect())
    }
}

fn place(id: &sekisho_core::ids::DeviceCodeId) -> Place<'_> {
    Place { table: "device_codes", row: id.as_str(), column: "hash" }
}
