//! Failures are counted by login name and by source address, and too many of them make both wait.
//!
//! Names that belong to nobody are counted like those that do: being locked out tells nothing about who exists.

use crate::fault::Fault;
use crate::log::as_i64;
use sekisho_core::limits;
use sekisho_core::policy::Policy;
use sekisho_core::time::Timestamp;
use sqlx::{AnyConnection, Row};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// Failures of one source are counted over this time.
const SOURCE_SPAN: Duration = Duration::from_secs(600);
/// The waiting time doubles with each lock-out, up to this.
const LONGEST_LOCK: Duration = Duration::from_secs(24 * 3600);
/// The same for a source.
const LONGEST_SOURCE_LOCK: Duration = Duration::from_secs(2 * 3600);
/// Attempts on one name are made one after the other, so that many at once cannot outrun the counting.
const STRIPES: usize = 64;

/// Locks that make attempts on one name wait for each other.
pub(crate) struct Stripes([tokio::sync::Mutex<()>; STRIPES]);

impl Default for Stripes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| tokio::sync::Mutex::new(())))
    }
}

impl Stripes {
    /// Waits until no other attempt on this name is being made.
    pub async fn take(&self, login: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        login.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        match self.0.get(place) {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        }
    }
}

/// Who failed.
pub(super) fn by_login(login: &str) -> String {
    format!("login:{login}")
}

