//! Which algorithms are spoken, the same on both legs. No SHA-1, no CBC, no compression.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use russh::{Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    // Announce strict key exchange (against CVE-2023-48795) and the signature algorithms.
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEd25519,
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256];

/// What is spoken with workers.
pub fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// What is spoken with a target whose keys are pinned: the kinds of the pinned keys first, so that a target with
/// several host keys shows the one that can be compared. The other kinds stay, so that a changed key is seen and
/// reported as such rather than as a failed negotiation.
pub fn preferred_for(pinned: &[PublicKey]) -> Preferred {
    let is_pinned = |kind: &Algorithm| pinned.iter().any(|key| same_kind(&key.algorithm(), kind));
    let (mut first, rest): (Vec<_>, Vec<_>) = KEYS.iter().cloned().partition(is_pinned);
    first.extend(rest);
    Preferred { key: Cow::Owned(first), ..preferred() }
}

/// What is spoken to see a target's key of one kind.
pub fn preferred_kind(kind: &[Algorithm]) -> Preferred {
    Preferred { key: Cow::Owned(kind.to_vec()), ..preferred() }
}

/// The kinds of host keys that are asked for one by one.
pub fn kinds() -> Vec<Vec<Algorithm>> {
    let mut kinds: Vec<Vec<Algorithm>> = Vec::new();
    for algorithm in KEYS.iter().filter(|kind| !matches!(kind, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)) {
        match kinds.iter_mut().find(|known| known.iter().any(|other| same_kind(other, algorithm))) {
            Some(known) => known.push(algorithm.clone()),
            None => kinds.push(vec![algorithm.clone()]),
        }
    }
    kinds
}

fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || one == other
}
