//! Time servers that are right, wrong, silent and false, and a clock that is moved under a running box.

use crate::house::base::{Base, whole_log};
use sekisho::timekeeping::Time;
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{FirstAdministrator, Store};
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
            let stamp = (seconds << 32 | (u64::try_from(at.rem_euclid(1000)).unwrap() << 32) / 1000).to_be_bytes();
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
    clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    until("the way forward stands in the log", async || moved(3_599_000, 3_601_000).await).await;
    clock.0.fetch_sub(7_200_000, Ordering::SeqCst);
    until("the way back stands in the log", async || moved(-7_201_000, -7_199_000).await).await;
    assert!(store.health(&Actor::console()).await.unwrap().clock_behind_ms > 0);
    watch.abort();
}
