//! Which certificates of devices stand, in memory: handshakes ask it, and a handshake cannot wait for a database.
//!
//! It is filled from sealed rows at the start and follows each change once that is durable.

use sekisho_core::ids::DeviceId;
use sekisho_core::porter::Standing;
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

#[derive(Clone)]
struct Known {
    device: DeviceId,
    until: Timestamp,
    revoked: bool,
}

/// Certificates by serial number.
#[derive(Default)]
pub(crate) struct Registry(RwLock<HashMap<String, Known>>);

impl Registry {
    /// A certificate was issued, or ends at another time than it was known to.
    pub(super) fn put(&self, serial: &str, device: DeviceId, until: Timestamp, revoked: bool) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // A serial number that was revoked never rises again, whoever tells of it last.
        if held.get(serial).is_none_or(|known| !known.revoked) {
            held.insert(serial.to_owned(), Known { device, until, revoked });
        }
    }

    pub(super) fn standing(&self, serial: &str) -> Standing {
        match self.0.read().unwrap_or_else(PoisonError::into_inner).get(serial) {
            None => Standing::Unknown,
            Some(known) if known.revoked => Standing::Revoked,
            Some(known) => Standing::Good { device: known.device.clone(), until: known.until },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_stays_revoked_also_if_an_older_word_comes_later() {
        let registry = Registry::default();
        let (device, until) = (crate::secrets::random_id::<DeviceId>().unwrap(), Timestamp(9));
        assert_eq!(registry.standing("01"), Standing::Unknown);
        registry.put("01", device.clone(), until, false);
        assert_eq!(registry.standing("01"), Standing::Good { device: device.clone(), until });
        registry.put("01", device.clone(), until, true);
        registry.put("01", device, until, false);
        assert_eq!(registry.standing("01"), Standing::Revoked);
    }
}
