//! ルール: what happens to commands on each class of targets, and a box to try a command before a worker does.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::command::{CommandRule, Judge, RuleAct, Ruling, sets};
use sekisho_core::permission::Action;
use sekisho_core::target::{TargetClass, Witness};
use sekisho_store::{ClassRules, RulesChange};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// Longest line that can be tried.
const TRY_CHARS: usize = 2_000;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/rules", READ, show),
        Route::page("/rules/{class}/new", may_keep, show_add),
        Route::form("/rules/{class}/new", KEEP, add).again(show_add),
        Route::page("/rules/{class}/set", may_keep, show_set),
        Route::form("/rules/{class}/set", KEEP, set).again(show_set),
        Route::page("/rules/{class}/{at}/edit", may_keep, show_edit),
        Route::form("/rules/{class}/{at}/edit", KEEP, edit).again(show_edit),
        Route::form("/rules/{class}/{at}/move", KEEP, shift),
        Route::form("/rules/{class}/{at}/remove", KEEP, remove),
        Route::api(Method::GET, "/api/v1/rules", READ, "Command rules of each class of targets, in the order in which they are looked at.", api_list).gives::<Vec<RulesShape>>(),
        Route::api(Method::PUT, "/api/v1/rules/{class}", KEEP, "Put these rules in the place of all rules of a class.", api_put).takes::<RulesBody>().gives::<RulesShape>(),
        Route::api(Method::POST, "/api/v1/rules/{class}/try", READ, "What happens to a command line on this class of targets.", api_try).takes::<TryBody>().gives::<TryShape>(),
    ]
}

/// The rules of a class.
#[derive(Serialize, JsonSchema)]
struct RulesShape {
    /// The class.
    class: TargetClass,
    /// The rules; the first that names a command decides.
    rules: Vec<CommandRule>,
    /// To be named by the next change.
    version: u64,
}

impl From<ClassRules> for RulesShape {
    fn from(ClassRules { class, rules, version }: ClassRules) -> Self {
        Self { class, rules, version }
    }
}

/// The rules as they shall be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RulesBody {
    /// The rules, in their order.
    rules: Vec<CommandRule>,
    /// The version that was read.
    version: u64,
}

/// A command line to try.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TryBody {
    /// The line, as a worker would enter it.
    line: String,
}

/// What would happen to it.
#[derive(Serialize, JsonSchema)]
struct TryShape {
    /// What happens; `null` if no rule names it.
    act: Option<RuleAct>,
    /// The pattern that names it.
    pattern: String,
    /// The reason.
    reason: String,
    /// The part of the line that is named.
    part: String,
}

/// What a rule's form says.
fn read_rule(form: &Form) -> Result<CommandRule, Stop> {
    let rule = CommandRule { pattern: form.need("pattern")?.to_owned(), act: form.parse("act", RuleAct::parse)?, reason: form.text("reason").to_owned() };
    rule.check().map_err(|_| Stop::bad_field("pattern"))?;
    Ok(rule)
}

fn version(form: &Form) -> Result<u64, Stop> {
    form.parse("version", |text| text.parse().ok())
}

fn place(call: &Call) -> Result<usize, Stop> {
    call.id("at", |text| text.parse().ok())
}

fn class_of(call: &Call) -> Result<TargetClass, Stop> {
    call.id("class", TargetClass::parse)
}

async fn of_class(call: &Call, class: TargetClass) -> Result<ClassRules, Stop> {
    let all = call.ctx.store().command_rules(call.ctx.actor()?).await?;
    all.into_iter().find(|kept| kept.class == class).ok_or_else(Stop::not_found)
}

async fn change(call: &Call, change: RulesChange, done: &str) -> Reply {
    let class = class_of(call)?;
    call.ctx.store().change_rules(call.ctx.actor()?, class, version(call.form())?, change).await?;
    call.done(&format!("/rules?class={}", class.as_str()), done)
}

fn tried(kept: &ClassRules, line: &str) -> Option<Ruling> {
    Judge::new(kept.class, &kept.rules, &[], None, Witness::None).judge(line)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let class = TargetClass::parse(call.query().text("class")).unwrap_or_default();
    let all = ctx.store().command_rules(ctx.actor()?).await?;
    let kept = all.iter().find(|kept| kept.class == class).ok_or_else(Stop::not_found)?;
    let row = |(at, rule): (usize, &CommandRule)| {
        context! { at, pattern => rule.pattern.as_str(), act => rule.act.as_str(), reason => rule.reason.as_str() }
    };
    let rows: Vec<Value> = kept.rules.iter().enumerate().map(row).collect();
    let tabs: Vec<Value> = all.iter().map(|kept| context! { class => kept.class.as_str(), rules => kept.rules.len() }).collect();
    let line: String = call.query().text("line").chars().take(TRY_CHARS).collect();
    let outcome = (!line.is_empty()).then(|| {
        let ruling = tried(kept, &line);
        context! {
            act => ruling.as_ref().map(|ruling| ruling.act.as_str()),
            pattern => ruling.as_ref().map(|ruling| ruling.pattern.as_str()),
            reason => ruling.as_ref().map(|ruling| ruling.reason.as_str()),
            part => ruling.as_ref().map(|ruling| ruling.part.as_str()),
        }
    });
    let context = context! {
        class => class.as_str(),
        tabs,
        rows,
        version => kept.version,
        is_whole => kept.rules == sets::whole(class),
        has_set => !sets::whole(class).is_empty(),
        line,
        outcome,
        may_keep => ctx.may(Action::KeepLedger),
    };
    call.page("rules/list.html", "rules.title", context)
}

