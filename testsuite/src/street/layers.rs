//! Taking any one layer away ends in a refusal with the right code. The table that this test prints is for those who ask.

use super::api::text;
use super::house::{House, TARGET, a_check, in_hours, other_hours};
use super::program::{output, said};
use super::terminal::Person;
use serde_json::{Value, json};
use std::time::Duration;

/// What a try came to: the code that the client was shown, and the one that the log tells of.
struct Outcome {
    shown: String,
    logged: String,
}

fn code_in(words: &str) -> String {
    words.find("SKS-").and_then(|at| words.get(at..at + 8)).unwrap_or("-").to_owned()
}

/// The code of the newest refusal of this login since an entry of the log.
fn logged(house: &House, login: &str, since: u64) -> String {
    let log = house.api.get(&house.planner, "/api/v1/log?kind=refused");
    let entries = log.as_array().expect("a list of entries");
    let mut codes = entries.iter().filter(|entry| entry.get("login").and_then(Value::as_str) == Some(login) && entry.get("seq").and_then(Value::as_u64) >= Some(since));
    codes.next().map_or_else(|| "-".to_owned(), |entry| text(entry, "code"))
}

fn newest(house: &House) -> u64 {
    let log = house.api.get(&house.planner, "/api/v1/log");
    let entries = log.as_array().expect("a list of entries");
    entries.iter().filter_map(|entry| entry.get("seq").and_then(Value::as_u64)).max().unwrap_or(0) + 1
}

/// A command of the console.
fn done(house: &House, args: &[&str]) {
    let done = house.console(args);
    assert!(done.status.success(), "{}", said(&done));
}

/// Tries to run a command on the target with the worker's own client.
fn ssh(house: &House, worker: &Person, answers: &[(&str, &str)]) -> Outcome {
    let since = newest(house);
    let mut command = house.terminal.ssh(worker, TARGET, &[]);
    command.envs(answers.iter().copied()).args(["--", "echo hairimashita"]);
    let done = output(&mut command, Duration::from_secs(60));
    if done.status.success() && done.stdout == b"hairimashita\n" {
        return Outcome { shown: "entered".into(), logged: "-".into() };
    }
    Outcome { shown: code_in(&String::from_utf8_lossy(&done.stderr)), logged: logged(house, &worker.login, since) }
}

