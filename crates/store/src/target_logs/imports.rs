//! 取込み: files of a target's log that somebody brings. The file is kept as it came, sealed, and the log has its digest before
//! anybody reads it; then its records go the way of lines, by the times that they bear. A record counts once, in whichever file it
//! stands.

use super::cases::{Board, Found};
use super::judge::{Ground, Round, bare, line_of};
use super::led::Own;
use super::listed::Listed;
use super::segments;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::{blocking, sync_folder};
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::around::{AroundRule, Case, CaseKey, ImportAsk, ImportForm, Imported, LogImport, Weight};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{LogImportId, SessionId, TargetId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Via};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_detect::import::{self, Contents, NotRead, Record};
use sekisho_detect::join::{self, By, GRACE, Scene, Verdict};
use sekisho_detect::login::{Kind, Way};
use sekisho_evidence::{Digest, Hasher};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The folder below that of targets' logs.
const FOLDER: &str = "imports";
/// Digests that are asked for at once.
const AT_ONCE: usize = 200;
/// Files that are listed.
const LISTED: i64 = 500;
/// What a `wtmp` of attempts is called.
const FAILED: &str = "btmp";
/// Comparisons after which others get their turn.
const PIECE: usize = 20_000;
/// Records are judged in pieces of so many hours: thirty days. Only the sessions of one are in memory, whatever times a file claims.
const PIECE_HOURS: i64 = 720;
const HOUR: i64 = 3_600_000;
/// An event log tells of a session's time if it holds records within so long before it and after.
const AROUND: Duration = Duration::from_secs(24 * 3600);

/// What judging a file's records gave.
#[derive(Default)]
struct Judged {
    told: Vec<(SessionId, By, Timestamp)>,
    /// As cases, so that a file of any length takes the room of the cases that it opens.
    found: Board,
    joined: u64,
    hits: u64,
    known: u64,
}

/// What is known from one piece of a file to the next.
struct Judging {
    before: Listed,
    attempts: HashMap<CaseKey, (u64, Timestamp)>,
    told: BTreeSet<SessionId>,
    /// When those began of which no record told so far, and as whom.
    untold: BTreeMap<SessionId, (Timestamp, String)>,
}

impl Store {
    fn imports_folder(&self) -> PathBuf {
        segments::folder(&self.inner.settings.data_dir).join(FOLDER)
    }

