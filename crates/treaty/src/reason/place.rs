//! What a claim asks of the place of its nodes, in words.

use std::fmt;

use crate::snapshot::Level;
use crate::units::{Gpus, Labels};

/// The place that a claim asks for and does not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPlace {
    /// Number of nodes.
    pub nodes: u32,
    /// GPUs on each; whole nodes if there are several.
    pub gpus: Gpus,
    /// Part of the pool in which all must lie.
    pub within: Option<Level>,
    /// Labels that all must have.
    pub labels: Labels,
    /// Most nodes that one such part has for it.
    pub most_nodes: u32,
}

impl AskedPlace {
    /// Why it does not start now: others are there.
    pub(super) fn taken(&self) -> String {
        let Self { within, most_nodes, .. } = self;
        match within {
            Some(level) => format!(
                "needs {self}; no {} has more than {most_nodes} free now; starts when jobs there end, or without this wish",
                word(*level)
            ),
            None => format!("needs {self}, and they are in use; starts when jobs there end"),
        }
    }

    /// Why it can never start on these nodes.
    pub(super) fn missing(&self) -> String {
        let Self { within, most_nodes, .. } = self;
        match within {
            Some(level) => format!(
                "needs {self}; no {} has more than {most_nodes}; submit a smaller gang, or one without this wish",
                word(*level)
            ),
            None => {
                format!("needs {self}; the pool has too few; submit a smaller gang, or one with other labels")
            }
        }
    }
}

impl fmt::Display for AskedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nodes {
            1 => write!(f, "one node with room for {}", self.gpus)?,
            nodes => write!(f, "{nodes} whole nodes")?,
        }
        for (position, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{} {key}={value}", if position == 0 { " labelled" } else { " and" })?;
        }
        self.within.map_or(Ok(()), |level| write!(f, " in one {}", word(level)))
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Rack => "rack",
        Level::Row => "row",
    }
}
