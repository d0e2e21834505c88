//! `sekisho.toml`: one section per room, safe defaults, unknown keys refused.

mod surroundings;
pub use surroundings::language;

use anyhow::{Context, Result, bail};
use sekisho_core::alarm::Level;
use sekisho_core::factors::FactorKind;
use sekisho_core::letter::Address;
use sekisho_core::limits;
use sekisho_core::outgoing::{Format, Takes};
use sekisho_core::policy::Policy;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sekisho_store::Database;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The documented example; its values are the defaults.
pub const EXAMPLE: &str = include_str!("sekisho.example.toml");

/// Longest configuration file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The hospital.
    pub facility: Facility,
    /// Where state lies.
    pub data: Data,
    /// The SSH gateway.
    pub ssh: Ssh,
    /// Pages and API.
    pub web: Web,
    /// The outer door.
    pub door: Door,
    /// Targets' logs.
    pub log_sources: crate::gathering::LogSources,
    /// The authority that certifies devices.
    pub device_ca: DeviceCa,
    /// Outgoing mail.
    pub mail: Mail,
    /// Receivers of alarms and events.
    pub receiver: Vec<ReceiverSection>,
    /// Directories, LDAP or Active Directory.
    pub directory: Vec<sekisho_directory::DirectorySettings>,
    /// Sign-in providers, OpenID Connect.
    pub provider: Vec<sekisho_directory::ProviderSettings>,
    /// Places outside of the box that get the signed heads of the log.
    pub checkpoints: crate::outside::Checkpoints,
    /// Time stamps over the signed heads of the log.
    pub timestamps: crate::timestamps::TimestampSection,
    /// Where copies of recordings go.
    pub archive: crate::archive::Archive,
    /// Time servers.
    pub time: crate::timekeeping::Time,
    /// The program's own log.
    pub log: Log,
    /// Traces for a collector.
    pub telemetry: crate::telemetry::TelemetrySection,
    /// Settings of the rules.
    pub policy: Policy,
}

/// Section `[facility]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facility {
    /// Name on pages and forms.
    pub name: String,
    /// Short name; names the log.
    pub id: String,
}

impl Default for Facility {
    fn default() -> Self {
        Self { name: "関所".into(), id: "facility".into() }
    }
}

/// Section `[data]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The data folder.
    pub dir: PathBuf,
    /// The key that wraps all others; empty for the default place.
    pub key_file: PathBuf,
    /// A file of leaked passwords, sorted by SHA-1; empty for none.
    pub leaked_passwords: PathBuf,
    /// `sqlite` or a PostgreSQL URL, which holds a password.
    pub database: Secret,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "/var/lib/sekisho".into(), key_file: PathBuf::new(), leaked_passwords: PathBuf::new(), database: Secret::new("sqlite") }
    }
}

/// Section `[ssh]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ssh {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Addresses from which this box reaches its targets, if they are fixed.
    pub sources: Vec<Network>,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 2222)), sources: Vec::new() }
    }
}

/// Section `[web]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Names and addresses of this box.
    pub hosts: Vec<String>,
    /// The address that links show; empty to derive it.
    pub base_url: String,
    /// A certificate chain of one's own, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            hosts: vec!["localhost".into(), "127.0.0.1".into()],
            base_url: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
        }
    }
}

/// Whether a text can be a hospital's short name, which stands in file names and behind dots.
fn is_short_name(text: &str) -> bool {
    (2..=32).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Section `[door]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Door {
    /// Where to listen, as address and port; empty for no door.
    pub listen: String,
    /// The address and port by which devices reach it, for the words of pages; empty to derive it.
    pub address: String,
    /// Short name under which devices keep this hospital, the end of `ssh TARGET.NAME`; empty for `facility.id`.
    pub name: String,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None; on this machine only.
    None,
}

/// Section `[mail]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// Name of the mail server; empty for no mail.
    pub server: String,
    /// Its port; 0 for the usual one.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Authorities that may have issued its certificate, PEM; empty for those of the operating system.
    pub ca_file: PathBuf,
    /// Account, if the server asks for one.
    pub account: String,
    /// File that holds the account's secret.
    pub secret_file: PathBuf,
    /// From whom letters come.
    pub from: String,
    /// Addresses that are told of alarms besides the persons who are named.
    pub alarm: Vec<String>,
}

