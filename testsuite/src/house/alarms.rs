//! Alarms: derived from the log without loss or doubling, grouped, told, taken on, and handed to receivers that are down for a
//! while.

use super::base::{Base, Town, on_both, told};
use super::ward::{PASSWORD, SetClock, Ward};
use crate::postbox::{Mode, Postbox};
use sekisho_core::alarm::{AlarmState, Level, Rule, What};
use sekisho_core::desk::{Answer, Cause};
use sekisho_core::facts::Fact;
use sekisho_core::letter::{Carried, Courier, Parcel};
use sekisho_core::outgoing::{Format, Handed, Piece, Receiver, ReceiverAsk, Takes};
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_store::{AlarmFilter, AlarmRow, LogFilter, MailSettings, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;

on_both!(
    a_flood_is_one_alarm_with_a_count_and_outlives_a_restart,
    a_write_that_fails_loses_no_alarm_and_doubles_none,
    different_floods_of_one_rule_are_told_as_one,
    an_alarm_is_taken_on_and_closed_by_those_who_may,
    nobody_took_it_on_so_further_people_are_told,
    the_operator_is_told_by_mail_once_for_each_group,
    what_ends_is_told_once_for_each_stage,
    who_changes_names_and_addresses_is_counted_all_the_same,
    many_warnings_of_a_rule_hide_nothing_that_is_critical,
    what_is_critical_joins_no_alarm_that_somebody_took_on,
    an_alarm_reaches_mail_and_every_receiver_within_ten_seconds_of_its_fact,
    a_receiver_that_was_down_gets_all_of_it_in_order,
    what_an_alarm_is_about_is_not_usual_before_somebody_looked,
    a_piece_that_is_always_refused_holds_up_no_other,
    every_entry_goes_to_a_receiver_of_events_once,
    a_session_outside_of_office_hours_is_told_with_its_links,
);

async fn alarms(store: &Store) -> Vec<AlarmRow> {
    store.raise_due().await.unwrap();
    store.alarms(&Actor::console(), &AlarmFilter::default()).await.unwrap().rows
}

async fn of_rule(store: &Store, rule: Rule) -> Vec<AlarmRow> {
    alarms(store).await.into_iter().filter(|alarm| alarm.rule == rule).collect()
}

/// A person's act that is refused, as often as somebody tries.
async fn refused(town: &Town, times: usize) {
    for _ in 0..times {
        town.store.note_refused_act(&town.worker.actor, "/persons", &Refusal::NotAllowed).await;
    }
}

/// Tries under a name of its own from a network of its own.
async fn strangers(town: &Town, n: u8, times: usize) {
    let mut stranger = town.worker.actor.clone();
    stranger.login = format!("guess{n}");
    stranger.source = Some(format!("203.0.{n}.113"));
    for _ in 0..times {
        town.store.note_refused_act(&stranger, "/", &Refusal::NotAllowed).await;
    }
}

/// A storm from one source, which is critical.
async fn critical(town: &Town) -> AlarmRow {
    refused(town, 25).await;
    let mut found = of_rule(&town.store, Rule::Refusals).await;
    found.retain(|alarm| alarm.level == Level::Critical);
    found.sort_by_key(|alarm| alarm.opened_at);
    found.pop().expect("a storm from one source is critical")
}

async fn a_flood_is_one_alarm_with_a_count_and_outlives_a_restart(base: Base) {
    let mut town = base.town().await;
    refused(&town, 4).await;
    assert!(of_rule(&town.store, Rule::Refusals).await.is_empty(), "four tries are none");
    refused(&town, 96).await;
    let raised = of_rule(&town.store, Rule::Refusals).await;
    assert_eq!(raised.len(), 2, "one for the name and one for the source: {raised:?}");
    assert!(raised.iter().all(|alarm| alarm.count == 96 && alarm.state == AlarmState::Open), "{raised:?}");
    town = town.restarted().await;
    let again = of_rule(&town.store, Rule::Refusals).await;
    assert_eq!(again.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [96, 96], "nothing is counted twice");
    refused(&town, 1).await;
    assert!(of_rule(&town.store, Rule::Refusals).await.iter().all(|alarm| alarm.count == 97));
    // The next day is another alarm, and the old one stands as it was.
    town.pass(Duration::from_secs(25 * 3600));
    refused(&town, 5).await;
    assert_eq!(of_rule(&town.store, Rule::Refusals).await.len(), 4);
    let (_, entries) = town.store.alarm(&Actor::console(), &raised[0].id).await.unwrap();
    assert_eq!(entries.len(), 97);
}

async fn a_write_that_fails_loses_no_alarm_and_doubles_none(base: Base) {
    let town = base.town().await;
    alarms(&town.store).await;
    for round in 1..=6_u64 {
        refused(&town, 10).await;
        for nth in 0..round {
            town.store.faults().fail_nth_write(nth);
            let _ = town.store.raise_due().await;
        }
        town.store.faults().clear();
        let found = of_rule(&town.store, Rule::Refusals).await;
        let counts: Vec<u64> = found.iter().map(|alarm| alarm.count).collect();
        assert_eq!(counts, [round * 10 - 4, round * 10 - 4], "{found:?}");
    }
    assert_eq!(town.facts("alarm_raised").await.len(), 3, "name, source, and the source once more as it became critical");
}

async fn different_floods_of_one_rule_are_told_as_one(base: Base) {
    let town = base.town().await;
    for n in 0..60 {
        strangers(&town, n, 5).await;
    }
    let found = of_rule(&town.store, Rule::Refusals).await;
    assert_eq!(found.len(), 31, "thirty by themselves, the others together");
    // Of each one its name and its source; and from the fiftieth refusal on all together, where neither says more.
    assert_eq!(found.iter().map(|alarm| alarm.count).sum::<u64>(), 120 + 200, "none is missing in the counts");
}

async fn who_changes_names_and_addresses_is_counted_all_the_same(base: Base) {
    let town = base.town().await;
    let tries = async |name: String, source: String| {
        let mut stranger = town.worker.actor.clone();
        (stranger.login, stranger.source) = (name, Some(source));
        town.store.note_refused_act(&stranger, "/", &Refusal::NotAllowed).await;
    };
    // Ever new names from ever new addresses of one network of IPv6.
    for n in 0..6 {
        tries(format!("first{n}"), format!("2001:db8:0:1::{n:x}")).await;
    }
    let found = of_rule(&town.store, Rule::Refusals).await;
    assert!(matches!(&found[..], [alarm] if matches!(&alarm.what, What::RefusedSource { count: 6, .. }) && alarm.count == 2), "{found:?}");
    // And of ever new networks.
    for n in 0..44 {
        tries(format!("second{n}"), format!("2001:db8:1:{n:x}::1")).await;
    }
    let found = of_rule(&town.store, Rule::Refusals).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|alarm| matches!(&alarm.what, What::RefusedAll { count: 50, .. })), "{found:?}");
}

