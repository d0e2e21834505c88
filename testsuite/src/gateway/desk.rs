//! A desk in memory: says what the test wants and remembers what it was asked and told.

use sekisho_core::authorize::{Case, Grant, Principal, authorize};
use sekisho_core::desk::{
    Admission, Answer, Arrival, Cause, Desk, Dialled, Entry, Event, FirstProof, HalfPrincipal, OpenRecording, PlanChoice, RecordingLost, RecordingSink,
    RefusedAsk, TargetCredential,
    HeldUpload, RuledCommand, Spool, SpoolLost};
use sekisho_core::device::{Device, DeviceProof};
use sekisho_core::ids::{AccountId, DeviceId, LineId, PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::line::Line;
use sekisho_core::people::{Person, Role, Vendor};
use sekisho_core::plan::approval::{Approval, Slot};
use sekisho_core::plan::content::{PlanContent, TargetUse};
use sekisho_core::plan::state::PlanState;
use sekisho_core::plan::Plan;
use sekisho_core::policy::Policy;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{FileRight, ForwardTo, TransferLimits, Account, CredentialKind, Function, Protocol, Target, Witness};
use sekisho_core::command::{CommandRule, RuleAct};
use sekisho_core::control::{Control, Standstill};
use sekisho_core::time::{Clock, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub const WORKER: &str = "sato";
pub const TARGET: &str = "ehr-db01";
pub const PASSWORD: &str = "correct horse 7!";
pub const CODE: &str = "123456";
/// Output that is kept word for word; the rest is only counted.
const KEPT: usize = 1024 * 1024;

/// A clock that runs by itself and can be pushed forward.
pub struct TestClock {
    begun: Instant,
    ahead: AtomicI64,
}

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), ahead: AtomicI64::new(0) })
    }

    pub fn push(&self, span: Duration) {
        self.ahead.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let run = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
        Timestamp(Timestamp::parse_local("2026-11-24T14:00").unwrap().0 + run + self.ahead.load(Ordering::SeqCst))
    }
}

fn line(vendor: &Vendor) -> Line {
    Line { id: LineId::from_random([50; 10]), vendor: vendor.id.clone(), content: crate::roads::line("保守センター", "127.0.0.0/8"), active: true }
}

fn device(vendor: &Vendor) -> Device {
    let content = crate::roads::device("NOTE-01", [127, 0, 0, 1].into());
    Device { id: DeviceId::from_random([51; 10]), vendor: vendor.id.clone(), content, active: true, lost_at: None, lost_by: None }
}

/// One thing that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Open { function: Function, text: String, size: Option<(u16, u16)> },
    Output(Vec<u8>),
    Error(Vec<u8>),
    Resize(u16, u16),
    Input(u64),
    Command(String),
    File(FileSeen),
    KeepFile { file: u32, to_target: bool, path: Vec<u8> },
    Content { file: u32, offset: u64, bytes: Vec<u8> },
    Message(String),
    Control(Control),
    Flow { to_target: u64, to_worker: u64 },
    Forwarded { to_target: bool, bytes: Vec<u8> },
    Close(String),
}

/// What the desk answers and what it was told.
pub struct Paper {
    pub host: String,
    pub port: u16,
    pub host_keys: Vec<String>,
    pub username: String,
    pub credential: Secret,
    pub password_credential: bool,
    pub worker_key: Option<String>,
    pub functions: BTreeSet<Function>,
    pub files: BTreeSet<FileRight>,
    pub limits: TransferLimits,
    pub forwards: Vec<ForwardTo>,
    pub rules: Vec<CommandRule>,
    pub witness: Witness,
    pub standstill: Standstill,
    pub ruled: Vec<RuledCommand>,
    pub uploads: Vec<HeldUpload>,
    pub window: Duration,
    pub policy: Policy,
    /// Numbers of the open plans.
    pub plans: Vec<String>,
    /// Called with the session that the answer to `enter` will name.
    pub on_enter: Option<Box<dyn Fn(&SessionId) + Send>>,
    pub first_refusal: Option<Refusal>,
    pub enter_refusal: Option<Refusal>,
    pub firsts: usize,
    pub offers: usize,
    pub enters: Vec<Option<String>>,
    pub dialled: Vec<Dialled>,
    pub refused: Vec<RefusedAsk>,
    /// Reasons for which the gateway had its session paused.
    pub paused: Vec<String>,
    /// What was refused to those who had not entered.
    pub refused_before: Vec<RefusedAsk>,
    pub left: Vec<Cause>,
    pub sessions: Vec<SessionId>,
}

