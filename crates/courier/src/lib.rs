//! Carries letters to the hospital's mail server: SMTP over TLS, and without TLS only within this machine; and messages to
//! syslog servers ([`syslog`]).
//!
//! Knows no database and no letters: it is handed a subject, a text and an address, and says what became of them. The
//! server's words are a stranger's: they are cut to one short line before anybody sees them.

pub mod archive;
mod bounded;
pub mod exchange;
mod message;
pub mod ntp;
pub mod siem;
pub mod syslog;
pub mod webhook;

use bounded::Bounded;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsVersion};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use sekisho_core::desk::Answer;
use sekisho_core::letter::{Address, Carried, Courier, Parcel};
use sekisho_core::limits;
use sekisho_core::secret::Secret;
use std::error::Error as _;
use std::time::Duration;
use tokio::net::TcpStream;

/// Time for a connection to the server.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest text of a server's answer that is kept.
const WORDS: usize = 300;

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte (RFC 8314 section 3.3, port 465).
    Implicit,
    /// STARTTLS, which must succeed before anything is sent (port 587).
    StartTls,
    /// None; within this machine only.
    None,
}

/// The mail server, and who this box is to it.
#[derive(Clone, Debug)]
pub struct CourierSettings {
    /// Name or address. A certificate must name it.
    pub server: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: Protection,
    /// Authorities that may have issued the server's certificate, PEM; `None` for those of the operating system.
    pub authorities: Option<Vec<u8>>,
    /// Account and its secret, if the server asks for one.
    pub account: Option<(String, Secret)>,
    /// From whom letters come.
    pub from: Address,
    /// The name beside that address.
    pub from_name: String,
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The file of authorities.
    #[error("the file of certificate authorities for the mail server cannot be used: {0}")]
    Authorities(String),
    /// Mail in clear over a network.
    #[error("a mail server without TLS must be on this machine")]
    PlainOverNetwork,
}

/// The way to one mail server.
pub struct Smtp {
    settings: CourierSettings,
    tls: Option<TlsParameters>,
    hello: ClientId,
}

/// Why a letter was not handed over.
enum Stopped {
    /// Concerns every letter.
    Way(String),
    /// Concerns this letter, for now.
    Later(String),
    /// Concerns this letter, for ever.
    Never(String),
}

impl Smtp {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// Settings that cannot work.
    pub fn new(settings: CourierSettings) -> Result<Self, BadSettings> {
        let tls = match settings.protection {
            Protection::None if !is_this_machine(&settings.server) => return Err(BadSettings::PlainOverNetwork),
            Protection::None => None,
            Protection::Implicit | Protection::StartTls => Some(tls(&settings)?),
        };
        let hello = ClientId::Domain(settings.from.domain().to_owned());
        Ok(Self { settings, tls, hello })
    }

