//! What the engine needs of a treaty, as plain numbers.

use super::alone::AloneOrder;
use crate::quota::PartyShares;
use crate::snapshot::Standing;
use crate::treaty::{Closed, Treaty};
use crate::units::{DurationMillis, Gpus};

/// Rules of one pool of equal GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// By member, in the treaty's order.
    pub members: Vec<MemberRules>,
    /// By member: its own tree, down which it is decided whose claim is next; without one, by its line. Members
    /// beyond the end have none.
    pub inside: Vec<PartyShares>,
    /// Between telling a borrower and stopping it.
    pub notice: DurationMillis,
    /// The notice is shortened for a due claim that an earlier notice has made late, but never below this.
    pub least_notice: DurationMillis,
    /// A borrower is not stopped before it has run so long.
    pub minimum_run: DurationMillis,
    /// A claim that waited so long is not passed any more.
    pub aging: Option<DurationMillis>,
    /// How a member's line goes on alone.
    pub alone_order: AloneOrder,
    /// Within one member, short claims start before long ones on what is idle; without it, by submission. Nobody
    /// starves by it: the line alone goes by submission and makes every claim due in its turn.
    pub shortest_first: bool,
}

/// One member's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRules {
    /// GPUs that it can always have.
    pub guarantee: Gpus,
    /// Most GPUs at once.
    pub ceiling: Gpus,
    /// Guaranteed GPUs that are never lent.
    pub keep: Gpus,
    /// Weight when idle GPUs are lent; at least 1.
    pub weight: u64,
    /// Why no claim of this party starts now.
    pub closed: Option<Closed>,
    /// What its past says about its borrowing.
    pub standing: Standing,
}

impl Rules {
    /// The rules of a pool's treaty (see [`crate::terms::Pool`]); parties beyond `standings` have no past.
    #[must_use]
    pub fn of(treaty: &Treaty, standings: &[Standing]) -> Self {
        let member = |(index, m): (usize, &crate::treaty::Member)| MemberRules {
            guarantee: m.guarantee,
            ceiling: m.ceiling.unwrap_or(Gpus::MAX),
            keep: m.keep,
            weight: m.surplus_weight,
            closed: m.closed,
            standing: standings.get(index).copied().unwrap_or_default(),
        };
        Self {
            members: treaty.members().iter().enumerate().map(member).collect(),
            inside: Vec::new(),
            notice: treaty.reclaim_notice(),
            least_notice: DurationMillis(0),
            minimum_run: treaty.reclaim().minimum_run,
            aging: treaty.line().aging,
            alone_order: treaty.line().alone.into(),
            shortest_first: treaty.line().shortest_first,
        }
    }

    /// The same with what holds inside the members (see [`crate::terms::Pool::shares_inside`]).
    #[must_use]
    pub fn with_shares_inside(self, inside: Vec<PartyShares>) -> Self {
        Self { inside, ..self }
    }
}
