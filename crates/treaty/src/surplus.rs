//! Places for borrowed work: whatever is idle and neither promised nor kept by its owner.

use crate::occupancy::Occupancy;
use crate::snapshot::Gang;
use crate::units::{Gpus, MemberId};

/// Idle capacity during one decision; it only shrinks.
pub(crate) struct Surplus {
    /// Whole free nodes that owners keep for themselves.
    kept_nodes: u32,
    whole_nodes: u32,
}

/// Why a gang cannot borrow now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSurplus {
    NoneIdle,
    Kept,
}

impl Surplus {
    pub(crate) fn new(occupancy: &Occupancy<'_>) -> Self {
        let cell = occupancy.cell;
        let shortfall = |m: MemberId| {
            let kept =
                occupancy.treaty.member(m).keep.saturating_sub(occupancy.members[m.index()].guaranteed);
            kept.div_ceil(cell.max(1))
        };
        let whole = occupancy.nodes.iter().filter(|n| n.is_whole(cell)).count();
        Self {
            kept_nodes: occupancy.treaty.member_ids().map(shortfall).sum(),
            whole_nodes: u32::try_from(whole).unwrap_or(u32::MAX),
        }
    }

    /// Best fit: the fullest node that has room, unbound nodes first, because a bound node's owner is the likeliest
    /// to want it back.
    pub(crate) fn find(
        &self,
        occupancy: &Occupancy<'_>,
        gang: Gang,
    ) -> Result<Vec<(usize, Gpus)>, NoSurplus> {
        let spare = self.whole_nodes.saturating_sub(self.kept_nodes);
        match gang.whole_nodes(occupancy.cell) {
            Err(_) => Err(NoSurplus::NoneIdle),
            Ok(Some(count)) if count > self.whole_nodes => Err(NoSurplus::NoneIdle),
            Ok(Some(count)) if count > spare => Err(NoSurplus::Kept),
            Ok(Some(count)) => {
                let whole = occupancy.nodes.iter().enumerate().filter(|(_, n)| n.is_whole(occupancy.cell));
                Ok(whole.take(count as usize).map(|(n, _)| (n, occupancy.cell)).collect())
            }
            Ok(None) => self.find_on_one_node(occupancy, gang.gpus(), spare > 0),
        }
    }

    fn find_on_one_node(
        &self,
        occupancy: &Occupancy<'_>,
        gpus: Gpus,
        may_open: bool,
    ) -> Result<Vec<(usize, Gpus)>, NoSurplus> {
        let fits = |n: usize| occupancy.nodes[n].schedulable && occupancy.nodes[n].available() >= gpus;
        let open = |n: usize| may_open || !occupancy.nodes[n].is_whole(occupancy.cell);
        let nodes = 0..occupancy.nodes.len();
        let best = nodes.clone().filter(|&n| fits(n) && open(n)).min_by_key(|&n| {
            let node = &occupancy.nodes[n];
            (node.bound_to.is_some(), node.available() - gpus, n)
        });
        match best {
            Some(n) => Ok(vec![(n, gpus)]),
            None if nodes.into_iter().any(fits) => Err(NoSurplus::Kept),
            None => Err(NoSurplus::NoneIdle),
        }
    }

    /// Follows an admission made on whole nodes.
    pub(crate) fn opened(&mut self, whole_nodes: u32) {
        self.whole_nodes = self.whole_nodes.saturating_sub(whole_nodes);
    }
}
