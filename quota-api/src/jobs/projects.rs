//! To which projects a person belongs: those whose people include the person, or one of the person's groups. The API server
//! asks the same of the namespace's binding, which the operator makes from that list.

use std::sync::Arc;

use concord_api::project::PersonKind;
use concord_api::{Project, conditions};
use kube::ResourceExt;

use crate::auth::Principal;
use crate::error::Error;
use crate::pool::Pool;

/// The ready projects of a person, by name.
///
/// # Errors
/// Before the first lists are complete: nobody must be told that they have no project because of that.
pub fn projects_of(pool: &Pool, person: &Principal) -> Result<Vec<Arc<Project>>, Error> {
    if !pool.knows("projects") {
        return Err(Error::NotReady("the first list of projects.concord.dev".to_owned()));
    }
    let (user, groups) = (person.user_name(), person.group_names());
    let belongs = |project: &Project| {
        project.spec.people.iter().any(|member| match member.kind {
            PersonKind::User => member.name == user,
            PersonKind::Group => groups.contains(&member.name),
        })
    };
    let mut found = pool.projects.state_filter(|project| is_ready(project) && belongs(project));
    found.sort_by_key(|project| project.name_any());
    Ok(found)
}

/// A project of the person's. One of others is as unknown as one that does not exist.
///
/// # Errors
/// When there is none of that name, or before the first lists are complete.
pub fn project_of(pool: &Pool, person: &Principal, name: &str) -> Result<Arc<Project>, Error> {
    let all = projects_of(pool, person)?;
    all.into_iter().find(|project| project.name_any() == name).ok_or(Error::NotFound)
}

/// Names of a person's projects.
///
/// # Errors
/// Before the first lists are complete.
pub fn names_of(pool: &Pool, person: &Principal) -> Result<Vec<String>, Error> {
    Ok(projects_of(pool, person)?.iter().map(|project| project.name_any()).collect())
}

/// Its namespace exists, and is its own: elsewhere a project of that name says nothing.
fn is_ready(project: &Project) -> bool {
    project.status.as_ref().is_some_and(|status| {
        status.namespace.as_deref() == project.metadata.name.as_deref()
            && conditions::holds(&status.conditions, "Ready")
    })
}
