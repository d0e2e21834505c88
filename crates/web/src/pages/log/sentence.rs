//! Every fact as a sentence. The match has no catch-all: a fact without words does not compile.

use super::LogNames;
use crate::pages::plans::written::position;
use crate::words::{self, Lang};
use sekisho_core::control::{Control, HowDecided};
use sekisho_core::desk::Dialled;
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::{Fact, ViewMode};
use sekisho_core::people::Role;
use sekisho_core::plan::state::PlanState;
use sekisho_core::rotation::{Rotated, RotationTrouble};
use sekisho_core::target::CredentialKind;
use std::collections::BTreeSet;

fn roles(lang: Lang, roles: &BTreeSet<Role>) -> String {
    let names: Vec<&str> = roles.iter().map(|role| words::role(lang, *role)).collect();
    names.join(if lang == Lang::Ja { "・" } else { ", " })
}

fn state(lang: Lang, state: PlanState) -> &'static str {
    match lang {
        Lang::Ja => state.ja(),
        Lang::En => state.en(),
    }
}

/// What an evidence bundle is about.
pub(in crate::pages) fn scope_words(lang: Lang, scope: &EvidenceScope) -> String {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("evidence.of_{key}"), values);
    match scope {
        EvidenceScope::Session { session } => say("session", &[("id", session.as_str())]),
        EvidenceScope::Plan { plan } => say("plan", &[("id", plan.as_str())]),
        EvidenceScope::Case { case } => say("case", &[("id", case.as_str())]),
        EvidenceScope::Period { from, until } => say("period", &[("from", &from.second()), ("until", &until.second())]),
    }
}

/// A word of a small closed set, such as a cause; the value itself if the set has grown.
pub(super) fn one_of(lang: Lang, set: &str, value: &str) -> String {
    words::find(lang, &format!("{set}_{value}")).map_or_else(|| value.to_owned(), str::to_owned)
}

/// A reason that may be empty.
pub(super) fn because(lang: Lang, reason: &str) -> String {
    let reason = reason.trim().trim_end_matches(['。', '.']);
    if reason.is_empty() { String::new() } else { words::word_with(lang, "fact.because", &[("reason", reason)]) }
}

/// Who entered, by which line and from which device.
fn entered(lang: Lang, fact: &Fact, key: &str) -> String {
    let Fact::Entered { target_name, username, line_name, device_name, device_proof, deviation, .. } = fact else { return String::new() };
    let device = match (device_name.as_str(), words::device_deviation(lang, deviation)) {
        ("", None) => words::word(lang, "fact.no_device"),
        ("", Some(why)) => why,
        (name, None) => format!("{name} ({})", one_of(lang, "log.device_proof", device_proof)),
        (name, Some(why)) => format!("{name} ({}: {why})", one_of(lang, "log.device_proof", device_proof)),
    };
    words::word_with(lang, &format!("fact.{key}"), &[("target", target_name), ("username", username), ("line", line_name), ("device", &device)])
}

fn mode(lang: Lang, mode: ViewMode) -> String {
    let name = match mode {
        ViewMode::Live => "live",
        ViewMode::Replay => "replay",
        ViewMode::Export => "export",
    };
    one_of(lang, "log.mode", name)
}

/// What was done to a running session, as a sentence of its own on pages, too.
#[must_use]
pub fn controlled(lang: Lang, control: &Control) -> String {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("control.{key}"), values);
    match control {
        Control::Paused { reason, .. } if reason.is_empty() => say("paused", &[]),
        Control::Paused { reason, .. } => say("paused_because", &[("reason", reason.trim_end_matches(['。', '.']))]),
        Control::Resumed { .. } => say("resumed", &[]),
        Control::Marker { text, .. } => say("marker", &[("text", text)]),
        Control::Chat { worker: true, text, .. } => say("chat_worker", &[("text", text)]),
        Control::Chat { text, .. } => say("chat", &[("text", text)]),
        Control::Said { text, .. } => say("said", &[("text", text)]),
        Control::WitnessCame { by } => say("witness_came", &[("by", by)]),
        Control::WitnessLeft { by } => say("witness_left", &[("by", by)]),
        Control::Ruled { act, line, reason, hold } => {
            let key = if reason.is_empty() { "ruled" } else { "ruled_because" };
            let reason = reason.trim_end_matches(['。', '.']);
            // The decision names the number alone.
            let act = if *hold > 0 { say("act_hold_n", &[("n", &hold.to_string())]) } else { words::word(lang, &format!("control.act_{}", act.as_str())) };
            say(key, &[("act", &act), ("line", line), ("reason", reason)])
        }
        Control::Decided { allowed, hold, .. } => say(if *allowed { "allowed" } else { "denied" }, &[("hold", &hold.to_string())]),
        Control::FileHeld { hold, path, bytes, sha256, listed } => {
            let key = if *listed { "file_held_listed" } else { "file_held" };
            say(key, &[("hold", &hold.to_string()), ("path", path), ("bytes", &crate::view::bytes(*bytes)), ("sha256", sha256)])
        }
        Control::FileDecided { hold, path, how, passed, reason, .. } => {
            let key = match (how, passed) {
                (HowDecided::Person, true) => "file_passed",
                (HowDecided::Person, false) => "file_refused",
                (HowDecided::Listed, _) => "file_listed",
                (HowDecided::Late, _) => "file_late",
                (HowDecided::GivenUp, _) => "file_given_up",
                (HowDecided::Vanished, _) => "file_vanished",
            };
            let because = if reason.is_empty() { String::new() } else { say("file_because", &[("reason", reason.trim_end_matches(['。', '.']))]) };
            say(key, &[("hold", &hold.to_string()), ("path", path), ("because", &because)])
        }
        Control::Alert { text } => say("alert", &[("text", text)]),
    }
}

