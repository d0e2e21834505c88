//! The hosts of the demo hand in their logs, as a real host's syslog would: over TLS, with a certificate each. And somebody goes
//! to one of them directly, with a key that nobody but Sekisho should have.

use super::story::Hospital;
use anyhow::{Context, Result};
use sekisho_core::around::{ImportAsk, SourceAsk};
use sekisho_core::ids::TargetId;
use sekisho_core::people::Actor;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_courier::syslog::{Facility, Message, Severity, Syslog, SyslogSettings, Transport};
use sekisho_store::Store;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// Between two looks at a host's log.
const LOOK: Duration = Duration::from_millis(500);
/// From where the direct login comes. The hosts listen on this machine alone, whose every address of this kind is its own.
const ELSEWHERE: &str = "127.0.0.5";
/// The host that somebody goes to.
const ROUND: &str = "pacs01";

/// Registers each host, sends what it writes from here on, and goes to one of them.
///
/// # Errors
/// A source cannot be registered, or the login fails.
pub async fn begin(store: &Store, clock: Arc<dyn Clock>, hospital: &Hospital, folder: &Path, address: &str) -> Result<()> {
    for stage in &hospital.stages {
        let target = TargetId::parse(&stage.id);
        let ask = SourceAsk { target, hosts: [stage.name.to_owned()].into(), legacy: None, zone_minutes: 540, silent_minutes: Some(24 * 60), tells_logins: true };
        let made = store.add_log_source(&Actor::console(), ask).await?;
        let (server, port) = address.rsplit_once(':').context("an address with a port")?;
        let identity = Some((made.certificate.clone().into_bytes(), made.key.expose().as_bytes().to_vec()));
        let settings = SyslogSettings { server: server.to_owned(), port: port.parse()?, transport: Transport::Tls { authorities: made.server_ca.clone().into_bytes(), identity, bare_close: true } };
        let log = folder.join(stage.name).join("sshd.log");
        let from = std::fs::metadata(&log).map_or(0, |data| usize::try_from(data.len()).unwrap_or(0));
        tokio::spawn(send(Syslog::new(settings)?, log, from, stage.name.to_owned(), clock.clone()));
    }
    let stage = hospital.stage(ROUND)?;
    let done = Command::new("ssh")
        .args(["-F", "none", "-b", ELSEWHERE, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-i"])
        .arg(folder.join("keys/target_ed25519"))
        .args(["-p", &stage.host.port.to_string(), &format!("{}@127.0.0.1", hospital.account), "true"])
        .stdin(Stdio::null())
        .status()
        .await?;
    anyhow::ensure!(done.success(), "nobody could go to {ROUND} directly");
    // Somebody was at another one a day ago, before it handed in anything: its wtmp tells.
    let brought = hospital.stages.iter().find(|stage| stage.name != ROUND).and_then(|stage| TargetId::parse(&stage.id));
    if let Some(target) = brought {
        let ask = ImportAsk { target, name: "wtmp".into(), failed: false, clock_seconds: 60 };
        store.import_log(&Actor::console(), ask, wtmp(clock.now())).await?;
    }
    Ok(())
}

/// A login of a day ago, as Linux on x86-64 writes it (`utmp(5)`).
fn wtmp(now: Timestamp) -> Vec<u8> {
    let mut record = vec![0; 384];
    let mut put = |at: usize, bytes: &[u8]| record.splice(at..at + bytes.len(), bytes.iter().copied()).for_each(drop);
    put(0, &7_u16.to_le_bytes());
    put(4, &2211_u32.to_le_bytes());
    put(8, b"pts/1");
    put(44, b"hosoda");
    put(76, b"192.168.30.21");
    put(340, &u32::try_from(now.0 / 1000 - 24 * 3600).unwrap_or(0).to_le_bytes());
    put(348, &[192, 168, 30, 21]);
    record
}

/// Sends the lines of a file as they are written, until the demo ends.
async fn send(syslog: Syslog, log: PathBuf, mut from: usize, host: String, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(text) = tokio::fs::read(&log).await else { continue };
        let Some(new) = text.get(from..).filter(|new| !new.is_empty()) else { continue };
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<Message> = String::from_utf8_lossy(new.get(..whole).unwrap_or_default())
            .lines()
            .map(|line| Message { facility: Facility::Auth, severity: Severity::Informational, at: clock.now(), host: host.clone(), app: "sshd".into(), msgid: "login".into(), data: Vec::new(), text: line.trim_end().to_owned() })
            .collect();
        match syslog.hand_over(&lines).await {
            Ok(()) => from += whole,
            Err(why) => tracing::debug!(%host, why, "the demo's host could not hand in its log"),
        }
    }
}
