//! An optional file of leaked passwords: looked into, never read whole.
//!
//! Each line begins with the SHA-1 of a password, 40 hexadecimal digits, and the lines are sorted by it; what follows on
//! the line (a colon and a count) is not read. This is the form in which public lists of leaked passwords are handed out,
//! ordered by hash. SHA-1 protects nothing here: the lines stand for passwords that the world knows.

use crate::fault::Fault;
use sekisho_core::secret::Secret;
use sha1::{Digest as _, Sha1};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Digits of a hash.
const HASH_CHARS: usize = 40;
/// What is read at one place: the rest of one line and the beginning of the next.
const PIECE: u64 = 512;
/// Looks into the file; each halves it, so that this is enough for any file.
const LOOKS: u32 = 64;

/// Whether the file names the password.
pub(super) fn holds(path: &Path, password: &Secret) -> Result<bool, Fault> {
    let words = || format!("reading the leaked passwords in {}", path.display());
    let mut file = File::open(path).map_err(Fault::io(words()))?;
    let size = file.metadata().map_err(Fault::io(words()))?.len();
    let wanted = hex::encode_upper(Sha1::digest(password.expose().as_bytes()));
    find(&mut file, size, &wanted).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => Fault::Settings(format!("{} is no sorted list of SHA-1 hashes: {error}", path.display())),
        _ => Fault::io(words())(error),
    })
}

/// Looks at the file's first line: for the doctor, who asks whether it is one of these files at all.
///
/// # Errors
/// What is wrong with it.
pub fn looks_sound(path: &Path) -> Result<(), String> {
    let first = File::open(path).and_then(|mut file| line_from(&mut file, 0, u64::MAX));
    match first {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("the file is empty".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn find<F: Read + Seek>(file: &mut F, size: u64, wanted: &str) -> std::io::Result<bool> {
    // Between them lies the beginning of the line that is looked for, if there is one.
    let (mut low, mut high) = (0, size);
    for _ in 0..LOOKS {
        if low >= high {
            return Ok(false);
        }
        let middle = low + (high - low) / 2;
        match line_from(file, middle, size)? {
            None => high = middle,
            Some((_, hash)) if hash == wanted => return Ok(true),
            Some((next, hash)) if hash.as_str() < wanted => low = next,
            Some(_) => high = middle,
        }
    }
    Ok(false)
}

/// The hash of the first line that begins at or after a place, and where its own beginning lies behind; `None` if no
/// line begins there.
fn line_from<F: Read + Seek>(file: &mut F, at: u64, size: u64) -> std::io::Result<Option<(u64, String)>> {
    // One byte before it tells whether a line begins right here.
    let from = at.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    let mut piece = Vec::new();
    file.by_ref().take(PIECE).read_to_end(&mut piece)?;
    let skip = if at == 0 {
        0
    } else {
        match piece.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if from + piece.len() as u64 >= size || piece.len() < PIECE as usize => return Ok(None),
            None => return Err(std::io::Error::new(ErrorKind::InvalidData, "a line is too long")),
        }
    };
    let Some(rest) = piece.get(skip..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let hash = rest.get(..HASH_CHARS).filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
    let hash = hash.and_then(|hash| std::str::from_utf8(hash).ok()).ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, "a line does not begin with 40 hexadecimal digits"))?;
    Ok(Some((from + skip as u64 + HASH_CHARS as u64, hash.to_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn hash(password: &str) -> String {
        hex::encode_upper(Sha1::digest(password.as_bytes()))
    }

    #[test]
    fn every_line_of_a_list_is_found_and_nothing_else_is() {
        for count in [1_usize, 2, 3, 7, 500] {
            let mut hashes: Vec<String> = (0..count).map(|n| hash(&format!("leaked-{n}"))).collect();
            hashes.sort();
            for ending in ["\n", ":3\n", "\r\n", ":123456789\r\n"] {
                let text: String = hashes.iter().map(|hash| format!("{hash}{ending}")).collect();
                let size = text.len() as u64;
                let mut file = Cursor::new(text.into_bytes());
                for hash in &hashes {
                    assert!(find(&mut file, size, hash).unwrap(), "{count} {ending:?}");
                }
                for n in 0..50 {
                    assert!(!find(&mut file, size, &hash(&format!("kept-{n}"))).unwrap(), "{count}");
                }
            }
        }
        assert!(!find(&mut Cursor::new(Vec::new()), 0, &hash("x")).unwrap());
    }

    #[test]
    fn what_is_no_list_is_a_fault_and_no_permission() {
        for bad in ["password\n123456\nqwerty\n".repeat(50), "x".repeat(5_000), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD".into()] {
            let size = bad.len() as u64;
            // A file whose middle is the rest of a long line is noticed at the latest where its beginning is looked at.
            assert!(find(&mut Cursor::new(bad.clone().into_bytes()), size, &hash("password")).is_err(), "{bad:.40}");
        }
    }
}
