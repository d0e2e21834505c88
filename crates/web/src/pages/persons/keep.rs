//! Registering, changing, disabling and re-enrolling persons.

use super::{PersonAnswer, find};
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{PersonId, VendorId};
use sekisho_core::people::{Person, Role, check_login_name};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_store::{EnrolmentLink, NewPerson, PersonChange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

pub(super) fn routes() -> Vec<Route> {
    let read = Access::May(Action::KeepLedger);
    vec![
        Route::page("/persons/new", read, show_add),
        Route::form("/persons/new", KEEP, add).again(show_add),
        Route::page("/persons/{id}/edit", read, show_edit),
        Route::form("/persons/{id}/edit", KEEP, edit).again(show_edit),
        Route::page("/persons/{id}/reset", read, show_reset),
        Route::form("/persons/{id}/reset", KEEP, reset).again(show_reset),
        Route::api(Method::POST, "/api/v1/persons", KEEP, "Register a person; gives their one-time enrolment link.", api_add).takes::<PersonAsk>().gives::<PersonAdded>(),
        Route::api(Method::PUT, "/api/v1/persons/{id}", KEEP, "Change or disable a person.", api_edit).takes::<PersonAsk>().gives::<PersonAnswer>(),
        Route::api(Method::POST, "/api/v1/persons/{id}/reset", KEEP, "Issue a new enrolment link after loss of a factor.", api_reset).takes::<ResetAsk>().gives::<Link>(),
    ]
}

/// A person to register, or what an entry is to become.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PersonAsk {
    /// Login name; given when the person is registered, and never changed.
    #[serde(default)]
    login: String,
    /// Family name first.
    name: String,
    /// The vendor; none for the hospital's own staff. Given when the person is registered, and never changed.
    #[serde(default)]
    vendor: Option<VendorId>,
    /// Department or section.
    #[serde(default)]
    department: String,
    /// Mail address.
    #[serde(default)]
    mail: String,
    /// Telephone.
    #[serde(default)]
    phone: String,
    /// Roles.
    roles: BTreeSet<Role>,
    /// End of contract or appointment; Unix milliseconds.
    #[serde(default)]
    valid_until: Option<Timestamp>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pledged_until: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    trained_until: Option<String>,
    /// False disables: logins, keys and running sessions end at once.
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

/// A one-time link.
#[derive(Serialize, JsonSchema)]
struct Link {
    /// The address. It is given here and never again.
    url: String,
    /// Until when it works.
    expires_at: Timestamp,
}

impl From<EnrolmentLink> for Link {
    fn from(link: EnrolmentLink) -> Self {
        Self { url: link.url.expose().to_owned(), expires_at: link.expires_at }
    }
}

/// A registered person with their link.
#[derive(Serialize, JsonSchema)]
struct PersonAdded {
    /// The entry.
    person: Person,
    /// For the person, by a way on which only they receive it.
    enrolment: Link,
}

/// Why a person is enrolled again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResetAsk {
    /// How the identity was checked, and why.
    reason: String,
}

impl PersonAsk {
    fn read(form: &Form) -> Result<Self, Stop> {
        let roles = form.all("roles").into_iter().map(|text| Role::parse(text).ok_or_else(|| Stop::bad_field("roles"))).collect::<Result<_, _>>()?;
        Ok(Self {
            login: form.text("login").to_owned(),
            name: form.need("name")?.to_owned(),
            vendor: form.parse_opt("vendor", VendorId::parse)?,
            department: form.text("department").to_owned(),
            mail: form.text("mail").to_owned(),
            phone: form.text("phone").to_owned(),
            roles,
            valid_until: form.end_of_day_opt("valid_until")?,
            pledged_until: form.date_opt("pledged_until")?,
            trained_until: form.date_opt("trained_until")?,
            active: form.has("active"),
        })
    }

    fn show(person: &Person) -> Form {
        let mut form = Form::of([("name", person.name.as_str()), ("department", &person.department), ("mail", &person.mail), ("phone", &person.phone)]);
        form.push("vendor", person.vendor.as_ref().map_or("", |id| id.as_str()));
        for role in &person.roles {
            form.push("roles", role.as_str());
        }
        // The moment is the midnight after the last day, and a form shows days.
        form.push("valid_until", person.valid_until.map(super::super::last_day).unwrap_or_default());
        form.push("pledged_until", person.pledged_until.as_deref().unwrap_or_default());
        form.push("trained_until", person.trained_until.as_deref().unwrap_or_default());
        if person.active {
            form.push("active", "1");
        }
        form
    }

