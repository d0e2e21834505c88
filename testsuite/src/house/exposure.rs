//! The look at one's own exposure: what is new is told, what was confirmed is not, and nobody hushes it in the database.

use super::base::{Base, on_both, told};
use super::ward::Ward;
use sekisho_core::desk::Answer;
use sekisho_core::exposure::{Heard, Kind, Look, Own, Part, Place, Scout, ServiceAsk, Transport};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_store::LogFilter;
use std::net::IpAddr;
use std::time::Duration;
use std::sync::{Arc, Mutex};

on_both! {
    what_answers_anew_is_told_and_what_was_confirmed_is_not,
    who_may_look_and_who_may_confirm,
}

/// A machine that answers at these ports of every address.
#[derive(Clone, Default)]
struct Machine(Arc<Mutex<Vec<u16>>>);

impl Scout for Machine {
    fn look(&self) -> Answer<'_, Look> {
        let all: IpAddr = [0, 0, 0, 0].into();
        let ports = self.0.lock().unwrap().clone();
        let sockets = ports.into_iter().map(|port| Heard { place: Place { transport: Transport::Tcp, address: all, port }, program: Some("telnetd".into()) }).collect();
        let own = vec![Own { part: Part::Pages, address: all, port: 8443, answers: vec![[10, 0, 0, 5].into()] }];
        Box::pin(async move { Look { sockets, own, ..Look::default() } })
    }
}

fn ask(port: u16) -> ServiceAsk {
    ServiceAsk { transport: Transport::Tcp, address: None, port, name: "院内からのSSH".into(), reason: "保守のため".into() }
}

async fn new_places(ward: &Ward) -> Vec<String> {
    let entries = ward.store.log_entries(&Actor::console(), &LogFilter { kind: Some("exposure_new".into()), ..LogFilter::default() }).await.unwrap();
    entries.into_iter().filter_map(|entry| if let Fact::ExposureNew { place, .. } = entry.fact { Some(place) } else { None }).collect()
}

async fn what_answers_anew_is_told_and_what_was_confirmed_is_not(base: Base) {
    let ward = Ward::over(base).await;
    let console = Actor::console();
    assert_eq!(told(ward.store.check_exposure(&console).await).err(), Some(Refusal::NotFound), "nobody looks");
    let machine = Machine::default();
    machine.0.lock().unwrap().extend([8443, 22]);
    ward.store.set_scout(Arc::new(machine.clone()));
    let first = ward.store.check_exposure(&console).await.unwrap();
    let found = |exposure: &sekisho_store::Exposure| exposure.findings.iter().filter_map(|finding| if let Kind::Unexpected { place, .. } = &finding.what { Some(place.port) } else { None }).collect::<Vec<_>>();
    assert_eq!(found(&first), [22], "the pages' own port is no finding");
    assert_eq!(new_places(&ward).await, Vec::<String>::new(), "the first look has nothing to compare with");
    let service = ward.store.confirm_service(&console, ask(22)).await.unwrap();
    assert_eq!(found(&ward.store.exposure(&console).await.unwrap()), [0_u16; 0], "a confirmation counts without another look");
    assert_eq!(told(ward.store.confirm_service(&console, ask(22)).await).err(), Some(Refusal::NameTaken));
    machine.0.lock().unwrap().push(23);
    assert_eq!(found(&ward.store.check_exposure(&console).await.unwrap()), [0_u16; 0], "who presses again at once reads the look that was just made");
    ward.clock.pass(Duration::from_secs(60));
    assert_eq!(found(&ward.store.check_exposure(&console).await.unwrap()), [23]);
    assert_eq!(new_places(&ward).await, ["0.0.0.0:23 tcp"]);
    ward.clock.pass(Duration::from_secs(60));
    ward.store.check_exposure(&console).await.unwrap();
    assert_eq!(new_places(&ward).await.len(), 1, "once is told");
    ward.store.end_service(&console, &service.id, "不要になった").await.unwrap();
    assert_eq!(found(&ward.store.exposure(&console).await.unwrap()), [22, 23]);
}

async fn who_may_look_and_who_may_confirm(base: Base) {
    let ward = Ward::over(base).await;
    ward.store.set_scout(Arc::new(Machine::default()));
    assert!(ward.store.check_exposure(&ward.operator).await.is_ok());
    assert_eq!(told(ward.store.exposure(&ward.worker_actor()).await).err(), Some(Refusal::NotAllowed), "a vendor learns nothing of the hospital's ports");
    assert_eq!(told(ward.store.confirm_service(&ward.operator, ask(22)).await).err(), Some(Refusal::NotAllowed));
    let console = Actor::console();
    for (bad, field) in [(ServiceAsk { port: 0, ..ask(22) }, "port"), (ServiceAsk { reason: " ".into(), ..ask(22) }, "reason"), (ServiceAsk { name: String::new(), ..ask(22) }, "name")] {
        assert_eq!(told(ward.store.confirm_service(&console, bad).await).err(), Some(Refusal::bad_field(field)));
    }
}

/// Postgres alone: what is done here with the database is done by hand.
#[tokio::test]
async fn a_look_that_was_removed_hushes_nothing() {
    let ward = Ward::over(Base::postgres()).await;
    let machine = Machine::default();
    machine.0.lock().unwrap().push(8443);
    ward.store.set_scout(Arc::new(machine.clone()));
    ward.store.check_exposure(&Actor::console()).await.unwrap();
    ward.db().sql("DELETE FROM exposure_looks");
    machine.0.lock().unwrap().push(23);
    ward.clock.pass(Duration::from_secs(60));
    ward.store.check_exposure(&Actor::console()).await.unwrap();
    assert_eq!(new_places(&ward).await, ["0.0.0.0:23 tcp"]);
}
