//! Directories and sign-in providers of the configuration: their files are read here, and they are tried out in words that
//! an operator can act on.

use crate::config::Config;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sekisho_connect::help::Language;
use sekisho_core::directory::{Away, Directory, SourceInfo, SourceKind};
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use sekisho_directory::{Directories, Trust};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// Longest file of certificates that is read: all authorities of an operating system are a quarter of it.
const CA_BYTES: u64 = 1024 * 1024;
/// Longest file of a secret.
const SECRET_BYTES: u64 = 4096;

/// Reads what one entry names.
fn trust(ca: &Path, secret: &Path) -> Result<Trust, String> {
    let size = |path: &Path| std::fs::metadata(path).map_err(|fault| format!("{} cannot be read: {fault}", path.display()));
    if size(ca)?.len() > CA_BYTES {
        return Err(format!("{} is larger than {CA_BYTES} bytes", ca.display()));
    }
    let anchors = CertificateDer::pem_file_iter(ca).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|fault| format!("{} holds no certificates in PEM: {fault}", ca.display()))?;
    let held = size(secret)?;
    if held.permissions().mode() & 0o077 != 0 {
        return Err(format!("{} can be read by others: chmod 600 {}", secret.display(), secret.display()));
    }
    if held.len() > SECRET_BYTES {
        return Err(format!("{} is larger than {SECRET_BYTES} bytes", secret.display()));
    }
    let text = std::fs::read_to_string(secret).map_err(|fault| format!("{} cannot be read: {fault}", secret.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(format!("{} is empty", secret.display())) } else { Ok(Trust { anchors, secret: Secret::new(text) }) }
}

/// All that is configured and can be used, and one sentence for each that cannot. A file that is missing keeps one directory
/// away and not the house.
#[must_use]
pub fn read(config: &Config, clock: &Arc<dyn Clock>) -> (Directories, Vec<(String, String)>) {
    let mut broken = Vec::new();
    let mut directories = Vec::new();
    for settings in &config.directory {
        match trust(&settings.ca, &settings.bind_password_file) {
            Ok(trust) => directories.push((settings.clone(), trust)),
            Err(why) => broken.push((settings.name.clone(), why)),
        }
    }
    let mut providers = Vec::new();
    for settings in &config.provider {
        match trust(&settings.ca, &settings.client_secret_file) {
            Ok(trust) => providers.push((settings.clone(), trust)),
            Err(why) => broken.push((settings.name.clone(), why)),
        }
    }
    let house = Directories::new(directories, providers, clock, |name, why| broken.push((name, why)));
    (house, broken)
}

/// What was seen of one directory or provider.
pub struct Tried {
    /// Its short name.
    pub name: String,
    /// What it said, or why it cannot be used.
    pub outcome: Result<String, String>,
}

/// Tries all of them out.
pub async fn try_all(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Tried> {
    let (house, broken) = read(config, clock);
    let mut tried: Vec<Tried> = broken.into_iter().map(|(name, why)| Tried { name, outcome: Err(why) }).collect();
    for source in house.sources() {
        let outcome = house.check(&source.name).await.map_err(|why| why.to_string());
        tried.push(Tried { name: source.name.clone(), outcome });
    }
    tried
}

/// The same in the language of this terminal.
fn told_step(why: &str) -> &'static str {
    let (ja, en) = next_step(why);
    match crate::config::language() {
        Language::Ja => ja,
        Language::En => en,
    }
}

/// What to do about one that cannot be used, in Japanese and English.
#[must_use]
pub fn next_step(why: &str) -> (&'static str, &'static str) {
    if why.contains("certificate") {
        (
            "サーバーが自分の名前の入った証明書を示すようにし、その証明書に署名した認証局(サーバー自身の証明書ではなく)を ca に書いてください",
            "let the server show a certificate with its own name, and name the authority that signed it in ca (not the server's own certificate)",
        )
    } else if why.contains("reached") || why.contains("answer within") {
        (
            "名前が正しいか、サーバーが動いているか、ファイアウォールがこの機器を通すか(LDAPS は 636、StartTLS は 389、連携先は 443)を確かめてください",
            "look whether the name is right, the server is on, and the firewall lets this box through (LDAPS: port 636, StartTLS: 389, provider: 443)",
        )
    } else if why.contains("service account") {
        (
            "bind、bind_password_file のパスワード、ディレクトリーでのそのアカウントの権限を確かめてください",
            "look at bind and the password in bind_password_file, and at the rights of that account in the directory",
        )
    } else if why.contains("group") || why.contains("not there") {
        ("base とグループを、ディレクトリーの管理画面にある識別名(DN)のとおりに書いてください", "copy base and groups as distinguished names from the directory's own administration")
    } else {
        ("sekisho.toml の項目を直してください。sekisho directory check で試せます", "correct the entry in sekisho.toml; `sekisho directory check` tries it again")
    }
}

