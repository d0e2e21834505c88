//! The only hand that writes: database, audit log, recordings, keys and secrets.
//!
//! The store offers verbs, not tables. Each verb checks the right itself, changes rows and appends its fact in ONE
//! transaction, and answers [`Done`]: a value, a [`Refusal`](sekisho_core::refusal::Refusal), or a [`Fault`], which
//! refuses. See [`write`] for the transaction and [`log`] for the audit log.
//!
//! Inside the crate every change has this form:
//!
//! ```ignore
//! let mut tx = self.write(actor).await?;           // one writer at a time; rolled back unless committed
//! let row = sqlx::query("SELECT … WHERE id = $1").bind(id.as_str()).fetch_optional(tx.sql()).await?;
//! tx.fact(Fact::…);                                // appended by commit, with a gap-free seq
//! tx.recall(Recall { … });                         // sent after commit, never without it
//! tx.commit().await?;
//! ```
//!
//! Reads outside a change use `self.read()`, a pool of connections that cannot write.

mod accounts;
mod alarms;
mod approvals;
mod archive;
mod certificates;
mod control;
mod db;
mod desk;
mod disk;
mod exposure;
mod emergency;
mod evidence;
mod fault;
pub mod faults;
mod flows;
mod health;
mod held;
mod jobs;
mod keeping;
mod key_windows;
mod keys;
mod leaving;
mod links;
mod ledger;
mod live;
mod log;
mod logins;
mod open;
mod outbox;
mod outside;
mod plans;
mod recordings;
mod refusals;
mod reviewing;
mod rotation;
mod rules;
mod search;
mod secrets;
mod sessions;
mod settings;
mod spool;
mod ssh_ca;
mod ssh_keys;
mod ssh_logins;
mod sweep;
mod taking;
mod target_logs;
mod timestamps;
mod tls;
mod tokens;
mod trace;
mod trusted_time;
mod two_person;
mod views;
mod write;

pub use certificates::{DeviceAuthority, RootLock, sign_device_issuing};
pub use certificates::{CertificateEnd, CertifiedBy, DeviceCertificate, DeviceCertificates, NewDeviceCode};
pub use accounts::{LeaveAsk, Leaver, LeaverSheet, Privilege, PrivilegeAsk, PrivilegeRow, ReviewAsk, ReviewGroupAsk, ReviewPlace};
pub use control::{HeldCommand, HeldFile, Mark, Pause, Standing, Told, Watcher};
pub use evidence::{Evidence, EvidenceAsk};
pub use exposure::Exposure;
pub use emergency::{EmergencyAsk, EmergencyDuties, EnvelopeSheet, OpenEmergency, UseEntries};
pub use alarms::{AlarmEntry, AlarmFilter, AlarmPage, AlarmRow, Gauges, ReceiverRow};
pub use fault::{Denied, Done, Fault};
pub use flows::{FlowPart, FlowSeen, FlowsSeen, TakenFlow};
pub use health::Health;
pub use keeping::{CareState, ClassState, DeletionRow, DeletionsPage, DoubtState, DoubtedEntry, DuePage, DueRow, DueThing, LedgerFilter, RecordingFate, RetentionState, TimeSet};
pub use key_windows::KeyWindowAsk;
pub use live::ViewEvent;
pub use log::{DataFolder, KeyRotation, LogFilter, LogProof, write_file};
pub use timestamps::{Stamped, TimestampAuthority, TimestampKey, TimestampState};
pub use trusted_time::{ClockState, TimeSource};
pub use outside::{Contradiction, Head, Kept, OutsidePlace, OutsideSettings, Place};
pub use ledger::{AccountAsk, AccountTest, Countries, CredentialAsk, KeptOut, NewPerson, NewRobot, PersonChange, PersonRow, ResetAsk, TargetAsk, TargetRow, VendorAsk, read_countries};
pub use logins::{Enrolment, EnrolmentLink, EverybodysLogins, EnrolmentOffer, NewLogin, NewPasskey, Notice, NoticeKind, OpenLogin, OpenLoginId, OpenLoginKind, Origin, OwnFactors, PasskeyQuestion, PasskeyRow, SignInEnd, SignInHalf, SignInStart, WebLogin, WorkerKey, Lock, LockSubject, leaked_list_is_sound};
pub use open::InitReport;
pub use outbox::{MailRow, MailState, Outbox, Posted};
pub use plans::{Page, PlanChoices, PlanFilter, PlanRow, PlanView, VendorChoices};
pub use archive::{ArchiveCopy, ArchiveSettings, ArchiveStanding, HeldCopies};
pub use recordings::{Agreeing, NewAuditorKey, OpenedRecording, ReadRequest, RecordingAgreement, agree_to_recording, agree_to_request, new_auditor_key, open_recording, read_agreeing};
pub use recordings::{CopyPlace, CopyRemoval, RecordingCopy, Replay, ViewedSession};
pub use reviewing::{LogReviewDuty, LogReviewView, PeriodReportView, Recount};
pub use rotation::{RobotSession, Rotation};
pub use rules::{AlertRow, ClassRules, FileDecision, HeldFileRow, HeldFileView, HeldRow, RulesChange};
pub use search::{Piece, RecordGroup, RecordHit, RecordKind, RecordQuery, RecordsFound};
pub use sessions::{RecordingInfo, SessionFilter, SessionPage, SessionRow, SessionView};
pub use settings::{Database, FirstAdministrator, MailSettings, Settings, DeviceToken};
pub use ssh_logins::ConnectRequest;
pub use ssh_ca::{AuthorityAct, AuthorityKey, SshAuthority};
pub use taking::TakenFile;
pub use target_logs::{KnownFrom, LogSourceRow, NewLogSource, TargetLogSettings};
pub use tls::TlsCertificate;
pub use tokens::{NewToken, TokenAsk, TokenRow};
pub use trace::{Trace, TraceOf};
pub use views::Watch;

