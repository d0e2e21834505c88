//! The log (証跡): what was written, in words; its checkpoint and key; export and verification.

mod archive;
mod around;
mod reviewing;
mod certificates;
pub(in crate::pages) mod keeping;
pub(in crate::pages) mod sentence;
mod two_person;

pub use sentence::{controlled, sentence};

use super::spreadsheet::csv;
use crate::call::{Call, Ctx, answer, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::{Method, StatusCode};
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::facts::Entry;
use sekisho_core::ids::{PersonId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_core::people::Actor;
use sekisho_store::{Denied, LogFilter, Store};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

const READ: Access = Access::May(Action::ReadLog);
/// Rows of one page.
const ROWS: usize = 50;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/log", READ, list),
        Route::page("/log/export", READ, export),
        Route::page("/log/csv", READ, export_csv),
        Route::page("/log/verify", READ, show_verify),
        Route::form("/log/verify", READ, verify),
        Route::api(Method::GET, "/api/v1/log", READ, "Entries of the log, the newest first.", api_list).query::<LogQuery>().gives::<Vec<serde_json::Value>>(),
        Route::api(Method::GET, "/api/v1/log/export", READ, "Entries as JSON lines, the oldest first.", export).query::<LogQuery>().gives_file("application/x-ndjson"),
        Route::api(Method::GET, "/api/v1/log/checkpoint", READ, "The signed checkpoint, as published.", api_checkpoint).gives_file("text/plain"),
        Route::api(Method::GET, "/api/v1/log/key", READ, "The log's public key in verifier form.", api_key).gives::<KeyAnswer>(),
        Route::api(Method::POST, "/api/v1/log/verify", READ, "Verify log and recordings in place.", api_verify).gives::<serde_json::Value>(),
    ]
}

/// Which entries.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "describes the query; the fields are read by name")]
struct LogQuery {
    /// About this session.
    session: Option<SessionId>,
    /// About this plan.
    plan: Option<PlanId>,
    /// By this person.
    person: Option<PersonId>,
    /// Of this kind, such as `entered`.
    kind: Option<String>,
    /// First day, `YYYY-MM-DD`, Japanese time.
    from: Option<String>,
    /// Last day, `YYYY-MM-DD`, Japanese time.
    until: Option<String>,
    /// Numbers below this one.
    before: Option<u64>,
}

/// The log's public key.
#[derive(Serialize, JsonSchema)]
struct KeyAnswer {
    /// C2SP verifier form: name, hash and key.
    key: String,
}

/// Kinds in the order of the form.
const KINDS: &[&str] = &[
    "entered", "left", "dialled", "cut_asked", "controlled", "marked", "refused_inside", "file_moved", "view_began", "view_ended", "file_taken", "held_file_taken", "evidence_taken", "evidence_signed", "log_taken", "searched", "plan_drawn", "plan_acted", "file_attached", "reconciled", "escalated", "identified",
    "refused", "logged_in", "logged_out", "stepped_up", "locked_out", "unlocked", "person_added", "person_changed", "enrolment_issued", "enrolled", "mail_address_changed", "vendor_kept", "line_kept", "countries_taken", "device_kept", "target_kept", "credential_kept",
    "certificate_issued", "ssh_authority", "test_asked", "test_ended", "host_keys_seen", "host_key_alarmed", "host_key_decided",
    "key_window_opened", "key_window_used", "key_window_closed", "key_window_expired",
    "passkey_added", "passkey_removed", "passkey_used", "passkey_cloned", "recovery_made", "recovery_used", "authenticator_replaced", "identity_checked", "identity_proof_read", "link_opened",
    "source_locked", "source_unlocked", "dormant_disabled", "leaver_noted", "leaver_ended", "privilege_kept", "review_started", "review_answered", "review_closed", "review_disabled", "token_made", "token_ended", "token_refused",
    "device_authority", "device_code_issued", "device_code_failed", "device_code_ended", "device_certified", "device_certificate_ended", "certificate_refused",
    "person_linked", "link_pinned", "person_unlinked", "directory_ended", "directory_roles_lost", "directory_doubted", "directory_odd",
    "ssh_login_issued", "ssh_login_ended", "connect_denied", "login_ended", "everybody_logged_out",
    "emergency_opened", "emergency_tried", "emergency_closed", "emergency_reviewed", "emergency_kept", "emergency_ended", "emergency_code_used", "envelope_made", "envelopes_seen",
    "mail_written", "mail_sent", "mail_late", "mail_failed",
    "alarm_raised", "alarm_escalated", "alarm_acknowledged", "alarm_closed", "recording_trouble", "publisher_stuck", "ends_soon", "disk_low", "receiver_down", "receiver_back", "receiver_skipped",
    "auditor_key_kept", "recording_archived", "recording_moved_out", "recording_fetched", "archive_copy_bad", "archive_copy_removed", "archive_lock_prolonged", "archive_trouble", "archive_works", "archive_behind",
    "second_key_kept", "viewing_asked", "viewing_agreed", "viewing_declined", "viewing_withdrawn", "viewing_ended",
    "log_source_kept", "log_imported", "row_damaged", "log_turned_away", "log_segments_dropped", "case_opened", "case_decided", "login_allow_kept",
    "log_review_scheduled", "log_review_opened", "log_review_judged", "log_review_signed", "log_review_returned", "log_review_confirmed", "report_issued", "report_noted", "report_recounted", "duty_late",
    "started", "clock_jumped",
];

