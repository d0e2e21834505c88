//! The common shape of an act on a plan: a page that asks, a form that does, the way back to the plan.

use super::told;
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use minijinja::value::Value;
use minijinja::context;
use sekisho_core::ids::PlanId;
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::refusal::Refusal;
use sekisho_store::PlanView;

/// The access of a form: with a fresh code where its action asks for one.
pub(super) fn access(action: Action) -> Access {
    if action.needs_step_up() { Access::MayStepUp(action) } else { Access::May(action) }
}

/// What tells one act from another.
pub(super) struct Verb {
    /// Template of the page.
    pub template: &'static str,
    /// Key of its title.
    pub title: &'static str,
    /// Its right.
    pub action: Action,
    /// Name of the act, without which the page has nothing to ask.
    pub act: &'static str,
}

impl Verb {
    /// The page that asks. Whoever may not do the act any more is told the plan's state; a form that comes back with
    /// its refusal is shown in any case, so that nothing typed is lost.
    pub(super) async fn ask(&self, call: Call, more: Value) -> Reply {
        let view = told::view(&call).await?;
        let form = Value::from_object(call.typed_or(Form::default()));
        self.ask_with(call, &view, context! { form, ..more })
    }

    /// The same for a page that has looked at the plan already and fills its form by itself.
    pub(super) fn ask_with(&self, call: Call, view: &PlanView, more: Value) -> Reply {
        if !view.allowed.contains(&self.act) && call.problem.is_none() {
            return Err(Refusal::WrongState { state: view.plan.state }.into());
        }
        let plan = told::page(&call.ctx, view)?;
        let needs_code = self.action.needs_step_up();
        let action = call.asked.uri.path().to_owned();
        call.page(self.template, self.title, context! { plan => crate::view::value(plan), action, needs_code, ..more })
    }
}

/// Does the act with the version of the page that it came from.
pub(super) async fn perform(call: &Call, act: PlanAct) -> Result<Plan, Stop> {
    let id = call.id("id", PlanId::parse)?;
    let version = call.form().parse("version", |text| text.parse().ok())?;
    Ok(call.ctx.store().act_on_plan(call.ctx.actor()?, &id, act, Some(version)).await?)
}

/// Does the act and goes back to the plan with the sentence that it is done.
pub(super) async fn done(call: &Call, act: PlanAct) -> Reply {
    let name = act.name();
    let plan = perform(call, act).await?;
    call.done(&format!("/plans/{}", plan.id), &format!("plans.done.{name}"))
}

/// The reason of the form, with the line breaks of the plan.
pub(super) fn reason(call: &Call) -> String {
    call.form().text("reason").replace("\r\n", "\n")
}

/// The two routes of an act whose page is `ask` and whose form is `submit`.
pub(super) fn pair<A, AFut, S, SFut>(path: &'static str, verb: &Verb, ask: A, submit: S) -> Vec<Route>
where
    A: Fn(Call) -> AFut + Clone + Send + Sync + 'static,
    AFut: Future<Output = Reply> + Send + 'static,
    S: Fn(Call) -> SFut + Send + Sync + 'static,
    SFut: Future<Output = Reply> + Send + 'static,
{
    vec![Route::page(path, Access::May(verb.action), ask.clone()), Route::form(path, access(verb.action), submit).again(ask)]
}

/// A form of one button on the plan's own page.
pub(super) fn press<F, Fut>(path: &'static str, action: Action, handler: F) -> Vec<Route>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Reply> + Send + 'static,
{
    vec![Route::form(path, access(action), handler).again(super::show::show)]
}
