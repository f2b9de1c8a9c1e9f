//! A provider that does what an attempt says, and everything else as it should be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use concord_quota_api::auth::providers_file::{Kind, ProviderConfig};
use serde_json::{Value, json};

use super::signing::{Key, Signature, change, token};

pub const CLIENT: &str = "concord";
pub const SECRET: &str = "a secret of the portal";

/// What differs from an honest provider: patches, and how it signs.
#[derive(Clone)]
pub struct Script {
    pub description: Value,
    /// How many of the keys are published, from the first.
    pub published: usize,
    /// Patch of the first published key.
    pub key: Value,
    pub header: Value,
    pub claims: Value,
    pub signature: Signature,
    pub user_info: Value,
    pub answer: Value,
    /// Patch of what comes back with the browser.
    pub callback: Value,
    /// Sends the portal elsewhere from the token endpoint.
    pub redirects: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            description: json!({}),
            published: 1,
            key: json!({}),
            header: json!({}),
            claims: json!({}),
            signature: Signature::Key(0),
            user_info: json!({}),
            answer: json!({}),
            callback: json!({}),
            redirects: false,
        }
    }
}

struct Provider {
    issuer: String,
    keys: Vec<Key>,
    script: Script,
    /// Nonce of the last request.
    nonce: Mutex<String>,
    /// The code that is still good.
    code: Mutex<Option<String>>,
}

/// A running one.
pub struct Hostile {
    provider: Arc<Provider>,
    pub issuer: String,
}

type Shared = State<Arc<Provider>>;

impl Hostile {
    pub async fn start(script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let keys = vec![Key::new("right"), Key::new("second"), Key::new("unpublished")];
        let (nonce, code) = (Mutex::default(), Mutex::default());
        let provider = Arc::new(Provider { issuer: issuer.clone(), keys, script, nonce, code });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/jwks", get(keys_of))
            .route("/auth", get(authorize))
            .route("/token", post(exchange))
            .route("/elsewhere", post(answer))
            .route("/userinfo", get(user_info))
            .with_state(provider.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self { provider, issuer }
    }

    pub fn config(&self) -> ProviderConfig {
        ProviderConfig {
            name: "hostile".to_owned(),
            title: "Hostile".to_owned(),
            issuer: self.issuer.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            ca_pem: None,
            kind: Kind::Federation,
            vouched: Vec::new(),
        }
    }

    /// A logout token, honest but for what is given.
    pub fn logout_token(&self, header: &Value, claims: &Value, signature: Signature) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut all = json!({
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "sub": "person",
            "jti": format!("number-{now}-{}", rand()),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        change(&mut all, claims);
        token(&header_of(header, signature, "logout+jwt"), &all, signature, &self.provider.keys)
    }

    /// An ID token as a login gets it.
    pub fn id_token(&self) -> String {
        self.provider.id_token()
    }
}

/// A number that did not come before.
fn rand() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn header_of(patch: &Value, signature: Signature, typ: &str) -> Value {
    let algorithm = match signature {
        Signature::None => "none",
        Signature::PublicKeyAsSecret | Signature::ClientSecret => "HS256",
        _ => "ES256",
    };
    let mut header = json!({"alg": algorithm, "kid": "right", "typ": typ});
    change(&mut header, patch);
    header
}

impl Provider {
    fn id_token(&self) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "person", "iat": now, "exp": now + 300,
            "nonce": *self.nonce.lock().unwrap(), "name": "Person", "email": "person@id.example",
            "email_verified": true, "eduperson_assurance": [],
        });
        change(&mut claims, &shifted(&self.script.claims, now));
        token(
            &header_of(&self.script.header, self.script.signature, "JWT"),
            &claims,
            self.script.signature,
            &self.keys,
        )
    }
}

/// Times in scripts are seconds from now.
fn shifted(patch: &Value, now: i64) -> Value {
    let mut patch = patch.clone();
    for name in ["iat", "exp"] {
        if let Some(seconds) = patch[name].as_i64() {
            patch[name] = (now + seconds).into();
        }
    }
    patch
}

async fn description(State(provider): Shared) -> Json<Value> {
    let issuer = &provider.issuer;
    let mut description = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
    });
    change(&mut description, &provider.script.description);
    Json(description)
}

async fn keys_of(State(provider): Shared) -> Json<Value> {
    let mut keys: Vec<Value> =
        provider.keys.iter().take(provider.script.published).map(Key::public).collect();
    change(&mut keys[0], &provider.script.key);
    Json(json!({ "keys": keys }))
}

async fn authorize(State(provider): Shared, Query(asked): Query<HashMap<String, String>>) -> Redirect {
    *provider.nonce.lock().unwrap() = asked["nonce"].clone();
    let code = format!("code-{}", rand());
    *provider.code.lock().unwrap() = Some(code.clone());
    let mut callback = json!({"code": code, "state": asked["state"]});
    change(&mut callback, &provider.script.callback);
    let mut url = reqwest::Url::parse(&asked["redirect_uri"]).unwrap();
    for (name, value) in callback.as_object().unwrap() {
        url.query_pairs_mut().append_pair(name, value.as_str().unwrap());
    }
    Redirect::to(url.as_str())
}

async fn exchange(State(provider): Shared, form: axum::Form<HashMap<String, String>>) -> Response {
    if provider.script.redirects {
        let there = format!("{}/elsewhere", provider.issuer);
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, there)]).into_response();
    }
    // A code is good for once.
    if provider.code.lock().unwrap().take().as_ref() != form.get("code") {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    answer(State(provider)).await.into_response()
}

async fn answer(State(provider): Shared) -> Json<Value> {
    let mut answer = json!({"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": provider.id_token()});
    change(&mut answer, &provider.script.answer);
    Json(answer)
}

async fn user_info(State(provider): Shared) -> Json<Value> {
    let mut info = json!({"sub": "person", "groups": ["people"]});
    change(&mut info, &provider.script.user_info);
    Json(info)
}
