//! A made-up job of a made-up hospital, far enough along to fill every page.

use super::view::{Gate, Named, NamedTarget, Names, PlanPage, SessionLine, Told};
use crate::words::Lang;
use sekisho_core::duty::{Duty, DutyKind};
use sekisho_core::ids::{AccountId, AttachmentId, PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::plan::approval::{Approval, Slot};
use sekisho_core::plan::content::{Attachment, CarryOut, FileIn, PersonalDataUse, PlanContent, TargetUse, WorkClass};
use sekisho_core::plan::state::PlanState;
use sekisho_core::plan::{AfterFact, ChangeNote, Edition, Emergency, ExtensionWish, Mark, Plan, Report, ReportContent, TrailEntry};
use sekisho_core::policy::Policy;
use sekisho_core::reconcile::{Decision, Finding, Item, Verdict};
use sekisho_core::command::{CommandRule, Loosened, RuleAct};
use sekisho_core::target::{ForwardTo, Function, TargetClass, TransferLimits, Witness};
use sekisho_core::time::Timestamp;

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_local(text).unwrap()
}

pub fn person(n: u8) -> PersonId {
    PersonId::from_random([n; 10])
}

fn vendor() -> VendorId {
    VendorId::from_random([1; 10])
}

pub fn names() -> Names {
    let mut names = Names::default();
    names.vendors.insert(vendor(), "東都メディカルシステム株式会社".into());
    for (n, name, login, org) in
        [(1, "田中 健一", "tanaka", "東都メディカルシステム株式会社"), (2, "鈴木 美咲", "suzuki", "東都メディカルシステム株式会社"), (3, "佐藤 由美", "sato", ""), (4, "山本 拓也", "yamamoto", "")]
    {
        names.persons.insert(person(n), Named { name: name.into(), login: login.into(), org: org.into() });
    }
    names.targets.insert(TargetId::from_random([1; 10]), NamedTarget { name: "ehr-db01".into(), title: "電子カルテ DBサーバ".into(), witness: Default::default(), quarantine: Default::default(), personal_data: true });
    names.accounts.insert(AccountId::from_random([1; 10]), ("postgres".into(), true));
    names
}

fn mark(n: u8, name: &str, when: &str) -> Mark {
    Mark { by: person(n), name: name.into(), at: at(when) }
}

pub const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn finding(item: Item, verdict: Verdict, planned: &str, actual: &str, at_ms: Option<u64>, decision: Option<Decision>) -> Finding {
    Finding {
        item,
        verdict,
        planned: planned.into(),
        actual: actual.into(),
        session: Some(SessionId::from_random([1; 10])),
        at_ms,
        reason: if decision.is_some() { "手順書の版の誤記".into() } else { String::new() },
        decision,
        decided: decision.map(|_| mark(3, "佐藤 由美", "2026-11-23T09:30")),
    }
}

