//! Lines become logins, logins are held against the sessions, and what no session explains becomes a case.

use super::cases::{Found, one};
use super::led::{KnownFrom, Own};
use super::segments::RawLine;
use super::sources::Known;
use crate::Store;
use crate::fault::Fault;
use crate::ledger::LEDGER_ROWS;
use sekisho_core::around::{AroundRule, Case, CaseKey, CaseLine, LineRef, LogSource, LoginAllow, Weight};
use sekisho_core::facts::Fact;
use sekisho_core::ids::TargetId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::target::{Account, Target};
use sekisho_core::time::Timestamp;
use sekisho_detect::join::{self, By, GRACE, Scene, Verdict};
use sekisho_detect::login::{Kind, TargetLogin, Way, is_direction};
use sekisho_detect::read;
use sqlx::Row;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Attempts of one kind are counted over this time.
const ATTEMPTS_SPAN: Duration = Duration::from_secs(600);
/// Kinds of attempts that are counted at once.
const ATTEMPT_KINDS: usize = 10_000;

/// A line that tells of something.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub at: LineRef,
    pub line: RawLine,
    /// The login, if it tells of one that its source may tell of.
    login: Option<TargetLogin>,
    /// The name of another host that it was written in.
    forged: Option<String>,
    /// Seconds between the device's clock and ours.
    pub skew: Option<i64>,
}

impl Told {
    pub fn says_something(&self) -> bool {
        self.login.is_some() || self.forged.is_some()
    }
}

/// Reads a line. `None` if it tells of no login, bears no foreign name and no time.
pub(super) fn tell(known: &Known, at: LineRef, line: &RawLine) -> Option<Told> {
    let source = known.all.get(&line.source)?;
    let reading = read::read(&line.bytes, line.received, source.zone_minutes);
    let skew = reading.at.map(|at| (at.0 - line.received.0) / 1000);
    // A line in another's name is kept and asked about; what it says is not believed.
    let forged = (!source.is_called(&reading.host)).then(|| reading.host.chars().take(64).collect());
    let login = reading.login.filter(|_| forged.is_none());
    // The whole is on the disk; what waits in memory holds what a case shows, and one byte that says whether there is more.
    let bytes = line.bytes.get(..=limits::CASE_LINE_BYTES).unwrap_or(&line.bytes).to_vec();
    let told = Told { at, line: RawLine { bytes, source: line.source.clone(), received: line.received }, login, forged, skew };
    (told.says_something() || told.skew.is_some()).then_some(told)
}

/// A line as it is shown: what is no text, or steers a terminal, is made visible. And whether it was cut.
pub(super) fn shown(bytes: &[u8]) -> (String, bool) {
    let cut = bytes.len() > limits::CASE_LINE_BYTES;
    let text = String::from_utf8_lossy(bytes.get(..limits::CASE_LINE_BYTES).unwrap_or(bytes));
    let text = text.trim_end_matches(['\n', '\r', '\0']).chars().map(|letter| if letter.is_control() || is_direction(letter) { '\u{fffd}' } else { letter }).collect();
    (text, cut)
}

/// What the task knows.
#[derive(Default)]
pub(super) struct Desk {
    pub waiting: Vec<Told>,
    pub own: Own,
    /// By kind: how many, since when.
    pub attempts: HashMap<CaseKey, (u64, Timestamp)>,
    /// What the last round was judged by, and when and at which place of the log it was read.
    round: Option<(u64, Timestamp, Arc<Round>)>,
}

/// Between two readings of what is judged by, while the log tells of no change.
const FRESH: Duration = Duration::from_secs(10);

/// One target, as far as judging needs it.
pub(super) struct Ground {
    pub target: Target,
    pub kept: BTreeSet<String>,
    /// A row of its accounts does not hold: which are kept cannot be told.
    pub all_kept: bool,
    /// Its addresses: the registered ones, and those that it had when it was dialled.
    pub hosts: BTreeSet<IpAddr>,
}

/// What one round is judged by.
pub(super) struct Round {
    pub grounds: HashMap<TargetId, Ground>,
    by_address: HashMap<IpAddr, TargetId>,
    pub allows: Vec<LoginAllow>,
}

