//! Reports on months and years: counted from the entries of the log, issued once for each edition, and taken note of.

use super::first_span;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::alarm::Thresholds;
use sekisho_core::calendar::business_deadline;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PeriodReportId, VendorId};
use sekisho_core::letter::Letter;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role, Vendor, Via};
use sekisho_core::period_report::{Before, Content, Counted, Counter, PeriodReport};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::span::{Span, SpanKind};
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::Serialize;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;

/// Reports that one list holds.
const ROWS: i64 = 500;

impl Held for PeriodReport {
    const TABLE: &'static str = "period_reports";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// A report with what its page shows besides it.
#[derive(Clone, Debug, Serialize)]
pub struct PeriodReportView {
    /// The report.
    pub report: PeriodReport,
    /// It is what the log's entry names.
    pub holds: bool,
    /// Number of that entry.
    pub entry: Option<u64>,
    /// A newer edition, if there is one.
    pub newer: Option<PeriodReportId>,
    /// True if the reader is one of those who take note of it, and nobody has.
    pub waits: bool,
}

/// A report that was counted a second time.
#[derive(Clone, Debug, Serialize)]
pub struct Recount {
    /// Its number.
    pub number: String,
    /// Its edition.
    pub edition: u32,
    /// The log's entry names this very report.
    pub holds: bool,
    /// Counting the same entries again gives the same content.
    pub same: bool,
    /// Entries that were counted.
    pub entries: u64,
}

/// One reader's counters: of the span, and of the one before it.
struct Desk {
    vendor: Option<Vendor>,
    before: Option<Counter>,
    within: Option<Counter>,
}

/// What was counted for one reader.
struct Page {
    vendor: Option<Vendor>,
    content: Content,
    before: Option<Content>,
}

struct Counting {
    counted: Counted,
    pages: Vec<Page>,
}

/// The same content without what was looked up beside the log: titles and names.
fn bare(mut content: Content) -> Content {
    content.jobs.iter_mut().for_each(|job| job.title.clear());
    content.vendors.iter_mut().for_each(|row| row.name.clone_from(&row.key));
    content
}

fn number_of(kind: SpanKind, span: Span, vendor: Option<&VendorId>) -> String {
    let name = span.name(kind);
    match vendor {
        None => format!("{name}-H"),
        Some(vendor) => format!("{name}-V-{}", vendor.as_str().get(4..10).unwrap_or_default()),
    }
}

/// A vendor has its reports counted again once in this time.
const VENDOR_RECOUNT: std::time::Duration = std::time::Duration::from_secs(600);

impl Store {
    /// The span of this kind that comes next.
    pub(super) async fn next_report(&self, kind: SpanKind, scheduled: Timestamp, began: Timestamp) -> Result<Span, Fault> {
        // What somebody had issued by hand is beside the turn: neither its span nor any before it is left out for it.
        let issued = |entry: sekisho_core::facts::Entry| match entry.fact {
            Fact::ReportIssued { span, vendor: None, number, .. } if entry.actor.via == Via::System && number == number_of(kind, span, None) => Some((entry.seq, span)),
            _ => None,
        };
        let rows = sqlx::query("SELECT body FROM log WHERE kind = 'report_issued' ORDER BY seq DESC LIMIT 5000").fetch_all(self.read()).await?;
        let mut last: Option<Span> = None;
        for row in rows {
            if let Some((_, span)) = issued(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?) {
                last = Some(last.map_or(span, |held| held.max(span)));
            }
        }
        Ok(last.map_or_else(|| first_span(kind, scheduled, began), |span| span.after(kind)))
    }

