//! Waiting for the disk on behalf of a session.

use tokio::runtime::{Handle, RuntimeFlavor};

/// The runtime, if it has several threads, so that one may wait while the others go on.
pub(crate) fn shared_runtime() -> Option<Handle> {
    Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Works on the disk on behalf of a session. The other sessions of this thread go on meanwhile, also if the disk never
/// answers.
pub(crate) fn on_disk<T>(work: impl FnOnce() -> T) -> T {
    if shared_runtime().is_some() { tokio::task::block_in_place(work) } else { work() }
}
