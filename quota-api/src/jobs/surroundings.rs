//! What a preview has to know beside treaties and claims: projects, nodes, what agents say of them, and quotas inside
//! members. Watched like those ([`crate::pool`]), and read by nobody but members of projects.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_api::member_quota::in_force;
use concord_api::node::PoolNode;
use concord_api::project::PersonKind;
use concord_api::snapshot::{SeenClaim, millis, snapshot};
use concord_api::{GpuClaim, GpuNode, MemberQuota, Project, Treaty, conditions};
use concord_treaty::treaty::Treaty as Rules;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::reflector::{Store, store};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use super::preview::Picture;
use crate::auth::Principal;
use crate::error::Error;
use crate::pool::{Link, Pool, feed};

/// The stores.
pub struct Surroundings {
    projects: Store<Project>,
    nodes: Store<Node>,
    gpu_nodes: Store<GpuNode>,
    quotas: Store<MemberQuota>,
    links: [watch::Receiver<Link>; 4],
}

impl Surroundings {
    /// The stores, and the work that feeds them; it never ends.
    pub fn follow(client: &Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (projects, project_writer) = store();
        let (nodes, node_writer) = store();
        let (gpu_nodes, gpu_node_writer) = store();
        let (quotas, quota_writer) = store();
        let channels = [(); 4].map(|()| watch::channel(Link::default()));
        let links = channels.each_ref().map(|(_, seen)| seen.clone());
        let [of_projects, of_nodes, of_gpu_nodes, of_quotas] = channels.map(|(sender, _)| sender);
        let client = client.clone();
        let work = async move {
            tokio::join!(
                feed::<Project>(Api::all(client.clone()), project_writer, of_projects, |_| {}),
                feed::<Node>(Api::all(client.clone()), node_writer, of_nodes, prune_node),
                feed::<GpuNode>(Api::all(client.clone()), gpu_node_writer, of_gpu_nodes, prune_gpu_node),
                feed::<MemberQuota>(Api::all(client), quota_writer, of_quotas, |_| {}),
            );
        };
        (Self { projects, nodes, gpu_nodes, quotas, links }, work)
    }

    /// Whether the first lists are complete.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.links.iter().all(|link| link.borrow().synced)
    }

    /// Whether the connection to the cluster is whole, so that what is shown is of now.
    #[must_use]
    pub fn are_live(&self) -> bool {
        self.links.iter().all(|link| link.borrow().synced && link.borrow().broken.is_none())
    }

    /// The ready projects to which a person belongs, by name.
    ///
    /// # Errors
    /// Before the first lists are complete: nobody must be told that they have no project because of that.
    pub fn projects_of(&self, person: &Principal) -> Result<Vec<Arc<Project>>, Error> {
        if !self.are_known() {
            return Err(Error::NotReady("the first list of projects.concord.dev".to_owned()));
        }
        let names = Names::of(person);
        let mut found = self.projects.state_filter(|project| is_ready(project) && names.belong_to(project));
        found.sort_by_key(|project| project.name_any());
        Ok(found)
    }

    /// A project of the person's. One of others is as unknown as one that does not exist.
    ///
    /// # Errors
    /// When there is none of that name, or before the first lists are complete.
    pub fn project_of(&self, person: &Principal, name: &str) -> Result<Arc<Project>, Error> {
        let all = self.projects_of(person)?;
        all.into_iter().find(|project| project.name_any() == name).ok_or(Error::NotFound)
    }

    /// The engine's input as the operator makes it; `None` while no sound treaty is in force.
    #[must_use]
    pub fn picture(&self, pool: &Pool, now: Timestamp) -> Option<Picture> {
        let treaty = pool.treaty_in_force()?;
        let rules = Rules::validate_for_cluster(&treaty.spec.document()).ok()?;
        let (quotas, projects, agents) = (self.quotas.state(), self.projects.state(), self.gpu_nodes.state());
        let quotas = in_force(quotas.iter().map(AsRef::as_ref), &rules);
        let by_name: BTreeMap<String, &Project> = projects.iter().map(|p| (p.name_any(), p.as_ref())).collect();
        let unhealthy: BTreeMap<String, u32> = agents.iter().map(|n| (n.name_any(), n.unhealthy_gpus())).collect();
        let nodes = self.nodes.state();
        let nodes = nodes.iter().filter_map(|node| {
            let name = node.name_any();
            let broken = unhealthy.get(&name).copied().unwrap_or(0);
            Some(PoolNode::of(node)?.in_snapshot(&name, broken))
        });
        let claims = pool.claims();
        let claims = claims.iter().map(|claim: &Arc<GpuClaim>| {
            let project = by_name.get(&claim.spec.project).map(|project| &project.spec);
            SeenClaim { project, ..SeenClaim::from(claim.as_ref()) }
        });
        let snapshot = snapshot(&rules, nodes, claims, quotas.clone(), now);
        Some(Picture { treaty: Version::of(&treaty), rules, quotas, snapshot, now: millis(now) })
    }
}

/// Which text of a treaty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Name of the object.
    pub name: String,
    /// Title.
    pub title: String,
    /// Generation of its text.
    pub generation: i64,
}

impl Version {
    /// That of a treaty as it is.
    #[must_use]
    pub fn of(treaty: &Treaty) -> Self {
        Self {
            name: treaty.name_any(),
            title: treaty.spec.title.clone(),
            generation: treaty.metadata.generation.unwrap_or(0),
        }
    }
}

/// A person as the API server knows one.
struct Names {
    user: String,
    groups: Vec<String>,
}

impl Names {
    fn of(person: &Principal) -> Self {
        Self { user: person.user_name(), groups: person.group_names() }
    }

    fn belong_to(&self, project: &Project) -> bool {
        project.spec.people.iter().any(|person| match person.kind {
            PersonKind::User => person.name == self.user,
            PersonKind::Group => self.groups.contains(&person.name),
        })
    }
}

/// Its namespace exists, and is its own: elsewhere a project of that name says nothing.
fn is_ready(project: &Project) -> bool {
    project.status.as_ref().is_some_and(|status| {
        status.namespace.as_deref() == project.metadata.name.as_deref() && conditions::holds(&status.conditions, "Ready")
    })
}

/// What the engine does not look at is most of a node.
fn prune_node(node: &mut Node) {
    if let Some(status) = &mut node.status {
        status.images = None;
        status.addresses = None;
        status.node_info = None;
    }
}

fn prune_gpu_node(node: &mut GpuNode) {
    if let Some(status) = &mut node.status {
        status.gpus = Vec::new();
    }
}
