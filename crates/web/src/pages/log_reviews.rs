//! 証跡レビュー: the list of a span, judged line by line, signed and confirmed.

use super::log::{LogNames, entry};
use super::spreadsheet::csv;
use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::alarm::Rule;
use sekisho_core::ids::{LogReviewId, PersonId};
use sekisho_core::log_review::{Judged, LineSaid, LineVerdict, LogReview, LogReviewState, ReviewSigned, ReviewedLine, Section};
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::LogReviewView;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

const READ: Access = Access::May(Action::ReadLogReview);
const JUDGE: Access = Access::May(Action::JudgeLogReview);
const SIGN: Access = Access::MayStepUp(Action::SignLogReview);
const CONFIRM: Access = Access::MayStepUp(Action::ConfirmLogReview);
/// Entries of a line that are shown at once; the others stand behind a button.
const SHOWN: usize = 5;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/log_reviews", READ, list),
        Route::page("/log_reviews/{id}", READ, show),
        Route::form("/log_reviews/{id}", JUDGE, judge).again(show),
        Route::form("/log_reviews/{id}/sign", SIGN, sign).again(show),
        Route::form("/log_reviews/{id}/confirm", CONFIRM, confirm).again(show),
        Route::form("/log_reviews/{id}/return", CONFIRM, give_back).again(show),
        Route::page("/log_reviews/{id}/csv", READ, export),
        Route::api(Method::GET, "/api/v1/log_reviews", READ, "Reviews of the log, the newest first.", api_list).gives::<Vec<LogReview>>(),
        Route::api(Method::GET, "/api/v1/log_reviews/{id}", READ, "One review of the log, with the digest that is signed.", api_show).gives::<ReviewAnswer>(),
        Route::api(Method::POST, "/api/v1/log_reviews/{id}/lines", JUDGE, "Judge lines of a review of the log.", api_judge).takes::<Vec<LineSaid>>().gives::<LogReview>(),
        Route::api(Method::POST, "/api/v1/log_reviews/{id}/sign", SIGN, "Sign a review of the log whose lines are all judged.", api_sign).takes::<SignAsk>().gives::<LogReview>(),
        Route::api(Method::POST, "/api/v1/log_reviews/{id}/confirm", CONFIRM, "Confirm a signed review of the log.", api_confirm).takes::<SignAsk>().gives::<LogReview>(),
        Route::api(Method::POST, "/api/v1/log_reviews/{id}/return", CONFIRM, "Give a signed review of the log back.", api_return).takes::<ReturnAsk>().gives::<LogReview>(),
    ]
}

/// A review as the API shows it.
#[derive(Serialize, JsonSchema)]
struct ReviewAnswer {
    /// The review.
    review: LogReview,
    /// SHA-256 of what would be signed at this moment, or was signed.
    digest: String,
    /// The list is the one that the log's entry names.
    list_holds: bool,
    /// The signatures hold.
    signatures_hold: bool,
}

/// A signature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignAsk {
    /// The digest of what was read.
    digest: String,
    /// A remark.
    #[serde(default)]
    remark: String,
}

/// Why it is given back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReturnAsk {
    /// The reason.
    reason: String,
}

fn id_of(call: &Call) -> Result<LogReviewId, Stop> {
    call.id("id", LogReviewId::parse)
}

fn mark(signed: &ReviewSigned) -> Value {
    context! { name => signed.name.as_str(), at => signed.at.0, digest => signed.digest.as_str(), remark => signed.remark.as_str(), deviation => signed.deviation }
}

fn summary(review: &LogReview, ctx: &Ctx) -> Value {
    let due = review.waits_until();
    let chip = match review.state() {
        LogReviewState::Open => "waiting",
        LogReviewState::Signed => "confirm",
        LogReviewState::Confirmed => "ok",
    };
    context! {
        id => review.id.as_str(),
        number => review.number.as_str(),
        span => if ctx.lang == words::Lang::Ja { review.span.ja(review.kind) } else { review.span.en(review.kind) },
        state => chip,
        state_word => ctx.t(&format!("lr.state_{}", review.state().as_str())),
        due => due.map(|at| at.0),
        late => due.is_some_and(|at| ctx.now() > at),
        entries => review.entries(),
        lines => review.lines.len(),
        open => review.open_lines(),
        mend => review.judged(LineVerdict::Mend),
        incidents => review.judged(LineVerdict::Incident),
        no_data => review.is_without_data(),
        opened_at => review.opened_at.0,
        first => review.first,
        last => review.end.saturating_sub(1),
        end => review.end,
        root => review.root.as_str(),
        seed => review.seed.as_str(),
        bounds => review.bounds.as_str(),
        rate => review.rate,
        ended => review.ended,
        unwatched => review.unwatched,
        signed => review.signed.as_ref().map(mark),
        confirmed => review.confirmed.as_ref().map(mark),
    }
}

