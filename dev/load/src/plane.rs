//! The control plane under a load: etcd and an API server alone, as `envtest` starts them, the same for both schedulers.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use concord_api::names::OPERATOR_USER;
use concord_pool::{ControlPlane, Identity, Options, Progress, pool, setup};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Node, ResourceQuota};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Identity of the measured operator.
pub const OPERATOR: &str = "operator";
/// Identity of the measured Kueue.
pub const KUEUE: &str = "kueue";
/// Identity that makes claims and finishes them.
pub const RUNNER: &str = "runner";
/// Calls in flight while setting up.
const CONCURRENCY: usize = 32;
/// The policy by which nobody but the operator writes claims.
const CLAIMS_POLICY: &str = "concord-claims-are-the-operators";

/// Starts an empty one in a folder of its own.
///
/// # Errors
/// When it does not get ready.
pub async fn start(folder: &Path, progress: &Progress) -> Result<ControlPlane> {
    let operator = Identity::new(OPERATOR)
        .user(OPERATOR_USER)
        .group("system:serviceaccounts")
        .group("system:serviceaccounts:concord-system");
    let identities = vec![operator, Identity::new(KUEUE), Identity::new(RUNNER)];
    ControlPlane::start(Options { identities, progress: progress.clone(), ..Options::bare(folder) }).await
}

/// A client that neither retries by itself nor hides a failure.
///
/// # Errors
/// When the plane does not know the identity.
pub async fn client(plane: &ControlPlane, identity: &str) -> Result<Client> {
    pool::client(plane, identity).await
}

/// Lets somebody do everything, by a binding and not by the group that the server never counts.
///
/// # Errors
/// When the API server refuses.
pub async fn grant_everything(admin: &Client, user: &str) -> Result<()> {
    setup::bind(admin, &format!("load-{user}"), "cluster-admin", user).await
}

/// Concord's definitions, rights and admission policies, from the chart. One thing is added: the runner, as the controller
/// of other work that it is, may write claims.
///
/// # Errors
/// When the API server refuses.
pub async fn install_concord(admin: &Client) -> Result<()> {
    let chart = pool::chart();
    setup::install(admin, &chart).await?;
    for mut policy in setup::documents(&chart.join("templates/admission-policies.yaml"))? {
        if policy.pointer("/metadata/name").and_then(Value::as_str) == Some(CLAIMS_POLICY) {
            exempt_runner(&mut policy);
            setup::apply(admin, &policy).await?;
        }
    }
    Ok(())
}

fn exempt_runner(policy: &mut Value) {
    if let Some(conditions) = policy.pointer_mut("/spec/matchConditions").and_then(Value::as_array_mut) {
        let expression = format!("request.userInfo.username != '{RUNNER}'");
        conditions.push(json!({"name": "not-the-load-runner", "expression": expression}));
    }
}

/// What the controller of resource quotas would do, which does not run here: says that nothing is used yet. The operator
/// waits for that before a project is ready. Claims are not among the objects that these quotas count.
///
/// # Errors
/// When the API server refuses.
pub async fn count_objects(admin: &Client) -> Result<()> {
    let all: Api<ResourceQuota> = Api::all(admin.clone());
    for quota in all.list(&ListParams::default()).await? {
        let (namespace, name) = (quota.namespace().unwrap_or_default(), quota.name_any());
        let Some(hard) = quota.spec.and_then(|spec| spec.hard) else { continue };
        if quota.status.is_some_and(|status| status.used.is_some()) {
            continue;
        }
        let none: BTreeMap<&String, &str> = hard.keys().map(|key| (key, "0")).collect();
        let status = json!({"status": {"hard": hard, "used": none}});
        let quotas: Api<ResourceQuota> = Api::namespaced(admin.clone(), &namespace);
        quotas.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(())
}

/// Applies many objects side by side.
///
/// # Errors
/// The first refusal.
pub async fn apply_all(admin: &Client, objects: &[Value]) -> Result<()> {
    let work = objects.iter().map(|object| setup::apply(admin, object));
    stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await
}

/// Makes nodes as they are; nobody else writes them.
///
/// # Errors
/// The first refusal.
pub async fn create_nodes(admin: &Client, nodes: &[Node]) -> Result<()> {
    let api: Api<Node> = Api::all(admin.clone());
    let create = |node| {
        let api = api.clone();
        async move { api.create(&PostParams::default(), node).await.map(drop) }
    };
    Ok(stream::iter(nodes).map(create).buffer_unordered(CONCURRENCY).try_collect().await?)
}
