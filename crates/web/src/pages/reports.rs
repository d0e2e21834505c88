//! 月次報告・年次報告: each edition as a page for A4, its receipt, its numbers as CSV.

use super::log_reviews::due_words;
use super::spreadsheet::csv;
use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::{self, Lang};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{PeriodReportId, VendorId};
use sekisho_core::period_report::{JobRow, Numbers, Part, PeriodReport, ShareRow};
use sekisho_core::permission::Action;
use sekisho_core::span::{Span, SpanKind};
use sekisho_store::PeriodReportView;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

const READ: Access = Access::May(Action::ReadPeriodReport);
const NOTE: Access = Access::May(Action::TakeNoteOfReport);
const ISSUE: Access = Access::May(Action::IssueReport);
/// Width and height of the chart in its own units, and the room below it for words.
const CHART: (f64, f64, f64) = (640.0, 150.0, 22.0);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/reports", READ, list),
        Route::page("/reports/new", ISSUE, show_new),
        Route::form("/reports/new", ISSUE, issue).again(show_new),
        Route::page("/reports/{id}", READ, show),
        Route::form("/reports/{id}/note", NOTE, note).again(show),
        Route::page("/reports/{id}/csv", READ, export),
        Route::api(Method::GET, "/api/v1/reports", READ, "Reports on months and years that one may read, the newest span first.", api_list).gives::<Vec<PeriodReport>>(),
        Route::api(Method::POST, "/api/v1/reports", ISSUE, "Issue the report on a span that has ended, or another edition of it.", api_issue).takes::<IssueAsk>().gives::<IssueAnswer>(),
        Route::api(Method::GET, "/api/v1/reports/{id}", READ, "One report, and whether it is what the log's entry names.", api_show).gives::<ReportAnswer>(),
        Route::api(Method::POST, "/api/v1/reports/{id}/recount", READ, "Count a report again from the same entries; the result is written into the log.", api_recount).gives::<RecountAnswer>(),
        Route::api(Method::POST, "/api/v1/reports/{id}/note", NOTE, "Take note of a report.", api_note).takes::<NoteAsk>().gives::<PeriodReport>(),
    ]
}

/// A report to issue.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IssueAsk {
    /// `month`, `year` or `fiscal_year`.
    kind: SpanKind,
    /// `2026-10`, `2026`, `FY2026`.
    span: String,
    /// The vendor; none for the hospital's.
    #[serde(default)]
    vendor: Option<VendorId>,
    /// Why there is another edition.
    #[serde(default)]
    reason: String,
}

/// What became of it.
#[derive(Serialize, JsonSchema)]
struct IssueAnswer {
    /// The report.
    report: PeriodReport,
    /// False if the last edition says the same, and is given in its place.
    issued: bool,
}

/// A report as the API shows it.
#[derive(Serialize, JsonSchema)]
struct ReportAnswer {
    /// The report.
    report: PeriodReport,
    /// It is what the log's entry names.
    holds: bool,
    /// Number of that entry.
    entry: Option<u64>,
    /// A newer edition, if there is one.
    newer: Option<PeriodReportId>,
}

/// A second counting.
#[derive(Serialize, JsonSchema)]
struct RecountAnswer {
    /// The log's entry names this very report.
    holds: bool,
    /// Counting the same entries again gives the same content.
    same: bool,
    /// Entries that were counted.
    entries: u64,
}

/// A receipt.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoteAsk {
    /// A remark.
    #[serde(default)]
    remark: String,
}

fn id_of(call: &Call) -> Result<PeriodReportId, Stop> {
    call.id("id", PeriodReportId::parse)
}

fn span_words(ctx: &Ctx, report: &PeriodReport) -> String {
    if ctx.lang == Lang::Ja { report.span.ja(report.kind) } else { report.span.en(report.kind) }
}

fn summary(ctx: &Ctx, report: &PeriodReport) -> Value {
    let (due, late) = due_words(ctx, report.due);
    context! {
        id => report.id.as_str(),
        number => report.number.as_str(),
        edition => report.edition,
        kind => ctx.t(&format!("rp.kind_{}", report.kind.as_str())),
        title => ctx.t(&format!("rp.title_{}", report.kind.as_str())),
        span => span_words(ctx, report),
        is_vendor => report.vendor.is_some(),
        whose => if report.vendor.is_some() { report.vendor_name.clone() } else { ctx.t("rp.hospital") },
        issued_at => report.issued_at.0,
        reason => report.reason.as_str(),
        due,
        late => late && report.taken.is_none(),
        no_data => report.is_without_data(),
        sessions => report.content.numbers.sessions,
        time => hours(ctx.lang, report.content.numbers.millis),
        taken => report.taken.as_ref().map(|taken| context! { name => taken.name.as_str(), at => taken.at.0, remark => taken.remark.as_str() }),
    }
}

