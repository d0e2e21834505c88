//! Windows Event Log files (`.evtx`): a head, and chunks of 64 KiB with records and what they share.

use super::binxml::{Reader, Said};
use super::{Bytes, Contents, Record};
use crate::limits;
use crate::login::bounded;
use crate::read::of_windows;
use sekisho_core::around::ImportForm;
use sekisho_core::time::Timestamp;

const FILE_MARK: &[u8] = b"ElfFile\0";
const CHUNK_MARK: &[u8] = b"ElfChnk\0";
const RECORD_MARK: u32 = 0x2a2a;
/// Where the first chunk begins.
const HEAD: usize = 4096;
const CHUNK: usize = 65_536;
/// Where the first record of a chunk begins.
const RECORDS: usize = 512;
/// Bytes that reading one chunk may go through: more than any real one takes, and bounded, since a template can be asked for again
/// and again.
const CHUNK_WORK: usize = 4 * 1024 * 1024;
/// The same for a whole file, for each of its bytes.
const WORK_OF_BYTE: usize = 48;

/// Whether a file calls itself one.
#[must_use]
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(FILE_MARK)
}

/// A time of Windows: units of 100 ns since 1601.
pub(super) fn moment(time: u64) -> Timestamp {
    Timestamp(i64::try_from(time / 10_000).unwrap_or(i64::MAX).saturating_sub(11_644_473_600_000))
}

/// Reads such a file. Damaged chunks and records are named and passed over.
#[must_use]
pub fn read(bytes: &[u8], most: usize) -> Contents {
    let mut contents = Contents::new(ImportForm::Evtx);
    let (mut left, mut work) = (0, bytes.len().saturating_mul(WORK_OF_BYTE));
    for (nth, chunk) in bytes.get(HEAD..).unwrap_or_default().chunks(CHUNK).enumerate() {
        // The room behind the last chunk is empty.
        if chunk.iter().take(128).all(|byte| *byte == 0) {
            continue;
        }
        if chunk.len() < CHUNK || !chunk.starts_with(CHUNK_MARK) {
            contents.trouble(format!("{nth} 番目の区画が壊れているか、途中で切れています / chunk {nth} is none, or cut off"));
            continue;
        }
        if work == 0 {
            contents.trouble(format!("本物にない手間のかかる作りのため、{nth} 番目の区画から後を読んでいません / the file takes more work than any real one; chunk {nth} and those after it were not read"));
            break;
        }
        let given = work.min(CHUNK_WORK);
        let unused = self::chunk(nth, chunk, (most, given), &mut contents, &mut left);
        work = work.saturating_sub(given.saturating_sub(unused));
    }
    if left > 0 {
        contents.trouble(format!("記録が多すぎるため、残りの {left} 件は読んでいません / {left} further records are too many and were not read"));
    }
    contents
}

/// Reads a chunk, and says how much of the work that was given is left.
fn chunk(nth: usize, chunk: &[u8], (most, work): (usize, usize), contents: &mut Contents, left: &mut u64) -> usize {
    let bytes = Bytes(chunk);
    let free = bytes.place(0x30).filter(|free| (RECORDS..=CHUNK).contains(free)).unwrap_or(CHUNK);
    let sum = |parts: &[&[u8]]| parts.iter().fold(!0, |crc, part| crc32(crc, part)) ^ !0;
    let head = [chunk.get(..0x78).unwrap_or_default(), chunk.get(0x80..RECORDS).unwrap_or_default()];
    if bytes.u32(0x7c) != Some(sum(&head)) || bytes.u32(0x34) != Some(sum(&[chunk.get(RECORDS..free).unwrap_or_default()])) {
        contents.trouble(format!("{nth} 番目の区画の検査値が合いません。書き込み中に写したか、書き換えられています / the checksum of chunk {nth} does not hold: it was copied while it was written, or changed"));
    }
    let (mut reader, mut at) = (Reader::new(chunk, work), RECORDS);
    while at + 24 <= free {
        let (mark, length) = (bytes.u32(at), bytes.place(at + 4).unwrap_or(0));
        let end = at.saturating_add(length);
        if mark != Some(RECORD_MARK) || length < 28 || end > free || bytes.place(end - 4) != Some(length) {
            contents.trouble(format!("{nth} 番目の区画は {at} バイト目から読めません / chunk {nth} is damaged from byte {at} on"));
            return reader.left();
        }
        let (number, time) = (bytes.u64(at + 8).unwrap_or_default(), moment(bytes.u64(at + 16).unwrap_or_default()));
        contents.saw(time);
        match reader.event(at + 24, end - 4) {
            Ok(said) => {
                if let Some(record) = record(&said, number, time) {
                    contents.names(&record.login.host);
                    if !contents.keep(record, most) {
                        *left += 1;
                    }
                }
            }
            Err(_) => contents.trouble(format!("{nth} 番目の区画の記録 {number} が読めません / record {number} in chunk {nth} cannot be read")),
        }
        if reader.is_spent() {
            contents.trouble(format!("{nth} 番目の区画は本物にない作りのため、記録 {number} から後を読んでいません / chunk {nth} takes more work than any real one; its records after {number} were not read"));
            return 0;
        }
        at = end;
    }
    reader.left()
}

