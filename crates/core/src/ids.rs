//! Identifiers. Each kind has its own type, so that a plan's id can never stand where a person's is asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier from 10 bytes that the caller drew from the operating system.
            #[must_use]
            pub fn from_random(bytes: [u8; 10]) -> Self {
                Self(format!("{}{}", $prefix, base32(bytes)))
            }

            /// Reads an identifier; `None` unless it has exactly this kind's form.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let tail = text.strip_prefix($prefix)?;
                let sound = tail.len() == 16 && tail.bytes().all(|b| ALPHABET.contains(&b));
                sound.then(|| Self(text.to_owned()))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| concat!("not an identifier of the form ", $prefix, "…").to_owned())
            }
        }
    };
}

id_type!(/** A person, of the hospital or of a vendor. */ PersonId, "per-");
id_type!(/** A vendor (事業者) or a subcontractor (再委託先). */ VendorId, "ven-");
id_type!(/** A target: one server or device that is maintained. */ TargetId, "tgt-");
id_type!(/** An account on a target, whose credential is stored. */ AccountId, "acc-");
id_type!(/** A work plan (作業計画書). */ PlanId, "pln-");
id_type!(/** A maintenance session: one worker on one target under one plan. */ SessionId, "ses-");
id_type!(/** A browser's or API client's login. */ WebLoginId, "log-");
id_type!(/** A file attached to a plan. */ AttachmentId, "att-");
id_type!(/** A public key that a worker registered. */ WorkerKeyId, "key-");
id_type!(/** A token for automation. */ TokenId, "tok-");
id_type!(/** A review of accounts (棚卸). */ ReviewId, "rev-");
id_type!(/** A passkey or security key that a person registered. */ PasskeyId, "psk-");
id_type!(/** A line of the ledger of identity checks (本人確認台帳). */ IdentityCheckId, "idc-");
id_type!(/** A key window: minutes in which a registered key alone opens sessions. */ KeyWindowId, "kwn-");
id_type!(/** The link of a person to a directory or sign-in provider. */ LinkId, "lnk-");
id_type!(/** A line (回線): a row of the connection register. */ LineId, "lin-");
id_type!(/** A device (端末): a row of the register of devices. */ DeviceId, "dev-");
id_type!(/** A client certificate of a device. */ DeviceCertificateId, "crt-");
id_type!(/** An emergency account. */ EmergencyId, "emg-");
id_type!(/** One use of an emergency account. */ EmergencyUseId, "emu-");
id_type!(/** A mail of the outbox. */ MailId, "mai-");
id_type!(/** A login by SSH certificate. */ SshLoginId, "sln-");
id_type!(/** A device's request for a login, which its person confirms in a browser. */ ConnectId, "con-");
id_type!(/** A one-time code by which a device comes by its certificate. */ DeviceCodeId, "dcd-");
id_type!(/** A service of this machine beside Sekisho that a person confirmed. */ ServiceId, "svc-");
id_type!(/** A source of targets' logs. */ LogSourceId, "lsr-");
id_type!(/** A case: a login that no session explains. */ CaseId, "cas-");
id_type!(/** A file of a target's log that was read in. */ LogImportId, "lim-");
id_type!(/** An entry of the list of logins that may go round the gateway. */ LoginAllowId, "lal-");

id_type!(/** A hold (証拠保全). */ HoldId, "hld-");
id_type!(/** The key of an auditor that opens recordings. */ AuditorKeyId, "adk-");
id_type!(/** A second key, whose holder must agree before recordings open. */ SecondKeyId, "sck-");
id_type!(/** A request to open recordings that nobody opens alone. */ ViewingRequestId, "vrq-");
id_type!(/** An alarm (警報). */ AlarmId, "alm-");
id_type!(/** A review of the log (証跡レビュー). */ LogReviewId, "lrv-");
id_type!(/** An edition of a report on a span (月次報告など). */ PeriodReportId, "rpt-");

/// RFC 4648 base32 in lower case without padding; 10 bytes give 16 characters.
fn base32(bytes: [u8; 10]) -> String {
    let mut out = String::with_capacity(16);
    let mut bits = 0u32;
    let mut held = 0u32;
    for byte in bytes {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            let index = ((bits >> held) & 31) as usize;
            out.push(char::from(ALPHABET[index]));
        }
        bits &= (1 << held) - 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_and_keeps_its_kind() {
        let id = PlanId::from_random([0xff; 10]);
        assert_eq!(id.as_str(), "pln-7777777777777777");
        assert_eq!(PlanId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(PersonId::parse(id.as_str()), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "pln-", "pln-777777777777777", "pln-77777777777777777", "pln-777777777777777A", "../etc/passwd", "pln-777777777777777\n"] {
            assert_eq!(PlanId::parse(bad), None, "{bad:?}");
        }
    }
}
