//! How long each class is kept: longer by one person, shorter by a planner whom another person asked.

use crate::Store;
use crate::fault::{Done, Fault};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::{Change, KeepClass, KeepRule, KeepWish, change, notice, other_hand};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSet {
    /// It is longer and in force.
    Longer,
    /// It is shorter and waits for a planner.
    Asked,
}

/// One class on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassState {
    /// Which.
    pub class: KeepClass,
    /// Its rule; none before the first round of the box.
    pub rule: Option<KeepRule>,
    /// The wish that waits.
    pub wish: Option<KeepWish>,
    /// Recordings of this class that are kept.
    pub recordings: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest of them ended.
    pub oldest: Option<Timestamp>,
}

/// How the check of old recordings stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CareState {
    /// Recordings that are kept.
    pub kept: u64,
    /// Those of them that were checked since their session ended.
    pub checked: u64,
    /// When the last one was checked.
    pub last: Option<Timestamp>,
    /// Of those that were checked, the one that was so longest ago.
    pub oldest: Option<Timestamp>,
    /// Recordings that were found damaged and set aside.
    pub aside: u64,
    /// Deleted ones of which a copy waits.
    pub waiting: u64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionState {
    /// When the oldest entry of the log was written.
    pub log_since: Option<Timestamp>,
    /// The classes.
    pub classes: Vec<ClassState>,
    /// The check of old recordings.
    pub care: CareState,
    /// Holds that stand.
    pub holds: usize,
}

impl Store {
    /// Days with which a class begins on this box.
    fn first_days(&self, class: KeepClass) -> u32 {
        let own = self.inner.settings.target_logs.as_ref().filter(|_| class == KeepClass::TargetLogs).map(|logs| logs.keep_days);
        own.unwrap_or_else(|| class.default_days()).max(limits::RETENTION_FLOOR_DAYS as u32)
    }

    /// Writes the first rules down, once. Nothing is deleted for the time of an announcement after that.
    pub(super) async fn begin_times(&self) -> Result<(), Fault> {
        let missing: Vec<KeepClass> = self.board(|board| KeepClass::ALL.into_iter().filter(|class| board.rule(*class).is_none()).collect());
        if missing.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let not_before = tx.now().plus(notice());
        for class in missing {
            tx.fact(Fact::RetentionSet { class, days: self.first_days(class), before: None, not_before, asked_by: String::new(), of_console: false, reason: String::new() });
        }
        tx.commit().await
    }

