//! What a witness adds to a checkpoint (C2SP tlog-cosignature, `cosignature/v1`): that it saw this head of the log, at this
//! time, and never one that contradicts it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::checkpoint::{key_of, key_text, Checkpoint, CheckpointBreach, KeyBreach, Note, is_name};
use crate::digest::Digest;

/// Signature type byte of a timestamped Ed25519 cosignature in C2SP signed-note.
const ALGORITHM: u8 = 4;
/// Largest time that is believed, in seconds since 1970: the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// The key of a witness, with its name. Its secret is wiped from memory when it is dropped.
pub struct WitnessKey {
    key: ed25519_dalek::SigningKey,
    public: WitnessPublic,
}

impl WitnessKey {
    /// Makes a key from 32 secret bytes, which the caller draws from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyBreach::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyBreach> {
        let seed = Zeroizing::new(*seed);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public = WitnessPublic::new(name, key.verifying_key())?;
        Ok(Self { key, public })
    }

    /// The public half.
    pub fn public(&self) -> &WitnessPublic {
        &self.public
    }

    /// The signature line for a checkpoint, with its line feed. `second` is the time in seconds since 1970.
    ///
    /// # Errors
    /// If the text is no checkpoint.
    pub fn cosign(&self, text: &str, second: u64) -> Result<String, CheckpointBreach> {
        let note = Note::split(text)?;
        let signature = self.key.sign(message(note.body, second).as_bytes());
        let mut bytes = self.public.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&second.to_be_bytes());
        bytes.extend_from_slice(&signature.to_bytes());
        Ok(format!(
            "\u{2014} {} {}\n",
            self.public.name,
            BASE64.encode(bytes)
        ))
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.public.name)
    }
}

/// The public half of a [`WitnessKey`]. Its text form is `name+hash+base64` of 0x04 and the key.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessPublic {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl WitnessPublic {
    fn new(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyBreach> {
        if !is_name(name) {
            return Err(KeyBreach::Name);
        }
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'\n', ALGORITHM]);
        bytes.extend_from_slice(key.as_bytes());
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        Ok(Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([a, b, c, d]),
            key,
        })
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key hash, 8 hexadecimal digits: what its file in `log/cosigned` is called.
    pub fn id(&self) -> String {
        format!("{:08x}", self.id)
    }

    /// Checks the cosignature of this witness on a checkpoint, and gives the checkpoint and the time of the newest, in
    /// seconds since 1970. The log's own signature is not looked at.
    ///
    /// # Errors
    /// A [`CheckpointBreach`].
    pub fn open(&self, text: &str) -> Result<(Checkpoint, u64), CheckpointBreach> {
        let note = Note::split(text)?;
        let checkpoint = crate::checkpoint::unproved(text)?;
        let mut newest = None;
        for signature in note.of(&self.name, self.id) {
            let (second, signature) = signature
                .split_at_checked(8)
                .ok_or(CheckpointBreach::Signature)?;
            let second = second
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| CheckpointBreach::Signature)?;
            let signature = signature
                .try_into()
                .map_err(|_| CheckpointBreach::Signature)?;
            let signature = ed25519_dalek::Signature::from_bytes(signature);
            self.key
                .verify_strict(message(note.body, second).as_bytes(), &signature)
                .ok()
                .filter(|()| second <= LAST_SECOND)
                .ok_or(CheckpointBreach::Signature)?;
            newest = newest.max(Some(second));
        }
        newest
            .map(|second| (checkpoint, second))
            .ok_or(CheckpointBreach::NotSigned)
    }
}

fn message(body: &str, second: u64) -> String {
    format!("cosignature/v1\ntime {second}\n{body}")
}

impl fmt::Display for WitnessPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, self.id, ALGORITHM, &self.key))
    }
}

impl fmt::Debug for WitnessPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessPublic({self})")
    }
}

impl FromStr for WitnessPublic {
    type Err = KeyBreach;

    fn from_str(text: &str) -> Result<Self, KeyBreach> {
        let (name, hash, key) = key_of(text, ALGORITHM)?;
        let key = Self::new(name, key)?;
        if hash == key.id() {
            Ok(key)
        } else {
            Err(KeyBreach::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{SigningKey, open, sign};

    #[test]
    fn a_cosignature_binds_head_time_and_witness() {
        let log = SigningKey::from_seed("sekisho/kita", &[1; 32]).unwrap();
        let witness = WitnessKey::from_seed("witness.example", &[2; 32]).unwrap();
        let text = sign("sekisho/kita", 7, &Digest::of(b"x"), &log).unwrap();
        let cosigned = format!("{text}{}", witness.cosign(&text, 1_800_000_000).unwrap());
        let public: WitnessPublic = witness.public().to_string().parse().unwrap();
        let (checkpoint, second) = public.open(&cosigned).unwrap();
        assert_eq!((checkpoint.size, second), (7, 1_800_000_000));
        // The log's signature holds beside it, and the witness's is no log's.
        assert_eq!(open(&cosigned, log.public()).unwrap().size, 7);
        assert_eq!(public.open(&text), Err(CheckpointBreach::NotSigned));
        let other = WitnessKey::from_seed("witness.example", &[3; 32]).unwrap();
        assert_eq!(other.public().open(&cosigned), Err(CheckpointBreach::NotSigned));
        let moved = cosigned.replacen("\n7\n", "\n8\n", 1);
        assert_eq!(public.open(&moved), Err(CheckpointBreach::Signature));
        assert!(log.public().to_string().parse::<WitnessPublic>().is_err(), "a log's key is no witness's");
    }
}
