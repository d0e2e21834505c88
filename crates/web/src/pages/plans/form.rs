//! The form of a plan: what was typed, kept as it was typed, and what it means.
//!
//! Decoding never fails. A field that cannot be read stays as the person typed it and gets an error of its own, so
//! that nothing is lost when the page comes back.

use sekisho_core::ids::{PersonId, VendorId};
use sekisho_core::limits;
use sekisho_core::plan::content::{Attachment, CarryOut, FileIn, PersonalDataUse, PlanContent, WorkClass};
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_core::target::Function;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

mod commands;
mod target;

pub use target::{ForwardRow, LimitRow, TargetRow};

/// Rows of one repeated group that are read at all; the limits of a plan are smaller and are checked by its rules.
pub(super) const ROWS_READ: usize = 250;

/// The errors of a form: name of the field, key of the sentence.
pub type Errors = BTreeMap<String, &'static str>;

/// One file to bring in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// What tells this row's fields from those of the others.
    pub key: String,
    /// File name.
    pub name: String,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Where and with what it was sanitised.
    pub sanitised: String,
}

/// One rule for commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// What tells this row's fields from those of the others.
    pub key: String,
    /// What it names.
    pub pattern: String,
    /// What happens.
    pub act: String,
    /// Why.
    pub reason: String,
}

/// Everything that the form holds, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of PlanContent, as text")]
pub struct PlanForm {
    pub vendor: String,
    pub emergency: bool,
    pub title: String,
    pub class: String,
    pub purpose: String,
    pub targets: Vec<TargetRow>,
    pub privileged_reason: String,
    pub personal_data: bool,
    pub personal_whose: String,
    pub personal_why: String,
    pub files: Vec<FileRow>,
    pub carry_out: bool,
    pub carry_purpose: String,
    pub carry_number: String,
    pub carry_fields: String,
    pub carry_storage: String,
    pub workers: Vec<String>,
    pub sources: String,
    pub line: String,
    pub from: String,
    pub until: String,
    pub steps: String,
    pub commands: String,
    pub impact: String,
    pub stop_minutes: String,
    pub rollback: String,
    pub acceptance: String,
    pub witness: String,
    pub unplanned: String,
    pub rules: Vec<RuleRow>,
    pub contact: String,
    pub subcontractor: String,
    pub emergency_reason: String,
    /// Version of the plan that the form was drawn from; empty for a new one.
    pub version: String,
}

/// Line breaks of a browser's text area are CRLF; the plan keeps LF, so that print and digest do not depend on them.
fn text(value: &str) -> String {
    value.replace("\r\n", "\n")
}

/// A one-line field, without the spaces around it.
fn line(value: &str) -> String {
    value.trim().to_owned()
}

fn row<'a, T: Default>(rows: &'a mut Vec<T>, key: &str, key_of: impl Fn(&T) -> &str, name: impl Fn(&mut T, String)) -> Option<&'a mut T> {
    let place = rows.iter().position(|row| key_of(row) == key);
    let place = match place {
        Some(place) => place,
        None if rows.len() >= ROWS_READ => return None,
        None => {
            let mut fresh = T::default();
            name(&mut fresh, key.chars().take(16).collect());
            rows.push(fresh);
            rows.len() - 1
        }
    };
    rows.get_mut(place)
}

