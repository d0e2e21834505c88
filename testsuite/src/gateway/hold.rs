//! Commands that a rule names: what is refused leaves no trace on the target, and what is held leaves none before it is
//! allowed.

use super::desk::Kept;
use super::house::{House, err, until};
use super::worker::{self, Got, read_until};
use russh::{Channel, client};
use sekisho_core::target::Witness;
use sekisho_core::command::{CommandRule, RuleAct};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

async fn house(rules: &[(&str, RuleAct)]) -> House {
    let house = House::new().await;
    let rule = |(pattern, act): &(&str, RuleAct)| CommandRule { pattern: (*pattern).to_owned(), act: *act, reason: "試験の理由".to_owned() };
    house.desk.paper().rules = rules.iter().map(rule).collect();
    house
}

/// A shell whose prompt stands there, in a folder of its own.
async fn shell(house: &House) -> (worker::Line, Channel<client::Msg>, PathBuf) {
    let folder = house.folder.path().join("work");
    std::fs::create_dir_all(&folder).unwrap();
    let line = worker::enter(house).await;
    let mut channel = worker::shell(&line, 100, 30).await;
    type_line(&mut channel, &format!("cd {}; PS1='$ '; echo ready-$((1+1))", folder.display())).await;
    read_until(&mut channel, |got| got.out.contains("ready-2") && got.out.ends_with("$ ")).await;
    (line, channel, folder)
}

async fn type_line(channel: &mut Channel<client::Msg>, text: &str) {
    channel.data(format!("{text}\r").as_bytes()).await.unwrap();
}

/// Runs a harmless command and waits for its end, so that whatever came before it has come to an end, too.
async fn settled(channel: &mut Channel<client::Msg>) -> Got {
    type_line(channel, "echo settled-$((3+4))").await;
    read_until(channel, |got| got.out.contains("settled-7") && got.out.ends_with("$ ")).await
}

