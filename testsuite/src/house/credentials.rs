//! Certificates of Sekisho's own SSH authority, and targets whose host key changed.

use super::base::{Base, on_both, told};
use super::ward::{HOST_KEY, Ward, WORKER_KEY};
use crate::street::sshd::{Sshd, account as own_account};
use sekisho_core::desk::{Answer, Cause, Desk, Dialled, RecallWord, TargetCredential};
use sekisho_core::facts::Fact;
use sekisho_core::ids::AccountId;
use sekisho_core::people::Actor;
use sekisho_core::plan::content::PlanContent;
use sekisho_core::probe::{Probe, TestAsk, Tested};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{CredentialKind, Function, HostKeyDecision};
use sekisho_core::time::Clock as _;
use sekisho_store::{AccountAsk, AuthorityAct, CredentialAsk, TargetAsk};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

on_both! {
    each_session_gets_a_certificate_of_its_own_that_the_log_tells_of,
    a_certificate_account_keeps_no_secret_and_has_a_name_without_separators,
    a_changed_host_key_ends_every_session_and_shuts_the_target_until_it_is_decided,
    a_step_of_the_authority_that_is_not_written_leaves_its_key_in_force,
    the_authoritys_key_is_exchanged_without_a_gap,
    tests_are_written_down_counted_and_raise_the_alarm,
}

/// A target that answers as it is told, and keeps what it was asked with.
struct Told {
    outcome: Dialled,
    asked: Mutex<Vec<TestAsk>>,
}

impl Told {
    fn new(outcome: Dialled) -> Arc<Self> {
        Arc::new(Self { outcome, asked: Mutex::default() })
    }
}

impl Probe for Told {
    fn host_keys<'a>(&'a self, _: &'a str, _: u16) -> Answer<'a, Result<Vec<String>, String>> {
        Box::pin(async { Ok(vec![HOST_KEY.to_owned()]) })
    }

    fn test(&self, ask: TestAsk) -> Answer<'_, Tested> {
        self.asked.lock().unwrap().push(ask);
        let tested = Tested { address: Some("127.0.0.1:22".into()), host_key: None, outcome: self.outcome.clone() };
        Box::pin(async move { tested })
    }

    fn public_line(&self, _: &Secret) -> Option<String> {
        None
    }
}

fn connected() -> Dialled {
    Dialled::Connected { host_key: "SHA256:x".into(), local: None, peer: None }
}

/// A ward whose account is entered with certificates.
async fn certified(base: Base, username: &str) -> Ward {
    let mut ward = Ward::over(base).await;
    // The ward's own account is entered by password; of the same name, it goes over to certificates.
    ward.account = if ward.account.username == username {
        ward.store.set_credential(&Actor::console(), &ward.account.id, CredentialAsk::Certificate).await.unwrap()
    } else {
        let ask = AccountAsk { username: username.into(), privileged: false, credential: CredentialAsk::Certificate };
        ward.store.add_account(&Actor::console(), &ward.target.id, ask).await.unwrap()
    };
    ward
}

fn parts(credential: &TargetCredential) -> (String, String) {
    match credential {
        TargetCredential::Certificate { key, certificate } => (key.expose().to_owned(), certificate.clone()),
        _ => panic!("no certificate"),
    }
}

/// What `ssh-keygen -L` reads in a certificate.
fn read(folder: &Path, certificate: &str) -> String {
    let file = folder.join("session-cert.pub");
    std::fs::write(&file, format!("{certificate}\n")).unwrap();
    let output = Command::new("ssh-keygen").arg("-L").arg("-f").arg(&file).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().map(str::trim).find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}

fn after<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let rest = text.lines().map(str::trim).skip_while(|line| !line.starts_with(name)).skip(1);
    rest.take_while(|line| !line.ends_with(':') && !line.contains(": ")).filter(|line| !line.is_empty()).collect()
}

