//! The places where trust is minted, and those that ask for it: their list may not grow unseen.

use super::lex;
use super::tree::Tree;

const LIST: &str = "xtask/assertions.txt";

/// Functions called `assertion` or `*_assertion` in what ships are exactly those of the list.
pub fn check(tree: &Tree) -> Vec<String> {
    let Some(list) = tree.text(LIST) else {
        return vec![format!(
            "{LIST} is missing: one `path::function` a line for each place that mints trust"
        )];
    };
    let mut listed: Vec<String> = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let mut broken = Vec::new();
    for site in sites(tree) {
        match listed.iter().position(|line| *line == site) {
            Some(at) => {
                listed.swap_remove(at);
            }
            None => broken.push(format!(
                "{site} mints trust and is not in {LIST}; list it after a second pair of eyes"
            )),
        }
    }
    broken.extend(
        listed
            .iter()
            .map(|line| format!("{line} is in {LIST} and nowhere else; strike it out")),
    );
    broken.sort();
    broken
}

fn sites(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        if !tree.ships(path) {
            continue;
        }
        let code = lex::shipped(text);
        let words: Vec<&str> = code
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            if let ["fn", name] = pair
                && (*name == "assertion" || name.ends_with("_assertion"))
            {
                found.push(format!("{path}::{name}"));
            }
        }
        // A minter that other rooms may call is only as good as its callers.
        let tight: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
        for (at, _) in tight.match_indices("::assertion") {
            let name = |c: char| c.is_alphanumeric() || c == '_';
            let before = tight.get(..at).unwrap_or_default();
            let after = tight.get(at + "::assertion".len()..).unwrap_or_default();
            let kind: String = before.chars().rev().take_while(|c| name(*c)).collect();
            if !after.starts_with(name) && !kind.is_empty() {
                found.push(format!("{path} calls {}::assertion", kind.chars().rev().collect::<String>()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: (&str, &str) = (
        "crates/core/src/grant.rs",
        "impl Grant { fn assertion() {} }\npub(crate) fn plan_assertion() {}",
    );

    #[test]
    fn a_new_site_and_a_vanished_one_are_red() {
        let none = Tree::of(&[SOURCE, (LIST, "# trust\n")]);
        assert_eq!(check(&none).len(), 2);
        let all = "crates/core/src/grant.rs::assertion # the only minter\ncrates/core/src/grant.rs::plan_assertion\n";
        assert!(check(&Tree::of(&[SOURCE, (LIST, all)])).is_empty());
        let gone = format!("{all}crates/core/src/grant.rs::old_assertion\n");
        assert_eq!(check(&Tree::of(&[SOURCE, (LIST, &gone)])).len(), 1);
    }

    #[test]
    fn a_second_function_of_one_name_needs_a_second_line() {
        let twice = (
            "crates/core/src/grant.rs",
            "fn assertion() {} fn assertion() {}",
        );
        assert_eq!(
            check(&Tree::of(&[
                twice,
                (LIST, "crates/core/src/grant.rs::assertion")
            ]))
            .len(),
            1
        );
    }

    #[test]
    fn a_new_caller_is_red() {
        let caller = ("crates/store/src/desk.rs", "fn f() { core::desk::Principal:: assertion(a); X::assertions(); }");
        assert_eq!(check(&Tree::of(&[caller, (LIST, "")])).len(), 1);
        let listed = "crates/store/src/desk.rs calls Principal::assertion";
        assert!(check(&Tree::of(&[caller, (LIST, listed)])).is_empty());
    }

    #[test]
    fn a_missing_list_is_red() {
        assert_eq!(check(&Tree::of(&[SOURCE])).len(), 1);
    }
}
