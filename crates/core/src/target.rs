//! Targets: the servers and devices that are maintained, and the accounts on them.

use crate::ids::{AccountId, SessionId, TargetId, VendorId};
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// SSH, with shell, exec, SFTP and SCP as separate functions.
    Ssh,
}

/// One function of a protocol that a plan switches on. Off until the plan allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Interactive shell (対話操作).
    Shell,
    /// One command without a terminal (コマンド実行).
    Exec,
    /// File transfer by SFTP; current `scp` clients use it too (ファイル転送).
    Sftp,
    /// File transfer by the old SCP protocol.
    Scp,
    /// File transfer by rsync over a command of its own.
    Rsync,
    /// Local forwards to the hosts and ports that the plan names (ポート転送).
    Forward,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 6] = [Self::Shell, Self::Exec, Self::Sftp, Self::Scp, Self::Rsync, Self::Forward];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec => "exec",
            Self::Sftp => "sftp",
            Self::Scp => "scp",
            Self::Rsync => "rsync",
            Self::Forward => "forward",
        }
    }

    /// True if the function moves files, so that [`FileRight`]s apply to it.
    #[must_use]
    pub fn moves_files(self) -> bool {
        matches!(self, Self::Sftp | Self::Scp | Self::Rsync)
    }

    /// Reads the name that [`Function::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.as_str() == text)
    }
}

/// What may be done with the target's files, whichever function carries them. Off until the plan allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileRight {
    /// Content comes from the target (取得).
    Download,
    /// Content goes to the target, folders and links are made, attributes are set (送信).
    Upload,
    /// Files and folders are removed (削除).
    Delete,
    /// Files and folders get another name (名前変更).
    Rename,
}

impl FileRight {
    /// All rights.
    pub const ALL: [Self; 4] = [Self::Download, Self::Upload, Self::Delete, Self::Rename];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Rename => "rename",
        }
    }

    /// Reads the name that [`FileRight::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == text)
    }
}

/// What kind of machine a target is; command rules are kept for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetClass {
    /// A server with a Unix shell.
    #[default]
    Linux,
    /// A database, whose command line is SQL.
    Database,
    /// A switch, router or firewall.
    Network,
    /// Something else; no ready-made rules.
    Other,
}

impl TargetClass {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Linux, Self::Database, Self::Network, Self::Other];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Database => "database",
            Self::Network => "network",
            Self::Other => "other",
        }
    }

    /// Reads the name that [`TargetClass::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// Whether a person of the hospital must be watching (立会い). The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// Nobody has to watch.
    #[default]
    None,
    /// The session starts when a witness watches and stands still when the last one leaves.
    Watch,
    /// The same, and each command waits until the witness allows it.
    Step,
}

impl Witness {
    /// All degrees.
    pub const ALL: [Self; 3] = [Self::None, Self::Watch, Self::Step];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Watch => "watch",
            Self::Step => "step",
        }
    }

    /// Reads the name that [`Witness::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|degree| degree.as_str() == text)
    }

    /// True if nobody has to watch.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Which uploads wait until a person of the hospital lets them pass (隔離). The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quarantine {
    /// None.
    #[default]
    Never,
    /// Those whose SHA-256 is not in the plan's list of files to bring in.
    Unlisted,
    /// All.
    Always,
}

impl Quarantine {
    /// All degrees.
    pub const ALL: [Self; 3] = [Self::Never, Self::Unlisted, Self::Always];

    /// The name in API, forms and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Unlisted => "unlisted",
            Self::Always => "always",
        }
    }

    /// Reads the name that [`Quarantine::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|degree| degree.as_str() == text)
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// How much a plan lets go over to or from one target in one session. `None` is no limit beyond the box's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransferLimits {
    /// Bytes of content that may go to the target.
    pub upload_bytes: Option<u64>,
    /// Files that may go to the target.
    pub upload_files: Option<u64>,
    /// Bytes of content that may come from it.
    pub download_bytes: Option<u64>,
    /// Files that may come from it.
    pub download_files: Option<u64>,
}

impl TransferLimits {
    /// True if nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A place behind the target that a local forward may reach, as the target names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardTo {
    /// Host name or address, compared letter by letter (case aside) with what the client asks for.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Keep every byte in the recording, not the counts alone.
    #[serde(default)]
    pub full: bool,
}

