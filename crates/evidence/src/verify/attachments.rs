//! Files of plans that were deleted: whether the rule, the plan's course and the holds let them go.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::entries::Entries;
use super::findings::{Findings, printable};
use super::keeping::{DAY_MS, FLOOR_DAYS, Scope};

/// The class of files of plans.
const CLASS: &str = "approvals";

/// What the entries tell of a plan.
#[derive(Default)]
pub(super) struct Course {
    first_at: i64,
    last_at: i64,
    vendor: Option<String>,
    sessions: BTreeSet<String>,
    targets: BTreeSet<String>,
    persons: BTreeSet<String>,
    /// Digests of its files.
    files: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Step {
    plan: String,
    #[serde(default)]
    vendor: Option<String>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    actor: Worker,
}

#[derive(Default, Deserialize)]
struct Worker {
    #[serde(default)]
    person: Option<String>,
}

#[derive(Deserialize)]
struct Attached {
    plan: String,
    attachment: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Gone {
    plan: String,
    attachment: String,
    sha256: String,
    class: String,
    days: u32,
}

impl Course {
    fn is_kept_by(&self, scope: &Scope, plan: &str) -> bool {
        match scope {
            Scope::Session { session } => self.sessions.contains(session),
            Scope::Plan { plan: id } => plan == id,
            Scope::Target { target } => self.targets.contains(target),
            Scope::Vendor { vendor } => self.vendor.as_ref() == Some(vendor),
            Scope::Person { person } => self.persons.contains(person),
            Scope::Period { from, until } => self.first_at < *until && self.last_at >= *from,
            Scope::Everything => true,
        }
    }
}

impl Entries {
    /// A step in the course of a plan. What is malformed here is judged where it counts.
    pub(super) fn plan_step(&mut self, kind: &str, at: i64, body: &[u8]) {
        if kind == "file_attached" {
            if let Ok(Attached { plan, attachment, sha256 }) = serde_json::from_slice(body)
                && let Some(course) = self.plans.get_mut(&plan)
            {
                course.files.entry(attachment).or_insert(sha256);
            }
            return;
        }
        let Ok(step) = serde_json::from_slice::<Step>(body) else { return };
        if kind == "plan_drawn" {
            self.plans.entry(step.plan.clone()).or_insert_with(|| Course { first_at: at, last_at: at, vendor: step.vendor, ..Course::default() });
        }
        if let Some(course) = self.plans.get_mut(&step.plan) {
            course.last_at = course.last_at.max(at);
            course.sessions.extend(step.session);
            course.targets.extend(step.target);
            if kind == "entered" {
                course.persons.extend(step.actor.person);
            }
        }
    }

    pub(super) fn attachment_deleted(&mut self, seq: u64, at: i64, body: &[u8], findings: &mut Findings) {
        let place = format!("log entry {seq}");
        let Ok(gone) = serde_json::from_slice::<Gone>(body) else {
            return findings.error("entry-malformed", place, "An `attachment_deleted` entry must name its plan, attachment, digest, class and days.", "attachment_deleted 項目に計画・添付・ダイジェスト・区分・日数がありません。");
        };
        let Some(course) = self.plans.get_mut(&gone.plan) else {
            if !self.part {
                findings.error("attachment-unknown", place, "The file of a plan that was never drawn is called deleted.", "作成の記録のない計画の添付ファイルを削除したとあります。");
            }
            return;
        };
        let id = printable(&gone.attachment);
        let mut bad = |code, what: String, ja: String| findings.error(code, place.as_str(), what, ja);
        if course.files.get(&gone.attachment) != Some(&gone.sha256) {
            if !self.part {
                bad("attachment-other", format!("The log does not call {id} a file of this plan with this digest."), format!("添付 {id} は、この計画のこのダイジェストのファイルとして記録されていません。"));
            }
        } else if !course.deleted.insert(gone.attachment.clone()) {
            bad("deleted-twice", format!("The attachment {id} was deleted already."), format!("添付 {id} はすでに削除されています。"));
        }
        let (days, kept) = (i64::from(gone.days), at.saturating_sub(course.last_at));
        if days < FLOOR_DAYS || kept < days.saturating_mul(DAY_MS) {
            bad("deleted-early", format!("The attachment {id} was deleted before its time was over."), format!("添付 {id} が、保管期間より前に削除されています。"));
        }
        if gone.class != CLASS || self.holds.days_of(CLASS).is_some_and(|rule| gone.days < rule) {
            bad("deleted-rule", format!("The entry of attachment {id} does not name the days of the class of plans' files."), format!("添付 {id} の削除の項目が、区分の規則の日数と一致しません。"));
        }
        let course = &*course;
        if let Some(hold) = self.holds.standing(at, |scope| course.is_kept_by(scope, &gone.plan)) {
            bad("deleted-while-held", format!("The attachment {id} was deleted while the hold of entry {hold} was in force."), format!("項目 {hold} の証拠保全中に、添付 {id} が削除されています。"));
        }
    }
}
