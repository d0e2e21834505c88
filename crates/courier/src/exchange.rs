//! One question by HTTP and its answer, each with a bound: for witnesses and time stamp authorities, whose word is proved by its
//! signature and not by the way.

use crate::one_short_line;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use sekisho_core::limits;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// A server that is asked by HTTP or HTTPS.
#[derive(Clone)]
pub struct Exchange {
    host: String,
    port: u16,
    authority: String,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What is handed over: its kind, and the bytes.
type Body = (&'static str, Bytes);

const TEXT: &str = "text/plain; charset=utf-8";

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body, at most [`limits::WITNESS_ANSWER_BYTES`].
    pub body: String,
}

impl Exchange {
    /// Prepares the way; nothing is sent. `authorities` are those that may have issued the server's certificate, PEM.
    ///
    /// # Errors
    /// In words: an address that is none, or HTTPS without authorities.
    pub fn new(url: &str, authorities: Option<&[u8]>) -> Result<Self, String> {
        let uri: hyper::Uri = url.parse().map_err(|_| format!("{url:?} is no address"))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(|| format!("{url:?} names no server"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match (uri.scheme_str(), authorities) {
            (Some("https"), Some(pem)) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host:?} can stand in no certificate"))?;
                (Some((crate::syslog::connector(pem, None).map_err(|bad| bad.to_string())?, name)), 443)
            }
            (Some("https"), None) => return Err("https needs ca_file, the authority that issued the server's certificate".into()),
            (Some("http"), _) => (None, 80),
            _ => return Err(format!("{url:?} must begin with https:// or http://")),
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(port), authority: authority.as_str().to_owned(), prefix, tls })
    }

    /// The server's name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Hands bytes of a kind to the address itself, and gives the status and the bytes of the answer, at most `limit`.
    ///
    /// # Errors
    /// In words of one line, why there is no answer.
    pub async fn hand(&self, kind: &'static str, body: Vec<u8>, limit: usize) -> Result<(u16, Vec<u8>), String> {
        self.ask(Method::POST, if self.prefix.is_empty() { "/" } else { "" }, (kind, Bytes::from(body)), limit).await
    }

    /// Asks for what lies at `path`.
    ///
    /// # Errors
    /// In words of one line, why there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answered, String> {
        text(self.ask(Method::GET, path, (TEXT, Bytes::new()), limits::WITNESS_ANSWER_BYTES).await?)
    }

    /// Hands text over.
    ///
    /// # Errors
    /// In words of one line, why there is no answer.
    pub async fn post(&self, path: &str, body: String) -> Result<Answered, String> {
        text(self.ask(Method::POST, path, (TEXT, Bytes::from(body)), limits::WITNESS_ANSWER_BYTES).await?)
    }

    async fn ask(&self, method: Method, path: &str, body: Body, limit: usize) -> Result<(u16, Vec<u8>), String> {
        let asked = tokio::time::timeout(Duration::from_secs(limits::WITNESS_SECONDS as u64), self.connected(method, path, body, limit)).await;
        asked.unwrap_or_else(|_| Err("it did not answer in time".into())).map_err(|why| one_short_line(&why))
    }

    async fn connected(&self, method: Method, path: &str, body: Body, limit: usize) -> Result<(u16, Vec<u8>), String> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|fault| format!("it cannot be reached: {fault}"))?;
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await.map_err(|fault| format!("its certificate or TLS is not accepted: {fault}"))?;
                self.say(stream, method, path, body, limit).await
            }
            None => self.say(tcp, method, path, body, limit).await,
        }
    }

    async fn say(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, method: Method, path: &str, body: Body, limit: usize) -> Result<(u16, Vec<u8>), String> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|fault| fault.to_string())?;
        let carrier = tokio::spawn(async move {
            let _ = connection.await;
        });
        let said = async {
            let ask = Request::builder()
                .method(method)
                .uri(format!("{}{path}", self.prefix))
                .header(HOST, self.authority.as_str())
                .header(USER_AGENT, "sekisho")
                .header(CONTENT_TYPE, body.0)
                .body(Full::new(body.1))
                .map_err(|fault| fault.to_string())?;
            let answer = sender.send_request(ask).await.map_err(|fault| fault.to_string())?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), limit).collect().await.map_err(|fault| format!("its answer broke off or is too long: {fault}"))?;
            Ok((status, body.to_bytes().to_vec()))
        };
        let said = said.await;
        carrier.abort();
        said
    }
}

fn text((status, body): (u16, Vec<u8>)) -> Result<Answered, String> {
    let body = String::from_utf8(body).map_err(|_| "its answer is no text".to_owned())?;
    Ok(Answered { status, body })
}
