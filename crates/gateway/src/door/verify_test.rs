//! What a stranger shows, and what becomes of it. Each case differs from a good certificate in one thing.

use super::verify::Judge;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Use, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use sekisho_core::desk::Answer;
use sekisho_core::ids::DeviceId;
use sekisho_core::porter::{CertificateFault as F, Issued, Porter, Standing, TurnedAway};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const SERIAL: [u8; 16] = [0x41; 16];
const DEVICE: &str = "dev-7777777777777777";
const OTHER: &str = "dev-2222222222222222";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp(NOW * 1000)
    }
}

struct House {
    authorities: Vec<Vec<u8>>,
    standing: Standing,
}

impl Porter for House {
    fn authorities(&self) -> Vec<Vec<u8>> {
        self.authorities.clone()
    }
    fn standing(&self, serial: &str) -> Standing {
        if serial == "41".repeat(16) { self.standing.clone() } else { Standing::Unknown }
    }
    fn admits_tls12_of<'a>(&'a self, _: IpAddr, _: &'a DeviceId) -> Answer<'a, bool> {
        Box::pin(async { false })
    }

    fn admits_tls12(&self, _: IpAddr) -> bool {
        false
    }
    fn enrol<'a>(&'a self, _: IpAddr, _: Secret, _: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        unreachable!("the verifier asks for no certificate")
    }
    fn renew<'a>(&'a self, _: IpAddr, _: &'a str, _: Vec<u8>) -> Answer<'a, Result<Issued, Refusal>> {
        unreachable!("the verifier asks for no certificate")
    }
    fn ask_login<'a>(&'a self, _: IpAddr, _: &'a str, _: sekisho_core::ssh_login::LoginAsk) -> Answer<'a, Result<sekisho_core::porter::PendingLogin, Refusal>> {
        unreachable!("the verifier asks for no login")
    }
    fn turned_away<'a>(&'a self, _: TurnedAway) -> Answer<'a, ()> {
        unreachable!("the door tells it, not the verifier")
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn at(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

fn authority_params(name: &str, path: u8) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = (at(NOW - 1000 * DAY), at(NOW + 1000 * DAY));
    params
}

fn authority(name: &str) -> Authority {
    let (params, key) = (authority_params(name, 1), pair());
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Authority { issuer: Issuer::new(params, key), der }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn good() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = named(DEVICE);
    params.subject_alt_names = vec![uri(&format!("urn:sekisho:device:{DEVICE}"))];
    params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![Use::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (at(NOW - DAY), at(NOW + DAY));
    params
}

fn standing(device: &str, days: i64) -> Standing {
    Standing::Good { device: DeviceId::parse(device).unwrap(), until: Timestamp((NOW + days * DAY) * 1000) }
}

fn judge(ours: &Authority, standing: Standing) -> Judge {
    let house = House { authorities: vec![ours.der.clone()], standing };
    Judge::new(Arc::new(house), Arc::new(Fixed), Arc::new(super::provider())).unwrap()
}

fn outcome(ours: &Authority, standing: Standing, der: &[u8], others: &[Vec<u8>]) -> Result<(), F> {
    let others: Vec<_> = others.iter().map(|der| CertificateDer::from(der.clone())).collect();
    judge(ours, standing).judge(&CertificateDer::from(der.to_vec()), &others).map(|shown| assert_eq!(shown.device.as_str(), DEVICE))
}

/// The good certificate, changed in one thing, signed by our authority.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> Result<(), F> {
    let ours = authority("ours");
    let mut params = good();
    change(&mut params);
    let der = params.signed_by(&pair(), &ours.issuer).unwrap().der().to_vec();
    outcome(&ours, standing(DEVICE, 1), &der, &[])
}

#[test]
fn a_certificate_as_we_issue_it_holds() {
    assert_eq!(changed(|_| {}), Ok(()));
}

#[test]
fn a_certificate_holds_in_its_time_alone() {
    assert_eq!(changed(|params| params.not_after = at(NOW - 1)), Err(F::Expired));
    assert_eq!(changed(|params| params.not_before = at(NOW + 1)), Err(F::NotYet));
}

#[test]
fn its_use_is_client_authentication_and_nothing_else() {
    for uses in [vec![], vec![Use::ServerAuth], vec![Use::ClientAuth, Use::ServerAuth], vec![Use::Any], vec![Use::ClientAuth, Use::Any], vec![Use::ClientAuth, Use::CodeSigning], vec![Use::ClientAuth, Use::Other(vec![1, 2, 3])]] {
        let said = format!("{uses:?}");
        let got = changed(|params| params.extended_key_usages = uses);
        assert!(matches!(got, Err(F::ExtendedUse)), "{said}: {got:?}");
    }
    for usages in [vec![], vec![KeyUsagePurpose::KeyCertSign], vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign], vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]] {
        assert_eq!(changed(|params| params.key_usages = usages), Err(F::KeyUsage));
    }
}

#[test]
fn the_certificate_of_an_authority_shows_no_device() {
    for path in [BasicConstraints::Unconstrained, BasicConstraints::Constrained(0)] {
        assert_eq!(changed(|params| params.is_ca = IsCa::Ca(path)), Err(F::Authority));
    }
    assert_eq!(changed(|params| params.is_ca = IsCa::NoCa), Err(F::Authority), "one that does not say what it is");
    let ours = authority("ours");
    assert!(outcome(&ours, standing(DEVICE, 1), &ours.der, &[]).is_err());
}

