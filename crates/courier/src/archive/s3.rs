//! An object store of the S3 protocol, with object lock.
//!
//! What it is handed bears its SHA-256 as a header that the signature covers, so the store itself refuses what arrived as
//! something else; and it is asked for the copy anew before the copy counts.

use super::carry::{Answered, Load, Way};
use crate::one_short_line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use jiff::Timestamp as Moment;
use rusty_s3::{Bucket, UrlStyle};
use sekisho_core::archive::{Kept, Lock, LockMode, Parcel, Removed, Trouble, Vault};
use sekisho_core::desk::Answer;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::ServerName;

/// Seconds for which a signed request may be used.
const SIGNED_SECONDS: u64 = 600;
const CHECKSUM: &str = "x-amz-checksum-sha256";
const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// An object store.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// What pages and log call it.
    pub name: String,
    /// `https://s3.example:9000`; `http://` within this machine only.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Its region; `us-east-1` where there are none.
    pub region: String,
    /// What stands before each name in the bucket, without a slash at its ends; may be empty.
    pub prefix: String,
    /// The name of the key.
    pub access_key: String,
    /// The key.
    pub secret: Secret,
    /// Authorities that may have issued its certificate, PEM; `None` for those of the operating system.
    pub authorities: Option<Vec<u8>>,
    /// Copies must be locked.
    pub lock: bool,
    /// Time that it may say nothing before a request is given up.
    pub patience: Duration,
}

/// The way to an object store.
pub struct S3 {
    settings: S3Settings,
    bucket: Bucket,
    way: Way,
    clock: Arc<dyn Clock>,
}

