//! What is taken into the index: of a recording, of the rows of a running session, of a plan.

use crate::fault::Fault;
use crate::recordings::frames;
use sekisho_core::control::Control;
use sekisho_core::limits;
use sekisho_core::plan::Plan;
use sekisho_core::reconcile::{CommandSeen, FileSeen};
use sekisho_evidence::recording::{DataKey, Frame, Header, Timed};
use sekisho_search::{Document, Index, Kind, Screens};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of one document of a plan. Several are made of a long one, so that nothing of it is cut.
const PLAN_PART_BYTES: usize = 6 * 1024;
/// After so much output the taker rests for a multiple of the time that it took, so that it never takes more than a
/// quarter of one core away from the sessions.
const REST_AFTER_BYTES: usize = 256 * 1024;
const REST_TIMES: u32 = 3;
/// Longest rest, should one part have taken long.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Whose documents these are.
#[derive(Clone)]
pub(super) struct Origin {
    pub session: String,
    pub plan: String,
    pub target: String,
    pub person: String,
    /// Start of the session in milliseconds since 1970.
    pub started_at: i64,
}

impl Origin {
    fn document(&self, kind: Kind, moments: Vec<u64>, channel: Option<u32>, text: String) -> Document {
        let first = moments.first().copied().unwrap_or_default();
        Document { kind: Some(kind), moments, channel, text, ..self.blank(first) }
    }

    fn blank(&self, at_ms: u64) -> Document {
        Document {
            session: Some(self.session.clone()),
            plan: self.plan.clone(),
            targets: vec![self.target.clone()],
            persons: vec![self.person.clone()],
            at: self.started_at.saturating_add(i64::try_from(at_ms).unwrap_or_default()),
            ..Document::default()
        }
    }

    pub(super) fn command(&self, seen: &CommandSeen, channel: Option<u32>) -> Document {
        self.document(Kind::Command, vec![seen.at_ms], channel, visible(&seen.text))
    }

    pub(super) fn file(&self, seen: &FileSeen, channel: Option<u32>) -> Document {
        Document { detail: seen.op.clone(), ..self.document(Kind::File, vec![seen.at_ms], channel, visible(&seen.path)) }
    }

    /// What says that the output was not taken whole.
    fn mark(&self) -> Document {
        self.blank(0)
    }
}

/// Text of others without what would move or hide it where it is shown.
fn visible(text: &str) -> String {
    text.chars().map(|char| if char.is_control() && char != '\n' { ' ' } else { char }).collect()
}

/// Cells of whole screens that count as one byte of output: about what a byte costs.
const CELLS_A_BYTE: usize = 4;

/// How a recording was taken.
pub(super) enum Taken {
    /// To its end.
    Whole,
    /// Up to this moment, and no further.
    UpTo(u64),
    /// The store is being closed.
    Stopped,
    /// Not from its file: it was deleted by rule, or nobody opens it alone.
    RowsAlone,
}

/// Takes a recording into the index.
///
/// # Errors
/// If it cannot be opened, or the index does not take it. A recording that is damaged from some point on is taken up to
/// there.
pub(super) fn recording(
    path: &Path,
    unwrap: impl FnOnce(&Header) -> Result<DataKey, Fault>,
    origin: &Origin,
    index: &Arc<Index>,
    stop: &AtomicBool,
) -> Result<Taken, Fault> {
    let mut decoder = frames(path, unwrap)?;
    let mut screens = Screens::default();
    let (mut output, mut rested_at, mut began) = (0_usize, 0_usize, Instant::now());
    let mut last = 0;
    let taken = loop {
        let Timed { at_ms, channel, frame } = match decoder.next_frame() {
            Ok(Some(timed)) => timed,
            Ok(None) => break Taken::Whole,
            Err(breach) => {
                tracing::warn!(session = origin.session, %breach, "a recording is damaged; it can be searched up to there");
                break Taken::UpTo(last);
            }
        };
        last = at_ms;
        let put = |document: Document| index.add(&document).map_err(unsearchable);
        match frame {
            Frame::Output(bytes) => {
                output += bytes.len();
                screens.output(channel, false, at_ms, &bytes);
            }
            Frame::Error(bytes) => {
                output += bytes.len();
                screens.output(channel, true, at_ms, &bytes);
            }
            Frame::Resize { cols, rows } => screens.size(channel, cols, rows),
            Frame::ChannelClose { .. } => screens.close(channel),
            Frame::Command { text, .. } => put(origin.command(&CommandSeen { at_ms, text, channel, output: 0 }, Some(channel)))?,
            Frame::FileOp { json } => {
                if let Ok(seen) = serde_json::from_str::<FileSeen>(&json) {
                    put(origin.file(&FileSeen { at_ms, ..seen }, Some(channel)))?;
                }
            }
            Frame::Marker { text } => {
                if let Some(note) = note_of(&text) {
                    put(origin.document(Kind::Note, vec![at_ms], None, visible(&note)))?;
                }
            }
            _ => {}
        }
        put_pages(&mut screens, origin, index)?;
        output += screens.take_cells() / CELLS_A_BYTE;
        if output >= limits::SEARCH_OUTPUT_BYTES {
            break Taken::UpTo(at_ms);
        }
        if output - rested_at >= REST_AFTER_BYTES {
            if stop.load(Ordering::SeqCst) {
                return Ok(Taken::Stopped);
            }
            std::thread::sleep((began.elapsed() * REST_TIMES).min(LONGEST_REST));
            (rested_at, began) = (output, Instant::now());
        }
    };
    screens.end();
    put_pages(&mut screens, origin, index)?;
    if let Taken::UpTo(_) = taken {
        index.add(&origin.mark()).map_err(unsearchable)?;
    }
    Ok(taken)
}

