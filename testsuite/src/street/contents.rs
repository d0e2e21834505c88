//! A file goes over by the vendor's own client, is deleted on the target, and comes out of the recording as it was.

use super::api::text;
use super::house::{House, TARGET};
use super::program::{noise, root, said};
use super::{browser, program};
use serde_json::{Value, json};

/// The file operations of a session: kind and end of the path, with what was kept.
fn kept(house: &House, session: &str, op: &str, name: &str) -> Option<(u64, u64, bool)> {
    let told = house.session(session);
    let files = told.pointer("/facts/files").and_then(Value::as_array).cloned().unwrap_or_default();
    let file = files.iter().find(|file| text(file, "op") == op && text(file, "path").ends_with(name)).unwrap_or_else(|| panic!("no {op} of {name}: {files:?}"));
    let kept = file.get("kept")?;
    Some((kept.get("file")?.as_u64()?, kept.get("bytes")?.as_u64()?, kept.get("whole")?.as_bool()?))
}

#[test]
fn what_went_over_both_ways_comes_out_of_the_recording_as_it_was() {
    let house = House::own_with("step_up_minutes = 60\nkeep_files = \"both\"\nkeep_file_mib = 2\nkeep_session_mib = 6");
    let (worker, _) = house.at_work("motikomi", &["sftp", "scp", "rsync"]);
    let (small, large) = (noise(1_500_000, 1), noise(3_000_000, 2));
    let (here, there) = (|name: &str| house.folder.join(name), |name: &str| house.folder.join(format!("there-{name}")));
    for (name, content) in [("更新.bin", &small), ("large.bin", &large), ("scp.bin", &b"by the old way".to_vec())] {
        std::fs::write(here(name), content).unwrap();
    }
    {
        let line = house.terminal.master(&worker, TARGET);
        let done = line.sftp(&format!(
            "put \"{}\" \"{}\"\nput {} {}\nget \"{}\" {}\nrm \"{}\"\n",
            here("更新.bin").display(),
            there("更新.bin").display(),
            here("large.bin").display(),
            there("large.bin").display(),
            there("更新.bin").display(),
            here("back.bin").display(),
            there("更新.bin").display(),
        ));
        assert!(done.status.success(), "{}", said(&done));
        let done = line.scp(true, &here("scp.bin").display().to_string(), &format!(":{}", there("scp.bin").display()));
        assert!(done.status.success(), "{}", said(&done));
        let done = line.rsync(&here("scp.bin"), &there("rsynced.bin").display().to_string());
        assert!(done.status.success(), "{}", said(&done));
    }
    assert_eq!(std::fs::read(here("back.bin")).unwrap(), small);
    let session = house.ended("motikomi", 1).remove(0);

    let limit = 2 * 1024 * 1024;
    let (put, bytes, whole) = kept(&house, &session, "put", "更新.bin").unwrap();
    assert_eq!((bytes, whole), (small.len() as u64, true));
    let (part, bytes, whole) = kept(&house, &session, "put", "large.bin").unwrap();
    assert_eq!((bytes, whole), (limit, false));
    let (get, bytes, whole) = kept(&house, &session, "get", "更新.bin").unwrap();
    assert_eq!((bytes, whole), (small.len() as u64, true));
    let (scp, ..) = kept(&house, &session, "put", "scp.bin").unwrap();
    assert_eq!(kept(&house, &session, "rsync-put", "rsynced.bin"), None);

    // By the API.
    let api = |file: u64| house.api.file(Ok(&house.operator), &format!("/api/v1/sessions/{session}/files/{file}"));
    let (status, headers, content) = api(put);
    assert_eq!((status, headers[1].as_str(), headers[2].as_str()), (200, "application/octet-stream", "nosniff"));
    assert!(headers[0].starts_with("attachment;") && headers[0].contains("%E6%9B%B4%E6%96%B0.bin"), "{}", headers[0]);
    assert!(content == small, "the upload differs");
    assert!(api(get).2 == small, "the download differs");
    assert!(api(part).2 == large[..limit as usize], "the beginning of the large file differs");
    assert_eq!(api(scp).2, b"by the old way");
    assert_eq!(api(99).0, 404);

    // By the page, from the list of files to the saved file.
    let planner = &house.planner_person;
    let cookie = house.api.web_log_in(&planner.login, &planner.password, &planner.phone.code());
    let page = house.api.page(&cookie, &format!("/sessions/{session}"));
    assert!(page.text.contains("内容あり") && page.text.contains("先頭 2"), "{}", page.text);
    assert!(page.text.contains("rsync は内容を残せません"), "{}", page.text);
    let before = house.api.page(&cookie, &format!("/sessions/{session}/files/{put}"));
    assert!(before.status == 200 && before.text.contains("取り出したことと、取り出した人の名前は記録に残ります"), "HTTP {} {}", before.status, before.text);
    assert!(house.api.file(Err(&cookie), &format!("/sessions/{session}/files/{put}/content")).2 == small);

    // By the console, to a file.
    let out = here("out.bin");
    let done = house.console(&["session", "file", &session, &part.to_string(), "--output", &out.display().to_string()]);
    assert!(done.status.success() && std::fs::read(&out).unwrap() == large[..limit as usize], "{}", said(&done));
    let shown = house.console(&["session", "show", &session]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&format!("content {part} (first {limit} bytes)")), "{}", said(&shown));

    // Who took what stands in the log; the one who did the work takes nothing.
    let log = house.api.get(&house.planner, &format!("/api/v1/log?session={session}&kind=file_taken")).to_string();
    assert_eq!(log.matches("\"file_taken\"").count(), 6, "{log}");
    assert!(log.contains("ishikawa") && log.contains("更新.bin"), "{log}");
    let token = house.api.log_in("motikomi", &worker.password, &worker.phone.code());
    assert_eq!(house.api.file(Ok(&token), &format!("/api/v1/sessions/{session}/files/{put}")).0, 403);

    // An outsider without any key verifies the whole; the replay passes over what it does not draw.
    let evidence = house.evidence("copy");
    let verified = program::run(&["verify", &evidence.display().to_string(), "--key", &house.log_key]);
    assert!(verified.status.success(), "{}", said(&verified));
    let replay = house.api.ask(&house.operator, &format!("/api/v1/sessions/{session}/recording"));
    assert!(replay.status == 200 && replay.text.lines().last().is_some_and(|line| line.contains("end")), "{}", replay.text.len());

    let pictures = root().join("target/contents-pictures");
    let given = json!({ "url": house.url(), "cookie": cookie, "session": session, "file": put, "pictures": pictures });
    let told = browser::play("contents.mjs", &given, |_, _| json!({}));
    assert_eq!((told.number("saved", "bytes") as usize, told.text("saved", "name")), (small.len(), "there-更新.bin".to_owned()));
    assert!(told.number("search", "links") >= 1.0, "{}", told.step("search"));
    told.nothing_owed();
}

#[test]
fn where_the_policy_keeps_nothing_the_recording_stays_small() {
    let house = House::own_with("step_up_minutes = 60\nkeep_files = \"none\"");
    let (worker, _) = house.at_work("nokosazu", &["sftp"]);
    let (here, there) = (house.folder.join("here.bin"), house.folder.join("there.bin"));
    std::fs::write(&here, noise(2_000_000, 3)).unwrap();
    {
        let line = house.terminal.master(&worker, TARGET);
        let done = line.sftp(&format!("put {} {}\n", here.display(), there.display()));
        assert!(done.status.success(), "{}", said(&done));
    }
    let session = house.ended("nokosazu", 1).remove(0);
    assert_eq!(kept(&house, &session, "put", "there.bin"), None);
    let bytes = std::fs::metadata(house.data.join(format!("recordings/{session}.skr"))).unwrap().len();
    assert!(bytes < 50_000, "{bytes} bytes for a file of 2 MB that is not kept");
    assert_eq!(house.api.file(Ok(&house.operator), &format!("/api/v1/sessions/{session}/files/1")).0, 404);
}