fn filter(query: &Form) -> Result<LogFilter, Stop> {
    let day = |text: &str| parse_date(text).map(|date| Timestamp::from_jst(date, 0, 0));
    Ok(LogFilter {
        session: query.parse_opt("session", SessionId::parse)?,
        plan: query.parse_opt("plan", PlanId::parse)?,
        person: query.parse_opt("person", PersonId::parse)?,
        kind: query.parse_opt("kind", |text| (text.len() <= limits::LOG_KIND_CHARS && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then(|| text.to_owned()))?,
        from: query.parse_opt("from", day)?,
        until: query.end_of_day_opt("until")?,
        before_seq: query.parse_opt("before", |text| text.parse().ok())?,
        rows: Some(ROWS),
    })
}

/// Display names for the identifiers that entries hold, as far as this person may read the ledgers.
#[derive(Default)]
pub struct LogNames {
    names: BTreeMap<String, String>,
}

impl LogNames {
    /// Reads the ledgers.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn read(ctx: &Ctx) -> Result<Self, Stop> {
        if ctx.may(Action::ReadLedger) { Ok(Self::gather(ctx.store(), ctx.actor()?).await?) } else { Ok(Self::default()) }
    }

    /// Reads the ledgers for somebody who may.
    ///
    /// # Errors
    /// Without the right; a fault of the store.
    pub async fn gather(store: &Store, actor: &Actor) -> Result<Self, Denied> {
        let mut names = BTreeMap::new();
        names.extend(store.persons(actor).await?.into_iter().map(|row| (row.person.id.to_string(), row.person.name)));
        names.extend(store.vendors(actor).await?.into_iter().map(|vendor| (vendor.id.to_string(), vendor.name)));
        names.extend(store.targets(actor).await?.into_iter().map(|row| (row.target.id.to_string(), row.target.title)));
        Ok(Self { names })
    }

    /// The name, or the identifier where none is known.
    #[must_use]
    pub fn of(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// An entry for a template: number, time, who, what, and where to look.
#[must_use]
pub fn entry(ctx: &Ctx, names: &LogNames, entry: &Entry) -> Value {
    let via = serde_json::to_value(entry.actor.via).ok().and_then(|via| via.as_str().map(str::to_owned)).unwrap_or_default();
    context! {
        seq => entry.seq,
        at => entry.at.0,
        who => entry.actor.name.as_str(),
        login => entry.actor.login.as_str(),
        via => ctx.t(&format!("log.via_{via}")),
        source => entry.actor.source.as_deref().unwrap_or_default(),
        what => sentence(ctx.lang, names, &entry.fact),
        session => entry.fact.session().map(|id| id.as_str()),
        plan => entry.fact.plan().map(|id| id.as_str()),
        tone => sentence::tone(&entry.fact),
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let query = call.query();
    let entries = ctx.store().log_entries(ctx.actor()?, &filter(query)?).await?;
    let names = LogNames::read(ctx).await?;
    let rows: Vec<Value> = entries.iter().map(|held| entry(ctx, &names, held)).collect();
    let older = (entries.len() == ROWS).then(|| entries.last().map(|last| last.seq)).flatten();
    let people = if ctx.may(Action::ReadLedger) { ctx.store().persons(ctx.actor()?).await? } else { Vec::new() };
    let people: Vec<(String, String)> = people.into_iter().map(|row| (row.person.id.to_string(), row.person.name)).collect();
    let kinds: Vec<(&str, String)> = KINDS.iter().map(|kind| (*kind, ctx.t(&format!("log.kind_{kind}")))).collect();
    call.page(
        "log/list.html",
        "log.title",
        context! {
            rows,
            older,
            kept => chosen(query, &["session", "plan", "person", "kind", "from", "until"]),
            form => Value::from_object(query.clone()),
            people => crate::view::value(people),
            kinds => crate::view::value(kinds),
            checkpoint => checkpoint(ctx)?,
            key => ctx.store().log_public_key(),
            can_take_evidence => ctx.may(Action::TakeEvidence),
        },
    )
}

fn checkpoint(ctx: &Ctx) -> Result<String, Stop> {
    ctx.store().checkpoint().map_err(|fault| Stop::Fault(fault.to_string()))
}

/// The entries of an export, the oldest first. Who takes them is written down before this gives them.
async fn exported(call: &Call, form: &'static str) -> Result<Vec<Entry>, Stop> {
    let (ctx, query) = (&call.ctx, call.query());
    let asked = filter(query)?;
    Ok(ctx.store().export_log(ctx.actor()?, &asked, form, &chosen(query, &["session", "plan", "person", "kind", "from", "until", "before"])).await?)
}

/// What entries are chosen by, as the address has it. Each value was read by [`filter`] before.
fn chosen(query: &Form, names: &[&str]) -> String {
    let kept: Vec<String> = names.iter().filter(|name| !query.text(name).is_empty()).map(|name| format!("{name}={}", query.text(name))).collect();
    kept.join("&")
}

fn export_name(ctx: &Ctx, end: &str) -> String {
    format!("sekisho-log-{}.{end}", ctx.now().minute().replace([' ', ':'], "-"))
}

async fn export(call: Call) -> Reply {
    let entries = exported(&call, "jsonl").await?;
    let lines = entries.iter().map(serde_json::to_string).collect::<Result<Vec<String>, _>>()?;
    download(&export_name(&call.ctx, "jsonl"), "application/x-ndjson", lines.join("\n") + "\n")
}

/// The same for spreadsheets: when, from where, who and what (feature S0-073).
async fn export_csv(call: Call) -> Reply {
    let ctx = &call.ctx;
    let entries = exported(&call, "csv").await?;
    let names = LogNames::read(ctx).await?;
    let heads = ["number", "at", "source", "login", "name", "kind", "what", "session", "plan"];
    let mut rows: Vec<Vec<Cow<'_, str>>> = vec![heads.iter().map(|head| Cow::Owned(ctx.t(&format!("log.csv_{head}")))).collect()];
    for held in &entries {
        rows.push(vec![
            held.seq.to_string().into(),
            held.at.second().into(),
            held.actor.source.as_deref().unwrap_or_default().into(),
            held.actor.login.as_str().into(),
            held.actor.name.as_str().into(),
            held.fact.kind().into(),
            sentence(ctx.lang, &names, &held.fact).into(),
            held.fact.session().map(|id| id.as_str()).unwrap_or_default().into(),
            held.fact.plan().map(|id| id.as_str()).unwrap_or_default().into(),
        ]);
    }
    download(&export_name(ctx, "csv"), "text/csv; charset=utf-8", csv(rows))
}

async fn show_verify(call: Call) -> Reply {
    call.see("/log")
}

/// The result is the answer itself: it is a reading of this moment, and a reload asks before it reads again.
async fn verify(call: Call) -> Reply {
    let ctx = &call.ctx;
    let verdict = ctx.store().verify_now().await?;
    let findings: Vec<Value> = verdict
        .findings
        .iter()
        .map(|finding| {
            let text = if ctx.lang == crate::words::Lang::Ja { finding.ja.as_str() } else { finding.what.as_str() };
            context! { code => finding.code, place => finding.place.as_str(), text }
        })
        .collect();
    call.page(
        "log/verify.html",
        "log.verify",
        context! {
            ok => verdict.ok,
            entries => verdict.entries,
            recordings => verdict.recordings,
            first_bad => verdict.first_bad.as_deref(),
            findings,
            more => verdict.more_findings,
            checkpoint => checkpoint(ctx)?,
            key => ctx.store().log_public_key(),
            at => ctx.now().0,
        },
    )
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().log_entries(call.ctx.actor()?, &filter(call.query())?).await?)
}

async fn api_checkpoint(call: Call) -> Reply {
    answer(StatusCode::OK, "text/plain; charset=utf-8", checkpoint(&call.ctx)?)
}

async fn api_key(call: Call) -> Reply {
    call.answer(&KeyAnswer { key: call.ctx.store().log_public_key() })
}

async fn api_verify(call: Call) -> Reply {
    call.answer(&call.ctx.store().verify_now().await?)
}
