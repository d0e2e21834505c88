//! Decisive entries: those by which holds and times of keeping stand, recordings may be gone, and recordings of two persons open. A row of a database is written by
//! whoever holds the file, and a checkpoint signs whatever was there when it was made; so such an entry carries a signature of
//! its own by the log's key, and without it it says nothing.

use crate::checkpoint::{PublicKey, Signature, SignatureBreach, SigningKey, sign_bytes, verify_bytes};
use crate::rotation::Rotation;

/// The context of the signature.
pub const CONTEXT: &str = "keeping/v1";

/// Kinds of entries that carry it.
pub const KINDS: [&str; 19] = [
    "hold_placed",
    "hold_extended",
    "hold_lifted",
    "hold_ended",
    "retention_set",
    "retention_asked",
    "retention_declined",
    "deleting_asked",
    "deleting_resumed",
    "deleting_declined",
    "recording_deleted",
    "recording_set_aside",
    "attachment_deleted",
    "second_key_kept",
    "viewing_asked",
    "viewing_agreed",
    "viewing_declined",
    "viewing_withdrawn",
    "viewing_ended",
];

/// What stands between an entry and its signature.
const MARK: &[u8] = br#","signature":""#;
/// What stands behind it.
const END: &[u8] = br#""}"#;

/// Whether an entry of this kind counts only with a signature of its own.
#[must_use]
pub fn is_decisive(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Puts the signature into the bytes of an entry, as the last field of its object. It is over the bytes without that field; they
/// name the number of the entry, so that it holds at no other place.
///
/// # Errors
/// [`SignatureBreach`] for what is no object.
pub fn signed(key: &SigningKey, mut body: Vec<u8>) -> Result<Vec<u8>, SignatureBreach> {
    let signature = sign_bytes(key, CONTEXT, &body)?;
    if body.pop() != Some(b'}') {
        return Err(SignatureBreach);
    }
    body.extend_from_slice(MARK);
    body.extend_from_slice(signature.to_string().as_bytes());
    body.extend_from_slice(END);
    Ok(body)
}

/// A key of the log, and how long its signature counts. A backup holds keys that were laid down since: whoever finds one must not decide with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The key.
    pub key: PublicKey,
    /// Number of the first entry for which it no longer counts: the size of the head that it signed together with the key that follows it.
    pub until: u64,
}

/// How long each key of a log counts, the first key first. One before the last counts for nothing if no exchange tells when it was laid down.
#[must_use]
pub fn terms(keys: &[PublicKey], rotations: &[Rotation]) -> Vec<Term> {
    let laid_down = |key: &PublicKey| rotations.iter().find(|rotation| rotation.old == *key).map(|rotation| rotation.checkpoint.size);
    let term = |(place, key): (usize, &PublicKey)| Term { key: key.clone(), until: laid_down(key).unwrap_or(if place + 1 == keys.len() { u64::MAX } else { 0 }) };
    keys.iter().enumerate().map(term).collect()
}

/// The keys whose signature counts for an entry of this number, the newest first.
pub fn in_force(terms: &[Term], seq: u64) -> impl Iterator<Item = &PublicKey> {
    terms.iter().rev().filter(move |term| seq < term.until).map(|term| &term.key)
}

/// Whether a key that counts for an entry of this number signed it.
#[must_use]
pub fn is_signed(terms: &[Term], seq: u64, body: &[u8]) -> bool {
    // A signature is 88 letters of base64, none of which JSON would write otherwise.
    let Some(rest) = body.strip_suffix(END) else { return false };
    let Some((rest, text)) = rest.split_last_chunk::<88>() else { return false };
    let Some(entry) = rest.strip_suffix(MARK) else { return false };
    let Some(signature) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Signature>().ok()) else { return false };
    let said = [entry, b"}"].concat();
    in_force(terms, seq).any(|key| verify_bytes(key, CONTEXT, &said, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_over_every_byte_of_its_entry_and_nowhere_else() {
        let key = |name: &str, byte| SigningKey::from_seed(name, &[byte; 32]).unwrap();
        let (own, other) = (key("box", 1), key("box", 2));
        let term = |key: &SigningKey, until| Term { key: key.public().clone(), until };
        let keys = [term(&other, 3), term(&own, u64::MAX)];
        let body = br#"{"seq":7,"at":1,"kind":"hold_lifted","hold":"h"}"#;
        let whole = signed(&own, body.to_vec()).unwrap();
        assert!(is_signed(&keys, 7, &whole));
        assert!(!is_signed(&keys[..1], 7, &whole), "a key of another log");
        assert!(!is_signed(&keys, 7, body));
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert!(!is_signed(&keys, 7, &changed), "{place}");
        }
        assert!(signed(&own, Vec::new()).is_err());
        let former = signed(&other, body.to_vec()).unwrap();
        assert!(is_signed(&keys, 2, &former), "while it signed the log");
        assert!(!is_signed(&keys, 3, &former) && !is_signed(&keys, 7, &former), "a key that was laid down");
    }

    #[test]
    fn a_key_before_the_last_counts_until_it_was_laid_down_or_not_at_all() {
        let key = |byte| SigningKey::from_seed("box", &[byte; 32]).unwrap();
        let (one, two, three) = (key(1), key(2), key(3));
        let keys: Vec<PublicKey> = [&one, &two, &three].map(|key| key.public().clone()).to_vec();
        let note = crate::checkpoint::sign("box", 9, &crate::log::Tree::new().root(), &one).unwrap();
        let note = crate::checkpoint::sign_again(&note, &two).unwrap();
        let rotation = crate::rotation::read("5", &crate::rotation::text_of(5, &one, &two, &note).unwrap()).unwrap();
        let until: Vec<u64> = terms(&keys, &[rotation]).iter().map(|term| term.until).collect();
        assert_eq!(until, [9, 0, u64::MAX]);
    }
}
