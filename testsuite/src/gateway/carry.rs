//! What goes over a channel is what a direct connection would carry.

use super::desk::Kept;
use super::house::{House, err, finish, out, run, until};
use super::worker::{self, read_until};
use sekisho_core::desk::{Cause, Dialled};
use sekisho_core::target::Function;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BIG: usize = 60 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn output_errors_and_status_are_kept_apart() {
    let house = House::new().await;
    let output = house.exec("echo good; echo bad >&2; exit 7").await;
    assert_eq!((out(&output).as_str(), output.status.code()), ("good\n", Some(7)));
    assert!(err(&output).ends_with("bad\n"), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::Closed);
    assert_eq!(
        house.desk.tape.all(),
        [
            Kept::Open { function: Function::Exec, text: "echo good; echo bad >&2; exit 7".into(), size: None },
            Kept::Command("echo good; echo bad >&2; exit 7".into()),
            Kept::Output(b"good\n".to_vec()),
            Kept::Error(b"bad\n".to_vec()),
            Kept::Close("exit 7".into()),
        ]
    );
    assert!(matches!(house.desk.paper().dialled.as_slice(), [Dialled::Connected { host_key, local: Some(local), peer: Some(peer) }] if peer.is_loopback() && host_key.starts_with("SHA256:") && local.ip().is_loopback() && local.port() > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_program_and_its_death_reaches_the_worker() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = line.channel_open_session().await.unwrap();
    channel.exec(true, "echo ready; read line; kill -TERM $$").await.unwrap();
    read_until(&mut channel, |got| got.out.contains("ready")).await;
    channel.signal(russh::Sig::USR1).await.unwrap();
    channel.data(&b"go\n"[..]).await.unwrap();
    let got = read_until(&mut channel, |_| false).await;
    if run("id", &["-u"]).await == "0" {
        // An sshd that serves root passes no signals on, but it says that one came.
        assert_eq!((got.signal.as_deref(), got.status), (Some("TERM"), None));
        assert!(std::fs::read_to_string(house.path("sshd.log")).unwrap().contains("session signalling"));
    } else {
        assert_eq!((got.signal.as_deref(), got.status), (Some("USR1"), None));
    }
    worker::leave(line).await;
    house.desk.left().await;
    assert!(house.desk.tape.all().contains(&Kept::Close(format!("signal {}", got.signal.unwrap()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_has_the_workers_size_and_follows_it() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 91, 31).await;
    channel.data(&b"PS1='$ '; stty size\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("31 91")).await;
    channel.window_change(120, 40, 0, 0).await.unwrap();
    channel.data(&b"stty size\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("40 120")).await;
    channel.data(&b"exit 3\n"[..]).await.unwrap();
    assert_eq!(read_until(&mut channel, |_| false).await.status, Some(3));
    let tape = house.desk.tape.all();
    assert!(tape.contains(&Kept::Open { function: Function::Shell, text: String::new(), size: Some((91, 31)) }));
    assert!(tape.contains(&Kept::Resize(120, 40)));
    let commands = house.desk.tape.commands();
    assert!(commands.iter().any(|line| line == "stty size") && commands.last().is_some_and(|line| line == "exit 3"), "{commands:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_typed_without_echo_is_counted_and_nowhere_stored() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    channel.data(&b"PS1='$ '; echo ready-$((1+1))\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("ready-2")).await;
    channel.data(&b"read -s -p 'secret: ' x; echo length ${#x}\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("\nsecret: ") || got.out.contains("\rsecret: ")).await;
    channel.data(&b"hunter2hunter2\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("length 14")).await;
    channel.data(&b"exit\n"[..]).await.unwrap();
    read_until(&mut channel, |_| false).await;
    worker::leave(line).await;
    house.desk.left().await;
    let tape = format!("{:?}{}", house.desk.tape.all(), house.desk.tape.text());
    assert!(!tape.contains("hunter2"));
    let typed = "PS1='$ '; echo ready-$((1+1))\nread -s -p 'secret: ' x; echo length ${#x}\nhunter2hunter2\nexit\n".len() as u64;
    // Frames per packet, or an exact sum, would tell how long the password was.
    let told: Vec<u64> = house.desk.tape.all().iter().filter_map(|kept| if let Kept::Input(bytes) = kept { Some(*bytes) } else { None }).collect();
    assert_eq!(told, [typed.next_multiple_of(64)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn language_passes_and_what_changes_programs_does_not() {
    let house = House::new().await;
    let mut ssh = house.ssh(&["-o", "SendEnv=LANG LD_PRELOAD BASH_ENV"], "echo ${LANG}-${LD_PRELOAD}-${BASH_ENV}");
    ssh.env("LANG", "ja_JP.UTF-8").env("BASH_ENV", "/dev/null").env("LD_PRELOAD", "");
    assert_eq!(out(&finish(ssh).await), "ja_JP.UTF-8--\n");
    let line = worker::enter(&house).await;
    let mut channel = line.channel_open_session().await.unwrap();
    for (name, value) in [("LD_PRELOAD", "/tmp/none.so"), ("LANG", "C"), ("LC_TIME", "ja_JP.UTF-8")] {
        channel.set_env(true, name, value).await.unwrap();
    }
    channel.exec(true, "echo $LANG-$LD_PRELOAD-$LC_TIME").await.unwrap();
    assert_eq!(read_until(&mut channel, |_| false).await.out, "C--ja_JP.UTF-8\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_is_not_the_end_of_output() {
    let house = House::new().await;
    let output = house.exec_with("cat; sleep 0.3; echo behind", b"before ".to_vec()).await;
    assert_eq!(out(&output), "before behind\n");
    // And the other way: the target closes its output while it still reads.
    let output = house.exec_with("exec 1>&-; sha256sum >&2", vec![b'x'; 100_000]).await;
    assert!(err(&output).contains("  -") && output.status.code() == Some(0), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_megabytes_arrive_whole_in_both_directions() {
    let house = House::new().await;
    let data: Vec<u8> = (0..BIG).map(|at| ((at * 2_654_435_761) >> 7) as u8).collect();
    let output = house.exec_with("cat", data.clone()).await;
    assert!(output.stdout == data, "{} bytes came back: {}", output.stdout.len(), err(&output));
    house.desk.left().await;
    assert_eq!(house.desk.tape.output.load(Ordering::SeqCst), BIG as u64);
    assert_eq!(house.desk.tape.input.load(Ordering::SeqCst), BIG as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_read_holds_the_target_back_and_nobody_else() {
    let house = House::new().await;
    let control = house.path("control");
    let path = format!("ControlPath={control}");
    let master = house.ssh(&["-M", "-N", "-o", &path], "").spawn().unwrap();
    until("the master is there", || std::path::Path::new(&control).exists()).await;
    let mut stalled = house.ssh(&["-S", &control], &format!("head -c {BIG} /dev/zero")).spawn().unwrap();
    let mut reader = stalled.stdout.take().unwrap();
    reader.read_u8().await.unwrap();
    let taken = || house.desk.tape.output.load(Ordering::SeqCst);
    let mut last = 0;
    until("the flow stands still", || std::mem::replace(&mut last, taken()) == taken() && taken() > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(taken() < 16 * 1024 * 1024, "{} bytes are on their way to a reader that does not read", taken());
    let second = tokio::time::timeout(Duration::from_secs(3), finish(house.ssh(&["-S", &control], "echo second"))).await;
    assert_eq!(out(&second.expect("a second channel answers")), "second\n");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len() + 1, BIG);
    drop(master);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_read_holds_the_worker_back_and_nobody_else() {
    let house = House::new().await;
    let control = house.path("control");
    let path = format!("ControlPath={control}");
    let master = house.ssh(&["-M", "-N", "-o", &path], "").spawn().unwrap();
    until("the master is there", || std::path::Path::new(&control).exists()).await;
    let go = house.path("go");
    let command = format!("while [ ! -e {go} ]; do sleep 0.1; done; wc -c");
    let mut stalled = house.ssh(&["-S", &control], &command).stdin(Stdio::piped()).spawn().unwrap();
    let mut writer = stalled.stdin.take().unwrap();
    let writing = tokio::spawn(async move { writer.write_all(&vec![7; BIG]).await.unwrap() });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let taken = house.desk.tape.input.load(Ordering::SeqCst);
    assert!(taken > 0 && taken < 16 * 1024 * 1024, "{taken} bytes were taken for a target that does not read");
    assert_eq!(out(&finish(house.ssh(&["-S", &control], "echo second")).await), "second\n");
    std::fs::write(&go, "").unwrap();
    let output = stalled.wait_with_output().await.unwrap();
    assert_eq!(out(&output).trim(), BIG.to_string());
    writing.await.unwrap();
    drop(master);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_clients_terminal_shows_what_a_direct_one_would() {
    let house = House::new().await;
    let mut shell = house.ssh(&["-tt"], "").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(b"PS1='$ '; tty && echo on-a-terminal; exit 5\n").await.unwrap();
    let output = shell.wait_with_output().await.unwrap();
    assert!(out(&output).contains("on-a-terminal\r\n"), "{}", out(&output));
    assert!(err(&output).contains("2026-0001"), "{}", err(&output));
    assert_eq!(output.status.code(), Some(5));
}
