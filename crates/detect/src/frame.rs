//! Messages out of a stream: octet counting (RFC 6587 section 3.4.1, RFC 5425 section 4.3) and, on old listeners, a
//! message a line (RFC 6587 section 3.4.2).

use crate::limits;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The length in digits, a space, the message. The only form over TLS.
    Counted,
    /// Either form: what begins with a digit is counted, everything else ends with a line feed.
    Either,
}

/// The stream does not keep to the form. There is no way to find the next message, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// No length where one must stand.
    NoCount,
    /// A message longer than [`limits::MESSAGE_BYTES`].
    TooLong,
}

/// Takes a stream apart. Holds at most one message and what follows it.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    held: Vec<u8>,
    at: usize,
}

impl Framer {
    /// A framer at the beginning of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, held: Vec::new(), at: 0 }
    }

    /// Takes what came. Ask [`Framer::next`] until it gives nothing before the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// [`Breach`]: nothing more can be read from this stream.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Breach> {
        loop {
            let rest = self.held.get(self.at..).unwrap_or_default();
            let Some(first) = rest.first() else { return Ok(None) };
            let counted = match self.framing {
                Framing::Counted => true,
                Framing::Either => first.is_ascii_digit(),
            };
            let (skip, length, after) = if counted {
                let Some((digits, length)) = count(rest)? else { return Ok(None) };
                (digits + 1, length, 0)
            } else {
                match rest.iter().position(|byte| *byte == b'\n') {
                    Some(end) => (0, end, 1),
                    None if rest.len() > limits::MESSAGE_BYTES => return Err(Breach::TooLong),
                    None => return Ok(None),
                }
            };
            if length > limits::MESSAGE_BYTES {
                return Err(Breach::TooLong);
            }
            let start = self.at + skip;
            if self.held.len() < start + length + after {
                return Ok(None);
            }
            self.at = start + length + after;
            if length > 0 {
                return Ok(self.held.get(start..start + length));
            }
        }
    }

    /// What stands at the end of a stream without its line feed; nothing in counted streams, where it would be half a message.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        let rest = self.held.get(self.at..)?;
        let whole = self.framing == Framing::Either && rest.first().is_some_and(|byte| !byte.is_ascii_digit()) && rest.len() <= limits::MESSAGE_BYTES;
        whole.then(|| rest.to_vec())
    }
}

/// The length at the beginning, and how many digits it has. `None` while it is not whole.
fn count(bytes: &[u8]) -> Result<Option<(usize, usize)>, Breach> {
    let digits = bytes.iter().take(limits::COUNT_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > limits::COUNT_DIGITS {
        return Err(Breach::TooLong);
    }
    match bytes.get(digits) {
        None => Ok(None),
        // RFC 5425: MSG-LEN = NONZERO-DIGIT *DIGIT.
        Some(b' ') if digits > 0 && bytes.first() != Some(&b'0') => {
            let length = bytes.iter().take(digits).fold(0_usize, |length, digit| length * 10 + usize::from(digit - b'0'));
            Ok(Some((digits, length)))
        }
        Some(_) => Err(Breach::NoCount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: Framing, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), Breach>) {
        let (mut framer, mut found) = (Framer::new(framing), Vec::new());
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next() {
                    Ok(Some(message)) => found.push(message.to_vec()),
                    Ok(None) => break,
                    Err(breach) => return (found, Err(breach)),
                }
            }
        }
        found.extend(framer.finish());
        (found, Ok(()))
    }

    #[test]
    fn every_split_of_a_stream_gives_the_same_messages() {
        let stream = b"5 <13>a11 <13>b\nc 5 de";
        let whole = all(Framing::Counted, &[stream]);
        assert_eq!(whole.0, [b"<13>a".to_vec(), b"<13>b\nc 5 d".to_vec()]);
        for at in 0..=stream.len() {
            let (a, b) = stream.split_at(at);
            assert_eq!(all(Framing::Counted, &[a, b]).0, whole.0[..], "{at}");
        }
    }

    #[test]
    fn a_line_is_a_message_only_where_old_forms_are_taken() {
        assert_eq!(all(Framing::Either, &[b"<13>a\n\n5 <13>b<13>c"]).0, [b"<13>a".to_vec(), b"<13>b".to_vec(), b"<13>c".to_vec()]);
        assert_eq!(all(Framing::Counted, &[b"<13>a\n"]).1, Err(Breach::NoCount));
    }

    #[test]
    fn what_is_too_long_ends_the_stream_before_it_is_held() {
        for stream in [&b"65537 x"[..], b"999999", b"123456 "] {
            assert_eq!(all(Framing::Counted, &[stream]).1, Err(Breach::TooLong), "{stream:?}");
        }
        assert_eq!(all(Framing::Either, &[&vec![b'x'; limits::MESSAGE_BYTES + 1]]).1, Err(Breach::TooLong));
        for stream in [&b"0 x"[..], b"05 hello", b" 5 hello", b"-1 x", b"5\thello"] {
            assert_eq!(all(Framing::Counted, &[stream]).1, Err(Breach::NoCount), "{stream:?}");
        }
    }
}
