//! Taking the content of a transferred file out of a recording: a page that says what it is, and the content itself.

use super::facts;
use crate::call::{Call, download};
use crate::pages::plans::files;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use minijinja::context;
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_store::TakenFile;

pub(super) fn routes() -> Vec<Route> {
    let access = Access::MayStepUp(Action::TakeContent);
    vec![Route::page("/sessions/{id}/files/{file}", access, show), Route::page("/sessions/{id}/files/{file}/content", access, fetch)]
}

pub(super) fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

async fn show(call: Call) -> Reply {
    let number = call.id("file", number)?;
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let seen = view.row.facts.files.iter().find(|seen| seen.kept.is_some_and(|kept| kept.file == number && kept.bytes > 0));
    let file = files::file(seen.ok_or(Refusal::NotFound)?);
    call.page("sessions/file.html", "sessions.file_title", context! { s => value(s), file => value(file) })
}

pub(super) async fn fetch(call: Call) -> Reply {
    let session = call.id("id", SessionId::parse)?;
    let number = call.id("file", number)?;
    let taken = call.ctx.store().take_file(call.ctx.actor()?, &session, number).await.map_err(Stop::from)?;
    send_file(taken, number)
}

/// A content as a file that the browser saves.
pub(super) fn send_file(taken: TakenFile, number: u32) -> Reply {
    let (bytes, name) = (taken.bytes, file_name(&taken.file.path, number));
    let stream = futures_util::stream::unfold(Some(taken), |taken: Option<TakenFile>| async move {
        let mut taken = taken?;
        // A fault breaks the answer off before its length, so that no client takes it for the whole.
        match taken.next().await? {
            Ok(piece) => Some((Ok(Bytes::from(piece)), Some(taken))),
            Err(denied) => Some((Err(std::io::Error::other(denied.to_string())), None)),
        }
    });
    let mut answer = download(&name, "application/octet-stream", Body::from_stream(stream))?;
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(answer)
}

/// The last part of the path, so that it begins with nothing that hides a file or climbs.
fn file_name(path: &str, number: u32) -> String {
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    let sound: String = last.trim_start_matches('.').chars().filter(|c| !c.is_control()).collect();
    if sound.is_empty() { format!("file-{number}") } else { sound }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_and_cannot_hide() {
        assert_eq!(file_name("/opt/保守/patch-2026.tar.gz", 3), "patch-2026.tar.gz");
        assert_eq!(file_name("/home/a/.bashrc", 3), "bashrc");
        assert_eq!(file_name("C:\\temp\\a.exe", 3), "a.exe");
        for nameless in ["", "/", "..", "/tmp/..", "///"] {
            assert!(["file-3", "tmp"].contains(&file_name(nameless, 3).as_str()), "{nameless}");
        }
    }
}
