//! Whom to tell to leave, so that a claim inside its guarantee gets a place of its shape: the set that loses least.
//!
//! No loop of reclaims is possible. Due claims are never told to leave. A claim inside the guarantee leaves only for
//! a due one, and each claim becomes due once. A borrower leaves for a due claim, or for one inside the guarantee of a
//! member that uses less than that; its own member's borrower only if it was submitted later.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::job::JobState;
use super::queue::Job;
use super::space::{Place, Shape};
use crate::snapshot::{Basis, Level};
use crate::units::{Gpus, MemberId};

/// Who needs a place.
pub(super) struct Demand {
    pub(super) shape: Shape,
    pub(super) member: MemberId,
    pub(super) submitted_at: i64,
    pub(super) due: bool,
    /// When the place has to be free; only for who is due.
    pub(super) promised_by: Option<i64>,
    /// End by its own account, if it starts when the notice is over.
    pub(super) ends_by: i64,
    /// Whoever leaves for another due claim may be told to leave sooner.
    pub(super) hurried: bool,
}

/// A place and who has to leave it.
pub(super) struct Found {
    pub(super) places: Vec<Place>,
    pub(super) victims: Vec<Job>,
    cost: Cost,
}

/// What a victim costs: first whose right is touched (nobody's, the own member's, another member's guarantee), then
/// the work lost in GPU-milliseconds.
type Cost = (u8, u64);

/// Order among places: cost, number of victims, free GPUs, node.
pub(super) type Rank = (Cost, usize, Gpus, u32);

/// One node on which the demand could be met.
#[derive(Clone)]
pub(super) struct Candidate {
    cost: Cost,
    free: Gpus,
    pub(super) node: u32,
    pub(super) victims: Vec<Job>,
}

impl Candidate {
    pub(super) fn rank(&self) -> Rank {
        (self.cost, self.victims.len(), self.free, self.node)
    }
}

impl Engine {
    /// The cheapest place, or none if what may not leave is in the way everywhere.
    pub(super) fn find_victims(&mut self, demand: &Demand) -> Option<Found> {
        let at_least = self.worth_a_look(demand);
        if at_least.len() < demand.shape.nodes as usize {
            return None;
        }
        if demand.shape.nodes == 1 || self.space.topology.is_one_rack() {
            return self.cheapest_of_all(demand, at_least);
        }
        let candidate = |(.., node): Rank| self.candidate(demand, node, &[]);
        self.gathered(demand, &at_least.into_iter().filter_map(candidate).collect::<Vec<_>>())
    }

    /// The cheapest place of all racks, all rows and the whole pool, as far as the demand may be spread; among equally
    /// cheap ones the one closest together, then where the fewest nodes could be had.
    fn gathered(&self, demand: &Demand, candidates: &[Candidate]) -> Option<Found> {
        let levels: &[Option<Level>] = match self.space.wish(demand.shape).and_then(|site| site.within) {
            Some(Level::Rack) => &[Some(Level::Rack)],
            Some(Level::Row) => &[Some(Level::Rack), Some(Level::Row)],
            None => &[Some(Level::Rack), Some(Level::Row), None],
        };
        let mut parts: BTreeMap<(usize, u32), Vec<Candidate>> = BTreeMap::new();
        for (spread, level) in levels.iter().enumerate() {
            for candidate in candidates {
                let part = self.space.topology.part_of(candidate.node, *level);
                parts.entry((spread, part)).or_default().push(candidate.clone());
            }
        }
        let found = parts.into_iter().filter_map(|((spread, part), candidates)| {
            let could_be_had = candidates.len();
            let found = self.cheapest(demand, candidates)?;
            Some(((found.cost, found.victims.len(), spread, could_be_had, part), found))
        });
        found.min_by_key(|(rank, _)| *rank).map(|(_, found)| found)
    }

    /// The cheapest place on these nodes; several nodes lie in racks that were begun, where the cost is equal.
    pub(super) fn cheapest(&self, demand: &Demand, mut candidates: Vec<Candidate>) -> Option<Found> {
        let wanted = demand.shape.nodes as usize;
        if candidates.len() < wanted {
            return None;
        }
        let mut chosen: Vec<Candidate> = Vec::with_capacity(wanted);
        let mut begun: BTreeSet<u32> = BTreeSet::new();
        while chosen.len() < wanted {
            let best = (0..candidates.len()).min_by_key(|&i| {
                let (cost, victims, free, node) = candidates[i].rank();
                let apart = !begun.is_empty() && !begun.contains(&self.space.topology.rack_of(node));
                (cost, victims, apart, free, node)
            })?;
            let taken = candidates.swap_remove(best);
            begun.insert(self.space.topology.rack_of(taken.node));
            // Who leaves one node leaves all: other nodes of the same gang become cheaper.
            let leaving: Vec<Job> =
                chosen.iter().flat_map(|c| &c.victims).chain(&taken.victims).copied().collect();
            for candidate in &mut candidates {
                if candidate.victims.iter().any(|v| leaving.contains(v))
                    && let Some(cheaper) = self.candidate(demand, candidate.node, &leaving)
                {
                    *candidate = cheaper;
                }
            }
            chosen.push(taken);
        }
        Some(self.found(demand, chosen))
    }

