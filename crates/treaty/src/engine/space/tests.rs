//! [`Space::find`] held against brute force: every choice of nodes of a small pool.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Place, Shape, Space};
use crate::engine::NodeSpec;
use crate::engine::places::Places;
use crate::snapshot::{Level, RACK_LABEL, ROW_LABEL};
use crate::units::{Gpus, Labels};

const CELL: Gpus = 4;

/// A node as a test draws it: rack and row with 0 for no label, whether its data may be here, GPUs, GPUs in use.
type Drawn = (u8, u8, bool, Gpus, Gpus);

fn any_node() -> impl Strategy<Value = Drawn> {
    let gpus = prop_oneof![6 => Just(CELL), 1 => 1..CELL];
    let used = prop_oneof![4 => Just(0), 2 => 1..=CELL];
    (0..4_u8, 0..3_u8, any::<bool>(), gpus, used)
}

fn labels(pairs: &[(&str, String)]) -> Labels {
    Labels::from(
        pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<std::collections::BTreeMap<_, _>>(),
    )
}

fn spec(&(rack, row, data, gpus, _): &Drawn) -> NodeSpec {
    let mut pairs = Vec::new();
    pairs.extend((rack > 0).then(|| (RACK_LABEL, format!("r{rack}"))));
    pairs.extend((row > 0).then(|| (ROW_LABEL, format!("w{row}"))));
    pairs.extend(data.then(|| ("data", "here".to_owned())));
    NodeSpec { gpus, labels: labels(&pairs) }
}

fn wish_for_data() -> Labels {
    labels(&[("data", "here".to_owned())])
}

/// The pool after the work that was drawn, with some nodes closed.
fn space(drawn: &[Drawn], closed: &[bool]) -> Space {
    let specs: Vec<NodeSpec> =
        drawn.iter().map(spec).chain([NodeSpec { gpus: CELL, ..NodeSpec::default() }]).collect();
    let mut space = Space::of_pool(&specs);
    for (node, &(.., gpus, used)) in (0..).zip(drawn) {
        // Taken, given back and taken again: counters must not drift.
        space.take(node, used.min(gpus));
        space.give(node, used.min(gpus));
        space.take(node, used.min(gpus));
        if closed[node as usize] {
            space.close(node);
        }
    }
    // Only there so that a whole node is always CELL large.
    space.close(u32::try_from(drawn.len()).unwrap());
    space
}

/// What brute force knows of a node that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usable {
    node: u32,
    place: (u8, u8),
    free: Gpus,
}

fn usable(drawn: &[Drawn], closed: &[bool], data: bool) -> Vec<Usable> {
    let nodes = (0..).zip(drawn).zip(closed).filter(|(_, closed)| !**closed);
    let allowed = nodes.filter(|((_, drawn), _)| drawn.2 || !data);
    allowed.map(|((node, d), _)| Usable { node, place: (d.1, d.0), free: d.3 - d.4.min(d.3) }).collect()
}

/// All choices of `count` of these nodes.
fn choices(nodes: &[Usable], count: usize) -> Vec<Vec<Usable>> {
    match (count, nodes.split_first()) {
        (0, _) => vec![Vec::new()],
        (_, None) => Vec::new(),
        (_, Some((first, rest))) => {
            let with = choices(rest, count - 1).into_iter().map(|mut choice| {
                choice.insert(0, *first);
                choice
            });
            with.chain(choices(rest, count)).collect()
        }
    }
}

fn racks(choice: &[Usable]) -> usize {
    choice.iter().map(|n| n.place).collect::<BTreeSet<_>>().len()
}

fn rows(choice: &[Usable]) -> usize {
    choice.iter().map(|n| n.place.0).collect::<BTreeSet<_>>().len()
}

/// 0: one rack, 1: one row, 2: several rows.
fn spread(choice: &[Usable]) -> u8 {
    if racks(choice) == 1 { 0 } else { u8::from(rows(choice) > 1) + 1 }
}

fn most_spread(within: Option<Level>) -> u8 {
    match within {
        Some(Level::Rack) => 0,
        Some(Level::Row) => 1,
        None => 2,
    }
}

