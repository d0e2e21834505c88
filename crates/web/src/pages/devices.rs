//! The register of devices (端末台帳): the machines from which workers come, and their checks.

mod certificates;

use super::lines::ReasonBody;
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::gate::credentials::fresh_factor;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::device::{Device, DeviceCheck, DeviceContent, DeviceKind, LOSS_SPAN};
use sekisho_core::ids::{DeviceId, PersonId, VendorId};
use sekisho_core::people::{Person, Role, Vendor};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_store::Denied;
use serde::Deserialize;
use std::net::IpAddr;

const READ: Access = Access::May(Action::ReadRoads);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);
const LOSS: Access = Access::May(Action::DeclareLoss);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    let mut all = vec![
        Route::page("/devices", READ, list),
        Route::page("/devices/new", may_keep, show_add),
        Route::form("/devices/new", KEEP, add).again(show_add),
        Route::page("/devices/{id}", READ, show),
        Route::page("/devices/{id}/edit", may_keep, show_edit),
        Route::form("/devices/{id}/edit", KEEP, edit).again(show_edit),
        Route::form("/devices/{id}/lost", LOSS, lost).again(show),
        Route::form("/devices/{id}/found", KEEP, found).again(show),
        Route::form("/devices/{id}/end", KEEP, end).again(show),
        Route::api(Method::GET, "/api/v1/devices", READ, "The register of devices.", api_list).gives::<Vec<Device>>(),
        Route::api(Method::GET, "/api/v1/devices/{id}", READ, "One device.", api_show).gives::<Device>(),
        Route::api(Method::POST, "/api/v1/devices", KEEP, "Register a device.", api_add).takes::<DeviceBody>().gives::<Device>(),
        Route::api(Method::PUT, "/api/v1/devices/{id}", KEEP, "Change a device, for instance after its check.", api_edit).takes::<DeviceContent>().gives::<Device>(),
        Route::api(Method::POST, "/api/v1/devices/{id}/lost", LOSS, "Declare a device lost; its sessions end at once.", api_lost).takes::<ReasonBody>().gives::<Device>(),
        Route::api(Method::POST, "/api/v1/devices/{id}/found", KEEP, "Take a loss back that was declared within a day. The device is enrolled anew.", api_found).takes::<ReasonBody>().gives::<Device>(),
        Route::api(Method::POST, "/api/v1/devices/{id}/end", KEEP, "Take a device out of service, with its sessions.", api_end).takes::<ReasonBody>().gives::<Device>(),
    ];
    all.extend(certificates::routes());
    all
}

/// A device as it shall be registered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeviceBody {
    /// Whose.
    vendor: VendorId,
    /// What is said of it.
    device: DeviceContent,
}

fn read(form: &Form) -> Result<DeviceContent, Stop> {
    let addresses = form.text("addresses").lines().map(str::trim).filter(|line| !line.is_empty());
    let checked = ["checked_on", "checked_until", "checked_by"].iter().any(|field| !form.text(field).is_empty());
    let date = |field: &str| Ok::<_, Stop>(form.date_opt(field)?.unwrap_or_default());
    let found = |what: &str| form.all("found").contains(&what);
    Ok(DeviceContent {
        name: form.need("name")?.to_owned(),
        kind: form.parse("kind", DeviceKind::parse)?,
        asset: form.text("asset").to_owned(),
        os: form.text("os").to_owned(),
        serial: form.text("serial").to_owned(),
        persons: form.all("persons").into_iter().map(|id| PersonId::parse(id).ok_or_else(|| Stop::bad_field("persons"))).collect::<Result<_, _>>()?,
        addresses: addresses.map(|text| text.parse::<IpAddr>().map_err(|_| Stop::bad_field("addresses"))).collect::<Result<_, _>>()?,
        check: if checked {
            Some(DeviceCheck {
                on: date("checked_on")?,
                until: date("checked_until")?,
                by: form.text("checked_by").to_owned(),
                protection: found("protection"),
                updates: found("updates"),
                usb_restricted: found("usb_restricted"),
            })
        } else {
            None
        },
        note: form.text("note").replace("\r\n", "\n"),
    })
}

