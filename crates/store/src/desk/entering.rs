//! Entering: gathering what the decision rests on, deciding, and opening.

use super::{told, unavailable};
use crate::Store;
use crate::fault::{Denied, Fault};
use crate::recordings::Sink;
use crate::ssh_ca::Purpose;
use crate::secrets::{Place, Sealed, random_id};
use crate::two_person::{Begun, SealedKey};
use crate::write::Tx;
use sekisho_core::authorize::{Case, Grant, Principal, authorize};
use sekisho_core::command::CommandRule;
use sekisho_core::desk::{Admission, Entry, OpenRecording, PlanChoice, TargetCredential};
use sekisho_core::device::Device;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId};
use sekisho_core::line::Line;
use sekisho_core::people::{Actor, Person, Vendor, Via};
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::began;
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, CredentialKind, Target};
use sekisho_core::time::Timestamp;
use sekisho_evidence::recording::{DataKey, Header};
use sqlx::{AnyConnection, Row};

/// Everything about one worker, one target and one plan at one moment.
struct Gathered {
    person: Person,
    vendor: Vendor,
    plan_vendor: Vendor,
    target: Target,
    account: Option<Account>,
    lines: Vec<Line>,
    device: Option<Device>,
    plan: Plan,
    rules: Vec<CommandRule>,
}

impl Store {
    pub(super) async fn let_in(&self, principal: &Principal, target: &str, number: Option<&str>) -> Result<Entry, Refusal> {
        // What cannot be signed and published is not evidence: nobody is let in until it can.
        if let Some(trouble) = self.inner.log.trouble() {
            tracing::error!(%trouble, "nobody is let in while the log cannot be published");
            return Err(Refusal::LogUnavailable);
        }
        self.log_stands()?;
        self.clock_stands()?;
        let plans = self.open_plans(principal, target, number).await.map_err(told)?;
        match plans.as_slice() {
            [] => Err(Refusal::NoPlan),
            [(plan, _)] => self.admit(principal, target, plan).await.map(|admission| Entry::Open(Box::new(admission))),
            several => Ok(Entry::Choose(several.iter().map(|(_, choice)| choice.clone()).collect())),
        }
    }

    /// The plans under which this worker may enter this target at this moment.
    ///
    /// # Errors
    /// If there is none, the refusal that helps most.
    pub(crate) async fn open_plans(&self, principal: &Principal, target: &str, number: Option<&str>) -> Result<Vec<(PlanId, PlanChoice)>, Denied> {
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let now = self.steady_now();
        let Some(person) = self.load_person(&mut *conn, principal.person()).await? else { return Err(Refusal::PersonInactive.into()) };
        if !person.may_act(now) {
            return Err(Refusal::PersonInactive.into());
        }
        // An unknown target is answered like one that no plan names: which targets exist is not told.
        let Some(target) = self.target_named(&mut *conn, target).await? else { return Err(Refusal::NoPlan.into()) };
        let mut open = Vec::new();
        let mut refused: Vec<(Timestamp, Refusal)> = Vec::new();
        let mut known = false;
        for plan in self.plans_of(&mut conn, principal.person()).await? {
            if number.is_some_and(|number| number != plan.number) || plan.content.target(&target.id).is_none() {
                continue;
            }
            known = true;
            let (from, _) = plan.window();
            let gathered = self.gathered(&mut conn, principal, person.clone(), target.clone(), plan).await?;
            match self.decide(principal, &gathered, now)? {
                Ok(grant) => {
                    let choice = PlanChoice { number: grant.plan_number, title: grant.plan_title, until: grant.until };
                    open.push((gathered.plan.id, choice));
                }
                Err(refusal) => refused.push((from, refusal)),
            }
        }
        if !open.is_empty() {
            return Ok(open);
        }
        // Whoever ended the work and comes back is told that, and not that there never was a plan.
        if refused.is_empty()
            && let Some(number) = self.finished_plan(&mut conn, principal.person(), &target.id, number, now).await?
        {
            return Err(Refusal::WorkFinished { number }.into());
        }
        if number.is_some() && !known {
            return Err(Refusal::PlanNotOpen.into());
        }
        refused.sort_by_key(|(from, refusal)| (rank(refusal), *from));
        Err(refused.into_iter().next().map_or(Refusal::NoPlan, |(_, refusal)| refusal).into())
    }

