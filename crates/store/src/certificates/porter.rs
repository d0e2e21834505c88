//! What the outer door is answered.

use super::authority::Wanted;
use super::{CertifiedBy, Issuing, overlap};
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use sekisho_core::desk::Answer;
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::porter::{CODE_SECRET, CODE_SELECTOR, Issued, Porter, Standing, TurnedAway};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Refused certificates are counted over this time.
const SPAN: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// For how long a certificate that was replaced may be replaced once more.
const ASKED_AGAIN: Duration = Duration::from_secs(15 * 60);

/// How many refused certificates were written down lately: scanners bring thousands.
#[derive(Default)]
pub(crate) struct AwayCount(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    since: Timestamp,
    all: usize,
    /// By source: written, and left out since the last one that was written.
    sources: HashMap<IpAddr, (usize, u32)>,
}

impl AwayCount {
    /// Whether this one is written down, and how many of its source were not.
    fn take(&self, source: IpAddr, now: Timestamp) -> Option<u32> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= counted.since.plus(SPAN) {
            // What was left out of the last span is told with the first of the next one.
            counted.sources.retain(|_, (written, left_out)| {
                *written = 0;
                *left_out > 0
            });
            (counted.since, counted.all) = (now, 0);
        }
        let full = counted.all >= limits::CERTIFICATE_REFUSALS_ALL;
        if full && !counted.sources.contains_key(&source) {
            return None;
        }
        let (written, left_out) = counted.sources.entry(source).or_default();
        if full || *written >= limits::CERTIFICATE_REFUSALS {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *written += 1;
        let others = std::mem::take(left_out);
        counted.all += 1;
        Some(others)
    }
}

impl Store {
    async fn enrol_device(&self, source: IpAddr, ticket: Secret, request: Vec<u8>) -> Done<Issued> {
        // What cannot be certified uses up no code and no try, and is refused the same with any code.
        let wanted = Wanted::read(&request)?;
        let now = self.now();
        if crate::logins::source_waits(self.read(), source, now).await? {
            return Err(Refusal::SourceBlocked.into());
        }
        if ticket.expose().len() != CODE_SELECTOR + CODE_SECRET || !ticket.expose().is_ascii() {
            return Err(Refusal::DeviceCodeInvalid.into());
        }
        let tx = self.write(&Actor::system()).await?;
        let (mut tx, device) = self.use_code(tx, &ticket, source).await?;
        let now = tx.now();
        // Whoever is enrolled anew has lost the old key, or somebody else has it.
        for old in self.certificates_of(tx.sql(), &device.id).await?.into_iter().filter(|old| old.stands(now)) {
            self.end_certificate(&mut tx, old, &device.content.name, "enrolled_again", now, "").await?;
        }
        let ask = Issuing { device: &device, wanted: &wanted, source, how: CertifiedBy::Code, before: None };
        let issued = self.issue_certificate(&mut tx, ask).await?;
        tx.commit().await?;
        Ok(issued)
    }

    async fn renew_certificate(&self, source: IpAddr, serial: &str, request: Vec<u8>) -> Done<Issued> {
        let wanted = Wanted::read(&request)?;
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let old = self.certificate(tx.sql(), "SELECT body, seal FROM device_certificates WHERE serial = $1", serial).await?;
        let old = old.filter(|old| old.serial == serial && old.stands(now)).ok_or(Refusal::CertificateEnded)?;
        // An answer that was lost is asked for again at once. Who comes hours later with a replaced one has a copy of it.
        if old.ended.as_ref().is_some_and(|end| now >= end.at.plus(ASKED_AGAIN)) {
            return Err(Refusal::CertificateEnded.into());
        }
        let device = self.load_device(tx.sql(), &old.device).await?.ok_or(Refusal::CertificateEnded)?;
        if !self.vendor_in_force(Some(&device.vendor), now).await? {
            return Err(Refusal::VendorInactive.into());
        }
        if self.renewals_since(tx.sql(), &device.id, now.minus(DAY)).await? >= limits::DEVICE_RENEWALS_A_DAY {
            return Err(Refusal::too_many("DEVICE_RENEWALS_A_DAY").into());
        }
        // A new key each time: one that somebody copied is worth nothing after the next renewal.
        if wanted.fingerprint() == old.key {
            return Err(Refusal::CertificateAskBad.into());
        }
        // Asked again, because an answer was lost: whoever got that one holds it for nothing.
        for lost in self.certificates_of(tx.sql(), &device.id).await?.into_iter().filter(|other| other.before.as_deref() == Some(serial) && other.stands(now)) {
            self.end_certificate(&mut tx, lost, &device.content.name, "enrolled_again", now, "").await?;
        }
        let ask = Issuing { device: &device, wanted: &wanted, source, how: CertifiedBy::Renewal, before: Some(serial.to_owned()) };
        let issued = self.issue_certificate(&mut tx, ask).await?;
        if old.ended.is_none() {
            self.end_certificate(&mut tx, old, &device.content.name, "renewed", now.plus(overlap()), "").await?;
        }
        tx.commit().await?;
        Ok(issued)
    }

    async fn note_turned_away(&self, away: TurnedAway) -> Result<(), Fault> {
        tracing::info!(source = %away.source, serial = %away.serial, why = %away.fault, "a certificate was not accepted");
        let Some(others) = self.inner.away.take(away.source, self.now()) else { return Ok(()) };
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::CertificateRefused { why: away.fault.as_str().to_owned(), serial: away.serial, source: away.source.to_string(), others });
        tx.commit().await
    }
}

/// A fault refuses, and its words stay inside.
fn answered<T>(done: Done<T>) -> Result<T, Refusal> {
    done.map_err(|denied: Denied| denied.refusal())
}

impl Porter for Store {
    fn authorities(&self) -> Vec<Vec<u8>> {
        self.signing_certificates().unwrap_or_else(|fault| {
            tracing::error!(%fault, "the authority for devices cannot be read");
            Vec::new()
        })
    }

    fn standing(&self, serial: &str) -> Standing {
        self.inner.certified.standing(serial)
    }

    fn enrol<'a>(&'a self, source: IpAddr, ticket: Secret, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        Box::pin(async move { answered(self.enrol_device(source, ticket, request).await) })
    }

    fn renew<'a>(&'a self, source: IpAddr, serial: &'a str, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        Box::pin(async move { answered(self.renew_certificate(source, serial, request).await) })
    }

    fn turned_away<'a>(&'a self, away: TurnedAway) -> Answer<'a, ()> {
        Box::pin(async move {
            if let Err(fault) = self.note_turned_away(away).await {
                tracing::error!(%fault, "a refused certificate could not be written down; it was refused all the same");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_first_few_are_written_and_the_others_counted() {
        let count = AwayCount::default();
        let start = Timestamp(1_700_000_000_000);
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        let written = (0..1000).filter(|_| count.take(source, start).is_some()).count();
        assert_eq!(written, limits::CERTIFICATE_REFUSALS);
        assert_eq!(count.take("192.0.2.2".parse().unwrap(), start), Some(0), "another source is told of");
        let later = start.plus(SPAN);
        assert_eq!(count.take(source, later), Some(1000 - limits::CERTIFICATE_REFUSALS as u32));
    }
}
