//! What an evidence bundle holds. Who took which one is in the log before the first byte leaves; the archive itself is made
//! elsewhere, from the published files, while it is sent.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::{DataFolder, as_i64};
use crate::plans::PlanView;
use sekisho_core::evidence::{EvidenceScope, may_take_all};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::bundle::SIGN_CONTEXT;
use sekisho_evidence::checkpoint::{self, Checkpoint, sign_bytes};
use sekisho_evidence::rotation::{self, ROTATIONS_DIR};
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Longest text of checkpoints that is handed in, in bytes.
const CHECKPOINTS_BYTES: usize = limits::EVIDENCE_CHECKPOINTS * 16 * 1024;

/// The wish for a bundle.
#[derive(Clone, Debug)]
pub struct EvidenceAsk {
    /// What it is about.
    pub scope: EvidenceScope,
    /// Put all entries of the log in.
    pub all_entries: bool,
    /// Why.
    pub reason: String,
    /// Checkpoints that were seen outside, one behind the other: the bundle shows that its log continues them.
    pub outside: String,
}

/// What goes into a bundle that somebody may take. Dropping it gives its place free.
pub struct Evidence {
    /// What it is about.
    pub scope: EvidenceScope,
    /// All entries of the log are in it.
    pub all_entries: bool,
    /// When it was asked for.
    pub made_at: Timestamp,
    /// The signed checkpoint, as text.
    pub note: String,
    /// What it covers.
    pub checkpoint: Checkpoint,
    /// The public key of the log.
    pub public_key: String,
    /// Numbers of its entries, ascending.
    pub seqs: Vec<u64>,
    /// Sizes of earlier heads that the log is shown to continue.
    pub earlier: Vec<u64>,
    /// Sessions whose recordings are in it.
    pub sessions: Vec<String>,
    /// Sessions in scope that have not ended.
    pub running: Vec<String>,
    /// Plans in it.
    pub plans: Vec<PlanView>,
    /// Exchanges of the log's key: path and content.
    pub rotations: Vec<(String, Vec<u8>)>,
    /// Where log and recordings lie.
    pub files: DataFolder,
    store: Store,
    _place: OwnedSemaphorePermit,
}

impl Evidence {
    /// Signs the manifest of this bundle.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, manifest: &[u8]) -> Result<String, Fault> {
        let key = self.store.inner.keys.log();
        let signature = sign_bytes(&key, SIGN_CONTEXT, manifest);
        signature.map(|signature| signature.to_string()).map_err(|breach| Fault::Crypto(breach.to_string()))
    }
}

/// What the log says of the sessions in scope.
#[derive(Default)]
struct Trace {
    entered: BTreeMap<String, u64>,
    left: BTreeSet<String>,
}

impl Store {
    /// Gathers what a bundle holds, and writes down who takes it.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for a scope that is not there; [`Refusal::BadField`] for a reason, a period
    /// or checkpoints that do not fit; [`Refusal::too_many`] beyond a limit.
    pub async fn take_evidence(&self, actor: &Actor, ask: &EvidenceAsk) -> Done<Evidence> {
        self.require(actor, Action::TakeEvidence, None, "take evidence").await?;
        if ask.all_entries
            && let Err(refusal) = may_take_all(actor)
        {
            self.note_refused_act(actor, "take evidence with all entries", &refusal).await;
            return Err(refusal.into());
        }
        check_text("reason", &ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(Refusal::bad_field("reason").into());
        }
        if let EvidenceScope::Period { from, until } = &ask.scope
            && until <= from
        {
            return Err(Refusal::bad_field("until").into());
        }
        let place = Arc::clone(&self.inner.bundles).try_acquire_owned().map_err(|_| Refusal::too_many("EVIDENCE_AT_ONCE"))?;
        self.publish().await?;
        let note = self.checkpoint()?;
        let key = self.inner.keys.log();
        let head = checkpoint::open(&note, key.public()).map_err(|breach| Fault::Damaged(format!("the checkpoint of the log: {breach}")))?;
        let mut earlier = outside_sizes(&ask.outside, &head)?;
        let rotations = self.key_exchanges(&mut earlier)?;
        let (seqs, trace) = self.in_scope(&ask.scope, head.size).await?;
        let seqs = if ask.all_entries { (0..head.size).collect() } else { seqs };
        if seqs.len() > limits::EVIDENCE_ENTRIES {
            return Err(Refusal::too_many("EVIDENCE_ENTRIES").into());
        }
        let mut order: Vec<(&u64, &String)> = trace.entered.iter().map(|(session, seq)| (seq, session)).collect();
        order.sort_unstable();
        let (ended, running): (Vec<&String>, Vec<&String>) = order.into_iter().map(|(_, session)| session).partition(|session| trace.left.contains(*session));
        let sessions: Vec<String> = ended.into_iter().cloned().collect();
        if sessions.len() > limits::EVIDENCE_RECORDINGS {
            return Err(Refusal::too_many("EVIDENCE_RECORDINGS").into());
        }
        let running = running.into_iter().cloned().collect();
        let mut plans = Vec::new();
        for plan in self.plans_in_scope(&ask.scope, &trace).await? {
            plans.push(self.plan(actor, &plan).await?);
        }
        let mut tx = self.write(actor).await?;
        let made_at = tx.now();
        tx.fact(Fact::EvidenceTaken {
            scope: ask.scope.clone(),
            all_entries: ask.all_entries,
            entries: seqs.len() as u64,
            recordings: sessions.len() as u64,
            size: head.size,
            root: head.root.to_string(),
            reason: ask.reason.clone(),
        });
        tx.commit().await?;
        Ok(Evidence {
            scope: ask.scope.clone(),
            all_entries: ask.all_entries,
            made_at,
            note,
            checkpoint: head,
            public_key: self.log_public_key(),
            seqs,
            earlier: earlier.into_iter().collect(),
            sessions,
            running,
            plans,
            rotations,
            files: self.folder(),
            store: self.clone(),
            _place: place,
        })
    }

