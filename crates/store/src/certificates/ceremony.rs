//! The root of the authority for devices away from the box: taken off it, used on a machine without a network, and the
//! answer brought back.
//!
//! The files between the machines are plain: a request (PKCS #10, PEM), a certificate (PEM), and the root, which is an age
//! file. Nothing of them is secret but the root's key, and that is encrypted before it is written anywhere.

use super::authority::{Kept, Part, authority_params, dated, mark};
use super::token::{IN_TOKEN, Signer};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::write_durably;
use crate::tls::{crypto, pem_body};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateSigningRequestParams, DnType, DnValue, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, UnixTime};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A key that waits for its certificate; in the keys folder.
const WAITING: &str = "device-ca.waiting";
/// What an issuing part's name begins with.
const ISSUING_NAME: &str = "Sekisho devices ";
/// Days for which the issuing part is valid.
pub(super) const ISSUING_DAYS: u32 = 5 * 365;
/// What an exported root says of itself.
const FORMAT: &str = "sekisho-device-root/1";
/// Fewest letters of a passphrase that stands alone between a thief and the root.
const PASSPHRASE_CHARS: usize = 16;
/// Longest file of a ceremony, in bytes.
const FILE_BYTES: usize = 64 * 1024;

/// To whom the root is encrypted, or what opens it.
#[derive(Clone, Debug)]
pub enum RootLock {
    /// A passphrase.
    Passphrase(Secret),
    /// An age recipient (`age1…`) to encrypt to, or an age identity (`AGE-SECRET-KEY-1…`) to open with.
    Age(Secret),
}

/// How the authority for devices stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceAuthority {
    /// SHA-256 of the root's certificate.
    pub root: String,
    /// Until when it is valid.
    pub root_until: Timestamp,
    /// The root's key lies on this box.
    pub root_here: bool,
    /// SHA-256 of the certificate of the part that signs.
    pub issuing: String,
    /// Until when that is valid.
    pub issuing_until: Timestamp,
    /// From when on it should be exchanged: certificates that are issued later would outlive it.
    pub exchange_from: Timestamp,
    /// The key of the issuing part is in a token.
    pub in_token: bool,
    /// That key can be used at this moment.
    pub signs: bool,
    /// A request waits for its answer.
    pub waiting: bool,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Exported {
    format: String,
    root: Part,
}

/// A new issuing part before its certificate.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Waiting {
    name: String,
    key: String,
}

fn bad(what: &str) -> crate::fault::Denied {
    Fault::Settings(what.to_owned()).into()
}

impl Store {
    /// How the authority stands.
    ///
    /// # Errors
    /// Without the right to read the ledgers; a fault if its file is missing or damaged.
    pub async fn device_authority_state(&self, actor: &Actor) -> Done<DeviceAuthority> {
        sekisho_core::permission::may(actor, Action::ReadLedger, None)?;
        let kept = self.device_authority()?;
        Ok(DeviceAuthority {
            root: kept.root.fingerprint()?,
            root_until: Timestamp(kept.root.ends_at),
            root_here: !kept.root.key.is_empty(),
            issuing: kept.issuing.fingerprint()?,
            issuing_until: Timestamp(kept.issuing.ends_at),
            exchange_from: super::authority::exchange_from(&kept.issuing),
            in_token: kept.issuing.key.starts_with(IN_TOKEN),
            signs: self.with_signer(&kept.issuing.key, |_| Ok(())).await.inspect_err(|fault| tracing::error!(%fault, "ALARM: no device can be certified")).is_ok(),
            waiting: self.inner.keys.load_file(WAITING)?.is_some(),
        })
    }

    /// True if the authority can be read: without it nobody can be let in at the outer door.
    #[must_use]
    pub fn device_authority_stands(&self) -> bool {
        self.device_authority().is_ok()
    }

