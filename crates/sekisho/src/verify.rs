//! `sekisho verify`: log and recordings of a copy, checked by someone who trusts nobody.

use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::print;
use anyhow::{Context, Result, bail};
use sekisho_bundle::{Unpack, ZipFiles};
use sekisho_evidence::bundle::{refused, verify_bundle};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::cosignature::WitnessPublic;
use sekisho_evidence::verify::{Recordings, Timestamps, Trust, verify_with};
use sekisho_evidence::log::{Files, ReadFault};
use sekisho_evidence::recording::RECORDINGS_DIR;
use sekisho_store::DataFolder;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Verifies a folder and prints the verdict. Exit code 0 only if the evidence holds.
///
/// # Errors
/// Folder, key or outside checkpoint cannot be read.
pub fn run(args: &VerifyArgs, config: Option<&Config>, json: bool) -> Result<ExitCode> {
    if let Some(path) = &args.bundle {
        return bundle(path, args, json);
    }
    let folder: PathBuf = match (&args.folder, config) {
        (Some(folder), _) => folder.clone(),
        (None, Some(config)) => config.data.dir.clone(),
        (None, None) => bail!("name the folder to verify"),
    };
    if !folder.join("log").is_dir() {
        bail!("{} holds no log: it is not a copy of a data folder", folder.display());
    }
    let trusted = !args.key.is_empty();
    let texts = if trusted { args.key.iter().map(text_or_file).collect::<Result<Vec<_>>>()? } else { vec![read(&folder.join("log/public-key"))?] };
    let keys = texts.iter().map(|key| PublicKey::parse(key.trim())).collect::<Result<Vec<_>, _>>().map_err(|breach| anyhow::anyhow!("the public key is not usable: {breach}"))?;
    let stamps = crate::timestamps::Believed::read(&args.tsa_ca)?;
    let outside = args.checkpoint.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut witnesses = Vec::new();
    for text in &args.witness {
        witnesses.push(text_or_file(text)?.trim().parse::<WitnessPublic>().map_err(|breach| anyhow::anyhow!("the key of the witness is not usable: {breach}"))?);
    }
    let none = BTreeSet::new();
    let recordings = if args.log_only { Recordings::Skip } else { Recordings::Check { running: &none } };
    let mut archives = args.archive.clone();
    // On the box itself the archive is known, if it is a folder.
    archives.extend(config.map(|config| config.archive.folder.clone()).filter(|folder| !folder.as_os_str().is_empty()));
    if let Some(missing) = archives.iter().find(|folder| !folder.is_dir()) {
        bail!("the archive {} is no folder", missing.display());
    }
    let files = WithArchives::new(folder, &archives);
    let verdict = verify_with(&files, &Trust { keys: &keys, outside: &outside, witnesses: &witnesses, timestamps: stamps.as_ref().map(|stamps| stamps as &dyn Timestamps) }, recordings);
    let mut text = verdict.to_string();
    text.push_str(&files.looked());
    if !trusted {
        text.push_str("\nNOTE: the key came from the same folder. Give --key from another source for a proof. / 公開鍵は同じフォルダのものです。証明には別の経路で得た鍵を --key で指定してください。\n");
    }
    if outside.is_empty() && witnesses.is_empty() {
        text.push_str("NOTE: without --checkpoint a log that was cut at its end cannot be told from a shorter one. / 外部で控えたチェックポイントを --checkpoint で指定すると、末尾の切取りも検出できます。\n");
    }
    if verdict.stamps_unchecked > 0 {
        text.push_str(&unchecked("beside the log", verdict.stamps_unchecked));
    }
    print(json, &serde_json::to_value(&verdict)?, &text)?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Verifies an evidence bundle. Whatever is in the file ends in a verdict; only what the person brought beside it can be a mistake
/// of theirs.
fn bundle(path: &Path, args: &VerifyArgs, json: bool) -> Result<ExitCode> {
    if !path.is_file() {
        bail!("{} is no file", path.display());
    }
    let keys = keys(&args.key)?;
    let outside = args.checkpoint.iter().map(read).collect::<Result<Vec<_>>>()?;
    let witnesses = witnesses(&args.witness)?;
    let stamps = crate::timestamps::Believed::read(&args.tsa_ca)?;
    let verdict = match ZipFiles::open(path) {
        Ok(files) => verify_bundle(&files, &Trust { keys: &keys, outside: &outside, witnesses: &witnesses, timestamps: stamps.as_ref().map(|stamps| stamps as &dyn Timestamps) }),
        Err(Unpack { code, place, what, ja }) => refused(code, &place, what, ja),
    };
    let mut text = verdict.to_string();
    if verdict.ok && outside.is_empty() && witnesses.is_empty() {
        text.push_str("NOTE: without --checkpoint or --witness a log that its owner made anew cannot be told from the first one. / 外部で控えたチェックポイントを --checkpoint で指定すると、記録全体の作り直しも検出できます。\n");
    }
    if verdict.stamps_unchecked > 0 {
        text.push_str(&unchecked("in the bundle", verdict.stamps_unchecked));
    }
    print(json, &serde_json::to_value(&verdict)?, &text)?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unchecked(place: &str, count: u64) -> String {
    format!("NOTE: {count} time stamps lie {place} and were not checked; --tsa-ca names the authority that is believed. / タイムスタンプが{count}件あります。--tsa-ca で時刻認証局の証明書を指定すると検証します。\n")
}

fn keys(texts: &[String]) -> Result<Vec<PublicKey>> {
    let texts = texts.iter().map(text_or_file).collect::<Result<Vec<_>>>()?;
    texts.iter().map(|key| PublicKey::parse(key.trim())).collect::<Result<Vec<_>, _>>().map_err(|breach| anyhow::anyhow!("the public key is not usable: {breach}"))
}

fn witnesses(texts: &[String]) -> Result<Vec<WitnessPublic>> {
    let read = |text: &String| text_or_file(text)?.trim().parse::<WitnessPublic>().map_err(|breach| anyhow::anyhow!("the key of the witness is not usable: {breach}"));
    texts.iter().map(read).collect()
}

/// What was given itself, or what the file of that name holds.
fn text_or_file(text: &String) -> Result<String> {
    if std::path::Path::new(text).is_file() { read(&PathBuf::from(text)) } else { Ok(text.clone()) }
}

/// Reads a small text file.
pub(crate) fn read(path: &PathBuf) -> Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > 64 * 1024 {
        bail!("{} is too large", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A data folder, and copies of archives in which recordings are looked for that are not in it.
struct WithArchives {
    own: DataFolder,
    /// Each with the number of recordings that were found there.
    archives: Vec<(PathBuf, DataFolder, Cell<u64>)>,
}

impl WithArchives {
    fn new(own: PathBuf, archives: &[PathBuf]) -> Self {
        let archives = archives.iter().map(|folder| (folder.clone(), DataFolder(folder.clone()), Cell::new(0))).collect();
        Self { own: DataFolder(own), archives }
    }

    /// Where else it was looked, one line each.
    fn looked(&self) -> String {
        let line = |(folder, _, found): &(PathBuf, DataFolder, Cell<u64>)| {
            format!("ARCHIVE {}: {} recordings found there / 保管先で見つかった録画 {1} 件\n", folder.display(), found.get())
        };
        self.archives.iter().map(line).collect()
    }
}

impl Files for WithArchives {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        self.own.read(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault> {
        self.own.list(dir)
    }

    fn size(&self, path: &str) -> Result<Option<u64>, ReadFault> {
        self.own.size(path)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, ReadFault> {
        let own = self.own.open(path)?;
        if own.is_some() || !path.starts_with(RECORDINGS_DIR) {
            return Ok(own);
        }
        for (_, files, found) in &self.archives {
            if let Some(copy) = files.open(path)? {
                found.set(found.get() + 1);
                return Ok(Some(copy));
            }
        }
        Ok(None)
    }
}
