//! The search for the cheapest place: nodes are looked at in the order of what they would cost at least, until no other
//! can be cheaper than what was found. It finds what a look at every claim on every node would find.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::Engine;
use super::leavers::LeaversByNode;
use super::queue::Job;
use super::reclaim::{Candidate, Demand, Found, Rank};

struct Search<'e> {
    engine: &'e Engine,
    demand: &'e Demand,
    /// By what they would cost at least; nodes that were looked at since are still here.
    unseen: BinaryHeap<Reverse<Rank>>,
    seen: BTreeSet<u32>,
    candidates: Vec<Candidate>,
}

impl Engine {
    /// The cheapest place on nodes that could meet the demand, given what each costs at least.
    pub(super) fn cheapest_of_all(&self, demand: &Demand, mut at_least: Vec<Rank>) -> Option<Found> {
        self.drop_hopeless(demand, &mut at_least);
        let unseen = at_least.into_iter().map(Reverse).collect();
        let search = Search { engine: self, demand, unseen, seen: BTreeSet::new(), candidates: Vec::new() };
        Some(self.found(demand, search.choose()?))
    }

    /// Nodes that could meet the demand and may be among the cheapest, with what they cost at least.
    pub(super) fn worth_a_look(&mut self, demand: &Demand) -> Vec<Rank> {
        self.refresh_leavers();
        let node_count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let first_look = |node: u32| {
            let missing = demand.shape.gpus.saturating_sub(self.free_in_time(demand, node));
            self.leavers.first_look(node, missing, demand.due, self.now)
        };
        let looks: Vec<u64> = (0..node_count).map(first_look).collect();
        // Where one node is enough, no other needs a look that costs more than the most promising one.
        let promising = (0..).zip(&looks).min_by_key(|(_, look)| **look);
        let promising = promising.filter(|_| demand.shape.nodes == 1);
        let found = promising.and_then(|(node, _)| Some(self.candidate(demand, node, &[])?.rank()));
        let most = match found {
            Some(((0, lost), ..)) => lost.min(LeaversByNode::OF_GUARANTEES - 1),
            _ => LeaversByNode::OF_GUARANTEES,
        };
        let worth = (0..).zip(looks).filter(|(_, look)| *look <= most);
        worth.filter_map(|(node, _)| self.at_least(demand, node)).collect()
    }

    /// Drops the nodes that cost more than what the most promising ones cost, as many as are wanted: nearly all.
    fn drop_hopeless(&self, demand: &Demand, at_least: &mut Vec<Rank>) {
        let wanted = demand.shape.nodes as usize;
        let (promising, last, _) = at_least.select_nth_unstable(wanted.saturating_sub(1));
        let ranks = promising
            .iter()
            .chain([&*last])
            .map(|&(.., node)| Some(self.candidate(demand, node, &[])?.rank()));
        let dearest = ranks.collect::<Option<Vec<Rank>>>().and_then(|ranks| ranks.into_iter().max());
        if let Some(dearest) = dearest {
            at_least.retain(|rank| *rank <= dearest);
        }
    }

    /// What the node costs at least; `None` if the demand cannot be met there.
    pub(super) fn at_least(&self, demand: &Demand, node: u32) -> Option<Rank> {
        let free = self.space.free(node);
        let missing = demand.shape.gpus.saturating_sub(self.free_in_time(demand, node));
        if self.space.is_closed(node) {
            return None;
        }
        let borrowed = self.leavers.borrowed(node);
        if missing <= borrowed.gpus {
            let victims = missing.div_ceil(borrowed.largest.max(1)) as usize;
            return Some(((0, borrowed.work_lost(missing, self.now)), victims, free, node));
        }
        let guaranteed = self.leavers.guaranteed(node);
        if !demand.due || missing > borrowed.gpus + guaranteed.gpus {
            return None;
        }
        let lost = borrowed.work_lost(borrowed.gpus, self.now);
        let lost = lost.saturating_add(guaranteed.work_lost(missing - borrowed.gpus, self.now));
        let victims = missing.div_ceil(borrowed.largest.max(guaranteed.largest).max(1)) as usize;
        Some(((1, lost), victims, free, node))
    }
}

