//! The public pages, from an API server's answers to HTML, without login.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use concord_quota_api::{pool::Pool, router::router};
use http::{HeaderMap, Request, StatusCode};
use support::cluster::Cluster;
use support::objects::{claims, treaties};
use tower::ServiceExt;

async fn serve(cluster: &Cluster) -> Router {
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    router(Arc::new(support::app(pool, None, cluster.client()).await))
}

async fn get(server: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 10_000_000).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Asks until the answer is as wanted, for at most five seconds.
async fn until(server: &Router, path: &str, wanted: impl Fn(StatusCode, &str) -> bool) -> String {
    for _ in 0..250 {
        let (status, _, text) = get(server, path).await;
        if wanted(status, &text) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} was never as wanted; last: {:?}", get(server, path).await);
}

async fn ready(cluster: &Cluster) -> Router {
    let server = serve(cluster).await;
    until(&server, "/readyz", |status, _| status == StatusCode::OK).await;
    server
}

/// The time of the data is the only thing that differs from run to run.
fn without_times(text: &str) -> String {
    let is_time = |word: &&str| word.parse::<jiff::Timestamp>().is_ok();
    let mut text = text.to_owned();
    let times: Vec<String> = text.split(['"', ',', '\n']).filter(is_time).map(str::to_owned).collect();
    for time in times {
        let shown = time.parse::<jiff::Timestamp>().unwrap().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        text = text.replace(&time, "TIME").replace(&shown, "SHOWN TIME");
    }
    text
}

#[tokio::test]
async fn page() {
    let server = ready(&Cluster::with(&treaties(), &claims())).await;
    let (status, headers, html) = get(&server, "/").await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        !html.contains("<script") && !html.contains("style=") && !html.contains("//"),
        "nothing but our own: {html}"
    );
    insta::assert_snapshot!(without_times(&html));
}

#[tokio::test]
async fn json_and_csv_say_the_same_as_the_page() {
    let server = ready(&Cluster::with(&treaties(), &claims())).await;
    let (_, headers, text) = get(&server, "/api/v1/use").await;
    assert_eq!(headers["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["live"], &json["members"][0]["guaranteed_gpus"]), (&true.into(), &8.into()));
    let (_, headers, text) = get(&server, "/api/v1/use.csv").await;
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
    insta::assert_snapshot!(without_times(&text));
}

#[tokio::test]
async fn names_from_the_cluster_cannot_become_markup() {
    let mut treaties = treaties();
    treaties[1].spec.title = "<script>alert(1)</script>".to_owned();
    let server = ready(&Cluster::with(&treaties, &claims())).await;
    let (_, _, html) = get(&server, "/").await;
    assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"), "{html}");
}

#[tokio::test]
async fn before_the_first_lists_it_is_not_ready_and_says_what_it_waits_for() {
    let cluster = Cluster::with(&treaties(), &claims());
    cluster.set_up(false);
    let server = serve(&cluster).await;
    until(&server, "/readyz", |status, text| {
        status == 503 && text.contains("gpuclaims.concord.dev (the API server answered 500)")
    })
    .await;
    let (status, headers, text) = get(&server, "/api/v1/use").await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"application/problem+json".parse().unwrap())
    );
    assert!(text.contains("still waiting for the first list of treaties.concord.dev and"), "{text}");
    assert!(!text.contains("500"), "the public learns nothing of the cluster: {text}");
    assert_eq!(get(&server, "/healthz").await.0, StatusCode::OK);
    cluster.set_up(true);
    until(&server, "/readyz", |status, _| status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_broken_connection_freezes_the_time_of_the_data_until_it_is_back() {
    let cluster = Cluster::with(&treaties(), &claims());
    let server = ready(&cluster).await;
    until(&server, "/api/v1/use", |_, text| text.contains("\"live\":true")).await;
    cluster.set_up(false);
    let first = until(&server, "/api/v1/use", |_, text| text.contains("\"live\":false")).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&server, "/api/v1/use").await.2, first, "the data has not become younger");
    assert!(get(&server, "/").await.2.contains("The connection to the cluster is interrupted."));
    assert_eq!(get(&server, "/readyz").await.0, StatusCode::OK, "old data with its time is better than none");
    assert!(get(&server, "/metrics").await.2.contains("concord_quota_api_watch_live{kind=\"gpuclaims\"} 0"));
    cluster.set_up(true);
    until(&server, "/api/v1/use", |_, text| text.contains("\"live\":true")).await;
}

#[tokio::test]
async fn without_a_provider_the_login_routes_say_so() {
    let server = ready(&Cluster::with(&treaties(), &claims())).await;
    for path in ["/login", "/callback/demo?code=x&state=y", "/me"] {
        let (status, _, html) = get(&server, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            html.contains("Login is not configured on this server: it was started without --providers."),
            "{html}"
        );
    }
    assert!(!get(&server, "/").await.2.contains("/login"));
}

#[tokio::test]
async fn metrics_count_routes_not_paths() {
    let server = ready(&Cluster::with(&treaties(), &claims())).await;
    assert_eq!(get(&server, "/no/such/page").await.0, StatusCode::NOT_FOUND);
    let (_, _, text) = get(&server, "/metrics").await;
    assert!(text.contains("http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1"), "{text}");
    assert!(
        !text.contains("/no/such/page") && text.contains("watched_objects{kind=\"gpuclaims\"} 8"),
        "{text}"
    );
}
