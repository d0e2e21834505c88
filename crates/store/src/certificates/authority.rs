//! The private authority for devices: a root, and the part under it that signs.
//!
//! It certifies nothing but the key that a device made itself, for client authentication alone. The server's own
//! certificates come from another authority (`tls.rs`), so that neither can ever stand for the other.

use super::ceremony::ISSUING_DAYS;
use super::token::{self, IN_TOKEN, Signer, TokenKey};
use crate::Store;
use crate::fault::Fault;
use crate::secrets::random_bytes;
use crate::tls::{crypto, moment};
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SanType, SerialNumber,
};
use sekisho_core::facts::Fact;
use sekisho_core::ids::DeviceId;
use sekisho_core::porter::DEVICE_URN;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The file in the keys folder.
const FILE: &str = "device-ca.keys";
/// The row of `meta` that holds which authority the log was told of.
const TOLD: &str = "device_authority";
/// Days for which the root is valid: the life of such a box, and of the one that follows it.
const ROOT_DAYS: u32 = 20 * 365;
/// Days before its end at which the issuing part is exchanged: no certificate that it signs may outlive it.
const EXCHANGE_DAYS: u32 = 450;
/// By how much a certificate begins before it is issued, for devices whose clocks are behind.
const SKEW: Duration = Duration::from_secs(60);
/// Octets of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;

/// The authority as it lies in the file.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Kept {
    /// Its key is empty where it was taken off the box.
    pub root: Part,
    /// The part that signs.
    pub issuing: Part,
    /// Certificates (DER, base64) of issuing parts that were exchanged; what they signed still holds.
    pub former: Vec<String>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Part {
    /// Common name; the issuer of what it signs.
    pub name: String,
    /// PKCS #8, base64.
    pub key: String,
    /// DER, base64.
    pub certificate: String,
    /// Its last moment.
    pub ends_at: i64,
}

impl Part {
    /// The same once more. There is no `Clone`, so that a key is not copied by accident.
    pub fn copy(&self) -> Self {
        Self { name: self.name.clone(), key: self.key.clone(), certificate: self.certificate.clone(), ends_at: self.ends_at }
    }

    /// The same without its key.
    pub fn without_key(&self) -> Self {
        Self { name: self.name.clone(), key: String::new(), certificate: self.certificate.clone(), ends_at: self.ends_at }
    }

    pub fn certificate(&self) -> Result<Vec<u8>, Fault> {
        STANDARD.decode(&self.certificate).map_err(crypto)
    }

    pub fn fingerprint(&self) -> Result<String, Fault> {
        Ok(Digest::of(&self.certificate()?).to_string())
    }

    pub fn issuer(&self, path: u8) -> Result<Issuer<'static, KeyPair>, Fault> {
        let der = Zeroizing::new(STANDARD.decode(&self.key).map_err(crypto)?);
        let pair = KeyPair::try_from(der.as_slice()).map_err(crypto)?;
        // The name and the key are all that the issuer gives to a certificate.
        Ok(Issuer::new(authority_params(&self.name, path)?, pair))
    }
}

/// A certificate of a device, fresh from the authority.
pub(super) struct Signed {
    /// The certificate and the one of the issuing part, DER.
    pub chain: Vec<Vec<u8>>,
    /// Small hexadecimal letters.
    pub serial: String,
    /// SHA-256.
    pub fingerprint: String,
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
}

/// The key of a request whose holder proved to have it.
pub(super) struct Wanted(rcgen::PublicKey);

impl Wanted {
    /// Reads a request (PKCS #10). Its signature by its own key is verified; of its names and wishes nothing is taken.
    ///
    /// # Errors
    /// [`Refusal::CertificateAskBad`], also for a key that is not of P-256.
    pub fn read(request: &[u8]) -> Result<Self, Refusal> {
        let bad = || Refusal::CertificateAskBad;
        let read = CertificateSigningRequestParams::from_der(&request.to_vec().into()).map_err(|_| bad())?;
        let key = read.public_key;
        let sound = *key.algorithm() == PKCS_ECDSA_P256_SHA256 && key.der_bytes().len() == POINT_BYTES;
        if sound { Ok(Self(key)) } else { Err(bad()) }
    }

    /// SHA-256 of the key, to see that a device made a new one.
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.0.subject_public_key_info()).to_string()
    }
}

