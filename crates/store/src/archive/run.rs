//! The task that keeps the archive up with the recordings.

use super::{ArchiveSettings, WAIT_AFTER_TROUBLE};
use crate::Store;
use crate::fault::Fault;
use sekisho_core::archive::{Trouble, Vault};
use sekisho_core::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at what waits.
const ROUND: Duration = Duration::from_secs(10);
/// Between two looks at whether the archive keeps copies as it shall, and whether rows are what they were.
const CHECK: Duration = Duration::from_secs(3600);
/// Time for which an archive may not answer before that is told. Nothing is lost meanwhile.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Store {
    /// Names the archive. Once, before anything is asked of it.
    pub fn set_archive(&self, vault: Arc<dyn Vault>, settings: ArchiveSettings) {
        let _ = self.inner.archive.configured.set((vault, settings));
    }

    /// Hands recordings over until the store is closed. Run it once, as a task.
    pub async fn run_archive(&self) {
        let (mut checked, mut wait) = (None::<Instant>, ROUND);
        loop {
            let due = checked.is_none_or(|at| at.elapsed() >= CHECK);
            match self.archive_round(due).await {
                Ok(true) => {
                    checked = if due { Some(Instant::now()) } else { checked };
                    wait = ROUND;
                }
                Ok(false) => {
                    // A place that refused is looked at anew before it is handed anything.
                    checked = None;
                    wait = (wait * 2).clamp(WAIT_AFTER_TROUBLE.0, WAIT_AFTER_TROUBLE.1);
                }
                Err(Fault::Closed) => return,
                Err(fault) => {
                    tracing::error!(%fault, "the archive cannot be kept up with the recordings");
                    wait = WAIT_AFTER_TROUBLE.0;
                }
            }
            let _ = tokio::time::timeout(wait, self.inner.archive.asked.notified()).await;
            if self.inner.log.is_closed() {
                return;
            }
        }
    }

    /// One round, with a look at the archive itself if `check` says so. False if the archive is in trouble.
    ///
    /// # Errors
    /// A fault of the box itself.
    pub async fn archive_round(&self, check: bool) -> Result<bool, Fault> {
        let Some((vault, settings)) = self.inner.archive.vault() else { return Ok(true) };
        let trouble = self.archive_work(vault, *settings, check).await?;
        let standing = self.archive_standing().await?.unwrap_or_default();
        let now = self.now();
        let late = Duration::from_secs(limits::ARCHIVE_BEHIND_HOURS as u64 * 3600);
        let behind = standing.waiting_since.filter(|since| since.until(now) >= late).map(|since| (standing.waiting, since));
        let tell = match &trouble {
            Some(Trouble::Unreachable(_)) => standing.failing_since.is_some_and(|since| since.until(now) >= PATIENCE),
            Some(_) => true,
            None => false,
        };
        self.note_archive(vault.name(), trouble.as_ref(), behind, tell).await?;
        Ok(trouble.is_none())
    }

    async fn archive_work(&self, vault: &Arc<dyn Vault>, settings: ArchiveSettings, check: bool) -> Result<Option<Trouble>, Fault> {
        // First of all, and also while the place is in trouble: who looks at a hold shall read of it.
        if (self.inner.archive.holding.take_due() || check)
            && let Some(trouble) = self.lock_held_copies(vault, settings).await?
        {
            self.inner.archive.holding.ask();
            return Ok(Some(trouble));
        }
        if check {
            self.doubt_rows().await?;
            if let Err(trouble) = vault.check().await {
                return Ok(Some(trouble));
            }
        }
        if let Some(trouble) = self.hand_over_waiting(vault, settings.lock).await? {
            return Ok(Some(trouble));
        }
        if let Some(days) = settings.keep_local_days
            && let Some(trouble) = self.move_out(vault, days).await?
        {
            return Ok(Some(trouble));
        }
        if check { self.look_again(vault).await } else { Ok(None) }
    }
}