async fn many_warnings_of_a_rule_hide_nothing_that_is_critical(base: Base) {
    let town = base.town().await;
    for n in 0..40 {
        strangers(&town, n, 5).await;
    }
    let before = of_rule(&town.store, Rule::Refusals).await;
    assert!(before.len() > 30 && before.iter().all(|alarm| alarm.level < Level::Critical || alarm.what.press(&alarm.subject).href.is_empty()), "{before:?}");
    let told = town.facts("alarm_raised").await.len();
    for place in [200, 201] {
        strangers(&town, place, 20).await;
    }
    let critical: Vec<AlarmRow> = of_rule(&town.store, Rule::Refusals).await.into_iter().filter(|alarm| alarm.level == Level::Critical && alarm.subject.person.is_none()).collect();
    assert_eq!(critical.len(), 2, "each by itself: {critical:?}");
    assert!(town.facts("alarm_raised").await.len() >= told + 2, "and told");
}

async fn an_alarm_is_taken_on_and_closed_by_those_who_may(base: Base) {
    let town = base.town().await;
    let alarm = critical(&town).await;
    for (who, may) in [(&town.worker, false), (&town.operator, true), (&town.clerk, true), (&town.planner, true), (&town.admin, true)] {
        let read = told(town.store.alarm(&who.actor, &alarm.id).await);
        assert_eq!(read.is_ok(), may, "{}", who.person.login);
    }
    assert!(told(town.store.acknowledge_alarm(&town.worker.actor, &alarm.id).await).is_err());
    assert!(town.store.open_alarms() > 0);
    town.store.acknowledge_alarm(&town.clerk.actor, &alarm.id).await.unwrap();
    assert_eq!(told(town.store.acknowledge_alarm(&town.operator.actor, &alarm.id).await), Err(Refusal::NotFound), "somebody is at it");
    assert_eq!(told(town.store.close_alarm(&town.operator.actor, &alarm.id, "  ").await), Err(Refusal::bad_field("note")));
    town.store.close_alarm(&town.operator.actor, &alarm.id, "本人が操作を誤った。").await.unwrap();
    assert_eq!(told(town.store.close_alarm(&town.operator.actor, &alarm.id, "もう一度").await), Err(Refusal::NotFound));
    let (closed, _) = town.store.alarm(&town.operator.actor, &alarm.id).await.unwrap();
    assert_eq!((closed.state, closed.acknowledged_by.as_deref(), closed.closed_by.as_deref()), (AlarmState::Closed, Some("toda 太郎"), Some("ono 太郎")));
    assert!(matches!(&town.facts("alarm_acknowledged").await[..], [entry] if entry.actor.login == "toda"));
    assert!(matches!(&town.facts("alarm_closed").await[0].fact, Fact::AlarmClosed { note, .. } if note == "本人が操作を誤った。"));
    // What comes after the end is a new one.
    refused(&town, 1).await;
    let found = of_rule(&town.store, Rule::Refusals).await;
    assert!(found.iter().any(|row| row.state == AlarmState::Open && row.id != alarm.id));
}

