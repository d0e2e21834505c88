//! Sessions: `/sessions/…` and `/api/v1/sessions…`. Lists, facts, live view, replay, export, control and the cut.

pub(crate) mod api;
mod content;
mod control;
mod cut;
mod decide;
pub mod facts;
mod forwards;
mod list;
mod live;
pub mod messages;
pub(in crate::pages) mod recording;
mod replay;
mod show;
mod talk;
mod uploads;
mod watch;

pub(crate) use facts::clock_words;

use crate::routes::Route;

/// Every route of this folder.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = list::routes();
    for more in [show::routes(), watch::routes(), live::routes(), replay::routes(), recording::routes(), content::routes(), cut::routes(), control::routes(), decide::routes(), talk::routes(), uploads::routes(), forwards::routes(), api::routes()] {
        routes.extend(more);
    }
    routes
}
