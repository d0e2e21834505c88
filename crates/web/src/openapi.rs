//! The description of the API, generated from the route table.

use crate::call::Call;
use crate::routes::{Access, Kind, Route, Scope, all, scope_of};
use crate::stop::Reply;
use axum::http::Method;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// `/api/v1/openapi.json`.
pub fn routes() -> Vec<Route> {
    vec![Route::api(Method::GET, "/api/v1/openapi.json", Access::Public, "This description.", show)]
}

async fn show(call: Call) -> Reply {
    call.answer(&document(&call.ctx.house.settings.version))
}

/// The whole description, OpenAPI 3.1.
#[must_use]
pub fn document(version: &str) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in all().iter().filter(|route| route.info.kind == Kind::Api) {
        let mut parameters: Vec<Value> = names(route.info.path)
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        if let Some(query) = route.query {
            let schema = query(&mut generator).to_value();
            let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            parameters.extend(fields.into_iter().map(|(name, schema)| json!({ "name": name, "in": "query", "required": false, "schema": schema })));
        }
        let success = match (route.gives, route.gives_file) {
            (Some(gives), _) => ("200", json!({ "description": "Done.", "content": { "application/json": { "schema": gives(&mut generator) } } })),
            (None, Some(media)) => ("200", json!({ "description": "The file.", "content": { media: {} } })),
            (None, None) => ("204", json!({ "description": "Done." })),
        };
        let mut responses = Map::new();
        responses.insert(success.0.to_owned(), success.1);
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Refused" }));
        let mut operation = json!({
            "summary": route.summary,
            "parameters": parameters,
            "responses": responses,
            "security": security(route.info.access),
            "x-permission": permission(route.info.access),
            "x-token-scope": scope(scope_of(&route.info)),
        });
        if let Some(takes) = route.takes {
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": takes(&mut generator) } } });
        }
        if let Some(entry) = paths.entry(route.info.path.to_owned()).or_insert_with(|| json!({})).as_object_mut() {
            entry.insert(route.info.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Sekisho", "version": version, "description": "Everything the pages do, with the same checks." },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "Token of POST /api/v1/logins, or a token for automation (sekisho_…), which is let through where x-token-scope names one of its scopes." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "__Host-sekisho", "description": "A browser's login; changes need X-CSRF-Token." },
            },
            "responses": {
                "Refused": {
                    "description": "Refused. The code is stable; docs/codes.md has a row for each.",
                    "content": { "application/json": { "schema": {
                        "type": "object",
                        "required": ["code", "message", "next", "field"],
                        "properties": {
                            "code": { "type": "string", "pattern": "^SKS-[0-9]{4}$" },
                            "message": { "type": "string" },
                            "next": { "type": "string" },
                            "field": { "type": ["string", "null"] },
                        },
                    } } },
                },
            },
        },
    })
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        _ => json!([{ "bearer": [] }, { "cookie": [] }]),
    }
}

/// What a token for automation needs; `null` where none is let through.
fn scope(scope: Scope) -> Value {
    match scope {
        Scope::Any => json!("any"),
        Scope::Named(action) => json!(action),
        Scope::Never => Value::Null,
    }
}

fn permission(access: Access) -> Value {
    match access {
        Access::Public => json!("public"),
        Access::LoggedIn => json!("logged_in"),
        Access::SettingUp => json!("setting_up"),
        Access::May(action) => json!(action),
        Access::MayStepUp(action) => json!({ "action": action, "step_up": true }),
    }
}
