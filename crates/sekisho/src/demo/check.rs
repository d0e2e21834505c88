//! `sekisho demo --check`: the whole job without a person, each step as a user would notice it.

use super::Demo;
use super::api::{Api, text};
use super::cast::Player;
use super::service::page;
use super::{story, two_person};
use anyhow::{Context, Result, bail, ensure};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Clock;
use sekisho_store::Agreeing;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the host of the check is called.
const PACS: &str = "医用画像管理(PACS)サーバ";
/// A check ends within this time, or it has failed.
const STEP_PATIENCE: Duration = Duration::from_secs(150);

/// Counts and prints steps.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Runs one step; a step that fails does not keep later ones from being tried.
    async fn step<T>(&mut self, name: &str, work: impl Future<Output = Result<T>>) -> Option<T> {
        let began = Instant::now();
        let outcome = match tokio::time::timeout(STEP_PATIENCE, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("took longer than {} s", STEP_PATIENCE.as_secs())),
        };
        let took = began.elapsed().as_secs_f64();
        match outcome {
            Ok(value) => {
                self.passed += 1;
                println!("ok    {name} ({took:.1} s)");
                Some(value)
            }
            Err(fault) => {
                self.failed += 1;
                println!("FAIL  {name}: {fault:#}");
                None
            }
        }
    }
}

