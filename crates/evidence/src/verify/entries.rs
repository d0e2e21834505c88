//! What the verifier reads in the bodies of entries.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::attachments::Course;
use super::findings::{Findings, printable};
use super::keeping::{Deleted, Holds, Whose};
use super::seconds::Seconds;
use crate::decisive::{self, Term};
use crate::digest::Digest;
use crate::recording::is_session_id;
use crate::rotation::{KEY_ROTATED, MAX_ROTATIONS};

/// The fields that every entry has; others are left to those who wrote them.
#[derive(Deserialize)]
struct Head<'a> {
    seq: u64,
    at: i64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Entered {
    session: String,
    recording_header_digest: Digest,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Deserialize)]
struct Left {
    session: String,
    #[serde(default)]
    digest: Option<Digest>,
}

#[derive(Deserialize)]
struct MovedOut {
    session: String,
    place: String,
    object: String,
}

#[derive(Deserialize)]
struct Rotated {
    old: String,
    new: String,
}

#[derive(Deserialize)]
struct Acted {
    plan: String,
    #[serde(default)]
    signature: String,
}

#[derive(Deserialize)]
struct Paper {
    #[serde(default)]
    review: Option<String>,
    #[serde(default)]
    report: Option<String>,
    digest: String,
}

#[derive(Deserialize)]
struct Opened {
    case: String,
    #[serde(default)]
    line: Option<String>,
}

#[derive(Deserialize)]
struct Initialised {
    #[serde(default)]
    key: Option<String>,
}

/// What the log says about one session.
pub(crate) struct Trace {
    pub(crate) entered: u64,
    pub(crate) header: Digest,
    /// Second keys in force for its target when it entered, as a whole log tells.
    pub(super) seconds: Vec<String>,
    pub(crate) left: Option<(u64, Option<Digest>)>,
    /// What a hold can know it by.
    pub(crate) whose: Whose,
    /// When it entered and left, in milliseconds since 1970.
    pub(crate) entered_at: i64,
    pub(crate) left_at: Option<i64>,
    /// Its recording was deleted by rule.
    pub(crate) deleted: Option<Deleted>,
    /// Its recording was found damaged and set aside: the entry and its time.
    pub(crate) aside: Option<(u64, i64)>,
    /// It was taken off the box, because an archive has it: the entry, and what archive and copy are called.
    pub(crate) away: Option<(u64, String)>,
}

/// Reads entries in order.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) sessions: BTreeMap<String, Trace>,
    pub(crate) last_at: Option<i64>,
    /// Exchanges of the key: the entry, the key before, the key after.
    pub(crate) rotated: Vec<(u64, String, String)>,
    /// The key with which the log calls itself begun.
    pub(crate) first_key: Option<String>,
    /// Of a part of the log: signatures of approvals, each behind its plan.
    pub(crate) approved: BTreeSet<(String, String)>,
    /// Of a part of the log: cases that were opened, with the digest of the line that opened them.
    pub(crate) cases: BTreeMap<String, String>,
    /// Of a part of the log: reviews of the log and reports by folder and name, with the last digest, and whether it was confirmed or issued.
    pub(crate) papers: BTreeMap<(&'static str, String), (String, bool)>,
    /// The course of each plan that was drawn.
    pub(super) plans: BTreeMap<String, Course>,
    /// What holds and times of keeping say.
    pub(super) holds: Holds,
    /// What is told of second keys.
    seconds: Seconds,
    /// The keys of the log, one of which signs what decides about keeping.
    pub(super) keys: Vec<Term>,
    /// Only a part of the log is read: a session may have entered before it.
    pub(super) part: bool,
}

impl Entries {
    /// For a part of a log.
    pub(crate) fn of_a_part(keys: Vec<Term>) -> Self {
        Self {
            part: true,
            keys,
            ..Self::default()
        }
    }

    /// For a whole log of these keys.
    pub(crate) fn of(keys: Vec<Term>) -> Self {
        Self { keys, ..Self::default() }
    }

