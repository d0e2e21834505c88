//! What an exec command is: a legacy SCP transfer, rsync's other half, or anything else.

use super::rsync::{self, RsyncTransfer};
use crate::limits;

/// Which way the files of an SCP transfer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScpDirection {
    /// The worker sends (`scp -t` on the target).
    Upload,
    /// The target sends (`scp -f` on the target).
    Download,
}

/// The target's half of a legacy SCP transfer, as the worker's `scp -O` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScpTransfer {
    /// Which way the files go.
    pub direction: ScpDirection,
    /// The path as asked for, before the target's shell expands `~` and patterns.
    pub path: Vec<u8>,
}

/// What an exec command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A legacy SCP transfer and nothing else.
    Scp(ScpTransfer),
    /// A transfer by rsync and nothing else.
    Rsync(RsyncTransfer),
    /// Anything else, including everything that only resembles those.
    Plain,
}

/// Reads a command. The target's shell will run it, so only words without any meaning for a shell count as
/// such: one quote, dollar sign or semicolon makes it a plain command, which needs the exec function.
#[must_use]
pub fn read(command: &[u8]) -> Command {
    if let Some(transfer) = scp(command) {
        return Command::Scp(transfer);
    }
    rsync::read(command).map_or(Command::Plain, Command::Rsync)
}

fn scp(command: &[u8]) -> Option<ScpTransfer> {
    let mut words = command.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    if words.next()? != b"scp" {
        return None;
    }
    let mut direction = None;
    let mut word = words.next()?;
    while let Some(flags) = word.strip_prefix(b"-") {
        if flags.is_empty() {
            return None;
        }
        if flags == b"-" {
            word = words.next()?;
            break;
        }
        for flag in flags {
            let way = match flag {
                b't' => ScpDirection::Upload,
                b'f' => ScpDirection::Download,
                b'r' | b'p' | b'd' | b'v' | b'q' => continue,
                _ => return None,
            };
            if direction.replace(way).is_some() {
                return None;
            }
        }
        word = words.next()?;
    }
    let direction = direction?;
    if words.next().is_some() || word.len() > limits::PATH_BYTES || !is_path(word, direction) {
        return None;
    }
    Some(ScpTransfer { direction, path: word.to_vec() })
}

/// A word that every shell takes as one path. Patterns only choose files to read.
fn is_path(word: &[u8], direction: ScpDirection) -> bool {
    word.iter().enumerate().all(|(at, byte)| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'+' | b',' | b':' | b'@' | b'%' | b'=' => true,
        b'~' => at == 0,
        b'*' | b'?' => direction == ScpDirection::Download,
        // Names in Japanese, in whatever encoding the target uses. No shell gives these bytes a meaning, except
        // that the second byte of a Shift_JIS character may be an ASCII one, which the other arms judge.
        0x80..=0xff => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_scp(text: &str) -> Option<(ScpDirection, String)> {
        match read(text.as_bytes()) {
            Command::Scp(scp) => Some((scp.direction, String::from_utf8_lossy(&scp.path).into_owned())),
            Command::Plain | Command::Rsync(_) => None,
        }
    }

    #[test]
    fn what_openssh_sends_is_scp() {
        assert_eq!(is_scp("scp -t /tmp/x"), Some((ScpDirection::Upload, "/tmp/x".into())));
        assert_eq!(is_scp("scp -v -r -p -d -t ."), Some((ScpDirection::Upload, ".".into())));
        assert_eq!(is_scp("scp -f -- -odd"), Some((ScpDirection::Download, "-odd".into())));
        assert_eq!(is_scp("scp -rf ~/logs/*.log"), Some((ScpDirection::Download, "~/logs/*.log".into())));
        assert_eq!(is_scp("scp -t 報告書.txt"), Some((ScpDirection::Upload, "報告書.txt".into())));
    }

    #[test]
    fn anything_odd_is_a_plain_command() {
        for command in [
            "scp", "scp -t", "scp -t a b", "scp -tf a", "scp -t -t a", "scp -S sh -t a", "scp -t a;id", "scp -t $(id)",
            "scp -t `id`", "scp -t 'a'", "scp -t a\nid", "scp -t a\tb", "scp -t a&", "scp -t a>b", "scp -t a|b", "scp -t *",
            "scp -t {a,b}", "scp -t !x", "scp -t #x", "scp a b", "/usr/bin/scp -t a", "scp -oX -t a", "scp - -t a", "",
            "scp -t a~b", "rsync --server . a", "scp -t \\a", "scp -t (a)", "SCP -t a", "scp --version",
        ] {
            assert_eq!(is_scp(command), None, "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn no_shell_character_passes(command in "scp -[tf] [ -~\\n\\t]{0,40}") {
            if let Some((_, path)) = is_scp(&command) {
                prop_assert!(!path.contains(|c: char| ";&|<>$`(){}[]!#\"'\\\n\t ".contains(c)), "{}", path);
            }
        }
    }
}
