//! 保管期間 (retention): how long what is kept is kept, by class, and what follows from the log for each thing. Pure.
//!
//! [`Board`] is a fold over the entries of the log, of which those that decide are signed by its key. Rows of the database decide
//! nothing here: who can write to the database can neither shorten a time nor make a hold vanish.

use crate::around::Decision;
use crate::facts::{Entry, Fact};
use crate::hold::{Hold, HoldEnd, HoldScope, Thing};
use crate::ids::{AttachmentId, CaseId, HoldId, PersonId, PlanId, SessionId};
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A class of what is kept. The log itself is none: a Merkle log is never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepClass {
    /// Recordings of ordinary sessions.
    Recordings,
    /// Recordings that hold contents of files, uploads that waited among them; where the class above is longer, that counts.
    Contents,
    /// Lines of targets' own logs.
    TargetLogs,
    /// Files attached to plans.
    Approvals,
    /// Recordings of emergencies and of what was decided to be an incident.
    Emergency,
}

impl KeepClass {
    /// All.
    pub const ALL: [Self; 5] = [Self::Recordings, Self::Contents, Self::TargetLogs, Self::Approvals, Self::Emergency];

    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recordings => "recordings",
            Self::Contents => "contents",
            Self::TargetLogs => "target_logs",
            Self::Approvals => "approvals",
            Self::Emergency => "emergency",
        }
    }

    /// Reads what [`KeepClass::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Days with which a box begins (domain.md section 8).
    #[must_use]
    pub fn default_days(self) -> u32 {
        match self {
            Self::Recordings | Self::Contents => 365,
            Self::TargetLogs => 400,
            Self::Approvals | Self::Emergency => 5 * 365,
        }
    }
}

/// A number of days that can be kept.
///
/// # Errors
/// [`Refusal::BadField`] below the floor of [`limits::RETENTION_FLOOR_DAYS`] or beyond all measure.
pub fn check_days(days: u32) -> Result<(), Refusal> {
    if (limits::RETENTION_FLOOR_DAYS..=limits::RETENTION_LONGEST_DAYS).contains(&(days as usize)) { Ok(()) } else { Err(Refusal::bad_field("days")) }
}

/// The rule of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeepRule {
    /// Days that are kept, from the end of the thing on.
    pub days: u32,
    /// When the rule was set.
    pub since: Timestamp,
    /// Nothing is deleted by it before this moment: what it makes due must have stood on the page for as long.
    pub not_before: Timestamp,
}

/// A wish to shorten, which waits for a planner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeepWish {
    /// Days asked for.
    pub days: u32,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Who; none for the console.
    pub by: Option<PersonId>,
    /// Their name.
    pub name: String,
}

impl KeepWish {
    /// Until when somebody may agree to it.
    #[must_use]
    pub fn lapses(&self) -> Timestamp {
        lapses(self.at)
    }
}

/// A wish that deleting goes on, which waits for another person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResumeWish {
    /// The entry by which it was asked for.
    pub seq: u64,
    /// Numbers of the entries in doubt that it names.
    pub entries: Vec<u64>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Who; none for what named nobody, to which nobody can agree.
    pub by: Option<PersonId>,
    /// Their name.
    pub name: String,
}

impl ResumeWish {
    /// Until when somebody may agree to it.
    #[must_use]
    pub fn lapses(&self) -> Timestamp {
        lapses(self.at)
    }
}

/// What was asked for long ago was asked of another state of things.
fn lapses(asked: Timestamp) -> Timestamp {
    asked.plus(Duration::from_secs(limits::KEEPING_ASKED_DAYS as u64 * 24 * 3600))
}

/// Why nothing is deleted: what the database says is not what the log said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum StopCause {
    /// An entry that decides bears no signature of the log's key.
    Unsigned {
        /// Its number.
        seq: u64,
    },
    /// An entry cannot be read.
    Malformed,
    /// Other holds.
    Holds,
    /// Other times of keeping.
    Times,
    /// Other second keys, or other agreements to open recordings.
    TwoPerson,
}

