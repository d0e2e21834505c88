//! The digest of content that goes over in parts, in an order that only the peers know.

use crate::files::{Content, NoDigest};
use crate::limits;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Hashes parts by their offset. Parts that come early wait, within limits; anything else than one pass from the
/// first byte to the last ends in a reason instead of a digest.
#[derive(Debug)]
pub(crate) struct Hasher {
    state: Result<Sha256, NoDigest>,
    next: u64,
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self { state: Ok(Sha256::new()), next: 0, early: BTreeMap::new(), early_bytes: 0 }
    }

    /// A hasher that already knows that it will give no digest.
    pub(crate) fn void(reason: NoDigest) -> Self {
        Self { state: Err(reason), ..Self::new() }
    }

    /// Gives up, keeping the first reason.
    pub(crate) fn spoil(&mut self, reason: NoDigest) {
        if self.state.is_ok() {
            self.state = Err(reason);
        }
        self.early.clear();
        self.early_bytes = 0;
    }

    /// True if every byte before `offset` went over once, and none behind it.
    pub(crate) fn ends_at(&self, offset: u64) -> bool {
        self.state.is_ok() && self.early.is_empty() && self.next == offset
    }

    /// True if a part at `offset` need not wait.
    pub(crate) fn continues_at(&self, offset: u64) -> bool {
        self.next == offset || self.state.is_err()
    }

    /// Bytes that wait for earlier ones.
    pub(crate) fn waiting(&self) -> usize {
        self.early_bytes
    }

    /// Takes the part at `offset`. `room` is what may still wait in the whole channel.
    pub(crate) fn part(&mut self, offset: u64, data: &[u8], room: usize) {
        let Ok(hash) = &mut self.state else { return };
        if data.is_empty() {
            return;
        }
        if offset == self.next {
            hash.update(data);
            self.next = self.next.saturating_add(data.len() as u64);
            self.drain();
        } else if offset < self.next || self.early.contains_key(&offset) {
            self.spoil(NoDigest::NotSequential);
        } else if self.early.len() >= limits::REORDER_PARTS
            || self.early_bytes.saturating_add(data.len()) > limits::REORDER_BYTES
            || data.len() > room
        {
            self.spoil(NoDigest::TooFarApart);
        } else {
            self.early_bytes += data.len();
            self.early.insert(offset, data.to_vec());
        }
    }

    fn drain(&mut self) {
        while let Some(first) = self.early.first_entry() {
            if *first.key() > self.next {
                return;
            }
            let (offset, data) = first.remove_entry();
            self.early_bytes = self.early_bytes.saturating_sub(data.len());
            let Ok(hash) = &mut self.state else { return };
            if offset < self.next {
                self.spoil(NoDigest::NotSequential);
                return;
            }
            hash.update(&data);
            self.next = self.next.saturating_add(data.len() as u64);
        }
    }

    /// The digest, if every byte from the first to the last went over once.
    pub(crate) fn finish(self) -> Content {
        match self.state {
            Ok(hash) if self.early.is_empty() => Content::Sha256(hash.finalize().into()),
            Ok(_) => Content::Unknown(NoDigest::NotSequential),
            Err(reason) => Content::Unknown(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = usize::MAX;

    fn digest(data: &[u8]) -> Content {
        Content::Sha256(Sha256::digest(data).into())
    }

    proptest! {
        #[test]
        fn order_of_parts_does_not_matter(data in proptest::collection::vec(any::<u8>(), 1..2000), size in 1usize..200, seed in any::<u64>()) {
            let mut parts: Vec<(usize, &[u8])> = data.chunks(size).enumerate().map(|(at, part)| (at * size, part)).collect();
            parts.sort_by_key(|(at, _)| (*at as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
            let mut hasher = Hasher::new();
            if parts.len() <= limits::REORDER_PARTS {
                for (at, part) in parts {
                    hasher.part(at as u64, part, ROOM);
                }
                prop_assert_eq!(hasher.finish(), digest(&data));
            }
        }
    }

    #[test]
    fn a_gap_a_repeat_and_a_late_start_have_no_digest() {
        let run = |parts: &[(u64, &[u8])]| {
            let mut hasher = Hasher::new();
            for (at, part) in parts {
                hasher.part(*at, part, ROOM);
            }
            hasher.finish()
        };
        assert_eq!(run(&[(0, b"ab"), (2, b"c")]), digest(b"abc"));
        assert_eq!(run(&[]), digest(b""));
        for parts in [
            &[(0, &b"ab"[..]), (3, b"c")][..],
            &[(0, b"ab"), (1, b"bc")],
            &[(5, b"a")],
            &[(4, b"a"), (4, b"b")],
            &[(4, b"ab"), (5, b"b"), (0, b"1234")],
        ] {
            assert_eq!(run(parts), Content::Unknown(NoDigest::NotSequential), "{parts:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut hasher = Hasher::new();
        let part = vec![0; 256 * 1024];
        for at in 1..1000u64 {
            hasher.part(at * part.len() as u64, &part, ROOM);
            assert!(hasher.waiting() <= limits::REORDER_BYTES);
        }
        assert_eq!(hasher.finish(), Content::Unknown(NoDigest::TooFarApart));
        let mut hasher = Hasher::new();
        hasher.part(10, b"abc", 2);
        assert_eq!(hasher.finish(), Content::Unknown(NoDigest::TooFarApart));
    }
}
