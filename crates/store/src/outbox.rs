//! The outbox: letters that are written in the change that they tell of, and carried afterwards.
//!
//! A letter is a row of the same transaction, so none is lost and none tells of a change that did not happen. It is handed
//! to the mail server until that takes it. A crash between the server's yes and our note of it sends it a second time,
//! with the same Message-ID. The text lies sealed with its recipient, because it may hold a link that opens an account:
//! who can write to the database can neither read it nor send it elsewhere. It is erased once the letter went.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{MailId, PersonId};
use sekisho_core::letter::{Address, Carried, Courier, Letter, LetterHead, Parcel, Written, one_line};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Between two looks at what is due, if nobody rings.
const ROUND: Duration = Duration::from_secs(5);
/// Wait after the first failure; it doubles with each one that follows.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Longest wait between two tries of a letter that somebody must see at once.
const LONGEST_URGENT_WAIT: Duration = Duration::from_secs(120);
/// Letters that one round carries; the next one follows at once.
const A_ROUND: i64 = 50;
/// Rows of the status page.
const LISTED: i64 = 200;

/// What became of a letter that was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It lies in the outbox and goes once the change is durable.
    Written {
        /// Which.
        mail: MailId,
        /// To this address.
        to: String,
    },
    /// No mail server is configured.
    NotSetUp,
    /// The person has no address, or one that cannot be written to.
    NoAddress,
    /// Too many letters wait already. This stands in the log.
    Full,
}

impl Posted {
    /// The address, if the letter was written.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        match self {
            Self::Written { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// How a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// It waits for its next try.
    Waiting,
    /// The mail server took it.
    Sent,
    /// It will not be delivered.
    Failed,
}

impl MailState {
    /// The name in rows and words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

/// A letter as the status page shows it, without its text.
#[derive(Clone, Debug, Serialize)]
pub struct MailRow {
    /// Which.
    pub id: MailId,
    /// For whom; `None` for an address of the configuration.
    pub person: Option<PersonId>,
    /// The address.
    pub to: String,
    /// What it says.
    pub letter: String,
    /// It goes before others.
    pub urgent: bool,
    /// How it stands.
    pub state: MailState,
    /// When it was written.
    pub made_at: Timestamp,
    /// When it is tried next, while it waits.
    pub next_at: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// When it went or was given up.
    pub ended_at: Option<Timestamp>,
    /// What stood in the way last.
    pub trouble: Option<String>,
}

/// The outbox in numbers, with its last letters.
#[derive(Clone, Debug, Serialize)]
pub struct Outbox {
    /// A mail server is configured.
    pub set_up: bool,
    /// Letters that wait.
    pub waiting: u64,
    /// Those of them that have waited for hours.
    pub late: u64,
    /// Letters of the last weeks that were not delivered.
    pub failed: u64,
    /// The newest, those that wait first.
    pub rows: Vec<MailRow>,
}

/// What lies under the seal.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    body: String,
}

fn read(row: &AnyRow) -> Result<MailRow, Fault> {
    let id: &str = row.try_get("id")?;
    let damaged = || Fault::Damaged(format!("the mail {id} is malformed"));
    let person: Option<&str> = row.try_get("person")?;
    Ok(MailRow {
        id: MailId::parse(id).ok_or_else(damaged)?,
        person: person.map(|id| PersonId::parse(id).ok_or_else(damaged)).transpose()?,
        to: row.try_get("recipient")?,
        letter: row.try_get("letter")?,
        urgent: row.try_get::<i64, _>("urgent")? != 0,
        state: MailState::parse(row.try_get("state")?).ok_or_else(damaged)?,
        made_at: Timestamp(row.try_get("made_at")?),
        next_at: Timestamp(row.try_get("next_at")?),
        tries: u32::try_from(row.try_get::<i64, _>("tries")?).unwrap_or(u32::MAX),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        trouble: row.try_get("trouble")?,
    })
}

const COLUMNS: &str = "SELECT id, person, recipient, letter, urgent, state, made_at, next_at, tries, ended_at, trouble FROM mails";

fn place(id: &str) -> Place<'_> {
    Place { table: "mails", row: id, column: "body" }
}

