//! The one table of addresses. Each entry names its permission; the router is built from the table and from nothing
//! else, so a route without a permission cannot exist.

use crate::call::{Call, House};
use crate::stop::Reply;
use crate::{assets, gate, openapi, pages};
use axum::Router;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::token;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

/// What a request must bring. There is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: login, enrolment, assets, language.
    Public,
    /// A login, also one that reaches no further than setting up the factor that its roles ask for.
    SettingUp,
    /// A login.
    LoggedIn,
    /// A login with a role that reaches this action. What belongs to whom is checked by the store's verb.
    May(Action),
    /// The same, and a one-time code given a few minutes ago at most.
    MayStepUp(Action),
}

/// How a route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTML, or a redirect to it.
    Page,
    /// JSON, or a file.
    Api,
    /// A WebSocket.
    Socket,
    /// A file of the program.
    Asset,
}

/// What a token for automation needs at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing beyond being in force.
    Any,
    /// This scope.
    Named(Action),
    /// No token is let through.
    Never,
}

/// The one route for everybody logged in that a token may ask: a program learns from it whose token it holds.
const WHO: &str = "/api/v1/me";

/// What a token for automation needs at a route. Only the API knows tokens; what asks for a fresh code asks for a person,
/// and so does what names no action.
#[must_use]
pub fn scope_of(info: &RouteInfo) -> Scope {
    match info.access {
        _ if info.kind != Kind::Api => Scope::Never,
        Access::Public => Scope::Any,
        Access::LoggedIn | Access::SettingUp if info.path == WHO && info.method == Method::GET => Scope::Any,
        Access::May(action) if token::SCOPES.contains(&action) => Scope::Named(action),
        Access::May(_) | Access::MayStepUp(_) | Access::LoggedIn | Access::SettingUp => Scope::Never,
    }
}

/// What a walk over all routes needs to know.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// Method.
    pub method: Method,
    /// Path with `{names}`.
    pub path: &'static str,
    /// Permission.
    pub access: Access,
    /// How it answers.
    pub kind: Kind,
}

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Call) -> Answering + Send + Sync>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One entry of the table.
pub struct Route {
    pub(crate) info: RouteInfo,
    pub(crate) handler: Handler,
    pub(crate) again: Option<Handler>,
    pub(crate) body_limit: usize,
    pub(crate) summary: &'static str,
    pub(crate) takes: Option<SchemaOf>,
    pub(crate) gives: Option<SchemaOf>,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) gives_file: Option<&'static str>,
}

fn boxed<F, Fut>(handler: F) -> Handler
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Reply> + Send + 'static,
{
    Arc::new(move |call| Box::pin(handler(call)))
}

impl Route {
    fn new<F, Fut>(method: Method, path: &'static str, access: Access, kind: Kind, summary: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        let info = RouteInfo { method, path, access, kind };
        let body_limit = limits::REQUEST_BYTES;
        Self { info, handler: boxed(handler), again: None, body_limit, summary, takes: None, gives: None, query: None, gives_file: None }
    }

    /// A page that is read.
    pub fn page<F, Fut>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::new(Method::GET, path, access, Kind::Page, "", handler)
    }

    /// A form that is sent. Its handler gives a redirect, or refuses.
    pub fn form<F, Fut>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::new(Method::POST, path, access, Kind::Page, "", handler)
    }

    /// Which page shows the form again, with what was typed and the refusal at its field. Without it, a refusal
    /// becomes a page of its own.
    #[must_use]
    pub fn again<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        self.again = Some(boxed(handler));
        self
    }

    /// An API route. The summary goes into the OpenAPI description.
    pub fn api<F, Fut>(method: Method, path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::new(method, path, access, Kind::Api, summary, handler)
    }

    /// A WebSocket.
    pub fn socket<F, Fut>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::new(Method::GET, path, access, Kind::Socket, "", handler)
    }

    pub(crate) fn asset<F, Fut>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::new(Method::GET, path, access, Kind::Asset, "", handler)
    }

    /// A larger (or smaller) body than usual, in bytes. The whole body, all files together.
    #[must_use]
    pub fn up_to(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The JSON that an API route takes.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// The JSON that an API route gives.
    #[must_use]
    pub fn gives<T: JsonSchema>(mut self) -> Self {
        self.gives = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// The query that an API route understands: a struct of optional fields.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| generator.root_schema_for::<T>());
        self
    }

    /// The media type of the file that an API route gives.
    #[must_use]
    pub fn gives_file(mut self, media: &'static str) -> Self {
        self.gives_file = Some(media);
        self
    }
}

