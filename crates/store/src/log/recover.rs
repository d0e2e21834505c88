//! What happens to the log before anything else may: it is read through and held against its signed checkpoints.

use super::{DataFolder, Press, as_i64};
use crate::fault::Fault;
use crate::trusted_time::ClockStory;
use sekisho_core::facts::Entry;
use sekisho_core::retention::Board;
use sekisho_core::two_person::Book;
use sekisho_core::time::Timestamp;
use sekisho_evidence::checkpoint::{self, Checkpoint, PublicKey};
use sekisho_evidence::decisive::Term;
use sekisho_evidence::limits::{MAX_CHECKPOINT_BYTES, MAX_TILE_BYTES, TILE_WIDTH};
use sekisho_evidence::log::{CHECKPOINT_PATH, Publisher, Tile, TileKind, Tree, leaf_hash, read_bounded};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;
use std::path::Path;

/// Rows read at once.
const PAGE: i64 = 1000;

/// The log as it was found.
pub(crate) struct Recovered {
    /// Frontier over all rows.
    pub tree: Tree,
    /// Time of the last row.
    pub last_at: Timestamp,
    /// What the rows tell of the clock.
    pub clock: ClockStory,
    /// Number of rows that the published checkpoint covers.
    pub published: u64,
    /// The last row that tells of each sealed row of other tables, and the first that tells of each approval.
    pub told: HashMap<String, u64>,
    /// What the rows tell of holds, times of keeping and deletions.
    pub board: Board,
    /// What they tell of second keys and of requests to view.
    pub book: Book,
    /// The edge of the published files.
    pub press: Press,
}

/// Reads the log through and compares it with the checkpoints that were signed over it.
pub(crate) async fn recover(conn: &mut AnyConnection, data_dir: &Path, key: &PublicKey, keys: &[Term], origin: &str) -> Result<Recovered, Fault> {
    let files = DataFolder(data_dir.to_owned());
    let on_disk = read_checkpoint(&files, key)?;
    let in_rows = last_row(conn, key).await?;
    let signed: Vec<&Checkpoint> = [&on_disk, &in_rows].into_iter().flatten().collect();
    if signed.is_empty() {
        return Err(Fault::LogBroken("the log has no checkpoint, neither as a file nor in the database".into()));
    }
    if let Some(foreign) = signed.iter().find(|checkpoint| checkpoint.origin != origin) {
        return Err(Fault::LogBroken(format!("the checkpoint is that of another log, {:?}", foreign.origin)));
    }
    let mut tree = Tree::new();
    let mut last_at = Timestamp(0);
    let mut clock = ClockStory::default();
    let newest = signed.iter().map(|checkpoint| checkpoint.size).max().unwrap_or(0);
    let mut told = HashMap::new();
    let (mut board, mut book) = (Board::default(), Book::default());
    loop {
        let rows = page(conn, tree.size()).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let (entry, body) = read_row(row, tree.size())?;
            tree.append(leaf_hash(body));
            // Who corrected the log's time signed that it goes on from there.
            last_at = if crate::trusted_time::is_correction(&entry, keys) { entry.at } else { last_at.max(entry.at) };
            clock.take(&entry, last_at, tree.size() <= newest);
            super::note(&mut told, &entry);
            super::fold(&mut board, &mut book, &entry, body, keys);
            if signed.iter().any(|checkpoint| checkpoint.size == tree.size() && checkpoint.root != tree.root()) {
                return Err(first_altered(conn, &files, tree.size()).await?);
            }
        }
    }
    if tree.size() < newest {
        return Err(Fault::LogBroken(format!(
            "the database has {} entries of the log, and {newest} were signed: entry {} is the first that is missing; rows were removed or an older database was restored",
            tree.size(),
            tree.size()
        )));
    }
    let press = on_disk.as_ref().and_then(|published| match Publisher::restore(published.size, &files) {
        Ok(publisher) if publisher.root() == published.root => Some(Press::over(publisher)),
        // The rows hold against the signature, so the files can be made anew from them.
        Ok(_) | Err(_) => None,
    });
    if press.is_none() {
        tracing::warn!("the published files of the log are incomplete; they are written again from the database");
    }
    // Without a checkpoint on disk, or with files to make anew, everything is published again.
    let published = if press.is_some() { on_disk.map_or(0, |published| published.size) } else { 0 };
    Ok(Recovered { tree, told, board, book, last_at, clock, published, press: press.unwrap_or_default() })
}

