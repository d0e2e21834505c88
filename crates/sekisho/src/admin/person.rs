//! `sekisho person …`

use super::table::{pairs, table};
use super::{Reply, Trouble};
use clap::{Args, Subcommand};
use sekisho_core::identity::{CheckMethod, IdentityClaim};
use sekisho_core::people::{Actor, Role};
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_store::{NewPerson, PersonChange, PersonRow, ResetAsk, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Commands on persons.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonCommand {
    /// List all persons
    List,
    /// Show one person
    Show {
        /// Login name
        login: String,
    },
    /// Register a person and print their one-time enrolment link
    #[command(after_help = "Next: hand the link to the person; it sets password and code.")]
    Add(PersonFields),
    /// Change a person; what is not named stays
    Change {
        /// Login name
        login: String,
        /// Display name, family name first
        #[arg(long)]
        name: Option<String>,
        /// Roles, separated by commas
        #[arg(long, value_delimiter = ',')]
        roles: Option<Vec<String>>,
        /// Last day of contract or appointment, YYYY-MM-DD; "none" for no end
        #[arg(long, value_name = "DATE")]
        valid_until: Option<String>,
        /// Last day of the confidentiality pledge, YYYY-MM-DD
        #[arg(long, value_name = "DATE")]
        pledged_until: Option<String>,
        /// Last day of the security training, YYYY-MM-DD
        #[arg(long, value_name = "DATE")]
        trained_until: Option<String>,
        /// Mail address
        #[arg(long)]
        mail: Option<String>,
        /// Telephone
        #[arg(long)]
        phone: Option<String>,
        /// Department or section
        #[arg(long)]
        department: Option<String>,
    },
    /// Disable a person: logins and sessions end at once
    Disable {
        /// Login name
        login: String,
    },
    /// Enable a person again
    Enable {
        /// Login name
        login: String,
    },
    /// Void password and code, and print a new one-time link (after loss; check the person's identity first)
    #[command(after_help = "Next: hand the link to the person, and the hand-over code by another way.")]
    Reset {
        /// Login name
        login: String,
        /// Why: lost, broken, suspected
        #[arg(long)]
        reason: String,
        /// How the identity was checked: in_person, call_back, video, at_the_box
        #[arg(long, default_value = "at_the_box")]
        method: String,
        /// What proved it: last digits of the staff card, the number called back and when
        #[arg(long)]
        evidence: String,
        /// Who checked it, if not who enters this
        #[arg(long, default_value = "")]
        checked_by: String,
        /// Print the link although mail is set up and an address known
        #[arg(long)]
        #[serde(default)]
        by_hand: bool,
    },
    /// Lift the lock after failed logins
    Unlock {
        /// Login name
        login: String,
        /// Why; it stands in the log
        #[arg(long)]
        reason: String,
    },
}

/// Fields of a new person.
#[derive(Debug, Args, Serialize, Deserialize)]
pub struct PersonFields {
    /// Login name: a-z, 0-9, dot, hyphen, underscore
    #[arg(long)]
    pub login: String,
    /// Display name, family name first
    #[arg(long)]
    pub name: String,
    /// Roles, separated by commas: worker, vendor_manager, duty_clerk, operator, supervisor, planner, safety_manager,
    /// auditor, administrator
    #[arg(long, value_delimiter = ',', required = true)]
    pub roles: Vec<String>,
    /// Id or name of the vendor, for a vendor's person
    #[arg(long)]
    pub vendor: Option<String>,
    /// Department or section
    #[arg(long, default_value = "")]
    pub department: String,
    /// Mail address
    #[arg(long, default_value = "")]
    pub mail: String,
    /// Telephone
    #[arg(long, default_value = "")]
    pub phone: String,
    /// Last day of contract or appointment, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub valid_until: Option<String>,
    /// Last day of the confidentiality pledge, YYYY-MM-DD; needed for workers
    #[arg(long, value_name = "DATE")]
    pub pledged_until: Option<String>,
    /// Last day of the security training, YYYY-MM-DD; needed for workers
    #[arg(long, value_name = "DATE")]
    pub trained_until: Option<String>,
    /// Print the link although mail is set up and an address given
    #[arg(long)]
    #[serde(default)]
    pub by_hand: bool,
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: PersonCommand) -> Result<Reply, Trouble> {
    match command {
        PersonCommand::List => {
            let rows = store.persons(by).await?;
            let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, store.clock().now())).collect();
            Ok(Reply::done(serde_json::to_value(&rows)?, table(&["login", "name", "vendor", "roles", "state"], &cells)))
        }
        PersonCommand::Show { login } => {
            let row = find(store, by, &login).await?;
            let text = pairs(&[
                ("login", row.person.login.clone()),
                ("name", row.person.name.clone()),
                ("vendor", row.vendor_name.clone().unwrap_or_default()),
                ("roles", roles_text(&row.person.roles)),
                ("state", state(&row, store.clock().now())),
                ("valid until", row.person.valid_until.map(Timestamp::minute).unwrap_or_default()),
                ("pledged until", row.person.pledged_until.clone().unwrap_or_default()),
                ("trained until", row.person.trained_until.clone().unwrap_or_default()),
            ]);
            Ok(Reply::done(serde_json::to_value(&row)?, text))
        }
        PersonCommand::Add(fields) => {
            let vendor = match &fields.vendor {
                Some(name) => Some(super::vendor::find(store, by, name).await?.id),
                None => None,
            };
            let new = NewPerson {
                login: fields.login,
                name: fields.name,
                vendor,
                department: fields.department,
                mail: fields.mail,
                phone: fields.phone,
                roles: roles(&fields.roles)?,
                valid_until: fields.valid_until.as_deref().map(day_end).transpose()?,
                pledged_until: fields.pledged_until,
                trained_until: fields.trained_until,
                by_hand: fields.by_hand,
            };
            let (person, link) = store.add_person(by, new).await?;
            let mut value = enrolment_json(&link);
            value["person"] = serde_json::to_value(&person)?;
            Ok(Reply::done(value, enrolment_text(&person.name, &link)))
        }
        PersonCommand::Change { login, name, roles: wanted, valid_until, pledged_until, trained_until, mail, phone, department } => {
            let row = find(store, by, &login).await?;
            let mut change = PersonChange::of(&row.person);
            change.name = name.unwrap_or(change.name);
            if let Some(wanted) = wanted {
                change.roles = roles(&wanted)?;
            }
            match valid_until.as_deref() {
                Some("none") => change.valid_until = None,
                Some(date) => change.valid_until = Some(day_end(date)?),
                None => {}
            }
            change.pledged_until = pledged_until.or(change.pledged_until);
            change.trained_until = trained_until.or(change.trained_until);
            change.mail = mail.unwrap_or(change.mail);
            change.phone = phone.unwrap_or(change.phone);
            change.department = department.unwrap_or(change.department);
            save(store, by, &row, change).await
        }
        PersonCommand::Disable { login } => switch(store, by, &login, false).await,
        PersonCommand::Enable { login } => switch(store, by, &login, true).await,
        PersonCommand::Reset { login, reason, method, evidence, checked_by, by_hand } => {
            let row = find(store, by, &login).await?;
            let method = CheckMethod::parse(&method).ok_or_else(|| Trouble::Words(format!("{method:?} は本人確認の方法ではありません。 / {method:?} is no way of checking an identity: {}", CheckMethod::ALL.map(CheckMethod::as_str).join(", "))))?;
            let claim = IdentityClaim { method, checked_by, evidence, reason };
            let link = store.reset_person(by, &row.person.id, ResetAsk { claim, proof: None, by_hand }).await?;
            Ok(Reply::done(enrolment_json(&link), enrolment_text(&row.person.name, &link)))
        }
        PersonCommand::Unlock { login, reason } => {
            let row = find(store, by, &login).await?;
            store.unlock_person(by, &row.person.id, &reason).await?;
            Ok(Reply::done(json!({ "login": login }), format!("{login}: ロックを解除しました。 / unlocked")))
        }
    }
}

