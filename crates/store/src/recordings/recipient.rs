//! Public keys of age that others hand in: which of them can close anything, and closing for them.
//!
//! Age takes every 32 bytes for a key. A point of low order has no private half and makes age give up in the middle; a number that is
//! not in its shortest form is another key's second spelling, which no comparison of texts would find.

use crate::fault::Fault;
use crate::keys::wrap_for;
use sekisho_evidence::recording::{Recipient, RecipientKind, is_recipient_key};
use std::panic::catch_unwind;

/// The letters of bech32, each at the place of its five bits.
const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The number 2^255 - 19, below which a coordinate is in its shortest form. Its last byte is the highest.
const FIELD: [u8; 32] = {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xed, 0x7f);
    bytes
};
/// Coordinates of low order in their shortest form: what is agreed with one of them is zero, whoever agrees. Source: RFC 7748, section
/// 6.1, and the list at <https://cr.yp.to/ecdh.html#validate>, whose other entries are not in their shortest form.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut last = FIELD;
        last[0] = 0xec;
        last
    },
];

/// The coordinate in the text of a key that age wrote itself.
fn coordinate(text: &str) -> Option<[u8; 32]> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::with_capacity(32));
    for letter in text.strip_prefix("age1")?.bytes().take(52) {
        let five = LETTERS.iter().position(|one| *one == letter)?;
        bits = (bits << 5 | u32::try_from(five).ok()?) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    bytes.try_into().ok()
}

/// Whether something can be closed for a key, and this text is the only one by which the key goes.
pub(crate) fn is_key(text: &str) -> bool {
    // Only a key of this kind has a private half that one person alone can hold: others are a script or a shared secret.
    let read = is_recipient_key(text).then(|| text.parse::<age::x25519::Recipient>().ok()).flatten();
    if read.is_none_or(|key| key.to_string() != text) {
        return false;
    }
    let Some(number) = coordinate(text) else { return false };
    let shortest = number.iter().rev().lt(FIELD.iter().rev());
    shortest && !LOW_ORDER.contains(&number) && closes_for(text).is_ok()
}

/// Closes for these keys as [`wrap_for`] does. A key with which age gives up is a fault here and ends nobody's work.
pub(crate) fn close_for(recipients: &[Recipient], key: &[u8; 32]) -> Result<Vec<u8>, Fault> {
    // Nothing is left half done behind a panic: what was begun is a vector of its own.
    catch_unwind(|| wrap_for(recipients, key)).unwrap_or_else(|_| Err(Fault::Crypto("a key of age cannot be used: nothing can be closed for it".into())))
}

/// Whether anything can be closed for a key.
pub(crate) fn closes_for(text: &str) -> Result<(), Fault> {
    let one = Recipient { kind: RecipientKind::Auditor, name: String::new(), key: text.to_owned() };
    close_for(&[one], &[0; 32]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::new_auditor_key;

    /// The text of a key with this coordinate, as age writes it.
    fn text_of(number: &[u8; 32]) -> String {
        fn step(sum: u32, five: u32) -> u32 {
            let top = sum >> 25;
            let made = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
            made.iter().enumerate().fold((sum & 0x01ff_ffff) << 5 ^ five, |sum, (n, part)| if top >> n & 1 == 1 { sum ^ part } else { sum })
        }
        let bits: Vec<u32> = number.iter().flat_map(|byte| (0..8).rev().map(move |n| u32::from(byte >> n & 1))).chain([0; 4]).collect();
        let fives: Vec<u32> = bits.chunks(5).map(|five| five.iter().fold(0, |sum, bit| sum << 1 | bit)).collect();
        let name = b"age".iter().map(|b| u32::from(b >> 5)).chain([0]).chain(b"age".iter().map(|b| u32::from(b & 31)));
        let sum = name.chain(fives.iter().copied()).chain([0; 6]).fold(1, step) ^ 1;
        let check = (0..6).map(|n| sum >> (5 * (5 - n)) & 31);
        let letters = fives.iter().copied().chain(check).map(|five| char::from(LETTERS[five as usize]));
        format!("age1{}", letters.collect::<String>())
    }

    #[test]
    fn a_key_for_which_nothing_can_be_closed_or_that_has_a_second_spelling_is_none() {
        let good = new_auditor_key("2026").public;
        assert!(is_key(&good));
        let number = coordinate(&good).unwrap();
        assert_eq!(text_of(&number), good);
        for low in LOW_ORDER {
            let text = text_of(&low);
            assert!(text.parse::<age::x25519::Recipient>().is_ok(), "age takes it: {text}");
            assert!(closes_for(&text).is_err(), "and closes nothing for it: {text}");
            assert!(!is_key(&text), "{text}");
        }
        // The same keys with the highest bit set, and what is not below the number of the field.
        let mut spelled = number;
        spelled[31] |= 0x80;
        let above = |byte| {
            let mut above = FIELD;
            above[0] = byte;
            above
        };
        for other in [spelled, FIELD, above(0xee), above(0xf0), [0xff; 32]] {
            let text = text_of(&other);
            assert!(text.parse::<age::x25519::Recipient>().is_ok() && !is_key(&text), "{text}");
        }
        for text in ["age1", "age1q", &good.to_uppercase(), &format!("{good}q"), &good.replace("age1", "age2"), ""] {
            assert!(!is_key(text), "{text}");
        }
    }
}