async fn nobody_took_it_on_so_further_people_are_told(mut base: Base) {
    base.mail = Some(MailSettings::default());
    let town = base.town().await;
    let first = critical(&town).await;
    town.pass(Duration::from_secs(29 * 60));
    alarms(&town.store).await;
    assert!(town.facts("alarm_escalated").await.is_empty());
    town.pass(Duration::from_secs(2 * 60));
    alarms(&town.store).await;
    alarms(&town.store).await;
    assert!(matches!(&town.facts("alarm_escalated").await[..], [entry] if matches!(&entry.fact, Fact::AlarmEscalated { alarm, roles, .. } if *alarm == first.id && roles.len() == 2)), "told once");
    // One that somebody took on goes no further.
    let town = { town.pass(Duration::from_secs(25 * 3600)); town };
    let second = critical(&town).await;
    town.store.acknowledge_alarm(&town.operator.actor, &second.id).await.unwrap();
    town.pass(Duration::from_secs(3600));
    alarms(&town.store).await;
    assert_eq!(town.facts("alarm_escalated").await.len(), 1);
}

async fn what_is_critical_joins_no_alarm_that_somebody_took_on(base: Base) {
    let town = base.town().await;
    refused(&town, 5).await;
    for warning in of_rule(&town.store, Rule::Refusals).await {
        town.store.acknowledge_alarm(&town.operator.actor, &warning.id).await.unwrap();
    }
    let first = critical(&town).await;
    assert_eq!(first.state, AlarmState::Open, "it became critical after somebody took the warning on");
    town.store.acknowledge_alarm(&town.operator.actor, &first.id).await.unwrap();
    refused(&town, 1).await;
    let open: Vec<AlarmRow> = of_rule(&town.store, Rule::Refusals).await.into_iter().filter(|alarm| alarm.state == AlarmState::Open).collect();
    let [second] = &open[..] else { panic!("{open:?}") };
    assert!(second.id != first.id && second.level == Level::Critical, "{second:?}");
    assert!(town.facts("alarm_raised").await.iter().any(|entry| matches!(&entry.fact, Fact::AlarmRaised { alarm, .. } if *alarm == second.id)), "it is told");
    refused(&town, 3).await;
    let open = of_rule(&town.store, Rule::Refusals).await.into_iter().filter(|alarm| alarm.state == AlarmState::Open).count();
    assert_eq!(open, 1, "until somebody takes it on, it is one");
    // Nobody takes it on.
    town.pass(Duration::from_secs(31 * 60));
    alarms(&town.store).await;
    assert_eq!(town.facts("alarm_escalated").await.len(), 1);
}

