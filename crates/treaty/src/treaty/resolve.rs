//! From shares to whole GPUs, once the pool's capacity is known.
//!
//! In each class for itself: reserves are taken out first, then fixed and percent shares; proportional ones split what
//! is left by contributions, between their floors and caps; the residual member gets what all others leave. The sum
//! is never above the capacity, unless fixed shares, percentages and reserves alone are; that is a diagnostic.

use jiff::civil::Date;

use crate::clauses::{ClassId, Rounding, RoundingUnit, Share, ShareRule};
use crate::diagnostic::Diagnostic;
use crate::treaty::sharing::{Exact, PARTS_OF_GPU, Part, fill, fill_beside};
use crate::treaty::{Member, Treaty};
use crate::units::Gpus;

/// So many equal nodes of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCapacity {
    /// The class; `None` when the treaty has no classes.
    pub class: Option<ClassId>,
    /// Number of nodes.
    pub nodes: u32,
    /// GPUs of each.
    pub gpus_per_node: Gpus,
}

/// What everybody is entitled to, in whole GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlements {
    /// The classes, in the treaty's order; one `None` when it has none.
    pub classes: Vec<Option<ClassId>>,
    /// Capacity by class.
    pub capacity: Vec<Gpus>,
    /// By member, then by class.
    pub members: Vec<Vec<Gpus>>,
    /// By reserve, then by class.
    pub reserves: Vec<Vec<Gpus>>,
    /// What nobody is entitled to, by class.
    pub surplus: Vec<Gpus>,
    /// Promises that this capacity cannot keep, and what will surprise.
    pub diagnostics: Vec<Diagnostic>,
}

impl Entitlements {
    /// All classes of one member together.
    #[must_use]
    pub fn of_member(&self, index: usize) -> Gpus {
        self.members.get(index).map_or(0, |by_class| by_class.iter().sum())
    }
}

impl Treaty {
    /// Works out all shares on a day: contributions that are not yet paid on it do not count, and members that are
    /// suspended on it get nothing, so that the others' scales are computed anew (EUMETSAT Art. 14).
    #[must_use]
    pub fn resolve(&self, capacity: &[ClassCapacity], on: Date) -> Entitlements {
        let classes: Vec<Option<ClassId>> = if self.classes.is_empty() {
            vec![None]
        } else {
            (0..self.classes.len()).map(|i| u16::try_from(i).ok().map(ClassId)).collect()
        };
        let count = classes.len();
        let mut found = Entitlements {
            classes,
            capacity: vec![0; count],
            members: vec![vec![0; count]; self.members.len()],
            reserves: vec![vec![0; count]; self.reserves.len()],
            surplus: vec![0; count],
            diagnostics: Vec::new(),
        };
        for index in 0..count {
            let pool = ClassPool::of(self, found.classes[index], capacity, on);
            pool.resolve(index, &mut found);
        }
        super::capacity::after_resolution(self, &mut found);
        found
    }

    /// The same treaty with every member's guarantee as these entitlements say; what the engine decides by.
    #[must_use]
    pub fn in_pool(&self, entitlements: &Entitlements) -> Self {
        let mut treaty = self.clone();
        for (index, member) in treaty.members.iter_mut().enumerate() {
            member.guarantee = entitlements.of_member(index);
            member.keep =
                if member.never_lends { member.guarantee } else { member.keep.min(member.guarantee) };
        }
        treaty
    }

    /// Whether guarantees are known only once the capacity is.
    #[must_use]
    pub fn needs_capacity(&self) -> bool {
        let fixed = |s: &Share| matches!(s.rule, ShareRule::Fixed(_));
        !self.members.iter().all(|m| m.shares.iter().all(fixed) && m.suspended.is_none())
    }
}

impl Member {
    /// What it had paid in on a day.
    #[must_use]
    pub fn contributed(&self, on: Date) -> u64 {
        self.contributions.iter().filter(|c| c.paid_on.is_none_or(|paid| paid <= on)).map(|c| c.amount).sum()
    }

    /// Whether its rights rest on a day.
    #[must_use]
    pub fn is_suspended(&self, on: Date) -> bool {
        self.suspended.as_ref().is_some_and(|s| s.from <= on)
    }
}

/// One class on one day.
struct ClassPool<'t> {
    treaty: &'t Treaty,
    class: Option<ClassId>,
    gpus: u128,
    unit: u128,
    on: Date,
}

impl<'t> ClassPool<'t> {
    fn of(treaty: &'t Treaty, class: Option<ClassId>, capacity: &[ClassCapacity], on: Date) -> Self {
        let nodes = || capacity.iter().filter(|c| c.class == class && c.nodes > 0);
        let gpus = nodes().map(|c| u128::from(c.nodes) * u128::from(c.gpus_per_node)).sum();
        let cell = nodes().map(|c| u128::from(c.gpus_per_node)).max().unwrap_or(1);
        let unit = if treaty.rounding_unit == RoundingUnit::Node { cell.max(1) } else { 1 };
        Self { treaty, class, gpus, unit, on }
    }

