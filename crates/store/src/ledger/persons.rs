//! Persons: registered, changed, reset, unlocked by the administrator; every right is read from here at each act.

use super::identity::ResetAsk;
use super::{LEDGER_ROWS, body};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::logins::{EnrolmentLink, FIRST_LINK_SPAN, LINK_SPAN, LinkLetter, NoticeKind, end_web_logins, remove_all_factors, remove_all_keys};
use crate::secrets::random_id;
use crate::settings::FirstAdministrator;
use crate::write::Tx;
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, SessionId, VendorId};
use sekisho_core::letter::{Address, Letter};
use sekisho_core::people::{Actor, Person, Role, check_login_name, check_roles, double_roles};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_core::token::{TokenEnd, check_robot};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::collections::BTreeSet;

/// A person to register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewPerson {
    /// Login name; never changes.
    pub login: String,
    /// Family name first.
    pub name: String,
    /// For a vendor's person; never changes.
    pub vendor: Option<VendorId>,
    /// Department or section.
    pub department: String,
    /// Mail address, empty if none.
    pub mail: String,
    /// Telephone, empty if none.
    pub phone: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// End of contract or appointment.
    pub valid_until: Option<Timestamp>,
    /// Last day of the confidentiality pledge, `YYYY-MM-DD`.
    pub pledged_until: Option<String>,
    /// Last day of the security training, `YYYY-MM-DD`.
    pub trained_until: Option<String>,
    /// The link is handed over by whoever registers, although mail is set up and an address known.
    pub by_hand: bool,
}

/// A robot to register: a program with tokens of its own, for which a person answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRobot {
    /// Login name; it names the robot in the log and logs in nowhere.
    pub login: String,
    /// What it is called.
    pub name: String,
    /// For a vendor's robot; never changes.
    pub vendor: Option<VendorId>,
    /// Department or section.
    pub department: String,
    /// Roles, of those that a robot can hold.
    pub roles: BTreeSet<Role>,
    /// Who answers for it: an active person of the same side.
    pub responsible: PersonId,
    /// Its end, if there is one.
    pub valid_until: Option<Timestamp>,
}

/// What may change about a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonChange {
    /// Family name first.
    pub name: String,
    /// Department or section.
    pub department: String,
    /// Mail address, empty if none.
    pub mail: String,
    /// Telephone, empty if none.
    pub phone: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// False disables: every login and session ends at once.
    pub active: bool,
    /// End of contract or appointment.
    pub valid_until: Option<Timestamp>,
    /// Last day of the confidentiality pledge, `YYYY-MM-DD`.
    pub pledged_until: Option<String>,
    /// Last day of the security training, `YYYY-MM-DD`.
    pub trained_until: Option<String>,
    /// Who answers for a robot. A person does not become one, nor a robot a person.
    pub responsible: Option<PersonId>,
}

impl PersonChange {
    /// The person as they are, to change single fields of.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let Person { name, department, mail, phone, roles, active, valid_until, pledged_until, trained_until, robot, .. } = person.clone();
        Self { name, department, mail, phone, roles, active, valid_until, pledged_until, trained_until, responsible: robot }
    }
}

/// A person in the ledger.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PersonRow {
    /// The person.
    pub person: Person,
    /// Until when they are locked out, if they are.
    pub locked_until: Option<Timestamp>,
    /// They have set password and second factor.
    pub enrolled: bool,
    /// Name of their vendor.
    pub vendor_name: Option<String>,
    /// Pairs of roles in one hand that weaken four eyes.
    pub deviations: Vec<(Role, Role)>,
}

const ROWS: &str = "SELECT p.body, v.name AS vendor_name, c.changed_at, f.locked_until FROM persons p LEFT JOIN vendors v ON v.id = p.vendor \
    LEFT JOIN credentials c ON c.person = p.id LEFT JOIN failures f ON f.subject = 'login:' || p.login";

const SESSIONS: &str = "SELECT id FROM sessions WHERE ended_at IS NULL AND person = $1";

