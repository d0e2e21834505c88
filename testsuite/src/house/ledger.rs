//! The ledgers: separation of roles, names, host keys, and secrets that never come out.

use super::base::{Base, HOST_KEY, new_person, reset_ask, on_both, target_ask, told};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::{AccountAsk, CredentialAsk, NewPerson, PersonChange, TargetAsk, VendorAsk};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

on_both!(
    roles_stay_apart,
    only_an_administrator_keeps_the_ledgers,
    nobody_resets_themselves,
    subcontractors_form_no_ring,
    targets_are_checked_and_keys_are_pinned,
    credentials_never_come_out,
);

async fn roles_stay_apart(base: Base) {
    let town = base.town().await;
    let console = Actor::console();
    let add = async |roles: &[Role], vendor: Option<&sekisho_core::people::Vendor>| {
        let ask = NewPerson { roles: roles.iter().copied().collect(), ..new_person("hito", Role::Worker, vendor) };
        told(town.store.add_person(&console, ask).await).map(|_| ())
    };
    assert_eq!(add(&[Role::Worker, Role::Operator], Some(&town.vendor)).await, Err(Refusal::VendorHoldsHospitalRole));
    assert_eq!(add(&[Role::Worker], None).await, Err(Refusal::HospitalHoldsVendorRole));
    assert_eq!(add(&[Role::Auditor, Role::Operator], None).await, Err(Refusal::AuditorMayNotChange));
    assert_eq!(add(&[Role::Operator, Role::Planner], None).await, Err(Refusal::DoubleRole));
    assert_eq!(add(&[], None).await, Err(Refusal::bad_field("roles")));
    let change = PersonChange { roles: BTreeSet::from([Role::Planner, Role::Operator]), ..PersonChange::of(&town.planner.person) };
    assert_eq!(told(town.store.change_person(&console, town.planner.id(), change).await).err(), Some(Refusal::DoubleRole));
    let taken = told(town.store.add_person(&console, new_person("sato", Role::Operator, None)).await);
    assert_eq!(taken.err(), Some(Refusal::NameTaken));
    for login in ["", "Sato", "a+b", "root x", "1st", &"a".repeat(33)] {
        assert_eq!(told(town.store.add_person(&console, new_person(login, Role::Operator, None)).await).err(), Some(Refusal::bad_field("login")), "{login}");
    }
}

async fn only_an_administrator_keeps_the_ledgers(base: Base) {
    let town = base.town().await;
    let ask = || VendorAsk { name: "新会社".into(), ..VendorAsk::default() };
    for who in [&town.worker, &town.operator, &town.planner, &town.safety, &town.clerk] {
        let (store, actor) = (&town.store, &who.actor);
        assert_eq!(told(store.add_vendor(actor, ask()).await).err(), Some(Refusal::NotAllowed));
        assert_eq!(told(store.change_person(actor, who.id(), PersonChange::of(&who.person)).await).err(), Some(Refusal::NotAllowed));
        assert_eq!(told(store.reset_person(actor, town.admin.id(), reset_ask("x")).await).err(), Some(Refusal::NotAllowed));
        assert_eq!(told(store.set_credential(actor, &town.account, CredentialAsk::Password(Secret::new("x"))).await).err(), Some(Refusal::NotAllowed));
    }
    assert_eq!(town.facts("refused").await.len(), 20, "each try is written down");
    town.store.add_vendor(&town.admin.actor, ask()).await.unwrap();
    assert_eq!(told(town.store.persons(&town.worker.actor).await).err(), Some(Refusal::NotAllowed));
    let manager = super::base::resident(&town.base, &town.store, new_person("sekinin", Role::VendorManager, Some(&town.vendor))).await;
    let seen: Vec<String> = town.store.persons(&manager.actor).await.unwrap().into_iter().map(|row| row.person.login).collect();
    assert_eq!(seen, ["sato", "sekinin"], "a vendor manager sees the own people");
    assert_eq!(told(town.store.person(&manager.actor, town.stranger.id()).await).err(), Some(Refusal::NotFound));
}

/// The link would be handed to a login that ends with the reset, and the last administrator would stand outside.
async fn nobody_resets_themselves(base: Base) {
    let town = base.town().await;
    assert_eq!(told(town.store.reset_person(&town.admin.actor, town.admin.id(), reset_ask("紛失")).await).err(), Some(Refusal::NotAllowed));
    town.pass(std::time::Duration::from_secs(60));
    town.log_in(&town.admin).await;
    assert!(town.store.reset_person(&Actor::console(), town.admin.id(), reset_ask("紛失")).await.is_ok());
}

async fn subcontractors_form_no_ring(base: Base) {
    let town = base.town().await;
    let (store, admin) = (&town.store, &town.admin.actor);
    let below = |vendor: &sekisho_core::people::Vendor, name: &str| VendorAsk { name: name.into(), subcontractor_of: Some(vendor.id.clone()), ..VendorAsk::default() };
    let second = store.add_vendor(admin, below(&town.vendor, "二次")).await.unwrap();
    let third = store.add_vendor(admin, below(&second, "三次")).await.unwrap();
    let ring = told(store.change_vendor(admin, &town.vendor.id, below(&third, &town.vendor.name)).await);
    assert_eq!(ring.err(), Some(Refusal::bad_field("subcontractor_of")));
    let own = told(store.change_vendor(admin, &second.id, below(&second, "二次")).await);
    assert_eq!(own.err(), Some(Refusal::bad_field("subcontractor_of")));
    let taken = told(store.add_vendor(admin, VendorAsk { name: "二次".into(), ..VendorAsk::default() }).await);
    assert_eq!(taken.err(), Some(Refusal::NameTaken));
    // A worker of the third in the chain sees the first one's target, and may be named for it by the second.
    let (worker, _) = store.add_person(&Actor::console(), new_person("mago", Role::Worker, Some(&third))).await.unwrap();
    let worker = Actor::of(&worker, Via::Web, None);
    assert_eq!(store.targets(&worker).await.unwrap().len(), 1);
    assert_eq!(store.vendors(&worker).await.unwrap().len(), 3);
}

