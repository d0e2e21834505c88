//! The places outside of the box that the configuration names for checkpoints.

mod folder;
mod settings;
mod syslog;
mod witness;

pub use settings::Checkpoints;

use crate::config::Config;
use anyhow::{Context, Result};
use sekisho_store::{OutsideSettings, Place};
use std::sync::Arc;
use std::time::Duration;

/// The places, ready to be asked and sent to. Mail is the store's own.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used.
pub fn places(config: &Config) -> Result<Vec<Arc<dyn Place>>> {
    let mut places: Vec<Arc<dyn Place>> = Vec::new();
    for one in &config.checkpoints.folder {
        places.push(Arc::new(folder::Folder::new(one, config)));
    }
    for one in &config.checkpoints.syslog {
        places.push(Arc::new(syslog::SyslogPlace::new(one, config).with_context(|| format!("the place {} of [checkpoints]", one.name))?));
    }
    for one in &config.checkpoints.witness {
        places.push(Arc::new(witness::WitnessPlace::new(one, config).with_context(|| format!("the place {} of [checkpoints]", one.name))?));
    }
    Ok(places)
}

/// What the store needs to know beside them.
#[must_use]
pub fn settings(config: &Config) -> OutsideSettings {
    let section = &config.checkpoints;
    OutsideSettings {
        patience: Duration::from_secs(u64::from(section.alarm_minutes) * 60),
        mail: section.mail.clone(),
        mail_every: Duration::from_secs(u64::from(section.mail_hours) * 3600),
    }
}
