//! Two factors, in order, for one name; and what a client sees of it.

use super::desk::{CODE, PASSWORD, TARGET, WORKER};
use super::house::{By, House, err, finish, make_key, out, run};
use super::worker;
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::{PrivateKeyWithHashAlg, load_secret_key};
use russh::{MethodKind, MethodSet};
use sekisho_core::refusal::Refusal;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn openssh_goes_from_key_to_code_by_itself_and_sees_the_banner() {
    let house = House::new().await;
    let output = house.exec("echo hello").await;
    assert_eq!((out(&output).as_str(), output.status.code()), ("hello\n", Some(0)), "{}", err(&output));
    assert!(err(&output).contains("青空病院") && err(&output).contains("recorded"), "{}", err(&output));
    assert_eq!(house.desk.paper().firsts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_goes_from_password_to_code_in_both_ways() {
    let house = House::new().await;
    for preferred in ["password,keyboard-interactive", "keyboard-interactive"] {
        let mut ssh = house.client("ssh", By::Password);
        ssh.args(["-o", &format!("PreferredAuthentications={preferred}"), &house.place(), "echo hello"]);
        let output = finish(ssh).await;
        assert_eq!(out(&output), "hello\n", "{preferred}: {}", err(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_asked_three_times_and_the_refusal_is_shown() {
    let house = House::new().await;
    let mut ssh = house.ssh(&[], "echo hello");
    ssh.env("TEST_CODE", "000000");
    let output = finish(ssh).await;
    assert_eq!((out(&output).as_str(), output.status.code()), ("", Some(255)));
    assert!(err(&output).contains("SKS-1001"), "{}", err(&output));
    let asked = std::fs::read_to_string(house.path("asked")).unwrap();
    assert_eq!(asked.matches("One-time code").count(), 3, "{asked}");
    // The reason is legible in Japanese, too: OpenSSH shows prompts as they are, and instructions with octal numbers.
    assert_eq!(asked.matches(Refusal::LoginFailed.words().ja).count(), 3, "{asked}");
    assert!(asked.trim_end().ends_with("Press Enter to leave:") && !err(&output).contains("\\343"), "{asked}{}", err(&output));
    assert!(house.desk.paper().enters.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_first_factor_reaches_the_screen_of_a_key_holder() {
    let house = House::new().await;
    house.desk.paper().first_refusal = Some(Refusal::LockedOut);
    let output = house.exec("echo hello").await;
    assert_eq!(output.status.code(), Some(255));
    let words = Refusal::LockedOut.words();
    assert!(err(&output).contains(words.code) && err(&output).contains(words.en), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_name_without_a_target_is_told_its_form() {
    let house = House::new().await;
    let mut ssh = house.client("ssh", By::Key);
    ssh.args([&format!("{WORKER}@127.0.0.1"), "true"]);
    let output = finish(ssh).await;
    assert!(err(&output).contains("SKS-4017"), "{}", err(&output));
    let asked = std::fs::read_to_string(house.path("asked")).unwrap();
    assert!(asked.contains(Refusal::BadSshLogin.words().ja), "{asked}");
    assert!(!asked.contains("assword"), "nobody is asked for a password that cannot help: {asked}");
    assert_eq!(house.desk.tried(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_the_key_is_no_login() {
    let house = House::new().await;
    // The worker's public key with another private key: the offer is welcome, the signature does not verify.
    make_key(&house.folder.path().join("thief"), "ed25519").await;
    let thief = load_secret_key(house.path("thief"), None).unwrap();
    let mut line = worker::call(&house).await;
    let key = PrivateKeyWithHashAlg::new(Arc::new(thief), None);
    let result = line.authenticate_publickey(worker::login(), key).await.unwrap();
    assert!(matches!(result, AuthResult::Failure { partial_success: false, .. }));
    assert_eq!(house.desk.paper().firsts, 0);
    // An OpenSSH client that has only the public half: it offers, is welcome, and cannot sign.
    std::fs::copy(house.path("worker.pub"), house.path("only.pub")).unwrap();
    let mut ssh = house.client("ssh", By::Named("only.pub"));
    ssh.args([&house.place(), "true"]);
    assert_eq!(finish(ssh).await.status.code(), Some(255));
    assert_eq!(house.desk.tried(), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_refused_even_with_the_right_key_in_it() {
    let house = House::new().await;
    make_key(&house.folder.path().join("ca"), "ed25519").await;
    run("ssh-keygen", &["-q", "-s", &house.path("ca"), "-I", "x", "-n", WORKER, "-V", "+1h", &house.path("worker.pub")]).await;
    let mut ssh = house.client("ssh", By::Key);
    ssh.args(["-o", &format!("CertificateFile={}", house.path("worker-cert.pub")), "-o", "PreferredAuthentications=publickey", "-v"]);
    ssh.args([&house.place(), "true"]);
    let output = finish(ssh).await;
    // The certificate comes first and gets nothing; the bare key then is a first factor like any other.
    assert!(err(&output).contains("ED25519-CERT"), "{}", err(&output));
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(house.desk.tried().0, 1, "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_told_and_kept() {
    let house = House::new().await;
    let mut line = worker::call(&house).await;
    let only_code = MethodSet::from(&[MethodKind::KeyboardInteractive][..]);
    let AuthResult::Failure { remaining_methods, partial_success } = line.authenticate_password(worker::login(), PASSWORD).await.unwrap() else {
        panic!("one factor is no login");
    };
    assert!(partial_success && remaining_methods == only_code, "{remaining_methods:?}");
    // The first factor again is no second one.
    let AuthResult::Failure { partial_success, .. } = line.authenticate_password(worker::login(), PASSWORD).await.unwrap() else {
        panic!("the same factor twice is no login");
    };
    assert!(!partial_success);
    assert!(line.channel_open_session().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_in_the_middle_of_a_login_ends_the_connection() {
    let house = House::new().await;
    let mut line = worker::call(&house).await;
    line.authenticate_password(worker::login(), PASSWORD).await.unwrap();
    let other = format!("mori+{TARGET}");
    let _ = line.authenticate_keyboard_interactive_start(other, None::<String>).await;
    assert!(line.authenticate_keyboard_interactive_start(worker::login(), None::<String>).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_alone_opens_nothing() {
    let house = House::new().await;
    let mut line = worker::call(&house).await;
    let asked = line.authenticate_keyboard_interactive_start(worker::login(), None::<String>).await.unwrap();
    let Interactive::InfoRequest { prompts, .. } = asked else { panic!("{asked:?}") };
    assert!(prompts.len() == 1 && prompts[0].prompt.contains("Password") && !prompts[0].echo);
    let answer = line.authenticate_keyboard_interactive_respond(vec![CODE.to_owned()]).await.unwrap();
    assert!(matches!(answer, Interactive::Failure { partial_success: false, .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kinds_of_host_key_are_shown_and_nothing_weak_is_spoken() {
    let house = House::new().await;
    let keys = house.scan().await;
    let kinds: Vec<_> = keys.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]);
    assert!(keys.iter().all(|line| sekisho_gateway::fingerprint(line).is_some_and(|print| print.starts_with("SHA256:"))));
    for weak in ["Ciphers=aes128-cbc", "KexAlgorithms=diffie-hellman-group14-sha1", "MACs=hmac-sha1", "HostKeyAlgorithms=ssh-rsa"] {
        let cipher = if weak.starts_with("MACs") { "Ciphers=aes128-ctr" } else { "LogLevel=INFO" };
        let output = finish(house.ssh(&["-o", weak, "-o", cipher], "true")).await;
        assert!(err(&output).contains("no matching"), "{weak}: {}", err(&output));
    }
    for strong in ["Ciphers=aes128-gcm@openssh.com", "Ciphers=chacha20-poly1305@openssh.com", "KexAlgorithms=ecdh-sha2-nistp256", "HostKeyAlgorithms=ecdsa-sha2-nistp256", "HostKeyAlgorithms=rsa-sha2-512"] {
        let output = finish(house.ssh(&["-o", strong], "echo yes")).await;
        assert_eq!(out(&output), "yes\n", "{strong}: {}", err(&output));
    }
}
