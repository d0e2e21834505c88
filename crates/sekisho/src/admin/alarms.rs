//! `sekisho alarms …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::alarm::{AlarmState, Level};
use sekisho_core::ids::AlarmId;
use sekisho_core::people::Actor;
use sekisho_store::{AlarmFilter, AlarmRow, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on alarms.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmsCommand {
    /// List alarms that are not closed, those that nobody took on first
    List {
        /// Only in this state: open, acknowledged, closed
        #[arg(long)]
        state: Option<String>,
        /// Only of this level and above: notice, warning, critical
        #[arg(long)]
        level: Option<String>,
    },
    /// Show an alarm: what happened, why it matters, and the entries of the log
    Show {
        /// Id of the alarm
        alarm: String,
    },
    /// Take an alarm on: others see that you are at it, and nobody further is told
    Ack {
        /// Id of the alarm
        alarm: String,
    },
    /// Close an alarm, with a note of what was found
    Close {
        /// Id of the alarm
        alarm: String,
        /// What was found
        #[arg(long)]
        note: String,
    },
    /// Show how the receivers of alarms and events stand
    Receivers,
}

fn id(text: &str) -> Result<AlarmId, Trouble> {
    AlarmId::parse(text).ok_or_else(|| Trouble::Words(format!("{text:?} は警報の識別子ではありません。 / not the identifier of an alarm")))
}

fn line(row: &AlarmRow) -> Vec<String> {
    vec![row.id.to_string(), row.level.as_str().to_owned(), row.state.as_str().to_owned(), row.last_at.minute(), row.count.to_string(), row.what.ja().what]
}

fn value(row: &AlarmRow) -> serde_json::Value {
    let (ja, en) = (row.what.ja(), row.what.en());
    json!({ "alarm": row, "ja": { "what": ja.what, "why": ja.why }, "en": { "what": en.what, "why": en.why }, "press": row.what.press(&row.subject).href })
}

/// Does a command.
///
/// # Errors
/// The store's, or words.
pub async fn answer(store: &Store, by: &Actor, command: AlarmsCommand) -> Result<Reply, Trouble> {
    match command {
        AlarmsCommand::List { state, level } => {
            let state = state.map(|text| AlarmState::parse(&text).ok_or_else(|| Trouble::Words("--state には open、acknowledged、closed のどれかを指定してください。 / --state: open, acknowledged, closed".into()))).transpose()?;
            let level = level.map(|text| Level::parse(&text).ok_or_else(|| Trouble::Words("--level には notice、warning、critical のどれかを指定してください。 / --level: notice, warning, critical".into()))).transpose()?;
            let found = store.alarms(by, &AlarmFilter { standing: state.is_none(), state, level, skip: 0 }).await?;
            let rows: Vec<Vec<String>> = found.rows.iter().map(line).collect();
            let text = if rows.is_empty() { "警報はありません。 / no alarms".to_owned() } else { table(&["alarm", "level", "state", "last", "count", "what"], &rows) };
            Ok(Reply::done(json!({ "total": found.total, "alarms": found.rows.iter().map(value).collect::<Vec<_>>() }), text))
        }
        AlarmsCommand::Show { alarm } => {
            let (row, entries) = store.alarm(by, &id(&alarm)?).await?;
            let (ja, en) = (row.what.ja(), row.what.en());
            let mut text = format!("{} ({}) {} {}\n\n{}\n{}\n\n{}\n{}\n\n{}{}\n", row.rule.ja(), row.level.ja(), row.state.as_str(), row.id, ja.what, ja.why, en.what, en.why, store.base_url(), row.what.press(&row.subject).href);
            for entry in &entries {
                text.push_str(&format!("\n{:>8}  {}  {}", entry.seq, entry.at.second(), entry.what.ja().what));
            }
            Ok(Reply::done(json!({ "alarm": value(&row), "entries": entries }), text))
        }
        AlarmsCommand::Ack { alarm } => {
            store.acknowledge_alarm(by, &id(&alarm)?).await?;
            Ok(Reply::done(json!({ "ok": true }), "対応中にしました。 / taken on"))
        }
        AlarmsCommand::Close { alarm, note } => {
            store.close_alarm(by, &id(&alarm)?, &note).await?;
            Ok(Reply::done(json!({ "ok": true }), "終了しました。 / closed"))
        }
        AlarmsCommand::Receivers => {
            let rows = store.receivers(by).await?;
            let lines: Vec<Vec<String>> = rows.iter().map(|row| vec![row.name.clone(), if row.down_since.is_some() { "down".into() } else { "ok".into() }, row.waiting.to_string(), row.trouble.clone().unwrap_or_default()]).collect();
            let text = if lines.is_empty() { "通知先([[receiver]])は設定されていません。 / no receivers are configured".to_owned() } else { table(&["receiver", "state", "waiting", "trouble"], &lines) };
            Ok(Reply::done(serde_json::to_value(&rows)?, text))
        }
    }
}