/// Time as people write it: `12時間30分`.
pub(in crate::pages) fn hours(lang: Lang, millis: u64) -> String {
    let minutes = millis.div_ceil(60_000);
    let (hours, rest) = (minutes / 60, minutes % 60);
    words::word_with(lang, if hours == 0 { "rp.minutes" } else { "rp.hours" }, &[("h", &hours.to_string()), ("m", &rest.to_string())])
}

/// A number with what it was in the span before.
fn compared(lang: Lang, name: &str, of: &Numbers, before: Option<&Numbers>, shown: impl Fn(&Numbers) -> (u64, String)) -> Value {
    let (now, text) = shown(of);
    let then = before.map(&shown);
    let change = then.as_ref().map(|(then, _)| match now.cmp(then) {
        std::cmp::Ordering::Greater => "▲",
        std::cmp::Ordering::Less => "▼",
        std::cmp::Ordering::Equal => "＝",
    });
    context! { name, label => words::word(lang, &format!("rp.n_{name}")), text, before => then.map(|(_, text)| text), change }
}

/// The rows of numbers, in the order of the page. A vendor reads of what concerns it alone.
pub(in crate::pages) fn numbers(lang: Lang, report: &PeriodReport) -> Vec<(&'static str, Vec<Value>)> {
    let (of, before, hospital) = (&report.content.numbers, report.before.as_ref(), report.vendor.is_none());
    let plain = |name: &'static str, get: fn(&Numbers) -> u64| compared(lang, name, of, before, |numbers| (get(numbers), get(numbers).to_string()));
    let mut groups = vec![
        ("jobs", vec![plain("submitted", |n| n.submitted), plain("approved", |n| n.approved), plain("turned_down", |n| n.turned_down), plain("closed", |n| n.closed), plain("emergencies", |n| n.emergencies)]),
        (
            "sessions",
            vec![
                plain("sessions", |n| n.sessions),
                compared(lang, "time", of, before, |numbers| (numbers.millis, hours(lang, numbers.millis))),
                plain("workers", |n| n.workers),
                plain("outside", |n| n.outside),
                plain("watched", |n| n.watched),
                plain("cut", |n| n.cut),
            ],
        ),
        (
            "findings",
            vec![plain("compared", |n| n.compared), plain("different", |n| n.different), plain("differences", |n| n.differences), plain("overdue", |n| n.overdue), plain("refused", |n| n.refused), plain("refused_inside", |n| n.refused_inside)],
        ),
        (
            "files",
            vec![
                plain("files_in", |n| n.files_in),
                compared(lang, "bytes_in", of, before, |numbers| (numbers.bytes_in, crate::view::bytes(numbers.bytes_in))),
                plain("files_out", |n| n.files_out),
                compared(lang, "bytes_out", of, before, |numbers| (numbers.bytes_out, crate::view::bytes(numbers.bytes_out))),
                plain("held", |n| n.held),
                plain("denied", |n| n.denied),
            ],
        ),
    ];
    if hospital {
        groups.push((
            "watch",
            vec![plain("critical", |n| n.critical), plain("warnings", |n| n.warnings), plain("cases", |n| n.cases), plain("emergency_accounts", |n| n.emergency_accounts), plain("views", |n| n.views), plain("taken", |n| n.taken)],
        ));
    }
    groups
}

/// The bars of the chart. Numbers stand above them, so that it reads without colours.
fn chart(ctx: &Ctx, kind: SpanKind, parts: &[Part]) -> Option<Value> {
    let most = parts.iter().map(|part| part.sessions).max().filter(|most| *most > 0)?;
    let (width, height, foot) = CHART;
    let step = width / parts.len() as f64;
    let bar = (step * 0.72).min(34.0);
    let top = 16.0;
    let scale = (height - top) / most as f64;
    let month = kind == SpanKind::Month;
    let bars: Vec<Value> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let x = step * at as f64 + (step - bar) / 2.0;
            let (all, outside) = (part.sessions as f64 * scale, part.outside as f64 * scale);
            let label = part.name.rsplit('-').next().unwrap_or_default().trim_start_matches('0').to_owned();
            let labelled = !month || at == 0 || (at + 1) % 5 == 0 && at + 2 < parts.len() || at + 1 == parts.len();
            context! {
                x => round(x), w => round(bar), middle => round(x + bar / 2.0),
                y => round(height - all), h => round(all),
                outside_y => round(height - outside), outside_h => round(outside),
                sessions => part.sessions, outside => part.outside,
                label => if labelled { label } else { String::new() },
                name => part.name.as_str(),
            }
        })
        .collect();
    Some(context! { bars, width, height, foot => height + foot, label_y => height + foot - 6.0, title => ctx.t(if month { "rp.chart_days" } else { "rp.chart_months" }) })
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn share(ctx: &Ctx, row: &ShareRow) -> Value {
    context! { name => row.name.as_str(), sessions => row.sessions, time => hours(ctx.lang, row.millis) }
}