    /// The place that was chosen, without victims that need not leave.
    pub(super) fn found(&self, demand: &Demand, chosen: Vec<Candidate>) -> Found {
        let places: Vec<Place> = chosen.iter().map(|c| (c.node, demand.shape.gpus)).collect();
        let mut victims: Vec<Job> = chosen.into_iter().flat_map(|c| c.victims).collect();
        victims.sort_unstable();
        victims.dedup();
        self.put_back(&places, &mut victims, demand);
        let costs = victims.iter().filter_map(|&victim| self.cost(demand, victim));
        let cost = costs.fold((0, 0), |sum: Cost, one| (sum.0.max(one.0), sum.1.saturating_add(one.1)));
        Found { places, victims, cost }
    }

    /// Whether there would be a place once these have left, who leave anyway, and everybody who may be sent away.
    pub(super) fn has_place_without(&self, demand: &Demand, leaving: &[Job]) -> bool {
        let node_count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let demand = &Demand { promised_by: None, ..*demand };
        let nodes = (0..node_count).filter(|&node| self.candidate(demand, node, leaving).is_some());
        nodes.take(demand.shape.nodes as usize).count() == demand.shape.nodes as usize
    }

    /// Whether the demand may be met on the node, whoever is there: the node is open, as wished, and for long enough.
    pub(super) fn may_use(&self, demand: &Demand, node: u32) -> bool {
        !self.space.is_closed(node)
            && self.space.allows(demand.shape, node)
            && demand.ends_by <= self.windows.bound(node, demand.member)
    }

    /// GPUs of the node that the demand could have without anybody else being told to leave: who leaves for another may
    /// leave more than that needs, and that may be needed later than this.
    pub(super) fn free_in_time(&self, demand: &Demand, node: u32) -> Gpus {
        let free = self.space.free(node);
        if !demand.hurried && self.nodes[node as usize].kept.is_empty() && self.stopping.is_empty() {
            return free;
        }
        let slack = demand.promised_by.map_or(0, |by| self.slack(node, by, demand.hurried));
        free.max(Gpus::try_from(slack).unwrap_or(0))
    }

    /// The cheapest way to free the node for the demand, given that `leaving` leave anyway.
    pub(super) fn candidate(&self, demand: &Demand, node: u32, leaving: &[Job]) -> Option<Candidate> {
        let state = &self.nodes[node as usize];
        let need = demand.shape.gpus;
        if state.capacity < need || !self.may_use(demand, node) {
            return None;
        }
        let mut free = self.free_in_time(demand, node);
        let mut able: Vec<(Cost, Job)> = Vec::with_capacity(state.holders.len());
        for &job in &state.holders {
            if leaving.contains(&job) {
                free += self.gpus_on(job, node);
            } else if let Some(cost) = self.cost(demand, job) {
                able.push((cost, job));
            }
        }
        able.sort_unstable();
        let (mut cost, mut victims): (Cost, Vec<Job>) = ((0, 0), Vec::new());
        for (single, job) in able {
            if free >= need {
                break;
            }
            free += self.gpus_on(job, node);
            cost = (cost.0.max(single.0), cost.1.saturating_add(single.1));
            victims.push(job);
        }
        let now_free = self.space.free(node);
        (free >= need).then_some(Candidate { cost, free: now_free, node, victims })
    }

    /// What it costs to send this claim away for the demand; `None` if it may not be sent away.
    fn cost(&self, demand: &Demand, job: Job) -> Option<Cost> {
        let record = self.record(job);
        let JobState::Running { basis, .. } = record.state else { return None };
        if self.has_just_started(job) {
            return None;
        }
        let own = record.spec.member == demand.member;
        let right = match basis {
            Basis::Borrowed if demand.due || !own || record.spec.submitted_at.0 > demand.submitted_at => 0,
            Basis::Guaranteed if demand.due && own => 1,
            Basis::Guaranteed if demand.due => 2,
            Basis::Borrowed | Basis::Guaranteed | Basis::Due => return None,
        };
        Some((right, record.work_lost(self.now)))
    }

    /// A plan cannot both start a claim and tell it to leave; the next one can.
    pub(super) fn has_just_started(&self, job: Job) -> bool {
        self.record(job).has_just_started
    }

    /// Lets every victim stay that is not needed after all, the dearest first.
    pub(super) fn put_back(&self, places: &[Place], victims: &mut Vec<Job>, demand: &Demand) {
        let mut dearest_first = victims.clone();
        dearest_first.sort_unstable_by_key(|&v| std::cmp::Reverse((self.cost(demand, v), v)));
        for victim in dearest_first {
            let enough_without = places.iter().all(|&(node, need)| {
                let leaving = victims.iter().filter(|&&v| v != victim).map(|&v| self.gpus_on(v, node));
                self.space.free(node) + leaving.sum::<Gpus>() >= need
            });
            if enough_without {
                victims.retain(|&v| v != victim);
            }
        }
    }

    pub(super) fn gpus_on(&self, job: Job, node: u32) -> Gpus {
        self.record(job).places.iter().filter(|(n, _)| *n == node).map(|(_, gpus)| *gpus).sum()
    }
}
