//! What the command line of rsync's other half says (`rsync --server …`, as rsync's own `options.c` writes it).
//!
//! The stream itself is not followed: which files go over stands in it, and only the paths of the command are known
//! here. So nothing may stand on the line that reaches beyond them: an option that is not on the list, a list of files
//! that comes by the stream (`-s`), or one character with a meaning for a shell makes it a plain command, which needs
//! the exec function.

use crate::files::Right;
use crate::limits;
use std::collections::BTreeSet;

/// One transfer by rsync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsyncTransfer {
    /// The target sends (`--sender`).
    pub sender: bool,
    /// What the worker needs for it.
    pub needs: BTreeSet<Right>,
    /// The paths on the target, as the shell hands them to rsync; patterns and `~` are not expanded.
    pub paths: Vec<Vec<u8>>,
}

/// Reads a command line. `None` if it is anything else, or rsync with something odd.
pub(super) fn read(command: &[u8]) -> Option<RsyncTransfer> {
    let words = words(command)?;
    let mut words = words.iter().map(Vec::as_slice);
    if words.next()? != b"rsync" || words.next()? != b"--server" {
        return None;
    }
    let mut sender = false;
    let mut needs = BTreeSet::new();
    loop {
        let word = words.next()?;
        if word == b"." {
            break;
        }
        if let Some(long) = word.strip_prefix(b"--") {
            match long {
                b"sender" => sender = true,
                _ => option(long, &mut words, &mut needs)?,
            }
        } else {
            letters(word.strip_prefix(b"-")?, &mut needs)?;
        }
    }
    needs.insert(if sender { Right::Download } else { Right::Upload });
    let paths: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
    let sound = (1..=limits::RSYNC_PATHS).contains(&paths.len()) && (sender || paths.len() == 1) && paths.iter().all(|path| is_path(path));
    sound.then_some(RsyncTransfer { sender, needs, paths })
}

/// rsync takes options behind the paths, too: what begins with a dash would be one, and so could be what a pattern at a
/// word's beginning stands for, if somebody has put a file of such a name there.
fn is_path(path: &[u8]) -> bool {
    path.len() <= limits::PATH_BYTES && path.first().is_some_and(|first| !matches!(first, b'-' | b'*' | b'?'))
}

/// The words as every shell cuts them: without quotes, with a backslash before what would have a meaning.
fn words(command: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = command.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => words.extend(word.take()),
            // Some shells give letters and digits behind a backslash a meaning, and none to these.
            b'\\' => {
                let next = *bytes.next()?;
                if !(next == b' ' || next.is_ascii_punctuation()) {
                    return None;
                }
                word.get_or_insert_default().push(next);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'+' | b',' | b':' | b'@' | b'%' | b'=' | 0x80..=0xff => {
                word.get_or_insert_default().push(*byte);
            }
            b'~' if word.is_none() => word = Some(vec![b'~']),
            // A pattern of files to read; whether that is what it is shows its place, which the caller sees.
            b'*' | b'?' if is_sender(&words) => word.get_or_insert_default().push(*byte),
            _ => return None,
        }
        if words.len() > limits::RSYNC_WORDS {
            return None;
        }
    }
    words.extend(word);
    Some(words)
}

/// Patterns stand for files to read, so only behind `--sender` and the dot that ends the options.
fn is_sender(words: &[Vec<u8>]) -> bool {
    words.iter().any(|word| word == b"--sender") && words.iter().any(|word| word == b".")
}

