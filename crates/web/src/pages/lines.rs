//! The connection register (接続台帳): by which lines vendors come, and how each stands to table 13-1 of the guideline.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::Lang;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::country::Country;
use sekisho_core::ids::{LineId, VendorId};
use sekisho_core::line::{Boundary, Hours, Line, LineClass, LineContent, LineException, Standing};
use sekisho_core::people::Vendor;
use sekisho_core::permission::Action;
use sekisho_core::source::Network;
use sekisho_core::time::{Timestamp, parse_date};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadRoads);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/lines", READ, list),
        Route::page("/lines/print", READ, print),
        Route::page("/lines/new", may_keep, show_add),
        Route::form("/lines/new", KEEP, add).again(show_add),
        Route::page("/lines/{id}", READ, show),
        Route::page("/lines/{id}/edit", may_keep, show_edit),
        Route::form("/lines/{id}/edit", KEEP, edit).again(show_edit),
        Route::form("/lines/{id}/end", KEEP, end).again(show),
        Route::api(Method::GET, "/api/v1/lines", READ, "The connection register.", api_list).gives::<Vec<LineAnswer>>(),
        Route::api(Method::GET, "/api/v1/lines/{id}", READ, "One line, and how it stands to table 13-1.", api_show).gives::<LineAnswer>(),
        Route::api(Method::POST, "/api/v1/lines", KEEP, "Register a line.", api_add).takes::<LineBody>().gives::<LineAnswer>(),
        Route::api(Method::PUT, "/api/v1/lines/{id}", KEEP, "Change a line.", api_edit).takes::<LineContent>().gives::<LineAnswer>(),
        Route::api(Method::POST, "/api/v1/lines/{id}/end", KEEP, "End a line, with the sessions that run over it.", api_end).takes::<ReasonBody>().gives::<LineAnswer>(),
    ]
}

/// A line as it shall be registered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LineBody {
    /// Whose.
    vendor: VendorId,
    /// What is said of it.
    line: LineContent,
}

/// Why something ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    /// The reason.
    #[serde(default)]
    pub(super) reason: String,
}

/// A line, and how it stands at this moment.
#[derive(Serialize, JsonSchema)]
struct LineAnswer {
    /// The line.
    #[serde(flatten)]
    line: Line,
    /// How it stands.
    standing: Standing,
    /// The control that this follows from.
    control: String,
    /// True for an open network, on which devices prove themselves by certificate.
    open_network: bool,
}

fn answer(now: Timestamp, line: Line) -> LineAnswer {
    let verdict = line.verdict(now);
    LineAnswer { standing: verdict.standing, control: verdict.control.to_owned(), open_network: line.is_open(), line }
}

fn read(form: &Form) -> Result<LineContent, Stop> {
    let list = |field: &'static str| form.text(field).lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let bad = Stop::bad_field;
    let boundary = ["agreed_on", "agreed_by", "document"].iter().any(|field| !form.text(field).is_empty());
    let exception = ["exception_reason", "exception_by", "exception_until"].iter().any(|field| !form.text(field).is_empty());
    let date = |field: &str| Ok::<_, Stop>(form.date_opt(field)?.unwrap_or_default());
    Ok(LineContent {
        name: form.need("name")?.to_owned(),
        class: form.parse("class", LineClass::parse)?,
        carrier: form.text("carrier").to_owned(),
        addresses: list("addresses").into_iter().map(|text| Network::parse(text).ok_or_else(|| bad("addresses"))).collect::<Result<_, _>>()?,
        countries: form.text("countries").split([',', '、', ',', ' ', '\u{3000}', '\n', '\r']).filter(|text| !text.is_empty()).map(|text| Country::parse(text).ok_or_else(|| bad("countries"))).collect::<Result<_, _>>()?,
        other_routes: form.text("other_routes").replace("\r\n", "\n"),
        no_other_routes: form.has("no_other_routes"),
        boundary: if boundary { Some(Boundary { agreed_on: date("agreed_on")?, by: form.text("agreed_by").to_owned(), document: form.text("document").to_owned() }) } else { None },
        destinations_limited: form.text("destinations_limited") == "yes",
        route_managed: form.text("route_managed") == "yes",
        times: list("times").into_iter().map(|text| Hours::parse(text).ok_or_else(|| bad("times"))).collect::<Result<_, _>>()?,
        valid_from: form.parse_opt("valid_from", |text| parse_date(text).map(|day| Timestamp::from_jst(day, 0, 0)))?,
        valid_until: form.end_of_day_opt("valid_until")?,
        exception: if exception {
            Some(LineException { reason: form.text("exception_reason").to_owned(), approved_by: form.text("exception_by").to_owned(), until: date("exception_until")? })
        } else {
            None
        },
        note: form.text("note").replace("\r\n", "\n"),
    })
}

