//! Offline verification of an evidence bundle, with nothing but the bundle, the key and, if there is one, a checkpoint that
//! was seen elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use super::lines::{LineBreach, Lines, proof};
use super::manifest::{Approvals, FORMAT, Manifest, SIGN_CONTEXT, Scope};
use super::paths::{self, CHECKPOINT, CONSISTENCY, ENTRIES, MANIFEST, PROOFS, PlanFile, SIGNATURE};
use super::verdict::BundleVerdict;
use crate::checkpoint::{self, Checkpoint, PublicKey, verify_bytes};
use crate::digest::{Digest, Hasher};
use crate::limits::{
    MAX_ARCHIVE_FILES, MAX_CHECKPOINT_BYTES, MAX_CONSISTENCY_PROOFS, MAX_DOCUMENT_BYTES, MAX_ENTRY_BYTES, MAX_MANIFEST_BYTES, MAX_PROOF_LINE_BYTES,
};
use crate::log::{Files, Tree, leaf_hash, read_bounded, verify_consistency, verify_inclusion};
use crate::recording::{is_session_id, path_of};
use crate::rotation::{self, MAX_ROTATION_BYTES, ROTATIONS_DIR};
use crate::verify::{Entries, Findings, Found, compare, ended, printable, read};

/// Purpose of the signatures on approvals.
const APPROVE_CONTEXT: &str = "approve/v1";
const OUTSIDE: &str = "outside checkpoint";

/// Verifies a bundle whose files can be read. `outside` is the text of a checkpoint that was seen elsewhere.
pub fn verify_bundle(files: &dyn Files, key: &PublicKey, outside: Option<&str>) -> BundleVerdict {
    let mut check = Check { files, findings: Findings::default(), names: BTreeSet::new(), keys: vec![key.clone()] };
    check.names = check.listing();
    let (manifest, manifest_breach) = check.manifest();
    check.rotations(key);
    let head = check.checkpoint();
    let mut verdict = BundleVerdict {
        ok: false,
        scope: manifest.as_ref().map(|manifest| manifest.scope.clone()),
        all_entries: manifest.as_ref().is_some_and(|manifest| manifest.all_entries),
        made_at: manifest.as_ref().map(|manifest| manifest.made_at),
        origin: head.as_ref().map(|head| head.origin.clone()),
        size: head.as_ref().map_or(0, |head| head.size),
        root: head.as_ref().map(|head| head.root),
        entries: 0,
        first: None,
        last: None,
        recordings: 0,
        approvals: 0,
        joined: false,
        first_bad: None,
        findings: Vec::new(),
        more_findings: 0,
    };
    if let Some(head) = &head {
        let read = check.entries(head, manifest.as_ref());
        (verdict.entries, verdict.first, verdict.last) = (read.count, read.first, read.last);
        check.heads(head, &read, outside, &mut verdict.joined);
        if let Some(manifest) = &manifest {
            verdict.recordings = check.recordings(head, manifest, &read);
        }
    }
    if let Some(manifest) = &manifest {
        verdict.approvals = check.approvals(manifest);
        check.files(manifest);
    }
    if let Some((code, what, ja)) = manifest_breach {
        check.findings.error(code, MANIFEST, what, ja);
    }
    verdict.ok = check.findings.first_error.is_none();
    verdict.first_bad = check.findings.first_error;
    verdict.findings = check.findings.list;
    verdict.more_findings = check.findings.more;
    verdict
}

struct Check<'a> {
    files: &'a dyn Files,
    findings: Findings,
    names: BTreeSet<String>,
    /// The keys of the log in their order; the last one signs.
    keys: Vec<PublicKey>,
}

/// What the entries came to.
#[derive(Default)]
struct Seen {
    entries: Entries,
    count: u64,
    first: Option<u64>,
    last: Option<u64>,
    first_at: Option<i64>,
    last_at: Option<i64>,
    /// One of them did not hold, so that what they say of sessions is not whole.
    bad: bool,
    /// The tree of the entries, while they follow each other from the first.
    tree: Option<Tree>,
    /// Its root at each size that an earlier head has.
    roots: BTreeMap<u64, Digest>,
}

