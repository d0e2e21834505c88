//! A small hospital in one process: the store over a fresh folder, a clock that the test sets, one vendor, one target,
//! one worker with both factors, and the people who decide.

use super::base::Base;
use sekisho_core::authorize::Principal;
use sekisho_core::desk::{Admission, Cause, Desk, Entry, Event, FirstProof, Recall};
use sekisho_core::facts;
use sekisho_core::ids::SessionId;
use sekisho_core::people::{Actor, Person, Role, Vendor, Via};
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::content::{PlanContent, TargetUse};
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, Function, Protocol, Target};
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{Enrolment, AccountAsk, CredentialAsk, Database, FirstAdministrator, LogFilter, NewPerson, Settings, Store, TargetAsk, VendorAsk};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

pub const PASSWORD: &str = "tsuki-no-michi-42!";
pub const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
pub const WORKER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";
/// 2026-11-21 14:00 JST.
const NOON: i64 = 1_795_237_200_000;

/// A clock that the test sets. It is nobody's to watch, unless the test says that it is the machine's.
pub struct SetClock(AtomicI64, AtomicBool);

impl SetClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOON), AtomicBool::new(false)))
    }

    /// From here on it is the clock of the machine, beside which the monotonic clock runs.
    pub fn is_the_machines(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    pub fn pass(&self, span: Duration) {
        self.0.fetch_add(span.as_millis() as i64, Ordering::SeqCst);
    }

    pub fn set_back(&self, span: Duration) {
        self.0.fetch_sub(span.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn is_of_the_machine(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }
}

pub struct Ward {
    pub dir: PathBuf,
    pub settings: Settings,
    pub clock: Arc<SetClock>,
    pub store: Store,
    pub vendor: Vendor,
    pub target: Target,
    pub account: Account,
    pub worker: Person,
    pub operator: Actor,
    pub planner: Actor,
    pub clerk: Actor,
    codes: totp_rs::Totp,
    /// Keeps folder and database for as long as the ward.
    _base: Option<Base>,
}

pub fn settings(dir: &Path) -> Settings {
    Settings {
        data_dir: dir.to_owned(),
        database: Database::Sqlite,
        key_file: None,
        facility: "青葉病院".into(),
        origin: "sekisho.example/aoba".into(),
        policy: Policy::default(),
        base_url: "https://gateway.example:8443".into(),
        passkey_origins: vec!["https://gateway.example:8443".into()],
        mail: None,
        receivers: Vec::new(),
        device_token: None,
        ssh_sources: Vec::new(),
        target_logs: Some(super::around::settings()),
        leaked_passwords: None,
        door_name: String::new(),
            door_address: String::new(),
    }
}

pub fn source() -> IpAddr {
    IpAddr::from([10, 20, 0, 5])
}

impl Ward {
    /// Over SQLite.
    pub async fn new() -> Self {
        Self::over(Base::sqlite()).await
    }

    /// Over either database.
    pub async fn over(base: Base) -> Self {
        let mut ward = Self::set_up(base.settings(), base.clock.clone()).await;
        ward._base = Some(base);
        ward
    }

    /// In a folder of the test's choice.
    pub async fn at(dir: &Path) -> Self {
        Self::set_up(settings(dir), SetClock::new()).await
    }

    async fn set_up(settings: Settings, clock: Arc<SetClock>) -> Self {
        Store::init(settings.clone(), clock.clone(), FirstAdministrator::default()).await.unwrap();
        let store = Store::open(settings.clone(), clock.clone()).await.unwrap();
        let console = Actor::console();
        let vendor = VendorAsk { name: "北斗メディカル".into(), ..VendorAsk::default() };
        let vendor = store.add_vendor(&console, vendor).await.unwrap();
        crate::roads::open(&store, &console, &vendor.id, "10.20.0.0/16", source()).await;
        let target = TargetAsk {
            name: "ehr-db01".into(),
            title: "電子カルテ DBサーバ".into(),
            protocol: Protocol::Ssh,
            host: "127.0.0.1".into(),
            port: 22,
            owner: "情報システム室".into(),
            vendor: vendor.id.clone(),
            host_keys: vec![HOST_KEY.into()],
            personal_data: true,
            class: Default::default(),
            witness: Default::default(),
            quarantine: Default::default(),
            active: true,
        };
        let target = store.add_target(&console, target).await.unwrap();
        let account = AccountAsk { username: "maint".into(), privileged: false, credential: CredentialAsk::Password(Secret::new("db-secret")) };
        let account = store.add_account(&console, &target.id, account).await.unwrap();
        let worker = NewPerson {
            login: "sato".into(),
            name: "佐藤 健".into(),
            vendor: Some(vendor.id.clone()),
            roles: BTreeSet::from([Role::Worker]),
            pledged_until: Some("2027-03-31".into()),
            trained_until: Some("2027-03-31".into()),
            ..NewPerson::default()
        };
        let (worker, link) = store.add_person(&console, worker).await.unwrap();
        let offer = store.enrolment(link.token.expose(), "", source()).await.unwrap();
        let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
        let code = Secret::new(codes.generate(clock.now().0 as u64 / 1000).to_string());
        store.enrol(link.token.expose(), "", source(), Enrolment::with_code(Secret::new(PASSWORD), code)).await.unwrap();
        let mut staff = Vec::new();
        for (login, role) in [("ono", Role::Operator), ("kida", Role::Planner), ("toda", Role::DutyClerk)] {
            let person = NewPerson { login: login.into(), name: login.into(), roles: BTreeSet::from([role]), ..NewPerson::default() };
            let (person, _) = store.add_person(&console, person).await.unwrap();
            staff.push(Actor::of(&person, Via::Web, Some("192.168.1.10".into())));
        }
        let (clerk, planner, operator) = (staff.pop().unwrap(), staff.pop().unwrap(), staff.pop().unwrap());
        let dir = settings.data_dir.clone();
        Self { dir, settings, clock, store, vendor, target, account, worker, operator, planner, clerk, codes, _base: None }
    }

    /// The worker as pages and API see them.
    pub fn worker_actor(&self) -> Actor {
        Actor::of(&self.worker, Via::Web, Some(source().to_string()))
    }

    /// A code that was not used before.
    pub fn code(&self) -> Secret {
        self.clock.pass(Duration::from_secs(30));
        Secret::new(self.codes.generate(self.clock.now().0 as u64 / 1000).to_string())
    }

    pub fn content(&self) -> PlanContent {
        let hour = Duration::from_secs(3600);
        PlanContent {
            title: "DB定期保守".into(),
            purpose: "定期点検".into(),
            targets: vec![TargetUse {
                target: self.target.id.clone(),
                account: self.account.id.clone(),
                functions: BTreeSet::from([Function::Shell, Function::Exec, Function::Sftp]),
                files: sekisho_core::target::FileRight::ALL.into(),
                limits: Default::default(),
                forwards: Vec::new(),
                key_window: false,
            }],
            workers: vec![self.worker.id.clone()],
            from: self.clock.now().minus(hour),
            until: self.clock.now().plus(hour * 4),
            steps: "点検する".into(),
            impact: "なし".into(),
            rollback: "なし".into(),
            contact: "内線 1234".into(),
            ..PlanContent::default()
        }
    }

    pub async fn approved(&self, content: PlanContent) -> Plan {
        let actor = self.worker_actor();
        let mut plan = self.store.draw_plan(&actor, &self.vendor.id, content).await.unwrap();
        plan = self.store.act_on_plan(&actor, &plan.id, PlanAct::Submit, None).await.unwrap();
        for approver in [&self.operator, &self.planner] {
            let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
            plan = self.store.act_on_plan(approver, &plan.id, PlanAct::Approve { digest }, None).await.unwrap();
        }
        plan
    }

    pub async fn principal(&self) -> Principal {
        let password = FirstProof::Password(Secret::new(PASSWORD));
        let half = self.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), password).await.unwrap();
        self.store.second_factor(half, self.code()).await.unwrap()
    }

    pub async fn try_enter(&self, principal: &Principal) -> Result<Admission, Refusal> {
        match self.store.enter(principal, "ehr-db01", None).await? {
            Entry::Open(admission) => Ok(*admission),
            Entry::Choose(choices) => panic!("asked to choose among {choices:?}"),
        }
    }

    /// A session under a fresh approved plan.
    pub async fn entered(&self) -> Admission {
        self.approved(self.content()).await;
        let principal = self.principal().await;
        self.try_enter(&principal).await.unwrap()
    }

    pub async fn left(&self, admission: Admission, cause: Cause) -> SessionId {
        self.store.leave(&admission.session, admission.recording, cause).await;
        admission.session
    }

    pub async fn facts(&self, kind: &str) -> Vec<facts::Entry> {
        facts_of(&self.store, kind).await
    }

    /// As after a crash: nothing is said to the old store; a new one opens the same folder.
    pub async fn crash(&mut self) {
        self.store.shut().await;
        self.store = Store::open(self.settings.clone(), self.clock.clone()).await.unwrap();
    }

    /// The database, for those who can write to it.
    pub fn db(&self) -> &super::postgres::Db {
        self._base.as_ref().and_then(|base| base.db.as_ref()).expect("a ward over PostgreSQL")
    }

    /// The same ward after its box stopped and started.
    pub async fn restarted(mut self) -> Self {
        self.store.close().await.unwrap();
        self.store = Store::open(self.settings.clone(), self.clock.clone()).await.unwrap();
        self
    }

    pub fn recording(&self, session: &SessionId) -> PathBuf {
        self.dir.join("recordings").join(format!("{session}.skr"))
    }

    /// Waits until what was appended lies in the file.
    pub async fn written(&self, session: &SessionId, least: u64) {
        let path = self.recording(session);
        until("the recording grows", || std::fs::metadata(&path).is_ok_and(|file| file.len() >= least)).await;
    }
}

/// The entries of one kind, the oldest first.
pub async fn facts_of(store: &Store, kind: &str) -> Vec<facts::Entry> {
    let filter = LogFilter { kind: Some(kind.into()), rows: Some(500), ..LogFilter::default() };
    let mut entries = store.log_entries(&Actor::console(), &filter).await.unwrap();
    entries.reverse();
    entries
}

pub fn shell(admission: &Admission) {
    let open = Event::Open { function: Function::Shell, text: "", size: Some((80, 24)) };
    admission.recording.append(1, open).unwrap();
}

/// Waits for something that must come about; fails loudly if it does not.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("in vain: {what}");
}

/// The next recall for a session.
pub async fn recalled(recalls: &mut tokio::sync::broadcast::Receiver<Recall>, within: Duration) -> Recall {
    tokio::time::timeout(within, recalls.recv()).await.expect("a recall in time").unwrap()
}
