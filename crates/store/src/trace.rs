//! 追跡: from one address or one person to everything of theirs in a span of time: sessions with their commands and files,
//! logins, refusals, and who else was seen there (guideline 17.1, tracking of causes).
//!
//! Entries are found by what stands in their bodies: an address may be that of the one who acts, of a refused stranger, of a
//! login on a target, and no column holds them all.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::sessions::SessionRow;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{PersonId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Rows that one step of reading the log takes: of the largest entries some 30 MiB.
const STEP: usize = 500;

/// Whom to follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceOf {
    /// A source address.
    Address(IpAddr),
    /// A person.
    Person(PersonId),
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// Whom it is about.
    pub of: TraceOf,
    /// Sessions with their commands and files, the newest first; at most [`limits::TRACE_SESSIONS`].
    pub sessions: Vec<SessionRow>,
    /// There are more of them.
    pub more_sessions: bool,
    /// Entries of the log, the newest first; at most [`limits::TRACE_ENTRIES`]. Who may not read the log gets those that tell
    /// of logins, refusals and sessions.
    pub entries: Vec<Entry>,
    /// There are more of them.
    pub more_entries: bool,
    /// The log was read back to this moment and not further, because the span holds more than [`limits::TRACE_SCANNED`] entries.
    pub read_back_to: Option<Timestamp>,
    /// Persons that were seen, with the number of entries.
    pub persons: BTreeMap<PersonId, u64>,
    /// Addresses that were seen, with the number of entries.
    pub addresses: BTreeMap<IpAddr, u64>,
}

/// Entries that tell of logins, refusals and sessions.
fn is_of_the_road(fact: &Fact) -> bool {
    const ROAD: &[&str] = &[
        "identified", "refused", "entered", "dialled", "left", "refused_inside", "file_moved", "logged_in", "logged_out", "locked_out", "source_locked", "source_unlocked", "unlocked", "certificate_refused",
        "token_refused", "key_window_opened", "key_window_used", "key_window_closed", "key_window_expired", "ssh_login_issued", "ssh_login_ended", "connect_denied", "cut_asked", "controlled", "case_opened",
    ];
    ROAD.contains(&fact.kind().as_str())
}

/// Whether one of the texts stands in the body as a whole value: between quotation marks, or as an address before its port.
fn speaks_of(body: &str, texts: &[String]) -> bool {
    texts.iter().any(|text| body.contains(text.as_str()))
}

impl Store {
    /// Follows an address, or a person by id, login name or name, from `from` until before `until`. The search is written
    /// into the log before its result is given.
    ///
    /// # Errors
    /// Without the right to search records; [`Refusal::NotFound`] if nobody is called so, `Refusal::BadField` if several are.
    pub async fn trace(&self, actor: &Actor, of: &str, from: Timestamp, until: Timestamp) -> Done<Trace> {
        self.require(actor, Action::SearchRecords, None, "trace").await?;
        let (of, texts) = self.traced(of).await?;
        let may_read_all = may(actor, Action::ReadLog, None).is_ok();
        let mut found = Trace { of, sessions: Vec::new(), more_sessions: false, entries: Vec::new(), more_entries: false, read_back_to: None, persons: BTreeMap::new(), addresses: BTreeMap::new() };
        // One at a time: each reads through much of the log, and several would hold up the readers of everybody.
        let _turn = self.inner.tracing.lock().await;
        let mut sessions = Vec::new();
        let (mut before, mut read) = (i64::MAX, 0_usize);
        loop {
            let rows = sqlx::query("SELECT seq, at, body FROM log WHERE at >= $1 AND at < $2 AND seq < $3 ORDER BY seq DESC LIMIT $4")
                .bind(from.0)
                .bind(until.0)
                .bind(before)
                .bind(as_i64(STEP as u64))
                .fetch_all(self.read())
                .await?;
            for row in &rows {
                before = row.try_get("seq")?;
                let body: &[u8] = row.try_get("body")?;
                if std::str::from_utf8(body).is_ok_and(|body| speaks_of(body, &texts)) {
                    let entry: Entry = serde_json::from_slice(body).map_err(Fault::from)?;
                    found.take(entry, may_read_all, &mut sessions);
                }
            }
            read += rows.len();
            if rows.len() < STEP {
                break;
            }
            if read >= limits::TRACE_SCANNED {
                found.read_back_to = rows.last().map(|row| row.try_get("at").map(Timestamp)).transpose()?;
                break;
            }
        }
        found.more_sessions = sessions.len() > limits::TRACE_SESSIONS;
        let mut told: Vec<SessionRow> = Vec::new();
        for session in sessions.iter().take(limits::TRACE_SESSIONS) {
            told.extend(self.session_row(session.as_str()).await?);
        }
        told.sort_by(|a, b| b.facts.started.cmp(&a.facts.started).then_with(|| a.facts.session.as_str().cmp(b.facts.session.as_str())));
        for row in &mut told {
            self.add_events(&mut row.facts).await?;
        }
        found.sessions = told;
        let mut tx = self.write(actor).await?;
        let query = match &found.of {
            TraceOf::Address(address) => address.to_string(),
            TraceOf::Person(person) => person.to_string(),
        };
        tx.fact(Fact::Searched { query: format!("trace {query} {} - {}", from.minute(), until.minute()), hits: found.entries.len() });
        tx.commit().await?;
        Ok(found)
    }

