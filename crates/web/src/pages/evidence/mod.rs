//! 証拠一式: evidence bundles, asked for from a session, a plan, a case or for a time, and the list of those that were taken.

mod content;
mod document;

pub use content::{Hand, Wish, write_bundle};

use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::pages::log::sentence::scope_words;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::body::{Body, Bytes};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::evidence::{EvidenceScope, may_take_all};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{CaseId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::{EvidenceAsk, LogFilter, PlanView, SessionView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

const READ: Access = Access::May(Action::TakeEvidence);
const TAKE: Access = Access::MayStepUp(Action::TakeEvidence);
/// Rows of one page.
const ROWS: usize = 50;
/// Signatures that are looked through for the rows of a page.
const SIGNED_ROWS: usize = 500;
/// Pieces that may wait for a slow reader.
const PIECES: usize = 4;
/// Longest form: the checkpoints that may be handed in, and room for the rest.
const FORM_BYTES: usize = limits::EVIDENCE_CHECKPOINTS * 16 * 1024 * 3 + 64 * 1024;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/evidence", READ, list),
        Route::page("/evidence/new", READ, form),
        Route::form("/evidence/new", TAKE, take).again(form).up_to(FORM_BYTES),
        Route::api(Method::GET, "/api/v1/evidence", READ, "The evidence bundles that were taken, the newest first.", api_list).query::<Older>().gives::<Vec<Taken>>(),
        Route::api(Method::POST, "/api/v1/evidence", TAKE, "Take an evidence bundle.", api_take).takes::<TakeBody>().gives_file("application/zip").up_to(FORM_BYTES),
    ]
}

/// Which bundles.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "describes the query; the fields are read by name")]
struct Older {
    /// Entries below this number.
    before: Option<u64>,
}

/// A wish for a bundle.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TakeBody {
    /// What it is about.
    scope: EvidenceScope,
    /// Put all entries of the log in.
    #[serde(default)]
    all_entries: bool,
    /// Why.
    reason: String,
    /// Checkpoints that were seen outside, one behind the other.
    #[serde(default)]
    outside: String,
}

/// A bundle that was taken.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// The entry that tells of it.
    seq: u64,
    /// When.
    at: Timestamp,
    /// Who.
    by: String,
    /// What it is about.
    scope: EvidenceScope,
    /// All entries of the log are in it.
    all_entries: bool,
    /// Entries in it.
    entries: u64,
    /// Recordings in it.
    recordings: u64,
    /// Entries that its checkpoint covers.
    size: u64,
    /// Root of its checkpoint, hex.
    root: String,
    /// Why.
    reason: String,
    /// SHA-256 of its manifest, hex; `null` if it broke off.
    manifest: Option<String>,
}

/// The bundles that were taken, as the log tells of them.
async fn taken(call: &Call) -> Result<Vec<Taken>, Stop> {
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let before_seq = call.query().parse_opt("before", |text| text.parse().ok())?;
    let of = |kind: &str| LogFilter { kind: Some(kind.to_owned()), ..LogFilter::default() };
    let entries = store.log_entries(actor, &LogFilter { before_seq, rows: Some(ROWS), ..of("evidence_taken") }).await?;
    let mut manifests: BTreeMap<u64, String> = BTreeMap::new();
    if let (Some(newest), Some(oldest)) = (entries.first(), entries.last()) {
        // The signature follows the wish, at most as long after it as a bundle may take.
        let until = newest.at.plus(Duration::from_secs(limits::EVIDENCE_MINUTES as u64 * 60 + 60));
        let signed = store.log_entries(actor, &LogFilter { from: Some(oldest.at), until: Some(until), rows: Some(SIGNED_ROWS), ..of("evidence_signed") }).await?;
        manifests.extend(signed.into_iter().filter_map(|entry| if let Fact::EvidenceSigned { taken, manifest, .. } = entry.fact { Some((taken, manifest)) } else { None }));
    }
    let row = |entry: Entry| match entry.fact {
        Fact::EvidenceTaken { scope, all_entries, entries, recordings, size, root, reason } => {
            Some(Taken { seq: entry.seq, at: entry.at, by: entry.actor.name, scope, all_entries, entries, recordings, size, root, reason, manifest: manifests.get(&entry.seq).cloned() })
        }
        _ => None,
    };
    Ok(entries.into_iter().filter_map(row).collect())
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let taken = taken(&call).await?;
    let older = (taken.len() == ROWS).then(|| taken.last().map(|row| row.seq)).flatten();
    // Whose bundle has no signature yet may be on its way.
    let lately = ctx.now().minus(Duration::from_secs(limits::EVIDENCE_MINUTES as u64 * 60));
    let rows: Vec<Value> = taken
        .iter()
        .map(|row| {
            context! {
                seq => row.seq,
                at => row.at.0,
                by => row.by.as_str(),
                about => scope_words(ctx.lang, &row.scope),
                href => href(&row.scope),
                all_entries => row.all_entries,
                entries => row.entries,
                recordings => row.recordings,
                reason => row.reason.as_str(),
                manifest => row.manifest.as_deref(),
                on_its_way => row.manifest.is_none() && row.at > lately,
            }
        })
        .collect();
    call.page("evidence/list.html", "evidence.title", context! { rows, older })
}

