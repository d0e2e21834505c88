//! `sekisho bundle …`: evidence bundles, taken with the console's rights. A bundle may be long, so that its bytes follow the reply
//! in pieces instead of standing in it.

use super::table::table;
use super::{Ask, Reply, Trouble};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::{control, print, serve};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{CaseId, PlanId, SessionId};
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_store::{Evidence, EvidenceAsk, LogFilter, Store};
use sekisho_web::pages::evidence::{Hand, Wish, write_bundle};
use sekisho_web::view::Views;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What whoever gets a bundle does with it.
const NEXT: &str = "Next: whoever gets the file checks it with `sekisho verify --bundle FILE --key KEY`, the key by another way than the file.";

/// Commands on evidence bundles.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BundleCommand {
    /// Take the bundle of a session: its entries of the log, its recording, its plan
    #[command(after_help = NEXT)]
    Session {
        /// Id of the session, such as ses-…
        session: String,
        /// How it is taken
        #[command(flatten)]
        take: TakeArgs,
    },
    /// Take the bundle of a plan: its approvals and all its sessions
    #[command(after_help = NEXT)]
    Plan {
        /// Id of the plan, such as pln-…
        plan: String,
        /// How it is taken
        #[command(flatten)]
        take: TakeArgs,
    },
    /// Take the bundle of a login round the gateway, with the nearest session
    #[command(after_help = NEXT)]
    Case {
        /// Id of the case, such as cas-…
        case: String,
        /// How it is taken
        #[command(flatten)]
        take: TakeArgs,
    },
    /// Take the bundle of a time: all its entries of the log
    #[command(after_help = NEXT)]
    Period {
        /// Beginning of the time, such as 2026-11-01T00:00, Japanese time
        #[arg(long, value_name = "TIME")]
        from: String,
        /// End of the time, itself not part of it
        #[arg(long, value_name = "TIME")]
        until: String,
        /// How it is taken
        #[command(flatten)]
        take: TakeArgs,
    },
    /// List the bundles that were taken, the newest first
    List,
}

/// How a bundle is taken.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub struct TakeArgs {
    /// The ZIP file to write; it must not exist
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Why it is taken; written into the log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Put in all entries of the log
    #[arg(long)]
    pub all_entries: bool,
    /// A checkpoint that was seen outside: the bundle proves that its log continues it. May be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// What those files hold.
    #[arg(skip)]
    #[serde(default)]
    pub outside: String,
}

impl BundleCommand {
    fn take(&self) -> Option<&TakeArgs> {
        match self {
            Self::Session { take, .. } | Self::Plan { take, .. } | Self::Case { take, .. } | Self::Period { take, .. } => Some(take),
            Self::List => None,
        }
    }

    /// True if bytes follow the reply.
    #[must_use]
    pub fn is_taking(&self) -> bool {
        self.take().is_some()
    }

    /// Reads the checkpoints on this side of the socket.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn gather(mut self) -> Result<Self> {
        if let Self::Session { take, .. } | Self::Plan { take, .. } | Self::Case { take, .. } | Self::Period { take, .. } = &mut self {
            for path in &take.checkpoint {
                let text = std::fs::read_to_string(path).with_context(|| format!("{0} を読めません。 / cannot read {0}", path.display()))?;
                take.outside.push_str(&text);
                take.outside.push('\n');
            }
        }
        Ok(self)
    }

    fn ask(&self) -> Result<EvidenceAsk, Trouble> {
        let no = |text: &str, ja: &str, en: &str| Trouble::Words(format!("{text:?} は{ja}ではありません。 / {text:?} is no {en}"));
        let time = |text: &str| Timestamp::parse_local(text).ok_or_else(|| no(text, " 2026-11-01T00:00 のような日時", "time such as 2026-11-01T00:00"));
        let scope = match self {
            Self::Session { session, .. } => EvidenceScope::Session { session: SessionId::parse(session).ok_or_else(|| no(session, "セッションの識別子(ses-…)", "session id such as ses-…"))? },
            Self::Plan { plan, .. } => EvidenceScope::Plan { plan: PlanId::parse(plan).ok_or_else(|| no(plan, "作業計画の識別子(pln-…)", "plan id such as pln-…"))? },
            Self::Case { case, .. } => EvidenceScope::Case { case: CaseId::parse(case).ok_or_else(|| no(case, "事案の識別子(cas-…)", "case id such as cas-…"))? },
            Self::Period { from, until, .. } => EvidenceScope::Period { from: time(from)?, until: time(until)? },
            Self::List => return Err(Trouble::Words("a list is no bundle".into())),
        };
        let take = self.take().ok_or_else(|| Trouble::Words("a list is no bundle".into()))?;
        Ok(EvidenceAsk { scope, all_entries: take.all_entries, reason: take.reason.clone(), outside: take.outside.clone() })
    }
}

