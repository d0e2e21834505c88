//! Sessions as lists, pages and the reconciliation see them; cutting one; and ending those whose permission ended.

use crate::Store;
use crate::control::Standing;
use crate::fault::{Done, Fault};
use crate::log::{LogFilter, as_i64};
use crate::recordings::{CopyPlace, Note, RecordingCopy, scan_file};
use sekisho_evidence::recording::Recipient;
use crate::write::Tx;
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::device::Device;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::limits;
use sekisho_core::line::Line;
use sekisho_core::people::{Actor, Person, Role, Vendor};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::plan::content::check_text;
use sekisho_core::reconcile::{CommandSeen, FileSeen, SessionFacts};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Target;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::time::Duration;

/// A recording up to this size is checked when its page is shown; a larger one by `verify`.
const CHECKED_ON_SIGHT_BYTES: u64 = 256 * 1024 * 1024;
/// Time after the end of a window in which the gateway ends the session by itself, with words to the worker.
const WINDOW_GRACE: Duration = Duration::from_secs(5);

/// Pause between two looks at whether a session's recording is sealed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Which sessions to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Running or ended.
    pub running: Option<bool>,
    /// Under this plan.
    pub plan: Option<PlanId>,
    /// By this worker.
    pub person: Option<PersonId>,
    /// On this target.
    pub target: Option<TargetId>,
    /// Page, from 0, of [`limits::PAGE_ROWS`] rows.
    pub page: usize,
}

/// A page of sessions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SessionPage {
    /// The rows, the newest first.
    pub rows: Vec<SessionRow>,
    /// There are more on the next page.
    pub more: bool,
}

/// One session in a list.
#[derive(Clone, Debug, Serialize)]
pub struct SessionRow {
    /// Facts without the lists of commands and files.
    pub facts: SessionFacts,
    /// Commands seen.
    pub commands: u64,
    /// File operations seen.
    pub files: u64,
    /// The plan.
    pub plan: PlanId,
    /// Its number.
    pub plan_number: String,
    /// Its title.
    pub plan_title: String,
    /// The worker's vendor.
    pub vendor: VendorId,
    /// It has not ended.
    pub running: bool,
    /// How it stands while it runs.
    pub standing: Option<Standing>,
}

/// One session with everything.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// The row, with full facts.
    pub row: SessionRow,
    /// Its recording.
    pub recording: RecordingInfo,
    /// What the log says about it, the oldest first. A vendor's person sees the worker's own entries.
    pub entries: Vec<Entry>,
}

/// A recording as far as it can be seen without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingInfo {
    /// Size in bytes; of a running one, as far as it is on the disk.
    pub bytes: u64,
    /// It has ended and bears its seal.
    pub sealed: bool,
    /// SHA-256 of its header.
    pub header_digest: String,
    /// The digest in the log's `left` entry.
    pub digest: Option<String>,
    /// Whether the file agrees with the log. `None` while it runs, and if it is too large to look at here.
    pub verified: Option<bool>,
    /// Whose keys open it; empty for one of the time when that was the hospital's alone. Not told to vendors.
    pub recipients: Vec<Recipient>,
    /// Where its copies lie. Not told to vendors.
    pub copies: Vec<RecordingCopy>,
}

/// To whom a session belongs.
pub(crate) enum Owner {
    /// A worker's, under a vendor's plan.
    Worker {
        /// Who works.
        person: PersonId,
        /// For which vendor.
        vendor: VendorId,
        /// Whose plan it is.
        plan_vendor: VendorId,
    },
    /// One of Sekisho itself, which is the hospital's alone.
    Robot,
}

impl Owner {
    /// Whether the actor may do this to the session (domain.md section 3: a worker sees the own sessions, a vendor
    /// manager those of the own workers and plans).
    pub(crate) fn may(&self, actor: &Actor, action: Action) -> Result<(), Refusal> {
        let Self::Worker { person, vendor, plan_vendor } = self else {
            return if actor.vendor.is_some() { Err(Refusal::NotFound) } else { may(actor, action, None) };
        };
        may(actor, action, Some(vendor)).or_else(|_| may(actor, action, Some(plan_vendor)))?;
        let narrow = actor.vendor.is_some() && !actor.is(Role::VendorManager);
        if narrow && !actor.is_person(person) { Err(Refusal::NotFound) } else { Ok(()) }
    }
}

