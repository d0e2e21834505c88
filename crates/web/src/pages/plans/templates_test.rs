//! Every page of plans, in both languages, with everything that it can show.

use super::form::{Errors, PlanForm};
use super::sample::{ALL_ACTS, at, emergency, page_of, plan, sessions};
use crate::form::Form;
use crate::view::{Views, value, words_function};
use crate::words::Lang;
use minijinja::context;
use minijinja::value::Value;
use sekisho_core::plan::Plan;
use sekisho_core::plan::state::PlanState;

fn base(lang: Lang, errs_at: &'static str) -> Value {
    context! {
        t => words_function(lang),
        lang => lang.as_str(),
        title => "件名",
        now_ms => at("2026-11-22T15:30").0,
        facility => "青葉総合病院",
        version => "0.1.0",
        assets => value([("app.css", "app.css"), ("app.js", "app.js"), ("logo.svg", "logo.svg"), ("terminal.css", "terminal.css"), ("terminal.js", "terminal.js")].into_iter().collect::<std::collections::BTreeMap<_, _>>()),
        csrf => "c",
        flash => Vec::<String>::new(),
        keepalive => "/keepalive",
        me => context! { name => "佐藤 由美", org => "情報システム室", roles => ["企画管理者"] },
        person_links => Vec::<String>::new(),
        nav => vec![context! { href => "/plans", icon => "list", label => "作業計画", current => true, count => 2 }],
        idle_seconds => 900,
        fresh => false,
        small_facility => false,
        error_at => Value::from_function(move |name: String| if name == errs_at { "直してください。" } else { "" }),
    }
}

pub(crate) fn render(template: &str, lang: Lang, context: Value) -> String {
    let html = Views::new().render(template, base(lang, "reason"), context).unwrap_or_else(|error| panic!("{template} {}: {error:#}", lang.as_str()));
    // The escaper writes slashes as entities too; a reader of these tests should not have to.
    let html = html.replace("&#x2f;", "/");
    if let Ok(folder) = std::env::var("SEKISHO_RENDERED") {
        let name = template.replace('/', "-");
        let serial = std::fs::read_dir(&folder).unwrap().count();
        std::fs::write(format!("{folder}/{}-{serial:03}-{name}", lang.as_str()), &html).unwrap();
    }
    html
}

fn both(template: &str, of: impl Fn(Lang) -> Value) -> String {
    let ja = render(template, Lang::Ja, of(Lang::Ja));
    let en = render(template, Lang::En, of(Lang::En));
    assert!(ja.contains("<html lang=\"ja\"") && en.contains("<html lang=\"en\""), "{template}");
    ja
}

fn form() -> Value {
    Value::from_object(Form::default())
}

fn matters() -> Value {
    let row = |kind: &str, text: &str| context! { kind, text, detail => "通知: 削除", person => "田中 健一", place => "12:34", seconds => 754, href => "/sessions/ses-x/replay#t=754" };
    context! { rows => vec![row("ruled", "rm -rf /var/tmp/x"), row("unplanned", "vi /etc/hosts"), row("deleted", "/srv/old")], more => 3 }
}

fn shown(plan: &Plan, lang: Lang) -> Value {
    value(page_of(plan, &ALL_ACTS, "2026-11-22T15:30", lang))
}

#[test]
fn the_page_of_a_plan_shows_every_state() {
    for state in PlanState::ALL {
        for plan in [plan(state), emergency(state)] {
            let html = both("plans/show.html", |lang| context! { plan => shown(&plan, lang), can_attach => true, broken => true, windows => Vec::<Value>::new(), may_cut => true, running => 2, finish_waits => true, approval_waits => "final" });
            assert!(html.contains("2026-0042") && html.contains(state.ja()), "{state:?}");
            assert!(html.contains("最終承認を待っています(病院の企画管理者が承認します)") && html.contains("接続が 2 件続いているため"), "{state:?}");
        }
    }
}

#[test]
fn a_revised_plan_tells_what_changed_and_not_by_colour_alone() {
    for template in ["plans/show.html", "plans/approve.html"] {
        let page = |lang| context! { plan => shown(&plan(PlanState::Submitted), lang), slot => "final", action => "/plans/x/approve", form => form(), needs_code => false, can_attach => false, broken => false, windows => Vec::<Value>::new(), may_cut => false, running => 2, finish_waits => false, approval_waits => "" };
        let html = both(template, page);
        let (_, changes) = html.split_once("第 1 版からの変更点").unwrap_or_else(|| panic!("{template}: {html}"));
        let (changes, _) = changes.split_once("</section>").unwrap();
        assert!(changes.contains("<b>− 削除</b> <del>1. 現在の設定を控える</del>"), "{changes}");
        assert!(changes.contains("<b>+ 追加</b> <ins>電子カルテ DBサーバ (ehr-db01) ・ 転送先: 10.0.0.5:5432 (全バイト記録)</ins>"), "{changes}");
        assert!(!changes.contains("plans.") && !changes.contains("件名"), "only what changed: {changes}");
    }
}

