//! The laws of the house that a tool can hold. Each rule says what is broken, where, and what to do.

mod assertions;
mod edges;
mod lex;
mod papers;
mod shape;
mod sources;
mod tree;

use anyhow::Result;
use std::path::Path;

pub use papers::frozen;

/// One law and every place where it is broken.
pub struct Rule {
    /// The law in a few words.
    pub law: &'static str,
    /// One line for each breach: the place and the reason.
    pub broken: Vec<String>,
}

impl Rule {
    /// Prints the law and its breaches as a test runner would.
    pub fn print(&self) {
        if self.broken.is_empty() {
            println!("tidy: {} ... ok", self.law);
            return;
        }
        println!("tidy: {} ... FAILED", self.law);
        for breach in &self.broken {
            println!("    {breach}");
        }
    }
}

/// Checks every law against the clone at `root`.
pub fn check(root: &Path) -> Result<Vec<Rule>> {
    let tree = tree::Tree::read(root)?;
    let metadata = edges::metadata(root);
    let rule = |law, broken| Rule { law, broken };
    Ok(vec![
        rule(
            "floors: a crate depends only on those below it",
            edges::check(&metadata, edges::floors),
        ),
        rule(
            "owners: one crate owns each heavy dependency",
            edges::check(&metadata, edges::owners),
        ),
        rule(
            "floor 0 knows no I/O, clock, chance, async",
            sources::floor_zero(&tree),
        ),
        rule(
            "the clock and the environment have one room each",
            sources::rooms(&tree),
        ),
        rule("the list of assertion sites", assertions::check(&tree)),
        rule(
            "paths named in ARCHITECTURE.md and docs/asvs.md exist",
            papers::maps(&tree),
        ),
        rule(
            "nothing is called utils, helpers, common, misc, types",
            shape::names(&tree),
        ),
        rule(
            "no unsafe, todo!, unimplemented!, ignored test",
            sources::words(&tree),
        ),
        rule("no long file without a reason", shape::lengths(&tree)),
        rule(
            "every code has its row in docs/codes.md",
            papers::codes(&tree),
        ),
        rule("migrations are frozen", papers::migrations(&tree)),
        rule(
            "no key of the pages' words says user",
            papers::locale_keys(&tree),
        ),
    ])
}

/// Prints all rules; true if none is broken.
pub fn run(root: &Path) -> Result<bool> {
    let rules = check(root)?;
    for rule in &rules {
        rule.print();
    }
    let broken = rules.iter().filter(|rule| !rule.broken.is_empty()).count();
    println!(
        "tidy: {} of {} laws hold",
        rules.len() - broken,
        rules.len()
    );
    Ok(broken == 0)
}
