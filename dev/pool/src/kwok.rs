//! kwok: plays the kubelets of nodes that do not exist, by the stages in `dev/pool/kwok/`.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    coordination::v1::Lease,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde::Deserialize;

use crate::{
    files::write_public,
    process::Launch,
    toolchain::{Tool, Toolchain},
};

/// Pod annotation: how long the simulated pod runs before it succeeds, a Go duration such as `12.5s`.
/// A pod without it runs until it is deleted.
pub const RUN_DURATION: &str = "concord.dev/simulated-run-duration";
/// Node annotation: makes a simulated node fail, with the value as message, until it is removed.
pub const NODE_FAILURE: &str = "concord.dev/simulated-failure";
/// Node annotation by which kwok knows its nodes; the value must be [`NODE_SELECTOR_VALUE`].
pub const NODE_SELECTOR: &str = "kwok.x-k8s.io/node";
/// See [`NODE_SELECTOR`].
pub const NODE_SELECTOR_VALUE: &str = "fake";

const CONFIGURATION: &str = concat!(
    include_str!("../kwok/configuration.yaml"),
    "---\n",
    include_str!("../kwok/nodes.yaml"),
    "---\n",
    include_str!("../kwok/pods.yaml"),
);
const RIGHTS: &str = include_str!("../kwok/rbac.yaml");

/// Gives kwok's identity its rights.
pub(crate) async fn grant(admin: &Client) -> Result<()> {
    let mut documents = serde_yaml::Deserializer::from_str(RIGHTS);
    let role = documents.next().context("rbac.yaml has no role")?;
    let role = ClusterRole::deserialize(role).context("rbac.yaml, role")?;
    let binding = documents.next().context("rbac.yaml has no binding")?;
    let binding = ClusterRoleBinding::deserialize(binding).context("rbac.yaml, binding")?;

    let (name, writer) = ("concord-pool-kwok", PatchParams::apply("concord-pool").force());
    Api::<ClusterRole>::all(admin.clone()).patch(name, &writer, &Patch::Apply(&role)).await?;
    Api::<ClusterRoleBinding>::all(admin.clone()).patch(name, &writer, &Patch::Apply(&binding)).await?;
    Ok(())
}

/// Frees the nodes that an earlier kwok held. It signs its leases with a name that changes with every start, and its
/// successor does nothing for a node until the lease has run out: minutes in which no pod would run.
pub(crate) async fn release_nodes(admin: &Client) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(admin.clone(), "kube-node-lease");
    leases.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    Ok(())
}

/// Writes settings and stages into one file.
pub(crate) fn write_configuration(path: &Path) -> Result<()> {
    write_public(path, CONFIGURATION)
}

/// The command line.
pub(crate) fn launch(toolchain: &Toolchain, port: u16, kubeconfig: &Path, configuration: &Path) -> Launch {
    let workdir = configuration.with_file_name("kwok");
    Launch::new(Tool::Kwok.name(), toolchain.path(Tool::Kwok))
        .flag("kubeconfig", kubeconfig.display())
        .flag("config", configuration.display())
        .flag("server-address", format!("127.0.0.1:{port}"))
        // Else it also reads settings from the user's home.
        .env("KWOK_WORKDIR", workdir.display().to_string())
}
