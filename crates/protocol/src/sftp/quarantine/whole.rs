//! Guard and stage together: what goes on, what the worker gets, what is to be staged.

use super::{Effect, Room, Stage, Want};
use crate::files::{FileOp, Op, Outcome, Passed, Rule};
use crate::limits;
use crate::sftp::{Breach, Guard};
use bytes::Bytes;
use std::sync::Arc;

/// Guards one SFTP channel whose uploads wait.
#[derive(Debug)]
pub struct Quarantined {
    guard: Guard,
    stage: Stage,
    /// Answers for the worker.
    waiting: Vec<Bytes>,
    /// Acts that were finished in the same bytes as a breach.
    kept: Vec<FileOp>,
    broken: Option<Breach>,
}

impl Quarantined {
    /// A channel whose subsystem has just started.
    #[must_use]
    pub fn new(rule: Rule, room: Arc<Room>) -> Self {
        let stage = Stage::new(rule.words, room);
        Self { guard: Guard::new(rule), stage, waiting: Vec::new(), kept: Vec::new(), broken: None }
    }

    /// As [`Guard::from_worker`]. [`Quarantined::effects`] are to be carried out before the next call.
    ///
    /// # Errors
    /// [`Breach`], from then on always the same one.
    pub fn from_worker(&mut self, bytes: Bytes) -> Result<Passed, Breach> {
        self.guarded(|this, passed| {
            *passed = this.guard.from_worker(bytes)?;
            for piece in std::mem::take(&mut passed.on) {
                this.stage.from_worker(&piece)?;
            }
            passed.on = std::mem::take(&mut this.stage.to_target);
            this.settle(passed)
        })
    }

    /// As [`Guard::from_target`].
    ///
    /// # Errors
    /// As [`Quarantined::from_worker`].
    pub fn from_target(&mut self, bytes: &[u8]) -> Result<Passed, Breach> {
        self.guarded(|this, passed| {
            this.stage.from_target(bytes)?;
            this.settle(passed)?;
            passed.on = std::mem::take(&mut this.waiting);
            Ok(())
        })
    }

    /// It was decided on a file that waits. `Err`: it does not pass, and the worker's client gets these words.
    ///
    /// # Errors
    /// As [`Quarantined::from_worker`].
    pub fn decided(&mut self, file: u32, decision: Result<(), String>) -> Result<Passed, Breach> {
        self.guarded(|this, passed| {
            this.stage.decided(file, decision);
            this.settle(passed)
        })
    }

    /// The next part of staged content that the target can be sent.
    pub fn wants(&mut self) -> Option<Want> {
        if self.broken.is_some() { None } else { self.stage.wants() }
    }

    /// Gives a part that was wanted, or `None` if it could not be read.
    ///
    /// # Errors
    /// As [`Quarantined::from_worker`].
    pub fn content(&mut self, want: Want, bytes: Option<Bytes>) -> Result<Passed, Breach> {
        self.guarded(|this, passed| {
            this.stage.content(want, bytes);
            this.settle(passed)
        })
    }

    /// The content of a file could not be kept: it will not pass.
    ///
    /// # Errors
    /// As [`Quarantined::from_worker`].
    pub fn lost(&mut self, file: u32) -> Result<Passed, Breach> {
        self.guarded(|this, passed| {
            this.stage.spoil(file, super::Staging::Spool);
            this.settle(passed)
        })
    }

    /// What is to be done with staged content since the last look.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.stage.effects)
    }

    /// What the worker can get at this moment, between two packets of the target.
    pub fn due_to_worker(&mut self) -> Vec<Bytes> {
        let mut due = std::mem::take(&mut self.waiting);
        due.extend(self.guard.due_to_worker());
        due
    }

    /// What the target can get at this moment besides what the worker sends.
    pub fn due_to_target(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.stage.to_target)
    }

    /// True if a file waits, or is on its way to the target, so that the target's input must stay open.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.broken.is_none() && self.stage.is_busy()
    }

    /// The channel ended: what waited has not passed.
    #[must_use]
    pub fn finish(self) -> Vec<FileOp> {
        let mut acts = self.kept;
        let mut left = self.guard.finish();
        let cut = left.iter_mut().filter(|act| act.op == Op::Upload && act.outcome == Outcome::Cut);
        cut.filter(|act| !self.stage.poured(&act.path)).for_each(|act| act.outcome = Outcome::Refused);
        acts.extend(left);
        if self.broken.is_some() {
            // What was to be kept of the last bytes went down with the breach.
            crate::keep::broken(&mut acts);
        }
        acts
    }

    fn guarded(&mut self, act: impl FnOnce(&mut Self, &mut Passed) -> Result<(), Breach>) -> Result<Passed, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut passed = Passed::default();
        match act(self, &mut passed) {
            Ok(()) => Ok(passed),
            Err(breach) => {
                self.broken = Some(breach);
                self.kept.append(&mut passed.done);
                Err(breach)
            }
        }
    }

    /// Lets the guard see what the stage answered, as it sees what a target answers.
    fn settle(&mut self, passed: &mut Passed) -> Result<(), Breach> {
        for (close, file) in std::mem::take(&mut self.stage.aside) {
            if self.guard.keeps_whole(close) {
                self.guard.set_aside(close);
            } else {
                self.stage.unkept(file, close);
            }
        }
        for (answer, refused) in std::mem::take(&mut self.stage.to_worker) {
            let mut seen = self.guard.from_target(answer)?;
            seen.done.iter_mut().filter(|act| refused && act.op == Op::Upload).for_each(|act| act.outcome = Outcome::Refused);
            self.waiting.append(&mut seen.on);
            passed.keep.append(&mut seen.keep);
            passed.done.append(&mut seen.done);
            passed.refused.append(&mut seen.refused);
        }
        for handle in std::mem::take(&mut self.stage.spoiled) {
            self.guard.leave_out(&handle);
        }
        // A worker who asks and never reads would have all answers pile up here: the target is not there to slow them.
        if self.waiting.len() > limits::SFTP_REQUESTS {
            return Err(Breach::TooMany);
        }
        passed.refused.append(&mut self.stage.refused);
        passed.due |= !self.waiting.is_empty() || !self.stage.to_target.is_empty() || self.stage.is_hungry();
        Ok(())
    }
}