/// A session that a target's log told of in this round.
struct Joined {
    led: usize,
    by: By,
    skew: Option<i64>,
    from: Option<IpAddr>,
    port: Option<u16>,
    source: LogSource,
}

impl Store {
    pub(super) async fn round(&self) -> Result<Round, Fault> {
        let since = self.since();
        let (mut grounds, mut places) = (HashMap::new(), Vec::new());
        let seen = self.inner.gathering.seen();
        let rows = sqlx::query("SELECT body, seal FROM targets ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        for target in rows.iter().filter_map(|row| self.held::<Target>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: logins on a target cannot be judged")).ok()) {
            let known = seen.of(&target);
            // Who sits in front of a machine is believed by what the ledger says: an address that answered may be that of a relay.
            let hosts = known.iter().filter(|(_, from)| matches!(from, KnownFrom::Registered)).map(|(address, _)| *address).collect();
            places.extend(known.into_iter().map(|(address, from)| ((target.active, from), address, target.id.clone())));
            grounds.insert(target.id.clone(), Ground { target, kept: BTreeSet::new(), all_kept: false, hosts });
        }
        // Of two targets that had one address it is the one's that is in service, whose register says so, that had it last.
        places.sort();
        let by_address = places.into_iter().map(|(_, address, target)| (address, target)).collect();
        let rows = sqlx::query("SELECT target, body, seal FROM accounts ORDER BY id LIMIT $1").bind(LEDGER_ROWS * 8).fetch_all(self.read()).await?;
        for row in &rows {
            match self.held::<Account>(row, since) {
                Ok(account) => {
                    if let Some(ground) = grounds.get_mut(&account.target) {
                        ground.kept.insert(account.username);
                    }
                }
                // Whoever damages the row of one account takes no account out of the rules by it.
                Err(fault) => {
                    tracing::error!(%fault, "ALARM: which accounts of a target are kept cannot be told");
                    let target = row.try_get::<&str, _>("target").ok().and_then(TargetId::parse);
                    match target.and_then(|target| grounds.get_mut(&target)) {
                        Some(ground) => ground.all_kept = true,
                        None => grounds.values_mut().for_each(|ground| ground.all_kept = true),
                    }
                }
            }
        }
        Ok(Round { grounds, by_address, allows: self.allows_held().await? })
    }

    /// What is judged by; read again when the log tells of anything, and from time to time.
    async fn round_now(&self, desk: &mut Desk, now: Timestamp) -> Result<Arc<Round>, Fault> {
        if let Some((next, at, round)) = &desk.round
            && *next == desk.own.next
            && now < at.plus(FRESH)
        {
            return Ok(Arc::clone(round));
        }
        let round = Arc::new(self.round().await?);
        desk.round = Some((desk.own.next, now, Arc::clone(&round)));
        Ok(round)
    }

    /// Judges what waits; all lines up to `end` are on the disk. Nothing of it is forgotten if that cannot be written down. Gives
    /// up to where everything was judged and is written, if that is known.
    pub(super) async fn judge_waiting(&self, desk: &mut Desk, slow: bool, end: Option<&LineRef>) -> Result<Option<LineRef>, Fault> {
        self.follow_own(&mut desk.own).await?;
        let (now, known) = (self.now(), self.inner.gathering.known());
        let round = self.round_now(desk, now).await?;
        // The oldest among too many wait no longer; the others do.
        let early = desk.waiting.len().saturating_sub(limits::LOG_PENDING);
        let (mut joined, mut found, mut still) = (Vec::new(), Vec::new(), Vec::new());
        let mut attempts = desk.attempts.clone();
        // What one line of this round used up of a session is used up for the next one.
        let mut led = desk.own.led.clone();
        for (place, told) in desk.waiting.iter().enumerate() {
            let Some(source) = self.source_known(&told.line.source) else { continue };
            if let Some(name) = &told.forged {
                found.push(forged(told, &source, name)?);
                continue;
            }
            let Some(login) = &told.login else { continue };
            let Some(ground) = ground(&round, &source, login) else { continue };
            let scene = Scene {
                target: &ground.target.id,
                kept: &ground.kept,
                all_kept: ground.all_kept,
                hosts: &ground.hosts,
                off: Duration::ZERO,
                gateways: &desk.own.gateways,
                networks: &self.inner.settings.ssh_sources,
                authorities: &desk.own.authorities,
                led: &led,
                allows: &round.allows,
                on_site: false,
                received: told.line.received,
                now: if place < early { now.plus(GRACE) } else { now },
            };
            match join::judge(login, &scene) {
                Verdict::Wait => still.push(place),
                Verdict::Joined(at, by) => {
                    let Some(one) = led.get_mut(at) else { continue };
                    one.explains(login, by);
                    if one.told.is_none() && one.session.is_some() && !one.own && tells_for(&known, &source, &ground.target.id) {
                        one.told = Some((login.from, login.port));
                        joined.push(Joined { led: at, by, skew: told.skew, from: login.from, port: login.port, source });
                    }
                }
                Verdict::Hit(rule, near) => {
                    let near = near.and_then(|at| desk.own.led.get(at)).and_then(|led| led.session.clone());
                    found.push(Found { case: case_of(rule, ground, told, login, &source, near, rule.weight())?, success: true });
                }
                Verdict::Attempt(rule) => {
                    let mut case = case_of(rule, ground, told, login, &source, None, Weight::Notice)?;
                    // Attempts and the login that follows them are one matter, whoever's name was tried.
                    if let Some(count) = counted(&mut attempts, &case.key, now) {
                        (case.logins, case.attempts) = (0, count);
                        found.push(Found { case, success: false });
                    }
                }
                Verdict::Allowed(at) => self.note_allowed(round.allows.get(at), told.line.received),
                Verdict::Nothing => {}
            }
        }
        if slow {
            self.untold(desk, &round, &joined, now, &mut found)?;
            self.silent(&round, &desk.own, now, &mut found).await?;
        }
        let mut board = self.inner.gathering.board().await;
        let before = (!found.is_empty()).then(|| board.open.clone());
        for one in found {
            board.put(one, now);
        }
        let due = board.due(now);
        // Up to the first that still waits, all were judged.
        let done = match still.iter().filter_map(|place| desk.waiting.get(*place)).map(|told| &told.at).min() {
            Some(first) => before_line(first),
            None => end.cloned(),
        };
        if !joined.is_empty() || !due.is_empty() {
            let written = async {
                let mut tx = self.write(&Actor::system()).await?;
                for one in &joined {
                    let Some(session) = desk.own.led.get(one.led).and_then(|led| led.session.clone()) else { continue };
                    let by = match one.by {
                        By::Certificate => "certificate",
                        By::Connection => "connection",
                        By::Time => "time",
                    };
                    let unauthenticated = one.source.way.is_unauthenticated();
                    tx.fact(Fact::SessionTold { session, by: by.to_owned(), source: one.source.id.clone(), from: one.from, port: one.port, unauthenticated, clock_seconds: one.skew });
                }
                self.write_cases(&mut tx, &board, &due).await?;
                if let Some(done) = done.as_ref().filter(|_| !due.is_empty()) {
                    self.put_judged(&mut tx, done).await?;
                }
                tx.commit().await
            };
            if let Err(fault) = written.await {
                // The lines wait on, and will be found again: what they opened and added is taken back.
                if let Some(before) = before {
                    board.open = before;
                }
                return Err(fault);
            }
            Self::cases_written(&mut board, &due, now);
        }
        let written = board.is_written();
        drop(board);
        desk.own.led = led;
        desk.attempts = attempts;
        let mut place = 0;
        desk.waiting.retain(|_| {
            place += 1;
            still.binary_search(&(place - 1)).is_ok()
        });
        Ok(done.filter(|_| written))
    }

    /// R4: sessions that stand, of which the target's own log says nothing.
    fn untold(&self, desk: &Desk, round: &Round, joined: &[Joined], now: Timestamp, found: &mut Vec<Found>) -> Result<(), Fault> {
        let known = self.inner.gathering.known();
        for (at, led) in desk.own.led.iter().enumerate() {
            let source = known.all.values().find(|source| source.active && source.tells_logins && source.target.as_ref() == Some(&led.target));
            let Some(source) = source.filter(|_| !joined.iter().any(|one| one.led == at)) else { continue };
            // A source that never said a word was registered and not yet set up; that is R5.
            let Some(heard) = self.inner.gathering.heard(&source.id) else { continue };
            let since = source.since.max(heard.first);
            if !join::is_untold(led, since, now) || led.session.as_ref().is_some_and(|session| desk.own.untold.contains(session)) {
                continue;
            }
            let Some(ground) = round.grounds.get(&led.target) else { continue };
            found.push(Found { case: bare(untold_key(led), &ground.target.name, led.connected.unwrap_or(now), Some(source), led.session.clone(), one(&led.username))?, success: true });
        }
        Ok(())
    }

    /// R5: sources that say nothing.
    async fn silent(&self, round: &Round, own: &Own, now: Timestamp, found: &mut Vec<Found>) -> Result<(), Fault> {
        for row in self.log_sources(&Actor::system()).await.map_err(|denied| Fault::Damaged(denied.to_string()))? {
            let source = row.source;
            let key = CaseKey { rule: AroundRule::Silent, target: source.target.clone(), source: Some(source.id.clone()), from: String::new(), session: None, import: None };
            // Once told, its silence is told again only after it has spoken.
            let told = own.silent.get(&source.id).is_some_and(|raised| row.last.unwrap_or(source.since) <= *raised);
            // Whoever works on a target and silences it first ends the connection by which it speaks.
            let watched = source.active && source.tells_logins && source.target.as_ref().is_some_and(|target| own.stands_on(target));
            if told || !(row.silent || watched && self.inner.gathering.is_unlinked(&source.id, now)) {
                continue;
            }
            let host = source.hosts.first().cloned().unwrap_or_default();
            let about = source.target.as_ref().and_then(|target| round.grounds.get(target)).map_or(host, |ground| ground.target.name.clone());
            let case = bare(key, &about, row.last.unwrap_or(source.since), Some(&source), None, BTreeSet::new())?;
            // The first act of whoever has root is to stop what tells of it.
            let weight = match (watched, source.tells_logins) {
                (true, _) => Weight::Critical,
                (false, true) => Weight::High,
                (false, false) => Weight::Notice,
            };
            found.push(Found { case: Case { weight, ..case }, success: true });
        }
        Ok(())
    }

    /// Counts a use of the list of logins that may go round, for whoever reviews it.
    pub(super) fn note_allowed(&self, allow: Option<&LoginAllow>, at: Timestamp) {
        let Some(allow) = allow else { return };
        let mut used = self.inner.gathering.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry(allow.id.clone()).or_insert((0, at));
        *count = (count.0 + 1, count.1.max(at));
    }
}

