//! The log of a copy: checkpoint, entries, tiles.

use std::collections::BTreeMap;

use super::entries::Entries;
use super::findings::{Findings, printable};
use super::{SeenBy, Stamped, Trust, outside, rotations, stamps};
use crate::checkpoint::{self, Checkpoint, PublicKey};
use crate::decisive;
use crate::digest::Digest;
use crate::limits::{
    MAX_BUNDLE_BYTES, MAX_CHECKPOINT_BYTES, MAX_FOLDER_NAMES, MAX_TILE_BYTES, TILE_WIDTH,
};
use crate::log::{
    CHECKPOINT_PATH, Files, Tile, TileKind, Tree, leaf_hash, read_bounded, split_bundle, width_at,
};

/// What the log says, once it could be read.
pub(super) struct Report {
    pub(super) checkpoint: Checkpoint,
    pub(super) entries: Entries,
    /// Every entry was read.
    pub(super) complete: bool,
    /// Witnesses that signed a head of this log.
    pub(super) seen: Vec<SeenBy>,
    /// When its parts existed at the latest.
    pub(super) stamps: Vec<Stamped>,
    /// Time stamps that were not checked.
    pub(super) stamps_unchecked: u64,
}

/// What the walk met at the size of a head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Met {
    /// The root over the entries so far.
    pub(super) root: Option<Digest>,
    /// Time of the last entry before it, in milliseconds since 1970.
    pub(crate) last_at: Option<i64>,
    /// Time of the first entry after it.
    pub(crate) next_at: Option<i64>,
}

/// By the sizes of the heads that were signed.
pub(crate) type Reached = BTreeMap<u64, Met>;

pub(super) fn check(
    files: &dyn Files,
    trust: &Trust<'_>,
    findings: &mut Findings,
) -> Option<Report> {
    let rotations = rotations::read(files, findings);
    let keys = rotations::keys(&rotations, trust.keys, findings)?;
    let mut heads = outside::heads(trust, &keys, files, findings);
    let checkpoint = open_inside(files, keys.last()?, findings)?;
    heads.extend(rotations.iter().map(rotations::head));
    let numbers = stamps::numbers(files, findings);
    if let Some(checks) = trust.timestamps {
        heads.extend(stamps::heads(&numbers, checks, &keys, files, findings));
    }
    let inventory = inventory(files, checkpoint.size, findings);
    let mut walk = Walk {
        files,
        size: checkpoint.size,
        partials: inventory.partials,
        wider: inventory.wider,
        tree: Tree::new(),
        levels: Vec::new(),
        tainted: false,
        heads: heads.iter().map(|head| (head.checkpoint.size, Met::default())).collect(),
        entries: Entries::of(decisive::terms(&keys, &rotations)),
        findings,
    };
    let complete = walk.run();
    let (root, tainted, reached, entries) =
        (walk.tree.root(), walk.tainted, walk.heads, walk.entries);
    // After an entry that was named already, a different root is no news.
    if complete && !tainted && root != checkpoint.root {
        findings.error(
            "root",
            CHECKPOINT_PATH,
            "The entries do not give the root that the checkpoint signs: the log was rewritten after it was signed.",
            "項目から計算した値が署名済みチェックポイントと一致しません。署名後に書き換えられています。",
        );
    }
    if complete {
        rotations::compare(&rotations, &entries, keys.first()?, findings);
    }
    for head in &heads {
        let met = reached.get(&head.checkpoint.size).copied().unwrap_or_default();
        outside::compare(head, &checkpoint, &rotations, met.root, complete && !tainted, findings);
        outside::behind(head, met.next_at, entries.last_at, findings);
    }
    let stamps = stamps::parts(&heads, &reached, entries.last_at, findings);
    Some(Report {
        checkpoint,
        entries,
        complete,
        stamps,
        stamps_unchecked: if trust.timestamps.is_none() { numbers.len() as u64 } else { 0 },
        seen: heads.into_iter().filter_map(|head| head.seen).collect(),
    })
}