async fn the_operator_is_told_by_mail_once_for_each_group(mut base: Base) {
    base.mail = Some(MailSettings { alarm: vec!["soc@guard.example".into()] });
    let town = base.town().await;
    let postbox = Postbox::new(Mode::Plain);
    let courier: Arc<dyn Courier> = Arc::new(postbox.courier());
    refused(&town, 12).await;
    alarms(&town.store).await;
    town.store.carry_due(&courier).await.unwrap();
    let letters: Vec<_> = postbox.letters().into_iter().filter(|letter| letter.subject.contains("警報")).collect();
    assert_eq!(letters.len(), 2, "one for the name and one for the source, to the one address that there is: {letters:?}");
    let letter = &letters[0];
    assert!(letter.to.contains(&"soc@guard.example".to_owned()) && letter.subject.contains("【警告】"), "{}", letter.subject);
    assert!(letter.text.contains("/alarms/alm-") && letter.text.contains("拒否されました") && letter.text.contains("was refused") || letter.text.contains("were refused"), "{}", letter.text);
    refused(&town, 1).await;
    alarms(&town.store).await;
    town.store.carry_due(&courier).await.unwrap();
    assert_eq!(postbox.letters().iter().filter(|letter| letter.subject.contains("警報")).count(), 2, "what joins a group is not told again");
}

async fn what_ends_is_told_once_for_each_stage(base: Base) {
    let town = base.town().await;
    let day = Duration::from_secs(24 * 3600);
    let ask = sekisho_store::VendorAsk { name: "北斗メディカル".into(), contract_until: Some(town.now().plus(day * 31)), ..Default::default() };
    town.store.change_vendor(&Actor::console(), &town.vendor.id, ask).await.unwrap();
    // The looks at what ends come by the hour; a start looks at once.
    let mut town = town.restarted().await;
    town.store.watch_time().await.unwrap();
    assert!(of_rule(&town.store, Rule::Ending).await.is_empty());
    let mut told = Vec::new();
    for days in [2, 1, 22, 1, 7, 1] {
        town.pass(day * days);
        town = town.restarted().await;
        town.store.watch_time().await.unwrap();
        town.store.watch_time().await.unwrap();
        told.push(of_rule(&town.store, Rule::Ending).await.len());
    }
    assert_eq!(told, [1, 1, 2, 2, 3, 3], "thirty days before, seven days before, and when it has come");
    let found = of_rule(&town.store, Rule::Ending).await;
    assert!(found.iter().all(|alarm| alarm.subject.vendor.as_ref() == Some(&town.vendor.id) && alarm.what.press(&alarm.subject).href == format!("/vendors/{}", town.vendor.id)));
}

/// Notes when something came, by the clock of the house.
struct Timed {
    clock: Arc<SetClock>,
    came: Mutex<Vec<Timestamp>>,
}

impl Timed {
    fn beside(clock: &Arc<SetClock>) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), came: Mutex::default() })
    }

    fn note(&self) {
        self.came.lock().unwrap().push(self.clock.now());
    }

    fn came(&self) -> Vec<Timestamp> {
        self.came.lock().unwrap().clone()
    }
}

impl Receiver for Timed {
    fn hand(&self, _: Vec<Piece>) -> Answer<'_, Handed> {
        Box::pin(async move {
            self.note();
            Handed::Taken
        })
    }
}

impl Courier for Timed {
    fn carry(&self, parcel: Parcel) -> Answer<'_, Carried> {
        Box::pin(async move {
            if parcel.subject.contains("警報") {
                self.note();
            }
            Carried::Taken
        })
    }
}

