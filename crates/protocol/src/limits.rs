//! Every limit of this crate, by name. A peer that passes one is refused or cut, never waited for.

/// One SFTP packet without its length field. OpenSSH's own limit is 256 KiB; the margin is for headers.
pub const SFTP_PACKET_BYTES: usize = 256 * 1024 + 1024;
/// An SFTP request that carries no content, and an answer that is read whole. The longest are two paths, or a list of
/// ids.
pub const SFTP_SMALL_BYTES: usize = 64 * 1024;
/// SFTP requests without an answer. OpenSSH's clients keep at most 64, others some hundreds.
pub const SFTP_REQUESTS: usize = 2048;
/// SFTP handles open at once. OpenSSH's server gives out 200.
pub const SFTP_HANDLES: usize = 256;
/// An SFTP handle (draft-ietf-secsh-filexfer-02 section 5: at most 256 bytes).
pub const SFTP_HANDLE_BYTES: usize = 256;
/// A path in SFTP or SCP, as on Linux (`PATH_MAX`).
pub const PATH_BYTES: usize = 4096;
/// Content that waits for an earlier part of its file before it can be hashed, for one handle.
pub const REORDER_BYTES: usize = 4 * 1024 * 1024;
/// Parts that wait so.
pub const REORDER_PARTS: usize = 256;
/// Content that waits so in one channel, all handles together.
pub const REORDER_TOTAL_BYTES: usize = 16 * 1024 * 1024;
/// One control line of SCP: a name and two numbers, or a message.
pub const SCP_LINE_BYTES: usize = 8192;
/// Folders inside each other in one SCP transfer.
pub const SCP_DEPTH: usize = 64;
/// Bytes that a source of SCP may send before the other side agreed to the file.
pub const SCP_EAGER_BYTES: usize = 64 * 1024;
/// The SSH login name with target and plan.
pub const LOGIN_BYTES: usize = 80;
/// A worker's login name or a target's name in it.
pub const LOGIN_PART_BYTES: usize = 32;
/// An exec command line.
pub const COMMAND_BYTES: usize = 32 * 1024;
/// A subsystem's name.
pub const SUBSYSTEM_BYTES: usize = 64;
/// The name of an environment variable.
pub const ENV_NAME_BYTES: usize = 64;
/// The value of an environment variable.
pub const ENV_VALUE_BYTES: usize = 256;
/// A terminal type (`TERM`).
pub const TERM_BYTES: usize = 64;
/// Encoded terminal modes: at most 160 opcodes of five bytes.
pub const MODES_BYTES: usize = 1024;
/// Least terminal columns that are shown and recorded, however few the worker's client declares.
pub const TERMINAL_COLUMNS_LEAST: u16 = 20;
/// Least terminal rows, likewise.
pub const TERMINAL_ROWS_LEAST: u16 = 5;
/// Terminal columns that are shown and recorded.
pub const TERMINAL_COLUMNS: u16 = 500;
/// Terminal rows that are shown and recorded.
pub const TERMINAL_ROWS: u16 = 300;
/// One command line as it stood on the screen, in characters.
pub const LINE_CHARS: usize = 4096;
/// Rows of the screen that one command line may take.
pub const LINE_ROWS: u16 = 60;
/// Lines that were entered and wait for their echo (a paste of many lines).
pub const WAITING_LINES: usize = 1024;
/// Characters of typed text that wait for their echo, all lines together.
pub const WAITING_CHARS: usize = 64 * 1024;
/// Words of an rsync command that is taken as a transfer.
pub const RSYNC_WORDS: usize = 64;
/// Paths of one rsync command.
pub const RSYNC_PATHS: usize = 32;
/// All that a program that changes a password may write in its dialogue.
pub const PASSWD_BYTES: usize = 16 * 1024;
/// One upload that waits for the hospital (隔離).
pub const STAGED_FILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Uploads of one session that wait or are on their way at once, in bytes.
pub const STAGED_SESSION_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// All uploads that one session stages, in bytes: each stands in its recording, whatever becomes of it.
pub const STAGED_TOTAL_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Uploads of one session that are open or wait at once.
pub const STAGED_FILES: usize = 16;
/// One part of an upload that was let pass, on its way to the target. Every server takes parts of 32 KiB
/// (draft-ietf-secsh-filexfer-02 section 3).
pub const STAGED_PART_BYTES: usize = 32 * 1024;
/// Such parts under way at once, for one file.
pub const STAGED_PARTS: usize = 16;
/// Characters of the target's words that come with its answer about a staged file.
pub const STAGED_WORDS: usize = 500;
