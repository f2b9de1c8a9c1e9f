//! Work that is no Job, on a real API server with Kubernetes' own controllers: Deployments, stateful sets, bare pods,
//! gangs, and claims of other controllers.

use concord_api::claim::WorkloadKind;
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim};
use concord_pool::Identity;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::support::{Pool, RESEARCHER};

const LAB: &str = "alpha-lab";

fn pod_spec(gpus: u32) -> Value {
    json!({"automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1, "containers": [{"name": "serve",
        "image": "service", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]})
}

fn workload(kind: &str, name: &str, replicas: u32, gpus: u32) -> Value {
    let labels = json!({"app": name});
    let mut spec = json!({"replicas": replicas, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod_spec(gpus)}});
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn pod(name: &str, gpus: u32, run_seconds: Option<f64>) -> Value {
    let mut spec = pod_spec(gpus);
    spec["restartPolicy"] = json!("Never");
    let mut annotations = json!({});
    if let Some(seconds) = run_seconds {
        annotations[concord_pool::kwok::RUN_DURATION] = json!(format!("{seconds}s"));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}, "spec": spec})
}

fn of_gang(gang: &str, size: u32, mut pod: Value) -> Value {
    pod["metadata"]["labels"] = json!({"concord.dev/gang": gang, "concord.dev/gang-size": size.to_string()});
    pod
}

impl Pool {
    fn create_in_lab(&self, object: &Value) {
        let (out, ok) = self.try_kubectl(RESEARCHER, &["create", "-n", LAB, "-f", "-"], Some(object));
        assert!(ok, "{out}");
    }

    fn scale(&self, object: &str, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        let (out, ok) = self.try_kubectl(RESEARCHER, &["scale", "-n", LAB, object, &replicas], None);
        assert!(ok, "{out}");
    }

    async fn claims_in_lab(&self) -> Vec<GpuClaim> {
        let claims: Api<GpuClaim> = Api::namespaced(self.admin.clone(), LAB);
        claims.list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until the claims of the lab stand as wanted: state and basis of each, in any order.
    async fn wait_for_claims(&self, wanted: &[(ClaimPhase, Option<ClaimBasis>)]) -> Vec<GpuClaim> {
        let sorted = |claims: Vec<(ClaimPhase, Option<ClaimBasis>)>| {
            let mut texts: Vec<String> = claims.iter().map(|c| format!("{c:?}")).collect();
            texts.sort();
            texts
        };
        let wanted = sorted(wanted.to_vec());
        self.eventually(&format!("claims are {wanted:?}"), async || {
            let claims = self.claims_in_lab().await;
            let status = |c: &GpuClaim| c.status.clone().map(|s| (s.state, s.basis)).unwrap_or_default();
            (sorted(claims.iter().map(status).collect()) == wanted).then_some(claims)
        })
        .await
    }

    async fn pods_in_lab(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), LAB);
        pods.list(&ListParams::default()).await.unwrap().items
    }

    async fn wait_for_gpus(&self, wanted: u32) {
        self.eventually(&format!("{wanted} GPUs are in use"), async || {
            (self.gpus_by_node().await.values().sum::<u32>() == wanted).then_some(())
        })
        .await;
    }

    async fn wait_for_event(&self, object: &str, reason: &str) {
        self.eventually(&format!("an event {reason} on {object}"), async || {
            self.kubectl(&["describe", "-n", LAB, object]).contains(reason).then_some(())
        })
        .await;
    }
}

const GUARANTEED: (ClaimPhase, Option<ClaimBasis>) = (ClaimPhase::Admitted, Some(ClaimBasis::Guaranteed));
const BORROWED: (ClaimPhase, Option<ClaimBasis>) = (ClaimPhase::Admitted, Some(ClaimBasis::Borrowed));
const QUEUED: (ClaimPhase, Option<ClaimBasis>) = (ClaimPhase::Queued, None);

