//! The way to a receiver that takes JSON by HTTPS: one POST for a piece, signed by a secret that both sides know.
//!
//! `X-Sekisho-Signature: t=MILLISECONDS,v1=HEX` holds HMAC-SHA256 (RFC 2104) over the time of sending, a dot and the body, so that
//! the receiver can tell who wrote it and refuse what is old. No redirection is followed: the configuration names who is told.

use crate::one_short_line;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use sekisho_core::desk::Answer;
use sekisho_core::limits;
use sekisho_core::outgoing::{Handed, Piece, Receiver};
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// A receiver by HTTPS.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `https://…`; `http://…` within this machine alone.
    pub url: String,
    /// The secret of the signature.
    pub secret: Secret,
    /// Authorities that may have issued the server's certificate, PEM; `None` for those of the operating system.
    pub authorities: Option<Vec<u8>>,
}

/// Settings that cannot work, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadWebhook(String);

/// A receiver that can be handed pieces.
pub struct Webhook {
    host: String,
    port: u16,
    authority: String,
    path: String,
    secret: Secret,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Webhook {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// An address that is none, or in clear over a network; a file of authorities that holds none.
    pub fn new(settings: WebhookSettings) -> Result<Self, BadWebhook> {
        let uri: hyper::Uri = settings.url.parse().map_err(|_| BadWebhook(format!("{:?} is no address", settings.url)))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(|| BadWebhook(format!("{:?} names no server", settings.url)))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if settings.secret.expose().len() < 16 {
            return Err(BadWebhook("the secret of a webhook has 16 characters at least".into()));
        }
        let (tls, port) = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| BadWebhook(format!("{host:?} can stand in no certificate")))?;
                (Some((connector(settings.authorities.as_deref())?, name)), 443)
            }
            Some("http") if crate::is_this_machine(&host) => (None, 80),
            _ => return Err(BadWebhook("a webhook without TLS must be on this machine".into())),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(port), authority: authority.as_str().to_owned(), path, secret: settings.secret, tls })
    }

    async fn post(&self, piece: &Piece) -> Result<(), Fail> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|fault| format!("it cannot be reached: {fault}"))?;
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await.map_err(|fault| format!("its certificate or TLS is not accepted: {fault}"))?;
                self.say(stream, piece).await
            }
            None => self.say(tcp, piece).await,
        }
    }

    async fn say(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, piece: &Piece) -> Result<(), Fail> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|fault| fault.to_string())?;
        let carrier = tokio::spawn(async move {
            let _ = connection.await;
        });
        let said = async {
            let body = piece.text.clone();
            let ask = Request::post(self.path.as_str())
                .header(HOST, self.authority.as_str())
                .header(USER_AGENT, "sekisho")
                .header(CONTENT_TYPE, "application/json")
                .header("X-Sekisho-Delivery", piece.number.to_string())
                .header("X-Sekisho-Signature", signature(&self.secret, piece.sent, body.as_bytes()))
                .body(Full::new(Bytes::from(body)))
                .map_err(|fault| fault.to_string())?;
            let answer = sender.send_request(ask).await.map_err(|fault| fault.to_string())?;
            let status = answer.status();
            // The answer is read to its end, so that a receiver that is slow to write it is not cut off in the middle.
            let _ = Limited::new(answer.into_body(), limits::RECEIVER_ANSWER_BYTES).collect().await;
            // Of these the fault lies with the way or the moment; any other 4xx is about what was sent.
            let of_the_piece = status.is_client_error() && !matches!(status.as_u16(), 401 | 404 | 407 | 408 | 421 | 425 | 429);
            match status.is_success() {
                true => Ok(()),
                false => Err(Fail { why: format!("it answered {status}"), of_the_piece }),
            }
        };
        let said = said.await;
        carrier.abort();
        said
    }
}

/// Why a piece was not taken.
struct Fail {
    why: String,
    /// It is about this piece, and no other try changes it.
    of_the_piece: bool,
}

impl From<String> for Fail {
    fn from(why: String) -> Self {
        Self { why, of_the_piece: false }
    }
}

impl Receiver for Webhook {
    fn hand(&self, pieces: Vec<Piece>) -> Answer<'_, Handed> {
        Box::pin(async move {
            for piece in &pieces {
                match tokio::time::timeout(Duration::from_secs(limits::RECEIVER_SECONDS as u64), self.post(piece)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(fail)) if fail.of_the_piece => return Handed::Refused { number: piece.number, why: one_short_line(&fail.why) },
                    Ok(Err(fail)) => return Handed::Later(one_short_line(&fail.why)),
                    Err(_) => return Handed::Later("it did not answer in time".into()),
                }
            }
            Handed::Taken
        })
    }
}

/// The value of the header: time of sending, and HMAC-SHA256 over it, a dot and the body.
#[must_use]
pub fn signature(secret: &Secret, sent: Timestamp, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    mac.update(sent.0.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={},v1={hex}", sent.0)
}

fn connector(authorities: Option<&[u8]>) -> Result<TlsConnector, BadWebhook> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|fault| BadWebhook(format!("the file of authorities: {fault}")))?;
                roots.add(certificate).map_err(|fault| BadWebhook(format!("the file of authorities: {fault}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(BadWebhook("no certificate authority is known; name one by ca_file".into()));
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|fault| BadWebhook(fault.to_string()))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> WebhookSettings {
        WebhookSettings { url: url.into(), secret: Secret::new("0123456789abcdef"), authorities: None }
    }

    #[test]
    fn alarms_in_clear_never_leave_this_machine() {
        for url in ["http://127.0.0.1:9000/alarms", "http://localhost/"] {
            assert!(Webhook::new(settings(url)).is_ok(), "{url}");
        }
        for url in ["http://siem.aoba.example/", "ftp://127.0.0.1/", "/alarms", "https://", "https://name:secret@siem.aoba.example/", "http://127.0.0.1.evil.example/"] {
            assert!(Webhook::new(settings(url)).is_err(), "{url}");
        }
        assert!(Webhook::new(WebhookSettings { secret: Secret::new("short"), ..settings("http://127.0.0.1/") }).is_err());
    }

    /// By `printf '1700000000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef`.
    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        let made = signature(&Secret::new("0123456789abcdef"), Timestamp(1_700_000_000_000), br#"{"a":1}"#);
        assert_eq!(made, "t=1700000000000,v1=de32ced690ba7742b66a8b93053efa2a98f3a8fc16b2907325d41944cf17d735");
    }
}
