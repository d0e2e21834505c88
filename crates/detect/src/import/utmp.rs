//! `wtmp` and `btmp` of Linux: records of one length, as glibc lays them out (`utmp(5)`).
//!
//! On x86-64 times and sessions have 32 bits for the sake of older programs and a record 384 bytes; on aarch64 they have 64
//! bits, and it has 400.

use super::{Bytes, Contents, NotRead, Record};
use crate::limits;
use crate::login::{Kind, TargetLogin, Way, address, bounded};
use sekisho_core::around::ImportForm;
use sekisho_core::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records that are looked at to tell one layout from the other.
const LOOKED: usize = 200;
/// The kinds of records.
const KINDS: std::ops::RangeInclusive<u16> = 0..=9;
/// Somebody came in.
const USER_PROCESS: u16 = 7;
/// Somebody left.
const DEAD_PROCESS: u16 = 8;
/// Somebody is asked for a name; in a `btmp`, an attempt.
const LOGIN_PROCESS: u16 = 6;
/// Kinds that tell of the machine itself: its start, its clock, its screens.
const RUN_LEVEL: u16 = 1;
const INIT_PROCESS: u16 = 5;
/// What stands in the place of a name while nobody has given one.
const WAITING: &str = "LOGIN";

/// Where the fields lie that differ.
#[derive(Clone, Copy)]
struct Layout {
    length: usize,
    seconds: usize,
    wide: bool,
    address: usize,
}

const LAYOUTS: [Layout; 2] = [Layout { length: 384, seconds: 340, wide: false, address: 348 }, Layout { length: 400, seconds: 344, wide: true, address: 360 }];

impl Layout {
    fn seconds(self, record: Bytes<'_>) -> Option<i64> {
        if self.wide { record.array(self.seconds).map(i64::from_le_bytes) } else { record.array(self.seconds).map(|bytes| i64::from(u32::from_le_bytes(bytes))) }
    }

    /// Whether a record can be one of this layout.
    fn fits(self, record: &[u8]) -> bool {
        let bytes = Bytes(record);
        let texts = [(8, 32), (44, 32), (76, 256)];
        let plain = texts.iter().all(|(at, length)| bytes.slice(*at, *length).is_some_and(is_text));
        bytes.u16(0).is_some_and(|kind| KINDS.contains(&kind)) && plain && self.seconds(bytes).is_some_and(|seconds| (0..=i64::from(u32::MAX)).contains(&seconds))
    }
}

/// A text ends with the first zero, and is written in letters that can be seen.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take_while(|byte| **byte != 0).all(|byte| *byte >= 0x20 && *byte != 0x7f)
}

fn text(record: Bytes<'_>, at: usize, length: usize, chars: usize) -> String {
    let bytes = record.slice(at, length).unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bounded(&String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()), chars)
}

/// What a record by itself says of the file that it stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// It is written into a `wtmp` alone: a screen that was opened or left, a start of the machine.
    Logins,
    /// It is written into a `btmp` alone: a name that was tried.
    Attempts,
}

/// Which of the two files a record belongs to. `None` if it can stand in both: the login of a desktop and an attempt at it are
/// written alike, and so is a console that waits for a name.
fn mark(record: Bytes<'_>, kind: u16) -> Option<Mark> {
    let is = |at: usize, length: usize, begins: &str| text(record, at, length, limits::NAME_CHARS).starts_with(begins);
    match kind {
        // sshd has no screen yet when it writes an attempt down.
        LOGIN_PROCESS | USER_PROCESS if is(8, 32, "ssh:") => Some(Mark::Attempts),
        LOGIN_PROCESS => (!is(44, 32, WAITING)).then_some(Mark::Attempts),
        USER_PROCESS => is(8, 32, "pts/").then_some(Mark::Logins),
        RUN_LEVEL..=INIT_PROCESS | DEAD_PROCESS => Some(Mark::Logins),
        _ => None,
    }
}

