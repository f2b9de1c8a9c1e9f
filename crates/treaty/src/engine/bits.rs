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
            }
        }
    }
}
