//! The rows of 対象: one target, what is used on it, and what may be done there.
//!
//! What a page hides because its switch is off counts as off, also if something was typed there before.

use super::{Errors, line, row};
use sekisho_core::ids::{AccountId, TargetId};
use sekisho_core::limits;
use sekisho_core::plan::content::TargetUse;
use sekisho_core::target::{FileRight, ForwardTo, Function, TransferLimits};
use serde::Serialize;

/// One row of 対象.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TargetRow {
    /// What tells this row's fields from those of the others.
    pub key: String,
    /// Target and account as `tgt-…/acc-…`.
    pub account: String,
    /// Names of the functions that are ticked.
    pub functions: Vec<String>,
    /// Names of the file rights that are ticked.
    pub rights: Vec<String>,
    /// Limits of what goes to the target.
    pub upload: LimitRow,
    /// Limits of what comes from it.
    pub download: LimitRow,
    /// Where forwards may lead.
    pub forwards: Vec<ForwardRow>,
    /// A key window may be opened.
    pub key_window: bool,
}

/// The limits of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitRow {
    /// A number, possibly with a point; empty for no limit.
    pub amount: String,
    /// `MB` or `GB`.
    pub unit: String,
    /// Number of files; empty for no limit.
    pub files: String,
}

/// One place that forwards may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ForwardRow {
    /// What tells this row's fields from those of the others.
    pub key: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: String,
    /// Every byte is recorded.
    pub full: bool,
}

/// Why a row means nothing: the part of the row, key of the sentence.
type Mistake = (&'static str, &'static str);

impl TargetRow {
    /// A row as it stands in a new form.
    pub(super) fn blank() -> Self {
        Self { key: "0".into(), functions: vec![Function::Shell.as_str().into()], forwards: vec![ForwardRow::blank()], ..Self::default() }
    }

    /// The row of what a plan says.
    pub(super) fn of(index: usize, used: &TargetUse) -> Self {
        let forward = |(place, to): (usize, &ForwardTo)| ForwardRow { key: place.to_string(), host: to.host.clone(), port: to.port.to_string(), full: to.full };
        let mut forwards: Vec<ForwardRow> = used.forwards.iter().enumerate().map(forward).collect();
        if forwards.is_empty() {
            forwards.push(ForwardRow::blank());
        }
        Self {
            key: index.to_string(),
            account: format!("{}/{}", used.target, used.account),
            functions: used.functions.iter().map(|function| function.as_str().to_owned()).collect(),
            rights: used.files.iter().map(|right| right.as_str().to_owned()).collect(),
            upload: LimitRow::of(used.limits.upload_bytes, used.limits.upload_files),
            download: LimitRow::of(used.limits.download_bytes, used.limits.download_files),
            forwards,
            key_window: used.key_window,
        }
    }

    /// Reads one field of the group `group`; `below` is the key of a row within the row.
    pub(super) fn read(&mut self, group: &str, below: &str, value: &str) {
        match group {
            "account" => self.account = line(value),
            "function" if self.functions.len() < Function::ALL.len() => self.functions.push(line(value)),
            "right" if self.rights.len() < FileRight::ALL.len() => self.rights.push(line(value)),
            "upload_amount" => self.upload.amount = line(value),
            "upload_unit" => self.upload.unit = line(value),
            "upload_files" => self.upload.files = line(value),
            "download_amount" => self.download.amount = line(value),
            "download_unit" => self.download.unit = line(value),
            "download_files" => self.download.files = line(value),
            "key_window" => self.key_window = value == "1",
            "forward_host" | "forward_port" | "forward_full" => {
                let Some(to) = row::<ForwardRow>(&mut self.forwards, below, |row| &row.key, |row, key| row.key = key) else { return };
                match group {
                    "forward_host" => to.host = line(value),
                    "forward_port" => to.port = line(value),
                    _ => to.full = value == "1",
                }
            }
            _ => {}
        }
    }

