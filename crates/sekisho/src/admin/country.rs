//! `sekisho country …`

use super::{Reply, Trouble};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use sekisho_core::country::{CountryBreach, Place, Reading, read};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Commands on the table of countries (国の表).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountryCommand {
    /// Show which table is in force, and how old it is
    Show,
    /// Import files in the place of the present table: delegated statistics of the registries, or CSV
    #[command(after_help = "Next: `country of ADDRESS` tells the country of an address by the new table.")]
    Import {
        /// The files, all of them at once
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
            contents.push(bytes_of(path).with_context(|| {
                let path = path.display();
                format!("{path} を開けません。ファイルの名前と読み取りの権限を確かめて、もう一度実行してください。 / {path} cannot be opened. Check its name and the right to read it, and run this again")
            })?);
        }
        let slices: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        let reading = read(&slices).map_err(|breach| anyhow::Error::msg(unreadable(&files, &breach)))?;
        Ok(Self::Import { files, dated, reading })
    }
}

fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::COUNTRY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Which file is not taken, why, and what comes next.
fn unreadable(files: &[PathBuf], breach: &CountryBreach) -> String {
    match breach {
        CountryBreach::Line { file, line } => {
            let path = file.checked_sub(1).and_then(|at| files.get(at)).map(|path| path.display().to_string()).unwrap_or_default();
            format!(
                "SKS-2047 {path} の {line} 行目を、国の表として読めません。地域インターネットレジストリーの delegated 形式か、「開始,終了,国」または「範囲,国」の CSV かどうかを確かめてください。何も取り込んでいません。 / Line {line} of {path} cannot be read. Delegated statistics of the registries and CSV (first,last,country or network,country) are taken; look at that line. Nothing was imported"
            )
        }
        CountryBreach::Empty => {
            let paths = files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            format!("SKS-2047 {paths} には、国の書かれた行がありません。国の表のファイルかどうかを確かめてください。何も取り込んでいません。 / {paths}: no row names a country. Check that these are files of a table of countries. Nothing was imported")
        }
        CountryBreach::TooLarge => {
            let most = limits::COUNTRY_FILE_BYTES / 1024 / 1024;
            format!("ファイルの合計が {most} MiB を超えています。国の表のファイルだけを指定してください。 / The files have more than {most} MiB together. Name the files of the table alone")
        }
        CountryBreach::TooMany(limit) => format!("行が多すぎるか、国の食い違いが多すぎます({limit})。同じ日の、国の表のファイルだけを指定してください。 / Too many rows or contradictions ({limit}). Name the files of one table, of the same day"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_next_step_in_both_languages() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good.csv"), folder.path().join("bad.csv"));
        std::fs::write(&good, "192.0.2.0/24,JP\n").unwrap();
        std::fs::write(&bad, "198.51.100.0/24,JP\nnothing\n").unwrap();
        let told = |files: Vec<PathBuf>| format!("{:#}", CountryCommand::Import { files, dated: String::new(), reading: Reading::default() }.gather().unwrap_err());
        let bad_line = told(vec![good, bad.clone()]);
        assert!(bad_line.contains(&format!("{} の 2 行目", bad.display())) && bad_line.contains(&format!("Line 2 of {}", bad.display())), "{bad_line}");
        let missing = told(vec![folder.path().join("none.csv")]);
        assert!(missing.contains("none.csv を開けません") && missing.contains("none.csv cannot be opened") && missing.contains("run this again"), "{missing}");
    }
}
