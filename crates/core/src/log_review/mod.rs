//! 証跡レビュー: the periodic review of the log as a duty (guideline 17.① and 17.1).
//!
//! Nobody reads every entry. Thresholds screen the entries of a span ([`screen`]), a draw that nobody chooses adds sessions that nobody
//! watched ([`sample`]), and what is left is judged line by line, signed by an operator and confirmed by a planner. Nobody judges what they
//! did themselves. The list is fixed when it is made; its signed bytes hold every judgement.

mod fold;
mod sample;
mod screen;
#[cfg(test)]
mod tests;
mod watched;

pub use sample::{DRAW_CONTEXT, Draw, SEED_CONTEXT, how_many, seed_text};
pub use screen::{Bounds, Known, Screen, Screened, SessionBrief};
pub use watched::{WATCHED_PERCENT, Watching};

use crate::ids::{LogReviewId, PersonId, PlanId, SessionId, VendorId};
use crate::limits;
use crate::people::{Actor, Role};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::span::{Span, SpanKind};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Part of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// 非常時: emergency accounts and emergency work.
    Emergency,
    /// 迂回ログイン.
    Around,
    /// 警報, and how each was closed.
    Alarm,
    /// 拒否された試み.
    Refused,
    /// 時間外の接続.
    Outside,
    /// 計画との差異, and deadlines that passed.
    Difference,
    /// 持ち出されたファイル.
    FilesOut,
    /// 保留・拒否されたコマンド.
    Command,
    /// 特権の変更.
    Privileged,
    /// 取り出された証跡: exports, contents, bundles.
    Taken,
    /// だれが何を見たか.
    Viewed,
    /// 抜取り: sessions that nobody watched.
    Sample,
}

impl Section {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 12] =
        [Self::Emergency, Self::Around, Self::Alarm, Self::Refused, Self::Outside, Self::Difference, Self::FilesOut, Self::Command, Self::Privileged, Self::Taken, Self::Viewed, Self::Sample];

    /// The name in API, exports and locales.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Around => "around",
            Self::Alarm => "alarm",
            Self::Refused => "refused",
            Self::Outside => "outside",
            Self::Difference => "difference",
            Self::FilesOut => "files_out",
            Self::Command => "command",
            Self::Privileged => "privileged",
            Self::Taken => "taken",
            Self::Viewed => "viewed",
            Self::Sample => "sample",
        }
    }
}

/// What became of a section: what was looked at, and what is in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SectionCount {
    /// Entries that belong to it.
    pub entries: u64,
    /// Groups of them: one name, one session, one person.
    pub groups: u64,
    /// Groups that passed the threshold and stand in the list.
    pub lines: u64,
}

/// How a line was judged; the later, the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineVerdict {
    /// 問題なし.
    Fine,
    /// 要是正: something must be put right.
    Mend,
    /// 事案として扱う.
    Incident,
}

impl LineVerdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fine, Self::Mend, Self::Incident];

    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Mend => "mend",
            Self::Incident => "incident",
        }
    }

    /// Reads what [`LineVerdict::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// What.
    pub verdict: LineVerdict,
    /// Why; needed for all but 問題なし.
    pub note: String,
    /// Who.
    pub by: PersonId,
    /// Their name at that moment.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewedLine {
    /// Its number, from 1.
    pub n: u32,
    /// Its section.
    pub section: Section,
    /// What it is: the key of its words.
    pub what: String,
    /// The values in those words.
    pub values: BTreeMap<String, String>,
    /// When the first of it happened.
    pub at: Timestamp,
    /// Who did it, as the log names them.
    pub who: String,
    /// Whom it is about: they do not judge it.
    pub about: BTreeSet<PersonId>,
    /// The vendor, if it is about one.
    pub vendor: Option<VendorId>,
    /// The session.
    pub session: Option<SessionId>,
    /// The plan.
    pub plan: Option<PlanId>,
    /// Numbers of its entries in the log, the first of them.
    pub seqs: Vec<u64>,
    /// How many entries it stands for.
    pub entries: u64,
    /// How it was judged.
    pub judged: Option<Judged>,
    /// Judgements that another took the place of, the oldest first; of very many by one person their oldest give way, never the first nor the gravest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Judged>,
}

