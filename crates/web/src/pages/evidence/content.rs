//! From what the store gathered to what the archive holds.

use super::document;
use crate::pages::log::LogNames;
use crate::pages::plans::view::Gate;
use crate::view::Views;
use sekisho_bundle::{Content, Document, PackFault, pack};
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::people::Actor;
use sekisho_core::limits;
use sekisho_core::plan::Plan;
use sekisho_evidence::bundle::{Approvals, Head, Lacking, PlanFile, REPORT, Scope, SignedApproval, line_of_case, of_paper, of_plan};
use sekisho_store::{Denied, Evidence, Store};
use std::io::Write;
use tokio::runtime::Handle;

/// A bundle could not be put together.
pub type Unwritten = String;

/// What documents of a bundle need beside the evidence: the names of the ledgers.
pub struct Hand {
    pub(super) store: Store,
    pub(super) names: LogNames,
    pub(super) gate: Gate,
}

impl Hand {
    /// Reads the ledgers as far as the actor may.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn gather(store: &Store, actor: &Actor) -> Result<Self, Denied> {
        let names = LogNames::gather(store, actor).await?;
        // No document says how a worker connects.
        Ok(Self { store: store.clone(), names, gate: Gate { host: String::new(), port: 0 } })
    }
}

/// What is written.
pub struct Wish<'a> {
    /// What the store gathered.
    pub evidence: &'a Evidence,
    /// Names and the like.
    pub hand: &'a Hand,
    /// The templates.
    pub views: &'a Views,
}

/// The name under which a bundle is saved.
#[must_use]
pub fn file_name(evidence: &Evidence, facility: &str) -> String {
    let about = match &evidence.scope {
        EvidenceScope::Session { session } => session.to_string(),
        EvidenceScope::Plan { plan } => plan.to_string(),
        EvidenceScope::Case { case } => case.to_string(),
        EvidenceScope::Period { from, until } => format!("{}_{}", sekisho_core::time::format_date(from.date()), sekisho_core::time::format_date(until.date())),
    };
    format!("evidence-{facility}-{about}.zip")
}

fn scope_of(scope: &EvidenceScope) -> Scope {
    match scope {
        EvidenceScope::Session { session } => Scope::Session { session: session.to_string() },
        EvidenceScope::Plan { plan } => Scope::Plan { plan: plan.to_string() },
        EvidenceScope::Case { case } => Scope::Case { case: case.to_string() },
        EvidenceScope::Period { from, until } => Scope::Period { from: from.0, until: until.0 },
    }
}

/// Puts a bundle together and hands its bytes to `out`. Belongs on a thread that may wait.
///
/// # Errors
/// What went wrong, in words for the program's log. What was written by then is no archive.
pub fn write_bundle(wish: &Wish<'_>, out: &mut dyn Write) -> Result<(), Unwritten> {
    let Wish { evidence, hand, .. } = wish;
    let mut documents: Vec<Document> = evidence.verbatim.iter().map(|(path, bytes)| Document { path: path.clone(), bytes: bytes.clone() }).collect();
    for view in &evidence.plans {
        let html = document::plan(wish, view).map_err(|fault| format!("{fault:#}"))?;
        for (part, bytes) in [(PlanFile::Html, html.into_bytes()), (PlanFile::Json, json(&view.plan)?), (PlanFile::Signed, view.plan.signed_bytes()), (PlanFile::Approvals, json(&approvals(&view.plan)?)?)] {
            let path = of_plan(view.plan.id.as_str(), part).ok_or_else(|| format!("no file for {}", view.plan.id))?;
            documents.push(Document { path, bytes });
        }
    }
    for review in &evidence.reviews {
        let html = document::review(wish, review).map_err(|fault| format!("{fault:#}"))?;
        documents.extend(paper("reviews", review.id.as_str(), html, review.signed_bytes())?);
    }
    for report in &evidence.reports {
        let html = document::period_report(wish, report).map_err(|fault| format!("{fault:#}"))?;
        documents.extend(paper("reports", report.id.as_str(), html, report.issued_bytes())?);
    }
    if let Some(case) = &evidence.case
        && let Some(line) = &case.line
    {
        let path = line_of_case(case.case.id.as_str()).ok_or_else(|| format!("no file for {}", case.case.id))?;
        documents.push(Document { path, bytes: line.clone().into_bytes() });
    }
    let entries = evidence.entries(limits::EVIDENCE_REPORTED).map_err(|fault| fault.to_string())?;
    let report = document::report(wish, &entries).map_err(|fault| format!("{fault:#}"))?;
    documents.push(Document { path: REPORT.to_owned(), bytes: report.into_bytes() });
    let content = Content {
        facility: hand.store.facility().to_owned(),
        origin: evidence.checkpoint.origin.clone(),
        made_at: evidence.made_at.0,
        scope: scope_of(&evidence.scope),
        all_entries: evidence.all_entries,
        checkpoint: evidence.note.clone(),
        head: Head { size: evidence.checkpoint.size, root: evidence.checkpoint.root },
        public_key: evidence.public_key.clone(),
        seqs: evidence.seqs.clone(),
        earlier: evidence.earlier.clone(),
        sessions: evidence.sessions.clone(),
        lacking: evidence.running.iter().map(|session| Lacking { session: session.clone(), why: "running".to_owned() }).collect(),
        plans: evidence.plans.iter().map(|view| view.plan.id.to_string()).collect(),
        documents,
    };
    let runtime = Handle::current();
    let sign = |manifest: &[u8]| runtime.block_on(evidence.sign(manifest)).map_err(|fault| fault.to_string());
    pack(&content, &evidence.files, &sign, out).map_err(|fault: PackFault| fault.to_string())
}

/// A paper to read, and the bytes whose digest the log names.
fn paper(folder: &str, id: &str, html: String, bytes: Vec<u8>) -> Result<[Document; 2], Unwritten> {
    let path = |kind: &str| of_paper(folder, id, kind).ok_or_else(|| format!("no file for {id}"));
    Ok([Document { path: path("html")?, bytes: html.into_bytes() }, Document { path: path("json")?, bytes }])
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Unwritten> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|fault| fault.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn approvals(plan: &Plan) -> Result<Approvals, Unwritten> {
    let mut approvals = Vec::new();
    for approval in &plan.approvals {
        approvals.push(SignedApproval {
            slot: format!("{:?}", approval.slot),
            by: approval.by.to_string(),
            name: approval.name.clone(),
            at: approval.at.0,
            digest: approval.digest.parse().map_err(|_| format!("an approval of {} has no digest", plan.id))?,
            signature: approval.signature.clone(),
        });
    }
    Ok(Approvals { plan: plan.id.to_string(), approvals })
}
