//! ロック中の一覧: names and sources that must wait after failures, and the way to let them in again.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use minijinja::{Value, context};
use sekisho_core::permission::Action;
use sekisho_store::{Lock, LockSubject};

pub(super) fn routes() -> Vec<Route> {
    let lift = Access::May(Action::UnlockPerson);
    vec![
        Route::page("/accounts/locks", super::READ, list),
        Route::page("/accounts/locks/lift", lift, show_lift),
        Route::form("/accounts/locks/lift", lift, do_lift).again(show_lift),
    ]
}

fn row(lock: &Lock) -> Value {
    let (kind, name) = match &lock.of {
        LockSubject::Login(login) => ("login", login),
        LockSubject::Source(source) => ("source", source),
        LockSubject::TokenSource(source) => ("token_source", source),
        LockSubject::EmergencySource(source) => ("emergency_source", source),
    };
    context! {
        subject => lock.subject.as_str(),
        kind,
        name => name.as_str(),
        person => lock.person.as_ref().map(|(id, _)| id.as_str()),
        person_name => lock.person.as_ref().map(|(_, name)| name.as_str()),
        until => lock.until.0,
        locks => lock.locks,
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let locks = ctx.store().locks(ctx.actor()?).await?;
    let rows: Vec<Value> = locks.iter().map(row).collect();
    call.page("accounts/locks.html", "lock.title", context! { rows, may_lift => ctx.may(Action::UnlockPerson) })
}

/// What the address, or the form that comes back, names.
async fn named(call: &Call) -> Result<Lock, Stop> {
    let sent = call.form().text("subject");
    let subject = if sent.is_empty() { call.query().text("subject") } else { sent };
    let locks = call.ctx.store().locks(call.ctx.actor()?).await?;
    locks.into_iter().find(|lock| lock.subject == subject).ok_or_else(Stop::not_found)
}

async fn show_lift(call: Call) -> Reply {
    let lock = named(&call).await?;
    let form = call.typed_or(Form::default());
    call.page("accounts/lift.html", "lock.lift", context! { form => Value::from_object(form), row => row(&lock) })
}

async fn do_lift(call: Call) -> Reply {
    let (subject, reason) = (call.form().text("subject"), call.form().text("reason"));
    call.ctx.store().lift_lock(call.ctx.actor()?, subject, reason).await?;
    call.done("/accounts/locks", "lock.lifted")
}