/// A signature beneath a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewSigned {
    /// Who.
    pub by: PersonId,
    /// Their name at that moment.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of what was signed, hex.
    pub digest: String,
    /// The box's signature over it, made on the person's behalf after a fresh factor.
    #[serde(default)]
    pub signature: String,
    /// A remark on the whole.
    #[serde(default)]
    pub remark: String,
    /// One person signed and confirmed, as the small-facility profile lets pass.
    #[serde(default)]
    pub deviation: bool,
}

impl ReviewSigned {
    /// The bytes that the box signs.
    #[must_use]
    pub fn signed_bytes(&self, act: &str, review: &LogReviewId) -> Vec<u8> {
        format!("{act}\n{review}\n{}\n{}\n{}\n", self.by, self.at.0, self.digest).into_bytes()
    }
}

/// The review of one span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogReview {
    /// Identifier.
    pub id: LogReviewId,
    /// The name of its span: `2026-W47`.
    pub number: String,
    /// How long its span is.
    pub kind: SpanKind,
    /// The span.
    pub span: Span,
    /// When the list was made.
    pub opened_at: Timestamp,
    /// By when it is to be signed.
    pub due: Timestamp,
    /// Number of the first entry of the span.
    pub first: u64,
    /// Number of the first entry after it.
    pub end: u64,
    /// Root of the log over all entries before `end`, hex.
    pub root: String,
    /// The log key's signature over the name of the span and the root: the seed of the draw.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seed: String,
    /// The thresholds that the list was made with, in words of the configuration.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bounds: String,
    /// Percent of the sessions that nobody watched which are drawn.
    pub rate: u32,
    /// Sessions that ended in the span, and how many of them nobody watched.
    pub ended: u64,
    /// Of these, nobody watched.
    pub unwatched: u64,
    /// What was looked at.
    pub counts: BTreeMap<Section, SectionCount>,
    /// The list.
    pub lines: Vec<ReviewedLine>,
    /// The operator's signature.
    pub signed: Option<ReviewSigned>,
    /// By when it is to be confirmed, once it is signed.
    pub confirm_due: Option<Timestamp>,
    /// The planner's confirmation.
    pub confirmed: Option<ReviewSigned>,
}

/// How a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogReviewState {
    /// It waits for judgements and the operator's signature.
    Open,
    /// It waits for the planner.
    Signed,
    /// It is done.
    Confirmed,
}

impl LogReviewState {
    /// The name in API and locales.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Signed => "signed",
            Self::Confirmed => "confirmed",
        }
    }
}

/// What somebody says about a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineSaid {
    /// Which line.
    pub line: u32,
    /// How it is judged.
    pub verdict: LineVerdict,
    /// Why.
    #[serde(default)]
    pub note: String,
}

impl ReviewedLine {
    /// Makes room for one more judgement of this person: only what they said themselves goes, and neither the first nor the gravest.
    fn make_room(&mut self, by: &PersonId) -> Result<(), Refusal> {
        if self.earlier.len() < limits::LOG_REVIEW_CHANGES {
            return Ok(());
        }
        let gravest = self.earlier.iter().map(|judged| judged.verdict).max();
        let kept = self.earlier.iter().position(|judged| Some(judged.verdict) == gravest);
        let own = (1..).zip(self.earlier.iter().skip(1)).find(|(at, judged)| judged.by == *by && Some(*at) != kept).map(|(at, _)| at);
        self.earlier.remove(own.ok_or_else(|| Refusal::too_many("LOG_REVIEW_CHANGES"))?);
        Ok(())
    }
}

