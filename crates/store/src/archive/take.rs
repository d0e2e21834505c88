//! Handing recordings over, and taking off the box what the archive was seen to have.

use super::ArchiveCopy;
use super::rows::{Mark, WAITING};
use crate::Store;
use crate::fault::Fault;
use crate::keeping::SessionTold;
use crate::log::{blocking, sync_folder};
use sekisho_core::archive::{Lock, LockMode, Parcel, Trouble, Vault};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::{FILE_SUFFIX, RECORDINGS_DIR, Scan, scan};
use sekisho_evidence::{Digest, Hasher};
use sqlx::Row;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Recordings that are handed over, or taken off the box, in one round.
const AT_ONCE: i64 = 20;
/// The shortest and the longest wait before a recording that was not taken is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// Days after which the archive is asked for a copy again.
const LOOK_DAYS: u32 = 30;

/// What the store needs to know of the archive beside the way to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// How copies are locked; `None` for a place without locks.
    pub lock: Option<LockMode>,
    /// Days after which a recording that the archive has is taken off the box; `None` for never.
    pub keep_local_days: Option<u32>,
}

/// What stands in the row of a session that ended.
struct Ended {
    session: SessionId,
    ended_at: Timestamp,
    tries: i64,
}

/// Reads a file to its end and hashes what it read.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What a file is: its length, its SHA-256, and what it says of itself.
pub(super) struct Looked {
    pub bytes: u64,
    pub sha256: Digest,
    pub scan: Scan,
}

/// Reads a recording once, for its digest and its chain.
pub(super) fn look_at(path: &Path) -> Result<Looked, Fault> {
    let file = File::open(path).map_err(Fault::io("a recording cannot be opened"))?;
    let mut reading = Hashing { inner: file, hasher: Hasher::new(), bytes: 0 };
    let seen = scan(BufReader::with_capacity(128 * 1024, &mut reading)).map_err(|breach| Fault::Damaged(breach.to_string()))?;
    std::io::copy(&mut reading, &mut std::io::sink()).map_err(Fault::io("a recording cannot be read"))?;
    Ok(Looked { bytes: reading.bytes, sha256: reading.hasher.finish(), scan: seen })
}

