//! Pages and API over real TLS: a store on a temporary folder, the web face on a port of its own, clients beside it.

mod box_health;
mod browser;
mod cases;
mod clinic;
mod connect;
mod enrolment;
mod evidence;
mod guards;
mod headers;
mod holds;
mod ledger;
mod log_page;
mod plans;
mod reviewing;
mod rules;
mod sign_in;
mod step_up;
mod targets;
mod tokens;
mod two_person;
mod visitor;
mod walk;
