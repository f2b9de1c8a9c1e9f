//! The engine's picture of the pool, kept between decisions: what changed is worked out anew, and nothing else. It is the
//! same as one made from scratch ([`concord_api::snapshot::snapshot`]); the tests hold it against that. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use concord_api::snapshot::{Meaning, millis, without};
use concord_treaty::quota::{Award, QuotaInForce};
use concord_treaty::snapshot::{Claim, Claims, Node, Slot, Snapshot};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::ClaimId;
use k8s_openapi::jiff::Timestamp;

use crate::view::Key;

/// The picture as it was last made.
#[derive(Debug, Default)]
pub struct Picture {
    claims: Claims,
    nodes: Vec<Node>,
    /// By claim: GPUs held by those whose member is not in the treaty.
    foreign: BTreeMap<Key, Vec<Slot>>,
    /// Claims that may mean something else now.
    stale: BTreeSet<Key>,
    /// All of them may.
    all_stale: bool,
    /// Under which treaty and quotas the claims were read; all are read again under others.
    under: Option<(Arc<Rules>, Vec<QuotaInForce>)>,
    /// What projects on reserves were granted, and what they have used of it.
    awards: Vec<Award>,
    version: u64,
}

/// What holds inside members and reserves.
#[derive(Debug)]
pub struct Inside {
    /// Quotas of members.
    pub quotas: Vec<QuotaInForce>,
    /// Grants of projects on reserves.
    pub awards: Vec<Award>,
}

/// A picture and its number: another number, another picture.
#[derive(Debug)]
pub struct Seen {
    /// The picture.
    pub snapshot: Snapshot,
    /// Rises with every change.
    pub version: u64,
}

impl Picture {
    /// These claims have changed, or are gone.
    pub fn changed(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.stale.extend(keys);
    }

    /// Something has changed that any claim may depend on.
    pub fn all_changed(&mut self) {
        self.all_stale = true;
    }

    /// Brings it up to date. `all` are the keys of all claims; `look` says what a claim means now, and `Nothing` of one
    /// that is gone.
    pub fn refresh<'k>(
        &mut self,
        rules: &Arc<Rules>,
        Inside { quotas, awards }: Inside,
        nodes: impl IntoIterator<Item = Node>,
        all: impl IntoIterator<Item = &'k Key>,
        look: impl Fn(&Key, &[QuotaInForce]) -> Meaning,
        now: Timestamp,
    ) -> Seen {
        let same = self.under.as_ref().is_some_and(|(before, said)| before == rules && *said == quotas);
        self.version += u64::from(!same);
        if !same || std::mem::take(&mut self.all_stale) {
            let gone = self.claims.iter().map(|claim| Key::from_claim_id(&claim.id));
            self.stale = gone.chain(self.foreign.keys().cloned()).chain(all.into_iter().cloned()).collect();
        }
        let mut changes: Vec<(ClaimId, Option<Claim>)> = Vec::new();
        for key in std::mem::take(&mut self.stale) {
            let meaning = look(&key, &quotas);
            let id = key.claim_id();
            let (claim, foreign) = match meaning {
                Meaning::Claim(claim) => (Some(*claim), None),
                Meaning::Foreign(slots) => (None, Some(slots)),
                Meaning::Nothing => (None, None),
            };
            match foreign {
                Some(slots) => drop(self.foreign.insert(key, slots)),
                None => drop(self.foreign.remove(&key)),
            }
            changes.push((id, claim));
        }
        changes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.version += u64::from(take_over(&mut self.claims, changes));
        self.forget(rules, now);
        let nodes = without(nodes, self.foreign.values().flatten());
        self.take_nodes(nodes);
        self.under = Some((Arc::clone(rules), quotas.clone()));
        if awards != self.awards {
            self.awards.clone_from(&awards);
            self.version += 1;
        }
        let (nodes, claims) = (self.nodes.clone(), self.claims.clone());
        let snapshot =
            Snapshot { nodes, claims, ..Snapshot::default() }.with_quotas(quotas).with_awards(awards);
        Seen { snapshot, version: self.version }
    }

    /// What nothing depends on any more goes; it never matters again.
    fn forget(&mut self, rules: &Rules, now: Timestamp) {
        let is_over = |claim: &Claim| claim.is_forgotten(millis(now), rules.reclaim_notice());
        if self.claims.iter().any(is_over) {
            self.claims.retain(|claim| !is_over(claim));
            self.version += 1;
        }
    }

    fn take_nodes(&mut self, mut nodes: Vec<Node>) {
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if nodes != self.nodes {
            self.nodes = nodes;
            self.version += 1;
        }
    }
}

/// Puts changed claims into a sorted list, `None` for those that are gone; true when the list is another one then.
/// `changes` are sorted too.
fn take_over(claims: &mut Claims, changes: Vec<(ClaimId, Option<Claim>)>) -> bool {
    let mut news: Vec<(Result<usize, usize>, ClaimId, Option<Claim>)> = Vec::new();
    for (id, claim) in changes {
        let at = claims.binary_search_by(|known| known.id.cmp(&id));
        let differs = match (at, &claim) {
            (Ok(at), Some(claim)) => claims[at] != *claim,
            (Ok(_), None) | (Err(_), Some(_)) => true,
            (Err(_), None) => false,
        };
        if differs {
            news.push((at, id, claim));
        }
    }
    if news.is_empty() {
        return false;
    }
    if news.iter().all(|(at, _, claim)| at.is_ok() && claim.is_some()) {
        for (at, _, claim) in news {
            if let (Ok(at), Some(claim)) = (at, claim) {
                claims[at] = claim;
            }
        }
        return true;
    }
    let mut merged = Vec::with_capacity(claims.len() + news.len());
    let mut before = std::mem::take(claims).into_iter().peekable();
    for (at, id, claim) in news {
        while let Some(earlier) = before.next_if(|known| known.id < id) {
            merged.push(earlier);
        }
        if at.is_ok() {
            before.next();
        }
        merged.extend(claim);
    }
    merged.extend(before);
    *claims = merged.into();
    true
}

#[cfg(test)]
mod tests;
