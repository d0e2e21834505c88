//! Recorded sessions of Sekisho itself. They have no worker and no plan: an administrator's order stands behind them, and
//! the recording is opened, entered into the log and sealed like any other.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::{Ending, Sink, Writer};
use crate::secrets::random_id;
use crate::two_person::{Begun, SealedKey};
use crate::write::Tx;
use sekisho_core::desk::OpenRecording;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::target::{Account, Target};
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::Header;
use sqlx::Row;
use std::sync::Arc;

/// What stands in the header where sessions of workers name plan and person.
const NAME: &str = "sekisho-rotation";

/// A recording whose header is on disk and that no entry names yet. Dropped so, it is cleared away.
pub(super) struct Robot {
    session: SessionId,
    begun: Begun,
    writer: Arc<Writer>,
    sink: Sink,
}

impl Robot {
    /// Writes down that the session began. Part of the change that makes it necessary.
    ///
    /// # Errors
    /// [`Refusal::SealChanged`](sekisho_core::refusal::Refusal::SealChanged): the exchange is tried again later.
    pub(super) async fn enter(&self, store: &Store, tx: &mut Tx, account: &Account, target: &Target) -> Done<()> {
        store.still_sealed(&self.begun, target).await?;
        let header = self.writer.header_digest().to_string();
        let now = tx.now();
        sqlx::query("INSERT INTO robot_sessions (id, account, target, started_at, header_digest) VALUES ($1, $2, $3, $4, $5)")
            .bind(self.session.as_str().to_owned())
            .bind(account.id.as_str().to_owned())
            .bind(target.id.as_str().to_owned())
            .bind(now.0)
            .bind(header.clone())
            .execute(tx.sql())
            .await
            .map_err(Fault::from)?;
        tx.fact(Fact::RobotEntered {
            session: self.session.clone(),
            account: account.id.clone(),
            target: target.id.clone(),
            target_name: target.name.clone(),
            username: account.username.clone(),
            recording_header_digest: header,
        });
        Ok(())
    }

    /// For the one who works. `enter` was committed.
    pub(super) fn into_open(self) -> (SessionId, OpenRecording) {
        (self.session, OpenRecording::assertion(Box::new(self.sink)))
    }
}

impl Store {
    /// Opens the recording of a session of Sekisho itself.
    pub(super) async fn open_robot(&self, target: &Target) -> Done<Robot> {
        let session: SessionId = random_id()?;
        let SealedKey { key, wrapped_key, recipients, second } = self.recording_key(&target.id).await?;
        let header = Header {
            session: session.as_str().to_owned(),
            plan: NAME.to_owned(),
            target: target.id.as_str().to_owned(),
            person: NAME.to_owned(),
            protocol: "ssh".to_owned(),
            started_at: self.now().0,
            log_origin: self.inner.settings.origin.clone(),
            wrapped_key,
            recipients,
            second,
        };
        let begun = Begun::of(&header);
        let writer = self.inner.shelf.begin(session.clone(), header, key, Actor::system()).await?;
        let sink = self.inner.shelf.sink(&writer);
        Ok(Robot { session, begun, writer, sink })
    }

    /// True if the session is one of Sekisho itself.
    pub(crate) async fn is_robot(&self, session: &SessionId) -> Result<bool, Fault> {
        let text = "SELECT id FROM robot_sessions WHERE id = $1";
        Ok(sqlx::query(text).bind(session.as_str().to_owned()).fetch_optional(self.read()).await?.is_some())
    }

    /// Writes down that a session of Sekisho itself left. False if there is none of this id.
    pub(crate) async fn robot_left(tx: &mut Tx, session: &SessionId, ending: &Ending, ended_at: Timestamp) -> Result<bool, Fault> {
        let row = sqlx::query("SELECT ended_at FROM robot_sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        let Some(row) = row else { return Ok(false) };
        if row.try_get::<Option<i64>, _>("ended_at")?.is_some() {
            return Ok(true);
        }
        sqlx::query("UPDATE robot_sessions SET ended_at = $1, cause = $2, digest = $3, bytes = $4 WHERE id = $5")
            .bind(ended_at.0)
            .bind(ending.cause.as_str())
            .bind(ending.digest.to_string())
            .bind(crate::log::as_i64(ending.bytes))
            .bind(session.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        let fact = Fact::Left { session: session.clone(), cause: ending.cause, digest: ending.digest.to_string(), bytes: ending.bytes };
        tx.fact_by(Actor::system(), fact);
        Ok(true)
    }
}
