//! Signing keys, signed checkpoints (C2SP tlog-checkpoint in a C2SP signed-note) and signatures over other bytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::limits::{
    MAX_CHECKPOINT_BYTES, MAX_CHECKPOINT_SIGNATURES, MAX_CONTEXT_BYTES, MAX_KEY_NAME_BYTES,
    MAX_LOG_ENTRIES,
};

/// Signature type byte of Ed25519 in C2SP signed-note.
const ALGORITHM_ED25519: u8 = 1;
/// First bytes of what [`sign_bytes`] signs. A signed note never contains a byte below 0x20 except the line feed, so no
/// such message can be taken for a checkpoint, nor the reverse.
const BYTES_DOMAIN: &[u8] = b"\0sekisho-signed-bytes-v1\0";

/// A key or a key's name is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyBreach {
    /// The name is empty, too long, or holds white space, a plus sign or a control character.
    #[error("a key name is short and holds no white space, plus sign or control character")]
    Name,
    /// The text is not `name+hash+base64`.
    #[error("a verifier key has the form name+hash+base64")]
    Form,
    /// The hash in the text does not belong to the key.
    #[error("the hash in the verifier key does not belong to it")]
    Hash,
    /// The algorithm is not Ed25519, or the bytes are no point of its curve.
    #[error("the verifier key is not an Ed25519 key")]
    Algorithm,
}

/// A checkpoint was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointBreach {
    /// Longer than a checkpoint may be.
    #[error("the checkpoint is too long")]
    TooLong,
    /// Not a signed note with a checkpoint inside, or with lines that Sekisho does not write.
    #[error("the text is not a checkpoint")]
    Form,
    /// No signature by this key.
    #[error("the checkpoint is not signed by the expected key")]
    NotSigned,
    /// The signature by this key is wrong.
    #[error("the signature of the checkpoint is wrong")]
    Signature,
}

/// An Ed25519 key with the name that stands beside its signatures, such as `sekisho/kita-hospital`. Its secret is wiped
/// from memory when it is dropped.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a key from 32 secret bytes, which the caller draws from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyBreach::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyBreach> {
        let seed = Zeroizing::new(*seed);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public = PublicKey::new(name, key.verifying_key())?;
        Ok(Self { key, public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.name)
    }
}

/// The public half of a [`SigningKey`]. Its text form is the C2SP verifier key `name+hash+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl PublicKey {
    fn new(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyBreach> {
        if !is_name(name) {
            return Err(KeyBreach::Name);
        }
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'\n', ALGORITHM_ED25519]);
        bytes.extend_from_slice(key.as_bytes());
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        Ok(Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([a, b, c, d]),
            key,
        })
    }

    /// Parses the C2SP verifier key `name+hash+base64`.
    ///
    /// # Errors
    /// A [`KeyBreach`].
    pub fn parse(text: &str) -> Result<Self, KeyBreach> {
        text.parse()
    }

    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key hash of C2SP signed-note.
    pub fn id(&self) -> u32 {
        self.id
    }
}

/// A verifier key as C2SP signed-note writes it: name, key hash, and algorithm with key.
pub(crate) fn key_text(name: &str, id: u32, algorithm: u8, key: &ed25519_dalek::VerifyingKey) -> String {
    let mut bytes = vec![algorithm];
    bytes.extend_from_slice(key.as_bytes());
    format!("{name}+{id:08x}+{}", BASE64.encode(bytes))
}

/// Reads what [`key_text`] writes: name, key hash as it stands there, and key. The hash is for the caller to compare.
pub(crate) fn key_of(text: &str, algorithm: u8) -> Result<(&str, &str, ed25519_dalek::VerifyingKey), KeyBreach> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyBreach::Form);
    };
    let bytes = BASE64.decode(bytes).map_err(|_| KeyBreach::Form)?;
    let Some((_, key)) = bytes.split_first().filter(|(first, _)| **first == algorithm) else {
        return Err(KeyBreach::Algorithm);
    };
    let key = key.try_into().map_err(|_| KeyBreach::Algorithm)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| KeyBreach::Algorithm)?;
    // A weak key would verify signatures that nobody made.
    if key.is_weak() {
        return Err(KeyBreach::Algorithm);
    }
    Ok((name, hash, key))
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, self.id, ALGORITHM_ED25519, &self.key))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyBreach;

    fn from_str(text: &str) -> Result<Self, KeyBreach> {
        let (name, hash, key) = key_of(text, ALGORITHM_ED25519)?;
        let key = Self::new(name, key)?;
        if hash != format!("{:08x}", key.id) {
            return Err(KeyBreach::Hash);
        }
        Ok(key)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A verified checkpoint: the whole log up to `size`, in one hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Digest,
}

