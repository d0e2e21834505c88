//! 回線 (lines): by which road a vendor's connections come, and how that road stands to table 13-1 of the guideline.
//!
//! The class of a line is declared by people; its standing is computed. What is not declared is an open network.

use crate::country::{Country, Place};
use crate::ids::{LineId, VendorId};
use crate::limits;
use crate::plan::content::{check_line, check_text};
use crate::refusal::Refusal;
use crate::source::Network;
use crate::time::{Timestamp, parse_date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

mod standing;
mod times;

pub use standing::{Standing, Verdict};
pub use times::{Hours, Weekday};

/// The class of a line, in the order of table 13-1 of the guideline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineClass {
    /// 専用線.
    Leased,
    /// IP-VPN of a carrier.
    IpVpn,
    /// IPsec with IKEv2, authenticated without a pre-shared key.
    IpsecIkev2,
    /// IPsec with IKEv2 and a pre-shared key.
    IpsecIkev2Psk,
    /// IPsec with IKEv1.
    IpsecIkev1,
    /// SSL-VPN with a client program.
    SslVpnClient,
    /// SSL-VPN without one.
    SslVpnClientless,
    /// An open network, TLS 1.3 with client certificate.
    Tls13,
    /// An open network, TLS 1.2 with client certificate.
    Tls12,
    /// Anything else.
    Other,
    /// 未申告: nobody has said of which class it is.
    #[default]
    Undeclared,
}

impl LineClass {
    /// All classes.
    pub const ALL: [Self; 11] = [
        Self::Leased,
        Self::IpVpn,
        Self::IpsecIkev2,
        Self::IpsecIkev2Psk,
        Self::IpsecIkev1,
        Self::SslVpnClient,
        Self::SslVpnClientless,
        Self::Tls13,
        Self::Tls12,
        Self::Other,
        Self::Undeclared,
    ];

    /// The name in API, command and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::IpVpn => "ip_vpn",
            Self::IpsecIkev2 => "ipsec_ikev2",
            Self::IpsecIkev2Psk => "ipsec_ikev2_psk",
            Self::IpsecIkev1 => "ipsec_ikev1",
            Self::SslVpnClient => "ssl_vpn_client",
            Self::SslVpnClientless => "ssl_vpn_clientless",
            Self::Tls13 => "tls13",
            Self::Tls12 => "tls12",
            Self::Other => "other",
            Self::Undeclared => "undeclared",
        }
    }

    /// Reads what [`LineClass::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// The name as hospital staff write it.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Leased => "専用線",
            Self::IpVpn => "IP-VPN",
            Self::IpsecIkev2 => "IPsec + IKEv2(事前共有鍵なし)",
            Self::IpsecIkev2Psk => "IPsec + IKEv2(事前共有鍵)",
            Self::IpsecIkev1 => "IPsec + IKEv1",
            Self::SslVpnClient => "SSL-VPN(クライアント型)",
            Self::SslVpnClientless => "SSL-VPN(クライアント型以外)",
            Self::Tls13 => "オープンな網: TLS 1.3 + クライアント証明書",
            Self::Tls12 => "オープンな網: TLS 1.2 + クライアント証明書",
            Self::Other => "その他",
            Self::Undeclared => "未申告",
        }
    }

    /// The English name.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Leased => "Leased line",
            Self::IpVpn => "IP-VPN",
            Self::IpsecIkev2 => "IPsec + IKEv2 without pre-shared key",
            Self::IpsecIkev2Psk => "IPsec + IKEv2 with pre-shared key",
            Self::IpsecIkev1 => "IPsec + IKEv1",
            Self::SslVpnClient => "SSL-VPN with client program",
            Self::SslVpnClientless => "SSL-VPN without client program",
            Self::Tls13 => "Open network: TLS 1.3 + client certificate",
            Self::Tls12 => "Open network: TLS 1.2 + client certificate",
            Self::Other => "Other",
            Self::Undeclared => "Not declared",
        }
    }

    /// True for the classes that are an open network whatever is answered about them.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Leased | Self::IpVpn | Self::IpsecIkev2 | Self::IpsecIkev2Psk | Self::IpsecIkev1 | Self::SslVpnClient => false,
            Self::SslVpnClientless | Self::Tls13 | Self::Tls12 | Self::Other | Self::Undeclared => true,
        }
    }
}

/// 責任分界: who answers for which part of the line, and where that is written (guideline 13 ①).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Boundary {
    /// Date of the agreement, `YYYY-MM-DD`.
    pub agreed_on: String,
    /// Who agreed.
    pub by: String,
    /// The paper: its name, number or place.
    pub document: String,
}