    /// Takes the root's key off the box: writes it encrypted into a new file, reads that back, writes down that it was taken,
    /// and only then removes the key here. Where a step fails, the key is still here.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if it is not here; a fault with words about the file or the passphrase.
    pub async fn export_device_root(&self, actor: &Actor, path: &Path, lock: &RootLock) -> Done<DeviceAuthority> {
        self.require(actor, Action::KeepLedger, None, "export_device_root").await?;
        let _alone = self.inner.ceremony.lock().await;
        let kept = self.device_authority()?;
        if kept.root.key.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        if !path.is_absolute() {
            return Err(bad("the file must be named by its whole path"));
        }
        if path.exists() {
            return Err(bad(&format!("{} exists already; nothing is overwritten", path.display())));
        }
        let data = std::fs::canonicalize(self.data_dir()).unwrap_or_else(|_| self.data_dir().to_owned());
        let folder = path.parent().and_then(|folder| std::fs::canonicalize(folder).ok()).ok_or_else(|| bad("the folder of the file is not there"))?;
        if folder.starts_with(&data) {
            return Err(bad("the data folder is no other medium"));
        }
        let exported = Exported { format: FORMAT.into(), root: kept.root.copy() };
        let plain = Zeroizing::new(serde_json::to_vec(&exported).map_err(Fault::from)?);
        let (sealed, how) = encrypt(&plain, lock)?;
        write_durably(path, &sealed, 0o600, None)?;
        let back = std::fs::read(path).map_err(Fault::io(format!("reading {} back", path.display())))?;
        if back != sealed {
            return Err(Fault::Io { what: format!("{} does not hold what was written", path.display()), source: std::io::ErrorKind::InvalidData.into() }.into());
        }
        // A passphrase can be tried; an age identity is elsewhere, and age's own form was checked by the recipient's.
        if let RootLock::Passphrase(_) = lock
            && decrypt(&back, lock)?.as_slice() != plain.as_slice()
        {
            return Err(bad("the file does not open with the passphrase"));
        }
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::DeviceRootTaken { root: kept.root.fingerprint()?, how, file: Digest::of(&sealed).to_string() });
        tx.commit().await?;
        // A crash before this line leaves the key here although the log says that it was taken; the command is given again.
        self.keep_device_authority(&Kept { root: kept.root.without_key(), issuing: kept.issuing.copy(), former: kept.former.clone() })?;
        self.device_authority_state(actor).await
    }

    /// Makes a new key for the issuing part, and the request for its certificate (PEM). A request that waited is forgotten.
    ///
    /// # Errors
    /// Without the right; a fault of the keys or of the token.
    pub async fn ask_device_issuing(&self, actor: &Actor) -> Done<String> {
        self.require(actor, Action::KeepLedger, None, "ask_device_issuing").await?;
        let _alone = self.inner.ceremony.lock().await;
        self.device_authority()?;
        let name = format!("{ISSUING_NAME}{}", mark()?);
        let key = match &self.inner.settings.device_token {
            Some(token) => {
                let token = token.clone();
                super::token::ask(move || super::token::generate(&token)).await?
            }
            None => STANDARD.encode(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?.serialized_der()),
        };
        let params = authority_params(&name, 0)?;
        let signed = move |pair: Signer| Ok((params.serialize_request(&pair).map_err(crypto)?, Digest::of(&pair.subject_public_key_info())));
        let (request, public) = self.with_signer(&key, signed).await?;
        let waiting = Waiting { name, key };
        self.inner.keys.keep_file(WAITING, &Zeroizing::new(serde_json::to_vec(&waiting).map_err(Fault::from)?))?;
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::DeviceIssuingAsked { key: public.to_string() });
        tx.commit().await?;
        Ok(request.pem().map_err(crypto)?)
    }

    /// Takes the certificate of the new issuing part (PEM) that the root signed elsewhere. It is used from then on for what is
    /// issued; the outer door knows it from the next start on, so that is when it takes its place.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if no request waits; [`Refusal::CertificateAskBad`] for anything but the root's answer to it.
    pub async fn bring_device_issuing(&self, actor: &Actor, pem: &str) -> Done<DeviceAuthority> {
        self.require(actor, Action::KeepLedger, None, "bring_device_issuing").await?;
        let _alone = self.inner.ceremony.lock().await;
        let waiting = self.inner.keys.load_file(WAITING)?.ok_or(Refusal::NotFound)?;
        let waiting: Waiting = serde_json::from_slice(&waiting).map_err(Fault::from)?;
        let kept = self.device_authority()?;
        let der = one_pem(pem, "CERTIFICATE").ok_or(Refusal::CertificateAskBad)?;
        let now = self.now();
        let mut issuing = Part { name: waiting.name.clone(), key: waiting.key.clone(), certificate: STANDARD.encode(&der), ends_at: 0 };
        let (root, part) = (kept.root.without_key(), issuing.without_key());
        issuing.ends_at = self.with_issuer(&issuing, move |issuer| Ok(prove(&root, &part, issuer, now))).await?.ok_or(Refusal::CertificateAskBad)?;
        let mut former = kept.former.clone();
        former.push(kept.issuing.certificate.clone());
        let next = Kept { root: kept.root.copy(), issuing, former };
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::DeviceIssuingBrought { issuing: next.issuing.fingerprint()? });
        // A crash between file and log leaves a part of which no entry tells; the next start tells.
        self.keep_device_authority(&next)?;
        self.tell_device_authority(&mut tx, &next).await?;
        tx.commit().await?;
        self.inner.keys.drop_file(WAITING)?;
        self.device_authority_state(actor).await
    }
}

