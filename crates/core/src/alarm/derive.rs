//! From a fact to its alarms.
//!
//! The match names each fact that raises one; all others are quiet. What the alarms themselves write is quiet too, so that
//! none raises another.

use super::habit::USUAL_HOUR;
use super::{Habit, Level, Subject, Usual, What, near};
use crate::around::Weight;
use crate::calendar::is_day_off;
use crate::command::RuleAct;
use crate::control::Control;
use crate::desk::Cause;
use crate::facts::{Entry, Fact};
use crate::ids::{PersonId, PlanId, TargetId, VendorId};
use crate::letter::one_line;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::two_person::SecondKeyChange;

/// So many times the refusals of one name are unusual for all together.
const REFUSED_ALL: usize = 10;
/// Characters of a value that stand in an alarm.
const SHOWN: usize = 160;

/// An alarm that a fact raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// What happened.
    pub what: What,
    /// How grave it is.
    pub level: Level,
    /// Alarms of one group are one alarm with a count.
    pub group: String,
    /// What it is about.
    pub subject: Subject,
}

/// What is known of the session that a fact is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKnown {
    /// Who works.
    pub person: PersonId,
    /// Their name.
    pub who: String,
    /// Where.
    pub target: TargetId,
    /// Its name.
    pub place: String,
    /// The plan.
    pub plan: PlanId,
    /// The vendor.
    pub vendor: VendorId,
    /// The target holds personal data, and the plan declares no use of any.
    pub undeclared: bool,
}

/// What the past says about a fact. Filled as far as the fact asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The session that the fact is about.
    pub session: Option<SessionKnown>,
    /// How the acting person came so far.
    pub habit: Habit,
    /// The login name that was refused is that of nobody here: what a stranger typed goes nowhere in full.
    pub stranger: bool,
    /// Refusals of the same name within the span, this one included.
    pub refused_name: usize,
    /// Refusals of the same neighbourhood ([`near`]) within the span, this one included.
    pub refused_source: usize,
    /// Refusals of all names and sources within the span, this one included.
    pub refused_all: usize,
    /// Bytes that went over in the session that ended.
    pub volume: u64,
    /// What is usual for its person.
    pub usual_person: Option<Usual>,
    /// What is usual on its target.
    pub usual_target: Option<Usual>,
    /// Name of the person that the fact names, beside the one who acts.
    pub named: Option<String>,
    /// Name of the target that the fact names.
    pub target_name: Option<String>,
}

/// The hospital's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// First hour of the day that is inside of office hours.
    pub from_hour: u32,
    /// First hour after them.
    pub until_hour: u32,
    /// Refusals of one name or source within the span.
    pub refusals: usize,
    /// The span in minutes.
    pub refusal_minutes: u32,
    /// Bytes of one session that are unusual while there is no baseline.
    pub volume: u64,
}

impl Thresholds {
    /// From the policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            from_hour: policy.alarm_hours_from,
            until_hour: policy.alarm_hours_until,
            refusals: usize::try_from(policy.alarm_refusals).unwrap_or(usize::MAX),
            refusal_minutes: policy.alarm_refusal_minutes,
            volume: u64::from(policy.alarm_volume_mib) << 20,
        }
    }

    /// True within office hours of a business day.
    #[must_use]
    pub fn is_inside(&self, at: Timestamp) -> bool {
        let hour = u32::from(at.jst().hour());
        !is_day_off(at.date()) && (self.from_hour..self.until_hour).contains(&hour)
    }
}

fn short(text: &str) -> String {
    one_line(text).chars().take(SHOWN).collect()
}

fn raised(what: What, level: Level, about: &str, subject: Subject) -> Raised {
    // A group is a key in a row; what others wrote into it is bounded.
    let about: String = one_line(about).chars().take(SHOWN).collect();
    let group = format!("{}:{about}", what.rule().as_str());
    Raised { what, level, group, subject }
}

/// True for refusals that ask the person for something and guard against nobody: they count as no try.
#[must_use]
pub fn is_question(code: &str) -> bool {
    [Refusal::StepUpNeeded, Refusal::LoginNeeded].iter().any(|refusal| refusal.code() == code)
}

