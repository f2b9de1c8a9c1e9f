//! Jobs on a real control plane, with the operator's own program: by form, by program, by strangers, and without a cluster.
//! Needs `cargo build -p concord-operator` before.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "jobs/described.rs"]
mod described;
#[path = "jobs/keys.rs"]
mod keys;
#[path = "jobs/load.rs"]
mod load;
#[path = "jobs/matrix.rs"]
mod matrix;
mod support;

use concord_quota_api::auth::Principal;
use http::StatusCode;
use serde_json::json;
use support::people::{Answer, Visitor, person};
use support::real::{Real, project, treaty};

fn researcher() -> Principal {
    person("researcher", &[])
}

fn stranger() -> Principal {
    person("stranger", &["others"])
}

/// Two members with a node each; the researcher is in alpha's project by name, and everybody of `team` by group.
async fn start() -> Real {
    let alpha = project(
        "alpha",
        &[json!({"kind": "User", "name": "demo:researcher"}), json!({"kind": "Group", "name": "demo:team"})],
    );
    let beta = project("beta", &[json!({"kind": "User", "name": "demo:stranger"})]);
    let real = Real::start(2, &treaty(&[("alpha", 8), ("beta", 8)], 2), &[alpha, beta]).await;
    let visitor = real.visitor(&researcher()).await;
    real.wait_held_back(&researcher(), "alpha-lab").await;
    // The portal's watches come a moment after the objects.
    real.eventually("the portal knows the projects", async || {
        let trial = visitor.post_json("/api/v1/projects/alpha-lab/jobs?dryRun=true", &request("trial")).await;
        let ready = trial.status == StatusCode::OK && trial.json()["refused"].is_null();
        (ready && !trial.json()["preview"].is_null()).then_some(())
    })
    .await;
    real
}

fn request(name: &str) -> serde_json::Value {
    json!({"name": name, "kind": "training", "image": "registry.example/train:1", "gpusPerPod": 8, "runLimitSeconds": 3600})
}

/// Makes a key as its person does; the secret is on the page once.
async fn made_key(visitor: &Visitor, scope: &str, project: &str) -> String {
    let form = [("label", "a test"), ("scope", scope), ("project", project), ("days", "7")];
    let page = visitor.post("/me/keys", &form).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let start = page.text.find("concord_").unwrap_or_else(|| panic!("no key in {}", page.text));
    page.text[start..start + 72].to_owned()
}

/// The form as a browser sends it.
struct Typed(Vec<(String, String)>);