impl Store {
    /// The ledger of persons. A vendor manager sees the own vendor's.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn persons(&self, actor: &Actor) -> Done<Vec<PersonRow>> {
        let own = own_vendor(actor)?;
        let text = sqlx::AssertSqlSafe(format!("{ROWS} WHERE $1 IS NULL OR p.vendor = $1 ORDER BY p.login LIMIT $2"));
        let rows = sqlx::query(text).bind(own).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().map(|row| self.person_row(row)).collect::<Result<_, _>>()?)
    }

    /// One person of the ledger.
    ///
    /// # Errors
    /// Without the right to read it; [`Refusal::NotFound`].
    pub async fn person(&self, actor: &Actor, id: &PersonId) -> Done<PersonRow> {
        let own = own_vendor(actor)?;
        let text = sqlx::AssertSqlSafe(format!("{ROWS} WHERE p.id = $1 AND ($2 IS NULL OR p.vendor = $2)"));
        let row = sqlx::query(text).bind(id.as_str().to_owned()).bind(own).fetch_optional(self.read()).await?.ok_or(Refusal::NotFound)?;
        Ok(self.person_row(&row)?)
    }

    fn person_row(&self, row: &sqlx::any::AnyRow) -> Result<PersonRow, Fault> {
        let person: Person = body(row)?;
        let now = self.now();
        Ok(PersonRow {
            locked_until: row.try_get::<Option<i64>, _>("locked_until")?.map(Timestamp).filter(|until| now < *until),
            enrolled: row.try_get::<Option<i64>, _>("changed_at")?.is_some(),
            vendor_name: row.try_get("vendor_name")?,
            deviations: double_roles(&person.roles),
            person,
        })
    }

    /// Registers a person. They can log in once they have used the link.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_person(&self, actor: &Actor, ask: NewPerson) -> Done<(Person, EnrolmentLink)> {
        self.require(actor, Action::KeepLedger, None, "add_person").await?;
        check_login_name(&ask.login)?;
        let mut tx = self.write(actor).await?;
        let by_mail = !ask.by_hand;
        let person = self.insert_person(&mut tx, ask).await?;
        let link = if by_mail && self.reaches_by_mail(&person) {
            self.send_link(&mut tx, &person, "new", LinkLetter::Invitation).await?
        } else {
            self.issue_link(&mut tx, &person, "new", LINK_SPAN).await?
        };
        tx.commit().await?;
        Ok((person, link))
    }

    /// Registers the person who registers all others.
    pub(crate) async fn add_first_administrator(&self, tx: &mut Tx, first: &FirstAdministrator) -> Done<EnrolmentLink> {
        let roles = BTreeSet::from([Role::Administrator]);
        let ask = NewPerson { login: first.login.clone(), name: first.name.clone(), roles, ..NewPerson::default() };
        check_login_name(&ask.login)?;
        let person = self.insert_person(tx, ask).await?;
        Ok(self.issue_link(tx, &person, "first_administrator", FIRST_LINK_SPAN).await?)
    }

    /// Registers a robot. It gets no link: it has no password, no second factor and no keys, and tokens are made for it.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_robot(&self, actor: &Actor, ask: NewRobot) -> Done<Person> {
        self.require(actor, Action::KeepLedger, None, "add_robot").await?;
        check_login_name(&ask.login)?;
        let NewRobot { login, name, vendor, department, roles, responsible, valid_until } = ask;
        let robot = Person {
            id: random_id()?,
            login,
            name,
            vendor,
            department,
            mail: String::new(),
            phone: String::new(),
            roles,
            active: true,
            valid_until,
            pledged_until: None,
            trained_until: None,
            robot: Some(responsible),
            emergency: false,
        };
        let mut tx = self.write(actor).await?;
        self.put_person(&mut tx, &robot).await?;
        tx.commit().await?;
        Ok(robot)
    }

    async fn insert_person(&self, tx: &mut Tx, ask: NewPerson) -> Done<Person> {
        let NewPerson { login, name, vendor, department, mail, phone, roles, valid_until, pledged_until, trained_until, by_hand: _ } = ask;
        let id: PersonId = random_id()?;
        let person = Person { id, login, name, vendor, department, mail, phone, roles, active: true, valid_until, pledged_until, trained_until, robot: None, emergency: false };
        self.put_person(tx, &person).await?;
        Ok(person)
    }

    pub(crate) async fn put_person(&self, tx: &mut Tx, person: &Person) -> Done<()> {
        self.check_person(tx, person).await?;
        let taken = sqlx::query("SELECT id FROM persons WHERE login = $1").bind(person.login.clone()).fetch_optional(tx.sql()).await?;
        if taken.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        let text = serde_json::to_string(person)?;
        sqlx::query("INSERT INTO persons (id, login, vendor, active, body) VALUES ($1, $2, $3, 1, $4)")
            .bind(person.id.as_str().to_owned())
            .bind(person.login.clone())
            .bind(person.vendor.as_ref().map(|id| id.as_str().to_owned()))
            .bind(text.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, person, &text).await?;
        tx.fact(Fact::PersonAdded {
            person: person.id.clone(),
            login: person.login.clone(),
            name: person.name.clone(),
            vendor: person.vendor.clone(),
            roles: person.roles.clone(),
        });
        self.account_kept(tx, &person.id).await?;
        Ok(())
    }

    /// Changes a person. One who is disabled, or loses a role, is out at once: logins end, and sessions are recalled.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::LastAdministrator`]; [`Refusal::NotFound`].
    pub async fn change_person(&self, actor: &Actor, id: &PersonId, change: PersonChange) -> Done<Person> {
        self.require(actor, Action::KeepLedger, None, "change_person").await?;
        let mut tx = self.write(actor).await?;
        let before = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        // Who it is for and what opens it stand in the ledger of emergency accounts.
        if before.emergency {
            return Err(Refusal::NotAllowed.into());
        }
        let PersonChange { name, department, mail, phone, roles, active, valid_until, pledged_until, trained_until, responsible } = change;
        // What is a robot stays one, and its responsible person stays unless another is named.
        let robot = before.robot.clone().map(|held| responsible.unwrap_or(held));
        let after = Person { id: id.clone(), login: before.login.clone(), vendor: before.vendor.clone(), name, department, mail, phone, roles, active, valid_until, pledged_until, trained_until, robot, emergency: before.emergency };
        self.check_person(&mut tx, &after).await?;
        // A closure over the transaction would keep this verb's future from moving between threads.
        let now = tx.now();
        let administers = |person: &Person| person.is(Role::Administrator) && person.may_act(now);
        if administers(&before) && !administers(&after) {
            self.keep_an_administrator(&mut tx, id).await?;
        }
        let text = serde_json::to_string(&after)?;
        sqlx::query("UPDATE persons SET active = $1, body = $2 WHERE id = $3")
            .bind(i64::from(after.active))
            .bind(text.clone())
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &after, &text).await?;
        tx.fact(Fact::PersonChanged { person: id.clone(), roles: after.roles.clone(), active: after.active });
        if before.mail != after.mail {
            self.tell_of_address(&mut tx, &before, &after).await?;
        }
        self.account_kept(&mut tx, id).await?;
        if !after.may_act(now) {
            end_web_logins(&mut tx, id, None, "disabled").await?;
            self.end_ssh_logins(&mut tx, id, "disabled").await?;
            sqlx::query("DELETE FROM enrolments WHERE person = $1").bind(id.as_str().to_owned()).execute(tx.sql()).await?;
            self.end_tokens(&mut tx, id, TokenEnd::Disabled, None).await?;
        }
        self.end_tokens(&mut tx, id, TokenEnd::RoleLost, Some(&after.roles)).await?;
        if !after.may_act(now) || (before.is(Role::Worker) && !after.is(Role::Worker)) {
            recall_sessions(&mut tx, SESSIONS, id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        }
        tx.commit().await?;
        Ok(after)
    }

    /// Tells both addresses that letters go to another one. Whoever had the old one learns of it in time to say that it was not
    /// they who asked; a link that is sent afterwards would open the account.
    async fn tell_of_address(&self, tx: &mut Tx, before: &Person, after: &Person) -> Result<(), Fault> {
        tx.fact(Fact::MailAddressChanged { person: after.id.clone(), before: before.mail.clone(), after: after.mail.clone() });
        // A first address takes no letters away from anybody.
        if before.mail.is_empty() {
            return Ok(());
        }
        let letter = Letter::AddressChanged {
            name: after.name.clone(),
            login: after.login.clone(),
            before: before.mail.clone(),
            after: after.mail.clone(),
            by: tx.actor().name.clone(),
            at: tx.now(),
        };
        for to in [before, after] {
            tx.mail(to, &letter).await?;
        }
        Ok(())
    }

    /// Takes password, second factors and public keys away and issues a new link, after loss or suspicion. Whoever holds
    /// what was lost is out at once: logins end, and sessions are recalled. How the identity was checked stands in the
    /// ledger 本人確認台帳. The link opens only with its hand-over code.
    ///
    /// # Errors
    /// Without reason, evidence or the right; [`Refusal::NotFound`]; [`Refusal::PersonInactive`].
    pub async fn reset_person(&self, actor: &Actor, id: &PersonId, ask: ResetAsk) -> Done<EnrolmentLink> {
        self.require(actor, Action::KeepLedger, None, "reset_person").await?;
        // Nobody resets themselves (domain.md section 3): the link would be handed to a login that ends with the reset.
        if actor.is_person(id) {
            self.note_refused_act(actor, &format!("reset_person {id}"), &Refusal::NotAllowed).await;
            return Err(Refusal::NotAllowed.into());
        }
        let proof = ask.check()?;
        let mut tx = self.write(actor).await?;
        let person = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if !person.may_act(tx.now()) {
            return Err(Refusal::PersonInactive.into());
        }
        // A robot has nothing that could be reset: its tokens are ended one by one, or with it.
        if person.robot.is_some() || person.emergency {
            return Err(Refusal::NotAllowed.into());
        }
        self.remember_password(&mut tx, id).await?;
        sqlx::query("DELETE FROM credentials WHERE person = $1").bind(id.as_str().to_owned()).execute(tx.sql()).await?;
        end_web_logins(&mut tx, id, None, "password_changed").await?;
        self.end_ssh_logins(&mut tx, id, "password_changed").await?;
        remove_all_keys(&mut tx, id).await?;
        remove_all_factors(&mut tx, id).await?;
        self.end_tokens(&mut tx, id, TokenEnd::Reset, None).await?;
        recall_sessions(&mut tx, SESSIONS, id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        self.notice(&mut tx, id, NoticeKind::Reset, &actor.name).await?;
        let reason = format!("reset: {}", ask.claim.reason.trim());
        let by_mail = !ask.by_hand;
        self.note_identity(&mut tx, actor, &person, ask, proof).await?;
        let link = if by_mail && self.reaches_by_mail(&person) {
            self.send_link(&mut tx, &person, &reason, LinkLetter::Reset).await?
        } else {
            self.issue_link_with_code(&mut tx, &person, &reason, LINK_SPAN).await?
        };
        tx.commit().await?;
        Ok(link)
    }

    async fn check_person(&self, tx: &mut Tx, person: &Person) -> Done<()> {
        for (field, text) in [("name", &person.name), ("department", &person.department), ("mail", &person.mail), ("phone", &person.phone)] {
            check_line(field, text)?;
        }
        if person.name.trim().is_empty() {
            return Err(Refusal::bad_field("name").into());
        }
        if !person.mail.is_empty() && Address::parse(&person.mail).is_none() {
            return Err(Refusal::bad_field("mail").into());
        }
        for (field, date) in [("pledged_until", &person.pledged_until), ("trained_until", &person.trained_until)] {
            if date.as_deref().is_some_and(|date| parse_date(date).is_none()) {
                return Err(Refusal::bad_field(field).into());
            }
        }
        check_roles(&person.roles, person.vendor.as_ref(), self.policy().small_facility)?;
        if let Some(responsible) = &person.robot {
            let responsible = self.load_person(tx.sql(), responsible).await?;
            // Who ends a robot need not find somebody for it first.
            if person.active {
                check_robot(person, responsible.as_ref(), tx.now())?;
            }
        }
        if let Some(vendor) = &person.vendor
            && self.load_vendor(tx.sql(), vendor).await?.is_none()
        {
            return Err(Refusal::bad_field("vendor").into());
        }
        Ok(())
    }

    /// Somebody else must be left who can keep the ledgers and has a way to log in.
    async fn keep_an_administrator(&self, tx: &mut Tx, except: &PersonId) -> Done<()> {
        if self.leaves_an_administrator(tx, except).await? { Ok(()) } else { Err(Refusal::LastAdministrator.into()) }
    }

    /// Whether somebody else is left who can keep the ledgers and has a way to log in.
    pub(crate) async fn leaves_an_administrator(&self, tx: &mut Tx, except: &PersonId) -> Result<bool, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal FROM persons p JOIN credentials c ON c.person = p.id WHERE p.active = 1 AND p.vendor IS NULL AND p.id <> $1";
        let rows = sqlx::query(text).bind(except.as_str().to_owned()).fetch_all(tx.sql()).await?;
        let now = tx.now();
        let left = rows.iter().filter_map(|row| self.held::<Person>(row, since).ok()).any(|person| person.is(Role::Administrator) && person.may_act(now));
        Ok(left)
    }
}

/// Sends a word to the sessions that a query names, once the change is durable.
pub(crate) async fn recall_sessions(tx: &mut Tx, query: &'static str, of: &str, word: RecallWord) -> Result<(), Fault> {
    let rows = sqlx::query(query).bind(of.to_owned()).fetch_all(tx.sql()).await?;
    for row in rows {
        let session = SessionId::parse(row.try_get("id")?);
        // A malformed id cannot be told to a gateway, so every session is.
        tx.recall(Recall { session, word: word.clone() });
    }
    Ok(())
}

/// Whose persons the actor may see: everybody's, or those of the own vendor.
fn own_vendor(actor: &Actor) -> Result<Option<String>, Refusal> {
    match &actor.vendor {
        Some(vendor) if actor.is(Role::VendorManager) => Ok(Some(vendor.as_str().to_owned())),
        _ => may(actor, Action::ReadLedger, None).map(|()| None),
    }
}
