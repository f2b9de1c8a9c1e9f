//! The whole way of a login, with a real OpenID provider and a client that keeps cookies as a browser does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use concord_quota_api::auth::{Login, Provider, ProviderConfig};
use concord_quota_api::{pool::Pool, router::router};
use jiff::SignedDuration;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode, Url};
use support::cluster::Cluster;
use support::objects::{claims, treaties};
use support::provider::{CLIENT, OpenIdProvider, SUBJECT, USER};

/// A server with login, and its provider.
struct Site {
    origin: String,
    provider: OpenIdProvider,
}

impl Site {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let callback = format!("{origin}/callback");
        // The first start may have to build the provider.
        let provider = tokio::task::spawn_blocking(move || OpenIdProvider::start(&callback)).await.unwrap();
        let config = ProviderConfig {
            issuer: provider.issuer.clone(),
            client_id: CLIENT.0.to_owned(),
            client_secret: CLIENT.1.to_owned(),
            public_url: origin.clone(),
            extra_scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            ca_pem: None,
        };
        let login = Login::new(Provider::new(config).unwrap(), SignedDuration::from_hours(1));
        let cluster = Cluster::with(&treaties(), &claims());
        let (pool, follow) = Pool::follow(&cluster.client());
        tokio::spawn(follow);
        let app = support::app(pool, Some(login), cluster.client()).await;
        tokio::spawn(axum::serve(listener, router(Arc::new(app))).into_future());
        Self { origin, provider }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// One person's browser: keeps cookies by host, and follows redirects only when told to.
struct Browser(Client);

impl Browser {
    fn new() -> Self {
        Self(
            Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        )
    }

    async fn get(&self, url: &str) -> Response {
        self.0.get(url).send().await.unwrap()
    }

    /// Goes from /login through the provider's form; the address at our server to which the provider then points.
    async fn log_in_at_provider(&self, site: &Site) -> Url {
        let mut response = self.get(&site.url("/login")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        while response.status().is_redirection() {
            response = self.get(location(&response).as_str()).await;
        }
        let form_page = response.url().clone();
        let html = response.text().await.unwrap();
        let action = form_page.join(attribute(&html, "action")).unwrap();
        let id = attribute(&html[html.find("name=\"id\"").unwrap()..], "value").to_owned();
        let fields = [("id", id.as_str()), ("username", USER.0), ("password", USER.1)];
        let mut response = self.0.post(action).form(&fields).send().await.unwrap();
        loop {
            assert!(response.status().is_redirection(), "the provider did not accept the password");
            let next = location(&response);
            if next.as_str().starts_with(&site.origin) {
                return next;
            }
            response = self.get(next.as_str()).await;
        }
    }
}

fn location(response: &Response) -> Url {
    response.url().join(response.headers()[LOCATION].to_str().unwrap()).unwrap()
}

fn attribute<'a>(html: &'a str, name: &str) -> &'a str {
    let start = html.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    &html[start..start + html[start..].find('"').unwrap()]
}

/// Parameter of an address.
fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

/// The same address with another value.
fn with_parameter(url: &Url, name: &str, value: &str) -> String {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut changed = url.clone();
    changed
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs.iter().map(|(n, v)| (n, if n == name { value } else { v })));
    changed.to_string()
}

fn cookie(response: &Response, name: &str) -> String {
    let all: Vec<&str> = response.headers().get_all(SET_COOKIE).iter().map(|c| c.to_str().unwrap()).collect();
    let found = all
        .iter()
        .find(|c| c.starts_with(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name} in {all:?}"));
    (*found).to_owned()
}

/// Everything that this program and its login library log in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let start = || {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter(
                "concord_quota_api=trace,openidconnect=trace,oauth2=trace,tower_http=trace,axum=trace",
            )
            .with_writer(move || writer.clone())
            .init();
        log
    };
    LOG.get_or_init(start).clone()
}

