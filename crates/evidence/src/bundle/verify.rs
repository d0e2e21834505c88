//! Offline verification of an evidence bundle, with nothing but the bundle, the key and, if there is one, a checkpoint that
//! was seen elsewhere or a witness.

use std::collections::{BTreeMap, BTreeSet};

use super::lines::{LineBreach, Lines, proof};
use super::manifest::{FORMAT, Manifest, Scope};
use super::paths::{CONSISTENCY, ENTRIES, MANIFEST, PROOFS};
use super::verdict::BundleVerdict;
use crate::checkpoint::{Checkpoint, PublicKey};
use crate::decisive;
use crate::digest::Digest;
use crate::limits::{MAX_ARCHIVE_FILES, MAX_CONSISTENCY_PROOFS, MAX_ENTRY_BYTES, MAX_MANIFEST_BYTES, MAX_PROOF_LINE_BYTES};
use crate::log::{Files, Tree, leaf_hash, read_bounded, verify_inclusion};
use crate::recording::is_session_id;
use crate::rotation::Rotation;
use crate::verify::{Entries, Findings, Met, Reached, SeenBy, Stamped, Trust, printable, stamp_numbers};

/// Verifies a bundle whose files can be read against all that the verifier brings.
pub fn verify_bundle(files: &dyn Files, trust: &Trust<'_>) -> BundleVerdict {
    let mut check = Check {
        files,
        findings: Findings::default(),
        names: BTreeSet::new(),
        keys: trust.keys.iter().take(1).cloned().collect(),
        rotations: Vec::new(),
        consistency: BTreeMap::new(),
        wanted: BTreeSet::new(),
        seen: Vec::new(),
        stamps: Vec::new(),
    };
    check.names = check.listing();
    let (manifest, manifest_breach) = check.manifest();
    check.rotations(trust.keys);
    check.consistency();
    let stamps = stamp_numbers(files, &mut check.findings);
    check.wanted.extend(check.consistency.keys().copied());
    check.wanted.extend(check.rotations.iter().map(|rotation| rotation.checkpoint.size));
    check.wanted.extend(stamps.iter().copied());
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
        seen: Vec::new(),
        stamps: Vec::new(),
        stamps_unchecked: if trust.timestamps.is_none() { stamps.len() as u64 } else { 0 },
        first_bad: None,
        findings: Vec::new(),
        more_findings: 0,
    };
    if let Some(head) = &head {
        let read = check.entries(head, manifest.as_ref(), &stamps);
        (verdict.entries, verdict.first, verdict.last) = (read.count, read.first, read.last);
        check.exchanges(manifest.as_ref(), &read);
        verdict.joined = check.heads(head, &read, trust);
        if let Some(checks) = trust.timestamps {
            check.stamped(head, &read, &stamps, checks);
        }
        if let Some(manifest) = &manifest {
            check.scope(manifest, &read);
            verdict.recordings = check.recordings(head, manifest, &read);
            verdict.approvals = check.approvals(manifest, &read);
            check.cases(&read);
            check.papers(manifest, &read);
        }
    }
    if let Some(manifest) = &manifest {
        check.files(manifest);
    }
    if let Some((code, what, ja)) = manifest_breach {
        check.findings.error(code, MANIFEST, what, ja);
    }
    verdict.seen = check.seen;
    verdict.stamps = check.stamps;
    verdict.ok = check.findings.first_error.is_none();
    verdict.first_bad = check.findings.first_error;
    verdict.findings = check.findings.list;
    verdict.more_findings = check.findings.more;
    verdict
}

pub(super) struct Check<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) findings: Findings,
    pub(super) names: BTreeSet<String>,
    /// The keys of the log in their order; the last one signs.
    pub(super) keys: Vec<PublicKey>,
    /// The exchanges of its key that could be read, by their entries.
    pub(super) rotations: Vec<Rotation>,
    /// What proves that the log continues earlier heads, by their sizes.
    pub(super) consistency: BTreeMap<u64, Vec<Digest>>,
    /// Sizes at which the root is asked for, where the entries follow each other from the first.
    pub(super) wanted: BTreeSet<u64>,
    pub(super) seen: Vec<SeenBy>,
    pub(super) stamps: Vec<Stamped>,
}

/// What the entries came to.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) entries: Entries,
    pub(super) count: u64,
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) first_at: Option<i64>,
    pub(super) last_at: Option<i64>,
    /// The entries before and after each stamped head, as far as they are here.
    pub(super) reached: Reached,
    /// One of them did not hold, so that what they say of sessions is not whole.
    pub(super) bad: bool,
    /// The tree of the entries, while they follow each other from the first.
    pub(super) tree: Option<Tree>,
    /// Its root at each size that an earlier head has.
    pub(super) roots: BTreeMap<u64, Digest>,
    /// Entries at which an exchange of the key should be told of, and whether they do.
    pub(super) told: BTreeMap<u64, bool>,
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

    pub(super) fn text(&mut self, path: &str, limit: usize) -> Option<Vec<u8>> {
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
        let sound = |manifest: &Manifest| manifest.format == FORMAT && manifest.files.len() <= MAX_ARCHIVE_FILES && manifest.scope.id().is_none_or(is_session_id);
        let manifest = serde_json::from_slice::<Manifest>(&bytes).ok().filter(sound);
        if manifest.is_none() {
            return (None, Some(FORM));
        }
        (manifest, None)
    }

    /// Reads the proofs that lead on from earlier heads.
    fn consistency(&mut self) {
        let Ok(mut lines) = Lines::open(self.files, CONSISTENCY, MAX_PROOF_LINE_BYTES + 1) else { return };
        while self.consistency.len() < MAX_CONSISTENCY_PROOFS
            && let Ok(Some(line)) = lines.next()
        {
            if let Some((size, hashes)) = proof(&line) {
                self.consistency.entry(size).or_insert(hashes);
            }
        }
    }

    fn line(&mut self, path: &'static str, next: Result<Option<Vec<u8>>, LineBreach>) -> Result<Option<Vec<u8>>, ()> {
        next.map_err(|breach| {
            self.findings.error("lines-malformed", path, format_args!("{}.", printable(&breach.to_string())), "行の形式が正しくないか、途中で切れています。");
        })
    }

    /// Holds each entry against its proof, and reads what it says.
    fn entries(&mut self, head: &Checkpoint, manifest: Option<&Manifest>, stamps: &[u64]) -> Seen {
        let mut seen = Seen { entries: Entries::of_a_part(decisive::terms(&self.keys, &self.rotations)), tree: Some(Tree::new()), reached: stamps.iter().map(|size| (*size, Met::default())).collect(), ..Seen::default() };
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
                    if self.wanted.contains(&tree.size()) {
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
        if let Some(rotation) = self.rotations.iter().find(|rotation| rotation.seq == seq) {
            seen.told.insert(seq, rotation.is_told_by(body));
        }
        seen.last_at = seen.entries.last_at;
        seen.first_at = seen.first_at.or(seen.last_at);
        if let Some((_, met)) = seen.reached.range_mut(seq.saturating_add(1)..).next() {
            met.last_at = seen.last_at;
        }
        for (_, met) in seen.reached.range_mut(..=seq).rev().take_while(|(_, met)| met.next_at.is_none()) {
            met.next_at = seen.last_at;
        }
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

}
