//! The archive of the demonstration, a folder beside its data, and the keys of two auditors: one that opens every recording of the
//! story, and one that waits for a second person.

use anyhow::{Context, Result};
use sekisho_core::auditor_key::AuditorKeyAsk;
use sekisho_core::people::{Actor, Person, Via};
use sekisho_store::{Store, new_auditor_key};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The file of the first auditor's private key, in the demo's folder: who plays the auditor opens recordings with it.
const KEY_FILE: &str = "auditor.key";

pub(super) async fn actor(store: &Store, login: &str) -> Result<Actor> {
    let people: Vec<Person> = store.persons(&Actor::console()).await?.into_iter().map(|row| row.person).collect();
    people.iter().find(|person| person.login == login).map(|person| Actor::of(person, Via::Web, Some("127.0.0.1".into()))).with_context(|| format!("{login} does not play here"))
}

/// Before anybody works: a key that two persons entered.
///
/// # Errors
/// Any step is refused, or the file cannot be written.
pub async fn begin(store: &Store, folder: &Path) -> Result<()> {
    let made = new_auditor_key(&store.clock().now().rfc3339());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(KEY_FILE)).context("the auditor's key cannot be written")?;
    file.write_all(made.file.as_bytes()).context("the auditor's key cannot be written")?;
    let ask = AuditorKeyAsk { name: "みどり監査法人 川口".into(), key: made.public, reason: "今年度の委託監査のため。契約書は総務課にある。".into() };
    let key = store.ask_auditor_key(&actor(store, "ishikawa").await?, ask).await?;
    store.decide_auditor_key(&actor(store, "kato").await?, &key.id, true, "名刺の番号に電話し、本人に読み上げてもらって照合した。").await?;
    Ok(())
}

/// At the end: one that waits.
///
/// # Errors
/// Any step is refused.
pub async fn end(store: &Store) -> Result<()> {
    let made = new_auditor_key(&store.clock().now().rfc3339());
    let ask = AuditorKeyAsk { name: "県医療情報監査室 林".into(), key: made.public, reason: "来月の立入検査の準備のため。".into() };
    store.ask_auditor_key(&actor(store, "aoki").await?, ask).await?;
    Ok(())
}