impl Checkpoint {
    fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root.as_bytes())
        )
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if lines.next().is_some() || !is_origin(origin) {
            return None;
        }
        let size = size.parse().ok().filter(|size| *size <= MAX_LOG_ENTRIES)?;
        let root = Digest::from_slice(&BASE64.decode(root).ok()?)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size,
            root,
        };
        (checkpoint.body() == body).then_some(checkpoint)
    }
}

/// Signs the head of a log. The text has exactly the three lines of C2SP tlog-checkpoint and no extension lines.
///
/// # Errors
/// [`CheckpointBreach::Form`] if the origin is empty, too long or holds a control character, or the size is out of range.
pub fn sign(
    origin: &str,
    size: u64,
    root: &Digest,
    key: &SigningKey,
) -> Result<String, CheckpointBreach> {
    if !is_origin(origin) || size > MAX_LOG_ENTRIES {
        return Err(CheckpointBreach::Form);
    }
    let body = Checkpoint {
        origin: origin.to_owned(),
        size,
        root: *root,
    }
    .body();
    let signature = key.key.sign(body.as_bytes());
    let mut bytes = key.public.id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&signature.to_bytes());
    Ok(format!(
        "{body}\n\u{2014} {} {}\n",
        key.public.name,
        BASE64.encode(bytes)
    ))
}

/// Signs a checkpoint a second time, with another key, behind the signatures that it has: for the one that covers an
/// exchange of the key.
///
/// # Errors
/// If the text is no checkpoint.
pub fn sign_again(text: &str, key: &SigningKey) -> Result<String, CheckpointBreach> {
    let note = Note::split(text)?;
    let signature = key.key.sign(note.body.as_bytes());
    let mut bytes = key.public.id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&signature.to_bytes());
    Ok(format!(
        "{text}\u{2014} {} {}\n",
        key.public.name,
        BASE64.encode(bytes)
    ))
}

/// Reads what a checkpoint says, whoever signed it. It proves nothing: [`open`] does.
///
/// # Errors
/// If the text is no checkpoint.
pub fn unproved(text: &str) -> Result<Checkpoint, CheckpointBreach> {
    Checkpoint::parse(Note::split(text)?.body).ok_or(CheckpointBreach::Form)
}

/// Parses a signed checkpoint and checks the signature of `key`. Signatures of others (witnesses) may stand beside it.
///
/// # Errors
/// A [`CheckpointBreach`].
pub fn open(text: &str, key: &PublicKey) -> Result<Checkpoint, CheckpointBreach> {
    let note = Note::split(text)?;
    let checkpoint = Checkpoint::parse(note.body).ok_or(CheckpointBreach::Form)?;
    let mut signed = false;
    for signature in note.of(&key.name, key.id) {
        let signature = signature
            .try_into()
            .map_err(|_| CheckpointBreach::Signature)?;
        verify_strict(key, note.body.as_bytes(), &Signature(signature))
            .map_err(|_| CheckpointBreach::Signature)?;
        signed = true;
    }
    if signed {
        Ok(checkpoint)
    } else {
        Err(CheckpointBreach::NotSigned)
    }
}

/// The checkpoint with the signature of `key` alone: lines of others are under no signature, and whoever keeps them keeps what
/// anybody wrote.
///
/// # Errors
/// A [`CheckpointBreach`], like [`open`].
pub fn only(text: &str, key: &PublicKey) -> Result<String, CheckpointBreach> {
    open(text, key)?;
    let note = Note::split(text)?;
    let signature = note.of(&key.name, key.id).next().ok_or(CheckpointBreach::NotSigned)?;
    let bytes = [&key.id.to_be_bytes(), signature].concat();
    Ok(format!("{}\n\u{2014} {} {}\n", note.body, key.name, BASE64.encode(bytes)))
}

/// Signs a text of ours that is no checkpoint, as a C2SP signed note. No text of three lines is handed in: it could be one.
pub(crate) fn sign_note(body: &str, key: &SigningKey) -> String {
    let signature = key.key.sign(body.as_bytes());
    let bytes = [&key.public.id.to_be_bytes()[..], &signature.to_bytes()].concat();
    format!("{body}\n\u{2014} {} {}\n", key.public.name, BASE64.encode(bytes))
}

/// Whether a text is a note of at most so many bytes, and signed by this key.
pub(crate) fn note_signed_by(text: &str, key: &PublicKey, most: usize) -> bool {
    let Ok(note) = Note::split_if(text, most, |_| true) else { return false };
    let mut signatures = note.of(&key.name, key.id).peekable();
    signatures.peek().is_some() && signatures.all(|bytes| bytes.try_into().is_ok_and(|bytes| verify_strict(key, note.body.as_bytes(), &Signature(bytes)).is_ok()))
}