impl Mail {
    /// The port that is used.
    #[must_use]
    pub fn port(&self) -> u16 {
        match (self.port, self.tls) {
            (0, MailTls::Starttls) => 587,
            (0, MailTls::Implicit) => 465,
            (0, MailTls::None) => 25,
            (port, _) => port,
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.server.is_empty() {
            if !self.from.is_empty() || !self.account.is_empty() || !self.alarm.is_empty() {
                found.push("mail.server が空のため、[mail] の他の項目は効きません。サーバーを書くか、他の項目を消してください。 / mail.server is empty, so the other keys of [mail] have no effect; name the server or take them out".into());
            }
            return found;
        }
        let sound = self.server.len() <= 253 && self.server.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
        if !sound {
            found.push("mail.server は、ポートを付けずに名前かアドレスで書いてください。 / mail.server must be a name or an address without port".into());
        }
        if Address::parse(&self.from).is_none() {
            found.push("mail.from は、\"sekisho@hospital.example\" のようなメールアドレスにしてください。 / mail.from must be a mail address, such as \"sekisho@hospital.example\"".into());
        }
        if self.tls == MailTls::None && !sekisho_courier::is_this_machine(&self.server) {
            found.push("mail.tls = \"none\" は、この機器の上のサーバー(localhost、127.0.0.1)だけに使えます。メールにはアカウントを開くリンクが入るためです。 / mail.tls = \"none\" is for a server on this machine alone (localhost, 127.0.0.1): letters hold links that open accounts".into());
        }
        if self.account.is_empty() != self.secret_file.as_os_str().is_empty() {
            found.push("mail.account と mail.secret_file は、両方を書くか、両方を空にしてください。 / mail.account and mail.secret_file go together".into());
        }
        if self.alarm.len() > limits::MAIL_ALARM_ADDRESSES {
            found.push(format!("mail.alarm に書けるアドレスは {0} 件までです。 / mail.alarm may name {0} addresses", limits::MAIL_ALARM_ADDRESSES));
        }
        for address in self.alarm.iter().filter(|address| Address::parse(address).is_none()) {
            found.push(format!("mail.alarm の {address:?} はメールアドレスではありません。 / mail.alarm holds {address:?}, which is no mail address"));
        }
        found
    }
}

impl ReceiverSection {
    /// The keys that it has in common with places for checkpoints.
    #[must_use]
    pub fn keys(&self) -> crate::syslog_keys::SyslogKeys<'_> {
        crate::syslog_keys::SyslogKeys { server: &self.syslog, ca_file: &self.ca_file, certificate: &self.certificate, key: &self.key, bare_close: self.bare_close, clear_network: &self.clear_network, udp: self.udp }
    }
}

/// A section `[[receiver]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverSection {
    /// What pages and log call it.
    pub name: String,
    /// `alarms` or `events`.
    pub takes: Takes,
    /// The least level of alarms that it takes.
    pub level: Level,
    /// The form of events.
    pub format: Format,
    /// It takes the log from its first entry on.
    pub from_start: bool,
    /// Address of a webhook.
    pub url: String,
    /// File that holds the secret of its signature.
    pub secret_file: PathBuf,
    /// `host:port` of a syslog server.
    pub syslog: String,
    /// Authorities that may have issued the receiver's certificate, PEM.
    pub ca_file: PathBuf,
    /// Our own certificate for it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// A syslog server by TLS ends connections without `close_notify`, and that counts as its end.
    pub bare_close: bool,
    /// Name of the legacy network into which syslog goes without TLS.
    pub clear_network: String,
    /// By UDP.
    pub udp: bool,
}

fn receiver_problems(receivers: &[ReceiverSection]) -> Vec<String> {
    let mut found = Vec::new();
    if receivers.len() > limits::RECEIVERS {
        found.push(format!("[[receiver]] は {0} 個までです。 / [[receiver]] may stand {0} times", limits::RECEIVERS));
    }
    for (n, one) in receivers.iter().enumerate() {
        let name = &one.name;
        let sound = (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !sound || receivers.iter().take(n).any(|other| other.name == *name) {
            found.push(format!("receiver.name {name:?} は、a-z、0-9、- の 1～32 文字で、他と重ならない名前にしてください。 / receiver.name {name:?} must be 1 to 32 of a-z, 0-9 and -, and its own"));
        }
        if one.url.is_empty() == one.syslog.is_empty() {
            found.push(format!("通知先 {name:?} には url か syslog のどちらか一方が要ります。 / the receiver {name:?} needs either url or syslog"));
        }
        if !one.url.is_empty() && one.secret_file.as_os_str().is_empty() {
            found.push(format!("通知先 {name:?} には secret_file が要ります。署名がないと、誰でも関所を名乗って送れてしまいます。 / the receiver {name:?} needs secret_file: without a signature anybody could write to it in Sekisho's name"));
        }
        if !one.syslog.is_empty() {
            found.extend(one.keys().problems(&format!("the receiver {name:?}")));
        }
        if one.udp && one.takes == Takes::Events {
            found.push(format!("届いたかどうかを確かめられないため、UDP では送れません(通知先 {name:?})。 / events do not go by UDP, where nobody can tell what arrived (receiver {name:?})"));
        }
        if !one.url.is_empty() && one.takes == Takes::Events && one.format != Format::Ocsf {
            found.push(format!("Webhook で送れる形式は JSON(ocsf)だけです(通知先 {name:?})。 / a webhook takes events as JSON (ocsf) alone (receiver {name:?})"));
        }
    }
    found
}

/// Section `[device_ca]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceCa {
    /// A token or HSM for the key that certifies devices.
    pub pkcs11: Option<Pkcs11>,
}

