//! Both directions of an SFTP channel. Each piece is a length byte, whose lowest bit is its direction, and bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_protocol::sftp::Observer;

fuzz_target!(|data: &[u8]| {
    let mut observer = Observer::new();
    // Past the agreement, so that the fuzzer spends its time behind it.
    let _ = observer.from_worker(&[0, 0, 0, 5, 1, 0, 0, 0, 3]);
    let _ = observer.from_target(&[0, 0, 0, 5, 2, 0, 0, 0, 3]);
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(head >> 1).min(after.len()));
        let _ = if head & 1 == 0 { observer.from_worker(piece) } else { observer.from_target(piece) };
        rest = after;
    }
    let _ = observer.finish();
});
