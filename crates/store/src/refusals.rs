//! Refused acts of persons who had logged in are facts too, where the refusal guards a right.

use crate::Store;
use crate::fault::Done;
use sekisho_core::facts::Fact;
use sekisho_core::ids::VendorId;
use sekisho_core::people::{Actor, Via};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;

/// Longest detail of such a fact; routes and names of acts are shorter.
const DETAIL_CHARS: usize = 200;

impl Store {
    /// Checks a right, and writes down that it was missing.
    pub(crate) async fn require(&self, actor: &Actor, action: Action, owner: Option<&VendorId>, detail: &str) -> Done<()> {
        match may(actor, action, owner) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                self.note_refused_act(actor, detail, &refusal).await;
                Err(refusal.into())
            }
        }
    }

    /// Writes down that a person's act was refused, if the refusal guards a right. Mistakes in a form are no facts.
    /// `detail` says what was tried: a route or the name of an act.
    ///
    /// The act stays refused whether or not this can be written, so there is nothing to answer.
    pub async fn note_refused_act(&self, actor: &Actor, detail: &str, refusal: &Refusal) {
        if !guards_a_right(refusal) || actor.via == Via::System {
            return;
        }
        let written = async {
            let mut tx = self.write(actor).await?;
            tx.fact(Fact::Refused {
                stage: if actor.via == Via::Console { "console" } else { "web" }.to_owned(),
                login: actor.login.clone(),
                code: refusal.code().to_owned(),
                detail: detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect(),
            });
            tx.commit().await
        };
        if let Err(fault) = written.await {
            tracing::error!(%fault, code = refusal.code(), "a refusal could not be written down; it was refused all the same");
        }
    }
}

fn guards_a_right(refusal: &Refusal) -> bool {
    use Refusal as R;
    matches!(
        refusal,
        R::NotAllowed
            | R::NotFound
            | R::StepUpNeeded
            | R::TokenScope
            | R::TokenNeedsPerson
            | R::ForeignRequest
            | R::ApproverIsApplicant
            | R::ApproverIsVendor
            | R::AlreadyApproved
            | R::PlannerOnly
            | R::DigestChanged
            | R::VendorHoldsHospitalRole
            | R::HospitalHoldsVendorRole
            | R::AuditorMayNotChange
            | R::DoubleRole
            | R::OwnMatter
            | R::SameHand
            | R::TwoPersons
            | R::NotSecondHolder
            | R::LastAdministrator
    )
}
