//! Section `[checkpoints]`.

use crate::syslog_keys::SyslogKeys;
use sekisho_core::letter::Address;
use sekisho_core::limits;
use sekisho_evidence::cosignature::WitnessPublic;
use serde::Deserialize;
use std::path::PathBuf;

/// Section `[checkpoints]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoints {
    /// Minutes for which a place may fail before it is an alarm.
    pub alarm_minutes: u32,
    /// Addresses that get a checkpoint by mail.
    pub mail: Vec<String>,
    /// Hours between two such mails.
    pub mail_hours: u32,
    /// Folders.
    pub folder: Vec<FolderSection>,
    /// Syslog servers.
    pub syslog: Vec<SyslogSection>,
    /// Witnesses.
    pub witness: Vec<WitnessSection>,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { alarm_minutes: 10, mail: Vec::new(), mail_hours: 24, folder: Vec::new(), syslog: Vec::new(), witness: Vec::new() }
    }
}

/// A folder on another machine or medium.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSection {
    /// What pages and log call it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// It must lie on another file system than the data folder.
    #[serde(default = "yes")]
    pub mounted: bool,
}

fn yes() -> bool {
    true
}

/// A syslog server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogSection {
    /// What pages and log call it.
    pub name: String,
    /// `host:port`.
    pub server: String,
    /// Authorities that may have issued its certificate, PEM.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Our own certificate for it, PEM.
    #[serde(default)]
    pub certificate: PathBuf,
    /// Its key, PEM.
    #[serde(default)]
    pub key: PathBuf,
    /// A server by TLS ends connections without `close_notify`, and that counts as its end.
    #[serde(default)]
    pub bare_close: bool,
    /// Name of the legacy network into which messages go without TLS.
    #[serde(default)]
    pub clear_network: String,
    /// By UDP.
    #[serde(default)]
    pub udp: bool,
}

impl SyslogSection {
    /// The keys that it has in common with receivers.
    #[must_use]
    pub fn keys(&self) -> SyslogKeys<'_> {
        SyslogKeys { server: &self.server, ca_file: &self.ca_file, certificate: &self.certificate, key: &self.key, bare_close: self.bare_close, clear_network: &self.clear_network, udp: self.udp }
    }
}

/// A witness.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSection {
    /// What pages and log call it.
    pub name: String,
    /// `https://…`. By `http://` its silence and the age of what it says are anybody's who stands between: only to this machine, or
    /// through a legacy network that is named.
    pub url: String,
    /// Name of the legacy network through which it is spoken to by `http://`.
    #[serde(default)]
    pub clear_network: String,
    /// Its public key, as `sekisho witness init` prints it.
    pub key: String,
    /// The authority that issued its certificate, PEM; for `https://`.
    #[serde(default)]
    pub ca_file: PathBuf,
}

impl Checkpoints {
    /// What keeps the section from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let names: Vec<&str> = self.folder.iter().map(|one| one.name.as_str()).chain(self.syslog.iter().map(|one| one.name.as_str())).chain(self.witness.iter().map(|one| one.name.as_str())).collect();
        if names.len() > limits::OUTSIDE_PLACES {
            found.push(format!("[checkpoints] に書ける外部保管の場所は {0} か所までです。 / [checkpoints] may name {0} places", limits::OUTSIDE_PLACES));
        }
        for (n, name) in names.iter().enumerate() {
            let sound = (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !sound || matches!(*name, "mail" | "timestamps") || names.iter().take(n).any(|other| other == name) {
                found.push(format!("[checkpoints] の名前 {name:?} は、a-z、0-9、- の 1～32 文字で、他と重ならず、\"mail\" でも \"timestamps\" でもない名前にしてください。 / the name {name:?} of a place in [checkpoints] must be 1 to 32 of a-z, 0-9 and -, its own, and neither \"mail\" nor \"timestamps\""));
            }
        }
        if !(1..=1440).contains(&self.alarm_minutes) {
            found.push("checkpoints.alarm_minutes は 1～1440 にしてください。 / checkpoints.alarm_minutes must be 1 to 1440".into());
        }
        if !(1..=24 * 31).contains(&self.mail_hours) {
            found.push("checkpoints.mail_hours は 1～744 にしてください。 / checkpoints.mail_hours must be 1 to 744".into());
        }
        if self.mail.len() > limits::MAIL_ALARM_ADDRESSES {
            found.push(format!("checkpoints.mail に書けるアドレスは {0} 件までです。 / checkpoints.mail may name {0} addresses", limits::MAIL_ALARM_ADDRESSES));
        }
        for address in self.mail.iter().filter(|address| Address::parse(address).is_none()) {
            found.push(format!("checkpoints.mail の {address:?} はメールアドレスではありません。 / checkpoints.mail holds {address:?}, which is no mail address"));
        }
        for one in self.folder.iter().filter(|one| !one.path.is_absolute()) {
            found.push(format!("[checkpoints] のフォルダー {0:?} は / から始まるパスで書いてください。 / the folder {0:?} of [checkpoints] needs its whole path", one.name));
        }
        for one in &self.syslog {
            found.extend(one.keys().problems(&format!("the syslog server {:?} of [checkpoints]", one.name)));
        }
        for one in self.witness.iter().filter(|one| one.key.parse::<WitnessPublic>().is_err()) {
            found.push(format!("立会人(witness) {0:?} の鍵が正しくありません。`sekisho witness init` が表示する鍵を書いてください。 / the key of the witness {0:?} is none; `sekisho witness init` prints it", one.name));
        }
        for one in &self.witness {
            let clear = one.url.starts_with("http://");
            if clear && one.clear_network.is_empty() && !is_loopback(&one.url) {
                found.push(format!("[checkpoints] の立会人(witness) {0:?} が http:// です。途中で止められても分からないため、https:// と ca_file にするか、TLS を使えない網の名前(clear_network)を書いてください。 / the witness {0:?} of [checkpoints] is spoken to by http://, where its silence is anybody's: take https:// with ca_file, or name the legacy network (clear_network)", one.name));
            }
            if !clear && !one.clear_network.is_empty() {
                found.push(format!("[checkpoints] の立会人(witness) {0:?} は https:// なので、clear_network を消してください。 / the witness {0:?} of [checkpoints] has a clear_network and is not spoken to in clear", one.name));
            }
        }
        found
    }
}

/// Whether an address of `http://` is this machine's own.
fn is_loopback(url: &str) -> bool {
    let authority = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