    /// Numbers of the entries in scope, and what they say of its sessions.
    async fn in_scope(&self, scope: &EvidenceScope, size: u64) -> Done<(Vec<u64>, Trace)> {
        match scope {
            EvidenceScope::Session { session } => {
                let owner = self.owner_of(session).await?;
                owner.ok_or(Refusal::NotFound)?;
                let plan = self.plan_of(session.as_str()).await?;
                let text = "SELECT seq, kind, session FROM log WHERE (session = $1 OR (plan = $2 AND session IS NULL)) AND seq < $3 ORDER BY seq LIMIT $4";
                self.entries_of(text, session.as_str(), plan.as_deref().unwrap_or_default(), size).await
            }
            EvidenceScope::Plan { plan } => {
                let text = "SELECT seq, kind, session FROM log WHERE (plan = $1 OR session IN (SELECT id FROM sessions WHERE plan = $2)) AND seq < $3 ORDER BY seq LIMIT $4";
                self.entries_of(text, plan.as_str(), plan.as_str(), size).await
            }
            EvidenceScope::Period { from, until } => self.entries_in(*from, *until, size).await,
        }
    }

    async fn entries_of(&self, text: &'static str, one: &str, other: &str, size: u64) -> Done<(Vec<u64>, Trace)> {
        let rows = sqlx::query(text)
            .bind(one.to_owned())
            .bind(other.to_owned())
            .bind(as_i64(size))
            .bind(as_i64(limits::EVIDENCE_ENTRIES as u64 + 1))
            .fetch_all(self.read())
            .await?;
        let (mut seqs, mut trace) = (Vec::with_capacity(rows.len()), Trace::default());
        for row in &rows {
            seqs.push(trace.take(row)?);
        }
        Ok((seqs, trace))
    }

    /// All entries of a time, with the one before it and the one after it, which show that none is missing at its edges.
    async fn entries_in(&self, from: Timestamp, until: Timestamp, size: u64) -> Done<(Vec<u64>, Trace)> {
        let edge = |text: &'static str, at: Timestamp| sqlx::query(text).bind(at.0).bind(as_i64(size)).fetch_one(self.read());
        let before: Option<i64> = edge("SELECT MAX(seq) AS n FROM log WHERE at < $1 AND seq < $2", from).await?.try_get("n")?;
        let after: Option<i64> = edge("SELECT MIN(seq) AS n FROM log WHERE at >= $1 AND seq < $2", until).await?.try_get("n")?;
        let number = |seq: i64| u64::try_from(seq).unwrap_or(0);
        let first = before.map_or(0, number);
        let end = after.map_or(size, |seq| number(seq).saturating_add(1)).min(size);
        if end.saturating_sub(first) > limits::EVIDENCE_ENTRIES as u64 {
            return Err(Refusal::too_many("EVIDENCE_ENTRIES").into());
        }
        let text = "SELECT seq, kind, session FROM log WHERE kind IN ('entered', 'robot_entered', 'left') AND seq >= $1 AND seq < $2 ORDER BY seq";
        let rows = sqlx::query(text).bind(as_i64(first)).bind(as_i64(end)).fetch_all(self.read()).await?;
        let mut trace = Trace::default();
        for row in &rows {
            trace.take(row)?;
        }
        Ok(((first..end).collect(), trace))
    }