/// Who did it. Of an alarm, it is the rule that raised it, in the reader's language.
pub(in crate::pages) fn who(lang: words::Lang, line: &ReviewedLine) -> String {
    let rule = line.values.get("rule").filter(|_| line.section == Section::Alarm).and_then(|text| Rule::ALL.into_iter().find(|rule| rule.as_str() == text));
    match rule {
        Some(rule) if lang == words::Lang::En => rule.en().to_owned(),
        _ => line.who.clone(),
    }
}

/// The words of a line. Its values are identifiers and numbers; what they are called is looked up here.
pub(in crate::pages) fn title(lang: words::Lang, names: &LogNames, line: &ReviewedLine) -> String {
    let shown = |name: &str, text: &str| match name {
        "rule" => Rule::ALL.into_iter().find(|rule| rule.as_str() == text).map_or_else(|| text.to_owned(), |rule| if lang == words::Lang::Ja { rule.ja().to_owned() } else { rule.en().to_owned() }),
        "level" => words::word(lang, &format!("alarms.level_{text}")),
        "bytes" | "before" => text.parse().map_or_else(|_| text.to_owned(), crate::view::bytes),
        "decision" => words::word(lang, &format!("cases.decision_{text}")),
        "kind" => {
            let kinds: Vec<&str> = text.split(',').map(|kind| words::find(lang, &format!("log.kind_{kind}")).unwrap_or(kind)).collect();
            words::listed(lang, &kinds)
        }
        "named" => names.of(text),
        "names" => words::listed(lang, &text.split('、').collect::<Vec<_>>()),
        "duty" => words::find(lang, &format!("lr.duty_{text}")).map_or_else(|| text.to_owned(), str::to_owned),
        "target" | "place" if text.is_empty() => words::word(lang, "lr.unknown_target"),
        _ => text.to_owned(),
    };
    let mut values: Vec<(String, String)> = line.values.iter().map(|(name, text)| (name.clone(), shown(name, text))).collect();
    values.push(("who".into(), who(lang, line)));
    values.push(("count".into(), line.entries.to_string()));
    let pairs: Vec<(&str, &str)> = values.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    words::word_with(lang, &format!("lr.line_{}", line.what), &pairs)
}

fn line(ctx: &Ctx, view: &LogReviewView, names: &LogNames, line: &ReviewedLine) -> Value {
    let open = view.review.signed.is_none();
    let own = ctx.actor().is_ok_and(|actor| !view.review.may_judge(actor, line));
    let entries: Vec<Value> = line.seqs.iter().filter_map(|seq| view.entries.get(seq)).map(|held| context! { next => held.seq.saturating_add(1), ..entry(ctx, names, held) }).collect();
    let links = [
        line.session.as_ref().filter(|_| ctx.may(Action::ViewRecording)).map(|id| (format!("/sessions/{id}/replay"), "lr.to_replay", "play")),
        line.session.as_ref().filter(|_| ctx.may(Action::ReadSession)).map(|id| (format!("/sessions/{id}"), "lr.to_session", "screen")),
        line.plan.as_ref().filter(|_| ctx.may(Action::ReadPlan)).map(|id| (format!("/plans/{id}"), "lr.to_plan", "list")),
        line.values.get("alarm").filter(|_| ctx.may(Action::ReadAlarms)).map(|id| (format!("/alarms/{id}"), "lr.to_alarm", "warning")),
        line.values.get("case").filter(|_| ctx.may(Action::ReadLedger)).map(|id| (format!("/cases/{id}"), "lr.to_case", "ban")),
    ];
    let links: Vec<Value> = links.into_iter().flatten().map(|(href, key, icon)| context! { href, label => ctx.t(key), icon }).collect();
    let judged = line.judged.as_ref();
    context! {
        n => line.n,
        title => title(ctx.lang, names, line),
        what => line.what.as_str(),
        who => who(ctx.lang, line),
        person => line.about.iter().next().filter(|_| line.about.len() == 1 && ctx.may(Action::ReadLedger)).map(PersonId::as_str),
        at => line.at.0,
        count => line.entries,
        more => line.entries.saturating_sub(line.seqs.len() as u64),
        shown => entries.iter().take(SHOWN).cloned().collect::<Vec<_>>(),
        hidden => entries.iter().skip(SHOWN).cloned().collect::<Vec<_>>(),
        links,
        verdict => judged.map(|judged| judged.verdict.as_str()),
        note => judged.map(|judged| judged.note.as_str()),
        by => judged.map(|judged| judged.name.as_str()),
        judged_at => judged.map(|judged| judged.at.0),
        earlier => line.earlier.iter().map(|judged| context! { verdict => judged.verdict.as_str(), note => judged.note.as_str(), by => judged.name.as_str(), at => judged.at.0 }).collect::<Vec<_>>(),
        own => own && open,
        may => open && !own && ctx.may(Action::JudgeLogReview),
    }
}

