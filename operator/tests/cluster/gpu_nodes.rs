//! What a node's agent says of its GPUs: who may say it, and what follows.

use concord_api::{ClaimPhase, GpuNode};
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::support::Pool;

const AGENT: &str = "concord-gpu-agent";

/// A client with the token that the kubelet would give to the agent's pod on the node.
async fn agent_on(pool: &Pool, node: &str) -> Client {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": AGENT, "namespace": "concord-system"}});
    pool.apply(&account);
    let pod = format!("agent-{node}");
    pool.apply(
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": "concord-system"},
        "spec": {"nodeName": node, "serviceAccountName": AGENT, "automountServiceAccountToken": false,
            "containers": [{"name": "agent", "image": "agent"}]}}),
    );
    let bound = ["--bound-object-kind", "Pod", "--bound-object-name", &pod];
    let token = pool.kubectl(&[&["-n", "concord-system", "create", "token", AGENT], &bound[..]].concat());
    with_token(pool, token.trim()).await
}

async fn with_token(pool: &Pool, token: &str) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(pool.kubeconfig()).unwrap();
    for user in &mut kubeconfig.auth_infos {
        let token = json!({"token": token});
        user.auth_info = Some(serde_json::from_value(token).unwrap());
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn status(unhealthy: u32) -> Value {
    let broken =
        json!({"uuid": "GPU-0", "healthy": unhealthy == 0, "reason": "Xid79", "message": "fell off the bus"});
    json!({"status": {"healthyGpus": 8 - unhealthy, "unhealthyGpus": unhealthy, "gpus": [broken]}})
}

/// What the API server answers when the agent speaks of a node: `Ok`, or why not.
async fn say(client: &Client, node: &str, unhealthy: u32) -> Result<(), String> {
    let nodes: Api<GpuNode> = Api::all(client.clone());
    let text = |error: kube::Error| error.to_string();
    if nodes.get_opt(node).await.map_err(text)?.is_none() {
        nodes.create(&PostParams::default(), &GpuNode::new(node, Default::default())).await.map_err(text)?;
    }
    let patch = Patch::Merge(status(unhealthy));
    nodes.patch_status(node, &PatchParams::default(), &patch).await.map(drop).map_err(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_speaks_for_its_own_node_and_no_work_goes_where_a_gpu_is_broken() {
    let pool = Pool::start(2, &[("alpha", 16)], 1).await;
    let agent = agent_on(&pool, "node-000").await;
    // The API server reads policies some time after they were stored.
    let refused = pool
        .eventually("an agent may not speak for another node", async || {
            say(&agent, "node-001", 1).await.err().filter(|why| why.contains("node-000"))
        })
        .await;
    assert!(refused.contains("may not speak for node-001"), "{refused}");
    let refused = say(&pool.admin, "node-001", 1).await.unwrap_err();
    assert!(refused.contains("on that node alone"), "{refused}");
    let unbound =
        with_token(&pool, pool.kubectl(&["-n", "concord-system", "create", "token", AGENT]).trim()).await;
    let refused = say(&unbound, "node-001", 1).await.unwrap_err();
    assert!(refused.contains("runs on node unknown"), "{refused}");

    say(&agent, "node-000", 1).await.unwrap();
    pool.submit("alpha", "first", 1, 8, 600.0).await;
    let first = pool.wait_for_state("alpha", "first", ClaimPhase::Admitted).await;
    assert_eq!(first.status.unwrap().placement[0].node, "node-001");
    pool.submit("alpha", "second", 1, 8, 600.0).await;
    pool.eventually("the second waits", async || pool.claim("alpha", "second").await?.status?.reason).await;
    assert_eq!(pool.gpus_by_node().await.get("node-000").copied().unwrap_or(0), 0);

    // A driver that was loaded anew, a GPU that was replaced: the node takes work again, also what waited.
    say(&agent, "node-000", 0).await.unwrap();
    let second = pool.wait_for_state("alpha", "second", ClaimPhase::Admitted).await;
    assert_eq!(second.status.unwrap().placement[0].node, "node-000");
    pool.stop().await;
}
