//! The whole way of a login, with a real OpenID provider and a client that keeps cookies as a browser does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use concord_quota_api::auth::Lifetimes;
use jiff::SignedDuration;
use reqwest::StatusCode;
use reqwest::header::SET_COOKIE;
use support::browser::{Browser, cookie, location, parameter, with_cookie, with_parameter};
use support::database;
use support::provider::{GUEST, OTHER, OpenIdProvider, USER};
use support::site::{LIFETIMES, Place, Site};

/// A portal with one provider.
async fn open() -> (Site, OpenIdProvider) {
    let place = Place::take().await;
    let provider = provider(&place.origin, OpenIdProvider::start).await;
    (place.open(vec![provider.config()]).await, provider)
}

/// The first start may have to build the provider.
async fn provider(origin: &str, start: fn(&str) -> OpenIdProvider) -> OpenIdProvider {
    let origin = origin.to_owned();
    tokio::task::spawn_blocking(move || start(&origin)).await.unwrap()
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
                "concord_quota_api=trace,openidconnect=trace,oauth2=trace,tower_http=trace,axum=trace,sqlx=info",
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
    let ((site, provider), browser) = (open().await, Browser::new());
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);

    let callback = browser.log_in_at(&site, &provider, USER).await;
    let response = browser.get(callback.as_str()).await;
    assert_eq!((response.status(), location(&response).path()), (StatusCode::SEE_OTHER, "/me"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let session = cookie(&response, "concord-session");
    assert!(session.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600"), "{session}");
    assert!(cookie(&response, "concord-login").contains("Max-Age=0"));

    let (status, html) = browser.page(&site, "/me").await;
    assert_eq!(status, StatusCode::OK);
    for shown in [
        provider.issuer.as_str(),
        "Applicant of a university",
        "applicant-academic@university.example",
        "demo:applicant-academic",
        "applicants",
        "medium: your documents were seen",
        "with a second factor",
    ] {
        assert!(html.contains(&format!("<dd>{shown}</dd>")), "{shown} is missing: {html}");
    }

    // Another site's form cannot log anybody out; our own can.
    let forged =
        browser.0.post(site.url("/logout")).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.page(&site, "/logout").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK);
    let own = browser.post(&site, "/logout", &[]).await;
    assert_eq!((own.status(), location(&own).path()), (StatusCode::SEE_OTHER, "/logged-out"));
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    // The provider's own session is offered to be ended too, by an address that the provider accepts.
    let html = browser.get(location(&own).as_str()).await.text().await.unwrap();
    let there = html
        .split("<a href=\"")
        .map(|part| part.split('"').next().unwrap())
        .find(|url| url.contains("end_session"));
    let there = there
        .unwrap_or_else(|| panic!("no link to the provider: {html}"))
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let ended = browser.get(&there).await;
    assert_eq!(location(&ended).as_str(), site.url("/"), "{there}");

    // The server has forgotten the session, not only the browser.
    let pair = session.split(';').next().unwrap();
    assert_eq!(with_cookie(&site, "/me", pair).await, StatusCode::UNAUTHORIZED);

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
    let ((site, provider), browser) = (open().await, Browser::new());
    let callback = browser.log_in_at(&site, &provider, USER).await;
    let forged = browser.get(&with_parameter(&callback, "state", "forged")).await;
    assert_eq!(forged.status(), StatusCode::BAD_REQUEST);
    assert!(forged.headers().get(SET_COOKIE).is_none());
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(callback.as_str()).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_code_works_once_only() {
    log();
    let ((site, provider), browser) = (open().await, Browser::new());
    let first = browser.log_in_at(&site, &provider, USER).await;
    assert_eq!(browser.get(first.as_str()).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.get(first.as_str()).await.status(), StatusCode::BAD_REQUEST, "the same answer again");
    // The state of a new login under way with the used code: our server asks, the provider refuses.
    let second = browser.log_in_at(&site, &provider, USER).await;
    let mixed = with_parameter(&second, "code", &parameter(&first, "code"));
    let thief = browser.get(&mixed).await;
    assert_eq!(thief.status(), StatusCode::FORBIDDEN);
    assert!(thief.headers().get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn another_persons_answer_is_refused() {
    log();
    let ((site, provider), victim, attacker) = (open().await, Browser::new(), Browser::new());
    let attackers = attacker.log_in_at(&site, &provider, USER).await;
    assert_eq!(victim.get(attackers.as_str()).await.status(), StatusCode::BAD_REQUEST, "no login was begun");
    let victims = victim.log_in_at(&site, &provider, USER).await;
    assert_eq!(
        victim.get(attackers.as_str()).await.status(),
        StatusCode::BAD_REQUEST,
        "another login was begun"
    );
    // Even with the victim's own state, the attacker's code was issued for another PKCE challenge and nonce.
    let mixed = with_parameter(&victims, "code", &parameter(&attackers, "code"));
    assert!(!victim.get(&mixed).await.status().is_redirection());
    assert_eq!(victim.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_that_somebody_planted_is_not_the_one_after_login() {
    log();
    let ((site, provider), attacker, victim) = (open().await, Browser::new(), Browser::new());
    let planted = cookie(&attacker.log_in(&site, &provider, OTHER).await, "concord-session");
    let planted = planted.split(';').next().unwrap().to_owned();
    // The victim's browser carries the attacker's session, or one that the attacker made up, into its own login.
    for fixed in [planted.as_str(), "concord-session=1234567890"] {
        let callback = victim.log_in_at(&site, &provider, USER).await;
        let jar = callback.clone();
        let login = victim.0.get(jar).header("cookie", fixed).send().await.unwrap();
        // The hand-made header replaces the jar's: without the login's own cookie nothing is finished.
        assert_eq!(login.status(), StatusCode::BAD_REQUEST);
        let welcome = victim.get(callback.as_str()).await;
        let fresh = cookie(&welcome, "concord-session");
        assert!(!fresh.starts_with(fixed), "a session got a name that was known before");
        assert_eq!(with_cookie(&site, "/me", "concord-session=1234567890").await, StatusCode::UNAUTHORIZED);
    }
    let (_, html) = attacker.page(&site, "/me").await;
    assert!(!html.contains("applicant-academic"), "the attacker became the victim");
}

#[tokio::test]
async fn after_login_one_comes_back_to_pages_of_ours_only() {
    log();
    let ((site, provider), browser) = (open().await, Browser::new());
    let cases = [
        ("/jobs?state=queued", "/jobs?state=queued"),
        ("https://evil.example/", "/me"),
        ("//evil.example", "/me"),
        ("/\\evil.example", "/me"),
        ("/logout", "/me"),
    ];
    for (wanted, expected) in cases {
        let query: String = reqwest::Url::parse_with_params("http://x/", [("return", wanted)])
            .unwrap()
            .query()
            .unwrap()
            .to_owned();
        let callback = browser.log_in_from(&site, &format!("/login?{query}"), USER).await;
        let welcome = browser.get(callback.as_str()).await;
        assert_eq!(welcome.headers()["location"], expected, "{wanted}");
    }
    drop(provider);
}

#[tokio::test]
async fn a_refusal_of_the_provider_and_another_issuer_are_told_apart() {
    log();
    let ((site, provider), browser) = (open().await, Browser::new());
    let state = parameter(&browser.log_in_at(&site, &provider, USER).await, "state");
    let other = browser
        .get(&site.url(&format!("/callback/demo?code=x&state={state}&iss=https://evil.example")))
        .await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let state = parameter(&browser.log_in_at(&site, &provider, USER).await, "state");
    let refused = browser.get(&site.url(&format!("/callback/demo?error=access_denied&state={state}"))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_provider_that_is_down_is_named_and_the_public_page_stays() {
    log();
    let ((site, provider), browser) = (open().await, Browser::new());
    drop(provider);
    let (status, html) = browser.page(&site, "/login").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(html.contains("cannot be reached"));
    assert_eq!(browser.page(&site, "/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn new_keys_of_the_provider_are_found_when_they_are_needed() {
    log();
    let ((site, provider), browser) = (open().await, Browser::new());
    assert!(browser.log_in(&site, &provider, USER).await.status().is_redirection());
    // Twice, so that no key is left that the portal knows; and later than the shortest time between two looks.
    provider.operate("rotate").await;
    provider.operate("rotate").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(browser.log_in(&site, &provider, USER).await.status(), StatusCode::SEE_OTHER);
    let again = Browser::new();
    // Sooner than that, an unknown key is not looked for: forged tokens must not become requests.
    provider.operate("rotate").await;
    assert_eq!(again.log_in(&site, &provider, USER).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_provider_ends_all_sessions_of_a_person_and_of_nobody_else() {
    log();
    let ((site, provider), laptop, phone, other) =
        (open().await, Browser::new(), Browser::new(), Browser::new());
    for (browser, user) in [(&laptop, USER), (&phone, USER), (&other, OTHER)] {
        assert!(browser.log_in(&site, &provider, user).await.status().is_redirection());
    }
    provider.operate(&format!("logout?subject={}", USER.0)).await;
    assert_eq!(laptop.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(phone.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(other.page(&site, "/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn several_providers_are_a_choice_and_each_has_its_own_way_back() {
    log();
    let place = Place::take().await;
    let federation = provider(&place.origin, OpenIdProvider::start).await;
    let guests = provider(&place.origin, OpenIdProvider::guests).await;
    let site = place.open(vec![federation.config(), guests.config()]).await;
    let browser = Browser::new();
    let (status, html) = browser.page(&site, "/login?return=/jobs").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        html.contains("The provider demo") && html.contains("/login?provider=guests&amp;return=%2Fjobs"),
        "{html}"
    );
    assert!(html.contains("A reviewer must let you in first."), "{html}");
    assert_eq!(browser.page(&site, "/login?provider=unknown").await.0, StatusCode::NOT_FOUND);

    // An answer of one provider at the address of the other: a mix-up.
    let callback = browser.log_in_at(&site, &federation, USER).await;
    let mixed = callback.as_str().replace("/callback/demo", "/callback/guests");
    assert_eq!(browser.get(&mixed).await.status(), StatusCode::BAD_REQUEST);

    let guest = Browser::new();
    assert!(guest.log_in(&site, &guests, GUEST).await.status().is_redirection());
    let (_, html) = guest.page(&site, "/me").await;
    assert!(html.contains("guests:guest") && html.contains("href=\"/guest\""), "{html}");
}

#[tokio::test]
async fn a_guest_asks_and_sees_nothing_else_until_somebody_has_decided() {
    log();
    let place = Place::take().await;
    let guests = provider(&place.origin, OpenIdProvider::guests).await;
    let site = place.open(vec![guests.config()]).await;
    let guest = Browser::new();
    guest.log_in(&site, &guests, GUEST).await;
    for closed in ["/me/kubeconfig", "/device", "/guests"] {
        assert_eq!(guest.page(&site, closed).await.0, StatusCode::FORBIDDEN, "{closed}");
    }
    let short = guest.post(&site, "/guest", &[("reason", "<i>please</i>")]).await;
    assert_eq!(short.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let html = short.text().await.unwrap();
    assert!(html.contains("aria-invalid=\"true\"") && html.contains("&#60;i&#62;please"), "{html}");
    let reason = "I map floods for a relief organisation.";
    assert!(guest.post(&site, "/guest", &[("reason", reason)]).await.status().is_redirection());
    assert!(guest.page(&site, "/guest").await.1.contains("Your request waits for a reviewer."));

    let (store, now) = (&site.app.store, jiff::Timestamp::now());
    assert_eq!(store.guests().waiting().await.unwrap()[0].reason, reason);
    assert!(
        !store
            .guests()
            .decide("guests:guest", true, "guests:guest", "I let myself in, why not.", now)
            .await
            .unwrap()
    );
    assert!(
        store
            .guests()
            .decide("guests:guest", false, "demo:reviewer", "Please name the organisation.", now)
            .await
            .unwrap()
    );
    assert!(guest.page(&site, "/guest").await.1.contains("Please name the organisation."));
    guest.post(&site, "/guest", &[("reason", "I map floods for the organisation Floods.")]).await;
    assert!(
        store
            .guests()
            .decide("guests:guest", true, "demo:reviewer", "Known organisation, fine.", now)
            .await
            .unwrap()
    );
    assert_eq!(guest.page(&site, "/device").await.0, StatusCode::OK);
    assert!(guest.page(&site, "/guest").await.1.contains("You are let in."));
}

#[tokio::test]
async fn a_person_ends_own_sessions_and_no_others() {
    log();
    let ((site, provider), laptop, phone, other) =
        (open().await, Browser::new(), Browser::new(), Browser::new());
    for (browser, user) in [(&laptop, USER), (&phone, USER), (&other, OTHER)] {
        browser.log_in(&site, &provider, user).await;
    }
    let (_, html) = laptop.page(&site, "/me").await;
    let ends: Vec<&str> = html
        .split("action=\"")
        .map(|part| part.split('"').next().unwrap())
        .filter(|path| path.ends_with("/end"))
        .collect();
    assert_eq!(ends.len(), 2, "{html}");
    for end in &ends {
        assert_eq!(other.post(&site, end, &[]).await.status(), StatusCode::NOT_FOUND, "of somebody else");
    }
    // The one that is not marked as this one is the phone's.
    let rows: Vec<&str> = html.split("<tr>").filter(|row| row.contains("/end\"")).collect();
    let row = rows.iter().find(|row| !row.contains("this one")).unwrap();
    let end = row.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(laptop.post(&site, end, &[]).await.status().is_redirection());
    assert_eq!(phone.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(laptop.page(&site, "/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn two_servers_on_one_database_share_logins_and_sessions() {
    log();
    let url = database::postgres_url().await;
    let (first, second) = (Place::take().await, Place::take().await);
    let provider = provider(&first.origin, OpenIdProvider::start).await;
    let open = async |place: Place| {
        let store = concord_quota_api::store::Store::open(&url).await.unwrap();
        place.open_with(vec![provider.config()], store, LIFETIMES).await
    };
    let (one, two) = (open(first).await, open(second).await);
    let browser = Browser::new();
    let callback = browser.log_in_at(&one, &provider, USER).await;
    // A load balancer in front of both sends the next request to the other one. The redirect address is the first one's, so the
    // provider would refuse the code; what is shown here is that the login under way is known.
    let elsewhere = callback.as_str().replace(&one.origin, &two.origin);
    assert_eq!(
        browser.get(&elsewhere).await.status(),
        StatusCode::FORBIDDEN,
        "known, and refused by the provider"
    );
    let welcome = browser.log_in(&one, &provider, USER).await;
    let session = cookie(&welcome, "concord-session");
    let pair = session.split(';').next().unwrap();
    assert_eq!(with_cookie(&two, "/me", pair).await, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_nothing_is_asked_for_long() {
    log();
    let place = Place::take().await;
    let provider = provider(&place.origin, OpenIdProvider::start).await;
    let lifetimes = Lifetimes { session: SignedDuration::from_hours(1), idle: SignedDuration::from_secs(2) };
    let site = place.open_with(vec![provider.config()], database::sqlite().await, lifetimes).await;
    let browser = Browser::new();
    browser.log_in(&site, &provider, USER).await;
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_second_provider_which_others_wrote_does_all_the_same() {
    log();
    let place = Place::take().await;
    let provider = provider(&place.origin, OpenIdProvider::node).await;
    let site = place.open(vec![provider.config()]).await;
    let (laptop, other) = (Browser::new(), Browser::new());
    assert_eq!(laptop.log_in(&site, &provider, USER).await.status(), StatusCode::SEE_OTHER);
    let (_, html) = laptop.page(&site, "/me").await;
    for shown in [
        "node:applicant-academic",
        "applicants",
        "Applicant of a university",
        "medium: your documents were seen",
        "with a second factor",
    ] {
        assert!(html.contains(&format!("<dd>{shown}</dd>")), "{shown} is missing: {html}");
    }
    other.log_in(&site, &provider, OTHER).await;
    provider.operate("rotate").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    // It logs out at the provider's own page, as a person does, and the provider tells the portal by session.
    let out = laptop.post(&site, "/logout", &[]).await;
    assert_eq!(laptop.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED);
    drop(out);
    let again = Browser::new();
    assert_eq!(again.log_in(&site, &provider, USER).await.status(), StatusCode::SEE_OTHER, "with a new key");
    provider.operate(&format!("logout?subject={}", USER.0)).await;
    assert_eq!(again.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED, "ended by the provider");
    assert_eq!(other.page(&site, "/me").await.0, StatusCode::OK, "somebody else's goes on");
}
