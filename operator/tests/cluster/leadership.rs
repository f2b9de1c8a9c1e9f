//! Two operators at once: one acts, the other takes over, and whoever was deposed writes nothing any more.

use std::time::{Duration, Instant};

use super::support::{Operator, Pool};
use concord_api::{ClaimPhase, GpuClaim};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

const STANDBY: &str = "standby: another operator holds the lease";

async fn wait_for_standby(pool: &Pool, operator: &Operator) {
    pool.eventually("it stands by", async || operator.get("/readyz").contains(STANDBY).then_some(())).await;
    assert!(operator.get("/metrics").contains("concord_leader 0"));
}

/// The number of a later term, once the operator of this name has begun one.
async fn wait_for_term(pool: &Pool, before: i32, name: &str) -> i32 {
    pool.eventually(&format!("a term of {name} after {before}"), async || {
        let (holder, number) = pool.term().await;
        (number > before && holder.starts_with(&format!("{name}_"))).then_some(number)
    })
    .await
}

/// Every claim ran once, on one set of pods, and was booked.
async fn assert_ran_once(pool: &Pool, names: &[String]) {
    let pods: Api<Pod> = Api::namespaced(pool.admin.clone(), "alpha-lab");
    for name in names {
        let claim = pool.wait_for_state("alpha", name, ClaimPhase::Succeeded).await;
        let status = claim.status.unwrap();
        assert_eq!((status.reclaims, status.borrows), (0, 0), "{name}: {status:?}");
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        assert_eq!(pods.list(&of_job).await.unwrap().items.len(), 1, "{name} was started once");
    }
}

async fn assert_nothing_doubled(pool: &Pool) {
    let by_node = pool.gpus_by_node().await;
    assert!(by_node.values().all(|gpus| *gpus <= 8), "{by_node:?}");
    let claims: Api<GpuClaim> = Api::all(pool.admin.clone());
    let mut booked = std::collections::BTreeMap::<String, i64>::new();
    for place in claims.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|c| c.status) {
        for placement in place.placement {
            *booked.entry(placement.node).or_default() += placement.gpus;
        }
    }
    assert!(booked.values().all(|gpus| *gpus <= 8), "{booked:?}");
}

