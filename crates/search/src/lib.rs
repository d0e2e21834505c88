//! Full-text search: words in, moments of the record out.
//!
//! The index is derived data. It can be thrown away at any time and made again from database and recordings, so it has
//! no part in any decision and no session waits for it. What it holds was encrypted before it came here, so it is
//! encrypted here too: [`sealed`] is the folder that the search engine sees.
//!
//! A text is found by any part of it. It is indexed as pairs of neighbouring characters, which needs no dictionary, and
//! finds Japanese words of two characters, parts of paths and names of tables alike. [`fold`] lets full and half width,
//! upper and lower case meet.

mod fold;
mod index;
pub mod limits;
mod line;
mod query;
mod screen;
mod sealed;
mod snippet;

pub use index::{Document, Filter, Found, Hit, Index, Kind};
pub use query::{Breach, Words};
pub use screen::{Page, Screens};
pub use sealed::Key;
pub use snippet::Piece;

/// Why the index does not answer. None of these is a reason to stop anything but the search.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The search engine, or what lies on the disk below it.
    #[error("the search index does not answer: {0}")]
    Engine(#[from] tantivy::TantivyError),
    /// The folder of the index.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// What was found in the index is not what was put there.
    #[error("the search index is damaged: {0}")]
    Damaged(&'static str),
}
