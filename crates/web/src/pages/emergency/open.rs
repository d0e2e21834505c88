//! The page on which an emergency account is opened. It needs no login, no directory and no mail, and works without script.

use crate::call::Call;
use crate::form::Form;
use crate::pages::login::begun;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use minijinja::{Value, context};
use sekisho_core::emergency::{EmergencyCause, OpeningClaim};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/emergency", Access::Public, show), Route::form("/emergency", Access::Public, open).again(show)]
}

async fn show(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    let causes: Vec<(&str, String)> = EmergencyCause::ALL.into_iter().map(|cause| (cause.as_str(), call.ctx.t(&format!("emergency.cause_{}", cause.as_str())))).collect();
    call.page("emergency/open.html", "emergency.open_title", context! { form => Value::from_object(form), causes => crate::view::value(causes), persons => call.ctx.store().policy().emergency_persons })
}

async fn open(call: Call) -> Reply {
    let form = call.form();
    let claim = OpeningClaim {
        openers: vec![form.text("opener").to_owned(), form.text("opener2").to_owned()],
        cause: EmergencyCause::parse(form.text("cause")).ok_or_else(|| Stop::bad_field("cause"))?,
        reason: form.text("reason").to_owned(),
    };
    let new = call.ctx.store().open_emergency(form.text("login"), form.secret("password"), form.secret("card"), &claim, call.ctx.origin()).await?;
    begun(&call, new).await
}
