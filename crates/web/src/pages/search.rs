//! 検索: commands, output, files, notes and plans of the whole record, each with its moment in the replay.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::pages::plans::written;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId};
use sekisho_core::limits;
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_core::reconcile::Kept;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_store::{RecordGroup, RecordHit, RecordKind, RecordQuery, RecordsFound, SessionFilter};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is found shows what stood on a screen, so it asks for as much as the recording does.
const SEARCH: Access = Access::MayStepUp(Action::SearchRecords);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/search", SEARCH, show),
        Route::api(Method::GET, "/api/v1/search", SEARCH, "Search commands, output, files, notes and plans. Each search is written into the log.", api)
            .query::<SearchAsk>()
            .gives::<SearchAnswer>(),
    ]
}

/// The query.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct SearchAsk {
    /// Words that must all be there; what stands in quotation marks is one word. Parts of words are found.
    q: String,
    /// `command`, `output`, `file`, `plan` or `note`; may be given several times.
    kind: Option<String>,
    /// Only in this session.
    session: Option<SessionId>,
    /// Only in this plan and its sessions.
    plan: Option<PlanId>,
    /// Only on this target.
    target: Option<TargetId>,
    /// Only of this worker.
    person: Option<PersonId>,
    /// First day, `YYYY-MM-DD`, Japanese time.
    from: Option<String>,
    /// Last day, `YYYY-MM-DD`, Japanese time.
    until: Option<String>,
    /// Page, from 1.
    page: Option<usize>,
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct SearchAnswer {
    /// All hits.
    total: usize,
    /// Pages that can be asked for.
    pages: usize,
    /// Milliseconds that the search took.
    took_ms: u64,
    /// Entries of the log whose matter cannot be found yet.
    behind: u64,
    /// Sessions in question of which only a part of the output can be found.
    partial: usize,
    /// The hits of this page by session or plan.
    groups: Vec<GroupAnswer>,
}

/// Hits of one session, or of one plan itself.
#[derive(Serialize, JsonSchema)]
struct GroupAnswer {
    /// The session; none for a plan.
    session: Option<SessionId>,
    plan: PlanId,
    plan_number: String,
    plan_title: String,
    target_name: Option<String>,
    person_name: Option<String>,
    /// Only a part of the session's output can be found.
    partial: bool,
    hits: Vec<HitAnswer>,
}

