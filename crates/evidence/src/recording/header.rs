//! The header of a recording.

use std::io::Read;

use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{DataKey, RecordingBreach};
use super::segment::read_full;
use crate::digest::{Digest, Hasher};
use crate::limits::{
    MAX_HEADER_BYTES, MAX_HEADER_NAME_BYTES, MAX_RECIPIENT_KEY_BYTES, MAX_RECIPIENTS,
    MAX_SESSION_ID_BYTES, MAX_WRAPPED_KEY_BYTES,
};

/// First bytes of every recording.
pub(super) const MAGIC: &[u8; 8] = b"SKREC\r\n\0";
/// Version of a header that does not say for whom its key is wrapped.
const SILENT: u16 = 1;
/// Version of a header that does. Nothing else differs.
const NAMED: u16 = 2;
/// Version of a header whose `wrapped_key` holds one of two shares of the data key. Nothing else differs.
const SHARED: u16 = 3;
/// What stands before a share in its digest.
const SHARE_DOMAIN: &[u8] = b"sekisho-second-share-v1";
/// Bytes before the JSON.
const FIXED: usize = 8 + 2 + 4;

/// What a recording says about itself in clear text. It carries no secret: the data key inside is wrapped for those who
/// may open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Id of the maintenance session; also the name of the file.
    pub session: String,
    /// Id of the work plan.
    pub plan: String,
    /// Id of the target.
    pub target: String,
    /// Id of the worker.
    pub person: String,
    /// Protocol, such as `ssh`.
    pub protocol: String,
    /// Start in milliseconds since 1970-01-01 UTC.
    pub started_at: i64,
    /// Origin of the log that has the session's entries.
    pub log_origin: String,
    /// The data key, wrapped; in version 3 one of its two shares. Opaque to this crate.
    #[serde(with = "base64_text")]
    pub wrapped_key: Vec<u8>,
    /// Everybody whose key opens `wrapped_key`, in version 2; in version 3, whoever is of the kind `second` opens the other share
    /// in its place. Empty in version 1, where it is the hospital alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Recipient>,
    /// The other share, in version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<SecondShare>,
}

/// The share of a data key that the holders of second keys alone can open. Both shares together, bit by bit in exclusive or, are
/// the data key; each of them alone says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondShare {
    /// The share, wrapped for each key of the kind `second`; opaque to this crate.
    #[serde(with = "base64_text")]
    pub wrapped_share: Vec<u8>,
    /// What [`SecondShare::digest_of`] gives for the share.
    pub share_digest: Digest,
}

impl SecondShare {
    /// The digest by which a share is known for the right one before it is used. The share has 256 random bits: who has the digest
    /// alone learns nothing that could be tried.
    #[must_use]
    pub fn digest_of(share: &[u8; 32]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(SHARE_DOMAIN);
        hasher.update(share);
        hasher.finish()
    }

    /// The data key of which this is one share and `first` the other; `None` if it is not the share that the header names.
    #[must_use]
    pub fn join(&self, first: &[u8; 32], share: &[u8; 32]) -> Option<DataKey> {
        (Self::digest_of(share) == self.share_digest).then(|| {
            let mut key = Zeroizing::new([0_u8; 32]);
            for (byte, (one, other)) in key.iter_mut().zip(first.iter().zip(share)) {
                *byte = one ^ other;
            }
            DataKey::from_bytes(*key)
        })
    }
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientKind {
    /// The box of the hospital.
    Hospital,
    /// An auditor, whose key is nowhere on the box.
    Auditor,
    /// A person who must agree: opens the other share, and nothing alone. The key is nowhere on the box.
    Second,
}

/// A key that opens a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Whose it is.
    pub kind: RecipientKind,
    /// What the hospital calls its holder.
    pub name: String,
    /// The public key of age, `age1` and so on.
    pub key: String,
}

impl Recipient {
    fn holds(&self) -> bool {
        self.name.len() <= MAX_HEADER_NAME_BYTES
            && !self.name.chars().any(char::is_control)
            && is_recipient_key(&self.key)
    }
}

