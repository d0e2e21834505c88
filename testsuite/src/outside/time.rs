//! Time servers that are right, wrong, silent and false, and a clock that is moved under a running box.

use crate::house::base::{Base, whole_log};
use crate::house::ward::source;
use sekisho::timekeeping::Time;
use sekisho_core::facts::Fact;
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{Enrolment, FirstAdministrator, NewPerson, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;

/// A time server of the test: RFC 5905 as far as a client sees it. Its clock stands `beside` the real one, in milliseconds.
async fn server(beside: Arc<AtomicI64>, lies: bool) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut room = [0_u8; 512];
        while let Ok((length, from)) = socket.recv_from(&mut room).await {
            if length < 48 {
                continue;
            }
            let at = sekisho::clock::SystemClock.now().0 + beside.load(Ordering::SeqCst);
            let seconds = u64::try_from(at.div_euclid(1000) + 2_208_988_800).unwrap() & 0xffff_ffff;
            let stamp = ((seconds << 32) | ((u64::try_from(at.rem_euclid(1000)).unwrap() << 32) / 1000)).to_be_bytes();
            let mut answer = [0_u8; 48];
            (answer[0], answer[1]) = (0x24, 2);
            // Whoever cannot see the question cannot say its origin.
            answer[24..32].copy_from_slice(if lies { &[9; 8] } else { &room[40..48] });
            answer[32..40].copy_from_slice(&stamp);
            answer[40..48].copy_from_slice(&stamp);
            let _ = socket.send_to(&answer, from).await;
        }
    });
    address
}

/// The real clock, moved.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp(sekisho::clock::SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

