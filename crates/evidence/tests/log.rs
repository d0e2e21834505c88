//! The log against itself and against an independent reader of the same formats.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{self, CheckpointBreach, KeyBreach, PublicKey, SigningKey};
use sekisho_evidence::limits::MAX_ENTRY_BYTES;
use sekisho_evidence::log::{
    Files, LogBreach, MemoryFiles, ProofBreach, Publisher, Tree, empty_root, leaf_hash, prove,
    prove_consistency, split_bundle, tiles, verify_consistency, verify_inclusion,
};

fn body(seq: u64) -> Vec<u8> {
    format!("entry {seq}").into_bytes()
}

/// A log that was published in steps, with all partial files left in place.
fn published(steps: &[u64]) -> (MemoryFiles, Publisher) {
    let (mut files, mut publisher) = (MemoryFiles::new(), Publisher::new());
    for step in steps {
        for _ in 0..*step {
            publisher.append(&body(publisher.size())).unwrap();
        }
        for file in publisher.take_files() {
            files.put(file.path, file.bytes);
        }
    }
    (files, publisher)
}

fn roots(size: u64) -> Vec<Digest> {
    let mut tree = Tree::new();
    let mut roots = vec![tree.root()];
    for seq in 0..size {
        tree.append(leaf_hash(&body(seq)));
        roots.push(tree.root());
    }
    roots
}

#[test]
fn the_tree_is_that_of_rfc_6962() {
    // Values of the test vectors that accompany RFC 6962 implementations: leaves "", 00, 10, 2021.
    let leaves: [&[u8]; 4] = [b"", b"\0", b"\x10", b"\x20\x21"];
    let tree = Tree::from_leaves(leaves.iter().map(|leaf| leaf_hash(leaf)));
    assert_eq!(
        tree.root().to_string(),
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
    );
    assert_eq!(empty_root(), Tree::new().root());
}

struct Stored(std::cell::RefCell<Vec<tlog_tiles::Hash>>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|index| self.0.borrow()[*index as usize])
            .collect())
    }
}

#[test]
fn an_independent_implementation_agrees_on_roots_and_proofs() {
    let size = 600_u64;
    let (files, _) = published(&[size]);
    let roots = roots(size);
    let stored = Stored(std::cell::RefCell::default());
    for seq in 0..size {
        let hashes = tlog_tiles::stored_hashes(seq, &body(seq), &stored).unwrap();
        stored.0.borrow_mut().extend(hashes);
        let theirs = tlog_tiles::tree_hash(seq + 1, &stored).unwrap();
        assert_eq!(&theirs.0, roots[seq as usize + 1].as_bytes());
    }
    for seq in [0, 1, 255, 256, 511, 512, 599] {
        let ours = prove(seq, size, &files).unwrap();
        let theirs = tlog_tiles::prove_record(size, seq, &stored).unwrap();
        assert!(
            ours.iter()
                .map(Digest::as_bytes)
                .eq(theirs.iter().map(|hash| &hash.0)),
            "inclusion of {seq}"
        );
    }
    for old in [1, 2, 3, 128, 255, 256, 257, 511, 512, 599] {
        let ours = prove_consistency(old, size, &files).unwrap();
        let theirs = tlog_tiles::prove_tree(size, old, &stored).unwrap();
        assert!(
            ours.iter()
                .map(Digest::as_bytes)
                .eq(theirs.iter().map(|hash| &hash.0)),
            "consistency of {old}"
        );
    }
}

#[test]
fn an_independent_implementation_opens_our_checkpoint_and_key() {
    let key = SigningKey::from_seed("sekisho/kita", &[7; 32]).unwrap();
    let text = checkpoint::sign("sekisho/kita", 42, &Digest::of(b"root"), &key).unwrap();
    let verifier = signed_note::StandardVerifier::new(&key.public().to_string()).unwrap();
    let note = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
    note.verify(&signed_note::VerifierList::new(vec![Box::new(verifier)]))
        .unwrap();
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), ("sekisho/kita", 42));
    assert_eq!(&theirs.hash().0, Digest::of(b"root").as_bytes());
}

