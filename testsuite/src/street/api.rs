//! The HTTP API as a client outside sees it.

use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"))
}

/// Talks to one Sekisho; trusts its private CA and nothing else.
#[derive(Clone)]
pub struct Api {
    base: String,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// What was asked for.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// Body as it came.
    pub text: String,
    /// Where it leads, if it is a redirect.
    pub location: String,
    /// The cookies that it sets, each as `name=value`.
    pub cookies: Vec<String>,
}

impl Answer {
    /// The body as JSON, if it was done.
    pub fn done(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: HTTP {}: {}", self.asked, self.status, self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// A text field of an answer; dots go down.
pub fn text(value: &Value, field: &str) -> String {
    let found = field.split('.').try_fold(value, |value, name| value.get(name)).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("the answer has no {field}: {value}")).to_owned()
}

/// The value of a hidden field of a page.
pub fn field(html: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let value = html.split_once(&start).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value.to_owned());
    value.unwrap_or_else(|| panic!("the page has no field {name}:\n{html}"))
}

impl Api {
    /// A client for the pages at `base`.
    pub fn new(base: &str, ca_file: &Path) -> Self {
        let pem = std::fs::read(ca_file).unwrap_or_else(|fault| panic!("{}: {fault}", ca_file.display()));
        let ca = reqwest::Certificate::from_pem(&pem).expect("the CA file is a certificate");
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            // A connection kept from before a restart would make the first call after it fail.
            .pool_max_idle_per_host(0)
            .build();
        Self { base: base.to_owned(), client: client.expect("a client") }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        runtime().block_on(async {
            let response = request.send().await.map_err(|fault| format!("{fault:?}"))?;
            let asked = response.url().path().to_owned();
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let (status, location) = (response.status().as_u16(), header("location"));
            let set = response.headers().get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
            let cookies = set.filter_map(|line| line.split(';').next().map(str::to_owned)).collect();
            let text = response.text().await.map_err(|fault| format!("{fault:?}"))?;
            Ok(Answer { asked, status, text, location, cookies })
        })
    }

    /// Any call with a bearer token; the connection may fail.
    pub fn try_call(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Result<Answer, String> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request)
    }

    /// Reads, whatever the answer is.
    pub fn ask(&self, token: &str, path: &str) -> Answer {
        self.try_call(Method::GET, path, Some(token), None).unwrap_or_else(|fault| panic!("GET {path}: {fault}"))
    }

    /// Reads.
    pub fn get(&self, token: &str, path: &str) -> Value {
        self.ask(token, path).done()
    }

    /// A file as a browser with this cookie, or a client with this token, saves it: status, `Content-Disposition`,
    /// `Content-Type`, `X-Content-Type-Options`, bytes.
    pub fn file(&self, by: Result<&str, &str>, path: &str) -> (u16, [String; 3], Vec<u8>) {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = match by {
            Ok(token) => request.bearer_auth(token),
            Err(cookie) => request.header("cookie", cookie).header("accept", "text/html"),
        };
        runtime().block_on(async {
            let response = request.send().await.unwrap_or_else(|fault| panic!("GET {path}: {fault}"));
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let headers = ["content-disposition", "content-type", "x-content-type-options"].map(header);
            let status = response.status().as_u16();
            (status, headers, response.bytes().await.unwrap_or_else(|fault| panic!("GET {path}: {fault}")).to_vec())
        })
    }

    /// Does something that may be refused.
    pub fn try_post(&self, token: Option<&str>, path: &str, body: &Value) -> Answer {
        self.try_call(Method::POST, path, token, Some(body)).unwrap_or_else(|fault| panic!("POST {path}: {fault}"))
    }

    /// Does something.
    pub fn post(&self, token: &str, path: &str, body: &Value) -> Value {
        self.try_post(Some(token), path, body).done()
    }

    /// Puts something in place of what was there.
    pub fn put(&self, token: &str, path: &str, body: &Value) -> Value {
        self.try_call(Method::PUT, path, Some(token), Some(body)).unwrap_or_else(|fault| panic!("PUT {path}: {fault}")).done()
    }

    /// Logs in and gives the token.
    pub fn log_in(&self, login: &str, password: &str, code: &str) -> String {
        let answer = self.try_post(None, "/api/v1/logins", &json!({ "login": login, "password": password, "code": code }));
        assert_eq!(answer.status, 200, "login of {login}: {}", answer.text);
        text(&answer.done(), "token")
    }

    /// Does an act on a plan.
    pub fn act(&self, token: &str, plan: &str, act: &Value) -> Value {
        self.post(token, &format!("/api/v1/plans/{plan}/acts"), act)
    }

    /// Approves a plan as it stands.
    pub fn approve(&self, token: &str, plan: &str) -> Value {
        let digest = text(&self.get(token, &format!("/api/v1/plans/{plan}")), "digest");
        self.act(token, plan, &json!({ "act": "approve", "digest": digest }))
    }

    /// A page as a browser with this cookie gets it.
    pub fn page(&self, cookie: &str, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", cookie).header("accept", "text/html");
        self.send(request).unwrap_or_else(|fault| panic!("GET {path}: {fault}"))
    }

    /// Logs in by the page, and gives the cookie of the login.
    pub fn web_log_in(&self, login: &str, password: &str, code: &str) -> String {
        let page = self.page("", "/login");
        let form_cookie = page.cookies.join("; ");
        let csrf = field(&page.text, "csrf");
        let answer = self.form(&form_cookie, "/login", &[("csrf", &csrf), ("next", "/"), ("login", login), ("password", password), ("code", code)]);
        assert!(answer.status == 303 && answer.location == "/", "web login of {login}: HTTP {} {}\n{}", answer.status, answer.location, answer.text);
        let cookie = answer.cookies.iter().find(|cookie| cookie.starts_with("__Host-sekisho=")).cloned();
        cookie.unwrap_or_else(|| panic!("the login of {login} sets no cookie: {:?}", answer.cookies))
    }

    /// Sends a form as a browser with this cookie would, from a page of this very site.
    pub fn form(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("cookie", cookie)
            .header("origin", self.base.as_str())
            .header("sec-fetch-site", "same-origin")
            .form(fields);
        self.send(request).unwrap_or_else(|fault| panic!("POST {path}: {fault}"))
    }
}
