//! The list of plans, filtered by state and words.

use super::written;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use crate::words::Lang;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::state::PlanState;
use sekisho_core::time::Timestamp;
use sekisho_store::{PlanFilter, PlanRow};
use serde::Serialize;

/// Characters of a search that are looked at.
const SEARCH_CHARS: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/plans", Access::May(Action::ReadPlan), list)]
}

#[derive(Serialize)]
struct Line {
    id: String,
    number: String,
    title: String,
    state: &'static str,
    vendor: String,
    running: bool,
    window: String,
    emergency: bool,
}

fn line(row: PlanRow, lang: Lang) -> Line {
    let (from, until) = row.window;
    Line {
        id: row.id.to_string(),
        number: row.number,
        title: row.title,
        state: row.state.as_str(),
        vendor: row.vendor_name,
        running: row.session_running,
        window: if until == Timestamp::default() { String::new() } else { written::brief_span(from, until, lang) },
        emergency: row.emergency,
    }
}

async fn list(call: Call) -> Reply {
    let query = call.query();
    let state = PlanState::parse(query.text("state"));
    let text: String = query.text("text").chars().take(SEARCH_CHARS).collect();
    let page = call.page_number();
    let filter = PlanFilter { state, text: Some(text.clone()).filter(|text| !text.is_empty()), page: page - 1 };
    let found = call.ctx.store().plans(call.ctx.actor()?, &filter).await?;
    let plans: Vec<Line> = found.rows.into_iter().map(|row| line(row, call.ctx.lang)).collect();
    let states: Vec<(&str, String)> = PlanState::ALL.into_iter().map(|state| (state.as_str(), call.ctx.t(&format!("state.{}", state.as_str())))).collect();
    let state = state.map_or("", PlanState::as_str);
    call.page(
        "plans/list.html",
        "plans.list.title",
        context! {
            plans => value(plans),
            states => value(states),
            page,
            // The store tells only whether there is more, so the last page known is the next one.
            pages => if found.more { page + 1 } else { page },
            link => format!("/plans?state={state}&text={}&page=", encode(&text)),
            filter => context! { state, text },
            can_write => call.ctx.may(Action::WritePlan),
        },
    )
}

/// Percent-encodes a text for a query.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
