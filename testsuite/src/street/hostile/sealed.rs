//! Behind the key exchange: out of order, malformed, without measure; before the login and after it.

use super::{HONEST, credentials, log_is_clean, script};
use crate::street::house::House;
use crate::street::program::{run, said};
use serde_json::{Value, json};

/// What a client says before the login and belongs behind it, or is a server's to say: the connection ends.
const TOO_EARLY: &[&str] = &["success_said_by_the_client", "channel_before_login", "requests_before_login"];
/// Acts that need no login, then those of somebody who has one; `hostile.py` knows them by these names.
const STRANGERS: &[&str] = &[
    "success_said_by_the_client", "channel_before_login", "requests_before_login", "answers_unasked", "unknown_messages", "long_name", "forged_names",
    "long_password", "methods_without_end", "broken_requests", "broken_keys", "services_without_end", "service_nobody_knows", "rekey_flood",
    "huge_packet", "goodbye_with_escapes", "names_that_change",
];
const WORKERS: &[&str] = &[
    "hundreds_of_channels", "global_requests", "window_of_lies", "data_beyond_the_window", "unknown_channels", "two_starts", "long_requests", "ends_without_end",
    "kinds_of_channels", "login_again", "rekey_flood_at_work", "zero_window",
];

#[test]
fn whatever_a_client_says_an_honest_login_follows_within_two_seconds() {
    let house = House::own();
    let strangers = STRANGERS.iter().enumerate().map(|(number, attack)| (format!("hs{number}"), *attack, false));
    let workers = WORKERS.iter().enumerate().map(|(number, attack)| (format!("hw{number}"), *attack, true));
    let acts: Vec<Value> = strangers.chain(workers).map(|(login, attack, inside)| json!({ "attack": attack, "inside": inside, "who": credentials(&house, &login) })).collect();
    let told = script(&house, &Value::Array(acts));
    let rows = told.as_array().expect("a row for each act");
    assert_eq!(rows.len(), STRANGERS.len() + WORKERS.len());
    let mut table = String::new();
    let mut wrong = Vec::new();
    for row in rows {
        let took = row.get("login_seconds").and_then(Value::as_f64).unwrap_or(f64::MAX);
        let worked = row.get("worked").and_then(Value::as_bool) == Some(true);
        let broken_in = row.get("broken_in").and_then(Value::as_bool) == Some(true);
        table.push_str(&format!("{row}\n"));
        let named = |acts: &[&str]| row.get("attack").and_then(Value::as_str).is_some_and(|attack| acts.contains(&attack));
        let stays = named(TOO_EARLY) && row.get("then").and_then(Value::as_str) == Some("open");
        if took > HONEST || !worked || broken_in || stays {
            wrong.push(row.to_string());
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    log_is_clean(&house);
    let copy = house.evidence("after-the-storm").display().to_string();
    let verified = run(&["verify", &copy, "--key", &house.log_key]);
    assert!(verified.status.success(), "{}", said(&verified));
}
