//! 国の表: which country an address was given to, by the statistics of the regional registries, and what a line makes of it.
//!
//! The table is a claim of those who give addresses out, and says nothing of a relay in between: countries narrow the
//! networks of a line down and never stand in their place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

mod read;

pub use read::{CountryBreach, Reading, read};

/// A country by its two letters (ISO 3166-1), such as `JP`. The registries also use `EU` and `AP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters; `None` for anything else, and for `ZZ`, by which registries say that there is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [first, second] = text.trim().as_bytes() else { return None };
        let letters = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        (letters.iter().all(u8::is_ascii_uppercase) && letters != *b"ZZ").then_some(Self(letters))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0;
        write!(f, "{}{}", char::from(first), char::from(second))
    }
}

impl TryFrom<String> for Country {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no country such as JP"))
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

/// Where an address belongs, by the table of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The table names its country.
    In(Country),
    /// An address that the internet does not route: loopback, private, link-local. It has no country, and the networks of
    /// a line alone judge it.
    Inner,
    /// The table does not name it.
    Unlisted,
    /// There is no table.
    NoTable,
}

impl Place {
    /// Where an address belongs. One that the table names counts as named, whatever else it is.
    #[must_use]
    pub fn of(table: Option<&CountryTable>, address: IpAddr) -> Self {
        match table.and_then(|table| table.find(address)) {
            Some(country) => Self::In(country),
            None if is_inner(address) => Self::Inner,
            None if table.is_some() => Self::Unlisted,
            None => Self::NoTable,
        }
    }

    /// The country, if one is known.
    #[must_use]
    pub fn country(self) -> Option<Country> {
        match self {
            Self::In(country) => Some(country),
            Self::Inner | Self::Unlisted | Self::NoTable => None,
        }
    }
}

/// An address that is given to no country because no registry gives it out (RFC 1918, 6598, 4193, 3927, 4291).
fn is_inner(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Addresses of one country, both ends included. IPv4 addresses stand as numbers below 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u128,
    last: u128,
    country: Country,
}

/// The table, sorted and without overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryTable {
    v4: Vec<Span>,
    v6: Vec<Span>,
}

impl CountryTable {
    /// The country of an address. An IPv4 address that arrives in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<Country> {
        let (spans, number) = match address.to_canonical() {
            IpAddr::V4(v4) => (&self.v4, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (&self.v6, v6.to_bits()),
        };
        let at = spans.partition_point(|span| span.last < number);
        spans.get(at).filter(|span| span.first <= number).map(|span| span.country)
    }

    /// Spans of IPv4 and of IPv6 addresses.
    #[must_use]
    pub fn spans(&self) -> (usize, usize) {
        (self.v4.len(), self.v6.len())
    }

    /// The table as lines `first,last,country`, in order: the form in which it is kept and given out, and whose SHA-256
    /// stands in the log. [`read`] reads it back.
    #[must_use]
    pub fn to_csv(&self) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(32 * (self.v4.len() + self.v6.len()));
        let v4 = |number: u128| IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into());
        let rows = self.v4.iter().map(|span| (v4(span.first), v4(span.last), span.country));
        let wide = self.v6.iter().map(|span| (IpAddr::V6(span.first.into()), IpAddr::V6(span.last.into()), span.country));
        for (first, last, country) in rows.chain(wide) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{first},{last},{country}");
        }
        text
    }
}

impl TryFrom<String> for CountryTable {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match read(&[text.as_bytes()]) {
            Ok(reading) => Ok(reading.table),
            Err(CountryBreach::Empty) => Ok(Self::default()),
            Err(breach) => Err(format!("{breach:?}")),
        }
    }
}

impl From<CountryTable> for String {
    fn from(table: CountryTable) -> Self {
        table.to_csv()
    }
}

#[cfg(test)]
mod tests;
