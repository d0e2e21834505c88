//! Key windows: a worker who has just proved two factors in the browser lets a registered key alone open sessions, for
//! minutes, on one target, from the browser's own address.
//!
//! The window gives no right of its own. Each session that it lets in is decided upon like any other, and the plan must
//! allow the window at that moment too.

use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::held::Held;
use crate::log::as_i64;
use crate::logins::{KeyLine, locked_until};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::authorize::Principal;
use sekisho_core::desk::Arrival;
use sekisho_core::device::DeviceProof;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{KeyWindowId, PersonId, PlanId, TargetId, WorkerKeyId};
use sekisho_core::key_window::{KeyWindow, end};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::net::IpAddr;

/// Most windows that one answer holds.
const ROWS: i64 = 200;

impl Held for KeyWindow {
    const TABLE: &'static str = "key_windows";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct KeyWindowAsk {
    /// The plan that allows it.
    pub plan: PlanId,
    /// The one target.
    pub target: TargetId,
    /// The one key.
    pub key: WorkerKeyId,
    /// For how long.
    pub minutes: u32,
}

impl Store {
    /// Opens a key window for the actor, from the address they are at. The caller has asked for a fresh one-time code.
    ///
    /// # Errors
    /// [`Refusal::KeyWindowOff`] unless policy and plan allow it, [`Refusal::TooMany`], and whatever would keep the actor
    /// from entering the target at this moment.
    pub async fn open_key_window(&self, actor: &Actor, ask: KeyWindowAsk) -> Done<KeyWindow> {
        let person = owner(actor)?;
        let source: IpAddr = actor.source.as_deref().and_then(|source| source.parse().ok()).ok_or_else(|| Refusal::bad_field("source"))?;
        let id: KeyWindowId = random_id()?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let person = self.load_person(tx.sql(), person).await?.ok_or(Refusal::PersonInactive)?;
        let plan = self.load_plan(tx.sql(), &ask.plan).await?.filter(|plan| plan.content.workers.contains(&person.id)).ok_or(Refusal::NotFound)?;
        let target = self.load_target(tx.sql(), &ask.target).await?.ok_or(Refusal::NotFound)?;
        let used = plan.content.target(&target.id).ok_or(Refusal::TargetNotInPlan)?;
        if !used.key_window {
            return Err(Refusal::KeyWindowOff.into());
        }
        let ends_at = end(self.policy(), ask.minutes, plan.window().1, now)?;
        let fingerprint = fingerprint_of(tx.sql(), &person.id, &ask.key).await?.ok_or_else(|| Refusal::bad_field("key"))?;
        if self.open_windows(tx.sql(), &person.id).await?.iter().filter(|window| window.is_open(now)).count() >= limits::KEY_WINDOWS {
            return Err(Refusal::too_many("KEY_WINDOWS").into());
        }
        let window = KeyWindow {
            id,
            person: person.id.clone(),
            person_name: person.name.clone(),
            login: person.login.clone(),
            target: target.id.clone(),
            target_name: target.name.clone(),
            plan: plan.id.clone(),
            plan_number: plan.number.clone(),
            key: ask.key,
            fingerprint,
            source,
            opened_at: now,
            ends_at,
            closed_at: None,
            used: 0,
        };
        // A window that would let nobody in is not opened: its worker learns at once what is in the way.
        let device = self.device_shown_to(tx.sql(), &person, &Arrival::plain(source)).await?;
        match self.would_admit(tx.sql(), &principal_of(&window, device), person, target, plan, now).await {
            // The device shows itself on each connection; a browser is not one of those.
            Err(Denied::Refusal(refusal)) if refusal.is_about_device() => {}
            decided => decided?,
        }
        let text = "INSERT INTO key_windows (id, person, ends_at, is_open, body, seal) VALUES ($1, $2, $3, 1, '', $4)";
        sqlx::query(text)
            .bind(window.id.as_str().to_owned())
            .bind(window.person.as_str().to_owned())
            .bind(ends_at.0)
            .bind(Vec::<u8>::new())
            .execute(tx.sql())
            .await?;
        self.save_window(&mut tx, &window).await?;
        tx.fact(Fact::KeyWindowOpened {
            window: window.id.clone(),
            person: window.person.clone(),
            target: window.target.clone(),
            target_name: window.target_name.clone(),
            plan: window.plan.clone(),
            number: window.plan_number.clone(),
            fingerprint: window.fingerprint.clone(),
            source: source.to_string(),
            until: ends_at,
        });
        tx.commit().await?;
        Ok(window)
    }

