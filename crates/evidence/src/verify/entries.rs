//! What the verifier reads in the bodies of entries.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::findings::{Findings, printable};
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
}

#[derive(Deserialize)]
struct Left {
    session: String,
    #[serde(default)]
    digest: Option<Digest>,
}

#[derive(Deserialize)]
struct Rotated {
    old: String,
    new: String,
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
    pub(crate) left: Option<(u64, Option<Digest>)>,
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
    /// Only a part of the log is read: a session may have entered before it.
    part: bool,
}

impl Entries {
    /// For a part of a log.
    pub(crate) fn of_a_part() -> Self {
        Self {
            part: true,
            ..Self::default()
        }
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
        match head.kind.as_ref() {
            "entered" | "robot_entered" => self.entered(seq, body, findings),
            "left" => self.left(seq, body, findings),
            KEY_ROTATED => self.rotated(seq, body, findings),
            "initialised" if seq == 0 => self.first_key = serde_json::from_slice::<Initialised>(body).ok().and_then(|entry| entry.key),
            _ => {}
        }
    }

    fn entered(&mut self, seq: u64, body: &[u8], findings: &mut Findings) {
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
            left: None,
        };
        self.sessions.insert(entered.session, trace);
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

    fn left(&mut self, seq: u64, body: &[u8], findings: &mut Findings) {
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
            Some(trace) => trace.left = Some((seq, left.digest)),
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
