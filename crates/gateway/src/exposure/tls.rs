//! How a listener speaks TLS, found by asking it: ClientHellos of our own for everything that might be answered, and one
//! handshake by the library for certificates and for who is let in.

use super::PATIENCE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sekisho_core::exposure::{Part, Shown, TlsLook};
use sekisho_core::time::Timestamp;
use sekisho_protocol::tls::{ANSWER_BYTES, Answer, GROUPS, Offer, SUITES_12, SUITES_13, TLS13, VERSIONS, client_hello, read_answer};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates of a chain that are told.
const CHAIN: usize = 4;
/// Letters of a name in a certificate.
const NAME_CHARS: usize = 100;
/// What pages speak; the door lets nobody in with it who shows no certificate.
const PROTOCOL: &[u8] = b"http/1.1";
/// Random bytes of a ClientHello. No key comes of it, so they need not be unknown to anybody.
const RANDOM: [u8; 32] = *b"Sekisho looks at its own doors..";

/// Looks at a listener.
pub async fn look(part: Part, at: SocketAddr) -> TlsLook {
    let mut look = TlsLook {
        part,
        address: at.ip(),
        port: at.port(),
        versions: Vec::new(),
        suites: Vec::new(),
        groups: Vec::new(),
        chain: Vec::new(),
        lets_strangers_in: None,
        compresses: false,
        renegotiates_unsafely: false,
        trouble: String::new(),
    };
    if let Err(trouble) = scan(at, &mut look).await {
        look.trouble = trouble;
    }
    match shake(at).await {
        Ok((chain, let_in)) => {
            look.chain = chain;
            look.lets_strangers_in = (part == Part::Door).then_some(let_in);
        }
        Err(trouble) if look.trouble.is_empty() => look.trouble = trouble,
        Err(_) => {}
    }
    look
}

/// Versions, suites and groups: each round offers what was not chosen yet, until nothing is.
async fn scan(at: SocketAddr, look: &mut TlsLook) -> Result<(), String> {
    let groups: Vec<u16> = GROUPS.iter().map(|(group, _)| *group).collect();
    let mut suites = BTreeSet::new();
    for (version, name) in VERSIONS {
        let table: &[(u16, &str)] = if version == TLS13 { &SUITES_13 } else { &SUITES_12 };
        let mut left: Vec<u16> = table.iter().map(|(suite, _)| *suite).collect();
        while let Some((answered, suite, compresses, renegotiation)) = spoken(ask(at, version, &left, &groups).await?) {
            // A listener may answer with an older version than was offered; that one has its own round.
            if answered != version || !left.contains(&suite) {
                break;
            }
            if !look.versions.iter().any(|known| known == name) {
                look.versions.push(name.to_owned());
            }
            look.compresses |= compresses;
            look.renegotiates_unsafely |= version != TLS13 && !renegotiation;
            left.retain(|other| *other != suite);
            suites.extend(table.iter().filter(|(known, _)| *known == suite).map(|(_, name)| (*name).to_owned()));
            if left.is_empty() {
                break;
            }
        }
    }
    look.suites = suites.into_iter().collect();
    if look.versions.is_empty() {
        return Err("it answers no version of TLS".into());
    }
    if look.versions.iter().any(|name| name == "TLS 1.3") {
        let all: Vec<u16> = SUITES_13.iter().map(|(suite, _)| *suite).collect();
        for (group, name) in GROUPS {
            if let Answer::Speaks { version: TLS13, group: Some(chosen), .. } = ask(at, TLS13, &all, &[group]).await?
                && chosen == group
            {
                look.groups.push(name.to_owned());
            }
        }
    }
    Ok(())
}

fn spoken(answer: Answer) -> Option<(u16, u16, bool, bool)> {
    match answer {
        Answer::Speaks { version, suite, compresses, renegotiation, .. } => Some((version, suite, compresses, renegotiation)),
        _ => None,
    }
}

