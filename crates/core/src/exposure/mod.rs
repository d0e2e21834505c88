//! 露出 (exposure): which ports of this machine answer on which of its addresses, how its own doors speak TLS, and how that
//! stands to what should be. Looking is done by whoever has sockets ([`Scout`]); judging is pure and is done here.

use crate::desk::Answer;
use crate::ids::ServiceId;
use crate::plan::content::check_line;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

mod judge;
mod words;

pub use judge::{Finding, Kind, Level, is_outer, judge};
pub use words::Words;

/// The two transports that have ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// The name in API, command and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Reads what [`Transport::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp].into_iter().find(|transport| transport.as_str() == text)
    }
}

/// A part of Sekisho that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The pages and the API.
    Pages,
    /// The SSH gateway.
    Ssh,
    /// The outer door.
    Door,
    /// The listener for targets' logs.
    Logs,
}

impl Part {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Ssh => "ssh",
            Self::Door => "door",
            Self::Logs => "logs",
        }
    }
}

/// A place at which something waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address; an unspecified one (`0.0.0.0`, `::`) stands for every address of the machine.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", SocketAddr::new(self.address, self.port), self.transport.as_str())
    }
}

/// A socket of this machine that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The program behind it, if this account may see that.
    pub program: Option<String>,
}

/// A listener of Sekisho itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Own {
    /// Which.
    pub part: Part,
    /// Where it listens.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The addresses of this machine at which it took a connection.
    pub answers: Vec<IpAddr>,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Name of the interface.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// A certificate that a listener shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Common name of its subject.
    pub subject: String,
    /// Common name of its issuer.
    pub issuer: String,
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
}

/// What a listener was found to speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsLook {
    /// Which.
    pub part: Part,
    /// Where it was asked.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Versions that it answered, such as `TLS 1.3`.
    pub versions: Vec<String>,
    /// Cipher suites that it answered, by their IANA names.
    pub suites: Vec<String>,
    /// Groups for the key exchange of TLS 1.3, by their IANA names.
    pub groups: Vec<String>,
    /// The certificates it shows, its own first.
    pub chain: Vec<Shown>,
    /// For a listener that asks for a certificate: whether somebody without one was let through.
    pub lets_strangers_in: Option<bool>,
    /// It agreed to compress (CRIME).
    pub compresses: bool,
    /// It speaks an older version and says nothing of secure renegotiation (RFC 5746).
    pub renegotiates_unsafely: bool,
    /// What went wrong while it was looked at; empty if nothing did.
    pub trouble: String,
}

/// All that was seen in one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// Sockets of the machine that wait for others.
    pub sockets: Vec<Heard>,
    /// Sekisho's own listeners.
    pub own: Vec<Own>,
    /// The machine's addresses.
    pub interfaces: Vec<Interface>,
    /// How those of Sekisho's listeners speak TLS that do.
    pub tls: Vec<TlsLook>,
    /// What could not be looked at, one English sentence each.
    pub blind: Vec<String>,
}

/// Another service of this machine that a person has confirmed: it is known, and there is a reason for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Identifier.
    pub id: ServiceId,
    /// TCP or UDP.
    pub transport: Transport,
    /// The address at which it may answer; `None` for any.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// What it is, for people.
    pub name: String,
    /// Why it has to answer.
    pub reason: String,
    /// Who confirmed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// False once it was taken back.
    pub active: bool,
}

impl Service {
    /// True if this is the confirmed service. One that was confirmed for an address does not cover every address.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        self.active && self.transport == place.transport && self.port == place.port && self.address.is_none_or(|address| address == place.address)
    }
}

/// What a person says to confirm a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAsk {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address at which it may answer; none for any.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// What it is, for people.
    pub name: String,
    /// Why it has to answer.
    pub reason: String,
}

impl ServiceAsk {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`] with the field.
    pub fn check(&self) -> Result<(), Refusal> {
        for (field, text) in [("name", &self.name), ("reason", &self.reason)] {
            check_line(field, text)?;
            if text.trim().is_empty() {
                return Err(Refusal::bad_field(field));
            }
        }
        if self.port == 0 { Err(Refusal::bad_field("port")) } else { Ok(()) }
    }
}

/// Looks at this machine from where it stands.
pub trait Scout: Send + Sync {
    /// Looks at sockets, addresses and own listeners. What cannot be seen is said in `blind`.
    fn look(&self) -> Answer<'_, Look>;
}

#[cfg(test)]
mod tests;
