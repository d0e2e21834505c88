//! Somebody who can write to the database, and has no key: what they write gives no right.

use super::base::{Base, Town, source, target_ask, told};
use super::ward::{PASSWORD, Ward};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::plan::act::PlanAct;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::format_date;
use sekisho_store::{Denied, LeaveAsk, PersonChange, TargetAsk};
use std::time::Duration;

fn is_fault<T>(done: Result<T, Denied>) -> bool {
    matches!(done, Err(Denied::Fault(_)))
}

async fn town() -> Town {
    Base::postgres().town().await
}

#[tokio::test]
async fn an_approved_plan_that_was_withdrawn_cannot_be_put_back() {
    let ward = Ward::over(Base::postgres()).await;
    let db = ward.db();
    let plan = ward.approved(ward.content()).await;
    db.sql("CREATE TABLE kept AS SELECT * FROM plans");
    ward.store.act_on_plan(&ward.planner, &plan.id, PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    let principal = ward.principal().await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::NoPlan));
    db.sql("UPDATE plans p SET state = k.state, version = k.version, is_open = k.is_open, body = k.body, seal = k.seal FROM kept k WHERE k.id = p.id");
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::NoPlan), "the log knows a later act");
    assert!(is_fault(ward.store.plan(&ward.planner, &plan.id).await));
    // A restart learns it from the log again.
    let ward = ward.restarted().await;
    let principal = ward.principal().await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::NoPlan));
}

#[tokio::test]
async fn a_person_changed_in_the_database_has_no_right() {
    let town = town().await;
    let db = town.base.db.as_ref().unwrap();
    let login = town.log_in(&town.clerk).await;
    db.sql("UPDATE persons SET body = replace(body, 'duty_clerk', 'planner') WHERE login = 'toda'");
    assert!(town.store.login_of(login.token.expose(), source()).await.is_err());
    assert!(town.store.log_in("toda", Secret::new(PASSWORD), town.code(&town.clerk), source(), Via::Web).await.is_err());
    town.log_in(&town.planner).await;
}

#[tokio::test]
async fn a_leaver_written_into_the_database_ends_nobody() {
    let town = town().await;
    let db = town.base.db.as_ref().unwrap();
    let clerk = town.clerk.id();
    db.sql(&format!(
        r#"INSERT INTO leavers (person, ended_at, body) VALUES ('{clerk}', NULL, '{{"person":"{clerk}","last_day":"2020-01-01","reason":"x","noted_by":"x","noted_at":0,"ended_at":null,"ended":{{"logins":0,"keys":0,"tokens":0,"links":0,"sessions":0}}}}')"#
    ));
    town.store.run_jobs_once().await.unwrap();
    assert!(told(town.store.leaver_sheet(&town.admin.actor, clerk).await).unwrap().is_some_and(|sheet| sheet.person.active));
    town.log_in(&town.clerk).await;
}

#[tokio::test]
async fn a_disabled_person_cannot_be_put_back() {
    let town = town().await;
    let db = town.base.db.as_ref().unwrap();
    db.sql("CREATE TABLE kept AS SELECT * FROM persons");
    let change = PersonChange { active: false, ..PersonChange::of(&town.clerk.person) };
    town.store.change_person(&Actor::console(), town.clerk.id(), change).await.unwrap();
    db.sql("UPDATE persons p SET active = k.active, body = k.body, seal = k.seal FROM kept k WHERE k.id = p.id AND k.login = 'toda'");
    assert!(town.store.log_in("toda", Secret::new(PASSWORD), town.code(&town.clerk), source(), Via::Web).await.is_err());
}

#[tokio::test]
async fn a_target_or_vendor_changed_in_the_database_opens_nothing() {
    let ward = Ward::over(Base::postgres()).await;
    let db = ward.db();
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    db.sql("CREATE TABLE kept AS SELECT * FROM targets; UPDATE targets SET body = replace(body, '127.0.0.1', '127.0.0.2')");
    assert!(ward.try_enter(&principal).await.is_err());
    db.sql("UPDATE targets t SET body = k.body FROM kept k WHERE k.id = t.id; CREATE TABLE was AS SELECT * FROM vendors; UPDATE vendors SET body = replace(body, '北斗', '南斗')");
    assert!(ward.try_enter(&principal).await.is_err());
    db.sql("UPDATE vendors v SET body = k.body FROM was k WHERE k.id = v.id");
    assert!(ward.try_enter(&principal).await.is_ok());
}

