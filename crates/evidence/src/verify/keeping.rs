//! Deletions by rule, and the holds that forbid them: whether a recording that is not there may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::entries::{Entries, Trace};
use super::findings::{Findings, printable};
use super::utc;
use crate::digest::Digest;

/// Days for which a recording is kept at least, whatever an entry says.
pub(super) const FLOOR_DAYS: i64 = 90;
/// Classes that a recording can have.
const CLASSES: [&str; 3] = ["recordings", "contents", "emergency"];
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;

/// Who entered where: what a hold can know a session by.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Whose {
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    pub(super) target: Option<String>,
    #[serde(default)]
    actor: Actor,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Actor {
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    vendor: Option<String>,
}

/// An entry that tells of a deletion.
#[derive(Debug, Clone)]
pub(crate) struct Deleted {
    pub(crate) seq: u64,
    pub(crate) at: i64,
    pub(crate) class: String,
    pub(crate) days: i64,
    /// The entry holds: the recording may be gone.
    pub(crate) allowed: bool,
}

#[derive(Deserialize)]
struct Entry {
    session: String,
    digest: Digest,
    class: String,
    days: u32,
}

#[derive(Deserialize)]
struct Aside {
    session: String,
}

/// A recording that was deleted by rule, as the log tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletedByRule {
    /// The session.
    pub session: String,
    /// Number of the entry that tells of it.
    pub entry: u64,
    /// When, in seconds since 1970.
    pub second: u64,
    /// The class by which it was kept.
    pub class: String,
    /// Days that the class was kept.
    pub days: u32,
}

#[derive(Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(super) enum Scope {
    Session { session: String },
    Plan { plan: String },
    Target { target: String },
    Vendor { vendor: String },
    Person { person: String },
    Period { from: i64, until: i64 },
    Everything,
}

#[derive(Deserialize)]
struct Placed {
    hold: String,
    scope: Scope,
    #[serde(default)]
    until: Option<i64>,
}

#[derive(Deserialize)]
struct Later {
    hold: String,
    #[serde(default)]
    until: Option<i64>,
}

#[derive(Deserialize)]
struct Set {
    class: String,
    days: u32,
}

struct Hold {
    seq: u64,
    scope: Scope,
    until: Option<i64>,
    over: bool,
}

/// What holds and times of keeping say, entry by entry.
#[derive(Default)]
pub(crate) struct Holds {
    holds: BTreeMap<String, Hold>,
    days: BTreeMap<String, u32>,
    /// Sessions whose recordings hold contents of files.
    contents: BTreeSet<String>,
    /// The session that each case is near to, and those that were decided to be incidents.
    cases: BTreeMap<String, String>,
    incidents: BTreeSet<String>,
    /// Plans that were allowed as emergencies.
    emergencies: BTreeSet<String>,
}

#[derive(Deserialize)]
struct PlanAct {
    plan: String,
    act: String,
}

#[derive(Deserialize)]
struct Moved {
    session: String,
    file: MovedFile,
}

#[derive(Deserialize)]
struct MovedFile {
    #[serde(default)]
    kept: Option<KeptFile>,
}

#[derive(Deserialize)]
struct KeptFile {
    bytes: u64,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    #[serde(default)]
    near: Option<String>,
    #[serde(default)]
    decision: Option<String>,
}

/// What is gone by a rule, one line each.
pub(super) fn lines(f: &mut fmt::Formatter<'_>, deleted: &[DeletedByRule], more: u64) -> fmt::Result {
    for one in deleted {
        let DeletedByRule { session, entry, second, class, days } = one;
        let day = utc(*second);
        writeln!(f, "DELETED recordings/{session}.skr: by rule on {day} ({class}, {days} days), entry {entry} / 規則により削除済み")?;
    }
    if more > 0 {
        writeln!(f, "DELETED ... and {more} more by rule / ほか{more}件を規則により削除済み")?;
    }
    Ok(())
}

impl Scope {
    fn covers(&self, session: &str, trace: &Trace, left_at: i64) -> bool {
        let same = |own: &Option<String>, id: &String| own.as_ref() == Some(id);
        match self {
            Self::Session { session: id } => session == id,
            Self::Plan { plan } => same(&trace.whose.plan, plan),
            Self::Target { target } => same(&trace.whose.target, target),
            Self::Vendor { vendor } => same(&trace.whose.actor.vendor, vendor),
            Self::Person { person } => same(&trace.whose.actor.person, person),
            Self::Period { from, until } => trace.entered_at < *until && left_at >= *from,
            Self::Everything => true,
        }
    }
}