async fn targets_are_checked_and_keys_are_pinned(base: Base) {
    let town = base.town().await;
    let (store, admin) = (&town.store, &town.admin.actor);
    let add = async |ask: TargetAsk| told(store.add_target(admin, ask).await).map(|_| ());
    let sound = target_ask("pacs01", &town.vendor);
    for (field, ask) in [
        ("name", TargetAsk { name: "PACS 01".into(), ..sound.clone() }),
        ("host", TargetAsk { host: "-oProxyCommand=x".into(), ..sound.clone() }),
        ("port", TargetAsk { port: 0, ..sound.clone() }),
        ("title", TargetAsk { title: " ".into(), ..sound.clone() }),
        ("host_keys", TargetAsk { host_keys: vec!["ssh-ed25519-cert-v01@openssh.com AAAA".into()], ..sound.clone() }),
    ] {
        assert_eq!(add(ask).await, Err(Refusal::bad_field(field)));
    }
    assert_eq!(add(target_ask("ehr-db01", &town.vendor)).await, Err(Refusal::NameTaken));
    let twice = vec![format!("{HOST_KEY} root@ehr"), HOST_KEY.to_owned()];
    let target = store.add_target(admin, TargetAsk { host_keys: twice, ..sound.clone() }).await.unwrap();
    assert_eq!(target.host_keys, [HOST_KEY], "one spelling, without comments");
    let bare = store.change_target(admin, &target.id, TargetAsk { host_keys: Vec::new(), ..sound }).await.unwrap();
    assert!(bare.host_keys.is_empty(), "keys are exactly those given");
    let account = |username: &str, credential| AccountAsk { username: username.into(), privileged: false, credential };
    let key = |text: &str| CredentialAsk::PrivateKey(Secret::new(text));
    for (ask, field) in [
        (account("-x", CredentialAsk::Password(Secret::new("p"))), "username"),
        (account("a b", CredentialAsk::Password(Secret::new("p"))), "username"),
        (account("root", CredentialAsk::Password(Secret::new(""))), "credential"),
        (account("root", key("not a key")), "credential"),
        (account("root", key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n-----END ENCRYPTED PRIVATE KEY-----")), "credential"),
    ] {
        assert_eq!(told(store.add_account(admin, &target.id, ask).await).err(), Some(Refusal::bad_field(field)));
    }
    let again = account("maint", CredentialAsk::Password(Secret::new("p")));
    assert_eq!(told(store.add_account(admin, &town.target, again).await).err(), Some(Refusal::NameTaken));
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

async fn credentials_never_come_out(base: Base) {
    let town = base.town().await;
    let shown = format!("{:?}", town.store.targets(&town.admin.actor).await.unwrap());
    assert!(!shown.contains("himitsu"));
    let log = format!("{:?}", town.log().await);
    assert!(!log.contains("himitsu") && !log.contains(super::ward::PASSWORD));
    town.store.close().await.unwrap();
    let mut found = Vec::new();
    files(&town.base.dir(), &mut found);
    for path in &found {
        let bytes = fs::read(path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!holds("himitsu-no-credential") && !holds(super::ward::PASSWORD), "{} holds a secret in clear", path.display());
    }
    if let Some(db) = &town.base.db {
        db.sql("DO $$ BEGIN IF EXISTS (SELECT 1 FROM accounts WHERE position('himitsu'::bytea IN credential) > 0) THEN RAISE EXCEPTION 'in clear'; END IF; END $$");
    }
}

#[tokio::test]
async fn keys_are_for_their_owner_alone() {
    let base = Base::sqlite();
    let store = base.store().await;
    let mode = |path: &str| fs::metadata(base.dir().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("keys"), mode("keys/store.key"), mode("keys/log.key")), (0o700, 0o700, 0o600, 0o600));
    store.close().await.unwrap();
    fs::set_permissions(base.dir().join("keys/store.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(base.refuses_to_open().await.contains("can be read by others"));
    fs::set_permissions(base.dir().join("keys/store.key"), fs::Permissions::from_mode(0o600)).unwrap();
    // The signing key of another box does not open here: sealed files know their place and their key.
    let other = Base::sqlite();
    other.store().await.close().await.unwrap();
    fs::copy(other.dir().join("keys/log.key"), base.dir().join("keys/log.key")).unwrap();
    assert!(base.refuses_to_open().await.contains("does not open"));
}

#[tokio::test]
async fn the_certificate_is_renewed_in_time_and_for_new_names() {
    let base = Base::sqlite();
    let store = base.store().await;
    let hosts = vec!["gateway.example".to_owned(), "127.0.0.1".to_owned()];
    let first = store.tls_certificate(&hosts).unwrap();
    assert!(first.chain.len() == 2 && first.chain == store.tls_certificate(&hosts).unwrap().chain, "one certificate as long as it lasts");
    assert!(store.tls_certificate(&hosts[..1]).unwrap().chain[0] != first.chain[0]);
    let again = store.tls_certificate(&hosts).unwrap();
    base.clock.pass(std::time::Duration::from_secs(171 * 24 * 3600));
    assert!(store.tls_certificate(&hosts).unwrap().chain[0] != again.chain[0], "renewed with less than 30 days left");
    assert!(store.tls_certificate(&[]).is_err());
    assert_eq!(fs::read_to_string(base.dir().join("ca.pem")).unwrap(), store.ca_certificate_pem().unwrap());
}
