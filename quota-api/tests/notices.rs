//! Notices to a real mail server of others, and to a webhook; each fails at first.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use concord_api::Application;
use concord_quota_api::app::App;
use concord_quota_api::notices::{Mailer, Teller, Ways, Webhook};
use concord_quota_api::pool::Pool;
use concord_quota_api::store::notices::Contact;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::{Value, json};
use support::cluster::Cluster;
use support::objects::{claims, treaties};
use support::{installed, provider};

const SECRET: &[u8] = b"a secret of the coalition";

/// Refused with a reason a moment ago, and reviewed before.
fn refused(now: Timestamp) -> Application {
    serde_json::from_value(json!({
        "metadata": {"name": "app-1", "uid": "1", "resourceVersion": "1", "creationTimestamp": now},
        "spec": {
            "kind": "New", "project": "river", "title": "Crues\r\nBcc: everybody@example.org", "summary": "s",
            "justification": "j", "applicantUser": "demo:ann", "organisation": "River Watch",
            "applicant": {"organisationKind": "ngo", "country": "FI", "purpose": "civil"},
            "declaration": {"terms": "1"},
            "request": {"party": "public", "gpuHours": 1, "mostGpus": 2, "days": 30},
        },
        "status": {
            "reviews": [{"reviewer": "demo:rita", "comment": "Between reviewers.", "at": now}],
            "decision": {"outcome": "Refused", "reason": "Le plan ne dit pas qui fait le travail.", "by": "demo:rita",
                "at": format!("{now:.6}")},
        },
    }))
    .unwrap()
}

async fn app(now: Timestamp) -> App {
    let cluster = Cluster::with(&treaties(), &claims()).holding("applications", &[refused(now)]);
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    let app = support::app(pool, None, cluster.client()).await;
    let contact = Contact { address: "ann@river-watch.example".to_owned(), language: "fr".to_owned() };
    app.store.set_contact("demo:ann", &contact, now).await.unwrap();
    while !app.pool.knows("applications") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app
}

/// A mail server of others, which puts mails into a folder.
struct MailServer {
    child: Child,
    folder: PathBuf,
}

impl MailServer {
    fn start(port: u16, folder: &Path) -> Self {
        let folder = folder.join("mails");
        let child = Command::new(installed::python())
            .args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox"])
            .arg(&folder)
            .args(["-l", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the mail server did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, folder }
    }

    fn mails(&self) -> Vec<Value> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/read_mail.py");
        let read = Command::new(installed::python()).arg(program).arg(&self.folder).output().unwrap();
        serde_json::from_slice(&read.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&[read.stdout, read.stderr].concat()))
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_once_although_the_server_was_away_at_first() {
    let (now, folder, port) = (Timestamp::now(), tempfile::tempdir().unwrap(), provider::free_port());
    let app = app(now).await;
    let url = format!("smtp://127.0.0.1:{port}");
    let mailer = || Mailer::new(&url, "Concord <access@pool.example>", "https://quota.example.org/").unwrap();
    let mut teller = Teller::new(Ways { mail: Some(mailer()), webhook: None });
    teller.look(&app, now).await.unwrap();

    let server = tokio::task::spawn_blocking(move || {
        let server = MailServer::start(port, folder.path());
        (server, folder)
    });
    let (server, _folder) = server.await.unwrap();
    teller.look(&app, now).await.unwrap();
    assert!(server.mails().is_empty(), "it is not tried again at once");
    let later = now + SignedDuration::from_mins(3);
    teller.look(&app, later).await.unwrap();
    // Neither the same server nor one that has just started tells it again.
    teller.look(&app, later + SignedDuration::from_hours(1)).await.unwrap();
    let mut other = Teller::new(Ways { mail: Some(mailer()), webhook: None });
    other.look(&app, later + SignedDuration::from_hours(2)).await.unwrap();

    let mails = server.mails();
    assert_eq!(mails.len(), 2, "one that it came in, one that it is decided: {mails:?}");
    let decided = mails.iter().find(|mail| mail["body"].as_str().unwrap().contains("qui fait le travail"));
    let decided = decided.unwrap_or_else(|| panic!("{mails:?}"));
    assert_eq!(decided["from"], "Concord <access@pool.example>");
    assert_eq!(decided["to"], "ann@river-watch.example");
    assert_eq!(decided["type"], "text/plain");
    let (subject, body) = (decided["subject"].as_str().unwrap(), decided["body"].as_str().unwrap());
    assert!(subject.contains("Crues  Bcc: everybody"), "a title ends no header: {subject}");
    assert!(body.contains("Refusée") && body.contains("https://quota.example.org/apply/app-1"), "{body}");
    assert!(!body.contains("Between reviewers") && !body.contains("rita"), "{body}");
}

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

async fn take(State(calls): State<Calls>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut calls = calls.0.lock().unwrap();
    calls.push((headers, body));
    // Two events; each call fails once.
    if calls.len() <= 2 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_called_until_it_takes_what_happened_and_can_tell_who_calls() {
    let now = Timestamp::now();
    let app = app(now).await;
    let calls = Calls::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/concord", listener.local_addr().unwrap());
    let receiver = Router::new().route("/concord", post(take)).with_state(calls.clone());
    tokio::spawn(axum::serve(listener, receiver).into_future());
    let mut teller = Teller::new(Ways { mail: None, webhook: Some(Webhook::new(&url, SECRET).unwrap()) });
    for minutes in [0, 3, 10, 60] {
        teller.look(&app, now + SignedDuration::from_mins(minutes)).await.unwrap();
    }

    let calls = calls.0.lock().unwrap();
    assert_eq!(calls.len(), 4, "each is told until it is taken, and then no more");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    for (headers, body) in calls.iter() {
        let signature = headers["x-concord-signature-256"].to_str().unwrap();
        let hex = signature.strip_prefix("sha256=").unwrap().as_bytes();
        let signature: Vec<u8> = hex
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        hmac::verify(&key, body, &signature).expect("signed with the secret");
        let told: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&told["application"], &told["outcome"]), (&json!("app-1"), &json!("Refused")));
        assert!(!told.to_string().contains("demo:"), "nobody is named: {told}");
    }
    let mut events: Vec<String> = calls[2..]
        .iter()
        .map(|(_, body)| serde_json::from_slice::<Value>(body).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    events.sort();
    assert_eq!(events, ["decided", "submitted"]);
}
