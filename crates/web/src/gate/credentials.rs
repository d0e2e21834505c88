//! Whose request it is: the cookie of a browser or the token of a client, the anti-forgery value, the fresh code.

use crate::call::{Call, Ctx, House};
use crate::form::Form;
use crate::routes::{Access, Kind, Route, RouteInfo};
use crate::stop::Stop;
use crate::words::Lang;
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use sekisho_core::ids::DeviceId;
use sekisho_core::people::Via;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The cookie of a login.
pub(crate) const LOGIN_COOKIE: &str = "__Host-sekisho";
/// The cookie that belongs to the forms of somebody without login.
pub(crate) const FORM_COOKIE: &str = "__Host-sekisho-form";
/// The language of somebody without login.
pub(crate) const LANG_COOKIE: &str = "__Host-sekisho-lang";
/// The header that carries the anti-forgery value of an API call made with the cookie.
const CSRF_HEADER: &str = "x-csrf-token";
/// The header that carries a fresh one-time code.
const CODE_HEADER: &str = "x-step-up-code";
/// The header of a page's own refresh (`ui/src/app/refresh.ts`).
const REFRESH_HEADER: &str = "x-sekisho-refresh";
/// Longest token that is looked up.
const TOKEN_CHARS: usize = 256;

/// What proved the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    None,
    Cookie,
    Bearer,
}

/// The peer's address, as the accept loop saw it. No header is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

/// The device whose certificate opened the outer door, as it stands at this request.
#[derive(Clone, Debug)]
pub(crate) struct Through(pub DeviceId);

/// A cookie's value.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .filter(|value| (1..=TOKEN_CHARS).contains(&value.len()))
}

/// The context of a request before anything is proved.
pub(super) fn nobody(house: &Arc<House>, kind: Kind, parts: &Parts) -> Ctx {
    let source = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    let accepted = || parts.headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok()).map(Lang::accepted).unwrap_or_default();
    let asked = parts.uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("lang="))).and_then(Lang::parse);
    let lang = asked.or_else(|| cookie(&parts.headers, LANG_COOKIE).and_then(Lang::parse)).unwrap_or_else(accepted);
    let known = cookie(&parts.headers, FORM_COOKIE).filter(|value| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let csrf = known.map_or_else(random_token, str::to_owned);
    let device = parts.extensions.get::<Through>().map(|through| through.0.clone());
    Ctx { house: Arc::clone(house), login: None, lang, csrf, source, device, kind, path: parts.uri.path().to_owned() }
}

/// 32 bytes of the operating system's chance, as hex; empty if it gives none, and an empty value matches nothing.
pub(crate) fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    match rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        Err(_) => String::new(),
    }
}

/// Looks for a login. A client's token wins over a cookie, and each is good only for the door it was made for.
pub(super) async fn find(ctx: &mut Ctx, parts: &Parts) -> Result<Proof, Stop> {
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
        let token = token.filter(|token| (1..=TOKEN_CHARS).contains(&token.len())).ok_or(Refusal::LoginNeeded)?;
        // A token for automation is known by its beginning. It opens the API alone, as the token of a login does.
        let login = if token.starts_with(sekisho_core::token::PREFIX) {
            ctx.store().token_login(token, ctx.source).await?
        } else {
            ctx.store().login_of(token, ctx.source).await?
        };
        // A person's login holds where it was made. A token for automation has its own list of sources, and through the outer
        // door it comes from a device of its person's vendor alone.
        let elsewhere = match (&login.actor.token, &ctx.device) {
            (None, _) => login.device != ctx.device,
            (Some(_), None) => false,
            (Some(_), Some(device)) => !ctx.store().device_serves(device, &login.person).await?,
        };
        if login.actor.via != Via::Api || ctx.kind != Kind::Api || elsewhere {
            return Err(Refusal::LoginNeeded.into());
        }
        take(ctx, login, parts);
        return Ok(Proof::Bearer);
    }
    let Some(token) = cookie(&parts.headers, LOGIN_COOKIE).map(str::to_owned) else { return Ok(Proof::None) };
    // A page that refreshes itself is no person at work: it must not keep a login from ending by idleness.
    let refresh = parts.method == Method::GET && parts.headers.contains_key(REFRESH_HEADER);
    let found = if refresh { ctx.store().peek_login(&token, ctx.source).await } else { ctx.store().login_of(&token, ctx.source).await };
    match found.map_err(Stop::from) {
        // A login made through the outer door holds from its device alone, and one made elsewhere does not hold there.
        Ok(login) if login.actor.via == Via::Web && login.device == ctx.device => {
            take(ctx, login, parts);
            Ok(Proof::Cookie)
        }
        // An ended login is nobody's; what needs one says so itself.
        Ok(_) | Err(Stop::Refused(_)) => Ok(Proof::None),
        Err(fault) => Err(fault),
    }
}