async fn submit(pool: &Pool, prefix: &str, count: u32) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
    for name in &names {
        pool.submit("alpha", name, 1, 4, 1.0).await;
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_the_killed_and_at_once_from_the_stopped() {
    let mut pool = Pool::start_with_lease(2, &[("alpha", 16)], 1, 15).await;
    let first = pool.take_operator();
    let second = pool.spawn_operator("second");
    wait_for_standby(&pool, &second).await;
    assert!(first.get("/metrics").contains("concord_leader 1"));
    let term = pool.term().await.1;
    assert!(term > 0);

    // More than fits, so that some are decided by each of them.
    let mut names = submit(&pool, "killed", 8).await;
    pool.wait_for_state("alpha", "killed-0", ClaimPhase::Admitted).await;
    drop(first);
    let killed_at = Instant::now();
    let term = wait_for_term(&pool, term, "second").await;
    pool.eventually("the new leader is ready", async || {
        let answer = second.get("/readyz");
        (answer.contains("200 OK") && !answer.contains(STANDBY)).then_some(())
    })
    .await;
    println!("took over from a killed operator after {:.1} s", killed_at.elapsed().as_secs_f64());
    assert_ran_once(&pool, &names).await;
    assert!(second.get("/metrics").contains(&format!("concord_lease_transitions {term}")));

    let third = pool.spawn_operator("third");
    wait_for_standby(&pool, &third).await;
    names = submit(&pool, "stopped", 8).await;
    pool.wait_for_state("alpha", "stopped-0", ClaimPhase::Admitted).await;
    let stopped_at = Instant::now();
    assert!(second.stop(), "it ends without an error");
    println!("stopped after {:.1} s", stopped_at.elapsed().as_secs_f64());
    wait_for_term(&pool, term, "third").await;
    let took = stopped_at.elapsed();
    println!("took over from a stopped operator after {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(14), "not by waiting for the lease's end: {took:?}");
    assert_ran_once(&pool, &names).await;
    assert_nothing_doubled(&pool).await;
    drop(third);
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_paused_past_its_lease_writes_nothing_any_more() {
    let mut pool = Pool::start(2, &[("alpha", 16)], 1).await;
    let mut acts = pool.take_operator();
    let mut waits = pool.spawn_operator("waits");
    let mut names = ["operator", "waits"];
    wait_for_standby(&pool, &waits).await;
    for (round, pause_after_milliseconds) in [0, 41, 83].into_iter().enumerate() {
        let term = pool.term().await.1;
        // Stopped amid its work on them: between a decision and its writes, if chance wills it.
        let jobs = submit(&pool, &format!("round-{round}"), 6).await;
        tokio::time::sleep(Duration::from_millis(pause_after_milliseconds)).await;
        acts.signal("STOP");
        wait_for_term(&pool, term, names[1]).await;
        pool.wait_for_state("alpha", &jobs[0], ClaimPhase::Succeeded).await;
        acts.signal("CONT");
        wait_for_standby(&pool, &acts).await;
        assert_nothing_doubled(&pool).await;
        assert_ran_once(&pool, &jobs).await;
        for line in
            acts.get("/metrics").lines().filter(|line| line.contains("not sent") || line.contains("refused"))
        {
            println!("of the one that was paused: {line}");
        }
        (acts, waits) = (waits, acts);
        names.reverse();
    }
    assert_old_terms_are_refused(&pool).await;
    assert_late_booking_is_taken_back(&pool).await;
    drop((acts, waits));
    pool.stop().await;
}

/// What a deposed operator would send if it had looked at the time a moment before it was paused.
async fn assert_old_terms_are_refused(pool: &Pool) {
    pool.submit("alpha", "running", 2, 8, 3600.0).await;
    pool.wait_for_state("alpha", "running", ClaimPhase::Admitted).await;
    pool.submit("alpha", "late", 1, 8, 1.0).await;
    let mut claim = pool.wait_for_state("alpha", "late", ClaimPhase::Queued).await;
    let (client, term) = (pool.as_operator().await, pool.term().await.1);
    let claims: Api<GpuClaim> = Api::namespaced(client.clone(), "alpha-lab");
    let jobs: Api<Job> = Api::namespaced(client, "alpha-lab");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let fenced = |error: kube::Error| assert!(error.to_string().contains("concord-fence"), "{error}");

    for old in [Some(term - 1), Some(term + 1), Some(0), None] {
        // The leader tells the claim its place meanwhile; only an answer to what is there now counts.
        let answer = pool.eventually("an answer that is no conflict", async || {
            let mut booked = claims.get("late").await.unwrap();
            let status = booked.status.get_or_insert_default();
            (status.state, status.fence) = (ClaimPhase::Admitted, old);
            let answer = claims.replace_status("late", &PostParams::default(), &booked).await;
            answer.err().filter(|error| !error.to_string().contains("has been modified"))
        });
        fenced(answer.await);
        let number = old.map(|old| old.to_string());
        let start =
            json!({"metadata": {"annotations": {"concord.dev/fence": number}}, "spec": {"suspend": false}});
        fenced(jobs.patch("late", &PatchParams::default(), &Patch::Merge(start)).await.unwrap_err());
    }
    claim.status.get_or_insert_default().fence = Some(term);
    pool.eventually("the present term may write", async || {
        claim.metadata.resource_version = claims.get("late").await.unwrap().resource_version();
        claims.replace_status("late", &dry, &claim).await.ok()
    })
    .await;
    claim.metadata.resource_version = Some("1".to_owned());
    let stale = claims.replace_status("late", &dry, &claim).await.unwrap_err();
    assert!(matches!(&stale, kube::Error::Api(status) if status.code == 409), "{stale}");
    let start = json!({"metadata": {"annotations": {"concord.dev/fence": "1"}}, "spec": {"suspend": false}});
    fenced(jobs.patch("late", &PatchParams::default(), &Patch::Merge(start)).await.unwrap_err());
}

/// A write that the API server judged before the term and stored after its lists, which nobody can time in a test: here an
/// administrator writes what it would have left behind.
async fn assert_late_booking_is_taken_back(pool: &Pool) {
    let claims: Api<GpuClaim> = Api::namespaced(pool.admin.clone(), "alpha-lab");
    let term = pool.term().await.1;
    let late = json!({"status": {"state": "Admitted", "basis": "Guaranteed", "fence": term - 1,
        "placement": [{"node": "node-000", "gpus": 8}], "admittedAt": "2027-01-01T00:00:00.000000Z"}});
    pool.kubectl(&["delete", "validatingadmissionpolicybinding", "concord-claims-are-the-operators"]);
    pool.eventually("an administrator may write claims", async || {
        claims.patch_status("late", &PatchParams::default(), &Patch::Merge(late.clone())).await.ok()
    })
    .await;
    pool.eventually("the booking is taken back", async || {
        let status = pool.claim("alpha", "late").await?.status?;
        let back =
            status.state == ClaimPhase::Queued && status.placement.is_empty() && status.fence == Some(term);
        back.then_some(())
    })
    .await;
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), "alpha-lab");
    let job = jobs.get("late").await.unwrap();
    assert!(!job.annotations().contains_key("concord.dev/fence"), "its Job was never told anything: {job:?}");
    assert_nothing_doubled(pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_before_earlier_operators_are_shut_out_and_no_term_gets_a_used_number() {
    let mut pool = Pool::start(1, &[("alpha", 8)], 1).await;
    let operator = pool.take_operator();
    pool.kubectl(&["delete", "lease", "concord-operator", "-n", "concord-system"]);
    let term = wait_for_term(&pool, 1, "operator").await;
    let names = submit(&pool, "deleted", 2).await;
    assert_ran_once(&pool, &names).await;

    pool.kubectl(&["delete", "validatingadmissionpolicybinding", "concord-fence"]);
    let mut foreign = pool.claim("alpha", "deleted-0").await.unwrap();
    foreign.metadata = kube::api::ObjectMeta { name: Some("foreign".to_owned()), ..Default::default() };
    let claims: Api<GpuClaim> = Api::namespaced(pool.as_operator().await, "alpha-lab");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    pool.eventually("the fence is open", async || claims.create(&dry, &foreign).await.ok()).await;
    assert!(operator.stop());
    let next = pool.spawn_operator("next");
    wait_for_term(&pool, term, "next").await;
    pool.submit("alpha", "waits", 1, 8, 1.0).await;
    pool.eventually("it says what it waits for", async || {
        next.get("/readyz").contains("waiting for the fence").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(pool.claim("alpha", "waits").await.is_none(), "nothing is done meanwhile");
    // An API server that has once lost the binding never looks at leases again (kubernetes/kubernetes#130887), so that
    // applying it again helps only after a restart: see docs/decisions/0009.
    drop(next);
    pool.stop().await;
}
