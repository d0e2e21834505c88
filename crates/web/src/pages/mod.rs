//! The pages and the API, one folder or file for each address.

pub mod login;
pub mod menu;
pub mod plans;
pub mod sessions;

use crate::routes::Route;

/// Every page's routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = login::routes();
    routes.extend(plans::routes());
    routes.extend(sessions::routes());
    routes
}
