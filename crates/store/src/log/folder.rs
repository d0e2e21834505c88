//! The data folder as files: durable writing, and reading for recovery and verification.

use crate::fault::Fault;
use crate::faults::{Faults, Write};
use sekisho_evidence::log::{Files, ReadFault};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Writes a file so that a crash leaves either the old content or the new one: temporary file, sync, rename, sync of
/// the folder.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32, faults: Option<&Faults>) -> Result<(), Fault> {
    let words = |what: &str| format!("{what} {}", path.display());
    let parent = path.parent().ok_or_else(|| Fault::Folder(words("no folder for")))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    fs::create_dir_all(parent).map_err(Fault::io(words("creating the folder of")))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary).map_err(Fault::io(words("creating")))?;
    file.write_all(bytes).map_err(Fault::io(words("writing")))?;
    if let Some(faults) = faults {
        faults.gate(Write::Fsync)?;
    }
    file.sync_all().map_err(Fault::io(words("syncing")))?;
    fs::rename(&temporary, path).map_err(Fault::io(words("renaming")))?;
    sync_folder(parent)
}

/// Writes a file durably: after a crash there is either the old content or the new one. For what the roof keeps outside of the
/// store.
///
/// # Errors
/// A fault of the disk.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    write_durably(path, bytes, mode, None)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Fault> {
    let words = format!("syncing the folder {}", folder.display());
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Fault::io(words))
}

/// The data folder, for the readers of `evidence`.
pub struct DataFolder(pub PathBuf);

impl Files for DataFolder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(ReadFault::new(path, error)),
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault> {
        let entries = match fs::read_dir(self.0.join(dir)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(ReadFault::new(dir, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| ReadFault::new(dir, error))?;
            let is_folder = entry.file_type().map_err(|error| ReadFault::new(dir, error))?.is_dir();
            let name = entry.file_name().to_string_lossy().into_owned();
            names.push(if is_folder { format!("{name}/") } else { name });
        }
        Ok(names)
    }

    fn size(&self, path: &str) -> Result<Option<u64>, ReadFault> {
        match fs::metadata(self.0.join(path)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(ReadFault::new(path, error)),
        }
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, ReadFault> {
        match File::open(self.0.join(path)) {
            Ok(file) => Ok(Some(Box::new(std::io::BufReader::new(file)))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(ReadFault::new(path, error)),
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
