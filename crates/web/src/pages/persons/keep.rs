//! Registering, changing, disabling and re-enrolling persons.

use super::{PersonAnswer, find};
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::identity::{CheckMethod, IdentityClaim};
use sekisho_core::ids::{PersonId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::{Person, Role, check_login_name};
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_core::token::ROBOT_ROLES;
use sekisho_store::{EnrolmentLink, NewPerson, NewRobot, PersonChange, ResetAsk};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

pub(super) fn routes() -> Vec<Route> {
    let read = Access::May(Action::KeepLedger);
    vec![
        Route::page("/persons/new", read, show_add),
        Route::form("/persons/new", KEEP, add).again(show_add),
        Route::page("/persons/robots/new", read, show_add_robot),
        Route::form("/persons/robots/new", KEEP, add_robot).again(show_add_robot),
        Route::page("/persons/{id}/edit", read, show_edit),
        Route::form("/persons/{id}/edit", KEEP, edit).again(show_edit),
        Route::page("/persons/{id}/reset", read, show_reset),
        Route::form("/persons/{id}/reset", KEEP, reset).up_to(limits::IDENTITY_PROOF_BYTES + limits::REQUEST_BYTES).again(show_reset),
        Route::api(Method::POST, "/api/v1/persons", KEEP, "Register a person; gives their one-time enrolment link.", api_add).takes::<PersonAsk>().gives::<PersonAdded>(),
        Route::api(Method::PUT, "/api/v1/persons/{id}", KEEP, "Change or disable a person.", api_edit).takes::<PersonAsk>().gives::<PersonAnswer>(),
        Route::api(Method::POST, "/api/v1/persons/{id}/reset", KEEP, "Issue a new enrolment link after loss of a factor; the check of the identity goes into the ledger.", api_reset).up_to(limits::IDENTITY_PROOF_BYTES * 2).takes::<ResetBody>().gives::<Link>(),
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
    /// For a robot: who answers for it. It is registered with this field, and without it a person is.
    #[serde(default)]
    responsible: Option<PersonId>,
    /// True hands the enrolment link over in the answer although mail is set up and an address given.
    #[serde(default)]
    by_hand: bool,
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
    /// The address. It is given here and never again; none if it went by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The address to which it went by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_to: Option<String>,
    /// Until when it works.
    expires_at: Timestamp,
    /// Opens the link, and is told by another way; after a reset, and for a link that went by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    handover_code: Option<String>,
}

impl From<EnrolmentLink> for Link {
    fn from(link: EnrolmentLink) -> Self {
        Self { url: link.sent_to.is_none().then(|| link.url.expose().to_owned()), sent_to: link.sent_to, expires_at: link.expires_at, handover_code: link.handover.map(|code| code.expose().to_owned()) }
    }
}

/// A registered person with their link.
#[derive(Serialize, JsonSchema)]
struct PersonAdded {
    /// The entry.
    person: Person,
    /// For the person, by a way on which only they receive it; a robot has none.
    enrolment: Option<Link>,
}

/// Why a person is enrolled again, and how their identity was checked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    /// The check.
    claim: IdentityClaim,
    /// The proof, if a file is attached.
    #[serde(default)]
    proof: Option<ProofBody>,
    /// True gives the link in the answer although mail is set up and an address known.
    #[serde(default)]
    by_hand: bool,
}

/// A file in base64.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProofBody {
    /// Its name.
    name: String,
    /// Its bytes, base64.
    content: String,
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
            responsible: form.parse_opt("responsible", PersonId::parse)?,
            by_hand: form.has("by_hand"),
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
        form.push("responsible", person.robot.as_ref().map_or("", |id| id.as_str()));
        if person.active {
            form.push("active", "1");
        }
        form
    }

    fn into_new(self) -> Result<NewPerson, Stop> {
        check_login_name(&self.login)?;
        let Self { login, name, vendor, department, mail, phone, roles, valid_until, pledged_until, trained_until, by_hand, active: _, responsible: _ } = self;
        Ok(NewPerson { login, name, vendor, department, mail, phone, roles, valid_until, pledged_until, trained_until, by_hand })
    }

    fn into_robot(self, responsible: PersonId) -> Result<NewRobot, Stop> {
        check_login_name(&self.login)?;
        let Self { login, name, vendor, department, roles, valid_until, .. } = self;
        Ok(NewRobot { login, name, vendor, department, roles, responsible, valid_until })
    }

    fn into_change(self) -> PersonChange {
        let Self { login: _, name, vendor: _, department, mail, phone, roles, valid_until, pledged_until, trained_until, responsible, by_hand: _, active } = self;
        PersonChange { name, department, mail, phone, roles, valid_until, pledged_until, trained_until, responsible, active }
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
    call.page("persons/form.html", "person.add", context! { mails => call.ctx.store().mails(), form => Value::from_object(form), id => (), name => "", vendor_name => (), is_vendors => (), ..choices(&call.ctx).await? })
}

fn keep_link(ctx: &Ctx, person: &PersonId, link: &EnrolmentLink) {
    let way = link.sent_to.as_ref().map_or_else(|| link.url.expose().to_owned(), |to| format!("mailto:{to}"));
    ctx.keep_once(&format!("link {person}"), format!("{} {} {}", link.expires_at.0, way, link.handover.as_ref().map_or("", |code| code.expose())).trim_end().to_owned());
}

