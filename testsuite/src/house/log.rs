//! The audit log: gap-free under load and after a crash, and closed to whoever edits rows or files.

use super::base::{Base, on_both, whole_log};
use sekisho_core::people::Actor;
use sekisho_evidence::checkpoint;
use sekisho_store::{LogFilter, Store, VendorAsk};
use std::fs;
use std::time::Duration;

on_both!(
    fifty_writers_leave_no_gap,
    a_crash_in_the_middle_leaves_no_gap,
    an_altered_entry_stops_the_start_and_is_named,
    a_log_shorter_than_its_checkpoint_stops_the_start,
    lost_tiles_are_written_again,
    a_clock_that_goes_back_is_told_once,
    one_box_has_one_instance,
    lists_find_entries_by_kind_and_page,
);

async fn add_vendor(store: &Store, name: &str) -> bool {
    store.add_vendor(&Actor::console(), VendorAsk { name: name.into(), ..VendorAsk::default() }).await.is_ok()
}

async fn assert_whole(store: &Store) {
    let log = whole_log(store).await;
    assert!(log.iter().enumerate().all(|(place, entry)| entry.seq == place as u64), "no gap");
    assert!(log.windows(2).all(|pair| pair[0].at <= pair[1].at), "time does not go back");
    let verdict = store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
    assert_eq!(verdict.entries, log.len() as u64);
}

