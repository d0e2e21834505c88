//! An authority's answer, read as from an enemy: bounded, and nothing in it believed but what the certificate's chain bears.

use crate::MAX_ANSWER_BYTES;
use crate::asn1::{CONTENT_TYPE, MESSAGE_DIGEST, SHA_1, SHA_256, SHA_384, SHA_512, SIGNED_DATA, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, SigningCertificate, SigningCertificateV2, TST_INFO, TimeStampResp, TstInfo, millis_of};
use crate::certificate::{Anchors, issued, may_stamp, signed};
use crate::local::{LOCAL_NAME, LOCAL_POLICY};
use crate::query::Query;
use cms::cert::CertificateChoices;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode, Tag, Tagged as _};
use sha2::Digest as _;
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

/// Most certificates in one token.
const MAX_CERTIFICATES: usize = 16;
/// Longest text of others in a message of ours, in characters.
const WORDS: usize = 120;

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// It is longer than [`MAX_ANSWER_BYTES`].
    #[error("the answer is too large")]
    TooLarge,
    /// It is no answer of this form.
    #[error("the answer has another form: {0}")]
    Form(&'static str),
    /// The authority said no.
    #[error("the authority refused with status {0}: {1}")]
    Refused(u32, String),
    /// It stamps something else.
    #[error("the time stamp is of other bytes")]
    Imprint,
    /// It answers another question.
    #[error("the time stamp answers another question (nonce)")]
    Nonce,
    /// It was given under another policy.
    #[error("the time stamp was given under the policy {0}")]
    Policy(String),
    /// The signature does not hold.
    #[error("the signature of the time stamp does not hold")]
    Signature,
    /// No authority that is believed issued the certificate.
    #[error("no authority that is believed issued the certificate of the time stamp")]
    Unknown,
    /// The certificate had ended at the time that is looked at.
    #[error("the certificate of the time stamp had expired")]
    Expired,
    /// The certificate cannot be used.
    #[error("the certificate of the time stamp is not accepted: {0}")]
    Certificate(String),
}

/// A time stamp that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The time in it, in milliseconds since 1970.
    pub at_ms: i64,
    /// How far it may be off, in milliseconds, as the authority says.
    pub accuracy_ms: i64,
    /// The policy.
    pub policy: String,
    /// The name in the signer's certificate.
    pub authority: String,
    /// It was given by a box's own authority: it proves order, and no time of others.
    pub local: bool,
}

/// Reads an answer and checks all of it: status, signature, the certificate's use, its chain to `anchors` at the time in the
/// token, and that it answers this question.
///
/// # Errors
/// A [`Breach`].
pub fn open(answer: &[u8], query: &Query, anchors: &Anchors) -> Result<Token, Breach> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(Breach::TooLarge);
    }
    let answer = TimeStampResp::from_der(answer).map_err(|_| Breach::Form("it is no answer to a question for a time stamp"))?;
    if answer.status.status > 1 {
        let words: String = answer.status.status_string.unwrap_or_default().iter().map(|text| text.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Breach::Refused(answer.status.status, plain(&words)));
    }
    let token = answer.time_stamp_token.filter(|token| token.content_type == SIGNED_DATA).ok_or(Breach::Form("it has no token"))?;
    let data: SignedData = token.content.decode_as().map_err(|_| Breach::Form("the token is not signed data"))?;
    if data.encap_content_info.econtent_type != TST_INFO {
        return Err(Breach::Form("the token holds something else than a time stamp"));
    }
    let content: OctetString = data.encap_content_info.econtent.as_ref().and_then(|any| any.decode_as().ok()).ok_or(Breach::Form("the token is empty"))?;
    let info = TstInfo::from_der(content.as_bytes()).map_err(|_| Breach::Form("the time stamp"))?;
    let certificates: Vec<&Certificate> = data.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|one| if let CertificateChoices::Certificate(one) = one { Some(one) } else { None }).collect();
    if certificates.len() > MAX_CERTIFICATES {
        return Err(Breach::Form("too many certificates"));
    }
    let [signer] = data.signer_infos.0.as_slice() else { return Err(Breach::Form("a time stamp has one signer")) };
    let certificate = certificates.iter().find(|one| is_of(one, &signer.sid)).ok_or(Breach::Form("the signer's certificate is missing"))?;
    let der = certificate.to_der().map_err(|_| Breach::Form("the signer's certificate"))?;
    check_signature(signer, &der, content.as_bytes())?;
    may_stamp(certificate)?;

    let at_ms = Some(&info.gen_time).filter(|time| time.tag() == Tag::GeneralizedTime).and_then(|time| millis_of(time.value())).ok_or(Breach::Form("its time"))?;
    let others: Vec<CertificateDer<'static>> = certificates.iter().filter_map(|one| one.to_der().ok()).map(CertificateDer::from).collect();
    issued(&der, &others, anchors, u64::try_from(at_ms / 1000).unwrap_or(0))?;

    if info.version != 1 || info.message_imprint.hash_algorithm.oid != SHA_256 {
        return Err(Breach::Form("a time stamp of another version or hash"));
    }
    if info.message_imprint.hashed_message.as_bytes() != query.imprint.as_bytes() {
        return Err(Breach::Imprint);
    }
    if query.nonce.is_some() && query.nonce != info.nonce {
        return Err(Breach::Nonce);
    }
    if query.policy.is_some_and(|policy| policy != info.policy) {
        return Err(Breach::Policy(info.policy.to_string()));
    }
    let authority = plain(&certificate.tbs_certificate().subject().to_string());
    let local = info.policy.to_string() == LOCAL_POLICY || authority.contains(LOCAL_NAME);
    let accuracy_ms = info.accuracy.map_or(0, |one| i64::from(one.seconds.unwrap_or(0)) * 1000 + i64::from(one.millis.unwrap_or(0)) + i64::from(one.micros.unwrap_or(0) > 0));
    Ok(Token { at_ms, accuracy_ms, policy: info.policy.to_string(), authority, local })
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let own = certificate.tbs_certificate();
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => named.issuer == *own.issuer() && named.serial_number == *own.serial_number(),
        SignerIdentifier::SubjectKeyIdentifier(named) => matches!(own.get_extension::<SubjectKeyIdentifier>(), Ok(Some((_, found))) if found == *named),
    }
}

