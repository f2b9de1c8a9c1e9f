//! Whole ways in a real Chromium, with and without script; then each page of them is held against rule sets and validators that
//! we did not write.

use concord_quota_api::auth::Principal;

use super::Scene;
use crate::support::checkers;
use crate::support::people::{self, person};

impl Scene {
    async fn walk(&self, story: &str, project: &str, script: &str, people: &[(&'static str, Principal)]) {
        let origin = &self.real.origin;
        let mut sessions = Vec::new();
        for (role, person) in people {
            sessions.push((*role, people::session(&self.real.app, person).await));
        }
        // Simulated pods run until they are told to end.
        let end_pods = || drop(self.real.finish(project, "first-run"));
        checkers::journey(story, origin, &sessions, &["--project", project, "--script", script], end_pods)
            .await;
    }

    async fn check(&self, who: &str, cookie: Option<&str>, pages: &[String]) {
        let addresses: Vec<String> = pages.iter().map(|page| format!("{}{page}", self.real.origin)).collect();
        checkers::check(&format!("pages-of-{who}"), cookie, &addresses).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_goes_its_whole_way_in_a_browser_and_every_page_of_it_is_sound() {
    let scene = Scene::open().await;
    let (ann, reviewer) = (|| person("ann", &[]), |name| person(name, &["reviewers"]));
    let people = [("applicant", ann()), ("reviewer", reviewer("rob")), ("decider", reviewer("rita"))];
    scene.walk("project", "river", "on", &people).await;
    scene.walk("project", "brook", "off", &people).await;
    for (name, script) in [("gus", "on"), ("gil", "off")] {
        let guest = Principal { provider: "guests".to_owned(), ..person(name, &[]) };
        let people = [("guest", guest), ("reviewer", reviewer("rita"))];
        scene.walk("guest", name, script, &people).await;
    }
    let people = [
        ("applicant", ann()),
        ("recused", reviewer("rob")),
        ("refuser", reviewer("rita")),
        ("third", reviewer("ron")),
    ];
    scene.walk("appeal", "lake", "on", &people).await;
    scene.walk("appeal", "pond", "off", &people).await;

    // Each page as its person sees it.
    let draft = scene.begin().await;
    let name = scene.submit("delta", "1000").await;
    scene.until(&scene.rita, &format!("/reviews/{name}"), "Flood forecasts").await;
    let of_pods = ["get", "pods", "-n", "river", "-o", "jsonpath={.items[0].metadata.name}"];
    let logs = format!("/projects/river/jobs/first-run/logs/{}", scene.real.kubectl(&of_pods, None));
    let own = [draft, format!("/apply/{name}"), logs].into_iter();
    let fixed = [
        "/apply",
        "/awards",
        "/me",
        "/jobs",
        "/jobs/new?project=river",
        "/projects/river/jobs/first-run",
        "/projects/river/jobs/first-run/cite",
        "/projects/river/jobs/first-run/cancel",
        "/me/keys",
        "/device",
    ];
    let own: Vec<String> = own.chain(fixed.map(str::to_owned)).collect();
    let reviews = vec!["/reviews".to_owned(), format!("/reviews/{name}"), "/guests".to_owned()];
    let guest = Principal { provider: "guests".to_owned(), ..person("gwen", &[]) };
    let of_guests = ["/me", "/guest"].map(str::to_owned).to_vec();
    for (who, person, pages) in
        [("applicant", ann(), own), ("reviewer", reviewer("rita"), reviews), ("guest", guest, of_guests)]
    {
        let cookie = people::session(&scene.real.app, &person).await;
        scene.check(who, Some(&cookie), &pages).await;
    }
    scene.check("nobody", None, &["/login".to_owned(), "/logged-out".to_owned()]).await;
    scene.real.stop().await;
}
