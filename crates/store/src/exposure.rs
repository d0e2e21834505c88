//! 露出の自己点検: the box looks at itself once a day, keeps what it saw, and tells when something new answers.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::LEDGER_ROWS;
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::exposure::{Finding, Kind, Level, Look, Scout, Service, ServiceAsk, judge};
use sekisho_core::facts::Fact;
use sekisho_core::ids::ServiceId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Between two times of asking whether a look is due. The first comes that long after the start.
const ROUND: Duration = Duration::from_secs(60);
/// A look is due when the last is this old.
const DUE: Duration = Duration::from_secs(24 * 3600);
/// A look that is older than this tells nothing of the present.
const STALE: Duration = Duration::from_secs(2 * 24 * 3600);
/// Looks that are kept.
const LOOKS: i64 = 60;
/// New places that are told one by one in the log.
const NEW: usize = 32;

/// Who looks, and that only one does at a time.
#[derive(Default)]
pub(crate) struct Watchtower {
    scout: OnceLock<Arc<dyn Scout>>,
    busy: tokio::sync::Mutex<()>,
}

/// How the box stands to what should be.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// When it was looked at.
    pub at: Option<Timestamp>,
    /// What was seen.
    pub look: Look,
    /// What is not as it should be, worst first.
    pub findings: Vec<Finding>,
    /// The services that were confirmed and hold.
    pub services: Vec<Service>,
    /// The last look is too old to tell of the present, or there is none.
    pub stale: bool,
    /// Somebody can look: Sekisho runs.
    pub can_look: bool,
}

impl Exposure {
    /// The worst finding's weight.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.first().map(|finding| finding.level)
    }
}

/// Shortest time between two looks.
const REST: Duration = Duration::from_secs(20);

/// What the looks are called in the log's memory of rows: which of them was the last is not asked, only whether there was one.
pub(crate) const LOOKS_ROW: &str = "exposure_looks";

