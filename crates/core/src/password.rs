//! What a password must be (guideline 14.1.1; FY Reiwa 7 checklist item 2-⑦; MHLW minimum measures of 2024-08).

use crate::limits;
use crate::policy::Policy;
use crate::refusal::Refusal;

/// Words that attackers try first, in lower case and after [`plain`]; the ministry's own bad examples among them.
const DENIED: &[&str] = &[
    "administrator", "password", "passwd", "qwerty", "12345678", "123456789", "1234567890", "11111111", "00000000",
    "admin", "root", "letmein", "welcome", "iloveyou", "abc123", "1q2w3e4r", "1qaz2wsx", "qazwsx", "zaq12wsx", "asdfgh",
    "hospital", "clinic", "byouin", "byoin", "kango", "medical", "karte", "denshikarte", "sekisho", "maintenance", "hoshu",
    "changeme", "secret", "default", "guest", "test1234", "sakura", "nippon", "japan",
];

/// Checks a password that a person chose.
///
/// `names` are the person's own login and name and the like. A denied word counts when little but the word is left:
/// `Pa$$w0rd` with a year behind it is as weak as the word.
///
/// # Errors
/// [`Refusal::PasswordTooShort`], [`Refusal::PasswordTooSimple`] or [`Refusal::PasswordGuessable`].
pub fn check_password(password: &str, names: &[&str], policy: &Policy) -> Result<(), Refusal> {
    let length = password.chars().count();
    if length < policy.password_min {
        return Err(Refusal::PasswordTooShort { least: policy.password_min });
    }
    if length > limits::PASSWORD_CHARS || password.chars().any(char::is_control) {
        return Err(Refusal::bad_field("password"));
    }
    let letters = password.chars().any(char::is_alphabetic);
    let digits = password.chars().any(|c| c.is_ascii_digit());
    let symbols = password.chars().any(|c| !c.is_alphanumeric());
    if !(letters && digits) || (policy.password_symbols && !symbols) {
        return Err(Refusal::PasswordTooSimple);
    }
    let bare = plain(password);
    let is_poor = |word: &str| {
        let word = plain(word);
        word.chars().count() >= 3 && bare.contains(&word) && bare.replace(&word, "").chars().count() < 10
    };
    let own = names.iter().copied().chain(policy.facility_names.iter().map(String::as_str));
    let few_kinds = bare.chars().collect::<std::collections::BTreeSet<_>>().len() < 5;
    if few_kinds || DENIED.iter().copied().any(is_poor) || own.into_iter().any(is_poor) {
        return Err(Refusal::PasswordGuessable);
    }
    Ok(())
}

/// Lower case, with the usual substitutions undone and everything but letters and digits dropped.
fn plain(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .map(|c| match c {
            '@' => 'a',
            '$' => 's',
            '!' => 'i',
            other => other,
        })
        .map(|c| if c == '0' { 'o' } else { c })
        .filter(|c| c.is_alphanumeric())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> Result<(), Refusal> {
        let policy = Policy { facility_names: vec!["Aoba".into(), "青葉病院".into()], ..Policy::default() };
        check_password(password, &["sato", "佐藤 健"], &policy)
    }

    #[test]
    fn length_and_composition() {
        assert_eq!(verdict("Kt7#mVq2-pLz"), Err(Refusal::PasswordTooShort { least: 13 }));
        assert_eq!(verdict("Kt7mVq2pLzwe8"), Err(Refusal::PasswordTooSimple));
        assert_eq!(verdict("Ktm#Vq-pLzwer"), Err(Refusal::PasswordTooSimple));
        assert_eq!(verdict("Kt7#mVq2-pLz9"), Ok(()));
        assert_eq!(verdict("橋の上で7羽の鳩が鳴いた!!"), Ok(()));
        assert!(verdict(&"aB3$".repeat(60)).is_err());
    }

    #[test]
    fn eight_characters_are_enough_only_where_the_hospital_chose_so() {
        let policy = Policy { password_min: 8, password_symbols: false, ..Policy::default() };
        assert_eq!(check_password("kT7mVq2", &[], &policy), Err(Refusal::PasswordTooShort { least: 8 }));
        assert_eq!(check_password("kT7mVq2p", &[], &policy), Ok(()));
    }

    #[test]
    fn the_ministrys_bad_examples_are_refused_in_any_dress() {
        for bad in ["Pa$$w0rd-2026!", "Administrator1!", "12345678-12345678!a", "Qwerty!2026!!", "aoba-2026-aoba!1", "Sato!20261121", "aaaaaaa1111!!"] {
            assert!(matches!(verdict(bad), Err(Refusal::PasswordGuessable)), "{bad}: {:?}", verdict(bad));
        }
    }
}
