//! アカウント管理: what concerns all accounts at once; each part has a page of its own.

mod dormant;
mod everybody;
mod locks;
mod passwords;
mod privileges;

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
    routes.extend(everybody::routes());
    routes.extend(locks::routes());
    routes.extend(passwords::routes());
    routes.extend(dormant::routes());
    routes.extend(privileges::routes());
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
    let open_reviews = store.reviews(actor).await?.iter().filter(|review| review.closed_at.is_none()).count();
    let unproved = store.privileges(actor).await?.iter().filter(|row| !row.in_force).count();
    let now = ctx.now();
    let all = store.vendors(actor).await?;
    let unregistered = all.iter().filter(|vendor| vendor.active && vendor.subcontractor_of.is_some() && !vendor.is_in_force(now)).count();
    let waiting = store.emergency_duties(actor).await?;
    let emergency = waiting.open + waiting.unprepared + waiting.look_due + waiting.unreviewed.len();
    let parts = vec![
        part("/reviews", "people", "reviews", open_reviews, ""),
        part("/accounts/privileges", "stamp", "privileges", unproved, "warn"),
        part("/accounts/dormant", "clock", "dormant", store.dormant(actor).await?.len(), ""),
        part("/vendors", "building", "subcontractors", unregistered, "warn"),
        part("/tokens", "key", "tokens", unused, "warn"),
        part("/accounts/locks", "ban", "locks", store.locks(actor).await?.len(), "warn"),
        part("/accounts/logins", "logout", "everybody", usize::try_from(store.everybodys_logins(actor).await?.logins()).unwrap_or(usize::MAX), ""),
        part("/emergency_accounts", "bolt", "emergency", emergency, "warn"),
        part("/accounts/passwords", "shield", "passwords", unmet, "warn"),
    ];
    call.page("accounts/show.html", "accounts.title", context! { parts })
}