impl Store {
    /// Looks once a day, until the store is closed or the task is ended. Run it once, as a task.
    pub async fn run_exposure(&self, scout: Arc<dyn Scout>) {
        self.set_scout(scout);
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if self.inner.log.is_closed() {
                return;
            }
            let due = match self.last_look().await {
                Ok(last) => last.is_none_or(|(at, _)| self.now() >= at.plus(DUE)),
                Err(fault) => {
                    tracing::error!(%fault, "ALARM: what was seen of the box's exposure cannot be read");
                    true
                }
            };
            if due && let Err(denied) = self.look_around(&Actor::system()).await {
                tracing::error!(%denied, "ALARM: the box could not look at its own exposure");
            }
        }
    }

    /// Says who looks. The first one stays.
    pub fn set_scout(&self, scout: Arc<dyn Scout>) {
        let _ = self.inner.tower.scout.set(scout);
    }

    /// Looks at once.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`] while nobody can look, because Sekisho does not run.
    pub async fn check_exposure(&self, actor: &Actor) -> Done<Exposure> {
        may(actor, Action::ReadLedger, None)?;
        self.look_around(actor).await?;
        self.exposure(actor).await
    }

    async fn look_around(&self, actor: &Actor) -> Done<()> {
        let scout = self.inner.tower.scout.get().ok_or(Refusal::NotFound)?;
        // Whoever presses while a look is under way reads what that one finds.
        let Ok(_busy) = self.inner.tower.busy.try_lock() else {
            drop(self.inner.tower.busy.lock().await);
            return Ok(());
        };
        // A look makes a hundred connections; who presses again reads what was seen a moment ago.
        if let Ok(Some((at, _))) = self.last_look().await
            && at <= self.now()
            && self.now() < at.plus(REST)
        {
            return Ok(());
        }
        let look = scout.look().await;
        let before = self.last_look().await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "ALARM: what was seen of the box's exposure was changed by somebody else");
            None
        });
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let services = self.services().await?;
        let findings = judge(&look, &services, now);
        let mut known: Option<BTreeSet<String>> = before.map(|(_, before)| judge(&before, &services, now).iter().map(|finding| finding.what.key()).collect());
        // The log knows of a look that is not there: whoever removed it must not hush what answers since. Everything is new.
        if known.is_none() && self.inner.log.last_told(LOOKS_ROW).is_some() {
            tracing::error!("ALARM: what was seen of the box's exposure is gone from the database");
            known = Some(BTreeSet::new());
        }
        let row = now.0.to_string();
        let body = self.inner.keys.seal(place(&row), &serde_json::to_vec(&look)?)?;
        sqlx::query("DELETE FROM exposure_looks WHERE at = $1").bind(now.0).execute(tx.sql()).await?;
        sqlx::query("INSERT INTO exposure_looks (at, body) VALUES ($1, $2)").bind(now.0).bind(body.into_bytes()).execute(tx.sql()).await?;
        sqlx::query("DELETE FROM exposure_looks WHERE at NOT IN (SELECT at FROM exposure_looks ORDER BY at DESC LIMIT $1)").bind(LOOKS).execute(tx.sql()).await?;
        let open = look.sockets.iter().filter(|heard| !heard.place.address.is_loopback()).count();
        tx.fact(Fact::ExposureLooked { open, findings: findings.len() });
        // The first look has nothing to compare with; the page and the doctor tell of what it found.
        let news = findings.iter().filter(|finding| known.as_ref().is_some_and(|known| !known.contains(&finding.what.key())));
        for finding in news.take(NEW) {
            if let Kind::Unexpected { place, program } = &finding.what {
                tracing::error!(%place, program = program.as_deref().unwrap_or("?"), "ALARM: something new answers at this machine");
                tx.fact(Fact::ExposureNew { place: place.to_string(), program: program.clone().unwrap_or_default() });
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// What was seen last, held against what should be at this moment.
    ///
    /// # Errors
    /// Without the right to read the ledgers; a look that somebody else changed.
    pub async fn exposure(&self, actor: &Actor) -> Done<Exposure> {
        may(actor, Action::ReadLedger, None)?;
        let (last, services, now) = (self.last_look().await?, self.services().await?, self.now());
        let stale = last.as_ref().is_none_or(|(at, _)| now >= at.plus(STALE));
        let at = last.as_ref().map(|(at, _)| *at);
        let look = last.map(|(_, look)| look).unwrap_or_default();
        let findings = if at.is_some() { judge(&look, &services, now) } else { Vec::new() };
        Ok(Exposure { at, look, findings, services: services.into_iter().filter(|service| service.active).collect(), stale, can_look: self.inner.tower.scout.get().is_some() })
    }

    async fn last_look(&self) -> Result<Option<(Timestamp, Look)>, Fault> {
        let row = sqlx::query("SELECT at, body FROM exposure_looks ORDER BY at DESC LIMIT 1").fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let at: i64 = row.try_get("at")?;
        let plain = self.inner.keys.unseal(place(&at.to_string()), &Sealed::from_bytes(row.try_get("body")?))?;
        Ok(Some((Timestamp(at), serde_json::from_slice(&plain)?)))
    }

    /// The confirmed services. A row that somebody else wrote confirms nothing.
    async fn services(&self) -> Result<Vec<Service>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM exposure_services WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let mut services: Vec<Service> = rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a confirmed service is left out")).ok()).collect();
        services.sort_by(|a: &Service, b| (a.port, &a.name).cmp(&(b.port, &b.name)));
        Ok(services)
    }

    /// Confirms a service of the machine beside Sekisho.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::TooMany`].
    pub async fn confirm_service(&self, actor: &Actor, ask: ServiceAsk) -> Done<Service> {
        self.require(actor, Action::KeepLedger, None, "confirm_service").await?;
        ask.check()?;
        let known = self.services().await?;
        if known.len() >= limits::EXPOSURE_SERVICES {
            return Err(Refusal::too_many("EXPOSURE_SERVICES").into());
        }
        let ServiceAsk { transport, address, port, name, reason } = ask;
        if known.iter().any(|service| service.transport == transport && service.port == port && (service.address.is_none() || service.address == address)) {
            return Err(Refusal::NameTaken.into());
        }
        let mut tx = self.write(actor).await?;
        let by = self.name_of(&mut tx, actor).await?;
        let service = Service { id: random_id()?, transport, address, port, name, reason, by, at: tx.now(), active: true };
        sqlx::query("INSERT INTO exposure_services (id, active, body) VALUES ($1, 1, '')").bind(service.id.as_str().to_owned()).execute(tx.sql()).await?;
        let reason = service.reason.clone();
        self.save_service(&mut tx, &service, "confirmed", &reason).await?;
        tx.commit().await?;
        Ok(service)
    }

    /// Takes a confirmation back: what answers there is a finding again.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`].
    pub async fn end_service(&self, actor: &Actor, id: &ServiceId, reason: &str) -> Done<Service> {
        self.require(actor, Action::KeepLedger, None, "end_service").await?;
        check_text("reason", reason)?;
        let known = self.services().await?.into_iter().find(|service| service.id == *id).ok_or(Refusal::NotFound)?;
        let mut tx = self.write(actor).await?;
        let service = Service { active: false, ..known };
        self.save_service(&mut tx, &service, "ended", reason).await?;
        tx.commit().await?;
        Ok(service)
    }

    async fn name_of(&self, tx: &mut Tx, actor: &Actor) -> Result<String, Fault> {
        let Some(id) = &actor.person else { return Ok("console".to_owned()) };
        Ok(self.load_person(tx.sql(), id).await?.map(|person| person.name).unwrap_or_default())
    }

    async fn save_service(&self, tx: &mut Tx, service: &Service, change: &str, reason: &str) -> Result<(), Fault> {
        let body = serde_json::to_string(service)?;
        sqlx::query("UPDATE exposure_services SET active = $1, body = $2 WHERE id = $3")
            .bind(i64::from(service.active))
            .bind(body.clone())
            .bind(service.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, service, &body).await?;
        let address = service.address.map_or_else(|| "*".to_owned(), |address| address.to_string());
        tx.fact(Fact::ServiceKept {
            service: service.id.clone(),
            name: service.name.clone(),
            place: format!("{address}:{} {}", service.port, service.transport.as_str()),
            change: change.to_owned(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

fn place(row: &str) -> Place<'_> {
    Place { table: "exposure_looks", row, column: "body" }
}
