//! Outgoing mail: a letter is written with the change that it tells of, and carried to a real mail server.

use super::base::{Base, Town, enrol, new_person, on_both, reset_ask, source, told};
use crate::postbox::{Arrived, Mode, Postbox};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::letter::{Carried, Courier};
use sekisho_core::people::{Actor, Role};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::{EnrolmentLink, LogFilter, MailRow, MailSettings, MailState, NewPerson, PersonChange, Store};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    a_link_goes_by_mail_and_its_code_by_another_way,
    what_waits_for_the_server_goes_once_it_is_back,
    one_refused_recipient_holds_up_nobody,
    a_letter_tells_of_no_change_that_did_not_happen,
    what_cannot_be_delivered_is_told_and_given_up,
    without_a_server_or_an_address_the_link_is_handed_over,
    a_letter_that_was_changed_in_the_database_goes_nowhere,
    a_changed_address_is_told_to_the_old_one_and_the_new_one,
    a_link_that_is_handed_over_says_so_in_the_log,
);

async fn town(mut base: Base) -> Town {
    base.mail = Some(MailSettings::default());
    base.town().await
}

fn asking(login: &str, mail: &str) -> NewPerson {
    NewPerson { mail: mail.into(), ..new_person(login, Role::Operator, None) }
}

fn carrier(postbox: &Postbox) -> Arc<dyn Courier> {
    Arc::new(postbox.courier())
}

async fn rows(store: &Store) -> Vec<MailRow> {
    store.outbox(&Actor::console()).await.unwrap().rows
}

async fn row_to(store: &Store, to: &str) -> MailRow {
    rows(store).await.into_iter().find(|row| row.to == to).unwrap_or_else(|| panic!("no letter to {to}"))
}

async fn facts(store: &Store, wanted: fn(&Fact) -> bool) -> Vec<Fact> {
    let entries: Vec<Entry> = store.log_entries(&Actor::console(), &LogFilter { rows: Some(500), ..LogFilter::default() }).await.unwrap();
    entries.into_iter().map(|entry| entry.fact).filter(wanted).collect()
}

fn whole(letter: &Arrived, link: &EnrolmentLink) -> EnrolmentLink {
    EnrolmentLink { url: Secret::new(letter.link()), token: Secret::new(letter.token()), ..link.clone() }
}

async fn a_link_goes_by_mail_and_its_code_by_another_way(base: Base) {
    let town = town(base).await;
    let postbox = Postbox::with(Mode::Implicit, Some(("sekisho", "himitsu-77")));
    let (person, link) = town.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.unwrap();
    assert_eq!(link.sent_to.as_deref(), Some("mori@aoba.example"));
    assert!(link.url.expose().is_empty() && link.token.expose().is_empty(), "whoever registers does not see the link");
    let code = link.handover.clone().expect("a code by another way");
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let letter = postbox.letter_to("mori@aoba.example");
    assert!(letter.tls && letter.account.is_some());
    assert_eq!(letter.subject, "【青葉病院 関所】アカウント登録のご案内 (Your account)");
    assert!(letter.text.contains("ログイン名: shinjin") && !letter.text.contains(code.expose()), "{}", letter.text);
    assert!(letter.headers.contains(&"auto-submitted".to_owned()) && letter.from == "sekisho@aoba.example" && letter.from_header.contains("青葉病院 関所"));
    // The link alone opens nothing, and with its code it does.
    let whole = whole(&letter, &link);
    assert_eq!(told(town.store.enrolment(whole.token.expose(), "", source()).await).err(), Some(Refusal::HandoverNeeded));
    enrol(&town.base, &town.store, &whole).await;
    let row = row_to(&town.store, "mori@aoba.example").await;
    assert_eq!((row.state, row.letter.as_str(), row.person.as_ref()), (MailState::Sent, "invitation", Some(&person.id)));
    assert_eq!(facts(&town.store, |fact| matches!(fact, Fact::MailWritten { .. } | Fact::MailSent { .. })).await.len(), 2);
    // After a loss, the same way.
    let reset = town.store.reset_person(&town.admin.actor, &person.id, reset_ask("端末の紛失")).await.unwrap();
    assert_eq!(reset.sent_to.as_deref(), Some("mori@aoba.example"));
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let letters = postbox.letters();
    assert_eq!(letters.len(), 2);
    assert!(letters[1].subject.contains("再登録"), "{}", letters[1].subject);
    assert_ne!(letters[0].message_id, letters[1].message_id);
}