impl Holds {
    pub(super) fn read(&mut self, kind: &str, seq: u64, at: i64, body: &[u8], findings: &mut Findings) {
        let read = match kind {
            "hold_placed" => serde_json::from_slice(body).map(|Placed { hold, scope, until }| drop(self.holds.insert(hold, Hold { seq, scope, until, over: false }))),
            "hold_extended" => serde_json::from_slice(body).map(|Later { hold, until }| {
                // What has ended is not made to stand again.
                if let Some(held) = self.holds.get_mut(&hold).filter(|held| held.until.is_none_or(|end| at < end)) {
                    held.until = until;
                }
            }),
            "retention_set" => serde_json::from_slice(body).map(|Set { class, days }| {
                self.days.insert(class, days);
            }),
            "hold_ended" => serde_json::from_slice(body).map(|Later { hold, .. }| {
                if let Some(held) = self.holds.get_mut(&hold) {
                    // Only a person ends it before its time.
                    if held.until.is_none_or(|until| at < until) {
                        findings.error(
                            "hold-ended-early",
                            format_args!("log entry {seq}"),
                            format_args!("The hold of entry {} is called over before its end.", held.seq),
                            format_args!("項目 {} の証拠保全が、期限より前に終了したとあります。", held.seq),
                        );
                    } else {
                        held.over = true;
                    }
                }
            }),
            _ => serde_json::from_slice(body).map(|Later { hold, .. }| {
                if let Some(held) = self.holds.get_mut(&hold) {
                    held.over = true;
                }
            }),
        };
        if read.is_err() {
            findings.error(
                "entry-malformed",
                format_args!("log entry {seq}"),
                "An entry about a hold or a time of keeping must name its hold and scope, or its class and days.",
                "証拠保全または保管期間の項目に、対象や日数がありません。",
            );
        }
    }

    /// What makes a recording stay longer.
    pub(super) fn grave(&mut self, kind: &str, body: &[u8]) {
        if kind == "file_moved" {
            if let Ok(Moved { session, file: MovedFile { kept: Some(kept) } }) = serde_json::from_slice(body)
                && kept.bytes > 0
            {
                self.contents.insert(session);
            }
        } else if kind == "plan_acted" {
            if let Ok(PlanAct { plan, act }) = serde_json::from_slice(body)
                && act == "allow_emergency"
            {
                self.emergencies.insert(plan);
            }
        } else if let Ok(Case { case, near, decision }) = serde_json::from_slice(body) {
            if let Some(near) = near.filter(|_| kind == "case_opened") {
                self.cases.insert(case, near);
            } else if decision.as_deref() == Some("incident") {
                self.incidents.insert(case);
            }
        }
    }

    /// The days of the class that is kept longest of those that a session's recording belongs to.
    fn longest(&self, session: &str, plan: Option<&String>) -> u32 {
        let is_incident = self.incidents.iter().any(|case| self.cases.get(case).is_some_and(|near| near == session));
        let classes = [("recordings", true), ("contents", self.contents.contains(session)), ("emergency", is_incident || plan.is_some_and(|plan| self.emergencies.contains(plan)))];
        classes.into_iter().filter(|(_, belongs)| *belongs).filter_map(|(class, _)| self.days.get(class)).copied().max().unwrap_or(0)
    }

    /// The entry of a hold that keeps a session at a moment.
    fn keeps(&self, session: &str, trace: &Trace, left_at: i64, at: i64) -> Option<u64> {
        self.standing(at, |scope| scope.covers(session, trace, left_at))
    }

    /// The first entry of a hold that stands at a moment and covers what is asked for.
    pub(super) fn standing(&self, at: i64, covers: impl Fn(&Scope) -> bool) -> Option<u64> {
        let stands = |hold: &&Hold| !hold.over && hold.until.is_none_or(|until| at < until);
        self.holds.values().filter(stands).filter(|hold| covers(&hold.scope)).map(|hold| hold.seq).min()
    }

    /// The days of a class, as far as the log told.
    pub(super) fn days_of(&self, class: &str) -> Option<u32> {
        self.days.get(class).copied()
    }
}

impl Entries {
    pub(super) fn set_aside(&mut self, seq: u64, at: i64, body: &[u8]) {
        if let Ok(Aside { session }) = serde_json::from_slice(body)
            && let Some(trace) = self.sessions.get_mut(&session)
        {
            trace.aside = Some((seq, at));
        }
    }

    pub(super) fn deleted(&mut self, seq: u64, at: i64, body: &[u8], findings: &mut Findings) {
        let place = format!("log entry {seq}");
        let entry: Entry = match serde_json::from_slice(body) {
            Ok(entry) => entry,
            Err(_) => {
                return findings.error(
                    "entry-malformed",
                    place,
                    "A `recording_deleted` entry must name its session, digest, class and days.",
                    "recording_deleted 項目にセッション・ダイジェスト・区分・日数がありません。",
                );
            }
        };
        let id = printable(&entry.session);
        let Some(trace) = self.sessions.get(&entry.session) else {
            if !self.part {
                findings.error("deleted-without-entered", place, format_args!("The session {id} never entered, and its recording is called deleted."), format_args!("入室の記録のないセッション {id} の録画を削除したとあります。"));
            }
            return;
        };
        if let Some(earlier) = &trace.deleted {
            let earlier = earlier.seq;
            return findings.error("deleted-twice", place, format_args!("The recording of session {id} was deleted at entry {earlier} already."), format_args!("セッション {id} の録画は項目 {earlier} ですでに削除されています。"));
        }
        let allowed = self.may_go(&place, &entry, trace, at, findings);
        let deleted = Deleted { seq, at, class: printable(&entry.class), days: i64::from(entry.days), allowed };
        if let Some(trace) = self.sessions.get_mut(&entry.session) {
            trace.deleted = Some(deleted);
        }
    }

