//! A flood of output meets the volume of the policy, and what people say and write after it still arrives.

use super::api::text;
use super::house::{House, TARGET};
use super::program::wait_for;
use serde_json::{Value, json};
use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a word may take to the worker or into the record.
const SOON: Duration = Duration::from_secs(20);

fn is_paused(house: &House, session: &str) -> bool {
    let standing = house.api.get(&house.operator, &format!("/api/v1/sessions/{session}/standing"));
    text(&standing, "state") == "paused"
}

/// The recording as the replay reads it.
fn recorded(house: &House, session: &str) -> String {
    house.api.ask(&house.operator, &format!("/api/v1/sessions/{session}/recording")).text
}

#[test]
fn after_a_flood_notes_and_messages_reach_the_record_and_the_worker() {
    let house = House::own_with("volume_output_mib = 2\nvolume_output_without_download_mib = 1\nstep_up_minutes = 60");
    let (worker, _) = house.at_work("koki", &["shell", "exec"]);
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line("PS1=; echo haji''matta");
    shell.wait_for("hajimatta");
    shell.type_line("head -c 6000000 /dev/zero | tr '\\0' 'x' | fold -w 70; echo owa''tta");
    let session = house.running("koki");
    wait_for("the flood is paused", SOON, || is_paused(&house, &session).then_some(()));
    shell.wait_for("SKS-4305");
    let say = |what: &str, line: &str| house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/{what}"), &json!({ "text": line }));
    // More than one, so that nothing that was said hides what follows it.
    for number in 1..=12 {
        say("say", &format!("確認中です {number}"));
        shell.wait_for(&format!("確認中です {number}"));
    }
    say("mark", "あふれたところ");
    say("chat", "病院で見ています");
    assert!(!shell.screen().contains("owatta"), "it went on although it is paused");
    wait_for("the record has it while the session stands still", SOON, || {
        let all = recorded(&house, &session);
        ["確認中です 1\"", "確認中です 12", "あふれたところ", "病院で見ています", "SKS-4305"].iter().all(|words| all.contains(words)).then_some(())
    });
    // The same amount again is another pause; after each the work goes on.
    let mut pauses = 1;
    wait_for("the flood comes to its end", Duration::from_secs(60), || {
        if is_paused(&house, &session) {
            house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/resume"), &json!({}));
            pauses += 1;
        }
        shell.screen().contains("owatta").then_some(())
    });
    assert!(pauses > 1, "one look let everything pass");
    say("say", "ありがとうございました");
    shell.wait_for("ありがとうございました");
    shell.type_line("exit");
    shell.wait_for_end(Duration::from_secs(10));
    house.ended("koki", 1);
    let all = recorded(&house, &session);
    assert!(all.contains("ありがとうございました"), "what followed the flood is not in the record");
    let told: Vec<String> = house.session(&session).pointer("/entries").and_then(Value::as_array).expect("its entries").iter().map(Value::to_string).collect();
    for words in ["確認中です 12", "あふれたところ", "病院で見ています", "ありがとうございました"] {
        assert!(told.iter().any(|entry| entry.contains(words)), "the log has nothing of {words}");
    }
}

/// A client that does not read has a full window: the words wait for it, and the record does not.
#[test]
fn a_worker_whose_client_does_not_read_finds_the_words_when_it_reads_again() {
    let house = House::own_with("volume_output_mib = 2\nvolume_output_without_download_mib = 1\nstep_up_minutes = 60");
    let (worker, _) = house.at_work("tome", &["shell"]);
    let mut command = house.terminal.ssh(&worker, TARGET, &["-tt"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ssh starts");
    let mut stdin = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut stdin, b"PS1=; head -c 6000000 /dev/zero | tr '\\0' 'x' | fold -w 70\n").expect("a line");
    let session = house.running("tome");
    // Said at once, perhaps before there is a terminal to read it on.
    let say = |line: &str| house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/say"), &json!({ "text": line }));
    say("はじめに一言");
    wait_for("the flood is paused", SOON, || is_paused(&house, &session).then_some(()));
    say("読んでください");
    wait_for("the record has it", SOON, || recorded(&house, &session).contains("読んでください").then_some(()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    for mut stream in [Box::new(child.stdout.take().expect("its output")) as Box<dyn Read + Send>, Box::new(child.stderr.take().expect("its errors"))] {
        let seen = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                seen.lock().unwrap().extend(buffer.iter().take(count));
            }
        });
    }
    let begun = std::time::Instant::now();
    let read = || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    while !["はじめに一言", "SKS-4305", "読んでください"].iter().all(|words| read().contains(words)) {
        let all = read();
        let tail: String = all.chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect();
        assert!(begun.elapsed() < SOON, "the worker does not read it; of {} bytes the last are {tail}", all.len());
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().expect("it can be ended");
    child.wait().expect("its end");
    let id = house.ended("tome", 1).remove(0);
    assert_eq!(text(&house.session(&id), "facts.session"), session);
}
