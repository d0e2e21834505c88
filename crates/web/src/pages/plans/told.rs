//! From what the store tells to what a page shows.

use super::view::{Gate, Named, NamedTarget, Names, PlanPage, SessionLine, Told, cause_name};
use super::written;
use crate::call::{Call, Ctx};
use crate::stop::Stop;
use crate::words::Lang;
use sekisho_core::control::Standstill;
use sekisho_core::permission::Action;
use sekisho_core::ids::{PersonId, PlanId};
use sekisho_core::time::Timestamp;
use sekisho_store::{PlanView, SessionRow, Store};

/// The plan of the address, as the reader may see it.
pub(crate) async fn view(call: &Call) -> Result<PlanView, Stop> {
    let id = call.id("id", PlanId::parse)?;
    Ok(call.ctx.store().plan(call.ctx.actor()?, &id).await?)
}

/// The page of a plan.
pub(crate) fn page(ctx: &Ctx, view: &PlanView) -> Result<PlanPage, Stop> {
    let gate = Gate { host: ctx.house.settings.ssh_host.clone(), port: ctx.house.settings.ssh_port };
    let mut page = of(&Reader { store: ctx.store(), me: ctx.actor()?.person.as_ref(), gate: &gate, lang: ctx.lang, now: ctx.now() }, view);
    if !ctx.may(Action::ViewRecording) {
        // Without the moment a row leads to the session's facts instead of its recording.
        page.findings.iter_mut().for_each(|finding| finding.seconds = None);
    }
    Ok(page)
}

/// For whom a plan is told.
pub(crate) struct Reader<'a> {
    /// The store.
    pub store: &'a Store,
    /// The person, if it is one.
    pub me: Option<&'a PersonId>,
    /// Where workers connect.
    pub gate: &'a Gate,
    /// The language.
    pub lang: Lang,
    /// The present moment.
    pub now: Timestamp,
}

/// The page of a plan for a reader, who need not be at a page: documents are made of it, too.
pub(crate) fn of(reader: &Reader<'_>, view: &PlanView) -> PlanPage {
    let names = names(reader.store, view);
    PlanPage::of(Told {
        plan: &view.plan,
        digest: &view.digest,
        names: &names,
        loosened: &view.loosened,
        missing: &view.missing,
        sessions: view.sessions.iter().map(|row| line(row, reader.lang)).collect(),
        running: view.session_running,
        allowed: &view.allowed,
        duties: &view.duties,
        policy: reader.store.policy(),
        gate: reader.gate,
        me: reader.me,
        now: reader.now,
        lang: reader.lang,
    })
}

/// The name of a session's state for its chip.
pub(crate) fn state_of(row: &SessionRow) -> &'static str {
    match row.standing.as_ref().map(|standing| standing.state) {
        _ if !row.running => "ended",
        Some(Standstill::NoWitness) => "no_witness",
        Some(Standstill::Paused) => "paused",
        Some(Standstill::None) | None => "live",
    }
}

/// One session in a list.
pub(crate) fn line(row: &SessionRow, lang: Lang) -> SessionLine {
    let facts = &row.facts;
    let time = match facts.ended {
        Some(ended) => written::brief_span(facts.started, ended, lang),
        None => format!("{} 〜", written::brief(facts.started, lang)),
    };
    SessionLine {
        state: state_of(row),
        held: row.standing.as_ref().map_or(0, |standing| standing.held.len()),
        held_files: row.standing.as_ref().map_or(0, |standing| standing.held_files.len()),
        id: facts.session.to_string(),
        person: facts.person_name.clone(),
        target: facts.target_name.clone(),
        source: facts.source.clone(),
        account: facts.account.clone(),
        time,
        running: row.running,
        cause: cause_name(facts.cause.as_deref().unwrap_or("running")),
        commands: usize::try_from(row.commands).unwrap_or(usize::MAX),
        files: usize::try_from(row.files).unwrap_or(usize::MAX),
        plan: row.plan.to_string(),
        plan_number: row.plan_number.clone(),
        until_ms: 0,
        until: String::new(),
    }
}

fn names(store: &Store, view: &PlanView) -> Names {
    let mut names = Names::default();
    names.vendors.clone_from(&view.vendors);
    for (id, person) in &view.persons {
        let org = person.vendor.as_ref().and_then(|vendor| names.vendors.get(vendor)).cloned().unwrap_or_default();
        names.persons.insert(id.clone(), Named { name: person.name.clone(), login: person.login.clone(), org });
    }
    for (id, target) in &view.targets {
        let named = NamedTarget { name: target.name.clone(), title: target.title.clone(), witness: target.witness, quarantine: store.policy().quarantine_uploads.max(target.quarantine), personal_data: target.personal_data };
        names.targets.insert(id.clone(), named);
    }
    for (id, account) in &view.accounts {
        names.accounts.insert(id.clone(), (account.username.clone(), account.is_privileged()));
    }
    names
}
