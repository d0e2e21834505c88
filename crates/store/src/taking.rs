//! Taking the content of a transferred file out of a recording. Who took which one is in the log before the first byte
//! leaves.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::content::{Broken, Open, Survey, hand_out, survey};
use crate::recordings::frames;
use crate::spool::SpoolFile;
use sekisho_core::desk::HeldUpload;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sqlx::Row as _;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Pieces that may wait for a slow reader.
const PIECES: usize = 4;
/// About how large a piece is.
const PIECE_BYTES: usize = 256 * 1024;

/// The content of a file on its way out of a recording. Dropping it ends the reading.
pub struct TakenFile {
    /// The entry of the transfer.
    pub file: FileSeen,
    /// The content's length.
    pub bytes: u64,
    /// Its SHA-256, hex.
    pub sha256: String,
    pieces: mpsc::Receiver<Result<Vec<u8>, Fault>>,
    _place: OwnedSemaphorePermit,
}

impl TakenFile {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// A fault if the recording cannot be read further; nothing follows it.
    pub async fn next(&mut self) -> Option<Done<Vec<u8>>> {
        self.pieces.recv().await.map(|piece| piece.map_err(Into::into))
    }
}

impl Store {
    /// Takes the content of a file out of a recording, by the number that the file's entry names.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] if nothing of such a file was kept; [`Refusal::ContentScattered`];
    /// [`Refusal::ContentDiffers`] if what the recording holds is not what the entry's SHA-256 says.
    pub async fn take_file(&self, actor: &Actor, session: &SessionId, file: u32) -> Done<TakenFile> {
        self.allowed(actor, Action::TakeContent, session, "take file").await?;
        if self.board(|board| board.erased(session).is_some()) {
            return Err(Refusal::RecordingDeleted.into());
        }
        let entry = self.kept_files(session).await?.into_iter().find(|seen| seen.kept.is_some_and(|kept| kept.file == file));
        let entry = entry.ok_or(Refusal::NotFound)?;
        let place = Arc::clone(&self.inner.takings).try_acquire_owned().map_err(|_| Refusal::too_many("KEPT_TAKEN_AT_ONCE"))?;
        let opener = self.opener(actor, session).await?;
        self.write_out(session).await;
        let path = self.at_hand(session).await?;
        let open: Box<Open> = Box::new(move || frames(&path, |header| opener.open(header)));
        // The place goes with the reading: one that nobody waits for any more goes on to its end all the same.
        let surveyed = tokio::task::spawn_blocking(move || (survey(&*open, file), open, place)).await;
        let (surveyed, open, place) = surveyed.map_err(|lost| Fault::Damaged(format!("a content could not be read: {lost}")))?;
        let surveyed = surveyed.map_err(told)?;
        let sha256 = surveyed.sha256.to_string();
        let whole = entry.kept.is_some_and(|kept| kept.whole);
        if let (true, Some(expected)) = (whole, &entry.sha256)
            && *expected != sha256
        {
            tracing::error!(%session, file, expected, sha256, "the content of a file is not what its entry says");
            return Err(Refusal::ContentDiffers.into());
        }
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::FileTaken { session: session.clone(), file, path: entry.path.clone(), bytes: surveyed.bytes, sha256: sha256.clone(), whole });
        tx.commit().await?;
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || feed(&*open, file, &surveyed, &sender));
        Ok(TakenFile { file: entry, bytes: surveyed.bytes, sha256, pieces, _place: place })
    }

    /// Hands out the content of an upload that waits. Who takes it is written down before the first piece is asked for.
    pub(crate) fn hand_out_spool(&self, spool: Arc<SpoolFile>, held: &HeldUpload) -> Done<TakenFile> {
        let place = Arc::clone(&self.inner.takings).try_acquire_owned().map_err(|_| Refusal::too_many("KEPT_TAKEN_AT_ONCE"))?;
        let file = FileSeen { at_ms: 0, op: "put".to_owned(), path: held.path.clone(), bytes: held.bytes, sha256: Some(held.sha256.clone()), ok: false, kept: None };
        let (sender, pieces) = mpsc::channel(PIECES);
        let total = held.bytes;
        tokio::task::spawn_blocking(move || {
            let mut at = 0;
            while at < total {
                let length = usize::try_from(total - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let piece = spool.read(at, length).map_err(|lost| Fault::Damaged(lost.to_string()));
                let last = piece.is_err();
                if sender.blocking_send(piece).is_err() || last {
                    return;
                }
                at += length as u64;
            }
        });
        Ok(TakenFile { file, bytes: held.bytes, sha256: held.sha256.clone(), pieces, _place: place })
    }

    /// File operations of a session with content in its recording.
    pub(crate) async fn kept_files(&self, session: &SessionId) -> Result<Vec<FileSeen>, Fault> {
        let rows = sqlx::query("SELECT body FROM session_events WHERE session = $1 AND kind = 'file' ORDER BY n")
            .bind(session.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        let mut files = Vec::new();
        for row in rows {
            let seen: FileSeen = serde_json::from_str(row.try_get("body")?)?;
            if seen.kept.is_some_and(|kept| kept.bytes > 0) {
                files.push(seen);
            }
        }
        Ok(files)
    }
}

fn told(broken: Broken) -> crate::fault::Denied {
    match broken {
        Broken::Fault(fault) => fault.into(),
        Broken::Refused(refusal) => refusal.into(),
        Broken::Gone => Fault::Damaged("a content was read for nobody".into()).into(),
    }
}

/// Reads to the end, or until nobody listens.
fn feed(open: &Open, file: u32, surveyed: &Survey, sender: &mpsc::Sender<Result<Vec<u8>, Fault>>) {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let handed = hand_out(open, file, surveyed, &mut |part| {
        for part in part.chunks(PIECE_BYTES) {
            piece.extend_from_slice(part);
            if piece.len() >= PIECE_BYTES {
                sender.blocking_send(Ok(std::mem::take(&mut piece))).map_err(|_| Broken::Gone)?;
            }
        }
        Ok(())
    });
    let last = match handed {
        Ok(()) if piece.is_empty() => return,
        Ok(()) => Ok(piece),
        Err(Broken::Fault(fault)) => Err(fault),
        Err(Broken::Refused(refusal)) => Err(Fault::Damaged(format!("a recording changed while it was read: {refusal:?}"))),
        Err(Broken::Gone) => return,
    };
    let _ = sender.blocking_send(last);
}

/// Places for contents that are taken out at once.
pub(crate) fn places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(limits::KEPT_TAKEN_AT_ONCE))
}
