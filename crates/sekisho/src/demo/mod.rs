//! `sekisho demo`: a small hospital with real OpenSSH servers, set up through the product's own API.

mod alarms;
mod archive;
mod api;
mod cast;
mod check;
mod client;
mod clock;
mod door;
mod emergency;
mod history;
mod hosts;
mod keeping;
mod phone;
mod service;
mod settings;
mod ssh;
mod roads;
mod story;
mod target_logs;
mod two_person;

use crate::cli::{DemoArgs, InitArgs};
use crate::config::Config;
use crate::clock::SystemClock;
use crate::serve::{self, Running};
use crate::setup;
use anyhow::{Context, Result, bail};
use api::Api;
use client::Client;
use clock::DemoClock;
use sekisho_core::time::Clock;
use std::sync::Arc;
use sekisho_core::people::Role;
use serde_json::{Value, json};
use ssh::Terminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use story::Hospital;
use tokio::io::AsyncBufReadExt;

/// How far behind the demo's clock begins.
const YESTERDAY: Duration = Duration::from_secs(26 * 3600);

/// A demo that runs.
struct Demo {
    /// What is in the envelopes of the emergency account.
    emergency: serde_json::Value,
    /// Folder of the device that is enrolled at the outer door.
    device: PathBuf,
    config: Config,
    /// The file that holds it.
    settings: PathBuf,
    running: Running,
    hospital: Hospital,
    terminal: Terminal,
    api: Api,
    clock: Arc<DemoClock>,
    ca_file: PathBuf,
    log_public_key: String,
    open_plan: String,
}

/// Runs the demo until Ctrl-C, or the check to its end.
///
/// # Errors
/// It cannot be set up; the sentence says which step.
pub async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("sekisho-demo-").tempdir().context("cannot make a temporary folder")?),
    };
    let folder = match (&args.dir, &temporary) {
        (Some(dir), _) => empty_folder(dir)?,
        (None, Some(temporary)) => temporary.path().to_path_buf(),
        (None, None) => bail!("no folder"),
    };
    eprintln!("関所デモ病院を準備しています… / Preparing the demo hospital in {} …", folder.display());
    let demo = set_up(args, &folder).await?;
    eprintln!("準備完了 / ready ({:.1} s)", began.elapsed().as_secs_f64());
    if let Some(file) = &args.facts {
        let text = serde_json::to_string_pretty(&facts(&demo))?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let code = if args.check {
        check::run(&demo, &folder).await
    } else {
        print!("{}", guide(&demo));
        until_stopped(&demo).await?;
        ExitCode::SUCCESS
    };
    demo.running.stop().await;
    Ok(code)
}

fn empty_folder(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    if std::fs::read_dir(dir)?.next().is_some() {
        bail!("{} is not empty", dir.display());
    }
    Ok(dir.canonicalize()?)
}

/// Takes the wanted port if it is free, else a free one: the demo also runs where something listens already.
fn port(wanted: u16) -> Result<u16> {
    if wanted != 0 && std::net::TcpListener::bind(("127.0.0.1", wanted)).is_ok() {
        return Ok(wanted);
    }
    hosts::free_port()
}

