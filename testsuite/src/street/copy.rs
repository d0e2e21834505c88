//! Files through the gateway, with the clients that vendors have.

use super::house::{self, TARGET};
use super::program::said;
use std::path::Path;

/// Bytes that no compression makes small, of 60 MB.
fn large() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(60_000_000);
    while bytes.len() < 60_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn same(left: &Path, right: &Path) -> bool {
    matches!((std::fs::read(left), std::fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

#[test]
fn sixty_megabytes_arrive_whole_both_ways_and_are_in_the_list_of_files() {
    let house = house::shared();
    let (worker, _) = house.at_work("big", &["sftp"]);
    let (here, there, back) = (house.folder.join("big-here"), house.folder.join("big-there"), house.folder.join("big-back"));
    std::fs::write(&here, large()).unwrap();
    {
        let line = house.terminal.master(&worker, TARGET);
        let done = line.sftp(&format!("put {} {}\nget {} {}\n", here.display(), there.display(), there.display(), back.display()));
        assert!(done.status.success(), "{}", said(&done));
    }
    assert!(same(&here, &there), "the file differs after put");
    assert!(same(&here, &back), "the file differs after get");
    let id = house.ended("big", 1).remove(0);
    let told = house.session(&id);
    let files = told.pointer("/facts/files").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let of = |op: &str| files.iter().find(|file| file.get("op").and_then(|op| op.as_str()) == Some(op)).cloned();
    for op in ["put", "get"] {
        let file = of(op).unwrap_or_else(|| panic!("no {op} in the list of files: {files:?}"));
        assert_eq!(file.get("bytes").and_then(serde_json::Value::as_u64), Some(60_000_000), "{file}");
    }
    let digest = |op| of(op).and_then(|file| file.get("sha256").and_then(|hash| hash.as_str().map(str::to_owned)));
    assert!(digest("put").is_some() && digest("put") == digest("get"), "{files:?}");
    for file in [here, there, back] {
        let _ = std::fs::remove_file(file);
    }
}

#[test]
fn sftp_renames_lists_and_removes_and_each_stands_in_the_list() {
    let house = house::shared();
    let (worker, _) = house.at_work("sfa", &["sftp"]);
    let folder = house.folder.join("sfa 作業");
    let file = house.folder.join("sfa-file");
    std::fs::write(&file, "点検結果\n").unwrap();
    {
        let line = house.terminal.master(&worker, TARGET);
        let d = folder.display();
        let done = line.sftp(&format!(
            "mkdir \"{d}\"\nput {} \"{d}/結果.txt\"\nls \"{d}\"\nrename \"{d}/結果.txt\" \"{d}/after.txt\"\nrm \"{d}/after.txt\"\nrmdir \"{d}\"\n",
            file.display()
        ));
        assert!(done.status.success(), "{}", said(&done));
        assert!(!folder.exists());
        let failed = line.sftp("get /nonexistent/file /dev/null\n");
        assert!(!failed.status.success());
    }
    let id = house.ended("sfa", 1).remove(0);
    let told = house.session(&id).to_string();
    for op in ["mkdir", "put", "rename", "remove", "rmdir"] {
        assert!(told.contains(&format!("\"{op}\"")), "no {op} in {told}");
    }
    assert!(told.contains("結果.txt"), "{told}");
}

#[test]
fn scp_old_and_new_and_rsync_work_as_the_functions_of_the_plan_allow() {
    let house = house::shared();
    let file = house.folder.join("scp-file");
    let content: Vec<u8> = (0..500_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&file, &content).unwrap();
    let there = |name: &str| house.folder.join(name);

    let (worker, _) = house.at_work("cpa", &["sftp", "scp"]);
    {
        let line = house.terminal.master(&worker, TARGET);
        for (legacy, name) in [(false, "scp-new"), (true, "scp-old")] {
            let put = line.scp(legacy, &file.display().to_string(), &format!(":{}", there(name).display()));
            assert!(put.status.success() && same(&file, &there(name)), "{name} put: {}", said(&put));
            let get = line.scp(legacy, &format!(":{}", there(name).display()), &there(&format!("{name}-back")).display().to_string());
            assert!(get.status.success() && same(&file, &there(&format!("{name}-back"))), "{name} get: {}", said(&get));
        }
        let rsync = line.rsync(&file, &there("rsynced").display().to_string());
        assert!(!rsync.status.success() && !there("rsynced").exists(), "rsync went through a plan without it: {}", said(&rsync));
        assert!(String::from_utf8_lossy(&rsync.stderr).contains("SKS-4008"), "{}", said(&rsync));
        let exec = line.exec("true");
        assert!(!exec.status.success() && String::from_utf8_lossy(&exec.stderr).contains("SKS-4008"), "exec: {}", said(&exec));
    }
    let id = house.ended("cpa", 1).remove(0);
    let told = house.session(&id).to_string();
    for name in ["scp-new", "scp-old"] {
        assert!(told.contains(name), "{name} is not in the list of files: {told}");
    }

    let (worker, _) = house.at_work("cpb", &["rsync"]);
    let line = house.terminal.master(&worker, TARGET);
    let rsync = line.rsync(&file, &there("rsynced").display().to_string());
    assert!(rsync.status.success() && same(&file, &there("rsynced")), "rsync by its own function: {}", said(&rsync));
}
