//! `sekisho session …`

use super::table::{pairs, table};
use super::{Reply, Trouble};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use sekisho_core::control::Standstill;
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::time::Timestamp;
use sekisho_store::{HeldFileView, SessionFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;

/// Largest content that goes over the console's socket, which carries one line of JSON.
const CONSOLE_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Commands on sessions.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCommand {
    /// List sessions, the newest first
    List {
        /// Only those that run at this moment
        #[arg(long)]
        running: bool,
        /// Page of the list
        #[arg(long, default_value_t = 1)]
        page: usize,
    },
    /// Show a session: who, when, from where, where to, what
    Show {
        /// Id, such as ses-…
        session: String,
    },
    /// Take the content of a transferred file out of a recording; who took it goes into the log
    File {
        /// Id of the session, such as ses-…
        session: String,
        /// Number of the content, as `session show` names it
        number: u32,
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List the uploads of a session that waited for a person, with what was decided
    Uploads {
        /// Id of the session, such as ses-…
        session: String,
    },
    /// Decide on an upload that waits
    Upload {
        /// Id of the session, such as ses-…
        session: String,
        /// Its number, as `session uploads` names it
        number: u32,
        /// Decision: pass or refuse
        #[arg(value_parser = ["pass", "refuse"])]
        decision: String,
        /// Why; the worker reads it
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a running session stand still; nothing is lost
    Pause {
        /// Id, such as ses-…
        session: String,
        /// Why; the worker reads it
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a paused session go on
    Resume {
        /// Id, such as ses-…
        session: String,
    },
    /// Write a line to the worker's terminals
    Say {
        /// Id, such as ses-…
        session: String,
        /// The line that the worker reads
        text: String,
    },
    /// Cut a running session
    Cut {
        /// Id, such as ses-…
        session: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// One file operation in a line.
fn detail(seen: &FileSeen) -> String {
    let kept = match seen.kept {
        Some(kept) if kept.whole => format!(" content {}", kept.file),
        Some(kept) if kept.bytes > 0 => format!(" content {} (first {} bytes)", kept.file, kept.bytes),
        _ => String::new(),
    };
    format!("{} ({} bytes) {}{kept}", seen.path, seen.bytes, seen.sha256.as_deref().unwrap_or_default())
}

/// Reads a session's id as it was typed.
///
/// # Errors
/// It has not the form of one.
pub(super) fn id(text: &str) -> Result<SessionId, Trouble> {
    SessionId::parse(text).ok_or_else(|| Trouble::Words(format!("{text:?} is no session id such as ses-…")))
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: SessionCommand) -> Result<Reply, Trouble> {
    match command {
        SessionCommand::List { running, page } => {
            let filter = SessionFilter { running: running.then_some(true), page: page.saturating_sub(1), ..SessionFilter::default() };
            let found = store.sessions(by, &filter).await?;
            let cells: Vec<Vec<String>> = found
                .rows
                .iter()
                .map(|row| {
                    let facts = &row.facts;
                    let state = row.standing.as_ref().map_or("running", |standing| match standing.state {
                        Standstill::None => "running",
                        other => other.as_str(),
                    });
                    let end = facts.ended.map_or_else(|| state.to_owned(), Timestamp::second);
                    vec![facts.session.to_string(), facts.started.second(), end, facts.person_name.clone(), facts.target_name.clone(), facts.source.clone(), row.plan_number.clone()]
                })
                .collect();
            Ok(Reply::done(serde_json::to_value(&found)?, table(&["session", "started", "ended", "worker", "target", "source", "plan"], &cells)))
        }
        SessionCommand::Show { session } => {
            let view = store.session(by, &id(&session)?).await?;
            let facts = &view.row.facts;
            let mut text = pairs(&[
                ("session", facts.session.to_string()),
                ("worker", facts.person_name.clone()),
                ("target", format!("{}@{}", facts.account, facts.target_name)),
                ("source", facts.source.clone()),
                ("started", facts.started.second()),
                ("ended", facts.ended.map(Timestamp::second).unwrap_or_default()),
                ("cause", facts.cause.clone().unwrap_or_default()),
                ("recording", format!("{} bytes, digest {}", view.recording.bytes, view.recording.digest.clone().unwrap_or_default())),
            ]);
            let mut rows: Vec<(u64, Vec<String>)> =
                facts.commands.iter().map(|seen| (seen.at_ms, vec![clock(seen.at_ms), "command".into(), seen.text.clone()])).collect();
            rows.extend(facts.files.iter().map(|seen| (seen.at_ms, vec![clock(seen.at_ms), seen.op.clone(), detail(seen)])));
            rows.sort_by_key(|(at, _)| *at);
            let cells: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
            text.push('\n');
            text.push_str(&table(&["at", "what", "detail"], &cells));
            Ok(Reply::done(serde_json::to_value(&view)?, text))
        }
        SessionCommand::File { session, number, .. } => {
            let session = id(&session)?;
            let files = store.session(by, &session).await?.row.facts.files;
            let kept = files.iter().filter_map(|seen| seen.kept).find(|kept| kept.file == number);
            if kept.is_some_and(|kept| kept.bytes > CONSOLE_FILE_BYTES) {
                return Err(Trouble::Words(format!("内容が {CONSOLE_FILE_BYTES} バイトを超えています。セッションの画面か API で取り出してください。 / the content is larger than {CONSOLE_FILE_BYTES} bytes; take it out by the session's page or the API")));
            }
            let mut taken = store.take_file(by, &session, number).await?;
            let mut content = Vec::new();
            while let Some(piece) = taken.next().await {
                content.extend_from_slice(&piece?);
                if content.len() as u64 > CONSOLE_FILE_BYTES {
                    return Err(Trouble::Words(format!("間の空白を含めると内容が {CONSOLE_FILE_BYTES} バイトを超えます。セッションの画面か API で取り出してください。 / the content grows beyond {CONSOLE_FILE_BYTES} bytes by its gaps; take it out by the session's page or the API")));
                }
            }
            let value = json!({ "session": session, "file": taken.file, "bytes": taken.bytes, "sha256": taken.sha256 });
            let text = format!("{} ({} bytes) SHA-256 {}", taken.file.path, taken.bytes, taken.sha256);
            Ok(Reply { file: Some(STANDARD.encode(&content)), ..Reply::done(value, text) })
        }
        SessionCommand::Uploads { session } => {
            let uploads = store.uploads_of(by, &id(&session)?).await?;
            let cell = |held: &HeldFileView| {
                let decided = held.decided.as_ref().map_or("waits".to_owned(), |decision| {
                    format!("{} ({}, {}) {}", if decision.passed { "passed" } else { "refused" }, decision.how, decision.by, decision.reason)
                });
                let listed = if held.listed { "listed" } else { "unlisted" };
                vec![held.hold.to_string(), held.path.clone(), held.bytes.to_string(), listed.to_owned(), held.sha256.clone(), decided]
            };
            let cells: Vec<Vec<String>> = uploads.iter().map(cell).collect();
            Ok(Reply::done(serde_json::to_value(&uploads)?, table(&["number", "path", "bytes", "plan", "sha256", "decision"], &cells)))
        }
        SessionCommand::Upload { session, number, decision, reason } => {
            let passed = decision == "pass";
            store.decide_upload(by, &id(&session)?, number, passed, &reason).await?;
            let words = if passed { "通しました。 / let pass" } else { "通しませんでした。 / not let pass" };
            Ok(Reply::done(json!({ "session": session, "hold": number, "passed": passed }), format!("{session} {number}: {words}")))
        }
        SessionCommand::Pause { session, reason } => {
            store.pause(by, &id(&session)?, &reason).await?;
            Ok(Reply::done(json!({ "session": session }), format!("{session}: 一時停止しました。 / paused")))
        }
        SessionCommand::Resume { session } => {
            let id = id(&session)?;
            store.resume(by, &id).await?;
            let state = store.standing(by, &id).await?.map(|standing| standing.state).unwrap_or_default();
            let words = if state == Standstill::NoWitness { "一時停止を解きました。立会いを待っています。 / no longer paused; a witness is missing" } else { "再開しました。 / goes on" };
            Ok(Reply::done(json!({ "session": session, "state": state }), format!("{session}: {words}")))
        }
        SessionCommand::Say { session, text } => {
            store.say(by, &id(&session)?, &text).await?;
            Ok(Reply::done(json!({ "session": session }), format!("{session}: 作業者の端末に表示しました。 / written to the worker's terminals")))
        }
        SessionCommand::Cut { session, reason } => {
            store.cut(by, &id(&session)?, &reason).await?;
            Ok(Reply::done(json!({ "session": session }), format!("{session}: 切断を指示しました。 / being cut")))
        }
    }
}

fn clock(at_ms: u64) -> String {
    format!("{:02}:{:02}:{:02}", at_ms / 3_600_000, at_ms / 60_000 % 60, at_ms / 1000 % 60)
}
