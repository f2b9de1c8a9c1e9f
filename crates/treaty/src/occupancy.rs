//! Who uses what, node by node and member by member, while one decision is being made.
//!
//! A node that carries guaranteed work of a member is *bound* to that member: no other member's guaranteed work
//! goes there, borrowers may. Since every member binds at most as many nodes as its guarantee is worth, an unbound
//! node can always be found for a member that is inside its guarantee, whatever the borrowers do. This is the cell
//! argument of HiveD (OSDI'20) for one level of cells, the node.

use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, Gang, Phase, Slot, Snapshot};
use crate::treaty::{Treaty, cell_gpus};
use crate::units::{Gpus, MemberId, TimestampMillis};

/// Working state of one decision.
pub(crate) struct Occupancy<'a> {
    pub(crate) treaty: &'a Treaty,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now: TimestampMillis,
    /// GPUs of the largest node.
    pub(crate) cell: Gpus,
    pub(crate) nodes: Vec<NodeUse>,
    pub(crate) members: Vec<MemberUse>,
    /// By claim index: the current basis, changed by promotion and demotion.
    pub(crate) basis: Vec<Option<Basis>>,
    /// By claim index: why it must leave, if it must.
    pub(crate) doomed: Vec<Option<ReclaimReason>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct NodeUse {
    pub(crate) gpus: Gpus,
    pub(crate) schedulable: bool,
    /// Held by nobody, though perhaps promised.
    pub(crate) free: Gpus,
    /// Held by claims that must leave.
    pub(crate) leaving: Gpus,
    /// Promised to guaranteed claims that wait for the leaving ones.
    pub(crate) promised: Gpus,
    /// Member whose guaranteed work is here, and how much of it, promises included.
    pub(crate) bound_to: Option<MemberId>,
    pub(crate) guaranteed: Gpus,
    /// Claim indices of borrowers here.
    pub(crate) borrowers: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MemberUse {
    pub(crate) guaranteed: Gpus,
    pub(crate) borrowed: Gpus,
    /// Nodes bound to the member.
    pub(crate) cells: u32,
}

impl NodeUse {
    /// GPUs that can be handed out now without breaking a promise.
    pub(crate) fn available(&self) -> Gpus {
        self.free.min((self.free + self.leaving).saturating_sub(self.promised))
    }

    /// True when nothing runs here and nothing is promised.
    pub(crate) fn is_whole(&self, cell: Gpus) -> bool {
        self.schedulable && self.gpus == cell && self.available() == cell
    }

    /// Room as if no borrower existed: what the member would see alone.
    pub(crate) fn room_alone(&self) -> Gpus {
        self.gpus.saturating_sub(self.guaranteed)
    }
}

impl<'a> Occupancy<'a> {
    pub(crate) fn new(treaty: &'a Treaty, snapshot: &'a Snapshot, now: TimestampMillis) -> Self {
        let nodes = snapshot.nodes.iter().map(|n| NodeUse {
            gpus: n.gpus,
            schedulable: n.schedulable,
            free: n.gpus,
            ..NodeUse::default()
        });
        let mut occupancy = Self {
            treaty,
            snapshot,
            now,
            cell: cell_gpus(&snapshot.nodes),
            nodes: nodes.collect(),
            members: vec![MemberUse::default(); treaty.members().len()],
            basis: vec![None; snapshot.claims.len()],
            doomed: vec![None; snapshot.claims.len()],
        };
        for index in 0..snapshot.claims.len() {
            occupancy.count_holding(index);
        }
        occupancy
    }

    fn count_holding(&mut self, index: usize) {
        let claim = &self.snapshot.claims[index];
        let Some(holding) = claim.holding() else { return };
        self.basis[index] = Some(holding.basis);
        self.add_use(claim.member, holding.basis, slots_gpus(&holding.slots));
        for slot in &holding.slots {
            let Some(n) = self.snapshot.node_index(&slot.node) else { continue };
            let node = &mut self.nodes[n];
            node.free = node.free.saturating_sub(slot.gpus);
            match holding.basis {
                Basis::Guaranteed => self.bind(n, claim.member, slot.gpus),
                Basis::Borrowed => node.borrowers.push(index),
            }
            if holding.phase == Phase::Stopping {
                self.nodes[n].leaving += slot.gpus;
            }
        }
    }

    pub(crate) fn claim(&self, index: usize) -> &'a Claim {
        &self.snapshot.claims[index]
    }

    pub(crate) fn add_use(&mut self, member: MemberId, basis: Basis, gpus: Gpus) {
        let usage = &mut self.members[member.index()];
        match basis {
            Basis::Guaranteed => usage.guaranteed += gpus,
            Basis::Borrowed => usage.borrowed += gpus,
        }
    }

    pub(crate) fn sub_use(&mut self, member: MemberId, basis: Basis, gpus: Gpus) {
        let usage = &mut self.members[member.index()];
        let counter = match basis {
            Basis::Guaranteed => &mut usage.guaranteed,
            Basis::Borrowed => &mut usage.borrowed,
        };
        *counter = counter.saturating_sub(gpus);
    }

    pub(crate) fn bind(&mut self, n: usize, member: MemberId, gpus: Gpus) {
        let node = &mut self.nodes[n];
        node.guaranteed += gpus;
        if node.bound_to.is_none() {
            node.bound_to = Some(member);
            self.members[member.index()].cells += 1;
        }
    }

    pub(crate) fn unbind(&mut self, n: usize, gpus: Gpus) {
        let node = &mut self.nodes[n];
        node.guaranteed = node.guaranteed.saturating_sub(gpus);
        if node.guaranteed == 0
            && let Some(member) = node.bound_to.take()
        {
            let cells = &mut self.members[member.index()].cells;
            *cells = cells.saturating_sub(1);
        }
    }

    /// Nodes that the member's guarantee is worth.
    pub(crate) fn cells_of(&self, member: MemberId) -> u32 {
        self.treaty.member(member).guarantee.div_ceil(self.cell.max(1))
    }

    /// Total GPUs of the member.
    pub(crate) fn use_of(&self, member: MemberId) -> Gpus {
        let usage = &self.members[member.index()];
        usage.guaranteed + usage.borrowed
    }

    /// Marks a holding claim as having to leave; its GPUs count as leaving everywhere it runs.
    pub(crate) fn doom(&mut self, index: usize, reason: ReclaimReason) {
        if self.doomed[index].is_some() {
            return;
        }
        let Some(holding) = self.claim(index).holding() else { return };
        self.doomed[index] = Some(reason);
        if holding.phase == Phase::Stopping {
            return; // counted as leaving from the start
        }
        for slot in &holding.slots {
            if let Some(n) = self.snapshot.node_index(&slot.node) {
                self.nodes[n].leaving += slot.gpus;
            }
        }
    }

    /// True when the claim already leaves or must leave.
    pub(crate) fn is_leaving(&self, index: usize) -> bool {
        self.doomed[index].is_some()
            || self.claim(index).holding().is_some_and(|h| h.phase == Phase::Stopping)
    }

    /// Work that stopping this borrower for that claim would newly waste; nothing if it was told to leave for that
    /// very claim, so that a later round chooses the same victims again and a notice is not given in vain.
    pub(crate) fn new_loss(&self, borrower: usize, claim: usize) -> u64 {
        match self.claim(borrower).holding() {
            Some(h) if h.promised_to.as_ref() == Some(&self.claim(claim).id) => 0,
            Some(h) if h.phase != Phase::Stopping => h.work_at(self.now).saturating_add(1),
            _ => 0,
        }
    }

    /// Takes the GPUs of an admission out of the pool.
    pub(crate) fn take(&mut self, member: MemberId, basis: Basis, places: &[(usize, Gpus)]) {
        for &(n, gpus) in places {
            self.nodes[n].free = self.nodes[n].free.saturating_sub(gpus);
            if basis == Basis::Guaranteed {
                self.bind(n, member, gpus);
            }
        }
        self.add_use(member, basis, places.iter().map(|p| p.1).sum());
    }

    /// Promises places to a guaranteed claim that must wait for leaving borrowers.
    pub(crate) fn promise(&mut self, member: MemberId, places: &[(usize, Gpus)]) {
        for &(n, gpus) in places {
            self.nodes[n].promised += gpus;
            self.bind(n, member, gpus);
        }
        self.add_use(member, Basis::Guaranteed, places.iter().map(|p| p.1).sum());
    }

    /// Whole-node places, or one place, as slots with names.
    pub(crate) fn slots(&self, places: &[(usize, Gpus)]) -> Vec<Slot> {
        places.iter().map(|&(n, gpus)| Slot { node: self.snapshot.nodes[n].name.clone(), gpus }).collect()
    }

    /// True when the pool, empty, could hold the gang.
    pub(crate) fn could_ever_fit(&self, gang: Gang) -> bool {
        let whole = self.nodes.iter().filter(|n| n.gpus == self.cell).count();
        match gang.whole_nodes(self.cell) {
            Ok(None) => whole > 0,
            Ok(Some(count)) => count as usize <= whole,
            Err(_) => false,
        }
    }
}

pub(crate) fn slots_gpus(slots: &[Slot]) -> Gpus {
    slots.iter().map(|s| s.gpus).sum()
}