async fn set_up(args: &DemoArgs, folder: &Path) -> Result<Demo> {
    let (config, settings) = settings::write(args, folder)?;
    let (admin, admin_name) = cast::ADMINISTRATOR;
    let first = InitArgs { admin: admin.into(), admin_name: admin_name.into() };
    // The past is told on a clock that is weeks behind; see `clock.rs`.
    let clock = Arc::new(DemoClock::behind(history::begin(SystemClock.now()).until(SystemClock.now())));
    let report = setup::init(&config, &first, clock.clone()).await?;
    let running = serve::start(&config, clock.clone()).await?;
    let ca_file = setup::ca_file(&config);
    let api = Api(Client::new(running.web, &ca_file)?);
    let hospital = story::open(&api, &clock, folder, report.first_admin.url.expose()).await?;
    let keys = sekisho_gateway::scan_host_keys("127.0.0.1", running.ssh.port()).await.context("the gateway shows no host keys")?;
    let terminal = Terminal::new(&folder.join("terminal"), running.ssh.port(), &keys)?;
    archive::begin(&running.store, folder).await.context("the auditor's key")?;
    story::tell_job(&api, &clock, &hospital, &terminal, folder).await.context("last month's job")?;
    history::live_through(&running.store, &api, &clock, &hospital, SystemClock.now().minus(YESTERDAY)).await.context("the weeks before")?;
    clock.advance_to(SystemClock.now().minus(YESTERDAY));
    two_person::begin(&running.store, &api, &clock, &hospital, &terminal, folder).await.context("the second key")?;
    story::tell_job(&api, &clock, &hospital, &terminal, folder).await?;
    // Six minutes are enough for the codes of what follows; then every code used lies in the past, and a visitor's
    // first code is good at once.
    clock.advance_to(SystemClock.now().minus(Duration::from_secs(360)));
    let open_plan = story::tell_today(&api, SystemClock.now(), &hospital).await?;
    let server = config.door.listen.clone();
    let token = api.log_in(hospital.person(admin)?).await?;
    let device = door::enrol(&api, &token, &server, folder).await.context("a device at the outer door")?;
    clock.catch_up();
    let emergency = emergency::prepare(&running.store).await.context("the emergency account")?;
    target_logs::begin(&running.store, clock.clone(), &hospital, folder, &config.log_sources.address).await.context("the targets' logs")?;
    alarms::happen(&running.store).await.context("the alarms")?;
    keeping::happen(&running.store).await.context("the holds")?;
    archive::end(&running.store).await.context("the second auditor's key")?;
    two_person::end(&running.store, &hospital).await.context("the request for a viewing")?;
    // What else answers on the visitor's own machine is found as well: that is what the look is for.
    if let Err(denied) = running.store.check_exposure(&sekisho_core::people::Actor::console()).await {
        tracing::warn!(%denied, "the demo's machine was not looked at");
    }
    // The last list is there at once, not in a quarter of a minute.
    running.store.run_jobs_once().await.context("the reviews of the log")?;
    Ok(Demo { emergency, device, config, settings, running, hospital, terminal, api, clock, ca_file, log_public_key: report.log_public_key, open_plan })
}

impl Demo {
    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.running.web.port())
    }

    /// The target that a worker's vendor maintains.
    fn target_of(login: &str) -> &'static str {
        if login == "suzuki" { "pacs01" } else { "ehr-db01" }
    }
}

/// Everything that a script needs to drive the demo.
fn facts(demo: &Demo) -> Value {
    let people: Vec<Value> = demo
        .hospital
        .people
        .iter()
        .map(|player| {
            json!({
                "login": player.login, "name": player.name, "role": player.role.as_str(), "password": player.password,
                "totp_secret": player.totp_secret, "totp_last_step": player.phone.last_step(), "ssh_key_file": player.ssh_key_file,
            })
        })
        .collect();
    let key_file = demo.config.data.dir.parent().map(|folder| folder.join("keys/target_ed25519"));
    let targets: Vec<Value> = demo
        .hospital
        .stages
        .iter()
        .map(|stage| {
            let worker = if stage.name == "pacs01" { "suzuki" } else { "sato" };
            let direct = json!({ "host": "127.0.0.1", "port": stage.host.port, "user": demo.hospital.account, "key_file": key_file });
            json!({
                "name": stage.name, "ssh_login": format!("{worker}+{}", stage.name),
                "service_port": stage.service.port,
                "host": direct["host"], "port": direct["port"], "user": direct["user"], "key_file": direct["key_file"],
                // The same once more as one value, for scripts that hand it on as it is.
                "direct": direct,
            })
        })
        .collect();
    json!({
        "web": { "url": demo.url(), "ca_file": demo.ca_file },
        "ssh": { "host": "127.0.0.1", "port": demo.running.ssh.port(), "known_hosts": demo.terminal.known_hosts() },
        "emergency": demo.emergency,
        "door": { "server": demo.config.door.listen, "device_dir": demo.device },
        "pid": std::process::id(),
        "data_dir": demo.config.data.dir,
        "config": demo.settings,
        "log_public_key": demo.log_public_key,
        "people": people,
        "targets": targets,
        "open_plan": demo.open_plan,
    })
}

