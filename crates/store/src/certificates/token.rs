//! The key of the issuing part in a token or an HSM (PKCS #11): it is made there, signs there, and cannot be taken out.

use crate::fault::Fault;
use crate::secrets::random_bytes;
use crate::settings::DeviceToken;
use crate::tls::crypto;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use sekisho_core::limits;
use sekisho_evidence::Digest;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// What the key of a part in a token is written as, before its identifier there.
pub(super) const IN_TOKEN: &str = "pkcs11:";
/// The curve P-256 as the token is told (RFC 5480 section 2.1.1.1).
const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// Octets of an uncompressed point of P-256, and of each half of a signature.
const POINT_BYTES: usize = 65;
const HALF_BYTES: usize = 32;
/// Longest file of a PIN.
const PIN_BYTES: u64 = 256;

/// A module is loaded once for the process: its state belongs to the process, not to whoever loaded it.
static MODULES: LazyLock<Mutex<BTreeMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);

/// One question at a time is with the token. One that it does not answer stays with it.
static TURN: LazyLock<Arc<tokio::sync::Mutex<()>>> = LazyLock::new(Arc::default);
/// True from a question that was not answered in time until it was.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Asks the token something, on a thread where it may hang, and waits no longer than [`limits::TOKEN_ANSWER_SECONDS`].
///
/// Whoever asks may be in the middle of a change, and then nobody else can write: so a token that hangs is waited for once,
/// and until it answers, every other question fails at once.
///
/// # Errors
/// What the question itself gives; a fault if the token does not answer.
pub(super) async fn ask<T: Send + 'static>(question: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    ask_within(Duration::from_secs(limits::TOKEN_ANSWER_SECONDS as u64), question).await
}

async fn ask_within<T: Send + 'static>(patience: Duration, question: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let silent = || Fault::Crypto(format!("the token did not answer within {} seconds", patience.as_secs()));
    let turn = match Arc::clone(&TURN).try_lock_owned() {
        Ok(turn) => turn,
        Err(_) if SILENT.load(Ordering::SeqCst) => return Err(silent()),
        Err(_) => timeout(patience, Arc::clone(&TURN).lock_owned()).await.map_err(|_| silent())?,
    };
    let answer = tokio::task::spawn_blocking(move || {
        let answer = question();
        SILENT.store(false, Ordering::SeqCst);
        drop(turn);
        answer
    });
    match timeout(patience, answer).await {
        Ok(answer) => answer.map_err(|died| Fault::Crypto(format!("the token: {died}")))?,
        Err(_) => {
            // It may have answered in between: then the next question finds its turn free, whatever stands here.
            SILENT.store(true, Ordering::SeqCst);
            tracing::error!("ALARM: the token that certifies devices does not answer");
            Err(silent())
        }
    }
}

fn failed(what: &str) -> impl FnOnce(Error) -> Fault {
    move |error| Fault::Crypto(format!("the token: {what}: {error}"))
}

fn module(path: &Path) -> Result<Pkcs11, Fault> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(failed("its module cannot be loaded"))?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed("its module does not begin"))?;
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// A session with the token that has this label, logged in.
fn session(token: &DeviceToken) -> Result<Session, Fault> {
    let module = module(&token.module)?;
    let slots = module.get_slots_with_token().map_err(failed("its slots"))?;
    let is_it = |slot: &cryptoki::slot::Slot| module.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == token.token);
    let slot = slots.into_iter().find(is_it).ok_or_else(|| Fault::Settings(format!("no token is called {:?}", token.token)))?;
    let session = module.open_rw_session(slot).map_err(failed("a session"))?;
    let mut pin = Zeroizing::new(String::new());
    let words = || format!("reading {}", token.pin_file.display());
    std::fs::File::open(&token.pin_file).and_then(|file| file.take(PIN_BYTES).read_to_string(&mut pin)).map_err(Fault::io(words()))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.trim().into()))) {
        // The login is the process's; another session has it already.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(failed("the login")(error)),
    }
}

/// Makes a key that cannot leave the token. Gives what the part keeps in the place of a key.
pub(super) fn generate(token: &DeviceToken) -> Result<String, Fault> {
    let session = session(token)?;
    let id: [u8; 8] = random_bytes()?;
    let shared = || vec![Attribute::Token(true), Attribute::Id(id.to_vec()), Attribute::Label(b"sekisho device authority".to_vec())];
    let mut public = shared();
    public.extend([Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(P256.to_vec())]);
    let mut private = shared();
    private.extend([Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)]);
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map_err(failed("a key could not be made"))?;
    Ok(format!("{IN_TOKEN}{}", hex::encode(id)))
}

