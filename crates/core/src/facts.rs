//! What is written into the tamper-evident log: a closed list. Nothing else is evidence, and no log line becomes one.

use crate::around::{AroundRule, Decision, Weight};
use crate::desk::{Cause, Dialled, RefusedAsk};
use crate::hold::{HoldBasis, HoldScope};
use crate::retention::{KeepClass, StopCause};
use crate::ids::{HoldId, AccountId, AlarmId, AttachmentId, AuditorKeyId, CaseId, DeviceCertificateId, DeviceCodeId, DeviceId, EmergencyId, EmergencyUseId, IdentityCheckId, KeyWindowId, LineId, LinkId, LogImportId, LogReviewId, LogSourceId, LoginAllowId, MailId, PasskeyId, PeriodReportId, PersonId, PlanId, ReviewId, SecondKeyId, ServiceId, SessionId, SshLoginId, TargetId, TokenId, VendorId, ViewingRequestId, WebLoginId, WorkerKeyId};
use crate::line::LineClass;
use crate::emergency::{EmergencyCause, Half};
use crate::evidence::EvidenceScope;
use crate::factors::{FactorKind, Proof};
use crate::identity::CheckMethod;
use crate::people::{Actor, Role};
use crate::permission::Action;
use crate::plan::state::PlanState;
use crate::rotation::{Rotated, RotationMode};
use crate::command::RuleAct;
use crate::target::{CredentialKind, TargetClass};
use crate::source::Network;
use crate::time::Timestamp;
use crate::two_person::SecondKeyChange;
use crate::token::TokenEnd;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One entry of the log: gap-free number, time, who, what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the log, from 0, without gaps.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// How a recording was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewMode {
    /// Live.
    Live,
    /// Replay in the browser.
    Replay,
    /// Export to a file.
    Export,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The box was set up: name of the log and its public key.
    Initialised {
        /// Origin line of checkpoints.
        origin: String,
        /// Public key in C2SP verifier form.
        key: String,
    },
    /// The box started.
    Started {
        /// Version of the program.
        version: String,
    },
    /// The box stopped in order.
    Stopped,
    /// Both factors of a login hold.
    Identified {
        /// What the first factor was: `password`, `key`, or `certificate` for a login that was confirmed in the browser.
        first: String,
        /// The device that showed itself, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_name: String,
        /// The login by certificate, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_login: Option<SshLoginId>,
    },
    /// A login, an entry or an act was refused.
    Refused {
        /// Where: `login`, `second_factor`, `enter`, `web`.
        stage: String,
        /// The name that was given; may belong to nobody.
        login: String,
        /// The code.
        code: String,
        /// Target, route or the like.
        detail: String,
    },
    /// A browser's or API client's login began.
    LoggedIn {
        /// By which factors; entries of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
        /// The directory or provider that proved the first of them, if one did.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        through: String,
        /// The device whose certificate opened the outer door for it; none for a login elsewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_name: String,
    },
    /// It ended.
    LoggedOut {
        /// `logout`, `idle`, `expired`, `password_changed`, `disabled`.
        cause: String,
    },
    /// The authority for logins by certificate has a new key; certificates of the one before count no more.
    SshLoginAuthority {
        /// SHA-256 fingerprint of the key.
        fingerprint: String,
    },
    /// A person confirmed in the browser that a device may log in, and it got a certificate.
    SshLoginIssued {
        /// Which.
        ssh_login: SshLoginId,
        /// Whose.
        person: PersonId,
        /// The device.
        device: DeviceId,
        /// Its name.
        device_name: String,
        /// What the machine called itself.
        host: String,
        /// From where it asked.
        asked_from: String,
        /// Serial number of the certificate, which is the number of this entry.
        serial: u64,
        /// SHA-256 fingerprint of its key.
        key: String,
        /// The plans whose windows gave it its end.
        plans: Vec<String>,
        /// Its end.
        until: Timestamp,
    },
    /// A login by certificate ended before its time.
    SshLoginEnded {
        /// Which.
        ssh_login: SshLoginId,
        /// Whose.
        person: PersonId,
        /// The device.
        device_name: String,
        /// `ended`, `too_many`, `password_changed`, `factors_changed`, `disabled`, `device`.
        cause: String,
    },
    /// A person said that a device's request for a login was not theirs.
    ConnectDenied {
        /// The device.
        device: DeviceId,
        /// Its name.
        device_name: String,
        /// From where it asked.
        asked_from: String,
    },
    /// A person ended a login of a browser or API client from another one.
    LoginEnded {
        /// Which.
        web_login: WebLoginId,
        /// Whose.
        person: PersonId,
        /// `web` or `api`.
        via: String,
        /// From where it had come.
        came_from: String,
    },
    /// An administrator ended the logins of everybody but themselves; each has an entry of its own.
    EverybodyLoggedOut {
        /// Why.
        reason: String,
        /// Logins of browsers and API clients, and login certificates of devices.
        logins: u64,
        /// Tokens for automation.
        tokens: u64,
    },
    /// A person was linked to an account of a directory or sign-in provider. Their password here ended with it.
    PersonLinked {
        /// The link.
        link: LinkId,
        /// Who.
        person: PersonId,
        /// Name of the directory or provider.
        source: String,
        /// What the administrator typed: the name there.
        known_as: String,
    },
    /// A person who was found by a claim signed in for the first time; from here on the subject alone counts.
    LinkPinned {
        /// The link.
        link: LinkId,
        /// Who.
        person: PersonId,
        /// Name of the provider.
        source: String,
        /// What the provider never gives to another one.
        subject: String,
    },
    /// A link was ended.
    PersonUnlinked {
        /// The link.
        link: LinkId,
        /// Who.
        person: PersonId,
        /// Name of the directory or provider.
        source: String,
    },
    /// The directory says that the account has ended; the person was disabled here.
    DirectoryEnded {
        /// Who.
        person: PersonId,
        /// Name of the directory.
        source: String,
        /// `gone`, `disabled`, `expired`, `no_group`.
        why: String,
    },
    /// The person left groups of the directory, and lost the roles that hang on them.
    DirectoryRolesLost {
        /// Who.
        person: PersonId,
        /// Name of the directory.
        source: String,
        /// The roles.
        roles: BTreeSet<Role>,
    },
    /// The directory knows the person's account and says something of it that cannot be used (more than one account, a name or
    /// identity that cannot be read). It was passed over; told once while it lasts.
    DirectoryOdd {
        /// Who.
        person: PersonId,
        /// Name of the directory.
        source: String,
    },
    /// So many accounts fell away from the directory at once that it was not believed, and nobody was disabled.
    DirectoryDoubted {
        /// Name of the directory.
        source: String,
        /// How many fell away.
        changed: u64,
        /// How many persons are linked.
        linked: u64,
    },
    /// A fresh factor was given.
    SteppedUp {
        /// Which kind; entries of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<FactorKind>,
    },
    /// A person registered a passkey or security key.
    PasskeyAdded {
        /// Whose.
        person: PersonId,
        /// Which.
        passkey: PasskeyId,
        /// What they call it.
        name: String,
    },
    /// An emergency account was made, changed or taken out of service.
    EmergencyKept {
        /// Which.
        account: EmergencyId,
        /// Its login name.
        login: String,
        /// Who is told when it is opened.
        told: Vec<String>,
        /// False once it is out of service.
        active: bool,
    },
    /// One half of what opens an emergency account was made anew and printed; what it replaces has ended.
    EnvelopeMade {
        /// Which account.
        account: EmergencyId,
        /// Its login name.
        login: String,
        /// Which half.
        half: Half,
        /// The number on the envelope.
        number: String,
        /// Who keeps it.
        holder: String,
        /// Where it lies.
        place: String,
    },
    /// Somebody looked at the envelopes of an emergency account.
    EnvelopesSeen {
        /// Which account.
        account: EmergencyId,
        /// Its login name.
        login: String,
        /// They are sealed and in their place.
        intact: bool,
        /// What was seen.
        note: String,
    },
    /// A code of an emergency account's card was used.
    EmergencyCodeUsed {
        /// Which account.
        account: EmergencyId,
        /// Its login name.
        login: String,
        /// Codes left.
        left: usize,
    },
    /// An emergency account was opened by its envelopes. Those who are named were told.
    EmergencyOpened {
        /// The use that this belongs to.
        #[serde(rename = "use")]
        usage: EmergencyUseId,
        /// Login name of the account.
        login: String,
        /// The names that those who opened it gave.
        openers: Vec<String>,
        /// The cause.
        cause: EmergencyCause,
        /// The reason.
        reason: String,
        /// True for a further opening of the same use.
        again: bool,
        /// How many are told by mail.
        mails: usize,
    },
    /// Somebody tried to open an emergency account, with something that is not in its envelopes.
    EmergencyTried {
        /// Login name of the account.
        login: String,
    },
    /// What was in the envelopes of an emergency account opens nothing any more.
    EmergencyEnded {
        /// Which account.
        account: EmergencyId,
        /// Its login name.
        login: String,
        /// `returned`, `broken`, `retired`.
        why: String,
    },
    /// The return to normal was declared after a use.
    EmergencyClosed {
        /// Which use.
        #[serde(rename = "use")]
        usage: EmergencyUseId,
        /// Login name of the account.
        login: String,
        /// What was said.
        note: String,
    },
    /// A use of an emergency account was reviewed and signed.
    EmergencyReviewed {
        /// Which use.
        #[serde(rename = "use")]
        usage: EmergencyUseId,
        /// Login name of the account.
        login: String,
        /// True if it was in order.
        sound: bool,
        /// What was found.
        note: String,
        /// Entries of the log by the account during the use.
        entries: u64,
    },
    /// A mail was written into the outbox, in the change that it tells of.
    MailWritten {
        /// Which.
        mail: MailId,
        /// What it says: `invitation`, `reset`, `test`.
        letter: String,
        /// For whom; `None` for an address of the configuration.
        person: Option<PersonId>,
        /// The address.
        to: String,
    },
    /// The mail server took it.
    MailSent {
        /// Which.
        mail: MailId,
        /// What it says.
        letter: String,
        /// The address.
        to: String,
    },
    /// It could not be delivered for hours. It is tried on.
    MailLate {
        /// Which.
        mail: MailId,
        /// What it says.
        letter: String,
        /// The address.
        to: String,
        /// What stands in the way.
        why: String,
    },
    /// It will not be delivered: the server refused it, it was tried for too long, or the outbox was full.
    MailFailed {
        /// Which.
        mail: MailId,
        /// What it says.
        letter: String,
        /// The address.
        to: String,
        /// Why.
        why: String,
    },
    /// A passkey was removed.
    PasskeyRemoved {
        /// Whose.
        person: PersonId,
        /// Which.
        passkey: PasskeyId,
        /// What they called it.
        name: String,
    },
    /// A passkey proved its holder.
    PasskeyUsed {
        /// Whose.
        person: PersonId,
        /// Which.
        passkey: PasskeyId,
        /// For what: `login`, `step_up`.
        stage: String,
    },
    /// A passkey's counter went back: somebody may have a copy. It is suspended.
    PasskeyCloned {
        /// Whose.
        person: PersonId,
        /// Which.
        passkey: PasskeyId,
        /// What they call it.
        name: String,
    },
    /// Ten new recovery codes were made; the old ones ended.
    RecoveryMade {
        /// Whose.
        person: PersonId,
    },
    /// A recovery code was used in place of a second factor.
    RecoveryUsed {
        /// Whose.
        person: PersonId,
        /// How many are left.
        left: usize,
    },
    /// A person set up another authenticator app in place of the old one, or a first one.
    AuthenticatorReplaced {
        /// Whose.
        person: PersonId,
    },
    /// Somebody checked a person's identity before their factors were reset: a line of the ledger 本人確認台帳.
    IdentityChecked {
        /// Which line.
        check: IdentityCheckId,
        /// Whose identity.
        person: PersonId,
        /// How.
        method: CheckMethod,
        /// SHA-256 of the line as it was written.
        digest: String,
        /// SHA-256 of the attached proof.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<String>,
    },
    /// The attached proof of an identity check was read.
    IdentityProofRead {
        /// Which line.
        check: IdentityCheckId,
        /// Whose identity.
        person: PersonId,
    },
    /// A link was opened with its hand-over code.
    LinkOpened {
        /// Whose.
        person: PersonId,
    },
    /// A person was locked out after failures.
    LockedOut {
        /// Login name.
        login: String,
    },
    /// The lock was lifted.
    Unlocked {
        /// Who was locked.
        person: PersonId,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A source must wait after failures.
    SourceLocked {
        /// Its address.
        source: String,
    },
    /// The wait of a source, or of a name that is nobody's, was lifted.
    SourceUnlocked {
        /// What waited: `source:ADDRESS` and the like.
        subject: String,
        /// Why.
        reason: String,
    },
    /// A person was registered.
    PersonAdded {
        /// Who.
        person: PersonId,
        /// Login name.
        login: String,
        /// Display name.
        name: String,
        /// The vendor, for a vendor's person.
        vendor: Option<VendorId>,
        /// Roles.
        roles: BTreeSet<Role>,
    },
    /// A person's entry changed.
    PersonChanged {
        /// Who.
        person: PersonId,
        /// Roles after it.
        roles: BTreeSet<Role>,
        /// Active after it.
        active: bool,
    },
    /// A one-time enrolment link was issued (the first time, or after loss of a factor).
    EnrolmentIssued {
        /// For whom.
        person: PersonId,
        /// Why: `new`, `reset`, `first_administrator`.
        reason: String,
        /// Which way it goes to the person: `mail`, or `hand` by whoever had it issued and therefore sees it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        way: String,
    },
    /// The mail address of a person was changed: what is sent to them goes there from then on.
    MailAddressChanged {
        /// Whose.
        person: PersonId,
        /// The address before; empty if there was none.
        before: String,
        /// The address after it; empty if there is none.
        after: String,
    },
    /// A person set password and second factor by their link.
    Enrolled {
        /// Who.
        person: PersonId,
    },
    /// A person changed their password.
    PasswordChanged {
        /// Who.
        person: PersonId,
    },
    /// A worker registered a public key.
    KeyAdded {
        /// Whose.
        person: PersonId,
        /// Which.
        key: WorkerKeyId,
        /// SHA-256 fingerprint.
        fingerprint: String,
    },
    /// A public key was removed.
    KeyRemoved {
        /// Whose.
        person: PersonId,
        /// Which.
        key: WorkerKeyId,
    },
    /// A worker opened a key window in the browser, after two factors.
    KeyWindowOpened {
        /// Which.
        window: KeyWindowId,
        /// Who.
        person: PersonId,
        /// The one target.
        target: TargetId,
        /// Its short name.
        target_name: String,
        /// The plan that allows it.
        plan: PlanId,
        /// Its number.
        number: String,
        /// SHA-256 fingerprint of the one key.
        fingerprint: String,
        /// The one address.
        source: String,
        /// Its end.
        until: Timestamp,
    },
    /// A key window let somebody in without a prompt.
    KeyWindowUsed {
        /// Which.
        window: KeyWindowId,
        /// Short name of the target.
        target_name: String,
        /// How many it has let in, this one included.
        used: u32,
    },
    /// A key window was closed before its end, by the worker or the hospital.
    KeyWindowClosed {
        /// Which.
        window: KeyWindowId,
        /// Whose.
        person: PersonId,
        /// Short name of the target.
        target_name: String,
    },
    /// A key window came to its end.
    KeyWindowExpired {
        /// Which.
        window: KeyWindowId,
        /// Whose.
        person: PersonId,
        /// Short name of the target.
        target_name: String,
        /// How many it let in.
        used: u32,
    },
    /// An account that nobody used was disabled by the box.
    DormantDisabled {
        /// Whose.
        person: PersonId,
        /// When it was used last, if it ever was.
        last_use: Option<Timestamp>,
        /// After how many days the hospital disables such accounts.
        days: u32,
    },
    /// Somebody leaves.
    LeaverNoted {
        /// Who.
        person: PersonId,
        /// Their last day, `YYYY-MM-DD`.
        last_day: String,
        /// Why.
        reason: String,
    },
    /// All that a leaver had was ended; the numbers say how many there were.
    LeaverEnded {
        /// Who.
        person: PersonId,
        /// Logins of browsers and API clients.
        logins: u64,
        /// SSH public keys.
        keys: u64,
        /// Tokens.
        tokens: u64,
        /// Unused enrolment links.
        links: u64,
        /// Sessions that were running.
        sessions: u64,
    },
    /// A row of the register of privileged rights was written.
    PrivilegeKept {
        /// `administrator:PERSON`, `planner:PERSON` or `account:ACCOUNT`.
        subject: String,
        /// Who holds it.
        holder: PersonId,
        /// Who approved.
        approver: PersonId,
        /// Its last day, `YYYY-MM-DD`.
        until: String,
        /// Why it is held.
        reason: String,
    },
    /// A review of accounts began.
    ReviewStarted {
        /// Which.
        review: ReviewId,
        /// What it is called.
        title: String,
        /// Number of accounts.
        lines: usize,
        /// Until when it can be answered.
        deadline: Timestamp,
    },
    /// Somebody answered for accounts of one department or vendor.
    ReviewAnswered {
        /// Which.
        review: ReviewId,
        /// Name of the department or vendor.
        group: String,
        /// The answers.
        answers: Vec<crate::review::ReviewSaid>,
        /// They signed beneath it.
        signed: bool,
    },
    /// A review was closed; its result stands.
    ReviewClosed {
        /// Which.
        review: ReviewId,
        /// Its numbers.
        count: crate::review::ReviewCount,
        /// SHA-256 of the result as JSON, hex.
        digest: String,
    },
    /// Accounts were disabled in one act because of a review.
    ReviewDisabled {
        /// Which.
        review: ReviewId,
        /// Which of its lines.
        which: crate::review::ReviewEnding,
        /// Whose.
        persons: Vec<PersonId>,
    },
    /// A token for automation was made.
    TokenMade {
        /// Which.
        token: TokenId,
        /// For whom it acts.
        person: PersonId,
        /// What its maker called it.
        name: String,
        /// What it is good for.
        scopes: BTreeSet<Action>,
        /// Where it can be used from.
        sources: Vec<Network>,
        /// Its end.
        until: Timestamp,
        /// Why, where a scope asks for a reason.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A token ended.
    TokenEnded {
        /// Which.
        token: TokenId,
        /// For whom it acted.
        person: PersonId,
        /// Its name.
        name: String,
        /// Why.
        cause: TokenEnd,
        /// What the person who ended it said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A token that is one of ours was refused.
    TokenRefused {
        /// Which.
        token: TokenId,
        /// For whom it acts.
        person: PersonId,
        /// Its name.
        name: String,
        /// `ended`, `source`, `person`, `vendor` or `responsible`.
        why: String,
    },
    /// A vendor was registered or changed.
    VendorKept {
        /// Which.
        vendor: VendorId,
        /// Its name.
        name: String,
        /// Active after it.
        active: bool,
    },
    /// A table of countries was taken, in the place of the one before.
    CountriesTaken {
        /// SHA-256 of the table as it is given out, hex.
        digest: String,
        /// The registries that it is of; none for a list of one's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        registries: Vec<String>,
        /// Date of the data, `YYYY-MM-DD`.
        dated: String,
        /// Rows that named a country.
        rows: usize,
        /// Places that rows gave to different countries; they belong to none.
        conflicts: usize,
    },
    /// A line of the connection register was added, changed or ended.
    LineKept {
        /// Which.
        line: LineId,
        /// Whose.
        vendor: VendorId,
        /// Its name.
        name: String,
        /// Its class after it.
        class: LineClass,
        /// What was done: `added`, `changed`, `ended`, `taken_over` (from the sources of an older version).
        change: String,
        /// The reason of an end.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A device was registered, changed, declared lost or ended.
    DeviceKept {
        /// Which.
        device: DeviceId,
        /// Whose.
        vendor: VendorId,
        /// Its name.
        name: String,
        /// What was done: `registered`, `changed`, `lost`, `ended`.
        change: String,
        /// The reason of a loss or an end.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A target was registered or changed.
    TargetKept {
        /// Which.
        target: TargetId,
        /// Short name.
        name: String,
        /// Where.
        address: String,
        /// SHA-256 fingerprints of the pinned host keys.
        host_keys: Vec<String>,
        /// Active after it.
        active: bool,
        /// It has no log of its own; its sessions are told of in the work diary.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        no_log: bool,
        /// Its further addresses.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        addresses: BTreeSet<std::net::IpAddr>,
        /// Why, where somebody said so.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The credential of an account on a target was stored.
    CredentialKept {
        /// Target.
        target: TargetId,
        /// Account.
        account: AccountId,
        /// Login name on the target.
        username: String,
        /// What Sekisho proves itself with after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<CredentialKind>,
    },
    /// Sekisho's own SSH authority, which certifies the keys of sessions: which key signs after it, and which one is
    /// ready to follow.
    SshAuthority {
        /// SHA-256 fingerprint of the key that signs.
        signing: String,
        /// SHA-256 fingerprint of the key that targets shall trust already, if an exchange has begun.
        next: Option<String>,
        /// Why, if a person did it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The authority that certifies devices: made, or its issuing part exchanged.
    DeviceAuthority {
        /// SHA-256 of the root's certificate.
        root: String,
        /// SHA-256 of the certificate of the part that signs.
        issuing: String,
    },
    /// A one-time code was issued by which a device comes by its certificate.
    DeviceCodeIssued {
        /// Which.
        device_code: DeviceCodeId,
        /// For which device.
        device: DeviceId,
        /// Its name.
        name: String,
        /// Until when it can be used.
        until: Timestamp,
    },
    /// Somebody tried a code with a wrong secret, or one that had ended.
    DeviceCodeFailed {
        /// Which.
        device_code: DeviceCodeId,
        /// For which device.
        device: DeviceId,
        /// Its name.
        name: String,
        /// `wrong`, `wrong_ended` (the last try), `used`, `expired`, `spent`, `place` (right, from outside of the vendor's lines).
        why: String,
        /// From where.
        source: String,
    },
    /// A code was used up, or taken back.
    DeviceCodeEnded {
        /// Which.
        device_code: DeviceCodeId,
        /// For which device.
        device: DeviceId,
        /// Its name.
        name: String,
        /// `used`, `replaced`.
        how: String,
    },
    /// A client certificate was issued to a device.
    DeviceCertified {
        /// Which.
        certificate: DeviceCertificateId,
        /// For which device.
        device: DeviceId,
        /// Its name.
        name: String,
        /// Serial number, small hexadecimal letters.
        serial: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
        /// `code`, `renewal`.
        how: String,
        /// From where.
        source: String,
        /// Its end.
        until: Timestamp,
    },
    /// A certificate of a device ends sooner than it says itself: revoked, or replaced by another.
    DeviceCertificateEnded {
        /// Which.
        certificate: DeviceCertificateId,
        /// For which device.
        device: DeviceId,
        /// Its name.
        name: String,
        /// Serial number.
        serial: String,
        /// `revoked` (at once), `enrolled_again` (at once), `renewed` (at `until`), `device` (the device was ended or lost).
        how: String,
        /// When it ends.
        until: Timestamp,
        /// Why, if a person did it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The root's key of the authority for devices was taken off the box, encrypted into a file.
    DeviceRootTaken {
        /// SHA-256 of the root's certificate.
        root: String,
        /// To whom it was encrypted: `passphrase`, or an age recipient.
        how: String,
        /// SHA-256 of the file.
        file: String,
    },
    /// A new key for the part that certifies devices was made, and its certificate asked for.
    DeviceIssuingAsked {
        /// SHA-256 of the key.
        key: String,
    },
    /// The root's answer to that was brought.
    DeviceIssuingBrought {
        /// SHA-256 of the part's certificate.
        issuing: String,
    },
    /// A certificate was shown at the outer door and not accepted.
    CertificateRefused {
        /// Why: a name of `CertificateFault`.
        why: String,
        /// Its serial number, as far as it could be read.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        serial: String,
        /// From where.
        source: String,
        /// Others that were not written down since the last one.
        #[serde(default, skip_serializing_if = "is_zero")]
        others: u32,
    },
    /// A certificate for one login on a target. The number of this very entry is the certificate's serial number, which
    /// the target's own log names.
    CertificateIssued {
        /// For which session; `None` for a test of the connection.
        session: Option<SessionId>,
        /// For which target.
        target: TargetId,
        /// For which account.
        account: AccountId,
        /// Serial number.
        serial: u64,
        /// Key id: session, plan and person, as the target's log shows it.
        key_id: String,
        /// The one login name that it is good for.
        principal: String,
        /// SHA-256 fingerprint of the key that signed it.
        authority: String,
        /// Its end.
        until: Timestamp,
    },
    /// Says when the credential of an account is exchanged by Sekisho itself.
    RotationSet {
        /// Which account.
        account: AccountId,
        /// When.
        mode: RotationMode,
    },
    /// A person asked for the exchange at once.
    RotationAsked {
        /// Which account.
        account: AccountId,
    },
    /// A recorded session of Sekisho itself began, to exchange a credential.
    RobotEntered {
        /// The session.
        session: SessionId,
        /// Whose credential.
        account: AccountId,
        /// Where.
        target: TargetId,
        /// Short name of the target.
        target_name: String,
        /// Account on the target.
        username: String,
        /// SHA-256 of the recording's header, hex.
        recording_header_digest: String,
    },
    /// How the exchange of a credential ended, and with that which credential is in force.
    CredentialRotated {
        /// Which account.
        account: AccountId,
        /// Login name on the target.
        username: String,
        /// The recorded session; `None` if it was found out afterwards.
        session: Option<SessionId>,
        /// How it ended.
        outcome: Rotated,
    },
    /// A person asked whether a target lets Sekisho in.
    TestAsked {
        /// Which target.
        target: TargetId,
        /// With which account.
        account: AccountId,
        /// Login name on the target.
        username: String,
    },
    /// How that ended. Nothing was run.
    TestEnded {
        /// Which target.
        target: TargetId,
        /// With which account.
        account: AccountId,
        /// Login name on the target.
        username: String,
        /// With what result.
        outcome: Dialled,
    },
    /// A person looked at the host keys that an address shows.
    HostKeysSeen {
        /// Where.
        address: String,
        /// SHA-256 fingerprints; empty if none was seen.
        host_keys: Vec<String>,
    },
    /// A target showed a host key that is not pinned: its sessions end, and nobody enters.
    HostKeyAlarmed {
        /// Which target.
        target: TargetId,
        /// In which session; `None` if a test saw it.
        session: Option<SessionId>,
        /// SHA-256 fingerprint of the key that was shown.
        seen: String,
    },
    /// An administrator decided on that alarm.
    HostKeyDecided {
        /// Which target.
        target: TargetId,
        /// SHA-256 fingerprint of the key that had raised the alarm.
        seen: String,
        /// True if other keys were pinned, false if the pinned ones stay.
        pinned: bool,
        /// SHA-256 fingerprints of the pinned keys after it.
        host_keys: Vec<String>,
        /// Why.
        reason: String,
    },
    /// A plan was drawn up.
    PlanDrawn {
        /// Which.
        plan: PlanId,
        /// Number.
        number: String,
        /// For which vendor.
        vendor: VendorId,
    },
    /// Something was done to a plan.
    PlanActed {
        /// Which.
        plan: PlanId,
        /// Number.
        number: String,
        /// The act's name.
        act: String,
        /// State before.
        from: PlanState,
        /// State after.
        to: PlanState,
        /// Revision of the content.
        revision: u32,
        /// Digest of the signed bytes after the act, hex.
        digest: String,
        /// The approval's signature, where the act is an approval.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        signature: String,
        /// Reason or remark.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        remark: String,
    },
    /// A file was attached to a plan.
    FileAttached {
        /// Which plan.
        plan: PlanId,
        /// Which file.
        attachment: AttachmentId,
        /// SHA-256.
        sha256: String,
    },
    /// Reviews of the log are held by this schedule from here on.
    LogReviewScheduled {
        /// How long their spans are.
        cycle: crate::span::SpanKind,
        /// Where the next span begins.
        from: Timestamp,
        /// Percent of the sessions that nobody watched which are drawn.
        sample: u32,
    },
    /// The list for the review of a span was made. It does not change from here on.
    LogReviewOpened {
        /// Which.
        review: LogReviewId,
        /// The name of its span.
        number: String,
        /// The span.
        span: crate::span::Span,
        /// Number of the first entry of the span.
        first: u64,
        /// Number of the first entry after it.
        end: u64,
        /// Root of the log over all entries before `end`, hex.
        root: String,
        /// The log key's signature over the name of the span and the root: the seed of the draw.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        seed: String,
        /// Lines of the list.
        lines: usize,
        /// The sessions that were drawn.
        sample: Vec<SessionId>,
        /// By when it is to be signed.
        due: Timestamp,
        /// SHA-256 of the list as JSON, hex.
        digest: String,
    },
    /// A person judged a line of it.
    LogReviewJudged {
        /// Which.
        review: LogReviewId,
        /// The name of its span.
        number: String,
        /// Which line.
        line: u32,
        /// How.
        verdict: crate::log_review::LineVerdict,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// The operator signed it.
    LogReviewSigned {
        /// Which.
        review: LogReviewId,
        /// The name of its span.
        number: String,
        /// SHA-256 of the list with every judgement, hex.
        digest: String,
        /// The box's signature on the operator's behalf.
        signature: String,
        /// A remark.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        remark: String,
    },
    /// The planner gave it back.
    LogReviewReturned {
        /// Which.
        review: LogReviewId,
        /// The name of its span.
        number: String,
        /// Why.
        reason: String,
    },
    /// The planner confirmed it.
    LogReviewConfirmed {
        /// Which.
        review: LogReviewId,
        /// The name of its span.
        number: String,
        /// SHA-256 of what was signed, hex.
        digest: String,
        /// The box's signature on the planner's behalf.
        signature: String,
        /// A remark.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        remark: String,
        /// One person signed and confirmed, as the small-facility profile lets pass.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deviation: bool,
    },
    /// A report on a month or year was issued. It does not change from here on.
    ReportIssued {
        /// Which.
        report: PeriodReportId,
        /// What people say.
        number: String,
        /// The edition.
        edition: u32,
        /// The vendor; none for the hospital's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vendor: Option<VendorId>,
        /// The span.
        span: crate::span::Span,
        /// Number of the first entry that was counted.
        first: u64,
        /// Number of the first entry after them.
        end: u64,
        /// Entries that its checkpoint covers.
        size: u64,
        /// Root of its checkpoint, hex.
        root: String,
        /// SHA-256 of the report as JSON, hex.
        digest: String,
    },
    /// Somebody took note of a report.
    ReportNoted {
        /// Which.
        report: PeriodReportId,
        /// What people say.
        number: String,
        /// SHA-256 of the report, hex.
        digest: String,
        /// A remark.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        remark: String,
    },
    /// The deadline of a review of the log or of a report passed. Written once for each.
    DutyLate {
        /// `sign`, `confirm`, `note`, `note_vendor`.
        duty: String,
        /// What people say.
        number: String,
        /// The review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review: Option<LogReviewId>,
        /// The report.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<PeriodReportId>,
    },
    /// A deadline passed; the matter was escalated.
    Escalated {
        /// Which plan.
        plan: PlanId,
        /// `report`, `confirm`, `after_fact`, `reconcile`.
        duty: String,
    },
    /// A worker entered: the recording's header is on disk.
    Entered {
        /// The session.
        session: SessionId,
        /// Under which plan.
        plan: PlanId,
        /// Where.
        target: TargetId,
        /// Short name of the target.
        target_name: String,
        /// Account on the target.
        username: String,
        /// SHA-256 of the recording's header, hex.
        recording_header_digest: String,
        /// The line it came by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineId>,
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        line_name: String,
        /// The device, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_name: String,
        /// How the device showed itself: `certificate`, `address`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        device_proof: String,
        /// Code of what is not in order with the device, where the policy let that pass.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        deviation: String,
    },
    /// The target was dialled.
    Dialled {
        /// The session.
        session: SessionId,
        /// With what result.
        outcome: Dialled,
    },
    /// Something was refused inside a session.
    RefusedInside {
        /// The session.
        session: SessionId,
        /// What.
        asked: RefusedAsk,
    },
    /// A file operation in a session.
    FileMoved {
        /// The session.
        session: SessionId,
        /// What.
        file: crate::reconcile::FileSeen,
    },
    /// A worker left: the recording is sealed.
    Left {
        /// The session.
        session: SessionId,
        /// Why.
        cause: Cause,
        /// Digest of the sealed recording, hex; of what is left of it if the cause is `vanished`.
        digest: String,
        /// Size of the file in bytes.
        bytes: u64,
    },
    /// A recording file without an `entered` entry was found and set aside.
    OrphanFound {
        /// The file's name.
        file: String,
    },
    /// A person pressed 切断, or withdrew the plan of a running session.
    CutAsked {
        /// The session.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// A person or a rule did something to a running session.
    Controlled {
        /// The session.
        session: SessionId,
        /// What.
        control: crate::control::Control,
    },
    /// A mark was set on a recording after its session; the recording itself is sealed and stays as it is.
    Marked {
        /// The session.
        session: SessionId,
        /// The moment, in milliseconds from the start of the session.
        at_ms: u64,
        /// The note.
        text: String,
    },
    /// A person began to look at a recording.
    ViewBegan {
        /// The session.
        session: SessionId,
        /// How.
        mode: ViewMode,
    },
    /// They stopped.
    ViewEnded {
        /// The session.
        session: SessionId,
        /// How.
        mode: ViewMode,
    },
    /// A person took the content of a transferred file out of a recording; written before any of it left.
    FileTaken {
        /// The session.
        session: SessionId,
        /// The number of the file in the recording.
        file: u32,
        /// Its path on the target.
        path: String,
        /// Bytes that were handed out.
        bytes: u64,
        /// Their SHA-256, hex.
        sha256: String,
        /// True if that is everything that went over.
        whole: bool,
    },
    /// A person took the content of an upload out that waited for a decision; written before any of it left.
    HeldFileTaken {
        /// The session.
        session: SessionId,
        /// Its number within the session.
        hold: u32,
        /// Its path on the target.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content, hex.
        sha256: String,
    },
    /// A person took an evidence bundle; written before any of it left.
    EvidenceTaken {
        /// What it is about.
        scope: EvidenceScope,
        /// All entries of the log are in it.
        all_entries: bool,
        /// Entries in it.
        entries: u64,
        /// Recordings in it.
        recordings: u64,
        /// Entries that its checkpoint covers.
        size: u64,
        /// Root of its checkpoint, hex.
        root: String,
        /// Why.
        reason: String,
    },
    /// A person took entries of the log out of the box as a file; written before any of it left.
    LogTaken {
        /// `jsonl` or `csv`.
        form: String,
        /// Entries in it.
        entries: u64,
        /// Number of the first of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<u64>,
        /// Number of the last of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
        /// What they were chosen by, as the address has it: `kind=entered&from=2026-10-01`; empty for all of them.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        chosen: String,
    },
    /// A report was counted a second time from the log; written before the result was told.
    ReportRecounted {
        /// The report.
        report: PeriodReportId,
        /// Its number.
        number: String,
        /// Its edition.
        edition: u32,
        /// The log's entry names this very report.
        holds: bool,
        /// Counting the same entries again gave the same content.
        same: bool,
        /// Entries that were counted.
        entries: u64,
        /// Entries that the checkpoint covers under which they were counted again.
        size: u64,
        /// Its root, hex.
        root: String,
    },
    /// The list of the files of an evidence bundle was signed; written before the list left. A bundle without it broke off.
    EvidenceSigned {
        /// What it is about.
        scope: EvidenceScope,
        /// The entry that tells who took it and why.
        taken: u64,
        /// SHA-256 of its manifest, hex.
        manifest: String,
    },
    /// A person searched the record. What was found was shown after this was written.
    Searched {
        /// The words.
        query: String,
        /// Number of hits.
        hits: usize,
    },
    /// The command rules of a class of targets changed.
    RulesKept {
        /// Which class.
        class: TargetClass,
        /// What was done: `added`, `changed`, `moved`, `removed`, `whole` (the ready-made set), `basic`, `cleared`, `replaced`.
        change: String,
        /// The pattern of the rule that it was done to; empty if it was done to all of them.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pattern: String,
        /// What that rule does after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        act: Option<RuleAct>,
        /// Number of rules after it.
        rules: usize,
    },
    /// A person of the hospital has seen an alert.
    AlertSeen {
        /// The session it came from.
        session: SessionId,
        /// The alert.
        text: String,
    },
    /// Plan and fact were compared.
    Reconciled {
        /// The plan.
        plan: PlanId,
        /// Number of rows.
        rows: usize,
        /// Number of differences.
        differences: usize,
        /// SHA-256 of the findings as JSON, hex.
        digest: String,
    },
    /// The box looked at itself: which of its ports answer, and how its own doors speak.
    ExposureLooked {
        /// Sockets that wait for others, those for this machine alone left out.
        open: usize,
        /// Findings, of any weight.
        findings: usize,
    },
    /// Something answers that did not at the look before, belongs to no part of Sekisho and was confirmed by nobody.
    ExposureNew {
        /// Where, such as `0.0.0.0:23 tcp`.
        place: String,
        /// The program, if it could be seen.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        program: String,
    },
    /// A person confirmed a service of this machine beside Sekisho, or took that back.
    ServiceKept {
        /// Which.
        service: ServiceId,
        /// Its name.
        name: String,
        /// Where, such as `*:22 tcp`.
        place: String,
        /// `confirmed` or `ended`.
        change: String,
        /// Why.
        reason: String,
    },
    /// Something about recordings needs a hand, as the box found.
    RecordingTrouble {
        /// One sentence.
        text: String,
    },
    /// The log was not published for a while: nobody outside can check its last entries.
    PublisherStuck {
        /// Entries that the published checkpoint does not cover.
        behind: u64,
        /// What stood in the way, if it is known.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A contract or certificate ends soon, or has ended. Written once for each stage.
    EndsSoon {
        /// What.
        thing: crate::alarm::EndingThing,
        /// Which; the fingerprint of a certificate of the pages.
        id: String,
        /// Its name.
        name: String,
        /// Its end.
        until: Timestamp,
        /// The stage: at most so many days are left; 0 once it has ended.
        days: u32,
    },
    /// The disk fills up.
    DiskLow {
        /// MiB that are free.
        free_mib: u64,
        /// No session is admitted any more.
        shut: bool,
    },
    /// An alarm was raised.
    AlarmRaised {
        /// Which.
        alarm: AlarmId,
        /// By which rule.
        rule: crate::alarm::Rule,
        /// How grave it is.
        level: crate::alarm::Level,
        /// Number of the entry that raised it.
        entry: u64,
        /// What happened, in English, as it was told.
        text: String,
        /// How many are told by mail.
        mails: usize,
    },
    /// Nobody took a critical alarm on in time; further people are told.
    AlarmEscalated {
        /// Which.
        alarm: AlarmId,
        /// By which rule.
        rule: crate::alarm::Rule,
        /// Whom, by their roles.
        roles: BTreeSet<Role>,
        /// How many are told by mail.
        mails: usize,
    },
    /// A person took an alarm on.
    AlarmAcknowledged {
        /// Which.
        alarm: AlarmId,
        /// By which rule.
        rule: crate::alarm::Rule,
    },
    /// A person closed an alarm.
    AlarmClosed {
        /// Which.
        alarm: AlarmId,
        /// By which rule.
        rule: crate::alarm::Rule,
        /// What they found.
        note: String,
        /// Entries that it stood for.
        count: u64,
    },
    /// A receiver of alarms or events did not take anything for a while.
    ReceiverDown {
        /// Its name in the configuration.
        name: String,
        /// What stands in the way.
        why: String,
        /// How many wait for it.
        waiting: u64,
    },
    /// A receiver refused a piece again and again: it was sent without words of others, or left out if it refused that, too.
    ReceiverSkipped {
        /// Its name in the configuration.
        name: String,
        /// The number of the piece.
        number: u64,
        /// What the receiver says.
        why: String,
        /// It was left out altogether.
        left_out: bool,
    },
    /// It takes them again.
    ReceiverBack {
        /// Its name in the configuration.
        name: String,
    },
    /// A source of targets' logs was registered, changed or ended.
    LogSourceKept {
        /// Which.
        source: LogSourceId,
        /// Its hosts.
        hosts: BTreeSet<String>,
        /// The target that it tells of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<TargetId>,
        /// `added`, `changed`, `certified`, `ended`.
        change: String,
        /// Serial number of its certificate, if it has one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        serial: String,
        /// It comes in clear, and nobody proves that the lines are its own.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unauthenticated: bool,
        /// Why, where a person gave a reason.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The authority that certifies sources of logs was made.
    LogAuthority {
        /// SHA-256 of its certificate.
        root: String,
    },
    /// Somebody without a certificate that holds, or from no known address, wanted to hand in lines of logs.
    LogTurnedAway {
        /// Why: `chain`, `unknown`, `ended`, `address`, `form`, `full`.
        why: String,
        /// From where.
        from: String,
        /// Others that were not written down since the last one.
        #[serde(default, skip_serializing_if = "is_zero")]
        others: u32,
    },
    /// Lines of a source were lost: it sent more than is taken, by a way on which nobody can be made to wait.
    LogLost {
        /// Which source.
        source: LogSourceId,
        /// Its first host.
        host: String,
        /// How many.
        lines: u64,
    },
    /// A part of what targets' logs said is complete; its bytes do not change any more.
    LogSegmentClosed {
        /// Its number.
        segment: u64,
        /// Lines in it.
        lines: u64,
        /// Bytes on the disk.
        bytes: u64,
        /// SHA-256 over its chain, hex.
        digest: String,
    },
    /// Parts that are older than they are kept, or too many for the disk, were deleted.
    LogSegmentsDropped {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// `age` or `size`.
        why: String,
    },
    /// The target's own log tells of the login that a session made there.
    SessionTold {
        /// The session.
        session: SessionId,
        /// By what it was known: `certificate`, `connection`, `time`.
        by: String,
        /// The source of the log.
        source: LogSourceId,
        /// From where the target saw it come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<std::net::IpAddr>,
        /// From which port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Nobody proved that the line is the target's own.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unauthenticated: bool,
        /// By how many seconds the target's clock was ahead of ours when it said so; behind it, below zero. Unknown where the line
        /// bears no time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_seconds: Option<i64>,
    },
    /// A login that no session explains was found, or a source that says nothing or something in another's name.
    CaseOpened {
        /// Which case.
        case: CaseId,
        /// The rule.
        rule: AroundRule,
        /// How grave.
        weight: Weight,
        /// Short name of the target or host.
        about: String,
        /// The target.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<TargetId>,
        /// The account; empty where the line does not say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        account: String,
        /// From where; empty where the rule has no place.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        from: String,
        /// The source that told of it, or that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<LogSourceId>,
        /// The nearest session, or the one that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<SessionId>,
        /// SHA-256 of the line, hex.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        line: String,
        /// It was found in this file, and not in lines as they came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        import: Option<LogImportId>,
    },
    /// More logins of the same kind came into a case. Told once a minute at most.
    CaseGrew {
        /// Which case.
        case: CaseId,
        /// The rule.
        rule: AroundRule,
        /// How grave.
        weight: Weight,
        /// Short name of the target or host.
        about: String,
        /// Logins so far.
        logins: u64,
        /// Failed attempts so far.
        attempts: u64,
        /// The account of the newest.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        account: String,
        /// From where the newest came.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        from: String,
        /// It was found in this file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        import: Option<LogImportId>,
    },
    /// A file of a target's log was kept, sealed; what it tells is read after this.
    LogImported {
        /// Which.
        import: LogImportId,
        /// Whose log it is.
        target: TargetId,
        /// Short name of the target.
        about: String,
        /// Name of the file.
        name: String,
        /// `evtx`, `wtmp`, or `btmp` for one that was read as attempts that failed.
        form: String,
        /// SHA-256 of the file, hex.
        digest: String,
        /// Its length.
        bytes: u64,
        /// By so many seconds the machine's clock may be off, as the person said.
        clock_seconds: u32,
    },
    /// What a file of a target's log told.
    LogImportRead {
        /// Which.
        import: LogImportId,
        /// Short name of the target.
        about: String,
        /// Records in it.
        records: u64,
        /// Those that tell of a login or an attempt.
        logins: u64,
        /// Those of them that were known already.
        known: u64,
        /// Those of them that name another machine.
        foreign: u64,
        /// Logins that are sessions' own.
        joined: u64,
        /// Logins and attempts that went into cases.
        hits: u64,
        /// What could not be read.
        troubles: u64,
    },
    /// A file of the target's log tells of the login that a session made there.
    SessionToldByImport {
        /// The session.
        session: SessionId,
        /// Which file.
        import: LogImportId,
        /// By what it was known: `connection`, `time`.
        by: String,
        /// The time of the record, by the machine's clock.
        record: Timestamp,
        /// By so many seconds that may be off.
        clock_seconds: u32,
    },
    /// How far the part of targets' logs that is being written has come: its beginning cannot be changed from here on.
    LogSegmentGrew {
        /// Its number.
        segment: u64,
        /// Lines in it.
        lines: u64,
        /// SHA-256 over its chain so far, hex.
        digest: String,
    },
    /// A row that bears a seal does not hold: somebody changed it beside the box, or put an older one back.
    RowDamaged {
        /// The table.
        table: String,
        /// What the row calls itself.
        row: String,
        /// How: `changed` or `older`.
        how: String,
    },
    /// A person decided on a case.
    CaseDecided {
        /// Which case.
        case: CaseId,
        /// The rule.
        rule: AroundRule,
        /// Short name of the target or host.
        about: String,
        /// What.
        decision: Decision,
        /// Why.
        reason: String,
    },
    /// A login round the gateway was allowed, or that was taken back.
    LoginAllowKept {
        /// Which entry.
        allow: LoginAllowId,
        /// On which target; `None` for all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<TargetId>,
        /// From where.
        network: Network,
        /// Which account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// Until when.
        until: Timestamp,
        /// `allowed` or `ended`.
        change: String,
        /// Why.
        reason: String,
    },
    /// Something is held as evidence (証拠保全): nothing within the scope is deleted from here on.
    HoldPlaced {
        /// Which hold.
        hold: HoldId,
        /// What it covers.
        scope: HoldScope,
        /// What that is called.
        about: String,
        /// On what it rests.
        basis: HoldBasis,
        /// Number of the case.
        case_number: String,
        /// Why.
        reason: String,
        /// Its end; none until it is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A hold on a request of the police was given a later end.
    HoldExtended {
        /// Which hold.
        hold: HoldId,
        /// Its new end.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// A person lifted a hold; never the one who placed it.
    HoldLifted {
        /// Which hold.
        hold: HoldId,
        /// Why.
        reason: String,
        /// Of a hold that was placed at the console: who placed it there, as the one who lifts it says. The console names nobody.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        console: String,
    },
    /// Copies in the archive of what a hold covers could not be kept from being deleted for as long.
    HoldCopiesUnlocked {
        /// Which hold.
        hold: HoldId,
        /// What the configuration calls the archive.
        place: String,
        /// How many of them.
        copies: u64,
        /// The code of why.
        code: String,
        /// Why.
        why: String,
    },
    /// The time of a hold was over.
    HoldEnded {
        /// Which hold.
        hold: HoldId,
    },
    /// A limit of the disk asked for a deletion that a hold forbids.
    HoldPressed {
        /// Bytes of targets' logs that are kept.
        bytes: u64,
        /// Bytes that they may take.
        limit: u64,
    },
    /// How long a class is kept was set: at the beginning by the box, longer by one person, shorter by a planner whom another
    /// person asked.
    RetentionSet {
        /// The class.
        class: KeepClass,
        /// Days.
        days: u32,
        /// Days before; none at the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u32>,
        /// Nothing is deleted by it before this moment.
        not_before: Timestamp,
        /// Who asked for a shorter time; empty if nobody had to be asked.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        asked_by: String,
        /// A shorter time was asked for at the console, which names nobody: the planner who agreed may be the same hand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_console: bool,
        /// Why.
        reason: String,
    },
    /// Somebody asked for a shorter time; it waits for a planner.
    RetentionAsked {
        /// The class.
        class: KeepClass,
        /// Days asked for.
        days: u32,
        /// Days in force.
        before: u32,
        /// Why.
        reason: String,
    },
    /// A planner said no, or who had asked took it back.
    RetentionDeclined {
        /// The class.
        class: KeepClass,
        /// Days that were asked for.
        days: u32,
        /// Why.
        reason: String,
    },
    /// The recording of a session is deleted, with every copy of it: its time was over.
    RecordingDeleted {
        /// The session.
        session: SessionId,
        /// Digest of the recording, as its `left` entry holds it.
        digest: String,
        /// Its size in bytes.
        bytes: u64,
        /// The class by which it was kept.
        class: KeepClass,
        /// Days that the class is kept.
        days: u32,
        /// When the session ended, from which moment the days count.
        ended: Timestamp,
    },
    /// A copy of a deleted recording could not be removed yet, because the storage refuses; it is tried again.
    CopyWaits {
        /// The session.
        session: SessionId,
        /// Where the copy lies.
        place: String,
        /// Until when the storage refuses, if it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A copy of a deleted recording is gone, that had to wait.
    CopyErased {
        /// The session.
        session: SessionId,
        /// Where it lay.
        place: String,
    },
    /// A file attached to a plan is deleted: its time was over. Its name and digest stay with the plan.
    AttachmentDeleted {
        /// The plan.
        plan: PlanId,
        /// Which file.
        attachment: AttachmentId,
        /// SHA-256 of its content.
        sha256: String,
        /// Its size in bytes.
        bytes: u64,
        /// The class by which it was kept.
        class: KeepClass,
        /// Days that the class is kept.
        days: u32,
        /// When the plan was last told of.
        ended: Timestamp,
    },
    /// A recording was found damaged and set aside.
    RecordingSetAside {
        /// The session.
        session: SessionId,
        /// Digest that the log holds.
        digest: String,
        /// What was found.
        why: String,
    },
    /// Nothing is deleted, because what the database says of holds and times is not what the log said.
    RetentionStopped {
        /// What was found, in English.
        why: String,
        /// What was found; entries of before it was told apart have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<StopCause>,
    },
    /// Somebody asked that deleting goes on although entries that decide bear no signature; it waits for another person.
    DeletingAsked {
        /// Numbers of these entries.
        entries: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// Another person agreed: these entries stop deleting no more. They go on to say nothing.
    DeletingResumed {
        /// Numbers of these entries.
        entries: Vec<u64>,
        /// Who had asked.
        asked_by: String,
        /// Why.
        reason: String,
    },
    /// Another person said no, or who had asked took it back.
    DeletingDeclined {
        /// Numbers of these entries.
        entries: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// The key of an auditor was asked for, confirmed, refused or ended.
    AuditorKeyKept {
        /// Which.
        auditor_key: AuditorKeyId,
        /// Whose.
        name: String,
        /// The public key of age.
        key: String,
        /// `asked`, `confirmed`, `refused` or `ended`.
        change: String,
        /// Why.
        reason: String,
    },
    /// A second key, whose holder must agree before recordings open, was asked for, confirmed, refused or ended. Its entry counts only
    /// with the signature of the log's key.
    SecondKeyKept {
        /// Which.
        second_key: SecondKeyId,
        /// Who holds it.
        holder: PersonId,
        /// Their name.
        name: String,
        /// The public key of age.
        key: String,
        /// The targets that it is for; none named means all of them.
        targets: Vec<TargetId>,
        /// What became of it.
        change: SecondKeyChange,
        /// Why.
        reason: String,
    },
    /// Somebody asked to open recordings that nobody opens alone.
    ViewingAsked {
        /// The request.
        viewing: ViewingRequestId,
        /// Which recordings.
        sessions: Vec<SessionId>,
        /// The second keys of which one is needed.
        keys: Vec<SecondKeyId>,
        /// For how many hours.
        hours: u32,
        /// Why.
        reason: String,
    },
    /// The holder of a second key agreed, and handed in what opens them.
    ViewingAgreed {
        /// The request.
        viewing: ViewingRequestId,
        /// Until when.
        until: Timestamp,
        /// By which key.
        second_key: SecondKeyId,
        /// SHA-256 of the agreement, without its armour: one is good for one request.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        agreement: String,
    },
    /// The holder of a second key declined.
    ViewingDeclined {
        /// The request.
        viewing: ViewingRequestId,
        /// Why.
        reason: String,
    },
    /// Who asked took the request back before anybody agreed.
    ViewingWithdrawn {
        /// The request.
        viewing: ViewingRequestId,
    },
    /// An agreement was ended before its time.
    ViewingEnded {
        /// The request.
        viewing: ViewingRequestId,
    },
    /// A sealed recording was copied to the archive, and the copy was looked at there.
    RecordingArchived {
        /// Which.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
        /// What the archive calls the copy.
        object: String,
        /// Length of the file.
        bytes: u64,
        /// Its SHA-256.
        sha256: String,
        /// Until when the archive keeps it from being deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locked_until: Option<Timestamp>,
    },
    /// A recording that the archive has was taken off the box.
    RecordingMovedOut {
        /// Which.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
        /// What the archive calls the copy.
        object: String,
        /// The SHA-256 of the file.
        sha256: String,
    },
    /// It was carried back for somebody who asked for it, and is what it was.
    RecordingFetched {
        /// Which.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
    },
    /// The copy of a recording in the archive is not what was handed over, or is gone.
    ArchiveCopyBad {
        /// Which.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
        /// The code of what is wrong.
        code: String,
        /// In words.
        why: String,
    },
    /// The lock of a copy in the archive was made to last longer, because a hold covers it.
    ArchiveLockProlonged {
        /// Which recording.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
        /// Until when it may not be deleted there.
        until: Timestamp,
    },
    /// The copy of a recording in the archive was deleted.
    ArchiveCopyRemoved {
        /// Which.
        session: SessionId,
        /// What the configuration calls the archive.
        place: String,
    },
    /// The archive does not take copies.
    ArchiveTrouble {
        /// What the configuration calls it.
        place: String,
        /// The code of why.
        code: String,
        /// Why.
        why: String,
    },
    /// It takes copies again.
    ArchiveWorks {
        /// What the configuration calls it.
        place: String,
    },
    /// Recordings have waited for the archive for too long.
    ArchiveBehind {
        /// What the configuration calls it.
        place: String,
        /// How many wait.
        waiting: u64,
        /// Since when the oldest has.
        since: Timestamp,
    },
    /// Checkpoints have not reached one of the places outside for some time.
    CheckpointStuck {
        /// What the configuration calls the place.
        place: String,
        /// The last that it has, by the number of entries; 0 for none.
        entries: u64,
        /// Why.
        why: String,
    },
    /// They reach it again.
    CheckpointLeaves {
        /// What the configuration calls the place.
        place: String,
        /// What it has, by the number of entries.
        entries: u64,
    },
    /// A checkpoint that was kept outside contradicts this log: it is behind it, or another one.
    LogContradicted {
        /// What the configuration calls the place.
        place: String,
        /// Entries that the log had here.
        here: u64,
        /// Entries that the checkpoint outside covers.
        there: u64,
        /// Root of the checkpoint outside.
        root: String,
    },
    /// A person at the console went on with a log that checkpoints outside contradict.
    RestoreAccepted {
        /// The place.
        place: String,
        /// Entries that the log had here.
        here: u64,
        /// Entries that the checkpoint outside covers; what lies between is lost.
        there: u64,
        /// Root of the checkpoint outside.
        root: String,
        /// Why.
        reason: String,
        /// The signature of the log's key over all of it: a row alone decides nothing.
        #[serde(default)]
        signature: String,
    },
    /// The key that signs the log was exchanged. The key before signs the first checkpoint over this entry, too.
    KeyRotated {
        /// The key before, in C2SP verifier form.
        old: String,
        /// The key after.
        new: String,
    },
    /// A place outside has a head that a key of this log signed after it was laid down, and that is not of this log: the lost branch of a restore,
    /// or somebody has that key.
    FormerKeySigned {
        /// What the configuration calls the place.
        place: String,
        /// Entries that the head covers.
        entries: u64,
        /// Its root, 64 hexadecimal digits.
        root: String,
    },
    /// No time stamp was had from the authority for some time.
    TimestampStuck {
        /// The authority.
        authority: String,
        /// Why.
        why: String,
    },
    /// There is one again.
    TimestampGoesOn {
        /// The authority.
        authority: String,
        /// What it is over, by the number of entries.
        entries: u64,
    },
    /// The box made an authority of its own for time stamps.
    TimestampAuthority {
        /// SHA-256 of its certificate.
        root: String,
    },
    /// The clock was set forward by more than the box believes without a majority of time servers or a person at the console.
    ClockHeld {
        /// By so many milliseconds.
        by_ms: i64,
    },
    /// The clock that was set forward is believed.
    ClockAccepted {
        /// By so many milliseconds.
        by_ms: i64,
        /// Time servers that confirm it; none if a person at the console did.
        servers: usize,
        /// Why, if a person did.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Time servers, or the one-time code of somebody of the hospital, confirmed a clock that was believed at starts of the box
    /// without anybody who could say so.
    ClockConfirmed {
        /// For so many milliseconds in all the box was off since the clock was last confirmed.
        rested_ms: i64,
        /// Servers that confirm it; none for the code of whoever logs in with the same entry's change.
        servers: usize,
    },
    /// The log's time was set back to the clock at the console: entries before this one have a false time.
    ClockCorrected {
        /// By so many milliseconds.
        by_ms: i64,
        /// Why.
        reason: String,
        /// The signature of the log's key over the time of this entry and the rest: a row alone sets no clock back.
        signature: String,
    },
    /// The clock was moved while the box ran, as the monotonic clock shows.
    ClockMoved {
        /// By so many milliseconds; negative for back.
        by_ms: i64,
    },
    /// The clock stands too far from the time servers, or does so no more.
    ClockOff {
        /// Milliseconds that it is behind them; negative if it is before them.
        offset_ms: i64,
        /// Servers that answered.
        servers: usize,
        /// Beyond the limit.
        off: bool,
    },
    /// The clock went backwards by more than a moment.
    ClockJumped {
        /// Milliseconds between the last entry and the clock.
        back_ms: u64,
    },
}

impl Fact {
    /// The name of its kind, as it stands in its JSON.
    #[must_use]
    pub fn kind(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()
    }

    /// The session a fact is about, for indexes and lists.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Entered { session, .. }
            | Self::Dialled { session, .. }
            | Self::RobotEntered { session, .. }
            | Self::SessionTold { session, .. }
            | Self::RefusedInside { session, .. }
            | Self::FileMoved { session, .. }
            | Self::Left { session, .. }
            | Self::CutAsked { session, .. }
            | Self::Controlled { session, .. }
            | Self::Marked { session, .. }
            | Self::AlertSeen { session, .. }
            | Self::ViewBegan { session, .. }
            | Self::FileTaken { session, .. }
            | Self::HeldFileTaken { session, .. }
            | Self::RecordingDeleted { session, .. }
            | Self::RecordingSetAside { session, .. }
            | Self::CopyWaits { session, .. }
            | Self::CopyErased { session, .. }
            | Self::RecordingArchived { session, .. }
            | Self::RecordingMovedOut { session, .. }
            | Self::RecordingFetched { session, .. }
            | Self::ArchiveCopyBad { session, .. }
            | Self::ArchiveCopyRemoved { session, .. }
            | Self::ArchiveLockProlonged { session, .. }
            | Self::ViewEnded { session, .. } => Some(session),
            Self::CertificateIssued { session, .. } | Self::HostKeyAlarmed { session, .. } => session.as_ref(),
            Self::EvidenceTaken { scope, .. } | Self::EvidenceSigned { scope, .. } => scope.session(),
            Self::HoldPlaced { scope, .. } => scope.session(),
            _ => None,
        }
    }

    /// The case a fact is about.
    #[must_use]
    pub fn case(&self) -> Option<&CaseId> {
        match self {
            Self::CaseOpened { case, .. } | Self::CaseGrew { case, .. } | Self::CaseDecided { case, .. } => Some(case),
            Self::EvidenceTaken { scope, .. } | Self::EvidenceSigned { scope, .. } => scope.case(),
            _ => None,
        }
    }

    /// The plan a fact is about.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanId> {
        match self {
            Self::PlanDrawn { plan, .. }
            | Self::PlanActed { plan, .. }
            | Self::FileAttached { plan, .. }
            | Self::AttachmentDeleted { plan, .. }
            | Self::Escalated { plan, .. }
            | Self::Entered { plan, .. }
            | Self::KeyWindowOpened { plan, .. }
            | Self::Reconciled { plan, .. } => Some(plan),
            Self::EvidenceTaken { scope, .. } | Self::EvidenceSigned { scope, .. } => scope.plan(),
            Self::HoldPlaced { scope, .. } => scope.plan(),
            _ => None,
        }
    }
}
