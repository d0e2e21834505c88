//! The private authority for sources of logs. It is apart from those for devices and pages, so that a log source's
//! certificate can never open anything else.

use crate::Store;
use crate::fault::Fault;
use crate::secrets::random_bytes;
use crate::tls::{crypto, moment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber};
use sekisho_core::around::SOURCE_URN;
use sekisho_core::facts::Fact;
use sekisho_core::ids::LogSourceId;
use sekisho_core::people::Actor;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The file in the keys folder.
const FILE: &str = "log-ca.keys";
/// Days for which the authority is valid: the life of such a box.
const ROOT_DAYS: u32 = 20 * 365;
/// Days for which a source's certificate is valid. Servers of a hospital are looked after once in some years, and a certificate
/// can be ended here at any time.
const SOURCE_DAYS: u32 = 3 * 365;

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    name: String,
    /// PKCS #8, base64.
    key: String,
    /// DER, base64.
    certificate: String,
}

/// A certificate of a source, fresh from the authority.
pub(super) struct SourceCertificate {
    pub serial: String,
    pub until: Timestamp,
    /// PEM.
    pub certificate: String,
    /// PEM, PKCS #8.
    pub key: Secret,
}

impl Store {
    fn log_authority_kept(&self) -> Result<Option<Kept>, Fault> {
        let Some(bytes) = self.inner.keys.load_file(FILE)? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// The certificate (DER) of the authority for sources of logs, which is made when it is first needed. If it is lost, every
    /// source needs a new certificate; nothing else depends on it.
    pub(super) async fn log_authority(&self) -> Result<Vec<u8>, Fault> {
        if let Some(kept) = self.log_authority_kept()? {
            return STANDARD.decode(&kept.certificate).map_err(crypto);
        }
        let mut tx = self.write(&Actor::system()).await?;
        // Another one may have made it while this one waited.
        if let Some(kept) = self.log_authority_kept()? {
            return STANDARD.decode(&kept.certificate).map_err(crypto);
        }
        let name = format!("Sekisho log sources {}", hex::encode(random_bytes::<4>()?));
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut params = root_params(&name)?;
        params.not_before = moment(tx.now().minus(DAY));
        params.not_after = moment(tx.now().plus(DAY * ROOT_DAYS));
        params.serial_number = Some(serial()?.1);
        let der = params.self_signed(&pair).map_err(crypto)?.der().to_vec();
        let kept = Kept { name, key: STANDARD.encode(pair.serialized_der()), certificate: STANDARD.encode(&der) };
        self.inner.keys.keep_file(FILE, &Zeroizing::new(serde_json::to_vec(&kept)?))?;
        tx.fact(Fact::LogAuthority { root: Digest::of(&der).to_string() });
        tx.commit().await?;
        Ok(der)
    }

    /// A certificate for a source, with a key that is made here and kept nowhere.
    pub(super) fn certify_source(&self, source: &LogSourceId, now: Timestamp) -> Result<SourceCertificate, Fault> {
        let kept = self.log_authority_kept()?.ok_or_else(|| Fault::Folder(format!("keys/{FILE} is missing")))?;
        let der = Zeroizing::new(STANDARD.decode(&kept.key).map_err(crypto)?);
        let issuer = Issuer::new(root_params(&kept.name)?, KeyPair::try_from(der.as_slice()).map_err(crypto)?);
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let (serial, number) = serial()?;
        let until = Timestamp(now.plus(DAY * SOURCE_DAYS).0.div_euclid(1000) * 1000);
        let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
        params.not_before = moment(now.minus(DAY));
        params.not_after = moment(until);
        params.serial_number = Some(number);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, source.as_str());
        params.subject_alt_names = vec![SanType::URI(format!("{SOURCE_URN}{source}").try_into().map_err(crypto)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair, &issuer).map_err(crypto)?;
        Ok(SourceCertificate { serial, until, certificate: certificate.pem(), key: Secret::new(pair.serialize_pem()) })
    }
}

fn root_params(name: &str) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A serial number of 126 random bits: positive, and always of sixteen octets, so that it has one spelling.
fn serial() -> Result<(String, SerialNumber), Fault> {
    let mut bytes: [u8; 16] = random_bytes()?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok((hex::encode(bytes), SerialNumber::from_slice(&bytes)))
}
