//! What a person asks a running pool: programs, nodes, treaty, claims, operator.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, bail};
use concord_api::{GpuClaim, Project, Treaty};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{
    ControlPlane, Processes,
    pool::{self, AUDITOR, OPERATOR, PoolState},
    probe::Probe,
    supervise::Supervised,
};

/// Prints it; an error if a program has ended though nobody stopped it.
pub async fn status(data: &Path) -> Result<()> {
    let processes = Processes::attach(data)?;
    for record in processes.records() {
        let (name, log) = (&record.name, processes.log(&record.name));
        println!("{name:<26} running   pid {:<8} log {}", record.pid, log.display());
    }
    for record in processes.ended() {
        println!("{:<26} HAS ENDED              log {}", record.name, processes.log(&record.name).display());
    }
    let running: Vec<&str> = processes.names().collect();
    if running.is_empty() && processes.ended().is_empty() {
        println!("nothing is running; `make up` starts the pool");
        return Ok(());
    }
    if running.contains(&"kube-apiserver") {
        println!();
        cluster(data).await?;
    }
    if running.contains(&OPERATOR) {
        operator(data).await?;
    }
    match processes.ended() {
        [] => Ok(()),
        ended => bail!(
            "{} programs have ended though nobody stopped them; `make up` starts them again",
            ended.len()
        ),
    }
}

async fn cluster(data: &Path) -> Result<()> {
    let plane = ControlPlane::attach(data)?;
    // With an auditor's rights: what it shows here, anybody who checks the account may see.
    let client = pool::client(&plane, AUDITOR).await?;
    let all = ListParams::default();
    let nodes = Api::<Node>::all(client.clone()).list(&all).await?;
    let ready = |node: &&Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    println!("nodes     {} of {} ready (simulated)", nodes.iter().filter(ready).count(), nodes.items.len());
    for treaty in Api::<Treaty>::all(client.clone()).list(&all).await? {
        let status = treaty.status.clone().unwrap_or_default();
        let in_force = treaty.is_in_force();
        println!(
            "treaty    {}{}: {} of {} GPUs in use, {} of them borrowed; {} claims in line",
            treaty.name_any(),
            if in_force { ", in force" } else { ", NOT in force" },
            status.used_gpus,
            status.capacity_gpus,
            status.borrowed_gpus,
            status.queued_claims,
        );
    }
    let projects = Api::<Project>::all(client.clone()).list(&all).await?;
    println!("projects  {}", projects.items.len());
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for claim in Api::<GpuClaim>::all(client).list(&all).await? {
        *states.entry(format!("{:?}", claim.status.unwrap_or_default().state)).or_default() += 1;
    }
    let listed: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    println!("claims    {}", if listed.is_empty() { "none".to_owned() } else { listed.join(", ") });
    Ok(())
}

async fn operator(data: &Path) -> Result<()> {
    let state = PoolState::load(data);
    let probe = Probe::new(kube::Config::new(state.operator_url("").parse()?), "/readyz")?;
    let readiness = match probe.ask().await {
        Ok(()) => "ready".to_owned(),
        Err(error) => format!("NOT ready: {error:#}"),
    };
    let starts = Supervised::load(&pool::operator_state(data)).map_or(0, |supervised| supervised.starts);
    println!("operator  {readiness}; started {starts} times; metrics {}", state.operator_url("/metrics"));
    Ok(())
}
