//! When a claim is expected to start: two forecasts, and what each can say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Scene;
use super::forecast::{Ends, Forecast, Stop};
use crate::snapshot::Snapshot;
use crate::terms::Terms;
use crate::treaty::Treaty;
use crate::units::{ClaimId, TimestampMillis};

/// Claims without a run time that are named where they are the reason that no latest start can be said.
const NAMED_MOST: usize = 3;

/// When a claim is expected to start. A forecast, not a promise: it takes it that nothing new arrives and that the
/// treaty stays as it is. Usually, but not always, ends between the two assumptions lead to a start between the two
/// ends: with gangs, an earlier end can make a later start (Graham 1969).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Range {
    /// If every job ends early.
    pub earliest: Bound,
    /// If every job runs to its stated limit.
    pub latest: Bound,
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Bound {
    /// Then.
    At {
        /// When.
        #[serde(rename = "atMillis")]
        at: TimestampMillis,
    },
    /// Not before this time; the forecast goes no further.
    NotBefore {
        /// Until when the forecast went.
        #[serde(rename = "atMillis")]
        at: TimestampMillis,
    },
    /// Nobody can say, because these run without a stated end.
    Unknown {
        /// Until then the claim has not started.
        #[serde(rename = "notBeforeMillis")]
        not_before: TimestampMillis,
        /// The largest of them.
        because: Vec<ClaimId>,
        /// How many more there are.
        more: usize,
    },
    /// Not at all, as long as nothing changes.
    Never,
}

impl Bound {
    /// The time, if one can be said.
    #[must_use]
    pub const fn time(&self) -> Option<TimestampMillis> {
        match self {
            Self::At { at } => Some(*at),
            Self::NotBefore { .. } | Self::Unknown { .. } | Self::Never => None,
        }
    }

    /// For comparisons: what cannot be said is late.
    pub(super) fn or_late(&self) -> i64 {
        self.time().map_or(i64::MAX, |at| at.0)
    }

    pub(super) fn of(stop: Stop, forecast: &Forecast<'_>, snapshot: &Snapshot) -> Self {
        let endless = forecast.endless();
        let (at, id) = (forecast.now(), |job: &u32| snapshot.claims[*job as usize].id.clone());
        match stop {
            Stop::Done | Stop::Horizon => Self::NotBefore { at },
            Stop::AtRest if endless.is_empty() => Self::Never,
            Stop::AtRest => Self::Unknown {
                not_before: at,
                because: endless.iter().take(NAMED_MOST).map(id).collect(),
                more: endless.len().saturating_sub(NAMED_MOST),
            },
        }
    }
}

/// What a forecast comes to in two times, for a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartWindow {
    /// Not before.
    pub earliest: TimestampMillis,
    /// By; `None` where nobody can say.
    pub latest: Option<TimestampMillis>,
}

impl Range {
    /// The range in two times; `None` for what will never start, or of which nothing at all can be said.
    #[must_use]
    pub const fn window(&self) -> Option<StartWindow> {
        let earliest = match &self.earliest {
            Bound::At { at } | Bound::NotBefore { at } | Bound::Unknown { not_before: at, .. } => *at,
            Bound::Never => return None,
        };
        Some(StartWindow { earliest, latest: self.latest.time() })
    }

    /// Both ends in order: an anomaly of scheduling may have turned them round.
    pub(super) fn new(early: Bound, late: Bound) -> Self {
        if late.time().is_some() && late.or_late() < early.or_late() {
            Self { earliest: late, latest: early }
        } else {
            Self { earliest: early, latest: late }
        }
    }

    /// It starts at that time and no other.
    #[must_use]
    pub const fn exactly(at: TimestampMillis) -> Self {
        Self { earliest: Bound::At { at }, latest: Bound::At { at } }
    }

    /// Whether the time lies in it.
    #[must_use]
    pub fn contains(&self, at: TimestampMillis) -> bool {
        self.earliest.or_late() <= at.0 && at.0 <= self.latest.or_late()
    }
}

/// When each waiting claim is expected to start: one early and one late forecast for all of them together. In each
/// pool a forecast ends once `most` of them have started; of the others it says that they do not start before. Claims
/// of no pool are left out.
#[must_use]
pub fn expected_starts(
    treaty: &Treaty,
    snapshot: &Snapshot,
    now: TimestampMillis,
    most: usize,
) -> BTreeMap<ClaimId, Range> {
    let mut all = BTreeMap::new();
    for pool in &Terms::at(treaty, snapshot, now).pools {
        let scene = Scene::new(pool, snapshot, now);
        let early = starts(&scene, Ends::Early, most);
        let late = starts(&scene, Ends::Late, most);
        for ((claim, early), late) in scene.part.claims.iter().zip(early).zip(late) {
            if let Some((early, late)) = early.zip(late) {
                all.insert(claim.id.clone(), Range::new(early, late));
            }
        }
        let never = || Range { earliest: Bound::Never, latest: Bound::Never };
        all.extend(scene.refused.iter().map(|wait| (wait.claim.clone(), never())));
    }
    all
}

/// By claim; `None` for those that do not wait.
fn starts(scene: &Scene<'_>, ends: Ends, most: usize) -> Vec<Option<Bound>> {
    let snapshot = &scene.part;
    let mut forecast = scene.forecast(ends, scene.limits());
    let mut found: Vec<Option<Bound>> = vec![None; snapshot.claims.len()];
    let waiting = snapshot.claims.iter().filter(|c| c.is_waiting()).count();
    let mut missing = waiting.min(most);
    let stop = loop {
        let at = forecast.now();
        for job in forecast.take_started() {
            let job = job as usize;
            if snapshot.claims[job].is_waiting() && found[job].is_none() {
                found[job] = Some(Bound::At { at });
                missing = missing.saturating_sub(1);
            }
        }
        if missing == 0 {
            break Stop::Done;
        }
        if let Err(stop) = forecast.step() {
            break stop;
        }
    };
    let rest = Bound::of(stop, &forecast, snapshot);
    for (claim, found) in snapshot.claims.iter().zip(&mut found) {
        if claim.is_waiting() && found.is_none() {
            *found = Some(rest.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_says_no_more_than_the_range() {
        let (at, then) = (TimestampMillis(5), TimestampMillis(9));
        let unknown = || Bound::Unknown { not_before: then, because: Vec::new(), more: 0 };
        let window = |earliest, latest| Range { earliest, latest }.window().map(|w| (w.earliest, w.latest));
        assert_eq!(window(Bound::At { at }, Bound::At { at: then }), Some((at, Some(then))));
        assert_eq!(window(Bound::At { at }, unknown()), Some((at, None)));
        assert_eq!(window(Bound::NotBefore { at }, Bound::NotBefore { at: then }), Some((at, None)));
        assert_eq!(window(Bound::At { at }, Bound::Never), Some((at, None)));
        assert_eq!(window(Bound::Never, Bound::Never), None);
    }
}
