//! Links of persons to accounts in directories and at sign-in providers: made and ended by an administrator, followed by the
//! box. While a link stands, the person has no password here.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::ledger::{LEDGER_ROWS, recall_sessions};
use crate::logins::{NoticeKind, end_web_logins};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::directory::{Account, Away, Directory, Follows, Link, SourceInfo, SourceKind, check_known_as, follows, is_believable};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{LinkId, PersonId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::token::TokenEnd;
use sqlx::AnyConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

impl Held for Link {
    const TABLE: &'static str = "links";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// Who speaks to directories and providers; empty until the roof joins it, and for a box without any.
#[derive(Default)]
pub(crate) struct Elsewhere(OnceLock<Arc<dyn Directory>>, Mutex<Told>);

/// What was told of surveys and still holds, so that it is told once and not at each of them.
#[derive(Default)]
struct Told {
    /// Links of whose accounts a directory says nothing that could be used.
    odd: BTreeSet<LinkId>,
    /// Directories that were not believed, with the numbers.
    doubted: BTreeMap<String, (usize, usize)>,
}

impl Elsewhere {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SESSIONS: &str = "SELECT id FROM sessions WHERE ended_at IS NULL AND person = $1";

impl Store {
    /// Joins the one who speaks to directories and providers. Once; a second one is not taken.
    pub fn join_directories(&self, directory: Arc<dyn Directory>) {
        let _ = self.inner.elsewhere.0.set(directory);
    }

    pub(crate) fn directory(&self) -> Option<&Arc<dyn Directory>> {
        self.inner.elsewhere.0.get()
    }

    /// The directories and providers that are configured.
    #[must_use]
    pub fn sources(&self) -> &[SourceInfo] {
        self.directory().map_or(&[], |directory| directory.sources())
    }

    /// One of them.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&SourceInfo> {
        self.sources().iter().find(|source| source.name == name)
    }

    /// The link of a person, if they have one.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn link_of_person(&self, actor: &Actor, person: &PersonId) -> Done<Option<Link>> {
        if !actor.is_person(person) {
            may(actor, Action::ReadLedger, None)?;
        }
        Ok(self.link_of(person).await?)
    }

    pub(crate) async fn link_of(&self, person: &PersonId) -> Result<Option<Link>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM links WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        row.map(|row| self.link_in(&row, since, Some(person))).transpose()
    }

    pub(crate) async fn link_within(&self, conn: &mut AnyConnection, person: &PersonId) -> Result<Option<Link>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM links WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(conn).await?;
        row.map(|row| self.link_in(&row, since, Some(person))).transpose()
    }

    /// The link of an account elsewhere.
    pub(crate) async fn link_by(&self, source: &str, column: By<'_>) -> Result<Option<Link>, Fault> {
        let since = self.since();
        let (text, value) = match column {
            By::Subject(value) => ("SELECT body, seal FROM links WHERE source = $1 AND subject = $2", value),
            By::KnownAs(value) => ("SELECT body, seal FROM links WHERE source = $1 AND known_as = $2", value),
        };
        let row = sqlx::query(text).bind(source.to_owned()).bind(value.to_owned()).fetch_optional(self.read()).await?;
        let Some(link) = row.map(|row| self.link_in(&row, since, None)).transpose()? else { return Ok(None) };
        // The column found the row; what counts is what is sealed.
        let fits = link.source == source
            && match column {
                By::Subject(value) => link.subject.as_deref() == Some(value),
                By::KnownAs(value) => link.known_as == value,
            };
        if fits { Ok(Some(link)) } else { Err(Fault::Damaged(format!("the columns of the link {} were changed by somebody else", link.id))) }
    }

    fn link_in(&self, row: &sqlx::any::AnyRow, since: u64, person: Option<&PersonId>) -> Result<Link, Fault> {
        let link: Link = self.held(row, since)?;
        if person.is_some_and(|person| link.person != *person) {
            return Err(Fault::Damaged(format!("the link {} was given to another person by somebody else", link.id)));
        }
        Ok(link)
    }

    /// Links a person to an account of a directory or provider. The password that they had here ends, and so do their
    /// logins, those by certificate, and tokens.
    ///
    /// # Errors
    /// Without the right, or for oneself; [`Refusal::NotFound`]; [`Refusal::LinkRefused`]; [`Refusal::DirectoryDown`]; [`Refusal::DirectoryClosed`].
    pub async fn link_person(&self, actor: &Actor, id: &PersonId, source: &str, known_as: &str) -> Done<Link> {
        self.require(actor, Action::KeepLedger, None, "link_person").await?;
        // Nobody links themselves: the account could be one that others use, or one of another person's.
        if actor.is_person(id) {
            self.note_refused_act(actor, &format!("link_person {id}"), &Refusal::NotAllowed).await;
            return Err(Refusal::NotAllowed.into());
        }
        let known_as = check_known_as(known_as)?.to_owned();
        let info = self.source(source).ok_or_else(|| Refusal::bad_field("source"))?;
        let person = self.load_person_now(id).await?;
        if person.emergency || !info.may_serve(&person) {
            return Err(Refusal::LinkRefused.into());
        }
        let subject = match info.kind {
            SourceKind::Directory => Some(self.looked_up(source, &known_as).await?),
            SourceKind::Provider => (info.claim == "sub").then(|| known_as.clone()),
        };
        for taken in [Some(By::KnownAs(&known_as)), subject.as_deref().map(By::Subject)].into_iter().flatten() {
            if self.link_by(source, taken).await?.is_some_and(|other| other.person != *id) {
                return Err(Refusal::LinkRefused.into());
            }
        }
        let mut tx = self.write(actor).await?;
        let person = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if let Some(before) = self.link_within(tx.sql(), id).await? {
            self.drop_link(&mut tx, &before).await?;
        }
        let link = Link { id: random_id()?, person: id.clone(), kind: info.kind, source: source.to_owned(), known_as, subject, confirmed: false, made_at: tx.now(), made_by: actor.login.clone() };
        self.write_link(&mut tx, &link).await?;
        tx.fact(Fact::PersonLinked { link: link.id.clone(), person: id.clone(), source: link.source.clone(), known_as: link.known_as.clone() });
        self.remember_password(&mut tx, id).await?;
        sqlx::query("UPDATE credentials SET password = '' WHERE person = $1").bind(id.as_str().to_owned()).execute(tx.sql()).await?;
        self.end_entered(&mut tx, id).await?;
        self.notice(&mut tx, &person.id, NoticeKind::Linked, &info.label).await?;
        tx.commit().await?;
        Ok(link)
    }

    /// Ends what was entered by the way in that ends: logins in browsers and by certificate, and tokens made in them.
    async fn end_entered(&self, tx: &mut Tx, id: &PersonId) -> Result<(), Fault> {
        end_web_logins(tx, id, None, "unlinked").await?;
        self.end_ssh_logins(tx, id, "unlinked").await?;
        self.end_tokens(tx, id, TokenEnd::Linked, None).await?;
        Ok(())
    }

    async fn looked_up(&self, source: &str, known_as: &str) -> Done<String> {
        let directory = self.directory().ok_or(Refusal::DirectoryDown)?;
        match directory.look(source, known_as).await {
            Ok(account) if account.closed.is_some_and(sekisho_core::directory::Closed::is_end) => Err(Refusal::DirectoryClosed.into()),
            Ok(account) => Ok(account.subject),
            Err(Away::Down(why)) => {
                tracing::error!(source, why, "a directory cannot be asked");
                Err(Refusal::DirectoryDown.into())
            }
            Err(_) => Err(Refusal::LinkRefused.into()),
        }
    }

    async fn load_person_now(&self, id: &PersonId) -> Done<Person> {
        let mut tx = self.write(&Actor::system()).await?;
        Ok(self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?)
    }

    async fn write_link(&self, tx: &mut Tx, link: &Link) -> Result<(), Fault> {
        let body = serde_json::to_string(link)?;
        sqlx::query("INSERT INTO links (id, person, source, known_as, subject, body) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(link.id.as_str().to_owned())
            .bind(link.person.as_str().to_owned())
            .bind(link.source.clone())
            .bind(link.known_as.clone())
            .bind(link.subject.clone())
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, link, &body).await
    }

    async fn drop_link(&self, tx: &mut Tx, link: &Link) -> Result<(), Fault> {
        sqlx::query("DELETE FROM links WHERE id = $1").bind(link.id.as_str().to_owned()).execute(tx.sql()).await?;
        tx.fact(Fact::PersonUnlinked { link: link.id.clone(), person: link.person.clone(), source: link.source.clone() });
        Ok(())
    }

    /// Keeps that the person ended a sign-in by a factor of their own, and, from the first time on, what the provider calls
    /// them. False, and nothing is changed, if the link is another subject's, or the subject another link's.
    pub(crate) async fn confirm_link(&self, tx: &mut Tx, link: Link, subject: &str) -> Result<bool, Fault> {
        if let Some(same) = link.subject.as_deref().map(|pinned| pinned == subject) {
            if same && !link.confirmed {
                let link = Link { confirmed: true, ..link };
                let body = serde_json::to_string(&link)?;
                sqlx::query("UPDATE links SET body = $2 WHERE id = $1").bind(link.id.as_str().to_owned()).bind(body.clone()).execute(tx.sql()).await?;
                // The login that follows tells of it: it names the person, the provider and the factor.
                self.seal_row(tx, &link, &body).await?;
            }
            return Ok(same);
        }
        let link = Link { subject: Some(subject.to_owned()), confirmed: true, ..link };
        let body = serde_json::to_string(&link)?;
        let text = "UPDATE links SET subject = $2, body = $3 WHERE id = $1 AND subject IS NULL AND NOT EXISTS (SELECT 1 FROM links o WHERE o.source = $4 AND o.subject = $2)";
        let pinned = sqlx::query(text).bind(link.id.as_str().to_owned()).bind(subject.to_owned()).bind(body.clone()).bind(link.source.clone()).execute(tx.sql()).await?;
        if pinned.rows_affected() != 1 {
            return Ok(false);
        }
        self.seal_row(tx, &link, &body).await?;
        tx.fact(Fact::LinkPinned { link: link.id.clone(), person: link.person.clone(), source: link.source.clone(), subject: subject.to_owned() });
        Ok(true)
    }

    /// Ends the link of a person, and their logins, those by certificate, and tokens. They then have no password anywhere: registering them anew gives them one.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`].
    pub async fn unlink_person(&self, actor: &Actor, id: &PersonId) -> Done<()> {
        self.require(actor, Action::KeepLedger, None, "unlink_person").await?;
        let mut tx = self.write(actor).await?;
        let link = self.link_within(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        self.drop_link(&mut tx, &link).await?;
        self.end_entered(&mut tx, id).await?;
        self.notice(&mut tx, id, NoticeKind::Unlinked, &link.source).await?;
        Ok(tx.commit().await?)
    }

    /// What follows from an account for the person linked to it, done at once.
    pub(crate) async fn follow_account(&self, link: &Link, account: Option<&Account>) -> Done<Follows> {
        let mapped = self.source(&link.source).map(|info| info.mapped.clone()).unwrap_or_default();
        let mut tx = self.write(&Actor::system()).await?;
        let Some(person) = self.load_person(tx.sql(), &link.person).await?.filter(|person| person.active) else { return Ok(Follows::Nothing) };
        let follows = follows(&person, &mapped, account);
        match &follows {
            Follows::Nothing => return Ok(follows),
            Follows::End { why } => {
                if self.disable_account(&mut tx, &person).await?.is_none() {
                    self.inner.shelf.alarm(format!("the directory {} says that the account of {} has ended ({why}). It is the last administrator's and stays; register another one at once", link.source, person.login));
                    return Ok(Follows::Nothing);
                }
                tx.fact(Fact::DirectoryEnded { person: person.id.clone(), source: link.source.clone(), why: (*why).to_owned() });
            }
            Follows::Lose { lost, left } => {
                if !self.take_roles(&mut tx, &person, left).await? {
                    self.inner.shelf.alarm(format!("{} left the group of administrators in the directory {}, and is the last one. The role stays; register another administrator at once", person.login, link.source));
                    return Ok(Follows::Nothing);
                }
                tx.fact(Fact::DirectoryRolesLost { person: person.id.clone(), source: link.source.clone(), roles: lost.clone() });
            }
        }
        tx.commit().await?;
        Ok(follows)
    }

    /// Leaves a person these roles. False, and nothing is changed, if no administrator would be left.
    async fn take_roles(&self, tx: &mut Tx, person: &Person, left: &BTreeSet<Role>) -> Result<bool, Fault> {
        let loses_administration = person.is(Role::Administrator) && !left.contains(&Role::Administrator) && person.may_act(tx.now());
        if loses_administration && !self.leaves_an_administrator(tx, &person.id).await? {
            return Ok(false);
        }
        let after = Person { roles: left.clone(), ..person.clone() };
        let body = serde_json::to_string(&after)?;
        sqlx::query("UPDATE persons SET body = $1 WHERE id = $2").bind(body.clone()).bind(after.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.seal_row(tx, &after, &body).await?;
        tx.fact(Fact::PersonChanged { person: after.id.clone(), roles: after.roles.clone(), active: after.active });
        self.end_tokens(tx, &after.id, TokenEnd::RoleLost, Some(&after.roles)).await?;
        if person.is(Role::Worker) && !after.is(Role::Worker) {
            recall_sessions(tx, SESSIONS, after.id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        }
        Ok(true)
    }

    /// Looks at the accounts of all linked persons again and again, until the store is closed.
    pub async fn run_surveys(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(limits::DIRECTORY_SURVEY_MINUTES as u64 * 60));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.inner.log.is_closed() {
                return;
            }
            if let Err(denied) = self.survey_once().await {
                tracing::error!(%denied, "the accounts of linked persons cannot be looked at");
            }
        }
    }

    /// One look at the accounts of all linked persons. A directory that is down, or that says of too many at once that they are
    /// gone, disables nobody.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn survey_once(&self) -> Done<()> {
        let Some(directory) = self.directory() else { return Ok(()) };
        for info in directory.sources().iter().filter(|info| info.kind == SourceKind::Directory) {
            let linked = self.linked_to(&info.name).await?;
            if linked.is_empty() {
                continue;
            }
            let subjects = linked.iter().filter_map(|(link, _)| link.subject.clone()).collect();
            let accounts = match directory.survey(&info.name, subjects).await {
                Ok(accounts) => accounts,
                Err(why) => {
                    tracing::error!(source = info.name, %why, "ALARM: a directory cannot be asked; nobody is disabled by that, and its persons cannot log in by password");
                    continue;
                }
            };
            let odd: Vec<&(Link, Person)> = linked.iter().filter(|(link, _)| link.subject.as_ref().is_some_and(|subject| !accounts.contains_key(subject))).collect();
            if !is_believable(odd.len(), linked.len()) {
                tracing::error!(source = info.name, odd = odd.len(), "ALARM: a directory says nothing usable of many accounts: look at the rights of the service account. Nobody is disabled by that");
                continue;
            }
            self.tell_of_odd(&info.name, &linked, &odd).await?;
            // What was not answered is not known.
            let known: Vec<(&Link, &Person, Option<&Account>)> =
                linked.iter().filter_map(|(link, person)| Some((link, person, accounts.get(link.subject.as_deref()?)?.as_ref()))).collect();
            let changed: Vec<_> = known.iter().filter(|(_, person, account)| follows(person, &info.mapped, *account) != Follows::Nothing).collect();
            if !is_believable(changed.len(), linked.len()) {
                self.doubt(&info.name, changed.len(), linked.len()).await?;
                continue;
            }
            self.inner.elsewhere.told().doubted.remove(&info.name);
            for (link, _, account) in changed {
                self.follow_account(link, *account).await?;
            }
        }
        Ok(())
    }

    /// Tells, once each, of persons whose account the directory knows and of which it says something that cannot be used. They
    /// are passed over, and the others go on.
    async fn tell_of_odd(&self, source: &str, linked: &[(Link, Person)], odd: &[&(Link, Person)]) -> Result<(), Fault> {
        let news: Vec<&(Link, Person)> = {
            let mut told = self.inner.elsewhere.told();
            for (link, _) in linked.iter().filter(|(link, _)| !odd.iter().any(|(other, _)| other.id == link.id)) {
                told.odd.remove(&link.id);
            }
            odd.iter().copied().filter(|(link, _)| !told.odd.contains(&link.id)).collect()
        };
        if news.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for (_, person) in &news {
            tracing::error!(source, login = person.login, "ALARM: what a directory says of an account cannot be used; the person is passed over");
            tx.fact(Fact::DirectoryOdd { person: person.id.clone(), source: source.to_owned() });
        }
        tx.commit().await?;
        self.inner.elsewhere.told().odd.extend(news.iter().map(|(link, _)| link.id.clone()));
        Ok(())
    }

    async fn doubt(&self, source: &str, changed: usize, linked: usize) -> Result<(), Fault> {
        if self.inner.elsewhere.told().doubted.get(source) == Some(&(changed, linked)) {
            return Ok(());
        }
        self.inner.shelf.alarm(format!("{changed} of {linked} accounts fell away from the directory {source} at once. Nobody is disabled by that: look at its base, its groups and the rights of the service account"));
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::DirectoryDoubted { source: source.to_owned(), changed: changed as u64, linked: linked as u64 });
        tx.commit().await?;
        self.inner.elsewhere.told().doubted.insert(source.to_owned(), (changed, linked));
        Ok(())
    }

    /// The links to a directory with their persons, of those who are active.
    async fn linked_to(&self, source: &str) -> Result<Vec<(Link, Person)>, Fault> {
        let since = self.since();
        let text = "SELECT l.body, l.seal, p.body AS person_body, p.seal AS person_seal FROM links l JOIN persons p ON p.id = l.person WHERE l.source = $1 AND p.active = 1 ORDER BY l.id LIMIT $2";
        let rows = sqlx::query(text).bind(source.to_owned()).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let mut linked = Vec::new();
        for row in &rows {
            let read = || -> Result<(Link, Person), Fault> {
                let person: Person = self.held_as(row, "person_body", "person_seal", since)?;
                Ok((self.link_in(row, since, Some(&person.id))?, person))
            };
            match read() {
                Ok(pair) => linked.push(pair),
                // A row that somebody damaged lets nobody in; it must not keep the others open.
                Err(fault) => tracing::error!(%fault, "ALARM: a link could not be looked at; the others go on"),
            }
        }
        Ok(linked)
    }
}

/// By what a link is found.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// What the place elsewhere never gives to another one.
    Subject(&'a str),
    /// What an administrator typed.
    KnownAs(&'a str),
}
