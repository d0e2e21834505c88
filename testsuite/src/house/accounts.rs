//! Accounts: subcontractors, locks, passwords, leavers, dormant accounts, privileged rights and reviews.

use super::base::{Base, Town, new_person, on_both, resident, source, told};
use super::ward::PASSWORD;
use sekisho_core::facts::Fact;
use sekisho_core::people::{Actor, Person, Role, Subcontract, Via};
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::review::{ReviewEnding, ReviewSaid, ReviewVerdict};
use sekisho_core::secret::Secret;
use sekisho_core::time::format_date;
use sekisho_store::{LeaveAsk, LockSubject, NewPerson, PersonChange, PrivilegeAsk, ReviewAsk, ReviewGroupAsk, VendorAsk};
use std::net::IpAddr;
use std::time::Duration;

on_both!(
    a_subcontractor_has_access_while_the_register_and_the_vendor_above_hold,
    what_nobody_uses_is_disabled_and_said_so,
    a_box_that_slept_or_whose_clock_ran_ahead_disables_nobody,
    dormant_accounts_stay_where_the_hospital_said_never,
    a_leaver_has_nothing_left,
    a_leaver_works_until_the_end_of_the_last_day,
    privileged_rights_have_an_approval_of_somebody_else,
    a_review_is_answered_signed_and_stands,
    what_a_review_leaves_unanswered_is_disabled_in_one_act,
    a_source_waits_longer_each_time_and_a_person_lets_it_in_with_a_reason,
    a_password_is_asked_for_no_change_ever_and_never_reused,
    names_of_others_and_leaked_passwords_are_refused,
);

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A row of the register of subcontractors that holds for years.
pub fn registered() -> Subcontract {
    Subcontract { approved_on: "2026-04-01".into(), approved_by: "企画管理者 木田".into(), pledged_until: "2028-03-31".into(), trained_until: "2028-03-31".into(), contract_until: "2028-03-31".into() }
}

async fn logs_in(town: &Town, login: &str, who: &super::base::Resident) -> Result<(), Refusal> {
    let code = town.code(who);
    told(town.store.log_in(login, Secret::new(PASSWORD), code, source(), Via::Web).await).map(|_| ())
}

