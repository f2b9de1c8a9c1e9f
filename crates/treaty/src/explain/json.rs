//! Names and times in JSON: a time is a number of milliseconds, as everywhere in the engine.

use serde::{Serialize, Serializer};

use crate::snapshot::Basis;
use crate::units::{ClaimId, DurationMillis, NodeName};

impl Serialize for DurationMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl Serialize for ClaimId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Basis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl Basis {
    /// One word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Guaranteed => "guaranteed",
            Self::Borrowed => "borrowed",
        }
    }
}
