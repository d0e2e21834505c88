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
/// Words `key=value` that are read of one line of a network device.
pub const PAIRS: usize = 128;
