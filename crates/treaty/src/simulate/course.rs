//! A replay under a [`Setting`]: what the treaty says goes along with the clock.
//!
//! When it says something else, each engine is made anew from what a caller would observe, as the operator decides under
//! an amendment; nothing that runs is lost by it. Windows are looked up a year ahead, and again as long as something is
//! done: where in a whole year nothing ends and nobody comes, as when a job is longer than the time between two windows,
//! the replay is over.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::setting::{Ask, Setting, specs};
use super::{Pool, Replay, TraceJob};
use crate::engine::{Engine, JobSpec, NodeWindow, Rules};
use crate::quota::Award;
use crate::snapshot::{Node, Standing};
use crate::terms::{self, Terms};
use crate::units::{DurationMillis, TimestampMillis};

use super::tiers::Tiers;

/// Windows are looked up for so long at once: 366 days.
const WINDOWS_AHEAD: DurationMillis = DurationMillis(366 * 86_400_000);

#[derive(Debug)]
pub(super) struct Course<'a> {
    setting: &'a Setting,
    /// What holds now.
    terms: Terms,
    /// Nodes by pool.
    nodes: Vec<Vec<Node>>,
    /// Rules by pool, without a past.
    rules: Vec<Rules>,
    next_change: Option<TimestampMillis>,
    windows_until: TimestampMillis,
    /// When windows were looked up last, and how many runs were complete then.
    looked_up: (TimestampMillis, usize),
    /// Nothing would ever be done any more.
    pub(super) is_over: bool,
    asks: &'a [Ask],
    pub(super) tiers: Tiers,
    /// What holds has changed at this instant: each decision is taken by engines made anew, until nothing is left to do.
    is_amended: bool,
}

impl<'a> Replay<'a> {
    /// Jobs sorted by arrival, of which no two have one name, on idle nodes under a treaty. `asks` are what the jobs ask
    /// beside GPUs; those beyond its end ask nothing. A job that the treaty does not admit never starts.
    #[must_use]
    pub fn under(setting: &'a Setting, jobs: &'a [TraceJob], asks: &'a [Ask]) -> Self {
        let terms = setting.terms(TimestampMillis(0));
        let nodes: Vec<Vec<Node>> = terms.pools.iter().map(|pool| setting.nodes_of(pool)).collect();
        let rules: Vec<Rules> = terms.pools.iter().map(|pool| setting.rules(pool, &setting.awards)).collect();
        let engines = terms.pools.iter().zip(&rules).zip(&nodes);
        let engines = engines.map(|((pool, rules), nodes)| {
            (pool.class, rules.members.len(), Engine::with_nodes(rules.clone(), &specs(nodes)))
        });
        let mut replay = Self::of_engines(engines, jobs).with_past(terms.clone(), setting.begin);
        let course = Course {
            setting,
            tiers: Tiers::of(&setting.treaty, &setting.awards),
            terms,
            nodes,
            rules,
            next_change: setting.next_change(TimestampMillis(0)),
            windows_until: TimestampMillis(i64::MIN),
            looked_up: (TimestampMillis(0), 0),
            is_over: false,
            asks,
            is_amended: false,
        };
        replay.course = Some(course);
        replay.look_up_windows(TimestampMillis(0));
        replay
    }

    /// When the treaty may say something else.
    pub(super) fn next_change(&self) -> Option<TimestampMillis> {
        self.course.as_ref()?.next_change
    }

    /// When more windows have to be looked up.
    pub(super) fn next_look_up(&self) -> Option<TimestampMillis> {
        let course = self.course.as_ref()?;
        (!course.setting.treaty.windows().is_empty()).then_some(course.windows_until)
    }

    /// Whether anything was done since windows were looked up, still goes on since then, or is to come.
    fn goes_on(&self, course: &Course<'_>) -> bool {
        let (then, complete) = course.looked_up;
        self.complete > complete
            || self.arrived < self.jobs.len()
            || course.next_change.is_some()
            || self.ends.iter().any(|Reverse((_, job, run))| {
                let (count, since) = self.attempts[*job as usize];
                count == *run && since.is_some_and(|since| since <= then)
            })
    }

    /// What holds from now on.
    pub(super) fn pass_stage(&mut self) {
        let Some(course) = &mut self.course else { return };
        let changes = course.next_change.is_some_and(|at| at <= self.now);
        if changes {
            course.next_change = course.setting.next_change(self.now);
            course.terms = course.setting.terms(self.now);
        }
        let used_up = course.tiers.used_up(self.now);
        let unknown = course.windows_until <= self.now && !course.setting.treaty.windows().is_empty();
        if unknown {
            let goes_on = changes || self.course.as_ref().is_some_and(|course| self.goes_on(course));
            self.look_up_windows(self.now);
            if let Some(course) = &mut self.course {
                course.is_over = !goes_on;
            }
        }
        if changes || used_up {
            self.make_engines_anew();
        }
    }

