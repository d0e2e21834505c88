//! Section `[time]`, and the time servers that it names.

use crate::clock::SystemClock;
use rand::TryRng as _;
use sekisho_core::desk::Answer;
use sekisho_core::time::Sample;
use sekisho_store::TimeSource;
use serde::Deserialize;
use std::sync::Arc;

/// Section `[time]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Time {
    /// Time servers, `host` or `host:port`.
    pub servers: Vec<String>,
    /// Seconds beside them beyond which the clock is wrong.
    pub limit_seconds: u32,
}

impl Default for Time {
    fn default() -> Self {
        Self { servers: Vec::new(), limit_seconds: 5 }
    }
}

impl Time {
    /// What keeps the section from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.servers.len() > sekisho_core::limits::TIME_SERVERS {
            found.push(format!("time.servers に書けるのは {0} 台までです。 / time.servers may name {0} servers", sekisho_core::limits::TIME_SERVERS));
        }
        if !(1..=3600).contains(&self.limit_seconds) {
            found.push("time.limit_seconds は 1～3600 にしてください。 / time.limit_seconds must be 1 to 3600".into());
        }
        found
    }

    /// The servers, ready to be asked.
    #[must_use]
    pub fn sources(&self) -> Vec<Arc<dyn TimeSource>> {
        self.servers.iter().map(|server| Arc::new(Server::new(server)) as Arc<dyn TimeSource>).collect()
    }
}

/// One server.
struct Server {
    name: String,
    address: String,
}

impl Server {
    fn new(server: &str) -> Self {
        // An address of IPv6 without brackets has colons of its own, and no port.
        let has_port = server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let address = if has_port { server.to_owned() } else { format!("{server}:123") };
        Self { name: server.to_owned(), address }
    }
}

impl TimeSource for Server {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self) -> Answer<'_, Result<Sample, String>> {
        Box::pin(async {
            let mut random = [0_u8; 8];
            rand::rngs::SysRng.try_fill_bytes(&mut random).map_err(|fault| fault.to_string())?;
            sekisho_courier::ntp::ask(&self.address, random, &SystemClock).await
        })
    }
}