async fn switch(store: &Store, by: &Actor, login: &str, active: bool) -> Result<Reply, Trouble> {
    let row = find(store, by, login).await?;
    let mut change = PersonChange::of(&row.person);
    change.active = active;
    save(store, by, &row, change).await
}

async fn save(store: &Store, by: &Actor, row: &PersonRow, change: PersonChange) -> Result<Reply, Trouble> {
    let person = store.change_person(by, &row.person.id, change).await?;
    let text = format!("{} ({}): {}", person.login, person.name, if person.active { "有効 / active" } else { "無効 / disabled" });
    Ok(Reply::done(serde_json::to_value(&person)?, text))
}

pub(super) async fn find(store: &Store, by: &Actor, login: &str) -> Result<PersonRow, Trouble> {
    let rows = store.persons(by).await?;
    rows.into_iter().find(|row| row.person.login == login).ok_or_else(|| Trouble::Words(format!("{login:?} というログイン名の人はいません。 / no person has the login name {login:?}")))
}

fn roles(names: &[String]) -> Result<BTreeSet<Role>, Trouble> {
    names.iter().map(|name| Role::parse(name.trim()).ok_or_else(|| Trouble::Words(format!("{name:?} は役割ではありません。 / {name:?} is no role")))).collect()
}

fn roles_text(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// The moment at which a last day is over, in Japan.
pub(super) fn day_end(date: &str) -> Result<Timestamp, Trouble> {
    let day = parse_date(date).ok_or_else(|| Trouble::Words(format!("{date:?} は 2027-03-31 のような日付ではありません。 / {date:?} is no date such as 2027-03-31")))?;
    Ok(Timestamp::from_jst(day.next_day().unwrap_or(day), 0, 0))
}

fn state(row: &PersonRow, now: Timestamp) -> String {
    let mut words = Vec::new();
    words.push(if row.person.may_act(now) { "active" } else { "disabled" });
    if !row.enrolled {
        words.push("not enrolled");
    }
    if row.locked_until.is_some_and(|until| now < until) {
        words.push("locked");
    }
    if !row.deviations.is_empty() {
        words.push("double role (deviation)");
    }
    words.join(", ")
}

fn cells(row: &PersonRow, now: Timestamp) -> Vec<String> {
    vec![row.person.login.clone(), row.person.name.clone(), row.vendor_name.clone().unwrap_or_default(), roles_text(&row.person.roles), state(row, now)]
}

fn enrolment_json(link: &sekisho_store::EnrolmentLink) -> serde_json::Value {
    let mut value = json!({ "expires_at": link.expires_at });
    match &link.sent_to {
        Some(to) => value["sent_to"] = json!(to),
        None => value["enrolment_url"] = json!(link.url.expose()),
    }
    if let Some(code) = &link.handover {
        value["handover_code"] = json!(code.expose());
    }
    value
}

fn enrolment_text(name: &str, link: &sekisho_store::EnrolmentLink) -> String {
    let until = link.expires_at.minute();
    let mut text = match &link.sent_to {
        Some(to) => format!("{name} さんの登録用リンクを {to} へメールで送ります(期限 {until})。\nThe enrolment link goes to {to} by mail; see `sekisho mail list`.\n"),
        None => format!("{name} さんの登録用リンク(1回だけ使えます。期限 {until}):\nOne-time enrolment link, valid until then:\n\n  {}\n", link.url.expose()),
    };
    if let Some(code) = &link.handover {
        text.push_str(&format!("\n引渡しコード(リンクとは別の方法で本人に伝えてください) / hand-over code, to be told by another way:\n\n  {}\n", code.expose()));
    }
    text
}
