//! Every bound of the evidence formats, by name. They are part of the formats: a reader may rely on them.

/// Longest body of one log entry in bytes; the entry bundle of C2SP tlog-tiles has a 16-bit length.
pub const MAX_ENTRY_BYTES: usize = 65_535;
/// Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles).
pub const TILE_WIDTH: u64 = 256;
/// Longest full tile in bytes.
pub const MAX_TILE_BYTES: usize = 256 * 32;
/// Longest entry bundle in bytes.
pub const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_ENTRY_BYTES);
/// Most entries a log may claim to have; bounds all arithmetic on sizes that others wrote.
pub const MAX_LOG_ENTRIES: u64 = 1 << 40;
/// Longest signed checkpoint in bytes, with the signatures of witnesses.
pub const MAX_CHECKPOINT_BYTES: usize = 16 * 1024;
/// Longest answer of a time stamp authority in bytes.
pub const MAX_TIMESTAMP_BYTES: usize = 64 * 1024;
/// Most time stamps that the verifier checks: one an hour for eleven years.
pub const MAX_TIMESTAMPS: usize = 100_000;
/// Most signature lines that are looked at in one checkpoint.
pub const MAX_CHECKPOINT_SIGNATURES: usize = 32;
/// Longest name of a signing key or origin of a log in bytes.
pub const MAX_KEY_NAME_BYTES: usize = 200;
/// Longest context string of a signature over bytes.
pub const MAX_CONTEXT_BYTES: usize = 200;
/// Most names that the verifier accepts in one folder of the log.
pub const MAX_FOLDER_NAMES: usize = 4_000_000;

/// Longest JSON header of a recording in bytes.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Longest name in the header of a recording (session, plan, target, person, protocol, log origin).
pub const MAX_HEADER_NAME_BYTES: usize = 256;
/// Longest wrapped data key in the header of a recording.
pub const MAX_WRAPPED_KEY_BYTES: usize = 32 * 1024;
/// Most keys for which the data key of a recording is wrapped.
pub const MAX_RECIPIENTS: usize = 16;
/// Longest public key of a recipient in bytes; that of X25519 has 62.
pub const MAX_RECIPIENT_KEY_BYTES: usize = 128;
/// Most recordings in one request to view.
pub const MAX_REQUEST_RECORDINGS: usize = 32;
/// Longest request to view in bytes: each recording may bring a wrapped share of the longest kind.
pub const MAX_REQUEST_BYTES: usize = MAX_REQUEST_RECORDINGS * (2 * MAX_WRAPPED_KEY_BYTES) + 16 * 1024;
/// Longest line of words in a request to view (name, reason) in bytes.
pub const MAX_REQUEST_LINE_BYTES: usize = 2 * 1024;
/// Longest run of output bytes in one frame; longer runs are split by the encoder.
pub const MAX_FRAME_DATA_BYTES: usize = 32 * 1024;
/// Longest text in a frame (command, message, marker); longer text ends in an ellipsis.
pub const MAX_FRAME_TEXT_BYTES: usize = 8 * 1024;
/// Longest JSON of one file operation; longer is refused, because cut JSON is no JSON.
pub const MAX_FRAME_JSON_BYTES: usize = 24 * 1024;
/// Longest payload of a frame that a reader accepts.
pub const MAX_FRAME_PAYLOAD_BYTES: usize = 40 * 1024;
/// A batch of frames is full, and becomes a segment, from this size on.
pub const CUT_AT_BYTES: usize = 64 * 1024;
/// Longest decompressed segment: the last frame may begin just below [`CUT_AT_BYTES`].
pub const MAX_SEGMENT_PLAIN_BYTES: usize = CUT_AT_BYTES + MAX_FRAME_PAYLOAD_BYTES + 64;
/// Longest body of a segment in the file (compression can add a little, the cipher adds its tag).
pub const MAX_SEGMENT_BODY_BYTES: usize = MAX_SEGMENT_PLAIN_BYTES + 1024;
/// Bytes of the clear header before each segment's body.
pub const SEGMENT_HEADER_BYTES: usize = 37;
/// Bytes of the chain value after each segment's body.
pub const SEGMENT_TRAILER_BYTES: usize = 32;
/// Longest JSON of a seal in bytes.
pub const MAX_SEAL_BYTES: usize = 4 * 1024;
/// Longest cause in a seal in bytes; a longer one is cut, because a seal must never fail.
pub const MAX_CAUSE_BYTES: usize = 512;
/// Full batches of one recording that may wait for the packer; whoever has more to record waits for it.
pub const BATCHES_WAITING: usize = 4;
/// Bytes that a recording needs at most to end properly on a full disk: the batches that wait, the one that is being
/// filled, a segment that could not be written, and the seal.
pub const SEAL_RESERVE_BYTES: usize = (BATCHES_WAITING + 3)
    * (MAX_SEGMENT_BODY_BYTES + SEGMENT_HEADER_BYTES + SEGMENT_TRAILER_BYTES)
    + MAX_SEAL_BYTES
    + SEGMENT_HEADER_BYTES
    + SEGMENT_TRAILER_BYTES
    + 1024;
/// Most findings that a verdict lists; the rest is counted.
pub const MAX_FINDINGS: usize = 1000;
/// Longest session id in bytes; it becomes a file name and is checked before it does.
pub const MAX_SESSION_ID_BYTES: usize = 64;

/// Most files in an evidence bundle.
pub const MAX_ARCHIVE_FILES: usize = 100_000;
/// Longest manifest of an evidence bundle in bytes.
pub const MAX_MANIFEST_BYTES: usize = 32 * 1024 * 1024;
/// Longest document of an evidence bundle that is read as a whole (approvals, what was signed), in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// Most hashes of one proof: one for each bit of the size of a log.
pub const MAX_PROOF_HASHES: usize = 64;
/// Longest line of a file of proofs in bytes: a number, and each hash with the space before it.
pub const MAX_PROOF_LINE_BYTES: usize = 20 + MAX_PROOF_HASHES * 65;
/// Most consistency proofs in a bundle.
pub const MAX_CONSISTENCY_PROOFS: usize = 1024;
