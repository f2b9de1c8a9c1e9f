//! The local pool's people: two providers with demo people of every role, what RBAC gives to their groups, and a file that
//! says who can log in.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context, Result};
use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    ControlPlane, Progress,
    files::{write_private, write_public},
    openid_provider::{self, OpenIdProvider, SECRET},
    ports::prefer_port,
    probe::{Probe, until_healthy},
    setup,
};

/// Groups of demo people, and the chart's ClusterRole that each gets.
const ROLES: [(&str, &str); 5] = [
    ("demo:applicants", "concord-applicant"),
    ("guests:admitted", "concord-applicant"),
    ("demo:member-admins", "concord-member-admin"),
    ("demo:reviewers", "concord-reviewer"),
    ("demo:auditors", "concord-auditor"),
];

/// Ports of the providers.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct PeoplePorts {
    /// Of the federation.
    pub federation: u16,
    /// Of the provider that lets in anybody.
    pub guests: u16,
}

/// What the portal is started with.
#[derive(Debug, Clone)]
pub struct PeopleFiles {
    /// For `--providers`.
    pub providers: PathBuf,
    /// Who can log in, for whoever tries the pool.
    pub people: PathBuf,
}

/// Starts both providers anew, because the portal's address may have changed, and writes the files.
///
/// # Errors
/// When the provider cannot be built or started.
pub async fn start(
    plane: &mut ControlPlane,
    ports: &mut PeoplePorts,
    portal: &str,
    progress: &Progress,
) -> Result<PeopleFiles> {
    let building = progress.clone();
    let program = tokio::task::spawn_blocking(move || openid_provider::program(&building)).await??;
    let folder = openid_provider::folder();
    let mut providers = Vec::new();
    for (name, file, port) in
        [("demo", "people.json", &mut ports.federation), ("guests", "guests.json", &mut ports.guests)]
    {
        plane.processes().stop(&format!("openid-provider-{name}"))?;
        *port = prefer_port((*port != 0).then_some(*port))?;
        let provider =
            OpenIdProvider { port: *port, people: folder.join(file), portal: portal.to_owned(), name };
        let launch = provider.launch(&program);
        plane.spawn(&launch)?;
        let config = kube::Config::new(format!("http://127.0.0.1:{port}").parse()?);
        let probe = Probe::new(config, "/.well-known/openid-configuration")?;
        until_healthy(plane.processes(), &launch.name, &probe).await?;
        providers.push(provider);
    }
    write_files(plane, &providers, portal)
}

fn write_files(plane: &ControlPlane, providers: &[OpenIdProvider], portal: &str) -> Result<PeopleFiles> {
    let data = plane.data_dir();
    let secret = data.join("openid-secret");
    write_private(&secret, SECRET)?;
    let [federation, guests] = providers else { anyhow::bail!("two providers are expected") };
    let document = json!({ "providers": [
        federation.entry("Demo federation (DEMO)", "federation", &secret),
        guests.entry("Guests without an institution (DEMO)", "guest", &secret),
    ] });
    let files = PeopleFiles { providers: data.join("providers.yaml"), people: data.join("people.md") };
    write_private(&files.providers, &serde_yaml::to_string(&document)?)?;

    let mut text = format!(
        "# Who can log in (DEMO)\n\nAt {portal}/login. The passwords are in the repository: never use these people elsewhere.\n\n| role | provider | user | password | name in the cluster | groups |\n|---|---|---|---|---|---|\n"
    );
    for provider in providers {
        for person in openid_provider::people(&provider.people)? {
            let (role, user, password) = (&person.name, &person.username, &person.password);
            let (id, name, groups) = (&person.id, provider.name, person.groups.join(", "));
            writeln!(text, "| {role} | {name} | `{user}` | `{password}` | `{name}:{id}` | {groups} |")?;
        }
    }
    write_public(&files.people, &text)?;
    Ok(files)
}

/// Gives the demo people's groups their roles; the member admins are those of `member`, whose quota inside they write.
///
/// # Errors
/// When the API server refuses.
pub async fn bind_roles(admin: &Client, member: &str) -> Result<()> {
    let quota = format!("{member}-quota");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": quota},
        "rules": [
            {"apiGroups": ["concord.dev"], "resources": ["memberquotas"], "resourceNames": [member],
                "verbs": ["get", "create", "update", "patch", "delete"]},
            {"apiGroups": ["concord.dev"], "resources": ["memberquotas"], "verbs": ["list", "watch"]},
        ],
    });
    setup::apply(admin, &role).await?;
    setup::bind_group(admin, &quota, &quota, "demo:member-admins").await?;
    for (group, role) in ROLES {
        let name = format!("concord-pool-{}", group.replace(':', "-"));
        setup::bind_group(admin, &name, role, group).await.with_context(|| format!("group {group}"))?;
    }
    Ok(())
}
