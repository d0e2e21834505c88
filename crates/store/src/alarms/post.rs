//! What waits for receivers, and who hands it over. Each receiver has a queue and a task of its own.
//!
//! Alarms lie as rows, written in the change that raised them; entries of the log lie in the log, and a receiver has a place in
//! it. Both leave with the receiver's yes: after a crash or a broken connection the last of them go once more, with the same
//! numbers.

use super::{COLUMNS, rank, read};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::secrets::{Place, Sealed};
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::alarm::Level;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::AlarmId;
use sekisho_core::letter::one_line;
use sekisho_core::limits;
use sekisho_core::outgoing::{AlarmTold, Handed, Piece, Receiver, ReceiverAsk, Takes, event, shortened};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Between two looks at what waits, if nobody rings.
const ROUND: Duration = Duration::from_secs(1);
fn queue_row(receiver: &str, n: i64) -> String {
    format!("{receiver}:{n}")
}

fn queued(row: &str) -> Place<'_> {
    Place { table: "alarm_queue", row, column: "body" }
}

/// Longest wait after a receiver took nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// A receiver, as pages and metrics show it.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiverRow {
    /// Its name in the configuration.
    pub name: String,
    /// What it takes.
    pub takes: Takes,
    /// Pieces or entries that wait.
    pub waiting: u64,
    /// Since when it takes nothing.
    pub down_since: Option<Timestamp>,
    /// What stands in the way.
    pub trouble: Option<String>,
}

/// A receiver's row.
struct Stand {
    next_seq: u64,
    down_since: Option<Timestamp>,
    told_down: bool,
    trouble: Option<String>,
}

impl Store {
    /// Lets what is told of an alarm wait for each receiver that takes it.
    pub(super) async fn queue_alarm(&self, tx: &mut Tx, told: &str, id: &AlarmId, by: &str, note: &str) -> Result<(), Fault> {
        let takers: Vec<ReceiverAsk> = self.inner.settings.receivers.iter().filter(|one| one.takes == Takes::Alarms).cloned().collect();
        if takers.is_empty() {
            return Ok(());
        }
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"))).bind(id.as_str().to_owned()).fetch_one(tx.sql()).await?;
        let (alarm, now) = (read(&row)?, tx.now());
        for taker in takers.iter().filter(|taker| rank(alarm.level) >= rank(taker.level)) {
            self.settle(tx, taker).await?;
            let row = sqlx::query("UPDATE receivers SET next_n = next_n + 1 WHERE name = $1 RETURNING next_n").bind(taker.name.clone()).fetch_one(tx.sql()).await?;
            let n: i64 = row.try_get("next_n")?;
            let told = AlarmTold {
                facility: self.facility(),
                event: told,
                id,
                what: &alarm.what,
                level: alarm.level,
                state: alarm.state,
                count: alarm.count,
                opened_at: alarm.opened_at,
                last_at: alarm.last_at,
                subject: &alarm.subject,
                url: self.alarm_url(id),
                by,
                note,
            };
            let piece = told.piece(u64::try_from(n).unwrap_or(0), now);
            let row = queue_row(&taker.name, n);
            let sealed = self.inner.keys.seal(queued(&row), serde_json::to_string(&piece)?.as_bytes())?;
            sqlx::query("INSERT INTO alarm_queue (receiver, n, alarm, made_at, body) VALUES ($1, $2, $3, $4, $5)")
                .bind(taker.name.clone())
                .bind(n)
                .bind(id.as_str().to_owned())
                .bind(now.0)
                .bind(STANDARD.encode(sealed.into_bytes()))
                .execute(tx.sql())
                .await?;
            sqlx::query("DELETE FROM alarm_queue WHERE receiver = $1 AND n <= $2").bind(taker.name.clone()).bind(n.saturating_sub(as_i64(limits::ALARMS_WAITING as u64))).execute(tx.sql()).await?;
        }
        Ok(())
    }

    /// Makes the row of a receiver if there is none: its place in the log is the end, or the beginning.
    async fn settle(&self, tx: &mut Tx, asked: &ReceiverAsk) -> Result<(), Fault> {
        let place = if asked.from_start { 0 } else { self.inner.log.size() };
        sqlx::query("INSERT INTO receivers (name, next_n, next_seq, told_down) VALUES ($1, 0, $2, 0) ON CONFLICT (name) DO NOTHING")
            .bind(asked.name.clone())
            .bind(as_i64(place))
            .execute(tx.sql())
            .await?;
        Ok(())
    }

