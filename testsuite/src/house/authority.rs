//! The authority for devices: its root away from the box, and a box whose authority was lost.

use super::base::{Base, on_both};
use super::ward::{Ward, facts_of};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use sekisho_core::people::Actor;
use sekisho_core::porter::{Porter, TypedCode};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock as _;
use sekisho_store::{RootLock, Store, sign_device_issuing};
use std::os::unix::fs::PermissionsExt as _;

on_both! {
    the_root_leaves_the_box_and_signs_elsewhere,
    only_the_answer_of_the_root_is_taken,
    a_lost_authority_shuts_the_door_and_nothing_else,
}

const PASSPHRASE: &str = "青葉 もみじ 銀杏 桜 松 竹 梅 石";

fn lock() -> RootLock {
    RootLock::Passphrase(Secret::new(PASSPHRASE))
}

fn request() -> Vec<u8> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateParams::new(Vec::new()).unwrap().serialize_request(&pair).unwrap().der().to_vec()
}

async fn enrol(store: &Store) -> Result<sekisho_core::porter::Issued, Refusal> {
    let console = Actor::console();
    let device = store.devices(&console).await.unwrap().remove(0).id;
    let made = store.issue_device_code(&console, &device).await.unwrap();
    let ticket = TypedCode::parse(made.code.expose()).unwrap().ticket;
    Porter::enrol(store, [10, 20, 0, 9].into(), ticket, request()).await
}

async fn the_root_leaves_the_box_and_signs_elsewhere(base: Base) {
    let ward = Ward::over(base).await;
    let console = Actor::console();
    let medium = tempfile::tempdir().unwrap();
    let file = medium.path().join("root.age");
    let weak = RootLock::Passphrase(Secret::new("kurz"));
    assert!(ward.store.export_device_root(&console, &file, &weak).await.is_err() && !file.exists());
    assert!(ward.store.device_authority_state(&console).await.unwrap().root_here);
    let inside = ward.store.data_dir().join("root.age");
    assert!(ward.store.export_device_root(&console, &inside, &lock()).await.is_err(), "the data folder is no other medium");
    assert_eq!(ward.store.export_device_root(&ward.operator, &file, &lock()).await.unwrap_err().refusal(), Refusal::NotAllowed);

    let before = ward.store.export_device_root(&console, &file, &lock()).await.unwrap();
    assert!(!before.root_here);
    assert_eq!(ward.store.export_device_root(&console, &medium.path().join("again.age"), &lock()).await.unwrap_err().refusal(), Refusal::NotFound);
    assert_eq!(facts_of(&ward.store, "device_root_taken").await.len(), 1);
    enrol(&ward.store).await.expect("devices are certified without the root");

    let asked = ward.store.ask_device_issuing(&console).await.unwrap();
    let root = std::fs::read(&file).unwrap();
    let wrong = RootLock::Passphrase(Secret::new("another passphrase"));
    assert!(sign_device_issuing(&root, &wrong, &asked, ward.clock.now()).is_err());
    assert!(sign_device_issuing(&root[..root.len() - 1], &lock(), &asked, ward.clock.now()).is_err());
    let signed = sign_device_issuing(&root, &lock(), &asked, ward.clock.now()).unwrap();
    let after = ward.store.bring_device_issuing(&console, &signed).await.unwrap();
    assert_ne!(after.issuing, before.issuing);
    assert_eq!(after.root, before.root);
    assert!(!after.waiting && after.issuing_until > ward.clock.now().plus(std::time::Duration::from_secs(4 * 365 * 86_400)));
    assert_eq!(ward.store.authorities().len(), 2, "what the former part signed still holds");
    let issued = enrol(&ward.store).await.unwrap();
    assert_eq!(issued.chain.len(), 2);
    let ward = ward.restarted().await;
    assert!(!ward.store.device_authority_state(&Actor::console()).await.unwrap().root_here, "it does not come back with a restart");
    enrol(&ward.store).await.unwrap();
}

async fn only_the_answer_of_the_root_is_taken(base: Base) {
    let ward = Ward::over(base).await;
    let console = Actor::console();
    let medium = tempfile::tempdir().unwrap();
    let identity = {
        let other = Ward::over(Base::sqlite()).await;
        let file = medium.path().join("other.age");
        other.store.export_device_root(&console, &file, &lock()).await.unwrap();
        file
    };
    let asked = ward.store.ask_device_issuing(&console).await.unwrap();
    let foreign = sign_device_issuing(&std::fs::read(identity).unwrap(), &lock(), &asked, ward.clock.now()).unwrap();
    assert_eq!(ward.store.bring_device_issuing(&console, &foreign).await.unwrap_err().refusal(), Refusal::CertificateAskBad, "another hospital's root signed it");
    let file = medium.path().join("own.age");
    ward.store.export_device_root(&console, &file, &lock()).await.unwrap();
    let root = std::fs::read(&file).unwrap();
    let older = sign_device_issuing(&root, &lock(), &asked, ward.clock.now()).unwrap();
    let again = ward.store.ask_device_issuing(&console).await.unwrap();
    assert_eq!(ward.store.bring_device_issuing(&console, &older).await.unwrap_err().refusal(), Refusal::CertificateAskBad, "the answer to a request that was forgotten");
    for bad in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &format!("{older}{older}"), &again] {
        assert_eq!(ward.store.bring_device_issuing(&console, bad).await.unwrap_err().refusal(), Refusal::CertificateAskBad, "{bad}");
    }
    let own = CertificateParams::new(Vec::new()).unwrap().serialize_request(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).unwrap().pem().unwrap();
    assert!(sign_device_issuing(&root, &lock(), &own, ward.clock.now()).is_err(), "the root signs its issuing part and nothing else");
    let right = sign_device_issuing(&root, &lock(), &again, ward.clock.now()).unwrap();
    ward.store.bring_device_issuing(&console, &right).await.unwrap();
    assert_eq!(ward.store.bring_device_issuing(&console, &right).await.unwrap_err().refusal(), Refusal::NotFound, "once");
}

async fn a_lost_authority_shuts_the_door_and_nothing_else(base: Base) {
    let ward = Ward::over(base).await;
    let file = ward.store.data_dir().join("keys/device-ca.keys");
    let kept = std::fs::read(&file).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    for lost in [true, false] {
        if lost { std::fs::remove_file(&file).unwrap() } else { put(&kept[1..]) }
        assert!(!ward.store.device_authority_stands());
        assert!(ward.store.authorities().is_empty(), "nobody is known by a certificate");
        assert_eq!(enrol(&ward.store).await.err(), Some(Refusal::Fault));
    }
    std::fs::remove_file(&file).unwrap();
    let ward = ward.restarted().await;
    assert!(!ward.store.lines(&Actor::console()).await.unwrap().is_empty(), "the rest of the box works");
    assert!(!file.exists(), "it is not made anew, which would shut every device out without a word");
    put(&kept);
    let ward = ward.restarted().await;
    assert!(ward.store.device_authority_stands(), "put back, it stands again");
    enrol(&ward.store).await.unwrap();
}
