//! Looking after recordings that are kept: each is read through again by pace, and one that is not what the log says is set aside.
//! It blocks nothing else, and no byte of it is changed.

use super::SessionTold;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::{as_i64, blocking, sync_folder};
use crate::recordings::ASIDE_DIR;
use crate::sweep::digest_of;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::{RecordingBreach, scan};
use sqlx::Row;
use std::fs::{self, DirBuilder, File};
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Pause between two looks for a recording whose turn it is.
const REST: Duration = Duration::from_secs(60);
/// Pause between two of them, so that sessions have the disk.
const BREATH: Duration = Duration::from_secs(1);

/// What a look at a recording found.
enum Found {
    Sound,
    Missing,
    /// It is not what the log says.
    Damaged(String),
    /// The disk did not give it; nothing is known.
    Unread(Fault),
}

/// A file that is read no faster than [`limits::RECHECK_BYTES_SECOND`].
struct Slow {
    file: File,
    began: Instant,
    read: u64,
    /// Bytes a second, if it is not to be in the way of sessions.
    pace: Option<u64>,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        let due = self.pace.map(|pace| Duration::from_millis(self.read.saturating_mul(1000) / pace.max(1)));
        if let Some(rest) = due.unwrap_or_default().checked_sub(self.began.elapsed()) {
            std::thread::sleep(rest);
        }
        Ok(count)
    }
}

/// Reads a recording through and holds it against the digests of the log.
fn look(path: &Path, header: &str, digest: &str, pace: Option<u64>) -> Found {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Found::Missing,
        Err(error) => return Found::Unread(Fault::io("a recording cannot be read")(error)),
    };
    match scan(BufReader::new(Slow { file, began: Instant::now(), read: 0, pace })) {
        Ok(seen) if seen.header_digest.to_string() != header => Found::Damaged("its header is another one".into()),
        Ok(seen) if seen.digest.to_string() != digest => Found::Damaged(if seen.seal.is_none() { "its end is missing".into() } else { "its digest is another one".into() }),
        Ok(_) => Found::Sound,
        Err(RecordingBreach::Read(error)) => Found::Unread(Fault::io("a recording cannot be read")(error)),
        // What a crash left is no sound recording; the log has the digest of its bytes then.
        Err(breach) => match digest_of(path) {
            Ok((bytes, _)) if bytes.to_string() == digest => Found::Damaged(format!("it is as the crash left it: {breach}")),
            Ok(_) => Found::Damaged(breach.to_string()),
            Err(fault) => Found::Unread(fault),
        },
    }
}

impl Store {
    /// Checks old recordings by pace until the store is closed.
    pub(crate) async fn keep_checking(&self) {
        loop {
            let rest = match self.check_next_recording().await {
                Ok(true) => BREATH,
                Ok(false) => REST,
                Err(denied) => {
                    tracing::error!(%denied, "recordings cannot be checked; it is tried again");
                    REST
                }
            };
            self.rest(rest).await;
            if self.inner.log.is_closed() {
                return;
            }
        }
    }

    /// Checks the recording that waits longest for it, if one's turn has come; false if none's has.
    ///
    /// # Errors
    /// A fault of the database. What is wrong with the recording is an alarm, and no error.
    pub async fn check_next_recording(&self) -> Done<bool> {
        let now = self.now();
        let before = now.minus(DAY * self.policy().recheck_days);
        let text = "SELECT session FROM recording_care WHERE state = 'kept' AND COALESCE(checked_at, ended_at) <= $1 ORDER BY COALESCE(checked_at, ended_at), session LIMIT 1";
        let Some(row) = sqlx::query(text).bind(before.0).fetch_optional(self.read()).await? else { return Ok(false) };
        let id: String = row.try_get("session")?;
        let Some(session) = SessionId::parse(&id) else { return Ok(false) };
        self.check_recording(&session).await?;
        Ok(true)
    }

    /// Reads one recording through, and sets it aside if it is not what the log says.
    pub(crate) async fn check_recording(&self, session: &SessionId) -> Result<(), Fault> {
        if self.board(|board| board.erased(session).is_some()) {
            return self.mark_checked(session, self.now()).await;
        }
        if self.board(|board| board.set_aside(session).is_some()) {
            self.settle_aside(session).await?;
            return self.mark_checked(session, self.now()).await;
        }
        let Some(told) = self.session_told(session).await? else { return Ok(()) };
        let Some((_, digest, _)) = told.ended() else { return Ok(()) };
        match self.look_at(&told, Some(limits::RECHECK_BYTES_SECOND as u64)).await? {
            Found::Sound => {}
            Found::Missing if self.board(|board| board.erased(session).is_some()) => {}
            Found::Missing if !self.is_elsewhere(session).await? => self.inner.shelf.alarm(format!("The recording of session {session} is missing.")),
            Found::Missing => {}
            // By entries that are proved: a row alone calls no recording damaged. Before the log is published up to there it waits.
            Found::Damaged(_) if !self.both_proved(&told)? => return Ok(()),
            Found::Damaged(why) => self.set_aside(session, digest, &why).await?,
            Found::Unread(fault) => self.inner.shelf.alarm(format!("The recording of session {session} cannot be read: {fault}.")),
        }
        self.mark_checked(session, self.now()).await
    }

