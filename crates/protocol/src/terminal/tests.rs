use super::*;
use proptest::prelude::*;

fn commands(seen: Vec<Typed>) -> Vec<String> {
    seen.into_iter()
        .filter_map(|typed| match typed {
            Typed::Command { line } => Some(line),
            Typed::FullScreen { .. } => None,
        })
        .collect()
}

/// Types a text key by key into a terminal that echoes each, then Enter with its line feed.
fn echo(watcher: &mut Watcher, text: &str) -> Vec<String> {
    for c in text.chars() {
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).as_bytes();
        watcher.input(bytes);
        assert!(watcher.output(bytes).is_empty());
    }
    watcher.input(b"\r");
    commands(watcher.output(b"\r\n"))
}

fn at_prompt() -> Watcher {
    let mut watcher = Watcher::new(80, 24);
    watcher.output(b"Welcome\r\n\x1b[?2004h\x1b[32mworker@ehr-db1\x1b[0m:~$ ");
    watcher
}

#[test]
fn a_typed_line_is_a_command() {
    assert_eq!(echo(&mut at_prompt(), "ls -l /var/log"), ["ls -l /var/log"]);
}

#[test]
fn a_password_never_appears() {
    let mut watcher = at_prompt();
    assert_eq!(echo(&mut watcher, "sudo -s"), ["sudo -s"]);
    watcher.output("[sudo] worker のパスワード: ".as_bytes());
    watcher.input(b"hunter2\r");
    let seen = watcher.output(b"\r\nSorry, try again.\r\nroot# ");
    assert!(commands(seen).is_empty());
    assert!(!watcher.screen_text().contains("hunter2"));
    assert!(!format!("{watcher:?}").contains("hunter2"));
    assert_eq!(echo(&mut watcher, "id"), ["id"]);
}

#[test]
fn what_history_and_completion_made_of_the_line_is_the_command() {
    let mut watcher = at_prompt();
    watcher.input(b"\x1b[A");
    watcher.output(b"systemctl restart ehr");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["systemctl restart ehr"]);
    watcher.output(b"worker@ehr-db1:~$ ");
    for (key, shown) in [(&b"c"[..], &b"c"[..]), (b"a", b"a"), (b"t", b"t"), (b" ", b" "), (b"/e", b"/e"), (b"\t", b"tc/hosts ")] {
        watcher.input(key);
        watcher.output(shown);
    }
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\x1b[?2004l\r\r\n127.0.0.1\r\n")), ["cat /etc/hosts"]);
}

#[test]
fn an_edited_line_is_what_stood_at_the_end() {
    let mut watcher = at_prompt();
    watcher.input(b"rm x");
    watcher.output(b"rm x");
    watcher.input(b"\x01");
    watcher.output(b"\x08\x08\x08\x08");
    watcher.input(b"echo ");
    watcher.output(b"\x1b[5@echo ");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["echo rm x"]);
    watcher.output(b"worker@ehr-db1:~$ ");
    watcher.input(b"lx\x7fs");
    watcher.output(b"lx\x08 \x08s");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["ls"]);
}

#[test]
fn a_wrapped_line_of_wide_characters_comes_out_whole() {
    let mut watcher = Watcher::new(21, 5);
    watcher.output(b"$ ");
    let text = "echo 保守作業の記録を確認しました、以上です";
    assert_eq!(echo(&mut watcher, text), [text]);
    // At the bottom of the screen the line scrolls while it is typed.
    for _ in 0..4 {
        watcher.output(b"output\r\n");
    }
    watcher.output(b"$ ");
    assert_eq!(echo(&mut watcher, text), [text]);
}

#[test]
fn a_cleared_screen_does_not_lose_the_line() {
    let mut watcher = Watcher::new(80, 24);
    watcher.output(b"a\r\nb\r\nc\r\n$ ");
    watcher.input(b"ls");
    watcher.output(b"ls");
    watcher.input(b"\x0c");
    watcher.output(b"\x1b[H\x1b[2J$ ls");
    watcher.input(b" -l");
    watcher.output(b" -l");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["ls -l"]);
}

