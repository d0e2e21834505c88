//! What is in the envelopes: drawn by the box, printed once, kept as salted hashes under the seal.
//!
//! A password has 100 random bits and a code 50 behind it, so a plain hash cannot be guessed back; and no count of failures
//! by name is needed, with which a stranger could keep the account shut in the very hour in which it is needed.

use crate::Store;
use crate::fault::Fault;
use crate::logins::{draw_letters, spelled_as};
use crate::secrets::{Place, Sealed, random_bytes};
use sekisho_core::emergency::Half;
use sekisho_core::ids::EmergencyId;
use sekisho_core::limits;
use sekisho_core::secret::Secret;
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};

/// Letters of the password.
const PASSWORD_CHARS: usize = 20;
/// Letters of one code.
const CODE_CHARS: usize = 10;

/// The hashes of one envelope.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    salt: String,
    hashes: Vec<String>,
}

fn chars(half: Half) -> usize {
    match half {
        Half::Password => PASSWORD_CHARS,
        Half::Card => CODE_CHARS,
    }
}

fn hash(salt: &str, code: &str) -> String {
    Digest::of(format!("{salt}:{code}").as_bytes()).to_string()
}

fn place(row: &str, half: Half) -> Place<'_> {
    Place { table: "emergency_accounts", row, column: half.as_str() }
}

/// The seal is for one envelope: what was in an earlier one cannot be put back.
fn bound(account: &EmergencyId, number: &str) -> String {
    serde_json::json!([account, number]).to_string()
}

impl Kept {
    /// The place of what was typed among those that are kept, unless it is spent.
    pub fn at(&self, half: Half, typed: &Secret, spent: u32) -> Option<u32> {
        let wanted = hash(&self.salt, &spelled_as(typed.expose(), chars(half))?);
        let found = (0_u32..).zip(&self.hashes).find(|(_, kept)| **kept == wanted).map(|(at, _)| at)?;
        let is_spent = half == Half::Card && spent & 1_u32.checked_shl(found)? != 0;
        (!is_spent).then_some(found)
    }
}

impl Store {
    /// Draws what goes into an envelope: as it is printed, and as it is kept.
    pub(super) fn draw_half(&self, account: &EmergencyId, number: &str, half: Half) -> Result<(Vec<Secret>, Sealed), Fault> {
        let many = if half == Half::Card { limits::EMERGENCY_CODES } else { 1 };
        let salt = hex::encode(random_bytes::<16>()?);
        let mut kept = Kept { salt, hashes: Vec::with_capacity(many) };
        let mut printed = Vec::with_capacity(many);
        for _ in 0..many {
            let letters = draw_letters(chars(half))?;
            kept.hashes.push(hash(&kept.salt, &letters));
            let groups: Vec<&str> = letters.as_bytes().chunks(5).filter_map(|group| std::str::from_utf8(group).ok()).collect();
            printed.push(Secret::new(groups.join("-")));
        }
        let sealed = self.inner.keys.seal(place(&bound(account, number), half), &serde_json::to_vec(&kept)?)?;
        Ok((printed, sealed))
    }

    /// What is kept of an envelope.
    pub(crate) fn kept_half(&self, account: &EmergencyId, number: &str, half: Half, sealed: Vec<u8>) -> Result<Kept, Fault> {
        let plain = self.inner.keys.unseal(place(&bound(account, number), half), &Sealed::from_bytes(sealed))?;
        Ok(serde_json::from_slice(&plain)?)
    }
}
