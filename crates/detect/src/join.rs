//! A login of a target held against what Sekisho led, and against the rules.
//!
//! The exact join is by certificate: serial number and key id are those of one session, signed by our authority. Next comes
//! the connection itself, address and port of our own side. A device that writes no port is joined by account and time, which
//! is the weakest, and the answer says which it was.

use crate::login::{Kind, TargetLogin, Way};
use sekisho_core::around::{AroundRule, LoginAllow};
use sekisho_core::ids::{SessionId, TargetId};
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How far a target's word may lie outside the times of a session and still be of it: the way of a line through queues.
const SLACK: Duration = Duration::from_secs(120);
/// The same for connections of Sekisho itself, which are known by their time alone.
const OWN_SLACK: Duration = Duration::from_secs(20);
/// A test of the connection takes no longer; one whose end stands nowhere ended with the program.
const TEST: Duration = Duration::from_secs(300);
/// How long a login waits for the log's own entry of the connection that it belongs to.
pub const GRACE: Duration = Duration::from_secs(10);
/// A session that a target's log did not tell of after this long is a case (R4).
pub const UNTOLD: Duration = Duration::from_secs(120);

/// A login on a target that Sekisho made: for a worker's session, for itself, or as a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The session; `None` for a test of the connection.
    pub session: Option<SessionId>,
    /// One of Sekisho itself, which may dial more than once: an exchange of a credential, a test.
    pub own: bool,
    /// Where.
    pub target: TargetId,
    /// As whom.
    pub username: String,
    /// Our side of the connection, once it stood.
    pub local: Option<SocketAddr>,
    /// Serial number, key id and authority of the certificate, if one was made for it.
    pub certificate: Option<(u64, String, String)>,
    /// When it began.
    pub began: Timestamp,
    /// When the target had let it in.
    pub connected: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The place from which a login was joined to it by certificate.
    pub told: Option<(Option<IpAddr>, Option<u16>)>,
    /// How many lines without a port were explained by it, by the way of telling.
    pub explained: BTreeMap<String, u8>,
}

/// The way in which a target tells of a login. One program of it tells of one login once.
fn telling(login: &TargetLogin) -> String {
    format!("{}/{}", login.way.as_str(), login.method)
}

impl Led {
    /// Whether a login at this moment can be of it: a target tells of a login at its beginning, and never after the end.
    fn lives(&self, moment: Timestamp, off: Duration) -> bool {
        self.began.minus(SLACK + off) <= moment && self.ended.is_none_or(|ended| moment <= ended.plus(OWN_SLACK + off))
    }

    /// The same of a line that was perhaps held up on its way: by our clock, or by the device's own.
    fn lived(&self, login: &TargetLogin, scene: &Scene<'_>) -> bool {
        self.lives(scene.received, scene.off) || self.began <= scene.received && login.at.is_some_and(|at| self.lives(at, scene.off))
    }

    /// Whether a further line of the same connection may still tell of the login that began this session: other programs of
    /// the target tell of it too, and a sensor of the connection's whole life.
    fn is_fresh(&self, login: &TargetLogin, scene: &Scene<'_>) -> bool {
        let early = |moment: Timestamp| self.connected.is_some_and(|connected| moment <= connected.plus(SLACK + scene.off));
        self.told.is_none() || login.way == Way::Wire || early(scene.received) || login.at.is_some_and(early)
    }

    /// Whether it began just then.
    fn begins(&self, scene: &Scene<'_>) -> bool {
        let (received, slack) = (scene.received, SLACK + scene.off);
        self.connected.is_some_and(|connected| connected.minus(slack) <= received && received <= connected.plus(slack)) && self.lives(received, scene.off)
    }

    /// Whether one more line that bears no port is explained by it. Windows writes two for one desktop: a person with the
    /// rights of an administrator gets two tokens.
    fn has_room(&self, login: &TargetLogin) -> bool {
        let most = if login.way == Way::Desktop { 2 } else { 1 };
        self.explained.get(&telling(login)).is_none_or(|count| *count < most)
    }