static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let mut routes = assets::routes();
    routes.extend(openapi::routes());
    routes.extend(pages::routes());
    routes
});

pub(crate) fn all() -> &'static [Route] {
    &TABLE
}

/// Every route with its permission, for tests that walk them and for the operator's guide.
#[must_use]
pub fn table() -> Vec<RouteInfo> {
    all().iter().map(|route| route.info.clone()).collect()
}

/// The router of the whole house.
pub(crate) fn router(house: &Arc<House>) -> Router {
    let mut router = Router::new();
    for route in all() {
        let Ok(filter) = MethodFilter::try_from(route.info.method.clone()) else { continue };
        let held = Arc::clone(house);
        router = router.route(route.info.path, on(filter, move |request: axum::extract::Request| gate::pass(Arc::clone(&held), route, request)));
    }
    let paths: BTreeSet<&str> = all().iter().map(|route| route.info.path).collect();
    tracing::debug!(routes = all().len(), paths = paths.len(), "router built");
    let (lost, wrong) = (Arc::clone(house), Arc::clone(house));
    router
        .fallback(move |request: axum::extract::Request| gate::lost(Arc::clone(&lost), Refusal::NotFound, request))
        .method_not_allowed_fallback(move |request: axum::extract::Request| gate::lost(Arc::clone(&wrong), Refusal::NotFound, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_stands_twice() {
        let mut seen = BTreeSet::new();
        for route in all() {
            assert!(seen.insert((route.info.method.to_string(), route.info.path)), "{} {}", route.info.method, route.info.path);
        }
    }

    #[test]
    fn only_the_way_in_is_public() {
        let open: Vec<String> = all().iter().filter(|route| route.info.access == Access::Public).map(|route| format!("{} {}", route.info.method, route.info.path)).collect();
        assert_eq!(
            open,
            [
                "GET /assets/{name}",
                "GET /api/v1/openapi.json",
                "GET /login",
                "POST /login",
                "GET /login/recovery",
                "POST /login/recovery",
                "POST /language",
                "POST /api/v1/logins",
                "POST /api/v1/passkeys/login",
                "GET /login/with/{name}",
                "GET /login/callback/{name}",
                "GET /login/second",
                "POST /login/second",
                "GET /enrol/{token}",
                "POST /enrol/{token}",
                "POST /enrol/{token}/open",
                "GET /api/v1/enrolments/{token}",
                "POST /api/v1/enrolments/{token}",
                "POST /api/v1/enrolments/{token}/passkey",
                "GET /emergency",
                "POST /emergency",
            ]
        );
    }

    #[test]
    fn every_api_route_says_what_it_does() {
        for route in all().iter().filter(|route| route.info.kind == Kind::Api) {
            assert!(route.summary.ends_with('.'), "{} {}", route.info.method, route.info.path);
            assert!(route.info.path.starts_with("/api/v1/"), "{}", route.info.path);
        }
    }

    #[test]
    fn acts_that_core_calls_grave_ask_for_a_fresh_code() {
        for route in all().iter().filter(|route| route.info.method != Method::GET) {
            if let Access::May(action) = route.info.access {
                assert!(!action.needs_step_up(), "{} {} needs a fresh code", route.info.method, route.info.path);
            }
        }
    }
}
