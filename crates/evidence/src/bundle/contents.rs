//! What else is in a bundle: recordings, approvals, the lines of cases, and the list of all files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use super::manifest::{Approvals, Manifest, SIGN_CONTEXT, Scope};
use super::paths::{self, MANIFEST, PlanFile, SIGNATURE};
use super::verify::{Check, Seen};
use crate::checkpoint::{Checkpoint, verify_bytes};
use crate::digest::{Digest, Hasher};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_ENTRY_BYTES, MAX_MANIFEST_BYTES};
use crate::recording::{is_session_id, path_of};
use crate::verify::{Found, compare, ended, printable, read, utc};

/// Purpose of the signatures on approvals.
const APPROVE_CONTEXT: &str = "approve/v1";

impl Check<'_> {
    /// What the bundle is about is in it: without that, an empty one would hold.
    pub(super) fn scope(&mut self, manifest: &Manifest, seen: &Seen) {
        if seen.bad {
            return;
        }
        let there = match &manifest.scope {
            Scope::Session { session } => seen.entries.sessions.contains_key(session),
            Scope::Plan { plan } => manifest.plans.contains(plan),
            Scope::Case { case } => seen.entries.cases.contains_key(case),
            Scope::Period { .. } => true,
        };
        if !there {
            self.findings.error("scope-empty", MANIFEST, "What the bundle says that it is about is not in it.", "束の範囲とされているものが、束に入っていません。");
        }
    }

    /// Each session in scope has its recording, and each recording its session.
    pub(super) fn recordings(&mut self, head: &Checkpoint, manifest: &Manifest, seen: &Seen) -> u64 {
        let mut needed: BTreeSet<&str> = manifest.sessions.iter().map(String::as_str).collect();
        if !manifest.all_entries {
            let ended = seen.entries.sessions.iter().filter(|(_, trace)| trace.left.is_some());
            needed.extend(ended.map(|(session, _)| session.as_str()));
        }
        let lacking: BTreeMap<&str, &str> = manifest.lacking.iter().map(|lack| (lack.session.as_str(), lack.why.as_str())).collect();
        let mut order: Vec<(u64, &str)> = needed.iter().map(|session| (seen.entries.sessions.get(*session).map_or(u64::MAX, |trace| trace.entered), *session)).collect();
        order.sort_unstable();
        let mut examined = 0;
        for (_, session) in order {
            let Some(path) = path_of(session) else {
                self.findings.error("session-id", MANIFEST, "The manifest names a session that is none.", "目録のセッションIDの形式が正しくありません。");
                continue;
            };
            let Some(trace) = seen.entries.sessions.get(session) else {
                if !seen.bad {
                    self.findings.error("session-unentered", path, "The bundle has no entry with which this session entered.", "このセッションの入室の項目が束にありません。");
                }
                continue;
            };
            let scan = match read(self.files, &path, &mut self.findings) {
                Found::Absent if let Some(deleted) = &trace.deleted => {
                    // It is gone by a rule, as its entry tells; what is wrong with the entry was told where it stands.
                    if deleted.allowed {
                        let day = utc(u64::try_from(deleted.at / 1000).unwrap_or(0));
                        self.findings.warning(
                            "recording-deleted",
                            path,
                            format_args!("The recording was deleted by rule on {day} ({}, {} days), as entry {} tells.", deleted.class, deleted.days, deleted.seq),
                            format_args!("録画は {day} に規則により削除されています（{}、{}日、項目 {}）。", deleted.class, deleted.days, deleted.seq),
                        );
                    }
                    continue;
                }
                Found::Absent if let Some((seq, at)) = trace.aside => {
                    let day = utc(u64::try_from(at / 1000).unwrap_or(0));
                    self.findings.error(
                        "recording-set-aside",
                        path,
                        format_args!("The recording was found damaged on {day} and set aside (entry {seq})."),
                        format_args!("録画は {day} に破損が見つかり、隔離されています（項目 {seq}）。"),
                    );
                    continue;
                }
                Found::Absent if let Some((seq, place)) = &trace.away => {
                    self.findings.warning(
                        "recording-elsewhere",
                        path,
                        format_args!("The recording lay in the archive ({place}; entry {seq}) when the bundle was made, and is not in it."),
                        format_args!("束を作った時点で録画は保管先にあり（{place}、項目 {seq}）、束に入っていません。"),
                    );
                    continue;
                }
                Found::Absent => {
                    let why = lacking.get(session).copied().unwrap_or("nothing");
                    self.findings.error(
                        "recording-missing",
                        path,
                        format_args!("The recording of the session that entered at entry {} is missing (the manifest says: {}).", trace.entered, printable(why)),
                        format_args!("項目 {} で入室したセッションの録画がありません。", trace.entered),
                    );
                    continue;
                }
                Found::Bad => {
                    examined += 1;
                    continue;
                }
                Found::Whole(scan) => *scan,
            };
            examined += 1;
            if !compare(&path, session, trace, &scan, &head.origin, &mut self.findings) {
                continue;
            }
            match trace.left {
                Some((_, Some(digest))) => ended(&path, &scan, digest == scan.digest, &mut self.findings),
                Some((seq, None)) => self.findings.error(
                    "recording-unbound",
                    path,
                    format_args!("The entry {seq}, with which the session left, holds no digest of its recording."),
                    format_args!("退室の項目 {seq} に録画のダイジェストがなく、録画の内容を確かめられません。"),
                ),
                None => self.findings.error("recording-unended", path, "The bundle has no entry with which this session left.", "このセッションの退室の項目が束にありません。"),
            }
        }
        for (session, trace) in &seen.entries.sessions {
            if trace.left.is_none() && !needed.contains(session.as_str()) {
                self.findings.warning(
                    "session-unfinished",
                    format_args!("log entry {}", trace.entered),
                    format_args!("The session {session} entered here, and its end is not in the bundle, so its recording is not either."),
                    format_args!("セッション {session} の終了は束に入っていません。録画も入っていません。"),
                );
            }
        }
        let orphans: Vec<String> = self.names.iter().filter(|path| path.strip_prefix("recordings/").and_then(|name| name.strip_suffix(".skr")).is_some_and(|session| !needed.contains(session))).cloned().collect();
        for path in orphans {
            self.findings.error("recording-orphan", path, "The bundle has no entry for this recording.", "この録画に対応する項目が束にありません。");
        }
        examined
    }

    pub(super) fn approvals(&mut self, manifest: &Manifest, seen: &Seen) -> u64 {
        let mut held = 0;
        // The entries of a plan are all there, but in a stretch that may have begun after its approval.
        let all_there = !manifest.is_contiguous() || seen.first == Some(0);
        let plans: BTreeSet<&String> = manifest.plans.iter().filter(|plan| is_session_id(plan)).collect();
        for plan in plans {
            let (Some(path), Some(signed)) = (paths::of_plan(plan, PlanFile::Approvals), paths::of_plan(plan, PlanFile::Signed)) else { continue };
            let (Some(bytes), Some(signed)) = (self.text(&path, MAX_DOCUMENT_BYTES), self.text(&signed, MAX_DOCUMENT_BYTES)) else { continue };
            let Some(approvals) = serde_json::from_slice::<Approvals>(&bytes).ok().filter(|approvals| approvals.plan == **plan) else {
                self.findings.error("approvals-malformed", path, "The file is not one of approvals of this plan.", "承認のファイルの形式が正しくありません。");
                continue;
            };
            let content = Digest::of(&signed);
            for approval in &approvals.approvals {
                let signature = approval.signature.parse().ok();
                let text = approval.signed();
                let holds = signature.is_some_and(|signature| self.keys.iter().any(|key| verify_bytes(key, APPROVE_CONTEXT, text.as_bytes(), &signature).is_ok()));
                if !holds {
                    self.findings.error("approval-signature", &path, format_args!("The signature of an approval ({}) does not hold.", printable(&approval.slot)), "承認の署名が正しくありません。");
                } else if approval.digest != content {
                    self.findings.warning("approval-other-content", &path, format_args!("An approval ({}) was given for another content than the plan has.", printable(&approval.slot)), "現在の内容とは別の内容に対する承認です。");
                } else if seen.bad || seen.entries.approved.contains(&(plan.clone(), approval.signature.clone())) {
                    held += 1;
                } else if all_there {
                    self.findings.error("approval-unlogged", &path, format_args!("The log tells of no such approval ({}).", printable(&approval.slot)), "この承認を示す項目が記録にありません。");
                } else {
                    held += 1;
                    self.findings.warning("approval-before", &path, format_args!("The entry of an approval ({}) lies before this period.", printable(&approval.slot)), "この承認の項目は、この期間より前のものです。");
                }
            }
        }
        held
    }

    /// The line of a case is the one with which it was opened.
    pub(super) fn cases(&mut self, seen: &Seen) {
        let named: Vec<(String, String)> = self.names.iter().filter_map(|path| Some((path.clone(), path.strip_prefix("cases/")?.strip_suffix(".line")?.to_owned()))).collect();
        for (path, case) in named {
            let Some(bytes) = self.text(&path, MAX_ENTRY_BYTES) else { continue };
            match seen.entries.cases.get(&case) {
                Some(line) if *line == Digest::of(&bytes).to_string() => {}
                None if seen.bad => {}
                _ => self.findings.error("line-altered", path, "The line is not the one of which the entry tells that opened the case.", "この行は、事案を開いた項目が示す行ではありません。"),
            }
        }
    }

    /// A review of the log and a report are those whose digest an entry in the bundle names.
    pub(super) fn papers(&mut self, manifest: &Manifest, seen: &Seen) {
        // Whoever hands in a time without what was found in it does not do so unseen.
        if matches!(manifest.scope, Scope::Period { .. }) && !seen.bad {
            for ((folder, id), (_, done)) in &seen.entries.papers {
                let path = format!("{folder}/{id}.json");
                if *done && !self.names.contains(&path) {
                    self.findings.warning("paper-missing", printable(&path), "An entry tells of this review or report, and the bundle does not hold it.", "項目が示すこのレビューまたは報告が、束に入っていません。");
                }
            }
        }
        for (folder, _) in paths::PAPERS {
            let prefix = format!("{folder}/");
            let named: Vec<(String, String)> = self.names.iter().filter_map(|path| Some((path.clone(), path.strip_prefix(&prefix)?.strip_suffix(".json")?.to_owned()))).collect();
            for (path, id) in named {
                let Some(bytes) = self.text(&path, MAX_DOCUMENT_BYTES) else { continue };
                let told = seen.entries.papers.get(&(folder, id)).map(|(digest, _)| digest.as_str());
                if !seen.bad && told != Some(Digest::of(&bytes).to_string().as_str()) {
                    self.findings.error("paper-unlogged", path, "No entry in the bundle names this review or report: it is another one, or was changed.", "このレビューまたは報告を示す項目が束にないか、内容が書き換えられています。");
                }
            }
        }
    }

    /// The files are those of the manifest, and the manifest is signed.
    pub(super) fn files(&mut self, manifest: &Manifest) {
        let mut listed = BTreeSet::from([MANIFEST, SIGNATURE]);
        for line in &manifest.files {
            if !paths::is_known(&line.path) || !listed.insert(line.path.as_str()) {
                self.findings.error("manifest-path", printable(&line.path), "The manifest names a file that no bundle has, or names it twice.", "目録に、束にあるはずのない名前、または重複があります。");
                continue;
            }
            match self.digest(&line.path) {
                Ok(Some((bytes, digest))) if bytes == line.bytes && digest == line.sha256 => {}
                Ok(Some(_)) => self.findings.error("file-altered", &line.path, "The file is not the one of the manifest.", "ファイルの内容が目録と一致しません。"),
                Ok(None) => self.findings.error("file-missing", &line.path, "The file of the manifest is missing.", "目録にあるファイルがありません。"),
                Err(reason) => self.findings.error("unreadable", &line.path, printable(&reason), "ファイルを読み取れません。"),
            }
        }
        let extra: Vec<String> = self.names.iter().filter(|path| !listed.contains(path.as_str())).cloned().collect();
        for path in extra {
            self.findings.error("extra-file", printable(&path), "The file is not in the manifest.", "目録にないファイルです。");
        }
        let bytes = self.text(MANIFEST, MAX_MANIFEST_BYTES);
        let signature = self.text(SIGNATURE, 256);
        if let (Some(bytes), Some(signature), Some(key)) = (bytes, signature, self.keys.last()) {
            let signature = std::str::from_utf8(&signature).ok().and_then(|text| text.strip_suffix('\n')).and_then(|text| text.parse().ok());
            if signature.is_none_or(|signature| verify_bytes(key, SIGN_CONTEXT, &bytes, &signature).is_err()) {
                self.findings.error("manifest-signature", SIGNATURE, "The manifest is not signed by the log's key: it was made or changed by somebody else.", "目録の署名が、記録の公開鍵では正しくありません。目録が作り直されています。");
            }
        }
    }

    fn digest(&self, path: &str) -> Result<Option<(u64, Digest)>, String> {
        let Some(mut source) = self.files.open(path).map_err(|fault| fault.reason)? else { return Ok(None) };
        let (mut hasher, mut total, mut buffer) = (Hasher::new(), 0_u64, vec![0_u8; 64 * 1024]);
        loop {
            match source.read(&mut buffer).map_err(|fault| fault.to_string())? {
                0 => return Ok(Some((total, hasher.finish()))),
                read => {
                    hasher.update(buffer.get(..read).unwrap_or_default());
                    total += read as u64;
                }
            }
        }
    }
}
