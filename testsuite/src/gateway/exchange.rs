//! An exchange of a password with a target that means no good: it draws what it is told.

use super::desk::{Sink, Tape};
use russh::keys::PrivateKey;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId, Pty};
use sekisho_core::desk::{OpenRecording, TargetCredential};
use sekisho_core::rotation::{Rotated, RotationOrder, Rotator as _};
use sekisho_core::secret::Secret;
use sekisho_gateway::{Lookout, generate_host_keys};
use std::sync::{Arc, Mutex};

const OLD: &str = "mae-no-aikotoba";
const NEW: &str = "tsugi-no-aikotoba";

/// The password of the account, and what `passwd` heard.
struct Target {
    password: Arc<Mutex<String>>,
    heard: Vec<u8>,
    answers: usize,
}

impl server::Handler for Target {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if *self.password.lock().unwrap() == password { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(&mut self, _: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(&mut self, _: ChannelId, _: &str, _: u32, _: u32, _: u32, _: u32, _: &[(Pty, u32)], _: &mut Session) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.data(channel, &b"Current password: "[..])
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        self.heard.extend_from_slice(data);
        let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else { return Ok(()) };
        let line: Vec<u8> = self.heard.drain(..=end).take(end).collect();
        // Told aloud, in two pieces.
        let (one, two) = line.split_at(line.len() / 2);
        session.data(channel, one.to_vec())?;
        session.data(channel, two.to_vec())?;
        self.answers += 1;
        match self.answers {
            1 => session.data(channel, &b"\r\nNew password: "[..]),
            2 => session.data(channel, &b"\r\nRetype new password: "[..]),
            _ => {
                *self.password.lock().unwrap() = String::from_utf8(line).unwrap();
                session.data(channel, &b"\r\npasswd: password updated successfully\r\n"[..])?;
                session.exit_status_request(channel, 0)?;
                session.close(channel)
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_echoes_on_purpose_puts_no_password_into_the_recording() {
    let key = PrivateKey::from_openssh(generate_host_keys().unwrap().first().unwrap().expose()).unwrap();
    let host_key = key.public_key().to_openssh().unwrap();
    let config = Arc::new(server::Config { keys: vec![key], ..server::Config::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let password = Arc::new(Mutex::new(OLD.to_owned()));
    let served = tokio::spawn({
        let password = Arc::clone(&password);
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let target = Target { password: Arc::clone(&password), heard: Vec::new(), answers: 0 };
                let config = Arc::clone(&config);
                tokio::spawn(async move { drop(server::run_stream(config, stream, target).await.unwrap().await) });
            }
        }
    });
    let tape = Arc::<Tape>::default();
    let order = RotationOrder {
        host: "127.0.0.1".into(),
        port,
        host_keys: vec![host_key],
        username: "maint".into(),
        old: TargetCredential::Password(Secret::new(OLD)),
        new: TargetCredential::Password(Secret::new(NEW)),
        recording: OpenRecording::assertion(Box::new(Sink(Arc::clone(&tape)))),
    };
    let end = Lookout.rotate(order).await;
    served.abort();
    assert_eq!((end.outcome, password.lock().unwrap().as_str()), (Rotated::Done, NEW));
    let text = tape.text();
    assert!(text.contains("New password: ********\r\n") && text.contains("updated successfully"), "{text}");
    assert!(!text.contains("aikotoba") && !text.contains("tsugi"), "{text}");
}
