//! Reviews of accounts (棚卸): begun by an administrator, answered by departments and vendors, closed at the deadline.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::ledger::{LEDGER_ROWS, bodies};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, ReviewId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::{check_line, check_text};
use sekisho_core::refusal::Refusal;
use sekisho_core::review::{Review, ReviewEnding, ReviewGroup, ReviewLine, ReviewMark, ReviewSaid, line_of};
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest time for answering.
const LONGEST: Duration = Duration::from_secs(92 * 24 * 3600);
/// Reviews that one list holds.
const ROWS: i64 = 100;

impl Held for Review {
    const TABLE: &'static str = "reviews";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// A department or vendor that will answer, before a review begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewPlace {
    /// The vendor, for a vendor's persons.
    pub vendor: Option<VendorId>,
    /// Name of the department or vendor.
    pub name: String,
    /// Number of accounts.
    pub accounts: usize,
    /// Names of the vendor's managers; empty if it has none, and then somebody of the hospital answers.
    pub managers: Vec<String>,
}

/// Who answers for a department, or for a vendor without manager.
#[derive(Clone, Debug)]
pub struct ReviewGroupAsk {
    /// The vendor, for a vendor's persons.
    pub vendor: Option<VendorId>,
    /// Name of the department; not looked at for a vendor.
    pub name: String,
    /// Somebody of the hospital; not needed for a vendor with a manager.
    pub reviewer: Option<PersonId>,
}

/// A review to begin.
#[derive(Clone, Debug)]
pub struct ReviewAsk {
    /// What it is called.
    pub title: String,
    /// Until when it can be answered.
    pub deadline: Timestamp,
    /// Who answers where.
    pub reviewers: Vec<ReviewGroupAsk>,
}

impl Store {
    /// The departments and vendors that a review would ask at this moment.
    ///
    /// # Errors
    /// Without the right to keep the ledgers.
    pub async fn review_places(&self, actor: &Actor) -> Done<Vec<ReviewPlace>> {
        may(actor, Action::KeepLedger, None)?;
        let rows = sqlx::query("SELECT body FROM persons WHERE active = 1 ORDER BY login LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let vendors = self.load_vendors(self.read()).await?;
        Ok(places(&reviewed(&rows)?, &|id| vendors.iter().find(|vendor| vendor.id == *id).map(|vendor| vendor.name.clone())))
    }

    /// Begins a review of all active accounts.
    ///
    /// # Errors
    /// Without the right; [`Refusal::ReviewRunning`]; the field that is wrong: each department needs a reviewer of the
    /// hospital, and each vendor one if it has no manager.
    pub async fn start_review(&self, actor: &Actor, ask: ReviewAsk) -> Done<Review> {
        self.require(actor, Action::KeepLedger, None, "start_review").await?;
        check_line("title", &ask.title)?;
        if ask.title.trim().is_empty() {
            return Err(Refusal::bad_field("title").into());
        }
        let by = actor.person.clone().ok_or(Refusal::NotAllowed)?;
        let last = self.last_uses().await?;
        let vendors = self.load_vendors(self.read()).await?;
        let id: ReviewId = random_id()?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        if ask.deadline <= now || now.plus(LONGEST) < ask.deadline {
            return Err(Refusal::bad_field("deadline").into());
        }
        if !sqlx::query("SELECT id FROM reviews WHERE closed = 0 LIMIT 1").fetch_all(tx.sql()).await?.is_empty() {
            return Err(Refusal::ReviewRunning.into());
        }
        let rows = sqlx::query("SELECT body FROM persons WHERE active = 1 ORDER BY login LIMIT $1").bind(LEDGER_ROWS).fetch_all(tx.sql()).await?;
        let persons = reviewed(&rows)?;
        if persons.len() > limits::REVIEW_LINES {
            return Err(Refusal::too_many("REVIEW_LINES").into());
        }
        let found = places(&persons, &|id| vendors.iter().find(|vendor| vendor.id == *id).map(|vendor| vendor.name.clone()));
        let mut groups = Vec::with_capacity(found.len());
        for place in found {
            let named = ask.reviewers.iter().find(|one| one.vendor == place.vendor && (one.vendor.is_some() || one.name == place.name)).and_then(|one| one.reviewer.clone());
            let by_managers = place.vendor.is_some() && !place.managers.is_empty();
            let reviewer = match named {
                _ if by_managers => None,
                Some(reviewer) => persons.iter().find(|person| person.id == reviewer && person.vendor.is_none() && person.robot.is_none() && person.may_act(now)),
                None => None,
            };
            if reviewer.is_none() && !by_managers {
                return Err(Refusal::bad_field("reviewer").into());
            }
            let lines: Vec<ReviewLine> = persons.iter().filter(|person| belongs(person, &place)).map(|person| line_of(person, last.get(person.id.as_str()).copied())).collect();
            groups.push(ReviewGroup {
                reviewer_name: reviewer.map_or_else(|| place.managers.join("、"), |person| person.name.clone()),
                reviewer: reviewer.map(|person| person.id.clone()),
                vendor: place.vendor,
                name: place.name,
                signed: None,
                lines,
            });
        }
        let review = Review { id, title: ask.title, started: ReviewMark { by, name: actor.name.clone(), at: now }, deadline: ask.deadline, closed_at: None, groups };
        sqlx::query("INSERT INTO reviews (id, closed, deadline, body) VALUES ($1, 0, $2, '')").bind(review.id.as_str().to_owned()).bind(review.deadline.0).execute(tx.sql()).await?;
        self.save_review(&mut tx, &review).await?;
        tx.fact(Fact::ReviewStarted { review: review.id.clone(), title: review.title.clone(), lines: review.count().lines, deadline: review.deadline });
        tx.commit().await?;
        Ok(review)
    }

    /// The reviews that the actor may see, the newest first: all for those who read the ledger, those with a part of their
    /// own for the others, and of these no other part.
    ///
    /// # Errors
    /// A fault.
    pub async fn reviews(&self, actor: &Actor) -> Done<Vec<Review>> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM reviews ORDER BY deadline DESC, id LIMIT $1").bind(ROWS).fetch_all(self.read()).await?;
        let sound = |row: &AnyRow| self.held::<Review>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a review is passed over")).ok();
        let whole = may(actor, Action::ReadLedger, None).is_ok();
        let all = rows.iter().filter_map(sound);
        Ok(all.filter(|review| whole || review.groups.iter().any(|group| group.is_of(actor))).collect())
    }

