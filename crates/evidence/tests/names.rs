//! Names in the header of a recording.
#![allow(clippy::unwrap_used, missing_docs)]

use sekisho_evidence::limits::MAX_RECIPIENTS;
use sekisho_evidence::limits::MAX_WRAPPED_KEY_BYTES;
use sekisho_evidence::recording::{DataKey, Decoder, Encoder, Header, Recipient, RecipientKind, RecordingBreach, SecondShare, path_of};

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
        second: None,
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
        // Another version in front of the same JSON is neither.
        let mut other = bytes.clone();
        for wrong in (1..=3).filter(|wrong| *wrong != version) {
            other[9] = wrong;
            assert!(matches!(Decoder::open(other.as_slice()), Err(RecordingBreach::Header)));
        }
        other[9] = 4;
        assert!(matches!(Decoder::open(other.as_slice()), Err(RecordingBreach::NotARecording)));
    }
}

fn shared() -> Header {
    Header {
        recipients: vec![
            recipient(RecipientKind::Hospital, "", "age1hospital"),
            recipient(RecipientKind::Second, "院長 一郎", "age1second"),
        ],
        second: Some(SecondShare { wrapped_share: b"shared".to_vec(), share_digest: SecondShare::digest_of(&[7; 32]) }),
        ..header("S-0001", "ehr-db")
    }
}

#[test]
fn a_header_with_a_second_share_is_of_version_3_and_says_who_opens_it() {
    let header = shared();
    let bytes = begun(&header).unwrap();
    assert_eq!(&bytes[8..10], [0, 3]);
    assert_eq!(Decoder::open(bytes.as_slice()).unwrap().header(), &header);
    // The form for ever: docs/formats/recording.md, to the byte.
    let json = r#"{"session":"S-0001","plan":"P-17","target":"ehr-db","person":"W-3","protocol":"ssh","started_at":1790000000123,"log_origin":"sekisho/kita","wrapped_key":"d3JhcHBlZA==","recipients":[{"kind":"hospital","name":"","key":"age1hospital"},{"kind":"second","name":"院長 一郎","key":"age1second"}],"second":{"wrapped_share":"c2hhcmVk","share_digest":"2a85c9d9bac080da5bfbdc8aa7e7e69068201615f335f347b2e2ed9536492688"}}"#;
    let length = u32::try_from(json.len()).unwrap().to_be_bytes();
    assert_eq!(bytes, [b"SKREC\r\n\0\0\x03".as_slice(), &length, json.as_bytes()].concat());
    for version in [1, 2] {
        let mut other = bytes.clone();
        other[9] = version;
        assert!(matches!(Decoder::open(other.as_slice()), Err(RecordingBreach::Header)), "{version}");
    }
}

#[test]
fn a_second_share_without_somebody_who_opens_it_is_no_header() {
    assert!(begun(&shared()).is_some());
    let share = |wrapped_share: Vec<u8>| Some(SecondShare { wrapped_share, share_digest: SecondShare::digest_of(&[7; 32]) });
    for bad in [
        Header { second: None, ..shared() },
        Header { second: share(Vec::new()), ..shared() },
        Header { second: share(vec![0; MAX_WRAPPED_KEY_BYTES + 1]), ..shared() },
        Header { recipients: shared().recipients[..1].to_vec(), ..shared() },
        Header { recipients: shared().recipients[1..].to_vec(), ..shared() },
        Header { recipients: Vec::new(), ..shared() },
    ] {
        assert!(begun(&bad).is_none(), "{bad:?}");
    }
}

#[test]
fn both_shares_make_the_key_and_another_share_makes_none() {
    let (key, first) = ([9_u8; 32], [7_u8 ^ 9; 32]);
    let second = SecondShare { wrapped_share: b"shared".to_vec(), share_digest: SecondShare::digest_of(&[7; 32]) };
    assert!(second.join(&first, &[8; 32]).is_none(), "a share that the header does not name");
    let joined = second.join(&first, &[7; 32]).unwrap();
    assert_eq!(joined.expose(), &key);
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
