//! Enrolment by a one-time link: password and second factor together, once. The store keeps no way back to it.

use super::login::PasskeyQuestionAnswer;
use crate::call::{Call, see_other};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::Value;
use minijinja::context;
use qrcode::{Color, EcLevel, QrCode};
use schemars::JsonSchema;
use sekisho_core::factors::FactorKind;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::{Enrolment, NewPasskey};
use serde::{Deserialize, Serialize};

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/enrol/{token}", Access::Public, show),
        Route::form("/enrol/{token}", Access::Public, submit).again(show),
        Route::form("/enrol/{token}/open", Access::Public, open).again(show),
        Route::api(Method::GET, "/api/v1/enrolments/{token}", Access::Public, "What a one-time enrolment link offers; X-Handover-Code opens a link after a reset.", api_show).gives::<Offer>(),
        Route::api(Method::POST, "/api/v1/enrolments/{token}", Access::Public, "Set password and second factor by a one-time link.", api_enrol).takes::<EnrolAsk>(),
        Route::api(Method::POST, "/api/v1/enrolments/{token}/passkey", Access::Public, "Ask the browser to make a passkey for the person of a link; the page sends its answer.", api_ask_passkey).gives::<PasskeyQuestionAnswer>(),
    ]
}

/// The header in which an API client gives the hand-over code of a link.
const HANDOVER_HEADER: &str = "x-handover-code";

async fn show(call: Call) -> Reply {
    let store = call.ctx.store();
    let offer = match store.enrolment(call.param("token"), &call.ctx.csrf, call.ctx.source).await.map_err(Stop::from) {
        Err(Stop::Refused(Refusal::HandoverNeeded)) => return call.page("enrol_open.html", "enrol.title", context! { token => call.param("token") }),
        offer => offer?,
    };
    let rule = store.policy().password_rule();
    let accepted = store.accepted_factors(&offer.person);
    let takes_passkey = accepted.contains(&FactorKind::Passkey) && !store.passkey_origins().is_empty();
    call.page(
        "enrol.html",
        "enrol.title",
        context! {
            token => call.param("token"),
            name => offer.person.name,
            login => offer.person.login,
            least => rule.least,
            symbols => rule.symbols,
            elsewhere => offer.elsewhere,
            qr => qr_svg(offer.totp_url.expose()),
            secret => in_groups(offer.totp_secret_base32.expose()),
            takes_totp => accepted.contains(&FactorKind::Totp),
            takes_passkey,
            form => Value::from_object(call.typed_or(Form::default())),
        },
    )
}

/// Opens a link with the code that was told by another way.
async fn open(call: Call) -> Reply {
    let code = Secret::new(call.form().text("handover"));
    call.ctx.store().open_link(call.param("token"), &call.ctx.csrf, &code, call.ctx.source).await?;
    see_other(&format!("/enrol/{}", call.param("token")))
}

async fn submit(call: Call) -> Reply {
    let form = call.form();
    // The page of a linked person has no fields for a password, and the store takes none.
    let password = if form.has("elsewhere") { Secret::new("") } else { twice(form, "new_password")? };
    let code = Some(form.text("code")).filter(|code| !code.is_empty()).map(Secret::new);
    let made = Some(form.text("made")).filter(|made| !made.is_empty());
    let passkey = match made {
        Some(answer) => Some(NewPasskey { name: form.need("passkey_name")?.to_owned(), answer: answer.to_owned() }),
        None => None,
    };
    call.ctx.store().enrol(call.param("token"), &call.ctx.csrf, call.ctx.source, Enrolment { password, code, passkey }).await?;
    see_other("/login?enrolled=1")
}

async fn api_ask_passkey(call: Call) -> Reply {
    let question = call.ctx.store().ask_enrolment_passkey(call.param("token"), &call.ctx.csrf, call.ctx.source).await?;
    call.answer(&PasskeyQuestionAnswer::from(question))
}

/// A new password that was typed twice the same. Its second field has the first one's name with a 2 behind it.
///
/// # Errors
/// [`Refusal::BadField`] at the second field.
pub(super) fn twice(form: &Form, name: &str) -> Result<Secret, Stop> {
    let again = format!("{name}2");
    if form.raw(name).unwrap_or_default().is_empty() {
        return Err(Stop::bad_field(name));
    }
    if form.raw(name) == form.raw(&again) { Ok(form.secret(name)) } else { Err(Refusal::bad_field(&again).into()) }
}

/// The code as one path: no style, no script, nothing of others but dark and light squares.
pub(super) fn qr_svg(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else { return String::new() };
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", at % width, at / width));
        }
    }
    let side = width + 8;
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-4 -4 {side} {side}\" shape-rendering=\"crispEdges\"><rect x=\"-4\" y=\"-4\" width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path fill=\"#000\" d=\"{path}\"/></svg>")
}

/// Groups of four, as people read and type them.
pub(super) fn in_groups(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// What a link offers.
#[derive(Serialize, JsonSchema)]
struct Offer {
    /// Login name.
    login: String,
    /// Display name.
    name: String,
    /// For an authenticator, `otpauth://…`.
    totp_url: String,
    /// Least length of the password.
    password_min: usize,
}

/// What the person chose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnrolAsk {
    /// The new password.
    password: Secret,
    /// The first code of the authenticator.
    code: Secret,
}

/// An API client has no browser that a link could be bound to, so it gives the code each time; the code is its binding.
async fn client(call: &Call) -> Result<String, Stop> {
    let code = call.asked.headers.get(HANDOVER_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if !code.is_empty() {
        call.ctx.store().open_link(call.param("token"), &code, &Secret::new(code.as_str()), call.ctx.source).await?;
    }
    Ok(code)
}

async fn api_show(call: Call) -> Reply {
    let client = client(&call).await?;
    let offer = call.ctx.store().enrolment(call.param("token"), &client, call.ctx.source).await?;
    let password_min = call.ctx.store().policy().password_rule().least;
    call.answer(&Offer { login: offer.person.login, name: offer.person.name, totp_url: offer.totp_url.expose().to_owned(), password_min })
}

async fn api_enrol(call: Call) -> Reply {
    let ask: EnrolAsk = call.json()?;
    let client = client(&call).await?;
    call.ctx.store().enrol(call.param("token"), &client, call.ctx.source, Enrolment::with_code(ask.password, ask.code)).await?;
    call.nothing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_drawn_and_carries_no_text() {
        let svg = qr_svg("otpauth://totp/Sekisho:sato?secret=JBSWY3DPEHPK3PXP&issuer=Sekisho");
        assert!(svg.starts_with("<svg ") && svg.matches("h1v1h-1z").count() > 200);
        assert!(!svg.contains("otpauth") && !svg.contains("style"));
        assert_eq!(in_groups("JBSWY3DPEHPK3PXP"), "JBSW Y3DP EHPK 3PXP");
    }
}