pub(crate) fn read_checkpoint(files: &DataFolder, key: &PublicKey) -> Result<Option<Checkpoint>, Fault> {
    let broken = |reason: String| Fault::LogBroken(format!("{CHECKPOINT_PATH} does not hold: {reason}"));
    let bytes = read_bounded(files, CHECKPOINT_PATH, MAX_CHECKPOINT_BYTES).map_err(|fault| broken(fault.to_string()))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| broken("it is no text".into()))?;
    checkpoint::open(&text, key).map(Some).map_err(|breach| broken(breach.to_string()))
}

async fn last_row(conn: &mut AnyConnection, key: &PublicKey) -> Result<Option<Checkpoint>, Fault> {
    let row = sqlx::query("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let opened = checkpoint::open(row.try_get::<&str, _>("note")?, key);
    opened.map(Some).map_err(|breach| Fault::LogBroken(format!("the last checkpoint in the database does not hold: {breach}")))
}

async fn page(conn: &mut AnyConnection, from: u64) -> Result<Vec<AnyRow>, Fault> {
    let text = "SELECT seq, at, kind, session, plan, person, body FROM log WHERE seq >= $1 ORDER BY seq LIMIT $2";
    Ok(sqlx::query(text).bind(as_i64(from)).bind(PAGE).fetch_all(conn).await?)
}

/// Checks one row: its number follows the last, and its columns say what its body says. Lists are made from the
/// columns, so a changed column could hide an entry that is still in the tree.
pub(super) fn read_row(row: &AnyRow, seq: u64) -> Result<(Entry, &[u8]), Fault> {
    let found: i64 = row.try_get("seq")?;
    if found != as_i64(seq) {
        return Err(Fault::LogBroken(format!("entry {seq} of the log is missing in the database")));
    }
    let body: &[u8] = row.try_get("body")?;
    let altered = || Fault::LogBroken(format!("entry {seq} of the log was altered in the database"));
    let entry: Entry = serde_json::from_slice(body).map_err(|_| altered())?;
    let same = entry.seq == seq
        && entry.at.0 == row.try_get::<i64, _>("at")?
        && entry.fact.kind() == row.try_get::<&str, _>("kind")?
        && entry.fact.session().map(|id| id.as_str()) == row.try_get::<Option<&str>, _>("session")?
        && entry.fact.plan().map(|id| id.as_str()) == row.try_get::<Option<&str>, _>("plan")?
        && entry.actor.person.as_ref().map(|id| id.as_str()) == row.try_get::<Option<&str>, _>("person")?;
    if same { Ok((entry, body)) } else { Err(altered()) }
}

/// The words for a log that differs from its signed root. The published tiles show where it differs first, if they are
/// still those of that time.
async fn first_altered(conn: &mut AnyConnection, files: &DataFolder, size: u64) -> Result<Fault, Fault> {
    let mut seq = 0;
    while seq < size {
        let rows = page(conn, seq).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let leaf = leaf_hash(row.try_get::<&[u8], _>("body")?);
            if published_leaf(files, seq, size).is_some_and(|published| published != *leaf.as_bytes()) {
                return Ok(Fault::LogBroken(format!("entry {seq} of the log in the database is not the one that was published")));
            }
            seq += 1;
            if seq == size {
                break;
            }
        }
    }
    Ok(Fault::LogBroken(format!("the first {size} entries of the log in the database are not those that its checkpoint signs")))
}

fn published_leaf(files: &DataFolder, seq: u64, size: u64) -> Option<[u8; 32]> {
    let index = seq / TILE_WIDTH;
    let partial = (size - index * TILE_WIDTH).min(TILE_WIDTH);
    let offset = usize::try_from(seq % TILE_WIDTH).ok()? * 32;
    [partial, TILE_WIDTH].into_iter().find_map(|width| {
        let path = Tile { kind: TileKind::Level(0), index, width: u16::try_from(width).ok()? }.to_string();
        let bytes = read_bounded(files, &path, MAX_TILE_BYTES).ok()??;
        bytes.get(offset..offset + 32)?.try_into().ok()
    })
}