fn written(device: &Device) -> Form {
    let content = &device.content;
    let mut form = Form::of([
        ("name", content.name.as_str()),
        ("kind", content.kind.as_str()),
        ("asset", &content.asset),
        ("os", &content.os),
        ("serial", &content.serial),
        ("note", &content.note),
        ("vendor", device.vendor.as_str()),
    ]);
    form.push("addresses", content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    content.persons.iter().for_each(|id| form.push("persons", id.as_str()));
    if let Some(check) = &content.check {
        form.push("checked_on", &check.on);
        form.push("checked_until", &check.until);
        form.push("checked_by", &check.by);
        for (yes, what) in [(check.protection, "protection"), (check.updates, "updates"), (check.usb_restricted, "usb_restricted")] {
            if yes {
                form.push("found", what);
            }
        }
    }
    form
}

/// A device for templates.
pub(super) fn row(ctx: &Ctx, device: &Device, vendors: &[Vendor], persons: &[Person]) -> Value {
    let content = &device.content;
    let state = match (device.lost_at, device.active) {
        (Some(_), _) => "lost",
        (None, false) => "ended",
        (None, true) => "active",
    };
    let name_of = |id: &PersonId| persons.iter().find(|person| person.id == *id).map_or_else(|| id.to_string(), |person| person.name.clone());
    context! {
        id => device.id.as_str(),
        name => content.name.as_str(),
        vendor => vendors.iter().find(|vendor| vendor.id == device.vendor).map_or("", |vendor| vendor.name.as_str()),
        vendor_id => device.vendor.as_str(),
        content => value(content),
        kind => ctx.t(&format!("device.kind_{}", content.kind.as_str())),
        persons => content.persons.iter().map(name_of).collect::<Vec<_>>(),
        addresses => content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        is_checked => device.is_checked(ctx.now()),
        lost_at => device.lost_at.map(sekisho_core::time::Timestamp::minute),
        state,
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let vendors = ctx.store().road_vendors(ctx.actor()?).await?;
    let rows: Vec<Value> = ctx.store().devices(ctx.actor()?).await?.iter().map(|device| row(ctx, device, &vendors, &[])).collect();
    call.page("devices/list.html", "device.title", context! { rows, may_keep => ctx.may(Action::KeepLedger) })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let device = ctx.store().device(ctx.actor()?, &call.id("id", DeviceId::parse)?).await?;
    let vendors = ctx.store().road_vendors(ctx.actor()?).await?;
    let persons = ctx.store().road_workers(ctx.actor()?, &device.vendor).await?;
    let form = call.typed_or(Form::default());
    let context = context! {
        row => row(ctx, &device, &vendors, &persons),
        form => Value::from_object(form),
        may_keep => ctx.may(Action::KeepLedger) && device.active,
        may_lose => ctx.may(Action::DeclareLoss) && device.lost_at.is_none(),
        may_find => ctx.may(Action::KeepLedger) && device.lost_at.is_some_and(|at| ctx.now() < at.plus(LOSS_SPAN)),
    };
    call.page_titled("devices/show.html", &device.content.name, context)
}

/// The workers whom a form offers: those of the vendor.
async fn workers(ctx: &Ctx, vendor: Option<&VendorId>) -> Result<Vec<(String, String)>, Stop> {
    let Some(vendor) = vendor else { return Ok(Vec::new()) };
    let persons = ctx.store().road_workers(ctx.actor()?, vendor).await?;
    Ok(persons.into_iter().filter(|person| person.active && person.is(Role::Worker)).map(|person| (person.id.to_string(), person.name)).collect())
}

fn kinds(ctx: &Ctx) -> Vec<(&'static str, String)> {
    DeviceKind::ALL.into_iter().map(|kind| (kind.as_str(), ctx.t(&format!("device.kind_{}", kind.as_str())))).collect()
}

fn findings(ctx: &Ctx) -> Vec<(&'static str, String)> {
    ["protection", "updates", "usb_restricted"].into_iter().map(|what| (what, ctx.t(&format!("device.found_{what}")))).collect()
}

async fn form_page(call: &Call, title: &str, form: Form, device: Option<&Device>, vendor: Option<&VendorId>) -> Reply {
    let ctx = &call.ctx;
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    let vendors: Vec<(&str, &str)> = vendors.iter().filter(|vendor| vendor.active).map(|vendor| (vendor.id.as_str(), vendor.name.as_str())).collect();
    let list = |field: &str| form.all(field).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let context = context! {
        id => device.map(|device| device.id.as_str()),
        name => device.map_or("", |device| device.content.name.as_str()),
        vendors => value(vendors),
        workers => value(workers(ctx, vendor).await?),
        chosen => list("persons"),
        found => list("found"),
        kinds => value(kinds(ctx)),
        findings => value(findings(ctx)),
        form => Value::from_object(form),
    };
    call.page("devices/form.html", title, context)
}

async fn show_add(call: Call) -> Reply {
    let form = call.typed_or(Form::of([("vendor", call.query().text("vendor")), ("kind", "notebook")]));
    let vendor = VendorId::parse(form.text("vendor"));
    form_page(&call, "device.add", form, None, vendor.as_ref()).await
}

async fn add(call: Call) -> Reply {
    let vendor = call.form().parse("vendor", VendorId::parse)?;
    let device = call.ctx.store().add_device(call.ctx.actor()?, &vendor, read(call.form())?).await?;
    call.done(&format!("/devices/{}", device.id), "device.added")
}

async fn show_edit(call: Call) -> Reply {
    let device = call.ctx.store().device(call.ctx.actor()?, &call.id("id", DeviceId::parse)?).await?;
    if !device.active {
        return Err(Stop::not_found());
    }
    let form = call.typed_or(written(&device));
    form_page(&call, "device.edit", form, Some(&device), Some(&device.vendor)).await
}

async fn edit(call: Call) -> Reply {
    let id = call.id("id", DeviceId::parse)?;
    call.ctx.store().change_device(call.ctx.actor()?, &id, read(call.form())?).await?;
    call.done(&format!("/devices/{id}"), "device.changed")
}

/// Declares a loss; beyond the few that one person may have in a day, with the fresh factor that comes along.
async fn lose(call: &Call, id: &DeviceId, reason: &str) -> Result<Device, Stop> {
    match call.ctx.store().lose_device(call.ctx.actor()?, id, reason).await {
        Err(Denied::Refusal(Refusal::StepUpNeeded)) => {}
        done => return Ok(done?),
    }
    if !call.ctx.is_fresh() {
        fresh_factor(call).await?;
    }
    Ok(call.ctx.store().lose_another_device(call.ctx.login()?, id, reason).await?)
}

async fn found(call: Call) -> Reply {
    let id = call.id("id", DeviceId::parse)?;
    call.ctx.store().find_device_again(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done(&format!("/devices/{id}"), "device.was_found")
}

async fn lost(call: Call) -> Reply {
    let id = call.id("id", DeviceId::parse)?;
    lose(&call, &id, call.form().text("reason")).await?;
    call.done(&format!("/devices/{id}"), "device.was_lost")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", DeviceId::parse)?;
    let reason = call.form().need("reason")?;
    call.ctx.store().end_device(call.ctx.actor()?, &id, reason).await?;
    call.done(&format!("/devices/{id}"), "device.ended")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().devices(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().device(call.ctx.actor()?, &call.id("id", DeviceId::parse)?).await?)
}

async fn api_add(call: Call) -> Reply {
    let DeviceBody { vendor, device } = call.json()?;
    call.answer(&call.ctx.store().add_device(call.ctx.actor()?, &vendor, device).await?)
}

async fn api_edit(call: Call) -> Reply {
    call.answer(&call.ctx.store().change_device(call.ctx.actor()?, &call.id("id", DeviceId::parse)?, call.json()?).await?)
}

async fn api_lost(call: Call) -> Reply {
    let ReasonBody { reason } = call.json()?;
    call.answer(&lose(&call, &call.id("id", DeviceId::parse)?, &reason).await?)
}

async fn api_found(call: Call) -> Reply {
    let ReasonBody { reason } = call.json()?;
    call.answer(&call.ctx.store().find_device_again(call.ctx.actor()?, &call.id("id", DeviceId::parse)?, &reason).await?)
}

async fn api_end(call: Call) -> Reply {
    let ReasonBody { reason } = call.json()?;
    call.answer(&call.ctx.store().end_device(call.ctx.actor()?, &call.id("id", DeviceId::parse)?, &reason).await?)
}
