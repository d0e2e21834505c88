//! Certificates of devices: how a device comes by one, how it keeps it, and what takes it away.

use super::base::{Base, on_both};
use super::ward::{HOST_KEY, Ward, facts_of};
use crate::roads;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType};
use sekisho_core::desk::{Arrival, Cause, ClientCertificate, Desk, Entry, FirstProof, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::DeviceId;
use sekisho_core::limits;
use sekisho_core::line::LineClass;
use sekisho_core::people::Actor;
use sekisho_core::porter::{CertificateFault, Issued, Porter, Standing, TurnedAway, TypedCode};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use std::net::IpAddr;
use std::time::Duration;

on_both! {
    a_code_gives_one_certificate_once,
    five_wrong_tries_end_a_code,
    a_code_ends_with_its_time_and_with_its_successor,
    nothing_of_a_requests_wishes_is_taken_over,
    a_renewal_takes_the_place_of_its_forerunner,
    a_new_enrolment_a_lost_device_and_a_revocation_end_certificates_at_once,
    what_stands_and_what_was_revoked_outlive_a_restart,
    a_certificate_is_the_proof_that_an_open_line_asks_for,
    who_may_issue_and_revoke,
    of_many_refused_certificates_a_few_are_written_down,
    a_right_code_is_not_used_up_outside_of_closed_lines,
    losses_beyond_a_few_ask_for_a_factor_and_can_be_taken_back_for_a_day,
}

/// An address of the vendor's line.
fn from() -> IpAddr {
    [10, 20, 0, 9].into()
}

fn request_of(pair: &KeyPair) -> Vec<u8> {
    CertificateParams::new(Vec::new()).unwrap().serialize_request(pair).unwrap().der().to_vec()
}

fn request() -> Vec<u8> {
    request_of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

async fn device(ward: &Ward) -> DeviceId {
    ward.store.devices(&Actor::console()).await.unwrap().remove(0).id
}

async fn code(ward: &Ward) -> TypedCode {
    let made = ward.store.issue_device_code(&Actor::console(), &device(ward).await).await.unwrap();
    TypedCode::parse(made.code.expose()).unwrap()
}

async fn enrolled(ward: &Ward) -> Issued {
    let code = code(ward).await;
    ward.store.porter().enrol(from(), code.ticket, request()).await.unwrap()
}

/// The serial number of the newest certificate.
async fn newest(ward: &Ward) -> String {
    let held = ward.store.device_certificates(&Actor::console(), &device(ward).await).await.unwrap();
    held.certificates[0].serial.clone()
}

fn is_good(ward: &Ward, serial: &str) -> bool {
    use sekisho_core::time::Clock as _;
    matches!(ward.store.porter().standing(serial), Standing::Good { until, .. } if ward.clock.now() < until)
}

trait AsPorter {
    fn porter(&self) -> &dyn Porter;
}

impl AsPorter for sekisho_store::Store {
    fn porter(&self) -> &dyn Porter {
        self
    }
}

/// The same selector with another secret.
fn wrong(ticket: &Secret) -> Secret {
    let (selector, secret) = ticket.expose().split_at(4);
    Secret::new(format!("{selector}{}", if secret == "00000000" { "11111111" } else { "00000000" }))
}

async fn a_code_gives_one_certificate_once(base: Base) {
    let ward = Ward::over(base).await;
    let code = code(&ward).await;
    let issued = ward.store.porter().enrol(from(), code.ticket.clone(), request()).await.unwrap();
    assert_eq!((issued.device_name.as_str(), issued.facility_id.as_str(), issued.chain.len()), ("NOTE-01", "aoba", 2));
    assert!(is_good(&ward, &newest(&ward).await));
    assert_eq!(ward.store.porter().enrol(from(), code.ticket, request()).await, Err(Refusal::DeviceCodeInvalid));
    assert!(is_good(&ward, &newest(&ward).await), "a second try with a used code ends nothing");
    let how: Vec<String> = facts_of(&ward.store, "device_code_failed").await.into_iter().map(|entry| if let Fact::DeviceCodeFailed { why, .. } = entry.fact { why } else { String::new() }).collect();
    assert_eq!(how, ["used"]);
}

async fn five_wrong_tries_end_a_code(base: Base) {
    let ward = Ward::over(base).await;
    let code = code(&ward).await;
    for _ in 0..limits::DEVICE_CODE_TRIES {
        assert_eq!(ward.store.porter().enrol(from(), wrong(&code.ticket), request()).await, Err(Refusal::DeviceCodeInvalid));
    }
    assert_eq!(ward.store.porter().enrol(from(), code.ticket, request()).await, Err(Refusal::DeviceCodeInvalid), "the right one comes too late");
    let unknown = Secret::new("ZZZZZZZZZZZZ");
    for _ in 0..limits::SOURCE_FAILURES {
        let _ = ward.store.porter().enrol(from(), unknown.clone(), request()).await;
    }
    assert_eq!(ward.store.porter().enrol(from(), unknown, request()).await, Err(Refusal::SourceBlocked), "whoever guesses is made to wait");
    assert_eq!(super::ward::facts_of(&ward.store, "source_locked").await.len(), 1, "and it is written down");
    assert!(ward.store.device_certificates(&Actor::console(), &device(&ward).await).await.unwrap().certificates.is_empty());
}

async fn a_code_ends_with_its_time_and_with_its_successor(base: Base) {
    let ward = Ward::over(base).await;
    let first = code(&ward).await;
    let second = code(&ward).await;
    assert_eq!(ward.store.porter().enrol(from(), first.ticket, request()).await, Err(Refusal::DeviceCodeInvalid));
    ward.clock.pass(Duration::from_secs(u64::from(ward.store.policy().device_code_minutes) * 60));
    assert_eq!(ward.store.porter().enrol(from(), second.ticket, request()).await, Err(Refusal::DeviceCodeInvalid));
}

async fn nothing_of_a_requests_wishes_is_taken_over(base: Base) {
    let ward = Ward::over(base).await;
    let code = code(&ward).await;
    // A request that was damaged, one of another kind of key, and no request: none of them uses the code up.
    let mut damaged = request();
    *damaged.last_mut().unwrap() ^= 1;
    let other_kind = request_of(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    for bad in [damaged, other_kind, Vec::new(), vec![0x30; 10_000]] {
        assert_eq!(ward.store.porter().enrol(from(), code.ticket.clone(), bad).await, Err(Refusal::CertificateAskBad));
    }
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut wishes = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    wishes.subject_alt_names.push(SanType::URI("urn:sekisho:device:dev-2222222222222222".try_into().unwrap()));
    wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    wishes.is_ca = IsCa::NoCa;
    let wishful = wishes.serialize_request(&pair).unwrap().der().to_vec();
    let issued = ward.store.porter().enrol(from(), code.ticket, wishful).await.unwrap();
    let der = base64_of(&issued.chain[0]);
    let holds = |text: &[u8]| der.windows(text.len()).any(|part| part == text);
    assert!(holds(issued.device.as_str().as_bytes()) && !holds(b"evil") && !holds(b"dev-2222"));
    // id-kp-clientAuth is in it, id-kp-serverAuth is not (RFC 5280 section 4.2.1.12).
    assert!(holds(&[0x2b, 6, 1, 5, 5, 7, 3, 2]) && !holds(&[0x2b, 6, 1, 5, 5, 7, 3, 1]));
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

async fn a_renewal_takes_the_place_of_its_forerunner(base: Base) {
    let ward = Ward::over(base).await;
    let (pair, ticket) = (KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), code(&ward).await.ticket);
    ward.store.porter().enrol(from(), ticket, request_of(&pair)).await.unwrap();
    let first = newest(&ward).await;
    assert_eq!(ward.store.porter().renew(from(), &first, request_of(&pair)).await, Err(Refusal::CertificateAskBad), "the same key again");
    ward.clock.pass(Duration::from_secs(90 * 86_400));
    ward.store.porter().renew(from(), &first, request()).await.unwrap();
    let lost = newest(&ward).await;
    ward.clock.pass(Duration::from_secs(60));
    ward.store.porter().renew(from(), &first, request()).await.unwrap();
    let second = newest(&ward).await;
    assert!(is_good(&ward, &first) && is_good(&ward, &second), "the forerunner holds for a while: the answer may have been lost");
    assert!(!is_good(&ward, &lost), "what was lost on its way holds for nobody");
    ward.clock.pass(Duration::from_secs(25 * 3600));
    assert!(!is_good(&ward, &first) && is_good(&ward, &second));
    assert_eq!(ward.store.porter().renew(from(), &first, request()).await, Err(Refusal::CertificateEnded));
    assert_eq!(ward.store.porter().renew(from(), &"41".repeat(16), request()).await, Err(Refusal::CertificateEnded));
    let mut serial = second;
    let mut renewed = 0;
    while ward.store.porter().renew(from(), &serial, request()).await.is_ok() {
        ward.clock.pass(Duration::from_secs(1));
        serial = newest(&ward).await;
        renewed += 1;
        assert!(renewed <= limits::DEVICE_RENEWALS_A_DAY, "no end of renewals");
    }
    ward.clock.pass(Duration::from_secs(200 * 86_400));
    assert!(!is_good(&ward, &serial), "nobody renewed it");
}

async fn a_new_enrolment_a_lost_device_and_a_revocation_end_certificates_at_once(base: Base) {
    let ward = Ward::over(base).await;
    enrolled(&ward).await;
    let first = newest(&ward).await;
    ward.clock.pass(Duration::from_secs(60));
    enrolled(&ward).await;
    let second = newest(&ward).await;
    assert_eq!(ward.store.porter().standing(&first), Standing::Revoked);
    assert!(is_good(&ward, &second));
    let held = ward.store.device_certificates(&Actor::console(), &device(&ward).await).await.unwrap();
    let revoked = ward.store.revoke_device_certificate(&Actor::console(), &held.certificates[0].id, "機種変更").await.unwrap();
    assert_eq!((revoked.serial.as_str(), ward.store.porter().standing(&second)), (second.as_str(), Standing::Revoked));
    assert_eq!(ward.store.porter().renew(from(), &second, request()).await, Err(Refusal::CertificateEnded));
    ward.clock.pass(Duration::from_secs(60));
    enrolled(&ward).await;
    let third = newest(&ward).await;
    let open = code(&ward).await;
    ward.store.lose_device(&ward.operator, &device(&ward).await, "駅で").await.unwrap();
    assert_eq!(ward.store.porter().standing(&third), Standing::Revoked);
    assert_eq!(ward.store.porter().enrol(from(), open.ticket, request()).await, Err(Refusal::DeviceCodeInvalid));
}

async fn what_stands_and_what_was_revoked_outlive_a_restart(base: Base) {
    let ward = Ward::over(base).await;
    enrolled(&ward).await;
    let serial = newest(&ward).await;
    let authorities = ward.store.porter().authorities();
    let ward = ward.restarted().await;
    assert!(is_good(&ward, &serial));
    assert_eq!(ward.store.porter().authorities(), authorities);
    let held = ward.store.device_certificates(&Actor::console(), &device(&ward).await).await.unwrap();
    ward.store.revoke_device_certificate(&Actor::console(), &held.certificates[0].id, "返却").await.unwrap();
    let ward = ward.restarted().await;
    assert_eq!(ward.store.porter().standing(&serial), Standing::Revoked);
}

#[tokio::test]
async fn a_revoked_certificate_cannot_be_put_back() {
    let ward = Ward::over(Base::postgres()).await;
    let db = ward.db();
    enrolled(&ward).await;
    let serial = newest(&ward).await;
    db.sql("CREATE TABLE kept AS SELECT * FROM device_certificates");
    let held = ward.store.device_certificates(&Actor::console(), &device(&ward).await).await.unwrap();
    ward.store.revoke_device_certificate(&Actor::console(), &held.certificates[0].id, "返却").await.unwrap();
    db.sql("UPDATE device_certificates c SET ends_at = k.ends_at, body = k.body, seal = k.seal FROM kept k WHERE k.id = c.id");
    let ward = ward.restarted().await;
    assert!(!is_good(&ward, &serial));
}

async fn a_certificate_is_the_proof_that_an_open_line_asks_for(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let console = Actor::console();
    let line = ward.store.lines(&console).await.unwrap().remove(0);
    let mut content = roads::line("インターネット", "10.20.0.0/24");
    content.class = LineClass::Tls13;
    ward.store.change_line(&console, &line.id, content).await.unwrap();
    enrolled(&ward).await;
    let serial = newest(&ward).await;
    let arrival = Arrival { source: from(), certificate: Some(ClientCertificate::assertion(serial.clone())) };
    let half = ward.store.first_factor("sato", &arrival, FirstProof::VerifiedKey(HOST_KEY.into())).await;
    assert!(half.is_err(), "a device's certificate is no factor of a person");
    let half = ward.store.first_factor("sato", &arrival, FirstProof::Password(Secret::new(super::ward::PASSWORD))).await.unwrap();
    let principal = ward.store.second_factor(half, ward.code()).await.unwrap();
    let mut recalls = ward.store.recalls();
    let Entry::Open(admission) = ward.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("one plan alone is open") };
    let held = ward.store.device_certificates(&console, &device(&ward).await).await.unwrap();
    ward.store.revoke_device_certificate(&console, &held.certificates[0].id, "紛失の疑い").await.unwrap();
    let recall = recalls.try_recv().expect("a recall");
    assert_eq!((recall.session, recall.word), (Some(admission.session.clone()), RecallWord::End(Cause::Recalled)));
    ward.store.leave(&admission.session, admission.recording, Cause::Recalled).await;
    let half = ward.store.first_factor("sato", &arrival, FirstProof::Password(Secret::new(super::ward::PASSWORD))).await.unwrap();
    let principal = ward.store.second_factor(half, ward.code()).await.unwrap();
    assert_eq!(ward.store.enter(&principal, "ehr-db01", None).await.err(), Some(Refusal::DeviceUnknown));
}

async fn who_may_issue_and_revoke(base: Base) {
    let ward = Ward::over(base).await;
    let id = device(&ward).await;
    assert!(ward.store.issue_device_code(&ward.operator, &id).await.is_ok());
    for actor in [&ward.planner, &ward.clerk, &ward.worker_actor()] {
        assert_eq!(ward.store.issue_device_code(actor, &id).await.unwrap_err().refusal(), Refusal::NotAllowed, "{}", actor.login);
    }
    enrolled(&ward).await;
    let held = ward.store.device_certificates(&ward.worker_actor(), &id).await.unwrap();
    let certificate = &held.certificates[0].id;
    assert_eq!(ward.store.revoke_device_certificate(&ward.worker_actor(), certificate, "x").await.unwrap_err().refusal(), Refusal::NotAllowed);
    assert_eq!(ward.store.revoke_device_certificate(&ward.operator, certificate, " ").await.unwrap_err().refusal(), Refusal::ReasonNeeded);
    assert!(ward.store.revoke_device_certificate(&ward.operator, certificate, "返却").await.is_ok());
    assert_eq!(ward.store.revoke_device_certificate(&ward.operator, certificate, "返却").await.unwrap_err().refusal(), Refusal::NotFound);
}

async fn of_many_refused_certificates_a_few_are_written_down(base: Base) {
    let ward = Ward::over(base).await;
    for _ in 0..200 {
        ward.store.porter().turned_away(TurnedAway { source: from(), serial: "41".repeat(16), fault: CertificateFault::Chain }).await;
    }
    assert_eq!(facts_of(&ward.store, "certificate_refused").await.len(), limits::CERTIFICATE_REFUSALS);
}

async fn a_right_code_is_not_used_up_outside_of_closed_lines(base: Base) {
    let ward = Ward::over(base).await;
    let code = code(&ward).await;
    let elsewhere: IpAddr = [198, 51, 100, 9].into();
    assert_eq!(ward.store.porter().enrol(elsewhere, code.ticket.clone(), request()).await, Err(Refusal::SourceNotAllowed));
    let why: Vec<String> = facts_of(&ward.store, "device_code_failed").await.into_iter().map(|entry| if let Fact::DeviceCodeFailed { why, .. } = entry.fact { why } else { String::new() }).collect();
    assert_eq!(why, ["place"]);
    assert!(ward.store.porter().enrol(from(), code.ticket, request()).await.is_ok(), "it is good where the device belongs");
    // A vendor that comes over the internet has no place of its own.
    let line = ward.store.lines(&Actor::console()).await.unwrap().remove(0);
    let mut content = line.content;
    content.class = LineClass::Tls13;
    ward.store.change_line(&Actor::console(), &line.id, content).await.unwrap();
    let next = self::code(&ward).await;
    assert!(ward.store.porter().enrol(elsewhere, next.ticket, request()).await.is_ok());
}

async fn losses_beyond_a_few_ask_for_a_factor_and_can_be_taken_back_for_a_day(base: Base) {
    let ward = Ward::over(base).await;
    let console = Actor::console();
    enrolled(&ward).await;
    let serial = newest(&ward).await;
    let first = device(&ward).await;
    let vendor = ward.store.devices(&console).await.unwrap().remove(0).vendor;
    let mut all = vec![first.clone()];
    for n in 10..10 + limits::DEVICE_LOSSES_A_DAY as u8 {
        all.push(ward.store.add_device(&console, &vendor, roads::device(&format!("NOTE-{n}"), [10, 20, 0, n].into())).await.unwrap().id);
    }
    for id in &all[..limits::DEVICE_LOSSES_A_DAY] {
        ward.store.lose_device(&ward.clerk, id, "").await.unwrap();
    }
    let last = all.last().unwrap();
    assert_eq!(ward.store.lose_device(&ward.clerk, last, "").await.unwrap_err().refusal(), Refusal::StepUpNeeded);
    assert!(ward.store.lose_device(&ward.operator, last, "").await.is_ok(), "each person has a count of their own");
    assert_eq!(ward.store.find_device_again(&ward.clerk, &first, "鞄の底に").await.unwrap_err().refusal(), Refusal::NotAllowed);
    let found = ward.store.find_device_again(&console, &first, "鞄の底に").await.unwrap();
    assert!(found.active && found.lost_at.is_none());
    assert!(!is_good(&ward, &serial), "its certificate stays revoked");
    ward.clock.pass(Duration::from_secs(24 * 3600));
    assert_eq!(ward.store.find_device_again(&console, last, "見つかった").await.unwrap_err().refusal(), Refusal::NotFound, "a day has passed");
}
