//! Searching the record: commands, output, files, notes and plans, to the moment in the replay.
//!
//! The index is derived from database and recordings ([`keeper`]), so what it says is looked up again before it is
//! shown: a hit whose session or plan is unknown to the database is left out.

mod keeper;
mod take;

pub(crate) use keeper::Keeper;
pub use sekisho_search::{Kind as RecordKind, Piece};

use crate::Store;
use crate::fault::{Done, Fault};
use crate::sessions::SessionRow;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::reconcile::Kept;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_search::{Breach, Filter, Hit, Words};
use sqlx::Row;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to search for, and in what. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    /// What the person typed: words that must all be there, and runs of words in quotation marks.
    pub words: String,
    /// Kinds.
    pub kinds: Vec<RecordKind>,
    /// One session.
    pub session: Option<SessionId>,
    /// One plan and its sessions.
    pub plan: Option<PlanId>,
    /// One target.
    pub target: Option<TargetId>,
    /// One worker.
    pub person: Option<PersonId>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Page, from 0, of [`limits::PAGE_ROWS`] hits; at most [`limits::SEARCH_PAGES`].
    pub page: usize,
}

/// One hit.
#[derive(Clone, Debug)]
pub struct RecordHit {
    /// What it is.
    pub kind: RecordKind,
    /// When.
    pub at: Timestamp,
    /// Milliseconds into the recording, for what is from a session.
    pub moment: Option<u64>,
    /// The channel, if it is known.
    pub channel: Option<u32>,
    /// What is shown beside it: the operation on a file.
    pub detail: String,
    /// The line, with what was asked for marked. Text of others: to be escaped.
    pub snippet: Vec<Piece>,
    /// What of a file's content is in the recording.
    pub kept: Option<Kept>,
}

/// Hits of one session, or of one plan itself.
#[derive(Clone, Debug)]
pub struct RecordGroup {
    /// The session; `None` for a plan.
    pub session: Option<SessionRow>,
    /// The plan.
    pub plan: PlanId,
    /// Its number.
    pub plan_number: String,
    /// Its title.
    pub plan_title: String,
    /// Only a part of the session's output can be found.
    pub partial: bool,
    /// The hits, the oldest first.
    pub hits: Vec<RecordHit>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct RecordsFound {
    /// The hits of this page by session or plan, that of the newest hit first.
    pub groups: Vec<RecordGroup>,
    /// Hits on this page.
    pub shown: usize,
    /// All hits.
    pub total: usize,
    /// Pages that can be seen.
    pub pages: usize,
    /// Sessions in question of which only a part of the output can be found.
    pub partial: usize,
    /// Entries of the log that were not looked at yet: what they tell of is not found yet. 0 in the ordinary case.
    pub behind: u64,
    /// How long the search took.
    pub took: Duration,
}

/// What a person is told about a query that is not searched for.
fn refused(breach: Breach) -> Refusal {
    match breach {
        Breach::Empty => Refusal::bad_field("q"),
        Breach::TooLong => Refusal::too_many("SEARCH_CHARS"),
        Breach::TooManyWords => Refusal::too_many("SEARCH_WORDS"),
    }
}

fn filter_of(query: &RecordQuery) -> Filter {
    Filter {
        kinds: query.kinds.clone(),
        session: query.session.as_ref().map(|id| id.as_str().to_owned()),
        plan: query.plan.as_ref().map(|id| id.as_str().to_owned()),
        target: query.target.as_ref().map(|id| id.as_str().to_owned()),
        person: query.person.as_ref().map(|id| id.as_str().to_owned()),
        from: query.from.map(|at| at.0),
        until: query.until.map(|at| at.0),
    }
}

impl Store {
    /// Searches the record. That it was searched is in the log before anything is shown.
    ///
    /// # Errors
    /// Without the right, with a query beyond its bounds, or if the index does not answer: then it is made anew in the
    /// background, and the search works again a little later.
    pub async fn search_records(&self, actor: &Actor, query: &RecordQuery) -> Done<RecordsFound> {
        self.require(actor, Action::SearchRecords, None, "search").await?;
        let words = Words::parse(&query.words).map_err(refused)?;
        let began = Instant::now();
        let index = self.index().await?;
        let (filter, page) = (filter_of(query), query.page.min(limits::SEARCH_PAGES - 1));
        let searched = tokio::task::spawn_blocking({
            let index = Arc::clone(&index);
            move || {
                let found = index.search(&words, &filter, page)?;
                let sessions = found.hits.iter().filter_map(|hit| hit.session.clone());
                let mut partial = BTreeMap::new();
                for session in sessions {
                    if let Entry::Vacant(place) = partial.entry(session) {
                        let is = index.is_partial(place.key())?;
                        place.insert(is);
                    }
                }
                Ok::<_, sekisho_search::Fault>((found, partial))
            }
        });
        let (found, partial) = match searched.await {
            Ok(Ok(found)) => found,
            failed => {
                let words = match failed {
                    Ok(Err(fault)) => fault.to_string(),
                    Err(lost) => lost.to_string(),
                    Ok(Ok(_)) => String::new(),
                };
                self.inner.keeper.give_up(&index);
                return Err(Fault::Damaged(format!("{words}; the search index is made anew")).into());
            }
        };
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::Searched { query: shown(&query.words), hits: found.total });
        tx.commit().await?;
        let total = found.total;
        let shown = found.hits.len();
        let groups = self.grouped(found.hits, &partial).await?;
        Ok(RecordsFound {
            groups,
            shown,
            total,
            pages: total.div_ceil(limits::PAGE_ROWS).min(limits::SEARCH_PAGES),
            partial: found.partial,
            behind: self.inner.keeper.behind(),
            took: began.elapsed(),
        })
    }

