//! Which shapes are asked for how often: what a placement must leave room for.
//!
//! Like the published method it needs only counts of shapes, no order and no future; a running pool takes them from the pods
//! of its last weeks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Prices, Shape};

/// Distinct shapes at most, for each one costs time in every score. openb has 151. Where a trace has more, the rare ones
/// are worth a fifth of a percent of the GPUs at most.
const CLASSES_AT_MOST: usize = 256;

/// A shape and how many pods asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// What was asked for.
    pub shape: Shape,
    /// How often.
    pub pods: u32,
}

/// How often each shape is asked for, most frequent first, and what free parts of a GPU are worth to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    classes: Vec<Class>,
    pods: u64,
    prices: Prices,
}

impl Workload {
    /// Counts the shapes, keeps the 256 most frequent, and searches their prices: milliseconds, so make one workload for
    /// many packers.
    #[must_use]
    pub fn new(pods: impl IntoIterator<Item = Shape>) -> Self {
        let mut workload = Self::counted(pods.into_iter().map(|shape| (shape, 1)));
        workload.prices = Prices::new(&workload.classes);
        workload
    }

    /// The most frequent shapes that together make `percent` of all pods, regardless of memory: what the published
    /// method looks at (with 95). Without prices, which it does not know.
    #[must_use]
    pub fn typical(&self, percent: u64) -> Self {
        let mut merged =
            Self::counted(self.classes.iter().map(|class| (class.shape.without_memory(), class.pods)));
        let wanted = merged.pods.saturating_mul(percent);
        let mut counted = 0_u64;
        merged.classes.retain(|class| {
            let keep = counted * 100 < wanted;
            counted += u64::from(class.pods);
            keep
        });
        merged.pods = merged.classes.iter().map(|class| u64::from(class.pods)).sum();
        merged
    }

    /// The shapes, most frequent first, equally frequent ones in order of their size.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// What free parts of a GPU are worth.
    #[must_use]
    pub const fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Pods of all classes.
    #[must_use]
    pub const fn pods(&self) -> u64 {
        self.pods
    }

    fn counted(pods: impl Iterator<Item = (Shape, u32)>) -> Self {
        let mut counts = BTreeMap::<Shape, u32>::new();
        for (shape, pods) in pods {
            let count = counts.entry(shape).or_default();
            *count = count.saturating_add(pods);
        }
        let mut classes: Vec<_> = counts.into_iter().map(|(shape, pods)| Class { shape, pods }).collect();
        classes.sort_by_key(|class| (Reverse(class.pods), class.shape));
        classes.truncate(CLASSES_AT_MOST);
        let pods = classes.iter().map(|class| u64::from(class.pods)).sum();
        Self { classes, pods, prices: Prices::new(&[]) }
    }
}
