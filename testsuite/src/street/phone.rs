//! A person's authenticator: gives each code once, and waits when the next is not due yet.

use sekisho_core::time::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use totp_rs::{Builder, Secret, Totp};

/// Seconds of one code (RFC 6238 section 4).
const STEP: u64 = 30;

/// An authenticator that knows one secret.
pub struct Phone {
    totp: Totp,
    last: Mutex<u64>,
}

impl Phone {
    /// Takes the secret in base32.
    pub fn new(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).expect("the secret is base32");
        let totp = Builder::new().with_secret(secret).with_account_name("street").build().expect("the secret is long enough");
        Self { totp, last: Mutex::new(0) }
    }

    fn step() -> u64 {
        u64::try_from(sekisho::clock::SystemClock.now().0 / 1000).expect("after 1970") / STEP
    }

    /// Seconds since the present step began.
    fn age() -> u64 {
        u64::try_from(sekisho::clock::SystemClock.now().0 / 1000).expect("after 1970") % STEP
    }

    /// A code that was not used before.
    pub fn code(&self) -> String {
        loop {
            let step = Self::step();
            // A code of the step before is taken only while this one is young: on a busy machine it may come too late.
            let oldest = if Self::age() < STEP / 2 { step - 1 } else { step };
            {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                let next = (*last + 1).max(oldest);
                if next <= step + 1 {
                    *last = next;
                    return self.totp.generate(next * STEP).to_string();
                }
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// The newest step that this phone has given a code of; a second phone with the same secret must go on after it.
    pub fn last_step(&self) -> u64 {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The code of one step, used or not.
    pub fn code_of(&self, step: u64) -> String {
        self.totp.generate(step * STEP).to_string()
    }

    /// Goes on after a step that another phone with the same secret has used.
    pub fn after(self, step: u64) -> Self {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = step;
        self
    }
}
