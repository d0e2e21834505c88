//! The seam between the outer door and the store: who is known by certificate, and how a device comes by one.
//!
//! A certificate shows a device and gives nobody a right: persons prove their factors behind the door as they do in front
//! of every other listener.

use crate::desk::Answer;
use crate::ids::DeviceId;
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::ssh_login::{LoginAsk, LoginIssued, LoginOffer};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// ALPN of the one exchange that needs no certificate: a code for a certificate.
pub const ALPN_ENROL: &[u8] = b"sekisho-enrol/1";
/// ALPN of the exchange of a certificate for its successor.
pub const ALPN_RENEW: &[u8] = b"sekisho-renew/1";
/// ALPN of a tunnel to the SSH gateway.
pub const ALPN_SSH: &[u8] = b"sekisho-ssh/1";

/// What the name of a device in its certificate begins with; its identifier follows.
pub const DEVICE_URN: &str = "urn:sekisho:device:";

/// Letters and digits of codes, without those that are taken for each other (Crockford's base 32).
pub const CODE_LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code by which its row is found. They are no secret.
pub const CODE_SELECTOR: usize = 4;
/// Letters of a code that are its secret: 40 bits, of which a few tries may be wrong.
pub const CODE_SECRET: usize = 8;
/// Letters of a code by which the device knows the server, before it says any of the others.
pub const CODE_CHECK: usize = 8;

/// What a person typed, apart.
#[derive(Clone, Debug)]
pub struct TypedCode {
    /// Selector and secret, which go to the server.
    pub ticket: Secret,
    /// The letters that stand for the server. They stay on the device.
    pub check: String,
}

impl TypedCode {
    /// Reads a code as people type it: with or without hyphens and spaces, small or capital, O for 0, I and L for 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = String::with_capacity(CODE_SELECTOR + CODE_SECRET + CODE_CHECK);
        for letter in text.chars().filter(|letter| !matches!(letter, '-' | ' ' | '\u{3000}')).take(CODE_SELECTOR + CODE_SECRET + CODE_CHECK + 1) {
            letters.push(plain(letter)?);
        }
        if letters.len() != CODE_SELECTOR + CODE_SECRET + CODE_CHECK {
            return None;
        }
        let (ticket, check) = letters.split_at_checked(CODE_SELECTOR + CODE_SECRET)?;
        Some(Self { ticket: Secret::new(ticket), check: check.to_owned() })
    }
}

fn plain(letter: char) -> Option<char> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    u8::try_from(letter).ok().filter(|byte| CODE_LETTERS.contains(byte)).map(char::from)
}

/// The letters of a code for these bytes, five bits each; a rest of fewer bits is left out.
#[must_use]
pub fn code_letters(bytes: &[u8], count: usize) -> String {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| (byte >> at) & 1));
    let bits: Vec<u8> = bits.take(count * 5).collect();
    let value = |five: &[u8]| five.iter().fold(0_usize, |value, bit| value * 2 + usize::from(*bit));
    bits.chunks_exact(5).filter_map(|five| CODE_LETTERS.get(value(five))).map(|byte| char::from(*byte)).collect()
}

/// A code in groups of four, as it is shown.
#[must_use]
pub fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// What the check letters of a code are the hash of: the ticket and the certificate of the server's own authority (DER).
///
/// The ticket is unknown to whoever stands between, and the device says it only after the check has held: so nobody can
/// look for a certificate that fits, and a guess succeeds once in 2^40.
#[must_use]
pub fn checked_bytes(ticket: &str, authority: &[u8]) -> Vec<u8> {
    let mut bytes = format!("sekisho-enrol/1\0{ticket}\0").into_bytes();
    bytes.extend_from_slice(authority);
    bytes
}

/// What a device asks for in exchange for a code, or for its present certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAsk {
    /// Selector and secret of the code; absent in a renewal.
    #[serde(default)]
    pub ticket: Option<Secret>,
    /// The request (PKCS #10, DER), base64. Its key alone counts; its wishes do not.
    pub request: String,
}

/// What a device is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateAnswer {
    /// The certificate, and what the device needs to use it.
    Issued(Box<Issued>),
    /// Why not, with the words for the person.
    Refused {
        /// `SKS-…`.
        code: String,
        /// In Japanese, with the next step.
        ja: String,
        /// In English.
        en: String,
    },
}

impl CertificateAnswer {
    /// The answer that tells a refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let words = refusal.words();
        Self::Refused { code: refusal.code().to_owned(), ja: format!("{} {}", words.ja, words.next_ja), en: format!("{} {}", words.en, words.next_en) }
    }
}

/// A certificate that was issued, and the surroundings in which it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The certificate, then those of its authority up to the root, not included; DER, base64.
    pub chain: Vec<String>,
    /// The device.
    pub device: DeviceId,
    /// Its name in the register.
    pub device_name: String,
    /// Name of the facility, for people.
    pub facility: String,
    /// Short name of the facility: the end of the names by which its targets are called.
    pub facility_id: String,
    /// First moment of the certificate.
    pub from: Timestamp,
    /// Its last.
    pub until: Timestamp,
    /// The host keys of the SSH gateway, OpenSSH lines.
    pub ssh_host_keys: Vec<String>,
}

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No certificate of this number was ever issued here.
    Unknown,
    /// It was revoked.
    Revoked,
    /// It is in force, for this device, until this moment.
    Good {
        /// For which device it was issued.
        device: DeviceId,
        /// When it ends; sooner than it says itself, if another one took its place.
        until: Timestamp,
    },
}