fn open_inside(files: &dyn Files, key: &PublicKey, findings: &mut Findings) -> Option<Checkpoint> {
    let bytes = match read_bounded(files, CHECKPOINT_PATH, MAX_CHECKPOINT_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            findings.error(
                "checkpoint-missing",
                CHECKPOINT_PATH,
                "The log has no checkpoint.",
                "署名済みチェックポイントがありません。",
            );
            return None;
        }
        Err(fault) => {
            findings.error(
                "unreadable",
                CHECKPOINT_PATH,
                printable(&fault.to_string()),
                "ファイルを読み取れません。",
            );
            return None;
        }
    };
    let opened = std::str::from_utf8(&bytes)
        .map_err(|_| checkpoint::CheckpointBreach::Form)
        .and_then(|text| checkpoint::open(text, key));
    opened
        .inspect_err(|breach| {
            findings.error(
                "checkpoint",
                CHECKPOINT_PATH,
                format_args!("The checkpoint was not accepted: {breach}."),
                "チェックポイントの形式または署名が正しくありません。",
            );
        })
        .ok()
}

#[derive(Default)]
struct Inventory {
    /// Widths of the narrower forms that were left beside a tile.
    partials: BTreeMap<(TileKind, u64), Vec<u16>>,
    /// The width of a partial form that holds more than the checkpoint covers.
    wider: BTreeMap<(TileKind, u64), u16>,
}

/// Lists every file below `log/tile`: what is no tile, what is newer than the checkpoint, and the partial forms that
/// must agree with the wider ones.
fn inventory(files: &dyn Files, size: u64, findings: &mut Findings) -> Inventory {
    let mut inventory = Inventory::default();
    let mut newer = 0_u64;
    let mut names = 0_usize;
    let mut folders = vec!["log/tile".to_owned()];
    while let Some(folder) = folders.pop() {
        let mut list = match files.list(&folder) {
            Ok(list) => list,
            Err(fault) => {
                findings.error(
                    "unreadable",
                    &folder,
                    printable(&fault.to_string()),
                    "フォルダーを読み取れません。",
                );
                continue;
            }
        };
        names = names.saturating_add(list.len());
        if names > MAX_FOLDER_NAMES {
            findings.error(
                "too-many-files",
                &folder,
                "The log has too many files.",
                "ログのファイル数が上限を超えています。",
            );
            return inventory;
        }
        list.sort_unstable_by(|a, b| b.cmp(a));
        for name in list {
            if let Some(inner) = name.strip_suffix('/') {
                let inner = format!("{folder}/{inner}");
                // The deepest honest path has four number folders and one of partial forms.
                if is_plain(&inner) && inner.split('/').count() < 10 {
                    folders.push(inner);
                } else {
                    unknown_file(&inner, findings);
                }
                continue;
            }
            let path = format!("{folder}/{name}");
            match Tile::parse(&path) {
                None => unknown_file(&path, findings),
                Some(tile) => {
                    let width = width_at(tile.kind, tile.index, size);
                    if tile.width > width {
                        newer += 1;
                        inventory.wider.insert((tile.kind, tile.index), tile.width);
                    } else if tile.width < width {
                        inventory
                            .partials
                            .entry((tile.kind, tile.index))
                            .or_default()
                            .push(tile.width);
                    }
                }
            }
        }
    }
    if newer > 0 {
        findings.warning(
            "newer-than-checkpoint",
            "log/tile",
            format_args!("{newer} files hold entries that the checkpoint does not cover; they prove nothing yet."),
            format_args!("チェックポイントの対象外の新しい項目を含むファイルが{newer}件あります。まだ証拠になりません。"),
        );
    }
    for widths in inventory.partials.values_mut() {
        widths.sort_unstable();
    }
    inventory
}

fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'.')
        && !path.contains("..")
}

fn unknown_file(path: &str, findings: &mut Findings) {
    findings.warning(
        "unknown-file",
        printable(path),
        "The file does not belong to the log.",
        "ログに属さないファイルです。",
    );
}