async fn fifty_writers_leave_no_gap(base: Base) {
    let store = base.store().await;
    let before = whole_log(&store).await.len();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..4 {
                assert!(add_vendor(&store, &format!("vendor {writer}/{n}")).await);
                if n == writer % 4 {
                    // Publishing beside the writers must not take their places.
                    store.publish().await.unwrap();
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(whole_log(&store).await.len(), before + 200);
    assert_whole(&store).await;
}

async fn a_crash_in_the_middle_leaves_no_gap(base: Base) {
    let store = base.store().await;
    for round in 0..3 {
        let store = if round == 0 { store.clone() } else { base.open().await.unwrap() };
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..20 {
            let store = store.clone();
            tasks.spawn(async move { add_vendor(&store, &format!("vendor {round}/{writer}")).await });
        }
        for _ in 0..5 {
            assert!(tasks.join_next().await.unwrap().unwrap());
        }
        // Half of the callers go away in the middle of their change, then the box dies.
        tasks.abort_all();
        store.shut().await;
    }
    let store = base.open().await.unwrap();
    assert_whole(&store).await;
    let vendors = store.vendors(&Actor::console()).await.unwrap();
    let told = super::ward::facts_of(&store, "vendor_kept").await;
    assert!(vendors.len() >= 15 && vendors.len() == told.len(), "each row has its entry and each entry its row");
}

/// Changes the name of a vendor inside entries of the log, as somebody with the disk or the database could.
fn edit_entry(base: &Base) {
    match &base.db {
        Some(db) => db.sql("UPDATE log SET body = convert_to(replace(convert_from(body, 'UTF8'), 'Honest Co', 'Evil   Co'), 'UTF8') WHERE kind = 'vendor_kept'"),
        None => {
            let path = base.dir().join("sekisho.db");
            let mut bytes = fs::read(&path).unwrap();
            let places: Vec<usize> = bytes.windows(9).enumerate().filter(|(_, part)| part == b"Honest Co").map(|(place, _)| place).collect();
            assert!(!places.is_empty());
            for place in places {
                bytes[place..place + 9].copy_from_slice(b"Evil   Co");
            }
            fs::write(&path, bytes).unwrap();
        }
    }
}

async fn an_altered_entry_stops_the_start_and_is_named(base: Base) {
    let store = base.store().await;
    assert!(add_vendor(&store, "Honest Co").await);
    let seq = super::ward::facts_of(&store, "vendor_kept").await[0].seq;
    for n in 0..5 {
        assert!(add_vendor(&store, &format!("later {n}")).await);
    }
    store.close().await.unwrap();
    edit_entry(&base);
    let words = base.refuses_to_open().await;
    assert!(words.contains(&format!("entry {seq} ")), "the message names the entry {seq}: {words}");
    assert!(words.contains("sekisho verify"), "the message names the way out: {words}");
}

async fn a_log_shorter_than_its_checkpoint_stops_the_start(base: Base) {
    let store = base.store().await;
    store.close().await.unwrap();
    let file = base.dir().join("sekisho.db");
    let yesterday = base.db.is_none().then(|| fs::read(&file).unwrap());
    let store = base.open().await.unwrap();
    assert!(add_vendor(&store, "soon forgotten").await);
    store.close().await.unwrap();
    match (&base.db, yesterday) {
        (Some(db), _) => db.sql("DELETE FROM checkpoints WHERE size > 4; DELETE FROM log WHERE seq >= 4"),
        (None, Some(bytes)) => fs::write(&file, bytes).unwrap(),
        (None, None) => unreachable!(),
    }
    let words = base.refuses_to_open().await;
    assert!(words.contains("is the first that is missing"), "{words}");
}

async fn lost_tiles_are_written_again(base: Base) {
    let store = base.store().await;
    for n in 0..20 {
        assert!(add_vendor(&store, &format!("vendor {n}")).await);
    }
    store.close().await.unwrap();
    fs::remove_dir_all(base.dir().join("log/tile")).unwrap();
    let store = base.open().await.unwrap();
    assert_whole(&store).await;
}

async fn a_clock_that_goes_back_is_told_once(base: Base) {
    let store = base.store().await;
    assert!(add_vendor(&store, "before").await);
    base.clock.set_back(Duration::from_secs(600));
    for name in ["first", "second", "third"] {
        assert!(add_vendor(&store, name).await);
    }
    let jumps = super::ward::facts_of(&store, "clock_jumped").await;
    assert_eq!(jumps.len(), 1, "a jump is told once, not with every entry");
    assert_whole(&store).await;
}

async fn one_box_has_one_instance(base: Base) {
    let store = base.store().await;
    assert!(base.refuses_to_open().await.contains("another instance"));
    store.close().await.unwrap();
    assert!(base.init().await.is_err(), "what is set up is not set up again");
    let store = base.open().await.unwrap();
    store.close().await.unwrap();
    assert!(!add_vendor(&store, "too late").await, "a closed store writes nothing");
}

async fn lists_find_entries_by_kind_and_page(base: Base) {
    let store = base.store().await;
    for n in 0..7 {
        assert!(add_vendor(&store, &format!("vendor {n}")).await);
    }
    let filter = LogFilter { kind: Some("vendor_kept".into()), rows: Some(3), ..LogFilter::default() };
    let first = store.log_entries(&Actor::console(), &filter).await.unwrap();
    assert_eq!(first.len(), 3);
    assert!(first[0].seq > first[1].seq, "the newest first");
    let filter = LogFilter { before_seq: Some(first[2].seq), ..filter };
    let second = store.log_entries(&Actor::console(), &filter).await.unwrap();
    assert!(second.len() == 3 && second[0].seq < first[2].seq);
    let since = LogFilter { from: Some(store.now().plus(Duration::from_secs(1))), ..LogFilter::default() };
    assert!(store.log_entries(&Actor::console(), &since).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_trigger_or_a_foreign_checkpoint_stops_the_start() {
    let base = Base::postgres();
    let store = base.store().await;
    let key = store.log_public_key().parse().unwrap();
    assert!(checkpoint::open(&store.checkpoint().unwrap(), &key).is_ok());
    store.close().await.unwrap();
    let db = base.db.as_ref().unwrap();
    db.sql("CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER hide BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION hide()");
    assert!(base.refuses_to_open().await.contains("trigger"));
    db.sql("DROP TRIGGER hide ON log");
    let path = base.dir().join("log/checkpoint");
    let sound = fs::read_to_string(&path).unwrap();
    fs::write(&path, sound.replacen("aoba\n", "momo\n", 1)).unwrap();
    assert!(base.refuses_to_open().await.contains("does not hold"));
    fs::write(&path, sound).unwrap();
    base.open().await.unwrap();
}

#[tokio::test]
async fn an_entry_hidden_from_lists_stops_the_start() {
    let base = Base::postgres();
    let store = base.store().await;
    assert!(add_vendor(&store, "seen").await);
    let seq = super::ward::facts_of(&store, "vendor_kept").await[0].seq;
    store.close().await.unwrap();
    base.db.as_ref().unwrap().sql("UPDATE log SET kind = 'started' WHERE kind = 'vendor_kept'");
    assert!(base.refuses_to_open().await.contains(&format!("entry {seq} ")));
}

#[tokio::test]
async fn an_entry_altered_while_the_box_runs_is_never_signed() {
    let base = Base::postgres();
    let store = base.store().await;
    let signed = store.checkpoint().unwrap();
    let db = base.db.as_ref().unwrap();
    db.sql(
        "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         NEW.body := convert_to(replace(convert_from(NEW.body, 'UTF8'), 'true name', 'fake name'), 'UTF8'); RETURN NEW; END $$; \
         CREATE TRIGGER hide BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION hide()",
    );
    assert!(add_vendor(&store, "true name").await);
    assert!(store.publish().await.unwrap_err().to_string().contains("not those that were written"));
    db.sql("DROP TRIGGER hide ON log");
    assert!(store.publish().await.is_err());
    assert_eq!(store.checkpoint().unwrap(), signed);
}