/// The signature is over the attributes; they name the content by its hash, and the certificate that signed (RFC 5652, 5.4;
/// RFC 3161, 2.4.2).
fn check_signature(signer: &SignerInfo, certificate: &[u8], content: &[u8]) -> Result<(), Breach> {
    let attributes = signer.signed_attrs.as_ref().ok_or(Breach::Form("it has no signed attributes"))?;
    let one = |oid: ObjectIdentifier| {
        let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
        match (found.next(), found.next()) {
            (Some(attribute), None) if attribute.values.len() == 1 => attribute.values.iter().next(),
            _ => None,
        }
    };
    let kind: ObjectIdentifier = one(CONTENT_TYPE).and_then(|any| any.decode_as().ok()).ok_or(Breach::Form("its kind is not signed"))?;
    let digest: OctetString = one(MESSAGE_DIGEST).and_then(|any| any.decode_as().ok()).ok_or(Breach::Form("its hash is not signed"))?;
    if kind != TST_INFO {
        return Err(Breach::Form("another kind is signed"));
    }
    if hash(signer.digest_alg.oid, content).as_deref() != Some(digest.as_bytes()) {
        return Err(Breach::Signature);
    }
    let named = if let Some(any) = one(SIGNING_CERTIFICATE_V2) {
        let named: SigningCertificateV2 = any.decode_as().map_err(|_| Breach::Form("the signer's certificate is not named"))?;
        named.certs.first().map(|first| (first.hash_algorithm.as_ref().map_or(SHA_256, |one| one.oid), first.cert_hash.clone()))
    } else {
        let any = one(SIGNING_CERTIFICATE).ok_or(Breach::Form("the signer's certificate is not named"))?;
        let named: SigningCertificate = any.decode_as().map_err(|_| Breach::Form("the signer's certificate is not named"))?;
        named.certs.first().map(|first| (SHA_1, first.cert_hash.clone()))
    };
    let is_named = named.is_some_and(|(algorithm, named)| hash_of_certificate(algorithm, certificate).as_deref() == Some(named.as_bytes()));
    if !is_named {
        return Err(Breach::Form("another certificate is named as the signer's"));
    }
    let message = attributes.to_der().map_err(|_| Breach::Form("the signed attributes"))?;
    signed(certificate, &signer.signature_algorithm.oid.to_string(), &signer.digest_alg.oid.to_string(), &message, signer.signature.as_bytes())
}

fn hash(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SHA_256 => Some(sha2::Sha256::digest(bytes).to_vec()),
        SHA_384 => Some(sha2::Sha384::digest(bytes).to_vec()),
        SHA_512 => Some(sha2::Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}

/// SHA-1 serves to find the certificate again among those of the token, as older authorities name it, and proves nothing.
fn hash_of_certificate(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    if algorithm == SHA_1 { Some(sha1::Sha1::digest(bytes).to_vec()) } else { hash(algorithm, bytes) }
}

/// Words of others: short, one line, nothing that moves a cursor or turns the direction of writing.
fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') { '\u{fffd}' } else { c };
    text.chars().take(WORDS).map(safe).collect()
}
