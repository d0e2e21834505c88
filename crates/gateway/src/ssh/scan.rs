//! Looks at a target's host keys, so that they can be pinned when it is registered. Logs in nowhere.

use super::algorithms;
use crate::keys;
use crate::line::{Cut, Line};
use russh::client;
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use sekisho_core::limits;
use sekisho_core::target::check_host;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// The keys could not be seen.
#[derive(Debug, thiserror::Error)]
pub enum ScanFault {
    /// The host name is none.
    #[error("the host name is malformed")]
    Host,
    /// No connection, or no SSH there.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
}

/// The host keys that a server shows, one OpenSSH line each. They are what the network showed at this moment: a
/// person compares the fingerprints before they are pinned.
///
/// # Errors
/// [`ScanFault`] if not a single key was seen.
pub async fn scan_host_keys(host: &str, port: u16) -> Result<Vec<String>, ScanFault> {
    check_host(host).map_err(|_| ScanFault::Host)?;
    let mut lines = Vec::new();
    let mut fault = ScanFault::Timeout;
    let look = async {
        for kind in algorithms::kinds() {
            match look(host, port, &kind).await {
                Ok(key) => lines.extend(key.as_ref().and_then(keys::line_of)),
                Err(error) => fault = ScanFault::Unreachable(error.to_string()),
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(limits::DIAL_SECONDS as u64), look).await.is_ok();
    if lines.is_empty() { Err(if in_time { fault } else { ScanFault::Timeout }) } else { Ok(lines) }
}

/// The key of one kind, if the server has one.
async fn look(host: &str, port: u16, kind: &[Algorithm]) -> std::io::Result<Option<PublicKey>> {
    let stream = TcpStream::connect((host, port)).await?;
    let seen = Arc::new(Mutex::new(None));
    let config = client::Config { preferred: algorithms::preferred_kind(kind), ..client::Config::default() };
    // Always fails: the key is refused once it was seen, so nothing is sent that belongs to a login.
    match client::connect_stream(Arc::new(config), Line::new(stream, Cut::default()), Looker(Arc::clone(&seen))).await {
        Ok(_) | Err(_) => {}
    }
    let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(key)
}

struct Looker(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Looker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(false)
    }
}
