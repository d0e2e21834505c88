//! One question, one answer: a request for a certificate, each way one line of JSON.

use crate::line::Line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::limits;
use sekisho_core::porter::{CertificateAnswer, CertificateAsk, Issued};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::server::TlsStream;

/// What was asked for.
pub struct Asked {
    /// Selector and secret of a code.
    pub ticket: Option<Secret>,
    /// The request, DER.
    pub request: Vec<u8>,
}

/// Serves one exchange and closes. Whoever says nothing, or too much, is not answered.
pub async fn serve<F, A>(stream: TlsStream<Line>, answer: F)
where
    F: FnOnce(Asked) -> A,
    A: Future<Output = Result<Issued, Refusal>>,
{
    let deadline = Duration::from_secs(limits::CERTIFICATE_ASK_SECONDS as u64);
    if tokio::time::timeout(deadline, converse(stream, answer)).await.is_err() {
        tracing::debug!("an exchange for a certificate took too long");
    }
}

async fn converse<F, A>(mut stream: TlsStream<Line>, answer: F) -> Option<()>
where
    F: FnOnce(Asked) -> A,
    A: Future<Output = Result<Issued, Refusal>>,
{
    let mut line = Vec::new();
    let most = limits::CERTIFICATE_ASK_BYTES as u64;
    let read = BufReader::new(&mut stream).take(most).read_until(b'\n', &mut line).await.ok()?;
    if read == 0 {
        return None;
    }
    let answered = match asked(&line) {
        Some(asked) => answer(asked).await,
        None => Err(Refusal::CertificateAskBad),
    };
    let answered = match answered {
        Ok(issued) => CertificateAnswer::Issued(Box::new(issued)),
        Err(refusal) => CertificateAnswer::refused(&refusal),
    };
    let mut bytes = serde_json::to_vec(&answered).ok()?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await.ok()?;
    stream.shutdown().await.ok()?;
    // The answer has arrived when the other side closes, too; a connection that is cut before could lose it.
    stream.read(&mut [0; 1]).await.ok().map(|_| ())
}

fn asked(line: &[u8]) -> Option<Asked> {
    let CertificateAsk { ticket, request } = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    Some(Asked { ticket, request: STANDARD.decode(request).ok()? })
}
