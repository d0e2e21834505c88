//! The transaction: every change and its facts, together or not at all.

use crate::Store;
use crate::certificates::DeviceCertificate;
use crate::fault::Fault;
use crate::faults::Write;
use crate::log::{Head, Line};
use sekisho_core::desk::Recall;
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_evidence::checkpoint::SigningKey;
use sqlx::AnyConnection;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// The one connection that writes, and what it left behind.
#[derive(Default)]
pub(crate) struct Writer {
    /// `None` until it is opened, and after it broke.
    conn: Option<AnyConnection>,
    /// A transaction was begun and not ended.
    open: bool,
    /// The answer to a commit was lost, so memory may be behind the rows.
    unsure: bool,
    /// The store was closed; nothing is written any more.
    closed: bool,
}

impl Writer {
    /// A writer over an open connection.
    pub fn new(conn: AnyConnection) -> Self {
        Self { conn: Some(conn), ..Self::default() }
    }

    /// Nothing is written after this.
    pub fn close(&mut self) -> Option<AnyConnection> {
        self.closed = true;
        self.conn.take()
    }
}

/// One change in the making. Dropped without [`Tx::commit`], nothing has happened.
pub(crate) struct Tx {
    store: Store,
    writer: OwnedMutexGuard<Writer>,
    // Held here and not in the writer, so that there is always one; it goes back on commit or drop.
    conn: Option<AnyConnection>,
    actor: Actor,
    now: Timestamp,
    facts: Vec<(Actor, Fact)>,
    recalls: Vec<Recall>,
    certified: Vec<DeviceCertificate>,
    lines: Vec<sekisho_core::line::Line>,
    chart: Option<crate::ledger::Chart>,
    next_key: Option<Arc<SigningKey>>,
    posted: bool,
}

impl Store {
    /// Begins a change by `actor`. Waits until no other change is being made.
    pub(crate) async fn write(&self, actor: &Actor) -> Result<Tx, Fault> {
        let mut writer = self.inner.log.writer().lock_owned().await;
        if writer.closed {
            return Err(Fault::Closed);
        }
        let mut conn = match self.ready(&mut writer).await {
            Ok(conn) => conn,
            Err(first) => {
                // The connection may have been cut by the server. Once more with a fresh one; if that fails too, the
                // first reason is the telling one.
                writer.conn = None;
                writer.unsure = true;
                match self.ready(&mut writer).await {
                    Ok(conn) => conn,
                    Err(_) => return Err(first),
                }
            }
        };
        if writer.unsure {
            self.inner.log.catch_up(&mut conn, &self.inner.keys.terms()).await?;
            self.load_certificates().await?;
            self.load_older_lines().await?;
            self.load_chart().await?;
            writer.unsure = false;
        }
        let (now, jumped) = self.inner.log.tick(self.believed_now());
        let facts = jumped.map(|back_ms| (Actor::system(), Fact::ClockJumped { back_ms })).into_iter().collect();
        Ok(Tx { store: self.clone(), writer, conn: Some(conn), actor: actor.clone(), now, facts, recalls: Vec::new(), certified: Vec::new(), lines: Vec::new(), chart: None, next_key: None, posted: false })
    }

    /// A connection with a transaction begun on it.
    async fn ready(&self, writer: &mut Writer) -> Result<AnyConnection, Fault> {
        let mut conn = match writer.conn.take() {
            Some(conn) => conn,
            None => {
                let conn = self.inner.db.writer().await?;
                writer.open = false;
                conn
            }
        };
        if writer.open {
            sqlx::raw_sql("ROLLBACK").execute(&mut conn).await?;
            writer.open = false;
        }
        sqlx::raw_sql(self.inner.db.begin()).execute(&mut conn).await?;
        writer.open = true;
        Ok(conn)
    }
}

