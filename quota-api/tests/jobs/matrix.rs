//! Every route about jobs, asked by everybody: what each is answered, and that nobody learns the names of others' work.

use http::StatusCode;
use reqwest::Method;
use serde_json::json;

use crate::support::people::{Visitor, person};
use crate::support::real::{Real, project, treaty};
use crate::{made_key, request};

/// nobody, stranger, member, key to read, key to submit, the same person's key for another project.
type Row = (Method, &'static str, [u16; 6]);

/// Pages know sessions alone: a key in the hands of a thief opens no page, and makes no further keys.
fn pages() -> Vec<Row> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        (get.clone(), "/jobs", [401, 200, 200, 401, 401, 401]),
        (get.clone(), "/jobs/new", [401, 200, 200, 401, 401, 401]),
        (get.clone(), "/jobs/new?project=alpha-lab&again=known", [401, 404, 200, 401, 401, 401]),
        (post.clone(), "/jobs/new", [401, 422, 200, 401, 401, 401]),
        (get.clone(), "/jobs/kept/unknown", [401, 404, 404, 401, 401, 401]),
        (post.clone(), "/jobs/kept/unknown/send", [401, 404, 404, 401, 401, 401]),
        (post.clone(), "/jobs/kept/unknown/discard", [401, 404, 404, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/known", [401, 404, 200, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/unknown", [401, 404, 404, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/known/cancel", [401, 404, 200, 401, 401, 401]),
        (post.clone(), "/projects/alpha-lab/jobs/known/cancel", [401, 404, 409, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/known/live", [401, 404, 200, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/known/cite", [401, 404, 200, 401, 401, 401]),
        (get.clone(), "/projects/alpha-lab/jobs/known/logs/unknown", [401, 404, 404, 401, 401, 401]),
        (get.clone(), "/me/keys", [401, 200, 200, 401, 401, 401]),
        (post.clone(), "/me/keys", [401, 422, 422, 401, 401, 401]),
        (post, "/me/keys/unknown/revoke", [401, 303, 303, 401, 401, 401]),
        (get, "/static/live.js", [200, 200, 200, 200, 200, 200]),
    ]
}

fn programs() -> Vec<Row> {
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    vec![
        (get.clone(), "/api/v1/projects/alpha-lab/jobs", [401, 404, 200, 200, 200, 404]),
        (get.clone(), "/api/v1/projects/nowhere/jobs", [401, 404, 404, 404, 404, 404]),
        (post.clone(), "/api/v1/projects/alpha-lab/jobs?dryRun=true", [401, 404, 422, 422, 422, 404]),
        (post.clone(), "/api/v1/projects/alpha-lab/jobs", [401, 404, 422, 403, 422, 404]),
        (post, "/api/v1/projects/nowhere/jobs", [401, 404, 404, 404, 404, 404]),
        (get.clone(), "/api/v1/projects/alpha-lab/jobs/known", [401, 404, 200, 200, 200, 404]),
        (get.clone(), "/api/v1/projects/alpha-lab/jobs/unknown", [401, 404, 404, 404, 404, 404]),
        (
            get.clone(),
            "/api/v1/projects/alpha-lab/jobs/known/logs?pod=unknown",
            [401, 404, 404, 404, 404, 404],
        ),
        (get, "/api/v1/projects/alpha-lab/jobs/known/events", [401, 404, 200, 200, 200, 404]),
        (delete.clone(), "/api/v1/projects/alpha-lab/jobs/unknown", [401, 404, 404, 403, 404, 404]),
        (delete, "/api/v1/projects/nowhere/jobs/known", [401, 404, 404, 404, 404, 404]),
    ]
}

/// What a POST carries: a form that lacks its name, or a document that does.
async fn ask(visitor: &Visitor, method: &Method, path: &str) -> StatusCode {
    let request = visitor.request(method.clone(), path);
    let request = match (method == Method::POST, path.starts_with("/api")) {
        (false, _) => request,
        (true, true) => {
            let body = json!({"name": "", "kind": "training", "image": "x", "gpusPerPod": 1});
            request.header("content-type", "application/json").body(body.to_string())
        }
        (true, false) if path == "/jobs/new" => request.form(&[
            ("project", "alpha-lab"),
            ("kind", "training"),
            ("name", "new"),
            ("image", "x"),
            ("gpus-per-pod", "1"),
            ("action", "check"),
        ]),
        (true, false) => request.form(&[("uid", "another")]),
    };
    // Only the head: some answers are streams.
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_by_everybody() {
    let both = json!({"kind": "Group", "name": "demo:both"});
    let projects = [
        project("alpha", std::slice::from_ref(&both)),
        project("beta", &[both, json!({"kind": "User", "name": "demo:stranger"})]),
    ];
    let real = Real::start(1, &treaty(&[("alpha", 4), ("beta", 4)], 2), &projects).await;
    let member = person("member", &["both"]);
    real.wait_held_back(&member, "alpha-lab").await;
    let member = real.visitor(&member).await;
    real.eventually("the job is there", async || {
        let made = member.post_json("/api/v1/projects/alpha-lab/jobs", &request("known")).await;
        (made.status == StatusCode::CREATED).then_some(())
    })
    .await;
    let key = async |scope: &str, project: &str| member.with_key(&made_key(&member, scope, project).await);
    let everybody = [
        real.nobody(),
        real.visitor(&person("stranger", &[])).await,
        member.clone(),
        key("read", "").await,
        key("submit", "alpha-lab").await,
        key("submit", "beta-lab").await,
    ];
    let names = ["nobody", "stranger", "member", "key to read", "key to submit", "key for another project"];
    let mut surprises = Vec::new();
    for (method, path, expected) in pages().into_iter().chain(programs()) {
        for ((visitor, name), expected) in everybody.iter().zip(names).zip(expected) {
            let status = ask(visitor, &method, path).await.as_u16();
            if status != expected {
                surprises.push(format!("{method} {path} by {name}: {status}, not {expected}"));
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));

    // What is another's looks like what is not there, to the letter.
    let stranger = &everybody[1];
    for (theirs, nothing) in [
        ("/api/v1/projects/alpha-lab/jobs/known", "/api/v1/projects/nowhere/jobs/known"),
        ("/api/v1/projects/alpha-lab/jobs/known", "/api/v1/projects/alpha-lab/jobs/unknown"),
        ("/projects/alpha-lab/jobs/known", "/projects/nowhere/jobs/known"),
    ] {
        let (theirs, nothing) = (stranger.get(theirs).await, stranger.get(nothing).await);
        let without_address =
            |text: &str| text.replace("alpha-lab", "P").replace("nowhere", "P").replace("unknown", "known");
        assert_eq!(without_address(&theirs.text), without_address(&nothing.text));
    }
    real.stop().await;
}
