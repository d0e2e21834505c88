//! The seam between gateway and store: what a visitor's connection may ask, in which order.
//!
//! The order is in the types: [`Desk::second_factor`] consumes the [`HalfPrincipal`] that [`Desk::first_factor`]
//! gave, [`Desk::enter`] needs a [`Principal`], and an [`Admission`] exists only with its open recording. A step that
//! has not happened cannot be forgotten, because its value does not exist.

use bytes::Bytes;
use crate::authorize::{Grant, Principal};
use crate::command::RuleAct;
use crate::control::{Control, Standstill};
use crate::ids::SessionId;
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::target::Function;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The first factor of an SSH login, after the SSH library verified it as far as it can.
pub enum FirstProof {
    /// A password, still to be checked.
    Password(Secret),
    /// A public key in OpenSSH form (`ssh-ed25519 AAAA…`, no comment) whose SIGNATURE over this very connection was
    /// verified. An offer of a key is no proof and never becomes one of these.
    VerifiedKey(String),
}

/// A client certificate that a connection proved to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    serial: String,
}

impl ClientCertificate {
    /// Names a certificate of Sekisho's own authority for devices by its serial number, in small hexadecimal letters.
    ///
    /// An `assertion`: its chain, times and purpose were verified, and its key signed the handshake of this very
    /// connection. Whether it was revoked, and which device it is for, the store knows.
    #[must_use]
    pub fn assertion(serial: String) -> Self {
        Self { serial }
    }

    /// The serial number.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }
}

/// How a connection arrived: from where, and with which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where it comes from.
    pub source: IpAddr,
    /// The certificate of its device; `None` for a connection that did not pass the outer door.
    pub certificate: Option<ClientCertificate>,
}

impl Arrival {
    /// A connection that showed no certificate.
    #[must_use]
    pub fn plain(source: IpAddr) -> Self {
        Self { source, certificate: None }
    }
}

/// A login whose first factor holds. Not `Clone`, good for the second factor only.
#[derive(Debug)]
pub struct HalfPrincipal {
    /// Opaque handle that only the store understands.
    pub ticket: String,
    /// Login name.
    pub login: String,
    /// How the connection arrived.
    pub arrival: Arrival,
}

/// A plan that the worker can choose when several are open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChoice {
    /// Number: `2026-0042`.
    pub number: String,
    /// Title.
    pub title: String,
    /// End of its window.
    pub until: Timestamp,
}

/// What [`Desk::enter`] gives.
pub enum Entry {
    /// Several plans are open; ask the worker and come again with a number.
    Choose(Vec<PlanChoice>),
    /// Come in: permission and open recording in one value.
    Open(Box<Admission>),
}

/// Permission, recording and credential for one session. Dropping it without [`Desk::leave`] counts as vanished.
pub struct Admission {
    /// The session's id.
    pub session: SessionId,
    /// The permission.
    pub grant: Grant,
    /// The recording, whose header is on disk and whose `entered` entry is in the log.
    pub recording: OpenRecording,
    /// The target's credential. Never shown, never logged.
    pub credential: TargetCredential,
    /// Whether the session begins at a standstill.
    pub standstill: Standstill,
}

/// How the gateway proves itself to the target.
pub enum TargetCredential {
    /// A password.
    Password(Secret),
    /// A private key in OpenSSH PEM form.
    PrivateKey(Secret),
    /// A key made for this session and the certificate over it.
    Certificate {
        /// The private key in OpenSSH PEM form.
        key: Secret,
        /// The certificate, one OpenSSH line.
        certificate: String,
    },
}

