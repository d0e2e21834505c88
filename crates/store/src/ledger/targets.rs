//! Targets, the accounts on them, and the credentials that no worker ever sees.

use super::{LEDGER_ROWS, bodies, persons::recall_sessions, principals};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::logins::KeyLine;
use crate::secrets::{Place, random_id};
use crate::target_logs::KnownFrom;
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{AccountId, TargetId, VendorId};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, CredentialKind, HostKeyAlarm, Protocol, Quarantine, Target, TargetClass, TargetLogs, Witness, check_host, check_principal, check_target_name};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Host keys that one target may have.
const HOST_KEYS: usize = 8;
/// Accounts on one target.
const ACCOUNTS: usize = 32;
/// Longest credential: a private key of RSA 8192 in PEM is about 6 KiB.
const CREDENTIAL_BYTES: usize = 16 * 1024;

/// A target as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetAsk {
    /// Short name, the second part of the SSH login.
    pub name: String,
    /// What hospital staff call it.
    pub title: String,
    /// How it is reached.
    pub protocol: Protocol,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Owning department.
    #[serde(default)]
    pub owner: String,
    /// The vendor that maintains it.
    pub vendor: VendorId,
    /// Accepted host keys, one OpenSSH public-key line each.
    #[serde(default)]
    pub host_keys: Vec<String>,
    /// Holds personal data of patients.
    #[serde(default)]
    pub personal_data: bool,
    /// What kind of machine it is.
    #[serde(default)]
    pub class: TargetClass,
    /// Whether every session here needs a witness.
    #[serde(default)]
    pub witness: Witness,
    /// Which uploads wait here, where the hospital's policy is not stricter.
    #[serde(default)]
    pub quarantine: Quarantine,
    /// False takes it out of service.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// A credential to keep.
#[derive(Clone, Debug)]
pub enum CredentialAsk {
    /// A password.
    Password(Secret),
    /// A private key without passphrase, in OpenSSH or PKCS PEM form.
    PrivateKey(Secret),
    /// Nothing is kept: each session gets a certificate of Sekisho's own authority.
    Certificate,
}

/// An account to register.
#[derive(Clone, Debug)]
pub struct AccountAsk {
    /// Login name on the target.
    pub username: String,
    /// Administrator or root right on the target.
    pub privileged: bool,
    /// What Sekisho proves itself with.
    pub credential: CredentialAsk,
}

/// A target in the ledger.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TargetRow {
    /// The target.
    pub target: Target,
    /// Accounts on it.
    pub accounts: Vec<Account>,
    /// Name of the vendor that maintains it.
    pub vendor_name: String,
}

/// The place of an account's credential.
pub(crate) fn place_of(account: &AccountId) -> Place<'_> {
    Place { table: "accounts", row: account.as_str(), column: "credential" }
}