impl S3 {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// In words: an address that is none, or not safe.
    pub fn new(settings: S3Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let uri: hyper::Uri = settings.endpoint.parse().map_err(|_| format!("{:?} is no address", settings.endpoint))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(|| format!("{:?} names no server", settings.endpoint))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host:?} can stand in no certificate"))?;
                let connector = match &settings.authorities {
                    Some(pem) => crate::syslog::connector(pem, None).map_err(|bad| bad.to_string())?,
                    None => crate::syslog::connector_of_system().map_err(|bad| bad.to_string())?,
                };
                (Some((connector, name)), 443)
            }
            Some("http") if crate::is_this_machine(&host) => (None, 80),
            Some("http") => return Err("an archive without TLS must be on this machine".into()),
            _ => return Err(format!("{:?} must begin with https://", settings.endpoint)),
        };
        let base = settings.endpoint.parse().map_err(|_| format!("{:?} is no address", settings.endpoint))?;
        let bucket = Bucket::new(base, UrlStyle::Path, settings.bucket.clone(), settings.region.clone()).map_err(|bad| bad.to_string())?;
        let way = Way { host, port: authority.port_u16().unwrap_or(port), tls, quiet: settings.patience };
        Ok(Self { settings, bucket, way, clock })
    }

    fn key(&self, object: &str) -> String {
        if self.settings.prefix.is_empty() { object.to_owned() } else { format!("{}/{object}", self.settings.prefix) }
    }

    /// Signs a request and sends it. Names of `query` and `headers` come sorted.
    async fn ask(&self, method: Method, object: Option<&str>, query: &[(&str, &str)], headers: &[(&str, &str)], load: Load<'_>) -> Result<Answered, Trouble> {
        let url = match object {
            Some(object) => self.bucket.object_url(&self.key(object)),
            None => self.bucket.base_url().clone(),
        };
        let signed_method = match method {
            Method::PUT => rusty_s3::Method::Put,
            Method::HEAD => rusty_s3::Method::Head,
            Method::DELETE => rusty_s3::Method::Delete,
            _ => rusty_s3::Method::Get,
        };
        let now = Moment::from_millisecond(self.clock.now().0).map_err(|fault| Trouble::Other(fault.to_string()))?;
        let url = rusty_s3::signing::sign(
            &now,
            signed_method,
            url,
            &self.settings.access_key,
            self.settings.secret.expose(),
            None,
            &self.settings.region,
            SIGNED_SECONDS,
            query.iter().copied(),
            headers.iter().copied(),
        );
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(Trouble::Other("the address names no server".into())),
        };
        let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let length = load.bytes();
        let mut sent: Vec<(String, String)> = vec![("host".into(), host)];
        if method == Method::PUT {
            sent.push(("content-length".into(), length.to_string()));
        }
        sent.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.way.ask(method, &target, &sent, load).await
    }

    /// Asks for a copy: whether it is there, and as what it was handed over.
    async fn seen(&self, object: &str, version: &str, bytes: u64, sha256: &[u8; 32]) -> Result<Kept, Trouble> {
        let query = of_version(version);
        let answer = self.ask(Method::HEAD, Some(object), &query, &[("x-amz-checksum-mode", "ENABLED")], Load::None).await?;
        if answer.status != 200 {
            return Err(trouble_of_head(answer.status));
        }
        let length = answer.header("content-length").and_then(|text| text.parse::<u64>().ok());
        if length != Some(bytes) {
            return Err(Trouble::Differs(format!("the copy has {} bytes instead of {bytes}", length.unwrap_or_default())));
        }
        let kept = Kept { version: answer.header("x-amz-version-id").filter(|id| *id != "null").unwrap_or(version).to_owned(), lock: lock_of(&answer) };
        match answer.header(CHECKSUM).map(str::to_owned) {
            Some(told) if told == STANDARD.encode(sha256) => Ok(kept),
            Some(_) => Err(Trouble::Differs("the copy has another SHA-256 than what was handed over".into())),
            // A store that keeps no digests is made to show the copy itself.
            None => self.shown(object, version, bytes, sha256).await.map(|()| kept),
        }
    }

    /// Reads a copy through and compares its digest.
    async fn shown(&self, object: &str, version: &str, bytes: u64, sha256: &[u8; 32]) -> Result<(), Trouble> {
        let answer = self.ask(Method::GET, Some(object), &of_version(version), &[], Load::None).await?;
        if answer.status != 200 {
            return Err(told(answer).await);
        }
        let digest = answer.digest(bytes).await?;
        if digest == *sha256 { Ok(()) } else { Err(Trouble::Differs("the copy has another SHA-256 than what was handed over".into())) }
    }

    async fn lay_down(&self, parcel: &Parcel<'_>) -> Result<Kept, Trouble> {
        let checksum = STANDARD.encode(parcel.sha256);
        let until = parcel.lock.map(|lock| written(lock.until)).transpose()?;
        // A copy whose row was lost in a crash is not made twice: with a lock it could not be taken away.
        match self.seen(parcel.object, "", parcel.bytes, parcel.sha256).await {
            Ok(kept) if holds(kept.lock, parcel.lock) => return Ok(kept),
            Ok(_) | Err(Trouble::Missing | Trouble::Differs(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        let mut headers = vec![(CHECKSUM, checksum.as_str())];
        if let (Some(lock), Some(until)) = (parcel.lock, &until) {
            headers.push((MODE, lock.mode.as_str()));
            headers.push((UNTIL, until.as_str()));
        }
        headers.push(("x-amz-sdk-checksum-algorithm", "SHA256"));
        let answer = self.ask(Method::PUT, Some(parcel.object), &[], &headers, Load::File(parcel.path, parcel.bytes)).await?;
        if answer.status != 200 {
            return Err(told(answer).await);
        }
        let version = answer.header("x-amz-version-id").filter(|id| *id != "null").unwrap_or_default().to_owned();
        drop(answer);
        let kept = self.seen(parcel.object, &version, parcel.bytes, parcel.sha256).await?;
        if holds(kept.lock, parcel.lock) { Ok(kept) } else { Err(Trouble::WeakLock("the copy is there without the lock that was asked for".into())) }
    }

    async fn lengthen(&self, object: &str, version: &str, bytes: u64, sha256: &[u8; 32], lock: Lock) -> Result<Kept, Trouble> {
        // Never shorter, nor of a weaker kind: whoever has the key for that could shorten one that is not of compliance.
        let has = self.seen(object, version, bytes, sha256).await?;
        if holds(has.lock, Some(lock)) {
            return Ok(has);
        }
        if has.lock.is_some_and(|has| lock.until < has.until) {
            return Err(Trouble::WeakLock("the copy is locked for longer by a weaker kind of lock".into()));
        }
        let body = retention(lock)?;
        let checksum = STANDARD.encode(Sha256::digest(&body));
        let headers = [(CHECKSUM, checksum.as_str()), ("x-amz-sdk-checksum-algorithm", "SHA256")];
        let mut query = vec![("retention", "")];
        query.extend(of_version(version));
        let answer = self.ask(Method::PUT, Some(object), &query, &headers, Load::Text(&body)).await?;
        if !matches!(answer.status, 200 | 204) {
            return Err(told(answer).await);
        }
        drop(answer);
        let kept = self.seen(object, version, bytes, sha256).await?;
        if holds(kept.lock, Some(lock)) { Ok(kept) } else { Err(Trouble::WeakLock("the lock of the copy was not prolonged".into())) }
    }

    async fn locks(&self) -> Result<(), Trouble> {
        if !self.settings.lock {
            let answer = self.ask(Method::HEAD, None, &[], &[], Load::None).await?;
            return match answer.status {
                200 => Ok(()),
                404 => Err(Trouble::Other("there is no such bucket".into())),
                status => Err(trouble_of_head(status)),
            };
        }
        let answer = self.ask(Method::GET, None, &[("object-lock", "")], &[], Load::None).await?;
        let status = answer.status;
        if status == 200 {
            let text = answer.text().await?;
            return if between(&text, "<ObjectLockEnabled>", "</ObjectLockEnabled>") == Some("Enabled") { Ok(()) } else { Err(no_lock()) };
        }
        match told_as(status, &answer.text().await?) {
            (code, _) if code.contains("ObjectLockConfigurationNotFound") => Err(no_lock()),
            (_, trouble) => Err(trouble),
        }
    }

    async fn take_away(&self, object: &str, version: &str) -> Result<Removed, Trouble> {
        let query = of_version(version);
        let answer = self.ask(Method::HEAD, Some(object), &query, &[], Load::None).await?;
        match answer.status {
            200 => {}
            404 => return Ok(Removed::NotThere),
            status => return Err(trouble_of_head(status)),
        }
        if let Some(lock) = lock_of(&answer).filter(|lock| self.clock.now() < lock.until) {
            return Ok(Removed::LockedUntil(lock.until));
        }
        drop(answer);
        let answer = self.ask(Method::DELETE, Some(object), &query, &[], Load::None).await?;
        match answer.status {
            200 | 204 => Ok(Removed::Gone),
            404 => Ok(Removed::NotThere),
            _ => Err(told(answer).await),
        }
    }
}

fn of_version(version: &str) -> Vec<(&str, &str)> {
    if version.is_empty() { Vec::new() } else { vec![("versionId", version)] }
}

fn no_lock() -> Trouble {
    Trouble::NoLock("the bucket has no object lock; make one with object lock, which cannot be added later everywhere, or set lock = \"none\"".into())
}

/// The lock that an answer tells of.
fn lock_of(answer: &Answered) -> Option<Lock> {
    let mode = LockMode::parse(answer.header(MODE)?)?;
    let until: Moment = answer.header(UNTIL)?.parse().ok()?;
    Some(Lock { mode, until: Timestamp(until.as_millisecond()) })
}

/// Whether a lock is at least the one that was asked for.
fn holds(has: Option<Lock>, asked: Option<Lock>) -> bool {
    match (has, asked) {
        (_, None) => true,
        (Some(has), Some(asked)) => has.until >= asked.until && (has.mode == LockMode::Compliance || asked.mode == LockMode::Governance),
        (None, Some(_)) => false,
    }
}

/// The body that asks for a lock.
fn retention(lock: Lock) -> Result<String, Trouble> {
    let (mode, until) = (lock.mode.as_str(), written(lock.until)?);
    Ok(format!("<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"))
}

fn written(at: Timestamp) -> Result<String, Trouble> {
    let at = Moment::from_second(at.0.div_euclid(1000)).map_err(|fault| Trouble::Other(fault.to_string()))?;
    Ok(at.to_string())
}

/// What the status of an answer without a body means.
fn trouble_of_head(status: u16) -> Trouble {
    told_as(status, "").1
}

async fn told(answer: Answered) -> Trouble {
    let status = answer.status;
    match answer.text().await {
        Ok(text) => told_as(status, &text).1,
        Err(trouble) => trouble,
    }
}

/// The store's own code for what is wrong, and what it means here.
fn told_as(status: u16, text: &str) -> (String, Trouble) {
    let code = one_short_line(between(text, "<Code>", "</Code>").unwrap_or_default());
    let words = if code.is_empty() { format!("it answered {status}") } else { format!("it answered {status} {code}") };
    let trouble = match (status, code.as_str()) {
        (_, "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "InvalidDigest") => Trouble::Differs(words),
        (404, "NoSuchBucket") => Trouble::Other("there is no such bucket".into()),
        (404, _) => Trouble::Missing,
        (_, "EntityTooLarge") => Trouble::TooLarge,
        (400, "InvalidRequest") if text.contains("Object Lock") => no_lock(),
        (401 | 403, _) | (400, "InvalidAccessKeyId" | "ExpiredToken") => Trouble::Denied(words),
        (408 | 429 | 500..=599, _) => Trouble::Unreachable(words),
        _ => Trouble::Other(words),
    };
    (code, trouble)
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(inner, _)| inner.trim())
}

impl Vault for S3 {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn check(&self) -> Answer<'_, Result<(), Trouble>> {
        Box::pin(self.locks())
    }

    fn put<'a>(&'a self, parcel: Parcel<'a>) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(async move { self.lay_down(&parcel).await })
    }

    fn look<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(self.seen(object, version, bytes, sha256))
    }

    fn read_back<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(async move {
            let kept = self.seen(object, version, bytes, sha256).await?;
            // What a store says of a digest may be what it was told; the copy itself cannot be made up.
            self.shown(object, version, bytes, sha256).await.map(|()| kept)
        })
    }

    fn fetch<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, into: &'a Path) -> Answer<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let answer = self.ask(Method::GET, Some(object), &of_version(version), &[], Load::None).await?;
            if answer.status == 200 { answer.into_file(bytes, into).await } else { Err(told(answer).await) }
        })
    }

    fn prolong<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32], lock: Lock) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(self.lengthen(object, version, bytes, sha256, lock))
    }

    fn remove<'a>(&'a self, object: &'a str, version: &'a str) -> Answer<'a, Result<Removed, Trouble>> {
        Box::pin(self.take_away(object, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_is_told_by_its_code() {
        let error = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>x</Message></Error>");
        for (status, code, ska) in [
            (403, "SignatureDoesNotMatch", "SKA-02"),
            (403, "", "SKA-02"),
            (400, "BadDigest", "SKA-04"),
            (404, "NoSuchKey", "SKA-05"),
            (404, "NoSuchBucket", "SKA-08"),
            (503, "SlowDown", "SKA-01"),
            (400, "EntityTooLarge", "SKA-06"),
            (418, "", "SKA-08"),
        ] {
            assert_eq!(told_as(status, &error(code)).1.code(), ska, "{status} {code}");
        }
        let hostile = told_as(403, "<Code>\u{1b}[2J<b>\u{202e}x</Code>").1.to_string();
        assert!(hostile.is_ascii() && !hostile.contains('\u{1b}'));
    }

    #[test]
    fn a_lock_that_is_weaker_than_asked_for_does_not_count() {
        let lock = |mode, until| Some(Lock { mode, until: Timestamp(until) });
        let (weak, strong) = (LockMode::Governance, LockMode::Compliance);
        assert!(holds(lock(strong, 10), lock(strong, 10)) && holds(lock(strong, 11), lock(weak, 10)) && holds(None, None));
        for less in [None, lock(strong, 9), lock(weak, 10)] {
            assert!(!holds(less, lock(strong, 10)), "{less:?}");
        }
    }

    #[test]
    fn an_archive_in_clear_is_on_this_machine_alone() {
        struct Still;
        impl Clock for Still {
            fn now(&self) -> Timestamp {
                Timestamp(0)
            }
        }
        let settings = |endpoint: &str| S3Settings { name: "a".into(), endpoint: endpoint.into(), bucket: "b".into(), region: "r".into(), prefix: String::new(), access_key: "k".into(), secret: Secret::new("s"), authorities: None, lock: true, patience: Duration::from_secs(1) };
        for (endpoint, sound) in [("http://127.0.0.1:9000", true), ("http://nas.example:9000", false), ("https://u:p@nas.example", false), ("ftp://nas.example", false), ("nas.example", false)] {
            assert_eq!(S3::new(settings(endpoint), Arc::new(Still)).is_ok(), sound, "{endpoint}");
        }
    }
}
