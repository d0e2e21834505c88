//! What a browser does with our pages, without one: cookies, hidden fields, `Origin`. And a client with a token.

use super::clinic::{Clinic, HOST, PASSWORD};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, Response, StatusCode, redirect};
use serde_json::{Value, json};

/// A client that trusts the clinic's CA, keeps cookies and follows no redirect by itself.
pub fn client(clinic: &Clinic) -> Client {
    builder(clinic).build().unwrap()
}

pub fn builder(clinic: &Clinic) -> reqwest::ClientBuilder {
    let ca = Certificate::from_pem(clinic.ca.as_bytes()).unwrap();
    Client::builder().tls_certs_only([ca]).cookie_store(true).redirect(redirect::Policy::none()).resolve(HOST, clinic.address).http1_only()
}

pub struct Browser<'a> {
    pub clinic: &'a Clinic,
    pub client: Client,
    /// Value of the hidden field of the last page.
    pub csrf: String,
}

/// What came back, read.
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Seen {
    /// Reads an answer. The template engine writes a slash as an entity; it is undone so that paths can be looked for.
    pub async fn of(response: Response) -> Self {
        Self { status: response.status(), headers: response.headers().clone(), text: response.text().await.unwrap().replace("&#x2f;", "/") }
    }

    pub fn location(&self) -> &str {
        self.headers.get("location").map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

impl<'a> Browser<'a> {
    pub fn new(clinic: &'a Clinic) -> Self {
        Self { clinic, client: client(clinic), csrf: String::new() }
    }

    /// A browser in which this person has logged in.
    pub async fn of(clinic: &'a Clinic, login: &str) -> Self {
        let mut browser = Self::new(clinic);
        browser.get("/login").await;
        let code = clinic.code(login);
        let seen = browser.post("/login", &[("login", login), ("password", PASSWORD), ("code", &code)]).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/"), "{}", seen.text);
        let seen = browser.get("/account").await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
        browser
    }

    pub async fn get(&mut self, path: &str) -> Seen {
        let seen = Seen::of(self.client.get(self.clinic.url(path)).send().await.unwrap()).await;
        if let Some(value) = seen.text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            self.csrf = value.to_owned();
        }
        seen
    }

    /// Looks at something with headers of its own.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Seen {
        Seen::of(self.client.get(self.clinic.url(path)).headers(map(headers)).send().await.unwrap()).await
    }

    /// What a page asks for by itself, without anybody at the keyboard.
    pub async fn refresh(&self, path: &str) -> Seen {
        Seen::of(self.client.get(self.clinic.url(path)).header("x-sekisho-refresh", "1").send().await.unwrap()).await
    }

    /// Sends a form as our own page would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let origin = self.clinic.origin();
        self.post_with(path, fields, Some(&self.csrf), &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    /// Sends a form in any way.
    pub async fn post_with(&self, path: &str, fields: &[(&str, &str)], csrf: Option<&str>, headers: &[(&str, &str)]) -> Seen {
        let mut all = fields.to_vec();
        if let Some(csrf) = csrf {
            all.push(("csrf", csrf));
        }
        let request = self.client.post(self.clinic.url(path)).headers(map(headers)).form(&all);
        Seen::of(request.send().await.unwrap()).await
    }
}

pub fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())).collect()
}

/// A client of the API.
pub struct ApiClient<'a> {
    pub clinic: &'a Clinic,
    pub client: Client,
    pub token: String,
}

impl<'a> ApiClient<'a> {
    pub async fn of(clinic: &'a Clinic, login: &str) -> Self {
        let mut api = Self { clinic, client: client(clinic), token: String::new() };
        let ask = json!({ "login": login, "password": PASSWORD, "code": clinic.code(login) });
        let seen = api.send(Method::POST, "/api/v1/logins", Some(ask), &[]).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
        api.token = seen.json()["token"].as_str().unwrap().to_owned();
        api
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Seen {
        let mut request = self.client.request(method, self.clinic.url(path)).headers(map(headers));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Seen::of(request.send().await.unwrap()).await
    }
}
