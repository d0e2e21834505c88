//! The judgement of a certificate within the handshake: form, signature of our authority, time, and how it stands.
//!
//! INVARIANT: whoever comes through the handshake has shown a certificate that stands, and has signed with its key. Every
//! failure is answered by one and the same alert; which one it was goes inwards, into `seen`.

use super::form::{self, Shown};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use sekisho_core::desk::ClientCertificate;
use sekisho_core::ids::DeviceId;
use sekisho_core::porter::{CertificateFault, Porter, Standing};
use sekisho_core::time::Clock;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What all handshakes share.
pub struct Judge {
    chain: Arc<dyn ClientCertVerifier>,
    porter: Arc<dyn Porter>,
    clock: Arc<dyn Clock>,
}

impl Judge {
    /// A judge who trusts the porter's authorities and nobody else.
    ///
    /// # Errors
    /// There is none, or one cannot be used.
    pub fn new(porter: Arc<dyn Porter>, clock: Arc<dyn Clock>, provider: Arc<rustls::crypto::CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for authority in porter.authorities() {
            roots.add(CertificateDer::from(authority))?;
        }
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { chain, porter, clock })
    }

    /// Judges what a client shows, apart from the signature over the handshake.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<Shown, CertificateFault> {
        use CertificateFault as F;
        let shown = form::read(leaf)?;
        let now = self.clock.now();
        let seconds = u64::try_from(now.0.div_euclid(1000)).map_err(|_| F::NotYet)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match self.chain.verify_client_cert(leaf, others, at) {
            Ok(_) => {}
            // Time is named only for what our authority signed; of others' certificates it says nothing.
            Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => return Err(F::Expired),
            Err(Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })) => return Err(F::NotYet),
            Err(_) => return Err(F::Chain),
        }
        match self.porter.standing(&shown.serial) {
            Standing::Unknown => Err(F::Unknown),
            Standing::Revoked => Err(F::Revoked),
            Standing::Good { device, .. } if device != shown.device => Err(F::OtherDevice),
            Standing::Good { until, .. } if now >= until => Err(F::Expired),
            Standing::Good { .. } => Ok(shown),
        }
    }
}

/// What came of one handshake.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<Outcome>>);

#[derive(Debug)]
enum Outcome {
    Held(Shown),
    Failed { serial: String, fault: CertificateFault },
}

impl Seen {
    fn put(&self, outcome: Outcome) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// Why the certificate was not accepted, with its serial number as far as it could be read.
    pub fn failure(&self) -> Option<(String, CertificateFault)> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Outcome::Failed { serial, fault }) => Some((serial.clone(), *fault)),
            _ => None,
        }
    }

    /// The certificate that holds, and its device. Called after the handshake has ended, and so after the signature with the
    /// certificate's key over it was verified; before that there is nothing to take.
    pub fn proof(&self) -> Option<(ClientCertificate, DeviceId)> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Outcome::Held(shown)) => Some((ClientCertificate::assertion(shown.serial.clone()), shown.device.clone())),
            _ => None,
        }
    }
}

/// The judge in one handshake.
pub struct Verifier {
    pub judge: Arc<Judge>,
    pub seen: Arc<Seen>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// The one answer to the outside.
    fn refuse(&self, leaf: &CertificateDer<'_>, fault: CertificateFault) -> Error {
        self.seen.put(Outcome::Failed { serial: form::serial_of(leaf), fault });
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.chain.root_hint_subjects()
    }

    // The library's time is not asked for: there is one clock.
    fn verify_client_cert(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        match self.judge.judge(leaf, others) {
            Ok(shown) => {
                self.seen.put(Outcome::Held(shown));
                Ok(ClientCertVerified::assertion())
            }
            Err(fault) => Err(self.refuse(leaf, fault)),
        }
    }

    // Asked for the exception of a line alone; no other handshake offers TLS 1.2.
    fn verify_tls12_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.judge.chain.verify_tls12_signature(message, leaf, signed).map_err(|_| self.refuse(leaf, CertificateFault::Signature))
    }

    fn verify_tls13_signature(&self, message: &[u8], leaf: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.judge.chain.verify_tls13_signature(message, leaf, signed).map_err(|_| self.refuse(leaf, CertificateFault::Signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.chain.supported_verify_schemes()
    }
}