/// The alarms of one entry, in the order in which they are told.
#[must_use]
pub fn derive(entry: &Entry, known: &Known, bounds: &Thresholds) -> Vec<Raised> {
    match &entry.fact {
        Fact::Entered { .. } => entered(entry, known, bounds),
        Fact::LoggedIn { .. } => logged_in(entry, known),
        Fact::Refused { .. } => refused(entry, known, bounds),
        Fact::Left { cause, .. } => left(entry, known, bounds, *cause),
        Fact::Controlled { control, .. } => controlled(entry, known, control),
        Fact::RefusedInside { .. } | Fact::FileMoved { .. } => inside(entry, known),
        fact => plain(entry, known, fact).into_iter().collect(),
    }
}

fn subject_of(entry: &Entry, known: &Known) -> Subject {
    let mut subject = Subject { session: entry.fact.session().cloned(), plan: entry.fact.plan().cloned(), person: entry.actor.person.clone(), vendor: entry.actor.vendor.clone(), ..Subject::default() };
    if let Some(session) = &known.session {
        subject.plan = Some(session.plan.clone());
        subject.person = Some(session.person.clone());
        subject.target = Some(session.target.clone());
        subject.vendor = Some(session.vendor.clone());
    }
    subject
}

/// Who and where, for sentences about a session.
fn scene(entry: &Entry, known: &Known) -> (String, String) {
    known.session.as_ref().map_or_else(|| (short(&entry.actor.name), String::new()), |session| (short(&session.who), short(&session.place)))
}

fn session_key(entry: &Entry) -> String {
    entry.fact.session().map_or_else(String::new, ToString::to_string)
}

fn entered(entry: &Entry, known: &Known, bounds: &Thresholds) -> Vec<Raised> {
    let Fact::Entered { target, target_name, device, device_name, .. } = &entry.fact else { return Vec::new() };
    let Some(person) = &entry.actor.person else { return Vec::new() };
    let mut found = Vec::new();
    let subject = Subject { target: Some(target.clone()), device: device.clone(), ..subject_of(entry, known) };
    let (who, place) = (short(&entry.actor.name), short(target_name));
    let habit = &known.habit;
    if !bounds.is_inside(entry.at) {
        let around = habit.around(entry.at);
        // Who always works at this hour does nothing unusual; that is what the plan and its approval are for.
        let level = match around {
            Some(few) if few < USUAL_HOUR => Some(Level::Warning),
            Some(_) => None,
            None => Some(Level::Notice),
        };
        if let Some(level) = level {
            let what = What::OutsideHours { who: who.clone(), place: place.clone(), at: entry.at, sessions: habit.sessions, around };
            found.push(raised(what, level, &format!("{person}/{target}"), subject.clone()));
        }
    }
    found.extend(new_source(entry, known, person, &place, subject.clone()));
    if let Some(device) = device
        && habit.sessions > 0
        && !habit.devices.contains(device.as_str())
    {
        let what = What::NewDevice { who: who.clone(), name: short(device_name), place: place.clone(), sessions: habit.sessions };
        found.push(raised(what, settled(habit), &format!("{person}/{device}"), subject.clone()));
    }
    // The plan was approved, so this is to be seen and no more.
    if habit.sessions >= super::HABIT_SESSIONS && !habit.targets.contains(target.as_str()) {
        let what = What::NewTarget { who, place, sessions: habit.sessions };
        found.push(raised(what, Level::Notice, &format!("{person}/{target}"), subject));
    }
    found
}

/// From a few visits nobody can tell what is usual; then it is a notice.
fn settled(habit: &Habit) -> Level {
    if habit.sessions >= super::HABIT_SESSIONS { Level::Warning } else { Level::Notice }
}

fn new_source(entry: &Entry, known: &Known, person: &PersonId, place: &str, subject: Subject) -> Option<Raised> {
    let source = entry.actor.source.as_deref()?;
    let habit = &known.habit;
    if habit.sessions == 0 || habit.sources.contains(&near(source)) {
        return None;
    }
    let what = What::NewSource { who: short(&entry.actor.name), source: short(source), place: place.to_owned(), sessions: habit.sessions };
    Some(raised(what, settled(habit), &format!("{person}/{}", near(source)), subject))
}

fn logged_in(entry: &Entry, known: &Known) -> Vec<Raised> {
    let Some(person) = &entry.actor.person else { return Vec::new() };
    let subject = Subject { person: Some(person.clone()), vendor: entry.actor.vendor.clone(), ..Subject::default() };
    new_source(entry, known, person, "", subject).into_iter().collect()
}

