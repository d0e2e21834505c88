//! Exchanges of the key and witnesses, and what can be done against them.
#![allow(clippy::unwrap_used, missing_docs)]

mod folder;

use folder::{Folder, ORIGIN, signing_key};
use sekisho_evidence::checkpoint::{self, PublicKey, SigningKey};
use sekisho_evidence::cosignature::WitnessKey;
use sekisho_evidence::log::{Files, MemoryFiles, Publisher};
use sekisho_evidence::rotation;
use sekisho_evidence::verify::{Recordings, Trust, Verdict, cosigned_path, verify_with};

fn second() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap()
}

fn third() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap()
}

fn check(files: &dyn Files, key: &PublicKey, outside: &[String]) -> Verdict {
    verify_with(files, &Trust { keys: std::slice::from_ref(key), outside, witnesses: &[], timestamps: None }, Recordings::Skip)
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

/// Publishes bodies as a log whose head these keys sign; the exchanges are those of `(entry, old, new)`.
fn publish(bodies: &[Vec<u8>], exchanges: &[(usize, &SigningKey, &SigningKey)], last: &SigningKey) -> MemoryFiles {
    let mut files = MemoryFiles::new();
    let mut publisher = Publisher::new();
    for (seq, body) in bodies.iter().enumerate() {
        publisher.append(body).unwrap();
        for (_, old, new) in exchanges.iter().filter(|(at, ..)| *at == seq) {
            let note = checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), old).unwrap();
            let note = checkpoint::sign_again(&note, new).unwrap();
            files.put(rotation::path_of(seq as u64), rotation::text_of(seq as u64, old, new, &note).unwrap().into_bytes());
        }
    }
    for file in publisher.take_files() {
        files.put(file.path, file.bytes);
    }
    let note = checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), last).unwrap();
    files.put("log/checkpoint".to_owned(), note.into_bytes());
    files
}

