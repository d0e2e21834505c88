//! A session as its pages show it.

use crate::call::{Call, Ctx};
use crate::pages::plans::files::{self, FileView};
use crate::pages::plans::view::cause_name;
use crate::pages::plans::written;
use crate::stop::Stop;
use crate::words::{self, Lang};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_evidence::recording::RecipientKind;
use sekisho_store::{CopyPlace, SessionView};
use serde::Serialize;

/// The page.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct SessionPage {
    pub id: String,
    pub short: String,
    pub person: String,
    pub org: String,
    pub target: String,
    pub target_title: String,
    pub account: String,
    pub source: String,
    pub line: String,
    pub device: String,
    pub device_deviation: Option<String>,
    pub key_window: bool,
    pub time: String,
    pub duration: String,
    pub running: bool,
    /// `live`, `no_witness`, `paused` or `ended`.
    pub state: &'static str,
    pub cause: &'static str,
    pub functions: Vec<&'static str>,
    pub commands: Vec<CommandView>,
    pub files: Vec<FileView>,
    pub forwards: Vec<FlowView>,
    /// What plan and target demanded: `none`, `watch` or `step`.
    pub witness: &'static str,
    pub witnesses: Vec<String>,
    pub pauses: u32,
    /// How long it stood still in all.
    pub paused: String,
    pub plan: String,
    pub plan_number: String,
    pub plan_title: String,
    pub until: String,
    pub until_ms: i64,
    pub recording: RecordingView,
    /// How far the target's clock was off during it; empty where its log did not tell.
    pub clock: String,
    pub entries: Vec<EntryView>,
}

/// A command and its place in the recording.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct CommandView {
    pub place: String,
    pub seconds: u64,
    pub text: String,
}

/// A place that forwards reached.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct FlowView {
    pub at: String,
    pub seconds: u64,
    pub place: String,
    pub times: u32,
    pub to_target: String,
    pub from_target: String,
}

/// The recording.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct RecordingView {
    pub size: String,
    pub sealed: bool,
    pub digest: String,
    pub verified: &'static str,
    /// Kind, name and public key of each who can open it.
    pub recipients: Vec<(&'static str, String, String)>,
    /// Name of the archive or nothing for the box, and the end of its lock or 0.
    pub copies: Vec<(String, i64)>,
    pub away: bool,
    /// Nobody opens it alone.
    pub two: bool,
}

/// An entry of the log.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct EntryView {
    pub seq: u64,
    pub at: String,
    pub who: String,
    pub kind: &'static str,
    pub detail: String,
}

/// The session of the address, as the reader may see it.
pub(super) async fn view(call: &Call) -> Result<SessionView, Stop> {
    let id = call.id("id", SessionId::parse)?;
    Ok(call.ctx.store().session(call.ctx.actor()?, &id).await?)
}

/// The page of a session. Its plan adds the end of the window and the names that people use.
pub(super) async fn page(call: &Call, view: &SessionView) -> Result<SessionPage, Stop> {
    let told = if call.ctx.may(Action::ReadPlan) { call.ctx.store().plan(call.ctx.actor()?, &view.row.plan).await.ok() } else { None };
    let mut page = of(&call.ctx, view, told.as_ref().map(|told| &told.plan));
    if let Some(told) = told {
        let plan = crate::pages::plans::told::page(&call.ctx, &told)?;
        page.org = plan.vendor;
        page.target_title = plan.content.targets.into_iter().find(|target| target.name == page.target).map(|target| target.title).unwrap_or_default();
    }
    Ok(page)
}