impl Typed {
    fn new(name: &str) -> Self {
        let fields = [
            ("token", "0".repeat(64)),
            ("project", "alpha-lab".to_owned()),
            ("kind", "training".to_owned()),
            ("name", name.to_owned()),
            ("image", "registry.example/train:1".to_owned()),
            ("gpus-per-pod", "8".to_owned()),
            ("pods", "1".to_owned()),
            ("run-limit", "1h".to_owned()),
            ("checkpoint", "10m".to_owned()),
        ];
        Self(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    async fn send(&self, visitor: &Visitor, action: &str) -> Answer {
        let mut fields: Vec<(&str, &str)> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("action", action));
        visitor.post("/jobs/new", &fields).await
    }
}

/// The value of the hidden field of that name.
fn hidden<'a>(html: &'a str, name: &str) -> &'a str {
    let start =
        html.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {html}"));
    html[start..].split('"').nth(3).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_form_to_the_citation() {
    let real = start().await;
    let visitor = real.visitor(&researcher()).await;

    let form = visitor.get("/jobs/new?template=pytorch").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(form.text.contains("alpha-lab") && !form.text.contains("beta-lab"), "{}", form.text);
    let typed = Typed::new("train").with("token", hidden(&form.text, "token"));

    // First step: nothing is made, and everything is said.
    let checked = typed.send(&visitor, "check").await;
    assert_eq!(checked.status, StatusCode::OK);
    for wanted in [
        "It would start at once, inside the guarantee.",
        "8.00 GPU-hours",
        "nvidia.com/gpu",
        "activeDeadlineSeconds: 3600",
    ] {
        assert!(checked.text.contains(wanted), "{wanted}: {}", checked.text);
    }
    assert!(real.claim("alpha-lab", "train").await.is_none());
    assert_eq!(visitor.get("/projects/alpha-lab/jobs/train").await.status, StatusCode::NOT_FOUND);

    // Second step, with a double click.
    let (first, second) = tokio::join!(typed.send(&visitor, "submit"), typed.send(&visitor, "submit"));
    for answer in [first, second, typed.send(&visitor, "submit").await] {
        assert_eq!(
            (answer.status, answer.location()),
            (StatusCode::SEE_OTHER, "/projects/alpha-lab/jobs/train"),
            "{}",
            answer.text
        );
    }
    let listed = real.kubectl(&["get", "jobs", "-n", "alpha-lab", "-o", "name"], None);
    assert_eq!(listed.trim(), "job.batch/train");
    let who = real
        .kubectl(&["get", "job", "train", "-n", "alpha-lab", "-o", "yaml", "--show-managed-fields"], None);
    assert!(who.contains("manager: concord-quota-api"), "{who}");

    let path = "/projects/alpha-lab/jobs/train";
    let running = real
        .eventually("it runs", async || {
            let page = visitor.get(path).await;
            page.text.contains("<strong class=\"pill busy\">Running</strong>").then_some(page)
        })
        .await;
    assert!(
        running.text.contains("Inside the guarantee") && running.text.contains("8 GPUs on node-00"),
        "{}",
        running.text
    );
    let policy = running.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(running.headers["cache-control"], "no-store");
    assert!(visitor.get("/jobs").await.text.contains("/projects/alpha-lab/jobs/train"));

    // A simulated pod has no logs; the page says so with the cluster's own words.
    let pods =
        real.kubectl(&["get", "pods", "-n", "alpha-lab", "-o", "jsonpath={.items[0].metadata.name}"], None);
    let logs = visitor.get(&format!("{path}/logs/{pods}")).await;
    assert_eq!(logs.status, StatusCode::OK, "{}", logs.text);
    assert!(logs.text.contains("No logs are available."), "{}", logs.text);

    // A stream tells of the end.
    let stream = visitor.request(reqwest::Method::GET, &format!("{path}/live")).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(real.finish("alpha-lab", "train").contains("annotated"));
    let told = tokio::time::timeout(support::real::PATIENCE, read_until(stream, "event: end")).await.unwrap();
    assert!(told.contains("event: state") && told.contains("Completed"), "{told}");

    let done = visitor.get(path).await;
    assert!(done.text.contains("Completed") && done.text.contains("not measured"), "{}", done.text);
    let citation = visitor.get(&format!("{path}/cite")).await;
    assert!(
        citation.text.contains("Treaty of a test (test, version 1)") && citation.text.contains("@misc{"),
        "{}",
        citation.text
    );
    assert!(citation.text.contains("GPU-hours, energy not measured"), "{}", citation.text);

    // Again, as it was.
    let again = visitor.get("/jobs/new?project=alpha-lab&again=train").await;
    assert!(
        again.text.contains("value=\"train-2\"") && again.text.contains("value=\"10m\""),
        "{}",
        again.text
    );
    real.stop().await;
}

