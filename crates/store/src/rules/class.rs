//! The rules of a class of targets. A class that nobody has decided on has the basic ones.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use sekisho_core::command::{CommandRule, sets};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::TargetClass;
use serde::{Deserialize, Serialize};
use sqlx::{Any, Executor};

/// The rules of one class, in their order: the first that names a command decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRules {
    /// The class.
    pub class: TargetClass,
    /// The rules.
    pub rules: Vec<CommandRule>,
    /// Counts the changes; a change names the version that it was made from. 0: nobody has changed anything.
    pub version: u64,
}

/// What to do with the rules of a class. Places count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesChange {
    /// Put a rule at the end, or before another one.
    Add(CommandRule, Option<usize>),
    /// Put this rule in the place of another one.
    Change(usize, CommandRule),
    /// Move a rule to another place.
    Move(usize, usize),
    /// Take a rule away.
    Remove(usize),
    /// The whole ready-made set in the place of all rules.
    Whole,
    /// The basic rules in the place of all rules.
    Basic,
    /// No rules.
    Clear,
    /// These rules in the place of all rules.
    All(Vec<CommandRule>),
}

impl RulesChange {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(..) => "added",
            Self::Change(..) => "changed",
            Self::Move(..) => "moved",
            Self::Remove(_) => "removed",
            Self::Whole => "whole",
            Self::Basic => "basic",
            Self::Clear => "cleared",
            Self::All(_) => "replaced",
        }
    }

    /// Changes the rules, and gives the one that it was done to.
    fn apply(self, class: TargetClass, rules: &mut Vec<CommandRule>) -> Result<Option<CommandRule>, Refusal> {
        let there = |at: usize, rules: &[CommandRule]| if at < rules.len() { Ok(at) } else { Err(Refusal::NotFound) };
        let one = match self {
            Self::Add(rule, before) => {
                rule.check()?;
                rules.insert(before.unwrap_or(rules.len()).min(rules.len()), rule.clone());
                Some(rule)
            }
            Self::Change(at, rule) => {
                rule.check()?;
                let place = rules.get_mut(at).ok_or(Refusal::NotFound)?;
                *place = rule.clone();
                Some(rule)
            }
            Self::Move(from, to) => {
                let rule = rules.remove(there(from, rules)?);
                rules.insert(to.min(rules.len()), rule.clone());
                Some(rule)
            }
            Self::Remove(at) => Some(rules.remove(there(at, rules)?)),
            Self::Whole => {
                *rules = sets::whole(class);
                None
            }
            Self::Basic => {
                *rules = sets::basic(class);
                None
            }
            Self::Clear => {
                rules.clear();
                None
            }
            Self::All(all) => {
                all.iter().take(limits::CLASS_RULES).try_for_each(CommandRule::check)?;
                *rules = all;
                None
            }
        };
        if rules.len() > limits::CLASS_RULES { Err(Refusal::too_many("CLASS_RULES")) } else { Ok(one) }
    }
}

/// The row's identifier.
pub(crate) fn row_id(class: TargetClass) -> &'static str {
    match class {
        TargetClass::Linux => "rules-linux",
        TargetClass::Database => "rules-database",
        TargetClass::Network => "rules-network",
        TargetClass::Other => "rules-other",
    }
}

impl Held for ClassRules {
    const TABLE: &'static str = "command_rules";
    fn key(&self) -> &str {
        row_id(self.class)
    }
}

impl Store {
    /// The rules of every class, for whoever may read the ledgers.
    ///
    /// # Errors
    /// Without the right; a fault if a row is not as it was written.
    pub async fn command_rules(&self, actor: &Actor) -> Done<Vec<ClassRules>> {
        self.require(actor, Action::ReadLedger, None, "command_rules").await?;
        let mut all = Vec::new();
        for class in TargetClass::ALL {
            all.push(self.load_rules(self.read(), class).await?);
        }
        Ok(all)
    }

    /// Changes the rules of a class. It holds for sessions that begin after it.
    ///
    /// # Errors
    /// Without the right; [`Refusal::ChangedMeanwhile`] if `version` is not the present one; a malformed rule, or too many.
    pub async fn change_rules(&self, actor: &Actor, class: TargetClass, version: u64, change: RulesChange) -> Done<ClassRules> {
        self.require(actor, Action::KeepLedger, None, "change_rules").await?;
        let mut tx = self.write(actor).await?;
        let mut kept = self.load_rules(tx.sql(), class).await?;
        if kept.version != version {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        let name = change.name();
        let one = change.apply(class, &mut kept.rules)?;
        kept.version += 1;
        let body = serde_json::to_string(&kept)?;
        sqlx::query("INSERT INTO command_rules (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = $2")
            .bind(row_id(class).to_owned())
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &kept, &body).await?;
        tx.fact(Fact::RulesKept {
            class,
            change: name.to_owned(),
            pattern: one.as_ref().map(|rule| rule.pattern.clone()).unwrap_or_default(),
            act: one.map(|rule| rule.act),
            rules: kept.rules.len(),
        });
        tx.commit().await?;
        Ok(kept)
    }

    /// The rules of a class as they hold at this moment.
    pub(crate) async fn load_rules(&self, executor: impl Executor<'_, Database = Any>, class: TargetClass) -> Result<ClassRules, Fault> {
        let since = self.since();
        let id = row_id(class);
        let row = sqlx::query("SELECT body, seal FROM command_rules WHERE id = $1").bind(id.to_owned()).fetch_optional(executor).await?;
        match row {
            Some(row) => {
                let kept: ClassRules = self.held(&row, since)?;
                if kept.class == class { Ok(kept) } else { Err(Fault::Damaged(format!("the row {id} holds the rules of another class"))) }
            }
            // The log tells of a change, so there was a row.
            None if self.inner.log.last_told(id).is_some_and(|told| told < since) => Err(Fault::Damaged(format!("the row {id} was taken away by somebody else"))),
            None => Ok(ClassRules { class, rules: sets::basic(class), version: 0 }),
        }
    }
}
