//! 国の表: the table by which the country of a source is told, as files that a person brings.

use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::country::{Place, Reading};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_store::{Countries, read_countries};
use serde::Serialize;
use std::net::IpAddr;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);
/// The files and what a form puts around them.
const BODY: usize = limits::COUNTRY_FILE_BYTES + 64 * 1024;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/lines/countries", READ, show),
        Route::form("/lines/countries", KEEP, take).up_to(BODY).again(show),
        Route::page("/lines/countries/table", READ, table),
        Route::api(Method::GET, "/api/v1/countries", READ, "What is known of the table of countries.", api_show).gives::<CountriesAnswer>(),
    ]
}

/// The table of countries as it is known.
#[derive(Serialize, JsonSchema)]
struct CountriesAnswer {
    /// False while there is none: lines that ask for countries then let nobody in from outside.
    present: bool,
    /// SHA-256 of the table as it is given out, hex.
    digest: String,
    /// The registries that it is of.
    registries: Vec<String>,
    /// Date of the data, `YYYY-MM-DD`.
    dated: String,
    /// Whole days since then.
    age_days: u64,
    /// Older than a table should be.
    old: bool,
    /// Rows that named a country.
    rows: usize,
    /// Places that rows gave to different countries; they belong to none.
    conflicts: usize,
}

/// The state of the table as other pages tell it: `none`, `old` or `fresh`.
pub(super) fn state(ctx: &Ctx) -> &'static str {
    match ctx.store().countries_are_old() {
        None => "none",
        Some(true) => "old",
        Some(false) => "fresh",
    }
}

fn known(ctx: &Ctx, kept: &Countries) -> Value {
    let now = ctx.now();
    context! {
        digest => kept.digest.as_str(),
        registries => kept.registries.iter().map(|name| name.to_ascii_uppercase()).collect::<Vec<_>>().join(", "),
        dated => kept.dated.as_str(),
        age => kept.age_days(now),
        old => kept.is_old(now),
        rows => kept.rows,
        spans => kept.v4 + kept.v6,
        v4 => kept.v4,
        v6 => kept.v6,
        conflicts => kept.conflicts,
        missing => kept.missing,
        taken_at => kept.taken_at.0,
        taken_by => kept.taken_by.as_str(),
    }
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let kept = ctx.store().countries(actor)?;
    let asked = call.query().text("address").trim();
    let looked = match asked.parse::<IpAddr>() {
        Ok(address) => Some(match ctx.store().look_up_country(actor, address)? {
            Place::In(country) => country.to_string(),
            Place::Inner => ctx.t("countries.inner"),
            Place::Unlisted => ctx.t("countries.unlisted"),
            Place::NoTable => ctx.t("countries.no_table"),
        }),
        Err(_) if asked.is_empty() => None,
        Err(_) => Some(ctx.t("countries.no_address")),
    };
    let form = call.typed_or(Form::default());
    let lines = ctx.store().lines(actor).await?;
    let asking = lines.iter().filter(|line| line.active && !line.content.countries.is_empty()).count();
    call.page(
        "lines/countries.html",
        "countries.title",
        context! {
            kept => kept.as_ref().map(|kept| known(ctx, kept)),
            form => Value::from_object(form),
            asked,
            looked,
            asking,
            most => limits::COUNTRY_FILE_BYTES,
            oldest => limits::COUNTRY_AGE_DAYS,
            today => sekisho_core::time::format_date(ctx.now().date()),
            may_keep => ctx.may(Action::KeepLedger),
        },
    )
}

async fn take(call: Call) -> Reply {
    let files: Vec<_> = call.form().files().iter().filter(|file| file.field == "files").map(|file| file.bytes.clone()).collect();
    if files.is_empty() {
        return Err(Stop::bad_field("files"));
    }
    let dated = call.form().date_opt("dated")?.unwrap_or_default();
    // A second or two of work for the files of all registries, beside the threads that answer.
    let reading = tokio::task::spawn_blocking(move || -> Result<Reading, Refusal> { read_countries(&files.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>()) });
    let reading = reading.await.map_err(|lost| Stop::Fault(format!("the files of the table of countries: {lost}")))??;
    call.ctx.store().take_countries(call.ctx.actor()?, reading, &dated).await?;
    call.done("/lines/countries", "countries.taken")
}

async fn table(call: Call) -> Reply {
    let text = call.ctx.store().countries_csv(call.ctx.actor()?)?;
    download("countries.csv", "text/csv; charset=utf-8", text)
}

async fn api_show(call: Call) -> Reply {
    let kept = call.ctx.store().countries(call.ctx.actor()?)?;
    let now = call.ctx.now();
    call.answer(&CountriesAnswer {
        present: kept.is_some(),
        age_days: kept.as_ref().map_or(0, |kept| kept.age_days(now)),
        old: kept.as_ref().is_some_and(|kept| kept.is_old(now)),
        digest: kept.as_ref().map(|kept| kept.digest.clone()).unwrap_or_default(),
        registries: kept.as_ref().map(|kept| kept.registries.clone()).unwrap_or_default(),
        dated: kept.as_ref().map(|kept| kept.dated.clone()).unwrap_or_default(),
        rows: kept.as_ref().map_or(0, |kept| kept.rows),
        conflicts: kept.as_ref().map_or(0, |kept| kept.conflicts),
    })
}
