//! Whether the workers of a vendor can come in at all, by what the registers of lines and devices say: told before the night
//! on which somebody needs it.

use crate::device::Device;
use crate::ids::{DeviceId, VendorId};
use crate::line::Line;
use crate::policy::{DeviceRule, Policy};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What keeps every worker of a vendor out: the first thing that has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Barrier {
    /// No line of the vendor is in force.
    NoLine,
    /// Its lines allow countries, and there is no table of countries.
    NoTable,
    /// No device of it is in service.
    NoDevice,
    /// No device of it has a check that counts.
    NoCheck,
    /// No checked device can show itself: none has a certificate, and none has a fixed address on a closed line.
    NoProof,
}

impl Barrier {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoLine, Self::NoTable, Self::NoDevice, Self::NoCheck, Self::NoProof];

    /// The name in API and locales.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoLine => "no_line",
            Self::NoTable => "no_table",
            Self::NoDevice => "no_device",
            Self::NoCheck => "no_check",
            Self::NoProof => "no_proof",
        }
    }

    /// What it is and what to do, in English, for the console and the program's own log.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::NoLine => "no line is in force; register one",
            Self::NoTable => "its lines allow countries, and there is no table of countries; import one",
            Self::NoDevice => "no device is registered; register one",
            Self::NoCheck => "no device has a check that counts; enter one",
            Self::NoProof => "no device has a certificate or a fixed address on a closed line; declare the line, or enrol a device at the outer door",
        }
    }
}

/// What keeps all workers of a vendor out at this moment, times of day and single persons apart. `certified` are the
/// devices with a certificate that stands; `table` says whether countries can be told.
#[must_use]
pub fn barrier(vendor: &VendorId, lines: &[Line], devices: &[Device], certified: &BTreeSet<DeviceId>, table: bool, policy: &Policy, now: Timestamp) -> Option<Barrier> {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.vendor == *vendor && line.is_valid(now)).collect();
    if lines.is_empty() {
        return Some(Barrier::NoLine);
    }
    if !table && lines.iter().all(|line| !line.content.countries.is_empty()) {
        return Some(Barrier::NoTable);
    }
    if policy.devices == DeviceRule::Observed {
        return None;
    }
    let mut devices: Vec<&Device> = devices.iter().filter(|device| device.vendor == *vendor && device.active && device.lost_at.is_none()).collect();
    if devices.is_empty() {
        return Some(Barrier::NoDevice);
    }
    devices.retain(|device| device.is_checked(now));
    if devices.is_empty() {
        return Some(Barrier::NoCheck);
    }
    let by_address = |device: &Device| policy.device_by_address && lines.iter().any(|line| !line.is_open() && device.content.addresses.iter().any(|address| line.carries(*address)));
    let shows_itself = devices.iter().any(|device| certified.contains(&device.id) || by_address(device));
    (!shows_itself).then_some(Barrier::NoProof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceCheck, DeviceContent};
    use crate::line::{LineClass, LineContent};
    use crate::source::Network;

    #[test]
    fn each_thing_that_is_missing_is_named_until_a_worker_can_come_in() {
        let now = Timestamp::parse_local("2026-11-22T02:00").unwrap();
        let vendor = VendorId::from_random([1; 10]);
        let line = |class| Line {
            id: crate::ids::LineId::from_random([2; 10]),
            vendor: vendor.clone(),
            content: LineContent { class, addresses: vec![Network::parse("10.20.0.0/16").unwrap()], destinations_limited: true, route_managed: true, ..LineContent::default() },
            active: true,
        };
        let check = |until: &str| DeviceCheck { on: "2026-11-01".into(), until: until.into(), by: "品質管理部".into(), protection: true, updates: true, usb_restricted: true };
        let device = |check| Device {
            id: DeviceId::from_random([3; 10]),
            vendor: vendor.clone(),
            content: DeviceContent { addresses: vec![[10, 20, 0, 5].into()], check, ..DeviceContent::default() },
            active: true,
            lost_at: None, lost_by: None,
        };
        let (policy, none) = (Policy::default(), BTreeSet::new());
        let asked = |lines: &[Line], devices: &[Device], certified: &BTreeSet<DeviceId>, policy: &Policy| barrier(&vendor, lines, devices, certified, true, policy, now);
        let (closed, open) = (line(LineClass::IpVpn), line(LineClass::Undeclared));
        let sound = device(Some(check("2027-03-31")));
        assert_eq!(asked(&[], std::slice::from_ref(&sound), &none, &policy), Some(Barrier::NoLine));
        assert_eq!(asked(&[Line { active: false, ..closed.clone() }], std::slice::from_ref(&sound), &none, &policy), Some(Barrier::NoLine));
        let abroad = [Line { content: LineContent { countries: BTreeSet::from([crate::country::Country::parse("JP").unwrap()]), ..closed.content.clone() }, ..closed.clone() }];
        for (table, wanted) in [(false, Some(Barrier::NoTable)), (true, None)] {
            assert_eq!(barrier(&vendor, &abroad, std::slice::from_ref(&sound), &none, table, &policy, now), wanted);
        }
        let lines = [closed];
        assert_eq!(asked(&lines, &[], &none, &policy), Some(Barrier::NoDevice));
        assert_eq!(asked(&lines, &[Device { lost_at: Some(now), ..sound.clone() }], &none, &policy), Some(Barrier::NoDevice));
        assert_eq!(asked(&lines, &[device(None)], &none, &policy), Some(Barrier::NoCheck));
        assert_eq!(asked(&lines, &[device(Some(check("2026-11-21")))], &none, &policy), Some(Barrier::NoCheck));
        let devices = [sound];
        assert_eq!(asked(&lines, &devices, &none, &policy), None);
        assert_eq!(asked(&lines, &devices, &none, &Policy { device_by_address: false, ..Policy::default() }), Some(Barrier::NoProof));
        // The line that an older version's sources became is an open network: an address shows nothing there.
        assert_eq!(asked(std::slice::from_ref(&open), &devices, &none, &policy), Some(Barrier::NoProof));
        assert_eq!(asked(std::slice::from_ref(&open), &devices, &BTreeSet::from([DeviceId::from_random([3; 10])]), &policy), None);
        assert_eq!(asked(&[open], &[], &none, &Policy { devices: DeviceRule::Observed, ..Policy::default() }), None);
    }
}
