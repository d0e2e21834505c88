use super::*;
use std::time::Duration;

fn place(text: &str) -> Place {
    let at: SocketAddr = text.parse().unwrap();
    Place { transport: Transport::Tcp, address: at.ip(), port: at.port() }
}

fn heard(text: &str) -> Heard {
    Heard { place: place(text), program: None }
}

fn own(part: Part, at: &str, answers: &[&str]) -> Own {
    let at: SocketAddr = at.parse().unwrap();
    Own { part, address: at.ip(), port: at.port(), answers: answers.iter().map(|address| address.parse().unwrap()).collect() }
}

fn sound_tls(part: Part) -> TlsLook {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let shown = Shown { subject: "Sekisho".into(), issuer: "Sekisho CA".into(), from: Timestamp(0), until: NOW.plus(Duration::from_secs(90 * 86_400)) };
    TlsLook {
        part,
        address: "127.0.0.1".parse().unwrap(),
        port: 443,
        versions: names(&["TLS 1.3"]),
        suites: names(&["TLS_AES_256_GCM_SHA384"]),
        groups: names(&["x25519"]),
        chain: vec![shown],
        lets_strangers_in: (part == Part::Door).then_some(false),
        compresses: false,
        renegotiates_unsafely: false,
        trouble: String::new(),
    }
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn sound() -> Look {
    Look {
        sockets: vec![heard("10.0.0.5:8443"), heard("0.0.0.0:443"), heard("127.0.0.1:5432")],
        own: vec![own(Part::Pages, "10.0.0.5:8443", &["10.0.0.5"]), own(Part::Door, "0.0.0.0:443", &["10.0.0.5", "192.0.2.9"])],
        interfaces: Vec::new(),
        tls: vec![sound_tls(Part::Pages), sound_tls(Part::Door)],
        blind: Vec::new(),
    }
}

fn kinds(look: &Look, services: &[Service]) -> Vec<String> {
    judge(look, services, NOW).into_iter().map(|finding| finding.what.key()).collect()
}

#[test]
fn a_box_as_it_should_be_has_no_finding() {
    assert_eq!(kinds(&sound(), &[]), Vec::<String>::new());
}

#[test]
fn what_nobody_confirmed_is_found_and_what_was_confirmed_for_one_address_holds_there_alone() {
    let mut look = sound();
    look.sockets.push(heard("0.0.0.0:22"));
    assert_eq!(kinds(&look, &[]), ["unexpected 0.0.0.0:22 tcp"]);
    let ssh = |address: Option<&str>| Service {
        id: ServiceId::from_random([1; 10]),
        transport: Transport::Tcp,
        address: address.map(|address| address.parse().unwrap()),
        port: 22,
        name: "ssh".into(),
        reason: "administration".into(),
        by: "admin".into(),
        at: NOW,
        active: true,
    };
    assert!(kinds(&look, &[ssh(None)]).is_empty());
    // It was confirmed for an inner address and answers at every one: that is something else.
    assert_eq!(kinds(&look, &[ssh(Some("10.0.0.5"))]), ["unexpected 0.0.0.0:22 tcp", "gone ssh 22"]);
    assert_eq!(kinds(&look, &[Service { active: false, ..ssh(None) }]), ["unexpected 0.0.0.0:22 tcp"]);
    // A port of Sekisho's own is not excused at an address where Sekisho does not listen.
    let mut other = sound();
    other.sockets.push(heard("192.0.2.9:8443"));
    assert_eq!(kinds(&other, &[]), ["unexpected 192.0.2.9:8443 tcp"]);
}

#[test]
fn pages_that_answer_outside_are_a_deviation() {
    let mut look = sound();
    look.own[0] = own(Part::Pages, "0.0.0.0:8443", &["127.0.0.1", "10.0.0.5", "192.0.2.9"]);
    assert_eq!(kinds(&look, &[]), ["pages_outside [192.0.2.9]"]);
    look.sockets.clear();
    // The door is bound to one private address, behind somebody's translation: the pages do not belong there either.
    look.own = vec![own(Part::Pages, "0.0.0.0:8443", &["10.0.0.5", "10.1.0.5"]), own(Part::Door, "10.1.0.5:443", &["10.1.0.5"])];
    assert_eq!(kinds(&look, &[]), ["pages_outside [10.1.0.5]"]);
}

#[test]
fn weak_encryption_strangers_and_certificates_are_told() {
    let mut look = sound();
    look.tls[1].lets_strangers_in = Some(true);
    look.tls[0].versions.push("TLS 1.0".into());
    look.tls[0].suites.push("TLS_RSA_WITH_RC4_128_SHA".into());
    look.tls[0].chain[0].until = NOW.plus(Duration::from_secs(86_400));
    let found = judge(&look, &[], NOW);
    let got: Vec<(Level, String)> = found.iter().map(|finding| (finding.level, finding.what.key())).collect();
    assert_eq!(
        got,
        [
            (Level::Alarm, "lets_strangers_in door".into()),
            (Level::Deviation, "weak_tls pages TLS 1.0,TLS_RSA_WITH_RC4_128_SHA".into()),
            (Level::Deviation, "certificate_time pages Sekisho".into()),
        ]
    );
    look.tls[0].chain[0].until = NOW;
    assert!(judge(&look, &[], NOW).iter().any(|finding| finding.level == Level::Alarm && matches!(finding.what, Kind::CertificateTime { .. })));
}

#[test]
fn a_listener_that_takes_no_connection_is_an_alarm() {
    let mut look = sound();
    look.own[1].answers.clear();
    assert_eq!(kinds(&look, &[]), ["silent door 443"]);
}

#[test]
fn which_addresses_face_outside() {
    for outer in ["192.0.2.9", "8.8.8.8", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
        assert!(is_outer(outer.parse().unwrap()), "{outer}");
    }
    for inner in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "::1", "fe80::1", "fd00::1", "0.0.0.0", "::ffff:10.0.0.1"] {
        assert!(!is_outer(inner.parse().unwrap()), "{inner}");
    }
}

#[test]
fn every_finding_has_three_sentences_in_both_languages() {
    let mut look = sound();
    look.own[1].answers.clear();
    look.own[0] = own(Part::Pages, "0.0.0.0:8443", &["192.0.2.9"]);
    look.sockets.push(heard("0.0.0.0:23"));
    look.tls[0].trouble = "refused".into();
    look.tls[0].versions.push("TLS 1.1".into());
    look.tls[1].lets_strangers_in = Some(true);
    look.tls[1].chain[0].until = NOW;
    look.blind.push("/proc/net/tcp".into());
    let found = judge(&look, &[], NOW);
    assert_eq!(found.len(), 8);
    for finding in &found {
        for text in [finding.what.ja().so, finding.what.ja().why, finding.what.ja().act] {
            assert!(text.ends_with('。') && text.len() > 10, "{text}");
        }
        for text in [finding.what.en().so, finding.what.en().why, finding.what.en().act] {
            assert!(text.ends_with('.') && text.len() > 10, "{text}");
        }
    }
}