/// One thing that happens on a channel of a session, on its way into the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A channel opened: `function`, and the exec command or SFTP (text is shown, bounded by the gateway).
    Open {
        /// What it is used for.
        function: Function,
        /// The exec command; empty for shell and SFTP.
        text: &'a str,
        /// Columns and rows, if a terminal was asked for.
        size: Option<(u16, u16)>,
    },
    /// Bytes from the target, standard output. Whoever watches shares them instead of copying.
    Output(&'a Bytes),
    /// Bytes of a local forward that is kept in full.
    Forwarded {
        /// From the worker to the target, or the other way.
        to_target: bool,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Bytes from the target, standard error.
    Error(&'a Bytes),
    /// The worker's window changed.
    Resize(u16, u16),
    /// Bytes from the worker, counted only: what is typed without echo must not be stored.
    Input {
        /// How many.
        bytes: u64,
    },
    /// A command line, as the target echoed it or as exec named it.
    Command(&'a str),
    /// A file operation.
    File(&'a crate::reconcile::FileSeen),
    /// Content of a file is kept from here on. The number is the session's own ([`FileSeen::kept`] names it again) and
    /// comes once.
    ///
    /// [`FileSeen::kept`]: crate::reconcile::FileSeen::kept
    KeepFile {
        /// The number.
        file: u32,
        /// From the worker to the target, or the other way.
        to_target: bool,
        /// The name as raw bytes, in the target's encoding.
        path: &'a [u8],
    },
    /// A part of the content of a file that is kept. Parts may come in any order and more than once; the later counts.
    Content {
        /// The number of the file.
        file: u32,
        /// Where the part begins in the file.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A message of Sekisho to the worker (warning, cut).
    Message(&'a str),
    /// What a person did to the session.
    Control(&'a Control),
    /// Bytes carried whose content is not in the recording.
    Flow {
        /// From the worker to the target.
        to_target: u64,
        /// From the target to the worker.
        to_worker: u64,
    },
    /// The channel closed with this exit status or signal.
    Close {
        /// `exit 0`, `signal TERM`, or empty.
        exit: &'a str,
    },
}

/// Where the recording goes. Implemented by the store.
pub trait RecordingSink: Send + Sync {
    /// Appends one event. When it returns, the event is in the recording's buffer, which reaches the disk within one
    /// second.
    ///
    /// # Errors
    /// [`RecordingLost`]: the session must end.
    fn append(&self, channel: u32, event: Event<'_>) -> Result<(), RecordingLost>;
}

/// The recording went wrong. No recording, no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingLost;

impl fmt::Display for RecordingLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the recording can no longer be written")
    }
}

impl std::error::Error for RecordingLost {}

/// An open recording. Not `Clone`; whoever carries a session carries this.
pub struct OpenRecording(Box<dyn RecordingSink>);

impl OpenRecording {
    /// Wraps a sink.
    ///
    /// An `assertion`: the caller has made the recording's header durable on disk and its `entered` entry durable in
    /// the log.
    #[must_use]
    pub fn assertion(sink: Box<dyn RecordingSink>) -> Self {
        Self(sink)
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`RecordingLost`]: the session must end.
    pub fn append(&self, channel: u32, event: Event<'_>) -> Result<(), RecordingLost> {
        self.0.append(channel, event)
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The worker closed it.
    Closed,
    /// The target closed the connection.
    TargetGone,
    /// The worker's connection broke.
    WorkerGone,
    /// The target could not be reached, or refused.
    DialFailed,
    /// The target showed a host key that is not pinned, in this session or in another one.
    HostKeyChanged,
    /// The window ended.
    WindowEnded,
    /// A person of the hospital cut it.
    Cut,
    /// The plan was withdrawn or the person disabled.
    Recalled,
    /// Nothing was typed for too long.
    Idle,
    /// No witness watched for too long.
    NoWitness,
    /// The recording could not be written.
    RecordingLost,
    /// The worker broke a rule of the protocol or a limit.
    Breach,
    /// Sekisho was stopped.
    Shutdown,
    /// Sekisho died; written by the sweeper.
    Vanished,
}

impl Cause {
    /// The name in log, facts and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::TargetGone => "target_gone",
            Self::WorkerGone => "worker_gone",
            Self::DialFailed => "dial_failed",
            Self::HostKeyChanged => "host_key_changed",
            Self::WindowEnded => "window_ended",
            Self::Cut => "cut",
            Self::Recalled => "recalled",
            Self::Idle => "idle",
            Self::NoWitness => "no_witness",
            Self::RecordingLost => "recording_lost",
            Self::Breach => "breach",
            Self::Shutdown => "shutdown",
            Self::Vanished => "vanished",
        }
    }

    /// What the worker is told, where somebody else ended the session.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::WindowEnded => Some(Refusal::WindowEnded),
            Self::Cut | Self::Recalled | Self::Shutdown => Some(Refusal::Cut),
            Self::Idle => Some(Refusal::Idle),
            Self::NoWitness => Some(Refusal::NoWitness),
            Self::RecordingLost => Some(Refusal::NoRecording),
            Self::DialFailed | Self::TargetGone => Some(Refusal::TargetUnreachable),
            Self::HostKeyChanged => Some(Refusal::HostKeyChanged),
            Self::Breach => Some(Refusal::ProtocolBreach),
            Self::Closed | Self::WorkerGone | Self::Vanished => None,
        }
    }
}

/// How dialling the target ended; goes into the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "dial", rename_all = "snake_case")]
pub enum Dialled {
    /// Connected and logged in.
    Connected {
        /// SHA-256 fingerprint of the host key seen.
        host_key: String,
        /// Our side of the connection, by which the target's own log names it; entries of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<std::net::SocketAddr>,
        /// The address at which the target answered, by which sensors name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<std::net::IpAddr>,
    },
    /// No answer, or the connection broke.
    Unreachable {
        /// The library's words.
        detail: String,
    },
    /// The host key is not one of the pinned ones.
    HostKeyChanged {
        /// SHA-256 fingerprint of the host key seen.
        seen: String,
    },
    /// The target refused the stored credential.
    CredentialRefused,
}

/// A refusal that happened inside a session (a forward, a function outside the plan).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAsk {
    /// What was asked for, in words: `direct-tcpip 10.0.0.5:3306`.
    pub ask: String,
    /// The code.
    pub refusal: Refusal,
}

/// The one word that flows backwards: from the store to a session that is being carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The session it is for; `None` for all of them.
    pub session: Option<SessionId>,
    /// What to do.
    pub word: RecallWord,
}

/// What a recall says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecallWord {
    /// End the session.
    End(Cause),
    /// The window was extended.
    Until(Timestamp),
    /// The session stands still, or goes on.
    Stand(Standstill),
    /// A message for the worker's terminals, already in the recording.
    Say(String),
}

