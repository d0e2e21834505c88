//! Logging in by the browser: a key made here, a confirmation in the browser, and in exchange a short certificate that ssh
//! shows in place of password and code.

use crate::LoginArgs;
use crate::browser;
use crate::clock::Now;
use crate::home::{Home, Registration};
use crate::login_key;
use crate::renew;
use crate::ssh_config;
use crate::surroundings::value;
use crate::tls::{self, Server, trouble_of};
use crate::trouble::Trouble;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::ssh_login::{ALPN_LOGIN, LoginAnswer, LoginAsk, LoginIssued, LoginOffer, Reachable};
use sekisho_core::time::{Clock as _, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The key's file; ssh finds the certificate beside it by itself.
pub const KEY_FILE: &str = "login_key";
const CERTIFICATE_FILE: &str = "login_key-cert.pub";
/// What is known of the last login.
const LOGIN_FILE: &str = "login.json";
/// Longest answer that is read: a certificate and the names of targets.
const ANSWER_BYTES: u64 = 256 * 1024;
/// A login that ends sooner than this is not begun with.
const LEAST: Duration = Duration::from_secs(60);
/// Longest name of this machine that is told.
const HOST_CHARS: usize = 60;

/// What is kept of a login beside its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The person's login name.
    pub login: String,
    /// When the certificate ends.
    pub until: Timestamp,
    /// What the person's plans reach.
    pub targets: Vec<Reachable>,
}

/// Logs in, unless that is not needed or not possible.
pub async fn run(args: &LoginArgs, before: &[&str]) -> Result<String, Trouble> {
    let at = Home::of(args.at.dir.as_deref())?.find(args.at.name.as_deref())?;
    if args.if_needed {
        if standing(&at).is_some() {
            return Ok(String::new());
        }
        // A script is asked for nothing; ssh goes on with password and code.
        if !browser::is_there() {
            return Err(Trouble::Silent);
        }
    }
    let kept = match log_in(&at, !args.no_browser).await {
        // A hospital that allows no such logins is no news each time that ssh starts.
        Err(Trouble::Refused { code, .. }) if args.if_needed && code == Refusal::SshLoginOff.code() => return Err(Trouble::Silent),
        other => other?,
    };
    // The names that the plans show may be others than yesterday.
    if at.file(ssh_config::FILE).is_file() {
        ssh_config::write(&at, &kept.login, before, args.at.dir.as_deref())?;
    }
    Ok(told(&at, &kept))
}

/// The login that stands on this device, if one does.
pub fn standing(at: &Registration) -> Option<Kept> {
    let kept = last(at)?;
    let whole = at.file(KEY_FILE).is_file() && at.file(CERTIFICATE_FILE).is_file();
    (whole && Now.now().plus(LEAST) < kept.until).then_some(kept)
}

/// What is known of the last login, also of one that has ended.
pub fn last(at: &Registration) -> Option<Kept> {
    let bytes = std::fs::read(at.file(LOGIN_FILE)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Asks, shows the page, waits for the person, and keeps what comes.
pub async fn log_in(at: &Registration, opens: bool) -> Result<Kept, Trouble> {
    let (profile, identity) = renew::fresh(at).await?;
    let server = Server::parse(&profile.server)?;
    let key = login_key::make()?;
    let stream = tls::connect(&server, tls::enrolled(at.authority()?, &identity, ALPN_LOGIN)?).await?;
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader).take(ANSWER_BYTES);
    let ask = LoginAsk { key: key.public.clone(), host: host_name() };
    let line = format!("{}\n", serde_json::to_string(&ask).map_err(Trouble::here)?);
    writer.write_all(line.as_bytes()).await.map_err(trouble_of)?;
    writer.flush().await.map_err(trouble_of)?;
    let offer = match answer(&mut reader, limits::CERTIFICATE_ASK_SECONDS).await? {
        LoginAnswer::Offer(offer) => offer,
        LoginAnswer::Refused { code, ja, en } => return Err(Trouble::Refused { code, ja, en }),
        LoginAnswer::Issued(_) => return Err(Trouble::broken("an answer before its question")),
    };
    let url = browser::checked(&offer.url, offer.id.as_str())?;
    show(&profile.device_name, &profile.facility, &offer, &url);
    if opens {
        browser::open(&url);
    }
    let issued = match answer(&mut reader, limits::SSH_LOGIN_ASK_SECONDS + limits::CERTIFICATE_ASK_SECONDS).await? {
        LoginAnswer::Issued(issued) => *issued,
        LoginAnswer::Refused { code, ja, en } => return Err(Trouble::Refused { code, ja, en }),
        LoginAnswer::Offer(_) => return Err(Trouble::broken("a second question")),
    };
    let _ = writer.shutdown().await;
    keep(at, &key, issued)
}

async fn answer(reader: &mut tokio::io::Take<BufReader<ReadHalf<TlsStream<TcpStream>>>>, seconds: usize) -> Result<LoginAnswer, Trouble> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line);
    tokio::time::timeout(Duration::from_secs(seconds as u64), read).await.map_err(|_| Trouble::broken("timeout"))?.map_err(trouble_of)?;
    serde_json::from_slice(&line).map_err(Trouble::broken)
}

fn show(device: &str, facility: &str, offer: &LoginOffer, url: &str) {
    let shown = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(100).collect::<String>();
    eprintln!(
        "ブラウザーで{}の関所にログインし、次のコードが同じことを確かめて承認してください。(端末: {})\n  コード: {}\n  ページ: {url}\n\
         Log in to Sekisho in the browser and confirm the code above. Ctrl+C ends the waiting; ssh then asks for password and code.",
        shown(facility),
        shown(device),
        shown(&offer.code),
    );
}

fn keep(at: &Registration, key: &login_key::LoginKey, issued: LoginIssued) -> Result<Kept, Trouble> {
    let one_line = issued.certificate.lines().count() == 1 && issued.certificate.starts_with("ssh-ed25519-cert-v01@openssh.com ");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if !one_line || issued.login.is_empty() || !issued.login.bytes().all(plain) {
        return Err(Trouble::broken("an answer of an unknown form"));
    }
    let kept = Kept { login: issued.login, until: issued.until, targets: issued.targets };
    // The certificate last but one: with an older key beside it, ssh would show one that fits to nothing.
    at.write(KEY_FILE, key.private.as_bytes())?;
    at.write(CERTIFICATE_FILE, format!("{}\n", issued.certificate.trim_end()).as_bytes())?;
    at.write(LOGIN_FILE, &serde_json::to_vec_pretty(&kept).map_err(Trouble::here)?)?;
    Ok(kept)
}

fn told(at: &Registration, kept: &Kept) -> String {
    let names: Vec<String> = ssh_config::names(at, kept).into_iter().take(10).map(|(name, _)| format!("  ssh {name}\n")).collect();
    format!("ログインしました。{} まで、ssh はパスワードとコードを尋ねません。\nLogged in until {}.\n{}", kept.until.minute(), kept.until.minute(), names.concat())
}

/// What this machine calls itself, for the person who confirms.
fn host_name() -> String {
    let named = ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| value(name));
    let read = || std::fs::read_to_string("/etc/hostname").ok();
    let name = named.or_else(read).unwrap_or_default();
    name.trim().chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_')).take(HOST_CHARS).collect()
}
