//! アカウント連携: a person is linked to an account of a directory or provider, or the link is ended.

use super::find;
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::directory::{Link, SourceKind};
use sekisho_core::ids::PersonId;
use sekisho_core::people::Person;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};

const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

pub(super) fn routes() -> Vec<Route> {
    let look = Access::May(Action::KeepLedger);
    vec![
        Route::page("/persons/{id}/link", look, show_link),
        Route::form("/persons/{id}/link", KEEP, link).again(show_link),
        Route::page("/persons/{id}/unlink", look, show_unlink),
        Route::form("/persons/{id}/unlink", KEEP, unlink).again(show_unlink),
        Route::api(Method::PUT, "/api/v1/persons/{id}/link", KEEP, "Link a person to an account of a directory or provider; their password here ends.", api_link).takes::<LinkAsk>().gives::<LinkAnswer>(),
        Route::api(Method::DELETE, "/api/v1/persons/{id}/link", KEEP, "End the link of a person; they then need a new registration.", api_unlink),
    ]
}

/// To which account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LinkAsk {
    /// Name of the directory or provider in the configuration.
    source: String,
    /// The login name there, or the value of the provider's claim.
    known_as: String,
}

/// A link.
#[derive(Serialize, JsonSchema)]
struct LinkAnswer {
    /// Name of the directory or provider.
    source: String,
    /// The name there.
    known_as: String,
    /// What the place elsewhere never gives to another one; unknown until the first sign-in by another claim.
    subject: Option<String>,
    /// When it was made; Unix milliseconds.
    made_at: Timestamp,
}

impl From<Link> for LinkAnswer {
    fn from(link: Link) -> Self {
        Self { source: link.source, known_as: link.known_as, subject: link.subject, made_at: link.made_at }
    }
}

/// What the page of a person shows of their link; nothing where neither a link nor a place to link to exists.
pub(super) async fn of_person(ctx: &Ctx, person: &Person) -> Result<Option<Value>, Stop> {
    let link = ctx.store().link_of_person(ctx.actor()?, &person.id).await?;
    let possible = !ctx.actor()?.is_person(&person.id) && ctx.store().sources().iter().any(|source| source.may_serve(person));
    if link.is_none() && !possible {
        return Ok(None);
    }
    let shown = link.map(|link| {
        let label = ctx.store().source(&link.source).map(|source| source.label.clone());
        context! {
            known => label.is_some(),
            label => label.unwrap_or_else(|| link.source.clone()),
            kind => link.kind.as_str(),
            known_as => link.known_as,
            subject => link.subject,
            made_at => link.made_at.0,
            made_by => link.made_by,
        }
    });
    Ok(Some(context! { link => shown, possible }))
}

async fn show_link(call: Call) -> Reply {
    let found = find(&call).await?;
    let ctx = &call.ctx;
    if ctx.actor()?.is_person(&found.person.id) {
        return Err(Refusal::NotAllowed.into());
    }
    let sources: Vec<(String, String)> = ctx.store().sources().iter().filter(|source| source.may_serve(&found.person)).map(|source| (source.name.clone(), source.label.clone())).collect();
    if sources.is_empty() {
        return Err(Stop::not_found());
    }
    let claims: Vec<Value> = ctx
        .store()
        .sources()
        .iter()
        .filter(|source| source.may_serve(&found.person))
        .map(|source| context! { label => source.label.as_str(), text => if source.kind == SourceKind::Directory { ctx.t("link.as_login") } else { ctx.t_with("link.as_claim", &[("claim", &source.claim)]) } })
        .collect();
    let form = call.typed_or(Form::default());
    call.page("persons/link.html", "link.title", context! { form => Value::from_object(form), id => found.person.id.as_str(), name => found.person.name, sources, claims })
}

async fn link(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let form = call.form();
    call.ctx.store().link_person(call.ctx.actor()?, &id, form.need("source")?, form.need("known_as")?).await?;
    call.done(&format!("/persons/{id}"), "link.made")
}

async fn show_unlink(call: Call) -> Reply {
    let found = find(&call).await?;
    let link = of_person(&call.ctx, &found.person).await?.ok_or_else(Stop::not_found)?;
    if !link.get_attr("link").is_ok_and(|link| link.is_true()) {
        return Err(Stop::not_found());
    }
    call.page("persons/unlink.html", "link.end", context! { id => found.person.id.as_str(), name => found.person.name, link })
}

async fn unlink(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    call.ctx.store().unlink_person(call.ctx.actor()?, &id).await?;
    call.done(&format!("/persons/{id}"), "link.ended")
}

async fn api_link(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: LinkAsk = call.json()?;
    call.answer(&LinkAnswer::from(call.ctx.store().link_person(call.ctx.actor()?, &id, &ask.source, &ask.known_as).await?))
}

async fn api_unlink(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    call.ctx.store().unlink_person(call.ctx.actor()?, &id).await?;
    call.nothing()
}
