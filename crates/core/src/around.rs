//! Logins that went round the gateway (迂回ログイン): the sources that tell of them, the rules by which one becomes a
//! case, and what people decide about it.

pub use crate::log_import::{ImportAsk, ImportForm, Imported, LogImport};

use crate::ids::{CaseId, LogImportId, LogSourceId, LoginAllowId, PersonId, SessionId, TargetId};
use crate::limits;
use crate::plan::content::check_text;
use crate::refusal::Refusal;
use crate::source::Network;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What URNs of log sources in their certificates begin with; the identifier follows.
pub const SOURCE_URN: &str = "urn:sekisho:log-source:";

/// How a source's lines come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum SourceWay {
    /// Over TLS, with a certificate that is this source's alone.
    Certificate,
    /// In clear, from one of these addresses of a named legacy network. Whoever can send from there can write its lines.
    Legacy {
        /// From where.
        address: IpAddr,
    },
}

impl SourceWay {
    /// True if its lines can be anybody's of that network.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Legacy { .. })
    }
}

/// A source of logs: a target, or a sensor that sees the traffic to several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogSource {
    /// Identifier.
    pub id: LogSourceId,
    /// The target whose logins it tells of; `None` for a sensor, which names them by their addresses.
    pub target: Option<TargetId>,
    /// The names by which the host may call itself in its lines.
    pub hosts: BTreeSet<String>,
    /// How its lines come in.
    pub way: SourceWay,
    /// Offset of its clock from UTC in minutes, for lines that do not say.
    pub zone_minutes: i32,
    /// Minutes without a line after which it counts as silent; `None` to go by what is usual.
    pub silent_minutes: Option<u32>,
    /// It tells of every login, so that a session without one is a case (R4).
    pub tells_logins: bool,
    /// Serial number of its certificate, small hexadecimal letters; empty until one was made.
    #[serde(default)]
    pub serial: String,
    /// End of that certificate.
    #[serde(default)]
    pub certificate_until: Option<Timestamp>,
    /// Since when.
    pub since: Timestamp,
    /// False once it was ended.
    pub active: bool,
}

impl LogSource {
    /// Whether a host's name in a line is one of its own. A line that names no host claims to be nobody else.
    #[must_use]
    pub fn is_called(&self, host: &str) -> bool {
        let short = host.split('.').next().unwrap_or(host);
        host.is_empty() || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host) || (!own.contains('.') && host.parse::<IpAddr>().is_err() && own.eq_ignore_ascii_case(short)))
    }
}

/// What the operator says of a source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceAsk {
    /// The target; `None` for a sensor.
    #[serde(default)]
    pub target: Option<TargetId>,
    /// Names of the host.
    pub hosts: BTreeSet<String>,
    /// For a source of the legacy network: its address.
    #[serde(default)]
    pub legacy: Option<IpAddr>,
    /// Offset of its clock in minutes.
    #[serde(default = "japan")]
    pub zone_minutes: i32,
    /// Minutes without a line.
    #[serde(default)]
    pub silent_minutes: Option<u32>,
    /// It tells of every login.
    #[serde(default = "yes")]
    pub tells_logins: bool,
}

fn japan() -> i32 {
    540
}

fn yes() -> bool {
    true
}