impl PlanForm {
    /// Reads the fields of a form in the order in which they came. Unknown fields are passed over.
    #[must_use]
    pub fn read(fields: &[(String, String)]) -> Self {
        let mut form = Self::default();
        for (name, value) in fields {
            if let Some((group, key)) = name.split_once('.') {
                form.read_row(group, key, value);
                continue;
            }
            match name.as_str() {
                "vendor" => form.vendor = line(value),
                "emergency" => form.emergency = value == "1",
                "title" => form.title = line(value),
                "class" => form.class = line(value),
                "purpose" => form.purpose = text(value),
                "privileged_reason" => form.privileged_reason = text(value),
                "personal_data" => form.personal_data = value == "yes",
                "personal_whose" => form.personal_whose = text(value),
                "personal_why" => form.personal_why = text(value),
                "carry_out" => form.carry_out = value == "yes",
                "carry_purpose" => form.carry_purpose = text(value),
                "carry_number" => form.carry_number = text(value),
                "carry_fields" => form.carry_fields = text(value),
                "carry_storage" => form.carry_storage = text(value),
                "workers" if form.workers.len() < ROWS_READ => form.workers.push(line(value)),
                "sources" => form.sources = text(value),
                "line" => form.line = line(value),
                "from" => form.from = line(value),
                "until" => form.until = line(value),
                "steps" => form.steps = text(value),
                "commands" => form.commands = text(value),
                "impact" => form.impact = text(value),
                "stop_minutes" => form.stop_minutes = line(value),
                "rollback" => form.rollback = text(value),
                "acceptance" => form.acceptance = text(value),
                "witness" => form.witness = line(value),
                "unplanned" => form.unplanned = line(value),
                "contact" => form.contact = line(value),
                "subcontractor" => form.subcontractor = line(value),
                "emergency_reason" => form.emergency_reason = text(value),
                "version" => form.version = line(value),
                _ => {}
            }
        }
        form
    }

    fn read_row(&mut self, group: &str, key: &str, value: &str) {
        let file = |rows| row::<FileRow>(rows, key, |row| &row.key, |row, key| row.key = key);
        match group {
            "account" | "function" | "right" | "key_window" | "upload_amount" | "upload_unit" | "upload_files" | "download_amount" | "download_unit"
            | "download_files" | "forward_host" | "forward_port" | "forward_full" => {
                let (key, below) = key.split_once('.').unwrap_or((key, "0"));
                if let Some(row) = row::<TargetRow>(&mut self.targets, key, |row| &row.key, |row, key| row.key = key) {
                    row.read(group, below, value);
                }
            }
            "rule_pattern" | "rule_act" | "rule_reason" => {
                if let Some(row) = row::<RuleRow>(&mut self.rules, key, |row| &row.key, |row, key| row.key = key) {
                    row.read(group, value);
                }
            }
            "file_name" => {
                if let Some(row) = file(&mut self.files) {
                    row.name = line(value);
                }
            }
            "file_sha256" => {
                if let Some(row) = file(&mut self.files) {
                    row.sha256 = line(value).to_ascii_lowercase();
                }
            }
            "file_sanitised" => {
                if let Some(row) = file(&mut self.files) {
                    row.sanitised = line(value);
                }
            }
            _ => {}
        }
    }