pub(in crate::pages) fn job(lang: Lang, row: &JobRow) -> Value {
    let state = if lang == Lang::Ja { row.state.ja() } else { row.state.en() };
    context! { id => row.plan.as_str(), number => row.number.as_str(), title => row.title.as_str(), state, chip => value(row.state), since => row.since.0, sessions => row.sessions, time => hours(lang, row.millis), differences => row.differences, emergency => row.emergency, open => row.is_open() }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let all = ctx.store().period_reports(ctx.actor()?).await?;
    let mut rows: Vec<Value> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for report in &all {
        // Older editions are reached from the newest.
        let older = seen.contains(&report.number.as_str());
        seen.push(&report.number);
        rows.push(context! { older, ..summary(ctx, report) });
    }
    call.page("reports/list.html", "rp.title", context! { rows, may_issue => ctx.may(Action::IssueReport), days => ctx.store().policy().report_note_days })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let PeriodReportView { report, holds, entry, newer, waits } = ctx.store().period_report(ctx.actor()?, &id_of(&call)?).await?;
    let content = &report.content;
    let groups: Vec<Value> = numbers(ctx.lang, &report).into_iter().map(|(name, rows)| context! { title => ctx.t(&format!("rp.group_{name}")), rows }).collect();
    let rows = |of: &[ShareRow]| of.iter().map(|row| share(ctx, row)).collect::<Vec<_>>();
    let jobs: Vec<Value> = content.jobs.iter().map(|row| job(ctx.lang, row)).collect();
    let context = context! {
        form => Value::from_object(call.typed_or(Form::default())),
        report => summary(ctx, &report),
        holds,
        entry,
        newer => newer.as_ref().map(|id| id.as_str()),
        waits,
        groups,
        has_before => report.before.is_some(),
        chart => chart(ctx, report.kind, &content.parts),
        targets => rows(&content.targets),
        vendors => rows(&content.vendors),
        workers => rows(&content.workers),
        open => content.jobs.iter().filter(|row| row.is_open()).count(),
        jobs,
        more_jobs => content.more_jobs,
        digest => report.digest.as_str(),
        first => report.counted.first,
        last => report.counted.end.saturating_sub(1),
        size => report.counted.size,
        root => report.counted.root.as_str(),
        note => report.counted.note.as_str(),
        may_issue => ctx.may(Action::IssueReport),
        may_plan => ctx.may(Action::ReadPlan),
        kind => report.kind.as_str(),
        span_name => report.span.name(report.kind),
        vendor => report.vendor.as_ref().map(|id| id.as_str()),
    };
    call.page_titled("reports/show.html", &format!("{} {}", ctx.t(&format!("rp.title_{}", report.kind.as_str())), report.number), context)
}

async fn show_new(call: Call) -> Reply {
    let ctx = &call.ctx;
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    let vendors: Vec<(String, String)> = vendors.into_iter().map(|vendor| (vendor.id.to_string(), vendor.name)).collect();
    let kinds: Vec<(&str, String)> = [SpanKind::Month, SpanKind::FiscalYear, SpanKind::Year].into_iter().map(|kind| (kind.as_str(), ctx.t(&format!("rp.kind_{}", kind.as_str())))).collect();
    let last = Span::holding(SpanKind::Month, ctx.now()).before(SpanKind::Month).name(SpanKind::Month);
    let query = call.query();
    let or = |name: &str, other: &str| if query.text(name).is_empty() { other.to_owned() } else { query.text(name).to_owned() };
    let first = Form::of([("kind", or("kind", "month")), ("span", or("span", &last)), ("vendor", or("vendor", ""))]);
    call.page("reports/new.html", "rp.new", context! { form => Value::from_object(call.typed_or(first)), vendors => value(vendors), kinds => value(kinds) })
}

