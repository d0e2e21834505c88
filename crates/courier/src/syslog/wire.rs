//! Messages on a connection, each step with an end.

use super::{Message, Syslog, Way};
use crate::one_short_line;
use sekisho_core::limits;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

/// Time for a connection, its handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for handing over a batch, and for the server's end of the connection.
const PATIENCE: Duration = Duration::from_secs(limits::SYSLOG_SECONDS as u64);
/// Bytes that a server may say on a connection on which it has nothing to say.
const IDLE_TALK: usize = 64 * 1024;

/// What carries bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection to a syslog server.
pub struct Line {
    carrier: Carrier,
    clear: Option<String>,
    /// An end without the words of TLS counts as one.
    bare_close: bool,
}

enum Carrier {
    Stream { stream: Box<dyn Stream>, heard: usize },
    Datagrams(UdpSocket),
}

pub(super) async fn connect(to: &Syslog) -> Result<Line, String> {
    let opened = tokio::time::timeout(CONNECT, open(to)).await;
    opened.map_err(|_| "the syslog server did not answer in time".to_owned())?.map_err(|error| words(&error))
}

async fn open(to: &Syslog) -> io::Result<Line> {
    let place = (super::bare(&to.server), to.port);
    let (carrier, clear) = match &to.way {
        Way::Tls { name, connector, .. } => {
            let stream = TcpStream::connect(place).await?;
            let stream = connector.connect(name.clone(), stream).await?;
            (Carrier::Stream { stream: Box::new(stream), heard: 0 }, None)
        }
        Way::ClearTcp { network } => (Carrier::Stream { stream: Box::new(TcpStream::connect(place).await?), heard: 0 }, Some(network)),
        Way::ClearUdp { network } => {
            let target = tokio::net::lookup_host(place).await?.next().ok_or_else(|| io::Error::other("the name has no address"))?;
            let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(own).await?;
            socket.connect(target).await?;
            (Carrier::Datagrams(socket), Some(network))
        }
    };
    let bare_close = !matches!(to.way, Way::Tls { bare_close: false, .. });
    Ok(Line { carrier, clear: clear.cloned(), bare_close })
}

impl Line {
    /// Sends messages, in their order. Success says that they were handed to the network; only [`Line::close`] says more.
    ///
    /// # Errors
    /// The connection is gone, or the server takes nothing: in words of one line. Some of the messages may have arrived.
    pub async fn send(&mut self, messages: &[Message]) -> Result<(), String> {
        let sent = tokio::time::timeout(PATIENCE, self.write(messages)).await;
        sent.map_err(|_| "the syslog server takes no more messages".to_owned())?.map_err(|error| words(&error))
    }

    async fn write(&mut self, messages: &[Message]) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Stream { stream, heard } => {
                still_open(stream, heard).await?;
                for message in messages {
                    let bytes = message.written(self.clear.as_deref());
                    // Each is preceded by its length (RFC 5425 section 4.3, RFC 6587 section 3.4.1).
                    stream.write_all(format!("{} ", bytes.len()).as_bytes()).await?;
                    stream.write_all(&bytes).await?;
                }
                stream.flush().await?;
                still_open(stream, heard).await
            }
            Carrier::Datagrams(socket) => {
                for message in messages {
                    socket.send(&message.written(self.clear.as_deref())).await?;
                }
                Ok(())
            }
        }
    }

    /// Ends the connection and waits for the server's end of it. A server that refuses our certificate says so here at
    /// the latest. In datagrams there is nothing to wait for.
    ///
    /// # Errors
    /// The connection broke before the server ended it in order: the last messages may be lost.
    pub async fn close(mut self) -> Result<(), String> {
        let bare_close = self.bare_close;
        let Carrier::Stream { stream, heard } = &mut self.carrier else { return Ok(()) };
        let closed = async {
            stream.shutdown().await?;
            loop {
                match poll_fn(|cx| read_some(stream, heard, cx)).await {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    // Without the word of TLS for it anybody on the wire may have ended it, who took the messages for himself.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && bare_close => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        let closed = tokio::time::timeout(PATIENCE, closed).await;
        closed.map_err(|_| "the syslog server did not end the connection".to_owned())?.map_err(|error: io::Error| words(&error))
    }
}

/// Takes what the server says, which is nothing that matters, and notices that it went away or refused us.
async fn still_open(stream: &mut Box<dyn Stream>, heard: &mut usize) -> io::Result<()> {
    poll_fn(|cx| {
        loop {
            match read_some(stream, heard, cx) {
                Poll::Pending => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::Error::other("the syslog server ended the connection"))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    })
    .await
}

fn read_some(stream: &mut Box<dyn Stream>, heard: &mut usize, cx: &mut std::task::Context<'_>) -> Poll<io::Result<usize>> {
    let mut room = [0_u8; 1024];
    let mut buffer = ReadBuf::new(&mut room);
    let read = Pin::new(stream).poll_read(cx, &mut buffer);
    read.map(|read| {
        read?;
        let count = buffer.filled().len();
        *heard = heard.saturating_add(count);
        if *heard > IDLE_TALK { Err(io::Error::other("the syslog server talks without end")) } else { Ok(count) }
    })
}

fn words(error: &io::Error) -> String {
    one_short_line(&error.to_string())
}
