//! Persons, their roles, and the rules that keep hospital and vendor apart.

use crate::ids::{PersonId, VendorId};
use crate::token::TokenUse;
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a person is, as hospitals name it. A person may hold several roles of the same side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 保守要員: a named engineer of a vendor.
    Worker,
    /// 事業者責任者: countersigns for the vendor and sees its own workers' jobs.
    VendorManager,
    /// 当直者: on duty at night, no IT knowledge; allows, watches and cuts emergency work.
    DutyClerk,
    /// システム運用担当者: the hospital's hands-on IT person.
    Operator,
    /// 立会者: watches sessions.
    Supervisor,
    /// 企画管理者: approves and confirms.
    Planner,
    /// 医療情報システム安全管理責任者.
    SafetyManager,
    /// 監査者: reads everything, changes nothing.
    Auditor,
    /// 関所管理者: keeps persons, vendors, targets and settings of the gateway itself.
    Administrator,
}

impl Role {
    /// All roles, in the order of domain.md section 3.
    pub const ALL: [Self; 9] = [
        Self::Worker,
        Self::VendorManager,
        Self::DutyClerk,
        Self::Operator,
        Self::Supervisor,
        Self::Planner,
        Self::SafetyManager,
        Self::Auditor,
        Self::Administrator,
    ];

    /// True for the two roles that belong to a vendor.
    #[must_use]
    pub fn is_vendors(self) -> bool {
        matches!(self, Self::Worker | Self::VendorManager)
    }

    /// The name in configuration, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::VendorManager => "vendor_manager",
            Self::DutyClerk => "duty_clerk",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Planner => "planner",
            Self::SafetyManager => "safety_manager",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// Reads the name that [`Role::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The name as hospital staff say it.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Worker => "保守要員",
            Self::VendorManager => "事業者責任者",
            Self::DutyClerk => "当直者",
            Self::Operator => "システム運用担当者",
            Self::Supervisor => "立会者",
            Self::Planner => "企画管理者",
            Self::SafetyManager => "安全管理責任者",
            Self::Auditor => "監査者",
            Self::Administrator => "関所管理者",
        }
    }

    /// The English name of the interface.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Worker => "Worker",
            Self::VendorManager => "Vendor manager",
            Self::DutyClerk => "Duty clerk",
            Self::Operator => "Operator",
            Self::Supervisor => "Supervisor",
            Self::Planner => "Planner",
            Self::SafetyManager => "Safety manager",
            Self::Auditor => "Auditor",
            Self::Administrator => "Administrator",
        }
    }
}

/// A person as the ledger holds them. Passwords, codes and keys are kept elsewhere, by the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// Identifier.
    pub id: PersonId,
    /// Name used to log in; also the first part of the SSH login.
    pub login: String,
    /// Family name first.
    pub name: String,
    /// `None` for the hospital's own staff.
    pub vendor: Option<VendorId>,
    /// Department (hospital) or section (vendor).
    #[serde(default)]
    pub department: String,
    /// Mail address, empty if none.
    #[serde(default)]
    pub mail: String,
    /// Telephone, empty if none.
    #[serde(default)]
    pub phone: String,
    /// Roles; never empty for an active person.
    pub roles: BTreeSet<Role>,
    /// False once disabled: every login, plan and key of the person stops at once.
    pub active: bool,
    /// End of the contract or appointment; after it the person counts as disabled.
    pub valid_until: Option<Timestamp>,
    /// Date until which the confidentiality pledge (誓約) holds, `YYYY-MM-DD`. Needed for workers.
    pub pledged_until: Option<String>,
    /// Date until which the security training holds, `YYYY-MM-DD`. Needed for workers.
    pub trained_until: Option<String>,
    /// Who answers for it, if this is a robot: a program of its own, with tokens and without password, pages and SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robot: Option<PersonId>,
    /// True for the entry in whose name an emergency account acts. It belongs to no one, and comes in by its envelopes alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

impl Person {
    /// True while the person may act at all.
    #[must_use]
    pub fn may_act(&self, now: Timestamp) -> bool {
        self.active && !self.roles.is_empty() && self.valid_until.is_none_or(|end| now < end)
    }

