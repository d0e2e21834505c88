//! Which vendors cannot come in at this moment, and what has to be done first.

use crate::Store;
use crate::fault::Done;
use sekisho_core::ids::VendorId;
use sekisho_core::people::{Actor, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::road::{Barrier, barrier};
use std::collections::BTreeSet;

/// A vendor none of whose workers can come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    /// Which.
    pub vendor: VendorId,
    /// Its name.
    pub name: String,
    /// What is in the way.
    pub why: Barrier,
}

impl Store {
    /// The vendors in force that have workers and none who could come in, because of their lines and devices.
    ///
    /// # Errors
    /// Without the right to read the registers.
    pub async fn kept_out(&self, actor: &Actor) -> Done<Vec<KeptOut>> {
        let now = self.now();
        let mut found = Vec::new();
        for vendor in self.road_vendors(actor).await? {
            if !self.vendor_in_force(Some(&vendor.id), now).await? {
                continue;
            }
            may(actor, Action::ReadRoads, Some(&vendor.id))?;
            let workers = self.road_workers(actor, &vendor.id).await?;
            if !workers.iter().any(|person| person.is(Role::Worker) && person.may_act(now)) {
                continue;
            }
            let lines = self.load_lines(self.read(), &vendor.id).await?;
            let devices = self.load_devices(self.read(), &vendor.id).await?;
            let mut certified = BTreeSet::new();
            for device in devices.iter().filter(|device| device.active) {
                if self.has_certificate(&device.id).await? {
                    certified.insert(device.id.clone());
                }
            }
            if let Some(why) = barrier(&vendor.id, &lines, &devices, &certified, self.chart().is_some(), self.policy(), now) {
                found.push(KeptOut { vendor: vendor.id, name: vendor.name, why });
            }
        }
        Ok(found)
    }
}
