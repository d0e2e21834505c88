//! A store over either database, and people in it.

use super::postgres;
use super::ward::{PASSWORD, SetClock};
use sekisho_core::identity::{CheckMethod, IdentityClaim};
use sekisho_core::ids::{AccountId, PersonId, TargetId};
use sekisho_core::people::{Actor, Person, Role, Vendor, Via};
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::content::{PlanContent, TargetUse};
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Function, Protocol};
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_store::{
    Enrolment, ResetAsk,
    AccountAsk, CredentialAsk, Database, Denied, Done, EnrolmentLink, Fault, FirstAdministrator, InitReport, LogFilter, MailSettings, NewLogin, NewPerson, Settings,
    Store, TargetAsk, VendorAsk,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Runs each test of a module on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::house::base::Base::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::house::base::Base::postgres()).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// A database and a data folder that nobody has set up yet.
pub struct Base {
    pub folder: tempfile::TempDir,
    pub clock: Arc<SetClock>,
    pub db: Option<postgres::Db>,
    pub policy: Policy,
    pub mail: Option<MailSettings>,
    pub receivers: Vec<sekisho_core::outgoing::ReceiverAsk>,
}

impl Base {
    pub fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: SetClock::new(), db: None, policy: Policy::default(), mail: None, receivers: Vec::new() }
    }

    pub fn postgres() -> Self {
        Self { db: Some(postgres::Db::new()), ..Self::sqlite() }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn settings(&self) -> Settings {
        let database = match &self.db {
            Some(db) => Database::Postgres { url: Secret::new(db.url()) },
            None => Database::Sqlite,
        };
        Settings {
            data_dir: self.dir(),
            database,
            key_file: None,
            facility: "青葉病院".into(),
            origin: "sekisho.example/aoba".into(),
            policy: self.policy.clone(),
            base_url: "https://gateway.example:8443".into(),
            passkey_origins: vec!["https://gateway.example:8443".into()],
            mail: self.mail.clone(),
            receivers: self.receivers.clone(),
            device_token: None,
            ssh_sources: Vec::new(),
            target_logs: Some(super::around::settings()),
            leaked_passwords: None,
            door_name: String::new(),
            door_address: String::new(),
        }
    }

    pub async fn init(&self) -> Done<InitReport> {
        Store::init(self.settings(), self.clock.clone(), FirstAdministrator::default()).await
    }

    pub async fn open(&self) -> Result<Store, Fault> {
        Store::open(self.settings(), self.clock.clone()).await
    }

    /// Set up and open.
    pub async fn store(&self) -> Store {
        self.init().await.unwrap();
        self.open().await.unwrap()
    }

    /// Why it does not open.
    pub async fn refuses_to_open(&self) -> String {
        match self.open().await {
            Ok(_) => panic!("it opened"),
            Err(fault) => fault.to_string(),
        }
    }

    /// A hospital with people in it.
    pub async fn town(self) -> Town {
        Town::new(self).await
    }
}

/// Somebody who can log in.
pub struct Resident {
    pub person: Person,
    pub actor: Actor,
    codes: totp_rs::Totp,
}

impl Resident {
    pub fn id(&self) -> &PersonId {
        &self.person.id
    }
}

/// A hospital with one vendor and its server, a second vendor, and a person of each role that decides.
pub struct Town {
    pub base: Base,
    pub store: Store,
    pub vendor: Vendor,
    pub other: Vendor,
    pub target: TargetId,
    pub account: AccountId,
    pub worker: Resident,
    pub stranger: Resident,
    pub operator: Resident,
    pub planner: Resident,
    pub safety: Resident,
    pub clerk: Resident,
    pub admin: Resident,
}

pub const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

pub fn source() -> IpAddr {
    IpAddr::from([10, 20, 0, 5])
}

impl Town {
    /// The same box, stopped and started again.
    pub async fn restarted(mut self) -> Self {
        self.store.close().await.unwrap();
        self.store = self.base.open().await.unwrap();
        self
    }

    async fn new(base: Base) -> Self {
        let store = base.store().await;
        let console = Actor::console();
        let vendor = VendorAsk { name: "北斗メディカル".into(), ..VendorAsk::default() };
        let vendor = store.add_vendor(&console, vendor).await.unwrap();
        let other = store.add_vendor(&console, VendorAsk { name: "南十字システム".into(), ..VendorAsk::default() }).await.unwrap();
        for vendor in [&vendor, &other] {
            crate::roads::open(&store, &console, &vendor.id, "10.20.0.0/16", source()).await;
            // Where the browsers of the tests are.
            store.add_line(&console, &vendor.id, crate::roads::line("画面の試験", "127.0.0.0/8")).await.unwrap();
        }
        let target = store.add_target(&console, target_ask("ehr-db01", &vendor)).await.unwrap();
        let account = AccountAsk { username: "maint".into(), privileged: false, credential: CredentialAsk::Password(Secret::new("himitsu-no-credential")) };
        let account = store.add_account(&console, &target.id, account).await.unwrap();
        let mut people = Vec::new();
        for (login, role, vendor) in [
            ("sato", Role::Worker, Some(&vendor)),
            ("mori", Role::Worker, Some(&other)),
            ("ono", Role::Operator, None),
            ("kida", Role::Planner, None),
            ("abe", Role::SafetyManager, None),
            ("toda", Role::DutyClerk, None),
            ("kanri", Role::Administrator, None),
        ] {
            people.push(resident(&base, &store, new_person(login, role, vendor)).await);
        }
        let mut people = people.into_iter();
        let mut next = || people.next().unwrap();
        let (worker, stranger, operator, planner, safety, clerk, admin) = (next(), next(), next(), next(), next(), next(), next());
        Self { base, vendor, other, target: target.id, account: account.id, worker, stranger, operator, planner, safety, clerk, admin, store }
    }

