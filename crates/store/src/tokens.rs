//! Tokens for automation: made with a fresh code, shown once, asked for every right that a login is asked for, and dead
//! with the person they act for.

use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::held::Held;
use crate::ledger::LEDGER_ROWS;
use crate::logins::{WebLogin, count_token_source, token_source_waits};
use crate::secrets::{random_bytes, random_id, token_hash};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, TokenId, WebLoginId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role, Via};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::{check_line, check_text};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sekisho_core::token::{self, ApiToken, TokenEnd, TokenUse, check_scopes, check_sources};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// The last use is written at most this often, so that a program that asks often costs no write each time.
const TOUCH: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// After so long without use a token stands out in the list of all.
const UNUSED: Duration = Duration::from_secs(90 * 24 * 3600);

impl Held for ApiToken {
    const TABLE: &'static str = "api_tokens";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct TokenAsk {
    /// For whom: oneself, or a robot.
    pub person: PersonId,
    /// What it is called.
    pub name: String,
    /// What it is good for.
    pub scopes: BTreeSet<Action>,
    /// Where it can be used from.
    pub sources: Vec<Network>,
    /// Its end.
    pub until: Timestamp,
    /// Why; needed where a scope is guarded.
    pub reason: String,
}

/// A token that was just made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What goes to the program. It is given here and never again.
    pub code: Secret,
    /// What is kept.
    pub token: ApiToken,
}

/// A token in a list.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// The token.
    pub token: ApiToken,
    /// Name of its holder.
    pub holder: String,
    /// Login name of its holder.
    pub login: String,
    /// The holder is a robot.
    pub robot: bool,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
    /// From where.
    pub used_from: Option<String>,
    /// It can be used: open, and its holder may act.
    pub in_force: bool,
    /// It can be used and has not been for 90 days.
    pub unused: bool,
}

const ROWS: &str = "SELECT t.body, t.seal, t.used_at, t.used_from, p.body AS person_body, p.seal AS person_seal FROM api_tokens t JOIN persons p ON p.id = t.person";

