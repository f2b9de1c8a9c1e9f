//! Loans, credits and budgets, booked anew from runs, nodes and treaties alone: what the operator says of them is not looked at.
//!
//! Reserves that open by a decision count as closed, because the record does not tell of the decision.

use std::collections::{BTreeMap, HashMap};

use concord_ledger::entry::Capacity;
use concord_treaty::accounts::calendar::time_zone;
use concord_treaty::books::Books;
use concord_treaty::snapshot::Node;
use concord_treaty::terms::{Pool, Terms};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{Gpus, Labels, NodeName, TimestampMillis};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::history::History;
use crate::names::Name;
use crate::rules::Rules;
use crate::span::Span;

/// Longest time that is booked; a record that claims more would keep its reader busy for ever.
const YEARS_MAX: i64 = 40;
/// Nodes that are believed; a record that lies must not fill its reader's memory.
const NODES_MAX: u32 = 100_000;
const YEAR_MILLIS: i64 = 366 * 86_400_000;

/// What one party lent and borrowed in a span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loans {
    /// Used above the guarantee.
    pub(crate) borrowed: u64,
    /// Guaranteed, left idle, and used by others.
    pub(crate) lent: u64,
}

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// In the span that was asked for.
    pub(crate) loans: BTreeMap<String, Loans>,
    /// Borrowed from GPUs that are nobody's guarantee, in GPU-milliseconds.
    pub(crate) of_nobody: u64,
    /// At the end: by party, in all classes together. `None`: the treaty has no such clause.
    pub(crate) credit: Option<BTreeMap<String, i64>>,
    /// At the end: unused hours of the period, in GPU-milliseconds.
    pub(crate) budgets: BTreeMap<String, u64>,
}