impl SourceAsk {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`], [`Refusal::TooMany`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.hosts.is_empty() {
            return Err(Refusal::bad_field("hosts"));
        }
        if self.hosts.len() > limits::LOG_SOURCE_HOSTS {
            return Err(Refusal::too_many("LOG_SOURCE_HOSTS"));
        }
        let sound = |host: &String| (1..=253).contains(&host.len()) && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'));
        if !self.hosts.iter().all(sound) {
            return Err(Refusal::bad_field("hosts"));
        }
        if !(-12 * 60..=14 * 60).contains(&self.zone_minutes) {
            return Err(Refusal::bad_field("zone_minutes"));
        }
        if self.silent_minutes.is_some_and(|minutes| !(1..=limits::LOG_SILENT_MINUTES).contains(&(minutes as usize))) {
            return Err(Refusal::bad_field("silent_minutes"));
        }
        Ok(())
    }
}

/// The rules, in the order of `R1` to `R7`, and that of the name that is not one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AroundRule {
    /// R1: a login on a target from somewhere else than the gateway.
    Elsewhere,
    /// R2: from the gateway's address, but of no session.
    NoSession,
    /// R3: an account whose credential is kept here, outside its session.
    KeptAccount,
    /// R4: a session that the target's log does not tell of.
    Untold,
    /// R5: a source that has gone silent.
    Silent,
    /// R6: a session's connection, but another account.
    OtherAccount,
    /// R7: a kept account at the keyboard of the machine, without work on site.
    AtConsole,
    /// A source wrote lines in the name of another host.
    ForgedName,
}

impl AroundRule {
    /// All rules.
    pub const ALL: [Self; 8] = [Self::Elsewhere, Self::NoSession, Self::KeptAccount, Self::Untold, Self::Silent, Self::OtherAccount, Self::AtConsole, Self::ForgedName];

    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::NoSession => "no_session",
            Self::KeptAccount => "kept_account",
            Self::Untold => "untold",
            Self::Silent => "silent",
            Self::OtherAccount => "other_account",
            Self::AtConsole => "at_console",
            Self::ForgedName => "forged_name",
        }
    }

    /// Its short name on pages.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Elsewhere => "R1",
            Self::NoSession => "R2",
            Self::KeptAccount => "R3",
            Self::Untold => "R4",
            Self::Silent => "R5",
            Self::OtherAccount => "R6",
            Self::AtConsole => "R7",
            Self::ForgedName => "R8",
        }
    }

    /// How grave a login is that it names.
    #[must_use]
    pub fn weight(self) -> Weight {
        match self {
            Self::NoSession | Self::KeptAccount => Weight::Critical,
            Self::Elsewhere | Self::Untold | Self::OtherAccount | Self::AtConsole | Self::ForgedName => Weight::High,
            Self::Silent => Weight::Notice,
        }
    }

    /// Whether an entry of the list of allowed logins can answer it. What only a break-in or a fault does is never allowed, and
    /// a login at the machine itself comes from no network.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        matches!(self, Self::Elsewhere | Self::KeptAccount)
    }
}

/// How grave a case is. The order is that of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// To look at.
    Notice,
    /// Grave.
    High,
    /// The gravest.
    Critical,
}

impl Weight {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a case is about, and by what further logins of the same kind are counted into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaseKey {
    /// The rule.
    pub rule: AroundRule,
    /// The target.
    pub target: Option<TargetId>,
    /// The source, where the case is about one.
    pub source: Option<LogSourceId>,
    /// From where; empty where the rule has no place.
    pub from: String,
    /// The session, where the case is about one.
    pub session: Option<SessionId>,
    /// The file in which it was found, if it was read in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<LogImportId>,
}

/// What was decided about a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// Who.
    pub person: Option<PersonId>,
    /// Their name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Decision,
    /// Why.
    pub reason: String,
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It was in order, this once.
    Legitimate,
    /// It was in order, and logins like it are from here on.
    Allowed,
    /// It is an incident and is dealt with as one.
    Incident,
}

impl Decision {
    /// All decisions.
    pub const ALL: [Self; 3] = [Self::Legitimate, Self::Allowed, Self::Incident];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legitimate => "legitimate",
            Self::Allowed => "allowed",
            Self::Incident => "incident",
        }
    }

    /// Reads the name that [`Decision::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == text)
    }
}

/// A case: one login, or many of the same kind, that no session explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Identifier.
    pub id: CaseId,
    /// What it is about.
    pub key: CaseKey,
    /// How grave.
    pub weight: Weight,
    /// Short name of the target; that of the source's first host, if it is about a source.
    pub about: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// The first login, as we received it.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Logins that succeeded.
    pub logins: u64,
    /// Attempts that failed.
    pub attempts: u64,
    /// The accounts, the first of them.
    pub accounts: BTreeSet<String>,
    /// How they proved themselves, in the device's words.
    pub methods: BTreeSet<String>,
    /// By which way: a name of `detect::login::Way`.
    #[serde(default)]
    pub way: String,
    /// The line of the log that opened it; empty where there is none.
    pub line: String,
    /// The line was longer.
    #[serde(default)]
    pub line_cut: bool,
    /// Where the line is kept: segment, and its number therein.
    #[serde(default)]
    pub kept: Option<LineRef>,
    /// The source that told.
    pub source: Option<LogSourceId>,
    /// Nobody proved that the line is the host's own.
    #[serde(default)]
    pub unauthenticated: bool,
    /// The moment in the line, where it differs from that of its receipt by more than [`limits::LOG_SKEW_SECONDS`].
    #[serde(default)]
    pub device_time: Option<Timestamp>,
    /// The nearest session of the same target.
    #[serde(default)]
    pub nearest: Option<SessionId>,
    /// What was decided.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// The newest of its logins and attempts, the last one last: what a decision is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest: Vec<CaseLine>,
    /// It was found in a file that was read in, and not in lines as they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// One login or attempt of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseLine {
    /// When we received it; of an imported one, the time of the record.
    pub at: Timestamp,
    /// The account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// From where.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// It succeeded.
    #[serde(default)]
    pub success: bool,
    /// The line, cut.
    pub line: String,
    /// Where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<LineRef>,
}

