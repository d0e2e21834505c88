//! What is held in the demonstration, and what waits for a planner: last month's session after an incident nearby, a hold that was lifted, and
//! a shorter time that the operator asked for.

use anyhow::{Context, Result};
use sekisho_core::hold::{HoldAsk, HoldBasis, HoldScope};
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::retention::KeepClass;
use sekisho_store::{SessionFilter, Store};

/// Lets it happen.
///
/// # Errors
/// Any step is refused.
pub async fn happen(store: &Store) -> Result<()> {
    let people: Vec<Person> = store.persons(&Actor::console()).await?.into_iter().map(|row| row.person).collect();
    let actor = |login: &str| people.iter().find(|person| person.login == login).map(|person| Actor::of(person, Via::Web, Some("127.0.0.1".into()))).with_context(|| format!("{login} does not play here"));
    let (operator, planner, safety) = (actor("ueda")?, actor("ishikawa")?, actor("kato")?);
    let sessions = store.sessions(&operator, &SessionFilter { running: Some(false), ..SessionFilter::default() }).await?;
    let session = sessions.rows.last().context("nobody has worked yet")?;
    let held = |scope: HoldScope, basis: HoldBasis, number: &str, reason: &str, days: Option<u32>| HoldAsk { scope, basis, case_number: number.into(), reason: reason.into(), days };
    let own = held(HoldScope::Session { session: session.facts.session.clone() }, HoldBasis::Own, "院内 2026-03", "近隣の病院で同じ事業者の端末が被害を受けたため、当院での作業を確かめ終えるまで残す。", None);
    store.place_hold(&planner, own).await?;
    let vendor = HoldScope::Vendor { vendor: session.vendor.clone() };
    store.place_hold(&operator, held(vendor, HoldBasis::Police, "県警サイバー 第128号", "警察からの保全要請(通信履歴)。", Some(30))).await?;
    let over = store.place_hold(&operator, held(HoldScope::Everything, HoldBasis::Own, "院内 2026-02", "迷惑メールの調査のため、範囲が分かるまですべてを残す。", None)).await?;
    store.lift_hold(&safety, &over.id, "関所を通る作業とは無関係と分かった。", "").await?;
    store.keep_round().await?;
    store.ask_time(&operator, KeepClass::Contents, 180, "持ち込んだファイルが大きく、来年の春にディスクが足りなくなる見込みのため。").await?;
    Ok(())
}
