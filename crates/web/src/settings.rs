//! What the roof tells this crate.

use sekisho_core::probe::Probe;
use std::net::SocketAddr;
use std::sync::Arc;

/// Settings of the web face. Made by the roof from `[web]` of `sekisho.toml` and from the store's certificate.
#[derive(Clone)]
pub struct WebSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Names under which browsers may reach this box, without port. A request for any other name is refused.
    pub hosts: Vec<String>,
    /// Certificate chain, DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
    /// Private key of the leaf, PKCS#8 DER.
    pub key: Vec<u8>,
    /// `https://host:port`, for links that leave the box.
    pub base_url: String,
    /// Host that workers name in their `ssh` command.
    pub ssh_host: String,
    /// Port of the SSH gateway.
    pub ssh_port: u16,
    /// Name and port by which devices reach the outer door, if there is one.
    pub door: Option<String>,
    /// What looks at targets for administrators; the pages themselves have no way to a target.
    pub probe: Arc<dyn Probe>,
    /// Version of the program, shown at the foot of pages.
    pub version: String,
}
