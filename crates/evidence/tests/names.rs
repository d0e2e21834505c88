//! Names in the header of a recording.
#![allow(clippy::unwrap_used, missing_docs)]

use sekisho_evidence::recording::{DataKey, Encoder, Header, path_of};

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
