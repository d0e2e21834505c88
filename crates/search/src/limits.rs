//! The bounds of the search engine.

/// Plain bytes in one sealed block of a file. A read opens whole blocks, so this is the least that a read costs.
pub const BLOCK_BYTES: usize = 16 * 1024;
/// Opened blocks that are kept in memory, all files together: 16 MiB.
pub const BLOCKS_KEPT: usize = 1024;
/// Longest query in characters.
pub const QUERY_CHARS: usize = sekisho_core::limits::SEARCH_CHARS;
/// Most words of one query. Each costs a walk along the places of its pairs.
pub const QUERY_WORDS: usize = sekisho_core::limits::SEARCH_WORDS;
/// Longest text of one document in bytes; a longer one is cut, and its document says so with an ellipsis.
pub const DOCUMENT_BYTES: usize = 16 * 1024;
/// Hits on one page.
pub const PAGE_HITS: usize = sekisho_core::limits::PAGE_ROWS;
/// Pages of one search. Who has not found it by then needs another word, not another page.
pub const PAGES: usize = sekisho_core::limits::SEARCH_PAGES;
/// Memory of the writer in bytes; the engine refuses less.
pub const WRITER_BYTES: usize = 15_000_000;
/// Characters of a snippet before and after what was found.
pub const SNIPPET_BEFORE: usize = 60;
/// See [`SNIPPET_BEFORE`].
pub const SNIPPET_AFTER: usize = 140;
/// Characters of one line of a screen; a longer one is split.
pub const LINE_CHARS: usize = 2_000;
/// Rows that are remembered so that a screen that is drawn again and again is not taken again and again.
pub const ROWS_REMEMBERED: usize = 512;
/// Channels of one session whose screens are followed at once; beyond it the oldest is let go of.
pub const CHANNELS: usize = 64;
