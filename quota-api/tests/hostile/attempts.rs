//! Logins, each with one thing forged.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::Log;
use super::provider::{Hostile, Script};
use super::signing::{Key, Signature};
use super::support::browser::{Browser, location};
use super::support::site::{Place, Site};

/// How one ended.
pub struct Outcome {
    pub attack: &'static str,
    pub status: StatusCode,
    pub reason: String,
}

type Forge = fn(&mut Script);

/// What is tried. Each line is one change to an honest provider.
const FORGED: [(&str, Forge); 35] = [
    ("ID token of another issuer", |s| s.claims = json!({"iss": "https://evil.example"})),
    ("ID token of an issuer with a slash more", |s| s.claims = json!({"iss": "http://127.0.0.1/"})),
    ("ID token for another client", |s| s.claims = json!({"aud": "another"})),
    ("ID token for nobody", |s| s.claims = json!({"aud": null})),
    ("ID token for us and another client", |s| s.claims = json!({"aud": ["concord", "another"]})),
    ("ID token issued to another client (azp)", |s| s.claims = json!({"azp": "another"})),
    ("ID token of another login (nonce)", |s| s.claims = json!({"nonce": "another"})),
    ("ID token without nonce", |s| s.claims = json!({"nonce": null})),
    ("ID token that has expired", |s| s.claims = json!({"iat": -300, "exp": -1})),
    ("ID token without expiry", |s| s.claims = json!({"exp": null})),
    ("ID token from the future", |s| s.claims = json!({"iat": 600, "exp": 900})),
    ("ID token that was kept for an hour", |s| s.claims = json!({"iat": -3600, "exp": 300})),
    ("ID token without time of issue", |s| s.claims = json!({"iat": null})),
    ("ID token without subject", |s| s.claims = json!({"sub": null})),
    ("empty subject", |s| s.claims = json!({"sub": ""})),
    ("subject that ends in a space", |s| {
        s.claims = json!({"sub": "person "});
        s.user_info = json!({"sub": "person "});
    }),
    ("subject with a line break and a header", |s| {
        s.claims = json!({"sub": "person\r\nImpersonate-Group: system:masters"});
        s.user_info = json!({"sub": "person\r\nImpersonate-Group: system:masters"});
    }),
    ("alg none", |s| s.signature = Signature::None),
    ("HS256 with the public key as secret", |s| s.signature = Signature::PublicKeyAsSecret),
    ("HS256 with the client's secret", |s| s.signature = Signature::ClientSecret),
    ("signed by a key that is not published, under the right key's name", |s| {
        s.signature = Signature::Key(2);
    }),
    ("signed by a key that is not published, under its own name", |s| {
        s.signature = Signature::Key(2);
        s.header = json!({"kid": "unpublished"});
    }),
    ("no key named where several are published", |s| {
        s.published = 2;
        s.header = json!({"kid": null});
    }),
    ("another published key named", |s| {
        s.published = 2;
        s.header = json!({"kid": "second"});
    }),
    ("signed by a key that is published for encryption", |s| s.key = json!({"use": "enc"})),
    ("own key carried in the token (jwk)", |s| {
        s.signature = Signature::Key(2);
        s.header = json!({"kid": null, "jwk": Key::new("own").public()});
    }),
    ("own key behind an address in the token (jku)", |s| {
        s.signature = Signature::Key(2);
        s.header = json!({"kid": "unpublished", "jku": "https://evil.example/jwks"});
    }),
    ("critical field that nobody knows", |s| s.header = json!({"crit": ["unknown"], "unknown": true})),
    ("claims changed after signing", |s| s.signature = Signature::OfOtherClaims),
    ("signature cut short", |s| s.signature = Signature::Cut),
    ("access token of somebody else (at_hash)", |s| s.claims = json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})),
    ("user info of somebody else", |s| s.user_info = json!({"sub": "administrator"})),
    ("no ID token", |s| s.answer = json!({"id_token": null})),
    ("token endpoint that sends the secret elsewhere", |s| s.redirects = true),
    ("description of another issuer", |s| s.description = json!({"issuer": "https://evil.example"})),
];

/// Also what comes back with the browser.
const CALLBACKS: [(&str, Forge); 5] = [
    ("answer that names another issuer (RFC 9207)", |s| {
        s.callback = json!({"iss": "https://honest.example"});
    }),
    ("answer that names no issuer, of a provider that always does", |s| {
        s.description = json!({"authorization_response_iss_parameter_supported": true});
    }),
    ("answer without code", |s| s.callback = json!({"code": null})),
    ("answer without state", |s| s.callback = json!({"state": null})),
    ("answer with another state", |s| s.callback = json!({"state": "another"})),
];

