//! Windows events as JSON: the layout of NXLog (fields beside each other) and that of Winlogbeat (`winlog.event_data`).

use crate::clock;
use crate::limits;
use crate::login::{Kind, TargetLogin, Way, address, bounded};
use sekisho_core::time::Timestamp;
use serde_json::Value;

/// One event, whichever layout it came in.
struct Event<'a> {
    whole: &'a Value,
    data: Option<&'a Value>,
    own: Option<&'a Value>,
}

impl<'a> Event<'a> {
    fn text(&self, name: &str) -> &'a str {
        let places = [self.data, self.own, Some(self.whole)];
        let found = places.into_iter().flatten().find_map(|place| place.get(name).and_then(Value::as_str));
        // Windows writes a hyphen where it has nothing.
        found.map(str::trim).filter(|text| *text != "-").unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        [self.data, self.own, Some(self.whole)].into_iter().flatten().find_map(|place| place.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())))
    }

    fn login(&self, kind: Kind, way: Way, account: &str) -> TargetLogin {
        TargetLogin::new(kind, way)
            .account(self.text(account))
            .from(address(self.text("IpAddress")), self.number("IpPort").and_then(|port| u16::try_from(port).ok()))
            .handle(self.text("TargetLogonId"))
    }
}

/// The host that the event is of, its time, and the login that it tells of.
pub fn read(value: &Value, zone_minutes: i32) -> (String, Option<Timestamp>, Option<TargetLogin>) {
    let winlog = value.get("winlog");
    let data = winlog.and_then(|winlog| winlog.get("event_data")).or_else(|| value.get("EventData")).or_else(|| value.get("UserData"));
    let event = Event { whole: value, data, own: winlog };
    let host = [event.text("computer_name"), event.text("Hostname"), event.text("Computer"), value.pointer("/host/name").and_then(Value::as_str).unwrap_or_default()];
    let host = host.into_iter().find(|host| !host.is_empty()).unwrap_or_default();
    let moment = ["EventTime", "@timestamp", "TimeCreated", "timestamp"].into_iter().find_map(|name| clock::iso(value.get(name)?.as_str()?, zone_minutes));
    let id = event.number("EventID").or_else(|| event.number("event_id")).or_else(|| value.pointer("/event/code").and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok())));
    (bounded(host, limits::NAME_CHARS), moment, id.and_then(|id| of(id, &event)))
}

fn of(id: u64, event: &Event<'_>) -> Option<TargetLogin> {
    match id {
        4624 | 4625 => {
            let kind = if id == 4624 { Kind::Opened } else { Kind::Failed };
            // OpenSSH for Windows logs people in as the network does, and names itself alone.
            let by_ssh = event.text("ProcessName").rsplit(['\\', '/']).next().is_some_and(|name| name.eq_ignore_ascii_case("sshd.exe"));
            let way = match event.number("LogonType")? {
                // Interactive, unlock, cached.
                2 | 7 | 11 => Way::Console,
                // Remote interactive, and cached remote interactive.
                10 | 12 => Way::Desktop,
                3 | 8 if by_ssh => Way::Shell,
                // Network, and network in clear text.
                3 | 8 => Way::Network,
                // Services, batches, the system itself: nobody came.
                _ => return None,
            };
            let login = event.login(kind, way, "TargetUserName").method(event.text("AuthenticationPackageName"));
            // Machine accounts, and the accounts of the window manager and font driver, are no persons, as long as they come from
            // where such accounts come from. Intruders name theirs like this.
            let elsewhere = login.from.is_some_and(|from| !from.is_loopback() && !from.is_unspecified());
            let machine = matches!(way, Way::Network | Way::Console) && !(way == Way::Console && elsewhere);
            let nobody = machine && is_no_person(&login.account);
            (!nobody).then_some(login)
        }
        // OpenSSH for Windows, in its own words.
        4 | 2 if event.text("process").starts_with("sshd") || event.text("Channel").starts_with("OpenSSH/") || event.text("channel").starts_with("OpenSSH/") => {
            let words = event.text("payload");
            super::unix::sshd(words.strip_prefix("sshd: ").unwrap_or(words))
        }
        4634 | 4647 => Some(event.login(Kind::Closed, Way::Network, "TargetUserName")),
        4648 => Some(event.login(Kind::Raised, Way::Within, "TargetUserName").by(event.text("SubjectUserName")).method("explicit")),
        4672 => None,
        // A desktop that was left is taken up again, or left.
        4778 | 4779 => {
            let kind = if id == 4778 { Kind::Opened } else { Kind::Closed };
            let login = TargetLogin::new(kind, Way::Desktop).account(event.text("AccountName")).handle(event.text("LogonID"));
            Some(login.from(address(event.text("ClientAddress")), None))
        }
        // TerminalServices-RemoteConnectionManager: the name was proved, the desktop follows.
        1149 => Some(TargetLogin::new(Kind::Opened, Way::Desktop).account(event.text("Param1")).from(address(event.text("Param3")), None).method("rdp")),
        // TerminalServices-LocalSessionManager.
        21 | 24 | 25 if session_manager(event) => {
            let kind = if id == 24 { Kind::Closed } else { Kind::Opened };
            let place = event.text("Address");
            let way = if place.eq_ignore_ascii_case("local") || place == "ローカル" { Way::Console } else { Way::Desktop };
            let account = event.text("User");
            let account = account.rsplit_once('\\').map_or(account, |(_, name)| name);
            Some(TargetLogin::new(kind, way).account(account).from(address(place), None).handle(event.text("SessionID")))
        }
        _ => None,
    }
}

fn is_no_person(account: &str) -> bool {
    account.ends_with('$') || ["DWM-", "UMFD-", "ANONYMOUS LOGON"].iter().any(|name| account.starts_with(name)) || matches!(account, "SYSTEM" | "LOCAL SERVICE" | "NETWORK SERVICE")
}

/// These numbers are small, and other providers use them for something else.
fn session_manager(event: &Event<'_>) -> bool {
    [event.text("SourceName"), event.text("provider_name"), event.text("Channel"), event.text("channel")].iter().any(|name| name.contains("TerminalServices-LocalSessionManager"))
}
