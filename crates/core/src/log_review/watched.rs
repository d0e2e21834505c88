//! Which sessions somebody else really watched: only these are left out of the draw.
//!
//! A glance does not count, nor does a view by whoever worked, by somebody of the same vendor, or by a program.

use super::SessionBrief;
use crate::facts::{Entry, Fact, ViewMode};
use crate::ids::{PersonId, SessionId, VendorId};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The percentage of a session's length for which one person must have had it before them, so that it counts as watched.
pub const WATCHED_PERCENT: u64 = 50;

/// How long one person has had a session before them.
#[derive(Clone, Debug, Default)]
struct Sight {
    vendor: Option<VendorId>,
    /// Views under way at once; several pages of one person count once.
    open: u32,
    since: Timestamp,
    millis: u64,
}

/// All views, as the entries of the log tell them.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    sights: BTreeMap<SessionId, BTreeMap<PersonId, Sight>>,
}

impl Watching {
    /// Takes an entry; what tells of no view is passed over.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::ViewBegan { session, mode } if *mode != ViewMode::Export => {
                let Some(person) = entry.actor.person.clone().filter(|_| entry.actor.token.is_none()) else { return };
                let sight = self.sights.entry(session.clone()).or_default().entry(person).or_default();
                sight.vendor.clone_from(&entry.actor.vendor);
                if sight.open == 0 {
                    sight.since = entry.at;
                }
                sight.open = sight.open.saturating_add(1);
            }
            Fact::ViewEnded { session, mode } if *mode != ViewMode::Export => {
                let Some(sights) = self.sights.get_mut(session) else { return };
                match &entry.actor.person {
                    Some(_) if entry.actor.token.is_some() => {}
                    Some(person) => {
                        if let Some(sight) = sights.get_mut(person).filter(|sight| sight.open > 0) {
                            sight.open -= 1;
                            if sight.open == 0 {
                                sight.millis = sight.millis.saturating_add(sight.since.until(entry.at).as_millis().try_into().unwrap_or(u64::MAX));
                            }
                        }
                    }
                    // The start after a crash ends all views; nobody knows until when they lasted.
                    None => sights.values_mut().for_each(|sight| sight.open = 0),
                }
            }
            _ => {}
        }
    }

    /// Whether somebody other than the worker and their vendor had at least [`WATCHED_PERCENT`] of it before them.
    #[must_use]
    pub fn is_watched(&self, session: &SessionId, brief: Option<&SessionBrief>, ended: Timestamp) -> bool {
        let Some((brief, sights)) = brief.zip(self.sights.get(session)) else { return false };
        let length: u64 = brief.at.until(ended).as_millis().try_into().unwrap_or(u64::MAX);
        let needed = (length / 100).saturating_mul(WATCHED_PERCENT).max(1);
        sights.iter().any(|(person, sight)| {
            let is_other = brief.person.as_ref() != Some(person) && (brief.vendor.is_none() || sight.vendor != brief.vendor);
            is_other && sight.millis >= needed
        })
    }
}