/// Whether a text has the form of a public key of age (X25519). Whether it is a key, age alone says.
pub fn is_recipient_key(text: &str) -> bool {
    text.len() <= MAX_RECIPIENT_KEY_BYTES
        && text.strip_prefix("age1").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// Whether a text may be a session id: 1 to 64 of `A-Z a-z 0-9 _ -`. Only such a text becomes a file name.
pub fn is_session_id(text: &str) -> bool {
    (1..=MAX_SESSION_ID_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Header {
    fn holds(&self) -> bool {
        let names = [
            &self.plan,
            &self.target,
            &self.person,
            &self.protocol,
            &self.log_origin,
        ];
        is_session_id(&self.session)
            && names.iter().all(|name| {
                name.len() <= MAX_HEADER_NAME_BYTES && !name.chars().any(char::is_control)
            })
            && self.wrapped_key.len() <= MAX_WRAPPED_KEY_BYTES
            && self.second_holds()
            && self.recipients.len() <= MAX_RECIPIENTS
            && self.recipients.iter().enumerate().all(|(n, one)| {
                let mut before = self.recipients.iter().take(n);
                one.holds() && before.all(|other| other.key != one.key)
            })
    }

    /// There is another share exactly when somebody is named who opens it, and then the hospital is named, too.
    fn second_holds(&self) -> bool {
        let has = |kind| self.recipients.iter().any(|one| one.kind == kind);
        match &self.second {
            Some(second) => {
                !second.wrapped_share.is_empty()
                    && second.wrapped_share.len() <= MAX_WRAPPED_KEY_BYTES
                    && has(RecipientKind::Second)
                    && has(RecipientKind::Hospital)
            }
            None => !has(RecipientKind::Second),
        }
    }

    /// Version 1 has no recipients, version 2 has some, and in version 3 a second person has to agree.
    fn version(&self) -> u16 {
        if self.second.is_some() {
            SHARED
        } else if self.recipients.is_empty() {
            SILENT
        } else {
            NAMED
        }
    }

    /// The bytes with which the file begins.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, RecordingBreach> {
        if !self.holds() {
            return Err(RecordingBreach::Header);
        }
        let json = serde_json::to_vec(self).map_err(|_| RecordingBreach::Header)?;
        if json.len() > MAX_HEADER_BYTES {
            return Err(RecordingBreach::Header);
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.version().to_be_bytes());
        bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// Reads the header and gives it with H_0 and its length in bytes.
    pub(super) fn read(source: &mut dyn Read) -> Result<(Self, Digest, u64), RecordingBreach> {
        let mut fixed = [0_u8; FIXED];
        if read_full(source, &mut fixed)? != FIXED {
            return Err(RecordingBreach::HeaderTorn);
        }
        let rest = fixed.strip_prefix(MAGIC).and_then(|rest| {
            let of = |version: u16| rest.strip_prefix(&version.to_be_bytes());
            of(SILENT).or_else(|| of(NAMED)).or_else(|| of(SHARED))
        });
        let length = rest
            .and_then(|rest| rest.try_into().ok())
            .map(u32::from_be_bytes);
        let length = length.ok_or(RecordingBreach::NotARecording)? as usize;
        if length > MAX_HEADER_BYTES {
            return Err(RecordingBreach::Header);
        }
        let mut json = vec![0_u8; length];
        if read_full(source, &mut json)? != length {
            return Err(RecordingBreach::HeaderTorn);
        }
        let header: Self = serde_json::from_slice(&json).map_err(|_| RecordingBreach::Header)?;
        let mut bytes = fixed.to_vec();
        bytes.extend_from_slice(&json);
        // One spelling only, so that two readers cannot understand two things.
        if header.to_bytes()? != bytes {
            return Err(RecordingBreach::Header);
        }
        Ok((header, Digest::of(&bytes), bytes.len() as u64))
    }
}

mod base64_text {
    use base64::Engine as _;

    use super::{BASE64, Deserialize};

    pub(super) fn serialize<S: serde::Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map_err(serde::de::Error::custom)
    }
}
