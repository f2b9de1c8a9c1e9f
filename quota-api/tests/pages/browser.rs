//! Every public page in a real Chromium, checked by rule sets and validators that we did not write; see
//! `browser/check.mjs`. Needs Node, Java and Debian's chromium: `make test-prerequisites`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::support::{checkers, recorded, scene};
use concord_quota_api::history::sampler;
use concord_quota_api::{pool::Pool, router::router};
use jiff::Timestamp;

const PAGES: [&str; 18] = [
    "/",
    "/use/history",
    "/use/history?span=week&by=purpose",
    "/use/promises",
    "/use/waiting",
    "/use/energy",
    "/use/incidents",
    "/treaty",
    "/treaty/calendar",
    "/treaty/history",
    "/treaty/amendments",
    "/treaty/amendments/more-for-one",
    "/treaty/record",
    "/treaty/history/5b0e4c7e-6a51-4c53-9f0a-000000000001/4",
    "/accessibility",
    "/privacy",
    "/api",
    "/no/such/page",
];

/// All, or those that `CONCORD_BROWSER_PAGES` names, separated by commas: while one is being mended.
fn pages() -> Vec<String> {
    match std::env::var("CONCORD_BROWSER_PAGES") {
        Ok(some) => some.split(',').map(str::to_owned).collect(),
        Err(_) => PAGES.map(str::to_owned).to_vec(),
    }
}

/// The whole pool on a socket; its address.
async fn open() -> String {
    let now = Timestamp::now();
    let cluster = scene::cluster(now);
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    let mut app = crate::support::app(pool, None, cluster.client()).await;
    app.public.record = Some(recorded::record(&tempfile::tempdir().unwrap().keep()).await);
    let app = Arc::new(app);
    scene::remember(&app.store, now).await;
    while !app.pool.waits_for().is_empty() || !app.pool.is_live() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(sampler::take(&app, now).await.unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    origin
}

#[tokio::test(flavor = "multi_thread")]
async fn no_checker_finds_anything_on_any_page() {
    let origin = open().await;
    let pages: Vec<String> = pages().iter().map(|page| format!("{origin}{page}")).collect();
    checkers::check("browser", None, &pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_without_a_login_finds_whether_the_treaty_is_kept() {
    let origin = open().await;
    for script in ["on", "off"] {
        checkers::journey("visitor", &origin, &[], &["--script", script], || ()).await;
    }
}
