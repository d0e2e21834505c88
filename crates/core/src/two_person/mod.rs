//! 二人での閲覧 (two-person viewing): recordings that nobody opens alone, because the holder of a second key has to agree. Pure.
//!
//! Who holds second keys, and who asked whom for what, follows from the log alone: [`Book`] is a fold over its entries, of which
//! those about second keys are signed by its key. Rows of the database decide nothing here: whoever can write to the database can
//! neither put a key in force nor end one.

mod book;
mod keys;
mod viewing;

pub use book::Book;
pub use keys::{SecondKey, SecondKeyAsk, SecondKeyChange, SecondKeyState, SecondKeyStep, may_confirm};
pub use viewing::{ViewingAsk, ViewingDetail, ViewingNeed, ViewingRequest, ViewingState};
