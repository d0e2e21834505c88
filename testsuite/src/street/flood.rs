//! A flood of output meets the volume of the policy, and what people say and write after it still arrives.

use super::house::{House, TARGET};
use super::program::wait_for;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a word may take to the worker or into the record.
const SOON: Duration = Duration::from_secs(20);

fn is_paused(house: &House, session: &str) -> bool {
    let standing = house.api.get(&house.operator, &format!("/api/v1/sessions/{session}/standing"));
    standing.to_string().contains("\"paused\"")
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
