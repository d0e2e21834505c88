//! Recordings: round trips, torn tails, alterations, hostile bytes.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use sekisho_evidence::Digest;
use sekisho_evidence::limits::*;
use sekisho_evidence::recording::{
    ChannelKind, DataKey, Decoder, Encoder, End, Exit, Frame, Header, RecordingBreach, Scan, Seal,
    Sealed, Timed, asciicast, scan, seal_after,
};

#[path = "folder/scribe.rs"]
mod scribe;
use scribe::Scribe;

fn header() -> Header {
    Header {
        session: "S-0001".into(),
        plan: "P-17".into(),
        target: "ehr-db".into(),
        person: "W-3".into(),
        protocol: "ssh".into(),
        started_at: 1_790_000_000_123,
        log_origin: "sekisho/kita".into(),
        wrapped_key: b"wrapped".to_vec(),
        recipients: Vec::new(),
        second: None,
    }
}

fn key() -> DataKey {
    DataKey::from_bytes([5; 32])
}

fn seal() -> Seal {
    Seal {
        cause: "peer_gone".into(),
        ended_at: 1_790_000_009_000,
    }
}

fn every_kind() -> Vec<Frame> {
    vec![
        Frame::ChannelOpen {
            kind: ChannelKind::Shell,
            text: "xterm-256color".into(),
        },
        Frame::Resize {
            cols: 120,
            rows: 40,
        },
        Frame::Output("ようこそ\r\n$ ".into()),
        Frame::InputCount {
            bytes: 9,
            sha256: None,
        },
        Frame::Command {
            text: "systemctl restart ehr".into(),
            line: "$ systemctl restart ehr".into(),
        },
        Frame::Error(b"\xff\xfe".to_vec()),
        Frame::Message {
            text: "あと10分です".into(),
        },
        Frame::Marker {
            text: "held".into(),
        },
        Frame::FileOp {
            json: r#"{"op":"put","name":"a"}"#.into(),
        },
        Frame::Flow {
            to_target: u64::MAX,
            to_worker: 3,
        },
        Frame::Forwarded {
            to_target: true,
            data: b"\x00select 1".to_vec(),
        },
        Frame::KeptFile {
            file: 7,
            to_target: true,
            path: b"/opt/\x95\xdb.bin".to_vec(),
        },
        Frame::Content {
            file: 7,
            offset: u64::MAX - 4,
            data: b"\x00\xffabc".to_vec(),
        },
        Frame::Unknown {
            kind: 200,
            payload: vec![1, 2, 3],
        },
        Frame::ChannelClose {
            exit: Some(Exit::Status(130)),
        },
        Frame::ChannelClose {
            exit: Some(Exit::Signal("TERM".into())),
        },
        Frame::ChannelClose { exit: None },
    ]
}

/// A recording of one segment for each list of frames, and where each segment ends.
fn record(segments: &[Vec<Frame>]) -> (Vec<u8>, Vec<usize>, Sealed) {
    let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
    let mut ends = vec![file.len()];
    let mut at = 0;
    for frames in segments {
        for frame in frames {
            at += 7;
            encoder.push(at, 1, frame.clone()).unwrap();
        }
        file.extend(encoder.cut().unwrap());
        ends.push(file.len());
    }
    let (bytes, sealed) = encoder.seal(seal()).unwrap();
    file.extend(bytes);
    (file, ends, sealed)
}

fn decode(file: &[u8]) -> Result<(Vec<Timed>, Option<End>), RecordingBreach> {
    let mut decoder = Decoder::open(file)?;
    decoder.unlock(key());
    let frames = decoder.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((frames, decoder.end().cloned()))
}

