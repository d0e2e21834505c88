//! The content of one file that a recording holds.
//!
//! Its parts stand in the recording in the order in which they went over. As a rule that is the order of the file, or
//! nearly so, and one reading gives the content while little is held in memory. Otherwise the file is put together a
//! window at a time, with one reading for each.

use crate::fault::Fault;
use sekisho_core::limits::{KEPT_SCATTERED_BYTES, KEPT_WINDOW_BYTES};
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::recording::{Decoder, Frame};
use sekisho_evidence::{Digest, Hasher};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

/// What a part that waits takes of the memory besides its bytes, about: a worker may write a byte at a time.
const PART_COST: usize = 128;

/// Opens the recording once more, from its beginning.
pub(crate) type Open = dyn Fn() -> Result<Decoder<BufReader<File>>, Fault> + Send;

/// What is known of a content before any of it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    scattered: bool,
}

impl Survey {
    /// Its parts do not stand in their order.
    pub fn is_scattered(&self) -> bool {
        self.scattered
    }
}

/// Why the reading of a content ended early.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The recording.
    Fault(Fault),
    /// Nobody takes it any more.
    Gone,
    /// It cannot be put together within the limits.
    Refused(Refusal),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads a content to its end to learn what it is.
///
/// # Errors
/// The recording cannot be read, or the parts of the file lie too far apart ([`Refusal::ContentScattered`]).
pub(crate) fn survey(open: &Open, file: u32) -> Result<Survey, Broken> {
    survey_within(open, file, KEPT_SCATTERED_BYTES as u64)
}

/// As [`survey`], for one who takes fewer bytes of a file whose parts lie apart.
pub(crate) fn survey_within(open: &Open, file: u32, most: u64) -> Result<Survey, Broken> {
    let (mut hasher, mut bytes) = (Hasher::new(), 0_u64);
    let mut count = |part: &[u8]| {
        hasher.update(part);
        bytes += part.len() as u64;
        Ok(())
    };
    if in_order(open, file, &mut count)? {
        return Ok(Survey { bytes, sha256: hasher.finish(), scattered: false });
    }
    let (mut hasher, mut bytes) = (Hasher::new(), 0_u64);
    in_windows(open, file, most, &mut |part| {
        hasher.update(part);
        bytes += part.len() as u64;
        Ok(())
    })?;
    Ok(Survey { bytes, sha256: hasher.finish(), scattered: true })
}

/// Hands a content out that was surveyed, from its first byte to its last.
///
/// # Errors
/// As [`survey`], and what `sink` gives.
pub(crate) fn hand_out(open: &Open, file: u32, survey: &Survey, sink: &mut dyn FnMut(&[u8]) -> Result<(), Broken>) -> Result<(), Broken> {
    if survey.scattered {
        in_windows(open, file, KEPT_SCATTERED_BYTES as u64, sink)
    } else if in_order(open, file, sink)? {
        Ok(())
    } else {
        // A recording that is appended to gives the same frames again; this one did not.
        Err(Broken::Fault(Fault::Damaged("a recording changed while it was read".into())))
    }
}