/// From where. IPv6 sources are counted by their /64, which one customer of a line usually holds whole.
pub(crate) fn by_source(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(v4) => format!("source:{v4}"),
        IpAddr::V6(v6) => format!("source:{}/64", std::net::Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// From where a token was tried in vain. Counted apart, so that a program with an ended token keeps nobody behind the same
/// address from logging in.
fn by_token_source(source: IpAddr) -> String {
    format!("token-{}", by_source(source))
}

/// From where somebody tried to open an emergency account in vain. Counted apart from logins: in the hour of an emergency a
/// whole hospital may stand behind one address, and who types wrong passwords there must not keep the envelopes shut.
fn by_emergency_source(source: IpAddr) -> String {
    format!("emergency-{}", by_source(source))
}

/// Until when the subject must wait, if it must.
async fn waits(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, subject: String, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let row = sqlx::query("SELECT locked_until FROM failures WHERE subject = $1").bind(subject).fetch_optional(executor).await?;
    let until = row.map(|row| row.try_get::<i64, _>("locked_until")).transpose()?;
    Ok(until.map(Timestamp).filter(|until| now < *until))
}

/// Until when a login name is locked out, if it is.
pub(crate) async fn locked_until(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, login: &str, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    waits(executor, by_login(login), now).await
}

/// Whether a source must wait.
pub(crate) async fn source_waits(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    Ok(waits(executor, by_source(source), now).await?.is_some())
}

/// Counts one failure of a login name. True if it locks the name out.
pub(super) async fn count_login(conn: &mut AnyConnection, login: &str, policy: &Policy, now: Timestamp) -> Result<bool, Fault> {
    let subject = by_login(login);
    let row = sqlx::query("SELECT count, locks FROM failures WHERE subject = $1").bind(subject.clone()).fetch_optional(&mut *conn).await?;
    let (count, locks) = match row {
        Some(row) => (row.try_get::<i64, _>("count")? + 1, row.try_get::<i64, _>("locks")?),
        None => (1, 0),
    };
    let locked = count >= as_i64(limits::LOGIN_FAILURES as u64);
    let wait = Duration::from_secs(u64::from(policy.lockout_minutes) * 60 * (1 << locks.clamp(0, 10))).min(LONGEST_LOCK);
    let until = if locked { now.plus(wait) } else { Timestamp(0) };
    // A lock begins the count anew, so that each later lock needs as many failures again.
    put(conn, subject, if locked { 0 } else { count }, now, locks + i64::from(locked), until).await?;
    Ok(locked)
}

/// Counts an attempt before it goes out to somebody else who is asked. True if too many were given up half-way: then it locks
/// the name, and nobody is asked.
pub(super) async fn reserve(conn: &mut AnyConnection, login: &str, source: IpAddr, policy: &Policy, now: Timestamp) -> Result<bool, Fault> {
    let counted = sqlx::query("SELECT count FROM failures WHERE subject = $1").bind(by_login(login)).fetch_optional(&mut *conn).await?;
    let counted = counted.map(|row| row.try_get::<i64, _>("count")).transpose()?.unwrap_or(0);
    if counted + 1 >= as_i64(limits::LOGIN_FAILURES as u64) * 2 {
        return count_login(conn, login, policy, now).await;
    }
    for subject in [by_login(login), by_source(source)] {
        let text = "INSERT INTO failures (subject, count, first_at, locks, locked_until) VALUES ($1, 1, $2, 0, 0) ON CONFLICT (subject) DO UPDATE SET count = failures.count + 1";
        sqlx::query(text).bind(subject).bind(now.0).execute(&mut *conn).await?;
    }
    Ok(false)
}

/// Takes back what [`reserve`] counted, once the answer is known and counted by itself.
pub(super) async fn release(conn: &mut AnyConnection, login: &str, source: IpAddr) -> Result<(), Fault> {
    for subject in [by_login(login), by_source(source)] {
        sqlx::query("UPDATE failures SET count = count - 1 WHERE subject = $1 AND count > 0").bind(subject).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Whether no token is looked at from a source for a while.
pub(crate) async fn token_source_waits(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    Ok(waits(executor, by_token_source(source), now).await?.is_some())
}

/// Counts one refused use of a token from a source. True if it makes the source wait.
pub(crate) async fn count_token_source(conn: &mut AnyConnection, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    count_span(conn, by_token_source(source), limits::TOKEN_FAILURES, now).await
}

/// Whether nothing of an emergency account is looked at from a source for a while.
pub(super) async fn emergency_source_waits(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    Ok(waits(executor, by_emergency_source(source), now).await?.is_some())
}

/// Counts one attempt from a source on an emergency account. True if it makes the source wait.
pub(super) async fn count_emergency_source(conn: &mut AnyConnection, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    count_span(conn, by_emergency_source(source), limits::SOURCE_FAILURES, now).await
}

/// Counts one failure from a source. True if it makes the source wait.
pub(crate) async fn count_source(conn: &mut AnyConnection, source: IpAddr, now: Timestamp) -> Result<bool, Fault> {
    count_span(conn, by_source(source), limits::SOURCE_FAILURES, now).await
}

/// Counts within a span of time. Each wait that follows another within a day is twice as long, up to the longest for
/// sources: behind one address there may be a whole vendor.
async fn count_span(conn: &mut AnyConnection, subject: String, most: usize, now: Timestamp) -> Result<bool, Fault> {
    let row = sqlx::query("SELECT count, first_at, locks FROM failures WHERE subject = $1").bind(subject.clone()).fetch_optional(&mut *conn).await?;
    let (mut count, mut first, mut locks) = (1, now, 0);
    if let Some(row) = row {
        let since = Timestamp(row.try_get("first_at")?);
        locks = row.try_get::<i64, _>("locks")?;
        if now < since.plus(SOURCE_SPAN) {
            (count, first) = (row.try_get::<i64, _>("count")? + 1, since);
        }
    }
    let locked = count >= as_i64(most as u64);
    let wait = (SOURCE_SPAN * (1_u32 << locks.clamp(0, 10))).min(LONGEST_SOURCE_LOCK);
    let until = if locked { now.plus(wait) } else { Timestamp(0) };
    put(conn, subject, if locked { 0 } else { count }, first, locks + i64::from(locked), until).await?;
    Ok(locked)
}

/// Who or what failures are counted against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A login name, be it somebody's or nobody's.
    Login(String),
    /// A source of logins.
    Source(String),
    /// A source of tokens.
    TokenSource(String),
    /// A source of attempts on emergency accounts.
    EmergencySource(String),
}

impl Subject {
    /// Reads what a row is called.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "login" => Some(Self::Login(name.to_owned())),
            "source" => Some(Self::Source(name.to_owned())),
            "token-source" => Some(Self::TokenSource(name.to_owned())),
            "emergency-source" => Some(Self::EmergencySource(name.to_owned())),
            _ => None,
        }
    }

    fn row(&self) -> String {
        match self {
            Self::Login(login) => by_login(login),
            Self::Source(source) => format!("source:{source}"),
            Self::TokenSource(source) => format!("token-source:{source}"),
            Self::EmergencySource(source) => format!("emergency-source:{source}"),
        }
    }
}

/// What must wait at a moment, with its end and the number of its locks in a row.
pub(super) async fn locked(executor: impl sqlx::Executor<'_, Database = sqlx::Any>, now: Timestamp) -> Result<Vec<(String, Timestamp, i64)>, Fault> {
    let rows = sqlx::query("SELECT subject, locked_until, locks FROM failures WHERE locked_until > $1 ORDER BY locked_until DESC, subject LIMIT 500").bind(now.0).fetch_all(executor).await?;
    rows.iter().map(|row| Ok((row.try_get("subject")?, Timestamp(row.try_get("locked_until")?), row.try_get("locks")?))).collect()
}

/// Forgets the failures of a subject.
pub(super) async fn lift(conn: &mut AnyConnection, subject: &Subject) -> Result<(), Fault> {
    sqlx::query("DELETE FROM failures WHERE subject = $1").bind(subject.row()).execute(conn).await?;
    Ok(())
}

async fn put(conn: &mut AnyConnection, subject: String, count: i64, first: Timestamp, locks: i64, until: Timestamp) -> Result<(), Fault> {
    let text = "INSERT INTO failures (subject, count, first_at, locks, locked_until) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (subject) DO UPDATE SET count = excluded.count, first_at = excluded.first_at, locks = excluded.locks, locked_until = excluded.locked_until";
    sqlx::query(text).bind(subject).bind(count).bind(first.0).bind(locks).bind(until.0).execute(conn).await?;
    Ok(())
}

/// Forgets the failures of a login name, after a login with both factors.
pub(crate) async fn unlock(conn: &mut AnyConnection, login: &str) -> Result<(), Fault> {
    sqlx::query("DELETE FROM failures WHERE subject = $1").bind(by_login(login)).execute(conn).await?;
    Ok(())
}

/// Forgets what has had no weight for a day.
pub(crate) async fn forget_old(conn: &mut AnyConnection, now: Timestamp) -> Result<(), Fault> {
    let old = now.minus(LONGEST_LOCK).0;
    sqlx::query("DELETE FROM failures WHERE first_at < $1 AND locked_until < $1").bind(old).execute(conn).await?;
    Ok(())
}