async fn each_session_gets_a_certificate_of_its_own_that_the_log_tells_of(base: Base) {
    let ward = certified(base, "maint").await;
    let folder = tempfile::tempdir().unwrap();
    let plan = ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let first = ward.try_enter(&principal).await.unwrap();
    let principal = ward.principal().await;
    let second = ward.try_enter(&principal).await.unwrap();
    let ((one, certificate), (other, _)) = (parts(&first.credential), parts(&second.credential));
    assert!(one.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") && one != other, "each session has a key of its own");

    let issued = ward.facts("certificate_issued").await;
    assert_eq!(issued.len(), 2);
    let Fact::CertificateIssued { session, serial, key_id, principal, authority, until, .. } = &issued[0].fact else { panic!("{issued:?}") };
    assert_eq!((session.as_ref(), *serial, principal.as_str()), (Some(&first.session), issued[0].seq, "maint"), "the serial is the entry's own number");
    let text = read(folder.path(), &certificate);
    assert_eq!(line(&text, "Type:"), "ssh-ed25519-cert-v01@openssh.com user certificate");
    assert_eq!(line(&text, "Serial:"), serial.to_string());
    assert_eq!(line(&text, "Key ID:"), format!("\"{key_id}\""));
    assert_eq!(*key_id, format!("sekisho:{}:{}:sato", first.session, plan.number));
    assert_eq!(after(&text, "Principals:"), ["maint"]);
    assert_eq!(line(&text, "Critical Options:"), "(none)");
    assert_eq!(after(&text, "Extensions:"), ["permit-pty"]);
    let shown = ward.store.ssh_authority(&Actor::console()).unwrap();
    assert!(line(&text, "Signing CA:").contains(&shown.signing.fingerprint) && *authority == shown.signing.fingerprint);
    assert_eq!(issued[0].at.until(*until), Duration::from_secs(300));
    let valid = line(&text, "Valid:");
    assert!(valid.starts_with("from 2026-11-21T") && valid.contains(" to 2026-11-21T"), "{valid}");

    // The line in the log comes before the credential goes out, and after the entry of the session that it is for.
    let entered = ward.facts("entered").await;
    assert!(entered[0].seq < issued[0].seq);
    let log = format!("{:?}", super::base::whole_log(&ward.store).await);
    assert!(!log.contains("OPENSSH PRIVATE KEY"));
}

async fn a_certificate_account_keeps_no_secret_and_has_a_name_without_separators(base: Base) {
    let ward = certified(base, "maint").await;
    let console = Actor::console();
    for name in ["root,maint", "a b", "*", "-x", "ro\u{7f}ot", ""] {
        let ask = AccountAsk { username: name.into(), privileged: false, credential: CredentialAsk::Certificate };
        assert_eq!(told(ward.store.add_account(&console, &ward.target.id, ask).await).err(), Some(Refusal::bad_field("username")), "{name:?}");
    }
    // A stored key may belong to a name that no certificate is made out to.
    let ask = AccountAsk { username: "a,b".into(), privileged: false, credential: CredentialAsk::Password(Secret::new("x")) };
    let odd = ward.store.add_account(&console, &ward.target.id, ask).await.unwrap();
    assert_eq!(told(ward.store.set_credential(&console, &odd.id, CredentialAsk::Certificate).await).err(), Some(Refusal::bad_field("username")));
    let back = ward.store.set_credential(&console, &ward.account.id, CredentialAsk::Password(Secret::new("y"))).await.unwrap();
    assert_eq!(back.credential, CredentialKind::Password);
    let again = ward.store.set_credential(&console, &ward.account.id, CredentialAsk::Certificate).await.unwrap();
    assert_eq!(again.credential, CredentialKind::Certificate);
    assert!(matches!(ward.entered().await.credential, TargetCredential::Certificate { .. }));
}

async fn a_changed_host_key_ends_every_session_and_shuts_the_target_until_it_is_decided(base: Base) {
    let ward = Ward::over(base).await;
    let (console, store) = (Actor::console(), &ward.store);
    let running = ward.entered().await;
    let principal = ward.principal().await;
    let seeing = ward.try_enter(&principal).await.unwrap();
    let mut recalls = store.recalls();
    store.dialled(&seeing.session, Dialled::HostKeyChanged { seen: "SHA256:other".into() }).await.unwrap();
    let mut ended = Vec::new();
    while let Ok(recall) = recalls.try_recv() {
        if recall.word == RecallWord::End(Cause::HostKeyChanged) {
            ended.extend(recall.session);
        }
    }
    assert!(ended.contains(&running.session), "the session that ran beside it ends: {ended:?}");
    let (first, second) = (ward.left(running, Cause::HostKeyChanged).await, ward.left(seeing, Cause::HostKeyChanged).await);
    assert_ne!(first, second);

    let principal = ward.principal().await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::HostKeyChanged));
    let alarms = store.host_key_alarms(&ward.operator).await.unwrap();
    let alarm = alarms[0].host_key_alarm.clone().unwrap();
    assert_eq!((alarm.seen.as_str(), alarm.session.as_ref()), ("SHA256:other", Some(&second)));
    assert_eq!(ward.facts("host_key_alarmed").await.len(), 1);

    // Neither a change of the entry nor somebody without the right lifts it.
    let row = store.target(&console, &ward.target.id).await.unwrap().target;
    let ask = TargetAsk {
        name: row.name, title: "改名".into(), protocol: row.protocol, host: row.host, port: row.port, owner: row.owner, vendor: row.vendor,
        host_keys: vec![WORKER_KEY.into()], personal_data: row.personal_data, class: row.class, witness: row.witness, quarantine: row.quarantine, active: true,
    };
    let changed = store.change_target(&console, &ward.target.id, TargetAsk { host_keys: vec![HOST_KEY.into()], ..ask.clone() }).await.unwrap();
    assert!(changed.host_key_alarm.is_some());
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::HostKeyChanged));
    let keep = || HostKeyDecision::Keep;
    assert_eq!(told(store.decide_host_key(&ward.operator, &ward.target.id, keep(), "x").await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.decide_host_key(&console, &ward.target.id, keep(), " ").await).err(), Some(Refusal::ReasonNeeded));
    let empty = HostKeyDecision::Pin { host_keys: Vec::new() };
    assert_eq!(told(store.decide_host_key(&console, &ward.target.id, empty, "x").await).err(), Some(Refusal::bad_field("host_keys")));
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::HostKeyChanged));

    let pin = HostKeyDecision::Pin { host_keys: vec![WORKER_KEY.into()] };
    let target = store.decide_host_key(&console, &ward.target.id, pin, "入れ替え。指紋を確認").await.unwrap();
    assert_eq!((target.host_keys.as_slice(), target.host_key_alarm), (&[WORKER_KEY.to_owned()][..], None));
    let admission = ward.try_enter(&principal).await.unwrap();
    assert_eq!(admission.grant.host_keys, [WORKER_KEY]);
    assert_eq!(told(store.decide_host_key(&console, &ward.target.id, keep(), "x").await).err(), Some(Refusal::ChangedMeanwhile));
    let decided = ward.facts("host_key_decided").await;
    assert!(matches!(&decided[0].fact, Fact::HostKeyDecided { pinned: true, reason, .. } if reason == "入れ替え。指紋を確認"));
    assert!(store.verify_now().await.unwrap().ok);

    // The rows say it under their seal: taken out of the column, the alarm still holds.
    store.dialled(&admission.session, Dialled::HostKeyChanged { seen: "SHA256:third".into() }).await.unwrap();
    ward.left(admission, Cause::HostKeyChanged).await;
    store.decide_host_key(&console, &ward.target.id, keep(), "スイッチの誤設定").await.unwrap();
    assert!(ward.try_enter(&principal).await.is_ok());
}

