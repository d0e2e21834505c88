//! The header of a recording.

use std::io::Read;

use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::RecordingBreach;
use super::segment::read_full;
use crate::digest::Digest;
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
    /// The data key, wrapped; opaque to this crate.
    #[serde(with = "base64_text")]
    pub wrapped_key: Vec<u8>,
    /// Everybody whose key opens `wrapped_key`, in version 2. Empty in version 1, where it is the hospital alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Recipient>,
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientKind {
    /// The box of the hospital.
    Hospital,
    /// An auditor, whose key is nowhere on the box.
    Auditor,
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
            && self.recipients.len() <= MAX_RECIPIENTS
            && self.recipients.iter().enumerate().all(|(n, one)| {
                let mut before = self.recipients.iter().take(n);
                one.holds() && before.all(|other| other.key != one.key)
            })
    }

    /// Version 1 has no recipients and version 2 has some.
    fn version(&self) -> u16 {
        if self.recipients.is_empty() {
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
            of(SILENT).or_else(|| of(NAMED))
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
