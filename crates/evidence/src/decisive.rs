//! Decisive entries: those by which holds and times of keeping stand, recordings may be gone, and recordings of two persons open. A row of a database is written by
//! whoever holds the file, and a checkpoint signs whatever was there when it was made; so such an entry carries a signature of
//! its own by the log's key, and without it it says nothing.

use crate::checkpoint::{PublicKey, Signature, SignatureBreach, SigningKey, sign_bytes, verify_bytes};

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

/// Whether one of these keys signed the entry.
#[must_use]
pub fn is_signed(keys: &[PublicKey], body: &[u8]) -> bool {
    // A signature is 88 letters of base64, none of which JSON would write otherwise.
    let Some(rest) = body.strip_suffix(END) else { return false };
    let Some((rest, text)) = rest.split_last_chunk::<88>() else { return false };
    let Some(entry) = rest.strip_suffix(MARK) else { return false };
    let Some(signature) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Signature>().ok()) else { return false };
    let said = [entry, b"}"].concat();
    keys.iter().rev().any(|key| verify_bytes(key, CONTEXT, &said, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_over_every_byte_of_its_entry_and_nowhere_else() {
        let key = |name: &str, byte| SigningKey::from_seed(name, &[byte; 32]).unwrap();
        let (own, other) = (key("box", 1), key("box", 2));
        let keys = [other.public().clone(), own.public().clone()];
        let body = br#"{"seq":7,"at":1,"kind":"hold_lifted","hold":"h"}"#;
        let whole = signed(&own, body.to_vec()).unwrap();
        assert!(is_signed(&keys, &whole));
        assert!(!is_signed(&keys[..1], &whole), "a key of another log");
        assert!(!is_signed(&keys, body));
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert!(!is_signed(&keys, &changed), "{place}");
        }
        assert!(signed(&own, Vec::new()).is_err());
    }
}
