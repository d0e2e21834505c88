//! What a password must be (guideline 14.1.1; FY Reiwa 7 checklist item 2-⑦; MHLW minimum measures of 2024-08).

use crate::limits;
use crate::policy::Policy;
use crate::refusal::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Words that attackers try first, in lower case and after [`plain`]; the ministry's own bad examples among them.
const DENIED: &[&str] = &[
    "administrator", "password", "passwd", "qwerty", "12345678", "123456789", "1234567890", "11111111", "00000000",
    "admin", "root", "letmein", "welcome", "iloveyou", "abc123", "1q2w3e4r", "1qaz2wsx", "qazwsx", "zaq12wsx", "asdfgh",
    "hospital", "clinic", "byouin", "byoin", "kango", "medical", "karte", "denshikarte", "sekisho", "maintenance", "hoshu",
    "changeme", "secret", "default", "guest", "test1234", "sakura", "nippon", "japan",
];

/// Rows and columns of a keyboard, and the orders that everybody knows. Runs along them count, in either direction.
const RUNS: &[&str] = &[
    "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp",
    "あいうえおかきくけこさしすせそたちつてとなにぬねの", "いろはにほへとちりぬるを",
];
/// Least length of such a run.
const RUN_CHARS: usize = 4;
/// What must be left of a password when a name, a word or a run in it is taken away.
const LEFT_CHARS: usize = 10;
/// What must be left when repetitions are counted once.
const ONCE_CHARS: usize = 8;

/// Which rules hold for passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasswordProfile {
    /// The hospital's own numbers, `password_min` and `password_symbols`; by default safer than both papers.
    #[default]
    Own,
    /// Version 7.0 (draft) of the guideline, 14.1.1: 8 with two factors, letters and digits, never a periodic change.
    Guideline,
    /// The checklist of fiscal year Reiwa 7, item 2-⑦: 8 with letters, digits and symbols.
    Checklist,
}

/// What a password must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRule {
    /// Least number of characters.
    pub least: usize,
    /// A symbol besides letters and digits.
    pub symbols: bool,
}

impl PasswordProfile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Own, Self::Guideline, Self::Checklist];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Guideline => "guideline",
            Self::Checklist => "checklist",
        }
    }

    /// Its rule, under a policy that holds the hospital's own numbers.
    #[must_use]
    pub fn rule(self, policy: &Policy) -> PasswordRule {
        match self {
            Self::Own => PasswordRule { least: policy.password_min, symbols: policy.password_symbols },
            Self::Guideline => PasswordRule { least: 8, symbols: false },
            Self::Checklist => PasswordRule { least: 8, symbols: true },
        }
    }
}

/// A paper that asks for something of passwords. The two contradict each other (domain.md section 1), so that each is
/// answered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paper {
    /// 7.0案: version 7.0 of the guideline, draft, 14⑥ and 14.1.1.
    Guideline7,
    /// R7チェックリスト: the checklist of fiscal year Reiwa 7, item 2-⑦.
    ChecklistR7,
}

impl Paper {
    /// Both papers.
    pub const ALL: [Self; 2] = [Self::Guideline7, Self::ChecklistR7];

    /// The name in keys of words and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guideline7 => "guideline7",
            Self::ChecklistR7 => "checklist_r7",
        }
    }

    /// What the paper asks for, by name, and whether a setting meets it. The name is a key of words.
    ///
    /// A login always asks for two factors of different kinds, and no periodic change is ever forced: that is how the
    /// program is made, and no setting changes it.
    #[must_use]
    pub fn points(self, policy: &Policy) -> Vec<(&'static str, bool)> {
        let rule = policy.password_rule();
        match self {
            Self::Guideline7 => vec![("two_factors", true), ("length_8", rule.least >= 8), ("letters_digits", true), ("no_periodic", true), ("guessable", true), ("reset_only", true)],
            Self::ChecklistR7 => vec![("length_8", rule.least >= 8), ("symbols", rule.symbols), ("periodic_not_needed", true), ("no_reuse", true)],
        }
    }

    /// Whether the setting meets the paper.
    #[must_use]
    pub fn is_met(self, policy: &Policy) -> bool {
        self.points(policy).into_iter().all(|(_, met)| met)
    }
}