fn any_level() -> impl Strategy<Value = Option<Level>> {
    prop_oneof![3 => Just(None), 2 => Just(Some(Level::Rack)), 1 => Just(Some(Level::Row))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_gang_lies_as_close_together_as_any_choice(
        drawn in prop::collection::vec(any_node(), 2..=9),
        closed in prop::collection::vec(prop::bool::weighted(0.1), 9),
        needed in 2..=5_u32,
        within in any_level(),
        data in any::<bool>(),
        left in 0..3_u32,
    ) {
        let mut space = space(&drawn, &closed);
        let site = space.site(within, &if data { wish_for_data() } else { Labels::default() });
        let shape = Shape { gpus: CELL, nodes: needed, site };
        let whole: Vec<Usable> = usable(&drawn, &closed, data).into_iter().filter(|n| n.free == CELL).collect();
        let lawful: Vec<Vec<Usable>> = choices(&whole, needed as usize).into_iter().filter(|c| spread(c) <= most_spread(within)).collect();
        let found = space.find(shape);

        prop_assert_eq!(found.is_some(), !lawful.is_empty());
        let all_whole = usable(&drawn, &closed, false).iter().filter(|n| n.free == CELL).count();
        prop_assert_eq!(space.fits(shape, left), !lawful.is_empty() && all_whole >= (needed + left) as usize);
        let Some(found) = found else { return Ok(()) };
        let choice: Vec<Usable> = found.iter().map(|&(node, gpus)| {
            assert_eq!(gpus, CELL);
            *whole.iter().find(|n| n.node == node).expect("a node that may be used")
        }).collect();
        prop_assert_eq!(found.iter().map(|(node, _)| node).collect::<BTreeSet<_>>().len(), needed as usize);
        prop_assert!(space.meets_wish(shape, &found));

        let least = lawful.iter().map(|c| spread(c)).min().unwrap();
        prop_assert_eq!(spread(&choice), least, "found {:?}", found);
        let at_least: Vec<&Vec<Usable>> = lawful.iter().filter(|c| spread(c) == least).collect();
        let first_of = |is_there: &dyn Fn(&(u8, u8)) -> bool| drawn.iter().position(|d| is_there(&(d.1, d.0)));
        match least {
            0 => {
                // The fullest rack that fits, then the one whose first node comes first; in it the highest nodes.
                let key = |c: &[Usable]| {
                    let free = whole.iter().filter(|n| n.place == c[0].place).count();
                    (free, first_of(&|place| *place == c[0].place))
                };
                prop_assert_eq!(key(&choice), at_least.iter().map(|c| key(c)).min().unwrap());
                let highest: Vec<u32> = whole.iter().rev().filter(|n| n.place == choice[0].place).map(|n| n.node).take(needed as usize).collect();
                prop_assert_eq!(choice.iter().map(|n| n.node).collect::<Vec<_>>(), highest);
            }
            1 => {
                let key = |c: &[Usable]| {
                    let free = whole.iter().filter(|n| n.place.0 == c[0].place.0).count();
                    (free, first_of(&|place| place.0 == c[0].place.0))
                };
                prop_assert_eq!(key(&choice), at_least.iter().map(|c| key(c)).min().unwrap());
                let of_row = at_least.iter().filter(|c| c[0].place.0 == choice[0].place.0);
                prop_assert_eq!(racks(&choice), of_row.map(|c| racks(c)).min().unwrap());
            }
            _ => prop_assert_eq!(rows(&choice), at_least.iter().map(|c| rows(c)).min().unwrap()),
        }
    }

    #[test]
    fn a_small_gang_takes_the_fullest_node_that_may_be_used(
        drawn in prop::collection::vec(any_node(), 1..=9),
        closed in prop::collection::vec(prop::bool::weighted(0.1), 9),
        gpus in 1..=CELL,
        data in any::<bool>(),
        left in 0..3_u32,
    ) {
        let mut space = space(&drawn, &closed);
        let site = space.site(None, &if data { wish_for_data() } else { Labels::default() });
        let shape = Shape { gpus, nodes: 1, site };
        let able: Vec<Usable> = usable(&drawn, &closed, data).into_iter().filter(|n| n.free >= gpus).collect();
        let whole_in = |place| able.iter().filter(|n| n.place == place && n.free == CELL).count();
        let key = |n: &Usable| {
            let broken = n.free == CELL;
            let rack = drawn.iter().position(|d| (d.1, d.0) == n.place);
            (n.free, broken.then(|| (whole_in(n.place), rack)), if gpus == CELL { u32::MAX - n.node } else { n.node })
        };
        let expected = able.iter().min_by_key(|n| key(n)).map(|n| vec![(n.node, gpus)]);
        prop_assert_eq!(&space.find(shape), &expected.clone().map(Places::from));

        let all_whole = usable(&drawn, &closed, false).iter().filter(|n| n.free == CELL).count();
        let breaks = |found: &Vec<Place>| able.iter().any(|n| n.node == found[0].0 && n.free == CELL);
        let fits = expected.as_ref().is_some_and(|found| !breaks(found) || all_whole > left as usize);
        prop_assert_eq!(space.fits(shape, left), fits);
    }
}

#[test]
fn a_wish_that_every_choice_meets_is_none() {
    let rack = |name: &str| NodeSpec {
        gpus: CELL,
        labels: labels(&[(RACK_LABEL, name.to_owned()), ("data", "here".to_owned())]),
    };
    let mut one = Space::of_pool(&[rack("a"), rack("a")]);
    let mut two = Space::of_pool(&[rack("a"), rack("b")]);
    assert!(one.site(Some(Level::Rack), &wish_for_data()).is_anywhere());
    assert!(two.site(Some(Level::Row), &wish_for_data()).is_anywhere(), "all rows are the unknown one");
    let within = two.site(Some(Level::Rack), &wish_for_data());
    assert!(!within.is_anywhere());
    assert_eq!(within, two.site(Some(Level::Rack), &Labels::default()), "the same wish has one number");
}

/// Racks of three, four and two nodes in one row, then four in another row.
#[test]
fn the_last_rack_is_the_tightest_that_has_the_rest() {
    let racks = [(3, "a", "w1"), (4, "b", "w1"), (2, "c", "w1"), (4, "d", "w2")];
    let node = |rack: &str, row: &str| {
        let pairs = [(RACK_LABEL, rack.to_owned()), (ROW_LABEL, row.to_owned())];
        NodeSpec { gpus: CELL, labels: labels(&pairs) }
    };
    let specs: Vec<NodeSpec> =
        racks.iter().flat_map(|&(count, rack, row)| vec![node(rack, row); count]).collect();
    let mut space = Space::of_pool(&specs);
    let site = space.site(None, &Labels::default());
    let nodes = |space: &Space, nodes| {
        let found = space.find(Shape { gpus: CELL, nodes, site }).unwrap();
        found.iter().map(|(node, _)| *node).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&space, 4), [6, 5, 4, 3], "two racks of four: the first");
    assert_eq!(nodes(&space, 5), [6, 5, 4, 3, 8], "four, and one of the two in c, not of the three in a");
    assert_eq!(nodes(&space, 7), [6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(nodes(&space, 10), [6, 5, 4, 3, 2, 1, 0, 8, 7, 12], "a whole row and one of the other");
}
