//! Forwards, floods and half-open connections.

use super::house::{House, err, finish, out, until};
use super::worker;
use sekisho_core::refusal::Refusal;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_forward_is_refused_and_said_once() {
    let house = House::new().await;
    let agent = house.path("agent");
    let mut agent_process = tokio::process::Command::new("ssh-agent").args(["-D", "-a", &agent]).kill_on_drop(true).stdout(std::process::Stdio::null()).spawn().unwrap();
    until("an agent", || std::path::Path::new(&agent).exists()).await;
    for (options, ask) in [
        (&["-R", "0:127.0.0.1:22"][..], "tcpip-forward"),
        (&["-A"][..], "auth-agent-req"),
        (&["-X", "-o", "ForwardX11Trusted=yes", "-o", "XAuthLocation=/bin/true"][..], "x11-req"),
    ] {
        house.desk.paper().refused.clear();
        let mut ssh = house.ssh(options, "echo \"<$SSH_AUTH_SOCK$DISPLAY>\"");
        ssh.env("SSH_AUTH_SOCK", &agent);
        let output = finish(ssh).await;
        assert_eq!(out(&output), "<>\n", "{ask}: {}", err(&output));
        assert_eq!(err(&output).matches("SKS-4009").count(), 2, "{ask}: once in each language: {}", err(&output));
        let refused = house.desk.paper().refused.clone();
        assert!(refused.len() == 1 && refused[0].ask.starts_with(ask) && refused[0].refusal == Refusal::ForwardingRefused, "{refused:?}");
    }
    agent_process.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_channel_is_refused_and_the_ten_go_on() {
    let house = House::new().await;
    let line = worker::enter(&house).await;
    let mut channels = Vec::new();
    for _ in 0..10 {
        let channel = line.channel_open_session().await.unwrap();
        channel.exec(true, "cat").await.unwrap();
        channels.push(channel);
    }
    assert!(line.channel_open_session().await.is_err());
    for mut channel in channels {
        channel.data(&b"hello"[..]).await.unwrap();
        channel.eof().await.unwrap();
        let got = worker::read_until(&mut channel, |_| false).await;
        assert_eq!((got.out.as_str(), got.status), ("hello", Some(0)));
    }
    until("a place is free again", || house.desk.tape.all().iter().filter(|kept| matches!(kept, super::desk::Kept::Close(_))).count() == 10).await;
    let mut again = line.channel_open_session().await.unwrap();
    again.exec(true, "echo again").await.unwrap();
    assert_eq!(worker::read_until(&mut again, |_| false).await.out, "again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_half_open_connections_do_not_delay_a_good_login() {
    let house = House::new().await;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(TcpStream::connect(("127.0.0.1", house.port)).await.unwrap());
    }
    let begun = Instant::now();
    let line = worker::enter(&house).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // And who is half logged in keeps the place, whatever still comes.
    let mut half = worker::call(&house).await;
    half.authenticate_password(worker::login(), super::desk::PASSWORD).await.unwrap();
    for _ in 0..60 {
        held.push(TcpStream::connect(("127.0.0.1", house.port)).await.unwrap());
    }
    let output = house.exec("echo good").await;
    assert_eq!(out(&output), "good\n");
    half.authenticate_keyboard_interactive_start(worker::login(), None::<String>).await.unwrap();
    let done = half.authenticate_keyboard_interactive_respond(vec![super::desk::CODE.to_owned()]).await.unwrap();
    assert!(matches!(done, russh::client::KeyboardInteractiveAuthResponse::Success));
    drop((line, held));
}
