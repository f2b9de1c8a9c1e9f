//! The treaty on a real API server: the operator's binary, real Jobs, simulated nodes.

use super::support::Pool;
use concord_api::{ClaimBasis, ClaimPhase};

#[tokio::test(flavor = "multi_thread")]
async fn borrow_reclaim_put_back_and_finish() {
    let pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 2).await;

    // Alpha uses its guarantee and borrows what beta has idle.
    // Of two Jobs of the same second the name decides who was first.
    pool.submit("alpha", "first", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    pool.submit("alpha", "more", 1, 8, 3.0).await;
    let more = pool.wait_for_state("alpha", "more", ClaimPhase::Admitted).await.status.unwrap();
    assert_eq!(more.basis, Some(ClaimBasis::Borrowed));
    assert_eq!(more.reason.as_deref(), Some("AdmittedBorrowed"));
    let finished = pool.wait_for_state("alpha", "more", ClaimPhase::Succeeded).await.status.unwrap();
    assert!((24_000..80_000).contains(&finished.used_gpu_milliseconds), "8 GPUs for about 3 s: {finished:?}");
    assert!(finished.placement.is_empty() && finished.reclaimed_gpu_milliseconds == 0);

    // Beta wants its own back: alpha's borrower is told, stopped after the notice, and first in line.
    pool.submit("alpha", "borrower", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "borrower", ClaimPhase::Admitted).await;
    pool.submit("beta", "owner", 1, 4, 6.0).await;
    let told = pool.wait_for_state("alpha", "borrower", ClaimPhase::Reclaiming).await.status.unwrap();
    assert_eq!(
        (told.reason.as_deref(), told.clause.as_deref()),
        (Some("ReclaimedForGuarantee"), Some("guarantee/beta"))
    );
    assert!(told.notice_deadline.is_some());
    let waiting = pool.eventually("the owner's claim says why it waits", async || {
        pool.claim("beta", "owner").await?.status.filter(|s| s.reason.is_some())
    });
    assert_eq!(waiting.await.reason.as_deref(), Some("WaitingForReclaim"));
    let back = pool.wait_for_state("alpha", "borrower", ClaimPhase::Queued).await.status.unwrap();
    assert_eq!((back.reclaims, back.put_back), (1, true));
    assert!(back.reclaimed_gpu_milliseconds > 8 * 2_000 && back.placement.is_empty(), "{back:?}");
    let owner = pool.wait_for_state("beta", "owner", ClaimPhase::Admitted).await.status.unwrap();
    assert_eq!(owner.basis, Some(ClaimBasis::Guaranteed));
    let by_node = pool.gpus_by_node().await;
    assert!(by_node.values().all(|gpus| *gpus <= 8), "{by_node:?}");

    // The put-back claim comes before an earlier one of its member, and starts when beta's job has ended.
    pool.submit("alpha", "later", 1, 8, 1.0).await;
    pool.wait_for_state("beta", "owner", ClaimPhase::Succeeded).await;
    let again = pool.wait_for_state("alpha", "borrower", ClaimPhase::Admitted).await.status.unwrap();
    assert_eq!((again.borrows, again.put_back), (2, false));
    let later = pool.eventually("the later claim is now first in line", async || {
        pool.claim("alpha", "later").await?.status.filter(|s| s.place == Some(1))
    });
    assert_eq!(later.await.reason.as_deref(), Some("NoIdleGpus"));
    let events = pool.kubectl(&["describe", "job", "borrower", "-n", "alpha-lab"]);
    assert!(events.contains("ReclaimedForGuarantee"), "{events}");
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_cannot_start_jobs_or_leave_their_project() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    pool.submit("alpha", "blocker", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "blocker", ClaimPhase::Admitted).await;
    let waiting = pool.submit("alpha", "waiting", 1, 8, 1.0).await;
    assert_eq!(waiting.spec.unwrap().suspend, Some(true), "held from its first moment");
    // Also the cluster's admin cannot start it by hand: the treaty does.
    let start =
        ["patch", "job", "waiting", "-n", "alpha-lab", "--type=merge", "-p", r#"{"spec":{"suspend":false}}"#];
    let (answer, ok) = pool.try_kubectl("admin", &start, None);
    assert!(!ok && answer.contains("only concord-operator starts"), "{answer}");
    for forbidden in [
        vec!["get", "jobs", "-n", "default"],
        vec!["delete", "gpuclaim", "waiting", "-n", "alpha-lab"],
        vec!["create", "namespace", "mine"],
        vec!["patch", "treaty", "test", "--type=merge", "-p", r#"{"spec":{"title":"mine"}}"#],
    ] {
        let (answer, ok) = pool.try_kubectl("researcher", &forbidden, None);
        assert!(!ok && answer.contains("orbidden"), "{forbidden:?}: {answer}");
    }
    pool.stop().await;
}

/// Pods come and go by the hundred; in one counter with them, a Job was refused while they were counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_projects_pods_and_jobs_are_counted_apart() {
    let pool = Pool::start(1, &[("alpha", 8)], 1).await;
    pool.submit("alpha", "counted", 2, 1, 3600.0).await;
    pool.wait_for_state("alpha", "counted", ClaimPhase::Admitted).await;
    for (quota, objects) in [("concord-project", "count/jobs.batch"), ("concord-project-pods", "count/pods")]
    {
        let used = pool.kubectl(&[
            "get",
            "resourcequota",
            quota,
            "-n",
            "alpha-lab",
            "-o",
            "jsonpath={.status.used}",
        ]);
        let used: serde_json::Value = serde_json::from_str(&used).unwrap();
        assert!(used.get(objects).is_some(), "{quota}: {used}");
        assert_eq!(
            used.get("count/jobs.batch").is_some(),
            used.get("count/pods").is_none(),
            "{quota}: {used}"
        );
    }
    let door = ["create", "service", "loadbalancer", "door", "--tcp=80", "-n", "alpha-lab"];
    let (answer, ok) = pool.try_kubectl("admin", &door, None);
    assert!(!ok && answer.contains("a project's Service is of type ClusterIP"), "{answer}");
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_gives_its_gpus_back_and_its_use_is_booked() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    pool.submit("alpha", "first", 1, 8, 3600.0).await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    pool.submit("alpha", "second", 1, 8, 1.0).await;
    pool.kubectl(&["delete", "job", "first", "-n", "alpha-lab"]);
    pool.wait_for_state("alpha", "second", ClaimPhase::Succeeded).await;
    pool.eventually("the deleted Job's claim is gone", async || {
        pool.claim("alpha", "first").await.is_none().then_some(())
    })
    .await;
    // A Job of the same name is another Job.
    pool.submit("alpha", "first", 1, 8, 1.0).await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Succeeded).await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_nothing() {
    let mut pool = Pool::start(4, &[("alpha", 16), ("beta", 16)], 1).await;
    // More than fits, so that there are waits, borrows and reclaims while the operator dies again and again.
    let mut term = 0;
    for round in 0..6_u32 {
        for n in 0..8_u32 {
            let member = if n % 4 == 0 || round > 2 { "beta" } else { "alpha" };
            let (pods, gpus) = if n % 3 == 0 { (2, 8) } else { (1, 1 + n) };
            pool.submit(member, &format!("j{round}-{n}"), pods, gpus, 1.5).await;
        }
        // A new operator first waits for the end of the dead one's lease.
        pool.eventually("the next term began", async || (pool.term().await.1 > term).then_some(())).await;
        // Primes of milliseconds, so that the kills meet different steps.
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(397 + 211 * round))).await;
        term = pool.term().await.1;
        pool.kill_operator();
        let by_node = pool.gpus_by_node().await;
        assert!(by_node.values().all(|gpus| *gpus <= 8), "{by_node:?}");
        pool.start_operator();
    }
    for round in 0..6_u32 {
        for n in 0..8_u32 {
            let member = if n % 4 == 0 || round > 2 { "beta" } else { "alpha" };
            let claim = pool.wait_for_state(member, &format!("j{round}-{n}"), ClaimPhase::Succeeded).await;
            let status = claim.status.unwrap();
            let useful = status.used_gpu_milliseconds - status.reclaimed_gpu_milliseconds;
            // Booked once: at least its own 1.5 s on every GPU, and not twice that beyond the time the operator was away.
            assert!(useful >= claim.spec.gpus * 1_500, "{status:?}");
            assert!(status.placement.is_empty() && status.finished_at.is_some());
        }
    }
    pool.stop().await;
}
