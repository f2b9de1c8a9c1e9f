//! Logout tokens, each with one thing forged. The session must go on.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Log;
use super::attempts::{Outcome, log_in, open};
use super::provider::{Hostile, Script};
use super::signing::Signature;
use super::support::browser::Browser;
use super::support::site::Site;

const EVENTS: &str = "http://schemas.openid.net/event/backchannel-logout";

pub async fn run_all(log: &Log) -> Vec<Outcome> {
    let (site, hostile) = open(Script::default()).await;
    let browser = Browser::new();
    assert_eq!(log_in(&browser, &site).await, StatusCode::SEE_OTHER);
    log.reason();
    let mut outcomes = Vec::new();
    for (attack, token) in forged(&hostile) {
        let status = post(&site, &token).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{attack}");
        outcomes.push(Outcome { attack, status, reason: log.reason().unwrap_or_default() });
        assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK, "{attack}: the session ended");
    }
    // An honest one for somebody else, then for the person, and that one again after a new login.
    let other = hostile.logout_token(&json!({}), &json!({"sub": "another"}), Signature::Key(0));
    assert_eq!(post(&site, &other).await, StatusCode::OK);
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK, "somebody else's logout");
    let honest = hostile.logout_token(&json!({}), &json!({}), Signature::Key(0));
    assert_eq!(post(&site, &honest).await, StatusCode::OK);
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::UNAUTHORIZED, "the session goes on");
    assert_eq!(log_in(&browser, &site).await, StatusCode::SEE_OTHER);
    let status = post(&site, &honest).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.page(&site, "/me").await.0, StatusCode::OK, "a logout was replayed");
    let reason = "a logout token came twice".to_owned();
    outcomes.push(Outcome { attack: "the same logout token twice", status, reason });
    outcomes
}

fn forged(hostile: &Hostile) -> Vec<(&'static str, String)> {
    let right = Signature::Key(0);
    let claims = |claims: Value| hostile.logout_token(&json!({}), &claims, right);
    let now = jiff::Timestamp::now().as_second();
    vec![
        ("logout token of a provider that is not ours", claims(json!({"iss": "https://evil.example"}))),
        ("logout token for another client", claims(json!({"aud": "another"}))),
        ("logout token with a nonce", claims(json!({"nonce": "n"}))),
        ("logout token without the event", claims(json!({"events": {}}))),
        ("logout token of another event", claims(json!({"events": {"https://evil.example/event": {}}}))),
        ("logout token whose event is no object", claims(json!({"events": {EVENTS: "yes"}}))),
        ("logout token that has expired", claims(json!({"iat": now - 600, "exp": now - 300}))),
        ("logout token from the future", claims(json!({"iat": now + 600, "exp": now + 700}))),
        ("logout token that is good for a day", claims(json!({"exp": now + 86_400}))),
        ("logout token that names nobody", claims(json!({"sub": null}))),
        ("logout token without number", claims(json!({"jti": null}))),
        ("ID token as logout token", hostile.id_token()),
        ("logout token with alg none", hostile.logout_token(&json!({}), &json!({}), Signature::None)),
        (
            "logout token with HS256 and the public key",
            hostile.logout_token(&json!({}), &json!({}), Signature::PublicKeyAsSecret),
        ),
        (
            "logout token with HS256 and the client's secret",
            hostile.logout_token(&json!({}), &json!({}), Signature::ClientSecret),
        ),
        (
            "logout token signed by an unpublished key",
            hostile.logout_token(&json!({}), &json!({}), Signature::Key(2)),
        ),
        (
            "logout token that names an unpublished key",
            hostile.logout_token(&json!({"kid": "unpublished"}), &json!({}), Signature::Key(2)),
        ),
        (
            "logout token changed after signing",
            hostile.logout_token(&json!({}), &json!({}), Signature::OfOtherClaims),
        ),
        ("logout token that is no token", "x.y.z".to_owned()),
    ]
}

async fn post(site: &Site, token: &str) -> StatusCode {
    let request = reqwest::Client::new().post(site.url("/backchannel-logout"));
    request.form(&[("logout_token", token)]).send().await.unwrap().status()
}
