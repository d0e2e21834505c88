//! The people of the small hospital. Their passwords and codes are drawn anew each time.

use super::api::Api;
use super::clock::DemoClock;
use super::hosts;
use super::phone::Phone;
use anyhow::{Context, Result};
use rand::RngExt;
use sekisho_core::people::Role;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A person who plays in the demo.
pub struct Player {
    /// Login name.
    pub login: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Password.
    pub password: String,
    /// Secret of the one-time codes, base32.
    pub totp_secret: String,
    /// Private key of a worker.
    pub ssh_key_file: Option<PathBuf>,
    /// The authenticator.
    pub phone: Phone,
}

/// What a person is before they are enrolled: login, name, role, vendor's place in [`VENDORS`].
type Part = (&'static str, &'static str, Role, Option<usize>);

/// The administrator, who is enrolled by the link that `init` prints.
pub const ADMINISTRATOR: (&str, &str) = ("aoki", "青木 誠");

/// The vendors: name, contact.
pub const VENDORS: [(&str, &str); 2] = [
    ("北斗メディカルシステム株式会社", "24時間サポート窓口 03-5550-0101"),
    ("みなと画像ソリューションズ株式会社", "保守センター 045-555-0202"),
];

/// Everybody else.
pub const PARTS: [Part; 11] = [
    ("ishikawa", "石川 由美", Role::Planner, None),
    ("ueda", "上田 健", Role::Operator, None),
    ("eguchi", "江口 さくら", Role::DutyClerk, None),
    ("ohno", "大野 修", Role::Supervisor, None),
    ("kato", "加藤 恵子", Role::SafetyManager, None),
    ("kimura", "木村 隆", Role::Auditor, None),
    ("sato", "佐藤 健一", Role::Worker, Some(0)),
    ("tanaka", "田中 愛", Role::Worker, Some(0)),
    ("takahashi", "高橋 徹", Role::VendorManager, Some(0)),
    ("suzuki", "鈴木 翔", Role::Worker, Some(1)),
    ("nakamura", "中村 真理", Role::VendorManager, Some(1)),
];

/// Sets password and code by a one-time link, as the person would in the browser.
///
/// # Errors
/// The link does not work.
pub async fn enrol(api: &Api, clock: &Arc<DemoClock>, link: &str, login: &str, name: &str, role: Role) -> Result<Player> {
    let token = link.rsplit('/').next().context("the link has no token")?;
    let offer = api.get(None, &format!("/api/v1/enrolments/{token}")).await?;
    let address = offer.get("totp_url").and_then(Value::as_str).context("the link offers no secret")?;
    let secret = secret_of(address).context("the link's otpauth address has no secret")?;
    let phone = Phone::new(&secret, clock.clone())?;
    let password = password();
    let code = phone.fresh();
    api.post(None, &format!("/api/v1/enrolments/{token}"), &json!({ "password": password, "code": code })).await?;
    Ok(Player { login: login.into(), name: name.into(), role, password, totp_secret: secret, ssh_key_file: None, phone })
}

/// The secret in an `otpauth://` address, base32.
fn secret_of(address: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("secret=")).map(str::to_owned)
}

/// Makes a worker's SSH key and registers it for them.
///
/// # Errors
/// The key cannot be made or is refused.
pub async fn register_key(api: &Api, player: &mut Player, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join(format!("{}_ed25519", player.login));
    let line = hosts::make_key(&file)?;
    let token = api.log_in(player).await?;
    api.post(Some(&token), "/api/v1/me/keys", &json!({ "key": format!("{line} {}@hoshu", player.login) })).await?;
    player.ssh_key_file = Some(file);
    Ok(())
}

/// A password that meets every profile: letters, digits, symbols, easy to type.
fn password() -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
    const DIGITS: &[u8] = b"23456789";
    let mut rng = rand::rng();
    let mut block = |from: &[u8], count: usize| -> String {
        (0..count).filter_map(|_| from.get(rng.random_range(0..from.len())).copied().map(char::from)).collect()
    };
    format!("{}-{}-{}-{}", block(LETTERS, 4), block(DIGITS, 4), block(LETTERS, 4), block(DIGITS, 3))
}
