//! Keys out of the bytes that a terminal sends.

/// What a key does to a line, as far as the line's text is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A printed character.
    Character(char),
    /// Takes the last character away.
    Backspace,
    /// Ends the line.
    Enter,
    /// Gives the line up.
    Abandon,
    /// Anything else that may change the line: arrows, completion, history.
    Edit,
    /// A line's end inside a paste, which enters nothing.
    PastedEnter,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// In a control sequence, with its numbers so far.
    Sequence(u32),
    /// One more byte of a function key (`ESC O P`).
    Function,
    /// Inside a character of several bytes: what is known and how many bytes are missing.
    Character(u32, u8),
}

/// Whether a byte ends a line: both line ends, and the key that runs a line and fetches the next of the history.
fn is_enter(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0f)
}

/// Turns bytes into keys, one at a time.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    /// Between the marks of a bracketed paste, where a line's end does not enter the line.
    pasting: bool,
}

impl Keys {
    /// Whether this byte, coming next, would enter the line. `pastes`: the target has asked for marks around a paste;
    /// to one that has not, a line's end between such marks is a line's end.
    pub(super) fn would_enter(&self, byte: u8, pastes: bool) -> bool {
        is_enter(byte) && !(self.pasting && pastes)
    }

    /// Takes the next byte.
    pub(super) fn next(&mut self, byte: u8, pastes: bool) -> Option<Key> {
        // A line's end is one in the middle of a sequence, too: behind the Escape of an editor's mode, or after a
        // sequence that broke off.
        if is_enter(byte) {
            self.state = State::Ground;
            return Some(if self.would_enter(byte, pastes) { Key::Enter } else { Key::PastedEnter });
        }
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Escape => match byte {
                b'[' => {
                    self.state = State::Sequence(0);
                    None
                }
                b'O' => {
                    self.state = State::Function;
                    None
                }
                0x1b => {
                    self.state = State::Escape;
                    None
                }
                _ => Some(Key::Edit),
            },
            State::Function => Some(Key::Edit),
            State::Sequence(number) => match byte {
                b'0'..=b'9' => {
                    let digit = u32::from(byte - b'0');
                    self.state = State::Sequence(number.saturating_mul(10).saturating_add(digit));
                    None
                }
                b'~' if number == 200 => {
                    self.pasting = true;
                    None
                }
                b'~' if number == 201 => {
                    self.pasting = false;
                    None
                }
                // Focus and mouse reports and the terminal's own answers change no line.
                b'I' | b'M' | b'm' | b'R' | b'c' | b'n' | b'y' => None,
                0x40..=0x7e => Some(Key::Edit),
                0x20..=0x3f => {
                    self.state = State::Sequence(if byte == b';' { 0 } else { number });
                    None
                }
                _ => self.ground(byte),
            },
            State::Character(so_far, missing) => {
                if byte & 0xc0 != 0x80 {
                    return self.ground(byte);
                }
                let so_far = (so_far << 6) | u32::from(byte & 0x3f);
                if missing > 1 {
                    self.state = State::Character(so_far, missing - 1);
                    return None;
                }
                Some(char::from_u32(so_far).map_or(Key::Edit, Key::Character))
            }
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            0x03 | 0x1a | 0x1c => Key::Abandon,
            0x08 | 0x7f => Key::Backspace,
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            0x20..=0x7e => Key::Character(char::from(byte)),
            0xc2..=0xdf => {
                self.state = State::Character(u32::from(byte & 0x1f), 1);
                return None;
            }
            0xe0..=0xef => {
                self.state = State::Character(u32::from(byte & 0x0f), 2);
                return None;
            }
            0xf0..=0xf4 => {
                self.state = State::Character(u32::from(byte & 0x07), 3);
                return None;
            }
            _ => Key::Edit,
        })
    }
}
