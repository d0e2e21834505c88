//! The limits of the rooms that have a file of their own: what they read is written by others.

/// The limits of one room.
pub(super) struct Room {
    /// The crate, which is also the key of the table of words.
    pub name: &'static str,
    /// What the room is, in Japanese and English.
    pub titles: (&'static str, &'static str),
    /// The file that says what each of them bounds.
    source: &'static str,
    /// Names and values, in the order of the file.
    pub values: &'static [(&'static str, u64)],
}

impl Room {
    /// What a limit bounds, as its file says it.
    pub fn sentence(&self, limit: &str) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for line in self.source.lines() {
            if let Some(text) = line.strip_prefix("/// ") {
                lines.push(text.trim());
            } else if line.strip_prefix("pub const ").and_then(|rest| rest.split(':').next()) == Some(limit) {
                break;
            } else {
                lines.clear();
            }
        }
        super::bare(&lines.join(" "))
    }
}

macro_rules! room {
    ($name:literal, $ja:literal, $en:literal, $source:literal, $crate_name:ident: $($limit:ident)*) => {
        Room { name: $name, titles: ($ja, $en), source: include_str!($source), values: &[$((stringify!($limit), $crate_name::limits::$limit as u64)),*] }
    };
}

/// Every room with limits of its own beside `core`. Those of the search engine, which the store keeps, are `SEARCH_…` in `core`.
pub(super) const ROOMS: &[Room] = &[
    room!(
        "evidence",
        "証跡と録画の形式",
        "formats of log and recordings",
        "../../../../evidence/src/limits.rs",
        sekisho_evidence:
        MAX_ENTRY_BYTES TILE_WIDTH MAX_TILE_BYTES MAX_BUNDLE_BYTES MAX_LOG_ENTRIES MAX_CHECKPOINT_BYTES MAX_TIMESTAMP_BYTES MAX_TIMESTAMPS
        MAX_CHECKPOINT_SIGNATURES MAX_KEY_NAME_BYTES MAX_CONTEXT_BYTES MAX_FOLDER_NAMES MAX_HEADER_BYTES MAX_HEADER_NAME_BYTES
        MAX_WRAPPED_KEY_BYTES MAX_RECIPIENTS MAX_RECIPIENT_KEY_BYTES MAX_REQUEST_RECORDINGS MAX_REQUEST_BYTES MAX_REQUEST_LINE_BYTES MAX_FRAME_DATA_BYTES MAX_FRAME_TEXT_BYTES MAX_FRAME_JSON_BYTES
        MAX_FRAME_PAYLOAD_BYTES CUT_AT_BYTES MAX_SEGMENT_PLAIN_BYTES MAX_SEGMENT_BODY_BYTES SEGMENT_HEADER_BYTES SEGMENT_TRAILER_BYTES
        MAX_SEAL_BYTES MAX_CAUSE_BYTES BATCHES_WAITING SEAL_RESERVE_BYTES MAX_FINDINGS MAX_SESSION_ID_BYTES MAX_ARCHIVE_FILES
        MAX_MANIFEST_BYTES MAX_DOCUMENT_BYTES MAX_PROOF_HASHES MAX_PROOF_LINE_BYTES MAX_CONSISTENCY_PROOFS
    ),
    room!(
        "protocol",
        "通信の内容",
        "what passes on a connection",
        "../../../../protocol/src/limits.rs",
        sekisho_protocol:
        SFTP_PACKET_BYTES SFTP_SMALL_BYTES SFTP_REQUESTS SFTP_HANDLES SFTP_HANDLE_BYTES PATH_BYTES REORDER_BYTES REORDER_PARTS
        REORDER_TOTAL_BYTES SCP_LINE_BYTES SCP_DEPTH SCP_EAGER_BYTES LOGIN_BYTES LOGIN_PART_BYTES COMMAND_BYTES SUBSYSTEM_BYTES
        ENV_NAME_BYTES ENV_VALUE_BYTES TERM_BYTES MODES_BYTES TERMINAL_COLUMNS_LEAST TERMINAL_ROWS_LEAST TERMINAL_COLUMNS TERMINAL_ROWS
        LINE_CHARS LINE_ROWS WAITING_LINES WAITING_CHARS RSYNC_WORDS RSYNC_PATHS PASSWD_BYTES STAGED_FILE_BYTES STAGED_SESSION_BYTES
        STAGED_TOTAL_BYTES STAGED_FILES STAGED_PART_BYTES STAGED_PARTS STAGED_WORDS
    ),
    room!(
        "detect",
        "接続先のログ",
        "targets' own logs",
        "../../../../detect/src/limits.rs",
        sekisho_detect:
        MESSAGE_BYTES COUNT_DIGITS ACCOUNT_CHARS NAME_CHARS KEY_ID_CHARS SHOWN_CHARS IMPORT_KEPT_BYTES IMPORT_HOURS SUDO_NAMES
        MARK_CHARS PAIRS
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_a_room_is_listed_in_the_order_of_its_file() {
        for room in ROOMS {
            let names: Vec<&str> = room.source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
            let listed: Vec<&str> = room.values.iter().map(|(name, _)| *name).collect();
            assert_eq!(listed, names, "crates/{}/src/limits.rs and crates/sekisho/src/doctor/bounds/rooms.rs", room.name);
            assert!(listed.iter().all(|name| !room.sentence(name).is_empty()), "a limit of {} says nothing", room.name);
        }
    }
}
