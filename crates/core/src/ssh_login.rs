//! Logins by SSH certificate: a person confirms in the browser that their device may log in, and the device gets a short
//! certificate over a key that it made for this.
//!
//! Such a certificate is a login and no permission: each session is decided upon by plan, window, line and device as ever.

use crate::device::DeviceProof;
use crate::ids::{ConnectId, DeviceId, PersonId, SshLoginId, WebLoginId};
use crate::limits;
use crate::plan::content::check_line;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::source::Network;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// ALPN of the exchange by which a device asks for a login.
pub const ALPN_LOGIN: &[u8] = b"sekisho-login/1";
/// Critical option that names the device. A server that does not know it refuses the certificate, so it is good for nobody
/// but Sekisho.
pub const DEVICE_OPTION: &str = "device@sekisho";
/// Critical option with the networks from which it counts, as OpenSSH defines it (PROTOCOL.certkeys).
pub const SOURCE_OPTION: &str = "source-address";
/// Extension with the numbers of the plans whose windows gave the certificate its end.
pub const PLANS_EXTENSION: &str = "plans@sekisho";

/// A login by certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshLogin {
    /// Identifier.
    pub id: SshLoginId,
    /// Whose.
    pub person: PersonId,
    /// Their login name, the certificate's one principal.
    pub login: String,
    /// The device, from whose tunnel alone it counts.
    pub device: DeviceId,
    /// Its name.
    pub device_name: String,
    /// What the machine called itself. A claim.
    pub host: String,
    /// Serial number of the certificate: the number of the entry that tells of it.
    pub serial: u64,
    /// Fingerprint of its key, as OpenSSH shows it.
    pub key: String,
    /// From where the device asked.
    pub source: IpAddr,
    /// The networks that it is bound to; empty if the line has no addresses of its own.
    pub networks: Vec<Network>,
    /// The plans whose windows gave it its end.
    pub plans: Vec<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// The browser's login in which it was confirmed.
    pub confirmed_in: WebLoginId,
    /// By which factors that login was proved.
    pub proof: String,
    /// When and why it ended sooner.
    pub ended: Option<(Timestamp, String)>,
}

impl SshLogin {
    /// True while it counts. The policy's hours are asked again: one that became stricter holds at once.
    #[must_use]
    pub fn stands(&self, policy: &Policy, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.ends_at && self.issued_at <= now && now < self.issued_at.plus(span(policy))
    }

    /// What keeps it from counting for a connection of `login` that shows itself by `shown` from `source`, in a word for the
    /// log.
    #[must_use]
    pub fn hindrance(&self, login: &str, shown: Option<&DeviceProof>, source: IpAddr, policy: &Policy, now: Timestamp) -> Option<&'static str> {
        if self.login != login {
            return Some("principal");
        }
        if self.ended.is_some() {
            return Some("revoked");
        }
        if !self.stands(policy, now) {
            return Some("expired");
        }
        match shown {
            Some(DeviceProof::Certificate { device, .. }) if *device == self.device => {}
            _ => return Some("device"),
        }
        let here = self.networks.is_empty() || self.networks.iter().any(|network| network.contains(source));
        if here { None } else { Some("source") }
    }
}

fn span(policy: &Policy) -> Duration {
    Duration::from_secs(u64::from(policy.ssh_login_hours) * 3600)
}

/// A plan's window, as far as a login's end rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedWindow {
    /// Number of the plan.
    pub number: String,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// The end of a login that begins at this moment, and the plans that it is for: the end of the last window that is open or
/// opens within the policy's hours, and never more than those hours.
///
/// # Errors
/// [`Refusal::SshLoginOff`]; [`Refusal::NoPlan`] if there is nothing to log in for.
pub fn end(policy: &Policy, windows: &[PlannedWindow], now: Timestamp) -> Result<(Timestamp, Vec<String>), Refusal> {
    if policy.ssh_login_hours == 0 {
        return Err(Refusal::SshLoginOff);
    }
    let most = now.plus(span(policy));
    let mut open: Vec<&PlannedWindow> = windows.iter().filter(|window| window.from < most && now < window.until).collect();
    open.sort_by(|a, b| (a.from, &a.number).cmp(&(b.from, &b.number)));
    let last = open.iter().map(|window| window.until).max().ok_or(Refusal::NoPlan)?;
    let plans = open.iter().take(limits::SSH_LOGIN_PLANS).map(|window| window.number.clone()).collect();
    Ok((last.min(most), plans))
}

/// What a device says to ask for a login: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginAsk {
    /// The public key that it made, an OpenSSH line without a comment.
    pub key: String,
    /// What the machine calls itself.
    pub host: String,
}

impl LoginAsk {
    /// Checks the form of what was said; the key's is the store's to read.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("host", &self.host)?;
        if self.key.len() > limits::SSH_LOGIN_KEY_BYTES { Err(Refusal::bad_field("key")) } else { Ok(()) }
    }
}

/// What a device is told while the person has not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginOffer {
    /// The request, the last part of the page's address.
    pub id: ConnectId,
    /// The page on which the person confirms.
    pub url: String,
    /// The code to compare.
    pub code: String,
    /// Until when it can be confirmed.
    pub until: Timestamp,
}

