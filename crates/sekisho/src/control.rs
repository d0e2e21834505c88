//! The console's way to a running Sekisho: a socket in the data folder that only the box's own account can open.
//!
//! One store, one writer: while `serve` runs it holds the data folder, so a command hands its wish over instead of
//! opening the store a second time. One JSON line each way.

use crate::admin::{self, Ask, Reply};
use anyhow::{Context, Result, bail};
use sekisho_store::Store;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Longest wish, in bytes: a table of countries. Only the box's own account comes this far.
const MAX_ASK: u64 = 48 * 1024 * 1024;
/// Longest reply, in bytes: an exported recording.
const MAX_REPLY: u64 = 256 * 1024 * 1024;
/// Longest reply before the bytes of a bundle, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// Longest piece of a bundle, in bytes.
const MAX_PIECE: usize = 1024 * 1024;
/// How long a piece of a bundle waits for whoever takes it.
const STALL: Duration = Duration::from_secs(sekisho_core::limits::EVIDENCE_STALL_SECONDS as u64);
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
        Ok(Ask::Bundle(command)) if command.is_taking() => match admin::bundle::ready(store, &command).await {
            Ok(ready) => return hand_over(ready, &mut writer).await,
            Err(trouble) => admin::told(trouble),
        },
        Ok(ask) => admin::answer(store, ask).await,
        Err(fault) => Reply::failed(format!("not a console command: {fault}")),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await?;
    writer.shutdown().await?;
    Ok(())
}

/// Sends the reply, and behind it the bytes of a bundle in pieces: each with its length in four bytes, a length of zero at the end
/// of a whole one. What breaks off has no end.
async fn hand_over(ready: admin::bundle::Ready, writer: &mut (impl AsyncWriteExt + Unpin)) -> Result<()> {
    let mut line = serde_json::to_vec(&ready.reply)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(4);
    let written = tokio::task::spawn_blocking(move || ready.write(&mut Pieces(sender)));
    while let Some(piece) = pieces.recv().await {
        let length = u32::try_from(piece.len())?;
        tokio::time::timeout(STALL, writer.write_all(&length.to_be_bytes())).await??;
        tokio::time::timeout(STALL, writer.write_all(&piece)).await??;
    }
    written.await?.map_err(|fault| anyhow::anyhow!("{fault}"))?;
    writer.write_all(&0_u32.to_be_bytes()).await?;
    writer.shutdown().await?;
    Ok(())
}

/// Hands pieces from the thread that makes them to the socket.
struct Pieces(mpsc::Sender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = bytes.get(..bytes.len().min(MAX_PIECE)).unwrap_or_default();
        if piece.is_empty() {
            return Ok(0);
        }
        self.0.blocking_send(piece.to_vec()).map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Hands a wish for bytes to the Sekisho that runs on this data folder and writes them to `out`; `None` if none does.
///
/// # Errors
/// It runs, and the conversation failed or the bytes broke off.
pub async fn fetch(data_dir: &Path, ask: &Ask, out: &mut impl Write) -> Result<Option<Reply>> {
    let Ok(mut stream) = UnixStream::connect(path(data_dir)).await else { return Ok(None) };
    let mut bytes = serde_json::to_vec(ask)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(MAX_LINE).read_line(&mut line).await?;
    let reply: Reply = serde_json::from_str(&line).context("the running Sekisho gave no complete answer")?;
    if !reply.ok {
        return Ok(Some(reply));
    }
    let broke_off = "the running Sekisho broke the bundle off; its own messages say why";
    loop {
        let length = stream.read_u32().await.context(broke_off)?;
        if length == 0 {
            return Ok(Some(reply));
        }
        let mut piece = vec![0; usize::try_from(length).ok().filter(|length| *length <= MAX_PIECE).context("a piece is too long")?];
        stream.read_exact(&mut piece).await.context(broke_off)?;
        out.write_all(&piece)?;
    }
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
