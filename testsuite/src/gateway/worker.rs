//! A worker's client of our own, for what a program on a pipe cannot do: resize, signals, half a login.

use super::desk::{CODE, PASSWORD, TARGET, WORKER};
use super::house::House;
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use std::sync::Arc;
use std::time::Duration;

pub struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

pub type Line = client::Handle<Anyone>;

pub fn login() -> String {
    format!("{WORKER}+{TARGET}")
}

pub async fn call(house: &House) -> Line {
    client::connect(Arc::new(client::Config::default()), ("127.0.0.1", house.port), Anyone).await.unwrap()
}

/// Logs in by password and code.
pub async fn enter(house: &House) -> Line {
    let mut line = call(house).await;
    let first = line.authenticate_password(login(), PASSWORD).await.unwrap();
    assert!(matches!(first, AuthResult::Failure { partial_success: true, .. }), "{first:?}");
    let asked = line.authenticate_keyboard_interactive_start(login(), None::<String>).await.unwrap();
    assert!(matches!(asked, KeyboardInteractiveAuthResponse::InfoRequest { .. }), "{asked:?}");
    let done = line.authenticate_keyboard_interactive_respond(vec![CODE.to_owned()]).await.unwrap();
    assert!(matches!(done, KeyboardInteractiveAuthResponse::Success), "{done:?}");
    line
}

/// Ends the connection as a client does.
pub async fn leave(line: Line) {
    line.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
}

/// Opens a shell on a terminal.
pub async fn shell(line: &Line, columns: u32, rows: u32) -> Channel<client::Msg> {
    let channel = line.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", columns, rows, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel
}

/// What came over a channel until `enough` says so or it closed.
#[derive(Default, Debug)]
pub struct Got {
    pub out: String,
    pub err: String,
    pub status: Option<u32>,
    pub signal: Option<String>,
    pub closed: bool,
}

pub async fn read_until(channel: &mut Channel<client::Msg>, mut enough: impl FnMut(&Got) -> bool) -> Got {
    let mut got = Got::default();
    let reading = async {
        while !enough(&got) {
            match channel.wait().await {
                Some(ChannelMsg::Data { data }) => got.out.push_str(&String::from_utf8_lossy(&data)),
                Some(ChannelMsg::ExtendedData { data, .. }) => got.err.push_str(&String::from_utf8_lossy(&data)),
                Some(ChannelMsg::ExitStatus { exit_status }) => got.status = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => got.signal = Some(format!("{signal_name:?}")),
                Some(ChannelMsg::Close) | None => {
                    got.closed = true;
                    break;
                }
                Some(_) => {}
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), reading).await.is_ok();
    assert!(in_time, "nothing more came: {got:?}");
    got
}