    /// One review. Somebody who does not read the ledger is shown their own part alone, the numbers of the others left.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn review(&self, actor: &Actor, id: &ReviewId) -> Done<Review> {
        let mut review = self.reviews(actor).await?.into_iter().find(|review| review.id == *id).ok_or(Refusal::NotFound)?;
        if may(actor, Action::ReadLedger, None).is_err() {
            for group in review.groups.iter_mut().filter(|group| !group.is_of(actor)) {
                group.lines.clear();
                group.name.clear();
                group.reviewer_name.clear();
            }
        }
        Ok(review)
    }

    /// Answers for accounts of one part, and signs beneath them.
    ///
    /// # Errors
    /// As [`Review::answer`].
    pub async fn answer_review(&self, actor: &Actor, id: &ReviewId, group: usize, said: Vec<ReviewSaid>, sign: bool) -> Done<Review> {
        for one in &said {
            check_text("reason", &one.reason)?;
        }
        if actor.token.is_some() {
            return Err(Refusal::TokenNeedsPerson.into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let mut review = self.held_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let seen = may(actor, Action::ReadLedger, None).is_ok() || review.groups.iter().any(|group| group.is_of(actor));
        if !seen {
            return Err(Refusal::NotFound.into());
        }
        let before = review.clone();
        review.answer(group, actor, &said, sign, now)?;
        let name = review.groups.get(group).map(|group| group.name.clone()).unwrap_or_default();
        // Only what this act changed is told: an answer that stood already has its own line in the log.
        let held = before.groups.get(group);
        let is_new = |one: &ReviewSaid| {
            let answer = held.and_then(|group| group.lines.iter().find(|line| line.person == one.person)).and_then(|line| line.answer.as_ref());
            answer.is_none_or(|answer| answer.verdict != one.verdict || answer.reason != one.reason)
        };
        let answers: Vec<ReviewSaid> = said.into_iter().filter(is_new).collect();
        if answers.is_empty() && !sign {
            return Ok(review);
        }
        self.save_review(&mut tx, &review).await?;
        tx.fact(Fact::ReviewAnswered { review: review.id.clone(), group: name, answers, signed: sign });
        tx.commit().await?;
        Ok(review)
    }

    /// Closes a review before its deadline.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`]; [`Refusal::ReviewOver`].
    pub async fn close_review(&self, actor: &Actor, id: &ReviewId) -> Done<Review> {
        self.require(actor, Action::KeepLedger, None, "close_review").await?;
        let mut tx = self.write(actor).await?;
        let review = self.held_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if review.closed_at.is_some() {
            return Err(Refusal::ReviewOver.into());
        }
        let review = self.finish_review(&mut tx, review).await?;
        tx.commit().await?;
        Ok(review)
    }

    /// Disables, in one act, the accounts of a closed review that nobody answered for, or that are to end. The actor's own
    /// and the last administrator's stay. Gives the names of those that were disabled.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`]; [`Refusal::WrongState`]-like [`Refusal::ReviewRunning`] before it is closed.
    pub async fn disable_reviewed(&self, actor: &Actor, id: &ReviewId, which: ReviewEnding) -> Done<Vec<PersonId>> {
        self.require(actor, Action::KeepLedger, None, "disable_reviewed").await?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let mut review = self.held_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if review.closed_at.is_none() {
            return Err(Refusal::ReviewRunning.into());
        }
        let mut done = Vec::new();
        for person in review.to_disable(which) {
            if actor.is_person(&person) {
                continue;
            }
            let Some(held) = self.load_person(tx.sql(), &person).await?.filter(|held| held.active && !held.emergency) else { continue };
            if self.disable_account(&mut tx, &held).await?.is_some() {
                done.push(person);
            }
        }
        for line in review.groups.iter_mut().flat_map(|group| group.lines.iter_mut()).filter(|line| done.contains(&line.person)) {
            line.disabled_at = Some(now);
        }
        self.save_review(&mut tx, &review).await?;
        tx.fact(Fact::ReviewDisabled { review: review.id.clone(), which, persons: done.clone() });
        tx.commit().await?;
        Ok(done)
    }

    /// Closes the reviews whose deadline has passed.
    pub(crate) async fn close_reviews(&self) -> Done<()> {
        let (now, since) = (self.now(), self.since());
        let rows = sqlx::query("SELECT body, seal FROM reviews WHERE closed = 0 AND deadline <= $1").bind(now.0).fetch_all(self.read()).await?;
        for row in &rows {
            let Ok(review) = self.held::<Review>(row, since) else { continue };
            let mut tx = self.write(&Actor::system()).await?;
            if let Some(review) = self.held_review(tx.sql(), &review.id).await?.filter(|review| review.closed_at.is_none()) {
                self.finish_review(&mut tx, review).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    async fn finish_review(&self, tx: &mut Tx, mut review: Review) -> Result<Review, Fault> {
        review.closed_at = Some(tx.now());
        self.save_review(tx, &review).await?;
        let digest = Digest::of(serde_json::to_string(&review)?.as_bytes()).to_string();
        tx.fact(Fact::ReviewClosed { review: review.id.clone(), count: review.count(), digest });
        Ok(review)
    }

    async fn held_review(&self, conn: &mut AnyConnection, id: &ReviewId) -> Result<Option<Review>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM reviews WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Saves a review that has a row. The next fact of the change must tell of it.
    async fn save_review(&self, tx: &mut Tx, review: &Review) -> Result<(), Fault> {
        let body = serde_json::to_string(review)?;
        sqlx::query("UPDATE reviews SET closed = $2, deadline = $3, body = $4 WHERE id = $1")
            .bind(review.id.as_str().to_owned())
            .bind(i64::from(review.closed_at.is_some()))
            .bind(review.deadline.0)
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, review, &body).await
    }
}

/// Those whom a review asks about. An emergency account belongs to nobody who could be asked: its envelopes are looked at,
/// and each of its uses is reviewed.
fn reviewed(rows: &[AnyRow]) -> Result<Vec<Person>, Fault> {
    Ok(bodies::<Person>(rows)?.into_iter().filter(|person| !person.emergency).collect())
}

/// Persons of the hospital without a department answer together.
const NO_DEPARTMENT: &str = "所属なし";

fn department(person: &Person) -> &str {
    if person.department.trim().is_empty() { NO_DEPARTMENT } else { person.department.trim() }
}

fn belongs(person: &Person, place: &ReviewPlace) -> bool {
    match &place.vendor {
        Some(vendor) => person.vendor.as_ref() == Some(vendor),
        None => person.vendor.is_none() && department(person) == place.name,
    }
}

/// Departments by name, then vendors by name.
fn places(persons: &[Person], name_of: &dyn Fn(&VendorId) -> Option<String>) -> Vec<ReviewPlace> {
    let mut departments: BTreeMap<&str, usize> = BTreeMap::new();
    let mut vendors: BTreeMap<(String, VendorId), (usize, Vec<String>)> = BTreeMap::new();
    for person in persons {
        match &person.vendor {
            None => *departments.entry(department(person)).or_default() += 1,
            Some(vendor) => {
                let held = vendors.entry((name_of(vendor).unwrap_or_else(|| vendor.to_string()), vendor.clone())).or_default();
                held.0 += 1;
                if person.is(Role::VendorManager) && person.robot.is_none() {
                    held.1.push(person.name.clone());
                }
            }
        }
    }
    let of_hospital = departments.into_iter().map(|(name, accounts)| ReviewPlace { vendor: None, name: name.to_owned(), accounts, managers: Vec::new() });
    of_hospital.chain(vendors.into_iter().map(|((name, vendor), (accounts, managers))| ReviewPlace { vendor: Some(vendor), name, accounts, managers })).collect()
}
