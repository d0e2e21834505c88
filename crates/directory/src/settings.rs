//! What the configuration says of directories and providers.

use rustls::pki_types::CertificateDer;
use sekisho_core::ids::VendorId;
use sekisho_core::limits;
use sekisho_core::people::Role;
use sekisho_core::secret::Secret;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Which kind of directory it is; it sets the filters that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryKind {
    /// Microsoft Active Directory, or Samba as one.
    #[default]
    ActiveDirectory,
    /// Any other LDAP server, such as OpenLDAP.
    Ldap,
}

/// One entry of `[[directory]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectorySettings {
    /// Short name; links of persons name it.
    pub name: String,
    /// What people call it; empty for the name.
    pub label: String,
    /// Which kind.
    pub kind: DirectoryKind,
    /// `ldaps://host[:port]`, or `ldap://host[:port]`, over which StartTLS comes before everything. Tried in this order.
    pub urls: Vec<String>,
    /// The certificates that are trusted, PEM.
    pub ca: PathBuf,
    /// Where accounts are searched.
    pub base: String,
    /// The service account that searches, as a distinguished name.
    pub bind: String,
    /// The file that holds its password.
    pub bind_password_file: PathBuf,
    /// The search for one account, with `{login}`; empty for the one of its kind.
    pub filter: String,
    /// Groups, as distinguished names, without which a role falls away: role to groups.
    pub roles: BTreeMap<Role, Vec<String>>,
}

/// One entry of `[[provider]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    /// Short name; links of persons name it.
    pub name: String,
    /// What the button of the login page says; empty for the name.
    pub label: String,
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The certificates that are trusted, PEM.
    pub ca: PathBuf,
    /// The name of this box at the provider.
    pub client_id: String,
    /// The file that holds its secret.
    pub client_secret_file: PathBuf,
    /// The vendor whose provider it is; empty for the hospital's own.
    pub vendor: Option<VendorId>,
    /// The claim by which an administrator's link finds the person at the first sign-in.
    pub claim: String,
    /// Scopes to ask for besides `openid`.
    pub scopes: Vec<String>,
    /// Values of `amr` that say: several factors. Empty: the word of this provider is not taken.
    pub several_factors_amr: Vec<String>,
    /// Values of `acr` that say the same; they are also asked for.
    pub several_factors_acr: Vec<String>,
}

/// What the roof read from files.
pub struct Trust {
    /// The certificates that are trusted.
    pub anchors: Vec<CertificateDer<'static>>,
    /// The password or client secret.
    pub secret: Secret,
}