fn sections(ctx: &Ctx, view: &LogReviewView, names: &LogNames) -> Vec<Value> {
    Section::ALL
        .into_iter()
        .map(|section| {
            let count = view.review.counts.get(&section).copied().unwrap_or_default();
            let lines: Vec<Value> = view.review.lines.iter().filter(|held| held.section == section).map(|held| line(ctx, view, names, held)).collect();
            let name = section.as_str();
            context! { name, title => ctx.t(&format!("lr.section_{name}")), help => ctx.t(&format!("lr.help_{name}")), entries => count.entries, groups => count.groups, n => lines.len(), lines }
        })
        .collect()
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let store = ctx.store();
    let rows: Vec<Value> = store.log_reviews(ctx.actor()?).await?.iter().map(|review| summary(review, ctx)).collect();
    let lost = store.lost_log_reviews(ctx.actor()?).await?;
    let policy = store.policy();
    let rules = context! {
        cycle => ctx.t(&format!("lr.cycle_{}", policy.log_review.kind().as_str())),
        days => policy.log_review_days,
        confirm_days => policy.log_review_confirm_days,
        sample => policy.log_review_sample,
        refusals => policy.log_review_refusals,
        mib => policy.log_review_files_mib,
        from => policy.alarm_hours_from,
        until => policy.alarm_hours_until,
    };
    call.page("log_reviews/list.html", "lr.title", context! { rows, lost => words::listed(ctx.lang, &lost), rules })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let view = ctx.store().log_review(ctx.actor()?, &id_of(&call)?).await?;
    let actor = ctx.actor()?;
    // Entries name persons and targets; whoever reviews reads the ledgers.
    let names = LogNames::read(ctx).await?;
    let state = view.review.state();
    let verdicts: Vec<(&str, String)> = LineVerdict::ALL.into_iter().map(|verdict| (verdict.as_str(), ctx.t(&format!("lr.verdict_{}", verdict.as_str())))).collect();
    let signer = view.review.signed.as_ref().is_some_and(|signed| actor.is_person(&signed.by));
    let judges = state == LogReviewState::Open && ctx.may(Action::JudgeLogReview) && view.review.lines.iter().any(|line| view.review.may_judge(actor, line));
    let context = context! {
        form => Value::from_object(call.typed_or(Form::default())),
        review => summary(&view.review, ctx),
        sections => sections(ctx, &view, &names),
        verdicts => value(verdicts),
        digest => view.digest.as_str(),
        list_holds => view.list_holds,
        signatures_hold => view.signatures_hold,
        judges,
        may_sign => state == LogReviewState::Open && ctx.may(Action::SignLogReview) && actor.is(Role::Operator),
        may_confirm => state == LogReviewState::Signed && ctx.may(Action::ConfirmLogReview) && (!signer || ctx.store().policy().small_facility),
        alone => signer && state == LogReviewState::Signed,
        may_log => ctx.may(Action::ReadLog),
    };
    call.page_titled("log_reviews/show.html", &ctx.t_with("lr.one", &[("number", &view.review.number)]), context)
}

async fn judge(call: Call) -> Reply {
    let (id, form) = (id_of(&call)?, call.form());
    let mut said = Vec::new();
    for n in form.all("line") {
        let verdict = form.text(&format!("verdict_{n}"));
        if verdict.is_empty() {
            continue;
        }
        said.push(LineSaid {
            line: n.parse().map_err(|_| Stop::bad_field("verdict"))?,
            verdict: LineVerdict::parse(verdict).ok_or_else(|| Stop::bad_field("verdict"))?,
            note: form.text(&format!("note_{n}")).to_owned(),
        });
    }
    call.ctx.store().judge_log_review(call.ctx.actor()?, &id, &said).await?;
    call.done(&format!("/log_reviews/{id}"), "lr.judged_done")
}

async fn sign(call: Call) -> Reply {
    let (id, form) = (id_of(&call)?, call.form());
    call.ctx.store().sign_log_review(call.ctx.actor()?, &id, form.need("digest")?, form.text("remark")).await?;
    call.done(&format!("/log_reviews/{id}"), "lr.signed_done")
}

async fn confirm(call: Call) -> Reply {
    let (id, form) = (id_of(&call)?, call.form());
    call.ctx.store().confirm_log_review(call.ctx.actor()?, &id, form.need("digest")?, form.text("remark")).await?;
    call.done(&format!("/log_reviews/{id}"), "lr.confirmed_done")
}

async fn give_back(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().return_log_review(call.ctx.actor()?, &id, call.form().text("reason")).await?;
    call.done(&format!("/log_reviews/{id}"), "lr.returned_done")
}

