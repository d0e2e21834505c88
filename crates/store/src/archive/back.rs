//! Carrying a recording back from the archive, for whoever may look at it.

use super::rows::Mark;
use super::take::look_at;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::{blocking, sync_folder};
use sekisho_core::archive::Trouble;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

/// Folder of the data folder where a recording lies until it is known to be what it was.
const FOLDER: &str = "carried-back";

impl Store {
    /// The file of a session's recording, carried back from the archive if it lies there alone, or if the one on the box was set
    /// aside as damaged, which stays where it is. It is verified before it is put in its place. Without any, the path where it would be.
    ///
    /// # Errors
    /// [`Refusal::RecordingAway`] if it cannot be carried back, [`Refusal::RecordingDiffers`] if it is not what it was.
    pub(crate) async fn at_hand(&self, session: &SessionId) -> Done<PathBuf> {
        let [place, damaged] = self.inner.shelf.places(session);
        let aside = self.board(|board| board.set_aside(session).is_some());
        if self.is_here(&place).await? && (!aside || self.is_here(&damaged).await?) {
            return Ok(place);
        }
        if aside {
            // What a crash left in its place is the damaged one; without one, a copy that was carried back.
            self.settle_aside(session).await?;
            if self.is_here(&place).await? {
                return Ok(place);
            }
        }
        let carried = self.carry_back(session, &place).await;
        // Of one that is damaged here and cannot be had from the archive, what is left of it is better than nothing.
        if self.is_here(&damaged).await? && !matches!(carried, Ok(ref path) if *path == place && path.exists()) {
            return Ok(damaged);
        }
        carried
    }

    async fn carry_back(&self, session: &SessionId, place: &std::path::Path) -> Done<PathBuf> {
        let path = place.to_owned();
        let Some(copy) = self.archive_row(session).await?.filter(|copy| !copy.removed) else { return Ok(path) };
        let away = |why: &str| {
            tracing::warn!(%session, why, "a recording cannot be carried back from the archive");
            Refusal::RecordingAway
        };
        let vault = self.inner.archive.vault().filter(|(vault, _)| vault.name() == copy.place);
        let Some((vault, _)) = vault else { return Err(away("the archive that has it is not configured").into()) };
        let _one = self.inner.archive.back.lock().await;
        if self.is_here(&path).await? {
            return Ok(path);
        }
        if self.inner.shelf.free_bytes()? < copy.bytes.saturating_add(2 * limits::DISK_RESERVE_BYTES as u64) {
            return Err(away("there is no room for it on the disk").into());
        }
        let folder = self.data_dir().join(FOLDER);
        let part = folder.join(session.as_str());
        let (making, clearing) = (folder.clone(), part.clone());
        blocking(move || {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(&making).map_err(Fault::io("the folder for what is carried back cannot be made"))?;
            let _ = fs::remove_file(&clearing);
            Ok(())
        })
        .await?;
        let fetched = vault.fetch(&copy.object, &copy.version, copy.bytes, &part).await;
        if let Err(trouble) = fetched {
            let _ = fs::remove_file(&part);
            if trouble.is_of_one() {
                self.copy_is_bad(&copy, &trouble).await?;
                return Err(Refusal::RecordingDiffers.into());
            }
            return Err(away(&trouble.to_string()).into());
        }
        let looking = part.clone();
        let looked = blocking(move || look_at(&looking)).await;
        let digest = self.digest_of_session(session).await?;
        let same = looked.is_ok_and(|looked| {
            looked.bytes == copy.bytes && looked.sha256.to_string() == copy.sha256 && Some(looked.scan.digest.to_string()) == digest && looked.scan.header.session == session.as_str()
        });
        if !same {
            let _ = fs::remove_file(&part);
            self.copy_is_bad(&copy, &Trouble::Differs("what was carried back is not what was handed over".into())).await?;
            return Err(Refusal::RecordingDiffers.into());
        }
        // The mark comes first: a crash after the rename must not leave a recording that nobody takes off the box again.
        self.mark_copy(session, Mark::Back, Some(self.now())).await?;
        let (from, to, shelf) = (part, path.clone(), self.inner.shelf.folder().to_owned());
        blocking(move || {
            let file = fs::File::open(&from).map_err(Fault::io("what was carried back cannot be opened"))?;
            file.sync_all().map_err(Fault::io("what was carried back cannot be synced"))?;
            fs::rename(&from, &to).map_err(Fault::io("what was carried back cannot be put in its place"))?;
            sync_folder(&shelf)
        })
        .await?;
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::RecordingFetched { session: session.clone(), place: copy.place });
        tx.commit().await?;
        Ok(path)
    }

    async fn is_here(&self, path: &std::path::Path) -> Result<bool, Fault> {
        let path = path.to_owned();
        blocking(move || Ok(path.exists())).await
    }

    /// The digest of a session's recording in the entry that tells of its end.
    pub(super) async fn digest_of_session(&self, session: &SessionId) -> Result<Option<String>, Fault> {
        let told = self.session_told(session).await?;
        Ok(told.and_then(|told| told.ended().map(|(_, digest, _)| digest.to_owned())))
    }
}
