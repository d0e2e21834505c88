//! Documents of a bundle that people read: whole in themselves, without a script, and escaped like every page. They open in an
//! auditor's browser from a disk, where nothing else keeps them in bounds.

use super::content::Wish;
use crate::pages::log::{LogNames, sentence};
use crate::pages::{log_reviews, reports};
use crate::pages::log::sentence::scope_words;
use crate::pages::plans::told::{self, Reader};
use crate::view::{value, words_function};
use crate::words::{self, Lang};
use minijinja::value::Kwargs;
use minijinja::{Error, Value, context};
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::hold::Hold;
use sekisho_core::log_review::{Judged, LogReview, ReviewSigned, ReviewedLine, Section};
use sekisho_core::people::Via;
use sekisho_core::period_report::{PeriodReport, ShareRow};
use sekisho_store::PlanView;
use std::collections::BTreeMap;

const STYLE: &str = include_str!("document.css");
const LANGUAGES: [Lang; 2] = [Lang::Ja, Lang::En];

/// A document around what templates made. The policy in it stands for the one that a server would send.
fn whole(title: &str, articles: &str) -> String {
    let title: String = title.chars().filter(|c| !matches!(c, '<' | '>' | '&' | '"')).collect();
    format!(
        "<!doctype html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{articles}\n</body>\n</html>\n"
    )
}

/// 作業計画書 as in the pages, in Japanese and then in English.
pub(super) fn plan(wish: &Wish<'_>, view: &PlanView) -> Result<String, Error> {
    let (evidence, hand) = (wish.evidence, wish.hand);
    let mut articles = String::new();
    for lang in LANGUAGES {
        let page = told::of(&Reader { store: &hand.store, me: None, gate: &hand.gate, lang, now: evidence.made_at }, view);
        let base = context! { t => words_function(lang), lang => lang.as_str(), facility => hand.store.facility(), now_ms => evidence.made_at.0, layout => "evidence/document.html", me => context! { name => by(wish) } };
        articles.push_str(&wish.views.render("print/plan.html", base, context! { plan => value(page) })?);
    }
    Ok(whole(&format!("{} {}", view.plan.number, words::word(Lang::Ja, "print.plan_title")), &articles))
}

/// 証跡レビュー as it was signed, in Japanese and then in English.
pub(super) fn review(wish: &Wish<'_>, review: &LogReview) -> Result<String, Error> {
    let names = &wish.hand.names;
    let mut articles = String::new();
    for lang in LANGUAGES {
        let said = |judged: &Judged| context! { verdict => words::word(lang, &format!("lr.verdict_{}", judged.verdict.as_str())), name => judged.name.as_str(), at => judged.at.0, note => judged.note.as_str() };
        let row = |line: &ReviewedLine| {
            context! {
                n => line.n,
                section => words::word(lang, &format!("lr.section_{}", line.section.as_str())),
                title => log_reviews::title(lang, names, line),
                who => log_reviews::who(lang, line),
                at => line.at.0,
                seqs => line.seqs.iter().map(|seq| format!("#{seq}")).collect::<Vec<_>>().join(" "),
                more => line.entries.saturating_sub(line.seqs.len() as u64),
                session => line.session.as_ref().map(|id| id.as_str()),
                judged => line.judged.as_ref().map(said),
                earlier => line.earlier.iter().map(said).collect::<Vec<_>>(),
            }
        };
        let mark = |signed: &ReviewSigned| context! { name => signed.name.as_str(), at => signed.at.0, remark => signed.remark.as_str(), deviation => signed.deviation, signature => signed.signature.as_str(), digest => signed.digest.as_str() };
        let sections = Section::ALL.into_iter().map(|section| {
            let count = review.counts.get(&section).copied().unwrap_or_default();
            context! { title => words::word(lang, &format!("lr.section_{}", section.as_str())), entries => count.entries, groups => count.groups, lines => count.lines }
        });
        let context = context! {
            number => review.number.as_str(),
            span => if lang == Lang::Ja { review.span.ja(review.kind) } else { review.span.en(review.kind) },
            entries => review.entries(),
            no_data => review.is_without_data(),
            first => review.first,
            last => review.end.saturating_sub(1),
            end => review.end,
            opened_at => review.opened_at.0,
            root => review.root.as_str(),
            seed => review.seed.as_str(),
            bounds => review.bounds.as_str(),
            sections => sections.collect::<Vec<_>>(),
            rows => review.lines.iter().map(row).collect::<Vec<_>>(),
            signed => review.signed.as_ref().map(mark),
            confirmed => review.confirmed.as_ref().map(mark),
        };
        let base = context! { t => words_function(lang), lang => lang.as_str(), facility => wish.hand.store.facility() };
        articles.push_str(&wish.views.render("evidence/review.html", base, context)?);
    }
    Ok(whole(&words::word_with(Lang::Ja, "lr.one", &[("number", &review.number)]), &articles))
}

