//! Receivers of alarms and events: the ways that the configuration describes.

use crate::config::{Config, ReceiverSection};
use crate::post::{read, secret};
use anyhow::{Context, Result};
use sekisho_core::outgoing::{Receiver, ReceiverAsk};
use sekisho_courier::siem::Siem;
use sekisho_courier::webhook::{Webhook, WebhookSettings};
use std::path::Path;
use std::sync::Arc;

/// What the store needs to know of them.
#[must_use]
pub fn asked(config: &Config) -> Vec<ReceiverAsk> {
    config.receiver.iter().map(ask).collect()
}

fn ask(section: &ReceiverSection) -> ReceiverAsk {
    ReceiverAsk { name: section.name.clone(), takes: section.takes, level: section.level, format: section.format, from_start: section.from_start }
}

/// The ways to them.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used.
pub fn ways(config: &Config) -> Result<Vec<(ReceiverAsk, Arc<dyn Receiver>)>> {
    config.receiver.iter().map(|section| Ok((ask(section), way(config, section).with_context(|| format!("the receiver {}", section.name))?))).collect()
}

fn way(config: &Config, section: &ReceiverSection) -> Result<Arc<dyn Receiver>> {
    let optional = |path: &Path| (!path.as_os_str().is_empty()).then(|| read(path)).transpose();
    if !section.url.is_empty() {
        let settings = WebhookSettings { url: section.url.clone(), secret: secret(&section.secret_file).context("secret_file cannot be used")?, authorities: optional(&section.ca_file)? };
        return Ok(Arc::new(Webhook::new(settings)?));
    }
    Ok(Arc::new(Siem::new(section.keys().way()?, config.ssh_host())))
}
