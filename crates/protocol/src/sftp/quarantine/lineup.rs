//! The content of one staged file, put into its order and hashed as it comes.

use super::Staging;
use crate::limits;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Takes parts by their offset and gives them back from the first byte to the last, each once.
#[derive(Debug, Default)]
pub(super) struct Lineup {
    hash: Sha256,
    next: u64,
    early: BTreeMap<u64, Bytes>,
    early_bytes: usize,
}

impl Lineup {
    /// Takes a part. Gives what is in order; `room` is what may still wait of the whole channel.
    ///
    /// # Errors
    /// Why this can be no file that is known whole: a part came twice, parts lie too far apart, or it grows too large.
    pub(super) fn part(&mut self, offset: u64, data: Bytes, room: usize) -> Result<Vec<Bytes>, Staging> {
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= limits::STAGED_FILE_BYTES).ok_or(Staging::FileBytes)?;
        if data.is_empty() {
            return Ok(Vec::new());
        }
        if offset < self.next {
            return Err(Staging::NotWhole);
        }
        if offset > self.next {
            return self.wait(offset, end, &data, room).map(|()| Vec::new());
        }
        let mut parts = vec![data];
        let mut next = end;
        while let Some(first) = self.early.first_entry() {
            if *first.key() > next {
                break;
            }
            let (offset, data) = first.remove_entry();
            self.early_bytes = self.early_bytes.saturating_sub(data.len());
            if offset < next {
                return Err(Staging::NotWhole);
            }
            next = next.saturating_add(data.len() as u64);
            parts.push(data);
        }
        self.next = next;
        parts.iter().for_each(|part| self.hash.update(part));
        Ok(parts)
    }

    fn wait(&mut self, offset: u64, end: u64, data: &Bytes, room: usize) -> Result<(), Staging> {
        let before = self.early.range(..=offset).next_back().map(|(at, part)| at.saturating_add(part.len() as u64));
        let after = self.early.range(offset..).next().map(|(at, _)| *at);
        if before.is_some_and(|before| before > offset) || after.is_some_and(|after| after < end) {
            return Err(Staging::NotWhole);
        }
        let too_much = self.early.len() >= limits::REORDER_PARTS || self.early_bytes.saturating_add(data.len()) > limits::REORDER_BYTES || data.len() > room;
        if too_much {
            return Err(Staging::NotWhole);
        }
        self.early_bytes += data.len();
        // A copy: the part must not hold on to the whole message that it came in.
        self.early.insert(offset, Bytes::copy_from_slice(data));
        Ok(())
    }

    /// Bytes that are in order.
    pub(super) fn bytes(&self) -> u64 {
        self.next
    }

    /// Where the last part ends.
    pub(super) fn end(&self) -> u64 {
        self.early.last_key_value().map_or(self.next, |(at, part)| at.saturating_add(part.len() as u64))
    }

    /// Bytes that wait for those before them.
    pub(super) fn waiting(&self) -> usize {
        self.early_bytes
    }

    /// The digest, if no byte before the last is missing.
    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        self.early.is_empty().then(|| self.hash.clone().finalize().into())
    }
}