/// Does a command whose reply is all there is.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: BundleCommand) -> Result<Reply, Trouble> {
    if command.is_taking() {
        return Err(Trouble::Words("a bundle follows its reply".into()));
    }
    let filter = LogFilter { kind: Some("evidence_taken".into()), ..LogFilter::default() };
    let entries = store.log_entries(by, &filter).await?;
    let mut cells = Vec::new();
    for entry in &entries {
        if let Fact::EvidenceTaken { scope, entries, recordings, reason, .. } = &entry.fact {
            cells.push(vec![entry.seq.to_string(), entry.at.second(), entry.actor.name.clone(), about(scope), entries.to_string(), recordings.to_string(), reason.clone()]);
        }
    }
    Ok(Reply::done(serde_json::to_value(&entries)?, table(&["entry", "taken", "by", "about", "entries", "recordings", "reason"], &cells)))
}

fn about(scope: &EvidenceScope) -> String {
    match scope {
        EvidenceScope::Session { session } => session.to_string(),
        EvidenceScope::Plan { plan } => plan.to_string(),
        EvidenceScope::Case { case } => case.to_string(),
        EvidenceScope::Period { from, until } => format!("{} – {}", from.minute(), until.minute()),
    }
}

/// A bundle that may be taken.
pub struct Ready {
    evidence: Evidence,
    hand: Hand,
    /// What is replied before its bytes.
    pub reply: Reply,
}

/// Gathers a bundle and writes down that it is taken.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn ready(store: &Store, command: &BundleCommand) -> Result<Ready, Trouble> {
    let console = Actor::console();
    let evidence = store.take_evidence(&console, &command.ask()?).await?;
    let hand = Hand::gather(store, &console).await?;
    let value: Value = json!({ "taken": evidence.taken, "entries": evidence.seqs.len(), "recordings": evidence.sessions.len(), "size": evidence.checkpoint.size, "root": evidence.checkpoint.root });
    let text = format!("{} entries, {} recordings; entry {} of the log tells of it / 項目 {} 件、録画 {} 件。証跡の項目 {}", evidence.seqs.len(), evidence.sessions.len(), evidence.taken, evidence.seqs.len(), evidence.sessions.len(), evidence.taken);
    Ok(Ready { evidence, hand, reply: Reply::done(value, text) })
}

impl Ready {
    /// Puts the bundle together. Belongs on a thread that may wait.
    ///
    /// # Errors
    /// What went wrong. What was written by then is no archive.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), String> {
        write_bundle(&Wish { evidence: &self.evidence, hand: &self.hand, views: &Views::new() }, out)
    }
}

/// Takes a bundle into a file: from the Sekisho that runs, or from the store itself.
///
/// # Errors
/// The file is there already or cannot be written, or the bundle broke off.
pub async fn run(config: &Config, command: BundleCommand, json: bool) -> Result<ExitCode> {
    let Some(path) = command.take().map(|take| take.out.clone()) else { bail!("a list is no bundle") };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(|| format!("{0} を作れません。 / cannot make {0}", path.display()))?;
    let done = fetch(config, command, &mut file).await;
    let kept = matches!(&done, Ok(reply) if reply.ok);
    if !kept {
        // Half a bundle is none, and nothing should lie there that looks like one.
        std::fs::remove_file(&path).with_context(|| format!("{0} を消せません。 / cannot remove {0}", path.display()))?;
    }
    let reply = done?;
    if !reply.ok {
        if json {
            print(true, &reply.value, "")?;
        } else {
            eprintln!("sekisho: {}", reply.text);
        }
        return Ok(ExitCode::FAILURE);
    }
    file.sync_all()?;
    let mut value = reply.value;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("file".into(), json!(path));
    }
    print(json, &value, &format!("{}\n{}", path.display(), reply.text))?;
    Ok(ExitCode::SUCCESS)
}

async fn fetch(config: &Config, command: BundleCommand, file: &mut File) -> Result<Reply> {
    let data_dir: &Path = &config.data.dir;
    let ask = Ask::Bundle(command);
    if let Some(reply) = control::fetch(data_dir, &ask, file).await? {
        return Ok(reply);
    }
    let Ask::Bundle(command) = ask else { bail!("a list is no bundle") };
    let store = serve::open_store(config, Arc::new(SystemClock)).await?;
    let reply = match ready(&store, &command).await {
        Ok(ready) => {
            let mut out = file.try_clone()?;
            let written = tokio::task::spawn_blocking(move || ready.write(&mut out).map(|()| ready.reply)).await?;
            written.map_err(|fault| anyhow::anyhow!("{fault}"))?
        }
        Err(trouble) => super::told(trouble),
    };
    store.close().await?;
    Ok(reply)
}