impl StopCause {
    /// In Japanese, to stand in brackets.
    #[must_use]
    pub fn ja(self) -> String {
        match self {
            Self::Unsigned { seq } => format!("証跡の項目 {seq} に関所の署名がありません"),
            Self::Malformed => "データベースに、読み取れない証跡の項目があります".into(),
            Self::Holds => "データベースの証拠保全が、証跡と異なります".into(),
            Self::Times => "データベースの保管期間が、証跡と異なります".into(),
            Self::TwoPerson => "データベースの第二の鍵または閲覧の同意が、証跡と異なります".into(),
        }
    }

    /// In English, to stand in brackets.
    #[must_use]
    pub fn en(self) -> String {
        match self {
            Self::Unsigned { seq } => format!("entry {seq} of the log bears no signature of the box"),
            Self::Malformed => "an entry of the log in the database cannot be read".into(),
            Self::Holds => "the holds in the database are not those of the log".into(),
            Self::Times => "the times of keeping in the database are not those of the log".into(),
            Self::TwoPerson => "the second keys or agreements in the database are not those of the log".into(),
        }
    }
}

/// What was deleted, as its entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// All that the log tells of keeping and deleting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    rules: BTreeMap<KeepClass, KeepRule>,
    wishes: BTreeMap<KeepClass, KeepWish>,
    holds: BTreeMap<HoldId, Hold>,
    sessions: BTreeMap<SessionId, Erased>,
    aside: BTreeMap<SessionId, Timestamp>,
    attachments: BTreeMap<AttachmentId, Erased>,
    /// Entries that would decide and bear no signature, but for those that two persons looked at.
    doubted: BTreeSet<u64>,
    resume: Option<ResumeWish>,
    /// Sessions whose recordings hold contents of files.
    contents: BTreeSet<SessionId>,
    /// What each case is near to, and those that were decided to be incidents.
    cases: BTreeMap<CaseId, SessionId>,
    incidents: BTreeSet<CaseId>,
    /// When the log told last of the course of each plan.
    plans: BTreeMap<PlanId, Timestamp>,
    /// When each session ran, and by which plan.
    spans: BTreeMap<SessionId, Span>,
    /// From when to when each case grew.
    grown: BTreeMap<CaseId, (Timestamp, Timestamp)>,
}

/// When a session ran.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    plan: Option<PlanId>,
    from: Timestamp,
    /// None while it runs.
    until: Option<Timestamp>,
}