impl Search<'_> {
    /// As many nodes as the gang needs, each time the cheapest.
    fn choose(mut self) -> Option<Vec<Candidate>> {
        let wanted = self.demand.shape.nodes as usize;
        let mut chosen: Vec<Candidate> = Vec::with_capacity(wanted);
        let mut leaving: Vec<Job> = Vec::new();
        while chosen.len() < wanted {
            let taken = self.take_cheapest()?;
            leaving.extend(&taken.victims);
            if chosen.len() + 1 < wanted {
                self.cheapen(&taken.victims, &leaving);
            }
            chosen.push(taken);
        }
        Some(chosen)
    }

    fn take_cheapest(&mut self) -> Option<Candidate> {
        let rank = |candidate: &Candidate| candidate.rank();
        let mut best = (0..self.candidates.len()).min_by_key(|&i| rank(&self.candidates[i]));
        while let Some(&Reverse(at_least)) = self.unseen.peek()
            && best.is_none_or(|best| at_least <= rank(&self.candidates[best]))
        {
            self.unseen.pop();
            let before = self.candidates.len();
            self.look_at(at_least.3);
            let new = (before..self.candidates.len()).next();
            best = best.into_iter().chain(new).min_by_key(|&i| rank(&self.candidates[i]));
        }
        best.map(|best| self.candidates.swap_remove(best))
    }

    fn look_at(&mut self, node: u32) {
        if self.seen.insert(node) {
            self.candidates.extend(self.engine.candidate(self.demand, node, &[]));
        }
    }

    /// Who leaves one node leaves all: other nodes of the same gang become cheaper.
    fn cheapen(&mut self, victims: &[Job], leaving: &[Job]) {
        for &victim in victims {
            for &(node, _) in self.engine.places(victim) {
                self.look_at(node);
            }
        }
        for candidate in &mut self.candidates {
            if candidate.victims.iter().any(|v| leaving.contains(v))
                && let Some(cheaper) = self.engine.candidate(self.demand, candidate.node, leaving)
            {
                *candidate = cheaper;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Against a look at every node, in pools where something happened.

    use proptest::prelude::*;

    use super::super::job::JobState;
    use super::super::site::SiteId;
    use super::super::space::{Place, Shape};
    use super::super::{AloneOrder, Engine, Event, JobSpec, MemberRules, Rules};
    use super::*;
    use crate::snapshot::{Gang, Standing};
    use crate::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};

    /// The same search without sums and bounds.
    fn by_looking_everywhere(engine: &Engine, demand: &Demand) -> Option<(Vec<Place>, Vec<Job>)> {
        let nodes = u32::try_from(engine.nodes.len()).unwrap();
        let candidates = (0..nodes).filter_map(|node| engine.candidate(demand, node, &[])).collect();
        engine.cheapest(demand, candidates).map(|found| (found.places, found.victims))
    }

    fn rules(guarantees: &[Gpus]) -> Rules {
        let member = |&guarantee: &Gpus| MemberRules {
            guarantee,
            ceiling: Gpus::MAX,
            keep: 0,
            weight: 1,
            closed: None,
            standing: Standing::default(),
        };
        Rules {
            inside: Vec::new(),
            aging: None,
            members: guarantees.iter().map(member).collect(),
            notice: DurationMillis(50),
            least_notice: DurationMillis(0),
            minimum_run: DurationMillis(0),
            alone_order: AloneOrder::Submission,
            shortest_first: true,
        }
    }

    fn happen(engine: &mut Engine, now: TimestampMillis, (kind, member, gang, which): (u8, u16, Gang, u32)) {
        let running = |job: &u32| matches!(engine.state(*job), JobState::Running { .. });
        let jobs = u32::try_from(engine.jobs.len()).unwrap();
        let running: Vec<u32> = (0..jobs).filter(running).collect();
        let one = running.get(which as usize % running.len().max(1)).copied();
        let event = match (kind, one) {
            (0, Some(job)) => Event::Finished { job, at: now },
            (1, Some(job)) => Event::Saved { job, at: now },
            _ => {
                let id = ClaimId::from(format!("c{jobs:04}").as_str());
                Event::Submitted(JobSpec::new(id, MemberId(member), gang, now))
            }
        };
        engine.apply(event);
        for action in engine.settle(now) {
            if let crate::engine::Action::Stop { job, .. } = action {
                engine.released(job);
            }
        }
    }

    fn any_gang() -> impl Strategy<Value = Gang> {
        prop_oneof![
            5 => (1..=4_u32).prop_map(|gpus| Gang { pods: 1, gpus_per_pod: gpus }),
            2 => (1..=4_u32).prop_map(|pods| Gang { pods, gpus_per_pod: 4 }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn finds_what_a_look_everywhere_finds(
            events in prop::collection::vec((0..6_u8, 0..3_u16, any_gang(), any::<u32>(), 0..40_i64), 1..120),
            demands in prop::collection::vec((any_gang(), 0..3_u16, any::<bool>(), 0..3_000_i64), 8),
        ) {
            let mut engine = Engine::new(rules(&[16, 8, 8]), &[4, 4, 4, 4, 4, 4, 4, 4, 2]);
            let mut now = 0;
            for (kind, member, gang, which, later) in events {
                now += later;
                happen(&mut engine, TimestampMillis(now), (kind, member, gang, which));
            }
            for (gang, member, due, submitted_at) in demands {
                let shape = Shape { gpus: gang.gpus_per_pod, nodes: gang.pods, site: SiteId::ANYWHERE };
                let promised_by = due.then_some(now + submitted_at % 100);
                let member = MemberId(member);
                let demand = Demand { shape, member, submitted_at, due, promised_by, ends_by: i64::MAX, hurried: false };
                let found = engine.find_victims(&demand).map(|f| (f.places, f.victims));
                prop_assert_eq!(found, by_looking_everywhere(&engine, &demand));
            }
        }
    }
}