/// Runs all steps and prints `N passed, N failed`.
pub async fn run(demo: &Demo, folder: &Path) -> ExitCode {
    let mut tally = Tally::default();
    if let Err(fault) = job(demo, folder, &mut tally).await {
        tally.failed += 1;
        println!("FAIL  {fault:#}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tokens of those who take part.
struct Tokens {
    suzuki: String,
    operator: String,
    planner: String,
    auditor: String,
}

async fn job(demo: &Demo, folder: &Path, tally: &mut Tally) -> Result<()> {
    let (api, hospital) = (&demo.api, &demo.hospital);
    let suzuki = hospital.person("suzuki")?;
    let tokens = tally
        .step("everybody logs in with password and one-time code", async {
            Ok(Tokens {
                suzuki: api.log_in(suzuki).await?,
                operator: api.log_in(hospital.person("ueda")?).await?,
                planner: api.log_in(hospital.person("ishikawa")?).await?,
                auditor: api.log_in(hospital.person("kimura")?).await?,
            })
        })
        .await
        .context("nobody could log in")?;
    tally.step("a code that was used is refused", replay(api, suzuki)).await;
    let plan = tally.step("the worker applies (作業計画書の申請)", apply(demo, &tokens.suzuki)).await.context("no plan to go on with")?;
    tally.step("before approval ssh is refused with its code", refused_by_ssh(demo, suzuki, Refusal::NoPlan)).await;
    tally.step("the applicant cannot approve", applicant_cannot_approve(api, &tokens.suzuki, &plan)).await;
    tally.step("the operator checks technically (技術確認)", api.approve(&tokens.operator, &plan)).await;
    tally.step("one approval is not enough", refused_by_ssh(demo, suzuki, Refusal::NoPlan)).await;
    tally.step("the planner approves (最終承認)", api.approve(&tokens.planner, &plan)).await;
    tally.step("ssh reaches the real server, with its exit status", exec(demo, suzuki)).await;
    tally.step("a file is copied by scp and arrives whole", copy(demo, suzuki, folder)).await;
    tally.step("a file is not deleted where the plan has no such right", delete_refused(demo, suzuki, folder)).await;
    tally.step("a forward to the place of the plan reaches the service behind the target", forwarded(demo, suzuki)).await;
    tally.step("a forward elsewhere is refused with its code", forward_refused(demo, suzuki)).await;
    tally.step("the forward stands in the record, byte for byte", forward_kept(demo, &tokens.auditor)).await;
    tally.step("a running shell is seen, watched live, and cut within 2 s (切断)", cut(demo, suzuki, &tokens.operator)).await;
    tally.step("the recording replays what the worker saw, and no password", replayed(demo, &tokens.auditor)).await;
    tally.step("the work ends and plan and fact are reconciled (照合)", reconcile(api, &tokens, &plan)).await;
    tally.step("the completion report is written (完了報告)", report(api, &tokens.suzuki, &plan)).await;
    tally.step("the planner confirms, and the plan is closed (確認)", confirm(api, &tokens.planner, &plan)).await;
    tally.step("after closing ssh is refused again", refused_by_ssh(demo, suzuki, Refusal::WorkFinished { number: String::new() })).await;
    tally.step("a recording that nobody opens alone opens after its holder agreed, to who asked (二人での閲覧)", agreed(demo, &tokens, folder)).await;
    tally.step("log and recordings verify offline, from a copy, with the public key", verified(demo, folder)).await;
    tally.step("one changed byte in a copy is found", tampering_found(demo, folder)).await;
    Ok(())
}

/// The holder makes the agreement with the key in the demo's folder, as they would on a machine of their own.
async fn agreed(demo: &Demo, tokens: &Tokens, folder: &Path) -> Result<()> {
    let api = &demo.api;
    let waiting = api.get(Some(&tokens.operator), "/api/v1/viewings").await?;
    let request = waiting.as_array().and_then(|all| all.first()).context("no request waits")?;
    let (id, session) = (text(request, "id")?, request.pointer("/sessions/0").and_then(Value::as_str).context("it names no session")?);
    let recording = format!("/api/v1/sessions/{session}/recording");
    let before = api.try_get(Some(&tokens.operator), &recording).await?;
    ensure!(before.status == 403 && before.text.contains(Refusal::TwoPersons.code()), "before the agreement: HTTP {}", before.status);
    let holder = api.log_in(demo.hospital.person(two_person::HOLDER)?).await?;
    let note = api.try_get(Some(&holder), &format!("/api/v1/viewings/{id}/text")).await?.text;
    let file = folder.join("viewing-request.txt");
    std::fs::write(&file, note)?;
    let key = demo.log_public_key.parse().context("the log's key")?;
    let Agreeing::Request(read) = sekisho_store::read_agreeing(&file, Some(&key))? else { bail!("the text is no request") };
    let agreement = sekisho_store::agree_to_request(&read, &folder.join(two_person::KEY_FILE))?;
    api.post(Some(&holder), &format!("/api/v1/viewings/{id}/agree"), &json!({ "agreement": agreement })).await?;
    let after = api.try_get(Some(&tokens.operator), &recording).await?;
    ensure!(after.status == 200, "after the agreement: HTTP {} {}", after.status, after.text);
    let other = api.try_get(Some(&tokens.planner), &recording).await?;
    ensure!(other.status == 403, "somebody else: HTTP {}", other.status);
    Ok(())
}

async fn replay(api: &Api, player: &Player) -> Result<()> {
    let code = player.phone.fresh();
    let body = json!({ "login": player.login, "password": player.password, "code": code });
    api.try_post(None, "/api/v1/logins", &body).await?.done()?;
    let again = api.try_post(None, "/api/v1/logins", &body).await?;
    ensure!(again.status == 401 && again.text.contains("SKS-1001"), "the second use gave HTTP {}: {}", again.status, again.text);
    Ok(())
}

async fn apply(demo: &Demo, token: &str) -> Result<String> {
    let (api, hospital) = (&demo.api, &demo.hospital);
    let now = demo.clock.now();
    let stage = hospital.stage("pacs01")?;
    let content = json!({
        "title": "PACS 表示遅延の調査", "class": "investigation", "purpose": "放射線科からの連絡による調査",
        "targets": [{ "target": stage.id, "account": stage.account, "functions": ["shell", "exec", "sftp", "forward"], "files": ["upload"], "limits": { "upload_bytes": 20_000_000, "upload_files": 5 }, "forwards": [stage.place()] }],
        "privileged_reason": "サービスの状態を見るのに管理者権限が必要なため",
        "bring_in": [{ "name": "shindan.txt", "sanitised": "社内端末で検査済み" }],
        "workers": [hospital.person_id(api, token, "suzuki").await?],
        "from": now.minus(Duration::from_secs(60)), "until": now.plus(Duration::from_secs(3600)),
        "steps": "1. 状態を確認する\n2. 診断ファイルを置く", "commands": ["printf", "exit"],
        "impact": "なし", "rollback": "不要(変更しない)", "contact": "045-555-0202",
    });
    let vendor = hospital.vendors.get(1).context("no second vendor")?;
    let plan = api.draw_plan(token, vendor, &content).await?;
    let submitted = api.act(token, &plan, &json!({ "act": "submit" })).await?;
    ensure!(text(&submitted, "state")? == "submitted", "the plan is {submitted}");
    Ok(plan)
}

async fn refused_by_ssh(demo: &Demo, worker: &Player, refusal: Refusal) -> Result<()> {
    let output = demo.terminal.run(worker, "pacs01", "true", &[]).await?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "the worker got in");
    ensure!(words.contains(refusal.code()), "the refusal reads: {words}");
    Ok(())
}

async fn applicant_cannot_approve(api: &Api, token: &str, plan: &str) -> Result<()> {
    let digest = text(&api.plan(token, plan).await?, "digest")?;
    let answer = api.try_post(Some(token), &format!("/api/v1/plans/{plan}/acts"), &json!({ "act": "approve", "digest": digest })).await?;
    ensure!(answer.status == 403, "HTTP {}: {}", answer.status, answer.text);
    Ok(())
}

async fn exec(demo: &Demo, worker: &Player) -> Result<()> {
    let output = demo.terminal.run(worker, "pacs01", "printf 'out:%s' \"$((6*7))\"; printf err >&2; exit 3", &[]).await?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(out == "out:42" && err.ends_with("err") && output.status.code() == Some(3), "{:?}: {out:?} {err:?}", output.status.code());
    Ok(())
}

async fn copy(demo: &Demo, worker: &Player, folder: &Path) -> Result<()> {
    let file = folder.join("shindan.txt");
    // Large enough that one window of the protocol does not hold it.
    let content: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &content)?;
    let there = folder.join("pacs01/shindan.txt");
    demo.terminal.put(worker, "pacs01", &file, &there.display().to_string()).await?;
    ensure!(std::fs::read(&there)? == content, "the file differs");
    Ok(())
}

async fn delete_refused(demo: &Demo, worker: &Player, folder: &Path) -> Result<()> {
    let there = folder.join("pacs01/shindan.txt");
    let output = demo.terminal.remove(worker, "pacs01", &there.display().to_string()).await?;
    ensure!(!output.status.success(), "sftp reports that the file was removed");
    ensure!(there.is_file(), "the file is gone");
    Ok(())
}

async fn forward_refused(demo: &Demo, worker: &Player) -> Result<()> {
    let output = demo.terminal.forward(worker, "pacs01", demo.running.ssh.port(), b"").await?;
    ensure!(!output.status.success(), "a connection was forwarded");
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(words.contains("SKS-4304"), "the refusal reads: {words}");
    Ok(())
}

async fn forwarded(demo: &Demo, worker: &Player) -> Result<()> {
    let port = demo.hospital.stage("pacs01")?.service.port;
    let output = demo.terminal.forward(worker, "pacs01", port, story::REQUEST).await?;
    let answer = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && answer.starts_with("HTTP/1.0 200 OK") && answer.ends_with(&page(PACS)), "{}: {answer}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The forward in the record of its session, with what the plan has kept of it.
async fn forward_kept(demo: &Demo, auditor: &str) -> Result<()> {
    let place = format!("127.0.0.1:{}", demo.hospital.stage("pacs01")?.service.port);
    let sessions = demo.api.get(Some(auditor), "/api/v1/sessions").await?;
    let rows = sessions.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
    for row in &rows {
        let session = text(row, "facts.session")?;
        let seen = demo.api.get(Some(auditor), &format!("/api/v1/sessions/{session}/forwards")).await?;
        let flows = seen.get("flows").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(flow) = flows.iter().find(|flow| flow.get("place").and_then(Value::as_str) == Some(&place)) else { continue };
        let number = |name: &str| flow.get(name).and_then(Value::as_u64).unwrap_or_default();
        ensure!(number("to_target") == story::REQUEST.len() as u64 && number("kept_to_worker") == number("to_worker"), "{flow}");
        let path = format!("/api/v1/sessions/{session}/forwards/{}/bytes?way=down", number("channel"));
        let kept = demo.api.0.send(hyper::Method::GET, &path, Some(auditor), None).await?;
        ensure!(kept.status == 200 && kept.text.ends_with(&page(PACS)), "HTTP {}: {}", kept.status, kept.text);
        return Ok(());
    }
    bail!("no session of {} has the forward", rows.len())
}

async fn cut(demo: &Demo, worker: &Player, operator: &str) -> Result<()> {
    let api = &demo.api;
    let mut child = demo.terminal.open(worker, "pacs01", "").await?;
    let session = loop {
        if let Some(row) = api.running(operator).await?.first() {
            break text(row, "facts.session")?;
        }
        if let Some(status) = child.try_wait()? {
            bail!("ssh ended by itself: {status}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let watched = demo.running.store.watch(&operator_actor(demo, operator).await?, &parse(&session)?).await;
    ensure!(watched.is_ok(), "the session cannot be watched");
    drop(watched);
    api.post(Some(operator), &format!("/api/v1/sessions/{session}/cut"), &json!({ "reason": "デモ: 切断の確認" })).await?;
    let pressed = Instant::now();
    let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.context("ssh went on after the cut")??;
    ensure!(pressed.elapsed() < Duration::from_secs(2), "the cut took {:.1} s", pressed.elapsed().as_secs_f64());
    ensure!(!status.success(), "ssh ended as if nothing had happened");
    Ok(())
}

fn parse(session: &str) -> Result<sekisho_core::ids::SessionId> {
    sekisho_core::ids::SessionId::parse(session).context("not a session id")
}

/// The operator as the store knows them, by their token.
async fn operator_actor(demo: &Demo, token: &str) -> Result<sekisho_core::people::Actor> {
    let source = std::net::IpAddr::from([127, 0, 0, 1]);
    let login = demo.running.store.login_of(token, source).await.ok().context("the operator's login has ended")?;
    Ok(login.actor.clone())
}

async fn replayed(demo: &Demo, auditor: &str) -> Result<()> {
    let sessions = demo.api.get(Some(auditor), "/api/v1/sessions").await?;
    let rows = sessions.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
    for row in &rows {
        let session = text(row, "facts.session")?;
        let answer = demo.api.0.send(hyper::Method::GET, &format!("/api/v1/sessions/{session}/recording"), Some(auditor), None).await?;
        if answer.status == 200 && answer.text.contains("printf 'out:") {
            ensure!(!answer.text.contains("PRIVATE KEY"), "a credential stands in the recording");
            return Ok(());
        }
    }
    bail!("no recording of {} holds the command", rows.len())
}

async fn reconcile(api: &Api, tokens: &Tokens, plan: &str) -> Result<()> {
    let ended = api.act(&tokens.suzuki, plan, &json!({ "act": "finish_work" })).await?;
    let early = api.try_post(Some(&tokens.operator), &format!("/api/v1/plans/{plan}/acts"), &json!({ "act": "finish_reconcile" })).await?;
    ensure!(early.text.contains("SKS-3010"), "differences without a decision did not hold it up: {}", early.text);
    let decided = story::decide_all(api, &tokens.operator, plan, &ended).await?;
    ensure!(decided > 0, "the cut session is no difference");
    let plan = api.act(&tokens.operator, plan, &json!({ "act": "finish_reconcile" })).await?;
    ensure!(text(&plan, "state")? == "report", "the plan is {plan}");
    Ok(())
}

async fn report(api: &Api, token: &str, plan: &str) -> Result<()> {
    let content = json!({ "result": "遅延の原因を特定した", "cause": "キャッシュ容量の不足", "prevention": "次回保守で増量する", "remaining": "なし", "versions": "", "personal_data_used": false, "personal_data_detail": "" });
    let plan = api.act(token, plan, &json!({ "act": "submit_report", "content": content })).await?;
    ensure!(text(&plan, "state")? == "confirm", "the plan is {plan}");
    Ok(())
}

async fn confirm(api: &Api, token: &str, plan: &str) -> Result<()> {
    let plan = api.act(token, plan, &json!({ "act": "confirm" })).await?;
    ensure!(text(&plan, "state")? == "closed", "the plan is {plan}");
    Ok(())
}

/// Copies what an outsider is given: log and recordings, no keys.
fn copy_evidence(from: &Path, to: &Path) -> Result<()> {
    for part in ["log", "recordings"] {
        let status = std::process::Command::new("cp").arg("-r").arg(from.join(part)).arg(to).status()?;
        ensure!(status.success(), "cannot copy {part}");
    }
    Ok(())
}

/// Runs the verifier of this very binary as an outsider would.
async fn verifier(folder: &Path, key: &str) -> Result<std::process::Output> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let output = tokio::process::Command::new(own).arg("verify").arg(folder).arg("--key").arg(key).output().await?;
    Ok(output)
}

async fn verified(demo: &Demo, folder: &Path) -> Result<()> {
    // The checkpoint follows the last entry within a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let copy = folder.join("copy");
    std::fs::create_dir_all(&copy)?;
    copy_evidence(&demo.config.data.dir, &copy)?;
    let output = verifier(&copy, &demo.log_public_key).await?;
    ensure!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn tampering_found(demo: &Demo, folder: &Path) -> Result<()> {
    let copy = folder.join("tampered");
    std::fs::create_dir_all(&copy)?;
    copy_evidence(&demo.config.data.dir, &copy)?;
    let recordings = std::fs::read_dir(copy.join("recordings"))?.filter_map(Result::ok).map(|entry| entry.path());
    let victim = recordings.into_iter().find(|path| path.extension().is_some_and(|end| end == "skr")).context("there is no recording")?;
    let mut bytes = std::fs::read(&victim)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(&victim, bytes)?;
    let output = verifier(&copy, &demo.log_public_key).await?;
    let words = String::from_utf8_lossy(&output.stdout);
    let name = victim.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    ensure!(!output.status.success() && words.contains(&name), "the verifier said: {words}");
    Ok(())
}
