//! Questions to one directory: who is this, is this the password, what became of these.

use crate::account::{ATTRIBUTES, Entry, closed_by_bind};
use crate::line::{Line, open};
use crate::settings::{DirectoryKind, DirectorySettings, Server};
use ldap3::{Ldap, Scope, SearchEntry, SearchOptions, ldap_escape};
use sekisho_core::directory::{Account, Away, ProvedAccount};
use sekisho_core::limits;
use sekisho_core::people::Role;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Result codes (RFC 4511 appendix A).
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;
/// One search for one account: two entries are enough to know that there is not exactly one.
const TWO: i32 = 2;
/// A look at all linked accounts takes as many questions as there are persons.
const SURVEY: Duration = Duration::from_secs(120);

/// One directory.
pub(crate) struct DirectoryServer {
    settings: DirectorySettings,
    servers: Vec<Server>,
    secret: Secret,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
    at_once: Semaphore,
    /// Until when it is not asked, because it did not answer a moment ago.
    rests_until: Mutex<Option<Timestamp>>,
}

/// What is asked.
enum Question {
    Look { login: String },
    Prove { login: String, subject: String, password: Secret },
    Survey { subjects: Vec<String> },
    Check,
}

/// What is answered.
pub(crate) enum Answered {
    Account(Account),
    Proved(ProvedAccount),
    Surveyed(BTreeMap<String, Option<Account>>),
    Checked(String),
}

impl DirectoryServer {
    pub fn new(settings: DirectorySettings, secret: Secret, tls: TlsConnector, clock: Arc<dyn Clock>) -> Self {
        let servers = settings.urls.iter().filter_map(|url| Server::parse(url)).collect();
        Self { settings, servers, secret, tls, clock, at_once: Semaphore::new(limits::DIRECTORY_AT_ONCE), rests_until: Mutex::new(None) }
    }

    /// The roles that hang on groups.
    pub fn mapped(&self) -> BTreeSet<Role> {
        self.settings.roles.keys().copied().collect()
    }

    pub async fn look(self: &Arc<Self>, login: &str) -> Result<Account, Away> {
        match self.ask(Question::Look { login: login.to_owned() }).await? {
            Answered::Account(account) => Ok(account),
            _ => Err(odd()),
        }
    }

    pub async fn prove(self: &Arc<Self>, login: &str, subject: &str, password: Secret) -> Result<ProvedAccount, Away> {
        // A bind without a password succeeds at many servers and proves nothing (RFC 4513 section 5.1.2).
        if password.expose().is_empty() || password.expose().contains('\0') {
            return Err(Away::No("password"));
        }
        match self.ask(Question::Prove { login: login.to_owned(), subject: subject.to_owned(), password }).await? {
            Answered::Proved(proved) => Ok(proved),
            _ => Err(odd()),
        }
    }

    pub async fn survey(self: &Arc<Self>, subjects: Vec<String>) -> Result<BTreeMap<String, Option<Account>>, Away> {
        match self.ask(Question::Survey { subjects }).await? {
            Answered::Surveyed(accounts) => Ok(accounts),
            _ => Err(odd()),
        }
    }

    pub async fn check(self: &Arc<Self>) -> Result<String, Away> {
        match self.ask(Question::Check).await? {
            Answered::Checked(seen) => Ok(seen),
            _ => Err(odd()),
        }
    }

