//! What the sessions of a plan moved, and how they are printed.

use super::written;
use crate::call::Call;
use crate::stop::Stop;
use sekisho_core::reconcile::FileSeen;
use sekisho_store::{PlanView, SessionView};
use serde::Serialize;

/// Sessions whose details a report lists. A plan with more has them on its page, and the report says how many.
const SESSIONS_PRINTED: usize = 100;

/// A file that was moved or changed.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct FileView {
    pub op: &'static str,
    pub path: String,
    pub size: String,
    pub sha256: String,
    pub ok: bool,
    pub place: String,
    pub seconds: u64,
    /// Number of the content in the recording; 0 if there is none.
    pub content: u32,
    /// `whole`, `part`, `none` (a limit was met), `rsync`, or nothing.
    pub kept: &'static str,
    pub kept_size: String,
}

/// A session on paper.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct PrintedSession {
    pub era: String,
    pub person: String,
    pub target: String,
    pub source: String,
    pub commands: u64,
    pub files: u64,
    pub digest: String,
}

/// The name of a file operation in keys of words. What clients can ask for beyond these is shown as "other".
pub(crate) fn op_name(op: &str) -> &'static str {
    ["put", "get", "rsync-put", "rsync-get", "put-refused", "remove", "rmdir", "rename", "mkdir", "list", "setattr", "symlink", "hardlink", "copy"].into_iter().find(|known| *known == op).unwrap_or("other")
}

/// A file operation as a page shows it.
#[must_use]
pub fn file(seen: &FileSeen) -> FileView {
    FileView {
        op: op_name(&seen.op),
        path: seen.path.clone(),
        size: if seen.bytes == 0 && seen.sha256.is_none() { String::new() } else { written::size(seen.bytes) },
        sha256: seen.sha256.clone().unwrap_or_default(),
        ok: seen.ok,
        place: written::position(seen.at_ms),
        seconds: seen.at_ms / 1000,
        content: seen.kept.filter(|kept| kept.bytes > 0).map_or(0, |kept| kept.file),
        kept: match seen.kept {
            Some(kept) if kept.whole => "whole",
            Some(kept) if kept.bytes > 0 => "part",
            Some(_) => "none",
            None if seen.op.starts_with("rsync-") => "rsync",
            None => "",
        },
        kept_size: seen.kept.map(|kept| written::size(kept.bytes)).unwrap_or_default(),
    }
}

pub(super) async fn sessions(call: &Call, view: &PlanView) -> Result<Vec<SessionView>, Stop> {
    let mut found = Vec::new();
    for row in view.sessions.iter().take(SESSIONS_PRINTED) {
        found.push(call.ctx.store().session(call.ctx.actor()?, &row.facts.session).await?);
    }
    Ok(found)
}

/// Acts on files over all sessions of the plan that the reader may see, with those that failed: as many as are counted.
pub(super) async fn moved(call: &Call, view: &PlanView) -> Result<Vec<FileView>, Stop> {
    let mut list = Vec::new();
    for session in sessions(call, view).await? {
        list.extend(session.row.facts.files.iter().map(file));
    }
    Ok(list)
}

/// The sessions with the digests of their recordings, the oldest first.
pub(super) async fn printed(call: &Call, view: &PlanView) -> Result<Vec<PrintedSession>, Stop> {
    let mut list = Vec::new();
    for session in sessions(call, view).await? {
        let facts = &session.row.facts;
        list.push((
            facts.started,
            PrintedSession {
                era: facts.ended.map_or_else(|| format!("{} 〜", facts.started.era()), |ended| written::era_span(facts.started, ended)),
                person: facts.person_name.clone(),
                target: facts.target_name.clone(),
                source: facts.source.clone(),
                commands: session.row.commands,
                files: session.row.files,
                digest: session.recording.digest.clone().unwrap_or_default(),
            },
        ));
    }
    list.sort_by_key(|(started, _)| *started);
    Ok(list.into_iter().map(|(_, session)| session).collect())
}