/// Reads a stream until that text came.
async fn read_until(mut stream: reqwest::Response, wanted: &str) -> String {
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if text.contains(wanted) {
            break;
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_is_explained_a_borrower_is_told_and_what_is_cancelled_is_gone() {
    let real = start().await;
    let (visitor, other) = (real.visitor(&researcher()).await, real.visitor(&stranger()).await);
    for name in ["own", "borrower"] {
        let made = visitor.post_json("/api/v1/projects/alpha-lab/jobs", &request(name)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!((&made.json()["name"], &made.json()["gpus"]), (&name.into(), &8.into()), "{}", made.text);
    }
    let borrows = real
        .eventually("the second one borrows", async || {
            let job = visitor.get("/api/v1/projects/alpha-lab/jobs/borrower").await.json();
            (job["claims"][0]["isBorrowed"] == true).then_some(job)
        })
        .await;
    assert_eq!(borrows["gpus"], 8);
    // A third one waits, and its preview says why before it is there.
    // Previews share a picture of the pool for two seconds.
    let checked = real
        .eventually("the preview says that it waits, and why", async || {
            let checked = Typed::new("third").send(&visitor, "check").await;
            let waits = checked.text.contains("It would wait.") && checked.text.contains("NoIdleGpus");
            waits.then_some(checked)
        })
        .await;
    assert!(checked.text.contains("href=\"/treaty#guarantee/alpha\""), "{}", checked.text);
    assert_eq!(
        visitor.post_json("/api/v1/projects/alpha-lab/jobs", &request("third")).await.status,
        StatusCode::CREATED
    );
    real.eventually("the third one waits with a reason, a place and an expected start", async || {
        let page = visitor.get("/projects/alpha-lab/jobs/third").await.text;
        let all = ["Place in line", "NoIdleGpus", "Expected start", "guarantee/alpha"];
        all.iter().all(|wanted| page.contains(wanted)).then_some(())
    })
    .await;
    // The owner comes back.
    let owner = other.post_json("/api/v1/projects/beta-lab/jobs", &request("owner")).await;
    assert_eq!(owner.status, StatusCode::CREATED, "{}", owner.text);
    let told = real
        .eventually("the borrower is told", async || {
            let page = visitor.get("/projects/alpha-lab/jobs/borrower").await.text;
            page.contains("This job has to give its GPUs back").then_some(page)
        })
        .await;
    assert!(told.contains("<time datetime="), "{told}");
    real.eventually("it was put back in line, with what it lost", async || {
        let page = visitor.get("/projects/alpha-lab/jobs/borrower").await.text;
        (page.contains("In line") && page.contains("Of these destroyed by that")).then_some(())
    })
    .await;

    // Cancel: asked first, then gone; and only the one that was seen.
    let ask = visitor.get("/projects/alpha-lab/jobs/third/cancel").await;
    assert!(ask.text.contains("Cancel third?"), "{}", ask.text);
    let stale = visitor.post("/projects/alpha-lab/jobs/third/cancel", &[("uid", "another")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let uid = hidden(&ask.text, "uid");
    let gone = visitor.post("/projects/alpha-lab/jobs/third/cancel", &[("uid", uid)]).await;
    assert_eq!((gone.status, gone.location()), (StatusCode::SEE_OTHER, "/jobs?project=alpha-lab"));
    real.eventually("it is gone", async || {
        (visitor.get("/projects/alpha-lab/jobs/third").await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let twice = visitor.post("/projects/alpha-lab/jobs/third/cancel", &[("uid", uid)]).await;
    assert_eq!(twice.status, StatusCode::SEE_OTHER, "a second click does no harm");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_loses_nothing() {
    let real = start().await;
    let visitor = real.visitor(&researcher()).await;
    assert_eq!(
        visitor.post_json("/api/v1/projects/alpha-lab/jobs", &request("before")).await.status,
        StatusCode::CREATED
    );
    real.eventually("it runs", async || visitor.get("/jobs").await.text.contains("Running").then_some(()))
        .await;
    real.set_up(false);
    // The check says what it cannot say; the form is whole.
    let typed = Typed::new("kept").with("token", &"a".repeat(64)).with("arguments", "--one\n--two");
    let checked = typed.send(&visitor, "check").await;
    assert_eq!(checked.status, StatusCode::OK);
    assert!(
        checked.text.contains("The cluster did not answer") && checked.text.contains("--one\n--two"),
        "{}",
        checked.text
    );
    let kept = typed.send(&visitor, "submit").await;
    let path = format!("/jobs/kept/{}", "a".repeat(64));
    assert_eq!((kept.status, kept.location()), (StatusCode::SEE_OTHER, path.as_str()), "{}", kept.text);
    let page = visitor.get(&path).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("Your job is kept here") && page.text.contains("- --one"), "{}", page.text);
    assert!(visitor.get("/jobs").await.text.contains(&path));
    let still = visitor.post(&format!("{path}/send"), &[]).await;
    assert_eq!(still.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(visitor.get("/jobs/new?kept=".to_owned().as_str()).await.status.is_success());
    let edit = visitor.get(&format!("/jobs/new?kept={}", "a".repeat(64))).await;
    assert!(edit.text.contains("value=\"kept\"") && edit.text.contains("--one\n--two"), "{}", edit.text);
    // A job that is known is shown as it was last seen; a program is told plainly.
    let known = visitor.get("/projects/alpha-lab/jobs/before").await;
    assert!(
        known.status.is_success() && known.text.contains("This is what was last known."),
        "{}",
        known.text
    );
    let program = visitor.post_json("/api/v1/projects/alpha-lab/jobs", &request("program")).await;
    assert_eq!(
        (program.status, program.headers["content-type"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json")
    );
    // Nobody else sees it.
    let other = real.visitor(&stranger()).await;
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&format!("{path}/send"), &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&format!("{path}/discard"), &[]).await.status, StatusCode::NOT_FOUND);

    real.set_up(true);
    let sent = visitor.post(&format!("{path}/send"), &[]).await;
    assert_eq!(
        (sent.status, sent.location()),
        (StatusCode::SEE_OTHER, "/projects/alpha-lab/jobs/kept"),
        "{}",
        sent.text
    );
    assert_eq!(visitor.get(&path).await.status, StatusCode::NOT_FOUND, "it waits no longer");
    let made = real.kubectl(&["get", "job", "kept", "-n", "alpha-lab", "-o", "yaml"], None);
    assert!(made.contains("- --one"), "{made}");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_type_is_never_markup_and_never_lost() {
    let real = start().await;
    let visitor = real.visitor(&researcher()).await;
    let nasty = "\"><script>alert(1)</script>";
    for field in [
        "name",
        "image",
        "command",
        "arguments",
        "environment",
        "gpus-per-pod",
        "pods",
        "kind",
        "run-limit",
        "checkpoint",
        "project",
        "token",
    ] {
        let typed = Typed::new("train").with(field, nasty);
        for action in ["check", "submit"] {
            let answer = typed.send(&visitor, action).await;
            let ends = [
                StatusCode::UNPROCESSABLE_ENTITY,
                StatusCode::OK,
                StatusCode::SEE_OTHER,
                StatusCode::CONFLICT,
            ];
            assert!(ends.contains(&answer.status), "{field} {action}: {}", answer.status);
            assert!(!answer.text.contains("<script>alert"), "{field}: {}", answer.text);
            let is_choice = ["kind", "project", "token"].contains(&field);
            if answer.status == StatusCode::UNPROCESSABLE_ENTITY && !is_choice {
                assert!(answer.text.contains("&#60;script&#62;"), "{field} was lost: {}", answer.text);
                assert!(answer.text.contains(&format!("href=\"#{field}\"")), "{field}: {}", answer.text);
                assert!(answer.text.contains("aria-invalid=\"true\""), "{field}");
            }
        }
    }
    // The arguments and the environment are anything; on the job's page they are text.
    let page = visitor.get("/projects/alpha-lab/jobs/train").await;
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    // What is far too long is refused before it is read.
    let huge = Typed::new("huge").with("arguments", &"x".repeat(300_000)).send(&visitor, "check").await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long = Typed::new("long").with("arguments", &"x\n".repeat(5_000)).send(&visitor, "check").await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    // A policy of the cluster speaks before anything is made.
    let taken = Typed::new("train").with("token", &"b".repeat(64)).send(&visitor, "check").await;
    assert!(taken.text.contains("exists already in this project"), "{}", taken.text);
    // Names that are none do not become a part of an address.
    for name in ["..%2F..%2Fsecrets", "a%3Fb", "%2e%2e", "A"] {
        assert_eq!(
            visitor.get(&format!("/projects/alpha-lab/jobs/{name}")).await.status,
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
    // A form of another site is refused.
    let request = visitor.request(reqwest::Method::POST, "/jobs/new").header("sec-fetch-site", "cross-site");
    assert_eq!(visitor.send(request.form(&[("name", "x")])).await.status, StatusCode::FORBIDDEN);
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_and_gangs_are_made_with_what_they_need() {
    let real = start().await;
    let visitor = real.visitor(&person("colleague", &["team"])).await;
    let serve =
        json!({"name": "serve", "kind": "inference", "image": "x", "gpusPerPod": 2, "pods": 2, "port": 8080});
    let made = visitor.post_json("/api/v1/projects/alpha-lab/jobs", &serve).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let services = real.kubectl(&["get", "services,deployments", "-n", "alpha-lab", "-o", "name"], None);
    assert!(services.contains("service/serve") && services.contains("deployment.apps/serve"), "{services}");
    real.eventually("both replicas run", async || {
        let job = visitor.get("/api/v1/projects/alpha-lab/jobs/serve").await.json();
        let running = job["claims"].as_array()?.iter().filter(|claim| claim["state"] == "running").count();
        (running == 2 && job["state"] == "running").then_some(())
    })
    .await;
    let list = visitor.get("/api/v1/projects/alpha-lab/jobs?state=running").await.json();
    assert_eq!(
        (&list["jobs"][0]["name"], &list["jobs"][0]["gpus"], &list["total"]),
        (&"serve".into(), &4.into(), &1.into()),
        "{list}"
    );
    assert!(visitor.get("/projects/alpha-lab/jobs/serve").await.text.contains("Replicas"));
    // Whoever deletes the service deletes what belongs to it.
    assert_eq!(visitor.delete("/api/v1/projects/alpha-lab/jobs/serve").await.status, StatusCode::NO_CONTENT);
    real.eventually("nothing is left of it", async || {
        let left = real.kubectl(&["get", "services,deployments,pods", "-n", "alpha-lab", "-o", "name"], None);
        left.trim().is_empty().then_some(())
    })
    .await;

    let gang = json!({"name": "gang", "kind": "distributed", "image": "x", "gpusPerPod": 4, "pods": 2, "runLimitSeconds": 60});
    assert_eq!(visitor.post_json("/api/v1/projects/alpha-lab/jobs", &gang).await.status, StatusCode::CREATED);
    let service = real.kubectl(
        &[
            "get",
            "service",
            "gang",
            "-n",
            "alpha-lab",
            "-o",
            "jsonpath={.spec.clusterIP} {.metadata.ownerReferences[0].kind}",
        ],
        None,
    );
    assert_eq!(service.trim(), "None Job");
    real.eventually("its pods run together", async || {
        let job = visitor.get("/api/v1/projects/alpha-lab/jobs/gang").await.json();
        let running = job["podsNow"].as_array()?.iter().filter(|pod| pod["phase"] == "Running").count();
        (running == 2).then_some(())
    })
    .await;

    // Doors to the outside are refused, whoever of the project asks for them.
    for spec in [
        json!({"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]}),
        json!({"type": "ExternalName", "externalName": "example.org"}),
        json!({"selector": {"a": "b"}, "externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}),
        json!({"ports": [{"port": 80}]}),
    ] {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "door", "namespace": "alpha-lab"}, "spec": spec});
        let as_person = ["create", "-f", "-", "--as", "demo:researcher"];
        let said = real.kubectl(&as_person, Some(&service));
        assert!(said.contains("a project's Service"), "{spec}: {said}");
    }
    real.stop().await;
}
