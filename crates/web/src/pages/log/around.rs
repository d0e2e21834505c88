//! Sentences of the facts about targets' logs and logins that went round the gateway.

use super::LogNames;
use super::sentence::{because, one_of};
use crate::words::{self, Lang};
use sekisho_core::facts::Fact;

/// The sentence, if the fact is one of these.
pub(super) fn sentence(lang: Lang, fact: &Fact, names: &LogNames) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    let rule = |rule: sekisho_core::around::AroundRule| format!("{} {}", rule.short(), one_of(lang, "cases.rule", rule.as_str()));
    let or = |text: &str, word: &str| if text.is_empty() { words::word(lang, word) } else { text.to_owned() };
    Some(match fact {
        Fact::LogSourceKept { hosts, change, unauthenticated, reason, .. } => {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let key = if *unauthenticated { "log_source_kept_plain" } else { "log_source_kept" };
            say(key, &[("hosts", &hosts.join(", ")), ("change", &one_of(lang, "log.log_source_change", change)), ("because", &because(lang, reason))])
        }
        Fact::LogAuthority { root } => say("log_authority", &[("root", root)]),
        Fact::LogTurnedAway { why, from, others } => {
            let others = if *others == 0 { String::new() } else { say("certificate_refused_others", &[("n", &others.to_string())]) };
            say("log_turned_away", &[("why", &one_of(lang, "log.log_away", why)), ("from", from), ("others", &others)])
        }
        Fact::LogLost { host, lines, .. } => say("log_lost", &[("host", host), ("lines", &lines.to_string())]),
        Fact::LogSegmentClosed { segment, lines, bytes, digest } => {
            say("log_segment_closed", &[("segment", &segment.to_string()), ("lines", &lines.to_string()), ("bytes", &crate::view::bytes(*bytes)), ("digest", digest)])
        }
        Fact::LogSegmentGrew { segment, lines, digest } => say("log_segment_grew", &[("segment", &segment.to_string()), ("lines", &lines.to_string()), ("digest", digest)]),
        Fact::RowDamaged { table, row, how } => say(if how == "older" { "row_put_back" } else { "row_changed" }, &[("table", table), ("row", row)]),
        Fact::LogImported { about, name, form, digest, bytes, clock_seconds, .. } => say(
            "log_imported",
            &[("about", about), ("name", name), ("form", &one_of(lang, "imports.form", form)), ("digest", digest), ("bytes", &crate::view::bytes(*bytes)), ("clock", &clock_seconds.to_string())],
        ),
        Fact::LogImportRead { about, records, logins, known, foreign, joined, hits, troubles, .. } => say(
            "log_import_read",
            &[
                ("about", about),
                ("records", &records.to_string()),
                ("logins", &logins.to_string()),
                ("known", &known.to_string()),
                ("foreign", &foreign.to_string()),
                ("joined", &joined.to_string()),
                ("hits", &hits.to_string()),
                ("troubles", &troubles.to_string()),
            ],
        ),
        Fact::SessionToldByImport { by, record, clock_seconds, .. } => {
            say("session_told_by_import", &[("by", &one_of(lang, "log.told_by", by)), ("at", &record.second()), ("clock", &clock_seconds.to_string())])
        }
        Fact::LogSegmentsDropped { first, last, why } => say("log_segments_dropped", &[("first", &first.to_string()), ("last", &last.to_string()), ("why", &one_of(lang, "log.log_dropped", why))]),
        Fact::SessionTold { by, from, port, unauthenticated, clock_seconds, .. } => {
            let place = match (from, port) {
                (Some(from), Some(port)) => std::net::SocketAddr::new(*from, *port).to_string(),
                (Some(from), None) => from.to_string(),
                (None, _) => words::word(lang, "cases.no_place"),
            };
            let key = if *unauthenticated { "session_told_plain" } else { "session_told" };
            let text = say(key, &[("by", &one_of(lang, "log.told_by", by)), ("place", &place)]);
            format!("{text}{}", clock_seconds.map(|seconds| crate::pages::sessions::clock_words(lang, seconds)).unwrap_or_default())
        }
        Fact::CaseOpened { rule: which, about, account, from, weight, import, .. } => say(
            if import.is_some() { "case_opened_by_import" } else { "case_opened" },
            &[("rule", &rule(*which)), ("about", about), ("weight", &one_of(lang, "cases.weight", weight.as_str())), ("account", &or(account, "cases.no_account")), ("from", &or(from, "cases.no_place"))],
        ),
        Fact::CaseGrew { rule: which, about, logins, attempts, .. } => say("case_grew", &[("rule", &rule(*which)), ("about", about), ("logins", &logins.to_string()), ("attempts", &attempts.to_string())]),
        Fact::CaseDecided { rule: which, about, decision, reason, .. } => {
            say("case_decided", &[("rule", &rule(*which)), ("about", about), ("decision", &one_of(lang, "cases.decision", decision.as_str())), ("because", &because(lang, reason))])
        }
        Fact::LoginAllowKept { target, network, account, until, change, reason, .. } => {
            let target = target.as_ref().map_or_else(|| words::word(lang, "cases.every_target"), |target| names.of(target.as_str()));
            let account = account.clone().unwrap_or_else(|| words::word(lang, "cases.every_account"));
            let key = if change == "ended" { "login_allow_ended" } else { "login_allowed" };
            say(key, &[("target", &target), ("network", &network.to_string()), ("account", &account), ("until", &until.minute()), ("because", &because(lang, reason))])
        }
        _ => return None,
    })
}
