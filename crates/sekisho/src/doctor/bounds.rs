//! The list of limits, for people.

mod rooms;

use rooms::{ROOMS, Room};
use sekisho_connect::help::Language;
use sekisho_core::limits::{ALL, Limit};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What each limit bounds, and what is counted, in Japanese.
const TABLE: &str = include_str!("bounds.ja.json");

#[derive(Default, Deserialize)]
struct Table {
    units: BTreeMap<String, String>,
    /// By the name of the limit in `core`.
    limits: BTreeMap<String, String>,
    /// By room and name.
    rooms: BTreeMap<String, BTreeMap<String, String>>,
}

/// One line for each limit: its name, its value, and what it bounds.
pub(super) fn list(language: Language) -> String {
    let table: Table = match language {
        // It is part of the program, and a test reads it.
        Language::Ja => serde_json::from_str(TABLE).unwrap_or_default(),
        Language::En => Table::default(),
    };
    let count = ALL.len() + ROOMS.iter().map(|room| room.values.len()).sum::<usize>();
    let mut text = match language {
        Language::Ja => format!("\n上限({count} 件)。名前、値、意味\n"),
        Language::En => format!("\nLimits ({count}): name, value, and what it bounds\n"),
    };
    for limit in ALL {
        let sentence = table.limits.get(limit.name).cloned().unwrap_or_else(|| sentence(limit));
        text.push_str(&format!("  {} = {}  {sentence}\n", limit.name, value(limit.value as u64, limit.unit, &table)));
    }
    for room in ROOMS {
        text.push_str(&match language {
            Language::Ja => format!("\n  {}({})\n", room.titles.0, room.name),
            Language::En => format!("\n  {} ({})\n", room.titles.1, room.name),
        });
        for (name, number) in room.values {
            let sentence = table.rooms.get(room.name).and_then(|words| words.get(*name)).cloned().unwrap_or_else(|| room.sentence(name));
            text.push_str(&format!("  {name} = {}  {sentence}\n", value(*number, unit_of(name), &table)));
        }
    }
    text
}

/// All of them for machines. Units and sentences are English.
pub(super) fn values() -> Vec<serde_json::Value> {
    let core = ALL.iter().map(|limit| json!({ "name": limit.name, "value": limit.value, "unit": limit.unit, "bounds": sentence(limit), "room": "core" }));
    let of = |room: &'static Room| room.values.iter().map(move |(name, value)| json!({ "name": name, "value": value, "unit": unit_of(name), "bounds": room.sentence(name), "room": room.name }));
    core.chain(ROOMS.iter().flat_map(of)).collect()
}

/// What a limit of a room counts, by its name; nothing where the sentence says it.
fn unit_of(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("BYTES") => "bytes",
        Some("CHARS") => "characters",
        _ => "",
    }
}

/// What a limit bounds, in one line and without the marks of documentation.
fn sentence(limit: &Limit) -> String {
    bare(&limit.lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "))
}

/// A sentence without the marks of documentation.
fn bare(text: &str) -> String {
    text.replace("[`", "").replace("`]", "").replace('`', "")
}

/// The value with its unit: bytes in the largest unit that divides them, other numbers with commas.
fn value(value: u64, unit: &str, table: &Table) -> String {
    if let Some(rest) = unit.strip_prefix("bytes") {
        for (shift, name) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if value >= 1 << shift && value.is_multiple_of(1 << shift) {
                let rest = if rest.is_empty() || table.units.is_empty() { rest } else { "/秒" };
                return format!("{} {name}{rest}", grouped(value >> shift));
            }
        }
    }
    let unit = table.units.get(unit).map_or(unit, String::as_str);
    format!("{} {unit}", grouped(value)).trim_end().to_owned()
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_and_unit_has_japanese_words_and_none_is_left_over() {
        let table: Table = serde_json::from_str(TABLE).unwrap();
        let missing: Vec<_> = ALL.iter().filter(|limit| table.limits.get(limit.name).is_none_or(|words| words.is_empty())).map(|limit| format!("{}: {}", limit.name, sentence(limit))).collect();
        let of = |room: &'static Room| room.values.iter().map(move |(name, _)| (room.name, *name));
        let words = |(room, name): &(&str, &str)| table.rooms.get(*room).and_then(|words| words.get(*name)).is_some_and(|words| !words.is_empty());
        let beside: Vec<_> = ROOMS.iter().flat_map(of).filter(|key| !words(key)).collect();
        assert!(beside.is_empty(), "doctor/bounds.ja.json must say in Japanese: {beside:?}");
        assert_eq!(table.rooms.values().map(BTreeMap::len).sum::<usize>(), ROOMS.iter().map(|room| room.values.len()).sum::<usize>(), "words for a limit that no room has");
        assert!(missing.is_empty(), "doctor/bounds.ja.json must say in Japanese:\n{}", missing.join("\n"));
        let stale: Vec<_> = table.limits.keys().filter(|name| !ALL.iter().any(|limit| limit.name == *name)).collect();
        assert!(stale.is_empty(), "there is no such limit: {stale:?}");
        let units: Vec<_> = ALL.iter().map(|limit| limit.unit).filter(|unit| !table.units.contains_key(*unit)).collect();
        assert!(units.is_empty(), "units without Japanese words: {units:?}");
        assert!(table.units.keys().all(|unit| ALL.iter().any(|limit| limit.unit == unit)), "a unit that no limit has");
    }

    #[test]
    fn values_are_read_at_a_glance() {
        let (en, ja) = (list(Language::En), list(Language::Ja));
        assert!(en.contains("  ATTACHMENT_BYTES = 10 MiB  Size of one attachment.\n"), "{en}");
        assert!(en.contains("  RECHECK_BYTES_SECOND = 8 MiB a second  "), "{en}");
        assert!(ja.contains("  ATTACHMENT_BYTES = 10 MiB  添付ファイル1つの大きさ\n"), "{ja}");
        assert!(ja.contains("  RECHECK_BYTES_SECOND = 8 MiB/秒  "), "{ja}");
        assert!(ja.contains("  COUNTRY_ROWS = 2,000,000 件  "), "{ja}");
        assert!(en.contains("  SFTP_HANDLES = 256  SFTP handles open at once. OpenSSH's server gives out 200.\n"), "{en}");
        assert!(ja.contains("  STAGED_FILE_BYTES = 2 GiB  隔離できるファイル1つの大きさ\n"), "{ja}");
        assert_eq!(en.lines().count(), ja.lines().count());
    }
}
