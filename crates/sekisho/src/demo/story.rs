//! What has happened in the small hospital before the visitor comes: ledgers, people, three jobs.

use super::roads;
use super::api::{Api, text};
use super::cast::{self, ADMINISTRATOR, PARTS, Player, VENDORS};
use super::clock::DemoClock;
use super::hosts::{self, Host};
use super::service::{self, Service};
use super::ssh::Terminal;
use anyhow::{Context, Result, bail};
use sekisho_core::people::Role;
use sekisho_core::time::{Clock, Timestamp, format_date};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A target of the demo.
pub struct Stage {
    /// Short name.
    pub name: &'static str,
    /// Id in the ledger.
    pub id: String,
    /// Id of its account.
    pub account: String,
    /// The server itself.
    pub host: Host,
    /// What runs behind it, for forwards.
    pub service: Service,
}

/// The hospital, ready.
pub struct Hospital {
    /// Everybody, the administrator first.
    pub people: Vec<Player>,
    /// Ids of the vendors, in the order of [`VENDORS`].
    pub vendors: Vec<String>,
    /// The two targets.
    pub stages: Vec<Stage>,
    /// Account on the targets, which is the one that runs the demo.
    pub account: String,
}

/// Name, title, owner, vendor's place, personal data.
const STAGES: [(&str, &str, &str, usize); 3] = [
    ("ehr-db01", "電子カルテ DBサーバ", "医療情報室", 0),
    ("pacs01", "医用画像管理(PACS)サーバ", "放射線科", 1),
    ("ehr-rep01", "電子カルテ 帳票サーバ", "医療情報室", 0),
];

impl Stage {
    /// The place of its service, as a plan names it: kept in full.
    #[must_use]
    pub fn place(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.service.port, "full": true })
    }
}

impl Hospital {
    /// Finds a person by login name.
    ///
    /// # Errors
    /// Nobody has it.
    pub fn person(&self, login: &str) -> Result<&Player> {
        self.people.iter().find(|player| player.login == login).with_context(|| format!("{login} does not play here"))
    }

    /// Finds a target by name.
    ///
    /// # Errors
    /// None has it.
    pub fn stage(&self, name: &str) -> Result<&Stage> {
        self.stages.iter().find(|stage| stage.name == name).with_context(|| format!("{name} is no target here"))
    }

    /// Id of a person, as the ledger knows it.
    ///
    /// # Errors
    /// The ledger does not know them.
    pub async fn person_id(&self, api: &Api, token: &str, login: &str) -> Result<String> {
        let choices = api.get(Some(token), "/api/v1/plans/choices").await?;
        let workers = choices.get("workers").and_then(Value::as_array).cloned().unwrap_or_default();
        let found = workers.iter().find(|worker| worker.get("login").and_then(Value::as_str) == Some(login));
        text(found.with_context(|| format!("{login} cannot be named in a plan"))?, "id")
    }
}