fn uids(claims: &[GpuClaim], borrows: bool) -> Vec<String> {
    let chosen = claims.iter().filter(|c| c.status.as_ref().is_some_and(|s| (s.borrows > 0) == borrows));
    chosen.filter_map(ResourceExt::uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_grow_on_idle_gpus_and_give_way_borrowed_ones_first() {
    let mut pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 2).await;
    pool.create_in_lab(&workload("Deployment", "serve", 2, 4));
    pool.wait_for_claims(&[GUARANTEED, GUARANTEED]).await;
    pool.wait_for_gpus(8).await;
    pool.scale("deployment/serve", 3);
    pool.wait_for_claims(&[GUARANTEED, GUARANTEED, BORROWED]).await;
    pool.wait_for_gpus(12).await;

    // Scaled down, the borrowed one goes, though it is not the oldest; its claim goes with it.
    pool.scale("deployment/serve", 2);
    let own = pool.wait_for_claims(&[GUARANTEED, GUARANTEED]).await;
    pool.wait_for_gpus(8).await;

    // An owner comes back while the operator is away and there are two borrowed replicas.
    pool.scale("deployment/serve", 4);
    let all = pool.wait_for_claims(&[GUARANTEED, GUARANTEED, BORROWED, BORROWED]).await;
    assert_eq!(
        uids(&all, false),
        uids(&own, false),
        "the guaranteed ones stayed: {all:#?}\n{}",
        pool.operator_log()
    );
    pool.wait_for_gpus(16).await;
    for owner in ["owner-0", "owner-1"] {
        pool.submit("beta", owner, 1, 4, 12.0).await;
    }
    pool.eventually("a borrowed replica was told", async || {
        let told = |c: &GpuClaim| c.status.as_ref().is_some_and(|s| s.state == ClaimPhase::Reclaiming);
        pool.claims_in_lab().await.iter().any(told).then_some(())
    })
    .await;
    pool.kill_operator();
    pool.start_operator();
    let stopped = pool.wait_for_claims(&[GUARANTEED, GUARANTEED, QUEUED, QUEUED]).await;
    assert_eq!(uids(&stopped, true), uids(&all, true), "those that borrowed gave way and stand in line");
    for claim in stopped.iter().filter(|c| c.status.as_ref().unwrap().borrows > 0) {
        let status = claim.status.as_ref().unwrap();
        assert_eq!((status.reclaims, status.put_back), (1, true), "{status:?}");
        assert!(status.reclaimed_gpu_milliseconds > 4 * 1_000, "{status:?}");
    }
    for owner in ["owner-0", "owner-1"] {
        let owner = pool.wait_for_state("beta", owner, ClaimPhase::Admitted).await;
        assert_eq!(owner.status.unwrap().basis, Some(ClaimBasis::Guaranteed));
    }
    let by_node = pool.gpus_by_node().await;
    assert!(by_node.values().all(|gpus| *gpus <= 8), "{by_node:?}");

    // When the owner has ended, the pods made in their place take over their claims.
    let back = pool.wait_for_claims(&[GUARANTEED, GUARANTEED, BORROWED, BORROWED]).await;
    assert_eq!(uids(&back, true), uids(&all, true));
    assert!(back.iter().all(|c| c.status.as_ref().unwrap().borrows != 1), "admitted twice: {back:?}");
    pool.wait_for_gpus(16).await;
    pool.kubectl(&["delete", "deployment", "-n", LAB, "serve", "--wait=true"]);
    pool.wait_for_claims(&[]).await;
    pool.wait_for_gpus(0).await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_pods_are_admitted_one_by_one() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    pool.create_in_lab(&pod("once", 2, Some(2.0)));
    let claims = pool.wait_for_claims(&[GUARANTEED]).await;
    assert_eq!(
        (claims[0].spec.workload.kind, claims[0].spec.workload.name.as_str()),
        (WorkloadKind::PodGroup, "once")
    );
    let ended = pool.wait_for_claims(&[(ClaimPhase::Succeeded, None)]).await[0].status.clone().unwrap();
    assert!((4_000..30_000).contains(&ended.used_gpu_milliseconds), "2 GPUs for about 2 s: {ended:?}");
    pool.kubectl(&["delete", "pod", "-n", LAB, "once"]);
    pool.wait_for_claims(&[]).await;

    // One pod after the other; a pod that is deleted and made anew under the same name is another ask.
    pool.create_in_lab(&workload("StatefulSet", "store", 2, 4));
    let first = pool.wait_for_claims(&[GUARANTEED, GUARANTEED]).await;
    pool.wait_for_gpus(8).await;
    // Of two asks of the same second the name decides who was first.
    pool.create_in_lab(&pod("x-later", 8, None));
    pool.wait_for_claims(&[GUARANTEED, GUARANTEED, QUEUED]).await;
    pool.kubectl(&["delete", "pod", "-n", LAB, "store-1"]);
    let after = pool.eventually("store-1 was made anew and waits behind", async || {
        let claims = pool.claims_in_lab().await;
        let new = claims.iter().find(|c| c.spec.workload.name == "store-1")?;
        let known = first.iter().any(|c| c.uid() == new.uid());
        (!known && claims.len() == 3 && new.status.is_some()).then(|| claims.clone())
    });
    let after = after.await;
    let new = after.iter().find(|c| c.spec.workload.name == "store-1").unwrap();
    let known = first.iter().find(|c| c.spec.workload.name == "store-1").unwrap();
    assert_ne!(new.name_any(), known.name_any());
    pool.kubectl(&["delete", "statefulset", "-n", LAB, "store"]);
    pool.wait_for_claims(&[GUARANTEED]).await;
    pool.wait_for_gpus(8).await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gang_starts_when_all_its_pods_are_there() {
    let pool = Pool::start(3, &[("alpha", 24)], 2).await;
    for name in ["a", "b"] {
        pool.create_in_lab(&of_gang("ring", 3, pod(name, 8, None)));
    }
    pool.wait_for_event("pod/a", "GangIncomplete").await;
    assert!(pool.claims_in_lab().await.is_empty() && pool.gpus_by_node().await.is_empty());
    pool.create_in_lab(&of_gang("ring", 3, pod("c", 8, None)));
    let claims = pool.wait_for_claims(&[GUARANTEED]).await;
    assert_eq!(
        (claims[0].name_any().as_str(), claims[0].spec.pods, claims[0].spec.gpus),
        ("gang.ring", 3, 24)
    );
    pool.wait_for_gpus(24).await;
    let by_node = pool.gpus_by_node().await;
    let placed = claims[0].status.as_ref().unwrap().placement.iter();
    assert_eq!(
        placed.map(|p| (p.node.clone(), p.gpus as u32)).collect::<std::collections::BTreeMap<_, _>>(),
        by_node
    );

    // One that is lost leaves its place to the next of the same gang and shape.
    pool.kubectl(&["delete", "pod", "-n", LAB, "b"]);
    pool.create_in_lab(&of_gang("ring", 3, pod("other", 4, None)));
    pool.create_in_lab(&of_gang("ring", 3, pod("d", 8, None)));
    pool.wait_for_gpus(24).await;
    let now = pool.claims_in_lab().await;
    assert_eq!((now.len(), now[0].uid()), (1, claims[0].uid()));
    assert_eq!(pool.gpus_by_node().await, by_node);
    let other = pool.pods_in_lab().await.into_iter().find(|p| p.name_any() == "other").unwrap();
    assert!(other.spec.unwrap().scheduling_gates.is_some_and(|gates| gates.len() == 1));

    pool.kubectl(&["delete", "pod", "-n", LAB, "a", "c", "d", "other"]);
    pool.wait_for_claims(&[]).await;
    // Pods of two shapes are no gang.
    pool.create_in_lab(&of_gang("mixed", 2, pod("small", 1, None)));
    pool.create_in_lab(&of_gang("mixed", 2, pod("tall", 2, None)));
    pool.wait_for_event("pod/small", "GangPodsDiffer").await;
    assert!(pool.claims_in_lab().await.is_empty());
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gang_that_gave_way_comes_back_to_its_claim() {
    let pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 2).await;
    let gang = |name: &str| {
        let mut set = workload("StatefulSet", name, 2, 4);
        set["spec"]["podManagementPolicy"] = json!("Parallel");
        let labels = json!({"app": name, "concord.dev/gang": name, "concord.dev/gang-size": "2"});
        set["spec"]["template"]["metadata"]["labels"] = labels;
        set
    };
    pool.create_in_lab(&gang("first"));
    pool.wait_for_claims(&[GUARANTEED]).await;
    pool.create_in_lab(&gang("second"));
    let all = pool.wait_for_claims(&[GUARANTEED, BORROWED]).await;
    pool.wait_for_gpus(16).await;
    pool.submit("beta", "owner", 1, 8, 6.0).await;
    pool.wait_for_event("pod/second-0", "ReclaimedForGuarantee").await;
    let back = pool.wait_for_claims(&[GUARANTEED, QUEUED]).await;
    assert_eq!(uids(&back, true), uids(&all, true));
    let waiting = pool.claim("alpha", "gang.second").await.unwrap().status.unwrap();
    assert_eq!((waiting.reclaims, waiting.put_back), (1, true));
    assert!(waiting.reclaimed_gpu_milliseconds > 8 * 1_000, "{waiting:?}");
    pool.wait_for_state("beta", "owner", ClaimPhase::Succeeded).await;
    let again = pool.wait_for_state("alpha", "gang.second", ClaimPhase::Admitted).await;
    assert_eq!(
        (again.status.unwrap().borrows, uids(&back, true)),
        (2, again.metadata.uid.into_iter().collect())
    );
    pool.wait_for_gpus(16).await;
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_controllers_claims_are_admitted_and_ended_by_their_report() {
    let pool = Pool::start(1, &[("alpha", 8)], 2).await;
    // In a shipped cluster nobody makes claims but the operator; who wants others has to take this away.
    let policy = "concord-claims-are-the-operators";
    pool.kubectl(&["delete", "validatingadmissionpolicybinding", policy]);
    let claim = |name: &str| {
        json!({"apiVersion": "concord.dev/v1alpha1", "kind": "GpuClaim", "metadata": {"name": name, "namespace": LAB},
            "spec": {"member": "alpha", "project": LAB, "pods": 1, "gpusPerPod": 8, "gpus": 8,
                "workload": {"kind": "External", "name": name}, "submittedAt": jiff::Timestamp::now().to_string()}})
    };
    pool.eventually("the API server has noticed", async || {
        pool.try_kubectl(Identity::ADMIN, &["create", "-f", "-"], Some(&claim("first"))).1.then_some(())
    })
    .await;
    pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    let writes = r#"concord_operator_writes_total{kind="gpuclaim",outcome="ok",verb="status"} "#;
    pool.eventually("an admission is one write", async || {
        let metrics = pool.metrics();
        let count = metrics.lines().find_map(|line| line.strip_prefix(writes))?.to_owned();
        assert_eq!(count, "1");
        Some(())
    })
    .await;
    pool.apply(&claim("second"));
    let report = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "GpuClaim", "metadata": {"name": "first", "namespace": LAB},
        "status": {"conditions": [{"type": "Finished", "status": "True", "reason": "Succeeded", "message": "done",
            "lastTransitionTime": "2099-01-01T00:00:00Z"}]}});
    let (out, ok) = pool.try_kubectl(
        Identity::ADMIN,
        &["apply", "--server-side", "--subresource=status", "--field-manager=reporter", "-f", "-"],
        Some(&report),
    );
    assert!(ok, "{out}");
    let ended = pool.wait_for_state("alpha", "first", ClaimPhase::Succeeded).await;
    let status = ended.status.unwrap();
    assert!(status.used_gpu_milliseconds > 0 && status.placement.is_empty(), "{status:?}");
    assert_eq!(
        status.conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
        ["Admitted", "Finished"]
    );
    pool.wait_for_state("alpha", "second", ClaimPhase::Admitted).await;
    assert!(pool.gpus_by_node().await.is_empty(), "no pod has GPUs by it");
    pool.kubectl(&["delete", "gpuclaim", "-n", LAB, "first", "second", "--wait=true"]);
    pool.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_pods_come_and_go_leave_nothing_behind() {
    let mut pool = Pool::start(2, &[("alpha", 8), ("beta", 8)], 1).await;
    pool.create_in_lab(&workload("Deployment", "serve", 2, 2));
    let mut term = 0;
    for (round, replicas) in [6, 1, 8, 3].into_iter().enumerate() {
        pool.scale("deployment/serve", replicas);
        pool.submit("beta", &format!("own-{round}"), 1, 4, 1.5).await;
        for name in ["a", "b"] {
            let pod = pod(&format!("{name}-{round}"), 1, Some(1.0));
            pool.create_in_lab(&of_gang(&format!("ring-{round}"), 2, pod));
        }
        pool.eventually("the next term began", async || (pool.term().await.1 > term).then_some(())).await;
        // Primes of milliseconds, so that the kills meet different steps.
        tokio::time::sleep(std::time::Duration::from_millis(307 + 211 * round as u64)).await;
        term = pool.term().await.1;
        pool.kill_operator();
        let by_node = pool.gpus_by_node().await;
        assert!(by_node.values().all(|gpus| *gpus <= 8), "{by_node:?}");
        pool.start_operator();
    }
    for round in 0..4 {
        pool.wait_for_state("beta", &format!("own-{round}"), ClaimPhase::Succeeded).await;
    }
    // What is left: three replicas, and of the gangs those whose pods had not to give way.
    pool.eventually("gangs are done and three replicas run", async || {
        let claims = pool.claims_in_lab().await;
        let state = |c: &GpuClaim| c.status.as_ref().map(|s| s.state).unwrap_or_default();
        let (gangs, replicas): (Vec<_>, Vec<_>) =
            claims.iter().partition(|c| c.name_any().starts_with("gang."));
        let done = gangs.iter().all(|c| state(c) == ClaimPhase::Succeeded);
        let run = replicas.iter().filter(|c| state(c) == ClaimPhase::Admitted).count() == 3;
        (done && run).then_some(())
    })
    .await;
    pool.wait_for_gpus(6).await;
    pool.kubectl(&["delete", "deployment", "-n", LAB, "serve", "--wait=true"]);
    pool.kubectl(&["delete", "pod", "-n", LAB, "--all", "--wait=true"]);
    pool.wait_for_claims(&[]).await;
    pool.wait_for_gpus(0).await;
    pool.stop().await;
}
