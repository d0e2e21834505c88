//! 保管期間, 削除予定, 削除台帳: how long what is kept, what will be deleted, and what was.

mod doubt;

use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::{KeepClass, KeepRule, KeepWish};
use sekisho_core::time::Timestamp;
use sekisho_store::{DeletionRow, DueRow, DueThing, LedgerFilter};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadRetention);
const ASK: Access = Access::MayStepUp(Action::AskRetention);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::page("/retention", READ, times),
        Route::form("/retention/{class}", ASK, ask).again(times),
        Route::form("/retention/{class}/decide", ASK, decide).again(times),
        Route::page("/deletions", READ, ledger),
        Route::page("/deletions/ahead", READ, ahead),
        Route::page("/deletions/csv", READ, csv),
        Route::api(Method::GET, "/api/v1/retention", READ, "How long each class is kept, and the wishes that wait for a planner.", api_times).gives::<Vec<ClassShape>>(),
        Route::api(Method::POST, "/api/v1/retention/{class}", ASK, "Set a longer time, or ask for a shorter one.", api_ask).takes::<AskBody>().gives::<AskAnswer>(),
        Route::api(Method::POST, "/api/v1/retention/{class}/decide", ASK, "Decide on a shorter time that another person asked for.", api_decide).takes::<DecideBody>(),
        Route::api(Method::GET, "/api/v1/deletions/ahead", READ, "What will be deleted within 14 days, and what a hold keeps.", api_ahead).query::<PageAsk>().gives::<Vec<AheadShape>>(),
        Route::api(Method::GET, "/api/v1/deletions", READ, "What was deleted, the newest first.", api_ledger).query::<PageAsk>().gives::<Vec<DeletionShape>>(),
    ];
    routes.extend(doubt::routes());
    routes
}

/// Which page.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PageAsk {
    /// Page, from 1.
    page: Option<u64>,
}

/// One class.
#[derive(Serialize, JsonSchema)]
struct ClassShape {
    /// Which.
    class: KeepClass,
    /// Its rule.
    rule: Option<KeepRule>,
    /// The wish that waits.
    wish: Option<KeepWish>,
    /// Recordings of this class.
    recordings: u64,
    /// Their bytes.
    bytes: u64,
}

/// Another time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskBody {
    /// Days.
    days: u32,
    /// Why.
    reason: String,
}

/// What became of it.
#[derive(Serialize, JsonSchema)]
struct AskAnswer {
    /// `longer` and in force, or `asked`.
    set: &'static str,
}

/// A decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    /// The days that were asked for, as they were seen.
    days: u32,
    /// Yes or no.
    agreed: bool,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// What will be deleted.