/// Opens the hospital: administrator, vendors, people, targets with real servers.
///
/// # Errors
/// Any step is refused.
pub async fn open(api: &Api, clock: &Arc<DemoClock>, folder: &Path, first_link: &str) -> Result<Hospital> {
    let (login, name) = ADMINISTRATOR;
    let administrator = cast::enrol(api, clock, first_link, login, name, Role::Administrator).await.context("the first administrator")?;
    let token = api.log_in(&administrator).await?;
    let mut vendors = Vec::new();
    let end = Timestamp::plus(clock.now(), Duration::from_secs(365 * 86_400));
    for (name, contact) in VENDORS {
        let body = json!({ "name": name, "contact": contact, "contract_until": end, "active": true });
        vendors.push(text(&api.post(Some(&token), "/api/v1/vendors", &body).await?, "id")?);
    }
    let day = format_date(end.date());
    roads::open(api, &token, &vendors, clock.now()).await.context("lines and devices")?;
    let mut people = vec![administrator];
    for (login, name, role, vendor) in PARTS {
        let vendor = vendor.and_then(|place| vendors.get(place));
        let ready = (role == Role::Worker).then_some(&day);
        let body = json!({ "login": login, "name": name, "vendor": vendor, "roles": [role.as_str()], "pledged_until": ready, "trained_until": ready });
        let added = api.post(Some(&token), "/api/v1/persons", &body).await.with_context(|| format!("registering {login}"))?;
        let mut player = cast::enrol(api, clock, &text(&added, "enrolment.url")?, login, name, role).await.with_context(|| format!("enrolling {login}"))?;
        if role == Role::Worker {
            cast::register_key(api, &mut player, &folder.join("keys")).await?;
        }
        people.push(player);
    }
    let account = hosts::own_account()?;
    let key_file = folder.join("keys/target_ed25519");
    let authorized = hosts::make_key(&key_file)?;
    let private = std::fs::read_to_string(&key_file)?;
    let mut stages = Vec::new();
    for (name, title, owner, vendor) in STAGES {
        let host = hosts::start(&folder.join(name), &authorized)?;
        let body = json!({
            "name": name, "title": title, "protocol": "ssh", "host": "127.0.0.1", "port": host.port, "owner": owner, "vendor": vendors.get(vendor),
            "host_keys": [host.host_key], "personal_data": true, "active": true,
        });
        let id = text(&api.post(Some(&token), "/api/v1/targets", &body).await?, "id")?;
        let body = json!({ "username": account, "privileged": false, "credential": { "private_key": private } });
        let kept = api.post(Some(&token), &format!("/api/v1/targets/{id}/accounts"), &body).await?;
        let service = service::start(title).await?;
        stages.push(Stage { name, id, account: text(&kept, "id")?, host, service });
    }
    Ok(Hospital { people, vendors, stages, account })
}

/// What a worker's browser asks of the status page.
pub const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";

/// What the plans of the demo have in common.
struct Outline<'a> {
    title: &'a str,
    class: &'a str,
    purpose: &'a str,
    target: &'a str,
    /// What may be done there: functions, file rights, limits, places of forwards, key window.
    switches: Value,
    /// `none`, `watch` or `step`.
    witness: &'a str,
    workers: &'a [&'a str],
    from: Timestamp,
    until: Timestamp,
    steps: &'a str,
    commands: &'a [&'a str],
    files: &'a [&'a str],
    impact: &'a str,
    stop_minutes: u32,
}

/// Draws up a plan as `worker`, submits it, and gives its id and the worker's token.
async fn apply(api: &Api, hospital: &Hospital, worker: &str, vendor: usize, outline: &Outline<'_>) -> Result<(String, String)> {
    let token = api.log_in(hospital.person(worker)?).await?;
    let stage = hospital.stage(outline.target)?;
    let mut workers = Vec::new();
    for login in outline.workers {
        workers.push(hospital.person_id(api, &token, login).await?);
    }
    let files: Vec<Value> = outline.files.iter().map(|name| json!({ "name": name, "sanitised": "社内ウイルス対策端末で検査済み" })).collect();
    let mut used = outline.switches.clone();
    if let Some(used) = used.as_object_mut() {
        used.insert("target".into(), json!(stage.id));
        used.insert("account".into(), json!(stage.account));
    }
    let content = json!({
        "title": outline.title, "class": outline.class, "purpose": outline.purpose,
        "targets": [used], "witness": outline.witness,
        "bring_in": files, "workers": workers, "line": "保守拠点 専用線(デモではこのコンピュータ)", "from": outline.from, "until": outline.until,
        "privileged_reason": "サービスの停止・起動に管理者権限が必要なため", "steps": outline.steps, "commands": outline.commands, "impact": outline.impact, "stop_minutes": outline.stop_minutes, "rollback": "作業前の設定に戻し、動作を確認する",
        "acceptance": "担当部署と画面表示を確認する", "contact": "作業責任者 090-0000-0000",
    });
    let vendor = hospital.vendors.get(vendor).context("no such vendor")?;
    let plan = api.draw_plan(&token, vendor, &content).await?;
    api.act(&token, &plan, &json!({ "act": "submit" })).await?;
    Ok((plan, token))
}

/// Both approvals, by operator and planner.
async fn approve(api: &Api, operator: &str, planner: &str, plan: &str) -> Result<()> {
    api.approve(operator, plan).await.context("technical approval")?;
    let plan = api.approve(planner, plan).await.context("final approval")?;
    match text(&plan, "state")?.as_str() {
        "approved" => Ok(()),
        state => bail!("the plan is {state} after both approvals"),
    }
}