#[test]
fn a_checkpoint_is_opened_by_its_key_alone_and_no_byte_may_change() {
    let key = SigningKey::from_seed("sekisho/kita", &[7; 32]).unwrap();
    let text = checkpoint::sign("sekisho/kita", 42, &Digest::of(b"root"), &key).unwrap();
    let opened = checkpoint::open(&text, key.public()).unwrap();
    assert_eq!(
        (opened.origin.as_str(), opened.size, opened.root),
        ("sekisho/kita", 42, Digest::of(b"root"))
    );

    let other = SigningKey::from_seed("sekisho/kita", &[8; 32]).unwrap();
    assert_eq!(
        checkpoint::open(&text, other.public()),
        Err(CheckpointBreach::NotSigned)
    );
    for place in 0..text.len() {
        for bit in [0, 5] {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(
                    checkpoint::open(&changed, key.public()).is_err(),
                    "byte {place} bit {bit}"
                );
            }
        }
    }
    let extended = text.replacen("\n\n", "\nmore\n\n", 1);
    assert_eq!(
        checkpoint::open(&extended, key.public()),
        Err(CheckpointBreach::Form)
    );
    let witness = other_signature(&text);
    assert!(
        checkpoint::open(&format!("{text}{witness}"), key.public()).is_ok(),
        "a witness may sign too"
    );
}

fn other_signature(text: &str) -> String {
    let body = text.split("\n\n").next().unwrap();
    let witness = SigningKey::from_seed("witness.example", &[9; 32]).unwrap();
    let mut lines = body.split('\n');
    let (origin, size) = (
        lines.next().unwrap(),
        lines.next().unwrap().parse().unwrap(),
    );
    let signed = checkpoint::sign(origin, size, &Digest::of(b"root"), &witness).unwrap();
    signed.rsplit_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn keys_have_one_text_form() {
    let key = SigningKey::from_seed("sekisho/kita", &[7; 32]).unwrap();
    let text = key.public().to_string();
    assert_eq!(text.parse::<PublicKey>().unwrap(), *key.public());
    assert_eq!(
        serde_json::from_str::<PublicKey>(&serde_json::to_string(key.public()).unwrap()).unwrap(),
        *key.public()
    );
    assert_eq!(
        text.replacen("kita", "mina", 1).parse::<PublicKey>(),
        Err(KeyBreach::Hash)
    );
    for name in ["", "a b", "a+b", "a\nb", "a\u{3000}b"] {
        assert_eq!(
            SigningKey::from_seed(name, &[7; 32]).unwrap_err(),
            KeyBreach::Name
        );
    }
    assert!(!format!("{key:?}").contains("0707"));
}

#[test]
fn a_signature_holds_for_its_context_only() {
    let key = SigningKey::from_seed("sekisho/kita", &[7; 32]).unwrap();
    let signature = checkpoint::sign_bytes(&key, "approve/v1", b"plan").unwrap();
    let parsed = signature.to_string().parse().unwrap();
    assert!(checkpoint::verify_bytes(key.public(), "approve/v1", b"plan", &parsed).is_ok());
    assert!(checkpoint::verify_bytes(key.public(), "approve/v2", b"plan", &signature).is_err());
    assert!(checkpoint::verify_bytes(key.public(), "approve/v", b"1plan", &signature).is_err());
    assert!(checkpoint::verify_bytes(key.public(), "approve/v1", b"plan2", &signature).is_err());
    let other = SigningKey::from_seed("sekisho/kita", &[8; 32]).unwrap();
    assert!(checkpoint::verify_bytes(other.public(), "approve/v1", b"plan", &signature).is_err());
}

#[test]
fn proofs_hold_at_every_size_and_nowhere_else() {
    let size = 70_u64;
    let roots = roots(size);
    for total in 1..=size {
        let (files, publisher) = published(&[total]);
        assert_eq!(publisher.root(), roots[total as usize]);
        assert_eq!(Tree::from_tiles(total, &files).unwrap(), *publisher.tree());
        for seq in 0..total {
            let proof = prove(seq, total, &files).unwrap();
            let leaf = leaf_hash(&body(seq));
            assert_eq!(
                verify_inclusion(&leaf, seq, total, &publisher.root(), &proof),
                Ok(())
            );
            assert!(
                verify_inclusion(&leaf, (seq + 1) % total, total, &publisher.root(), &proof)
                    .is_err()
                    || total == 1
            );
            let wrong = leaf_hash(b"other");
            assert_eq!(
                verify_inclusion(&wrong, seq, total, &publisher.root(), &proof),
                Err(ProofBreach::Root)
            );
        }
        for old in 0..=total {
            let proof = prove_consistency(old, total, &files).unwrap();
            let check = |root: &Digest, proof: &[Digest]| {
                verify_consistency(old, root, total, &publisher.root(), proof)
            };
            assert_eq!(
                check(&roots[old as usize], &proof),
                Ok(()),
                "{old} in {total}"
            );
            assert!(check(&Digest::of(b"x"), &proof).is_err());
            let longer = [proof.as_slice(), &[Digest::of(b"x")]].concat();
            assert!(check(&roots[old as usize], &longer).is_err());
        }
    }
}

#[test]
fn growing_in_steps_ends_with_the_same_files_as_growing_at_once() {
    let (stepwise, _) = published(&[1, 4, 250, 1, 1, 300, 140]);
    let (at_once, publisher) = published(&[697]);
    for (path, bytes) in &at_once.files {
        assert_eq!(stepwise.files.get(path), Some(bytes), "{path}");
    }
    assert_eq!(
        at_once.files.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "log/tile/0/000",
            "log/tile/0/001",
            "log/tile/0/002.p/185",
            "log/tile/1/000.p/2",
            "log/tile/entries/000",
            "log/tile/entries/001",
            "log/tile/entries/002.p/185",
        ]
    );
    let bundle = at_once.read("log/tile/entries/001").unwrap().unwrap();
    assert_eq!(
        split_bundle(&bundle).nth(3),
        Some(Some(body(259).as_slice()))
    );
    assert_eq!(publisher.size(), 697);
}