/// A step that cannot be written down has not been taken: the key that targets trust signs on, at once and after a restart.
async fn a_step_of_the_authority_that_is_not_written_leaves_its_key_in_force(base: Base) {
    let ward = certified(base, "maint").await;
    let console = Actor::console();
    let fails = async |ward: &Ward, act: AuthorityAct| {
        let before = ward.store.ssh_authority(&console).unwrap();
        ward.store.faults().fail_nth_write(0);
        assert!(ward.store.act_on_ssh_authority(&console, act, "年次").await.is_err());
        ward.store.faults().clear();
        assert_eq!(ward.store.ssh_authority(&console).unwrap(), before);
        before
    };
    let first = fails(&ward, AuthorityAct::Prepare).await;
    let ward = ward.restarted().await;
    assert_eq!(ward.store.ssh_authority(&console).unwrap(), first);
    assert!(!ward.dir.join("keys/ssh-ca.next.keys").exists(), "what the log does not tell of never was");
    let both = ward.store.act_on_ssh_authority(&console, AuthorityAct::Prepare, "年次").await.unwrap();
    fails(&ward, AuthorityAct::Finish).await;
    let admission = ward.entered().await;
    assert!(matches!(&ward.facts("certificate_issued").await[0].fact, Fact::CertificateIssued { authority, .. } if *authority == first.signing.fingerprint));
    ward.left(admission, Cause::Closed).await;

    let keys = ward.dir.join("keys");
    let done = ward.store.act_on_ssh_authority(&console, AuthorityAct::Finish, "年次").await.unwrap();
    assert_eq!(Some(&done.signing), both.next.as_ref());
    assert_eq!(ward.restarted().await.store.ssh_authority(&console).unwrap(), done);
    assert!(!keys.join("ssh-ca.next.keys").exists());
}

