//! The outer door of the demonstration: one device has come by its certificate, as its worker would have brought it about.

use super::api::{Api, text};
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The device that is enrolled.
const DEVICE: &str = "HOKUTO-MC-01";

/// Enrols it and gives the folder that holds its key.
pub async fn enrol(api: &Api, token: &str, server: &str, folder: &Path) -> Result<PathBuf> {
    let devices = api.get(Some(token), "/api/v1/devices").await?;
    let named = |device: &&Value| device.get("name").and_then(Value::as_str) == Some(DEVICE);
    let device = devices.as_array().and_then(|all| all.iter().find(named)).with_context(|| format!("{DEVICE} is not registered"))?;
    let made = api.post(Some(token), &format!("/api/v1/devices/{}/codes", text(device, "id")?), &json!({})).await?;
    let dir = folder.join("device");
    let at = sekisho_connect::Where { name: None, dir: Some(dir.clone()) };
    let args = sekisho_connect::EnrolArgs { server: server.to_owned(), code: Some(text(&made, "code")?), at };
    sekisho_connect::enrol(&args).await.map_err(|trouble| anyhow!("{trouble}"))?;
    Ok(dir)
}
