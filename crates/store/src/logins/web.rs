//! Logins of browsers and API clients: begun with both factors, ended by idleness, time, password change or disabling.

use super::factors::Attempt;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::secrets::{Place, Sealed, random_id, random_token, token_hash};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Held, Proof};
use sekisho_core::ids::{DeviceId, PersonId, WebLoginId};
use sekisho_core::people::{Actor, Person, Via};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::net::IpAddr;
use std::time::Duration;

/// The time of the last request is written at most this often, so that reading pages costs no write each.
const TOUCH: Duration = Duration::from_secs(30);
/// Logins that one person may hold at once; the oldest ends when another begins.
const LOGINS: i64 = 10;

/// From where a browser or API client asks for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its address.
    pub source: IpAddr,
    /// The device whose certificate opened the outer door for it; the login then holds from that device alone.
    pub device: Option<DeviceId>,
}

impl From<IpAddr> for Origin {
    fn from(source: IpAddr) -> Self {
        Self { source, device: None }
    }
}

/// A login that has just begun.
#[derive(Clone, Debug)]
pub struct NewLogin {
    /// Goes into the cookie or the client's header. The store keeps only its hash.
    pub token: Secret,
    /// Stands in every form.
    pub csrf: String,
    /// Who.
    pub actor: Actor,
    /// Identifier of the login.
    pub login: WebLoginId,
    /// When it ends in any case.
    pub ends_at: Timestamp,
}

/// A login in force.
#[derive(Clone, Debug)]
pub struct WebLogin {
    /// Identifier.
    pub id: WebLoginId,
    /// Who, with the roles held at this moment.
    pub actor: Actor,
    /// The person, as the ledger has them.
    pub person: Person,
    /// Stands in every form.
    pub csrf: String,
    /// Until when the last one-time code or passkey counts as fresh.
    pub stepped_up_until: Option<Timestamp>,
    /// Until when a recovery code counts for setting up a new factor, and for nothing else.
    pub recovered_until: Option<Timestamp>,
    /// By which factors it was proved; a token for automation has none of its own.
    pub proof: Option<Proof>,
    /// The roles ask for another factor than this login was proved by: it reaches as far as setting that up.
    pub confined: bool,
    /// Which factors the person holds, for what pages offer; nothing is decided by it.
    pub held: Held,
    /// When the login ends in any case.
    pub ends_at: Timestamp,
    /// `ja` or `en`.
    pub lang: String,
    /// Where this request comes from.
    pub source: IpAddr,
    /// The device whose certificate opened the outer door for it. It holds from that device and nowhere else.
    pub device: Option<DeviceId>,
}

fn via_name(via: Via) -> &'static str {
    match via {
        Via::Api => "api",
        _ => "web",
    }
}

/// What the seal of a login binds.
struct LoginRow<'a> {
    id: &'a str,
    hash: &'a str,
    person: &'a str,
    via: &'a str,
    csrf: &'a str,
    ends_at: Timestamp,
    stepped_up: Option<Timestamp>,
    proof: &'a str,
    device: Option<&'a str>,
    through: Option<&'a str>,
}

impl<'a> LoginRow<'a> {
    fn read(row: &'a AnyRow) -> Result<Self, Fault> {
        Ok(Self {
            id: row.try_get("id")?,
            hash: row.try_get("token_hash")?,
            person: row.try_get("person")?,
            via: row.try_get("via")?,
            csrf: row.try_get("csrf")?,
            ends_at: Timestamp(row.try_get("ends_at")?),
            stepped_up: row.try_get::<Option<i64>, _>("stepped_up_until")?.map(Timestamp),
            proof: row.try_get("proof")?,
            device: row.try_get("device")?,
            through: row.try_get("through")?,
        })
    }

    fn bound(&self) -> String {
        let Self { id, hash, person, via, csrf, ends_at, stepped_up, proof, device, through } = self;
        // As a list, so that no text can be moved from one field into the next.
        serde_json::json!([id, hash, person, via, csrf, ends_at.0, stepped_up.map(|at| at.0), proof, device, through]).to_string()
    }
}