fn take(ctx: &mut Ctx, login: sekisho_store::WebLogin, parts: &Parts) {
    // An API client says its language with each call; a browser's is kept with its login.
    if ctx.kind != Kind::Api || !parts.headers.contains_key(ACCEPT_LANGUAGE) {
        ctx.lang = Lang::parse(&login.lang).unwrap_or(ctx.lang);
    }
    ctx.csrf = login.csrf.clone();
    ctx.login = Some(Arc::new(login));
}

/// The anti-forgery value: of the login, or of the form cookie for somebody without one.
pub(super) fn check_csrf(ctx: &Ctx, parts: &Parts, form: &Form, info: &RouteInfo) -> Result<(), Stop> {
    let foreign = || Err(Stop::Refused(Refusal::ForeignRequest));
    let header = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let given = match info.kind {
        Kind::Page => form.raw("csrf"),
        _ if info.method == Method::POST && super::origin::comes_before_a_token(info.path) => return Ok(()),
        _ => header,
    };
    let expected = match &ctx.login {
        Some(login) => login.csrf.as_str(),
        None => cookie(&parts.headers, FORM_COOKIE).unwrap_or_default(),
    };
    let same = |given: &str| given.len() == expected.len() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
    match given {
        Some(given) if expected.len() >= 16 && same(given) => Ok(()),
        _ => foreign(),
    }
}

/// A fresh one-time code: given lately, or with this very request.
pub(super) async fn step_up(call: &mut Call, route: &Route) -> Result<(), Stop> {
    if call.ctx.is_fresh() {
        return Ok(());
    }
    let login = call.ctx.login()?;
    // A recovery code given lately leads to a new factor, and nowhere else.
    if route.info.access == Access::MayStepUp(Action::KeepOwnFactors) && call.ctx.store().require_step_up(login, Action::KeepOwnFactors).is_ok() {
        return Ok(());
    }
    fresh_factor(call).await?;
    // Verbs of the store look at the login as well: the picture of it that this request goes on with is the one after the factor.
    let until = call.ctx.store().fresh_until(call.ctx.login()?).await?;
    if let Some(login) = &mut call.ctx.login {
        Arc::make_mut(login).stepped_up_until = until;
    }
    Ok(())
}

/// The factor that comes with a request.
pub(crate) async fn fresh_factor(call: &Call) -> Result<(), Stop> {
    let login = call.ctx.login()?;
    if call.ctx.kind == Kind::Page && !call.form().text("passkey").is_empty() {
        call.ctx.store().step_up_with_passkey(login, call.form().text("passkey")).await?;
        return Ok(());
    }
    let code = match call.ctx.kind {
        Kind::Api => call.asked.headers.get(CODE_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default(),
        _ => call.form().text("code"),
    };
    if code.is_empty() || code.len() > 16 {
        return Err(Refusal::StepUpNeeded.into());
    }
    call.ctx.store().step_up(call.ctx.login()?, Secret::new(code)).await?;
    Ok(())
}
