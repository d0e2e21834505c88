//! Every limit of this crate, by name.

/// One syslog message. Windows events as JSON are some 8 KiB; RFC 5425 section 4.3.1 asks for at least 2 KiB and
/// recommends 8 KiB.
pub const MESSAGE_BYTES: usize = 64 * 1024;
/// Digits of a message's length in octet counting.
pub const COUNT_DIGITS: usize = 5;
/// An account's name in a line; longer ones are cut.
pub const ACCOUNT_CHARS: usize = 128;
/// A host's, program's or method's name; longer ones are cut.
pub const NAME_CHARS: usize = 128;
/// A certificate's key id; a longer one is none of ours.
pub const KEY_ID_CHARS: usize = 256;
/// An imported record as it is shown.
pub const SHOWN_CHARS: usize = 1_024;
/// What the kept records of an imported file take in memory; further ones are counted.
pub const IMPORT_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Hours with records that are noted of an imported file: of more than five years.
pub const IMPORT_HOURS: usize = 50_000;
/// Names that one line of sudo may mean.
pub const SUDO_NAMES: usize = 8;
/// Characters before the mark of a Cisco line: its own number and clock.
pub const MARK_CHARS: usize = 96;
/// Words `key=value` that are read of one line of a network device.
pub const PAIRS: usize = 128;