    /// Notes that it explains this login; what it explains is used up.
    pub fn explains(&mut self, login: &TargetLogin, by: By) {
        if by == By::Time && !self.own {
            let count = self.explained.entry(telling(login)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Whether it is one of Sekisho itself that was being made at this moment.
    fn is_own_at(&self, scene: &Scene<'_>) -> bool {
        let (moment, slack) = (scene.received, OWN_SLACK + scene.off);
        let end = self.ended.or_else(|| self.session.is_none().then(|| self.began.plus(TEST)));
        self.own && self.began.minus(slack) <= moment && end.is_none_or(|end| moment <= end.plus(slack))
    }

    /// How far a moment lies outside its times.
    fn distance(&self, moment: Timestamp) -> Duration {
        let after = self.ended.map_or(Duration::ZERO, |ended| ended.until(moment));
        moment.until(self.began).max(after)
    }
}

/// What a login is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The target that it is on.
    pub target: &'a TargetId,
    /// Names of the accounts there whose credentials are kept here.
    pub kept: &'a BTreeSet<String>,
    /// Which accounts are kept cannot be told, because somebody damaged a row: then every one is.
    pub all_kept: bool,
    /// The target's own addresses, as the ledger has them.
    pub hosts: &'a BTreeSet<IpAddr>,
    /// By how much the target's clock may be off, beyond what lines take on their way: of imported records.
    pub off: Duration,
    /// The addresses from which the gateway was seen to dial.
    pub gateways: &'a BTreeSet<IpAddr>,
    /// The networks that the gateway dials from, as the configuration says.
    pub networks: &'a [Network],
    /// SHA-256 fingerprints of our own SSH authority.
    pub authorities: &'a BTreeSet<String>,
    /// The logins that Sekisho made, on all targets, the oldest first.
    pub led: &'a [Led],
    /// The logins that may go round.
    pub allows: &'a [LoginAllow],
    /// Somebody works on site with the hospital's leave.
    pub on_site: bool,
    /// When the line was received.
    pub received: Timestamp,
    /// The present moment.
    pub now: Timestamp,
}

/// By what a login was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Key id and serial number of the certificate.
    Certificate,
    /// Address and port of the connection.
    Connection,
    /// Address, account and time; the device writes no port.
    Time,
}

/// What a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One that Sekisho made: the place of it in [`Scene::led`].
    Joined(usize, By),
    /// One that may go round, and by which of [`Scene::allows`].
    Allowed(usize),
    /// One that no session explains, and the nearest of the target.
    Hit(AroundRule, Option<usize>),
    /// An attempt that failed, which is a case if there are many.
    Attempt(AroundRule),
    /// Nothing to ask about.
    Nothing,
    /// Ask again: the entry that explains it may be on its way.
    Wait,
}

/// Judges a login.
#[must_use]
pub fn judge(login: &TargetLogin, scene: &Scene<'_>) -> Verdict {
    match login.kind {
        Kind::Opened => opened(login, scene),
        Kind::Failed => failed(login, scene),
        Kind::Raised => raised(login, scene),
        Kind::Closed => Verdict::Nothing,
    }
}

impl Scene<'_> {
    fn is_gateway(&self, from: IpAddr) -> bool {
        self.gateways.contains(&from) || self.networks.iter().any(|network| network.contains(from))
    }

    fn is_kept(&self, account: &str) -> bool {
        self.all_kept && !account.is_empty() || self.kept.iter().any(|kept| same_account(kept, account))
    }

    fn here(&self) -> impl DoubleEndedIterator<Item = (usize, &Led)> {
        self.led.iter().enumerate().filter(|(_, led)| &led.target == self.target)
    }

    fn nearest(&self) -> Option<usize> {
        self.here().filter(|(_, led)| led.session.is_some()).min_by_key(|(_, led)| led.distance(self.received)).map(|(at, _)| at)
    }

    fn hit(&self, rule: AroundRule) -> Verdict {
        Verdict::Hit(rule, self.nearest())
    }

    /// The same, once the entry that explains it must have come.
    fn hit_late(&self, rule: AroundRule) -> Verdict {
        if self.now < self.received.plus(GRACE) { Verdict::Wait } else { self.hit(rule) }
    }

    fn allowed(&self, login: &TargetLogin) -> Option<usize> {
        let kept = self.is_kept(&login.account);
        // On other systems a name with a domain is another name.
        let account = if is_of_windows(login) { plain(&login.account) } else { &login.account };
        let from = login.from?;
        self.allows.iter().position(|allow| allow.lets(self.target, from, account, kept, self.now))
    }

    /// Whether somebody sits in front of the machine: Windows writes the machine's own address for them.
    fn is_at_console(&self, login: &TargetLogin) -> bool {
        login.way == Way::Console && login.from.is_none_or(|from| from.is_loopback() || from.is_unspecified() || self.hosts.contains(&from))
    }
}

/// An account without the domain that Windows writes round it.
fn plain(account: &str) -> &str {
    let account = account.rsplit_once('\\').map_or(account, |(_, name)| name);
    account.split_once('@').map_or(account, |(name, _)| name)
}

