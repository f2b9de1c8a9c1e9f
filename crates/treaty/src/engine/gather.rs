//! From which racks a gang takes its whole nodes: the lowest level at which one part of the pool has enough, there the
//! fullest part that fits, and below it as few parts as possible (the rule of Kueue's KEP-2724, `BestFit`).

use super::counts::Counts;
use super::topology::Topology;
use crate::snapshot::Level;

/// So many nodes of a rack or row.
pub(crate) type Share = (u32, u32);

/// How many nodes to take of which rack; `None` if there are not enough in one part of the required level.
pub(crate) fn gather(
    topology: &Topology,
    counts: &Counts,
    needed: u32,
    within: Option<Level>,
) -> Option<Vec<Share>> {
    if let Some(rack) = counts.tightest_rack(needed) {
        return Some(vec![(rack, needed)]);
    }
    let rows = match (within, tightest(&counts.by_row, needed)) {
        (Some(Level::Rack), _) | (Some(Level::Row), None) => return None,
        (_, Some(row)) => vec![(row, needed)],
        (None, None) => spread(numbered(&counts.by_row), needed)?,
    };
    let mut racks = Vec::new();
    for (row, part) in rows {
        let of_row = numbered(&counts.by_rack).filter(|(rack, _)| topology.row_of(*rack) == row);
        racks.extend(spread(of_row, part)?);
    }
    Some(racks)
}

/// The part with the fewest nodes at hand that still has enough; the lowest among equals.
pub(crate) fn tightest(at_hand: &[u32], needed: u32) -> Option<u32> {
    let enough = numbered(at_hand).filter(|(_, count)| *count >= needed);
    enough.min_by_key(|&(part, count)| (count, part)).map(|(part, _)| part)
}

/// As few parts as possible: those with the most first, and the last one the tightest that has the rest.
fn spread(parts: impl Iterator<Item = Share>, needed: u32) -> Option<Vec<Share>> {
    let mut most_first: Vec<Share> = parts.filter(|(_, count)| *count > 0).collect();
    most_first.sort_unstable_by_key(|&(part, count)| (std::cmp::Reverse(count), part));
    let (mut taken, mut rest) = (Vec::new(), needed);
    for &(part, count) in &most_first {
        if count >= rest {
            break;
        }
        taken.push((part, count));
        rest -= count;
    }
    let enough = most_first.iter().skip(taken.len()).filter(|(_, count)| *count >= rest);
    let (last, _) = enough.min_by_key(|&&(part, count)| (count, part))?;
    taken.push((*last, rest));
    Some(taken)
}

fn numbered(counts: &[u32]) -> impl Iterator<Item = Share> {
    (0..).zip(counts.iter().copied())
}