/// Judgements that were changed, in one cell.
fn earlier(ctx: &Ctx, line: &ReviewedLine) -> String {
    let one = |judged: &Judged| format!("{} {} {} {}", ctx.t(&format!("lr.verdict_{}", judged.verdict.as_str())), judged.name, judged.at.second(), judged.note).trim_end().to_owned();
    line.earlier.iter().map(one).collect::<Vec<_>>().join(" / ")
}

async fn export(call: Call) -> Reply {
    let ctx = &call.ctx;
    let view = ctx.store().log_review(ctx.actor()?, &id_of(&call)?).await?;
    let names = LogNames::read(ctx).await?;
    let heads = ["n", "section", "what", "who", "at", "count", "entries", "session", "plan", "verdict", "note", "by", "judged_at", "earlier"];
    let mut rows: Vec<Vec<Cow<'_, str>>> = vec![heads.iter().map(|head| Cow::Owned(ctx.t(&format!("lr.csv_{head}")))).collect()];
    for line in &view.review.lines {
        let judged = line.judged.as_ref();
        let seqs: Vec<String> = line.seqs.iter().map(ToString::to_string).collect();
        rows.push(vec![
            line.n.to_string().into(),
            ctx.t(&format!("lr.section_{}", line.section.as_str())).into(),
            title(ctx.lang, &names, line).into(),
            who(ctx.lang, line).into(),
            line.at.second().into(),
            line.entries.to_string().into(),
            seqs.join(" ").into(),
            line.session.as_ref().map_or("", |id| id.as_str()).into(),
            line.plan.as_ref().map_or("", |id| id.as_str()).into(),
            judged.map(|judged| ctx.t(&format!("lr.verdict_{}", judged.verdict.as_str()))).unwrap_or_default().into(),
            judged.map_or("", |judged| judged.note.as_str()).into(),
            judged.map_or("", |judged| judged.name.as_str()).into(),
            judged.map(|judged| judged.at.second()).unwrap_or_default().into(),
            earlier(ctx, line).into(),
        ]);
    }
    download(&format!("log-review-{}.csv", view.review.number), "text/csv; charset=utf-8", csv(rows))
}

/// Cards of the first page: reviews that wait for this person.
pub(crate) async fn cards(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let duties = ctx.store().log_review_duties(ctx.actor()?).await?;
    let mut cards = Vec::new();
    for what in ["sign", "judge", "confirm"] {
        let mut of = duties.iter().filter(|duty| duty.what == what);
        let Some(first) = of.next() else { continue };
        let key = if first.late { "first.overdue" } else { "first.due" };
        cards.push(context! {
            title => ctx.t(&format!("lr.duty_card_{what}")),
            action => ctx.t(&format!("lr.duty_act_{what}")),
            n => 1 + of.count(),
            href => format!("/log_reviews/{}", first.review.id),
            icon => if what == "confirm" { "stamp" } else { "log" },
            text => ctx.t_with("lr.duty_text", &[("number", &first.review.number), ("lines", &first.review.lines.len().to_string()), ("open", &first.review.open_lines().to_string())]),
            due => ctx.t_with(key, &[("at", &first.due.minute())]),
            overdue => first.late,
            tone => if first.late { "urgent" } else { "" },
        });
    }
    Ok(cards)
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().log_reviews(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    let LogReviewView { review, digest, list_holds, signatures_hold, .. } = call.ctx.store().log_review(call.ctx.actor()?, &id_of(&call)?).await?;
    call.answer(&ReviewAnswer { review, digest, list_holds, signatures_hold })
}

async fn api_judge(call: Call) -> Reply {
    let said: Vec<LineSaid> = call.json()?;
    call.answer(&call.ctx.store().judge_log_review(call.ctx.actor()?, &id_of(&call)?, &said).await?)
}

async fn api_sign(call: Call) -> Reply {
    let SignAsk { digest, remark } = call.json()?;
    call.answer(&call.ctx.store().sign_log_review(call.ctx.actor()?, &id_of(&call)?, &digest, &remark).await?)
}

async fn api_confirm(call: Call) -> Reply {
    let SignAsk { digest, remark } = call.json()?;
    call.answer(&call.ctx.store().confirm_log_review(call.ctx.actor()?, &id_of(&call)?, &digest, &remark).await?)
}

async fn api_return(call: Call) -> Reply {
    let ReturnAsk { reason } = call.json()?;
    call.answer(&call.ctx.store().return_log_review(call.ctx.actor()?, &id_of(&call)?, &reason).await?)
}

/// The moment of a due date as the pages write it.
#[must_use]
pub(crate) fn due_words(ctx: &Ctx, due: Timestamp) -> (String, bool) {
    let late = ctx.now() > due;
    (ctx.t_with(if late { "first.overdue" } else { "first.due" }, &[("at", &due.minute())]), late)
}
