//! What a worker does with their own `ssh`.

use super::house::{self, TARGET};
use super::program::{free_port, output, said, wait_for};
use super::sshd;
use serde_json::json;
use std::io::Read;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exec_carries_output_errors_exit_status_and_nothing_of_the_credential() {
    let house = house::shared();
    let (worker, _) = house.at_work("exa", &["shell", "exec"]);
    let line = house.terminal.master(&worker, TARGET);
    let done = line.exec("printf 'out:%s' $((6*7)); printf err >&2; exit 3");
    assert_eq!((words(&done.stdout).as_str(), done.status.code()), ("out:42", Some(3)), "{}", said(&done));
    assert!(words(&done.stderr).ends_with("err"), "{}", said(&done));
    let signalled = line.exec("kill -TERM $$");
    assert_eq!(signalled.status.code(), Some(255), "{}", said(&signalled));
    let fed = line.exec("id -un; ls -A ~/.ssh 2>/dev/null | wc -l; env | grep -ci sekisho");
    assert_eq!(words(&fed.stdout).lines().next(), Some(sshd::account().as_str()), "{}", said(&fed));
    let large = line.exec("head -c 3000000 /dev/zero | tr '\\0' x");
    assert_eq!(large.stdout.len(), 3_000_000, "{}", large.status);
}

#[test]
fn standard_input_reaches_the_target_and_its_end_too() {
    let house = house::shared();
    let (worker, _) = house.at_work("exb", &["exec"]);
    let file = house.folder.join("exb-input");
    std::fs::write(&file, "一行目\n二行目\n").unwrap();
    let mut command = house.terminal.ssh(&worker, TARGET, &[]);
    command.args(["--", "cat; echo fin"]).stdin(Stdio::from(std::fs::File::open(&file).unwrap()));
    let done = output(&mut command, Duration::from_secs(60));
    assert_eq!(words(&done.stdout), "一行目\n二行目\nfin\n", "{}", said(&done));
}

#[test]
fn a_password_and_a_code_are_as_good_as_a_key_and_a_code() {
    let house = house::shared();
    let (mut worker, _) = house.at_work("pwa", &["exec"]);
    worker.key_file = None;
    let done = house.terminal.exec(&worker, TARGET, "echo hairimashita");
    assert_eq!(words(&done.stdout), "hairimashita\n", "{}", said(&done));
}

#[test]
fn the_wrong_password_the_used_code_and_no_plan_do_not_get_in() {
    let house = house::shared();
    let (worker, _) = house.worker("pwb");
    let refused = house.terminal.exec(&worker, TARGET, "true");
    assert!(!refused.status.success() && words(&refused.stderr).contains("SKS-4001"), "{}", said(&refused));
    let used = worker.phone.last_step();
    let used = {
        let mut command = house.terminal.ssh(&worker, TARGET, &[]);
        command.env("STREET_CODE", worker.phone.code_of(used)).args(["--", "true"]);
        output(&mut command, Duration::from_secs(60))
    };
    assert!(!used.status.success() && !words(&used.stderr).contains("SKS-4001"), "a used code was taken: {}", said(&used));
    let mut wrong = house.terminal.ssh(&worker, TARGET, &["-o", "PubkeyAuthentication=no"]);
    wrong.env("STREET_PASSWORD", "Chigau-pasuwado-88!").args(["--", "true"]);
    let wrong = output(&mut wrong, Duration::from_secs(60));
    assert!(!wrong.status.success() && !words(&wrong.stderr).contains("SKS-4001"), "{}", said(&wrong));
}