/// A job from application to confirmation, as it comes each month.
///
/// # Errors
/// Any step is refused.
pub async fn tell_job(api: &Api, clock: &DemoClock, hospital: &Hospital, terminal: &Terminal, folder: &Path) -> Result<()> {
    let now = clock.now();
    let operator = api.log_in(hospital.person("ueda")?).await?;
    let planner = api.log_in(hospital.person("ishikawa")?).await?;
    let finished = Outline {
        title: "電子カルテDB 月次点検",
        class: "periodic",
        purpose: "保守契約に基づく月次の稼働確認",
        target: "ehr-db01",
        switches: json!({
            "functions": ["shell", "sftp", "forward"], "files": ["upload"], "limits": { "upload_bytes": 10_000_000, "upload_files": 5 },
            "forwards": [hospital.stage("ehr-db01")?.place()],
        }),
        witness: "none",
        workers: &["sato"],
        from: now.minus(minutes(1)),
        until: now.plus(minutes(60)),
        steps: "1. 稼働時間と負荷を確認する\n2. ディスク使用量を確認する\n3. 状態ページを転送で開いて確認する\n4. 点検結果ファイルを配置する",
        commands: &["uptime", "df -h", "free -m"],
        files: &["tenken-kekka.txt"],
        impact: "なし(参照のみ)",
        stop_minutes: 0,
    };
    let (plan, worker) = apply(api, hospital, "sato", 0, &finished).await.context("the plan that is finished")?;
    approve(api, &operator, &planner, &plan).await?;
    work(hospital, terminal, folder).await?;
    close(api, &worker, &operator, &planner, &plan).await.context("closing the finished plan")
}

