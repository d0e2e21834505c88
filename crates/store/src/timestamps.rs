//! Time stamps (RFC 3161) over heads of the log: asked for now and then, kept beside the checkpoints. An authority that is down, slow
//! or wrong stops nothing; it is told.

use crate::Store;
use crate::fault::Fault;
use crate::log::{blocking, write_durably};
use crate::secrets::random_bytes;
use crate::tls::{crypto, moment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, SigningKey as _};
use sekisho_core::desk::Answer;
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::verify::{LOCAL_AUTHORITY, TIMESTAMPS_DIR, answer_path, stamped_path};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(30);
/// Time for one stamp.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file in the keys folder.
const FILE: &str = "timestamps.keys";
/// Days for which the box's own authority is valid: longer than such a box lives, and its records are kept.
const DAYS: u32 = 40 * 365;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The name of their row among the places outside.
pub(crate) const ROW: &str = "timestamps";
/// The number of extendedKeyUsage.
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// A stamp that was checked.
pub struct Stamped {
    /// The authority's whole answer.
    pub answer: Vec<u8>,
    /// The time in it.
    pub at: Timestamp,
    /// How far that may be off, in milliseconds, as the authority says.
    pub accuracy_ms: i64,
}

/// An authority for time stamps. Implementations bound what they read and how long they wait, and check what they give.
pub trait TimestampAuthority: Send + Sync {
    /// What pages and log call it.
    fn name(&self) -> &str;

    /// It is this box: its stamps prove order, and no time of others.
    fn is_local(&self) -> bool;

    /// Has bytes stamped.
    ///
    /// # Errors
    /// In words of one line, why there is no stamp.
    fn stamp<'a>(&'a self, over: &'a [u8]) -> Answer<'a, Result<Stamped, String>>;
}

/// How the time stamps stand.
#[derive(Clone, Debug, Default)]
pub struct TimestampState {
    /// The authority.
    pub authority: String,
    /// It is this box.
    pub local: bool,
    /// Entries under the newest stamp since the start.
    pub entries: u64,
    /// The time in it.
    pub at: Option<Timestamp>,
    /// Milliseconds that the clock is behind the authority's.
    pub offset_ms: i64,
    /// Since when there has been none.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub trouble: Option<String>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    /// PKCS #8, base64.
    key: String,
    /// DER, base64.
    certificate: String,
}

/// The key of the box's own authority.
pub struct TimestampKey {
    pair: KeyPair,
    certificate: Vec<u8>,
}

impl TimestampKey {
    /// Its certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Signs by ECDSA over P-256 with SHA-256; DER.
    ///
    /// # Errors
    /// In words.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.pair.sign(bytes).map_err(|fault| fault.to_string())
    }
}

