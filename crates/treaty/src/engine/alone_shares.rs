//! Ceilings inside a member, in its line alone: they hold there by what its claims use there.
//!
//! A claim above a ceiling is passed over, but not by later ones below the same ceiling: whose turn it is there keeps
//! it. Without any ceiling a member's line alone does not need this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inside::{ElementId, Inside};
use super::queue::{Job, Key};
use super::space::Shape;
use crate::quota::ShareTree;
use crate::snapshot::SharePath;
use crate::units::Gpus;

/// The tree of one member with what waits and runs in its line alone.
#[derive(Debug, Clone)]
pub(crate) struct AloneShares {
    inside: Inside,
    /// By claim: its element, and what it uses alone now.
    claims: BTreeMap<Job, (ElementId, Gpus)>,
    /// The first claim in line of each element that has any.
    heads: BTreeSet<(Key, ElementId)>,
}

impl AloneShares {
    /// `None` when no ceiling can hold anybody up.
    pub(crate) fn new(tree: Arc<ShareTree>) -> Option<Self> {
        let inside = Inside::new(tree);
        let claims = BTreeMap::new();
        inside.has_ceilings().then_some(Self { inside, claims, heads: BTreeSet::new() })
    }

    /// Takes note of a claim's path; before anything else is said of it.
    pub(crate) fn introduce(&mut self, job: Job, path: &SharePath) {
        let element = self.inside.element_of(path);
        self.claims.insert(job, (element, 0));
    }

    /// Whether a gang of that claim's is within every ceiling around it by itself.
    pub(crate) fn could_run(&self, job: Job, gpus: Gpus) -> bool {
        self.claims.get(&job).is_none_or(|(element, _)| self.inside.exceeded_by(*element, gpus).is_none())
    }

    pub(crate) fn insert(&mut self, shape: Shape, key: Key, job: Job) {
        if let Some(element) = self.element(job) {
            self.change_line(element, |inside| inside.insert(element, shape, key, job));
        }
    }

    pub(crate) fn remove(&mut self, shape: Shape, key: Key, job: Job) {
        if let Some(element) = self.element(job) {
            self.change_line(element, |inside| inside.remove(element, shape, key, job));
        }
    }

    fn change_line(&mut self, element: ElementId, change: impl FnOnce(&mut Inside)) {
        let head = |inside: &Inside| inside.first_of(element, |_| true).map(|(key, ..)| (key, element));
        if let Some(before) = head(&self.inside) {
            self.heads.remove(&before);
        }
        change(&mut self.inside);
        self.heads.extend(head(&self.inside));
    }

    /// The claim runs alone with so many GPUs.
    pub(crate) fn take(&mut self, job: Job, gpus: Gpus) {
        self.give(job);
        if let Some((element, used)) = self.claims.get_mut(&job) {
            *used = gpus;
            self.inside.book(*element, gpus);
        }
    }

    /// The claim runs alone no longer.
    pub(crate) fn give(&mut self, job: Job) {
        if let Some((element, used)) = self.claims.get_mut(&job) {
            self.inside.unbook(*element, std::mem::take(used));
        }
    }

    /// The first claim by submission that no ceiling holds up.
    pub(crate) fn first_by_submission(&self) -> Option<(Key, Job, Shape)> {
        let mut full: BTreeSet<ElementId> = BTreeSet::new();
        for (_, element) in &self.heads {
            let Some((key, job, shape)) = self.inside.first_of(*element, |_| true) else { continue };
            if self.inside.around(*element).any(|at| full.contains(&at)) {
                continue;
            }
            match self.inside.without_room(*element, shape.total()).last() {
                None => return Some((key, job, shape)),
                Some(outermost) => full.insert(outermost),
            };
        }
        None
    }

    /// The first claim by submission that no ceiling holds up and that fits.
    pub(crate) fn first_that_fits(&self, fits: impl Fn(Shape) -> bool) -> Option<(Key, Job, Shape)> {
        let of_element = |element: ElementId| {
            let may = |s: Shape| fits(s) && self.inside.without_room(element, s.total()).next().is_none();
            self.inside.first_of(element, may)
        };
        let firsts = self.heads.iter().filter_map(|(_, element)| of_element(*element));
        firsts.min_by(|(a, ..), (b, ..)| a.cmp(b))
    }

    fn element(&self, job: Job) -> Option<ElementId> {
        self.claims.get(&job).map(|(element, _)| *element)
    }
}