fn put_pages(screens: &mut Screens, origin: &Origin, index: &Index) -> Result<(), Fault> {
    for page in screens.take() {
        let document = origin.document(Kind::Output, page.moments, Some(page.channel), page.text);
        index.add(&document).map_err(unsearchable)?;
    }
    Ok(())
}

pub(super) fn unsearchable(fault: sekisho_search::Fault) -> Fault {
    Fault::Damaged(fault.to_string())
}

/// What a person noted or said in a session, from the marker frame that holds it.
fn note_of(json: &str) -> Option<String> {
    let said = |by: &str, text: &str| (!text.is_empty()).then(|| format!("{by}: {text}"));
    match serde_json::from_str(json).ok()? {
        Control::Marker { by, text } | Control::Chat { by, text, .. } | Control::Said { by, text } => said(&by, &text),
        Control::Paused { by, reason } => said(&by, &reason),
        Control::Ruled { line, reason, .. } => said(&line, &reason),
        Control::Alert { text } => Some(text),
        _ => None,
    }
}

/// The documents of a plan: what it says in parts, and each deviation that was noted as a note.
pub(super) fn plan(plan: &Plan) -> Vec<Document> {
    let content = &plan.content;
    let of_plan = Document {
        plan: plan.id.as_str().to_owned(),
        targets: content.targets.iter().map(|used| used.target.as_str().to_owned()).collect(),
        persons: content.workers.iter().map(|id| id.as_str().to_owned()).collect(),
        ..Document::default()
    };
    let mut lines: Vec<&str> = vec![&plan.number, &content.title, &content.purpose, &content.privileged_reason, &content.line];
    lines.extend(content.personal_data.iter().flat_map(|data| [data.whose.as_str(), &data.why]));
    lines.extend(content.bring_in.iter().flat_map(|file| [file.name.as_str(), &file.sanitised]));
    lines.extend(content.carry_out.iter().flat_map(|out| [out.purpose.as_str(), &out.number, &out.fields, &out.storage]));
    lines.push(&content.steps);
    lines.extend(content.commands.iter().map(String::as_str));
    lines.extend([content.impact.as_str(), &content.rollback, &content.acceptance, &content.contact]);
    lines.extend(content.attachments.iter().map(|file| file.name.as_str()));
    lines.extend(content.emergency_reason.as_deref());
    lines.extend(plan.extension.iter().map(|wish| wish.reason.as_str()));
    lines.extend(plan.findings.iter().map(|finding| finding.reason.as_str()));
    lines.extend(plan.report.iter().map(|report| &report.content).flat_map(|report| {
        [report.result.as_str(), &report.cause, &report.prevention, &report.remaining, &report.versions, &report.personal_data_detail]
    }));
    lines.extend(plan.trail.iter().map(|entry| entry.remark.as_str()));
    let mut texts: Vec<String> = vec![String::new()];
    for line in lines.into_iter().flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        if texts.last().is_some_and(|text| text.len() + line.len() > PLAN_PART_BYTES) {
            texts.push(String::new());
        }
        if let Some(text) = texts.last_mut() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&visible(line));
        }
    }
    let from = plan.window().0.0;
    let parts = texts.into_iter().map(|text| Document { kind: Some(Kind::Plan), at: from, text, ..of_plan.clone() });
    let notes = plan.changes.iter().map(|note| Document {
        kind: Some(Kind::Note),
        at: note.by.at.0,
        text: format!("{}: {}", note.by.name, visible(&note.text)),
        ..of_plan.clone()
    });
    parts.chain(notes).collect()
}
