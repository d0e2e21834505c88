//! The private CA and the certificate that the web listener shows.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber};
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days for which the CA is valid: the life of such a box.
const CA_DAYS: u32 = 3650;
/// Days for which a certificate is valid; browsers accept at most 398.
const LEAF_DAYS: u32 = 200;
/// Days before its end at which a certificate is renewed.
const RENEW_DAYS: u32 = 30;
/// Most names in one certificate.
const HOSTS: usize = 20;

/// The private CA, as it lies sealed in the keys folder.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Ca {
    /// Common name; the issuer of every certificate, so it never changes.
    name: String,
    key: String,
    pem: String,
}

/// The certificate in use, as it lies sealed in the keys folder.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Leaf {
    hosts: Vec<String>,
    ends_at: i64,
    certificate: String,
    key: String,
}

/// A certificate chain and its key, both DER, for a TLS listener.
pub struct TlsCertificate {
    /// The certificate, then the CA.
    pub chain: Vec<Vec<u8>>,
    /// PKCS #8. Wiped when dropped.
    pub key: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Makes the private CA of a new box.
    pub(crate) fn create_ca(&self) -> Result<(), Fault> {
        let id: [u8; 4] = random_bytes()?;
        let name = format!("Sekisho CA {}", hex::encode(id));
        let pair = key_pair()?;
        let mut params = ca_params(&name, self.now())?;
        params.serial_number = Some(serial()?);
        let certificate = params.self_signed(&pair).map_err(crypto)?;
        let ca = Ca { name, key: STANDARD.encode(pair.serialized_der()), pem: certificate.pem() };
        self.inner.keys.keep_file("ca.key", &Zeroizing::new(serde_json::to_vec(&ca)?))?;
        let path = self.inner.settings.data_dir.join("ca.pem");
        crate::log::write_durably(&path, ca.pem.as_bytes(), 0o644, None)
    }

    fn ca(&self) -> Result<Ca, Fault> {
        let bytes = self.inner.keys.load_file("ca.key")?.ok_or_else(|| Fault::Folder("keys/ca.key is missing".into()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// The certificate of the private CA, PEM, for browsers to trust. A copy lies at `ca.pem` in the data folder.
    ///
    /// # Errors
    /// A fault if the key cannot be read.
    pub fn ca_certificate_pem(&self) -> Result<String, Fault> {
        Ok(self.ca()?.pem.clone())
    }

    /// A certificate for these names and addresses: the one in use, or a new one if the names changed or it ends soon.
    ///
    /// # Errors
    /// A fault if a name cannot stand in a certificate or the keys cannot be used.
    pub fn tls_certificate(&self, hosts: &[String]) -> Done<TlsCertificate> {
        if hosts.is_empty() || hosts.len() > HOSTS {
            return Err(Fault::Settings(format!("a certificate needs 1 to {HOSTS} names")).into());
        }
        let ca = self.ca()?;
        let kept = self.inner.keys.load_file("tls.key")?;
        let kept: Option<Leaf> = kept.map(|bytes| serde_json::from_slice(&bytes)).transpose()?;
        let fresh_until = self.now().plus(DAY * RENEW_DAYS).0;
        let leaf = match kept.filter(|leaf| leaf.hosts == hosts && leaf.ends_at > fresh_until) {
            Some(leaf) => leaf,
            None => self.issue(&ca, hosts)?,
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| Fault::Crypto("a kept certificate is malformed".into()));
        let issuer = pem_body(&ca.pem).ok_or_else(|| Fault::Crypto("the CA's certificate is malformed".into()))?;
        Ok(TlsCertificate { chain: vec![decode(&leaf.certificate)?, issuer], key: Zeroizing::new(decode(&leaf.key)?) })
    }

    /// The certificate of the private CA, DER: what a device knows this server by.
    pub(crate) fn ca_certificate_der(&self) -> Result<Vec<u8>, Fault> {
        pem_body(&self.ca()?.pem).ok_or_else(|| Fault::Crypto("the CA's certificate is malformed".into()))
    }

    fn issue(&self, ca: &Ca, hosts: &[String]) -> Result<Leaf, Fault> {
        let der = Zeroizing::new(STANDARD.decode(&ca.key).map_err(|_| Fault::Crypto("the CA's key is malformed".into()))?);
        let ca_pair = KeyPair::try_from(der.as_slice()).map_err(crypto)?;
        // The name and the key are all that the issuer gives to a certificate; its dates are not used.
        let issuer = Issuer::new(ca_params(&ca.name, self.now())?, ca_pair);
        let pair = key_pair()?;
        let mut params = CertificateParams::new(hosts.to_vec()).map_err(crypto)?;
        let ends_at = self.now().plus(DAY * LEAF_DAYS);
        params.not_before = moment(self.now().minus(DAY));
        params.not_after = moment(ends_at);
        params.serial_number = Some(serial()?);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Sekisho");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair, &issuer).map_err(crypto)?;
        let leaf = Leaf {
            hosts: hosts.to_vec(),
            ends_at: ends_at.0,
            certificate: STANDARD.encode(certificate.der()),
            key: STANDARD.encode(pair.serialized_der()),
        };
        self.inner.keys.keep_file("tls.key", &Zeroizing::new(serde_json::to_vec(&leaf)?))?;
        Ok(leaf)
    }
}

fn ca_params(name: &str, now: Timestamp) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
    params.not_before = moment(now.minus(DAY));
    params.not_after = moment(now.plus(DAY * CA_DAYS));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn key_pair() -> Result<KeyPair, Fault> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)
}

fn serial() -> Result<SerialNumber, Fault> {
    let mut bytes: [u8; 16] = random_bytes()?;
    // A serial number is a positive integer.
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

pub(crate) fn moment(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn pem_body(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).ok()
}

pub(crate) fn crypto(error: impl std::fmt::Display) -> Fault {
    Fault::Crypto(format!("a certificate could not be made: {error}"))
}
