//! Cases: opened by rules, grown by more of the same kind, decided on by people. And the list of logins that may go round.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::LEDGER_ROWS;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::alarm::Rule;
use sekisho_core::around::{AllowAsk, Case, CaseKey, Decided, Decision, LoginAllow, Weight};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{CaseId, LoginAllowId, TargetId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use std::collections::{BTreeSet, HashMap};
use sqlx::Row;
use std::time::Duration;

/// Open cases that are read at once.
const OPEN_ROWS: i64 = 20_000;
/// Cases that were decided on and are listed.
const DECIDED: i64 = 200;
/// Least time between two entries of the log that tell of one case's growth.
const GROWTH: Duration = Duration::from_secs(60);

/// What a rule found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub case: Case,
    /// One login that succeeded, or one attempt that failed.
    pub success: bool,
}

/// The open cases, and what has come into them since it was last written down.
#[derive(Default)]
pub(crate) struct Board {
    pub(super) open: HashMap<CaseKey, Open>,
    loaded: bool,
}

#[derive(Clone)]
pub(super) struct Open {
    pub case: Case,
    written: Timestamp,
    dirty: bool,
}

impl Board {
    /// Puts what was found into its case, and says which key it has there.
    pub(super) fn put(&mut self, found: Found, now: Timestamp) -> CaseKey {
        let mut key = found.case.key.clone();
        // A flood from everywhere is one case, and not thousands: on its target, where it takes no room of others, and apart from
        // what is critical, which has more.
        let critical = found.case.weight == Weight::Critical;
        // What a file tells takes no room of what happens, nor of what another file tells.
        let most = match (&key.import, critical) {
            (Some(_), _) => limits::CASES_IMPORTED,
            (None, true) => limits::CASES_OPEN_CRITICAL,
            (None, false) => limits::CASES_OPEN,
        };
        if !self.open.contains_key(&key) {
            let is_like = |open: &&Open| open.case.key.target == key.target && open.case.key.import == key.import && (open.case.weight == Weight::Critical) == critical;
            if self.open.values().filter(is_like).count() >= most {
                key.from = String::new();
                // Each session would be a case of its own; those of a file end here.
                if key.import.is_some() {
                    key.session = None;
                }
            }
        }
        let Some(open) = self.open.get_mut(&key) else {
            let case = Case { key: key.clone(), ..found.case };
            self.open.insert(key.clone(), Open { case, written: Timestamp(0), dirty: true });
            return key;
        };
        let case = &mut open.case;
        case.logins += found.case.logins;
        case.attempts += found.case.attempts;
        (case.first, case.last) = (case.first.min(found.case.first), case.last.max(found.case.last));
        case.latest.extend(found.case.latest);
        let many = case.latest.len().saturating_sub(limits::CASE_LINES);
        case.latest.drain(..many);
        for account in found.case.accounts {
            if case.accounts.len() < limits::CASE_ACCOUNTS {
                case.accounts.insert(account);
            }
        }
        for method in found.case.methods {
            if case.methods.len() < limits::CASE_ACCOUNTS {
                case.methods.insert(method);
            }
        }
        // Who came in after many tries is another matter than the tries.
        if found.success && case.weight < found.case.weight {
            case.weight = found.case.weight;
            case.line = found.case.line;
            (case.line_cut, case.kept, case.device_time, case.nearest) = (found.case.line_cut, found.case.kept, found.case.device_time, found.case.nearest);
            open.written = Timestamp(0);
        }
        open.dirty = true;
        let _ = now;
        key
    }

    /// The cases that are to be written down: all that grew, once one of them is due. Then what is judged and what is written are
    /// one, and a restart forgets nothing.
    pub(super) fn due(&self, now: Timestamp) -> Vec<CaseKey> {
        if self.open.values().any(|open| open.dirty && now >= open.written.plus(GROWTH)) { self.dirty() } else { Vec::new() }
    }

    fn dirty(&self) -> Vec<CaseKey> {
        self.open.iter().filter(|(_, open)| open.dirty).map(|(key, _)| key.clone()).collect()
    }

    /// Whether all of it is written down.
    pub(super) fn is_written(&self) -> bool {
        self.open.values().all(|open| !open.dirty)
    }
}

impl Store {
    /// Reads the open cases into memory, if they are not there yet.
    pub(super) async fn load_board(&self, board: &mut Board) -> Result<(), Fault> {
        if board.loaded {
            return Ok(());
        }
        for case in self.cases_undecided(OPEN_ROWS).await? {
            let written = case.last;
            board.open.insert(case.key.clone(), Open { case, written, dirty: false });
        }
        board.loaded = true;
        Ok(())
    }

