//! Directories: passwords proved by a real OpenLDAP server, roles that hang on its groups, accounts that end there.

use super::base::{Base, Resident, Town, new_person, on_both, resident, source, told};
use super::slapd::{BASE, BIND, OPERATORS, PLANNERS, Slapd};
use super::ward::PASSWORD;
use sekisho_core::desk::{Arrival, Desk as _, FirstProof};
use sekisho_core::directory::Directory as _;
use sekisho_core::facts::Fact;
use sekisho_core::factors::Proof;
use sekisho_core::people::{Role, Via};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sekisho_core::time::Clock;
use sekisho_core::token::TokenEnd;
use sekisho_directory::{Directories, DirectoryKind, DirectorySettings, Trust};
use sekisho_store::{NewLogin, NewToken, PersonChange, TokenAsk};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    a_password_of_the_directory_and_a_code_log_in,
    what_the_directory_refuses_does_not_log_in,
    without_a_code_nobody_reaches_the_directory,
    failures_at_the_directory_lock_the_name_here,
    who_leaves_a_group_loses_its_role,
    an_account_that_ends_there_ends_here,
    a_directory_that_is_down_disables_nobody,
    everybody_at_once_is_not_believed,
    an_account_of_the_same_name_is_another_person,
    one_odd_account_holds_up_nobody_and_is_told_once,
    a_link_ends_the_password_here_and_its_end_gives_none_back,
    a_link_and_its_end_end_tokens,
    whose_account_it_may_be,
    ssh_asks_the_directory_too,
);

const REST: Duration = Duration::from_secs(60);

/// Settings for a server, over ldaps or StartTLS.
fn settings(server: &Slapd, start_tls: bool) -> DirectorySettings {
    let url = if start_tls { format!("ldap://localhost:{}", server.ldap) } else { format!("ldaps://localhost:{}", server.ldaps) };
    DirectorySettings {
        name: "aoba".into(),
        label: "青葉病院ディレクトリー".into(),
        kind: DirectoryKind::Ldap,
        urls: vec![url],
        ca: server.file("ca.pem"),
        base: BASE.into(),
        bind: BIND.into(),
        bind_password_file: server.file("secret"),
        filter: String::new(),
        roles: BTreeMap::from([(Role::Operator, vec![OPERATORS.into()]), (Role::Planner, vec![PLANNERS.into()])]),
    }
}

fn join(settings: DirectorySettings, ca: &std::path::Path, clock: Arc<dyn Clock>) -> Directories {
    use rustls_pki_types::pem::PemObject as _;
    let anchors = rustls_pki_types::CertificateDer::pem_file_iter(ca).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let trust = Trust { anchors, secret: Secret::new(super::slapd::SERVICE) };
    Directories::new(vec![(settings, trust)], Vec::new(), &clock, |name, why| panic!("{name}: {why}"))
}

/// A town whose operator is linked to `suzuki`, with the server.
struct Aoba {
    town: Town,
    server: Slapd,
}

impl Aoba {
    async fn new(base: Base) -> Self {
        Self::with(base, false).await
    }

    async fn with(base: Base, start_tls: bool) -> Self {
        let server = Slapd::start();
        let town = base.town().await;
        let directory = join(settings(&server, start_tls), &server.file("ca.pem"), town.base.clock.clone());
        town.store.join_directories(Arc::new(directory));
        town.store.link_person(&town.admin.actor, town.operator.id(), "aoba", "suzuki").await.unwrap();
        Self { town, server }
    }

    async fn log_in(&self, who: &Resident, password: &str) -> Result<NewLogin, Refusal> {
        let code = self.town.code(who);
        told(self.town.store.log_in(&who.person.login, Secret::new(password), code, source(), Via::Web).await)
    }

    async fn person(&self, who: &Resident) -> sekisho_core::people::Person {
        self.town.store.person(&self.town.admin.actor, who.id()).await.unwrap().person
    }
}

async fn a_password_of_the_directory_and_a_code_log_in(base: Base) {
    // By StartTLS, the way that needs a request over the open line first.
    let aoba = Aoba::with(base, true).await;
    let new = aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.unwrap();
    let login = aoba.town.store.login_of(new.token.expose(), source()).await.unwrap();
    assert_eq!((login.proof, login.person.login.as_str(), login.confined), (Some(Proof::DirectoryTotp), "ono", false));
    let facts = aoba.town.facts("logged_in").await;
    assert!(matches!(&facts.last().unwrap().fact, Fact::LoggedIn { proof: Some(Proof::DirectoryTotp), through, .. } if through == "aoba"));
    // The others' passwords are Sekisho's own, as before.
    aoba.log_in(&aoba.town.planner, PASSWORD).await.unwrap();
}

