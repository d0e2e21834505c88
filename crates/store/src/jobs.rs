//! What the box does by itself.

/// What the disk watch measured last.
#[derive(Default)]
pub(crate) struct Gauge {}
