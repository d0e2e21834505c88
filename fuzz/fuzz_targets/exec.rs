//! An exec command line: SCP, rsync, or anything else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_protocol::ssh::command::{Command, read};

fuzz_target!(|data: &[u8]| {
    for command in [data.to_vec(), [b"rsync --server ", data].concat(), [b"rsync --server --sender -re.x . ", data].concat()] {
        if let Command::Rsync(rsync) = read(&command) {
            // What counts as a transfer has no byte that could begin a second command.
            let mut quoted = false;
            for byte in &command {
                assert!(quoted || !b";&|<>$`(){}\n\r\t\"'#!".contains(byte), "{}", String::from_utf8_lossy(&command));
                quoted = *byte == b'\\' && !quoted;
            }
            assert!(!rsync.paths.is_empty() && !rsync.needs.is_empty());
        }
    }
});
