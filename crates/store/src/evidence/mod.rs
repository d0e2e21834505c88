//! What an evidence bundle holds. Who took which one is in the log before the first byte leaves; the archive itself is made
//! elsewhere, from the published files, while it is sent.

mod heads;
mod scope;

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::DataFolder;
use crate::plans::PlanView;
use heads::outside_sizes;
use sekisho_core::around::Case;
use sekisho_core::evidence::{EvidenceScope, bounded};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::hold::Hold;
use sekisho_core::limits;
use sekisho_core::log_review::LogReview;
use sekisho_core::people::Actor;
use sekisho_core::period_report::PeriodReport;
use sekisho_core::permission::Action;
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::bundle::{self, SIGN_CONTEXT};
use sekisho_evidence::checkpoint::{self, Checkpoint, SigningKey, sign_bytes};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Sessions of one bundle of which is asked whether they are held.
const HELD_ASKED: usize = 500;

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
    /// Who takes it.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// The entry that says so.
    pub taken: u64,
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
    /// Of a time: reviews of the log that were signed in it.
    pub reviews: Vec<LogReview>,
    /// Of a time: reports that were issued in it.
    pub reports: Vec<PeriodReport>,
    /// Reviews and reports of which its entries tell and which are not there as those say.
    pub lost: Vec<String>,
    /// The case, if it is about one.
    pub case: Option<EvidenceCase>,
    /// Holds (証拠保全) that keep plans or, up to a number, sessions in it at this moment.
    pub holds: Vec<Hold>,
    /// Files of the log that go in as they are: exchanges of its key, heads that witnesses signed, and time stamps.
    pub verbatim: Vec<(String, Vec<u8>)>,
    /// Where log and recordings lie.
    pub files: DataFolder,
    store: Store,
    key: Arc<SigningKey>,
    _place: OwnedSemaphorePermit,
}

/// A case and what was kept of its lines.
pub struct EvidenceCase {
    /// The case as it stands.
    pub case: Case,
    /// The line by which it was opened, if it is kept and is the one that its entry names.
    pub line: Option<String>,
    /// The lines round the one it stands for, with the time of their receipt.
    pub around: Vec<(Timestamp, String, bool)>,
}

impl Evidence {
    /// The first entries of the bundle, as many as a report tells.
    ///
    /// # Errors
    /// The published log cannot be read.
    pub fn entries(&self, most: usize) -> Result<Vec<Entry>, Fault> {
        let damaged = |breach: bundle::WriteBreach| Fault::Damaged(format!("the published log: {breach}"));
        let mut lines = Vec::new();
        bundle::entries(&self.files, self.checkpoint.size, self.seqs.get(..most).unwrap_or(&self.seqs), &mut lines).map_err(damaged)?;
        lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }

    /// Signs the manifest of this bundle and writes that down, before the manifest leaves.
    ///
    /// # Errors
    /// The key does not sign, or the log cannot be written.
    pub async fn sign(&self, manifest: &[u8]) -> Result<String, Fault> {
        let signature = sign_bytes(&self.key, SIGN_CONTEXT, manifest).map_err(|breach| Fault::Crypto(breach.to_string()))?;
        let mut tx = self.store.write(&self.actor).await?;
        tx.fact(Fact::EvidenceSigned { scope: self.scope.clone(), taken: self.taken, manifest: Digest::of(manifest).to_string() });
        tx.commit().await?;
        Ok(signature.to_string())
    }
}

impl Store {
    /// Gathers what a bundle holds, and writes down who takes it.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for a scope that is not there; [`Refusal::BadField`] for a reason, a period
    /// or checkpoints that do not fit; [`Refusal::too_many`] beyond a limit.
    pub async fn take_evidence(&self, actor: &Actor, ask: &EvidenceAsk) -> Done<Evidence> {
        self.require(actor, Action::TakeEvidence, None, "take evidence").await?;
        let scope = match bounded(&ask.scope, ask.all_entries, actor, self.now()) {
            Ok(scope) => scope,
            Err(refusal) => {
                if refusal == Refusal::NotAllowed {
                    self.note_refused_act(actor, "take evidence of a long time or with all entries", &refusal).await;
                }
                return Err(refusal.into());
            }
        };
        check_text("reason", &ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let place = Arc::clone(&self.inner.bundles).try_acquire_owned().map_err(|_| Refusal::too_many("EVIDENCE_AT_ONCE"))?;
        self.publish().await?;
        let note = self.checkpoint()?;
        // The key that signed the head signs the list of files, too, should it be exchanged in between.
        let key = self.inner.keys.log();
        let head = checkpoint::open(&note, key.public()).map_err(|breach| Fault::Damaged(format!("the checkpoint of the log: {breach}")))?;
        if ask.all_entries && head.size > limits::EVIDENCE_ENTRIES as u64 {
            return Err(Refusal::too_many("EVIDENCE_ENTRIES").into());
        }
        let mut earlier = outside_sizes(&ask.outside, &head)?;
        let (mut verbatim, exchanges) = self.key_exchanges(&mut earlier)?;
        verbatim.extend(self.cosigned(head.size, &mut earlier));
        let (found, place) = self.in_scope(&scope, ask.all_entries, &head, exchanges, place).await?;
        verbatim.extend(self.stamps(&found.seqs, head.size, &mut earlier)?);
        if found.ended.len() > limits::EVIDENCE_RECORDINGS {
            return Err(Refusal::too_many("EVIDENCE_RECORDINGS").into());
        }
        let case = match &scope {
            EvidenceScope::Case { case } => Some(self.case_of_evidence(actor, case, &found).await?),
            _ => None,
        };
        let mut plans = Vec::new();
        for plan in &found.plans {
            plans.push(self.plan(actor, plan).await?);
        }
        let papers = self.papers_in(&found).await?;
        let holds = self.holds_in(&found).await?;
        // A bundle holds the recordings themselves: those that lie in the archive alone are carried back.
        for session in found.ended.iter().filter_map(|id| sekisho_core::ids::SessionId::parse(id)) {
            self.at_hand(&session).await?;
        }
        let mut tx = self.write(actor).await?;
        let (made_at, taken) = (tx.now(), tx.next_seq());
        tx.fact(Fact::EvidenceTaken {
            scope: scope.clone(),
            all_entries: ask.all_entries,
            entries: found.seqs.len() as u64,
            recordings: found.ended.len() as u64,
            size: head.size,
            root: head.root.to_string(),
            reason: ask.reason.clone(),
        });
        tx.commit().await?;
        Ok(Evidence {
            scope,
            all_entries: ask.all_entries,
            actor: actor.clone(),
            reason: ask.reason.clone(),
            taken,
            made_at,
            note,
            checkpoint: head,
            public_key: key.public().to_string(),
            seqs: found.seqs,
            earlier: earlier.into_iter().collect(),
            sessions: found.ended,
            running: found.running,
            plans,
            reviews: papers.reviews,
            reports: papers.reports,
            lost: papers.lost,
            case,
            holds,
            verbatim,
            files: self.folder(),
            store: self.clone(),
            key,
            _place: place,
        })
    }
}

/// Places for bundles that are put together at once.
pub(crate) fn places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(limits::EVIDENCE_AT_ONCE))
}