    /// The form of a plan as it stands.
    #[must_use]
    pub fn of(vendor: &VendorId, content: &PlanContent, version: Option<u64>) -> Self {
        let local = |at: Timestamp| if at == Timestamp::default() { String::new() } else { at.local() };
        let joined = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>().join("\n");
        let personal = content.personal_data.as_ref();
        let carry = content.carry_out.as_ref();
        let file = |(index, file): (usize, &FileIn)| FileRow {
            key: index.to_string(),
            name: file.name.clone(),
            sha256: file.sha256.clone(),
            sanitised: file.sanitised.clone(),
        };
        Self {
            vendor: vendor.to_string(),
            emergency: content.emergency_reason.is_some(),
            title: content.title.clone(),
            class: content.class.as_str().to_owned(),
            purpose: content.purpose.clone(),
            targets: content.targets.iter().enumerate().map(|(index, used)| TargetRow::of(index, used)).collect(),
            privileged_reason: content.privileged_reason.clone(),
            personal_data: personal.is_some(),
            personal_whose: personal.map(|data| data.whose.clone()).unwrap_or_default(),
            personal_why: personal.map(|data| data.why.clone()).unwrap_or_default(),
            files: content.bring_in.iter().enumerate().map(file).collect(),
            carry_out: carry.is_some(),
            carry_purpose: carry.map(|out| out.purpose.clone()).unwrap_or_default(),
            carry_number: carry.map(|out| out.number.clone()).unwrap_or_default(),
            carry_fields: carry.map(|out| out.fields.clone()).unwrap_or_default(),
            carry_storage: carry.map(|out| out.storage.clone()).unwrap_or_default(),
            workers: content.workers.iter().map(ToString::to_string).collect(),
            sources: joined(&mut content.sources.iter().map(ToString::to_string)),
            line: content.line.clone(),
            from: local(content.from),
            until: local(content.until),
            steps: content.steps.clone(),
            commands: joined(&mut content.commands.iter().cloned()),
            impact: content.impact.clone(),
            stop_minutes: content.stop_minutes.to_string(),
            rollback: content.rollback.clone(),
            acceptance: content.acceptance.clone(),
            witness: commands::witness_of(content),
            unplanned: content.unplanned.map(|act| act.as_str().to_owned()).unwrap_or_default(),
            rules: if content.rules.is_empty() { vec![RuleRow::blank()] } else { content.rules.iter().enumerate().map(RuleRow::of).collect() },
            contact: content.contact.clone(),
            subcontractor: content.subcontractor.as_ref().map(ToString::to_string).unwrap_or_default(),
            emergency_reason: content.emergency_reason.clone().unwrap_or_default(),
            version: version.map(|version| version.to_string()).unwrap_or_default(),
        }
    }

    /// A new form with one empty row of each group, so that it is usable without scripts.
    #[must_use]
    pub fn blank(vendor: Option<&VendorId>, emergency: bool) -> Self {
        let class = if emergency { WorkClass::Fault } else { WorkClass::Periodic };
        Self {
            vendor: vendor.map(ToString::to_string).unwrap_or_default(),
            emergency,
            class: class.as_str().into(),
            targets: vec![TargetRow::blank()],
            witness: "none".into(),
            rules: vec![RuleRow::blank()],
            stop_minutes: "0".into(),
            ..Self::default()
        }
    }

    /// The vendor named, if it is an identifier at all.
    #[must_use]
    pub fn vendor_id(&self) -> Option<VendorId> {
        VendorId::parse(&self.vendor)
    }

    /// The version that the form was drawn from.
    #[must_use]
    pub fn expected_version(&self) -> Option<u64> {
        self.version.parse().ok()
    }

