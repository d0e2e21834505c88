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

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::ids::{DeviceId, PersonId, SshLoginId, WebLoginId};
    use sekisho_core::source::Network;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn login() -> SshLogin {
        SshLogin {
            id: SshLoginId::from_random([1; 10]),
            person: PersonId::from_random([2; 10]),
            login: "sato".into(),
            device: DeviceId::from_random([3; 10]),
            device_name: "NOTE-01".into(),
            host: "note-01".into(),
            serial: 4711,
            key: fingerprint(key(2).public_key()),
            source: IpAddr::from([192, 0, 2, 1]),
            networks: vec![Network::parse("192.0.2.0/24").unwrap()],
            plans: vec!["2026-0042".into()],
            issued_at: Timestamp(1_790_000_000_000),
            ends_at: Timestamp(1_790_003_600_000),
            confirmed_in: WebLoginId::from_random([4; 10]),
            proof: "passkey".into(),
            ended: None,
        }
    }

    /// A certificate of our authority's that says what `change` makes it say.
    fn certificate(change: impl FnOnce(&mut Builder)) -> String {
        let mut made = Builder::new([7; 32], key(2).public_key().key_data().clone(), 1_789_999_000, 1_790_003_600).unwrap();
        made.serial(4711).unwrap();
        made.key_id("sekisho-login:x:sato").unwrap();
        change(&mut made);
        made.sign(&key(1)).unwrap().to_openssh().unwrap()
    }

    fn sound(made: &mut Builder) {
        made.cert_type(CertType::User).unwrap();
        made.valid_principal("sato").unwrap();
        made.critical_option(DEVICE_OPTION, "dev-x").unwrap();
    }

    fn judged(line: &str) -> Option<&'static str> {
        read(line, key(1).public_key().key_data()).err()
    }

    #[test]
    fn what_was_certified_is_read_again_and_fits_its_row_alone() {
        let login = login();
        let line = certify(&key(1), &login, key(2).public_key()).unwrap();
        let shown = read(&line, key(1).public_key().key_data()).unwrap();
        assert_eq!((shown.serial, shown.principal.as_str(), shown.device.as_str()), (4711, "sato", login.device.as_str()));
        assert_eq!(shown.differs(&login), None);
        assert_eq!(shown.out_of_time(login.issued_at), None);
        assert_eq!(shown.out_of_time(login.ends_at), Some("expired"));
        assert_eq!(shown.out_of_time(Timestamp(login.issued_at.0 - 400_000)), Some("not_yet"));
        for other in [
            SshLogin { login: "mori".into(), ..login.clone() },
            SshLogin { device: DeviceId::from_random([9; 10]), ..login.clone() },
            SshLogin { key: "SHA256:other".into(), ..login.clone() },
            SshLogin { networks: Vec::new(), ..login.clone() },
            SshLogin { ends_at: Timestamp(login.ends_at.0 + 60_000), ..login.clone() },
            SshLogin { id: SshLoginId::from_random([9; 10]), ..login.clone() },
        ] {
            assert_eq!(shown.differs(&other), Some("row"), "{other:?}");
        }
    }

    #[test]
    fn only_a_plain_user_certificate_of_our_authority_is_one() {
        assert_eq!(judged(&certificate(sound)), None);
        let host = certificate(|made| {
            made.cert_type(CertType::Host).unwrap();
            made.valid_principal("sato").unwrap();
            made.critical_option(DEVICE_OPTION, "dev-x").unwrap();
        });
        assert_eq!(judged(&host), Some("type"), "a host's");
        let two = certificate(|made| {
            sound(made);
            made.valid_principal("root").unwrap();
        });
        assert_eq!(judged(&two), Some("principal"), "two principals");
        let all = certificate(|made| {
            made.cert_type(CertType::User).unwrap();
            made.all_principals_valid().unwrap();
            made.critical_option(DEVICE_OPTION, "dev-x").unwrap();
        });
        assert_eq!(judged(&all), Some("principal"), "none, which means everybody");
        let comma = certificate(|made| {
            made.cert_type(CertType::User).unwrap();
            made.valid_principal("sato,root").unwrap();
            made.critical_option(DEVICE_OPTION, "dev-x").unwrap();
        });
        assert_eq!(read(&comma, key(1).public_key().key_data()).unwrap().principal, "sato,root", "a separator in a name is a part of it, and nobody has such a name");
        let option = certificate(|made| {
            sound(made);
            made.critical_option("force-command", "true").unwrap();
        });
        assert_eq!(judged(&option), Some("option"), "a critical option that we do not know");
        let permit = certificate(|made| {
            sound(made);
            made.extension("permit-port-forwarding", "").unwrap();
        });
        assert_eq!(judged(&permit), Some("option"), "an extension that ours never have");
        let unbound = certificate(|made| {
            made.cert_type(CertType::User).unwrap();
            made.valid_principal("sato").unwrap();
        });
        assert_eq!(judged(&unbound), Some("option"), "one that names no device");
        assert_eq!(read(&certificate(sound), key(9).public_key().key_data()).err(), Some("authority"), "another authority");
        for bad in ["", "ssh-ed25519 AAAA", &key(2).public_key().to_openssh().unwrap(), &certificate(sound).replace("AAAAB", "AAAAC")] {
            assert!(judged(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn of_a_changed_certificate_no_letter_passes() {
        let line = certify(&key(1), &login(), key(2).public_key()).unwrap();
        let (kind, coded) = line.split_once(' ').unwrap();
        for at in (0..coded.len().saturating_sub(4)).step_by(7) {
            let other = if &coded[at..=at] == "A" { "Q" } else { "A" };
            let bent = format!("{kind} {}{other}{}", &coded[..at], &coded[at + 1..]);
            assert!(bent == line || judged(&bent).is_some(), "letter {at}");
        }
    }

    #[test]
    fn a_line_of_the_whole_world_binds_nothing() {
        let here = IpAddr::from([192, 0, 2, 1]);
        let networks = |all: &[&str]| all.iter().map(|text| Network::parse(text).unwrap()).collect::<Vec<_>>();
        assert_eq!(bound_to(&networks(&["192.0.2.0/24"]), here).len(), 1);
        assert!(bound_to(&networks(&["0.0.0.0/0"]), here).is_empty());
        assert!(bound_to(&networks(&["192.0.2.0/24", "0.0.0.0/0"]), here).is_empty());
    }
}