/// Looks for one account, as an administrator who is about to link it does.
///
/// # Errors
/// A sentence for the person at the console.
pub async fn look(config: &Config, clock: &Arc<dyn Clock>, source: Option<&str>, login: &str) -> Result<(serde_json::Value, String), String> {
    let (house, broken) = read(config, clock);
    for (name, why) in broken {
        eprintln!("sekisho: {name}: {why}");
    }
    let directories: Vec<&SourceInfo> = house.sources().iter().filter(|info| info.kind == SourceKind::Directory && source.is_none_or(|name| name == info.name)).collect();
    let [info] = directories.as_slice() else {
        return Err(match source {
            Some(name) => format!("no directory {name} can be used; see `sekisho directory check`"),
            None if directories.is_empty() => "no directory can be used; see `sekisho directory check`".into(),
            None => "several directories are configured: say which one by --source".into(),
        });
    };
    let account = house.look(&info.name, login).await.map_err(|why| match why {
        Away::No("nobody") => format!("{} has no account {login} under its base that the filter finds", info.name),
        Away::No("several") => format!("{} has more than one account for {login}; narrow base or filter, or nobody of them can log in", info.name),
        other => other.to_string(),
    })?;
    let roles: Vec<&str> = account.roles.iter().map(|role| role.as_str()).collect();
    let lost: Vec<&str> = info.mapped.difference(&account.roles).map(|role| role.as_str()).collect();
    let state = account.closed.map_or("open", |closed| closed.as_str());
    let none = |list: &[&str]| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
    let text = format!(
        "{}\n  name      {}\n  entry     {}\n  id        {}\n  state     {state}\n  roles     {} (groups hold the account; a role must also stand in Sekisho's ledger)\n  not       {} (of these groups it is no member)",
        info.name,
        account.name,
        account.dn,
        account.subject,
        none(&roles),
        none(&lost)
    );
    Ok((serde_json::json!({ "source": info.name, "name": account.name, "dn": account.dn, "subject": account.subject, "state": state, "roles": roles }), text))
}

/// `sekisho directory check`.
///
/// # Errors
/// Standard output is closed.
pub async fn check(config: &Config, json: bool) -> anyhow::Result<std::process::ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
    let tried = try_all(config, &clock).await;
    let all_well = tried.iter().all(|one| one.outcome.is_ok());
    let mut text = String::new();
    for one in &tried {
        match &one.outcome {
            Ok(seen) => text.push_str(&format!("OK   {}: {seen}\n", one.name)),
            Err(why) => text.push_str(&format!("NG   {}: {why}\n     -> {}\n", one.name, told_step(why))),
        }
    }
    if tried.is_empty() {
        text.push_str("ディレクトリーもログイン連携も設定されていません。パスワードはすべて関所が保管します。 / no directory and no sign-in provider is configured: everybody's password is kept by Sekisho");
    }
    let value: Vec<_> = tried.iter().map(|one| serde_json::json!({ "name": one.name, "ok": one.outcome.is_ok(), "seen": one.outcome.as_ref().unwrap_or_else(|why| why) })).collect();
    crate::print(json, &serde_json::json!({ "ok": all_well, "sources": value }), &text)?;
    Ok(if all_well { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE })
}

/// `sekisho directory test`.
///
/// # Errors
/// Standard output is closed.
pub async fn test(config: &Config, login: &str, source: Option<&str>, json: bool) -> anyhow::Result<std::process::ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
    match look(config, &clock, source, login).await {
        Ok((value, text)) => {
            crate::print(json, &value, &text)?;
            Ok(std::process::ExitCode::SUCCESS)
        }
        Err(why) => {
            eprintln!("sekisho: {why}\n     -> {}", told_step(&why));
            Ok(std::process::ExitCode::FAILURE)
        }
    }
}