#[test]
fn what_the_plan_does_not_name_is_refused_with_its_code() {
    let house = house::shared();
    let (worker, _) = house.at_work("fna", &["exec"]);
    let line = house.terminal.master(&worker, TARGET);
    let sftp = line.sftp("pwd\n");
    assert!(!sftp.status.success(), "sftp went through a plan without it: {}", said(&sftp));
    let scp = line.scp(true, ":/etc/hostname", "/dev/null");
    assert!(!scp.status.success() && words(&scp.stderr).contains("SKS-4008"), "scp -O: {}", said(&scp));
    let mut shell = house.terminal.ssh(&worker, TARGET, &["-tt"]);
    let shell = output(&mut shell, Duration::from_secs(30));
    let all = words(&shell.stdout) + &words(&shell.stderr);
    assert!(!shell.status.success() && all.contains("SKS-4008"), "shell: {}", said(&shell));
}

#[test]
fn forwarding_agent_and_x11_are_refused_and_written_down() {
    let house = house::shared();
    let (worker, _) = house.at_work("fwa", &["shell", "exec"]);
    let local = free_port();
    let behind = house.host.port;
    let line = format!("{local}:127.0.0.1:{behind}");
    let mut command = house.terminal.ssh(&worker, TARGET, &["-L", &line, "-o", "ExitOnForwardFailure=yes"]);
    let mut child = command.args(["--", "sleep 20"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    house.running("fwa");
    let stream = wait_for("ssh listens for the forward", Duration::from_secs(20), || TcpStream::connect(("127.0.0.1", local)).ok());
    let mut passed = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let _ = (&stream).read_to_string(&mut passed);
    assert!(!passed.contains("SSH-2.0"), "a local forward reached the target: {passed}");
    let id = house.running("fwa");
    wait_for("the refusal stands in the log", Duration::from_secs(5), || house.session(&id).to_string().contains("refused_inside").then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();

    let remote = format!("{}:127.0.0.1:{behind}", free_port());
    let mut command = house.terminal.ssh(&worker, TARGET, &["-R", &remote, "-o", "ExitOnForwardFailure=yes"]);
    let refused = output(command.args(["--", "echo went-on"]), Duration::from_secs(60));
    assert!(!refused.status.success() && !words(&refused.stdout).contains("went-on"), "a remote forward was accepted: {}", said(&refused));
}

#[test]
fn several_open_plans_are_a_question_on_a_terminal_and_a_refusal_without_one() {
    let house = house::shared();
    let (worker, token) = house.worker("two");
    house.plan(&token, "two", &["shell", "exec"]);
    let second = house.plan(&token, "two", &["shell", "exec"]);
    let refused = house.terminal.exec(&worker, TARGET, "true");
    assert!(!refused.status.success() && words(&refused.stderr).contains("SKS-4018"), "{}", said(&refused));
    let number = super::api::text(&house.api.get(&token, &format!("/api/v1/plans/{second}")), "plan.number");
    let mut command = house.terminal.command("ssh", &worker);
    command.args(house.terminal.options(&worker)).args(["-p", &house.terminal.port.to_string()]);
    let named = output(command.arg(format!("two+{TARGET}+{number}@127.0.0.1")).args(["--", "echo hai"]), Duration::from_secs(60));
    assert_eq!(words(&named.stdout), "hai\n", "{}", said(&named));
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.wait_for("1)");
    shell.type_line("1");
    shell.type_line("echo hai''tta");
    shell.wait_for("haitta");
    shell.type_line("exit 5");
    let (status, _) = shell.wait_for_end(Duration::from_secs(10));
    assert_eq!(status.code(), Some(5), "{}", shell.screen());
}

#[test]
fn withdrawing_the_plan_ends_the_session_within_two_seconds() {
    let house = house::shared();
    let (worker, plan) = house.at_work("wda", &["shell"]);
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line("echo ma''chi");
    shell.wait_for("machi");
    house.api.act(&house.operator, &plan, &json!({ "act": "withdraw", "reason": "試験" }));
    let (status, took) = shell.wait_for_end(Duration::from_secs(10));
    assert!(took < Duration::from_secs(2), "the session went on for {took:?}");
    assert!(!status.success(), "{}", shell.screen());
    let id = house.ended("wda", 1).remove(0);
    assert_eq!(super::api::text(&house.session(&id), "facts.cause"), "recalled");
}