/// Why a line of a class that does not conform is used all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LineException {
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// Its last day, `YYYY-MM-DD`.
    pub until: String,
}

impl LineException {
    /// True until the end of its last day.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        parse_date(&self.until).is_some_and(|last| now.date() <= last)
    }
}

/// What is said of a line, by the person who registers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LineContent {
    /// A short name.
    pub name: String,
    /// The class.
    pub class: LineClass,
    /// The carrier (電気通信事業者).
    pub carrier: String,
    /// Networks from which its connections reach Sekisho.
    pub addresses: Vec<Network>,
    /// Countries that these networks have to lie in as well, by the table of countries; none means that nobody asks.
    pub countries: BTreeSet<Country>,
    /// Other ways of this vendor into the hospital, beside Sekisho.
    pub other_routes: String,
    /// The vendor has declared that there are none.
    pub no_other_routes: bool,
    /// Who answers for which part.
    pub boundary: Option<Boundary>,
    /// 接続先が限定されている: it leads nowhere but to those who belong there (guideline 13.1, figure 13-1).
    pub destinations_limited: bool,
    /// 経路が管理されている: somebody answers for its route.
    pub route_managed: bool,
    /// Spans of the week in which it may be used; none means at any time.
    pub times: Vec<Hours>,
    /// From this moment on.
    pub valid_from: Option<Timestamp>,
    /// Until this moment.
    pub valid_until: Option<Timestamp>,
    /// The approved exception, for a class that does not conform.
    pub exception: Option<LineException>,
    /// Anything else.
    pub note: String,
}