impl Store {
    /// The key of the box's own authority for time stamps, which is made when it is first needed. `name` stands in its certificate,
    /// `usage` is the content of its extendedKeyUsage.
    ///
    /// # Errors
    /// A fault of the disk or of the database.
    pub async fn timestamp_key(&self, name: &str, usage: &[u8]) -> Result<TimestampKey, Fault> {
        let kept = match self.inner.keys.load_file(FILE)? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => self.make_timestamp_key(name, usage).await?,
        };
        let der = Zeroizing::new(STANDARD.decode(&kept.key).map_err(crypto)?);
        let pair = KeyPair::try_from(der.as_slice()).map_err(crypto)?;
        let certificate = STANDARD.decode(&kept.certificate).map_err(crypto)?;
        // Where a verifier finds it.
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines(&kept.certificate));
        let path = self.data_dir().join(TIMESTAMPS_DIR).join(LOCAL_AUTHORITY);
        blocking(move || write_durably(&path, pem.as_bytes(), 0o644, None)).await?;
        Ok(TimestampKey { pair, certificate })
    }

    async fn make_timestamp_key(&self, name: &str, usage: &[u8]) -> Result<Kept, Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(crypto)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("{name} {}", hex::encode(random_bytes::<4>()?)));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let mut extended = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, usage.to_vec());
        extended.set_criticality(true);
        params.custom_extensions = vec![extended];
        params.not_before = moment(tx.now().minus(DAY));
        params.not_after = moment(tx.now().plus(DAY * DAYS));
        params.serial_number = Some(SerialNumber::from_slice(&random_bytes::<8>()?));
        let der = params.self_signed(&pair).map_err(crypto)?.der().to_vec();
        let kept = Kept { key: STANDARD.encode(pair.serialized_der()), certificate: STANDARD.encode(&der) };
        self.inner.keys.keep_file(FILE, &Zeroizing::new(serde_json::to_vec(&kept)?))?;
        tx.fact(Fact::TimestampAuthority { root: Digest::of(&der).to_string() });
        tx.commit().await?;
        Ok(kept)
    }

    /// How the time stamps stand; `None` if no authority is configured.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn timestamps(&self) -> Result<Option<TimestampState>, Fault> {
        let state = self.inner.timestamps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(mut state) = state else { return Ok(None) };
        let row = self.place_row(ROW).await?;
        state.failing_since = row.failing_since;
        state.trouble = row.trouble;
        Ok(Some(state))
    }

    /// The name of the authority.
    pub(crate) fn timestamp_authority(&self) -> String {
        self.inner.timestamps.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|state| state.authority.clone()).unwrap_or_default()
    }

    fn change_timestamps(&self, change: impl FnOnce(&mut TimestampState)) {
        change(self.inner.timestamps.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    }

    /// Has the newest head stamped every so often, until the store is closed or the task is ended. Run it once, as a task. An
    /// authority that has failed for longer than `patience` is told.
    pub async fn run_timestamps(&self, authority: Arc<dyn TimestampAuthority>, every: Duration, patience: Duration) {
        self.change_timestamps(|state| {
            state.authority = authority.name().to_owned();
            state.local = authority.is_local();
        });
        let mut has = 0;
        let mut last: Option<Instant> = None;
        let mut failed = false;
        loop {
            let asked = tokio::time::timeout(LOOK, self.inner.outside.asked.notified()).await.is_ok();
            if self.inner.log.is_closed() {
                return;
            }
            let rested = last.is_none_or(|last| last.elapsed() >= if failed { RETRY } else { every });
            if !(asked || rested) || self.inner.log.published() == has {
                continue;
            }
            last = Some(Instant::now());
            let stamped = tokio::time::timeout(PATIENCE, self.stamp_head(&*authority)).await;
            let stamped = stamped.unwrap_or_else(|_| Err("it did not answer in time".into()));
            failed = stamped.is_err();
            let noted = match stamped {
                Ok(entries) => {
                    has = entries;
                    self.place_has(ROW, entries).await
                }
                Err(why) => {
                    tracing::warn!(authority = authority.name(), why, "no time stamp was had");
                    self.place_fails(ROW, &why, patience).await
                }
            };
            if let Err(fault) = noted
                && !matches!(fault, Fault::Closed)
            {
                tracing::error!(%fault, "ALARM: how the time stamps stand could not be written down");
            }
        }
    }

    async fn stamp_head(&self, authority: &dyn TimestampAuthority) -> Result<u64, String> {
        let head = self.head().map_err(|fault| fault.to_string())?;
        let stamped = authority.stamp(head.note.as_bytes()).await?;
        let offset_ms = stamped.at.0.saturating_sub(self.inner.clock.now().0);
        let (folder, entries) = (self.data_dir().to_owned(), head.entries);
        // What it is over first: an answer without it shows nothing.
        let kept = blocking(move || {
            write_durably(&folder.join(stamped_path(entries)), head.note.as_bytes(), 0o644, None)?;
            write_durably(&folder.join(answer_path(entries)), &stamped.answer, 0o644, None)
        });
        kept.await.map_err(|fault| fault.to_string())?;
        self.change_timestamps(|state| (state.entries, state.at, state.offset_ms) = (entries, Some(stamped.at), offset_ms));
        // The stamp is kept: which of the two clocks is wrong is for a person to find.
        let most = i64::try_from(limits::TIMESTAMP_CLOCK_SECONDS).unwrap_or(i64::MAX).saturating_mul(1000).saturating_add(stamped.accuracy_ms);
        if offset_ms.saturating_abs() > most {
            return Err(format!("its time and the clock of this box are {} s apart", offset_ms.unsigned_abs() / 1000));
        }
        Ok(entries)
    }
}

/// Base64 in lines as PEM has them.
fn lines(text: &str) -> String {
    let mut broken = String::new();
    for (n, letter) in text.chars().enumerate() {
        broken.push(letter);
        if n % 64 == 63 {
            broken.push('\n');
        }
    }
    if !broken.ends_with('\n') {
        broken.push('\n');
    }
    broken
}
