//! Files of lines, read with a bound on each line.

use std::io::{BufRead, BufReader, Read};

use crate::digest::Digest;
use crate::limits::MAX_PROOF_HASHES;
use crate::log::Files;

/// Why a file of lines could not be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineBreach {
    #[error("the file is missing")]
    Missing,
    #[error("a line is too long")]
    Long,
    #[error("the last line has no end")]
    Torn,
    #[error("the file cannot be read: {0}")]
    Read(String),
}

pub(super) struct Lines<'a> {
    source: BufReader<Box<dyn Read + 'a>>,
    limit: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn open(files: &'a dyn Files, path: &str, limit: usize) -> Result<Self, LineBreach> {
        let source = files.open(path).map_err(|fault| LineBreach::Read(fault.reason))?;
        let source = source.ok_or(LineBreach::Missing)?;
        Ok(Self { source: BufReader::new(source), limit })
    }

    /// The next line without its end; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, LineBreach> {
        let mut line = Vec::new();
        let most = self.limit as u64 + 1;
        let read = (&mut self.source).take(most).read_until(b'\n', &mut line);
        read.map_err(|fault| LineBreach::Read(fault.to_string()))?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() >= self.limit => Err(LineBreach::Long),
            Some(_) => Err(LineBreach::Torn),
        }
    }
}

/// A line of proofs: a number and hashes. One spelling only.
pub(super) fn proof(line: &[u8]) -> Option<(u64, Vec<Digest>)> {
    let mut parts = std::str::from_utf8(line).ok()?.split(' ');
    let text = parts.next()?;
    let number: u64 = text.parse().ok().filter(|number: &u64| number.to_string() == text)?;
    let mut hashes = Vec::new();
    for part in parts {
        if hashes.len() >= MAX_PROOF_HASHES {
            return None;
        }
        hashes.push(part.parse().ok()?);
    }
    Some((number, hashes))
}
