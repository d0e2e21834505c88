//! Tokens for automation: never more than the person and the scopes, and dead with the person.

use super::base::{Base, Town, new_person, on_both, resident, told};
use super::ward::PASSWORD;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person, Role, Via};
use sekisho_core::permission::{Action, may};
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sekisho_core::token::TokenEnd;
use sekisho_store::{NewRobot, NewToken, PersonChange, PlanFilter, TokenAsk, VendorAsk};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

on_both!(
    a_token_reaches_what_the_person_and_its_scopes_both_reach,
    a_token_opens_nothing_from_elsewhere,
    a_token_ends_by_time_and_by_hand,
    tokens_die_with_the_person,
    tokens_of_a_vendor_rest_while_its_contract_does,
    a_robot_has_tokens_and_nothing_else,
    what_a_token_may_be_is_bounded,
    guessing_is_locked_out_and_keeps_nobody_from_logging_in,
    the_code_is_kept_nowhere,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

fn here() -> IpAddr {
    IpAddr::from([10, 9, 8, 7])
}

fn elsewhere() -> IpAddr {
    IpAddr::from([10, 9, 9, 7])
}

fn ask(town: &Town, person: &PersonId, scopes: &[Action]) -> TokenAsk {
    TokenAsk {
        person: person.clone(),
        name: "部門システム連携".into(),
        scopes: scopes.iter().copied().collect(),
        sources: vec![Network::parse("10.9.8.0/24").unwrap()],
        until: town.now().plus(DAY * 30),
        reason: String::new(),
    }
}

async fn made(town: &Town, by: &Actor, person: &PersonId, scopes: &[Action]) -> NewToken {
    told(town.store.make_token(by, ask(town, person, scopes)).await).unwrap()
}

async fn enters(town: &Town, made: &NewToken) -> Result<Actor, Refusal> {
    told(town.store.token_login(made.code.expose(), here()).await).map(|login| login.actor)
}

async fn robot(town: &Town, role: Role, responsible: &PersonId) -> Result<Person, Refusal> {
    let ask = NewRobot { login: "siem".into(), name: "ログ監視への転送".into(), vendor: None, department: String::new(), roles: BTreeSet::from([role]), responsible: responsible.clone(), valid_until: None };
    told(town.store.add_robot(&town.admin.actor, ask).await)
}

async fn a_token_reaches_what_the_person_and_its_scopes_both_reach(base: Base) {
    let town = base.town().await;
    let token = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    assert!(token.code.expose().starts_with("sekisho_") && sekisho_core::token::has_form(token.code.expose()));
    let actor = enters(&town, &token).await.unwrap();
    assert_eq!((actor.via, actor.person.as_ref()), (Via::Api, Some(town.operator.id())));
    for action in Action::ALL {
        let expected = if action == Action::ReadPlan { Ok(()) } else { Err(Refusal::TokenScope) };
        assert_eq!(may(&actor, action, None), expected, "{action:?}");
    }
    told(town.store.plans(&actor, &PlanFilter::default()).await).unwrap();
    // The verbs ask again: no route that forgets to ask lets a token further.
    let plan = town.submitted(town.content()).await;
    let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
    let approve = sekisho_core::plan::act::PlanAct::Approve { digest };
    assert_eq!(told(town.store.act_on_plan(&actor, &plan.id, approve, None).await).err(), Some(Refusal::TokenScope));
    assert_eq!(told(town.store.persons(&actor).await).err(), Some(Refusal::TokenScope));
    let login = told(town.store.token_login(token.code.expose(), here()).await).unwrap();
    assert_eq!(told(town.store.step_up(&login, town.code(&town.operator)).await).err(), Some(Refusal::TokenNeedsPerson));
    // What was done by a token says so in the log.
    town.store.note_token_act(&actor, here(), "GET /x", &Refusal::TokenScope).await;
    let refused = town.facts("refused").await;
    let with = |entry: &sekisho_core::facts::Entry| entry.actor.token.as_ref().is_some_and(|used| used.id == token.token.id);
    assert!(refused.iter().any(with), "{refused:?}");
    // A scope that no role of the holder reaches is not given, and the list of scopes is closed.
    for (who, scope) in [(&town.clerk, Action::ReadLedger), (&town.operator, Action::ApprovePlan), (&town.planner, Action::ReadLog)] {
        assert_eq!(told(town.store.make_token(&who.actor, ask(&town, who.id(), &[scope])).await).err(), Some(Refusal::bad_field("scopes")), "{scope:?}");
    }
    // Nobody makes one for somebody else, whose name would then stand for what they do.
    assert_eq!(told(town.store.make_token(&town.admin.actor, ask(&town, town.operator.id(), &[Action::ReadPlan])).await).err(), Some(Refusal::NotAllowed));
}

async fn a_token_opens_nothing_from_elsewhere(base: Base) {
    let town = base.town().await;
    let token = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    assert_eq!(told(town.store.token_login(token.code.expose(), elsewhere()).await).err(), Some(Refusal::TokenRefused));
    let told_of = town.facts("token_refused").await;
    assert!(matches!(&told_of[0].fact, Fact::TokenRefused { token: id, why, .. } if *id == token.token.id && why == "source"), "{told_of:?}");
    assert_eq!(told_of[0].actor.source.as_deref(), Some("10.9.9.7"));
    enters(&town, &token).await.unwrap();
    let row = &told(town.store.my_tokens(&town.operator.actor).await).unwrap()[0];
    assert_eq!((row.used_at, row.used_from.as_deref()), (Some(town.now()), Some("10.9.8.7")));
    // It is no login of a browser, and the token of a login is no token.
    assert_eq!(told(town.store.login_of(token.code.expose(), here()).await).err(), Some(Refusal::LoginNeeded));
}

async fn a_token_ends_by_time_and_by_hand(base: Base) {
    let town = base.town().await;
    let first = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    let second = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadSession]).await;
    assert_eq!(told(town.store.revoke_token(&town.planner.actor, &first.token.id, "").await).err(), Some(Refusal::NotFound));
    told(town.store.revoke_token(&town.operator.actor, &first.token.id, "").await).unwrap();
    assert_eq!(enters(&town, &first).await.err(), Some(Refusal::TokenRefused));
    enters(&town, &second).await.unwrap();
    town.pass(DAY * 30);
    assert_eq!(enters(&town, &second).await.err(), Some(Refusal::TokenRefused), "before any job has looked at it");
    town.store.run_jobs_once().await.unwrap();
    let ended: Vec<TokenEnd> = town.facts("token_ended").await.into_iter().filter_map(|entry| match entry.fact {
        Fact::TokenEnded { cause, .. } => Some(cause),
        _ => None,
    }).collect();
    assert_eq!(ended.len(), 2);
    assert!(ended.contains(&TokenEnd::Revoked) && ended.contains(&TokenEnd::Expired), "{ended:?}");
}