/// Whoever decides reads which of the hospital's own rules the plan switches off, on the screen and on paper.
#[test]
fn the_rules_that_a_plan_loosens_are_told_to_whoever_decides() {
    let page = |lang, state| context! { plan => shown(&plan(state), lang), slot => "final", action => "/x", form => form(), needs_code => false, can_attach => false, broken => false, windows => Vec::<Value>::new(), may_cut => false, running => 2, finish_waits => false, approval_waits => "" };
    for template in ["plans/show.html", "plans/approve.html", "plans/allow.html", "print/plan.html"] {
        let html = both(template, |lang| page(lang, PlanState::Submitted));
        let (_, told) = html.split_once("この計画で緩むコマンドのルール").unwrap_or_else(|| panic!("{template}: {html}"));
        for word in ["<code>rm *</code>", "Linux サーバのルールが緩みます", "実行させない → 記録する", "<code>rm -r * /</code>"] {
            assert!(told.contains(word), "{template} lacks {word}");
        }
    }
    let mut quiet = page_of(&plan(PlanState::Submitted), &ALL_ACTS, "2026-11-22T15:30", Lang::Ja);
    quiet.loosened.clear();
    let html = render("plans/approve.html", Lang::Ja, context! { plan => value(quiet), slot => "final", action => "/x", form => form(), needs_code => false });
    assert!(!html.contains("緩む"), "{html}");
}

#[test]
fn a_worker_of_an_open_plan_finds_the_exact_line() {
    let html = render("plans/show.html", Lang::Ja, context! { plan => shown(&plan(PlanState::Approved), Lang::Ja), can_attach => false, broken => false, windows => Vec::<Value>::new(), may_cut => false, running => 2, finish_waits => false, approval_waits => "" });
    assert!(html.contains("ssh -p 2222 tanaka+ehr-db01@sekisho.aoba-hospital.example"), "{html}");
    let draft = render("plans/show.html", Lang::Ja, context! { plan => shown(&plan(PlanState::Submitted), Lang::Ja), can_attach => false, broken => false, windows => Vec::<Value>::new(), may_cut => false, running => 2, finish_waits => false, approval_waits => "" });
    assert!(!draft.contains("ssh -p 2222"));
}

#[test]
fn only_acts_that_are_allowed_have_buttons() {
    let page = |allowed: &[&'static str]| {
        let plan = value(page_of(&plan(PlanState::Submitted), allowed, "2026-11-22T15:30", Lang::Ja));
        render("plans/show.html", Lang::Ja, context! { plan, can_attach => false, broken => false, windows => Vec::<Value>::new(), may_cut => false, running => 2, finish_waits => false, approval_waits => "" })
    };
    let planner = page(&["approve", "return", "reject"]);
    for there in ["/approve\"", "/return\"", "/reject\""] {
        assert!(planner.contains(there), "{there}");
    }
    assert!(!planner.contains("/withdraw\"") && !planner.contains("/edit\""));
    let auditor = page(&[]);
    for act in ["/approve\"", "/return\"", "/reject\"", "/withdraw\"", "/finish\"", "/submit\""] {
        assert!(!auditor.contains(act), "{act}");
    }
}

#[test]
fn every_small_form_renders() {
    let plan = plan(PlanState::InProgress);
    for name in ["return", "reject", "withdraw", "extension", "extension/decide", "change", "confirm", "report/return"] {
        let html = both(&format!("plans/{name}.html"), |lang| context! { plan => shown(&plan, lang), form => form(), action => "/x", needs_code => true, matters => matters() });
        assert!(html.contains("name=\"version\" value=\"7\""), "{name}");
    }
    let html = both("plans/approve.html", |lang| context! { plan => shown(&plan, lang), form => form(), action => "/x", needs_code => true, slot => "final" });
    assert!(html.contains("name=\"code\"") && html.contains(super::sample::DIGEST));
    let emergency = emergency(PlanState::Emergency);
    both("plans/after_fact.html", |lang| context! { plan => shown(&emergency, lang), form => form(), action => "/x", needs_code => true });
}

