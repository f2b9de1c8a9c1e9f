//! How fast a person's pages are with 100,000 claims in a real API server; a measurement, so it is not run with the others:
//!
//! ```text
//! cargo test --release -p concord-quota-api --test jobs load -- --ignored --nocapture    (needs wrk: apt-get install wrk)
//! ```

use std::time::{Duration, Instant};

use concord_api::GpuClaim;
use concord_api::claim::WorkloadKind;
use futures::StreamExt;
use http::StatusCode;
use kube::api::{Api, PostParams};

use crate::support::load::{memory, wrk};
use crate::support::objects::claim;
use crate::support::people;
use crate::{request, researcher, start};

/// In the researcher's project, and beside it.
const CLAIMS: [(&str, &str, usize); 2] = [("alpha", "alpha-lab", 10_000), ("beta", "beta-lab", 90_000)];
const AT_ONCE: usize = 32;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn job_pages_with_100_000_claims() {
    let mut real = start().await;
    let visitor = real.visitor(&researcher()).await;
    let made = visitor.post_json("/api/v1/projects/alpha-lab/jobs", &request("train")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let path = "/projects/alpha-lab/jobs/train";
    real.eventually("the job's page has its nodes", async || {
        visitor.get(path).await.text.contains("node-00").then_some(())
    })
    .await;
    println!("before the claims: {}", memory("VmRSS"));
    // What is measured is the portal; the operator would decide about the crowd on the same cores.
    real.stop_operator();
    // Only the operator makes claims; here the test does, a hundred thousand of them.
    let policy = "concord-claims-are-the-operators";
    println!("{}", real.kubectl(&["delete", "validatingadmissionpolicybindings", policy], None));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    for (member, project, count) in CLAIMS {
        let api: Api<GpuClaim> = Api::namespaced(real.admin.clone(), project);
        let params = PostParams::default();
        let makes = futures::stream::iter(0..count).map(|place| {
            let mut claim = claim(member, &format!("claim-{place}"), 1);
            (claim.metadata, claim.spec.project) = (Default::default(), project.to_owned());
            claim.metadata.name = Some(format!("claim-{place}"));
            claim.spec.workload.kind = WorkloadKind::External;
            let (api, params) = (&api, &params);
            async move { api.create(params, &claim).await.map(drop) }
        });
        let made: Vec<_> = makes.buffer_unordered(AT_ONCE).collect().await;
        made.into_iter().collect::<Result<(), _>>().unwrap();
    }
    println!("made in {:.0} s", began.elapsed().as_secs_f64());
    let patience = Instant::now() + Duration::from_mins(2);
    while visitor.get("/api/v1/projects/alpha-lab/jobs").await.json()["total"] != 10_001 {
        assert!(Instant::now() < patience, "the portal sees all claims");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("with 100,000 claims: {}", memory("VmRSS"));
    let cookie = format!("Cookie: {}", people::session(&real.app, &researcher()).await);
    for path in [
        "/jobs",
        "/jobs?page=100",
        "/api/v1/projects/alpha-lab/jobs",
        path,
        "/api/v1/projects/alpha-lab/jobs/train",
    ] {
        println!("{path}\n{}", wrk(format!("{}{path}", real.origin), vec![cookie.clone()]).await);
    }
    println!("after: {}, at most {}", memory("VmRSS"), memory("VmHWM"));
    real.stop().await;
}
