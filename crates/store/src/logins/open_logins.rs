//! Where a person is logged in: browsers, API clients and devices with a login certificate, and the ending of each
//! (ASVS 5.0, 7.4.5 and 7.5.2). Tokens for automation have a list of their own.

use super::web::WebLogin;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{DeviceId, PersonId, SshLoginId, WebLoginId};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::ssh_login::SshLogin;
use sekisho_core::time::Timestamp;
use sekisho_core::token::TokenEnd;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// What kind of login it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenLoginKind {
    /// A browser.
    Web,
    /// An API client.
    Api,
    /// A device with a login certificate for ssh.
    Certificate,
}

impl OpenLoginKind {
    /// The name in API, log and words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Certificate => "certificate",
        }
    }
}

/// A login that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLogin {
    /// Identifier.
    pub id: OpenLoginId,
    /// What kind.
    pub kind: OpenLoginKind,
    /// From where it was begun.
    pub source: String,
    /// Name of the device, if it is bound to one.
    pub device: String,
    /// By which factors it was proved.
    pub proof: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was used last, as far as that is known: certificates are looked up in the log.
    pub seen_at: Option<Timestamp>,
    /// When it ends by itself at the latest.
    pub ends_at: Timestamp,
    /// It is the one by which this is asked.
    pub current: bool,
    /// Numbers of the plans that a certificate was given for.
    pub plans: Vec<String>,
}

/// Which login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenLoginId {
    /// Of a browser or API client.
    Web(WebLoginId),
    /// By certificate.
    Ssh(SshLoginId),
}

impl OpenLoginId {
    /// Reads what [`OpenLoginId::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        WebLoginId::parse(text).map(Self::Web).or_else(|| SshLoginId::parse(text).map(Self::Ssh))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Web(id) => id.as_str(),
            Self::Ssh(id) => id.as_str(),
        }
    }
}

/// How many logins stand, of everybody together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EverybodysLogins {
    /// Of browsers.
    pub web: u64,
    /// Of API clients.
    pub api: u64,
    /// Login certificates of devices.
    pub certificates: u64,
    /// Tokens for automation.
    pub tokens: u64,
}

impl EverybodysLogins {
    /// All but the tokens.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.web + self.api + self.certificates
    }
}

const COLUMNS: &str = "SELECT id, via, source, started_at, seen_at, ends_at, proof, device FROM web_logins";