/// One hit.
#[derive(Serialize, JsonSchema)]
struct HitAnswer {
    /// `command`, `output`, `file`, `plan` or `note`.
    kind: &'static str,
    at: Timestamp,
    /// Milliseconds into the recording.
    at_ms: Option<u64>,
    /// Channel of the recording.
    channel: Option<u32>,
    /// The operation on a file.
    #[serde(skip_serializing_if = "String::is_empty")]
    operation: String,
    /// The line.
    text: String,
    /// Address of the moment in the replay.
    replay: Option<String>,
    /// What of a file's content is in the recording; `/api/v1/sessions/{id}/files/{file}` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

fn query_of(query: &Form, page: usize) -> Result<RecordQuery, Stop> {
    let kinds: Option<Vec<RecordKind>> = query.all("kind").into_iter().filter(|kind| !kind.is_empty()).map(RecordKind::parse).collect();
    Ok(RecordQuery {
        words: query.raw("q").unwrap_or_default().to_owned(),
        kinds: kinds.ok_or_else(|| Stop::bad_field("kind"))?,
        session: query.parse_opt("session", SessionId::parse)?,
        plan: query.parse_opt("plan", PlanId::parse)?,
        target: query.parse_opt("target", TargetId::parse)?,
        person: query.parse_opt("person", PersonId::parse)?,
        from: query.parse_opt("from", |text| parse_date(text).map(|date| Timestamp::from_jst(date, 0, 0)))?,
        until: query.end_of_day_opt("until")?,
        page: page.saturating_sub(1),
    })
}

/// The moment in the replay. The page asks for its own permission and a fresh code.
fn replay_of(session: &SessionId, hit: &RecordHit) -> Option<String> {
    let channel = hit.channel.map(|channel| format!("&ch={channel}")).unwrap_or_default();
    hit.moment.map(|moment| format!("/sessions/{session}/replay?t={moment}{channel}"))
}

/// What is wrong with the query, in words that name the number; `None` for what the page of refusals tells.
fn problem_of(ctx: &Ctx, stop: &Stop) -> Option<String> {
    match stop.refusal() {
        Refusal::BadField { field } if field == "q" => Some(ctx.t("search.empty_query")),
        Refusal::BadField { field } if field == "from" || field == "until" => Some(ctx.t("search.bad_day")),
        Refusal::TooMany { limit } if limit == "SEARCH_CHARS" => Some(ctx.t_with("search.too_long", &[("most", &limits::SEARCH_CHARS.to_string())])),
        Refusal::TooMany { limit } if limit == "SEARCH_WORDS" => Some(ctx.t_with("search.too_many_words", &[("most", &limits::SEARCH_WORDS.to_string())])),
        _ => None,
    }
}

async fn show(call: Call) -> Reply {
    let (ctx, query) = (&call.ctx, call.query());
    let page = call.page_number();
    let asked = query.raw("q").is_some_and(|words| !words.trim().is_empty());
    let mut problem = None;
    let mut found = None;
    if asked {
        let searched = match query_of(query, page) {
            Ok(wanted) => ctx.store().search_records(ctx.actor()?, &wanted).await.map_err(Stop::from),
            Err(stop) => Err(stop),
        };
        match searched {
            Ok(records) => found = Some(records),
            Err(stop) => match problem_of(ctx, &stop) {
                Some(words) => problem = Some(words),
                None => return Err(stop),
            },
        }
    }
    let (targets, persons) = choices(&call).await?;
    let kinds: Vec<(&str, String)> = RecordKind::ALL.into_iter().map(|kind| (kind.as_str(), ctx.t(&format!("search.kind_{}", kind.as_str())))).collect();
    let chosen: Vec<&str> = query.all("kind").into_iter().filter(|kind| RecordKind::parse(kind).is_some()).collect();
    let restricted = ["kind", "session", "plan", "target", "person", "from", "until"].into_iter().any(|name| !query.text(name).is_empty());
    call.page(
        "search.html",
        "search.title",
        context! {
            asked,
            words => query.text("q"),
            problem_words => problem.unwrap_or_default(),
            found => found.map(|found| page_of(ctx, &found, page)),
            page,
            link => link_of(query),
            form => Value::from_object(query.clone()),
            kinds => value(kinds),
            chosen => value(chosen),
            targets => value(targets),
            persons => value(persons),
            restricted,
            max_chars => limits::SEARCH_CHARS,
        },
    )
}

/// The address of this search up to its page.
fn link_of(query: &Form) -> String {
    let mut link = String::from("/search?");
    for (name, text) in query.pairs() {
        let known = ["q", "kind", "session", "plan", "target", "person", "from", "until"].contains(&name.as_str());
        if known && !text.is_empty() {
            link.push_str(&format!("{name}={}&", escaped(text)));
        }
    }
    link + "page="
}

/// A text for an address.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Targets and workers to choose from: the ledgers, or who worked lately and where.
async fn choices(call: &Call) -> Result<(Vec<(String, String)>, Vec<(String, String)>), Stop> {
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let (mut targets, mut persons) = (BTreeMap::new(), BTreeMap::new());
    if call.ctx.may(Action::ReadLedger) {
        targets.extend(store.targets(actor).await?.into_iter().map(|row| (row.target.id.to_string(), row.target.name)));
        let workers = store.persons(actor).await?.into_iter().filter(|row| row.person.roles.contains(&Role::Worker));
        persons.extend(workers.map(|row| (row.person.id.to_string(), row.person.name)));
    } else {
        for row in store.sessions(actor, &SessionFilter::default()).await?.rows {
            targets.insert(row.facts.target.to_string(), row.facts.target_name);
            persons.insert(row.facts.person.to_string(), row.facts.person_name);
        }
    }
    let sorted = |names: BTreeMap<String, String>| {
        let mut names: Vec<(String, String)> = names.into_iter().collect();
        names.sort_by(|one, other| one.1.cmp(&other.1));
        names
    };
    Ok((sorted(targets), sorted(persons)))
}

fn page_of(ctx: &Ctx, found: &RecordsFound, page: usize) -> Value {
    let first = (page.min(limits::SEARCH_PAGES).saturating_sub(1)) * limits::PAGE_ROWS + 1;
    let seconds = format!("{:.2}", found.took.as_secs_f64());
    let (total, partial) = (found.total.to_string(), found.partial.to_string());
    let summary = if found.shown == 0 {
        ctx.t_with("search.summary_none", &[("seconds", &seconds)])
    } else {
        let (from, until) = (first.to_string(), (first + found.shown - 1).to_string());
        ctx.t_with("search.summary", &[("total", &total), ("from", &from), ("until", &until), ("seconds", &seconds)])
    };
    let reach = limits::SEARCH_PAGES * limits::PAGE_ROWS;
    context! {
        summary,
        total => found.total,
        pages => found.pages,
        groups => found.groups.iter().map(|group| group_of(ctx, group)).collect::<Vec<Value>>(),
        beyond => if found.total > reach { ctx.t_with("search.beyond", &[("most", &reach.to_string())]) } else { String::new() },
        partial => if found.partial > 0 { ctx.t_with("search.partial", &[("sessions", &partial)]) } else { String::new() },
        behind => if found.behind > 0 { ctx.t_with("search.behind", &[("entries", &found.behind.to_string())]) } else { String::new() },
    }
}

fn group_of(ctx: &Ctx, group: &RecordGroup) -> Value {
    let session = group.session.as_ref().map(|row| {
        let facts = &row.facts;
        let time = match facts.ended {
            Some(ended) => written::span(facts.started, ended, ctx.lang),
            None => format!("{} 〜", written::moment(facts.started, ctx.lang)),
        };
        context! { id => facts.session.as_str(), target => facts.target_name.as_str(), person => facts.person_name.as_str(), time, running => row.running }
    });
    let of_session = group.session.as_ref().map(|row| &row.facts.session);
    let hits: Vec<Value> = group.hits.iter().map(|hit| hit_of(ctx, of_session, hit)).collect();
    context! { session, plan => group.plan.as_str(), number => group.plan_number.as_str(), title => group.plan_title.as_str(), partial => group.partial, hits }
}

fn hit_of(ctx: &Ctx, session: Option<&SessionId>, hit: &RecordHit) -> Value {
    let operation = format!("log.file_{}", hit.detail);
    let detail = words::find(ctx.lang, &operation).map_or_else(|| hit.detail.clone(), str::to_owned);
    context! {
        kind => hit.kind.as_str(),
        label => ctx.t(&format!("search.kind_{}", hit.kind.as_str())),
        detail,
        at => hit.at.0,
        place => hit.moment.map(|moment| { let s = moment / 1000; format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) }),
        pieces => hit.snippet.iter().map(|piece| context! { text => piece.text.as_str(), hit => piece.hit }).collect::<Vec<Value>>(),
        replay => session.and_then(|session| replay_of(session, hit)),
        kept => hit.kept.map(|kept| ctx.t(if kept.whole { "search.content" } else { "search.content_part" })),
        content => session.zip(hit.kept).filter(|_| ctx.may(Action::TakeContent)).map(|(session, kept)| format!("/sessions/{session}/files/{}", kept.file)),
    }
}

