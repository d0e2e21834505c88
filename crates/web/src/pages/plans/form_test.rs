//! What comes out of a filled-in form, and what is said of one that is not.

use super::form::*;
use sekisho_core::ids::VendorId;
use sekisho_core::refusal::Refusal;
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
        ("supervision", "1"),
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
    assert_eq!(content.targets[0].functions.len(), 2);
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
    assert_eq!(named, ["files", "from", "sources", "stop_minutes", "subcontractor", "targets", "workers"]);
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
    for limit in ["PLAN_TARGETS", "PLAN_WORKERS", "PLAN_FILES", "PLAN_COMMANDS", "PLAN_SOURCES", "PLAN_ATTACHMENTS"] {
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
