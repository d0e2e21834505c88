//! The ledger of targets: where they are, which host keys they show, and the accounts whose credentials are kept.

pub(super) mod accounts;
mod host_key;
mod logs;
mod scan;

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{TargetId, VendorId};
use sekisho_core::permission::Action;
use sekisho_core::target::{Account, Protocol, Quarantine, Target, TargetClass, Witness, check_host, check_target_name};
use sekisho_evidence::Digest;
use sekisho_store::{TargetAsk, TargetRow};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);
const KEEP_READ: Access = Access::May(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    let mut routes = vec![
        Route::page("/targets", READ, list),
        Route::page("/targets/new", may_keep, show_add),
        Route::form("/targets/new", KEEP, add).again(show_add),
        Route::page("/targets/{id}", READ, show),
        Route::page("/targets/{id}/edit", may_keep, show_edit),
        Route::form("/targets/{id}/edit", KEEP, edit).again(show_edit),
        Route::api(Method::GET, "/api/v1/targets", READ, "The ledger of targets.", api_list).gives::<Vec<TargetAnswer>>(),
        Route::api(Method::GET, "/api/v1/targets/{id}", READ, "One target with its accounts.", api_show).gives::<TargetAnswer>(),
        Route::api(Method::POST, "/api/v1/targets", KEEP, "Register a target.", api_add).takes::<TargetBody>().gives::<Target>(),
        Route::api(Method::PUT, "/api/v1/targets/{id}", KEEP, "Change a target, its pinned host keys included.", api_edit).takes::<TargetBody>().gives::<Target>(),
    ];
    routes.extend(accounts::routes());
    routes.extend(logs::routes());
    routes.extend(scan::routes());
    routes.extend(host_key::routes());
    routes
}

/// A target as the API shows it.
#[derive(Serialize, JsonSchema)]
struct TargetAnswer {
    /// The entry.
    #[serde(flatten)]
    target: Target,
    /// Name of the vendor that maintains it.
    vendor_name: String,
    /// Accounts; credentials are never shown.
    accounts: Vec<Account>,
    /// SHA-256 fingerprints of the pinned host keys, in their order.
    fingerprints: Vec<String>,
}

impl From<TargetRow> for TargetAnswer {
    fn from(row: TargetRow) -> Self {
        let fingerprints = row.target.host_keys.iter().filter_map(|line| fingerprint(line)).map(|key| key.print).collect();
        Self { target: row.target, vendor_name: row.vendor_name, accounts: row.accounts, fingerprints }
    }
}

/// What a target's entry says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TargetBody {
    /// Short name, the second part of the SSH login.
    name: String,
    /// What hospital staff call it.
    title: String,
    /// How it is reached.
    protocol: Protocol,
    /// Host name or address.
    host: String,
    /// TCP port.
    port: u16,
    /// Owning department.
    #[serde(default)]
    owner: String,
    /// The vendor that maintains it.
    vendor: VendorId,
    /// OpenSSH public-key lines that it may show. Without one nothing is dialled.
    #[serde(default)]
    host_keys: Vec<String>,
    /// Holds patients' data.
    #[serde(default)]
    personal_data: bool,
    /// What kind of machine it is; its command rules follow from that.
    #[serde(default)]
    class: TargetClass,
    /// Whether every session here needs a witness.
    #[serde(default)]
    witness: Witness,
    /// Which uploads wait until a person of the hospital lets them pass, where the policy is not stricter.
    #[serde(default)]
    quarantine: Quarantine,
    /// False once taken out of service.
    active: bool,
}

impl TargetBody {
    fn read(form: &Form) -> Result<Self, Stop> {
        let body = Self {
            name: form.need("name")?.to_owned(),
            title: form.need("title")?.to_owned(),
            protocol: Protocol::Ssh,
            host: form.need("host")?.to_owned(),
            port: form.parse("port", |text| text.parse().ok().filter(|port| *port != 0))?,
            owner: form.text("owner").to_owned(),
            vendor: form.parse("vendor", VendorId::parse)?,
            host_keys: key_lines(form.text("host_keys"))?,
            personal_data: form.has("personal_data"),
            class: form.parse("class", TargetClass::parse)?,
            witness: form.parse("witness", Witness::parse)?,
            quarantine: form.parse("quarantine", Quarantine::parse)?,
            active: form.has("active"),
        };
        check_target_name(&body.name)?;
        check_host(&body.host)?;
        Ok(body)
    }

    fn show(target: &Target) -> Form {
        let port = target.port.to_string();
        let keys = target.host_keys.join("\n");
        let mut form = Form::of([
            ("name", target.name.as_str()),
            ("title", &target.title),
            ("host", &target.host),
            ("port", &port),
            ("owner", &target.owner),
            ("vendor", target.vendor.as_str()),
            ("host_keys", &keys),
            ("class", target.class.as_str()),
            ("witness", target.witness.as_str()),
            ("quarantine", target.quarantine.as_str()),
        ]);
        if target.personal_data {
            form.push("personal_data", "1");
        }
        if target.active {
            form.push("active", "1");
        }
        form
    }

    fn ask(self) -> TargetAsk {
        let Self { name, title, protocol, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active } = self;
        TargetAsk { name, title, protocol, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active }
    }
}

/// Reads pasted host keys: lines of `ssh-keyscan` (with the host in front) or of a `.pub` file.
fn key_lines(text: &str) -> Result<Vec<String>, Stop> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| fingerprint(line).map(|key| key.line).ok_or_else(|| Stop::bad_field("host_keys"))).collect()
}

/// A host key for people to compare.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct HostKey {
    /// `ssh-ed25519 AAAA…`, no host and no comment.
    #[serde(skip)]
    line: String,
    algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    print: String,
}