/// A signed note, taken apart.
pub(crate) struct Note<'a> {
    /// What is signed, with its last line feed.
    pub(crate) body: &'a str,
    /// Name, key hash and signature of each line.
    signatures: Vec<(&'a str, [u8; 4], Vec<u8>)>,
}

impl<'a> Note<'a> {
    pub(crate) fn split(text: &'a str) -> Result<Self, CheckpointBreach> {
        // A note whose body is no checkpoint is refused before its signatures are looked at.
        Self::split_if(text, MAX_CHECKPOINT_BYTES, |body| Checkpoint::parse(body).is_some())
    }

    fn split_if(text: &'a str, most: usize, is_body: impl FnOnce(&str) -> bool) -> Result<Self, CheckpointBreach> {
        if text.len() > most {
            return Err(CheckpointBreach::TooLong);
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(CheckpointBreach::Form);
        }
        let split = text.rfind("\n\n").ok_or(CheckpointBreach::Form)?;
        let (body, rest) = text.split_at(split + 1);
        if !is_body(body) {
            return Err(CheckpointBreach::Form);
        }
        let lines = rest
            .strip_prefix('\n')
            .and_then(|rest| rest.strip_suffix('\n'))
            .ok_or(CheckpointBreach::Form)?;
        let mut signatures = Vec::new();
        for (number, line) in lines.split('\n').enumerate() {
            if number >= MAX_CHECKPOINT_SIGNATURES {
                return Err(CheckpointBreach::TooLong);
            }
            let parts = line
                .strip_prefix("\u{2014} ")
                .and_then(|line| line.split_once(' '));
            let (name, signature) = parts.ok_or(CheckpointBreach::Form)?;
            let bytes = BASE64
                .decode(signature)
                .map_err(|_| CheckpointBreach::Form)?;
            let (id, signature) = bytes.split_at_checked(4).ok_or(CheckpointBreach::Form)?;
            let id = id.try_into().map_err(|_| CheckpointBreach::Form)?;
            signatures.push((name, id, signature.to_vec()));
        }
        Ok(Self { body, signatures })
    }

    /// The signatures that call themselves those of a key.
    pub(crate) fn of(&self, name: &str, id: u32) -> impl Iterator<Item = &[u8]> {
        let wanted = (name.to_owned(), id.to_be_bytes());
        self.signatures
            .iter()
            .filter(move |(name, id, _)| *name == wanted.0 && *id == wanted.1)
            .map(|(_, _, signature)| signature.as_slice())
    }
}

/// An Ed25519 signature; its text form is base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SignatureBreach;

    fn from_str(text: &str) -> Result<Self, SignatureBreach> {
        let bytes = if text.len() == 88 {
            BASE64.decode(text).ok()
        } else {
            None
        };
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(SignatureBreach)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The signature is malformed or does not belong to these bytes, this context and this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct SignatureBreach;

/// Signs bytes for one purpose, such as `approve/v1` over the hash of a plan. A signature for one context never holds in
/// another, nor as a checkpoint.
///
/// # Errors
/// [`SignatureBreach`] if the context is empty or longer than [`MAX_CONTEXT_BYTES`].
pub fn sign_bytes(
    key: &SigningKey,
    context: &str,
    bytes: &[u8],
) -> Result<Signature, SignatureBreach> {
    Ok(Signature(
        key.key.sign(&bytes_message(context, bytes)?).to_bytes(),
    ))
}

/// Checks a signature of [`sign_bytes`].
///
/// # Errors
/// [`SignatureBreach`] if it does not hold.
pub fn verify_bytes(
    key: &PublicKey,
    context: &str,
    bytes: &[u8],
    signature: &Signature,
) -> Result<(), SignatureBreach> {
    verify_strict(key, &bytes_message(context, bytes)?, signature)
}

fn bytes_message(context: &str, bytes: &[u8]) -> Result<Vec<u8>, SignatureBreach> {
    if context.is_empty() || context.len() > MAX_CONTEXT_BYTES {
        return Err(SignatureBreach);
    }
    let mut message = BYTES_DOMAIN.to_vec();
    message.extend_from_slice(&(context.len() as u16).to_be_bytes());
    message.extend_from_slice(context.as_bytes());
    message.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    message.extend_from_slice(bytes);
    Ok(message)
}

/// Strict verification refuses the second spelling of a signature and keys of small order.
fn verify_strict(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignatureBreach> {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.key
        .verify_strict(message, &signature)
        .map_err(|_| SignatureBreach)
}

pub(crate) fn is_name(name: &str) -> bool {
    is_origin(name) && !name.chars().any(|c| c.is_whitespace() || c == '+')
}

fn is_origin(origin: &str) -> bool {
    !origin.is_empty()
        && origin.len() <= MAX_KEY_NAME_BYTES
        && !origin.chars().any(char::is_control)
}