#[tokio::test]
async fn a_person_logs_in_sees_who_they_are_and_logs_out() {
    let log = log();
    let (site, browser) = (Site::open().await, Browser::new());
    assert_eq!(browser.get(&site.url("/me")).await.status(), StatusCode::UNAUTHORIZED);

    let callback = browser.log_in_at_provider(&site).await;
    let response = browser.get(callback.as_str()).await;
    assert_eq!((response.status(), location(&response).path()), (StatusCode::SEE_OTHER, "/me"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let session = cookie(&response, "concord-session");
    assert!(session.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600"), "{session}");
    assert!(cookie(&response, "concord-login").contains("Max-Age=0"));

    let page = browser.get(&site.url("/me")).await;
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains(&format!("<dd>{}</dd>", site.provider.issuer)), "{html}");
    assert!(
        html.contains(&format!("<dd>{SUBJECT}</dd>")) && html.contains("the provider named no group"),
        "{html}"
    );

    // Another site's form cannot log anybody out; our own can.
    let forged =
        browser.0.post(site.url("/logout")).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.get(&site.url("/logout")).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.get(&site.url("/me")).await.status(), StatusCode::OK);
    let own =
        browser.0.post(site.url("/logout")).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!((own.status(), location(&own).path()), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(browser.get(&site.url("/me")).await.status(), StatusCode::UNAUTHORIZED);

    // The server has forgotten the session, not only the browser.
    let pair = session.split(';').next().unwrap();
    let kept = Client::new().get(site.url("/me")).header(COOKIE, pair).send().await.unwrap();
    assert_eq!(kept.status(), StatusCode::UNAUTHORIZED);

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a login succeeded"), "the log is not caught: {logged}");
    let id = pair.split_once('=').unwrap().1;
    for secret in
        [parameter(&callback, "code"), parameter(&callback, "state"), id.to_owned(), "eyJ".to_owned()]
    {
        assert!(!logged.contains(&secret), "a secret is in the log: {logged}");
    }
}

#[tokio::test]
async fn a_wrong_state_is_refused_and_does_not_spoil_the_login_under_way() {
    log();
    let (site, browser) = (Site::open().await, Browser::new());
    let callback = browser.log_in_at_provider(&site).await;
    let forged = browser.get(&with_parameter(&callback, "state", "forged")).await;
    assert_eq!(forged.status(), StatusCode::BAD_REQUEST);
    assert!(forged.headers().get(SET_COOKIE).is_none());
    assert_eq!(browser.get(&site.url("/me")).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(callback.as_str()).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.get(&site.url("/me")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_code_works_once_only() {
    log();
    let (site, browser) = (Site::open().await, Browser::new());
    let first = browser.log_in_at_provider(&site).await;
    assert_eq!(browser.get(first.as_str()).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.get(first.as_str()).await.status(), StatusCode::BAD_REQUEST, "the same answer again");
    // The state of a new login under way with the used code: our server asks, the provider refuses.
    let second = browser.log_in_at_provider(&site).await;
    let mixed = with_parameter(&second, "code", &parameter(&first, "code"));
    let thief = browser.get(&mixed).await;
    assert_eq!(thief.status(), StatusCode::FORBIDDEN);
    assert!(thief.headers().get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn another_persons_answer_is_refused() {
    log();
    let (site, victim, attacker) = (Site::open().await, Browser::new(), Browser::new());
    let attackers = attacker.log_in_at_provider(&site).await;
    assert_eq!(victim.get(attackers.as_str()).await.status(), StatusCode::BAD_REQUEST, "no login was begun");
    let victims = victim.log_in_at_provider(&site).await;
    assert_eq!(
        victim.get(attackers.as_str()).await.status(),
        StatusCode::BAD_REQUEST,
        "another login was begun"
    );
    // Even with the victim's own state, the attacker's code was issued for another PKCE challenge and nonce.
    let mixed = with_parameter(&victims, "code", &parameter(&attackers, "code"));
    assert!(!victim.get(&mixed).await.status().is_redirection());
    assert_eq!(victim.get(&site.url("/me")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refusal_of_the_provider_and_another_issuer_are_told_apart() {
    log();
    let (site, browser) = (Site::open().await, Browser::new());
    let callback = browser.log_in_at_provider(&site).await;
    let state = parameter(&callback, "state");
    let other =
        browser.get(&site.url(&format!("/callback?code=x&state={state}&iss=https://evil.example"))).await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let callback = browser.log_in_at_provider(&site).await;
    let state = parameter(&callback, "state");
    let refused = browser.get(&site.url(&format!("/callback?error=access_denied&state={state}"))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_provider_that_is_down_is_named_and_the_public_page_stays() {
    log();
    let (site, browser) = (Site::open().await, Browser::new());
    let Site { origin, provider } = site;
    drop(provider);
    let response = browser.get(&format!("{origin}/login")).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(response.text().await.unwrap().contains("cannot be reached"));
    assert_eq!(browser.get(&format!("{origin}/")).await.status(), StatusCode::OK);
}
