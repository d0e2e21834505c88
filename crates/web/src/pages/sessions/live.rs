//! The socket of a live view. It ends with the session, with the viewer's login and with their right to watch.

use super::messages;
use crate::call::{Call, Ctx};
use crate::gate::credentials::{LOGIN_COOKIE, cookie};
use crate::pages::plans::view::cause_name;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words;
use axum::extract::ws::{Message, WebSocket};
use sekisho_core::ids::SessionId;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_store::{ViewEvent, Watch};
use serde_json::Value;
use std::time::Duration;

/// What a page says every few seconds while it is visible before the person.
const HERE: &str = "here";
/// Largest message that a viewer may send. Viewers have nothing to say beyond this and pongs.
const INCOMING_BYTES: usize = 1024;
/// Bytes that may wait to be written before the connection counts as broken.
const WAITING_BYTES: usize = 2 * 1024 * 1024;
/// Time that one message may take to be sent.
const SEND: Duration = Duration::from_secs(20);
/// Between two looks at the login, and two pings.
const LOOK: Duration = Duration::from_secs(5);
/// Looks without any sign of life after which the viewer counts as gone.
const SILENT_LOOKS: u32 = 6;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::socket("/sessions/{id}/live", Access::May(Action::WatchSession), live)]
}

async fn live(call: Call) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    let ctx = call.ctx.clone();
    let token = cookie(&call.asked.headers, LOGIN_COOKIE).map(str::to_owned).ok_or(Refusal::LoginNeeded)?;
    let socket = call.socket()?;
    let watch = match ctx.store().watch(ctx.actor()?, &id).await.map_err(Stop::from) {
        Ok(watch) => Some(watch),
        // A session that ended a moment ago: the viewer is told so instead of trying again and again.
        Err(Stop::Refused(Refusal::NotFound)) => {
            let view = ctx.store().session(ctx.actor()?, &id).await?;
            if view.row.running {
                return Err(Refusal::NotFound.into());
            }
            None
        }
        Err(stop) => return Err(stop),
    };
    let ended = match &watch {
        Some(_) => None,
        None => ctx.store().session(ctx.actor()?, &id).await?.row.facts.cause,
    };
    let socket = socket.max_message_size(INCOMING_BYTES).max_frame_size(INCOMING_BYTES).max_write_buffer_size(WAITING_BYTES);
    Ok(socket.on_upgrade(move |socket| async move {
        let mut viewer = Viewer { socket, ctx, token, last_ms: 0, silent: 0 };
        match watch {
            Some(watch) => viewer.show(watch).await,
            None => viewer.over(ended.as_deref().unwrap_or("closed")).await,
        }
    }))
}

/// One viewer at the other end of a socket.
struct Viewer {
    socket: WebSocket,
    ctx: Ctx,
    token: String,
    last_ms: u64,
    silent: u32,
}

/// The connection is of no more use.
struct Gone;

impl Viewer {
    async fn show(mut self, mut watch: Watch) {
        // The watch ends, and the log says so, when this returns in any way.
        if self.begin(&mut watch).await.is_ok() {
            let _ = self.go_on(&mut watch).await;
        }
        let _ = tokio::time::timeout(SEND, self.socket.send(Message::Close(None))).await;
    }

    async fn over(&mut self, cause: &str) {
        let lang = self.ctx.lang;
        let _ = self.say(&messages::hello()).await;
        let _ = self.say(&messages::end(0, &words::word(lang, &format!("cause.{}", cause_name(cause))))).await;
        let _ = tokio::time::timeout(SEND, self.socket.send(Message::Close(None))).await;
    }

    async fn begin(&mut self, watch: &mut Watch) -> Result<(), Gone> {
        self.say(&messages::hello()).await?;
        self.say(&messages::talk(&watch.talk())).await?;
        for event in std::mem::take(&mut watch.backlog) {
            self.tell(&event).await?;
        }
        self.say_state(watch).await
    }

    async fn say_state(&mut self, watch: &Watch) -> Result<(), Gone> {
        match watch.standing() {
            Some(standing) => self.say(&messages::state(self.last_ms, &standing)).await,
            None => Ok(()),
        }
    }

    async fn go_on(&mut self, watch: &mut Watch) -> Result<(), Gone> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.tick().await;
        let mut news = watch.news();
        loop {
            tokio::select! {
                Ok(()) = news.changed() => self.say_state(watch).await?,
                event = watch.next() => match event {
                    Some(event) => {
                        self.tell(&event).await?;
                        if matches!(event, ViewEvent::End { .. }) {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                },
                heard = self.socket.recv() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                    Some(Ok(Message::Text(text))) if text.as_str() == HERE => {
                        self.silent = 0;
                        watch.here();
                    }
                    Some(Ok(_)) => self.silent = 0,
                },
                _ = look.tick() => {
                    self.silent += 1;
                    if self.silent > SILENT_LOOKS || !may_still_watch(&self.ctx, &self.token).await {
                        return Err(Gone);
                    }
                    self.send(Message::Ping(bytes::Bytes::new())).await?;
                }
            }
        }
    }

    async fn tell(&mut self, event: &ViewEvent) -> Result<(), Gone> {
        self.last_ms = event.at_ms().unwrap_or(self.last_ms);
        let lang = self.ctx.lang;
        let message = messages::of(event, self.last_ms, &|key| words::word(lang, key));
        self.say(&message).await
    }

    async fn say(&mut self, message: &Value) -> Result<(), Gone> {
        self.send(Message::Text(message.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(SEND, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Asks the store anew; watching counts as use of the login, whose absolute end still holds. The login may have ended, the person may have been disabled or have lost the role.
async fn may_still_watch(ctx: &Ctx, token: &str) -> bool {
    match ctx.store().login_of(token, ctx.source).await {
        Ok(login) => may(&login.actor, Action::WatchSession, None).is_ok(),
        Err(_) => false,
    }
}