/// Milliseconds of either sign as seconds, to a tenth.
fn seconds(ms: i64) -> String {
    let tenths = ms.unsigned_abs().div_ceil(100);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How the row stands out: `bad`, `warn` or nothing.
pub(super) fn tone(fact: &Fact) -> &'static str {
    match fact {
        Fact::MailFailed { .. } | Fact::MailLate { .. } | Fact::EmergencyOpened { .. } | Fact::EmergencyTried { .. } => "bad",
        Fact::EmergencyKept { .. } | Fact::EnvelopeMade { .. } | Fact::EmergencyEnded { .. } | Fact::EmergencyClosed { .. } => "warn",
        Fact::EnvelopesSeen { intact: false, .. } | Fact::EmergencyReviewed { sound: false, .. } => "bad",
        Fact::TokenRefused { .. } | Fact::SourceLocked { .. } | Fact::ExposureNew { .. } => "bad",
        Fact::ServiceKept { .. } | Fact::DeviceRootTaken { .. } | Fact::DeviceIssuingAsked { .. } | Fact::DeviceIssuingBrought { .. } => "warn",
        Fact::DeviceCodeFailed { .. } | Fact::CertificateRefused { .. } => "bad",
        Fact::DeviceCodeIssued { .. } | Fact::DeviceCertificateEnded { .. } => "warn",
        Fact::TokenMade { .. } | Fact::DormantDisabled { .. } | Fact::ReviewDisabled { .. } | Fact::PrivilegeKept { .. } => "warn",
        Fact::Refused { .. } | Fact::LockedOut { .. } | Fact::OrphanFound { .. } | Fact::ClockJumped { .. } | Fact::RefusedInside { .. } => "bad",
        Fact::HostKeyAlarmed { .. } | Fact::PasskeyCloned { .. } | Fact::RecoveryUsed { .. } => "bad",
        Fact::PasskeyAdded { .. } | Fact::PasskeyRemoved { .. } | Fact::RecoveryMade { .. } | Fact::AuthenticatorReplaced { .. } | Fact::IdentityChecked { .. } => "warn",
        Fact::CredentialRotated { outcome: Rotated::TakenBack { .. } | Rotated::Unsure { .. }, .. } => "bad",
        Fact::CredentialRotated { outcome: Rotated::Unchanged { .. } | Rotated::DoneOldRemains, .. } | Fact::RotationSet { .. } => "warn",
        Fact::SshAuthority { .. } | Fact::HostKeyDecided { .. } | Fact::CutAsked { .. } | Fact::Escalated { .. } | Fact::EnrolmentIssued { .. } | Fact::MailAddressChanged { .. } | Fact::CredentialKept { .. } | Fact::KeyWindowOpened { .. } | Fact::RulesKept { .. } => "warn",
        Fact::RecordingTrouble { .. } | Fact::PublisherStuck { .. } | Fact::AlarmRaised { level: sekisho_core::alarm::Level::Critical, .. } | Fact::AlarmEscalated { .. } | Fact::DiskLow { .. } => "bad",
        Fact::AlarmRaised { .. } | Fact::EndsSoon { .. } | Fact::ReceiverDown { .. } | Fact::ReceiverSkipped { .. } => "warn",
        Fact::CaseOpened { .. } | Fact::LogTurnedAway { .. } | Fact::RowDamaged { .. } => "bad",
        Fact::CaseGrew { .. } | Fact::CaseDecided { .. } | Fact::LoginAllowKept { .. } | Fact::LogSourceKept { .. } => "warn",
        Fact::ArchiveCopyBad { .. } | Fact::ArchiveTrouble { .. } | Fact::ArchiveBehind { .. } => "bad",
        Fact::AuditorKeyKept { .. } | Fact::SecondKeyKept { .. } | Fact::ArchiveCopyRemoved { .. } => "warn",
        Fact::CheckpointStuck { .. } | Fact::LogContradicted { .. } | Fact::RestoreAccepted { .. } | Fact::FormerKeySigned { .. } | Fact::TimestampStuck { .. } | Fact::ClockHeld { .. } => "bad",
        Fact::ClockMoved { .. } | Fact::ClockOff { off: true, .. } => "bad",
        Fact::RecordingSetAside { .. } | Fact::RetentionStopped { .. } | Fact::HoldPressed { .. } | Fact::HoldCopiesUnlocked { .. } => "bad",
        Fact::HoldPlaced { .. } | Fact::HoldExtended { .. } | Fact::HoldLifted { .. } | Fact::RetentionSet { .. } | Fact::RetentionAsked { .. } | Fact::DeletingAsked { .. } | Fact::DeletingResumed { .. } | Fact::RecordingDeleted { .. } | Fact::AttachmentDeleted { .. } | Fact::CopyWaits { .. } => "warn",
        Fact::DutyLate { .. } | Fact::LogReviewJudged { verdict: sekisho_core::log_review::LineVerdict::Incident, .. } => "bad",
        Fact::LogReviewJudged { verdict: sekisho_core::log_review::LineVerdict::Mend, .. } | Fact::LogReviewReturned { .. } => "warn",
        Fact::KeyRotated { .. } | Fact::TimestampAuthority { .. } | Fact::ClockAccepted { .. } | Fact::ClockCorrected { .. } => "warn",
        _ => "",
    }
}

/// The name of a rule that raises alarms.
fn alarm_rule(lang: Lang, rule: sekisho_core::alarm::Rule) -> &'static str {
    if lang == Lang::Ja { rule.ja() } else { rule.en() }
}

/// How dialling a target ended.
fn dialled(lang: Lang, outcome: &Dialled) -> String {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    match outcome {
        Dialled::Connected { host_key, .. } => say("dialled_connected", &[("key", host_key)]),
        Dialled::Unreachable { detail } => say("dialled_unreachable", &[("detail", detail)]),
        Dialled::HostKeyChanged { seen } => say("dialled_host_key", &[("key", seen)]),
        Dialled::CredentialRefused => say("dialled_credential", &[]),
    }
}

