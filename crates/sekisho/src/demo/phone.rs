//! A person's authenticator: gives one-time codes, each once, and waits when the next is not due yet.

use anyhow::{Context, Result};
use sekisho_core::time::Clock;
use std::sync::Mutex;
use std::time::Duration;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds of one code (RFC 6238 section 4).
const STEP: u64 = 30;

/// An authenticator that knows one secret.
pub struct Phone {
    totp: Totp,
    last: Mutex<u64>,
}

impl Phone {
    /// Takes the secret that enrolment shows, in base32.
    ///
    /// # Errors
    /// It is not base32 or too short.
    pub fn new(secret_base32: &str) -> Result<Self> {
        let secret = Secret::try_from_base32(secret_base32).ok().context("the secret is not base32")?;
        let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP).with_secret(secret).build();
        let totp = totp.ok().context("the secret is too short")?;
        Ok(Self { totp, last: Mutex::new(0) })
    }

    fn now() -> u64 {
        u64::try_from(crate::clock::SystemClock.now().0 / 1000).unwrap_or(0)
    }

    /// The code of this moment, as a person would read it; may have been used.
    #[must_use]
    pub fn shown(&self) -> String {
        self.totp.generate(Self::now()).to_string()
    }

    /// The newest step whose code was given. Who takes over this secret goes on after it.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A code that was not used before. A server accepts one step early and one late, so three can follow in a row;
    /// after that this waits, as a person would.
    pub async fn fresh(&self) -> String {
        loop {
            let step = Self::now() / STEP;
            {
                let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let next = (*last + 1).max(step.saturating_sub(1));
                if next <= step + 1 {
                    *last = next;
                    return self.totp.generate(next * STEP).to_string();
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