impl Store {
    /// Makes the authority of a box that has none, and exchanges an issuing part that is about to end. An authority that
    /// the log tells of and that is missing is not made anew: that would shut every device out without a word.
    pub(crate) async fn settle_device_authority(&self, tx: &mut Tx) -> Result<(), Fault> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(TOLD).fetch_optional(tx.sql()).await?;
        let told: Option<String> = row.map(|row| row.try_get("value")).transpose()?;
        let now = tx.now();
        let loaded = self.load_device_authority();
        let mut kept = match (loaded, &told) {
            (Ok(Some(kept)), _) => kept,
            // The rest of the box works without it: sessions from closed lines, and the pages. Nobody comes in at the outer
            // door, which stays shut, and nothing is issued.
            (Ok(None), Some(_)) => {
                tracing::error!("ALARM: keys/{FILE} is missing; the outer door stays shut and no device is certified until it is put back from a backup");
                return Ok(());
            }
            (Err(fault), Some(_)) => {
                tracing::error!(%fault, "ALARM: keys/{FILE} cannot be read; the outer door stays shut and no device is certified until it is put back from a backup");
                return Ok(());
            }
            (Err(fault), None) => return Err(fault),
            (Ok(None), None) => {
                let root = root(now)?;
                let issuing = issuing(&root, now)?;
                let kept = Kept { root, issuing, former: Vec::new() };
                self.keep_device_authority(&kept)?;
                kept
            }
        };
        let is_due = now >= exchange_from(&kept.issuing);
        if is_due && (kept.root.key.is_empty() || self.inner.settings.device_token.is_some()) {
            tracing::error!("ALARM: the part that certifies devices is to be exchanged: sekisho ca request, sign it with the root, sekisho ca import");
        } else if is_due {
            let next = issuing(&kept.root, now)?;
            let former = std::mem::replace(&mut kept.issuing, next);
            kept.former.push(former.certificate.clone());
            self.keep_device_authority(&kept)?;
        }
        // A crash between file and log leaves an authority that no entry tells of; the next start tells.
        self.tell_device_authority(tx, &kept).await
    }

    /// Writes down which authority there is, if the log does not tell of this one.
    pub(super) async fn tell_device_authority(&self, tx: &mut Tx, kept: &Kept) -> Result<(), Fault> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(TOLD).fetch_optional(tx.sql()).await?;
        let told: Option<String> = row.map(|row| row.try_get("value")).transpose()?;
        let (root, issuing) = (kept.root.fingerprint()?, kept.issuing.fingerprint()?);
        let value = format!("{root} {issuing}");
        if told.as_deref() != Some(value.as_str()) {
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .bind(TOLD)
                .bind(value)
                .execute(tx.sql())
                .await?;
            tx.fact(Fact::DeviceAuthority { root, issuing });
        }
        Ok(())
    }

    /// Does something with the key of an issuing part: one of the keys folder, or one in the token, which is asked where it may
    /// hang.
    pub(super) async fn with_signer<T: Send + 'static>(&self, key: &str, work: impl FnOnce(Signer) -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
        if !key.starts_with(IN_TOKEN) {
            return work(token::here(&Zeroizing::new(STANDARD.decode(key).map_err(crypto)?))?);
        }
        let token = self.inner.settings.device_token.clone();
        let token = token.ok_or_else(|| Fault::Settings("the key that certifies devices is in a token, and device_ca.pkcs11 names none".into()))?;
        let name = key.to_owned();
        token::ask(move || work(Signer::Token(TokenKey::open(&token, &name)?))).await
    }

    /// Does something in the name of an issuing part.
    pub(super) async fn with_issuer<T: Send + 'static>(&self, part: &Part, work: impl FnOnce(&Issuer<'static, Signer>) -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
        let params = authority_params(&part.name, 0)?;
        self.with_signer(&part.key, move |signer| work(&Issuer::new(params, signer))).await
    }

    fn load_device_authority(&self) -> Result<Option<Kept>, Fault> {
        let Some(bytes) = self.inner.keys.load_file(FILE)? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    pub(super) fn keep_device_authority(&self, kept: &Kept) -> Result<(), Fault> {
        self.inner.keys.keep_file(FILE, &Zeroizing::new(serde_json::to_vec(kept)?))
    }

    pub(super) fn device_authority(&self) -> Result<Kept, Fault> {
        self.load_device_authority()?.ok_or_else(|| Fault::Folder(format!("keys/{FILE} is missing")))
    }

    /// The certificates (DER) of the parts that sign or have signed certificates of devices.
    pub(super) fn signing_certificates(&self) -> Result<Vec<Vec<u8>>, Fault> {
        let kept = self.device_authority()?;
        let mut all = vec![kept.issuing.certificate()?];
        for former in &kept.former {
            all.push(STANDARD.decode(former).map_err(crypto)?);
        }
        Ok(all)
    }

    /// The root's certificate of the authority for devices, PEM, for whoever checks certificates of devices elsewhere.
    ///
    /// # Errors
    /// A fault if the keys cannot be read.
    pub fn device_root_pem(&self) -> Result<String, Fault> {
        let body = self.device_authority()?.root.certificate.clone();
        let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        Ok(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
    }

    /// Signs a certificate over a device's key. Nothing may be handed out before the change that tells of it is committed.
    pub(super) async fn certify(&self, device: &DeviceId, wanted: &Wanted, now: Timestamp) -> Result<Signed, Fault> {
        let kept = self.device_authority()?;
        let (serial, number) = serial()?;
        let days = DAY * self.policy().device_certificate_days;
        // To the second, as the certificate says it.
        let from = Timestamp(now.minus(SKEW).0.div_euclid(1000) * 1000);
        let until = Timestamp(now.plus(days).0.min(kept.issuing.ends_at).div_euclid(1000) * 1000);
        let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
        params.not_before = moment(from);
        params.not_after = moment(until);
        params.serial_number = Some(number);
        params.distinguished_name = named(device.as_str());
        params.subject_alt_names = vec![SanType::URI(format!("{DEVICE_URN}{device}").try_into().map_err(crypto)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = wanted.0.clone();
        let der = self.with_issuer(&kept.issuing, move |issuer| Ok(params.signed_by(&key, issuer).map_err(crypto)?.der().to_vec())).await?;
        Ok(Signed { serial, fingerprint: Digest::of(&der).to_string(), chain: vec![der, kept.issuing.certificate()?], from, until })
    }
}

/// From when on an issuing part is to be exchanged: no certificate that it signs may outlive it.
pub(super) fn exchange_from(issuing: &Part) -> Timestamp {
    Timestamp(issuing.ends_at).minus(DAY * EXCHANGE_DAYS)
}

fn root(now: Timestamp) -> Result<Part, Fault> {
    let name = format!("Sekisho device root {}", mark()?);
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(crypto)?;
    let ends_at = now.plus(DAY * ROOT_DAYS);
    let mut params = authority_params(&name, 1)?;
    dated(&mut params, now, ends_at)?;
    let certificate = params.self_signed(&pair).map_err(crypto)?;
    Ok(Part { name, key: STANDARD.encode(pair.serialized_der()), certificate: STANDARD.encode(certificate.der()), ends_at: ends_at.0 })
}

fn issuing(root: &Part, now: Timestamp) -> Result<Part, Fault> {
    let name = format!("Sekisho devices {}", mark()?);
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    let ends_at = Timestamp(now.plus(DAY * ISSUING_DAYS).0.min(root.ends_at));
    let mut params = authority_params(&name, 0)?;
    dated(&mut params, now, ends_at)?;
    // What it signs can never show a server, for readers of other makers, too.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&pair, &root.issuer(1)?).map_err(crypto)?;
    Ok(Part { name, key: STANDARD.encode(pair.serialized_der()), certificate: STANDARD.encode(certificate.der()), ends_at: ends_at.0 })
}

pub(super) fn authority_params(name: &str, path: u8) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

pub(super) fn dated(params: &mut CertificateParams, now: Timestamp, ends_at: Timestamp) -> Result<(), Fault> {
    params.not_before = moment(now.minus(DAY));
    params.not_after = moment(ends_at);
    params.serial_number = Some(serial()?.1);
    Ok(())
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

pub(super) fn mark() -> Result<String, Fault> {
    random_bytes::<4>().map(hex::encode)
}

/// A serial number of 126 random bits: positive, and always of sixteen octets, so that it has one spelling.
fn serial() -> Result<(String, SerialNumber), Fault> {
    let mut bytes: [u8; 16] = random_bytes()?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok((hex::encode(bytes), SerialNumber::from_slice(&bytes)))
}