    /// Reads the recording of an ended session, and holds it against the digests of the log.
    async fn look_at(&self, told: &SessionTold, pace: Option<u64>) -> Result<Found, Fault> {
        let (Some((_, digest, _)), Fact::Entered { recording_header_digest: header, .. } | Fact::RobotEntered { recording_header_digest: header, .. }) = (told.ended(), &told.entered.0.fact) else {
            return Err(Fault::Damaged(format!("session {} has not ended", told.session)));
        };
        let (path, header, expected) = (self.inner.shelf.path(&told.session), header.clone(), digest.to_owned());
        blocking(move || Ok(look(&path, &header, &expected, pace))).await
    }

    /// Whether the file that is to be deleted is the one that the log tells of. One that is not is looked at as damaged, and goes
    /// only after that stands in the log. One that does not lie on the box is not asked.
    pub(super) async fn is_what_goes(&self, told: &SessionTold) -> Result<bool, Fault> {
        if self.board(|board| board.set_aside(&told.session).is_some()) {
            return Ok(true);
        }
        match self.look_at(told, None).await? {
            Found::Sound | Found::Missing => Ok(true),
            Found::Unread(fault) => Err(fault),
            Found::Damaged(why) => {
                if let Some((_, digest, _)) = told.ended() {
                    self.set_aside(&told.session, digest, &why).await?;
                }
                Ok(false)
            }
        }
    }

    /// Whether the archive has the recording that is not on the box.
    async fn is_elsewhere(&self, session: &SessionId) -> Result<bool, Fault> {
        Ok(!self.copies_of(session).await?.is_empty())
    }

    async fn mark_checked(&self, session: &SessionId, now: Timestamp) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        sqlx::query("UPDATE recording_care SET checked_at = $2 WHERE session = $1").bind(session.as_str().to_owned()).bind(now.0).execute(tx.sql()).await?;
        tx.commit().await
    }

    /// Looks again at a recording of an ended session that somebody could not read, in the background.
    pub(crate) fn look_again_at(&self, session: &SessionId) {
        let (store, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            if let Err(fault) = store.check_recording(&session).await {
                tracing::error!(%session, %fault, "a doubtful recording could not be checked");
            }
        });
    }

    /// Moves a damaged recording out of the way. It is told first; a crash before the move leaves it where it lies, and the
    /// mark in the log stands.
    pub(crate) async fn set_aside(&self, session: &SessionId, digest: &str, why: &str) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        if self.board(|board| board.set_aside(session).is_some()) {
            return Ok(());
        }
        let why: String = why.chars().filter(|letter| !letter.is_control()).take(limits::LINE_CHARS).collect();
        tx.fact(Fact::RecordingSetAside { session: session.clone(), digest: digest.to_owned(), why });
        sqlx::query("UPDATE recording_care SET state = 'aside' WHERE session = $1 AND state = 'kept'").bind(session.as_str().to_owned()).execute(tx.sql()).await?;
        tx.commit().await?;
        if let Err(fault) = self.move_aside(session).await {
            tracing::error!(%session, %fault, "a damaged recording stays where it is");
        }
        Ok(())
    }

    async fn move_aside(&self, session: &SessionId) -> Result<(), Fault> {
        let (data_dir, [path, aside], folder) = (self.inner.settings.data_dir.clone(), self.inner.shelf.places(session), self.inner.shelf.folder().to_owned());
        blocking(move || {
            let damaged = data_dir.join(ASIDE_DIR);
            let made = DirBuilder::new().mode(0o700).recursive(true).create(&damaged);
            made.and_then(|()| fs::rename(&path, aside)).map_err(Fault::io("a damaged recording cannot be set aside"))?;
            sync_folder(&damaged)?;
            sync_folder(&folder)
        })
        .await
    }

    /// Looks at what lies in the place of a recording that was set aside: a sound copy from the archive stays there, what a crash
    /// left of the damaged one follows the entry, and a copy that was damaged in its turn goes, so that it is carried back anew.
    pub(crate) async fn settle_aside(&self, session: &SessionId) -> Result<(), Fault> {
        let [path, aside] = self.inner.shelf.places(session);
        let looking = path.clone();
        let (here, kept) = blocking(move || Ok((looking.exists(), aside.exists()))).await?;
        let Some(told) = self.session_told(session).await?.filter(|told| here && told.ended().is_some()) else { return Ok(()) };
        match self.look_at(&told, None).await? {
            Found::Damaged(_) if kept => blocking(move || fs::remove_file(path).map_err(Fault::io("a damaged copy cannot be removed"))).await,
            Found::Damaged(_) => self.move_aside(session).await,
            _ => Ok(()),
        }
    }

    /// Recordings that were found damaged and set aside, with the moment.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn recordings_aside(&self) -> Result<Vec<(SessionId, Timestamp)>, Fault> {
        let rows = sqlx::query("SELECT session FROM recording_care WHERE state = 'aside' ORDER BY ended_at DESC, session LIMIT $1").bind(as_i64(limits::PAGE_ROWS as u64)).fetch_all(self.read()).await?;
        let mut found = Vec::new();
        for row in &rows {
            let id: String = row.try_get("session")?;
            if let Some(session) = SessionId::parse(&id)
                && let Some(at) = self.board(|board| board.set_aside(&session))
            {
                found.push((session, at));
            }
        }
        Ok(found)
    }
}
