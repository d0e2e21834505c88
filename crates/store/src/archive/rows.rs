//! What the box knows of each copy, and of the archive as a whole.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::{CopyPlace, CopyRemoval, RecordingCopy};
use crate::write::Tx;
use sekisho_core::archive::{Lock, Trouble};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::letter::one_line;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::Recipient;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// A copy that the archive was seen to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveCopy {
    /// Which recording.
    pub id: SessionId,
    /// What the configuration called the archive.
    pub place: String,
    /// What the archive calls the copy.
    pub object: String,
    /// What tells it from others of this name there; empty where there are none.
    pub version: String,
    /// Length of the file.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Its lock.
    pub lock: Option<Lock>,
    /// Whose keys open it, as its header says.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
    /// When it was seen there.
    pub at: Timestamp,
    /// The box has the recording itself as well.
    pub local: bool,
    /// It was deleted there.
    pub removed: bool,
}

/// How the archive stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveStanding {
    /// What the configuration calls it.
    pub name: String,
    /// Recordings that it was seen to have.
    pub kept: u64,
    /// Recordings that wait for it.
    pub waiting: u64,
    /// Since when the oldest of them has ended.
    pub waiting_since: Option<Timestamp>,
    /// Recordings that lie there alone.
    pub away: u64,
    /// Since when it has failed.
    pub failing_since: Option<Timestamp>,
    /// The code of why.
    pub code: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// One recording that it does not take, and why: the others go on.
    pub stuck: Option<(String, String)>,
}

/// What is not sealed of the state of the archive: it decides nothing but what was told.
#[derive(Default)]
pub(super) struct StateRow {
    pub failing_since: Option<Timestamp>,
    pub code: Option<String>,
    pub why: Option<String>,
    pub told: bool,
    pub behind_told: bool,
}

/// Sessions that ended and have no copy yet, with the rows of what was tried.
pub(super) const WAITING: &str = "SELECT s.id, s.ended_at, COALESCE(a.tries, 0) AS tries, COALESCE(a.next_at, 0) AS next_at, a.trouble FROM \
    (SELECT id, ended_at FROM sessions WHERE ended_at IS NOT NULL UNION ALL SELECT id, ended_at FROM robot_sessions WHERE ended_at IS NOT NULL) s \
    LEFT JOIN archive_copies a ON a.id = s.id WHERE COALESCE(a.kept, 0) = 0";

impl Store {
    /// How the archive stands; `None` without one.
    ///
    /// # Errors
    /// Without the right to read the ledgers or the log.
    pub async fn archive(&self, actor: &Actor) -> Done<Option<ArchiveStanding>> {
        may(actor, Action::ReadLedger, None).or_else(|_| may(actor, Action::ReadLog, None))?;
        Ok(self.archive_standing().await?)
    }

    pub(crate) async fn archive_standing(&self) -> Result<Option<ArchiveStanding>, Fault> {
        let Some((vault, _)) = self.inner.archive.vault() else { return Ok(None) };
        let state = self.archive_state(vault.name()).await?;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let text = format!("SELECT COUNT(*) AS n, MIN(w.ended_at) AS since FROM ({WAITING}) w");
        let waiting = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_one(self.read()).await?;
        let kept = sqlx::query("SELECT COUNT(*) AS n FROM archive_copies WHERE kept = 1").fetch_one(self.read()).await?;
        let away = sqlx::query("SELECT COUNT(*) AS n FROM archive_copies WHERE kept = 1 AND local = 0").fetch_one(self.read()).await?;
        let text = format!("SELECT w.id, w.trouble FROM ({WAITING}) w WHERE w.trouble IS NOT NULL ORDER BY w.ended_at LIMIT 1");
        let stuck = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_optional(self.read()).await?;
        Ok(Some(ArchiveStanding {
            name: vault.name().to_owned(),
            kept: count(kept.try_get("n")?),
            away: count(away.try_get("n")?),
            waiting: count(waiting.try_get("n")?),
            waiting_since: waiting.try_get::<Option<i64>, _>("since")?.map(Timestamp),
            failing_since: state.failing_since,
            code: state.code,
            why: state.why,
            stuck: stuck.map(|row| Ok::<_, Fault>((row.try_get("id")?, row.try_get("trouble")?))).transpose()?,
        }))
    }