/// How the exchange of a credential ended.
pub fn rotated(lang: Lang, outcome: &Rotated) -> String {
    let (key, why) = match outcome {
        Rotated::Done => ("done", None),
        Rotated::DoneOldRemains => ("done_old_remains", None),
        Rotated::Unchanged { why } => ("unchanged", Some(why)),
        Rotated::TakenBack { why } => ("taken_back", Some(why)),
        Rotated::Unsure { why } => ("unsure", Some(why)),
    };
    let why = why.map(|why| match why {
        RotationTrouble::Unreachable => "unreachable",
        RotationTrouble::HostKeyChanged => "host_key_changed",
        RotationTrouble::OldRefused => "old_refused",
        RotationTrouble::NotTaken => "not_taken",
        RotationTrouble::SetMeanwhile => "set_meanwhile",
        RotationTrouble::NewRefused => "new_refused",
        RotationTrouble::NoRecording => "no_recording",
        RotationTrouble::NothingToExchange => "nothing_to_exchange",
    });
    let why = why.map(|why| words::word(lang, &format!("rotated.why.{why}"))).unwrap_or_default();
    words::word_with(lang, &format!("rotated.{key}"), &[("why", &why)])
}

fn credential(way: CredentialKind) -> &'static str {
    match way {
        CredentialKind::Password => "password",
        CredentialKind::PrivateKey => "private_key",
        CredentialKind::Certificate => "certificate",
    }
}

