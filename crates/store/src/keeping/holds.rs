//! Placing, extending and lifting holds (証拠保全).

use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use sekisho_core::facts::Fact;
use sekisho_core::hold::{Hold, HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{HoldId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::{check_line, check_text};
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::other_hand;
use sekisho_core::time::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// An end that is nearer is told.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

fn reason_of(reason: &str) -> Result<(), Refusal> {
    check_text("reason", reason)?;
    if reason.trim().is_empty() { Err(Refusal::bad_field("reason")) } else { Ok(()) }
}

impl Store {
    /// Places a hold. From the moment this returns nothing within its scope is deleted.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for a scope that is not there; the field that is wrong; [`Refusal::too_many`].
    pub async fn place_hold(&self, actor: &Actor, ask: HoldAsk) -> Done<Hold> {
        self.require(actor, Action::PlaceHold, None, "place_hold").await?;
        let about = self.about_scope(&ask.scope).await?;
        let id: HoldId = random_id()?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let until = ask.check(now)?;
        if self.board(|board| board.holds().filter(|hold| hold.stands(now)).count()) >= limits::HOLDS {
            return Err(Refusal::too_many("HOLDS").into());
        }
        tx.fact(Fact::HoldPlaced { hold: id.clone(), scope: ask.scope, about, basis: ask.basis, case_number: ask.case_number.trim().to_owned(), reason: ask.reason, until });
        tx.commit().await?;
        self.lock_held_copies_soon();
        self.hold_of(&id)
    }

    fn hold_of(&self, id: &HoldId) -> Done<Hold> {
        Ok(self.board(|board| board.hold(id).cloned()).ok_or(Refusal::NotFound)?)
    }

    /// Gives a hold on a request of the police a later end, 60 days after it was placed at the latest.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`]; [`Refusal::HoldOver`]; [`Refusal::BadField`] for an end that does not fit.
    pub async fn extend_hold(&self, actor: &Actor, id: &HoldId, days: u32, reason: &str) -> Done<Hold> {
        self.require(actor, Action::PlaceHold, None, "extend_hold").await?;
        reason_of(reason)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let hold = self.hold_of(id)?;
        if !hold.stands(now) {
            return Err(Refusal::HoldOver.into());
        }
        let until = hold.placed_at.plus(DAY * days);
        if hold.basis != HoldBasis::Police || hold.longest() < until || hold.until.is_none_or(|old| until <= old) {
            return Err(Refusal::bad_field("days").into());
        }
        tx.fact(Fact::HoldExtended { hold: id.clone(), until, reason: reason.to_owned() });
        tx.commit().await?;
        self.lock_held_copies_soon();
        self.hold_of(id)
    }

    /// Lifts a hold that another person placed. The console names nobody: of a hold that was placed there, whoever lifts it says who
    /// placed it (`console`), which is an alarm for the others to look at.
    ///
    /// # Errors
    /// Without the right; [`Refusal::SameHand`]; [`Refusal::NotFound`]; [`Refusal::HoldOver`]; [`Refusal::BadField`] without a
    /// reason, or without that name.
    pub async fn lift_hold(&self, actor: &Actor, id: &HoldId, reason: &str, console: &str) -> Done<Hold> {
        self.require(actor, Action::LiftHold, None, "lift_hold").await?;
        reason_of(reason)?;
        check_line("console", console)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let hold = self.hold_of(id)?;
        if !hold.stands(now) {
            return Err(Refusal::HoldOver.into());
        }
        if let Err(refusal) = other_hand(hold.placed_by.as_ref(), actor.person.as_ref()) {
            drop(tx);
            self.note_refused_act(actor, "lift_hold", &refusal).await;
            return Err(refusal.into());
        }
        let console = if hold.placed_by.is_none() { console.trim() } else { "" };
        if hold.placed_by.is_none() {
            let plain = |name: &str| name.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            if plain(console).is_empty() {
                return Err(Refusal::bad_field("console").into());
            }
            if plain(console) == plain(&actor.name) || plain(console) == plain(&actor.login) {
                drop(tx);
                self.note_refused_act(actor, "lift_hold", &Refusal::SameHand).await;
                return Err(Refusal::SameHand.into());
            }
        }
        tx.fact(Fact::HoldLifted { hold: id.clone(), reason: reason.to_owned(), console: console.to_owned() });
        tx.commit().await?;
        self.hold_of(id)
    }

    /// All holds: those that stand, the newest first, then those that ended.
    ///
    /// # Errors
    /// Without the right to read them.
    pub async fn holds(&self, actor: &Actor) -> Done<Vec<Hold>> {
        may(actor, Action::ReadRetention, None)?;
        let now = self.now();
        let mut holds: Vec<Hold> = self.board(|board| board.holds().cloned().collect());
        holds.sort_by_key(|hold| (!hold.stands(now), std::cmp::Reverse(hold.placed_at)));
        Ok(holds)
    }

    /// One hold.
    ///
    /// # Errors
    /// Without the right to read them; [`Refusal::NotFound`].
    pub async fn hold(&self, actor: &Actor, id: &HoldId) -> Done<Hold> {
        may(actor, Action::ReadRetention, None)?;
        self.hold_of(id)
    }

    /// The holds that keep a session at this moment.
    ///
    /// # Errors
    /// A fault; whoever may see the session may know that it is held.
    pub async fn holds_of_session(&self, session: &SessionId) -> Result<Vec<Hold>, Fault> {
        let now = self.now();
        let Some(told) = self.session_told(session).await? else { return Ok(Vec::new()) };
        let thing = told.thing(now);
        Ok(self.board(|board| board.holds_on(&thing, now).into_iter().cloned().collect()))
    }

    /// The holds that keep a plan's files at this moment.
    ///
    /// # Errors
    /// A fault; whoever may see the plan may know that it is held.
    pub async fn holds_of_plan(&self, plan: &PlanId) -> Result<Vec<Hold>, Fault> {
        let now = self.now();
        let Some(plan) = self.load_plan(self.read(), plan).await? else { return Ok(Vec::new()) };
        let thing = Self::thing_of_plan(&plan, now);
        Ok(self.board(|board| board.holds_on(&thing, now).into_iter().cloned().collect()))
    }

    /// Ends of holds that are near, for the look at what ends.
    pub(crate) fn hold_ends(&self, now: Timestamp) -> Vec<(HoldId, String, Timestamp)> {
        let near = |until: &Timestamp| *until <= now.plus(SOON);
        self.board(|board| {
            let standing = board.holds().filter(|hold| hold.ended.as_ref().is_none_or(|end| end.by.is_empty()));
            standing.filter_map(|hold| Some((hold.id.clone(), format!("{} {}", hold.case_number, hold.about), hold.until.filter(near)?))).collect()
        })
    }

    /// Writes down that the time of holds is over.
    pub(super) async fn end_holds(&self) -> Result<(), Fault> {
        let now = self.now();
        let over = |hold: &&Hold| hold.ended.is_none() && hold.until.is_some_and(|until| until <= now);
        let ended: Vec<HoldId> = self.board(|board| board.holds().filter(over).map(|hold| hold.id.clone()).collect());
        if ended.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for hold in ended {
            tx.fact(Fact::HoldEnded { hold });
        }
        tx.commit().await
    }

    /// What a scope is called; it must be there.
    async fn about_scope(&self, scope: &HoldScope) -> Done<String> {
        Ok(match scope {
            HoldScope::Session { session } => {
                let told = self.session_told(session).await?.ok_or(Refusal::NotFound)?;
                let (who, place) = told.about();
                format!("{} {who} {place}", told.entered.0.at.minute())
            }
            HoldScope::Plan { plan } => {
                let plan = self.load_plan(self.read(), plan).await?.ok_or(Refusal::NotFound)?;
                format!("{} {}", plan.number, plan.content.title)
            }
            HoldScope::Target { target } => self.load_target(self.read(), target).await?.ok_or(Refusal::NotFound)?.name,
            HoldScope::Vendor { vendor } => self.load_vendors(self.read()).await?.into_iter().find(|held| held.id == *vendor).ok_or(Refusal::NotFound)?.name,
            HoldScope::Person { person } => self.load_person(self.read(), person).await?.ok_or(Refusal::NotFound)?.name,
            HoldScope::Period { .. } | HoldScope::Everything => String::new(),
        })
    }
}
