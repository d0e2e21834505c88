//! Where packets begin in a stream, and fields in a packet.

use super::Breach;
use crate::limits;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const WRITE: u8 = 6;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const ATTRS: u8 = 105;
pub(super) const EXTENDED_REPLY: u8 = 201;

/// Which side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Worker,
    Target,
}

/// How many bytes from the packet's start must be seen before it can be judged. As long as that is more than `seen`
/// has, it is only the next step. Content and listings are judged by what stands before them; all else is read whole.
pub(super) fn needed(side: Side, seen: &[u8]) -> Result<usize, Breach> {
    let Some(&[a, b, c, d]) = seen.first_chunk::<4>() else { return Ok(5) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length == 0 || length > limits::SFTP_PACKET_BYTES {
        return Err(Breach::PacketLength);
    }
    let whole = 4 + length;
    let Some(kind) = seen.get(4) else { return Ok(5) };
    let head = match (side, *kind) {
        (Side::Worker, WRITE) => match seen.get(9..13).and_then(|field| field.first_chunk::<4>()) {
            None => 13,
            Some(field) => {
                let handle = u32::from_be_bytes(*field) as usize;
                if handle > limits::SFTP_HANDLE_BYTES {
                    return Err(Breach::TooMany);
                }
                13 + handle + 12
            }
        },
        (Side::Target, DATA) => 13,
        (Side::Target, NAME | ATTRS | EXTENDED_REPLY) => 9,
        _ if length > limits::SFTP_SMALL_BYTES => return Err(Breach::PacketLength),
        _ => whole,
    };
    if head > whole { Err(Breach::Truncated) } else { Ok(head) }
}

/// The length that a packet's first four bytes give it, those four included.
pub(super) fn whole(head: &[u8]) -> usize {
    head.first_chunk::<4>().map_or(0, |field| 4 + u32::from_be_bytes(*field) as usize)
}

/// The fields of one packet, in order. What follows the last field that is read is not looked at: newer
/// versions of both peers append fields.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields behind the packet's length.
    pub(super) fn new(head: &'a [u8]) -> Self {
        Self { rest: head.get(4..).unwrap_or_default() }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Breach> {
        let (first, rest) = self.rest.split_first().ok_or(Breach::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Breach> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(Breach::Truncated)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*first))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Breach> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(Breach::Truncated)?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*first))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Breach> {
        let length = self.u32()? as usize;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Breach::Truncated)?;
        self.rest = rest;
        Ok(text)
    }

    pub(super) fn path(&mut self) -> Result<Vec<u8>, Breach> {
        self.bounded(limits::PATH_BYTES)
    }

    pub(super) fn handle(&mut self) -> Result<Vec<u8>, Breach> {
        self.bounded(limits::SFTP_HANDLE_BYTES)
    }

    fn bounded(&mut self, most: usize) -> Result<Vec<u8>, Breach> {
        let text = self.string()?;
        if text.len() > most { Err(Breach::TooMany) } else { Ok(text.to_vec()) }
    }

    /// The attributes that a request sets.
    pub(super) fn attributes(&mut self) -> Result<Attributes, Breach> {
        let flags = self.u32()?;
        let size = if flags & 1 != 0 { Some(self.u64()?) } else { None };
        if flags & 2 != 0 {
            self.u64()?;
        }
        let mode = if flags & 4 != 0 { self.u32()? } else { 0 };
        // Size, mode and times are what copying programs set; an owner, a special bit or an extension is an act.
        Ok(Attributes { size, plain: flags & !0b1101 == 0 && mode & 0o7000 == 0 })
    }
}

/// What of a request's attributes matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// Nothing but size, ordinary mode and times.
    pub(super) plain: bool,
}

/// An answer of ours: a status with its words.
pub(super) fn status(id: u32, code: u32, words: &str) -> Vec<u8> {
    let text = |text: &str| [&u32::try_from(text.len()).unwrap_or(0).to_be_bytes()[..], text.as_bytes()].concat();
    let body = [&[STATUS][..], &id.to_be_bytes(), &code.to_be_bytes(), &text(words), &text("ja")].concat();
    [&u32::try_from(body.len()).unwrap_or(0).to_be_bytes()[..], &body].concat()
}