    pub(super) async fn archive_state(&self, name: &str) -> Result<StateRow, Fault> {
        let row = sqlx::query("SELECT failing_since, code, why, told, behind_told FROM archive_state WHERE name = $1").bind(name.to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(StateRow::default()) };
        Ok(StateRow {
            failing_since: row.try_get::<Option<i64>, _>("failing_since")?.map(Timestamp),
            code: row.try_get("code")?,
            why: row.try_get("why")?,
            told: row.try_get::<i64, _>("told")? != 0,
            behind_told: row.try_get::<i64, _>("behind_told")? != 0,
        })
    }

    /// Writes down how the archive stands, and what of it is new in the log.
    pub(super) async fn note_archive(&self, name: &str, trouble: Option<&Trouble>, behind: Option<(u64, Timestamp)>, tell: bool) -> Result<(), Fault> {
        let before = self.archive_state(name).await?;
        let quiet = before.failing_since.is_none() && trouble.is_none() && before.behind_told == behind.is_some();
        if quiet {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let since = trouble.map(|_| before.failing_since.unwrap_or(tx.now()));
        let (code, why) = (trouble.map(Trouble::code), trouble.map(|trouble| one_line(&trouble.to_string())));
        // Another reason is another thing to be told.
        let another = before.told && trouble.is_some() && before.code.as_deref() != code;
        let told = trouble.is_some() && (before.told || tell);
        let text = "INSERT INTO archive_state (name, failing_since, code, why, told, behind_told) VALUES ($1, $2, $3, $4, $5, $6) \
            ON CONFLICT (name) DO UPDATE SET failing_since = $2, code = $3, why = $4, told = $5, behind_told = $6";
        sqlx::query(text)
            .bind(name.to_owned())
            .bind(since.map(|at| at.0))
            .bind(code.map(str::to_owned))
            .bind(why.clone())
            .bind(i64::from(told))
            .bind(i64::from(behind.is_some()))
            .execute(tx.sql())
            .await?;
        match (code, why) {
            (Some(code), Some(why)) if (tell && !before.told) || another => {
                tracing::error!(archive = name, code, why, "ALARM: copies of recordings do not reach the archive");
                tx.fact(Fact::ArchiveTrouble { place: name.to_owned(), code: code.to_owned(), why });
            }
            (None, _) if before.told => tx.fact(Fact::ArchiveWorks { place: name.to_owned() }),
            _ => {}
        }
        if let Some((waiting, since)) = behind.filter(|_| !before.behind_told) {
            tracing::error!(archive = name, waiting, "ALARM: recordings have waited for the archive for too long");
            tx.fact(Fact::ArchiveBehind { place: name.to_owned(), waiting, since });
        }
        tx.commit().await
    }

    /// What the box knows of the copy of one recording.
    pub(crate) async fn archive_row(&self, session: &SessionId) -> Result<Option<ArchiveCopy>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM archive_copies WHERE id = $1 AND body IS NOT NULL").bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        row.map(|row| self.held(&row, since)).transpose()
    }