fn is_there(folder: &Path, name: &str) -> bool {
    folder.join(name).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_never_reaches_the_target() {
    let house = house(&[("touch", RuleAct::Refuse)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "sudo -n touch a; touch b").await;
    let got = read_until(&mut channel, |got| got.err.contains("SKS-4201")).await;
    assert!(got.err.contains("試験の理由"), "{got:?}");
    let got = settled(&mut channel).await;
    assert!(got.out.contains("$ "), "the line was taken back and the prompt is there again: {got:?}");
    assert!(!is_there(&folder, "a") && !is_there(&folder, "b"));
    let ruled = house.desk.paper().ruled.clone();
    assert_eq!(ruled.len(), 1, "{ruled:?}");
    assert_eq!((ruled[0].line.as_str(), ruled[0].act), ("sudo -n touch a; touch b", RuleAct::Refuse));
    assert!(house.desk.tape.all().iter().any(|kept| matches!(kept, Kept::Message(text) if text.contains("SKS-4201"))));
    assert!(!house.desk.tape.commands().iter().any(|line| line.contains("touch")), "what did not run is no command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_runs_once_it_is_allowed_and_not_before() {
    let house = house(&[("touch", RuleAct::Hold)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "touch held").await;
    read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    // What is typed meanwhile waits behind it.
    type_line(&mut channel, "echo behind-$((5+6))").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!is_there(&folder, "held"));
    house.desk.decisions.lock().unwrap().push_back(true);
    let got = read_until(&mut channel, |got| got.out.contains("behind-11")).await;
    assert!(got.err.contains("許可されました"), "{got:?}");
    assert!(is_there(&folder, "held"));
    assert_eq!(house.desk.paper().ruled.len(), 1);
    assert!(house.desk.tape.commands().iter().any(|line| line == "touch held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_that_is_not_allowed_or_is_given_up_does_not_run() {
    let house = house(&[("touch", RuleAct::Hold)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "touch denied").await;
    read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    house.desk.decisions.lock().unwrap().push_back(false);
    read_until(&mut channel, |got| got.err.contains("SKS-4202")).await;
    settled(&mut channel).await;
    type_line(&mut channel, "touch given-up").await;
    read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    channel.data(&b"\x03"[..]).await.unwrap();
    read_until(&mut channel, |got| got.err.contains("取りやめました")).await;
    settled(&mut channel).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_paste_of_three_lines_with_the_second_refused_the_first_alone_runs() {
    let house = house(&[("touch second", RuleAct::Refuse)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    channel.data(&b"touch first\rtouch second\rtouch third\r"[..]).await.unwrap();
    read_until(&mut channel, |got| got.err.contains("SKS-4201")).await;
    // What was written for the moment after a command that did not come is not run either.
    tokio::time::sleep(Duration::from_millis(300)).await;
    settled(&mut channel).await;
    assert_eq!((is_there(&folder, "first"), is_there(&folder, "second"), is_there(&folder, "third")), (true, false, false));
    assert_eq!(house.desk.paper().ruled.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_history_brings_back_is_judged_as_it_stands_there() {
    let house = house(&[("touch x", RuleAct::Hold)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "touch x").await;
    read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    house.desk.decisions.lock().unwrap().push_back(true);
    settled(&mut channel).await;
    std::fs::remove_file(folder.join("x")).unwrap();
    // Two lines back in the history.
    channel.data(&b"\x1b[A\x1b[A\r"[..]).await.unwrap();
    read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    house.desk.decisions.lock().unwrap().push_back(false);
    read_until(&mut channel, |got| got.err.contains("SKS-4202")).await;
    settled(&mut channel).await;
    assert!(!is_there(&folder, "x"));
    assert_eq!(house.desk.paper().ruled.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_judged_by_nobody_though_it_looks_like_a_command() {
    let house = house(&[("touch", RuleAct::Refuse)]).await;
    let (_line, mut channel, _) = shell(&house).await;
    type_line(&mut channel, "read -s -p 'secret: ' x; echo length ${#x}").await;
    read_until(&mut channel, |got| got.out.contains("secret: ") && got.out.ends_with("secret: ")).await;
    type_line(&mut channel, "touch hunter2").await;
    read_until(&mut channel, |got| got.out.contains("length 13")).await;
    assert_eq!(house.desk.paper().ruled.len(), 0);
    assert!(!format!("{:?}", house.desk.tape.all()).contains("hunter2"));
}

/// Where each command waits for the witness, one that the screen does not show waits as well: switching the echo off is no way round,
/// and what a program draws in the line's place is not taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn step_by_step_what_is_not_shown_waits_for_the_witness_and_its_text_is_told_to_nobody() {
    let house = house(&[]).await;
    house.desk.paper().witness = Witness::Step;
    let folder = house.folder.path().to_path_buf();
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 100, 30).await;
    let allowed = async |channel: &mut Channel<client::Msg>, text: &str| {
        type_line(channel, text).await;
        read_until(channel, |got| got.err.contains("許可を待っています")).await;
        house.desk.decisions.lock().unwrap().push_back(true);
        read_until(channel, |got| got.err.contains("許可されました")).await;
    };
    allowed(&mut channel, &format!("cd {}; printf 'l%s' s; read -r -s x; eval \"$x\"", folder.display())).await;
    read_until(&mut channel, |got| got.out.ends_with("ls")).await;
    let before = house.desk.paper().ruled.len();
    type_line(&mut channel, "touch hidden").await;
    let got = read_until(&mut channel, |got| got.err.contains("許可を待っています")).await;
    assert!(got.err.contains("画面に表示されない入力"), "{got:?}");
    assert!(!is_there(&folder, "hidden"));
    house.desk.decisions.lock().unwrap().push_back(false);
    read_until(&mut channel, |got| got.err.contains("SKS-4202")).await;
    assert!(!is_there(&folder, "hidden"));
    let ruled = house.desk.paper().ruled.clone();
    assert_eq!((ruled.len(), ruled[before].act), (before + 1, RuleAct::Hold));
    assert!(ruled[before].line.contains("画面に出ない入力") && !format!("{ruled:?}").contains("touch hidden"), "{ruled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_a_full_screen_program_are_no_commands() {
    let house = house(&[("touch", RuleAct::Refuse)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "printf '\\033[?1049h'; read x; printf '\\033[?1049l'; echo got:$x").await;
    read_until(&mut channel, |got| got.out.contains("\u{1b}[?1049h")).await;
    type_line(&mut channel, "touch y").await;
    read_until(&mut channel, |got| got.out.contains("got:touch y")).await;
    assert_eq!(house.desk.paper().ruled.len(), 0);
    assert!(!is_there(&folder, "y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_is_refused_or_not_allowed_does_not_begin() {
    let house = house(&[("touch", RuleAct::Refuse), ("mkdir", RuleAct::Hold)]).await;
    let (refused, held) = (house.path("refused"), house.path("held"));
    let output = house.exec(&format!("echo start; touch {refused}")).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(255), 0), "{}", err(&output));
    assert!(err(&output).contains("SKS-4201"), "{}", err(&output));
    house.desk.decisions.lock().unwrap().push_back(false);
    let output = house.exec(&format!("mkdir {held}")).await;
    assert!(err(&output).contains("SKS-4202"), "{}", err(&output));
    assert!(!Path::new(&refused).exists() && !Path::new(&held).exists());
    house.desk.decisions.lock().unwrap().push_back(true);
    let output = house.exec_with(&format!("mkdir {held}; cat"), b"input that came early".to_vec()).await;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"input that came early"[..]), "{}", err(&output));
    assert!(Path::new(&held).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_allow_what_they_cannot_see_whole() {
    let house = house(&[("mkdir", RuleAct::Hold)]).await;
    let (held, hidden) = (house.path("held"), house.path("hidden"));
    house.desk.decisions.lock().unwrap().push_back(true);
    let output = house.exec(&format!("mkdir {held}; : {}; touch {hidden}", "x".repeat(2_000))).await;
    assert!(err(&output).contains("SKS-4201"), "{}", err(&output));
    assert!(!Path::new(&held).exists() && !Path::new(&hidden).exists());
    assert_eq!(house.desk.paper().ruled.iter().map(|ruled| ruled.act).collect::<Vec<_>>(), [RuleAct::Refuse]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_longer_than_its_screen_is_judged_whole_or_refused() {
    let house = house(&[("touch", RuleAct::Refuse)]).await;
    let folder = house.folder.path().join("work");
    std::fs::create_dir_all(&folder).unwrap();
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 40, 6).await;
    type_line(&mut channel, &format!("cd {}; PS1='$ '; echo ready-$((1+1))", folder.display())).await;
    read_until(&mut channel, |got| got.out.contains("ready-2") && got.out.ends_with("$ ")).await;
    type_line(&mut channel, &format!("touch a; : {}", "x".repeat(600))).await;
    read_until(&mut channel, |got| got.err.contains("SKS-4201")).await;
    settled(&mut channel).await;
    assert!(!is_there(&folder, "a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_for_a_shell_without_a_terminal_ends_at_the_line_that_is_refused() {
    let house = house(&[("touch second", RuleAct::Refuse)]).await;
    let folder = house.folder.path().join("work");
    std::fs::create_dir_all(&folder).unwrap();
    for command in ["", "bash -s", "bash\t", "env A=b bash --norc", "cd /tmp; bash"] {
        let mut ssh = house.ssh(&["-T"], command);
        let mut child = ssh.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let script = format!("cd {}\ntouch first\ntouch second\ntouch third\n", folder.display());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).await.unwrap();
        let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await.unwrap().unwrap();
        drop(stdin);
        assert!(err(&output).contains("SKS-4201"), "{command}: {}", err(&output));
        assert_eq!((is_there(&folder, "first"), is_there(&folder, "second"), is_there(&folder, "third")), (true, false, false), "{command}");
        std::fs::remove_file(folder.join("first")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_stopped_commands_are_told_after_their_echo() {
    let house = house(&[("touch", RuleAct::Alert), ("ls", RuleAct::Note)]).await;
    let (_line, mut channel, folder) = shell(&house).await;
    type_line(&mut channel, "touch seen; ls").await;
    settled(&mut channel).await;
    until("the desk was told", || !house.desk.paper().ruled.is_empty()).await;
    let ruled = house.desk.paper().ruled.clone();
    assert_eq!((ruled.len(), ruled[0].act, ruled[0].line.as_str()), (1, RuleAct::Alert, "touch seen; ls"));
    assert!(is_there(&folder, "seen"));
}