/// The place before a line.
fn before_line(at: &LineRef) -> Option<LineRef> {
    match (at.segment, at.line) {
        (segment, line) if line > 0 => Some(LineRef { segment, line: line - 1 }),
        (segment, _) if segment > 0 => Some(LineRef { segment: segment - 1, line: i64::MAX as u64 }),
        _ => None,
    }
}

/// Whether a source can answer that its target tells of a session: a sensor cannot, nor lines in clear beside a source that
/// proves itself. Whoever silences a target's own log is not covered by them.
fn tells_for(known: &Known, source: &LogSource, target: &TargetId) -> bool {
    let own = |source: &LogSource| source.active && source.tells_logins && source.target.as_ref() == Some(target);
    own(source) && (!source.way.is_unauthenticated() || !known.all.values().any(|other| own(other) && !other.way.is_unauthenticated()))
}

fn untold_key(led: &join::Led) -> CaseKey {
    CaseKey { rule: AroundRule::Untold, target: Some(led.target.clone()), source: None, from: String::new(), session: led.session.clone(), import: None }
}

/// The target that a login is on: that of its source, or for a sensor the one that has the address.
fn ground<'a>(round: &'a Round, source: &LogSource, login: &TargetLogin) -> Option<&'a Ground> {
    // Never by a name that is asked for now: whoever answers it would choose whose login it was.
    let target = match (&source.target, login.to) {
        (Some(target), _) => target,
        (None, Some(to)) => round.by_address.get(&to)?,
        (None, None) => return None,
    };
    round.grounds.get(target)
}

