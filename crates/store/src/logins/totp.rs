//! One-time codes: SHA-1, six digits, 30 seconds, because that is what authenticator apps read from a picture.

use crate::fault::Fault;
use crate::secrets::random_bytes;
use sekisho_core::limits;
use sekisho_core::people::Person;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a shared secret: the length of the hash, as RFC 4226 asks for.
pub(super) const SECRET_BYTES: usize = 20;

/// A fresh shared secret.
pub(super) fn fresh() -> Result<Zeroizing<[u8; SECRET_BYTES]>, Fault> {
    random_bytes().map(Zeroizing::new)
}

fn totp(secret: &[u8], account: &str, issuer: &str) -> Result<Totp, Fault> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(30)
        .with_skew(u16::try_from(limits::TOTP_SKEW_STEPS).unwrap_or(1))
        .with_secret(secret.to_vec())
        .with_account_name(account.to_owned())
        .with_issuer(Some(issuer.replace(':', " ")))
        .build()
        .map_err(|error| Fault::Crypto(format!("one-time codes: {error}")))
}

/// The time step that a code belongs to, if it is right at this moment and later than `last_step`.
pub(super) fn check(secret: &[u8], code: &Secret, last_step: i64, now: Timestamp) -> Result<Option<i64>, Fault> {
    let code: Zeroizing<String> = Zeroizing::new(code.expose().chars().filter(|c| !c.is_whitespace()).take(7).collect());
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let seconds = u64::try_from(now.0.div_euclid(1000)).unwrap_or(0);
    let step = totp(secret, "", "")?.check(&code, seconds).and_then(|step| i64::try_from(step).ok());
    Ok(step.filter(|step| *step > last_step))
}

/// What an authenticator app reads: the address, and the secret for typing it in.
pub(super) fn offer(secret: &[u8], person: &Person, facility: &str) -> Result<(Secret, Secret), Fault> {
    let totp = totp(secret, &person.login, &format!("Sekisho {facility}"))?;
    let url = totp.to_url().map_err(|error| Fault::Crypto(format!("one-time codes: {error}")))?;
    Ok((Secret::new(url), Secret::new(totp.secret().to_base32())))
}
