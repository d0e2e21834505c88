//! Targets: the servers and devices that are maintained, and the accounts on them.

use crate::ids::{AccountId, TargetId, VendorId};
use crate::limits;
use crate::refusal::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 4] = [Self::Shell, Self::Exec, Self::Sftp, Self::Scp];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Exec => "exec",
            Self::Sftp => "sftp",
            Self::Scp => "scp",
        }
    }

    /// Reads the name that [`Function::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.as_str() == text)
    }
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
    /// False once taken out of service.
    pub active: bool,
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

/// The kind of a stored credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A password.
    Password,
    /// A private key in OpenSSH form.
    PrivateKey,
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
