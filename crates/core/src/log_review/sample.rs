//! The draw: which of the sessions that nobody watched are looked at.
//!
//! The seed is the signature of the log's key over the name of the span and the root of the log at its end. Ed25519 gives one signature for
//! one text (RFC 8032 section 5.1.6), so the box does not choose among several; without the private key nobody knows before the list is made
//! whom a root would draw, and one more entry gives another draw, but none that its writer could prefer. An auditor checks the signature with
//! the public key of the log, and draws again with `sha256sum`: of each session the hash of
//! `sekisho/log-review/v2\nSPAN\nSEED\nSESSION`, the smallest first.

use crate::ids::SessionId;

/// What the hash of a draw begins with.
pub const SEED_CONTEXT: &str = "sekisho/log-review/v2";
/// Purpose of the signature that is the seed; one made for it holds for nothing else.
pub const DRAW_CONTEXT: &str = "log-review-draw/v1";

/// The text that is signed to get the seed of a span.
#[must_use]
pub fn seed_text(number: &str, root: &str) -> String {
    format!("{number}\n{root}\n")
}

/// How many of `all` are drawn at `percent`: at least one, if there is one.
#[must_use]
pub fn how_many(all: usize, percent: u32) -> usize {
    if all == 0 {
        return 0;
    }
    let share = all.saturating_mul(usize::try_from(percent).unwrap_or(100)).div_ceil(100);
    share.clamp(1, all)
}

/// A draw for one span.
pub struct Draw<'a> {
    /// Name of the span.
    pub number: &'a str,
    /// The signature over [`seed_text`], as it is written in the log.
    pub seed: &'a str,
    /// SHA-256, as hex.
    pub hash: &'a dyn Fn(&[u8]) -> String,
}

impl Draw<'_> {
    /// Draws `n` sessions.
    #[must_use]
    pub fn draw(&self, from: impl IntoIterator<Item = SessionId>, n: usize) -> Vec<SessionId> {
        let lot = |session: &SessionId| (self.hash)(format!("{SEED_CONTEXT}\n{}\n{}\n{session}", self.number, self.seed).as_bytes());
        let mut lots: Vec<(String, SessionId)> = from.into_iter().map(|session| (lot(&session), session)).collect();
        lots.sort();
        lots.into_iter().take(n).map(|(_, session)| session).collect()
    }
}