    /// True if the person holds the role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether pledge and training cover the day of `at` (guideline 10: named, pledged, trained workers).
    #[must_use]
    pub fn is_ready_for_work(&self, at: Timestamp) -> bool {
        let covers = |until: &Option<String>| {
            until.as_deref().and_then(crate::time::parse_date).is_some_and(|last| at.date() <= last)
        };
        covers(&self.pledged_until) && covers(&self.trained_until)
    }
}

/// A vendor or subcontractor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vendor {
    /// Identifier.
    pub id: VendorId,
    /// Registered company name.
    pub name: String,
    /// The vendor on whose behalf a subcontractor (再委託先) works.
    pub subcontractor_of: Option<VendorId>,
    /// 24-hour contact.
    #[serde(default)]
    pub contact: String,
    /// End of the maintenance contract.
    pub contract_until: Option<Timestamp>,
    /// False once the relation ended.
    pub active: bool,
    /// What the hospital's register of subcontractors (再委託) says of it. A subcontractor that it does not name has no
    /// access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcontract: Option<Subcontract>,
}

/// A row of the register of subcontractors. All dates are days, `YYYY-MM-DD`; the last day counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subcontract {
    /// When the hospital approved of it.
    pub approved_on: String,
    /// Who approved, as the paper says.
    pub approved_by: String,
    /// Last day of the subcontractor's pledge of confidentiality.
    pub pledged_until: String,
    /// Last day of its staff's security training.
    pub trained_until: String,
    /// Last day of the contract between vendor and subcontractor.
    pub contract_until: String,
}

impl Subcontract {
    /// The fields that hold dates, by name.
    #[must_use]
    pub fn dates(&self) -> [(&'static str, &str); 4] {
        [("approved_on", &self.approved_on), ("pledged_until", &self.pledged_until), ("trained_until", &self.trained_until), ("subcontract_until", &self.contract_until)]
    }

    /// True while approval, pledge, training and contract cover this moment.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let day = |text: &str| crate::time::parse_date(text);
        let today = now.date();
        let holds = |last: &str| day(last).is_some_and(|last| today <= last);
        day(&self.approved_on).is_some_and(|first| first <= today) && [&self.pledged_until, &self.trained_until, &self.contract_until].into_iter().all(|last| holds(last))
    }
}

impl Vendor {
    /// True while its own contract holds and, for a subcontractor, its row of the register. Those it works for are not
    /// looked at here.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let registered = self.subcontractor_of.is_none() || self.subcontract.as_ref().is_some_and(|row| row.is_in_force(now));
        self.active && self.contract_until.is_none_or(|end| now < end) && registered
    }
}

/// Checks the form of a login name: 2 to 32 of `a-z 0-9 . _ -`, beginning with a letter.
///
/// `+`, `@` and `/` can never occur, because the SSH login joins worker and target with `+`.
///
/// # Errors
/// [`Refusal::BadField`] with the field's name.
pub fn check_login_name(login: &str) -> Result<(), Refusal> {
    let sound = (2..=limits::LOGIN_NAME_CHARS).contains(&login.len())
        && login.starts_with(|c: char| c.is_ascii_lowercase())
        && login.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    if sound { Ok(()) } else { Err(Refusal::bad_field("login")) }
}

/// Checks that a set of roles may be held together by one person of this side.
///
/// A vendor's person never holds a right over the gateway (guideline 14.1.1), and an auditor never holds a right to
/// change. Planner together with operator is a double role: allowed only in the small-facility profile, and shown.
///
/// # Errors
/// The refusal that names the rule.
pub fn check_roles(roles: &BTreeSet<Role>, vendor: Option<&VendorId>, small_facility: bool) -> Result<(), Refusal> {
    if roles.is_empty() {
        return Err(Refusal::bad_field("roles"));
    }
    if vendor.is_some() && roles.iter().any(|role| !role.is_vendors()) {
        return Err(Refusal::VendorHoldsHospitalRole);
    }
    if vendor.is_none() && roles.iter().any(|role| role.is_vendors()) {
        return Err(Refusal::HospitalHoldsVendorRole);
    }
    if roles.contains(&Role::Auditor) && roles.len() > 1 {
        return Err(Refusal::AuditorMayNotChange);
    }
    if !small_facility && !double_roles(roles).is_empty() {
        return Err(Refusal::DoubleRole);
    }
    Ok(())
}

