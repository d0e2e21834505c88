//! Plans: `/plans/…` and `/api/v1/plans…`. One verb, one file.

mod act;
mod after_fact;
mod allow;
mod api;
mod approve;
mod attachments;
mod change;
mod choices;
mod confirm;
mod edit;
mod extension;
mod findings;
pub(crate) mod files;
pub mod form;
#[cfg(test)]
mod form_test;
mod kept;
mod list;
mod matters;
mod new;
mod powers;
mod print;
mod reconcile;
mod reject;
mod report;
mod revised;
mod r#return;
mod shapes;
mod show;
mod submit;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod templates_test;
pub(crate) mod told;
pub mod view;
mod withdraw;
pub mod written;

pub(crate) use kept::KeptFiles;

use crate::routes::Route;

/// Every route of this folder.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = list::routes();
    for more in [
        new::routes(),
        edit::routes(),
        show::routes(),
        submit::routes(),
        approve::routes(),
        r#return::routes(),
        reject::routes(),
        withdraw::routes(),
        allow::routes(),
        after_fact::routes(),
        extension::routes(),
        change::routes(),
        reconcile::routes(),
        report::routes(),
        confirm::routes(),
        attachments::routes(),
        print::routes(),
        api::routes(),
    ] {
        routes.extend(more);
    }
    routes
}