/// Counts an attempt; gives how many there are once they are a matter, and each further one.
pub(super) fn counted(attempts: &mut HashMap<CaseKey, (u64, Timestamp)>, key: &CaseKey, now: Timestamp) -> Option<u64> {
    if attempts.len() >= ATTEMPT_KINDS {
        attempts.retain(|_, (_, since)| now < since.plus(ATTEMPTS_SPAN));
        if attempts.len() >= ATTEMPT_KINDS {
            attempts.clear();
        }
    }
    let (count, since) = attempts.entry(key.clone()).or_insert((0, now));
    if now >= since.plus(ATTEMPTS_SPAN) {
        (*count, *since) = (0, now);
    }
    *count += 1;
    match (*count).cmp(&(limits::CASE_ATTEMPTS as u64)) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some(*count),
        std::cmp::Ordering::Greater => Some(1),
    }
}

pub(super) fn bare(key: CaseKey, about: &str, at: Timestamp, source: Option<&LogSource>, near: Option<sekisho_core::ids::SessionId>, accounts: BTreeSet<String>) -> Result<Case, Fault> {
    Ok(Case {
        id: Store::new_case_id()?,
        weight: key.rule.weight(),
        key,
        about: about.to_owned(),
        opened: at,
        first: at,
        last: at,
        logins: 0,
        attempts: 0,
        accounts,
        methods: BTreeSet::new(),
        way: String::new(),
        line: String::new(),
        line_cut: false,
        kept: None,
        source: source.map(|source| source.id.clone()),
        unauthenticated: source.is_some_and(|source| source.way.is_unauthenticated()),
        device_time: None,
        nearest: near,
        decided: None,
        latest: Vec::new(),
        imported: None,
    })
}