/// A target as the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Identifier.
    pub id: TargetId,
    /// Short name, the second part of the SSH login: `sato+ehr-db01`.
    pub name: String,
    /// What hospital staff call it: 電子カルテ DBサーバ.
    pub title: String,
    /// How it is reached.
    pub protocol: Protocol,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Owning department of the hospital.
    pub owner: String,
    /// The vendor that maintains it; workers of others cannot name it in a plan, its subcontractors can.
    pub vendor: VendorId,
    /// Accepted host keys, one OpenSSH public-key line each (`ssh-ed25519 AAAA…`). Empty: nothing is dialled.
    pub host_keys: Vec<String>,
    /// Holds charts or other personal data of patients.
    pub personal_data: bool,
    /// What kind of machine it is.
    #[serde(default)]
    pub class: TargetClass,
    /// Whether every session here needs a witness, whatever the plan says.
    #[serde(default)]
    pub witness: Witness,
    /// Which uploads wait here, where the hospital's policy is not stricter.
    #[serde(default, skip_serializing_if = "Quarantine::is_never")]
    pub quarantine: Quarantine,
    /// False once taken out of service.
    pub active: bool,
    /// How its log tells of it.
    #[serde(default, skip_serializing_if = "TargetLogs::is_usual")]
    pub logs: TargetLogs,
    /// Another host key was seen; nobody enters until an administrator has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key_alarm: Option<HostKeyAlarm>,
}

/// How logs tell of a target: by which addresses sensors name it, and whether it has a log of its own at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetLogs {
    /// Further addresses of the machine, beside the host and those that it had when it was dialled.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<IpAddr>,
    /// It has no log (ログ機能なし): who worked there says in the report, for each session, what was done (作業日誌).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub none: bool,
}

impl TargetLogs {
    /// True of a target that has a log and no further address.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The same, each address in one spelling.
    ///
    /// # Errors
    /// [`Refusal::TooMany`]; [`Refusal::BadField`] for an address that no other machine can have.
    pub fn checked(self) -> Result<Self, Refusal> {
        if self.addresses.len() > limits::TARGET_ADDRESSES {
            return Err(Refusal::too_many("TARGET_ADDRESSES"));
        }
        let addresses: BTreeSet<IpAddr> = self.addresses.into_iter().map(|address| address.to_canonical()).collect();
        if addresses.iter().any(|address| address.is_loopback() || address.is_unspecified() || address.is_multicast()) {
            return Err(Refusal::bad_field("addresses"));
        }
        Ok(Self { addresses, ..self })
    }
}

impl Target {
    /// Whether both entries lead to the same machine, as far as the ledger tells: the same host and port, or a host key in common.
    #[must_use]
    pub fn is_same_machine(&self, other: &Self) -> bool {
        let host = |target: &Self| target.host.trim_end_matches('.').to_ascii_lowercase();
        // What follows the key in its line is a comment.
        let keys = |target: &Self| -> BTreeSet<String> { target.host_keys.iter().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect() };
        (host(self) == host(other) && self.port == other.port) || !keys(self).is_disjoint(&keys(other))
    }
}

/// A target showed a host key that is not pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostKeyAlarm {
    /// SHA-256 fingerprint of the key that was shown.
    pub seen: String,
    /// When.
    pub at: Timestamp,
    /// In which session; `None` if a test saw it.
    pub session: Option<SessionId>,
}

/// What an administrator does about a [`HostKeyAlarm`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum HostKeyDecision {
    /// The target was rebuilt or replaced: these keys are pinned in place of the present ones.
    Pin {
        /// OpenSSH public-key lines.
        host_keys: Vec<String>,
    },
    /// It was looked into, and the pinned keys stay.
    Keep,
}

/// An account on a target. Its credential is stored encrypted and never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Identifier.
    pub id: AccountId,
    /// The target it belongs to.
    pub target: TargetId,
    /// Login name on the target.
    pub username: String,
    /// Administrator or root right on the target.
    pub privileged: bool,
    /// What kind of credential is stored.
    pub credential: CredentialKind,
}

impl Account {
    /// True for an account with all rights on its target: the operator said so, or its name is one that has them on
    /// every system that knows it.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.privileged || ["root", "administrator"].iter().any(|name| self.username.eq_ignore_ascii_case(name))
    }
}

/// The kind of a stored credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A password.
    Password,
    /// A private key in OpenSSH form.
    PrivateKey,
    /// None is stored: each session gets a certificate of Sekisho's own authority, good for minutes.
    Certificate,
}

/// Checks the short name of a target: lower-case letters, digits, `-` and `.`, beginning with a letter or digit.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_target_name(name: &str) -> Result<(), Refusal> {
    let sound = (2..=limits::TARGET_NAME_CHARS).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if sound { Ok(()) } else { Err(Refusal::bad_field("name")) }
}

/// Checks the name that a certificate is made out to, which is the account's login name on the target: letters, digits,
/// `.`, `_`, `-` and `@`, not beginning with `-`. Nothing that a program could take for a separator or a pattern.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_principal(name: &str) -> Result<(), Refusal> {
    let sound = (1..=limits::PRINCIPAL_CHARS).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'));
    if sound { Ok(()) } else { Err(Refusal::bad_field("username")) }
}

/// Checks a host name or address: no spaces, no option-like beginning, at most 253 characters.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_host(host: &str) -> Result<(), Refusal> {
    let sound = (1..=253).contains(&host.len())
        && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'));
    if sound { Ok(()) } else { Err(Refusal::bad_field("host")) }
}