#[test]
fn a_search_in_the_history_gives_the_line_that_was_run() {
    let mut watcher = at_prompt();
    watcher.input(b"\x12");
    watcher.output(b"\r(reverse-i-search)`': ");
    watcher.input(b"dump");
    watcher.output(b"\r\x1b[K(reverse-i-search)`dump': pg_dump ehr");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\x1b[Kworker@ehr-db1:~$ pg_dump ehr\r\n")), ["pg_dump ehr"]);
}

#[test]
fn a_paste_of_several_lines_is_several_commands() {
    let mut watcher = at_prompt();
    watcher.input(b"cd /tmp\rpwd\rls\r");
    let seen = watcher.output(
        b"cd /tmp\r\nworker@ehr-db1:/tmp$ pwd\r\n/tmp\r\nworker@ehr-db1:/tmp$ ls\r\na b\r\nworker@ehr-db1:/tmp$ ",
    );
    assert_eq!(commands(seen), ["cd /tmp", "pwd", "ls"]);
    assert_eq!(echo(&mut watcher, "id"), ["id"]);
}

#[test]
fn a_bracketed_paste_of_two_lines_is_one_command() {
    let mut watcher = at_prompt();
    watcher.input(b"\x1b[200~echo a\recho b\x1b[201~");
    watcher.output(b"\x1b[7mecho a\x1b[27m\r\n\x1b[7mecho b\x1b[27m");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["echo a\necho b"]);
}

