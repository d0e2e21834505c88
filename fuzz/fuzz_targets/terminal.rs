//! A terminal: pieces of output, input and resizes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_protocol::terminal::Watcher;

fuzz_target!(|data: &[u8]| {
    let mut watcher = Watcher::new(20, 6);
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(head >> 2).min(after.len()));
        match head & 3 {
            0 | 1 => drop(watcher.output(piece)),
            2 => {
                let taken = watcher.input_up_to_enter(piece);
                let _ = watcher.present();
                watcher.input(piece.get(taken..).unwrap_or_default());
            }
            _ => watcher.resize(
                piece.first().copied().unwrap_or(1).into(),
                piece.get(1).copied().unwrap_or(1).into(),
            ),
        }
        rest = after;
    }
    let _ = watcher.screen_text();
    let _ = watcher.screen_restore();
});