fn longest(urgent: bool) -> Duration {
    if urgent { LONGEST_URGENT_WAIT } else { LONGEST_WAIT }
}

fn wait_after(tries: u32, urgent: bool) -> Duration {
    FIRST_WAIT.saturating_mul(1_u32.checked_shl(tries.min(16)).unwrap_or(u32::MAX)).min(longest(urgent))
}

impl Tx {
    /// Writes a letter to a person, as part of this change.
    pub async fn mail(&mut self, to: &Person, letter: &Letter) -> Result<Posted, Fault> {
        let store = self.store();
        store.post(self, Some(&to.id), &to.mail, letter).await
    }
}

impl Store {
    /// Whether letters can be sent at all.
    #[must_use]
    pub fn mails(&self) -> bool {
        self.inner.settings.mail.is_some()
    }

    /// Whether a letter could be written to this person.
    #[must_use]
    pub fn reaches_by_mail(&self, person: &Person) -> bool {
        self.mails() && Address::parse(&person.mail).is_some()
    }

    /// Writes a letter to an address, as part of a change.
    pub(crate) async fn post(&self, tx: &mut Tx, person: Option<&PersonId>, to: &str, letter: &Letter) -> Result<Posted, Fault> {
        if !self.mails() {
            return Ok(Posted::NotSetUp);
        }
        let Some(to) = Address::parse(to) else { return Ok(Posted::NoAddress) };
        let mail: MailId = random_id()?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM mails WHERE state = 'waiting'").fetch_one(tx.sql()).await?;
        let most = if letter.is_urgent() { 2 * limits::MAILS_WAITING } else { limits::MAILS_WAITING };
        if row.try_get::<i64, _>("n")? >= as_i64(most as u64) {
            tx.fact(Fact::MailFailed { mail, letter: letter.kind().to_owned(), to: to.as_str().to_owned(), why: "the outbox is full".into() });
            return Ok(Posted::Full);
        }
        let Written { subject, body } = letter.written(&LetterHead { facility: self.facility(), base_url: self.base_url() });
        let content = Content { to: to.as_str().to_owned(), subject, body: body.expose().to_owned() };
        let plain = Zeroizing::new(serde_json::to_vec(&content)?);
        drop(Zeroizing::new(content.body));
        let sealed = self.inner.keys.seal(place(mail.as_str()), &plain)?;
        let now = tx.now();
        let give_up = now.plus(Duration::from_secs(limits::MAIL_HOURS as u64 * 3600));
        let give_up = letter.until().map_or(give_up, |until| until.min(give_up));
        let text = "INSERT INTO mails (id, person, recipient, letter, urgent, state, made_at, give_up_at, next_at, tries, late, body) \
            VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $6, 0, 0, $8)";
        sqlx::query(text)
            .bind(mail.as_str().to_owned())
            .bind(person.map(|id| id.as_str().to_owned()))
            .bind(to.as_str().to_owned())
            .bind(letter.kind())
            .bind(i64::from(letter.is_urgent()))
            .bind(now.0)
            .bind(give_up.0)
            .bind(sealed.into_bytes())
            .execute(tx.sql())
            .await?;
        let to = to.as_str().to_owned();
        tx.fact(Fact::MailWritten { mail: mail.clone(), letter: letter.kind().to_owned(), person: person.cloned(), to: to.clone() });
        tx.posted();
        Ok(Posted::Written { mail, to })
    }

    /// Sends a letter to the actor's own address, to see whether mail arrives.
    ///
    /// # Errors
    /// Without the right; [`Refusal::MailNotSetUp`]; [`Refusal::BadField`] without an address.
    pub async fn mail_test(&self, actor: &Actor) -> Done<String> {
        self.require(actor, Action::KeepMail, None, "mail_test").await?;
        if !self.mails() {
            return Err(Refusal::MailNotSetUp.into());
        }
        let Some(id) = &actor.person else { return Err(Refusal::NotAllowed.into()) };
        let mut tx = self.write(actor).await?;
        let person = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let at = tx.now();
        let posted = tx.mail(&person, &Letter::Test { by: person.name.clone(), at }).await?;
        tx.commit().await?;
        match posted {
            Posted::Written { to, .. } => Ok(to),
            Posted::Full => Err(Refusal::TooMany { limit: "MAILS_WAITING".into() }.into()),
            Posted::NotSetUp | Posted::NoAddress => Err(Refusal::bad_field("mail").into()),
        }
    }

