//! 退職・契約終了: a last day and a reason, and the sheet that confirms that everything has ended.

use super::find;
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use minijinja::{Value, context};
use sekisho_core::ids::PersonId;
use sekisho_core::permission::Action;
use sekisho_store::LeaveAsk;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/persons/{id}/leave", Access::May(Action::KeepLedger), show_leave),
        Route::form("/persons/{id}/leave", Access::MayStepUp(Action::KeepLedger), leave).again(show_leave),
        Route::page("/persons/{id}/leaver", Access::May(Action::ReadLedger), sheet),
    ]
}

async fn show_leave(call: Call) -> Reply {
    let row = find(&call).await?;
    let mut first = Form::default();
    first.push("last_day", sekisho_core::time::format_date(call.ctx.now().date()));
    let form = call.typed_or(first);
    call.page("persons/leave.html", "leaver.title", context! { form => Value::from_object(form), id => row.person.id.as_str(), name => row.person.name })
}

async fn leave(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let form = call.form();
    let ask = LeaveAsk {
        last_day: form.date_opt("last_day")?.ok_or_else(|| Stop::bad_field("last_day"))?,
        at_once: form.text("when") == "at_once",
        reason: form.text("reason").to_owned(),
    };
    call.ctx.store().person_leaves(call.ctx.actor()?, &id, ask).await?;
    call.done(&format!("/persons/{id}/leaver"), "leaver.noted")
}

async fn sheet(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ctx = &call.ctx;
    let sheet = ctx.store().leaver_sheet(ctx.actor()?, &id).await?.ok_or_else(Stop::not_found)?;
    let vendor = match &sheet.person.vendor {
        Some(vendor) => crate::pages::vendors::name(ctx, vendor).await,
        None => None,
    };
    let ended = sheet.leaver.ended;
    let count = |name: &str| match name {
        "logins" => Some(ended.logins),
        "keys" => Some(ended.keys),
        "tokens" => Some(ended.tokens),
        "links" => Some(ended.links),
        "sessions" => Some(ended.sessions),
        _ => None,
    };
    let rows: Vec<Value> = sheet.left.iter().map(|(name, left)| context! { key => *name, left => *left, ended => count(name) }).collect();
    let robots: Vec<Value> = sheet.robots.iter().map(|(id, name)| context! { id => id.as_str(), name => name.as_str() }).collect();
    let active = sheet.person.may_act(ctx.now());
    let clear = !active && sheet.left.iter().all(|(_, left)| *left == 0);
    call.page(
        "persons/leaver.html",
        "leaver.sheet",
        context! {
            id => sheet.person.id.as_str(),
            name => sheet.person.name,
            login => sheet.person.login,
            vendor,
            department => sheet.person.department,
            last_day => sheet.leaver.last_day,
            reason => sheet.leaver.reason,
            noted_by => sheet.leaver.noted_by,
            noted_at => sheet.leaver.noted_at.0,
            ended_at => sheet.leaver.ended_at.map(|at| at.0),
            active,
            rows,
            robots,
            plans => sheet.plans,
            clear,
            printed => ctx.now().0,
        },
    )
}
