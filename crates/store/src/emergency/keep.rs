//! Keeping emergency accounts: made, changed, retired; envelopes printed and looked at.

use super::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::emergency::{EmergencyAccount, EmergencyState, Envelope, Half, ROLES};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{EmergencyId, PersonId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role, check_login_name};
use sekisho_core::permission::Action;
use sekisho_core::plan::content::{check_line, check_text};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeSet;

/// An emergency account as it is to be.
#[derive(Clone, Debug, Default)]
pub struct EmergencyAsk {
    /// Login name; given when it is made, and never changed.
    pub login: String,
    /// Display name.
    pub name: String,
    /// Its duties.
    pub roles: BTreeSet<Role>,
    /// What it is for, and where the procedure stands.
    pub purpose: String,
    /// Who is told at once when it is opened.
    pub told: Vec<PersonId>,
}

/// What is printed for one envelope, this once.
pub struct EnvelopeSheet {
    /// The account.
    pub account: EmergencyAccount,
    /// Which half.
    pub half: Half,
    /// The envelope.
    pub envelope: Envelope,
    /// The password, or the codes of the card.
    pub secrets: Vec<Secret>,
}

impl Store {
    /// Makes an emergency account. Nobody can open it until both envelopes were printed.
    ///
    /// # Errors
    /// The rule that forbids it; the field that is wrong; [`Refusal::NameTaken`].
    pub async fn add_emergency(&self, actor: &Actor, ask: EmergencyAsk) -> Done<EmergencyAccount> {
        self.require(actor, Action::KeepLedger, None, "add_emergency").await?;
        check_login_name(&ask.login)?;
        check_roles(&ask.roles)?;
        let mut tx = self.write(actor).await?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM emergency_accounts a JOIN persons p ON p.id = a.person WHERE p.active = 1").fetch_one(tx.sql()).await?;
        if usize::try_from(row.try_get::<i64, _>("n")?).unwrap_or(usize::MAX) >= limits::EMERGENCY_ACCOUNTS {
            return Err(Refusal::too_many("EMERGENCY_ACCOUNTS").into());
        }
        let (told, names) = self.named(&mut tx, &ask).await?;
        let person = Person {
            id: random_id()?,
            login: ask.login.clone(),
            name: ask.name.clone(),
            vendor: None,
            department: String::new(),
            mail: String::new(),
            phone: String::new(),
            roles: ask.roles,
            active: true,
            valid_until: None,
            pledged_until: None,
            trained_until: None,
            robot: None,
            emergency: true,
        };
        self.put_person(&mut tx, &person).await?;
        let account = EmergencyAccount {
            id: random_id()?,
            person: person.id,
            login: ask.login,
            name: ask.name,
            purpose: ask.purpose,
            told,
            retired: false,
            serial: 0,
            password: None,
            card: None,
            spent: 0,
            open: None,
            open_until: None,
        };
        sqlx::query("INSERT INTO emergency_accounts (id, person, login, is_open, body) VALUES ($1, $2, $3, 0, '')")
            .bind(account.id.as_str().to_owned())
            .bind(account.person.as_str().to_owned())
            .bind(account.login.clone())
            .execute(tx.sql())
            .await?;
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EmergencyKept { account: account.id.clone(), login: account.login.clone(), told: names, active: true });
        tx.commit().await?;
        Ok(account)
    }

    /// Changes what an account is for and who is told. Its roles and name stay: an envelope that lies sealed must open what
    /// it was sealed for.
    ///
    /// # Errors
    /// The rule that forbids it; the field that is wrong; [`Refusal::EmergencyState`] once it is out of service.
    pub async fn change_emergency(&self, actor: &Actor, id: &EmergencyId, ask: EmergencyAsk) -> Done<EmergencyAccount> {
        self.require(actor, Action::KeepLedger, None, "change_emergency").await?;
        let mut tx = self.write(actor).await?;
        let mut account = self.load_emergency(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if account.retired {
            return Err(Refusal::EmergencyState.into());
        }
        let (told, names) = self.named(&mut tx, &ask).await?;
        (account.told, account.purpose) = (told, ask.purpose);
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EmergencyKept { account: account.id.clone(), login: account.login.clone(), told: names, active: true });
        tx.commit().await?;
        Ok(account)
    }

    /// Takes an account out of service: its envelopes open nothing any more.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::EmergencyState`] while it is open.
    pub async fn retire_emergency(&self, actor: &Actor, id: &EmergencyId) -> Done<()> {
        self.require(actor, Action::KeepLedger, None, "retire_emergency").await?;
        let mut tx = self.write(actor).await?;
        let mut account = self.load_emergency(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if matches!(account.state(), EmergencyState::Opened | EmergencyState::Retired) {
            return Err(Refusal::EmergencyState.into());
        }
        let person = self.load_person(tx.sql(), &account.person).await?.ok_or(Refusal::NotFound)?;
        account.retired = true;
        self.end_envelopes(&mut tx, &mut account, "retired").await?;
        self.disable_any(&mut tx, &person).await?;
        Ok(tx.commit().await?)
    }

    /// Makes what is in an envelope open nothing: the hashes go, and the row says so.
    pub(super) async fn end_envelopes(&self, tx: &mut Tx, account: &mut EmergencyAccount, why: &str) -> Result<(), Fault> {
        (account.password, account.card, account.spent) = (None, None, 0);
        sqlx::query("UPDATE emergency_accounts SET password = NULL, card = NULL WHERE id = $1").bind(account.id.as_str().to_owned()).execute(tx.sql()).await?;
        self.save_emergency(tx, account).await?;
        tx.fact(Fact::EmergencyEnded { account: account.id.clone(), login: account.login.clone(), why: why.to_owned() });
        Ok(())
    }

    /// Draws what goes into an envelope, for printing this once. What was in the envelope before opens nothing any more.
    ///
    /// # Errors
    /// The rule that forbids it; [`EmergencyAccount::may_make`]; the field that is wrong.
    pub async fn make_envelope(&self, actor: &Actor, id: &EmergencyId, half: Half, holder: &str, place: &str) -> Done<EnvelopeSheet> {
        self.require(actor, Action::KeepEmergency, None, "make_envelope").await?;
        for (field, text) in [("holder", holder), ("place", place)] {
            check_line(field, text)?;
            if text.trim().is_empty() {
                return Err(Refusal::bad_field(field).into());
            }
        }
        // The console prints on a terminal that keeps what it showed; an envelope is made by a person at a page.
        let by = actor.person.clone().filter(|_| actor.token.is_none()).ok_or(Refusal::NotAllowed)?;
        let mut tx = self.write(actor).await?;
        let mut account = self.load_emergency(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        account.may_make(half, &by, self.policy())?;
        account.serial = account.serial.saturating_add(1);
        let now = tx.now();
        let envelope = Envelope {
            number: format!("{}-{}", account.login, account.serial),
            made_by: by,
            made_by_name: actor.name.clone(),
            made_at: now,
            holder: holder.trim().to_owned(),
            place: place.trim().to_owned(),
            seen_at: now,
            seen_by: actor.name.clone(),
        };
        let (secrets, sealed) = self.draw_half(&account.id, &envelope.number, half)?;
        let query = match half {
            Half::Password => "UPDATE emergency_accounts SET password = $1 WHERE id = $2",
            Half::Card => "UPDATE emergency_accounts SET card = $1 WHERE id = $2",
        };
        sqlx::query(query).bind(sealed.into_bytes()).bind(account.id.as_str().to_owned()).execute(tx.sql()).await?;
        match half {
            Half::Password => account.password = Some(envelope.clone()),
            Half::Card => (account.card, account.spent) = (Some(envelope.clone()), 0),
        }
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EnvelopeMade {
            account: account.id.clone(),
            login: account.login.clone(),
            half,
            number: envelope.number.clone(),
            holder: envelope.holder.clone(),
            place: envelope.place.clone(),
        });
        tx.commit().await?;
        Ok(EnvelopeSheet { account, half, envelope, secrets })
    }

    /// Notes that somebody looked at the envelopes. Where they are not sealed and in their place, what is in them ends at
    /// once.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::ReasonNeeded`] if they are not intact and nothing is said;
    /// [`Refusal::EmergencyState`] unless it is sealed.
    pub async fn see_envelopes(&self, actor: &Actor, id: &EmergencyId, intact: bool, note: &str) -> Done<()> {
        self.require(actor, Action::KeepEmergency, None, "see_envelopes").await?;
        check_text("note", note)?;
        if !intact && note.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let mut account = self.load_emergency(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if account.state() != EmergencyState::Sealed {
            return Err(Refusal::EmergencyState.into());
        }
        let now: Timestamp = tx.now();
        if intact {
            for envelope in [&mut account.password, &mut account.card].into_iter().flatten() {
                (envelope.seen_at, envelope.seen_by) = (now, actor.name.clone());
            }
        }
        self.save_emergency(&mut tx, &account).await?;
        tx.fact(Fact::EnvelopesSeen { account: account.id.clone(), login: account.login.clone(), intact, note: note.trim().to_owned() });
        if !intact {
            self.end_envelopes(&mut tx, &mut account, "broken").await?;
        }
        Ok(tx.commit().await?)
    }

    /// Those who are told, as they stand in the ledger: persons of the hospital who can act.
    async fn named(&self, tx: &mut Tx, ask: &EmergencyAsk) -> Done<(Vec<PersonId>, Vec<String>)> {
        check_text("purpose", &ask.purpose)?;
        check_line("name", &ask.name)?;
        let different: BTreeSet<&PersonId> = ask.told.iter().collect();
        if different.is_empty() || different.len() > limits::EMERGENCY_TOLD {
            return Err(Refusal::bad_field("told").into());
        }
        let now = tx.now();
        let (mut told, mut names) = (Vec::new(), Vec::new());
        for id in different {
            let person = self.load_person(tx.sql(), id).await?.filter(|person| person.vendor.is_none() && person.robot.is_none() && !person.emergency && person.may_act(now));
            let person = person.ok_or_else(|| Refusal::bad_field("told"))?;
            told.push(person.id);
            names.push(person.name);
        }
        Ok((told, names))
    }
}

fn check_roles(roles: &BTreeSet<Role>) -> Result<(), Refusal> {
    if roles.iter().all(|role| ROLES.contains(role)) { Ok(()) } else { Err(Refusal::bad_field("roles")) }
}