#[test]
fn every_kind_of_frame_comes_back() {
    let (file, _, sealed) = record(&[every_kind(), vec![Frame::Output(b"more".to_vec())]]);
    let (frames, end) = decode(&file).unwrap();
    let expected: Vec<Frame> = every_kind()
        .into_iter()
        .chain([Frame::Output(b"more".to_vec())])
        .collect();
    assert_eq!(
        frames
            .iter()
            .map(|timed| timed.frame.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(frames[3].at_ms, 28);
    assert_eq!(end, Some(End::Sealed(sealed.clone())));

    let scan = scan(file.as_slice()).unwrap();
    assert_eq!(
        (scan.header, scan.seal, scan.digest),
        (header(), Some(seal()), sealed.digest)
    );
    assert_eq!(
        (scan.torn, scan.whole_bytes, scan.segments),
        (false, file.len() as u64, 2)
    );
    let totals = scan.totals.unwrap();
    assert_eq!(
        (
            totals.frames,
            totals.output_bytes,
            totals.error_bytes,
            totals.input_bytes
        ),
        (18, Some(20), Some(2), Some(9))
    );
}

#[test]
fn a_recording_without_frames_can_be_sealed() {
    let (file, _, sealed) = record(&[]);
    assert_eq!(scan(file.as_slice()).unwrap().digest, sealed.digest);
    assert_eq!(decode(&file).unwrap().0, []);
}

#[test]
fn any_changed_byte_is_found_without_the_key() {
    let (file, _, sealed) = record(&[every_kind(), every_kind()]);
    for place in 0..file.len() {
        for bit in [0, 7] {
            let mut changed = file.clone();
            changed[place] ^= 1 << bit;
            match scan(changed.as_slice()) {
                Err(_) => {}
                Ok(scan) => assert!(
                    scan.seal.is_none() && scan.digest != sealed.digest,
                    "byte {place}"
                ),
            }
        }
    }
}

#[test]
fn every_cut_gives_the_whole_segments_and_says_where_it_ends() {
    let (file, ends, _) = record(&[every_kind(), every_kind()]);
    for length in 0..file.len() {
        let cut = &file[..length];
        if length < ends[0] {
            assert!(
                matches!(scan(cut), Err(RecordingBreach::HeaderTorn)),
                "cut at {length}"
            );
            continue;
        }
        let whole = ends.iter().rev().find(|end| **end <= length).unwrap();
        let scan = scan(cut).unwrap();
        assert_eq!(
            (scan.whole_bytes, scan.torn_bytes),
            (*whole as u64, (length - whole) as u64)
        );
        assert_eq!(scan.torn, length > *whole);
        let (frames, end) = decode(cut).unwrap();
        assert_eq!(frames.len() as u64, scan.frames);
        assert_eq!(
            end,
            Some(End::Unsealed {
                digest: scan.digest,
                torn_bytes: scan.torn_bytes
            })
        );
    }
}

#[test]
fn a_crash_may_leave_zeros_or_an_unwritten_page_at_the_tail_only() {
    let (file, ends, _) = record(&[every_kind(), every_kind()]);
    let mut zeros = file[..ends[1]].to_vec();
    zeros.resize(ends[1] + 9000, 0);
    let report = scan(zeros.as_slice()).unwrap();
    assert_eq!(
        (report.whole_bytes, report.torn_bytes, report.torn),
        (ends[1] as u64, 9000, true)
    );

    let mut hole = file[..ends[2]].to_vec();
    hole[ends[2] - 60..ends[2] - 20].fill(0);
    assert_eq!(scan(hole.as_slice()).unwrap().whole_bytes, ends[1] as u64);
    // The same hole with something after it is no crash.
    hole.extend_from_slice(&file[ends[2]..]);
    assert!(matches!(
        scan(hole.as_slice()),
        Err(RecordingBreach::Altered(2))
    ));
}

#[test]
fn nothing_may_follow_the_seal_and_segments_cannot_move() {
    let (file, ends, _) = record(&[every_kind(), every_kind()]);
    let mut longer = file.clone();
    longer.push(0);
    assert!(matches!(
        scan(longer.as_slice()),
        Err(RecordingBreach::AfterSeal)
    ));

    let (a, b) = (&file[ends[0]..ends[1]], &file[ends[1]..ends[2]]);
    let swapped = [&file[..ends[0]], b, a, &file[ends[2]..]].concat();
    assert!(scan(swapped.as_slice()).is_err());
    let dropped = [&file[..ends[0]], b, &file[ends[2]..]].concat();
    assert!(scan(dropped.as_slice()).is_err());
    let early_seal = [&file[..ends[1]], &file[ends[2]..]].concat();
    assert!(scan(early_seal.as_slice()).is_err());
}

#[test]
fn a_sweeper_seals_what_a_crash_left_without_the_key() {
    let (file, ends, _) = record(&[every_kind(), every_kind()]);
    let torn = &file[..ends[2] - 5];
    let before = scan(torn).unwrap();
    let cause = Seal {
        cause: "vanished".into(),
        ended_at: 5,
    };
    let (bytes, sealed) = seal_after(&before, cause.clone()).unwrap();
    let repaired = [&torn[..before.whole_bytes as usize], &bytes].concat();
    let after = scan(repaired.as_slice()).unwrap();
    assert_eq!(
        (after.seal.as_ref(), after.digest),
        (Some(&cause), sealed.digest)
    );
    assert_eq!(decode(&repaired).unwrap().0.len(), every_kind().len());
    assert!(matches!(
        seal_after(&after, cause),
        Err(RecordingBreach::Sealed)
    ));
}

#[test]
fn the_key_is_needed_and_only_the_right_one_opens() {
    let (file, _, _) = record(&[every_kind()]);
    let mut locked = Decoder::open(file.as_slice()).unwrap();
    assert!(matches!(locked.next_frame(), Err(RecordingBreach::Locked)));
    let mut wrong = Decoder::open(file.as_slice()).unwrap();
    wrong.unlock(DataKey::from_bytes([6; 32]));
    assert!(matches!(wrong.next_frame(), Err(RecordingBreach::Key(1))));
    assert!(
        wrong.next_frame().unwrap().is_none(),
        "no frame follows an error"
    );
    assert!(!file.windows(9).any(|window| window == b"systemctl"));
}

#[test]
fn typed_input_leaves_no_digest_behind() {
    let digest = Some(Digest::of(b"password"));
    let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
    encoder
        .push(
            0,
            1,
            Frame::ChannelOpen {
                kind: ChannelKind::Shell,
                text: String::new(),
            },
        )
        .unwrap();
    encoder
        .push(
            0,
            2,
            Frame::ChannelOpen {
                kind: ChannelKind::Sftp,
                text: String::new(),
            },
        )
        .unwrap();
    for channel in [1, 2] {
        encoder
            .push(
                1,
                channel,
                Frame::InputCount {
                    bytes: 8,
                    sha256: digest,
                },
            )
            .unwrap();
    }
    file.extend(encoder.seal(seal()).unwrap().0);
    let frames = decode(&file).unwrap().0;
    assert_eq!(
        frames[2].frame,
        Frame::InputCount {
            bytes: 8,
            sha256: None
        }
    );
    assert_eq!(
        frames[3].frame,
        Frame::InputCount {
            bytes: 8,
            sha256: digest
        }
    );
}

#[test]
fn a_clock_that_steps_back_and_text_without_end_do_not_stop_a_recording() {
    let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
    encoder.push(500, 1, Frame::Output(b"a".to_vec())).unwrap();
    encoder
        .push(
            20,
            1,
            Frame::Message {
                text: "関".repeat(1 << 20),
            },
        )
        .unwrap();
    let long = "x".repeat(MAX_FRAME_JSON_BYTES + 1);
    assert!(matches!(
        encoder.push(30, 1, Frame::FileOp { json: long }),
        Err(RecordingBreach::FrameTooLong(_))
    ));
    file.extend(
        encoder
            .seal(Seal {
                cause: "\n".repeat(100_000),
                ended_at: 0,
            })
            .unwrap()
            .0,
    );
    let frames = decode(&file).unwrap().0;
    assert_eq!(
        frames.iter().map(|timed| timed.at_ms).collect::<Vec<_>>(),
        [500, 500]
    );
    let Frame::Message { text } = &frames[1].frame else {
        panic!("{frames:?}")
    };
    assert!(text.ends_with('\u{2026}') && text.len() <= MAX_FRAME_TEXT_BYTES);
    assert_eq!(
        scan(file.as_slice()).unwrap().seal.unwrap().cause.len(),
        MAX_CAUSE_BYTES
    );
}

#[test]
fn a_flood_is_split_into_bounded_segments_and_the_reserve_suffices() {
    // Bytes that do not compress, so that segments are as long as they can be.
    let noise: Vec<u8> = (0_u32..40_000)
        .flat_map(|n| *Digest::of(&n.to_be_bytes()).as_bytes())
        .collect();
    let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
    encoder.push(1, 1, Frame::Output(noise.clone())).unwrap();
    file.extend(encoder.cut().unwrap());
    for chunk in noise.chunks(MAX_FRAME_DATA_BYTES).take(2) {
        encoder.push(2, 1, Frame::Output(chunk.to_vec())).unwrap();
    }
    encoder
        .push(2, 1, Frame::Output(noise[..MAX_FRAME_DATA_BYTES].to_vec()))
        .unwrap();
    let (last, _) = encoder
        .seal(Seal {
            cause: "\u{1}".repeat(MAX_CAUSE_BYTES),
            ended_at: i64::MIN,
        })
        .unwrap();
    assert!(last.len() <= SEAL_RESERVE_BYTES, "{} bytes", last.len());
    file.extend(last);
    let report = scan(file.as_slice()).unwrap();
    assert!(report.segments > 10);
    let output: Vec<u8> = decode(&file)
        .unwrap()
        .0
        .into_iter()
        .flat_map(|timed| match timed.frame {
            Frame::Output(data) => data,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(output[..noise.len()], noise);
}

#[test]
fn hostile_lengths_allocate_nothing_and_are_refused() {
    let (file, ends, _) = record(&[every_kind()]);
    let mut long_header = file.clone();
    long_header[10..14].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(
        scan(long_header.as_slice()),
        Err(RecordingBreach::Header)
    ));
    for offset in [25, 29, 33] {
        let mut long = file.clone();
        long[ends[0] + offset..ends[0] + offset + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(scan(long.as_slice()).is_err(), "offset {offset}");
    }
    assert!(matches!(
        scan(&b"SKREC\r\n\0\0\x04\0\0\0\0"[..]),
        Err(RecordingBreach::NotARecording)
    ));
    assert!(matches!(
        scan(&b"something else entirely"[..]),
        Err(RecordingBreach::NotARecording)
    ));
}

#[test]
fn an_idle_encoder_is_small() {
    let (mut encoder, _) = Scribe::start(&header(), key()).unwrap();
    encoder
        .push(1, 1, Frame::Output(vec![b'x'; 60_000]))
        .unwrap();
    assert!(!encoder.cut().unwrap().is_empty());
    assert!(encoder.cut().unwrap().is_empty());
    assert!(size_of::<Encoder>() < 1024);
}

#[test]
fn asciicast_has_the_size_the_output_and_the_commands() {
    let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
    let mut push = |at, channel, frame| encoder.push(at, channel, frame).unwrap();
    push(
        0,
        1,
        Frame::ChannelOpen {
            kind: ChannelKind::Shell,
            text: String::new(),
        },
    );
    push(
        0,
        1,
        Frame::Resize {
            cols: 100,
            rows: 30,
        },
    );
    // A character cut between two frames must come out whole.
    push(1_005, 1, Frame::Output("関".as_bytes()[..2].to_vec()));
    push(1_006, 2, Frame::Output(b"another channel".to_vec()));
    push(
        1_010,
        1,
        Frame::Output(["関".as_bytes()[2..].to_vec(), b"\x1b[0m\"\r\n".to_vec()].concat()),
    );
    push(2_000, 1, Frame::Resize { cols: 80, rows: 24 });
    push(
        2_500,
        1,
        Frame::Command {
            text: "ls".into(),
            line: "$ ls".into(),
        },
    );
    push(3_000, 1, Frame::Output(b"\xe9".to_vec()));
    file.extend(encoder.seal(seal()).unwrap().0);

    let mut decoder = Decoder::open(file.as_slice()).unwrap();
    decoder.unlock(key());
    let mut out = Vec::new();
    let events = asciicast(&header(), decoder, 1, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (
            lines[0]["version"].as_u64(),
            lines[0]["width"].as_u64(),
            lines[0]["height"].as_u64()
        ),
        (Some(2), Some(100), Some(30))
    );
    assert_eq!(lines[0]["timestamp"], 1_790_000_000);
    assert_eq!(
        lines[1],
        serde_json::json!([1.01, "o", "関\u{1b}[0m\"\r\n"])
    );
    assert_eq!(lines[2], serde_json::json!([2.0, "r", "80x24"]));
    assert_eq!(lines[3], serde_json::json!([2.5, "m", "$ ls"]));
    assert_eq!(lines[4], serde_json::json!([3.0, "o", "\u{fffd}"]));
    assert_eq!((events, lines.len()), (4, 5));
}

fn any_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..2000).prop_map(Frame::Output),
        proptest::collection::vec(any::<u8>(), 1..200).prop_map(Frame::Error),
        (any::<u32>(), any::<u32>()).prop_map(|(cols, rows)| Frame::Resize { cols, rows }),
        "\\PC{0,100}".prop_map(|text| Frame::Command {
            line: format!("$ {text}"),
            text
        }),
        "\\PC{0,100}".prop_map(|text| Frame::Message { text }),
        "\\PC{0,100}".prop_map(|json| Frame::FileOp { json }),
        any::<u64>().prop_map(|to_target| Frame::Flow {
            to_target,
            to_worker: 0
        }),
        (
            any::<u32>(),
            any::<u64>(),
            proptest::collection::vec(any::<u8>(), 1..2000)
        )
            .prop_map(|(file, offset, data)| Frame::Content { file, offset, data }),
        any::<u32>().prop_map(|status| Frame::ChannelClose {
            exit: Some(Exit::Status(status))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_goes_in_comes_out(steps in proptest::collection::vec((any_frame(), 0_u64..10_000, any::<u32>(), any::<bool>()), 0..60)) {
        let (mut encoder, mut file) = Scribe::start(&header(), key()).unwrap();
        let mut at = 0;
        let mut expected = Vec::new();
        for (frame, delta, channel, cut) in steps {
            at += delta;
            encoder.push(at, channel, frame.clone()).unwrap();
            expected.push(Timed { at_ms: at, channel, frame });
            if cut {
                file.extend(encoder.cut().unwrap());
            }
        }
        let (bytes, sealed) = encoder.seal(seal()).unwrap();
        file.extend(bytes);
        let (frames, end) = decode(&file).unwrap();
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(end, Some(End::Sealed(sealed)));
    }

    #[test]
    fn hostile_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..400), place in 0_usize..700) {
        let (mut file, _, _) = record(&[every_kind()]);
        file.truncate(place);
        file.extend(&tail);
        let _: Result<Scan, _> = scan(file.as_slice());
        let _ = decode(&file);
    }
}
