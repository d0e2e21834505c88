//! The register of devices (端末台帳): the machines from which workers come.

use super::LEDGER_ROWS;
use super::persons::recall_sessions;
use crate::Store;
use crate::WebLogin;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::desk::{Arrival, Cause, RecallWord};
use sekisho_core::device::{Device, DeviceContent, DeviceProof, LOSS_SPAN};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{DeviceId, PersonId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::porter::{Porter, Standing};
use sekisho_core::refusal::Refusal;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

/// The sessions that run from a device.
const RUNNING: &str = "SELECT id FROM sessions WHERE device = $1 AND ended_at IS NULL";

impl Store {
    /// A device, if there is one.
    pub(crate) async fn load_device(&self, executor: impl Executor<'_, Database = Any>, id: &DeviceId) -> Result<Option<Device>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM devices WHERE id = $1", id.as_str()).await
    }

    /// The devices of a vendor. One whose row was changed by somebody else is passed over with an alarm: it is unknown.
    pub(crate) async fn load_devices(&self, executor: impl Executor<'_, Database = Any>, vendor: &VendorId) -> Result<Vec<Device>, Fault> {
        let since = self.since();
        let text = "SELECT body, seal FROM devices WHERE vendor = $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(vendor.as_str().to_owned()).bind(LEDGER_ROWS).fetch_all(executor).await?;
        Ok(self.sound_devices(&rows, since).into_iter().filter(|device| device.vendor == *vendor).collect())
    }

    fn sound_devices(&self, rows: &[AnyRow], since: u64) -> Vec<Device> {
        rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a device is left out")).ok()).collect()
    }

    /// Which device a connection of this person comes from, and how it showed that.
    ///
    /// # Errors
    /// A fault.
    pub(crate) async fn shown_device(&self, person: &PersonId, arrival: &Arrival) -> Result<Option<DeviceProof>, Fault> {
        let mut conn = self.read().acquire().await?;
        match self.load_person(&mut *conn, person).await? {
            Some(person) => self.device_shown_to(&mut conn, &person, arrival).await,
            None => Ok(None),
        }
    }

    /// The same, inside a change.
    pub(crate) async fn device_shown_to(&self, conn: &mut AnyConnection, person: &Person, arrival: &Arrival) -> Result<Option<DeviceProof>, Fault> {
        // Who shows a certificate comes from its device and no other, wherever it stands.
        if let Some(shown) = &arrival.certificate {
            let Standing::Good { device, until } = Porter::standing(self, shown.serial()) else { return Ok(None) };
            return Ok((self.now() < until).then(|| DeviceProof::Certificate { device, serial: shown.serial().to_owned() }));
        }
        let Some(vendor) = &person.vendor else { return Ok(None) };
        let devices = self.load_devices(conn, vendor).await?;
        let there = devices.iter().filter(|device| device.is_at(arrival.source));
        // One that this person may use comes first; one that is lost or ended is still known, and refused as such.
        let best = there.min_by_key(|device| (device.may_serve(person).is_err(), !device.active, device.lost_at.is_some()));
        Ok(best.map(|device| DeviceProof::Address { device: device.id.clone() }))
    }

    /// The register of devices. A vendor's manager sees the own vendor's, a worker those that they may use.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn devices(&self, actor: &Actor) -> Done<Vec<Device>> {
        if let Some(own) = &actor.vendor {
            may(actor, Action::ReadRoads, None)?;
            let mut seen = self.load_devices(self.read(), own).await?;
            seen.retain(|device| is_seen(actor, device));
            return Ok(by_name(seen));
        }
        may(actor, Action::ReadRoads, None)?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM devices ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(by_name(self.sound_devices(&rows, since)))
    }

    /// One device.
    ///
    /// # Errors
    /// As [`Store::devices`]; [`Refusal::NotFound`].
    pub async fn device(&self, actor: &Actor, id: &DeviceId) -> Done<Device> {
        may(actor, Action::ReadRoads, None)?;
        let device = self.load_device(self.read(), id).await?;
        Ok(device.filter(|device| actor.vendor.is_none() || is_seen(actor, device)).ok_or(Refusal::NotFound)?)
    }

    /// Registers a device.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_device(&self, actor: &Actor, vendor: &VendorId, content: DeviceContent) -> Done<Device> {
        self.require(actor, Action::KeepLedger, None, "add_device").await?;
        content.check()?;
        let device = Device { id: random_id()?, vendor: vendor.clone(), content, active: true, lost_at: None, lost_by: None };
        let mut tx = self.write(actor).await?;
        self.load_vendor(tx.sql(), vendor).await?.ok_or_else(|| Refusal::bad_field("vendor"))?;
        self.check_device(tx.sql(), &device).await?;
        sqlx::query("INSERT INTO devices (id, vendor, active, body) VALUES ($1, $2, 1, '')")
            .bind(device.id.as_str().to_owned())
            .bind(vendor.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.save_device(&mut tx, &device, "registered", "").await?;
        tx.commit().await?;
        Ok(device)
    }

    /// Changes a device, for instance after its check. A session that does not fit it any more is ended within seconds.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`], also for one that was lost or ended.
    pub async fn change_device(&self, actor: &Actor, id: &DeviceId, content: DeviceContent) -> Done<Device> {
        self.require(actor, Action::KeepLedger, None, "change_device").await?;
        content.check()?;
        let mut tx = self.write(actor).await?;
        let known = self.load_device(tx.sql(), id).await?.filter(|device| device.active && device.lost_at.is_none()).ok_or(Refusal::NotFound)?;
        let device = Device { content, ..known };
        self.check_device(tx.sql(), &device).await?;
        self.save_device(&mut tx, &device, "changed", "").await?;
        tx.commit().await?;
        self.recall_what_ended().await?;
        Ok(device)
    }

    /// Declares a device lost: its sessions end at once, and nobody comes from it again.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`], also for one that was lost or ended before; [`Refusal::StepUpNeeded`] for
    /// more of them in a day than one person loses: a stolen password must not shut a vendor out at the beginning of a window.
    pub async fn lose_device(&self, actor: &Actor, id: &DeviceId, reason: &str) -> Done<Device> {
        self.require(actor, Action::DeclareLoss, None, "lose_device").await?;
        if self.losses_today(actor).await? >= limits::DEVICE_LOSSES_A_DAY {
            return Err(Refusal::StepUpNeeded.into());
        }
        self.close_device(actor, id, reason, "lost").await
    }

    /// The same for a person who has just given a factor once more, without a limit.
    ///
    /// # Errors
    /// As [`Store::lose_device`].
    pub async fn lose_another_device(&self, login: &WebLogin, id: &DeviceId, reason: &str) -> Done<Device> {
        self.require(&login.actor, Action::DeclareLoss, None, "lose_device").await?;
        if !self.is_stepped_up(login).await? {
            return Err(Refusal::StepUpNeeded.into());
        }
        self.close_device(&login.actor, id, reason, "lost").await
    }

    async fn losses_today(&self, actor: &Actor) -> Result<usize, Fault> {
        let Some(person) = &actor.person else { return Ok(0) };
        let (since, now) = (self.since(), self.now());
        let rows = sqlx::query("SELECT body, seal FROM devices ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let lost = self.sound_devices(&rows, since).into_iter().filter(|device| device.lost_by.as_ref() == Some(person) && device.lost_at.is_some_and(|at| now < at.plus(LOSS_SPAN)));
        Ok(lost.count())
    }

    /// Takes the declaration of a loss back within a day. Its certificates stay revoked: it is enrolled anew.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for one that is not lost, or has been for longer; what is in the way of
    /// registering it.
    pub async fn find_device_again(&self, actor: &Actor, id: &DeviceId, reason: &str) -> Done<Device> {
        self.require(actor, Action::KeepLedger, None, "find_device_again").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::bad_field("reason").into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let known = self.load_device(tx.sql(), id).await?.filter(|device| device.lost_at.is_some_and(|at| now < at.plus(LOSS_SPAN))).ok_or(Refusal::NotFound)?;
        let device = Device { active: true, lost_at: None, lost_by: None, ..known };
        self.check_device(tx.sql(), &device).await?;
        self.save_device(&mut tx, &device, "found", reason).await?;
        tx.commit().await?;
        Ok(device)
    }

    /// Takes a device out of service for good, with every session that runs from it.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`], also for one that was lost or ended before.
    pub async fn end_device(&self, actor: &Actor, id: &DeviceId, reason: &str) -> Done<Device> {
        self.require(actor, Action::KeepLedger, None, "end_device").await?;
        self.close_device(actor, id, reason, "ended").await
    }

    async fn close_device(&self, actor: &Actor, id: &DeviceId, reason: &str, change: &str) -> Done<Device> {
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let known = self.load_device(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        may(actor, if change == "lost" { Action::DeclareLoss } else { Action::KeepLedger }, Some(&known.vendor))?;
        if known.lost_at.is_some() || (!known.active && change == "ended") || (actor.vendor.is_some() && !is_seen(actor, &known)) {
            return Err(Refusal::NotFound.into());
        }
        let lost_at = (change == "lost").then(|| tx.now());
        let lost_by = actor.person.clone().filter(|_| lost_at.is_some());
        let device = Device { active: false, lost_at, lost_by, ..known };
        self.save_device(&mut tx, &device, change, reason).await?;
        self.end_device_certificates(&mut tx, &device, "device").await?;
        self.end_device_logins(&mut tx, id).await?;
        recall_device_sessions(&mut tx, id).await?;
        tx.commit().await?;
        Ok(device)
    }

    async fn check_device(&self, conn: &mut AnyConnection, device: &Device) -> Done<()> {
        let others = self.load_devices(&mut *conn, &device.vendor).await?;
        let others: Vec<&Device> = others.iter().filter(|other| other.id != device.id).collect();
        if others.len() >= limits::VENDOR_DEVICES {
            return Err(Refusal::too_many("VENDOR_DEVICES").into());
        }
        for other in others.iter().filter(|other| other.active) {
            if other.content.name == device.content.name {
                return Err(Refusal::NameTaken.into());
            }
            // Two devices at one address could not be told apart.
            if device.content.addresses.iter().any(|address| other.is_at(*address)) {
                return Err(Refusal::bad_field("addresses").into());
            }
        }
        for id in &device.content.persons {
            let person = self.load_person(&mut *conn, id).await?;
            if person.is_none_or(|person| person.vendor.as_ref() != Some(&device.vendor)) {
                return Err(Refusal::bad_field("persons").into());
            }
        }
        Ok(())
    }

    /// Saves a device that has a row, and writes the fact that tells of it.
    async fn save_device(&self, tx: &mut Tx, device: &Device, change: &str, reason: &str) -> Result<(), Fault> {
        let text = serde_json::to_string(device)?;
        sqlx::query("UPDATE devices SET active = $1, body = $2 WHERE id = $3")
            .bind(i64::from(device.active))
            .bind(text.clone())
            .bind(device.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, device, &text).await?;
        tx.fact(Fact::DeviceKept {
            device: device.id.clone(),
            vendor: device.vendor.clone(),
            name: device.content.name.clone(),
            change: change.to_owned(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

/// Ends the sessions that run from a device.
pub(crate) async fn recall_device_sessions(tx: &mut Tx, id: &DeviceId) -> Result<(), Fault> {
    recall_sessions(tx, RUNNING, id.as_str(), RecallWord::End(Cause::Recalled)).await
}

/// Whether a vendor's person sees a device.
fn is_seen(actor: &Actor, device: &Device) -> bool {
    let own = actor.vendor.as_ref() == Some(&device.vendor);
    let persons = &device.content.persons;
    own && (actor.is(Role::VendorManager) || persons.is_empty() || actor.person.as_ref().is_some_and(|person| persons.contains(person)))
}

fn by_name(mut devices: Vec<Device>) -> Vec<Device> {
    devices.sort_by(|a, b| (!a.active, &a.content.name).cmp(&(!b.active, &b.content.name)));
    devices
}
