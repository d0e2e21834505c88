//! The roads of the demonstration: lines of several classes, and the devices that the workers come from.

use super::api::{Api, text};
use anyhow::Result;
use sekisho_core::time::{Timestamp, format_date};
use serde_json::{Value, json};
use std::time::Duration;

/// Registers the lines and devices of the vendors.
///
/// # Errors
/// Any step is refused.
pub async fn open(api: &Api, token: &str, vendors: &[String], now: Timestamp) -> Result<()> {
    let day = |days: u64| format_date(now.plus(Duration::from_secs(days * 86_400)).date());
    let past = |days: u64| format_date(now.minus(Duration::from_secs(days * 86_400)).date());
    let line = |name: &str, class: &str, carrier: &str, addresses: &[&str]| {
        json!({
            "name": name, "class": class, "carrier": carrier, "addresses": addresses, "no_other_routes": true,
            "destinations_limited": !class.starts_with("tls"), "route_managed": !class.starts_with("tls"),
            "boundary": { "agreed_on": past(200), "by": "情報システム室・事業者 保守部", "document": "保守契約書 別紙2 責任分界表" },
        })
    };
    let with = |mut line: Value, key: &str, value: Value| {
        line[key] = value;
        line
    };
    let check = |until: String| json!({ "on": past(20), "until": until, "by": "品質管理部", "protection": true, "updates": true, "usb_restricted": true });
    let lines = [
        (0, line("保守センター IP-VPN", "ip_vpn", "東日本通信", &["127.0.0.0/8"])),
        (0, with(line("在宅当番", "tls13", "", &["203.0.113.0/24"]), "times", json!(["* 17:00-09:00"]))),
        (1, line("横浜保守拠点 IPsec", "ipsec_ikev2", "みなと光通信", &["127.0.0.0/8", "198.51.100.16/28"])),
        (
            1,
            with(
                line("旧保守回線", "ipsec_ikev2_psk", "みなと光通信", &["198.51.100.64/28"]),
                "exception",
                json!({ "reason": "装置の更改が年度末になるため。更改後は証明書による認証へ移す。", "approved_by": "石川 由美(企画管理者)", "until": day(120) }),
            ),
        ),
    ];
    for (place, line) in lines {
        api.post(Some(token), "/api/v1/lines", &json!({ "vendor": vendors.get(place), "line": line })).await?;
    }
    let device = |name: &str, kind: &str, os: &str, addresses: &[&str], until: String| {
        json!({ "name": name, "kind": kind, "os": os, "asset": format!("資産-{name}"), "addresses": addresses, "check": check(until) })
    };
    let devices = [
        (0, device("HOKUTO-MC-01", "shared", "Windows 11 24H2", &["127.0.0.1"], day(160))),
        (0, device("HOKUTO-NOTE-07", "notebook", "Windows 11 24H2", &[], past(3))),
        (1, device("MINATO-WS-02", "desktop", "Ubuntu 24.04 LTS", &["127.0.0.1"], day(160))),
        (1, device("MINATO-NOTE-11", "notebook", "Windows 11 23H2", &[], day(90))),
    ];
    let mut last = String::new();
    for (place, device) in devices {
        last = text(&api.post(Some(token), "/api/v1/devices", &json!({ "vendor": vendors.get(place), "device": device })).await?, "id")?;
    }
    api.post(Some(token), &format!("/api/v1/devices/{last}/lost"), &json!({ "reason": "駅で置き忘れたとの連絡(事業者責任者より)" })).await?;
    Ok(())
}
