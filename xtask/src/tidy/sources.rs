//! Words that a room's source may not hold.

use super::lex;
use super::tree::Tree;

const FLOOR_ZERO: &[&str] = &["crates/core/", "crates/evidence/", "crates/protocol/"];
const OUTSIDE: &[&str] = &["fs", "env", "process", "thread"];
/// Sockets by name: the addresses of `std::net` are plain values and welcome.
const SOCKETS: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "UnixStream",
    "UnixListener",
];
const CLOCKS: &[&str] = &[
    "SystemTime::now",
    "OffsetDateTime::now_utc",
    "OffsetDateTime::now_local",
    "UtcDateTime::now",
];
/// The server's, and the one of the program that runs on workers' machines.
const CLOCK_ROOMS: &[&str] = &["crates/sekisho/src/clock.rs", "crates/connect/src/clock.rs"];
const ENVIRONMENT: &[&str] = &[
    "env::var",
    "env::var_os",
    "env::vars",
    "env::vars_os",
    "env::set_var",
    "env::remove_var",
];
const CONFIG_ROOM: &str = "crates/sekisho/src/config";
/// The one of the program that runs on workers' machines: which browser is theirs, and what the machine is called.
const WORKERS_SURROUNDINGS: &str = "crates/connect/src/surroundings.rs";

/// Floor 0 holds no I/O, clock, thread or async in what ships.
pub fn floor_zero(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.rust() {
        if !FLOOR_ZERO.iter().any(|room| path.starts_with(room)) || !tree.ships(path) {
            continue;
        }
        let code = lex::shipped(text);
        for outside in OUTSIDE {
            for line in lex::lines_with(&code, &format!("std::{outside}")) {
                broken.push(format!(
                    "{path}:{line}: std::{outside} on floor 0; the caller hands in what it needs"
                ));
            }
        }
        for (line, name) in lex::std_groups(&code) {
            if OUTSIDE.contains(&name.as_str()) {
                broken.push(format!(
                    "{path}:{line}: std::{name} on floor 0; the caller hands in what it needs"
                ));
            }
        }
        for word in CLOCKS.iter().chain(SOCKETS).chain(&[
            "Instant::now",
            "async fn",
            "async move",
            ".await",
        ]) {
            for line in lex::lines_with(&code, word) {
                broken.push(format!("{path}:{line}: {word} on floor 0; sockets, time and waiting belong to the caller"));
            }
        }
    }
    broken
}

/// The wall clock is read in `sekisho::clock`, the environment in `sekisho::config`, nowhere else.
pub fn rooms(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.rust() {
        if !tree.ships(path) {
            continue;
        }
        let code = lex::shipped(text);
        if !CLOCK_ROOMS.contains(&path) {
            for word in CLOCKS {
                for line in lex::lines_with(&code, word) {
                    broken.push(format!("{path}:{line}: {word}; only {} reads the clock, take the time as a value", CLOCK_ROOMS.join(" and ")));
                }
            }
        }
        if !path.starts_with(CONFIG_ROOM) && path != WORKERS_SURROUNDINGS {
            for word in ENVIRONMENT {
                for line in lex::lines_with(&code, word) {
                    broken.push(format!(
                        "{path}:{line}: {word}; only {CONFIG_ROOM} reads the environment"
                    ));
                }
            }
        }
    }
    broken
}

/// No `unsafe` anywhere, nothing left to do, no test that is switched off.
pub fn words(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.rust().chain(
        tree.under("testsuite/")
            .filter(|(path, _)| path.ends_with(".rs")),
    ) {
        let code = lex::code(text);
        for (word, reason) in [
            ("unsafe", "the compiler's promise is kept everywhere"),
            ("todo!", "unfinished work is not committed"),
            ("unimplemented!", "unfinished work is not committed"),
            ("#[ignore", "a test that does not run proves nothing"),
        ] {
            for line in lex::lines_with(&code, word) {
                broken.push(format!("{path}:{line}: {word}: {reason}"));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outside_on_floor_zero_is_red() {
        for text in [
            "use std::fs;",
            "use std::{io, net::TcpStream};",
            "fn a() { std::env::args(); }",
            "fn a() { let t = std::time::Instant::now(); }",
            "fn a() { SystemTime::now(); }",
            "async fn a() {}",
        ] {
            let tree = Tree::of(&[("crates/core/src/plan.rs", text)]);
            assert_eq!(floor_zero(&tree).len(), 1, "{text}");
        }
        let address = Tree::of(&[("crates/core/src/source.rs", "use std::net::IpAddr;")]);
        assert!(floor_zero(&address).is_empty());
        let gateway = Tree::of(&[("crates/gateway/src/listen.rs", "use std::net::TcpStream;")]);
        assert!(floor_zero(&gateway).is_empty());
        let tested = Tree::of(&[(
            "crates/core/src/plan.rs",
            "#[cfg(test)] mod tests { use std::fs; }",
        )]);
        assert!(floor_zero(&tested).is_empty());
    }

    #[test]
    fn a_second_clock_or_reader_of_the_environment_is_red() {
        let clock = "fn f() { time::OffsetDateTime::now_utc(); }";
        let env = "fn f() { std::env::var(\"HOME\"); }";
        assert_eq!(
            rooms(&Tree::of(&[("crates/store/src/lib.rs", clock)])).len(),
            1
        );
        assert_eq!(
            rooms(&Tree::of(&[("crates/sekisho/src/config.rs", clock)])).len(),
            1
        );
        assert!(rooms(&Tree::of(&[("crates/sekisho/src/clock.rs", clock)])).is_empty());
        assert_eq!(rooms(&Tree::of(&[("crates/web/src/lib.rs", env)])).len(), 1);
        assert_eq!(rooms(&Tree::of(&[("crates/connect/src/lib.rs", env)])).len(), 1);
        assert!(rooms(&Tree::of(&[("crates/connect/src/surroundings.rs", env)])).is_empty());
        assert!(
            rooms(&Tree::of(&[(
                "crates/sekisho/src/config/environment.rs",
                env
            )]))
            .is_empty()
        );
    }

    #[test]
    fn words_of_unfinished_work_are_red_and_their_mention_is_not() {
        let text = "fn a() { todo!() }\n// todo!\n#[test]\n#[ignore = \"slow\"]\nfn b() { unimplemented!() }";
        assert_eq!(
            words(&Tree::of(&[("crates/web/src/lib.rs", text)])).len(),
            3
        );
        assert_eq!(
            words(&Tree::of(&[("testsuite/src/main.rs", "unsafe {}")])).len(),
            1
        );
        assert!(
            words(&Tree::of(&[(
                "crates/web/src/lib.rs",
                "#![forbid(unsafe_code)]"
            )]))
            .is_empty()
        );
    }
}
