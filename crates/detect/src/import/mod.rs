//! Files of logs that somebody brings: what Windows and Linux keep themselves, for machines that send nothing.
//!
//! Whoever brings one may have got it from a machine that somebody took over, and may have made it up altogether. Every length in
//! it is bounded, what cannot be read is named and passed over, and the work for a file is bounded by its length.

mod binxml;
pub mod evtx;
pub mod utmp;

use crate::limits;
use crate::login::TargetLogin;
use sekisho_core::around::ImportForm;
use sekisho_core::time::Timestamp;
use std::collections::BTreeSet;

/// Sentences about what could not be read; further ones are counted.
const TROUBLES: usize = 20;
/// Machines that a file names and that are told.
const HOSTS: usize = 16;

/// One record that tells of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it tells, with the time by the machine's clock.
    pub login: TargetLogin,
    /// What makes it this one and no other, whichever file it stands in.
    pub identity: Vec<u8>,
    /// Where it stands in the machine's own log, if that counts its records: two of one place that say different things are not
    /// both real. Empty else.
    pub place: Vec<u8>,
    /// Its values in one line, for people.
    pub shown: String,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its form.
    pub form: ImportForm,
    /// Records of whatever kind.
    pub total: u64,
    /// Those that tell of a login, in the order in which they stand.
    pub records: Vec<Record>,
    /// The machines that they name.
    pub hosts: BTreeSet<String>,
    /// Time of the earliest record.
    pub first: Option<Timestamp>,
    /// Time of the latest.
    pub last: Option<Timestamp>,
    /// The hours since 1970 of which records tell, of whatever kind.
    pub hours: BTreeSet<i64>,
    /// Bytes that the records take.
    taken: usize,
    /// What could not be read, each in a sentence: in Japanese, ` / `, and in English.
    pub troubles: Vec<String>,
    /// Further ones.
    pub more_troubles: u64,
}

impl Contents {
    fn new(form: ImportForm) -> Self {
        Self { form, total: 0, records: Vec::new(), hosts: BTreeSet::new(), first: None, last: None, hours: BTreeSet::new(), taken: 0, troubles: Vec::new(), more_troubles: 0 }
    }

    fn trouble(&mut self, text: String) {
        if self.troubles.len() < TROUBLES {
            self.troubles.push(text);
        } else {
            self.more_troubles += 1;
        }
    }

    /// Keeps a record, while there is room for it.
    fn keep(&mut self, record: Record, most: usize) -> bool {
        let texts = [&record.login.host, &record.login.account, &record.login.by, &record.login.method, &record.login.handle, &record.shown];
        let others = record.login.others.iter().map(|other| other.len() + size_of::<String>()).sum::<usize>();
        let taken = size_of::<Record>() + record.identity.len() + record.place.len() + texts.iter().map(|text| text.len()).sum::<usize>() + others;
        if self.records.len() >= most || self.taken.saturating_add(taken) > limits::IMPORT_KEPT_BYTES {
            return false;
        }
        self.taken += taken;
        self.records.push(record);
        true
    }

    fn saw(&mut self, at: Timestamp) {
        self.total += 1;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        if self.hours.len() < limits::IMPORT_HOURS {
            self.hours.insert(at.0.div_euclid(3_600_000));
        }
    }

    fn names(&mut self, host: &str) {
        if !host.is_empty() && self.hosts.len() < HOSTS {
            self.hosts.insert(host.to_owned());
        }
    }
}

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// It is neither a Windows Event Log nor a `wtmp` or `btmp` of Linux.
    Form,
    /// It was called a `btmp`, and its records tell of logins.
    Logins,
    /// It was called a `wtmp`, and its records tell of attempts.
    Attempts,
}

/// Reads a file. `failed` says that its records are attempts that failed (`btmp`); `most` is the number of records telling of a
/// login that are kept.
///
/// # Errors
/// [`NotRead`]; what is wrong within a file of a known form stands in [`Contents::troubles`].
pub fn read(bytes: &[u8], failed: bool, most: usize) -> Result<Contents, NotRead> {
    if evtx::is_one(bytes) {
        return Ok(evtx::read(bytes, most));
    }
    utmp::read(bytes, failed, most)
}

/// Bytes of a bounded reading: every step asks, and nothing outside is touched.
#[derive(Clone, Copy, Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn slice(self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(length)?)
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.slice(at, N)?.try_into().ok()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A place or length that stands as 32 bits.
    fn place(self, at: usize) -> Option<usize> {
        usize::try_from(self.u32(at)?).ok()
    }
}

#[cfg(test)]
mod tests;
