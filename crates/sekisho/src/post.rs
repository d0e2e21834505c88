//! Outgoing mail: the courier that the configuration describes.

use crate::config::{Config, MailTls};
use anyhow::{Context, Result, bail};
use sekisho_core::letter::{Address, Carried, Courier, Letter, LetterHead, Parcel};
use sekisho_core::ids::MailId;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use sekisho_courier::{CourierSettings, Protection, Smtp};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

/// Longest file of authorities or of a secret.
const FILE_BYTES: u64 = 1024 * 1024;

/// The way to the mail server; `None` if none is configured.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used.
pub fn courier(config: &Config) -> Result<Option<Smtp>> {
    let mail = &config.mail;
    if mail.server.is_empty() {
        return Ok(None);
    }
    let authorities = (!mail.ca_file.as_os_str().is_empty()).then(|| read(&mail.ca_file).context("mail.ca_file cannot be read")).transpose()?;
    let account = if mail.account.is_empty() {
        None
    } else {
        let secret = secret(&mail.secret_file).context("mail.secret_file cannot be used")?;
        Some((mail.account.clone(), secret))
    };
    let Some(from) = Address::parse(&mail.from) else { bail!("mail.from is no mail address") };
    let settings = CourierSettings {
        server: mail.server.clone(),
        port: mail.port(),
        protection: match mail.tls {
            MailTls::Implicit => Protection::Implicit,
            MailTls::Starttls => Protection::StartTls,
            MailTls::None => Protection::None,
        },
        authorities,
        account,
        from,
        from_name: format!("{} 関所", config.facility.name),
    };
    Ok(Some(Smtp::new(settings)?))
}

/// The bytes of a small file.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    file.take(FILE_BYTES).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    Ok(bytes)
}

/// A secret of a file that nobody else can read, as `ssh` wants its keys.
///
/// # Errors
/// Others can read it, or it holds no text.
pub fn secret(path: &Path) -> Result<Secret> {
    let mode = std::fs::metadata(path).with_context(|| path.display().to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others; set it right with: chmod 600 {0}", path.display());
    }
    let text = String::from_utf8(read(path)?).with_context(|| format!("{} is no text", path.display()))?;
    let text = Secret::new(text.trim_end_matches(['\r', '\n']));
    if text.expose().is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(text)
}

/// `sekisho mail test`: hands one letter to the mail server from this terminal, past the outbox, and says what came of it.
///
/// # Errors
/// No mail server is configured, or it did not take the letter: in words.
pub async fn test(config: &Config, address: &str, json: bool) -> Result<ExitCode> {
    let Some(courier) = courier(config)? else { bail!("メールの送信が設定されていません([mail])。 / No mail server is configured; see [mail] in `sekisho config example`.") };
    let Some(to) = Address::parse(address) else { bail!("{address:?} はメールアドレスではありません。 / not a mail address") };
    let at = crate::clock::SystemClock.now();
    let written = Letter::Test { by: "コンソール (console)".into(), at }.written(&LetterHead { facility: &config.facility.name, base_url: &config.base_url() });
    let mut bytes = [0_u8; 10];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes).context("the operating system gives no random numbers")?;
    let parcel = Parcel { id: MailId::from_random(bytes), to, subject: written.subject, body: written.body, at };
    match courier.carry(parcel).await {
        Carried::Taken => {
            let text = format!("{address} への送信テストを、メールサーバー {} が受け取りました。受信箱で確かめてください。\nThe mail server took the test. Look into the mailbox.", config.mail.server);
            crate::print(json, &serde_json::json!({ "ok": true, "to": address, "server": config.mail.server }), &text)?;
            Ok(ExitCode::SUCCESS)
        }
        Carried::Refused(why) => bail!("メールサーバーがこの宛先を受け付けません。 / The mail server refuses this address: {why}"),
        Carried::Later(why) => bail!("メールサーバーが今は受け付けません。 / The mail server does not take it at the moment: {why}"),
        Carried::Unreachable(why) => bail!("メールサーバー {}:{} に送れません。 / No mail goes to this server: {why}", config.mail.server, config.mail.port()),
    }
}
