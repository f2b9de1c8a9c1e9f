//! Answers applications and makes the projects that were granted; the rules are in [`crate::applications`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use concord_api::{Application, Project};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::Operator;
use crate::applications::{Act, next};
use crate::hours;
use crate::upkeep::{Chore, api_version};
use crate::view::Key;
use crate::write::chain;

/// An application takes at most: answer, project, and the note that the project was made. What is left is done next cycle.
const ROUNDS_MAX: usize = 3;
/// Acts of one round: a deadline's rush of applications must not keep claims waiting for their admission. Their own writes bring
/// the next cycle.
const ACTS_MAX: usize = 50;
/// Pause after a write that failed.
const REST: Duration = Duration::from_secs(5);

impl Operator {
    /// Does what is to be done for each application; what fails is tried again with the next cycle.
    pub(super) async fn answer_applications(&mut self) {
        if Instant::now() < self.applications_rest_until {
            return;
        }
        let now = Timestamp::now();
        for _ in 0..ROUNDS_MAX {
            let acts = self.next_acts(now);
            if acts.is_empty() {
                // Also those that were refused and then deleted.
                self.refused_applications.clear();
                return;
            }
            let mut all_written = true;
            for (name, project, act) in acts {
                let written = self.do_act(&name, &project, act).await;
                all_written &= written;
                if written {
                    self.refused_applications.remove(&name);
                } else {
                    self.refused_applications.insert(name);
                }
            }
            if !all_written {
                // One that is refused again and again must not fill the log and the API server.
                self.applications_rest_until = Instant::now() + REST;
                return;
            }
        }
    }

    /// Application, project and act; what was refused before comes last, so that it is in nobody's way.
    fn next_acts(&self, now: Timestamp) -> Vec<(String, String, Act)> {
        let Some((treaty, rules)) = self.world.treaty_in_force(now) else { return Vec::new() };
        let act = |application: &Application| {
            let name = &application.spec.project;
            let project = self.world.projects.get(&Key::cluster(name)).map(|p| &p.object);
            let act = next(application, project, treaty, &rules, now)?;
            Some((application.name_any(), name.clone(), act))
        };
        let mut acts: Vec<_> =
            self.world.applications.values().filter_map(|seen| act(&seen.object)).collect();
        acts.sort_by_key(|(name, ..)| self.refused_applications.contains(name));
        acts.truncate(ACTS_MAX);
        acts
    }

    /// Adds the use of claims that are to go to their projects, where tiers limit it; a claim whose use could not be added
    /// stays, and is tried again.
    pub(super) async fn book_leaving(&mut self, chores: &mut Vec<(Key, Chore)>, now: Timestamp) {
        let going: Vec<&Key> = chores
            .iter()
            .filter(|(_, chore)| matches!(chore, Chore::RemoveFinalizer))
            .map(|(key, _)| key)
            .collect();
        if going.is_empty() {
            return;
        }
        let Some((_, rules)) = self.world.treaty_in_force(now) else { return };
        let mut leaving: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        for key in going {
            let Some(claim) = self.world.claims.get(key) else { continue };
            let project = self.world.projects.get(&Key::cluster(&claim.spec.project)).map(|p| &p.object);
            if hours::must_be_booked(&rules, project, claim) {
                leaving.entry(claim.spec.project.clone()).or_default().push(key.clone());
            }
        }
        for (project, keys) in leaving {
            if !self.book_in_project(&project, &keys).await {
                chores.retain(|(key, _)| !keys.contains(key));
                self.failed.extend(keys);
            }
        }
    }

    async fn book_in_project(&mut self, name: &str, keys: &[Key]) -> bool {
        let Some(project) = self.world.projects.get(&Key::cluster(name)).map(|p| p.object.clone()) else {
            return true;
        };
        let claims = &self.world.claims;
        let uids: BTreeSet<&str> = claims.values().map(|claim| claim.uid.as_str()).collect();
        let leaving = keys.iter().filter_map(|key| claims.get(key));
        let status = project.status.clone().unwrap_or_default();
        let next = hours::booked(&status, leaving, |uid| uids.contains(uid));
        match self.writer.apply_project_status(&project, &next).await {
            Ok(project) => {
                self.world.absorb_project(&project);
                true
            }
            Err(error) => {
                tracing::warn!(project = name, error = chain(&error), "use not booked; trying again");
                false
            }
        }
    }

    /// Whether it was written.
    async fn do_act(&mut self, name: &str, project: &str, act: Act) -> bool {
        let outcome = match act {
            Act::Answer(status) => {
                let api: Api<Application> = Api::all(self.writer.client().clone());
                let written = self.writer.apply_status(&api, "Application", name, json!(*status)).await;
                written.map(|application| drop(self.world.applications.absorb(&application)))
            }
            Act::Grant(spec) => {
                let api: Api<Project> = Api::all(self.writer.client().clone());
                let body = json!({"apiVersion": api_version(), "kind": "Project", "metadata": {"name": project}, "spec": *spec});
                let written = self.writer.apply(&api, "project", project, body).await;
                written.map(|made| {
                    self.world.absorb_project(&made);
                    self.world.touched_projects.insert(project.to_owned());
                })
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(
                application = name,
                error = chain(&error),
                "application not answered; trying again"
            );
            return false;
        }
        true
    }
}
