//! What of a job a reader should look at by themselves: commands that a rule named or no plan did, and what was deleted.

use super::{files, written};
use crate::call::Call;
use crate::stop::Stop;
use crate::words::{self, Lang};
use sekisho_core::control::Control;
use sekisho_core::facts::Fact;
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_core::reconcile::{Finding, Item, SessionFacts, Verdict};
use sekisho_store::{PlanView, SessionView};
use serde::Serialize;

/// Rows that a page lists; the sessions and the comparison have all of them.
const ROWS: usize = 100;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct Matter {
    /// End of the key of its word: `ruled`, `unplanned`, `deleted`.
    pub kind: &'static str,
    pub text: String,
    /// What the rule did and why.
    pub detail: String,
    pub person: String,
    pub place: String,
    pub seconds: u64,
    /// The session; its recording, if the reader may see it.
    pub href: String,
}

/// The rows, and how many had no room.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct Matters {
    pub rows: Vec<Matter>,
    pub more: usize,
}

/// Over all sessions of the plan that the reader may see.
pub(super) async fn of(call: &Call, view: &PlanView) -> Result<Matters, Stop> {
    let (lang, replays) = (call.ctx.lang, call.ctx.may(Action::ViewRecording));
    let mut sessions = files::sessions(call, view).await?;
    sessions.sort_by_key(|session| session.row.facts.started);
    let mut rows: Vec<Matter> = sessions.iter().flat_map(|session| of_session(&view.plan, session, lang, replays)).collect();
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    Ok(Matters { rows, more })
}

fn of_session(plan: &Plan, session: &SessionView, lang: Lang, replays: bool) -> Vec<Matter> {
    let facts = &session.row.facts;
    let ruled = session.entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Controlled { control: Control::Ruled { act, line, reason, .. }, .. } => {
            let at_ms = u64::try_from(facts.started.until(entry.at).as_millis()).unwrap_or(u64::MAX);
            let act = words::word(lang, &format!("rule_act.{}", act.as_str()));
            Some((at_ms, line.clone(), if reason.is_empty() { act } else { format!("{act}: {reason}") }))
        }
        _ => None,
    });
    gathered(&plan.findings, facts, ruled.collect(), replays)
}

/// A command that a rule named is not told a second time as unplanned.
fn gathered(findings: &[Finding], facts: &SessionFacts, ruled: Vec<(u64, String, String)>, replays: bool) -> Vec<Matter> {
    let named: Vec<String> = ruled.iter().map(|(_, line, _)| line.clone()).collect();
    let unplanned = findings
        .iter()
        .filter(|row| row.item == Item::Command && row.verdict == Verdict::NotPlanned && row.session.as_ref() == Some(&facts.session) && !named.contains(&row.actual))
        .map(|row| ("unplanned", row.at_ms.unwrap_or_default(), row.actual.clone(), String::new()));
    let deleted = facts.files.iter().filter(|file| file.ok && matches!(file.op.as_str(), "remove" | "rmdir")).map(|file| ("deleted", file.at_ms, file.path.clone(), String::new()));
    let mut all: Vec<(&'static str, u64, String, String)> = ruled.into_iter().map(|(at, line, detail)| ("ruled", at, line, detail)).chain(unplanned).chain(deleted).collect();
    all.sort_by_key(|(_, at, ..)| *at);
    all.into_iter()
        .map(|(kind, at_ms, text, detail)| Matter {
            kind,
            text,
            detail,
            person: facts.person_name.clone(),
            place: written::position(at_ms),
            seconds: at_ms / 1000,
            href: if replays { format!("/sessions/{}/replay#t={}", facts.session, at_ms / 1000) } else { format!("/sessions/{}", facts.session) },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::plans::sample;
    use sekisho_core::ids::SessionId;
    use sekisho_core::plan::state::PlanState;

    #[test]
    fn what_a_rule_named_what_no_plan_did_and_what_is_gone_is_listed_once_and_in_its_order() {
        let session = SessionId::from_random([1; 10]);
        let json = serde_json::json!({
            "session": session, "person": sample::person(1), "person_name": "田中 健一", "target": sekisho_core::ids::TargetId::from_random([1; 10]), "target_name": "ehr-db01",
            "account": "postgres", "source": "192.0.2.15", "started": 0, "ended": null, "cause": null, "functions": [], "commands": [],
            "files": [
                { "at_ms": 9_000, "op": "remove", "path": "/srv/old", "bytes": 0, "sha256": null, "ok": true },
                { "at_ms": 9_500, "op": "remove", "path": "/srv/kept", "bytes": 0, "sha256": null, "ok": false },
            ],
        });
        let facts: SessionFacts = serde_json::from_value(json).unwrap();
        let findings = sample::plan(PlanState::Confirm).findings;
        let told = |ruled: Vec<(u64, String, String)>| gathered(&findings, &facts, ruled, true).iter().map(|row| (row.kind, row.text.clone(), row.href.clone())).collect::<Vec<_>>();
        let link = |seconds: u64| format!("/sessions/{session}/replay#t={seconds}");
        let unplanned = "rm -rf /var/tmp/old-index";
        assert_eq!(told(Vec::new()), [("deleted", "/srv/old".to_owned(), link(9)), ("unplanned", unplanned.to_owned(), link(754))]);
        assert_eq!(told(vec![(754_000, unplanned.to_owned(), "通知".into())]), [("deleted", "/srv/old".to_owned(), link(9)), ("ruled", unplanned.to_owned(), link(754))]);
    }
}