impl LogReview {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> LogReviewState {
        match (&self.signed, &self.confirmed) {
            (_, Some(_)) => LogReviewState::Confirmed,
            (Some(_), None) => LogReviewState::Signed,
            (None, None) => LogReviewState::Open,
        }
    }

    /// Entries of the span.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// True if nothing at all was written in the span: the box was off, and that says nothing about what happened.
    #[must_use]
    pub fn is_without_data(&self) -> bool {
        self.entries() == 0
    }

    /// Lines without a judgement.
    #[must_use]
    pub fn open_lines(&self) -> usize {
        self.lines.iter().filter(|line| line.judged.is_none()).count()
    }

    /// Lines with this judgement.
    #[must_use]
    pub fn judged(&self, verdict: LineVerdict) -> usize {
        self.lines.iter().filter(|line| line.judged.as_ref().is_some_and(|judged| judged.verdict == verdict)).count()
    }

    /// The moment by which somebody must do something, and whether it has passed.
    #[must_use]
    pub fn waits_until(&self) -> Option<Timestamp> {
        match self.state() {
            LogReviewState::Open => Some(self.due),
            LogReviewState::Signed => self.confirm_due,
            LogReviewState::Confirmed => None,
        }
    }

    /// The bytes of the list as it was made, without what people said of it.
    #[must_use]
    pub fn listed_bytes(&self) -> Vec<u8> {
        let mut bare = Self { signed: None, confirm_due: None, confirmed: None, ..self.clone() };
        for line in &mut bare.lines {
            line.judged = None;
            line.earlier.clear();
        }
        serde_json::to_vec(&bare).unwrap_or_default()
    }