#[tokio::test]
async fn a_session_whose_worker_is_changed_in_the_database_ends() {
    let ward = Ward::over(Base::postgres()).await;
    let mut recalls = ward.store.recalls();
    let admission = ward.entered().await;
    ward.db().sql("UPDATE persons SET body = replace(body, '2027-03-31', '2099-03-31') WHERE login = 'sato'");
    let word = super::ward::recalled(&mut recalls, Duration::from_secs(10)).await;
    assert_eq!(word.session.as_ref(), Some(&admission.session));
}

#[tokio::test]
async fn a_login_written_into_the_database_is_none() {
    let town = town().await;
    let db = town.base.db.as_ref().unwrap();
    let own = town.log_in(&town.worker).await;
    // The worker's token, and the planner's name.
    db.sql("UPDATE web_logins SET person = (SELECT id FROM persons WHERE login = 'kida')");
    assert_eq!(told(town.store.login_of(own.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded));
    let own = town.log_in(&town.operator).await;
    db.sql("UPDATE web_logins SET stepped_up_until = 4000000000000");
    assert_eq!(told(town.store.login_of(own.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded));
    let own = town.log_in(&town.operator).await;
    let login = town.store.login_of(own.token.expose(), source()).await.unwrap();
    town.store.step_up(&login, town.code(&town.operator)).await.unwrap();
    town.store.login_of(own.token.expose(), source()).await.unwrap();
}

#[tokio::test]
async fn a_link_given_to_somebody_else_in_the_database_enrols_nobody() {
    let town = town().await;
    let (_, link) = town.store.add_person(&Actor::console(), super::base::new_person("shin", Role::Supervisor, None)).await.unwrap();
    town.base.db.as_ref().unwrap().sql("UPDATE enrolments SET person = (SELECT id FROM persons WHERE login = 'kanri')");
    assert!(town.store.enrolment(link.token.expose(), "", source()).await.is_err());
}

/// A box that was set up before rows were sealed gets its seals once, and never again.
#[tokio::test]
async fn rows_of_an_older_box_are_sealed_once() {
    let town = town().await;
    let db = town.base.db.as_ref().unwrap();
    town.store.close().await.unwrap();
    let unseal = "UPDATE persons SET seal = NULL; UPDATE vendors SET seal = NULL; UPDATE targets SET seal = NULL; UPDATE accounts SET seal = NULL";
    db.sql(unseal);
    std::fs::remove_file(town.base.dir().join("keys/rows.sealed")).unwrap();
    let store = town.base.open().await.unwrap();
    store.log_in("toda", Secret::new(PASSWORD), town.code(&town.clerk), source(), Via::Web).await.unwrap();
    let ask = TargetAsk { title: "DB".into(), ..target_ask("ehr-db01", &town.vendor) };
    store.change_target(&Actor::console(), &town.target, ask).await.unwrap();
    store.close().await.unwrap();
    db.sql(unseal);
    let store = town.base.open().await.unwrap();
    assert!(store.log_in("toda", Secret::new(PASSWORD), town.code(&town.clerk), source(), Via::Web).await.is_err());
}

/// A row that somebody damaged lets nobody in, and keeps nobody else's account open.
#[tokio::test]
async fn one_damaged_row_keeps_no_other_account_open() {
    let town = town().await;
    let store = &town.store;
    let day = Duration::from_secs(24 * 3600);
    store.run_jobs_once().await.unwrap();
    // The one whose row is damaged is noted first, and so comes first.
    for who in [&town.safety, &town.clerk] {
        let ask = LeaveAsk { last_day: format_date(town.now().plus(day * 80).date()), at_once: false, reason: "異動".into() };
        store.person_leaves(&town.admin.actor, who.id(), ask).await.unwrap();
    }
    town.pass(day * 88);
    for who in [&town.admin, &town.planner, &town.operator] {
        town.log_in(who).await;
    }
    // So many others are there that what nobody uses is the smaller part.
    for login in ["aoki", "baba", "chiba", "doi", "endo", "fuji"] {
        store.add_person(&Actor::console(), super::base::new_person(login, Role::Supervisor, None)).await.unwrap();
    }
    town.pass(day * 3);
    town.base.db.as_ref().unwrap().sql("UPDATE persons SET body = replace(body, 'sato 太郎', 'sato 次郎') WHERE login = 'sato'");
    town.base.db.as_ref().unwrap().sql("UPDATE persons SET body = replace(body, 'abe 太郎', 'abe 次郎') WHERE login = 'abe'");
    let _ = store.run_jobs_once().await;
    let sheet = store.leaver_sheet(&town.admin.actor, town.clerk.id()).await.unwrap().unwrap();
    assert!(sheet.leaver.ended_at.is_some() && !sheet.person.active, "a leaver: {sheet:?}");
    let stranger = store.person(&Actor::console(), town.stranger.id()).await.unwrap();
    assert!(!stranger.person.active, "somebody whom nobody has seen for 91 days");
}
