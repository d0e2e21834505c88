//! `sekisho search …`

use super::table::visible;
use super::{Reply, Trouble, session};
use clap::Args;
use sekisho_core::people::Actor;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_store::{RecordHit, RecordKind, RecordQuery, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Arguments of `search`.
#[derive(Debug, Args, Serialize, Deserialize)]
pub struct SearchCommand {
    /// Words that must all be there; a word with blanks in it is found as it stands
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// Only these kinds: command, output, file, plan, note
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Only on the target of this name
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only of the worker with this login name
    #[arg(long, value_name = "LOGIN")]
    worker: Option<String>,
    /// Only in this session, such as ses-…
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// From this day on, YYYY-MM-DD, Japanese time
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Until this day, YYYY-MM-DD, Japanese time
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Page of the hits
    #[arg(long, default_value_t = 1)]
    page: usize,
}

/// One argument with blanks in it is a phrase, as the shell that took it apart understood it.
fn joined(words: &[String]) -> String {
    let shown = |word: &String| if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.clone() };
    words.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn day(text: &Option<String>, end: bool) -> Result<Option<Timestamp>, Trouble> {
    let Some(text) = text else { return Ok(None) };
    let date = parse_date(text).and_then(|date| if end { date.next_day() } else { Some(date) });
    date.map(|date| Some(Timestamp::from_jst(date, 0, 0))).ok_or_else(|| Trouble::Words(format!("{text:?} は 2026-11-22 のような日付ではありません。 / {text:?} is no day such as 2026-11-22")))
}

async fn query(store: &Store, by: &Actor, command: &SearchCommand) -> Result<RecordQuery, Trouble> {
    let kinds = command.kind.iter().map(|kind| RecordKind::parse(kind).ok_or_else(|| Trouble::Words(format!("{kind:?} は command、output、file、plan、note のどれでもありません。 / {kind:?} is none of command, output, file, plan, note"))));
    let mut query = RecordQuery { words: joined(&command.words), kinds: kinds.collect::<Result<_, _>>()?, page: command.page.saturating_sub(1), ..RecordQuery::default() };
    if let Some(name) = &command.target {
        let found = store.targets(by).await?.into_iter().find(|row| row.target.name == *name);
        query.target = Some(found.ok_or_else(|| Trouble::Words(format!("{name:?} という接続先はありません。 / there is no target {name:?}")))?.target.id);
    }
    if let Some(login) = &command.worker {
        let found = store.persons(by).await?.into_iter().find(|row| row.person.login == *login);
        query.person = Some(found.ok_or_else(|| Trouble::Words(format!("{login:?} という作業者はいません。 / there is no worker {login:?}")))?.person.id);
    }
    query.session = command.session.as_deref().map(session::id).transpose()?;
    query.from = day(&command.from, false)?;
    query.until = day(&command.until, true)?;
    Ok(query)
}

/// Does the command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: SearchCommand) -> Result<Reply, Trouble> {
    let found = store.search_records(by, &query(store, by, &command).await?).await?;
    let mut text = format!("{} hits in {:.2} s, {} shown (page {} of {})\n", found.total, found.took.as_secs_f64(), found.shown, command.page, found.pages.max(1));
    if found.behind > 0 {
        text.push_str(&format!("The index is being made: {} entries of the log are left, so some things cannot be found yet.\n", found.behind));
    }
    if found.partial > 0 {
        text.push_str(&format!("Of {} sessions only a part of the output can be searched.\n", found.partial));
    }
    let mut groups = Vec::new();
    for group in &found.groups {
        let session = group.session.as_ref().map(|row| row.facts.session.clone());
        match &group.session {
            Some(row) => text.push_str(&format!("\n{} {} {} {}\n", row.facts.session, row.facts.started.minute(), row.facts.target_name, row.facts.person_name)),
            None => text.push_str(&format!("\n{} {}\n", group.plan_number, group.plan_title)),
        }
        for hit in &group.hits {
            text.push_str(&format!("  {} {:8} {:7} {}\n", hit.at.second(), place(hit), hit.kind.as_str(), line(hit)));
        }
        groups.push(json!({
            "session": session, "plan": group.plan, "plan_number": group.plan_number, "partial": group.partial,
            "hits": group.hits.iter().map(value).collect::<Vec<Value>>(),
        }));
    }
    let value = json!({ "total": found.total, "pages": found.pages, "behind": found.behind, "partial": found.partial, "groups": groups });
    Ok(Reply::done(value, text.trim_end().to_owned()))
}

/// Where in the recording.
fn place(hit: &RecordHit) -> String {
    hit.moment.map(|moment| { let s = moment / 1000; format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) }).unwrap_or_default()
}

/// The line, with the operation on a file before it.
fn line(hit: &RecordHit) -> String {
    let text: String = hit.snippet.iter().map(|piece| piece.text.as_str()).collect();
    visible(format!("{} {text}", hit.detail).trim_start())
}

fn value(hit: &RecordHit) -> Value {
    json!({ "kind": hit.kind.as_str(), "at": hit.at.rfc3339(), "at_ms": hit.moment, "channel": hit.channel, "operation": hit.detail, "text": hit.snippet.iter().map(|piece| piece.text.as_str()).collect::<String>() })
}
