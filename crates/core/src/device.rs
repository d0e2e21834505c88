//! 端末 (devices): from which machine a worker connects, how it proved itself, and when it was last checked.

use crate::authorize::Principal;
use crate::ids::{DeviceId, PersonId, VendorId};
use crate::limits;
use crate::line::Line;
use crate::people::Person;
use crate::plan::content::{check_line, check_text};
use crate::policy::{DeviceRule, Policy};
use crate::refusal::Refusal;
use crate::time::{Timestamp, parse_date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// What kind of machine it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// ノートパソコン.
    #[default]
    Notebook,
    /// デスクトップ.
    Desktop,
    /// 保守拠点の共用端末.
    Shared,
    /// サーバ, such as a monitoring system of the vendor.
    Server,
    /// その他.
    Other,
}

impl DeviceKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Notebook, Self::Desktop, Self::Shared, Self::Server, Self::Other];

    /// The name in API and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::Desktop => "desktop",
            Self::Shared => "shared",
            Self::Server => "server",
            Self::Other => "other",
        }
    }

    /// Reads what [`DeviceKind::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The check of a terminal (guideline, table 10-1 ツール): what was looked at, by whom, and for how long it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceCheck {
    /// Day of the check, `YYYY-MM-DD`.
    pub on: String,
    /// Last day on which it counts, `YYYY-MM-DD`.
    pub until: String,
    /// Who looked.
    pub by: String,
    /// Protection against malware runs and is up to date.
    pub protection: bool,
    /// Updates are installed.
    pub updates: bool,
    /// USB devices are restricted.
    pub usb_restricted: bool,
}

impl DeviceCheck {
    /// True if everything was found in order and the day lies in its time.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let sound = self.protection && self.updates && self.usb_restricted;
        let begun = parse_date(&self.on).is_some_and(|day| day <= now.date());
        sound && begun && parse_date(&self.until).is_some_and(|last| now.date() <= last)
    }
}

/// What is said of a device, by the person who registers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceContent {
    /// A short name.
    pub name: String,
    /// What kind of machine.
    pub kind: DeviceKind,
    /// Number in the vendor's own register of assets.
    pub asset: String,
    /// Operating system and its version.
    pub os: String,
    /// The maker's serial number.
    pub serial: String,
    /// Who may use it; empty means every worker of the vendor.
    pub persons: Vec<PersonId>,
    /// Its fixed addresses on a closed line.
    pub addresses: Vec<IpAddr>,
    /// The last check of it.
    pub check: Option<DeviceCheck>,
    /// Anything else.
    pub note: String,
}

impl DeviceContent {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`] with the field, [`Refusal::TooMany`].
    pub fn check(&self) -> Result<(), Refusal> {
        for (field, text) in [("name", &self.name), ("asset", &self.asset), ("os", &self.os), ("serial", &self.serial)] {
            check_line(field, text)?;
        }
        check_text("note", &self.note)?;
        let must = |sound: bool, field: &str| if sound { Ok(()) } else { Err(Refusal::bad_field(field)) };
        must(!self.name.trim().is_empty(), "name")?;
        if self.persons.len() > limits::DEVICE_PERSONS {
            return Err(Refusal::too_many("DEVICE_PERSONS"));
        }
        if self.addresses.len() > limits::DEVICE_ADDRESSES {
            return Err(Refusal::too_many("DEVICE_ADDRESSES"));
        }
        must(self.addresses.iter().all(|address| !address.is_unspecified() && !address.is_multicast()), "addresses")?;
        let Some(check) = &self.check else { return Ok(()) };
        check_line("check", &check.by)?;
        let span = parse_date(&check.on).zip(parse_date(&check.until));
        let days = i64::try_from(limits::DEVICE_CHECK_DAYS).unwrap_or(i64::MAX);
        must(!check.by.trim().is_empty() && span.is_some_and(|(on, until)| on <= until && (until - on).whole_days() <= days), "check")
    }
}

/// A device (端末), a row of the register of devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Identifier.
    pub id: DeviceId,
    /// Whose.
    pub vendor: VendorId,
    /// What is said of it.
    #[serde(flatten)]
    pub content: DeviceContent,
    /// False once it was ended.
    pub active: bool,
    /// When it was declared lost.
    pub lost_at: Option<Timestamp>,
    /// Who declared that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_by: Option<PersonId>,
}

/// For how long a loss may be taken back. Certificates of the device stay revoked, so that whoever has it comes in by none.
pub const LOSS_SPAN: Duration = Duration::from_secs(24 * 3600);

impl Device {
    /// True if it has this fixed address. An IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn is_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.content.addresses.iter().any(|own| own.to_canonical() == address)
    }

    /// Whether it is in service and this person may use it, its check apart.
    ///
    /// # Errors
    /// What is in the way.
    pub fn may_serve(&self, person: &Person) -> Result<(), Refusal> {
        if self.lost_at.is_some() {
            return Err(Refusal::DeviceLost);
        }
        if !self.active {
            return Err(Refusal::DeviceInactive);
        }
        let for_all = self.content.persons.is_empty();
        if person.vendor.as_ref() != Some(&self.vendor) || !(for_all || self.content.persons.contains(&person.id)) {
            return Err(Refusal::DeviceNotYours);
        }
        Ok(())
    }

    /// True while the last check of it counts.
    #[must_use]
    pub fn is_checked(&self, now: Timestamp) -> bool {
        self.content.check.as_ref().is_some_and(|check| check.holds(now))
    }
}

/// How a connection showed from which device it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceProof {
    /// By a client certificate whose key signed the handshake of this very connection.
    Certificate {
        /// The device that the certificate was issued for.
        device: DeviceId,
        /// Serial number of the certificate, small hexadecimal letters.
        serial: String,
    },
    /// By its fixed address. As good as the line that it came by.
    Address {
        /// The device that has the address.
        device: DeviceId,
    },
}

impl DeviceProof {
    /// Which device.
    #[must_use]
    pub fn device(&self) -> &DeviceId {
        match self {
            Self::Certificate { device, .. } | Self::Address { device } => device,
        }
    }

    /// `certificate` or `address`, as the log writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "certificate",
            Self::Address { .. } => "address",
        }
    }
}

/// Whether the device of a connection is good enough for the line that it came by.
///
/// `Ok(None)` is in order; `Ok(Some(…))` is a deviation that the policy lets pass and that is shown wherever the session
/// is. A device that is known and must not be used (lost, ended, another's) is never let pass.
///
/// # Errors
/// What is in the way.
pub(crate) fn judge(principal: &Principal, person: &Person, line: &Line, device: Option<&Device>, policy: &Policy, now: Timestamp) -> Result<Option<Refusal>, Refusal> {
    let lenient = |refusal: Refusal| match policy.devices {
        DeviceRule::Observed => Ok(Some(refusal)),
        DeviceRule::Required => Err(refusal),
    };
    let shown = principal.device().zip(device).filter(|(proof, device)| proof.device() == &device.id);
    let Some((proof, device)) = shown else { return lenient(Refusal::DeviceUnknown) };
    if matches!(proof, DeviceProof::Address { .. }) && !device.is_at(principal.source()) {
        return lenient(Refusal::DeviceUnknown);
    }
    device.may_serve(person)?;
    if matches!(proof, DeviceProof::Address { .. }) && (line.is_open() || !policy.device_by_address) {
        return lenient(Refusal::DeviceNeedsCertificate);
    }
    if !device.is_checked(now) {
        return lenient(Refusal::DeviceNotChecked);
    }
    Ok(None)
}
