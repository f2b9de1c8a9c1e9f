//! Units and names. Integers only: a GPU-second booked twice or lost to rounding would break the account.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of whole GPUs.
pub type Gpus = u32;

/// A budget in whole GPU-hours.
pub type GpuHours = u64;

/// A point in time: milliseconds since the Unix epoch (or since the start of a simulation).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TimestampMillis(pub i64);

/// A length of time in milliseconds; never negative in a validated treaty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DurationMillis(pub i64);

impl DurationMillis {
    /// A duration of whole seconds; saturates instead of overflowing.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl TimestampMillis {
    /// The point `duration` later; saturates instead of overflowing.
    #[must_use]
    pub const fn after(self, duration: DurationMillis) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// Time passed since `earlier`; zero when `earlier` lies in the future (clocks of two machines differ).
    #[must_use]
    pub fn since(self, earlier: Self) -> DurationMillis {
        DurationMillis(self.0.saturating_sub(earlier.0).max(0))
    }
}

/// Index of a party of a treaty: the members in the treaty's order, then its reserves. A reserve has lines, rights and
/// an account like a member; only the treaty's text tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u16);

impl MemberId {
    /// The index as a slice position.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Labels of a node, or labels that a node must have; empty costs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Option<Arc<BTreeMap<String, String>>>);

impl Labels {
    /// The value of a label.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether there is no label.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether every label that is `wanted` is here with that value.
    #[must_use]
    pub fn have_all(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(key, value)| self.get(key) == Some(value))
    }

    /// All labels, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|labels| labels.iter()).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        Self((!labels.is_empty()).then(|| Arc::new(labels)))
    }
}

/// Name of a claim, unique in the pool: `namespace/name` on Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub Arc<str>);

/// Name of a node, unique in the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(pub Arc<str>);

impl From<&str> for ClaimId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
