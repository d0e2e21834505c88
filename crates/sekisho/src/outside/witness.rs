//! A witness on another host (C2SP tlog-witness), as the log sees it.

use super::settings::WitnessSection;
use crate::config::Config;
use crate::post::read;
use crate::witness::checkpoint_path;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::desk::Answer;
use sekisho_courier::exchange::Exchange;
use sekisho_evidence::checkpoint;
use sekisho_evidence::cosignature::WitnessPublic;
use sekisho_store::{Head, Kept, Place};

/// The witness.
pub struct WitnessPlace {
    name: String,
    origin: String,
    key: WitnessPublic,
    way: Exchange,
    clear_network: Option<String>,
}

impl WitnessPlace {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// A key or address that is none, or a file that cannot be read.
    pub fn new(section: &WitnessSection, config: &Config) -> Result<Self> {
        let key = section.key.parse::<WitnessPublic>().map_err(|breach| anyhow::anyhow!("key: {breach}"))?;
        let authorities = (!section.ca_file.as_os_str().is_empty()).then(|| read(&section.ca_file)).transpose().context("ca_file cannot be read")?;
        let way = Exchange::new(&section.url, authorities.as_deref()).map_err(anyhow::Error::msg)?;
        Ok(Self { name: section.name.clone(), origin: config.origin(), key, way, clear_network: (!section.clear_network.is_empty()).then(|| section.clear_network.clone()) })
    }

    /// The newest head that it signed, which its signature proves.
    async fn seen(&self) -> Result<Option<String>, String> {
        let answer = self.way.get(&checkpoint_path(&self.origin)).await?;
        match answer.status {
            200 => {
                self.key.open(&answer.body).map_err(|breach| format!("what it says it has seen is not signed by it: {breach}"))?;
                Ok(Some(answer.body))
            }
            404 => Ok(None),
            status => Err(format!("it answered {status}")),
        }
    }

    async fn add(&self, head: &Head, old: u64) -> Result<Kept, String> {
        let mut body = format!("old {old}\n");
        for hash in if old == 0 { Vec::new() } else { head.proof(old)? } {
            body.push_str(&STANDARD.encode(hash));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&head.note);
        let answer = self.way.post("/add-checkpoint", body).await?;
        match answer.status {
            200 => {
                let note = format!("{}{}", head.note, answer.body);
                let (seen, _) = self.key.open(&note).map_err(|breach| format!("its signature does not hold: {breach}"))?;
                if seen.size != head.entries {
                    return Err("it signed something else".into());
                }
                Ok(Kept::Cosigned { id: self.key.id(), note })
            }
            403 => Err("it does not know the key of this log; on its host: sekisho witness trust".into()),
            404 => Err("it does not know this log; on its host: sekisho witness trust".into()),
            409 => Err(format!("it has seen another log, of {} entries; after a restore, on its host: sekisho witness accept-restore", answer.body.trim())),
            422 => Err("it has seen another log, which this one does not continue; after a restore, on its host: sekisho witness accept-restore".into()),
            status => Err(format!("it answered {status}")),
        }
    }
}

impl Place for WitnessPlace {
    fn name(&self) -> &str {
        &self.name
    }

    fn clear_network(&self) -> Option<&str> {
        self.clear_network.as_deref()
    }

    fn vouches(&self) -> bool {
        true
    }

    fn remembers(&self) -> bool {
        true
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(self.seen())
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        Box::pin(async move {
            let old = match self.seen().await? {
                Some(note) => checkpoint::unproved(&note).map_err(|breach| breach.to_string())?.size,
                None => 0,
            };
            if old > head.entries {
                return Err(format!("it has seen a longer log, of {old} entries; after a restore, on its host: sekisho witness accept-restore"));
            }
            self.add(head, old).await
        })
    }
}