    /// Closes a key window: one's own, or any for those who may cut sessions. Sessions that it let in go on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for another's.
    pub async fn close_key_window(&self, actor: &Actor, id: &KeyWindowId) -> Done<()> {
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let mut window = self.window(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let own = actor.is_person(&window.person);
        may(actor, if own { Action::OpenKeyWindow } else { Action::CutSession }, None).map_err(|_| Refusal::NotFound)?;
        if window.closed_at.is_some() {
            return Ok(());
        }
        window.closed_at = Some(now);
        self.save_window(&mut tx, &window).await?;
        tx.fact(Fact::KeyWindowClosed { window: window.id.clone(), person: window.person.clone(), target_name: window.target_name.clone() });
        Ok(tx.commit().await?)
    }

    /// Closes every key window, as part of a change. One whose row is damaged lets nobody in as it is.
    pub(crate) async fn close_all_key_windows(&self, tx: &mut Tx) -> Result<(), Fault> {
        let (now, since) = (tx.now(), self.since());
        let rows = sqlx::query("SELECT body, seal FROM key_windows WHERE is_open = 1 ORDER BY id").fetch_all(tx.sql()).await?;
        for mut window in self.sound(&rows, since) {
            window.closed_at = Some(now);
            self.save_window(tx, &window).await?;
            tx.fact(Fact::KeyWindowClosed { window: window.id.clone(), person: window.person.clone(), target_name: window.target_name.clone() });
        }
        Ok(())
    }

    /// The key windows that are open and that the actor may see: one's own, all of them for the hospital.
    ///
    /// # Errors
    /// Without the right to read sessions.
    pub async fn key_windows(&self, actor: &Actor) -> Done<Vec<KeyWindow>> {
        may(actor, Action::ReadSession, None)?;
        let (now, since) = (self.now(), self.since());
        let text = "SELECT body, seal FROM key_windows WHERE is_open = 1 AND ends_at > $1 ORDER BY ends_at, id LIMIT $2";
        let rows = sqlx::query(text).bind(now.0).bind(ROWS).fetch_all(self.read()).await?;
        let seen = |window: &KeyWindow| window.is_open(now) && (actor.is_hospital() || actor.is_person(&window.person));
        Ok(self.sound(&rows, since).into_iter().filter(seen).collect())
    }

    /// The principal whom an open window lets in, for a key whose signature was verified. Written down before it is told.
    pub(crate) async fn by_key_window(&self, login: &str, arrival: &Arrival, key: &str, target: &str) -> Result<Option<Principal>, Denied> {
        let (now, source) = (self.now(), arrival.source);
        if self.policy().key_window_minutes == 0 || locked_until(self.read(), login, now).await?.is_some() {
            return Ok(None);
        }
        let Some(line) = KeyLine::parse(key) else { return Ok(None) };
        if !self.registered_keys(login).await?.contains(&line.key) {
            return Ok(None);
        }
        let Some(wanted) = self.target_named(self.read(), target).await? else { return Ok(None) };
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let Some(found) = self.answering(&mut conn, login, source, &line, &wanted.id).await? else { return Ok(None) };
        drop(conn);
        let device = self.shown_device(&found.person, arrival).await?;
        let principal = principal_of(&found, device);
        // Where nothing would open, nothing is spent, and the ordinary login says why.
        match self.open_plans(&principal, target, None).await {
            Ok(_) => {}
            Err(Denied::Refusal(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        }
        let mut tx = self.write(&self.worker_of(&found.person, source).await?).await?;
        // Once more with nobody else writing: it may have been closed, or used up, a moment ago.
        let Some(mut window) = self.answering(tx.sql(), login, source, &line, &wanted.id).await? else { return Ok(None) };
        window.used += 1;
        self.save_window(&mut tx, &window).await?;
        tx.fact(Fact::KeyWindowUsed { window: window.id.clone(), target_name: window.target_name.clone(), used: window.used });
        tx.commit().await?;
        Ok(Some(principal))
    }

    /// Writes down the ends of the windows whose time is over.
    pub(crate) async fn expire_key_windows(&self) -> Done<()> {
        let (now, since) = (self.now(), self.since());
        let text = "SELECT body, seal FROM key_windows WHERE is_open = 1 AND ends_at <= $1 ORDER BY ends_at LIMIT $2";
        let rows = sqlx::query(text).bind(now.0).bind(ROWS).fetch_all(self.read()).await?;
        for over in self.sound(&rows, since) {
            let mut tx = self.write(&Actor::system()).await?;
            let Some(mut window) = self.window(tx.sql(), &over.id).await?.filter(|window| window.closed_at.is_none()) else { continue };
            window.closed_at = Some(window.ends_at);
            self.save_window(&mut tx, &window).await?;
            tx.fact(Fact::KeyWindowExpired { window: window.id.clone(), person: window.person.clone(), target_name: window.target_name.clone(), used: window.used });
            tx.commit().await?;
        }
        Ok(())
    }

    async fn answering(&self, conn: &mut AnyConnection, login: &str, source: IpAddr, line: &KeyLine, target: &TargetId) -> Result<Option<KeyWindow>, Fault> {
        let now = self.now();
        let since = self.since();
        let text = "SELECT k.body, k.seal FROM key_windows k JOIN persons p ON p.id = k.person WHERE p.login = $1 AND k.is_open = 1 AND k.ends_at > $2 ORDER BY k.ends_at DESC";
        let rows = sqlx::query(text).bind(login.to_owned()).bind(now.0).fetch_all(&mut *conn).await?;
        for window in self.sound(&rows, since) {
            let fits = window.login == login && window.fingerprint == line.fingerprint && window.answers(source, &window.key, target, now);
            // The key must still be registered under the identifier that the window names.
            if fits && fingerprint_of(conn, &window.person, &window.key).await?.as_ref() == Some(&line.fingerprint) {
                return Ok(Some(window));
            }
        }
        Ok(None)
    }

    /// Those of the rows that bear our seal. One that somebody else wrote lets nobody in.
    fn sound(&self, rows: &[AnyRow], since: u64) -> Vec<KeyWindow> {
        rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a key window is passed over")).ok()).collect()
    }

    async fn open_windows(&self, conn: &mut AnyConnection, person: &PersonId) -> Result<Vec<KeyWindow>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM key_windows WHERE person = $1 AND is_open = 1").bind(person.as_str().to_owned()).fetch_all(conn).await?;
        Ok(self.sound(&rows, since))
    }

    async fn window(&self, conn: &mut AnyConnection, id: &KeyWindowId) -> Result<Option<KeyWindow>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM key_windows WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Saves a window that has a row. The next fact of the change must be the one that tells of it.
    async fn save_window(&self, tx: &mut Tx, window: &KeyWindow) -> Result<(), Fault> {
        let body = serde_json::to_string(window)?;
        let seal = self.seal_of::<KeyWindow>(window.id.as_str(), &body, tx.next_seq())?;
        sqlx::query("UPDATE key_windows SET ends_at = $2, is_open = $3, body = $4, seal = $5 WHERE id = $1")
            .bind(window.id.as_str().to_owned())
            .bind(as_i64(u64::try_from(window.ends_at.0).unwrap_or(0)))
            .bind(i64::from(window.closed_at.is_none()))
            .bind(body)
            .bind(seal)
            .execute(tx.sql())
            .await?;
        Ok(())
    }
}

/// Who enters through a window: two factors were proved in the login that opened it, for its target and no other. The
/// device is the one that shows itself.
fn principal_of(window: &KeyWindow, device: Option<DeviceProof>) -> Principal {
    Principal::assertion(window.person.clone(), window.login.clone(), window.source, Some(window.target.clone()), device)
}

fn owner(actor: &Actor) -> Result<&PersonId, Refusal> {
    may(actor, Action::OpenKeyWindow, None)?;
    actor.person.as_ref().ok_or(Refusal::NotAllowed)
}

async fn fingerprint_of(conn: &mut AnyConnection, person: &PersonId, key: &WorkerKeyId) -> Result<Option<String>, Fault> {
    let row = sqlx::query("SELECT key FROM worker_keys WHERE id = $1 AND person = $2")
        .bind(key.as_str().to_owned())
        .bind(person.as_str().to_owned())
        .fetch_optional(conn)
        .await?;
    let line = row.map(|row| row.try_get::<String, _>("key")).transpose()?;
    // From the key itself: the column beside it is for showing.
    Ok(line.and_then(|line| KeyLine::parse(&line)).map(|line| line.fingerprint))
}
