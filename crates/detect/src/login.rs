//! A login as a target tells of it.

use crate::limits;
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody came in.
    Opened,
    /// Somebody tried to.
    Failed,
    /// Somebody left.
    Closed,
    /// Somebody who was in took the rights of another account (sudo, su, 4648).
    Raised,
}

/// By which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A shell over the network: SSH, Telnet.
    Shell,
    /// A desktop over the network (RDP).
    Desktop,
    /// Files, services and other things of the network, without a screen (Windows logon type 3).
    Network,
    /// A database.
    Database,
    /// The pages or the command line of a device's administration.
    Admin,
    /// The keyboard in front of the machine.
    Console,
    /// Seen on the wire by a sensor; nothing is known of account and success.
    Wire,
    /// From within: sudo, su.
    Within,
}

impl Way {
    /// The name in API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Desktop => "desktop",
            Self::Network => "network",
            Self::Database => "database",
            Self::Admin => "admin",
            Self::Console => "console",
            Self::Wire => "wire",
            Self::Within => "within",
        }
    }
}

/// The certificate that OpenSSH says it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCertificate {
    /// Key id.
    pub key_id: String,
    /// Serial number.
    pub serial: u64,
    /// SHA-256 fingerprint of the key that signed it: `SHA256:…`.
    pub authority: String,
}

/// A login of a target, as its log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLogin {
    /// What happened.
    pub kind: Kind,
    /// By which way.
    pub way: Way,
    /// The moment by the device's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Which host the line says it is of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Which account; empty if the line does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Further accounts that the line may mean, where somebody made it ambiguous.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// For [`Kind::Raised`]: who took its rights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// How they proved themselves, in the device's own word: `password`, `publickey`, `Negotiate`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// From which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// To where, if a sensor saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<IpAddr>,
    /// To which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_port: Option<u16>,
    /// The certificate, if one was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ShownCertificate>,
    /// Which of the device's own sessions it belongs to: a process, a logon id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handle: String,
}

impl TargetLogin {
    /// One of this kind and way, with nothing else known.
    #[must_use]
    pub fn new(kind: Kind, way: Way) -> Self {
        Self {
            kind,
            way,
            at: None,
            host: String::new(),
            account: String::new(),
            others: Vec::new(),
            by: String::new(),
            method: String::new(),
            from: None,
            port: None,
            to: None,
            to_port: None,
            certificate: None,
            handle: String::new(),
        }
    }

    pub(crate) fn account(self, account: &str) -> Self {
        Self { account: bounded(account, limits::ACCOUNT_CHARS), ..self }
    }

    pub(crate) fn by(self, by: &str) -> Self {
        Self { by: bounded(by, limits::ACCOUNT_CHARS), ..self }
    }

    pub(crate) fn method(self, method: &str) -> Self {
        Self { method: bounded(method, limits::NAME_CHARS), ..self }
    }

    pub(crate) fn from(self, from: Option<IpAddr>, port: Option<u16>) -> Self {
        Self { from: from.map(|from| from.to_canonical()), port: port.filter(|port| *port > 0), ..self }
    }

    pub(crate) fn to(self, to: Option<IpAddr>, port: Option<u16>) -> Self {
        Self { to: to.map(|to| to.to_canonical()), to_port: port, ..self }
    }

    pub(crate) fn handle(self, handle: &str) -> Self {
        Self { handle: bounded(handle, limits::NAME_CHARS), ..self }
    }

    /// True if the login comes from the machine itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.from.is_some_and(|from| from.is_loopback())
    }
}

/// A text of others in bounded length, with control characters and those that turn the direction of writing made visible.
pub(crate) fn bounded(text: &str, chars: usize) -> String {
    text.chars().take(chars).map(|letter| if letter.is_control() || is_direction(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Letters that are not seen and turn the direction of what follows.
#[must_use]
pub fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An address as logs write it: with brackets or a zone, in IPv6 clothes.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let text = text.split('%').next().unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