/// Books everything.
///
/// # Errors
/// Why it is not done.
pub(crate) fn replay(history: &History, rules: &Rules<'_>) -> Result<Replayed, &'static str> {
    let mut capacities: Vec<&Capacity> = history.capacities.iter().collect();
    capacities.sort_by_key(|capacity| capacity.since);
    let first_treaty = rules.changes().next().ok_or("the record has no treaty")?;
    let first_nodes = capacities.first().ok_or("the record does not say which nodes the pool has")?;
    if !rules.are_known() {
        return Err("a text that ruled cannot be read");
    }
    let start = first_treaty.max(first_nodes.since.as_millisecond());
    let end = history.time.map_or(start, |(_, last)| last.as_millisecond());
    if end.saturating_sub(start) > YEARS_MAX * YEAR_MILLIS {
        return Err("the record claims to span more than forty years");
    }
    let mut clock: Vec<i64> =
        rules.changes().chain(capacities.iter().map(|c| c.since.as_millisecond())).collect();
    clock.push(end);
    clock.sort_unstable();
    let mut replay = Replay {
        rules,
        capacities,
        held: HashMap::new(),
        now: start,
        under: None,
        books: None,
        span: history.span,
        done: Replayed::default(),
    };
    let mut holdings = holdings(history).into_iter().peekable();
    while let Some((_, holding)) = holdings.next_if(|(at, _)| *at <= start) {
        replay.hold(&holding, history);
    }
    replay.amended(history);
    let mut clock = clock.into_iter().filter(|at| *at > start).peekable();
    loop {
        let next = [holdings.peek().map(|(at, _)| *at), clock.peek().copied(), replay.midnight()];
        let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
        replay.advance(next);
        while let Some((_, holding)) = holdings.next_if(|(at, _)| *at <= next) {
            replay.hold(&holding, history);
        }
        let is_amended = clock.next_if(|at| *at <= next).is_some() || replay.midnight() == Some(next);
        while clock.next_if(|at| *at <= next).is_some() {}
        if is_amended {
            replay.amended(history);
        }
    }
    Ok(replay.end())
}

/// A party holds more GPUs, or fewer.
#[derive(Debug, Clone, Copy)]
struct Holding {
    party: Name,
    class: Option<Name>,
    gpus: i64,
}

fn holdings(history: &History) -> Vec<(i64, Holding)> {
    let of_run = |run: &crate::history::Run| {
        let (party, class, gpus) = (run.party, run.class, i64::from(run.gpus));
        [(run.from, Holding { party, class, gpus }), (run.until, Holding { party, class, gpus: -gpus })]
    };
    let mut all: Vec<(i64, Holding)> =
        history.runs.iter().filter(|r| r.from < r.until).flat_map(of_run).collect();
    all.sort_unstable_by_key(|(at, _)| *at);
    all
}

/// What rules at present.
struct Under {
    terms: Terms,
    /// When the day ends.
    midnight: i64,
    /// Pool and party by name.
    places: HashMap<(Name, Option<Name>), (usize, usize)>,
    /// As the books want it.
    used: Vec<Vec<Gpus>>,
    /// As [`Under::used`].
    loans: Vec<Vec<Loans>>,
}

struct Replay<'r, 't> {
    rules: &'r Rules<'t>,
    capacities: Vec<&'r Capacity>,
    held: HashMap<(Name, Option<Name>), i64>,
    now: i64,
    /// `None` while nobody knows the treaty.
    under: Option<Under>,
    books: Option<Books>,
    span: Span,
    done: Replayed,
}

impl Replay<'_, '_> {
    fn midnight(&self) -> Option<i64> {
        self.under.as_ref().map(|under| under.midnight)
    }

    fn hold(&mut self, holding: &Holding, history: &History) {
        let key = (holding.party, holding.class);
        let gpus = self.held.entry(key).or_default();
        *gpus += holding.gpus;
        let Some(under) = &mut self.under else { return };
        let place = under.places.get(&key).copied().or_else(|| under.place(key, history));
        if let Some((pool, party)) = place {
            under.places.insert(key, (pool, party));
            let used = &mut under.used[pool][party];
            *used = u32::try_from(i64::from(*used) + holding.gpus).unwrap_or(0);
        }
    }

    fn advance(&mut self, until: i64) {
        if let Some(under) = &mut self.under {
            let millis = self.span.overlap(self.now, until);
            if millis > 0 {
                self.done.of_nobody = self.done.of_nobody.saturating_add(under.lend(millis));
            }
            if let Some(books) = &mut self.books {
                books.advance(&under.terms, &under.used, TimestampMillis(until));
            }
        }
        self.now = until;
    }

    /// Another text, other nodes or another day.
    fn amended(&mut self, history: &History) {
        self.flush();
        let after = self.capacities.partition_point(|c| c.since.as_millisecond() <= self.now);
        let nodes = after.checked_sub(1).and_then(|index| self.capacities.get(index));
        let Some((treaty, capacity)) = self.rules.at(self.now).zip(nodes) else { return };
        let terms = Terms::of(treaty, &nodes_of(treaty, capacity), TimestampMillis(self.now));
        let books = self.books.get_or_insert_with(|| Books::open(&terms, TimestampMillis(self.now)));
        books.amended(&terms);
        let zone = time_zone(treaty.time_zone()).unwrap_or(TimeZone::UTC);
        let parties = |pool: &Pool| pool.treaty.members().len();
        let mut under = Under {
            midnight: next_midnight(&zone, self.now),
            places: HashMap::new(),
            used: terms.pools.iter().map(|pool| vec![0; parties(pool)]).collect(),
            loans: terms.pools.iter().map(|pool| vec![Loans::default(); parties(pool)]).collect(),
            terms,
        };
        for (key, gpus) in self.held.iter().filter(|(_, gpus)| **gpus > 0) {
            if let Some((pool, party)) = under.place(*key, history) {
                under.places.insert(*key, (pool, party));
                let used = &mut under.used[pool][party];
                *used = used.saturating_add(u32::try_from(*gpus).unwrap_or(u32::MAX));
            }
        }
        self.under = Some(under);
    }

    /// Adds what was lent under the terms so far.
    fn flush(&mut self) {
        let Some(under) = self.under.take() else { return };
        for (pool, loans) in under.terms.pools.iter().zip(&under.loans) {
            for (party, loans) in pool.treaty.members().iter().zip(loans) {
                let sum = self.done.loans.entry(party.name.clone()).or_default();
                sum.borrowed = sum.borrowed.saturating_add(loans.borrowed);
                sum.lent = sum.lent.saturating_add(loans.lent);
            }
        }
    }

    fn end(mut self) -> Replayed {
        let has_credit = self.under.as_ref().is_some_and(|under| {
            under.terms.pools.iter().any(|pool| pool.treaty.surplus().credit_cap.is_some())
        });
        let classes: Vec<Option<String>> =
            self.under.iter().flat_map(|u| &u.terms.pools).map(class_of).collect();
        self.flush();
        let Some(books) = self.books else { return self.done };
        let mut credit: BTreeMap<String, i64> = BTreeMap::new();
        for party in self.done.loans.keys() {
            let pages = classes.iter().filter_map(|class| books.page(class.as_deref(), party));
            let sum = pages.map(|page| page.credit_gpu_millis).fold(0, i64::saturating_add);
            credit.insert(party.clone(), sum);
            if let Some(budget) = books.budget(party) {
                self.done.budgets.insert(party.clone(), budget.account.balance().unused.0);
            }
        }
        self.done.credit = has_credit.then_some(credit);
        self.done
    }
}

impl Under {
    fn place(&self, (party, class): (Name, Option<Name>), history: &History) -> Option<(usize, usize)> {
        let (party, class) = (history.names.text(party), class.map(|class| history.names.text(class)));
        let of_class = |pool: &Pool| class.is_none_or(|class| class_of(pool).as_deref() == Some(class));
        let is_clear = class.is_some() || self.terms.pools.len() == 1;
        let pool = self.terms.pools.iter().position(of_class).filter(|_| is_clear)?;
        let parties = self.terms.pools[pool].treaty.members();
        Some((pool, parties.iter().position(|member| member.name == party)?))
    }

    /// Books loans of so long a time; what was borrowed from nobody.
    fn lend(&mut self, millis: u64) -> u64 {
        let mut of_nobody = 0_u64;
        for ((pool, used), loans) in self.terms.pools.iter().zip(&self.used).zip(&mut self.loans) {
            let parties = pool.treaty.members();
            let above = |(party, used): (&concord_treaty::treaty::Member, &Gpus)| {
                u64::from(used.saturating_sub(party.guarantee))
            };
            let borrowed: u64 = parties.iter().zip(used).map(above).sum();
            if borrowed == 0 {
                continue;
            }
            let idle = |(party, used): (&concord_treaty::treaty::Member, &Gpus)| {
                let lends = party.guarantee.saturating_sub(*used).saturating_sub(party.keep);
                if party.is_reserve { 0 } else { u64::from(lends) }
            };
            let all_idle: u64 = parties.iter().zip(used).map(idle).sum();
            let lent = borrowed.min(all_idle).saturating_mul(millis);
            of_nobody = of_nobody.saturating_add(borrowed.saturating_mul(millis) - lent);
            // Each lender's part of it; what rounding leaves, fewer GPU-milliseconds than lenders, is the last one's.
            let (mut left, mut weights) = (lent, all_idle);
            for ((party, used), loans) in parties.iter().zip(used).zip(loans.iter_mut()) {
                let weight = idle((party, used));
                let part = match weights {
                    0 => 0,
                    weights => u128::from(left) * u128::from(weight) / u128::from(weights),
                };
                let part = u64::try_from(part).unwrap_or(left);
                (left, weights) = (left - part, weights - weight);
                loans.lent = loans.lent.saturating_add(part);
                loans.borrowed = loans.borrowed.saturating_add(above((party, used)).saturating_mul(millis));
            }
        }
        of_nobody
    }
}

fn class_of(pool: &Pool) -> Option<String> {
    pool.treaty.class_name(pool.class).map(str::to_owned)
}

/// Nodes with the labels of their classes.
fn nodes_of(treaty: &Treaty, capacity: &Capacity) -> Vec<Node> {
    let mut nodes = Vec::new();
    for kind in &capacity.nodes {
        let class =
            kind.class.as_deref().and_then(|name| treaty.classes().iter().find(|class| class.name == name));
        let labels: Labels = class.map(|class| class.node_labels.clone()).unwrap_or_default().into();
        for _ in 0..kind.nodes.min(NODES_MAX.saturating_sub(u32::try_from(nodes.len()).unwrap_or(u32::MAX))) {
            let name = NodeName(format!("{:06}", nodes.len()).into());
            nodes.push(Node { name, gpus: kind.gpus_per_node, schedulable: true, labels: labels.clone() });
        }
    }
    nodes
}

/// The first instant of the next day; the end of time when there is none.
fn next_midnight(zone: &TimeZone, now: i64) -> i64 {
    let today = Timestamp::from_millisecond(now).ok().map(|now| zone.to_datetime(now).date());
    let tomorrow = today.and_then(|day| day.checked_add(1.day()).ok());
    let start = tomorrow.and_then(|day| day.to_zoned(zone.clone()).ok());
    start.map_or(i64::MAX, |start| start.timestamp().as_millisecond()).max(now.saturating_add(1))
}
