//! Where the copies of a recording lie, and how they are removed. Who may ask for that, and when, is not decided here.

use crate::Store;
use crate::fault::Fault;
use crate::log::{blocking, sync_folder};
use sekisho_core::archive::Removed;
use sekisho_core::ids::SessionId;
use crate::sessions::RecordingInfo;
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::{Decoder, Header};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::Path;

/// Where a copy lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum CopyPlace {
    /// In the data folder of the box.
    Local,
    /// In the archive that the configuration calls so.
    Archive {
        /// Its name.
        name: String,
    },
}

/// One copy of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingCopy {
    /// Where.
    pub place: CopyPlace,
    /// Its length.
    pub bytes: u64,
    /// Until when its place keeps it from being deleted.
    pub locked_until: Option<Timestamp>,
}

/// What became of one copy that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyRemoval {
    /// It is gone, or there was none.
    Gone,
    /// Its place keeps it until then; it is there.
    LockedUntil(Timestamp),
    /// Its place could not be asked; it may be there. In words.
    Unknown(String),
}

impl From<Removed> for CopyRemoval {
    fn from(removed: Removed) -> Self {
        match removed {
            Removed::Gone | Removed::NotThere => Self::Gone,
            Removed::LockedUntil(until) => Self::LockedUntil(until),
        }
    }
}

fn header_of(path: &Path) -> Option<Header> {
    let decoder = Decoder::open(BufReader::new(File::open(path).ok()?)).ok()?;
    Some(decoder.header().clone())
}

impl Store {
    /// Where the copies of a recording lie, as the box knows it. Empty if there is none at all.
    pub(crate) async fn copies_of(&self, session: &SessionId) -> Result<Vec<RecordingCopy>, Fault> {
        let mut copies = Vec::new();
        let path = self.inner.shelf.path(session);
        match blocking(move || Ok(fs::metadata(path))).await? {
            Ok(file) => copies.push(RecordingCopy { place: CopyPlace::Local, bytes: file.len(), locked_until: None }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::io("a recording cannot be looked at")(error)),
        }
        copies.extend(self.archived_copy(session).await?);
        Ok(copies)
    }

    /// Adds to what a page says of a recording where its copies lie and whose keys open it.
    pub(crate) async fn tell_copies(&self, session: &SessionId, info: &mut RecordingInfo) -> Result<(), Fault> {
        info.copies = self.copies_of(session).await?;
        let path = self.inner.shelf.path(session);
        let header = blocking(move || Ok(header_of(&path))).await?;
        info.recipients = match header {
            Some(header) => header.recipients,
            None => self.archive_row(session).await?.map(|copy| copy.recipients).unwrap_or_default(),
        };
        Ok(())
    }

    /// Removes every copy of a recording and says of each what became of it. The log must have said before that it is deleted:
    /// what is locked in the archive stays there alone, and is removed by asking again when its time has come.
    pub(crate) async fn remove_copies(&self, session: &SessionId) -> Result<Vec<(CopyPlace, CopyRemoval)>, Fault> {
        let places = self.inner.shelf.places(session);
        blocking(move || {
            for path in &places {
                match fs::remove_file(path) {
                    Ok(()) => path.parent().map_or(Ok(()), sync_folder)?,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(Fault::io("a recording cannot be removed")(error)),
                }
            }
            Ok(())
        })
        .await?;
        let mut done = vec![(CopyPlace::Local, CopyRemoval::Gone)];
        done.extend(self.remove_archived(session).await?);
        Ok(done)
    }
}
