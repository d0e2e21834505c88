//! The menu: what this person may open, and nothing that leads nowhere.

use crate::call::Ctx;
use crate::words;
use minijinja::value::Value;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_store::WebLogin;

/// The entries of the side menu; `None` for somebody without login, whose pages stand alone.
#[must_use]
pub fn items(ctx: &Ctx) -> Option<Vec<Value>> {
    if ctx.login.as_ref()?.confined {
        let (href, label) = ("/account/factors", ctx.t("factors.title"));
        return Some(vec![context! { href, icon => "key", label, current => true, count => 0 }]);
    }
    let entries: [(&str, &str, &str, Option<Action>); 19] = [
        ("/", "home", "menu.first", None),
        ("/plans", "list", "menu.plans", Some(Action::ReadPlan)),
        ("/sessions", "screen", "menu.sessions", Some(Action::ReadSession)),
        ("/viewings", "people", "menu.viewings", Some(Action::ReadViewing)),
        ("/alarms", "warning", "menu.alarms", Some(Action::ReadAlarms)),
        ("/cases", "ban", "menu.cases", Some(Action::ReadLedger)),
        ("/search", "search", "menu.search", Some(Action::SearchRecords)),
        ("/targets", "server", "menu.targets", Some(Action::ReadLedger)),
        ("/rules", "ban", "menu.rules", Some(Action::ReadLedger)),
        ("/persons", "people", "menu.persons", Some(Action::ReadLedger)),
        ("/accounts", "key", "menu.accounts", Some(Action::ReadLedger)),
        ("/vendors", "building", "menu.vendors", Some(Action::ReadLedger)),
        ("/lines", "compare", "menu.lines", Some(Action::ReadRoads)),
        ("/devices", "screen", "menu.devices", Some(Action::ReadRoads)),
        ("/holds", "file", "menu.keeping", Some(Action::ReadRetention)),
        ("/log", "log", "menu.log", Some(Action::ReadLog)),
        ("/log_reviews", "eye", "menu.log_reviews", Some(Action::ReadLogReview)),
        ("/reports", "report", "menu.reports", Some(Action::ReadPeriodReport)),
        ("/health", "shield", "menu.health", Some(Action::ReadLedger)),
    ];
    let is_current = |href: &str| if href == "/" { ctx.path == "/" } else if href == "/holds" { ["/holds", "/retention", "/deletions"].iter().any(|own| ctx.path.starts_with(own)) } else { ctx.path == href || ctx.path.starts_with(&format!("{href}/")) };
    let is_used = |href: &str| href != "/viewings" || ctx.store().uses_second_keys();
    let shown = entries.into_iter().filter(|(href, _, _, action)| is_used(href) && action.is_none_or(|action| ctx.may(action)));
    Some(shown.map(|(href, icon, key, _)| context! { href, icon, label => ctx.t(key), current => is_current(href), count => if href == "/alarms" { ctx.store().open_alarms() } else { 0 } }).collect())
}

/// The person of the panel at the top.
#[must_use]
pub fn person(ctx: &Ctx, login: &WebLogin) -> Value {
    let roles: Vec<&str> = login.actor.roles.iter().map(|role| words::role(ctx.lang, *role)).collect();
    context! { name => login.person.name.as_str(), org => login.person.department.as_str(), roles }
}

/// The links of that panel.
#[must_use]
pub fn person_links(ctx: &Ctx) -> Vec<Value> {
    // An emergency account has nothing of its own to keep.
    if ctx.login.as_ref().is_none_or(|login| login.person.emergency) {
        return Vec::new();
    }
    let own = context! { href => "/account/factors", label => ctx.t("factors.title") };
    if ctx.login.as_ref().is_some_and(|login| login.confined) {
        return vec![own];
    }
    vec![context! { href => "/account", label => ctx.t("menu.account") }, own]
}
