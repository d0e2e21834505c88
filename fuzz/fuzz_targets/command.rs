//! A command line and a pattern, for each class of targets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_core::command::{CommandRule, Judge, RuleAct, sets};
use sekisho_core::target::{TargetClass, Witness};

fuzz_target!(|data: (String, String)| {
    let (pattern, line) = data;
    for class in TargetClass::ALL {
        let mut rules = vec![CommandRule { pattern: pattern.clone(), act: RuleAct::Refuse, reason: String::new() }];
        rules.extend(sets::whole(class));
        let judge = Judge::new(class, &rules, std::slice::from_ref(&pattern), Some(RuleAct::Hold), Witness::None);
        let _ = judge.judge(&line);
    }
});
