//! Nodes by name: a snapshot names the nodes of every running claim, so that they are looked up as often as there are
//! claims.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::places::Places;
use crate::snapshot::{Node, Slot};

/// Indices of a snapshot's nodes. Only looked up, never listed: the order of a hash map decides nothing.
pub(super) struct NodeNames<'s>(HashMap<&'s str, u32, BuildHasherDefault<Multiply>>);

impl<'s> NodeNames<'s> {
    pub(super) fn of(nodes: &'s [Node]) -> Self {
        Self(nodes.iter().map(|node| &*node.name.0).zip(0..).collect())
    }

    /// GPUs by node; fewer than `slots` if a node is gone.
    pub(super) fn places(&self, slots: &[Slot]) -> Places {
        let place = |slot: &Slot| Some((*self.0.get(&*slot.node.0)?, slot.gpus));
        slots.iter().filter_map(place).collect()
    }
}

/// Eight bytes a step, for names that an operator chose; a flood of equal hashes would only be slow.
#[derive(Default)]
struct Multiply(u64);

impl Multiply {
    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            self.mix(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // A map looks at the low bits, and multiplication mixes towards the high ones.
        self.0 ^ (self.0 >> 32)
    }
}