async fn add(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (person, link) = ctx.store().add_person(ctx.actor()?, PersonAsk::read(call.form())?.into_new()?).await?;
    keep_link(ctx, &person.id, &link);
    call.done(&format!("/persons/{}", person.id), if link.sent_to.is_some() { "person.added_mailed" } else { "person.added" })
}

/// What the form of a robot offers: who may answer for it, and the roles that it can hold.
async fn robot_choices(ctx: &Ctx, side: Option<&Person>) -> Result<Value, Stop> {
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    let vendors: Vec<(String, String)> = vendors.into_iter().map(|vendor| (vendor.id.to_string(), vendor.name)).collect();
    let now = ctx.now();
    let fits = |person: &Person| person.robot.is_none() && person.may_act(now) && side.is_none_or(|robot| robot.vendor == person.vendor);
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let persons: Vec<(String, String)> = persons
        .into_iter()
        .filter(|row| fits(&row.person))
        .map(|row| (row.person.id.to_string(), format!("{}({})", row.person.name, row.vendor_name.unwrap_or_else(|| ctx.t("person.hospital")))))
        .collect();
    let of_side = |role: &Role| side.is_none_or(|robot| robot.vendor.is_some() == role.is_vendors());
    let roles: Vec<(&str, &str)> = ROBOT_ROLES.into_iter().filter(of_side).map(|role| (role.as_str(), words::role(ctx.lang, role))).collect();
    Ok(context! { vendors => crate::view::value(vendors), persons => crate::view::value(persons), roles => crate::view::value(roles) })
}

async fn show_add_robot(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    call.page("persons/robot.html", "robot.add", context! { form => Value::from_object(form), id => (), name => "", ..robot_choices(&call.ctx, None).await? })
}

async fn add_robot(call: Call) -> Reply {
    let responsible = call.form().parse("responsible", PersonId::parse)?;
    let robot = call.ctx.store().add_robot(call.ctx.actor()?, PersonAsk::read(call.form())?.into_robot(responsible)?).await?;
    call.done(&format!("/persons/{}", robot.id), "robot.added")
}

async fn show_edit(call: Call) -> Reply {
    let row = find(&call).await?;
    if row.person.robot.is_some() {
        let form = call.typed_or(PersonAsk::show(&row.person));
        let choices = robot_choices(&call.ctx, Some(&row.person)).await?;
        return call.page("persons/robot.html", "robot.edit", context! { form => Value::from_object(form), id => row.person.id.as_str(), name => row.person.name, ..choices });
    }
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
    let methods: Vec<(&str, String)> = CheckMethod::ALL.into_iter().filter(|method| *method != CheckMethod::AtTheBox).map(|method| (method.as_str(), call.ctx.t(&format!("identity.method_{}", method.as_str())))).collect();
    let methods = crate::view::value(methods);
    call.page("persons/reset.html", "person.reset", context! { mails => call.ctx.store().reaches_by_mail(&row.person), form => Value::from_object(form), id => row.person.id.as_str(), name => row.person.name, phone => row.person.phone, methods, most => limits::IDENTITY_PROOF_BYTES })
}

async fn reset(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let form = call.form();
    let claim = IdentityClaim {
        method: form.parse("method", CheckMethod::parse).ok().filter(|method| *method != CheckMethod::AtTheBox).ok_or_else(|| Stop::bad_field("method"))?,
        checked_by: form.text("checked_by").to_owned(),
        evidence: form.text("evidence").to_owned(),
        reason: form.text("reason").to_owned(),
    };
    let proof = form.files().iter().find(|file| file.field == "proof").map(|file| (file.name.clone(), file.bytes.to_vec()));
    let link = call.ctx.store().reset_person(call.ctx.actor()?, &id, ResetAsk { claim, proof, by_hand: form.has("by_hand") }).await?;
    keep_link(&call.ctx, &id, &link);
    call.done(&format!("/persons/{id}"), if link.sent_to.is_some() { "person.reset_mailed" } else { "person.reset_done" })
}

async fn api_add(call: Call) -> Reply {
    let ask: PersonAsk = call.json()?;
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    if let Some(responsible) = ask.responsible.clone() {
        let person = store.add_robot(actor, ask.into_robot(responsible)?).await?;
        return call.answer(&PersonAdded { person, enrolment: None });
    }
    let (person, link) = store.add_person(actor, ask.into_new()?).await?;
    call.answer(&PersonAdded { person, enrolment: Some(link.into()) })
}

async fn api_edit(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: PersonAsk = call.json()?;
    call.ctx.store().change_person(call.ctx.actor()?, &id, ask.into_change()).await?;
    call.answer(&PersonAnswer::from(find(&call).await?))
}

async fn api_reset(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: ResetBody = call.json()?;
    let decoded = |proof: ProofBody| STANDARD.decode(proof.content.as_bytes()).map(|bytes| (proof.name, bytes)).map_err(|_| Stop::bad_field("proof"));
    let proof = ask.proof.map(decoded).transpose()?;
    let link = call.ctx.store().reset_person(call.ctx.actor()?, &id, ResetAsk { claim: ask.claim, proof, by_hand: ask.by_hand }).await?;
    call.answer(&Link::from(link))
}
