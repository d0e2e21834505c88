//! Reads what registries publish (delegated statistics, plain and extended, the form that all five share) and simple lists
//! (`first,last,country` or `network,country`).

use super::{Country, CountryTable, Span};
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a reading gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The table.
    pub table: CountryTable,
    /// Rows that named a country.
    pub rows: usize,
    /// Rows that named none: free and reserved addresses, numbers of networks (AS).
    pub skipped: usize,
    /// Places where rows name different countries. They belong to none.
    pub conflicts: usize,
    /// The oldest date that the files name, `YYYY-MM-DD`; empty if none names one.
    pub dated: String,
    /// The registries that the files are of, by their own names.
    pub registries: Vec<String>,
    /// Rows fewer than the files themselves say that they have: a file was cut off.
    pub missing: usize,
}

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountryBreach {
    /// This line of this file, both counted from 1, cannot be read.
    Line {
        /// Which file.
        file: usize,
        /// Which line of it.
        line: usize,
    },
    /// The files are larger together than [`limits::COUNTRY_FILE_BYTES`].
    TooLarge,
    /// More of something than the limit of this name.
    TooMany(&'static str),
    /// No row names a country.
    Empty,
}

/// Longest line of any of the forms, in bytes.
const LINE: usize = 512;

/// Reads files into one table.
///
/// # Errors
/// The first thing that cannot be read or is too large.
pub fn read(files: &[&[u8]]) -> Result<Reading, CountryBreach> {
    if files.iter().map(|file| file.len()).sum::<usize>() > limits::COUNTRY_FILE_BYTES {
        return Err(CountryBreach::TooLarge);
    }
    let mut found = Found::default();
    for (number, file) in (1..).zip(files) {
        found.announced = None;
        for (place, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
            let bad = CountryBreach::Line { file: number, line: place };
            let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= LINE).ok_or_else(|| bad.clone())?;
            // Editors of other systems put a mark in front of the first line, and a carriage return at the end of each.
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let row = if text.contains('|') { found.delegated(text) } else { found.listed(text, place == 1) };
            row.ok_or(bad)?;
            if found.v4.len() + found.v6.len() > limits::COUNTRY_ROWS {
                return Err(CountryBreach::TooMany("COUNTRY_ROWS"));
            }
        }
        found.part_ended();
    }
    found.reading()
}

/// What was found so far.
#[derive(Default)]
struct Found {
    v4: Vec<Span>,
    v6: Vec<Span>,
    out: Reading,
    /// Rows that the part under way says it has, and those that it had.
    announced: Option<(usize, usize)>,
}

impl Found {
    fn part_ended(&mut self) {
        if let Some((said, had)) = self.announced.take() {
            self.out.missing += said.saturating_sub(had);
        }
    }

    /// `2|apnic|20261121|83000|19830613|20261120|+1000`, `apnic|*|ipv4|*|50000|summary`,
    /// `apnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A92D9378`.
    fn delegated(&mut self, text: &str) -> Option<()> {
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        let [registry, country, kind, start, value, rest @ ..] = fields.as_slice() else { return None };
        if registry.starts_with(|first: char| first.is_ascii_digit()) {
            return self.headed(country, kind, start, rest.first().copied().unwrap_or_default());
        }
        if rest.first() == Some(&"summary") || *value == "summary" {
            return Some(());
        }
        if let Some((_, had)) = &mut self.announced {
            *had += 1;
        }
        let status = rest.get(1).copied()?;
        let (true, Some(country)) = (matches!(status, "allocated" | "assigned"), Country::parse(country)) else {
            self.out.skipped += 1;
            return Some(());
        };
        match *kind {
            "asn" => {
                self.out.skipped += 1;
                Some(())
            }
            "ipv4" => {
                let first: std::net::Ipv4Addr = start.parse().ok()?;
                let many: u32 = value.parse().ok().filter(|many| *many > 0)?;
                let first = first.to_bits();
                self.put(IpAddr::V4(first.into()), IpAddr::V4(first.checked_add(many - 1)?.into()), country)
            }
            "ipv6" => {
                let first: std::net::Ipv6Addr = start.parse().ok()?;
                let bits: u8 = value.parse().ok().filter(|bits| (1..=128).contains(bits))?;
                self.network(IpAddr::V6(first), bits, country)
            }
            _ => None,
        }
    }

    /// The line in front of a part: who wrote it and when, and how many rows follow.
    fn headed(&mut self, registry: &str, serial: &str, records: &str, end: &str) -> Option<()> {
        self.part_ended();
        if registry.is_empty() || registry.len() > 16 || !registry.bytes().all(|byte| byte.is_ascii_alphanumeric()) || self.out.registries.len() >= 64 {
            return None;
        }
        // Some registries put a date there, others a count of seconds; the last column but one is a date everywhere.
        let date = compact_date(end).or_else(|| compact_date(serial))?;
        if self.out.dated.is_empty() || date < self.out.dated {
            self.out.dated = date;
        }
        if !self.out.registries.iter().any(|known| known == registry) {
            self.out.registries.push(registry.to_owned());
        }
        self.announced = Some((records.parse().ok()?, 0));
        Some(())
    }

