//! The store's side of the seam to the gateway: who may come in, written down before it is answered.
//!
//! Entering has a fixed order, because file and database cannot commit together: the recording's header is durable
//! first, the `entered` entry second, and only then does an admission exist. A crash in between leaves a recording that
//! no entry names, which the sweep sets aside; an entry without recording cannot come about.

mod entering;
mod halves;

pub(crate) use halves::Halves;

use crate::Store;
use crate::fault::{Denied, Fault};
use crate::logins::PersonRecord;
use crate::recordings::Writer;
use sekisho_core::authorize::Principal;
use sekisho_core::desk::{Answer, Arrival, Cause, Desk, Dialled, Entry, FirstProof, HalfPrincipal, HeldUpload, OpenRecording, RefusedAsk, RuledCommand, Spool};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use std::net::IpAddr;
use std::sync::Arc;

/// Codes that may be tried after one first factor.
const CODE_TRIES: u32 = 3;
/// Refusals inside one session that are written down; a worker cannot fill the log with what is not allowed.
const REFUSALS_NOTED: u32 = 200;
/// Longest text of a refused ask in the log.
const ASK_CHARS: usize = 300;

/// A fault at the desk refuses, and says that the log is the reason.
fn unavailable(fault: &Fault) -> Refusal {
    tracing::error!(%fault, "a fault at the desk refused a worker");
    Refusal::LogUnavailable
}

fn told(denied: Denied) -> Refusal {
    match denied {
        Denied::Refusal(refusal) => refusal,
        Denied::Fault(fault) => unavailable(&fault),
    }
}

impl Store {
    async fn half(&self, login: &str, arrival: &Arrival, proof: FirstProof) -> Result<HalfPrincipal, Refusal> {
        let source = arrival.source;
        let (record, first): (PersonRecord, &'static str) = match proof {
            FirstProof::Password(password) => (self.check_password(login, &password, source).await.map_err(told)?, "password"),
            FirstProof::VerifiedKey(key) => (self.check_key(login, &key, source).await.map_err(told)?, "key"),
        };
        let half = halves::Half { person: record.person.id, login: record.person.login, arrival: arrival.clone(), first, tries: CODE_TRIES };
        self.inner.halves.keep(half)
    }

    async fn whole(&self, half: HalfPrincipal, code: &Secret) -> Result<Principal, (Option<HalfPrincipal>, Refusal)> {
        let Some(mut kept) = self.inner.halves.take(&half) else { return Err((None, Refusal::LoginFailed)) };
        match self.check_code(&kept.person, code, kept.arrival.source).await {
            Ok(()) => {}
            Err(Denied::Refusal(Refusal::LoginFailed)) => {
                kept.tries -= 1;
                let again = if kept.tries > 0 { self.inner.halves.keep(kept).ok() } else { None };
                return Err((again, Refusal::LoginFailed));
            }
            Err(denied) => return Err((None, told(denied))),
        }
        let identified = async {
            let device = self.shown_device(&kept.person, &kept.arrival).await?;
            let mut tx = self.write(&self.worker_of(&kept.person, kept.arrival.source).await?).await?;
            let device_name = self.name_of_device(tx.sql(), device.as_ref()).await?;
            tx.fact(Fact::Identified { first: kept.first.to_owned(), device: device.as_ref().map(|proof| proof.device().clone()), device_name, ssh_login: None });
            tx.commit().await?;
            Ok(device)
        };
        let device = identified.await.map_err(|fault: Fault| (None, unavailable(&fault)))?;
        Ok(Principal::assertion(kept.person, kept.login, kept.arrival.source, None, device))
    }

    pub(crate) async fn worker_of(&self, person: &sekisho_core::ids::PersonId, source: IpAddr) -> Result<Actor, Fault> {
        let person = self.load_person(self.read(), person).await?;
        let person = person.ok_or_else(|| Fault::Damaged("a person who was just identified is missing".into()))?;
        Ok(Actor::of(&person, Via::Ssh, Some(source.to_string())))
    }

    /// The name of a device that showed itself; empty for none.
    pub(crate) async fn name_of_device(&self, conn: &mut sqlx::AnyConnection, proof: Option<&sekisho_core::device::DeviceProof>) -> Result<String, Fault> {
        let Some(proof) = proof else { return Ok(String::new()) };
        Ok(self.load_device(conn, proof.device()).await?.map(|device| device.content.name).unwrap_or_default())
    }

    async fn note_inside(&self, session: &SessionId, ask: RefusedAsk) {
        let Some(writer) = self.inner.shelf.writer(session) else { return };
        if writer.count_refusal() > REFUSALS_NOTED {
            return;
        }
        let ask = RefusedAsk { ask: ask.ask.chars().filter(|c| !c.is_control()).take(ASK_CHARS).collect(), ..ask };
        if let Err(fault) = self.note(&writer, Fact::RefusedInside { session: session.clone(), asked: ask }).await {
            // Nothing was allowed, so nothing must be undone; what the log cannot take ends the session elsewhere.
            tracing::error!(%session, %fault, "a refusal inside a session could not be written down");
        }
    }

