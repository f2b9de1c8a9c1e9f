//! People with sessions, and how they ask. Sessions are opened here in one place, as a login would open them.

use concord_pool::{Identity, setup};
use concord_quota_api::app::App;
use concord_quota_api::auth::providers_file::{Kind, ProviderConfig};
use concord_quota_api::auth::{Login, Principal, Provider, PublicUrl};
use concord_quota_api::store::sessions::{self, NewSession};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use reqwest::header::{COOKIE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// A person of the provider `demo`.
pub fn person(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        provider: "demo".to_owned(),
        issuer: "https://demo.example".to_owned(),
        subject: subject.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        name: None,
        email: None,
        assurance: Vec::new(),
        authentication: None,
    }
}

/// As whom the portal reaches the API server.
pub fn portal_identity(name: &str) -> Identity {
    Identity::new(name)
        .user("system:serviceaccount:concord-system:concord-quota-api")
        .group("system:serviceaccounts")
        .group("system:serviceaccounts:concord-system")
}

/// What the portal may do: read what its pages show, and be people.
pub async fn let_portal_act(admin: &Client) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-portal"},
        "rules": [
            {"apiGroups": ["concord.dev"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]},
        ],
    });
    setup::apply(admin, &role).await.unwrap();
    let user = "system:serviceaccount:concord-system:concord-quota-api";
    setup::bind(admin, "test-portal", "test-portal", user).await.unwrap();
}

/// A login whose providers nobody asks: that of institutions, and one of guests.
pub fn login(origin: &str) -> Login {
    let public = PublicUrl::parse(origin).unwrap();
    let provider = |name, kind| Provider::new(config(name, kind), &public).unwrap();
    let providers = vec![provider("demo", Kind::Federation), provider("guests", Kind::Guest)];
    Login::new(providers, public, super::site::LIFETIMES)
}

fn config(name: &str, kind: Kind) -> ProviderConfig {
    ProviderConfig {
        name: name.to_owned(),
        title: format!("The provider {name}"),
        issuer: format!("https://{name}.example"),
        client_id: "concord".to_owned(),
        client_secret: "unused".to_owned(),
        scopes: Vec::new(),
        groups_claim: "groups".to_owned(),
        ca_pem: None,
        kind,
        vouched: Vec::new(),
    }
}

/// The cookie of a session that a login would have opened.
pub async fn session(app: &App, person: &Principal) -> String {
    let secret = format!("{:064x}", u128::from_ne_bytes(unique()));
    let hash = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
    let created = Timestamp::now();
    let session = NewSession {
        id: hash.as_ref().try_into().unwrap(),
        kind: sessions::Kind::Browser,
        principal: person,
        sid: None,
        created,
        expires: created + SignedDuration::from_hours(1),
    };
    app.store.sessions().open(&session).await.unwrap();
    format!("concord-session={secret}")
}

fn unique() -> [u8; 16] {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).unwrap();
    bytes
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Where it sends the browser.
    pub fn location(&self) -> &str {
        self.headers.get("location").map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Somebody who asks, with a session, a key, or nothing.
#[derive(Clone)]
pub struct Visitor {
    client: reqwest::Client,
    origin: String,
    cookie: Option<String>,
    key: Option<String>,
}

impl Visitor {
    pub fn new(origin: &str, cookie: Option<String>) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, origin: origin.to_owned(), cookie, key: None }
    }

    /// A program with that key, and no cookie.
    pub fn with_key(&self, key: &str) -> Self {
        Self { cookie: None, key: Some(key.to_owned()), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        let request = match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.request(Method::POST, path).form(form)).await
    }

    /// Sends a file as a form of a page does.
    pub async fn upload(&self, path: &str, name: &str, content: &[u8]) -> Answer {
        let boundary = "a-line-that-no-file-holds";
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        let body = [head.as_bytes(), content, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        let request = self.request(Method::POST, path);
        let kind = format!("multipart/form-data; boundary={boundary}");
        self.send(request.header("content-type", kind).body(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }
}
