//! `sekisho recording …`

use super::table::{table, visible};
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::{Agreeing, SessionFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use anyhow::{Context as _, Result, bail};
use crate::clock::SystemClock;
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::recording::RecipientKind;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
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
        /// The agreement of a second key's holder, for a recording that nobody opens alone
        #[arg(long, value_name = "FILE")]
        agreement: Option<PathBuf>,
        /// A new folder for what is in it: events.txt, a .cast for each channel, contents of files [default: only read it through]
        #[arg(long, short, value_name = "FOLDER")]
        output: Option<PathBuf>,
    },
    /// Agree to a viewing as the holder of a second key, on a machine of one's own; no configuration is read
    Agree(AgreeArgs),
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

/// What a holder agrees to, and with which key.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub struct AgreeArgs {
    /// The text of the request as its page gives it, or a recording that an auditor is to open (.skr)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of the second key's private half, as `sekisho auditor-key new` or `age-keygen` makes it
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The log's public key, by which the signature of the request is checked; the request's page shows it
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// For a recording: the public key of the auditor who is to open it
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
    /// File for the agreement; it must not exist [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Agree without being asked
    #[arg(long)]
    yes: bool,
    /// Show a request although its signature is not checked, and ask
    #[arg(long, conflicts_with_all = ["yes", "log_key"])]
    unchecked: bool,
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: RecordingCommand) -> std::result::Result<Reply, Trouble> {
    match command {
        RecordingCommand::Open { .. } | RecordingCommand::Agree(_) => Err(Trouble::Words("a recording is opened without the box".into())),
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
            let text = String::from_utf8(bytes).map_err(|_| Trouble::Words("書き出した内容が文字ではありません。 / the export is not text".into()))?;
            Ok(Reply::done(json!({ "session": session, "channel": channel, "asciicast": text }), text))
        }
    }
}

