//! Section `[timestamps]`: the authority that stamps heads of the log, and the stamps as the verifier reads them.

mod local;
mod remote;

use crate::config::Config;
use anyhow::{Context, Result, bail};
use sekisho_evidence::verify::{Stamp, StampBreach, Timestamps};
use sekisho_store::{Store, TimestampAuthority};
use sekisho_timestamp::{Anchors, Breach, Query, Token, open, policy_of};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest file of certificates that is read, in bytes.
const MAX_PEM_BYTES: u64 = 256 * 1024;

/// Section `[timestamps]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimestampSection {
    /// The authority (RFC 3161), `http://…` or `https://…`.
    pub url: String,
    /// Authorities that may have issued the certificate by which it stamps, PEM.
    pub ca_file: PathBuf,
    /// Authorities that may have issued the certificate of its web server, PEM; for `https://`.
    pub tls_ca_file: PathBuf,
    /// The policy under which it must stamp; empty for its own.
    pub policy: String,
    /// The box stamps itself.
    pub local: bool,
    /// Minutes between two stamps.
    pub every_minutes: u32,
}

impl Default for TimestampSection {
    fn default() -> Self {
        Self { url: String::new(), ca_file: PathBuf::new(), tls_ca_file: PathBuf::new(), policy: String::new(), local: false, every_minutes: 60 }
    }
}

impl TimestampSection {
    /// What keeps the section from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.url.is_empty() && self.local {
            found.push("timestamps.local は、時刻認証局のない網のためのものです。url を空にするか、local = false にしてください。 / timestamps.local is for networks without an authority: leave url empty, or local = false".into());
        }
        match (self.url.is_empty(), self.ca_file.as_os_str().is_empty()) {
            (true, false) => found.push("timestamps.ca_file がありますが、timestamps.url がありません。 / timestamps.ca_file says who is believed, and timestamps.url names nobody".into()),
            (false, true) => found.push("timestamps.ca_file に、timestamps.url の時刻認証局の証明書を発行した認証局のファイルを書いてください。 / timestamps.ca_file must name the authority that issued the certificate by which timestamps.url stamps".into()),
            _ => {}
        }
        if self.url.starts_with("https://") && self.tls_ca_file.as_os_str().is_empty() {
            found.push("timestamps.url が https のときは timestamps.tls_ca_file が要ります。 / timestamps.url is https and needs timestamps.tls_ca_file".into());
        }
        if !self.policy.is_empty() && policy_of(&self.policy).is_none() {
            found.push(format!("timestamps.policy の {0:?} は、1.2.3.4 のようなポリシーの番号ではありません。 / timestamps.policy is {0:?}, which is no number of a policy such as 1.2.3.4", self.policy));
        }
        if !(1..=1440).contains(&self.every_minutes) {
            found.push("timestamps.every_minutes は 1～1440 にしてください。 / timestamps.every_minutes must be 1 to 1440".into());
        }
        found
    }

    /// Between two stamps.
    #[must_use]
    pub fn every(&self) -> Duration {
        Duration::from_secs(u64::from(self.every_minutes) * 60)
    }
}

/// The authority that the configuration names; `None` for none.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used; the box's own key cannot be made.
pub async fn authority(config: &Config, store: &Store) -> Result<Option<Arc<dyn TimestampAuthority>>> {
    let section = &config.timestamps;
    if section.local {
        return Ok(Some(Arc::new(local::Local::open(store).await?)));
    }
    if section.url.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(remote::Remote::new(section).context("[timestamps]")?)))
}

/// Reads certificates.
fn anchors(path: &Path) -> Result<Anchors> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > MAX_PEM_BYTES {
        bail!("{} is too large", path.display());
    }
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Anchors::from_pem(&pem).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

/// The authorities that whoever verifies a copy believes.
#[derive(Debug)]
pub struct Believed(Anchors);

impl Believed {
    /// Reads their certificates; `None` if none is given.
    ///
    /// # Errors
    /// A file cannot be read, or holds no certificate.
    pub fn read(files: &[PathBuf]) -> Result<Option<Self>> {
        let mut all: Option<Anchors> = None;
        for file in files {
            let read = anchors(file)?;
            all = Some(match all.take() {
                Some(before) => before.and(read),
                None => read,
            });
        }
        Ok(all.map(Self))
    }
}

impl Timestamps for Believed {
    fn check(&self, answer: &[u8], over: &[u8]) -> Result<Stamp, StampBreach> {
        match open(answer, &Query::again(over), &self.0) {
            Ok(Token { at_ms, accuracy_ms, authority, local, .. }) => Ok(Stamp { at_ms, accuracy_ms, authority, local }),
            Err(Breach::Unknown) => Err(StampBreach::Unknown),
            Err(breach) => Err(StampBreach::Bad(breach.to_string())),
        }
    }
}