/// Names that no password may rest on.
#[derive(Clone, Debug, Default)]
pub struct DeniedNames {
    /// The person's own: login, name, mail.
    pub own: Vec<String>,
    /// Of the facility, of all other persons and of all vendors.
    pub others: Vec<String>,
}

impl DeniedNames {
    /// Adds a name with its parts: `佐藤 健`, `sato.ken@example.jp`.
    pub fn add(list: &mut Vec<String>, name: &str) {
        let local = name.split('@').next().unwrap_or_default();
        list.push(local.to_owned());
        list.extend(local.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).map(str::to_owned));
    }
}

/// Checks a password that a person chose.
///
/// A denied word counts when little but the word is left: `Pa$$w0rd` with a year behind it is as weak as the word. Of the
/// names of others, those of fewer than four letters are passed over, because they are part of too many words.
///
/// # Errors
/// [`Refusal::PasswordTooShort`], [`Refusal::PasswordTooSimple`] or [`Refusal::PasswordGuessable`].
pub fn check_password(password: &str, names: &DeniedNames, policy: &Policy) -> Result<(), Refusal> {
    let length = password.chars().count();
    let rule = policy.password_rule();
    if length < rule.least {
        return Err(Refusal::PasswordTooShort { least: rule.least });
    }
    if length > limits::PASSWORD_CHARS || password.chars().any(char::is_control) {
        return Err(Refusal::bad_field("password"));
    }
    let letters = password.chars().any(char::is_alphabetic);
    let digits = password.chars().any(|c| c.is_ascii_digit());
    let symbols = password.chars().any(|c| !c.is_alphanumeric());
    if !(letters && digits) || (rule.symbols && !symbols) {
        return Err(Refusal::PasswordTooSimple);
    }
    let bare = plain(password);
    let rests_on = |word: &str, least: usize| {
        let word = plain(word);
        let least = if word.is_ascii() { least } else { 2 };
        word.chars().count() >= least && bare.contains(&word) && bare.replace(&word, "").chars().count() < LEFT_CHARS
    };
    let facility = policy.facility_names.iter().map(String::as_str);
    let own = facility.chain(names.own.iter().map(String::as_str)).any(|name| rests_on(name, 3));
    let others = names.others.iter().any(|name| rests_on(name, 4));
    let few_kinds = bare.chars().collect::<std::collections::BTreeSet<_>>().len() < 5;
    if few_kinds || own || others || DENIED.iter().any(|word| rests_on(word, 3)) || is_run(password) || is_repeated(password) {
        return Err(Refusal::PasswordGuessable);
    }
    Ok(())
}

