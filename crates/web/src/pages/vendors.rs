//! The ledger of vendors and subcontractors: until when the contract runs, by which lines and devices they come.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::VendorId;
use sekisho_core::people::{Subcontract, Vendor};
use sekisho_core::permission::Action;
use sekisho_core::line::Line;
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
    /// 24-hour contact.
    #[serde(default)]
    contact: String,
    /// End of the contract; Unix milliseconds.
    #[serde(default)]
    contract_until: Option<Timestamp>,
    /// Its row of the register of subcontractors; a subcontractor without one has no access.
    #[serde(default)]
    subcontract: Option<Subcontract>,
    /// False once the relation ended.
    active: bool,
}

impl VendorBody {
    fn read(form: &Form) -> Result<Self, Stop> {
        Ok(Self {
            name: form.need("name")?.to_owned(),
            subcontractor_of: form.parse_opt("subcontractor_of", VendorId::parse)?,
            contact: form.text("contact").to_owned(),
            contract_until: form.end_of_day_opt("contract_until")?,
            subcontract: subcontract(form)?,
            active: form.has("active"),
        })
    }

    fn show(vendor: &Vendor) -> Form {
        let mut form = Form::of([("name", vendor.name.as_str()), ("contact", &vendor.contact)]);
        form.push("subcontractor_of", vendor.subcontractor_of.as_ref().map_or("", |id| id.as_str()));
        form.push("contract_until", vendor.contract_until.map(super::last_day).unwrap_or_default());
        if let Some(row) = &vendor.subcontract {
            form.push("approved_by", &row.approved_by);
            for (field, date) in row.dates() {
                form.push(field, date);
            }
        }
        if vendor.active {
            form.push("active", "1");
        }
        form
    }

    fn ask(self) -> VendorAsk {
        let Self { name, subcontractor_of, contact, contract_until, active, subcontract } = self;
        VendorAsk { name, subcontractor_of, contact, contract_until, active, subcontract }
    }
}

/// The fields of the register of subcontractors: all of them, or none.
fn subcontract(form: &Form) -> Result<Option<Subcontract>, Stop> {
    const FIELDS: [&str; 5] = ["approved_on", "approved_by", "pledged_until", "trained_until", "subcontract_until"];
    if form.text("subcontractor_of").is_empty() || FIELDS.iter().all(|field| form.text(field).is_empty()) {
        return Ok(None);
    }
    let day = |field: &str| form.date_opt(field)?.ok_or_else(|| Stop::bad_field(field));
    Ok(Some(Subcontract {
        approved_on: day("approved_on")?,
        approved_by: form.need("approved_by")?.to_owned(),
        pledged_until: day("pledged_until")?,
        trained_until: day("trained_until")?,
        contract_until: day("subcontract_until")?,
    }))
}

/// A vendor's name, if the person may know it.
pub(super) async fn name(ctx: &Ctx, id: &VendorId) -> Option<String> {
    ctx.store().vendor(ctx.actor().ok()?, id).await.ok().map(|vendor| vendor.name)
}

fn row(ctx: &Ctx, vendor: &Vendor, all: &[Vendor], lines: &[Line]) -> Value {
    let now = ctx.now();
    let in_force = vendor.is_in_force(now);
    let principal = vendor.subcontractor_of.as_ref().and_then(|id| all.iter().find(|other| &other.id == id)).map(|other| other.name.as_str());
    let subcontractors: Vec<Value> =
        all.iter().filter(|other| other.subcontractor_of.as_ref() == Some(&vendor.id)).map(|other| context! { id => other.id.as_str(), name => other.name.as_str() }).collect();
    context! {
        vendor => value(vendor),
        principal,
        principal_id => vendor.subcontractor_of.as_ref().map(|id| id.as_str()),
        subcontractors,
        lines => lines.iter().filter(|line| line.vendor == vendor.id && line.active).map(|line| super::lines::row(ctx, line, &[])).collect::<Vec<_>>(),
        contract => vendor.contract_until.map(super::last_day),
        state => if in_force { "active" } else { "disabled" },
        subcontract => vendor.subcontract.as_ref().map(value),
        registered => vendor.subcontractor_of.is_none() || vendor.subcontract.as_ref().is_some_and(|row| row.is_in_force(now)),
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let all = ctx.store().vendors(ctx.actor()?).await?;
    let lines = ctx.store().lines(ctx.actor()?).await?;
    let rows: Vec<Value> = all.iter().map(|vendor| row(ctx, vendor, &all, &lines)).collect();
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
    let lines = ctx.store().lines(ctx.actor()?).await?;
    let devices = ctx.store().devices(ctx.actor()?).await?;
    let devices: Vec<Value> = devices.iter().filter(|device| device.vendor == vendor.id && device.active).map(|device| super::devices::row(ctx, device, &[], &[])).collect();
    call.page_titled("vendors/show.html", &vendor.name, context! { row => row(ctx, &vendor, &all, &lines), devices, persons, may_keep => ctx.may(Action::KeepLedger) })
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
