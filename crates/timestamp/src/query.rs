//! The question to an authority (RFC 3161, section 2.4.1).

use crate::asn1::{MessageImprint, SHA_256, TimeStampReq};
use crate::token::Breach;
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use sekisho_evidence::Digest;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// A question: which bytes, and what the answer must repeat.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) imprint: Digest,
    pub(crate) nonce: Option<Int>,
    pub(crate) policy: Option<ObjectIdentifier>,
}

/// The policy that a text such as `1.2.3.4` names.
#[must_use]
pub fn policy_of(text: &str) -> Option<ObjectIdentifier> {
    ObjectIdentifier::new(text).ok()
}

pub(crate) fn sha_256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: SHA_256, parameters: Some(der::Any::null()) }
}

impl Query {
    /// A question about these bytes. The nonce comes from the operating system's randomness; under a policy, no other is taken.
    ///
    /// # Errors
    /// Never with these lengths; a nonce that cannot be written.
    pub fn new(data: &[u8], nonce: [u8; 16], policy: Option<ObjectIdentifier>) -> Result<Self, Breach> {
        let mut nonce = nonce;
        // A positive number of always the same length.
        if let Some(first) = nonce.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        let nonce = Int::new(&nonce).map_err(|_| Breach::Form("the nonce"))?;
        Ok(Self { imprint: Digest::of(data), nonce: Some(nonce), policy })
    }

    /// A look at a token that was taken before: nobody remembers its nonce.
    #[must_use]
    pub fn again(data: &[u8]) -> Self {
        Self { imprint: Digest::of(data), nonce: None, policy: None }
    }

    /// The bytes that go to the authority (`application/timestamp-query`). It is asked for its certificates.
    ///
    /// # Errors
    /// Never with these lengths.
    pub fn to_der(&self) -> Result<Vec<u8>, Breach> {
        let form = |_| Breach::Form("the question");
        let request = TimeStampReq {
            version: 1,
            message_imprint: MessageImprint { hash_algorithm: sha_256(), hashed_message: OctetString::new(self.imprint.as_bytes().as_slice()).map_err(form)? },
            req_policy: self.policy,
            nonce: self.nonce.clone(),
            cert_req: true,
            extensions: None,
        };
        request.to_der().map_err(form)
    }

    /// Reads a question, as an authority does.
    ///
    /// # Errors
    /// It is none, or of another hash than SHA-256.
    pub fn from_der(bytes: &[u8]) -> Result<Self, Breach> {
        let request = TimeStampReq::from_der(bytes).map_err(|_| Breach::Form("the question"))?;
        let imprint = Digest::from_slice(request.message_imprint.hashed_message.as_bytes()).filter(|_| request.message_imprint.hash_algorithm.oid == SHA_256);
        let imprint = imprint.filter(|_| request.version == 1 && request.extensions.is_none()).ok_or(Breach::Form("the question"))?;
        Ok(Self { imprint, nonce: request.nonce, policy: request.req_policy })
    }
}
