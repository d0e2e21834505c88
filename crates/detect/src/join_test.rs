use super::*;
use crate::login::ShownCertificate;
use sekisho_core::ids::LoginAllowId;

const CA: &str = "SHA256:ours";
const GATEWAY: &str = "10.20.0.5";

fn target(n: u8) -> TargetId {
    TargetId::from_random([n; 10])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * 1000)
}

fn led(certificate: Option<u64>, port: u16) -> Led {
    Led {
        session: Some(SessionId::from_random([u8::try_from(port % 200).unwrap(); 10])),
        own: false,
        target: target(1),
        username: "maint".into(),
        local: Some(SocketAddr::new(GATEWAY.parse().unwrap(), port)),
        certificate: certificate.map(|serial| (serial, format!("sekisho:s{serial}"), CA.to_owned())),
        began: at(0),
        connected: Some(at(1)),
        ended: Some(at(600)),
        told: None,
        explained: BTreeMap::new(),
    }
}

fn login(account: &str, from: &str, port: u16) -> TargetLogin {
    TargetLogin::new(Kind::Opened, Way::Shell).account(account).from(from.parse().ok(), Some(port))
}

fn certified(serial: u64, account: &str, from: &str, port: u16) -> TargetLogin {
    let certificate = Some(ShownCertificate { key_id: format!("sekisho:s{serial}"), serial, authority: CA.to_owned() });
    TargetLogin { certificate, ..login(account, from, port) }
}

static NO_HOSTS: BTreeSet<std::net::IpAddr> = BTreeSet::new();

struct Stage {
    led: Vec<Led>,
    allows: Vec<LoginAllow>,
    received: Timestamp,
    now: Timestamp,
    on_site: bool,
}

fn stage() -> Stage {
    Stage { led: vec![led(Some(7), 50001), led(None, 50002)], allows: Vec::new(), received: at(2), now: at(30), on_site: false }
}

impl Stage {
    fn on(&self, target: &TargetId, login: &TargetLogin) -> Verdict {
        let scene = Scene {
            target,
            kept: &["maint".to_owned()].into(),
            all_kept: false,
            hosts: &NO_HOSTS,
            off: Duration::ZERO,
            gateways: &[GATEWAY.parse().unwrap()].into(),
            networks: &[],
            authorities: &[CA.to_owned()].into(),
            led: &self.led,
            allows: &self.allows,
            on_site: self.on_site,
            received: self.received,
            now: self.now,
        };
        judge(login, &scene)
    }

    fn judge(&self, login: &TargetLogin) -> Verdict {
        self.on(&target(1), login)
    }
}

fn rule(verdict: Verdict) -> Option<AroundRule> {
    match verdict {
        Verdict::Hit(rule, _) | Verdict::Attempt(rule) => Some(rule),
        _ => None,
    }
}

#[test]
fn a_session_is_joined_exactly_by_certificate_and_else_by_connection() {
    let stage = stage();
    assert_eq!(stage.judge(&certified(7, "maint", GATEWAY, 50001)), Verdict::Joined(0, By::Certificate));
    assert_eq!(stage.judge(&login("maint", GATEWAY, 50002)), Verdict::Joined(1, By::Connection));
    assert_eq!(stage.judge(&TargetLogin { port: None, ..login("maint", GATEWAY, 1) }), Verdict::Joined(1, By::Time));
}

#[test]
fn the_seven_rules() {
    use AroundRule as R;
    let stage = stage();
    let cases: Vec<(&str, TargetLogin, Option<R>)> = vec![
        ("R1 from elsewhere", login("yamada", "192.168.30.7", 1000), Some(R::Elsewhere)),
        ("R1 over a tunnel that ends on the machine", login("yamada", "127.0.0.1", 1000), Some(R::Elsewhere)),
        ("a share of files from elsewhere is everyday", TargetLogin { way: Way::Network, ..login("yamada", "192.168.30.7", 1000) }, None),
        ("R2 from the gateway, no such connection", login("yamada", GATEWAY, 1000), Some(R::NoSession)),
        ("R2 also as the account of the session", login("maint", GATEWAY, 1000), Some(R::NoSession)),
        ("R3 a kept account from elsewhere", login("maint", "192.168.30.7", 1000), Some(R::KeptAccount)),
        ("R3 a kept account by a share of files", TargetLogin { way: Way::Network, ..login("DOM\\Maint", "192.168.30.7", 1000) }, Some(R::KeptAccount)),
        ("R3 a session's certificate from elsewhere", certified(7, "maint", "192.168.30.7", 50001), Some(R::KeptAccount)),
        ("R3 a certificate of ours that nobody was given", certified(8, "maint", GATEWAY, 50001), Some(R::KeptAccount)),
        ("R6 the session's connection, another account", login("root", GATEWAY, 50002), Some(R::OtherAccount)),
        ("R6 the session's certificate, another account", certified(7, "root", GATEWAY, 50001), Some(R::OtherAccount)),
        ("R7 a kept account at the keyboard", TargetLogin { way: Way::Console, from: None, port: None, ..login("maint", GATEWAY, 1) }, Some(R::AtConsole)),
        ("the hospital's own at the keyboard", TargetLogin { way: Way::Console, from: None, port: None, ..login("yamada", GATEWAY, 1) }, None),
        ("an attempt", TargetLogin { kind: Kind::Failed, ..login("x", "203.0.113.9", 1) }, Some(R::Elsewhere)),
    ];
    for (what, login, expected) in cases {
        assert_eq!(rule(stage.judge(&login)), expected, "{what}");
    }
}