async fn tokens_die_with_the_person(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let by_operator = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    let by_clerk = made(&town, &town.clerk.actor, town.clerk.id(), &[Action::ReadPlan]).await;
    let by_safety = made(&town, &town.safety.actor, town.safety.id(), &[Action::ReadLedger]).await;
    let kept = made(&town, &town.safety.actor, town.safety.id(), &[Action::ReadPlan]).await;
    let change = PersonChange { active: false, ..PersonChange::of(&town.operator.person) };
    told(store.change_person(&town.admin.actor, town.operator.id(), change).await).unwrap();
    told(store.change_person(&town.admin.actor, town.operator.id(), PersonChange::of(&town.operator.person)).await).unwrap();
    assert_eq!(enters(&town, &by_operator).await.err(), Some(Refusal::TokenRefused), "who is enabled again makes a new one");
    told(store.reset_person(&town.admin.actor, town.clerk.id(), super::base::reset_ask("紛失")).await).unwrap();
    assert_eq!(enters(&town, &by_clerk).await.err(), Some(Refusal::TokenRefused));
    let change = PersonChange { roles: BTreeSet::from([Role::Supervisor]), ..PersonChange::of(&town.safety.person) };
    told(store.change_person(&town.admin.actor, town.safety.id(), change).await).unwrap();
    told(store.change_person(&town.admin.actor, town.safety.id(), PersonChange::of(&town.safety.person)).await).unwrap();
    assert_eq!(enters(&town, &by_safety).await.err(), Some(Refusal::TokenRefused), "a role that was lost and given back");
    enters(&town, &kept).await.unwrap();
    // The end of an appointment needs nobody who presses anything.
    let change = PersonChange { valid_until: Some(town.now().plus(DAY)), ..PersonChange::of(&town.safety.person) };
    told(store.change_person(&town.admin.actor, town.safety.id(), change).await).unwrap();
    enters(&town, &kept).await.unwrap();
    town.pass(DAY);
    assert_eq!(enters(&town, &kept).await.err(), Some(Refusal::TokenRefused));
}

