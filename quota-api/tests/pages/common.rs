//! What holds for all public pages: languages, caches, errors, limits.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::support::scene;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use concord_quota_api::{pool::Pool, router::router};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use tower::ServiceExt;

const PAGES: [&str; 14] = [
    "/",
    "/use/history",
    "/use/promises",
    "/use/waiting",
    "/use/energy",
    "/use/incidents",
    "/treaty",
    "/treaty/calendar",
    "/treaty/history",
    "/treaty/amendments",
    "/treaty/record",
    "/accessibility",
    "/privacy",
    "/api",
];

pub async fn server() -> Router {
    let now = Timestamp::now();
    let cluster = scene::cluster(now);
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    let app = Arc::new(crate::support::app(pool, None, cluster.client()).await);
    scene::remember(&app.store, now).await;
    while !app.pool.is_live() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    router(app)
}

async fn ask(server: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = server.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, 10_000_000).await.unwrap().to_vec())
}

pub async fn get(server: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, headers, body) = ask(server, request.body(Body::empty()).unwrap()).await;
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn every_page_is_in_the_language_that_was_asked_for() {
    let server = server().await;
    let words = [
        ("en", "Accessibility"),
        ("fr", "Accessibilité"),
        ("de", "Barrierefreiheit"),
        ("es", "Accesibilidad"),
        ("ar", "إمكانية الوصول"),
    ];
    for page in PAGES {
        for (language, word) in words {
            let (status, headers, html) = get(&server, page, &[("accept-language", language)]).await;
            assert_eq!(status, StatusCode::OK, "{page} {language}: {html}");
            assert!(
                html.contains(&format!("<html lang=\"{language}\"")) && html.contains(word),
                "{page} {language}"
            );
            assert!(headers["vary"].to_str().unwrap().contains("accept-language"), "{page}");
            assert!(!html.contains("<script") && !html.contains("style=\""), "{page}");
        }
    }
}

#[tokio::test]
async fn a_chosen_language_is_remembered_and_the_visitor_comes_back_to_the_page() {
    let server = server().await;
    let (status, headers, _) =
        get(&server, "/language?to=ar&return=%2Fuse%2Fhistory%3Fspan%3Dweek", &[]).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/use/history?span=week")
    );
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("concord-language=ar; Path=/;"), "{cookie}");
    let (_, _, html) = get(
        &server,
        "/use/history?span=week",
        &[("cookie", "concord-language=ar"), ("accept-language", "de")],
    )
    .await;
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\">"));
    let (_, headers, _) = get(&server, "/language?to=fr&return=//evil.example/", &[]).await;
    assert_eq!(headers["location"], "/");
    assert_eq!(get(&server, "/language?to=xx&return=/", &[]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn errors_are_pages_in_the_visitors_language_and_problems_below_api() {
    let server = server().await;
    let (status, headers, html) = get(&server, "/no/such/page", &[("accept-language", "de")]).await;
    assert_eq!((status, &headers["cache-control"]), (StatusCode::NOT_FOUND, &"no-store".parse().unwrap()));
    assert!(html.contains("<html lang=\"de\"") && html.contains("<h1>Seite nicht gefunden</h1>"), "{html}");
    for (method, path, wanted) in [
        (Method::GET, "/api/v1/no/such", 404),
        (Method::POST, "/api/v1/use", 405),
        (Method::DELETE, "/api/v1/treaty", 405),
        (Method::GET, "/api/v1/use/history?span=x", 400),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .body(Body::empty())
            .unwrap();
        let (status, headers, body) = ask(&server, request).await;
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (wanted, &"application/problem+json".parse().unwrap()),
            "{path}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], wanted, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.len() > 10), "{problem}");
        assert_eq!(headers.contains_key("allow"), wanted == 405, "{path}");
    }
}

#[tokio::test]
async fn the_files_of_the_record_are_served_as_they_are_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = scene::cluster(Timestamp::now());
    let (pool, _) = Pool::follow(&cluster.client());
    let mut app = crate::support::app(pool, None, cluster.client()).await;
    app.public.record = Some(crate::support::recorded::record(folder.path()).await);
    let server = router(Arc::new(app));
    for (file, kept) in [
        ("checkpoint", "public, max-age=2"),
        ("key", "public, max-age=2"),
        ("tile/0/000", "public, max-age=31536000, immutable"),
        ("tile/entries/001.p/45", "public, max-age=31536000, immutable"),
    ] {
        let path = format!("/record/{file}");
        let (status, headers, body) = ask(&server, Request::get(&path).body(Body::empty()).unwrap()).await;
        assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &kept.parse().unwrap()), "{file}");
        assert_eq!(body, std::fs::read(folder.path().join(file)).unwrap(), "{file}");
    }
    for file in ["head/001", "tile/9/000", "..%2fkey", "tile/..%2f..%2fetc", ""] {
        let (status, ..) = get(&server, &format!("/record/{file}"), &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{file}");
    }
    let (_, _, page) = get(&server, "/treaty/record", &[]).await;
    assert!(page.contains("301") && page.contains("Cooling failed in hall 2 &#60;b&#62;"), "{page}");
    assert_eq!(page.matches("<th scope=\"row\">").count(), 50, "{page}");
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again_and_long_answers_are_compressed() {
    let server = server().await;
    for path in ["/api/v1/treaty.yaml", "/api/v1/treaty", "/style.css", "/treaty"] {
        let (_, headers, _) = get(&server, path, &[]).await;
        let tag = headers["etag"].to_str().unwrap().to_owned();
        let (status, _, body) = get(&server, path, &[("if-none-match", &tag)]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        let (_, headers, packed) = get(&server, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(headers["content-encoding"], "gzip", "{path}");
        assert!(packed.len() < 10_000, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_asks_too_much_is_told_to_wait_and_others_are_not() {
    let server = server().await;
    let from = |address: &str, path: &str| {
        let peer: SocketAddr = format!("{address}:1234").parse().unwrap();
        let mut request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    let mut refused = None;
    for _ in 0..2_000 {
        let (status, headers, body) = ask(&server, from("192.0.2.1", "/api/v1/treaty")).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some((headers, String::from_utf8(body).unwrap()));
            break;
        }
    }
    let (headers, body) = refused.expect("2,000 requests at once are too many");
    assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert!(body.starts_with('{') && body.contains("\"status\":429"), "{body}");
    assert_eq!(ask(&server, from("192.0.2.2", "/")).await.0, StatusCode::OK);
    assert_eq!(ask(&server, from("192.0.2.1", "/healthz")).await.0, StatusCode::OK, "probes are not limited");
    let (_, _, metrics) = get(&server, "/metrics", &[]).await;
    assert!(metrics.contains("concord_quota_api_http_refused_total{limit=\"rate\"} 1"), "{metrics}");
}

#[tokio::test]
async fn an_address_that_is_too_long_is_refused() {
    let server = server().await;
    let (status, _, text) =
        get(&server, &format!("/api/v1/use/history?from={}", "9".repeat(5_000)), &[]).await;
    assert_eq!(status, StatusCode::URI_TOO_LONG, "{text}");
}

#[tokio::test]
async fn the_page_of_the_api_lists_what_the_document_has() {
    let server = server().await;
    let (_, _, document) = get(&server, "/api/v1/openapi.json", &[]).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let (_, _, html) = get(&server, "/api", &[]).await;
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(html.contains(path.as_str()), "{path}");
    }
}