    /// The files that were read in, the newest first.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn log_imports(&self, actor: &Actor) -> Done<Vec<LogImport>> {
        may(actor, Action::ReadLedger, None)?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM log_imports ORDER BY at DESC, id LIMIT $1").bind(LISTED).fetch_all(self.read()).await?;
        Ok(rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a file of a target's log is left out")).ok()).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`].
    pub async fn log_import(&self, actor: &Actor, id: &LogImportId) -> Done<LogImport> {
        may(actor, Action::ReadLedger, None)?;
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM log_imports WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(self.read()).await?;
        Ok(self.held(&row.ok_or(Refusal::NotFound)?, since)?)
    }

    /// The file itself, as it was handed in.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`]; a fault if it is no more the one of which the log tells.
    pub async fn log_import_file(&self, actor: &Actor, id: &LogImportId) -> Done<(LogImport, Vec<u8>)> {
        let import = self.log_import(actor, id).await?;
        let (path, store, row) = (self.imports_folder().join(id.as_str()), self.clone(), import.id.to_string());
        let plain = blocking(move || {
            let sealed = fs::read(path).map_err(Fault::io("a file of a target's log cannot be read"))?;
            store.inner.keys.unseal(Place { table: "log_imports", row: &row, column: "file" }, &Sealed::from_bytes(sealed))
        })
        .await?;
        if Digest::of(&plain).to_string() != import.digest {
            return Err(Fault::Damaged(format!("the file of {id} is not the one of which the log tells")).into());
        }
        Ok((import, plain.to_vec()))
    }

    /// Keeps a file of a target's log and reads it. The same file once more gives what it gave the first time.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::BadField`] for a file of no known form; [`Refusal::LogKindDiffers`]; [`Refusal::TooLarge`], [`Refusal::TooMany`].
    pub async fn import_log(&self, actor: &Actor, ask: ImportAsk, bytes: Vec<u8>) -> Done<LogImport> {
        self.require(actor, Action::KeepLedger, None, "import_log").await?;
        ask.check()?;
        if bytes.len() > limits::LOG_IMPORT_BYTES {
            return Err(Refusal::TooLarge.into());
        }
        let target = self.load_target(self.read(), &ask.target).await?.ok_or(Refusal::NotFound)?;
        // One at a time, so that two hands with the same file do not both find it new. Whoever judges lines does not wait for it.
        let _turn = self.inner.gathering.imports.lock().await;
        let digest = Digest::of(&bytes).to_string();
        let all = self.log_imports(&Actor::system()).await?;
        // An event log says itself which record is an attempt.
        let evtx = import::evtx::is_one(&bytes);
        let ask = ImportAsk { failed: ask.failed && !evtx, ..ask };
        let same = all.iter().find(|import| import.target == ask.target && import.digest == digest && (evtx || import.failed == ask.failed));
        if let Some(import) = same.filter(|import| import.read) {
            return Ok(import.clone());
        }
        if same.is_none() && all.len() >= limits::LOG_IMPORTS.min(usize::try_from(LISTED).unwrap_or(0)) {
            return Err(Refusal::too_many("LOG_IMPORTS").into());
        }
        let bytes = Arc::new(bytes);
        let (file, failed) = (Arc::clone(&bytes), ask.failed);
        let contents = blocking(move || Ok(import::read(&file, failed, limits::LOG_IMPORT_LOGINS))).await?.map_err(|why| match why {
            NotRead::Form => Refusal::bad_field("file"),
            NotRead::Logins | NotRead::Attempts => Refusal::LogKindDiffers,
        })?;
        let import = match same {
            Some(import) => import.clone(),
            None => self.keep_import(actor, &ask, &target.name, contents.form, digest, &bytes).await?,
        };
        Ok(self.read_import(actor, import, contents).await?)
    }

    /// Lays the file down, sealed, and tells the log of it.
    async fn keep_import(&self, actor: &Actor, ask: &ImportAsk, about: &str, form: ImportForm, digest: String, bytes: &Arc<Vec<u8>>) -> Result<LogImport, Fault> {
        let id: LogImportId = random_id()?;
        let (store, folder, row, file) = (self.clone(), self.imports_folder(), id.to_string(), Arc::clone(bytes));
        blocking(move || {
            if store.inner.shelf.free_bytes()? < (limits::LOG_RESERVE_BYTES + file.len()) as u64 {
                return Err(Fault::Folder("the disk is full".into()));
            }
            let words = || Fault::io("a file of a target's log cannot be kept");
            DirBuilder::new().mode(0o700).recursive(true).create(&folder).map_err(words())?;
            let sealed = store.inner.keys.seal(Place { table: "log_imports", row: &row, column: "file" }, &file)?.into_bytes();
            let mut kept = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(&row)).map_err(words())?;
            kept.write_all(&sealed).and_then(|()| kept.sync_all()).map_err(words())?;
            sync_folder(&folder)
        })
        .await?;
        let mut tx = self.write(actor).await?;
        let import = LogImport {
            id,
            target: ask.target.clone(),
            about: about.to_owned(),
            name: ask.name.clone(),
            form,
            failed: ask.failed,
            digest,
            bytes: bytes.len() as u64,
            read: false,
            records: 0,
            logins: 0,
            known: 0,
            foreign: 0,
            joined: 0,
            hits: 0,
            hosts: BTreeSet::new(),
            first: None,
            last: None,
            clock_seconds: ask.clock_seconds,
            troubles: Vec::new(),
            by: if actor.via == Via::Console { "console".to_owned() } else { actor.name.clone() },
            at: tx.now(),
        };
        sqlx::query("INSERT INTO log_imports (id, target, at, body) VALUES ($1, $2, $3, '')")
            .bind(import.id.as_str().to_owned())
            .bind(import.target.as_str().to_owned())
            .bind(import.at.0)
            .execute(tx.sql())
            .await?;
        let fact = Fact::LogImported {
            import: import.id.clone(),
            target: import.target.clone(),
            about: import.about.clone(),
            name: import.name.clone(),
            form: if import.failed { FAILED.to_owned() } else { form.as_str().to_owned() },
            digest: import.digest.clone(),
            bytes: import.bytes,
            clock_seconds: import.clock_seconds,
        };
        self.save_import(&mut tx, &import, fact).await?;
        tx.commit().await?;
        Ok(import)
    }