/// The page of what a bundle is about.
fn href(scope: &EvidenceScope) -> Option<String> {
    match scope {
        EvidenceScope::Session { session } => Some(format!("/sessions/{session}")),
        EvidenceScope::Plan { plan } => Some(format!("/plans/{plan}")),
        EvidenceScope::Case { case } => Some(format!("/cases/{case}")),
        EvidenceScope::Period { .. } => None,
    }
}

/// What the address or the form asks for; `None` for a time that is not typed yet.
fn one_thing(form: &Form) -> Result<Option<EvidenceScope>, Stop> {
    if let Some(session) = form.parse_opt("session", SessionId::parse)? {
        return Ok(Some(EvidenceScope::Session { session }));
    }
    if let Some(plan) = form.parse_opt("plan", PlanId::parse)? {
        return Ok(Some(EvidenceScope::Plan { plan }));
    }
    Ok(form.parse_opt("case", CaseId::parse)?.map(|case| EvidenceScope::Case { case }))
}

/// What people call the thing that a bundle is about.
async fn called(ctx: &Ctx, scope: &EvidenceScope) -> Result<String, Stop> {
    let (store, actor) = (ctx.store(), ctx.actor()?);
    Ok(match scope {
        EvidenceScope::Session { session } => {
            let SessionView { row, .. } = store.session(actor, session).await?;
            format!("{} → {} {}", row.facts.person_name, row.facts.target_name, row.facts.started.minute())
        }
        EvidenceScope::Plan { plan } => {
            let PlanView { plan, .. } = store.plan(actor, plan).await?;
            format!("{} {}", plan.number, plan.content.title)
        }
        EvidenceScope::Case { case } => {
            let case = store.case(actor, case).await?;
            format!("{} {} {}", case.key.rule.short(), case.about, case.first.minute())
        }
        EvidenceScope::Period { .. } => String::new(),
    })
}

async fn form(call: Call) -> Reply {
    let ctx = &call.ctx;
    let sent = if call.problem.is_some() { call.form() } else { call.query() };
    let scope = one_thing(sent)?;
    let named = match &scope {
        Some(scope) => called(ctx, scope).await?,
        None => String::new(),
    };
    let first = Form::of([("from", ctx.now().minus(Duration::from_secs(7 * 86_400)).local().as_str()), ("until", ctx.now().local().as_str())]);
    let typed = call.typed_or(first);
    let kind = match &scope {
        Some(EvidenceScope::Session { .. }) => "session",
        Some(EvidenceScope::Plan { .. }) => "plan",
        Some(EvidenceScope::Case { .. }) => "case",
        _ => "period",
    };
    let id = sent.text(kind).to_owned();
    let back = scope.as_ref().and_then(href).unwrap_or_else(|| "/evidence".to_owned());
    let may_all = may_take_all(ctx.actor()?).is_ok();
    call.page("evidence/new.html", "evidence.new", context! { kind, id, named, back, may_all, days => limits::EVIDENCE_PERIOD_DAYS, form => Value::from_object(typed) })
}

async fn take(call: Call) -> Reply {
    let form = call.form();
    let scope = match one_thing(form)? {
        Some(scope) => scope,
        None => EvidenceScope::Period { from: form.parse("from", Timestamp::parse_local)?, until: form.parse("until", Timestamp::parse_local)? },
    };
    // Browsers send line ends as the network does.
    let outside = form.text("outside").replace("\r\n", "\n");
    send(&call, EvidenceAsk { scope, all_entries: form.has("all_entries"), reason: form.text("reason").to_owned(), outside }).await
}

async fn api_list(call: Call) -> Reply {
    call.answer(&taken(&call).await?)
}

async fn api_take(call: Call) -> Reply {
    let TakeBody { scope, all_entries, reason, outside } = call.json()?;
    send(&call, EvidenceAsk { scope, all_entries, reason, outside }).await
}

/// Gathers a bundle and sends it while it is put together.
async fn send(call: &Call, ask: EvidenceAsk) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let evidence = ctx.store().take_evidence(actor, &ask).await?;
    let name = content::file_name(&evidence, ctx.store().facility_id());
    let hand = Hand::gather(ctx.store(), actor).await?;
    let (sender, mut pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    let house = Arc::clone(&ctx.house);
    tokio::task::spawn_blocking(move || {
        let runtime = Handle::current();
        let mut pipe = Pipe { sender: sender.clone(), runtime: runtime.clone() };
        if let Err(fault) = write_bundle(&Wish { evidence: &evidence, hand: &hand, views: &house.views }, &mut pipe) {
            tracing::warn!(fault, "an evidence bundle was not put together to its end");
            // Without it the answer would end like a whole one, and only its missing directory would tell.
            let _ = runtime.block_on(sender.send(Err(io::Error::other("the bundle broke off"))));
        }
    });
    let patience = Duration::from_secs(limits::EVIDENCE_MINUTES as u64 * 60);
    let mut over = Box::pin(tokio::time::sleep(patience));
    let stream = futures_util::stream::poll_fn(move |context| {
        if std::future::Future::poll(over.as_mut(), context).is_ready() {
            pieces.close();
            return std::task::Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut))));
        }
        pieces.poll_recv(context)
    });
    download(&name, "application/zip", Body::from_stream(stream))
}

/// Hands pieces to whoever reads the answer, and waits for a slow one for a while.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let patience = Duration::from_secs(limits::EVIDENCE_STALL_SECONDS as u64);
        let sent = async { tokio::time::timeout(patience, self.sender.send(Ok(Bytes::copy_from_slice(bytes)))).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

