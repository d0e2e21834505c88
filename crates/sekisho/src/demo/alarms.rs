//! Alarms of the demonstration, from what really happens in it: somebody outside guesses names and passwords, and the operator
//! has taken on what was told before.

use anyhow::{Context, Result};
use sekisho_core::alarm::Rule;
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::secret::Secret;
use sekisho_store::{AlarmFilter, Store};
use std::net::IpAddr;

/// Where the guesses come from: an address for examples (RFC 5737).
const ELSEWHERE: [u8; 4] = [198, 51, 100, 23];
/// Names that are tried at every door of the internet.
const NAMES: [&str; 5] = ["root", "admin", "oracle", "postgres", "test"];
/// How often each is tried; one more would lock it.
const TRIES: usize = 4;

/// Lets it happen, and the alarms follow.
///
/// # Errors
/// A fault of the store.
pub async fn happen(store: &Store) -> Result<()> {
    for name in NAMES {
        for _ in 0..TRIES {
            let tried = store.log_in(name, Secret::new("password"), Secret::new("123456"), IpAddr::from(ELSEWHERE), Via::Web).await;
            anyhow::ensure!(tried.is_err(), "somebody outside guessed their way in as {name}");
        }
    }
    store.raise_due().await?;
    let console = Actor::console();
    let people: Vec<Person> = store.persons(&console).await?.into_iter().map(|row| row.person).collect();
    let operator = people.iter().find(|person| person.login == "ueda").context("ueda does not play here")?;
    let operator = Actor::of(operator, Via::Web, Some("127.0.0.1".into()));
    for alarm in store.alarms(&console, &AlarmFilter::default()).await?.rows {
        if alarm.rule == Rule::Credential {
            store.acknowledge_alarm(&operator, &alarm.id).await?;
        }
    }
    Ok(())
}
