//! A small client of our own HTTP API, over TLS that trusts only this box's CA.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Talks to one Sekisho.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

/// An answer.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as JSON; `null` if it is none.
    pub value: Value,
    /// Body as it came.
    pub text: String,
}

impl Answer {
    /// The body, if the status says that it was done.
    ///
    /// # Errors
    /// The refusal's code and sentence.
    pub fn done(self) -> Result<Value> {
        if (200..300).contains(&self.status) { Ok(self.value) } else { bail!("HTTP {}: {}", self.status, self.text.chars().take(400).collect::<String>()) }
    }
}

impl Client {
    /// Makes a client that trusts the CA in `ca_file`.
    ///
    /// # Errors
    /// The file is no certificate.
    pub fn new(address: SocketAddr, ca_file: &Path) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls::pki_types::CertificateDer::pem_file_iter(ca_file).context("cannot read the CA file")? {
            roots.add(certificate?)?;
        }
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { address, tls: Arc::new(tls) })
    }

    /// Sends one request; `token` is that of a login.
    ///
    /// # Errors
    /// The connection or the answer breaks. A refusal is an [`Answer`], not an error.
    pub async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Result<Answer> {
        let tcp = tokio::net::TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("127.0.0.1").context("the loopback address is a name")?;
        let stream = tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", format!("127.0.0.1:{}", self.address.port())).header("accept", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = match body {
            Some(value) => {
                request = request.header("content-type", "application/json");
                Bytes::from(serde_json::to_vec(value)?)
            }
            None => Bytes::new(),
        };
        let response = sender.send_request(request.body(Full::new(bytes))?).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|fault| anyhow::anyhow!("the answer broke off: {fault}"))?.to_bytes();
        driver.abort();
        let text = String::from_utf8_lossy(&body).into_owned();
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, value, text })
    }
}
