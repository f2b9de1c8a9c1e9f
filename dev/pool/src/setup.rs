//! What an administrator does once on a new cluster: definitions, rights, admission policies, nodes, treaty, projects.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use concord_api::Treaty;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    core::TypeMeta,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{SimulatedNode, replay::trace::NODE_GPUS};

const MANAGER: &str = "concord-pool";
const POLL: Duration = Duration::from_millis(100);
/// All of it takes a few seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(90);
/// Nodes of a rack.
const RACK_NODES: usize = 8;

/// The documents of a YAML file.
pub fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = Value::deserialize(document).with_context(|| format!("in {}", path.display()))?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(found)
}

/// Applies every document of a file.
pub async fn apply_file(admin: &Client, path: &Path) -> Result<()> {
    for document in documents(path)? {
        apply(admin, &document).await.with_context(|| format!("from {}", path.display()))?;
    }
    Ok(())
}

/// Server-side apply of one document.
pub async fn apply(admin: &Client, document: &Value) -> Result<()> {
    let kind: TypeMeta = serde_json::from_value(document.clone()).context("a document without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&kind)?);
    let name =
        document.pointer("/metadata/name").and_then(Value::as_str).context("a document without a name")?;
    let api: Api<DynamicObject> = match document.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
        None => Api::all_with(admin.clone(), &resource),
    };
    let applied = api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(document)).await;
    applied.with_context(|| format!("{} {name} was refused", kind.kind))?;
    Ok(())
}

/// Installs what the chart gives to every cluster: all kinds, and the templates that need no values (rights, admission
/// policies, the review). Those with values run programs, which the local pool starts itself.
///
/// # Errors
/// When a file cannot be read, or the API server refuses it.
pub async fn install(admin: &Client, chart: &Path) -> Result<()> {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "concord-system" } });
    apply(admin, &namespace).await?;
    let definitions = yaml_files(&chart.join("crds"))?;
    for path in &definitions {
        apply_file(admin, path).await?;
    }
    for document in definitions.iter().map(|path| documents(path)).collect::<Result<Vec<_>>>()?.concat() {
        wait_established(admin, document.pointer("/metadata/name").and_then(Value::as_str)).await?;
    }
    for path in yaml_files(&chart.join("templates"))? {
        let has_values = std::fs::read_to_string(&path)?.contains("{{");
        if !has_values {
            apply_file(admin, &path).await?;
        }
    }
    Ok(())
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

/// Waits until objects of the kind can be made.
async fn wait_established(admin: &Client, name: Option<&str>) -> Result<()> {
    let api = dynamic(admin, "apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let name = name.context("a definition without a name")?;
    until(&format!("CustomResourceDefinition {name} is established"), || async {
        Ok(condition(&api.get(name).await?, "Established"))
    })
    .await
}

/// The auditor's binding, which no chart gives to anybody by itself.
pub async fn let_auditor_read(admin: &Client) -> Result<()> {
    bind(admin, "concord-pool-auditor", "concord-auditor", "auditor").await
}

/// Gives a user a ClusterRole in all namespaces, by a binding of that name.
///
/// # Errors
/// When the API server refuses.
pub async fn bind(admin: &Client, name: &str, role: &str, user: &str) -> Result<()> {
    bind_subject(admin, name, role, ("User", user)).await
}

/// The same for a group.
///
/// # Errors
/// When the API server refuses.
pub async fn bind_group(admin: &Client, name: &str, role: &str, group: &str) -> Result<()> {
    bind_subject(admin, name, role, ("Group", group)).await
}

async fn bind_subject(admin: &Client, name: &str, role: &str, (kind, subject): (&str, &str)) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": group, "kind": kind, "name": subject }],
    });
    apply(admin, &binding).await
}

/// Has the API server ask an operator at this address about each new treaty and quota, instead of the chart's service; the
/// operator itself tells it which certificate to trust.
///
/// # Errors
/// When the chart cannot be read, or the API server refuses it.
pub async fn let_operator_review(admin: &Client, chart: &Path, url: &str) -> Result<()> {
    for mut webhooks in documents(&chart.join("templates/review.yaml"))? {
        *webhooks.pointer_mut("/webhooks/0/clientConfig").context("no webhook in the chart")? =
            json!({ "url": url });
        apply(admin, &webhooks).await?;
    }
    Ok(())
}

