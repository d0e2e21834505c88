//! The emergency account of the demonstration, sealed: its envelopes were printed by two persons.

use anyhow::{Context, Result};
use sekisho_core::emergency::Half;
use sekisho_core::people::{Actor, Person, Role, Via};
use sekisho_store::{EmergencyAsk, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Makes the account, and gives what is in its envelopes, which a visitor may open.
///
/// # Errors
/// Any step is refused.
pub async fn prepare(store: &Store) -> Result<Value> {
    let console = Actor::console();
    let people: Vec<Person> = store.persons(&console).await?.into_iter().map(|row| row.person).collect();
    let find = |login: &str| people.iter().find(|person| person.login == login).with_context(|| format!("{login} does not play here"));
    let (planner, operator) = (find("ishikawa")?, find("ueda")?);
    let ask = EmergencyAsk {
        login: "hijo-01".into(),
        name: "非常時用(事務当直室)".into(),
        roles: BTreeSet::from([Role::DutyClerk, Role::Operator]),
        purpose: "職員認証基盤やネットワークが止まり、ふだんのログインができないとき。手順書: 事務当直室 赤いファイル「非常時の関所」".into(),
        told: vec![planner.id.clone(), operator.id.clone(), find("kato")?.id.clone()],
    };
    let account = store.add_emergency(&console, ask).await?;
    let by = |person: &Person| Actor::of(person, Via::Web, Some("127.0.0.1".into()));
    let first = store.make_envelope(&by(operator), &account.id, Half::Password, "江口 さくら(事務当直)", "事務当直室 鍵付き引出し").await?;
    let second = store.make_envelope(&by(planner), &account.id, Half::Card, "看護師長", "3階ナースステーション 金庫").await?;
    let codes: Vec<&str> = second.secrets.iter().map(|code| code.expose()).collect();
    Ok(json!({ "login": account.login, "password": first.secrets.first().map(|secret| secret.expose()), "codes": codes }))
}
