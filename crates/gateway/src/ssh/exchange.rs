//! Exchanging the credential of an account on a target: by `passwd` for a password, in `~/.ssh/authorized_keys` for a key.
//!
//! What decides is a login, never what a program says: the connection by the old credential stays open until a new one
//! by the new credential stood, so that there is a way back as long as there may be need of it.
//!
//! Nothing of others is passed to a shell: the commands are constants, and keys travel as input.

use super::dial::{self, Target};
use super::veil::Veil;
use super::words;
use crate::keys;
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, client};
use sekisho_core::desk::{Dialled, Event, OpenRecording, TargetCredential};
use sekisho_core::rotation::{Opening, Rotated, RotationEnd, RotationOrder, RotationTrouble};
use sekisho_core::secret::Secret;
use sekisho_core::target::Function;
use sekisho_protocol::passwd::{Answer, Dialogue};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time for one program on the target.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most that one program may write; a file of keys is far smaller.
const OUTPUT_BYTES: usize = 512 * 1024;
/// The account changes its own password. `LC_ALL` keeps the questions in the words that are known.
const PASSWD: &str = "LC_ALL=C passwd";
/// Adds a key. The blank line before it ends a last line that has no end.
const ADD_KEY: &str = "umask 077; mkdir -p \"$HOME/.ssh\" && cat >> \"$HOME/.ssh/authorized_keys\"";
/// Shows the keys. A symbolic link is left alone: replacing it would replace the link, not the file.
const SHOW_KEYS: &str = "f=\"$HOME/.ssh/authorized_keys\"; [ ! -L \"$f\" ] && cat \"$f\"";

/// Replaces the keys, but only by exactly as many bytes as were sent: a connection that breaks must not leave half a file.
fn put_keys(bytes: usize) -> String {
    format!(
        "f=\"$HOME/.ssh/authorized_keys\"; umask 077; cat > \"$f.sekisho\" && [ \"$(wc -c < \"$f.sekisho\")\" -eq {bytes} ] && mv \"$f.sekisho\" \"$f\" || {{ rm -f \"$f.sekisho\"; false; }}"
    )
}

/// Exchanges a credential and gives the recording back.
pub async fn rotate(order: RotationOrder) -> RotationEnd {
    let RotationOrder { host, port, host_keys, username, old, new, recording } = order;
    let place = Place { host, port, host_keys, username, other_host_key: Mutex::default() };
    // A private key is sent to nobody, so no target can draw it.
    let secrets = [&old, &new].into_iter().filter_map(|credential| if let TargetCredential::Password(secret) = credential { Some(secret.clone()) } else { None });
    let tape = Tape { recording: &recording, next: AtomicU32::new(1), secrets: secrets.collect() };
    let outcome = match (old, new) {
        (TargetCredential::Password(old), TargetCredential::Password(new)) => passwords(&place, &old, &new, &tape).await,
        (TargetCredential::PrivateKey(old), TargetCredential::PrivateKey(new)) => private_keys(&place, &old, &new, &tape).await,
        _ => Rotated::Unchanged { why: RotationTrouble::NothingToExchange },
    };
    RotationEnd { outcome, other_host_key: place.other_host_key(), recording }
}

/// Which credential opens the account.
pub async fn which(host: &str, port: u16, host_keys: &[String], username: &str, tried: Vec<TargetCredential>) -> Opening {
    let place = Place { host: host.to_owned(), port, host_keys: host_keys.to_vec(), username: username.to_owned(), other_host_key: Mutex::default() };
    for (at, credential) in tried.into_iter().enumerate() {
        if let Ok(target) = place.log_in(credential).await {
            target.disconnect().await;
            return Opening { at: Some(at), other_host_key: place.other_host_key() };
        }
    }
    Opening { at: None, other_host_key: place.other_host_key() }
}

/// Where the account is.
struct Place {
    host: String,
    port: u16,
    host_keys: Vec<String>,
    username: String,
    /// A host key that was shown and is not pinned: told to who ordered, whatever else came of it.
    other_host_key: Mutex<Option<String>>,
}