fn fingerprint(line: &str) -> Option<HostKey> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-"))?;
    let (algorithm, blob) = (words.get(at)?, words.get(at + 1)?);
    if at > 1 || blob.len() > 8_192 {
        return None;
    }
    let bytes = STANDARD.decode(blob).ok()?;
    // The blob names its own algorithm; both must agree, or somebody pasted something else.
    let length = usize::try_from(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?)).ok()?;
    (bytes.get(4..4_usize.checked_add(length)?)? == algorithm.as_bytes()).then_some(())?;
    let print = format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&bytes).as_bytes()));
    Some(HostKey { line: format!("{algorithm} {blob}"), algorithm: (*algorithm).to_owned(), print })
}

fn row(ctx: &Ctx, row: &TargetRow) -> Value {
    let target = &row.target;
    let keys: Vec<HostKey> = target.host_keys.iter().filter_map(|line| fingerprint(line)).collect();
    let missing = match (keys.is_empty(), row.accounts.is_empty()) {
        (true, _) => "target.no_key",
        (false, true) => "target.no_account",
        (false, false) => "",
    };
    let accounts: Vec<Value> = row
        .accounts
        .iter()
        .map(|account| {
            let kind = accounts::show::way(account.credential);
            context! { id => account.id.as_str(), username => account.username.as_str(), privileged => account.is_privileged(), kind => ctx.t(kind) }
        })
        .collect();
    // What holds is the stricter of the two, and the page says so.
    let policy = ctx.store().policy().quarantine_uploads;
    context! {
        target => value(target),
        quarantine => policy.max(target.quarantine).as_str(),
        by_policy => policy > target.quarantine,
        vendor_name => row.vendor_name.as_str(),
        keys => value(keys),
        accounts,
        missing => if missing.is_empty() { String::new() } else { ctx.t(missing) },
        alarm => value(&target.host_key_alarm),
        state => if target.host_key_alarm.is_some() { "incident" } else if !target.active { "disabled" } else if missing.is_empty() { "active" } else { "waiting" },
        state_word => if target.host_key_alarm.is_some() { ctx.t("alarm.short") } else if target.active && !missing.is_empty() { ctx.t("target.not_ready") } else { String::new() },
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let rows: Vec<Value> = ctx.store().targets(ctx.actor()?).await?.iter().map(|target| row(ctx, target)).collect();
    call.page("targets/list.html", "target.title", context! { rows, may_keep => ctx.may(Action::KeepLedger) })
}

async fn find(call: &Call) -> Result<TargetRow, Stop> {
    let id = call.id("id", TargetId::parse)?;
    let all = call.ctx.store().targets(call.ctx.actor()?).await?;
    all.into_iter().find(|row| row.target.id == id).ok_or_else(Stop::not_found)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let found = find(&call).await?;
    let tests = ctx.store().account_tests(ctx.actor()?).await?;
    let tests: Vec<Value> = found.accounts.iter().map(|account| tests.get(&account.id).map(|test| accounts::show::told(ctx, test, account.credential)).into()).collect();
    let addresses = logs::addresses(&call, &found.target.id).await?;
    call.page_titled("targets/show.html", &found.target.title, context! { row => row(ctx, &found), no_log => found.target.logs.none, tests, addresses, may_keep => ctx.may(Action::KeepLedger) })
}

async fn vendors(ctx: &Ctx) -> Result<Value, Stop> {
    let vendors = ctx.store().vendors(ctx.actor()?).await?;
    Ok(value(vendors.into_iter().map(|vendor| (vendor.id.to_string(), vendor.name)).collect::<Vec<_>>()))
}

async fn show_add(call: Call) -> Reply {
    let form = call.typed_or(Form::of([("port", "22"), ("active", "1")]));
    let (seen, form) = scan::with_seen(form);
    call.page("targets/form.html", "target.add", context! { seen, form, id => (), name => "", vendors => vendors(&call.ctx).await? })
}

async fn add(call: Call) -> Reply {
    let target = call.ctx.store().add_target(call.ctx.actor()?, TargetBody::read_all(call.form())?.ask()).await?;
    call.done(&format!("/targets/{}", target.id), "target.added")
}

async fn show_edit(call: Call) -> Reply {
    let found = find(&call).await?;
    let form = call.typed_or(TargetBody::show(&found.target));
    let (seen, form) = scan::with_seen(form);
    let context = context! { seen, form, id => found.target.id.as_str(), name => found.target.title.as_str(), vendors => vendors(&call.ctx).await? };
    call.page("targets/form.html", "target.edit", context)
}

async fn edit(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    call.ctx.store().change_target(call.ctx.actor()?, &id, TargetBody::read_all(call.form())?.ask()).await?;
    call.done(&format!("/targets/{id}"), "target.changed")
}

async fn api_list(call: Call) -> Reply {
    let rows = call.ctx.store().targets(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(TargetAnswer::from).collect::<Vec<_>>())
}

async fn api_show(call: Call) -> Reply {
    call.answer(&TargetAnswer::from(find(&call).await?))
}

async fn api_add(call: Call) -> Reply {
    let body: TargetBody = call.json()?;
    call.answer(&call.ctx.store().add_target(call.ctx.actor()?, body.ask()).await?)
}

async fn api_edit(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let body: TargetBody = call.json()?;
    call.answer(&call.ctx.store().change_target(call.ctx.actor()?, &id, body.ask()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn pasted_keys_are_read_with_and_without_host() {
        let expected = vec![KEY.to_owned()];
        for text in [KEY.to_owned(), format!("# scan\n10.0.0.5 {KEY}\n"), format!("{KEY} root@db01"), format!("[10.0.0.5]:2222 {KEY}")] {
            assert_eq!(key_lines(&text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["hello", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            assert!(key_lines(bad).is_err(), "{bad}");
        }
    }
}