async fn tokens_of_a_vendor_rest_while_its_contract_does(base: Base) {
    let town = base.town().await;
    let networks = ["10.9.8.0/24", "10.20.0.0/16"].map(|text| Network::parse(text).unwrap());
    let ask = TokenAsk { sources: networks.to_vec(), ..ask(&town, town.worker.id(), &[Action::ReadPlan]) };
    let token = told(town.store.make_token(&town.worker.actor, ask).await).unwrap();
    let enters = async |town: &Town, token: &NewToken| told(town.store.token_login(token.code.expose(), super::base::source()).await);
    enters(&town, &token).await.unwrap();
    assert_eq!(told(town.store.token_login(token.code.expose(), here()).await).err(), Some(Refusal::TokenRefused), "a network of the token that is no line of the vendor");
    let vendor = VendorAsk { name: town.vendor.name.clone(), contract_until: Some(town.now()), ..VendorAsk::default() };
    told(town.store.change_vendor(&town.admin.actor, &town.vendor.id, vendor).await).unwrap();
    assert_eq!(enters(&town, &token).await.map(|_| ()).err(), Some(Refusal::TokenRefused));
}

async fn a_robot_has_tokens_and_nothing_else(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    for role in [Role::Operator, Role::Planner, Role::Administrator, Role::SafetyManager, Role::Supervisor] {
        assert_eq!(robot(&town, role, town.operator.id()).await.err(), Some(Refusal::bad_field("robot_roles")), "{role:?}");
    }
    assert_eq!(robot(&town, Role::Auditor, town.worker.id()).await.err(), Some(Refusal::bad_field("responsible")), "somebody of the other side");
    let held = robot(&town, Role::Auditor, town.operator.id()).await.unwrap();
    assert!(town.facts("enrolment_issued").await.iter().all(|entry| !matches!(&entry.fact, Fact::EnrolmentIssued { person, .. } if *person == held.id)));
    assert_eq!(told(store.reset_person(&town.admin.actor, &held.id, super::base::reset_ask("x")).await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.log_in("siem", Secret::new(PASSWORD), Secret::new("000000"), here(), Via::Web).await).err(), Some(Refusal::LoginFailed));
    let asked = ask(&town, &held.id, &[Action::ReadLog]);
    assert_eq!(told(store.make_token(&town.admin.actor, asked.clone()).await).err(), Some(Refusal::ReasonNeeded));
    assert_eq!(told(store.make_token(&town.operator.actor, TokenAsk { reason: "転送".into(), ..asked.clone() }).await).err(), Some(Refusal::NotAllowed), "an administrator makes it");
    let token = told(store.make_token(&town.admin.actor, TokenAsk { reason: "ログ監視への転送".into(), ..asked }).await).unwrap();
    let actor = enters(&town, &token).await.unwrap();
    told(store.log_entries(&actor, &sekisho_store::LogFilter::default()).await).unwrap();
    // Somebody must answer for it at each moment.
    let change = PersonChange { active: false, ..PersonChange::of(&town.operator.person) };
    told(store.change_person(&town.admin.actor, town.operator.id(), change).await).unwrap();
    assert_eq!(enters(&town, &token).await.err(), Some(Refusal::TokenRefused));
    let change = PersonChange { responsible: Some(town.planner.id().clone()), ..PersonChange::of(&held) };
    told(store.change_person(&town.admin.actor, &held.id, change).await).unwrap();
    enters(&town, &token).await.unwrap();
    // A person does not become a robot by a change.
    let change = PersonChange { responsible: Some(town.planner.id().clone()), ..PersonChange::of(&town.clerk.person) };
    assert_eq!(told(store.change_person(&town.admin.actor, town.clerk.id(), change).await).unwrap().robot, None);
}

