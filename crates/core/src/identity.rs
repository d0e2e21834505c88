//! 本人確認: how somebody made sure that a person is who they say, before a lost factor is replaced (guideline 14 ⑥(4)).

use crate::ids::{IdentityCheckId, PersonId};
use crate::plan::content::{check_line, check_text};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the identity was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckMethod {
    /// Face to face, with a staff card or another document with a photograph.
    InPerson,
    /// Called back at the number that the ledger held before.
    CallBack,
    /// By video, with a document with a photograph.
    Video,
    /// The vendor's manager confirmed it in writing.
    VendorLetter,
    /// At the box itself, by whoever keeps it.
    AtTheBox,
}

impl CheckMethod {
    /// All of them; the last one is for the console.
    pub const ALL: [Self; 5] = [Self::InPerson, Self::CallBack, Self::Video, Self::VendorLetter, Self::AtTheBox];

    /// The name in API, log and forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InPerson => "in_person",
            Self::CallBack => "call_back",
            Self::Video => "video",
            Self::VendorLetter => "vendor_letter",
            Self::AtTheBox => "at_the_box",
        }
    }

    /// Reads what [`CheckMethod::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// What is written must be attached; a card that was looked at is described.
    #[must_use]
    pub fn needs_file(self) -> bool {
        self == Self::VendorLetter
    }
}

/// What somebody says about a check before a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityClaim {
    /// How.
    pub method: CheckMethod,
    /// Who looked: a name, if it was not the person who resets.
    #[serde(default)]
    pub checked_by: String,
    /// What proved it: the last digits of the staff card, the number called back and when, the letter's number.
    pub evidence: String,
    /// Why the factors are replaced: lost, broken, suspected.
    pub reason: String,
}

impl IdentityClaim {
    /// The form of the words.
    ///
    /// # Errors
    /// [`Refusal::BadField`]; [`Refusal::ReasonNeeded`].
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("checked_by", &self.checked_by)?;
        check_text("evidence", &self.evidence)?;
        check_text("reason", &self.reason)?;
        if self.reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        if self.evidence.trim().is_empty() {
            return Err(Refusal::bad_field("evidence"));
        }
        Ok(())
    }
}

/// A file that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofFile {
    /// Its name; for display, never a path.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// One line of the ledger 本人確認台帳.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityCheck {
    /// Identifier.
    pub id: IdentityCheckId,
    /// Whose identity.
    pub person: PersonId,
    /// Their name at that time.
    pub person_name: String,
    /// Their login name.
    pub person_login: String,
    /// Who reset the factors; the console has none.
    pub by: Option<PersonId>,
    /// Their name at that time.
    pub by_name: String,
    /// When.
    pub at: Timestamp,
    /// How, who and with what.
    pub claim: IdentityClaim,
    /// The proof, if a file was attached.
    pub proof: Option<ProofFile>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_reason_or_evidence_is_none() {
        let claim = IdentityClaim { method: CheckMethod::InPerson, checked_by: String::new(), evidence: "職員証 末尾 4821".into(), reason: "端末の紛失".into() };
        assert_eq!(claim.check(), Ok(()));
        assert_eq!(IdentityClaim { reason: "  ".into(), ..claim.clone() }.check(), Err(Refusal::ReasonNeeded));
        assert_eq!(IdentityClaim { evidence: String::new(), ..claim.clone() }.check(), Err(Refusal::bad_field("evidence")));
        assert!(IdentityClaim { checked_by: "a\nb".into(), ..claim }.check().is_err());
        for method in CheckMethod::ALL {
            assert_eq!(CheckMethod::parse(method.as_str()), Some(method));
        }
    }
}