/// Why one recording was not handed over.
enum Stopped {
    /// It is the place.
    Place(Trouble),
    /// It is this recording.
    One(String),
    Fault(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Store {
    /// Hands over what waits; gives the trouble of the place that ended the round, if one did.
    pub(super) async fn hand_over_waiting(&self, vault: &Arc<dyn Vault>, lock: Option<LockMode>) -> Result<Option<Trouble>, Fault> {
        let text = format!("SELECT w.id, w.ended_at, w.tries FROM ({WAITING}) w WHERE w.next_at <= $1 ORDER BY w.ended_at LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(self.now().0).bind(AT_ONCE).fetch_all(self.read()).await?;
        for row in rows {
            let Some(session) = SessionId::parse(row.try_get("id")?) else { continue };
            if self.inner.log.is_closed() {
                return Ok(None);
            }
            let one = Ended { session, ended_at: Timestamp(row.try_get("ended_at")?), tries: row.try_get("tries")? };
            self.inner.archive.hand(Some(&one.session));
            let handed = self.copy_out(&**vault, lock, &one).await;
            self.inner.archive.hand(None);
            match handed {
                Ok(()) => {}
                Err(Stopped::Place(trouble)) => return Ok(Some(trouble)),
                Err(Stopped::Fault(fault)) => return Err(fault),
                Err(Stopped::One(why)) => {
                    if one.tries == 0 {
                        self.inner.shelf.alarm(format!("The recording of session {} cannot be copied to the archive: {why}.", one.session));
                    }
                    let wait = FIRST_WAIT.saturating_mul(1 << one.tries.clamp(0, 12)).min(LONGEST_WAIT);
                    self.copy_failed(&one.session, one.ended_at, one.tries + 1, self.now().plus(wait), &why).await?;
                }
            }
        }
        Ok(None)
    }

    async fn copy_out(&self, vault: &dyn Vault, lock: Option<LockMode>, one: &Ended) -> Result<(), Stopped> {
        let path = self.inner.shelf.path(&one.session);
        if self.inner.shelf.writer(&one.session).is_some() {
            // It has just ended, and its last bytes are on their way.
            return Ok(());
        }
        // Whoever holds the writer sees each deletion that was written down, and none begins from here on while this one is in hand.
        drop(self.write(&Actor::system()).await?);
        if self.board(|board| board.erased(&one.session).is_some()) {
            // Its file may lie here for a while, and a row of the database may ask for a copy: what is erased gets none.
            return Ok(self.nothing_to_keep(&one.session, one.ended_at).await?);
        }
        let looking = path.clone();
        let looked = match blocking(move || look_at(&looking)).await {
            Ok(looked) => looked,
            Err(Fault::Io { source, .. }) if source.kind() == ErrorKind::NotFound && self.is_deleted(&one.session) => {
                return Ok(self.nothing_to_keep(&one.session, one.ended_at).await?);
            }
            Err(fault @ (Fault::Io { .. } | Fault::Damaged(_))) => return Err(Stopped::One(fault.to_string())),
            Err(fault) => return Err(fault.into()),
        };
        // What the log's entry does not tell of is no evidence, and is not put where nobody can take it away again.
        let told = self.session_told(&one.session).await?;
        let Some((told, (left_at, digest, _))) = told.as_ref().and_then(|told| Some((told, told.ended()?))) else {
            return Err(Stopped::One("the log does not tell of its end".into()));
        };
        if looked.scan.digest.to_string() != digest || looked.scan.header.session != one.session.as_str() {
            return Err(Stopped::One("it is not what its entry in the log says".into()));
        }
        if looked.bytes > limits::ARCHIVE_COPY_BYTES as u64 {
            return Err(Stopped::One(format!("{}: {}", Trouble::TooLarge.code(), Trouble::TooLarge)));
        }
        let object = object_of(&one.session);
        let lock = match lock {
            Some(mode) => Some(Lock { mode, until: self.locked_until(told, left_at)? }),
            None => None,
        };
        let parcel = Parcel { path: &path, object: &object, bytes: looked.bytes, sha256: looked.sha256.as_bytes(), lock };
        let kept = vault.put(parcel).await.map_err(|trouble| if trouble.is_of_one() { Stopped::One(format!("{}: {trouble}", trouble.code())) } else { Stopped::Place(trouble) })?;
        let mut tx = self.write(&Actor::system()).await?;
        let copy = ArchiveCopy {
            id: one.session.clone(),
            place: vault.name().to_owned(),
            object: object.clone(),
            version: kept.version,
            bytes: looked.bytes,
            sha256: looked.sha256.to_string(),
            lock: kept.lock,
            recipients: looked.scan.header.recipients.clone(),
            at: tx.now(),
            local: true,
            removed: false,
        };
        let fact = Fact::RecordingArchived {
            session: one.session.clone(),
            place: copy.place.clone(),
            object,
            bytes: copy.bytes,
            sha256: copy.sha256.clone(),
            locked_until: kept.lock.map(|lock| lock.until),
        };
        self.save_copy(&mut tx, &copy, Some(one.ended_at), fact).await?;
        tx.commit().await?;
        let now = self.now();
        self.mark_copy(&one.session, Mark::Looked, Some(now)).await?;
        Ok(())
    }

    /// Takes off the box what the archive has and has had for long enough. Each is read back from there once before.
    pub(super) async fn move_out(&self, vault: &Arc<dyn Vault>, days: u32) -> Result<Option<Trouble>, Fault> {
        if !self.clock_deletes() {
            return Ok(None);
        }
        let now = self.now();
        let back = now.minus(Duration::from_secs(limits::ARCHIVE_BACK_HOURS as u64 * 3600));
        // Those that stay are passed over, some in a round, so that they keep no other from its turn.
        let passed = self.inner.archive.passed.load(Ordering::SeqCst);
        let sessions = self.movable(now.minus(DAY * days), back, passed, AT_ONCE).await?;
        if sessions.is_empty() {
            self.inner.archive.passed.store(0, Ordering::SeqCst);
        }
        for session in sessions {
            let stays = || self.inner.archive.passed.fetch_add(1, Ordering::SeqCst);
            let Some(copy) = self.archive_row(&session).await?.filter(|copy| !copy.removed && copy.place == vault.name()) else {
                stays();
                continue;
            };
            // What is held stays on the box as well: a lock in the archive may run out before the hold ends.
            // So does what has not ended for as long as it shall: a column only says where to look.
            let held = self.session_told(&session).await?.is_none_or(|told| {
                let thing = told.thing(now);
                told.ended().is_none_or(|(ended, ..)| now.minus(DAY * days) < ended) || self.board(|board| !board.holds_on(&thing, now).is_empty())
            });
            // One that was set aside as damaged stays as it is, and the sound copy that was carried back in its place beside it.
            if held || self.board(|board| board.set_aside(&session).is_some()) {
                stays();
                continue;
            }
            match self.ask_for(vault, &copy, true).await? {
                Err(trouble) => return Ok(Some(trouble)),
                Ok(false) => continue,
                Ok(true) => {}
            }
            if copy.local {
                let mut tx = self.write(&Actor::system()).await?;
                let fact = Fact::RecordingMovedOut { session: session.clone(), place: copy.place.clone(), object: copy.object.clone(), sha256: copy.sha256.clone() };
                self.save_copy(&mut tx, &ArchiveCopy { local: false, ..copy.clone() }, None, fact).await?;
                tx.commit().await?;
            }
            // A crash here leaves a recording that the row says is away; the next round finds it by its mark.
            self.mark_copy(&session, Mark::Back, Some(Timestamp(0))).await?;
            let folder = self.inner.shelf.folder().to_owned();
            let path = folder.join(format!("{session}{FILE_SUFFIX}"));
            blocking(move || match fs::remove_file(&path) {
                Ok(()) => sync_folder(&folder),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(Fault::io("a recording cannot be taken off the box")(error)),
            })
            .await?;
            self.mark_copy(&session, Mark::Back, None).await?;
        }
        Ok(None)
    }

    /// Asks the archive for copies that it was not asked for in a long time: what is deleted or rewritten there shall not be
    /// found out on the day when it is needed.
    pub(super) async fn look_again(&self, vault: &Arc<dyn Vault>) -> Result<Option<Trouble>, Fault> {
        for session in self.unlooked(self.now().minus(DAY * LOOK_DAYS), AT_ONCE).await? {
            let Some(copy) = self.archive_row(&session).await?.filter(|copy| !copy.removed && copy.place == vault.name()) else {
                self.mark_copy(&session, Mark::Looked, Some(self.now())).await?;
                continue;
            };
            if let Err(trouble) = self.ask_for(vault, &copy, false).await? {
                return Ok(Some(trouble));
            }
        }
        Ok(None)
    }

    /// Whether the archive still has a copy, which it is made to show if `whole` says so. If not, that is written down, and what the box has is handed over again.
    async fn ask_for(&self, vault: &Arc<dyn Vault>, copy: &ArchiveCopy, whole: bool) -> Result<Result<bool, Trouble>, Fault> {
        let Ok(sha256) = copy.sha256.parse::<Digest>() else { return Err(Fault::Damaged("a copy has no digest".into())) };
        let asked = if whole {
            vault.read_back(&copy.object, &copy.version, copy.bytes, sha256.as_bytes())
        } else {
            vault.look(&copy.object, &copy.version, copy.bytes, sha256.as_bytes())
        };
        match asked.await {
            Ok(_) => {
                self.mark_copy(&copy.id, Mark::Looked, Some(self.now())).await?;
                Ok(Ok(true))
            }
            Err(trouble) if trouble.is_of_one() => {
                self.copy_is_bad(copy, &trouble).await?;
                Ok(Ok(false))
            }
            Err(trouble) => Ok(Err(trouble)),
        }
    }

    /// Writes down that a copy is not what it was. What the box still has itself is handed over anew.
    pub(super) async fn copy_is_bad(&self, copy: &ArchiveCopy, trouble: &Trouble) -> Result<(), Fault> {
        let here = copy.local;
        let mut tx = self.write(&Actor::system()).await?;
        let text = if here { "UPDATE archive_copies SET kept = 0, looked_at = $2 WHERE id = $1" } else { "UPDATE archive_copies SET looked_at = $2 WHERE id = $1" };
        let now = tx.now();
        sqlx::query(text).bind(copy.id.as_str().to_owned()).bind(now.0).execute(tx.sql()).await?;
        tx.fact(Fact::ArchiveCopyBad { session: copy.id.clone(), place: copy.place.clone(), code: trouble.code().to_owned(), why: sekisho_core::letter::one_line(&trouble.to_string()) });
        tx.commit().await
    }

    /// Until when the copy of a recording is to be kept from being deleted: its time of keeping, and a day at least. In whole
    /// seconds, which is all that an archive knows. It counts from the entry that tells of the session's end, never from a column
    /// of the database; while that entry is not in the signed log, from the present moment, which is later.
    fn locked_until(&self, told: &SessionTold, left_at: Timestamp) -> Result<Timestamp, Fault> {
        let class = self.class_of(told);
        let days = self.board(|board| board.rule(class)).map_or(class.default_days(), |rule| rule.days);
        let now = self.now();
        let from = match self.end_is_proved(told)? {
            Some(true) => left_at.min(now),
            None => now,
            Some(false) => return Err(Fault::Damaged(format!("the entry of the end of session {} in the database is not that of the signed log", told.session))),
        };
        let until = from.plus(DAY * days).max(now.plus(DAY));
        Ok(Timestamp(until.0 - until.0.rem_euclid(1000)))
    }
}

/// What the archive calls the copy of a session's recording: as in the data folder, so that a folder of copies can be verified
/// as it is.
fn object_of(session: &SessionId) -> String {
    format!("{RECORDINGS_DIR}/{session}{FILE_SUFFIX}")
}