    /// Has all waiting letters tried again at once, after somebody mended the mail server.
    ///
    /// # Errors
    /// Without the right; [`Refusal::MailNotSetUp`].
    pub async fn retry_mail(&self, actor: &Actor) -> Done<u64> {
        self.require(actor, Action::KeepMail, None, "retry_mail").await?;
        if !self.mails() {
            return Err(Refusal::MailNotSetUp.into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let done = sqlx::query("UPDATE mails SET next_at = $1 WHERE state = 'waiting' AND next_at > $1").bind(now.0).execute(tx.sql()).await?;
        tx.posted();
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// The outbox, for the status page.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn outbox(&self, actor: &Actor) -> Done<Outbox> {
        may(actor, Action::ReadLedger, None)?;
        let count = |query: &'static str| async move {
            let row = sqlx::query(query).fetch_one(self.read()).await?;
            Ok::<u64, Fault>(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
        };
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY CASE WHEN state = 'waiting' THEN 0 ELSE 1 END, made_at DESC, id LIMIT $1"));
        let rows = sqlx::query(text).bind(LISTED).fetch_all(self.read()).await?;
        Ok(Outbox {
            set_up: self.mails(),
            waiting: count("SELECT COUNT(*) AS n FROM mails WHERE state = 'waiting'").await?,
            late: count("SELECT COUNT(*) AS n FROM mails WHERE state = 'waiting' AND late = 1").await?,
            failed: count("SELECT COUNT(*) AS n FROM mails WHERE state = 'failed'").await?,
            rows: rows.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// The last letter to a person, for their page.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn last_mail(&self, actor: &Actor, person: &PersonId) -> Done<Option<MailRow>> {
        may(actor, Action::ReadLedger, None)?;
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person = $1 ORDER BY made_at DESC, id LIMIT 1"));
        let row = sqlx::query(text).bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    /// Carries letters until the store is closed or the task is ended. Run it once, as a task of its own: a mail server that
    /// does not answer must hold up nothing else.
    pub async fn run_mail(&self, courier: Arc<dyn Courier>) {
        loop {
            if self.inner.log.is_closed() {
                return;
            }
            if let Err(fault) = self.carry_due(&courier).await {
                tracing::error!(%fault, "ALARM: letters could not be carried; the next round tries again");
            }
            let _ = tokio::time::timeout(ROUND, self.inner.bell.notified()).await;
        }
    }

    /// Hands over every letter that is due, as [`Store::run_mail`] does all the time.
    ///
    /// # Errors
    /// A fault of the store; what stands in the way of a letter is none.
    pub async fn carry_due(&self, courier: &Arc<dyn Courier>) -> Done<()> {
        self.give_up().await?;
        loop {
            let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state = 'waiting' AND next_at <= $1 ORDER BY urgent DESC, made_at, id LIMIT $2"));
            let due = sqlx::query(text).bind(self.now().0).bind(A_ROUND).fetch_all(self.read()).await?;
            if due.is_empty() {
                return Ok(());
            }
            for row in &due {
                let mail = read(row)?;
                if let Some(why) = self.carry_one(courier, &mail).await? {
                    // Every other letter would meet the same.
                    return self.hold_back(&mail, &why).await;
                }
            }
        }
    }

    /// Hands one letter over. Gives the server's trouble if no letter goes.
    async fn carry_one(&self, courier: &Arc<dyn Courier>, mail: &MailRow) -> Done<Option<String>> {
        let row = sqlx::query("SELECT body FROM mails WHERE id = $1 AND state = 'waiting'").bind(mail.id.as_str().to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let sealed = Sealed::from_bytes(row.try_get::<Option<Vec<u8>>, _>("body")?.unwrap_or_default());
        let content = self.inner.keys.unseal(place(mail.id.as_str()), &sealed).ok().and_then(|plain| serde_json::from_slice::<Content>(&plain).ok());
        let Some((content, to)) = content.and_then(|content| Address::parse(&content.to).map(|to| (content, to))) else {
            self.end(mail, MailState::Failed, Some("its row was changed by somebody else")).await?;
            return Ok(None);
        };
        let parcel = Parcel { id: mail.id.clone(), to, subject: content.subject, body: Secret::new(content.body), at: mail.made_at };
        match courier.carry(parcel).await {
            Carried::Taken => self.end(mail, MailState::Sent, None).await?,
            Carried::Refused(why) => self.end(mail, MailState::Failed, Some(&why)).await?,
            Carried::Later(why) => self.later(std::slice::from_ref(mail), &why).await?,
            Carried::Unreachable(why) => return Ok(Some(why)),
        }
        Ok(None)
    }

    async fn end(&self, mail: &MailRow, state: MailState, why: Option<&str>) -> Done<()> {
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let text = "UPDATE mails SET state = $1, ended_at = $2, trouble = $3, body = NULL, tries = tries + 1 WHERE id = $4 AND state = 'waiting'";
        let done = sqlx::query(text).bind(state.as_str()).bind(now.0).bind(why.map(one_line)).bind(mail.id.as_str().to_owned()).execute(tx.sql()).await?;
        if done.rows_affected() == 1 {
            let (id, letter, to) = (mail.id.clone(), mail.letter.clone(), mail.to.clone());
            tx.fact(match why {
                None => Fact::MailSent { mail: id, letter, to },
                Some(why) => Fact::MailFailed { mail: id, letter, to, why: one_line(why) },
            });
        }
        Ok(tx.commit().await?)
    }

    /// No letter goes: all that are due wait, and the trouble stands at each of them.
    async fn hold_back(&self, met: &MailRow, why: &str) -> Done<()> {
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state = 'waiting' AND next_at <= $1 LIMIT $2"));
        let mut due: Vec<MailRow> = sqlx::query(text).bind(self.now().0).bind(as_i64(2 * limits::MAILS_WAITING as u64)).fetch_all(self.read()).await?.iter().map(read).collect::<Result<_, _>>()?;
        if !due.iter().any(|mail| mail.id == met.id) {
            due.push(met.clone());
        }
        tracing::warn!(letters = due.len(), why, "mail does not go");
        self.later(&due, why).await
    }

    async fn later(&self, mails: &[MailRow], why: &str) -> Done<()> {
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let why = one_line(why);
        for mail in mails {
            let next = now.plus(wait_after(mail.tries, mail.urgent));
            let is_late = mail.made_at.until(now) >= Duration::from_secs(limits::MAIL_LATE_HOURS as u64 * 3600);
            let text = "UPDATE mails SET tries = tries + 1, next_at = $1, trouble = $2 WHERE id = $3 AND state = 'waiting'";
            sqlx::query(text).bind(next.0).bind(why.clone()).bind(mail.id.as_str().to_owned()).execute(tx.sql()).await?;
            if is_late {
                let told = sqlx::query("UPDATE mails SET late = 1 WHERE id = $1 AND state = 'waiting' AND late = 0").bind(mail.id.as_str().to_owned()).execute(tx.sql()).await?;
                if told.rows_affected() == 1 {
                    tx.fact(Fact::MailLate { mail: mail.id.clone(), letter: mail.letter.clone(), to: mail.to.clone(), why: why.clone() });
                }
            }
        }
        Ok(tx.commit().await?)
    }

    /// Ends what has waited for too long, or would only mislead.
    async fn give_up(&self) -> Done<()> {
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state = 'waiting' AND give_up_at <= $1 LIMIT $2"));
        let over = sqlx::query(text).bind(self.now().0).bind(A_ROUND).fetch_all(self.read()).await?;
        for row in &over {
            let mail = read(row)?;
            let last = mail.trouble.clone().unwrap_or_default();
            self.end(&mail, MailState::Failed, Some(&format!("given up in time: {last}"))).await?;
        }
        Ok(())
    }

    /// Takes rows away whose letters ended weeks ago.
    pub(crate) async fn forget_mail(&self, tx: &mut Tx) -> Result<(), Fault> {
        let before = tx.now().minus(Duration::from_secs(limits::MAIL_DAYS as u64 * 24 * 3600));
        sqlx::query("DELETE FROM mails WHERE state <> 'waiting' AND ended_at <= $1").bind(before.0).execute(tx.sql()).await?;
        Ok(())
    }
}
