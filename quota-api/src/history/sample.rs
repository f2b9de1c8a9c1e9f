//! One sample of the pool: a line for the pool and for every member, class, purpose, kind of organisation and country.
//! Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::overview::{GroupUse, Overview};
use crate::pool_use::Use;

/// By what use is told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The pool as a whole.
    Pool,
    /// Members.
    #[default]
    Member,
    /// Classes of GPU.
    Class,
    /// Purposes.
    Purpose,
    /// Kinds of organisation.
    Organisation,
    /// Countries.
    Country,
}

impl Scope {
    /// Those by which a page can show use.
    pub const CHOICES: [Self; 5] =
        [Self::Member, Self::Class, Self::Purpose, Self::Organisation, Self::Country];

    /// As in addresses and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Member => "member",
            Self::Class => "class",
            Self::Purpose => "purpose",
            Self::Organisation => "organisation",
            Self::Country => "country",
        }
    }
}

impl Scope {
    /// Key of its name for people.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Pool => "together",
            Self::Member => "column-member",
            Self::Class => "column-class",
            Self::Purpose => "column-purpose",
            Self::Organisation => "column-organisation",
            Self::Country => "column-country",
        }
    }
}

/// Figures of one name, of one sample or added up over several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many samples.
    pub samples: i64,
    /// Capacity.
    pub capacity_gpus: i64,
    /// Guarantee.
    pub guarantee_gpus: i64,
    /// Use, and what waits.
    pub used: Use,
    /// The most GPUs in use in one sample.
    pub most_used_gpus: i64,
    /// Samples in which a claim waited although its member's guarantee had room.
    pub missed_samples: i64,
    /// That room.
    pub missed_gpus: i64,
    /// Samples in which nobody could tell.
    pub unmeasured_samples: i64,
    /// Claims under notice.
    pub reclaiming_claims: i64,
    /// Part of them beyond their deadline.
    pub late_claims: i64,
    /// Energy since the sample before.
    pub millijoules: i64,
}

/// All of one moment.
pub type Sample = Vec<(Scope, String, Sums)>;

/// The sample of this moment.
#[must_use]
pub fn of(overview: &Overview) -> Sample {
    let pool = &overview.pool;
    let capacity = pool.capacity_gpus.unwrap_or(0);
    let sums = |capacity_gpus: i64, used: Use| Sums {
        samples: 1,
        capacity_gpus,
        used,
        most_used_gpus: used.used_gpus(),
        ..Sums::default()
    };
    let mut all = sums(capacity, pool.total);
    let mut sample = Sample::new();
    for member in &pool.members {
        let promises = overview.promises.members.get(&member.name).copied().unwrap_or_default();
        let missed_gpus = promises.missed_gpus.unwrap_or(0);
        let line = Sums {
            guarantee_gpus: member.guarantee_gpus.unwrap_or(0),
            missed_samples: i64::from(missed_gpus > 0),
            missed_gpus,
            unmeasured_samples: i64::from(promises.missed_gpus.is_none()),
            reclaiming_claims: promises.reclaiming_claims,
            late_claims: promises.late_claims,
            ..sums(capacity, member.used)
        };
        all.guarantee_gpus = all.guarantee_gpus.saturating_add(line.guarantee_gpus);
        all.missed_gpus = all.missed_gpus.saturating_add(missed_gpus);
        all.missed_samples = all.missed_samples.max(line.missed_samples);
        all.unmeasured_samples = all.unmeasured_samples.max(line.unmeasured_samples);
        all.reclaiming_claims += line.reclaiming_claims;
        all.late_claims += line.late_claims;
        sample.push((Scope::Member, member.name.clone(), line));
    }
    let mut groups = |scope: Scope, lines: &[GroupUse]| {
        for line in lines {
            sample.push((scope, line.name.clone(), sums(line.capacity_gpus.unwrap_or(capacity), line.used)));
        }
    };
    groups(Scope::Class, &overview.groups.classes);
    groups(Scope::Purpose, &overview.groups.purposes);
    groups(Scope::Organisation, &overview.groups.organisation_kinds);
    groups(Scope::Country, &overview.groups.countries);
    sample.push((Scope::Pool, String::new(), all));
    sample
}
