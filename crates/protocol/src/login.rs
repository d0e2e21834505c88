//! The name that a worker's SSH client sends: `WORKER+TARGET`, or `WORKER+TARGET+PLAN`.

use crate::limits;

/// The parts of a login name. They are claims: nothing is proved by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginName {
    /// The worker's login name, in lower case as it is stored.
    pub worker: String,
    /// The target's name.
    pub target: String,
    /// The number of the plan, when the worker has several open ones.
    pub plan: Option<u32>,
}

/// Why a login name says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFault {
    /// Longer than any name can be.
    TooLong,
    /// Not two or three parts with `+` between them.
    Parts,
    /// The worker's part holds something else than `a-z 0-9 . _ -`, or does not begin with a letter or digit.
    Worker,
    /// The target's part, likewise.
    Target,
    /// The plan's part is no number from 1 to 999,999,999 without leading zeros.
    Plan,
}

/// Takes a login name apart. Nothing is trimmed, folded or guessed: two spellings are never one name.
///
/// # Errors
/// [`LoginFault`] says which part is wrong; a refused login shows it to nobody who has not proved who they are.
pub fn parse(name: &str) -> Result<LoginName, LoginFault> {
    if name.len() > limits::LOGIN_BYTES {
        return Err(LoginFault::TooLong);
    }
    let mut parts = name.split('+');
    let (Some(worker), Some(target)) = (parts.next(), parts.next()) else { return Err(LoginFault::Parts) };
    let plan = parts.next();
    if parts.next().is_some() {
        return Err(LoginFault::Parts);
    }
    if !is_name(worker) {
        return Err(LoginFault::Worker);
    }
    if !is_name(target) {
        return Err(LoginFault::Target);
    }
    let plan = plan.map(number).transpose()?;
    Ok(LoginName { worker: worker.to_owned(), target: target.to_owned(), plan })
}

fn is_name(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.len() <= limits::LOGIN_PART_BYTES
        && part.bytes().next().is_some_and(plain)
        && part.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn number(part: &str) -> Result<u32, LoginFault> {
    let digits = (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || part.starts_with('0') {
        return Err(LoginFault::Plan);
    }
    part.parse().map_err(|_| LoginFault::Plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_or_three_parts_are_a_login() {
        assert_eq!(
            parse("tanaka+ehr-db1"),
            Ok(LoginName { worker: "tanaka".into(), target: "ehr-db1".into(), plan: None })
        );
        assert_eq!(parse("a.b_c-9+pacs+42").map(|login| login.plan), Ok(Some(42)));
    }

    #[test]
    fn everything_else_is_refused_with_its_part() {
        for (name, fault) in [
            ("", LoginFault::Parts),
            ("tanaka", LoginFault::Parts),
            ("a+b+1+2", LoginFault::Parts),
            ("+b", LoginFault::Worker),
            ("Tanaka+b", LoginFault::Worker),
            ("田中+b", LoginFault::Worker),
            ("a b+c", LoginFault::Worker),
            ("-a+b", LoginFault::Worker),
            ("a+", LoginFault::Target),
            ("a+b\n", LoginFault::Target),
            ("a+../b", LoginFault::Target),
            ("a+b+", LoginFault::Plan),
            ("a+b+01", LoginFault::Plan),
            ("a+b+-1", LoginFault::Plan),
            ("a+b+9999999999", LoginFault::Plan),
        ] {
            assert_eq!(parse(name), Err(fault), "{name:?}");
        }
        assert_eq!(parse(&"a".repeat(81)), Err(LoginFault::TooLong));
        assert_eq!(parse(&format!("{}+b", "a".repeat(33))), Err(LoginFault::Worker));
    }

    proptest! {
        #[test]
        fn what_parses_is_spelled_in_one_way(name in "\\PC{0,90}|[a-z0-9+._-]{0,90}") {
            if let Ok(login) = parse(&name) {
                let plan = login.plan.map_or(String::new(), |plan| format!("+{plan}"));
                prop_assert_eq!(format!("{}+{}{}", login.worker, login.target, plan), name);
            }
        }
    }
}
