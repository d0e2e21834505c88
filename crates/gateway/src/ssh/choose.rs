//! Asks the worker on the terminal which of several open plans the work belongs to.

use super::wish::Wish;
use super::words;
use super::worker::Worker;
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};
use sekisho_core::desk::PlanChoice;

/// Plans that one key can choose between.
const KEYS: usize = 9;
/// Wrong keys before the question is given up.
const MISSES: usize = 10;

/// The worker's choice, and what was typed behind it, which belongs to the target.
pub struct Chosen {
    pub number: String,
    pub rest: Bytes,
}

/// Asks. `None` if the worker gave up or went away.
pub async fn choose(worker: &Worker, reader: &mut ChannelReadHalf, wish: &mut Wish, choices: &[PlanChoice]) -> Option<Chosen> {
    let choices = choices.get(..choices.len().min(KEYS))?;
    worker.ask(&words::choose(choices)).await.ok()?;
    let mut misses = 0;
    loop {
        match reader.wait().await? {
            ChannelMsg::Data { mut data } => {
                while !data.is_empty() {
                    let key = data.split_to(1);
                    match judge(key.first().copied().unwrap_or(0), choices) {
                        Key::Plan(choice) => {
                            worker.ask(&format!("{}\n", choice.number)).await.ok()?;
                            // Some press Enter behind the number; the target's shell need not see it.
                            while data.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                                let _ = data.split_to(1);
                            }
                            return Some(Chosen { number: choice.number.clone(), rest: data });
                        }
                        Key::Quit => return None,
                        Key::Nothing => {}
                        Key::Wrong => {
                            misses += 1;
                            if misses >= MISSES {
                                return None;
                            }
                            worker.ask(&words::choose_again(choices.len())).await.ok()?;
                        }
                    }
                }
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                wish.resize(col_width, row_height, pix_width, pix_height);
            }
            ChannelMsg::Eof | ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

enum Key<'a> {
    Plan(&'a PlanChoice),
    Quit,
    Nothing,
    Wrong,
}

fn judge(byte: u8, choices: &[PlanChoice]) -> Key<'_> {
    match byte {
        b'1'..=b'9' => choices.get(usize::from(byte - b'1')).map_or(Key::Wrong, Key::Plan),
        // q, Ctrl-C, Ctrl-D.
        b'q' | b'Q' | 3 | 4 => Key::Quit,
        b'\r' | b'\n' | b' ' => Key::Nothing,
        _ => Key::Wrong,
    }
}