impl DirectorySettings {
    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.label.is_empty() { &self.name } else { &self.label }
    }

    /// The search for one account.
    pub(crate) fn filter(&self) -> &str {
        match self.kind {
            _ if !self.filter.is_empty() => &self.filter,
            DirectoryKind::ActiveDirectory => "(&(objectCategory=person)(objectClass=user)(sAMAccountName={login}))",
            DirectoryKind::Ldap => "(&(objectClass=inetOrgPerson)(uid={login}))",
        }
    }

    /// The attribute that is never given to another account.
    pub(crate) fn subject_attribute(&self) -> &'static str {
        match self.kind {
            DirectoryKind::ActiveDirectory => "objectGUID",
            DirectoryKind::Ldap => "entryUUID",
        }
    }

    /// Whether a group holds an account; asked of the group's own entry. Active Directory follows groups within groups.
    pub(crate) fn group_filter(&self) -> &'static str {
        match self.kind {
            DirectoryKind::ActiveDirectory => "(member:1.2.840.113556.1.4.1941:={dn})",
            DirectoryKind::Ldap => "(|(member={dn})(uniqueMember={dn}))",
        }
    }

    fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let mut found = Vec::new();
        let mut must = |sound: bool, what: &str| {
            if !sound {
                found.push(format!("directory {name:?}: {what}"));
            }
        };
        must((1..=4).contains(&self.urls.len()), "urls にはサーバーを 1～4 台書いてください。 / urls names one to four servers");
        for url in &self.urls {
            must(Server::parse(url).is_some(), "urls は ldaps://名前[:ポート] か ldap://名前[:ポート] で書いてください(ldap:// では先に StartTLS を行います。TLS なしでは使えません)。 / urls must be ldaps://NAME[:PORT], or ldap://NAME[:PORT] (StartTLS then comes first; there is no way without TLS)");
        }
        must(!self.ca.as_os_str().is_empty(), "ca に、サーバーの証明書を発行した認証局の PEM ファイルを書いてください。 / ca names the PEM file of the authority that signed the server's certificate");
        must(!self.base.trim().is_empty() && self.base.len() <= limits::DIRECTORY_VALUE_BYTES, "base に、アカウントを探す起点の識別名(DN)を書いてください。 / base is the distinguished name under which accounts are searched");
        must(!self.bind.trim().is_empty(), "bind に、検索に使うサービスアカウントを書いてください。匿名では検索しません。 / bind is the service account that searches; a search without one is not made");
        must(!self.bind_password_file.as_os_str().is_empty(), "bind_password_file に、サービスアカウントのパスワードを入れたファイルを書いてください。 / bind_password_file names the file that holds the service account's password");
        must(self.filter.is_empty() || (self.filter.contains("{login}") && self.filter.len() <= limits::DIRECTORY_VALUE_BYTES), "filter には {login} を含めてください。 / filter must contain {login}");
        let groups = self.roles.values().map(Vec::len).sum::<usize>();
        must(groups <= limits::DIRECTORY_GROUPS, "roles のグループが多すぎます。 / roles names too many groups");
        must(self.roles.values().all(|groups| !groups.is_empty() && groups.iter().all(|group| group.contains('=') && group.len() <= limits::DIRECTORY_VALUE_BYTES)), "roles のグループは識別名(DN)で、役割ごとに一つ以上書いてください。 / roles names groups as distinguished names, at least one for each role");
        must(!self.roles.keys().any(|role| role.is_vendors()), "roles に書けるのは病院の役割だけです。事業者は、関所のアカウントか、事業者の認証サービスで入ります。 / roles are the hospital's; vendors stay local or come by their own provider");
        found
    }
}

impl ProviderSettings {
    /// What the button says.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.label.is_empty() { &self.name } else { &self.label }
    }

    /// The claim that links are matched by.
    #[must_use]
    pub fn claim(&self) -> &str {
        if self.claim.is_empty() { "sub" } else { &self.claim }
    }

    fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let mut found = Vec::new();
        let mut must = |sound: bool, what: &str| {
            if !sound {
                found.push(format!("provider {name:?}: {what}"));
            }
        };
        must(self.issuer.starts_with("https://") && !self.issuer.contains(['?', '#']), "issuer は、認証サービスが示すとおりの https:// のアドレスにしてください。 / issuer is an https:// address, exactly as the provider writes it");
        must(!self.ca.as_os_str().is_empty(), "ca に PEM ファイルを書いてください。インターネットの認証サービスでは、/etc/ssl/certs/ca-certificates.crt のような OS のものです。 / ca names a PEM file; for a provider on the internet the system's own, such as /etc/ssl/certs/ca-certificates.crt");
        must(!self.client_id.is_empty() && self.client_id.len() <= limits::DIRECTORY_VALUE_BYTES, "client_id に、認証サービスに登録した関所の名前を書いてください。 / client_id is the name of this box at the provider");
        must(!self.client_secret_file.as_os_str().is_empty(), "client_secret_file に、認証サービスに登録した関所の秘密を入れたファイルを書いてください。 / client_secret_file names the file that holds the secret of this box at the provider");
        must(self.claim() != "email", "claim に email は使えません。アドレスは別の人に引き継がれることがあるためです。sub か、職員番号のようなものを使ってください。 / claim may not be email: an address passes from one person to the next; use sub, or a number of the person");
        let words = |list: &[String]| list.len() <= 16 && list.iter().all(|word| !word.is_empty() && word.len() <= 200 && !word.contains(char::is_whitespace));
        must(words(&self.scopes) && words(&self.several_factors_amr) && words(&self.several_factors_acr), "scopes、several_factors_amr、several_factors_acr は、空白を含まない語の並びで書いてください。 / scopes, several_factors_amr and several_factors_acr are lists of single words");
        found
    }
}