#[test]
fn taking_any_one_layer_away_ends_in_a_refusal_with_the_right_code() {
    let house = House::own_with("step_up_minutes = 60");
    let hospital = &house;
    // A code is good once in half a minute, so each row has a worker of its own, made while the road is whole.
    let at_work = |login: &str| hospital.at_work(login, &["exec"]);
    let line = |args: &[&str]| done(hospital, &[&["line", "change", "保守センター"], args].concat());
    let device = |args: &[&str]| done(hospital, &[&["device"], args].concat());
    let (on, until) = a_check();
    let checked = ["--checked-on", &on, "--checked-until", &until, "--checked-by", "試験"];
    let mut rows: Vec<(&str, &str, Outcome)> = Vec::new();

    let (worker, _) = at_work("soua");
    rows.push(("nothing", "entered", ssh(hospital, &worker, &[])));

    let (mut worker, _) = at_work("soub");
    worker.key_file = None;
    rows.push(("password (another one is given)", "SKS-1001", ssh(hospital, &worker, &[("STREET_PASSWORD", "Chigau-pasuwado-88!")])));
    let (worker, _) = at_work("souc");
    rows.push(("second factor (a wrong code is given)", "SKS-1001", ssh(hospital, &worker, &[("STREET_CODE", "000000")])));

    let ((worker, _), (reader, _)) = (at_work("soud"), at_work("soue"));
    line(&["--addresses", "203.0.113.0/24"]);
    rows.push(("source (the line has other addresses)", "SKS-4006", ssh(hospital, &worker, &[])));
    let since = newest(hospital);
    let body = json!({ "login": reader.login, "password": reader.password, "code": reader.phone.code() });
    let answer = hospital.api.try_post(None, "/api/v1/logins", &body);
    rows.push(("source, at the login of the pages", "SKS-4006", Outcome { shown: code_in(&answer.text), logged: logged(hospital, &reader.login, since) }));
    line(&["--addresses", "127.0.0.0/8"]);

    let (worker, _) = at_work("souf");
    line(&["--times", &other_hours()]);
    rows.push(("time of the line (it rests)", "SKS-4022", ssh(hospital, &worker, &[])));
    line(&["--times", "any"]);

    let ((worker, _), (japanese, _)) = (at_work("soun"), at_work("souo"));
    line(&["--countries", "JP"]);
    let table = hospital.folder.join("countries.csv");
    let countries = |text: &str| {
        std::fs::write(&table, text).unwrap();
        done(hospital, &["country", "import", table.to_str().unwrap(), "--dated", "2026-11-01"]);
    };
    // An address of the machine itself has no country unless a table names it.
    countries("203.0.113.0/24,JP\n127.0.0.0/8,US\n");
    rows.push(("country (the table has the source in another)", "SKS-4029", ssh(hospital, &worker, &[])));
    countries("127.0.0.0/8,JP\n");
    rows.push(("nothing, from the allowed country", "entered", ssh(hospital, &japanese, &[])));
    line(&["--countries", "any"]);

    let (worker, _) = at_work("soug");
    line(&["--class", "tls13"]);
    rows.push(("certificate (the line is an open network)", "SKS-4024", ssh(hospital, &worker, &[])));
    line(&["--class", "ip_vpn"]);

    let (worker, _) = at_work("souh");
    device(&["change", "NOTE-01", "--addresses", "127.0.0.9"]);
    rows.push(("device (nobody registered it)", "SKS-4023", ssh(hospital, &worker, &[])));
    let (worker, _) = at_work("soui");
    device(&["change", "NOTE-01", "--addresses", "127.0.0.1", "--checked-on", "2026-01-01", "--checked-until", "2026-01-02", "--checked-by", "試験"]);
    rows.push(("check of the device (it has run out)", "SKS-4028", ssh(hospital, &worker, &[])));
    let (worker, _) = at_work("souj");
    device(&[&["change", "NOTE-01"], checked.as_slice()].concat());
    device(&["lost", "NOTE-01", "--reason", "駅で"]);
    rows.push(("device (it was declared lost)", "SKS-4026", ssh(hospital, &worker, &[])));
    device(&[&["add", "--vendor", "北斗メディカルシステム株式会社", "--name", "NOTE-02", "--addresses", "127.0.0.1"], checked.as_slice()].concat());

    let (worker, plan) = at_work("souk");
    hospital.api.act(&hospital.operator, &plan, &json!({ "act": "withdraw", "reason": "試験" }));
    rows.push(("plan (it was withdrawn)", "SKS-4001", ssh(hospital, &worker, &[])));
    let (worker, token) = hospital.worker("soul");
    hospital.plan_with(&token, "soul", &["exec"], &json!({ "from": in_hours(2), "until": in_hours(3) }));
    rows.push(("window (it opens in two hours)", "SKS-4002", ssh(hospital, &worker, &[])));
    let (worker, _) = at_work("soum");
    rows.push(("nothing, at the end", "entered", ssh(hospital, &worker, &[])));

    println!("\n{:<44} {:<10} {:<10} {:<10}", "layer taken away", "expected", "client", "log");
    for (layer, wanted, outcome) in &rows {
        println!("{layer:<44} {wanted:<10} {:<10} {:<10}", outcome.shown, outcome.logged);
    }
    for (layer, wanted, outcome) in &rows {
        match *wanted {
            // One answer for every wrong factor, without a code; the log has it.
            "SKS-1001" => assert_eq!((outcome.shown.as_str(), outcome.logged.as_str()), ("-", "SKS-1001"), "{layer}"),
            "entered" => assert_eq!(outcome.shown, "entered", "{layer}"),
            code => assert_eq!((outcome.shown.as_str(), outcome.logged.as_str()), (code, code), "{layer}"),
        }
    }
}