    /// Cases that nobody decided on, by what their sealed bodies say: the column beside them decides nothing.
    async fn cases_undecided(&self, rows: i64) -> Result<Vec<Case>, Fault> {
        let text = "SELECT id, open, body, seal FROM cases WHERE open = 1 OR body LIKE '%\"decided\":null%' ORDER BY last_at DESC LIMIT $1";
        Ok(self.cases_held(text, rows).await?.into_iter().filter(|case| case.decided.is_none()).collect())
    }

    pub(super) async fn cases_of(&self, target: &TargetId) -> Result<Vec<Case>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM cases WHERE target = $1 ORDER BY last_at DESC LIMIT $2").bind(target.as_str().to_owned()).bind(OPEN_ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().filter_map(|row| self.held(row, since).ok()).collect())
    }

    async fn cases_held(&self, text: &'static str, rows: i64) -> Result<Vec<Case>, Fault> {
        let since = self.since();
        let rows = sqlx::query(text).bind(rows).fetch_all(self.read()).await?;
        // Who takes an undecided case off the list hides it from nobody, and is told of.
        for row in &rows {
            if let (Ok(0), Ok(case)) = (row.try_get::<i64, _>("open"), self.held::<Case>(row, since))
                && case.decided.is_none()
            {
                self.note_damaged("cases", case.id.as_str(), "changed");
            }
        }
        Ok(rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a case of a login round the gateway was changed by somebody else")).ok()).collect())
    }

    /// Writes down the cases that are due. Nothing of it is forgotten if that fails.
    pub(super) async fn write_cases(&self, tx: &mut Tx, board: &Board, due: &[CaseKey]) -> Result<(), Fault> {
        for open in due.iter().filter_map(|key| board.open.get(key)) {
            let case = &open.case;
            let known = sqlx::query("SELECT id FROM cases WHERE id = $1").bind(case.id.as_str().to_owned()).fetch_optional(tx.sql()).await?.is_some();
            let fact = if known {
                let newest = case.latest.last();
                Fact::CaseGrew {
                    case: case.id.clone(),
                    rule: case.key.rule,
                    weight: case.weight,
                    about: case.about.clone(),
                    logins: case.logins,
                    attempts: case.attempts,
                    account: newest.map(|line| line.account.clone()).unwrap_or_default(),
                    from: newest.map_or_else(|| case.key.from.clone(), |line| line.from.clone()),
                    import: case.imported.as_ref().map(|imported| imported.import.clone()),
                }
            } else {
                sqlx::query("INSERT INTO cases (id, open, last_at, target, body) VALUES ($1, 1, $2, $3, '')")
                    .bind(case.id.as_str().to_owned())
                    .bind(case.last.0)
                    .bind(case.key.target.as_ref().map(|target| target.as_str().to_owned()))
                    .execute(tx.sql())
                    .await?;
                Fact::CaseOpened {
                    case: case.id.clone(),
                    rule: case.key.rule,
                    weight: case.weight,
                    about: case.about.clone(),
                    target: case.key.target.clone(),
                    account: case.accounts.first().cloned().unwrap_or_default(),
                    from: case.key.from.clone(),
                    source: case.source.clone(),
                    near: case.key.session.clone().or_else(|| case.nearest.clone()),
                    line: if case.line.is_empty() { String::new() } else { Digest::of(case.line.as_bytes()).to_string() },
                    import: case.imported.as_ref().map(|imported| imported.import.clone()),
                }
            };
            self.save_case(tx, case, fact).await?;
        }
        Ok(())
    }

    /// Notes that they were.
    pub(super) fn cases_written(board: &mut Board, due: &[CaseKey], now: Timestamp) {
        for key in due {
            if let Some(open) = board.open.get_mut(key) {
                (open.written, open.dirty) = (now, false);
            }
        }
    }

    async fn save_case(&self, tx: &mut Tx, case: &Case, fact: Fact) -> Result<(), Fault> {
        let body = serde_json::to_string(case)?;
        sqlx::query("UPDATE cases SET open = $1, last_at = $2, body = $3 WHERE id = $4")
            .bind(i64::from(case.decided.is_none()))
            .bind(case.last.0)
            .bind(body.clone())
            .bind(case.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, case, &body).await?;
        tx.fact(fact);
        Ok(())
    }

    /// The cases: those that wait for a decision, gravest first, and the last of the others.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn cases(&self, actor: &Actor) -> Done<(Vec<Case>, Vec<Case>)> {
        may(actor, Action::ReadLedger, None)?;
        let mut open = self.cases_undecided(LEDGER_ROWS).await?;
        self.as_on_the_board(&mut open);
        open.sort_by_key(|case| (std::cmp::Reverse(case.weight), std::cmp::Reverse(case.last)));
        let decided = self.cases_held("SELECT id, open, body, seal FROM cases WHERE open = 0 ORDER BY last_at DESC LIMIT $1", DECIDED).await?;
        Ok((open, decided.into_iter().filter(|case| case.decided.is_some()).collect()))
    }

    /// One case.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`].
    pub async fn case(&self, actor: &Actor, id: &CaseId) -> Done<Case> {
        may(actor, Action::ReadLedger, None)?;
        let mut case = [self.load_case(id).await?.ok_or(Refusal::NotFound)?];
        self.as_on_the_board(&mut case);
        let [case] = case;
        Ok(case)
    }

    /// With what came in since a case was last written down: a decision is about what is shown. While the board is written to, the
    /// rows stand as they are.
    fn as_on_the_board(&self, cases: &mut [Case]) {
        let Some(board) = self.inner.gathering.board_now() else { return };
        for case in cases {
            if let Some(open) = board.open.get(&case.key).filter(|open| open.case.id == case.id) {
                *case = open.case.clone();
            }
        }
    }

    async fn load_case(&self, id: &CaseId) -> Result<Option<Case>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM cases WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(self.read()).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Open cases and the gravest of them, for first pages.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn open_cases(&self, actor: &Actor) -> Done<(usize, Option<Weight>)> {
        may(actor, Action::ReadLedger, None)?;
        let (open, _) = self.cases(actor).await?;
        Ok((open.len(), open.iter().map(|case| case.weight).max()))
    }

    /// Decides on a case of which the person saw so many logins and attempts. To allow logins like it from here on, say for which
    /// network and how long.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`] also for a case that was decided on by another person meanwhile;
    /// [`Refusal::ChangedMeanwhile`] if more came in than was seen.
    pub async fn decide_case(&self, actor: &Actor, id: &CaseId, seen: (u64, u64), what: Decision, reason: &str, allow: Option<(Network, u32)>) -> Done<Case> {
        self.require(actor, Action::DecideCase, None, "decide_case").await?;
        check_text("reason", reason)?;
        let mut board = self.inner.gathering.board().await;
        let mut tx = self.write(actor).await?;
        let mut case = self.load_case(id).await?.filter(|case| case.decided.is_none()).ok_or(Refusal::NotFound)?;
        // What came into it since it was last written belongs to what is decided on.
        if let Some(open) = board.open.get(&case.key).filter(|open| open.case.id == case.id) {
            case = open.case.clone();
        }
        if (case.logins, case.attempts) != seen {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        if what == Decision::Allowed {
            let (network, days) = allow.ok_or_else(|| Refusal::bad_field("network"))?;
            if !case.key.rule.can_be_allowed() || case.accounts.len() > 1 && case.key.rule != sekisho_core::around::AroundRule::Elsewhere {
                return Err(Refusal::bad_field("decision").into());
            }
            // What was seen is allowed: the accounts of the case, and any other one only where its lines name none.
            let accounts: Vec<Option<String>> = if case.accounts.is_empty() { vec![None] } else { case.accounts.iter().cloned().map(Some).collect() };
            for account in accounts {
                self.put_allow(&mut tx, AllowAsk { target: case.key.target.clone(), network, account, reason: reason.to_owned(), days }).await?;
            }
        }
        let name = self.who(&mut tx, actor).await?;
        case.decided = Some(Decided { person: actor.person.clone(), name, at: tx.now(), what, reason: reason.to_owned() });
        let fact = Fact::CaseDecided { case: case.id.clone(), rule: case.key.rule, about: case.about.clone(), decision: what, reason: reason.to_owned() };
        self.save_case(&mut tx, &case, fact).await?;
        // The decision is the answer to the alarm, too: one thing that happened asks for one act.
        self.settle_alarms(&mut tx, Rule::Around, case.id.as_str(), reason).await?;
        tx.commit().await?;
        self.count_open_alarms().await?;
        board.open.retain(|_, open| open.case.id != case.id);
        Ok(case)
    }

    async fn who(&self, tx: &mut Tx, actor: &Actor) -> Result<String, Fault> {
        let Some(id) = &actor.person else { return Ok("console".to_owned()) };
        Ok(self.load_person(tx.sql(), id).await?.map(|person| person.name).unwrap_or_default())
    }

    /// The logins that may go round the gateway, those in force first.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn login_allows(&self, actor: &Actor) -> Done<Vec<LoginAllow>> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.allows_held().await?)
    }

    /// How often each of them was used, and when last; what was judged in the last seconds is not counted yet.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn login_allow_uses(&self, actor: &Actor) -> Done<HashMap<LoginAllowId, (u64, Option<Timestamp>)>> {
        may(actor, Action::ReadLedger, None)?;
        let rows = sqlx::query("SELECT id, used, used_at FROM login_allows WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let mut uses = HashMap::new();
        for row in rows {
            let Some(id) = LoginAllowId::parse(row.try_get("id")?) else { continue };
            uses.insert(id, (u64::try_from(row.try_get::<i64, _>("used")?).unwrap_or(0), row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp)));
        }
        Ok(uses)
    }

    pub(super) async fn allows_held(&self) -> Result<Vec<LoginAllow>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM login_allows WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: an allowed login is left out")).ok()).collect())
    }

    /// Allows logins round the gateway.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub async fn allow_login(&self, actor: &Actor, ask: AllowAsk) -> Done<LoginAllow> {
        self.require(actor, Action::DecideCase, None, "allow_login").await?;
        let mut tx = self.write(actor).await?;
        let allow = self.put_allow(&mut tx, ask).await?;
        tx.commit().await?;
        Ok(allow)
    }

    async fn put_allow(&self, tx: &mut Tx, ask: AllowAsk) -> Done<LoginAllow> {
        ask.check()?;
        let now = tx.now();
        if self.allows_held().await?.iter().filter(|allow| now < allow.until).count() >= limits::LOGIN_ALLOWS {
            return Err(Refusal::too_many("LOGIN_ALLOWS").into());
        }
        if let Some(target) = &ask.target {
            self.load_target(tx.sql(), target).await?.ok_or(Refusal::NotFound)?;
        }
        let actor = tx.actor().clone();
        let by = self.who(tx, &actor).await?;
        let AllowAsk { target, network, account, reason, days } = ask;
        let until = now.plus(Duration::from_secs(u64::from(days) * 24 * 3600));
        let allow = LoginAllow { id: random_id()?, target, network, account, reason, until, by, at: now, active: true };
        sqlx::query("INSERT INTO login_allows (id, active, body) VALUES ($1, 1, '')").bind(allow.id.as_str().to_owned()).execute(tx.sql()).await?;
        let reason = allow.reason.clone();
        self.save_allow(tx, &allow, "allowed", &reason).await?;
        Ok(allow)
    }

    /// Takes a leave back.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`].
    pub async fn end_login_allow(&self, actor: &Actor, id: &LoginAllowId, reason: &str) -> Done<LoginAllow> {
        self.require(actor, Action::DecideCase, None, "end_login_allow").await?;
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let allow = self.allows_held().await?.into_iter().find(|allow| allow.id == *id).ok_or(Refusal::NotFound)?;
        let allow = LoginAllow { active: false, ..allow };
        self.save_allow(&mut tx, &allow, "ended", reason).await?;
        tx.commit().await?;
        Ok(allow)
    }

    async fn save_allow(&self, tx: &mut Tx, allow: &LoginAllow, change: &str, reason: &str) -> Result<(), Fault> {
        let body = serde_json::to_string(allow)?;
        sqlx::query("UPDATE login_allows SET active = $1, body = $2 WHERE id = $3").bind(i64::from(allow.active)).bind(body.clone()).bind(allow.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, allow, &body).await?;
        tx.fact(Fact::LoginAllowKept {
            allow: allow.id.clone(),
            target: allow.target.clone(),
            network: allow.network,
            account: allow.account.clone(),
            until: allow.until,
            change: change.to_owned(),
            reason: reason.to_owned(),
        });
        Ok(())
    }

    /// The row of what is counted of a case, with an identifier of its own.
    pub(super) fn new_case_id() -> Result<CaseId, Fault> {
        random_id()
    }
}

/// An empty set that holds one name, or none.
pub(super) fn one(name: &str) -> BTreeSet<String> {
    if name.is_empty() { BTreeSet::new() } else { [name.to_owned()].into() }
}