/// Whether its account may bear a domain that is no part of its name.
fn is_of_windows(login: &TargetLogin) -> bool {
    matches!(login.way, Way::Desktop | Way::Network | Way::Console)
}

fn same_account(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || plain(a).eq_ignore_ascii_case(plain(b))
}

fn opened(login: &TargetLogin, scene: &Scene<'_>) -> Verdict {
    if let Some(verdict) = by_certificate(login, scene) {
        return verdict;
    }
    let same_place = |led: &Led| is_of(led, login);
    // The newest first: a port comes round again.
    if let Some((at, led)) = scene.here().rev().find(|(_, led)| same_place(led) && led.lived(login, scene) && led.is_fresh(login, scene)) {
        return account_of(at, led, login, By::Connection);
    }
    let Some(from) = login.from.filter(|_| !scene.is_at_console(login)) else { return at_console(login, scene) };
    if scene.is_gateway(from) {
        if let Some((at, _)) = scene.here().rev().find(|(_, led)| led.is_own_at(scene) && (login.account.is_empty() || same_account(&led.username, &login.account))) {
            return Verdict::Joined(at, By::Time);
        }
        if login.port.is_none() {
            // A session explains one login, and that at its beginning. Who comes later comes beside it.
            let then: Vec<_> = scene.here().rev().filter(|(_, led)| led.begins(scene)).collect();
            let same: Vec<_> = then.iter().filter(|(_, led)| login.account.is_empty() || same_account(&led.username, &login.account)).collect();
            if let Some((at, _)) = same.iter().find(|(_, led)| led.has_room(login)) {
                return Verdict::Joined(*at, By::Time);
            }
            if let Some((at, _)) = then.first().filter(|_| same.is_empty()) {
                return Verdict::Hit(AroundRule::OtherAccount, Some(*at));
            }
        }
        return scene.hit_late(AroundRule::NoSession);
    }
    if let Some(allow) = scene.allowed(login) {
        return Verdict::Allowed(allow);
    }
    if scene.is_kept(&login.account) {
        // Its connection may stand in the log a moment later, under an address that the target sees and we do not.
        return scene.hit_late(AroundRule::KeptAccount);
    }
    match login.way {
        // One that is not in front of the machine and says so took its screen over the network.
        Way::Shell | Way::Desktop | Way::Admin | Way::Wire | Way::Console => scene.hit_late(AroundRule::Elsewhere),
        // Programs of the hospital come by these all day; who comes as whom the lists of those programs tell.
        Way::Network | Way::Database | Way::Within => Verdict::Nothing,
    }
}

/// Judges a login with a certificate of our own authority. `None` for every other login.
fn by_certificate(login: &TargetLogin, scene: &Scene<'_>) -> Option<Verdict> {
    let shown = login.certificate.as_ref().filter(|shown| scene.authorities.contains(&shown.authority))?;
    let of_this = |led: &&Led| led.certificate.as_ref().is_some_and(|(serial, key_id, authority)| *serial == shown.serial && *key_id == shown.key_id && *authority == shown.authority);
    let Some((at, led)) = scene.led.iter().enumerate().find(|(_, led)| of_this(led)) else {
        return Some(scene.hit_late(AroundRule::KeptAccount));
    };
    let place = (login.from, login.port);
    // One certificate, one login, on one target, from the gateway: whoever uses it otherwise has stolen it.
    let stolen = &led.target != scene.target
        || !led.lived(login, scene)
        || led.told.is_some_and(|told| told.1.is_some() && told != place)
        || login.from.is_some_and(|from| !scene.is_gateway(from) && led.local.is_some_and(|local| local.ip().to_canonical() != from));
    if stolen {
        return Some(Verdict::Hit(AroundRule::KeptAccount, Some(at)));
    }
    // Nobody saw it leave from anywhere: then it must come from where the gateway dials.
    if led.local.is_none() && !login.from.is_some_and(|from| scene.is_gateway(from)) {
        return Some(scene.hit_late(AroundRule::KeptAccount));
    }
    Some(account_of(at, led, login, By::Certificate))
}

/// Whether it came by the very connection of this session.
fn is_of(led: &Led, login: &TargetLogin) -> bool {
    let place = login.from.zip(login.port).map(|(from, port)| SocketAddr::new(from, port));
    led.local.is_some_and(|local| place == Some(SocketAddr::new(local.ip().to_canonical(), local.port())))
}

