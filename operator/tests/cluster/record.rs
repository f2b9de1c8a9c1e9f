//! The public record on a real API server: what is used is there once, whoever dies or is away, and no claim is forgotten before.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_api::{ClaimPhase, GpuClaim};
use concord_ledger::entry::{EndKind, Event};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

use super::support::Pool;
use super::support::kept::Kept;

/// GPU-milliseconds of each claim that ever ran, by the API server.
async fn used(pool: &Pool) -> BTreeMap<String, i64> {
    let claims: Api<GpuClaim> = Api::all(pool.admin.clone());
    let all = claims.list(&ListParams::default()).await.unwrap();
    let used = |claim: &GpuClaim| claim.status.as_ref().map_or(0, |status| status.used_gpu_milliseconds);
    let ran = all.iter().filter(|claim| claim.status.as_ref().is_some_and(|s| s.admitted_at.is_some()));
    ran.map(|claim| (claim.uid().unwrap(), used(claim))).collect()
}

async fn wait_until_recorded(pool: &Pool, kept: &Kept) {
    let wanted = used(pool).await;
    pool.eventually("all use is recorded", async || (kept.used().await == wanted).then_some(())).await;
}

async fn delete_job(pool: &Pool, name: &str) {
    let jobs: Api<Job> = Api::namespaced(pool.admin.clone(), "alpha-lab");
    jobs.delete(name, &DeleteParams::background()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_gpu_second_is_recorded_once_whoever_is_killed() {
    let mut pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 1).await;
    pool.kill_operator();
    let kept = Kept::new(pool.folder());
    let options = kept.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    pool.start_operator_with(&options);

    // Alpha borrows what is beta's, and gives it back. Of two Jobs of the same second the name decides who was first.
    pool.submit("alpha", "a-own", 1, 8, 4.0).await;
    pool.submit("alpha", "borrower", 1, 8, 6.0).await;
    pool.wait_for_state("alpha", "borrower", ClaimPhase::Admitted).await;
    pool.submit("beta", "owner", 1, 8, 2.0).await;
    pool.wait_for_state("beta", "owner", ClaimPhase::Admitted).await;
    for round in 0..8 {
        for number in 0..4 {
            pool.submit("alpha", &format!("small-{round}-{number}"), 1, 2, 0.2).await;
        }
        // Before, amid and after its commits.
        tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
        pool.kill_operator();
        pool.start_operator_with(&options);
    }
    for name in ["a-own", "borrower", "small-7-3"] {
        pool.wait_for_state("alpha", name, ClaimPhase::Succeeded).await;
    }
    pool.eventually("everything has ended", async || {
        let claims: Api<GpuClaim> = Api::all(pool.admin.clone());
        let all = claims.list(&ListParams::default()).await.ok()?;
        all.iter().all(|c| c.status.as_ref().is_some_and(|s| s.state.is_finished())).then_some(())
    })
    .await;
    wait_until_recorded(&pool, &kept).await;

    let borrower = pool.claim("alpha", "borrower").await.unwrap();
    let runs = &kept.usage().await[&borrower.uid().unwrap()];
    let (first, last) = (runs.first().unwrap(), runs.last().unwrap());
    assert_eq!(
        (first.borrowed, first.end.kind, first.end.party.as_deref()),
        (true, EndKind::Reclaimed, Some("beta"))
    );
    assert_eq!((last.end.kind, last.end.reason.as_str()), (EndKind::Finished, "JobSucceeded"));
    assert!(first.lost_gpu_milliseconds > 0, "it never saved: {first:?}");
    let numbers: Vec<u64> = runs.iter().map(|run| run.run).collect();
    assert_eq!(numbers, (1..=u64::try_from(runs.len()).unwrap()).collect::<Vec<_>>());
    assert!(!runs.iter().any(|run| run.project.contains("alpha")), "a project is a commitment");
    let entries = kept.entries().await;
    assert_eq!(entries.iter().filter(|entry| matches!(entry.event, Event::Treaty(_))).count(), 1);
    assert!(entries.iter().any(|entry| matches!(&entry.event, Event::Capacity(c) if c.nodes[0].nodes == 2)));

    // What is recorded is not kept longer than its Job.
    delete_job(&pool, "borrower").await;
    pool.eventually("the claim goes", async || pool.claim("alpha", "borrower").await.is_none().then_some(()))
        .await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_record_is_away_nothing_is_forgotten() {
    let mut pool = Pool::start(1, &[("alpha", 8)], 1).await;
    pool.kill_operator();
    let kept = Kept::new(pool.folder());
    let options = kept.options();
    pool.start_operator_with(&options.iter().map(String::as_str).collect::<Vec<_>>());
    pool.submit("alpha", "before", 1, 8, 0.2).await;
    pool.wait_for_state("alpha", "before", ClaimPhase::Succeeded).await;
    wait_until_recorded(&pool, &kept).await;

    // As a volume that is gone: there is a file where the folder was.
    let aside = kept.folder.with_extension("aside");
    std::fs::rename(&kept.folder, &aside).unwrap();
    std::fs::write(&kept.folder, "no folder").unwrap();
    pool.submit("alpha", "meanwhile", 1, 8, 0.2).await;
    let claim = pool.wait_for_state("alpha", "meanwhile", ClaimPhase::Succeeded).await;
    delete_job(&pool, "meanwhile").await;
    pool.eventually("it is told", async || {
        let failed = pool.metrics().lines().any(|line| {
            line.strip_prefix("concord_operator_record_failures_total ").is_some_and(|count| count != "0")
        });
        failed.then_some(())
    })
    .await;
    pool.eventually("the garbage collector deletes the claim of the Job that is gone", async || {
        let claim = pool.claim("alpha", "meanwhile").await.expect("it waits to be recorded");
        claim.metadata.deletion_timestamp.is_some().then_some(())
    })
    .await;
    // Decisions go on, and the claim stays.
    pool.submit("alpha", "later", 1, 8, 0.2).await;
    pool.wait_for_state("alpha", "later", ClaimPhase::Succeeded).await;
    assert!(pool.claim("alpha", "meanwhile").await.is_some_and(|claim| !claim.finalizers().is_empty()));

    std::fs::remove_file(&kept.folder).unwrap();
    std::fs::rename(&aside, &kept.folder).unwrap();
    pool.eventually("the claim goes", async || {
        pool.claim("alpha", "meanwhile").await.is_none().then_some(())
    })
    .await;
    let used = kept.used().await;
    assert_eq!(used.get(&claim.uid().unwrap()), Some(&claim.status.unwrap().used_gpu_milliseconds));
    pool.stop().await;
}