#[test]
fn a_publisher_restored_from_files_goes_on_the_same() {
    let (mut files, mut publisher) = published(&[300]);
    let bodies: Vec<Vec<u8>> = (0..700).map(body).collect();
    let more = tiles(300, 700, &bodies, &files).unwrap();
    for seq in 300..700 {
        publisher.append(&body(seq)).unwrap();
    }
    assert_eq!(publisher.take_files(), more);
    for file in more {
        if let Some(folder) = file.supersedes() {
            files
                .files
                .retain(|path, _| !path.starts_with(&format!("{folder}/")));
        }
        files.put(file.path, file.bytes);
    }
    assert!(
        !files.files.contains_key("log/tile/0/001.p/44"),
        "the partial form of a full tile may go"
    );
    assert_eq!(
        Publisher::restore(700, &files).unwrap().root(),
        publisher.root()
    );
    // The size of an older checkpoint can still be restored, from the wider tiles.
    assert_eq!(
        Publisher::restore(300, &files).unwrap().root(),
        roots(300)[300]
    );
    assert!(publisher.take_files().is_empty(), "nothing grew");
}

#[test]
fn what_breaks_a_limit_is_refused() {
    let mut publisher = Publisher::new();
    assert!(publisher.append(&vec![b'x'; MAX_ENTRY_BYTES]).is_ok());
    assert_eq!(
        publisher.append(&vec![b'x'; MAX_ENTRY_BYTES + 1]),
        Err(LogBreach::EntryTooLong(MAX_ENTRY_BYTES + 1))
    );
    assert_eq!(publisher.size(), 1);
    assert!(matches!(
        Tree::from_tiles(u64::MAX, &MemoryFiles::new()),
        Err(LogBreach::OutOfRange(_))
    ));
    assert!(matches!(
        Tree::from_tiles(5, &MemoryFiles::new()),
        Err(LogBreach::Missing(_))
    ));
    assert!(matches!(
        prove(5, 5, &MemoryFiles::new()),
        Err(LogBreach::OutOfRange(5))
    ));
    assert_eq!(split_bundle(&[0, 9, 1]).collect::<Vec<_>>(), [None]);
    assert_eq!(split_bundle(&[0]).collect::<Vec<_>>(), [None]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn consistency_holds_between_any_two_sizes(old in 0_u64..900, more in 0_u64..900) {
        let (files, publisher) = published(&[old, more]);
        let proof = prove_consistency(old, old + more, &files).unwrap();
        let old_root = Tree::from_tiles(old, &files).unwrap().root();
        prop_assert_eq!(verify_consistency(old, &old_root, old + more, &publisher.root(), &proof), Ok(()));
    }

    #[test]
    fn hostile_proofs_never_panic(seq: u64, size: u64, other: u64, count in 0_usize..80) {
        let hash = Digest::of(b"x");
        let proof = vec![hash; count];
        prop_assert!(verify_inclusion(&hash, seq, size, &hash, &proof).is_err() || (seq, size, count) == (0, 1, 0));
        let _ = verify_consistency(other, &hash, size, &hash, &proof);
    }

    #[test]
    fn hostile_checkpoints_never_panic(text in "\\PC{0,40}\n[0-9]{0,25}\n[A-Za-z0-9+/=]{0,50}\n\n\u{2014} \\PC{0,20} [A-Za-z0-9+/=]{0,100}\n") {
        let key = SigningKey::from_seed("sekisho/kita", &[7; 32]).unwrap();
        prop_assert!(checkpoint::open(&text, key.public()).is_err());
    }
}
