//! What is asked of somebody who typed the name of nobody, or of a person without a passkey: ids that look like those of
//! passkeys, the same for a name as long as the box has its key. A stranger who asks again tomorrow learns nothing.

use sekisho_evidence::Digest;

/// Lengths of the ids that authenticators make, in bytes: platforms keep 16 to 32, security keys 48 and 64.
const LENGTHS: [usize; 8] = [32, 20, 16, 64, 32, 20, 16, 48];

/// Ids for a name that has none of its own: one, and two for a quarter of the names.
pub(super) fn decoys(secret: &[u8; 32], login: &str) -> Vec<Vec<u8>> {
    // Hashed twice, so that no id is a state from which others could be computed.
    let draw = |n: u8| Digest::of(Digest::of(&[secret.as_slice(), &[n], login.as_bytes()].concat()).as_bytes());
    let shape = draw(0);
    let [number, first, second, ..] = *shape.as_bytes();
    let id = |choice: u8, at: u8| {
        let length = LENGTHS.get(usize::from(choice) % LENGTHS.len()).copied().unwrap_or(32);
        [draw(at), draw(at + 1)].iter().flat_map(|digest| *digest.as_bytes()).take(length).collect::<Vec<u8>>()
    };
    let mut ids = vec![id(first, 1)];
    if number.is_multiple_of(4) {
        ids.push(id(second, 3));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn decoys_are_the_same_for_a_name_and_as_different_as_passkeys_are() {
        let names: Vec<String> = (0..200).map(|n| format!("name{n}")).collect();
        let all: Vec<Vec<Vec<u8>>> = names.iter().map(|name| decoys(&[7; 32], name)).collect();
        assert_eq!(all, names.iter().map(|name| decoys(&[7; 32], name)).collect::<Vec<_>>());
        let lengths: BTreeSet<usize> = all.iter().flatten().map(Vec::len).collect();
        assert_eq!(lengths, LENGTHS.into_iter().collect());
        let numbers: BTreeSet<usize> = all.iter().map(Vec::len).collect();
        assert_eq!(numbers, BTreeSet::from([1, 2]));
        let different: BTreeSet<&Vec<u8>> = all.iter().flatten().collect();
        assert_eq!(different.len(), all.iter().flatten().count());
        assert_ne!(decoys(&[8; 32], "name1"), decoys(&[7; 32], "name1"), "another box");
    }
}