/// A job on the target whose recordings nobody opens alone.
///
/// # Errors
/// Any step is refused.
pub async fn tell_report_job(api: &Api, clock: &DemoClock, hospital: &Hospital, terminal: &Terminal) -> Result<()> {
    let now = clock.now();
    let operator = api.log_in(hospital.person("ueda")?).await?;
    let planner = api.log_in(hospital.person("ishikawa")?).await?;
    let finished = Outline {
        title: "帳票サーバの出力先の確認",
        class: "investigation",
        purpose: "紹介状の印刷が遅いという問合せの調査",
        target: super::two_person::TARGET,
        switches: json!({ "functions": ["shell"], "files": [] }),
        witness: "none",
        workers: &["sato"],
        from: now.minus(minutes(1)),
        until: now.plus(minutes(60)),
        steps: "1. 稼働時間を確認する\n2. 印刷の待ち行列を確認する",
        commands: &["uptime", "df -h"],
        files: &[],
        impact: "なし(参照のみ)",
        stop_minutes: 0,
    };
    let (plan, worker) = apply(api, hospital, "sato", 0, &finished).await.context("the plan of the report server")?;
    approve(api, &operator, &planner, &plan).await?;
    let output = terminal.run(hospital.person("sato")?, super::two_person::TARGET, "", &["uptime", "df -h /", "exit"]).await?;
    if !output.status.success() {
        bail!("the worker's shell: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    close(api, &worker, &operator, &planner, &plan).await.context("closing the plan of the report server")
}

/// What stands at this moment: one plan that waits for approval, one whose window is open. Gives the id of the open one.
///
/// # Errors
/// Any step is refused.
pub async fn tell_today(api: &Api, now: Timestamp, hospital: &Hospital) -> Result<String> {
    let operator = api.log_in(hospital.person("ueda")?).await?;
    let planner = api.log_in(hospital.person("ishikawa")?).await?;
    let waiting = Outline {
        title: "PACS 画像圧縮モジュールの更新",
        class: "change",
        purpose: "CT画像の表示遅延を解消する修正版の適用",
        target: "pacs01",
        switches: json!({
            "functions": ["shell", "sftp", "forward"], "files": ["download", "upload", "delete"], "limits": { "upload_bytes": 200_000_000, "download_bytes": 50_000_000 },
            "forwards": [hospital.stage("pacs01")?.place()],
        }),
        witness: "watch",
        workers: &["suzuki"],
        from: now.plus(minutes(24 * 60)),
        until: now.plus(minutes(26 * 60)),
        steps: "1. サービスの状態を確認する\n2. 修正版を配置する\n3. サービスを再起動する\n4. 画像表示を確認する",
        commands: &["systemctl status pacs", "systemctl restart pacs"],
        files: &["pacs-codec-3.2.1.tar.gz"],
        impact: "再起動中の約5分間、画像を表示できない。放射線科へ周知済み",
        stop_minutes: 5,
    };
    apply(api, hospital, "suzuki", 1, &waiting).await.context("the plan that waits for approval")?;
    let open = Outline {
        title: "電子カルテDB 監査ログ設定の変更",
        class: "change",
        purpose: "監査ログの保存期間を1年に延ばす設定変更",
        target: "ehr-db01",
        switches: json!({
            "functions": ["shell", "exec", "sftp", "scp", "forward"], "files": ["download", "upload", "delete", "rename"], "key_window": true,
            "forwards": [hospital.stage("ehr-db01")?.place()],
        }),
        witness: "none",
        workers: &["sato", "tanaka"],
        from: now.minus(minutes(5)),
        until: now.plus(minutes(4 * 60)),
        steps: "1. 現在の設定を控える\n2. 設定を変更する\n3. 反映を確認する",
        commands: &[],
        files: &[],
        impact: "なし(再起動を伴わない)",
        stop_minutes: 0,
    };
    let (plan, _) = apply(api, hospital, "sato", 0, &open).await.context("the plan whose window is open")?;
    approve(api, &operator, &planner, &plan).await?;
    Ok(plan)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// The finished job's session: a shell as a person uses it, then a file.
async fn work(hospital: &Hospital, terminal: &Terminal, folder: &Path) -> Result<()> {
    let sato = hospital.person("sato")?;
    let typed = ["uptime", "df -h /", "free -m", "cat /etc/os-release", "exit"];
    let output = terminal.run(sato, "ehr-db01", "", &typed).await?;
    if !output.status.success() {
        bail!("the worker's shell: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let seen = terminal.forward(sato, "ehr-db01", hospital.stage("ehr-db01")?.service.port, REQUEST).await?;
    if !seen.status.success() {
        bail!("the forward to the status page: {}", String::from_utf8_lossy(&seen.stderr).trim());
    }
    let file = folder.join("tenken-kekka.txt");
    std::fs::write(&file, "月次点検結果: 異常なし\n")?;
    let there = folder.join("ehr-db01/tenken-kekka.txt");
    terminal.put(sato, "ehr-db01", &file, &there.display().to_string()).await
}

/// From the end of the work to the planner's confirmation.
async fn close(api: &Api, worker: &str, operator: &str, planner: &str, plan: &str) -> Result<()> {
    // Leaving is written when the client's connection ends, which may be a moment after the client itself.
    let mut finished = api.act(worker, plan, &json!({ "act": "finish_work" })).await;
    for _ in 0..20 {
        if finished.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        finished = api.act(worker, plan, &json!({ "act": "finish_work" })).await;
    }
    decide_all(api, operator, plan, &finished?).await?;
    api.act(operator, plan, &json!({ "act": "finish_reconcile" })).await?;
    let report = json!({
        "result": "点検項目はすべて正常。ディスク使用率に余裕あり。", "cause": "", "prevention": "", "remaining": "なし", "versions": "変更なし",
        "personal_data_used": false, "personal_data_detail": "",
    });
    api.act(worker, plan, &json!({ "act": "submit_report", "content": report })).await?;
    let plan = api.act(planner, plan, &json!({ "act": "confirm" })).await?;
    match text(&plan, "state")?.as_str() {
        "closed" => Ok(()),
        state => bail!("the plan is {state} after confirmation"),
    }
}

/// Gives every open difference a reason and a decision.
///
/// # Errors
/// It is refused.
pub async fn decide_all(api: &Api, operator: &str, id: &str, plan: &Value) -> Result<usize> {
    let findings = plan.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut decided = 0;
    for (index, finding) in findings.iter().enumerate() {
        if finding.get("verdict").and_then(Value::as_str) != Some("match") {
            let act = json!({ "act": "decide_finding", "index": index, "decision": "no_problem", "reason": "手順の範囲内の参照であることを録画で確認した" });
            api.act(operator, id, &act).await?;
            decided += 1;
        }
    }
    Ok(decided)
}
