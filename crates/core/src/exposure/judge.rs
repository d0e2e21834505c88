//! What was seen, held against what should be.

use super::{Look, Part, Place, Service, TlsLook, Transport};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Days before the end of a certificate at which somebody is told. Sekisho renews its own 30 days before.
const CERTIFICATE_DAYS: u64 = 20;
/// The suites of the high-security type (IPA TLS 暗号設定ガイドライン 3.1.1).
const SUITES: [&str; 3] = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];
/// Its groups, and the hybrid one.
const GROUPS: [&str; 4] = ["X25519MLKEM768", "x25519", "secp256r1", "secp384r1"];
/// The one version.
const VERSION: &str = "TLS 1.3";

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Somebody should act today.
    Alarm,
    /// It is not as it should be.
    Deviation,
    /// Worth knowing.
    Note,
}

impl Level {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Deviation => "deviation",
            Self::Note => "note",
        }
    }
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Something answers that neither belongs to Sekisho nor was confirmed.
    Unexpected {
        /// Where.
        #[serde(flatten)]
        place: Place,
        /// The program, if it is known.
        program: Option<String>,
    },
    /// The pages for administration answer at an address that faces outside.
    PagesOutside {
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
    /// A listener of Sekisho took no connection at any address.
    Silent {
        /// Which.
        part: Part,
        /// Its port.
        port: u16,
    },
    /// The door let somebody through who showed no certificate.
    LetsStrangersIn {
        /// Which.
        part: Part,
    },
    /// It speaks something other than TLS 1.3 with the chosen suites and groups.
    WeakTls {
        /// Which.
        part: Part,
        /// What: versions, suites and groups that should not be answered.
        offers: Vec<String>,
    },
    /// Its certificate ends soon, has ended, or has not begun.
    CertificateTime {
        /// Which.
        part: Part,
        /// Name of the certificate.
        subject: String,
        /// Its first moment.
        from: Timestamp,
        /// Its last.
        until: Timestamp,
    },
    /// How it speaks TLS could not be looked at.
    NotScanned {
        /// Which.
        part: Part,
        /// Why, in English.
        why: String,
    },
    /// A part of the machine could not be looked at.
    Blind {
        /// What, in English.
        what: String,
    },
    /// A confirmed service does not answer any more.
    Gone {
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is.
    #[serde(flatten)]
    pub what: Kind,
}

/// Holds a look against what should be: worst first.
#[must_use]
pub fn judge(look: &Look, services: &[Service], now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut put = |level, what| found.push(Finding { level, what });
    for own in &look.own {
        if own.answers.is_empty() {
            put(Level::Alarm, Kind::Silent { part: own.part, port: own.port });
        }
    }
    let outside = pages_outside(look);
    if !outside.is_empty() {
        put(Level::Deviation, Kind::PagesOutside { addresses: outside });
    }
    for heard in &look.sockets {
        let place = &heard.place;
        let is_own = place.transport == Transport::Tcp && look.own.iter().any(|own| own.port == place.port && (own.address == place.address || own.address.is_unspecified()));
        if is_own || place.address.is_loopback() || services.iter().any(|service| service.covers(place)) {
            continue;
        }
        put(Level::Deviation, Kind::Unexpected { place: *place, program: heard.program.clone() });
    }
    for tls in &look.tls {
        judge_tls(tls, now, &mut put);
    }
    for what in &look.blind {
        put(Level::Note, Kind::Blind { what: what.clone() });
    }
    // Where the machine could not be looked at, silence proves nothing.
    for service in services.iter().filter(|service| service.active && look.blind.is_empty()) {
        if !look.sockets.iter().any(|heard| service.covers(&heard.place)) {
            put(Level::Note, Kind::Gone { name: service.name.clone(), port: service.port });
        }
    }
    found.sort_by_key(|finding| finding.level);
    found
}

fn judge_tls(tls: &TlsLook, now: Timestamp, put: &mut impl FnMut(Level, Kind)) {
    let part = tls.part;
    if !tls.trouble.is_empty() {
        put(Level::Deviation, Kind::NotScanned { part, why: tls.trouble.clone() });
    }
    if tls.lets_strangers_in == Some(true) {
        put(Level::Alarm, Kind::LetsStrangersIn { part });
    }
    let bad = |offered: &[String], good: &[&str]| offered.iter().filter(|name| !good.contains(&name.as_str())).cloned().collect::<Vec<_>>();
    let mut offers = bad(&tls.versions, &[VERSION]);
    offers.extend(bad(&tls.suites, &SUITES));
    offers.extend(bad(&tls.groups, &GROUPS));
    offers.extend(tls.compresses.then(|| "compression".to_owned()));
    offers.extend(tls.renegotiates_unsafely.then(|| "renegotiation".to_owned()));
    if !offers.is_empty() {
        put(Level::Deviation, Kind::WeakTls { part, offers });
    }
    let soon = now.plus(Duration::from_secs(CERTIFICATE_DAYS * 24 * 3600));
    for shown in tls.chain.iter().filter(|shown| now < shown.from || soon >= shown.until) {
        let level = if now < shown.from || now >= shown.until { Level::Alarm } else { Level::Deviation };
        put(level, Kind::CertificateTime { part, subject: shown.subject.clone(), from: shown.from, until: shown.until });
    }
}

/// The addresses that face outside and at which the pages took a connection. With an outer door it is the way in from
/// outside, and its own listener need not be there: so the address to which the door alone is bound counts as well.
fn pages_outside(look: &Look) -> Vec<IpAddr> {
    let of = |part| look.own.iter().filter(move |own| own.part == part);
    let doors: Vec<IpAddr> = of(Part::Door).map(|own| own.address).filter(|address| !address.is_unspecified() && !address.is_loopback()).collect();
    let mut outside: Vec<IpAddr> = of(Part::Pages).flat_map(|own| own.answers.iter().copied()).filter(|address| is_outer(*address) || doors.contains(address)).collect();
    outside.sort_unstable();
    outside.dedup();
    outside
}

/// True for an address that the internet routes: neither of this machine alone nor of a private network.
#[must_use]
pub fn is_outer(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is between a carrier and its customer (RFC 6598): a neighbour reaches it.
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast() || v6 == Ipv6Addr::LOCALHOST),
    }
}

impl Kind {
    /// What makes it the same finding at the next look.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Unexpected { place, .. } => format!("unexpected {place}"),
            Self::PagesOutside { addresses } => format!("pages_outside {addresses:?}"),
            Self::Silent { part, port } => format!("silent {} {port}", part.as_str()),
            Self::LetsStrangersIn { part } => format!("lets_strangers_in {}", part.as_str()),
            Self::WeakTls { part, offers } => format!("weak_tls {} {}", part.as_str(), offers.join(",")),
            Self::CertificateTime { part, subject, .. } => format!("certificate_time {} {subject}", part.as_str()),
            Self::NotScanned { part, .. } => format!("not_scanned {}", part.as_str()),
            Self::Blind { what } => format!("blind {what}"),
            Self::Gone { name, port } => format!("gone {name} {port}"),
        }
    }
}