/// Opens a recording with the key of an auditor.
///
/// # Errors
/// It does not open with this key, was altered, or the folder cannot be written.
pub fn open(file: &Path, identity: &Path, agreement: Option<&Path>, output: Option<&Path>, json: bool) -> Result<()> {
    let opened = sekisho_store::open_recording(file, identity, agreement, output)?;
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
            RecipientKind::Second => "第二の鍵(同意する人) / second key",
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

/// Agrees to a viewing: shows to what, asks, and gives the agreement.
///
/// # Errors
/// What was sent is no request, not signed as it should be, or does not open with this key; the holder does not agree.
pub fn agree(args: &AgreeArgs, json: bool) -> Result<()> {
    let log_key = args.log_key.as_deref().map(|text| text.trim().parse::<PublicKey>()).transpose().context("--log-key に指定された公開鍵の形が違います。 / --log-key is no public key of a log")?;
    let agreeing = sekisho_store::read_agreeing(&args.file, log_key.as_ref())?;
    // Anybody can write a text that looks like a request, around the share of any recording.
    if matches!(agreeing, Agreeing::Request(_)) && log_key.is_none() && !args.unchecked {
        bail!(NO_LOG_KEY);
    }
    // What is agreed to stands on the screen, not in what is handed on.
    eprintln!("{}", shown(&agreeing, args.to.as_deref())?);
    if !args.yes && !confirmed()? {
        bail!("同意していません。何も作っていません。 / Not agreed; nothing was made.");
    }
    let (text, name) = match (&agreeing, &args.to) {
        (Agreeing::Request(request), _) => (sekisho_store::agree_to_request(request, &args.identity)?, String::new()),
        (Agreeing::Recording(header), Some(to)) => {
            let agreed = sekisho_store::agree_to_recording(header, &args.identity, to)?;
            (agreed.text, agreed.name)
        }
        (Agreeing::Recording(_), None) => bail!(NO_AUDITOR),
    };
    let Some(path) = &args.output else {
        return crate::print(json, &json!({ "agreement": text, "for": name }), &text);
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(|| format!("{0} を作れません。同じ名前のファイルがないことを確かめてください。 / {0} cannot be made; it must not exist", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| format!("{0} に書けません。 / {0} cannot be written", path.display()))?;
    crate::print(json, &json!({ "file": path, "for": name }), &format!("同意の文を {} に書きました。 / The agreement is in {0}.", path.display()))
}

const NO_LOG_KEY: &str = "申込みの文を関所が書いたものか確かめるため、--log-key に証跡の公開鍵(申込みの画面に表示されます)を指定してください。確かめられないときだけ、--unchecked を付けると内容を見て決められます。 / Name the log's public key with --log-key (the request's page shows it), so that it is checked who wrote the request. Only where that cannot be done, --unchecked shows it and asks.";
const NO_AUDITOR: &str = "録画のファイルに同意するときは、開く監査者の公開鍵を --to で指定してください。 / To agree to the opening of a recording's file, name the auditor's public key with --to.";

/// What a holder reads before agreeing.
fn shown(agreeing: &Agreeing, to: Option<&str>) -> Result<String> {
    let mut text = String::new();
    match agreeing {
        Agreeing::Request(request) => {
            let asked = &request.shown;
            text.push_str(&format!(
                "二人での閲覧の申込み / request for a viewing by two persons: {}\n申し込んだ人 / asked by: {}\n理由 / reason: {}\n時間 / hours: {}\n申込み日時 / asked at: {}\nログ / log: {}\n病院の鍵 / the hospital's key: {}\n",
                asked.id, asked.by, asked.reason, asked.hours, asked.asked_at, asked.origin, asked.to
            ));
            for one in &asked.recordings {
                text.push_str(&format!("録画 / recording: {}\n", one.session));
            }
            text.push_str(if request.signed {
                "署名を確かめました。この申込みは、関所が書いたままです。 / The signature holds: this is what Sekisho wrote."
            } else {
                "注意: 署名を確かめていません。上の「病院の鍵」が関所の画面に出ているものと同じか確かめるか、--log-key を指定してください。 / Careful: the signature was not checked. Compare the hospital's key with the one on the page, or name --log-key."
            });
        }
        Agreeing::Recording(header) => {
            let to = to.context(NO_AUDITOR)?;
            let name = header.recipients.iter().find(|one| one.key == to).map(|one| visible(&one.name)).unwrap_or_default();
            text.push_str(&format!(
                "録画 / recording: {}\nログ / log: {}\n接続先・作業者 / target, worker: {}, {}\n開始 / started: {}\n開く人 / who opens it: {} {}\n同意すると、この人はこの録画を、いつでも、何度でも開けます。取り消せません。 / With your agreement they can open this recording at any time. It cannot be taken back.",
                visible(&header.session),
                visible(&header.log_origin),
                visible(&header.target),
                visible(&header.person),
                Timestamp(header.started_at).second(),
                name,
                visible(to),
            ));
        }
    }
    Ok(text)
}

/// Asks at the terminal. Only a plain yes is one.
fn confirmed() -> Result<bool> {
    eprint!("同意しますか? (はい / いいえ) / Do you agree? (yes / no): ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(std::io::stdin().take(64)), &mut answer)?;
    Ok(matches!(answer.trim(), "はい" | "yes"))
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
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output).with_context(|| format!("{0} を作れません。同じ名前のファイルがないことを確かめてください。 / {0} cannot be made; it must not exist", output.display()))?;
    file.write_all(made.file.as_bytes()).and_then(|()| file.sync_all()).with_context(|| format!("{0} に書けません。 / {0} cannot be written", output.display()))?;
    let text = format!(
        "{}\n秘密鍵は {} にあります。誰にも渡さず、控えを取ってください。なくすと、この鍵で開ける録画は開けません。\n病院には、上の公開鍵だけを伝えてください。\nThe private key is in {1}. Give it to nobody, and keep a copy: without it recordings made for it cannot be opened. Tell the hospital the public key above.",
        made.public,
        output.display()
    );
    crate::print(json, &json!({ "public_key": made.public, "file": output }), &text)
}
