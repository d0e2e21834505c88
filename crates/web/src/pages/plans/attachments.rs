//! Attached files: bounded on their way in, always a download on their way out.

use super::new::UPLOAD_BYTES;
use crate::call::{Call, download};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use sekisho_core::ids::{AttachmentId, PlanId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::form("/plans/{id}/attachments", Access::May(Action::WritePlan), attach).up_to(UPLOAD_BYTES).again(super::show::show),
        Route::page("/plans/{id}/attachments/{file}", Access::May(Action::ReadPlan), fetch),
    ]
}

async fn attach(call: Call) -> Reply {
    let id = call.id("id", PlanId::parse)?;
    let files = call.form().files();
    if files.is_empty() {
        return Err(Stop::bad_field("attachments"));
    }
    for file in files {
        if file.bytes.len() > limits::ATTACHMENT_BYTES {
            return Err(Refusal::TooLarge.into());
        }
        call.ctx.store().attach(call.ctx.actor()?, &id, &file.name, &file.bytes).await?;
    }
    call.done(&format!("/plans/{id}#attachments"), "plans.done.attached")
}

/// Never shown in the browser, whatever the file says it is.
pub(super) async fn fetch(call: Call) -> Reply {
    let id = call.id("id", PlanId::parse)?;
    let file = call.id("file", AttachmentId::parse)?;
    let (attachment, bytes) = call.ctx.store().attachment(call.ctx.actor()?, &id, &file).await?;
    download(&attachment.name, "application/octet-stream", bytes)
}
