//! A syslog server that keeps checkpoints among its messages.

use super::settings::SyslogSection;
use crate::config::Config;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::desk::Answer;
use sekisho_core::time::Clock;
use sekisho_courier::syslog::{ELEMENT, Element, Facility, Message, Severity, Syslog};
use sekisho_store::{Head, Kept, Place};

/// The server.
pub struct SyslogPlace {
    name: String,
    host: String,
    way: Syslog,
    clear_network: Option<String>,
}

impl SyslogPlace {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// A file cannot be read, or what it holds cannot be used.
    pub fn new(section: &SyslogSection, config: &Config) -> Result<Self> {
        Ok(Self { name: section.name.clone(), host: config.ssh_host(), way: section.keys().way()?, clear_network: (!section.clear_network.is_empty()).then(|| section.clear_network.clone()) })
    }
}

impl Place for SyslogPlace {
    fn name(&self) -> &str {
        &self.name
    }

    fn clear_network(&self) -> Option<&str> {
        self.clear_network.as_deref()
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        // Nobody can ask a syslog server for what it took.
        Box::pin(async { Ok(None) })
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        Box::pin(async move {
            let params = vec![("origin", head.origin.clone()), ("entries", head.entries.to_string()), ("root", head.root.clone()), ("note", STANDARD.encode(&head.note))];
            let message = Message {
                facility: Facility::Audit,
                severity: Severity::Notice,
                at: crate::clock::SystemClock.now(),
                host: self.host.clone(),
                app: "sekisho".into(),
                msgid: "checkpoint".into(),
                data: vec![Element { id: ELEMENT, params }],
                text: format!("Checkpoint of the log {}: {} entries, root {}", head.origin, head.entries, head.root),
            };
            self.way.hand_over(&[message]).await?;
            Ok(Kept::Kept)
        })
    }
}
