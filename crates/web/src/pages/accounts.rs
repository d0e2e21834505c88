//! アカウント管理: what concerns all accounts at once; each part has a page of its own.

mod locks;
mod passwords;

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use minijinja::{Value, context};
use sekisho_core::password::Paper;
use sekisho_core::permission::Action;

const READ: Access = Access::May(Action::ReadLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![Route::page("/accounts", READ, show)];
    routes.extend(locks::routes());
    routes.extend(passwords::routes());
    routes
}

/// One part of the page: where it leads, and what stands out there.
fn part(href: &str, icon: &str, key: &str, n: usize, tone: &str) -> Value {
    context! { href, icon, key, n, tone => if n > 0 { tone } else { "" } }
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let unused = store.tokens(actor).await?.iter().filter(|token| token.unused).count();
    let policy = store.policy();
    let unmet = Paper::ALL.into_iter().filter(|paper| !paper.is_met(policy)).count();
    let parts = vec![
        part("/tokens", "key", "tokens", unused, "warn"),
        part("/accounts/locks", "ban", "locks", store.locks(actor).await?.len(), "warn"),
        part("/accounts/passwords", "shield", "passwords", unmet, "warn"),
    ];
    call.page("accounts/show.html", "accounts.title", context! { parts })
}
