//! An entry of the log in the forms that collectors of events know. `docs/formats/outgoing.md` describes each.

use super::Piece;
use crate::alarm::{Known, Level, Thresholds, derive};
use crate::facts::{Entry, Fact};
use crate::people::Via;
use crate::policy::Policy;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Longest entry that is put into an event as it is; of a longer one the fields stand, and where the whole lies.
const RAW_BYTES: usize = 2_400;
/// Longest value of a field.
const VALUE_CHARS: usize = 400;
/// The same in an entry that is too long to stand as it is.
const SHORT_CHARS: usize = 100;
/// Fields of such an entry.
const SHORT_FIELDS: usize = 15;

/// The form in which entries go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON by the Open Cybersecurity Schema Framework, version 1.3.
    #[default]
    Ocsf,
    /// ArcSight Common Event Format, version 0.
    Cef,
    /// Structured data of RFC 5424, with the entry as the text.
    Rfc5424,
}

/// The entry's fields in one flat row: names of JSON, values as text. Lists and objects stand as JSON.
fn flat(entry: &Entry) -> Vec<(String, String)> {
    let Ok(Value::Object(map)) = serde_json::to_value(&entry.fact) else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let cut = |text: String| text.chars().take(VALUE_CHARS).collect::<String>();
    map.iter().filter(|(name, _)| *name != "kind").map(|(name, value)| (name.clone(), cut(text(value)))).collect()
}

/// The beginnings of the first fields.
fn beginnings(fields: &[(String, String)]) -> impl Iterator<Item = (String, String)> + '_ {
    fields.iter().take(SHORT_FIELDS).map(|(name, value)| (name.clone(), value.chars().take(SHORT_CHARS).collect()))
}

/// A login name that is nobody's here, as it goes out: people type passwords into the wrong field.
#[must_use]
pub fn discreet(login: &str) -> String {
    let letters = login.chars().count();
    if letters == 0 { String::new() } else { format!("{}…({letters}文字)", login.chars().take(2).collect::<String>()) }
}

/// An entry about a login name that is nobody's here, as it goes out.
#[must_use]
pub fn shortened(mut entry: Entry) -> Entry {
    if let Fact::Refused { login, .. } = &mut entry.fact {
        if entry.actor.login == *login {
            entry.actor.login = discreet(login);
        }
        if entry.actor.name == *login {
            entry.actor.name = discreet(login);
        }
        *login = discreet(login);
    }
    entry
}

/// How grave an entry is by itself: as grave as the alarm that it raises without a past.
fn level_of(entry: &Entry) -> Option<Level> {
    if let Fact::AlarmRaised { level, .. } = &entry.fact {
        return Some(*level);
    }
    derive(entry, &Known::default(), &Thresholds::of(&Policy::default())).iter().map(|one| one.level).max()
}

fn is_refusal(fact: &Fact) -> bool {
    matches!(fact, Fact::Refused { .. } | Fact::RefusedInside { .. } | Fact::TokenRefused { .. } | Fact::CertificateRefused { .. } | Fact::DeviceCodeFailed { .. } | Fact::EmergencyTried { .. })
}

/// Class, category and activity of OCSF: authentication, SSH activity, file activity, detection finding, else account or
/// application activity.
fn class_of(fact: &Fact) -> (u32, u32, u32) {
    match fact {
        Fact::LoggedIn { .. } | Fact::Identified { .. } | Fact::SteppedUp { .. } => (3002, 3, 1),
        Fact::LoggedOut { .. } | Fact::LoginEnded { .. } => (3002, 3, 2),
        Fact::Refused { .. } | Fact::TokenRefused { .. } | Fact::CertificateRefused { .. } | Fact::EmergencyTried { .. } => (3002, 3, 1),
        Fact::Entered { .. } | Fact::Dialled { .. } => (4007, 4, 1),
        Fact::Left { .. } => (4007, 4, 2),
        Fact::RefusedInside { .. } => (4007, 4, 5),
        Fact::FileMoved { .. } => (1001, 1, 99),
        Fact::AlarmRaised { .. } => (2004, 2, 1),
        Fact::AlarmAcknowledged { .. } | Fact::AlarmEscalated { .. } => (2004, 2, 2),
        Fact::AlarmClosed { .. } => (2004, 2, 3),
        Fact::PersonAdded { .. } | Fact::Enrolled { .. } => (3001, 3, 1),
        Fact::PasswordChanged { .. } => (3001, 3, 3),
        _ => (6003, 6, 99),
    }
}

fn via(via: Via) -> &'static str {
    match via {
        Via::Web => "web",
        Via::Api => "api",
        Via::Ssh => "ssh",
        Via::Console => "console",
        Via::System => "system",
    }
}

