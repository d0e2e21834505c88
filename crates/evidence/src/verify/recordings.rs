//! The recordings of a copy against its log.

use std::collections::BTreeSet;
use std::io::BufReader;

use super::entries::Trace;
use super::keeping::{Deleted, DeletedByRule};
use super::utc;
use crate::limits::MAX_FINDINGS;
use super::findings::{Findings, printable};
use super::log::Report;
use crate::log::Files;
use crate::recording::{FILE_SUFFIX, RECORDINGS_DIR, RecipientKind, Scan, is_session_id, path_of, scan};

/// What the recordings came to.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) recordings: u64,
    pub(super) deleted: Vec<DeletedByRule>,
    pub(super) more_deleted: u64,
}

impl Examined {
    fn gone(&mut self, session: &str, deleted: &Deleted) {
        if self.deleted.len() >= MAX_FINDINGS {
            self.more_deleted += 1;
            return;
        }
        let second = u64::try_from(deleted.at / 1000).unwrap_or(0);
        self.deleted.push(DeletedByRule { session: session.to_owned(), entry: deleted.seq, second, class: deleted.class.clone(), days: u32::try_from(deleted.days).unwrap_or(0) });
    }
}

/// Checks every session's recording.
pub(super) fn check(
    files: &dyn Files,
    report: &Report,
    running: &BTreeSet<String>,
    findings: &mut Findings,
) -> Examined {
    let mut sessions: Vec<(&String, &Trace)> = report.entries.sessions.iter().collect();
    sessions.sort_unstable_by_key(|(_, trace)| trace.entered);
    let mut found = Examined::default();
    for (session, trace) in sessions {
        let Some(path) = path_of(session) else {
            continue;
        };
        let scan = match read(files, &path, findings) {
            Found::Absent if let Some(deleted) = &trace.deleted => {
                // What is wrong with its entry was told where it stands.
                if deleted.allowed {
                    found.gone(session, deleted);
                }
                continue;
            }
            Found::Absent if let Some((seq, at)) = trace.aside => {
                let day = utc(u64::try_from(at / 1000).unwrap_or(0));
                findings.error(
                    "recording-set-aside",
                    path,
                    format_args!("The recording was found damaged on {day} and set aside (entry {seq})."),
                    format_args!("録画は {day} に破損が見つかり、隔離されています（項目 {seq}）。"),
                );
                continue;
            }
            Found::Absent if let Some((seq, place)) = &trace.away => {
                findings.warning(
                    "recording-elsewhere",
                    path,
                    format_args!("The recording lies in the archive ({place}; entry {seq}), and was not examined. Name a copy of the archive with --archive."),
                    format_args!("録画は保管先にあります（{place}、項目 {seq}）。検証していません。保管先の写しを --archive で指定してください。"),
                );
                continue;
            }
            Found::Absent => {
                findings.error(
                    "recording-missing",
                    path,
                    format_args!(
                        "The recording of the session that entered at entry {} is missing.",
                        trace.entered
                    ),
                    format_args!(
                        "項目 {} で入室したセッションの録画がありません。",
                        trace.entered
                    ),
                );
                continue;
            }
            Found::Bad => {
                found.recordings += 1;
                continue;
            }
            Found::Whole(scan) => *scan,
        };
        found.recordings += 1;
        if let Some(deleted) = &trace.deleted {
            findings.warning(
                "deleted-still-there",
                &path,
                format_args!("Entry {} tells that the recording was deleted, and the file is there.", deleted.seq),
                format_args!("項目 {} で削除したとある録画のファイルが残っています。", deleted.seq),
            );
        }
        if !compare(
            &path,
            session,
            trace,
            &scan,
            &report.checkpoint.origin,
            findings,
        ) {
            continue;
        }
        match trace.left {
            Some((_, Some(digest))) => ended(&path, &scan, digest == scan.digest, findings),
            // Sekisho writes a digest whatever became of the recording. Without one the file could hold anything.
            Some((seq, None)) => findings.error(
                "recording-unbound",
                path,
                format_args!("The entry {seq}, with which the session left, holds no digest of its recording."),
                format_args!("退室の項目 {seq} に録画のダイジェストがなく、録画の内容を確かめられません。"),
            ),
            None if running.contains(session) => {}
            None => findings.warning(
                "session-unfinished",
                path,
                format_args!("The session entered at entry {} and the log has no end of it.", trace.entered),
                format_args!("項目 {} で入室したセッションに終了の記録がありません。", trace.entered),
            ),
        }
    }
    // A log that could not be read to its end cannot say which recordings have no entry.
    if report.complete {
        found.recordings += orphans(files, report, running, findings);
    }
    found
}

pub(crate) enum Found {
    Absent,
    Bad,
    Whole(Box<Scan>),
}

