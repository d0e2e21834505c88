//! Which authorities are believed, and whether a certificate may stamp.

use crate::token::Breach;
use der::asn1::ObjectIdentifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};
use x509_cert::Certificate;
use x509_cert::ext::pkix::ExtendedKeyUsage;

/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8, as the bytes of its number.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
const TIME_STAMPING_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Most certificates of authorities in one file.
const MAX_ANCHORS: usize = 64;

/// Signatures of certificates that are accepted in a chain.
static CHAIN: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// Authorities that are believed.
#[derive(Clone, Debug)]
pub struct Anchors(Vec<TrustAnchor<'static>>);

impl Anchors {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// In words: there is none, or one cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let mut anchors = Vec::new();
        for one in CertificateDer::pem_slice_iter(pem).take(MAX_ANCHORS) {
            let one = one.map_err(|fault| format!("the certificates cannot be read: {fault}"))?;
            let anchor = webpki::anchor_from_trusted_cert(&one).map_err(|fault| format!("a certificate cannot be used: {fault}"))?;
            anchors.push(anchor.to_owned());
        }
        if anchors.is_empty() { Err("it holds no certificate in PEM".into()) } else { Ok(Self(anchors)) }
    }

    /// A certificate in DER.
    ///
    /// # Errors
    /// In words: it cannot be used.
    pub fn from_der(certificate: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from(certificate);
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|fault| format!("the certificate cannot be used: {fault}"))?;
        Ok(Self(vec![anchor.to_owned()]))
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// A certificate may stamp if that is all it is for, and critically so (RFC 3161, section 2.3).
pub(crate) fn may_stamp(certificate: &Certificate) -> Result<(), Breach> {
    let usage = certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>();
    match usage {
        Ok(Some((true, usage))) if usage.0 == [TIME_STAMPING_OID] => Ok(()),
        _ => Err(Breach::Certificate("it is not made for time stamps alone (extendedKeyUsage critical, timeStamping)".into())),
    }
}

/// Whether an authority that is believed issued this certificate, so that it held at `second`.
pub(crate) fn issued(certificate: &[u8], others: &[CertificateDer<'_>], anchors: &Anchors, second: u64) -> Result<(), Breach> {
    let der = CertificateDer::from(certificate);
    let entity = EndEntityCert::try_from(&der).map_err(|fault| Breach::Certificate(fault.to_string()))?;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
    // Those of the authorities above it need not name the usage.
    let usage = KeyUsage::required_if_present(TIME_STAMPING);
    match entity.verify_for_usage(CHAIN, &anchors.0, others, time, usage, None, None) {
        Ok(_) => Ok(()),
        // One of the same name and another key is another one.
        Err(webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey) => Err(Breach::Unknown),
        Err(webpki::Error::CertExpired { .. }) => Err(Breach::Expired),
        Err(fault) => Err(Breach::Certificate(fault.to_string())),
    }
}

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// Which signature it is, by the numbers of the key's algorithm or of the whole signature, and of the hash.
fn candidates(signature: &str, digest: &str) -> Vec<Algorithm> {
    const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
    const SHA_384: &str = "2.16.840.1.101.3.4.2.2";
    const SHA_512: &str = "2.16.840.1.101.3.4.2.3";
    match (signature, digest) {
        ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.11", SHA_256) => vec![algorithms::RSA_PKCS1_2048_8192_SHA256],
        ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.12", SHA_384) => vec![algorithms::RSA_PKCS1_2048_8192_SHA384],
        ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.13", SHA_512) => vec![algorithms::RSA_PKCS1_2048_8192_SHA512],
        ("1.2.840.113549.1.1.10", SHA_256) => vec![algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ("1.2.840.113549.1.1.10", SHA_384) => vec![algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ("1.2.840.113549.1.1.10", SHA_512) => vec![algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ("1.2.840.10045.4.3.2", SHA_256) => vec![algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256],
        ("1.2.840.10045.4.3.3", SHA_384) => vec![algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384],
        ("1.2.840.10045.4.3.4", SHA_512) => vec![algorithms::ECDSA_P521_SHA512],
        _ => Vec::new(),
    }
}

/// Checks a signature by the key of a certificate.
pub(crate) fn signed(certificate: &[u8], signature_algorithm: &str, digest: &str, message: &[u8], signature: &[u8]) -> Result<(), Breach> {
    let der = CertificateDer::from(certificate);
    let entity = EndEntityCert::try_from(&der).map_err(|fault| Breach::Certificate(fault.to_string()))?;
    let candidates = candidates(signature_algorithm, digest);
    if candidates.is_empty() {
        return Err(Breach::Form("a signature of a kind that is not accepted"));
    }
    if candidates.iter().any(|one| entity.verify_signature(*one, message, signature).is_ok()) { Ok(()) } else { Err(Breach::Signature) }
}