async fn a_subcontractor_has_access_while_the_register_and_the_vendor_above_hold(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let below = |subcontract| VendorAsk { name: town.other.name.clone(), subcontractor_of: Some(town.vendor.id.clone()), subcontract, ..VendorAsk::default() };
    let enters = async || logs_in(&town, "mori", &town.stranger).await;
    enters().await.unwrap();
    told(store.change_vendor(&town.admin.actor, &town.other.id, below(None)).await).unwrap();
    assert_eq!(enters().await, Err(Refusal::LoginFailed), "not in the register");
    told(store.change_vendor(&town.admin.actor, &town.other.id, below(Some(registered()))).await).unwrap();
    enters().await.unwrap();
    let past = "2026-11-20".to_owned();
    for (what, row) in [
        ("pledge", Subcontract { pledged_until: past.clone(), ..registered() }),
        ("training", Subcontract { trained_until: past.clone(), ..registered() }),
        ("contract", Subcontract { contract_until: past.clone(), ..registered() }),
        ("approval to come", Subcontract { approved_on: "2027-01-01".into(), ..registered() }),
    ] {
        told(store.change_vendor(&town.admin.actor, &town.other.id, below(Some(row))).await).unwrap();
        assert_eq!(enters().await, Err(Refusal::LoginFailed), "{what}");
    }
    let bad = Subcontract { pledged_until: "いつか".into(), ..registered() };
    assert_eq!(told(store.change_vendor(&town.admin.actor, &town.other.id, below(Some(bad))).await).err(), Some(Refusal::bad_field("pledged_until")));
    // A subcontractor stands on the contract of the vendor above it.
    town.pass(MINUTE * 31);
    told(store.change_vendor(&town.admin.actor, &town.other.id, below(Some(registered()))).await).unwrap();
    enters().await.unwrap();
    let ended = VendorAsk { name: town.vendor.name.clone(), contract_until: Some(town.now()), ..VendorAsk::default() };
    told(store.change_vendor(&town.admin.actor, &town.vendor.id, ended).await).unwrap();
    assert_eq!(enters().await, Err(Refusal::LoginFailed), "the vendor above has ended");
    let live = VendorAsk { name: town.vendor.name.clone(), contract_until: Some(town.now().plus(DAY)), ..VendorAsk::default() };
    told(store.change_vendor(&town.admin.actor, &town.vendor.id, live).await).unwrap();
    let login = town.log_in(&town.stranger).await;
    told(store.login_of(login.token.expose(), source()).await).unwrap();
    town.pass(DAY);
    assert_eq!(told(store.login_of(login.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded), "and nobody has to press anything");
}

async fn what_nobody_uses_is_disabled_and_said_so(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    store.run_jobs_once().await.unwrap();
    town.pass(DAY * 60);
    for person in [&town.operator, &town.planner, &town.safety, &town.admin, &town.stranger] {
        town.log_in(person).await;
    }
    town.pass(DAY * 31);
    store.run_jobs_once().await.unwrap();
    let held = async |person: &Person| told(store.person(&Actor::console(), &person.id).await).unwrap().person;
    assert!(held(&town.operator.person).await.active, "used 31 days ago");
    assert!(held(&town.clerk.person).await.active, "there for the night on which something breaks");
    assert!(!held(&town.worker.person).await.active);
    let facts = town.facts("dormant_disabled").await;
    let of_worker = facts.iter().find_map(|entry| match &entry.fact {
        Fact::DormantDisabled { person, last_use, days } if *person == town.worker.person.id => Some((*last_use, *days)),
        _ => None,
    });
    assert!(of_worker.is_some_and(|(last, days)| last.is_some() && days == 90), "{facts:?}");
    assert!(told(store.dormant(&Actor::console()).await).unwrap().iter().any(|(person, _)| person.id == town.worker.person.id));
    // Who was enabled again is not disabled the next day.
    told(store.change_person(&Actor::console(), town.worker.id(), PersonChange::of(&town.worker.person)).await).unwrap();
    town.pass(DAY * 2);
    store.run_jobs_once().await.unwrap();
    assert!(held(&town.worker.person).await.active);
    logs_in(&town, &town.worker.person.login, &town.worker).await.unwrap();
}

async fn a_box_that_slept_or_whose_clock_ran_ahead_disables_nobody(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    store.run_jobs_once().await.unwrap();
    town.pass(DAY * 200);
    store.run_jobs_once().await.unwrap();
    assert!(town.facts("dormant_disabled").await.is_empty(), "nobody was there at all");
    // One person comes in under the wrong clock: the others are not gone for that.
    town.log_in(&town.operator).await;
    store.run_jobs_once().await.unwrap();
    assert!(town.facts("dormant_disabled").await.is_empty());
    logs_in(&town, &town.worker.person.login, &town.worker).await.unwrap();
}

async fn dormant_accounts_stay_where_the_hospital_said_never(base: Base) {
    let town = Base { policy: Policy { dormant_days: 0, ..Policy::default() }, ..base }.town().await;
    town.store.run_jobs_once().await.unwrap();
    town.pass(DAY * 2000);
    town.store.run_jobs_once().await.unwrap();
    assert!(town.facts("dormant_disabled").await.is_empty());
}

async fn a_leaver_has_nothing_left(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    store.add_key(&town.worker.actor, super::ward::WORKER_KEY).await.unwrap();
    let login = town.log_in(&town.worker).await;
    let today = format_date(town.now().date());
    let ask = |reason: &str| LeaveAsk { last_day: today.clone(), at_once: true, reason: reason.into() };
    assert_eq!(told(store.person_leaves(&town.operator.actor, town.worker.id(), ask("退職")).await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.person_leaves(&town.admin.actor, town.worker.id(), ask(" ")).await).err(), Some(Refusal::ReasonNeeded));
    assert_eq!(told(store.person_leaves(&town.admin.actor, town.admin.id(), ask("退職")).await).err(), Some(Refusal::NotAllowed));
    let leaver = told(store.person_leaves(&town.admin.actor, town.worker.id(), ask("退職")).await).unwrap();
    assert_eq!((leaver.ended.logins, leaver.ended.keys), (1, 1), "{leaver:?}");
    assert_eq!(told(store.login_of(login.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded));
    let sheet = told(store.leaver_sheet(&town.admin.actor, town.worker.id()).await).unwrap().unwrap();
    assert!(sheet.left.iter().all(|(_, left)| *left == 0) && sheet.left.len() == 6, "{:?}", sheet.left);
    assert!(!sheet.person.active);
    assert!(told(store.leaver_sheet(&town.admin.actor, town.clerk.id()).await).unwrap().is_none());
    assert_eq!((town.facts("leaver_noted").await.len(), town.facts("leaver_ended").await.len()), (1, 1));
}

async fn a_leaver_works_until_the_end_of_the_last_day(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let last_day = format_date(town.now().plus(DAY).date());
    let ask = LeaveAsk { last_day, at_once: false, reason: "異動".into() };
    told(store.person_leaves(&town.admin.actor, town.clerk.id(), ask).await).unwrap();
    logs_in(&town, "toda", &town.clerk).await.unwrap();
    town.pass(DAY * 2);
    assert_eq!(logs_in(&town, "toda", &town.clerk).await, Err(Refusal::LoginFailed), "before any job has run");
    store.run_jobs_once().await.unwrap();
    let sheet = told(store.leaver_sheet(&town.admin.actor, town.clerk.id()).await).unwrap().unwrap();
    assert!(sheet.leaver.ended_at.is_some() && !sheet.person.active && sheet.left.iter().all(|(_, left)| *left == 0), "{sheet:?}");
}

async fn privileged_rights_have_an_approval_of_somebody_else(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let rows = told(store.privileges(&town.safety.actor).await).unwrap();
    let of = |role: Role| rows.iter().filter(|row| row.role == Some(role)).count();
    assert!(of(Role::Administrator) >= 1 && of(Role::Planner) == 1 && rows.iter().all(|row| !row.in_force), "{rows:?}");
    let ask = PrivilegeAsk { subject: format!("administrator:{}", town.admin.id()), holder: town.admin.id().clone(), approver: town.planner.id().clone(), until: format_date(town.now().plus(DAY * 100).date()), reason: "運用のため".into() };
    let refused = async |ask: PrivilegeAsk| told(store.keep_privilege(&town.admin.actor, ask).await).err();
    assert_eq!(refused(PrivilegeAsk { approver: town.operator.id().clone(), ..ask.clone() }).await, Some(Refusal::bad_field("approver")));
    let own = PrivilegeAsk { subject: format!("planner:{}", town.planner.id()), holder: town.planner.id().clone(), ..ask.clone() };
    assert_eq!(refused(own).await, Some(Refusal::bad_field("approver")), "nobody approves their own");
    assert_eq!(refused(PrivilegeAsk { holder: town.clerk.id().clone(), ..ask.clone() }).await, Some(Refusal::bad_field("holder")));
    assert_eq!(refused(PrivilegeAsk { until: "2020-01-01".into(), ..ask.clone() }).await, Some(Refusal::bad_field("privilege_until")));
    assert_eq!(refused(ask).await, None);
    let stands = async || told(store.privileges(&town.safety.actor).await).unwrap().into_iter().any(|row| row.role == Some(Role::Administrator) && row.in_force);
    assert!(stands().await);
    town.pass(DAY * 102);
    assert!(!stands().await, "it ends with its last day");
}

async fn manager(town: &Town) -> Actor {
    resident(&town.base, &town.store, new_person("hayashi", Role::VendorManager, Some(&town.vendor))).await.actor
}

fn reviewers(town: &Town) -> Vec<ReviewGroupAsk> {
    let of_hospital = ReviewGroupAsk { vendor: None, name: "所属なし".into(), reviewer: Some(town.operator.id().clone()) };
    vec![of_hospital, ReviewGroupAsk { vendor: Some(town.other.id.clone()), name: String::new(), reviewer: Some(town.safety.id().clone()) }]
}

fn said(person: &Person, verdict: ReviewVerdict, reason: &str) -> ReviewSaid {
    ReviewSaid { person: person.id.clone(), verdict, reason: reason.into() }
}

async fn a_review_is_answered_signed_and_stands(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let manager = manager(&town).await;
    let ask = ReviewAsk { title: "2026年度下期".into(), deadline: town.now().plus(DAY * 14), reviewers: reviewers(&town) };
    let missing = ReviewAsk { reviewers: Vec::new(), ..ask.clone() };
    assert_eq!(told(store.start_review(&town.admin.actor, missing).await).err(), Some(Refusal::bad_field("reviewer")));
    assert_eq!(told(store.start_review(&town.operator.actor, ask.clone()).await).err(), Some(Refusal::NotAllowed));
    let review = told(store.start_review(&town.admin.actor, ask.clone()).await).unwrap();
    assert_eq!(told(store.start_review(&town.admin.actor, ask).await).err(), Some(Refusal::ReviewRunning));
    let place = |name: &str| review.groups.iter().position(|group| group.name == name).unwrap();
    let (own, vendors) = (place("所属なし"), place("北斗メディカル"));
    // A vendor's manager sees the own part and nothing of the hospital.
    let seen = told(store.review(&manager, &review.id).await).unwrap();
    assert!(seen.groups[own].lines.is_empty() && seen.groups[own].name.is_empty() && !seen.groups[vendors].lines.is_empty());
    assert_eq!(told(store.review(&town.stranger.actor, &review.id).await).err(), Some(Refusal::NotFound));
    let answer = async |who: &Actor, group, said, sign| told(store.answer_review(who, &review.id, group, said, sign).await).map(|_| ());
    assert_eq!(answer(&town.stranger.actor, vendors, vec![said(&town.worker.person, ReviewVerdict::Keep, "")], false).await, Err(Refusal::NotFound));
    answer(&manager, vendors, vec![said(&town.worker.person, ReviewVerdict::End, "担当を外れた")], false).await.unwrap();
    let facts = town.facts("review_answered").await.len();
    answer(&manager, vendors, vec![said(&town.worker.person, ReviewVerdict::End, "担当を外れた")], false).await.unwrap();
    assert_eq!(town.facts("review_answered").await.len(), facts, "the same answer again is nothing new");
    let himself = seen.groups[vendors].lines.iter().find(|line| line.login == "hayashi").unwrap().person.clone();
    let of_himself = ReviewSaid { person: himself, verdict: ReviewVerdict::Keep, reason: String::new() };
    assert_eq!(answer(&manager, vendors, vec![of_himself.clone()], false).await, Err(Refusal::NotAllowed));
    answer(&town.admin.actor, vendors, vec![of_himself], false).await.unwrap();
    answer(&manager, vendors, Vec::new(), true).await.unwrap();
    let closed = told(store.close_review(&town.admin.actor, &review.id).await).unwrap();
    assert!(closed.groups[vendors].signed.as_ref().is_some_and(|mark| mark.name.starts_with("hayashi")));
    assert_eq!(told(store.disable_reviewed(&town.admin.actor, &review.id, ReviewEnding::Ended).await).unwrap(), [town.worker.id().clone()]);
    assert!(!told(store.person(&town.admin.actor, town.worker.id()).await).unwrap().person.active);
    assert_eq!(told(store.disable_reviewed(&town.admin.actor, &review.id, ReviewEnding::Ended).await).unwrap(), [], "once");
}

async fn what_a_review_leaves_unanswered_is_disabled_in_one_act(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let ask = ReviewAsk { title: "棚卸".into(), deadline: town.now().plus(DAY * 7), reviewers: [reviewers(&town), vec![ReviewGroupAsk { vendor: Some(town.vendor.id.clone()), name: String::new(), reviewer: Some(town.safety.id().clone()) }]].concat() };
    let review = told(store.start_review(&town.admin.actor, ask).await).unwrap();
    let own = review.groups.iter().position(|group| group.name == "所属なし").unwrap();
    told(store.answer_review(&town.operator.actor, &review.id, own, vec![said(&town.planner.person, ReviewVerdict::Keep, "")], false).await).unwrap();
    assert_eq!(told(store.disable_reviewed(&town.admin.actor, &review.id, ReviewEnding::Unanswered).await).err(), Some(Refusal::ReviewRunning));
    town.pass(DAY * 8);
    assert_eq!(told(store.answer_review(&town.operator.actor, &review.id, own, vec![said(&town.clerk.person, ReviewVerdict::Keep, "")], false).await).err(), Some(Refusal::ReviewOver));
    store.run_jobs_once().await.unwrap();
    let count = match &town.facts("review_closed").await[0].fact {
        Fact::ReviewClosed { count, .. } => *count,
        other => panic!("{other:?}"),
    };
    assert_eq!((count.keep, count.open), (1, count.lines - 1));
    let gone = told(store.disable_reviewed(&town.admin.actor, &review.id, ReviewEnding::Unanswered).await).unwrap();
    assert!(gone.contains(town.worker.id()) && gone.contains(town.clerk.id()) && !gone.contains(town.planner.id()) && !gone.contains(town.admin.id()), "who acts stays");
    assert!(told(store.person(&town.admin.actor, town.admin.id()).await).unwrap().person.active);
}

async fn a_source_waits_longer_each_time_and_a_person_lets_it_in_with_a_reason(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let far = IpAddr::from([192, 168, 7, 7]);
    let mut waits = Vec::new();
    for round in 0..3 {
        for n in 0..30 {
            let name = format!("guess{round}-{n}");
            let _ = store.log_in(&name, Secret::new("x"), Secret::new("1"), far, Via::Web).await;
        }
        let lock = told(store.locks(&town.operator.actor).await).unwrap().into_iter().find(|lock| lock.of == LockSubject::Source("192.168.7.7".into())).unwrap();
        waits.push(town.now().until(lock.until).as_secs() / 60);
        town.pass(town.now().until(lock.until));
    }
    assert_eq!(waits, [10, 20, 40]);
    assert_eq!(town.facts("source_locked").await.len(), 3);
    for n in 0..30 {
        let _ = store.log_in(&format!("again-{n}"), Secret::new("x"), Secret::new("1"), far, Via::Web).await;
    }
    let lift = async |who: &Actor, reason: &str| told(store.lift_lock(who, "source:192.168.7.7", reason).await);
    assert_eq!(lift(&town.clerk.actor, "x").await, Err(Refusal::NotAllowed));
    assert_eq!(lift(&town.operator.actor, " ").await, Err(Refusal::ReasonNeeded));
    lift(&town.operator.actor, "登録された回線で、打ち間違いと確認").await.unwrap();
    let code = town.code(&town.operator);
    told(store.log_in("ono", Secret::new(PASSWORD), code, far, Via::Web).await).unwrap();
    let facts = town.facts("source_unlocked").await;
    assert!(matches!(&facts[0].fact, Fact::SourceUnlocked { reason, .. } if reason.contains("打ち間違い")) && facts[0].actor.login == "ono");
    // Nobody lets themselves in.
    for _ in 0..5 {
        let _ = store.log_in("ono", Secret::new("wrong"), Secret::new("000000"), source(), Via::Web).await;
    }
    assert_eq!(told(store.unlock_person(&town.operator.actor, town.operator.id(), "自分です").await), Err(Refusal::NotAllowed));
    told(store.unlock_person(&town.admin.actor, town.operator.id(), "本人に対面で確認").await).unwrap();
    let facts = town.facts("unlocked").await;
    assert!(matches!(&facts[0].fact, Fact::Unlocked { reason, .. } if reason.contains("対面")) && facts[0].actor.login == "kanri", "{facts:?}");
}

async fn a_password_is_asked_for_no_change_ever_and_never_reused(base: Base) {
    let town = Base { policy: Policy { dormant_days: 0, ..Policy::default() }, ..base }.town().await;
    let store = &town.store;
    town.pass(DAY * 3650);
    let login = town.log_in(&town.operator).await;
    let login = told(store.login_of(login.token.expose(), source()).await).unwrap();
    let change = async |old: &str, new: &str| told(store.change_password(&login, Secret::new(old), Secret::new(new), false).await);
    assert_eq!(change(PASSWORD, PASSWORD).await, Err(Refusal::PasswordReused));
    change(PASSWORD, "Hato-7wa-ga-naku!1").await.unwrap();
    assert_eq!(change("Hato-7wa-ga-naku!1", PASSWORD).await, Err(Refusal::PasswordReused));
}

async fn names_of_others_and_leaked_passwords_are_refused(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let takahashi = NewPerson { name: "高橋 由美".into(), mail: "yumiko.t@aoba.example".into(), ..new_person("takahashi", Role::Operator, None) };
    told(store.add_person(&Actor::console(), takahashi).await).unwrap();
    let login = town.log_in(&town.operator).await;
    let login = told(store.login_of(login.token.expose(), source()).await).unwrap();
    for bad in ["Takahashi-2026!x", "yumiko.t-2026-7X", "北斗メディカル-2026-7", "青葉病院-2026-11!", "qwertyuiop-2026!"] {
        let done = told(store.change_password(&login, Secret::new(PASSWORD), Secret::new(bad), false).await);
        assert_eq!(done, Err(Refusal::PasswordGuessable), "{bad}");
    }
}