/// Reads such a file.
///
/// # Errors
/// [`NotRead::Form`] if it is none: of no whole number of records, or with one that cannot be of either layout.
/// [`NotRead::Logins`] if it was called one of attempts and its records tell of logins, [`NotRead::Attempts`] the other way round.
pub fn read(bytes: &[u8], failed: bool, most: usize) -> Result<Contents, NotRead> {
    let can_be = |layout: &Layout| !bytes.is_empty() && bytes.len().is_multiple_of(layout.length) && bytes.chunks_exact(layout.length).take(LOOKED).all(|record| layout.fits(record));
    let layout = LAYOUTS.into_iter().find(can_be).ok_or(NotRead::Form)?;
    let marks = || bytes.chunks_exact(layout.length).filter(|record| layout.fits(record)).filter_map(|record| mark(Bytes(record), Bytes(record).u16(0)?));
    let (logins, attempts) = (marks().any(|mark| mark == Mark::Logins), marks().any(|mark| mark == Mark::Attempts));
    // An attempt is asked about only if there are many: a login that is taken for one would pass unasked.
    if failed && logins {
        return Err(NotRead::Logins);
    }
    if !failed && attempts && !logins {
        return Err(NotRead::Attempts);
    }
    let mut contents = Contents::new(ImportForm::Wtmp);
    if attempts && logins {
        contents.trouble("成功したログインの記録(wtmp)と失敗したログインの記録(btmp)が混ざっています。それぞれを、記録の示すとおりに読みました / records of wtmp and of btmp stand in one file; each was read as what it says itself".to_owned());
    }
    let mut left = 0_u64;
    for (nth, bytes) in bytes.chunks_exact(layout.length).enumerate() {
        let record = Bytes(bytes);
        let (Some(kind), Some(seconds), true) = (record.u16(0), layout.seconds(record), layout.fits(bytes)) else {
            contents.trouble(format!("{nth} 番目の記録が壊れています / record {nth} is damaged"));
            continue;
        };
        // A record without a time was never filled.
        if kind == 0 && seconds == 0 {
            continue;
        }
        let at = Timestamp(seconds.saturating_mul(1000));
        contents.saw(at);
        let failed = failed || mark(record, kind) == Some(Mark::Attempts);
        let Some(login) = login(record, layout, kind, at, failed) else { continue };
        let shown = format!(
            "{} {} {} {} {} pid={}",
            at.rfc3339(),
            if login.kind == Kind::Failed { "failed" } else { "login" },
            login.account,
            text(record, 8, 32, limits::NAME_CHARS),
            login.from.map_or_else(|| text(record, 76, 256, limits::NAME_CHARS), |from| from.to_string()),
            record.u32(4).unwrap_or_default(),
        );
        if !contents.keep(Record { login, identity: bytes.to_vec(), place: Vec::new(), shown }, most) {
            left += 1;
        }
    }
    if left > 0 {
        contents.trouble(format!("記録が多すぎるため、残りの {left} 件は読んでいません / {left} further records are too many and were not read"));
    }
    Ok(contents)
}

fn login(record: Bytes<'_>, layout: Layout, kind: u16, at: Timestamp, failed: bool) -> Option<TargetLogin> {
    let kind = match kind {
        USER_PROCESS | LOGIN_PROCESS if failed => Kind::Failed,
        USER_PROCESS => Kind::Opened,
        // Who left, when the machine began, who is asked for a name: nobody came.
        DEAD_PROCESS | LOGIN_PROCESS => return None,
        _ => return None,
    };
    let (line, host) = (text(record, 8, 32, limits::NAME_CHARS), text(record, 76, 256, limits::NAME_CHARS));
    let from = place(record, layout).or_else(|| address(&host)).filter(|from| !from.is_unspecified());
    let way = match from {
        Some(from) if !from.is_loopback() || line.starts_with("pts/") || line.starts_with("ssh") => Way::Shell,
        _ if line.starts_with("tty") || line == "console" || host.starts_with(':') => Way::Console,
        // Attempts name the service in the place of a screen.
        _ if kind == Kind::Failed => Way::Shell,
        // A further screen of somebody who is in already (tmux, screen).
        _ => return None,
    };
    let login = TargetLogin::new(kind, way).account(&text(record, 44, 32, limits::ACCOUNT_CHARS)).from(from, None).handle(&record.u32(4).unwrap_or_default().to_string());
    Some(TargetLogin { at: Some(at), ..login })
}

/// The address: four bytes of IPv4 with zeros behind, or sixteen.
fn place(record: Bytes<'_>, layout: Layout) -> Option<IpAddr> {
    let bytes: [u8; 16] = record.array(layout.address)?;
    let [a, b, c, d, rest @ ..] = bytes;
    if rest == [0; 12] {
        let four = Ipv4Addr::new(a, b, c, d);
        return (!four.is_unspecified()).then_some(IpAddr::V4(four));
    }
    Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
}
