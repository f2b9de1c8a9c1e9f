//! What is written for amendments: their statuses, and the treaty itself when one acts or ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use concord_api::{Amendment, Treaty};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::Operator;
use crate::amendments::{Act, is_to_be_applied, next};
use crate::view::{Key, version};
use crate::write::{WriteError, chain};

/// Acts of one cycle: status, treaty and status again for a handful at once. What is left is done next cycle.
const ACTS_MAX: usize = 30;
/// Pause after a write that failed.
const REST: Duration = Duration::from_secs(5);

/// What is remembered of amendments between cycles; a restart loses nothing.
pub(super) struct Amendments {
    /// Those for which nothing is to be done as they are.
    idle: BTreeMap<String, Idle>,
    /// A write failed; none is tried before.
    rest_until: Instant,
}

/// Nothing is to be done while nobody changes the amendment or the treaty, and before a time.
struct Idle {
    amendment: u64,
    treaty: Option<(String, Option<i64>)>,
    until: Option<Timestamp>,
}

impl Amendments {
    pub(super) const fn new(clock: Instant) -> Self {
        Self { idle: BTreeMap::new(), rest_until: clock }
    }

    /// Looks at everything anew.
    pub(super) fn forget(&mut self) {
        self.idle.clear();
    }
}

impl Operator {
    /// Does what is to be done for each amendment, one write after the other: the next one may be about what the last one
    /// changed.
    pub(super) async fn answer_amendments(&mut self) {
        if Instant::now() < self.amendments.rest_until {
            return;
        }
        let now = Timestamp::now();
        for _ in 0..ACTS_MAX {
            let Some((amendment, act)) = self.next_amendment_act(now) else { return };
            let name = amendment.name_any();
            if let Err(error) = self.do_amendment_act(&amendment, act).await {
                tracing::warn!(
                    amendment = name,
                    error = chain(&error),
                    "amendment not carried on; trying again"
                );
                self.amendments.rest_until = Instant::now() + REST;
                return;
            }
        }
    }

    /// The next write. What already acts by its status goes first, so that no second amendment of the same text is told that it
    /// acts.
    fn next_amendment_act(&mut self, now: Timestamp) -> Option<(Amendment, Act)> {
        let mut all: Vec<Amendment> = self.awake(now);
        all.sort_by_key(|amendment| {
            let acts_from =
                amendment.status.as_ref().and_then(|status| status.acts_from.clone()).map(|at| at.0);
            let created_at = amendment.creation_timestamp().map(|time| time.0);
            // Without a date it comes after those that have one.
            (!is_to_be_applied(amendment), acts_from.is_none(), acts_from, created_at, amendment.name_any())
        });
        for amendment in all {
            let treaty = self.treaty_of(&amendment);
            if let Some(act) = next(&amendment, treaty, now) {
                return Some((amendment, act));
            }
            // It may have been seen before its treaty.
            if amendment.status.is_none() {
                continue;
            }
            let idle = Idle {
                amendment: version(amendment.resource_version()),
                treaty: treaty.map(text_version),
                until: amendment.status.as_ref().and_then(|status| status.next_at.clone()).map(|at| at.0),
            };
            self.amendments.idle.insert(amendment.name_any(), idle);
        }
        None
    }

    /// Those about which something may be to be done.
    fn awake(&mut self, now: Timestamp) -> Vec<Amendment> {
        let Self { amendments, world, .. } = self;
        amendments.idle.retain(|name, _| world.amendments.get(&Key::cluster(name)).is_some());
        let sleeps = |amendment: &Amendment| {
            amendments.idle.get(&amendment.name_any()).is_some_and(|idle| {
                let treaty = world.treaties.get(&Key::cluster(&amendment.spec.treaty));
                idle.amendment == version(amendment.resource_version())
                    && idle.treaty == treaty.map(|treaty| text_version(&treaty.object))
                    && idle.until.is_none_or(|until| now < until)
            })
        };
        let objects = world.amendments.values().map(|seen| &seen.object);
        objects.filter(|amendment| !sleeps(amendment)).cloned().collect()
    }

    fn treaty_of(&self, amendment: &Amendment) -> Option<&Treaty> {
        self.world.treaties.get(&Key::cluster(&amendment.spec.treaty)).map(|treaty| &treaty.object)
    }

    async fn do_amendment_act(&mut self, amendment: &Amendment, act: Act) -> Result<(), WriteError> {
        let name = amendment.name_any();
        let spec = match act {
            Act::Tell(status) => {
                let told = self.writer.set_amendment_status(amendment, *status).await?;
                self.world.amendments.absorb(&told);
                return Ok(());
            }
            Act::Apply => amendment.spec.text.clone(),
            Act::Restore(before) => *before,
        };
        let Some(treaty) = self.treaty_of(amendment).cloned() else { return Ok(()) };
        let changed = self.writer.amend_treaty(&treaty, spec, &name, Timestamp::now()).await?;
        tracing::info!(amendment = name, treaty = changed.name_any(), "the treaty has another text");
        self.world.absorb_treaty(&changed);
        Ok(())
    }
}

/// Which text a treaty has, for noticing that it is another.
fn text_version(treaty: &Treaty) -> (String, Option<i64>) {
    (treaty.uid().unwrap_or_default(), treaty.metadata.generation)
}