/// The recording.
#[derive(Default)]
pub struct Tape {
    pub kept: Mutex<Vec<(u32, Kept)>>,
    held: AtomicU64,
    pub output: AtomicU64,
    pub input: AtomicU64,
    pub broken: AtomicBool,
    /// Panics at the next output.
    pub explosive: AtomicBool,
}

pub struct FakeDesk {
    pub clock: Arc<TestClock>,
    pub paper: Mutex<Paper>,
    pub tape: Arc<Tape>,
    /// From here on a refusal inside a session is never written down to the end.
    pub stuck: AtomicBool,
    /// What is decided on commands that wait, in their order.
    pub decisions: Mutex<VecDeque<bool>>,
    next: AtomicU8,
}

pub struct Sink(pub Arc<Tape>);

impl RecordingSink for Sink {
    fn append(&self, channel: u32, event: Event<'_>) -> Result<(), RecordingLost> {
        let tape = &self.0;
        if tape.broken.load(Ordering::SeqCst) {
            return Err(RecordingLost);
        }
        assert!(!(tape.explosive.load(Ordering::SeqCst) && matches!(event, Event::Output(_))), "as the test wishes");
        let keep = |bytes: &[u8]| {
            tape.output.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            let room = KEPT.saturating_sub(tape.held.load(Ordering::SeqCst) as usize).min(bytes.len());
            tape.held.fetch_add(room as u64, Ordering::SeqCst);
            bytes[..room].to_vec()
        };
        let kept = match event {
            Event::Open { function, text, size } => Kept::Open { function, text: text.to_owned(), size },
            Event::Output(bytes) => Kept::Output(keep(bytes)),
            Event::Error(bytes) => Kept::Error(keep(bytes)),
            Event::Resize(columns, rows) => Kept::Resize(columns, rows),
            Event::Input { bytes } => {
                tape.input.fetch_add(bytes, Ordering::SeqCst);
                Kept::Input(bytes)
            }
            Event::Command(text) => Kept::Command(text.to_owned()),
            Event::File(file) => Kept::File(file.clone()),
            Event::KeepFile { file, to_target, path } => Kept::KeepFile { file, to_target, path: path.to_vec() },
            Event::Content { file, offset, bytes } => Kept::Content { file, offset, bytes: bytes.to_vec() },
            Event::Message(text) => Kept::Message(text.to_owned()),
            Event::Control(control) => Kept::Control(control.clone()),
            Event::Flow { to_target, to_worker } => Kept::Flow { to_target, to_worker },
            Event::Forwarded { to_target, bytes } => Kept::Forwarded { to_target, bytes: bytes.to_vec() },
            Event::Close { exit } => Kept::Close(exit.to_owned()),
        };
        tape.kept.lock().unwrap().push((channel, kept));
        Ok(())
    }
}

impl Tape {
    pub fn all(&self) -> Vec<Kept> {
        self.kept.lock().unwrap().iter().map(|(_, kept)| kept.clone()).collect()
    }

    /// Everything that was drawn, as text.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.all().into_iter().filter_map(|kept| if let Kept::Output(bytes) = kept { Some(bytes) } else { None }).flatten().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn commands(&self) -> Vec<String> {
        self.all().into_iter().filter_map(|kept| if let Kept::Command(text) = kept { Some(text) } else { None }).collect()
    }

    pub fn files(&self) -> Vec<FileSeen> {
        self.all().into_iter().filter_map(|kept| if let Kept::File(file) = kept { Some(file) } else { None }).collect()
    }
}