/// Signs the request of a new issuing part with an exported root, on whatever machine this runs: it needs no data folder.
/// Gives the certificate, PEM.
///
/// # Errors
/// Words about the file that does not serve.
pub fn sign_device_issuing(root: &[u8], lock: &RootLock, request: &str, now: Timestamp) -> Result<String, Fault> {
    if root.len() > FILE_BYTES {
        return Err(Fault::Settings("the file of the root is too large".into()));
    }
    let plain = decrypt(root, lock)?;
    let exported: Exported = serde_json::from_slice(&plain).map_err(|_| Fault::Settings("the file holds no root of Sekisho's".into()))?;
    if exported.format != FORMAT {
        return Err(Fault::Settings(format!("the file is of another format: {}", exported.format)));
    }
    let der = one_pem(request, "CERTIFICATE REQUEST").ok_or_else(|| Fault::Settings("the request is not one PEM block of a certificate request".into()))?;
    // Its signature by its own key is verified by this; of its wishes nothing is taken but the name, in our form.
    let read = CertificateSigningRequestParams::from_der(&der.into()).map_err(|_| Fault::Settings("the request is damaged".into()))?;
    let name = match read.params.distinguished_name.get(&DnType::CommonName) {
        Some(DnValue::Utf8String(name)) => name.clone(),
        Some(DnValue::PrintableString(name)) => name.as_str().to_owned(),
        _ => String::new(),
    };
    let sound = name.strip_prefix(ISSUING_NAME).is_some_and(|tail| tail.len() == 8 && tail.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !sound || *read.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(Fault::Settings("the request is not one for an issuing part of Sekisho's".into()));
    }
    let ends_at = Timestamp(now.plus(DAY * ISSUING_DAYS).0.min(exported.root.ends_at));
    let mut params = authority_params(&name, 0)?;
    dated(&mut params, now, ends_at)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params.signed_by(&read.public_key, &exported.root.issuer(1)?).map_err(crypto)?.pem())
}

/// Whether the root signed this part, and the part's own key can certify a device by it: shown by a certificate for nobody that
/// is made and verified here. Gives the end of the part.
fn prove(root: &Part, issuing: &Part, issuer: &Issuer<'_, Signer>, now: Timestamp) -> Option<i64> {
    let mut params = authority_params("Sekisho", 0).ok()?;
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    dated(&mut params, now, Timestamp(root.ends_at)).ok()?;
    let nobody = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).ok()?;
    let leaf = params.signed_by(&nobody, issuer).ok()?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(root.certificate().ok()?)).ok()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    let part = CertificateDer::from(issuing.certificate().ok()?);
    let holds = |at: Timestamp| {
        let seconds = u64::try_from(at.0.div_euclid(1000)).unwrap_or(0);
        verifier.verify_client_cert(leaf.der(), std::slice::from_ref(&part), UnixTime::since_unix_epoch(Duration::from_secs(seconds))).is_ok()
    };
    if !holds(now) {
        return None;
    }
    // The end of the part is the last second at which this holds.
    let (mut sound, mut over) = (now.0.div_euclid(1000), root.ends_at.div_euclid(1000).saturating_add(1));
    while over - sound > 1 {
        let middle = sound + (over - sound) / 2;
        if holds(Timestamp(middle * 1000)) {
            sound = middle;
        } else {
            over = middle;
        }
    }
    Some(sound * 1000)
}

fn encrypt(plain: &[u8], lock: &RootLock) -> Result<(Vec<u8>, String), Fault> {
    let failed = |error: age::EncryptError| Fault::Crypto(format!("the root could not be encrypted: {error}"));
    match lock {
        RootLock::Passphrase(passphrase) => {
            if passphrase.expose().chars().count() < PASSPHRASE_CHARS {
                return Err(Fault::Settings(format!("the passphrase needs at least {PASSPHRASE_CHARS} letters")));
            }
            let recipient = age::scrypt::Recipient::new(age::secrecy::SecretString::from(passphrase.expose().to_owned()));
            Ok((age::encrypt(&recipient, plain).map_err(failed)?, "passphrase".into()))
        }
        RootLock::Age(recipient) => {
            let text = recipient.expose().trim();
            let recipient = age::x25519::Recipient::from_str(text).map_err(|error| Fault::Settings(format!("no age recipient: {error}")))?;
            Ok((age::encrypt(&recipient, plain).map_err(failed)?, text.to_owned()))
        }
    }
}

fn decrypt(sealed: &[u8], lock: &RootLock) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let failed = |error: age::DecryptError| Fault::Settings(format!("the file of the root does not open: {error}"));
    let plain = match lock {
        RootLock::Passphrase(passphrase) => {
            let identity = age::scrypt::Identity::new(age::secrecy::SecretString::from(passphrase.expose().to_owned()));
            age::decrypt(&identity, sealed).map_err(failed)?
        }
        RootLock::Age(identity) => {
            // As age-keygen writes it: lines that begin with # are words for people.
            let line = identity.expose().lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
            let identity = age::x25519::Identity::from_str(line).map_err(|error| Fault::Settings(format!("no age identity: {error}")))?;
            age::decrypt(&identity, sealed).map_err(failed)?
        }
    };
    Ok(Zeroizing::new(plain))
}

/// The content of a text that holds exactly one PEM block, of this kind.
fn one_pem(text: &str, kind: &str) -> Option<Vec<u8>> {
    if text.len() > FILE_BYTES {
        return None;
    }
    let begin = format!("-----BEGIN {kind}-----");
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("-----BEGIN")).map(str::trim).collect();
    if heads != [begin.as_str()] {
        return None;
    }
    pem_body(&text.replace('\r', ""))
}
