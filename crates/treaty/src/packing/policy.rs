//! The rules that the packer knows, and their names.

use std::fmt;
use std::str::FromStr;

/// How a node is chosen among those that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Any node; the caller brings the random number.
    Random,
    /// The node with the least left of processors and GPUs, each as a part of the largest node's.
    BestFit,
    /// The node whose fragmentation for the next pod grows least: FGD of Weng et al., USENIX ATC 2023.
    Fgd,
    /// Shares that complete each other first, then the least growth of both looks at fragmentation.
    Concord,
}

impl Policy {
    /// All, from the simplest to the one to use.
    pub const ALL: [Self; 4] = [Self::Random, Self::BestFit, Self::Fgd, Self::Concord];

    /// Name in commands and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::BestFit => "bestfit",
            Self::Fgd => "fgd",
            Self::Concord => "concord",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = String;

    /// # Errors
    /// A sentence that lists the known names.
    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| format!("no policy is called {name}; use one of {}", known()))
    }
}