    /// Counts a span for the hospital and for these vendors, in one pass over the log.
    async fn count_span(&self, kind: SpanKind, span: Span, vendors: &[Vendor], hospital: bool) -> Result<Counting, Fault> {
        let hours = Thresholds::of(self.policy());
        let prior = span.before(kind);
        let mut desks: Vec<Desk> = hospital.then_some(None).into_iter().chain(vendors.iter().map(Some)).map(|vendor| Desk { vendor: vendor.cloned(), before: None, within: None }).collect();
        let (mut history, mut first, mut end, mut reached) = (Before::default(), None, None, false);
        let (mut in_prior, mut in_span) = (false, false);
        let passage = self
            .read_log(|step| {
                reached |= step.seq == 0 && step.at < prior.until;
                if step.at >= prior.from && step.at < span.from && !in_prior {
                    in_prior = true;
                    for desk in &mut desks {
                        let vendor = desk.vendor.as_ref().map(|vendor| vendor.id.clone());
                        desk.before = Some(Counter::new(kind, prior, vendor.clone(), hours, history.of(vendor.as_ref())));
                    }
                }
                if step.at >= span.from && !in_span {
                    in_span = true;
                    first = Some(step.seq);
                    for desk in &mut desks {
                        let vendor = desk.vendor.as_ref().map(|vendor| vendor.id.clone());
                        desk.within = Some(Counter::new(kind, span, vendor.clone(), hours, history.of(vendor.as_ref())));
                    }
                }
                if step.at >= span.until {
                    end = end.or(Some(step.seq));
                    return Ok(());
                }
                if step.at >= span.from {
                    let entry = step.entry()?;
                    desks.iter_mut().filter_map(|desk| desk.within.as_mut()).for_each(|counter| counter.take(&entry));
                } else if step.at >= prior.from {
                    let entry = step.entry()?;
                    desks.iter_mut().filter_map(|desk| desk.before.as_mut()).for_each(|counter| counter.take(&entry));
                    history.take(&entry);
                } else if matches!(step.kind, "person_added" | "plan_drawn" | "plan_acted" | "entered" | "left") {
                    history.take(&step.entry()?);
                }
                Ok(())
            })
            .await?;
        let end = end.unwrap_or(passage.head.size);
        let first = first.unwrap_or(end);
        let pages = desks
            .into_iter()
            .map(|desk| {
                let id = desk.vendor.as_ref().map(|vendor| vendor.id.clone());
                let within = desk.within.unwrap_or_else(|| Counter::new(kind, span, id.clone(), hours, history.of(id.as_ref())));
                let before = desk.before.map(Counter::finish).or_else(|| reached.then(Content::default));
                Page { vendor: desk.vendor, content: within.finish(), before }
            })
            .collect();
        Ok(Counting { counted: Counted { first, end, size: passage.head.size, root: passage.head.root.to_string(), note: passage.note }, pages })
    }

    /// Puts the names into the content that people know things by.
    async fn name_content(&self, content: &mut Content, vendors: &[Vendor]) -> Result<(), Fault> {
        for row in &mut content.vendors {
            if let Some(vendor) = vendors.iter().find(|vendor| vendor.id.as_str() == row.key) {
                row.name.clone_from(&vendor.name);
            }
        }
        for job in &mut content.jobs {
            // A plan that somebody damaged has no title here; its number is the log's.
            job.title = match self.load_plan(self.read(), &job.plan).await {
                Ok(plan) => plan.map(|plan| plan.content.title).unwrap_or_default(),
                Err(Fault::Damaged(_)) => String::new(),
                Err(fault) => return Err(fault),
            };
        }
        Ok(())
    }

    async fn draw_up(&self, kind: SpanKind, span: Span, page: Page, counted: &Counted, edition: u32, reason: &str) -> Result<PeriodReport, Fault> {
        let vendors = self.load_vendors(self.read()).await?;
        let mut content = page.content;
        self.name_content(&mut content, &vendors).await?;
        let number = number_of(kind, span, page.vendor.as_ref().map(|vendor| &vendor.id));
        Ok(PeriodReport {
            id: random_id()?,
            number,
            edition,
            kind,
            span,
            vendor: page.vendor.as_ref().map(|vendor| vendor.id.clone()),
            vendor_name: page.vendor.map(|vendor| vendor.name).unwrap_or_default(),
            issued_at: Timestamp(0),
            reason: reason.to_owned(),
            counted: counted.clone(),
            content,
            before: page.before.map(|content| content.numbers),
            digest: String::new(),
            due: Timestamp(0),
            taken: None,
        })
    }

