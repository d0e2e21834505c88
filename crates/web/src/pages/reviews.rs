//! 棚卸: accounts are answered for line by line by departments and vendors; the result is a ledger that can be printed.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{PersonId, ReviewId, VendorId};
use sekisho_core::permission::Action;
use sekisho_core::review::{Review, ReviewEnding, ReviewGroup, ReviewLine, ReviewSaid, ReviewVerdict};
use sekisho_store::{ReviewAsk, ReviewGroupAsk};
use serde::Deserialize;

const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/reviews", Access::LoggedIn, list),
        Route::page("/reviews/new", may_keep, show_start),
        Route::form("/reviews/new", KEEP, start).again(show_start),
        Route::page("/reviews/{id}", Access::LoggedIn, show),
        Route::page("/reviews/{id}/groups/{n}", Access::LoggedIn, show_group),
        Route::form("/reviews/{id}/groups/{n}", Access::LoggedIn, answer).again(show_group),
        Route::form("/reviews/{id}/close", KEEP, close),
        Route::form("/reviews/{id}/disable", KEEP, disable),
        Route::api(Method::GET, "/api/v1/reviews", Access::LoggedIn, "Reviews of accounts that one may see.", api_list).gives::<Vec<Review>>(),
        Route::api(Method::GET, "/api/v1/reviews/{id}", Access::LoggedIn, "One review.", api_show).gives::<Review>(),
        Route::api(Method::POST, "/api/v1/reviews/{id}/groups/{n}", Access::LoggedIn, "Answer for accounts of one part, and sign.", api_answer).takes::<AnswerAsk>().gives::<Review>(),
    ]
}

/// Answers for accounts of one part.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AnswerAsk {
    /// The answers.
    answers: Vec<ReviewSaid>,
    /// True signs beneath them.
    #[serde(default)]
    sign: bool,
}

fn id_of(call: &Call) -> Result<ReviewId, Stop> {
    call.id("id", ReviewId::parse)
}

fn number(call: &Call) -> Result<usize, Stop> {
    call.id("n", |text| text.parse().ok())
}

fn state(review: &Review, ctx: &Ctx) -> (&'static str, String) {
    if review.closed_at.is_some() {
        ("ended", ctx.t("review.closed_state"))
    } else if review.is_open(ctx.now()) {
        ("live", ctx.t("review.open_state"))
    } else {
        ("overdue", ctx.t("review.late_state"))
    }
}

fn summary(review: &Review, ctx: &Ctx) -> Value {
    let (state, word) = state(review, ctx);
    let count = review.count();
    let mine = ctx.actor().map(|actor| review.groups.iter().enumerate().filter(|(_, group)| group.is_of(actor)).map(|(n, group)| context! { n, name => group.name.as_str(), signed => group.signed.is_some() }).collect::<Vec<_>>()).unwrap_or_default();
    context! {
        id => review.id.as_str(),
        title => review.title.as_str(),
        started_at => review.started.at.0,
        started_by => review.started.name.as_str(),
        deadline => review.deadline.0,
        closed_at => review.closed_at.map(|at| at.0),
        open => review.is_open(ctx.now()),
        state,
        state_word => word,
        count => value(count),
        answered => count.lines - count.open,
        mine,
    }
}

fn line(line: &ReviewLine, at: usize, ctx: &Ctx, review: &Review, n: usize) -> Value {
    let may = ctx.actor().is_ok_and(|actor| review.may_answer(n, actor, &line.person));
    context! {
        at,
        person => line.person.as_str(),
        name => line.name.as_str(),
        login => line.login.as_str(),
        robot => line.robot,
        roles => line.roles.iter().map(|role| words::role(ctx.lang, *role)).collect::<Vec<_>>(),
        last_use => line.last_use.map(|at| at.0),
        valid_until => line.valid_until.map(|at| at.0),
        verdict => line.answer.as_ref().map(|answer| answer.verdict.as_str()),
        reason => line.answer.as_ref().map(|answer| answer.reason.as_str()),
        by => line.answer.as_ref().map(|answer| answer.mark.name.as_str()),
        answered_at => line.answer.as_ref().map(|answer| answer.mark.at.0),
        disabled_at => line.disabled_at.map(|at| at.0),
        may,
    }
}