    fn resolve(&self, index: usize, found: &mut Entitlements) {
        found.capacity[index] = whole(self.gpus);
        let mut taken = 0;
        for (reserve, rule) in self.treaty.reserves.iter().enumerate() {
            let gpus = rule.shares.iter().find(|s| self.covers(s)).map_or(0, |s| self.set_aside(s));
            found.reserves[reserve][index] = whole(gpus);
            taken += gpus;
        }
        let mut percent = Vec::new();
        let mut proportional = Vec::new();
        let mut residual = None;
        for (member, rule) in self.treaty.members.iter().enumerate().filter(|(_, m)| !m.is_suspended(self.on))
        {
            let Some(share) = rule.shares.iter().find(|s| self.covers(s)) else { continue };
            match share.rule {
                ShareRule::Fixed(gpus) => {
                    found.members[member][index] = gpus;
                    taken += u128::from(gpus);
                }
                ShareRule::Percent(_) => percent.push((member, *share)),
                ShareRule::Proportional => proportional.push((member, *share)),
                ShareRule::Residual => residual = Some(member),
            }
        }
        let shared = self.share_out(taken, &percent, &proportional, residual, found);
        let given: u128 = shared.iter().sum();
        for ((member, _), gpus) in percent.iter().chain(&proportional).zip(shared) {
            found.members[*member][index] = whole(gpus);
        }
        let left = self.gpus.saturating_sub(taken + given);
        let to_residual = residual.map_or(0, |_| left / self.unit * self.unit);
        if let Some(member) = residual {
            found.members[member][index] = whole(to_residual);
        }
        found.surplus[index] = whole(left - to_residual);
    }

    /// Percent and proportional shares in whole GPUs, in that order.
    fn share_out(
        &self,
        taken: u128,
        percent: &[(usize, Share)],
        proportional: &[(usize, Share)],
        residual: Option<usize>,
        found: &mut Entitlements,
    ) -> Vec<u128> {
        let exact_percent: Vec<u128> = percent.iter().map(|(_, s)| self.exact_percent(s)).collect();
        let stated = taken * PARTS_OF_GPU + exact_percent.iter().sum::<u128>();
        let rest = (self.gpus * PARTS_OF_GPU).saturating_sub(stated);
        let parts: Vec<Part> = proportional.iter().map(|(m, s)| self.part(*m, s)).collect();
        let floors: u128 = parts.iter().map(|p| p.floor.min(p.cap)).sum();
        if floors > rest {
            found.diagnostics.push(self.floors_fail(proportional, floors, rest));
        }
        let weight = residual.map(|m| u128::from(self.treaty.members[m].contributed(self.on)));
        let exact = weight.map_or_else(|| fill(rest, &parts), |w| fill_beside(rest, &parts, w));
        let all: Exact = exact.after(&exact_percent);
        let caps: Vec<u128> = percent.iter().chain(proportional).map(|(_, s)| self.cap(s)).collect();
        // What is promised twice cannot be rounded up on top.
        let over = stated > self.gpus * PARTS_OF_GPU;
        all.round(self.unit, if over { Rounding::Down } else { self.treaty.rounding }, &caps)
    }

    fn covers(&self, share: &Share) -> bool {
        share.class.is_none() || share.class == self.class
    }

    /// A reserve's GPUs, always rounded down.
    fn set_aside(&self, share: &Share) -> u128 {
        match share.rule {
            ShareRule::Fixed(gpus) => u128::from(gpus),
            _ => self.exact_percent(share) / (PARTS_OF_GPU * self.unit) * self.unit,
        }
    }

    fn exact_percent(&self, share: &Share) -> u128 {
        let ShareRule::Percent(points) = share.rule else { return 0 };
        let floor = share.at_least.map_or(0, |g| u128::from(g) * PARTS_OF_GPU);
        (self.gpus * u128::from(points.0)).max(floor).min(self.cap(share))
    }

    fn part(&self, member: usize, share: &Share) -> Part {
        Part {
            weight: u128::from(self.treaty.members[member].contributed(self.on)),
            floor: share.at_least.map_or(0, |g| u128::from(g) * PARTS_OF_GPU),
            cap: self.cap(share),
        }
    }

    fn cap(&self, share: &Share) -> u128 {
        // Basis points of whole GPUs are ten-thousandths of a GPU.
        self.gpus * u128::from(share.at_most.map_or(10_000, |p| p.0))
    }

    fn floors_fail(&self, parts: &[(usize, Share)], floors: u128, rest: u128) -> Diagnostic {
        let message = format!(
            "floors add up to {} GPUs, but {} are left for proportional shares",
            floors / PARTS_OF_GPU,
            rest / PARTS_OF_GPU
        );
        let path = |member: usize| match self
            .class
            .filter(|_| self.treaty.members[member].shares.iter().all(|s| s.class.is_some()))
        {
            Some(class) => {
                let name = &self.treaty.classes[usize::from(class.0)].name;
                format!("members[{member}].guarantee.byClass.{name}.atLeastGpus")
            }
            None => format!("members[{member}].guarantee.atLeastGpus"),
        };
        let mut with_floor = parts.iter().filter(|(_, s)| s.at_least.is_some());
        let first = with_floor.next().map_or_else(|| "members".to_owned(), |(m, _)| path(*m));
        let mut fault = Diagnostic::new("TR042", &first, &message, "lower a floor or add nodes");
        for (member, share) in with_floor.take(8) {
            fault = fault.related_to(&path(*member), &format!("{} GPUs", share.at_least.unwrap_or(0)));
        }
        fault
    }
}

fn whole(gpus: u128) -> Gpus {
    Gpus::try_from(gpus).unwrap_or(Gpus::MAX)
}
