//! Where a gang's nodes must lie: the wishes of claims as dense numbers, so that claims of one shape and one wish wait
//! together and the nodes that it allows are looked up once.
//!
//! A wish that every choice of nodes meets is none: labels that all nodes have, one rack where there is only one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::bits::IndexSet;
use super::counts::Counts;
use super::space::{Place, Shape, Space};
use super::topology::Topology;
use crate::snapshot::Level;
use crate::units::{Gpus, Labels};

/// A wish, by its number inside one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SiteId(u32);

impl SiteId {
    /// No wish.
    pub(crate) const ANYWHERE: Self = Self(0);

    pub(crate) const fn is_anywhere(self) -> bool {
        self.0 == 0
    }
}

/// All wishes that were ever made of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sites {
    ids: BTreeMap<(Option<Level>, Labels), SiteId>,
    /// By number, from 1.
    known: Vec<Site>,
}

/// One wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) within: Option<Level>,
    pub(crate) labels: Labels,
    /// Nodes with the labels; `None`: all.
    pub(super) allowed: Option<IndexSet>,
    /// Most whole nodes in one part of that level, were all idle.
    pub(crate) most_nodes: u32,
    /// GPUs of the largest node.
    widest: Gpus,
}

impl Site {
    fn new(topology: &Topology, cell: Gpus, within: Option<Level>, labels: Labels) -> Self {
        let set = topology.labelled(&labels);
        let gpus = |node: u32| topology.nodes()[node as usize].gpus;
        let whole = || set.iter().filter(|&node| gpus(node) == cell);
        let all = u32::try_from(whole().count()).unwrap_or(u32::MAX);
        Self {
            within,
            most_nodes: Counts::of(topology, whole()).most(within, all),
            widest: set.iter().map(gpus).max().unwrap_or(0),
            allowed: (!labels.is_empty()).then_some(set),
            labels,
        }
    }

    fn allows(&self, node: u32) -> bool {
        self.allowed.as_ref().is_none_or(|set| set.contains(node))
    }
}

impl Space {
    /// The number of a wish; the same for the same wish.
    pub(crate) fn site(&mut self, within: Option<Level>, labels: &Labels) -> SiteId {
        if within.is_none() && labels.is_empty() {
            return SiteId::ANYWHERE;
        }
        let wish = (within, labels.clone());
        if let Some(&id) = self.sites.ids.get(&wish) {
            return id;
        }
        let needed = self.what_matters(&wish);
        let id = if needed == wish {
            let id = u32::try_from(self.sites.known.len() + 1).unwrap_or(u32::MAX);
            self.sites.known.push(Site::new(&self.topology, self.cell(), within, labels.clone()));
            SiteId(id)
        } else {
            self.site(needed.0, &needed.1)
        };
        self.sites.ids.insert(wish, id);
        id
    }

    /// The wish without what every choice of nodes meets.
    fn what_matters(&self, (within, labels): &(Option<Level>, Labels)) -> (Option<Level>, Labels) {
        let everywhere = self.topology.labelled(labels).len() as usize == self.topology.nodes().len();
        let labels = if everywhere { Labels::default() } else { labels.clone() };
        (within.filter(|&level| !self.topology.is_one(level)), labels)
    }

    /// The wish behind a shape, if it has one.
    pub(crate) fn wish(&self, shape: Shape) -> Option<&Site> {
        self.sites.known.get((shape.site.0 as usize).checked_sub(1)?)
    }

    /// Whether the wish lets the gang lie on that node.
    pub(crate) fn allows(&self, shape: Shape, node: u32) -> bool {
        self.wish(shape).is_none_or(|site| site.allows(node))
    }

    /// The part of the pool in which the node stands.
    pub(crate) fn part_of(&self, node: u32, level: Option<Level>) -> u32 {
        self.topology.part_of(node, level)
    }

    /// Whether these places are as the wish says.
    pub(crate) fn meets_wish(&self, shape: Shape, places: &[Place]) -> bool {
        let Some(site) = self.wish(shape) else { return true };
        let mut parts = places.iter().map(|(node, _)| self.topology.part_of(*node, site.within));
        let first = parts.next();
        parts.all(|part| Some(part) == first) && places.iter().all(|(node, _)| site.allows(*node))
    }

    /// Whether an idle pool could meet the wish.
    pub(crate) fn could_meet_wish(&self, shape: Shape) -> bool {
        self.wish(shape).is_none_or(|site| {
            if shape.nodes > 1 { shape.nodes <= site.most_nodes } else { shape.gpus <= site.widest }
        })
    }

    /// Most whole nodes that are free now in one part of the pool as the wish says.
    pub(crate) fn most_free(&self, site: &Site) -> u32 {
        let whole = self.with_free(self.cell(), site.allowed.as_ref());
        match site.within {
            Some(_) => self.counts(&whole, site.allowed.as_ref()).most(site.within, whole.len()),
            None => whole.len(),
        }
    }

    /// [`Space::fits`] under a wish.
    pub(super) fn fits_wish(&self, shape: Shape, site: &Site, whole_nodes_left: u32) -> bool {
        let whole = self.whole_nodes_free();
        if shape.nodes > 1 || shape.gpus == self.cell() {
            return shape.gpus <= self.cell()
                && whole >= shape.nodes.saturating_add(whole_nodes_left)
                && self.most_free(site) >= shape.nodes;
        }
        let beside_others = (shape.gpus..self.cell()).any(|f| self.has_with_free(f, site));
        beside_others || whole > whole_nodes_left && self.has_with_free(self.cell(), site)
    }

    fn has_with_free(&self, free: Gpus, site: &Site) -> bool {
        let set = self.nodes_with_free(free);
        site.allowed.as_ref().map_or(!set.is_empty(), |allowed| set.meets(allowed))
    }

    pub(super) fn with_free<'s>(&'s self, free: Gpus, allowed: Option<&IndexSet>) -> Cow<'s, IndexSet> {
        let set = self.nodes_with_free(free);
        allowed.map_or(Cow::Borrowed(set), |allowed| Cow::Owned(set.both(allowed)))
    }
}
