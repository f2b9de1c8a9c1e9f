//! Coming into office and leaving it: what the cycle does when the lease changes hands.

use k8s_openapi::jiff::Timestamp;

use super::Operator;
use crate::lease::{Fence, fence};
use crate::observe;
use crate::serve::Readiness;
use crate::world::World;
use crate::write::chain;

/// What this operator does for the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Looks on.
    Standby,
    /// Holds the lease; an operator of an earlier term may still be able to write.
    Entering(Fence),
    /// Decides and writes.
    Leader(Fence),
}

impl Operator {
    pub(super) const fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Follows the lease.
    pub(super) fn take_up_role(&mut self) {
        let next = match (self.role, self.leadership.fence()) {
            (Role::Entering(ours) | Role::Leader(ours), Some(held)) if ours == held => return,
            (Role::Standby, None) => return,
            (_, Some(held)) => Role::Entering(held),
            (Role::Entering(_) | Role::Leader(_), None) => {
                tracing::warn!("this operator does not act any more");
                Role::Standby
            }
        };
        self.role = next;
        self.record.rest();
        self.writer.begin_term(None);
        self.failed.clear();
        self.world.uncertain.clear();
        (self.quiet, self.stalled) = (None, false);
        self.waits.clear();
        self.amendments.forget();
        self.metrics.pool.forget();
    }

    /// Who comes into office first sees that nobody of an earlier term can write any more, and then looks at everything
    /// anew: whatever was written before is in these lists.
    pub(super) async fn begin_term(&mut self, ticked: bool) {
        if let Role::Entering(ours) = self.role {
            match fence::is_closed(&self.writer, ours).await {
                Ok(()) => {
                    tracing::info!(fence = %ours, "earlier operators are shut out; looking at the pool anew");
                    self.sightings = observe::sightings(self.writer.client(), &self.metrics);
                    self.world = World::of_term(ours, self.record.is_kept());
                    self.record.begin();
                    self.world.looked_since = Some(Timestamp::now());
                    self.writer.begin_term(Some(ours));
                    self.role = Role::Leader(ours);
                }
                Err(open) if ticked => tracing::warn!(error = chain(&open), "not acting yet"),
                Err(_) => {}
            }
        }
        if !self.leads() {
            // Everything is touched again when a term begins.
            self.world.touched.clear();
            self.world.touched_projects.clear();
            self.world.stories.clear();
            self.record.take_readings();
        }
    }

    /// Tells whether it acts, by the metric too; true when it leads and has seen everything that it decides on.
    pub(super) fn tell_readiness(&self) -> bool {
        let mut waits_for = self.world.missing();
        waits_for.extend(matches!(self.role, Role::Entering(_)).then_some("the fence"));
        let now = Readiness { waits_for, stands_by: !self.leads() };
        self.metrics.leader.set(self.leads().into());
        let acts = now.waits_for.is_empty() && !now.stands_by;
        self.readiness.send_if_modified(|told| std::mem::replace(told, now.clone()) != now);
        acts
    }
}