    /// What the form means. `attachments` are those that the plan has; the form does not carry them.
    ///
    /// Errors are those of a form that cannot be kept even as a draft.
    #[must_use]
    pub fn content(&self, attachments: Vec<Attachment>) -> (PlanContent, Errors) {
        let mut errors = Errors::new();
        let mut content = PlanContent {
            title: self.title.clone(),
            purpose: self.purpose.clone(),
            privileged_reason: self.privileged_reason.clone(),
            line: self.line.clone(),
            steps: self.steps.clone(),
            impact: self.impact.clone(),
            rollback: self.rollback.clone(),
            acceptance: self.acceptance.clone(),
            contact: self.contact.clone(),
            attachments,
            ..PlanContent::default()
        };
        commands::read_into(self, &mut content, &mut errors);
        for used in self.targets.iter().filter(|row| !row.account.is_empty()) {
            match used.meaning() {
                Ok(used) => content.targets.push(used),
                Err(mistake) => target::note(&mut errors, &used.key, mistake),
            }
        }
        let mut bad = |field: &str, why: &'static str| {
            errors.entry(field.to_owned()).or_insert(why);
        };
        match WorkClass::parse(&self.class) {
            Some(class) => content.class = class,
            None => bad("class", "plans.error.choose"),
        }
        for id in self.workers.iter().filter(|id| !id.is_empty()) {
            match PersonId::parse(id) {
                Some(id) if content.workers.contains(&id) => {}
                Some(id) => content.workers.push(id),
                None => bad("workers", "plans.error.choose"),
            }
        }
        for text in lines(&self.sources) {
            match Network::parse(text) {
                Some(network) => content.sources.push(network),
                None => bad("sources", "plans.error.network"),
            }
        }
        content.commands = lines(&self.commands).map(str::to_owned).collect();
        content.bring_in = self.files.iter().filter(|file| !file.name.is_empty() || !file.sha256.is_empty()).map(file_in).collect();
        for file in &content.bring_in {
            if file.name.is_empty() {
                bad("files", "plans.error.file_name");
            } else if !file.sha256.is_empty() && (file.sha256.len() != 64 || !file.sha256.bytes().all(|b| b.is_ascii_hexdigit())) {
                bad("files", "plans.error.sha256");
            }
        }
        for (field, typed, place) in [("from", &self.from, &mut content.from), ("until", &self.until, &mut content.until)] {
            match Timestamp::parse_local(typed) {
                Some(at) => *place = at,
                None if typed.is_empty() => {}
                None => bad(field, "plans.error.moment"),
            }
        }
        match self.stop_minutes.parse() {
            Ok(minutes) => content.stop_minutes = minutes,
            Err(_) if self.stop_minutes.is_empty() => {}
            Err(_) => bad("stop_minutes", "plans.error.number"),
        }
        match VendorId::parse(&self.subcontractor) {
            Some(id) => content.subcontractor = Some(id),
            None if self.subcontractor.is_empty() => {}
            None => bad("subcontractor", "plans.error.choose"),
        }
        content.personal_data = self.personal_data.then(|| PersonalDataUse { whose: self.personal_whose.clone(), why: self.personal_why.clone() });
        content.carry_out = self.carry_out.then(|| CarryOut {
            purpose: self.carry_purpose.clone(),
            number: self.carry_number.clone(),
            fields: self.carry_fields.clone(),
            storage: self.carry_storage.clone(),
        });
        content.emergency_reason = self.emergency.then(|| self.emergency_reason.clone());
        if let Err(refusal) = content.check_bounds() {
            let (field, why) = field_of(&refusal).unwrap_or(("title", "plans.error.field"));
            errors.entry(field.to_owned()).or_insert(why);
        }
        (content, errors)
    }
}

/// What a plan still lacks before it can be submitted: all of it at once, where the rules name only the first.
#[must_use]
pub fn missing(content: &PlanContent, now: Timestamp) -> Errors {
    let mut errors = Errors::new();
    let mut need = |sound: bool, field: &str, why: &'static str| {
        if !sound {
            errors.entry(field.to_owned()).or_insert(why);
        }
    };
    let filled = |text: &str| !text.trim().is_empty();
    let required = "plans.error.required";
    need(filled(&content.title), "title", required);
    need(!content.targets.is_empty(), "targets", "plans.error.targets");
    need(content.targets.iter().all(|used| !used.functions.is_empty()), "targets", "plans.error.functions");
    need(content.targets.iter().all(|used| used.moves_files() != used.files.is_empty()), "targets", "plans.error.rights");
    need(content.targets.iter().all(|used| used.functions.contains(&Function::Forward) != used.forwards.is_empty()), "targets", "plans.error.forwards");
    need(content.unplanned.is_none() || !content.commands.is_empty(), "commands", "plans.error.unplanned");
    need(!content.workers.is_empty(), "workers", "plans.error.workers");
    need(filled(&content.contact), "contact", required);
    if let Some(data) = &content.personal_data {
        need(filled(&data.whose), "personal_whose", required);
        need(filled(&data.why), "personal_why", required);
    }
    if let Some(out) = &content.carry_out {
        for (field, text) in [
            ("carry_purpose", &out.purpose),
            ("carry_number", &out.number),
            ("carry_fields", &out.fields),
            ("carry_storage", &out.storage),
        ] {
            need(filled(text), field, required);
        }
    }
    match &content.emergency_reason {
        Some(reason) => need(filled(reason), "emergency_reason", required),
        None => {
            for (field, text) in
                [("purpose", &content.purpose), ("steps", &content.steps), ("impact", &content.impact), ("rollback", &content.rollback)]
            {
                need(filled(text), field, required);
            }
            need(content.from != Timestamp::default(), "from", required);
            need(content.until != Timestamp::default(), "until", required);
            need(content.from < content.until, "until", "plans.error.window_order");
            need(now < content.until, "until", "plans.error.window_past");
            let longest = std::time::Duration::from_secs(limits::PLAN_WINDOW_HOURS as u64 * 3600);
            need(content.from.until(content.until) <= longest, "until", "plans.error.window_long");
        }
    }
    errors
}