impl Tx {
    /// The moment of this change. Never earlier than the last entry of the log.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection, inside the transaction.
    pub fn sql(&mut self) -> &mut AnyConnection {
        self.conn.as_mut().unwrap_or_else(|| unreachable!("only commit and drop take the connection"))
    }

    /// The number that the next fact of this change will have.
    pub fn next_seq(&self) -> u64 {
        self.store.inner.log.size() + self.facts.len() as u64
    }

    /// Who makes this change.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Adds a fact by the actor of this change.
    pub fn fact(&mut self, fact: Fact) {
        self.facts.push((self.actor.clone(), fact));
    }

    /// Adds a fact by somebody else, such as the box itself.
    pub fn fact_by(&mut self, actor: Actor, fact: Fact) {
        self.facts.push((actor, fact));
    }

    /// Sends a word to running sessions once the change is durable.
    pub fn recall(&mut self, recall: Recall) {
        self.recalls.push(recall);
    }

    /// Tells the memory that handshakes ask of a certificate once the change is durable. It belongs to the change and
    /// not to whoever asked for it: a browser that goes away must not leave a revoked one standing.
    pub fn certified(&mut self, certificate: DeviceCertificate) {
        self.certified.push(certificate);
    }

    /// The same for a line, of which handshakes ask whether it admits an older version of TLS.
    pub fn lined(&mut self, line: sekisho_core::line::Line) {
        self.lines.push(line);
    }

    /// The same for the table of countries.
    pub fn charted(&mut self, chart: crate::ledger::Chart) {
        self.chart = Some(chart);
    }

    /// The key that the log is signed with next: it decides as soon as the change is durable, before anybody else writes.
    pub fn exchanged(&mut self, next: Arc<SigningKey>) {
        self.next_key = Some(next);
    }

    /// The store of this change.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Wakes whoever carries letters once the change is durable.
    pub fn posted(&mut self) {
        self.posted = true;
    }

    /// Makes the change and its facts durable.
    ///
    /// The work is done by a task of its own: a caller that is dropped half-way (a browser that goes away) cannot leave
    /// rows and memory in disagreement.
    pub async fn commit(self) -> Result<(), Fault> {
        match tokio::spawn(self.finish()).await {
            Ok(done) => done,
            Err(lost) => Err(Fault::Crypto(format!("a change could not be finished: {lost}"))),
        }
    }

    async fn finish(mut self) -> Result<(), Fault> {
        let head: &Head = &self.store.inner.log;
        let (first, key) = (head.size(), self.store.inner.keys.deciding());
        let mut lines = Vec::with_capacity(self.facts.len());
        for (place, (actor, fact)) in (first..).zip(std::mem::take(&mut self.facts)) {
            lines.push(Line::new(place, self.now, actor, fact, &key)?);
        }
        self.store.inner.faults.gate(Write::Sql)?;
        for line in &lines {
            line.insert(self.sql()).await?;
        }
        let committed = sqlx::raw_sql("COMMIT").execute(self.sql()).await;
        if let Err(error) = committed {
            // Whether the rows are there is not known. The next change reads it from the database first.
            self.writer.unsure = true;
            return Err(error.into());
        }
        self.writer.open = false;
        self.store.inner.log.advance(&lines);
        // Whoever writes next signs what decides with it.
        if let Some(next) = self.next_key.take() {
            self.store.inner.keys.change_log(|log| log.next = Some(next));
        }
        // Before the recalls: whoever is sent away and comes back at once is refused.
        for line in self.lines.drain(..) {
            self.store.inner.older_lines.put(line);
        }
        if let Some(chart) = self.chart.take() {
            self.store.inner.atlas.put(Some(chart));
        }
        for certificate in self.certified.drain(..) {
            self.store.remember(&certificate);
        }
        if self.posted {
            self.store.inner.bell.notify_one();
        }
        for recall in self.recalls.drain(..) {
            // Nobody listens while no gateway runs.
            let _ = self.store.inner.recall.send(recall);
        }
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.writer.conn = self.conn.take();
    }
}
