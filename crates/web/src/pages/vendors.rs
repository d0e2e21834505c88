//! The ledger of vendors and subcontractors: where their workers may come from, until when the contract runs.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::VendorId;
use sekisho_core::people::Vendor;
use sekisho_core::permission::Action;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sekisho_store::VendorAsk;
use serde::Deserialize;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/vendors", READ, list),
        Route::page("/vendors/new", may_keep, show_add),
        Route::form("/vendors/new", KEEP, add).again(show_add),
        Route::page("/vendors/{id}", READ, show),
        Route::page("/vendors/{id}/edit", may_keep, show_edit),
        Route::form("/vendors/{id}/edit", KEEP, edit).again(show_edit),
        Route::api(Method::GET, "/api/v1/vendors", READ, "The ledger of vendors.", api_list).gives::<Vec<Vendor>>(),
        Route::api(Method::GET, "/api/v1/vendors/{id}", READ, "One vendor.", api_show).gives::<Vendor>(),
        Route::api(Method::POST, "/api/v1/vendors", KEEP, "Register a vendor.", api_add).takes::<VendorBody>().gives::<Vendor>(),
        Route::api(Method::PUT, "/api/v1/vendors/{id}", KEEP, "Change a vendor.", api_edit).takes::<VendorBody>().gives::<Vendor>(),
    ]
}

/// What a vendor's entry says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VendorBody {
    /// Registered company name.
    name: String,
    /// The vendor on whose behalf a subcontractor works.
    #[serde(default)]
    subcontractor_of: Option<VendorId>,
    /// Networks its workers may come from, such as `192.0.2.0/24`.
    #[serde(default)]
    sources: Vec<Network>,
    /// 24-hour contact.
    #[serde(default)]
    contact: String,
    /// End of the contract; Unix milliseconds.
    #[serde(default)]
    contract_until: Option<Timestamp>,
    /// False once the relation ended.
    active: bool,
}

impl VendorBody {
    fn read(form: &Form) -> Result<Self, Stop> {
        let lines = form.text("sources").lines().map(str::trim).filter(|line| !line.is_empty());
        let sources = lines.map(|line| Network::parse(line).ok_or_else(|| Stop::bad_field("sources"))).collect::<Result<_, _>>()?;
        Ok(Self {
            name: form.need("name")?.to_owned(),
            subcontractor_of: form.parse_opt("subcontractor_of", VendorId::parse)?,
            sources,
            contact: form.text("contact").to_owned(),
            contract_until: form.end_of_day_opt("contract_until")?,
            active: form.has("active"),
        })
    }

    fn show(vendor: &Vendor) -> Form {
        let sources: Vec<String> = vendor.sources.iter().map(ToString::to_string).collect();
        let mut form = Form::of([("name", vendor.name.as_str()), ("contact", &vendor.contact)]);
        form.push("subcontractor_of", vendor.subcontractor_of.as_ref().map_or("", |id| id.as_str()));
        form.push("sources", sources.join("\n"));
        form.push("contract_until", vendor.contract_until.map(super::last_day).unwrap_or_default());
        if vendor.active {
            form.push("active", "1");
        }
        form
    }

    fn ask(self) -> VendorAsk {
        let Self { name, subcontractor_of, sources, contact, contract_until, active } = self;
        VendorAsk { name, subcontractor_of, sources, contact, contract_until, active }
    }
}

/// A vendor's name, if the person may know it.
pub(super) async fn name(ctx: &Ctx, id: &VendorId) -> Option<String> {
    ctx.store().vendor(ctx.actor().ok()?, id).await.ok().map(|vendor| vendor.name)
}

