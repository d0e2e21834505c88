//! `sekisho country …`

use super::{Reply, Trouble};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use sekisho_core::country::{Place, Reading};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_store::{Store, read_countries};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;

/// Commands on the table of countries (国の表).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountryCommand {
    /// Show what is known of the table
    Show,
    /// Import files in the place of the present table: delegated statistics of the registries, or CSV
    Import {
        /// The files, all at once
        #[arg(required = true, value_name = "FILE")]
        #[serde(skip)]
        files: Vec<PathBuf>,
        /// Date of the data, YYYY-MM-DD, where the files do not name it
        #[arg(long, value_name = "DATE", default_value = "")]
        dated: String,
        /// Read from the files.
        #[arg(skip)]
        reading: Reading,
    },
    /// Tell the country of an address
    Of {
        /// The address
        #[arg(value_name = "ADDRESS")]
        address: IpAddr,
    },
    /// Print the table as CSV: its SHA-256 is the one that the log names
    Export,
}

impl CountryCommand {
    /// Reads the files, so that the wish is complete.
    ///
    /// # Errors
    /// A file cannot be read or is no table.
    pub fn gather(self) -> Result<Self> {
        let Self::Import { files, dated, .. } = self else { return Ok(self) };
        let mut contents = Vec::with_capacity(files.len());
        for path in &files {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut bytes = Vec::new();
            file.take(limits::COUNTRY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
            contents.push(bytes);
        }
        let slices: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        match read_countries(&slices) {
            Ok(reading) => Ok(Self::Import { files, dated, reading }),
            Err(refusal) => {
                let words = refusal.words();
                bail!("{} {} [{}] {}", words.code, words.ja, refusal.detail().unwrap_or_default(), words.next_ja)
            }
        }
    }
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: CountryCommand) -> Result<Reply, Trouble> {
    let kept = match command {
        CountryCommand::Show => store.countries(by)?,
        CountryCommand::Import { dated, reading, .. } => Some(store.take_countries(by, reading, &dated).await?),
        CountryCommand::Of { address } => {
            let (short, text) = match store.look_up_country(by, address)? {
                Place::In(country) => (country.to_string(), country.to_string()),
                Place::Inner => ("inner".to_owned(), "国なし(院内・閉域のアドレス) / no country (inner address)".to_owned()),
                Place::Unlisted => ("unlisted".to_owned(), "表にない / not in the table".to_owned()),
                Place::NoTable => ("no_table".to_owned(), "国の表がない / there is no table".to_owned()),
            };
            return Ok(Reply::done(serde_json::json!({ "address": address, "country": short }), text));
        }
        CountryCommand::Export => {
            let text = store.countries_csv(by)?;
            return Ok(Reply::done(serde_json::json!({ "csv": text }), text.trim_end()));
        }
    };
    let Some(kept) = kept else {
        return Ok(Reply::done(serde_json::json!({ "present": false }), "国の表はまだありません / there is no table of countries"));
    };
    let from = if kept.registries.is_empty() { "独自の一覧 / own list".to_owned() } else { kept.registries.join(", ") };
    let mut text = format!(
        "{from}  {}({} 日前 / days ago)\n{} 行 / rows  IPv4 {}  IPv6 {}\nSHA-256 {}",
        kept.dated,
        kept.age_days(store.now()),
        kept.rows,
        kept.v4,
        kept.v6,
        kept.digest
    );
    if kept.conflicts > 0 {
        text.push_str(&format!("\n食い違い {} か所(どの国とも扱わない) / conflicts, which belong to no country", kept.conflicts));
    }
    if kept.missing > 0 {
        text.push_str(&format!("\n警告: 途中で切れたファイルがある({} 行不足) / WARNING: a file was cut off", kept.missing));
    }
    if kept.is_old(store.now()) {
        text.push_str("\n警告: 表が古い。新しい表を取り込んでください / WARNING: the table is old; import a new one");
    }
    let mut value = serde_json::to_value(&kept)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("present".to_owned(), true.into());
    }
    Ok(Reply::done(value, text))
}
