//! A TCP connection that can be severed from outside, whatever its owner is waiting for.
//!
//! The SSH library owns the stream and may stand in a blocked write when a session must end. Severing makes every
//! read and write on the stream fail at once, so that no stalled peer can hold a session open.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The handle that severs a [`Line`]. Cloning gives another handle to the same line.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    severed: AtomicBool,
    waiting: Mutex<[Option<Waker>; 2]>,
}

const READING: usize = 0;
const WRITING: usize = 1;

impl Cut {
    /// Makes every read and write on the line fail from this moment on.
    pub fn sever(&self) {
        self.0.severed.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in waiting.into_iter().flatten() {
            waker.wake();
        }
    }

    fn check(&self, side: usize, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(slot) = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).get_mut(side)
            && !slot.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
        // Looked at after the waker is in its place: a cut in between finds either the flag read or the waker set.
        if self.is_severed() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    fn is_severed(&self) -> bool {
        self.0.severed.load(Ordering::SeqCst)
    }
}

/// A TCP stream with its [`Cut`].
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    cut: Cut,
    ahead: Ahead,
    turns: [Turn; 2],
}

/// How much one direction carried since its task last made room for others. Between two turns a keystroke of another
/// session waits no longer than these bytes take; without them a bulk transfer keeps its thread for a millisecond.
#[derive(Debug, Default)]
struct Turn(usize);

/// Bytes of one turn.
const TURN: usize = 128 * 1024;

impl Turn {
    /// True if it is the others' turn; then the task has been put at the end of the queue.
    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        let over = self.0 >= TURN;
        if over {
            self.0 = 0;
            cx.waker().wake_by_ref();
        }
        over
    }

    fn count(&mut self, bytes: usize) {
        self.0 += bytes;
    }
}

/// What was read from the system and not asked for yet. The library asks for the four bytes of a packet's length
/// first, then for the packet: with this both come in one call. A line that carried no bulk holds no memory for it while it is idle.
#[derive(Debug, Default)]
struct Ahead {
    /// Empty, or [`AHEAD`] long; made once for a run of packets, not for each.
    room: Vec<u8>,
    /// What of it was read and not yet given.
    held: std::ops::Range<usize>,
    /// The last packets were large, so more of them will come, and the room is kept for them.
    bulk: bool,
}

/// Bytes that are read ahead at most.
const AHEAD: usize = 16 * 1024;
/// From this size on a reader is given the system's bytes directly.
const DIRECT: usize = 4 * 1024;

impl Ahead {
    /// Gives what there is, up to what is asked for.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let held = self.room.get(self.held.clone()).unwrap_or_default();
        let part = held.get(..held.len().min(buf.remaining())).unwrap_or_default();
        buf.put_slice(part);
        self.held.start += part.len();
        !part.is_empty()
    }

    fn fill(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.room.resize(AHEAD, 0);
        let mut room = ReadBuf::new(&mut self.room);
        let read = Pin::new(stream).poll_read(cx, &mut room);
        self.held = 0..room.filled().len();
        let large = self.held.len() >= DIRECT;
        if self.held.is_empty() && (read.is_ready() || !self.bulk) {
            self.room = Vec::new();
        }
        self.bulk = large;
        read
    }
}

impl Line {
    /// Takes the stream, without Nagle's delay and with keepalive probes, so that a peer that vanished is noticed.
    pub fn new(stream: TcpStream, cut: Cut) -> Self {
        let probes = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
        let socket = socket2::SockRef::from(&stream);
        if let Err(error) = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&probes)) {
            tracing::debug!(%error, "socket options");
        }
        Self { stream, cut, ahead: Ahead::default(), turns: Default::default() }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.cut.is_severed() {
            // What still waits in the system's send buffer is thrown away with the connection.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.cut.check(READING, cx)?;
        let Self { stream, ahead, turns: [turn, _], .. } = &mut *self;
        if ahead.give(buf) {
            return Poll::Ready(Ok(()));
        }
        if turn.is_over(cx) {
            return Poll::Pending;
        }
        if buf.remaining() >= DIRECT {
            let before = buf.remaining();
            let read = Pin::new(stream).poll_read(cx, buf);
            turn.count(before - buf.remaining());
            return read;
        }
        std::task::ready!(ahead.fill(stream, cx))?;
        ahead.give(buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.check(WRITING, cx)?;
        let Self { stream, turns: [_, turn], .. } = &mut *self;
        if turn.is_over(cx) {
            return Poll::Pending;
        }
        let written = Pin::new(stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            turn.count(*bytes);
        }
        written
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.cut.check(WRITING, cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check(WRITING, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check(WRITING, cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_blocked_write_and_a_blocked_read_both_end_when_the_line_is_severed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_silent, _) = listener.accept().await.unwrap();
        let cut = Cut::default();
        let (mut reader, mut writer) = tokio::io::split(Line::new(stream, cut.clone()));
        let reading = tokio::spawn(async move { reader.read_u8().await });
        let writing = tokio::spawn(async move {
            loop {
                writer.write_all(&[0; 65536]).await?;
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        });
        tokio::task::yield_now().await;
        cut.sever();
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    async fn pair() -> (Line, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        (Line::new(stream, Cut::default()), peer)
    }

    #[tokio::test]
    async fn short_and_long_reads_give_every_byte_once_and_in_order() {
        let (mut line, mut peer) = pair().await;
        let sent: Vec<u8> = (0..400_000_u32).map(|at| (at % 251) as u8).collect();
        let copy = sent.clone();
        let writing = tokio::spawn(async move { peer.write_all(&copy).await });
        let mut got = Vec::new();
        for length in [4, 32_768, 4, 100, 5000, 4, 60_000].into_iter().cycle() {
            let length = length.min(sent.len() - got.len());
            if length == 0 {
                break;
            }
            let mut part = vec![0; length];
            line.read_exact(&mut part).await.unwrap();
            got.extend(part);
        }
        writing.await.unwrap().unwrap();
        assert!(got == sent);
        let end = line.read(&mut [0; 10]).await.unwrap();
        assert_eq!((end, line.ahead.room.capacity()), (0, 0), "the peer closed, and nothing is kept");
    }

    #[tokio::test]
    async fn a_line_that_is_always_ready_lets_others_run() {
        let (mut line, mut peer) = pair().await;
        let drain = tokio::spawn(async move {
            let mut buffer = vec![0; 256 * 1024];
            while peer.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        });
        let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counting = std::sync::Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counting.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
        let block = vec![0; 64 * 1024];
        for _ in 0..16 {
            line.write_all(&block).await.unwrap();
        }
        assert!(turns.load(Ordering::SeqCst) >= 16 * block.len() / TURN - 1);
        other.abort();
        drain.abort();
    }
}
