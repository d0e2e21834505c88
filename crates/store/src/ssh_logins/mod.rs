//! Logins by SSH certificate: a device asks through the outer door, its person confirms in a browser with a fresh factor,
//! and the device gets a short certificate over the key that it made.

mod authority;
mod check;
mod requests;

pub(crate) use requests::Requests;
pub use requests::ConnectRequest;

use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::held::Held;
use crate::ledger::recall_sessions;
use crate::logins::{NoticeKind, WebLogin};
use crate::secrets::random_id;
use crate::write::Tx;
use authority::{bound_to, certify, device_key, fingerprint};
use requests::Asking;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::device::Device;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{ConnectId, DeviceId, PersonId, SshLoginId};
use sekisho_core::limits;
use sekisho_core::line::line_of;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::porter::{PendingLogin, Porter, Standing};
use sekisho_core::refusal::Refusal;
use sekisho_core::ssh_login::{LoginAsk, LoginIssued, LoginOffer, PlannedWindow, Reachable, SshLogin, end};
use sekisho_core::time::Timestamp;
use sqlx::any::AnyRow;
use sqlx::AnyConnection;
use std::net::IpAddr;
use std::time::Duration;

/// For how long rows of ended logins are kept; the log keeps them for ever.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// The running sessions that a login let in.
const RUNNING: &str = "SELECT id FROM sessions WHERE ssh_login = $1 AND ended_at IS NULL";
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Held for SshLogin {
    const TABLE: &'static str = "ssh_logins";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

fn windows_of(plans: &[Plan]) -> Vec<PlannedWindow> {
    plans.iter().map(|plan| PlannedWindow { number: plan.number.clone(), from: plan.window().0, until: plan.window().1 }).collect()
}

impl Store {
    /// A device asks for a login. Gives what it shows to its person, and what it waits for.
    pub(crate) async fn ask_connect(&self, source: IpAddr, serial: &str, ask: LoginAsk) -> Done<PendingLogin> {
        if self.policy().ssh_login_hours == 0 {
            return Err(Refusal::SshLoginOff.into());
        }
        ask.check()?;
        device_key(&ask.key).ok_or_else(|| Refusal::bad_field("key"))?;
        let Standing::Good { device, .. } = Porter::standing(self, serial) else { return Err(Refusal::CertificateEnded.into()) };
        let known = self.load_device(self.read(), &device).await?.ok_or(Refusal::DeviceUnknown)?;
        let asking = Asking { device: known.id, device_name: known.content.name, host: ask.host, source, key: ask.key };
        let (request, arrives) = self.inner.requests.begin(asking, self.now())?;
        let offer = LoginOffer { url: format!("{}/connect/{}", self.base_url(), request.id), id: request.id, code: request.code, until: request.until };
        // Nobody answers a request that was pushed out or is over.
        let answer = Box::pin(async move { arrives.await.unwrap_or(Err(Refusal::ConnectOver)) });
        Ok(PendingLogin { offer, answer })
    }

    /// A device's request, as its person sees it before they confirm.
    ///
    /// # Errors
    /// [`Refusal::ConnectOver`], also for one of a device that does not serve the person.
    pub async fn connect_request(&self, login: &WebLogin, id: &ConnectId) -> Done<ConnectRequest> {
        may(&login.actor, Action::ConnectDevice, None)?;
        let request = self.inner.requests.find(id, self.now()).ok_or(Refusal::ConnectOver)?;
        let device = self.load_device(self.read(), &request.device).await?;
        // Whether a device of another vendor asks at this moment is not told.
        device.filter(|device| device.may_serve(&login.person).is_ok()).ok_or(Refusal::ConnectOver)?;
        Ok(request)
    }

    /// Whether there is anything to log in for: a plan of the person that is open or opens soon. Asked before anybody types a code.
    ///
    /// # Errors
    /// [`Refusal::NoPlan`]; [`Refusal::SshLoginOff`].
    pub async fn connect_has_plan(&self, login: &WebLogin) -> Done<()> {
        let mut conn = self.read().acquire().await?;
        let plans = self.plans_that_admit(&mut conn, &login.person).await?;
        end(self.policy(), &windows_of(&plans), self.now())?;
        Ok(())
    }

    /// Confirms a device's request: the person of this login logs in on it. The caller has asked for a fresh factor. Where the
    /// device is elsewhere than the browser, its code must be typed: a code that is read aloud by a stranger or shown by the
    /// page would only be nodded at.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for another code; [`Refusal::ConnectOver`]; [`Refusal::NoPlan`] without a plan for today; what keeps the person from logging in there.
    pub async fn confirm_connect(&self, login: &WebLogin, id: &ConnectId, typed: &str) -> Done<SshLogin> {
        self.require_step_up(login, Action::ConnectDevice)?;
        let request = self.connect_request(login, id).await?;
        if request.is_elsewhere(login.source) && !request.is_code(typed) {
            return Err(Refusal::bad_field("shown_code").into());
        }
        // A browser that came by a device's certificate speaks for that device.
        if login.device.as_ref().is_some_and(|own| *own != request.device) {
            return Err(Refusal::DeviceNotYours.into());
        }
        let mut tx = self.write(&login.actor).await?;
        let now = tx.now();
        let person = self.load_person(tx.sql(), &login.person.id).await?.filter(|person| person.may_act(now)).ok_or(Refusal::PersonInactive)?;
        // Where the device is, not only where the browser is.
        self.may_come_from(tx.sql(), &person, request.source).await?;
        let device = self.load_device(tx.sql(), &request.device).await?.ok_or(Refusal::DeviceUnknown)?;
        device.may_serve(&person)?;
        let plans = self.plans_that_admit(tx.sql(), &person).await?;
        let (ends_at, numbers) = end(self.policy(), &windows_of(&plans), now)?;
        self.make_room(&mut tx, &person.id).await?;
        let authority = self.login_authority(&mut tx)?;
        let key = device_key(&request.key).ok_or_else(|| Refusal::bad_field("key"))?;
        let made = SshLogin {
            id: random_id()?,
            person: person.id.clone(),
            login: person.login.clone(),
            device: device.id.clone(),
            device_name: device.content.name.clone(),
            host: request.host.clone(),
            // The number of the entry that tells of it.
            serial: tx.next_seq(),
            key: fingerprint(&key),
            source: request.source,
            networks: self.networks_of(tx.sql(), &person, request.source).await?,
            plans: numbers,
            issued_at: now,
            ends_at,
            confirmed_in: login.id.clone(),
            proof: login.proof.map(|proof| proof.as_str().to_owned()).unwrap_or_default(),
            ended: None,
        };
        let certificate = certify(&authority, &made, &key)?;
        let targets = self.reachable(tx.sql(), &plans, now).await?;
        self.insert_ssh_login(&mut tx, &made, &device).await?;
        // Whoever was talked into confirming a device that is not theirs learns of it at their next page.
        self.notice(&mut tx, &person.id, NoticeKind::DeviceLoggedIn, &device.content.name).await?;
        // Taken out last: what was refused until here can be tried again.
        let (_, answer) = self.inner.requests.take(id, now).ok_or(Refusal::ConnectOver)?;
        tx.commit().await?;
        // The device may have gone in this very moment; then nobody holds the certificate, and it ends by itself.
        let _ = answer.send(Ok(LoginIssued { login: person.login, name: person.name, certificate, until: ends_at, targets }));
        Ok(made)
    }

    /// The person says that it is not they who ask.
    ///
    /// # Errors
    /// [`Refusal::ConnectOver`].
    pub async fn deny_connect(&self, login: &WebLogin, id: &ConnectId) -> Done<()> {
        self.connect_request(login, id).await?;
        let mut tx = self.write(&login.actor).await?;
        let (request, answer) = self.inner.requests.take(id, tx.now()).ok_or(Refusal::ConnectOver)?;
        tx.fact(Fact::ConnectDenied { device: request.device, device_name: request.device_name, asked_from: request.source.to_string() });
        tx.commit().await?;
        let _ = answer.send(Err(Refusal::ConnectDenied));
        Ok(())
    }

    async fn insert_ssh_login(&self, tx: &mut Tx, made: &SshLogin, device: &Device) -> Result<(), Fault> {
        sqlx::query("INSERT INTO ssh_logins (id, person, serial, ends_at, is_open, body) VALUES ($1, $2, $3, $4, 1, '')")
            .bind(made.id.as_str().to_owned())
            .bind(made.person.as_str().to_owned())
            .bind(crate::log::as_i64(made.serial))
            .bind(made.ends_at.0)
            .execute(tx.sql())
            .await?;
        self.save_ssh_login(tx, made).await?;
        tx.fact(Fact::SshLoginIssued {
            ssh_login: made.id.clone(),
            person: made.person.clone(),
            device: device.id.clone(),
            device_name: device.content.name.clone(),
            host: made.host.clone(),
            asked_from: made.source.to_string(),
            serial: made.serial,
            key: made.key.clone(),
            plans: made.plans.clone(),
            until: made.ends_at,
        });
        Ok(())
    }

    /// The plans of a person that could admit them today or later, whose approvals hold.
    async fn plans_that_admit(&self, conn: &mut AnyConnection, person: &Person) -> Result<Vec<Plan>, Fault> {
        let plans = self.plans_of(conn, &person.id).await?;
        Ok(plans.into_iter().filter(|plan| plan.content.workers.contains(&person.id) && self.signatures_hold(plan)).collect())
    }

    /// The targets that these plans reach within a day.
    async fn reachable(&self, conn: &mut AnyConnection, plans: &[Plan], now: Timestamp) -> Result<Vec<Reachable>, Fault> {
        let mut found = Vec::new();
        for plan in plans.iter().filter(|plan| plan.window().0 < now.plus(DAY) && now < plan.window().1) {
            let (from, until) = plan.window();
            for used in &plan.content.targets {
                let Some(target) = self.load_target(&mut *conn, &used.target).await? else { continue };
                found.push(Reachable { target: target.name, plan: plan.number.clone(), title: plan.content.title.clone(), from, until });
                if found.len() >= limits::SSH_LOGIN_TARGETS {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The networks that a certificate is bound to: those of the line by which its device asked.
    async fn networks_of(&self, conn: &mut AnyConnection, person: &Person, source: IpAddr) -> Result<Vec<sekisho_core::source::Network>, Fault> {
        let Some(vendor) = &person.vendor else { return Ok(Vec::new()) };
        let now = self.now();
        let lines = self.load_lines(conn, vendor).await?;
        let line = line_of(&lines, vendor, source, self.place_of(source), now).ok();
        Ok(line.map(|line| bound_to(&line.content.addresses, source)).unwrap_or_default())
    }

    /// Ends the oldest logins of a person so that one more has a place.
    async fn make_room(&self, tx: &mut Tx, person: &PersonId) -> Result<(), Fault> {
        let open = self.open_ssh_logins(tx.sql(), person).await?;
        let surplus = (open.len() + 1).saturating_sub(limits::SSH_LOGINS);
        for login in open.into_iter().take(surplus) {
            self.end_ssh_login(tx, login, "too_many").await?;
        }
        Ok(())
    }

    /// The logins by certificate of a person that stand, the oldest first.
    pub(crate) async fn open_ssh_logins(&self, conn: &mut AnyConnection, person: &PersonId) -> Result<Vec<SshLogin>, Fault> {
        let (since, now) = (self.since(), self.now());
        let text = "SELECT body, seal FROM ssh_logins WHERE person = $1 AND is_open = 1 AND ends_at > $2 ORDER BY serial";
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(now.0).fetch_all(conn).await?;
        Ok(self.sound_ssh_logins(&rows, since).into_iter().filter(|login| login.person == *person).collect())
    }

    fn sound_ssh_logins(&self, rows: &[AnyRow], since: u64) -> Vec<SshLogin> {
        rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a login by certificate is passed over")).ok()).collect()
    }

    /// One login by certificate, inside a change.
    pub(crate) async fn ssh_login(&self, conn: &mut AnyConnection, id: &SshLoginId) -> Result<Option<SshLogin>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM ssh_logins WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Ends a login by certificate, with the sessions that it let in.
    pub(crate) async fn end_ssh_login(&self, tx: &mut Tx, mut login: SshLogin, cause: &str) -> Result<(), Fault> {
        login.ended = Some((tx.now(), cause.to_owned()));
        self.save_ssh_login(tx, &login).await?;
        tx.fact(Fact::SshLoginEnded { ssh_login: login.id.clone(), person: login.person.clone(), device_name: login.device_name.clone(), cause: cause.to_owned() });
        recall_sessions(tx, RUNNING, login.id.as_str(), RecallWord::End(Cause::Recalled)).await
    }

    /// Ends all logins by certificate of a person.
    pub(crate) async fn end_ssh_logins(&self, tx: &mut Tx, person: &PersonId, cause: &str) -> Result<usize, Fault> {
        let open = self.open_ssh_logins(tx.sql(), person).await?;
        let ended = open.len();
        for login in open {
            self.end_ssh_login(tx, login, cause).await?;
        }
        Ok(ended)
    }

    /// Ends all logins by certificate on a device: it was lost or ended, its certificate was revoked, or it was enrolled anew.
    pub(crate) async fn end_device_logins(&self, tx: &mut Tx, device: &DeviceId) -> Result<(), Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM ssh_logins WHERE is_open = 1 AND ends_at > $1").bind(tx.now().0).fetch_all(tx.sql()).await?;
        for login in self.sound_ssh_logins(&rows, since).into_iter().filter(|login| login.device == *device && login.ended.is_none()) {
            self.end_ssh_login(tx, login, "device").await?;
        }
        Ok(())
    }

    /// Forgets logins that ended long ago.
    pub(crate) async fn forget_ssh_logins(&self, tx: &mut Tx) -> Result<(), Fault> {
        let before = tx.now().minus(REMEMBERED).0;
        sqlx::query("DELETE FROM ssh_logins WHERE ends_at <= $1").bind(before).execute(tx.sql()).await?;
        Ok(())
    }

    /// Saves a login that has a row. The next fact of the change must be the one that tells of it.
    async fn save_ssh_login(&self, tx: &mut Tx, login: &SshLogin) -> Result<(), Fault> {
        let body = serde_json::to_string(login)?;
        sqlx::query("UPDATE ssh_logins SET is_open = $2, body = $3 WHERE id = $1")
            .bind(login.id.as_str().to_owned())
            .bind(i64::from(login.ended.is_none()))
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, login, &body).await
    }

}

/// A fault refuses, and its words stay inside.
pub(crate) fn answered<T>(done: Done<T>) -> Result<T, Refusal> {
    done.map_err(|denied: Denied| denied.refusal())
}

/// Who is told of as the doer of what nobody has proved to do.
fn nobody(source: IpAddr) -> Actor {
    let mut actor = Actor::system();
    (actor.via, actor.source) = (sekisho_core::people::Via::Ssh, Some(source.to_string()));
    actor
}