impl Store {
    /// The ledger of targets. A vendor's person sees those of the own vendor and of the vendors it works for.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn targets(&self, actor: &Actor) -> Done<Vec<TargetRow>> {
        let vendors = self.load_vendors(self.read()).await?;
        let visible: Option<BTreeSet<VendorId>> = match &actor.vendor {
            Some(own) => Some(principals(&vendors, own).into_iter().collect()),
            None => {
                may(actor, Action::ReadLedger, None).or_else(|_| may(actor, Action::ReadPlan, None))?;
                None
            }
        };
        let targets: Vec<Target> = bodies(&sqlx::query("SELECT body FROM targets ORDER BY name LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?)?;
        let accounts: Vec<Account> = bodies(&sqlx::query("SELECT body FROM accounts ORDER BY username, id").fetch_all(self.read()).await?)?;
        let name = |id: &VendorId| vendors.iter().find(|vendor| vendor.id == *id).map_or_else(String::new, |vendor| vendor.name.clone());
        let seen = targets.into_iter().filter(|target| visible.as_ref().is_none_or(|visible| visible.contains(&target.vendor)));
        let row = |target: Target| TargetRow {
            accounts: accounts.iter().filter(|account| account.target == target.id).cloned().collect(),
            vendor_name: name(&target.vendor),
            target,
        };
        Ok(seen.map(row).collect())
    }

    /// One target.
    ///
    /// # Errors
    /// As [`Store::targets`]; [`Refusal::NotFound`].
    pub async fn target(&self, actor: &Actor, id: &TargetId) -> Done<TargetRow> {
        let seen = self.targets(actor).await?.into_iter().find(|row| row.target.id == *id);
        Ok(seen.ok_or(Refusal::NotFound)?)
    }

    /// Registers a target.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_target(&self, actor: &Actor, ask: TargetAsk) -> Done<Target> {
        self.require(actor, Action::KeepLedger, None, "add_target").await?;
        let mut tx = self.write(actor).await?;
        let target = self.checked(&mut tx, random_id()?, ask, None).await?;
        let text = serde_json::to_string(&target)?;
        sqlx::query("INSERT INTO targets (id, name, vendor, active, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(target.id.as_str().to_owned())
            .bind(target.name.clone())
            .bind(target.vendor.as_str().to_owned())
            .bind(i64::from(target.active))
            .bind(text.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &target, &text).await?;
        tx.fact(kept(&target, ""));
        tx.commit().await?;
        Ok(target)
    }

    /// Says how logs tell of a target: its further addresses, and whether it has a log at all. Why it has none is asked for, because
    /// from then on nobody misses one.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::ReasonNeeded`]; [`Refusal::NotFound`].
    pub async fn set_target_logs(&self, actor: &Actor, id: &TargetId, logs: TargetLogs, reason: &str) -> Done<Target> {
        self.require(actor, Action::KeepLedger, None, "set_target_logs").await?;
        let logs = logs.checked()?;
        check_line("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let before = self.load_target(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if logs.none && !before.logs.none && reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        self.is_nobody_elses(&mut tx, &before, &logs).await?;
        let target = Target { logs, ..before };
        self.save_target(&mut tx, &target).await?;
        tx.fact(kept(&target, reason.trim()));
        tx.commit().await?;
        Ok(target)
    }

    /// Whether none of the further addresses belongs to another machine of the ledger: what a sensor tells of that one would be
    /// judged by the accounts of this one.
    async fn is_nobody_elses(&self, tx: &mut Tx, target: &Target, logs: &TargetLogs) -> Done<()> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM targets WHERE id <> $1").bind(target.id.as_str().to_owned()).fetch_all(tx.sql()).await?;
        for row in &rows {
            let other: Target = self.held(row, since)?;
            let its = |address: &IpAddr| other.logs.addresses.contains(address) || other.host.parse::<IpAddr>().is_ok_and(|host| host.to_canonical() == address.to_canonical());
            // Two services of one machine are two targets with one address.
            if other.active && other.host != target.host && logs.addresses.iter().any(its) {
                return Err(Refusal::bad_field("addresses").into());
            }
        }
        Ok(())
    }

    /// The addresses by which sensors name a target, and from where each is known.
    ///
    /// # Errors
    /// As [`Store::target`].
    pub async fn addresses_of_target(&self, actor: &Actor, id: &TargetId) -> Done<Vec<(IpAddr, KnownFrom)>> {
        let row = self.target(actor, id).await?;
        Ok(self.inner.gathering.seen().of(&row.target).into_iter().collect())
    }

    /// Changes a target. The pinned host keys are exactly those given: a key is never added by being seen. An alarm about
    /// a host key stands until it is decided on, whatever is changed here.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`]; [`Refusal::NotFound`].
    pub async fn change_target(&self, actor: &Actor, id: &TargetId, ask: TargetAsk) -> Done<Target> {
        self.require(actor, Action::KeepLedger, None, "change_target").await?;
        let mut tx = self.write(actor).await?;
        let before = self.load_target(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let target = Target { logs: before.logs.clone(), ..self.checked(&mut tx, id.clone(), ask, before.host_key_alarm.clone()).await? };
        self.save_target(&mut tx, &target).await?;
        tx.fact(kept(&target, ""));
        if !target.active || target.vendor != before.vendor {
            recall_sessions(&mut tx, "SELECT id FROM sessions WHERE ended_at IS NULL AND target = $1", id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        }
        tx.commit().await?;
        Ok(target)
    }

    /// Registers an account on a target with its credential.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`]; [`Refusal::NotFound`].
    pub async fn add_account(&self, actor: &Actor, target: &TargetId, ask: AccountAsk) -> Done<Account> {
        self.require(actor, Action::KeepLedger, None, "add_account").await?;
        let AccountAsk { username, privileged, credential } = ask;
        // It stands in SSH logins and logs, and the first character must not make it an option of a command.
        let sound = (1..=64).contains(&username.len()) && !username.starts_with('-') && username.bytes().all(|b| b.is_ascii_graphic());
        if !sound {
            return Err(Refusal::bad_field("username").into());
        }
        let (kind, plain) = check_credential(&credential, &username)?;
        let account = Account { id: random_id()?, target: target.clone(), username, privileged, credential: kind };
        let sealed = self.inner.keys.seal(place_of(&account.id), plain.as_bytes())?;
        let mut tx = self.write(actor).await?;
        self.load_target(tx.sql(), target).await?.ok_or(Refusal::NotFound)?;
        let rows = sqlx::query("SELECT username FROM accounts WHERE target = $1").bind(target.as_str().to_owned()).fetch_all(tx.sql()).await?;
        if rows.len() >= ACCOUNTS {
            return Err(Refusal::too_many("TARGET_ACCOUNTS").into());
        }
        for row in rows {
            if row.try_get::<&str, _>("username")? == account.username {
                return Err(Refusal::NameTaken.into());
            }
        }
        let text = serde_json::to_string(&account)?;
        sqlx::query("INSERT INTO accounts (id, target, username, body, credential) VALUES ($1, $2, $3, $4, $5)")
            .bind(account.id.as_str().to_owned())
            .bind(target.as_str().to_owned())
            .bind(account.username.clone())
            .bind(text.clone())
            .bind(sealed.into_bytes())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &account, &text).await?;
        tx.fact(credential_kept(&account));
        tx.commit().await?;
        Ok(account)
    }

    /// Exchanges the credential of an account.
    ///
    /// # Errors
    /// A malformed credential; [`Refusal::NotFound`].
    pub async fn set_credential(&self, actor: &Actor, id: &AccountId, credential: CredentialAsk) -> Done<Account> {
        self.require(actor, Action::KeepLedger, None, "set_credential").await?;
        let mut tx = self.write(actor).await?;
        let mut account = self.load_account(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let (kind, plain) = check_credential(&credential, &account.username)?;
        let sealed = self.inner.keys.seal(place_of(id), plain.as_bytes())?;
        if kind != account.credential {
            // What an exchange made is of the old kind. While the target is told of it, nobody knows what opens the account.
            if self.is_exchanging(&mut tx, id).await? {
                return Err(Refusal::CredentialChanging.into());
            }
            self.drop_candidate(&mut tx, id).await?;
        }
        account.credential = kind;
        let text = serde_json::to_string(&account)?;
        sqlx::query("UPDATE accounts SET body = $1, credential = $2 WHERE id = $3")
            .bind(text.clone())
            .bind(sealed.into_bytes())
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &account, &text).await?;
        tx.fact(credential_kept(&account));
        tx.commit().await?;
        Ok(account)
    }

    /// Writes a target's row and its seal. The next fact of the change must be the one that tells of it.
    pub(super) async fn save_target(&self, tx: &mut Tx, target: &Target) -> Result<(), Fault> {
        let text = serde_json::to_string(target)?;
        sqlx::query("UPDATE targets SET name = $1, vendor = $2, active = $3, alarmed = $4, body = $5 WHERE id = $6")
            .bind(target.name.clone())
            .bind(target.vendor.as_str().to_owned())
            .bind(i64::from(target.active))
            .bind(i64::from(target.host_key_alarm.is_some()))
            .bind(text.clone())
            .bind(target.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, target, &text).await
    }

    async fn checked(&self, tx: &mut Tx, id: TargetId, ask: TargetAsk, host_key_alarm: Option<HostKeyAlarm>) -> Done<Target> {
        let TargetAsk { name, title, protocol, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active } = ask;
        check_target_name(&name)?;
        check_host(&host)?;
        check_line("title", &title)?;
        check_line("owner", &owner)?;
        if title.trim().is_empty() {
            return Err(Refusal::bad_field("title").into());
        }
        if port == 0 {
            return Err(Refusal::bad_field("port").into());
        }
        let keys = check_host_keys(&host_keys)?;
        if self.load_vendor(tx.sql(), &vendor).await?.is_none() {
            return Err(Refusal::bad_field("vendor").into());
        }
        let taken = sqlx::query("SELECT id FROM targets WHERE name = $1 AND id <> $2").bind(name.clone()).bind(id.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        if taken.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        Ok(Target { id, name, title, protocol, host, port, owner, vendor, host_keys: keys, personal_data, class, witness, quarantine, logs: TargetLogs::default(), active, host_key_alarm })
    }
}

/// Host keys in one spelling, without comments, each once.
pub(super) fn check_host_keys(lines: &[String]) -> Result<Vec<String>, Refusal> {
    if lines.len() > HOST_KEYS {
        return Err(Refusal::too_many("HOST_KEYS"));
    }
    let mut keys: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let key = KeyLine::parse(line).ok_or_else(|| Refusal::bad_field("host_keys"))?.key;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The kind of a credential, and what of it is kept: of a certificate nothing, because it is made anew each time.
fn check_credential<'a>(credential: &'a CredentialAsk, username: &str) -> Result<(CredentialKind, &'a str), Refusal> {
    let (kind, secret, sound) = match credential {
        CredentialAsk::Certificate => return check_principal(username).map(|()| (CredentialKind::Certificate, "")),
        CredentialAsk::Password(secret) => (CredentialKind::Password, secret, !secret.expose().chars().any(char::is_control)),
        CredentialAsk::PrivateKey(secret) => {
            let text = secret.expose().trim();
            let framed = text.starts_with("-----BEGIN ") && text.contains("PRIVATE KEY-----") && text.ends_with("-----");
            (CredentialKind::PrivateKey, secret, framed && !text.contains("ENCRYPTED"))
        }
    };
    let length = secret.expose().len();
    if sound && (1..=CREDENTIAL_BYTES).contains(&length) { Ok((kind, secret.expose())) } else { Err(Refusal::bad_field("credential")) }
}

fn credential_kept(account: &Account) -> Fact {
    Fact::CredentialKept { target: account.target.clone(), account: account.id.clone(), username: account.username.clone(), way: Some(account.credential) }
}

/// The fingerprints of host keys.
pub(super) fn fingerprints(host_keys: &[String]) -> Vec<String> {
    host_keys.iter().filter_map(|line| KeyLine::parse(line)).map(|key| key.fingerprint).collect()
}

fn kept(target: &Target, reason: &str) -> Fact {
    Fact::TargetKept {
        target: target.id.clone(),
        name: target.name.clone(),
        address: format!("{}:{}", target.host, target.port),
        host_keys: fingerprints(&target.host_keys),
        active: target.active,
        no_log: target.logs.none,
        addresses: target.logs.addresses.clone(),
        reason: reason.to_owned(),
    }
}
