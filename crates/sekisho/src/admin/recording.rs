//! `sekisho recording …`

use super::table::{table, visible};
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::{SessionFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use anyhow::{Context as _, Result};
use crate::clock::SystemClock;
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_evidence::recording::RecipientKind;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Commands on recordings.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingCommand {
    /// Open a recording away from the box, with the key of an auditor for whom it was made; no configuration is read
    Open {
        /// The recording, a file that ends in .skr
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The file of the private key, as `sekisho auditor-key new` or `age-keygen` makes it
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        /// A new folder for what is in it: events.txt, a .cast for each channel, contents of files [default: only read it through]
        #[arg(long, short, value_name = "FOLDER")]
        output: Option<PathBuf>,
    },
    /// List recordings with size and digest
    List {
        /// Page of the list
        #[arg(long, default_value_t = 1)]
        page: usize,
    },
    /// Export one channel of a recording as asciicast v2; the export is written into the log
    Export {
        /// Id of the session, such as ses-…
        session: String,
        /// Channel number, as `session show` and the replay page name it
        #[arg(long, default_value_t = 1)]
        channel: u32,
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: RecordingCommand) -> std::result::Result<Reply, Trouble> {
    match command {
        RecordingCommand::Open { .. } => Err(Trouble::Words("a recording is opened without the box".into())),
        RecordingCommand::List { page } => {
            let found = store.sessions(by, &SessionFilter { page: page.saturating_sub(1), ..SessionFilter::default() }).await?;
            let mut values = Vec::new();
            let mut cells = Vec::new();
            for row in &found.rows {
                let view = store.session(by, &row.facts.session).await?;
                let info = view.recording;
                cells.push(vec![
                    row.facts.session.to_string(),
                    row.facts.started.second(),
                    info.bytes.to_string(),
                    if info.sealed { "sealed" } else { "open" }.into(),
                    info.digest.clone().unwrap_or_default(),
                ]);
                values.push(json!({ "session": row.facts.session, "recording": info }));
            }
            Ok(Reply::done(Value::Array(values), table(&["session", "started", "bytes", "state", "digest"], &cells)))
        }
        RecordingCommand::Export { session, channel, .. } => {
            let bytes = store.export_asciicast(by, &super::session::id(&session)?, channel).await?;
            let text = String::from_utf8(bytes).map_err(|_| Trouble::Words("the export is not text".into()))?;
            Ok(Reply::done(json!({ "session": session, "channel": channel, "asciicast": text }), text))
        }
    }
}

/// Opens a recording with the key of an auditor.
///
/// # Errors
/// It does not open with this key, was altered, or the folder cannot be written.
pub fn open(file: &Path, identity: &Path, output: Option<&Path>, json: bool) -> Result<()> {
    let opened = sekisho_store::open_recording(file, identity, output)?;
    let header = &opened.header;
    let mut text = format!(
        "録画 / recording: {}\nログ / log: {}\n接続先・作業者 / target, worker: {}, {}\n開始 / started: {}\n最後のダイジェスト / last digest: {}{}\n",
        visible(&header.session),
        visible(&header.log_origin),
        visible(&header.target),
        visible(&header.person),
        Timestamp(header.started_at).second(),
        opened.digest,
        if opened.sealed { "" } else { "\n封印がありません。途中で切れた録画です。 / It has no seal: it broke off." },
    );
    for one in &header.recipients {
        let kind = match one.kind {
            RecipientKind::Hospital => "病院 / hospital",
            RecipientKind::Auditor => "監査者 / auditor",
        };
        text.push_str(&format!("開ける鍵 / opens with: {} {kind} {}\n", visible(&one.key), visible(&one.name)));
    }
    for path in &opened.written {
        text.push_str(&format!("{}\n", path.display()));
    }
    text.push_str("この内容は、ダイジェストがログの退室の項目と同じことを `sekisho verify` で確かめるまで、何の証明にもなりません。 / Nothing of this is proved until `sekisho verify` shows that the log has this digest.");
    let value = json!({ "session": header.session, "log_origin": header.log_origin, "sealed": opened.sealed, "digest": opened.digest, "frames": opened.frames, "recipients": header.recipients, "written": opened.written });
    crate::print(json, &value, &text)
}

/// Commands on an auditor's own key.
#[derive(Debug, Subcommand)]
pub enum AuditorKeyCommand {
    /// Make a key on this machine; the hospital is given the public key alone
    New {
        /// File for the private key; it must not exist
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Makes the key of an auditor.
///
/// # Errors
/// The file exists or cannot be written.
pub fn auditor_key(command: &AuditorKeyCommand, json: bool) -> Result<()> {
    let AuditorKeyCommand::New { output } = command;
    let made = sekisho_store::new_auditor_key(&SystemClock.now().rfc3339());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output).with_context(|| format!("{} cannot be made; it must not exist", output.display()))?;
    file.write_all(made.file.as_bytes()).and_then(|()| file.sync_all()).with_context(|| format!("{} cannot be written", output.display()))?;
    let text = format!(
        "{}\n秘密鍵は {} にあります。誰にも渡さず、控えを取ってください。なくすと、この鍵で開ける録画は開けません。\n病院には、上の公開鍵だけを伝えてください。\nThe private key is in {1}. Give it to nobody, and keep a copy: without it recordings made for it cannot be opened. Tell the hospital the public key above.",
        made.public,
        output.display()
    );
    crate::print(json, &json!({ "public_key": made.public, "file": output }), &text)
}