impl LineContent {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`] with the field, [`Refusal::TooMany`].
    pub fn check(&self) -> Result<(), Refusal> {
        for (field, text) in [("name", &self.name), ("carrier", &self.carrier)] {
            check_line(field, text)?;
        }
        for (field, text) in [("other_routes", &self.other_routes), ("note", &self.note)] {
            check_text(field, text)?;
        }
        let must = |sound: bool, field: &str| if sound { Ok(()) } else { Err(Refusal::bad_field(field)) };
        must(!self.name.trim().is_empty(), "name")?;
        must(self.class != LineClass::Undeclared, "class")?;
        must(!self.addresses.is_empty(), "addresses")?;
        // On a closed line an address shows the device; one that is half of the world shows nothing.
        must(self.class.is_open() || !self.addresses.iter().any(|network| network.is_vast()), "addresses")?;
        if self.addresses.len() > limits::LINE_ADDRESSES {
            return Err(Refusal::too_many("LINE_ADDRESSES"));
        }
        if self.countries.len() > limits::LINE_COUNTRIES {
            return Err(Refusal::too_many("LINE_COUNTRIES"));
        }
        if self.times.len() > limits::LINE_TIMES {
            return Err(Refusal::too_many("LINE_TIMES"));
        }
        must(self.times.iter().all(Hours::is_sound), "times")?;
        // Either they are named or it is said that there are none; silence is no answer.
        must(self.no_other_routes == self.other_routes.trim().is_empty(), "other_routes")?;
        let span = self.valid_from.zip(self.valid_until);
        must(span.is_none_or(|(from, until)| from < until), "valid_until")?;
        if let Some(exception) = &self.exception {
            check_text("exception", &exception.reason)?;
            check_line("exception", &exception.approved_by)?;
            must(!exception.reason.trim().is_empty() && !exception.approved_by.trim().is_empty() && parse_date(&exception.until).is_some(), "exception")?;
        }
        // Without it a connection is not set active (guideline 13 ①).
        let boundary = self.boundary.as_ref().ok_or_else(|| Refusal::bad_field("boundary"))?;
        check_line("boundary", &boundary.by)?;
        check_line("boundary", &boundary.document)?;
        must(parse_date(&boundary.agreed_on).is_some() && !boundary.by.trim().is_empty() && !boundary.document.trim().is_empty(), "boundary")
    }
}

/// A line (回線), a row of the connection register (接続台帳).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Identifier.
    pub id: LineId,
    /// Whose.
    pub vendor: VendorId,
    /// What is said of it.
    #[serde(flatten)]
    pub content: LineContent,
    /// False once it was ended.
    pub active: bool,
}

impl Line {
    /// True if it may be used at this moment, its times apart.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        let content = &self.content;
        self.active && content.valid_from.is_none_or(|from| now >= from) && content.valid_until.is_none_or(|end| now < end)
    }

    /// True if a connection from this address came over it.
    #[must_use]
    pub fn carries(&self, source: IpAddr) -> bool {
        self.content.addresses.iter().any(|network| network.contains(source))
    }

    /// Whether it may be used from there.
    ///
    /// # Errors
    /// [`Refusal::CountryNotAllowed`], also for an address that the table does not name; [`Refusal::CountryTableMissing`].
    pub fn admits(&self, place: Place) -> Result<(), Refusal> {
        let allowed = &self.content.countries;
        match place {
            _ if allowed.is_empty() => Ok(()),
            Place::Inner => Ok(()),
            Place::In(country) if allowed.contains(&country) => Ok(()),
            Place::In(country) => Err(Refusal::CountryNotAllowed { country: country.to_string() }),
            Place::Unlisted => Err(Refusal::CountryNotAllowed { country: "--".to_owned() }),
            Place::NoTable => Err(Refusal::CountryTableMissing),
        }
    }

    /// True if the moment lies in its times.
    #[must_use]
    pub fn is_in_times(&self, now: Timestamp) -> bool {
        self.content.times.is_empty() || self.content.times.iter().any(|hours| hours.covers(now))
    }

    /// True for an open network: by its class, or because its destinations are not limited or its route is not managed
    /// (guideline 13.1). A device must prove itself by certificate there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.content.class.is_open() || !self.content.destinations_limited || !self.content.route_managed
    }

    /// Until when it may be used without a break from `now` on, as far as that lies within a week; `None` for longer.
    #[must_use]
    pub fn usable_until(&self, now: Timestamp) -> Option<Timestamp> {
        let week = now.plus(Duration::from_secs(8 * 24 * 3600));
        let mut at = now;
        // Spans may follow each other without a gap; each step goes to the end of one, and there are few.
        for _ in 0..=8 * limits::LINE_TIMES {
            match self.content.times.iter().filter_map(|hours| hours.end(at)).max() {
                Some(end) if end > at && end < week => at = end,
                Some(_) => return self.content.valid_until,
                None => break,
            }
        }
        let times = (!self.content.times.is_empty()).then_some(at);
        [times, self.content.valid_until].into_iter().flatten().min()
    }

    /// True if TLS 1.2 may be spoken on it at this moment (guideline 13 ⑥: only where 1.3 is difficult).
    #[must_use]
    pub fn admits_tls12(&self, now: Timestamp) -> bool {
        self.is_valid(now) && self.is_in_times(now) && self.content.class == LineClass::Tls12 && self.content.exception.as_ref().is_some_and(|exception| exception.holds(now))
    }
}

/// The line by which a connection of a vendor came: of those that carry the address, are valid and admit its country, the
/// one that serves it best at this moment.
///
/// # Errors
/// [`Refusal::SourceNotAllowed`] if there is none, [`Refusal::LineOutsideTimes`] if all of them rest, the refusal of
/// [`Line::admits`] if none of them may be used from that country.
pub fn line_of<'a>(lines: &'a [Line], vendor: &VendorId, source: IpAddr, place: Place, now: Timestamp) -> Result<&'a Line, Refusal> {
    let (mut rests, mut abroad) = (None, None);
    let mut best: Option<&Line> = None;
    for line in lines.iter().filter(|line| line.vendor == *vendor && line.is_valid(now) && line.carries(source)) {
        if let Err(refusal) = line.admits(place) {
            abroad.get_or_insert(refusal);
        } else if !line.is_in_times(now) {
            rests.get_or_insert(line);
        } else if best.is_none_or(|best| best.is_open() && !line.is_open()) {
            best = Some(line);
        }
    }
    match (best, rests, abroad) {
        (Some(line), _, _) => Ok(line),
        (None, Some(line), _) => Err(Refusal::LineOutsideTimes { line: line.content.name.clone() }),
        (None, None, Some(refusal)) => Err(refusal),
        (None, None, None) => Err(Refusal::SourceNotAllowed),
    }
}

/// True if the lines of a vendor that are in force all exclude this address: the closed ones do not carry it, and none of
/// the others may be used from its country. Without a line nothing can be said.
#[must_use]
pub fn is_off_all_lines(lines: &[Line], source: IpAddr, place: Place, now: Timestamp) -> bool {
    let mut valid = lines.iter().filter(|line| line.is_valid(now)).peekable();
    valid.peek().is_some() && valid.all(|line| line.admits(place).is_err() || (!line.is_open() && !line.carries(source)))
}

/// The days of the week a set names, for forms.
pub(crate) type Days = BTreeSet<Weekday>;

#[cfg(test)]
mod tests;
