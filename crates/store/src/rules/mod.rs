//! Command rules: those of each class of targets, what happens to a command that one names, and the alerts that stand
//! until somebody has seen them.

mod alerts;
mod class;
mod holding;
mod uploads;

pub use alerts::AlertRow;
pub(crate) use class::row_id;
pub use class::{ClassRules, RulesChange};
pub use holding::HeldRow;
pub(crate) use holding::Holds;
pub(crate) use uploads::Uploads;
pub use uploads::{FileDecision, HeldFileRow, HeldFileView};
