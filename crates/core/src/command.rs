//! Rules for commands: what happens when a worker enters one that a rule names.
//!
//! A rule is an aid, not a boundary: a shell has a thousand ways to say the same thing. What holds is the plan, the
//! recording and the person who watches.

mod loosened;
mod pattern;
pub mod sets;
mod split;

use crate::authorize::Grant;
use crate::limits;
use crate::plan::content::check_line;
use crate::refusal::Refusal;
use crate::target::{TargetClass, Witness};
pub use loosened::{Loosened, loosened};
use pattern::{Manner, Pattern, Purse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use split::{Form, Simple, TooMuch};
use unicode_normalization::UnicodeNormalization;

/// What a rule does. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleAct {
    /// Written into the log (記録).
    Note,
    /// Written into the log and shown to the hospital at once (通知).
    Alert,
    /// Waits at the gateway until a person of the hospital allows it (保留).
    Hold,
    /// Never reaches the target (拒否).
    Refuse,
}

impl RuleAct {
    /// All acts.
    pub const ALL: [Self; 4] = [Self::Note, Self::Alert, Self::Hold, Self::Refuse];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Alert => "alert",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }

    /// Reads the name that [`RuleAct::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRule {
    /// What it names: words of the command, `*` for any text.
    pub pattern: String,
    /// What happens.
    pub act: RuleAct,
    /// Why, in words for the worker and the person who decides.
    #[serde(default)]
    pub reason: String,
}

impl CommandRule {
    /// Bounds of what was written.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("rules.pattern", &self.pattern)?;
        check_line("rules.reason", &self.reason)?;
        let says_something = !Pattern::read(&self.pattern, Manner::Loose).is_empty();
        let is_bounded = self.pattern.matches('*').count() <= limits::PATTERN_STARS;
        if says_something && is_bounded { Ok(()) } else { Err(Refusal::bad_field("rules.pattern")) }
    }
}

/// Why a command is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A rule names it.
    Rule,
    /// It is not among the planned commands.
    Unplanned,
    /// Every command waits for the witness.
    Step,
    /// It is too large or too tangled to be read.
    TooMuch,
}

impl Because {
    /// The name in log and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Unplanned => "unplanned",
            Self::Step => "step",
            Self::TooMuch => "too_much",
        }
    }
}

/// What happens to a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What happens.
    pub act: RuleAct,
    /// Why.
    pub because: Because,
    /// The pattern that named it; empty if no rule did.
    pub pattern: String,
    /// The reason, in words for people.
    pub reason: String,
    /// The part of the line that was named.
    pub part: String,
}

/// The reason of what is not planned.
const UNPLANNED: &str = "作業計画にないコマンドです。";
/// The reason of a step.
const STEP: &str = "立会者が一つずつ確かめる作業です。";
/// What stands in the place of a line that the screen does not show.
const UNSEEN_LINE: &str = "(画面に出ない入力 / input not shown)";
/// The reason of such a line.
const UNSEEN: &str = "画面に表示されない入力(パスワードなど)のため、内容は見えません。作業者に確かめてから決めてください。";
/// The reason of what cannot be read.
const TOO_MUCH: &str = "長すぎるか複雑すぎて、内容を確かめられません。";

/// All that a session's command lines are judged by. Made once for a session.
#[derive(Clone, Debug)]
pub struct Judge {
    class: TargetClass,
    rules: Vec<(Pattern, CommandRule)>,
    planned: Vec<Pattern>,
    unplanned: Option<RuleAct>,
    step: bool,
}

impl Judge {
    /// `rules` in their order: those of the plan, then those of the target's class.
    #[must_use]
    pub fn new(class: TargetClass, rules: &[CommandRule], commands: &[String], unplanned: Option<RuleAct>, witness: Witness) -> Self {
        let read = |text: &str, manner| Pattern::read(&plain(text, class), manner);
        Self {
            class,
            rules: rules.iter().map(|rule| (read(&rule.pattern, Manner::Loose), rule.clone())).collect(),
            planned: if unplanned.is_some() { commands.iter().map(|line| read(line, Manner::Strict)).collect() } else { Vec::new() },
            unplanned,
            step: witness == Witness::Step,
        }
    }