async fn api(call: Call) -> Reply {
    let wanted = query_of(call.query(), call.page_number())?;
    let found = call.ctx.store().search_records(call.ctx.actor()?, &wanted).await?;
    let groups = found.groups.into_iter().map(|group| {
        let session = group.session.as_ref().map(|row| row.facts.session.clone());
        GroupAnswer {
            hits: group.hits.iter().map(|hit| hit_answer(session.as_ref(), hit)).collect(),
            target_name: group.session.as_ref().map(|row| row.facts.target_name.clone()),
            person_name: group.session.as_ref().map(|row| row.facts.person_name.clone()),
            session,
            plan: group.plan,
            plan_number: group.plan_number,
            plan_title: group.plan_title,
            partial: group.partial,
        }
    });
    call.answer(&SearchAnswer {
        total: found.total,
        pages: found.pages,
        took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
        behind: found.behind,
        partial: found.partial,
        groups: groups.collect(),
    })
}

fn hit_answer(session: Option<&SessionId>, hit: &RecordHit) -> HitAnswer {
    HitAnswer {
        kind: hit.kind.as_str(),
        at: hit.at,
        at_ms: hit.moment,
        channel: hit.channel,
        operation: hit.detail.clone(),
        text: hit.snippet.iter().map(|piece| piece.text.as_str()).collect(),
        replay: session.and_then(|session| replay_of(session, hit)),
        kept: hit.kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_asks_for_the_same() {
        let query = Form::of([("q", "\"drop table\" 患者&x=1"), ("kind", "command"), ("kind", "file"), ("from", ""), ("page", "3"), ("other", "x")]);
        assert_eq!(link_of(&query), "/search?q=%22drop%20table%22%20%E6%82%A3%E8%80%85%26x%3D1&kind=command&kind=file&page=");
    }
}
