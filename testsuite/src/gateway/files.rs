//! Files by sftp and scp: untouched, and understood.

use super::house::{By, House, err, finish};
use super::worker;
use sekisho_core::desk::Cause;
use sekisho_core::target::Function;
use std::collections::BTreeSet;
use tokio::process::Command;

fn content() -> Vec<u8> {
    (0..3_000_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).take(5_000_001).collect()
}

async fn hash(file: &str) -> String {
    super::house::run("sha256sum", &[file]).await.split(' ').next().unwrap().to_owned()
}

fn scp(house: &House, options: &[&str], from: &str, to: &str) -> Command {
    let mut scp = house.client("scp", By::Key);
    scp.args(options).args([from, to]);
    scp
}

#[tokio::test(flavor = "multi_thread")]
async fn sftp_puts_gets_and_lists_and_each_act_is_seen() {
    let house = House::new().await;
    let (local, remote, back) = (house.path("up.bin"), house.path("報告書.bin"), house.path("back.bin"));
    std::fs::write(&local, content()).unwrap();
    let batch = format!("put {local} {remote}\nget {remote} {back}\nls {dir}\nrename {remote} {remote}.old\nrm {remote}.old\n", dir = house.folder.path().display());
    std::fs::write(house.path("batch"), batch).unwrap();
    let mut sftp = house.client("sftp", By::Key);
    // `-b` forbids questions unless it is said again.
    sftp.args(["-o", "BatchMode=no", "-b", &house.path("batch"), &house.place()]);
    let output = finish(sftp).await;
    assert!(output.status.success(), "{}", err(&output));
    let digest = hash(&local).await;
    assert_eq!(hash(&back).await, digest);
    house.desk.left().await;
    let files = house.desk.tape.files();
    let seen: Vec<_> = files.iter().map(|file| (file.op.as_str(), file.bytes, file.ok)).filter(|(op, ..)| *op != "setattr").collect();
    assert_eq!(seen, [("put", 5_000_001, true), ("get", 5_000_001, true), ("list", 0, true), ("rename", 0, true), ("remove", 0, true)]);
    for moved in files.iter().filter(|file| file.bytes > 0) {
        assert_eq!((moved.sha256.as_deref(), moved.path.as_str()), (Some(digest.as_str()), remote.as_str()));
    }
    // The content itself is not kept.
    assert_eq!(house.desk.tape.text(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_copies_in_its_new_and_its_old_form() {
    let house = House::new().await;
    let local = house.path("up.bin");
    std::fs::write(&local, content()).unwrap();
    let digest = hash(&local).await;
    for (form, function) in [(&[][..], Function::Sftp), (&["-O"][..], Function::Scp)] {
        let (there, back) = (house.path("there.bin"), house.path("back.bin"));
        let up = finish(scp(&house, form, &local, &format!("{}:{there}", house.place()))).await;
        assert!(up.status.success(), "{function:?}: {}", err(&up));
        let down = finish(scp(&house, form, &format!("{}:{there}", house.place()), &back)).await;
        assert!(down.status.success(), "{function:?}: {}", err(&down));
        assert_eq!(hash(&back).await, digest);
        std::fs::remove_file(there).unwrap();
        std::fs::remove_file(back).unwrap();
    }
    let moved: Vec<_> = house.desk.tape.files().into_iter().filter(|file| file.bytes > 0).collect();
    assert_eq!(moved.iter().map(|file| file.op.as_str()).collect::<Vec<_>>(), ["put", "get", "put", "get"]);
    assert!(moved.iter().all(|file| file.sha256.as_deref() == Some(digest.as_str()) && file.ok), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_the_plan_does_not_name_is_refused_where_the_client_shows_it() {
    let house = House::new().await;
    std::fs::write(house.path("up.bin"), "x").unwrap();
    house.desk.paper().functions = BTreeSet::from([Function::Shell]);
    let there = format!("{}:{}", house.place(), house.path("there.bin"));
    let mut sftp = house.client("sftp", By::Key);
    sftp.arg(house.place());
    let attempts = [
        ("exec", house.ssh(&[], "id")),
        ("sftp", sftp),
        ("sftp", scp(&house, &[], &house.path("up.bin"), &there)),
        ("scp", scp(&house, &["-O"], &house.path("up.bin"), &there)),
    ];
    for (function, attempt) in attempts {
        let output = finish(attempt).await;
        // The old scp has a status of its own.
        assert_eq!(output.status.code(), Some(if function == "scp" { 1 } else { 255 }), "{function}: {}", err(&output));
        assert!(err(&output).contains("[SKS-4008]") && err(&output).contains(function), "{function}: {}", err(&output));
    }
    assert!(!std::path::Path::new(&house.path("there.bin")).exists());
    let refused: Vec<_> = house.desk.paper().refused.iter().map(|refused| refused.ask.clone()).collect();
    assert_eq!(refused[..3], ["exec: id", "sftp", "sftp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_sftp_end_the_session() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channel = line.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    channel.data(&[0xff; 64][..]).await.unwrap();
    let got = worker::read_until(&mut channel, |_| false).await;
    assert!(got.err.contains("SKS-4104"), "{got:?}");
    assert_eq!(house.desk.left().await, Cause::Breach);
}
