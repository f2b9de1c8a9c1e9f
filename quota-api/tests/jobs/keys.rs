//! Keys of programs: shown once, never more than their person, and over when they are.

use concord_quota_api::jobs::keys::hash;
use concord_quota_api::store::api_keys::KeyRow;
use http::StatusCode;
use serde_json::json;

use crate::support::people::person;
use crate::{made_key, request, start};

const JOBS: &str = "/api/v1/projects/alpha-lab/jobs";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_does_what_it_says_until_it_ends() {
    let real = start().await;
    let visitor = real.visitor(&person("colleague", &["team"])).await;
    let faulty =
        [("label", "<script>alert(1)</script>"), ("scope", "all"), ("project", "beta-lab"), ("days", "366")];
    let answer = visitor.post("/me/keys", &faulty).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["scope", "project", "days"] {
        assert!(answer.text.contains(&format!("href=\"#{field}\"")), "{field}: {}", answer.text);
    }
    assert!(
        !answer.text.contains("<script>alert") && answer.text.contains("&#60;script&#62;"),
        "{}",
        answer.text
    );

    let key = made_key(&visitor, "submit", "").await;
    let page = visitor.get("/me/keys").await;
    assert!(page.text.contains("a test") && !page.text.contains(&key), "{}", page.text);
    let rows = real.app.store.keys_of("demo:colleague", 0).await.unwrap();
    assert_eq!((rows.len(), &rows[0].hash, rows[0].used_ms), (1, &hash(&key), None));
    assert!(!format!("{:?}", rows[0]).contains(&key), "the key itself is kept nowhere");

    let program = visitor.with_key(&key);
    assert_eq!(program.post_json(JOBS, &request("by-key")).await.status, StatusCode::CREATED);
    assert!(real.app.store.keys_of("demo:colleague", 0).await.unwrap()[0].used_ms.is_some());
    // Sent again with the same Idempotency-Key it is one job, without it the name is taken.
    let again = program.post_json(JOBS, &request("by-key")).await;
    assert_eq!(
        (again.status, &again.json()["status"]),
        (StatusCode::CONFLICT, &409.into()),
        "{}",
        again.text
    );
    for _ in 0..2 {
        let sent = program.request(reqwest::Method::POST, JOBS).header("content-type", "application/json");
        let sent = sent.header("idempotency-key", "run-17").body(request("once").to_string());
        assert_eq!(program.send(sent).await.status, StatusCode::CREATED);
    }
    let faults = program
        .post_json(JOBS, &json!({"name": "A", "kind": "training", "image": "", "gpusPerPod": 0}))
        .await;
    let pointers: Vec<&str> = faults.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap().to_owned().leak() as &str)
        .collect();
    assert_eq!(
        (faults.status, pointers),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["/name", "/image", "/gpusPerPod"])
    );
    for odd in ["not json", "[]", "{\"name\": 1}", "{\"surprise\": true}"] {
        let sent = program.request(reqwest::Method::POST, JOBS).header("content-type", "application/json");
        let answer = program.send(sent.body(odd)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let plain = program.request(reqwest::Method::POST, JOBS).body("{}");
    assert_eq!(program.send(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    // Another person cannot end it; its own can.
    let other = real.visitor(&person("stranger", &[])).await;
    other.post(&format!("/me/keys/{}/revoke", rows[0].id), &[]).await;
    assert_eq!(program.get(JOBS).await.status, StatusCode::OK);
    visitor.post(&format!("/me/keys/{}/revoke", rows[0].id), &[]).await;
    assert_eq!(program.get(JOBS).await.status, StatusCode::UNAUTHORIZED);
    for odd in ["concord_", "concord_0000", "Concord_x", &key.to_uppercase()] {
        assert_eq!(visitor.with_key(odd).get(JOBS).await.status, StatusCode::UNAUTHORIZED, "{odd}");
    }

    // One that has ended by itself.
    let ended =
        KeyRow { id: "ended".to_owned(), hash: hash("concord_ended"), expires_ms: 1, ..rows[0].clone() };
    real.app.store.insert_key(&ended).await.unwrap();
    assert_eq!(visitor.with_key("concord_ended").get(JOBS).await.status, StatusCode::UNAUTHORIZED);
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_never_more_than_its_person() {
    let real = start().await;
    // By a group that the person leaves at the provider: known at the next visit.
    let visitor = real.visitor(&person("colleague", &["team"])).await;
    let program = visitor.with_key(&made_key(&visitor, "read", "").await);
    assert_eq!(program.get(JOBS).await.status, StatusCode::OK);
    let left = real.visitor(&person("colleague", &["others"])).await;
    assert_eq!(left.get("/me/keys").await.status, StatusCode::OK);
    assert_eq!(program.get(JOBS).await.status, StatusCode::NOT_FOUND);

    // By the project's own list of people: at once.
    let named = real.visitor(&person("researcher", &[])).await;
    let program = named.with_key(&made_key(&named, "submit", "alpha-lab").await);
    assert_eq!(program.get(JOBS).await.status, StatusCode::OK);
    let nobody = r#"{"spec": {"people": []}}"#;
    real.kubectl(&["patch", "project", "alpha-lab", "--type=merge", "-p", nobody], None);
    real.eventually("the key opens nothing any more", async || {
        (program.get(JOBS).await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert_eq!(program.post_json(JOBS, &request("late")).await.status, StatusCode::NOT_FOUND);
    assert!(real.claim("alpha-lab", "late").await.is_none());
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_so_many_streams_and_no_more() {
    let real = start().await;
    let visitor = real.visitor(&person("researcher", &[])).await;
    assert_eq!(visitor.post_json(JOBS, &request("watched")).await.status, StatusCode::CREATED);
    let path = format!("{JOBS}/watched/events");
    let mut open = Vec::new();
    for _ in 0..6 {
        let stream = visitor.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        open.push(stream);
    }
    let refused = visitor.get(&path).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    let other = real.visitor(&person("colleague", &["team"])).await;
    assert_eq!(other.request(reqwest::Method::GET, &path).send().await.unwrap().status(), StatusCode::OK);
    drop(open);
    real.eventually("a closed stream makes place", async || {
        let stream = visitor.request(reqwest::Method::GET, &path).send().await.unwrap();
        (stream.status() == StatusCode::OK).then_some(())
    })
    .await;
    real.stop().await;
}
