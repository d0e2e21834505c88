//! The weeks before the visitor comes: somebody logs in, somebody mistypes, the log of each week is reviewed and last month's report is read.

use super::api::Api;
use super::clock::DemoClock;
use super::story::Hospital;
use anyhow::{Context, Result};
use sekisho_core::log_review::{LineSaid, LineVerdict, LogReviewState};
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::secret::Secret;
use sekisho_core::span::{Span, SpanKind};
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::Store;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// When the hospital was set up: on the 20th of the month before, so that a whole story of reviews and a report stands there.
#[must_use]
pub fn begin(now: Timestamp) -> Timestamp {
    let month = Span::holding(SpanKind::Month, now).before(SpanKind::Month);
    month.from.plus(DAY * 19 + Duration::from_secs(10 * 3600))
}

/// Lives through the weeks until `until`.
///
/// # Errors
/// Any step is refused.
pub async fn live_through(store: &Store, api: &Api, clock: &DemoClock, hospital: &Hospital, until: Timestamp) -> Result<()> {
    let people: Vec<Person> = store.persons(&Actor::console()).await?.into_iter().map(|row| row.person).collect();
    let actor = |login: &str| people.iter().find(|person| person.login == login).map(|person| Actor::of(person, Via::Web, Some("127.0.0.1".into()))).with_context(|| format!("{login} does not play here"));
    let (operator, planner, safety) = (actor("ueda")?, actor("ishikawa")?, actor("kato")?);
    let mut week = Span::holding(SpanKind::Week, clock.now());
    loop {
        // A Tuesday morning: the list of the week before is there, and the operator works through it.
        let morning = week.until.plus(DAY + Duration::from_secs(10 * 3600));
        if until <= morning {
            return Ok(());
        }
        clock.advance_to(morning);
        for login in ["ueda", "ishikawa"] {
            api.log_in(hospital.person(login)?).await?;
        }
        for _ in 0..3 {
            let wrong = store.log_in("sato", Secret::new("mistyped"), Secret::new("000000"), IpAddr::from([127, 0, 0, 1]), Via::Web).await;
            anyhow::ensure!(wrong.is_err(), "a wrong password is taken");
        }
        store.run_jobs_once().await?;
        review(store, &operator, &planner, &safety).await?;
        for report in store.report_duties(&planner).await? {
            store.note_report(&planner, &report.id, "前月と比べて大きな変化はない。").await?;
        }
        week = week.after(SpanKind::Week);
    }
}

/// Judges, signs and confirms every list that is there.
async fn review(store: &Store, operator: &Actor, planner: &Actor, safety: &Actor) -> Result<()> {
    for review in store.log_reviews(operator).await? {
        if review.state() != LogReviewState::Open {
            continue;
        }
        for line in &review.lines {
            let by = [operator, planner, safety].into_iter().find(|actor| review.may_judge(actor, line)).context("a line that nobody can judge")?;
            let said = match line.what.as_str() {
                "refused" => LineSaid { line: line.n, verdict: LineVerdict::Mend, note: "本人に確認。打ち間違いのため、パスワード管理ソフトの利用を依頼した。".into() },
                _ => LineSaid { line: line.n, verdict: LineVerdict::Fine, note: String::new() },
            };
            store.judge_log_review(by, &review.id, &[said]).await?;
        }
        let view = store.log_review(operator, &review.id).await?;
        let remark = if review.is_without_data() { "計画停電のため停止" } else { "" };
        store.sign_log_review(operator, &review.id, &view.digest, remark).await?;
        store.confirm_log_review(planner, &review.id, &view.digest, "").await?;
    }
    Ok(())
}
