//! A witness on the network: two addresses, each answer bounded in size and time.

use super::ServeArgs;
use super::state::{Folder, Verdict};
use crate::clock::SystemClock;
use crate::serve::asked_to_stop;
use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_core::limits;
use sekisho_core::time::Clock;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Time for one connection, from its first byte to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time for the lines before the body.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);

/// How many connections each address has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, until it is dropped.
struct Guest {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    /// A seat, unless the address has as many as one may have: one that keeps its connections open silences nobody else.
    fn seat(&self, address: IpAddr) -> Option<Guest> {
        let address = address.to_canonical();
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(address).or_default();
        if *taken >= limits::WITNESS_OF_ADDRESS {
            return None;
        }
        *taken += 1;
        Some(Guest { guests: self.clone(), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut seats = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.address);
            }
        }
    }
}

/// Answers until the operating system asks to stop.
///
/// # Errors
/// The folder, the address or the certificate cannot be used.
pub async fn run(args: ServeArgs) -> Result<ExitCode> {
    let folder = Arc::new(Folder::open(&args.dir)?);
    let tls = match (&args.certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let chain = chain.with_context(|| format!("cannot use the certificate {}", certificate.display()))?;
            let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot use the key {}", key.display()))?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
            Some(TlsAcceptor::from(Arc::new(config)))
        }
        _ => None,
    };
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("the witness cannot listen on {}", args.listen))?;
    tracing::info!(listen = %listener.local_addr()?, key = %folder.public(), tls = tls.is_some(), "the witness answers");
    tokio::select! {
        () = accept(listener, tls, folder) => {}
        stopped = asked_to_stop() => stopped?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, folder: Arc<Folder>) {
    let (seats, guests) = (Arc::new(Semaphore::new(limits::WITNESS_AT_ONCE)), Guests::default());
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of descriptors or the like: the next accept would fail at once again.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Beyond the seats a caller is turned away at once; each has its deadline, so seats come free.
        let Some(guest) = guests.seat(from.ip()) else { continue };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let (tls, folder) = (tls.clone(), Arc::clone(&folder));
        tokio::spawn(async move {
            let (_seat, _guest) = (seat, guest);
            let _ = tokio::time::timeout(PATIENCE, connection(stream, tls, folder)).await;
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, folder: Arc<Folder>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&folder)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE).keep_alive(false).max_buf_size(64 * 1024);
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        }
        None => {
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        }
    }
}

async fn answer(request: Request<Incoming>, folder: Arc<Folder>) -> Result<Response<Full<Bytes>>, Infallible> {
    let verdict = judge(request, folder).await.unwrap_or_else(|fault| {
        tracing::error!(%fault, "a head could not be judged");
        Verdict::plain(500, "the witness cannot answer\n")
    });
    let mut response = Response::new(Full::new(Bytes::from(verdict.body)));
    *response.status_mut() = hyper::StatusCode::from_u16(verdict.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(verdict.content_type));
    Ok(response)
}

async fn judge(request: Request<Incoming>, folder: Arc<Folder>) -> Result<Verdict> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::POST, "/add-checkpoint") => {
            let Ok(body) = Limited::new(request.into_body(), limits::WITNESS_ANSWER_BYTES).collect().await else {
                return Ok(Verdict::plain(413, "the request is too long\n"));
            };
            let Ok(body) = String::from_utf8(body.to_bytes().to_vec()) else { return Ok(Verdict::plain(400, "the request is no text\n")) };
            let verdict = tokio::task::spawn_blocking(move || folder.add(&body, SystemClock.now())).await??;
            if verdict.status == 409 || verdict.status == 422 {
                tracing::error!(status = verdict.status, "ALARM: a log was refused that does not continue what was seen of it");
            }
            Ok(verdict)
        }
        (&Method::GET, _) => {
            let Some(digest) = path.strip_prefix("/checkpoint/").map(str::to_owned) else { return Ok(Verdict::plain(404, "there is nothing here\n")) };
            let seen = tokio::task::spawn_blocking(move || folder.seen(&digest)).await??;
            Ok(seen.map_or_else(|| Verdict::plain(404, "nothing was seen of this log\n"), |note| Verdict::plain(200, note)))
        }
        _ => Ok(Verdict::plain(404, "there is nothing here\n")),
    }
}
