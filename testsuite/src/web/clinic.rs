//! A hospital with one person of each role and two vendors, behind a listening web face.

use sekisho_core::ids::VendorId;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::policy::Policy;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{Enrolment, Database, FirstAdministrator, NewPerson, Settings, Store, VendorAsk};
use sekisho_web::{WebSettings, bind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

pub const PASSWORD: &str = "tsuki-no-michi-42!";
/// 2026-11-21 14:00 JST.
pub const AFTERNOON: i64 = 1_795_237_200_000;
/// Name of the box in these tests.
pub const HOST: &str = "localhost";

pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn pass(&self, span: Duration) {
        self.0.fetch_add(span.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn is_of_the_machine(&self) -> bool {
        false
    }
}

pub struct Clinic {
    pub store: Store,
    pub clock: Arc<SetClock>,
    pub address: SocketAddr,
    pub ca: String,
    pub vendor: VendorId,
    /// By login name: the person, and their authenticator.
    pub people: BTreeMap<String, (Person, totp_rs::Totp)>,
    stop: Option<oneshot::Sender<()>>,
    _folder: tempfile::TempDir,
}

impl Clinic {
    /// A clinic with these persons besides nobody: login names are those of [`Clinic::everybody`].
    pub async fn with(logins: &[&str]) -> Self {
        Self::under(Policy::default(), logins).await
    }

    pub async fn under(policy: Policy, logins: &[&str]) -> Self {
        Self::begun(policy, logins, None).await
    }

    /// A clinic into whose database somebody wrote before its box started.
    pub async fn forged(text: &str, logins: &[&str]) -> Self {
        Self::begun(Policy::default(), logins, Some(text)).await
    }

    async fn begun(policy: Policy, logins: &[&str], forged: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(AFTERNOON)));
        let settings = Settings {
            data_dir: folder.path().join("data"),
            database: Database::Sqlite,
            key_file: None,
            facility: "青葉病院".into(),
            origin: "sekisho.example/aoba".into(),
            policy,
            base_url: format!("https://{HOST}"),
            passkey_origins: vec![format!("https://{HOST}")],
            mail: None,
            receivers: Vec::new(),
            device_token: None,
            ssh_sources: Vec::new(),
            target_logs: Some(crate::house::around::settings()),
            leaked_passwords: None,
            door_name: String::new(),
            door_address: String::new(),
        };
        Store::init(settings.clone(), clock.clone(), FirstAdministrator::default()).await.unwrap();
        if let Some(text) = forged {
            crate::house::resumed::sql_beside(&settings.data_dir, text);
        }
        let store = Store::open(settings, clock.clone()).await.unwrap();
        let vendor = |name: &str| VendorAsk { name: name.into(), contact: "サポート窓口 03-1234-5678".into(), ..VendorAsk::default() };
        let own = store.add_vendor(&Actor::console(), vendor("北斗メディカル")).await.unwrap().id;
        let other = store.add_vendor(&Actor::console(), vendor("南十字システム")).await.unwrap().id;
        for vendor in [&own, &other] {
            crate::roads::open(&store, &Actor::console(), vendor, "127.0.0.0/8", [127, 0, 0, 1].into()).await;
        }
        let (certificate, ca) = (store.tls_certificate(&[HOST.to_owned()]).unwrap(), store.ca_certificate_pem().unwrap());
        let web = WebSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            hosts: vec![HOST.to_owned()],
            certificates: certificate.chain.clone(),
            key: certificate.key.to_vec(),
            base_url: format!("https://{HOST}"),
            ssh_host: HOST.to_owned(),
            ssh_port: 2222,
            door: Some("sekisho.test:443".into()),
            probe: Arc::new(sekisho_gateway::Lookout),
            version: "0.0.0-test".to_owned(),
        };
        let web = bind(web, store.clone()).await.unwrap();
        let address = web.local_addr();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(web.run(async move {
            let _ = stopped.await;
        }));
        let mut clinic = Self { store, clock, address, ca, vendor: own.clone(), people: BTreeMap::new(), stop: Some(stop), _folder: folder };
        for login in logins {
            let (role, vendor) = match *login {
                "worker" => (Role::Worker, Some(own.clone())),
                "manager" => (Role::VendorManager, Some(own.clone())),
                "stranger" => (Role::Worker, Some(other.clone())),
                "clerk" => (Role::DutyClerk, None),
                "operator" => (Role::Operator, None),
                "supervisor" => (Role::Supervisor, None),
                "planner" => (Role::Planner, None),
                "safety" => (Role::SafetyManager, None),
                "auditor" => (Role::Auditor, None),
                "keeper" => (Role::Administrator, None),
                unknown => panic!("no such person: {unknown}"),
            };
            clinic.hire(login, role, vendor).await;
        }
        clinic
    }

    /// The persons of all roles, and a worker of another vendor.
    pub fn everybody() -> Vec<&'static str> {
        vec!["worker", "manager", "stranger", "clerk", "operator", "supervisor", "planner", "safety", "auditor", "keeper"]
    }

    async fn hire(&mut self, login: &str, role: Role, vendor: Option<VendorId>) {
        let ask = NewPerson {
            login: login.into(),
            name: format!("試験 {login}"),
            vendor,
            roles: BTreeSet::from([role]),
            pledged_until: Some("2027-03-31".into()),
            trained_until: Some("2027-03-31".into()),
            ..NewPerson::default()
        };
        let (person, link) = self.store.add_person(&Actor::console(), ask).await.unwrap();
        let offer = self.store.enrolment(link.token.expose(), "", [127, 0, 0, 1].into()).await.unwrap();
        let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
        let code = Secret::new(codes.generate(self.clock.now().0 as u64 / 1000).to_string());
        self.store.enrol(link.token.expose(), "", [127, 0, 0, 1].into(), Enrolment::with_code(Secret::new(PASSWORD), code)).await.unwrap();
        self.people.insert(login.to_owned(), (person, codes));
    }

    /// The next code of this person: the clock goes on, because each code is good once.
    pub fn code(&self, login: &str) -> String {
        self.clock.pass(Duration::from_secs(30));
        self.people[login].1.generate(self.clock.now().0 as u64 / 1000).to_string()
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    pub fn origin(&self) -> String {
        self.url("")
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
