//! All that is configured, behind the one seam of `core::directory`.

use crate::ldap::DirectoryServer;
use crate::oidc::Provider;
use crate::settings::{DirectorySettings, ProviderSettings, Trust};
use rustls::{ClientConfig, RootCertStore};
use sekisho_core::desk::Answer;
use sekisho_core::directory::{Account, Away, Directory, ProvedAccount, SignInAsk, SignedIn, SourceInfo, SourceKind};
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The directories and providers of the configuration.
pub struct Directories {
    sources: Vec<SourceInfo>,
    directories: BTreeMap<String, Arc<DirectoryServer>>,
    providers: BTreeMap<String, Arc<Provider>>,
}

/// TLS 1.2 or 1.3 with the authorities that the configuration names, and no others.
fn connector(trust: &Trust) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(trust.anchors.iter().cloned());
    if taken == 0 {
        return Err("ca holds no certificate".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|fault| fault.to_string())?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

impl Directories {
    /// Joins settings and what was read from files. One that cannot be used is told with its name, and left out.
    pub fn new(directories: Vec<(DirectorySettings, Trust)>, providers: Vec<(ProviderSettings, Trust)>, clock: &Arc<dyn Clock>, mut broken: impl FnMut(String, String)) -> Self {
        let mut house = Self { sources: Vec::new(), directories: BTreeMap::new(), providers: BTreeMap::new() };
        let mut tls_of = |name: &str, trust: &Trust| connector(trust).map_err(|why| broken(name.to_owned(), why)).ok();
        for (settings, trust) in directories {
            let Some(tls) = tls_of(&settings.name, &trust) else { continue };
            let (name, label) = (settings.name.clone(), settings.label().to_owned());
            let server = Arc::new(DirectoryServer::new(settings, trust.secret, tls, Arc::clone(clock)));
            house.sources.push(SourceInfo { name: name.clone(), label, kind: SourceKind::Directory, vendor: None, claim: String::new(), mapped: server.mapped() });
            house.directories.insert(name, server);
        }
        for (settings, trust) in providers {
            let Some(tls) = tls_of(&settings.name, &trust) else { continue };
            let (name, label) = (settings.name.clone(), settings.label().to_owned());
            house.sources.push(SourceInfo { name: name.clone(), label, kind: SourceKind::Provider, vendor: settings.vendor.clone(), claim: settings.claim().to_owned(), mapped: BTreeSet::new() });
            house.providers.insert(name, Arc::new(Provider::new(settings, trust.secret, tls, Arc::clone(clock))));
        }
        house
    }

    fn directory(&self, name: &str) -> Result<&Arc<DirectoryServer>, Away> {
        self.directories.get(name).ok_or_else(|| Away::Down(format!("no directory {name} is configured")))
    }

    fn provider(&self, name: &str) -> Result<&Arc<Provider>, Away> {
        self.providers.get(name).ok_or_else(|| Away::Down(format!("no provider {name} is configured")))
    }
}

impl Directory for Directories {
    fn sources(&self) -> &[SourceInfo] {
        &self.sources
    }

    fn look<'a>(&'a self, source: &'a str, login: &'a str) -> Answer<'a, Result<Account, Away>> {
        Box::pin(async move { self.directory(source)?.look(login).await })
    }

    fn prove<'a>(&'a self, source: &'a str, login: &'a str, subject: &'a str, password: Secret) -> Answer<'a, Result<ProvedAccount, Away>> {
        Box::pin(async move { self.directory(source)?.prove(login, subject, password).await })
    }

    fn survey<'a>(&'a self, source: &'a str, subjects: Vec<String>) -> Answer<'a, Result<BTreeMap<String, Option<Account>>, Away>> {
        Box::pin(async move { self.directory(source)?.survey(subjects).await })
    }

    fn begin<'a>(&'a self, source: &'a str, ask: &'a SignInAsk) -> Answer<'a, Result<String, Away>> {
        Box::pin(async move { self.provider(source)?.begin(ask).await })
    }

    fn redeem<'a>(&'a self, source: &'a str, ask: &'a SignInAsk, code: Secret, issuer: Option<&'a str>) -> Answer<'a, Result<SignedIn, Away>> {
        Box::pin(async move { self.provider(source)?.redeem(ask, code, issuer).await })
    }

    fn check<'a>(&'a self, source: &'a str) -> Answer<'a, Result<String, Away>> {
        Box::pin(async move {
            match self.directories.get(source) {
                Some(server) => server.check().await,
                None => self.provider(source)?.check().await,
            }
        })
    }
}