#[test]
fn a_certificate_is_good_for_one_login_on_one_target_in_its_time() {
    let mut stage = stage();
    let login = certified(7, "maint", GATEWAY, 50001);
    assert_eq!(rule(stage.on(&target(2), &login)), Some(AroundRule::KeptAccount), "on another target");
    stage.led[0].told = Some((login.from, login.port));
    assert_eq!(stage.judge(&login), Verdict::Joined(0, By::Certificate), "the same line twice is the same login");
    assert_eq!(rule(stage.judge(&certified(7, "maint", GATEWAY, 50009))), Some(AroundRule::KeptAccount), "a second time");
    (stage.received, stage.now) = (at(3600), at(3700));
    assert_eq!(rule(stage.judge(&login)), Some(AroundRule::KeptAccount), "after the session");
}

#[test]
fn a_port_that_comes_round_again_is_of_no_session() {
    let mut stage = stage();
    (stage.received, stage.now) = (at(3600), at(3700));
    assert_eq!(rule(stage.judge(&login("maint", GATEWAY, 50002))), Some(AroundRule::NoSession));
}

#[test]
fn sekishos_own_connections_are_known_by_their_time() {
    let mut stage = stage();
    stage.led = vec![Led { own: true, local: None, connected: None, ended: Some(at(5)), ..led(None, 50003) }];
    assert_eq!(stage.judge(&login("maint", GATEWAY, 50777)), Verdict::Joined(0, By::Time));
    assert_eq!(rule(stage.judge(&login("root", GATEWAY, 50777))), Some(AroundRule::NoSession));
    (stage.received, stage.now) = (at(60), at(90));
    assert_eq!(rule(stage.judge(&login("maint", GATEWAY, 50777))), Some(AroundRule::NoSession));
}

#[test]
fn a_login_waits_for_the_entry_that_explains_it() {
    let mut stage = stage();
    stage.led.clear();
    stage.now = stage.received.plus(Duration::from_secs(1));
    for login in [login("maint", GATEWAY, 50002), certified(7, "maint", GATEWAY, 50001), login("yamada", "192.168.30.7", 1)] {
        assert_eq!(stage.judge(&login), Verdict::Wait);
    }
    stage.now = stage.received.plus(GRACE);
    assert_eq!(rule(stage.judge(&login("maint", GATEWAY, 50002))), Some(AroundRule::NoSession));
}

#[test]
fn what_is_allowed_passes_and_what_a_break_in_does_never() {
    let mut stage = stage();
    stage.allows = vec![LoginAllow {
        id: LoginAllowId::from_random([2; 10]),
        target: None,
        network: Network::parse("0.0.0.0/0").unwrap(),
        account: Some("maint".into()),
        reason: "x".into(),
        until: at(100_000),
        by: "x".into(),
        at: at(0),
        active: true,
    }];
    assert_eq!(stage.judge(&login("maint", "192.168.30.7", 1)), Verdict::Allowed(0));
    assert_eq!(rule(stage.judge(&login("maint", GATEWAY, 1))), Some(AroundRule::NoSession));
    assert_eq!(rule(stage.judge(&certified(8, "maint", "192.168.30.7", 1))), Some(AroundRule::KeptAccount));
    stage.on_site = true;
    assert_eq!(stage.judge(&TargetLogin { way: Way::Console, from: None, port: None, ..login("maint", GATEWAY, 1) }), Verdict::Nothing);
}