/// A token or HSM, by PKCS #11.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11 {
    /// The library of its maker.
    pub module: PathBuf,
    /// Its label.
    pub token: String,
    /// A file that holds its PIN.
    pub pin_file: PathBuf,
}

/// Section `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// error, warn, info or debug.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into() }
    }
}

impl Config {
    /// Reads a file; without a path `sekisho.toml` in the working folder, else `/etc/sekisho/sekisho.toml`, else the
    /// defaults.
    ///
    /// # Errors
    /// A file that cannot be read, is too large, holds unknown keys or unsafe values: all problems, one a line.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let config = match path.map(Path::to_path_buf).or_else(Self::found) {
            Some(path) => {
                let size = std::fs::metadata(&path).with_context(|| format!("{0} を読めません。 / cannot read {0}", path.display()))?.len();
                if size > MAX_BYTES {
                    bail!("{0} は {MAX_BYTES} バイトを超えています。 / {0} is larger than {MAX_BYTES} bytes", path.display());
                }
                let text = std::fs::read_to_string(&path).with_context(|| format!("{0} を読めません。 / cannot read {0}", path.display()))?;
                toml::from_str(&text).with_context(|| format!("{0} の設定を読み取れません。 / {0} is not a valid configuration", path.display()))?
            }
            None => Self::default(),
        };
        let problems = config.problems();
        if !problems.is_empty() {
            bail!("設定に誤りがあります。次の項目を直してください。 / The configuration has faults:\n{}", problems.join("\n"));
        }
        Ok(config)
    }

    fn found() -> Option<PathBuf> {
        ["sekisho.toml", "/etc/sekisho/sekisho.toml"].into_iter().map(PathBuf::from).find(|path| path.is_file())
    }

    /// Values that cannot work or are unsafe, one sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = self.policy.problems();
        found.extend(sekisho_directory::problems(&self.directory, &self.provider));
        found.extend(self.mail.problems());
        found.extend(receiver_problems(&self.receiver));
        let id = &self.facility.id;
        let sound_id = (2..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !sound_id {
            found.push("facility.id は、a-z、0-9、- の 2～32 文字にしてください。 / facility.id must be 2 to 32 of a-z, 0-9 and -".into());
        }
        if self.facility.name.trim().is_empty() || self.facility.name.chars().count() > 100 || self.facility.name.chars().any(char::is_control) {
            found.push("facility.name は 1～100 文字にしてください。 / facility.name must have 1 to 100 characters".into());
        }
        if self.web.hosts.is_empty() {
            found.push("web.hosts に名前を一つ以上書いてください。 / web.hosts needs at least one name".into());
        }
        if self.web.certificate.as_os_str().is_empty() != self.web.key.as_os_str().is_empty() {
            found.push("web.certificate と web.key は、両方を書くか、両方を空にしてください。 / web.certificate and web.key go together".into());
        }
        found.extend(self.log_sources.problems());
        if !self.door.listen.is_empty() && self.door_listen().is_none() {
            found.push("door.listen は、\"0.0.0.0:443\" のようにアドレスとポートで書くか、空にしてください。 / door.listen must be an address and port such as \"0.0.0.0:443\", or empty".into());
        }
        if !self.door.address.is_empty() && !sekisho_connect::is_server(&self.door.address) {
            found.push("door.address は、\"sekisho.hospital.example:443\" のように名前(かアドレス)とポートで書いてください。 / door.address must be a name or address with a port, such as \"sekisho.hospital.example:443\"".into());
        }
        if let Some(host) = self.door_host().filter(|host| !self.web.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))) {
            found.push(format!("door.address の {host} が web.hosts にありません。このままでは画面が開かず、端末からは別の関所に見えます。web.hosts に加えてください。 / door.address names {host}, which is none of web.hosts: pages would refuse it, and devices would take the box for another one; add it to web.hosts"));
        }
        if !self.door.name.is_empty() && !is_short_name(&self.door.name) {
            found.push("door.name は、a-z、0-9、- の 2～32 文字で、- 以外から始めてください。 / door.name must be 2 to 32 of a-z, 0-9 and -, and begin with none of -".into());
        }
        if !self.door.listen.is_empty() && self.door_name() == Facility::default().id {
            found.push("外側の入口には、\"aoba\" のような、この病院だけの door.name が要ります。事業者の端末は病院ごとにこの名前で覚えます。\"facility\" は出荷時の共通の名前です。 / the outer door needs a door.name of this hospital's own, such as \"aoba\": devices of vendors keep each hospital under it, and \"facility\" is what every box is shipped with".into());
        }
        if self.device_ca.pkcs11.as_ref().is_some_and(|token| !token.module.is_absolute() || !token.pin_file.is_absolute() || token.token.is_empty()) {
            found.push("device_ca.pkcs11 には、/ から始まる module と pin_file のパスと、トークンのラベルが要ります。 / device_ca.pkcs11 needs the whole paths of module and pin_file, and the token's label".into());
        }
        if self.ssh.sources.len() > limits::CERTIFICATE_SOURCES {
            found.push(format!("ssh.sources に書けるアドレスは {0} 件までです。 / ssh.sources may name {0} addresses", limits::CERTIFICATE_SOURCES));
        }
        let demands_passkey = self.policy.factors.iter().find(|(_, kinds)| kinds.contains(&FactorKind::Passkey) && !kinds.contains(&FactorKind::Totp));
        if let Some((role, _)) = demands_passkey.filter(|_| self.passkey_origins().is_empty()) {
            found.push(format!("policy.factors.{0} はパスキーを求めていますが、web.base_url と web.hosts が数字のアドレスだけなので、パスキーを使えません。この役割の人が誰もログインできなくなります。名前を加えてください。 / policy.factors.{0} asks for a passkey, but web.base_url and web.hosts name addresses of numbers alone, under which no passkey can be used: nobody of this role could log in", role.as_str()));
        }
        if !self.web.base_url.is_empty() && !self.web.base_url.starts_with("https://") {
            found.push("web.base_url は https:// で始めてください。 / web.base_url must begin with https://".into());
        }
        found.extend(self.checkpoints.problems());
        found.extend(self.telemetry.problems());
        found.extend(self.archive.problems());
        found.extend(self.timestamps.problems());
        found.extend(self.time.problems());
        if !self.checkpoints.mail.is_empty() && self.mail.server.is_empty() {
            found.push("checkpoints.mail にはメールサーバーが要ります。[mail] を設定してください。 / checkpoints.mail needs a mail server; see [mail]".into());
        }
        found.extend(self.database().problem());
        if !["error", "warn", "info", "debug"].contains(&self.log.level.as_str()) {
            found.push("log.level は error、warn、info、debug のどれかにしてください。 / log.level must be error, warn, info or debug".into());
        }
        found
    }

    /// Where the rows live.
    #[must_use]
    pub fn database(&self) -> Database {
        match self.data.database.expose() {
            "sqlite" => Database::Sqlite,
            url => Database::Postgres { url: Secret::new(url) },
        }
    }

    /// Where the outer door listens, if there is one.
    #[must_use]
    pub fn door_listen(&self) -> Option<SocketAddr> {
        self.door.listen.parse().ok()
    }

    /// The short name under which devices keep this hospital.
    #[must_use]
    pub fn door_name(&self) -> &str {
        if self.door.name.is_empty() { &self.facility.id } else { &self.door.name }
    }

    /// The name in `door.address`, if one is given.
    fn door_host(&self) -> Option<&str> {
        let (host, _) = self.door.address.rsplit_once(':')?;
        Some(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The name and port by which devices reach the outer door, which listens on `port`.
    #[must_use]
    pub fn door_address(&self, port: u16) -> String {
        if !self.door.address.is_empty() {
            return self.door.address.clone();
        }
        let host = self.ssh_host();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The address that links show, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        if !self.web.base_url.is_empty() {
            return self.web.base_url.trim_end_matches('/').to_owned();
        }
        let host = self.web.hosts.first().map_or("localhost", String::as_str);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self.web.listen.port() {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        }
    }

    /// The origins under which browsers may use passkeys: that of the links if it has a name, else the names of `web.hosts`
    /// at the same port. An address of numbers cannot be one.
    #[must_use]
    pub fn passkey_origins(&self) -> Vec<String> {
        let base = self.base_url();
        let authority = base.trim_start_matches("https://").split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, format!(":{port}")),
            _ => (authority, String::new()),
        };
        // A worker's browser comes through the outer door, which has a port of its own.
        let doors = [self.door.address.as_str(), self.door.listen.as_str()];
        let door = doors.into_iter().find_map(|address| address.rsplit_once(':')).map(|(_, port)| if port == "443" { String::new() } else { format!(":{port}") });
        let mut origins: Vec<String> = Vec::new();
        for port in std::iter::once(port).chain(door) {
            for name in std::iter::once(host).chain(self.web.hosts.iter().map(String::as_str)).chain(self.door_host()) {
                let origin = format!("https://{}{port}", name.to_ascii_lowercase());
                if is_name(name) && !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
        }
        origins
    }

    /// The name or address that workers give to their SSH client.
    #[must_use]
    pub fn ssh_host(&self) -> String {
        self.web.hosts.first().cloned().unwrap_or_else(|| "localhost".into())
    }

    /// The origin line of the log's checkpoints.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("sekisho/{}", self.facility.id)
    }

    /// The rules' settings, with the facility's own names denied in passwords.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let mut policy = self.policy.clone();
        policy.facility_names.push(self.facility.name.clone());
        policy.facility_names.push(self.facility.id.clone());
        policy
    }
}

