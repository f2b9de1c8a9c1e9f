//! Smaller gangs: the largest that starts now, one node, half.

use super::{Change, WhatIf, resubmitted};
use crate::explain::case::{Case, shape};
use crate::explain::forecast::Limits;
use crate::snapshot::Gang;
use crate::units::Gpus;

/// Gang sizes that are tried one by one; of more the right one is found by halving.
const TRIED_MOST: usize = 32;

pub(super) fn smaller(case: &Case<'_>, limits: Limits) -> Vec<WhatIf> {
    let (claim, cell) = (case.claim(), case.scene.cell());
    let before = u64::from(claim.gang.gpus());
    let sizes = smaller_gangs(claim.gang, cell);
    let ask = |gang: Gang| resubmitted(case, |claim| claim.gang = gang);
    let starts = |gang: Gang| ask(gang).decided().0.admissions.iter().any(|a| a.claim == claim.id);
    let several_nodes = shape(claim, cell).is_none_or(|(nodes, _)| nodes > 1);
    let named = [
        (largest_that_starts(&sizes, starts), "LargestNow", "the largest gang that starts now"),
        (sizes.iter().copied().find(|g| several_nodes && g.gpus() <= cell), "OneNode", "one node"),
        (sizes.iter().copied().find(|g| u64::from(g.gpus()) * 2 <= before), "HalfGang", "half the gang"),
    ];
    let mut tried: Vec<Gang> = Vec::new();
    let mut found = Vec::new();
    for (gang, code, word) in named {
        let Some(gang) = gang.filter(|gang| !tried.contains(gang)) else { continue };
        tried.push(gang);
        let sentence = format!("submitted anew as {}, {word}", in_words(gang));
        found.push(Change::of_ask(code, sentence).brings(&ask(gang), limits));
    }
    found
}

fn in_words(gang: Gang) -> String {
    let pods = if gang.pods == 1 { "1 pod".to_owned() } else { format!("{} pods", gang.pods) };
    let gpus =
        if gang.gpus_per_pod == 1 { "1 GPU".to_owned() } else { format!("{} GPUs", gang.gpus_per_pod) };
    format!("{pods} of {gpus}")
}

/// Smaller gangs that nodes can take, the largest first: fewer pods, then one smaller pod.
fn smaller_gangs(gang: Gang, cell: Gpus) -> Vec<Gang> {
    let gpus_per_pod = gang.gpus_per_pod.min(cell);
    let fewer = (1..=gang.pods).rev().map(|pods| Gang { pods, gpus_per_pod });
    let smaller = (1..gpus_per_pod).rev().map(|gpus_per_pod| Gang { pods: 1, gpus_per_pod });
    let fits = |g: &Gang| *g != gang && g.gpus() < gang.gpus() && g.whole_nodes(cell).is_ok();
    fewer.chain(smaller).filter(fits).collect()
}

/// The first that starts. Where there are too many to try all, it takes it that what is smaller starts as well; what
/// it returns does start.
fn largest_that_starts(sizes: &[Gang], mut starts: impl FnMut(Gang) -> bool) -> Option<Gang> {
    if sizes.len() <= TRIED_MOST {
        return sizes.iter().copied().find(|gang| starts(*gang));
    }
    let at = sizes.partition_point(|gang| !starts(*gang));
    sizes.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_gangs_fit_nodes() {
        let gangs = smaller_gangs(Gang { pods: 6, gpus_per_pod: 4 }, 8);
        let sizes: Vec<(u32, u32)> = gangs.iter().map(|g| (g.pods, g.gpus_per_pod)).collect();
        assert_eq!(sizes, [(4, 4), (2, 4), (1, 4), (1, 3), (1, 2), (1, 1)], "5 and 3 pods leave half a node");
        let too_wide = smaller_gangs(Gang { pods: 1, gpus_per_pod: 12 }, 8);
        assert_eq!((too_wide[0].gpus(), too_wide.len()), (8, 8));
        assert!(smaller_gangs(Gang { pods: 1, gpus_per_pod: 1 }, 8).is_empty());
    }

    #[test]
    fn the_largest_is_found_among_few_and_many() {
        for pods in [3, 1000] {
            let sizes = smaller_gangs(Gang { pods, gpus_per_pod: 8 }, 8);
            let largest =
                |limit: u32| largest_that_starts(&sizes, |gang| gang.gpus() <= limit).map(Gang::gpus);
            let found = [16, 15, 1, 0].map(largest);
            assert_eq!(found, [Some(16), Some(8), Some(1), None], "{pods}");
        }
    }
}
