//! A session that stands still: nothing goes over, nothing is lost, and the worker is told.

use super::desk::Kept;
use super::house::{House, err, until};
use super::worker::{self, read_until};
use sekisho_core::control::Standstill;
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::limits;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

fn say(house: &House, word: RecallWord) {
    let session = house.desk.paper().sessions.last().cloned();
    house.gateway.recall(Recall { session, word });
}

fn stand(house: &House, standstill: Standstill) {
    say(house, RecallWord::Stand(standstill));
}

/// What may be under way between a sender and a receiver: the windows of both legs and the buffers of the clients.
const UNDER_WAY: u64 = 12 * 1024 * 1024;

/// Waits until the number stays what it is for a while, and gives it.
async fn stands(what: &str, number: impl Fn() -> u64) -> u64 {
    let mut last = (number(), Instant::now());
    let begun = Instant::now();
    while last.1.elapsed() < Duration::from_millis(700) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
        if number() != last.0 {
            last = (number(), Instant::now());
        }
    }
    last.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_paused_in_the_middle_arrives_whole_in_both_directions() {
    const SIZE: usize = 50 * 1024 * 1024;
    let house = House::new().await;
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (given, taken) = (house.path("given"), house.path("taken"));
    std::fs::write(&given, &bytes).unwrap();
    // The worker sends as fast as it can, and what comes back is compared byte by byte.
    let mut child = house.ssh(&[], &format!("cat > {taken}; cat {given}")).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let handed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&handed);
    let writing = tokio::spawn(async move {
        for piece in sent.chunks(64 * 1024) {
            stdin.write_all(piece).await.unwrap();
            counted.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    let arrived = || std::fs::metadata(house.path("taken")).map_or(0, |file| file.len());
    until("a part has arrived", || arrived() > 2_000_000).await;
    stand(&house, Standstill::Paused);
    let held = stands("bytes to the target", arrived).await;
    assert!(held < SIZE as u64, "it was over before the pause");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(arrived(), held, "bytes went on while it was paused");
    let waits = handed.load(Ordering::SeqCst) - held;
    assert!(waits < UNDER_WAY, "{waits} bytes were taken from the worker while it was paused");
    stand(&house, Standstill::None);
    // The second half goes the other way and is paused, too.
    let output = || house.desk.tape.output.load(Ordering::SeqCst);
    let reading = tokio::spawn(async move { child.wait_with_output().await.unwrap() });
    until("a part comes back", || output() > 2_000_000).await;
    stand(&house, Standstill::Paused);
    let came = stands("bytes to the worker", output).await;
    assert!(came < SIZE as u64, "it was over before the pause");
    stand(&house, Standstill::None);
    let output = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
    writing.await.unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(output.stdout == bytes, "what came back is not what lies there");
    assert!(std::fs::read(&taken).unwrap() == bytes, "what arrived is not what was sent");
    assert_eq!(house.desk.left().await, Cause::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_is_told_of_pause_and_end_and_reads_messages_meanwhile() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    channel.data(&b"PS1=; echo be''gun\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("begun")).await;
    stand(&house, Standstill::Paused);
    let got = read_until(&mut channel, |got| got.err.contains("一時停止")).await;
    assert!(got.err.contains("入力は再開後に届きます") && got.err.contains("\r\n"), "{got:?}");
    channel.data(&b"echo mat''te-ita\n"[..]).await.unwrap();
    say(&house, RecallWord::Say("上田: すこし\u{1b}[31mお待ちください".into()));
    let got = read_until(&mut channel, |got| got.err.contains("お待ちください")).await;
    assert!(got.err.contains("病院から") && !got.err.contains('\u{1b}'), "{got:?}");
    assert!(!got.out.contains("matteita") && !house.desk.tape.text().contains("matte-ita"), "what was typed reached the target");
    stand(&house, Standstill::None);
    let got = read_until(&mut channel, |got| got.out.contains("matte-ita")).await;
    assert!(got.err.contains("再開しました"), "{got:?}");
    worker::leave(line).await;
    house.desk.left().await;
}

/// ssh closes its channel when the output and its own input have ended, and still waits for the status.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_after_the_end_of_the_output_does_not_cost_the_status() {
    let house = House::new().await;
    let ready = house.path("ready");
    let command = format!("exec </dev/null >/dev/null 2>&1; touch {ready}; sleep 3; exit 5");
    let child = house.ssh(&["-tt"], &command).stdin(Stdio::null()).spawn().unwrap();
    until("the output ends", || std::path::Path::new(&ready).exists()).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        say(&house, RecallWord::Say("上田: もうすぐ終わりますか".into()));
    }
    let done = child.wait_with_output().await.unwrap();
    assert_eq!(done.status.code(), Some(5), "{}", err(&done));
    house.desk.left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_opened_during_a_pause_waits_and_then_works() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut first = worker::shell(&line, 80, 24).await;
    read_until(&mut first, |got| got.err.contains("2026-0001")).await;
    stand(&house, Standstill::Paused);
    let mut second = line.channel_open_session().await.unwrap();
    let file = house.path("made");
    second.exec(true, format!("touch {file}; echo go''es")).await.unwrap();
    let got = read_until(&mut second, |got| got.err.contains("一時停止")).await;
    assert!(got.out.is_empty(), "{got:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!std::path::Path::new(&file).exists(), "the target worked during the pause");
    stand(&house, Standstill::None);
    let got = read_until(&mut second, |got| got.closed).await;
    assert!(got.out.contains("goes") && got.status == Some(0), "{got:?}");
    worker::leave(line).await;
    house.desk.left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_and_window_end_a_session_that_stands_still_and_idle_time_does_not_run() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    stand(&house, Standstill::Paused);
    // Longer than the idle time, in steps that a look at the grant fits between.
    for _ in 0..4 {
        house.desk.clock.push(Duration::from_secs(10 * 60));
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
    assert!(house.desk.lefts().is_empty(), "a paused session was idle");
    let pressed = Instant::now();
    say(&house, RecallWord::End(Cause::Cut));
    let got = read_until(&mut channel, |got| got.closed).await;
    assert!(got.err.contains("SKS-4102") && pressed.elapsed() < Duration::from_secs(2), "{got:?}");
    assert_eq!(house.desk.left().await, Cause::Cut);

    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("2026-0001")).await;
    stand(&house, Standstill::Paused);
    house.desk.clock.push(Duration::from_secs(5 * 3600));
    let got = read_until(&mut channel, |got| got.closed).await;
    assert!(got.err.contains("SKS-4101"), "{got:?}");
    until("the second session left", || house.desk.lefts().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_reaches_the_target_before_the_witness_watches() {
    let house = House::new().await;
    house.desk.paper().standstill = Standstill::NoWitness;
    // A target that nobody answers for: whoever dialled it would be seen at its door.
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real = std::mem::replace(&mut house.desk.paper().port, door.local_addr().unwrap().port());
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    channel.data(&b"echo has''nt-begun\n"[..]).await.unwrap();
    let got = read_until(&mut channel, |got| got.err.contains("立会い")).await;
    assert!(got.out.is_empty(), "{got:?}");
    say(&house, RecallWord::Say("上田: すぐ行きます".into()));
    read_until(&mut channel, |got| got.err.contains("すぐ行きます")).await;
    let knocked = tokio::time::timeout(Duration::from_secs(1), door.accept()).await;
    assert!(knocked.is_err(), "the target was dialled before the witness came");
    assert!(house.desk.paper().dialled.is_empty());
    assert!(house.desk.tape.all().iter().any(|kept| matches!(kept, Kept::Message(text) if text.contains("立会い"))), "the recording does not hold what the worker read");
    // The witness comes: then, and only then, somebody knocks.
    stand(&house, Standstill::None);
    let knocked = tokio::time::timeout(Duration::from_secs(5), door.accept()).await;
    assert!(knocked.is_ok(), "nobody dialled although the witness watches");
    drop((knocked, door));
    read_until(&mut channel, |got| got.closed).await;
    assert_eq!(house.desk.left().await, Cause::DialFailed);

    // And with a target behind the door, the work begins and freezes again.
    house.desk.paper().port = real;
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    read_until(&mut channel, |got| got.err.contains("立会い")).await;
    stand(&house, Standstill::None);
    channel.data(&b"PS1=; echo hajime''ta\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("hajimeta")).await;
    stand(&house, Standstill::NoWitness);
    read_until(&mut channel, |got| got.err.contains("立会い")).await;
    channel.data(&b"echo to''matta\n"[..]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!house.desk.tape.text().contains("tomatta"));
    worker::leave(line).await;
    until("the second session left", || house.desk.lefts().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_comes_while_the_worker_enters_is_not_overruled_and_waiting_has_an_end() {
    let house = House::new().await;
    house.desk.paper().standstill = Standstill::NoWitness;
    let gateway = house.gateway.clone();
    house.desk.paper().on_enter = Some(Box::new(move |session| {
        gateway.recall(Recall { session: Some(session.clone()), word: RecallWord::Stand(Standstill::None) });
    }));
    let output = house.exec("echo susunda").await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("susunda"), "{}", err(&output));
    house.desk.left().await;

    house.desk.paper().on_enter = None;
    let child = house.ssh(&[], "echo kesshite").spawn().unwrap();
    until("it waits", || house.desk.paper().sessions.len() == 2).await;
    until("it says so", || house.desk.tape.all().iter().any(|kept| matches!(kept, Kept::Message(text) if text.contains("立会い")))).await;
    house.desk.clock.push(Duration::from_secs(limits::WITNESS_WAIT_SECONDS as u64 + 1));
    let output = child.wait_with_output().await.unwrap();
    assert!(err(&output).contains("SKS-4105") && output.stdout.is_empty() && output.status.code() == Some(255), "{}", err(&output));
    until("the second session left", || house.desk.lefts().len() == 2).await;
    assert_eq!(house.desk.lefts().last(), Some(&Cause::NoWitness));
}
