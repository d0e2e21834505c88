//! 端末のログインの確認: a device asks by `sekisho connect`, and its person confirms here with a fresh factor.

use crate::call::{Call, Problem};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use minijinja::{Value, context};
use sekisho_core::ids::ConnectId;
use sekisho_core::permission::Action;
use sekisho_store::Denied;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may = Access::May(Action::ConnectDevice);
    vec![
        Route::page("/connect/{id}", may, show),
        Route::form("/connect/{id}", Access::MayStepUp(Action::ConnectDevice), confirm).again(show),
        // Declining only makes things safer, so it asks for no fresh factor; whose request it is, the store knows.
        Route::form("/connect/{id}/deny", Access::LoggedIn, deny).again(show),
    ]
}

fn id(call: &Call) -> Result<ConnectId, Stop> {
    call.id("id", ConnectId::parse)
}

async fn show(call: Call) -> Reply {
    let (ctx, id) = (&call.ctx, id(&call)?);
    let request = ctx.store().connect_request(ctx.login()?, &id).await?;
    let elsewhere = request.is_elsewhere(ctx.source);
    let form = call.typed_or(Form::default());
    // A code that is typed for nothing is one that cannot be used for what the person does next.
    let nothing = match ctx.store().connect_has_plan(ctx.login()?).await {
        Ok(()) => None,
        Err(Denied::Refusal(refusal)) => Some(Problem::of(&refusal, ctx.lang)),
        Err(denied) => return Err(denied.into()),
    };
    call.page(
        "connect.html",
        "connect.title",
        context! {
            id => id.as_str(),
            device => request.device_name,
            host => request.host,
            source => request.source.to_string(),
            here => ctx.source.to_string(),
            elsewhere,
            nothing => nothing.map(|problem| context! { text => problem.text, code => problem.code, next => problem.next }),
            form => Value::from_object(form),
            // One that is to be typed is not shown.
            code => (!elsewhere).then_some(request.code),
            until => request.until.0,
            hours => ctx.store().policy().ssh_login_hours,
        },
    )
}

async fn confirm(call: Call) -> Reply {
    let made = call.ctx.store().confirm_connect(call.ctx.login()?, &id(&call)?, call.form().text("shown_code")).await?;
    let until = made.ends_at.minute();
    call.ctx.note("success", call.ctx.t_with("connect.done", &[("device", &made.device_name), ("until", &until)]));
    call.see("/account/logins")
}

async fn deny(call: Call) -> Reply {
    call.ctx.store().deny_connect(call.ctx.login()?, &id(&call)?).await?;
    call.ctx.note("warning", call.ctx.t("connect.denied"));
    call.see("/account/logins")
}
