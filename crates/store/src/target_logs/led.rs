//! The logins on targets that Sekisho made, as its own log tells of them. The log is what nobody changes unseen, so nothing
//! is kept beside it.

use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use sekisho_core::desk::Dialled;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::around::AroundRule;
use sekisho_core::ids::{LogSourceId, SessionId, TargetId};
use sekisho_core::limits;
use sekisho_core::target::Target;
use sekisho_core::time::Timestamp;
use sekisho_detect::join::Led;
use serde::Serialize;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// How far back the log is read at the start: longer than the longest window.
const BACK: Duration = Duration::from_secs(9 * 24 * 3600);
/// How long a session that ended is remembered, for lines that come late and for the nearest one of a case.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long an address at which a target answered counts as its own.
const ADDRESS_KEPT: Duration = Duration::from_secs(limits::TARGET_ADDRESS_DAYS as u64 * 24 * 3600);
/// The kinds of entries that tell of it.
const KINDS: &str = "'entered', 'robot_entered', 'certificate_issued', 'dialled', 'left', 'credential_rotated', 'test_asked', 'test_ended', 'session_told', 'session_told_by_import', 'case_opened'";
/// Entries that are read at once.
const ROWS: i64 = 2_000;

/// What is known of the logins that Sekisho made.
#[derive(Default)]
pub(crate) struct Own {
    pub(super) next: u64,
    started: bool,
    pub led: Vec<Led>,
    pub gateways: BTreeSet<IpAddr>,
    pub authorities: BTreeSet<String>,
    /// The sessions that are or were a case because no log tells of them.
    pub untold: BTreeSet<SessionId>,
    /// When the silence of a source was last a case.
    pub silent: BTreeMap<LogSourceId, Timestamp>,
    /// The addresses at which targets answered.
    pub seen: Seen,
}

/// From where an address of a target is known. The order is that of belief.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum KnownFrom {
    /// It answered there when it was dialled, and showed its pinned host key.
    Dialled {
        /// The last time.
        at: Timestamp,
    },
    /// The register says so.
    Registered,
}

/// The addresses at which targets answered, and when each did so last. The log alone tells of it: a name is asked for when a
/// target is dialled, where its host key proves the answer, and never when a login is judged.
#[derive(Clone, Default)]
pub(crate) struct Seen(BTreeMap<TargetId, BTreeMap<IpAddr, Timestamp>>);

impl Seen {
    fn note(&mut self, target: &TargetId, address: Option<IpAddr>, at: Timestamp) {
        let Some(address) = address.filter(|address| !address.is_loopback() && !address.is_unspecified()) else { return };
        let all = self.0.entry(target.clone()).or_default();
        all.insert(address.to_canonical(), at);
        if all.len() > limits::TARGET_ADDRESSES
            && let Some(oldest) = all.iter().min_by_key(|(_, at)| **at).map(|(address, _)| *address)
        {
            all.remove(&oldest);
        }
    }

    fn prune(&mut self, now: Timestamp) {
        for all in self.0.values_mut() {
            // The newest stays whatever its age: a sensor must not lose sight of a target because nobody serviced it.
            let newest = all.values().max().copied();
            all.retain(|_, at| Some(*at) == newest || now < at.plus(ADDRESS_KEPT));
        }
    }

    /// All addresses of a target.
    pub fn of(&self, target: &Target) -> BTreeMap<IpAddr, KnownFrom> {
        let seen = self.0.get(&target.id).into_iter().flatten().map(|(address, at)| (*address, KnownFrom::Dialled { at: *at }));
        let registered = target.host.parse::<IpAddr>().ok().into_iter().chain(target.logs.addresses.iter().copied());
        seen.chain(registered.map(|address| (address.to_canonical(), KnownFrom::Registered))).collect()
    }
}