/// Why a certificate was not accepted. For the log alone: outside, all of them look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateFault {
    /// Longer than any of ours.
    TooLong,
    /// No certificate at all, or not of version 3.
    Malformed,
    /// Not signed by the authority for devices.
    Chain,
    /// It has not begun.
    NotYet,
    /// It has ended.
    Expired,
    /// It is the certificate of an authority, or does not say that it is none.
    Authority,
    /// Its key may do something else than sign.
    KeyUsage,
    /// Its extended use is not client authentication and nothing else.
    ExtendedUse,
    /// It does not name exactly one device, in our form, in the one place for it.
    Names,
    /// It holds something that none of ours holds.
    Extras,
    /// Its number was never issued.
    Unknown,
    /// Its number was issued for another device.
    OtherDevice,
    /// It was revoked.
    Revoked,
    /// The device that showed it has not its key.
    Signature,
}

impl CertificateFault {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::TooLong,
        Self::Malformed,
        Self::Chain,
        Self::NotYet,
        Self::Expired,
        Self::Authority,
        Self::KeyUsage,
        Self::ExtendedUse,
        Self::Names,
        Self::Extras,
        Self::Unknown,
        Self::OtherDevice,
        Self::Revoked,
        Self::Signature,
    ];

    /// The name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Chain => "chain",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::Authority => "authority",
            Self::KeyUsage => "key_usage",
            Self::ExtendedUse => "extended_use",
            Self::Names => "names",
            Self::Extras => "extras",
            Self::Unknown => "unknown",
            Self::OtherDevice => "other_device",
            Self::Revoked => "revoked",
            Self::Signature => "signature",
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A certificate that was not accepted, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// From where it was shown.
    pub source: IpAddr,
    /// Its serial number, if it could be read; small hexadecimal letters.
    pub serial: String,
    /// Why.
    pub fault: CertificateFault,
}

/// A login that waits for its person. Whoever drops it has given up.
pub struct PendingLogin {
    /// What the device shows.
    pub offer: LoginOffer,
    /// What it gets in the end.
    pub answer: Answer<'static, Result<LoginIssued, Refusal>>,
}

/// What the outer door may ask. Implemented by the store; every method writes down what it answers before it answers.
pub trait Porter: Send + Sync {
    /// The certificates (DER) of the authorities that sign certificates of devices.
    fn authorities(&self) -> Vec<Vec<u8>>;

    /// How a certificate stands. Answers from memory: it is asked within handshakes, and each second by every tunnel.
    fn standing(&self, serial: &str) -> Standing;

    /// Whether somebody from here may speak TLS 1.2, because a line that carries the address has an approved exception that has
    /// not run out. Answers from memory.
    fn admits_tls12(&self, source: IpAddr) -> bool;

    /// Whether such a line is one of the vendor of this device: asked after the handshake, when the device is known.
    fn admits_tls12_of<'a>(&'a self, source: IpAddr, device: &'a DeviceId) -> Answer<'a, bool>;

    /// A certificate for a code. Selector and secret of it are the `ticket`.
    fn enrol<'a>(&'a self, source: IpAddr, ticket: Secret, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>>;

    /// A certificate in the place of the one that this very connection was made with.
    fn renew<'a>(&'a self, source: IpAddr, serial: &'a str, request: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>>;

    /// A device asks for a login of its person.
    fn ask_login<'a>(&'a self, source: IpAddr, serial: &'a str, ask: LoginAsk) -> Answer<'a, Result<PendingLogin, Refusal>>;

    /// Writes down that a certificate was not accepted; of many such only the first, and how many there were.
    fn turned_away<'a>(&'a self, away: TurnedAway) -> Answer<'a, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = grouped(&code_letters(&[0b00001_000, 0b10000_110, 0b0100_0010, 0b1_00110_00, 0b111_01000, 9, 8, 7, 6, 5, 4, 3, 2], 20));
        assert_eq!(code.len(), 24, "{code}");
        let read = TypedCode::parse(&code).unwrap();
        assert_eq!(grouped(&format!("{}{}", read.ticket.expose(), read.check)), code);
        let sloppy = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        let again = TypedCode::parse(&sloppy).unwrap();
        assert_eq!((again.ticket.expose(), &again.check), (read.ticket.expose(), &read.check));
        for bad in ["", &code[1..], &format!("{code}A"), &code.replacen(|c: char| c.is_ascii_alphanumeric(), "U", 1), &code.replace('-', "/")] {
            assert!(TypedCode::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_check_depends_on_ticket_and_server() {
        assert_ne!(checked_bytes("AAAA", b"x"), checked_bytes("AAAB", b"x"));
        assert_ne!(checked_bytes("AAAA", b"x"), checked_bytes("AAAA", b"y"));
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = CertificateFault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(names.len(), CertificateFault::ALL.len());
    }
}