/// A cluster of single letters, as `-vlogDtprze.iLsfxCIvu`.
fn letters(cluster: &[u8], needs: &mut BTreeSet<Right>) -> Option<()> {
    if cluster.is_empty() {
        return None;
    }
    for (at, letter) in cluster.iter().enumerate() {
        match letter {
            b'b' => {
                needs.insert(Right::Rename);
            }
            // Both halves tell each other what they understand; the letters behind it mean nothing else.
            b'e' => {
                let rest = cluster.get(at + 1..).unwrap_or_default();
                return rest.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'.').then_some(());
            }
            b'B' | b'@' => {
                let rest = cluster.get(at + 1..).unwrap_or_default();
                return (!rest.is_empty() && rest.iter().all(|c| c.is_ascii_digit() || *c == b'-')).then_some(());
            }
            // Not `s`: the paths would come by the stream. Not `M` and `T`: they take a word.
            b'a' | b'c' | b'd' | b'g' | b'i' | b'k' | b'l' | b'm' | b'n' | b'o' | b'p' | b'q' | b'r' | b't' | b'u' | b'v' | b'x'
            | b'y' | b'z' | b'A' | b'C' | b'D' | b'E' | b'F' | b'H' | b'I' | b'J' | b'K' | b'L' | b'N' | b'O' | b'R' | b'S' | b'U'
            | b'W' | b'X' => {}
            _ => return None,
        }
    }
    Some(())
}

