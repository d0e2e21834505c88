//! A hospital with its web face up, and people who come in by browser or by API client.

use crate::house::base::{Base, Resident, Town};
use crate::house::ward::PASSWORD;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, ORIGIN};
use reqwest::{Client, Method, redirect};
use sekisho_web::{WebSettings, bind};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

/// The hospital and its door.
pub struct Open {
    pub town: Town,
    base: String,
    ca: reqwest::Certificate,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer, with its body.
#[derive(Debug)]
pub struct Shown {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Shown {
    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.headers.get(LOCATION).and_then(|header| header.to_str().ok()).unwrap_or_default()
    }

    /// The body, with the entities of slashes undone.
    pub fn html(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.text.replace("&#x2f;", "/")
    }

    pub fn json(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The code of a refusal, from a page or from the API.
    pub fn refused(&self) -> String {
        assert!(self.status >= 400, "done: {} {}", self.status, self.text);
        let at = self.text.find("SKS-").unwrap_or_else(|| panic!("no code in {}", self.text));
        self.text[at..at + 8].to_owned()
    }
}

/// The value of a hidden field.
pub fn hidden(html: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let found = html.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    found.map(|(value, _)| value.to_owned()).unwrap_or_else(|| panic!("no field {name} in {html}"))
}

impl Open {
    pub async fn new() -> Self {
        let town = Base::sqlite().town().await;
        let hosts = vec!["127.0.0.1".to_owned()];
        let certificate = town.store.tls_certificate(&hosts).unwrap();
        let settings = WebSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            hosts,
            certificates: certificate.chain,
            key: certificate.key.to_vec(),
            base_url: "https://127.0.0.1".into(),
            ssh_host: "gateway.example".into(),
            ssh_port: 2222,
            door: Some("sekisho.test:443".into()),
            probe: std::sync::Arc::new(sekisho_gateway::Lookout),
            version: "0.1.0".into(),
        };
        let web = bind(settings, town.store.clone()).await.unwrap();
        let base = format!("https://{}", web.local_addr());
        let ca = reqwest::Certificate::from_pem(town.store.ca_certificate_pem().unwrap().as_bytes()).unwrap();
        let server = tokio::spawn(web.run(std::future::pending()));
        Self { town, base, ca, server }
    }

    fn client(&self) -> Client {
        Client::builder().tls_certs_only([self.ca.clone()]).redirect(redirect::Policy::none()).cookie_store(true).build().unwrap()
    }

    /// Somebody in a browser, logged in.
    pub async fn browser(&self, who: &Resident) -> Visitor {
        let visitor = Visitor { client: self.client(), base: self.base.clone(), csrf: String::new() };
        let csrf = hidden(&visitor.get("/login").await.text, "csrf");
        let visitor = Visitor { csrf, ..visitor };
        let code = self.town.code(who);
        let answer = visitor.post("/login", &[("login", &who.person.login), ("password", PASSWORD), ("code", code.expose())]).await;
        assert_eq!(answer.location(), "/");
        let csrf = hidden(&visitor.get("/plans").await.text, "csrf");
        Visitor { csrf, ..visitor }
    }

    /// A client with a token.
    pub async fn api(&self, who: &Resident) -> Api {
        let api = Api { client: self.client(), base: self.base.clone(), token: String::new() };
        let code = self.town.code(who);
        let body = json!({ "login": who.person.login, "password": PASSWORD, "code": code.expose() });
        let token = api.post("/api/v1/logins", &body).await.json()["token"].as_str().unwrap().to_owned();
        Api { token, ..api }
    }
}

/// Somebody in a browser.
pub struct Visitor {
    client: Client,
    base: String,
    csrf: String,
}

impl Visitor {
    pub async fn get(&self, path: &str) -> Shown {
        shown(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Sends a form of our own page.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend_from_slice(fields);
        shown(self.client.post(format!("{}{path}", self.base)).header(ORIGIN, &self.base).form(&all)).await
    }

    /// Sends a form with a file.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Shown {
        const EDGE: &str = "edge-of-the-parts";
        let mut body = Vec::new();
        for (name, text) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            body.extend_from_slice(format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").as_bytes());
        }
        let (field, name, bytes) = file;
        let head = format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{EDGE}--\r\n").as_bytes());
        let request = self.client.post(format!("{}{path}", self.base)).header(ORIGIN, &self.base);
        shown(request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={EDGE}")).body(body)).await
    }

    /// Does a small act as the page does: looks at the page, then sends its form with the page's version.
    pub async fn act(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let version = hidden(&self.get(page).await.html(), "version");
        let mut all = vec![("version", version.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all).await
    }
}

/// A client of the API.
pub struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Shown {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        shown(request).await
    }

    pub async fn get(&self, path: &str) -> Shown {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Shown {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Does an act on a plan.
    pub async fn act(&self, plan: &str, act: Value) -> Shown {
        self.post(&format!("/api/v1/plans/{plan}/acts"), &act).await
    }

    /// The digest that an approval repeats.
    pub async fn digest(&self, plan: &str) -> String {
        self.get(&format!("/api/v1/plans/{plan}")).await.json()["digest"].as_str().unwrap().to_owned()
    }
}

async fn shown(request: reqwest::RequestBuilder) -> Shown {
    let answer = request.send().await.unwrap();
    Shown { status: answer.status().as_u16(), headers: answer.headers().clone(), text: answer.text().await.unwrap() }
}