fn account_of(at: usize, led: &Led, login: &TargetLogin, by: By) -> Verdict {
    if login.account.is_empty() || same_account(&led.username, &login.account) { Verdict::Joined(at, by) } else { Verdict::Hit(AroundRule::OtherAccount, Some(at)) }
}

fn at_console(login: &TargetLogin, scene: &Scene<'_>) -> Verdict {
    match login.way {
        Way::Console if scene.is_kept(&login.account) && !scene.on_site => scene.hit(AroundRule::AtConsole),
        // A line without a place that tells of a kept account is not explained by anything either.
        Way::Shell | Way::Desktop | Way::Admin if scene.is_kept(&login.account) => {
            let then = scene.here().rev().find(|(_, led)| led.begins(scene) && led.has_room(login) && same_account(&led.username, &login.account));
            then.map_or_else(|| scene.hit_late(AroundRule::KeptAccount), |(at, _)| Verdict::Joined(at, By::Time))
        }
        _ => Verdict::Nothing,
    }
}

fn failed(login: &TargetLogin, scene: &Scene<'_>) -> Verdict {
    let Some(from) = login.from else {
        // Tries whose place nobody can tell are tries all the same.
        let remote = matches!(login.way, Way::Shell | Way::Desktop | Way::Admin);
        return if remote { Verdict::Attempt(AroundRule::Elsewhere) } else { Verdict::Nothing };
    };
    if scene.is_gateway(from) {
        // A session whose credential the target refused tells of itself; what else is tried from there is somebody's guess.
        let ours = |led: &Led| {
            let beginning = led.began.minus(OWN_SLACK) <= scene.received && scene.received <= led.connected.unwrap_or(led.began).plus(OWN_SLACK);
            let known = login.account.is_empty() || same_account(&led.username, &login.account);
            is_of(led, login) && led.lived(login, scene) || known && (led.is_own_at(scene) || beginning && (led.local.is_none() || login.port.is_none()))
        };
        return if scene.here().any(|(_, led)| ours(led)) { Verdict::Nothing } else { Verdict::Attempt(AroundRule::NoSession) };
    }
    if let Some(allow) = scene.allowed(login) {
        return Verdict::Allowed(allow);
    }
    Verdict::Attempt(if scene.is_kept(&login.account) { AroundRule::KeptAccount } else { AroundRule::Elsewhere })
}

/// Somebody took the rights of a kept account from within. Root is left out: administrators of the hospital do it daily.
fn raised(login: &TargetLogin, scene: &Scene<'_>) -> Verdict {
    let everyday = |account: &str| ["root", "administrator"].iter().any(|name| plain(account).eq_ignore_ascii_case(name));
    let grave = |account: &str| scene.is_kept(account) && !everyday(account) && !same_account(&login.by, account);
    // Within a session its own account does, and root after it.
    let inside = scene.here().any(|(_, led)| led.connected.is_some() && led.lived(login, scene) && (same_account(&led.username, &login.by) || plain(&login.by) == "root"));
    let any = std::iter::once(&login.account).chain(&login.others).any(|account| grave(account));
    if any && !inside { scene.hit_late(AroundRule::KeptAccount) } else { Verdict::Nothing }
}

/// Whether a session that a target let in should stand in its log and does not (R4).
#[must_use]
pub fn is_untold(led: &Led, told_since: Timestamp, now: Timestamp) -> bool {
    led.session.is_some() && !led.own && led.told.is_none() && led.connected.is_some_and(|connected| told_since <= connected && connected.plus(UNTOLD) <= now)
}

/// Times its usual pause after which a source counts as silent (R5).
const SILENT_TIMES: u32 = 20;
/// The least time for that; a machine at rest writes a line every hour or so.
const SILENT_LEAST: Duration = Duration::from_secs(15 * 60);
/// The most.
const SILENT_MOST: Duration = Duration::from_secs(24 * 3600);
/// The most for a source that tells of every login: whoever makes it speak ever more rarely earns no silence by that.
const SILENT_MOST_TELLING: Duration = Duration::from_secs(3600);

/// How long a source may say nothing: what the operator said, or some times its usual pause.
#[must_use]
pub fn silence(minutes: Option<u32>, usual: Duration, tells_logins: bool) -> Duration {
    let most = if tells_logins { SILENT_MOST_TELLING } else { SILENT_MOST };
    match minutes {
        Some(minutes) => Duration::from_secs(u64::from(minutes) * 60),
        None => (usual * SILENT_TIMES).clamp(SILENT_LEAST, most),
    }
}

/// How long the connection of a source may be missing while a session stands on its target.
pub const UNLINKED: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "join_test.rs"]
mod tests;