fn group(held: &ReviewGroup, n: usize, ctx: &Ctx, review: &Review) -> Value {
    let open = held.lines.iter().filter(|line| line.answer.is_none()).count();
    context! {
        n,
        name => held.name.as_str(),
        is_vendor => held.vendor.is_some(),
        reviewer => held.reviewer_name.as_str(),
        lines => held.lines.iter().enumerate().map(|(at, one)| line(one, at, ctx, review, n)).collect::<Vec<_>>(),
        total => held.lines.len(),
        open,
        signed_by => held.signed.as_ref().map(|mark| mark.name.as_str()),
        signed_at => held.signed.as_ref().map(|mark| mark.at.0),
        mine => ctx.actor().is_ok_and(|actor| held.is_of(actor)),
        may_answer => review.is_open(ctx.now()) && held.signed.is_none() && ctx.actor().is_ok_and(|actor| held.is_of(actor) || ctx.may(Action::KeepLedger) && actor.is_hospital()),
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let reviews = ctx.store().reviews(ctx.actor()?).await?;
    let rows: Vec<Value> = reviews.iter().map(|review| summary(review, ctx)).collect();
    let running = reviews.iter().any(|review| review.closed_at.is_none());
    call.page("reviews/list.html", "review.title", context! { rows, running, may_keep => ctx.may(Action::KeepLedger), reads => ctx.may(Action::ReadLedger) })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let review = ctx.store().review(ctx.actor()?, &id_of(&call)?).await?;
    let whole = ctx.may(Action::ReadLedger);
    let actor = ctx.actor()?;
    let groups: Vec<Value> = review.groups.iter().enumerate().filter(|(_, held)| whole || held.is_of(actor)).map(|(n, held)| group(held, n, ctx, &review)).collect();
    let context = context! {
        review => summary(&review, ctx),
        groups,
        whole,
        may_keep => ctx.may(Action::KeepLedger),
        unanswered => review.to_disable(ReviewEnding::Unanswered).len(),
        ended => review.to_disable(ReviewEnding::Ended).len(),
        printed => ctx.now().0,
    };
    call.page_titled("reviews/show.html", &review.title, context)
}

async fn show_group(call: Call) -> Reply {
    let ctx = &call.ctx;
    let review = ctx.store().review(ctx.actor()?, &id_of(&call)?).await?;
    let n = number(&call)?;
    let held = review.groups.get(n).filter(|held| !held.lines.is_empty()).ok_or_else(Stop::not_found)?;
    let form = call.typed_or(Form::default());
    let verdicts: Vec<(&str, String)> = ReviewVerdict::ALL.into_iter().map(|verdict| (verdict.as_str(), ctx.t(&format!("review.verdict_{}", verdict.as_str())))).collect();
    let context = context! { form => Value::from_object(form), review => summary(&review, ctx), group => group(held, n, ctx, &review), verdicts => value(verdicts) };
    call.page_titled("reviews/group.html", &held.name, context)
}

async fn answer(call: Call) -> Reply {
    let (id, n, form) = (id_of(&call)?, number(&call)?, call.form());
    let mut said = Vec::new();
    for person in form.all("person") {
        let verdict = form.text(&format!("verdict_{person}"));
        if verdict.is_empty() {
            continue;
        }
        said.push(ReviewSaid {
            person: PersonId::parse(person).ok_or_else(|| Stop::bad_field("person"))?,
            verdict: ReviewVerdict::parse(verdict).ok_or_else(|| Stop::bad_field("verdict"))?,
            reason: form.text(&format!("reason_{person}")).to_owned(),
        });
    }
    let sign = form.has("sign");
    call.ctx.store().answer_review(call.ctx.actor()?, &id, n, said, sign).await?;
    if sign { call.done(&format!("/reviews/{id}"), "review.signed") } else { call.done(&format!("/reviews/{id}/groups/{n}"), "review.saved") }
}

/// The name of the field that chooses the reviewer of a place.
fn field_of(n: usize) -> String {
    format!("reviewer_{n}")
}

async fn show_start(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let now = ctx.now();
    let persons = store.persons(actor).await?;
    let choices: Vec<(String, String)> = persons
        .iter()
        .map(|row| &row.person)
        .filter(|person| person.vendor.is_none() && person.robot.is_none() && person.may_act(now))
        .map(|person| (person.id.to_string(), format!("{}({})", person.name, if person.department.is_empty() { "—" } else { &person.department })))
        .collect();
    let places: Vec<Value> = store
        .review_places(actor)
        .await?
        .iter()
        .enumerate()
        .map(|(n, place)| context! { n, field => field_of(n), name => place.name.as_str(), vendor => place.vendor.as_ref().map(|id| id.as_str()), accounts => place.accounts, managers => words::listed(ctx.lang, &place.managers) })
        .collect();
    let mut first = Form::default();
    first.push("deadline", sekisho_core::time::format_date(now.plus(std::time::Duration::from_secs(14 * 24 * 3600)).date()));
    call.page("reviews/new.html", "review.start", context! { form => Value::from_object(call.typed_or(first)), places, choices => value(choices) })
}

async fn start(call: Call) -> Reply {
    let form = call.form();
    let count = form.all("place_name").len();
    let (names, vendors) = (form.all("place_name"), form.all("place_vendor"));
    let mut reviewers = Vec::with_capacity(count);
    for (n, (name, vendor)) in names.iter().zip(vendors).enumerate() {
        let vendor = if vendor.is_empty() { None } else { Some(VendorId::parse(vendor).ok_or_else(|| Stop::bad_field("vendor"))?) };
        reviewers.push(ReviewGroupAsk { vendor, name: (*name).to_owned(), reviewer: form.parse_opt(&field_of(n), PersonId::parse)? });
    }
    let ask = ReviewAsk { title: form.need("title")?.to_owned(), deadline: form.end_of_day_opt("deadline")?.ok_or_else(|| Stop::bad_field("deadline"))?, reviewers };
    let review = call.ctx.store().start_review(call.ctx.actor()?, ask).await?;
    call.done(&format!("/reviews/{}", review.id), "review.started")
}

async fn close(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().close_review(call.ctx.actor()?, &id).await?;
    call.done(&format!("/reviews/{id}"), "review.closed")
}

async fn disable(call: Call) -> Reply {
    let id = id_of(&call)?;
    let which = call.form().parse("which", ReviewEnding::parse)?;
    call.ctx.store().disable_reviewed(call.ctx.actor()?, &id, which).await?;
    call.done(&format!("/reviews/{id}"), "review.disabled")
}

/// The parts of running reviews that wait for this person.
pub(crate) async fn waiting(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let actor = ctx.actor()?;
    let reviews = ctx.store().reviews(actor).await?;
    let now = ctx.now();
    let mut found = Vec::new();
    for review in reviews.iter().filter(|review| review.is_open(now)) {
        for (n, group) in review.groups.iter().enumerate().filter(|(_, group)| group.is_of(actor) && group.signed.is_none()) {
            let open = group.lines.iter().filter(|line| line.answer.is_none()).count();
            found.push(context! { href => format!("/reviews/{}/groups/{n}", review.id), name => group.name.as_str(), title => review.title.as_str(), open, deadline => review.deadline.0 });
        }
    }
    Ok(found)
}

async fn api_list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let mut found = Vec::new();
    for review in ctx.store().reviews(ctx.actor()?).await? {
        found.push(ctx.store().review(ctx.actor()?, &review.id).await?);
    }
    call.answer(&found)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().review(call.ctx.actor()?, &id_of(&call)?).await?)
}

async fn api_answer(call: Call) -> Reply {
    let AnswerAsk { answers, sign } = call.json()?;
    let (id, n) = (id_of(&call)?, number(&call)?);
    call.ctx.store().answer_review(call.ctx.actor()?, &id, n, answers, sign).await?;
    call.answer(&call.ctx.store().review(call.ctx.actor()?, &id).await?)
}