/// The acts as choices, with what each does.
fn acts(call: &Call) -> Vec<(&'static str, String, String)> {
    let one = |act: RuleAct| (act.as_str(), call.ctx.t(&format!("control.act_{}", act.as_str())), call.ctx.t(&format!("rules.act_help_{}", act.as_str())));
    RuleAct::ALL.into_iter().rev().map(one).collect()
}

fn rule_form(call: &Call, class: TargetClass, at: Option<usize>, version: u64, first: Form) -> Reply {
    let context = context! {
        form => Value::from_object(call.typed_or(first)),
        class => class.as_str(),
        at,
        version,
        acts => crate::view::value(acts(call)),
    };
    call.page("rules/form.html", if at.is_some() { "rules.edit" } else { "rules.add" }, context)
}

async fn show_add(call: Call) -> Reply {
    let class = class_of(&call)?;
    let kept = of_class(&call, class).await?;
    let first = Form::of([("pattern", call.query().text("pattern")), ("act", RuleAct::Hold.as_str()), ("first", "1")]);
    rule_form(&call, class, None, kept.version, first)
}

async fn add(call: Call) -> Reply {
    let before = call.form().has("first").then_some(0);
    change(&call, RulesChange::Add(read_rule(call.form())?, before), "rules.added").await
}

async fn show_edit(call: Call) -> Reply {
    let (class, at) = (class_of(&call)?, place(&call)?);
    let kept = of_class(&call, class).await?;
    let rule = kept.rules.get(at).ok_or_else(Stop::not_found)?;
    let first = Form::of([("pattern", rule.pattern.as_str()), ("act", rule.act.as_str()), ("reason", &rule.reason)]);
    rule_form(&call, class, Some(at), kept.version, first)
}

async fn edit(call: Call) -> Reply {
    change(&call, RulesChange::Change(place(&call)?, read_rule(call.form())?), "rules.changed").await
}

async fn shift(call: Call) -> Reply {
    let at = place(&call)?;
    let to = if call.form().text("to") == "up" { at.saturating_sub(1) } else { at.saturating_add(1) };
    change(&call, RulesChange::Move(at, to), "rules.moved").await
}

async fn remove(call: Call) -> Reply {
    change(&call, RulesChange::Remove(place(&call)?), "rules.removed").await
}

async fn show_set(call: Call) -> Reply {
    let class = class_of(&call)?;
    let kept = of_class(&call, class).await?;
    let row = |rule: &CommandRule| context! { pattern => rule.pattern.as_str(), act => rule.act.as_str(), reason => rule.reason.as_str(), held => kept.rules.contains(rule) };
    let rows: Vec<Value> = sets::whole(class).iter().map(row).collect();
    let first = Form::of([("set", "whole")]);
    let context = context! {
        form => Value::from_object(call.typed_or(first)),
        class => class.as_str(),
        version => kept.version,
        now => kept.rules.len(),
        whole => rows.len(),
        basic => sets::basic(class).len(),
        rows,
    };
    call.page("rules/set.html", "rules.set", context)
}

async fn set(call: Call) -> Reply {
    let (what, done) = match call.form().text("set") {
        "whole" => (RulesChange::Whole, "rules.set_whole_done"),
        "basic" => (RulesChange::Basic, "rules.set_basic_done"),
        "clear" => (RulesChange::Clear, "rules.set_clear_done"),
        _ => return Err(Stop::bad_field("set")),
    };
    change(&call, what, done).await
}

async fn api_list(call: Call) -> Reply {
    let all = call.ctx.store().command_rules(call.ctx.actor()?).await?;
    call.answer(&all.into_iter().map(RulesShape::from).collect::<Vec<_>>())
}

async fn api_put(call: Call) -> Reply {
    let class = class_of(&call)?;
    let RulesBody { rules, version } = call.json()?;
    let kept = call.ctx.store().change_rules(call.ctx.actor()?, class, version, RulesChange::All(rules)).await?;
    call.answer(&RulesShape::from(kept))
}

async fn api_try(call: Call) -> Reply {
    let class = class_of(&call)?;
    let TryBody { line } = call.json()?;
    let ruling = tried(&of_class(&call, class).await?, &line);
    let shape = match ruling {
        Some(ruling) => TryShape { act: Some(ruling.act), pattern: ruling.pattern, reason: ruling.reason, part: ruling.part },
        None => TryShape { act: None, pattern: String::new(), reason: String::new(), part: String::new() },
    };
    call.answer(&shape)
}
