//! The login name and the exec command: what parses must be spelled in one way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_protocol::{login, ssh::command};

fuzz_target!(|data: &[u8]| {
    let _ = command::read(data);
    let Ok(name) = std::str::from_utf8(data) else { return };
    if let Ok(login) = login::parse(name) {
        let plan = login.plan.map_or(String::new(), |plan| format!("+{plan}"));
        assert_eq!(format!("{}+{}{plan}", login.worker, login.target), name);
    }
});
