//! Whose claim of a member is next, decided down the member's own tree: at each level first who is below its floor,
//! then who uses least for its weight, then by name; within one element by the line.
//!
//! Claims wait apart by element, and the elements with claims stand in the order of their turns. Each knows the shapes
//! that wait inside it, so that whatever holds none that is wanted is passed over as a whole: the work of a choice never
//! grows with the backlog.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::queue::{Job, Key, Queue};
use super::space::Shape;
use crate::quota::{LEVELS, Limits, Refusal, ShareTree};
use crate::snapshot::SharePath;
use crate::units::Gpus;

/// Index of an element in one tree; 0 is the member itself.
pub(crate) type ElementId = u32;

/// The tree of one member, with its claims in line and what each element uses.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    tree: Arc<ShareTree>,
    elements: Vec<Element>,
}

#[derive(Debug, Clone)]
struct Element {
    limits: Limits,
    /// The member itself is its own parent.
    parent: ElementId,
    children: BTreeMap<Arc<str>, ElementId>,
    /// Children with claims in line, in the order of their turns.
    turns: BTreeSet<(Turn, ElementId)>,
    /// GPUs held and kept, all that is inside together.
    used: Gpus,
    /// Room below the ceiling that is held back for due claims.
    held_back: Gpus,
    /// How many claims of each shape are in line, all that is inside together; by shape.
    waiting: Vec<(Shape, usize)>,
    /// Claims that ask in the name of this very element.
    queue: Queue,
}

/// Position among siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turn {
    has_floor: bool,
    used: Gpus,
    weight: u32,
    name: Arc<str>,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |a: &Self, b: &Self| u64::from(a.used) * u64::from(b.weight);
        let by_use = || cross(self, other).cmp(&cross(other, self));
        self.has_floor.cmp(&other.has_floor).then_with(by_use).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Element {
    fn new(limits: Limits, parent: ElementId) -> Self {
        Self {
            limits,
            parent,
            children: BTreeMap::new(),
            turns: BTreeSet::new(),
            used: 0,
            held_back: 0,
            waiting: Vec::new(),
            queue: Queue::default(),
        }
    }

    fn turn(&self) -> Turn {
        Turn {
            has_floor: self.used >= self.limits.floor,
            used: self.used,
            weight: self.limits.weight.max(1),
            name: self.limits.name.clone(),
        }
    }

    fn one_more(&mut self, shape: Shape) {
        match self.waiting.binary_search_by_key(&shape, |(s, _)| *s) {
            Ok(at) => self.waiting[at].1 += 1,
            Err(at) => self.waiting.insert(at, (shape, 1)),
        }
    }

    fn one_less(&mut self, shape: Shape) {
        if let Ok(at) = self.waiting.binary_search_by_key(&shape, |(s, _)| *s) {
            self.waiting[at].1 -= 1;
            if self.waiting[at].1 == 0 {
                self.waiting.remove(at);
            }
        }
    }

    fn ceiling(&self) -> Gpus {
        self.limits.ceiling.unwrap_or(Gpus::MAX)
    }

    /// What claims that are not due may take.
    fn room(&self) -> Gpus {
        self.ceiling().saturating_sub(self.used.saturating_add(self.held_back))
    }
}

impl Inside {
    pub(crate) fn new(tree: Arc<ShareTree>) -> Self {
        let member = Limits { name: Arc::from(""), weight: 1, floor: 0, ceiling: None, refused: None };
        Self { tree, elements: vec![Element::new(member, 0)] }
    }

    /// The element in whose name a claim of that path asks. A claim of a project without a person asks in the name of
    /// an element of its own beside the persons, so that the same path always competes with the same siblings.
    pub(crate) fn element_of(&mut self, path: &SharePath) -> ElementId {
        let limits = self.tree.along(path);
        let mut at = 0;
        for limits in limits {
            at = self.child(at, limits);
        }
        let nobody = Limits { name: Arc::from(""), weight: 1, floor: 0, ceiling: None, refused: None };
        if path.len() < LEVELS { self.child(at, nobody) } else { at }
    }

    fn child(&mut self, parent: ElementId, limits: Limits) -> ElementId {
        if let Some(known) = self.elements[parent as usize].children.get(&limits.name) {
            return *known;
        }
        let id = ElementId::try_from(self.elements.len()).unwrap_or(ElementId::MAX);
        self.elements[parent as usize].children.insert(limits.name.clone(), id);
        self.elements.push(Element::new(limits, parent));
        id
    }

    /// The element and everything around it, from the inside out, without the member itself.
    pub(crate) fn around(&self, element: ElementId) -> impl Iterator<Item = ElementId> {
        let parent = |at: &ElementId| Some(self.elements[*at as usize].parent);
        std::iter::successors(Some(element), parent).take_while(|at| *at != 0)
    }

    pub(crate) fn insert(&mut self, element: ElementId, shape: Shape, key: Key, job: Job) {
        let queue = &mut self.elements[element as usize].queue;
        let before = queue.len();
        queue.insert(shape, key, job);
        if queue.len() > before {
            self.elements[0].one_more(shape);
            self.change(element, |e| e.one_more(shape));
        }
    }

    pub(crate) fn remove(&mut self, element: ElementId, shape: Shape, key: Key, job: Job) {
        let queue = &mut self.elements[element as usize].queue;
        let before = queue.len();
        queue.remove(shape, key, job);
        if queue.len() < before {
            self.elements[0].one_less(shape);
            self.change(element, |e| e.one_less(shape));
        }
    }

    /// The element uses so many GPUs more.
    pub(crate) fn book(&mut self, element: ElementId, gpus: Gpus) {
        self.change(element, |e| e.used += gpus);
    }