/// Values that cannot work or are unsafe, one sentence each.
#[must_use]
pub fn problems(directories: &[DirectorySettings], providers: &[ProviderSettings]) -> Vec<String> {
    let mut found: Vec<String> = directories.iter().flat_map(DirectorySettings::problems).chain(providers.iter().flat_map(ProviderSettings::problems)).collect();
    let names: Vec<&str> = directories.iter().map(|one| one.name.as_str()).chain(providers.iter().map(|one| one.name.as_str())).collect();
    if names.len() > limits::DIRECTORY_SOURCES {
        found.push(format!("ディレクトリと認証サービスは、合わせて {0} 個までです。 / at most {0} directories and providers can be configured", limits::DIRECTORY_SOURCES));
    }
    for name in &names {
        if !((2..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')) {
            found.push(format!("ディレクトリか認証サービスの名前 {name:?} は、a-z、0-9、- の 2～32 文字にしてください。 / the name {name:?} of a directory or provider must be 2 to 32 of a-z, 0-9 and -"));
        }
    }
    if names.iter().collect::<BTreeSet<_>>().len() != names.len() {
        found.push("ディレクトリと認証サービスには、互いに重ならない名前を付けてください。 / each directory and provider needs a name of its own".into());
    }
    found
}

/// One server of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Name or address, as the certificate must say it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS begins with a request over the open line.
    pub start_tls: bool,
}

impl Server {
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (start_tls, port) = match scheme {
            "ldaps" => (false, 636),
            "ldap" => (true, 389),
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']')?;
                (host, if after.is_empty() { port } else { after.strip_prefix(':')?.parse().ok()? })
            }
            None => match rest.split_once(':') {
                Some((host, digits)) => (host, digits.parse().ok()?),
                None => (rest, port),
            },
        };
        let sound = !host.is_empty() && host.len() <= 253 && !host.contains(['/', '@', '?', '#', ' ']);
        sound.then(|| Self { host: host.to_owned(), port, start_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_tls_cannot_be_named() {
        let server = |host: &str, port, start_tls| Some(Server { host: host.into(), port, start_tls });
        assert_eq!(Server::parse("ldaps://dc1.aoba.example"), server("dc1.aoba.example", 636, false));
        assert_eq!(Server::parse("ldap://dc1.aoba.example/"), server("dc1.aoba.example", 389, true));
        assert_eq!(Server::parse("ldaps://[2001:db8::1]:3269"), server("2001:db8::1", 3269, false));
        for bad in ["dc1.aoba.example", "ldapi:///", "http://dc1", "ldaps://", "ldaps://dc1:x", "ldaps://a@dc1", "ldaps://dc1/ou=x", "ldaps://[::1"] {
            assert_eq!(Server::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_left_out_is_told() {
        let bare = DirectorySettings { name: "aoba-ad".into(), ..DirectorySettings::default() };
        assert_eq!(problems(&[bare], &[]).len(), 5);
        let sound = ProviderSettings { name: "op".into(), issuer: "https://op.example".into(), ca: "/a".into(), client_id: "sekisho".into(), client_secret_file: "/b".into(), ..ProviderSettings::default() };
        assert!(problems(&[], std::slice::from_ref(&sound)).is_empty());
        let mail = ProviderSettings { claim: "email".into(), ..sound.clone() };
        assert_eq!(problems(&[], &[mail]).len(), 1);
        assert_eq!(problems(&[], &[sound.clone(), sound]).len(), 1, "the same name twice");
    }
}
