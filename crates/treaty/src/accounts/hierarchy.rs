//! Sharing down a tree: member, institution, project, person. The split inside a subtree depends only on what the
//! subtree got and on its own parties: nothing that others do inside theirs changes it.

use super::shares::{Claimant, share};

/// A party that is shared to, alone or with parties inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Weight and limits among its siblings. With parties inside, its demand is theirs and the field is not read.
    pub claimant: Claimant,
    /// Parties inside, in the order that breaks ties; empty for a leaf.
    pub inside: Vec<Party>,
}

/// What a [`Party`] got, in the same shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Amount, in the unit of the capacity.
    pub amount: u64,
    /// Parts of the parties inside; they add up to `amount` wherever there are any.
    pub inside: Vec<Part>,
}

/// Shares `capacity` among `parties`, and what each got among the parties inside it, down to the leaves.
#[must_use]
pub fn share_down(capacity: u64, parties: &[Party]) -> Vec<Part> {
    let claimants: Vec<Claimant> = parties.iter().map(asking).collect();
    let amounts = share(capacity, &claimants);
    let parts = amounts.into_iter().zip(parties);
    parts.map(|(amount, party)| Part { amount, inside: share_down(amount, &party.inside) }).collect()
}

/// The claimant with the demand of its leaves: what they could use within every ceiling on the way up.
fn asking(party: &Party) -> Claimant {
    if party.inside.is_empty() {
        return party.claimant;
    }
    let demand = party.inside.iter().map(|p| asking(p).most()).fold(0, u64::saturating_add);
    Claimant { demand, ..party.claimant }
}