type Breach = (&'static str, &'static str, &'static str);

impl Check<'_> {
    /// Every path in the bundle.
    fn listing(&mut self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let names = match self.files.list(&folder) {
                Ok(names) => names,
                Err(fault) => {
                    self.findings.error("unreadable", printable(&folder), printable(&fault.to_string()), "束の中身を読み取れません。");
                    continue;
                }
            };
            for name in names {
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                match path.strip_suffix('/') {
                    Some(inner) if inner.split('/').count() <= 2 => folders.push(inner.to_owned()),
                    _ => drop(found.insert(path)),
                }
                if found.len() > MAX_ARCHIVE_FILES {
                    self.findings.error("too-many-files", "bundle", "The bundle has too many files.", "束のファイル数が上限を超えています。");
                    return found;
                }
            }
        }
        found
    }

    fn text(&mut self, path: &str, limit: usize) -> Option<Vec<u8>> {
        match read_bounded(self.files, path, limit) {
            Ok(Some(bytes)) => Some(bytes),
            Ok(None) => {
                self.findings.error("file-missing", path, "The file is missing.", "ファイルがありません。");
                None
            }
            Err(fault) => {
                self.findings.error("unreadable", path, printable(&fault.to_string()), "ファイルを読み取れません。");
                None
            }
        }
    }

    /// The manifest, and what is wrong with it: that is told last, because it names no entry and no recording.
    fn manifest(&mut self) -> (Option<Manifest>, Option<Breach>) {
        const MISSING: Breach = ("manifest-missing", "The bundle has no manifest.", "目録（manifest.json）がないか、読み取れません。");
        const FORM: Breach = ("manifest-malformed", "The manifest is not one of a bundle of this format.", "目録（manifest.json）の形式が正しくありません。");
        let Ok(Some(bytes)) = read_bounded(self.files, MANIFEST, MAX_MANIFEST_BYTES) else { return (None, Some(MISSING)) };
        let manifest = serde_json::from_slice::<Manifest>(&bytes).ok().filter(|manifest| manifest.format == FORMAT && manifest.files.len() <= MAX_ARCHIVE_FILES);
        if manifest.is_none() {
            return (None, Some(FORM));
        }
        (manifest, None)
    }

    /// Follows the log's exchanges of keys from the trusted one.
    fn rotations(&mut self, trusted: &PublicKey) {
        let prefix = format!("{ROTATIONS_DIR}/");
        let mut names: Vec<(u64, String)> = self.names.iter().filter_map(|path| path.strip_prefix(&prefix)).filter_map(|name| Some((name.parse().ok()?, name.to_owned()))).collect();
        names.sort_unstable();
        if names.is_empty() {
            return;
        }
        let mut rotations = Vec::new();
        for (seq, name) in names.into_iter().take(rotation::MAX_ROTATIONS) {
            let Some(bytes) = self.text(&rotation::path_of(seq), MAX_ROTATION_BYTES) else { return };
            let read = std::str::from_utf8(&bytes).ok().and_then(|text| rotation::read(&name, text).ok());
            let Some(rotation) = read else {
                return self.findings.error("rotation-malformed", rotation::path_of(seq), "The exchange of the key was not accepted.", "署名鍵の交代の記録が正しくありません。");
            };
            rotations.push(rotation);
        }
        match rotation::chain(&rotations, trusted) {
            Ok(keys) => self.keys = keys,
            Err(breach) => self.findings.error("rotation-chain", ROTATIONS_DIR, breach, "署名鍵の交代のつながりが正しくないか、指定の鍵がこの記録の鍵ではありません。"),
        }
    }

    fn checkpoint(&mut self) -> Option<Checkpoint> {
        let bytes = self.text(CHECKPOINT, MAX_CHECKPOINT_BYTES)?;
        let key = self.keys.last()?;
        let opened = std::str::from_utf8(&bytes).map_err(|_| checkpoint::CheckpointBreach::Form).and_then(|text| checkpoint::open(text, key));
        match opened {
            Ok(head) => Some(head),
            Err(breach) => {
                self.findings.error(
                    "checkpoint",
                    CHECKPOINT,
                    format_args!("The checkpoint was not accepted: {breach}."),
                    "チェックポイントの形式または署名が、指定の公開鍵では正しくありません。",
                );
                None
            }
        }
    }

    fn line(&mut self, path: &'static str, next: Result<Option<Vec<u8>>, LineBreach>) -> Result<Option<Vec<u8>>, ()> {
        next.map_err(|breach| {
            self.findings.error("lines-malformed", path, format_args!("{}.", printable(&breach.to_string())), "行の形式が正しくないか、途中で切れています。");
        })
    }

    /// Holds each entry against its proof, and reads what it says.
    fn entries(&mut self, head: &Checkpoint, manifest: Option<&Manifest>) -> Seen {
        let mut seen = Seen { entries: Entries::of_a_part(), tree: Some(Tree::new()), ..Seen::default() };
        if self.walk(head, manifest, &mut seen).is_err() {
            seen.bad = true;
        }
        if let Some(manifest) = manifest
            && !seen.bad
        {
            self.span(head, manifest, &seen);
        }
        seen
    }

    fn walk(&mut self, head: &Checkpoint, manifest: Option<&Manifest>, seen: &mut Seen) -> Result<(), ()> {
        let bodies = Lines::open(self.files, ENTRIES, MAX_ENTRY_BYTES + 1);
        let proofs = Lines::open(self.files, PROOFS, MAX_PROOF_LINE_BYTES + 1);
        let mut bodies = bodies.map_err(|breach| drop(self.line(ENTRIES, Err(breach))))?;
        let mut proofs = proofs.map_err(|breach| drop(self.line(PROOFS, Err(breach))))?;
        let wanted = self.sizes();
        let contiguous = manifest.is_some_and(Manifest::is_contiguous);
        let mut before: Option<u64> = None;
        for number in 1_u64.. {
            let body = self.line(ENTRIES, bodies.next())?;
            let line = self.line(PROOFS, proofs.next())?;
            let (body, line) = match (body, line) {
                (Some(body), Some(line)) => (body, line),
                (None, None) => return Ok(()),
                (Some(_), None) => {
                    self.findings.error("entry-unproved", format_args!("{ENTRIES} line {number}"), "The entry has no proof.", "項目に対応する証明がありません。");
                    return Err(());
                }
                (None, Some(_)) => {
                    self.findings.error("proof-without-entry", format_args!("{PROOFS} line {number}"), "The proof has no entry: entries are missing at the end.", "証明に対応する項目がありません。末尾の項目が欠けています。");
                    return Err(());
                }
            };
            let Some((seq, hashes)) = proof(&line) else {
                self.findings.error("proof-malformed", format_args!("{PROOFS} line {number}"), "The line is not a number and hashes.", "証明の行の形式が正しくありません。");
                return Err(());
            };
            if before.is_some_and(|before| seq <= before) {
                self.findings.error("entry-order", format_args!("log entry {seq}"), "The entry stands behind one with a higher number, or stands twice.", "項目の順序が正しくないか、同じ項目が二度あります。");
                seen.bad = true;
                continue;
            }
            if let (true, Some(before)) = (contiguous, before)
                && seq != before + 1
            {
                self.findings.error(
                    "entry-gap",
                    format_args!("log entry {}", before + 1),
                    format_args!("The entries {} to {} are missing.", before + 1, seq - 1),
                    format_args!("項目 {} から {} までが欠けています。", before + 1, seq - 1),
                );
                seen.bad = true;
            }
            before = Some(seq);
            self.entry(head, seq, &body, &hashes, seen);
            let follows = seen.tree.as_ref().is_some_and(|tree| tree.size() == seq);
            match &mut seen.tree {
                Some(tree) if follows => {
                    tree.append(leaf_hash(&body));
                    if wanted.contains(&tree.size()) {
                        seen.roots.insert(tree.size(), tree.root());
                    }
                }
                _ => seen.tree = None,
            }
        }
        Ok(())
    }

    fn entry(&mut self, head: &Checkpoint, seq: u64, body: &[u8], hashes: &[Digest], seen: &mut Seen) {
        if verify_inclusion(&leaf_hash(body), seq, head.size, &head.root, hashes).is_err() {
            seen.bad = true;
            return self.findings.error(
                "entry-altered",
                format_args!("log entry {seq}"),
                "The entry with its proof does not lead to the signed root: the entry or the proof was changed, or the proof is another entry's.",
                "項目と証明から、署名された値が得られません。項目または証明が書き換えられたか、別の項目の証明です。",
            );
        }
        seen.count += 1;
        seen.first = seen.first.or(Some(seq));
        seen.last = Some(seq);
        seen.entries.read(seq, body, &mut self.findings);
        seen.last_at = seen.entries.last_at;
        seen.first_at = seen.first_at.or(seen.last_at);
    }

    /// The entries are as many as the manifest says, and a part of the log without gaps is whole at its edges.
    fn span(&mut self, head: &Checkpoint, manifest: &Manifest, seen: &Seen) {
        let told = manifest.entries;
        if (told.count, told.first, told.last) != (seen.count, seen.first, seen.last) {
            self.findings.error("entries-count", ENTRIES, "The entries are not as many, or not those, that the manifest names.", "項目の数または範囲が目録と一致しません。");
        }
        if (manifest.checkpoint.size, manifest.checkpoint.root) != (head.size, head.root) || manifest.origin != head.origin {
            self.findings.error("manifest-checkpoint", MANIFEST, "The manifest names another checkpoint than the bundle holds.", "目録が別のチェックポイントを指しています。");
        }
        let (begins, ends) = match &manifest.scope {
            _ if manifest.all_entries => (seen.first == Some(0) || head.size == 0, seen.last.map_or(0, |last| last + 1) == head.size),
            Scope::Period { from, until } => (
                head.size == 0 || seen.first == Some(0) || seen.first_at.is_some_and(|at| at < *from),
                head.size == 0 || seen.last.is_some_and(|last| last + 1 == head.size) || seen.last_at.is_some_and(|at| at >= *until),
            ),
            _ => (true, true),
        };
        if !begins {
            self.findings.error("entries-begin", ENTRIES, "Nothing shows that no entry is missing before the first.", "最初の項目より前に抜けがないことを確かめられません。");
        }
        if !ends {
            self.findings.error("entries-end", ENTRIES, "Nothing shows that no entry is missing after the last.", "最後の項目より後に抜けがないことを確かめられません。");
        }
    }

    /// Sizes of earlier heads of which the bundle has a proof.
    fn sizes(&self) -> BTreeSet<u64> {
        let mut sizes = BTreeSet::new();
        if let Ok(mut lines) = Lines::open(self.files, CONSISTENCY, MAX_PROOF_LINE_BYTES + 1) {
            while let Ok(Some(line)) = lines.next() {
                if let Some((size, _)) = proof(&line).filter(|_| sizes.len() < MAX_CONSISTENCY_PROOFS) {
                    sizes.insert(size);
                }
            }
        }
        sizes
    }

    /// The exchanges of keys and the checkpoint from outside belong to the beginning of this log.
    fn heads(&mut self, head: &Checkpoint, seen: &Seen, outside: Option<&str>, joined: &mut bool) {
        let rotations: Vec<String> = self.names.iter().filter(|path| path.starts_with(ROTATIONS_DIR)).cloned().collect();
        for path in rotations {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let text = read_bounded(self.files, &path, MAX_ROTATION_BYTES).ok().flatten();
            let rotation = text.and_then(|bytes| rotation::read(&name, std::str::from_utf8(&bytes).ok()?).ok());
            if let Some(rotation) = rotation {
                self.continues(head, &rotation.checkpoint, seen, &path, ["rotation-forked", "rotation-unjoined"]);
            }
        }
        let Some(text) = outside else { return };
        match rotation::open_by_any(text, &self.keys) {
            Ok((outside, _)) => *joined = self.continues(head, &outside, seen, OUTSIDE, ["log-forked", "outside-unjoined"]),
            Err(breach) => self.findings.error(
                "outside-checkpoint",
                OUTSIDE,
                format_args!("The checkpoint from outside was not accepted: {breach}."),
                "外部で控えたチェックポイントの形式または署名が正しくありません。",
            ),
        }
    }

    fn continues(&mut self, head: &Checkpoint, old: &Checkpoint, seen: &Seen, place: &str, [forked, unjoined]: [&'static str; 2]) -> bool {
        if old.origin != head.origin {
            self.findings.error("outside-origin", place, "The checkpoint belongs to another log.", "別の記録のチェックポイントです。");
            return false;
        }
        let same = if old.size == head.size {
            Some(old.root == head.root)
        } else if let Some(root) = seen.roots.get(&old.size).filter(|_| !seen.bad) {
            Some(*root == old.root)
        } else {
            let mut proofs = Lines::open(self.files, CONSISTENCY, MAX_PROOF_LINE_BYTES + 1).ok();
            let mut found = None;
            while let Some(Ok(Some(line))) = proofs.as_mut().map(Lines::next) {
                found = proof(&line).filter(|(size, _)| *size == old.size);
                if found.is_some() {
                    break;
                }
            }
            found.map(|(size, hashes)| verify_consistency(size, &old.root, head.size, &head.root, &hashes).is_ok())
        };
        match same {
            Some(true) => return true,
            Some(false) => self.findings.error(
                forked,
                place,
                format_args!("The first {} entries of this log are not those that the checkpoint signs: history was rewritten, or two logs were shown.", old.size),
                format_args!("この記録の先頭の{}件は、控えたチェックポイントが署名したものではありません。過去の書き換え、または二重の記録です。", old.size),
            ),
            None if old.size > head.size => self.findings.error(
                unjoined,
                place,
                format_args!("The checkpoint covers {} entries and the bundle's covers {}: the bundle is older. Ask for a new one.", old.size, head.size),
                format_args!("控えたチェックポイント({}件)のほうが、この束({}件)より新しいものです。束を作り直してもらってください。", old.size, head.size),
            ),
            None => self.findings.error(
                unjoined,
                place,
                format_args!("The bundle has no proof that its log continues the one of {} entries. Ask for a bundle made with this checkpoint.", old.size),
                format_args!("{}件の時点の記録からつながっていることの証明が、この束にありません。このチェックポイントを渡して束を作り直してもらってください。", old.size),
            ),
        }
        false
    }

    /// Each session in scope has its recording, and each recording its session.
    fn recordings(&mut self, head: &Checkpoint, manifest: &Manifest, seen: &Seen) -> u64 {
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

    fn approvals(&mut self, manifest: &Manifest) -> u64 {
        let mut held = 0;
        for plan in manifest.plans.iter().filter(|plan| is_session_id(plan)) {
            let (Some(path), Some(signed)) = (paths::of_plan(plan, PlanFile::Approvals), paths::of_plan(plan, PlanFile::Signed)) else { continue };
            let (Some(bytes), Some(signed)) = (self.text(&path, MAX_DOCUMENT_BYTES), self.text(&signed, MAX_DOCUMENT_BYTES)) else { continue };
            let Some(approvals) = serde_json::from_slice::<Approvals>(&bytes).ok().filter(|approvals| approvals.plan == *plan) else {
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
                } else {
                    held += 1;
                }
            }
        }
        held
    }

    /// The files are those of the manifest, and the manifest is signed.
    fn files(&mut self, manifest: &Manifest) {
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
            if !signature.is_some_and(|signature| verify_bytes(key, SIGN_CONTEXT, &bytes, &signature).is_ok()) {
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
