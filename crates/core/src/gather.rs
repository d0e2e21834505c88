//! The seam between the listener for targets' logs and the store: whose lines these are, and where they go.

use crate::desk::Answer;
use crate::ids::LogSourceId;
use std::net::IpAddr;

/// How a certificate of a source of logs stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceStanding {
    /// No certificate of this number was ever issued here.
    Unknown,
    /// Its source was ended, or has another certificate in its place.
    Ended,
    /// Its source is in force.
    Good(LogSourceId),
}

/// Why somebody's lines were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwayWhy {
    /// No certificate, or none of ours.
    Chain,
    /// A certificate of ours that nobody knows.
    Unknown,
    /// One that has ended.
    Ended,
    /// In clear, from an address that is no source's.
    Address,
    /// The stream does not keep to the form.
    Form,
    /// All places for connections are taken by others.
    Full,
}

impl AwayWhy {
    /// The name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Address => "address",
            Self::Form => "form",
            Self::Full => "full",
        }
    }
}

/// Lines cannot be taken any more: the store is closed, or cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken;

/// What the listener for targets' logs may ask. Implemented by the store.
pub trait Gatherer: Send + Sync {
    /// The certificate (DER) of the authority that signs certificates of sources.
    fn authority(&self) -> Vec<u8>;

    /// How a certificate stands, by its serial number in small hexadecimal letters. Answers from memory.
    fn standing(&self, serial: &str) -> SourceStanding;

    /// The source of the legacy network that has this address. Answers from memory.
    fn legacy(&self, address: IpAddr) -> Option<LogSourceId>;

    /// Takes messages as they came, to be written down before anybody reads them. Waits while too many wait.
    fn take<'a>(&'a self, source: &'a LogSourceId, messages: Vec<Vec<u8>>) -> Answer<'a, Result<(), NotTaken>>;

    /// A connection of a source stands from here on, or has ended.
    fn linked(&self, source: &LogSourceId, stands: bool);

    /// Messages of a source were lost because it sent more than it may, by a way on which nobody can be made to wait.
    fn lost(&self, source: &LogSourceId, count: u64);

    /// Writes down that somebody was turned away; of many such only the first, and how many there were.
    fn turned_away<'a>(&'a self, from: IpAddr, why: AwayWhy) -> Answer<'a, ()>;
}