/// A command that a rule names, as the gateway tells it before it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuledCommand {
    /// The channel.
    pub channel: u32,
    /// The command line.
    pub line: String,
    /// What the rule does.
    pub act: RuleAct,
    /// The rule's reason.
    pub reason: String,
}

/// Where the content of one upload lies while it waits. Implemented by the store; nothing lies in clear on a disk.
pub trait Spool: Send + Sync {
    /// The number by which the store knows it.
    fn number(&self) -> u64;

    /// Adds content at the end.
    ///
    /// # Errors
    /// [`SpoolLost`]: the file cannot pass.
    fn append(&self, bytes: &[u8]) -> Result<(), SpoolLost>;

    /// Reads content back.
    ///
    /// # Errors
    /// [`SpoolLost`]: the file cannot pass.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, SpoolLost>;
}

/// The content of an upload could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLost;

impl fmt::Display for SpoolLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the content of an upload that waits cannot be kept")
    }
}

impl std::error::Error for SpoolLost {}

/// A file that a worker brought and that has reached nothing yet, as the gateway tells it when it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUpload {
    /// The number of its spool.
    pub spool: u64,
    /// The path on the target, for people.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// True if the plan lists this content.
    pub listed: bool,
    /// True if it goes on by itself.
    pub passes: bool,
}

/// What the gateway may ask. Implemented by the store; every method writes down what it answers before it answers.
pub trait Desk: Send + Sync {
    /// Checks the first factor.
    fn first_factor<'a>(&'a self, login: &'a str, arrival: &'a Arrival, proof: FirstProof) -> Answer<'a, Result<HalfPrincipal, Refusal>>;

    /// True if this public key is registered for the person and asking for a signature makes sense. Gives no right.
    fn knows_key<'a>(&'a self, login: &'a str, source: IpAddr, key: &'a str) -> Answer<'a, bool>;

    /// A principal without a prompt: the person has opened a key window in the browser, after two factors, for this very
    /// target, source and key, and it has not ended. The key's signature was verified.
    fn key_window<'a>(&'a self, login: &'a str, arrival: &'a Arrival, key: &'a str, target: &'a str) -> Answer<'a, Option<Principal>>;

    /// True if a certificate of a login by certificate makes sense here and asking for a signature does. Its own signature
    /// holds. Gives no right; what it lacks is written down.
    fn knows_certificate<'a>(&'a self, login: &'a str, arrival: &'a Arrival, certificate: &'a str) -> Answer<'a, bool>;

    /// A principal by the certificate (one OpenSSH line) of a login that the person confirmed in the browser after two
    /// factors. The certificate's own signature holds, and its key signed this very login.
    fn certificate<'a>(&'a self, login: &'a str, arrival: &'a Arrival, certificate: &'a str) -> Answer<'a, Result<Principal, Refusal>>;

    /// Checks the one-time code. A wrong code gives the half back with its refusal as long as tries remain.
    fn second_factor<'a>(&'a self, half: HalfPrincipal, code: Secret) -> Answer<'a, Result<Principal, (Option<HalfPrincipal>, Refusal)>>;

    /// Asks to enter a target, under a plan if a number is given.
    fn enter<'a>(&'a self, principal: &'a Principal, target: &'a str, plan: Option<&'a str>) -> Answer<'a, Result<Entry, Refusal>>;

    /// Writes down how dialling ended.
    fn dialled<'a>(&'a self, session: &'a SessionId, outcome: Dialled) -> Answer<'a, Result<(), Refusal>>;

    /// Writes down a refusal inside the session.
    fn refused<'a>(&'a self, session: &'a SessionId, ask: RefusedAsk) -> Answer<'a, ()>;

    /// A rule names this command. Answers at once unless it must wait for a person; `Err` stops it.
    fn command<'a>(&'a self, session: &'a SessionId, ruled: RuledCommand) -> Answer<'a, Result<(), Refusal>>;

    /// A place for the content of an upload. Dropping it destroys the content.
    fn stage<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Result<Box<dyn Spool>, Refusal>>;

    /// An upload is complete. Answers when it may go on to the target; `Err` stops it. Dropping the answer gives it up.
    fn upload<'a>(&'a self, session: &'a SessionId, held: HeldUpload) -> Answer<'a, Result<(), Refusal>>;

    /// Sekisho itself pauses the session, for a reason that a person of the hospital should look at.
    fn pause<'a>(&'a self, session: &'a SessionId, reason: &'a str) -> Answer<'a, ()>;

    /// Writes down what was refused to a principal who has not entered.
    fn refused_before<'a>(&'a self, principal: &'a Principal, target: &'a str, ask: RefusedAsk) -> Answer<'a, ()>;

    /// Ends the session: seals the recording, writes `left`.
    fn leave<'a>(&'a self, session: &'a SessionId, recording: OpenRecording, cause: Cause) -> Answer<'a, ()>;
}
