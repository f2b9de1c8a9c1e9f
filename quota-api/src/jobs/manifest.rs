//! An ask as the Kubernetes objects that it comes to: what the person sees is what is made. And back: a job that was made
//! so, as a request to make another. Pure.

use std::collections::BTreeMap;

use concord_api::names::{ANNOTATION_CHECKPOINT_SECONDS, ANNOTATION_SUBMISSION, GPU_RESOURCE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use serde_json::{Value, json};

use super::ask::{Ask, JobKind, JobRequest};

/// Annotation that keeps the kind of work, which the object alone does not always tell.
pub const ANNOTATION_KIND: &str = "concord.dev/kind-of-work";
/// Label by which a Service and a Deployment find their pods.
const LABEL_NAME: &str = "app.kubernetes.io/name";
/// How often a pod that failed is tried again.
const RETRIES: u32 = 2;
const MASTER_PORT: &str = "29500";

/// Objects in the order in which they are made: the work first.
#[must_use]
pub fn objects(ask: &Ask, project: &str, token: &str) -> Vec<Value> {
    match ask.kind {
        JobKind::Training | JobKind::Sweep => vec![job(ask, project, token)],
        JobKind::Distributed => vec![job(ask, project, token), service(ask, project, token)],
        JobKind::Inference => vec![deployment(ask, project, token), service(ask, project, token)],
    }
}

/// The objects as a file for `kubectl create`.
#[must_use]
pub fn yaml(objects: &[Value]) -> String {
    let documents: Vec<String> =
        objects.iter().map(|object| serde_yaml::to_string(object).unwrap_or_default()).collect();
    documents.join("---\n")
}

fn metadata(ask: &Ask, project: &str, token: &str) -> Value {
    let mut annotations = json!({ANNOTATION_KIND: ask.kind.name(), ANNOTATION_SUBMISSION: token});
    if let Some(seconds) = ask.checkpoint_seconds {
        annotations[ANNOTATION_CHECKPOINT_SECONDS] = json!(seconds.to_string());
    }
    json!({"name": ask.name, "namespace": project, "labels": {LABEL_NAME: ask.name}, "annotations": annotations})
}

fn job(ask: &Ask, project: &str, token: &str) -> Value {
    let mut spec = json!({
        "backoffLimit": RETRIES,
        "parallelism": ask.pods,
        "completions": ask.tasks,
        "template": template(ask, "Never"),
    });
    if ask.kind != JobKind::Training {
        spec["completionMode"] = json!("Indexed");
    }
    if ask.kind == JobKind::Distributed {
        // A name in the project's DNS for each pod.
        spec["template"]["spec"]["subdomain"] = json!(ask.name);
    }
    if let Some(seconds) = ask.run_limit_seconds {
        spec["activeDeadlineSeconds"] = json!(seconds);
    }
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(ask, project, token), "spec": spec})
}

fn deployment(ask: &Ask, project: &str, token: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(ask, project, token),
        "spec": {
            "replicas": ask.pods,
            "selector": {"matchLabels": {LABEL_NAME: ask.name}},
            // Where all GPUs are in use an old replica must leave before a new one can come.
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": template(ask, "Always"),
        },
    })
}

fn service(ask: &Ask, project: &str, token: &str) -> Value {
    let spec = if ask.kind == JobKind::Distributed {
        // Headless: each pod has an address of its own, also before it is ready, for they wait for each other.
        json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {LABEL_NAME: ask.name}})
    } else {
        json!({
            "type": "ClusterIP", "selector": {LABEL_NAME: ask.name},
            "ports": [{"name": "http", "port": ask.port, "targetPort": ask.port}],
        })
    };
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(ask, project, token), "spec": spec})
}