impl Board {
    /// The kinds of facts that change holds and rules, for whoever reads them again.
    pub const KINDS: [&'static str; 7] = ["hold_placed", "hold_extended", "hold_lifted", "hold_ended", "retention_set", "retention_asked", "retention_declined"];

    /// Takes an entry that would decide, and that the log's key has not signed, for what it is: it says nothing, and nothing is
    /// deleted until two persons looked at it.
    pub fn doubt(&mut self, seq: u64) {
        self.doubted.insert(seq);
    }

    /// The entries that would decide, that the log's key has not signed, and that stop deleting; ascending.
    #[must_use]
    pub fn doubted(&self) -> &BTreeSet<u64> {
        &self.doubted
    }

    /// The wish that deleting goes on, which waits for another person at this moment.
    #[must_use]
    pub fn resume(&self, now: Timestamp) -> Option<&ResumeWish> {
        self.resume.as_ref().filter(|wish| now < wish.lapses())
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) {
        let at = entry.at;
        self.take_span(entry);
        match &entry.fact {
            Fact::HoldPlaced { hold, scope, about, basis, case_number, reason, until } => {
                let placed = Hold {
                    id: hold.clone(),
                    scope: scope.clone(),
                    about: about.clone(),
                    basis: *basis,
                    case_number: case_number.clone(),
                    reason: reason.clone(),
                    placed_at: at,
                    placed_by: entry.actor.person.clone(),
                    placed_name: entry.actor.name.clone(),
                    until: *until,
                    extended: false,
                    ended: None,
                };
                self.holds.insert(hold.clone(), placed);
            }
            Fact::HoldExtended { hold, until, .. } => {
                if let Some(held) = self.holds.get_mut(hold) {
                    held.until = Some(*until);
                    held.extended = true;
                }
            }
            Fact::HoldLifted { hold, reason, .. } => self.end(hold, HoldEnd { at, by: entry.actor.name.clone(), reason: reason.clone() }),
            Fact::HoldEnded { hold, .. } => self.end(hold, HoldEnd { at, by: String::new(), reason: String::new() }),
            Fact::RetentionSet { class, days, not_before, .. } => {
                self.wishes.remove(class);
                self.rules.insert(*class, KeepRule { days: *days, since: at, not_before: *not_before });
            }
            Fact::RetentionAsked { class, days, reason, .. } => {
                let wish = KeepWish { days: *days, reason: reason.clone(), at, by: entry.actor.person.clone(), name: entry.actor.name.clone() };
                self.wishes.insert(*class, wish);
            }
            Fact::RetentionDeclined { class, .. } => drop(self.wishes.remove(class)),
            Fact::DeletingAsked { entries, reason } => {
                self.resume = Some(ResumeWish { seq: entry.seq, entries: entries.clone(), reason: reason.clone(), at, by: entry.actor.person.clone(), name: entry.actor.name.clone() });
            }
            // Only what stood in doubt before it: what comes later stops again.
            Fact::DeletingResumed { entries, .. } => {
                // That two persons did it, the box saw to when it signed; what is read is looked at once more.
                let asked = self.resume.take().and_then(|wish| wish.by);
                if entry.actor.person.is_some() && asked.is_some() && asked != entry.actor.person {
                    self.doubted.retain(|seq| !entries.contains(seq));
                }
            }
            Fact::DeletingDeclined { .. } => self.resume = None,
            Fact::RecordingDeleted { session, .. } => drop(self.sessions.insert(session.clone(), Erased { seq: entry.seq, at })),
            Fact::RecordingSetAside { session, .. } => drop(self.aside.insert(session.clone(), at)),
            Fact::AttachmentDeleted { attachment, .. } => drop(self.attachments.insert(attachment.clone(), Erased { seq: entry.seq, at })),
            Fact::FileMoved { session, file } if file.kept.is_some_and(|kept| kept.bytes > 0) => drop(self.contents.insert(session.clone())),
            Fact::CaseOpened { case, near: Some(near), .. } => drop(self.cases.insert(case.clone(), near.clone())),
            Fact::CaseDecided { case, decision: Decision::Incident, .. } => drop(self.incidents.insert(case.clone())),
            Fact::PlanDrawn { plan, .. } | Fact::PlanActed { plan, .. } | Fact::Entered { plan, .. } | Fact::Reconciled { plan, .. } => {
                // A time that was set back makes no file older.
                let last = self.plans.entry(plan.clone()).or_insert(at);
                *last = at.max(*last);
            }
            _ => {}
        }
    }

    /// An entry that somebody else put into the log makes a time longer here and never shorter.
    fn take_span(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.fact {
            Fact::Entered { session, plan, .. } => self.begin(session, Some(plan), at),
            Fact::RobotEntered { session, .. } => self.begin(session, None, at),
            Fact::Left { session, .. } => {
                if let Some(span) = self.spans.get_mut(session) {
                    span.until = Some(span.until.map_or(at, |until| until.max(at)));
                }
            }
            Fact::CaseOpened { case, .. } | Fact::CaseGrew { case, .. } => {
                let (from, until) = self.grown.entry(case.clone()).or_insert((at, at));
                (*from, *until) = (at.min(*from), at.max(*until));
            }
            _ => {}
        }
    }

    fn begin(&mut self, session: &SessionId, plan: Option<&PlanId>, at: Timestamp) {
        let span = self.spans.entry(session.clone()).or_insert_with(|| Span { plan: plan.cloned(), from: at, until: None });
        span.from = span.from.min(at);
    }

    /// Whether a scope covers a thing. Lines of targets' logs bear no session: those of a session that is held, or of a plan's
    /// sessions, are the ones that came while it ran and while a case near to it grew, with a day before and after, because clocks
    /// differ and some devices send late.
    fn covers(&self, scope: &HoldScope, thing: &Thing) -> bool {
        if scope.covers(thing) {
            return true;
        }
        if !thing.is_lines {
            return false;
        }
        let beside = |from: Timestamp, until: Timestamp| thing.from.minus(DAY) <= until && from.minus(DAY) <= thing.until;
        let held = |id: &SessionId, span: &Span| {
            beside(span.from, span.until.unwrap_or(Timestamp(i64::MAX)))
                || self.cases.iter().any(|(case, near)| near == id && self.grown.get(case).is_some_and(|(from, until)| beside(*from, *until)))
        };
        match scope {
            HoldScope::Session { session } => self.spans.get(session).is_some_and(|span| held(session, span)),
            HoldScope::Plan { plan } => self.spans.iter().any(|(id, span)| span.plan.as_ref() == Some(plan) && held(id, span)),
            _ => false,
        }
    }

    fn end(&mut self, hold: &HoldId, end: HoldEnd) {
        if let Some(held) = self.holds.get_mut(hold) {
            held.ended = Some(end);
        }
    }

    /// The rule of a class; none until the box has written its first one.
    #[must_use]
    pub fn rule(&self, class: KeepClass) -> Option<KeepRule> {
        self.rules.get(&class).copied()
    }

    /// The wish that waits for a planner at this moment.
    #[must_use]
    pub fn wish(&self, class: KeepClass, now: Timestamp) -> Option<&KeepWish> {
        self.wishes.get(&class).filter(|wish| now < wish.lapses())
    }

    /// All holds, also those that ended.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// One hold.
    #[must_use]
    pub fn hold(&self, id: &HoldId) -> Option<&Hold> {
        self.holds.get(id)
    }

    /// The holds that keep a thing at this moment.
    #[must_use]
    pub fn holds_on(&self, thing: &Thing, now: Timestamp) -> Vec<&Hold> {
        self.holds.values().filter(|hold| hold.stands(now) && self.covers(&hold.scope, thing)).collect()
    }

    /// The entry by which a session's recording was deleted.
    #[must_use]
    pub fn erased(&self, session: &SessionId) -> Option<Erased> {
        self.sessions.get(session).copied()
    }

    /// The same for a file attached to a plan.
    #[must_use]
    pub fn erased_attachment(&self, attachment: &AttachmentId) -> Option<Erased> {
        self.attachments.get(attachment).copied()
    }

    /// Whether a session's recording holds contents of files.
    #[must_use]
    pub fn has_contents(&self, session: &SessionId) -> bool {
        self.contents.contains(session)
    }

    /// Whether a case is about a session that somebody decided to be an incident.
    #[must_use]
    pub fn is_incident(&self, session: &SessionId) -> bool {
        self.incidents.iter().any(|case| self.cases.get(case) == Some(session))
    }

    /// The last moment at which the log tells of a plan's own course.
    #[must_use]
    pub fn plan_told_at(&self, plan: &PlanId) -> Option<Timestamp> {
        self.plans.get(plan).copied()
    }

    /// When a session's recording was found damaged and set aside.
    #[must_use]
    pub fn set_aside(&self, session: &SessionId) -> Option<Timestamp> {
        self.aside.get(session).copied()
    }

    /// Without what is no rule and no hold, for comparing with a log that was read again.
    #[must_use]
    pub fn decisive(&self) -> (&BTreeMap<KeepClass, KeepRule>, &BTreeMap<HoldId, Hold>) {
        (&self.rules, &self.holds)
    }

    /// From which moment on a thing that ended at `ended` may be deleted by the rule of `class`; `None` while there is no rule.
    /// What a hold kept is announced anew when the hold has ended.
    #[must_use]
    pub fn due(&self, class: KeepClass, ended: Timestamp, thing: &Thing) -> Option<Timestamp> {
        let rule = self.rule(class)?;
        let freed = self.holds.values().filter(|hold| self.covers(&hold.scope, thing)).filter_map(Hold::freed_at).max();
        let announced = freed.map(|freed| freed.plus(notice()));
        Some(ended.plus(DAY * rule.days).max(rule.not_before).max(announced.unwrap_or(Timestamp(i64::MIN))))
    }

    /// The class whose days are more, for a thing that belongs to two.
    #[must_use]
    pub fn longer(&self, one: KeepClass, other: KeepClass) -> KeepClass {
        let days = |class| self.rule(class).map_or(u32::MAX, |rule| rule.days);
        if days(other) > days(one) { other } else { one }
    }
}

/// The time for which something stands on the page before it is deleted.
#[must_use]
pub fn notice() -> Duration {
    DAY * limits::RETENTION_NOTICE_DAYS as u32
}

/// What a change of a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Longer: it is done at once.
    Longer,
    /// Shorter: another person, a planner, must agree.
    Shorter,
}