/// True for a name such as `gateway.example`, false for an address of numbers.
fn is_name(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    !host.is_empty() && host.parse::<std::net::IpAddr>().is_err() && !host.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_the_default() {
        let example: Config = toml::from_str(EXAMPLE).unwrap();
        let default = Config::default();
        assert_eq!(format!("{example:?}"), format!("{default:?}"));
        assert_eq!(example.data.database.expose(), default.data.database.expose());
        assert!(default.problems().is_empty());
    }

    #[test]
    fn an_address_of_numbers_is_no_origin_of_passkeys() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap();
        let named = read("[web]\nhosts = [\"gateway.example\", \"192.0.2.1\"]");
        assert_eq!(named.passkey_origins(), ["https://gateway.example:8443"]);
        let numbers = read("[web]\nhosts = [\"192.0.2.1\", \"2001:db8::1\"]\n[policy]\nfactors = { administrator = [\"passkey\"] }");
        assert!(numbers.passkey_origins().is_empty());
        assert!(numbers.problems().iter().any(|problem| problem.contains("policy.factors.administrator")), "{:?}", numbers.problems());
        let door = read("[web]\nhosts = [\"gateway.example\"]\n[door]\nlisten = \"0.0.0.0:443\"");
        assert_eq!(door.passkey_origins(), ["https://gateway.example:8443", "https://gateway.example"]);
        let second = read("[web]\nhosts = [\"127.0.0.1\", \"localhost\"]\n[policy]\nfactors = { administrator = [\"passkey\"] }");
        assert_eq!(second.passkey_origins(), ["https://localhost:8443"]);
        assert!(second.problems().is_empty());
        let nobody = read("[policy]\nfactors = { planner = [\"recovery\"] }");
        assert!(nobody.problems().iter().any(|problem| problem.contains("planner")));
    }

    #[test]
    fn a_door_needs_a_name_of_its_own_that_the_box_answers_to() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap().problems();
        let shipped = read("[door]\nlisten = \"0.0.0.0:443\"");
        assert!(shipped.iter().any(|problem| problem.contains("door.name")), "{shipped:?}");
        let named = |name: &str| read(&format!("[web]\nhosts = [\"gate.example\"]\n[door]\nlisten = \"0.0.0.0:443\"\nname = \"{name}\""));
        assert!(named("aoba").is_empty(), "a box whose log keeps the shipped name opens a door under one of its own: {:?}", named("aoba"));
        for bad in ["facility", "A", "a b", "-a", "a.b", "a"] {
            assert!(!named(bad).is_empty(), "{bad}");
        }
        let web = "[facility]\nid = \"aoba\"\n[web]\nhosts = [\"gate.example\", \"2001:db8::1\"]\n[door]\nlisten = \"0.0.0.0:443\"\n";
        for (address, sound) in [("", true), ("Gate.example:443", true), ("[2001:db8::1]:443", true), ("other.example:443", false), ("gate.example.evil.test:443", false)] {
            let found = read(&format!("{web}address = \"{address}\""));
            assert_eq!(found.is_empty(), sound, "{address}: {found:?}");
        }
    }

    #[test]
    fn unknown_keys_and_unsafe_values_are_refused() {
        assert!(toml::from_str::<Config>("[web]\nlisten_on = \"0.0.0.0:1\"").is_err());
        let weak: Config = toml::from_str("[policy]\npassword_min = 6").unwrap();
        assert!(weak.problems()[0].contains("password_min"));
    }
}
