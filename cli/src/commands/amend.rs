//! What the commands about amendments share: the object, and the way to the cluster.

pub mod cluster;
pub mod object;

use anyhow::Result;
use serde_json::Value;

/// How an object is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people and for kubectl
    Yaml,
    /// For programs and for kubectl
    Json,
}

impl Form {
    /// The object as text.
    ///
    /// # Errors
    /// Never for objects that were read.
    pub fn write(self, object: &Value) -> Result<String> {
        Ok(match self {
            Self::Yaml => serde_yaml::to_string(object)?,
            Self::Json => format!("{object:#}\n"),
        })
    }
}
