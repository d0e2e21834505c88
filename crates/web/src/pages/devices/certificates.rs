//! The certificates of a device, and the one-time code by which it comes by one.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{DeviceCertificateId, DeviceId};
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::DeviceCertificate;
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadRoads);
const CERTIFY: Access = Access::MayStepUp(Action::CertifyDevice);

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/devices/{id}/certificates", READ, show),
        Route::form("/devices/{id}/certificates/code", CERTIFY, issue_code).again(show),
        Route::form("/devices/{id}/certificates/{certificate}/revoke", CERTIFY, revoke).again(show),
        Route::api(Method::GET, "/api/v1/devices/{id}/certificates", READ, "The certificates of a device, the newest first.", api_list).gives::<Vec<CertificateAnswer>>(),
        Route::api(Method::POST, "/api/v1/devices/{id}/codes", CERTIFY, "Issue a one-time code by which the device comes by a certificate; an earlier code ends.", api_code).gives::<CodeAnswer>(),
        Route::api(Method::POST, "/api/v1/devices/{id}/certificates/{certificate}/revoke", CERTIFY, "Revoke a certificate; the connections and sessions of its device end at once.", api_revoke)
            .takes::<RevokeBody>()
            .gives::<CertificateAnswer>(),
    ]
}

/// A certificate of a device.
#[derive(Serialize, JsonSchema)]
struct CertificateAnswer {
    /// Identifier.
    id: DeviceCertificateId,
    /// Serial number, small hexadecimal letters.
    serial: String,
    /// SHA-256 of the certificate.
    fingerprint: String,
    /// When it was issued.
    issued_at: Timestamp,
    /// When it ends.
    ends_at: Timestamp,
    /// `code` or `renewal`.
    how: String,
    /// From where it was asked for.
    source: String,
    /// `active`, `renewed` (it still holds for a day), `revoked`, `expired`.
    state: String,
    /// When and why it ended sooner, if it did.
    ended: Option<EndAnswer>,
}

/// Why a certificate ended sooner than it says itself.
#[derive(Serialize, JsonSchema)]
struct EndAnswer {
    /// When this was decided.
    at: Timestamp,
    /// `revoked`, `enrolled_again`, `renewed`, `device`.
    how: String,
    /// Who, if a person did it.
    by: String,
    /// Why.
    reason: String,
}

/// A code, shown once.
#[derive(Serialize, JsonSchema)]
struct CodeAnswer {
    /// What is typed on the device.
    code: String,
    /// Until when it can be used.
    until: Timestamp,
    /// Name and port of the outer door, if there is one.
    server: Option<String>,
}

/// Why a certificate shall end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeBody {
    /// The reason, for the log.
    reason: String,
}

fn state(certificate: &DeviceCertificate, now: Timestamp) -> &'static str {
    match (certificate.is_revoked(), now < certificate.ends_at, &certificate.ended) {
        (true, ..) => "revoked",
        (false, true, None) => "active",
        (false, _, Some(_)) => "renewed",
        (false, false, None) => "expired",
    }
}

fn answer(certificate: DeviceCertificate, now: Timestamp) -> CertificateAnswer {
    let state = state(&certificate, now).to_owned();
    let DeviceCertificate { id, serial, fingerprint, issued_at, ends_at, how, source, ended, .. } = certificate;
    let ended = ended.map(|end| EndAnswer { at: end.at, how: end.how, by: end.by, reason: end.reason });
    CertificateAnswer { id, serial, fingerprint, issued_at, ends_at, how: how.as_str().to_owned(), source: source.to_string(), state, ended }
}

fn row(call: &Call, certificate: &DeviceCertificate) -> Value {
    let ctx = &call.ctx;
    let now = ctx.now();
    let ended = certificate.ended.as_ref().map(|end| {
        let how = ctx.t(&format!("log.certificate_how_{}", end.how));
        context! { at => end.at.minute(), how, by => end.by.as_str(), reason => end.reason.as_str() }
    });
    context! {
        id => certificate.id.as_str(),
        serial => certificate.serial.as_str(),
        fingerprint => certificate.fingerprint.as_str(),
        from => certificate.issued_at.minute(),
        until => certificate.ends_at.minute(),
        how => ctx.t(&format!("log.certified_by_{}", certificate.how.as_str())),
        source => certificate.source.to_string(),
        state => state(certificate, now),
        stands => certificate.stands(now),
        ended,
    }
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", DeviceId::parse)?;
    let device = ctx.store().device(ctx.actor()?, &id).await?;
    let held = ctx.store().device_certificates(ctx.actor()?, &id).await?;
    let rows: Vec<Value> = held.certificates.iter().map(|certificate| row(&call, certificate)).collect();
    let stands = held.certificates.iter().any(|certificate| certificate.stands(ctx.now()));
    let code = ctx.take_once(&format!("device code {id}"));
    let code = code.as_deref().and_then(|kept| kept.split_once(' ')).map(|(until, code)| {
        let until = until.parse().map_or(Timestamp(0), Timestamp);
        context! { text => code, until => until.minute() }
    });
    let form = call.typed_or(Form::default());
    let context = context! {
        id => device.id.as_str(),
        name => device.content.name.as_str(),
        rows,
        stands,
        code,
        code_until => held.code_until.map(Timestamp::minute),
        minutes => ctx.store().policy().device_code_minutes,
        server => ctx.house.settings.door.as_deref(),
        facility => ctx.store().door_name(),
        logs_in => ctx.store().policy().ssh_login_hours > 0,
        may_certify => ctx.may(Action::CertifyDevice),
        may_enrol => ctx.may(Action::CertifyDevice) && device.active && device.lost_at.is_none(),
        form => Value::from_object(form),
    };
    call.page_titled("devices/certificates.html", &format!("{} {}", device.content.name, ctx.t("certificate.title")), context)
}

async fn issue_code(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", DeviceId::parse)?;
    let made = ctx.store().issue_device_code(ctx.actor()?, &id).await?;
    // Shown by the next page, once: the answer to a form would show it again when it is reloaded.
    ctx.keep_once(&format!("device code {id}"), format!("{} {}", made.until.0, made.code.expose()));
    call.see(&format!("/devices/{id}/certificates"))
}

async fn revoke(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", DeviceId::parse)?;
    let certificate = call.id("certificate", DeviceCertificateId::parse)?;
    ctx.store().revoke_device_certificate(ctx.actor()?, &certificate, call.form().need("reason")?).await?;
    call.done(&format!("/devices/{id}/certificates"), "certificate.revoked_now")
}

async fn api_list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let held = ctx.store().device_certificates(ctx.actor()?, &call.id("id", DeviceId::parse)?).await?;
    let answers: Vec<CertificateAnswer> = held.certificates.into_iter().map(|certificate| answer(certificate, ctx.now())).collect();
    call.answer(&answers)
}

async fn api_code(call: Call) -> Reply {
    let ctx = &call.ctx;
    let made = ctx.store().issue_device_code(ctx.actor()?, &call.id("id", DeviceId::parse)?).await?;
    call.answer(&CodeAnswer { code: made.code.expose().to_owned(), until: made.until, server: ctx.house.settings.door.clone() })
}

async fn api_revoke(call: Call) -> Reply {
    let ctx = &call.ctx;
    let RevokeBody { reason } = call.json()?;
    let revoked = ctx.store().revoke_device_certificate(ctx.actor()?, &call.id("certificate", DeviceCertificateId::parse)?, &reason).await?;
    call.answer(&answer(revoked, ctx.now()))
}