/// The login that an event tells of. Anybody can write events of any number in the name of a program of their own, so number,
/// channel and provider go together.
fn record(said: &Said, number: u64, time: Timestamp) -> Option<Record> {
    let get = |name: &str| said.0.get(name).map(String::as_str).unwrap_or_default();
    let (id, channel, provider): (u64, _, _) = (get("EventID").parse().ok()?, get("Channel"), get("SourceName"));
    let own = match id {
        4624 | 4625 | 4634 | 4647 | 4648 | 4778 | 4779 => channel == "Security" && provider == "Microsoft-Windows-Security-Auditing",
        1149 => provider == "Microsoft-Windows-TerminalServices-RemoteConnectionManager",
        21 | 24 | 25 => provider == "Microsoft-Windows-TerminalServices-LocalSessionManager",
        2 | 4 => provider == "OpenSSH",
        _ => false,
    };
    if !own {
        return None;
    }
    let map = said.0.iter().map(|(name, value)| (name.clone(), serde_json::Value::String(value.clone()))).collect();
    let (host, _, login) = of_windows(&serde_json::Value::Object(map));
    let mut login = login?;
    (login.at, login.host) = (Some(time), host);
    // What is shown are the values by which it is judged.
    let names = ["LogonType", "TargetDomainName", "TargetUserName", "SubjectUserName", "AccountName", "User", "Param1", "IpAddress", "IpPort", "ClientAddress", "Address", "Param3", "WorkstationName", "ProcessName", "payload"];
    let values: Vec<String> = names.iter().filter(|name| !get(name).is_empty()).map(|name| format!("{name}={}", get(name))).collect();
    let shown = bounded(&format!("{} {} EventID={id} Record={number} {}", time.rfc3339(), login.host, values.join(" ")), limits::SHOWN_CHARS);
    // Everything that it says makes it this one: whoever changes the account or the address of a real record makes another one, and
    // takes its place from nobody. Offsets within the file do not count, because each export lays them out anew.
    let mut identity = Vec::new();
    for part in [number.to_string(), time.0.to_string()].iter().chain(said.0.iter().flat_map(|(name, value)| [name, value])) {
        identity.extend_from_slice(&(part.len() as u64).to_le_bytes());
        identity.extend_from_slice(part.as_bytes());
    }
    let place = format!("{}|{channel}|{number}|{}", login.host, time.0).into_bytes();
    Some(Record { login, identity, place, shown })
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let (mut table, mut nth) = ([0; 256], 0);
    while nth < 256 {
        let (mut value, mut bit) = (nth as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[nth] = value;
        nth += 1;
    }
    table
}

/// CRC-32 (IEEE 802.3), as the files have it.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| TABLE.get(((crc ^ u32::from(*byte)) & 0xff) as usize).copied().unwrap_or(0) ^ (crc >> 8))
}
