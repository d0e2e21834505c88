//! `sekisho exposure …`

use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::exposure::{ServiceAsk, Transport};
use sekisho_core::ids::ServiceId;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_store::{Denied, Exposure, Store};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Commands on the exposure of this machine (露出の点検).
#[derive(Debug, Default, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExposureCommand {
    /// Look at this machine at once
    #[default]
    Check,
    /// Show what was seen last
    Show,
    /// Confirm a service of this machine beside Sekisho
    Confirm {
        /// Port of the service
        port: u16,
        /// Transport: tcp or udp
        #[arg(long, default_value = "tcp")]
        transport: String,
        /// The one address at which it may answer [default: any]
        #[arg(long)]
        address: Option<IpAddr>,
        /// What the service is
        #[arg(long)]
        name: String,
        /// Why it has to answer
        #[arg(long)]
        reason: String,
    },
    /// Take a confirmation back
    End {
        /// Id of the confirmation, or port
        service: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: ExposureCommand) -> Result<Reply, Trouble> {
    match command {
        ExposureCommand::Check => match store.check_exposure(by).await {
            Ok(exposure) => told(&exposure),
            Err(Denied::Refusal(Refusal::NotFound)) => {
                Err(Trouble::Words("関所が動いていないため、調べられません。`sekisho serve` を起動するか、`sekisho exposure show` で前回の結果を見てください。 / Sekisho does not run, so its doors cannot be asked; start `sekisho serve`, or read the last look with `sekisho exposure show`".into()))
            }
            Err(denied) => Err(denied.into()),
        },
        ExposureCommand::Show => told(&store.exposure(by).await?),
        ExposureCommand::Confirm { port, transport, address, name, reason } => {
            let transport = Transport::parse(&transport).ok_or_else(|| Trouble::Words(format!("{transport:?} は tcp でも udp でもありません。 / {transport:?} is neither tcp nor udp")))?;
            let service = store.confirm_service(by, ServiceAsk { transport, address, port, name, reason }).await?;
            Ok(Reply::done(serde_json::to_value(&service)?, format!("{}  {}  {}", service.id, service.port, service.name)))
        }
        ExposureCommand::End { service, reason } => {
            let id = match ServiceId::parse(&service) {
                Some(id) => id,
                None => {
                    let services = store.exposure(by).await?.services;
                    let mut hits = services.into_iter().filter(|known| known.port.to_string() == service);
                    match (hits.next(), hits.next()) {
                        (Some(known), None) => known.id,
                        (None, _) => return Err(Trouble::Words(format!("ポート {service} の確認済みのサービスはありません。 / no confirmed service has the port {service}"))),
                        (Some(_), Some(_)) => return Err(Trouble::Words(format!("ポート {service} の確認済みのサービスが複数あります。識別子で指定してください。 / several confirmed services have the port {service}: give the id"))),
                    }
                }
            };
            let ended = store.end_service(by, &id, &reason).await?;
            Ok(Reply::done(serde_json::to_value(&ended)?, format!("{}  {}", ended.id, ended.name)))
        }
    }
}

fn told(exposure: &Exposure) -> Result<Reply, Trouble> {
    let value = serde_json::json!({ "at": exposure.at, "stale": exposure.stale, "findings": exposure.findings, "look": exposure.look, "services": exposure.services });
    let mut text = String::new();
    // Writing into a String cannot fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    match exposure.at {
        None => line(format_args!("まだ点検していません。 / Not looked at yet.")),
        Some(at) => line(format_args!("点検 / looked at: {}{}", at.minute(), if exposure.stale { "  (古い / old)" } else { "" })),
    }
    for own in &exposure.look.own {
        let answers: Vec<String> = own.answers.iter().map(ToString::to_string).collect();
        line(format_args!("  {} / {}: port {} -> {}", own.part.ja(), own.part.en(), own.port, if answers.is_empty() { "-".to_owned() } else { answers.join(", ") }));
    }
    for tls in &exposure.look.tls {
        line(format_args!("  {} / {}: {}; {}; {}", tls.part.ja(), tls.part.en(), tls.versions.join(", "), tls.suites.join(", "), tls.groups.join(", ")));
    }
    if exposure.at.is_some() && exposure.findings.is_empty() {
        line(format_args!("\nあるべき姿と違うところはありません。 / Everything is as it should be."));
    }
    for finding in &exposure.findings {
        let (ja, en) = (finding.what.ja(), finding.what.en());
        line(format_args!("\n[{}] {}\n    {}\n    -> {}\n    {}\n    {}\n    -> {}", finding.level.as_str(), ja.so, ja.why, ja.act, en.so, en.why, en.act));
    }
    Ok(Reply::done(value, text))
}
