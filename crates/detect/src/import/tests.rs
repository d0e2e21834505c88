use super::*;
use crate::login::{Kind, Way};
use proptest::prelude::*;

#[path = "evtx_writer.rs"]
mod evtx_writer;
use evtx_writer::{Event, evtx, logon};

const NOW: i64 = 1_795_237_200_000;

fn seen(contents: &Contents) -> Vec<(Kind, Way, String, Option<String>, Option<u16>)> {
    contents.records.iter().map(|record| (record.login.kind, record.login.way, record.login.account.clone(), record.login.from.map(|from| from.to_string()), record.login.port)).collect()
}

#[test]
fn events_of_windows_are_read_with_their_values_and_times() {
    let user = |id, provider, names: &[(&'static str, &str)]| Event {
        id,
        provider,
        channel: "Operational",
        computer: "EHR-DB01.aoba.local",
        at: NOW + 5000,
        data: names.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let file = evtx(
        100,
        &[
            logon(4624, "EHR-DB01.aoba.local", NOW, 10, "maint", "192.168.30.7", "50001"),
            logon(4625, "EHR-DB01.aoba.local", NOW + 1000, 3, "admin", "203.0.113.9", "0"),
            logon(4624, "EHR-DB01.aoba.local", NOW + 2000, 5, "SYSTEM", "-", "-"),
            user(1149, "Microsoft-Windows-TerminalServices-RemoteConnectionManager", &[("/Param1", "maint"), ("/Param3", "192.168.30.7")]),
            user(21, "Microsoft-Windows-TerminalServices-LocalSessionManager", &[("/User", "AOBA\\maint"), ("/Address", "192.168.30.7")]),
            // Anybody can write an event of any number under a name of their own.
            Event { provider: "Harmless-Program", channel: "Application", ..logon(4624, "EHR-DB01.aoba.local", NOW, 10, "nobody", "10.0.0.1", "1") },
        ],
    );
    let contents = read(&file, false, 100).unwrap();
    assert_eq!((contents.form, contents.total, contents.troubles.as_slice()), (ImportForm::Evtx, 6, [].as_slice()));
    let place = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen(&contents),
        [
            (Kind::Opened, Way::Desktop, "maint".into(), place("192.168.30.7"), Some(50001)),
            (Kind::Failed, Way::Network, "admin".into(), place("203.0.113.9"), None),
            (Kind::Opened, Way::Desktop, "maint".into(), place("192.168.30.7"), None),
            (Kind::Opened, Way::Desktop, "maint".into(), place("192.168.30.7"), None),
        ]
    );
    assert_eq!((contents.records[0].login.at, contents.first, contents.last), (Some(Timestamp(NOW)), Some(Timestamp(NOW)), Some(Timestamp(NOW + 5000))));
    assert_eq!(contents.hosts.iter().map(String::as_str).collect::<Vec<_>>(), ["EHR-DB01.aoba.local"]);
    assert!(contents.records[0].shown.contains("TargetUserName=maint") && contents.records[0].shown.contains("Record=100"), "{}", contents.records[0].shown);
    // The same record in another file is the same.
    let later = read(&evtx(100, &[logon(4624, "EHR-DB01.aoba.local", NOW, 10, "maint", "192.168.30.7", "50001")]), false, 100).unwrap();
    assert_eq!(later.records[0].identity, contents.records[0].identity);
    // One of the same number and time that says something else is another, and stands in its place.
    for other in [logon(4624, "EHR-DB01.aoba.local", NOW, 10, "guest", "192.168.30.7", "50001"), logon(4624, "EHR-DB01.aoba.local", NOW, 10, "maint", "192.168.30.8", "50001"), logon(4624, "EHR-DB01.aoba.local", NOW, 10, "maint", "192.168.30.7", "50002"), logon(4624, "EHR-DB01.aoba.local", NOW, 3, "maint", "192.168.30.7", "50001")] {
        let other = read(&evtx(100, &[other]), false, 100).unwrap();
        assert_ne!(other.records[0].identity, contents.records[0].identity);
        assert_eq!(other.records[0].place, contents.records[0].place);
    }
    assert!(read(&file, false, 2).unwrap().troubles[0].ends_with("2 further records are too many and were not read"));
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_read() {
    let events: Vec<Event> = (0..20).map(|n| logon(4624, "EHR-DB01", NOW + n, 10, "maint", "192.168.30.7", "50001")).collect();
    let file = evtx(1, &events);
    assert_eq!(read(&file, false, 100).unwrap().records.len(), 20);
    let mut changed = file.clone();
    let at = changed.windows(10).rposition(|window| window == "50001".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    changed[at] = b'6';
    let contents = read(&changed, false, 100).unwrap();
    assert!(contents.records.len() == 20 && contents.troubles[0].contains("checksum"), "{:?}", contents.troubles);
    let cut = read(&file[..file.len() - 100], false, 100).unwrap();
    assert!(cut.records.is_empty() && cut.troubles[0].contains("cut off"), "{:?}", cut.troubles);
    for bad in [&b""[..], b"ElfFile", b"MZ", b"PK\x03\x04", &[0; 383], &[0xff; 384], &[b'x'; 400]] {
        assert_eq!(read(bad, false, 100).err(), Some(NotRead::Form), "{bad:?}");
    }
    assert_eq!(read(b"ElfFile\0", false, 100).unwrap().total, 0);
}

fn utmp(wide: bool, kind: u16, line: &str, user: &str, host: &str, seconds: i64, address: [u8; 16]) -> Vec<u8> {
    let mut record = vec![0; if wide { 400 } else { 384 }];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &kind.to_le_bytes());
    put(4, &4711_u32.to_le_bytes());
    put(8, line.as_bytes());
    put(44, user.as_bytes());
    put(76, host.as_bytes());
    if wide {
        put(344, &seconds.to_le_bytes());
        put(360, &address);
    } else {
        put(340, &u32::try_from(seconds).unwrap().to_le_bytes());
        put(348, &address);
    }
    record
}

#[test]
fn records_of_both_layouts_are_read_as_logins() {
    let v4 = |last| [192, 168, 30, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let v6 = "2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets();
    for wide in [false, true] {
        let file = [
            utmp(wide, 2, "~", "reboot", "6.1.0", 1_795_237_000, [0; 16]),
            utmp(wide, 7, "pts/0", "maint", "192.168.30.7", 1_795_237_200, v4(7)),
            utmp(wide, 8, "pts/0", "", "", 1_795_237_300, [0; 16]),
            utmp(wide, 7, "pts/1", "yamada", "pc7", 1_795_237_201, v6),
            utmp(wide, 7, "tty1", "root", "", 1_795_237_202, [0; 16]),
            utmp(wide, 7, "pts/2", "maint", "tmux(1234).%0", 1_795_237_203, [0; 16]),
        ]
        .concat();
        let contents = read(&file, false, 100).unwrap();
        assert_eq!((contents.form, contents.total), (ImportForm::Wtmp, 6));
        assert_eq!(
            seen(&contents),
            [
                (Kind::Opened, Way::Shell, "maint".into(), Some("192.168.30.7".into()), None),
                (Kind::Opened, Way::Shell, "yamada".into(), Some("2001:db8::7".into()), None),
                (Kind::Opened, Way::Console, "root".into(), None, None),
            ],
            "wide: {wide}"
        );
        assert_eq!(contents.records[0].login.at, Some(Timestamp(1_795_237_200_000)));
    }
    let attempts = read(&utmp(false, 6, "ssh:notty", "admin", "203.0.113.9", 1_795_237_200, [203, 0, 113, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), true, 100).unwrap();
    assert_eq!(seen(&attempts), [(Kind::Failed, Way::Shell, "admin".into(), Some("203.0.113.9".into()), None)]);
}

#[test]
fn a_file_of_logins_is_not_read_as_one_of_attempts_nor_the_other_way_round() {
    let from = [192, 168, 30, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for wide in [false, true] {
        let one = |kind, line: &str, user: &str| utmp(wide, kind, line, user, "192.168.30.7", 1_795_237_200, from);
        let kinds = |file: &[u8], failed| read(file, failed, 100).map(|contents| contents.records.iter().map(|record| record.login.kind).collect::<Vec<_>>());
        for screen in [one(7, "pts/0", "maint"), one(8, "pts/0", ""), one(2, "~", "reboot"), one(1, "~", "runlevel")] {
            assert_eq!(kinds(&screen, true), Err(NotRead::Logins), "a screen is opened by whoever came in");
            assert!(kinds(&screen, false).is_ok());
        }
        for attempt in [one(6, "ssh:notty", "admin"), one(6, "tty1", "admin"), one(7, "ssh:notty", "admin")] {
            assert_eq!(kinds(&attempt, false), Err(NotRead::Attempts));
            assert_eq!(kinds(&attempt, true), Ok(vec![Kind::Failed]));
        }
        // A desktop writes both alike, and a console that waits for a name is no attempt.
        for either in [one(7, "tty2", "maint"), one(6, "tty1", "LOGIN")] {
            assert!(kinds(&either, true).is_ok() && kinds(&either, false).is_ok());
        }
        // Whoever mixes them hides no login: each is read as what it says itself.
        let mixed = [one(6, "ssh:notty", "admin"), one(7, "pts/0", "maint")].concat();
        assert_eq!(kinds(&mixed, true), Err(NotRead::Logins));
        assert_eq!(kinds(&mixed, false), Ok(vec![Kind::Failed, Kind::Opened]));
        assert!(read(&mixed, false, 100).unwrap().troubles[0].contains("in one file"));
    }
}

/// A template that asks for itself, and one that is asked for again and again.
#[test]
fn a_file_that_asks_for_endless_work_gets_an_end() {
    let events: Vec<Event> = (0..60).map(|n| logon(4624, "EHR-DB01", NOW + n, 10, "maint", "192.168.30.7", "50001")).collect();
    let mut file = evtx(1, &events);
    // Every substitution becomes one of the kind that holds an event, and points to whatever comes.
    for at in 4096 + 512..file.len() - 4 {
        if file[at] == 0x0d && file[at + 3] == 0x01 {
            file[at] = 0x0c;
        }
    }
    let contents = read(&file, false, 100).unwrap();
    assert!(!contents.troubles.is_empty());
}

/// Many tiny records that share one template of long texts: what is read and kept has an end, and it is told.
#[test]
fn a_file_of_small_records_with_long_texts_is_bounded_in_work_and_memory() {
    let long = "x".repeat(1000);
    let of = |n| {
        let mut event = logon(4624, "EHR-DB01", NOW + n, 10, "maint", "192.168.30.7", "50001");
        event.data.extend(["WorkOne", "WorkTwo", "WorkThree", "WorkFour"].map(|name| (name, long.clone())));
        event
    };
    let events: Vec<Event> = (0..6).map(of).collect();
    let one = evtx(1, &events);
    let mut file = one[..4096].to_vec();
    for _ in 0..40 {
        file.extend_from_slice(&one[4096..4096 + 65_536]);
    }
    let contents = read(&file, false, 200_000).unwrap();
    assert_eq!((contents.records.len(), contents.troubles.len()), (240, 0), "what is merely long is read: {:?}", contents.troubles);
    // The same texts asked for a thousand times by one record: the work of the chunk ends before they do.
    let mut reader = binxml::Reader::new(&one[4096..4096 + 65_536], 5_000);
    let mut read_of = 0;
    while reader.event(512 + 24, 65_536).is_ok() && read_of < 1_000 {
        read_of += 1;
    }
    assert!(reader.is_spent() && read_of < 2, "bytes are counted, and not tokens: {read_of}");
    let mut kept = Contents::new(ImportForm::Evtx);
    let record = &contents.records[0];
    let many = (0..200_000).take_while(|_| kept.keep(record.clone(), 200_000)).count();
    assert!((1_000..60_000).contains(&many), "{many} of {} bytes", record.identity.len());
}

proptest! {
    #[test]
    fn whatever_is_in_a_chunk_is_no_panic(places in prop::collection::vec((512_usize..6000, any::<u8>()), 1..40)) {
        let events: Vec<Event> = (0..8).map(|n| logon(4624, "EHR-DB01", NOW + n, 10, "maint", "192.168.30.7", "50001")).collect();
        let mut file = evtx(1, &events);
        for (at, byte) in places {
            file[4096 + at] = byte;
        }
        let contents = read(&file, false, 100).unwrap();
        prop_assert!(contents.records.len() <= 100);
    }

    #[test]
    fn whatever_is_a_record_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 384..1200)) {
        let _ = read(&bytes, false, 10);
        let mut whole = bytes;
        whole.truncate(384);
        whole[0] = 7;
        whole[1] = 0;
        let _ = read(&whole, true, 10);
    }
}
