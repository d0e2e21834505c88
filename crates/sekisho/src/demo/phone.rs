//! A person's authenticator: gives one-time codes, each once. Where a person would wait for the next one, the demo's
//! clock steps on instead.

use anyhow::{Context, Result};
use super::clock::DemoClock;
use sekisho_core::time::{Clock, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds of one code (RFC 6238 section 4).
const STEP: u64 = 30;

/// An authenticator that knows one secret.
pub struct Phone {
    totp: Totp,
    last: Mutex<u64>,
    clock: Arc<DemoClock>,
}

impl Phone {
    /// Takes the secret that enrolment shows, in base32.
    ///
    /// # Errors
    /// It is not base32 or too short.
    pub fn new(secret_base32: &str, clock: Arc<DemoClock>) -> Result<Self> {
        let secret = Secret::try_from_base32(secret_base32).ok().context("the secret is not base32")?;
        let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP).with_secret(secret).build();
        let totp = totp.ok().context("the secret is too short")?;
        Ok(Self { totp, last: Mutex::new(0), clock })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1000).unwrap_or(0)
    }

    /// The code of this moment, as a person would read it; may have been used.
    #[must_use]
    pub fn shown(&self) -> String {
        self.totp.generate(self.now()).to_string()
    }

    /// The newest step whose code was given. Who takes over this secret goes on after it.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A code that was not used before, not later than the clock.
    #[must_use]
    pub fn fresh(&self) -> String {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let step = (self.now() / STEP).max(*last + 1);
        self.clock.advance_to(Timestamp(i64::try_from(step * STEP * 1000).unwrap_or(i64::MAX)));
        *last = step;
        self.totp.generate(step * STEP).to_string()
    }
}
