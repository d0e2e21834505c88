//! The calls of the HTTP API that the demo makes, in the words of the job.

use super::cast::Player;
use super::client::{Answer, Client};
use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};

/// The API of one Sekisho.
#[derive(Clone)]
pub struct Api(pub Client);

impl Api {
    /// Reads something.
    ///
    /// # Errors
    /// It is refused, or the connection breaks.
    pub async fn get(&self, token: Option<&str>, path: &str) -> Result<Value> {
        self.0.send(Method::GET, path, token, None).await?.done().with_context(|| format!("GET {path}"))
    }

    /// Reads something that may be refused, or that is no JSON.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn try_get(&self, token: Option<&str>, path: &str) -> Result<Answer> {
        self.0.send(Method::GET, path, token, None).await
    }

    /// Does something.
    ///
    /// # Errors
    /// It is refused, or the connection breaks.
    pub async fn post(&self, token: Option<&str>, path: &str, body: &Value) -> Result<Value> {
        self.try_post(token, path, body).await?.done().with_context(|| format!("POST {path}"))
    }

    /// Does something that may be refused.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn try_post(&self, token: Option<&str>, path: &str, body: &Value) -> Result<Answer> {
        self.0.send(Method::POST, path, token, Some(body)).await
    }

    /// Logs a person in and gives the token.
    ///
    /// # Errors
    /// The login fails.
    pub async fn log_in(&self, player: &Player) -> Result<String> {
        let code = player.phone.fresh();
        let body = json!({ "login": player.login, "password": player.password, "code": code });
        let value = self.post(None, "/api/v1/logins", &body).await.with_context(|| format!("login of {}", player.login))?;
        value.get("token").and_then(Value::as_str).map(str::to_owned).context("the login gives no token")
    }

    /// Draws up a plan and gives its id.
    ///
    /// # Errors
    /// It is refused.
    pub async fn draw_plan(&self, token: &str, vendor: &str, content: &Value) -> Result<String> {
        let value = self.post(Some(token), "/api/v1/plans", &json!({ "vendor": vendor, "content": content })).await?;
        text(&value, "id")
    }

    /// Does an act on a plan and gives the plan after it.
    ///
    /// # Errors
    /// It is refused.
    pub async fn act(&self, token: &str, plan: &str, act: &Value) -> Result<Value> {
        self.post(Some(token), &format!("/api/v1/plans/{plan}/acts"), act).await
    }

    /// A plan with its digest and what else the page shows.
    ///
    /// # Errors
    /// It is refused.
    pub async fn plan(&self, token: &str, plan: &str) -> Result<Value> {
        self.get(Some(token), &format!("/api/v1/plans/{plan}")).await
    }

    /// Approves a plan as it stands.
    ///
    /// # Errors
    /// It is refused.
    pub async fn approve(&self, token: &str, plan: &str) -> Result<Value> {
        let view = self.plan(token, plan).await?;
        let digest = text(&view, "digest")?;
        self.act(token, plan, &json!({ "act": "approve", "digest": digest })).await
    }

    /// Sessions that run at this moment.
    ///
    /// # Errors
    /// It is refused.
    pub async fn running(&self, token: &str) -> Result<Vec<Value>> {
        let value = self.get(Some(token), "/api/v1/sessions?running=true").await?;
        Ok(value.get("rows").and_then(Value::as_array).cloned().unwrap_or_default())
    }
}

/// A text field of an answer.
///
/// # Errors
/// It is missing.
pub fn text(value: &Value, field: &str) -> Result<String> {
    let found = field.split('.').try_fold(value, |value, name| value.get(name)).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("the answer has no {field}: {value}"))
}