    /// Connects, proves who the server is and logs in, and ends: for whoever sets up mail.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub async fn look(&self) -> Result<(), String> {
        let looked = async {
            let mut line = self.open().await?;
            line.abort().await;
            Ok(())
        };
        match tokio::time::timeout(time(), looked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Stopped::Way(why) | Stopped::Later(why) | Stopped::Never(why))) => Err(why),
            Err(_) => Err("the mail server did not answer in time".into()),
        }
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Stopped> {
        let way = |error: lettre::transport::smtp::Error| Stopped::Way(words(&error));
        let place = (self.settings.server.as_str(), self.settings.port);
        let mut line = match (self.settings.protection, &self.tls) {
            (Protection::Implicit, Some(tls)) => AsyncSmtpConnection::connect_tokio1(place, Some(CONNECT), &self.hello, Some(tls.clone()), None).await.map_err(way)?,
            (protection, tls) => {
                let stream = tokio::time::timeout(CONNECT, TcpStream::connect(place)).await;
                let stream = stream.map_err(|_| Stopped::Way("the mail server did not answer in time".into()))?.map_err(|error| Stopped::Way(error.to_string()))?;
                // Whoever sits on the line before TLS begins can send without end.
                let mut line = AsyncSmtpConnection::connect_with_transport(Box::new(Bounded::new(stream)), &self.hello).await.map_err(way)?;
                if protection == Protection::StartTls {
                    let Some(tls) = tls else { return Err(Stopped::Way("no TLS was prepared".into())) };
                    line.starttls(tls.clone(), &self.hello).await.map_err(way)?;
                }
                line
            }
        };
        if self.settings.protection != Protection::None && !line.is_encrypted() {
            return Err(Stopped::Way("the connection is not encrypted".into()));
        }
        if let Some((account, secret)) = &self.settings.account {
            let credentials = Credentials::new(account.clone(), secret.expose().to_owned());
            line.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(way)?;
        }
        Ok(line)
    }

    async fn hand_over(&self, parcel: &Parcel) -> Result<(), Stopped> {
        // A letter that cannot be written down will not become better by waiting.
        let (from, to, bytes) = message::written(&self.settings, parcel).map_err(Stopped::Never)?;
        let mut line = self.open().await?;
        let handed = async {
            // A server that does not take this sender takes no letter of ours.
            line.command(Mail::new(Some(from), Vec::new())).await.map_err(|error| Stopped::Way(words(&error)))?;
            line.command(Rcpt::new(to, Vec::new())).await.map_err(|error| of_letter(&error))?;
            line.command(Data).await.map_err(|error| of_letter(&error))?;
            line.message(&bytes).await.map_err(|error| of_letter(&error))
        };
        let handed = handed.await;
        line.abort().await;
        handed.map(|_| ())
    }
}

impl Courier for Smtp {
    fn carry(&self, parcel: Parcel) -> Answer<'_, Carried> {
        Box::pin(async move {
            match tokio::time::timeout(time(), self.hand_over(&parcel)).await {
                Ok(Ok(())) => Carried::Taken,
                Ok(Err(Stopped::Never(why))) => Carried::Refused(why),
                Ok(Err(Stopped::Later(why))) => Carried::Later(why),
                Ok(Err(Stopped::Way(why))) => Carried::Unreachable(why),
                Err(_) => Carried::Unreachable("the mail server did not answer in time".into()),
            }
        })
    }
}

fn time() -> Duration {
    Duration::from_secs(limits::MAIL_SECONDS as u64)
}

fn tls(settings: &CourierSettings) -> Result<TlsParameters, BadSettings> {
    let bad = |error: lettre::transport::smtp::Error| BadSettings::Authorities(words(&error));
    let mut builder = TlsParameters::builder(settings.server.clone()).set_min_tls_version(TlsVersion::Tlsv12);
    if let Some(pem) = &settings.authorities {
        let named = Certificate::from_pem(pem).map_err(bad)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(named);
    }
    builder.build().map_err(bad)
}

/// True for names of this machine alone.
#[must_use]
pub fn is_this_machine(server: &str) -> bool {
    let bare = server.trim_start_matches('[').trim_end_matches(']');
    server == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What a refusal after the sender was taken means for the letter: a code of 5xx ends it, anything else waits.
fn of_letter(error: &lettre::transport::smtp::Error) -> Stopped {
    if error.is_permanent() {
        Stopped::Never(words(error))
    } else if error.is_transient() {
        Stopped::Later(words(error))
    } else {
        Stopped::Way(words(error))
    }
}

/// An error with its causes, on one short line.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    one_short_line(&text)
}

/// A stranger's words, of which nothing acts on whoever reads them.
pub(crate) fn one_short_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, protection: Protection) -> CourierSettings {
        CourierSettings { server: server.into(), port: 25, protection, authorities: None, account: None, from: Address::parse("sekisho@aoba.example").unwrap(), from_name: "青葉病院 関所".into() }
    }

    #[test]
    fn mail_in_clear_never_leaves_this_machine() {
        for server in ["localhost", "127.0.0.1", "::1", "[::1]"] {
            assert!(Smtp::new(settings(server, Protection::None)).is_ok(), "{server}");
        }
        for server in ["mail.aoba.example", "10.0.0.25", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(Smtp::new(settings(server, Protection::None)).is_err(), "{server}");
        }
    }
}