async fn issue(call: Call) -> Reply {
    let form = call.form();
    let kind = form.parse("kind", SpanKind::parse)?;
    let span = form.parse("span", |text| Span::parse(kind, text))?;
    let vendor = form.parse_opt("vendor", VendorId::parse)?;
    let (report, fresh) = call.ctx.store().issue_report(call.ctx.actor()?, kind, span, vendor.as_ref(), form.text("reason")).await?;
    call.done(&format!("/reports/{}", report.id), if fresh { "rp.issued_done" } else { "rp.same_done" })
}

async fn note(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().note_report(call.ctx.actor()?, &id, call.form().text("remark")).await?;
    call.done(&format!("/reports/{id}"), "rp.noted_done")
}

async fn export(call: Call) -> Reply {
    let ctx = &call.ctx;
    let report = ctx.store().period_report(ctx.actor()?, &id_of(&call)?).await?.report;
    let content = &report.content;
    let mut rows: Vec<Vec<Cow<'_, str>>> = vec![vec![ctx.t("rp.csv_item").into(), ctx.t("rp.csv_value").into(), ctx.t("rp.csv_before").into()]];
    let before = serde_json::to_value(report.before).unwrap_or_default();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(content.numbers) {
        for (name, now) in fields {
            let then = before.get(&name).map(ToString::to_string).unwrap_or_default();
            rows.push(vec![ctx.t(&format!("rp.n_{name}")).into(), now.to_string().into(), then.into()]);
        }
    }
    rows.push(Vec::new());
    rows.push(["number", "job", "vendor", "state", "since", "sessions", "minutes", "differences"].iter().map(|head| ctx.t(&format!("rp.csv_{head}")).into()).collect());
    for row in &content.jobs {
        let vendor = row.vendor.as_ref().and_then(|id| content.vendors.iter().find(|held| held.key == id.as_str())).map_or_else(|| report.vendor_name.clone(), |held| held.name.clone());
        let state = if ctx.lang == Lang::Ja { row.state.ja() } else { row.state.en() };
        rows.push(vec![row.number.as_str().into(), row.title.as_str().into(), vendor.into(), state.into(), row.since.minute().into(), row.sessions.to_string().into(), row.millis.div_ceil(60_000).to_string().into(), row.differences.to_string().into()]);
    }
    rows.push(Vec::new());
    rows.push(vec![ctx.t("rp.csv_target").into(), ctx.t("rp.csv_sessions").into(), ctx.t("rp.csv_minutes").into()]);
    rows.extend(content.targets.iter().map(|row| vec![Cow::Borrowed(row.name.as_str()), row.sessions.to_string().into(), row.millis.div_ceil(60_000).to_string().into()]));
    download(&format!("report-{}-{}.csv", report.number, report.edition), "text/csv; charset=utf-8", csv(rows))
}

/// The card of the first page: reports that wait for this person.
pub(crate) async fn cards(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let waiting = ctx.store().report_duties(ctx.actor()?).await?;
    let Some(first) = waiting.first() else { return Ok(Vec::new()) };
    let (due, late) = due_words(ctx, first.due);
    Ok(vec![context! {
        title => ctx.t("rp.duty_card"),
        action => ctx.t("rp.duty_act"),
        n => waiting.len(),
        href => if waiting.len() == 1 { format!("/reports/{}", first.id) } else { "/reports".to_owned() },
        icon => "report",
        text => format!("{} {}", ctx.t(&format!("rp.title_{}", first.kind.as_str())), span_words(ctx, first)),
        due,
        overdue => late,
        tone => if late { "urgent" } else { "" },
    }])
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().period_reports(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    let PeriodReportView { report, holds, entry, newer, .. } = call.ctx.store().period_report(call.ctx.actor()?, &id_of(&call)?).await?;
    call.answer(&ReportAnswer { report, holds, entry, newer })
}

async fn api_issue(call: Call) -> Reply {
    let IssueAsk { kind, span, vendor, reason } = call.json()?;
    let span = Span::parse(kind, &span).ok_or_else(|| Stop::bad_field("span"))?;
    let (report, issued) = call.ctx.store().issue_report(call.ctx.actor()?, kind, span, vendor.as_ref(), &reason).await?;
    call.answer(&IssueAnswer { report, issued })
}

async fn api_recount(call: Call) -> Reply {
    let found = call.ctx.store().recount_report(call.ctx.actor()?, &id_of(&call)?).await?;
    call.answer(&RecountAnswer { holds: found.holds, same: found.same, entries: found.entries })
}

async fn api_note(call: Call) -> Reply {
    let NoteAsk { remark } = call.json()?;
    call.answer(&call.ctx.store().note_report(call.ctx.actor()?, &id_of(&call)?, &remark).await?)
}
