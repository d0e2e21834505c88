//! TLS to the outer door: which server is believed, and what this device shows.

use crate::home::Identity;
use crate::trouble::Trouble;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version};
use sekisho_core::porter::{CODE_CHECK, TypedCode, checked_bytes, code_letters};
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Time to reach the server, the handshake included.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the handshake says if the server is not the one of the code.
const OTHER_SERVER: &str = "not the server of this code";

/// A server's name and port.
pub struct Server {
    text: String,
    host: String,
    name: ServerName<'static>,
    port: u16,
}

impl Server {
    /// Reads `HOST:PORT`, an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, Trouble> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(Trouble::ServerForm)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port: u16 = port.parse().map_err(|_| Trouble::ServerForm)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Trouble::ServerForm)?;
        if port == 0 {
            return Err(Trouble::ServerForm);
        }
        Ok(Self { text: text.trim().to_owned(), host: host.to_owned(), name, port })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Connects and makes the handshake.
pub async fn connect(server: &Server, config: ClientConfig) -> Result<TlsStream<TcpStream>, Trouble> {
    let made = tokio::time::timeout(PATIENCE, async {
        let unreachable = |error: io::Error| Trouble::Unreachable { server: server.text.clone(), detail: error.to_string() };
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(unreachable)?;
        // A keystroke must not wait for the next one.
        let _ = stream.set_nodelay(true);
        TlsConnector::from(Arc::new(config)).connect(server.name.clone(), stream).await.map_err(trouble_of)
    });
    made.await.unwrap_or_else(|_| Err(Trouble::Unreachable { server: server.text.clone(), detail: "timeout".into() }))
}

/// What an error of a TLS stream means to a person.
pub fn trouble_of(error: io::Error) -> Trouble {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(AlertDescription::AccessDenied | AlertDescription::CertificateRequired | AlertDescription::BadCertificate | AlertDescription::CertificateExpired)) => Trouble::NotAccepted,
        Some(Error::General(words)) if words == OTHER_SERVER => Trouble::OtherServer,
        Some(Error::InvalidCertificate(why)) => Trouble::Untrusted { detail: why.to_string() },
        _ => Trouble::broken(error),
    }
}

/// What is spoken by a device that has its certificate, with the server that it enrolled at.
pub fn enrolled(authority: Vec<u8>, identity: &Identity, protocol: &[u8]) -> Result<ClientConfig, Trouble> {
    let roots = roots(authority).map_err(Trouble::here)?;
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.to_vec()));
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&version::TLS13]).map_err(Trouble::here)?;
    let mut config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key).map_err(Trouble::here)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// What is spoken by a device that enrols. Gives the server's authority after the handshake.
pub fn enrolling(code: &TypedCode, protocol: &[u8]) -> Result<(ClientConfig, Arc<ByCode>), Trouble> {
    let known = Arc::new(ByCode { code: code.clone(), authority: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&version::TLS13]).map_err(Trouble::here)?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&known) as Arc<dyn ServerCertVerifier>).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok((config, known))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(authority: Vec<u8>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority))?;
    Ok(roots)
}

/// Believes the server whose authority the code names, and no other.
#[derive(Debug)]
pub struct ByCode {
    code: TypedCode,
    authority: Mutex<Option<Vec<u8>>>,
}

impl ByCode {
    /// The authority of the server that was believed.
    pub fn authority(&self) -> Option<Vec<u8>> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn names(&self, authority: &[u8]) -> bool {
        let hash = Sha256::digest(checked_bytes(self.code.ticket.expose(), authority));
        code_letters(hash.as_slice(), CODE_CHECK) == self.code.check
    }
}

impl ServerCertVerifier for ByCode {
    fn verify_server_cert(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &ServerName<'_>, ocsp: &[u8], now: UnixTime) -> Result<ServerCertVerified, Error> {
        let authority = others.last().filter(|authority| self.names(authority)).ok_or_else(|| Error::General(OTHER_SERVER.into()))?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(authority.to_vec())?), provider()).build().map_err(|error| Error::General(error.to_string()))?;
        let held = inner.verify_server_cert(leaf, others, name, ocsp, now)?;
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = Some(authority.to_vec());
        Ok(held)
    }

    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_and_a_port() {
        for good in ["a.test:443", "192.0.2.1:8443", "[2001:db8::1]:443"] {
            assert!(Server::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a.test", "a.test:", "a.test:0", "a.test:70000", "https://a.test:443", "a b:443", ":443"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_server_that_the_code_names_is_believed() {
        let ticket = "ABCD23456789";
        let check = code_letters(Sha256::digest(checked_bytes(ticket, b"ours")).as_slice(), CODE_CHECK);
        let by = ByCode { code: TypedCode::parse(&format!("{ticket}{check}")).unwrap(), authority: Mutex::default() };
        assert!(by.names(b"ours"));
        assert!(!by.names(b"theirs"));
    }
}
