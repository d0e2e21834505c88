//! Both directions of an SCP channel; the first byte chooses which side is the source.
#![no_main]

use libfuzzer_sys::fuzz_target;
use bytes::Bytes;
use sekisho_protocol::files::{Quota, Rights, Rule};
use sekisho_protocol::scp::Guard;
use sekisho_protocol::ssh::command::{ScpDirection, ScpTransfer};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let direction = if first & 1 == 0 { ScpDirection::Upload } else { ScpDirection::Download };
    let rights = if first & 2 == 0 { Rights::ALL } else { Rights::default() };
    let quota = Quota::new((Some(400), Some(3)), (Some(400), Some(3)));
    let mut guard = Guard::new(ScpTransfer { direction, path: b"/tmp".to_vec() }, Rule { rights, quota, ..Rule::default() });
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(head >> 1).min(after.len()));
        let piece = Bytes::copy_from_slice(piece);
        let _ = if head & 1 == 0 { guard.from_worker(piece) } else { guard.from_target(piece) };
        let _ = (guard.due_to_worker(), guard.due_to_target());
        rest = after;
    }
    let _ = guard.finish();
});