/// 月次報告書・年次報告書 as it was issued, in Japanese and then in English.
pub(super) fn period_report(wish: &Wish<'_>, report: &PeriodReport) -> Result<String, Error> {
    let mut articles = String::new();
    for lang in LANGUAGES {
        let groups: Vec<Value> = reports::numbers(lang, report).into_iter().map(|(name, rows)| context! { title => words::word(lang, &format!("rp.group_{name}")), rows }).collect();
        let rows = |of: &[ShareRow]| of.iter().map(|row| context! { name => row.name.as_str(), sessions => row.sessions, time => reports::hours(lang, row.millis) }).collect::<Vec<_>>();
        let content = &report.content;
        let context = context! {
            title => words::word(lang, &format!("rp.title_{}", report.kind.as_str())),
            whose => if report.vendor.is_some() { report.vendor_name.clone() } else { words::word(lang, "rp.hospital") },
            span => if lang == Lang::Ja { report.span.ja(report.kind) } else { report.span.en(report.kind) },
            number => report.number.as_str(),
            edition => report.edition,
            reason => report.reason.as_str(),
            issued_at => report.issued_at.0,
            no_data => report.is_without_data(),
            groups,
            has_before => report.before.is_some(),
            jobs => content.jobs.iter().map(|row| reports::job(lang, row)).collect::<Vec<_>>(),
            open => content.jobs.iter().filter(|row| row.is_open()).count(),
            more_jobs => content.more_jobs,
            targets => rows(&content.targets),
            vendors => rows(&content.vendors),
            workers => rows(&content.workers),
            first => report.counted.first,
            last => report.counted.end.saturating_sub(1),
            size => report.counted.size,
            digest => report.digest.as_str(),
            note => report.counted.note.as_str(),
            taken => report.taken.as_ref().map(|taken| context! { name => taken.name.as_str(), at => taken.at.0, remark => taken.remark.as_str() }),
        };
        let base = context! { t => words_function(lang), lang => lang.as_str(), facility => wish.hand.store.facility() };
        articles.push_str(&wish.views.render("evidence/period_report.html", base, context)?);
    }
    Ok(whole(&format!("{} {}", words::word(Lang::Ja, &format!("rp.title_{}", report.kind.as_str())), report.number), &articles))
}

/// Who took the bundle.
fn by(wish: &Wish<'_>) -> String {
    let actor = &wish.evidence.actor;
    if actor.via == Via::Console { words::word(Lang::Ja, "evidence.console") } else { actor.name.clone() }
}

/// A word in both languages, Japanese first; the template shows the English one smaller.
fn in_both() -> Value {
    Value::from_function(|key: String, kwargs: Kwargs| -> Result<Value, Error> {
        let mut values = Vec::new();
        for name in kwargs.args() {
            values.push((name.to_owned(), kwargs.get::<Value>(name)?.to_string()));
        }
        kwargs.assert_all_used()?;
        let pairs: Vec<(&str, &str)> = values.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let [ja, en] = LANGUAGES.map(|lang| words::word_with(lang, &key, &pairs));
        Ok(context! { ja, en })
    })
}

fn both(text: impl Fn(Lang) -> String) -> Value {
    let [ja, en] = LANGUAGES.map(text);
    context! { ja, en }
}

/// What the bundle is about, its plans with their approvals, its sessions, its case, and the entries as sentences in their order.
pub(super) fn report(wish: &Wish<'_>, entries: &[Entry]) -> Result<String, Error> {
    let (evidence, hand) = (wish.evidence, wish.hand);
    let rows: Vec<Value> = entries.iter().map(|entry| row(&hand.names, entry)).collect();
    let plans: Vec<Value> = evidence.plans.iter().map(plan_row).collect();
    let case = evidence.case.as_ref().map(|held| {
        let case = &held.case;
        let accounts: Vec<&str> = case.accounts.iter().map(String::as_str).collect();
        context! {
            id => case.id.as_str(),
            rule => both(|lang| format!("{} {}", case.key.rule.short(), words::word(lang, &format!("cases.rule_{}", case.key.rule.as_str())))),
            weight => both(|lang| words::word(lang, &format!("cases.weight_{}", case.weight.as_str()))),
            what => both(|lang| words::word(lang, &format!("cases.what_{}", case.key.rule.as_str()))),
            about => case.about.as_str(),
            from => case.key.from.as_str(),
            accounts => accounts.join(", "),
            logins => case.logins,
            attempts => case.attempts,
            first => case.first.0,
            last => case.last.0,
            line => case.line.as_str(),
            proved => held.line.is_some(),
            around => held.around.iter().map(|(at, text, own)| context! { at => at.second(), text, own }).collect::<Vec<_>>(),
            decided => case.decided.as_ref().map(|decided| context! { what => both(|lang| words::word(lang, &format!("cases.decision_{}", decided.what.as_str()))), name => decided.name.as_str(), at => decided.at.0, reason => decided.reason.as_str() }),
        }
    });
    let told = entries.len();
    let context = context! {
        both => in_both(),
        facility => hand.store.facility(),
        about => both(|lang| scope_words(lang, &evidence.scope)),
        is_period => matches!(evidence.scope, EvidenceScope::Period { .. }),
        all_entries => evidence.all_entries,
        by => by(wish),
        reason => evidence.reason.as_str(),
        made_at => evidence.made_at.0,
        taken => evidence.taken,
        origin => evidence.checkpoint.origin.as_str(),
        size => evidence.checkpoint.size,
        root => evidence.checkpoint.root.to_string(),
        public_key => evidence.public_key.as_str(),
        plans,
        sessions => sessions(entries),
        running => evidence.running.len(),
        reviews => evidence.reviews.iter().map(|review| context! { id => review.id.as_str(), number => review.number.as_str(), span => both(|lang| if lang == Lang::Ja { review.span.ja(review.kind) } else { review.span.en(review.kind) }), lines => review.lines.len(), signed => review.signed.as_ref().map(|signed| context! { name => signed.name.as_str(), at => signed.at.0 }), confirmed => review.confirmed.as_ref().map(|signed| context! { name => signed.name.as_str(), at => signed.at.0 }) }).collect::<Vec<_>>(),
        reports => evidence.reports.iter().map(|report| context! { id => report.id.as_str(), number => report.number.as_str(), edition => report.edition, title => both(|lang| words::word(lang, &format!("rp.title_{}", report.kind.as_str()))), whose => if report.vendor.is_some() { context! { ja => report.vendor_name.as_str(), en => report.vendor_name.as_str() } } else { both(|lang| words::word(lang, "rp.hospital")) }, digest => report.digest.as_str() }).collect::<Vec<_>>(),
        lost => evidence.lost.join(", "),
        holds => evidence.holds.iter().map(hold_row).collect::<Vec<_>>(),
        case,
        rows,
        total => evidence.seqs.len(),
        more => evidence.seqs.len().saturating_sub(told),
    };
    let base = context! { t => words_function(Lang::Ja), lang => "ja" };
    let article = wish.views.render("evidence/report.html", base, context)?;
    Ok(whole(&format!("{} {}", words::word(Lang::Ja, "evidence.report"), scope_words(Lang::Ja, &evidence.scope)), &article))
}

