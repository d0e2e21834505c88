//! Names in the header of a recording.
#![allow(clippy::unwrap_used, missing_docs)]

use sekisho_evidence::limits::MAX_RECIPIENTS;
use sekisho_evidence::recording::{DataKey, Decoder, Encoder, Header, Recipient, RecipientKind, RecordingBreach, path_of};

fn header(session: &str, target: &str) -> Header {
    Header {
        session: session.into(),
        plan: "P-17".into(),
        target: target.into(),
        person: "W-3".into(),
        protocol: "ssh".into(),
        started_at: 1_790_000_000_123,
        log_origin: "sekisho/kita".into(),
        wrapped_key: b"wrapped".to_vec(),
        recipients: Vec::new(),
    }
}

#[test]
fn names_that_could_leave_the_folder_are_refused() {
    let begins = |header: Header| Encoder::start(&header, DataKey::from_bytes([5; 32])).is_ok();
    for session in ["", "..", "../x", "a/b", "a.b", "a\0", "セ", &"x".repeat(65)] {
        assert_eq!(path_of(session), None, "{session:?}");
        assert!(!begins(header(session, "ehr-db")));
    }
    assert_eq!(path_of("S-0001").as_deref(), Some("recordings/S-0001.skr"));
    assert!(begins(header("S-0001", "ehr-db")));
    assert!(!begins(header("S-0001", "a\nb")));
}

fn recipient(kind: RecipientKind, name: &str, key: &str) -> Recipient {
    Recipient {
        kind,
        name: name.into(),
        key: key.into(),
    }
}

fn begun(header: &Header) -> Option<Vec<u8>> {
    Encoder::start(header, DataKey::from_bytes([5; 32]))
        .ok()
        .map(|(_, _, bytes)| bytes)
}

#[test]
fn a_header_that_names_recipients_is_of_version_2_and_one_without_stays_of_version_1() {
    let silent = header("S-0001", "ehr-db");
    let named = Header {
        recipients: vec![
            recipient(RecipientKind::Hospital, "", "age1hospital"),
            recipient(RecipientKind::Auditor, "監査 太郎", "age1auditor"),
        ],
        ..silent.clone()
    };
    for (header, version) in [(silent, 1), (named, 2)] {
        let bytes = begun(&header).unwrap();
        assert_eq!(&bytes[8..10], [0, version]);
        assert_eq!(Decoder::open(bytes.as_slice()).unwrap().header(), &header);
        // The other version in front of the same JSON is neither.
        let mut other = bytes.clone();
        other[9] = 3 - version;
        assert!(matches!(Decoder::open(other.as_slice()), Err(RecordingBreach::Header)));
        other[9] = 3;
        assert!(matches!(Decoder::open(other.as_slice()), Err(RecordingBreach::NotARecording)));
    }
}

#[test]
fn recipients_that_are_none_are_refused() {
    let with = |recipients: Vec<Recipient>| Header {
        recipients,
        ..header("S-0001", "ehr-db")
    };
    let auditor = |name: &str, key: &str| recipient(RecipientKind::Auditor, name, key);
    for bad in [
        vec![auditor("a", "age1")],
        vec![auditor("a", "age1UPPER")],
        vec![auditor("a", "ssh-ed25519")],
        vec![auditor("a", &format!("age1{}", "q".repeat(200)))],
        vec![auditor("a\nb", "age1q")],
        vec![auditor(&"a".repeat(257), "age1q")],
        vec![auditor("a", "age1q"), auditor("b", "age1q")],
        (0..=MAX_RECIPIENTS)
            .map(|n| auditor("a", &format!("age1{n}")))
            .collect(),
    ] {
        assert!(begun(&with(bad.clone())).is_none(), "{bad:?}");
    }
    assert!(begun(&with(vec![auditor("a", "age1q")])).is_some());
}