#[test]
fn who_becomes_a_kept_account_from_within_is_asked_for_unless_a_session_runs() {
    let mut stage = stage();
    let su = TargetLogin::new(Kind::Raised, Way::Within).account("maint").by("vendor2");
    assert_eq!(rule(stage.judge(&su)), Some(AroundRule::KeptAccount), "by somebody else than the session's account");
    stage.led[0].username = "vendor2".into();
    assert_eq!(stage.judge(&su), Verdict::Nothing);
    (stage.received, stage.now) = (at(3600), at(3700));
    assert_eq!(rule(stage.judge(&su)), Some(AroundRule::KeptAccount));
    assert_eq!(stage.judge(&TargetLogin { account: "root".into(), ..su }), Verdict::Nothing);
}

#[test]
fn a_session_that_is_not_told_of_and_a_source_that_says_nothing() {
    let mut one = led(None, 50003);
    assert!(!is_untold(&one, at(0), at(100)));
    assert!(is_untold(&one, at(0), at(121)));
    assert!(!is_untold(&one, at(2), at(121)), "the source came later");
    one.told = Some((None, None));
    assert!(!is_untold(&one, at(0), at(121)));
    assert_eq!(silence(Some(5), Duration::from_secs(1), true), Duration::from_secs(300));
    assert_eq!(silence(None, Duration::from_secs(1), true), SILENT_LEAST);
    assert_eq!(silence(None, Duration::from_secs(100), true), Duration::from_secs(2000));
    assert_eq!(silence(None, Duration::from_secs(9000), true), SILENT_MOST_TELLING, "who speaks ever more rarely earns no silence");
    assert_eq!(silence(None, Duration::from_secs(300), false), Duration::from_secs(6000));
}

#[test]
fn a_session_explains_one_login_and_that_at_its_beginning() {
    let mut stage = stage();
    stage.led.truncate(1);
    let portless = TargetLogin { way: Way::Admin, port: None, ..login("maint", GATEWAY, 1) };
    let nowhere = TargetLogin { from: None, port: None, ..login("maint", GATEWAY, 1) };
    for login in [&portless, &nowhere] {
        assert_eq!(stage.judge(login), Verdict::Joined(0, By::Time));
    }
    for login in [&portless, &nowhere] {
        stage.led[0].explains(login, By::Time);
    }
    assert_eq!(rule(stage.judge(&portless)), Some(AroundRule::NoSession), "a second login in the same breath");
    assert_eq!(rule(stage.judge(&nowhere)), Some(AroundRule::KeptAccount));
    let split = TargetLogin { way: Way::Desktop, method: "Negotiate".into(), ..portless.clone() };
    stage.led[0].explains(&split, By::Time);
    assert_eq!(stage.judge(&split), Verdict::Joined(0, By::Time), "the second token of one desktop");
    stage.led[0].explains(&split, By::Time);
    assert_eq!(rule(stage.judge(&split)), Some(AroundRule::NoSession));
    stage.led[0].explained.clear();
    (stage.received, stage.now) = (at(300), at(330));
    assert_eq!(rule(stage.judge(&portless)), Some(AroundRule::NoSession), "in the middle of the session");
    assert_eq!(rule(stage.judge(&nowhere)), Some(AroundRule::KeptAccount));
    stage.led[0].connected = Some(at(500));
    (stage.received, stage.now) = (at(640), at(700));
    assert_eq!(rule(stage.judge(&portless)), Some(AroundRule::NoSession), "after its end");
}

#[test]
fn the_place_of_a_session_explains_nothing_once_it_was_told_or_has_ended() {
    let mut stage = stage();
    let same = login("maint", GATEWAY, 50002);
    stage.led[1].told = Some((same.from, same.port));
    assert_eq!(stage.judge(&same), Verdict::Joined(1, By::Connection), "another program of the target tells of it");
    (stage.received, stage.now) = (at(300), at(330));
    assert_eq!(rule(stage.judge(&same)), Some(AroundRule::NoSession), "the same place again, minutes later");
    assert_eq!(stage.judge(&TargetLogin { way: Way::Wire, ..same.clone() }), Verdict::Joined(1, By::Connection), "a sensor tells of its end");
    stage.led[1].told = None;
    (stage.received, stage.now) = (at(660), at(700));
    assert_eq!(rule(stage.judge(&same)), Some(AroundRule::NoSession), "somebody took the place after the end");
}

#[test]
fn a_line_that_was_held_up_is_of_the_session_in_whose_time_it_was_written() {
    let mut stage = stage();
    (stage.received, stage.now) = (at(7200), at(7300));
    let late = |login: TargetLogin, seconds| TargetLogin { at: Some(at(seconds)), ..login };
    assert_eq!(stage.judge(&late(certified(7, "maint", GATEWAY, 50001), 3)), Verdict::Joined(0, By::Certificate));
    assert_eq!(stage.judge(&late(login("maint", GATEWAY, 50002), 3)), Verdict::Joined(1, By::Connection));
    assert_eq!(rule(stage.judge(&late(certified(7, "maint", GATEWAY, 50001), 900))), Some(AroundRule::KeptAccount));
    assert_eq!(rule(stage.judge(&late(login("maint", GATEWAY, 50002), 900))), Some(AroundRule::NoSession));
}