    /// Writes a copy's row and the fact that tells of it.
    pub(super) async fn save_copy(&self, tx: &mut Tx, copy: &ArchiveCopy, ended_at: Option<Timestamp>, fact: Fact) -> Result<(), Fault> {
        let body = serde_json::to_string(copy)?;
        let text = "INSERT INTO archive_copies (id, kept, local, ended_at, body) VALUES ($1, 1, $2, $3, $4) \
            ON CONFLICT (id) DO UPDATE SET kept = 1, local = $2, body = $4, tries = 0, next_at = 0, trouble = NULL";
        sqlx::query(text)
            .bind(copy.id.as_str().to_owned())
            .bind(i64::from(copy.local))
            .bind(ended_at.unwrap_or(copy.at).0)
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, copy, &body).await?;
        tx.fact(fact);
        Ok(())
    }

    /// Writes down that one recording could not be handed over, and when it is tried again.
    pub(super) async fn copy_failed(&self, session: &SessionId, ended_at: Timestamp, tries: i64, next: Timestamp, why: &str) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let text = "INSERT INTO archive_copies (id, kept, local, ended_at, tries, next_at, trouble) VALUES ($1, 0, 1, $2, $3, $4, $5) \
            ON CONFLICT (id) DO UPDATE SET kept = 0, tries = $3, next_at = $4, trouble = $5";
        sqlx::query(text).bind(session.as_str().to_owned()).bind(ended_at.0).bind(tries).bind(next.0).bind(one_line(why)).execute(tx.sql()).await?;
        tx.commit().await
    }

    /// The copy in the archive, for [`Store::copies_of`].
    pub(crate) async fn archived_copy(&self, session: &SessionId) -> Result<Option<RecordingCopy>, Fault> {
        let copy = self.archive_row(session).await?.filter(|copy| !copy.removed);
        Ok(copy.map(|copy| RecordingCopy { place: CopyPlace::Archive { name: copy.place }, bytes: copy.bytes, locked_until: copy.lock.map(|lock| lock.until) }))
    }

    /// Deletes the copy in the archive, if there is one and no lock holds it.
    pub(crate) async fn remove_archived(&self, session: &SessionId) -> Result<Option<(CopyPlace, CopyRemoval)>, Fault> {
        let Some(copy) = self.archive_row(session).await?.filter(|copy| !copy.removed) else { return Ok(None) };
        let place = CopyPlace::Archive { name: copy.place.clone() };
        if !self.clock_deletes() {
            return Ok(Some((place, CopyRemoval::Unknown("the clock of the box is in doubt".into()))));
        }
        // The date of the box's own row needs no answer, and an archive that forgot its lock is not asked to use that.
        if let Some(lock) = copy.lock.filter(|lock| self.now() < lock.until) {
            return Ok(Some((place, CopyRemoval::LockedUntil(lock.until))));
        }
        let vault = self.inner.archive.vault().filter(|(vault, _)| vault.name() == copy.place);
        let Some((vault, _)) = vault else {
            return Ok(Some((place, CopyRemoval::Unknown("the archive that has it is not configured".into()))));
        };
        let removal = match vault.remove(&copy.object, &copy.version).await {
            Ok(removed) => CopyRemoval::from(removed),
            Err(trouble) => CopyRemoval::Unknown(format!("{}: {trouble}", trouble.code())),
        };
        if removal == CopyRemoval::Gone {
            let mut tx = self.write(&Actor::system()).await?;
            let fact = Fact::ArchiveCopyRemoved { session: session.clone(), place: copy.place.clone() };
            self.save_copy(&mut tx, &ArchiveCopy { removed: true, ..copy }, None, fact).await?;
            tx.commit().await?;
        }
        Ok(Some((place, removal)))
    }

    /// Recordings that the archive has and the box as well, that ended before one moment and were not carried back since the
    /// other one; without the first `passed` of them.
    pub(super) async fn movable(&self, ended: Timestamp, back: Timestamp, passed: i64, most: i64) -> Result<Vec<SessionId>, Fault> {
        let text = "SELECT id FROM archive_copies WHERE kept = 1 AND ended_at <= $1 AND (local = 1 OR back_at IS NOT NULL) AND COALESCE(back_at, 0) <= $2 ORDER BY ended_at, id LIMIT $3 OFFSET $4";
        ids(&sqlx::query(text).bind(ended.0).bind(back.0).bind(most).bind(passed).fetch_all(self.read()).await?)
    }

    /// Copies that the archive was not asked for since this moment.
    pub(super) async fn unlooked(&self, since: Timestamp, most: i64) -> Result<Vec<SessionId>, Fault> {
        let text = "SELECT id FROM archive_copies WHERE kept = 1 AND looked_at <= $1 ORDER BY looked_at LIMIT $2";
        ids(&sqlx::query(text).bind(since.0).bind(most).fetch_all(self.read()).await?)
    }

    /// Rows that say a copy is kept, or need not be, without a seal that says so are taken for what they are: nothing.
    pub(super) async fn doubt_rows(&self) -> Result<(), Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT id, kept, local, body, seal FROM archive_copies WHERE kept <> 0").fetch_all(self.read()).await?;
        let mut doubted = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            let sound = if row.try_get::<i64, _>("kept")? == NOTHING_TO_KEEP {
                SessionId::parse(&id).is_some_and(|id| self.is_deleted(&id))
            } else {
                let body: Option<&str> = row.try_get("body")?;
                body.is_some() && self.held::<ArchiveCopy>(row, since).is_ok_and(|copy| copy.local == (row.try_get::<i64, _>("local").unwrap_or(1) != 0))
            };
            if !sound {
                doubted.push(id);
            }
        }
        if doubted.is_empty() {
            return Ok(());
        }
        self.inner.shelf.alarm(format!("What the box knew of {} copies in the archive was changed by somebody else; they are looked at and made again.", doubted.len()));
        let mut tx = self.write(&Actor::system()).await?;
        for id in doubted {
            sqlx::query("UPDATE archive_copies SET kept = 0, local = 1, tries = 0, next_at = 0 WHERE id = $1").bind(id).execute(tx.sql()).await?;
        }
        tx.commit().await
    }

    /// Whether the log tells that a recording was deleted, or set aside because it is damaged. By the signed entries alone: a row
    /// of the log that somebody else wrote keeps no recording from its copy.
    pub(super) fn is_deleted(&self, session: &SessionId) -> bool {
        self.board(|board| board.erased(session).is_some() || board.set_aside(session).is_some())
    }

    /// Writes down that there is nothing of a session that could be kept.
    pub(super) async fn nothing_to_keep(&self, session: &SessionId, ended_at: Timestamp) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let text = "INSERT INTO archive_copies (id, kept, local, ended_at) VALUES ($1, $2, 0, $3) ON CONFLICT (id) DO UPDATE SET kept = $2, local = 0, trouble = NULL";
        sqlx::query(text).bind(session.as_str().to_owned()).bind(NOTHING_TO_KEEP).bind(ended_at.0).execute(tx.sql()).await?;
        tx.commit().await
    }

    /// Sets a moment of a copy's row that decides nothing but when it is its turn again.
    pub(super) async fn mark_copy(&self, session: &SessionId, mark: Mark, at: Option<Timestamp>) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let text = match mark {
            Mark::Looked => "UPDATE archive_copies SET looked_at = COALESCE($2, 0) WHERE id = $1",
            Mark::Back => "UPDATE archive_copies SET back_at = $2 WHERE id = $1",
        };
        sqlx::query(text).bind(session.as_str().to_owned()).bind(at.map(|at| at.0)).execute(tx.sql()).await?;
        tx.commit().await
    }
}

/// A moment of a copy's row.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// The archive was asked for it.
    Looked,
    /// It was carried back.
    Back,
}

/// What `kept` holds for a session whose recording was deleted before it was copied.
const NOTHING_TO_KEEP: i64 = 2;

fn ids(rows: &[sqlx::any::AnyRow]) -> Result<Vec<SessionId>, Fault> {
    let ids = rows.iter().map(|row| row.try_get::<String, _>("id")).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.iter().filter_map(|id| SessionId::parse(id)).collect())
}