fn row(ctx: &Ctx, vendor: &Vendor, all: &[Vendor]) -> Value {
    let now = ctx.now();
    let in_force = vendor.active && vendor.contract_until.is_none_or(|end| now < end);
    let principal = vendor.subcontractor_of.as_ref().and_then(|id| all.iter().find(|other| &other.id == id)).map(|other| other.name.as_str());
    let subcontractors: Vec<Value> =
        all.iter().filter(|other| other.subcontractor_of.as_ref() == Some(&vendor.id)).map(|other| context! { id => other.id.as_str(), name => other.name.as_str() }).collect();
    context! {
        vendor => value(vendor),
        principal,
        principal_id => vendor.subcontractor_of.as_ref().map(|id| id.as_str()),
        subcontractors,
        sources => vendor.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        contract => vendor.contract_until.map(super::last_day),
        state => if in_force { "active" } else { "disabled" },
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let all = ctx.store().vendors(ctx.actor()?).await?;
    let rows: Vec<Value> = all.iter().map(|vendor| row(ctx, vendor, &all)).collect();
    call.page("vendors/list.html", "vendor.title", context! { rows, may_keep => ctx.may(Action::KeepLedger) })
}

async fn find(call: &Call) -> Result<(Vendor, Vec<Vendor>), Stop> {
    let id = call.id("id", VendorId::parse)?;
    let all = call.ctx.store().vendors(call.ctx.actor()?).await?;
    let found = all.iter().find(|vendor| vendor.id == id).cloned().ok_or_else(Stop::not_found)?;
    Ok((found, all))
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (vendor, all) = find(&call).await?;
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let persons: Vec<Value> = persons
        .iter()
        .filter(|row| row.person.vendor.as_ref() == Some(&vendor.id))
        .map(|row| context! { id => row.person.id.as_str(), name => row.person.name.as_str(), is_ready => row.person.is_ready_for_work(ctx.now()), active => row.person.may_act(ctx.now()) })
        .collect();
    call.page_titled("vendors/show.html", &vendor.name, context! { row => row(ctx, &vendor, &all), persons, may_keep => ctx.may(Action::KeepLedger) })
}

/// Vendors on whose behalf another can work; a subcontractor of a subcontractor names the first vendor.
fn principals(all: &[Vendor], own: Option<&VendorId>) -> Value {
    let pairs: Vec<(String, String)> =
        all.iter().filter(|vendor| Some(&vendor.id) != own).map(|vendor| (vendor.id.to_string(), vendor.name.clone())).collect();
    value(pairs)
}

async fn show_add(call: Call) -> Reply {
    let all = call.ctx.store().vendors(call.ctx.actor()?).await?;
    let form = call.typed_or(Form::of([("active", "1")]));
    call.page("vendors/form.html", "vendor.add", context! { form => Value::from_object(form), id => (), name => "", principals => principals(&all, None) })
}

async fn add(call: Call) -> Reply {
    let vendor = call.ctx.store().add_vendor(call.ctx.actor()?, VendorBody::read(call.form())?.ask()).await?;
    call.done(&format!("/vendors/{}", vendor.id), "vendor.added")
}

async fn show_edit(call: Call) -> Reply {
    let (vendor, all) = find(&call).await?;
    let form = call.typed_or(VendorBody::show(&vendor));
    let context = context! { form => Value::from_object(form), id => vendor.id.as_str(), name => vendor.name.as_str(), principals => principals(&all, Some(&vendor.id)) };
    call.page("vendors/form.html", "vendor.edit", context)
}

async fn edit(call: Call) -> Reply {
    let id = call.id("id", VendorId::parse)?;
    call.ctx.store().change_vendor(call.ctx.actor()?, &id, VendorBody::read(call.form())?.ask()).await?;
    call.done(&format!("/vendors/{id}"), "vendor.changed")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().vendors(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    let id = call.id("id", VendorId::parse)?;
    call.answer(&call.ctx.store().vendor(call.ctx.actor()?, &id).await?)
}

async fn api_add(call: Call) -> Reply {
    let body: VendorBody = call.json()?;
    call.answer(&call.ctx.store().add_vendor(call.ctx.actor()?, body.ask()).await?)
}

async fn api_edit(call: Call) -> Reply {
    let id = call.id("id", VendorId::parse)?;
    let body: VendorBody = call.json()?;
    call.answer(&call.ctx.store().change_vendor(call.ctx.actor()?, &id, body.ask()).await?)
}
