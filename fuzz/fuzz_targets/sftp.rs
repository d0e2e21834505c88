//! Both directions of an SFTP channel. After a byte of rights, each piece is a length byte, whose lowest bit is its direction, and bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use bytes::Bytes;
use sekisho_protocol::files::{Quota, Rights, Rule};
use sekisho_protocol::sftp::Guard;

fuzz_target!(|data: &[u8]| {
    // The first byte says which rights there are, and a limit is near.
    let Some((first, data)) = data.split_first() else { return };
    let has = |bit: u8| first & (1 << bit) != 0;
    let rights = Rights { download: has(0), upload: has(1), delete: has(2), rename: has(3) };
    let quota = Quota::new((Some(400), Some(3)), (Some(400), Some(3)));
    let mut guard = Guard::new(Rule { rights, quota, ..Rule::default() });
    // Past the agreement, so that the fuzzer spends its time behind it.
    let _ = guard.from_worker(Bytes::from_static(&[0, 0, 0, 5, 1, 0, 0, 0, 3]));
    let _ = guard.from_target(Bytes::from_static(&[0, 0, 0, 5, 2, 0, 0, 0, 3]));
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(head >> 1).min(after.len()));
        let piece = Bytes::copy_from_slice(piece);
        let _ = if head & 1 == 0 { guard.from_worker(piece) } else { guard.from_target(piece) };
        let _ = guard.due_to_worker();
        rest = after;
    }
    let _ = guard.finish();
});
