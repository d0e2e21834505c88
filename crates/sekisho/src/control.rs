//! The console's way to a running Sekisho: a socket in the data folder that only the box's own account can open.
//!
//! One store, one writer: while `serve` runs it holds the data folder, so a command hands its wish over instead of
//! opening the store a second time. One JSON line each way.

use crate::admin::{self, Ask, Reply};
use anyhow::{Context, Result, bail};
use sekisho_store::Store;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Longest wish, in bytes: a table of countries. Only the box's own account comes this far.
const MAX_ASK: u64 = 48 * 1024 * 1024;
/// Longest reply, in bytes: an exported recording.
const MAX_REPLY: u64 = 256 * 1024 * 1024;
/// How long one wish may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the socket lies. Unix limits the length of such a path, so it is short.
#[must_use]
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Opens the socket, with rights for this account alone.
///
/// # Errors
/// The socket cannot be made in the data folder.
pub fn listen(data_dir: &Path) -> Result<UnixListener> {
    let path = path(data_dir);
    if path.exists() {
        // The store's lock is held by this process, so whoever left this socket is gone.
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot make {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers wishes until the task is dropped.
pub async fn answer(listener: UnixListener, store: Store) {
    let own = rustix::process::geteuid().as_raw();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors or the like: the next accept would fail at once again.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // The folder's rights already keep others out; the peer's account is asked as well.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
            continue;
        }
        let store = store.clone();
        tokio::spawn(async move {
            if let Err(fault) = one(stream, &store).await {
                tracing::warn!(%fault, "a console command was not answered");
            }
        });
    }
}

async fn one(stream: UnixStream, store: &Store) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, BufReader::new(reader.take(MAX_ASK)).read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => admin::answer(store, ask).await,
        Err(fault) => Reply::failed(format!("not a console command: {fault}")),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await?;
    writer.shutdown().await?;
    Ok(())
}

/// Hands a wish to the Sekisho that runs on this data folder; `None` if none does.
///
/// # Errors
/// It runs, and the conversation failed.
pub async fn ask(data_dir: &Path, ask: &Ask) -> Result<Option<Reply>> {
    let Ok(mut stream) = UnixStream::connect(path(data_dir)).await else { return Ok(None) };
    let mut bytes = serde_json::to_vec(ask)?;
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_ASK {
        bail!("the input is larger than {MAX_ASK} bytes");
    }
    stream.write_all(&bytes).await?;
    let mut reply = Vec::new();
    stream.take(MAX_REPLY).read_to_end(&mut reply).await?;
    Ok(Some(serde_json::from_slice(&reply).context("the running Sekisho gave no complete answer")?))
}