    async fn stand_now(&self, name: &str) -> Result<Option<Stand>, Fault> {
        let row = sqlx::query("SELECT next_seq, down_since, told_down, trouble FROM receivers WHERE name = $1").bind(name.to_owned()).fetch_optional(self.read()).await?;
        row.map(|row| {
            Ok(Stand {
                next_seq: u64::try_from(row.try_get::<i64, _>("next_seq")?).unwrap_or(0),
                down_since: row.try_get::<Option<i64>, _>("down_since")?.map(Timestamp),
                told_down: row.try_get::<i64, _>("told_down")? != 0,
                trouble: row.try_get("trouble")?,
            })
        })
        .transpose()
    }

    /// Hands over to one receiver until the store is closed or the task is ended. Run it once for each, as a task of its own.
    pub async fn run_receiver(&self, asked: ReceiverAsk, receiver: Arc<dyn Receiver>) {
        let mut wait = ROUND;
        loop {
            if self.inner.log.is_closed() {
                return;
            }
            match self.hand_over(&asked, &receiver).await {
                Ok(true) => wait = ROUND,
                Ok(false) => wait = (wait * 2).min(LONGEST),
                Err(_) if self.inner.log.is_closed() => return,
                Err(denied) => {
                    tracing::error!(receiver = asked.name, %denied, "nothing could be handed to a receiver; the next round tries again");
                    wait = (wait * 2).min(LONGEST);
                }
            }
            if wait == ROUND {
                let _ = tokio::time::timeout(ROUND, self.inner.bells.queued.notified()).await;
            } else {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Hands over all that waits for a receiver, as [`Store::run_receiver`] does; false if it took something not.
    ///
    /// # Errors
    /// A fault of the store; what stands in the way of a receiver is none.
    pub async fn hand_over(&self, asked: &ReceiverAsk, receiver: &Arc<dyn Receiver>) -> Done<bool> {
        let mut stand = match self.stand_now(&asked.name).await? {
            Some(stand) => stand,
            None => {
                let mut tx = self.write(&Actor::system()).await?;
                self.settle(&mut tx, asked).await?;
                tx.commit().await?;
                self.stand_now(&asked.name).await?.ok_or_else(|| Fault::Damaged("a receiver has no row".into()))?
            }
        };
        loop {
            let (mut pieces, mut next) = match asked.takes {
                Takes::Alarms => self.alarm_pieces(&asked.name).await?,
                Takes::Events => self.event_pieces(asked, stand.next_seq).await?,
            };
            let Some(first) = pieces.first().cloned() else { return Ok(true) };
            let is_bare = self.is_refused_for_good(&asked.name, first.number);
            if is_bare {
                pieces = vec![first.bare()];
                next = match asked.takes {
                    Takes::Alarms => next,
                    Takes::Events => first.number + 1,
                };
            }
            let handed = match tokio::time::timeout(Duration::from_secs(2 * limits::RECEIVER_SECONDS as u64), receiver.hand(pieces)).await {
                Ok(handed) => handed,
                Err(_) => Handed::Later("it did not answer in time".into()),
            };
            let mut tx = self.write(&Actor::system()).await?;
            let handed = match handed {
                // Those before it were taken; with the next look it is the first.
                Handed::Refused { number, .. } if number > first.number && asked.takes == Takes::Events => {
                    stand.next_seq = number;
                    sqlx::query("UPDATE receivers SET next_seq = $2 WHERE name = $1").bind(asked.name.clone()).bind(as_i64(number)).execute(tx.sql()).await?;
                    tx.commit().await?;
                    continue;
                }
                Handed::Refused { why, .. } if is_bare => {
                    tx.fact(Fact::ReceiverSkipped { name: asked.name.clone(), number: first.number, why: one_line(&why), left_out: true });
                    Handed::Taken
                }
                Handed::Refused { why, .. } => {
                    self.note_refused_piece(&asked.name, first.number, tx.now());
                    Handed::Later(why)
                }
                Handed::Taken if is_bare => {
                    let why = stand.trouble.take().unwrap_or_default();
                    tx.fact(Fact::ReceiverSkipped { name: asked.name.clone(), number: first.number, why, left_out: false });
                    Handed::Taken
                }
                other => other,
            };
            match handed {
                Handed::Refused { .. } | Handed::Taken => {
                    match asked.takes {
                        Takes::Alarms => {
                            sqlx::query("DELETE FROM alarm_queue WHERE receiver = $1 AND n <= $2").bind(asked.name.clone()).bind(as_i64(next)).execute(tx.sql()).await?;
                        }
                        Takes::Events => stand.next_seq = next,
                    }
                    if stand.told_down {
                        tx.fact(Fact::ReceiverBack { name: asked.name.clone() });
                    }
                    (stand.down_since, stand.told_down) = (None, false);
                    sqlx::query("UPDATE receivers SET next_seq = $2, down_since = NULL, told_down = 0, trouble = NULL WHERE name = $1").bind(asked.name.clone()).bind(as_i64(stand.next_seq)).execute(tx.sql()).await?;
                    tx.commit().await?;
                }
                Handed::Later(why) => {
                    let (now, why) = (tx.now(), one_line(&why));
                    let since = stand.down_since.unwrap_or(now);
                    let late = !stand.told_down && since.plus(Duration::from_secs(limits::RECEIVER_DOWN_MINUTES as u64 * 60)) <= now;
                    if late {
                        let waiting = self.waiting_for(asked, stand.next_seq).await?;
                        tx.fact(Fact::ReceiverDown { name: asked.name.clone(), why: why.clone(), waiting });
                    }
                    sqlx::query("UPDATE receivers SET down_since = $2, told_down = $3, trouble = $4 WHERE name = $1")
                        .bind(asked.name.clone())
                        .bind(since.0)
                        .bind(i64::from(stand.told_down || late))
                        .bind(why.clone())
                        .execute(tx.sql())
                        .await?;
                    tx.commit().await?;
                    return Ok(false);
                }
            }
        }
    }

    /// Whether a piece was refused so often and for so long that it goes without its details.
    fn is_refused_for_good(&self, receiver: &str, number: u64) -> bool {
        let balking = self.inner.bells.balking.lock().unwrap_or_else(PoisonError::into_inner);
        let long = Duration::from_secs(limits::RECEIVER_REFUSAL_MINUTES as u64 * 60);
        balking.get(receiver).is_some_and(|(piece, times, since)| *piece == number && *times >= limits::RECEIVER_REFUSALS && since.plus(long) <= self.now())
    }

    fn note_refused_piece(&self, receiver: &str, number: u64, now: Timestamp) {
        let mut balking = self.inner.bells.balking.lock().unwrap_or_else(PoisonError::into_inner);
        let held = balking.entry(receiver.to_owned()).or_insert((number, 0, now));
        if held.0 != number {
            *held = (number, 0, now);
        }
        held.1 += 1;
    }

    /// The next alarms of a queue, and the number of the last of them. One at a time: each is an answer of its own.
    async fn alarm_pieces(&self, receiver: &str) -> Result<(Vec<Piece>, u64), Fault> {
        let row = sqlx::query("SELECT n, body FROM alarm_queue WHERE receiver = $1 ORDER BY n LIMIT 1").bind(receiver.to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok((Vec::new(), 0)) };
        let (n, body): (i64, String) = (row.try_get("n")?, row.try_get("body")?);
        let (number, name) = (u64::try_from(n).unwrap_or(0), queue_row(receiver, n));
        // What goes out is signed, so nobody who has the database alone writes it.
        let plain = STANDARD.decode(&body).ok().and_then(|sealed| self.inner.keys.unseal(queued(&name), &Sealed::from_bytes(sealed)).ok());
        let piece = match plain {
            Some(plain) => serde_json::from_slice::<Piece>(&plain)?,
            // Rows of a version that did not seal them are dealt with alike: they went out at its last hour, or are nobody's.
            None => {
                self.note_damaged("alarm_queue", &name, "changed");
                let now = self.now();
                Piece { number, at: now, sent: now, level: Level::Warning, kind: "unreadable".into(), fields: Vec::new(), text: format!("{{\"version\":1,\"number\":{number},\"event\":\"unreadable\"}}") }
            }
        };
        Ok((vec![Piece { sent: self.now(), ..piece }], number))
    }

    /// The next entries of the log, and the place after them.
    async fn event_pieces(&self, asked: &ReceiverAsk, from: u64) -> Result<(Vec<Piece>, u64), Fault> {
        let size = self.inner.log.size();
        if from >= size {
            return Ok((Vec::new(), from));
        }
        let rows = sqlx::query("SELECT seq, body FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3")
            .bind(as_i64(from))
            .bind(as_i64(size))
            .bind(as_i64(limits::EVENTS_AT_ONCE as u64))
            .fetch_all(self.read())
            .await?;
        let now = self.now();
        let (mut pieces, mut next) = (Vec::with_capacity(rows.len()), from);
        let logins = self.logins_of(&rows).await?;
        for row in &rows {
            let seq = u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(from);
            next = seq + 1;
            pieces.push(match serde_json::from_slice::<Entry>(row.try_get::<&[u8], _>("body")?) {
                // Of what a stranger typed only the beginning goes out: people type passwords into the wrong field.
                Ok(entry) if matches!(&entry.fact, Fact::Refused { login, .. } if !logins.contains(login)) => event(&shortened(entry), asked.format, self.host(), &self.inner.settings.origin, env!("CARGO_PKG_VERSION"), now),
                Ok(entry) => event(&entry, asked.format, self.host(), &self.inner.settings.origin, env!("CARGO_PKG_VERSION"), now),
                // The verifier tells what is wrong with it; the entries after it go on.
                Err(_) => Piece { number: seq, at: now, sent: now, level: Level::Warning, kind: "unreadable".into(), fields: vec![("seq".into(), seq.to_string())], text: format!("{{\"seq\":{seq},\"kind\":\"unreadable\"}}") },
            });
        }
        Ok((pieces, next))
    }

    /// The login names of refusals among these entries that somebody here has.
    async fn logins_of(&self, rows: &[AnyRow]) -> Result<BTreeSet<String>, Fault> {
        let mut logins = BTreeSet::new();
        for row in rows {
            if let Ok(Entry { fact: Fact::Refused { login, .. }, .. }) = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)
                && !logins.contains(&login)
                && self.is_login(&login).await?
            {
                logins.insert(login);
            }
        }
        Ok(logins)
    }

    /// The name of this box in what goes out.
    fn host(&self) -> &str {
        let authority = self.base_url().trim_start_matches("https://").split('/').next().unwrap_or_default();
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    }

    async fn waiting_for(&self, asked: &ReceiverAsk, next_seq: u64) -> Result<u64, Fault> {
        if asked.takes == Takes::Events {
            return Ok(self.inner.log.size().saturating_sub(next_seq));
        }
        let row = sqlx::query("SELECT COUNT(*) AS n FROM alarm_queue WHERE receiver = $1").bind(asked.name.clone()).fetch_one(self.read()).await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
    }

    /// The receivers of the configuration, and how they stand.
    ///
    /// # Errors
    /// Without the right to read alarms.
    pub async fn receivers(&self, actor: &Actor) -> Done<Vec<ReceiverRow>> {
        may(actor, Action::ReadAlarms, None)?;
        Ok(self.receiver_rows().await?)
    }

    pub(crate) async fn receiver_rows(&self) -> Result<Vec<ReceiverRow>, Fault> {
        let mut rows = Vec::new();
        for asked in &self.inner.settings.receivers {
            let row = sqlx::query("SELECT next_seq, down_since, trouble FROM receivers WHERE name = $1").bind(asked.name.clone()).fetch_optional(self.read()).await?;
            let size = self.inner.log.size();
            let (next_seq, down_since, trouble) = match row {
                Some(row) => (u64::try_from(row.try_get::<i64, _>("next_seq")?).unwrap_or(0), row.try_get::<Option<i64>, _>("down_since")?.map(Timestamp), row.try_get("trouble")?),
                None => (size, None, None),
            };
            rows.push(ReceiverRow { name: asked.name.clone(), takes: asked.takes, waiting: self.waiting_for(asked, next_seq).await?, down_since, trouble });
        }
        Ok(rows)
    }
}
