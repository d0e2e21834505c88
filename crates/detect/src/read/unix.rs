//! OpenSSH, sudo, su and the console of Unix systems.

use crate::header::Header;
use crate::limits;
use crate::login::{Kind, ShownCertificate, TargetLogin, Way, address, bounded};
use std::net::IpAddr;

pub fn read(header: &Header<'_>) -> Option<TargetLogin> {
    let text = header.text;
    match header.program {
        "sshd" | "sshd-session" | "sshd-auth" => sshd(text),
        "dropbear" => dropbear(text),
        "sudo" => sudo(text),
        "su" | "su-l" => su(text),
        "login" | "gdm-password" | "lightdm" | "sddm" => console(text),
        _ => None,
    }
}

/// `Accepted METHOD for NAME from ADDRESS port PORT ssh2[: …]`, `Failed …` in the same form, and the lines of PAM.
pub(super) fn sshd(text: &str) -> Option<TargetLogin> {
    if let Some(rest) = text.strip_prefix("Accepted ") {
        // The name is that of an account that exists; what comes behind may hold the text of a certificate.
        let (method, rest) = rest.split_once(" for ")?;
        let (name, from, port, rest) = place(rest, false)?;
        let login = TargetLogin::new(Kind::Opened, Way::Shell).account(name).method(method).from(Some(from), Some(port));
        return Some(TargetLogin { certificate: certificate(rest), ..login });
    }
    if let Some(rest) = text.strip_prefix("Failed ") {
        let (method, rest) = rest.split_once(" for ")?;
        let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
        // The name is whatever a stranger typed, also one that looks like an address: the last place is the true one. Of a key
        // the text of a certificate follows, which is the stranger's too: where the two differ, nobody can tell which is true.
        let ((early, first), (name, last)) = (place(rest, false).map(|(name, from, port, _)| (name, (from, port)))?, place(rest, true).map(|(name, from, port, _)| (name, (from, port)))?);
        let login = TargetLogin::new(Kind::Failed, Way::Shell).method(method);
        if first != last && matches!(method, "publickey" | "hostbased") {
            return Some(login.account(early));
        }
        return Some(login.account(name).from(Some(last.0), Some(last.1)));
    }
    if let Some(rest) = text.strip_prefix("Invalid user ") {
        let (name, from, port, _) = place(&format!("{rest} ssh2"), true).map(|(name, from, port, _)| (name.to_owned(), from, port, ()))?;
        return Some(TargetLogin::new(Kind::Failed, Way::Shell).account(&name).from(Some(from), Some(port)));
    }
    if let Some(rest) = text.strip_prefix("pam_unix(sshd:session): ") {
        return pam(rest, Way::Shell).filter(|login| login.kind == Kind::Closed);
    }
    if let Some(rest) = text.strip_prefix("Disconnected from user ") {
        let (name, rest) = rest.split_once(' ')?;
        let (from, port) = rest.split_once(" port ")?;
        return Some(TargetLogin::new(Kind::Closed, Way::Shell).account(name).from(address(from), port.trim().parse().ok()));
    }
    None
}