#[test]
fn the_clerk_reads_who_which_company_where_and_why() {
    let html = both("plans/allow.html", |lang| context! { plan => shown(&emergency(PlanState::Submitted), lang), form => form(), action => "/x", needs_code => false });
    for word in ["田中 健一", "東都メディカルシステム株式会社", "電子カルテ DBサーバ", "救急外来で受付ができない", "03-0000-0000", "許可する"] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn differences_lead_to_their_moment() {
    let none = std::collections::BTreeMap::<String, String>::new;
    for (can_explain, can_decide) in [(false, false), (true, false), (true, true)] {
        let html = both("plans/reconcile.html", |lang| context! {
            plan => shown(&plan(PlanState::Reconcile), lang), typed => value(none()), missing => value(none()), can_explain, can_decide, can_finish => can_decide,
        });
        assert!(html.contains("/replay#t=754"), "{html}");
        assert_eq!(html.contains("name=\"reason.3\""), can_explain);
        assert_eq!(html.contains("name=\"decision.3\""), can_decide);
    }
}

#[test]
fn texts_of_others_stay_text() {
    let mut plan = plan(PlanState::Reconcile);
    plan.content.title = "<script>alert(1)</script>".into();
    plan.findings[3].actual = "\"><img src=x onerror=alert(1)>".into();
    let html = render("plans/show.html", Lang::Ja, context! { plan => shown(&plan, Lang::Ja), can_attach => true, broken => true, windows => Vec::<Value>::new(), may_cut => true, running => 2, finish_waits => true, approval_waits => "final" });
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
}

#[test]
fn forms_keep_what_was_typed_and_name_their_errors() {
    let choices = context! {
        targets => value([("tgt-x/acc-x", "電子カルテ DBサーバ(ehr-db01) ・ postgres")]),
        workers => vec![context! { id => "per-x", name => "田中 健一", org => "東都", ready => false }],
        subcontractors => value([("ven-x", "孫請株式会社")]),
    };
    let plan = plan(PlanState::Returned);
    let mut form = PlanForm::of(&plan.vendor, &plan.content, Some(7));
    form.title = "途中の件名".into();
    form.from = "昨日".into();
    let errors: Errors = [("title".to_owned(), "plans.error.required"), ("targets".to_owned(), "plans.error.targets"), ("files".to_owned(), "plans.error.sha256")].into();
    let of = |template: &'static str| {
        both(template, |_| context! {
            form => value(&form), errors => value(&errors), choices => choices.clone(), vendor_name => "東都", is_new => false, is_draft => true, id => "pln-x", number => "2026-0042",
            state => "returned", action => "/plans/x/edit", classes => value([("periodic", "定期保守")]), returned => "切戻し手順がありません。",
            attachments => vec![context! { name => "手順書.pdf", size => "10 KB" }],
            summary => vec![context! { href => "#f-title", text => "件名" }],
            refusal => context! { code => "SKS-3008", text => "誤り", next => "直す", field => "" },
        })
    };
    let html = of("plans/form.html");
    for kept in ["途中の件名", "昨日", "reindex-7.2.sql", "受付患者 1 名", "入力してください", "切戻し手順がありません", "name=\"account.__i__\""] {
        assert!(html.contains(kept), "{kept}");
    }
    assert!(of("plans/emergency.html").contains("途中の件名"));
}

#[test]
fn lists_and_empty_lists_render() {
    let line = context! {
        id => "pln-x", number => "2026-0042", title => "電子カルテDB 定期保守", state => "in_progress", vendor => "東都", running => true,
        window => "11月22日(日) 15:00 〜 17:00", emergency => true,
    };
    for (plans, can_write, text) in [(vec![line], true, ""), (Vec::new(), true, ""), (Vec::new(), false, ""), (Vec::new(), false, "x")] {
        both("plans/list.html", |_| context! {
            plans => plans.clone(), can_write, page => 1, pages => 3, link => "/plans?page=", filter => context! { state => "", text }, states => value([("draft", "下書き")]),
        });
    }
    both("plans/vendor.html", |_| context! { vendors => value([("ven-x", "東都")]), emergency => true });
}

#[test]
fn the_report_and_the_forms_on_paper_render() {
    let plan = plan(PlanState::Closed);
    let files = || vec![context! { op => "put", path => "/tmp/reindex-7.2.sql", size => "1.8 KB", sha256 => "ab".repeat(32), ok => true, place => "1:01", seconds => 61 }];
    let report = both("plans/report.html", |lang| context! { plan => shown(&plan, lang), form => form(), action => "/x", needs_code => false, files => files(), matters => matters(), returned => "版数がありません。" });
    assert!(report.contains("版数がありません"));
    both("print/plan.html", |lang| context! { plan => shown(&plan, lang) });
    let sessions = || vec![context! { era => "令和8年11月22日 15:02 〜 16:41", person => "田中 健一", target => "ehr-db01", source => "192.0.2.15", commands => 12, files => 1, digest => "ab".repeat(32) }];
    assert!(report.contains("href=\"/sessions/ses-x/replay#t=754\"") && report.contains("計画外のコマンド"), "the report leads to the acts that matter");
    let paper = both("print/report.html", |lang| context! { plan => shown(&plan, lang), sessions => sessions(), files => files(), matters => matters(), checkpoint => "sekisho.example/aoba\n42\nabc=\n" });
    for word in ["令和8年11月22日", "作業完了報告書", "R8.11.20", "sekisho.example/aoba"] {
        assert!(paper.contains(word), "{word}");
    }
}

