//! How sessions end: by the hospital, by the clock, by the recording, by either side.

use super::desk::Kept;
use super::house::{By, House, err, finish, until};
use super::worker::{self, read_until};
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::time::Clock;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn end(house: &House, cause: Cause) {
    let session = house.desk.paper().sessions.last().cloned();
    house.gateway.recall(Recall { session, word: RecallWord::End(cause) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_the_session_within_two_seconds_and_says_why() {
    let house = House::new().await;
    let child = house.ssh(&[], "echo begun; sleep 60").spawn().unwrap();
    until("output", || house.desk.tape.text().contains("begun")).await;
    let pressed = Instant::now();
    end(&house, Cause::Cut);
    let output = child.wait_with_output().await.unwrap();
    assert!(pressed.elapsed() < Duration::from_secs(2));
    assert!(err(&output).contains("SKS-4102") && output.status.code() == Some(255), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::Cut);
    assert!(house.desk.tape.all().iter().any(|kept| matches!(kept, Kept::Message(text) if text.contains("SKS-4102"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_needs_neither_a_worker_that_reads_nor_a_target_that_does() {
    let house = House::new().await;
    // The worker's client reads nothing: its own window and every buffer on the way are full.
    let mut silent = house.ssh(&[], "cat /dev/zero").spawn().unwrap();
    let _unread = silent.stdout.take();
    let taken = || house.desk.tape.output.load(Ordering::SeqCst);
    let mut last = 0;
    until("the flow stands still", || taken() > 0 && std::mem::replace(&mut last, taken()) == taken()).await;
    let pressed = Instant::now();
    end(&house, Cause::Cut);
    assert_eq!(house.desk.left().await, Cause::Cut);
    assert!(pressed.elapsed() < Duration::from_secs(2));
    let held = taken();
    // And a target that takes no input.
    let mut deaf = house.ssh(&[], "echo begun; sleep 60").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = deaf.stdin.take().unwrap();
    let writing = tokio::spawn(async move { stdin.write_all(&vec![0; 64 * 1024 * 1024]).await });
    until("input flows", || house.desk.tape.input.load(Ordering::SeqCst) > 1_000_000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pressed = Instant::now();
    end(&house, Cause::Cut);
    until("the second session left", || house.desk.lefts().len() == 2).await;
    assert!(pressed.elapsed() < Duration::from_secs(2));
    assert!(deaf.wait().await.unwrap().code() == Some(255));
    assert!(writing.await.unwrap().is_err());
    assert!(taken() <= held + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_recording_ends_the_session_and_nothing_more_is_seen() {
    let house = House::new().await;
    let mut child = house.ssh(&[], "echo one; read x; echo two; sleep 60").stdin(Stdio::piped()).spawn().unwrap();
    until("output", || house.desk.tape.text().contains("one")).await;
    house.desk.tape.broken.store(true, Ordering::SeqCst);
    child.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n");
    assert!(err(&output).contains("SKS-4010"), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::RecordingLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_warns_twice_and_then_closes() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    let ahead = |minutes: u64| house.desk.clock.push(Duration::from_secs(minutes * 60));
    // The idle limit is not what is looked at here.
    let mut at = 0;
    let mut go_to = async |minute: u64, channel: &mut russh::Channel<russh::client::Msg>| {
        while at + 10 < minute {
            channel.data(&b" "[..]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(350)).await;
            ahead(10);
            at += 10;
        }
        channel.data(&b" "[..]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(350)).await;
        ahead(minute - at);
        at = minute;
    };
    go_to(165, &mut channel).await;
    go_to(171, &mut channel).await;
    let got = read_until(&mut channel, |got| got.err.contains("***")).await;
    assert!(got.err.contains("9 min") && got.err.contains("\r\n"), "{got:?}");
    go_to(179, &mut channel).await;
    let got = read_until(&mut channel, |got| got.err.contains("***")).await;
    assert!(got.err.contains("1 min"), "{got:?}");
    ahead(1);
    let got = read_until(&mut channel, |_| false).await;
    assert!(got.err.contains("SKS-4101") && got.status == Some(255), "{got:?}");
    assert_eq!(house.desk.left().await, Cause::WindowEnded);
    let warnings = house.desk.tape.all().iter().filter(|kept| matches!(kept, Kept::Message(text) if text.contains("***"))).count();
    assert_eq!(warnings, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_closes_also_while_a_log_that_hangs_is_told_of_a_refusal() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    house.desk.stuck.store(true, Ordering::SeqCst);
    assert!(line.channel_open_direct_tcpip("127.0.0.1", 80, "127.0.0.1", 1).await.is_err());
    until("the refusal is told", || !house.desk.paper().refused.is_empty()).await;
    channel.data(&b" "[..]).await.unwrap();
    house.desk.clock.push(Duration::from_secs(4 * 3600));
    assert_ne!(house.desk.left().await, Cause::WorkerGone);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_moves_the_end() {
    let house = House::new().await;
    house.desk.paper().policy.warn_minutes = Vec::new();
    house.desk.paper().policy.idle_minutes = 240;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    let session = house.desk.paper().sessions.last().cloned();
    let until_later = house.desk.clock.now().plus(Duration::from_secs(4 * 3600));
    house.gateway.recall(Recall { session, word: RecallWord::Until(until_later) });
    house.desk.clock.push(Duration::from_secs(3 * 3600 + 60));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(house.desk.lefts().is_empty());
    house.desk.clock.push(Duration::from_secs(3600));
    assert_eq!(house.desk.left().await, Cause::WindowEnded);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_counts_keys_on_a_terminal_and_bytes_on_a_transfer() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut shell = worker::shell(&line, 80, 24).await;
    read_until(&mut shell, |got| got.err.contains("2026-0001")).await;
    let mut busy = line.channel_open_session().await.unwrap();
    busy.exec(true, "while sleep 0.1; do echo x; done").await.unwrap();
    read_until(&mut busy, |got| got.out.contains('x')).await;
    // Output of a command without a terminal is work.
    for _ in 0..3 {
        house.desk.clock.push(Duration::from_secs(14 * 60));
        read_until(&mut busy, |got| got.out.len() > 6).await;
    }
    assert!(house.desk.lefts().is_empty());
    busy.close().await.unwrap();
    // Output of a terminal is not.
    shell.data(&b"while sleep 0.1; do echo y; done\n"[..]).await.unwrap();
    read_until(&mut shell, |got| got.out.matches("y\r\n").count() > 3).await;
    house.desk.clock.push(Duration::from_secs(16 * 60));
    let got = read_until(&mut shell, |_| false).await;
    assert!(got.err.contains("SKS-4103"), "{got:?}");
    assert_eq!(house.desk.left().await, Cause::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_and_an_orderly_end_are_told_apart() {
    let house = House::new().await;
    let mut child = house.ssh(&[], "echo begun; sleep 60").spawn().unwrap();
    until("output", || house.desk.tape.text().contains("begun")).await;
    child.kill().await.unwrap();
    assert_eq!(house.desk.left().await, Cause::WorkerGone);
    finish(house.ssh(&[], "true")).await;
    until("the second session left", || house.desk.lefts().len() == 2).await;
    assert_eq!(house.desk.lefts()[1], Cause::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_ends_the_session_with_a_word() {
    let house = House::new().await;
    // The server's process for this connection is the parent of the command's shell.
    let output = house.exec("echo begun; kill -9 $PPID; sleep 60").await;
    assert!(err(&output).contains("SKS-4014") && output.status.code() == Some(255), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::TargetGone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_all_and_waits_until_it_is_written() {
    let house = House::new().await;
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(house.ssh(&[], "echo begun; sleep 60").spawn().unwrap());
    }
    until("three sessions", || house.desk.tape.text().matches("begun").count() == 3).await;
    assert!(house.gateway.shutdown(Duration::from_secs(5)).await);
    assert_eq!(house.desk.lefts(), [Cause::Shutdown; 3]);
    for child in children {
        let output = child.wait_with_output().await.unwrap();
        assert!(err(&output).contains("SKS-4102"), "{}", err(&output));
    }
    let late = finish(house.ssh(&[], "true")).await;
    assert!(err(&late).contains("refused"), "{}", err(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_that_comes_before_the_gateway_knows_the_session_is_not_lost() {
    let house = House::new().await;
    let gateway = house.gateway.clone();
    house.desk.paper().on_enter = Some(Box::new(move |session| {
        gateway.recall(Recall { session: Some(session.clone()), word: RecallWord::End(Cause::Recalled) });
    }));
    let output = finish(house.ssh(&[], "echo in")).await;
    assert!(output.stdout.is_empty() && err(&output).contains("SKS-4102"), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::Recalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_for_all_leaves_alone_who_enters_later() {
    let house = House::new().await;
    house.desk.paper().plans.push("2026-0002".into());
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.out.contains("> ")).await;
    house.gateway.recall(Recall { session: None, word: RecallWord::End(Cause::Cut) });
    channel.data(&b"1"[..]).await.unwrap();
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    channel.data(&b"exit\n"[..]).await.unwrap();
    assert_eq!(read_until(&mut channel, |_| false).await.status, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_panics_ends_its_session_and_the_end_is_written_once() {
    let house = House::new().await;
    house.desk.tape.explosive.store(true, Ordering::SeqCst);
    let output = finish(house.ssh(&[], "echo in; sleep 60")).await;
    assert!(output.stdout.is_empty() && !output.status.success());
    house.desk.tape.explosive.store(false, Ordering::SeqCst);
    assert_eq!(house.desk.left().await, Cause::Breach);
    let next = finish(house.ssh(&[], "echo good")).await;
    assert_eq!(String::from_utf8_lossy(&next.stdout), "good\n");
    until("both left", || house.desk.lefts().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sftp_is_told_of_a_cut_too() {
    let house = House::new().await;
    let mut sftp = house.client("sftp", By::Key);
    let mut child = sftp.arg(house.place()).stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    until("the session runs", || !house.desk.tape.all().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    end(&house, Cause::Recalled);
    assert_eq!(house.desk.left().await, Cause::Recalled);
    // Only then does the client look away from its keyboard.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(stdin);
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
    assert!(text.contains("SKS-4102"), "{text}");
}
