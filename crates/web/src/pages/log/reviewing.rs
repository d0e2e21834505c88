//! Sentences of the facts about reviews of the log, exports of it, and reports on months and years.

use super::LogNames;
use super::sentence::{because, one_of};
use crate::words::{self, Lang};
use sekisho_core::facts::Fact;
use sekisho_core::time::format_date;

/// The sentence, if the fact is one of these.
pub(super) fn sentence(lang: Lang, fact: &Fact, names: &LogNames) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    Some(match fact {
        Fact::LogReviewScheduled { cycle, from, sample } => say("log_review_scheduled", &[("cycle", &one_of(lang, "lr.cycle", cycle.as_str())), ("from", &format_date(from.date())), ("sample", &sample.to_string())]),
        Fact::LogReviewOpened { number, first, end, lines, sample, .. } => {
            let (from, until) = (first.to_string(), end.saturating_sub(1).to_string());
            let key = if first == end { "log_review_opened_empty" } else { "log_review_opened" };
            say(key, &[("number", number), ("from", &from), ("until", &until), ("lines", &lines.to_string()), ("sample", &sample.len().to_string())])
        }
        Fact::LogReviewJudged { number, line, verdict, note, .. } => {
            say("log_review_judged", &[("number", number), ("line", &line.to_string()), ("verdict", &one_of(lang, "lr.verdict", verdict.as_str())), ("because", &because(lang, note))])
        }
        Fact::LogReviewSigned { number, digest, .. } => say("log_review_signed", &[("number", number), ("digest", digest)]),
        Fact::LogReviewReturned { number, reason, .. } => say("log_review_returned", &[("number", number), ("reason", reason.trim_end_matches(['。', '.']))]),
        Fact::LogReviewConfirmed { number, deviation, .. } => say(if *deviation { "log_review_confirmed_alone" } else { "log_review_confirmed" }, &[("number", number)]),
        Fact::ReportIssued { number, edition, vendor, first, end, digest, .. } => {
            let whose = vendor.as_ref().map_or_else(|| words::word(lang, "rp.hospital"), |vendor| names.of(vendor.as_str()));
            let (from, until) = (first.to_string(), end.saturating_sub(1).to_string());
            let key = if first == end { "report_issued_empty" } else { "report_issued" };
            say(key, &[("number", number), ("edition", &edition.to_string()), ("whose", &whose), ("from", &from), ("until", &until), ("digest", digest)])
        }
        Fact::ReportNoted { number, .. } => say("report_noted", &[("number", number)]),
        Fact::ReportRecounted { number, edition, holds, same, entries, .. } => {
            say(if *holds && *same { "report_recounted" } else { "report_recounted_other" }, &[("number", number), ("edition", &edition.to_string()), ("entries", &entries.to_string())])
        }
        Fact::LogTaken { form, entries, first, last, chosen } => {
            let range = first.zip(*last).map_or_else(|| "—".to_owned(), |(first, last)| format!("#{first}–#{last}"));
            let form = form.to_uppercase();
            let key = if chosen.is_empty() { "log_taken" } else { "log_taken_chosen" };
            say(key, &[("form", &form), ("entries", &entries.to_string()), ("range", &range), ("chosen", chosen)])
        }
        Fact::DutyLate { duty, number, .. } => say("duty_late", &[("duty", &one_of(lang, "lr.late", duty)), ("number", number)]),
        _ => return None,
    })
}