#[test]
fn pages_of_sessions_render() {
    let page = |running: bool| context! {
        id => "ses-x", short => "記録 abc", person => "田中 健一", org => "東都メディカルシステム株式会社", target => "ehr-db01", target_title => "電子カルテ DBサーバ",
        account => "postgres", source => "192.0.2.15", time => "2026年11月22日(日) 15:02 〜 16:41", duration => "(99 分)", running, state => if running { "no_witness" } else { "ended" }, cause => "cut",
        functions => ["shell", "sftp"], commands => vec![context! { place => "0:07", seconds => 7, text => "uptime" }],
        files => vec![context! { op => "put", path => "/tmp/a", size => "1.8 KB", sha256 => "ab".repeat(32), ok => false, place => "1:01", seconds => 61 }],
        plan => "pln-x", plan_number => "2026-0042", plan_title => "電子カルテDB 定期保守", until => "17:00", until_ms => at("2026-11-22T17:00").0,
        forwards => vec![context! { at => "0:20", seconds => 20, place => "10.0.0.5:5432", times => 2, to_target => "1.2 KB", from_target => "48.0 KB" }],
        witness => "watch", witnesses => ["江口 真"], pauses => 1, paused => "0:12",
        recording => context! { size => "1.2 MB", sealed => true, digest => "ab".repeat(32), verified => "yes" },
        entries => vec![context! { seq => 41, at => "2026-11-22 15:02:00", who => "田中 健一", kind => "entered", detail => "postgres@ehr-db01" }],
    };
    let told = |running: bool| context! {
        running, state => "no_witness", pause => context! { by => "上田 健", reason => "手術が始まる" }, demanded => true, witnesses => ["江口 真"],
        held => vec![context! { line => "rm -rf /var/lib/pacs", reason => "削除" }],
        held_files => vec![context! { path => "/tmp/patch.tar.gz", size => "1.8 MB" }],
        lines => vec![context! { place => "0:07", by => "上田 健", kind => "hospital", text => "お待ちください" }, context! { place => "0:09", by => "", kind => "act", text => "作業を再開しました。" }],
    };
    for running in [true, false] {
        let watch = both("sessions/watch.html", |_| context! { s => page(running), can_cut => true, can_withdraw => true, can_control => true, can_chat => true, can_mark => true, can_replay => true, others => value(sessions()), line_chars => 200 });
        both("sessions/watch.html", |_| context! { s => page(running), can_cut => false, can_withdraw => false, can_control => false, can_chat => false, can_mark => false, can_replay => false, others => value(Vec::<u8>::new()), line_chars => 200 });
        assert_eq!(watch.contains("data-live=\"/sessions/ses-x/live\""), running);
        assert_eq!(watch.contains("formaction=\"/sessions/ses-x/pause_plan\""), running, "every connection of the plan can be paused from here");
        assert!(watch.contains("/sessions/ses-x/replay\""), "whoever watched to the end is led to the recording");
        assert!(running || watch.contains("15:02 〜 16:41"), "the page says when it ended");
        both("sessions/show.html", |_| context! { need => context! { kind => "none" }, s => page(running), can_watch => true, can_cut => true, can_replay => true, can_chat => true, told => told(running) });
        // A part of a page, fetched anew every few seconds.
        assert!(render("sessions/talk.html", Lang::Ja, context! { told => told(running) }).contains(if running { "お待ちください" } else { "<p class=\"muted\">" }));
    }
    let replay = both("sessions/replay.html", |_| context! { need => context! { kind => "none" }, s => page(false), can_replay => true, can_mark => true });
    assert!(replay.contains("10.0.0.5:5432") && replay.contains("/sessions/ses-x/forwards\""), "{replay}");
    let list = |lines: usize| context! {
        running => value(&sessions()[..lines.min(1)]), past => value(&sessions()[..lines]), page => 1, pages => 2, link => "/sessions?page=",
        filter => context! { person => "", target => "", plan => "" }, persons => value([("per-x", "田中 健一")]), targets => value([("tgt-x", "ehr-db01")]), can_watch => true,
    };
    for lines in [0, 2] {
        both("sessions/list.html", |_| list(lines));
    }
}