impl FakeDesk {
    pub fn new(host_keys: Vec<String>, port: u16, username: String, credential: Secret, worker_key: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            clock: TestClock::new(),
            paper: Mutex::new(Paper {
                host: "127.0.0.1".into(),
                port,
                host_keys,
                username,
                credential,
                password_credential: false,
                worker_key,
                functions: Function::ALL.into(),
                files: FileRight::ALL.into(),
                limits: TransferLimits::default(),
                forwards: Vec::new(),
                rules: Vec::new(),
                witness: Witness::None,
                standstill: Standstill::None,
                ruled: Vec::new(),
                uploads: Vec::new(),
                window: Duration::from_secs(3 * 3600),
                policy: Policy::default(),
                plans: vec!["2026-0001".into()],
                on_enter: None,
                first_refusal: None,
                enter_refusal: None,
                firsts: 0,
                offers: 0,
                enters: Vec::new(),
                dialled: Vec::new(),
                refused: Vec::new(),
                paused: Vec::new(),
                refused_before: Vec::new(),
                left: Vec::new(),
                sessions: Vec::new(),
            }),
            tape: Arc::default(),
            stuck: AtomicBool::new(false),
            decisions: Mutex::default(),
            next: AtomicU8::new(1),
        })
    }

    pub fn paper(&self) -> MutexGuard<'_, Paper> {
        self.paper.lock().unwrap()
    }

    pub fn lefts(&self) -> Vec<Cause> {
        self.paper().left.clone()
    }

    /// First factors that were tried, and keys that were offered.
    pub fn tried(&self) -> (usize, usize) {
        let paper = self.paper();
        (paper.firsts, paper.offers)
    }

    /// Waits for the only session's end.
    pub async fn left(&self) -> Cause {
        for _ in 0..200 {
            if let Some(cause) = self.paper().left.first() {
                return *cause;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no session has left");
    }

    fn grant(&self, principal: &Principal, number: &str) -> Result<Grant, Refusal> {
        let paper = self.paper();
        let now = self.clock.now();
        let vendor = Vendor {
            id: VendorId::from_random([1; 10]),
            name: "青葉メディカル".into(),
            subcontractor_of: None,
            contact: String::new(),
            contract_until: None,
            active: true,
            subcontract: None,
        };
        let person = Person {
            id: principal.person().clone(),
            login: WORKER.into(),
            name: "佐藤".into(),
            vendor: Some(vendor.id.clone()),
            department: String::new(),
            mail: String::new(),
            phone: String::new(),
            roles: BTreeSet::from([Role::Worker]),
            active: true,
            valid_until: None,
            pledged_until: Some("2027-03-31".into()),
            trained_until: Some("2027-03-31".into()),
            robot: None, emergency: false,
        };
        let target = Target {
            id: TargetId::from_random([2; 10]),
            name: TARGET.into(),
            title: "電子カルテ DB".into(),
            protocol: Protocol::Ssh,
            host: paper.host.clone(),
            port: paper.port,
            owner: "医事課".into(),
            vendor: vendor.id.clone(),
            host_keys: paper.host_keys.clone(),
            personal_data: false,
            class: sekisho_core::target::TargetClass::Linux,
            witness: paper.witness,
            quarantine: sekisho_core::target::Quarantine::Never,
            logs: Default::default(),
            host_key_alarm: None,
            active: true,
        };
        let account = Account {
            id: AccountId::from_random([3; 10]),
            target: target.id.clone(),
            username: paper.username.clone(),
            privileged: false,
            credential: CredentialKind::PrivateKey,
        };
        let content = PlanContent {
            title: "月次点検".into(),
            targets: vec![TargetUse { target: target.id.clone(), account: account.id.clone(), functions: paper.functions.clone(), files: paper.files.clone(), limits: paper.limits, forwards: paper.forwards.clone(), key_window: false }],
            workers: vec![person.id.clone()],
            from: now.minus(Duration::from_secs(60)),
            until: now.plus(paper.window),
            ..PlanContent::default()
        };
        let approval = |slot, by: u8| Approval {
            slot,
            by: PersonId::from_random([by; 10]),
            name: "承認者".into(),
            at: now,
            digest: "d1".into(),
            signature: String::new(),
        };
        let plan = Plan {
            state: PlanState::Approved,
            revision: 1,
            content,
            approvals: vec![approval(Slot::Technical, 21), approval(Slot::Final, 22)],
            version: 1,
            ..Plan::blank(PlanId::from_random([4; 10]), number.to_owned(), vendor.id.clone(), person.id.clone(), now)
        };
        authorize(
            principal,
            &Case {
                person: &person,
                vendor: &vendor,
                plan_vendor: &vendor,
                target: &target,
                account: Some(&account),
                plan: &plan,
                digest: "d1",
                signatures_hold: true,
                lines: &[line(&vendor)],
                place: sekisho_core::country::Place::NoTable,
                device: Some(&device(&vendor)),
                rules: &paper.rules,
                policy: &paper.policy,
                now,
            },
        )
    }

    fn decide_entry(&self, principal: &Principal, target: &str, plan: Option<&str>) -> Result<Entry, Refusal> {
        let plans = {
            let mut paper = self.paper();
            paper.enters.push(plan.map(str::to_owned));
            if let Some(refusal) = &paper.enter_refusal {
                return Err(refusal.clone());
            }
            paper.plans.clone()
        };
        if target != TARGET {
            return Err(Refusal::NoPlan);
        }
        let number = match plan {
            Some(number) if plans.iter().any(|open| open == number) => number.to_owned(),
            Some(_) => return Err(Refusal::PlanNotOpen),
            None if plans.len() == 1 => plans[0].clone(),
            None => {
                let until = self.clock.now().plus(Duration::from_secs(3600));
                let choice = |number: &String| PlanChoice { number: number.clone(), title: "月次点検".into(), until };
                return Ok(Entry::Choose(plans.iter().map(choice).collect()));
            }
        };
        let grant = self.grant(principal, &number)?;
        let session = SessionId::from_random([self.next.fetch_add(1, Ordering::SeqCst); 10]);
        let mut paper = self.paper();
        paper.sessions.push(session.clone());
        if let Some(call) = &paper.on_enter {
            call(&session);
        }
        let credential = match paper.password_credential {
            true => TargetCredential::Password(paper.credential.clone()),
            false => TargetCredential::PrivateKey(paper.credential.clone()),
        };
        let recording = OpenRecording::assertion(Box::new(Sink(Arc::clone(&self.tape))));
        Ok(Entry::Open(Box::new(Admission { session, grant, recording, credential, standstill: paper.standstill })))
    }
}

/// A spool in memory.
#[derive(Default)]
struct MemorySpool(std::sync::Mutex<Vec<u8>>);

impl Spool for MemorySpool {
    fn number(&self) -> u64 {
        1
    }

    fn append(&self, bytes: &[u8]) -> Result<(), SpoolLost> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, SpoolLost> {
        let from = usize::try_from(offset).unwrap();
        self.0.lock().unwrap().get(from..from + length).map(<[u8]>::to_vec).ok_or(SpoolLost)
    }
}

impl Desk for FakeDesk {
    fn first_factor<'a>(&'a self, login: &'a str, arrival: &'a Arrival, proof: FirstProof) -> Answer<'a, Result<HalfPrincipal, Refusal>> {
        Box::pin(async move {
            let mut paper = self.paper();
            paper.firsts += 1;
            if let Some(refusal) = &paper.first_refusal {
                return Err(refusal.clone());
            }
            let holds = match &proof {
                FirstProof::Password(password) => password.expose() == PASSWORD,
                FirstProof::VerifiedKey(key) => paper.worker_key.as_ref() == Some(key),
            };
            let half = HalfPrincipal { ticket: "t".into(), login: login.to_owned(), arrival: arrival.clone() };
            if holds && login == WORKER { Ok(half) } else { Err(Refusal::LoginFailed) }
        })
    }

    fn knows_key<'a>(&'a self, login: &'a str, _: IpAddr, key: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut paper = self.paper();
            paper.offers += 1;
            login == WORKER && paper.worker_key.as_deref() == Some(key)
        })
    }

    fn knows_certificate<'a>(&'a self, _: &'a str, _: &'a Arrival, _: &'a str) -> Answer<'a, bool> {
        Box::pin(async move { false })
    }

    fn certificate<'a>(&'a self, _: &'a str, _: &'a Arrival, _: &'a str) -> Answer<'a, Result<Principal, Refusal>> {
        Box::pin(async move { Err(Refusal::SshLoginRefused) })
    }

    fn second_factor<'a>(&'a self, half: HalfPrincipal, code: Secret) -> Answer<'a, Result<Principal, (Option<HalfPrincipal>, Refusal)>> {
        Box::pin(async move {
            if code.expose() == CODE {
                Ok(Principal::assertion(PersonId::from_random([9; 10]), half.login, half.arrival.source, None, Some(DeviceProof::Address { device: DeviceId::from_random([51; 10]) })))
            } else {
                Err((Some(half), Refusal::LoginFailed))
            }
        })
    }

    fn enter<'a>(&'a self, principal: &'a Principal, target: &'a str, plan: Option<&'a str>) -> Answer<'a, Result<Entry, Refusal>> {
        Box::pin(async move { self.decide_entry(principal, target, plan) })
    }

    fn dialled<'a>(&'a self, _: &'a SessionId, outcome: Dialled) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.paper().dialled.push(outcome);
            Ok(())
        })
    }

    fn refused<'a>(&'a self, _: &'a SessionId, ask: RefusedAsk) -> Answer<'a, ()> {
        Box::pin(async move {
            self.paper().refused.push(ask);
            if self.stuck.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        })
    }

    fn stage<'a>(&'a self, _: &'a SessionId) -> Answer<'a, Result<Box<dyn Spool>, Refusal>> {
        Box::pin(async move { Ok(Box::new(MemorySpool::default()) as Box<dyn Spool>) })
    }

    fn upload<'a>(&'a self, _: &'a SessionId, held: HeldUpload) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let passes = held.passes;
            self.paper().uploads.push(held);
            loop {
                let decided = if passes { Some(true) } else { self.decisions.lock().unwrap().pop_front() };
                match decided {
                    Some(true) => return Ok(()),
                    Some(false) => return Err(Refusal::UploadRefused { reason: "ウイルスの疑い".into() }),
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
    }

    fn pause<'a>(&'a self, _: &'a SessionId, reason: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.paper().paused.push(reason.to_owned()) })
    }

    fn refused_before<'a>(&'a self, _: &'a Principal, _: &'a str, ask: RefusedAsk) -> Answer<'a, ()> {
        Box::pin(async move { self.paper().refused_before.push(ask) })
    }

    fn key_window<'a>(&'a self, _: &'a str, _: &'a Arrival, _: &'a str, _: &'a str) -> Answer<'a, Option<Principal>> {
        Box::pin(async { None })
    }

    fn command<'a>(&'a self, _: &'a SessionId, ruled: RuledCommand) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let (act, reason) = (ruled.act, ruled.reason.clone());
            self.paper().ruled.push(ruled);
            match act {
                RuleAct::Note | RuleAct::Alert => Ok(()),
                RuleAct::Refuse => Err(Refusal::CommandRefused { reason }),
                RuleAct::Hold => loop {
                    let decided = self.decisions.lock().unwrap().pop_front();
                    match decided {
                        Some(true) => return Ok(()),
                        Some(false) => return Err(Refusal::CommandDenied { reason }),
                        None => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                },
            }
        })
    }

    fn leave<'a>(&'a self, _: &'a SessionId, recording: OpenRecording, cause: Cause) -> Answer<'a, ()> {
        Box::pin(async move {
            drop(recording);
            self.paper().left.push(cause);
        })
    }
}