async fn what_the_directory_refuses_does_not_log_in(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    let unlock = async || town.store.unlock_person(&town.admin.actor, town.operator.id(), "試験").await.map(|_| ());
    // Wrong, empty (which many servers take for an anonymous login), and the one that was good here before.
    for wrong in ["ninja-tanaka", "", "\0", "*", PASSWORD] {
        assert_eq!(aoba.log_in(&town.operator, wrong).await.err(), Some(Refusal::LoginFailed), "{wrong:?}");
        let _ = unlock().await;
    }
    // Closed accounts, whose password is right.
    for (account, refusal) in [("yasumi", Refusal::DirectoryClosed), ("kigen", Refusal::DirectoryClosed)] {
        assert_eq!(told(town.store.link_person(&town.admin.actor, town.operator.id(), "aoba", account).await).err(), Some(refusal), "{account}");
    }
    // Locked passes, so it can be linked; it lets nobody in and ends nobody.
    town.store.link_person(&town.admin.actor, town.clerk.id(), "aoba", "tomari").await.unwrap();
    assert_eq!(aoba.log_in(&town.clerk, "ninja-tomari").await.err(), Some(Refusal::DirectoryClosed));
    assert!(aoba.person(&town.clerk).await.active);
    // Two entries are none.
    assert_eq!(told(town.store.link_person(&town.admin.actor, town.safety.id(), "aoba", "kato").await).err(), Some(Refusal::LinkRefused));
    // A name that would change the filter finds nobody.
    for name in ["*", "suzuki)(uid=*", "*)(objectClass=*", "suzuki*", "\\2a", "x)(|(uid=suzuki"] {
        assert_eq!(told(town.store.link_person(&town.admin.actor, town.safety.id(), "aoba", name).await).err(), Some(Refusal::LinkRefused), "{name}");
    }
}

async fn without_a_code_nobody_reaches_the_directory(base: Base) {
    let mut aoba = Aoba::new(base).await;
    aoba.server.stop();
    let town = &aoba.town;
    // With a wrong code the answer is that of every failure, also while nothing could be asked: nothing was.
    let tried = told(town.store.log_in("ono", Secret::new("ninja-suzuki"), Secret::new("000000"), source(), Via::Web).await);
    assert_eq!(tried.err(), Some(Refusal::LoginFailed));
    assert_eq!(aoba.log_in(&town.operator, "ninja-suzuki").await.err(), Some(Refusal::DirectoryDown));
}

async fn failures_at_the_directory_lock_the_name_here(base: Base) {
    let aoba = Aoba::new(base).await;
    for _ in 0..sekisho_core::limits::LOGIN_FAILURES {
        assert_eq!(aoba.log_in(&aoba.town.operator, "ninja-wrong").await.err(), Some(Refusal::LoginFailed));
    }
    assert_eq!(aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.err(), Some(Refusal::LockedOut));
    // Whoever succeeds many times from one place uses up none of its failures.
    aoba.town.pass(Duration::from_secs(3600));
    for _ in 0..sekisho_core::limits::SOURCE_FAILURES {
        aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.unwrap();
    }
}

async fn who_leaves_a_group_loses_its_role(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    let both = BTreeSet::from([Role::Operator, Role::Supervisor]);
    let change = PersonChange { roles: both.clone(), ..PersonChange::of(&town.operator.person) };
    town.store.change_person(&town.admin.actor, town.operator.id(), change).await.unwrap();
    // suzuki is in the group of planners, too; that gives nothing.
    let new = aoba.log_in(&town.operator, "ninja-suzuki").await.unwrap();
    assert_eq!(new.actor.roles, both);
    aoba.server.modify(&format!("dn: {OPERATORS}\nchangetype: modify\ndelete: member\nmember: uid=suzuki,{BASE}\n"));
    let new = aoba.log_in(&town.operator, "ninja-suzuki").await.unwrap();
    assert_eq!(new.actor.roles, BTreeSet::from([Role::Supervisor]), "at the next login");
    let lost = town.facts("directory_roles_lost").await;
    assert!(matches!(&lost[0].fact, Fact::DirectoryRolesLost { roles, source, .. } if source == "aoba" && *roles == BTreeSet::from([Role::Operator])));
    // And who does not come back: at the next look. The earlier login holds what is left.
    let planner = resident(&town.base, &town.store, new_person("tani", Role::Operator, None)).await;
    town.store.link_person(&town.admin.actor, planner.id(), "aoba", "tanaka").await.unwrap();
    aoba.log_in(&planner, "ninja-tanaka").await.unwrap();
    aoba.server.modify(&format!("dn: {OPERATORS}\nchangetype: modify\nreplace: member\nmember: uid=nobody,{BASE}\n"));
    town.store.survey_once().await.unwrap();
    assert!(!aoba.person(&planner).await.active, "no role is left");
    assert!(matches!(&town.facts("directory_ended").await[0].fact, Fact::DirectoryEnded { why, .. } if why == "no_group"));
}