async fn an_alarm_reaches_mail_and_every_receiver_within_ten_seconds_of_its_fact(mut base: Base) {
    base.mail = Some(MailSettings { alarm: vec!["soc@guard.example".into()] });
    let (webhook, syslog) = (ask(Takes::Alarms, Format::Ocsf), ReceiverAsk { name: "syslog".into(), ..ask(Takes::Alarms, Format::Cef) });
    base.receivers = vec![webhook.clone(), syslog.clone()];
    let clock = base.clock.clone();
    let town = base.town().await;
    let ways = [(webhook, Timed::beside(&clock)), (syslog, Timed::beside(&clock))];
    let mailbox = Timed::beside(&clock);
    let courier: Arc<dyn Courier> = mailbox.clone();
    // What the house was set up with is told and carried before.
    alarms(&town.store).await;
    town.store.carry_due(&courier).await.unwrap();
    assert!(mailbox.came().is_empty());
    let fact = town.now();
    refused(&town, 5).await;
    // The clockworks of the box at their worst: each looks just before the one whose work it waits for. Receivers are looked at
    // every second, letters every five.
    for second in 1..=10 {
        town.pass(Duration::from_secs(1));
        if second % 5 == 0 {
            town.store.carry_due(&courier).await.unwrap();
        }
        for (asked, way) in &ways {
            let receiver: Arc<dyn Receiver> = way.clone();
            town.store.hand_over(asked, &receiver).await.unwrap();
        }
        town.store.raise_due().await.unwrap();
    }
    for (what, came) in [("the webhook", ways[0].1.came()), ("the syslog server", ways[1].1.came()), ("the mailbox", mailbox.came())] {
        assert!(came.first().is_some_and(|first| fact.until(*first) < Duration::from_secs(10)), "{what} heard of it at {came:?}, and it was at {fact:?}");
    }
}

/// A receiver that the test turns off and on.
#[derive(Default)]
struct Stub {
    down: std::sync::atomic::AtomicBool,
    taken: Mutex<Vec<Piece>>,
}

impl Stub {
    fn set_down(&self, down: bool) {
        self.down.store(down, std::sync::atomic::Ordering::SeqCst);
    }

    fn taken(&self) -> Vec<Piece> {
        self.taken.lock().unwrap().clone()
    }
}

impl Receiver for Stub {
    fn hand(&self, pieces: Vec<Piece>) -> Answer<'_, Handed> {
        Box::pin(async move {
            if self.down.load(std::sync::atomic::Ordering::SeqCst) {
                return Handed::Later("no route to host".into());
            }
            self.taken.lock().unwrap().extend(pieces);
            Handed::Taken
        })
    }
}

fn ask(takes: Takes, format: Format) -> ReceiverAsk {
    ReceiverAsk { name: "siem".into(), takes, level: Level::Warning, format, from_start: true }
}

async fn a_receiver_that_was_down_gets_all_of_it_in_order(mut base: Base) {
    let asked = ask(Takes::Alarms, Format::Ocsf);
    base.receivers = vec![asked.clone()];
    let mut town = base.town().await;
    let stub = Arc::new(Stub::default());
    let receiver: Arc<dyn Receiver> = stub.clone();
    stub.set_down(true);
    refused(&town, 5).await;
    alarms(&town.store).await;
    assert!(!town.store.hand_over(&asked, &receiver).await.unwrap());
    assert!(town.facts("receiver_down").await.is_empty(), "a moment is no trouble");
    let id = of_rule(&town.store, Rule::Refusals).await[0].id.clone();
    town.store.acknowledge_alarm(&town.operator.actor, &id).await.unwrap();
    town.pass(Duration::from_secs(6 * 60));
    assert!(!town.store.hand_over(&asked, &receiver).await.unwrap());
    assert!(!town.store.hand_over(&asked, &receiver).await.unwrap());
    assert_eq!(town.facts("receiver_down").await.len(), 1, "told once");
    assert_eq!(of_rule(&town.store, Rule::Receiver).await.len(), 1, "and an alarm of its own");
    // A day and a restart later it is back.
    town.pass(Duration::from_secs(20 * 3600));
    town = town.restarted().await;
    let row = town.store.receivers(&Actor::console()).await.unwrap().remove(0);
    assert!(row.down_since.is_some() && row.waiting == 4 && row.trouble.as_deref() == Some("no route to host"), "{row:?}");
    stub.set_down(false);
    assert!(town.store.hand_over(&asked, &receiver).await.unwrap());
    let taken = stub.taken();
    let events: Vec<String> = taken.iter().map(|piece| serde_json::from_str::<serde_json::Value>(&piece.text).unwrap()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["raised", "raised", "acknowledged", "raised"]);
    assert_eq!(taken.iter().map(|piece| piece.number).collect::<Vec<_>>(), [1, 2, 3, 4], "in order, none twice");
    assert_eq!(town.facts("receiver_back").await.len(), 1);
    let row = town.store.receivers(&Actor::console()).await.unwrap().remove(0);
    assert!(row.down_since.is_none() && row.waiting == 0, "{row:?}");
}

