//! Questions to passkeys that wait for their answer: in memory, bounded, minutes of life, one answer each, and only from
//! the browser that asked. A restart forgets them, and the person presses the button again.

use super::failures::by_source;
use crate::fault::Fault;
use crate::secrets::random_token;
use sekisho_core::limits;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_core::ids::WebLoginId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration};
use zeroize::Zeroizing;

/// What was asked, with the state that the answer is held against.
pub(super) enum Asked {
    /// Who are you? The name, if one was typed.
    Login { named: Option<String>, state: DiscoverableAuthentication },
    /// Are you still there?
    StepUp { state: DiscoverableAuthentication },
    /// Become a passkey of this person.
    Add { state: PasskeyRegistration },
}

struct Ceremony {
    binding: String,
    source: String,
    ends_at: Timestamp,
    order: u64,
    asked: Asked,
}

/// The secret of an authenticator app that a person is setting up.
struct Offered {
    secret: Zeroizing<Vec<u8>>,
    ends_at: Timestamp,
}

#[derive(Default)]
struct Waiting {
    order: u64,
    ceremonies: HashMap<String, Ceremony>,
    offered: HashMap<WebLoginId, Offered>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Ceremonies(Mutex<Waiting>);

/// The source that most questions wait for.
fn busiest(ceremonies: &HashMap<String, Ceremony>) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for held in ceremonies.values() {
        *counts.entry(held.source.as_str()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(source, count)| (*count, *source)).map(|(source, _)| source.to_owned())
}

fn life() -> Duration {
    Duration::from_secs(limits::PASSKEY_SECONDS as u64)
}

impl Ceremonies {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a question and gives the token that its answer carries.
    pub(super) fn begin(&self, binding: &str, source: IpAddr, now: Timestamp, asked: Asked) -> Result<Secret, Fault> {
        let token = random_token()?;
        let mut waiting = self.waiting();
        waiting.ceremonies.retain(|_, held| now < held.ends_at);
        let source = by_source(source);
        let of_source = waiting.ceremonies.values().filter(|held| held.source == source).count();
        // Who floods pushes out their own questions first; nobody is kept from asking.
        let crowd = if of_source >= limits::PASSKEY_CEREMONIES_SOURCE { Some(source.clone()) } else { (waiting.ceremonies.len() >= limits::PASSKEY_CEREMONIES).then(|| busiest(&waiting.ceremonies)).flatten() };
        if let Some(of) = crowd {
            let oldest = waiting.ceremonies.iter().filter(|(_, held)| held.source == of).min_by_key(|(_, held)| held.order).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                waiting.ceremonies.remove(&oldest);
            }
        }
        waiting.order += 1;
        let ceremony = Ceremony { binding: binding.to_owned(), source, ends_at: now.plus(life()), order: waiting.order, asked };
        waiting.ceremonies.insert(token.expose().to_owned(), ceremony);
        Ok(token)
    }

    /// Takes a question out for its one answer. `None` if it is over, was answered, or another browser asked it; what
    /// another browser touched is over for both.
    pub(super) fn take(&self, token: &str, binding: &str, now: Timestamp) -> Option<Asked> {
        let held = self.waiting().ceremonies.remove(token)?;
        (held.binding == binding && now < held.ends_at).then_some(held.asked)
    }

    /// The secret that a login is offered for its authenticator app: the same until it is used or its time is over.
    pub fn offer(&self, login: &WebLoginId, now: Timestamp, fresh: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Fault>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut waiting = self.waiting();
        waiting.offered.retain(|_, held| now < held.ends_at);
        if let Some(held) = waiting.offered.get(login) {
            return Ok(held.secret.clone());
        }
        if waiting.offered.len() >= limits::PASSKEY_CEREMONIES {
            waiting.offered.clear();
        }
        let secret = fresh()?;
        // A person has to fetch a telephone and an app for this one.
        waiting.offered.insert(login.clone(), Offered { secret: secret.clone(), ends_at: now.plus(life() * 4) });
        Ok(secret)
    }

    /// The secret that was offered to this login, if its time is not over.
    pub fn offered(&self, login: &WebLoginId, now: Timestamp) -> Option<Zeroizing<Vec<u8>>> {
        self.waiting().offered.get(login).filter(|held| now < held.ends_at).map(|held| held.secret.clone())
    }

    /// Forgets what was offered.
    pub fn settle(&self, login: &WebLoginId) {
        self.waiting().offered.remove(login);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webauthn_rs::prelude::{Url, WebauthnBuilder};

    fn asked() -> Asked {
        let origin = Url::parse("https://sekisho.test").unwrap();
        let site = WebauthnBuilder::new("sekisho.test", &origin).unwrap().build().unwrap();
        Asked::StepUp { state: site.start_discoverable_authentication().unwrap().1 }
    }

    #[test]
    fn a_question_has_one_answer_from_one_browser_within_minutes() {
        let (held, source, now) = (Ceremonies::default(), IpAddr::from([192, 0, 2, 1]), Timestamp(1_000_000));
        let begin = || held.begin("mine", source, now, asked()).unwrap();
        let token = begin();
        assert!(held.take(token.expose(), "mine", now).is_some());
        assert!(held.take(token.expose(), "mine", now).is_none(), "twice");
        let token = begin();
        assert!(held.take(token.expose(), "another's", now).is_none());
        assert!(held.take(token.expose(), "mine", now).is_none(), "it is over after a stranger touched it");
        let token = begin();
        assert!(held.take(token.expose(), "mine", now.plus(life())).is_none(), "too late");
    }

    #[test]
    fn a_flood_pushes_out_its_own_questions() {
        let (held, now) = (Ceremonies::default(), Timestamp(1_000_000));
        let mine = held.begin("mine", IpAddr::from([192, 0, 2, 1]), now, asked()).unwrap();
        for _ in 0..limits::PASSKEY_CEREMONIES_SOURCE * 3 {
            held.begin("theirs", IpAddr::from([198, 51, 100, 1]), now, asked()).unwrap();
        }
        assert_eq!(held.waiting().ceremonies.len(), limits::PASSKEY_CEREMONIES_SOURCE + 1);
        assert!(held.take(mine.expose(), "mine", now).is_some());
    }

    #[test]
    fn many_floods_at_once_push_out_theirs_and_not_a_single_one() {
        let (held, now) = (Ceremonies::default(), Timestamp(1_000_000));
        let mine = held.begin("mine", IpAddr::from([192, 0, 2, 1]), now, asked()).unwrap();
        for flood in 0..u32::try_from(limits::PASSKEY_CEREMONIES).unwrap() + 100 {
            let source = IpAddr::from([198, 51, 100, u8::try_from(flood % 40).unwrap()]);
            held.begin("theirs", source, now, asked()).unwrap();
        }
        assert_eq!(held.waiting().ceremonies.len(), limits::PASSKEY_CEREMONIES);
        assert!(held.take(mine.expose(), "mine", now).is_some());
    }
}