async fn the_authoritys_key_is_exchanged_without_a_gap(base: Base) {
    let ward = certified(base, "maint").await;
    let (store, console) = (&ward.store, Actor::console());
    let before = store.ssh_authority(&ward.operator).unwrap();
    assert!(before.next.is_none() && before.lines().len() == 1 && before.signing.line.starts_with("ssh-ed25519 AAAA"));
    assert_eq!(told(store.act_on_ssh_authority(&ward.operator, AuthorityAct::Prepare, "x").await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.act_on_ssh_authority(&console, AuthorityAct::Prepare, "").await).err(), Some(Refusal::ReasonNeeded));
    for act in [AuthorityAct::Finish, AuthorityAct::Cancel] {
        assert_eq!(told(store.act_on_ssh_authority(&console, act, "x").await).err(), Some(Refusal::AuthorityStep));
    }
    let both = store.act_on_ssh_authority(&console, AuthorityAct::Prepare, "年次").await.unwrap();
    let next = both.next.clone().unwrap();
    assert!(both.signing == before.signing && both.lines().len() == 2 && next.fingerprint != before.signing.fingerprint);
    assert_eq!(told(store.act_on_ssh_authority(&console, AuthorityAct::Prepare, "x").await).err(), Some(Refusal::AuthorityStep));

    // Sessions are signed by the key that targets trust already, tests by the one that they shall trust.
    let admission = ward.entered().await;
    let signer = async |index: usize| match &ward.facts("certificate_issued").await[index].fact {
        Fact::CertificateIssued { authority, .. } => authority.clone(),
        _ => unreachable!(),
    };
    assert_eq!(signer(0).await, before.signing.fingerprint);
    let test = store.test_account(&console, &ward.account.id, Told::new(connected())).await.unwrap();
    assert_eq!((test.authority.as_str(), signer(1).await), (next.fingerprint.as_str(), next.fingerprint.clone()));
    ward.left(admission, Cause::Closed).await;

    let done = store.act_on_ssh_authority(&console, AuthorityAct::Finish, "年次").await.unwrap();
    assert_eq!((done.signing.fingerprint, done.next), (next.fingerprint.clone(), None));
    let ward = ward.restarted().await;
    assert_eq!(ward.store.ssh_authority(&console).unwrap().signing.fingerprint, next.fingerprint, "it lies on disk");
    assert_eq!(ward.facts("ssh_authority").await.len(), 3, "made, prepared, finished; a restart adds nothing");
    // A key that targets trust and that is gone is not quietly replaced.
    ward.store.close().await.unwrap();
    std::fs::remove_file(ward.dir.join("keys/ssh-ca.keys")).unwrap();
    let fault = sekisho_store::Store::open(ward.settings.clone(), ward.clock.clone()).await.err().unwrap().to_string();
    assert!(fault.contains("ssh-ca.keys is missing"), "{fault}");
}

