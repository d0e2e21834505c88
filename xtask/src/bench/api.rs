//! The box's HTTP interface, asked with curl, and the authenticator of the bench's workers.

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha1::{Digest, Sha1};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of one code (RFC 6238 section 4).
pub const STEP: u64 = 30;

/// The interface of one box.
pub struct Api {
    pub base: String,
    pub authority: PathBuf,
}

impl Api {
    /// Calls and gives the answer's JSON.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--fail-with-body", "-m", "60", "-X", method])
            .arg("--cacert")
            .arg(&self.authority);
        if let Some(token) = token {
            command
                .arg("-H")
                .arg(format!("authorization: Bearer {token}"));
        }
        if let Some(body) = body {
            command
                .args(["-H", "content-type: application/json", "-d"])
                .arg(body.to_string());
        }
        let answer = command
            .arg(format!("{}{path}", self.base))
            .output()
            .context("cannot start curl")?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        if !answer.status.success() {
            bail!(
                "{method} {path}: {text} {}",
                String::from_utf8_lossy(&answer.stderr)
            );
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path} answers no JSON"))
    }

    pub fn get(&self, token: &str, path: &str) -> Result<Value> {
        self.call("GET", path, Some(token), None)
    }

    pub fn post(&self, token: &str, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, Some(token), Some(body))
    }
}

/// A text at a JSON pointer written with dots.
pub fn text(value: &Value, at: &str) -> Result<String> {
    let pointer = format!("/{}", at.replace('.', "/"));
    match value.pointer(&pointer).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => bail!("the answer has no {at}: {value}"),
    }
}

/// An authenticator: gives each code once (RFC 6238).
pub struct Phone {
    secret: Vec<u8>,
    last: u64,
}

impl Phone {
    /// Takes the address that an enrolment shows for an authenticator.
    pub fn from_url(url: &str) -> Result<Self> {
        let secret = url
            .split_once("secret=")
            .and_then(|(_, rest)| rest.split('&').next())
            .context("the address for the authenticator holds no secret")?;
        Ok(Self {
            secret: base32(secret).context("the secret is no base32")?,
            last: 0,
        })
    }

    /// A code that was not used before, if one is due.
    pub fn try_code(&mut self) -> Option<String> {
        let step = now() / STEP;
        let next = (self.last + 1).max(step - 1);
        if next > step + 1 {
            return None;
        }
        self.last = next;
        Some(self.code_of(next))
    }

    fn code_of(&self, step: u64) -> String {
        let mac = hmac(&self.secret, &step.to_be_bytes());
        let at = usize::from(mac.last().copied().unwrap_or(0) & 15);
        let four = mac.get(at..at + 4).unwrap_or(&[0; 4]);
        let number = four
            .iter()
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// HMAC-SHA-1 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let hashed;
    let key = if key.len() > block.len() {
        hashed = Sha1::digest(key).to_vec();
        &hashed
    } else {
        key
    };
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha1::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn base32(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

/// Makes a key pair and gives its public line without comment.
pub fn make_key(file: &Path, folder: &Path) -> Result<String> {
    shell::run(
        shell::command("ssh-keygen", folder)
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
            .arg(file),
    )?;
    let line = std::fs::read_to_string(file.with_extension("pub"))?;
    Ok(line
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let phone = Phone {
            secret: b"12345678901234567890".to_vec(),
            last: 0,
        };
        assert_eq!(phone.code_of(59 / STEP), "287082");
        assert_eq!(phone.code_of(1_111_111_109 / STEP), "081804");
        assert_eq!(
            base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            Some(b"12345678901234567890".to_vec())
        );
    }
}
