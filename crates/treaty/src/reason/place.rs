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
        match self.within {
            Some(_) => format!("needs {self}; {} free now; starts when jobs there end", self.most()),
            None => format!("needs {self}, and such nodes are in use; starts when jobs there end"),
        }
    }

    /// Why it can never start on these nodes.
    pub(super) fn missing(&self) -> String {
        match self.within {
            Some(_) => format!("needs {self}; {}; submit a smaller gang or ask for less", self.most()),
            None => format!("needs {self}; the pool has too few; submit a smaller gang or ask for less"),
        }
    }

    fn most(&self) -> String {
        let part = self.within.map_or("pool", word);
        match self.most_nodes {
            0 => format!("no {part} has one"),
            most => format!("no {part} has more than {most}"),
        }
    }
}

impl fmt::Display for AskedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nodes {
            1 => write!(f, "one node")?,
            nodes => write!(f, "{nodes} whole nodes")?,
        }
        for (position, (key, value)) in self.labels.iter().enumerate() {
            write!(f, " {} {key}={value}", if position == 0 { "labelled" } else { "and" })?;
        }
        match (self.nodes, self.within, self.gpus) {
            (1, _, 1) => write!(f, " with a free GPU"),
            (1, _, gpus) => write!(f, " with {gpus} free GPUs"),
            (_, Some(level), _) => write!(f, " in one {}", word(level)),
            (_, None, _) => Ok(()),
        }
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Rack => "rack",
        Level::Row => "row",
    }
}