impl Place {
    fn other_host_key(&self) -> Option<String> {
        self.other_host_key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn log_in(&self, credential: TargetCredential) -> Result<Target, RotationTrouble> {
        match dial::open(&self.host, self.port, &self.host_keys, &self.username, credential).await {
            (_, Some(target)) => Ok(target),
            (Dialled::HostKeyChanged { seen }, None) => {
                self.other_host_key.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(seen);
                Err(RotationTrouble::HostKeyChanged)
            }
            (Dialled::CredentialRefused, None) => Err(RotationTrouble::OldRefused),
            (_, None) => Err(RotationTrouble::Unreachable),
        }
    }

    async fn opens(&self, credential: TargetCredential) -> bool {
        match self.log_in(credential).await {
            Ok(target) => {
                target.disconnect().await;
                true
            }
            Err(_) => false,
        }
    }
}

/// Nothing more can be recorded, or the program did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Unrecorded,
    Failed,
}

/// Where every byte goes before anything is made of it.
struct Tape<'a> {
    recording: &'a OpenRecording,
    next: AtomicU32,
    /// What must not be in it, though a target may draw it.
    secrets: Vec<Secret>,
}

impl Tape<'_> {
    fn put(&self, channel: u32, event: Event<'_>) -> Result<(), Stop> {
        self.recording.append(channel, event).map_err(|_| Stop::Unrecorded)
    }

    /// A program begins.
    fn begin(&self, command: &str, terminal: bool) -> Result<u32, Stop> {
        let channel = self.next.fetch_add(1, Ordering::Relaxed);
        self.put(channel, Event::Open { function: Function::Exec, text: command, size: terminal.then_some((80, 24)) })?;
        self.put(channel, Event::Command(command))?;
        Ok(channel)
    }
}

/// A program on the target.
struct Program<'a> {
    tape: &'a Tape<'a>,
    channel: u32,
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<client::Msg>,
    written: usize,
    output: Veil,
    errors: Veil,
}

impl<'a> Program<'a> {
    async fn start(target: &Target, tape: &'a Tape<'a>, command: &str, terminal: bool) -> Result<Self, Stop> {
        let channel = tape.begin(command, terminal)?;
        let (reader, writer) = target.open().await.map_err(|_| Stop::Failed)?.split();
        if terminal {
            // Some programs ask before they switch the echo off; an answer in between would be drawn, and so recorded.
            writer.request_pty(false, "dumb", 80, 24, 0, 0, &[(Pty::ECHO, 0)]).await.map_err(|_| Stop::Failed)?;
        }
        writer.exec(false, command.as_bytes().to_vec()).await.map_err(|_| Stop::Failed)?;
        Ok(Self { tape, channel, reader, writer, written: 0, output: Veil::over(&tape.secrets), errors: Veil::over(&tape.secrets) })
    }

    /// What the program wrote next; `None` with its exit status at the end.
    async fn next(&mut self) -> Result<Result<Vec<u8>, Option<u32>>, Stop> {
        let mut status = None;
        loop {
            match self.reader.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    self.draw(|program| program.output.shown(&data), |bytes| Event::Output(bytes))?;
                    self.written = self.written.saturating_add(data.len());
                    if self.written > OUTPUT_BYTES {
                        return Err(Stop::Failed);
                    }
                    return Ok(Ok(data.to_vec()));
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    self.draw(|program| program.errors.shown(&data), |bytes| Event::Error(bytes))?;
                    self.written = self.written.saturating_add(data.len());
                    if self.written > OUTPUT_BYTES {
                        return Err(Stop::Failed);
                    }
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status),
                Some(ChannelMsg::Close) | None => {
                    self.draw(|program| program.output.rest(), |bytes| Event::Output(bytes))?;
                    self.draw(|program| program.errors.rest(), |bytes| Event::Error(bytes))?;
                    let exit = status.map_or(String::new(), |status| format!("exit {status}"));
                    self.tape.put(self.channel, Event::Close { exit: &exit })?;
                    return Ok(Err(status));
                }
                Some(_) => {}
            }
        }
    }

    /// Records what the veil lets through.
    fn draw(&mut self, shown: impl FnOnce(&mut Self) -> Vec<u8>, event: impl for<'b> FnOnce(&'b Bytes) -> Event<'b>) -> Result<(), Stop> {
        let shown = Bytes::from(shown(self));
        if shown.is_empty() { Ok(()) } else { self.tape.put(self.channel, event(&shown)) }
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), Stop> {
        self.writer.data_bytes(bytes.to_vec()).await.map_err(|_| Stop::Failed)
    }
}