fn row(names: &LogNames, entry: &Entry) -> Value {
    let via = serde_json::to_value(entry.actor.via).ok().and_then(|via| via.as_str().map(str::to_owned)).unwrap_or_default();
    context! {
        seq => entry.seq,
        at => entry.at.0,
        who => entry.actor.name.as_str(),
        via => both(|lang| words::word(lang, &format!("log.via_{via}"))),
        source => entry.actor.source.as_deref().unwrap_or_default(),
        what => both(|lang| sentence(lang, names, &entry.fact)),
    }
}

fn hold_row(hold: &Hold) -> Value {
    context! {
        about => hold.about.as_str(),
        basis => both(|lang| words::word(lang, &format!("keeping.basis_{}", hold.basis.as_str()))),
        number => hold.case_number.as_str(),
        reason => hold.reason.as_str(),
        placed => hold.placed_at.0,
        by => hold.placed_name.as_str(),
        until => hold.until.map(|until| until.0),
    }
}

fn plan_row(view: &PlanView) -> Value {
    let plan = &view.plan;
    let approvals: Vec<Value> = plan
        .approvals
        .iter()
        .map(|approval| {
            let slot = crate::pages::plans::view::slot_name(approval.slot);
            context! { slot => both(|lang| words::word(lang, &format!("mark.{slot}"))), name => approval.name.as_str(), at => approval.at.0, digest => approval.digest.as_str(), is_of_this => approval.digest == view.digest }
        })
        .collect();
    let (from, until) = plan.window();
    context! {
        id => plan.id.as_str(),
        number => plan.number.as_str(),
        title => plan.content.title.as_str(),
        vendor => view.vendors.get(&plan.vendor).map(String::as_str),
        state => context! { ja => plan.state.ja(), en => plan.state.en() },
        from => from.0,
        until => until.0,
        digest => view.digest.as_str(),
        approvals,
    }
}

/// The sessions that entered among the entries, as their entries tell of them.
fn sessions(entries: &[Entry]) -> Vec<Value> {
    let left: BTreeMap<&str, (&Entry, String, &str)> = entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Left { session, digest, cause, .. } => {
                let cause = serde_json::to_value(cause).ok().and_then(|cause| cause.as_str().map(str::to_owned)).unwrap_or_default();
                Some((session.as_str(), (entry, cause, digest.as_str())))
            }
            _ => None,
        })
        .collect();
    let told = |entry: &Entry, session: &str, target: &str, username: &str| {
        let end = left.get(session);
        context! {
            id => session,
            who => entry.actor.name.as_str(),
            source => entry.actor.source.as_deref().unwrap_or_default(),
            target,
            username,
            entered => entry.at.0,
            entered_seq => entry.seq,
            left => end.map(|(left, ..)| left.at.0),
            left_seq => end.map(|(left, ..)| left.seq),
            digest => end.map(|(_, _, digest)| *digest),
        }
    };
    entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Entered { session, target_name, username, .. } | Fact::RobotEntered { session, target_name, username, .. } => Some(told(entry, session.as_str(), target_name, username)),
            _ => None,
        })
        .collect()
}