/// The field of the form that a refusal of the rules is about, and the sentence for it.
#[must_use]
pub fn field_of(refusal: &Refusal) -> Option<(&'static str, &'static str)> {
    let field = match refusal {
        Refusal::BadField { field } => match field.as_str() {
            "personal_data.whose" => "personal_whose",
            "personal_data.why" => "personal_why",
            "carry_out.purpose" => "carry_purpose",
            "carry_out.number" => "carry_number",
            "carry_out.fields" => "carry_fields",
            "carry_out.storage" => "carry_storage",
            "bring_in.name" | "bring_in.sha256" | "bring_in.sanitised" => "files",
            "targets" => return Some(("targets", "plans.error.targets_rows")),
            "targets.files" => return Some(("targets", "plans.error.rights")),
            "targets.limits" => return Some(("targets", "plans.error.amount")),
            "targets.forwards" => return Some(("targets", "plans.error.forwards_rows")),
            "unplanned" => return Some(("commands", "plans.error.unplanned")),
            "rules.pattern" | "rules.reason" => return Some(("rules", "plans.error.rules")),
            "attachments.name" => "attachments",
            other => FIELDS.iter().find(|known| **known == other)?,
        },
        Refusal::TooMany { limit } => {
            let field = match limit.as_str() {
                "PLAN_TARGETS" => "targets",
                "PLAN_WORKERS" => "workers",
                "PLAN_FILES" => "files",
                "PLAN_COMMANDS" => "commands",
                "PLAN_SOURCES" => "sources",
                "PLAN_ATTACHMENTS" => "attachments",
                "PLAN_FORWARDS" => "targets",
                "PLAN_RULES" => "rules",
                _ => return None,
            };
            return Some((field, "plans.error.too_many"));
        }
        Refusal::BadWindow => return Some(("until", "plans.error.window")),
        Refusal::WorkerNotReady { .. } => return Some(("workers", "plans.error.worker_not_ready")),
        Refusal::TargetNotVendors { .. } => return Some(("targets", "plans.error.not_vendors")),
        _ => return None,
    };
    Some((field, "plans.error.field"))
}

/// The fields whose name in the rules is their name in the form.
pub(super) const FIELDS: [&str; 14] = [
    "title", "purpose", "privileged_reason", "workers", "sources", "line", "steps", "commands", "impact", "rollback", "acceptance", "contact",
    "emergency_reason", "class",
];

/// Fields in the order in which the page shows them, for the list of errors above the form.
pub const ORDER: [&str; 31] = [
    "vendor", "title", "class", "emergency_reason", "purpose", "targets", "privileged_reason", "from", "until", "workers", "sources", "line",
    "subcontractor", "steps", "commands", "impact", "stop_minutes", "rollback", "acceptance", "witness", "unplanned", "rules", "files", "carry_purpose",
    "carry_number", "carry_fields", "carry_storage", "personal_whose", "personal_why", "contact", "attachments",
];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn file_in(row: &FileRow) -> FileIn {
    FileIn { name: row.name.clone(), sha256: row.sha256.clone(), sanitised: row.sanitised.clone() }
}
