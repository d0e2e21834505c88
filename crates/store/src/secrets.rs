//! Randomness, sealed column values and hashes of tokens.

use crate::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng as _;
use sekisho_core::ids;
use sekisho_core::secret::Secret;
use sekisho_evidence::Digest;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0_u8; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Fault::Crypto(format!("the operating system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// Identifiers that can be drawn.
pub(crate) trait Drawn {
    /// From ten random bytes.
    fn drawn(bytes: [u8; 10]) -> Self;
}

macro_rules! drawn {
    ($($name:ident),*) => {
        $(impl Drawn for ids::$name {
            fn drawn(bytes: [u8; 10]) -> Self {
                Self::from_random(bytes)
            }
        })*
    };
}

drawn!(LogReviewId, PeriodReportId, PersonId, VendorId, TargetId, AccountId, PlanId, SessionId, WebLoginId, AttachmentId, WorkerKeyId, KeyWindowId, LineId, LinkId, DeviceId, PasskeyId, IdentityCheckId, TokenId, ReviewId, DeviceCertificateId, DeviceCodeId, SshLoginId, ConnectId, ServiceId, EmergencyId, EmergencyUseId, MailId, LogSourceId, CaseId, LoginAllowId, LogImportId, AuditorKeyId, SecondKeyId, ViewingRequestId, HoldId, AlarmId);

/// A fresh identifier.
pub(crate) fn random_id<T: Drawn>() -> Result<T, Fault> {
    random_bytes().map(T::drawn)
}

/// A token of 256 random bits, base64url.
pub(crate) fn random_token() -> Result<Secret, Fault> {
    let bytes = Zeroizing::new(random_bytes::<32>()?);
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// What is kept of a token. The token has 256 random bits, so a plain hash cannot be guessed back.
pub(crate) fn token_hash(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

/// The place of a sealed value. It is bound into the seal, so that values cannot be exchanged between rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Table, or `file` for a file of the keys folder.
    pub table: &'static str,
    /// Primary key of the row, or the file's name.
    pub row: &'a str,
    /// Column.
    pub column: &'static str,
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        // Names of tables and columns are ours and hold no zero byte, so the joined form has one reading only.
        format!("sekisho-seal/v1\0{}\0{}\0{}", self.table, self.column, self.row).into_bytes()
    }
}

/// A value that is encrypted wherever it lies: nonce, ciphertext, tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed(Vec<u8>);

impl Sealed {
    /// As read from a column or file.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// True for a column in which nothing was ever sealed: a sealed value is at least its nonce and tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For a column or file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A key that seals values. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SealingKey([u8; 32]);

impl SealingKey {
    /// Takes 32 secret bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Encrypts `plain` for one place.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Sealed, Fault> {
        let nonce = random_bytes::<24>()?;
        let aad = place.bytes();
        let sealed = XChaCha20Poly1305::new(&self.0.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| Fault::Crypto("a value could not be sealed".into()))?;
        Ok(Sealed([nonce.as_slice(), &sealed].concat()))
    }

    /// A secret for one purpose that is not this key and does not lead back to it.
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        let text = Zeroizing::new([format!("sekisho-derive/v1\0{purpose}\0").as_bytes(), self.0.as_slice()].concat());
        Zeroizing::new(*Digest::of(&text).as_bytes())
    }

    /// Decrypts a value that was sealed for this very place.
    pub fn unseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let broken = || Fault::Crypto(format!("the sealed value at {}.{} of {} does not open", place.table, place.column, place.row));
        let (nonce, body) = sealed.0.split_at_checked(24).ok_or_else(broken)?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| broken())?;
        let plain = XChaCha20Poly1305::new(&self.0.into())
            .decrypt(&XNonce::from(nonce), Payload { msg: body, aad: &place.bytes() })
            .map_err(|_| broken())?;
        Ok(Zeroizing::new(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_only_at_their_place() {
        let key = SealingKey::from_bytes(random_bytes().unwrap());
        let here = Place { table: "accounts", row: "acc-1", column: "credential" };
        let sealed = key.seal(here, b"root password").unwrap();
        assert_eq!(key.unseal(here, &sealed).unwrap().as_slice(), b"root password");
        for elsewhere in [Place { row: "acc-2", ..here }, Place { column: "totp", ..here }, Place { table: "persons", ..here }] {
            assert!(key.unseal(elsewhere, &sealed).is_err());
        }
        let other = SealingKey::from_bytes(random_bytes().unwrap());
        assert!(other.unseal(here, &sealed).is_err());
        for cut in 0..sealed.0.len() {
            assert!(key.unseal(here, &Sealed(sealed.0[..cut].to_vec())).is_err());
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let key = SealingKey::from_bytes([7; 32]);
        let here = Place { table: "t", row: "r", column: "c" };
        assert_ne!(key.seal(here, b"x").unwrap(), key.seal(here, b"x").unwrap());
    }
}
