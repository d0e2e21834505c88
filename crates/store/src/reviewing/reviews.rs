//! Reviews of the log: made by the clockwork, judged line by line, signed by an operator, confirmed by a planner.

use super::Schedule;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::calendar::business_deadline;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{LogReviewId, PersonId};
use sekisho_core::letter::Letter;
use sekisho_core::limits;
use sekisho_core::log_review::{Bounds, DRAW_CONTEXT, Draw, Known, LineSaid, LineVerdict, LogReview, LogReviewState, ReviewSigned, Screen, SessionBrief, how_many, seed_text};
use sekisho_core::people::{Actor, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::span::{Span, SpanKind};
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::sign_bytes;
use sekisho_evidence::log::Tree;
use serde::Serialize;
use sqlx::AnyConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Purpose of signatures beneath reviews; one made for it holds for nothing else.
const CONTEXT: &str = "log-review/v1";
/// Reviews that one list holds: four years of weeks.
const ROWS: i64 = 210;

impl Held for LogReview {
    const TABLE: &'static str = "log_reviews";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// A review with what its page shows besides it.
#[derive(Clone, Debug, Serialize)]
pub struct LogReviewView {
    /// The review.
    pub review: LogReview,
    /// SHA-256 of what would be signed at this moment, or was signed; hex.
    pub digest: String,
    /// The list is the one that the log's entry names.
    pub list_holds: bool,
    /// The signatures hold, and are beneath what is shown.
    pub signatures_hold: bool,
    /// The entries that its lines name.
    pub entries: BTreeMap<u64, Entry>,
}

/// Something that a person has to do about a review.
#[derive(Clone, Debug, Serialize)]
pub struct LogReviewDuty {
    /// Which.
    pub review: LogReview,
    /// `sign`, `confirm`, or `judge` for lines that the operators cannot judge because they are about them.
    pub what: &'static str,
    /// Lines that this person can judge and nobody has.
    pub lines: usize,
    /// By when.
    pub due: Timestamp,
    /// That has passed.
    pub late: bool,
}

fn digest_of(review: &LogReview) -> String {
    Digest::of(&review.signed_bytes()).to_string()
}

/// What was left behind by a pass over the log.
struct Found {
    first: Option<u64>,
    end: Option<u64>,
    root: Option<Digest>,
    known: Known,
    screen: Option<Screen>,
}

impl Found {
    /// Takes what has to be known of entries before the span.
    fn learn(&mut self, entry: Entry) {
        match entry.fact {
            Fact::Entered { session, plan, target_name, .. } => {
                let brief = SessionBrief { person: entry.actor.person, who: entry.actor.name, vendor: entry.actor.vendor, plan, target: target_name, at: entry.at };
                self.known.sessions.insert(session, brief);
            }
            Fact::PersonAdded { person, login, .. } => drop(self.known.logins.insert(login, person)),
            Fact::AlarmRaised { alarm, level, entry: raised_by, .. } => drop(self.known.alarms.insert(alarm, (level, raised_by))),
            Fact::AlarmClosed { alarm, .. } => drop(self.known.alarms.remove(&alarm)),
            Fact::ViewBegan { .. } | Fact::ViewEnded { .. } => self.known.watching.take(&entry),
            Fact::FileMoved { .. } | Fact::Left { .. } => self.known.moved(&entry),
            _ => {}
        }
    }
}

impl Store {
    /// The span of the last review that was opened.
    pub(super) async fn last_review(&self) -> Result<Option<Span>, Fault> {
        self.last_of("log_review_opened", |entry| if let Fact::LogReviewOpened { span, .. } = entry.fact { Some(span) } else { None }).await
    }

    /// The span that comes next.
    pub(super) async fn next_review(&self, schedule: &Schedule) -> Result<Span, Fault> {
        Ok(match self.last_review().await? {
            Some(last) => last.after(schedule.cycle),
            None => Span { from: schedule.from, until: Span::holding(schedule.cycle, schedule.from).until },
        })
    }

    /// Makes the list of a span that has ended.
    pub(super) async fn open_log_review(&self, kind: SpanKind, span: Span, rate: u32) -> Done<()> {
        let bounds = Bounds::of(self.policy());
        // A change that began before the end of the span is in the log before it is read.
        drop(self.inner.log.writer().lock().await);
        let mut found = Found { first: None, end: None, root: None, known: Known::default(), screen: None };
        let passage = self
            .read_log(|step| {
                if step.at < span.from {
                    if matches!(step.kind, "entered" | "left" | "file_moved" | "person_added" | "view_began" | "view_ended" | "alarm_raised" | "alarm_closed") {
                        found.learn(step.entry()?);
                    }
                    return Ok(());
                }
                if found.first.is_none() {
                    found.first = Some(step.seq);
                    found.screen = Some(Screen::new(bounds, std::mem::take(&mut found.known)));
                }
                let Some(screen) = &mut found.screen else { return Ok(()) };
                if step.at < span.until {
                    screen.take(&step.entry()?);
                    return Ok(());
                }
                if found.end.is_none() {
                    found.end = Some(step.seq);
                    found.root = Some(step.tree.root());
                }
                if matches!(step.kind, "alarm_acknowledged" | "alarm_closed" | "case_decided") {
                    screen.take_after(&step.entry()?);
                }
                Ok(())
            })
            .await?;
        // Nothing was written since: the head itself is the end of the span.
        let end = found.end.unwrap_or(passage.head.size);
        let first = found.first.unwrap_or(end);
        let root = found.root.unwrap_or_else(|| if end == 0 { Tree::new().root() } else { passage.head.root }).to_string();
        let number = span.name(kind);
        let mut screen = found.screen.unwrap_or_else(|| Screen::new(bounds, Known::default()));
        for (alarm, seq) in screen.unasked() {
            screen.authored(&alarm, self.entry_at(seq).await?.and_then(|entry| entry.actor.person));
        }
        let screened = screen.finish();
        let (ended, unwatched) = (screened.ended.len(), screened.unwatched.len());
        let hash = |bytes: &[u8]| Digest::of(bytes).to_string();
        let n = how_many(unwatched, rate).min(limits::LOG_REVIEW_SAMPLE);
        let seed = sign_bytes(&self.inner.keys.log(), DRAW_CONTEXT, seed_text(&number, &root).as_bytes()).map_err(|breach| Fault::Crypto(breach.to_string()))?.to_string();
        let sample = Draw { number: &number, seed: &seed, hash: &hash }.draw(screened.unwatched.iter().cloned(), n);
        let (lines, counts) = screened.with_sample(&sample);
        let mut tx = self.write(&Actor::system()).await?;
        let opened_at = tx.now();
        let due = business_deadline(opened_at.max(span.until), self.policy().log_review_days);
        let review = LogReview {
            id: random_id()?,
            number,
            kind,
            span,
            opened_at,
            due,
            first,
            end,
            root,
            seed,
            bounds: bounds.words(),
            rate,
            ended: ended as u64,
            unwatched: unwatched as u64,
            counts,
            lines,
            signed: None,
            confirm_due: None,
            confirmed: None,
        };
        sqlx::query("INSERT INTO log_reviews (id, number, from_at, state, body) VALUES ($1, $2, $3, 'open', '')").bind(review.id.as_str().to_owned()).bind(review.number.clone()).bind(span.from.0).execute(tx.sql()).await?;
        self.save_log_review(&mut tx, &review).await?;
        tx.fact(Fact::LogReviewOpened {
            review: review.id.clone(),
            number: review.number.clone(),
            span,
            first,
            end,
            root: review.root.clone(),
            seed: review.seed.clone(),
            lines: review.lines.len(),
            sample,
            due,
            digest: Digest::of(&review.listed_bytes()).to_string(),
        });
        let letter = self.review_letter(&review, "opened", due);
        self.mail_role(&mut tx, Role::Operator, None, &letter).await?;
        Ok(tx.commit().await?)
    }

    fn review_letter(&self, review: &LogReview, stage: &'static str, due: Timestamp) -> Letter {
        let grave = review.judged(LineVerdict::Mend) + review.judged(LineVerdict::Incident);
        Letter::Review { stage, number: review.number.clone(), span: review.span.ja(review.kind), lines: review.lines.len(), grave, due, url: format!("{}/log_reviews/{}", self.base_url(), review.id) }
    }

    /// Reviews of the log, the newest first.
    ///
    /// # Errors
    /// Without the right to read them.
    pub async fn log_reviews(&self, actor: &Actor) -> Done<Vec<LogReview>> {
        may(actor, Action::ReadLogReview, None)?;
        Ok(self.held_log_reviews("SELECT body, seal FROM log_reviews ORDER BY from_at DESC, id LIMIT $1").await?)
    }

    async fn held_log_reviews(&self, text: &'static str) -> Result<Vec<LogReview>, Fault> {
        let since = self.since();
        let rows = sqlx::query(text).bind(ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().filter_map(|row| self.held::<LogReview>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a review of the log is passed over")).ok()).collect())
    }

    /// Names of spans whose list the log tells of and whose row is gone or was changed by somebody else.
    ///
    /// # Errors
    /// Without the right to read reviews.
    pub async fn lost_log_reviews(&self, actor: &Actor) -> Done<Vec<String>> {
        use sqlx::Row;
        let held = self.log_reviews(actor).await?;
        let rows = sqlx::query("SELECT body FROM log WHERE kind = 'log_review_opened' ORDER BY seq DESC LIMIT $1").bind(ROWS).fetch_all(self.read()).await?;
        let mut lost = Vec::new();
        for row in rows {
            let entry: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body").map_err(Fault::from)?).map_err(Fault::from)?;
            if let Fact::LogReviewOpened { review, number, .. } = entry.fact
                && !held.iter().any(|one| one.id == review)
            {
                lost.push(number);
            }
        }
        Ok(lost)
    }

    /// One review, with the entries that its lines name.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`].
    pub async fn log_review(&self, actor: &Actor, id: &LogReviewId) -> Done<LogReviewView> {
        may(actor, Action::ReadLogReview, None)?;
        let mut conn = self.read().acquire().await?;
        let review = self.held_log_review(&mut conn, id).await?.ok_or(Refusal::NotFound)?;
        drop(conn);
        let digest = digest_of(&review);
        let listed = Digest::of(&review.listed_bytes()).to_string();
        let told = self.last_of("log_review_opened", |entry| if let Fact::LogReviewOpened { review, digest, .. } = entry.fact { (review == *id).then_some(digest) } else { None }).await?;
        let named: BTreeSet<u64> = review.lines.iter().flat_map(|line| line.seqs.iter().copied()).collect();
        let entries = self.entries_at(&named).await?;
        let signatures_hold = self.review_signatures_hold(&review, &digest);
        Ok(LogReviewView { list_holds: told.as_deref() == Some(listed.as_str()), signatures_hold, digest, entries, review })
    }

    /// A review with the digest of its list and judgements; `None` if its row is gone or was changed by somebody else.
    pub(crate) async fn review_paper(&self, id: &LogReviewId) -> Result<Option<(LogReview, String)>, Fault> {
        let mut conn = self.read().acquire().await?;
        match self.held_log_review(&mut conn, id).await {
            Ok(found) => Ok(found.map(|review| {
                let digest = digest_of(&review);
                (review, digest)
            })),
            Err(Fault::Damaged(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Reviews that are not confirmed, the oldest first: read and unsealed once, and again when one of them has changed.
    async fn waiting_reviews(&self) -> Result<Arc<Vec<LogReview>>, Fault> {
        // Looked at before the rows are read: a change that comes in between makes what is kept here old.
        let changes = self.inner.reviewing.changes.load(Ordering::SeqCst);
        let kept = self.inner.reviewing.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, held)) = kept
            && at == changes
        {
            return Ok(held);
        }
        let held = Arc::new(self.held_log_reviews("SELECT body, seal FROM log_reviews WHERE state <> 'confirmed' ORDER BY from_at, id LIMIT $1").await?);
        *self.inner.reviewing.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some((changes, Arc::clone(&held)));
        Ok(held)
    }

    fn sign_review(&self, act: &str, review: &LogReviewId, signed: &ReviewSigned) -> Result<String, Fault> {
        let signature = sign_bytes(&self.inner.keys.deciding(), CONTEXT, &signed.signed_bytes(act, review));
        signature.map(|signature| signature.to_string()).map_err(|breach| Fault::Crypto(breach.to_string()))
    }

    fn review_signatures_hold(&self, review: &LogReview, digest: &str) -> bool {
        let holds = |act: &str, signed: &ReviewSigned| {
            signed.digest == digest && self.signature_counts(CONTEXT, &signed.signed_bytes(act, &review.id), &signed.signature)
        };
        review.signed.as_ref().is_none_or(|signed| holds("sign", signed)) && review.confirmed.as_ref().is_none_or(|signed| holds("confirm", signed))
    }

    /// What this person has to do about reviews.
    ///
    /// # Errors
    /// A fault.
    pub async fn log_review_duties(&self, actor: &Actor) -> Done<Vec<LogReviewDuty>> {
        if actor.person.is_none() || actor.emergency || may(actor, Action::JudgeLogReview, None).is_err() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut duties = Vec::new();
        let mut operators = None;
        for review in self.waiting_reviews().await?.iter() {
            let Some(due) = review.waits_until() else { continue };
            let lines = review.lines.iter().filter(|line| line.judged.is_none() && review.may_judge(actor, line)).count();
            let is_for_others = review.state() == LogReviewState::Open && !actor.is(Role::Operator) && lines > 0;
            if is_for_others && operators.is_none() {
                operators = Some(self.operators().await?);
            }
            let what = match review.state() {
                LogReviewState::Open if actor.is(Role::Operator) && (lines > 0 || review.open_lines() == 0) => "sign",
                // Where all that is left is about those who judge, others are asked.
                LogReviewState::Open if is_for_others && is_left_over(review, operators.as_deref().unwrap_or_default()) => "judge",
                LogReviewState::Signed if actor.is(Role::Planner) && (self.policy().small_facility || !review.signed.as_ref().is_some_and(|signed| actor.is_person(&signed.by))) => "confirm",
                _ => continue,
            };
            duties.push(LogReviewDuty { late: now > due, lines, what, due, review: review.clone() });
        }
        Ok(duties)
    }

    /// The operators who may act.
    async fn operators(&self) -> Result<Vec<PersonId>, Fault> {
        let (since, now) = (self.since(), self.now());
        let rows = sqlx::query("SELECT body, seal FROM persons WHERE vendor IS NULL AND active = 1 ORDER BY id LIMIT $1").bind(super::PERSONS).fetch_all(self.read()).await?;
        let persons = rows.iter().filter_map(|row| self.held::<sekisho_core::people::Person>(row, since).ok());
        Ok(persons.filter(|person| person.may_act(now) && person.is(Role::Operator) && !person.emergency).map(|person| person.id).collect())
    }

    /// Judges lines.
    ///
    /// # Errors
    /// Without the right; as [`LogReview::judge`].
    pub async fn judge_log_review(&self, actor: &Actor, id: &LogReviewId, said: &[LineSaid]) -> Done<LogReview> {
        self.require(actor, Action::JudgeLogReview, None, "judge_log_review").await?;
        for one in said {
            check_text("note", &one.note)?;
        }
        let mut tx = self.by_person(actor).await?;
        let now = tx.now();
        let mut review = self.held_log_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let told = self.noting(actor, "judge_log_review", review.judge(actor, said, now)).await?;
        let mut facts: Vec<Fact> = told.into_iter().map(|one| Fact::LogReviewJudged { review: review.id.clone(), number: review.number.clone(), line: one.line, verdict: one.verdict, note: one.note }).collect();
        let Some(last) = facts.pop() else { return Ok(review) };
        facts.into_iter().for_each(|fact| tx.fact(fact));
        // The seal holds the number of the last of them, which is the one that the log knows the row by.
        self.save_log_review(&mut tx, &review).await?;
        tx.fact(last);
        tx.commit().await?;
        self.reviewing_changed();
        Ok(review)
    }

    /// Signs a review whose lines are all judged. `seen` is the digest that the page showed.
    ///
    /// # Errors
    /// Without the right; as [`LogReview::sign`].
    pub async fn sign_log_review(&self, actor: &Actor, id: &LogReviewId, seen: &str, remark: &str) -> Done<LogReview> {
        self.require(actor, Action::SignLogReview, None, "sign_log_review").await?;
        check_text("remark", remark)?;
        let mut tx = self.by_person(actor).await?;
        let now = tx.now();
        let mut review = self.held_log_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let digest = digest_of(&review);
        let due = business_deadline(now, self.policy().log_review_confirm_days);
        let done = review.sign(actor, seen, &digest, remark, due, now);
        self.noting(actor, "sign_log_review", done).await?;
        let signature = match &review.signed {
            Some(signed) => self.sign_review("sign", &review.id, signed)?,
            None => return Err(Refusal::LogReviewSigned.into()),
        };
        if let Some(signed) = &mut review.signed {
            signed.signature.clone_from(&signature);
        }
        self.save_log_review(&mut tx, &review).await?;
        tx.fact(Fact::LogReviewSigned { review: review.id.clone(), number: review.number.clone(), digest, signature, remark: remark.to_owned() });
        let letter = self.review_letter(&review, "signed", due);
        self.mail_role(&mut tx, Role::Planner, None, &letter).await?;
        tx.commit().await?;
        self.reviewing_changed();
        Ok(review)
    }

    /// Confirms a signed review.
    ///
    /// # Errors
    /// Without the right; as [`LogReview::confirm`]; [`Refusal::DigestChanged`] too if the operator's signature does not hold.
    pub async fn confirm_log_review(&self, actor: &Actor, id: &LogReviewId, seen: &str, remark: &str) -> Done<LogReview> {
        self.require(actor, Action::ConfirmLogReview, None, "confirm_log_review").await?;
        check_text("remark", remark)?;
        let mut tx = self.by_person(actor).await?;
        let now = tx.now();
        let mut review = self.held_log_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let digest = digest_of(&review);
        if review.signed.is_some() && !self.review_signatures_hold(&review, &digest) {
            return Err(Refusal::DigestChanged.into());
        }
        let done = review.confirm(actor, self.policy(), seen, &digest, remark, now);
        self.noting(actor, "confirm_log_review", done).await?;
        let (signature, deviation) = match &review.confirmed {
            Some(confirmed) => (self.sign_review("confirm", &review.id, confirmed)?, confirmed.deviation),
            None => return Err(Refusal::LogReviewSigned.into()),
        };
        if let Some(confirmed) = &mut review.confirmed {
            confirmed.signature.clone_from(&signature);
        }
        self.save_log_review(&mut tx, &review).await?;
        tx.fact(Fact::LogReviewConfirmed { review: review.id.clone(), number: review.number.clone(), digest, signature, remark: remark.to_owned(), deviation });
        tx.commit().await?;
        self.reviewing_changed();
        Ok(review)
    }

    /// Gives a signed review back to the operator.
    ///
    /// # Errors
    /// Without the right; as [`LogReview::give_back`].
    pub async fn return_log_review(&self, actor: &Actor, id: &LogReviewId, reason: &str) -> Done<LogReview> {
        self.require(actor, Action::ConfirmLogReview, None, "return_log_review").await?;
        check_text("reason", reason)?;
        let mut tx = self.by_person(actor).await?;
        let mut review = self.held_log_review(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let done = review.give_back(actor, reason);
        self.noting(actor, "return_log_review", done).await?;
        self.save_log_review(&mut tx, &review).await?;
        tx.fact(Fact::LogReviewReturned { review: review.id.clone(), number: review.number.clone(), reason: reason.to_owned() });
        let letter = self.review_letter(&review, "opened", review.due);
        self.mail_role(&mut tx, Role::Operator, None, &letter).await?;
        tx.commit().await?;
        self.reviewing_changed();
        Ok(review)
    }

    /// A change by a person: a token for automation judges and signs nothing.
    async fn by_person(&self, actor: &Actor) -> Done<Tx> {
        if actor.token.is_some() || actor.person.is_none() {
            return Err(Refusal::TokenNeedsPerson.into());
        }
        Ok(self.write(actor).await?)
    }

    /// Tells the log of a refusal that guards a right. The change that was begun is dropped by whoever returns with it.
    async fn noting<T>(&self, actor: &Actor, what: &str, done: Result<T, Refusal>) -> Done<T> {
        if let Err(refusal) = &done {
            let (store, actor, what, refusal) = (self.clone(), actor.clone(), what.to_owned(), refusal.clone());
            // The writer is held by the change that ends with this refusal.
            tokio::spawn(async move { store.note_refused_act(&actor, &what, &refusal).await });
        }
        Ok(done?)
    }

    /// Tells of reviews whose deadline has passed; gives the next deadline.
    pub(super) async fn tell_late_reviews(&self) -> Done<Timestamp> {
        let now = self.now();
        let mut next = Timestamp(i64::MAX);
        for review in self.held_log_reviews("SELECT body, seal FROM log_reviews WHERE state <> 'confirmed' ORDER BY from_at, id LIMIT $1").await? {
            let Some(due) = review.waits_until() else { continue };
            if now <= due {
                next = next.min(Timestamp(due.0 + 1));
                continue;
            }
            let (duty, stage) = if review.signed.is_some() { ("confirm", "confirm_late") } else { ("sign", "late") };
            let mut tx = self.write(&Actor::system()).await?;
            if self.note_late(&mut tx, format!("{duty}/{}/{}", review.id, due.0)).await? {
                tx.fact(Fact::DutyLate { duty: duty.into(), number: review.number.clone(), review: Some(review.id.clone()), report: None });
                let letter = self.review_letter(&review, stage, due);
                self.mail_role(&mut tx, Role::Planner, None, &letter).await?;
                if review.signed.is_none() {
                    self.mail_role(&mut tx, Role::Operator, None, &letter).await?;
                }
                tx.commit().await?;
            }
        }
        Ok(next)
    }

    async fn held_log_review(&self, conn: &mut AnyConnection, id: &LogReviewId) -> Result<Option<LogReview>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM log_reviews WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Saves a review that has a row. The next fact of the change must tell of it.
    async fn save_log_review(&self, tx: &mut Tx, review: &LogReview) -> Result<(), Fault> {
        let body = serde_json::to_string(review)?;
        sqlx::query("UPDATE log_reviews SET state = $2, body = $3 WHERE id = $1").bind(review.id.as_str().to_owned()).bind(review.state().as_str()).bind(body.clone()).execute(tx.sql()).await?;
        self.seal_row(tx, review, &body).await
    }
}

/// True if a line without a judgement is about all the operators there are: it waits for somebody else.
fn is_left_over(review: &LogReview, operators: &[PersonId]) -> bool {
    review.lines.iter().any(|line| line.judged.is_none() && operators.iter().all(|operator| line.about.contains(operator)))
}
