//! Pages and API of plans.

use crate::routes::Route;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    Vec::new()
}