/// A key in a token.
pub(super) struct TokenKey {
    session: Session,
    key: ObjectHandle,
    point: Vec<u8>,
}

impl TokenKey {
    /// Finds a key by what [`generate`] gave.
    pub fn open(token: &DeviceToken, name: &str) -> Result<Self, Fault> {
        let id = name.strip_prefix(IN_TOKEN).and_then(|id| hex::decode(id).ok()).ok_or_else(|| Fault::Damaged("a key's place in the token is malformed".into()))?;
        let session = session(token)?;
        let one = |class: ObjectClass| {
            let found = session.find_objects(&[Attribute::Class(class), Attribute::Id(id.clone())]).map_err(failed("looking for the key"))?;
            found.first().copied().ok_or_else(|| Fault::Crypto(format!("the token {:?} does not hold the key {}", token.token, hex::encode(&id))))
        };
        let key = one(ObjectClass::PRIVATE_KEY)?;
        let attributes = session.get_attributes(one(ObjectClass::PUBLIC_KEY)?, &[AttributeType::EcPoint]).map_err(failed("its public half"))?;
        let point = attributes.into_iter().find_map(|attribute| if let Attribute::EcPoint(point) = attribute { Some(point) } else { None });
        // An OCTET STRING around the point, as the standard says; some tokens give the point alone.
        let point = point.map(|point| point.strip_prefix(&[0x04, 0x41]).map(<[u8]>::to_vec).unwrap_or(point));
        let point = point.filter(|point| point.len() == POINT_BYTES && point.first() == Some(&0x04)).ok_or_else(|| Fault::Crypto("the token's key is not one of P-256".into()))?;
        Ok(Self { session, key, point })
    }
}

/// Who signs for the issuing part.
pub(super) enum Signer {
    /// A key of the keys folder.
    Here(KeyPair),
    /// A key in a token.
    Token(TokenKey),
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Here(pair) => pair.der_bytes(),
            Self::Token(key) => &key.point,
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self {
            Self::Here(pair) => pair.sign(message),
            Self::Token(key) => {
                let digest = Digest::of(message);
                let signature = key.session.sign(&Mechanism::Ecdsa, key.key, digest.as_bytes()).map_err(|error| {
                    tracing::error!(%error, "the token does not sign");
                    rcgen::Error::RemoteKeyError
                })?;
                let halves = signature.split_at_checked(HALF_BYTES).filter(|(_, second)| second.len() == HALF_BYTES);
                let (r, s) = halves.ok_or(rcgen::Error::RemoteKeyError)?;
                Ok(der_signature(r, s))
            }
        }
    }
}

/// Two numbers as a certificate holds them (RFC 3279 section 2.2.3): a SEQUENCE of two INTEGERs.
fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        // A leading bit would make the number negative, and nothing at all would be no number.
        let pad = digits.first().is_none_or(|first| first & 0x80 != 0);
        let mut der = vec![0x02, u8::try_from(digits.len() + usize::from(pad)).unwrap_or(0)];
        der.extend(pad.then_some(0));
        der.extend(digits);
        der
    };
    let body = [integer(r), integer(s)].concat();
    let mut der = vec![0x30, u8::try_from(body.len()).unwrap_or(0)];
    der.extend(body);
    der
}

/// A key of the keys folder.
pub(super) fn here(pkcs8: &[u8]) -> Result<Signer, Fault> {
    Ok(Signer::Here(KeyPair::try_from(pkcs8).map_err(crypto)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_hangs_is_waited_for_once() {
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let hung = ask_within(Duration::from_millis(20), move || {
            held.recv().ok();
            Ok(())
        });
        assert!(hung.await.is_err());
        let next = timeout(Duration::from_secs(30), ask_within(Duration::from_secs(3_600), || Ok(()))).await;
        assert!(next.expect("nobody else waits for it").is_err());
        drop(let_go);
        // The thread that hung gives its turn back by itself.
        drop(TURN.lock().await);
        assert_eq!(ask(|| Ok(7)).await.unwrap(), 7);
    }

    #[test]
    fn numbers_are_written_shortest_and_positive() {
        let mut small = [0; 32];
        small[31] = 5;
        let mut large = [0; 32];
        large[0] = 0x80;
        let der = der_signature(&small, &large);
        assert_eq!(&der[..5], &[0x30, 3 + 35, 0x02, 1, 5]);
        assert_eq!(&der[5..9], &[0x02, 33, 0, 0x80]);
        assert_eq!(der_signature(&[0; 32], &small), [0x30, 6, 0x02, 1, 0, 0x02, 1, 5]);
    }
}