#[derive(Serialize, JsonSchema)]
struct AheadShape {
    /// `recording`, `attachment` or `lines`.
    what: &'static str,
    /// The session, the attachment, or the number of the part.
    id: String,
    /// The class.
    class: KeepClass,
    /// Days that it is kept.
    days: u32,
    /// When it ended.
    ended: Timestamp,
    /// From when on it is deleted.
    due: Timestamp,
    /// Its size.
    bytes: u64,
    /// Case numbers of the holds that keep it.
    held: Vec<String>,
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct DeletionShape {
    /// Number of the entry.
    entry: u64,
    /// When.
    at: Timestamp,
    /// `recording`, `attachment`, `lines`, `copy_waits` or `copy_erased`.
    what: &'static str,
    /// What it was called.
    about: String,
    /// The session.
    session: Option<String>,
    /// The plan.
    plan: Option<String>,
    /// The rule.
    rule: String,
    /// Days that it was kept.
    days: Option<u32>,
    /// When it had ended.
    ended: Option<Timestamp>,
    /// Its size.
    bytes: Option<u64>,
    /// Its digest.
    digest: String,
}

async fn times(call: Call) -> Reply {
    let ctx = &call.ctx;
    let state = ctx.store().retention(ctx.actor()?).await?;
    let own = ctx.login.as_ref().and_then(|login| login.actor.person.clone());
    let classes: Vec<Value> = state
        .classes
        .iter()
        .map(|class| {
            context! {
                class => class.class.as_str(),
                days => class.rule.map_or_else(|| class.class.default_days(), |rule| rule.days),
                since => class.rule.map(|rule| rule.since.0),
                not_before => class.rule.filter(|rule| rule.not_before > ctx.now()).map(|rule| rule.not_before.0),
                recordings => class.recordings,
                bytes => class.bytes,
                oldest => class.oldest.map(|at| at.0),
                counts => matches!(class.class, KeepClass::Recordings | KeepClass::Contents | KeepClass::Emergency),
                wish => class.wish.as_ref().map(|wish| context! { days => wish.days, reason => wish.reason.as_str(), at => wish.at.0, lapses => wish.lapses().0, name => if wish.by.is_none() { ctx.t("keeping.console") } else { wish.name.clone() }, own => wish.by.is_some() && wish.by == own }),
            }
        })
        .collect();
    let form = call.typed_or(Form::of([("days", ""), ("reason", "")]));
    let log_since = state.log_since.map(|at| at.0);
    let (care, asked) = (state.care, call.param("class").to_owned());
    let stopped = doubt::on_page(ctx).await?;
    let context = context! {
        stopped,
        log_since,
        classes,
        asked,
        form => Value::from_object(form),
        holds => state.holds,
        floor => limits::RETENTION_FLOOR_DAYS,
        notice => limits::RETENTION_NOTICE_DAYS,
        care => context! { kept => care.kept, checked => care.checked, last => care.last.map(|at| at.0), oldest => care.oldest.map(|at| at.0), aside => care.aside, waiting => care.waiting, days => ctx.store().policy().recheck_days },
        may_ask => ctx.may(Action::AskRetention),
        may_decide => ctx.may(Action::DecideRetention),
    };
    call.page("retention/times.html", "keeping.times_title", context)
}

async fn ask(call: Call) -> Reply {
    let class = call.id("class", KeepClass::parse)?;
    let form = call.form();
    let set = call.ctx.store().ask_time(call.ctx.actor()?, class, form.parse("days", |text| text.parse().ok())?, form.need("reason")?).await?;
    call.done("/retention", if set == sekisho_store::TimeSet::Longer { "keeping.longer_done" } else { "keeping.asked_done" })
}

async fn decide(call: Call) -> Reply {
    let class = call.id("class", KeepClass::parse)?;
    let form = call.form();
    let agreed = match form.need("decision")? {
        "yes" => true,
        "no" => false,
        _ => return Err(Refusal::bad_field("decision").into()),
    };
    call.ctx.store().decide_time(call.ctx.actor()?, class, form.parse("days", |text| text.parse().ok())?, agreed, form.text("reason")).await?;
    call.done("/retention", if agreed { "keeping.shorter_done" } else { "keeping.declined_done" })
}

fn ahead_row(ctx: &Ctx, row: &DueRow) -> Value {
    let (what, about, link) = match &row.thing {
        DueThing::Recording { session, who, place } => ("recording", format!("{who} → {place}"), Some(format!("/sessions/{session}"))),
        DueThing::Attachment { plan, number, name, .. } => ("attachment", format!("{number} {name}"), Some(format!("/plans/{plan}"))),
        DueThing::Lines { segment } => ("lines", ctx.t_with("keeping.part", &[("n", &segment.to_string())]), None),
    };
    context! { what, about, link, class => row.class.as_str(), days => row.days, ended => row.ended.0, due => row.due.0, bytes => row.bytes, held => words::listed(ctx.lang, &row.held), is_held => !row.held.is_empty() }
}

async fn ahead(call: Call) -> Reply {
    let ctx = &call.ctx;
    let page = call.page_number();
    let list = ctx.store().deletions_ahead(ctx.actor()?, page - 1).await?;
    let rows: Vec<Value> = list.rows.iter().map(|row| ahead_row(ctx, row)).collect();
    let stopped = ctx.store().doubted(ctx.actor()?).await?.is_some();
    call.page("retention/ahead.html", "keeping.ahead_title", context! { stopped, rows, page, more => list.more, notice => limits::RETENTION_NOTICE_DAYS })
}

/// The days of the form: whole days in Japan, the last one included.
fn span(form: &Form) -> Result<(Option<Timestamp>, Option<Timestamp>), Stop> {
    let from = form.parse_opt("from", |text| sekisho_core::time::parse_date(text).map(|day| Timestamp::from_jst(day, 0, 0)))?;
    Ok((from, form.end_of_day_opt("until")?))
}

fn rule_words(call: &Call, row: &DeletionRow) -> String {
    match (row.rule.as_str(), row.days) {
        ("", _) => String::new(),
        ("size", _) => call.ctx.t("keeping.rule_size"),
        (class, Some(days)) => call.ctx.t_with("keeping.rule_days", &[("class", &call.ctx.t(&format!("keeping.class_{class}"))), ("days", &days.to_string())]),
        (class, None) => call.ctx.t(&format!("keeping.class_{class}")),
    }
}

fn ledger_row(call: &Call, row: &DeletionRow) -> Value {
    let about = if row.what == "lines" { call.ctx.t_with("keeping.part", &[("n", &row.about)]) } else { row.about.clone() };
    let link = match (&row.session, &row.plan) {
        (Some(session), _) => Some(format!("/sessions/{session}")),
        (None, Some(plan)) => Some(format!("/plans/{plan}")),
        (None, None) => None,
    };
    context! { seq => row.seq, at => row.at.0, what => row.what, about, link, rule => rule_words(call, row), ended => row.ended.map(|at| at.0), bytes => row.bytes, digest => row.digest.as_str(), until => row.until.map(|at| at.0) }
}

async fn ledger(call: Call) -> Reply {
    let ctx = &call.ctx;
    let page = call.page_number();
    let (from, until) = span(call.query())?;
    let list = ctx.store().deletions(ctx.actor()?, &LedgerFilter { from, until, page: page - 1, all: false }).await?;
    let rows: Vec<Value> = list.rows.iter().map(|row| ledger_row(&call, row)).collect();
    let asked = format!("from={}&until={}", call.query().text("from").get(..10).unwrap_or_default(), call.query().text("until").get(..10).unwrap_or_default());
    let context = context! { rows, page, more => list.more, asked, from => call.query().text("from"), until => call.query().text("until"), facility => ctx.store().facility(), made => ctx.now().0 };
    call.page("retention/ledger.html", "keeping.ledger_title", context)
}

/// A field of a table for spreadsheets: none of them takes it for a formula.
fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

async fn csv(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (from, until) = span(call.query())?;
    let list = ctx.store().deletions(ctx.actor()?, &LedgerFilter { from, until, page: 0, all: true }).await?;
    let heads = ["seq", "at", "what", "about", "session", "plan", "rule", "ended", "bytes", "sha256"].map(|head| field(&words::word(ctx.lang, &format!("keeping.csv_{head}"))));
    // With its mark, so that spreadsheets read it as UTF-8.
    let mut text = format!("\u{feff}{}\r\n", heads.join(","));
    for row in &list.rows {
        let cells = [
            row.seq.to_string(),
            row.at.second(),
            ctx.t(&format!("keeping.what_{}", row.what)),
            row.about.clone(),
            row.session.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.plan.as_ref().map(ToString::to_string).unwrap_or_default(),
            rule_words(&call, row),
            row.ended.map(Timestamp::second).unwrap_or_default(),
            row.bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
            row.digest.clone(),
        ];
        text.push_str(&cells.map(|cell| field(&cell)).join(","));
        text.push_str("\r\n");
    }
    download("deletions.csv", "text/csv; charset=utf-8", text)
}

async fn api_times(call: Call) -> Reply {
    let state = call.ctx.store().retention(call.ctx.actor()?).await?;
    let shapes: Vec<ClassShape> = state.classes.into_iter().map(|class| ClassShape { class: class.class, rule: class.rule, wish: class.wish, recordings: class.recordings, bytes: class.bytes }).collect();
    call.answer(&shapes)
}

async fn api_ask(call: Call) -> Reply {
    let class = call.id("class", KeepClass::parse)?;
    let body: AskBody = call.json()?;
    let set = call.ctx.store().ask_time(call.ctx.actor()?, class, body.days, &body.reason).await?;
    call.answer(&AskAnswer { set: if set == sekisho_store::TimeSet::Longer { "longer" } else { "asked" } })
}

async fn api_decide(call: Call) -> Reply {
    let class = call.id("class", KeepClass::parse)?;
    let body: DecideBody = call.json()?;
    call.ctx.store().decide_time(call.ctx.actor()?, class, body.days, body.agreed, &body.reason).await?;
    call.nothing()
}

async fn api_ahead(call: Call) -> Reply {
    let list = call.ctx.store().deletions_ahead(call.ctx.actor()?, call.page_number() - 1).await?;
    let shape = |row: DueRow| {
        let (what, id) = match &row.thing {
            DueThing::Recording { session, .. } => ("recording", session.to_string()),
            DueThing::Attachment { attachment, .. } => ("attachment", attachment.to_string()),
            DueThing::Lines { segment } => ("lines", segment.to_string()),
        };
        AheadShape { what, id, class: row.class, days: row.days, ended: row.ended, due: row.due, bytes: row.bytes, held: row.held }
    };
    call.answer(&list.rows.into_iter().map(shape).collect::<Vec<_>>())
}

async fn api_ledger(call: Call) -> Reply {
    let list = call.ctx.store().deletions(call.ctx.actor()?, &LedgerFilter { page: call.page_number() - 1, ..LedgerFilter::default() }).await?;
    let shape = |row: DeletionRow| DeletionShape {
        entry: row.seq,
        at: row.at,
        what: row.what,
        about: row.about,
        session: row.session.map(|id| id.to_string()),
        plan: row.plan.map(|id| id.to_string()),
        rule: row.rule,
        days: row.days,
        ended: row.ended,
        bytes: row.bytes,
        digest: row.digest,
    };
    call.answer(&list.rows.into_iter().map(shape).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn no_field_of_the_table_becomes_a_formula_or_leaves_its_quotes() {
        assert_eq!(field("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(field("佐藤 健"), "\"佐藤 健\"");
        assert_eq!(field("@x"), "\"'@x\"");
    }
}
