//! What happens to a pool, told by whatever draws histories: properties at random, fuzzing guided by coverage.

use concord_treaty::snapshot::{Claim, Gang, Phase};

use super::pool::Pool;

/// One thing that happens. Claims and nodes are meant by their place among those that it can happen to.
#[derive(Debug, Clone)]
pub enum Event {
    /// A member submits a gang, which may state its run time in milliseconds.
    Submit(u16, Gang, Option<i64>),
    /// A run ends.
    Finish(usize),
    /// A waiting claim is taken back.
    Cancel(usize),
    /// The pods of a stopped claim are gone.
    Release(usize),
    /// So many milliseconds pass.
    Wait(i64),
    /// A node is gone; the last one stays.
    LoseNode(usize),
    /// A node takes no more work, or takes it again: not ready, cordoned.
    Cordon(usize),
    /// A member's guarantee becomes so many GPUs, if it is more.
    Amend(usize, i64),
}

/// Lets it happen, a millisecond after what was before.
pub fn happen(pool: &mut Pool, event: &Event) {
    pool.now += 1;
    let which = |filter: &dyn Fn(&Claim) -> bool, nth: usize| {
        let of: Vec<&Claim> = pool.snapshot.claims.iter().filter(|c| filter(c)).collect();
        of.get(nth % of.len().max(1)).map(|c| c.id.to_string())
    };
    match event {
        Event::Submit(member, gang, expected) => {
            let member = member % u16::try_from(pool.document.members.len()).unwrap();
            // The time makes the name unique; claims of one member may well have the same time.
            let id = format!("c{:06}", pool.now);
            pool.submit(&id, member, *gang, *expected);
        }
        Event::Finish(nth) => {
            let running = |c: &Claim| c.holding().is_some_and(|h| h.phase != Phase::Stopping);
            which(&running, *nth).into_iter().for_each(|id| pool.finish(&id));
        }
        Event::Cancel(nth) => which(&Claim::is_waiting, *nth).into_iter().for_each(|id| pool.cancel(&id)),
        Event::Release(nth) => {
            let stopping = |c: &Claim| c.holding().is_some_and(|h| h.phase == Phase::Stopping);
            which(&stopping, *nth).into_iter().for_each(|id| pool.release(&id));
        }
        Event::Wait(millis) => pool.now += millis,
        Event::LoseNode(nth) if pool.snapshot.nodes.len() > 1 => {
            let nth = nth % pool.snapshot.nodes.len();
            pool.lose_node(nth);
        }
        Event::LoseNode(_) => {}
        Event::Cordon(nth) => pool.cordon(nth % pool.snapshot.nodes.len()),
        Event::Amend(member, most_gpus) => {
            let member = member % pool.document.members.len();
            let raw = &mut pool.document.members[member];
            raw.guarantee.gpus = raw.guarantee.gpus.map(|gpus| gpus.min(*most_gpus));
            raw.lending = None;
        }
    }
}