    fn make_engines_anew(&mut self) {
        let Some(course) = &mut self.course else { return };
        let standings = match &mut self.past {
            Some(past) => past.amend(&course.terms),
            None => Vec::new(),
        };
        let awards = course.tiers.awards(&course.setting.awards, self.now);
        let again = course.is_amended;
        let mut rest = standings.as_slice();
        for (index, pool) in self.pools.iter_mut().enumerate() {
            let (own, others) = rest.split_at(pool.held.len().min(rest.len()));
            rest = others;
            let rules = course.setting.rules(&course.terms.pools[index], &awards);
            if rules == course.rules[index] && !again {
                pool.engine.set_standings(own);
                continue;
            }
            let windows = course.setting.windows(&course.nodes[index], self.now, course.windows_until);
            let stage = Stage { rules: &rules, standings: own, windows, now: self.now };
            for job in pool.make_anew(&course.nodes[index], stage, self.jobs) {
                self.whereabouts[job as usize] = None;
            }
            for (number, job) in (0..).zip(&pool.jobs) {
                self.whereabouts[*job as usize] = Some((index, number));
            }
            course.rules[index] = rules;
            course.is_amended = true;
        }
    }

    /// After one decision at this instant; `again`: there may be more to decide.
    pub(super) fn note_decision(&mut self, again: bool) {
        let Some(course) = self.course.as_mut().filter(|course| course.is_amended) else { return };
        course.is_amended = again;
        if again {
            self.make_engines_anew();
        }
    }

    fn look_up_windows(&mut self, from: TimestampMillis) {
        let Some(course) = &mut self.course else { return };
        let known = course.windows_until;
        course.windows_until = from.after(WINDOWS_AHEAD);
        course.looked_up = (from, self.complete);
        if course.setting.treaty.windows().is_empty() {
            return;
        }
        for (pool, nodes) in self.pools.iter_mut().zip(&course.nodes) {
            let all = course.setting.windows(nodes, from, course.windows_until);
            pool.engine.set_windows(all.into_iter().filter(|w| w.told_from > known).collect());
        }
    }

    /// The job as its engine gets it; `None` if the treaty does not admit it.
    pub(super) fn asked(&self, index: usize, pool: usize, plain: JobSpec) -> Option<JobSpec> {
        let Some(course) = &self.course else { return Some(plain) };
        let pool: &terms::Pool = &course.terms.pools[pool];
        let unasked = Ask::default();
        let claim = course.asks.get(index).unwrap_or(&unasked).claim(&self.jobs[index]);
        if pool.refusal(&claim).is_some() {
            return None;
        }
        let claim = pool.confined(&claim);
        Some(JobSpec { within: claim.within, node_labels: claim.node_labels, path: claim.path, ..plain })
    }

    /// The project in whose name a job asks, where projects of its party have tiers.
    pub(super) fn project_of(&self, job: u32) -> Option<(crate::units::MemberId, &'a str)> {
        let course = self.course.as_ref()?;
        let path = &course.asks.get(job as usize)?.path;
        path.first().map(|name| (self.jobs[job as usize].member, &**name))
    }

    /// Tiers of projects with what they have used by now, as a caller would observe them.
    #[must_use]
    pub fn awards(&self) -> Vec<Award> {
        let Some(course) = &self.course else { return Vec::new() };
        course.tiers.awards(&course.setting.awards, self.now)
    }
}

/// What a pool goes on with.
struct Stage<'s> {
    rules: &'s Rules,
    standings: &'s [Standing],
    windows: Vec<NodeWindow>,
    now: TimestampMillis,
}

impl Pool {
    /// Returns the jobs that it knew before; those of which nothing matters any more are forgotten.
    fn make_anew(&mut self, nodes: &[Node], stage: Stage<'_>, jobs: &[TraceJob]) -> Vec<u32> {
        let snapshot = self.engine.observe(nodes);
        let mut rules = stage.rules.clone();
        let standings = stage.standings.iter().copied().chain(std::iter::repeat(Standing::default()));
        for (member, standing) in rules.members.iter_mut().zip(standings) {
            member.standing = standing;
        }
        self.engine = Engine::restore(rules, &snapshot, stage.now);
        self.engine.set_windows(stage.windows);
        let known = std::mem::take(&mut self.jobs);
        let by_name: BTreeMap<_, u32> = known.iter().map(|job| (&jobs[*job as usize].id, *job)).collect();
        self.jobs = snapshot.claims.iter().filter_map(|claim| by_name.get(&claim.id).copied()).collect();
        known
    }
}
