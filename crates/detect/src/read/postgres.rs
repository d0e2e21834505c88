//! PostgreSQL with `log_connections = on`.

use crate::login::{Kind, TargetLogin, Way, address};

/// `connection received: host=10.0.0.1 port=40000`, `connection authenticated: identity="x" method=scram-sha-256 (…)`,
/// `connection authorized: user=x database=y …`, `FATAL:  password authentication failed for user "x"`.
///
/// Each backend writes them one after the other under its process id. The first has the place, the third the account: a
/// `log_line_prefix` with `%r` (`10.0.0.1(40000)`) has both in one line, which the guide asks for.
pub fn read(text: &str) -> Option<TargetLogin> {
    if let Some((front, rest)) = text.split_once("connection authorized: ") {
        let login = TargetLogin::new(Kind::Opened, Way::Database).account(word(rest, "user=")?);
        return Some(remote(front, login));
    }
    if let Some((front, rest)) = text.split_once("connection received: ") {
        if front.contains("FATAL") {
            return None;
        }
        // No account yet; whoever comes is known by address and port.
        let host = word(rest, "host=")?;
        let port = word(rest, "port=").and_then(|port| port.parse().ok());
        return address(host).map(|from| TargetLogin::new(Kind::Opened, Way::Database).from(Some(from), port));
    }
    if let Some((front, rest)) = text.split_once("authentication failed for user \"") {
        let (name, _) = rest.rsplit_once('"')?;
        return Some(remote(front, TargetLogin::new(Kind::Failed, Way::Database).account(name)));
    }
    if let Some((_, rest)) = text.split_once("disconnection: ") {
        let port = word(rest, "port=").and_then(|port| port.parse().ok());
        return Some(TargetLogin::new(Kind::Closed, Way::Database).account(word(rest, "user=")?).from(word(rest, "host=").and_then(address), port));
    }
    None
}

fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)).map(|value| value.trim_end_matches(','))
}

/// The place of `%r` in the prefix: `10.0.0.1(40000)`.
fn remote(front: &str, login: TargetLogin) -> TargetLogin {
    let mut places = front.split_ascii_whitespace().filter_map(|word| {
        let (host, port) = word.split_once('(')?;
        let host = host.rsplit(['=', '[', ']', ',']).next()?;
        Some((address(host)?, port.split(')').next()?.parse::<u16>().ok()?))
    });
    match places.next_back() {
        Some((from, port)) => login.from(Some(from), Some(port)),
        None => login,
    }
}
