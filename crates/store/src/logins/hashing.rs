//! Password hashing, bounded and away from the loop.

use crate::fault::Fault;
use crate::log::blocking;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use sekisho_core::secret::Secret;
use tokio::sync::{OnceCell, Semaphore};

/// Memory of one hash in KiB, passes and lanes: OWASP's recommendation for Argon2id. More memory would make a small box
/// with many logins at once swap; a second factor and the lock-out stand beside the password in any case.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes computed at once. More would let a flood of logins take all memory and both processors.
const AT_ONCE: usize = 2;

/// The place where passwords are hashed.
pub(crate) struct Hashing {
    permits: Semaphore,
    /// Hash of no password at all, so that an unknown login takes as long as a known one.
    nobody: OnceCell<String>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_ONCE), nobody: OnceCell::new() }
    }
}

fn hasher() -> Result<Argon2<'static>, Fault> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| Fault::Crypto(format!("argon2: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl Hashing {
    /// The PHC string of a password.
    pub async fn hash(&self, password: Secret) -> Result<String, Fault> {
        let _permit = self.permits.acquire().await;
        blocking(move || {
            let salt: [u8; 16] = crate::secrets::random_bytes()?;
            let hash = hasher()?.hash_password_with_salt(password.expose().as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| Fault::Crypto(format!("a password could not be hashed: {error}")))
        })
        .await
    }

    /// Whether the password belongs to the hash. `None` compares with nobody's hash, takes as long, and is false.
    pub async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, Fault> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.nobody().await?,
        };
        let _permit = self.permits.acquire().await;
        let fits = blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(|error| Fault::Damaged(format!("a stored password hash is malformed: {error}")))?;
            Ok(hasher()?.verify_password(password.expose().as_bytes(), &hash).is_ok())
        })
        .await?;
        Ok(fits && known)
    }

    async fn nobody(&self) -> Result<String, Fault> {
        let hash = self.nobody.get_or_try_init(|| async {
            let nobody = Secret::new(hex::encode(crate::secrets::random_bytes::<16>()?));
            self.hash(nobody).await
        });
        hash.await.cloned()
    }
}
