//! The pieces of one message that go on, cut out of it without copying.

use bytes::Bytes;

/// Walks through a message. What is passed stays in one piece until something is left out or put between.
#[derive(Debug)]
pub(crate) struct Run {
    bytes: Bytes,
    from: usize,
    at: usize,
    out: Vec<Bytes>,
}

impl Run {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, from: 0, at: 0, out: Vec::new() }
    }

    /// What has not been walked through.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `length` bytes, or all that are left, sharing the message's memory.
    pub(crate) fn peek(&self, length: usize) -> Bytes {
        let end = self.at.saturating_add(length).min(self.bytes.len());
        self.bytes.slice(self.at..end)
    }

    /// Lets `length` bytes go on.
    pub(crate) fn pass(&mut self, length: usize) {
        self.at = self.at.saturating_add(length).min(self.bytes.len());
    }

    /// Leaves `length` bytes out.
    pub(crate) fn drop(&mut self, length: usize) {
        self.flush();
        self.pass(length);
        self.from = self.at;
    }

    /// Puts bytes in between.
    pub(crate) fn put(&mut self, bytes: Bytes) {
        self.flush();
        if !bytes.is_empty() {
            self.out.push(bytes);
        }
    }

    fn flush(&mut self) {
        if self.from < self.at {
            self.out.push(self.bytes.slice(self.from..self.at));
            self.from = self.at;
        }
    }

    /// All that goes on, in its order.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        self.out
    }
}
