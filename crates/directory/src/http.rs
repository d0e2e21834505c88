//! One request to a provider: HTTPS alone, no redirection, answers of a bounded size, within a bounded time.

use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use openidconnect::http::{Request, Response, header::HOST};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::pki_types::ServerName;
use sekisho_core::limits;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why no answer came.
#[derive(Debug)]
pub(crate) struct Unanswered(pub String);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unanswered {}

/// Who asks.
pub(crate) struct Http {
    pub tls: TlsConnector,
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Unanswered;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unanswered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let whom = request.uri().authority().map_or_else(String::new, ToString::to_string);
            match tokio::time::timeout(Duration::from_secs(limits::DIRECTORY_SECONDS as u64), self.ask(request)).await {
                Ok(answered) => answered.map_err(|why| Unanswered(format!("{whom}: {why}"))),
                Err(_) => Err(Unanswered(format!("{whom} does not answer within {} seconds", limits::DIRECTORY_SECONDS))),
            }
        })
    }
}

impl Http {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let (parts, body) = request.into_parts();
        if parts.uri.scheme_str() != Some("https") {
            return Err("an address that is not https:// is not asked".into());
        }
        let authority = parts.uri.authority().ok_or("the address names no server")?.clone();
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| "it is no name that a certificate could have")?;
        let tcp = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await.map_err(|fault| format!("it cannot be reached: {fault}"))?;
        let stream = self.tls.connect(name, tcp).await.map_err(|fault| format!("its certificate or TLS is not accepted: {fault}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|fault| fault.to_string())?;
        let carrier = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut ask = Request::builder().method(parts.method).uri(parts.uri.path_and_query().map_or("/", |path| path.as_str()));
        for (name, value) in &parts.headers {
            ask = ask.header(name, value);
        }
        let ask = ask.header(HOST, authority.as_str()).body(Full::new(bytes::Bytes::from(body))).map_err(|fault| fault.to_string())?;
        let answered = async {
            let answer = sender.send_request(ask).await.map_err(|fault| fault.to_string())?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, limits::DIRECTORY_MESSAGE_BYTES).collect().await.map_err(|_| "its answer broke off or is too large")?;
            Ok(Response::from_parts(head, body.to_bytes().to_vec()))
        };
        let answered = answered.await;
        carrier.abort();
        answered
    }
}