pub fn plan(state: PlanState) -> Plan {
    let content = PlanContent {
        title: "電子カルテDB 定期保守".into(),
        class: WorkClass::Periodic,
        purpose: "四半期ごとの定期点検。前回点検で索引の肥大を確認したため、再作成を行う。".into(),
        targets: vec![TargetUse {
            target: TargetId::from_random([1; 10]),
            account: AccountId::from_random([1; 10]),
            functions: [Function::Shell, Function::Sftp, Function::Forward].into(),
            files: sekisho_core::target::FileRight::ALL.into(),
            limits: TransferLimits { upload_bytes: Some(100_000_000), upload_files: Some(10), ..TransferLimits::default() },
            forwards: vec![ForwardTo { host: "10.0.0.5".into(), port: 5432, full: true }],
            key_window: true,
        }],
        privileged_reason: "サービスの再起動に管理者権限が必要なため".into(),
        personal_data: Some(PersonalDataUse { whose: "受付患者 1 名(検索確認用)".into(), why: "再作成後の検索結果を確認するため".into() }),
        bring_in: vec![FileIn { name: "reindex-7.2.sql".into(), sha256: "ab".repeat(32), sanitised: "11/20 無害化PC(S社)".into() }],
        carry_out: Some(CarryOut { purpose: "性能の解析".into(), number: "ログ 1 日分".into(), fields: "実行計画・処理時間".into(), storage: "本社 解析サーバ(暗号化)".into() }),
        workers: vec![person(1), person(2)],
        sources: vec!["192.0.2.0/24".to_owned().try_into().unwrap()],
        line: "本社専用線 保守専用端末 PC-12".into(),
        from: at("2026-11-22T15:00"),
        until: at("2026-11-22T17:00"),
        steps: "1. バックアップの完了を確認\n2. 索引を再作成\n3. サービスを再起動し、受付端末で検索を確認".into(),
        commands: vec!["psql -f reindex-7.2.sql".into(), "systemctl restart postgresql".into()],
        unplanned: Some(RuleAct::Alert),
        rules: vec![CommandRule { pattern: "rm -rf *".into(), act: RuleAct::Refuse, reason: "削除は計画にない".into() }],
        witness: Witness::Watch,
        impact: "約 10 分、カルテの検索が遅くなります。".into(),
        stop_minutes: 2,
        rollback: "索引を旧定義で作り直す(約 5 分)".into(),
        acceptance: "受付端末で患者検索が 2 秒以内に返ること".into(),
        supervision: true,
        contact: "03-0000-0000(田中)".into(),
        subcontractor: None,
        attachments: vec![Attachment { id: AttachmentId::from_random([1; 10]), name: "作業手順書_第3版.pdf".into(), bytes: 482_113, sha256: "cd".repeat(32) }],
        emergency_reason: None,
    };
    let mut before = Edition { revision: 1, content: PlanContent::clone(&content) };
    before.content.steps = "1. 現在の設定を控える".into();
    before.content.targets.iter_mut().for_each(|used| used.forwards.clear());
    let entry = |when: &str, by: &str, act: &str, state, remark: &str| TrailEntry { at: at(when), by: by.into(), person: None, act: act.into(), state, remark: remark.into() };
    Plan {
        id: PlanId::from_random([1; 10]),
        number: "2026-0042".into(),
        vendor: vendor(),
        applicant: person(1),
        state,
        revision: 2,
        before: Some(Box::new(before)),
        content,
        approvals: vec![
            Approval { slot: Slot::Technical, by: person(3), name: "佐藤 由美".into(), at: at("2026-11-20T17:05"), digest: DIGEST.into(), signature: "x".into() },
            Approval { slot: Slot::Final, by: person(4), name: "山本 拓也".into(), at: at("2026-11-21T09:10"), digest: DIGEST.into(), signature: "x".into() },
        ],
        emergency: None,
        extension: Some(ExtensionWish { by: mark(1, "田中 健一", "2026-11-22T16:40"), until: at("2026-11-22T17:30"), reason: "索引の再作成に予定より時間がかかっています。".into() }),
        extended_until: None,
        changes: vec![
            ChangeNote { by: mark(1, "田中 健一", "2026-11-22T15:50"), text: "古い索引のファイルが残っていたため削除します。".into(), accepted: Some(mark(3, "佐藤 由美", "2026-11-22T15:52")) },
            ChangeNote { by: mark(1, "田中 健一", "2026-11-22T16:10"), text: "統計情報の更新も行います。".into(), accepted: None },
        ],
        sessions: vec![SessionId::from_random([1; 10])],
        ended_at: Some(at("2026-11-22T16:41")),
        findings: vec![
            finding(Item::Time, Verdict::Match, "2026-11-22 15:00–17:00", "2026-11-22 15:02–16:41", None, None),
            finding(Item::Worker, Verdict::Match, "田中 健一", "田中 健一", None, None),
            finding(Item::Function, Verdict::NotPlanned, "shell, sftp", "exec, shell, sftp", None, None),
            finding(Item::Rights, Verdict::NotPlanned, "upload", "upload, delete", None, None),
            finding(Item::Volume, Verdict::Match, "upload 100000000 B, 10 files", "upload 1843 B, 1 files", None, None),
            finding(Item::Forward, Verdict::Match, "10.0.0.5:5432", "10.0.0.5:5432 2 times, 1200 B up, 48000 B down", Some(4_000), None),
            finding(Item::KeyWindow, Verdict::Match, "allowed", "used", None, None),
            finding(Item::Witness, Verdict::Match, "watch", "佐藤 由美", None, None),
            finding(Item::Pause, Verdict::NotPlanned, "", "1 times, 42 s", Some(90_000), Some(Decision::NoProblem)),
            finding(Item::Command, Verdict::NotPlanned, "", "rm -rf /var/tmp/old-index", Some(754_000), None),
            finding(Item::File, Verdict::Different, "reindex-7.2.sql", "put /tmp/reindex-7.2.1.sql (1843 bytes, SHA-256 00ff00ff00ff…)", Some(61_000), Some(Decision::NoProblem)),
            finding(Item::Ending, Verdict::Different, "closed", "idle", None, Some(Decision::Incident)),
            finding(Item::Command, Verdict::NotDone, "systemctl restart postgresql", "", None, None),
        ],
        reconciled_at: None,
        report: Some(Report {
            content: ReportContent {
                diary: Vec::new(),
                result: "索引の再作成を完了し、検索の応答が 1.2 秒に改善した。".into(),
                cause: "更新の多い表で索引が肥大していた。".into(),
                prevention: "自動再作成を月次で設定する。".into(),
                remaining: "なし".into(),
                versions: "PostgreSQL 15.6(変更なし)".into(),
                personal_data_used: true,
                personal_data_detail: "受付患者 1 名の氏名と受診歴を検索画面で表示した。".into(),
            },
            written: mark(1, "田中 健一", "2026-11-23T10:00"),
            countersigned: Some(mark(2, "鈴木 美咲", "2026-11-23T11:00")),
        }),
        confirmation: (state == PlanState::Closed).then(|| mark(4, "山本 拓也", "2026-11-24T09:00")),
        trail: vec![
            entry("2026-11-20T14:05", "田中 健一", "submit", PlanState::Submitted, ""),
            entry("2026-11-20T15:30", "佐藤 由美", "return", PlanState::Returned, "切戻し手順が書かれていません。\n追記してください。"),
            entry("2026-11-20T16:12", "田中 健一", "submit", PlanState::Submitted, ""),
            entry("2026-11-20T17:05", "佐藤 由美", "approve", PlanState::Submitted, ""),
            entry("2026-11-21T09:10", "山本 拓也", "approve", PlanState::Approved, ""),
        ],
        created_at: at("2026-11-20T13:40"),
        version: 7,
    }
}