/// The sentence for a fact.
#[must_use]
pub fn sentence(lang: Lang, names: &LogNames, fact: &Fact) -> String {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    let state_of = |held: bool| words::word(lang, if held { "fact.active" } else { "fact.inactive" });
    match fact {
        Fact::Initialised { origin, key } => say("initialised", &[("origin", origin), ("key", key)]),
        Fact::Started { version } => say("started", &[("version", version)]),
        Fact::Stopped => say("stopped", &[]),
        Fact::Identified { first, device_name, .. } if !device_name.is_empty() => say("identified_at", &[("first", &one_of(lang, "log.first", first)), ("device", device_name)]),
        Fact::Identified { first, .. } => say("identified", &[("first", &one_of(lang, "log.first", first))]),
        Fact::Refused { stage, login, code, detail } => say("refused", &[("stage", &one_of(lang, "log.stage", stage)), ("login", login), ("code", format!("{code} {detail}").trim_end())]),
        Fact::DormantDisabled { person, last_use, days } => {
            let last = last_use.map_or_else(|| words::word(lang, "fact.never_used"), |at| at.minute());
            say("dormant_disabled", &[("person", &names.of(person.as_str())), ("last", &last), ("days", &days.to_string())])
        }
        Fact::LeaverNoted { person, last_day, reason } => say("leaver_noted", &[("person", &names.of(person.as_str())), ("day", last_day), ("reason", reason.trim_end_matches(['。', '.']))]),
        Fact::LeaverEnded { person, logins, keys, tokens, links, sessions } => say(
            "leaver_ended",
            &[("person", &names.of(person.as_str())), ("logins", &logins.to_string()), ("keys", &keys.to_string()), ("tokens", &tokens.to_string()), ("links", &links.to_string()), ("sessions", &sessions.to_string())],
        ),
        Fact::PrivilegeKept { subject, holder, approver, until, reason } => {
            let (kind, id) = subject.split_once(':').unwrap_or(("account", subject.as_str()));
            let what = if kind == "account" { names.of(id) } else { one_of(lang, "privilege.kind", kind) };
            say("privilege_kept", &[("what", &what), ("holder", &names.of(holder.as_str())), ("approver", &names.of(approver.as_str())), ("until", until), ("reason", reason.trim_end_matches(['。', '.']))])
        }
        Fact::ReviewStarted { title, lines, deadline, .. } => say("review_started", &[("title", title), ("lines", &lines.to_string()), ("deadline", &deadline.minute())]),
        Fact::ReviewAnswered { group, answers, signed, .. } => {
            let answer = |said: &sekisho_core::review::ReviewSaid| format!("{}={}", names.of(said.person.as_str()), words::word(lang, &format!("review.verdict_{}", said.verdict.as_str())));
            let list: Vec<String> = answers.iter().take(20).map(answer).collect();
            let more = if answers.len() > 20 { " …" } else { "" };
            let key = match (signed, answers.is_empty()) {
                (true, true) => "review_signed",
                (true, false) => "review_answered_signed",
                (false, _) => "review_answered",
            };
            say(key, &[("group", group), ("answers", &format!("{}{more}", words::listed(lang, &list)))])
        }
        Fact::ReviewClosed { count, .. } => say(
            "review_closed",
            &[("keep", &count.keep.to_string()), ("change", &count.change.to_string()), ("end", &count.end.to_string()), ("open", &count.open.to_string()), ("unsigned", &count.unsigned.to_string())],
        ),
        Fact::ReviewDisabled { which, persons, .. } => {
            let list: Vec<String> = persons.iter().take(20).map(|person| names.of(person.as_str())).collect();
            say("review_disabled", &[("which", &one_of(lang, "review.which", which.as_str())), ("n", &persons.len().to_string()), ("persons", &words::listed(lang, &list))])
        }
        Fact::TokenMade { person, name, scopes, sources, until, reason, .. } => {
            let because = if reason.is_empty() { String::new() } else { say("token_because", &[("reason", reason.trim_end_matches(['。', '.']))]) };
            let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
            say("token_made", &[("person", &names.of(person.as_str())), ("name", name), ("scopes", &crate::pages::tokens::scope_words(lang, scopes)), ("sources", &sources.join(", ")), ("until", &until.minute()), ("because", &because)])
        }
        Fact::TokenEnded { person, name, cause, reason, .. } => {
            let because = if reason.is_empty() { String::new() } else { say("token_because", &[("reason", reason.trim_end_matches(['。', '.']))]) };
            say("token_ended", &[("person", &names.of(person.as_str())), ("name", name), ("cause", &one_of(lang, "token.end", cause.as_str())), ("because", &because)])
        }
        Fact::TokenRefused { person, name, why, .. } => say("token_refused", &[("person", &names.of(person.as_str())), ("name", name), ("why", &one_of(lang, "token.why", why))]),
        Fact::LoggedIn { proof: None, .. } => say("logged_in", &[]),
        Fact::LoggedIn { proof: Some(proof), device: None, through, .. } if !through.is_empty() => say("logged_in_through", &[("proof", &one_of(lang, "log.proof", proof.as_str())), ("source", through)]),
        Fact::LoggedIn { proof: Some(proof), device: Some(_), device_name, .. } => say("logged_in_at", &[("proof", &one_of(lang, "log.proof", proof.as_str())), ("device", device_name)]),
        Fact::LoggedIn { proof: Some(proof), .. } => say("logged_in_by", &[("proof", &one_of(lang, "log.proof", proof.as_str()))]),
        Fact::PersonLinked { person, source, known_as, .. } => say("person_linked", &[("person", &names.of(person.as_str())), ("source", source), ("known_as", known_as)]),
        Fact::LinkPinned { person, source, subject, .. } => say("link_pinned", &[("person", &names.of(person.as_str())), ("source", source), ("subject", subject)]),
        Fact::PersonUnlinked { person, source, .. } => say("person_unlinked", &[("person", &names.of(person.as_str())), ("source", source)]),
        Fact::DirectoryEnded { person, source, why } => say("directory_ended", &[("person", &names.of(person.as_str())), ("source", source), ("why", &one_of(lang, "link.why", why))]),
        Fact::DirectoryRolesLost { person, source, roles: lost } => say("directory_roles_lost", &[("person", &names.of(person.as_str())), ("source", source), ("roles", &roles(lang, lost))]),
        Fact::EvidenceTaken { scope, entries, recordings, reason, .. } => say("evidence_taken", &[("about", &scope_words(lang, scope)), ("entries", &entries.to_string()), ("recordings", &recordings.to_string()), ("reason", &because(lang, reason))]),
        Fact::EvidenceSigned { taken, manifest, .. } => say("evidence_signed", &[("taken", &taken.to_string()), ("manifest", manifest)]),
        Fact::DirectoryOdd { person, source } => say("directory_odd", &[("person", &names.of(person.as_str())), ("source", source)]),
        Fact::DirectoryDoubted { source, changed, linked } => say("directory_doubted", &[("source", source), ("changed", &changed.to_string()), ("linked", &linked.to_string())]),
        Fact::LoggedOut { cause } => say("logged_out", &[("cause", &one_of(lang, "log.end", cause))]),
        Fact::SshLoginAuthority { fingerprint } => say("ssh_login_authority", &[("fingerprint", fingerprint)]),
        Fact::SshLoginIssued { person, device_name, host, asked_from, plans, until, .. } => {
            let plans = plans.join(", ");
            say("ssh_login_issued", &[("person", &names.of(person.as_str())), ("device", device_name), ("host", host), ("source", asked_from), ("plans", &plans), ("until", &until.minute())])
        }
        Fact::SshLoginEnded { person, device_name, cause, .. } => say("ssh_login_ended", &[("person", &names.of(person.as_str())), ("device", device_name), ("cause", &one_of(lang, "log.end", cause))]),
        Fact::ConnectDenied { device_name, asked_from, .. } => say("connect_denied", &[("device", device_name), ("source", asked_from)]),
        Fact::EverybodyLoggedOut { reason, logins, tokens } => say("everybody_logged_out", &[("reason", reason), ("logins", &logins.to_string()), ("tokens", &tokens.to_string())]),
        Fact::LoginEnded { person, via, came_from, .. } => say("login_ended", &[("person", &names.of(person.as_str())), ("via", &one_of(lang, "logins.via", via)), ("source", came_from)]),
        Fact::SteppedUp { by: None } => say("stepped_up", &[]),
        Fact::SteppedUp { by: Some(kind) } => say("stepped_up_by", &[("kind", &one_of(lang, "log.factor", kind.as_str()))]),
        Fact::PasskeyAdded { person, name, .. } => say("passkey_added", &[("person", &names.of(person.as_str())), ("name", name)]),
        Fact::EmergencyKept { login, told, active, .. } => say(if *active { "emergency_kept" } else { "emergency_retired" }, &[("login", login), ("told", &words::listed(lang, told))]),
        Fact::EnvelopeMade { login, half, number, holder, place, .. } => say("envelope_made", &[("login", login), ("half", &one_of(lang, "emergency.half", half.as_str())), ("number", number), ("holder", holder), ("place", place)]),
        Fact::EnvelopesSeen { login, intact, note, .. } => say(if *intact { "envelopes_seen" } else { "envelopes_broken" }, &[("login", login), ("because", &because(lang, note))]),
        Fact::EmergencyCodeUsed { login, left, .. } => say("emergency_code_used", &[("login", login), ("left", &left.to_string())]),
        Fact::EmergencyOpened { login, openers, cause, reason, again, mails, .. } => say(if *again { "emergency_opened_again" } else { "emergency_opened" }, &[("login", login), ("openers", &words::listed(lang, openers)), ("cause", &one_of(lang, "emergency.cause", cause.as_str())), ("reason", reason.trim_end_matches(['。', '.'])), ("mails", &mails.to_string())]),
        Fact::EmergencyTried { login } => say("emergency_tried", &[("login", login)]),
        Fact::EmergencyEnded { login, why, .. } => say("emergency_ended", &[("login", login), ("why", &one_of(lang, "emergency.why", why))]),
        Fact::EmergencyClosed { login, note, .. } => say("emergency_closed", &[("login", login), ("because", &because(lang, note))]),
        Fact::EmergencyReviewed { login, sound, note, entries, .. } => say(if *sound { "emergency_reviewed" } else { "emergency_reviewed_unsound" }, &[("login", login), ("n", &entries.to_string()), ("note", note)]),
        Fact::MailWritten { letter, to, .. } => say("mail_written", &[("to", to), ("letter", &one_of(lang, "mail.letter", letter))]),
        Fact::MailSent { letter, to, .. } => say("mail_sent", &[("to", to), ("letter", &one_of(lang, "mail.letter", letter))]),
        Fact::MailLate { letter, to, why, .. } => say("mail_late", &[("to", to), ("letter", &one_of(lang, "mail.letter", letter)), ("why", why)]),
        Fact::MailFailed { letter, to, why, .. } => say("mail_failed", &[("to", to), ("letter", &one_of(lang, "mail.letter", letter)), ("why", why)]),
        Fact::PasskeyRemoved { person, name, .. } => say("passkey_removed", &[("person", &names.of(person.as_str())), ("name", name)]),
        Fact::PasskeyUsed { person, stage, .. } => say("passkey_used", &[("person", &names.of(person.as_str())), ("stage", &one_of(lang, "log.stage", stage))]),
        Fact::PasskeyCloned { person, name, .. } => say("passkey_cloned", &[("person", &names.of(person.as_str())), ("name", name)]),
        Fact::RecoveryMade { person } => say("recovery_made", &[("person", &names.of(person.as_str()))]),
        Fact::RecoveryUsed { person, left } => say("recovery_used", &[("person", &names.of(person.as_str())), ("left", &left.to_string())]),
        Fact::AuthenticatorReplaced { person } => say("authenticator_replaced", &[("person", &names.of(person.as_str()))]),
        Fact::IdentityChecked { person, method, .. } => say("identity_checked", &[("person", &names.of(person.as_str())), ("method", &one_of(lang, "identity.method", method.as_str()))]),
        Fact::IdentityProofRead { person, .. } => say("identity_proof_read", &[("person", &names.of(person.as_str()))]),
        Fact::LinkOpened { person } => say("link_opened", &[("person", &names.of(person.as_str()))]),
        Fact::LockedOut { login } => say("locked_out", &[("login", login)]),
        Fact::Unlocked { person, reason } if reason.is_empty() => say("unlocked", &[("person", &names.of(person.as_str()))]),
        Fact::Unlocked { person, reason } => say("unlocked_because", &[("person", &names.of(person.as_str())), ("reason", reason.trim_end_matches(['。', '.']))]),
        Fact::SourceLocked { source } => say("source_locked", &[("source", source)]),
        Fact::SourceUnlocked { subject, reason } => say("source_unlocked", &[("subject", subject), ("reason", reason.trim_end_matches(['。', '.']))]),
        Fact::PersonAdded { login, name, vendor, roles: held, .. } => {
            let side = vendor.as_ref().map_or_else(|| words::word(lang, "fact.hospital"), |id| names.of(id.as_str()));
            say("person_added", &[("name", name), ("login", login), ("vendor", &side), ("roles", &roles(lang, held))])
        }
        Fact::PersonChanged { person, roles: held, active } => say("person_changed", &[("person", &names.of(person.as_str())), ("roles", &roles(lang, held)), ("state", &state_of(*active))]),
        Fact::EnrolmentIssued { person, reason, way } => {
            let way = if way.is_empty() { String::new() } else { one_of(lang, "log.enrolment_way", way) };
            say("enrolment_issued", &[("person", &names.of(person.as_str())), ("reason", &one_of(lang, "log.enrolment", reason)), ("way", &way)])
        }
        Fact::MailAddressChanged { person, before, after } => {
            let shown = |address: &str| if address.is_empty() { words::word(lang, "log.no_address") } else { address.to_owned() };
            say("mail_address_changed", &[("person", &names.of(person.as_str())), ("before", &shown(before)), ("after", &shown(after))])
        }
        Fact::Enrolled { person } => say("enrolled", &[("person", &names.of(person.as_str()))]),
        Fact::PasswordChanged { person } => say("password_changed", &[("person", &names.of(person.as_str()))]),
        Fact::KeyAdded { person, fingerprint, .. } => say("key_added", &[("person", &names.of(person.as_str())), ("fingerprint", fingerprint)]),
        Fact::KeyRemoved { person, key } => say("key_removed", &[("person", &names.of(person.as_str())), ("key", key.as_str())]),
        Fact::KeyWindowOpened { person, target_name, number, fingerprint, source, until, .. } => say("key_window_opened", &[("person", &names.of(person.as_str())), ("target", target_name), ("number", number), ("fingerprint", fingerprint), ("source", source), ("until", &until.minute())]),
        Fact::KeyWindowUsed { target_name, used, .. } => say("key_window_used", &[("target", target_name), ("used", &used.to_string())]),
        Fact::KeyWindowClosed { person, target_name, .. } => say("key_window_closed", &[("person", &names.of(person.as_str())), ("target", target_name)]),
        Fact::KeyWindowExpired { person, target_name, used, .. } => say("key_window_expired", &[("person", &names.of(person.as_str())), ("target", target_name), ("used", &used.to_string())]),
        Fact::VendorKept { name, active, .. } => say("vendor_kept", &[("name", name), ("state", &state_of(*active))]),
        Fact::CountriesTaken { registries, dated, rows, conflicts, digest } => say(
            "countries_taken",
            &[
                ("registries", &if registries.is_empty() { words::word(lang, "log.countries_own") } else { registries.join(", ") }),
                ("dated", dated),
                ("rows", &rows.to_string()),
                ("conflicts", &conflicts.to_string()),
                ("digest", digest),
            ],
        ),
        Fact::LineKept { vendor, name, class, change, reason, .. } => say(
            "line_kept",
            &[
                ("vendor", &names.of(vendor.as_str())),
                ("name", name),
                ("class", if lang == Lang::Ja { class.ja() } else { class.en() }),
                ("change", &one_of(lang, "log.line_change", change)),
                ("reason", &because(lang, reason)),
            ],
        ),
        Fact::DeviceKept { vendor, name, change, reason, .. } => say(
            "device_kept",
            &[("vendor", &names.of(vendor.as_str())), ("name", name), ("change", &one_of(lang, "log.device_change", change)), ("reason", &because(lang, reason))],
        ),
        Fact::DeviceAuthority { .. }
        | Fact::DeviceRootTaken { .. }
        | Fact::DeviceIssuingAsked { .. }
        | Fact::DeviceIssuingBrought { .. }
        | Fact::DeviceCodeIssued { .. }
        | Fact::DeviceCodeFailed { .. }
        | Fact::DeviceCodeEnded { .. }
        | Fact::DeviceCertified { .. }
        | Fact::DeviceCertificateEnded { .. }
        | Fact::CertificateRefused { .. } => super::certificates::sentence(lang, fact).unwrap_or_default(),
        Fact::TargetKept { name, address, host_keys, active, no_log, addresses, reason, .. } => {
            let mut text = say("target_kept", &[("name", name), ("address", address), ("keys", &host_keys.join(" ")), ("state", &state_of(*active))]);
            if *no_log {
                text.push_str(&say("target_kept_no_log", &[]));
            }
            if !addresses.is_empty() {
                text.push_str(&say("target_kept_addresses", &[("addresses", &addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]));
            }
            if !reason.is_empty() {
                text.push_str(&because(lang, reason));
            }
            text
        }
        Fact::CredentialKept { target, username, way, .. } => {
            let of = names.of(target.as_str());
            match way {
                Some(way) => say("credential_way_kept", &[("target", &of), ("username", username), ("way", &one_of(lang, "log.way", credential(*way)))]),
                None => say("credential_kept", &[("target", &of), ("username", username)]),
            }
        }
        Fact::SshAuthority { signing, next, reason } => match next {
            Some(next) => say("ssh_authority_next", &[("signing", signing), ("next", next), ("reason", reason)]),
            None => say("ssh_authority", &[("signing", signing), ("reason", reason)]),
        },
        Fact::CertificateIssued { serial, key_id, principal, until, .. } => {
            say("certificate_issued", &[("serial", &serial.to_string()), ("key_id", key_id), ("principal", principal), ("until", &until.second())])
        }
        Fact::RotationSet { account, mode } => say("rotation_set", &[("account", &names.of(account.as_str())), ("mode", &words::word(lang, &format!("rotation.{}", mode.as_str())))]),
        Fact::RotationAsked { account } => say("rotation_asked", &[("account", &names.of(account.as_str()))]),
        Fact::RobotEntered { target_name, username, .. } => say("robot_entered", &[("target", target_name), ("username", username)]),
        Fact::CredentialRotated { username, outcome, .. } => say("credential_rotated", &[("username", username), ("outcome", &rotated(lang, outcome))]),
        Fact::TestAsked { target, username, .. } => say("test_asked", &[("target", &names.of(target.as_str())), ("username", username)]),
        Fact::TestEnded { target, username, outcome, .. } => {
            say("test_ended", &[("target", &names.of(target.as_str())), ("username", username), ("outcome", &dialled(lang, outcome))])
        }
        Fact::HostKeysSeen { address, host_keys } if host_keys.is_empty() => say("host_keys_unseen", &[("address", address)]),
        Fact::HostKeysSeen { address, host_keys } => say("host_keys_seen", &[("address", address), ("keys", &host_keys.join(" "))]),
        Fact::HostKeyAlarmed { target, seen, .. } => say("host_key_alarmed", &[("target", &names.of(target.as_str())), ("seen", seen)]),
        Fact::HostKeyDecided { target, seen, pinned, host_keys, reason } => {
            let key = if *pinned { "host_key_pinned" } else { "host_key_kept" };
            say(key, &[("target", &names.of(target.as_str())), ("seen", seen), ("keys", &host_keys.join(" ")), ("reason", reason)])
        }
        Fact::PlanDrawn { number, vendor, .. } => say("plan_drawn", &[("number", number), ("vendor", &names.of(vendor.as_str()))]),
        Fact::PlanActed { number, act, from, to, revision, remark, .. } => {
            let act = one_of(lang, "log.act", act);
            let key = if remark.is_empty() { "plan_acted" } else { "plan_acted_remark" };
            say(key, &[("number", number), ("act", &act), ("from", state(lang, *from)), ("to", state(lang, *to)), ("revision", &revision.to_string()), ("remark", remark)])
        }
        Fact::FileAttached { attachment, sha256, .. } => say("file_attached", &[("attachment", attachment.as_str()), ("sha256", sha256)]),
        Fact::Escalated { duty, .. } => say("escalated", &[("duty", &one_of(lang, "log.duty", duty))]),
        Fact::Entered { line, .. } if line.is_none() => entered(lang, fact, "entered"),
        Fact::Entered { .. } => entered(lang, fact, "entered_by"),
        Fact::Dialled { outcome, .. } => dialled(lang, outcome),
        Fact::RefusedInside { asked, .. } => say("refused_inside", &[("ask", &asked.ask), ("code", asked.refusal.code())]),
        Fact::FileMoved { file, .. } => {
            let bare = file.bytes == 0 && file.sha256.is_none();
            let key = match (file.ok, bare) {
                (true, true) => "file_done",
                (true, false) => "file_moved",
                (false, true) => "file_not_done",
                (false, false) => "file_failed",
            };
            say(key, &[("op", &one_of(lang, "log.file", &file.op)), ("path", &file.path), ("bytes", &crate::view::bytes(file.bytes)), ("sha256", file.sha256.as_deref().unwrap_or("-"))])
        }
        Fact::Left { cause, bytes, .. } => say("left", &[("cause", &one_of(lang, "log.cause", cause.as_str())), ("bytes", &crate::view::bytes(*bytes))]),
        Fact::OrphanFound { file } => say("orphan_found", &[("file", file)]),
        Fact::CutAsked { reason, .. } => say("cut_asked", &[("reason", reason)]),
        Fact::Controlled { control, .. } => controlled(lang, control),
        Fact::Marked { at_ms, text, .. } => say("marked", &[("place", &position(*at_ms)), ("text", text)]),
        Fact::ViewBegan { mode: how, .. } => say("view_began", &[("mode", &mode(lang, *how))]),
        Fact::ViewEnded { mode: how, .. } => say("view_ended", &[("mode", &mode(lang, *how))]),
        Fact::FileTaken { path, bytes, sha256, whole, .. } => {
            let key = if *whole { "file_taken" } else { "file_taken_part" };
            say(key, &[("path", path), ("bytes", &crate::view::bytes(*bytes)), ("sha256", sha256)])
        }
        Fact::HeldFileTaken { hold, path, bytes, sha256, .. } => say("held_file_taken", &[("hold", &hold.to_string()), ("path", path), ("bytes", &crate::view::bytes(*bytes)), ("sha256", sha256)]),
        Fact::Searched { query, hits } => say("searched", &[("query", query), ("hits", &hits.to_string())]),
        Fact::RulesKept { class, change, pattern, act, rules } => {
            let act = act.map(|act| words::word(lang, &format!("control.act_{}", act.as_str()))).unwrap_or_default();
            let class = words::word(lang, &format!("target_class.{}", class.as_str()));
            let key = if pattern.is_empty() { "rules_kept" } else { "rules_kept_one" };
            say(key, &[("class", &class), ("change", &one_of(lang, "log.rules", change)), ("pattern", pattern), ("act", &act), ("rules", &rules.to_string())])
        }
        Fact::AlertSeen { text, .. } => say("alert_seen", &[("text", text)]),
        Fact::Reconciled { rows, differences, .. } => say("reconciled", &[("rows", &rows.to_string()), ("differences", &differences.to_string())]),
        Fact::ExposureLooked { open, findings } => say("exposure_looked", &[("open", &open.to_string()), ("findings", &findings.to_string())]),
        Fact::ExposureNew { place, program } => say(if program.is_empty() { "exposure_new" } else { "exposure_new_program" }, &[("place", place), ("program", program)]),
        Fact::ServiceKept { name, place, change, reason, .. } => say(&format!("service_{change}"), &[("name", name), ("place", place), ("reason", reason.trim_end_matches(['。', '.']))]),
        Fact::RecordingTrouble { text } => say("recording_trouble", &[("text", text)]),
        Fact::PublisherStuck { behind, why } => say("publisher_stuck", &[("behind", &behind.to_string()), ("because", &because(lang, why))]),
        Fact::EndsSoon { thing, name, until, days, .. } => {
            say(if *days == 0 { "ended_now" } else { "ends_soon" }, &[("thing", &one_of(lang, "alarms.thing", thing.as_str())), ("name", name), ("until", &until.minute()), ("days", &days.to_string())])
        }
        Fact::DiskLow { free_mib, shut } => say(if *shut { "disk_shut" } else { "disk_low" }, &[("free", &free_mib.to_string())]),
        Fact::AlarmRaised { rule, level, entry, text, mails, .. } => {
            say("alarm_raised", &[("rule", alarm_rule(lang, *rule)), ("level", &one_of(lang, "alarms.level", level.as_str())), ("entry", &entry.to_string()), ("text", if lang == Lang::En { text } else { "" }), ("mails", &mails.to_string())])
        }
        Fact::AlarmEscalated { rule, roles: to, mails, .. } => say("alarm_escalated", &[("rule", alarm_rule(lang, *rule)), ("roles", &roles(lang, to)), ("mails", &mails.to_string())]),
        Fact::AlarmAcknowledged { rule, .. } => say("alarm_acknowledged", &[("rule", alarm_rule(lang, *rule))]),
        Fact::AlarmClosed { rule, note, count, .. } => say("alarm_closed", &[("rule", alarm_rule(lang, *rule)), ("note", note), ("n", &count.to_string())]),
        Fact::ReceiverDown { name, why, waiting } => say("receiver_down", &[("name", name), ("why", why), ("n", &waiting.to_string())]),
        Fact::ReceiverSkipped { name, number, why, left_out } => {
            let key = if *left_out { "receiver_left_out" } else { "receiver_skipped" };
            say(key, &[("name", name), ("n", &number.to_string()), ("why", why)])
        }
        Fact::ReceiverBack { name } => say("receiver_back", &[("name", name)]),
        Fact::LogSourceKept { .. }
        | Fact::SessionTold { .. }
        | Fact::SessionToldByImport { .. }
        | Fact::LogImported { .. }
        | Fact::LogImportRead { .. }
        | Fact::LogSegmentGrew { .. }
        | Fact::RowDamaged { .. }
        | Fact::LogLost { .. }
        | Fact::LogAuthority { .. }
        | Fact::LogTurnedAway { .. }
        | Fact::LogSegmentClosed { .. }
        | Fact::LogSegmentsDropped { .. }
        | Fact::CaseOpened { .. }
        | Fact::CaseGrew { .. }
        | Fact::CaseDecided { .. }
        | Fact::LoginAllowKept { .. } => super::around::sentence(lang, fact, names).unwrap_or_default(),
        Fact::HoldPlaced { .. }
        | Fact::HoldExtended { .. }
        | Fact::HoldLifted { .. }
        | Fact::HoldEnded { .. }
        | Fact::HoldCopiesUnlocked { .. }
        | Fact::HoldPressed { .. }
        | Fact::RetentionSet { .. }
        | Fact::RetentionAsked { .. }
        | Fact::RetentionDeclined { .. }
        | Fact::RecordingDeleted { .. }
        | Fact::CopyWaits { .. }
        | Fact::CopyErased { .. }
        | Fact::AttachmentDeleted { .. }
        | Fact::RecordingSetAside { .. }
        | Fact::RetentionStopped { .. }
        | Fact::DeletingAsked { .. }
        | Fact::DeletingResumed { .. }
        | Fact::DeletingDeclined { .. } => super::keeping::sentence(lang, fact).unwrap_or_default(),
        Fact::LogReviewScheduled { .. }
        | Fact::LogReviewOpened { .. }
        | Fact::LogReviewJudged { .. }
        | Fact::LogReviewSigned { .. }
        | Fact::LogReviewReturned { .. }
        | Fact::LogReviewConfirmed { .. }
        | Fact::ReportIssued { .. }
        | Fact::ReportNoted { .. }
        | Fact::ReportRecounted { .. }
        | Fact::LogTaken { .. }
        | Fact::DutyLate { .. } => super::reviewing::sentence(lang, fact, names).unwrap_or_default(),
        Fact::AuditorKeyKept { .. }
        | Fact::RecordingArchived { .. }
        | Fact::RecordingMovedOut { .. }
        | Fact::RecordingFetched { .. }
        | Fact::ArchiveCopyBad { .. }
        | Fact::ArchiveCopyRemoved { .. }
        | Fact::ArchiveLockProlonged { .. }
        | Fact::ArchiveTrouble { .. }
        | Fact::ArchiveWorks { .. }
        | Fact::ArchiveBehind { .. } => super::archive::sentence(lang, fact).unwrap_or_default(),
        Fact::SecondKeyKept { .. } | Fact::ViewingAsked { .. } | Fact::ViewingAgreed { .. } | Fact::ViewingDeclined { .. } | Fact::ViewingWithdrawn { .. } | Fact::ViewingEnded { .. } => {
            super::two_person::sentence(lang, names, fact).unwrap_or_default()
        }
        Fact::CheckpointStuck { place, entries, why } => say("checkpoint_stuck", &[("place", place), ("entries", &entries.to_string()), ("why", why)]),
        Fact::CheckpointLeaves { place, entries } => say("checkpoint_leaves", &[("place", place), ("entries", &entries.to_string())]),
        Fact::LogContradicted { place, here, there, .. } => say("log_contradicted", &[("place", place), ("here", &here.to_string()), ("there", &there.to_string())]),
        Fact::RestoreAccepted { place, here, there, reason, .. } => say("restore_accepted", &[("place", place), ("here", &here.to_string()), ("there", &there.to_string()), ("reason", reason)]),
        Fact::KeyRotated { new, .. } => say("key_rotated", &[("new", new)]),
        Fact::FormerKeySigned { place, entries, .. } => say("former_key_signed", &[("place", place), ("entries", &entries.to_string())]),
        Fact::TimestampStuck { authority, why } => say("timestamp_stuck", &[("authority", authority), ("why", why)]),
        Fact::TimestampGoesOn { authority, entries } => say("timestamp_goes_on", &[("authority", authority), ("entries", &entries.to_string())]),
        Fact::TimestampAuthority { root } => say("timestamp_authority", &[("root", root)]),
        Fact::ClockHeld { by_ms } => say("clock_held", &[("by", &seconds(*by_ms))]),
        Fact::ClockAccepted { by_ms, servers: 0, reason } => say("clock_accepted", &[("by", &seconds(*by_ms)), ("reason", reason)]),
        Fact::ClockAccepted { by_ms, servers, .. } => say("clock_confirmed", &[("by", &seconds(*by_ms)), ("servers", &servers.to_string())]),
        Fact::ClockConfirmed { rested_ms, servers: 0 } => say("clock_rested_phone", &[("hours", &(rested_ms / 3_600_000).to_string())]),
        Fact::ClockConfirmed { rested_ms, servers } => say("clock_rested", &[("hours", &(rested_ms / 3_600_000).to_string()), ("servers", &servers.to_string())]),
        Fact::ClockCorrected { by_ms, reason, .. } => say("clock_corrected", &[("by", &seconds(*by_ms)), ("reason", reason)]),
        Fact::ClockMoved { by_ms } => say(if *by_ms < 0 { "clock_moved_back" } else { "clock_moved_on" }, &[("by", &seconds(*by_ms))]),
        Fact::ClockOff { offset_ms, off: true, .. } => say(if *offset_ms > 0 { "clock_behind" } else { "clock_before" }, &[("by", &seconds(*offset_ms))]),
        Fact::ClockOff { offset_ms, off: false, .. } => say("clock_right", &[("by", &seconds(*offset_ms))]),
        Fact::ClockJumped { back_ms } => say("clock_jumped", &[("back_ms", &back_ms.to_string())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::ids::{PersonId, SessionId};
    use sekisho_core::desk::Cause;

    #[test]
    fn a_fact_reads_as_a_sentence_in_both_languages() {
        let names = LogNames::default();
        let person = PersonId::from_random([1; 10]);
        let session = SessionId::from_random([2; 10]);
        let facts = [
            Fact::Stopped,
            Fact::LoggedOut { cause: "idle".into() },
            Fact::Refused { stage: "web".into(), login: "sato".into(), code: "SKS-2001".into(), detail: "GET /log".into() },
            Fact::PersonChanged { person: person.clone(), roles: [Role::Planner].into(), active: false },
            Fact::Left { session: session.clone(), cause: Cause::WindowEnded, digest: String::new(), bytes: 1_500_000 },
            Fact::FileTaken { session: session.clone(), file: 1, path: "/tmp/patch.tar".into(), bytes: 42, sha256: "ab".repeat(32), whole: false },
            Fact::ViewBegan { session, mode: ViewMode::Live },
        ];
        for lang in [Lang::Ja, Lang::En] {
            for fact in &facts {
                let text = sentence(lang, &names, fact);
                assert!(!text.contains("fact.") && !text.contains("log.") && !text.contains('{'), "{text}");
                assert!(text.ends_with(if lang == Lang::Ja { '。' } else { '.' }), "{text}");
            }
        }
        assert_eq!(sentence(Lang::Ja, &names, &facts[4]), "接続が終わりました(作業時間の終了)。録画 1.5 MB を封印しました。");
    }

    #[test]
    fn every_closed_set_has_its_words() {
        use Cause as C;
        let causes = [C::Closed, C::TargetGone, C::WorkerGone, C::DialFailed, C::HostKeyChanged, C::WindowEnded, C::Cut, C::Recalled, C::Idle, C::NoWitness, C::RecordingLost, C::Breach, C::Shutdown, C::Vanished];
        for lang in [Lang::Ja, Lang::En] {
            for cause in causes {
                assert!(words::find(lang, &format!("log.cause_{}", cause.as_str())).is_some(), "{cause:?}");
            }
        }
    }
}