pub(crate) fn read(files: &dyn Files, path: &str, findings: &mut Findings) -> Found {
    match files.open(path) {
        Ok(None) => Found::Absent,
        Ok(Some(source)) => match scan(BufReader::new(source)) {
            Ok(scan) => Found::Whole(Box::new(scan)),
            Err(breach) => {
                findings.error(
                    "recording-altered",
                    path,
                    format_args!(
                        "The recording was not accepted: {}.",
                        printable(&breach.to_string())
                    ),
                    "録画ファイルが改ざんされているか、破損しています。",
                );
                Found::Bad
            }
        },
        Err(fault) => {
            findings.error(
                "unreadable",
                path,
                printable(&fault.to_string()),
                "ファイルを読み取れません。",
            );
            Found::Bad
        }
    }
}

/// Compares what the recording says about itself with its name and its `entered` entry.
pub(crate) fn compare(
    path: &str,
    session: &str,
    trace: &Trace,
    scan: &Scan,
    origin: &str,
    findings: &mut Findings,
) -> bool {
    if scan.header.session != session {
        findings.error(
            "recording-exchanged",
            path,
            format_args!(
                "The file holds the recording of session {}.",
                scan.header.session
            ),
            format_args!(
                "このファイルの中身はセッション {} の録画です。",
                scan.header.session
            ),
        );
        return false;
    }
    if scan.header_digest != trace.header {
        findings.error(
            "recording-header",
            path,
            format_args!(
                "The header of the recording is not the one that entry {} names.",
                trace.entered
            ),
            format_args!(
                "録画のヘッダーが項目 {} のダイジェストと一致しません。",
                trace.entered
            ),
        );
        return false;
    }
    if scan.header.log_origin != origin {
        findings.error(
            "recording-origin",
            path,
            format_args!(
                "The recording belongs to the log {}.",
                printable(&scan.header.log_origin)
            ),
            format_args!(
                "録画は別のログ {} に属しています。",
                printable(&scan.header.log_origin)
            ),
        );
        return false;
    }
    for key in &trace.seconds {
        if !scan.header.recipients.iter().any(|one| one.kind == RecipientKind::Second && one.key == *key) {
            findings.warning(
                "second-key-missing",
                path,
                format_args!("When the session entered (entry {}), the second key {} was in force for its target, and the recording opens without the agreement of its holder.", trace.entered, printable(key)),
                format_args!("項目 {} の入室のとき、接続先に第二の鍵 {} が有効でしたが、この録画はその持ち主の同意なしに開けます。", trace.entered, printable(key)),
            );
        }
    }
    true
}

pub(crate) fn ended(path: &str, scan: &Scan, same: bool, findings: &mut Findings) {
    if scan.seal.is_none() && same {
        // A disk that failed could not take the seal. The log's digest covers all whole bytes, so nothing was changed.
        findings.warning(
            "recording-lost",
            path,
            "The recording ended without a seal, and is whole as far as the log's digest reaches.",
            "録画は封印なしで終了しましたが、ログのダイジェストまでの内容は一致しています。",
        );
    } else if scan.seal.is_none() {
        findings.error(
            "recording-unsealed",
            path,
            format_args!(
                "The log holds the digest of a sealed recording, and the file ends without a seal after {} whole bytes.",
                scan.whole_bytes
            ),
            "ログでは封印済みですが、録画ファイルの封印が欠けているか壊れています。",
        );
    } else if !same {
        findings.error(
            "recording-altered",
            path,
            "The recording does not have the digest that the log holds for it.",
            "録画のダイジェストがログの値と一致しません。",
        );
    }
}

fn orphans(
    files: &dyn Files,
    report: &Report,
    running: &BTreeSet<String>,
    findings: &mut Findings,
) -> u64 {
    let mut names = match files.list(RECORDINGS_DIR) {
        Ok(names) => names,
        Err(fault) => {
            findings.error(
                "unreadable",
                RECORDINGS_DIR,
                printable(&fault.to_string()),
                "フォルダーを読み取れません。",
            );
            return 0;
        }
    };
    names.sort_unstable();
    let mut examined = 0;
    for name in names {
        let session = name
            .strip_suffix(FILE_SUFFIX)
            .filter(|session| is_session_id(session));
        let Some(session) = session else {
            findings.warning(
                "unknown-file",
                format_args!("{RECORDINGS_DIR}/{}", printable(&name)),
                "The file is not named like a recording.",
                "録画の命名規則に合わないファイルです。",
            );
            continue;
        };
        if report.entries.sessions.contains_key(session) || running.contains(session) {
            continue;
        }
        let path = format!("{RECORDINGS_DIR}/{name}");
        let Found::Whole(scan) = read(files, &path, findings) else {
            examined += 1;
            continue;
        };
        examined += 1;
        // The header is durable before the entry, so a session that began after the last signed entry and has no seal
        // may be one whose entry the next checkpoint covers.
        let young = scan.seal.is_none()
            && report
                .entries
                .last_at
                .is_none_or(|last| scan.header.started_at >= last);
        let what = "The signed log has no entry for this recording.";
        let ja = "署名済みのログに、この録画に対応する項目がありません。";
        if young {
            findings.warning("recording-orphan", path, what, ja);
        } else {
            findings.error("recording-orphan", path, what, ja);
        }
    }
    examined
}
