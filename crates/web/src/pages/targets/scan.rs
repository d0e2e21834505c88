//! Looking at the host keys that an address shows, and pinning those that a person has compared.

use super::{KEEP, TargetBody, fingerprint, vendors};
use crate::call::Call;
use crate::form::Form;
use crate::routes::Route;
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::TargetId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Keys of one look that a form carries along; a server has one of each kind.
const SEEN: usize = 8;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::form("/targets/new/scan", KEEP, for_new).again(for_new_again),
        Route::form("/targets/{id}/edit/scan", KEEP, for_edit).again(for_edit_again),
        Route::api(Method::POST, "/api/v1/host-keys", KEEP, "Look at the host keys that an address shows. Compare their fingerprints before pinning.", api_scan).takes::<ScanBody>().gives::<Vec<SeenKey>>(),
    ]
}

/// Where to look.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScanBody {
    /// Host name or address.
    host: String,
    /// TCP port.
    port: u16,
}

/// A host key that was shown.
#[derive(Serialize, JsonSchema)]
struct SeenKey {
    /// OpenSSH line, for pinning.
    line: String,
    /// SHA-256 fingerprint, for comparing.
    fingerprint: String,
}

/// Looks, and adds what was seen to the form as fields that stay with it.
pub(super) async fn look(call: &Call, host: &str, port: u16) -> Result<Form, Stop> {
    let probe = Arc::clone(&call.ctx.house.settings.probe);
    let lines = call.ctx.store().see_host_keys(call.ctx.actor()?, host, port, probe).await?;
    let typed = call.form().typed();
    let mut form = Form::of(typed.pairs().iter().filter(|(name, _)| name != "seen" && name != "compared").cloned());
    for line in lines.iter().take(SEEN) {
        form.push("seen", line.as_str());
    }
    Ok(form)
}

/// The keys that a form carries along, for choosing.
pub(super) fn seen(form: &Form) -> Vec<Value> {
    let chosen = form.all("seen_key");
    let keys = form.all("seen").into_iter().take(SEEN).filter_map(fingerprint);
    keys.map(|key| context! { chosen => chosen.contains(&key.line.as_str()), line => key.line.as_str(), algorithm => key.algorithm.as_str(), print => key.print.as_str() }).collect()
}

/// The keys that were chosen. Whoever chooses one says that it was compared.
pub(super) fn chosen(form: &Form) -> Result<Vec<String>, Stop> {
    let lines = form.all("seen_key");
    if !lines.is_empty() && !form.has("compared") {
        return Err(Stop::bad_field("compared"));
    }
    lines.into_iter().map(|line| fingerprint(line).map(|key| key.line).ok_or_else(|| Stop::bad_field("host_keys"))).collect()
}

pub(super) fn port_of(form: &Form) -> Result<u16, Stop> {
    form.parse("port", |text| text.parse().ok().filter(|port| *port != 0))
}

async fn shown(call: &Call, form: Form, id: Option<&TargetId>) -> Reply {
    let title = if id.is_some() { "target.edit" } else { "target.add" };
    let name = form.text("title").to_owned();
    let context = context! { seen => seen(&form), form => Value::from_object(form), id => id.map(TargetId::as_str), name, vendors => vendors(&call.ctx).await? };
    call.page("targets/form.html", title, context)
}

async fn for_new(call: Call) -> Reply {
    let form = look(&call, call.form().need("host")?, port_of(call.form())?).await?;
    shown(&call, form, None).await
}

async fn for_new_again(call: Call) -> Reply {
    shown(&call, call.form().typed(), None).await
}

async fn for_edit(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let form = look(&call, call.form().need("host")?, port_of(call.form())?).await?;
    shown(&call, form, Some(&id)).await
}

async fn for_edit_again(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    shown(&call, call.form().typed(), Some(&id)).await
}

async fn api_scan(call: Call) -> Reply {
    let ScanBody { host, port } = call.json()?;
    let probe = Arc::clone(&call.ctx.house.settings.probe);
    let lines = call.ctx.store().see_host_keys(call.ctx.actor()?, &host, port, probe).await?;
    let keys: Vec<SeenKey> = lines.into_iter().filter_map(|line| fingerprint(&line).map(|key| SeenKey { line: key.line, fingerprint: key.print })).collect();
    call.answer(&keys)
}

impl TargetBody {
    /// What the form says, the chosen keys with the pasted ones.
    pub(super) fn read_all(form: &Form) -> Result<Self, Stop> {
        let mut body = Self::read(form)?;
        for line in chosen(form)? {
            if !body.host_keys.contains(&line) {
                body.host_keys.push(line);
            }
        }
        Ok(body)
    }
}

/// What a template needs to show keys that were seen.
pub(super) fn with_seen(form: Form) -> (Value, Value) {
    let keys = value(seen(&form));
    (keys, Value::from_object(form))
}
