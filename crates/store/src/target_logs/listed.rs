//! Logins of which a case tells already: a file of the same log brings them once more.

use sekisho_core::around::{AroundRule, Case};
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// A record and a case are of one login if they lie so near, beside what the clock may be off.
const SAME: Duration = Duration::from_secs(120);

/// A login or attempt of which a case tells.
struct Line {
    at: Timestamp,
    account: String,
    /// A record of this file was found to be it.
    spent: bool,
}

/// The logins that stand in cases, by the rule and the address. What a case counts and lists no more is not among them: it could
/// be anything.
pub(super) struct Listed(HashMap<(AroundRule, String), Vec<Line>>);

impl Listed {
    pub(super) fn of(cases: Vec<Case>) -> Self {
        let mut all: HashMap<_, Vec<Line>> = HashMap::new();
        for case in cases {
            let lines = all.entry((case.key.rule, case.key.from)).or_default();
            lines.extend(case.latest.into_iter().map(|line| Line { at: line.at, account: line.account.to_lowercase(), spent: false }));
        }
        for lines in all.values_mut() {
            lines.sort_by_key(|line| line.at);
        }
        Self(all)
    }

    /// Whether a case tells of this very login, and how many lines were looked at. Each line tells of one: what came a minute
    /// later by the same way is another login, and no decision was about it.
    pub(super) fn takes(&mut self, new: &Case, off: Duration) -> (bool, usize) {
        let slack = SAME + off;
        let Some(lines) = self.0.get_mut(&(new.key.rule, new.key.from.clone())) else { return (false, 0) };
        let account = new.accounts.first().map(|account| account.to_lowercase()).unwrap_or_default();
        let first = lines.partition_point(|line| line.at < new.last.minus(slack));
        let (mut looked, mut best): (usize, Option<(Duration, &mut Line)>) = (0, None);
        for line in lines.iter_mut().skip(first).take_while(|line| line.at <= new.last.plus(slack)) {
            looked += 1;
            let far = line.at.until(new.last).max(new.last.until(line.at));
            if !line.spent && line.account == account && best.as_ref().is_none_or(|(nearest, _)| far < *nearest) {
                best = Some((far, line));
            }
        }
        let Some((_, line)) = best else { return (false, looked) };
        line.spent = true;
        (true, looked)
    }
}
