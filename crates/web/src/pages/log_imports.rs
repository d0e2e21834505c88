//! ログの取込み: files of targets' logs that somebody brings, for machines that send nothing.

use crate::call::{Call, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::{bytes, value};
use crate::words::Lang;
use axum::http::Method;
use minijinja::{Value, context};
use sekisho_core::around::{ImportAsk, ImportForm, LogImport};
use sekisho_core::ids::{LogImportId, TargetId};
use sekisho_core::limits;
use sekisho_core::permission::Action;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);
/// The file and what a form puts around it.
const BODY: usize = limits::LOG_IMPORT_BYTES + 64 * 1024;
/// Seconds by which the form proposes that a clock may be off.
const CLOCK_SECONDS: &str = "60";

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/log-imports", READ, list),
        Route::form("/log-imports", KEEP, take).up_to(BODY).again(list),
        Route::page("/log-imports/{id}", READ, show),
        Route::page("/log-imports/{id}/file", READ, file),
        Route::api(Method::GET, "/api/v1/log-imports", READ, "The files of targets' logs that were read in, the newest first.", api_list).gives::<Vec<LogImport>>(),
        Route::api(Method::GET, "/api/v1/log-imports/{id}", READ, "One of them.", api_show).gives::<LogImport>(),
    ]
}

fn told(call: &Call, import: &LogImport) -> Value {
    let hosts: Vec<&str> = import.hosts.iter().map(String::as_str).collect();
    context! {
        id => import.id.as_str(),
        target => import.target.as_str(),
        about => import.about.as_str(),
        name => import.name.as_str(),
        form => call.ctx.t(&format!("imports.form_{}", if import.failed { "btmp" } else { import.form.as_str() })),
        digest => import.digest.as_str(),
        bytes => bytes(import.bytes),
        read => import.read,
        records => import.records,
        logins => import.logins,
        known => import.known,
        foreign => import.foreign,
        joined => import.joined,
        hits => import.hits,
        hosts => hosts.join(", "),
        first => import.first.map(|at| at.0),
        last => import.last.map(|at| at.0),
        clock => import.clock_seconds,
        troubles => value(import.troubles.iter().map(|trouble| in_one_language(call, trouble)).collect::<Vec<_>>()),
        by => import.by.as_str(),
        at => import.at.0,
    }
}

/// The half of a sentence that the reader reads.
fn in_one_language(call: &Call, trouble: &str) -> String {
    let (ja, en) = trouble.split_once(" / ").unwrap_or((trouble, trouble));
    if call.ctx.lang == Lang::Ja { ja.to_owned() } else { en.to_owned() }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let rows: Vec<Value> = ctx.store().log_imports(ctx.actor()?).await?.iter().map(|import| told(&call, import)).collect();
    let targets: Vec<(String, String)> = ctx.store().targets(ctx.actor()?).await?.iter().filter(|row| row.target.active).map(|row| (row.target.id.to_string(), format!("{}({})", row.target.title, row.target.name))).collect();
    let target = call.query().text("target").to_owned();
    let form = call.typed_or(Form::of([("target", target.as_str()), ("clock_seconds", CLOCK_SECONDS)]));
    let context = context! { rows, targets => value(targets), form => Value::from_object(form), may_keep => ctx.may(Action::KeepLedger), most => limits::LOG_IMPORT_BYTES, open_form => call.problem.is_some() || !target.is_empty() };
    call.page("log_imports/list.html", "imports.title", context)
}

async fn take(call: Call) -> Reply {
    let form = call.form();
    let file = form.files().iter().find(|file| file.field == "file").ok_or_else(|| Stop::bad_field("file"))?;
    let ask = ImportAsk { target: form.parse("target", TargetId::parse)?, name: file.name.clone(), failed: form.has("failed"), clock_seconds: form.parse("clock_seconds", |text| text.parse().ok())? };
    let import = call.ctx.store().import_log(call.ctx.actor()?, ask, file.bytes.to_vec()).await?;
    call.done(&format!("/log-imports/{}", import.id), "imports.taken")
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", LogImportId::parse)?;
    let import = ctx.store().log_import(ctx.actor()?, &id).await?;
    let (open, decided) = ctx.store().cases(ctx.actor()?).await?;
    let cases: Vec<Value> = open.iter().chain(&decided).filter(|case| case.key.import.as_ref() == Some(&id)).map(|case| super::cases::told(ctx, case)).collect();
    call.page("log_imports/show.html", "imports.one", context! { import => told(&call, &import), cases })
}

async fn file(call: Call) -> Reply {
    let (import, bytes) = call.ctx.store().log_import_file(call.ctx.actor()?, &call.id("id", LogImportId::parse)?).await?;
    // Its own name is whatever somebody gave it.
    let name = match import.form {
        ImportForm::Evtx => format!("{}.evtx", import.id),
        ImportForm::Wtmp => format!("{}.wtmp", import.id),
    };
    download(&name, "application/octet-stream", bytes)
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().log_imports(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().log_import(call.ctx.actor()?, &call.id("id", LogImportId::parse)?).await?)
}
