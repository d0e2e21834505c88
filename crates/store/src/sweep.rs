//! After a crash: what was left open is closed, and what belongs to nobody is set aside. A damaged file is an alarm and
//! stops nothing else.

use crate::Store;
use crate::fault::Fault;
use crate::log::{blocking, sync_folder};
use crate::recordings::{Ending, Notes, ORPHANS_DIR, cause_of, frames, scan_file};
use sekisho_core::desk::Cause;
use sekisho_core::facts::{Entry, Fact, ViewMode};
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::{FILE_SUFFIX, Seal, seal_after};
use sekisho_evidence::{Digest, Hasher};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;

impl Store {
    /// Closes what a crash left open and starts the pulse of the recordings.
    ///
    /// # Errors
    /// A fault of database or log. What is wrong with single recordings is an alarm and stops nothing.
    pub(crate) async fn sweep(&self) -> Result<(), Fault> {
        self.inner.shelf.set_up()?;
        self.sweep_sessions().await?;
        self.sweep_orphans().await?;
        self.sweep_views().await?;
        self.inner.spools.sweep()?;
        self.sweep_held_files().await?;
        self.start_pulse();
        Ok(())
    }

    async fn sweep_sessions(&self) -> Result<(), Fault> {
        let open = "SELECT id, started_at, header_digest FROM sessions WHERE ended_at IS NULL \
            UNION ALL SELECT id, started_at, header_digest FROM robot_sessions WHERE ended_at IS NULL ORDER BY started_at";
        let rows = sqlx::query(open).fetch_all(self.read()).await?;
        for row in rows {
            let id: String = row.try_get("id")?;
            let Some(session) = SessionId::parse(&id) else {
                self.inner.shelf.alarm(format!("A session in the database has the malformed id {id:?}."));
                continue;
            };
            let started = Timestamp(row.try_get("started_at")?);
            let header: String = row.try_get("header_digest")?;
            let (ending, ended_at, damaged) = self.close_recording(&session, started, &header).await?;
            let mut tx = self.write(&Actor::system()).await?;
            if Self::robot_left(&mut tx, &session, &ending, ended_at).await? {
                tx.commit().await?;
                self.put_aside(&session, &ending, damaged).await?;
                continue;
            }
            drop(tx);
            self.recover_notes(&session).await?;
            let mut tx = self.write(&Actor::system()).await?;
            Self::left(&mut tx, Actor::system(), &session, &ending, ended_at).await?;
            tx.commit().await?;
            self.put_aside(&session, &ending, damaged).await?;
        }
        Ok(())
    }

    /// Sets a recording aside that was found damaged. One that is not there at all is told of by the alarm alone.
    async fn put_aside(&self, session: &SessionId, ending: &Ending, damaged: Option<String>) -> Result<(), Fault> {
        match damaged {
            Some(why) if self.inner.shelf.path(session).exists() => self.set_aside(session, &ending.digest.to_string(), &why).await,
            _ => Ok(()),
        }
    }

    /// Seals what there is, and says how the session ended and when.
    async fn close_recording(&self, session: &SessionId, started: Timestamp, header: &str) -> Result<(Ending, Timestamp, Option<String>), Fault> {
        let (path, now) = (self.inner.shelf.path(session), self.now());
        let closed = blocking({
            let (path, header) = (path.clone(), header.to_owned());
            move || close_file(&path, &header, started)
        });
        match closed.await {
            Ok((ending, ended_at, torn)) => {
                if torn > 0 {
                    tracing::warn!(%session, torn, "the last bytes of a recording were torn by the crash and were cut off");
                }
                Ok((ending, ended_at.min(now), None))
            }
            Err(fault) => {
                self.inner.shelf.alarm(format!("The recording of session {session} is damaged or missing and was left as it is: {fault}."));
                let left = blocking(move || digest_of(&path)).await;
                // Without a file, the digest of the header is the last that is known of it.
                let (digest, bytes) = left.or_else(|_| header.parse().map(|digest| (digest, 0)).map_err(|_| Fault::Damaged("no digest".into())))?;
                Ok((Ending { cause: Cause::Vanished, digest, bytes }, now, Some(fault.to_string())))
            }
        }
    }

