//! 完了報告: written by the worker over the recorded facts, returned by the planner, printed.

use super::act::{self, Verb};
use super::{files, matters, told, written};
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::Lang;
use minijinja::{Value, context};
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::{DiaryEntry, Plan, ReportContent};
use sekisho_core::reconcile::SessionFacts;
use sekisho_store::PlanView;

const WRITE: Verb = Verb { template: "plans/report.html", title: "report.write", action: Action::WriteReport, act: "submit_report" };
const RETURN: Verb = Verb { template: "plans/report/return.html", title: "do.return_report", action: Action::ConfirmReport, act: "return_report" };

pub(super) fn routes() -> Vec<Route> {
    let mut routes = act::pair("/plans/{id}/report", &WRITE, ask, submit);
    routes.extend(act::pair("/plans/{id}/report/return", &RETURN, ask_return, give_back));
    routes.push(Route::page("/plans/{id}/report/print", Access::May(Action::ReadPlan), print));
    routes
}

/// Why the planner returned the report, if that was the last thing that happened to it.
fn returned(plan: &Plan) -> String {
    let last = plan.trail.iter().rev().find(|entry| matches!(entry.act.as_str(), "submit_report" | "return_report"));
    last.filter(|entry| entry.act == "return_report").map(|entry| entry.remark.clone()).unwrap_or_default()
}

/// A report that came back is shown as it was written.
fn typed(plan: &Plan) -> Form {
    let Some(report) = &plan.report else { return Form::default() };
    let it = &report.content;
    let mut form = Form::of([
        ("result", it.result.as_str()),
        ("cause", &it.cause),
        ("prevention", &it.prevention),
        ("remaining", &it.remaining),
        ("versions", &it.versions),
        ("personal", if it.personal_data_used { "yes" } else { "no" }),
        ("personal_detail", &it.personal_data_detail),
    ]);
    for entry in &it.diary {
        form.push(field_of(&entry.session), entry.text.as_str());
    }
    form
}

/// The field of a session's entry in the work diary.
fn field_of(session: &SessionId) -> String {
    format!("diary_{session}")
}

/// The sessions on targets without a log, for which the report owes an entry of the work diary.
fn owing(view: &PlanView, form: &Form, lang: Lang) -> Vec<Value> {
    let owing = view.sessions.iter().filter(|session| session.facts.diary);
    let row = |facts: &SessionFacts| {
        let field = field_of(&facts.session);
        let typed = form.text(&field).to_owned();
        context! { field, typed, target => facts.target_name.as_str(), person => facts.person_name.as_str(), time => written::moment(facts.started, lang) }
    };
    owing.map(|session| row(&session.facts)).collect()
}

async fn ask(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let form = call.typed_or(typed(&view.plan));
    let diary = owing(&view, &form, call.ctx.lang);
    let form = Value::from_object(form);
    let files = files::moved(&call, &view).await?;
    let matters = matters::of(&call, &view).await?;
    WRITE.ask_with(call, &view, context! { form, diary, files => value(files), matters => value(matters), returned => returned(&view.plan) })
}

async fn submit(call: Call) -> Reply {
    let form = call.form();
    let text = |name: &str| form.text(name).replace("\r\n", "\n");
    let used = form.parse("personal", |text| match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    })?;
    let diary = form.pairs().iter().filter_map(|(name, text)| Some(DiaryEntry { session: name.strip_prefix("diary_").and_then(SessionId::parse)?, text: text.replace("\r\n", "\n") })).collect();
    let content = ReportContent {
        diary,
        result: text("result"),
        cause: text("cause"),
        prevention: text("prevention"),
        remaining: text("remaining"),
        versions: text("versions"),
        personal_data_used: used,
        personal_data_detail: text("personal_detail"),
    };
    act::done(&call, PlanAct::SubmitReport { content: Box::new(content) }).await
}

async fn ask_return(call: Call) -> Reply {
    RETURN.ask(call, context! {}).await
}

async fn give_back(call: Call) -> Reply {
    act::done(&call, PlanAct::ReturnReport { reason: act::reason(&call) }).await
}

async fn print(call: Call) -> Reply {
    let view = told::view(&call).await?;
    if view.plan.report.is_none() {
        return Err(Stop::not_found());
    }
    let sessions = files::printed(&call, &view).await?;
    let files = files::moved(&call, &view).await?;
    let checkpoint = call.ctx.store().checkpoint().map_err(|fault| Stop::Fault(fault.to_string()))?;
    let matters = matters::of(&call, &view).await?;
    let plan = told::page(&call.ctx, &view)?;
    let title = format!("{} {}", call.ctx.t("print.report_title"), plan.number);
    call.page_titled("print/report.html", &title, context! { plan => value(plan), sessions => value(sessions), files => value(files), matters => value(matters), checkpoint })
}