    /// Sets a longer time, or asks for a shorter one.
    ///
    /// # Errors
    /// Without the right; [`Refusal::BadField`] for days below the floor, or no change.
    pub async fn ask_time(&self, actor: &Actor, class: KeepClass, days: u32, reason: &str) -> Done<TimeSet> {
        self.require(actor, Action::AskRetention, None, "ask_time").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::bad_field("reason").into());
        }
        self.begin_times().await?;
        let mut tx = self.write(actor).await?;
        let rule = self.board(|board| board.rule(class)).ok_or(Refusal::NotFound)?;
        let set = match change(rule, days)? {
            Change::Longer => {
                tx.fact(Fact::RetentionSet { class, days, before: Some(rule.days), not_before: rule.not_before, asked_by: String::new(), of_console: false, reason: reason.to_owned() });
                TimeSet::Longer
            }
            Change::Shorter => {
                tx.fact(Fact::RetentionAsked { class, days, before: rule.days, reason: reason.to_owned() });
                TimeSet::Asked
            }
        };
        tx.commit().await?;
        Ok(set)
    }

    /// Decides on a shorter time, of the days that the planner saw. Who asked may take it back, and not grant it.
    ///
    /// # Errors
    /// Without the right; [`Refusal::SameHand`]; [`Refusal::NothingAsked`], also of what lapsed; [`Refusal::ChangedMeanwhile`].
    pub async fn decide_time(&self, actor: &Actor, class: KeepClass, days: u32, agreed: bool, reason: &str) -> Done<()> {
        let now = self.now();
        let wish = self.board(|board| board.wish(class, now).cloned());
        let own = wish.as_ref().is_some_and(|wish| wish.by.is_some() && wish.by == actor.person);
        let right = if own && !agreed { Action::AskRetention } else { Action::DecideRetention };
        self.require(actor, right, None, "decide_time").await?;
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let wish = self.board(|board| board.wish(class, now).cloned()).ok_or(Refusal::NothingAsked)?;
        if wish.days != days {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        if agreed {
            if let Err(refusal) = other_hand(wish.by.as_ref(), actor.person.as_ref()) {
                drop(tx);
                self.note_refused_act(actor, "decide_time", &refusal).await;
                return Err(refusal.into());
            }
            let rule = self.board(|board| board.rule(class)).ok_or(Refusal::NotFound)?;
            let not_before = tx.now().plus(notice()).max(rule.not_before);
            tx.fact(Fact::RetentionSet { class, days, before: Some(rule.days), not_before, of_console: wish.by.is_none(), asked_by: wish.name, reason: reason.to_owned() });
        } else {
            tx.fact(Fact::RetentionDeclined { class, days, reason: reason.to_owned() });
        }
        tx.commit().await?;
        Ok(())
    }

    /// How keeping stands.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn retention(&self, actor: &Actor) -> Done<RetentionState> {
        may(actor, Action::ReadRetention, None)?;
        let now = self.now();
        let number = |row: &sqlx::any::AnyRow, name: &str| -> Result<u64, Fault> { Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0)) };
        let rows = sqlx::query("SELECT class, COUNT(*) AS n, CAST(SUM(bytes) AS BIGINT) AS b, MIN(ended_at) AS oldest FROM recording_care WHERE state IN ('kept', 'aside') GROUP BY class").fetch_all(self.read()).await?;
        let mut classes: Vec<ClassState> = self.board(|board| {
            KeepClass::ALL.into_iter().map(|class| ClassState { class, rule: board.rule(class), wish: board.wish(class, now).cloned(), recordings: 0, bytes: 0, oldest: None }).collect()
        });
        for row in &rows {
            let class: String = row.try_get("class")?;
            if let Some(state) = classes.iter_mut().find(|state| state.class.as_str() == class) {
                (state.recordings, state.bytes) = (number(row, "n")?, number(row, "b")?);
                state.oldest = row.try_get::<Option<i64>, _>("oldest")?.map(Timestamp);
            }
        }
        let holds = self.board(|board| board.holds().filter(|hold| hold.stands(now)).count());
        let first = sqlx::query("SELECT at FROM log ORDER BY seq LIMIT 1").fetch_optional(self.read()).await?;
        let log_since = first.map(|row| row.try_get("at").map(Timestamp)).transpose()?;
        Ok(RetentionState { classes, log_since, care: self.care_state().await?, holds })
    }

    /// How the check of old recordings stands, for those who may see how the box is.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn care_state(&self) -> Result<CareState, Fault> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS n, COUNT(checked_at) AS checked, MAX(checked_at) AS last, MIN(checked_at) AS oldest FROM recording_care GROUP BY state").fetch_all(self.read()).await?;
        let mut care = CareState::default();
        for row in &rows {
            let n = u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0);
            match row.try_get::<&str, _>("state")? {
                "kept" => {
                    care.kept = n;
                    care.checked = u64::try_from(row.try_get::<i64, _>("checked")?).unwrap_or(0);
                    care.last = row.try_get::<Option<i64>, _>("last")?.map(Timestamp);
                    care.oldest = row.try_get::<Option<i64>, _>("oldest")?.map(Timestamp);
                }
                "aside" => care.aside = n,
                "going" => care.waiting = n,
                _ => {}
            }
        }
        Ok(care)
    }
}