    /// Notes that the recording has and the rows lack, because the crash came between. If they cannot be read, the session says so.
    async fn recover_notes(&self, session: &SessionId) -> Result<(), Fault> {
        let (path, opener) = (self.inner.shelf.path(session), self.opener_alone(session));
        let recovered = async {
            if self.needs_agreement(session).await? {
                tracing::warn!(%session, "the last notes of a broken session cannot be read: its recording opens with the agreement of a second person alone");
                return self.leave_notes(session).await;
            }
            let notes = blocking(move || {
                let mut decoder = frames(&path, |header| opener.open(header))?;
                let mut notes = Notes::default();
                // What comes before damage counts; that something follows it is told.
                let damaged = loop {
                    match decoder.next_frame() {
                        Ok(Some(timed)) => notes.frame(timed.at_ms, timed.channel, &timed.frame),
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                };
                Ok((notes.waiting, damaged))
            });
            let (notes, damaged) = notes.await?;
            let mut tx = self.write(&Actor::system()).await?;
            let row = sqlx::query("SELECT commands + files AS n, facts FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(tx.sql()).await?;
            let kept = usize::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0);
            let mut facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
            // Sums are made anew from the whole recording; what was kept of them before the crash would count twice.
            facts.forwards.clear();
            facts.witnesses.clear();
            (facts.pauses, facts.paused_ms, facts.paused_at_ms) = (0, 0, None);
            facts.unread = damaged;
            sqlx::query("UPDATE sessions SET facts = $2 WHERE id = $1").bind(session.as_str().to_owned()).bind(serde_json::to_string(&facts)?).execute(tx.sql()).await?;
            let (used, listed): (Vec<_>, Vec<_>) = notes.into_iter().partition(|note| !note.has_row());
            let missing: Vec<_> = used.into_iter().chain(listed.into_iter().skip(kept)).collect();
            Self::keep_notes(&mut tx, session, &Actor::system(), &missing).await?;
            tx.commit().await
        };
        match recovered.await {
            Ok(()) => Ok(()),
            Err(fault) => {
                tracing::error!(%session, %fault, "the notes of a broken session could not be recovered");
                self.leave_notes(session).await
            }
        }
    }

    /// What the rows lack the box could not read: nobody opens the recording alone, or it is damaged. It says so where people look: the
    /// comparison with the plan must not show as whole what may miss its last moments.
    async fn leave_notes(&self, session: &SessionId) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let row = sqlx::query("SELECT facts FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(tx.sql()).await?;
        let mut facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
        facts.unread = true;
        sqlx::query("UPDATE sessions SET facts = $2 WHERE id = $1").bind(session.as_str().to_owned()).bind(serde_json::to_string(&facts)?).execute(tx.sql()).await?;
        tx.commit().await
    }

    /// Sets aside recordings that no entry of the log names.
    async fn sweep_orphans(&self) -> Result<(), Fault> {
        let rows = sqlx::query("SELECT id FROM sessions UNION ALL SELECT id FROM robot_sessions").fetch_all(self.read()).await?;
        let known: BTreeSet<String> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        let folder = self.inner.shelf.folder().to_owned();
        let names = blocking(move || {
            let list = fs::read_dir(&folder).map_err(Fault::io("the folder of recordings cannot be read"))?;
            Ok(list.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>())
        });
        for name in names.await? {
            let orphan = name.strip_suffix(FILE_SUFFIX).is_some_and(|session| !known.contains(session));
            if !orphan {
                continue;
            }
            let mut tx = self.write(&Actor::system()).await?;
            // A name of foreign making goes into the log in a bounded form.
            tx.fact(Fact::OrphanFound { file: name.chars().filter(|c| !c.is_control()).take(100).collect() });
            tx.commit().await?;
            let (data_dir, folder) = (self.inner.settings.data_dir.clone(), self.inner.shelf.folder().to_owned());
            // A crash before this move only means that the next start finds the orphan again.
            let moved = blocking(move || {
                let orphans = data_dir.join(ORPHANS_DIR);
                let made = DirBuilder::new().mode(0o700).recursive(true).create(&orphans);
                made.and_then(|()| fs::rename(folder.join(&name), orphans.join(&name))).map_err(Fault::io("an orphan cannot be set aside"))?;
                sync_folder(&orphans)?;
                sync_folder(&folder)
            });
            if let Err(fault) = moved.await {
                self.inner.shelf.alarm(format!("A recording that no entry of the log names could not be set aside: {fault}."));
            }
        }
        Ok(())
    }

    /// Ends the views that a crash left open. Views live as long as the program, so only those of its last two runs
    /// can be open.
    async fn sweep_views(&self) -> Result<(), Fault> {
        let starts = sqlx::query("SELECT seq FROM log WHERE kind = 'started' ORDER BY seq DESC LIMIT 2").fetch_all(self.read()).await?;
        let from: i64 = starts.last().map(|row| row.try_get("seq")).transpose()?.unwrap_or(0);
        let rows = sqlx::query("SELECT body FROM log WHERE kind IN ('view_began', 'view_ended') AND seq >= $1 ORDER BY seq")
            .bind(from)
            .fetch_all(self.read())
            .await?;
        let mut open: BTreeMap<(SessionId, String), (i64, ViewMode)> = BTreeMap::new();
        for row in rows {
            let entry: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            let (session, mode, step) = match entry.fact {
                Fact::ViewBegan { session, mode } => (session, mode, 1),
                Fact::ViewEnded { session, mode } => (session, mode, -1),
                _ => continue,
            };
            open.entry((session, format!("{mode:?}"))).or_insert((0, mode)).0 += step;
        }
        let mut tx = self.write(&Actor::system()).await?;
        for ((session, _), (count, mode)) in open {
            for _ in 0..count {
                tx.fact(Fact::ViewEnded { session: session.clone(), mode });
            }
        }
        tx.commit().await
    }
}

/// Seals a file that a crash left open; gives its end, the time of its last frame, and the bytes that were cut off.
fn close_file(path: &Path, header: &str, started: Timestamp) -> Result<(Ending, Timestamp, u64), Fault> {
    let scan = scan_file(path)?;
    if scan.header_digest.to_string() != header {
        // Sealing it would give a foreign recording the look of this one.
        return Err(Fault::Damaged("the file is not the recording that was begun".into()));
    }
    let last = started.plus(std::time::Duration::from_millis(scan.last_ms));
    if let Some(seal) = &scan.seal {
        // The crash came between the seal and the log.
        let cause = cause_of(&seal.cause).unwrap_or(Cause::Vanished);
        return Ok((Ending { cause, digest: scan.digest, bytes: scan.whole_bytes }, Timestamp(seal.ended_at), 0));
    }
    let seal = Seal { cause: Cause::Vanished.as_str().to_owned(), ended_at: last.0 };
    let (bytes, sealed) = seal_after(&scan, seal).map_err(|breach| Fault::Damaged(breach.to_string()))?;
    let words = || Fault::io("a broken recording cannot be sealed");
    let file = OpenOptions::new().write(true).open(path).map_err(words())?;
    file.set_len(scan.whole_bytes).map_err(words())?;
    file.write_all_at(&bytes, scan.whole_bytes).map_err(words())?;
    file.sync_all().map_err(words())?;
    let ending = Ending { cause: Cause::Vanished, digest: sealed.digest, bytes: scan.whole_bytes + bytes.len() as u64 };
    Ok((ending, last, scan.torn_bytes))
}

/// SHA-256 and size of a file that is not a sound recording.
pub(crate) fn digest_of(path: &Path) -> Result<(Digest, u64), Fault> {
    let mut file = File::open(path).map_err(Fault::io("a recording cannot be read"))?;
    let (mut hasher, mut buffer, mut bytes) = (Hasher::new(), vec![0_u8; 64 * 1024], 0_u64);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), bytes)),
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::io("a recording cannot be read")(error)),
        }
    }
}