fn refused(entry: &Entry, known: &Known, bounds: &Thresholds) -> Vec<Raised> {
    let Fact::Refused { login, code, .. } = &entry.fact else { return Vec::new() };
    if is_question(code) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let source = entry.actor.source.as_deref().unwrap_or_default();
    let minutes = bounds.refusal_minutes;
    let shown = if known.stranger { crate::outgoing::discreet(login) } else { login.clone() };
    let subject = subject_of(entry, known);
    if known.refused_name >= bounds.refusals && !login.is_empty() {
        let what = What::RefusedName { login: short(&shown), source: short(source), code: short(code), count: known.refused_name, minutes };
        found.push(raised(what, Level::Warning, &format!("name/{login}"), subject.clone()));
    }
    if known.refused_source >= bounds.refusals && !source.is_empty() {
        // Many names from one place is what somebody does who tries passwords.
        let level = if known.refused_source >= bounds.refusals.saturating_mul(4) { Level::Critical } else { Level::Warning };
        let what = What::RefusedSource { source: short(source), login: short(&shown), code: short(code), count: known.refused_source, minutes };
        found.push(raised(what, level, &format!("source/{}", near(source)), Subject { person: None, ..subject }));
    }
    // Whoever tries each name a few times, from ever new networks, stays below the counts of both.
    let alone = known.refused_name < bounds.refusals && known.refused_source < bounds.refusals;
    if alone && known.refused_all >= bounds.refusals.saturating_mul(REFUSED_ALL) {
        let what = What::RefusedAll { source: short(source), login: short(&shown), code: short(code), count: known.refused_all, minutes };
        found.push(raised(what, Level::Warning, "all", Subject::default()));
    }
    found
}

fn left(entry: &Entry, known: &Known, bounds: &Thresholds, cause: Cause) -> Vec<Raised> {
    let mut found = Vec::new();
    let ((who, place), subject) = (scene(entry, known), subject_of(entry, known));
    let trouble = match cause {
        Cause::RecordingLost => Some((What::RecordingLost { who: who.clone(), place: place.clone() }, Level::Critical, format!("lost/{}", session_key(entry)))),
        Cause::Vanished => Some((What::RecordingTorn { who: who.clone(), place: place.clone() }, Level::Warning, format!("torn/{}", session_key(entry)))),
        _ => None,
    };
    found.extend(trouble.map(|(what, level, about)| raised(what, level, &about, subject.clone())));
    let bytes = known.volume;
    let over = |usual: &Option<Usual>| usual.filter(|usual| usual.is_exceeded_by(bytes));
    // Of both measures the person's is the closer one.
    let measured = over(&known.usual_person).or_else(|| if known.usual_person.is_none() { over(&known.usual_target) } else { None });
    let blind = known.usual_person.is_none() && known.usual_target.is_none() && bytes > bounds.volume;
    if measured.is_some() || blind {
        let what = What::UnusualVolume { who, place, bytes, usual: measured.map(|usual| usual.p95), sessions: measured.map_or(0, |usual| usual.sessions) };
        found.push(raised(what, Level::Warning, &session_key(entry), subject));
    }
    found
}

fn controlled(entry: &Entry, known: &Known, control: &Control) -> Vec<Raised> {
    let ((who, place), subject) = (scene(entry, known), subject_of(entry, known));
    match control {
        Control::Ruled { act, line, reason, .. } => {
            let level = if *act == RuleAct::Note { Level::Notice } else { Level::Warning };
            let undeclared = known.session.as_ref().is_some_and(|session| session.undeclared) && reads_tables(line);
            let what = What::Command { who: who.clone(), place: place.clone(), line: short(line), act: *act, reason: short(reason) };
            let mut found = vec![raised(what, level, &format!("{}/{}", session_key(entry), act.as_str()), subject.clone())];
            if undeclared && *act != RuleAct::Refuse {
                found.push(raised(What::PersonalData { who, place, touched: short(line) }, Level::Warning, &session_key(entry), subject));
            }
            found
        }
        Control::Alert { text } => vec![raised(What::VolumeLimit { who, place, text: short(text) }, Level::Warning, &format!("{}/limit", session_key(entry)), subject)],
        _ => Vec::new(),
    }
}

/// Commands that read tables in bulk: those of the ready-made rules that take a database out or read it without a condition.
fn reads_tables(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["mysqldump", "mariadb-dump", "pg_dump", "into outfile", "into dumpfile", "select "].iter().any(|word| line.contains(word))
}

