//! Between login and target: the plan is chosen, the key is compared, and nothing is dialled before.

use super::desk::{TARGET, WORKER};
use super::house::{By, House, err, finish, make_key, out};
use super::worker::{self, read_until};
use sekisho_core::desk::{Cause, Dialled};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_to_enter_is_shown_and_nothing_is_dialled() {
    let house = House::new().await;
    house.desk.paper().enter_refusal = Some(Refusal::WindowNotOpen { opens: "2026-11-25 09:00".into() });
    let mut sftp = house.client("sftp", By::Key);
    sftp.arg(house.place());
    for attempt in [house.ssh(&[], "id"), house.ssh(&["-tt"], ""), sftp] {
        let output = finish(attempt).await;
        assert_eq!(output.status.code(), Some(255));
        let words = Refusal::WindowNotOpen { opens: String::new() }.words();
        for part in ["SKS-4002", words.ja, words.next_en, "2026-11-25 09:00"] {
            assert!(err(&output).contains(part), "{part}: {}", err(&output));
        }
    }
    let paper = house.desk.paper();
    assert!(paper.dialled.is_empty() && paper.left.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_target_is_refused() {
    let house = House::new().await;
    let mut ssh = house.client("ssh", By::Key);
    ssh.args([&format!("{WORKER}+nowhere@127.0.0.1"), "id"]);
    let output = finish(ssh).await;
    assert!(err(&output).contains("SKS-4001") && output.status.code() == Some(255), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_plans_a_terminal_asks_and_the_answer_is_not_typed_into_the_target() {
    let house = House::new().await;
    house.desk.paper().plans = vec!["2026-0041".into(), "2026-0042".into()];
    let line = worker::enter(&house).await;
    let mut channel = worker::shell(&line, 80, 24).await;
    let got = read_until(&mut channel, |got| got.out.contains("> ")).await;
    assert!(got.out.contains("1) 2026-0041") && got.out.contains("2) 2026-0042") && got.out.contains("\r\n"), "{got:?}");
    assert!(house.desk.paper().dialled.is_empty());
    channel.data(&b"7"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("? > ")).await;
    channel.data(&b"2\r"[..]).await.unwrap();
    read_until(&mut channel, |got| got.err.contains("2026-0042")).await;
    channel.data(&b"PS1='$ '; echo in-$((40+2))\n"[..]).await.unwrap();
    read_until(&mut channel, |got| got.out.contains("in-42")).await;
    assert_eq!(house.desk.paper().enters, [None, Some("2026-0042".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_plans_a_command_names_one_in_the_login() {
    let house = House::new().await;
    house.desk.paper().plans = vec!["2026-0041".into(), "2026-0042".into()];
    let output = house.exec("id").await;
    for part in ["SKS-4018", "2026-0041", "2026-0042", &format!("{WORKER}+{TARGET}+NUMBER")] {
        assert!(err(&output).contains(part), "{part}: {}", err(&output));
    }
    assert_eq!(output.status.code(), Some(255));
    let mut ssh = house.client("ssh", By::Key);
    ssh.args([&format!("{WORKER}+{TARGET}+2026-0042@127.0.0.1"), "echo chosen"]);
    assert_eq!(out(&finish(ssh).await), "chosen\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_gets_nothing_of_the_credential() {
    let house = House::new().await;
    let other = make_key(&house.folder.path().join("other"), "ed25519").await;
    house.desk.paper().host_keys = vec![other];
    let output = house.exec("id").await;
    assert!(err(&output).contains("SKS-4015") && output.status.code() == Some(255), "{}", err(&output));
    assert_eq!(house.desk.left().await, Cause::HostKeyChanged);
    assert!(matches!(house.desk.paper().dialled.as_slice(), [Dialled::HostKeyChanged { seen }] if seen.starts_with("SHA256:")));
    let log = std::fs::read_to_string(house.path("sshd.log")).unwrap();
    assert!(!log.contains("Accepted") && !log.contains("Failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_or_refuses_is_told_from_one_that_changed() {
    let house = House::new().await;
    let good = house.desk.paper().credential.clone();
    make_key(&house.folder.path().join("wrong"), "ed25519").await;
    house.desk.paper().credential = Secret::new(std::fs::read_to_string(house.path("wrong")).unwrap());
    let output = house.exec("id").await;
    assert!(err(&output).contains("SKS-4014"), "{}", err(&output));
    house.desk.paper().credential = good;
    house.desk.paper().port = 1;
    let output = house.exec("id").await;
    assert!(err(&output).contains("SKS-4014"), "{}", err(&output));
    let paper = house.desk.paper();
    assert!(matches!(paper.dialled.as_slice(), [Dialled::CredentialRefused, Dialled::Unreachable { .. }]), "{:?}", paper.dialled);
    assert_eq!(paper.left, [Cause::DialFailed, Cause::DialFailed]);
}