struct Walk<'a> {
    files: &'a dyn Files,
    size: u64,
    partials: BTreeMap<(TileKind, u64), Vec<u16>>,
    wider: BTreeMap<(TileKind, u64), u16>,
    tree: Tree,
    /// Hashes of the tile being filled at each level, and whether one below them was found bad.
    levels: Vec<Vec<(Digest, bool)>>,
    tainted: bool,
    /// Sizes of the heads that were signed, and what was met there once it is reached.
    heads: Reached,
    entries: Entries,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    /// Gives whether every entry was read.
    fn run(&mut self) -> bool {
        self.note_root();
        for index in 0..self.size.div_ceil(TILE_WIDTH) {
            if !self.bundle(index) {
                return false;
            }
        }
        for level in 0..self.levels.len() {
            let index = (self.size >> (8 * level)) / TILE_WIDTH;
            self.tile(level as u8, index);
        }
        true
    }

    fn note_root(&mut self) {
        let size = self.tree.size();
        if let Some(met) = self.heads.get_mut(&size) {
            met.root = Some(self.tree.root());
            met.last_at = self.entries.last_at;
        }
    }

    /// Reads a file at the width it has in this log, or a wider form in its place: the narrower one may be gone when a
    /// log that still grows was copied. Gives the bytes and the width of the form that was found.
    fn fetch(&mut self, kind: TileKind, index: u64, limit: usize) -> Option<(Vec<u8>, u16)> {
        let width = width_at(kind, index, self.size);
        let wider = self.wider.get(&(kind, index)).copied();
        for width in [Some(width), Some(TILE_WIDTH as u16), wider]
            .into_iter()
            .flatten()
        {
            let path = Tile { kind, index, width }.to_string();
            match read_bounded(self.files, &path, limit) {
                Ok(Some(bytes)) => return Some((bytes, width)),
                Ok(None) => {}
                Err(fault) => {
                    self.findings.error(
                        "unreadable",
                        path,
                        printable(&fault.to_string()),
                        "ファイルを読み取れません。",
                    );
                    return None;
                }
            }
        }
        let path = Tile { kind, index, width };
        self.findings.error(
            "file-missing",
            path,
            "The file is missing.",
            "ファイルがありません。",
        );
        None
    }

    /// Hashes of a tile, if its file has the right length.
    fn hashes(&mut self, level: u8, index: u64) -> Option<Vec<u8>> {
        let kind = TileKind::Level(level);
        let (mut bytes, found) = self.fetch(kind, index, MAX_TILE_BYTES)?;
        if bytes.len() != usize::from(found) * 32 {
            let path = Tile {
                kind,
                index,
                width: found,
            };
            self.findings.error(
                "tile-altered",
                path,
                "The tile has the wrong length.",
                "タイルの長さが正しくありません。",
            );
            return None;
        }
        bytes.truncate(usize::from(width_at(kind, index, self.size)) * 32);
        Some(bytes)
    }

    fn bundle(&mut self, index: u64) -> bool {
        let width = width_at(TileKind::Entries, index, self.size);
        let leaves = self.hashes(0, index);
        let bundle = self.fetch(TileKind::Entries, index, MAX_BUNDLE_BYTES);
        let (bytes, found) = bundle.as_ref().map_or((&[][..], width), |(bytes, found)| {
            (bytes.as_slice(), *found)
        });
        let mut bodies = split_bundle(bytes);
        let mut broken = bundle.is_none();
        let mut end = 0;
        let mut ends = Vec::with_capacity(usize::from(width));
        for offset in 0..usize::from(width) {
            let seq = self.tree.size();
            let body = if broken {
                None
            } else {
                bodies.next().flatten()
            };
            if body.is_none() && !broken {
                broken = true;
                self.entry_altered(
                    seq,
                    "The bundle of entries ends or breaks here.",
                    "項目の束がここで途切れています。",
                );
            }
            let hash = leaves
                .as_deref()
                .and_then(|leaves| Digest::from_slice(leaves.get(offset * 32..offset * 32 + 32)?));
            let computed = body.map(leaf_hash);
            let mut bad = body.is_none();
            if let (Some(hash), Some(computed)) = (hash, computed)
                && hash != computed
            {
                bad = true;
                self.entry_altered(
                    seq,
                    "The entry does not have the hash that the tree holds for it.",
                    "項目の内容がハッシュ木の値と一致しません。",
                );
            }
            let Some(leaf) = computed.or(hash) else {
                self.findings.error(
                    "log-unreadable",
                    format_args!("log entry {seq}"),
                    "Neither the entry nor its hash can be read; the log was not checked further.",
                    "項目もそのハッシュも読み取れないため、以降のログは検証していません。",
                );
                return false;
            };
            if let Some(body) = body {
                end += 2 + body.len();
                ends.push(end);
                self.entries.read(seq, body, self.findings);
                if let Some(met) = self.heads.get_mut(&seq) {
                    met.next_at = self.entries.last_at;
                }
            }
            self.append(leaf, bad);
        }
        if !broken && found == width && end != bytes.len() {
            let path = Tile {
                kind: TileKind::Entries,
                index,
                width,
            };
            self.findings.error(
                "bundle-altered",
                path,
                "Bytes follow the last entry.",
                "最後の項目の後に余分なデータがあります。",
            );
        }
        if !broken {
            for width in self
                .partials
                .remove(&(TileKind::Entries, index))
                .unwrap_or_default()
            {
                let prefix = ends
                    .get(usize::from(width) - 1)
                    .and_then(|end| bytes.get(..*end));
                self.partial(
                    Tile {
                        kind: TileKind::Entries,
                        index,
                        width,
                    },
                    prefix,
                    MAX_BUNDLE_BYTES,
                );
            }
        }
        true
    }

    fn entry_altered(&mut self, seq: u64, what: &str, ja: &str) {
        self.findings
            .error("entry-altered", format_args!("log entry {seq}"), what, ja);
    }

    fn append(&mut self, leaf: Digest, bad: bool) {
        self.tainted |= bad;
        self.tree.append(leaf);
        self.note_root();
        let (mut hash, mut bad, mut level) = (leaf, bad, 0_usize);
        loop {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            let Some(edge) = self.levels.get_mut(level) else {
                return;
            };
            edge.push((hash, bad));
            if edge.len() as u64 != TILE_WIDTH {
                return;
            }
            hash = Tree::from_leaves(edge.iter().map(|(hash, _)| *hash)).root();
            bad = edge.iter().any(|(_, bad)| *bad);
            let index = (self.tree.size() >> (8 * (level + 1))) - 1;
            self.tile(level as u8, index);
            level += 1;
        }
    }

    /// Compares the tile that was filled with its file and its partial forms, and empties it.
    fn tile(&mut self, level: u8, index: u64) {
        let computed = self
            .levels
            .get_mut(usize::from(level))
            .map(std::mem::take)
            .unwrap_or_default();
        if computed.is_empty() {
            return;
        }
        let kind = TileKind::Level(level);
        // Level 0 was compared entry by entry.
        if level > 0
            && let Some(bytes) = self.hashes(level, index)
        {
            let differs = bytes
                .chunks_exact(32)
                .zip(&computed)
                .position(|(stored, (hash, bad))| !bad && stored != hash.as_bytes().as_slice());
            if let Some(place) = differs {
                let path = Tile {
                    kind,
                    index,
                    width: computed.len() as u16,
                };
                self.findings.error(
                    "tile-altered",
                    path,
                    format_args!("Hash {place} of the tile is not that of the entries below it."),
                    format_args!("タイルの{place}番目のハッシュが下位の項目と一致しません。"),
                );
            }
        }
        if computed.iter().all(|(_, bad)| !bad) {
            let bytes: Vec<u8> = computed
                .iter()
                .flat_map(|(hash, _)| *hash.as_bytes())
                .collect();
            for width in self.partials.remove(&(kind, index)).unwrap_or_default() {
                self.partial(
                    Tile { kind, index, width },
                    bytes.get(..usize::from(width) * 32),
                    MAX_TILE_BYTES,
                );
            }
        }
    }

    /// A narrower form that was left in place must be the beginning of the wider one.
    fn partial(&mut self, tile: Tile, expected: Option<&[u8]>, limit: usize) {
        match read_bounded(self.files, &tile.to_string(), limit) {
            Ok(bytes) if bytes.as_deref() == expected => {}
            Ok(_) => self.findings.error(
                "tile-altered",
                tile,
                "The partial file is not the beginning of the wider one.",
                "部分ファイルが完全なファイルの先頭と一致しません。",
            ),
            Err(fault) => {
                self.findings.error(
                    "unreadable",
                    tile,
                    printable(&fault.to_string()),
                    "ファイルを読み取れません。",
                );
            }
        }
    }
}