    /// Issues the reports of a span that has ended: the hospital's, and one for each vendor that has anything to read in it.
    pub(super) async fn issue_in_turn(&self, kind: SpanKind, span: Span) -> Done<()> {
        let vendors = self.load_vendors(self.read()).await?;
        let counting = self.count_span(kind, span, &vendors, true).await?;
        let mut reports = Vec::new();
        for page in counting.pages {
            if page.vendor.is_none() || !Counter::is_empty(&page.content) {
                reports.push(self.draw_up(kind, span, page, &counting.counted, 1, "").await?);
            }
        }
        let mut tx = self.write(&Actor::system()).await?;
        for report in reports {
            // Where somebody had one issued by hand before, the regular one is its next edition.
            let edition = self.last_edition(tx.sql(), &report.number).await?.map_or(1, |last| last.edition.saturating_add(1));
            self.issue_edition(&mut tx, PeriodReport { edition, ..report }).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Writes an edition, as part of a change.
    async fn issue_edition(&self, tx: &mut Tx, mut report: PeriodReport) -> Result<PeriodReport, Fault> {
        report.issued_at = tx.now();
        report.due = business_deadline(report.issued_at, self.policy().report_note_days);
        report.digest = Digest::of(&report.issued_bytes()).to_string();
        sqlx::query("INSERT INTO period_reports (id, number, edition, from_at, vendor, noted, body) VALUES ($1, $2, $3, $4, $5, 0, '')")
            .bind(report.id.as_str().to_owned())
            .bind(report.number.clone())
            .bind(i64::from(report.edition))
            .bind(report.span.from.0)
            .bind(report.vendor.as_ref().map(|vendor| vendor.as_str().to_owned()))
            .execute(tx.sql())
            .await?;
        self.save_period_report(tx, &report).await?;
        tx.fact(Fact::ReportIssued {
            report: report.id.clone(),
            number: report.number.clone(),
            edition: report.edition,
            vendor: report.vendor.clone(),
            span: report.span,
            first: report.counted.first,
            end: report.counted.end,
            size: report.counted.size,
            root: report.counted.root.clone(),
            digest: report.digest.clone(),
        });
        self.mail_report(tx, &report, false).await?;
        Ok(report)
    }

    async fn mail_report(&self, tx: &mut Tx, report: &PeriodReport, late: bool) -> Result<(), Fault> {
        let letter = Letter::Report {
            number: format!("{}(第{}版)", report.number, report.edition),
            span: report.span.ja(report.kind),
            vendor: report.vendor_name.clone(),
            due: report.due,
            late,
            url: format!("{}/reports/{}", self.base_url(), report.id),
        };
        match &report.vendor {
            None => self.mail_role(tx, Role::Planner, None, &letter).await?,
            Some(vendor) => self.mail_role(tx, Role::VendorManager, Some(vendor.as_str()), &letter).await?,
        };
        Ok(())
    }

    /// Issues the report on a span at once, or another edition of it. If it would say the same as the last one, that one is given, and false.
    ///
    /// # Errors
    /// Without the right; [`Refusal::SpanNotOver`]; [`Refusal::NotFound`] for a vendor that is not there; [`Refusal::ReasonNeeded`] for
    /// another edition.
    pub async fn issue_report(&self, actor: &Actor, kind: SpanKind, span: Span, vendor: Option<&VendorId>, reason: &str) -> Done<(PeriodReport, bool)> {
        self.require(actor, Action::IssueReport, None, "issue_report").await?;
        check_text("reason", reason)?;
        let _turn = self.inner.reviewing.turn.lock().await;
        let began = self.log_began().await?.ok_or(Refusal::SpanNotOver)?;
        if kind == SpanKind::Week || span != Span::holding(kind, span.from) || self.now() < span.until || span.until <= began {
            return Err(Refusal::SpanNotOver.into());
        }
        let all = self.load_vendors(self.read()).await?;
        let named = match vendor {
            None => None,
            Some(id) => Some(all.iter().find(|vendor| vendor.id == *id).cloned().ok_or(Refusal::NotFound)?),
        };
        let counting = self.count_span(kind, span, named.as_slice(), named.is_none()).await?;
        let page = counting.pages.into_iter().next().ok_or(Refusal::NotFound)?;
        let fresh = self.draw_up(kind, span, page, &counting.counted, 1, reason).await?;
        let mut tx = self.write(actor).await?;
        let last = self.last_edition(tx.sql(), &fresh.number).await?;
        let edition = match &last {
            Some(last) if last.says_what(&fresh) => return Ok((last.clone(), false)),
            Some(_) if reason.trim().is_empty() => return Err(Refusal::ReasonNeeded.into()),
            Some(last) if last.edition as usize >= limits::REPORT_EDITIONS => return Err(Refusal::too_many("REPORT_EDITIONS").into()),
            Some(last) => last.edition + 1,
            None => 1,
        };
        let report = self.issue_edition(&mut tx, PeriodReport { edition, reason: if edition == 1 { String::new() } else { reason.to_owned() }, ..fresh }).await?;
        tx.commit().await?;
        self.reviewing_changed();
        Ok((report, true))
    }

    /// Reports that the actor may read, the newest span first: all of them for the hospital, those of the own vendor for its manager.
    ///
    /// # Errors
    /// Without the right.
    pub async fn period_reports(&self, actor: &Actor) -> Done<Vec<PeriodReport>> {
        may(actor, Action::ReadPeriodReport, None)?;
        let since = self.since();
        let own = actor.vendor.as_ref().map(|vendor| vendor.as_str().to_owned());
        let rows = sqlx::query("SELECT body, seal FROM period_reports WHERE ($1 IS NULL OR vendor = $1) ORDER BY from_at DESC, number, edition DESC LIMIT $2").bind(own).bind(ROWS).fetch_all(self.read()).await?;
        let sound = rows.iter().filter_map(|row| self.held::<PeriodReport>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a report is passed over")).ok());
        // The column finds the row; whose it is stands under the seal.
        Ok(sound.filter(|report| may_read(actor, report).is_ok()).collect())
    }

    /// One report.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`], also for another vendor's.
    pub async fn period_report(&self, actor: &Actor, id: &PeriodReportId) -> Done<PeriodReportView> {
        may(actor, Action::ReadPeriodReport, None)?;
        let mut conn = self.read().acquire().await?;
        let report = self.held_period_report(&mut conn, id).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &report)?;
        let last = self.last_edition(&mut conn, &report.number).await?;
        drop(conn);
        let (holds, entry) = self.report_holds(&report).await?;
        let newer = last.filter(|last| last.edition > report.edition).map(|last| last.id);
        let waits = report.taken.is_none() && newer.is_none() && report.waits_for(actor) && actor.token.is_none();
        Ok(PeriodReportView { holds, entry, newer, waits, report })
    }

    /// True if the log's entry names this very content; with the number of that entry.
    async fn report_holds(&self, report: &PeriodReport) -> Result<(bool, Option<u64>), Fault> {
        let told = self.last_of("report_issued", |entry| if let Fact::ReportIssued { report: id, digest, .. } = entry.fact { (id == report.id).then_some((entry.seq, digest)) } else { None }).await?;
        let digest = Digest::of(&report.issued_bytes()).to_string();
        Ok((told.as_ref().is_some_and(|(_, told)| *told == digest) && report.digest == digest, told.map(|(seq, _)| seq)))
    }

    /// A report as it was issued; `None` if its row is gone, was changed by somebody else, or is not what the log names.
    pub(crate) async fn report_paper(&self, id: &PeriodReportId) -> Result<Option<PeriodReport>, Fault> {
        let mut conn = self.read().acquire().await?;
        let found = match self.held_period_report(&mut conn, id).await {
            Err(Fault::Damaged(_)) => None,
            found => found?,
        };
        Ok(found.filter(|report| Digest::of(&report.issued_bytes()).to_string() == report.digest))
    }

    /// Takes note of a report.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for another vendor's; as [`PeriodReport::take_note`].
    pub async fn note_report(&self, actor: &Actor, id: &PeriodReportId, remark: &str) -> Done<PeriodReport> {
        self.require(actor, Action::TakeNoteOfReport, None, "note_report").await?;
        check_text("remark", remark)?;
        if actor.token.is_some() || actor.person.is_none() {
            return Err(Refusal::TokenNeedsPerson.into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let mut report = self.held_period_report(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &report)?;
        report.take_note(actor, remark, now)?;
        self.save_period_report(&mut tx, &report).await?;
        tx.fact(Fact::ReportNoted { report: report.id.clone(), number: format!("{} ({})", report.number, report.edition), digest: report.digest.clone(), remark: remark.to_owned() });
        tx.commit().await?;
        self.reviewing_changed();
        Ok(report)
    }

    /// Reports that wait for this person, the oldest first.
    ///
    /// # Errors
    /// A fault.
    pub async fn report_duties(&self, actor: &Actor) -> Done<Vec<PeriodReport>> {
        if actor.person.is_none() || actor.emergency || may(actor, Action::TakeNoteOfReport, None).is_err() {
            return Ok(Vec::new());
        }
        let mut waiting: Vec<PeriodReport> = self.unread_reports().await?.into_iter().filter(|report| report.waits_for(actor)).collect();
        waiting.sort_by_key(|report| report.due);
        Ok(waiting)
    }

    /// Reports that nobody took note of, the last edition of each.
    async fn unread_reports(&self) -> Result<Vec<PeriodReport>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM period_reports WHERE noted = 0 ORDER BY from_at DESC, edition, id LIMIT $1").bind(ROWS).fetch_all(self.read()).await?;
        let mut last: BTreeMap<String, PeriodReport> = BTreeMap::new();
        for report in rows.iter().filter_map(|row| self.held::<PeriodReport>(row, since).ok()) {
            // Whoever reads the last edition has read what the ones before it said.
            if last.get(&report.number).is_none_or(|held| held.edition < report.edition) {
                last.insert(report.number.clone(), report);
            }
        }
        Ok(last.into_values().filter(|report| report.taken.is_none()).collect())
    }

    /// Counts a report again, from the same entries, and writes down what came of it before it is told.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`]; [`Refusal::Busy`] while another recount runs, and for a vendor within
    /// [`VENDOR_RECOUNT`] of its last one; a fault if the log does not hold.
    pub async fn recount_report(&self, actor: &Actor, id: &PeriodReportId) -> Done<Recount> {
        let view = self.period_report(actor, id).await?;
        // Each is a pass over the whole log: people from outside do not make the box count without end.
        let mut last = self.inner.reviewing.recount.try_lock().map_err(|_| Refusal::Busy)?;
        if let Some(vendor) = &actor.vendor {
            let now = self.now();
            if last.get(vendor).is_some_and(|at| now < at.plus(VENDOR_RECOUNT)) {
                return Err(Refusal::Busy.into());
            }
            last.insert(vendor.clone(), now);
        }
        let report = view.report;
        let vendors = self.load_vendors(self.read()).await?;
        let named = match &report.vendor {
            None => None,
            Some(id) => Some(vendors.into_iter().find(|vendor| vendor.id == *id).ok_or(Refusal::NotFound)?),
        };
        let counting = self.count_span(report.kind, report.span, named.as_slice(), named.is_none()).await?;
        let page = counting.pages.into_iter().next().ok_or(Refusal::NotFound)?;
        let same_entries = counting.counted.first == report.counted.first && counting.counted.end == report.counted.end;
        let same = same_entries && bare(page.content) == bare(report.content.clone()) && page.before.map(|content| content.numbers) == report.before;
        let entries = report.counted.end.saturating_sub(report.counted.first);
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::ReportRecounted {
            report: report.id,
            number: report.number.clone(),
            edition: report.edition,
            holds: view.holds,
            same,
            entries,
            size: counting.counted.size,
            root: counting.counted.root,
        });
        tx.commit().await?;
        Ok(Recount { number: report.number, edition: report.edition, holds: view.holds, same, entries })
    }

    /// Tells of reports that nobody took note of in time; gives the next deadline.
    pub(super) async fn tell_late_reports(&self) -> Done<Timestamp> {
        let now = self.now();
        let mut next = Timestamp(i64::MAX);
        for report in self.unread_reports().await? {
            if now <= report.due {
                next = next.min(Timestamp(report.due.0 + 1));
                continue;
            }
            let mut tx = self.write(&Actor::system()).await?;
            if self.note_late(&mut tx, format!("note/{}", report.id)).await? {
                let duty = if report.vendor.is_some() { "note_vendor" } else { "note" };
                tx.fact(Fact::DutyLate { duty: duty.into(), number: report.number.clone(), review: None, report: Some(report.id.clone()) });
                self.mail_report(&mut tx, &report, true).await?;
                tx.commit().await?;
            }
        }
        Ok(next)
    }

    async fn last_edition(&self, conn: &mut AnyConnection, number: &str) -> Result<Option<PeriodReport>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM period_reports WHERE number = $1 ORDER BY edition DESC LIMIT 1").bind(number.to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    async fn held_period_report(&self, conn: &mut AnyConnection, id: &PeriodReportId) -> Result<Option<PeriodReport>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM period_reports WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Saves a report that has a row. The next fact of the change must tell of it.
    async fn save_period_report(&self, tx: &mut Tx, report: &PeriodReport) -> Result<(), Fault> {
        let body = serde_json::to_string(report)?;
        sqlx::query("UPDATE period_reports SET noted = $2, body = $3 WHERE id = $1").bind(report.id.as_str().to_owned()).bind(i64::from(report.taken.is_some())).bind(body.clone()).execute(tx.sql()).await?;
        self.seal_row(tx, report, &body).await
    }
}

/// A vendor's manager reads what is the own vendor's; the hospital's own is for the hospital.
fn may_read(actor: &Actor, report: &PeriodReport) -> Result<(), Refusal> {
    match (&report.vendor, &actor.vendor) {
        (None, Some(_)) => Err(Refusal::NotFound),
        (vendor, _) => may(actor, Action::ReadPeriodReport, vendor.as_ref()),
    }
}
