//! What a worker who means ill can use up, and what of it the recording holds.

use super::*;
use crate::keep::Keeper;

#[test]
fn a_worker_who_asks_and_never_reads_is_not_followed_for_ever() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/f", NEW);
    let flood: Vec<u8> = (0..100).flat_map(|id| ask(FSTAT, id, &[&text(&handle)])).collect();
    let mut rounds = (0..1_000).map(|_| scene.stage.from_worker(Bytes::copy_from_slice(&flood)).err());
    assert_eq!(rounds.find(Option::is_some), Some(Some(Breach::TooMany)), "answers that nobody takes do not fill the memory");
    assert!(scene.stage.due_to_worker().len() <= limits::SFTP_REQUESTS + 100);
}

#[test]
fn what_can_pass_no_more_takes_no_room_in_the_recording() {
    let mut scene = Scene::new();
    let keeper = Keeper::new((true, false), 1_000, 1_000).unwrap();
    let rule = Rule { rights: Rights::ALL, keeper: Some(keeper), ..Rule::default() };
    scene.stage = Quarantined::new(rule, Arc::default());
    scene.says(&string(&[&[INIT][..], &n(3)].concat()));
    let spoiled = scene.open(1, b"/f", NEW);
    scene.write(2, &spoiled, 0, &[1; 10]);
    assert_eq!(scene.write(3, &spoiled, 0, &[2; 10]), FAILURE);
    for id in 4..200 {
        assert_eq!(scene.write(id, &spoiled, 10, &[3; 100]), FAILURE);
    }
    let lost = scene.open(200, b"/g", NEW);
    scene.stage.lost(2).unwrap();
    for id in 201..400 {
        assert_eq!(scene.write(id, &lost, 0, &[4; 100]), FAILURE);
    }
    scene.close(400, &spoiled);
    // What it was meant to hide stands in the recording whole.
    let handle = scene.open(401, b"/evil", NEW);
    scene.write(402, &handle, 0, &[5; 900]);
    scene.close(403, &handle);
    scene.decide(false);
    let kept: Vec<_> = scene.done.iter().map(|act| (act.path.as_slice(), act.kept.map(|kept| (kept.bytes, kept.whole)))).collect();
    assert_eq!(kept, [(&b"/f"[..], Some((20, false))), (b"/evil", Some((900, true)))]);
}

#[test]
fn what_the_recording_cannot_hold_whole_does_not_wait() {
    let mut scene = Scene::new();
    let rule = Rule { rights: Rights::ALL, keeper: Keeper::new((true, false), 1_000, 1_000), ..Rule::default() };
    scene.stage = Quarantined::new(rule, Arc::default());
    scene.says(&string(&[&[INIT][..], &n(3)].concat()));
    for (number, length, waits) in [(1, 600, true), (2, 600, false), (3, 0, true)] {
        let handle = scene.open(number * 10, b"/f", NEW);
        if length > 0 {
            scene.write(number * 10 + 1, &handle, 0, &content(length));
        }
        scene.close(number * 10 + 2, &handle);
        assert_eq!(scene.held.len(), usize::from(waits), "{length}");
        if waits {
            scene.decide(true);
            assert_eq!(scene.code(number * 10 + 2), 0);
        } else {
            assert_eq!((scene.code(number * 10 + 2), scene.refused[0].why), (DENIED, Why::Staging(Staging::SessionBytes)));
            assert!(scene.spools.is_empty() && !scene.stage.is_busy());
            assert_eq!(scene.done.last().map(|act| act.outcome), Some(Outcome::Refused));
        }
    }
}

#[test]
fn content_that_went_down_with_a_breach_is_not_said_to_be_kept_whole() {
    let mut scene = Scene::new();
    let rule = Rule { rights: Rights::ALL, keeper: Keeper::new((true, false), 10_000, 10_000), ..Rule::default() };
    scene.stage = Quarantined::new(rule, Arc::default());
    scene.says(&string(&[&[INIT][..], &n(3)].concat()));
    let handle = scene.open(1, b"/f", NEW);
    // Content, and questions whose answers nobody takes: with the piece that is one too many its content is given up.
    let mut rounds = (0..1_000_u32).map(|round| {
        let content = ask(WRITE, 1, &[&text(&handle), &q(u64::from(round)), &text(b"x")]);
        let piece: Vec<u8> = content.into_iter().chain((2..100).flat_map(|id| ask(FSTAT, id, &[&text(&handle)]))).collect();
        scene.stage.from_worker(Bytes::from(piece)).err()
    });
    assert_eq!(rounds.find(Option::is_some), Some(Some(Breach::TooMany)));
    let acts = scene.stage.finish();
    let kept: Vec<_> = acts.iter().filter_map(|act| act.kept.map(|kept| (act.path.as_slice(), kept.whole))).collect();
    assert_eq!(kept, [(&b"/f"[..], false)]);
}
