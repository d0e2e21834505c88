//! Compression and encryption of one segment.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop};
use zstd::bulk::Compressor;

use super::RecordingBreach;
use crate::digest::Digest;
use crate::limits::MAX_SEGMENT_PLAIN_BYTES;

/// First 16 bytes of every nonce; the segment number follows in 8.
const NONCE_PREFIX: &[u8; 16] = b"sekisho-rec-v1\0\0";
/// Fastest ordinary level: a terminal compresses well at any level, and the worker waits for none of it.
const ZSTD_LEVEL: i32 = 1;

/// The 32 secret bytes that encrypt one recording, drawn fresh for it and used for nothing else. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// Takes 32 bytes of the operating system's randomness, or an unwrapped key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for wrapping.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// The number of a segment occurs once under a key, so the nonce is never used twice.
fn nonce(number: u64) -> XNonce {
    let mut nonce = [0_u8; 24];
    for (place, byte) in nonce
        .iter_mut()
        .zip(NONCE_PREFIX.iter().chain(&number.to_be_bytes()))
    {
        *place = *byte;
    }
    nonce.into()
}

fn associated(previous: &Digest, header: &[u8]) -> Vec<u8> {
    [previous.as_bytes().as_slice(), header].concat()
}

/// Compressors that are kept, for all sessions together: making one costs more than it takes to compress a screen, and
/// one for each session or thread would be memory that an idle box holds for nothing.
static COMPRESSORS: Mutex<Vec<Compressor<'static>>> = Mutex::new(Vec::new());
/// As many as can be at work at once on an ordinary box.
const COMPRESSORS_KEPT: usize = 4;

/// Compresses the frames of a segment.
pub(super) fn compress(plain: &[u8]) -> Result<Vec<u8>, RecordingBreach> {
    let all = || COMPRESSORS.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = all().pop();
    let mut compressor = match kept {
        Some(compressor) => compressor,
        None => Compressor::new(ZSTD_LEVEL).map_err(|_| RecordingBreach::Compression)?,
    };
    let packed = compressor
        .compress(plain)
        .map_err(|_| RecordingBreach::Compression);
    let mut all = all();
    if all.len() < COMPRESSORS_KEPT {
        all.push(compressor);
    }
    packed
}

/// Decompresses into at most `length` bytes, which the caller has checked against the limit.
pub(super) fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > MAX_SEGMENT_PLAIN_BYTES {
        return None;
    }
    zstd::bulk::decompress(packed, length)
        .ok()
        .filter(|plain| plain.len() == length)
}

/// Bytes that the cipher adds.
pub(super) const TAG_BYTES: usize = 16;

pub(super) fn encrypt(
    key: &DataKey,
    number: u64,
    previous: &Digest,
    header: &[u8],
    packed: &[u8],
) -> Result<Vec<u8>, RecordingBreach> {
    let aad = associated(previous, header);
    XChaCha20Poly1305::new(&key.0.into())
        .encrypt(
            &nonce(number),
            Payload {
                msg: packed,
                aad: &aad,
            },
        )
        .map_err(|_| RecordingBreach::Compression)
}

pub(super) fn decrypt(
    key: &DataKey,
    number: u64,
    previous: &Digest,
    header: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, RecordingBreach> {
    let aad = associated(previous, header);
    XChaCha20Poly1305::new(&key.0.into())
        .decrypt(
            &nonce(number),
            Payload {
                msg: body,
                aad: &aad,
            },
        )
        .map_err(|_| RecordingBreach::Key(number))
}