fn of(ctx: &Ctx, view: &SessionView, plan: Option<&Plan>) -> SessionPage {
    let (row, lang) = (&view.row, ctx.lang);
    let facts = &row.facts;
    let (time, duration) = match facts.ended {
        Some(ended) => {
            let minutes = facts.started.until(ended).as_secs().div_ceil(60).to_string();
            (written::span(facts.started, ended, lang), ctx.t_with("sessions.duration", &[("minutes", &minutes)]))
        }
        None => (format!("{} 〜", written::moment(facts.started, lang)), String::new()),
    };
    let until = plan.map(|plan| plan.window().1);
    let id = facts.session.to_string();
    SessionPage {
        short: ctx.t_with("sessions.short", &[("id", id.get(4..10).unwrap_or(&id))]),
        id,
        person: facts.person_name.clone(),
        org: String::new(),
        target: facts.target_name.clone(),
        target_title: String::new(),
        account: facts.account.clone(),
        source: facts.source.clone(),
        line: facts.line.clone(),
        device: match (facts.device.as_str(), facts.device_proof.as_str()) {
            ("", _) => String::new(),
            (name, "") => name.to_owned(),
            (name, proof) => format!("{name} ({})", ctx.t(&format!("road.proof_{proof}"))),
        },
        device_deviation: crate::words::device_deviation(lang, &facts.device_deviation),
        key_window: facts.key_window,
        time,
        duration,
        running: row.running,
        state: crate::pages::plans::told::state_of(row),
        cause: cause_name(facts.cause.as_deref().unwrap_or("running")),
        functions: facts.functions.iter().map(|function| function.as_str()).collect(),
        commands: facts
            .commands
            .iter()
            .map(|seen| CommandView { place: written::position(seen.at_ms), seconds: seen.at_ms / 1000, text: seen.text.clone() })
            .collect(),
        files: facts.files.iter().map(files::file).collect(),
        forwards: facts
            .forwards
            .iter()
            .map(|seen| FlowView {
                at: written::position(seen.at_ms),
                seconds: seen.at_ms / 1000,
                place: seen.place.clone(),
                times: seen.times,
                to_target: written::size(seen.to_target),
                from_target: written::size(seen.to_worker),
            })
            .collect(),
        witness: facts.witness.as_str(),
        witnesses: facts.witnesses.clone(),
        pauses: facts.pauses,
        paused: written::position(facts.paused_ms),
        plan: row.plan.to_string(),
        plan_number: row.plan_number.clone(),
        plan_title: row.plan_title.clone(),
        until: until.map(|until| written::brief(until, lang)).unwrap_or_default(),
        until_ms: until.map(|until| until.0).unwrap_or_default(),
        recording: RecordingView {
            size: written::size(view.recording.bytes),
            sealed: view.recording.sealed,
            digest: view.recording.digest.clone().unwrap_or_default(),
            verified: match view.recording.verified {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            },
            recipients: view.recording.recipients.iter().map(|one| (recipient_kind(one.kind), one.name.clone(), one.key.clone())).collect(),
            two: view.recording.recipients.iter().any(|one| one.kind == RecipientKind::Second),
            copies: view.recording.copies.iter().map(|copy| (place_name(&copy.place), copy.locked_until.map_or(0, |at| at.0))).collect(),
            away: !view.recording.copies.is_empty() && view.recording.copies.iter().all(|copy| copy.place != CopyPlace::Local),
        },
        clock: view.entries.iter().find_map(clock_of).map(|seconds| clock_words(lang, seconds)).unwrap_or_default(),
        entries: view.entries.iter().map(|known| entry(known, lang)).collect(),
    }
}

/// By how many seconds the target's clock was ahead, where an entry tells.
fn clock_of(entry: &Entry) -> Option<i64> {
    if let Fact::SessionTold { clock_seconds, .. } = &entry.fact { *clock_seconds } else { None }
}

/// How far a target's clock is off, in words. Lines take a moment on their way, so that less than two seconds is nothing.
pub(crate) fn clock_words(lang: Lang, seconds: i64) -> String {
    let key = match seconds {
        ..=-2 => "sessions.clock_behind",
        -1..=1 => "sessions.clock_right",
        2.. => "sessions.clock_ahead",
    };
    words::word_with(lang, key, &[("n", &seconds.unsigned_abs().to_string())])
}

/// Whose key it is, as words and API name it.
pub(super) fn recipient_kind(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Hospital => "hospital",
        RecipientKind::Auditor => "auditor",
        RecipientKind::Second => "second",
    }
}

/// The archive's name; nothing for the box itself.
pub(super) fn place_name(place: &CopyPlace) -> String {
    match place {
        CopyPlace::Local => String::new(),
        CopyPlace::Archive { name } => name.clone(),
    }
}

fn entry(entry: &Entry, lang: Lang) -> EntryView {
    let (kind, detail) = match &entry.fact {
        Fact::Entered { username, target_name, .. } => ("entered", format!("{username}@{target_name}")),
        Fact::Dialled { .. } => ("dialled", String::new()),
        Fact::RefusedInside { asked, .. } => ("refused_inside", format!("{} {}", asked.refusal.code(), asked.ask)),
        Fact::FileMoved { file, .. } => ("file_moved", format!("{}: {}", words::word(lang, &format!("file.{}", files::op_name(&file.op))), file.path)),
        Fact::Left { digest, .. } => ("left", format!("SHA-256 {}", digest.get(..16).unwrap_or(digest))),
        Fact::CutAsked { reason, .. } => ("cut_asked", reason.clone()),
        Fact::Controlled { control, .. } => ("controlled", crate::pages::log::controlled(lang, control)),
        Fact::Marked { at_ms, text, .. } => ("marked", format!("{} {text}", written::position(*at_ms))),
        Fact::ViewBegan { .. } => ("view_began", String::new()),
        Fact::FileTaken { path, .. } => ("file_taken", path.clone()),
        Fact::HeldFileTaken { path, .. } => ("held_file_taken", path.clone()),
        Fact::ViewEnded { .. } => ("view_ended", String::new()),
        Fact::RecordingArchived { place, sha256, .. } => ("archived", format!("{place} SHA-256 {}", sha256.get(..16).unwrap_or(sha256))),
        Fact::RecordingMovedOut { place, .. } => ("moved_out", place.clone()),
        Fact::RecordingFetched { place, .. } => ("fetched", place.clone()),
        Fact::ArchiveCopyBad { place, code, .. } => ("copy_bad", format!("{place} {code}")),
        Fact::ArchiveLockProlonged { place, until, .. } => ("lock_prolonged", format!("{place} {}", until.minute())),
        Fact::ArchiveCopyRemoved { place, .. } => ("copy_removed", place.clone()),
        Fact::SessionTold { clock_seconds, .. } => ("told", clock_seconds.map(|seconds| clock_words(lang, seconds)).unwrap_or_default()),
        Fact::SessionToldByImport { .. } => ("told", String::new()),
        _ => ("other", String::new()),
    };
    EntryView { seq: entry.seq, at: entry.at.second(), who: entry.actor.name.clone(), kind, detail }
}
