//! What the outer door is answered.

use super::authority::Wanted;
use super::{CertifiedBy, Issuing, overlap};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::ssh_logins::answered;
use sekisho_core::desk::Answer;
use sekisho_core::facts::Fact;
use sekisho_core::ids::DeviceId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::porter::{CertificateFault, CODE_SECRET, CODE_SELECTOR, Issued, PendingLogin, Porter, Standing, TurnedAway};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::ssh_login::LoginAsk;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// For how long a certificate that was replaced may be replaced once more.
const ASKED_AGAIN: Duration = Duration::from_secs(15 * 60);

/// True for what only a certificate can show that our authority has signed.
fn is_ours(fault: CertificateFault) -> bool {
    use CertificateFault as F;
    match fault {
        F::NotYet | F::Expired | F::Unknown | F::OtherDevice | F::Revoked | F::Signature => true,
        F::TooLong | F::Malformed | F::Chain | F::Authority | F::KeyUsage | F::ExtendedUse | F::Names | F::Extras => false,
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
        self.end_device_logins(&mut tx, &device.id).await?;
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
        let Some(others) = self.inner.away.take(away.source, is_ours(away.fault), self.now()) else { return Ok(()) };
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::CertificateRefused { why: away.fault.as_str().to_owned(), serial: away.serial, source: away.source.to_string(), others });
        tx.commit().await
    }
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

    fn admits_tls12(&self, source: IpAddr) -> bool {
        self.inner.older_lines.admit(source, self.place_of(source), None, self.now())
    }

    fn admits_tls12_of<'a>(&'a self, source: IpAddr, device: &'a DeviceId) -> Answer<'a, bool> {
        Box::pin(async move {
            match self.load_device(self.read(), device).await {
                Ok(Some(device)) => self.inner.older_lines.admit(source, self.place_of(source), Some(&device.vendor), self.now()),
                Ok(None) => false,
                Err(fault) => {
                    tracing::error!(%fault, "the device of a connection cannot be looked up");
                    false
                }
            }
        })
    }

    fn enrol<'a>(&'a self, source: IpAddr, ticket: Secret, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        Box::pin(async move { answered(self.enrol_device(source, ticket, request).await) })
    }

    fn renew<'a>(&'a self, source: IpAddr, serial: &'a str, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        Box::pin(async move { answered(self.renew_certificate(source, serial, request).await) })
    }

    fn ask_login<'a>(&'a self, source: IpAddr, serial: &'a str, ask: LoginAsk) -> Answer<'a, Result<PendingLogin, Refusal>> {
        Box::pin(async move { answered(self.ask_connect(source, serial, ask).await) })
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
    fn what_a_stranger_can_show_is_told_from_what_we_signed() {
        assert!(!is_ours(CertificateFault::Chain) && is_ours(CertificateFault::Revoked));
    }
}
