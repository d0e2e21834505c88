//! Sekisho's own SSH authority. It certifies the key that is made for one session, so that no credential of a target lies
//! anywhere.
//!
//! The authority's keys are bare Ed25519 keys, made with randomness of the operating system and kept sealed. They never
//! leave the store: the gateway gets a session's key and the certificate over it. A second key can be made ready: targets
//! are told to trust both, and only then the second one begins to sign.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_bytes;
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::authorize::Grant;
use sekisho_core::desk::TargetCredential;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, Function, check_principal};
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The file in the keys folder.
const FILE: &str = "ssh-ca.keys";
/// The keys as they shall be, while the entry that tells of them is written.
const NEXT_FILE: &str = "ssh-ca.next.keys";
/// The row of `meta` that holds which keys the log was told of.
const TOLD: &str = "ssh_authority";
/// Longest part of a key id, in characters.
const ID_PART: usize = 64;

/// The keys as they lie in the file.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    signing: KeptKey,
    next: Option<KeptKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop, Clone)]
struct KeptKey {
    /// Ed25519 seed, base64.
    seed: String,
    made_at: i64,
}

/// A key of the authority, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorityKey {
    /// The line for `TrustedUserCAKeys`.
    pub line: String,
    /// SHA-256 fingerprint.
    pub fingerprint: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Sekisho's SSH authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SshAuthority {
    /// The key that signs certificates of sessions.
    pub signing: AuthorityKey,
    /// The key that will follow it; tests of connections are signed by it already.
    pub next: Option<AuthorityKey>,
}

impl SshAuthority {
    /// The lines that targets shall trust, the signing key's first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        std::iter::once(&self.signing).chain(&self.next).map(|key| key.line.clone()).collect()
    }
}

/// A step of the exchange of the authority's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityAct {
    /// Make the key that will follow. The present one signs on.
    Prepare,
    /// The next key signs from here on, and the present one is destroyed.
    Finish,
    /// The next key is destroyed, the present one stays.
    Cancel,
}

impl AuthorityAct {
    /// Reads the name in API and forms.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [(Self::Prepare, "prepare"), (Self::Finish, "finish"), (Self::Cancel, "cancel")].into_iter().find(|(_, name)| *name == text).map(|(act, _)| act)
    }
}

/// What a certificate is for.
pub(crate) enum Purpose<'a> {
    /// A session: its id, its permission and the worker's login name.
    Session(&'a SessionId, &'a Grant, &'a str),
    /// A test of the connection.
    Test,
}

/// A certificate with its key.
pub(crate) struct Minted {
    /// For the gateway.
    pub credential: TargetCredential,
    /// Fingerprint of the key that signed.
    pub authority: String,
}

impl Kept {
    fn signing_key(&self) -> Result<PrivateKey, Fault> {
        self.signing.key()
    }

    fn told(&self) -> Result<String, Fault> {
        let next = self.next.as_ref().map(KeptKey::fingerprint).transpose()?;
        Ok(format!("{} {}", self.signing.fingerprint()?, next.unwrap_or_default()))
    }

    fn shown(&self) -> Result<SshAuthority, Fault> {
        Ok(SshAuthority { signing: self.signing.shown()?, next: self.next.as_ref().map(KeptKey::shown).transpose()? })
    }
}

impl KeptKey {
    fn make(now: Timestamp) -> Result<Self, Fault> {
        let seed = Zeroizing::new(random_bytes::<32>()?);
        Ok(Self { seed: STANDARD.encode(seed.as_slice()), made_at: now.0 })
    }

    fn key(&self) -> Result<PrivateKey, Fault> {
        let seed = Zeroizing::new(STANDARD.decode(&self.seed).map_err(crypto)?);
        let seed: &[u8; 32] = seed.as_slice().try_into().map_err(crypto)?;
        Ok(PrivateKey::from(Ed25519Keypair::from_seed(seed)))
    }

    fn fingerprint(&self) -> Result<String, Fault> {
        Ok(self.key()?.fingerprint(HashAlg::Sha256).to_string())
    }

    fn shown(&self) -> Result<AuthorityKey, Fault> {
        let key = self.key()?;
        let made_at = Timestamp(self.made_at);
        let bare = key.public_key().to_openssh().map_err(crypto)?;
        let line = format!("{} sekisho-ca-{}", bare.trim_end(), sekisho_core::time::format_date(made_at.date()));
        Ok(AuthorityKey { line, fingerprint: key.fingerprint(HashAlg::Sha256).to_string(), made_at })
    }
}