    fn decide(&self, principal: &Principal, gathered: &Gathered, now: Timestamp) -> Result<Result<Grant, Refusal>, Fault> {
        let digest = crate::approvals::digest_of(&gathered.plan);
        let case = Case {
            person: &gathered.person,
            vendor: &gathered.vendor,
            plan_vendor: &gathered.plan_vendor,
            lines: &gathered.lines,
            place: self.place_of(principal.source()),
            device: gathered.device.as_ref(),
            target: &gathered.target,
            account: gathered.account.as_ref(),
            plan: &gathered.plan,
            digest: &digest,
            signatures_hold: self.signatures_hold(&gathered.plan),
            rules: &gathered.rules,
            policy: self.policy(),
            now,
        };
        Ok(authorize(principal, &case))
    }

    /// Whether this person, who proved what `principal` says, would be let in under the plan at this moment.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) async fn would_admit(&self, conn: &mut AnyConnection, principal: &Principal, person: Person, target: Target, plan: Plan, now: Timestamp) -> Result<(), Denied> {
        let gathered = self.gathered(conn, principal, person, target, plan).await?;
        Ok(self.decide(principal, &gathered, now)?.map(drop)?)
    }

    /// Opens a session under a plan: header first, entry second, admission last.
    async fn admit(&self, principal: &Principal, target: &str, plan: &PlanId) -> Result<Admission, Refusal> {
        let session: SessionId = random_id().map_err(|fault| unavailable(&fault))?;
        let (worker, header, key) = self.prepare(principal, target, plan, &session).await.map_err(told)?;
        let begun = Begun::of(&header);
        let writer = self.inner.shelf.begin(session.clone(), header, key, worker.clone()).await?;
        // From here on, whatever goes wrong drops the sink, and the session that never was is cleared away.
        let sink = self.inner.shelf.sink(&writer);
        self.enter_log(principal, target, plan, session, worker, sink, &begun, &writer.header_digest().to_string()).await.map_err(told)
    }

    async fn prepare(&self, principal: &Principal, target: &str, plan: &PlanId, session: &SessionId) -> Result<(Actor, Header, DataKey), Denied> {
        let mut conn = self.read().acquire().await.map_err(Fault::from)?;
        let person = self.load_person(&mut *conn, principal.person()).await?.ok_or(Refusal::PersonInactive)?;
        let target = self.target_named(&mut *conn, target).await?.ok_or(Refusal::NoPlan)?;
        let SealedKey { key, wrapped_key, recipients, second } = self.recording_key(&target.id).await?;
        let header = Header {
            session: session.as_str().to_owned(),
            plan: plan.as_str().to_owned(),
            target: target.id.as_str().to_owned(),
            person: person.id.as_str().to_owned(),
            protocol: "ssh".to_owned(),
            started_at: self.now().0,
            log_origin: self.inner.settings.origin.clone(),
            wrapped_key,
            recipients,
            second,
        };
        let worker = Actor::of(&person, Via::Ssh, Some(principal.source().to_string()));
        Ok((worker, header, key))
    }

    /// Decides once more with nobody else writing, and writes `entered`.
    #[allow(clippy::too_many_arguments, reason = "one step of one road; a struct for it would be named after the step")]
    async fn enter_log(
        &self,
        principal: &Principal,
        target: &str,
        plan: &PlanId,
        session: SessionId,
        worker: Actor,
        sink: Sink,
        begun: &Begun,
        header_digest: &str,
    ) -> Result<Admission, Denied> {
        let mut tx = self.write(&worker).await?;
        let now = tx.now().max(self.steady_now());
        let conn = tx.sql();
        let person = self.load_person(&mut *conn, principal.person()).await?.ok_or(Refusal::PersonInactive)?;
        let target = self.target_named(&mut *conn, target).await?.ok_or(Refusal::NoPlan)?;
        self.still_sealed(begun, &target).await?;
        let plan = self.load_plan(&mut *conn, plan).await?.ok_or(Refusal::NoPlan)?;
        // Its end recalls the sessions that it let in; one that is entered only after it finds no end to come.
        if let Some(id) = principal.ssh_login()
            && !self.ssh_login(&mut *conn, id).await?.is_some_and(|login| login.stands(self.policy(), now))
        {
            return Err(Refusal::SshLoginRefused.into());
        }
        let mut gathered = self.gathered(conn, principal, person, target, plan).await?;
        let grant = self.decide(principal, &gathered, now)??;
        let account = gathered.account.take().ok_or(Refusal::TargetNotReady)?;
        if self.is_rotating(tx.sql(), &account.id).await? {
            return Err(Refusal::CredentialChanging.into());
        }
        began(&mut gathered.plan, session.clone());
        self.save_plan(&mut tx, &gathered.plan).await?;
        insert_session(&mut tx, &gathered, &session, principal, now, header_digest, &grant).await?;
        tx.fact(Fact::Entered {
            session: session.clone(),
            plan: grant.plan.clone(),
            target: grant.target.clone(),
            target_name: grant.target_name.clone(),
            username: grant.username.clone(),
            recording_header_digest: header_digest.to_owned(),
            line: Some(grant.road.line.clone()),
            line_name: grant.road.line_name.clone(),
            device: grant.road.device.clone(),
            device_name: grant.road.device_name.clone(),
            device_proof: grant.road.device_proof.to_owned(),
            deviation: deviation(&grant),
        });
        let credential = match account.credential {
            CredentialKind::Certificate => self.mint(&mut tx, &account, principal.login(), &Purpose::Session(&session, &grant, principal.login()))?.credential,
            CredentialKind::Password | CredentialKind::PrivateKey => self.credential(tx.sql(), &account).await?,
        };
        // Before anybody can watch, and before anything can be carried.
        let writer = self.inner.shelf.writer(&session).ok_or(Refusal::NoRecording)?;
        let standstill = writer.reins().demand(grant.witness, now);
        tx.commit().await?;
        Ok(Admission { session, grant, recording: OpenRecording::assertion(Box::new(sink)), credential, standstill })
    }

    /// The number of a plan whose work was declared ended while its window is still open.
    async fn finished_plan(&self, conn: &mut AnyConnection, worker: &PersonId, target: &TargetId, number: Option<&str>, now: Timestamp) -> Result<Option<String>, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal FROM plans p JOIN plan_workers w ON w.plan = p.id \
            WHERE w.person = $1 AND p.state IN ('reconcile', 'report', 'confirm', 'closed') AND p.until_at > $2 ORDER BY p.until_at DESC LIMIT 20";
        let rows = sqlx::query(text).bind(worker.as_str().to_owned()).bind(now.0).fetch_all(conn).await?;
        let plans = rows.iter().filter_map(|row| self.held::<Plan>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a plan is passed over")).ok());
        let mut fitting = plans.filter(|plan| plan.content.target(target).is_some() && number.is_none_or(|number| number == plan.number));
        Ok(fitting.next().map(|plan| plan.number))
    }

    /// The plans that name the worker and admit sessions, by the beginning of their windows. One whose row was changed
    /// by somebody else is passed over with an alarm and blocks no other.
    pub(crate) async fn plans_of(&self, conn: &mut AnyConnection, worker: &PersonId) -> Result<Vec<Plan>, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal FROM plans p JOIN plan_workers w ON w.plan = p.id \
            WHERE w.person = $1 AND p.state IN ('approved', 'emergency', 'in_progress') ORDER BY p.from_at";
        let rows = sqlx::query(text).bind(worker.as_str().to_owned()).fetch_all(conn).await?;
        let read = rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a plan admits nobody")).ok());
        Ok(read.collect())
    }

    /// The stored credential of an account; a certificate is minted instead.
    pub(crate) async fn credential(&self, conn: &mut AnyConnection, account: &Account) -> Result<TargetCredential, Denied> {
        let row = sqlx::query("SELECT credential FROM accounts WHERE id = $1").bind(account.id.as_str().to_owned()).fetch_one(conn).await?;
        let plain = self.inner.keys.unseal(Place { table: "accounts", row: account.id.as_str(), column: "credential" }, &Sealed::from_bytes(row.try_get("credential")?))?;
        let secret = std::str::from_utf8(&plain).map(Secret::new).map_err(|_| Fault::Damaged("a stored credential is no text".into()))?;
        Ok(match account.credential {
            CredentialKind::Password => TargetCredential::Password(secret),
            CredentialKind::PrivateKey => TargetCredential::PrivateKey(secret),
            CredentialKind::Certificate => return Err(Refusal::TargetNotReady.into()),
        })
    }

    pub(super) async fn write_refused(&self, principal: &Principal, target: &str, plan: Option<&str>, refusal: &Refusal) {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
        let detail = plan.map_or_else(|| clean(target), |plan| format!("{} {}", clean(target), clean(plan)));
        let written = async {
            let worker = self.worker_of(principal.person(), principal.source()).await?;
            let mut tx = self.write(&worker).await?;
            tx.fact(Fact::Refused { stage: "enter".into(), login: principal.login().to_owned(), code: refusal.code().to_owned(), detail });
            tx.commit().await
        };
        if let Err(fault) = written.await {
            tracing::error!(%fault, code = refusal.code(), "a refusal could not be written down; it was refused all the same");
        }
    }

    async fn gathered(&self, conn: &mut AnyConnection, principal: &Principal, person: Person, target: Target, plan: Plan) -> Result<Gathered, Denied> {
        let own = person.vendor.clone().ok_or(Refusal::VendorInactive)?;
        let vendor = self.load_vendor(&mut *conn, &own).await?.ok_or(Refusal::VendorInactive)?;
        let plan_vendor = self.load_vendor(&mut *conn, &plan.vendor).await?.ok_or(Refusal::VendorInactive)?;
        let account = match plan.content.target(&target.id) {
            Some(used) => self.load_account(&mut *conn, &used.account).await?,
            None => None,
        };
        let rules = self.load_rules(&mut *conn, target.class).await?.rules;
        let lines = self.load_lines(&mut *conn, &own).await?;
        let device = match principal.device() {
            Some(proof) => self.load_device(&mut *conn, proof.device()).await?,
            None => None,
        };
        Ok(Gathered { person, vendor, plan_vendor, target, account, lines, device, plan, rules })
    }
}