fn template(ask: &Ask, restart: &str) -> Value {
    let mut container = json!({
        "name": "main", "image": ask.image,
        "resources": {"limits": {GPU_RESOURCE: ask.gpus_per_pod.to_string()}},
        // Loaders of data hand it over in shared memory, of which a pod has 64 MiB otherwise.
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],
    });
    if !ask.command.is_empty() {
        container["command"] = json!(ask.command);
    }
    if !ask.arguments.is_empty() {
        container["args"] = json!(ask.arguments);
    }
    let environment = environment(ask);
    if !environment.is_empty() {
        container["env"] = json!(environment);
    }
    if ask.kind == JobKind::Inference {
        container["ports"] = json!([{"name": "http", "containerPort": ask.port}]);
    }
    let mut spec = json!({
        "restartPolicy": restart,
        // The program has no business with the cluster.
        "automountServiceAccountToken": false,
        "containers": [container],
        "volumes": [{"name": "shared-memory", "emptyDir": {"medium": "Memory"}}],
    });
    if let Some(class) = &ask.class {
        spec["nodeSelector"] = json!(class.node_labels);
    }
    json!({"metadata": {"labels": {LABEL_NAME: ask.name}}, "spec": spec})
}

fn environment(ask: &Ask) -> Vec<Value> {
    let mut variables: Vec<(&str, String)> = Vec::new();
    if ask.kind == JobKind::Distributed {
        variables.push(("MASTER_ADDR", format!("{0}-0.{0}", ask.name)));
        variables.push(("MASTER_PORT", MASTER_PORT.to_owned()));
        variables.push(("WORLD_SIZE", ask.pods.to_string()));
    }
    variables.extend(ask.environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    variables.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// A Job as the request that comes nearest to it. What the form cannot say is left out.
#[must_use]
pub fn request_of_job(job: &Job) -> Option<JobRequest> {
    let spec = job.spec.as_ref()?;
    let parallelism = i64::from(spec.parallelism.unwrap_or(1));
    let completions = i64::from(spec.completions.unwrap_or(1));
    let said = kind_of(job.metadata.annotations.as_ref());
    let kind =
        said.unwrap_or(match (spec.completion_mode.as_deref(), completions > parallelism, parallelism > 1) {
            (_, true, _) => JobKind::Sweep,
            (_, false, true) => JobKind::Distributed,
            _ => JobKind::Training,
        });
    let annotations = job.metadata.annotations.as_ref();
    let checkpoint = annotations.and_then(|a| a.get(ANNOTATION_CHECKPOINT_SECONDS)?.parse().ok());
    Some(JobRequest {
        name: job.metadata.name.clone()?,
        pods: parallelism,
        tasks: (kind == JobKind::Sweep).then_some(completions),
        run_limit_seconds: spec.active_deadline_seconds,
        checkpoint_seconds: checkpoint,
        ..request_of_template(&spec.template, kind)?
    })
}

/// A Deployment as the request that comes nearest to it.
#[must_use]
pub fn request_of_deployment(deployment: &Deployment) -> Option<JobRequest> {
    let spec = deployment.spec.as_ref()?;
    Some(JobRequest {
        name: deployment.metadata.name.clone()?,
        pods: i64::from(spec.replicas.unwrap_or(1)).max(1),
        ..request_of_template(&spec.template, JobKind::Inference)?
    })
}

fn kind_of(annotations: Option<&BTreeMap<String, String>>) -> Option<JobKind> {
    JobKind::of_name(annotations?.get(ANNOTATION_KIND)?)
}

fn request_of_template(template: &PodTemplateSpec, kind: JobKind) -> Option<JobRequest> {
    let container = template.spec.as_ref()?.containers.first()?;
    let made_by_us = |name: &str| {
        kind == JobKind::Distributed && ["MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE"].contains(&name)
    };
    let variables = container.env.iter().flatten().filter(|variable| !made_by_us(&variable.name));
    let port = container.ports.iter().flatten().next().map(|port| i64::from(port.container_port));
    Some(JobRequest {
        kind,
        image: container.image.clone().unwrap_or_default(),
        command: container.command.clone().unwrap_or_default(),
        arguments: container.args.clone().unwrap_or_default(),
        environment: variables
            .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
            .collect(),
        gpus_per_pod: gpus(container),
        port: port.filter(|_| kind == JobKind::Inference),
        ..JobRequest::default()
    })
}

/// GPUs of a container.
#[must_use]
pub fn gpus(container: &Container) -> i64 {
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    limits.and_then(|limits| limits.get(GPU_RESOURCE)?.0.parse().ok()).unwrap_or(0)
}