/// A target that a worker may reach, as their own plans name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachable {
    /// Name of the target.
    pub target: String,
    /// Number of the plan.
    pub plan: String,
    /// Its title.
    pub title: String,
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
}

/// What a device gets once the person confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginIssued {
    /// The person's login name.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The certificate, one OpenSSH line.
    pub certificate: String,
    /// Its end.
    pub until: Timestamp,
    /// What the person's plans reach today.
    pub targets: Vec<Reachable>,
}

/// What the box says to a device that asks for a login, each a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginAnswer {
    /// The person has to confirm; another answer follows.
    Offer(LoginOffer),
    /// The person confirmed.
    Issued(Box<LoginIssued>),
    /// It will not be, with the words for the person.
    Refused {
        /// `SKS-…`.
        code: String,
        /// In Japanese, with the next step.
        ja: String,
        /// In English.
        en: String,
    },
}

impl LoginAnswer {
    /// The answer that tells a refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let words = refusal.words();
        Self::Refused { code: refusal.code().to_owned(), ja: format!("{} {}", words.ja, words.next_ja), en: format!("{} {}", words.en, words.next_en) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn window(number: &str, from: i64, until: i64) -> PlannedWindow {
        PlannedWindow { number: number.into(), from: Timestamp(from * HOUR), until: Timestamp(until * HOUR) }
    }

    #[test]
    fn a_login_ends_with_the_last_window_and_after_the_policys_hours_at_the_latest() {
        let policy = Policy { ssh_login_hours: 8, ..Policy::default() };
        let now = Timestamp(9 * HOUR);
        let ends = |windows: &[PlannedWindow]| end(&policy, windows, now);
        assert_eq!(ends(&[window("a", 8, 12)]), Ok((Timestamp(12 * HOUR), vec!["a".into()])));
        assert_eq!(ends(&[window("a", 8, 12), window("b", 13, 15)]), Ok((Timestamp(15 * HOUR), vec!["a".into(), "b".into()])));
        assert_eq!(ends(&[window("a", 8, 40)]), Ok((Timestamp(17 * HOUR), vec!["a".into()])));
        assert_eq!(ends(&[window("a", 1, 9), window("b", 17, 20)]), Err(Refusal::NoPlan), "one has closed, the other opens too late");
        assert_eq!(ends(&[]), Err(Refusal::NoPlan));
        let never = Policy { ssh_login_hours: 0, ..Policy::default() };
        assert_eq!(end(&never, &[window("a", 8, 12)], now), Err(Refusal::SshLoginOff));
    }

    #[test]
    fn a_login_counts_for_its_person_device_source_and_time_alone() {
        let policy = Policy { ssh_login_hours: 8, ..Policy::default() };
        let own = DeviceId::from_random([1; 10]);
        let by_certificate = |device: &DeviceId| DeviceProof::Certificate { device: device.clone(), serial: "01".into() };
        let login = SshLogin {
            id: SshLoginId::from_random([2; 10]),
            person: PersonId::from_random([3; 10]),
            login: "sato".into(),
            device: own.clone(),
            device_name: "PC".into(),
            host: "pc".into(),
            serial: 7,
            key: "SHA256:x".into(),
            source: IpAddr::from([192, 0, 2, 1]),
            networks: vec![Network::parse("192.0.2.0/24").unwrap()],
            plans: vec!["2026-0001".into()],
            issued_at: Timestamp(HOUR),
            ends_at: Timestamp(3 * HOUR),
            confirmed_in: WebLoginId::from_random([4; 10]),
            proof: "passkey".into(),
            ended: None,
        };
        let (here, now) = (IpAddr::from([192, 0, 2, 9]), Timestamp(2 * HOUR));
        let shown = by_certificate(&own);
        assert_eq!(login.hindrance("sato", Some(&shown), here, &policy, now), None);
        assert_eq!(login.hindrance("tanaka", Some(&shown), here, &policy, now), Some("principal"));
        assert_eq!(login.hindrance("sato", Some(&by_certificate(&DeviceId::from_random([9; 10]))), here, &policy, now), Some("device"));
        assert_eq!(login.hindrance("sato", Some(&DeviceProof::Address { device: own }), here, &policy, now), Some("device"), "an address is no tunnel");
        assert_eq!(login.hindrance("sato", None, here, &policy, now), Some("device"));
        assert_eq!(login.hindrance("sato", Some(&shown), IpAddr::from([198, 51, 100, 1]), &policy, now), Some("source"));
        assert_eq!(login.hindrance("sato", Some(&shown), here, &policy, Timestamp(3 * HOUR)), Some("expired"));
        assert_eq!(login.hindrance("sato", Some(&shown), here, &policy, Timestamp(0)), Some("expired"), "nor before it began");
        let stricter = Policy { ssh_login_hours: 1, ..Policy::default() };
        assert_eq!(login.hindrance("sato", Some(&shown), here, &stricter, now), Some("expired"));
        let ended = SshLogin { ended: Some((now, "ended".into())), ..login };
        assert_eq!(ended.hindrance("sato", Some(&shown), here, &policy, now), Some("revoked"));
    }
}