async fn tests_are_written_down_counted_and_raise_the_alarm(base: Base) {
    let ward = Ward::over(base).await;
    let (store, console) = (&ward.store, Actor::console());
    let id: &AccountId = &ward.account.id;
    let probe = Told::new(connected());
    assert_eq!(told(store.test_account(&ward.operator, id, probe.clone()).await).err(), Some(Refusal::NotAllowed));
    store.test_account(&console, id, probe.clone()).await.unwrap();
    let asked = probe.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.username.as_str(), asked.host_keys.as_slice()), ("maint", &[HOST_KEY.to_owned()][..]));
    assert!(matches!(&asked.credential, TargetCredential::Password(secret) if secret.expose() == "db-secret"));
    for _ in 0..4 {
        store.test_account(&console, id, Told::new(Dialled::CredentialRefused)).await.unwrap();
    }
    assert_eq!(told(store.test_account(&console, id, probe.clone()).await).err(), Some(Refusal::TestedTooOften));
    ward.clock.pass(Duration::from_secs(601));
    let changed = Told::new(Dialled::HostKeyChanged { seen: "SHA256:other".into() });
    let test = store.test_account(&console, id, changed).await.unwrap();
    assert_eq!(store.account_tests(&ward.operator).await.unwrap()[id], test);
    assert_eq!(store.host_key_alarms(&ward.operator).await.unwrap().len(), 1);
    assert_eq!((ward.facts("test_asked").await.len(), ward.facts("test_ended").await.len()), (6, 6));
    assert!(ward.facts("certificate_issued").await.is_empty() && ward.facts("entered").await.is_empty(), "a test is no session");

    let seen = store.see_host_keys(&console, "127.0.0.1", 22, Told::new(connected())).await.unwrap();
    assert_eq!((seen.as_slice(), ward.facts("host_keys_seen").await.len()), (&[HOST_KEY.to_owned()][..], 1));
    assert_eq!(told(store.see_host_keys(&ward.operator, "127.0.0.1", 22, Told::new(connected())).await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(store.see_host_keys(&console, "-oProxyCommand=x", 22, Told::new(connected())).await).err(), Some(Refusal::bad_field("host")));
}

/// The real server beside a ward whose clock is that of the machine.
struct Gate {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

impl Gate {
    fn new(authority: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("host");
        let sshd = Sshd::start(&own);
        std::fs::write(own.join("ca.pub"), format!("{authority}\n")).unwrap();
        sshd.reload(&format!("Match User {}\n    TrustedUserCAKeys {}/ca.pub\n    AuthorizedKeysFile /dev/null\n", own_account(), own.display()));
        Self { sshd, folder }
    }