async fn what_waits_for_the_server_goes_once_it_is_back(base: Base) {
    let mut town = town(base).await;
    let mut postbox = Postbox::new(Mode::StartTls);
    postbox.stop();
    let courier = carrier(&postbox);
    for n in 0..3 {
        town.store.add_person(&Actor::console(), asking(&format!("tarou{n}"), &format!("t{n}@aoba.example"))).await.unwrap();
    }
    town.store.carry_due(&courier).await.unwrap();
    for row in rows(&town.store).await {
        assert!(row.state == MailState::Waiting && row.tries == 1 && row.trouble.is_some(), "{row:?}");
    }
    // Not before its time, and not lost by a restart.
    town.store.carry_due(&courier).await.unwrap();
    assert!(rows(&town.store).await.iter().all(|row| row.tries == 1));
    town.store.close().await.unwrap();
    town.store = town.base.open().await.unwrap();
    postbox.start();
    town.base.clock.pass(Duration::from_secs(31));
    town.store.carry_due(&courier).await.unwrap();
    let mut arrived: Vec<String> = postbox.letters().into_iter().flat_map(|letter| letter.to).collect();
    arrived.sort();
    assert_eq!(arrived, ["t0@aoba.example", "t1@aoba.example", "t2@aoba.example"]);
    town.store.carry_due(&courier).await.unwrap();
    assert_eq!(postbox.letters().len(), 3, "each of them once");
}

async fn one_refused_recipient_holds_up_nobody(base: Base) {
    let town = town(base).await;
    let postbox = Postbox::new(Mode::Plain);
    for (login, mail) in [("ichiro", "ichiro@refuses.example"), ("jiro", "jiro@later.example"), ("saburo", "saburo@aoba.example")] {
        town.store.add_person(&Actor::console(), asking(login, mail)).await.unwrap();
        town.base.clock.pass(Duration::from_secs(1));
    }
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    postbox.letter_to("saburo@aoba.example");
    let refused = row_to(&town.store, "ichiro@refuses.example").await;
    assert!(refused.state == MailState::Failed && refused.trouble.as_deref().is_some_and(|words| words.contains("no such mailbox")), "{refused:?}");
    let later = row_to(&town.store, "jiro@later.example").await;
    assert!(later.state == MailState::Waiting && later.tries == 1, "{later:?}");
    let failed = facts(&town.store, |fact| matches!(fact, Fact::MailFailed { .. })).await;
    assert!(matches!(&failed[..], [Fact::MailFailed { to, .. }] if to == "ichiro@refuses.example"), "{failed:?}");
}

async fn a_letter_tells_of_no_change_that_did_not_happen(base: Base) {
    let town = town(base).await;
    town.store.faults().fail_nth_write(0);
    assert!(town.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.is_err());
    town.store.faults().clear();
    assert!(rows(&town.store).await.is_empty());
    // A form of letter that a header could be made of is no address.
    for bad in ["mori@aoba.example\r\nBcc: x@evil.example", "mori@aoba.example,x@evil.example", "<mori@aoba.example>", "mori"] {
        assert_eq!(told(town.store.add_person(&Actor::console(), asking("shinjin", bad)).await).err(), Some(Refusal::bad_field("mail")), "{bad:?}");
    }
}

/// A mail server that nobody reaches.
struct Nowhere;

impl Courier for Nowhere {
    fn carry(&self, _: sekisho_core::letter::Parcel) -> sekisho_core::desk::Answer<'_, Carried> {
        Box::pin(async { Carried::Unreachable("no route to host".into()) })
    }
}

async fn what_cannot_be_delivered_is_told_and_given_up(base: Base) {
    let town = town(base).await;
    let nowhere: Arc<dyn Courier> = Arc::new(Nowhere);
    town.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.unwrap();
    for _ in 0..6 {
        town.store.carry_due(&nowhere).await.unwrap();
        town.base.clock.pass(Duration::from_secs(3600));
    }
    assert_eq!(town.store.outbox(&Actor::console()).await.unwrap().late, 1);
    assert_eq!(facts(&town.store, |fact| matches!(fact, Fact::MailLate { .. })).await.len(), 1, "told once");
    town.base.clock.pass(Duration::from_secs(72 * 3600));
    town.store.carry_due(&nowhere).await.unwrap();
    let row = row_to(&town.store, "mori@aoba.example").await;
    assert!(row.state == MailState::Failed && row.ended_at.is_some(), "{row:?}");
    let failed = facts(&town.store, |fact| matches!(fact, Fact::MailFailed { .. })).await;
    assert!(matches!(&failed[..], [Fact::MailFailed { why, .. }] if why.contains("no route to host")), "{failed:?}");
}