/// Pairs of roles in one hand that weaken four eyes. The small-facility profile permits and displays them.
#[must_use]
pub fn double_roles(roles: &BTreeSet<Role>) -> Vec<(Role, Role)> {
    [(Role::Operator, Role::Planner), (Role::Administrator, Role::Planner)]
        .into_iter()
        .filter(|(a, b)| roles.contains(a) && roles.contains(b))
        .collect()
}

/// Who acts: a person whose identity was proved, or the box itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `None` for the system and the console.
    pub person: Option<PersonId>,
    /// Login name, or `system`, or `console`.
    pub login: String,
    /// Display name.
    pub name: String,
    /// Roles held at the moment of the act.
    pub roles: BTreeSet<Role>,
    /// The vendor the person belongs to.
    pub vendor: Option<VendorId>,
    /// How the act came in.
    pub via: Via,
    /// Source address, if any.
    pub source: Option<String>,
    /// The token that it came in by, if one did. It narrows what the roles reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenUse>,
    /// True for an emergency account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

/// The door by which an act came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A page.
    Web,
    /// The HTTP API.
    Api,
    /// The SSH gateway.
    Ssh,
    /// A command on the box's own console.
    Console,
    /// A job of the box itself (deadlines, sweeps).
    System,
}

impl Actor {
    /// The box itself.
    #[must_use]
    pub fn system() -> Self {
        Self::without_person("system", "関所", Via::System)
    }

    /// Whoever sits at the box's own console with the rights of its operating-system account.
    #[must_use]
    pub fn console() -> Self {
        Self::without_person("console", "コンソール", Via::Console)
    }

    fn without_person(login: &str, name: &str, via: Via) -> Self {
        Self { person: None, login: login.into(), name: name.into(), roles: BTreeSet::new(), vendor: None, via, source: None, token: None, emergency: false }
    }

    /// The person behind a proved login.
    #[must_use]
    pub fn of(person: &Person, via: Via, source: Option<String>) -> Self {
        Self {
            person: Some(person.id.clone()),
            login: person.login.clone(),
            name: person.name.clone(),
            roles: person.roles.clone(),
            vendor: person.vendor.clone(),
            via,
            source,
            token: None,
            emergency: person.emergency,
        }
    }

    /// True if the actor holds the role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// True for a person of the hospital (not of a vendor, not the box).
    #[must_use]
    pub fn is_hospital(&self) -> bool {
        self.person.is_some() && self.vendor.is_none()
    }

    /// True if the actor is this person.
    #[must_use]
    pub fn is_person(&self, id: &PersonId) -> bool {
        self.person.as_ref() == Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(list: &[Role]) -> BTreeSet<Role> {
        list.iter().copied().collect()
    }

    #[test]
    fn login_names_cannot_carry_separators() {
        for good in ["sato", "k.tanaka", "w-01"] {
            assert_eq!(check_login_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a", "Sato", "sato+ehr", "sato@x", "1sato", "../x", "佐藤", "sato ", "a\n"] {
            assert!(check_login_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_vendors_person_never_holds_a_right_of_the_hospital() {
        let vendor = VendorId::from_random([1; 10]);
        for role in Role::ALL.into_iter().filter(|role| !role.is_vendors()) {
            let held = roles(&[Role::Worker, role]);
            assert_eq!(check_roles(&held, Some(&vendor), true), Err(Refusal::VendorHoldsHospitalRole));
        }
    }

    #[test]
    fn planner_and_operator_in_one_hand_only_in_a_small_facility() {
        let held = roles(&[Role::Operator, Role::Planner]);
        assert_eq!(check_roles(&held, None, false), Err(Refusal::DoubleRole));
        assert_eq!(check_roles(&held, None, true), Ok(()));
        assert_eq!(double_roles(&held), vec![(Role::Operator, Role::Planner)]);
    }

    #[test]
    fn an_auditor_is_nothing_else() {
        assert_eq!(check_roles(&roles(&[Role::Auditor, Role::Operator]), None, true), Err(Refusal::AuditorMayNotChange));
        assert_eq!(check_roles(&roles(&[Role::Auditor]), None, false), Ok(()));
    }
}
