//! What takes long: keys that change under load, and a file whose size needs more than 32 bits.

use super::exec::noise;
use super::outcome::Outcome;
use super::site::{Site, both};
use super::{compare, house, row};
use crate::street::program::output;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn keys_that_change_under_load_change_nothing() {
    const SSH: &str = "OpenSSH ssh, sftp";
    let (direct, through) = both(house(), "mxl");
    compare(&direct, &through, &[row(SSH, "new keys after every megabyte, both ways at once", |site| {
        let folder = site.fresh("keys");
        let input = folder.join("input");
        std::fs::write(&input, noise(32_000_000)).expect("the input");
        let mut ssh = site.alone("ssh");
        ssh.args(["-o", "RekeyLimit=1M"]).arg(site.place()).arg("cat").stdin(Stdio::from(std::fs::File::open(&input).expect("the input")));
        Outcome::of(&output(&mut ssh, Duration::from_secs(150)))
    })]);
}

/// Marks at the places where a count of 31, 32 bits or a signed one would turn over.
const MARKS: [u64; 6] = [0, (1 << 31) - 3, (1 << 31) + 5, (1 << 32) - 3, (1 << 32) + 5, (1 << 32) + 1_000_000];

fn mark(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a large file");
    for at in MARKS {
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&at.to_be_bytes())).expect("a mark");
    }
}

/// What stands at the marks; nothing of a file that is not there.
fn marks(path: &Path) -> Vec<u64> {
    let Ok(mut file) = std::fs::File::open(path) else { return Vec::new() };
    let read = |at: &u64| {
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(*at)).and_then(|_| file.read_exact(&mut bytes)).map(|()| u64::from_be_bytes(bytes)).unwrap_or(u64::MAX)
    };
    MARKS.iter().map(read).collect()
}

#[test]
fn a_file_beyond_four_gib_arrives_whole_both_ways() {
    let site = Site::through(house(), "mxz").with_line();
    let folder = site.fresh("four");
    let (source, arrived) = (folder.join("source"), folder.join("arrived"));
    mark(&source);
    let batch = folder.join("batch");
    // One way after the other, and nothing is left whatever comes of it: the copies are not sparse, and other tests
    // want room on the same disk.
    for verb in ["put", "get"] {
        std::fs::write(&batch, format!("{verb} {} {}\n", source.display(), arrived.display())).expect("the batch");
        let done = output(site.client("sftp").arg("-q").arg("-b").arg(&batch).arg(site.place()), Duration::from_secs(450));
        let found = (std::fs::metadata(&arrived).map(|data| data.len()).unwrap_or_default(), marks(&arrived));
        let _ = std::fs::remove_file(&arrived);
        assert!(done.status.success(), "{verb}: {}", crate::street::program::said(&done));
        assert_eq!(found, (std::fs::metadata(&source).map(|data| data.len()).expect("the source"), MARKS.to_vec()), "{verb}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}
