//! Projects: each gets a namespace of its name, in which its people may work, apart from others and within bounds.

mod bounds;

use concord_api::names::{LABEL_MEMBER, LABEL_PROJECT, ROLE_RESEARCHER};
use concord_api::project::PersonKind;
use concord_api::{Project, conditions};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::write::{WriteError, Writer};

const SETTING_UP: &str = "SettingUp";
const GRANT_ENDED: &str = "GrantEnded";

/// Makes the project's namespace and rights, and says in its status how that went.
///
/// # Errors
/// When the API server did not answer or refused; the caller tries again later.
pub async fn set_up(
    writer: &Writer,
    project: &Project,
    member_known: bool,
    now: Timestamp,
) -> Result<Project, WriteError> {
    let name = project.name_any();
    let namespaces: Api<Namespace> = Api::all(writer.client().clone());
    let verdict = if !member_known {
        Err((
            "UnknownMember",
            format!("no treaty in force has a member or a reserve {:?}", project.spec.member),
        ))
    } else if is_reserved(&name) {
        Err((
            "NameReserved",
            format!("{name:?} is reserved for the cluster; make a project with another name"),
        ))
    } else if belongs_to_others(&namespaces, &name).await {
        Err((
            "NamespaceTaken",
            format!("a namespace {name:?} exists that no project owns; make a project with another name"),
        ))
    } else {
        writer.apply(&namespaces, "namespace", &name, namespace(project)).await?;
        let bindings: Api<RoleBinding> = Api::namespaced(writer.client().clone(), &name);
        writer.apply(&bindings, "rolebinding", "concord-people", binding(project, now)).await?;
        if bounds::set_up(writer, &name).await? {
            Ok(())
        } else {
            Err((SETTING_UP, format!("namespace {name} is being set up")))
        }
    };
    let mut status = project.status.clone().unwrap_or_default();
    let before = status.clone();
    status.observed_generation = project.metadata.generation;
    status.record_salt.get_or_insert_with(concord_ledger::redact::new_salt);
    status.namespace = verdict.is_ok().then(|| name.clone()).or(status.namespace);
    let (ready, reason, message) = match &verdict {
        Ok(()) if !project.is_open(now) => (
            true,
            GRANT_ENDED,
            format!("the grant has ended; nobody may submit in namespace {name} any more"),
        ),
        Ok(()) => (true, "NamespaceReady", format!("{} may work in namespace {name}", people(project))),
        Err((reason, message)) => (false, *reason, message.clone()),
    };
    conditions::set(
        &mut status.conditions,
        "Ready",
        ready,
        reason,
        &message,
        &Time(now),
        project.metadata.generation,
    );
    if status == before {
        return Ok(project.clone());
    }
    writer.apply_project_status(project, &status).await
}

/// Whether there is something left to wait for before the project is ready.
pub fn is_being_set_up(project: &Project) -> bool {
    let conditions = project.status.iter().flat_map(|status| &status.conditions);
    conditions.filter(|c| c.type_ == "Ready").any(|c| c.reason == SETTING_UP)
}

/// Whether its grant has ended, and its people still have their rights.
pub fn has_just_ended(project: &Project, now: Timestamp) -> bool {
    let conditions = project.status.iter().flat_map(|status| &status.conditions);
    !project.is_open(now) && !conditions.filter(|c| c.type_ == "Ready").any(|c| c.reason == GRANT_ENDED)
}

async fn belongs_to_others(namespaces: &Api<Namespace>, name: &str) -> bool {
    match namespaces.get_opt(name).await {
        Ok(Some(found)) => found.labels().get(LABEL_PROJECT).map(String::as_str) != Some(name),
        Ok(None) | Err(_) => false,
    }
}

fn is_reserved(name: &str) -> bool {
    name == "default" || name.starts_with("kube-") || name.starts_with("concord-")
}

fn namespace(project: &Project) -> Value {
    let name = project.name_any();
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": name,
            // A privileged container sees every GPU of its node, whoever was given them.
            "labels": {
                LABEL_PROJECT: name, LABEL_MEMBER: project.spec.member,
                "pod-security.kubernetes.io/enforce": "baseline",
            },
            "ownerReferences": [project.controller_owner_ref(&())],
        },
    })
}

/// The rights of its people; once its grant has ended, nobody has any.
fn binding(project: &Project, now: Timestamp) -> Value {
    let people = project.spec.people.iter().filter(|_| project.is_open(now));
    let subject = |p: &concord_api::project::Person| {
        let kind = match p.kind {
            PersonKind::User => "User",
            PersonKind::Group => "Group",
        };
        json!({"kind": kind, "name": p.name, "apiGroup": "rbac.authorization.k8s.io"})
    };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "concord-people"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE_RESEARCHER},
        "subjects": people.map(subject).collect::<Vec<_>>(),
    })
}

fn people(project: &Project) -> String {
    match project.spec.people.len() {
        0 => "nobody yet".to_owned(),
        1 => "1 person or group".to_owned(),
        n => format!("{n} people and groups"),
    }
}