    async fn save_import(&self, tx: &mut Tx, import: &LogImport, fact: Fact) -> Result<(), Fault> {
        let body = serde_json::to_string(import)?;
        sqlx::query("UPDATE log_imports SET body = $1 WHERE id = $2").bind(body.clone()).bind(import.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, import, &body).await?;
        tx.fact(fact);
        Ok(())
    }

    /// Reads what a kept file tells, and writes it down in one change.
    async fn read_import(&self, actor: &Actor, mut import: LogImport, contents: Contents) -> Result<LogImport, Fault> {
        let round = self.round().await?;
        let ground = round.grounds.get(&import.target).ok_or_else(|| Fault::Damaged("the target of a file cannot be read".into()))?;
        import.logins = contents.records.len() as u64;
        let own_names = self.names_of(ground);
        // A log that collects those of many machines tells of this one by its name alone.
        let several = contents.hosts.len() > 1;
        let is_own = |host: &str| host.is_empty() || !several || own_names.iter().any(|name| is_called(name, host));
        let (store, target) = (self.clone(), import.target.clone());
        let (contents, digests, places) = blocking(move || {
            let digests: Vec<String> = contents.records.iter().map(|record| store.record_digest(&target, record)).collect();
            let places: Vec<String> = contents.records.iter().map(|record| store.place_digest(&target, record)).collect();
            Ok((contents, digests, places))
        })
        .await?;
        let mut seen = self.records_seen(&import.target, &digests).await?;
        let asked: Vec<String> = places.iter().filter(|place| !place.is_empty()).cloned().collect();
        let mut taken = self.records_seen(&import.target, &asked).await?;
        let (mut fresh, mut kept, mut other) = (Vec::new(), Vec::new(), 0_u64);
        for ((record, digest), place) in contents.records.iter().zip(digests).zip(places) {
            if !is_own(&record.login.host) {
                import.foreign += 1;
            } else if seen.insert(digest.clone()) {
                fresh.push(record);
                kept.push(digest);
                if !place.is_empty() {
                    if taken.insert(place.clone()) {
                        kept.push(place);
                    } else {
                        other += 1;
                    }
                }
            } else {
                import.known += 1;
            }
        }
        let span = contents.first.zip(contents.last);
        let judged = match span {
            Some((first, last)) => {
                fresh.sort_by_key(|record| record.login.at);
                self.judge_import(&import, &round, ground, &fresh, ((first, last), &contents.hours)).await?
            }
            None => Judged::default(),
        };
        import.known += judged.known;
        (import.records, import.hosts, import.first, import.last) = (contents.total, contents.hosts, contents.first, contents.last);
        (import.joined, import.hits, import.read) = (judged.joined, judged.hits, true);
        import.troubles = contents.troubles;
        if other > 0 {
            import.troubles.insert(0, format!("番号と時刻が同じで中身の違う記録が {other} 件あります。どちらかが書き換えられています / {other} records have the number and time of another and say something else: one of the two was changed"));
        }
        if !own_names.is_empty() && !import.hosts.is_empty() && !import.hosts.iter().any(|host| own_names.iter().any(|name| is_called(name, host))) {
            let named = import.hosts.iter().cloned().collect::<Vec<_>>().join(", ");
            import.troubles.insert(0, format!("記録には機器の名前 {named} が書かれていますが、選んだ機器の名前ではありません / the records name the machine {named}, and the target is not called that"));
        }
        let now = self.now();
        let mut guard = self.inner.gathering.board().await;
        let board = &mut *guard;
        self.load_board(board).await?;
        let before = board.open.clone();
        let found = judged.found.open.into_values().map(|open| Found { success: open.case.logins > 0, case: open.case });
        let mut due: Vec<CaseKey> = found.map(|found| board.put(found, now)).collect();
        due.sort();
        due.dedup();
        let written = async {
            let mut tx = self.write(actor).await?;
            for part in kept.chunks(AT_ONCE) {
                let places: Vec<String> = (0..part.len()).map(|nth| format!("($1, ${})", nth + 2)).collect();
                let text = sqlx::AssertSqlSafe(format!("INSERT INTO log_import_records (target, digest) VALUES {} ON CONFLICT (target, digest) DO NOTHING", places.join(", ")));
                let query = part.iter().fold(sqlx::query(text).bind(import.target.as_str().to_owned()), |query, digest| query.bind(digest.clone()));
                query.execute(tx.sql()).await?;
            }
            for (session, by, record) in judged.told {
                let by = match by {
                    By::Certificate => "certificate",
                    By::Connection => "connection",
                    By::Time => "time",
                };
                tx.fact(Fact::SessionToldByImport { session, import: import.id.clone(), by: by.to_owned(), record, clock_seconds: import.clock_seconds });
            }
            self.write_cases(&mut tx, board, &due).await?;
            let fact = Fact::LogImportRead {
                import: import.id.clone(),
                about: import.about.clone(),
                records: import.records,
                logins: import.logins,
                known: import.known,
                foreign: import.foreign,
                joined: import.joined,
                hits: import.hits,
                troubles: import.troubles.len() as u64 + contents.more_troubles,
            };
            self.save_import(&mut tx, &import, fact).await?;
            tx.commit().await
        };
        if let Err(fault) = written.await {
            board.open = before;
            return Err(fault);
        }
        Self::cases_written(board, &due, now);
        Ok(import)
    }