/// Runs a program with this input and gives what it wrote, if it ended well.
async fn run(target: &Target, tape: &Tape<'_>, command: &str, input: &[u8]) -> Result<Vec<u8>, Stop> {
    let work = async {
        let mut program = Program::start(target, tape, command, false).await?;
        program.send(input).await?;
        program.writer.eof().await.map_err(|_| Stop::Failed)?;
        let mut output = Vec::new();
        loop {
            match program.next().await? {
                Ok(bytes) => output.extend(bytes),
                Err(Some(0)) => return Ok(output),
                Err(_) => return Err(Stop::Failed),
            }
        }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Stop::Failed))
}

/// Changes the password of the account that is logged in.
async fn passwd(target: &Target, tape: &Tape<'_>, present: &Secret, new: &Secret) -> Result<(), Stop> {
    let work = async {
        let mut program = Program::start(target, tape, PASSWD, true).await?;
        let mut dialogue = Dialogue::default();
        loop {
            let heard = match program.next().await? {
                Ok(heard) => heard,
                Err(Some(0)) if dialogue.is_complete() => return Ok(()),
                Err(_) => return Err(Stop::Failed),
            };
            let answer = match dialogue.heard(&heard).map_err(|_| Stop::Failed)? {
                Some(Answer::Present) => present,
                Some(Answer::New) => new,
                None => continue,
            };
            // The terminal does not echo it, and the veil hides it where the target draws it all the same.
            program.send(answer.expose().as_bytes()).await?;
            program.send(b"\n").await?;
        }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Stop::Failed))
}

async fn passwords(place: &Place, old: &Secret, new: &Secret, tape: &Tape<'_>) -> Rotated {
    let (by_old, by_new) = (|| TargetCredential::Password(old.clone()), || TargetCredential::Password(new.clone()));
    let target = match place.log_in(by_old()).await {
        Ok(target) => target,
        Err(why) => return Rotated::Unchanged { why },
    };
    let changed = passwd(&target, tape, old, new).await;
    // Whatever the program said, a login says it better.
    if place.opens(by_new()).await {
        target.disconnect().await;
        return Rotated::Done;
    }
    if changed.is_err() && place.opens(by_old()).await {
        let why = if changed == Err(Stop::Unrecorded) { RotationTrouble::NoRecording } else { RotationTrouble::NotTaken };
        return Rotated::Unchanged { why };
    }
    // Taken, and no login with it: back over the connection that is still open.
    let why = RotationTrouble::NewRefused;
    let _ = passwd(&target, tape, new, old).await;
    target.disconnect().await;
    if place.opens(by_old()).await { Rotated::TakenBack { why } } else { Rotated::Unsure { why } }
}

