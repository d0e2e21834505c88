//! Requests to view: who asks to open which recordings for how long, and who agreed.

use crate::auditor_key::{KeyStep, check_reason};
use crate::ids::{PersonId, SecondKeyId, SessionId, ViewingRequestId};
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a request stands. Whether its time is over, [`ViewingRequest::is_open`] and [`ViewingRequest::waits`] say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViewingState {
    /// It waits for a holder.
    Asked,
    /// A holder agreed, until a moment.
    Agreed,
    /// A holder declined.
    Declined,
    /// Who asked took it back.
    Withdrawn,
    /// It was ended before its time.
    Ended,
}

impl ViewingState {
    /// The name in API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Agreed => "agreed",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }
}

/// A request to open recordings that nobody opens alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViewingRequest {
    /// Identifier.
    pub id: ViewingRequestId,
    /// The recordings, in the order in which an agreement has their shares.
    pub sessions: Vec<SessionId>,
    /// Second keys of which each opens the shares of all of them.
    pub keys: Vec<SecondKeyId>,
    /// Who asks.
    pub by: PersonId,
    /// Their name.
    pub by_name: String,
    /// When.
    pub asked_at: Timestamp,
    /// Hours for which the recordings can be opened, from the first agreement on.
    pub hours: u32,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub state: ViewingState,
    /// Who agreed or declined last.
    pub decided: Option<KeyStep>,
    /// The key of whoever agreed.
    pub second_key: Option<SecondKeyId>,
    /// Until when it holds, once somebody agreed.
    pub until: Option<Timestamp>,
    /// Who took it back or ended it.
    pub ended: Option<KeyStep>,
}

impl ViewingRequest {
    /// Until when somebody may agree to it for the first time.
    #[must_use]
    pub fn lapses(&self) -> Timestamp {
        self.asked_at.plus(Duration::from_secs(limits::VIEWING_ASKED_DAYS as u64 * 24 * 3600))
    }

    /// Whether it waits for a holder at this moment.
    #[must_use]
    pub fn waits(&self, now: Timestamp) -> bool {
        self.state == ViewingState::Asked && now < self.lapses()
    }

    /// Whether a holder's agreement holds at this moment.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == ViewingState::Agreed && self.until.is_some_and(|until| now < until)
    }

    /// Until when an agreement that is given at this moment holds: for the hours that were asked for, counted from the first
    /// agreement. After a restart of the box a holder agrees once more, and that lengthens nothing.
    ///
    /// # Errors
    /// [`Refusal::ViewingStep`] if it was declined, taken back or ended, or its time is over.
    pub fn agreed_until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        if self.waits(now) {
            return Ok(now.plus(Duration::from_secs(u64::from(self.hours) * 3600)));
        }
        self.until.filter(|_| self.is_open(now)).ok_or(Refusal::ViewingStep)
    }
}

/// What somebody asks for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewingAsk {
    /// The session whose recording is to be opened.
    pub session: SessionId,
    /// The recordings of all sessions of its plan that have ended.
    #[serde(default)]
    pub whole_plan: bool,
    /// Hours for which it can be opened.
    #[serde(default = "default_hours")]
    pub hours: u32,
    /// Why.
    pub reason: String,
}

fn default_hours() -> u32 {
    limits::VIEWING_DEFAULT_HOURS as u32
}

impl ViewingAsk {
    /// Checks what was entered.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        if !(1..=limits::VIEWING_HOURS as u32).contains(&self.hours) {
            return Err(Refusal::bad_field("hours"));
        }
        check_reason(&self.reason)
    }
}

/// A request with what a page says beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ViewingDetail {
    /// The request.
    pub request: ViewingRequest,
    /// Who can agree: each holder and their name, without whoever asks.
    pub holders: Vec<(PersonId, String)>,
    /// Whether this person can agree to it now.
    pub may_agree: bool,
    /// Whether this person can end it now.
    pub may_end: bool,
    /// Whether this person asked.
    pub mine: bool,
    /// Whether the shares are in the memory of the box. If not while the agreement holds, a holder agrees once more.
    pub at_hand: bool,
}

/// What a person needs to open a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "need", rename_all = "snake_case")]
pub enum ViewingNeed {
    /// Nobody's agreement.
    None,
    /// That of a holder.
    Needed {
        /// The request of this person that waits for one, or that waits to be agreed to once more after a restart.
        waiting: Option<ViewingRequestId>,
    },
    /// A holder agreed.
    Open {
        /// To which request.
        request: ViewingRequestId,
        /// Until when.
        until: Timestamp,
    },
}
