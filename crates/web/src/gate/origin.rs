//! Whether a request is meant for this box and comes from one of its own pages.

use super::credentials::Proof;
use super::refuse::line;
use crate::call::local_path;
use crate::routes::Kind;
use crate::settings::WebSettings;
use crate::stop::Stop;
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use sekisho_core::refusal::Refusal;

/// The authority that the browser believes it speaks to: `:authority` of HTTP/2, or `Host`. Both together must agree.
fn authority(parts: &Parts) -> Option<String> {
    let named = parts.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.to_str().ok()?.to_ascii_lowercase()),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    match (named, header) {
        (Some(named), Some(header)) => (named == header).then_some(named),
        (named, header) => named.or(header),
    }
}

fn name_of(authority: &str) -> &str {
    // An IPv6 address stands in brackets, and its colons are no port.
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    }
}

/// Whether the request names this box. Anything else could be a name that a stranger bent to our address.
pub(super) fn is_known_host(settings: &WebSettings, parts: &Parts) -> bool {
    authority(parts).is_some_and(|authority| settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(name_of(&authority))))
}

pub(super) fn misdirected() -> Response {
    line(StatusCode::MISDIRECTED_REQUEST, "SKS-1012 この名前では応答しません。 / This box does not answer to this name.\n".to_owned())
}

/// Refuses what another site's page sends with our cookie. A client with a token of its own sends no `Origin`; if it
/// sends one it must be ours all the same.
pub(super) fn check(parts: &Parts, proved: Proof) -> Result<(), Stop> {
    let foreign = || Err(Stop::Refused(Refusal::ForeignRequest));
    let ours = authority(parts).map(|authority| format!("https://{authority}"));
    match parts.headers.get(ORIGIN).map(HeaderValue::to_str) {
        Some(Ok(origin)) if ours.as_deref() == Some(&origin.to_ascii_lowercase()) => {}
        None if proved == Proof::Bearer || (proved == Proof::None && comes_before_a_token(parts.uri.path())) => {}
        _ => return foreign(),
    }
    match parts.headers.get("sec-fetch-site").map(HeaderValue::to_str) {
        None | Some(Ok("same-origin")) => Ok(()),
        _ => foreign(),
    }
}

/// Whether a request that only looks may be answered with what the cookie opens. A page of another name, also of a sibling
/// under the same domain to which browsers send the cookie, may lead a person here, and may load nothing in the background.
pub(super) fn may_look(parts: &Parts, kind: Kind) -> bool {
    let said = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    match said("sec-fetch-site") {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => kind == Kind::Page && said("sec-fetch-mode") == Some(b"navigate") && said("sec-fetch-dest") == Some(b"document"),
    }
}

/// The API routes that are used before there is a token. They take no cookie and give none; what they prove is in the
/// request itself: two factors, or a one-time link.
pub(super) fn comes_before_a_token(path: &str) -> bool {
    path == "/api/v1/logins" || path.starts_with("/api/v1/enrolments/")
}

/// The path of the page that the request came from, if it is one of ours.
#[must_use]
pub fn back_of(parts: &axum::http::HeaderMap, uri: &axum::http::Uri) -> Option<String> {
    let referer = parts.get(REFERER)?.to_str().ok()?;
    let rest = referer.strip_prefix("https://")?;
    let (authority, path) = rest.split_once('/')?;
    let host = uri.authority().map(|authority| authority.as_str().to_owned()).or_else(|| parts.get(HOST)?.to_str().ok().map(str::to_owned))?;
    let path = format!("/{path}");
    if authority.eq_ignore_ascii_case(&host) { local_path(&path).map(str::to_owned) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(pairs: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/x");
        for (name, text) in pairs {
            request = request.header(*name, *text);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_our_own_origin_may_change_things() {
        let host = ("host", "sekisho.test:8443");
        assert!(check(&parts(&[host, ("origin", "https://sekisho.test:8443")]), Proof::Cookie).is_ok());
        for foreign in ["https://evil.test", "http://sekisho.test:8443", "https://sekisho.test", "null", "https://sekisho.test:8443.evil.test"] {
            assert!(check(&parts(&[host, ("origin", foreign)]), Proof::Cookie).is_err(), "{foreign}");
            assert!(check(&parts(&[host, ("origin", foreign)]), Proof::Bearer).is_err(), "{foreign}");
        }
        assert!(check(&parts(&[host]), Proof::Cookie).is_err());
        assert!(check(&parts(&[host]), Proof::Bearer).is_ok());
        assert!(check(&parts(&[host, ("origin", "https://sekisho.test:8443"), ("sec-fetch-site", "cross-site")]), Proof::Cookie).is_err());
    }

    #[test]
    fn a_sibling_may_lead_a_person_here_and_load_nothing() {
        let look = |site, mode, dest, kind| may_look(&parts(&[("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]), kind);
        for site in ["same-site", "cross-site"] {
            assert!(look(site, "navigate", "document", Kind::Page), "{site}");
            assert!(!look(site, "navigate", "document", Kind::Api), "{site}");
            assert!(!look(site, "navigate", "iframe", Kind::Page), "{site}");
            assert!(!look(site, "no-cors", "image", Kind::Page), "{site}");
        }
        assert!(look("same-origin", "cors", "empty", Kind::Api) && look("none", "navigate", "document", Kind::Api));
        assert!(may_look(&parts(&[]), Kind::Api), "a client that is no browser says nothing");
    }

    #[test]
    fn a_referer_of_others_leads_nowhere() {
        let ours = parts(&[("host", "a.test"), ("referer", "https://a.test/plans?x=1")]);
        assert_eq!(back_of(&ours.headers, &ours.uri).as_deref(), Some("/plans?x=1"));
        for foreign in ["https://b.test/plans", "http://a.test/plans", "https://a.test//b.test/"] {
            let parts = parts(&[("host", "a.test"), ("referer", foreign)]);
            assert_eq!(back_of(&parts.headers, &parts.uri), None, "{foreign}");
        }
    }

    #[test]
    fn two_hosts_are_none() {
        assert_eq!(authority(&parts(&[("host", "a.test"), ("host", "b.test")])), None);
        assert_eq!(name_of("[::1]:8443"), "::1");
        assert_eq!(name_of("a.test:1"), "a.test");
    }
}