async fn what_a_token_may_be_is_bounded(base: Base) {
    let town = Base { policy: Policy { token_days: 10, ..Policy::default() }, ..base }.town().await;
    let (store, who) = (&town.store, &town.operator);
    let good = TokenAsk { until: town.now().plus(DAY * 10), ..ask(&town, who.id(), &[Action::ReadPlan]) };
    let refused = async |ask: TokenAsk| told(store.make_token(&who.actor, ask).await).err();
    assert_eq!(refused(TokenAsk { until: town.now().plus(DAY * 12), ..good.clone() }).await, Some(Refusal::bad_field("token_until")));
    assert_eq!(refused(TokenAsk { until: town.now(), ..good.clone() }).await, Some(Refusal::bad_field("token_until")));
    assert_eq!(refused(TokenAsk { sources: Vec::new(), ..good.clone() }).await, Some(Refusal::bad_field("sources")), "an empty list is no permission for all");
    assert_eq!(refused(TokenAsk { sources: vec![Network::parse("0.0.0.0/0").unwrap()], ..good.clone() }).await, Some(Refusal::bad_field("sources")));
    assert_eq!(refused(TokenAsk { scopes: BTreeSet::new(), ..good.clone() }).await, Some(Refusal::bad_field("scopes")));
    assert_eq!(refused(TokenAsk { name: " ".into(), ..good.clone() }).await, Some(Refusal::bad_field("token_name")));
    for _ in 0..10 {
        assert_eq!(refused(good.clone()).await, None);
    }
    assert_eq!(refused(good).await, Some(Refusal::too_many("TOKENS")));
}

async fn guessing_is_locked_out_and_keeps_nobody_from_logging_in(base: Base) {
    let town = base.town().await;
    let token = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    for n in 0..30_u8 {
        let guess = sekisho_core::token::write(&[n; 32]);
        assert_eq!(told(town.store.token_login(&guess, here()).await).err(), Some(Refusal::TokenRefused));
    }
    let entries = town.log().await.len();
    assert_eq!(enters(&town, &token).await.err(), Some(Refusal::SourceBlocked), "the right one does not help");
    assert_eq!(town.log().await.len(), entries, "a blocked source cannot fill the log");
    let code = town.code(&town.operator);
    told(town.store.log_in("ono", Secret::new(PASSWORD), code, here(), Via::Web).await).unwrap();
    town.pass(Duration::from_secs(601));
    enters(&town, &token).await.unwrap();
}

async fn the_code_is_kept_nowhere(base: Base) {
    let town = base.town().await;
    let token = made(&town, &town.operator.actor, town.operator.id(), &[Action::ReadPlan]).await;
    enters(&town, &token).await.unwrap();
    town.store.run_jobs_once().await.unwrap();
    let secret = token.code.expose().strip_prefix("sekisho_").unwrap().as_bytes();
    let mut folders = vec![town.base.dir()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                looked += 1;
                assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", path.display());
            }
        }
    }
    assert!(looked > 3, "{looked} files");
    // A second opening of the box still knows it.
    let other = resident(&town.base, &town.store, new_person("hara", Role::Operator, None)).await;
    assert!(told(town.store.my_tokens(&other.actor).await).unwrap().is_empty());
}
