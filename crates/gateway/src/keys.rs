//! Keys as text: host keys of our own, workers' public keys, pinned keys of targets.

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;

/// Least size of an RSA key, in bits.
pub const RSA_BITS: usize = 3072;
/// Longest public-key line that is read; an RSA key of 16,384 bits takes 2.8 kB.
const LINE_BYTES: usize = 8 * 1024;

/// A key could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("key: {0}")]
pub struct KeyFault(String);

impl KeyFault {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Makes the gateway's host keys in OpenSSH PEM form: Ed25519, ECDSA P-256 (the Java client JSch needs it) and
/// RSA 3072. Takes a second or two of computing.
///
/// # Errors
/// [`KeyFault`] if the library cannot make a key.
pub fn generate_host_keys() -> Result<Vec<Secret>, KeyFault> {
    let mut rng = safe_rng();
    let ecdsa = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
    let rsa = RsaKeypair::random(&mut rng, RSA_BITS).map_err(KeyFault::new)?;
    let keys = [
        PrivateKey::random(&mut rng, Algorithm::Ed25519),
        PrivateKey::random(&mut rng, ecdsa),
        PrivateKey::new(KeypairData::from(rsa), ""),
    ];
    keys.into_iter()
        .map(|key| Ok(Secret::new(key.and_then(|key| key.to_openssh(LineEnding::LF)).map_err(KeyFault::new)?.as_str())))
        .collect()
}

/// Makes a key with which Sekisho logs in at a target, in OpenSSH PEM form: Ed25519.
///
/// # Errors
/// [`KeyFault`] if the library cannot make a key.
pub(crate) fn generate_client_key() -> Result<Secret, KeyFault> {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(KeyFault::new)?;
    Ok(Secret::new(key.to_openssh(LineEnding::LF).map_err(KeyFault::new)?.as_str()))
}

/// Reads one of our host keys.
pub(crate) fn read_host_key(pem: &Secret) -> Result<PrivateKey, KeyFault> {
    let key = PrivateKey::from_openssh(pem.expose()).map_err(KeyFault::new)?;
    if key.is_encrypted() { Err(KeyFault("a host key is encrypted".to_owned())) } else { Ok(key) }
}

/// The public line of a private key in OpenSSH PEM form, without a comment.
///
/// # Errors
/// [`KeyFault`] if the text is no unencrypted private key.
pub fn public_line(pem: &Secret) -> Result<String, KeyFault> {
    let key = russh::keys::decode_secret_key(pem.expose(), None).map_err(KeyFault::new)?;
    line_of(key.public_key()).ok_or_else(|| KeyFault("the public key cannot be written".to_owned()))
}

/// Reads a public-key line. A certificate is no key.
pub(crate) fn read_line(line: &str) -> Option<PublicKey> {
    let line = line.trim();
    if line.len() > LINE_BYTES || line.contains(['\n', '\r']) {
        return None;
    }
    let key = PublicKey::from_openssh(line).ok()?;
    (!key.key_data().is_certificate() && !key.key_data().is_other()).then_some(key)
}

/// A public key as `ssh-ed25519 AAAA…`, without its comment.
pub(crate) fn line_of(key: &PublicKey) -> Option<String> {
    let bare = PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh().ok().map(|line| line.trim_end().to_owned())
}

/// The fingerprint that OpenSSH shows: `SHA256:…`. `None` if the line is no public key.
#[must_use]
pub fn fingerprint(line: &str) -> Option<String> {
    read_line(line).map(|key| fingerprint_of(&key))
}

pub(crate) fn fingerprint_of(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Checks a worker's public-key line and gives it without its comment: Ed25519, ECDSA, RSA of at least 3072 bits,
/// or a hardware key of the first two kinds. Options before the key, certificates and other kinds are refused.
///
/// # Errors
/// [`Refusal::BadField`] with the field `public_key`.
pub fn check_public_key_line(line: &str) -> Result<String, Refusal> {
    let key = read_line(line).filter(is_acceptable).and_then(|key| line_of(&key));
    key.ok_or_else(|| Refusal::bad_field("public_key"))
}

/// True for the kinds and sizes that a login may rest on.
pub(crate) fn is_acceptable(key: &PublicKey) -> bool {
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) | KeyData::Ecdsa(_) => true,
        KeyData::Rsa(rsa) => rsa.n().as_positive_bytes().is_some_and(|n| bits(n) >= RSA_BITS),
        _ => false,
    }
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn a_line_loses_its_comment_and_nothing_else() {
        assert_eq!(check_public_key_line(&format!("{ED25519} sato@laptop")), Ok(ED25519.to_owned()));
        assert_eq!(fingerprint(ED25519).as_deref().map(|text| &text[..7]), Some("SHA256:"));
    }

    #[test]
    fn options_certificates_and_nonsense_are_refused() {
        for bad in [
            "".to_owned(),
            "ssh-ed25519".to_owned(),
            format!("command=\"id\" {ED25519}"),
            format!("{ED25519}\n{ED25519}"),
            ED25519.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com "),
            "ssh-dss AAAAB3NzaC1kc3MAAACBAA==".to_owned(),
        ] {
            assert_eq!(check_public_key_line(&bad), Err(Refusal::bad_field("public_key")), "{bad}");
        }
    }
}