fn letters_of(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// True if little is left when the runs along a keyboard or an alphabet are taken away.
fn is_run(password: &str) -> bool {
    let text = letters_of(password);
    let follows = |a: char, b: char, run: &[char]| run.windows(2).any(|pair| pair == [a, b]);
    let mut in_runs = vec![false; text.len()];
    for run in RUNS {
        let forth: Vec<char> = run.chars().collect();
        let back: Vec<char> = run.chars().rev().collect();
        for way in [&forth, &back] {
            let mut start = 0;
            for at in 1..=text.len() {
                let goes_on = matches!((text.get(at - 1), text.get(at)), (Some(a), Some(b)) if follows(*a, *b, way));
                if goes_on {
                    continue;
                }
                if at - start >= RUN_CHARS {
                    in_runs.iter_mut().take(at).skip(start).for_each(|held| *held = true);
                }
                start = at;
            }
        }
    }
    in_runs.contains(&true) && in_runs.iter().filter(|held| !**held).count() < LEFT_CHARS
}

/// True if little is left when what stands twice in a row is counted once.
fn is_repeated(password: &str) -> bool {
    let text = letters_of(password);
    let mut once = 0;
    let mut dropped = false;
    let mut at = 0;
    while at < text.len() {
        // The longest stretch that repeats the letters right before it, in units of any length.
        let skip = (1..=at).filter_map(|unit| {
            let mut copies = 0;
            while text.get(at - unit..at).is_some_and(|first| text.get(at + copies * unit..at + (copies + 1) * unit) == Some(first)) {
                copies += 1;
            }
            // One doubled letter or syllable is language, no pattern.
            let least = if unit <= 2 { 2 } else { 1 };
            (copies >= least).then_some(copies * unit)
        });
        match skip.max() {
            Some(skip) => {
                dropped = true;
                at += skip;
            }
            None => {
                once += 1;
                at += 1;
            }
        }
    }
    dropped && once < ONCE_CHARS
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
        let mut names = DeniedNames::default();
        for name in ["sato", "佐藤 健", "ken.sato@example.jp"] {
            DeniedNames::add(&mut names.own, name);
        }
        for name in ["takahashi", "高橋 由美", "北斗メディカル", "abe", "yumi-t@example.jp"] {
            DeniedNames::add(&mut names.others, name);
        }
        check_password(password, &names, &policy)
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
        let none = DeniedNames::default();
        let policy = Policy { password_min: 8, password_symbols: false, ..Policy::default() };
        assert_eq!(check_password("kT7mVq2", &none, &policy), Err(Refusal::PasswordTooShort { least: 8 }));
        assert_eq!(check_password("kT7mVq2p", &none, &policy), Ok(()));
    }

    #[test]
    fn the_two_papers_stand_side_by_side_as_profiles() {
        let none = DeniedNames::default();
        let with = |password_profile| Policy { password_profile, ..Policy::default() };
        let verdict = |profile, password: &str| check_password(password, &none, &with(profile));
        use PasswordProfile as P;
        assert_eq!(verdict(P::Guideline, "kT7mVq2p"), Ok(()));
        assert_eq!(verdict(P::Guideline, "kT7mVq2"), Err(Refusal::PasswordTooShort { least: 8 }));
        assert_eq!(verdict(P::Checklist, "kT7mVq2p"), Err(Refusal::PasswordTooSimple));
        assert_eq!(verdict(P::Checklist, "kT7mVq2#"), Ok(()));
        assert_eq!(verdict(P::Own, "kT7mVq2#"), Err(Refusal::PasswordTooShort { least: 13 }));
        let met = |policy: &Policy| Paper::ALL.map(|paper| paper.is_met(policy));
        assert_eq!(met(&with(P::Own)), [true, true], "what we ship meets both");
        assert_eq!(met(&with(P::Guideline)), [true, false], "the checklist asks for a symbol");
        assert_eq!(met(&with(P::Checklist)), [true, true]);
        assert_eq!(met(&Policy { password_symbols: false, ..Policy::default() }), [true, false]);
    }

    #[test]
    fn names_of_everybody_runs_and_repetitions_are_refused() {
        for bad in [
            "Takahashi#2026", "takahashi.7-xK", "北斗メディカル-2026!", "yumi-t#2026-7x", "ken.sato!77-2x", "Qwertyuiop-12", "asdfghjkl;-77", "7-lkjhgfdsa-7x", "1qaz2wsx3edc-", "abcdefgh-1234", "Kt7#Kt7#Kt7#K",
            "xk7-xk7-xk7-x", "hanahana7-hanahana", "あいうえおかきくけこ7-x!",
        ] {
            assert_eq!(verdict(bad), Err(Refusal::PasswordGuessable), "{bad}");
        }
        for good in ["Kt7#mVq2-pLz9", "labeled-7-Xq4mw", "mori-no-7-kuma-san!", "tsuki-no-michi-42!", "were-7-nuts-Abe-x9"] {
            assert_eq!(verdict(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_ministrys_bad_examples_are_refused_in_any_dress() {
        for bad in ["Pa$$w0rd-2026!", "Administrator1!", "12345678-12345678!a", "Qwerty!2026!!", "aoba-2026-aoba!1", "Sato!20261121", "aaaaaaa1111!!"] {
            assert!(matches!(verdict(bad), Err(Refusal::PasswordGuessable)), "{bad}: {:?}", verdict(bad));
        }
    }
}
