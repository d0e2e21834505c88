//! `sekisho device …`

use super::table::table;
use super::{Reply, Trouble};
use clap::{Args, Subcommand};
use sekisho_core::device::{Device, DeviceCheck, DeviceContent, DeviceKind};
use sekisho_core::ids::{DeviceId, VendorId};
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Commands on the register of devices (端末台帳).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceCommand {
    /// List all devices
    List,
    /// Register a device of a vendor
    #[command(after_help = "Next: enter the check of the device (`device change --checked-on …`), and have its person enrol it by a code from the page of devices.")]
    Add {
        /// Id or name of the vendor
        #[arg(long)]
        vendor: String,
        /// Name of the device
        #[arg(long)]
        name: String,
        /// What is said of it
        #[command(flatten)]
        said: Box<Said>,
    },
    /// Change a device, for instance after its check; what is not named stays
    Change {
        /// Id or name
        device: String,
        /// Name of the device
        #[arg(long)]
        name: Option<String>,
        /// What is said of it
        #[command(flatten)]
        said: Box<Said>,
    },
    /// Declare a device lost: its sessions end at once
    Lost {
        /// Id or name
        device: String,
        /// When and where it was lost
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take a device out of service: its sessions end at once
    End {
        /// Id or name
        device: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What is said of a device.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub struct Said {
    /// Kind: notebook, desktop, shared, server or other
    #[arg(long)]
    kind: Option<String>,
    /// Number in the vendor's own register
    #[arg(long)]
    asset: Option<String>,
    /// Operating system and version
    #[arg(long)]
    os: Option<String>,
    /// The maker's serial number
    #[arg(long)]
    serial: Option<String>,
    /// Login names of those who may use it, separated by commas; "all" for every worker of the vendor
    #[arg(long, value_delimiter = ',', value_name = "LOGIN")]
    persons: Option<Vec<String>>,
    /// Fixed addresses on a closed line, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    addresses: Option<Vec<IpAddr>>,
    /// Day of the check at which protection, updates and USB restriction were found in order, YYYY-MM-DD
    #[arg(long, value_name = "DATE", requires_all = ["checked_until", "checked_by"])]
    checked_on: Option<String>,
    /// Last day on which it counts, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    checked_until: Option<String>,
    /// Who checked it
    #[arg(long, value_name = "NAME")]
    checked_by: Option<String>,
}

impl Said {
    async fn into_content(self, store: &Store, by: &Actor, vendor: &VendorId, content: &mut DeviceContent) -> Result<(), Trouble> {
        if let Some(kind) = self.kind {
            content.kind = DeviceKind::parse(&kind).ok_or_else(|| Trouble::Words(format!("{kind:?} は端末の種別ではありません。 / {kind:?} is no kind of device")))?;
        }
        content.asset = self.asset.unwrap_or_else(|| std::mem::take(&mut content.asset));
        content.os = self.os.unwrap_or_else(|| std::mem::take(&mut content.os));
        content.serial = self.serial.unwrap_or_else(|| std::mem::take(&mut content.serial));
        content.addresses = self.addresses.unwrap_or_else(|| std::mem::take(&mut content.addresses));
        if let Some(logins) = self.persons {
            content.persons.clear();
            let workers = store.road_workers(by, vendor).await?;
            for login in logins.iter().filter(|login| *login != "all") {
                let known = workers.iter().find(|person| person.login == *login);
                content.persons.push(known.ok_or_else(|| Trouble::Words(format!("その事業者に {login:?} という人はいません。 / the vendor has nobody called {login:?}")))?.id.clone());
            }
        }
        if let (Some(on), Some(until), Some(by)) = (self.checked_on, self.checked_until, self.checked_by) {
            content.check = Some(DeviceCheck { on, until, by, protection: true, updates: true, usb_restricted: true });
        }
        Ok(())
    }
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: DeviceCommand) -> Result<Reply, Trouble> {
    let kept = match command {
        DeviceCommand::List => {
            let (rows, vendors) = (store.devices(by).await?, store.road_vendors(by).await?);
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|device| {
                    let vendor = vendors.iter().find(|vendor| vendor.id == device.vendor).map(|vendor| vendor.name.clone()).unwrap_or_default();
                    let addresses = device.content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                    let checked = device.content.check.as_ref().map(|check| check.until.clone()).unwrap_or_default();
                    vec![device.id.to_string(), device.content.name.clone(), vendor, device.content.kind.as_str().into(), addresses, checked, state(device).into()]
                })
                .collect();
            return Ok(Reply::done(serde_json::to_value(&rows)?, table(&["id", "name", "vendor", "kind", "addresses", "checked until", "state"], &cells)));
        }
        DeviceCommand::Add { vendor, name, said } => {
            let vendor = super::vendor::find(store, by, &vendor).await?;
            let mut content = DeviceContent { name, ..DeviceContent::default() };
            said.into_content(store, by, &vendor.id, &mut content).await?;
            store.add_device(by, &vendor.id, content).await?
        }
        DeviceCommand::Change { device, name, said } => {
            let Device { id, vendor, mut content, .. } = find(store, by, &device).await?;
            content.name = name.unwrap_or(content.name);
            said.into_content(store, by, &vendor, &mut content).await?;
            store.change_device(by, &id, content).await?
        }
        DeviceCommand::Lost { device, reason } => {
            let device = find(store, by, &device).await?;
            store.lose_device(by, &device.id, &reason).await?
        }
        DeviceCommand::End { device, reason } => {
            let device = find(store, by, &device).await?;
            store.end_device(by, &device.id, &reason).await?
        }
    };
    let text = format!("{}  {}  {}", kept.id, kept.content.name, state(&kept));
    Ok(Reply::done(serde_json::to_value(&kept)?, text))
}

fn state(device: &Device) -> &'static str {
    match (device.lost_at, device.active) {
        (Some(_), _) => "紛失 / lost",
        (None, true) => "有効 / active",
        (None, false) => "終了 / ended",
    }
}

/// Finds a device by id or by name.
async fn find(store: &Store, by: &Actor, wanted: &str) -> Result<Device, Trouble> {
    if let Some(id) = DeviceId::parse(wanted) {
        return Ok(store.device(by, &id).await?);
    }
    let rows = store.devices(by).await?;
    let mut hits = rows.into_iter().filter(|device| device.active && device.content.name == wanted);
    match (hits.next(), hits.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => Err(Trouble::Words(format!("{wanted:?} という使用中の端末はありません。 / no device in service is called {wanted:?}"))),
        (Some(_), Some(_)) => Err(Trouble::Words(format!("{wanted:?} という端末が複数あります。識別子で指定してください。 / several devices are called {wanted:?}: give the id"))),
    }
}
