//! Samples, incidents, texts and waits: from a cluster's objects through the database to pages, JSON and CSV.

use std::sync::Arc;

use crate::support::{database, scene};
use axum::Router;
use axum::body::{Body, to_bytes};
use concord_quota_api::app::App;
use concord_quota_api::history::{Grain, Scope, sampler};
use concord_quota_api::overview::Trouble;
use concord_quota_api::overview::troubles::Kind;
use concord_quota_api::store::Store;
use concord_quota_api::store::history::WaitRow;
use concord_quota_api::{pool::Pool, router::router};
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt;

async fn on(store: Store, now: Timestamp) -> Arc<App> {
    let cluster = scene::cluster(now);
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    let app = Arc::new(crate::support::app_on(pool, None, cluster.client(), store));
    while !app.pool.is_live() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app
}

async fn app(now: Timestamp) -> Arc<App> {
    on(database::sqlite().await, now).await
}

/// A server on each database.
async fn apps(now: Timestamp) -> Vec<(&'static str, Arc<App>)> {
    let mut apps = Vec::new();
    for (name, store) in database::stores().await {
        apps.push((name, on(store, now).await));
    }
    apps
}

async fn get(server: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn json(server: &Router, path: &str) -> Value {
    let (status, text) = get(server, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_sample_is_taken_once_a_minute_and_members_add_up_to_the_pool_at_every_grain() {
    let now: Timestamp = "2026-11-20T10:20:30Z".parse().unwrap();
    for (database, app) in apps(now).await {
        println!("{database}");
        assert!(sampler::take(&app, now).await.unwrap());
        let same_minute = now + SignedDuration::from_secs(20);
        assert!(!sampler::take(&app, same_minute).await.unwrap(), "another server took this minute");
        assert!(sampler::take(&app, now + SignedDuration::from_secs(60)).await.unwrap());
        for grain in Grain::ALL {
            let start = grain.start_ms(now);
            let until = start + 2 * grain.seconds() * 1_000;
            let pool = app.store.periods(grain, Scope::Pool, start, until).await.unwrap();
            let samples: i64 = pool.iter().map(|period| period.sums.samples).sum();
            assert_eq!(samples, 2, "{grain:?}");
            for scope in [Scope::Member, Scope::Purpose, Scope::Organisation, Scope::Country] {
                let parts = app.store.periods(grain, scope, start, until).await.unwrap();
                let sum = |periods: &[concord_quota_api::store::history::Period]| {
                    periods
                        .iter()
                        .map(|p| (p.sums.used.used_gpus(), p.sums.used.queued_gpus))
                        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
                };
                assert_eq!(sum(&parts), sum(&pool), "{grain:?} {scope:?}");
            }
        }
    }
}

#[tokio::test]
async fn two_servers_on_one_database_sample_a_minute_once() {
    let now: Timestamp = "2026-11-20T10:20:30Z".parse().unwrap();
    for (database, app) in apps(now).await {
        println!("{database}");
        let taken = futures::future::join_all((0..8).map(|_| sampler::take(&app, now))).await;
        assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    }
}

#[tokio::test]
async fn page_json_and_csv_of_the_history_say_the_same_and_what_is_missing() {
    let now = Timestamp::now();
    let app = app(now).await;
    scene::remember(&app.store, now).await;
    let server = router(app);
    let answer = json(&server, "/api/v1/use/history?span=day&by=member").await;
    let (samples, expected) =
        (answer["samples"].as_i64().unwrap(), answer["expected_samples"].as_i64().unwrap());
    assert!((80..=95).contains(&samples) && expected > 1_400, "{samples} of {expected}");
    let (_, csv) = get(&server, "/api/v1/use/history.csv?span=day&by=member").await;
    let parts = answer["parts"].as_array().unwrap();
    assert_eq!(csv.lines().count(), parts.len() + 1);
    let first = csv.lines().nth(1).unwrap();
    assert!(
        first.starts_with(parts[0]["start"].as_str().unwrap())
            && first.contains(parts[0]["name"].as_str().unwrap()),
        "{first}"
    );
    let (status, page) = get(&server, "/use/history?span=day&by=member").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains(&format!("{samples} of ")) && page.contains("<title id=\"history-only-wide-title\">"),
        "{page}"
    );
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    let lasting = page
        .split("href=\"")
        .find(|rest| rest.starts_with("/use/history?span=day&#38;by=member&#38;from="))
        .unwrap();
    let lasting = lasting.split('"').next().unwrap().replace("&#38;", "&");
    assert_eq!(get(&server, &lasting).await.0, StatusCode::OK, "{lasting}");
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_refused_and_say_what_they_must_be() {
    let server = router(app(Timestamp::now()).await);
    for (query, wanted) in [
        ("span=decade", "hour"),
        ("by=person", "member"),
        ("from=yesterday", "must be a day such as"),
        ("from=1850-01-01", "between the years"),
        ("from=2026-02-30", "must be a day"),
    ] {
        for path in ["/api/v1/use/history", "/api/v1/use/history.csv", "/use/history"] {
            let (status, text) = get(&server, &format!("{path}?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}?{query}");
            assert!(text.contains(wanted), "{path}?{query}: {text}");
            assert_eq!(text.starts_with('{'), path.starts_with("/api"), "{text}");
        }
    }
    for page in ["0", "501", "-1", "x"] {
        assert_eq!(
            get(&server, &format!("/api/v1/incidents?page={page}")).await.0,
            StatusCode::BAD_REQUEST,
            "{page}"
        );
    }
    assert_eq!(
        get(&server, "/use/history?from=").await.0,
        StatusCode::OK,
        "an empty field of a form is none"
    );
}

#[tokio::test]
async fn incidents_begin_once_and_end() {
    let now: Timestamp = "2026-11-20T10:20:30Z".parse().unwrap();
    for (database, app) in apps(now).await {
        println!("{database}");
        let trouble =
            |kind, subject: &str| Trouble { kind, subject: subject.to_owned(), detail: String::new() };
        let both = [trouble(Kind::NodeNotReady, "a"), trouble(Kind::NodeNotReady, "b")];
        app.store.keep_incidents(1_000, &both).await.unwrap();
        app.store.keep_incidents(2_000, &both).await.unwrap();
        app.store.keep_incidents(3_000, &both[..1]).await.unwrap();
        app.store.keep_incidents(4_000, &both).await.unwrap();
        let rows = app.store.incidents(0).await.unwrap();
        let told: Vec<_> =
            rows.iter().map(|row| (row.subject.as_str(), row.begun_ms, row.ended_ms)).collect();
        assert_eq!(told, [("b", 4_000, None), ("a", 1_000, None), ("b", 1_000, Some(3_000))]);
        assert_eq!(app.store.incidents_that_last().await.unwrap().len(), 2);
        assert!(app.store.incidents(1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn every_generation_of_the_treaty_has_a_page_with_what_changed() {
    let now = Timestamp::now();
    let app = app(now).await;
    scene::remember(&app.store, now).await;
    scene::remember(&app.store, now).await;
    assert_eq!(app.store.texts().await.unwrap().len(), 2, "a text is kept once");
    let server = router(app);
    let uid = scene::treaty().metadata.uid.unwrap();
    let (_, page) = get(&server, &format!("/treaty/history/{uid}/4")).await;
    assert!(
        page.contains("<del class=\"removed\">-    noticeSeconds: 60</del>")
            && page.contains("<ins class=\"added\">+    noticeSeconds: 5</ins>"),
        "{page}"
    );
    assert_eq!(get(&server, &format!("/treaty/history/{uid}/99")).await.0, StatusCode::NOT_FOUND);
    let (_, page) = get(&server, "/treaty").await;
    for anchor in ["reclaim", "line", "guarantee/cluster04", "ceiling/cluster04", "lending/cluster10"] {
        assert_eq!(page.matches(&format!("id=\"{anchor}\"")).count(), 1, "{anchor}");
    }
}

#[tokio::test]
async fn starts_are_counted_once_with_their_wait() {
    let now: Timestamp = "2026-11-20T10:20:30Z".parse().unwrap();
    for (database, app) in apps(now).await {
        println!("{database}");
        // In these twenty minutes some of the claims of the scene started; each sample counts those of two minutes before.
        for minute in 0..20 {
            sampler::take(&app, now - SignedDuration::from_mins(298 - minute)).await.unwrap();
        }
        let rows: Vec<WaitRow> = app.store.waits(0, i64::MAX).await.unwrap();
        let counted: i64 = rows.iter().map(|row| row.claims).sum();
        let minute = |ago| Grain::Minute.start_ms(now - SignedDuration::from_mins(ago));
        let sampled = minute(300)..minute(280);
        let started = scene::claims(now)
            .into_iter()
            .filter_map(|claim| claim.status?.admitted_at)
            .filter(|at| sampled.contains(&at.0.as_millisecond()))
            .count();
        assert!(started > 3, "{started}");
        assert_eq!(counted, i64::try_from(started).unwrap());
    }
}

#[tokio::test]
async fn old_history_is_forgotten_grain_by_grain() {
    let now: Timestamp = "2026-11-20T10:20:30Z".parse().unwrap();
    for (database, app) in apps(now).await {
        println!("{database}");
        assert!(sampler::take(&app, now).await.unwrap());
        app.store.forget_history(now + SignedDuration::from_hours(24)).await.unwrap();
        let left = |grain| app.store.periods(grain, Scope::Pool, 0, i64::MAX);
        assert!(left(Grain::Minute).await.unwrap().is_empty());
        assert_eq!(left(Grain::Hour).await.unwrap().len(), 1);
    }
}