/// Twelve entries: the first key until 5, the second until 9, the third from there on.
fn story() -> Folder {
    let mut folder = Folder::new();
    folder.entry("initialised", &format!(r#","origin":"{ORIGIN}","key":"{}""#, signing_key().public()));
    for n in 1..12 {
        match n {
            5 => folder.entry("key_rotated", &format!(r#","old":"{}","new":"{}""#, signing_key().public(), second().public())),
            9 => folder.entry("key_rotated", &format!(r#","old":"{}","new":"{}""#, second().public(), third().public())),
            _ => folder.note("login"),
        }
    }
    folder
}

#[test]
fn a_log_is_followed_from_any_of_its_keys_through_each_exchange() {
    let (one, two, three) = (signing_key(), second(), third());
    let files = publish(&story().bodies, &[(5, &one, &two), (9, &two, &three)], &three);
    for key in [one.public(), two.public(), three.public()] {
        let verdict = check(&files, key, &[]);
        assert!(verdict.ok && verdict.findings.is_empty(), "{verdict}");
    }
    // What the first key signed outside long ago still counts.
    let early = Publisher::new();
    let mut early = early;
    for body in &story().bodies[..3] {
        early.append(body).unwrap();
    }
    let note = checkpoint::sign(ORIGIN, 3, &early.root(), &one).unwrap();
    assert!(check(&files, three.public(), &[note]).ok);
    let stranger = SigningKey::from_seed(ORIGIN, &[77; 32]).unwrap();
    assert_eq!(codes(&check(&files, stranger.public(), &[])), ["key-chain"]);
}

#[test]
fn history_that_was_sealed_again_with_todays_key_is_found() {
    let (one, two, three) = (signing_key(), second(), third());
    let exchanges = [(5, &one, &two), (9, &two, &three)];
    let honest = publish(&story().bodies, &exchanges, &three);
    let mut bodies = story().bodies;
    bodies[2] = String::from_utf8(bodies[2].clone()).unwrap().replace("login", "logix").into_bytes();
    // Whoever has today's key alone can sign a new head, and not what the keys before it signed.
    let mut forged = publish(&bodies, &[], &three);
    for seq in [5, 9] {
        forged.put(rotation::path_of(seq), honest.read(&rotation::path_of(seq)).unwrap().unwrap());
    }
    let verdict = check(&forged, one.public(), &[]);
    assert_eq!(codes(&verdict), ["log-forked", "log-forked"], "{verdict}");
    assert_eq!(verdict.first_bad.as_deref(), Some("log/rotations/5"));
    // Without the files of the exchanges nothing leads to today's key.
    let bare = publish(&bodies, &[], &three);
    assert_eq!(codes(&check(&bare, one.public(), &[])), ["checkpoint"]);
    // And for whoever knows today's key alone, the entries tell of exchanges that nobody signed.
    assert!(codes(&check(&bare, three.public(), &[])).contains(&"rotation-missing"));
}

#[test]
fn an_exchange_that_the_key_before_did_not_sign_is_none() {
    let (one, two, three) = (signing_key(), second(), third());
    let mut files = publish(&story().bodies, &[(5, &one, &two), (9, &two, &three)], &three);
    let text = String::from_utf8(files.read(&rotation::path_of(5)).unwrap().unwrap()).unwrap();
    let forged = text.replacen(&one.public().to_string(), &three.public().to_string(), 1);
    files.put(rotation::path_of(5), forged.into_bytes());
    assert!(codes(&check(&files, one.public(), &[])).contains(&"rotation"));
    // A thief of today's key who begins a log of their own under the first key's name.
    let thief = SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap();
    let mut folder = Folder::new();
    folder.entry("initialised", &format!(r#","origin":"{ORIGIN}","key":"{}""#, signing_key().public()));
    folder.note("login");
    let files = publish(&folder.bodies, &[], &thief);
    assert_eq!(codes(&check(&files, thief.public(), &[])), ["first-key"]);
    // An exchange without an entry, and an entry without its file.
    let mut quiet = Folder::new();
    for _ in 0..8 {
        quiet.note("login");
    }
    let files = publish(&quiet.bodies, &[(5, &one, &two)], &two);
    assert_eq!(codes(&check(&files, one.public(), &[])), ["rotation-without-entry"]);
}

#[test]
fn a_key_of_ones_own_beside_a_genuine_checkpoint_is_no_exchange() {
    let (one, thief) = (signing_key(), SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap());
    let mut folder = Folder::new();
    for _ in 0..8 {
        folder.note("login");
    }
    let honest = publish(&folder.bodies, &[], &one);
    let head = String::from_utf8(honest.read("log/checkpoint").unwrap().unwrap()).unwrap();
    // The head went to mailboxes and shares. Whoever has it writes on as they like, names a key of theirs as the next one, and
    // has every signature but the one of the log's key over just this exchange.
    let mut bodies = folder.bodies.clone();
    bodies[7] = format!(r#"{{"seq":7,"at":1790000000000,"kind":"key_rotated","old":"{}","new":"{}"}}"#, one.public(), thief.public()).into_bytes();
    bodies.push(br#"{"seq":8,"at":1790000000000,"kind":"invented"}"#.to_vec());
    let mut forged = publish(&bodies, &[], &thief);
    let note = checkpoint::sign_again(&head, &thief).unwrap();
    let genuine = rotation::text_of(7, &one, &thief, &note).unwrap();
    assert!(rotation::read("7", &genuine).unwrap().is_told_by(&bodies[7]) && !rotation::read("7", &genuine).unwrap().is_told_by(&bodies[6]));
    let lines: Vec<&str> = genuine.splitn(4, '\n').collect();
    let (_, by_thief) = (lines[2], lines[3].split_once('\n').unwrap().0);
    let bare = format!("{}\n{}\n\n{note}", one.public(), thief.public());
    let own = genuine.replacen(lines[2], by_thief, 1);
    // A genuine exchange speaks of one entry and one head.
    let elsewhere = rotation::text_of(6, &one, &thief, &note).unwrap();
    for text in [bare, own, elsewhere] {
        assert!(rotation::read("7", &text).is_err(), "{text}");
        forged.put(rotation::path_of(7), text.into_bytes());
        let verdict = check(&forged, one.public(), &[]);
        assert!(!verdict.ok && codes(&verdict).contains(&"rotation"), "{verdict}");
    }
}

#[test]
fn a_witness_stands_against_whoever_holds_the_logs_key() {
    let one = signing_key();
    let witness = WitnessKey::from_seed("witness.example", &[3; 32]).unwrap();
    let stranger = WitnessKey::from_seed("witness.example", &[4; 32]).unwrap();
    let mut folder = Folder::new();
    for _ in 0..6 {
        folder.note("login");
    }
    let mut files = publish(&folder.bodies, &[], &one);
    let note = String::from_utf8(files.read("log/checkpoint").unwrap().unwrap()).unwrap();
    let cosigned = format!("{note}{}", witness.cosign(&note, 1_800_000_000).unwrap());
    let ask = |files: &MemoryFiles, key: &WitnessKey| verify_with(files, &Trust { keys: &[one.public().clone()], outside: &[], witnesses: &[key.public().clone()], timestamps: None }, Recordings::Skip);
    assert_eq!(codes(&ask(&files, &witness)), ["witness-missing"]);
    files.put(cosigned_path(witness.public()), cosigned.clone().into_bytes());
    let verdict = ask(&files, &witness);
    assert!(verdict.ok && verdict.to_string().contains("WITNESS witness.example: 6 entries"), "{verdict}");
    files.put(cosigned_path(stranger.public()), cosigned.clone().into_bytes());
    assert_eq!(codes(&ask(&files, &stranger)), ["witness-signature"]);
    // The log's own key rewrites everything; what the witness signed stands against it.
    let mut bodies = folder.bodies.clone();
    bodies[1] = String::from_utf8(bodies[1].clone()).unwrap().replace("login", "logix").into_bytes();
    let mut forged = publish(&bodies, &[], &one);
    forged.put(cosigned_path(witness.public()), cosigned.clone().into_bytes());
    assert_eq!(codes(&ask(&forged, &witness)), ["log-forked"]);
    let mut cut = publish(&folder.bodies[..4], &[], &one);
    cut.put(cosigned_path(witness.public()), cosigned.into_bytes());
    assert_eq!(codes(&ask(&cut, &witness)), ["log-cut"]);
}

#[test]
fn what_a_key_signed_after_it_was_laid_down_is_told_as_that() {
    let (one, two, three) = (signing_key(), second(), third());
    let story = story();
    let files = publish(&story.bodies, &[(5, &one, &two), (9, &two, &three)], &three);
    let head = |bodies: &[Vec<u8>], size: usize, key: &SigningKey| {
        let mut publisher = Publisher::new();
        bodies.iter().cycle().take(size).for_each(|body| {
            publisher.append(body).unwrap();
        });
        checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), key).unwrap()
    };
    let mut others = story.bodies.clone();
    others[2] = b"{}".to_vec();
    // The first key was laid down at entry 5, over a head of six entries.
    for (bodies, size, key, told) in [
        (&story.bodies, 6, &one, None),
        (&story.bodies, 8, &one, None),
        (&others, 6, &one, Some("log-forked")),
        (&others, 7, &one, Some("former-key")),
        (&others, 20, &one, Some("former-key")),
        (&others, 20, &two, Some("former-key")),
        (&others, 8, &two, Some("log-forked")),
        (&others, 20, &three, Some("log-cut")),
    ] {
        let verdict = check(&files, three.public(), &[head(bodies, size, key)]);
        assert_eq!(codes(&verdict), told.into_iter().collect::<Vec<_>>(), "{size} entries: {verdict}");
        assert_eq!(verdict.ok, told.is_none());
    }
}

#[test]
fn a_witness_that_has_not_looked_for_an_hour_is_told() {
    let (one, witness) = (signing_key(), WitnessKey::from_seed("witness.example", &[3; 32]).unwrap());
    const HOUR: i64 = 3_600_000;
    let told = |last: i64, seen: usize| {
        let bodies: Vec<Vec<u8>> = [0, 10, 20, last].iter().enumerate().map(|(seq, at)| format!(r#"{{"seq":{seq},"at":{},"actor":{{"system":true}},"kind":"login"}}"#, folder::START + at).into_bytes()).collect();
        let mut files = publish(&bodies, &[], &one);
        let early = publish(&bodies[..seen], &[], &one);
        let note = String::from_utf8(early.read("log/checkpoint").unwrap().unwrap()).unwrap();
        files.put(cosigned_path(witness.public()), format!("{note}{}", witness.cosign(&note, 1_800_000_000).unwrap()).into_bytes());
        let trust = Trust { keys: &[one.public().clone()], outside: &[], witnesses: &[witness.public().clone()], timestamps: None };
        let verdict = verify_with(&files, &trust, Recordings::Skip);
        assert!(verdict.ok, "what it signed is there: {verdict}");
        codes(&verdict).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // From the first entry that it has not seen to the last one.
    assert_eq!(told(20 + HOUR, 2), Vec::<String>::new());
    assert_eq!(told(21 + HOUR, 2), ["witness-behind"]);
    assert_eq!(told(21 + HOUR, 4), Vec::<String>::new(), "it has seen them all");
    assert_eq!(told(21 + HOUR, 3), Vec::<String>::new(), "the one entry that it has not seen is new");
}

#[test]
fn each_key_that_is_known_must_be_one_of_the_logs() {
    let (one, two, three, thief) = (signing_key(), second(), third(), SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap());
    let honest = publish(&story().bodies, &[(5, &one, &two), (9, &two, &three)], &three);
    // Whoever has the first key alone goes on from before its exchange, to a key of theirs.
    let mut bodies = story().bodies[..5].to_vec();
    let at = folder::START + 50;
    bodies.push(format!(r#"{{"seq":5,"at":{at},"actor":{{"system":true}},"kind":"key_rotated","old":"{}","new":"{}"}}"#, one.public(), thief.public()).into_bytes());
    let forged = publish(&bodies, &[(5, &one, &thief)], &thief);
    let ask = |files: &MemoryFiles, keys: &[&SigningKey]| {
        let keys: Vec<PublicKey> = keys.iter().map(|key| key.public().clone()).collect();
        verify_with(files, &Trust { keys: &keys, outside: &[], witnesses: &[], timestamps: None }, Recordings::Skip)
    };
    assert!(ask(&forged, &[&one]).ok, "the first key alone cannot tell them apart");
    for keys in [[&one, &three], [&three, &one], [&two, &one]] {
        assert!(ask(&honest, &keys).ok);
        assert!(!ask(&forged, &keys).ok && codes(&ask(&forged, &keys)).contains(&"key-chain"), "{}", ask(&forged, &keys));
    }
}
