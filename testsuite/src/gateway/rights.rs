//! What may be done with files, right by right, with the real clients; and how much.

use super::desk::Kept;
use super::house::{By, House, err, finish, until};
use super::worker;
use russh::ChannelMsg;
use sekisho_core::control::Standstill;
use sekisho_core::desk::{Recall, RecallWord, RefusedAsk};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{FileRight, Function, TransferLimits};
use std::path::Path;
use tokio::process::Command;

async fn sftp(house: &House, batch: &str) -> std::process::Output {
    std::fs::write(house.path("batch"), batch).unwrap();
    let mut sftp = house.client("sftp", By::Key);
    sftp.args(["-o", "BatchMode=no", "-b", &house.path("batch"), &house.place()]);
    finish(sftp).await
}

fn scp(house: &House, options: &[&str], from: &str, to: &str) -> Command {
    let mut scp = house.client("scp", By::Key);
    scp.args(options).args([from, to]);
    scp
}

fn rsync(house: &House, arguments: &[&str]) -> Command {
    // The client of rsync takes one string for its shell, and no shell reads it.
    let shell = std::iter::once("ssh".to_owned()).chain(house.options(By::Key)).collect::<Vec<_>>().join(" ");
    let mut rsync = Command::new("rsync");
    rsync
        .args(["-e", &shell])
        .args(arguments)
        .env("SSH_ASKPASS", house.path("answers"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":0")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    rsync
}

fn allow(house: &House, rights: &[FileRight]) {
    let mut paper = house.desk.paper();
    paper.files = rights.iter().copied().collect();
    paper.refused.clear();
}

fn refused(house: &House) -> Vec<RefusedAsk> {
    house.desk.paper().refused.clone()
}

fn missing(right: &str) -> Refusal {
    Refusal::FileRightNotInPlan { right: right.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn sftp_does_with_each_right_what_the_right_says_and_nothing_else() {
    let house = House::new().await;
    let at = |name: &str| house.path(name);
    let acts = |house: &House| {
        vec![
            (FileRight::Download, format!("get {} {}", house.path("there"), house.path("got")), "sftp get"),
            (FileRight::Upload, format!("put {} {}", house.path("up"), house.path("put")), "sftp put"),
            (FileRight::Upload, format!("mkdir {}", house.path("folder")), "sftp mkdir"),
            (FileRight::Upload, format!("chmod 600 {}", house.path("there")), "sftp setattr"),
            (FileRight::Upload, format!("ln -s {} {}", house.path("there"), house.path("link")), "sftp symlink"),
            (FileRight::Rename, format!("rename {} {}", house.path("old"), house.path("new")), "sftp rename"),
            (FileRight::Rename, format!("ln {} {}", house.path("there"), house.path("hard")), "sftp hardlink"),
            (FileRight::Delete, format!("rm {}", house.path("gone")), "sftp remove"),
            (FileRight::Delete, format!("rmdir {}", house.path("empty")), "sftp rmdir"),
        ]
    };
    for right in [None, Some(FileRight::Download), Some(FileRight::Upload), Some(FileRight::Delete), Some(FileRight::Rename)] {
        for name in ["there", "up", "old", "gone"] {
            std::fs::write(at(name), name).unwrap();
        }
        for name in ["got", "put", "new", "hard", "link"] {
            let _ = std::fs::remove_file(at(name));
        }
        let _ = std::fs::create_dir(at("empty"));
        let _ = std::fs::remove_dir(at("folder"));
        allow(&house, right.as_slice());
        // A dash: the batch goes on after a failure.
        let lines: Vec<String> = acts(&house).into_iter().map(|(_, line, _)| format!("-{line}")).collect();
        let output = sftp(&house, &format!("{}\nls -l {}\n", lines.join("\n"), house.folder.path().display())).await;
        assert!(output.status.success(), "looking is free: {}", err(&output));
        for (name, needs) in [
            ("got", FileRight::Download),
            ("put", FileRight::Upload),
            ("folder", FileRight::Upload),
            ("link", FileRight::Upload),
            ("new", FileRight::Rename),
            ("hard", FileRight::Rename),
        ] {
            assert_eq!(Path::new(&at(name)).symlink_metadata().is_ok(), right == Some(needs), "{name} under {right:?}: {}", err(&output));
        }
        for name in ["gone", "empty"] {
            assert_eq!(Path::new(&at(name)).exists(), right != Some(FileRight::Delete), "{name} under {right:?}");
        }
        let told = refused(&house);
        let expected: Vec<_> = acts(&house).into_iter().filter(|(needs, ..)| Some(*needs) != right).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, (needs, _, act)) in told.iter().zip(&expected) {
            assert!(told.ask.starts_with(act) && told.refusal == missing(needs.as_str()), "{told:?}");
        }
        // The code reaches the worker's screen though the client shows its own words for it, once for each right.
        assert!(err(&output).contains("Permission denied"), "{}", err(&output));
        let rights = expected.iter().map(|(needs, ..)| needs).collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(err(&output).matches("[SKS-4301]").count(), 2 * rights, "{}", err(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_in_both_forms_needs_the_right_of_its_direction() {
    let house = House::new().await;
    std::fs::write(house.path("up"), "up").unwrap();
    std::fs::write(house.path("there"), "there").unwrap();
    for form in [&[][..], &["-O"][..]] {
        for right in [FileRight::Download, FileRight::Upload] {
            let _ = std::fs::remove_file(house.path("put"));
            let _ = std::fs::remove_file(house.path("got"));
            allow(&house, &[right]);
            let up = finish(scp(&house, form, &house.path("up"), &format!("{}:{}", house.place(), house.path("put")))).await;
            let down = finish(scp(&house, form, &format!("{}:{}", house.place(), house.path("there")), &house.path("got"))).await;
            for (output, needs, name) in [(&up, FileRight::Upload, "put"), (&down, FileRight::Download, "got")] {
                assert_eq!(output.status.success(), right == needs, "{form:?} {needs:?}: {}", err(output));
                assert_eq!(err(output).contains("SKS-4301"), right != needs, "{}", err(output));
                let content = std::fs::read_to_string(house.path(name)).unwrap_or_default();
                assert_eq!(!content.is_empty(), right == needs, "{form:?} {name}");
            }
            assert_eq!(refused(&house).len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rsync_is_a_transfer_with_its_own_function_and_rights() {
    let house = House::new().await;
    let tree = house.path("tree");
    std::fs::create_dir_all(format!("{tree}/下")).unwrap();
    std::fs::write(format!("{tree}/下/報告 書.txt"), vec![7; 200_000]).unwrap();
    std::fs::write(format!("{tree}/a"), "a").unwrap();
    let there = house.path("there");
    let remote = format!("{}:{there}/", house.place());
    let back = house.path("back");
    allow(&house, &[FileRight::Upload, FileRight::Download]);
    let up = finish(rsync(&house, &["-a", &format!("{tree}/"), &remote])).await;
    assert!(up.status.success(), "{}", err(&up));
    let down = finish(rsync(&house, &["-az", &remote, &back])).await;
    assert!(down.status.success(), "{}", err(&down));
    assert_eq!(std::fs::read(format!("{back}/下/報告 書.txt")).unwrap(), vec![7; 200_000]);
    let seen = house.desk.tape.files();
    let [put, get] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((put.op.as_str(), put.path.as_str(), put.ok, put.sha256.as_deref()), ("rsync-put", format!("{there}/").as_str(), true, None));
    assert_eq!((get.op.as_str(), get.ok), ("rsync-get", true));
    assert!(put.bytes > 200_000 && get.bytes > 0);
    let flows = house.desk.tape.all().into_iter().filter(|event| matches!(event, Kept::Flow { .. })).count();
    assert!(flows >= 2);
    assert_eq!(house.desk.tape.text(), "", "the stream is not kept");

    // Deleting at the target is a right of its own.
    std::fs::remove_file(format!("{tree}/a")).unwrap();
    for (rights, works) in [(&[FileRight::Upload][..], false), (&[FileRight::Upload, FileRight::Delete], true)] {
        allow(&house, rights);
        let output = finish(rsync(&house, &["-a", "--delete", &format!("{tree}/"), &remote])).await;
        assert_eq!(output.status.success(), works, "{}", err(&output));
        assert_eq!(Path::new(&format!("{there}/a")).exists(), !works);
        assert_eq!(refused(&house).iter().any(|refused| refused.refusal == missing("delete")), !works);
    }
    allow(&house, &[FileRight::Upload]);
    let output = finish(rsync(&house, &["-a", &remote, &house.path("nothing")])).await;
    assert!(!output.status.success() && err(&output).contains("SKS-4301"), "{}", err(&output));
    // Without the function it is no exec either, and with an option that reaches further it is nothing but exec.
    allow(&house, &FileRight::ALL);
    house.desk.paper().functions = [Function::Exec, Function::Shell].into();
    let output = finish(rsync(&house, &["-a", &format!("{tree}/"), &remote])).await;
    assert!(err(&output).contains("SKS-4008") && err(&output).contains("rsync"), "{}", err(&output));
    house.desk.paper().functions = [Function::Rsync].into();
    let output = finish(rsync(&house, &["-a", "--log-file=/dev/null", "-M--log-file=/tmp/x", &format!("{tree}/"), &remote])).await;
    assert!(err(&output).contains("SKS-4008") && err(&output).contains("exec"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_size_and_number_hold_over_all_channels_of_a_session() {
    let house = House::new().await;
    std::fs::write(house.path("big"), vec![1; 300_000]).unwrap();
    std::fs::write(house.path("small"), vec![2; 1000]).unwrap();
    house.desk.paper().limits = TransferLimits { upload_bytes: Some(200_000), download_bytes: Some(200_000), upload_files: Some(3), ..TransferLimits::default() };
    let batch = format!(
        "-put {big} {dir}/up1\n-put {small} {dir}/up2\n-get {big} {dir}/down1\n-put {small} {dir}/up3\n-put {small} {dir}/up4\n",
        big = house.path("big"),
        small = house.path("small"),
        dir = house.folder.path().display()
    );
    let output = sftp(&house, &batch).await;
    let size = |name: &str| std::fs::metadata(house.path(name)).map(|file| file.len()).unwrap_or(0);
    // The client itself cuts off behind what it knows to have arrived.
    assert!(size("up1") <= 200_000 && size("down1") <= 200_000);
    assert!(size("up3") <= 1000 && size("up4") == 0, "the fourth file is one too many");
    assert!(err(&output).contains("[SKS-4302]") && err(&output).contains("不完全"), "{}", err(&output));
    let asks = refused(&house);
    assert!(asks.iter().any(|ask| ask.refusal == Refusal::TransferLimit { limit: "upload bytes".into() }), "{asks:?}");
    assert!(asks.iter().any(|ask| ask.refusal == Refusal::TransferLimit { limit: "download bytes".into() }), "{asks:?}");
    assert!(asks.iter().any(|ask| ask.refusal == Refusal::TransferLimit { limit: "upload files".into() }), "{asks:?}");
    house.desk.left().await;
    let stopped: Vec<_> = house.desk.tape.files().into_iter().filter(|file| file.path.ends_with("up1")).collect();
    assert!(stopped.iter().all(|file| !file.ok && file.sha256.is_none() && file.bytes <= 200_000) && !stopped.is_empty(), "{stopped:?}");

    // Two channels of one session share one count.
    house.desk.paper().left.clear();
    house.desk.paper().limits = TransferLimits { upload_bytes: Some(1500), ..TransferLimits::default() };
    let control = house.path("control");
    let _master = house.ssh(&["-M", "-S", &control, "-N"], "").spawn().unwrap();
    until("the master is there", || Path::new(&control).exists()).await;
    let put = async |name: &str| {
        let mut scp = house.client("scp", By::Key);
        scp.args(["-O", "-o", &format!("ControlPath={control}"), &house.path("small"), &format!("{}:{}", house.place(), house.path(name))]);
        finish(scp).await
    };
    assert!(put("one").await.status.success());
    let second = put("two").await;
    assert!(!second.status.success() && err(&second).contains("SKS-4302"), "{}", err(&second));
    assert!(!Path::new(&house.path("two")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn rsync_stops_at_the_limit_and_cannot_be_counted_in_files() {
    let house = House::new().await;
    std::fs::write(house.path("big"), (0..3_000_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let remote = format!("{}:{}", house.place(), house.path("there"));
    house.desk.paper().limits.upload_bytes = Some(1_000_000);
    let output = finish(rsync(&house, &["-a", &house.path("big"), &remote])).await;
    assert!(!output.status.success() && err(&output).contains("SKS-4302"), "{}", err(&output));
    until("it is written", || !house.desk.tape.files().is_empty()).await;
    let file = house.desk.tape.files()[0].clone();
    assert!(!file.ok && file.bytes <= 1_000_000, "{file:?}");
    house.desk.paper().limits = TransferLimits { upload_files: Some(5), ..TransferLimits::default() };
    let output = finish(rsync(&house, &["-a", &house.path("big"), &remote])).await;
    assert!(err(&output).contains("SKS-4303"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_is_one_entry() {
    let house = House::new().await;
    std::fs::write(house.path("up"), "content").unwrap();
    for form in [&[][..], &["-p"], &["-O"], &["-O", "-p"]] {
        house.desk.tape.kept.lock().unwrap().clear();
        house.desk.paper().left.clear();
        let up = finish(scp(&house, form, &house.path("up"), &format!("{}:{}", house.place(), house.path("there")))).await;
        assert!(up.status.success(), "{}", err(&up));
        house.desk.left().await;
        let seen: Vec<_> = house.desk.tape.files().into_iter().filter(|file| file.op != "list").map(|file| (file.op, file.ok, file.sha256.is_some())).collect();
        assert_eq!(seen, [("put".to_owned(), true, true)], "{form:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_hidden_in_the_output_of_a_command_meets_the_volume_of_the_policy() {
    let house = House::new().await;
    {
        let mut paper = house.desk.paper();
        paper.policy.volume_output_mib = 64;
        paper.policy.volume_output_without_download_mib = 1;
        paper.policy.volume_input_without_upload_mib = 1;
    }
    // With the right the same amount passes.
    assert_eq!(house.exec("head -c 3000000 /dev/zero").await.stdout.len(), 3_000_000);
    allow(&house, &[]);
    house.desk.paper().left.clear();
    let line = worker::enter(&house).await;
    let mut channel = line.channel_open_session().await.unwrap();
    channel.exec(true, "head -c 3000000 /dev/zero; echo done >&2").await.unwrap();
    until("it is paused", || !house.desk.paper().paused.is_empty()).await;
    let mut got = 0;
    // What comes until nothing more does.
    while let Ok(Some(message)) = tokio::time::timeout(std::time::Duration::from_millis(700), channel.wait()).await {
        match message {
            ChannelMsg::Data { data } => got += data.len(),
            ChannelMsg::ExtendedData { data, .. } => assert!(String::from_utf8_lossy(&data).contains("SKS-4305")),
            _ => {}
        }
    }
    assert!((1_000_000..2_000_000).contains(&got), "{got} bytes came before it stood still");
    let session = house.desk.paper().sessions.last().cloned();
    house.gateway.recall(Recall { session: session.clone(), word: RecallWord::Stand(Standstill::None) });
    until("and again, an equal amount later", || house.desk.paper().paused.len() == 2).await;
    house.gateway.recall(Recall { session, word: RecallWord::Stand(Standstill::None) });
    let rest = worker::read_until(&mut channel, |got| got.closed).await;
    assert_eq!(rest.status, Some(0));

    // And so does what is typed or pasted into a command.
    let mut channel = line.channel_open_session().await.unwrap();
    channel.exec(true, "wc -c").await.unwrap();
    let before = house.desk.paper().paused.len();
    channel.data_bytes(vec![b'x'; 1_500_000]).await.unwrap();
    until("input is counted", || house.desk.paper().paused.len() > before).await;
    let session = house.desk.paper().sessions.last().cloned();
    house.gateway.recall(Recall { session, word: RecallWord::Stand(Standstill::None) });
    channel.eof().await.unwrap();
    assert_eq!(worker::read_until(&mut channel, |got| got.closed).await.out.trim(), "1500000", "nothing is lost by the pause");
}
