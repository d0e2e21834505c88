//! SFTP version 3 (draft-ietf-secsh-filexfer-02, OpenSSH's PROTOCOL file) guarded from between the peers.
//!
//! What may pass goes on untouched, names in whatever encoding they have. What may not pass never reaches the other
//! side: the worker gets an answer of ours in its place, in the order of the requests. What cannot be understood cannot
//! be vouched for, so it is a [`Breach`], and the gateway closes the channel.

mod judge;
mod packet;
mod quarantine;
mod table;

pub use quarantine::{Effect, Quarantined, Room, Staging, Want};

use crate::files::{FileOp, Passed, Rule};
use crate::keep::Keep;
use crate::stream::Run;
use bytes::Bytes;
use packet::{Side, needed, whole};
use table::{Flow, Table};

/// Why the bytes are no SFTP that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A packet that is empty, or longer than [`crate::limits::SFTP_PACKET_BYTES`] or, without content,
    /// [`crate::limits::SFTP_SMALL_BYTES`].
    PacketLength,
    /// A packet that ends before its fields do.
    Truncated,
    /// A packet type that this side may not send, or that version 3 does not have.
    PacketType,
    /// The target chose another version than 3.
    Version,
    /// A packet before the version was agreed, or a second agreement.
    Order,
    /// A request number that is still in use, or an answer to no request.
    RequestId,
    /// An answer of a kind that its request cannot have.
    Answer,
    /// More requests, handles, or longer names than the limits allow.
    TooMany,
}

/// Guards one SFTP channel.
#[derive(Debug, Default)]
pub struct Guard {
    rule: Rule,
    worker: Stream,
    target: Stream,
    table: Table,
    asked: bool,
    agreed: bool,
    broken: Option<Breach>,
}

/// One direction of the channel.
#[derive(Debug, Default)]
struct Stream {
    /// The beginning of a packet that cannot be judged yet. Nothing of it has gone on.
    held: Vec<u8>,
    body: Option<Body>,
}

/// What is still to come of a packet that was judged.
#[derive(Debug)]
struct Body {
    left: usize,
    pass: bool,
    flow: Option<Flow>,
}

/// What happens to a packet.
#[derive(Debug)]
enum Verdict {
    Pass,
    /// It passes, and this content with it.
    Carry(Flow),
    Drop,
    /// It does not pass; this goes on in its place.
    Replace(Bytes),
}

impl Guard {
    /// A channel whose subsystem has just started.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// Judges bytes that come from the worker. Only [`Passed::on`] may be sent on to the target.
    ///
    /// # Errors
    /// [`Breach`], from then on always the same one: the channel must be closed and nothing sent on.
    pub fn from_worker(&mut self, bytes: Bytes) -> Result<Passed, Breach> {
        self.guarded(Side::Worker, bytes)
    }

    /// Judges bytes that come from the target. Only [`Passed::on`] may be sent on to the worker.
    ///
    /// # Errors
    /// As [`Guard::from_worker`].
    pub fn from_target(&mut self, bytes: Bytes) -> Result<Passed, Breach> {
        self.guarded(Side::Target, bytes)
    }

    /// Answers of ours that the worker can get at this moment, between two packets of the target.
    pub fn due_to_worker(&mut self) -> Vec<Bytes> {
        let between = self.target.body.is_none() && self.agreed && self.broken.is_none();
        if between { self.table.due() } else { Vec::new() }
    }

    /// The answer to this request waits for a person: answers of ours to later ones need not wait for it.
    fn set_aside(&mut self, id: u32) {
        self.table.set_aside(id);
    }

    /// True if all that went over by the handle that this request closes was kept, or nothing is to be kept.
    fn keeps_whole(&self, close: u32) -> bool {
        self.rule.keeper.is_none() || self.table.keeps_whole(close)
    }

    /// What the worker goes on to send by this handle goes nowhere, so nothing of it is kept.
    fn leave_out(&mut self, handle: &[u8]) {
        self.table.leave_out(handle);
    }

    /// The channel ended: what was under way ends as [`crate::files::Outcome::Cut`].
    #[must_use]
    pub fn finish(mut self) -> Vec<FileOp> {
        let mut acts = self.table.cut();
        if self.broken.is_some() {
            crate::keep::broken(&mut acts);
        }
        acts
    }

    fn guarded(&mut self, side: Side, bytes: Bytes) -> Result<Passed, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut passed = Passed::default();
        let mut run = Run::new(bytes);
        match self.packets(side, &mut run, &mut passed) {
            Ok(()) => {
                passed.on = run.finish();
                Ok(passed)
            }
            Err(breach) => {
                self.broken = Some(breach);
                // What was finished before the breach is reported by `finish`, so that no act is lost.
                self.table.keep(passed.done);
                Err(breach)
            }
        }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Worker => &mut self.worker,
            Side::Target => &mut self.target,
        }
    }

    fn packets(&mut self, side: Side, run: &mut Run, passed: &mut Passed) -> Result<(), Breach> {
        loop {
            if let Some(body) = self.stream(side).body.take()
                && let Some(rest) = self.body(body, run, &mut passed.keep)
            {
                self.stream(side).body = Some(rest);
                return Ok(());
            }
            if side == Side::Target {
                for answer in self.due_to_worker() {
                    run.put(answer);
                }
            }
            if run.rest().is_empty() {
                return Ok(());
            }
            let Some((head, held)) = self.head(side, run)? else { return Ok(()) };
            let left = whole(&head).saturating_sub(head.len());
            let verdict = match side {
                Side::Worker => self.request(&head, left, passed)?,
                Side::Target => self.answer(&head, left, passed)?,
            };
            let pass = matches!(verdict, Verdict::Pass | Verdict::Carry(_));
            match (pass, held) {
                (true, true) => run.put(head),
                (true, false) => run.pass(head.len()),
                (false, true) => {}
                (false, false) => run.drop(head.len()),
            }
            let flow = match verdict {
                Verdict::Carry(flow) => Some(flow),
                Verdict::Replace(answer) => {
                    run.put(answer);
                    None
                }
                Verdict::Pass | Verdict::Drop => None,
            };
            self.stream(side).body = Some(Body { left, pass, flow });
        }
    }

    /// The next packet's head once it can be judged; true with it if it was held back from earlier messages.
    fn head(&mut self, side: Side, run: &mut Run) -> Result<Option<(Bytes, bool)>, Breach> {
        let stream = self.stream(side);
        if stream.held.is_empty() {
            let need = needed(side, run.rest())?;
            if need <= run.rest().len() {
                return Ok(Some((run.peek(need), false)));
            }
        }
        loop {
            let need = needed(side, &stream.held)?;
            if need <= stream.held.len() {
                return Ok(Some((Bytes::from(std::mem::take(&mut stream.held)), true)));
            }
            let more = run.peek(need - stream.held.len());
            if more.is_empty() {
                return Ok(None);
            }
            stream.held.extend_from_slice(&more);
            run.drop(more.len());
        }
    }

    /// Walks through a packet's body. Gives what is still to come of it.
    fn body(&mut self, mut body: Body, run: &mut Run, keep: &mut Vec<Keep>) -> Option<Body> {
        let part = run.peek(body.left);
        if let Some(flow) = &mut body.flow {
            self.table.carry(flow, &part, self.rule.keeper.as_deref(), keep);
        }
        if body.pass {
            run.pass(part.len());
        } else {
            run.drop(part.len());
        }
        body.left -= part.len();
        (body.left > 0).then_some(body)
    }
}

#[cfg(test)]
mod rights;
#[cfg(test)]
mod tests;