impl Store {
    /// Begins a login with password and one-time code together.
    ///
    /// # Errors
    /// One refusal for every failure, or that the name or source must wait.
    pub async fn log_in(&self, login: &str, password: Secret, code: Secret, origin: impl Into<Origin>, via: Via) -> Done<NewLogin> {
        let origin = origin.into();
        let attempt = Attempt { login, source: origin.source, via, stage: "login" };
        let (record, tx) = self.prove(&attempt, Some(&password), &code).await?;
        let proof = record.proof(Proof::PasswordTotp);
        self.begin_login(tx, record.person, proof, origin, via).await
    }

    /// Begins a login once two factors are proved. `proof` can say nothing less.
    pub(super) async fn begin_login(&self, mut tx: Tx, person: Person, proof: Proof, origin: Origin, via: Via) -> Done<NewLogin> {
        let Origin { source, device } = origin;
        let allowed = match self.may_come_from(tx.sql(), &person, source).await {
            Ok(()) => self.served_by(&mut tx, device.as_ref(), &person).await?,
            Err(Denied::Refusal(refusal)) => Err((refusal, source.to_string())),
            Err(fault) => return Err(fault),
        };
        let device_name = match allowed {
            Ok(name) => name,
            Err((refusal, detail)) => {
                // The factors hold, so they are spent and the person is told why; whoever stole them is in the log.
                tx.fact(Fact::Refused { stage: "login".into(), login: person.login.clone(), code: refusal.code().to_owned(), detail });
                tx.commit().await?;
                return Err(refusal.into());
            }
        };
        let (id, token, csrf) = (random_id::<WebLoginId>()?, random_token()?, random_token()?);
        let now = tx.now();
        let ends_at = now.plus(Duration::from_secs(u64::from(self.policy().login_hours) * 3600));
        let surplus = sqlx::query("SELECT id FROM web_logins WHERE person = $1 ORDER BY started_at DESC LIMIT 100 OFFSET $2")
            .bind(person.id.as_str().to_owned())
            .bind(LOGINS - 1)
            .fetch_all(tx.sql())
            .await?;
        for row in surplus {
            sqlx::query("DELETE FROM web_logins WHERE id = $1").bind(row.try_get::<String, _>("id")?).execute(tx.sql()).await?;
            tx.fact(Fact::LoggedOut { cause: "too_many".into() });
        }
        let through = if proof.is_elsewhere() {
            // An administrator may have ended the link while the person was on the way.
            Some(self.link_within(tx.sql(), &person.id).await?.ok_or(Refusal::LoginNeeded)?.source)
        } else {
            None
        };
        // The factor was given this moment, so it counts as fresh. When a provider asked for its own nobody here knows.
        let stepped_up = (proof != Proof::Provider).then(|| now.plus(self.step_up_span()));
        let hash = token_hash(token.expose());
        let seal = self.seal_login(&LoginRow { id: id.as_str(), hash: &hash, person: person.id.as_str(), via: via_name(via), csrf: csrf.expose(), ends_at, stepped_up, proof: proof.as_str(), device: device.as_ref().map(DeviceId::as_str), through: through.as_deref() })?;
        let text = "INSERT INTO web_logins (id, token_hash, person, via, source, csrf, lang, started_at, seen_at, ends_at, stepped_up_until, seal, proof, device, through) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $13, $14)";
        sqlx::query(text)
            .bind(id.as_str().to_owned())
            .bind(hash)
            .bind(person.id.as_str().to_owned())
            .bind(via_name(via))
            .bind(source.to_string())
            .bind(csrf.expose().to_owned())
            .bind("ja")
            .bind(now.0)
            .bind(ends_at.0)
            .bind(stepped_up.map(|until| until.0))
            .bind(seal.into_bytes())
            .bind(proof.as_str())
            .bind(device.as_ref().map(|id| id.as_str().to_owned()))
            .bind(through.clone())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::LoggedIn { proof: Some(proof), through: through.unwrap_or_default(), device, device_name });
        // A one-time code holds for half a minute by the clock of another machine: in a hospital without time servers, the
        // telephone of somebody of its own says each morning that the clock is right (decision 0046).
        let by_phone = matches!(proof, Proof::PasswordTotp | Proof::DirectoryTotp) && person.vendor.is_none();
        let confirmed = if by_phone { self.clock_to_confirm() } else { None };
        if let Some(rested_ms) = confirmed {
            tx.fact(Fact::ClockConfirmed { rested_ms, servers: 0 });
        }
        tx.commit().await?;
        if confirmed.is_some() {
            self.clock_is_confirmed();
        }
        let actor = Actor::of(&person, via, Some(source.to_string()));
        Ok(NewLogin { token, csrf: csrf.expose().to_owned(), actor, login: id, ends_at })
    }

    /// The login that a token belongs to. Counts as a sign of life of its holder.
    ///
    /// # Errors
    /// [`Refusal::LoginNeeded`] for a token that is unknown, ended, or whose person may not act any more.
    pub async fn login_of(&self, token: &str, source: IpAddr) -> Done<WebLogin> {
        let (login, seen_at) = self.find_login(token, source).await?;
        let now = self.now();
        if now >= seen_at.plus(TOUCH) {
            self.touch(&login.id, now).await?;
        }
        Ok(login)
    }

    /// The same for a request that no person made, such as the refresh of an open page: no sign of life, so that a page
    /// left open does not keep its login from ending.
    ///
    /// # Errors
    /// As [`Store::login_of`].
    pub async fn peek_login(&self, token: &str, source: IpAddr) -> Done<WebLogin> {
        self.find_login(token, source).await.map(|(login, _)| login)
    }

    /// A login that has not ended, and when its holder last showed life.
    async fn find_login(&self, token: &str, source: IpAddr) -> Done<(WebLogin, Timestamp)> {
        let since = self.since();
        let text = "SELECT w.id, w.token_hash, w.person, w.via, w.csrf, w.lang, w.seen_at, w.ends_at, w.stepped_up_until, w.proof, w.device, w.through, w.seal AS login_seal, \
            (SELECT count(*) FROM passkeys k WHERE k.person = w.person) AS passkeys, (SELECT count(*) FROM credentials c WHERE c.person = w.person AND length(c.totp) > 0) AS authenticators, \
            p.body, p.seal FROM web_logins w JOIN persons p ON p.id = w.person WHERE w.token_hash = $1";
        let row = sqlx::query(text).bind(token_hash(token)).fetch_optional(self.read()).await?.ok_or(Refusal::LoginNeeded)?;
        self.check_login(&row)?;
        let now = self.now();
        let person: Person = self.held(&row, since)?;
        if person.id.as_str() != row.try_get::<&str, _>("person")? {
            return Err(Refusal::LoginNeeded.into());
        }
        let seen_at = Timestamp(row.try_get("seen_at")?);
        let ends_at = Timestamp(row.try_get("ends_at")?);
        let vendor_active = self.vendor_in_force(person.vendor.as_ref(), now).await?;
        if now >= ends_at || now >= seen_at.plus(self.login_idle()) || !person.may_act(now) || !vendor_active {
            return Err(Refusal::LoginNeeded.into());
        }
        self.may_come_from(self.read(), &person, source).await?;
        let via = if row.try_get::<&str, _>("via")? == "api" { Via::Api } else { Via::Web };
        let proof = Proof::parse(row.try_get("proof")?).ok_or(Refusal::LoginNeeded)?;
        // A directory or provider that was taken out of the configuration proves nobody.
        if let Some(through) = row.try_get::<Option<&str>, _>("through")?
            && self.source(through).is_none()
        {
            return Err(Refusal::LoginNeeded.into());
        }
        // An emergency account comes in by its envelopes alone, and its login holds no longer than the opening.
        if person.emergency != (proof == Proof::Envelopes) || (person.emergency && !self.still_open(&person.id).await?) {
            return Err(Refusal::LoginNeeded.into());
        }
        let fresh_until = row.try_get::<Option<i64>, _>("stepped_up_until")?.map(Timestamp);
        // A recovery code is no factor for grave acts; it leads to a new one.
        let is_recovered = proof.kind() == FactorKind::Recovery;
        let device = row.try_get::<Option<&str>, _>("device")?.map(|id| DeviceId::parse(id).ok_or_else(|| Fault::Damaged("a login names no device that can be".into()))).transpose()?;
        if let Some(device) = &device
            && !self.device_serves(device, &person).await?
        {
            return Err(Refusal::LoginNeeded.into());
        }
        let login = WebLogin {
            confined: proof != Proof::Envelopes && self.is_confined(&person, proof.kind()),
            held: Held { totp: row.try_get::<i64, _>("authenticators")? > 0, passkey: row.try_get::<i64, _>("passkeys")? > 0 },
            id: id_of(row.try_get("id")?)?,
            actor: Actor::of(&person, via, Some(source.to_string())),
            person,
            csrf: row.try_get("csrf")?,
            stepped_up_until: fresh_until.filter(|_| !is_recovered),
            recovered_until: fresh_until.filter(|_| is_recovered),
            proof: Some(proof),
            ends_at,
            lang: row.try_get("lang")?,
            source,
            device,
        };
        Ok((login, seen_at))
    }

    /// The name of the device that a login comes from, which must be one that serves the person; or what stands against it,
    /// with the device. Empty for a login that did not pass the outer door.
    async fn served_by(&self, tx: &mut Tx, device: Option<&DeviceId>, person: &Person) -> Result<Result<String, (Refusal, String)>, Fault> {
        let Some(device) = device else { return Ok(Ok(String::new())) };
        let known = self.load_device(tx.sql(), device).await?.ok_or(Refusal::DeviceUnknown);
        let served = known.and_then(|known| known.may_serve(person).map(|()| known.content.name));
        Ok(served.map_err(|refusal| (refusal, device.to_string())))
    }

    /// Whether a person may come from a device of the register.
    ///
    /// # Errors
    /// A fault.
    pub async fn device_serves(&self, device: &DeviceId, person: &Person) -> Done<bool> {
        Ok(self.load_device(self.read(), device).await?.is_some_and(|known| known.may_serve(person).is_ok()))
    }

    async fn touch(&self, id: &WebLoginId, now: Timestamp) -> Result<(), Fault> {
        let touched = async {
            let mut tx = self.write(&Actor::system()).await?;
            sqlx::query("UPDATE web_logins SET seen_at = $1 WHERE id = $2").bind(now.0).bind(id.as_str().to_owned()).execute(tx.sql()).await?;
            tx.commit().await
        };
        // On a full disk people must still see their pages; the login then ends by idleness at the earliest moment.
        if let Err(fault) = touched.await {
            tracing::warn!(%fault, "a sign of life could not be written");
        }
        Ok(())
    }

    /// Ends a login. Without effect if it has ended.
    ///
    /// # Errors
    /// A fault.
    pub async fn log_out(&self, token: &str) -> Done<()> {
        let text = "SELECT w.id, w.via, p.body FROM web_logins w JOIN persons p ON p.id = w.person WHERE w.token_hash = $1";
        let Some(row) = sqlx::query(text).bind(token_hash(token)).fetch_optional(self.read()).await? else { return Ok(()) };
        let person: Person = serde_json::from_str(row.try_get("body")?)?;
        let via = if row.try_get::<&str, _>("via")? == "api" { Via::Api } else { Via::Web };
        let mut tx = self.write(&Actor::of(&person, via, None)).await?;
        let gone = sqlx::query("DELETE FROM web_logins WHERE id = $1").bind(row.try_get::<String, _>("id")?).execute(tx.sql()).await?;
        if gone.rows_affected() == 1 {
            tx.fact(Fact::LoggedOut { cause: "logout".into() });
        }
        Ok(tx.commit().await?)
    }

    /// Takes a fresh one-time code for acts that need one.
    ///
    /// # Errors
    /// As with a login: a wrong code counts as a failure.
    pub async fn step_up(&self, login: &WebLogin, code: Secret) -> Done<()> {
        if login.actor.token.is_some() {
            return Err(Refusal::TokenNeedsPerson.into());
        }
        if login.proof == Some(Proof::Envelopes) {
            return self.step_up_by_card(login, &code).await;
        }
        let attempt = Attempt { login: &login.person.login, source: login.source, via: login.actor.via, stage: "second_factor" };
        let (_, mut tx) = self.prove(&attempt, None, &code).await?;
        self.fresh_in(&mut tx, login, FactorKind::Totp).await?;
        Ok(tx.commit().await?)
    }

    /// Marks a fresh factor in a login, which is from then on proved by it too.
    pub(super) async fn fresh_in(&self, tx: &mut Tx, login: &WebLogin, kind: FactorKind) -> Done<()> {
        let until = tx.now().plus(self.step_up_span());
        self.reseal(tx, login, Some(until), Some(kind)).await?;
        tx.fact(Fact::SteppedUp { by: Some(kind) });
        Ok(())
    }

    /// Takes the freshness of a login away: what it was given by no longer suffices.
    pub(super) async fn stale_in(&self, tx: &mut Tx, login: &WebLogin) -> Done<()> {
        self.reseal(tx, login, None, None).await
    }

    async fn reseal(&self, tx: &mut Tx, login: &WebLogin, until: Option<Timestamp>, kind: Option<FactorKind>) -> Done<()> {
        let text = "SELECT id, token_hash, person, via, csrf, ends_at, stepped_up_until, proof, device, through, seal AS login_seal FROM web_logins WHERE id = $1";
        let row = sqlx::query(text).bind(login.id.as_str().to_owned()).fetch_optional(tx.sql()).await?.ok_or(Refusal::LoginNeeded)?;
        self.check_login(&row)?;
        let held = LoginRow::read(&row)?;
        let before = Proof::parse(held.proof).ok_or(Refusal::LoginNeeded)?;
        let proof = kind.map_or(before, |kind| before.with(kind)).as_str();
        let seal = self.seal_login(&LoginRow { stepped_up: until, proof, ..held })?;
        sqlx::query("UPDATE web_logins SET stepped_up_until = $1, seal = $2, proof = $3 WHERE id = $4")
            .bind(until.map(|until| until.0))
            .bind(seal.into_bytes())
            .bind(proof)
            .bind(login.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        Ok(())
    }

    /// Whether the last one-time code or passkey is fresh enough for the action.
    ///
    /// # Errors
    /// [`Refusal::StepUpNeeded`].
    pub fn require_step_up(&self, login: &WebLogin, action: Action) -> Result<(), Refusal> {
        if login.actor.emergency && sekisho_core::emergency::is_shut(action) {
            return Err(Refusal::NotAllowed);
        }
        if action.needs_step_up() && login.actor.token.is_some() {
            return Err(Refusal::TokenNeedsPerson);
        }
        // A recovery code given lately is enough to set up a new factor, and for nothing else.
        let recovered = login.recovered_until.filter(|_| action == Action::KeepOwnFactors);
        let fresh = login.stepped_up_until.or(recovered).is_some_and(|until| self.now() < until);
        if fresh || !action.needs_step_up() { Ok(()) } else { Err(Refusal::StepUpNeeded) }
    }

    /// Whether a factor was given lately, as the login's sealed row says at this moment: the request that gave it holds an older
    /// picture of the login.
    pub(crate) async fn is_stepped_up(&self, login: &WebLogin) -> Done<bool> {
        Ok(self.fresh_until(login).await?.is_some_and(|until| self.now() < until))
    }

    /// Until when the factor that was given last counts as fresh, as the login's sealed row says at this moment; `None` if
    /// none was, or no strong one.
    ///
    /// # Errors
    /// [`Refusal::LoginNeeded`] if the login is over.
    pub async fn fresh_until(&self, login: &WebLogin) -> Done<Option<Timestamp>> {
        let text = "SELECT id, token_hash, person, via, csrf, ends_at, stepped_up_until, proof, device, through, seal AS login_seal FROM web_logins WHERE id = $1";
        let row = sqlx::query(text).bind(login.id.as_str().to_owned()).fetch_optional(self.read()).await?.ok_or(Refusal::LoginNeeded)?;
        self.check_login(&row)?;
        let strong = Proof::parse(row.try_get("proof")?).is_some_and(|proof| proof.kind().is_strong());
        let until = row.try_get::<Option<i64>, _>("stepped_up_until")?.map(Timestamp);
        Ok(until.filter(|_| strong))
    }

    /// Chooses the language of this login's pages.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for anything but `ja` and `en`.
    pub async fn set_lang(&self, login: &WebLogin, lang: &str) -> Done<()> {
        if !matches!(lang, "ja" | "en") {
            return Err(Refusal::bad_field("lang").into());
        }
        let mut tx = self.write(&login.actor).await?;
        sqlx::query("UPDATE web_logins SET lang = $1 WHERE id = $2").bind(lang.to_owned()).bind(login.id.as_str().to_owned()).execute(tx.sql()).await?;
        Ok(tx.commit().await?)
    }

    /// Ends the logins whose time has come, with a fact for each.
    pub(crate) async fn expire_web_logins(&self) -> Done<()> {
        let now = self.now();
        let idle_since = now.minus(self.login_idle());
        let text = "SELECT w.id, w.seen_at, w.ends_at, p.body FROM web_logins w JOIN persons p ON p.id = w.person WHERE w.ends_at <= $1 OR w.seen_at <= $2 LIMIT 200";
        let rows = sqlx::query(text).bind(now.0).bind(idle_since.0).fetch_all(self.read()).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for row in rows {
            let person: Person = serde_json::from_str(row.try_get("body")?)?;
            let idle_at = Timestamp(row.try_get("seen_at")?).plus(self.login_idle());
            let cause = if idle_at.0 < row.try_get::<i64, _>("ends_at")? { "idle" } else { "expired" };
            // A request may have come in since the list was made.
            let gone = sqlx::query("DELETE FROM web_logins WHERE id = $1 AND (ends_at <= $2 OR seen_at <= $3)")
                .bind(row.try_get::<String, _>("id")?)
                .bind(now.0)
                .bind(idle_since.0)
                .execute(tx.sql())
                .await?;
            if gone.rows_affected() == 1 {
                tx.fact_by(Actor::of(&person, Via::Web, None), Fact::LoggedOut { cause: cause.into() });
            }
        }
        Ok(tx.commit().await?)
    }

    /// Binds a login to the box's key: who can write to the database makes nobody logged in.
    fn seal_login(&self, login: &LoginRow<'_>) -> Result<Sealed, Fault> {
        self.inner.keys.seal(Place { table: "web_logins", row: &login.bound(), column: "seal" }, b"")
    }

    fn check_login(&self, row: &AnyRow) -> Done<()> {
        let seal = Sealed::from_bytes(row.try_get::<Option<Vec<u8>>, _>("login_seal")?.unwrap_or_default());
        let bound = LoginRow::read(row)?.bound();
        match self.inner.keys.unseal(Place { table: "web_logins", row: &bound, column: "seal" }, &seal) {
            Ok(_) => Ok(()),
            Err(fault) => {
                tracing::error!(%fault, "ALARM: a login was written by somebody else");
                Err(Refusal::LoginNeeded.into())
            }
        }
    }

    fn step_up_span(&self) -> Duration {
        Duration::from_secs(u64::from(self.policy().step_up_minutes) * 60)
    }

    fn login_idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.policy().login_idle_minutes) * 60)
    }
}

/// Ends every login of a person but `except`.
pub(crate) async fn end_web_logins(tx: &mut Tx, person: &PersonId, except: Option<&WebLoginId>, cause: &str) -> Result<(), Fault> {
    let except = except.map_or("", |id| id.as_str()).to_owned();
    let gone = sqlx::query("DELETE FROM web_logins WHERE person = $1 AND id <> $2").bind(person.as_str().to_owned()).bind(except).execute(tx.sql()).await?;
    for _ in 0..gone.rows_affected() {
        tx.fact(Fact::LoggedOut { cause: cause.to_owned() });
    }
    Ok(())
}

fn id_of(text: &str) -> Result<WebLoginId, Fault> {
    WebLoginId::parse(text).ok_or_else(|| Fault::Damaged(format!("{text:?} is no identifier of a login")))
}