    /// The names by which a target's own lines may call it.
    fn names_of(&self, ground: &Ground) -> Vec<String> {
        let known = self.inner.gathering.known();
        let sources = known.all.values().filter(|source| source.target.as_ref() == Some(&ground.target.id));
        let mut names: Vec<String> = sources.flat_map(|source| source.hosts.iter().cloned()).collect();
        names.extend([ground.target.name.clone(), ground.target.host.clone()]);
        names
    }

    /// A digest that nobody makes who has the database alone.
    fn record_digest(&self, target: &TargetId, record: &Record) -> String {
        let mut hasher = Hasher::new();
        hasher.update(self.inner.keys.derived("imported records").as_slice());
        hasher.update(target.as_str().as_bytes());
        // A file that was read in as attempts spends nothing of the logins that it would be.
        hasher.update(if record.login.kind == Kind::Failed { b"\0failed\0" } else { b"\0opened\0" });
        hasher.update(&record.identity);
        hasher.finish().to_string().chars().take(40).collect()
    }

    /// The same of a record's place in its machine's log; empty without one.
    fn place_digest(&self, target: &TargetId, record: &Record) -> String {
        if record.place.is_empty() {
            return String::new();
        }
        let mut hasher = Hasher::new();
        hasher.update(self.inner.keys.derived("imported records").as_slice());
        hasher.update(target.as_str().as_bytes());
        hasher.update(b"\0place\0");
        hasher.update(&record.place);
        hasher.finish().to_string().chars().take(40).collect()
    }

    async fn records_seen(&self, target: &TargetId, digests: &[String]) -> Result<HashSet<String>, Fault> {
        let mut seen = HashSet::new();
        for part in digests.chunks(AT_ONCE) {
            let places: Vec<String> = (0..part.len()).map(|nth| format!("${}", nth + 2)).collect();
            let text = sqlx::AssertSqlSafe(format!("SELECT digest FROM log_import_records WHERE target = $1 AND digest IN ({})", places.join(", ")));
            let query = part.iter().fold(sqlx::query(text).bind(target.as_str().to_owned()), |query, digest| query.bind(digest.clone()));
            for row in query.fetch_all(self.read()).await? {
                seen.insert(row.try_get("digest")?);
            }
        }
        Ok(seen)
    }