impl Store {
    /// The logins of a person that stand, the newest first: one's own, or anybody's for those who read the ledger.
    ///
    /// # Errors
    /// Without the right.
    pub async fn open_logins(&self, actor: &Actor, person: &PersonId, current: Option<&WebLoginId>) -> Done<Vec<OpenLogin>> {
        if !actor.is_person(person) {
            may(actor, Action::ReadLedger, None)?;
        }
        let (now, idle_since) = (self.now(), self.now().minus(Duration::from_secs(u64::from(self.policy().login_idle_minutes) * 60)));
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person = $1 AND ends_at > $2 AND seen_at > $3 ORDER BY started_at DESC, id"));
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(now.0).bind(idle_since.0).fetch_all(self.read()).await?;
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let mut devices = BTreeMap::new();
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let device = self.device_of(&mut conn, row, &mut devices).await?;
            found.push(web_login(row, device, current)?);
        }
        let certificates = self.open_ssh_logins(&mut conn, person).await?;
        found.extend(certificates.into_iter().rev().map(certificate));
        Ok(found)
    }

    async fn device_of(&self, conn: &mut AnyConnection, row: &AnyRow, known: &mut BTreeMap<String, String>) -> Result<String, Fault> {
        let Some(id) = row.try_get::<Option<String>, _>("device")? else { return Ok(String::new()) };
        if let Some(name) = known.get(&id) {
            return Ok(name.clone());
        }
        let device = match DeviceId::parse(&id) {
            Some(device) => self.load_device(conn, &device).await?,
            None => None,
        };
        let name = device.map(|device| device.content.name).unwrap_or_default();
        known.insert(id, name.clone());
        Ok(name)
    }

    /// Ends one login: one's own, or anybody's for an administrator. What a certificate let in ends with it, and so does a
    /// certificate with the login in which it was confirmed.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for another's, and for one that is over.
    pub async fn end_login(&self, actor: &Actor, person: &PersonId, id: &OpenLoginId) -> Done<()> {
        self.may_end(actor, person)?;
        let mut tx = self.write(actor).await?;
        match id {
            OpenLoginId::Web(id) => {
                let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person = $1 AND id = $2"));
                let row = sqlx::query(text).bind(person.as_str().to_owned()).bind(id.as_str().to_owned()).fetch_optional(tx.sql()).await?.ok_or(Refusal::NotFound)?;
                self.end_web_login(&mut tx, person, &row).await?;
            }
            OpenLoginId::Ssh(id) => {
                let login = self.ssh_login(tx.sql(), id).await?.filter(|login| login.person == *person && login.ended.is_none()).ok_or(Refusal::NotFound)?;
                self.end_ssh_login(&mut tx, login, "ended").await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Ends every login of a person but `except`, and the tokens for automation too if `tokens` says so. Gives how many ended.
    ///
    /// # Errors
    /// As [`Store::end_login`].
    pub async fn end_other_logins(&self, actor: &Actor, person: &PersonId, except: Option<&WebLoginId>, tokens: bool) -> Done<usize> {
        self.may_end(actor, person)?;
        let mut tx = self.write(actor).await?;
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person = $1 AND id <> $2"));
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(except.map_or("", WebLoginId::as_str).to_owned()).fetch_all(tx.sql()).await?;
        let mut ended = 0;
        for row in &rows {
            ended += self.end_web_login(&mut tx, person, row).await?;
        }
        // Also those that the login which stays confirmed: all others are others.
        ended += self.end_ssh_logins(&mut tx, person, "ended").await?;
        if tokens {
            ended += self.end_tokens(&mut tx, person, TokenEnd::Revoked, None).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// How many logins stand.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn everybodys_logins(&self, actor: &Actor) -> Done<EverybodysLogins> {
        may(actor, Action::ReadLedger, None)?;
        let (now, idle_since) = (self.now(), self.now().minus(Duration::from_secs(u64::from(self.policy().login_idle_minutes) * 60)));
        let text = "SELECT via, COUNT(*) AS n FROM web_logins WHERE ends_at > $1 AND seen_at > $2 GROUP BY via";
        let rows = sqlx::query(text).bind(now.0).bind(idle_since.0).fetch_all(self.read()).await?;
        let mut found = EverybodysLogins::default();
        for row in &rows {
            let n = u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0);
            if row.try_get::<&str, _>("via")? == "api" { found.api += n } else { found.web += n }
        }
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        for person in self.logged_in_anywhere(&mut conn).await? {
            found.certificates += self.open_ssh_logins(&mut conn, &person).await?.len() as u64;
            found.tokens += self.open_tokens(&mut conn, &person).await?.len() as u64;
        }
        Ok(found)
    }

    /// Ends every login of everybody but `except`, and all tokens for automation if `tokens` says so (ASVS 5.0, 7.4.5). What
    /// login certificates let in ends with them; key windows close, and devices that wait for a confirmation wait in vain. Gives
    /// how many logins and tokens ended.
    ///
    /// # Errors
    /// Without the right or a reason.
    pub async fn end_everybodys_logins(&self, actor: &Actor, except: Option<&WebLoginId>, tokens: bool, reason: &str) -> Done<u64> {
        self.require(actor, Action::KeepLedger, None, "end everybody's logins").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let (mut logins, mut ended_tokens) = (0, 0);
        for person in self.logged_in_anywhere(tx.sql()).await? {
            let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person = $1 AND id <> $2"));
            let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(except.map_or("", WebLoginId::as_str).to_owned()).fetch_all(tx.sql()).await?;
            for row in &rows {
                logins += self.end_web_login(&mut tx, &person, row).await?;
            }
            logins += self.end_ssh_logins(&mut tx, &person, "ended").await?;
            if tokens {
                ended_tokens += self.end_tokens(&mut tx, &person, TokenEnd::Revoked, None).await?;
            }
        }
        // Both were asked for in a browser, which may have been somebody else's: a window stands for an hour without it.
        self.close_all_key_windows(&mut tx).await?;
        tx.fact(Fact::EverybodyLoggedOut { reason: reason.to_owned(), logins: logins as u64, tokens: ended_tokens as u64 });
        tx.commit().await?;
        self.inner.requests.forget_all();
        Ok((logins + ended_tokens) as u64)
    }

    /// Whoever has a login, a certificate or a token that may stand.
    async fn logged_in_anywhere(&self, conn: &mut AnyConnection) -> Result<Vec<PersonId>, Fault> {
        let text = "SELECT person FROM web_logins UNION SELECT person FROM ssh_logins WHERE is_open = 1 UNION SELECT person FROM api_tokens WHERE is_open = 1 ORDER BY person";
        let rows = sqlx::query(text).fetch_all(conn).await?;
        let read = |row: &AnyRow| {
            let id: String = row.try_get("person")?;
            PersonId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a person")))
        };
        rows.iter().map(read).collect()
    }

    fn may_end(&self, actor: &Actor, person: &PersonId) -> Result<(), Refusal> {
        // A token ends no logins of its holder: whoever stole it would keep the holder out.
        if actor.is_person(person) && actor.token.is_none() {
            return Ok(());
        }
        may(actor, Action::KeepLedger, None).map_err(|_| Refusal::NotFound)
    }

    /// Ends a login of a browser or API client, with the certificates that were confirmed in it. Gives how many ended.
    async fn end_web_login(&self, tx: &mut Tx, person: &PersonId, row: &AnyRow) -> Result<usize, Fault> {
        let id: String = row.try_get("id")?;
        let web_login = WebLoginId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a login")))?;
        let gone = sqlx::query("DELETE FROM web_logins WHERE id = $1").bind(id).execute(tx.sql()).await?;
        if gone.rows_affected() == 1 {
            tx.fact(Fact::LoginEnded { web_login: web_login.clone(), person: person.clone(), via: row.try_get("via")?, came_from: row.try_get("source")? });
        }
        let confirmed: Vec<SshLogin> = self.open_ssh_logins(tx.sql(), person).await?.into_iter().filter(|login| login.confirmed_in == web_login).collect();
        let ended = confirmed.len() + usize::from(gone.rows_affected() == 1);
        for login in confirmed {
            self.end_ssh_login(tx, login, "ended").await?;
        }
        Ok(ended)
    }

    /// What a change of password or factors ends besides other logins: certificates of logins always, tokens for automation
    /// unless the person keeps them.
    pub(super) async fn end_beside(&self, tx: &mut Tx, login: &WebLogin, cause: &str, tokens: bool) -> Result<(), Fault> {
        self.end_ssh_logins(tx, &login.person.id, cause).await?;
        if tokens {
            self.end_tokens(tx, &login.person.id, TokenEnd::Reset, None).await?;
        }
        Ok(())
    }
}

fn web_login(row: &AnyRow, device: String, current: Option<&WebLoginId>) -> Result<OpenLogin, Fault> {
    let id: String = row.try_get("id")?;
    let id = WebLoginId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a login")))?;
    Ok(OpenLogin {
        current: current == Some(&id),
        id: OpenLoginId::Web(id),
        kind: if row.try_get::<&str, _>("via")? == "api" { OpenLoginKind::Api } else { OpenLoginKind::Web },
        source: row.try_get("source")?,
        device,
        proof: row.try_get("proof")?,
        started_at: Timestamp(row.try_get("started_at")?),
        seen_at: Some(Timestamp(row.try_get("seen_at")?)),
        ends_at: Timestamp(row.try_get("ends_at")?),
        plans: Vec::new(),
    })
}

fn certificate(login: SshLogin) -> OpenLogin {
    OpenLogin {
        id: OpenLoginId::Ssh(login.id),
        kind: OpenLoginKind::Certificate,
        source: login.source.to_string(),
        device: login.device_name,
        proof: login.proof,
        started_at: login.issued_at,
        seen_at: None,
        ends_at: login.ends_at,
        current: false,
        plans: login.plans,
    }
}
