//! Both directions of an SCP channel; the first byte chooses which side is the source.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_protocol::scp::Observer;
use sekisho_protocol::ssh::command::{ScpDirection, ScpTransfer};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let direction = if first & 1 == 0 { ScpDirection::Upload } else { ScpDirection::Download };
    let mut observer = Observer::new(ScpTransfer { direction, path: b"/tmp".to_vec() });
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(head >> 1).min(after.len()));
        let _ = if head & 1 == 0 { observer.from_worker(piece) } else { observer.from_target(piece) };
        rest = after;
    }
    let _ = observer.finish();
});
