//! Holding a certificate that somebody shows to the SSH gateway against everything that it must be.

use super::nobody;
use crate::Store;
use crate::fault::{Denied, Fault};
use sekisho_core::authorize::Principal;
use sekisho_core::desk::Arrival;
use sekisho_core::device::DeviceProof;
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Person;
use sekisho_core::refusal::Refusal;
use sekisho_core::ssh_login::SshLogin;

/// True for what only a certificate that our authority has signed can show.
fn is_ours(why: &str) -> bool {
    !matches!(why, "off" | "tunnel" | "form" | "authority")
}

/// A certificate that held, with whom and what it stands for.
struct Good {
    login: SshLogin,
    person: Person,
    device: DeviceProof,
}

impl Store {
    /// Whether a certificate that is offered is worth a signature. What it lacks is written down.
    pub(crate) async fn knows_certificate(&self, login: &str, arrival: &Arrival, line: &str) -> bool {
        match self.checked_certificate(login, arrival, line).await {
            Ok(Ok(_)) => true,
            Ok(Err(why)) => {
                self.note_certificate(login, arrival, why).await;
                false
            }
            Err(fault) => {
                tracing::error!(%fault, "a certificate of a login cannot be judged");
                false
            }
        }
    }

    /// The principal of a certificate whose key signed this very login. Written down before it is told.
    pub(crate) async fn by_certificate(&self, login: &str, arrival: &Arrival, line: &str) -> Result<Principal, Refusal> {
        let identified = async {
            let good = match self.checked_certificate(login, arrival, line).await? {
                Ok(good) => good,
                Err(why) => return Ok(Err(why)),
            };
            let mut tx = self.write(&self.worker_of(&good.person.id, arrival.source).await?).await?;
            let fact = Fact::Identified {
                first: "certificate".to_owned(),
                device: Some(good.login.device.clone()),
                device_name: good.login.device_name.clone(),
                ssh_login: Some(good.login.id.clone()),
            };
            // Once more with nobody else writing: it may have been ended a moment ago.
            let still = self.ssh_login(tx.sql(), &good.login.id).await?.is_some_and(|login| login.stands(self.policy(), tx.now()));
            if !still {
                return Ok(Err("revoked"));
            }
            tx.fact(fact);
            tx.commit().await?;
            Ok::<_, Fault>(Ok(good))
        };
        match identified.await {
            Ok(Ok(good)) => {
                // Both factors were proved in the browser's login in which a person confirmed this device, minutes or hours
                // ago, and the device showed itself in the handshake of this tunnel.
                let Good { login, person, device } = good;
                Ok(Principal::assertion(person.id, person.login, arrival.source, None, Some(device)).by_ssh_login(login.id))
            }
            Ok(Err(why)) => {
                self.note_certificate(login, arrival, why).await;
                Err(Refusal::SshLoginRefused)
            }
            Err(fault) => {
                tracing::error!(%fault, "a certificate of a login cannot be judged");
                Err(Refusal::LogUnavailable)
            }
        }
    }

    /// Everything that a certificate must be; otherwise the word for the log.
    async fn checked_certificate(&self, login: &str, arrival: &Arrival, line: &str) -> Result<Result<Good, &'static str>, Fault> {
        if self.policy().ssh_login_hours == 0 {
            return Ok(Err("off"));
        }
        // Only through the outer door: elsewhere no device shows itself by a certificate.
        if arrival.certificate.is_none() {
            return Ok(Err("tunnel"));
        }
        if line.len() > limits::SSH_LOGIN_CERTIFICATE_BYTES {
            return Ok(Err("form"));
        }
        let shown = match self.read_login_certificate(line)? {
            Ok(shown) => shown,
            Err(why) => return Ok(Err(why)),
        };
        let now = self.now();
        if shown.principal != login {
            return Ok(Err("principal"));
        }
        let since = self.since();
        let text = "SELECT body, seal FROM ssh_logins WHERE serial = $1";
        let Some(row) = sqlx::query(text).bind(crate::log::as_i64(shown.serial)).fetch_optional(self.read()).await? else { return Ok(Err(shown.out_of_time(now).unwrap_or("unknown"))) };
        let held: SshLogin = self.held(&row, since)?;
        if held.serial != shown.serial {
            return Err(Fault::Damaged(format!("the number of {} was changed by somebody else", held.id)));
        }
        if let Some(why) = shown.differs(&held).or_else(|| shown.out_of_time(now)) {
            return Ok(Err(why));
        }
        let mut conn = self.read().acquire().await?;
        let Some(person) = self.load_person(&mut *conn, &held.person).await?.filter(|person| person.may_act(now) && person.login == held.login) else { return Ok(Err("person")) };
        let device = self.device_shown_to(&mut conn, &person, arrival).await?;
        if let Some(why) = held.hindrance(login, device.as_ref(), arrival.source, self.policy(), now) {
            return Ok(Err(why));
        }
        let Some(device) = device else { return Ok(Err("device")) };
        let serves = self.load_device(&mut *conn, device.device()).await?.is_some_and(|known| known.may_serve(&person).is_ok());
        if !serves {
            return Ok(Err("device"));
        }
        if !self.vendor_in_force(person.vendor.as_ref(), now).await? {
            return Ok(Err("vendor"));
        }
        match self.may_come_from(&mut *conn, &person, arrival.source).await {
            Ok(()) => Ok(Ok(Good { login: held, person, device })),
            Err(Denied::Refusal(_)) => Ok(Err("source")),
            Err(Denied::Fault(fault)) => Err(fault),
        }
    }

    /// Writes down that a certificate did not count; of many from one source only the first, and how many there were.
    async fn note_certificate(&self, login: &str, arrival: &Arrival, why: &str) {
        tracing::info!(source = %arrival.source, why, "a certificate of a login did not count");
        let Some(others) = self.inner.login_refusals.take(arrival.source, is_ours(why), self.now()) else { return };
        let detail = if others == 0 { why.to_owned() } else { format!("{why} (+{others})") };
        let login: String = login.chars().filter(|letter| !letter.is_control()).take(limits::LOGIN_NAME_CHARS).collect();
        let written = async {
            let mut tx = self.write(&nobody(arrival.source)).await?;
            tx.fact(Fact::Refused { stage: "certificate".into(), login, code: Refusal::SshLoginRefused.code().to_owned(), detail });
            tx.commit().await
        };
        if let Err(fault) = written.await {
            tracing::error!(%fault, "a refused certificate could not be written down; it was refused all the same");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn what_a_stranger_can_show_is_told_from_what_we_signed() {
        assert!(!is_ours("tunnel") && !is_ours("authority") && is_ours("revoked"));
    }
}