    fn into_new(self) -> Result<NewPerson, Stop> {
        check_login_name(&self.login)?;
        let Self { login, name, vendor, department, mail, phone, roles, valid_until, pledged_until, trained_until, active: _ } = self;
        Ok(NewPerson { login, name, vendor, department, mail, phone, roles, valid_until, pledged_until, trained_until })
    }

    fn into_change(self) -> PersonChange {
        let Self { login: _, name, vendor: _, department, mail, phone, roles, valid_until, pledged_until, trained_until, active } = self;
        PersonChange { name, department, mail, phone, roles, valid_until, pledged_until, trained_until, active }
    }
}

async fn choices(ctx: &Ctx) -> Result<Value, Stop> {
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    let vendors: Vec<(String, String)> = vendors.into_iter().map(|vendor| (vendor.id.to_string(), vendor.name)).collect();
    let of = |is_vendors: bool| -> Vec<(&str, &str)> { Role::ALL.into_iter().filter(|role| role.is_vendors() == is_vendors).map(|role| (role.as_str(), words::role(ctx.lang, role))).collect() };
    Ok(context! { vendors => crate::view::value(vendors), hospital_roles => crate::view::value(of(false)), vendor_roles => crate::view::value(of(true)) })
}

async fn show_add(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    call.page("persons/form.html", "person.add", context! { form => Value::from_object(form), id => (), name => "", vendor_name => (), is_vendors => (), ..choices(&call.ctx).await? })
}

fn keep_link(ctx: &Ctx, person: &PersonId, link: &EnrolmentLink) {
    ctx.keep_once(&format!("link {person}"), format!("{} {}", link.expires_at.0, link.url.expose()));
}

async fn add(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (person, link) = ctx.store().add_person(ctx.actor()?, PersonAsk::read(call.form())?.into_new()?).await?;
    keep_link(ctx, &person.id, &link);
    call.done(&format!("/persons/{}", person.id), "person.added")
}

async fn show_edit(call: Call) -> Reply {
    let row = find(&call).await?;
    let form = call.typed_or(PersonAsk::show(&row.person));
    let context = context! { form => Value::from_object(form), id => row.person.id.as_str(), name => row.person.name, vendor_name => row.vendor_name, is_vendors => row.person.vendor.is_some(), ..choices(&call.ctx).await? };
    call.page("persons/form.html", "person.edit", context)
}

async fn edit(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    call.ctx.store().change_person(call.ctx.actor()?, &id, PersonAsk::read(call.form())?.into_change()).await?;
    call.done(&format!("/persons/{id}"), "person.changed")
}

async fn show_reset(call: Call) -> Reply {
    let row = find(&call).await?;
    let form = call.typed_or(Form::default());
    call.page("persons/reset.html", "person.reset", context! { form => Value::from_object(form), id => row.person.id.as_str(), name => row.person.name })
}

async fn reset(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let reason = call.form().text("reason");
    if reason.is_empty() {
        return Err(Refusal::ReasonNeeded.into());
    }
    let link = call.ctx.store().reset_person(call.ctx.actor()?, &id, reason).await?;
    keep_link(&call.ctx, &id, &link);
    call.done(&format!("/persons/{id}"), "person.reset_done")
}

async fn api_add(call: Call) -> Reply {
    let ask: PersonAsk = call.json()?;
    let (person, link) = call.ctx.store().add_person(call.ctx.actor()?, ask.into_new()?).await?;
    call.answer(&PersonAdded { person, enrolment: link.into() })
}

async fn api_edit(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: PersonAsk = call.json()?;
    call.ctx.store().change_person(call.ctx.actor()?, &id, ask.into_change()).await?;
    call.answer(&PersonAnswer::from(find(&call).await?))
}

async fn api_reset(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: ResetAsk = call.json()?;
    let link = call.ctx.store().reset_person(call.ctx.actor()?, &id, &ask.reason).await?;
    call.answer(&Link::from(link))
}