    async fn plan_of(&self, session: &str) -> Result<Option<String>, Fault> {
        let row = sqlx::query("SELECT plan FROM sessions WHERE id = $1").bind(session.to_owned()).fetch_optional(self.read()).await?;
        Ok(row.map(|row| row.try_get("plan")).transpose()?)
    }

    async fn plans_in_scope(&self, scope: &EvidenceScope, trace: &Trace) -> Done<BTreeSet<PlanId>> {
        let mut plans = BTreeSet::new();
        plans.extend(scope.plan().cloned());
        if scope.plan().is_none() {
            for session in trace.entered.keys() {
                let plan = self.plan_of(session).await?;
                plans.extend(plan.as_deref().and_then(PlanId::parse));
                if plans.len() > limits::EVIDENCE_PLANS {
                    return Err(Refusal::too_many("EVIDENCE_PLANS").into());
                }
            }
        }
        Ok(plans)
    }

    /// The files of the exchanges of the key, and the sizes of the heads that both keys signed.
    fn key_exchanges(&self, earlier: &mut BTreeSet<u64>) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let folder = self.folder().0.join(ROTATIONS_DIR);
        let names = match std::fs::read_dir(&folder) {
            Ok(names) => names,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(Fault::io("reading the exchanges of the key")(fault)),
        };
        let mut found = Vec::new();
        for name in names {
            let name = name.map_err(Fault::io("reading the exchanges of the key"))?;
            let Some(seq) = name.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) else { continue };
            let text = std::fs::read_to_string(name.path()).map_err(Fault::io("reading an exchange of the key"))?;
            if let Ok(rotation) = rotation::read(&seq.to_string(), &text) {
                earlier.insert(rotation.checkpoint.size);
            }
            found.push((seq, (rotation::path_of(seq), text.into_bytes())));
        }
        found.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(found.into_iter().map(|(_, file)| file).collect())
    }
}

impl Trace {
    /// Reads a row of an entry and gives its number.
    fn take(&mut self, row: &sqlx::any::AnyRow) -> Result<u64, Fault> {
        let seq = u64::try_from(row.try_get::<i64, _>("seq")?).map_err(|_| Fault::Damaged("a number of the log is negative".into()))?;
        let session: Option<&str> = row.try_get("session")?;
        if let Some(session) = session.and_then(SessionId::parse) {
            match row.try_get::<&str, _>("kind")? {
                "entered" | "robot_entered" => drop(self.entered.insert(session.to_string(), seq)),
                "left" => drop(self.left.insert(session.to_string())),
                _ => {}
            }
        }
        Ok(seq)
    }
}

/// Reads checkpoints that stand one behind the other. Whether they hold is for the verifier to say, who has them from
/// elsewhere; here only their sizes are asked for.
fn outside_sizes(text: &str, head: &Checkpoint) -> Result<BTreeSet<u64>, Refusal> {
    let bad = || Refusal::bad_field("outside");
    let text = text.replace("\r\n", "\n");
    if text.len() > CHECKPOINTS_BYTES {
        return Err(Refusal::too_many("EVIDENCE_CHECKPOINTS"));
    }
    let mut sizes = BTreeSet::new();
    let mut lines = text.split('\n').map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('\u{2014}') {
            continue;
        }
        // Three lines of a checkpoint: origin, size, root; its signatures are the lines with a dash.
        let size = lines.next().and_then(|size| size.parse::<u64>().ok()).ok_or_else(bad)?;
        lines.next().filter(|root| root.len() == 44).ok_or_else(bad)?;
        if line != head.origin || size > head.size || sizes.len() >= limits::EVIDENCE_CHECKPOINTS {
            return Err(bad());
        }
        sizes.insert(size);
    }
    Ok(sizes)
}

/// Places for bundles that are put together at once.
pub(crate) fn places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(limits::EVIDENCE_AT_ONCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_evidence::Digest;

    #[test]
    fn checkpoints_are_read_one_behind_the_other_and_no_other_text() {
        let head = Checkpoint { origin: "sekisho/kita".into(), size: 90, root: Digest::of(b"") };
        let note = |origin: &str, size: u64| format!("{origin}\n{size}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} {origin} AAAA\n");
        let read = |text: &str| outside_sizes(text, &head).map(|sizes| sizes.into_iter().collect::<Vec<_>>());
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read(&note("sekisho/kita", 17)), Ok(vec![17]));
        assert_eq!(read(&(note("sekisho/kita", 17) + "\n" + &note("sekisho/kita", 90)).replace('\n', "\r\n")), Ok(vec![17, 90]));
        for bad in [note("sekisho/kita", 91), note("sekisho/minami", 17), "hello".into(), "sekisho/kita\n17\nxx\n".into(), note("sekisho/kita", 17).repeat(1).replace("17", "-1")] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
