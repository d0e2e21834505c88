//! How logs tell of a target: by which addresses sensors name it, and whether it has a log of its own at all.

use super::{KEEP, KEEP_READ, find};
use crate::call::Call;
use crate::form::Form;
use crate::routes::Route;
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::TargetId;
use sekisho_core::target::{Target, TargetLogs};
use sekisho_store::KnownFrom;
use serde::Deserialize;
use std::net::IpAddr;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/targets/{id}/logs", KEEP_READ, show),
        Route::form("/targets/{id}/logs", KEEP, keep).again(show),
        Route::api(Method::PUT, "/api/v1/targets/{id}/logs", KEEP, "Say by which further addresses a target is known, and whether it has a log of its own.", api_keep).takes::<LogsBody>().gives::<Target>(),
    ]
}

/// How logs tell of a target.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogsBody {
    /// What holds from here on.
    logs: TargetLogs,
    /// Why; needed to say that it has none.
    #[serde(default)]
    reason: String,
}

/// The known addresses, each with where it is known from and since when it was not seen.
pub(super) async fn addresses(call: &Call, id: &TargetId) -> Result<Vec<Value>, Stop> {
    let known = call.ctx.store().addresses_of_target(call.ctx.actor()?, id).await?;
    let row = |(address, from): (IpAddr, KnownFrom)| {
        let (word, at) = match from {
            KnownFrom::Registered => ("registered", None),
            KnownFrom::Dialled { at } => ("dialled", Some(at.0)),
        };
        context! { address => address.to_string(), from => word, at }
    };
    Ok(known.into_iter().map(row).collect())
}

async fn show(call: Call) -> Reply {
    let found = find(&call).await?;
    let logs = &found.target.logs;
    let own: Vec<String> = logs.addresses.iter().map(ToString::to_string).collect();
    let mut form = Form::of([("addresses", own.join("\n").as_str())]);
    if logs.none {
        form.push("none", "1");
    }
    let form = call.typed_or(form);
    let addresses = addresses(&call, &found.target.id).await?;
    let context = context! { form => Value::from_object(form), id => found.target.id.as_str(), name => found.target.title.as_str(), addresses };
    call.page("targets/logs.html", "target.logs", context)
}

async fn keep(call: Call) -> Reply {
    let (id, form) = (call.id("id", TargetId::parse)?, call.form());
    let words = form.text("addresses").split([',', ' ', '\n', '\r', '\t', '\u{3000}', '、']).filter(|word| !word.is_empty());
    let addresses = words.map(|word| word.parse::<IpAddr>().map_err(|_| Stop::bad_field("addresses"))).collect::<Result<_, _>>()?;
    let logs = TargetLogs { addresses, none: form.has("none") };
    call.ctx.store().set_target_logs(call.ctx.actor()?, &id, logs, form.text("reason")).await?;
    call.done(&format!("/targets/{id}"), "target.changed")
}

async fn api_keep(call: Call) -> Reply {
    let LogsBody { logs, reason } = call.json()?;
    let id = call.id("id", TargetId::parse)?;
    call.answer(&call.ctx.store().set_target_logs(call.ctx.actor()?, &id, logs, &reason).await?)
}
