//! What a plan's own rules take away from those of a target's class, for whoever decides on the plan.
//!
//! Of one command the first rule decides, and the plan's stand first: `* → note` of a plan would let everything pass that
//! the class refuses. That is the plan's right, if those who approve it know.

use super::pattern::{Manner, Pattern};
use super::{CommandRule, RuleAct, plain};
use crate::target::TargetClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule of a class that does not hold, or not wholly, under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loosened {
    /// The class.
    pub class: TargetClass,
    /// Pattern of the class's rule.
    pub pattern: String,
    /// What the class wants to happen.
    pub act: RuleAct,
    /// Pattern of the plan's rule that stands before it.
    pub by: String,
    /// What happens instead, to commands that both name.
    pub to: RuleAct,
}

/// The rules of a class that rules of a plan can make laxer. Of several rules of the plan the laxest is told. It rather
/// tells of one too many than of one too few.
#[must_use]
pub fn loosened(class: TargetClass, of_plan: &[CommandRule], of_class: &[CommandRule]) -> Vec<Loosened> {
    let read = |rule: &CommandRule| Pattern::read(&plain(&rule.pattern, class), Manner::Loose);
    let plan: Vec<(Pattern, &CommandRule)> = of_plan.iter().map(|rule| (read(rule), rule)).collect();
    let mut all = Vec::new();
    for rule in of_class {
        let pattern = read(rule);
        // The plan repeats the rule: what stands behind it there does not come to bear.
        let before = plan.iter().take_while(|(_, own)| own.pattern != rule.pattern || own.act < rule.act);
        let laxer = before.filter(|(own, by)| by.act < rule.act && own.meets(&pattern)).map(|(_, by)| by).min_by_key(|by| by.act);
        all.extend(laxer.map(|by| Loosened { class, pattern: rule.pattern.clone(), act: rule.act, by: by.pattern.clone(), to: by.act }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Judge, sets};
    use crate::target::Witness;

    fn rule(pattern: &str, act: RuleAct) -> CommandRule {
        CommandRule { pattern: pattern.into(), act, reason: String::new() }
    }

    fn patterns(plan: &[CommandRule], class: &[CommandRule]) -> Vec<String> {
        loosened(TargetClass::Linux, plan, class).into_iter().map(|one| one.pattern).collect()
    }

    #[test]
    fn a_rule_for_everything_switches_off_all_that_is_stricter() {
        let class = [rule("rm -rf", RuleAct::Refuse), rule("reboot", RuleAct::Hold), rule("su", RuleAct::Note)];
        let told = loosened(TargetClass::Linux, &[rule("*", RuleAct::Note)], &class);
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!((told[0].pattern.as_str(), told[0].act, told[0].by.as_str(), told[0].to), ("rm -rf", RuleAct::Refuse, "*", RuleAct::Note));
        assert_eq!(patterns(&[rule("*", RuleAct::Hold)], &class), ["rm -rf"]);
        assert!(patterns(&[rule("*", RuleAct::Refuse)], &class).is_empty());
        // The plan repeats what it keeps.
        assert_eq!(patterns(&[class[0].clone(), rule("*", RuleAct::Note)], &class), ["reboot"]);
    }

    #[test]
    fn only_what_both_may_name_is_told() {
        let class = [rule("systemctl stop", RuleAct::Hold), rule("dd * of=/dev/*", RuleAct::Refuse), rule("* > /var/log/*", RuleAct::Refuse), rule("sed !-n", RuleAct::Hold)];
        let told = |pattern: &str| patterns(&[rule(pattern, RuleAct::Note)], &class);
        assert_eq!(told("systemctl status"), ["* > /var/log/*"]);
        assert_eq!(told("systemctl"), ["systemctl stop", "* > /var/log/*"]);
        assert_eq!(told("systemctl stop ehr"), ["systemctl stop", "* > /var/log/*"]);
        assert_eq!(told("d* of=/dev/sdb"), ["dd * of=/dev/*", "* > /var/log/*"]);
        assert_eq!(told("sed -n"), ["* > /var/log/*"]);
        // A wrapper names whatever it runs.
        assert_eq!(told("sudo").len(), class.len());
        assert_eq!(told("/usr/bin/nohup backup").len(), class.len());
    }

    /// Whatever the judge lets pass more easily because of the plan is told beforehand.
    #[test]
    fn nothing_is_loosened_in_silence() {
        let lines = ["rm -rf /", "sudo rm -r /x /", "ls > /var/log/messages", "systemctl reboot", "find / -name x -delete -exec ls {} +", "xargs reboot", "dd if=x of=/dev/sda", "nice dd of=/dev/sda"];
        for class in [TargetClass::Linux, TargetClass::Other] {
            let rules = sets::whole(TargetClass::Linux);
            for pattern in ["*", "rm", "ls", "sudo", "find", "systemctl *", "xargs", "dd * if=x", "nice", "* x", "/bin/rm -r"] {
                let plan = [rule(pattern, RuleAct::Note)];
                let all: Vec<CommandRule> = plan.iter().chain(&rules).cloned().collect();
                let (alone, under) = (Judge::new(class, &rules, &[], None, Witness::None), Judge::new(class, &all, &[], None, Witness::None));
                for line in lines {
                    let (alone, under) = (alone.judge(line), under.judge(line));
                    let Some(strict) = alone.filter(|alone| under.as_ref().is_none_or(|under| under.act < alone.act)) else { continue };
                    assert!(loosened(class, &plan, &rules).iter().any(|one| one.pattern == strict.pattern), "{pattern} loosens {} for {line}", strict.pattern);
                }
            }
        }
    }

    #[test]
    fn a_wrapper_is_judged_beside_what_it_runs() {
        let judge = Judge::new(TargetClass::Linux, &[rule("ls", RuleAct::Note), rule("find * -delete", RuleAct::Refuse)], &[], None, Witness::None);
        assert_eq!(judge.judge("find / -delete -exec ls {} +").map(|ruling| ruling.act), Some(RuleAct::Refuse));
    }
}