/// Where a line is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LineRef {
    /// Number of the segment.
    pub segment: u64,
    /// Number of the line in it, from 0.
    pub line: u64,
}

/// A login that may go round the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoginAllow {
    /// Identifier.
    pub id: LoginAllowId,
    /// On which target; `None` for all of them.
    pub target: Option<TargetId>,
    /// From where.
    pub network: Network,
    /// Which account; `None` for every one whose credential is not kept here.
    pub account: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// Who allowed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// False once it was taken back.
    pub active: bool,
}

impl LoginAllow {
    /// Whether it lets this login pass. A login without a place (at the console) is never meant by a network.
    #[must_use]
    pub fn lets(&self, target: &TargetId, from: IpAddr, account: &str, kept: bool, now: Timestamp) -> bool {
        let account = match &self.account {
            Some(own) => own.eq_ignore_ascii_case(account),
            None => !kept,
        };
        self.active && now < self.until && account && self.target.as_ref().is_none_or(|own| own == target) && self.network.contains(from)
    }
}

/// What the operator says of an allowed login.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowAsk {
    /// On which target.
    #[serde(default)]
    pub target: Option<TargetId>,
    /// From where.
    pub network: Network,
    /// Which account.
    #[serde(default)]
    pub account: Option<String>,
    /// Why.
    pub reason: String,
    /// Days that it holds.
    pub days: u32,
}

impl AllowAsk {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        check_text("reason", &self.reason)?;
        if !(1..=limits::LOGIN_ALLOW_DAYS).contains(&(self.days as usize)) {
            return Err(Refusal::bad_field("days"));
        }
        // A list that lets everybody pass is none.
        if self.network.is_vast() {
            return Err(Refusal::bad_field("network"));
        }
        match &self.account {
            Some(account) if account.trim().is_empty() || account.chars().count() > limits::PRINCIPAL_CHARS || account.chars().any(char::is_control) => Err(Refusal::bad_field("account")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_called_by_its_own_names_alone() {
        let source = LogSource {
            id: LogSourceId::from_random([1; 10]),
            target: None,
            hosts: ["ehr-db01".to_owned(), "pacs.hosp.local".to_owned(), "192.0.2.7".to_owned()].into(),
            way: SourceWay::Certificate,
            zone_minutes: 540,
            silent_minutes: None,
            tells_logins: true,
            serial: String::new(),
            certificate_until: None,
            since: Timestamp(0),
            active: true,
        };
        for own in ["", "ehr-db01", "EHR-DB01", "ehr-db01.hosp.local", "pacs.hosp.local", "192.0.2.7"] {
            assert!(source.is_called(own), "{own}");
        }
        for other in ["ehr-db02", "pacs", "pacs.other.local", "192.0.2.70", "192", "ehr-db01x"] {
            assert!(!source.is_called(other), "{other}");
        }
    }

    #[test]
    fn an_allowed_network_does_not_mean_a_kept_account() {
        let target = TargetId::from_random([1; 10]);
        let allow = |account: Option<&str>| LoginAllow {
            id: LoginAllowId::from_random([2; 10]),
            target: Some(target.clone()),
            network: Network::parse("192.168.30.0/24").unwrap(),
            account: account.map(str::to_owned),
            reason: "x".into(),
            until: Timestamp(10),
            by: "x".into(),
            at: Timestamp(0),
            active: true,
        };
        let from: IpAddr = "192.168.30.7".parse().unwrap();
        assert!(allow(None).lets(&target, from, "yamada", false, Timestamp(9)));
        assert!(!allow(None).lets(&target, from, "yamada", false, Timestamp(10)), "its time is over");
        assert!(!allow(None).lets(&target, from, "maint", true, Timestamp(9)), "a kept account must be named");
        assert!(allow(Some("Maint")).lets(&target, from, "maint", true, Timestamp(9)));
        assert!(!allow(Some("maint")).lets(&target, from, "yamada", false, Timestamp(9)));
        assert!(!allow(None).lets(&TargetId::from_random([3; 10]), from, "yamada", false, Timestamp(9)));
        assert!(!allow(None).lets(&target, "192.168.31.7".parse().unwrap(), "yamada", false, Timestamp(9)));
    }
}