    async fn note_dialled(&self, writer: &Arc<Writer>, session: &SessionId, outcome: Dialled) -> Result<(), Fault> {
        let mut tx = self.write(writer.worker()).await?;
        tx.fact(Fact::Dialled { session: session.clone(), outcome: outcome.clone() });
        if let Dialled::HostKeyChanged { seen } = &outcome {
            self.alarm_target_of(&mut tx, session, seen).await?;
        }
        tx.commit().await
    }

    async fn note(&self, writer: &Arc<Writer>, fact: Fact) -> Result<(), Fault> {
        let mut tx = self.write(writer.worker()).await?;
        tx.fact(fact);
        tx.commit().await
    }
}

impl Desk for Store {
    fn first_factor<'a>(&'a self, login: &'a str, arrival: &'a Arrival, proof: FirstProof) -> Answer<'a, Result<HalfPrincipal, Refusal>> {
        Box::pin(self.half(login, arrival, proof))
    }

    fn knows_key<'a>(&'a self, login: &'a str, _source: IpAddr, key: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            match self.registered_keys(login).await {
                Ok(keys) => keys.iter().any(|known| known == key),
                Err(denied) => {
                    tracing::error!(%denied, "the keys of a worker cannot be read");
                    false
                }
            }
        })
    }

    fn key_window<'a>(&'a self, login: &'a str, arrival: &'a Arrival, key: &'a str, target: &'a str) -> Answer<'a, Option<Principal>> {
        Box::pin(async move {
            self.by_key_window(login, arrival, key, target).await.unwrap_or_else(|denied| {
                // The ordinary login goes on; whatever is wrong with the store shows there as well.
                tracing::error!(%denied, "a key window cannot be looked for");
                None
            })
        })
    }

    fn knows_certificate<'a>(&'a self, login: &'a str, arrival: &'a Arrival, certificate: &'a str) -> Answer<'a, bool> {
        Box::pin(Store::knows_certificate(self, login, arrival, certificate))
    }

    fn certificate<'a>(&'a self, login: &'a str, arrival: &'a Arrival, certificate: &'a str) -> Answer<'a, Result<Principal, Refusal>> {
        Box::pin(self.by_certificate(login, arrival, certificate))
    }

    fn command<'a>(&'a self, session: &'a SessionId, ruled: RuledCommand) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(self.rule_on(session, ruled))
    }

    fn second_factor<'a>(&'a self, half: HalfPrincipal, code: Secret) -> Answer<'a, Result<Principal, (Option<HalfPrincipal>, Refusal)>> {
        Box::pin(async move { self.whole(half, &code).await })
    }

    fn enter<'a>(&'a self, principal: &'a Principal, target: &'a str, plan: Option<&'a str>) -> Answer<'a, Result<Entry, Refusal>> {
        Box::pin(async move {
            let answer = self.let_in(principal, target, plan).await;
            if let Err(refusal) = &answer {
                self.write_refused(principal, target, plan, refusal).await;
            }
            answer
        })
    }

    fn dialled<'a>(&'a self, session: &'a SessionId, outcome: Dialled) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let writer = self.inner.shelf.writer(session).ok_or(Refusal::Fault)?;
            self.note_dialled(&writer, session, outcome).await.map_err(|fault| unavailable(&fault))
        })
    }

    fn refused<'a>(&'a self, session: &'a SessionId, ask: RefusedAsk) -> Answer<'a, ()> {
        Box::pin(self.note_inside(session, ask))
    }

    fn stage<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Result<Box<dyn Spool>, Refusal>> {
        Box::pin(async move {
            self.inner.spools.open().map_err(|fault| {
                tracing::error!(%fault, %session, "an upload cannot be staged");
                Refusal::UploadLost
            })
        })
    }

    fn upload<'a>(&'a self, session: &'a SessionId, held: HeldUpload) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(self.screen(session, held))
    }

    fn pause<'a>(&'a self, session: &'a SessionId, reason: &'a str) -> Answer<'a, ()> {
        Box::pin(self.pause_by_rule(session, reason))
    }

    fn refused_before<'a>(&'a self, principal: &'a Principal, target: &'a str, ask: RefusedAsk) -> Answer<'a, ()> {
        Box::pin(async move { self.write_refused(principal, &format!("{target} {}", ask.ask), None, &ask.refusal).await })
    }

    fn leave<'a>(&'a self, session: &'a SessionId, recording: OpenRecording, cause: Cause) -> Answer<'a, ()> {
        Box::pin(async move {
            self.end_session(session, cause).await;
            // Dropped after the end was claimed; before that, dropping it would report the session as vanished.
            drop(recording);
        })
    }
}
