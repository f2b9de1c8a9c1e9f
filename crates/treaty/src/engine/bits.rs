//! A set of small integers with its smallest and largest member at hand: which nodes have so many GPUs free.

/// Two levels of 64-bit words: a word of the upper level says which words of the lower one are not empty, so that
/// 12,500 nodes are searched in a handful of instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IndexSet {
    words: Vec<u64>,
    summary: Vec<u64>,
    len: u32,
}

impl IndexSet {
    /// An empty set for members below `limit`.
    pub(crate) fn with_limit(limit: usize) -> Self {
        let words = limit.div_ceil(64);
        Self { words: vec![0; words], summary: vec![0; words.div_ceil(64)], len: 0 }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, index: u32) {
        let (word, bit) = (index as usize / 64, 1 << (index % 64));
        self.len += u32::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
        self.summary[word / 64] |= 1 << (word % 64);
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let (word, bit) = (index as usize / 64, 1 << (index % 64));
        self.len -= u32::from(self.words[word] & bit != 0);
        self.words[word] &= !bit;
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.words.get(index as usize / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Members, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            let without_lowest = |rest: &u64| Some(rest & (rest - 1)).filter(|&rest| rest != 0);
            let rest = std::iter::successors(Some(bits).filter(|&bits| bits != 0), without_lowest);
            rest.map(move |rest| index_of(word, rest.trailing_zeros()))
        })
    }

    /// Members, falling.
    pub(crate) fn iter_down(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().rev().flat_map(|(word, &bits)| {
            let without_highest =
                |rest: &u64| Some(rest ^ (1 << (63 - rest.leading_zeros()))).filter(|&rest| rest != 0);
            let rest = std::iter::successors(Some(bits).filter(|&bits| bits != 0), without_highest);
            rest.map(move |rest| index_of(word, 63 - rest.leading_zeros()))
        })
    }

    /// Whether some member is in both sets.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Members of both sets.
    pub(crate) fn both(&self, other: &Self) -> Self {
        let mut both = Self::with_limit(self.words.len() * 64);
        for (at, (a, b)) in self.words.iter().zip(&other.words).enumerate() {
            both.words[at] = a & b;
            both.len += (a & b).count_ones();
            both.summary[at / 64] |= u64::from(a & b != 0) << (at % 64);
        }
        both
    }

    /// Smallest member.
    pub(crate) fn first(&self) -> Option<u32> {
        let upper = self.summary.iter().position(|&w| w != 0)?;
        let word = upper * 64 + self.summary[upper].trailing_zeros() as usize;
        Some(index_of(word, self.words[word].trailing_zeros()))
    }

    /// Largest member.
    pub(crate) fn last(&self) -> Option<u32> {
        let upper = self.summary.iter().rposition(|&w| w != 0)?;
        let word = upper * 64 + 63 - self.summary[upper].leading_zeros() as usize;
        Some(index_of(word, 63 - self.words[word].leading_zeros()))
    }
}

fn index_of(word: usize, bit: u32) -> u32 {
    u32::try_from(word * 64).unwrap_or(u32::MAX).saturating_add(bit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::IndexSet;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(steps in prop::collection::vec((any::<bool>(), 0_u32..9000), 0..400)) {
            let (mut set, mut oracle) = (IndexSet::with_limit(9000), BTreeSet::new());
            for (insert, index) in steps {
                if insert {
                    set.insert(index);
                    oracle.insert(index);
                } else {
                    set.remove(index);
                    oracle.remove(&index);
                }
                prop_assert_eq!(set.first(), oracle.first().copied());
                prop_assert_eq!(set.last(), oracle.last().copied());
                prop_assert_eq!(set.len() as usize, oracle.len());
                prop_assert_eq!(set.is_empty(), oracle.is_empty());
                prop_assert_eq!(set.contains(index), oracle.contains(&index));
            }
            prop_assert!(set.iter().eq(oracle.iter().copied()));
            prop_assert!(set.iter_down().eq(oracle.iter().rev().copied()));
        }

        #[test]
        fn meets_like_ordered_sets(a in prop::collection::btree_set(0_u32..300, 0..40), b in prop::collection::btree_set(0_u32..300, 0..40)) {
            let set = |of: &BTreeSet<u32>| {
                let mut set = IndexSet::with_limit(300);
                of.iter().for_each(|&index| set.insert(index));
                set
            };
            let both = set(&a).both(&set(&b));
            prop_assert!(both.iter().eq(a.intersection(&b).copied()));
            prop_assert_eq!(both.len() as usize, a.intersection(&b).count());
            prop_assert_eq!(both.first(), a.intersection(&b).next().copied());
            prop_assert_eq!(set(&a).meets(&set(&b)), !both.is_empty());
        }
    }
}