/// Waits until the operator has made a project's namespace and rights.
pub async fn wait_project_ready(admin: &Client, name: &str) -> Result<()> {
    let api = dynamic(admin, "concord.dev", "v1alpha1", "Project");
    until(&format!("Project {name} is Ready (the operator makes it so; its log says why not)"), || async {
        Ok(condition(&api.get(name).await?, "Ready"))
    })
    .await
}

/// Waits until a Job that the researcher would make is held back; the server is asked, nothing is made.
pub async fn wait_held_back(researcher: &Client, namespace: &str) -> Result<()> {
    let jobs: Api<Job> = Api::namespaced(researcher.clone(), namespace);
    let probe: Job = serde_json::from_value(json!({
        "metadata": { "name": "probe" },
        "spec": { "template": { "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "probe", "image": "probe", "resources": { "limits": { "nvidia.com/gpu": "1" } },
            }],
        } } },
    }))?;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    until(&format!("the admission policies hold back Jobs in {namespace}"), || async {
        match jobs.create(&dry, &probe).await {
            Ok(job) => Ok(job.spec.and_then(|spec| spec.suspend).unwrap_or(false)),
            // The binding that lets the researcher in is seconds old.
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(false),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// The treaty in a file.
pub fn read_treaty(path: &Path) -> Result<Treaty> {
    let documents = documents(path)?;
    ensure!(
        documents.len() == 1,
        "{} has {} documents; one treaty is wanted",
        path.display(),
        documents.len()
    );
    let treaty = documents.into_iter().next().context("no treaty")?;
    serde_json::from_value(treaty).with_context(|| format!("{} is not a treaty", path.display()))
}

/// The nodes that the members brought, for their guarantees and for the reserves, in racks of eight.
pub fn nodes(treaty: &Treaty) -> Result<Vec<SimulatedNode>> {
    let mut owners = Vec::new();
    let members = treaty.spec.members.iter().map(|member| (&member.name, &member.guarantee));
    let reserves = treaty.spec.reserves.iter().map(|reserve| (&reserve.name, &reserve.size));
    for (name, share) in members.chain(reserves) {
        let gpus = share.gpus.with_context(|| {
            format!("{name}: the local pool has the nodes that are promised, so write {{gpus: N}}")
        })?;
        let cell = i64::from(NODE_GPUS);
        ensure!(gpus % cell == 0, "{name}: {gpus} GPUs are no whole nodes of {NODE_GPUS}");
        owners.extend((0..gpus / cell).map(|_| name.clone()));
    }
    let node = |(index, owner)| SimulatedNode {
        name: format!("node-{index:04}"),
        owner,
        gpu_class: "a100".to_owned(),
        rack: format!("rack-{:02}", index / RACK_NODES),
        gpus: NODE_GPUS,
    };
    Ok(owners.into_iter().enumerate().map(node).collect())
}

fn dynamic(client: &Client, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

fn condition(object: &DynamicObject, kind: &str) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

async fn until<F: Future<Output = Result<bool>>>(what: &str, look: impl Fn() -> F) -> Result<()> {
    let started = Instant::now();
    while !look().await.with_context(|| format!("while waiting until {what}"))? {
        if started.elapsed() > LIMIT {
            bail!("not true after {} s: {what}", LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{documents, nodes, read_treaty};

    #[test]
    fn the_ten_institutes_bring_185_nodes_and_have_a_project_each() {
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
        let treaty = read_treaty(&policies.join("ten-institutes.yaml")).unwrap();
        let all = nodes(&treaty).unwrap();
        assert_eq!(all.len(), 185);
        assert_eq!(all.iter().filter(|node| node.owner == "cluster04").count(), 69);
        assert_eq!((all[0].rack.as_str(), all[184].rack.as_str()), ("rack-00", "rack-23"));
        let open = nodes(&read_treaty(&policies.join("open-pool.yaml")).unwrap()).unwrap();
        assert_eq!(open.iter().filter(|node| node.owner == "public-interest").count(), 2);
        let projects = documents(&policies.join("projects.yaml")).unwrap();
        let members: Vec<_> = projects.iter().map(|p| p["spec"]["member"].as_str().unwrap()).collect();
        assert_eq!(members, treaty.spec.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>());
    }
}