    /// By what a grant says.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        Self::new(grant.class, &grant.rules, &grant.commands, grant.unplanned, grant.witness)
    }

    /// True if no command can be named.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.rules.is_empty() && self.unplanned.is_none() && !self.step
    }

    /// True if a command can be made to wait or be refused, so that it must be judged before it reaches the target.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        let stops = |act: RuleAct| act >= RuleAct::Hold;
        self.step || self.unplanned.is_some_and(stops) || self.rules.iter().any(|(_, rule)| stops(rule.act))
    }

    /// Judges one command line. Of several simple commands the strictest act decides; of one simple command the first
    /// rule that names it. `None`: nothing names it. The cost is bounded whatever the line.
    #[must_use]
    pub fn judge(&self, line: &str) -> Option<Ruling> {
        let line = plain(line, self.class);
        if self.is_silent() || line.trim().is_empty() {
            return None;
        }
        match self.named(&line) {
            Ok(named) => {
                let step = self.step.then(|| ruling(RuleAct::Hold, Because::Step, STEP, line.trim()));
                match (named, step) {
                    (Some(named), Some(step)) => Some(if named.act >= step.act { named } else { step }),
                    (named, step) => named.or(step),
                }
            }
            Err(TooMuch) => Some(self.too_much(&line)),
        }
    }

    /// The ruling on a line that nobody can judge, because not all of it can be read.
    #[must_use]
    pub fn too_much(&self, line: &str) -> Ruling {
        let act = if self.may_stop() { RuleAct::Refuse } else { RuleAct::Alert };
        let shown: String = line.chars().take(limits::LINE_CHARS).collect();
        ruling(act, Because::TooMuch, TOO_MUCH, &shown)
    }

    /// The ruling on a line that was entered and that the screen does not show. Where every command waits for the witness,
    /// this one does, too, because it may be a command whose echo is late or switched off; its text is told to nobody.
    /// `None`: elsewhere a line that nobody sees is judged by nobody.
    #[must_use]
    pub fn unseen(&self) -> Option<Ruling> {
        self.step.then(|| ruling(RuleAct::Hold, Because::Step, UNSEEN, UNSEEN_LINE))
    }

    fn named(&self, line: &str) -> Result<Option<Ruling>, TooMuch> {
        if line.len() > limits::EXEC_BYTES * 3 {
            return Err(TooMuch);
        }
        let mut purse = Purse::new();
        let mut strictest: Option<Ruling> = None;
        let mut keep = |ruling: Option<Ruling>| {
            if let Some(ruling) = ruling
                && strictest.as_ref().is_none_or(|known| ruling.act > known.act)
            {
                strictest = Some(ruling);
            }
        };
        let commands = split::shell(line)?;
        let mut statements = Vec::new();
        if self.class == TargetClass::Database {
            statements = split::sql(line)?;
            for form in commands.iter().filter_map(|command| command.forms.first()) {
                for text in split::sql_texts(&form.words) {
                    statements.extend(split::sql(text)?);
                }
            }
        }
        for command in &commands {
            // What a wrapper runs beside its own work (`find -exec`) is a command for itself: a rule that lets it pass
            // says nothing of the wrapper.
            let (own, others): (Vec<Form>, Vec<Form>) = command.forms.iter().cloned().partition(|form| form.same);
            keep(self.first_rule(&own, &mut purse)?);
            for other in others {
                keep(self.first_rule(&[other], &mut purse)?);
            }
        }
        for words in &statements {
            keep(self.first_rule(&[Form { words: words.clone(), same: true }], &mut purse)?);
        }
        if let Some(act) = self.unplanned {
            keep(self.not_planned(line, &commands, &statements, &mut purse)?.map(|part| ruling(act, Because::Unplanned, UNPLANNED, &part)));
        }
        Ok(strictest)
    }

    fn first_rule(&self, forms: &[Form], purse: &mut Purse) -> Result<Option<Ruling>, TooMuch> {
        for (pattern, rule) in &self.rules {
            for form in forms {
                if pattern.names(&form.words, Manner::Loose, purse)? {
                    let part = form.words.join(" ");
                    return Ok(Some(Ruling { pattern: rule.pattern.clone(), ..ruling(rule.act, Because::Rule, &rule.reason, &part) }));
                }
            }
        }
        Ok(None)
    }

    /// The first part of the line that no planned command covers.
    fn not_planned(&self, line: &str, commands: &[Simple], statements: &[Vec<String>], purse: &mut Purse) -> Result<Option<String>, TooMuch> {
        let covers = |words: &[String], purse: &mut Purse| -> Result<bool, TooMuch> {
            for pattern in &self.planned {
                if pattern.names(words, Manner::Strict, purse)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        // A statement is no shell command: on a database the line counts as planned in either reading.
        if self.class == TargetClass::Database && !statements.is_empty() {
            let mut all = true;
            for words in split::sql(line)? {
                all = all && covers(&words, purse)?;
            }
            if all {
                return Ok(None);
            }
        }
        for command in commands.iter().filter(|command| !command.nested) {
            let mut covered = false;
            for form in command.forms.iter().filter(|form| form.same) {
                covered = covered || covers(&form.words, purse)?;
            }
            if !covered {
                return Ok(command.forms.first().map(|form| form.words.join(" ")));
            }
        }
        Ok(None)
    }
}

/// Whether a command line starts a shell that takes its commands from the input, so that each line of the input is one.
#[must_use]
pub fn reads_commands(line: &str) -> bool {
    let commands = split::shell(line).unwrap_or_default();
    commands.iter().flat_map(|command| &command.forms).any(|form| split::reads_input(&form.words))
}

fn ruling(act: RuleAct, because: Because, reason: &str, part: &str) -> Ruling {
    Ruling { act, because, pattern: String::new(), reason: reason.to_owned(), part: part.to_owned() }
}

/// The text with full width as half width, without what nobody sees, and in small letters where case does not count.
fn plain(text: &str, class: TargetClass) -> String {
    let seen = |c: &char| !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}');
    let plain = text.nfkc().filter(seen);
    match class {
        TargetClass::Database | TargetClass::Network => plain.flat_map(char::to_lowercase).collect(),
        TargetClass::Linux | TargetClass::Other => plain.collect(),
    }
}

#[cfg(test)]
mod tests;