async fn what_an_alarm_is_about_is_not_usual_before_somebody_looked(base: Base) {
    let town = base.town().await;
    let from = async |source: [u8; 4]| {
        let (code, source) = (town.code(&town.operator), std::net::IpAddr::from(source));
        town.store.log_in("ono", Secret::new(PASSWORD), code, source, Via::Web).await.unwrap();
        of_rule(&town.store, Rule::NewSource).await
    };
    for _ in 0..11 {
        assert!(from([192, 0, 2, 10]).await.is_empty());
    }
    let raised = from([198, 51, 100, 7]).await;
    assert!(matches!(&raised[..], [alarm] if alarm.level == Level::Warning && alarm.count == 1), "{raised:?}");
    assert_eq!(from([198, 51, 100, 7]).await[0].count, 2, "an alarm that nobody closed teaches nothing");
    assert_eq!(told(town.store.close_alarm(&town.operator.actor, &raised[0].id, "出張先からの接続。").await), Err(Refusal::OwnMatter), "nobody closes what is about themselves");
    assert_eq!(told(town.store.acknowledge_alarm(&town.operator.actor, &raised[0].id).await), Err(Refusal::OwnMatter));
    town.store.close_alarm(&town.clerk.actor, &raised[0].id, "出張先からの接続。").await.unwrap();
    let after = from([198, 51, 100, 7]).await;
    assert!(matches!(&after[..], [alarm] if alarm.state == AlarmState::Closed), "somebody has looked: {after:?}");
}

/// A receiver behind something that refuses certain words.
struct Picky {
    words: &'static str,
    taken: Mutex<Vec<Piece>>,
}

impl Receiver for Picky {
    fn hand(&self, pieces: Vec<Piece>) -> Answer<'_, Handed> {
        Box::pin(async move {
            for piece in pieces {
                if piece.text.contains(self.words) {
                    return Handed::Refused { number: piece.number, why: "it answered 403 Forbidden".into() };
                }
                self.taken.lock().unwrap().push(piece);
            }
            Handed::Taken
        })
    }
}

