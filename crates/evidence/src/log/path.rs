//! Paths of tiles and entry bundles (C2SP tlog-tiles), below the folder `log/`.

use std::fmt;

use crate::limits::{MAX_LOG_ENTRIES, TILE_WIDTH};

/// Path of the signed checkpoint.
pub const CHECKPOINT_PATH: &str = "log/checkpoint";

/// Hashes of one level of the tree, or the entries themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Bodies of entries.
    Entries,
    /// Hashes at this tile level: level 0 holds leaves, level `n` the roots of full tiles of level `n - 1`.
    Level(u8),
}

/// The place of one tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its number within its level, from 0.
    pub index: u64,
    /// How many hashes or entries it holds, 1 to 256.
    pub width: u16,
}

/// Highest tile level that a log of [`MAX_LOG_ENTRIES`] can have.
const MAX_LEVEL: u8 = 7;

impl Tile {
    /// Parses a path below `log/tile/` and accepts only the one canonical spelling.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("log/tile/")?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            number => TileKind::Level(number.parse().ok().filter(|level| *level <= MAX_LEVEL)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (
                number,
                width
                    .parse()
                    .ok()
                    .filter(|w| (1..TILE_WIDTH as u16).contains(w))?,
            ),
            None => (rest, TILE_WIDTH as u16),
        };
        let mut index: u64 = 0;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let value: u64 = digits.parse().ok().filter(|value| *value < 1000)?;
            index = index
                .checked_mul(1000)?
                .checked_add(value)
                .filter(|index| *index <= MAX_LOG_ENTRIES)?;
        }
        let tile = Self { kind, index, width };
        // Comparing with the spelling that would be written refuses signs, leading zeros and doubled slashes at once.
        (tile.to_string() == path).then_some(tile)
    }

    /// Folder of the narrower forms of this tile, which may be removed once the full one is durable.
    pub fn partial_folder(&self) -> String {
        format!(
            "{}.p",
            Self {
                width: TILE_WIDTH as u16,
                ..*self
            }
        )
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log/tile/")?;
        match self.kind {
            TileKind::Entries => f.write_str("entries/")?,
            TileKind::Level(level) => write!(f, "{level}/")?,
        }
        let mut parts = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            parts.push(rest % 1000);
            rest /= 1000;
        }
        for part in parts.iter().skip(1).rev() {
            write!(f, "x{part:03}/")?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if u64::from(self.width) < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |kind, index, width| Tile { kind, index, width };
        let cases = [
            (tile(TileKind::Level(0), 0, 256), "log/tile/0/000"),
            (
                tile(TileKind::Level(1), 1_234_067, 256),
                "log/tile/1/x001/x234/067",
            ),
            (tile(TileKind::Level(0), 1000, 8), "log/tile/0/x001/000.p/8"),
            (
                tile(TileKind::Entries, 273, 112),
                "log/tile/entries/273.p/112",
            ),
        ];
        for (tile, path) in cases {
            assert_eq!(tile.to_string(), path);
            assert_eq!(Tile::parse(path), Some(tile));
        }
        assert_eq!(cases[3].0.partial_folder(), "log/tile/entries/273.p");
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "log/tile/0/0",
            "log/tile/00/000",
            "log/tile/0/x000/000",
            "log/tile/0/000.p/256",
            "log/tile/0/000.p/0",
            "log/tile/0/000.p/01",
            "log/tile/0/+00",
            "log/tile/0/../000",
            "log/tile/9/000",
            "log/tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "log/tile/data/000",
            "log/tile//000",
            "tile/0/000",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }
}
