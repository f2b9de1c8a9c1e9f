//! What is wrong at one moment, for the record of incidents. Pure.

use concord_api::Treaty;
use concord_api::node::PoolNode;

use super::Seen;

/// Most that are kept of one moment: a pool whose nodes all fail at once is told by 1,000 of them.
const TROUBLES_MAX: usize = 1_000;

/// Something wrong, recognised again by kind and subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// What kind.
    pub kind: Kind,
    /// Which node or treaty.
    pub subject: String,
    /// In words of the cluster, in English; may be empty.
    pub detail: String,
}

/// Kinds of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The pool cannot keep its promises.
    PromiseNotKept,
    /// No treaty rules the pool.
    NoTreaty,
    /// A node with GPUs is not ready.
    NodeNotReady,
    /// A node's agent calls GPUs broken.
    GpuUnhealthy,
}

impl Kind {
    /// All, worst first.
    pub const ALL: [Self; 4] = [Self::PromiseNotKept, Self::NoTreaty, Self::NodeNotReady, Self::GpuUnhealthy];

    /// As in the database, in JSON and in the keys of texts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PromiseNotKept => "promise-not-kept",
            Self::NoTreaty => "no-treaty",
            Self::NodeNotReady => "node-not-ready",
            Self::GpuUnhealthy => "gpu-unhealthy",
        }
    }
}

/// All of this moment, bounded.
#[must_use]
pub fn all(ruling: Option<&Treaty>, seen: &Seen) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    match ruling {
        None => {
            troubles.push(Trouble { kind: Kind::NoTreaty, subject: String::new(), detail: String::new() });
        }
        Some(treaty) => troubles.extend(not_kept(treaty)),
    }
    for node in seen.nodes.iter().flatten() {
        // A cordoned node is somebody's decision, and no incident.
        let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
        if !cordoned && PoolNode::of(node).is_some_and(|node| !node.schedulable) {
            troubles.push(Trouble {
                kind: Kind::NodeNotReady,
                subject: node.metadata.name.clone().unwrap_or_default(),
                detail: String::new(),
            });
        }
    }
    for node in seen.gpu_nodes.iter().flatten() {
        let Some(status) = node.status.as_ref().filter(|status| status.unhealthy_gpus > 0) else { continue };
        let mut reasons: Vec<&str> = status.gpus.iter().filter_map(|gpu| gpu.reason.as_deref()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        troubles.push(Trouble {
            kind: Kind::GpuUnhealthy,
            subject: node.metadata.name.clone().unwrap_or_default(),
            detail: format!("{} GPU: {}", status.unhealthy_gpus, reasons.join(", ")),
        });
    }
    troubles.sort_unstable();
    troubles.truncate(TROUBLES_MAX);
    troubles
}

fn not_kept(treaty: &Treaty) -> Option<Trouble> {
    let conditions = &treaty.status.as_ref()?.conditions;
    let kept = conditions.iter().find(|condition| condition.type_ == "Kept")?;
    (kept.status == "False").then(|| Trouble {
        kind: Kind::PromiseNotKept,
        subject: treaty.metadata.name.clone().unwrap_or_default(),
        detail: kept.message.chars().take(500).collect(),
    })
}
