//! A folder on another machine or medium: one file for each checkpoint, and the newest as `latest`.

use super::settings::FolderSection;
use crate::config::Config;
use sekisho_core::desk::Answer;
use sekisho_evidence::limits::MAX_CHECKPOINT_BYTES;
use sekisho_store::{Head, Kept, Place, write_file};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder.
pub struct Folder {
    name: String,
    path: PathBuf,
    mounted: bool,
    data_dir: PathBuf,
    /// The folder of this log in it: several boxes may share one.
    own: PathBuf,
    /// A share that hangs is waited for by one thread, and not by one more for each try.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Folder {
    /// A folder; nothing is looked at.
    pub fn new(section: &FolderSection, config: &Config) -> Self {
        let own = section.path.join(config.origin().replace('/', "-"));
        Self { name: section.name.clone(), path: section.path.clone(), mounted: section.mounted, data_dir: config.data.dir.clone(), own, turn: Arc::default() }
    }

    async fn at_it<T: Send + 'static>(&self, work: impl FnOnce(PathBuf) -> Result<T, String> + Send + 'static) -> Result<T, String> {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return Err("the folder hangs".into()) };
        let (path, data_dir, own, mounted) = (self.path.clone(), self.data_dir.clone(), self.own.clone(), self.mounted);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let there = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let here = std::fs::metadata(&data_dir).map_err(|error| format!("{}: {error}", data_dir.display()))?;
            // A share that is not mounted leaves an empty folder of our own disk, which is no place outside.
            if mounted && there.dev() == here.dev() {
                return Err(format!("{} lies on the disk of the data folder: it is not mounted", path.display()));
            }
            work(own)
        });
        done.await.map_err(|lost| lost.to_string())?
    }
}

impl Place for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(self.at_it(|own| {
            let path = own.join("latest");
            let file = match std::fs::File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            let mut text = String::new();
            let read = file.take(MAX_CHECKPOINT_BYTES as u64 + 1).read_to_string(&mut text);
            read.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(Some(text))
        }))
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        let (entries, note) = (head.entries, head.note.clone());
        Box::pin(self.at_it(move |own| {
            // In the order of the names, which are those of the sizes.
            for name in [format!("checkpoint-{entries:012}"), "latest".to_owned()] {
                write_file(&own.join(name), note.as_bytes(), 0o644).map_err(|fault| fault.to_string())?;
            }
            Ok(Kept::Kept)
        }))
    }
}