    /// Reverses [`Self::book`].
    pub(crate) fn unbook(&mut self, element: ElementId, gpus: Gpus) {
        self.change(element, |e| e.used = e.used.saturating_sub(gpus));
    }

    /// Changes the element and everything around it, and where they stand among their siblings.
    fn change(&mut self, element: ElementId, change: impl Fn(&mut Element)) {
        let mut at = element;
        while at != 0 {
            let this = &mut self.elements[at as usize];
            let (parent, before) = (this.parent, this.turn());
            change(this);
            let (after, waits) = (this.turn(), !this.waiting.is_empty());
            let turns = &mut self.elements[parent as usize].turns;
            turns.remove(&(before, at));
            if waits {
                turns.insert((after, at));
            }
            at = parent;
        }
    }

    /// Keeps so much room below every ceiling around the element for a due claim.
    pub(crate) fn hold_back(&mut self, element: ElementId, gpus: Gpus) {
        for at in self.around(element).collect::<Vec<_>>() {
            self.elements[at as usize].held_back += gpus;
        }
    }

    /// Nothing is held back any more.
    pub(crate) fn hold_back_nothing(&mut self) {
        self.elements.iter_mut().for_each(|e| e.held_back = 0);
    }

    /// The claim that is next among the shapes that are wanted.
    pub(crate) fn next(&self, mut wanted: impl FnMut(Shape) -> bool) -> Option<(Job, Shape)> {
        let waiting = self.elements[0].waiting.iter().map(|(shape, _)| *shape);
        let wanted: Vec<Shape> = waiting.filter(|shape| wanted(*shape)).collect();
        self.next_below(0, Gpus::MAX, &wanted, &|queue, room| {
            queue.first(|shape| shape.total() <= room && wanted.binary_search(&shape).is_ok())
        })
    }

    /// The same among claims that end, by `end_of`, no later than their shape allows.
    pub(crate) fn next_ending(
        &self,
        mut latest: impl FnMut(Shape) -> Option<i64>,
        end_of: impl Fn(Job) -> i64,
    ) -> Option<Job> {
        let waiting = self.elements[0].waiting.iter().map(|(shape, _)| *shape);
        let latest: BTreeMap<Shape, i64> =
            waiting.filter_map(|shape| latest(shape).map(|end| (shape, end))).collect();
        let wanted: Vec<Shape> = latest.keys().copied().collect();
        let next = self.next_below(0, Gpus::MAX, &wanted, &|queue, room| {
            queue.first_ending(|s| latest.get(&s).copied().filter(|_| s.total() <= room), &end_of)
        });
        next.map(|(job, _)| job)
    }

    fn next_below<'q>(
        &'q self,
        at: ElementId,
        room: Gpus,
        wanted: &[Shape],
        pick: &impl Fn(&'q Queue, Gpus) -> Option<(Key, Job, Shape)>,
    ) -> Option<(Job, Shape)> {
        let element = &self.elements[at as usize];
        let room = room.min(element.room());
        let could_start = |s: Shape| s.total() <= room && wanted.binary_search(&s).is_ok();
        if !element.waiting.iter().any(|(shape, _)| could_start(*shape)) {
            return None;
        }
        let own = pick(&element.queue, room).map(|(_, job, shape)| (job, shape));
        own.or_else(|| {
            element.turns.iter().find_map(|(_, child)| self.next_below(*child, room, wanted, pick))
        })
    }

    /// The first claim in the name of the very element, by the line, among the shapes that are wanted.
    pub(crate) fn first_of(
        &self,
        element: ElementId,
        wanted: impl FnMut(Shape) -> bool,
    ) -> Option<(Key, Job, Shape)> {
        self.elements[element as usize].queue.first(wanted)
    }

    /// Elements around this one whose ceiling has no room for so many GPUs more, from the inside out.
    pub(crate) fn without_room(&self, element: ElementId, gpus: Gpus) -> impl Iterator<Item = ElementId> {
        self.around(element).filter(move |at| {
            let element = &self.elements[*at as usize];
            element.used.saturating_add(gpus) > element.ceiling()
        })
    }

    /// Whether claims that are not due may take so many GPUs more; else the innermost element without room.
    pub(crate) fn held_up_by(&self, element: ElementId, gpus: Gpus) -> Option<ElementId> {
        self.around(element).find(|at| self.elements[*at as usize].room() < gpus)
    }

    /// The innermost element whose ceiling so many GPUs exceed by themselves.
    pub(crate) fn exceeded_by(&self, element: ElementId, gpus: Gpus) -> Option<ElementId> {
        self.around(element).find(|at| self.elements[*at as usize].ceiling() < gpus)
    }

    /// Why nothing of the element starts.
    pub(crate) fn refusal(&self, element: ElementId) -> Option<Refusal> {
        self.around(element).find_map(|at| self.elements[at as usize].limits.refused)
    }

    /// How many GPUs more than its ceiling the element would use if these stayed and this much were held back for.
    pub(crate) fn excess(&self, element: ElementId, leaving: Gpus) -> Gpus {
        let element = &self.elements[element as usize];
        let staying = element.used.saturating_sub(leaving).saturating_add(element.held_back);
        staying.saturating_sub(element.ceiling())
    }

    /// Names from the outside in, and the ceiling.
    pub(crate) fn path(&self, element: ElementId) -> (SharePath, Gpus) {
        let name = |at: ElementId| self.elements[at as usize].limits.name.clone();
        let mut names: Vec<Arc<str>> = self.around(element).map(name).collect();
        names.reverse();
        (names.into(), self.elements[element as usize].ceiling())
    }

    /// Whether any ceiling can hold anybody up.
    pub(crate) fn has_ceilings(&self) -> bool {
        self.tree.has_ceilings()
    }
}