async fn without_a_server_or_an_address_the_link_is_handed_over(base: Base) {
    let none = base.town().await;
    let (_, link) = none.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.unwrap();
    assert!(link.sent_to.is_none() && link.url.expose().contains("/enrol/") && link.handover.is_none());
    assert_eq!(told(none.store.mail_test(&none.operator.actor).await).err(), Some(Refusal::MailNotSetUp));
    none.store.close().await.unwrap();
    let mut base = none.base;
    base.mail = Some(MailSettings::default());
    let store = base.open().await.unwrap();
    let (_, link) = store.add_person(&Actor::console(), asking("nakanishi", "")).await.unwrap();
    assert!(link.sent_to.is_none() && link.url.expose().contains("/enrol/"));
    let by_hand = NewPerson { by_hand: true, ..asking("odagiri", "oda@aoba.example") };
    let (_, link) = store.add_person(&Actor::console(), by_hand).await.unwrap();
    assert!(link.sent_to.is_none() && link.url.expose().contains("/enrol/"));
    assert!(rows(&store).await.is_empty());
}

async fn a_letter_that_was_changed_in_the_database_goes_nowhere(base: Base) {
    let town = town(base).await;
    let postbox = Postbox::new(Mode::Plain);
    town.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.unwrap();
    town.store.add_person(&Actor::console(), asking("odagiri", "oda@aoba.example")).await.unwrap();
    if let Some(db) = &town.base.db {
        // Elsewhere, and with the text of another letter.
        db.sql("UPDATE mails SET recipient = 'thief@evil.example' WHERE recipient = 'mori@aoba.example'");
        db.sql("UPDATE mails SET body = (SELECT body FROM mails WHERE recipient = 'thief@evil.example') WHERE recipient = 'oda@aoba.example'");
        let plain = db.value("SELECT count(*) FROM mails WHERE position('enrol' in encode(body, 'escape')) > 0");
        assert_eq!(plain, "0", "the link lies sealed");
    }
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let to: Vec<String> = postbox.letters().into_iter().flat_map(|letter| letter.to).collect();
    if town.base.db.is_some() {
        assert_eq!(to, ["mori@aoba.example"], "the seal holds the recipient, and the text its row");
        assert_eq!(row_to(&town.store, "oda@aoba.example").await.state, MailState::Failed);
        let left = town.base.db.as_ref().unwrap().value("SELECT count(*) FROM mails WHERE body IS NOT NULL");
        assert_eq!(left, "0", "texts are erased");
    } else {
        assert_eq!(to.len(), 2);
    }
}

async fn a_changed_address_is_told_to_the_old_one_and_the_new_one(base: Base) {
    let town = town(base).await;
    let postbox = Postbox::new(Mode::Plain);
    let (person, _) = town.store.add_person(&Actor::console(), asking("shinjin", "mori@aoba.example")).await.unwrap();
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let change = |mail: &str, name: &str| PersonChange { mail: mail.into(), name: name.into(), ..PersonChange::of(&person) };
    town.store.change_person(&town.admin.actor, &person.id, change("mori@aoba.example", "森 新人")).await.unwrap();
    let changed = |fact: &Fact| matches!(fact, Fact::MailAddressChanged { .. });
    assert!(facts(&town.store, changed).await.is_empty(), "the address stayed");
    town.store.change_person(&town.admin.actor, &person.id, change("thief@evil.example", "森 新人")).await.unwrap();
    assert_eq!(facts(&town.store, changed).await, [Fact::MailAddressChanged { person: person.id.clone(), before: "mori@aoba.example".into(), after: "thief@evil.example".into() }]);
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let told: Vec<Arrived> = postbox.letters().into_iter().filter(|letter| letter.subject.contains("メールアドレスの変更")).collect();
    let mut to: Vec<String> = told.iter().flat_map(|letter| letter.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["mori@aoba.example", "thief@evil.example"]);
    for letter in &told {
        for word in ["shinjin", "mori@aoba.example", "thief@evil.example", town.admin.actor.name.as_str()] {
            assert!(letter.text.contains(word), "{word}: {}", letter.text);
        }
    }
    town.store.change_person(&town.admin.actor, &person.id, change("", "森 新人")).await.unwrap();
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let last = postbox.letters().into_iter().filter(|letter| letter.subject.contains("メールアドレスの変更")).count();
    assert_eq!(last, 3, "an address that is taken away is told to the one that it was");
    town.store.change_person(&town.admin.actor, &person.id, change("mori@aoba.example", "森 新人")).await.unwrap();
    assert_eq!(facts(&town.store, changed).await.len(), 3);
    town.store.carry_due(&carrier(&postbox)).await.unwrap();
    let last = postbox.letters().into_iter().filter(|letter| letter.subject.contains("メールアドレスの変更")).count();
    assert_eq!(last, 3, "a first address is the log's alone");
}

