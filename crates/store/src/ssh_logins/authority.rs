//! The authority for logins by certificate: one Ed25519 key of its own, apart from the one that targets trust.
//!
//! Nobody but this box believes it, so a key that is missing is made anew, and all that costs is a login. It is made when it
//! is needed first: a box without such logins has none.

use crate::Store;
use crate::fault::Fault;
use crate::secrets::random_bytes;
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ssh_login::{DEVICE_OPTION, PLANS_EXTENSION, SOURCE_OPTION, SshLogin};
use sekisho_core::time::Timestamp;
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg, PrivateKey, PublicKey};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The file in the keys folder.
const FILE: &str = "ssh-login-ca.key";
/// What a key id begins with; the login's identifier and name follow.
const KEY_ID: &str = "sekisho-login";
/// How far the worker's clock may stand behind ours: ssh itself looks at the times before it offers a certificate.
const SKEW_SECONDS: u64 = 300;

/// What a certificate says, once it is known to be one of ours.
#[derive(Debug)]
pub(super) struct Read {
    pub serial: u64,
    pub principal: String,
    pub device: String,
    pub key: String,
    from: u64,
    until: u64,
    key_id: String,
    sources: Option<String>,
}

impl Store {
    /// The authority's key, made now if there is none.
    pub(super) fn login_authority(&self, tx: &mut Tx) -> Result<PrivateKey, Fault> {
        if let Some(key) = self.kept_login_authority()? {
            return Ok(key);
        }
        let seed = Zeroizing::new(random_bytes::<32>()?);
        // Durable before the entry that tells of it. A crash in between leaves a key that no entry tells of and that
        // signed nothing.
        self.inner.keys.keep_file(FILE, seed.as_slice())?;
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        tx.fact(Fact::SshLoginAuthority { fingerprint: key.fingerprint(HashAlg::Sha256).to_string() });
        Ok(key)
    }

    fn kept_login_authority(&self) -> Result<Option<PrivateKey>, Fault> {
        let Some(seed) = self.inner.keys.load_file(FILE)? else { return Ok(None) };
        let seed: &[u8; 32] = seed.as_slice().try_into().map_err(crypto)?;
        Ok(Some(PrivateKey::from(Ed25519Keypair::from_seed(seed))))
    }

    /// Reads a certificate that somebody shows.
    ///
    /// # Errors
    /// A fault. Within, the word for the log of why it is none of ours.
    pub(super) fn read_login_certificate(&self, line: &str) -> Result<Result<Read, &'static str>, Fault> {
        let Some(authority) = self.kept_login_authority()? else { return Ok(Err("authority")) };
        Ok(read(line, authority.public_key().key_data()))
    }
}

/// The certificate for a login, over the key that its device made.
pub(super) fn certify(authority: &PrivateKey, login: &SshLogin, key: &PublicKey) -> Result<String, Fault> {
    let nonce = random_bytes::<32>()?;
    let from = seconds(login.issued_at)?.saturating_sub(SKEW_SECONDS);
    let mut made = Builder::new(nonce, key.key_data().clone(), from, seconds(login.ends_at)?).map_err(crypto)?;
    made.serial(login.serial).map_err(crypto)?;
    made.cert_type(CertType::User).map_err(crypto)?;
    made.key_id(format!("{KEY_ID}:{}:{}", login.id, login.login)).map_err(crypto)?;
    made.valid_principal(login.login.as_str()).map_err(crypto)?;
    made.critical_option(DEVICE_OPTION, login.device.as_str()).map_err(crypto)?;
    if !login.networks.is_empty() {
        made.critical_option(SOURCE_OPTION, sources(login)).map_err(crypto)?;
    }
    // What a session may do is the plan's to say, so none of OpenSSH's own permits stands here.
    made.extension(PLANS_EXTENSION, login.plans.join(",")).map_err(crypto)?;
    made.sign(authority).and_then(|made| made.to_openssh()).map_err(crypto)
}

fn sources(login: &SshLogin) -> String {
    login.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn read(line: &str, authority: &KeyData) -> Result<Read, &'static str> {
    let shown = Certificate::from_openssh(line).map_err(|_| "form")?;
    // The key itself is compared, and never a certificate over it: nothing that is nested passes.
    if shown.signature_key() != authority || shown.verify_signature().is_err() {
        return Err("authority");
    }
    if shown.cert_type() != CertType::User {
        return Err("type");
    }
    let [principal] = shown.valid_principals() else { return Err("principal") };
    let known = |name: &str| name == DEVICE_OPTION || name == SOURCE_OPTION;
    if !shown.critical_options().iter().all(|(name, _)| known(name)) || !shown.extensions().iter().all(|(name, _)| name == PLANS_EXTENSION) {
        return Err("option");
    }
    let device = shown.critical_options().get(DEVICE_OPTION).ok_or("option")?.clone();
    let KeyData::Ed25519(_) = shown.public_key() else { return Err("key") };
    Ok(Read {
        serial: shown.serial(),
        principal: principal.clone(),
        device,
        key: PublicKey::from(shown.public_key().clone()).fingerprint(HashAlg::Sha256).to_string(),
        from: shown.valid_after(),
        until: shown.valid_before(),
        key_id: shown.key_id().to_owned(),
        sources: shown.critical_options().get(SOURCE_OPTION).cloned(),
    })
}

impl Read {
    /// The word for the log if the certificate does not say what the row of its number says: then it was not made for it.
    pub fn differs(&self, login: &SshLogin) -> Option<&'static str> {
        let sources = (!login.networks.is_empty()).then(|| sources(login));
        let same = self.key == login.key
            && self.principal == login.login
            && self.device == login.device.as_str()
            && self.sources == sources
            && self.key_id == format!("{KEY_ID}:{}:{}", login.id, login.login)
            && Some(self.until) == seconds(login.ends_at).ok();
        (!same).then_some("row")
    }

    /// The word for the log if its own times do not hold.
    pub fn out_of_time(&self, now: Timestamp) -> Option<&'static str> {
        let now = seconds(now).ok()?;
        if now < self.from {
            return Some("not_yet");
        }
        (now >= self.until).then_some("expired")
    }
}

/// Reads the public key of a device: Ed25519, one line, no certificate.
pub(super) fn device_key(line: &str) -> Option<PublicKey> {
    let line = line.trim();
    if line.contains(['\n', '\r']) {
        return None;
    }
    let key = PublicKey::from_openssh(line).ok()?;
    matches!(key.key_data(), KeyData::Ed25519(_)).then_some(key)
}

/// A key's fingerprint, as OpenSSH shows it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The networks of a line as a certificate can be bound to them: none if they are the whole world.
pub(super) fn bound_to(networks: &[sekisho_core::source::Network], source: IpAddr) -> Vec<sekisho_core::source::Network> {
    let here = networks.iter().any(|network| network.contains(source));
    let narrow = here && !networks.iter().any(|network| network.is_vast());
    if narrow { networks.to_vec() } else { Vec::new() }
}

fn seconds(at: Timestamp) -> Result<u64, Fault> {
    u64::try_from(at.0.div_euclid(1000)).map_err(crypto)
}

fn crypto(error: impl std::fmt::Display) -> Fault {
    Fault::Crypto(format!("a certificate for a login could not be made: {error}"))
}
