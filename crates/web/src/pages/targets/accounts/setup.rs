//! What an account's target must be told so that Sekisho gets in: exactly the lines that its administrator copies.

use crate::call::Call;
use crate::routes::Route;
use crate::stop::{Reply, Stop};
use axum::http::Method;
use schemars::JsonSchema;
use sekisho_core::ids::AccountId;
use sekisho_core::target::{Account, CredentialKind, check_principal};
use sekisho_store::{SshAuthority, TargetRow};
use serde::Serialize;

/// Where the authority's public keys lie on a target.
pub(in crate::pages) const AUTHORITY_PATH: &str = "/etc/ssh/sekisho_ca.pub";
/// Where the settings lie on a target whose sshd reads that folder.
const CONFIG_PATH: &str = "/etc/ssh/sshd_config.d/60-sekisho.conf";

pub(super) fn routes() -> Vec<Route> {
    vec![Route::api(Method::GET, "/api/v1/accounts/{account}/setup", super::super::KEEP_READ, "What the target of an account must be told so that Sekisho gets in.", api_setup).gives::<Setup>()]
}

/// Two files of the target, and the commands that put them there, look at them and take them away.
#[derive(Serialize, JsonSchema, Debug, PartialEq, Eq)]
pub(in crate::pages) struct Files {
    /// Path of the file with the authority's keys.
    pub authority_path: &'static str,
    /// Its content.
    pub authority: String,
    /// The command that writes it.
    pub authority_command: String,
    /// Path of the file with the settings.
    pub config_path: &'static str,
    /// Its content: lines of `sshd_config`.
    pub config: String,
    /// The command that writes it.
    pub config_command: String,
    /// Checks the settings and lets a running sshd read them: Debian, Ubuntu.
    pub reload_debian: &'static str,
    /// The same: Red Hat, Rocky, Alma, SUSE.
    pub reload_redhat: &'static str,
    /// Shows what counts for the account.
    pub check: String,
    /// Takes both files away.
    pub remove: String,
}

/// What the target must be told, by the kind of credential.
#[derive(Serialize, JsonSchema)]
struct Setup {
    /// `certificate`, `private_key` or `password`.
    credential: CredentialKind,
    /// For a certificate.
    files: Option<Files>,
    /// For a stored key: the line for the account's `authorized_keys`.
    authorized_keys: Option<String>,
}

/// A here-document: what stands in `content` is taken letter by letter.
fn tee(path: &str, content: &str) -> String {
    format!("sudo tee {path} >/dev/null <<'SEKISHO'\n{content}SEKISHO")
}

/// The lines for these accounts of one target. The authority is trusted for them alone, and they have no other way in.
pub(in crate::pages) fn files(authority: &SshAuthority, accounts: &[&Account]) -> Option<Files> {
    // No name that sshd would read as a pattern or a list can stand here.
    let names: Vec<&str> = accounts.iter().map(|account| account.username.as_str()).filter(|name| check_principal(name).is_ok()).collect();
    let first = names.first()?;
    let lines = authority.lines().join("\n") + "\n";
    let mut config = String::from("# Sekisho: these accounts are entered with a certificate of Sekisho. Keys in files and passwords do not open them.\n");
    config.push_str(&format!("Match User {}\n", names.join(",")));
    for (key, value) in [
        ("TrustedUserCAKeys", AUTHORITY_PATH),
        ("PubkeyAuthentication", "yes"),
        ("AuthenticationMethods", "publickey"),
        // Not "none": inside a Match block sshd takes that for a file of this name, which the account could write.
        ("AuthorizedKeysFile", "/dev/null"),
        ("PasswordAuthentication", "no"),
        ("KbdInteractiveAuthentication", "no"),
    ] {
        config.push_str(&format!("    {key} {value}\n"));
    }
    if names.contains(&"root") {
        config.push_str("    PermitRootLogin prohibit-password\n");
    }
    config.push_str("Match all\n");
    Some(Files {
        authority_path: AUTHORITY_PATH,
        authority_command: tee(AUTHORITY_PATH, &lines),
        authority: lines,
        config_path: CONFIG_PATH,
        config_command: tee(CONFIG_PATH, &config),
        config,
        reload_debian: "sudo sshd -t && sudo systemctl reload ssh",
        reload_redhat: "sudo sshd -t && sudo systemctl reload sshd",
        check: format!("sudo sshd -T -C user={first},host=sekisho,addr=127.0.0.1 | grep -Ei '^(trustedusercakeys|authorizedkeysfile|passwordauthentication) '"),
        remove: format!("sudo rm {CONFIG_PATH} {AUTHORITY_PATH}"),
    })
}

/// The accounts of a target that are entered with a certificate.
pub(in crate::pages) fn certified(row: &TargetRow) -> Vec<&Account> {
    row.accounts.iter().filter(|account| account.credential == CredentialKind::Certificate).collect()
}

/// The line for `authorized_keys`: the key may do what a plan allows, and forwards nothing of ours back.
pub(super) async fn authorized_keys(call: &Call, account: &AccountId) -> Result<Option<String>, Stop> {
    let probe = call.ctx.house.settings.probe.as_ref();
    let line = call.ctx.store().account_public_line(call.ctx.actor()?, account, probe).await?;
    Ok(line.map(|line| format!("restrict,pty,port-forwarding {line} sekisho")))
}

async fn api_setup(call: Call) -> Reply {
    let id = call.id("account", AccountId::parse)?;
    let all = call.ctx.store().targets(call.ctx.actor()?).await?;
    let row = all.into_iter().find(|row| row.accounts.iter().any(|account| account.id == id)).ok_or_else(Stop::not_found)?;
    let account = row.accounts.iter().find(|account| account.id == id).ok_or_else(Stop::not_found)?;
    let files = match account.credential {
        CredentialKind::Certificate => files(&call.ctx.store().ssh_authority(call.ctx.actor()?)?, &certified(&row)),
        CredentialKind::Password | CredentialKind::PrivateKey => None,
    };
    call.answer(&Setup { credential: account.credential, files, authorized_keys: authorized_keys(&call, &id).await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::ids::TargetId;
    use sekisho_core::time::Timestamp;
    use sekisho_store::AuthorityKey;

    fn account(name: &str) -> Account {
        Account { id: AccountId::from_random([1; 10]), target: TargetId::from_random([2; 10]), username: name.into(), privileged: false, credential: CredentialKind::Certificate }
    }

    fn authority() -> SshAuthority {
        let key = |line: &str| AuthorityKey { line: line.into(), fingerprint: String::new(), made_at: Timestamp(0) };
        SshAuthority { signing: key("ssh-ed25519 AAAA one"), next: Some(key("ssh-ed25519 BBBB two")) }
    }

    #[test]
    fn both_keys_stand_in_the_file_while_they_are_exchanged() {
        let files = files(&authority(), &[&account("maint"), &account("root")]).unwrap();
        assert_eq!(files.authority, "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n");
        assert!(files.authority_command.contains(&files.authority) && files.config_command.contains(&files.config));
        assert!(files.config.contains("Match User maint,root\n") && files.config.contains("PermitRootLogin"));
    }

    #[test]
    fn a_name_that_sshd_would_read_as_a_list_or_pattern_gets_no_line() {
        for name in ["a,b", "*", "!root", "ma int", ""] {
            assert_eq!(files(&authority(), &[&account(name)]), None, "{name}");
        }
    }
}