    /// `1.0.16.0,1.0.31.255,JP` or `1.0.16.0/20,JP`, with or without quotation marks.
    fn listed(&mut self, text: &str, first_line: bool) -> Option<()> {
        let fields: Vec<&str> = text.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let (start, end, country) = match fields.as_slice() {
            [network, country] => (*network, None, *country),
            [start, end, country] => (*start, Some(*end), *country),
            _ => return None,
        };
        // The names of the columns, in any language.
        if first_line && !start.is_empty() && start.chars().all(|letter| letter.is_alphabetic() || letter == '_' || letter == ' ') {
            return Some(());
        }
        let country = match country {
            "" | "-" | "ZZ" => None,
            other => Some(Country::parse(other)?),
        };
        let Some(country) = country else {
            self.out.skipped += 1;
            return Some(());
        };
        match end {
            Some(end) => self.put(start.parse().ok()?, end.parse().ok()?, country),
            None => {
                let (base, bits) = start.split_once('/')?;
                let bits: u8 = Some(bits).filter(|bits| bits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
                self.network(base.parse().ok()?, bits, country)
            }
        }
    }

    fn network(&mut self, base: IpAddr, bits: u8, country: Country) -> Option<()> {
        let (number, width) = match base {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32_u32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let below = width.checked_sub(u32::from(bits))?;
        let free = 1_u128.checked_shl(below).map_or(u128::MAX, |many| many - 1);
        if number & free != 0 {
            return None;
        }
        let last = number | free;
        self.span(base.is_ipv4(), Span { first: number, last, country });
        Some(())
    }

    fn put(&mut self, first: IpAddr, last: IpAddr, country: Country) -> Option<()> {
        let (v4, first, last) = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (true, u128::from(first.to_bits()), u128::from(last.to_bits())),
            (IpAddr::V6(first), IpAddr::V6(last)) => (false, first.to_bits(), last.to_bits()),
            _ => return None,
        };
        if first > last {
            return None;
        }
        self.span(v4, Span { first, last, country });
        Some(())
    }

    fn span(&mut self, v4: bool, span: Span) {
        self.out.rows += 1;
        if v4 { self.v4.push(span) } else { self.v6.push(span) }
    }

    fn reading(self) -> Result<Reading, CountryBreach> {
        let Self { v4, v6, mut out, .. } = self;
        let ((v4, one), (v6, other)) = (without_overlap(&v4), without_overlap(&v6));
        out.conflicts = one + other;
        if out.conflicts > limits::COUNTRY_CONFLICTS {
            return Err(CountryBreach::TooMany("COUNTRY_CONFLICTS"));
        }
        if v4.len() + v6.len() > limits::COUNTRY_SPANS {
            return Err(CountryBreach::TooMany("COUNTRY_SPANS"));
        }
        if v4.is_empty() && v6.is_empty() {
            return Err(CountryBreach::Empty);
        }
        out.table = CountryTable { v4, v6 };
        Ok(out)
    }
}

/// `20261120` as `2026-11-20`.
fn compact_date(text: &str) -> Option<String> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    let date = format!("{year}-{month}-{day}");
    crate::time::parse_date(&date).map(crate::time::format_date)
}

/// Sorts spans, joins neighbours of one country, and leaves out what different rows give to different countries; with the
/// number of such places.
fn without_overlap(spans: &[Span]) -> (Vec<Span>, usize) {
    // At each point some rows begin, and some have ended just before it.
    let mut points: Vec<(u128, i32, Country)> = Vec::with_capacity(spans.len() * 2);
    for span in spans {
        points.push((span.first, 1, span.country));
        if let Some(after) = span.last.checked_add(1) {
            points.push((after, -1, span.country));
        }
    }
    points.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    let (mut conflicts, mut contested_until) = (0, None);
    let mut open: BTreeMap<Country, i32> = BTreeMap::new();
    let mut at = 0;
    while let Some(&(point, _, _)) = points.get(at) {
        while let Some(&(_, change, country)) = points.get(at).filter(|next| next.0 == point) {
            let count = open.entry(country).or_insert(0);
            *count += change;
            if *count == 0 {
                open.remove(&country);
            }
            at += 1;
        }
        // Up to the next point, or to the end of all addresses.
        let last = points.get(at).map_or(u128::MAX, |next| next.0 - 1);
        match open.len() {
            0 => {}
            1 => {
                let country = open.keys().next().copied();
                match (joined.last_mut(), country) {
                    (Some(before), Some(country)) if before.country == country && before.last.checked_add(1) == Some(point) => before.last = last,
                    (_, Some(country)) => joined.push(Span { first: point, last, country }),
                    (_, None) => {}
                }
            }
            _ => {
                if contested_until != Some(point) {
                    conflicts += 1;
                }
                contested_until = last.checked_add(1);
            }
        }
    }
    (joined, conflicts)
}
