//! `sekisho verify`: log and recordings of a copy, checked by someone who trusts nobody.

use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::print;
use anyhow::{Context, Result, bail};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::cosignature::WitnessPublic;
use sekisho_evidence::verify::{Recordings, Trust, verify_with};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Verifies a folder and prints the verdict. Exit code 0 only if the evidence holds.
///
/// # Errors
/// Folder, key or outside checkpoint cannot be read.
pub fn run(args: &VerifyArgs, config: Option<&Config>, json: bool) -> Result<ExitCode> {
    let folder: PathBuf = match (&args.folder, config) {
        (Some(folder), _) => folder.clone(),
        (None, Some(config)) => config.data.dir.clone(),
        (None, None) => bail!("name the folder to verify"),
    };
    if !folder.join("log").is_dir() {
        bail!("{} holds no log: it is not a copy of a data folder", folder.display());
    }
    let (key, trusted) = match &args.key {
        Some(text) if std::path::Path::new(text).is_file() => (read(&PathBuf::from(text))?, true),
        Some(text) => (text.clone(), true),
        None => (read(&folder.join("log/public-key"))?, false),
    };
    let key = PublicKey::parse(key.trim()).map_err(|breach| anyhow::anyhow!("the public key is not usable: {breach}"))?;
    let outside = args.checkpoint.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut witnesses = Vec::new();
    for text in &args.witness {
        let text = if std::path::Path::new(text).is_file() { read(&PathBuf::from(text))? } else { text.clone() };
        witnesses.push(text.trim().parse::<WitnessPublic>().map_err(|breach| anyhow::anyhow!("the key of the witness is not usable: {breach}"))?);
    }
    let none = BTreeSet::new();
    let recordings = if args.log_only { Recordings::Skip } else { Recordings::Check { running: &none } };
    let files = sekisho_store::DataFolder(folder);
    let verdict = verify_with(&files, &Trust { key: &key, outside: &outside, witnesses: &witnesses }, recordings);
    let mut text = verdict.to_string();
    if !trusted {
        text.push_str("\nNOTE: the key came from the same folder. Give --key from another source for a proof. / 公開鍵は同じフォルダのものです。証明には別の経路で得た鍵を --key で指定してください。\n");
    }
    if outside.is_empty() && witnesses.is_empty() {
        text.push_str("NOTE: without --checkpoint a log that was cut at its end cannot be told from a shorter one. / 外部で控えたチェックポイントを --checkpoint で指定すると、末尾の切取りも検出できます。\n");
    }
    print(json, &serde_json::to_value(&verdict)?, &text)?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads a small text file.
fn read(path: &PathBuf) -> Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > 64 * 1024 {
        bail!("{} is too large", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
