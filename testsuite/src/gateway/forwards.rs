//! Local forwards: to the places that the plan names and nowhere else, counted, and kept where the plan says so.

use super::desk::Kept;
use super::house::{House, err, until};
use super::worker;
use sekisho_core::desk::Cause;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{ForwardTo, Function};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A service behind the target: gives back what it gets, in capital letters, until the other side has said all.
async fn service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 32 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    buffer.truncate(count);
                    buffer.make_ascii_uppercase();
                    if stream.write_all(&buffer).await.is_err() {
                        return;
                    }
                    buffer.resize(32 * 1024, 0);
                }
                let _ = stream.write_all(b"[end]").await;
            });
        }
    });
    port
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn connect(port: u16) -> TcpStream {
    for _ in 0..200 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            return stream;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the client listens nowhere");
}

fn to(host: &str, port: u16, full: bool) -> ForwardTo {
    ForwardTo { host: host.into(), port, full }
}

/// What the recording has of forwards: opened, kept, and the sums of its flows.
fn carried(house: &House) -> (Vec<String>, Vec<(bool, Vec<u8>)>, (u64, u64)) {
    let mut opened = Vec::new();
    let mut kept: Vec<(bool, Vec<u8>)> = Vec::new();
    let mut flow = (0, 0);
    for event in house.desk.tape.all() {
        match event {
            Kept::Open { function: Function::Forward, text, .. } => opened.push(text),
            Kept::Forwarded { to_target, bytes } => kept.push((to_target, bytes)),
            Kept::Flow { to_target, to_worker } => flow = (flow.0 + to_target, flow.1 + to_worker),
            _ => {}
        }
    }
    (opened, kept, flow)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_that_the_plan_names_carries_both_ways_and_is_counted_alone_without_a_terminal() {
    let house = House::new().await;
    let (behind, local) = (service().await, free_port().await);
    house.desk.paper().forwards = vec![to("LocalHost", behind, false)];
    // No command, no terminal: the forward itself begins the session.
    let forward = format!("{local}:localhost:{behind}");
    let mut ssh = house.ssh(&["-N", "-L", &forward], "").stderr(Stdio::null()).spawn().unwrap();
    let mut stream = connect(local).await;
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "HELLO[end]", "and the end of input alone does not close it");
    until("the forward is closed", || house.desk.tape.all().contains(&Kept::Close(String::new()))).await;
    let (opened, kept, flow) = carried(&house);
    assert_eq!((opened, kept.len(), flow), (vec![format!("LocalHost:{behind}")], 0, (5, 10)));
    assert_eq!(house.desk.paper().enters.len(), 1);
    ssh.kill().await.unwrap();
    house.desk.left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_that_is_kept_in_full_has_every_byte_with_its_direction() {
    let house = House::new().await;
    let (behind, local) = (service().await, free_port().await);
    house.desk.paper().forwards = vec![to("127.0.0.1", behind, true)];
    let forward = format!("{local}:127.0.0.1:{behind}");
    let ssh = house.ssh(&["-L", &forward], "sleep 20").stderr(Stdio::null()).spawn().unwrap();
    let mut stream = connect(local).await;
    let sent: Vec<u8> = (0..300_000u32).map(|at| b'a' + (at % 26) as u8).collect();
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut answer = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut answer), writing);
    read.unwrap();
    assert_eq!(answer, [sent.to_ascii_uppercase().as_slice(), b"[end]"].concat());
    until("the forward is closed", || house.desk.tape.all().contains(&Kept::Close(String::new()))).await;
    let (_, kept, flow) = carried(&house);
    let way = |up: bool| kept.iter().filter(|(to_target, _)| *to_target == up).flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>();
    assert!(way(true) == sent && way(false) == answer);
    assert_eq!(flow, (sent.len() as u64, answer.len() as u64));
    drop(ssh);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_elsewhere_opens_nothing_and_says_why() {
    let house = House::new().await;
    let (behind, local) = (service().await, free_port().await);
    let other = free_port().await;
    // The plan names the same service by another name, and another port of the same host.
    house.desk.paper().forwards = vec![to("localhost", behind, false), to("127.0.0.1", other, false)];
    let forward = format!("{local}:127.0.0.1:{behind}");
    for (functions, code, refusal) in [
        (Function::ALL.to_vec(), "SKS-4304", Refusal::ForwardNotInPlan),
        (vec![Function::Shell, Function::Exec], "SKS-4009", Refusal::ForwardingRefused),
    ] {
        house.desk.paper().functions = functions.into_iter().collect();
        house.desk.paper().refused.clear();
        let ssh = house.ssh(&["-L", &forward], "read line").stdin(Stdio::piped()).spawn().unwrap();
        let mut through = connect(local).await;
        let mut got = Vec::new();
        let _ = through.read_to_end(&mut got).await;
        assert!(got.is_empty(), "{}", String::from_utf8_lossy(&got));
        until("it is written", || !house.desk.paper().refused.is_empty()).await;
        let output = ssh.wait_with_output().await.unwrap();
        assert!(err(&output).contains(code), "{}", err(&output));
        let refused = house.desk.paper().refused[0].clone();
        assert_eq!((refused.ask, refused.refusal), (format!("direct-tcpip 127.0.0.1:{behind}"), refusal));
    }
    assert_eq!(carried(&house).0, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_forward_is_written_also_when_the_client_leaves_at_once() {
    let house = House::new().await;
    for _ in 0..5 {
        house.desk.paper().refused.clear();
        house.desk.paper().left.clear();
        let line = worker::enter(&house).await;
        let channel = line.channel_open_session().await.unwrap();
        channel.exec(true, "sleep 20").await.unwrap();
        until("the session runs", || !house.desk.paper().dialled.is_empty()).await;
        assert!(line.channel_open_direct_tcpip("10.0.0.9", 3389, "127.0.0.1", 1).await.is_err());
        worker::leave(line).await;
        house.desk.left().await;
        assert_eq!(house.desk.paper().refused.len(), 1, "before the session's end");
    }
    // And without a session: nothing was entered, so it stands with the login.
    let line = worker::enter(&house).await;
    let _ = line.tcpip_forward("127.0.0.1", 0).await;
    worker::leave(line).await;
    until("it is written", || !house.desk.paper().refused_before.is_empty()).await;
    assert!(house.desk.paper().refused_before[0].ask.starts_with("tcpip-forward"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_plans_a_forward_names_one_in_the_login() {
    let house = House::new().await;
    let behind = service().await;
    house.desk.paper().forwards = vec![to("127.0.0.1", behind, false)];
    house.desk.paper().plans = vec!["2026-0041".into(), "2026-0042".into()];
    let line = worker::enter(&house).await;
    assert!(line.channel_open_direct_tcpip("127.0.0.1", u32::from(behind), "127.0.0.1", 1).await.is_err());
    assert!(house.desk.paper().dialled.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_is_work_and_ends_with_the_session() {
    let house = House::new().await;
    let behind = service().await;
    house.desk.paper().forwards = vec![to("127.0.0.1", behind, false)];
    let line = worker::enter(&house).await;
    let mut channel = line.channel_open_direct_tcpip("127.0.0.1", u32::from(behind), "127.0.0.1", 1).await.unwrap();
    for _ in 0..3 {
        house.desk.clock.push(std::time::Duration::from_secs(14 * 60));
        channel.data(&b"x"[..]).await.unwrap();
        worker::read_until(&mut channel, |got| got.out.contains('X')).await;
    }
    assert!(house.desk.lefts().is_empty());
    house.desk.clock.push(std::time::Duration::from_secs(4 * 3600));
    assert_eq!(house.desk.left().await, Cause::WindowEnded);
    assert_eq!(carried(&house).2, (3, 3), "what was carried stands before the end");
}
