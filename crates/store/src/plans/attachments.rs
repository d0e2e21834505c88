//! Files attached to a plan: encrypted in the database, part of what approvers sign by their digest.

use super::acts::acted;
use super::may_read;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{AttachmentId, PlanId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::act::{PlanAct, act};
use sekisho_core::plan::content::{Attachment, check_line};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::Digest;
use sqlx::Row;
use sqlx::any::AnyRow;

fn place(id: &AttachmentId) -> Place<'_> {
    Place { table: "attachments", row: id.as_str(), column: "content" }
}

fn read(row: &AnyRow) -> Result<Attachment, Fault> {
    let id: String = row.try_get("id")?;
    Ok(Attachment {
        id: AttachmentId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of an attachment")))?,
        name: row.try_get("name")?,
        bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0),
        sha256: row.try_get("sha256")?,
    })
}

impl Store {
    /// Attaches a file. It becomes part of the content, so an approved plan asks for its approvals anew.
    ///
    /// # Errors
    /// Without the right; [`Refusal::TooLarge`]; [`Refusal::TooMany`]; a plan that cannot be changed any more.
    pub async fn attach(&self, actor: &Actor, plan: &PlanId, name: &str, bytes: &[u8]) -> Done<Attachment> {
        // A browser of some systems sends a whole path; only what stands last is a name.
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        check_line("name", name)?;
        if name.is_empty() || name == "." || name == ".." {
            return Err(Refusal::bad_field("name").into());
        }
        if bytes.is_empty() {
            return Err(Refusal::bad_field("file").into());
        }
        if bytes.len() > limits::ATTACHMENT_BYTES {
            return Err(Refusal::TooLarge.into());
        }
        let attachment = Attachment { id: random_id()?, name: name.to_owned(), bytes: bytes.len() as u64, sha256: Digest::of(bytes).to_string() };
        let sealed = self.inner.keys.seal(place(&attachment.id), bytes)?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let before = self.load_plan(tx.sql(), plan).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &before)?;
        may(actor, Action::WritePlan, Some(&before.vendor))?;
        // What was taken out again stays on the disk, so that an earlier approval can still be read.
        if self.attachments_of(&mut tx, plan).await?.len() >= limits::PLAN_FILES_KEPT {
            return Err(Refusal::too_many("PLAN_FILES_KEPT").into());
        }
        let mut content = before.content.clone();
        content.attachments.push(attachment.clone());
        let gathered = self.gather(tx.sql(), &before, Some(&content), now, false).await?;
        let edit = PlanAct::Edit { content: Box::new(content) };
        let after = act(&before, &edit, actor, now, &gathered.context(self.policy()))?;
        sqlx::query("INSERT INTO attachments (id, plan, name, bytes, sha256, added_at, content) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(attachment.id.as_str().to_owned())
            .bind(plan.as_str().to_owned())
            .bind(attachment.name.clone())
            .bind(as_i64(attachment.bytes))
            .bind(attachment.sha256.clone())
            .bind(now.0)
            .bind(sealed.into_bytes())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::FileAttached { plan: plan.clone(), attachment: attachment.id.clone(), sha256: attachment.sha256.clone() });
        self.save_plan(&mut tx, &after).await?;
        tx.fact(acted(&before, &after, edit.name(), String::new(), ""));
        tx.commit().await?;
        Ok(attachment)
    }

    /// An attached file. Its bytes come from a vendor: they are for saving, never for showing.
    ///
    /// # Errors
    /// Without the right to read the plan; [`Refusal::NotFound`].
    pub async fn attachment(&self, actor: &Actor, plan: &PlanId, id: &AttachmentId) -> Done<(Attachment, Vec<u8>)> {
        let owner = self.load_plan(self.read(), plan).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &owner)?;
        if self.board(|board| board.erased_attachment(id).is_some()) {
            return Err(Refusal::RecordingDeleted.into());
        }
        let text = "SELECT id, name, bytes, sha256, content FROM attachments WHERE id = $1 AND plan = $2";
        let row = sqlx::query(text).bind(id.as_str().to_owned()).bind(plan.as_str().to_owned()).fetch_optional(self.read()).await?.ok_or(Refusal::NotFound)?;
        let attachment = read(&row)?;
        let bytes = self.inner.keys.unseal(place(id), &Sealed::from_bytes(row.try_get("content")?))?.to_vec();
        if Digest::of(&bytes).to_string() != attachment.sha256 {
            return Err(Fault::Damaged(format!("the attachment {id} is not the one that was attached")).into());
        }
        Ok((attachment, bytes))
    }

    /// What was attached to a plan.
    pub(super) async fn attachments_of(&self, tx: &mut Tx, plan: &PlanId) -> Result<Vec<Attachment>, Fault> {
        let text = "SELECT id, name, bytes, sha256 FROM attachments WHERE plan = $1 ORDER BY added_at, id";
        let rows = sqlx::query(text).bind(plan.as_str().to_owned()).fetch_all(tx.sql()).await?;
        rows.iter().map(read).collect()
    }
}
