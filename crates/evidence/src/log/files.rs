//! The files of a log or of a whole data folder, as something that can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// Reading a file failed for a reason other than its absence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be read: {reason}")]
pub struct ReadFault {
    /// Which path.
    pub path: String,
    /// What the system said.
    pub reason: String,
}

impl ReadFault {
    /// A fault at `path`.
    pub fn new(path: impl Into<String>, reason: impl ToString) -> Self {
        Self {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

/// A tree of files addressed by `/`-separated paths relative to the data folder, such as `log/checkpoint`.
///
/// Paths given to an implementation are built by this crate from numbers and checked session ids; they never contain
/// `..`, never begin with `/` and never hold text of others.
pub trait Files {
    /// The whole content of a file, or `None` if there is no such file.
    ///
    /// # Errors
    /// A fault for any reason other than absence.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault>;

    /// Names directly inside `dir`, in any order; the name of a folder ends in `/`. An absent folder is an empty list.
    ///
    /// # Errors
    /// A fault for any reason other than absence.
    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault>;

    /// Length of a file in bytes, if it is known without reading it.
    ///
    /// # Errors
    /// A fault for any reason other than absence.
    fn size(&self, path: &str) -> Result<Option<u64>, ReadFault> {
        let _ = path;
        Ok(None)
    }

    /// The same content as [`Files::read`] in pieces. Implementations over a real folder should override it, so that
    /// a long recording is never held in memory.
    ///
    /// # Errors
    /// A fault for any reason other than absence.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, ReadFault> {
        Ok(self
            .read(path)?
            .map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }
}

/// Reads at most `limit` bytes of a file; a longer file is a fault, so that a hostile folder cannot exhaust memory.
///
/// # Errors
/// A fault if reading fails or the file is longer than `limit`.
pub fn read_bounded(
    files: &dyn Files,
    path: &str,
    limit: usize,
) -> Result<Option<Vec<u8>>, ReadFault> {
    let Some(source) = files.open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    source
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ReadFault::new(path, error))?;
    if bytes.len() > limit {
        return Err(ReadFault::new(
            path,
            format_args!("it is longer than {limit} bytes"),
        ));
    }
    Ok(Some(bytes))
}

/// Files in memory, for tests and for logs that were unpacked from an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryFiles {
    /// Content by path.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one file.
    pub fn put(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault> {
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let mut names = BTreeSet::new();
        for path in self.files.range(prefix.clone()..).map(|(path, _)| path) {
            let Some(rest) = path.strip_prefix(&prefix) else {
                break;
            };
            match rest.split_once('/') {
                Some((folder, _)) => names.insert(format!("{folder}/")),
                None => names.insert(rest.to_owned()),
            };
        }
        Ok(names.into_iter().collect())
    }
}
