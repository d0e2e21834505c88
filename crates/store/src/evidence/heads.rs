//! Heads of the log that a bundle is joined to: exchanges of its key, what witnesses and time stamp authorities signed, and what was seen
//! outside.

use crate::Store;
use crate::fault::Fault;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{self, Checkpoint};
use sekisho_evidence::limits::{MAX_CHECKPOINT_BYTES, MAX_CONSISTENCY_PROOFS, MAX_TIMESTAMP_BYTES};
use sekisho_evidence::log::{Files as _, read_bounded};
use sekisho_evidence::rotation::{self, MAX_ROTATION_BYTES, MAX_ROTATIONS, ROTATIONS_DIR};
use sekisho_evidence::verify::{COSIGNED_DIR, LOCAL_AUTHORITY, TIMESTAMPS_DIR, answer_path, stamped_path};
use std::collections::BTreeSet;

/// Longest text of checkpoints that is handed in, in bytes.
const CHECKPOINTS_BYTES: usize = limits::EVIDENCE_CHECKPOINTS * 16 * 1024;
/// Witnesses whose heads go into a bundle.
const WITNESSES: usize = 16;

/// A file of the log that goes into a bundle as it is: its path and content.
pub(super) type Verbatim = (String, Vec<u8>);

impl Store {
    /// The files of the exchanges of the key, their entries, and the sizes of the heads that both keys signed.
    pub(super) fn key_exchanges(&self, earlier: &mut BTreeSet<u64>) -> Result<(Vec<Verbatim>, Vec<u64>), Fault> {
        let folder = self.folder();
        let read = |fault: sekisho_evidence::log::ReadFault| Fault::Damaged(format!("an exchange of the key: {fault}"));
        let mut seqs: Vec<u64> = folder.list(ROTATIONS_DIR).map_err(read)?.iter().filter_map(|name| name.parse().ok()).collect();
        seqs.sort_unstable();
        if seqs.len() > MAX_ROTATIONS {
            return Err(Fault::Damaged("the log has more exchanges of its key than any has".into()));
        }
        let mut found = Vec::new();
        for seq in &seqs {
            let path = rotation::path_of(*seq);
            let bytes = read_bounded(&folder, &path, MAX_ROTATION_BYTES).map_err(read)?.unwrap_or_default();
            if let Some(rotation) = std::str::from_utf8(&bytes).ok().and_then(|text| rotation::read(&seq.to_string(), text).ok()) {
                earlier.insert(rotation.checkpoint.size);
            }
            found.push((path, bytes));
        }
        Ok((found, seqs))
    }

