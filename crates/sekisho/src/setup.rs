//! `sekisho init`: the first run.

use crate::cli::InitArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::{print, serve};
use anyhow::{Context, Result};
use sekisho_core::time::Clock;
use sekisho_store::{FirstAdministrator, InitReport, Store};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Makes keys, CA, log and the first administrator's link.
///
/// # Errors
/// The folder holds a Sekisho already, or cannot be written.
pub async fn init(config: &Config, args: &InitArgs, clock: Arc<dyn Clock>) -> Result<InitReport> {
    let first = FirstAdministrator { login: args.admin.clone(), name: args.admin_name.clone() };
    Store::init(serve::store_settings(config), clock, first)
        .await
        .with_context(|| format!("cannot set up {}", config.data.dir.display()))
}

/// Where the certificate of the private CA lies, for browsers to trust.
#[must_use]
pub fn ca_file(config: &Config) -> PathBuf {
    config.data.dir.join("ca.pem")
}

/// Runs `init` and prints what the person at the console needs.
///
/// # Errors
/// See [`init`].
pub async fn run(config: &Config, args: &InitArgs, json: bool) -> Result<ExitCode> {
    let report = init(config, args, Arc::new(SystemClock)).await?;
    let link = &report.first_admin;
    let text = format!(
        "関所の初期設定が終わりました。 / Sekisho is set up in {}.\n\n\
         1. `sekisho serve` で起動します。 / Start it.\n\
         2. 最初の関所管理者の登録用リンクを開きます(1回だけ、{} まで)。 / The first administrator enrols here, once:\n\n   {}\n\n\
         ブラウザに信頼させるCA証明書 / CA certificate for browsers: {}\n\
         記録台帳の公開鍵(別の場所に控えてください) / Public key of the log, to be kept elsewhere:\n\n   {}\n",
        config.data.dir.display(),
        link.expires_at.minute(),
        link.url.expose(),
        ca_file(config).display(),
        report.log_public_key,
    );
    let value = json!({
        "data_dir": config.data.dir,
        "enrolment_url": link.url.expose(),
        "expires_at": link.expires_at,
        "ca_file": ca_file(config),
        "log_public_key": report.log_public_key,
    });
    print(json, &value, &text)?;
    Ok(ExitCode::SUCCESS)
}