/// What a visitor reads first.
fn guide(demo: &Demo) -> String {
    use crate::admin::table::table;
    let rows: Vec<Vec<String>> = demo
        .hospital
        .people
        .iter()
        .map(|player| vec![player.role.ja().into(), player.name.clone(), player.login.clone(), player.password.clone(), player.totp_secret.clone(), player.phone.shown()])
        .collect();
    let mut text = format!(
        "\n関所 デモ病院「{}」 / Sekisho demo hospital\n\n  画面 / pages   {}   (証明書を警告されたら CA を登録するか続行 / CA file: {})\n  SSH            127.0.0.1 ポート {}\n  外側の入口 / outer door   {} (端末証明書が必要 / certificate required; sekisho connect status --dir {})\n\n",
        demo.config.facility.name,
        demo.url(),
        demo.ca_file.display(),
        demo.running.ssh.port(),
        demo.config.door.listen,
        demo.device.display()
    );
    text.push_str(&table(&["役割 / role", "氏名 / name", "ログイン名 / login", "パスワード / password", "ワンタイムコードの秘密鍵 / TOTP secret", "今のコード / code now"], &rows));
    text.push_str("\n開いている計画で接続する(作業者 sato) / the open window, as worker sato:\n\n");
    for player in demo.hospital.people.iter().filter(|player| player.role == Role::Worker && player.login == "sato") {
        if let Some(key) = &player.ssh_key_file {
            text.push_str(&format!(
                "  ssh -p {} -i {} -o UserKnownHostsFile={} {}+{}@127.0.0.1\n",
                demo.running.ssh.port(),
                key.display(),
                demo.terminal.known_hosts().display(),
                player.login,
                Demo::target_of(&player.login)
            ));
        }
    }
    if let (Ok(sato), Ok(stage)) = (demo.hospital.person("sato"), demo.hospital.stage("ehr-db01"))
        && let Some(key) = &sato.ssh_key_file
    {
        text.push_str(&format!(
            "\n計画で許可された転送で、接続先の状態ページを開く / the forward that the plan allows:\n\n  ssh -N -L 127.0.0.1:8104:127.0.0.1:{} -p {} -i {} -o UserKnownHostsFile={} sato+ehr-db01@127.0.0.1\n  → http://127.0.0.1:8104/\n",
            stage.service.port,
            demo.running.ssh.port(),
            key.display(),
            demo.terminal.known_hosts().display()
        ));
    }
    let own = std::env::current_exe().map_or_else(|_| "sekisho".to_owned(), |path| path.display().to_string());
    text.push_str(&format!(
        "\n改ざんがないことを外から検証する / verify from outside, with the public key alone:\n\n  {own} verify {} --key '{}'\n",
        demo.config.data.dir.display(),
        demo.log_public_key
    ));
    text.push_str(&format!(
        "\nコマンドでこの病院を操作する / act on this hospital by commands:\n\n  {own} --config {} session list\n",
        demo.settings.display()
    ));
    text.push_str(
        "\n  ssh は鍵の代わりにパスワードでも接続できます。続いてワンタイムコード(6桁)を入力します。\n  The key or the password, then the six digits. A code works once; the next comes within 30 seconds.\n\n\
         やってみること / what to try\n\
         \x20 1. ueda(運用担当者)でログインし、待っている PACS の計画を確認・承認する。続けて ishikawa(企画管理者)で承認する。\n\
         \x20 2. 上の ssh を実行し、ueda の最初の画面の「見る」で作業を見て、「切断」を押す。\n\
         \x20 3. sato で「作業を終了する」、ueda で「照合」、sato で「完了報告」、ishikawa で「確認」。\n\
         \x20 4. eguchi(当直者)の画面では、緊急作業の依頼を許可・監視・切断できる。\n\n\
         Enter キーで今のワンタイムコードを表示します。Ctrl-C で終了します。\nPress Enter for the current codes, Ctrl-C to end.\n",
    );
    text
}

/// Shows codes on Enter; ends on Ctrl-C or SIGTERM. Without a terminal it only waits.
async fn until_stopped(demo: &Demo) -> Result<()> {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let stop = serve::asked_to_stop();
    tokio::pin!(stop);
    let mut listening = true;
    loop {
        tokio::select! {
            done = &mut stop => return done,
            line = lines.next_line(), if listening => match line {
                Ok(Some(_)) => {
                    let codes: Vec<String> = demo.hospital.people.iter().map(|player| format!("{} {}", player.login, player.phone.shown())).collect();
                    println!("{}", codes.join("   "));
                }
                _ => listening = false,
            },
            () = tokio::time::sleep(Duration::from_secs(3600)) => {}
        }
    }
}
