//! Files of a form that came back with errors: a browser does not choose them again by itself, so they wait here for the
//! next sending. In memory only, for their owner only, for a while only.

use super::written;
use crate::call::Call;
use crate::form::Upload;
use crate::stop::Stop;
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const LIFETIME: Duration = Duration::from_secs(limits::FORM_FILES_SECONDS as u64);

/// The files of one form.
struct Kept {
    number: u64,
    owner: PersonId,
    at: Timestamp,
    files: Vec<Upload>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.files.iter().map(|file| file.bytes.len()).sum()
    }
}

/// All of them, the oldest first.
#[derive(Default)]
pub(crate) struct KeptFiles {
    state: Mutex<(u64, VecDeque<Kept>)>,
}

/// What the form shows of a file that waits.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub(super) struct KeptView {
    pub place: usize,
    pub name: String,
    pub size: String,
}

impl KeptFiles {
    fn lock(&self, now: Timestamp) -> MutexGuard<'_, (u64, VecDeque<Kept>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.retain(|kept| kept.at <= now && kept.at.until(now) < LIFETIME);
        state
    }

    /// Keeps files and gives the number by which the form asks for them. They push out older ones: of the same person
    /// beyond [`limits::FORM_FILES_SETS`], of anybody beyond [`limits::FORM_FILES_BYTES`].
    fn keep(&self, owner: &PersonId, files: Vec<Upload>, now: Timestamp) -> u64 {
        let mut state = self.lock(now);
        let (last, all) = &mut *state;
        *last += 1;
        all.push_back(Kept { number: *last, owner: owner.clone(), at: now, files });
        while all.iter().filter(|kept| kept.owner == *owner).count() > limits::FORM_FILES_SETS {
            match all.iter().position(|kept| kept.owner == *owner) {
                Some(place) => drop(all.remove(place)),
                None => break,
            }
        }
        while all.iter().map(Kept::bytes).sum::<usize>() > limits::FORM_FILES_BYTES {
            all.pop_front();
        }
        *last
    }

    /// The files of a form; `None` if they are not there any more, or are somebody else's.
    fn of(&self, owner: &PersonId, number: u64, now: Timestamp) -> Option<Vec<Upload>> {
        let state = self.lock(now);
        state.1.iter().find(|kept| kept.number == number && kept.owner == *owner).map(|kept| kept.files.clone())
    }

    fn forget(&self, owner: &PersonId, number: u64, now: Timestamp) {
        self.lock(now).1.retain(|kept| kept.number != number || kept.owner != *owner);
    }
}

/// The files that a form brings: those chosen for this sending, and those of an earlier one that are still wanted.
pub(super) struct Brought {
    pub files: Vec<Upload>,
    /// Files of an earlier sending were wanted and are gone.
    pub lost: bool,
}

fn number(call: &Call) -> Option<u64> {
    call.form().text("kept_files").parse().ok()
}

fn owner(call: &Call) -> Result<&PersonId, Stop> {
    call.ctx.actor()?.person.as_ref().ok_or_else(Stop::not_found)
}

/// Gathers the files of a form.
pub(super) fn brought(call: &Call) -> Result<Brought, Stop> {
    let wanted: Vec<usize> = call.form().all("keep_file").iter().filter_map(|place| place.parse().ok()).take(limits::PLAN_ATTACHMENTS).collect();
    let mut brought = Brought { files: Vec::new(), lost: false };
    if !wanted.is_empty() {
        let kept = number(call).and_then(|number| Some((number, owner(call).ok()?))).and_then(|(number, owner)| call.ctx.house.kept_files.of(owner, number, call.ctx.now()));
        match kept {
            Some(files) => brought.files = files.into_iter().enumerate().filter(|(place, _)| wanted.contains(place)).map(|(_, file)| file).collect(),
            None => brought.lost = true,
        }
    }
    brought.files.extend(call.form().files().iter().cloned());
    Ok(brought)
}

/// Lets the files of a form that comes back wait for the next sending: its number, and what it shows. A file that is too
/// large is not among them.
pub(super) fn wait(call: &Call, files: Vec<Upload>) -> Result<Option<(u64, Vec<KeptView>)>, Stop> {
    done(call)?;
    let mut files: Vec<Upload> = files.into_iter().filter(|file| !file.bytes.is_empty() && file.bytes.len() <= limits::ATTACHMENT_BYTES).take(limits::PLAN_ATTACHMENTS).collect();
    let mut room = super::new::UPLOAD_BYTES;
    files.retain(|file| {
        let fits = file.bytes.len() <= room;
        room = room.saturating_sub(file.bytes.len());
        fits
    });
    if files.is_empty() {
        return Ok(None);
    }
    let shown = files.iter().enumerate().map(|(place, file)| KeptView { place, name: file.name.clone(), size: written::size(file.bytes.len() as u64) }).collect();
    Ok(Some((call.ctx.house.kept_files.keep(owner(call)?, files, call.ctx.now()), shown)))
}

/// Forgets the files that this sending named: they are attached, or wait under a new number.
pub(super) fn done(call: &Call) -> Result<(), Stop> {
    if let Some(number) = number(call) {
        call.ctx.house.kept_files.forget(owner(call)?, number, call.ctx.now());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    fn file(bytes: usize) -> Vec<Upload> {
        vec![Upload { field: "attachments".into(), name: "手順書.pdf".into(), bytes: Bytes::from(vec![7; bytes]) }]
    }

    #[test]
    fn files_wait_for_their_owner_alone_and_not_for_ever() {
        let (one, other) = (PersonId::from_random([1; 10]), PersonId::from_random([2; 10]));
        let (kept, now) = (KeptFiles::default(), Timestamp(1_000_000));
        let number = kept.keep(&one, file(3), now);
        assert_eq!(kept.of(&one, number, now).unwrap().len(), 1);
        assert!(kept.of(&other, number, now).is_none() && kept.of(&one, number + 1, now).is_none());
        kept.forget(&other, number, now);
        assert!(kept.of(&one, number, now.plus(LIFETIME - Duration::from_secs(1))).is_some());
        assert!(kept.of(&one, number, now.plus(LIFETIME)).is_none());
        assert!(kept.of(&one, number, now).is_none(), "what is over is gone");
    }

    #[test]
    fn they_are_bounded_for_each_person_and_in_all() {
        let person = |n: u8| PersonId::from_random([n; 10]);
        let (kept, now) = (KeptFiles::default(), Timestamp(1_000_000));
        let numbers: Vec<u64> = (0..=limits::FORM_FILES_SETS).map(|_| kept.keep(&person(1), file(3), now)).collect();
        assert!(kept.of(&person(1), numbers[0], now).is_none() && numbers.iter().skip(1).all(|number| kept.of(&person(1), *number, now).is_some()));
        let rounds = limits::FORM_FILES_BYTES / limits::ATTACHMENT_BYTES + 1;
        let large: Vec<u64> = (0..rounds).map(|n| kept.keep(&person(10 + n as u8), file(limits::ATTACHMENT_BYTES), now)).collect();
        assert!(kept.of(&person(10), large[0], now).is_none() && kept.of(&person(10 + rounds as u8 - 1), large[rounds - 1], now).is_some());
        assert!(kept.state.lock().unwrap().1.iter().map(Kept::bytes).sum::<usize>() <= limits::FORM_FILES_BYTES);
    }
}
