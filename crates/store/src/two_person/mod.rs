//! 二人での閲覧 (two-person viewing): recordings that nobody opens alone.
//!
//! The data key of such a recording is two shares, one for the hospital's key and the auditors', one for second keys, whose private
//! halves are not on this box. Who holds second keys and who asked for what follows from the log alone
//! ([`sekisho_core::two_person::Book`]); the shares that a holder handed in lie in memory alone.

mod begun;
mod keys;
mod opener;
mod proof;
mod requests;
mod seal;
mod shares;

pub(crate) use begun::Begun;
pub(crate) use opener::Opener;
pub(crate) use seal::SealedKey;
pub(crate) use shares::Shares;

use crate::Store;
use sekisho_core::two_person::Book;

impl Store {
    /// A look at what the log tells of second keys and of requests to view.
    pub(crate) fn book<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        self.inner.log.book(look)
    }
}
