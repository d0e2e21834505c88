//! An authority of others (RFC 3161) by HTTP or HTTPS. Its word is signed and answers a question that nobody can foresee, so that the
//! way to it is not believed.

use super::{TimestampSection, anchors};
use crate::post::read;
use anyhow::{Context, Result};
use sekisho_core::desk::Answer;
use sekisho_core::time::Timestamp;
use sekisho_courier::exchange::Exchange;
use sekisho_store::{Stamped, TimestampAuthority};
use sekisho_timestamp::{Anchors, Query, open, policy_of};

/// What a question is called (RFC 3161, section 3.4).
const QUESTION: &str = "application/timestamp-query";

/// The authority.
pub struct Remote {
    name: String,
    way: Exchange,
    anchors: Anchors,
    policy: String,
}

impl Remote {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// An address that is none, or a file that cannot be read.
    pub fn new(section: &TimestampSection) -> Result<Self> {
        let tls = (!section.tls_ca_file.as_os_str().is_empty()).then(|| read(&section.tls_ca_file)).transpose().context("tls_ca_file cannot be read")?;
        let way = Exchange::new(&section.url, tls.as_deref()).map_err(anyhow::Error::msg)?;
        Ok(Self { name: way.host().to_owned(), way, anchors: anchors(&section.ca_file)?, policy: section.policy.clone() })
    }

    async fn asked(&self, over: &[u8]) -> Result<Stamped, String> {
        let mut nonce = [0_u8; 16];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut nonce).map_err(|fault| fault.to_string())?;
        let query = Query::new(over, nonce, policy_of(&self.policy)).map_err(|breach| breach.to_string())?;
        let (status, bytes) = self.way.hand(QUESTION, query.to_der().map_err(|breach| breach.to_string())?, sekisho_timestamp::MAX_ANSWER_BYTES).await?;
        if status != 200 {
            return Err(format!("it answered {status}"));
        }
        let token = open(&bytes, &query, &self.anchors).map_err(|breach| breach.to_string())?;
        Ok(Stamped { answer: bytes, at: Timestamp(token.at_ms), accuracy_ms: token.accuracy_ms })
    }
}

impl TimestampAuthority for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_local(&self) -> bool {
        false
    }

    fn stamp<'a>(&'a self, over: &'a [u8]) -> Answer<'a, Result<Stamped, String>> {
        Box::pin(self.asked(over))
    }
}