async fn a_link_that_is_handed_over_says_so_in_the_log(base: Base) {
    let town = town(base).await;
    let console = Actor::console();
    let (mailed, _) = town.store.add_person(&console, asking("shinjin", "mori@aoba.example")).await.unwrap();
    let (handed, link) = town.store.add_person(&console, NewPerson { by_hand: true, ..asking("odagiri", "oda@aoba.example") }).await.unwrap();
    assert!(!link.url.expose().is_empty(), "whoever registers sees the link");
    let issued = facts(&town.store, |fact| matches!(fact, Fact::EnrolmentIssued { .. })).await;
    let way_of = |id| issued.iter().find_map(|fact| if let Fact::EnrolmentIssued { person, way, .. } = fact { (person == id).then(|| way.clone()) } else { None });
    assert_eq!((way_of(&mailed.id).as_deref(), way_of(&handed.id).as_deref()), (Some("mail"), Some("hand")));
}

#[tokio::test]
async fn nothing_is_handed_to_a_server_that_is_not_who_it_should_be() {
    let town = town(Base::sqlite()).await;
    for mode in [Mode::Implicit, Mode::StartTls] {
        let mut postbox = Postbox::with(mode, Some(("sekisho", "himitsu-77")));
        // Of another authority; of the right one for another name; without STARTTLS; with another secret.
        postbox.certify("127.0.0.1", "other.pem");
        let foreign: Arc<dyn Courier> = Arc::new(postbox.courier_trusting("other.pem", Some(("sekisho", "himitsu-77"))));
        town.store.add_person(&Actor::console(), asking(&format!("p{}", postbox.port), "mori@aoba.example")).await.unwrap();
        town.store.carry_due(&foreign).await.unwrap();
        assert!(postbox.letters().is_empty(), "a foreign certificate");
        postbox.stop();
        postbox.certify("mail.evil.example", "ca.pem");
        postbox.start();
        town.store.retry_mail(&Actor::console()).await.unwrap();
        town.store.carry_due(&carrier(&postbox)).await.unwrap();
        assert!(postbox.letters().is_empty(), "a certificate of another name");
        let row = row_to(&town.store, "mori@aoba.example").await;
        assert!(row.state == MailState::Waiting && row.trouble.as_deref().is_some_and(|words| words.to_lowercase().contains("certificate")), "{row:?}");
        postbox.stop();
        postbox.certify("127.0.0.1", "ca.pem");
        postbox.start();
        let wrong: Arc<dyn Courier> = Arc::new(postbox.courier_trusting("ca.pem", Some(("sekisho", "wrong"))));
        town.store.retry_mail(&Actor::console()).await.unwrap();
        town.store.carry_due(&wrong).await.unwrap();
        assert!(postbox.letters().is_empty(), "a wrong secret");
        assert!(row_to(&town.store, "mori@aoba.example").await.state == MailState::Waiting, "the fault is the box's, not the letter's");
        town.store.retry_mail(&Actor::console()).await.unwrap();
        town.store.carry_due(&carrier(&postbox)).await.unwrap();
        assert!(postbox.letter_to("mori@aoba.example").tls);
    }
    let stripped = Postbox::new(Mode::Stripped);
    town.store.add_person(&Actor::console(), asking("saigo", "last@aoba.example")).await.unwrap();
    town.store.carry_due(&carrier(&stripped)).await.unwrap();
    assert!(stripped.letters().is_empty(), "no TLS, no letter");
}