/// The same as emergency work.
pub fn emergency(state: PlanState) -> Plan {
    let mut plan = plan(state);
    plan.content.title = "電子カルテが起動しない".into();
    plan.content.emergency_reason = Some("23:30 ごろから電子カルテの画面が開かず、救急外来で受付ができない。".into());
    plan.approvals.clear();
    if state != PlanState::Submitted {
        plan.emergency = Some(Emergency {
            allowed: mark(3, "当直 一郎", "2026-11-22T23:40"),
            until: at("2026-11-23T01:40"),
            decide_by: at("2026-11-24T17:15"),
            decision: (state == PlanState::Closed).then(|| AfterFact { mark: mark(4, "山本 拓也", "2026-11-24T09:00"), approved: true, reason: "妥当と判断した。".into() }),
        });
    }
    plan
}

pub const ALL_ACTS: [&str; 20] = [
    "edit", "submit", "return", "reject", "approve", "withdraw", "allow_emergency", "decide_after_fact", "ask_extension", "decide_extension", "note_change",
    "accept_change", "finish_work", "explain_finding", "decide_finding", "finish_reconcile", "submit_report", "countersign", "return_report", "confirm",
];

pub fn sessions() -> Vec<SessionLine> {
    let line = SessionLine {
        state: "ended",
        held: 0,
        held_files: 0,
        id: SessionId::from_random([1; 10]).to_string(),
        person: "田中 健一".into(),
        target: "ehr-db01".into(),
        source: "192.0.2.15".into(),
        account: "postgres".into(),
        time: "11月22日(日) 15:02 〜 16:41".into(),
        running: false,
        cause: "idle",
        commands: 12,
        files: 1,
        plan: PlanId::from_random([1; 10]).to_string(),
        plan_number: "2026-0042".into(),
        until_ms: at("2026-11-22T17:00").0,
        until: "17:00".into(),
    };
    vec![SessionLine { running: true, state: "no_witness", held: 1, cause: "running", ..line.clone() }, line]
}

pub fn page_of(plan: &Plan, allowed: &[&'static str], now: &str, lang: Lang) -> PlanPage {
    let duty = |kind, overdue| Duty {
        kind,
        plan: plan.id.clone(),
        number: plan.number.clone(),
        title: plan.content.title.clone(),
        due: Some(at("2026-11-22T15:00")),
        overdue,
    };
    PlanPage::of(Told {
        plan,
        digest: DIGEST,
        names: &names(),
        loosened: &[Loosened { class: TargetClass::Linux, pattern: "rm -r * /".into(), act: RuleAct::Refuse, by: "rm *".into(), to: RuleAct::Note }],
        missing: &[Slot::Final],
        sessions: sessions(),
        running: false,
        allowed,
        duties: &[duty(DutyKind::Approve, false), duty(DutyKind::Reconcile, true)],
        policy: &Policy::default(),
        gate: &Gate { host: "sekisho.aoba-hospital.example".into(), port: 2222 },
        me: Some(&person(1)),
        now: at(now),
        lang,
    })
}
