//! Routers, switches and firewalls: Cisco IOS, FortiGate, Yamaha RTX.

use crate::clock;
use crate::limits;
use crate::login::{Kind, TargetLogin, Way, address};

pub fn read(text: &str) -> Option<TargetLogin> {
    cisco(text).or_else(|| fortigate(text)).or_else(|| yamaha(text))
}

/// `%SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: admin] [Source: 10.0.0.1] [localport: 22] at …`,
/// `%SEC_LOGIN-4-LOGIN_FAILED`, `%SYS-6-LOGOUT: User admin has exited tty session 2(10.0.0.1)`,
/// `%SSH-5-SSH2_USERAUTH: User 'admin' authentication for SSH2 Session from 10.0.0.1 (tty = 0) … Succeeded`.
fn cisco(text: &str) -> Option<TargetLogin> {
    // The first mark is the device's; a further one stands in a name that somebody typed.
    // Before it stand a number and a clock, and no words of others.
    let (front, text) = text.find('%').and_then(|at| text.split_at_checked(at))?;
    if front.chars().count() > limits::MARK_CHARS || !front.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, ' ' | ':' | '.' | '*' | '-' | '_' | '+' | '/')) {
        return None;
    }
    if let Some((mark, rest)) = ["%SEC_LOGIN-5-LOGIN_SUCCESS", "%SEC_LOGIN-4-LOGIN_FAILED"].into_iter().find_map(|mark| Some((mark, text.strip_prefix(mark)?))) {
        let failed = mark.ends_with("FAILED");
        let kind = if failed { Kind::Failed } else { Kind::Opened };
        // The name is what somebody typed; the brackets of the device follow it.
        let from = rest.rsplit_once("[Source: ").and_then(|(_, rest)| address(rest.split(']').next()?));
        let name = rest.split_once("[user: ")?.1;
        let name = name.rsplit_once("] [Source: ").map_or_else(|| name.split(']').next().unwrap_or_default(), |(name, _)| name);
        let way = if from.is_none_or(|from| from.is_unspecified()) { Way::Console } else { Way::Admin };
        return Some(TargetLogin::new(kind, way).account(name).from(from.filter(|from| !from.is_unspecified()), None));
    }
    let rest = text.strip_prefix("%SYS-6-LOGOUT: User ")?;
    let (name, rest) = rest.split_once(" has exited tty session ")?;
    let from = rest.split_once('(').and_then(|(_, rest)| address(rest.split(')').next()?));
    Some(TargetLogin::new(Kind::Closed, Way::Admin).account(name).from(from, None))
}

/// `… logdesc="Admin login successful" … user="admin" ui="ssh(10.0.0.1)" … srcip=10.0.0.1 … action="login" status="success"`.
fn fortigate(text: &str) -> Option<TargetLogin> {
    if !text.contains("logid=") {
        return None;
    }
    let pairs = pairs(text)?;
    let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).unwrap_or_default();
    if get("type") != "event" || get("subtype") != "system" {
        return None;
    }
    let kind = match (get("action"), get("status")) {
        ("login", "success") => Kind::Opened,
        ("login", "failed") => Kind::Failed,
        ("logout", _) => Kind::Closed,
        _ => return None,
    };
    let ui = get("ui");
    let (method, inside) = ui.split_once('(').unwrap_or((ui, ""));
    let from = address(get("srcip")).or_else(|| address(inside.trim_end_matches(')')));
    let way = if method == "console" || method == "jsconsole" && from.is_none() { Way::Console } else { Way::Admin };
    let at = clock::iso(&format!("{}T{}{}", get("date"), get("time"), get("tz")), 0);
    Some(TargetLogin { at, host: crate::login::bounded(get("devname"), limits::NAME_CHARS), ..TargetLogin::new(kind, way).account(get("user")).method(method).from(from, None) })
}

/// `key=value` and `key="value with blanks"`. `None` if one comes twice: then somebody typed it into a name, and nobody can
/// tell which is the device's.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let (mut found, mut rest) = (Vec::<(&str, &str)>::new(), text);
    while found.len() < limits::PAIRS {
        let Some((front, after)) = rest.split_once('=') else { break };
        let key = front.rsplit([' ', ',']).next().unwrap_or_default();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_end(quoted),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        if !key.is_empty() && found.iter().any(|(other, _)| *other == key) {
            return None;
        }
        found.push((key, value));
        rest = after;
    }
    Some(found)
}

/// A quoted value up to the quotation mark that is not escaped, and what follows it.
fn quoted_end(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    (text, "")
}

/// `Login succeeded for SSH: 10.0.0.1 admin`, `Login failed for TELNET: 10.0.0.1`, `Logout from SSH: 10.0.0.1 admin`,
/// `'administrator' succeeded for SSH: 10.0.0.1 admin`, `Login succeeded for SERIAL`.
fn yamaha(text: &str) -> Option<TargetLogin> {
    let (kind, rest) = [
        ("Login succeeded for ", Kind::Opened),
        ("Login failed for ", Kind::Failed),
        ("Logout from ", Kind::Closed),
        ("'administrator' succeeded for ", Kind::Raised),
        ("'administrator' failed for ", Kind::Failed),
    ]
    .into_iter()
    .find_map(|(words, kind)| {
        let (front, rest) = text.split_once(words)?;
        front.trim().trim_start_matches("[LOGIN]").trim().is_empty().then_some((kind, rest))
    })?;
    let (method, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let method = method.trim();
    if !["SSH", "TELNET", "HTTP", "HTTPS", "SERIAL", "SFTP", "REMOTE"].contains(&method) {
        return None;
    }
    let mut words = rest.split_ascii_whitespace();
    let from = words.next().and_then(address);
    let account = words.next().unwrap_or_default();
    let way = match (kind, method) {
        (Kind::Raised, _) => Way::Within,
        (_, "SERIAL") => Way::Console,
        _ => Way::Admin,
    };
    let login = TargetLogin::new(kind, way).method(method).from(from, None);
    Some(if kind == Kind::Raised { login.account("administrator").by(account) } else { login.account(account) })
}
