//! The worker's end of one channel: what is written to it, and how it ends.

use super::{GOODBYE, words};
use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use std::sync::atomic::{AtomicBool, Ordering};

/// SSH's number of the standard error stream (RFC 4254 section 5.2).
pub const STDERR: u32 = 1;
/// The status that SSH clients give when the connection, not the command, failed.
const FAILED: u32 = 255;

/// The connection or the channel is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The writing end of a worker's channel.
pub struct Worker {
    write: ChannelWriteHalf<Msg>,
    handle: Handle,
    terminal: bool,
    /// The end of the output was told. No byte may follow it (RFC 4254 section 5.3): OpenSSH then breaks the whole connection.
    said_all: AtomicBool,
    /// What the work came to was told.
    said_status: AtomicBool,
}

impl Worker {
    pub fn new(write: ChannelWriteHalf<Msg>, handle: Handle) -> Self {
        Self { write, handle, terminal: false, said_all: AtomicBool::new(false), said_status: AtomicBool::new(false) }
    }

    /// The channel has a terminal, whose lines need a carriage return.
    pub fn has_terminal(&mut self, terminal: bool) {
        self.terminal = terminal;
    }

    /// Standard output. Waits for the worker's window.
    pub async fn output(&self, data: Bytes) -> Result<(), Gone> {
        let bytes = data.len();
        self.write.data_bytes(data).await.map_err(|_| Gone)?;
        take_turns(bytes).await;
        Ok(())
    }

    /// Standard error. Waits for the worker's window.
    pub async fn error(&self, data: Bytes) -> Result<(), Gone> {
        self.write.extended_data_bytes(STDERR, data).await.map_err(|_| Gone)
    }

    /// A message of ours, on a line of its own, where clients show it whatever they do with the output. After the end of the
    /// output nobody can be told, and the status is still awaited: the message is left out.
    pub async fn say(&self, text: &str) -> Result<(), Gone> {
        if self.has_said_all() {
            return Ok(());
        }
        let text = if self.terminal { format!("\r\n{}", words::for_terminal(text)) } else { text.to_owned() };
        self.error(Bytes::from(text)).await
    }

    /// A question on the terminal.
    pub async fn ask(&self, text: &str) -> Result<(), Gone> {
        self.output(Bytes::from(words::for_terminal(text))).await
    }

    /// Whether the output has ended. What the work came to may still follow.
    pub fn has_said_all(&self) -> bool {
        self.said_all.load(Ordering::SeqCst)
    }

    pub async fn eof(&self) -> Result<(), Gone> {
        if self.said_all.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.write.eof().await.map_err(|_| Gone)
    }

    pub async fn exit_status(&self, status: u32) -> Result<(), Gone> {
        self.said_status.store(true, Ordering::SeqCst);
        self.write.exit_status(status).await.map_err(|_| Gone)
    }

    /// By the handle, which shares the write half's queue, so that the order is kept.
    pub async fn exit_signal(&self, signal: Sig, core_dumped: bool, message: String, language: String) -> Result<(), Gone> {
        self.said_status.store(true, Ordering::SeqCst);
        self.handle.exit_signal_request(self.write.id(), signal, core_dumped, message, language).await.map_err(|()| Gone)
    }

    pub async fn close(&self) -> Result<(), Gone> {
        self.write.close().await.map_err(|_| Gone)
    }

    /// Says why, gives the status of a failed connection unless the work had come to one, and closes. A worker that does
    /// not read is not waited for.
    pub async fn farewell(&self, text: Option<&str>) {
        let goodbye = async {
            if let Some(text) = text {
                self.say(text).await?;
            }
            if !self.said_status.load(Ordering::SeqCst) {
                self.exit_status(FAILED).await?;
            }
            self.eof().await?;
            self.close().await
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

/// Bytes of one message from which on the task lets others go first.
const LARGE: usize = 16 * 1024;

/// Called after each message that was carried: what a large one cost, its recording and digest, is not paid by the
/// keystrokes of other sessions twice in a row.
pub async fn take_turns(bytes: usize) {
    if bytes >= LARGE {
        tokio::task::yield_now().await;
    }
}
