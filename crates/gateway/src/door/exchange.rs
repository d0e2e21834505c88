//! One question, one answer: a request for a certificate, each way one line of JSON. A request for a login has two
//! answers: what to show to the person, and what came of it.

use crate::line::Line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::limits;
use sekisho_core::desk::Answer;
use sekisho_core::porter::{CertificateAnswer, CertificateAsk, Issued, PendingLogin};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::ssh_login::{LoginAnswer, LoginAsk};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, WriteHalf};
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

/// Serves a request for a login until its person has answered, its time is over, or the device goes.
pub async fn log_in<'a, F>(stream: TlsStream<Line>, ask: F)
where
    F: FnOnce(LoginAsk) -> Answer<'a, Result<PendingLogin, Refusal>>,
{
    let deadline = Duration::from_secs((limits::SSH_LOGIN_ASK_SECONDS + limits::CERTIFICATE_ASK_SECONDS) as u64);
    if tokio::time::timeout(deadline, wait_for_person(stream, ask)).await.is_err() {
        tracing::debug!("a login was not confirmed in time");
    }
}

async fn wait_for_person<'a, F>(stream: TlsStream<Line>, ask: F) -> Option<()>
where
    F: FnOnce(LoginAsk) -> Answer<'a, Result<PendingLogin, Refusal>>,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader).take(limits::SSH_LOGIN_ASK_BYTES as u64);
    let mut line = Vec::new();
    let patience = Duration::from_secs(limits::CERTIFICATE_ASK_SECONDS as u64);
    tokio::time::timeout(patience, reader.read_until(b'\n', &mut line)).await.ok()?.ok()?;
    let asked = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
    let pending = match asked {
        Some(asked) => ask(asked).await,
        None => Err(Refusal::CertificateAskBad),
    };
    let answered = match pending {
        Ok(PendingLogin { offer, answer }) => {
            say(&mut writer, &LoginAnswer::Offer(offer)).await?;
            let mut more = [0; 1];
            tokio::select! {
                answered = answer => answered,
                // The device says nothing after its question. Whatever comes means that it has given up.
                _ = reader.read(&mut more) => return None,
            }
        }
        Err(refusal) => Err(refusal),
    };
    let answered = match answered {
        Ok(issued) => LoginAnswer::Issued(Box::new(issued)),
        Err(refusal) => LoginAnswer::refused(&refusal),
    };
    say(&mut writer, &answered).await?;
    writer.shutdown().await.ok()?;
    // As with certificates of devices: the answer has arrived when the other side closes.
    tokio::time::timeout(patience, reader.read(&mut [0; 1])).await.ok()?.ok().map(|_| ())
}

async fn say(writer: &mut WriteHalf<TlsStream<Line>>, answer: &LoginAnswer) -> Option<()> {
    let mut bytes = serde_json::to_vec(answer).ok()?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await.ok()?;
    writer.flush().await.ok()
}

fn asked(line: &[u8]) -> Option<Asked> {
    let CertificateAsk { ticket, request } = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    Some(Asked { ticket, request: STANDARD.decode(request).ok()? })
}
