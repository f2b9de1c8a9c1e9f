//! A project's whole way in a real Chromium, at the width of a phone, with and without script; then each page of it is held
//! against rule sets and validators that we did not write.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Scene;
use crate::support::checkers;
use crate::support::people::{self, person};

async fn walk(scene: &Scene, project: &str, script: &str) {
    let app = &scene.real.app;
    let cookies = [
        ("--applicant", people::session(app, &person("ann", &[])).await),
        ("--reviewer", people::session(app, &person("rob", &["reviewers"])).await),
        ("--decider", people::session(app, &person("rita", &["reviewers"])).await),
    ];
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("journey-{script}"));
    let mut walking = Command::new("node")
        .arg(checkers::programs().join("journey.mjs"))
        .arg("--modules")
        .arg(checkers::modules())
        .args(["--origin", &scene.real.origin, "--project", project, "--script", script])
        .args(cookies.iter().flat_map(|(name, cookie)| [*name, cookie.as_str()]))
        .arg("--out")
        .arg(&pictures)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let done = loop {
        tokio::select! {
            done = walking.wait() => break done.unwrap(),
            // Simulated pods run until they are told to end.
            () = tokio::time::sleep(Duration::from_secs(4)) => drop(scene.real.finish(project, "first-run")),
        }
    };
    assert!(done.success(), "see above; pictures: {}", pictures.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_goes_its_whole_way_in_a_browser_and_every_page_of_it_is_sound() {
    let scene = Scene::open().await;
    walk(&scene, "river", "on").await;
    walk(&scene, "brook", "off").await;

    // Each page as its person sees it.
    let draft = scene.begin().await;
    let name = scene.submit("delta", "1000").await;
    scene.until(&scene.rita, &format!("/reviews/{name}"), "Flood forecasts").await;
    let own =
        vec!["/apply".to_owned(), draft, format!("/apply/{name}"), "/awards".to_owned(), "/me".to_owned()];
    let jobs = [
        "/jobs",
        "/jobs/new?project=river",
        "/projects/river/jobs/first-run",
        "/projects/river/jobs/first-run/cite",
        "/projects/river/jobs/first-run/cancel",
        "/me/keys",
    ];
    let own = own.into_iter().chain(jobs.map(str::to_owned)).collect();
    let reviews = vec!["/reviews".to_owned(), format!("/reviews/{name}")];
    for (who, person, pages) in
        [("applicant", person("ann", &[]), own), ("reviewer", person("rita", &["reviewers"]), reviews)]
    {
        let cookie = people::session(&scene.real.app, &person).await;
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pages-of-{who}"));
        let checked = Command::new("node")
            .arg(checkers::programs().join("check.mjs"))
            .arg("--modules")
            .arg(checkers::modules())
            .args(["--cookie", &cookie])
            .arg("--out")
            .arg(&pictures)
            .args(pages.iter().map(|page| format!("{}{page}", scene.real.origin)))
            .status()
            .await
            .unwrap();
        assert!(checked.success(), "findings above; pictures: {}", pictures.display());
    }
    scene.real.stop().await;
}