#[test]
fn guesses_from_the_gateways_address_are_counted_beside_a_session() {
    let mut stage = stage();
    let guess = |account: &str, port| TargetLogin { kind: Kind::Failed, ..login(account, GATEWAY, port) };
    assert_eq!(stage.judge(&guess("maint", 50002)), Verdict::Nothing, "the session's own first try");
    for (account, port) in [("root", 40000), ("maint", 40000)] {
        assert_eq!(stage.judge(&guess(account, port)), Verdict::Attempt(AroundRule::NoSession));
    }
    stage.led[1].local = None;
    assert_eq!(stage.judge(&guess("maint", 40000)), Verdict::Nothing, "one that was refused tells of no place of ours");
    let nowhere = TargetLogin { from: None, port: None, ..guess("root", 1) };
    assert_eq!(stage.judge(&nowhere), Verdict::Attempt(AroundRule::Elsewhere), "a place that nobody can tell");
}

#[test]
fn a_test_without_an_end_explains_nothing_for_long() {
    let mut stage = stage();
    stage.led = vec![Led { session: None, own: true, local: None, connected: None, ended: None, ..led(None, 50003) }];
    assert_eq!(stage.judge(&login("maint", GATEWAY, 50777)), Verdict::Joined(0, By::Time));
    (stage.received, stage.now) = (at(330), at(400));
    assert_eq!(rule(stage.judge(&login("maint", GATEWAY, 50777))), Some(AroundRule::NoSession));
}

#[test]
fn a_certificate_whose_connection_nobody_saw_comes_from_the_gateway() {
    let mut stage = stage();
    (stage.led[0].local, stage.led[0].connected) = (None, None);
    assert_eq!(stage.judge(&certified(7, "maint", GATEWAY, 50001)), Verdict::Joined(0, By::Certificate));
    assert_eq!(rule(stage.judge(&certified(7, "maint", "192.168.30.7", 50001))), Some(AroundRule::KeptAccount));
}

#[test]
fn who_took_the_screen_over_the_network_does_not_sit_in_front_of_it() {
    let stage = stage();
    let unlocked = TargetLogin { way: Way::Console, ..login("yamada", "192.168.30.7", 1) };
    assert_eq!(stage.on(&target(1), &unlocked), Verdict::Hit(AroundRule::Elsewhere, Some(0)));
    let kept = TargetLogin { way: Way::Console, ..login("maint", "192.168.30.7", 1) };
    assert_eq!(stage.on(&target(1), &kept), Verdict::Hit(AroundRule::KeptAccount, Some(0)));
    let here = TargetLogin { way: Way::Console, ..login("maint", "127.0.0.1", 1) };
    assert_eq!(stage.on(&target(1), &here), Verdict::Hit(AroundRule::AtConsole, Some(0)));
}

#[test]
fn of_a_line_that_may_mean_several_accounts_each_is_looked_at() {
    let stage = stage();
    let mut raised = TargetLogin::new(Kind::Raised, Way::Within).account("root").by("yamada").method("sudo");
    assert_eq!(stage.on(&target(1), &raised), Verdict::Nothing);
    raised.others = vec!["maint".into()];
    assert_eq!(stage.on(&target(1), &raised), Verdict::Hit(AroundRule::KeptAccount, Some(0)));
}

#[test]
fn an_allow_for_a_name_is_not_one_for_another_name_with_a_domain() {
    let mut stage = stage();
    stage.allows = vec![LoginAllow {
        id: LoginAllowId::from_random([9; 10]),
        target: Some(target(1)),
        network: Network::parse("192.168.30.0/24").unwrap(),
        account: Some("backup".into()),
        reason: "x".into(),
        until: at(100_000),
        by: "x".into(),
        at: at(0),
        active: true,
    }];
    assert_eq!(stage.on(&target(1), &login("backup", "192.168.30.7", 1)), Verdict::Allowed(0));
    assert_eq!(stage.on(&target(1), &login("backup@evil", "192.168.30.7", 1)), Verdict::Hit(AroundRule::Elsewhere, Some(0)));
    let desktop = TargetLogin { way: Way::Desktop, ..login("AOBA\\backup", "192.168.30.7", 1) };
    assert_eq!(stage.on(&target(1), &desktop), Verdict::Allowed(0));
}
