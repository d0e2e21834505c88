//! Copies of recordings outside of the box: a folder of another machine, or an object store that keeps what it took from
//! being deleted.
//!
//! There is no queue that could lose something: what waits is every session that ended and has no sealed row that says the
//! archive was seen to have its recording. A row that somebody else made or changed therefore has the copy made again.

mod back;
mod holding;
mod rows;
mod run;
mod take;

pub use holding::HeldCopies;
pub use rows::{ArchiveCopy, ArchiveStanding};
pub use take::ArchiveSettings;

use sekisho_core::archive::Vault;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The shortest and the longest wait before an archive in trouble is asked again.
const WAIT_AFTER_TROUBLE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(900));

/// What the store has of the archive.
#[derive(Default)]
pub(crate) struct Archive {
    configured: OnceLock<(Arc<dyn Vault>, ArchiveSettings)>,
    /// Held by whoever carries a recording back: one at a time, so that a page that is opened twice asks once.
    back: tokio::sync::Mutex<()>,
    /// Recordings that could be moved out and stay, because they are held: each round begins behind those.
    passed: std::sync::atomic::AtomicI64,
    /// The recording that is being handed over: it is not deleted meanwhile, so that no copy of it comes to be afterwards.
    handing: std::sync::Mutex<Option<sekisho_core::ids::SessionId>>,
    /// Locks of what is held.
    holding: holding::Holding,
    /// Asks for a round at once.
    asked: tokio::sync::Notify,
}

impl Archive {
    fn vault(&self) -> Option<&(Arc<dyn Vault>, ArchiveSettings)> {
        self.configured.get()
    }

    fn hand(&self, session: Option<&sekisho_core::ids::SessionId>) {
        *self.handing.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = session.cloned();
    }

    /// Whether a recording is being handed over right now.
    pub(crate) fn is_handing(&self, session: &sekisho_core::ids::SessionId) -> bool {
        self.handing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_ref() == Some(session)
    }
}