const COLUMNS: &str = "SELECT s.id, s.plan, s.vendor, s.person, s.ended_at, s.cause, s.commands, s.files, s.facts, s.header_digest, s.digest, s.bytes, \
    p.number, p.title, p.vendor AS plan_vendor FROM sessions s JOIN plans p ON p.id = s.plan";

fn read_row(row: &AnyRow) -> Result<SessionRow, Fault> {
    let facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
    let id = |what: &str| Fault::Damaged(format!("the row of session {} has a malformed {what}", facts.session));
    let plan = PlanId::parse(row.try_get("plan")?).ok_or_else(|| id("plan"))?;
    let vendor = VendorId::parse(row.try_get("vendor")?).ok_or_else(|| id("vendor"))?;
    let count = |name: &str| -> Result<u64, Fault> { Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0)) };
    Ok(SessionRow {
        commands: count("commands")?,
        files: count("files")?,
        plan,
        plan_number: row.try_get("number")?,
        plan_title: row.try_get("title")?,
        vendor,
        running: row.try_get::<Option<i64>, _>("ended_at")?.is_none(),
        standing: None,
        facts,
    })
}

impl Store {
    /// Sessions that the actor may see, the newest first.
    ///
    /// # Errors
    /// Without the right to see any.
    pub async fn sessions(&self, actor: &Actor, filter: &SessionFilter) -> Done<SessionPage> {
        self.require(actor, Action::ReadSession, None, "sessions").await?;
        let narrow = actor.vendor.is_some() && !actor.is(Role::VendorManager);
        let own = narrow.then(|| actor.person.as_ref().map(|id| id.as_str().to_owned())).flatten();
        let text = format!(
            "{COLUMNS} WHERE ($1 IS NULL OR s.plan = $1) AND ($2 IS NULL OR s.person = $2) AND ($3 IS NULL OR s.target = $3) \
            AND ($4 IS NULL OR s.person = $4) AND ($5 IS NULL OR s.vendor = $5 OR p.vendor = $5) \
            AND ($6 < 0 OR ($6 = 1 AND s.ended_at IS NULL) OR ($6 = 0 AND s.ended_at IS NOT NULL)) \
            ORDER BY s.started_at DESC, s.id DESC LIMIT $7 OFFSET $8"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(filter.plan.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.person.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.target.as_ref().map(|id| id.as_str().to_owned()))
            .bind(own)
            .bind(actor.vendor.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.running.map_or(-1_i64, i64::from))
            .bind(as_i64(limits::PAGE_ROWS as u64 + 1))
            .bind(as_i64(filter.page.saturating_mul(limits::PAGE_ROWS) as u64))
            .fetch_all(self.read())
            .await?;
        let more = rows.len() > limits::PAGE_ROWS;
        let mut rows = rows.iter().take(limits::PAGE_ROWS).map(read_row).collect::<Result<Vec<_>, _>>()?;
        for row in rows.iter_mut().filter(|row| row.running) {
            row.standing = self.standing_of(actor, &row.facts.session);
        }
        Ok(SessionPage { rows, more })
    }

    /// One session with its commands, files, recording and entries.
    ///
    /// # Errors
    /// Without the right, or if there is none.
    pub async fn session(&self, actor: &Actor, session: &SessionId) -> Done<SessionView> {
        self.allowed(actor, Action::ReadSession, session, "session").await?;
        let text = format!("{COLUMNS} WHERE s.id = $1");
        let found = sqlx::query(sqlx::AssertSqlSafe(text)).bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        let found = found.ok_or(Refusal::NotFound)?;
        let mut row = read_row(&found)?;
        row.standing = if row.running { self.standing_of(actor, session) } else { None };
        self.add_events(&mut row.facts).await?;
        self.add_refused(&mut row.facts).await?;
        let digest: Option<String> = found.try_get("digest")?;
        let header_digest: String = found.try_get("header_digest")?;
        let bytes = u64::try_from(found.try_get::<Option<i64>, _>("bytes")?.unwrap_or(0)).unwrap_or(0);
        let mut recording = self.recording_info(session, row.running, bytes, header_digest, digest).await;
        if actor.vendor.is_some() {
            recording.recipients.clear();
            recording.copies.clear();
        }
        let filter = LogFilter { session: Some(session.clone()), rows: Some(usize::MAX), ..LogFilter::default() };
        let mut entries = self.entries(&filter).await?;
        entries.reverse();
        if actor.vendor.is_some() {
            let told = |fact: &Fact| matches!(fact, Fact::Controlled { control, .. } if control.is_told_to_worker());
            entries.retain(|entry| entry.actor.person.as_ref() == Some(&row.facts.person) || told(&entry.fact));
        }
        Ok(SessionView { row, recording, entries })
    }

    /// The row of a session, for verbs that have checked their own right.
    pub(crate) async fn session_row(&self, session: &str) -> Result<Option<SessionRow>, Fault> {
        let text = format!("{COLUMNS} WHERE s.id = $1");
        let found = sqlx::query(sqlx::AssertSqlSafe(text)).bind(session.to_owned()).fetch_optional(self.read()).await?;
        found.as_ref().map(read_row).transpose()
    }

    async fn recording_info(&self, session: &SessionId, running: bool, bytes: u64, header_digest: String, digest: Option<String>) -> RecordingInfo {
        let mut info = RecordingInfo { bytes, sealed: false, header_digest, digest, verified: None, recipients: Vec::new(), copies: Vec::new() };
        if let Err(fault) = self.tell_copies(session, &mut info).await {
            tracing::warn!(%session, %fault, "it cannot be told where the copies of a recording lie");
        }
        if running {
            info.bytes = self.inner.shelf.writer(session).map_or(bytes, |writer| writer.bytes());
            return info;
        }
        let away = !info.copies.is_empty() && info.copies.iter().all(|copy| copy.place != CopyPlace::Local);
        if bytes > CHECKED_ON_SIGHT_BYTES || away {
            info.sealed = true;
            return info;
        }
        let path = self.inner.shelf.path(session);
        let scan = tokio::task::spawn_blocking(move || scan_file(&path)).await;
        info.verified = Some(false);
        if let Ok(Ok(scan)) = scan {
            info.sealed = scan.seal.is_some();
            let same = info.digest.as_deref() == Some(scan.digest.to_string().as_str()) && scan.header_digest.to_string() == info.header_digest;
            info.verified = Some(same && info.sealed && !scan.torn && scan.header.session == session.as_str());
        }
        info
    }

    /// What happened in the sessions of a plan, for its reconciliation, the oldest first.
    pub(crate) async fn facts_of_plan(&self, plan: &PlanId) -> Result<Vec<SessionFacts>, Fault> {
        let rows = sqlx::query("SELECT facts FROM sessions WHERE plan = $1 ORDER BY started_at, id")
            .bind(plan.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let mut facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
            self.add_events(&mut facts).await?;
            self.add_refused(&mut facts).await?;
            all.push(facts);
        }
        Ok(all)
    }

    /// What the log says was refused inside, the oldest first.
    async fn add_refused(&self, facts: &mut SessionFacts) -> Result<(), Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE session = $1 AND kind = 'refused_inside' ORDER BY seq")
            .bind(facts.session.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        for row in rows {
            let entry: Entry = serde_json::from_slice(row.try_get("body")?)?;
            if let Fact::RefusedInside { asked, .. } = &entry.fact {
                facts.was_refused(entry.at, &asked.ask, &asked.refusal);
            }
        }
        Ok(())
    }

    /// Adds the commands and files of a session to its facts.
    pub(crate) async fn add_events(&self, facts: &mut SessionFacts) -> Result<(), Fault> {
        let rows = sqlx::query("SELECT kind, body FROM session_events WHERE session = $1 ORDER BY n")
            .bind(facts.session.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        for row in rows {
            let body: String = row.try_get("body")?;
            match row.try_get::<String, _>("kind")?.as_str() {
                "command" => facts.commands.push(serde_json::from_str::<CommandSeen>(&body)?),
                "file" => facts.files.push(serde_json::from_str::<FileSeen>(&body)?),
                other => return Err(Fault::Damaged(format!("an event of session {} is of the unknown kind {other}", facts.session))),
            }
        }
        Ok(())
    }

    /// Moves notes into the rows; file operations also become facts. Part of a change.
    pub(crate) async fn keep_notes(tx: &mut Tx, session: &SessionId, worker: &Actor, notes: &[Note]) -> Result<(), Fault> {
        if notes.is_empty() {
            return Ok(());
        }
        let row = sqlx::query("SELECT commands, files, facts FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(tx.sql()).await?;
        let (mut commands, mut files): (i64, i64) = (row.try_get("commands")?, row.try_get("files")?);
        let mut facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
        for note in notes {
            if note.enter(&mut facts) {
                continue;
            }
            let n = commands + files;
            let (at_ms, kind, body) = match note {
                Note::Command(seen) => {
                    commands += 1;
                    (seen.at_ms, "command", serde_json::to_string(seen)?)
                }
                Note::File(seen) => {
                    files += 1;
                    tx.fact_by(worker.clone(), Fact::FileMoved { session: session.clone(), file: seen.clone() });
                    (seen.at_ms, "file", serde_json::to_string(seen)?)
                }
                _ => continue,
            };
            sqlx::query("INSERT INTO session_events (session, n, at_ms, kind, body) VALUES ($1, $2, $3, $4, $5)")
                .bind(session.as_str().to_owned())
                .bind(n)
                .bind(as_i64(at_ms))
                .bind(kind)
                .bind(body)
                .execute(tx.sql())
                .await?;
        }
        sqlx::query("UPDATE sessions SET commands = $2, files = $3, facts = $4 WHERE id = $1")
            .bind(session.as_str().to_owned())
            .bind(commands)
            .bind(files)
            .bind(serde_json::to_string(&facts)?)
            .execute(tx.sql())
            .await?;
        Ok(())
    }

    /// Cuts a running session (切断). It ends within two seconds.
    ///
    /// # Errors
    /// Without the right, or if it does not run.
    pub async fn cut(&self, actor: &Actor, session: &SessionId, reason: &str) -> Done<()> {
        self.allowed(actor, Action::CutSession, session, "cut").await?;
        check_text("reason", reason)?;
        if self.inner.shelf.writer(session).is_none() {
            return Err(Refusal::NotFound.into());
        }
        let recall = Recall { session: Some(session.clone()), word: RecallWord::End(Cause::Cut) };
        let written = async {
            let mut tx = self.write(actor).await?;
            tx.fact(Fact::CutAsked { session: session.clone(), reason: reason.to_owned() });
            tx.recall(recall.clone());
            tx.commit().await
        };
        if let Err(fault) = written.await {
            // Cutting makes things safer, so it does not wait for the log. The `left` entry will name the cause.
            tracing::error!(%fault, "a cut could not be written down; the session is cut all the same");
            let _ = self.inner.recall.send(recall);
            return Err(fault.into());
        }
        Ok(())
    }

    /// Waits until nothing is written into this session's recording any more, or until `most` has passed.
    pub async fn wait_until_sealed(&self, session: &SessionId, most: Duration) {
        let sealed = async {
            while self.inner.shelf.writer(session).is_some() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let _ = tokio::time::timeout(most, sealed).await;
    }

    pub(crate) async fn owner_of(&self, session: &SessionId) -> Result<Option<Owner>, Fault> {
        let text = "SELECT s.person, s.vendor, p.vendor AS plan_vendor FROM sessions s JOIN plans p ON p.id = s.plan WHERE s.id = $1";
        let row = sqlx::query(text).bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(self.is_robot(session).await?.then_some(Owner::Robot)) };
        let damaged = || Fault::Damaged(format!("the row of session {session} is malformed"));
        let vendor = |name: &str| -> Result<VendorId, Fault> { VendorId::parse(row.try_get(name)?).ok_or_else(damaged) };
        let person = PersonId::parse(row.try_get("person")?).ok_or_else(damaged)?;
        Ok(Some(Owner::Worker { person, vendor: vendor("vendor")?, plan_vendor: vendor("plan_vendor")? }))
    }

    /// Ends the sessions whose permission does not hold any more: plan, person, vendor, target, window. Authorisation is
    /// continuous; this is called whenever one of these changed, and every few seconds.
    ///
    /// # Errors
    /// A fault if the state cannot be read. Then nothing is known, and the next call decides.
    pub async fn recall_what_ended(&self) -> Result<(), Fault> {
        self.drop_shares_of_the_gone().await?;
        let now = self.now();
        for session in self.inner.shelf.running() {
            if let Some(cause) = self.ended_because(&session, now).await? {
                // Nobody listens while no gateway runs; then no session runs either.
                let _ = self.inner.recall.send(Recall { session: Some(session), word: RecallWord::End(cause) });
            }
        }
        Ok(())
    }

    async fn ended_because(&self, session: &SessionId, now: Timestamp) -> Result<Option<Cause>, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal, w.body AS person, w.seal AS person_seal, v.body AS vendor, v.seal AS vendor_seal, \
            a.body AS plan_vendor, a.seal AS plan_vendor_seal, t.body AS target, t.seal AS target_seal, s.source, s.device AS device_id, s.facts, l.body AS line, l.seal AS line_seal, \
            d.body AS device, d.seal AS device_seal FROM sessions s \
            JOIN plans p ON p.id = s.plan JOIN persons w ON w.id = s.person JOIN vendors v ON v.id = s.vendor \
            JOIN vendors a ON a.id = p.vendor JOIN targets t ON t.id = s.target LEFT JOIN lines l ON l.id = s.line \
            LEFT JOIN devices d ON d.id = s.device WHERE s.id = $1";
        let Some(row) = sqlx::query(text).bind(session.as_str().to_owned()).fetch_optional(self.read()).await? else {
            // Its `entered` entry is being written at this moment.
            return Ok(None);
        };
        let read = (
            self.held::<Plan>(&row, since),
            self.held_as::<Person>(&row, "person", "person_seal", since),
            self.held_as::<Vendor>(&row, "vendor", "vendor_seal", since),
            self.held_as::<Vendor>(&row, "plan_vendor", "plan_vendor_seal", since),
            self.held_as::<Target>(&row, "target", "target_seal", since),
        );
        let (Ok(plan), Ok(person), Ok(vendor), Ok(plan_vendor), Ok(target)) = read else {
            // What somebody else wrote into a row permits nothing.
            return Ok(Some(Cause::Recalled));
        };
        let in_force = |vendor: &Vendor| vendor.is_in_force(now);
        let holds = plan.admits() && person.may_act(now) && target.active && in_force(&vendor) && in_force(&plan_vendor);
        if !holds {
            return Ok(Some(Cause::Recalled));
        }
        if !self.road_holds(&row, &person, now, since) {
            return Ok(Some(Cause::Recalled));
        }
        let (_, until) = plan.window();
        Ok((now >= until.plus(WINDOW_GRACE)).then_some(Cause::WindowEnded))
    }

    /// Whether the line and the device of a session would still let it in.
    fn road_holds(&self, row: &AnyRow, person: &Person, now: Timestamp, since: u64) -> bool {
        let held = || -> Result<bool, Fault> {
            let line = self.held_as::<Line>(row, "line", "line_seal", since)?;
            let source = row.try_get::<&str, _>("source")?.parse();
            // A moment longer, in which the gateway ends the session by itself, with words to the worker.
            let usable = |at: Timestamp| line.is_valid(at) && line.is_in_times(at);
            if !(usable(now) || usable(now.minus(WINDOW_GRACE))) || !source.is_ok_and(|source| line.carries(source) && line.admits(self.place_of(source)).is_ok()) {
                return Ok(false);
            }
            if row.try_get::<Option<&str>, _>("device_id")?.is_none() {
                // Let in by policy, without a device that could have changed since.
                return Ok(true);
            }
            let device = self.held_as::<Device>(row, "device", "device_seal", since)?;
            let facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
            // What the policy let pass at the beginning is no reason to end it.
            let passed = !facts.device_deviation.is_empty();
            let by_address = facts.device_proof == "address" && line.is_open();
            Ok(device.may_serve(person).is_ok() && (passed || (device.is_checked(now) && !by_address)))
        };
        held().unwrap_or_else(|fault| {
            tracing::error!(%fault, "the road of a session cannot be read; the session ends");
            false
        })
    }
}
