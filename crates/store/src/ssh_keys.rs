//! The gateway's own SSH host keys. The gateway makes and uses them; the store keeps them sealed.

use crate::fault::Fault;
use crate::Store;
use sekisho_core::secret::Secret;
use zeroize::Zeroizing;

/// The file in the keys folder.
const FILE: &str = "ssh-host.keys";

impl Store {
    /// Keeps the host keys, OpenSSH PEM.
    ///
    /// # Errors
    /// A fault if they cannot be written.
    pub fn keep_ssh_host_keys(&self, keys: &[Secret]) -> Result<(), Fault> {
        let texts: Vec<&str> = keys.iter().map(Secret::expose).collect();
        self.inner.keys.keep_file(FILE, &Zeroizing::new(serde_json::to_vec(&texts)?))
    }

    /// The host keys that were kept; empty before the first start.
    ///
    /// # Errors
    /// A fault if they cannot be read.
    pub fn ssh_host_keys(&self) -> Result<Vec<Secret>, Fault> {
        let Some(bytes) = self.inner.keys.load_file(FILE)? else { return Ok(Vec::new()) };
        Ok(serde_json::from_slice(&bytes)?)
    }
}
