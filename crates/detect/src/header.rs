//! What stands before a message: RFC 5424, and the older form that RFC 3164 describes and few keep to.

use crate::clock;
use crate::limits;
use sekisho_core::time::Timestamp;

/// The head of a message, and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// When the device says that it wrote it.
    pub at: Option<Timestamp>,
    /// Which host it says it is; empty if it does not say.
    pub host: &'a str,
    /// Which program wrote it; empty if it is not said.
    pub program: &'a str,
    /// Its process.
    pub process: Option<u32>,
    /// What it wrote.
    pub text: &'a str,
}

/// Takes a line apart. What has no head that can be read is all message.
#[must_use]
pub fn read(line: &str, received: Timestamp, zone_minutes: i32) -> Header<'_> {
    let line = line.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r', '\0']);
    let rest = after_priority(line);
    if let Some(header) = rest.strip_prefix("1 ").and_then(|rest| modern(rest, zone_minutes)) {
        return header;
    }
    older(rest, received, zone_minutes)
}

fn after_priority(line: &str) -> &str {
    let Some((number, rest)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')) else { return line };
    if (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) { rest } else { line }
}

/// `TIMESTAMP HOST APP PROCID MSGID STRUCTURED-DATA [MSG]`.
fn modern(rest: &str, zone_minutes: i32) -> Option<Header<'_>> {
    let mut parts = rest.splitn(6, ' ');
    let (moment, host, program, process) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (_id, rest) = (parts.next()?, parts.next()?);
    let some = |text| if text == "-" { "" } else { text };
    Some(Header {
        at: clock::iso(moment, zone_minutes),
        host: name(some(host)),
        program: name(some(program)),
        process: process.parse().ok(),
        text: after_data(rest)?.trim_start_matches('\u{feff}'),
    })
}

/// What comes after the structured data.
fn after_data(rest: &str) -> Option<&str> {
    if let Some(after) = rest.strip_prefix('-') {
        return Some(after.strip_prefix(' ').unwrap_or(after));
    }
    let (mut quoted, mut escaped, mut open) = (false, false, false);
    for (at, letter) in rest.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted && !open => open = true,
            ']' if !quoted && open => open = false,
            ' ' if !quoted && !open => return rest.get(at + 1..),
            _ if !open => return None,
            _ => {}
        }
    }
    (!open).then_some("")
}

/// `Nov 22 08:00:00 HOST PROGRAM[PID]: MSG`; with an RFC 3339 time in its place (rsyslog), or with parts missing.
fn older(rest: &str, received: Timestamp, zone_minutes: i32) -> Header<'_> {
    let (at, after) = moment(rest, received, zone_minutes);
    let bare = Header { at, host: "", program: "", process: None, text: after };
    // Cisco and others put a number before the time, and have no host; their own reader takes the rest.
    if at.is_none() || after.starts_with('%') || after.starts_with('{') {
        return bare;
    }
    // A first word that ends with a colon is a tag, and the host was left out.
    let (host, after) = match after.split_once(' ') {
        Some((first, rest)) if !first.ends_with(':') && !first.contains('=') && !first.contains('[') => (name(first), rest.trim_start()),
        _ => ("", after),
    };
    let (program, process, text) = tag(after);
    Header { at, host, program, process, text }
}

fn moment(rest: &str, received: Timestamp, zone_minutes: i32) -> (Option<Timestamp>, &str) {
    let mut words = rest.split_ascii_whitespace();
    let (first, second, third) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if let Some(at) = clock::iso(first, zone_minutes) {
        return (Some(at), after_words(rest, 1));
    }
    // Some write the year after the day.
    let (clock, words) = if third.len() == 4 && !third.contains(':') { (rest.split_ascii_whitespace().nth(3).unwrap_or_default(), 4) } else { (third, 3) };
    match clock::bsd(first, second, clock.trim_end_matches(':'), received, zone_minutes) {
        Some(at) => (Some(at), after_words(rest, words)),
        None => (None, rest),
    }
}

fn after_words(text: &str, words: usize) -> &str {
    let mut rest = text.trim_start();
    for _ in 0..words {
        rest = rest.find(' ').and_then(|at| rest.get(at..)).unwrap_or_default().trim_start();
    }
    rest
}

/// `sshd[812]: …`, `sudo: …`.
fn tag(text: &str) -> (&str, Option<u32>, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '(' | ')'))).unwrap_or(text.len());
    let (program, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let (process, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((number, rest)) => (number.parse().ok(), rest),
        // Some of PAM's programs write the closing bracket alone.
        None => (None, rest.strip_prefix(']').unwrap_or(rest)),
    };
    match rest.strip_prefix(':') {
        Some(text) if !program.is_empty() => (name(program), process, text.trim_start()),
        _ => ("", None, text),
    }
}

/// A name of bounded length.
fn name(text: &str) -> &str {
    text.char_indices().nth(limits::NAME_CHARS).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> (String, String, Option<u32>, String) {
        let header = read(line, clock::iso("2026-11-22T08:00:10Z", 0).unwrap(), 540);
        assert!(header.at.is_some(), "{line}");
        (header.host.to_owned(), header.program.to_owned(), header.process, header.text.to_owned())
    }

    #[test]
    fn both_forms_say_the_same() {
        let same = ("db01".to_owned(), "sshd".to_owned(), Some(812), "Accepted".to_owned());
        for line in [
            "<38>1 2026-11-22T08:00:00Z db01 sshd 812 - - Accepted",
            "<38>1 2026-11-22T08:00:00Z db01 sshd 812 - [x@1 a=\"]\\\"\"][y] \u{feff}Accepted",
            "<38>Nov 22 08:00:00 db01 sshd[812]: Accepted",
            "Nov 22 08:00:00 db01 sshd[812]: Accepted\n",
            "<38>2026-11-22T17:00:00.000001+09:00 db01 sshd[812]: Accepted",
            "<38>Nov 22 2026 08:00:00 db01 sshd[812]: Accepted",
        ] {
            assert_eq!(seen(line), same, "{line}");
        }
    }

    #[test]
    fn a_head_that_is_none_is_message() {
        for line in ["", "<", "<9999>x", "<38>1 ", "<38>1 a b c", "<38>1 2026-11-22T08:00:00Z db01 sshd 812 - [open", "日本語だけの行"] {
            let header = read(line, Timestamp(0), 0);
            assert_eq!(header.host, "", "{line}");
        }
        assert_eq!(seen("Nov 22 08:00:00 sshd[812]: Accepted").0, "");
    }
}
