//! What comes out of a filled-in form, and what is said of one that is not.

use super::form::*;
use sekisho_core::command::{CommandRule, RuleAct};
use sekisho_core::ids::VendorId;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{FileRight, ForwardTo, Witness};
use sekisho_core::time::Timestamp;

fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const TARGET: &str = "tgt-aaaaaaaaaaaaaaaa/acc-aaaaaaaaaaaaaaaa";

fn whole() -> Vec<(String, String)> {
    fields(&[
        ("csrf", "x"),
        ("vendor", "ven-aaaaaaaaaaaaaaaa"),
        ("title", " 電子カルテDB 定期保守 "),
        ("class", "periodic"),
        ("purpose", "四半期ごとの保守"),
        ("account.0", TARGET),
        ("function.0", "shell"),
        ("function.0", "sftp"),
        ("function.0", "forward"),
        ("right.0", "upload"),
        ("upload_amount.0", "1.5"),
        ("upload_unit.0", "GB"),
        ("upload_files.0", "20"),
        ("download_amount.0", "見えない欄"),
        ("forward_host.0.0", "10.0.0.5"),
        ("forward_port.0.0", "5432"),
        ("forward_full.0.0", "1"),
        ("forward_host.0.r1", ""),
        ("forward_port.0.r1", ""),
        ("key_window.0", "1"),
        ("account.r2", "tgt-bbbbbbbbbbbbbbbb/acc-bbbbbbbbbbbbbbbb"),
        ("function.r2", "exec"),
        ("account.r3", ""),
        ("workers", "per-aaaaaaaaaaaaaaaa"),
        ("workers", "per-bbbbbbbbbbbbbbbb"),
        ("from", "2026-11-22T15:00"),
        ("until", "2026-11-22T17:00"),
        ("steps", "1. 停止\r\n2. 更新"),
        ("commands", "systemctl stop db\r\n\r\n  systemctl start db\r\n"),
        ("sources", "192.0.2.0/24\r\n2001:db8::/32"),
        ("file_name.0", "patch.tar.gz"),
        ("file_sha256.0", &"AB".repeat(32)),
        ("file_sanitised.0", "無害化PC"),
        ("impact", "10分停止"),
        ("stop_minutes", "10"),
        ("rollback", "戻す"),
        ("carry_out", "yes"),
        ("carry_purpose", "解析"),
        ("carry_number", "10件"),
        ("carry_fields", "ログ"),
        ("carry_storage", "本社"),
        ("witness", "watch"),
        ("unplanned", "alert"),
        ("rule_pattern.0", "rm -rf *"),
        ("rule_act.0", "refuse"),
        ("rule_reason.0", "削除は計画にない"),
        ("rule_pattern.1", ""),
        ("rule_act.1", "hold"),
        ("contact", "03-0000-0000"),
        ("version", "4"),
    ])
}

#[test]
fn a_whole_form_becomes_the_plan_that_was_typed() {
    let form = PlanForm::read(&whole());
    let (content, errors) = form.content(Vec::new());
    assert_eq!(errors, Errors::new());
    assert_eq!(content.title, "電子カルテDB 定期保守");
    assert_eq!(content.targets.len(), 2);
    let [first, second] = content.targets.as_slice() else { panic!() };
    assert_eq!(first.functions.len(), 3);
    assert_eq!(first.files, [FileRight::Upload].into());
    assert_eq!((first.limits.upload_bytes, first.limits.upload_files, first.limits.download_bytes), (Some(1_500_000_000), Some(20), None));
    assert_eq!(first.forwards, [ForwardTo { host: "10.0.0.5".into(), port: 5432, full: true }]);
    assert!(first.key_window && !second.key_window);
    assert!(second.files.is_empty() && second.forwards.is_empty());
    assert_eq!((content.witness, content.unplanned), (Witness::Watch, Some(RuleAct::Alert)));
    assert_eq!(content.rules, [CommandRule { pattern: "rm -rf *".into(), act: RuleAct::Refuse, reason: "削除は計画にない".into() }]);
    assert_eq!(content.workers.len(), 2);
    assert_eq!(content.commands, ["systemctl stop db", "systemctl start db"]);
    assert_eq!(content.steps, "1. 停止\n2. 更新");
    assert_eq!(content.sources.len(), 2);
    assert_eq!(content.bring_in[0].sha256, "ab".repeat(32));
    assert_eq!(content.stop_minutes, 10);
    assert!(content.supervision && content.carry_out.is_some() && content.personal_data.is_none());
    assert_eq!(content.emergency_reason, None);
    assert_eq!(form.expected_version(), Some(4));
    assert_eq!(missing(&content, Timestamp::parse_local("2026-11-20T00:00").unwrap()), Errors::new());
}

#[test]
fn a_plan_survives_the_way_through_its_own_form() {
    let (content, _) = PlanForm::read(&whole()).content(Vec::new());
    let again = PlanForm::of(&VendorId::parse("ven-aaaaaaaaaaaaaaaa").unwrap(), &content, Some(4));
    assert_eq!(again.content(Vec::new()), (content, Errors::new()));
}

