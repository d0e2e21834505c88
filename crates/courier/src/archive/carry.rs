//! One request and its answer, with a file in one of them. Every wait has an end.

use super::{PIECE, SLOWEST};
use crate::one_short_line;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use sekisho_core::archive::Trouble;
use sekisho_core::limits;
use std::time::Duration;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Pieces of a file that wait to be sent.
const PIECES: usize = 4;

/// The way to a server.
#[derive(Clone)]
pub(super) struct Way {
    pub host: String,
    pub port: u16,
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Time that the server may say nothing.
    pub quiet: Duration,
}

/// What is sent along.
pub(super) enum Load<'a> {
    /// Nothing.
    None,
    /// A file of this length.
    File(&'a Path, u64),
    /// Some words.
    Text(&'a str),
}

impl Load<'_> {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::File(_, bytes) => *bytes,
            Self::Text(text) => text.len() as u64,
        }
    }
}

/// What came back, with nothing of its body read.
pub(super) struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
    quiet: Duration,
    /// The connection ends with this.
    carrier: Carrier,
}

struct Carrier(JoinHandle<()>);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that is read from a file by another task.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.pieces.poll_recv(context);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        next.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn unreachable(why: impl std::fmt::Display) -> Trouble {
    Trouble::Unreachable(one_short_line(&why.to_string()))
}

/// Time for a whole copy of this length.
fn whole(quiet: Duration, bytes: u64) -> Duration {
    quiet + Duration::from_secs(bytes / SLOWEST)
}

fn late() -> Trouble {
    Trouble::Unreachable("it did not answer in time".into())
}

impl Way {
    /// Asks, and gives the answer as soon as its head is there.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] for everything that keeps an answer from coming.
    pub async fn ask(&self, method: Method, target: &str, headers: &[(String, String)], load: Load<'_>) -> Result<Answered, Trouble> {
        let length = load.bytes();
        let asked = async {
            let tcp = tokio::time::timeout(self.quiet, TcpStream::connect((self.host.as_str(), self.port))).await.map_err(|_| late())?;
            let tcp = tcp.map_err(|fault| unreachable(format_args!("it cannot be reached: {fault}")))?;
            match &self.tls {
                Some((connector, name)) => {
                    let stream = tokio::time::timeout(self.quiet, connector.connect(name.clone(), tcp)).await.map_err(|_| late())?;
                    let stream = stream.map_err(|fault| unreachable(format_args!("its certificate or TLS is not accepted: {fault}")))?;
                    say(stream, (method, target), headers, load, self.quiet).await
                }
                None => say(tcp, (method, target), headers, load, self.quiet).await,
            }
        };
        tokio::time::timeout(whole(self.quiet, length), asked).await.map_err(|_| late())?
    }
}

async fn say(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, (method, target): (Method, &str), headers: &[(String, String)], load: Load<'_>, quiet: Duration) -> Result<Answered, Trouble> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let carrier = Carrier(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let (pieces, body) = match load {
        Load::None => {
            let (_, pieces) = mpsc::channel(1);
            (None, Pieces { pieces, left: 0 })
        }
        Load::Text(text) => {
            let (sender, pieces) = mpsc::channel(1);
            // There is room for one.
            let _ = sender.try_send(Ok(text.to_owned().into()));
            (None, Pieces { pieces, left: text.len() as u64 })
        }
        Load::File(path, bytes) => {
            let (sender, pieces) = mpsc::channel(PIECES);
            (Some(tokio::spawn(feed(path.to_owned(), bytes, sender, quiet))), Pieces { pieces, left: bytes })
        }
    };
    let mut ask = Request::builder().method(method).uri(target).header("user-agent", "sekisho");
    for (name, value) in headers {
        let (name, value) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(Trouble::Other("a header cannot be written".into())) };
        ask = ask.header(name, value);
    }
    let ask = ask.body(body).map_err(|fault| Trouble::Other(fault.to_string()))?;
    let answer = sender.send_request(ask).await;
    if let Some(feeding) = pieces {
        feeding.abort();
    }
    let (head, body) = answer.map_err(unreachable).map(Response::into_parts)?;
    Ok(Answered { status: head.status.as_u16(), headers: head.headers, body, quiet, carrier })
}

/// Reads the file piece by piece. A server that takes none for too long is given up: the body breaks off.
async fn feed(path: PathBuf, bytes: u64, pieces: mpsc::Sender<io::Result<Bytes>>, quiet: Duration) {
    let reading = async {
        let mut file = File::open(&path).await?.take(bytes);
        loop {
            let mut piece = vec![0_u8; PIECE];
            let read = file.read(&mut piece).await?;
            if read == 0 {
                return Ok(());
            }
            piece.truncate(read);
            match tokio::time::timeout(quiet, pieces.send(Ok(piece.into()))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
            }
        }
    };
    if let Err(error) = reading.await {
        let _ = pieces.try_send(Err(error));
    }
}

impl Answered {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, at most [`limits::ARCHIVE_ANSWER_BYTES`].
    pub async fn text(self) -> Result<String, Trouble> {
        let collected = tokio::time::timeout(self.quiet, Limited::new(self.body, limits::ARCHIVE_ANSWER_BYTES).collect()).await;
        drop(self.carrier);
        let body = collected.map_err(|_| late())?.map_err(|fault| unreachable(format_args!("its answer broke off or is too long: {fault}")))?;
        String::from_utf8(body.to_bytes().to_vec()).map_err(|_| Trouble::Other("its answer is no text".into()))
    }

    /// The next piece of the body, of which `left` bytes may come; `None` at its end.
    ///
    /// # Errors
    /// [`Trouble::Differs`] for a longer body; [`Trouble::Unreachable`].
    pub async fn next(&mut self, left: &mut u64) -> Result<Option<Bytes>, Trouble> {
        loop {
            let frame = tokio::time::timeout(self.quiet, self.body.frame()).await.map_err(|_| late())?;
            let Some(frame) = frame else { return Ok(None) };
            let Ok(piece) = frame.map_err(|fault| unreachable(format_args!("its answer broke off: {fault}")))?.into_data() else { continue };
            *left = left.checked_sub(piece.len() as u64).ok_or_else(|| Trouble::Differs("the copy is longer than what was handed over".into()))?;
            return Ok(Some(piece));
        }
    }

    /// The digest of the body, of at most so many bytes.
    pub async fn digest(mut self, bytes: u64) -> Result<[u8; 32], Trouble> {
        let quiet = self.quiet;
        let reading = async {
            let (mut hasher, mut left) = (Sha256::new(), bytes);
            while let Some(piece) = self.next(&mut left).await? {
                hasher.update(&piece);
            }
            Ok(hasher.finalize().into())
        };
        tokio::time::timeout(whole(quiet, bytes), reading).await.map_err(|_| late())?
    }

    /// Writes the body into a new file.
    pub async fn into_file(mut self, bytes: u64, path: &Path) -> Result<(), Trouble> {
        let here = |error: io::Error| Trouble::Other(format!("what is carried back cannot be written: {error}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await.map_err(here)?;
        let quiet = self.quiet;
        let writing = async {
            let mut left = bytes;
            while let Some(piece) = self.next(&mut left).await? {
                file.write_all(&piece).await.map_err(here)?;
            }
            file.flush().await.map_err(here)
        };
        tokio::time::timeout(whole(quiet, bytes), writing).await.map_err(|_| late())?
    }
}