impl Store {
    /// Makes a token. The caller has asked for a fresh one-time code.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] for anybody else's but a robot's, which an administrator makes; the field that is wrong;
    /// [`Refusal::TooMany`].
    pub async fn make_token(&self, actor: &Actor, ask: TokenAsk) -> Done<NewToken> {
        let own = actor.is_person(&ask.person);
        self.require(actor, if own { Action::KeepOwnLogin } else { Action::KeepLedger }, None, "make_token").await?;
        check_line("token_name", &ask.name)?;
        check_text("reason", &ask.reason)?;
        if ask.name.trim().is_empty() {
            return Err(Refusal::bad_field("token_name").into());
        }
        check_sources(&ask.sources)?;
        let code = Secret::new(token::write(&Zeroizing::new(random_bytes::<32>()?)));
        let id: TokenId = random_id()?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let person = self.load_person(tx.sql(), &ask.person).await?.ok_or(Refusal::NotFound)?;
        if !own && person.robot.is_none() {
            return Err(Refusal::NotAllowed.into());
        }
        if !person.may_act(now) {
            return Err(Refusal::PersonInactive.into());
        }
        check_scopes(&person, &ask.scopes, &ask.reason)?;
        // The form names a last day, whose end may lie up to a day behind the moment.
        let longest = now.plus(DAY * (self.policy().token_days + 1));
        if ask.until <= now || longest < ask.until {
            return Err(Refusal::bad_field("token_until").into());
        }
        if self.open_tokens(tx.sql(), &person.id).await?.len() >= limits::TOKENS {
            return Err(Refusal::too_many("TOKENS").into());
        }
        let token = ApiToken {
            id,
            person: person.id.clone(),
            name: ask.name,
            scopes: ask.scopes,
            sources: ask.sources,
            hash: token_hash(code.expose()),
            made_at: now,
            made_by: actor.login.clone(),
            ends_at: ask.until,
            reason: ask.reason,
            ended: None,
        };
        sqlx::query("INSERT INTO api_tokens (id, person, hash, ends_at, is_open, body) VALUES ($1, $2, $3, $4, 1, '')")
            .bind(token.id.as_str().to_owned())
            .bind(token.person.as_str().to_owned())
            .bind(token.hash.clone())
            .bind(token.ends_at.0)
            .execute(tx.sql())
            .await?;
        self.save_token(&mut tx, &token).await?;
        tx.fact(Fact::TokenMade {
            token: token.id.clone(),
            person: token.person.clone(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            sources: token.sources.clone(),
            until: token.ends_at,
            reason: token.reason.clone(),
        });
        tx.commit().await?;
        Ok(NewToken { code, token })
    }

    /// Ends a token: one's own, or any for an administrator. Without effect if it has ended.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for another's.
    pub async fn revoke_token(&self, actor: &Actor, id: &TokenId, reason: &str) -> Done<()> {
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let held = self.token(tx.sql(), id).await?;
        let token = match held {
            Some(token) if actor.is_person(&token.person) && actor.token.is_none() => token,
            Some(token) => {
                may(actor, Action::KeepLedger, None).map_err(|_| Refusal::NotFound)?;
                token
            }
            None => return Err(Refusal::NotFound.into()),
        };
        if token.ended.is_none() {
            self.end_token(&mut tx, token, TokenEnd::Revoked, reason).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The tokens of the actor, the newest first, ended ones last.
    ///
    /// # Errors
    /// A fault.
    pub async fn my_tokens(&self, actor: &Actor) -> Done<Vec<TokenRow>> {
        let Some(person) = &actor.person else { return Ok(Vec::new()) };
        self.tokens_of(actor, person).await
    }

    /// The tokens of one person: oneself, or anybody for those who read the ledger.
    ///
    /// # Errors
    /// Without the right.
    pub async fn tokens_of(&self, actor: &Actor, person: &PersonId) -> Done<Vec<TokenRow>> {
        if !actor.is_person(person) {
            may(actor, Action::ReadLedger, None)?;
        }
        let text = sqlx::AssertSqlSafe(format!("{ROWS} WHERE t.person = $1 ORDER BY t.is_open DESC, t.ends_at DESC, t.id LIMIT $2"));
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        self.token_rows(&rows).await
    }

    /// All tokens, open ones first.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn tokens(&self, actor: &Actor) -> Done<Vec<TokenRow>> {
        may(actor, Action::ReadLedger, None)?;
        let text = sqlx::AssertSqlSafe(format!("{ROWS} ORDER BY t.is_open DESC, p.login, t.ends_at DESC, t.id LIMIT $1"));
        let rows = sqlx::query(text).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        self.token_rows(&rows).await
    }

    /// The login that a token stands for: its holder as the ledger has them at this moment, narrowed by the token's scopes.
    ///
    /// # Errors
    /// [`Refusal::TokenRefused`] for everything that is wrong with it; [`Refusal::SourceBlocked`] after too many of them.
    pub async fn token_login(&self, code: &str, source: IpAddr) -> Done<WebLogin> {
        let now = self.now();
        if token_source_waits(self.read(), source, now).await? {
            return Err(Refusal::SourceBlocked.into());
        }
        let (token, used_at, is_open) = match self.find_token(code).await? {
            Some(found) => found,
            None => return Err(self.token_refused(None, source, "unknown").await),
        };
        if !is_open || !token.is_open(now) {
            return Err(self.token_refused(Some(&token), source, "ended").await);
        }
        if !token.answers(source) {
            return Err(self.token_refused(Some(&token), source, "source").await);
        }
        let person = match self.load_person(self.read(), &token.person).await? {
            Some(person) if person.may_act(now) => person,
            _ => return Err(self.token_refused(Some(&token), source, "person").await),
        };
        if !self.vendor_in_force(person.vendor.as_ref(), now).await? {
            return Err(self.token_refused(Some(&token), source, "vendor").await);
        }
        match self.may_come_from(self.read(), &person, source).await {
            Ok(()) => {}
            Err(Denied::Refusal(_)) => return Err(self.token_refused(Some(&token), source, "source").await),
            Err(fault) => return Err(fault),
        }
        if let Some(responsible) = &person.robot {
            let answers = self.load_person(self.read(), responsible).await?.is_some_and(|person| person.may_act(now) && person.robot.is_none());
            if !answers {
                return Err(self.token_refused(Some(&token), source, "responsible").await);
            }
        }
        if used_at.is_none_or(|used| now >= used.plus(TOUCH)) {
            self.touch_token(&token.id, source, now).await;
        }
        let tail = token.id.as_str().strip_prefix(TokenId::PREFIX).unwrap_or_default();
        let id = WebLoginId::parse(&format!("{}{tail}", WebLoginId::PREFIX)).ok_or_else(|| Fault::Damaged(format!("{} names no login", token.id)))?;
        let mut actor = Actor::of(&person, Via::Api, Some(source.to_string()));
        actor.token = Some(TokenUse { id: token.id, scopes: token.scopes });
        Ok(WebLogin { id, actor, person, csrf: String::new(), stepped_up_until: None, recovered_until: None, proof: None, confined: false, held: sekisho_core::factors::Held::default(), ends_at: token.ends_at, lang: "ja".into(), source, device: None })
    }

    /// Writes down that an act by a token was refused, and counts it against its source.
    pub async fn note_token_act(&self, actor: &Actor, source: IpAddr, detail: &str, refusal: &Refusal) {
        self.note_refused_act(actor, detail, refusal).await;
        let counted = async {
            let mut tx = self.write(actor).await?;
            let now = tx.now();
            if count_token_source(tx.sql(), source, now).await? {
                tx.fact(Fact::SourceLocked { source: source.to_string() });
            }
            tx.commit().await
        };
        if let Err(fault) = counted.await {
            tracing::error!(%fault, "a refused use of a token could not be counted; it was refused all the same");
        }
    }

    /// Ends the tokens whose time has come, with a fact for each.
    pub(crate) async fn expire_tokens(&self) -> Done<()> {
        let (now, since) = (self.now(), self.since());
        let rows = sqlx::query("SELECT body, seal FROM api_tokens WHERE is_open = 1 AND ends_at <= $1 LIMIT 200").bind(now.0).fetch_all(self.read()).await?;
        for token in self.sound_tokens(&rows, since) {
            let mut tx = self.write(&Actor::system()).await?;
            if let Some(token) = self.token(tx.sql(), &token.id).await?.filter(|token| token.ended.is_none()) {
                self.end_token(&mut tx, token, TokenEnd::Expired, "").await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Ends the open tokens of a person: all of them, or those that do not rest on these roles.
    pub(crate) async fn end_tokens(&self, tx: &mut Tx, person: &PersonId, cause: TokenEnd, kept: Option<&BTreeSet<Role>>) -> Result<usize, Fault> {
        let mut ended = 0;
        for token in self.open_tokens(tx.sql(), person).await? {
            if kept.is_some_and(|roles| token.rests_on(roles)) {
                continue;
            }
            self.end_token(tx, token, cause, "").await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// The open tokens of a person, inside a change.
    pub(crate) async fn open_tokens(&self, conn: &mut AnyConnection, person: &PersonId) -> Result<Vec<ApiToken>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM api_tokens WHERE person = $1 AND is_open = 1").bind(person.as_str().to_owned()).fetch_all(conn).await?;
        Ok(self.sound_tokens(&rows, since))
    }

    async fn end_token(&self, tx: &mut Tx, mut token: ApiToken, cause: TokenEnd, reason: &str) -> Result<(), Fault> {
        token.ended = Some((tx.now(), cause));
        self.save_token(tx, &token).await?;
        tx.fact(Fact::TokenEnded { token: token.id.clone(), person: token.person.clone(), name: token.name.clone(), cause, reason: reason.to_owned() });
        Ok(())
    }

    /// Saves a token that has a row. The next fact of the change must be the one that tells of it.
    async fn save_token(&self, tx: &mut Tx, token: &ApiToken) -> Result<(), Fault> {
        let body = serde_json::to_string(token)?;
        sqlx::query("UPDATE api_tokens SET is_open = $2, body = $3 WHERE id = $1")
            .bind(token.id.as_str().to_owned())
            .bind(i64::from(token.ended.is_none()))
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, token, &body).await
    }

    async fn find_token(&self, code: &str) -> Result<Option<(ApiToken, Option<Timestamp>, bool)>, Fault> {
        if !token::has_form(code) {
            return Ok(None);
        }
        let (hash, since) = (token_hash(code), self.since());
        let Some(row) = sqlx::query("SELECT body, seal, used_at, is_open FROM api_tokens WHERE hash = $1").bind(hash.clone()).fetch_optional(self.read()).await? else { return Ok(None) };
        let token: ApiToken = self.held(&row, since)?;
        // The column found the row; what counts is what is sealed.
        if token.hash != hash {
            return Err(Fault::Damaged(format!("the hash of {} was changed by somebody else", token.id)));
        }
        // Resets and the end of a role find a person's tokens by this column: one that they cannot find is ended.
        let is_open = row.try_get::<i64, _>("is_open")? == 1;
        Ok(Some((token, row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp), is_open)))
    }

    async fn token(&self, conn: &mut AnyConnection, id: &TokenId) -> Result<Option<ApiToken>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM api_tokens WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(conn).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Those of the rows that bear our seal. One that somebody else wrote is good for nothing.
    fn sound_tokens(&self, rows: &[AnyRow], since: u64) -> Vec<ApiToken> {
        rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a token is passed over")).ok()).collect()
    }

    async fn token_rows(&self, rows: &[AnyRow]) -> Done<Vec<TokenRow>> {
        let (now, since) = (self.now(), self.since());
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(token) = self.held::<ApiToken>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a token is passed over")) else { continue };
            let person: Person = serde_json::from_str(row.try_get("person_body")?).map_err(Fault::from)?;
            let used_at = row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp);
            let in_force = token.is_open(now) && person.may_act(now);
            found.push(TokenRow {
                in_force,
                unused: in_force && used_at.unwrap_or(token.made_at).plus(UNUSED) <= now,
                holder: person.name,
                login: person.login,
                robot: person.robot.is_some(),
                used_at,
                used_from: row.try_get("used_from")?,
                token,
            });
        }
        Ok(found)
    }

    /// Counts and writes down that a token was refused. One of ours is named; of an unknown one nothing is kept.
    async fn token_refused(&self, token: Option<&ApiToken>, source: IpAddr, why: &str) -> Denied {
        let mut actor = Actor::system();
        (actor.via, actor.source) = (Via::Api, Some(source.to_string()));
        let written = async {
            let mut tx = self.write(&actor).await?;
            let now = tx.now();
            if count_token_source(tx.sql(), source, now).await? {
                tx.fact(Fact::SourceLocked { source: source.to_string() });
            }
            tx.fact(match token {
                Some(token) => Fact::TokenRefused { token: token.id.clone(), person: token.person.clone(), name: token.name.clone(), why: why.to_owned() },
                None => Fact::Refused { stage: "token".into(), login: String::new(), code: Refusal::TokenRefused.code().to_owned(), detail: String::new() },
            });
            tx.commit().await
        };
        match written.await {
            Ok(()) => Refusal::TokenRefused.into(),
            Err(fault) => fault.into(),
        }
    }

    async fn touch_token(&self, id: &TokenId, source: IpAddr, now: Timestamp) {
        let touched = async {
            let mut tx = self.write(&Actor::system()).await?;
            sqlx::query("UPDATE api_tokens SET used_at = $2, used_from = $3 WHERE id = $1").bind(id.as_str().to_owned()).bind(now.0).bind(source.to_string()).execute(tx.sql()).await?;
            tx.commit().await
        };
        // The log has what a token did; this column only helps to find those that nobody uses.
        if let Err(fault) = touched.await {
            tracing::warn!(%fault, "the use of a token could not be noted");
        }
    }
}
