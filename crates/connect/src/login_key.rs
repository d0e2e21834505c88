//! The key of one login, in the form that ssh reads (OpenSSH's PROTOCOL.key): Ed25519, unencrypted like the device's key,
//! and gone with its login.

use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ED25519};
use zeroize::Zeroizing;

const KIND: &[u8] = b"ssh-ed25519";
/// What stands before the 32 secret bytes in PKCS #8 (RFC 8410 section 7).
const SEED_MARK: &[u8] = &[0x04, 0x22, 0x04, 0x20];
const SEED_BYTES: usize = 32;
/// Letters of one line of the file.
const LINE: usize = 70;

/// A fresh key.
pub struct LoginKey {
    /// The file of the private key.
    pub private: Zeroizing<String>,
    /// The line of the public one.
    pub public: String,
}

/// Makes a key. It never leaves this machine.
pub fn make() -> Result<LoginKey, Trouble> {
    let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(Trouble::here)?;
    let public = pair.public_key_raw().to_vec();
    let der = Zeroizing::new(pair.serialize_der());
    let seed = der.windows(SEED_MARK.len() + SEED_BYTES).find(|part| part.starts_with(SEED_MARK)).and_then(|part| part.get(SEED_MARK.len()..));
    let seed = seed.ok_or_else(|| Trouble::here("a key of an unknown form was made"))?;
    if public.len() != SEED_BYTES {
        return Err(Trouble::here("a key of an unknown form was made"));
    }
    let blob = [text(KIND), text(&public)].concat();
    let mut secret = Zeroizing::new(Vec::new());
    // The same number twice tells a reader that it was decrypted rightly; nothing is encrypted here.
    secret.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    secret.extend_from_slice(&blob);
    secret.extend_from_slice(&text(&Zeroizing::new([seed, &public].concat())));
    secret.extend_from_slice(&text(b"sekisho-login"));
    let mut pad = 1_u8;
    while secret.len() % 8 != 0 {
        secret.push(pad);
        pad += 1;
    }
    let mut all = Zeroizing::new(b"openssh-key-v1\0".to_vec());
    all.extend_from_slice(&[text(b"none"), text(b"none"), text(b""), vec![0, 0, 0, 1], text(&blob)].concat());
    all.extend_from_slice(&Zeroizing::new(text(&secret)));
    let coded = Zeroizing::new(STANDARD.encode(all.as_slice()));
    let mut private = Zeroizing::new(String::from("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    for line in coded.as_bytes().chunks(LINE) {
        private.push_str(std::str::from_utf8(line).unwrap_or_default());
        private.push('\n');
    }
    private.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    Ok(LoginKey { private, public: format!("ssh-ed25519 {}", STANDARD.encode(&blob)) })
}

/// A string of SSH (RFC 4251 section 5).
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn ssh_reads_the_key_and_finds_the_same_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let (made, path) = (make().unwrap(), folder.path().join("key"));
        std::fs::write(&path, made.private.as_bytes()).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let out = Command::new("ssh-keygen").args(["-y", "-f"]).arg(&path).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(said.starts_with(&made.public), "{said} is not {}; {}", made.public, String::from_utf8_lossy(&out.stderr));
        assert_ne!(make().unwrap().public, made.public);
    }
}