    pub(crate) fn read(&mut self, seq: u64, body: &[u8], findings: &mut Findings) {
        let place = || format!("log entry {seq}");
        let head: Head<'_> = match serde_json::from_slice(body) {
            Ok(head) => head,
            Err(_) => {
                return findings.error(
                    "entry-malformed",
                    place(),
                    "The entry is not JSON with seq, at and kind.",
                    "項目が seq・at・kind を持つ JSON ではありません。",
                );
            }
        };
        if head.seq != seq {
            findings.error(
                "entry-sequence",
                place(),
                format_args!(
                    "The entry stands at place {seq} but calls itself {}.",
                    head.seq
                ),
                format_args!("{seq}番目の項目が自らを{}番と名乗っています。", head.seq),
            );
        }
        if let Some(last) = self.last_at.filter(|last| head.at < *last) {
            findings.warning(
                "time-backwards",
                place(),
                format_args!(
                    "The time of the entry is {} ms before that of the entry before it.",
                    last - head.at
                ),
                format_args!("項目の時刻が直前の項目より{}ミリ秒前です。", last - head.at),
            );
        }
        self.last_at = Some(head.at);
        if (head.kind == "second_key_kept" || head.kind.starts_with("viewing_")) && !decisive::is_signed(&self.keys, seq, body) {
            return findings.error(
                "decisive-unsigned",
                place(),
                "The entry is about who must agree before recordings open, or about an agreement, and no key of the log signed it: it was put into the log by somebody else, and does not count.",
                "録画を開くときに同意が必要な人(第二の鍵)、または同意についての項目に、証跡の鍵の署名がありません。外部から書き込まれた項目であり、無効です。",
            );
        }
        if decisive::is_decisive(&head.kind) && !decisive::is_signed(&self.keys, seq, body) {
            return findings.error(
                "decisive-unsigned",
                place(),
                "The entry is about keeping or deleting, and no key of the log signed it: it was put into the log by somebody else, and does not count.",
                "保管または削除についての項目に、証跡の鍵の署名がありません。外部から書き込まれた項目であり、無効です。",
            );
        }
        if let kind @ ("plan_drawn" | "plan_acted" | "entered" | "reconciled" | "file_attached") = head.kind.as_ref() {
            self.plan_step(kind, head.at, body);
        }
        if head.kind == "plan_acted" {
            self.holds.grave(&head.kind, body);
        }
        match head.kind.as_ref() {
            "entered" | "robot_entered" => self.entered(seq, head.at, body, findings),
            "left" => self.left(seq, head.at, body, findings),
            "recording_deleted" => self.deleted(seq, head.at, body, findings),
            "attachment_deleted" => self.attachment_deleted(seq, head.at, body, findings),
            "recording_set_aside" => self.set_aside(seq, head.at, body),
            "recording_moved_out" => self.moved_out(seq, body),
            kind @ ("hold_placed" | "hold_extended" | "hold_lifted" | "hold_ended" | "retention_set") => self.holds.read(kind, seq, head.at, body, findings),
            "file_moved" | "case_decided" => self.holds.grave(&head.kind, body),
            // Of a part of the log the end of a key may not be read.
            "second_key_kept" if !self.part => self.seconds.read(body),
            KEY_ROTATED => self.rotated(seq, body, findings),
            "plan_acted" if self.part => {
                if let Ok(acted) = serde_json::from_slice::<Acted>(body)
                    && !acted.signature.is_empty()
                {
                    self.approved.insert((acted.plan, acted.signature));
                }
            }
            "case_opened" => {
                self.holds.grave(&head.kind, body);
                if self.part
                    && let Ok(opened) = serde_json::from_slice::<Opened>(body)
                {
                    self.cases.insert(opened.case, opened.line.unwrap_or_default());
                }
            }
            "log_review_signed" | "log_review_confirmed" | "report_issued" if self.part => {
                if let Ok(Paper { review, report, digest }) = serde_json::from_slice(body) {
                    let named = match &*head.kind {
                        "report_issued" => report.map(|id| ("reports", id)),
                        _ => review.map(|id| ("reviews", id)),
                    };
                    if let Some(named) = named {
                        // A review that was given back is the one that was signed last.
                        let told = self.papers.entry(named).or_default();
                        told.0 = digest;
                        told.1 |= &*head.kind != "log_review_signed";
                    }
                }
            }
            "initialised" if seq == 0 => self.first_key = serde_json::from_slice::<Initialised>(body).ok().and_then(|entry| entry.key),
            _ => {}
        }
    }

    fn entered(&mut self, seq: u64, at: i64, body: &[u8], findings: &mut Findings) {
        let place = format!("log entry {seq}");
        let entered: Entered = match serde_json::from_slice(body) {
            Ok(entered) => entered,
            Err(_) => {
                return findings.error(
                    "entry-malformed",
                    place,
                    "An `entered` entry must name its session and the digest of the recording's header.",
                    "entered 項目にセッションまたは録画ヘッダーのダイジェストがありません。",
                );
            }
        };
        if !is_session_id(&entered.session) {
            return bad_id(findings, place, &entered.session);
        }
        if let Some(earlier) = self.sessions.get(&entered.session) {
            return findings.error(
                "entered-twice",
                place,
                format_args!(
                    "The session {} already entered at entry {}.",
                    entered.session, earlier.entered
                ),
                format_args!(
                    "セッション {} は項目 {} ですでに入室しています。",
                    entered.session, earlier.entered
                ),
            );
        }
        let trace = Trace {
            entered: seq,
            header: entered.recording_header_digest,
            seconds: self.seconds.due(entered.whose.target.as_ref()),
            left: None,
            whose: entered.whose,
            entered_at: at,
            left_at: None,
            deleted: None,
            aside: None,
            away: None,
        };
        self.sessions.insert(entered.session, trace);
    }

    /// Only of a session that left: before that there was nothing that could be moved.
    fn moved_out(&mut self, seq: u64, body: &[u8]) {
        if let Ok(moved) = serde_json::from_slice::<MovedOut>(body)
            && let Some(trace) = self.sessions.get_mut(&moved.session)
            && trace.left.is_some()
        {
            trace.away = Some((seq, printable(&format!("{}: {}", moved.place, moved.object))));
        }
    }

    fn rotated(&mut self, seq: u64, body: &[u8], findings: &mut Findings) {
        match serde_json::from_slice::<Rotated>(body) {
            Ok(rotated) if self.rotated.len() < MAX_ROTATIONS => self.rotated.push((seq, rotated.old, rotated.new)),
            _ => findings.error(
                "entry-malformed",
                format_args!("log entry {seq}"),
                "A `key_rotated` entry must name the key before and the key after, and there are not that many.",
                "key_rotated 項目に交換前後の鍵がないか、数が多すぎます。",
            ),
        }
    }

    fn left(&mut self, seq: u64, at: i64, body: &[u8], findings: &mut Findings) {
        let place = format!("log entry {seq}");
        let left: Left = match serde_json::from_slice(body) {
            Ok(left) => left,
            Err(_) => {
                return findings.error(
                    "entry-malformed",
                    place,
                    "A `left` entry must name its session, and its digest must be one.",
                    "left 項目にセッションがないか、ダイジェストの形式が誤っています。",
                );
            }
        };
        if !is_session_id(&left.session) {
            return bad_id(findings, place, &left.session);
        }
        match self.sessions.get_mut(&left.session) {
            None if self.part => {}
            None => findings.error(
                "left-without-entered",
                place,
                format_args!("The session {} left and never entered.", left.session),
                format_args!(
                    "セッション {} は入室の記録なしに退室しています。",
                    left.session
                ),
            ),
            Some(Trace {
                left: Some((earlier, _)),
                ..
            }) => findings.error(
                "left-twice",
                place,
                format_args!(
                    "The session {} already left at entry {earlier}.",
                    left.session
                ),
                format_args!(
                    "セッション {} は項目 {earlier} ですでに退室しています。",
                    left.session
                ),
            ),
            Some(trace) => (trace.left, trace.left_at) = (Some((seq, left.digest)), Some(at)),
        }
    }
}

fn bad_id(findings: &mut Findings, place: String, id: &str) {
    findings.error(
        "session-id",
        place,
        format_args!("The session id \"{}\" is none.", printable(id)),
        format_args!(
            "セッションID「{}」は正しい形式ではありません。",
            printable(id)
        ),
    );
}
