//! Reviews of the log and reports on months, made by the clockwork over both databases.

use super::base::{Base, Town, on_both, told};
use super::resumed::sql_beside;
use crate::street::program::copy_folder;
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::Fact;
use sekisho_core::log_review::{DRAW_CONTEXT, Draw, LineSaid, LineVerdict, LogReview, LogReviewState, Section, seed_text};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::policy::{Policy, ReviewCycle};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::span::{Span, SpanKind};
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{PublicKey, Signature, verify_bytes};
use sekisho_evidence::log::{Files as _, Tree, leaf_hash};
use sekisho_store::{MailSettings, Settings, Store};
use std::time::Duration;

on_both!(
    every_span_has_one_list_also_after_weeks_without_power,
    a_review_is_judged_signed_and_confirmed_by_different_people,
    the_list_and_the_draw_follow_from_the_log_and_nobody_edits_them,
    an_empty_span_is_no_data_and_needs_words,
    a_changed_cycle_leaves_nothing_out,
    deadlines_that_pass_are_told_once,
    the_bundle_of_a_period_holds_its_signed_reviews_and_its_reports,
    a_report_is_counted_once_and_stays_what_it_was,
    what_somebody_issues_by_hand_takes_the_place_of_no_regular_report,
    a_vendors_manager_reads_and_notes_the_own_report_alone,
    entries_that_the_signed_head_does_not_cover_are_not_reported,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

fn with_mail(mut base: Base) -> Base {
    base.mail = Some(MailSettings::default());
    base
}

/// Changes rows as somebody does who has the database and no key; false where the test's database has no such door.
fn tampered(town: &Town, text: &str) -> bool {
    town.base.db.as_ref().inspect(|db| db.sql(text)).is_some()
}

async fn reviews(town: &Town) -> Vec<LogReview> {
    told(town.store.log_reviews(&town.planner.actor).await).unwrap()
}

/// Three wrong passwords in the name of a worker.
async fn refused_thrice(town: &Town, login: &str) {
    for _ in 0..3 {
        let wrong = town.store.log_in(login, Secret::new("not the password"), Secret::new("000000"), super::base::source(), Via::Web).await;
        assert!(told(wrong).is_err());
    }
}

async fn every_span_has_one_list_also_after_weeks_without_power(base: Base) {
    let town = base.town().await;
    town.store.run_jobs_once().await.unwrap();
    assert!(reviews(&town).await.is_empty(), "the first week has not ended");
    town.pass(DAY * 24);
    let town = town.restarted().await;
    town.store.run_jobs_once().await.unwrap();
    town.store.run_jobs_once().await.unwrap();
    let mut found = reviews(&town).await;
    found.reverse();
    assert!((3..=4).contains(&found.len()), "{}", found.len());
    for pair in found.windows(2) {
        assert_eq!(pair[0].span.until, pair[1].span.from);
        assert_eq!(pair[0].end, pair[1].first, "no entry between two lists, and none in both");
    }
    assert_eq!(found[0].first, 0, "the first list begins with the log");
    assert_eq!(town.facts("log_review_opened").await.len(), found.len());
    // A row that somebody takes away is told of, and not made a second time.
    if !tampered(&town, "DELETE FROM log_reviews WHERE number = (SELECT MIN(number) FROM log_reviews)") {
        return;
    }
    town.store.run_jobs_once().await.unwrap();
    assert_eq!(reviews(&town).await.len(), found.len() - 1);
    assert_eq!(told(town.store.lost_log_reviews(&town.planner.actor).await).unwrap(), [found[0].number.clone()]);
}

/// A town whose first week is over, with refusals of the worker's name and of the operator's own.
async fn a_week_over(base: Base) -> Town {
    let town = base.town().await;
    refused_thrice(&town, &town.worker.person.login).await;
    refused_thrice(&town, &town.operator.person.login).await;
    town.store.run_jobs_once().await.unwrap();
    town.pass(DAY * 8);
    town.store.run_jobs_once().await.unwrap();
    town
}

fn say(line: u32, verdict: LineVerdict, note: &str) -> LineSaid {
    LineSaid { line, verdict, note: note.into() }
}

async fn a_review_is_judged_signed_and_confirmed_by_different_people(base: Base) {
    let town = a_week_over(with_mail(base)).await;
    let (store, operator, planner) = (&town.store, &town.operator.actor, &town.planner.actor);
    let review = reviews(&town).await.pop().unwrap();
    let line_of = |who: &str| review.lines.iter().find(|line| line.section == Section::Refused && line.who == who).unwrap_or_else(|| panic!("{who}: {:?}", review.lines)).n;
    let own = line_of(&town.operator.person.login);
    assert_eq!(told(store.log_review_duties(operator).await).unwrap()[0].what, "sign");
    assert!(told(store.log_review_duties(planner).await).unwrap().iter().all(|duty| duty.what == "judge"), "what is about the only operator waits for somebody else");
    assert_eq!(told(store.judge_log_review(&town.worker.actor, &review.id, &[say(1, LineVerdict::Fine, "")]).await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.judge_log_review(operator, &review.id, &[say(own, LineVerdict::Fine, "")]).await).err(), Some(Refusal::OwnMatter));
    let auditor = Actor { roles: [Role::Auditor].into(), ..town.planner.actor.clone() };
    assert_eq!(told(store.judge_log_review(&auditor, &review.id, &[say(own, LineVerdict::Fine, "")]).await).err(), Some(Refusal::NotAllowed), "who audits changes nothing");
    for line in &review.lines {
        let said = if line.n == line_of(&town.worker.person.login) { say(line.n, LineVerdict::Incident, "本人に覚えがない") } else { say(line.n, LineVerdict::Fine, "") };
        let by = [operator, planner, &town.safety.actor].into_iter().find(|actor| review.may_judge(actor, line)).unwrap();
        told(store.judge_log_review(by, &review.id, &[said]).await).unwrap();
    }
    let view = told(store.log_review(planner, &review.id).await).unwrap();
    assert!(view.list_holds && view.signatures_hold);
    assert_eq!(told(store.sign_log_review(operator, &review.id, "another", "").await).err(), Some(Refusal::DigestChanged));
    assert_eq!(told(store.confirm_log_review(planner, &review.id, &view.digest, "").await).err(), Some(Refusal::LogReviewSigned), "before the signature");
    told(store.sign_log_review(operator, &review.id, &view.digest, "").await).unwrap();
    let both = Actor { roles: [Role::Operator, Role::Planner].into(), ..operator.clone() };
    assert_eq!(told(store.confirm_log_review(&both, &review.id, &view.digest, "").await).err(), Some(Refusal::SameHand));
    assert_eq!(told(store.log_review_duties(planner).await).unwrap()[0].what, "confirm");
    told(store.return_log_review(planner, &review.id, "録画を見直してください").await).unwrap();
    told(store.sign_log_review(operator, &review.id, &view.digest, "見直した").await).unwrap();
    told(store.confirm_log_review(planner, &review.id, &view.digest, "").await).unwrap();
    let done = told(store.log_review(operator, &review.id).await).unwrap();
    assert_eq!(done.review.state(), LogReviewState::Confirmed);
    assert!(done.signatures_hold && done.list_holds && !done.review.confirmed.unwrap().deviation);
    store.rotate_log_key(&Actor::console()).await.unwrap();
    assert!(told(store.log_review(operator, &review.id).await).unwrap().signatures_hold, "both stand in the log in the key's own time");
    let signed = town.facts("log_review_signed").await;
    assert!(signed.iter().any(|entry| matches!(&entry.fact, Fact::LogReviewSigned { digest, .. } if *digest == view.digest)));
    for kind in ["log_review_opened", "log_review_judged", "log_review_returned", "log_review_confirmed"] {
        assert!(!town.facts(kind).await.is_empty(), "{kind}");
    }
    let letters: Vec<String> = town.facts("mail_written").await.iter().filter_map(|entry| if let Fact::MailWritten { letter, .. } = &entry.fact { Some(letter.clone()) } else { None }).filter(|letter| letter == "review").collect();
    assert!(letters.is_empty() || letters.len() >= 2, "{letters:?}");
    assert!(told(store.log_review_duties(operator).await).unwrap().is_empty());
}

/// A backup holds the key of the log: with it a review is judged and signed elsewhere, and its row goes into the database.
#[tokio::test]
async fn a_signature_of_which_the_log_did_not_tell_ends_with_its_key() {
    let mut town = a_week_over(Base::sqlite()).await;
    let review = reviews(&town).await.pop().unwrap();
    town.store.shut().await;
    let copy = town.base.folder.path().join("backup");
    copy_folder(&town.base.dir(), &copy);
    let settings = Settings { data_dir: copy.clone(), ..town.base.settings() };
    let stolen = Store::open(settings, town.base.clock.clone()).await.unwrap();
    for line in &review.lines {
        let by = [&town.operator, &town.planner, &town.safety].into_iter().find(|one| review.may_judge(&one.actor, line)).unwrap();
        told(stolen.judge_log_review(&by.actor, &review.id, &[say(line.n, LineVerdict::Fine, "")]).await).unwrap();
    }
    let digest = told(stolen.log_review(&town.planner.actor, &review.id).await).unwrap().digest;
    told(stolen.sign_log_review(&town.operator.actor, &review.id, &digest, "").await).unwrap();
    stolen.shut().await;
    let row = format!("ATTACH '{}' AS stolen; INSERT OR REPLACE INTO log_reviews SELECT * FROM stolen.log_reviews", copy.join("sekisho.db").display());
    sql_beside(&town.base.dir(), &row);

    town.store = town.base.open().await.unwrap();
    town.store.rotate_log_key(&Actor::console()).await.unwrap();
    let view = told(town.store.log_review(&town.planner.actor, &review.id).await).unwrap();
    assert_eq!(view.review.state(), LogReviewState::Signed);
    assert!(!view.signatures_hold, "the key signs no more, and in its time the log told of no signature");
    assert_eq!(told(town.store.confirm_log_review(&town.planner.actor, &review.id, &digest, "").await).err(), Some(Refusal::DigestChanged));
}

async fn the_list_and_the_draw_follow_from_the_log_and_nobody_edits_them(base: Base) {
    let town = a_week_over(base).await;
    let review = reviews(&town).await.pop().unwrap();
    // An auditor with the entries alone comes to the same root, and with it to the same draw.
    let mut tree = Tree::new();
    for seq in 0..review.end {
        let entry = told(town.store.prove_entry(&town.planner.actor, seq).await).unwrap();
        tree.append(leaf_hash(entry.body.as_bytes()));
    }
    assert_eq!(tree.root().to_string(), review.root);
    let hash = |bytes: &[u8]| Digest::of(bytes).to_string();
    let seed: Signature = review.seed.parse().unwrap();
    assert!(verify_bytes(&PublicKey::parse(&town.store.log_public_key()).unwrap(), DRAW_CONTEXT, seed_text(&review.number, &review.root).as_bytes(), &seed).is_ok(), "the seed is the log key's");
    let none = Draw { number: &review.number, seed: &review.seed, hash: &hash }.draw([], 3);
    assert!(none.is_empty());
    let entry = &town.facts("log_review_opened").await[0];
    assert!(matches!(&entry.fact, Fact::LogReviewOpened { root, lines, .. } if *root == review.root && *lines == review.lines.len()));
    // Whoever holds the database cannot take a line out.
    if !tampered(&town, "UPDATE log_reviews SET body = REPLACE(body, 'refused', 'outside')") {
        return;
    }
    assert!(reviews(&town).await.is_empty());
    assert_eq!(told(town.store.lost_log_reviews(&town.planner.actor).await).unwrap(), [review.number]);
}

async fn an_empty_span_is_no_data_and_needs_words(base: Base) {
    let town = base.town().await;
    town.store.run_jobs_once().await.unwrap();
    town.pass(DAY * 24);
    town.store.run_jobs_once().await.unwrap();
    let review = reviews(&town).await.into_iter().find(LogReview::is_without_data).expect("a week in which nothing was written");
    assert!(review.lines.is_empty());
    let view = told(town.store.log_review(&town.operator.actor, &review.id).await).unwrap();
    assert_eq!(told(town.store.sign_log_review(&town.operator.actor, &review.id, &view.digest, "").await).err(), Some(Refusal::ReasonNeeded));
    told(town.store.sign_log_review(&town.operator.actor, &review.id, &view.digest, "停電").await).unwrap();
}

async fn a_changed_cycle_leaves_nothing_out(base: Base) {
    let town = base.town().await;
    town.store.run_jobs_once().await.unwrap();
    town.pass(DAY * 9);
    town.store.run_jobs_once().await.unwrap();
    let weekly = reviews(&town).await.remove(0);
    let mut town = town;
    town.base.policy = Policy { log_review: ReviewCycle::Monthly, log_review_sample: 50, ..Policy::default() };
    let town = town.restarted().await;
    town.store.run_jobs_once().await.unwrap();
    town.pass(DAY * 32);
    town.store.run_jobs_once().await.unwrap();
    let found = reviews(&town).await;
    let next = found.iter().find(|review| review.span.from == weekly.span.until).expect("what comes goes on where the weeks ended");
    assert_eq!(next.span.until, Span::holding(SpanKind::Month, weekly.span.until).until);
    assert_eq!(town.facts("log_review_scheduled").await.len(), 2, "a changed draw is told before it counts");
}

async fn the_bundle_of_a_period_holds_its_signed_reviews_and_its_reports(base: Base) {
    let town = a_week_over(base).await;
    let (store, operator, planner) = (&town.store, &town.operator.actor, &town.planner.actor);
    let from = town.log().await[0].at;
    let review = reviews(&town).await.pop().unwrap();
    for line in &review.lines {
        let by = [operator, planner, &town.safety.actor].into_iter().find(|actor| review.may_judge(actor, line)).unwrap();
        told(store.judge_log_review(by, &review.id, &[say(line.n, LineVerdict::Fine, "<b>本人に確認</b>")]).await).unwrap();
    }
    let until = Span::holding(SpanKind::Month, town.now()).until;
    let period = |until| super::evidence::ask(EvidenceScope::Period { from, until });
    let bundle = async |ask| super::evidence::opened(&super::evidence::taken(store, planner, &ask).await.unwrap());
    let early = bundle(period(town.now())).await;
    assert!(early.list("reviews").unwrap().is_empty(), "nobody has signed it");
    let digest = told(store.log_review(operator, &review.id).await).unwrap().digest;
    told(store.sign_log_review(operator, &review.id, &digest, "全件を見た").await).unwrap();
    told(store.confirm_log_review(planner, &review.id, &digest, "").await).unwrap();
    town.pass(town.now().until(until) + DAY);
    store.run_jobs_once().await.unwrap();
    let files = bundle(period(Timestamp(until.0 + DAY.as_millis() as i64 * 2))).await;
    let verdict = super::evidence::judged(store, &files, &[]);
    assert!(verdict.ok, "{verdict}");
    let page = super::evidence::text(&files, &format!("reviews/{}.html", review.id));
    for words in [review.number.as_str(), "問題なし", "in order", "&lt;b&gt;本人に確認", "全件を見た", &digest] {
        assert!(page.contains(words), "no {words}: {page}");
    }
    assert!(!page.contains("<script") && page.contains("default-src 'none'"));
    assert_eq!(Digest::of(&files.read(&format!("reviews/{}.json", review.id)).unwrap().unwrap()).to_string(), digest, "the bytes that were signed");
    let report = told(store.period_reports(planner).await).unwrap().into_iter().find(|report| report.vendor.is_none()).unwrap();
    let page = super::evidence::text(&files, &format!("reports/{}.html", report.id));
    assert!(page.contains("月次報告書") && page.contains(&report.digest) && page.contains(&report.number), "{page}");
    let index = super::evidence::text(&files, "report.html");
    assert!(index.contains(&review.number) && index.contains(&report.number) && !index.contains("示せないもの"), "{index}");
    // Whoever puts another review in its place, with a manifest of their own, is found by what the entries say.
    let mut other = sekisho_evidence::log::MemoryFiles::new();
    for folder in ["", "log", "plans", "approvals", "reviews", "reports", "log/rotations", "recordings"] {
        for name in files.list(folder).unwrap().into_iter().filter(|name| !name.ends_with('/')) {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            other.put(path.clone(), files.read(&path).unwrap().unwrap());
        }
    }
    assert!(super::evidence::judged(store, &other, &[]).ok);
    let path = format!("reviews/{}.json", review.id);
    let changed = String::from_utf8(other.files[&path].clone()).unwrap().replace("本人に確認", "本人は知らない");
    other.put(path.clone(), changed.into_bytes());
    let verdict = super::evidence::judged(store, &other, &[]);
    assert!(verdict.findings.iter().any(|finding| finding.code == "paper-unlogged"), "{verdict}");
    // Nor is it left out unseen.
    other.files.remove(&path);
    let verdict = super::evidence::judged(store, &other, &[]);
    assert!(verdict.findings.iter().any(|finding| finding.code == "paper-missing"), "{verdict}");
    // A row that somebody changed is named, and nothing stands in its place.
    if tampered(&town, "UPDATE log_reviews SET body = REPLACE(body, 'fine', 'mend')") {
        let files = bundle(period(Timestamp(until.0 + DAY.as_millis() as i64 * 2))).await;
        assert!(files.list("reviews").unwrap().is_empty() && super::evidence::text(&files, "report.html").contains(review.id.as_str()));
    }
}

async fn deadlines_that_pass_are_told_once(base: Base) {
    let town = a_week_over(base).await;
    town.pass(DAY * 6);
    for _ in 0..3 {
        town.store.run_jobs_once().await.unwrap();
    }
    let late: Vec<_> = town.facts("duty_late").await;
    let signs = late.iter().filter(|entry| matches!(&entry.fact, Fact::DutyLate { duty, .. } if duty == "sign")).count();
    assert_eq!(signs, 1, "{late:?}");
    town.store.raise_due().await.unwrap();
    let alarms = told(town.store.alarms(&town.planner.actor, &sekisho_store::AlarmFilter::default()).await).unwrap();
    assert!(alarms.rows.iter().any(|alarm| alarm.subject.log_review.is_some()), "{alarms:?}");
    assert!(told(town.store.log_review_duties(&town.operator.actor).await).unwrap().iter().any(|duty| duty.late));
}

async fn a_report_is_counted_once_and_stays_what_it_was(base: Base) {
    let town = base.town().await;
    let (store, planner) = (&town.store, &town.planner.actor);
    town.approved().await;
    refused_thrice(&town, &town.worker.person.login).await;
    let month = Span::holding(SpanKind::Month, town.now());
    assert_eq!(told(store.issue_report(planner, SpanKind::Month, month, None, "").await).err(), Some(Refusal::SpanNotOver));
    town.pass(town.now().until(month.until) + DAY);
    store.run_jobs_once().await.unwrap();
    store.run_jobs_once().await.unwrap();
    let all = told(store.period_reports(planner).await).unwrap();
    let hospital: Vec<_> = all.iter().filter(|report| report.vendor.is_none()).collect();
    assert_eq!(hospital.len(), 1, "{all:?}");
    let report = hospital[0].clone();
    assert_eq!((report.span, report.edition, report.counted.first), (month, 1, 0));
    assert_eq!((report.content.numbers.submitted, report.content.numbers.approved, report.content.numbers.refused), (1, 1, 3));
    assert_eq!(report.before, None, "the log does not reach back further");
    let view = told(store.period_report(planner, &report.id).await).unwrap();
    assert!(view.holds && view.waits && view.entry.is_some());
    let again = told(store.recount_report(planner, &report.id).await).unwrap();
    assert!(again.same && again.holds);
    let counted = town.facts("report_recounted").await;
    assert!(counted.len() == 1 && counted[0].actor.login == planner.login, "{counted:?}");
    assert!(matches!(&counted[0].fact, Fact::ReportRecounted { report: id, same: true, holds: true, entries, .. } if *id == report.id && *entries == again.entries));
    // The same content makes no other edition, and reading it changes nothing in it.
    let (same, fresh) = told(store.issue_report(planner, SpanKind::Month, month, None, "数え直し").await).unwrap();
    assert_eq!((same.id.clone(), fresh), (report.id.clone(), false));
    told(store.note_report(planner, &report.id, "確認した").await).unwrap();
    assert_eq!(told(store.note_report(planner, &report.id, "").await).err(), Some(Refusal::ReportTaken));
    let view = told(store.period_report(planner, &report.id).await).unwrap();
    assert!(view.holds && !view.waits);
    assert_eq!(view.report.issued_bytes(), report.issued_bytes());
    assert_eq!(town.facts("report_noted").await.len(), 1);
    // Another month: the one before stands beside it.
    town.pass(DAY * 31);
    store.run_jobs_once().await.unwrap();
    let next = told(store.period_reports(planner).await).unwrap().into_iter().find(|report| report.vendor.is_none() && report.span.from == month.until).unwrap();
    assert_eq!(next.before, Some(report.content.numbers));
    assert_eq!(next.counted.first, report.counted.end);
    // Whoever rewrites the row has no report any more.
    if tampered(&town, "UPDATE period_reports SET body = REPLACE(body, '\"refused\":3', '\"refused\":0')") {
        assert_eq!(told(store.period_reports(planner).await).unwrap().iter().filter(|held| held.id == report.id).count(), 0);
    }
}

async fn what_somebody_issues_by_hand_takes_the_place_of_no_regular_report(base: Base) {
    let town = base.town().await;
    let (store, planner) = (&town.store, &town.planner.actor);
    town.approved().await;
    let first = Span::holding(SpanKind::Month, town.now());
    let second = first.after(SpanKind::Month);
    store.run_jobs_once().await.unwrap();
    // Both months have ended before the box gets to its reports, and somebody was quicker: with the later one, and a vendor's.
    town.pass(town.now().until(second.until) + DAY);
    let (by_hand, _) = told(store.issue_report(planner, SpanKind::Month, second, None, "").await).unwrap();
    told(store.issue_report(planner, SpanKind::Month, first, Some(&town.vendor.id), "").await).unwrap();
    store.run_jobs_once().await.unwrap();
    store.run_jobs_once().await.unwrap();
    let all = told(store.period_reports(planner).await).unwrap();
    let editions = |span: Span, vendor: bool| {
        let mut found: Vec<u32> = all.iter().filter(|report| report.span == span && report.kind == SpanKind::Month && report.vendor.as_ref() == vendor.then_some(&town.vendor.id)).map(|report| report.edition).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(editions(first, false), [1], "the month before is not left out");
    assert_eq!(editions(first, true), [1, 2], "the regular one follows the vendor's that was issued by hand");
    assert_eq!(editions(second, false), [1, 2], "nor is that month");
    assert!(all.iter().any(|report| report.id == by_hand.id), "and what was issued by hand stays");
    let issued = town.facts("report_issued").await;
    assert_eq!(issued.iter().filter(|entry| entry.actor.via == Via::System && matches!(&entry.fact, Fact::ReportIssued { vendor: None, span, .. } if [first, second].contains(span))).count(), 2, "once each");
}

async fn a_vendors_manager_reads_and_notes_the_own_report_alone(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    town.approved().await;
    let month = Span::holding(SpanKind::Month, town.now());
    town.pass(town.now().until(month.until) + DAY);
    store.run_jobs_once().await.unwrap();
    let manager = Actor { roles: [Role::VendorManager].into(), vendor: Some(town.vendor.id.clone()), ..town.worker.actor.clone() };
    let other = Actor { roles: [Role::VendorManager].into(), vendor: Some(town.other.id.clone()), ..town.stranger.actor.clone() };
    let own = told(store.period_reports(&manager).await).unwrap();
    assert!(!own.is_empty() && own.iter().all(|report| report.vendor.as_ref() == Some(&town.vendor.id)), "{own:?}");
    assert_eq!((own[0].content.numbers.submitted, own[0].content.numbers.critical, own[0].content.vendors.len()), (1, 0, 0));
    assert!(told(store.period_reports(&other).await).unwrap().is_empty());
    assert_eq!(told(store.period_report(&other, &own[0].id).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(store.note_report(&other, &own[0].id, "").await).err(), Some(Refusal::NotFound));
    let hospital = told(store.period_reports(&town.planner.actor).await).unwrap().into_iter().find(|report| report.vendor.is_none()).unwrap();
    assert_eq!(told(store.period_report(&manager, &hospital.id).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(store.issue_report(&manager, SpanKind::Month, month, Some(&town.vendor.id), "x").await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.report_duties(&manager).await).unwrap().len(), 1);
    told(store.note_report(&manager, &own[0].id, "").await).unwrap();
    assert!(told(store.report_duties(&manager).await).unwrap().is_empty());
    assert_eq!(told(store.period_reports(&town.worker.actor).await).err(), Some(Refusal::NotAllowed));
}

async fn entries_that_the_signed_head_does_not_cover_are_not_reported(base: Base) {
    let town = base.town().await;
    refused_thrice(&town, &town.worker.person.login).await;
    town.store.publish().await.unwrap();
    let has_door = tampered(&town, "UPDATE log SET at = 0 WHERE kind = 'refused'");
    let month = Span::holding(SpanKind::Month, town.now());
    town.pass(town.now().until(month.until) + DAY);
    town.store.run_jobs_once().await.unwrap();
    let report = told(town.store.period_reports(&town.planner.actor).await).unwrap().remove(0);
    assert_eq!(report.content.numbers.refused, 3, "columns beside the entries decide nothing");
    tampered(&town, "UPDATE log SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"kind\":\"refused\"', '\"kind\":\"stopped\"'), 'UTF8') WHERE kind = 'refused'");
    town.pass(DAY * 31);
    assert!(!has_door || town.store.run_jobs_once().await.is_err(), "a log that does not hold is not counted");
}
