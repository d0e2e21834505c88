//! Packets out of a stream, and fields out of a packet.

use super::Breach;
use crate::limits;

/// Cuts one direction of a channel into packets, keeping at most one unfinished packet.
#[derive(Debug, Default)]
pub(super) struct Packets {
    partial: Vec<u8>,
}

impl Packets {
    /// The next whole packet without its length field; takes what it used from `bytes`.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Breach> {
        if !self.fill(bytes, 4) {
            return Ok(None);
        }
        let Some(&[a, b, c, d]) = self.partial.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length == 0 || length > limits::SFTP_PACKET_BYTES {
            return Err(Breach::PacketLength);
        }
        if !self.fill(bytes, 4 + length) {
            return Ok(None);
        }
        let mut packet = std::mem::take(&mut self.partial);
        packet.drain(..4);
        Ok(Some(packet))
    }

    fn fill(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.partial.len());
        let (head, tail) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(head);
        *bytes = tail;
        self.partial.len() >= wanted
    }
}

/// The fields of one packet, in order. What follows the last field that is read is not looked at: newer
/// versions of both peers append fields.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(packet: &'a [u8]) -> Self {
        Self { rest: packet }
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
}