/// How new days stand to the rule.
///
/// # Errors
/// [`Refusal::BadField`] for what is no number of days to keep, or no change.
pub fn change(rule: KeepRule, days: u32) -> Result<Change, Refusal> {
    check_days(days)?;
    match days.cmp(&rule.days) {
        std::cmp::Ordering::Greater => Ok(Change::Longer),
        std::cmp::Ordering::Less => Ok(Change::Shorter),
        std::cmp::Ordering::Equal => Err(Refusal::bad_field("days")),
    }
}

/// Whether a hold may be lifted or a wish granted by somebody: never by the one who placed or asked.
///
/// # Errors
/// [`Refusal::SameHand`].
pub fn other_hand(first: Option<&PersonId>, second: Option<&PersonId>) -> Result<(), Refusal> {
    // Without a person there is nobody who could be another one.
    let Some(second) = second else { return Err(Refusal::NotAllowed) };
    if first == Some(second) { Err(Refusal::SameHand) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::HoldBasis;
    use crate::people::Actor;

    fn days(days: u32) -> Timestamp {
        Timestamp(0).plus(DAY * days)
    }

    fn board(facts: &[(u32, Fact)]) -> Board {
        let mut board = Board::default();
        for (seq, (at, fact)) in facts.iter().enumerate() {
            board.take(&Entry { seq: seq as u64, at: days(*at), actor: Actor::system(), fact: fact.clone() });
        }
        board
    }

    fn set(kept: u32, not_before: u32) -> Fact {
        Fact::RetentionSet { class: KeepClass::Recordings, days: kept, before: None, not_before: days(not_before), asked_by: String::new(), of_console: false, reason: String::new() }
    }

    #[test]
    fn two_persons_free_deleting_of_the_entries_that_they_named_and_of_no_later_one() {
        let mut board = Board::default();
        let person = |n: u8| Actor { person: Some(PersonId::from_random([n; 10])), ..Actor::system() };
        let by = |board: &mut Board, seq, n, fact| board.take(&Entry { seq, at: days(1), actor: person(n), fact });
        board.doubt(5);
        board.doubt(7);
        by(&mut board, 8, 1, Fact::DeletingAsked { entries: vec![5], reason: "調べた".into() });
        assert_eq!(board.doubted().iter().copied().collect::<Vec<_>>(), [5, 7], "a wish frees nothing");
        assert_eq!(board.resume(days(14)).map(|wish| (wish.seq, wish.entries.clone())), Some((8, vec![5])));
        assert_eq!(board.resume(days(15)), None, "it was asked 14 days ago, of another state of things");
        let resumed = |entries: &[u64]| Fact::DeletingResumed { entries: entries.to_vec(), asked_by: "企画 一郎".into(), reason: String::new() };
        by(&mut board, 9, 2, resumed(&[5, 11]));
        assert_eq!((board.doubted().iter().copied().collect::<Vec<_>>(), board.resume(days(1))), (vec![7], None));
        by(&mut board, 10, 2, resumed(&[7]));
        assert_eq!(board.doubted().first(), Some(&7), "nobody asked for it");
        let asked = || Fact::DeletingAsked { entries: vec![7], reason: "調べた".into() };
        by(&mut board, 10, 1, asked());
        by(&mut board, 10, 1, resumed(&[7]));
        assert_eq!(board.doubted().first(), Some(&7), "the same person");
        by(&mut board, 10, 1, asked());
        by(&mut board, 10, 2, resumed(&[7]));
        assert!(board.doubted().is_empty());
        board.doubt(11);
        assert_eq!(board.doubted().first(), Some(&11), "a number that was named before its entry came frees nothing");
    }

    #[test]
    fn a_thing_is_due_by_its_rule_after_its_announcement_and_after_its_hold() {
        let thing = Thing { from: days(9), until: days(10), ..Thing::default() };
        let due = |facts: &[(u32, Fact)]| board(facts).due(KeepClass::Recordings, days(10), &thing);
        assert_eq!(due(&[]), None, "no rule, no deletion");
        assert_eq!(due(&[(0, set(365, 14))]), Some(days(375)));
        assert_eq!(due(&[(0, set(365, 14)), (370, set(90, 384))]), Some(days(384)), "a shorter rule announces what it makes due");
        let hold = HoldId::from_random([1; 10]);
        let placed = Fact::HoldPlaced { hold: hold.clone(), scope: HoldScope::Everything, about: String::new(), basis: HoldBasis::Own, case_number: "1".into(), reason: "x".into(), until: None };
        let held = [(0, set(365, 14)), (20, placed.clone())];
        assert_eq!(board(&held).holds_on(&thing, days(400)).len(), 1);
        let lifted = [(0, set(365, 14)), (20, placed), (500, Fact::HoldLifted { hold, reason: "済".into(), console: String::new() })];
        assert!(board(&lifted).holds_on(&thing, days(500)).is_empty());
        assert_eq!(due(&lifted), Some(days(514)), "what a hold kept is announced when it is free");
    }

    #[test]
    fn what_was_decided_to_be_an_incident_is_told_by_its_case() {
        use crate::around::{AroundRule, Decision};
        let (session, case) = (SessionId::from_random([1; 10]), CaseId::from_random([2; 10]));
        let opened = |case: &CaseId, near| Fact::CaseOpened {
            case: case.clone(),
            rule: AroundRule::NoSession,
            weight: crate::around::Weight::High,
            about: String::new(),
            target: None,
            account: String::new(),
            from: String::new(),
            source: None,
            near,
            line: String::new(),
            import: None,
        };
        let decided = |decision| Fact::CaseDecided { case: case.clone(), rule: AroundRule::NoSession, about: String::new(), decision, reason: "x".into() };
        let told = |decision| board(&[(1, opened(&case, Some(session.clone()))), (2, decided(decision))]).is_incident(&session);
        assert!(told(Decision::Incident));
        assert!(!told(Decision::Legitimate));
    }

    #[test]
    fn a_rule_is_shortened_by_two_persons_and_never_below_the_floor() {
        let rule = KeepRule { days: 365, since: days(0), not_before: days(14) };
        assert_eq!(change(rule, 366), Ok(Change::Longer));
        assert_eq!(change(rule, 90), Ok(Change::Shorter));
        for bad in [89, 0, 365, 40_000] {
            assert_eq!(change(rule, bad), Err(Refusal::bad_field("days")), "{bad}");
        }
        let (one, two) = (PersonId::from_random([1; 10]), PersonId::from_random([2; 10]));
        assert_eq!(other_hand(Some(&one), Some(&two)), Ok(()));
        assert_eq!(other_hand(None, Some(&two)), Ok(()), "the console is no person");
        assert_eq!(other_hand(Some(&one), Some(&one)), Err(Refusal::SameHand));
        assert_eq!(other_hand(Some(&one), None), Err(Refusal::NotAllowed));
    }
}