impl Own {
    fn take(&mut self, entry: Entry) {
        let (at, seq) = (entry.at, entry.seq);
        self.next = seq + 1;
        match entry.fact {
            Fact::Entered { session, target, username, .. } => self.led.push(led(Some(session), false, target, username, at)),
            Fact::RobotEntered { session, target, username, .. } => self.led.push(led(Some(session), true, target, username, at)),
            Fact::CertificateIssued { session, target, serial, key_id, principal, authority, .. } => {
                self.authorities.insert(authority.clone());
                let certificate = (serial, key_id, authority);
                match session.as_ref().and_then(|session| self.of(session)) {
                    Some(led) => led.certificate = Some(certificate),
                    // The certificate comes before the entry that names the session, or is one of a test.
                    None => self.led.push(Led { certificate: Some(certificate), own: session.is_none(), ..led(session, false, target, principal, at) }),
                }
            }
            Fact::Dialled { session, outcome: Dialled::Connected { local, peer, .. } } => {
                if let Some(local) = local {
                    self.gateways.insert(local.ip().to_canonical());
                }
                if let Some(led) = self.of(&session) {
                    (led.connected, led.local) = (Some(at), local);
                    let target = led.target.clone();
                    self.seen.note(&target, peer, at);
                }
            }
            Fact::CaseOpened { rule: AroundRule::Untold, near: Some(session), .. } => drop(self.untold.insert(session)),
            Fact::CaseOpened { rule: AroundRule::Silent, source: Some(source), .. } => drop(self.silent.insert(source, at)),
            Fact::Left { session, .. } => self.end(&session, at),
            Fact::CredentialRotated { session: Some(session), .. } => self.end(&session, at),
            Fact::SessionTold { session, from, port, .. } => {
                if let Some(led) = self.of(&session) {
                    led.told = Some((from, port));
                }
            }
            Fact::SessionToldByImport { session, .. } => {
                if let Some(led) = self.of(&session).filter(|led| led.told.is_none()) {
                    led.told = Some((None, None));
                }
            }
            Fact::TestAsked { target, username, .. } => self.led.push(led(None, true, target, username, at)),
            Fact::TestEnded { target, username, outcome, .. } => {
                if let Some(led) = self.led.iter_mut().rev().find(|led| led.session.is_none() && led.certificate.is_none() && led.ended.is_none() && led.target == target && led.username == username) {
                    led.ended = Some(at);
                }
                // The certificate of a test ends with it.
                for led in self.led.iter_mut().filter(|led| led.session.is_none() && led.certificate.is_some() && led.ended.is_none() && led.target == target) {
                    led.ended = Some(at);
                }
                if let Dialled::Connected { local, peer, .. } = outcome {
                    self.gateways.extend(local.map(|local| local.ip().to_canonical()));
                    self.seen.note(&target, peer, at);
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, session: &SessionId) -> Option<&mut Led> {
        self.led.iter_mut().rev().find(|led| led.session.as_ref() == Some(session))
    }

    fn end(&mut self, session: &SessionId, at: Timestamp) {
        if let Some(led) = self.of(session) {
            led.ended = Some(at);
        }
    }

    /// Forgets what ended long ago.
    fn prune(&mut self, now: Timestamp) {
        self.led.retain(|led| match led.ended {
            Some(ended) => now < ended.plus(KEPT),
            None => now < led.began.plus(BACK),
        });
        self.seen.prune(now);
    }
}


fn led(session: Option<SessionId>, own: bool, target: TargetId, username: String, at: Timestamp) -> Led {
    Led { session, own, target, username, local: None, certificate: None, began: at, connected: None, ended: None, told: None, explained: BTreeMap::new() }
}

impl Own {
    /// Whether a session stands on a target.
    pub(super) fn stands_on(&self, target: &TargetId) -> bool {
        self.led.iter().any(|led| led.session.is_some() && !led.own && led.connected.is_some() && led.ended.is_none() && led.target == *target)
    }
}

impl Store {
    /// What the log tells of a time that is over, for a file that is read in.
    pub(super) async fn own_between(&self, from: Timestamp, until: Timestamp) -> Result<Own, Fault> {
        let (mut own, mut after) = (Own { started: true, ..Own::default() }, -1);
        loop {
            let text = sqlx::AssertSqlSafe(format!("SELECT seq, body FROM log WHERE at >= $1 AND at <= $2 AND seq > $3 AND kind IN ({KINDS}) ORDER BY seq LIMIT $4"));
            // Longer before: a session of days is one of them.
            let rows = sqlx::query(text).bind(from.minus(BACK).0).bind(until.plus(KEPT).0).bind(after).bind(ROWS).fetch_all(self.read()).await?;
            let Some(last) = rows.last() else { return Ok(own) };
            after = last.try_get("seq")?;
            for row in &rows {
                own.take(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?);
            }
        }
    }

    /// Reads what the log tells since the last time.
    pub(super) async fn follow_own(&self, own: &mut Own) -> Result<(), Fault> {
        let now = self.now();
        if !own.started {
            let row = sqlx::query("SELECT MIN(seq) AS seq FROM log WHERE at >= $1").bind(now.minus(BACK).0).fetch_one(self.read()).await?;
            own.next = u64::try_from(row.try_get::<Option<i64>, _>("seq")?.unwrap_or(0)).unwrap_or(0);
            own.seen = self.addresses_before(own.next, now).await?;
            own.started = true;
        }
        loop {
            let size = self.inner.log.size();
            if own.next >= size {
                break;
            }
            let text = sqlx::AssertSqlSafe(format!("SELECT body FROM log WHERE seq >= $1 AND seq < $2 AND kind IN ({KINDS}) ORDER BY seq LIMIT $3"));
            let rows = sqlx::query(text).bind(as_i64(own.next)).bind(as_i64(size)).bind(ROWS).fetch_all(self.read()).await?;
            let whole = rows.len() < usize::try_from(ROWS).unwrap_or(usize::MAX);
            for row in &rows {
                own.take(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?);
            }
            if whole {
                own.next = size;
                break;
            }
        }
        own.prune(now);
        self.inner.gathering.put_seen(&own.seen);
        Ok(())
    }

    /// The addresses of targets that the log tells of before an entry, as far back as they count.
    async fn addresses_before(&self, next: u64, now: Timestamp) -> Result<Seen, Fault> {
        let (mut seen, mut sessions, mut after) = (Seen::default(), BTreeMap::new(), -1);
        loop {
            let text = "SELECT seq, body FROM log WHERE at >= $1 AND seq > $2 AND seq < $3 AND kind IN ('entered', 'robot_entered', 'dialled', 'test_ended') ORDER BY seq LIMIT $4";
            let rows = sqlx::query(text).bind(now.minus(ADDRESS_KEPT).0).bind(after).bind(as_i64(next)).bind(ROWS).fetch_all(self.read()).await?;
            let Some(last) = rows.last() else { return Ok(seen) };
            after = last.try_get("seq")?;
            for row in &rows {
                let entry: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
                match entry.fact {
                    Fact::Entered { session, target, .. } | Fact::RobotEntered { session, target, .. } => drop(sessions.insert(session, target)),
                    // A session is dialled once; what is remembered of it is done with.
                    Fact::Dialled { session, outcome } => {
                        if let (Some(target), Dialled::Connected { peer, .. }) = (sessions.remove(&session), outcome) {
                            seen.note(&target, peer, entry.at);
                        }
                    }
                    Fact::TestEnded { target, outcome: Dialled::Connected { peer, .. }, .. } => seen.note(&target, peer, entry.at),
                    _ => {}
                }
            }
        }
    }
}