    /// The bytes that are signed: the list with every judgement.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let bare = Self { signed: None, confirm_due: None, confirmed: None, ..self.clone() };
        serde_json::to_vec(&bare).unwrap_or_default()
    }

    /// Whether this person may judge this line: nobody judges what is about themselves.
    #[must_use]
    pub fn may_judge(&self, actor: &Actor, line: &ReviewedLine) -> bool {
        actor.person.as_ref().is_some_and(|person| !line.about.contains(person))
    }

    /// Takes judgements. The right to judge at all is the caller's to check.
    ///
    /// # Errors
    /// [`Refusal::LogReviewSigned`] after the signature; [`Refusal::OwnMatter`] for a line about the actor; [`Refusal::ReasonNeeded`],
    /// also to change what somebody else judged; [`Refusal::NotAllowed`] for whoever lets go what another ever held to be grave and is no
    /// planner; [`Refusal::NotFound`] for a line that is not there; [`Refusal::TooMany`] for a note that is too long, for a line with too
    /// many judgements, and where all of them together would no longer fit into a bundle.
    pub fn judge(&mut self, actor: &Actor, said: &[LineSaid], now: Timestamp) -> Result<Vec<LineSaid>, Refusal> {
        let by = actor.person.clone().ok_or(Refusal::NotAllowed)?;
        if self.signed.is_some() {
            return Err(Refusal::LogReviewSigned);
        }
        let mut told = Vec::new();
        for one in said {
            if one.note.chars().count() > limits::LOG_REVIEW_NOTE_CHARS {
                return Err(Refusal::too_many("LOG_REVIEW_NOTE_CHARS"));
            }
            let line = self.lines.iter_mut().find(|line| line.n == one.line).ok_or(Refusal::NotFound)?;
            if line.about.contains(&by) {
                return Err(Refusal::OwnMatter);
            }
            if one.verdict != LineVerdict::Fine && one.note.trim().is_empty() {
                return Err(Refusal::ReasonNeeded);
            }
            // Sending the form again puts nobody else's name below a judgement that stands.
            if line.judged.as_ref().is_some_and(|judged| judged.verdict == one.verdict && judged.note == one.note) {
                continue;
            }
            // Somebody else's judgement is changed knowingly, with words.
            if line.judged.as_ref().is_some_and(|before| before.by != by) && one.note.trim().is_empty() {
                return Err(Refusal::ReasonNeeded);
            }
            // What anybody else ever held to be grave is let go by the planner alone, in however many steps.
            let is_grave_to_another = line.judged.iter().chain(&line.earlier).any(|before| before.by != by && before.verdict != LineVerdict::Fine);
            if one.verdict == LineVerdict::Fine && is_grave_to_another && !actor.is(Role::Planner) {
                return Err(Refusal::NotAllowed);
            }
            line.make_room(&by)?;
            line.earlier.extend(line.judged.take());
            line.judged = Some(Judged { verdict: one.verdict, note: one.note.clone(), by: by.clone(), name: actor.name.clone(), at: now });
            told.push(one.clone());
        }
        // A list that no bundle can hold would spoil every bundle of its span.
        if !told.is_empty() && self.signed_bytes().len() > limits::LOG_REVIEW_BYTES {
            return Err(Refusal::too_many("LOG_REVIEW_BYTES"));
        }
        Ok(told)
    }

    /// Signs the whole. `seen` is the digest of what the signer was shown, `digest` that of what there is.
    ///
    /// # Errors
    /// [`Refusal::LogReviewSigned`]; [`Refusal::NotAllowed`] for whoever is no operator; [`Refusal::LogReviewOpenLines`];
    /// [`Refusal::DigestChanged`]; [`Refusal::ReasonNeeded`] for a span without data, of which somebody must say why.
    pub fn sign(&mut self, actor: &Actor, seen: &str, digest: &str, remark: &str, confirm_due: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        if self.signed.is_some() {
            return Err(Refusal::LogReviewSigned);
        }
        let by = actor.person.clone().filter(|_| actor.is(Role::Operator)).ok_or(Refusal::NotAllowed)?;
        if self.open_lines() > 0 {
            return Err(Refusal::LogReviewOpenLines);
        }
        if seen != digest {
            return Err(Refusal::DigestChanged);
        }
        if self.is_without_data() && remark.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        self.signed = Some(ReviewSigned { by, name: actor.name.clone(), at: now, digest: digest.to_owned(), signature: String::new(), remark: remark.to_owned(), deviation: false });
        self.confirm_due = Some(confirm_due);
        Ok(())
    }

    /// Confirms it. Whoever signed does not confirm, save where one person is both and the hospital said so.
    ///
    /// # Errors
    /// [`Refusal::LogReviewSigned`] if it is not signed or confirmed already; [`Refusal::NotAllowed`]; [`Refusal::SameHand`];
    /// [`Refusal::DigestChanged`].
    pub fn confirm(&mut self, actor: &Actor, policy: &Policy, seen: &str, digest: &str, remark: &str, now: Timestamp) -> Result<(), Refusal> {
        let by = actor.person.clone().filter(|_| actor.is(Role::Planner)).ok_or(Refusal::NotAllowed)?;
        let Some(signed) = self.signed.as_ref().filter(|_| self.confirmed.is_none()) else { return Err(Refusal::LogReviewSigned) };
        let same = signed.by == by;
        if same && !policy.small_facility {
            return Err(Refusal::SameHand);
        }
        if seen != digest || signed.digest != digest {
            return Err(Refusal::DigestChanged);
        }
        self.confirmed = Some(ReviewSigned { by, name: actor.name.clone(), at: now, digest: digest.to_owned(), signature: String::new(), remark: remark.to_owned(), deviation: same });
        Ok(())
    }

    /// Gives a signed review back to the operator (差戻し). The judgements stay.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]; [`Refusal::LogReviewSigned`] unless it waits for the planner; [`Refusal::ReasonNeeded`].
    pub fn give_back(&mut self, actor: &Actor, reason: &str) -> Result<(), Refusal> {
        if !actor.is(Role::Planner) || actor.person.is_none() {
            return Err(Refusal::NotAllowed);
        }
        if self.state() != LogReviewState::Signed {
            return Err(Refusal::LogReviewSigned);
        }
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        self.signed = None;
        self.confirm_due = None;
        Ok(())
    }
}
