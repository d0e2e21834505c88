//! The small service behind each host of the demo: a status page over HTTP, for the forwards that a plan allows.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longest request that is read.
const REQUEST_BYTES: usize = 8 * 1024;
/// A client that says nothing is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service that listens for as long as this is kept.
pub struct Service {
    /// Port on 127.0.0.1.
    pub port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The page that a host of this title shows.
#[must_use]
pub fn page(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"ja\"><meta charset=\"utf-8\"><title>{title} 状態</title>\n<h1>{title}</h1>\n\
         <p>状態: 正常 / Status: running</p>\n<p>この画面は、計画で許可された転送(ssh -L)を通ってだけ見えます。<br>This page is reached only through a forward that a plan allows.</p>\n</html>\n"
    )
}

/// Starts the service of a host.
///
/// # Errors
/// No port is free.
pub async fn start(title: &str) -> Result<Service> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("no port for the status page of the demo")?;
    let port = listener.local_addr()?.port();
    let body = page(title);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(PATIENCE, answer(stream, &body)).await;
            });
        }
    });
    Ok(Service { port, task })
}

async fn answer(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut buffer = [0; 1024];
    while !asked.ends_with(b"\r\n\r\n") && asked.len() < REQUEST_BYTES {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => asked.extend(buffer.iter().take(count)),
        }
    }
    let found = asked.starts_with(b"GET / ");
    let (status, body) = if found { ("200 OK", body) } else { ("404 Not Found", "not here\n") };
    let head = format!("HTTP/1.0 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
