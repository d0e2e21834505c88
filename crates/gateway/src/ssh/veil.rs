//! Hides known secrets in what a target draws, before it is recorded.
//!
//! A target that echoes on purpose, or by mistake, would put the account's new password into a recording that more people
//! may watch than may use the account.

use sekisho_core::secret::Secret;
use zeroize::Zeroizing;

/// What stands in a secret's place. Its length says nothing of the secret's.
const MASK: &[u8] = b"********";
/// The beginning of a secret that stands at the end of everything counts as the secret from this length on, in bytes.
const TELLING: usize = 4;

/// One stream of bytes without the secrets. What may be the beginning of one is kept back until more has come.
pub(super) struct Veil {
    secrets: Vec<Secret>,
    kept: Zeroizing<Vec<u8>>,
}

impl Veil {
    /// Longer secrets first, for one may begin with another.
    pub(super) fn over(secrets: &[Secret]) -> Self {
        let mut secrets: Vec<Secret> = secrets.iter().filter(|secret| !secret.expose().is_empty()).cloned().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets, kept: Zeroizing::default() }
    }

    /// What may be shown after these bytes have come.
    pub(super) fn shown(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.kept);
        all.extend_from_slice(bytes);
        let mut shown = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let whole = self.secrets.iter().find(|secret| rest.starts_with(secret.expose().as_bytes()));
            let begun = self.secrets.iter().any(|secret| secret.expose().len() > rest.len() && secret.expose().as_bytes().starts_with(rest));
            if begun {
                // A longer one may yet come, also where a shorter one is whole.
                self.kept = Zeroizing::new(rest.to_vec());
                break;
            }
            match whole {
                Some(secret) => {
                    shown.extend_from_slice(MASK);
                    rest = rest.get(secret.expose().len()..).unwrap_or_default();
                }
                None => {
                    shown.push(*first);
                    rest = after;
                }
            }
        }
        shown
    }

    /// What was kept back, when nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let kept = std::mem::take(&mut self.kept);
        let whole = self.secrets.iter().any(|secret| kept.starts_with(secret.expose().as_bytes()));
        if whole || kept.len() >= TELLING { MASK.to_vec() } else { kept.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(secrets: &[&str], reads: &[&str]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let mut veil = Veil::over(&secrets);
        let mut all: Vec<u8> = reads.iter().flat_map(|read| veil.shown(read.as_bytes())).collect();
        all.extend(veil.rest());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_however_it_is_cut() {
        assert_eq!(recorded(&["hunter2"], &["New password: hunter2\r\nhunter2!"]), "New password: ********\r\n********!");
        let text = "a hunter2 b";
        for cut in 0..text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(recorded(&["hunter2"], &[one, two]), "a ******** b", "{cut}");
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(recorded(&["hunter2"], &bytes.iter().map(String::as_str).collect::<Vec<_>>()), "a ******** b");
        assert_eq!(recorded(&["hunter2", "hunter2-new"], &["hunter2-new hunter2 hunt"]), "******** ******** ********");
        assert_eq!(recorded(&["aab"], &["aaab"]), "a********");
    }

    #[test]
    fn what_is_no_secret_is_recorded_to_the_byte() {
        assert_eq!(recorded(&["hunter2"], &["hun", "ting h"]), "hunting h");
        assert_eq!(recorded(&[""], &["passwd: done\n"]), "passwd: done\n");
        assert_eq!(recorded(&[], &["x"]), "x");
    }
}
