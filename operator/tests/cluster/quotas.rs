//! What members say of their inside, and what projects say of themselves, decided in a cluster.

use concord_api::{ClaimPhase, GpuClaim, MemberQuota};
use concord_pool::Identity;
use kube::Api;
use serde_json::{Value, json};

use super::support::{Pool, treaty};

fn quota(ceiling: Option<u32>) -> Value {
    let mut north = json!({"name": "north", "projects": [{"name": "alpha-lab"}]});
    if let Some(gpus) = ceiling {
        north["ceiling"] = json!({"gpus": gpus});
    }
    json!({"apiVersion": "concord.dev/v1alpha1", "kind": "MemberQuota", "metadata": {"name": "alpha"},
        "spec": {"institutions": [north]}})
}

async fn wait_for_reason(pool: &Pool, name: &str, reason: &str) -> GpuClaim {
    pool.eventually(&format!("{name} waits for {reason}"), async || {
        let claim = pool.claim("alpha", name).await?;
        (claim.status.as_ref()?.reason.as_deref() == Some(reason)).then_some(claim)
    })
    .await
}

/// What the operator says of the quota: whether it counts, and the sentence.
async fn verdict(pool: &Pool, generation: i64) -> (String, String) {
    let quotas: Api<MemberQuota> = Api::all(pool.admin.clone());
    pool.eventually("the operator answers the quota", async || {
        let status = quotas.get("alpha").await.unwrap().status?;
        let condition = status.conditions.first()?;
        (status.observed_generation == Some(generation))
            .then(|| (condition.status.clone(), condition.message.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_own_ceiling_holds_also_after_a_restart_and_goes_with_its_quota() {
    let mut pool = Pool::start(1, &[("alpha", 8)], 1).await;
    pool.apply(&quota(Some(4)));
    assert_eq!(verdict(&pool, 1).await.0, "True");
    pool.submit("alpha", "first", 1, 4, 600.0).await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    pool.submit("alpha", "second", 1, 4, 600.0).await;
    let claim = wait_for_reason(&pool, "second", "ShareCeilingReached").await;
    let status = claim.status.unwrap();
    assert!(status.message.unwrap().contains("4 GPUs"), "the ceiling is named");
    assert!(status.clause.is_some());

    pool.kill_operator();
    pool.submit("alpha", "third", 1, 4, 600.0).await;
    pool.start_operator();
    wait_for_reason(&pool, "third", "ShareCeilingReached").await;
    assert_eq!(pool.gpus_by_node().await.values().sum::<u32>(), 4);

    // Above the member's guarantee nothing can be promised inside it: the text is refused, and no longer counts.
    let mut faulty = quota(None);
    faulty["spec"]["institutions"][0]["guarantee"] = json!({"gpus": 9});
    pool.apply(&faulty);
    let (counts, said) = verdict(&pool, 2).await;
    assert!(counts == "False" && said.starts_with("TR"), "{said}");
    pool.wait_for_state("alpha", "second", ClaimPhase::Admitted).await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_meets_no_condition_waits_until_it_states_one_that_does() {
    let pool = Pool::start(1, &[("alpha", 8)], 1).await;
    let mut conditions = treaty(&[("alpha", 8)], 1);
    conditions["spec"]["eligibility"] = json!({"countries": ["FI"], "purposes": ["civil"]});
    pool.apply(&conditions);
    pool.submit("alpha", "job", 1, 4, 600.0).await;
    let told = wait_for_reason(&pool, "job", "NotEligible").await;
    assert_eq!(told.status.unwrap().clause.as_deref(), Some("eligibility"));
    let state = |country: &str| {
        json!({"spec": {"applicant": {"organisationKind": "academic", "country": country, "purpose": "civil"}}}).to_string()
    };
    let patch = |country: &str| {
        let (out, ok) = pool.try_kubectl(
            Identity::ADMIN,
            &["patch", "project", "alpha-lab", "--type=merge", "-p", &state(country)],
            None,
        );
        assert!(ok, "{out}");
    };
    patch("SE");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(pool.gpus_by_node().await.values().sum::<u32>(), 0);
    patch("fi");
    pool.wait_for_state("alpha", "job", ClaimPhase::Admitted).await;
    pool.stop().await;
}