/// Calls `look` with the file's parts in their order of time, up to the entry that ends the file.
fn parts(open: &Open, file: u32, look: &mut dyn FnMut(u64, &[u8]) -> Result<bool, Broken>) -> Result<(), Broken> {
    let mut decoder = open()?;
    loop {
        let frame = decoder.next_frame().map_err(|breach| Broken::Fault(Fault::Damaged(breach.to_string())))?;
        match frame.map(|timed| timed.frame) {
            None => return Ok(()),
            Some(Frame::Content { file: of, offset, data }) if of == file => {
                if !look(offset, &data)? {
                    return Ok(());
                }
            }
            Some(Frame::FileOp { json }) => {
                let seen = serde_json::from_str::<FileSeen>(&json).ok();
                if seen.and_then(|seen| seen.kept).is_some_and(|kept| kept.file == file) {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
    }
}

/// Parts that wait for those before them, in bounded memory.
#[derive(Default)]
struct Early {
    parts: BTreeMap<u64, Vec<u8>>,
    weight: usize,
}

impl Early {
    /// Keeps a part; false if there is one at this place, or no room.
    fn put(&mut self, offset: u64, data: &[u8]) -> bool {
        self.weight = self.weight.saturating_add(data.len() + PART_COST);
        self.weight <= KEPT_WINDOW_BYTES && self.parts.insert(offset, data.to_vec()).is_none()
    }

    /// The first part, if it begins at this place or before.
    fn up_to(&mut self, place: u64) -> Option<(u64, Vec<u8>)> {
        let first = self.parts.first_entry().filter(|first| *first.key() <= place)?;
        let (at, part) = first.remove_entry();
        self.weight = self.weight.saturating_sub(part.len() + PART_COST);
        Some((at, part))
    }
}

/// Gives the content in one reading; false if it does not stand in its order, and then some of it was given.
fn in_order(open: &Open, file: u32, sink: &mut dyn FnMut(&[u8]) -> Result<(), Broken>) -> Result<bool, Broken> {
    let (mut next, mut early) = (0_u64, Early::default());
    let mut sound = true;
    parts(open, file, &mut |offset, data| {
        if offset == next {
            sink(data)?;
            next = next.saturating_add(data.len() as u64);
            while let Some((at, part)) = early.up_to(next) {
                sound = at == next;
                if !sound {
                    return Ok(false);
                }
                sink(&part)?;
                next = next.saturating_add(part.len() as u64);
            }
        } else {
            sound = offset > next && early.put(offset, data);
        }
        Ok(sound)
    })?;
    Ok(sound && early.parts.is_empty())
}

/// Gives the content window by window; what never went over is zeros.
fn in_windows(open: &Open, file: u32, most: u64, sink: &mut dyn FnMut(&[u8]) -> Result<(), Broken>) -> Result<(), Broken> {
    let mut end = 0_u64;
    parts(open, file, &mut |offset, data| {
        end = end.max(offset.saturating_add(data.len() as u64));
        Ok(true)
    })?;
    if end > most.min(KEPT_SCATTERED_BYTES as u64) {
        return Err(Broken::Refused(Refusal::ContentScattered));
    }
    let mut from = 0_u64;
    while from < end {
        let until = end.min(from + KEPT_WINDOW_BYTES as u64);
        let mut window = vec![0_u8; usize::try_from(until - from).unwrap_or(KEPT_WINDOW_BYTES)];
        parts(open, file, &mut |offset, data| {
            lay(&mut window, from, offset, data);
            Ok(true)
        })?;
        sink(&window)?;
        from = until;
    }
    Ok(())
}

/// Puts what of a part lies inside the window, which begins at `from`, into its place.
fn lay(window: &mut [u8], from: u64, offset: u64, data: &[u8]) {
    let skip = usize::try_from(from.saturating_sub(offset)).unwrap_or(usize::MAX);
    let place = usize::try_from(offset.saturating_sub(from)).unwrap_or(usize::MAX);
    let (Some(data), Some(room)) = (data.get(skip..), window.get_mut(place..)) else { return };
    let length = data.len().min(room.len());
    if let (Some(room), Some(data)) = (room.get_mut(..length), data.get(..length)) {
        room.copy_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_byte_fill_no_memory() {
        let mut early = Early::default();
        let taken = (0..).map(|n| n * 2 + 1).take_while(|offset| early.put(*offset, b"x")).count();
        assert_eq!(taken, KEPT_WINDOW_BYTES / (PART_COST + 1));
        let mut early = Early::default();
        for round in 0..2 * KEPT_WINDOW_BYTES as u64 / PART_COST as u64 {
            assert!(early.put(round, b"x"), "what has gone gives its room back");
            assert_eq!(early.up_to(round), Some((round, b"x".to_vec())));
        }
        assert!(early.put(5, b"x") && early.up_to(4).is_none() && !early.put(5, b"y"));
    }

    #[test]
    fn a_part_is_laid_where_it_belongs_and_nowhere_else() {
        let laid = |offset, data: &[u8]| {
            let mut window = vec![0; 4];
            lay(&mut window, 10, offset, data);
            window
        };
        assert_eq!(laid(10, b"abcd"), b"abcd");
        assert_eq!(laid(8, b"abcd"), b"cd\0\0");
        assert_eq!(laid(13, b"abcd"), b"\0\0\0a");
        assert_eq!(laid(14, b"abcd"), [0; 4]);
        assert_eq!(laid(6, b"abcd"), [0; 4]);
        assert_eq!(laid(u64::MAX, b"abcd"), [0; 4]);
        assert_eq!(laid(8, b"abcdefgh"), b"cdef");
    }
}