    /// Adds to the files among the hits what of their contents was kept.
    async fn add_contents(&self, session: &SessionId, hits: &mut [RecordHit]) -> Result<(), Fault> {
        if !hits.iter().any(|hit| hit.kind == RecordKind::File) {
            return Ok(());
        }
        let files = self.kept_files(session).await?;
        for hit in hits.iter_mut().filter(|hit| hit.kind == RecordKind::File) {
            let mut same = files.iter().filter(|seen| Some(seen.at_ms) == hit.moment && seen.op == hit.detail);
            // Two files of one millisecond cannot be told apart here; the session's page names both.
            hit.kept = if let (Some(seen), None) = (same.next(), same.next()) { seen.kept } else { None };
        }
        Ok(())
    }

    /// Joins the hits with what the database knows.
    async fn grouped(&self, hits: Vec<Hit>, partial: &BTreeMap<String, bool>) -> Result<Vec<RecordGroup>, Fault> {
        let mut order: Vec<(Option<String>, String)> = Vec::new();
        let mut of: BTreeMap<(Option<String>, String), Vec<RecordHit>> = BTreeMap::new();
        for hit in hits {
            let key = (hit.session.clone(), if hit.session.is_some() { String::new() } else { hit.plan.clone() });
            if !of.contains_key(&key) {
                order.push(key.clone());
            }
            let Hit { kind, at, moment, channel, detail, snippet, .. } = hit;
            of.entry(key).or_default().push(RecordHit { kind, at: Timestamp(at), moment, channel, detail, snippet, kept: None });
        }
        let mut groups = Vec::with_capacity(order.len());
        for key in order {
            let mut hits = of.remove(&key).unwrap_or_default();
            hits.sort_by_key(|hit| (hit.at, hit.moment));
            match key {
                (Some(session), _) => {
                    let Some(row) = self.session_row(&session).await? else { continue };
                    self.add_contents(&row.facts.session, &mut hits).await?;
                    let (plan, plan_number, plan_title) = (row.plan.clone(), row.plan_number.clone(), row.plan_title.clone());
                    let partial = partial.get(&session).copied().unwrap_or(false);
                    groups.push(RecordGroup { session: Some(row), plan, plan_number, plan_title, partial, hits });
                }
                (None, plan) => {
                    let row = sqlx::query("SELECT number, title FROM plans WHERE id = $1").bind(plan.clone()).fetch_optional(self.read()).await?;
                    let (Some(row), Some(plan)) = (row, PlanId::parse(&plan)) else { continue };
                    let (plan_number, plan_title) = (row.try_get("number")?, row.try_get("title")?);
                    groups.push(RecordGroup { session: None, plan, plan_number, plan_title, partial: false, hits });
                }
            }
        }
        Ok(groups)
    }
}

/// The words as they go into the log.
fn shown(words: &str) -> String {
    words.chars().map(|char| if char.is_control() { ' ' } else { char }).collect::<String>().trim().to_owned()
}
