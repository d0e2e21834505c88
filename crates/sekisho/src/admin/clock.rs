//! `sekisho clock …`

use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on the time that the box goes by.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockCommand {
    /// Show the clock, how it stands to the time servers and to the log, and whether it is believed
    Show,
    /// Believe a clock that stands too far ahead, because you know that it is right
    Accept {
        /// Why; it stands in the log
        #[arg(long)]
        reason: String,
    },
    /// Set the time of the log back to the clock, after a false time was believed; entries keep their times
    Correct {
        /// Why; it stands in the log
        #[arg(long)]
        reason: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal.
pub async fn answer(store: &Store, by: &Actor, command: ClockCommand) -> Result<Reply, Trouble> {
    match command {
        ClockCommand::Show => {
            let (state, health) = (store.clock_state(), store.health(by).await?);
            let mut text = format!("時計 / clock: {}\n", health.clock.second());
            match state.offset_ms {
                Some(offset) => text.push_str(&format!("時刻サーバーとの差 / beside the time servers: {:+.1} s ({}/{} が応答 / answered)\n", -(offset as f64) / 1000.0, state.answered, state.servers)),
                None => text.push_str(&format!("時刻サーバー / time servers: {} 台、まだ応答なし / no answer yet\n", state.servers)),
            }
            if let Some(by_ms) = state.held_ms {
                text.push_str(&format!("時計が、信用できる時刻より {} 秒進んでいるため(進められたか、関所が長く止まっていました)、信用していません。正しければ `sekisho clock accept` を実行します。 / NOT BELIEVED: set forward, or the box was off for long; if it is right, `sekisho clock accept`.\n", by_ms / 1000));
            }
            if health.clock_behind_ms > 1000 {
                text.push_str(&format!("証跡の最後の時刻が時計より {} 秒先です。時計が正しければ `sekisho clock correct` を実行します。 / The log is ahead of the clock; if the clock is right, `sekisho clock correct`.\n", health.clock_behind_ms / 1000));
            }
            if !state.may_delete() {
                text.push_str("時計が確かめられるまで、録画や記録の削除、保全の終了、アーカイブへの移動を止めています。 / Nothing is deleted, no hold ends and nothing is moved out until the clock is sure.\n");
            }
            let value = json!({ "clock": health.clock, "servers": state.servers, "answered": state.answered, "offset_ms": state.offset_ms, "held_ms": state.held_ms, "log_ahead_ms": health.clock_behind_ms, "may_delete": state.may_delete() });
            Ok(Reply::done(value, text.trim_end()))
        }
        ClockCommand::Accept { reason } => {
            let by_ms = store.accept_clock(by, &reason).await?;
            Ok(Reply::done(json!({ "by_ms": by_ms }), format!("進められた時計({} 秒)に従います。理由は証跡に残りました。 / The clock is believed; the reason stands in the log.", by_ms / 1000)))
        }
        ClockCommand::Correct { reason } => {
            let by_ms = store.correct_clock(by, &reason).await?;
            Ok(Reply::done(json!({ "by_ms": by_ms }), format!("証跡の時刻を {} 秒戻しました。これより前の項目の時刻はそのまま残り、検証では「時刻が前後する」と表示されます。 / The log goes on by the clock; earlier entries keep their times, and verifiers tell that time goes back.", by_ms / 1000)))
        }
    }
}
