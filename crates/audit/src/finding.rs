//! What is wrong: with the record, or with what the pool has done.

use concord_ledger::verify::Finding as OfRecord;
use serde::Serialize;

/// Findings of one kind that are listed; the others are counted.
pub const LISTED_MAX: usize = 50;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort.
    pub kind: Kind,
    /// What exactly, in a sentence.
    pub what: String,
}

/// What sort of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The files are not those that the log has signed.
    Tampered,
    /// The log shows different people different things, or has lost its end.
    Forked,
    /// A file is missing or damaged.
    Missing,
    /// An entry cannot be read.
    Unreadable,
    /// The same thing twice.
    Repeated,
    /// An entry's own arithmetic or times are wrong.
    FalseSum,
    /// One claim at two times in the same time.
    Overlap,
    /// A part of a claim's use is not there.
    Gap,
    /// More GPUs than there were.
    BeyondCapacity,
    /// A treaty's text is not there, another one, or none.
    Text,
    /// A treaty that does not follow from the one before.
    Succession,
    /// A treaty that says how it is amended was changed, and no amendment is named.
    Unvoted,
    /// A text that rules by an amendment whose signatures do not carry it.
    Unratified,
    /// The note of a proposal does not say what its entry says.
    Proposal,
    /// A vote that a member has not signed.
    Signature,
    /// An amendment that was decided, came into force or ended otherwise than its signatures and its rules say.
    Count,
    /// Who is charged is no party of the treaty.
    Stranger,
    /// More energy was charged than was spent.
    Energy,
    /// Loans do not cancel out.
    ZeroSum,
    /// A member waited for what was its own.
    MissedFloor,
    /// An answer came later than promised.
    LateDecision,
    /// The public pages say something else.
    Pages,
    /// A witness's line on the checkpoint is not its own.
    Witness,
}

impl Kind {
    /// Whether the record is honest about it, and a promise was broken.
    #[must_use]
    pub const fn is_promise(self) -> bool {
        matches!(self, Self::MissedFloor | Self::LateDecision)
    }

    /// Its name in a report.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Tampered => "changed after it was signed",
            Self::Forked => "two stories",
            Self::Missing => "missing or damaged file",
            Self::Unreadable => "unreadable entry",
            Self::Repeated => "recorded twice",
            Self::FalseSum => "false sum",
            Self::Overlap => "overlapping runs",
            Self::Gap => "missing run",
            Self::BeyondCapacity => "beyond capacity",
            Self::Text => "treaty text",
            Self::Succession => "treaty out of order",
            Self::Unvoted => "changed without a vote",
            Self::Unratified => "not ratified",
            Self::Proposal => "false proposal",
            Self::Signature => "false signature",
            Self::Count => "false count",
            Self::Stranger => "unknown party",
            Self::Energy => "energy charged beyond",
            Self::ZeroSum => "loans do not cancel out",
            Self::MissedFloor => "missed floor",
            Self::LateDecision => "late decision",
            Self::Pages => "pages differ",
            Self::Witness => "false witness",
        }
    }

    /// What it means, for somebody who knows nothing of logs.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Tampered => {
                "The log signs a fingerprint of all entries. These files do not have that fingerprint: somebody changed, \
                 swapped, added or removed something after it was signed, or this copy was damaged."
            }
            Self::Forked => {
                "You have kept a signed statement of this log, and what you see now does not continue it. A log that is run \
                 honestly cannot do that. Keep both checkpoints: together they prove it."
            }
            Self::Missing => {
                "The log has signed that this file exists. Without it a part of the record cannot be checked; ask for it."
            }
            Self::Unreadable => {
                "An entry is not in the one form in which this record is written, so that nobody can say what it means."
            }
            Self::Repeated => {
                "The same thing is recorded more than once, or under a name that is not its own: it would count twice."
            }
            Self::FalseSum => {
                "An entry contradicts itself: its parts do not add up to what it says, or its times are impossible."
            }
            Self::Overlap => "One piece of work is charged twice for the same time.",
            Self::Gap => {
                "Parts of a claim's use are numbered, and a number is left out: a part was not recorded."
            }
            Self::BeyondCapacity => "At that time more GPUs are charged for than the pool had.",
            Self::Text => {
                "What ruled the pool at that time cannot be read, so that nobody can check its promises."
            }
            Self::Succession => {
                "A treaty came into force that is older than the one before, or is not what its amendment proposed."
            }
            Self::Unvoted => {
                "The treaty said how it is amended, and another text ruled that nobody had voted on in the record."
            }
            Self::Unratified => {
                "A text came to rule by an amendment, and the signatures of the members that are recorded do not carry it \
                 by the rules of the text before."
            }
            Self::Proposal => {
                "What members signed is not what the record says of the proposal: another text, treaty, name, matter or day."
            }
            Self::Signature => {
                "A vote or a ratification is recorded that the member did not give: no key that it had in the text before \
                 has signed it."
            }
            Self::Count => {
                "The record says that an amendment was decided, came into force or ended, and whoever counts its recorded \
                 signatures by the rules of the text before comes to something else."
            }
            Self::Stranger => "Use is charged to a name that is in no treaty of the record.",
            Self::Energy => "More energy of a node is idle or charged to claims than its GPUs spent.",
            Self::ZeroSum => "What members lent is not what members borrowed.",
            Self::MissedFloor => {
                "The record is honest, the promise was broken: work inside a member's guarantee waited longer than it would \
                 have had the member stayed alone, by more than the treaty's notice for taking lent GPUs back."
            }
            Self::LateDecision => {
                "The record is honest, the promise was broken: an application was answered after the promised day."
            }
            Self::Pages => "The public pages show something else than the record.",
            Self::Witness => {
                "The checkpoint has a line in the name of a witness which that witness has not signed."
            }
        }
    }
}

/// Findings by kind, of each [`LISTED_MAX`] in full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Those that are listed, in the order in which they were found.
    pub listed: Vec<Finding>,
    /// How many there are of each kind, listed or not.
    pub counts: std::collections::BTreeMap<Kind, u64>,
}

impl Findings {
    /// Adds one; the sentence is only made when it is listed.
    pub fn add(&mut self, kind: Kind, what: impl FnOnce() -> String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= LISTED_MAX as u64 {
            self.listed.push(Finding { kind, what: what() });
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many there are, of those that are promises or of the others.
    #[must_use]
    pub fn count(&self, promises: bool) -> u64 {
        self.counts.iter().filter(|(kind, _)| kind.is_promise() == promises).map(|(_, count)| count).sum()
    }
}

impl From<&OfRecord> for Kind {
    fn from(finding: &OfRecord) -> Self {
        match finding {
            OfRecord::Root | OfRecord::Tile { .. } => Self::Tampered,
            OfRecord::Missing { .. } | OfRecord::Damaged { .. } | OfRecord::Unread { .. } => Self::Missing,
            OfRecord::Fork { .. } | OfRecord::Shorter { .. } => Self::Forked,
            OfRecord::Entry { .. } => Self::Unreadable,
            OfRecord::Twice { .. } | OfRecord::Id { .. } => Self::Repeated,
            OfRecord::Sum { .. }
            | OfRecord::Lost { .. }
            | OfRecord::Times { .. }
            | OfRecord::Energy { .. } => Self::FalseSum,
        }
    }
}

impl Findings {
    /// Adds those of another list behind these.
    pub fn append(&mut self, other: Self) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.listed.extend(other.listed);
    }
}
