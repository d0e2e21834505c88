//! Viewing by two persons in the demonstration: a second key for one target, a job that was done there, and a request to see its
//! recording, which waits for the holder.

use super::api::Api;
use super::archive::actor;
use super::clock::DemoClock;
use super::ssh::Terminal;
use super::story::{self, Hospital};
use anyhow::{Context, Result, bail, ensure};
use sekisho_core::ids::{SessionId, TargetId};
use sekisho_core::time::Clock as _;
use sekisho_core::two_person::{SecondKeyAsk, SecondKeyStep, ViewingAsk};
use sekisho_store::{Agreeing, SessionFilter, Store, agree_to_request, new_auditor_key, read_agreeing};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The file of the private key, in the demo's folder: who plays the safety manager agrees with it.
pub const KEY_FILE: &str = "second.key";
/// The target whose recordings nobody opens alone.
pub const TARGET: &str = "ehr-rep01";
/// Who holds the key, and who asks to see a recording.
pub const HOLDER: &str = "kato";
const ASKS: &str = "ueda";

/// A key that two persons entered, and a job under it.
///
/// # Errors
/// Any step is refused, or the file cannot be written.
pub async fn begin(store: &Store, api: &Api, clock: &DemoClock, hospital: &Hospital, terminal: &Terminal, folder: &Path) -> Result<()> {
    let made = new_auditor_key(&clock.now().rfc3339());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(KEY_FILE)).context("the second key cannot be written")?;
    file.write_all(made.file.as_bytes()).context("the second key cannot be written")?;
    let holder = actor(store, HOLDER).await?;
    let target = TargetId::parse(&hospital.stage(TARGET)?.id).context("the id of a target")?;
    let ask = SecondKeyAsk { holder: holder.person.clone().context("the holder is a person")?, key: made.public, targets: vec![target], reason: "帳票の画面に患者の氏名と病名が映るため。".into() };
    let key = store.ask_second_key(&actor(store, "ishikawa").await?, ask).await?;
    // The answer is made as on a machine of the holder's own.
    let check = folder.join("key-check.txt");
    std::fs::write(&check, store.second_key_text(&holder, &key.id).await?)?;
    let log_key = store.log_public_key().parse().context("the log's key")?;
    let Agreeing::Request(read) = read_agreeing(&check, Some(&log_key))? else { bail!("the text of a key is no request") };
    let proof = agree_to_request(&read, &folder.join(KEY_FILE))?;
    store.step_second_key(&holder, &key.id, SecondKeyStep::Confirm, "本人が自分の PC で公開鍵を読み上げ、石川が画面と照合した。秘密鍵の控えは金庫にある。", &proof).await?;
    story::tell_report_job(api, clock, hospital, terminal).await
}

/// The session that was recorded under the key.
async fn session(store: &Store, hospital: &Hospital) -> Result<SessionId> {
    let target = TargetId::parse(&hospital.stage(TARGET)?.id);
    let found = store.sessions(&actor(store, ASKS).await?, &SessionFilter { target, ..SessionFilter::default() }).await?;
    let row = found.rows.first().context("nobody worked there")?;
    ensure!(!row.running, "the work has not ended");
    Ok(row.facts.session.clone())
}

/// The request, which waits.
///
/// # Errors
/// It is refused.
pub async fn end(store: &Store, hospital: &Hospital) -> Result<()> {
    let ask = ViewingAsk { session: session(store, hospital).await?, whole_plan: false, hours: 8, reason: "帳票の出力先が変わったという問合せがあり、作業の手順を確かめるため。".into() };
    store.ask_viewing(&actor(store, ASKS).await?, ask).await?;
    Ok(())
}