fn inside(entry: &Entry, known: &Known) -> Vec<Raised> {
    let ((who, place), subject) = (scene(entry, known), subject_of(entry, known));
    match &entry.fact {
        Fact::RefusedInside { asked, .. } => {
            let what = What::Inside { who, place, ask: short(&asked.ask), code: asked.refusal.code().to_owned() };
            vec![raised(what, Level::Notice, &session_key(entry), subject)]
        }
        Fact::FileMoved { file, .. } => {
            let taken = file.takes_out();
            if taken && known.session.as_ref().is_some_and(|session| session.undeclared) {
                return vec![raised(What::PersonalData { who, place, touched: short(&file.path) }, Level::Warning, &session_key(entry), subject)];
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Facts that raise one alarm by themselves.
fn plain(entry: &Entry, known: &Known, fact: &Fact) -> Option<Raised> {
    let subject = subject_of(entry, known);
    let source = short(entry.actor.source.as_deref().unwrap_or_default());
    let named = || known.named.clone().unwrap_or_else(|| short(&entry.actor.name));
    Some(match fact {
        Fact::EmergencyOpened { login, openers, reason, .. } => raised(What::EmergencyOpened { login: short(login), openers: short(&openers.join("、")), reason: short(reason) }, Level::Critical, &format!("opened/{login}"), subject),
        Fact::EmergencyTried { login } => raised(What::EmergencyTried { login: short(login), source }, Level::Critical, &format!("tried/{login}"), subject),
        Fact::OrphanFound { file } => raised(What::Orphan { file: short(file) }, Level::Warning, &format!("orphan/{file}"), subject),
        // Each sentence by itself: a harmless one, which anybody can bring about, takes no other one in.
        Fact::RecordingTrouble { text } => raised(What::RecordingTrouble { text: short(text) }, Level::Critical, &format!("trouble/{text}"), subject),
        Fact::PublisherStuck { behind, why } => raised(What::PublisherStuck { behind: *behind, why: short(why) }, Level::Critical, "publisher", subject),
        Fact::ArchiveTrouble { place, code, why } => raised(What::ArchiveTrouble { place: short(place), code: short(code), why: short(why) }, Level::Warning, &format!("archive/{place}"), subject),
        Fact::ArchiveBehind { place, waiting, since } => raised(What::ArchiveBehind { place: short(place), waiting: *waiting, since: *since }, Level::Warning, &format!("behind/{place}"), subject),
        Fact::ArchiveCopyBad { session, place, code, .. } => raised(What::ArchiveCopyBad { place: short(place), session: session.to_string(), code: short(code) }, Level::Critical, &format!("copy/{session}"), subject),
        Fact::AuditorKeyKept { auditor_key, name, change, .. } if change == "confirmed" => raised(What::AuditorKey { name: short(name), who: named() }, Level::Notice, &format!("auditor/{auditor_key}"), subject),
        Fact::SecondKeyKept { second_key, name, change: change @ (SecondKeyChange::Confirmed | SecondKeyChange::EndAsked | SecondKeyChange::Ended), .. } => {
            raised(What::SecondKey { name: short(name), who: named(), change: *change }, Level::Notice, &format!("second/{second_key}/{}", change.as_str()), subject)
        }
        Fact::CheckpointStuck { place, why, .. } => raised(What::CheckpointStuck { place: short(place), why: short(why) }, Level::Warning, &format!("outside/{place}"), subject),
        Fact::LogContradicted { place, here, there, .. } => raised(What::LogContradicted { place: short(place), here: *here, there: *there }, Level::Critical, &format!("contradicted/{place}"), subject),
        Fact::RestoreAccepted { place, here, there, .. } => raised(What::RestoreAccepted { place: short(place), here: *here, there: *there }, Level::Critical, &format!("accepted/{place}"), subject),
        Fact::KeyRotated { new, .. } => raised(What::KeyRotated { new: short(new) }, Level::Warning, "key", subject),
        Fact::FormerKeySigned { place, entries, .. } => raised(What::FormerKeySigned { place: short(place), entries: *entries }, Level::Critical, &format!("former/{place}"), subject),
        Fact::TimestampStuck { authority, why } => raised(What::TimestampStuck { authority: short(authority), why: short(why) }, Level::Warning, "timestamps", subject),
        Fact::ClockHeld { by_ms } => raised(What::ClockHeld { by_ms: *by_ms }, Level::Critical, "held", subject),
        Fact::ClockCorrected { by_ms, .. } => raised(What::ClockCorrected { by_ms: *by_ms }, Level::Warning, "corrected", subject),
        Fact::ClockMoved { by_ms } => raised(What::ClockMoved { by_ms: *by_ms }, Level::Warning, "moved", subject),
        Fact::ClockOff { offset_ms, off: true, .. } => raised(What::ClockOff { offset_ms: *offset_ms }, Level::Warning, "off", subject),
        Fact::ClockJumped { back_ms } => raised(What::ClockJumped { seconds: back_ms.div_ceil(1000) }, Level::Warning, "back", subject),
        Fact::EndsSoon { thing, id, name, until, days } => {
            let level = if *days <= 7 { Level::Warning } else { Level::Notice };
            let mut subject = subject;
            match thing {
                super::EndingThing::Contract => subject.vendor = VendorId::parse(id),
                super::EndingThing::Line => subject.line = crate::ids::LineId::parse(id),
                super::EndingThing::DeviceCertificate => subject.device = crate::ids::DeviceId::parse(id),
                super::EndingThing::PageCertificate | super::EndingThing::Hold | super::EndingThing::SourceCertificate => {}
            }
            raised(What::Ending { thing: *thing, name: short(name), until: *until, days: *days }, level, &format!("{}/{id}/{days}", thing.as_str()), subject)
        }
        Fact::HostKeyAlarmed { target, seen, .. } => {
            let place = known.target_name.clone().unwrap_or_default();
            raised(What::HostKey { place, seen: short(seen) }, Level::Critical, target.as_str(), Subject { target: Some(target.clone()), ..subject })
        }
        Fact::ExposureNew { place, program } => raised(What::Exposed { place: short(place), program: short(program) }, Level::Critical, place, subject),
        Fact::DirectoryDoubted { source, changed, linked } => raised(What::DirectoryDoubted { source: short(source), changed: *changed, linked: *linked }, Level::Critical, source, subject),
        Fact::MailLate { to, why, .. } => raised(What::Mail { to: short(to), why: short(why), tried_on: true }, Level::Warning, "server", subject),
        Fact::MailFailed { to, why, .. } => raised(What::Mail { to: short(to), why: short(why), tried_on: false }, Level::Warning, "server", subject),
        Fact::PasskeyCloned { person, name, .. } => raised(What::PasskeyCloned { who: named(), name: short(name) }, Level::Critical, &format!("passkey/{person}"), Subject { person: Some(person.clone()), ..subject }),
        Fact::TokenRefused { token, person, name, why } => raised(What::TokenRefused { name: short(name), why: short(why), source }, Level::Warning, &format!("token/{token}"), Subject { person: Some(person.clone()), ..subject }),
        // Strangers without a certificate of ours come every hour; one that ended or was revoked was somebody's.
        Fact::CertificateRefused { why, source, others, serial } if !serial.is_empty() && matches!(why.as_str(), "revoked" | "other_device" | "signature") => {
            raised(What::CertificateRefused { why: short(why), source: short(source), count: others.saturating_add(1) }, Level::Warning, &format!("certificate/{serial}"), subject)
        }
        Fact::ConnectDenied { device, device_name, asked_from } => {
            let what = What::NotMine { who: short(&entry.actor.name), name: short(device_name), source: short(asked_from) };
            raised(what, Level::Critical, &format!("not_mine/{device}"), Subject { device: Some(device.clone()), ..subject })
        }
        Fact::DeviceKept { device, name, vendor, change, .. } if change == "lost" => {
            raised(What::DeviceLost { name: short(name) }, Level::Warning, &format!("lost/{device}"), Subject { device: Some(device.clone()), vendor: Some(vendor.clone()), ..subject })
        }
        Fact::DutyLate { duty, number, review, report } => {
            let subject = Subject { log_review: review.clone(), period_report: report.clone(), ..subject };
            // What a vendor does not read is the vendor's to mend first.
            let level = if duty == "note_vendor" { Level::Notice } else { Level::Warning };
            raised(What::ReviewLate { duty: short(duty), number: short(number) }, level, &format!("{duty}/{number}"), subject)
        }
        Fact::LogReviewJudged { review, number, line, verdict: crate::log_review::LineVerdict::Incident, note, .. } => {
            let subject = Subject { log_review: Some(review.clone()), ..subject };
            raised(What::ReviewIncident { number: short(number), who: short(&entry.actor.name), note: short(note) }, Level::Warning, &format!("{review}/{line}"), subject)
        }
        Fact::Escalated { plan, duty } => raised(What::Overdue { duty: short(duty) }, Level::Notice, &format!("{plan}/{duty}"), subject),
        Fact::DiskLow { free_mib, shut } => raised(What::DiskLow { free_mib: *free_mib, shut: *shut }, if *shut { Level::Critical } else { Level::Warning }, if *shut { "shut" } else { "low" }, subject),
        Fact::ReceiverDown { name, why, waiting } => raised(What::ReceiverDown { name: short(name), why: short(why), waiting: *waiting }, Level::Warning, name, subject),
        Fact::ReceiverSkipped { name, number, why, left_out } => {
            raised(What::ReceiverSkipped { name: short(name), number: *number, why: short(why), left_out: *left_out }, Level::Warning, &format!("skipped/{name}"), subject)
        }
        Fact::CaseOpened { case, rule, weight, about, target, account, from, .. } => {
            let what = What::Around { case: case.clone(), rule: *rule, place: short(about), account: short(account), from: short(from) };
            raised(what, around(*weight), case.as_str(), Subject { target: target.clone(), ..subject })
        }
        Fact::CaseGrew { case, rule, weight, about, account, from, .. } => {
            raised(What::Around { case: case.clone(), rule: *rule, place: short(about), account: short(account), from: short(from) }, around(*weight), case.as_str(), subject)
        }
        Fact::LogTurnedAway { why, from, .. } if why == "full" => raised(What::LogPlaces { from: short(from) }, Level::Warning, "places", subject),
        // Of one table together: whoever changes one row changes many.
        Fact::RowDamaged { table, row, how } => raised(What::RowDamaged { table: short(table), row: short(row), older: how == "older" }, Level::Critical, &format!("row/{table}"), subject),
        Fact::LogLost { host, lines, .. } => raised(What::LogLost { host: short(host), lines: *lines }, Level::Warning, &format!("lost/{host}"), subject),
        Fact::LogSegmentsDropped { first, last, why } if why == "size" => raised(What::LogDropped { first: *first, last: *last }, Level::Critical, "dropped", subject),
        Fact::HoldPressed { bytes, limit } => raised(What::HoldPressed { bytes: *bytes, limit: *limit }, Level::Warning, "held", subject),
        Fact::HoldCopiesUnlocked { hold, place, copies, code, .. } => raised(What::HoldUnlocked { place: short(place), copies: *copies, code: short(code) }, Level::Critical, &format!("unlocked/{hold}"), subject),
        Fact::HoldLifted { hold, console, .. } if !console.is_empty() => raised(What::ConsoleHoldLifted { who: short(&entry.actor.name), said: short(console) }, Level::Critical, &format!("lifted/{hold}"), subject),
        Fact::RetentionSet { class, days, of_console: true, .. } => raised(What::ShortenedAlone { class: *class, days: *days, who: short(&entry.actor.name) }, Level::Warning, &format!("shortened/{}", class.as_str()), subject),
        Fact::RecordingSetAside { session, why, .. } => raised(What::SetAside { why: short(why) }, Level::Critical, &format!("aside/{session}"), subject),
        Fact::RetentionStopped { why, cause } => raised(What::RetentionStopped { why: short(why), cause: *cause }, Level::Critical, "retention", subject),
        // The log names another report than the one that is shown: that comes of no setting.
        Fact::ReportRecounted { report, number, edition, holds: false, .. } => {
            raised(What::ReportOther { number: short(number), edition: *edition }, Level::Critical, &format!("report/{report}"), Subject { period_report: Some(report.clone()), ..subject })
        }
        // Another release, or other office hours, count otherwise, and a report does not say by which rule it was counted.
        Fact::ReportRecounted { report, number, edition, same: false, .. } => {
            raised(What::ReportDiffers { number: short(number), edition: *edition }, Level::Notice, &format!("recount/{report}"), Subject { period_report: Some(report.clone()), ..subject })
        }
        // Each by itself: one that somebody wrote into the database hides none that two persons agreed to.
        Fact::DeletingResumed { entries, asked_by, .. } => {
            raised(What::DeletingResumed { entries: entries.len(), asked_by: short(asked_by), who: short(&entry.actor.name) }, Level::Warning, &format!("resumed/{}", entry.seq), subject)
        }
        // What only an authority of ours can have signed: strangers without one raise nothing here.
        Fact::LogTurnedAway { why, from, .. } if matches!(why.as_str(), "ended" | "unknown") => {
            raised(What::LogAway { from: short(from), ended: why == "ended" }, Level::Warning, &format!("away/{from}"), subject)
        }
        _ => return None,
    })
}

fn around(weight: Weight) -> Level {
    match weight {
        Weight::Critical => Level::Critical,
        Weight::High => Level::Warning,
        Weight::Notice => Level::Notice,
    }
}
