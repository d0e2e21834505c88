//! `sekisho line …`

use super::table::table;
use super::{Reply, Trouble};
use clap::{Args, Subcommand};
use sekisho_core::country::Country;
use sekisho_core::ids::LineId;
use sekisho_core::line::{Boundary, Hours, Line, LineClass, LineContent, LineException};
use sekisho_core::people::Actor;
use sekisho_core::source::Network;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Commands on the connection register (接続台帳).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCommand {
    /// List all lines, and how each stands to table 13-1 of the guideline
    List,
    /// Register a line of a vendor
    #[command(after_help = "Next: `line list` says how the line stands to table 13-1, and what is missing.")]
    Add {
        /// Id or name of the vendor
        #[arg(long)]
        vendor: String,
        /// Short name of the line
        #[arg(long)]
        name: String,
        /// What is said of it
        #[command(flatten)]
        said: Box<Said>,
    },
    /// Change a line; what is not named stays
    Change {
        /// Id or name
        line: String,
        /// Short name of the line
        #[arg(long)]
        name: Option<String>,
        /// What is said of it
        #[command(flatten)]
        said: Box<Said>,
    },
    /// End a line: its sessions end at once
    End {
        /// Id or name
        line: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What is said of a line.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
pub struct Said {
    /// Class: leased, ip_vpn, ipsec_ikev2, ipsec_ikev2_psk, ipsec_ikev1, ssl_vpn_client, ssl_vpn_clientless, tls13, tls12 or other
    #[arg(long)]
    class: Option<String>,
    /// Carrier of the line
    #[arg(long)]
    carrier: Option<String>,
    /// Networks from which its connections reach Sekisho, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NETWORK")]
    addresses: Option<Vec<String>>,
    /// Countries from which it may be used, such as JP, separated by commas; "any" for any
    #[arg(long, value_delimiter = ',', value_name = "COUNTRY")]
    countries: Option<Vec<String>>,
    /// Other ways of this vendor into the hospital; "none" if the vendor confirmed that there are none
    #[arg(long, value_name = "TEXT")]
    other_routes: Option<String>,
    /// The boundary of responsibility: day of the agreement, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    boundary_on: Option<String>,
    /// The boundary of responsibility: who agreed on it
    #[arg(long, value_name = "TEXT")]
    boundary_by: Option<String>,
    /// The boundary of responsibility: the document that says it
    #[arg(long, value_name = "TEXT")]
    boundary_document: Option<String>,
    /// Whether its destinations are limited (yes or no)
    #[arg(long, value_name = "YES/NO")]
    destinations_limited: Option<String>,
    /// Whether its route is managed (yes or no)
    #[arg(long, value_name = "YES/NO")]
    route_managed: Option<String>,
    /// When it may be used, such as "mon,tue 09:00-17:30"; several times for several spans, "any" for any time
    #[arg(long, value_name = "SPAN")]
    times: Option<Vec<String>>,
    /// First day on which it may be used, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    valid_from: Option<String>,
    /// Last day on which it may be used, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    valid_until: Option<String>,
    /// The approved exception of a class that does not conform: its reason
    #[arg(long, value_name = "TEXT", requires_all = ["exception_by", "exception_until"])]
    exception_reason: Option<String>,
    /// The approved exception: who approved it
    #[arg(long, value_name = "TEXT")]
    exception_by: Option<String>,
    /// The approved exception: its last day, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    exception_until: Option<String>,
}

impl Said {
    fn into_content(self, content: &mut LineContent) -> Result<(), Trouble> {
        let words = |text: String| Trouble::Words(text);
        if let Some(class) = self.class {
            content.class = LineClass::parse(&class).ok_or_else(|| words(format!("{class:?} は回線の種別ではありません。 / {class:?} is no class of lines")))?;
        }
        if let Some(carrier) = self.carrier {
            content.carrier = carrier;
        }
        if let Some(texts) = self.addresses {
            let read = |text: &String| Network::parse(text).ok_or_else(|| words(format!("{text:?} は 192.0.2.0/24 のようなネットワークではありません。 / {text:?} is no network such as 192.0.2.0/24")));
            content.addresses = texts.iter().map(read).collect::<Result<_, _>>()?;
        }
        if let Some(texts) = self.countries {
            let read = |text: &String| Country::parse(text).ok_or_else(|| words(format!("{text:?} は JP のような国の符号ではありません。 / {text:?} is no country such as JP")));
            content.countries = if texts == ["any"] { BTreeSet::new() } else { texts.iter().map(read).collect::<Result<_, _>>()? };
        }
        if let Some(routes) = self.other_routes {
            content.no_other_routes = routes == "none";
            content.other_routes = if content.no_other_routes { String::new() } else { routes };
        }
        if self.boundary_on.is_some() || self.boundary_by.is_some() || self.boundary_document.is_some() {
            let known = content.boundary.take().unwrap_or_default();
            content.boundary = Some(Boundary {
                agreed_on: self.boundary_on.unwrap_or(known.agreed_on),
                by: self.boundary_by.unwrap_or(known.by),
                document: self.boundary_document.unwrap_or(known.document),
            });
        }
        let yes = |text: &str| match text {
            "yes" => Ok(true),
            "no" => Ok(false),
            other => Err(words(format!("{other:?}: yes か no を指定してください。 / {other:?}: say yes or no"))),
        };
        if let Some(text) = self.destinations_limited {
            content.destinations_limited = yes(&text)?;
        }
        if let Some(text) = self.route_managed {
            content.route_managed = yes(&text)?;
        }
        if let Some(texts) = self.times {
            let read = |text: &String| Hours::parse(text).ok_or_else(|| words(format!("{text:?} は \"mon,tue 09:00-17:30\" のような時間帯ではありません。 / {text:?} is no span such as \"mon,tue 09:00-17:30\"")));
            content.times = if texts == ["any"] { Vec::new() } else { texts.iter().map(read).collect::<Result<_, _>>()? };
        }
        if let Some(date) = self.valid_from {
            let day = parse_date(&date).ok_or_else(|| words(format!("{date:?} は 2026-11-21 のような日付ではありません。 / {date:?} is no date such as 2026-11-21")))?;
            content.valid_from = Some(Timestamp::from_jst(day, 0, 0));
        }
        if let Some(date) = self.valid_until {
            content.valid_until = Some(super::person::day_end(&date)?);
        }
        if let (Some(reason), Some(approved_by), Some(until)) = (self.exception_reason, self.exception_by, self.exception_until) {
            content.exception = Some(LineException { reason, approved_by, until });
        }
        Ok(())
    }
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: LineCommand) -> Result<Reply, Trouble> {
    let kept = match command {
        LineCommand::List => {
            let (rows, vendors) = (store.lines(by).await?, store.road_vendors(by).await?);
            let now = store.now();
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|line| {
                    let vendor = vendors.iter().find(|vendor| vendor.id == line.vendor).map(|vendor| vendor.name.clone()).unwrap_or_default();
                    let addresses = line.content.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                    let verdict = line.verdict(now);
                    let state = if line.active { "active" } else { "ended" };
                    vec![line.id.to_string(), line.content.name.clone(), vendor, line.content.class.as_str().into(), format!("{} ({})", verdict.standing.as_str(), verdict.control), addresses, state.into()]
                })
                .collect();
            return Ok(Reply::done(serde_json::to_value(&rows)?, table(&["id", "name", "vendor", "class", "standing", "addresses", "state"], &cells)));
        }
        LineCommand::Add { vendor, name, said } => {
            let vendor = super::vendor::find(store, by, &vendor).await?;
            let mut content = LineContent { name, ..LineContent::default() };
            said.into_content(&mut content)?;
            store.add_line(by, &vendor.id, content).await?
        }
        LineCommand::Change { line, name, said } => {
            let line = find(store, by, &line).await?;
            let mut content = line.content;
            content.name = name.unwrap_or(content.name);
            said.into_content(&mut content)?;
            store.change_line(by, &line.id, content).await?
        }
        LineCommand::End { line, reason } => {
            let line = find(store, by, &line).await?;
            store.end_line(by, &line.id, &reason).await?
        }
    };
    let verdict = kept.verdict(store.now());
    let state = if kept.active { "有効 / active" } else { "終了 / ended" };
    let text = format!("{}  {}  {}\n{} ({}): {}", kept.id, kept.content.name, state, verdict.standing.ja(), verdict.control, verdict.ja);
    Ok(Reply::done(serde_json::to_value(&kept)?, text))
}

/// Finds a line by id or by name, those that were not ended first.
async fn find(store: &Store, by: &Actor, wanted: &str) -> Result<Line, Trouble> {
    if let Some(id) = LineId::parse(wanted) {
        return Ok(store.line(by, &id).await?);
    }
    let rows = store.lines(by).await?;
    let mut hits = rows.into_iter().filter(|line| line.active && line.content.name == wanted);
    match (hits.next(), hits.next()) {
        (Some(line), None) => Ok(line),
        (None, _) => Err(Trouble::Words(format!("{wanted:?} という有効な回線はありません。 / no line in force is called {wanted:?}"))),
        (Some(_), Some(_)) => Err(Trouble::Words(format!("{wanted:?} という回線が複数あります。識別子で指定してください。 / several lines are called {wanted:?}: give the id"))),
    }
}