    /// Asks in a task of its own: whoever asked may go away, the library may stumble over an answer, and neither harms the
    /// house.
    async fn ask(self: &Arc<Self>, question: Question) -> Result<Answered, Away> {
        if let Some(until) = *self.rest()
            && self.clock.now() < until
        {
            return Err(Away::Down("it did not answer a moment ago".into()));
        }
        let span = match question {
            Question::Survey { .. } => SURVEY,
            _ => Duration::from_secs(limits::DIRECTORY_SECONDS as u64),
        };
        let server = Arc::clone(self);
        let asked = tokio::spawn(async move {
            let work = async {
                let _place = server.at_once.acquire().await.map_err(|_| Away::Down("it is closed".into()))?;
                server.answer(&question).await
            };
            let answered = tokio::time::timeout(span, work).await.unwrap_or_else(|_| Err(Away::Down(format!("it did not answer within {} seconds", span.as_secs()))));
            if matches!(&answered, Err(Away::Down(_))) {
                *server.rest() = Some(server.clock.now().plus(Duration::from_secs(limits::DIRECTORY_REST_SECONDS as u64)));
            } else {
                *server.rest() = None;
            }
            answered
        });
        asked.await.unwrap_or_else(|_| Err(Away::Down("its answer cannot be read".into())))
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first server that can be reached answers.
    async fn answer(&self, question: &Question) -> Result<Answered, Away> {
        let mut why = String::from("no server is configured");
        for server in &self.servers {
            let line = match open(server, &self.tls).await {
                Ok(line) => line,
                Err(fault) => {
                    tracing::warn!(directory = self.settings.name, fault, "a directory's server cannot be used");
                    why = fault;
                    continue;
                }
            };
            return self.talk(line, question).await;
        }
        Err(Away::Down(why))
    }

    async fn talk(&self, mut line: Line, question: &Question) -> Result<Answered, Away> {
        let ldap = &mut line.ldap;
        let bound = ldap.simple_bind(&self.settings.bind, self.secret.expose()).await.map_err(broken)?;
        if bound.rc != SUCCESS {
            return Err(Away::Down(format!("it refuses the service account {} (result {})", self.settings.bind, bound.rc)));
        }
        match question {
            Question::Look { login } => Ok(Answered::Account(self.one(ldap, &self.by_login(login)).await?)),
            Question::Prove { login, subject, password } => {
                let account = self.one(ldap, &self.by_login(login)).await?;
                if account.subject != *subject {
                    return Err(Away::No("another_account"));
                }
                // INVARIANT: the password is not empty, and the name is the one that the search gave.
                let tried = ldap.simple_bind(&account.dn, password.expose()).await.map_err(broken)?;
                match tried.rc {
                    SUCCESS => Ok(Answered::Proved(ProvedAccount::assertion(account))),
                    INVALID_CREDENTIALS => Err(closed_by_bind(&tried.text).map_or(Away::No("password"), Away::Closed)),
                    // Unwilling, inappropriate, unavailable: whatever it is, it is no proof.
                    code => Err(Away::Down(format!("it answers a login with result {code}"))),
                }
            }
            Question::Survey { subjects } => {
                let mut found = BTreeMap::new();
                for subject in subjects {
                    // A link made while the directory was of another kind names nobody that could be asked for. It is one person's
                    // trouble, as is an account of which the directory says something odd: the others go on.
                    let Some(filter) = self.by_subject(subject) else { continue };
                    match self.one(ldap, &filter).await {
                        Ok(account) => found.insert(subject.clone(), Some(account)),
                        Err(Away::No("nobody")) => found.insert(subject.clone(), None),
                        Err(Away::Odd(_) | Away::No(_)) => continue,
                        Err(other) => return Err(other),
                    };
                }
                Ok(Answered::Surveyed(found))
            }
            Question::Check => {
                let base = self.entries(ldap, &self.settings.base, Scope::Base, "(objectClass=*)", &["1.1"]).await?;
                if base.is_empty() {
                    return Err(Away::Down(format!("it shows nothing at the base {}: look at the base and at the rights of the service account", self.settings.base)));
                }
                for group in self.settings.roles.values().flatten() {
                    self.entries(ldap, group, Scope::Base, "(objectClass=*)", &["1.1"]).await?;
                }
                let groups = self.settings.roles.values().map(Vec::len).sum::<usize>();
                Ok(Answered::Checked(format!("connects with a certificate that holds, the service account logs in, base and {groups} groups are there")))
            }
        }
    }

    fn by_login(&self, login: &str) -> String {
        self.settings.filter().replace("{login}", &ldap_escape(login))
    }

    fn by_subject(&self, subject: &str) -> Option<String> {
        let value = match self.settings.kind {
            DirectoryKind::ActiveDirectory => hex::decode(subject).ok()?.iter().map(|byte| format!("\\{byte:02x}")).collect(),
            DirectoryKind::Ldap => ldap_escape(subject).into_owned(),
        };
        Some(format!("({}={value})", self.settings.subject_attribute()))
    }

    /// Exactly one account, or none.
    async fn one(&self, ldap: &mut Ldap, filter: &str) -> Result<Account, Away> {
        let attributes: Vec<&str> = ATTRIBUTES.into_iter().chain([self.settings.subject_attribute()]).collect();
        let found = self.entries(ldap, &self.settings.base, Scope::Subtree, filter, &attributes).await?;
        let entry = match (found.len(), found.into_iter().next()) {
            (1, Some(entry)) => entry,
            (0, _) => return Err(Away::No("nobody")),
            _ => return Err(Away::No("several")),
        };
        let dn = entry.dn().ok_or(Away::Odd("it gives a distinguished name that cannot be used"))?.to_owned();
        let subject = entry.subject(&self.settings).ok_or(Away::Odd("it does not show what an account is known by for good (entryUUID, objectGUID): the service account needs the right to read it"))?;
        let roles = self.roles_of(ldap, &dn).await?;
        Ok(Account { subject, name: entry.name(), closed: entry.closed(self.clock.now()), roles, dn })
    }

    /// The roles whose groups hold the account. A group that is not there is a fault of the configuration and nobody's loss.
    async fn roles_of(&self, ldap: &mut Ldap, dn: &str) -> Result<BTreeSet<Role>, Away> {
        let filter = self.settings.group_filter().replace("{dn}", &ldap_escape(dn));
        let mut roles = BTreeSet::new();
        for (role, groups) in &self.settings.roles {
            for group in groups {
                if !self.entries(ldap, group, Scope::Base, &filter, &["1.1"]).await?.is_empty() {
                    roles.insert(*role);
                    break;
                }
            }
        }
        // That a group does not hold somebody counts only if the group can be read at all.
        for group in self.settings.roles.iter().filter(|(role, _)| !roles.contains(role)).flat_map(|(_, groups)| groups) {
            if self.entries(ldap, group, Scope::Base, "(objectClass=*)", &["1.1"]).await?.is_empty() {
                return Err(Away::Down(format!("the group {group} cannot be read by the service account")));
            }
        }
        Ok(roles)
    }

    async fn entries(&self, ldap: &mut Ldap, base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>, Away> {
        ldap.with_search_options(SearchOptions::new().sizelimit(TWO).timelimit(i32::try_from(limits::DIRECTORY_SECONDS).unwrap_or(8)));
        let mut stream = ldap.streaming_search(base, scope, filter, attributes.to_vec()).await.map_err(broken)?;
        let mut found = Vec::new();
        while let Some(item) = stream.next().await.map_err(broken)? {
            // Continuations into other domains are not followed.
            if item.is_ref() || item.is_intermediate() {
                continue;
            }
            found.push(Entry::new(SearchEntry::construct(item)));
            // A server need not keep to the size that was asked for.
            if found.len() > 2 {
                return Err(Away::No("several"));
            }
        }
        let ended = stream.finish().await;
        match ended.rc {
            SUCCESS => Ok(found),
            SIZE_LIMIT_EXCEEDED if found.len() > 1 => Ok(found),
            NO_SUCH_OBJECT => Err(Away::Down(format!("{base} is not there, or the service account may not see it"))),
            code => Err(Away::Down(format!("it answers a search with result {code}"))),
        }
    }
}

fn odd() -> Away {
    Away::Down("its answer fits no question".into())
}

fn broken(fault: ldap3::LdapError) -> Away {
    Away::Down(format!("the line broke: {fault}"))
}
