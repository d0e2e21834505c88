//! The outer form of what a directory sends (RFC 4511 section 5.1, BER), looked at before the LDAP library reads it: a message
//! must be whole, small and shallow. The library reads nested parts by calling itself, and a depth without bound would end
//! the process.

use sekisho_core::limits;

/// A message that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Length of the first message in the bytes, header included; `None` while it is not whole.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.first() {
        None => return Ok(None),
        Some(0x30) => {}
        Some(_) => return Err(Malformed),
    }
    let Some((head, length)) = length(bytes, 1)? else { return Ok(None) };
    let whole = head.checked_add(length).filter(|whole| *whole <= limits::DIRECTORY_MESSAGE_BYTES).ok_or(Malformed)?;
    Ok((bytes.len() >= whole).then_some(whole))
}

/// Where the contents begin and how long they are; `None` if the length itself is not whole.
fn length(bytes: &[u8], at: usize) -> Result<Option<(usize, usize)>, Malformed> {
    let Some(first) = bytes.get(at) else { return Ok(None) };
    let count = usize::from(first & 0x7f);
    if first & 0x80 == 0 {
        return Ok(Some((at + 1, count)));
    }
    // LDAP knows no indefinite length, and four bytes say more than any message may have.
    if count == 0 || count > 4 {
        return Err(Malformed);
    }
    let Some(digits) = bytes.get(at + 1..at + 1 + count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    Ok(Some((at + 1 + count, length)))
}

/// Whether every part of a whole message lies within the part around it, and none too deep.
pub(crate) fn is_sound(message: &[u8]) -> bool {
    let mut ends: Vec<usize> = Vec::with_capacity(limits::DIRECTORY_DEPTH);
    let mut at = 0;
    loop {
        while ends.last() == Some(&at) {
            ends.pop();
        }
        if at == message.len() {
            return ends.is_empty();
        }
        let Some(tag) = message.get(at) else { return false };
        if tag & 0x1f == 0x1f {
            return false;
        }
        let Ok(Some((start, length))) = length(message, at + 1) else { return false };
        let around = ends.last().copied().unwrap_or(message.len());
        let Some(end) = start.checked_add(length).filter(|end| *end <= around) else { return false };
        if tag & 0x20 == 0 {
            at = end;
        } else {
            if ends.len() >= limits::DIRECTORY_DEPTH {
                return false;
            }
            ends.push(end);
            at = start;
        }
    }
}

/// The request by which TLS begins (RFC 4511 section 4.14): message 1, extended request, its OID.
pub(crate) const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Whether an answer to it is the one that says: begin. A result code of nought, in the answer to message 1.
pub(crate) fn starts_tls(message: &[u8]) -> bool {
    if !is_sound(message) {
        return false;
    }
    let Ok(Some((id, _))) = length(message, 1) else { return false };
    let Some(rest) = message.get(id..).and_then(|rest| rest.strip_prefix(b"\x02\x01\x01")) else { return false };
    if rest.first() != Some(&0x78) {
        return false;
    }
    let Ok(Some((result, _))) = length(rest, 1) else { return false };
    rest.get(result..).is_some_and(|result| result.starts_with(b"\x0a\x01\x00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to a bind, as OpenLDAP sends it.
    const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        for cut in 0..BOUND.len() {
            assert_eq!(first(&BOUND[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(first(BOUND), Ok(Some(BOUND.len())));
        assert_eq!(first(&[BOUND, b"\x30"].concat()), Ok(Some(BOUND.len())));
        assert!(is_sound(BOUND));
    }

    #[test]
    fn what_is_too_long_has_no_end_or_is_no_message_is_refused_at_its_head() {
        for bad in [&b"\x31\x00"[..], b"\x30\x80", b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\x84\x7f\xff\xff\xff"] {
            assert_eq!(first(bad), Err(Malformed), "{bad:x?}");
        }
    }

    #[test]
    fn a_part_may_not_reach_out_of_the_part_around_it() {
        assert!(!is_sound(b"\x30\x04\x30\x03\x02\x01"));
        assert!(!is_sound(b"\x30\x03\x02\x05\x01"));
        assert!(!is_sound(b"\x30\x03\x3f\x01\x00"));
        assert!(is_sound(b"\x30\x02\x30\x00"));
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |depth: usize| {
            let mut message = Vec::new();
            for _ in 0..depth {
                let mut outer = vec![0x30, 0x84];
                outer.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
                outer.extend(&message);
                message = outer;
            }
            message
        };
        assert!(is_sound(&nested(limits::DIRECTORY_DEPTH)));
        assert!(!is_sound(&nested(limits::DIRECTORY_DEPTH + 1)));
        assert!(!is_sound(&nested(20_000)));
    }

    #[test]
    fn tls_begins_at_success_and_at_nothing_else() {
        let answer = |code: u8| vec![0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, code, 4, 0, 4, 0];
        assert!(starts_tls(&answer(0)));
        assert!(!starts_tls(&answer(52)) && !starts_tls(BOUND) && !starts_tls(b""));
        assert!(is_sound(START_TLS) && first(START_TLS) == Ok(Some(START_TLS.len())));
    }
}