    pub fn pass(&self, span: Duration) {
        self.base.clock.pass(span);
    }

    pub fn now(&self) -> Timestamp {
        self.base.clock.now()
    }

    /// The code of this moment. The same one comes twice within 30 seconds.
    pub fn code_now(&self, who: &Resident) -> Secret {
        Secret::new(who.codes.generate(self.now().0 as u64 / 1000).to_string())
    }

    /// A code that was not used before.
    pub fn code(&self, who: &Resident) -> Secret {
        self.pass(Duration::from_secs(30));
        self.code_now(who)
    }

    pub async fn log_in(&self, who: &Resident) -> NewLogin {
        let code = self.code(who);
        self.store.log_in(&who.person.login, Secret::new(PASSWORD), code, source(), Via::Web).await.unwrap()
    }

    pub fn content(&self) -> PlanContent {
        let hour = Duration::from_secs(3600);
        PlanContent {
            title: "DB定期保守".into(),
            purpose: "定期点検".into(),
            targets: vec![TargetUse { target: self.target.clone(), account: self.account.clone(), functions: BTreeSet::from([Function::Shell]), files: BTreeSet::new(), limits: Default::default(), forwards: Vec::new(), key_window: false }],
            workers: vec![self.worker.id().clone()],
            from: self.now().minus(hour),
            until: self.now().plus(hour * 4),
            steps: "点検する".into(),
            impact: "なし".into(),
            rollback: "なし".into(),
            contact: "内線 1234".into(),
            ..PlanContent::default()
        }
    }

    pub async fn draft(&self, content: PlanContent) -> Plan {
        self.store.draw_plan(&self.worker.actor, &self.vendor.id, content).await.unwrap()
    }

    pub async fn submitted(&self, content: PlanContent) -> Plan {
        let plan = self.draft(content).await;
        self.act(&self.worker, &plan, PlanAct::Submit).await.unwrap()
    }

    pub async fn approved(&self) -> Plan {
        let plan = self.submitted(self.content()).await;
        self.approve(&self.operator, &plan).await.unwrap();
        self.approve(&self.planner, &plan).await.unwrap()
    }

    pub async fn approve(&self, who: &Resident, plan: &Plan) -> Result<Plan, Refusal> {
        let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
        self.act(who, plan, PlanAct::Approve { digest }).await
    }

    pub async fn act(&self, who: &Resident, plan: &Plan, what: PlanAct) -> Result<Plan, Refusal> {
        told(self.store.act_on_plan(&who.actor, &plan.id, what, None).await)
    }

    pub async fn facts(&self, kind: &str) -> Vec<sekisho_core::facts::Entry> {
        super::ward::facts_of(&self.store, kind).await
    }

    /// The whole log, the oldest entry first.
    pub async fn log(&self) -> Vec<sekisho_core::facts::Entry> {
        whole_log(&self.store).await
    }
}

pub async fn whole_log(store: &Store) -> Vec<sekisho_core::facts::Entry> {
    let mut all = Vec::new();
    let mut filter = LogFilter { rows: Some(500), ..LogFilter::default() };
    loop {
        let page = store.log_entries(&Actor::console(), &filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before_seq = Some(last.seq);
        all.extend(page);
    }
    all.reverse();
    all
}

pub fn target_ask(name: &str, vendor: &Vendor) -> TargetAsk {
    TargetAsk {
        name: name.into(),
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
    }
}

pub fn new_person(login: &str, role: Role, vendor: Option<&Vendor>) -> NewPerson {
    NewPerson {
        login: login.into(),
        name: format!("{login} 太郎"),
        vendor: vendor.map(|vendor| vendor.id.clone()),
        roles: BTreeSet::from([role]),
        pledged_until: Some("2027-03-31".into()),
        trained_until: Some("2027-03-31".into()),
        ..NewPerson::default()
    }
}

/// Registers somebody who uses their link at once.
pub async fn resident(base: &Base, store: &Store, ask: NewPerson) -> Resident {
    let (person, link) = store.add_person(&Actor::console(), ask).await.unwrap();
    let codes = enrol(base, store, &link).await;
    let actor = Actor::of(&person, Via::Web, Some("192.168.1.10".into()));
    Resident { person, actor, codes }
}

pub async fn enrol(base: &Base, store: &Store, link: &EnrolmentLink) -> totp_rs::Totp {
    if let Some(code) = &link.handover {
        store.open_link(link.token.expose(), "", code, source()).await.unwrap();
    }
    let offer = store.enrolment(link.token.expose(), "", source()).await.unwrap();
    let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
    let code = Secret::new(codes.generate(base.clock.now().0 as u64 / 1000).to_string());
    store.enrol(link.token.expose(), "", source(), Enrolment::with_code(Secret::new(PASSWORD), code)).await.unwrap();
    codes
}

/// The refusal, where a fault would be a failure of the test.
pub fn told<T>(done: Done<T>) -> Result<T, Refusal> {
    match done {
        Ok(value) => Ok(value),
        Err(Denied::Refusal(refusal)) => Err(refusal),
        Err(Denied::Fault(fault)) => panic!("a fault: {fault}"),
    }
}

/// A reset by somebody who looked at a staff card.
pub fn reset_ask(reason: &str) -> ResetAsk {
    let claim = IdentityClaim { method: CheckMethod::InPerson, checked_by: String::new(), evidence: "職員証 末尾4821".into(), reason: reason.into() };
    ResetAsk { claim, proof: None, by_hand: false }
}