/// Which of several refusals helps most: what can be done at once, then what time brings, then what others must do.
fn rank(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::SourceNotAllowed | Refusal::CountryNotAllowed { .. } | Refusal::TargetNotReady | Refusal::HostKeyChanged => 0,
        refusal if refusal.is_about_device() => 0,
        Refusal::WindowNotOpen { .. } | Refusal::LineOutsideTimes { .. } => 1,
        Refusal::WindowClosed => 3,
        Refusal::NoPlan => 4,
        _ => 2,
    }
}

/// The code of what is not in order with the device of a session that is let in all the same.
fn deviation(grant: &Grant) -> String {
    grant.road.deviation.as_ref().map(|refusal| refusal.code().to_owned()).unwrap_or_default()
}

async fn insert_session(tx: &mut Tx, gathered: &Gathered, session: &SessionId, principal: &Principal, now: Timestamp, header_digest: &str, grant: &Grant) -> Result<(), Fault> {
    let Gathered { person, vendor, plan, .. } = gathered;
    let facts = SessionFacts {
        session: session.clone(),
        person: person.id.clone(),
        person_name: person.name.clone(),
        target: grant.target.clone(),
        target_name: grant.target_name.clone(),
        account: grant.username.clone(),
        source: principal.source().to_string(),
        line: grant.road.line_name.clone(),
        device: grant.road.device_name.clone(),
        device_proof: grant.road.device_proof.to_owned(),
        device_deviation: deviation(grant),
        started: now,
        ended: None,
        cause: None,
        functions: std::collections::BTreeSet::new(),
        commands: Vec::new(),
        files: Vec::new(),
        refused: Vec::new(),
        forwards: Vec::new(),
        unread: false,
        diary: gathered.target.logs.none,
        key_window: principal.only().is_some(),
        witness: grant.witness,
        witnesses: Vec::new(),
        pauses: 0,
        paused_ms: 0,
        paused_at_ms: None,
    };
    let text = "INSERT INTO sessions (id, plan, person, target, vendor, account, source, started_at, header_digest, commands, files, facts, line, device, ssh_login) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11, $12, $13)";
    sqlx::query(text)
        .bind(session.as_str().to_owned())
        .bind(plan.id.as_str().to_owned())
        .bind(person.id.as_str().to_owned())
        .bind(grant.target.as_str().to_owned())
        .bind(vendor.id.as_str().to_owned())
        .bind(grant.username.clone())
        .bind(principal.source().to_string())
        .bind(now.0)
        .bind(header_digest.to_owned())
        .bind(serde_json::to_string(&facts)?)
        .bind(grant.road.line.as_str().to_owned())
        .bind(grant.road.device.as_ref().map(|id| id.as_str().to_owned()))
        .bind(principal.ssh_login().map(|id| id.as_str().to_owned()))
        .execute(tx.sql())
        .await?;
    Ok(())
}
