//! Devices that wait for their person: in memory, bounded, minutes of life, one answer each. A restart forgets them, and
//! the person asks again.

use crate::fault::Fault;
use crate::secrets::{random_bytes, random_id};
use sekisho_core::ids::{ConnectId, DeviceId};
use sekisho_core::limits;
use sekisho_core::porter::code_letters;
use sekisho_core::refusal::Refusal;
use sekisho_core::ssh_login::LoginIssued;
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Letters of the code that is compared: no secret, only something by which a person tells two requests apart.
const CODE: usize = 6;

/// What the device is answered in the end.
pub(super) type Outcome = Result<LoginIssued, Refusal>;

/// A device that asks for a login.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Identifier.
    pub id: ConnectId,
    /// The device, by the certificate of its connection.
    pub device: DeviceId,
    /// Its name in the register.
    pub device_name: String,
    /// What the machine calls itself. A claim.
    pub host: String,
    /// Where the connection comes from.
    pub source: IpAddr,
    /// The code that the device shows.
    pub code: String,
    /// Until when it can be confirmed.
    pub until: Timestamp,
    /// Its public key, an OpenSSH line.
    pub(super) key: String,
    order: u64,
}

impl ConnectRequest {
    /// Whether it comes from another place than the browser in which it is looked at.
    #[must_use]
    pub fn is_elsewhere(&self, browser: IpAddr) -> bool {
        self.source != browser
    }

    /// Whether this is the code, as people type it.
    #[must_use]
    pub fn is_code(&self, typed: &str) -> bool {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect::<String>();
        letters(typed) == letters(&self.code)
    }
}

struct Waiting {
    request: ConnectRequest,
    answer: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct All {
    order: u64,
    waiting: HashMap<ConnectId, Waiting>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Requests(Mutex<All>);

/// What a device says of itself, and what is known of it.
pub(super) struct Asking {
    pub device: DeviceId,
    pub device_name: String,
    pub host: String,
    pub source: IpAddr,
    pub key: String,
}

impl Requests {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, with the place where its answer arrives.
    pub(super) fn begin(&self, asking: Asking, now: Timestamp) -> Result<(ConnectRequest, oneshot::Receiver<Outcome>), Fault> {
        let code = code_letters(&random_bytes::<8>()?, CODE);
        let code = format!("{}-{}", code.get(..CODE / 2).unwrap_or_default(), code.get(CODE / 2..).unwrap_or_default());
        let id: ConnectId = random_id()?;
        let (answer, arrives) = oneshot::channel();
        let mut all = self.all();
        all.waiting.retain(|_, held| now < held.request.until && !held.answer.is_closed());
        let of_device = all.waiting.values().filter(|held| held.request.device == asking.device).count();
        // Who floods pushes out their own requests first.
        let crowd = if of_device >= limits::SSH_LOGIN_ASKS_PER_DEVICE { Some(Some(&asking.device)) } else { (all.waiting.len() >= limits::SSH_LOGIN_ASKS).then_some(None) };
        if let Some(of) = crowd {
            let oldest = all.waiting.values().filter(|held| of.is_none_or(|of| held.request.device == *of)).min_by_key(|held| held.request.order).map(|held| held.request.id.clone());
            if let Some(oldest) = oldest {
                all.waiting.remove(&oldest);
            }
        }
        all.order += 1;
        let Asking { device, device_name, host, source, key } = asking;
        let until = now.plus(Duration::from_secs(limits::SSH_LOGIN_ASK_SECONDS as u64));
        let request = ConnectRequest { id: id.clone(), device, device_name, host, source, code, until, key, order: all.order };
        all.waiting.insert(id, Waiting { request: request.clone(), answer });
        Ok((request, arrives))
    }

    /// Lets nobody confirm anything that waits.
    pub(crate) fn forget_all(&self) {
        self.all().waiting.clear();
    }

    /// A request that still waits.
    pub(super) fn find(&self, id: &ConnectId, now: Timestamp) -> Option<ConnectRequest> {
        let all = self.all();
        all.waiting.get(id).filter(|held| now < held.request.until && !held.answer.is_closed()).map(|held| held.request.clone())
    }

    /// Takes a request out for its one answer.
    pub(super) fn take(&self, id: &ConnectId, now: Timestamp) -> Option<(ConnectRequest, oneshot::Sender<Outcome>)> {
        let held = self.all().waiting.remove(id)?;
        (now < held.request.until && !held.answer.is_closed()).then_some((held.request, held.answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(device: u8) -> Asking {
        Asking { device: DeviceId::from_random([device; 10]), device_name: "PC".into(), host: "pc".into(), source: IpAddr::from([192, 0, 2, 1]), key: String::new() }
    }

    #[test]
    fn a_request_has_one_answer_and_lives_for_minutes() {
        let (all, now) = (Requests::default(), Timestamp(1_000_000));
        let (request, _arrives) = all.begin(asking(1), now).unwrap();
        assert_eq!(all.find(&request.id, now).unwrap().code, request.code);
        assert!(all.take(&request.id, now).is_some());
        assert!(all.take(&request.id, now).is_none() && all.find(&request.id, now).is_none(), "twice");
        let (request, _arrives) = all.begin(asking(1), now).unwrap();
        assert!(all.find(&request.id, request.until).is_none() && all.take(&request.id, request.until).is_none(), "too late");
        let (request, arrives) = all.begin(asking(1), now).unwrap();
        drop(arrives);
        assert!(all.find(&request.id, now).is_none(), "the device has gone");
    }

    #[test]
    fn a_device_that_floods_pushes_out_its_own_requests() {
        let (all, now) = (Requests::default(), Timestamp(1_000_000));
        let (mine, _arrives) = all.begin(asking(1), now).unwrap();
        let theirs: Vec<_> = (0..3 * limits::SSH_LOGIN_ASKS_PER_DEVICE).map(|_| all.begin(asking(2), now).unwrap()).collect();
        assert!(all.find(&mine.id, now).is_some());
        let open = theirs.iter().filter(|(request, _)| all.find(&request.id, now).is_some()).count();
        assert_eq!(open, limits::SSH_LOGIN_ASKS_PER_DEVICE);
    }
}
