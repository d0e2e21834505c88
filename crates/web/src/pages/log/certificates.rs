//! Sentences of the facts about certificates of devices.

use super::sentence::one_of;
use crate::words::{self, Lang};
use sekisho_core::facts::Fact;

/// The sentence, if the fact is about a certificate of a device, its code or its authority.
pub(super) fn sentence(lang: Lang, fact: &Fact) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    let because = |reason: &str| if reason.is_empty() { String::new() } else { say("certificate_because", &[("reason", reason.trim_end_matches(['。', '.']))]) };
    Some(match fact {
        Fact::DeviceAuthority { root, issuing } => say("device_authority", &[("root", root), ("issuing", issuing)]),
        Fact::DeviceRootTaken { root, how, file } => say("device_root_taken", &[("root", root), ("how", if how == "passphrase" { words::find(lang, "log.root_passphrase").unwrap_or(how) } else { how }), ("file", file)]),
        Fact::DeviceIssuingAsked { key } => say("device_issuing_asked", &[("key", key)]),
        Fact::DeviceIssuingBrought { issuing } => say("device_issuing_brought", &[("issuing", issuing)]),
        Fact::DeviceCodeIssued { name, until, .. } => say("device_code_issued", &[("name", name), ("until", &until.minute())]),
        Fact::DeviceCodeFailed { name, why, source, .. } => say("device_code_failed", &[("name", name), ("why", &one_of(lang, "log.code_why", why)), ("source", source)]),
        Fact::DeviceCodeEnded { name, how, .. } => say("device_code_ended", &[("name", name), ("how", &one_of(lang, "log.code_how", how))]),
        Fact::DeviceCertified { name, serial, how, source, until, .. } => {
            say("device_certified", &[("name", name), ("serial", serial), ("how", &one_of(lang, "log.certified_by", how)), ("source", source), ("until", &until.minute())])
        }
        Fact::DeviceCertificateEnded { name, serial, how, until, reason, .. } => {
            say("device_certificate_ended", &[("name", name), ("serial", serial), ("how", &one_of(lang, "log.certificate_how", how)), ("until", &until.minute()), ("because", &because(reason))])
        }
        Fact::CertificateRefused { why, serial, source, others } => {
            let others = if *others == 0 { String::new() } else { say("certificate_refused_others", &[("n", &others.to_string())]) };
            let serial = if serial.is_empty() { "—" } else { serial };
            say("certificate_refused", &[("why", &one_of(lang, "log.certificate_why", why)), ("serial", serial), ("source", source), ("others", &others)])
        }
        _ => return None,
    })
}