fn with_line(case: Case, told: &Told) -> Case {
    let (line, line_cut) = shown(&told.line.bytes);
    let device_time = told.skew.filter(|skew| skew.unsigned_abs() > limits::LOG_SKEW_SECONDS as u64).map(|skew| Timestamp(told.line.received.0.saturating_add(skew.saturating_mul(1000))));
    Case { line, line_cut, kept: Some(told.at.clone()), device_time, ..case }
}

fn case_of(rule: AroundRule, ground: &Ground, told: &Told, login: &TargetLogin, source: &LogSource, near: Option<sekisho_core::ids::SessionId>, weight: Weight) -> Result<Case, Fault> {
    // Of one session's connection with another account the session is what it is about; of all others, the place.
    let session = (rule == AroundRule::OtherAccount).then(|| near.clone()).flatten();
    let key = CaseKey { rule, target: Some(ground.target.id.clone()), source: None, from: login.from.map(|from| from.to_string()).unwrap_or_default(), session, import: None };
    let case = bare(key, &ground.target.name, told.line.received, Some(source), near, one(&login.account))?;
    let opened = login.kind != Kind::Failed;
    let way = if login.way == Way::Within { format!("{} ← {}", login.way.as_str(), login.by) } else { login.way.as_str().to_owned() };
    let case = with_line(Case { weight, logins: u64::from(opened), attempts: u64::from(!opened), methods: one(&login.method), way, ..case }, told);
    let latest = vec![line_of(&case, &login.account, opened)];
    Ok(Case { latest, ..case })
}

fn forged(told: &Told, source: &LogSource, name: &str) -> Result<Found, Fault> {
    let key = CaseKey { rule: AroundRule::ForgedName, target: source.target.clone(), source: Some(source.id.clone()), from: String::new(), session: None, import: None };
    let about = source.hosts.first().cloned().unwrap_or_default();
    let case = bare(key, &about, told.line.received, Some(source), None, one(name))?;
    let case = with_line(Case { logins: 1, ..case }, told);
    let latest = vec![line_of(&case, name, true)];
    Ok(Found { case: Case { latest, ..case }, success: true })
}

/// The one login of a case, as it stands among its newest.
pub(super) fn line_of(case: &Case, account: &str, success: bool) -> CaseLine {
    CaseLine { at: case.last, account: account.to_owned(), from: case.key.from.clone(), success, line: case.line.chars().take(limits::CASE_LINE_CHARS).collect(), kept: case.kept.clone() }
}