    /// Whether the rule that the entry names let the recording go at that moment.
    fn may_go(&self, place: &str, entry: &Entry, trace: &Trace, at: i64, findings: &mut Findings) -> bool {
        let id = printable(&entry.session);
        let (Some((_, digest)), Some(left_at)) = (&trace.left, trace.left_at) else {
            if !self.part {
                findings.error("deleted-unended", place, format_args!("The session {id} had not ended, and its recording is called deleted."), format_args!("終了していないセッション {id} の録画を削除したとあります。"));
            }
            return self.part;
        };
        let mut allowed = true;
        let mut bad = |code, what: String, ja: String| {
            findings.error(code, place, what, ja);
            allowed = false;
        };
        if *digest != Some(entry.digest) {
            bad("deleted-other", format!("The entry names another digest than the one with which session {id} left."), format!("削除の項目のダイジェストが、セッション {id} の退室の項目と一致しません。"));
        }
        let (days, kept) = (i64::from(entry.days), at.saturating_sub(left_at));
        if days < FLOOR_DAYS || kept < FLOOR_DAYS * DAY_MS {
            bad("deleted-below-floor", format!("The recording of session {id} was deleted within {FLOOR_DAYS} days of its end."), format!("セッション {id} の録画が、終了から{FLOOR_DAYS}日以内に削除されています。"));
        } else if kept < days.saturating_mul(DAY_MS) {
            bad("deleted-early", format!("The recording of session {id} was deleted before the {days} days of its class were over."), format!("セッション {id} の録画が、区分の{days}日より前に削除されています。"));
        }
        if !CLASSES.contains(&entry.class.as_str()) {
            bad("deleted-class", "The entry names a class that recordings do not have.".into(), "削除の項目の区分が、録画の区分ではありません。".into());
        } else if entry.days < self.holds.longest(&entry.session, trace.whose.plan.as_ref()) {
            let longest = self.holds.longest(&entry.session, trace.whose.plan.as_ref());
            bad("deleted-class", format!("The entry names {} days, and the recording of session {id} belongs to a class that is kept for {longest} days.", entry.days), format!("削除の項目は{}日としていますが、セッション {id} の録画は{longest}日の区分に属します。", entry.days));
        }
        if let Some(rule) = self.holds.days.get(&entry.class).filter(|rule| entry.days < **rule) {
            bad("deleted-rule", format!("The entry names {days} days, and the rule of its class was {rule} days."), format!("削除の項目は{days}日としていますが、区分の規則は{rule}日でした。"));
        }
        if let Some(hold) = self.holds.keeps(&entry.session, trace, left_at, at) {
            bad("deleted-while-held", format!("The recording of session {id} was deleted while the hold of entry {hold} was in force."), format!("項目 {hold} の証拠保全中に、セッション {id} の録画が削除されています。"));
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::SigningKey;
    use crate::decisive;

    /// Reads entries, those that decide signed, and gives the codes of what is wrong.
    fn codes(entries: &[(&str, i64, String)]) -> Vec<&'static str> {
        let key = SigningKey::from_seed("box", &[1; 32]).unwrap();
        let (mut read, mut findings) = (Entries::of(decisive::terms(&[key.public().clone()], &[])), Findings::default());
        for (seq, (kind, day, rest)) in (0_u64..).zip(entries) {
            let body = format!(r#"{{"seq":{seq},"at":{},"kind":"{kind}"{rest}}}"#, day * DAY_MS).into_bytes();
            let body = if decisive::is_decisive(kind) { decisive::signed(&key, body).unwrap() } else { body };
            read.read(seq, &body, &mut findings);
        }
        findings.list.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_recording_of_an_emergency_goes_by_the_days_of_its_class_alone() {
        let digest = "00".repeat(32);
        let story = |allowed: &str, class: &str, days: i64, gone: i64| {
            codes(&[
                ("retention_set", 0, r#","class":"recordings","days":365"#.into()),
                ("retention_set", 0, r#","class":"emergency","days":1825"#.into()),
                ("plan_drawn", 1, r#","plan":"P","vendor":"V""#.into()),
                ("plan_acted", 1, format!(r#","plan":"{allowed}","act":"allow_emergency""#)),
                ("entered", 1, format!(r#","session":"S-1","plan":"P","target":"T","recording_header_digest":"{digest}""#)),
                ("left", 1, format!(r#","session":"S-1","digest":"{digest}""#)),
                ("recording_deleted", gone, format!(r#","session":"S-1","digest":"{digest}","class":"{class}","days":{days}"#)),
            ])
        };
        assert_eq!(story("P", "recordings", 365, 400), ["deleted-class"], "what a box that was taken over would say");
        assert!(story("P", "emergency", 1825, 1900).is_empty());
        assert!(story("another", "recordings", 365, 400).is_empty());
    }
}
