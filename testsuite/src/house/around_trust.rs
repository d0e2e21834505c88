//! A client's trust in the box by its own authority, whatever the test's clock says: the certificates are made by a clock that
//! the test sets.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

#[derive(Debug)]
struct AtItsTime(Arc<rustls::client::WebPkiServerVerifier>);

/// A verifier that asks for chain and name at the noon of the tests.
pub fn any(roots: RootCertStore) -> Arc<dyn ServerCertVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Arc::new(AtItsTime(rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap()))
}

impl ServerCertVerifier for AtItsTime {
    fn verify_server_cert(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &ServerName<'_>, ocsp: &[u8], _: UnixTime) -> Result<ServerCertVerified, Error> {
        let noon = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_237_200));
        self.0.verify_server_cert(leaf, others, name, ocsp, noon)
    }

    fn verify_tls12_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