async fn private_keys(place: &Place, old: &Secret, new: &Secret, tape: &Tape<'_>) -> Rotated {
    let (Ok(old_line), Ok(new_line)) = (keys::public_line(old), keys::public_line(new)) else {
        return Rotated::Unchanged { why: RotationTrouble::OldRefused };
    };
    let (by_old, by_new) = (|| TargetCredential::PrivateKey(old.clone()), || TargetCredential::PrivateKey(new.clone()));
    let target = match place.log_in(by_old()).await {
        Ok(target) => target,
        Err(why) => return Rotated::Unchanged { why },
    };
    // Whatever the old key was restricted to, the new one is, too.
    let options = match run(&target, tape, SHOW_KEYS, b"").await {
        Ok(present) => options_of(&present, &old_line),
        // The account may read its key elsewhere; then the new one will not open it, and is taken back.
        Err(Stop::Failed) => Vec::new(),
        Err(Stop::Unrecorded) => return Rotated::Unchanged { why: RotationTrouble::NoRecording },
    };
    let line = [b"\n".as_slice(), &options, new_line.as_bytes(), b" sekisho\n"].concat();
    let added = run(&target, tape, ADD_KEY, &line).await;
    let Ok(renewed) = place.log_in(by_new()).await else {
        // A command whose end was not heard may have added the key all the same.
        let recorded = added != Err(Stop::Unrecorded);
        let why = match added {
            Err(Stop::Unrecorded) => RotationTrouble::NoRecording,
            Err(Stop::Failed) => RotationTrouble::NotTaken,
            Ok(_) => RotationTrouble::NewRefused,
        };
        let mut gone = if recorded { without(&target, tape, &new_line).await } else { Err(Stop::Unrecorded) };
        target.disconnect().await;
        // A key that opens nothing is not left behind because one connection did not do its work.
        if recorded
            && gone.is_err()
            && let Ok(again) = place.log_in(by_old()).await
        {
            gone = without(&again, tape, &new_line).await;
            again.disconnect().await;
        }
        return match (place.opens(by_old()).await, gone) {
            (true, Ok(Gone::TakenOut)) => Rotated::TakenBack { why },
            (true, Ok(Gone::WasNotThere) | Err(_)) => Rotated::Unchanged { why },
            (false, _) => Rotated::Unsure { why },
        };
    };
    let removed = without(&renewed, tape, &old_line).await;
    target.disconnect().await;
    renewed.disconnect().await;
    if removed.is_ok() { Rotated::Done } else { Rotated::DoneOldRemains }
}

/// Why a key is not in the file.
enum Gone {
    TakenOut,
    WasNotThere,
}

/// Takes a key out of the file, and looks whether it is gone.
async fn without(target: &Target, tape: &Tape<'_>, line: &str) -> Result<Gone, Stop> {
    let present = run(target, tape, SHOW_KEYS, b"").await?;
    let kept = remaining(&present, line);
    if kept == present {
        return Ok(Gone::WasNotThere);
    }
    run(target, tape, &put_keys(kept.len()), &kept).await?;
    let after = run(target, tape, SHOW_KEYS, b"").await?;
    if after == kept { Ok(Gone::TakenOut) } else { Err(Stop::Failed) }
}

/// What stands before the key in its line (`from="…",restrict `), blank at its end; nothing if the key has no line.
fn options_of(file: &[u8], line: &str) -> Vec<u8> {
    let mut words = line.split(' ');
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return Vec::new() };
    let key = format!("{kind} {blob}");
    let row = file.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|row| !row.starts_with(b"#"));
    row.filter_map(|row| row.windows(key.len()).position(|part| part == key.as_bytes()).and_then(|at| row.get(..at))).next().unwrap_or_default().to_vec()
}

/// The file without the lines that hold the key, byte for byte else; options and comments do not matter.
fn remaining(file: &[u8], line: &str) -> Vec<u8> {
    let blob = line.split(' ').nth(1).unwrap_or(line).as_bytes();
    let holds = |row: &[u8]| row.split(|byte| byte.is_ascii_whitespace()).any(|word| word == blob);
    file.split_inclusive(|byte| *byte == b'\n').filter(|row| !holds(row)).flatten().copied().collect()
}

/// A new key of the kind that every target of the last ten years knows.
pub fn new_key() -> Result<Secret, String> {
    keys::generate_client_key().map_err(|fault| words::visible(&fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_out_whatever_stands_around_it() {
        let file = b"# keys\nfrom=\"10.0.0.1\" ssh-ed25519 AAAAold sato\nssh-ed25519 AAAAother x\nssh-ed25519 AAAAold\nssh-rsa AAAAoldish";
        assert_eq!(options_of(file, "ssh-ed25519 AAAAold"), b"from=\"10.0.0.1\" ");
        assert_eq!(options_of(b"ssh-ed25519 AAAAold\n", "ssh-ed25519 AAAAold"), b"");
        assert_eq!(options_of(b"", "ssh-ed25519 AAAAold"), b"");
        assert_eq!(remaining(file, "ssh-ed25519 AAAAold"), b"# keys\nssh-ed25519 AAAAother x\nssh-rsa AAAAoldish");
    }
}
