//! `sekisho log …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::{LogFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Commands on the tamper-evident log.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogCommand {
    /// Show entries, the newest first
    List {
        /// Only of this kind: entered, left, plan_acted, refused, …
        #[arg(long)]
        kind: Option<String>,
        /// Only entries before this number, to go on from an earlier page
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Print the newest signed checkpoint, to be kept outside this box
    Checkpoint,
    /// Print the log's public key, which a verifier needs
    PublicKey,
    /// Print one entry with the proof that it is in the log, and the signed checkpoint under which the proof holds
    Prove {
        /// Number of the entry
        seq: u64,
    },
    /// Show the places outside that get checkpoints, and what they have
    Outside,
    /// Send the newest checkpoint to every place outside at once, mail included
    Send,
    /// Go on with a log that a checkpoint outside contradicts, after a restore that somebody knows of
    AcceptRestore {
        /// Why; it stands in the log
        #[arg(long)]
        reason: String,
    },
    /// Exchange the key that signs the log; the old one signs the new one and is destroyed
    #[command(after_help = "Next: keep the new public key outside of this box, beside the earlier one; a witness learns it by `witness trust`.")]
    RotateKey,
}

/// Does a command.
///
/// # Errors
/// The store's refusal.
pub async fn answer(store: &Store, by: &Actor, command: LogCommand) -> Result<Reply, Trouble> {
    match command {
        LogCommand::List { kind, before } => {
            let entries = store.log_entries(by, &LogFilter { kind, before_seq: before, ..LogFilter::default() }).await?;
            let mut cells = Vec::new();
            for entry in &entries {
                let fact = serde_json::to_value(&entry.fact)?;
                let kind = fact.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
                let detail = fact.as_object().map(|map| map.iter().filter(|(name, _)| *name != "kind").map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
                cells.push(vec![entry.seq.to_string(), entry.at.second(), entry.actor.login.clone(), kind, detail.unwrap_or_default()]);
            }
            Ok(Reply::done(serde_json::to_value(&entries)?, table(&["no", "at", "by", "kind", "detail"], &cells)))
        }
        LogCommand::Checkpoint => {
            let text = store.checkpoint().map_err(sekisho_store::Denied::from)?;
            Ok(Reply::done(json!({ "checkpoint": text }), text))
        }
        LogCommand::PublicKey => {
            let key = store.log_public_key();
            Ok(Reply::done(json!({ "public_key": key }), key))
        }
        LogCommand::Prove { seq } => {
            let proof = store.prove_entry(by, seq).await?;
            let text = format!("# 確かめ方は docs/formats/log.md の「Proof of one entry」 / how to check it: docs/formats/log.md\nentry {}\n{}\nleaf {}\n{}\n{}", proof.seq, proof.body, proof.leaf, proof.proof.iter().map(|hash| format!("  {hash}")).collect::<Vec<_>>().join("\n"), proof.checkpoint);
            Ok(Reply::done(serde_json::to_value(&proof)?, text))
        }
        LogCommand::Outside => {
            let (places, contradictions) = store.outside(by).await?;
            let cells: Vec<Vec<String>> = places
                .iter()
                .map(|place| vec![place.clear_network.as_ref().map_or_else(|| place.name.clone(), |network| format!("{} (平文/clear: {network})", place.name)), place.entries.to_string(), place.sent_at.map(|at| at.second()).unwrap_or_default(), place.failing_since.map(|at| at.second()).unwrap_or_default(), place.trouble.clone().unwrap_or_default()])
                .collect();
            let mut text = table(&["place", "entries", "sent", "failing since", "trouble"], &cells);
            if places.is_empty() {
                text.push_str("\n保管先がありません。設定ファイルの [checkpoints] に書きます(`sekisho config example`)。 / No place outside is configured: [checkpoints].\n");
            }
            let stamps = store.timestamps().await.map_err(sekisho_store::Denied::from)?;
            if let Some(stamps) = &stamps {
                let whose = if stamps.local { "自局(順序の証明のみ) / the box's own: order, not outside time" } else { stamps.authority.as_str() };
                let newest = stamps.at.map_or_else(|| "まだありません / none yet".to_owned(), |at| format!("{} 件まで {} (時計との差 {} 秒) / entries stamped", stamps.entries, at.second(), stamps.offset_ms / 1000));
                text.push_str(&format!("\nタイムスタンプ: {whose}: {newest}\n"));
                if let Some(trouble) = &stamps.trouble {
                    text.push_str(&format!("  受け取れていません / none: {trouble}\n"));
                }
            }
            for one in &contradictions {
                text.push_str(&format!("\n食い違い: 「{}」の控え({} 件)が、この証跡({} 件)と食い違っています。セッションはすべて断っています。 / CONTRADICTED by {}: no session is admitted.\n", one.place, one.there, one.here, one.place));
            }
            Ok(Reply::done(json!({ "places": places, "contradictions": contradictions }), text))
        }
        LogCommand::Send => {
            if store.outside(by).await?.0.is_empty() && store.timestamps().await.map_err(sekisho_store::Denied::from)?.is_none() {
                return Err(Trouble::Words("保管先がありません。設定ファイルの [checkpoints] に、フォルダ・syslog・メール・立会人のどれかを(またはタイムスタンプを [timestamps] に)書いて、serve を起動し直してください。 / there is no place outside; name a folder, syslog, mail or a witness under [checkpoints] and start serve anew".into()));
            }
            store.send_outside_now();
            Ok(Reply::done(json!({ "asked": true }), "送信を始めました。`sekisho log outside` で結果を確かめてください。 / Being sent; `sekisho log outside` shows what came of it."))
        }
        LogCommand::AcceptRestore { reason } => {
            let (accepted, key) = store.accept_restore(by, &reason).await?;
            let mut text = String::from("この証跡で運用を続けます。理由は証跡に残りました。 / The log goes on from here; the reason stands in it.\n");
            for one in &accepted {
                let lost = one.there.saturating_sub(one.here);
                text.push_str(&format!("  {}: 控え {} 件、この証跡 {} 件(失われた項目: {} 件以上) / at least {lost} entries lost\n", one.place, one.there, one.here, lost));
            }
            match &key {
                Some(key) => text.push_str(&format!("証跡に署名する鍵も交換しました。失われた分の控えが後から現れても、前の鍵の署名なので入室を止めません。新しい公開鍵を前の鍵と並べて別の場所に控えてください。\n\n   {}\n\nThe key was exchanged with it; keep the new one beside the earlier one.\n", key.new)),
                None => text.push_str("証跡に署名する鍵を交換できませんでした。`sekisho log rotate-key` を実行してください。 / The key could not be exchanged: run `sekisho log rotate-key`.\n"),
            }
            text.push_str("立会人(witness)がいる場合は、その機器で、新しい鍵を `sekisho witness trust` で教え、今のチェックポイント(`sekisho log checkpoint`)をファイルに写して `sekisho witness accept-restore --checkpoint FILE` を実行します。 / On a witness's own host: `sekisho witness trust` with the new key, then `sekisho witness accept-restore --checkpoint FILE` with the checkpoint of this box.");
            Ok(Reply::done(json!({ "accepted": accepted, "key": key.map(|key| key.new) }), text))
        }
        LogCommand::RotateKey => {
            let done = store.rotate_log_key(by).await?;
            let text = format!(
                "証跡に署名する鍵を交換しました(項目 {})。前の鍵は消去しました。新しい公開鍵を、前の鍵と並べて別の場所に控えてください。\n\n   {}\n\n立会人(witness)には `sekisho witness trust` で新しい鍵を教えてください。\nThe key was exchanged. Keep the new public key beside the earlier one, and tell witnesses of it.",
                done.seq, done.new
            );
            Ok(Reply::done(json!({ "seq": done.seq, "old": done.old, "new": done.new }), text))
        }
    }
}
