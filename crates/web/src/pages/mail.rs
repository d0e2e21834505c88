//! メールの送信: what waits for the mail server, and what did not arrive.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{MailId, PersonId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_store::MailRow;
use serde::Serialize;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::May(Action::KeepMail);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/mail", READ, show),
        Route::form("/mail/retry", KEEP, retry),
        Route::form("/mail/test", KEEP, test),
        Route::api(Method::GET, "/api/v1/mail", READ, "Outgoing mail: what waits and what was not delivered.", api_show).gives::<OutboxAnswer>(),
        Route::api(Method::POST, "/api/v1/mail/retry", KEEP, "Try all waiting mails again at once.", api_retry),
    ]
}

/// Outgoing mail.
#[derive(Serialize, JsonSchema)]
struct OutboxAnswer {
    /// A mail server is configured.
    set_up: bool,
    /// Mails that wait.
    waiting: u64,
    /// Those of them that have waited for hours.
    late: u64,
    /// Mails of the last 30 days that were not delivered.
    failed: u64,
    /// The newest, those that wait first.
    mails: Vec<MailAnswer>,
}

/// One mail, without its text.
#[derive(Serialize, JsonSchema)]
struct MailAnswer {
    /// Which.
    id: MailId,
    /// For whom; none for an address of the configuration.
    person: Option<PersonId>,
    /// The address.
    to: String,
    /// What it says: `invitation`, `reset`, `test` and so on.
    letter: String,
    /// `waiting`, `sent` or `failed`.
    state: &'static str,
    /// When it was written; Unix milliseconds.
    made_at: Timestamp,
    /// When it is tried next, while it waits.
    next_at: Timestamp,
    /// Tries so far.
    tries: u32,
    /// When it went or was given up.
    ended_at: Option<Timestamp>,
    /// What stood in the way last.
    trouble: Option<String>,
}

impl From<MailRow> for MailAnswer {
    fn from(row: MailRow) -> Self {
        let MailRow { id, person, to, letter, urgent: _, state, made_at, next_at, tries, ended_at, trouble } = row;
        Self { id, person, to, letter, state: state.as_str(), made_at, next_at, tries, ended_at, trouble }
    }
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let outbox = ctx.store().outbox(ctx.actor()?).await?;
    let rows: Vec<Value> = outbox.rows.iter().map(|row| context! { letter => ctx.t(&format!("mail.letter_{}", row.letter)), state => row.state.as_str(), row => value(row) }).collect();
    let has_address = ctx.login()?.person.mail.contains('@');
    call.page(
        "mail.html",
        "mail.title",
        context! { set_up => outbox.set_up, waiting => outbox.waiting, late => outbox.late, failed => outbox.failed, rows, hours => limits::MAIL_LATE_HOURS, may_keep => ctx.may(Action::KeepMail) && outbox.set_up, has_address },
    )
}

async fn retry(call: Call) -> Reply {
    call.ctx.store().retry_mail(call.ctx.actor()?).await?;
    call.done("/mail", "mail.retried")
}

async fn test(call: Call) -> Reply {
    match call.ctx.store().mail_test(call.ctx.actor()?).await {
        Ok(_) => call.done("/mail", "mail.tested"),
        Err(denied) if matches!(denied.refusal(), Refusal::BadField { .. }) => {
            call.ctx.note("warning", call.ctx.t("mail.no_address"));
            call.see("/mail")
        }
        Err(denied) => Err(denied.into()),
    }
}

async fn api_show(call: Call) -> Reply {
    let outbox = call.ctx.store().outbox(call.ctx.actor()?).await?;
    let mails = outbox.rows.into_iter().map(MailAnswer::from).collect();
    call.answer(&OutboxAnswer { set_up: outbox.set_up, waiting: outbox.waiting, late: outbox.late, failed: outbox.failed, mails })
}

async fn api_retry(call: Call) -> Reply {
    call.ctx.store().retry_mail(call.ctx.actor()?).await?;
    call.nothing()
}