#[test]
fn it_names_exactly_one_device_in_exactly_our_form() {
    let urn = |id: &str| uri(&format!("urn:sekisho:device:{id}"));
    let dns = || SanType::DnsName("a.test".try_into().unwrap());
    let odd: Vec<Vec<SanType>> = vec![
        vec![],
        vec![urn(DEVICE), urn(OTHER)],
        vec![urn(DEVICE), urn(DEVICE)],
        vec![urn(DEVICE), dns()],
        vec![dns(), urn(DEVICE)],
        vec![dns()],
        vec![SanType::Rfc822Name("a@b.test".try_into().unwrap())],
        vec![SanType::IpAddress([127, 0, 0, 1].into())],
        vec![SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], rcgen::OtherNameValue::Utf8String(format!("urn:sekisho:device:{DEVICE}"))))],
        vec![uri(&format!("urn:sekisho:person:{DEVICE}"))],
        vec![uri(&format!("URN:SEKISHO:DEVICE:{DEVICE}"))],
        vec![urn(&DEVICE.to_uppercase())],
        vec![urn(&format!("{DEVICE},{OTHER}"))],
        vec![urn(&format!("urn:sekisho:device:{DEVICE}"))],
        vec![urn(&format!("{DEVICE}\0"))],
        vec![urn(&format!(" {DEVICE}"))],
        vec![urn("")],
    ];
    for names in odd {
        let said = format!("{names:?}");
        assert_eq!(changed(|params| params.subject_alt_names = names), Err(F::Names), "{said}");
    }
    assert_eq!(changed(|params| params.distinguished_name = named(OTHER)), Err(F::Names));
    assert_eq!(changed(|params| params.distinguished_name = DistinguishedName::new()), Err(F::Names));
    assert_eq!(changed(|params| params.distinguished_name.push(DnType::OrganizationName, "x")), Err(F::Names));
}

#[test]
fn what_ours_never_hold_is_refused() {
    let odd = |critical: bool| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(critical);
        extension
    };
    for critical in [true, false] {
        let odd = odd(critical);
        assert_eq!(changed(move |params| params.custom_extensions = vec![odd]), Err(F::Extras));
    }
    // A second list of names beside the first, which another reader might take.
    let names = [&[0x30, 0x08, 0x82, 0x06][..], b"a.test"].concat();
    let twice = CustomExtension::from_oid_content(&[2, 5, 29, 17], names);
    assert!(matches!(changed(move |params| params.custom_extensions = vec![twice]), Err(F::Extras | F::Malformed)));
}

#[test]
fn only_our_authority_certifies() {
    let (ours, theirs) = (authority("ours"), authority("ours"));
    let key = pair();
    let foreign = good().signed_by(&key, &theirs.issuer).unwrap().der().to_vec();
    assert_eq!(outcome(&ours, standing(DEVICE, 1), &foreign, &[]), Err(F::Chain));
    assert_eq!(outcome(&ours, standing(DEVICE, 1), &foreign, std::slice::from_ref(&theirs.der)), Err(F::Chain), "with its own authority beside it");
    assert_eq!(outcome(&ours, standing(DEVICE, 1), &foreign, std::slice::from_ref(&ours.der)), Err(F::Chain), "with ours beside it");
    let own = good().self_signed(&key).unwrap().der().to_vec();
    assert_eq!(outcome(&ours, standing(DEVICE, 1), &own, &[]), Err(F::Chain));
    // A device that plays the authority with its own certificate.
    let (device, device_key) = (good(), pair());
    let device_der = device.signed_by(&device_key, &ours.issuer).unwrap().der().to_vec();
    let nested = good().signed_by(&key, &Issuer::new(device, device_key)).unwrap().der().to_vec();
    assert_eq!(outcome(&ours, standing(DEVICE, 1), &nested, &[device_der]), Err(F::Chain));
}

#[test]
fn a_number_that_is_not_in_force_opens_nothing() {
    let ours = authority("ours");
    let der = good().signed_by(&pair(), &ours.issuer).unwrap().der().to_vec();
    let got = |standing| outcome(&ours, standing, &der, &[]);
    assert_eq!(got(Standing::Unknown), Err(F::Unknown));
    assert_eq!(got(Standing::Revoked), Err(F::Revoked));
    assert_eq!(got(standing(OTHER, 1)), Err(F::OtherDevice));
    assert_eq!(got(standing(DEVICE, 0)), Err(F::Expired), "another one took its place");
    assert_eq!(changed(|params| params.serial_number = Some(SerialNumber::from_slice(&[0x42; 16]))), Err(F::Unknown));
}

#[test]
fn no_damage_makes_a_certificate_hold_or_the_reader_fall() {
    let ours = authority("ours");
    let der = good().signed_by(&pair(), &ours.issuer).unwrap().der().to_vec();
    let judge = judge(&ours, standing(DEVICE, 1));
    let holds = |bytes: Vec<u8>| judge.judge(&CertificateDer::from(bytes), &[]).is_ok();
    assert!(holds(der.clone()));
    for place in 0..der.len() {
        assert!(!holds(der[..place].to_vec()), "cut at {place}");
        for bit in 0..8 {
            let mut bytes = der.clone();
            bytes[place] ^= 1 << bit;
            assert!(!holds(bytes), "bit {bit} of byte {place}");
        }
    }
    assert!(!holds([der.clone(), vec![0]].concat()));
    assert_eq!(judge.judge(&CertificateDer::from(vec![0x30; 1 << 16]), &[]).unwrap_err(), F::TooLong);
}