/// An entry as a piece for a receiver. `host` is the name of this box, `log` the origin of its log, `version` that of the
/// program.
#[must_use]
pub fn event(entry: &Entry, format: Format, host: &str, log: &str, version: &str, sent: Timestamp) -> Piece {
    let (kind, level) = (entry.fact.kind(), level_of(entry));
    let raw = serde_json::to_string(entry).ok().filter(|raw| raw.len() <= RAW_BYTES);
    let fields = flat(entry);
    let text = match format {
        Format::Ocsf => ocsf(entry, &kind, level, &fields, raw.as_deref(), (host, log, version)),
        Format::Cef => cef(entry, &kind, level, &fields, (host, log, version)),
        Format::Rfc5424 => raw.unwrap_or_else(|| {
            let fields: Map<String, Value> = beginnings(&fields).map(|(name, value)| (name, json!(value))).collect();
            json!({ "seq": entry.seq, "kind": kind, "too_long": true, "fields": fields }).to_string()
        }),
    };
    let mut shown = vec![("seq".to_owned(), entry.seq.to_string()), ("kind".to_owned(), kind.clone()), ("log".to_owned(), log.to_owned())];
    shown.push(("actor".to_owned(), entry.actor.login.clone()));
    shown.push(("via".to_owned(), via(entry.actor.via).to_owned()));
    shown.extend(entry.actor.source.clone().map(|source| ("source".to_owned(), source)));
    shown.extend(entry.fact.session().map(|session| ("session".to_owned(), session.to_string())));
    shown.extend(entry.fact.plan().map(|plan| ("plan".to_owned(), plan.to_string())));
    Piece { number: entry.seq, at: entry.at, sent, level: level.unwrap_or(Level::Notice), kind, fields: shown, text }
}

fn ocsf(entry: &Entry, kind: &str, level: Option<Level>, fields: &[(String, String)], raw: Option<&str>, (host, log, version): (&str, &str, &str)) -> String {
    let (class, category, activity) = class_of(&entry.fact);
    let (severity, severity_name) = match level {
        None => (1, "Informational"),
        Some(Level::Notice) => (2, "Low"),
        Some(Level::Warning) => (3, "Medium"),
        Some(Level::Critical) => (5, "Critical"),
    };
    let refused = is_refusal(&entry.fact);
    let mut person = Map::new();
    person.insert("name".into(), json!(entry.actor.login));
    person.insert("full_name".into(), json!(entry.actor.name));
    if let Some(id) = &entry.actor.person {
        person.insert("uid".into(), json!(id));
    }
    let mut unmapped: Map<String, Value> = Map::new();
    // What is long goes in pieces of the beginning of each: whoever writes long names is seen all the same.
    if raw.is_none() {
        unmapped.insert("too_long".into(), json!(true));
        unmapped.extend(beginnings(fields).map(|(name, value)| (name, json!(value))));
    } else {
        unmapped.extend(fields.iter().map(|(name, value)| (name.clone(), json!(value))));
    }
    let mut event = json!({
        "activity_id": activity,
        "category_uid": category,
        "class_uid": class,
        "type_uid": u64::from(class) * 100 + u64::from(activity),
        "time": entry.at.0,
        "severity_id": severity,
        "severity": severity_name,
        "status_id": if refused { 2 } else { 1 },
        "status": if refused { "Failure" } else { "Success" },
        "message": kind,
        "metadata": {
            "version": "1.3.0",
            "uid": format!("{log}/{}", entry.seq),
            "sequence": entry.seq,
            "event_code": kind,
            "log_name": log,
            "product": { "name": "Sekisho", "vendor_name": "Sekisho", "version": version },
        },
        "device": { "hostname": host, "type_id": 1 },
        "actor": { "user": person, "app_name": via(entry.actor.via) },
        "unmapped": unmapped,
    });
    if let (Some(event), Some(source)) = (event.as_object_mut(), &entry.actor.source) {
        event.insert("src_endpoint".into(), json!({ "ip": source }));
    }
    event.to_string()
}

/// The head of CEF: `\` and `|` are escaped, lines do not end.
fn head(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect::<String>().replace('\\', "\\\\").replace('|', "\\|")
}