    /// What the row means.
    pub(super) fn meaning(&self) -> Result<TargetUse, Mistake> {
        const CHOOSE: Mistake = ("account", "plans.error.choose");
        let (target, account) = self.account.split_once('/').ok_or(CHOOSE)?;
        let functions: Option<std::collections::BTreeSet<_>> = self.functions.iter().map(|name| Function::parse(name)).collect();
        let mut used = TargetUse {
            target: TargetId::parse(target).ok_or(CHOOSE)?,
            account: AccountId::parse(account).ok_or(CHOOSE)?,
            functions: functions.ok_or(CHOOSE)?,
            files: Default::default(),
            limits: TransferLimits::default(),
            forwards: Vec::new(),
            key_window: self.key_window,
        };
        if used.moves_files() {
            let rights: Option<_> = self.rights.iter().map(|name| FileRight::parse(name)).collect();
            used.files = rights.ok_or(CHOOSE)?;
        }
        if used.files.contains(&FileRight::Upload) {
            (used.limits.upload_bytes, used.limits.upload_files) = self.upload.meaning()?;
        }
        if used.files.contains(&FileRight::Download) {
            (used.limits.download_bytes, used.limits.download_files) = self.download.meaning()?;
        }
        if used.functions.contains(&Function::Forward) {
            let filled = self.forwards.iter().filter(|to| !to.host.is_empty() || !to.port.is_empty());
            used.forwards = filled.map(ForwardRow::meaning).collect::<Result<_, _>>()?;
        }
        Ok(used)
    }
}

impl ForwardRow {
    fn blank() -> Self {
        Self { key: "0".into(), ..Self::default() }
    }

    fn meaning(&self) -> Result<ForwardTo, Mistake> {
        let port = self.port.parse().ok().filter(|port| *port > 0).ok_or(("forwards", "plans.error.port"))?;
        sekisho_core::target::check_host(&self.host).map_err(|_| ("forwards", "plans.error.host"))?;
        Ok(ForwardTo { host: self.host.clone(), port, full: self.full })
    }
}

impl LimitRow {
    fn of(bytes: Option<u64>, files: Option<u64>) -> Self {
        let (amount, unit) = match bytes {
            None => (String::new(), "MB"),
            Some(bytes) if bytes.is_multiple_of(GB) => ((bytes / GB).to_string(), "GB"),
            Some(bytes) => (written_in_mb(bytes), "MB"),
        };
        Self { amount, unit: unit.into(), files: files.map(|files| files.to_string()).unwrap_or_default() }
    }

    fn meaning(&self) -> Result<(Option<u64>, Option<u64>), Mistake> {
        let unit = if self.unit == "GB" { GB } else { MB };
        let bytes = match self.amount.as_str() {
            "" => None,
            amount => Some(bytes_of(amount, unit).filter(|bytes| within(*bytes, limits::PLAN_TRANSFER_BYTES)).ok_or(("limits", "plans.error.amount"))?),
        };
        let files = match self.files.as_str() {
            "" => None,
            files => Some(files.replace(',', "").parse().ok().filter(|files| within(*files, limits::PLAN_TRANSFER_FILES)).ok_or(("limits", "plans.error.file_count"))?),
        };
        Ok((bytes, files))
    }
}

const MB: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

fn within(value: u64, most: usize) -> bool {
    value > 0 && usize::try_from(value).is_ok_and(|value| value <= most)
}

/// `1.5` as 1500000 for MB. `None` for what is no such number, or one finer than a byte.
fn bytes_of(amount: &str, unit: u64) -> Option<u64> {
    let amount = amount.replace(',', "");
    let (whole, part) = amount.split_once('.').unwrap_or((&amount, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let fraction = part.parse::<u64>().ok()?.checked_mul(unit)?;
    let fraction = fraction.is_multiple_of(scale).then_some(fraction / scale)?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(fraction)
}

fn written_in_mb(bytes: u64) -> String {
    let text = format!("{}.{:06}", bytes / MB, bytes % MB);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Enters what a row's mistake is about: at the group, for the list above the form, and at the row's own part.
pub(super) fn note(errors: &mut Errors, key: &str, (part, why): Mistake) {
    errors.entry("targets".to_owned()).or_insert(why);
    errors.entry(format!("{part}.{key}")).or_insert(why);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_to_the_byte_and_written_as_it_was() {
        for (amount, unit, bytes) in [("1", MB, 1_000_000), ("1.5", GB, 1_500_000_000), ("0.000001", MB, 1), ("1,000", MB, GB), ("12.345678", MB, 12_345_678)] {
            assert_eq!(bytes_of(amount, unit), Some(bytes), "{amount}");
        }
        for bad in ["", ".", "1.", ".5", "-1", "1e3", "0.0000001", "十", "99999999999999", "1 MB"] {
            assert_eq!(bytes_of(bad, MB), None, "{bad}");
        }
        for bytes in [1, 999_999, MB, 12_345_678, GB, 1_500_000_000] {
            let row = LimitRow::of(Some(bytes), None);
            assert_eq!(row.meaning(), Ok((Some(bytes), None)), "{row:?}");
        }
        assert!(LimitRow { amount: "0".into(), ..LimitRow::default() }.meaning().is_err());
        assert!(LimitRow { amount: "2000".into(), unit: "GB".into(), ..LimitRow::default() }.meaning().is_err());
    }
}