use faults::Faults;
use sekisho_core::desk::Recall;
use sekisho_core::policy::Policy;
use sekisho_core::time::{Clock, Timestamp};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::broadcast;

/// The store. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones share.
pub(crate) struct Inner {
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
    pub db: db::Db,
    pub log: log::Head,
    pub keys: keys::Keys,
    pub faults: Arc<Faults>,
    pub recall: broadcast::Sender<Recall>,
    pub shelf: Arc<recordings::Shelf>,
    pub halves: desk::Halves,
    pub holds: rules::Holds,
    pub uploads: rules::Uploads,
    pub spools: spool::Spools,
    pub gauge: jobs::Gauge,
    pub hashing: logins::Hashing,
    pub ceremonies: logins::Ceremonies,
    /// Who speaks to directories and sign-in providers.
    pub elsewhere: links::Elsewhere,
    pub sign_ins: logins::SignIns,
    /// What passkeys are bound to; none without a name of this box.
    pub site: Option<logins::Site>,
    pub stripes: logins::Stripes,
    /// Places for contents of files that are taken out of recordings at once.
    pub takings: Arc<tokio::sync::Semaphore>,
    /// Places for evidence bundles that are put together at once.
    pub bundles: Arc<tokio::sync::Semaphore>,
    pub keeper: search::Keeper,
    /// Shares of recordings that a holder agreed to open.
    pub shares: two_person::Shares,
    /// Holds, times of keeping, deletions.
    pub keeping: keeping::Keeping,
    /// Where copies of recordings go.
    pub archive: archive::Archive,
    pub certified: certificates::Registry,
    pub away: certificates::AwayCount,
    /// Devices that wait for their person to confirm a login.
    pub requests: ssh_logins::Requests,
    /// The file of the device authority is read, changed and written by one act at a time: a key that was taken off the box
    /// must not be written back by another act that had read it before.
    pub ceremony: tokio::sync::Mutex<()>,
    /// Certificates of logins that did not count.
    pub login_refusals: certificates::AwayCount,
    pub tower: exposure::Watchtower,
    /// What comes in of targets' logs.
    pub gathering: target_logs::Gathering,
    pub older_lines: ledger::OlderLines,
    pub atlas: ledger::Atlas,
    /// Places outside of the box that have seen the log.
    pub outside: crate::outside::Outside,
    /// Held by whoever exchanges the key of the log.
    pub rotation: tokio::sync::Mutex<()>,
    /// Held by whoever traces.
    pub tracing: tokio::sync::Mutex<()>,
    /// The clock beside time servers and the monotonic clock.
    pub watch: trusted_time::Watch,
    /// How the time stamps stand, once an authority is configured.
    pub timestamps: std::sync::Mutex<Option<timestamps::TimestampState>>,
    pub reviewing: reviewing::Clockwork,
    pub watchfire: emergency::Watchfire,
    pub bells: alarms::Bells,
    /// Rings when a letter was written into the outbox.
    pub bell: tokio::sync::Notify,
    /// Held while the store lives, so that no second instance opens the same folder.
    pub lock: File,
}

/// Recalls that may wait for a slow receiver. A receiver that lags must end all its sessions.
const RECALLS: usize = 1024;

impl Store {
    /// The hospital's settings.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.settings.policy
    }

    /// Name of the facility.
    #[must_use]
    pub fn facility(&self) -> &str {
        &self.inner.settings.facility
    }

    /// Short name of the facility, which also names its log.
    #[must_use]
    pub fn facility_id(&self) -> &str {
        self.inner.settings.origin.rsplit('/').next().unwrap_or_default()
    }

    /// Short name under which devices of vendors keep this hospital: `ssh TARGET.NAME`.
    #[must_use]
    pub fn door_name(&self) -> &str {
        match self.inner.settings.door_name.as_str() {
            "" => self.facility_id(),
            name => name,
        }
    }

    /// The folder that holds all state.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.settings.data_dir
    }

    /// Address under which browsers reach this box, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.inner.settings.base_url
    }

    /// The clock that the store was opened with.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    /// The present moment, never earlier than the last entry of the log.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.believed_now().max(self.inner.log.last_at())
    }

    /// The gate that writes pass; tests make it fail.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Words that flow back to running sessions. A receiver that lags must end all sessions it carries.
    #[must_use]
    pub fn recalls(&self) -> broadcast::Receiver<Recall> {
        self.inner.recall.subscribe()
    }

    /// The pool for reading.
    pub(crate) fn read(&self) -> &sqlx::AnyPool {
        self.inner.db.readers()
    }
}
