//! Names and sizes.

use super::tree::Tree;

const NAMELESS: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "misc", "types",
];
const LONG_LIST: &str = "xtask/long-files.txt";
/// Lines; house.md section 5 says to look again above it.
const LONG: usize = 600;

/// No folder or module of a crate has a name that says nothing.
pub fn names(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, _) in tree.under("crates/") {
        let mut so_far = String::new();
        for part in path.split('/') {
            so_far.push_str(part);
            if NAMELESS.contains(&part.trim_end_matches(".rs")) {
                broken.push(format!(
                    "{so_far}: a thing without a room has no meaning yet; name it for what it does"
                ));
            }
            so_far.push('/');
        }
    }
    broken.sort();
    broken.dedup();
    broken
}

/// No Rust file of a crate is longer than the limit, but those listed with their reason.
pub fn lengths(tree: &Tree) -> Vec<String> {
    let mut excused = Vec::new();
    let mut broken = Vec::new();
    for line in tree.text(LONG_LIST).unwrap_or_default().lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(char::is_whitespace) {
            Some((path, reason)) if !reason.trim().is_empty() => excused.push(path),
            _ => broken.push(format!("{LONG_LIST}: {line:?} gives no reason")),
        }
    }
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        match (
            lines > LONG,
            excused.iter().position(|known| *known == path),
        ) {
            (true, None) => broken.push(format!(
                "{path} has {lines} lines; split it by its ideas, or give a reason in {LONG_LIST}"
            )),
            (false, Some(_)) => broken.push(format!(
                "{path} has {lines} lines and needs no place in {LONG_LIST}"
            )),
            _ => {}
        }
    }
    for path in excused {
        if tree.text(path).is_none() {
            broken.push(format!("{LONG_LIST} names {path}, which does not exist"));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_red() {
        let tree = Tree::of(&[
            ("crates/web/src/utils/date.rs", ""),
            ("crates/core/src/types.rs", ""),
            ("crates/core/src/prototypes.rs", ""),
        ]);
        assert_eq!(names(&tree).len(), 2);
    }

    #[test]
    fn a_long_file_is_red_unless_excused_with_a_reason() {
        let long = "x\n".repeat(LONG + 1);
        let path = "crates/core/src/plan.rs";
        assert_eq!(lengths(&Tree::of(&[(path, &long)])).len(), 1);
        assert!(
            lengths(&Tree::of(&[
                (path, &long),
                (LONG_LIST, "crates/core/src/plan.rs one table")
            ]))
            .is_empty()
        );
        assert_eq!(
            lengths(&Tree::of(&[
                (path, &long),
                (LONG_LIST, "crates/core/src/plan.rs")
            ]))
            .len(),
            2
        );
        assert_eq!(
            lengths(&Tree::of(&[
                (path, "x"),
                (LONG_LIST, "crates/core/src/plan.rs one table")
            ]))
            .len(),
            1
        );
        assert_eq!(
            lengths(&Tree::of(&[(LONG_LIST, "crates/gone.rs one table")])).len(),
            1
        );
    }
}
