#![doc = include_str!("../../../../docs/formats/recording.md")]

mod asciicast;
mod bytes;
mod cipher;
mod decoder;
mod encoder;
mod frame;
mod header;
mod request;
mod scan;
mod seal;
mod segment;

pub use asciicast::{ExportFault, asciicast};
pub use cipher::DataKey;
pub use decoder::{Decoder, End};
pub use encoder::{Batch, Encoder, Packer};
pub use frame::{ChannelKind, Exit, Frame, Timed};
pub use header::{Header, Recipient, RecipientKind, SecondShare, is_recipient_key, is_session_id};
pub use request::{RequestBreach, RequestText, Wanted};
pub use scan::{Scan, scan};
pub use seal::{Seal, Sealed, Totals, seal_after};

/// Folder of the recordings in the data folder.
pub const RECORDINGS_DIR: &str = "recordings";
/// What follows the session id in the name of a recording's file.
pub const FILE_SUFFIX: &str = ".skr";

/// Path of a session's recording in the data folder, if the id is one that may become a file name.
pub fn path_of(session: &str) -> Option<String> {
    is_session_id(session).then(|| format!("{RECORDINGS_DIR}/{session}{FILE_SUFFIX}"))
}

/// A recording could not be written or was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RecordingBreach {
    /// The file does not begin with the magic bytes and a version that this reader knows.
    #[error("the file is not a recording of a known version")]
    NotARecording,
    /// The file ends inside its header.
    #[error("the recording ends inside its header")]
    HeaderTorn,
    /// The header is too long, not the canonical JSON, or a name in it is too long or holds control characters.
    #[error("the header of the recording is malformed")]
    Header,
    /// A segment contradicts its chain value or its order.
    #[error("segment {0} of the recording was altered")]
    Altered(u64),
    /// A segment's header breaks a limit or is malformed.
    #[error("segment {0} of the recording is malformed")]
    Malformed(u64),
    /// Bytes follow the seal.
    #[error("bytes follow the seal of the recording")]
    AfterSeal,
    /// The data key does not open this segment.
    #[error("the data key does not open segment {0} of the recording")]
    Key(u64),
    /// A frame is longer than its kind may be.
    #[error("a frame is {0} bytes long, more than its kind may be")]
    FrameTooLong(usize),
    /// The recording already has a seal.
    #[error("the recording is already sealed")]
    Sealed,
    /// The compressor refused.
    #[error("a segment could not be compressed")]
    Compression,
    /// No data key was given before frames were asked for.
    #[error("the recording is locked")]
    Locked,
    /// Reading failed.
    #[error("the recording cannot be read: {0}")]
    Read(#[from] std::io::Error),
}
