//! The box's own authority, for networks that reach no other: its stamps prove order, and no time of others.

use crate::clock::SystemClock;
use anyhow::{Context, Result};
use sekisho_core::desk::Answer;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{Stamped, Store, TimestampAuthority, TimestampKey};
use sekisho_timestamp::{Anchors, EKU_CONTENT, LOCAL_NAME, Query, Signer, answer, open};

/// The authority.
pub struct Local {
    key: Key,
    anchors: Anchors,
}

struct Key(TimestampKey);

impl Signer for Key {
    fn certificate(&self) -> &[u8] {
        self.0.certificate()
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.0.sign(bytes)
    }
}

impl Local {
    /// Opens it; its key is made when it is first needed.
    ///
    /// # Errors
    /// The key cannot be made or read.
    pub async fn open(store: &Store) -> Result<Self> {
        let key = store.timestamp_key(LOCAL_NAME, EKU_CONTENT).await.context("the key of the box's own time stamps")?;
        let anchors = Anchors::from_der(key.certificate()).map_err(anyhow::Error::msg)?;
        Ok(Self { key: Key(key), anchors })
    }

    fn stamped(&self, over: &[u8]) -> Result<Stamped, String> {
        let mut random = [0_u8; 32];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut random).map_err(|fault| fault.to_string())?;
        let (nonce, serial) = random.split_at(16);
        let (nonce, serial) = (nonce.try_into().unwrap_or([1; 16]), serial.try_into().unwrap_or([1; 16]));
        let query = Query::new(over, nonce, None).map_err(|breach| breach.to_string())?;
        let bytes = answer(&query, &self.key, SystemClock.now().0, serial).map_err(|breach| breach.to_string())?;
        let token = open(&bytes, &query, &self.anchors).map_err(|breach| breach.to_string())?;
        Ok(Stamped { answer: bytes, at: Timestamp(token.at_ms), accuracy_ms: token.accuracy_ms })
    }
}

impl TimestampAuthority for Local {
    fn name(&self) -> &str {
        "local"
    }

    fn is_local(&self) -> bool {
        true
    }

    fn stamp<'a>(&'a self, over: &'a [u8]) -> Answer<'a, Result<Stamped, String>> {
        Box::pin(async move { self.stamped(over) })
    }
}
