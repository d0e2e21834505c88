//! An authority of our own, for networks that reach no other. Its stamps prove order: whoever has its key says what time it is.

use crate::asn1::{Accuracy, CONTENT_TYPE, EssCertIdV2, MESSAGE_DIGEST, MessageImprint, PkiStatusInfo, SIGNED_DATA, SIGNING_CERTIFICATE_V2, SigningCertificateV2, TST_INFO, TimeStampResp, TstInfo, time_of};
use crate::query::{Query, sha_256};
use crate::token::Breach;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{Int, ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Tag};
use sekisho_evidence::Digest;
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The policy under which a box stamps itself, below the root of numbers that anybody may draw (ITU-T X.667): a verifier knows
/// by it that the time is the box's own.
pub const LOCAL_POLICY: &str = "2.25.193271684";
/// What every certificate of such an authority has in its name, for the same reason.
pub const LOCAL_NAME: &str = "Sekisho local time stamps";
/// The content of its extendedKeyUsage (2.5.29.37, critical): time stamps and nothing else.
pub const EKU_CONTENT: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// What signs for the authority. Its key is ECDSA over P-256.
pub trait Signer {
    /// Its certificate, DER.
    fn certificate(&self) -> &[u8];

    /// Signs bytes by ECDSA with SHA-256; the signature is DER.
    ///
    /// # Errors
    /// In words.
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String>;
}

/// Answers a question at `at_ms` (milliseconds since 1970) with this serial number, which no other stamp has.
///
/// # Errors
/// The key does not sign, or the question asks for another policy.
pub fn answer(query: &Query, signer: &dyn Signer, at_ms: i64, serial: [u8; 16]) -> Result<Vec<u8>, Breach> {
    let policy = ObjectIdentifier::new(LOCAL_POLICY).map_err(|_| Breach::Form("the policy"))?;
    if query.policy.is_some_and(|asked| asked != policy) {
        return Err(Breach::Policy(LOCAL_POLICY.into()));
    }
    written(query, signer, at_ms, serial, policy).map_err(|fault| match fault {
        Fault::Der(_) => Breach::Form("the answer could not be written"),
        Fault::Key(_) => Breach::Signature,
    })
}

enum Fault {
    Der(#[allow(dead_code, reason = "the one who asks learns that it failed")] der::Error),
    Key(#[allow(dead_code, reason = "the one who asks learns that it failed")] String),
}

impl From<der::Error> for Fault {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

fn written(query: &Query, signer: &dyn Signer, at_ms: i64, mut serial: [u8; 16], policy: ObjectIdentifier) -> Result<Vec<u8>, Fault> {
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    let time = time_of(at_ms).unwrap_or_default();
    let info = TstInfo {
        version: 1,
        policy,
        message_imprint: MessageImprint { hash_algorithm: sha_256(), hashed_message: OctetString::new(query.imprint.as_bytes().as_slice())? },
        serial_number: Int::new(&serial)?,
        gen_time: Any::new(Tag::GeneralizedTime, time.into_bytes())?,
        accuracy: Some(Accuracy { seconds: Some(1), millis: None, micros: None }),
        ordering: true,
        nonce: query.nonce.clone(),
        tsa: None,
        extensions: None,
    };
    let content = info.to_der()?;
    let certificate = Certificate::from_der(signer.certificate())?;
    let named = SigningCertificateV2 {
        certs: vec![EssCertIdV2 { hash_algorithm: None, cert_hash: OctetString::new(Digest::of(signer.certificate()).as_bytes().as_slice())?, issuer_serial: None }],
        policies: None,
    };
    let attribute = |oid: ObjectIdentifier, value: Any| -> Result<Attribute, der::Error> { Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? }) };
    let attributes = SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, Any::encode_from(&TST_INFO)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(&OctetString::new(Digest::of(&content).as_bytes().as_slice())?)?)?,
        attribute(SIGNING_CERTIFICATE_V2, Any::encode_from(&named)?)?,
    ])?;
    let signature = signer.sign(&attributes.to_der()?).map_err(Fault::Key)?;
    let own = certificate.tbs_certificate();
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber { issuer: own.issuer().clone(), serial_number: own.serial_number().clone() }),
        digest_alg: sha_256(),
        signed_attrs: Some(attributes),
        signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let data = SignedData {
        version: CmsVersion::V3,
        digest_algorithms: SetOfVec::try_from(vec![sha_256()])?,
        encap_content_info: EncapsulatedContentInfo { econtent_type: TST_INFO, econtent: Some(Any::encode_from(&OctetString::new(content)?)?) },
        certificates: Some(CertificateSet(SetOfVec::try_from(vec![CertificateChoices::Certificate(certificate)])?)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
    };
    let token = ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&data)? };
    let status = PkiStatusInfo { status: 0, status_string: None, fail_info: None };
    Ok(TimeStampResp { status, time_stamp_token: Some(token) }.to_der()?)
}