/// `NAME from ADDRESS port PORT ssh2REST`: the first such place, or the last.
fn place(text: &str, last: bool) -> Option<(&str, IpAddr, u16, &str)> {
    let mut found = None;
    for (at, word) in text.match_indices(" from ") {
        let Some(after) = text.get(at + word.len()..) else { continue };
        let Some((from, rest)) = after.split_once(" port ") else { continue };
        let Some(from) = address(from) else { continue };
        let (port, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let Some(port) = port.parse::<u16>().ok() else { continue };
        let Some(rest) = rest.strip_prefix("ssh2").or_else(|| rest.is_empty().then_some("")) else { continue };
        found = text.get(..at).map(|name| (name, from, port, rest));
        if !last {
            break;
        }
    }
    found
}

/// `: ED25519-CERT SHA256:… ID KEYID (serial N) CA ED25519 SHA256:…` (OpenSSH, `auth2-pubkey.c`). The key id is the
/// issuer's text and may hold anything; what stands round it does not, so it is read from both ends.
fn certificate(rest: &str) -> Option<ShownCertificate> {
    let rest = rest.strip_prefix(": ")?;
    let (kind, rest) = rest.split_once(' ')?;
    if !kind.ends_with("-CERT") {
        return None;
    }
    let (_print, rest) = rest.split_once(" ID ")?;
    let (front, authority) = rest.rsplit_once(") CA ")?;
    let (key_id, serial) = front.rsplit_once(" (serial ")?;
    // Some senders leave the line's end on it, as `#015`.
    let print = authority.split_ascii_whitespace().nth(1)?.split('#').next()?;
    let whole = key_id.chars().count() <= limits::KEY_ID_CHARS && print.starts_with("SHA256:");
    whole.then(|| Some(ShownCertificate { key_id: bounded(key_id, limits::KEY_ID_CHARS), serial: serial.parse().ok()?, authority: bounded(print, limits::NAME_CHARS) }))?
}

/// `Password auth succeeded for 'root' from 10.0.0.1:40000`, `Pubkey auth succeeded …`, `Bad password attempt …`.
fn dropbear(text: &str) -> Option<TargetLogin> {
    let (kind, method) = match text {
        text if text.starts_with("Password auth succeeded for ") => (Kind::Opened, "password"),
        text if text.starts_with("Pubkey auth succeeded for ") => (Kind::Opened, "publickey"),
        text if text.starts_with("Bad password attempt for ") => (Kind::Failed, "password"),
        _ => return None,
    };
    let (front, from) = text.rsplit_once(" from ")?;
    let name = front.split_once('\'')?.1.strip_suffix('\'').or_else(|| front.split_once('\'')?.1.split('\'').next())?;
    let (from, port) = from.trim().rsplit_once(':')?;
    Some(TargetLogin::new(kind, Way::Shell).account(name).method(method).from(address(from), port.parse().ok()))
}

/// `maint : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh`; refused ones have a word before `TTY`.
fn sudo(text: &str) -> Option<TargetLogin> {
    let (by, rest) = text.split_once(" : ")?;
    // A folder's or command's name may hold the same words; then nobody can tell which is sudo's, and each is looked at.
    let mut names = rest.split(" ; ").filter_map(|part| part.trim().strip_prefix("USER=")).map(str::trim).take(limits::SUDO_NAMES);
    let to = names.next()?;
    let others = names.filter(|name| *name != to).map(|name| bounded(name, limits::ACCOUNT_CHARS)).collect();
    let refused = !rest.trim_start().starts_with("TTY=") && !rest.trim_start().starts_with("PWD=");
    let kind = if refused { Kind::Failed } else { Kind::Raised };
    Some(TargetLogin { others, ..TargetLogin::new(kind, Way::Within).account(to).by(by.trim()).method("sudo") })
}

/// `(to root) maint on pts/0` (util-linux), `pam_unix(su-l:session): session opened for user root(uid=0) by maint(uid=1000)`.
fn su(text: &str) -> Option<TargetLogin> {
    if let Some(rest) = text.strip_prefix("(to ") {
        let (to, rest) = rest.split_once(") ")?;
        let by = rest.rsplit_once(" on ").map_or(rest, |(by, _)| by);
        return Some(TargetLogin::new(Kind::Raised, Way::Within).account(to).by(by).method("su"));
    }
    let rest = text.strip_prefix("FAILED SU (to ")?;
    let (to, rest) = rest.split_once(") ")?;
    let by = rest.rsplit_once(" on ").map_or(rest, |(by, _)| by);
    Some(TargetLogin::new(Kind::Failed, Way::Within).account(to).by(by).method("su"))
}

/// Logins at the keyboard, as PAM tells them: `pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)`.
fn console(text: &str) -> Option<TargetLogin> {
    if let Some(rest) = text.strip_prefix("FAILED LOGIN ") {
        let name = rest.split_once(" FOR ")?.1.split(',').next()?;
        return Some(TargetLogin::new(Kind::Failed, Way::Console).account(name.trim().trim_matches('\'')));
    }
    let (module, rest) = text.split_once("): ")?;
    module.strip_prefix("pam_unix(").filter(|module| module.ends_with(":session")).and_then(|_| pam(rest, Way::Console))
}

/// `session opened for user NAME(uid=0) by …`, `session closed for user NAME`.
fn pam(text: &str, way: Way) -> Option<TargetLogin> {
    let (kind, rest) = match text.strip_prefix("session opened for user ") {
        Some(rest) => (Kind::Opened, rest),
        None => (Kind::Closed, text.strip_prefix("session closed for user ")?),
    };
    let end = rest.find(['(', ' ']).unwrap_or(rest.len());
    Some(TargetLogin::new(kind, way).account(rest.get(..end)?))
}