/// A value of CEF's extension: `\`, `=` and ends of lines are escaped.
fn value(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('=', "\\=").replace('\r', "\\r").replace('\n', "\\n");
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn cef(entry: &Entry, kind: &str, level: Option<Level>, fields: &[(String, String)], (host, log, version): (&str, &str, &str)) -> String {
    let severity = match level {
        None => 1,
        Some(Level::Notice) => 3,
        Some(Level::Warning) => 6,
        Some(Level::Critical) => 9,
    };
    let mut pairs: Vec<(String, String)> = vec![
        ("rt".into(), entry.at.0.to_string()),
        ("externalId".into(), entry.seq.to_string()),
        ("dvchost".into(), host.to_owned()),
        ("suser".into(), entry.actor.login.clone()),
        ("app".into(), via(entry.actor.via).to_owned()),
        ("outcome".into(), if is_refusal(&entry.fact) { "failure".into() } else { "success".into() }),
        ("cs1Label".into(), "log".into()),
        ("cs1".into(), log.to_owned()),
    ];
    if let Some(source) = &entry.actor.source {
        pairs.push(("src".into(), source.clone()));
    }
    if let Some(session) = entry.fact.session() {
        pairs.push(("cs2Label".into(), "session".into()));
        pairs.push(("cs2".into(), session.to_string()));
    }
    if let Some(plan) = entry.fact.plan() {
        pairs.push(("cs3Label".into(), "plan".into()));
        pairs.push(("cs3".into(), plan.to_string()));
    }
    // Names of one's own stand with a prefix, so that none is taken for one of the dictionary's.
    pairs.extend(fields.iter().map(|(name, text)| (format!("sekisho{}{}", name.get(..1).unwrap_or_default().to_ascii_uppercase(), camel(name.get(1..).unwrap_or_default())), text.clone())));
    let extension: Vec<String> = pairs.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
    format!("CEF:0|Sekisho|Sekisho|{}|{}|{}|{severity}|{}", head(version), head(kind), head(kind), extension.join(" "))
}

/// `device_name` as `deviceName`.
fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            out.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ViewMode;
    use crate::ids::{PersonId, SessionId};
    use crate::people::{Actor, Role};
    use std::collections::BTreeSet;

    fn entries() -> Vec<Entry> {
        let by = |login: &str, via: Via, source: Option<&str>| Actor {
            person: (via == Via::Web).then(|| PersonId::from_random([1; 10])),
            login: login.into(),
            name: "佐藤 健".into(),
            roles: BTreeSet::from([Role::Worker]),
            vendor: None,
            via,
            source: source.map(str::to_owned),
            token: None,
            emergency: false,
        };
        let entry = |seq, actor, fact| Entry { seq, at: Timestamp(1_795_237_200_123), actor, fact };
        vec![
            entry(7, Actor::system(), Fact::Started { version: "0.1.0".into() }),
            entry(8, by("sato", Via::Web, Some("10.20.0.5")), Fact::ViewBegan { session: SessionId::from_random([2; 10]), mode: ViewMode::Replay }),
            // What a stranger typed: every character that one of the forms gives a meaning.
            entry(9, by("a|b=c\\d\"]\r\nCEF:0|x", Via::Ssh, Some("203.0.113.9")), Fact::Refused { stage: "login".into(), login: "a|b=c\\d\"]\r\nCEF:0|x".into(), code: "SKS-1001".into(), detail: String::new() }),
            entry(10, Actor::system(), Fact::ExposureNew { place: "0.0.0.0:23 tcp".into(), program: "telnetd".into() }),
        ]
    }

    /// The forms as receivers get them. A change of any of them changes this text, in a commit that shows it.
    #[test]
    fn the_forms_are_the_golden_text() {
        let mut text = String::new();
        for format in [Format::Ocsf, Format::Cef, Format::Rfc5424] {
            for entry in entries() {
                let piece = event(&entry, format, "gateway.example", "sekisho.example/aoba", "0.1.0", Timestamp(0));
                text.push_str(&format!("{format:?} {} {} {:?}\n{}\n", piece.number, piece.kind, piece.level, piece.text));
                if format == Format::Rfc5424 {
                    text.push_str(&format!("{:?}\n", piece.fields));
                }
            }
        }
        let golden = include_str!("../../golden/outgoing.txt");
        assert!(text == golden, "the forms of outgoing events changed; if that is meant, put this into crates/core/golden/outgoing.txt:\n{text}");
    }

    #[test]
    fn no_value_of_others_ends_a_line_or_makes_a_field() {
        for format in [Format::Ocsf, Format::Cef, Format::Rfc5424] {
            for entry in entries() {
                let text = event(&entry, format, "h", "l", "v", Timestamp(0)).text;
                assert!(!text.contains(['\n', '\r']), "{text}");
                match format {
                    Format::Cef => {
                        let head: Vec<&str> = text.split('|').take(8).collect();
                        assert_eq!(head.len(), 8, "{text}");
                        assert!(head[7].starts_with("rt="), "{text}");
                    }
                    _ => assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}"),
                }
            }
        }
    }

    #[test]
    fn a_long_entry_stays_whole_json() {
        let long = Fact::RecordingTrouble { text: "あ".repeat(5_000) };
        let entry = Entry { seq: 1, at: Timestamp(0), actor: Actor::system(), fact: long };
        for format in [Format::Ocsf, Format::Rfc5424] {
            let text = event(&entry, format, "h", "l", "v", Timestamp(0)).text;
            assert!(text.chars().count() < crate::limits::SYSLOG_TEXT_CHARS && serde_json::from_str::<Value>(&text).is_ok());
            assert!(text.contains(&"あ".repeat(SHORT_CHARS)), "its fields are told, cut: {text}");
        }
    }
}