async fn ask(at: SocketAddr, version: u16, suites: &[u16], groups: &[u16]) -> Result<Answer, String> {
    let hello = client_hello(&Offer { version, suites, groups, protocols: &[PROTOCOL], compression: version != TLS13, random: RANDOM });
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(&hello).await?;
        let mut heard = Vec::new();
        let mut piece = [0; 2048];
        loop {
            let count = stream.read(&mut piece).await?;
            heard.extend_from_slice(piece.get(..count).unwrap_or_default());
            let answer = read_answer(&heard);
            // Whoever closes without a word speaks nothing of what was offered.
            if answer != Answer::Unfinished || count == 0 || heard.len() > ANSWER_BYTES {
                return Ok::<_, std::io::Error>(answer);
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        // A reset is an answer, too.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(Answer::Other),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it gave no answer in time".into()),
    }
}

/// A handshake without a certificate: what the listener shows, and whether it then says a word of HTTP.
async fn shake(at: SocketAddr) -> Result<(Vec<Shown>, bool), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    let talk = async {
        let stream = TcpStream::connect(at).await.map_err(|error| error.to_string())?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(at.ip().into()), stream).await.map_err(|error| error.to_string())?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().iter().take(CHAIN).filter_map(shown).collect();
        // In TLS 1.3 the client is done before its certificate is judged, so only what comes back tells.
        let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: exposure.invalid\r\nConnection: close\r\n\r\n").await;
        let mut answer = [0; 1];
        let let_in = asked.is_ok() && matches!(stream.read(&mut answer).await, Ok(1));
        Ok((chain, let_in))
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap_or_else(|_| Err("the handshake took too long".into()))
}

fn shown(der: &CertificateDer<'_>) -> Option<Shown> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let named = |name: &x509_parser::x509::X509Name<'_>| {
        let text = name.iter_common_name().find_map(|attribute| attribute.as_str().ok()).unwrap_or_default();
        text.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect::<String>()
    };
    let validity = certificate.validity();
    let moment = |at: i64| Timestamp(at.saturating_mul(1000));
    Some(Shown { subject: named(certificate.subject()), issuer: named(certificate.issuer()), from: moment(validity.not_before.timestamp()), until: moment(validity.not_after.timestamp()) })
}

/// Takes any certificate: it is to be looked at, nothing that comes over this connection is believed, and nothing that
/// matters is sent.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8], _: UnixTime) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A listener that answers every handshake, with the versions that are named.
    async fn listener(versions: &[&'static rustls::SupportedProtocolVersion]) -> SocketAddr {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    }
                });
            }
        });
        at
    }

    #[tokio::test]
    async fn an_older_version_that_is_answered_is_found() {
        let at = listener(&[&rustls::version::TLS12, &rustls::version::TLS13]).await;
        let look = look(Part::Door, at).await;
        assert_eq!(look.trouble, "");
        assert_eq!(look.versions, ["TLS 1.2", "TLS 1.3"]);
        assert!(look.suites.iter().any(|suite| suite == "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), "{:?}", look.suites);
        assert_eq!(look.lets_strangers_in, Some(true), "this door asks for nothing");
        assert_eq!(look.chain.len(), 1);
        assert!(!look.compresses && !look.renegotiates_unsafely, "{look:?}");
    }

    #[tokio::test]
    async fn one_version_alone_is_told_as_such() {
        let at = listener(&[&rustls::version::TLS13]).await;
        let look = look(Part::Pages, at).await;
        assert_eq!((look.versions.as_slice(), look.trouble.as_str()), (&["TLS 1.3".to_owned()][..], ""));
        let suites: Vec<&str> = look.suites.iter().map(String::as_str).collect();
        assert_eq!(suites, ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]);
        assert!(look.groups.iter().any(|group| group == "x25519") && !look.groups.iter().any(|group| group == "ffdhe2048"), "{:?}", look.groups);
        assert_eq!(look.lets_strangers_in, None);
    }

    #[tokio::test]
    async fn what_is_no_tls_is_told_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"SSH-2.0-other\r\n").await;
            }
        });
        assert_eq!(look(Part::Pages, at).await.trouble, "it answers no version of TLS");
    }
}