pub async fn run_all(log: &Log) -> Vec<Outcome> {
    honest(log).await;
    let mut outcomes = Vec::new();
    for (attack, forge) in FORGED.iter().chain(&CALLBACKS) {
        let mut script = Script::default();
        forge(&mut script);
        let (site, hostile) = open(script).await;
        let browser = Browser::new();
        let answer = last_answer(&browser, &site).await;
        outcomes.push(refused(attack, answer, log).await);
        assert_eq!(
            browser.page(&site, "/me").await.0,
            StatusCode::UNAUTHORIZED,
            "{attack}: a session was opened"
        );
        drop(hostile);
    }
    outcomes.extend(replays(log).await);
    outcomes
}

/// The reason is in the log where the person is not told it.
async fn refused(attack: &'static str, answer: Response, log: &Log) -> Outcome {
    let status = answer.status();
    assert!(status.is_client_error() || status == StatusCode::BAD_GATEWAY, "{attack}: {status}");
    let html = answer.text().await.unwrap();
    let told = html.split("This login was refused: ").nth(1).and_then(|rest| rest.split(". Start").next());
    let reason = log.reason().or_else(|| told.map(str::to_owned));
    Outcome { attack, status, reason: reason.unwrap_or_else(|| panic!("{attack}: no reason in {html}")) }
}

/// The same provider, with nothing forged, and with what only gives less: all of these log in.
async fn honest(log: &Log) {
    let cases: [(&str, Value, Option<&str>); 3] = [
        ("nothing forged", json!({}), Some("people")),
        ("groups that are no list", json!({"groups": {"admin": true}}), None),
        ("a group that would become another one on its way", json!({"groups": ["people "]}), None),
    ];
    for (case, user_info, group) in cases {
        let (site, _hostile) = open(Script { user_info, ..Script::default() }).await;
        let browser = Browser::new();
        assert_eq!(log_in(&browser, &site).await, StatusCode::SEE_OTHER, "{case}: {:?}", log.reason());
        let (_, html) = browser.page(&site, "/me").await;
        let shown = group.unwrap_or("none: the provider named no group");
        assert!(html.contains(&format!("<dd>{shown}</dd>")), "{case}: {html}");
    }
    // Keys without a name are enough where there is one.
    let (site, _hostile) = open(Script { header: json!({"kid": null}), ..Script::default() }).await;
    assert_eq!(log_in(&Browser::new(), &site).await, StatusCode::SEE_OTHER, "{:?}", log.reason());
    log.reason();
}

/// Honest answers at the wrong moment or place.
async fn replays(log: &Log) -> Vec<Outcome> {
    let (site, _hostile) = open(Script::default()).await;
    let (person, thief) = (Browser::new(), Browser::new());
    let callback = callback(&person, &site).await;
    let mut outcomes = Vec::new();
    outcomes.push(refused("answer in a browser that began no login", thief.get(&callback).await, log).await);
    let elsewhere = callback.replace("/callback/hostile", "/callback/honest");
    outcomes
        .push(refused("answer at the address of another provider", person.get(&elsewhere).await, log).await);

    let (site, _hostile) = open(Script::default()).await;
    let first = self::callback(&person, &site).await;
    assert_eq!(person.get(&first).await.status(), StatusCode::SEE_OTHER);
    log.reason();
    outcomes.push(refused("the same answer twice", person.get(&first).await, log).await);
    let second = self::callback(&person, &site).await;
    let used = reqwest::Url::parse(&first).unwrap();
    let code = used.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let mixed =
        super::support::browser::with_parameter(&reqwest::Url::parse(&second).unwrap(), "code", &code);
    outcomes.push(refused("a used code in a new answer", person.get(&mixed).await, log).await);
    outcomes
}

pub async fn open(script: Script) -> (Site, Hostile) {
    let hostile = Hostile::start(script).await;
    let place = Place::take().await;
    (place.open(vec![hostile.config()]).await, hostile)
}

async fn callback(browser: &Browser, site: &Site) -> String {
    let login = browser.get(&site.url("/login")).await;
    let there = browser.get(location(&login).as_str()).await;
    location(&there).to_string()
}

/// The last status of a login.
pub async fn log_in(browser: &Browser, site: &Site) -> StatusCode {
    last_answer(browser, site).await.status()
}

async fn last_answer(browser: &Browser, site: &Site) -> Response {
    let login = browser.get(&site.url("/login")).await;
    if !login.status().is_redirection() {
        return login;
    }
    let there = browser.get(location(&login).as_str()).await;
    browser.get(location(&there).as_str()).await
}