    /// Whether the server lets the key in, with the certificate if there is one.
    fn opens(&self, name: &str, key: &str, certificate: Option<&str>) -> bool {
        let file: PathBuf = self.folder.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(&file).unwrap();
        std::io::Write::write_all(&mut out, key.as_bytes()).unwrap();
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i"]).arg(&file);
        if let Some(certificate) = certificate {
            let public = self.folder.path().join(format!("{name}-cert.pub"));
            std::fs::write(&public, format!("{certificate}\n")).unwrap();
            command.arg("-o").arg(format!("CertificateFile={}", public.display()));
        }
        command.args(["-p", &self.sshd.port.to_string(), &format!("{}@127.0.0.1", own_account()), "true"]);
        command.output().unwrap().status.success()
    }
}

fn real_now(ward: &Ward) {
    let now = sekisho::clock::SystemClock.now().0 - ward.clock.now().0;
    if now >= 0 { ward.clock.pass(Duration::from_millis(now as u64)) } else { ward.clock.set_back(Duration::from_millis(now.unsigned_abs())) }
}

async fn minted(ward: &Ward) -> (String, String) {
    let content = PlanContent { targets: ward.content().targets.into_iter().map(|used| sekisho_core::plan::content::TargetUse { functions: [Function::Exec].into(), files: Default::default(), ..used }).collect(), privileged_reason: "試験のアカウントが root のことがあるため".into(), ..ward.content() };
    ward.approved(content).await;
    let principal = ward.principal().await;
    // The code of the login moved the clock on.
    real_now(ward);
    let plans = ward.store.enter(&principal, "ehr-db01", None).await.unwrap();
    match plans {
        sekisho_core::desk::Entry::Open(admission) => {
            let made = parts(&admission.credential);
            ward.left(*admission, Cause::Closed).await;
            made
        }
        sekisho_core::desk::Entry::Choose(_) => panic!("one plan only"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_sshd_takes_the_certificate_and_neither_key_alone_nor_another_name_authority_or_time() {
    let ward = certified(Base::sqlite(), &own_account()).await;
    real_now(&ward);
    let authority = ward.store.ssh_authority(&Actor::console()).unwrap().signing.line;
    let gate = Gate::new(&authority);
    let (key, certificate) = minted(&ward).await;
    assert!(!gate.opens("alone", &key, None), "the key without its certificate");
    assert!(gate.opens("right", &key, Some(&certificate)), "{}", gate.sshd.log());
    let Fact::CertificateIssued { key_id, serial, .. } = &ward.facts("certificate_issued").await[0].fact else { panic!() };
    assert!(gate.sshd.log().contains(&format!("ID {key_id} (serial {serial})")), "{}", gate.sshd.log());
    let stored = std::fs::read_to_string(&gate.sshd.key_file).unwrap();
    assert!(!gate.opens("stored", &stored, None), "the key that authorized_keys names");

    // Another authority, with the same name and time.
    let stranger = certified(Base::sqlite(), &own_account()).await;
    real_now(&stranger);
    let (key, certificate) = minted(&stranger).await;
    assert!(!gate.opens("stranger", &key, Some(&certificate)), "another authority's certificate");

    // The same authority, for another name.
    let ask = AccountAsk { username: "somebody-else".into(), privileged: false, credential: CredentialAsk::Certificate };
    let other = ward.store.add_account(&Actor::console(), &ward.target.id, ask).await.unwrap();
    let probe = Told::new(connected());
    ward.store.test_account(&Actor::console(), &other.id, probe.clone()).await.unwrap();
    let (key, certificate) = parts(&probe.asked.lock().unwrap()[0].credential);
    assert!(!gate.opens("name", &key, Some(&certificate)), "a certificate for another name");

    // The same name, an hour later: the server's clock is behind what the certificate says, so it has not begun.
    ward.clock.pass(Duration::from_secs(3600));
    let probe = Told::new(connected());
    ward.store.test_account(&Actor::console(), &ward.account.id, probe.clone()).await.unwrap();
    let (key, certificate) = parts(&probe.asked.lock().unwrap()[0].credential);
    assert!(!gate.opens("early", &key, Some(&certificate)), "a certificate that has not begun");

    // A box whose clock stands an hour behind gives one that has ended.
    let late = certified(Base::sqlite(), &own_account()).await;
    real_now(&late);
    late.clock.set_back(Duration::from_secs(7200));
    let gate = Gate::new(&late.store.ssh_authority(&Actor::console()).unwrap().signing.line);
    let probe = Told::new(connected());
    late.store.test_account(&Actor::console(), &late.account.id, probe.clone()).await.unwrap();
    let (key, certificate) = parts(&probe.asked.lock().unwrap()[0].credential);
    let text = read(gate.folder.path(), &certificate);
    assert!(!gate.opens("late", &key, Some(&certificate)), "a certificate that has ended: {text}");
}