/// One long option, without its dashes.
fn option<'a>(long: &[u8], words: &mut impl Iterator<Item = &'a [u8]>, needs: &mut BTreeSet<Right>) -> Option<()> {
    let (name, value) = match long.iter().position(|byte| *byte == b'=') {
        Some(at) => (long.get(..at)?, long.get(at + 1..)),
        None => (long, None),
    };
    match (name, value) {
        (b"delete" | b"delete-before" | b"delete-during" | b"delete-delay" | b"delete-after" | b"delete-excluded" | b"delete-missing-args", None)
        | (b"remove-source-files" | b"remove-sent-files", None) => {
            needs.insert(Right::Delete);
        }
        (b"backup", None) => {
            needs.insert(Right::Rename);
        }
        (
            b"append" | b"copy-unsafe-links" | b"delay-updates" | b"existing" | b"force" | b"from0" | b"fuzzy" | b"ignore-errors"
            | b"ignore-existing" | b"ignore-missing-args" | b"ignore-non-existing" | b"inplace" | b"list-only" | b"mkpath" | b"munge-links"
            | b"new-compress" | b"no-implied-dirs" | b"no-i-r" | b"no-inc-recursive" | b"no-r" | b"no-relative" | b"no-specials"
            | b"no-W" | b"no-whole-file" | b"numeric-ids" | b"old-compress" | b"open-noatime" | b"partial" | b"preallocate" | b"safe-links"
            | b"size-only" | b"specials" | b"stats" | b"super" | b"use-qsort",
            None,
        ) => {}
        (
            b"bwlimit" | b"block-size" | b"checksum-choice" | b"checksum-seed" | b"compress-choice" | b"compress-level" | b"compress-threads"
            | b"debug" | b"iconv" | b"info" | b"log-format" | b"max-alloc" | b"max-delete" | b"max-size" | b"min-size" | b"modify-window"
            | b"out-format" | b"skip-compress" | b"stop-after" | b"stop-at" | b"suffix" | b"timeout",
            _,
        ) => {
            if value.is_none() {
                words.next()?;
            }
        }
        // Folders of the target that content is written to or compared with on its way.
        (b"partial-dir" | b"temp-dir" | b"compare-dest" | b"copy-dest", _) => {
            needs.insert(Right::Upload);
            if value.is_none() {
                words.next()?;
            }
        }
        (b"backup-dir" | b"link-dest", _) => {
            needs.insert(Right::Rename);
            if value.is_none() {
                words.next()?;
            }
        }
        // The list comes by the stream, from the worker's side; a list that lies on the target is read by nobody.
        (b"files-from", Some(b"-")) => {}
        (b"files-from", None) if words.next()? == b"-" => {}
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(text: &str) -> Option<(bool, Vec<&'static str>, Vec<String>)> {
        read(text.as_bytes()).map(|rsync| {
            let paths = rsync.paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            (rsync.sender, rsync.needs.into_iter().map(Right::as_str).collect(), paths)
        })
    }

    #[test]
    fn what_rsync_sends_is_rsync() {
        for (command, sender, rights, paths) in [
            ("rsync --server -logDtpre.iLsfxCIvu . /dst/", false, &["upload"][..], &["/dst/"][..]),
            ("rsync --server -vlogDtprze.iLsfxCIvu --delete . /dst\\ dir/é報/", false, &["upload", "delete"], &["/dst dir/é報/"]),
            ("rsync --server --sender -logDtpre.iLsfxCIvu . /src/x /y", true, &["download"], &["/src/x", "/y"]),
            ("rsync --server --sender -logDtpre.iLsfxCIvu . /src/*.log", true, &["download"], &["/src/*.log"]),
            ("rsync --server --sender -logDtpre.iLsfxCIvu --remove-source-files . /src", true, &["download", "delete"], &["/src"]),
            ("rsync --server --sender -de.LsfxCIvu --list-only . /d", true, &["download"], &["/d"]),
            ("rsync --server -nlWtpre.iLsfxCIvu --log-format=%i . ~/d", false, &["upload"], &["~/d"]),
            ("rsync --server -logDtpbre.iLsfxCIvu --backup-dir /old . d", false, &["upload", "rename"], &["d"]),
            ("rsync --server -lre.iLsfxCIvu --partial-dir .p --timeout=9 . d", false, &["upload"], &["d"]),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(needs(command), Some((sender, rights.to_vec(), paths)), "{command}");
        }
    }

    #[test]
    fn anything_odd_is_a_plain_command() {
        for command in [
            "rsync",
            "rsync --server",
            "rsync --server -e.x",
            "rsync --server . /a",
            "rsync --server -logDtpre.iLsfxCIvu . /a /b",
            "rsync --server -slogDtpre.iLsfxCIvu",
            "rsync --server -slogDtpre.iLsfxCIvu . /a",
            "rsync --server --sender -re.x --files-from /list . /",
            "rsync --server -re.x --log-file=/etc/cron.d/x . /d",
            "rsync --server -re.x --log-file /x . /d",
            "rsync --server -M--log-file=/x . /d",
            "rsync --server -re.x --write-devices . /dev/sda",
            "rsync --server -re.x . /a b;id",
            "rsync --server -re.x . /a;id",
            "rsync --server -re.x . $(id)",
            "rsync --server -re.x . `id`",
            "rsync --server -re.x . 'a'",
            "rsync --server -re.x . a\nid",
            "rsync --server -re.x . a\tb",
            "rsync --server -re.x . /a*",
            "rsync --server -re.x . a\\nb",
            "rsync --server -re.x . a\\",
            "rsync --server --daemon .",
            "rsync --server --config=/x -re.x . a",
            "rsync --daemon --server . a",
            "/usr/bin/rsync --server -re.x . a",
            "rsync --server -re.x. --rsh=sh . a",
            "rsync --server -re.x --unknown . a",
            "rsync --server - . a",
            "rsync --server -e.x;id . a",
            "rsync --server --sender -re.x . --log-file=/etc/cron.d/x /src",
            "rsync --server --sender -re.x . /src --remove-source-files",
            "rsync --server --sender -re.x . /src \\-M--log-file=/x",
            "rsync --server --sender -re.x . -- /src",
            "rsync --server -re.x . --daemon",
            "rsync --server --sender -re.x . *",
            "rsync --server --sender -re.x . ?-remove-source-files /src",
        ] {
            let expected = if command == "rsync --server . /a" { Some(()) } else { None };
            assert_eq!(needs(command).map(|_| ()), expected, "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn no_shell_character_passes_without_its_backslash(tail in "[ -~\\n\\t]{0,40}") {
            let command = format!("rsync --server -re.x . {tail}");
            if read(command.as_bytes()).is_some() {
                let mut bare = String::new();
                let mut chars = tail.chars();
                while let Some(c) = chars.next() {
                    if c == '\\' { chars.next(); } else { bare.push(c); }
                }
                prop_assert!(!bare.contains(|c: char| ";&|<>$`(){}[]!#\"'\n\t*?".contains(c)), "{}", tail);
            }
        }

        #[test]
        fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[b"rsync --server ", bytes.as_slice()].concat());
        }
    }
}