    /// Whom the text means, and what then stands in the bodies of entries.
    async fn traced(&self, of: &str) -> Done<(TraceOf, Vec<String>)> {
        let of = of.trim();
        let bad = || Refusal::BadField { field: "who".into() };
        if of.is_empty() || of.chars().count() > limits::SEARCH_CHARS {
            return Err(bad().into());
        }
        if let Ok(address) = of.parse::<IpAddr>() {
            let address = address.to_canonical();
            let port = if address.is_ipv6() { format!("\"[{address}]:") } else { format!("\"{address}:") };
            return Ok((TraceOf::Address(address), vec![format!("\"{address}\""), port]));
        }
        let mut named: Vec<Person> = Vec::new();
        let mut after = String::new();
        loop {
            let rows = sqlx::query("SELECT id, body FROM persons WHERE id > $1 ORDER BY id LIMIT $2").bind(after.clone()).bind(as_i64(STEP as u64)).fetch_all(self.read()).await?;
            for row in &rows {
                let person: Person = serde_json::from_str(row.try_get("body")?).map_err(Fault::from)?;
                // A login name and an id mean one person; a name may mean several.
                if person.id.as_str() == of || person.login == of {
                    named = vec![person];
                    let Some(person) = named.pop() else { continue };
                    return Ok(whole(person));
                }
                if same_name(&person.name, of) {
                    named.push(person);
                }
                after = row.try_get("id")?;
            }
            if rows.len() < STEP {
                break;
            }
        }
        match (named.pop(), named.is_empty()) {
            (Some(person), true) => Ok(whole(person)),
            (Some(_), false) => Err(bad().into()),
            (None, _) => Err(Refusal::NotFound.into()),
        }
    }
}

/// A person, and what stands in entries by and about them; the login name also where somebody else typed it.
fn whole(person: Person) -> (TraceOf, Vec<String>) {
    let texts = vec![format!("\"{}\"", person.id), format!("\"login\":\"{}\"", person.login)];
    (TraceOf::Person(person.id), texts)
}

/// Names are written with and without the space between family name and given name.
fn same_name(name: &str, of: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    plain(name) == plain(of)
}

impl Trace {
    fn take(&mut self, entry: Entry, may_read_all: bool, sessions: &mut Vec<SessionId>) {
        // The newest come first; one more than are shown says that there are more.
        if let Some(session) = entry.fact.session()
            && sessions.len() <= limits::TRACE_SESSIONS
            && !sessions.contains(session)
        {
            sessions.push(session.clone());
        }
        if let Some(person) = &entry.actor.person {
            *self.persons.entry(person.clone()).or_default() += 1;
        }
        if let Some(address) = entry.actor.source.as_deref().and_then(|source| source.parse::<IpAddr>().ok()) {
            *self.addresses.entry(address.to_canonical()).or_default() += 1;
        }
        if !may_read_all && !is_of_the_road(&entry.fact) {
            return;
        }
        if self.entries.len() >= limits::TRACE_ENTRIES {
            self.more_entries = true;
        } else {
            self.entries.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_as_a_whole_value_only() {
        let texts = vec!["\"192.0.2.1\"".to_owned(), "\"192.0.2.1:".to_owned()];
        assert!(speaks_of(r#"{"source":"192.0.2.1"}"#, &texts));
        assert!(speaks_of(r#"{"peer":"192.0.2.1:2222"}"#, &texts));
        assert!(!speaks_of(r#"{"source":"192.0.2.10","other":"1192.0.2.1"}"#, &texts));
    }

    #[test]
    fn names_are_the_same_with_and_without_their_space() {
        assert!(same_name("佐藤 健一", "佐藤健一"));
        assert!(!same_name("佐藤 健一", "佐藤"));
    }
}