#[test]
fn what_cannot_be_read_is_kept_and_named() {
    let typed = fields(&[
        ("title", "x"),
        ("class", "periodic"),
        ("from", "明日の3時"),
        ("sources", "社内"),
        ("stop_minutes", "十分"),
        ("account.0", "tgt-nonsense"),
        ("workers", "佐藤"),
        ("file_name.0", "a"),
        ("file_sha256.0", "12"),
        ("subcontractor", "?"),
    ]);
    let form = PlanForm::read(&typed);
    let (_, errors) = form.content(Vec::new());
    let named: Vec<&str> = errors.keys().map(String::as_str).collect();
    assert_eq!(named, ["account.0", "files", "from", "sources", "stop_minutes", "subcontractor", "targets", "workers"]);
    assert_eq!(form.from, "明日の3時");
    assert_eq!(form.stop_minutes, "十分");
}

#[test]
fn everything_that_a_submission_lacks_is_named_at_once() {
    let (content, errors) = PlanForm::blank(None, false).content(Vec::new());
    assert_eq!(errors, Errors::new());
    let lacking = missing(&content, Timestamp(0));
    let named: Vec<&str> = lacking.keys().map(String::as_str).collect();
    assert_eq!(named, ["contact", "from", "impact", "purpose", "rollback", "steps", "targets", "title", "until", "workers"]);
    assert!(named.iter().all(|name| ORDER.contains(name)));
}

#[test]
fn an_emergency_needs_whom_where_why_and_a_telephone() {
    let (content, _) = PlanForm::blank(None, true).content(Vec::new());
    let lacking = missing(&content, Timestamp(0));
    let named: Vec<&str> = lacking.keys().map(String::as_str).collect();
    assert_eq!(named, ["contact", "emergency_reason", "targets", "title", "workers"]);
}

#[test]
fn the_rules_never_ask_for_a_field_that_the_form_lacks() {
    for limit in ["PLAN_TARGETS", "PLAN_WORKERS", "PLAN_FILES", "PLAN_COMMANDS", "PLAN_SOURCES", "PLAN_ATTACHMENTS", "PLAN_FORWARDS", "PLAN_RULES"] {
        let (field, _) = field_of(&Refusal::too_many(limit)).unwrap();
        assert!(ORDER.contains(&field), "{field}");
    }
    for field in FIELDS {
        assert!(ORDER.contains(&field), "{field}");
    }
}

#[test]
fn a_flood_of_rows_is_cut_and_refused() {
    let mut typed = Vec::new();
    for index in 0..10_000 {
        typed.push((format!("account.{index}"), TARGET.to_owned()));
        typed.push(("workers".to_owned(), format!("{index}")));
    }
    let form = PlanForm::read(&typed);
    assert_eq!((form.targets.len(), form.workers.len()), (ROWS_READ, ROWS_READ));
    assert!(form.content(Vec::new()).1.contains_key("targets"));
}

/// The rows of one target, with more fields.
fn target_with(more: &[(&str, &str)]) -> PlanForm {
    let mut typed = fields(&[("class", "periodic"), ("account.0", TARGET)]);
    typed.extend(fields(more));
    PlanForm::read(&typed)
}

#[test]
fn what_is_wrong_in_a_row_is_named_there_and_kept() {
    for (more, at, why) in [
        (vec![("function.0", "sftp"), ("right.0", "upload"), ("upload_amount.0", "たくさん")], "limits.0", "plans.error.amount"),
        (vec![("function.0", "sftp"), ("right.0", "download"), ("download_files.0", "0")], "limits.0", "plans.error.file_count"),
        (vec![("function.0", "forward"), ("forward_host.0.0", "db01"), ("forward_port.0.0", "70000")], "forwards.0", "plans.error.port"),
        (vec![("function.0", "forward"), ("forward_host.0.0", "-oProxy"), ("forward_port.0.0", "22")], "forwards.0", "plans.error.host"),
    ] {
        let form = target_with(&more);
        let (_, errors) = form.content(Vec::new());
        assert_eq!((errors.get(at), errors.get("targets")), (Some(&why), Some(&why)), "{more:?}");
    }
    assert_eq!(target_with(&[("upload_amount.0", "たくさん")]).targets[0].upload.amount, "たくさん");
}

#[test]
fn a_switch_without_what_it_needs_is_asked_for_before_submission() {
    let lacking = |more: &[(&str, &str)]| missing(&target_with(more).content(Vec::new()).0, Timestamp(0)).get("targets").copied();
    assert_eq!(lacking(&[("function.0", "shell")]), None);
    assert_eq!(lacking(&[("function.0", "sftp")]), Some("plans.error.rights"));
    assert_eq!(lacking(&[("function.0", "sftp"), ("right.0", "delete")]), None);
    assert_eq!(lacking(&[("function.0", "shell"), ("right.0", "delete")]), None, "a right that nothing carries is off");
    assert_eq!(lacking(&[("function.0", "forward")]), Some("plans.error.forwards"));
    assert_eq!(lacking(&[("function.0", "shell"), ("forward_host.0.0", "db01"), ("forward_port.0.0", "1")]), None);
    let form = target_with(&[("function.0", "shell"), ("unplanned", "refuse")]);
    assert_eq!(missing(&form.content(Vec::new()).0, Timestamp(0)).get("commands"), Some(&"plans.error.unplanned"));
}

#[test]
fn a_wish_for_a_witness_is_no_demand() {
    let of = |choice: &str| target_with(&[("witness", choice)]).content(Vec::new()).0;
    assert_eq!((of("none").supervision, of("none").witness), (false, Witness::None));
    assert_eq!((of("wish").supervision, of("wish").witness), (true, Witness::None));
    assert_eq!((of("step").supervision, of("step").witness), (true, Witness::Step));
    assert!(target_with(&[("witness", "?")]).content(Vec::new()).1.contains_key("witness"));
}