#[test]
fn a_pasted_line_that_is_drawn_anew_before_it_runs_comes_out_whole() {
    // What bash 5.2 sends: at Enter it goes back up and draws the pasted rows without their highlight.
    let mut watcher = Watcher::new(40, 10);
    watcher.output(b"\x1b[?2004h$ ");
    watcher.input(b"\x1b[200~echo b1\recho b2\x1b[201~");
    watcher.output(b"\x1b[7mecho b1\x1b[27m\r\n\x1b[7mecho b2\x1b[27m");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\x1b[A\r\x1b[C\x1b[Cecho b1\r\necho b2\r\n\x1b[?2004l\rb1\r\nb2\r\n$ ")), ["echo b1\necho b2"]);
}

#[test]
fn a_blank_that_the_shell_put_at_the_edge_was_not_typed() {
    let mut watcher = Watcher::new(9, 5);
    watcher.output(b"$ ");
    watcher.input("ls あい漢字".as_bytes());
    watcher.output("ls あい ".as_bytes());
    watcher.output("漢字".as_bytes());
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["ls あい漢字"]);
}

#[test]
fn full_screen_programs_are_entered_and_left_and_nothing_between() {
    let mut watcher = at_prompt();
    assert_eq!(echo(&mut watcher, "vim x"), ["vim x"]);
    assert_eq!(watcher.output(b"\x1b[?1049h\x1b[2J~"), [Typed::FullScreen { entered: true }]);
    assert!(watcher.is_full_screen());
    watcher.input(b"isecret text\r:wq\r");
    assert!(watcher.output(b"secret text\r\n:wq\r\n").is_empty());
    assert_eq!(watcher.output(b"\x1b[?1049l"), [Typed::FullScreen { entered: false }]);
    watcher.output(b"worker@ehr-db1:~$ ");
    assert_eq!(echo(&mut watcher, "ls"), ["ls"]);
}

#[test]
fn an_abandoned_line_and_a_bare_enter_are_nothing() {
    let mut watcher = at_prompt();
    watcher.input(b"rm -rf /");
    watcher.output(b"rm -rf /");
    watcher.input(b"\x03");
    assert!(watcher.output(b"^C\r\nworker@ehr-db1:~$ ").is_empty());
    watcher.input(b"\r\r");
    assert!(watcher.output(b"\r\nworker@ehr-db1:~$ \r\nworker@ehr-db1:~$ ").is_empty());
    assert_eq!(echo(&mut watcher, "ls"), ["ls"]);
}

#[test]
fn a_prompt_at_the_right_edge_is_no_part_of_the_command() {
    let mut watcher = Watcher::new(40, 10);
    watcher.output(b"% \x1b[31C[14:05]\x1b[39D");
    watcher.input(b"ls");
    watcher.output(b"ls");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["ls"]);
}

#[test]
fn a_late_joiner_sees_the_same_screen() {
    let mut watcher = at_prompt();
    watcher.output("電子カルテ\x1b[31m赤\x1b[0m\r\nx".as_bytes());
    let mut other = Watcher::new(80, 24);
    other.output(&watcher.screen_restore());
    assert_eq!(other.screen_text(), watcher.screen_text());
    assert_eq!(other.screen_restore(), watcher.screen_restore());
}

#[test]
fn sizes_are_brought_within_the_limits() {
    // A script's client tells no size, and a worker may tell a tiny one; neither hides the screen from a watcher.
    assert_eq!(Watcher::new(0, 0).size(), (80, 24));
    assert_eq!(Watcher::new(1, 1).size(), (limits::TERMINAL_COLUMNS_LEAST, limits::TERMINAL_ROWS_LEAST));
    let mut watcher = Watcher::new(u32::MAX, u32::MAX);
    assert_eq!(watcher.size(), (limits::TERMINAL_COLUMNS, limits::TERMINAL_ROWS));
    watcher.resize(100, 40);
    assert_eq!(watcher.size(), (100, 40));
}

#[test]
fn endless_strings_and_pastes_stay_within_the_limits() {
    let mut watcher = at_prompt();
    let piece = vec![b'a'; 64 * 1024];
    watcher.output(b"\x1b]0;");
    for _ in 0..64 {
        watcher.output(&piece);
    }
    watcher.output(b"\x07");
    for _ in 0..(4 * limits::WAITING_LINES) {
        watcher.input(b"some line that nobody echoes\r");
    }
    assert!(watcher.entered.len() <= limits::WAITING_LINES);
    assert!(watcher.entered_chars <= limits::WAITING_CHARS);
}

/// Types without Enter; the target echoes it.
fn type_echoed(watcher: &mut Watcher, text: &str) {
    assert_eq!(watcher.input_up_to_enter(text.as_bytes()), text.len());
    watcher.output(text.as_bytes());
}

fn shown(line: &str, whole: bool) -> Present {
    Present::Shown { line: line.to_owned(), whole }
}

#[test]
fn the_line_is_known_before_its_enter_is_passed_on() {
    let mut watcher = at_prompt();
    assert_eq!(watcher.present(), Present::Blank);
    type_echoed(&mut watcher, "rm -rf 保守/");
    assert_eq!(watcher.present(), shown("rm -rf 保守/", true));
    assert_eq!(watcher.input_up_to_enter(b"x\rls\r"), 1, "the Enter and what stands behind it are left");
    assert_eq!(watcher.present(), shown("rm -rf 保守/x", false), "the last key has not come back");
    watcher.output(b"x");
    assert_eq!(watcher.present(), shown("rm -rf 保守/x", true));
    watcher.take_back();
    watcher.output(b"\r\nworker@ehr-db1:~$ ");
    assert_eq!(watcher.present(), Present::Blank);
    type_echoed(&mut watcher, "ls");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["ls"], "the line that was taken back is no command");
}

#[test]
fn what_is_typed_unseen_is_told_to_nobody() {
    let mut watcher = at_prompt();
    echo(&mut watcher, "sudo -s");
    watcher.output(b"[sudo] password for worker: ");
    assert_eq!(watcher.input_up_to_enter(b"rm -rf /"), 8);
    assert_eq!(watcher.present(), Present::Unseen);
    watcher.output(b"********");
    assert_eq!(watcher.present(), Present::Unseen, "a veil is no text");
}

#[test]
fn a_line_that_wraps_or_was_fetched_or_completed_is_the_one_on_the_screen() {
    let mut watcher = Watcher::new(21, 5);
    watcher.output(b"$ ");
    let text = "echo 保守作業の記録を確認しました、以上です";
    type_echoed(&mut watcher, text);
    assert_eq!(watcher.present(), shown(text, true));
    let mut watcher = at_prompt();
    watcher.input_up_to_enter(b"\x1b[A");
    watcher.output(b"systemctl stop ehr");
    assert_eq!(watcher.present(), shown("systemctl stop ehr", false));
    let mut watcher = at_prompt();
    type_echoed(&mut watcher, "rm -r");
    watcher.input_up_to_enter(b" /\t\t");
    watcher.output(b" /\r\nbin  etc\r\nworker@ehr-db1:~$ rm -r /");
    assert_eq!(watcher.present(), shown("rm -r /", false), "behind the prompt that was drawn anew below the list");
    watcher.input(b"\r");
    assert_eq!(commands(watcher.output(b"\r\n")), ["rm -r /"]);
    let mut watcher = at_prompt();
    watcher.input_up_to_enter(b"\x12reb");
    watcher.output(b"\r\x1b[K(reverse-i-search)`reb': sudo reboot");
    assert_eq!(watcher.present(), shown("sudo reboot", false));
}

#[test]
fn a_line_whose_beginning_has_left_the_screen_is_not_taken_for_its_end() {
    let mut watcher = Watcher::new(20, 5);
    watcher.output(b"$ ");
    let text = format!("rm -rf /data; : {}", "x".repeat(200));
    type_echoed(&mut watcher, &text);
    assert_eq!(watcher.present(), shown(&text, true), "it is known from its keys");
    let mut watcher = Watcher::new(20, 5);
    watcher.output(b"$ ");
    watcher.input_up_to_enter(b"\x1b[A");
    watcher.output(text.as_bytes());
    assert!(matches!(watcher.present(), Present::Part(part) if part.starts_with('x')), "what came from the history is not known");
    // A line that is longer than what is looked at, on a screen that shows all of it.
    for (columns, rows) in [(40, 200), (400, 200)] {
        let mut watcher = Watcher::new(columns, rows);
        watcher.output(b"$ ");
        watcher.input_up_to_enter(b"\x1b[A");
        watcher.output(format!(": {}; rm -rf /data", "x".repeat(5_000)).as_bytes());
        assert!(matches!(watcher.present(), Present::Part(_)), "{columns}");
    }
}

#[test]
fn a_line_is_seen_though_its_keys_were_meant_to_hide_it() {
    // An interrupt that the shell was told to ignore does not take the line back.
    let mut watcher = at_prompt();
    assert_eq!(echo(&mut watcher, "stty intr undef"), ["stty intr undef"]);
    watcher.output(b"worker@ehr-db1:~$ ");
    type_echoed(&mut watcher, "reboot");
    watcher.input_up_to_enter(b"\x03");
    assert!(matches!(watcher.present(), Present::Shown { line, .. } if line.starts_with("reboot")));
    // Marks of a paste that the target never asked for.
    let mut watcher = Watcher::new(80, 24);
    watcher.output(b"$ ");
    assert_eq!(watcher.input_up_to_enter(b"\x1b[200~reboot\r\x1b[201~"), 12);
    // A line's end in the middle of a sequence, and the key that runs a line and fetches the next.
    for bytes in [&b"reboot\x1b\r"[..], b"reboot\x1bO\r", b"reboot\x1b[1;\r", b"reboot\x0f", b"reboot\n"] {
        assert_eq!(at_prompt().input_up_to_enter(bytes), bytes.len() - 1, "{bytes:?}");
    }
}

#[test]
fn a_paste_that_the_target_takes_as_one_is_one_line() {
    let mut watcher = at_prompt();
    let paste = b"\x1b[200~echo a\rreboot\x1b[201~";
    assert_eq!(watcher.input_up_to_enter(paste), paste.len());
    watcher.output(b"\x1b[7mecho a\x1b[27m\r\n\x1b[7mreboot\x1b[27m");
    assert_eq!(watcher.present(), shown("echo a\nreboot", false));
}

#[test]
fn nothing_is_a_line_while_a_full_screen_program_has_the_screen() {
    let mut watcher = at_prompt();
    watcher.output(b"\x1b[?1049h");
    assert_eq!(watcher.input_up_to_enter(b":wq\r:q\r"), 7);
}

#[test]
fn a_line_typed_before_the_first_prompt_comes_out_behind_it() {
    let mut watcher = Watcher::new(80, 24);
    watcher.input(b"reboot\r");
    let seen = watcher.output(b"Last login: Mon Nov 23\r\nWelcome\r\nworker@ehr-db1:~$ reboot\r\n");
    assert_eq!(commands(seen), ["reboot"]);
    watcher.output(b"worker@ehr-db1:~$ ");
    assert_eq!(echo(&mut watcher, "ls"), ["ls"]);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "\\x1b\\[[?>!]?[0-9;:]{0,12}[ -/]?[@-~]".prop_map(String::into_bytes),
        "\\x1b[ -~]".prop_map(String::into_bytes),
        "[\\r\\n\\t\\x08\\x0b\\x0c\\x0e\\x0f]{1,4}".prop_map(String::into_bytes),
        "[あ漢字👩‍👩‍👧é\u{300}\u{200d}a]{1,8}".prop_map(String::into_bytes),
        "\\x1b\\[(4294967296|65535|65536|0|1|2)?;?(65535|1)?[A-Za-z@`]".prop_map(String::into_bytes),
        "\\x1b\\[\\?(6|7|25|47|1047|1048|1049|2004)[hl]".prop_map(String::into_bytes),
        "\\x1b[\\]P_^X][ -~]{0,30}(\\x07|\\x1b\\\\)?".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn no_output_breaks_the_screen(
        size in (0u32..12, 0u32..6),
        steps in proptest::collection::vec((hostile(), proptest::option::of(hostile()), proptest::option::of((0u32..12, 0u32..6))), 0..60),
    ) {
        // A panic inside the emulator is caught, but it is a finding: here it must not happen at all.
        let mut watcher = Watcher::new(size.0, size.1);
        for (output, input, resize) in steps {
            if let Some(input) = input {
                let mut rest = &input[..];
                loop {
                    let taken = watcher.input_up_to_enter(rest);
                    if let Present::Shown { line, .. } = watcher.present() {
                        prop_assert!(line.chars().count() <= limits::LINE_CHARS);
                    }
                    rest = &rest[taken..];
                    let Some((enter, after)) = rest.split_at_checked(1) else { break };
                    watcher.input(enter);
                    rest = after;
                }
            }
            for typed in watcher.output(&output) {
                if let Typed::Command { line } = typed {
                    prop_assert!(line.chars().count() <= limits::LINE_CHARS);
                }
            }
            if let Some((columns, rows)) = resize {
                watcher.resize(columns, rows);
            }
            let _ = watcher.screen_text();
            let _ = watcher.screen_restore();
            prop_assert_eq!(watcher.screen.broken(), 0);
        }
    }
}