    /// Holds records against the sessions of their time, and against the rules: in pieces of time, the earliest first.
    async fn judge_import(&self, import: &LogImport, round: &Round, ground: &Ground, records: &[&Record], (span, hours): ((Timestamp, Timestamp), &BTreeSet<i64>)) -> Result<Judged, Fault> {
        let mut judging = Judging { before: Listed::of(self.cases_of(&import.target).await?), attempts: HashMap::new(), told: BTreeSet::new(), untold: BTreeMap::new() };
        let mut judged = Judged::default();
        // Sessions lie before the present, whatever times a file claims.
        let latest = self.now().plus(AROUND).0.div_euclid(HOUR);
        let piece_of = |hour: i64| hour.clamp(0, latest).div_euclid(PIECE_HOURS);
        let of_record = |record: &&Record| piece_of(record.login.at.unwrap_or(span.0).0.div_euclid(HOUR));
        let pieces: BTreeSet<i64> = hours.iter().map(|hour| piece_of(*hour)).chain(records.iter().map(of_record)).collect();
        for piece in pieces {
            let (from, until) = (Timestamp(piece * PIECE_HOURS * HOUR), Timestamp((piece + 1) * PIECE_HOURS * HOUR));
            let own = self.own_between(from, until).await?;
            let first = records.partition_point(|record| of_record(record) < piece);
            let end = records.partition_point(|record| of_record(record) <= piece);
            let of_piece = records.get(first..end).unwrap_or_default();
            self.judge_piece(import, (round, ground), own, of_piece, span, &mut judging, &mut judged).await?;
        }
        judging.untold.retain(|session, _| !judging.told.contains(session));
        self.untold_by_import(import, ground, judging.untold, records, (span, hours), &mut judged)?;
        Ok(judged)
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what one file's judging knows")]
    async fn judge_piece(&self, import: &LogImport, (round, ground): (&Round, &Ground), own: Own, records: &[&Record], span: (Timestamp, Timestamp), judging: &mut Judging, judged: &mut Judged) -> Result<(), Fault> {
        let off = Duration::from_secs(u64::from(import.clock_seconds));
        let mut led = own.led.clone();
        let (mut work, now) = (0_usize, self.now());
        for record in records {
            // All others wait for this thread: sessions, pages, and the judging of lines.
            work += 1 + led.len();
            if work > PIECE {
                work = 0;
                tokio::task::yield_now().await;
            }
            let (login, at) = (&record.login, record.login.at.unwrap_or(span.0));
            let scene = Scene {
                target: &ground.target.id,
                kept: &ground.kept,
                all_kept: ground.all_kept,
                hosts: &ground.hosts,
                off,
                gateways: &own.gateways,
                networks: &self.inner.settings.ssh_sources,
                authorities: &own.authorities,
                led: &led,
                allows: &round.allows,
                on_site: false,
                received: at,
                // All that could explain it stands in the log.
                now: at.plus(GRACE),
            };
            let (rule, near, weight) = match join::judge(login, &scene) {
                Verdict::Joined(place, by) => {
                    judged.joined += 1;
                    let Some(one) = led.get_mut(place) else { continue };
                    one.explains(login, by);
                    if let Some(session) = one.session.clone().filter(|_| one.told.is_none() && !one.own) {
                        one.told = Some((login.from, login.port));
                        if judging.told.insert(session.clone()) {
                            judged.told.push((session, by, at));
                        }
                    }
                    continue;
                }
                Verdict::Allowed(place) => {
                    self.note_allowed(round.allows.get(place), at);
                    continue;
                }
                Verdict::Nothing | Verdict::Wait => continue,
                Verdict::Hit(rule, near) => (rule, near.and_then(|place| own.led.get(place)).and_then(|led| led.session.clone()), rule.weight()),
                Verdict::Attempt(rule) => (rule, None, Weight::Notice),
            };
            let mut case = case_of(import, ground, record, at, (rule, near, weight))?;
            let (known, looked) = judging.before.takes(&case, off);
            work += looked;
            if known {
                judged.known += 1;
                continue;
            }
            let success = login.kind != Kind::Failed;
            if !success {
                let Some(count) = super::judge::counted(&mut judging.attempts, &case.key, at) else { continue };
                (case.logins, case.attempts) = (0, count);
                judged.hits += count;
            } else {
                judged.hits += 1;
            }
            judged.found.put(Found { case, success }, now);
        }
        // A record of the next piece may still tell of one that began at the end of this.
        for led in led.into_iter().filter(|led| !led.own && led.told.is_none() && led.target == import.target) {
            if let (Some(session), Some(connected)) = (led.session, led.connected)
                && !own.untold.contains(&session)
            {
                judging.untold.insert(session, (connected, led.username));
            }
        }
        Ok(())
    }

    /// R4, as far as a file can tell: a log of Windows that tells of logins, and not of a session in the middle of its time.
    fn untold_by_import(
        &self,
        import: &LogImport,
        ground: &Ground,
        untold: BTreeMap<SessionId, (Timestamp, String)>,
        records: &[&Record],
        ((first, last), hours): ((Timestamp, Timestamp), &BTreeSet<i64>),
        judged: &mut Judged,
    ) -> Result<(), Fault> {
        // A wtmp tells of screens alone, and not of files and commands.
        let tells = import.form == ImportForm::Evtx && records.iter().any(|record| record.login.kind == Kind::Opened && matches!(record.login.way, Way::Desktop | Way::Shell | Way::Network));
        if !tells {
            return Ok(());
        }
        let slack = join::UNTOLD + Duration::from_secs(u64::from(import.clock_seconds));
        let hour = |at: Timestamp| at.0.div_euclid(HOUR);
        // Two records years apart tell nothing of what lies between.
        let has_one = |from: Timestamp, until: Timestamp| from <= until && hours.range(hour(from)..=hour(until)).next().is_some();
        for (session, (connected, username)) in untold {
            let within = first.plus(slack) <= connected && connected.plus(slack) <= last;
            if !within || !has_one(connected.minus(AROUND), connected.minus(slack)) || !has_one(connected.plus(slack), connected.plus(AROUND)) {
                continue;
            }
            let key = CaseKey { rule: AroundRule::Untold, target: Some(import.target.clone()), source: None, from: String::new(), session: Some(session.clone()), import: Some(import.id.clone()) };
            let case = bare(key, &ground.target.name, connected, None, Some(session), super::cases::one(&username))?;
            judged.hits += 1;
            judged.found.put(Found { case: Case { opened: self.now(), imported: Some(imported(import)), ..case }, success: true }, self.now());
        }
        Ok(())
    }
}

fn imported(import: &LogImport) -> Imported {
    Imported { import: import.id.clone(), clock_seconds: import.clock_seconds }
}

fn is_called(own: &str, host: &str) -> bool {
    let short = host.split('.').next().unwrap_or(host);
    own.eq_ignore_ascii_case(host) || !own.contains('.') && own.eq_ignore_ascii_case(short)
}

fn case_of(import: &LogImport, ground: &Ground, record: &Record, at: Timestamp, (rule, near, weight): (AroundRule, Option<SessionId>, Weight)) -> Result<Case, Fault> {
    let login = &record.login;
    let session = (rule == AroundRule::OtherAccount).then(|| near.clone()).flatten();
    let key = CaseKey { rule, target: Some(ground.target.id.clone()), source: None, from: login.from.map(|from| from.to_string()).unwrap_or_default(), session, import: Some(import.id.clone()) };
    let case = bare(key, &ground.target.name, at, None, near, super::cases::one(&login.account))?;
    let success = login.kind != Kind::Failed;
    let way = if login.way == Way::Within { format!("{} ← {}", login.way.as_str(), login.by) } else { login.way.as_str().to_owned() };
    let case = Case {
        weight,
        logins: u64::from(success),
        attempts: u64::from(!success),
        methods: super::cases::one(&login.method),
        way,
        line: record.shown.clone(),
        device_time: Some(at),
        imported: Some(imported(import)),
        ..case
    };
    let latest = vec![line_of(&case, &login.account, success)];
    Ok(Case { latest, ..case })
}

