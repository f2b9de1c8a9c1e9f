//! GPU-hours that projects use in reserves with tiers, as a replay goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::accounts::GpuMillis;
use crate::quota::Award;
use crate::treaty::Treaty;
use crate::units::{DurationMillis, GpuHours, Gpus, MemberId, TimestampMillis};

/// Use by reserve and project.
#[derive(Debug, Default)]
pub(super) struct Tiers {
    use_of: BTreeMap<(MemberId, Arc<str>), Use>,
}

#[derive(Debug)]
struct Use {
    most: GpuHours,
    used: GpuMillis,
    held: Gpus,
    until: TimestampMillis,
    /// When the hours of the tier were used up.
    used_up_at: Option<TimestampMillis>,
}

impl Tiers {
    pub(super) fn of(treaty: &Treaty, awards: &[Award]) -> Self {
        let mut tiers = Self::default();
        for award in awards {
            let rule = treaty.reserve(award.reserve);
            let tier = rule.and_then(|rule| rule.tiers.iter().find(|t| t.name == award.tier));
            let most = tier.map_or(GpuHours::MAX, |tier| award.hours_of(tier.gpu_hours_most));
            let used = GpuMillis::from_hours(award.used_gpu_hours);
            let begin = TimestampMillis(0);
            let first = Use {
                most,
                used,
                held: 0,
                until: begin,
                used_up_at: (award.used_gpu_hours >= most).then_some(award.since),
            };
            tiers.use_of.insert((award.reserve, award.project.clone()), first);
        }
        tiers
    }

    /// A project holds so many GPUs more, or fewer.
    pub(super) fn change(
        &mut self,
        (party, project): (MemberId, &str),
        now: TimestampMillis,
        change: impl Fn(Gpus) -> Gpus,
    ) {
        if self.use_of.is_empty() {
            return;
        }
        if let Some(of) = self.use_of.get_mut(&(party, Arc::from(project))) {
            of.book(now);
            of.held = change(of.held);
        }
    }

    /// Whether a project has used the last hours of its tier since this was last asked.
    pub(super) fn used_up(&mut self, now: TimestampMillis) -> bool {
        let mut any = false;
        for of in self.use_of.values_mut() {
            of.book(now);
            if of.used_up_at.is_none() && of.used.whole_hours() >= of.most {
                of.used_up_at = Some(now);
                any = true;
            }
        }
        any
    }

    /// The awards with what was used until now; one whose hours are used up holds anew since then.
    pub(super) fn awards(&self, first: &[Award], now: TimestampMillis) -> Vec<Award> {
        let with_use = |award: &Award| match self.use_of.get(&(award.reserve, award.project.clone())) {
            None => award.clone(),
            Some(of) => Award {
                used_gpu_hours: of.used_until(now).whole_hours(),
                since: of.used_up_at.map_or(award.since, |at| at.max(award.since)),
                ..award.clone()
            },
        };
        first.iter().map(with_use).collect()
    }
}

impl Use {
    fn used_until(&self, now: TimestampMillis) -> GpuMillis {
        self.used.plus(GpuMillis::of(self.held, DurationMillis(now.since(self.until).0)))
    }

    fn book(&mut self, now: TimestampMillis) {
        self.used = self.used_until(now);
        self.until = self.until.max(now);
    }
}
