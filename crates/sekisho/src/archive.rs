//! Section `[archive]`: where copies of recordings go.

use crate::config::Config;
use crate::post::{read, secret};
use anyhow::{Context, Result};
use sekisho_core::archive::{LockMode, Vault};
use sekisho_core::limits;
use sekisho_core::time::Clock;
use sekisho_courier::archive::{Folder, FolderSettings, S3, S3Settings};
use sekisho_store::ArchiveSettings;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How an object store keeps copies from being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockWord {
    /// Nobody deletes them before their time, the store's own administrator included.
    #[default]
    Compliance,
    /// Whoever has a right of their own for that does.
    Governance,
    /// They are not locked.
    None,
}

/// Section `[archive]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// What pages and log call it; empty for no archive.
    pub name: String,
    /// Days after which a recording that the archive has is taken off the box; 0 for never.
    pub keep_local_days: u32,
    /// A folder of another machine.
    pub folder: PathBuf,
    /// It may lie on the disk of the data folder.
    pub same_disk: bool,
    /// Address of an object store.
    pub endpoint: String,
    /// Its bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// What stands before each name in the bucket.
    pub prefix: String,
    /// Name of the key.
    pub access_key: String,
    /// File that holds the key.
    pub secret_file: PathBuf,
    /// Authorities that may have issued its certificate, PEM; empty for those of the operating system.
    pub ca_file: PathBuf,
    /// How copies are locked.
    pub lock: LockWord,
}

impl Archive {
    /// What keeps the section from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let folder = !self.folder.as_os_str().is_empty();
        if self.name.is_empty() {
            if folder || !self.endpoint.is_empty() || self.keep_local_days > 0 {
                found.push("archive.name が空のため、[archive] の他の項目は効きません。保管先に名前を付けるか、他の項目を消してください。 / archive.name is empty, so the other keys of [archive] have no effect; name the archive or take them out".into());
            }
            return found;
        }
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            found.push(format!("archive.name {0:?} は、a-z、0-9、- の 1～32 文字にしてください。 / archive.name {0:?} must be 1 to 32 of a-z, 0-9 and -", self.name));
        }
        if folder != self.endpoint.is_empty() {
            found.push("[archive] には folder か endpoint のどちらか一方が要ります。 / [archive] needs either folder or endpoint".into());
        }
        if folder && !self.folder.is_absolute() {
            found.push("archive.folder は / から始まるパスで書いてください。 / archive.folder needs its whole path".into());
        }
        if self.keep_local_days > 0 && (self.keep_local_days as usize) < limits::ARCHIVE_LOCAL_DAYS {
            found.push(format!("archive.keep_local_days は 0 か {0} 以上にしてください。直近の録画が最もよく見られるためです。 / archive.keep_local_days must be 0, or {0} at least: what was done this week is looked at most", limits::ARCHIVE_LOCAL_DAYS));
        }
        if !folder {
            let sound = |text: &str, also: &[u8]| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte));
            if !sound(&self.bucket, b"-.") || self.bucket.len() > 63 || self.bucket.contains("..") {
                found.push("archive.bucket にはバケットの名前を書いてください。 / archive.bucket must be the name of a bucket".into());
            }
            if !self.prefix.is_empty() && (!sound(&self.prefix, b"-_/") || self.prefix.starts_with('/') || self.prefix.ends_with('/')) {
                found.push("archive.prefix に使えるのは英数字、-、_、/ です。最初と最後に / は付けません。 / archive.prefix may hold letters, digits, -, _ and /, and has no / at its ends".into());
            }
            if !self.region.is_empty() && !sound(&self.region, b"-") {
                found.push("archive.region にはリージョンの名前を書いてください。 / archive.region must be the name of a region".into());
            }
            if self.access_key.is_empty() || self.secret_file.as_os_str().is_empty() {
                found.push("[archive] のオブジェクトストレージには access_key と secret_file が要ります。 / an object store in [archive] needs access_key and secret_file".into());
            }
        }
        found
    }
}

/// The way to the archive and what the store needs to know beside it; `None` without one.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used.
pub fn vault(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<(Arc<dyn Vault>, ArchiveSettings)>> {
    let section = &config.archive;
    if section.name.is_empty() {
        return Ok(None);
    }
    let keep_local_days = (section.keep_local_days > 0).then_some(section.keep_local_days);
    if !section.folder.as_os_str().is_empty() {
        let not_with = (!section.same_disk).then(|| config.data.dir.clone());
        let folder = Folder::new(FolderSettings { name: section.name.clone(), path: section.folder.clone(), not_with, own: config.data.dir.join(sekisho_evidence::recording::RECORDINGS_DIR) });
        return Ok(Some((Arc::new(folder), ArchiveSettings { lock: None, keep_local_days })));
    }
    let lock = match section.lock {
        LockWord::Compliance => Some(LockMode::Compliance),
        LockWord::Governance => Some(LockMode::Governance),
        LockWord::None => None,
    };
    let authorities = (!section.ca_file.as_os_str().is_empty()).then(|| read(&section.ca_file)).transpose().context("archive.ca_file cannot be read")?;
    let settings = S3Settings {
        name: section.name.clone(),
        endpoint: section.endpoint.trim_end_matches('/').to_owned(),
        bucket: section.bucket.clone(),
        region: if section.region.is_empty() { "us-east-1".to_owned() } else { section.region.clone() },
        prefix: section.prefix.clone(),
        access_key: section.access_key.clone(),
        secret: secret(&section.secret_file).context("archive.secret_file cannot be used")?,
        authorities,
        lock: lock.is_some(),
        patience: Duration::from_secs(limits::ARCHIVE_SECONDS as u64),
    };
    let s3 = S3::new(settings, Arc::clone(clock)).map_err(anyhow::Error::msg).context("[archive]")?;
    Ok(Some((Arc::new(s3), ArchiveSettings { lock, keep_local_days })))
}