impl Store {
    /// Makes the authority of a box that has none. One that the log tells of and that is missing is a fault: targets trust
    /// it, and a new one in its place would shut everybody out without a word.
    pub(crate) async fn settle_ssh_authority(&self, tx: &mut Tx) -> Result<(), Fault> {
        let told = self.told_authority(tx).await?;
        self.settle_next(told.as_deref())?;
        let kept = match (self.load_authority()?, &told) {
            (Some(kept), _) => kept,
            (None, Some(_)) => return Err(Fault::Folder(format!("keys/{FILE} is missing"))),
            (None, None) => {
                let kept = Kept { signing: KeptKey::make(tx.now())?, next: None };
                self.keep_authority(&kept)?;
                kept
            }
        };
        // A crash between file and log leaves keys that no entry tells of; the next start tells.
        if told.as_deref() != Some(kept.told()?.as_str()) {
            self.tell_authority(tx, &kept, "").await?;
        }
        Ok(())
    }

    /// What the log was told last: the keys' fingerprints.
    async fn told_authority(&self, tx: &mut Tx) -> Result<Option<String>, Fault> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(TOLD).fetch_optional(tx.sql()).await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }

    /// Ends a step that broke off between its file and the keys in force: what the log tells of comes into force, and what
    /// it does not tell of never was.
    fn settle_next(&self, told: Option<&str>) -> Result<(), Fault> {
        let Some(bytes) = self.inner.keys.load_file(NEXT_FILE)? else { return Ok(()) };
        let next: Kept = serde_json::from_slice(&bytes)?;
        if told == Some(next.told()?.as_str()) {
            self.keep_authority(&next)?;
        }
        self.inner.keys.drop_file(NEXT_FILE)
    }

    fn load_authority(&self) -> Result<Option<Kept>, Fault> {
        let Some(bytes) = self.inner.keys.load_file(FILE)? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    fn keep_authority(&self, kept: &Kept) -> Result<(), Fault> {
        self.inner.keys.keep_file(FILE, &Zeroizing::new(serde_json::to_vec(kept)?))
    }

    fn authority(&self) -> Result<Kept, Fault> {
        self.load_authority()?.ok_or_else(|| Fault::Folder(format!("keys/{FILE} is missing")))
    }

    async fn tell_authority(&self, tx: &mut Tx, kept: &Kept, reason: &str) -> Result<(), Fault> {
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(TOLD)
            .bind(kept.told()?)
            .execute(tx.sql())
            .await?;
        let shown = kept.shown()?;
        tx.fact(Fact::SshAuthority { signing: shown.signing.fingerprint, next: shown.next.map(|next| next.fingerprint), reason: reason.to_owned() });
        Ok(())
    }

    /// The public half of the authority.
    ///
    /// # Errors
    /// Without the right to read the ledger; a fault if the keys cannot be read.
    pub fn ssh_authority(&self, actor: &Actor) -> Done<SshAuthority> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.authority()?.shown()?)
    }

    /// A step of the exchange of the authority's key.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::ReasonNeeded`]; [`Refusal::AuthorityStep`] if the exchange is not there.
    pub async fn act_on_ssh_authority(&self, actor: &Actor, act: AuthorityAct, reason: &str) -> Done<SshAuthority> {
        self.require(actor, Action::KeepLedger, None, "act_on_ssh_authority").await?;
        check_line("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let told = self.told_authority(&mut tx).await?;
        self.settle_next(told.as_deref())?;
        let now = self.authority()?;
        let after = match (act, &now.next) {
            (AuthorityAct::Prepare, None) => Kept { signing: now.signing.clone(), next: Some(KeptKey::make(tx.now())?) },
            (AuthorityAct::Finish, Some(next)) => Kept { signing: next.clone(), next: None },
            (AuthorityAct::Cancel, Some(_)) => Kept { signing: now.signing.clone(), next: None },
            _ => return Err(Refusal::AuthorityStep.into()),
        };
        // The new keys are durable before the log tells of them, and in force after it. A crash before the commit leaves the
        // present ones in force; one behind it is made good at the next start, and by the next step.
        self.inner.keys.keep_file(NEXT_FILE, &Zeroizing::new(serde_json::to_vec(&after)?))?;
        self.tell_authority(&mut tx, &after, reason.trim()).await?;
        tx.commit().await?;
        self.settle_next(Some(&after.told()?))?;
        Ok(after.shown()?)
    }

    /// Makes a key and a certificate over it, good for one login name and for minutes, and adds the fact that tells of it.
    /// Nothing may be handed out before `tx` is committed.
    ///
    /// The serial number is the number of that very entry of the log, so a line in the target's own log points at it.
    pub(crate) fn mint(&self, tx: &mut Tx, account: &Account, by: &str, purpose: &Purpose<'_>) -> Done<Minted> {
        check_principal(&account.username).map_err(|_| Refusal::TargetNotReady)?;
        let kept = self.authority()?;
        let (signer, session, until) = match purpose {
            Purpose::Session(session, grant, _) => (kept.signing_key()?, Some((*session).clone()), grant.until),
            // Targets are made to trust the next key before it signs sessions; the test shows whether they do.
            Purpose::Test => (kept.next.as_ref().unwrap_or(&kept.signing).key()?, None, Timestamp(i64::MAX)),
        };
        let now = tx.now();
        let life = Duration::from_secs(limits::CERTIFICATE_SECONDS as u64);
        let skew = Duration::from_secs(limits::CERTIFICATE_SKEW_SECONDS as u64);
        // The target is dialled only once the witness watches, so the certificate outlives that waiting.
        let waits = matches!(purpose, Purpose::Session(_, grant, _) if !grant.witness.is_none());
        let wait = if waits { Duration::from_secs(limits::WITNESS_WAIT_SECONDS as u64) } else { Duration::ZERO };
        let until = until.min(now.plus(life + wait));
        let serial = tx.next_seq();
        let key_id = match purpose {
            Purpose::Session(session, grant, login) => format!("sekisho:{}:{}:{}", part(session.as_str()), part(&grant.plan_number), part(login)),
            Purpose::Test => format!("sekisho:test:{}:{}", part(account.id.as_str()), part(by)),
        };
        let pair = PrivateKey::from(Ed25519Keypair::from_seed(&Zeroizing::new(random_bytes::<32>()?)));
        let nonce = random_bytes::<32>()?;
        let mut certificate = Builder::new(nonce, pair.public_key().key_data().clone(), seconds(now.minus(skew))?, seconds(until)?).map_err(crypto)?;
        certificate.serial(serial).map_err(crypto)?;
        certificate.cert_type(CertType::User).map_err(crypto)?;
        certificate.key_id(key_id.as_str()).map_err(crypto)?;
        certificate.valid_principal(account.username.as_str()).map_err(crypto)?;
        let sources: Vec<String> = self.inner.settings.ssh_sources.iter().map(ToString::to_string).collect();
        if !sources.is_empty() {
            certificate.critical_option("source-address", sources.join(",")).map_err(crypto)?;
        }
        if let Purpose::Session(_, grant, _) = purpose {
            if grant.functions.contains(&Function::Shell) || grant.functions.contains(&Function::Exec) {
                certificate.extension("permit-pty", "").map_err(crypto)?;
            }
            if grant.functions.contains(&Function::Forward) && !grant.forwards.is_empty() {
                certificate.extension("permit-port-forwarding", "").map_err(crypto)?;
            }
        }
        let certificate = certificate.sign(&signer).map_err(crypto)?;
        let authority = signer.fingerprint(HashAlg::Sha256).to_string();
        let credential = TargetCredential::Certificate {
            key: Secret::new(pair.to_openssh(LineEnding::LF).map_err(crypto)?.as_str()),
            certificate: certificate.to_openssh().map_err(crypto)?,
        };
        tx.fact(Fact::CertificateIssued {
            session,
            target: account.target.clone(),
            account: account.id.clone(),
            serial,
            key_id,
            principal: account.username.clone(),
            authority: authority.clone(),
            until,
        });
        Ok(Minted { credential, authority })
    }
}

/// One part of a key id: what could be taken for its separator, or for another field of a line of the target's log, is
/// left out.
fn part(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).take(ID_PART).collect()
}

fn seconds(at: Timestamp) -> Result<u64, Fault> {
    u64::try_from(at.0.div_euclid(1000)).map_err(crypto)
}

fn crypto(error: impl std::fmt::Display) -> Fault {
    Fault::Crypto(format!("a certificate for a target could not be made: {error}"))
}
