//! The browser's files: built by the xtask, embedded here, named by their content and therefore kept for ever.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Files;

static MANIFEST: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| Files::get("manifest.json").and_then(|file| serde_json::from_slice(&file.data).ok()).unwrap_or_default());

/// Plain name to name with its digest: `app.js` to `app-QL5MZRY3.js`.
#[must_use]
pub fn manifest() -> &'static BTreeMap<String, String> {
    &MANIFEST
}

/// The one route.
pub fn routes() -> Vec<Route> {
    vec![Route::asset("/assets/{name}", Access::Public, serve)]
}

async fn serve(call: Call) -> Reply {
    let name = call.param("name");
    // Only what the manifest names is served; the name is looked up, never joined to a path.
    if !MANIFEST.values().any(|known| known == name) {
        return Err(Stop::not_found());
    }
    let file = Files::get(name).ok_or_else(Stop::not_found)?;
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml; charset=utf-8",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "text/plain; charset=utf-8",
    };
    Response::builder()
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "public, max-age=31536000, immutable")
        .body(Body::from(file.data.into_owned()))
        .map_err(|error| Stop::Fault(error.to_string()))
}