fn written(line: &Line) -> Form {
    let content = &line.content;
    let mut form = Form::of([("name", content.name.as_str()), ("class", content.class.as_str()), ("carrier", &content.carrier), ("other_routes", &content.other_routes), ("note", &content.note)]);
    form.push("vendor", line.vendor.as_str());
    form.push("addresses", content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    form.push("countries", content.countries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    form.push("times", content.times.iter().map(Hours::ja).collect::<Vec<_>>().join("\n"));
    if content.no_other_routes {
        form.push("no_other_routes", "1");
    }
    if content.class != LineClass::Undeclared {
        let answer = |yes: bool| if yes { "yes" } else { "no" };
        form.push("destinations_limited", answer(content.destinations_limited));
        form.push("route_managed", answer(content.route_managed));
    }
    if let Some(boundary) = &content.boundary {
        form.push("agreed_on", &boundary.agreed_on);
        form.push("agreed_by", &boundary.by);
        form.push("document", &boundary.document);
    }
    if let Some(exception) = &content.exception {
        form.push("exception_reason", &exception.reason);
        form.push("exception_by", &exception.approved_by);
        form.push("exception_until", &exception.until);
    }
    form.push("valid_from", content.valid_from.map(|from| sekisho_core::time::format_date(from.date())).unwrap_or_default());
    form.push("valid_until", content.valid_until.map(super::last_day).unwrap_or_default());
    form
}

/// A line for templates.
pub(super) fn row(ctx: &Ctx, line: &Line, vendors: &[Vendor]) -> Value {
    let ja = ctx.lang == Lang::Ja;
    let now = ctx.now();
    let (content, verdict) = (&line.content, line.verdict(now));
    let state = match (line.active, line.is_valid(now)) {
        (false, _) => "ended",
        (true, true) => "active",
        (true, false) => "waiting",
    };
    context! {
        id => line.id.as_str(),
        name => content.name.as_str(),
        vendor => vendors.iter().find(|vendor| vendor.id == line.vendor).map_or("", |vendor| vendor.name.as_str()),
        vendor_id => line.vendor.as_str(),
        class => if ja { content.class.ja() } else { content.class.en() },
        standing => verdict.standing.as_str(),
        standing_word => if ja { verdict.standing.ja() } else { verdict.standing.en() },
        standing_chip => match verdict.standing {
            Standing::Conforming | Standing::Conditional => "ok",
            Standing::Legacy | Standing::Exception => "difference",
            Standing::NotConforming => "incident",
        },
        why => if ja { verdict.ja } else { verdict.en },
        control => verdict.control,
        is_open => line.is_open(),
        tls12 => line.admits_tls12(now),
        undeclared => content.class == LineClass::Undeclared,
        addresses => content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        countries => content.countries.iter().map(ToString::to_string).collect::<Vec<_>>(),
        table => super::countries::state(ctx),
        times => content.times.iter().map(|hours| if ja { hours.ja() } else { hours.to_string() }).collect::<Vec<_>>(),
        is_in_times => line.is_in_times(now),
        content => value(content),
        valid_from => content.valid_from.map(|from| sekisho_core::time::format_date(from.date())),
        valid_until => content.valid_until.map(super::last_day),
        state,
    }
}

async fn vendors_of(ctx: &Ctx) -> Result<Vec<Vendor>, Stop> {
    // A duty clerk may read the register and not the ledger of vendors; the names are part of the register.
    Ok(ctx.store().road_vendors(ctx.actor()?).await?)
}

async fn rows(call: &Call) -> Result<Vec<Value>, Stop> {
    let ctx = &call.ctx;
    let vendors = vendors_of(ctx).await?;
    Ok(ctx.store().lines(ctx.actor()?).await?.iter().map(|line| row(ctx, line, &vendors)).collect())
}

async fn list(call: Call) -> Reply {
    let rows = rows(&call).await?;
    call.page("lines/list.html", "line.title", context! { rows, table => super::countries::state(&call.ctx), may_keep => call.ctx.may(Action::KeepLedger), may_read => call.ctx.may(Action::ReadLedger) })
}

async fn print(call: Call) -> Reply {
    let rows = rows(&call).await?;
    let now = call.ctx.now();
    let printed = if call.ctx.lang == Lang::Ja { now.era() } else { now.minute() };
    call.page("lines/print.html", "line.print_title", context! { rows, printed })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let line = ctx.store().line(ctx.actor()?, &call.id("id", LineId::parse)?).await?;
    let vendors = vendors_of(ctx).await?;
    let form = call.typed_or(Form::default());
    call.page_titled("lines/show.html", &line.content.name, context! { row => row(ctx, &line, &vendors), form => Value::from_object(form), may_keep => ctx.may(Action::KeepLedger) && line.active, may_read => ctx.may(Action::ReadLedger) })
}

fn classes(ctx: &Ctx) -> Vec<(&'static str, &'static str)> {
    let known = LineClass::ALL.into_iter().filter(|class| *class != LineClass::Undeclared);
    known.map(|class| (class.as_str(), if ctx.lang == Lang::Ja { class.ja() } else { class.en() })).collect()
}

async fn show_add(call: Call) -> Reply {
    let ctx = &call.ctx;
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    let vendors: Vec<(&str, &str)> = vendors.iter().filter(|vendor| vendor.active).map(|vendor| (vendor.id.as_str(), vendor.name.as_str())).collect();
    let form = call.typed_or(Form::of([("vendor", call.query().text("vendor"))]));
    call.page("lines/form.html", "line.add", context! { form => Value::from_object(form), id => (), name => "", vendors => value(vendors), classes => value(classes(ctx)) })
}

async fn add(call: Call) -> Reply {
    let vendor = call.form().parse("vendor", VendorId::parse)?;
    let line = call.ctx.store().add_line(call.ctx.actor()?, &vendor, read(call.form())?).await?;
    call.done(&format!("/lines/{}", line.id), "line.added")
}

async fn show_edit(call: Call) -> Reply {
    let ctx = &call.ctx;
    let line = ctx.store().line(ctx.actor()?, &call.id("id", LineId::parse)?).await?;
    if !line.active {
        return Err(Stop::not_found());
    }
    let form = call.typed_or(written(&line));
    call.page("lines/form.html", "line.edit", context! { form => Value::from_object(form), id => line.id.as_str(), name => line.content.name.as_str(), classes => value(classes(ctx)) })
}

async fn edit(call: Call) -> Reply {
    let id = call.id("id", LineId::parse)?;
    call.ctx.store().change_line(call.ctx.actor()?, &id, read(call.form())?).await?;
    call.done(&format!("/lines/{id}"), "line.changed")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", LineId::parse)?;
    let reason = call.form().need("reason")?;
    call.ctx.store().end_line(call.ctx.actor()?, &id, reason).await?;
    call.done(&format!("/lines/{id}"), "line.ended")
}

async fn api_list(call: Call) -> Reply {
    let now = call.ctx.now();
    let lines = call.ctx.store().lines(call.ctx.actor()?).await?;
    call.answer(&lines.into_iter().map(|line| answer(now, line)).collect::<Vec<_>>())
}

async fn api_show(call: Call) -> Reply {
    let line = call.ctx.store().line(call.ctx.actor()?, &call.id("id", LineId::parse)?).await?;
    call.answer(&answer(call.ctx.now(), line))
}

async fn api_add(call: Call) -> Reply {
    let LineBody { vendor, line } = call.json()?;
    let line = call.ctx.store().add_line(call.ctx.actor()?, &vendor, line).await?;
    call.answer(&answer(call.ctx.now(), line))
}

async fn api_edit(call: Call) -> Reply {
    let line = call.ctx.store().change_line(call.ctx.actor()?, &call.id("id", LineId::parse)?, call.json()?).await?;
    call.answer(&answer(call.ctx.now(), line))
}

async fn api_end(call: Call) -> Reply {
    let ReasonBody { reason } = call.json()?;
    let line = call.ctx.store().end_line(call.ctx.actor()?, &call.id("id", LineId::parse)?, &reason).await?;
    call.answer(&answer(call.ctx.now(), line))
}