    /// The newest heads that witnesses signed. One that cannot be read is left out: whoever trusts the witness is told that it is missing.
    pub(super) fn cosigned(&self, size: u64, earlier: &mut BTreeSet<u64>) -> Vec<Verbatim> {
        let folder = self.folder();
        let mut names = folder.list(COSIGNED_DIR).unwrap_or_default();
        names.sort_unstable();
        names.retain(|name| name.len() == 8 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let mut found = Vec::new();
        for name in names.into_iter().take(WITNESSES) {
            let path = format!("{COSIGNED_DIR}/{name}");
            let Some(bytes) = read_bounded(&folder, &path, MAX_CHECKPOINT_BYTES).ok().flatten() else { continue };
            let head = std::str::from_utf8(&bytes).ok().and_then(|text| checkpoint::unproved(text).ok());
            if let Some(head) = head.filter(|head| head.size <= size) {
                earlier.insert(head.size);
                found.push((path, bytes));
            }
        }
        found
    }

    /// The time stamps that date the entries of a bundle: of each entry the first head behind it that was stamped, and the newest of all.
    /// A stamp that cannot be read is left out; the one after it dates the same entries, later.
    pub(super) fn stamps(&self, seqs: &[u64], size: u64, earlier: &mut BTreeSet<u64>) -> Result<Vec<Verbatim>, Fault> {
        let folder = self.folder();
        let names = folder.list(TIMESTAMPS_DIR).map_err(|fault| Fault::Damaged(format!("the time stamps: {fault}")))?;
        let numbers: BTreeSet<u64> = names.iter().filter_map(|name| name.strip_suffix(".tsr")?.parse().ok()).filter(|number| *number <= size).collect();
        let room = limits::EVIDENCE_TIMESTAMPS.min(MAX_CONSISTENCY_PROOFS.saturating_sub(earlier.len()));
        let mut found = Vec::new();
        for number in dating(&numbers, seqs, room) {
            let read = |path: String, limit: usize| Some((path.clone(), read_bounded(&folder, &path, limit).ok().flatten()?));
            let (Some(over), Some(answer)) = (read(stamped_path(number), MAX_CHECKPOINT_BYTES), read(answer_path(number), MAX_TIMESTAMP_BYTES)) else { continue };
            let head = std::str::from_utf8(&over.1).ok().and_then(|text| checkpoint::unproved(text).ok());
            if head.is_some_and(|head| head.size == number) {
                earlier.insert(number);
                found.extend([over, answer]);
            }
        }
        // Whoever wants to check stamps of the box's own needs its certificate.
        let own = format!("{TIMESTAMPS_DIR}/{LOCAL_AUTHORITY}");
        if let Some(bytes) = read_bounded(&folder, &own, MAX_TIMESTAMP_BYTES).ok().flatten().filter(|_| !found.is_empty()) {
            found.push((own, bytes));
        }
        Ok(found)
    }
}

/// Of each entry the first stamped head behind it, and the newest; of more than there is room for, some at even distances and the newest.
fn dating(stamped: &BTreeSet<u64>, seqs: &[u64], room: usize) -> Vec<u64> {
    let (mut chosen, mut heads) = (BTreeSet::new(), stamped.iter().copied().peekable());
    for seq in seqs {
        while heads.next_if(|head| head <= seq).is_some() {}
        let Some(head) = heads.peek() else { break };
        chosen.insert(*head);
    }
    chosen.extend(stamped.last());
    let step = chosen.len().div_ceil(room.max(1)).max(1);
    // Counted from the end, so that the newest is among them.
    let mut kept: Vec<u64> = chosen.into_iter().rev().step_by(step).take(room).collect();
    kept.reverse();
    kept
}

/// Reads checkpoints that stand one behind the other. Whether they hold is for the verifier to say, who has them from
/// elsewhere; here only their sizes are asked for.
pub(super) fn outside_sizes(text: &str, head: &Checkpoint) -> Result<BTreeSet<u64>, Refusal> {
    let bad = || Refusal::bad_field("outside");
    let text = text.replace("\r\n", "\n");
    if text.len() > CHECKPOINTS_BYTES {
        return Err(Refusal::too_many("EVIDENCE_CHECKPOINTS"));
    }
    let mut sizes = BTreeSet::new();
    let mut lines = text.split('\n').map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('\u{2014}') {
            continue;
        }
        // Three lines of a checkpoint: origin, size, root; its signatures are the lines with a dash.
        let size = lines.next().and_then(|size| size.parse::<u64>().ok()).ok_or_else(bad)?;
        lines.next().filter(|root| root.len() == 44).ok_or_else(bad)?;
        if line != head.origin || size > head.size || sizes.len() >= limits::EVIDENCE_CHECKPOINTS {
            return Err(bad());
        }
        sizes.insert(size);
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_evidence::Digest;

    #[test]
    fn each_entry_is_dated_by_the_first_stamp_behind_it_as_far_as_there_is_room() {
        let stamped: BTreeSet<u64> = [10, 20, 30, 40, 50].into();
        assert_eq!(dating(&stamped, &[0, 9, 10, 11, 33], 9), [10, 20, 40, 50]);
        assert_eq!(dating(&stamped, &[49, 50, 51], 9), [50]);
        assert_eq!(dating(&stamped, &[60], 9), [50], "what is younger than all stamps still has the newest beside it");
        let all: Vec<u64> = (0..50).collect();
        assert_eq!(dating(&stamped, &all, 3), [10, 30, 50]);
        assert_eq!(dating(&stamped, &all, 1), [50]);
        assert!(dating(&stamped, &all, 0).is_empty() && dating(&BTreeSet::new(), &all, 9).is_empty());
    }

    #[test]
    fn checkpoints_are_read_one_behind_the_other_and_no_other_text() {
        let head = Checkpoint { origin: "sekisho/kita".into(), size: 90, root: Digest::of(b"") };
        let note = |origin: &str, size: u64| format!("{origin}\n{size}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} {origin} AAAA\n");
        let read = |text: &str| outside_sizes(text, &head).map(|sizes| sizes.into_iter().collect::<Vec<_>>());
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read(&note("sekisho/kita", 17)), Ok(vec![17]));
        assert_eq!(read(&(note("sekisho/kita", 17) + "\n" + &note("sekisho/kita", 90)).replace('\n', "\r\n")), Ok(vec![17, 90]));
        for bad in [note("sekisho/kita", 91), note("sekisho/minami", 17), "hello".into(), "sekisho/kita\n17\nxx\n".into(), note("sekisho/kita", 17).repeat(1).replace("17", "-1")] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
