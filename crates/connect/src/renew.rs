//! Renewal: from the middle of its life on, a certificate is exchanged for its successor before a tunnel is opened.

use crate::clock::Now;
use crate::enrol::{keep_host_keys, kept, make_key};
use crate::home::{Identity, Profile, Registration};
use crate::line::ask_for_certificate;
use crate::tls::{self, Server};
use crate::trouble::Trouble;
use sekisho_core::porter::ALPN_RENEW;
use sekisho_core::time::Clock as _;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

/// A mark that is older than this was left behind by a process that ended.
const STALE: Duration = Duration::from_secs(120);

/// What to use, renewed if it is due. A renewal that fails is said and does not keep anybody from working.
pub async fn fresh(at: &Registration) -> Result<(Profile, Identity), Trouble> {
    let (profile, identity) = at.read()?;
    let now = Now.now();
    if now >= profile.until {
        return Err(Trouble::Ended);
    }
    if !profile.is_due(now) {
        return Ok((profile, identity));
    }
    // Several tunnels of one command (scp of many files) must not renew side by side.
    let Some(_mark) = Mark::set(at.file("renewing")) else { return Ok((profile, identity)) };
    match renew(at, &profile, &identity).await {
        Ok(renewed) => Ok(renewed),
        Err(trouble) => {
            eprintln!("証明書を更新できませんでした。次の接続でもう一度試します。 / The certificate could not be renewed; the next connection tries again.\n{trouble}");
            Ok((profile, identity))
        }
    }
}

async fn renew(at: &Registration, profile: &Profile, identity: &Identity) -> Result<(Profile, Identity), Trouble> {
    let server = Server::parse(&profile.server)?;
    let made = make_key()?;
    let config = tls::enrolled(at.authority()?, identity, ALPN_RENEW)?;
    let stream = tls::connect(&server, config).await?;
    let issued = ask_for_certificate(stream, None, &made.request).await?;
    let (profile, identity) = kept(&issued, server.as_str(), made.key)?;
    keep_host_keys(at, &issued)?;
    at.keep(&profile, &identity)?;
    Ok((profile, identity))
}

/// A file that stands while somebody renews.
struct Mark(PathBuf);

impl Mark {
    fn set(path: PathBuf) -> Option<Self> {
        let age = fs::metadata(&path).and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > STALE) {
            let _ = fs::remove_file(&path);
        }
        OpenOptions::new().write(true).create_new(true).open(&path).ok().map(|_| Self(path))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
