//! パスワードの規則: what holds here, and which of the two papers it meets, each by itself.

use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use crate::words;
use minijinja::{Value, context};
use sekisho_core::password::{Paper, PasswordProfile};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/accounts/passwords", super::READ, show)]
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let policy = ctx.store().policy();
    let papers: Vec<Value> = Paper::ALL
        .into_iter()
        .map(|paper| {
            let points: Vec<Value> = paper.points(policy).into_iter().map(|(key, met)| context! { key, met }).collect();
            context! { key => paper.as_str(), met => paper.is_met(policy), points }
        })
        .collect();
    let profiles: Vec<Value> = PasswordProfile::ALL
        .into_iter()
        .map(|profile| {
            let with = sekisho_core::policy::Policy { password_profile: profile, ..policy.clone() };
            let rule = with.password_rule();
            let met: Vec<bool> = Paper::ALL.into_iter().map(|paper| paper.is_met(&with)).collect();
            context! { key => profile.as_str(), least => rule.least, symbols => rule.symbols, met, here => profile == policy.password_profile }
        })
        .collect();
    call.page("accounts/passwords.html", "passwords.title", context! { papers, profiles, leaked => ctx.store().knows_leaked_passwords(), names => words::listed(call.ctx.lang, &policy.facility_names) })
}