async fn a_piece_that_is_always_refused_holds_up_no_other(mut base: Base) {
    let (alarms_to, events_to) = (ask(Takes::Alarms, Format::Ocsf), ReceiverAsk { name: "log".into(), ..ask(Takes::Events, Format::Ocsf) });
    base.receivers = vec![alarms_to.clone(), events_to.clone()];
    let town = base.town().await;
    let mut stranger = town.worker.actor.clone();
    (stranger.login, stranger.name, stranger.source) = ("<script>".into(), "<script>".into(), Some("203.0.113.5".into()));
    for _ in 0..5 {
        town.store.note_refused_act(&stranger, "/", &Refusal::NotAllowed).await;
    }
    alarms(&town.store).await;
    refused(&town, 5).await;
    alarms(&town.store).await;
    assert!(!of_rule(&town.store, Rule::Refusals).await.iter().any(|alarm| serde_json::to_string(&alarm.what).unwrap().contains("<script>")), "what a stranger typed is not told in full");
    // A receiver that refuses even what has no details gets past it, too.
    for (asked, words, left_out) in [(&alarms_to, "<s…", false), (&events_to, "<s…", false), (&events_to, "alarm_acknowledged", true)] {
        if left_out {
            let id = of_rule(&town.store, Rule::Refusals).await[0].id.clone();
            town.store.acknowledge_alarm(&town.operator.actor, &id).await.unwrap();
        }
        let picky = Arc::new(Picky { words, taken: Mutex::default() });
        let receiver: Arc<dyn Receiver> = picky.clone();
        let before = town.facts("receiver_skipped").await.len();
        let mut tries = 0;
        while !town.store.hand_over(asked, &receiver).await.unwrap() {
            tries += 1;
            assert!(tries < 200, "it stands still: {:?}", town.store.receivers(&Actor::console()).await.unwrap());
            town.pass(Duration::from_secs(150));
        }
        assert!(tries >= 5, "it is tried for a while");
        let skipped = town.facts("receiver_skipped").await;
        assert!(skipped.len() > before && skipped[before..].iter().all(|entry| matches!(&entry.fact, Fact::ReceiverSkipped { left_out: whole, why, .. } if *whole == left_out && why.contains("403"))), "{skipped:?}");
        let numbers: Vec<u64> = picky.taken.lock().unwrap().iter().map(|piece| piece.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice: {numbers:?}");
        let bare = picky.taken.lock().unwrap().iter().filter(|piece| piece.text.contains("\"bare\":true")).count();
        assert_eq!(bare > 0, !left_out, "the number and the place to look at went all the same");
    }
    assert!(of_rule(&town.store, Rule::Receiver).await.iter().any(|alarm| matches!(alarm.what, What::ReceiverSkipped { .. })));
}

async fn every_entry_goes_to_a_receiver_of_events_once(mut base: Base) {
    let asked = ask(Takes::Events, Format::Cef);
    base.receivers = vec![asked.clone()];
    let mut town = base.town().await;
    let stub = Arc::new(Stub::default());
    let receiver: Arc<dyn Receiver> = stub.clone();
    stub.set_down(true);
    refused(&town, 150).await;
    assert!(!town.store.hand_over(&asked, &receiver).await.unwrap());
    town = town.restarted().await;
    stub.set_down(false);
    assert!(town.store.hand_over(&asked, &receiver).await.unwrap());
    refused(&town, 3).await;
    assert!(town.store.hand_over(&asked, &receiver).await.unwrap());
    let taken = stub.taken();
    let last = town.store.log_entries(&Actor::console(), &LogFilter { rows: Some(1), ..LogFilter::default() }).await.unwrap()[0].seq;
    assert_eq!(taken.iter().map(|piece| piece.number).collect::<Vec<_>>(), (0..=last).collect::<Vec<_>>(), "all of them, in order, none twice");
    assert!(taken.iter().all(|piece| piece.text.starts_with("CEF:0|Sekisho|Sekisho|") && !piece.text.contains('\n')));
}

async fn a_session_outside_of_office_hours_is_told_with_its_links(base: Base) {
    // The clock of the tests stands on a Saturday.
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = ward.left(admission, Cause::Closed).await;
    let found = of_rule(&ward.store, Rule::OutsideHours).await;
    let [alarm] = &found[..] else { panic!("{found:?}") };
    assert_eq!(alarm.level, Level::Notice, "one session tells nothing of habits");
    assert_eq!((alarm.subject.session.as_ref(), alarm.subject.person.as_ref(), alarm.subject.target.as_ref()), (Some(&session), Some(&ward.worker.id), Some(&ward.target.id)));
    assert_eq!(alarm.what.press(&alarm.subject).href, format!("/sessions/{session}"));
    let filter = AlarmFilter { level: Some(Level::Warning), ..AlarmFilter::default() };
    assert_eq!(ward.store.alarms(&ward.operator, &filter).await.unwrap().total, 0);
}

/// On the database that the test can write to beside the store.
#[tokio::test]
async fn a_damaged_row_silences_no_alarm() {
    let ward = Ward::over(Base::postgres()).await;
    let admission = ward.entered().await;
    ward.left(admission, Cause::RecordingLost).await;
    ward.db().sql("UPDATE sessions SET facts = '{'");
    let found = of_rule(&ward.store, Rule::Recording).await;
    assert!(matches!(&found[..], [alarm] if alarm.level == Level::Critical), "{found:?}");
}