async fn an_account_that_ends_there_ends_here(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    let new = aoba.log_in(&town.operator, "ninja-suzuki").await.unwrap();
    town.store.survey_once().await.unwrap();
    assert!(town.store.login_of(new.token.expose(), source()).await.is_ok(), "nothing has changed");
    aoba.server.modify(&format!("dn: uid=suzuki,{BASE}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n"));
    town.store.survey_once().await.unwrap();
    assert_eq!(told(town.store.login_of(new.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded));
    assert!(!aoba.person(&town.operator).await.active);
    assert!(matches!(&town.facts("directory_ended").await[0].fact, Fact::DirectoryEnded { why, source, .. } if why == "disabled" && source == "aoba"));
    assert_eq!(aoba.log_in(&town.operator, "ninja-suzuki").await.err(), Some(Refusal::LoginFailed));
    // The password of a disabled account does the same at a login, before any look.
    town.store.link_person(&town.admin.actor, town.clerk.id(), "aoba", "tanaka").await.unwrap();
    aoba.server.modify(&format!("dn: uid=tanaka,{BASE}\nchangetype: modify\nadd: userAccountControl\nuserAccountControl: 514\n"));
    assert_eq!(aoba.log_in(&town.clerk, "ninja-tanaka").await.err(), Some(Refusal::DirectoryClosed));
    assert!(!aoba.person(&town.clerk).await.active);
}

async fn a_directory_that_is_down_disables_nobody(base: Base) {
    let mut aoba = Aoba::new(base).await;
    let new = aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.unwrap();
    aoba.server.stop();
    aoba.town.store.survey_once().await.unwrap();
    assert!(aoba.person(&aoba.town.operator).await.active);
    assert!(aoba.town.store.login_of(new.token.expose(), source()).await.is_ok());
    aoba.town.pass(REST);
    assert_eq!(aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.err(), Some(Refusal::DirectoryDown));
    let refused = aoba.town.facts("refused").await;
    assert!(matches!(&refused.last().unwrap().fact, Fact::Refused { code, login, .. } if code == "SKS-1061" && login == "ono"));
    // Local people are not held up, and it is no failure of anybody.
    aoba.log_in(&aoba.town.planner, PASSWORD).await.unwrap();
    aoba.server.resume();
    aoba.town.pass(REST);
    aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.unwrap();
}

async fn everybody_at_once_is_not_believed(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    for number in 0..4 {
        aoba.server.add(&format!("many{number}"), "ninja");
        let one = resident(&town.base, &town.store, new_person(&format!("many{number}"), Role::Supervisor, None)).await;
        town.store.link_person(&town.admin.actor, one.id(), "aoba", &format!("many{number}")).await.unwrap();
    }
    for number in 0..3 {
        aoba.server.delete(&format!("uid=many{number},{BASE}"));
    }
    town.store.survey_once().await.unwrap();
    assert!(town.facts("directory_ended").await.is_empty());
    assert!(matches!(town.facts("directory_doubted").await[0].fact, Fact::DirectoryDoubted { changed: 3, linked: 5, .. }));
    // Two of five are believed.
    aoba.server.add("many0", "ninja");
    town.store.survey_once().await.unwrap();
    assert!(town.facts("directory_ended").await.is_empty(), "an account of the same name is another one: three are gone still");
}

async fn one_odd_account_holds_up_nobody_and_is_told_once(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    for name in ["odd", "gone", "well"] {
        aoba.server.add(name, "ninja");
        let one = resident(&town.base, &town.store, new_person(name, Role::Supervisor, None)).await;
        town.store.link_person(&town.admin.actor, one.id(), "aoba", name).await.unwrap();
    }
    // Moved so deep that its name is longer than any that is believed. What it is known by stays.
    let mut place = BASE.to_owned();
    while place.len() < sekisho_core::limits::DIRECTORY_VALUE_BYTES {
        place = format!("ou={},{place}", "o".repeat(200));
        aoba.server.modify(&format!("dn: {place}\nchangetype: add\nobjectClass: organizationalUnit\n"));
    }
    aoba.server.modify(&format!("dn: uid=odd,{BASE}\nchangetype: modrdn\nnewrdn: uid=odd\ndeleteoldrdn: 0\nnewsuperior: {place}\n"));
    aoba.server.delete(&format!("uid=gone,{BASE}"));
    for _ in 0..3 {
        town.store.survey_once().await.unwrap();
    }
    assert_eq!(town.facts("directory_ended").await.len(), 1, "the others were looked at: one has gone");
    let odd = town.facts("directory_odd").await;
    assert_eq!(odd.len(), 1, "told once: {odd:?}");
    assert!(matches!(&odd[0].fact, Fact::DirectoryOdd { source, .. } if source == "aoba"));
    // The directory does not rest because of it, and the others log in.
    aoba.log_in(&town.operator, "ninja-suzuki").await.unwrap();
    aoba.server.modify(&format!("dn: uid=odd,{place}\nchangetype: modrdn\nnewrdn: uid=odd\ndeleteoldrdn: 0\nnewsuperior: {BASE}\n"));
    town.store.survey_once().await.unwrap();
    assert_eq!(town.facts("directory_odd").await.len(), 1, "it is sound again, and nobody has ended");
    assert_eq!(town.facts("directory_ended").await.len(), 1);
}

async fn an_account_of_the_same_name_is_another_person(base: Base) {
    let aoba = Aoba::new(base).await;
    aoba.log_in(&aoba.town.operator, "ninja-suzuki").await.unwrap();
    aoba.server.delete(&format!("uid=suzuki,{BASE}"));
    aoba.server.add("suzuki", "ninja-new");
    assert_eq!(aoba.log_in(&aoba.town.operator, "ninja-new").await.err(), Some(Refusal::LoginFailed));
    aoba.town.store.survey_once().await.unwrap();
    assert!(matches!(&aoba.town.facts("directory_ended").await[0].fact, Fact::DirectoryEnded { why, .. } if why == "gone"));
}

async fn a_link_ends_the_password_here_and_its_end_gives_none_back(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    let new = town.log_in(&town.clerk).await;
    town.store.link_person(&town.admin.actor, town.clerk.id(), "aoba", "tanaka").await.unwrap();
    assert!(town.store.login_of(new.token.expose(), source()).await.is_err(), "logins in force end");
    assert_eq!(aoba.log_in(&town.clerk, PASSWORD).await.err(), Some(Refusal::LoginFailed));
    let new = aoba.log_in(&town.clerk, "ninja-tanaka").await.unwrap();
    let login = town.store.login_of(new.token.expose(), source()).await.unwrap();
    let changed = told(town.store.change_password(&login, Secret::new("ninja-tanaka"), Secret::new("Umi-no-iro-1234"), false).await);
    assert_eq!(changed.err(), Some(Refusal::PasswordElsewhere));
    town.store.unlink_person(&town.admin.actor, town.clerk.id()).await.unwrap();
    assert!(town.store.login_of(new.token.expose(), source()).await.is_err());
    for password in [PASSWORD, "ninja-tanaka", ""] {
        assert_eq!(aoba.log_in(&town.clerk, password).await.err(), Some(Refusal::LoginFailed), "{password:?}");
    }
    assert_eq!(town.facts("person_unlinked").await.len(), 1);
}

async fn a_link_and_its_end_end_tokens(base: Base) {
    let aoba = Aoba::new(base).await;
    let store = &aoba.town.store;
    let enters = async |token: &NewToken| store.token_login(token.code.expose(), source()).await.is_ok();
    let made = async |who: &Resident| {
        let ask = TokenAsk {
            person: who.id().clone(),
            name: "部門システム連携".into(),
            scopes: BTreeSet::from([Action::ReadPlan]),
            sources: vec![Network::parse("10.20.0.0/24").unwrap()],
            until: aoba.town.now().plus(Duration::from_secs(30 * 24 * 3600)),
            reason: String::new(),
        };
        let token = store.make_token(&who.actor, ask).await.unwrap();
        assert!(enters(&token).await);
        token
    };
    let (planners, operators) = (made(&aoba.town.planner).await, made(&aoba.town.operator).await);
    store.link_person(&aoba.town.admin.actor, aoba.town.planner.id(), "aoba", "tanaka").await.unwrap();
    assert!(!enters(&planners).await && enters(&operators).await, "of who was linked alone");
    store.unlink_person(&aoba.town.admin.actor, aoba.town.operator.id()).await.unwrap();
    assert!(!enters(&operators).await);
    let causes: Vec<TokenEnd> = aoba.town.facts("token_ended").await.into_iter().filter_map(|entry| if let Fact::TokenEnded { cause, .. } = entry.fact { Some(cause) } else { None }).collect();
    assert_eq!(causes, [TokenEnd::Linked, TokenEnd::Linked]);
}

async fn whose_account_it_may_be(base: Base) {
    let aoba = Aoba::new(base).await;
    let town = &aoba.town;
    let link = async |who: &Resident, by: &Resident, name: &str| told(town.store.link_person(&by.actor, who.id(), "aoba", name).await).err();
    assert_eq!(link(&town.clerk, &town.planner, "tanaka").await, Some(Refusal::NotAllowed), "administrators alone");
    assert_eq!(link(&town.admin, &town.admin, "tanaka").await, Some(Refusal::NotAllowed), "nobody links themselves");
    assert_eq!(link(&town.worker, &town.admin, "tanaka").await, Some(Refusal::LinkRefused), "a vendor's person");
    assert_eq!(link(&town.clerk, &town.admin, "suzuki").await, Some(Refusal::LinkRefused), "somebody else's account");
    assert_eq!(link(&town.clerk, &town.admin, "nobody").await, Some(Refusal::LinkRefused));
    assert_eq!(told(town.store.link_person(&town.admin.actor, town.clerk.id(), "elsewhere", "tanaka").await).err(), Some(Refusal::bad_field("source")));
    assert_eq!(link(&town.clerk, &town.admin, "tanaka").await, None);
}

async fn ssh_asks_the_directory_too(base: Base) {
    let aoba = Aoba::new(base).await;
    let arrival = || Arrival::plain(IpAddr::from([10, 20, 0, 5]));
    let first = async |password: &str| aoba.town.store.first_factor("ono", &arrival(), FirstProof::Password(Secret::new(password))).await.map(|_| ());
    assert_eq!(first(PASSWORD).await, Err(Refusal::LoginFailed));
    assert_eq!(first("ninja-suzuki").await, Ok(()));
}

/// What needs no database: the ways to a server that are not gone.
#[tokio::test]
async fn a_server_that_cannot_be_trusted_is_not_asked() {
    let server = Slapd::start();
    let clock = super::ward::SetClock::new();
    let why = async |settings: DirectorySettings, ca: &str| {
        clock.pass(REST);
        join(settings, &server.file(ca), clock.clone()).check("aoba").await.map_err(|why| why.to_string())
    };
    let sound = settings(&server, false);
    assert!(why(sound.clone(), "ca.pem").await.unwrap().contains("2 groups"));
    assert!(why(sound.clone(), "other-ca.pem").await.unwrap_err().contains("certificate"), "another authority");
    assert!(why(settings(&server, true), "other-ca.pem").await.unwrap_err().contains("certificate"), "by StartTLS, too");
    // The certificate says localhost and 127.0.0.1.
    let other_name = DirectorySettings { urls: vec![format!("ldaps://ip6-localhost:{}", server.ldaps)], ..sound.clone() };
    assert!(why(other_name, "ca.pem").await.is_err());
    // TLS where there is none, and none where there is.
    let crossed = DirectorySettings { urls: vec![format!("ldaps://localhost:{}", server.ldap)], ..sound.clone() };
    assert!(why(crossed, "ca.pem").await.is_err());
    let missing = DirectorySettings { roles: BTreeMap::from([(Role::Operator, vec!["cn=nobody,dc=aoba,dc=example".into()])]), ..sound.clone() };
    assert!(why(missing, "ca.pem").await.unwrap_err().contains("not there"), "a group that is not there is a fault, and nobody's loss");
    let wrong = DirectorySettings { bind: "cn=manager,dc=aoba,dc=example".into(), ..sound.clone() };
    assert!(why(wrong, "ca.pem").await.unwrap_err().contains("service account"));
    // The first server is away, the second one answers.
    let two = DirectorySettings { urls: vec!["ldaps://localhost:1".into(), format!("ldaps://localhost:{}", server.ldaps)], ..sound };
    assert!(why(two, "ca.pem").await.is_ok());
}

/// A server that takes the connection and says nothing, or says too much, holds nobody up for long and ends nothing.
#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let server = Slapd::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = DirectorySettings { urls: vec![format!("ldaps://localhost:{}", silent.local_addr().unwrap().port())], ..settings(&server, false) };
    let clock = super::ward::SetClock::new();
    let directory = join(settings, &server.file("ca.pem"), clock.clone());
    let why = directory.look("aoba", "suzuki").await.unwrap_err().to_string();
    assert!(why.contains("within 8 seconds"), "{why}");
    // And it rests: the next one is told at once.
    let why = directory.look("aoba", "suzuki").await.unwrap_err().to_string();
    assert!(why.contains("a moment ago"), "{why}");
}
