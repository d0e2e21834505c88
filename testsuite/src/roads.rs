//! The road that the workers of tests come by: a closed line, and a device that is known by its fixed address.

use sekisho_core::device::{Device, DeviceCheck, DeviceContent};
use sekisho_core::ids::VendorId;
use sekisho_core::line::{Boundary, Line, LineClass, LineContent};
use sekisho_core::people::Actor;
use sekisho_core::source::Network;
use sekisho_store::Store;
use std::net::IpAddr;

/// A closed line that is in order.
pub fn line(name: &str, network: &str) -> LineContent {
    LineContent {
        name: name.into(),
        class: LineClass::IpVpn,
        carrier: "東日本通信".into(),
        addresses: vec![Network::parse(network).unwrap()],
        no_other_routes: true,
        boundary: Some(Boundary { agreed_on: "2026-04-01".into(), by: "情報システム室".into(), document: "保守契約書 別紙2".into() }),
        destinations_limited: true,
        route_managed: true,
        ..LineContent::default()
    }
}

/// A device that was checked, with a fixed address.
pub fn device(name: &str, address: IpAddr) -> DeviceContent {
    let check = DeviceCheck { on: "2026-11-01".into(), until: "2027-03-31".into(), by: "品質管理部".into(), protection: true, updates: true, usb_restricted: true };
    DeviceContent { name: name.into(), asset: "PC-0042".into(), os: "Windows 11 24H2".into(), addresses: vec![address], check: Some(check), ..DeviceContent::default() }
}

/// Registers both for a vendor.
pub async fn open(store: &Store, by: &Actor, vendor: &VendorId, network: &str, address: IpAddr) -> (Line, Device) {
    let line = store.add_line(by, vendor, line("保守センター", network)).await.unwrap();
    let device = store.add_device(by, vendor, device("NOTE-01", address)).await.unwrap();
    (line, device)
}
