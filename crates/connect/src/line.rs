//! The exchange of a request for a certificate: one line of JSON each way.

use crate::tls::trouble_of;
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::limits;
use sekisho_core::porter::{CertificateAnswer, Issued};
use sekisho_core::secret::Secret;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

/// Sends a request and gives what was issued.
pub async fn ask_for_certificate(mut stream: TlsStream<TcpStream>, ticket: Option<&Secret>, request: &[u8]) -> Result<Issued, Trouble> {
    let request = STANDARD.encode(request);
    let ask = match ticket {
        Some(ticket) => serde_json::json!({ "ticket": ticket.expose(), "request": request }),
        None => serde_json::json!({ "request": request }),
    };
    let line = Zeroizing::new(format!("{ask}\n"));
    let talk = async {
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        // The server ends its side with the answer; an end without a goodbye is one that came too early.
        (&mut stream).take(limits::CERTIFICATE_ASK_BYTES as u64).read_to_end(&mut answer).await?;
        let _ = stream.shutdown().await;
        Ok(answer)
    };
    let patience = Duration::from_secs(limits::CERTIFICATE_ASK_SECONDS as u64);
    let answer = tokio::time::timeout(patience, talk).await.map_err(|_| Trouble::broken("timeout"))?.map_err(trouble_of)?;
    match serde_json::from_slice(&answer).map_err(Trouble::broken)? {
        CertificateAnswer::Issued(issued) => Ok(*issued),
        CertificateAnswer::Refused { code, ja, en } => Err(Trouble::Refused { code, ja, en }),
    }
}
