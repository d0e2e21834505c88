//! Viewing by two persons, as the people of the hospital meet it on the pages.

use super::visitor::{Open, Visitor};
use crate::house::base::{Resident, source};
use crate::house::ward::{PASSWORD, shell};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::desk::{Arrival, Cause, Desk as _, Entry, Event, FirstProof};
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::secret::Secret;
use sekisho_store::{Agreeing, agree_to_request, new_auditor_key, read_agreeing};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What stands on the worker's screen.
const SEEN: &str = "sudo systemctl restart ehr";

/// A session that was recorded, from the first factor to its end.
async fn recorded(open: &Open) -> SessionId {
    let town = &open.town;
    town.approved().await;
    let half = town.store.first_factor(&town.worker.person.login, &Arrival::plain(source()), FirstProof::Password(Secret::new(PASSWORD))).await.unwrap();
    let principal = town.store.second_factor(half, town.code(&town.worker)).await.unwrap();
    let targets = town.store.targets(&Actor::console()).await.unwrap();
    let target = targets.iter().find(|row| row.target.id == town.target).unwrap().target.name.clone();
    let Entry::Open(admission) = town.store.enter(&principal, &target, None).await.unwrap() else { panic!("a choice of plans") };
    shell(&admission);
    admission.recording.append(1, Event::Output(&SEEN.to_owned().into())).unwrap();
    let session = admission.session.clone();
    town.store.leave(&session, admission.recording, Cause::Closed).await;
    session
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// Sends a form with a code that was not used before.
async fn sent(open: &Open, who: &Resident, visitor: &Visitor, path: &str, fields: &[(&str, &str)]) -> super::visitor::Shown {
    let code = open.town.code(who);
    let mut all = fields.to_vec();
    all.push(("code", code.expose()));
    visitor.post(path, &all).await
}

/// The recording as the replay fetches it, after a fresh code.
async fn fetched(open: &Open, who: &Resident, visitor: &Visitor, session: &SessionId) -> super::visitor::Shown {
    assert_eq!(sent(open, who, visitor, "/step-up", &[("next", "/")]).await.status, 303);
    visitor.get(&format!("/sessions/{session}/recording")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_see_a_recording_asks_and_the_holder_of_a_second_key_decides() {
    let open = Open::new().await;
    let town = &open.town;
    let (planner, safety, operator) = (open.browser(&town.planner).await, open.browser(&town.safety).await, open.browser(&town.operator).await);
    let desk = tempfile::tempdir().unwrap();
    let key = new_auditor_key("2026");
    let key_file = written(desk.path(), "second.key", key.file.as_bytes());

    // The key: asked for by one, confirmed by another who is planner or safety manager.
    let holder = town.safety.id().as_str();
    let fields = [("holder", holder), ("key", key.public.as_str()), ("cover", "some"), ("reason", "<b>患者情報</b>を含むため")];
    let nothing = sent(&open, &town.planner, &planner, "/second_keys", &fields).await;
    assert!(nothing.status == 422 && nothing.text.contains("SKS-2003"), "some targets, and none is named: {}", nothing.text);
    let asked = sent(&open, &town.planner, &planner, "/second_keys", &[&fields[..], &[("targets", town.target.as_str())]].concat()).await;
    assert_eq!(asked.location(), "/second_keys");
    let page = planner.get("/second_keys").await.html();
    assert!(page.contains("確認待ち") && page.contains("あなたが申し出た鍵です") && !page.contains("<b>患者情報"), "{page}");
    let id = page.split_once("/second_keys/sck-").map(|(_, rest)| format!("sck-{}", &rest[..16])).unwrap();
    let own = sent(&open, &town.planner, &planner, &format!("/second_keys/{id}/confirm"), &[("reason", "自分で")]).await;
    assert_eq!(own.refused(), "SKS-2046");
    assert_eq!(sent(&open, &town.operator, &operator, &format!("/second_keys/{id}/confirm"), &[("reason", "よし")]).await.refused(), "SKS-2001");
    assert!(safety.get("/").await.html().contains("第二の鍵が確認を待っています"));
    let page = safety.get("/second_keys").await.html();
    let (log_key, hospital) = (town.store.log_public_key(), town.store.recordings_public_key());
    let hash = log_key.split('+').nth(1).unwrap();
    assert!(page.contains(&format!("sekisho recording agree key-check-{id}.txt")) && page.contains(hash) && page.contains(&format!("age -a -r {hospital}")), "{page}");
    // Nobody puts a key in force of which nobody has the private half; the form comes back open, with what was typed in it and in no other.
    let refused = sent(&open, &town.safety, &safety, &format!("/second_keys/{id}/confirm"), &[("reason", "本人に照合"), ("proof", "nothing")]).await;
    assert_eq!(refused.refused(), "SKS-2089");
    let (_, form) = refused.text.split_once("<details class=\"fold\" open>").unwrap();
    let (form, _) = form.split_once("</form>").unwrap();
    assert!(form.contains(&format!("/second_keys/{id}/confirm\"")) && form.contains("value=\"本人に照合\"") && form.contains("nothing</textarea>"), "{form}");
    assert!(refused.text.matches("本人に照合").count() == 1 && refused.text.matches("<details class=\"fold\" open>").count() == 1, "{}", refused.text);
    let text = safety.get(&format!("/second_keys/{id}/text")).await.text;
    let log_key = town.store.log_public_key().parse().unwrap();
    let Agreeing::Request(read) = read_agreeing(&written(desk.path(), "check.txt", text.as_bytes()), Some(&log_key)).unwrap() else { panic!("no request: {text}") };
    assert!(read.signed && read.shown.reason == "鍵の確認" && read.shown.recordings[0].session == "key-check");
    let proof = agree_to_request(&read, &key_file).unwrap();
    assert_eq!(sent(&open, &town.safety, &safety, &format!("/second_keys/{id}/confirm"), &[("reason", "本人に照合"), ("proof", &proof)]).await.location(), "/second_keys");
    let page = planner.get("/second_keys").await.html();
    assert!(page.contains("この鍵でしか開けない録画ができています"), "one key is too few: {page}");

    // The recording: nobody opens it alone, and its pages say what to do.
    let session = recorded(&open).await;
    let path = format!("/sessions/{session}");
    let page = operator.get(&path).await.html();
    assert!(page.contains("この録画は二人での閲覧の対象です") && page.contains(&format!("/viewings/new?session={session}")) && !page.contains("/replay\""), "{page}");
    assert_eq!(fetched(&open, &town.operator, &operator, &session).await.refused(), "SKS-2085");
    let replay = operator.get(&format!("{path}/replay")).await.html();
    assert!(replay.contains("二人での閲覧の対象") && !replay.contains("data-replay"), "{replay}");

    // The request.
    let without = sent(&open, &town.operator, &operator, "/viewings", &[("session", session.as_str()), ("hours", "2"), ("reason", " ")]).await;
    assert!(without.status == 422 && without.text.contains("f-reason-error") | without.text.contains("viewing-reason-error"), "{}", without.text);
    let made = sent(&open, &town.operator, &operator, "/viewings", &[("session", session.as_str()), ("hours", "2"), ("reason", "設定変更の照合")]).await;
    let request = made.location().to_owned();
    assert!(request.starts_with("/viewings/vrq-"), "{request}");
    let mine = operator.get(&request).await.html();
    assert!(mine.contains("鍵の持ち主の同意を待っています") && !mine.contains("name=\"agreement\""), "{mine}");
    assert_eq!(sent(&open, &town.operator, &operator, &format!("{request}/agree"), &[("agreement", "x")]).await.refused(), "SKS-2046");
    assert!(safety.get("/").await.html().contains("設定変更の照合"), "the holder's first page tells what waits");
    let theirs = safety.get(&request).await.html();
    assert!(theirs.contains("name=\"agreement\"") && theirs.contains("sekisho recording agree viewing-vrq-") && theirs.contains(&town.worker.person.name), "{theirs}");
    assert!(!planner.get(&request).await.html().contains("name=\"agreement\""), "who holds no key is offered nothing to agree with");
    assert_eq!(planner.get(&format!("{request}/text")).await.status, 404);

    // The agreement, made away from the box.
    let text = safety.get(&format!("{request}/text")).await.text;
    let log_key = town.store.log_public_key().parse().unwrap();
    let Agreeing::Request(read) = read_agreeing(&written(desk.path(), "request.txt", text.as_bytes()), Some(&log_key)).unwrap() else { panic!("no request: {text}") };
    assert!(read.signed && read.shown.reason == "設定変更の照合" && read.shown.recordings.len() == 1);
    let agreement = agree_to_request(&read, &key_file).unwrap();
    let wrong = sent(&open, &town.safety, &safety, &format!("{request}/agree"), &[("agreement", "-----BEGIN AGE ENCRYPTED FILE-----")]).await;
    assert!(wrong.text.contains("\n-----BEGIN AGE ENCRYPTED FILE-----</textarea>"), "what was pasted is there again: {}", wrong.text);
    assert_eq!(wrong.refused(), "SKS-2089");
    assert_eq!(fetched(&open, &town.operator, &operator, &session).await.refused(), "SKS-2085", "a wrong agreement changes nothing");
    assert_eq!(sent(&open, &town.planner, &planner, &format!("{request}/agree"), &[("agreement", &agreement)]).await.refused(), "SKS-2088");
    let agreed = sent(&open, &town.safety, &safety, &format!("{request}/agree"), &[("agreement", &agreement)]).await;
    assert_eq!(agreed.location(), request);

    // Who asked, and nobody else, for as long as it holds.
    assert!(operator.get(&request).await.html().contains("見られるのは、申し込んだあなただけです"));
    let seen = fetched(&open, &town.operator, &operator, &session).await;
    assert!(seen.status == 200 && seen.text.contains(&STANDARD.encode(SEEN)), "{} {}", seen.status, seen.text);
    assert!(operator.get(&format!("{path}/replay")).await.html().contains("data-replay"));
    for (who, visitor) in [(&town.planner, &planner), (&town.safety, &safety)] {
        assert_eq!(fetched(&open, who, visitor, &session).await.refused(), "SKS-2085", "{}", who.person.login);
    }
    assert_eq!(operator.post(&format!("{request}/end"), &[]).await.location(), request);
    assert_eq!(fetched(&open, &town.operator, &operator, &session).await.refused(), "SKS-2085");
    let log = planner.get("/log").await.html();
    for words in ["第二の鍵を確認しました", "二人での閲覧を申し込みました", "二人での閲覧に同意しました", "二人での閲覧を終えました"] {
        assert!(log.contains(words), "{words}");
    }

    // Ending a key takes two as well.
    assert_eq!(sent(&open, &town.safety, &safety, &format!("/second_keys/{id}/ask_end"), &[("reason", "持ち主の異動")]).await.location(), "/second_keys");
    assert_eq!(sent(&open, &town.safety, &safety, &format!("/second_keys/{id}/end"), &[("reason", "自分で")]).await.refused(), "SKS-2046");
    assert!(safety.get("/second_keys").await.html().contains("有効(終了の確認待ち)"));
    assert_eq!(sent(&open, &town.planner, &planner, &format!("/second_keys/{id}/end"), &[("reason", "異動を確認")]).await.location(), "/second_keys");
    assert!(planner.get("/second_keys").await.html().contains("使用終了"));
}