/// A box that goes by a clock that can be moved.
async fn gate(base: &Base) -> (Store, Arc<Moved>) {
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    Store::init(base.settings(), clock.clone(), FirstAdministrator::default()).await.unwrap();
    (Store::open(base.settings(), clock.clone()).await.unwrap(), clock)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within two minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offset_is_the_middle_one_and_a_server_that_guesses_is_not_believed() {
    let right = Arc::new(AtomicI64::new(40));
    let (a, b) = (server(right.clone(), false).await, server(right.clone(), false).await);
    let wrong = server(Arc::new(AtomicI64::new(86_400_000)), false).await;
    let liar = server(Arc::new(AtomicI64::new(3_600_000)), true).await;
    let servers = Time { servers: vec![a, b, wrong, liar.clone(), "127.0.0.1:9".into()], limit_seconds: 5 };
    let base = Base::sqlite();
    let (store, _) = gate(&base).await;
    let watch = tokio::spawn({
        let (store, sources) = (store.clone(), servers.sources());
        async move { store.watch_clock(sources, Duration::from_secs(5)).await }
    });
    until("three servers answered", async || store.clock_state().answered == 3).await;
    // Two are right and one is a day ahead; our questions are put by the real clock.
    let state = store.clock_state();
    assert_eq!((state.servers, state.off), (5, false), "{state:?}");
    assert!(state.offset_ms.unwrap().abs() < 3_000, "{state:?}");
    right.store(60_000, Ordering::SeqCst);
    until("a clock that is wrong is told", async || whole_log(&store).await.iter().any(|entry| matches!(entry.fact, Fact::ClockOff { off: true, servers: 3, offset_ms } if offset_ms > 50_000))).await;
    assert!(store.clock_state().off);
    let alone = Time { servers: vec![liar], limit_seconds: 5 };
    assert!(alone.sources()[0].ask().await.is_err(), "an answer to no question of ours");
    watch.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_right_server_gives_a_small_offset_and_a_wrong_one_its_own() {
    let beside = Arc::new(AtomicI64::new(0));
    let address = server(beside.clone(), false).await;
    let source = Time { servers: vec![address], limit_seconds: 5 }.sources().remove(0);
    let right = source.ask().await.unwrap();
    assert!(right.offset_ms.abs() < 3_000, "{right:?}");
    beside.store(-7_200_000, Ordering::SeqCst);
    let behind = source.ask().await.unwrap();
    assert!((behind.offset_ms + 7_200_000).abs() < 3_000, "{behind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_moved_under_a_running_box_is_told_in_either_direction() {
    let base = Base::sqlite();
    let (store, clock) = gate(&base).await;
    let watch = tokio::spawn({
        let store = store.clone();
        async move { store.watch_clock(Vec::new(), Duration::from_secs(5)).await }
    });
    let moved = async |least: i64, most: i64| whole_log(&store).await.iter().any(|entry| matches!(entry.fact, Fact::ClockMoved { by_ms } if (least..=most).contains(&by_ms)));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    clock.0.fetch_add(1_800_000, Ordering::SeqCst);
    until("the way forward stands in the log", async || moved(1_799_000, 1_801_000).await).await;
    clock.0.fetch_sub(7_200_000, Ordering::SeqCst);
    until("the way back stands in the log", async || moved(-7_201_000, -7_199_000).await).await;
    assert!(store.health(&Actor::console()).await.unwrap().clock_behind_ms > 0);
    watch.abort();
}

const HOUR: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_false_time_far_ahead_is_held_until_servers_or_a_person_confirm_it() {
    let base = Base::sqlite();
    let (store, clock) = gate(&base).await;
    // Servers that say what the moved clock says, or not.
    let beside = Arc::new(AtomicI64::new(0));
    let (a, b) = (server(beside.clone(), false).await, server(beside.clone(), false).await);
    let servers = Time { servers: vec![a, b, "127.0.0.1:9".into()], limit_seconds: 5 };
    let watch = tokio::spawn({
        let (store, sources) = (store.clone(), servers.sources());
        async move { store.watch_clock(sources, Duration::from_secs(5)).await }
    });
    until("they answered", async || store.clock_state().answered == 2).await;
    let before = store.now();
    let told = async |kind: &str| crate::house::ward::facts_of(&store, kind).await.len();
    beside.store(-100 * 24 * HOUR, Ordering::SeqCst);
    clock.0.fetch_add(100 * 24 * HOUR, Ordering::SeqCst);
    until("it is told", async || told("clock_held").await == 1).await;
    assert!(store.clock_state().held_ms.is_some_and(|held| held > 99 * 24 * HOUR));
    // What is written goes by the time before, so that nothing is over when the clock is right again.
    store.add_vendor(&Actor::console(), sekisho_store::VendorAsk { name: "北斗".into(), ..Default::default() }).await.unwrap();
    let last = whole_log(&store).await.last().unwrap().at;
    assert!(last.0 - before.0 < HOUR, "{last:?}");
    clock.0.store(0, Ordering::SeqCst);
    until("the clock is right again", async || store.clock_state().held_ms.is_none()).await;
    assert_eq!(told("clock_accepted").await, 0);

    // A person who knows that the clock is right.
    assert!(store.accept_clock(&Actor::console(), "理由があります").await.is_err(), "it is believed");
    clock.0.store(2 * HOUR, Ordering::SeqCst);
    until("it is held", async || store.clock_state().held_ms.is_some()).await;
    assert!(store.accept_clock(&Actor::console(), " ").await.is_err());
    store.accept_clock(&Actor::console(), "停電の後に電池を替えた").await.unwrap();
    assert!(store.clock_state().held_ms.is_none());
    assert_eq!(told("clock_accepted").await, 1);
    store.add_vendor(&Actor::console(), sekisho_store::VendorAsk { name: "東斗".into(), ..Default::default() }).await.unwrap();

    // A false time that was believed: the log is ahead of the clock, until somebody corrects it; a restart knows of it.
    clock.0.store(0, Ordering::SeqCst);
    store.add_vendor(&Actor::console(), sekisho_store::VendorAsk { name: "南斗".into(), ..Default::default() }).await.unwrap();
    let ahead = store.now().0 - sekisho_core::time::Clock::now(&*clock).0;
    assert!(ahead > HOUR, "{ahead}");
    store.correct_clock(&Actor::console(), "偽の時刻を信じていた").await.unwrap();
    let right = |store: &Store| (store.now().0 - sekisho_core::time::Clock::now(&*clock).0).abs() < 60_000;
    assert!(right(&store));
    assert!(store.correct_clock(&Actor::console(), "もう一度").await.is_err());
    watch.abort();
    let _ = watch.await;
    store.close().await.unwrap();
    let store = Store::open(base.settings(), clock.clone()).await.unwrap();
    assert!(right(&store), "the correction outlives a restart");
    assert!(store.verify_now().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_of_servers_confirms_a_clock_that_was_set_forward() {
    let base = Base::sqlite();
    let (store, clock) = gate(&base).await;
    let beside = Arc::new(AtomicI64::new(0));
    let servers = Time { servers: vec![server(beside.clone(), false).await, server(beside.clone(), false).await, "127.0.0.1:9".into()], limit_seconds: 5 };
    let watch = tokio::spawn({
        let (store, sources) = (store.clone(), servers.sources());
        async move { store.watch_clock(sources, Duration::from_secs(5)).await }
    });
    until("they answered", async || store.clock_state().answered == 2).await;
    // The machine slept for three hours. The question is put by the real clock, and the servers say that it is right.
    clock.0.fetch_add(3 * HOUR, Ordering::SeqCst);
    until("they confirm it", async || crate::house::ward::facts_of(&store, "clock_accepted").await.len() == 1).await;
    assert!(store.clock_state().held_ms.is_none());
    watch.abort();
}

/// A clock that is moved under a running session, in either direction: no window and no approval gains time.
#[tokio::test(flavor = "multi_thread")]
async fn no_window_gains_time_by_a_clock_that_moves() {
    let ward = crate::house::ward::Ward::new().await;
    let hour = Duration::from_secs(3600);
    let mut content = ward.content();
    content.until = ward.clock.now().plus(hour * 2);
    ward.approved(content).await;
    ward.clock.pass(hour * 5 / 4);
    let principal = ward.principal().await;
    let admission = ward.try_enter(&principal).await.unwrap();
    ward.left(admission, sekisho_core::desk::Cause::Closed).await;
    ward.clock.is_the_machines();
    assert!(ward.try_enter(&principal).await.is_ok());
    // Back: the window ends when it would have ended. Here by the later of both, which is remembered.
    ward.clock.pass(hour / 4);
    assert!(ward.try_enter(&principal).await.is_ok(), "a quarter of an hour later it is open");
    ward.clock.set_back(hour * 20);
    assert!(ward.try_enter(&principal).await.is_ok(), "by a clock that was set back it is neither shut nor longer");
    ward.clock.pass(hour * 20);
    // Forward by more than is believed: nobody is admitted, to a window of tomorrow or of today.
    ward.clock.pass(hour * 24);
    assert_eq!(ward.try_enter(&principal).await.err(), Some(sekisho_core::refusal::Refusal::ClockHeld));
    ward.clock.set_back(hour * 24);
    assert!(ward.try_enter(&principal).await.is_ok(), "the clock is right again, and the window was not over for ever");
    // Step by step over the end: it is over, and stays so when the clock goes back.
    for _ in 0..4 {
        ward.clock.pass(hour * 11 / 60);
        let _ = ward.store.now();
    }
    assert_eq!(ward.try_enter(&principal).await.err(), Some(sekisho_core::refusal::Refusal::WindowClosed));
    ward.clock.set_back(hour * 3);
    assert_eq!(ward.try_enter(&principal).await.err(), Some(sekisho_core::refusal::Refusal::WindowClosed), "what has ended stays ended");
}

/// A clock that is ahead when the box starts, or goes ahead in steps that are each believed: nothing is deleted by it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_by_a_clock_that_nobody_confirmed() {
    let ward = crate::house::ward::Ward::new().await;
    let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));
    let admission = ward.entered().await;
    crate::house::ward::shell(&admission);
    let session = ward.left(admission, sekisho_core::desk::Cause::Closed).await;
    let path = ward.recording(&session);
    ward.store.keep_round().await.unwrap();
    ward.clock.is_the_machines();
    let _ = ward.store.now();

    // Two years, as a battery or a hypervisor tells at the boot; and again after another restart.
    ward.clock.pass(day * 730);
    let ward = ward.restarted().await;
    let held = async |ward: &crate::house::ward::Ward| {
        ward.store.publish().await.unwrap();
        ward.store.keep_round().await.unwrap();
        let state = ward.store.clock_state();
        assert!(path.is_file() && !state.may_delete(), "{state:?}");
        assert!(ward.store.now() < ward.clock.now().minus(day * 700), "the log goes on by its own time");
        state.held_ms
    };
    assert!(held(&ward).await.is_some());
    ward.store.add_vendor(&Actor::console(), sekisho_store::VendorAsk { name: "北斗".into(), ..Default::default() }).await.unwrap();
    let ward = ward.restarted().await;
    assert!(held(&ward).await.is_some(), "a restart believes no more than the one before");
    // The clock is right again: nobody has to do anything.
    ward.clock.set_back(day * 730);
    assert!(ward.store.clock_state().may_delete());
    // Off for a week-end is no doubt.
    ward.clock.pass(day * 5);
    let ward = ward.restarted().await;
    assert!(ward.store.clock_state().may_delete());

    // Steps that are each within what is believed add up.
    ward.clock.pass(hour * 59 / 60);
    assert!(ward.store.clock_state().may_delete());
    ward.clock.pass(hour * 59 / 60);
    assert!(ward.store.clock_state().held_ms.is_some());
    ward.clock.set_back(hour * 2);

    // Off for three weeks, without time servers: the console says that it is right, and what is due then goes.
    ward.clock.pass(day * 21);
    let ward = ward.restarted().await;
    assert!(ward.store.clock_state().held_ms.is_some());
    ward.store.accept_clock(&Actor::console(), "三週間の休診で止めていた").await.unwrap();
    assert!(ward.store.clock_state().may_delete());
    ward.store.publish().await.unwrap();
    let ward = ward.restarted().await;
    assert!(ward.store.clock_state().may_delete(), "what the console said outlives a restart");
    ward.clock.pass(day * 380);
    let ward = ward.restarted().await;
    ward.store.accept_clock(&Actor::console(), "一年止めていた").await.unwrap();
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    assert!(!path.exists());
}

/// Each of many restarts finds the clock some days ahead, and each alone would be a clinic that was closed.
#[tokio::test]
async fn days_at_each_of_many_restarts_add_up_to_a_week_and_no_more() {
    let day = Duration::from_secs(24 * 3600);
    let mut ward = crate::house::ward::Ward::new().await;
    ward.clock.is_the_machines();
    let _ = ward.store.now();
    for restart in 1..=4 {
        ward.clock.pass(day * 3);
        ward = ward.restarted().await;
        let held = ward.store.clock_state().held_ms.is_some();
        assert_eq!(held, restart > 2, "at restart {restart}");
    }
    ward.store.accept_clock(&Actor::console(), "時報と照合した").await.unwrap();
    ward.store.publish().await.unwrap();
    ward.clock.pass(day * 3);
    let ward = ward.restarted().await;
    assert!(ward.store.clock_state().held_ms.is_none(), "from a time that was confirmed it is counted anew");
}

/// A small clinic has no time servers and switches its box off: the telephone of its own people says that the clock is right,
/// and a vendor's does not.
#[tokio::test]
async fn a_code_from_the_telephone_of_the_hospitals_own_people_confirms_the_clock() {
    let day = Duration::from_secs(24 * 3600);
    for (vendors, held) in [(false, false), (true, true)] {
        let mut ward = crate::house::ward::Ward::new().await;
        let person = NewPerson { login: "mio".into(), name: "三尾 遥".into(), roles: BTreeSet::from([Role::Operator]), ..NewPerson::default() };
        let (_, link) = ward.store.add_person(&Actor::console(), person).await.unwrap();
        let offer = ward.store.enrolment(link.token.expose(), "", source()).await.unwrap();
        let phone = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
        let code = |ward: &crate::house::ward::Ward| Secret::new(phone.generate(ward.clock.now().0 as u64 / 1000).to_string());
        ward.store.enrol(link.token.expose(), "", source(), Enrolment::with_code(Secret::new(crate::house::ward::PASSWORD), code(&ward))).await.unwrap();
        ward.clock.is_the_machines();
        let _ = ward.store.now();
        for _ in 1..=4 {
            ward.clock.pass(day * 3);
            ward = ward.restarted().await;
            let (login, code) = if vendors { ("sato", ward.code()) } else { ("mio", code(&ward)) };
            let _ = ward.store.log_in(login, Secret::new(crate::house::ward::PASSWORD), code, source(), Via::Web).await;
            ward.store.publish().await.unwrap();
        }
        assert_eq!(ward.store.clock_state().held_ms.is_some(), held, "a vendor's telephone: {vendors}");
    }
}
