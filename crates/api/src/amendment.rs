//! Amendment: a proposed text of a treaty, the members' signatures under it, and how far it has come.
//!
//! Whoever may writes the proposal once; members add ballots, which count by their signatures and not by who wrote them; the
//! operator says in the status how it stands, and changes the treaty when it acts.

use concord_treaty::clauses::Matter;
use concord_treaty::ratify::{Act, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::treaty::TreatySpec;

/// A proposal. Only ballots can be added to it later; docs/amendments.md.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Amendment",
    shortname = "amd",
    doc = "A proposed text of a treaty, with the signatures of its members.",
    status = "AmendmentStatus",
    category = "concord",
    printcolumn = r#"{"name":"Treaty","type":"string","jsonPath":".spec.treaty"}"#,
    printcolumn = r#"{"name":"Matter","type":"string","jsonPath":".spec.matter"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Yes","type":"integer","jsonPath":".status.counts.approving"}"#,
    printcolumn = r#"{"name":"No","type":"integer","jsonPath":".status.counts.rejecting"}"#,
    printcolumn = r#"{"name":"In-Force","type":"string","jsonPath":".status.inForceFrom"}"#,
    printcolumn = r#"{"name":"Next","type":"string","jsonPath":".status.nextAt"}"#,
    printcolumn = r#"{"name":"Why","type":"string","priority":1,"jsonPath":".status.why"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.treaty == oldSelf.treaty && self.matter == oldSelf.matter && self.replaces == oldSelf.replaces && self.text == oldSelf.text && self.concerns == oldSelf.concerns && self.note == oldSelf.note", "message": "a proposal cannot be changed once it was published; propose another amendment"},
    {"rule": "oldSelf.ballots.all(id, id in self.ballots)", "message": "a ballot cannot be taken back"},
]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AmendmentSpec {
    /// Name of the treaty.
    #[schemars(length(min = 1, max = 253))]
    pub treaty: String,
    /// As what it is proposed; what the text really changes is looked at.
    pub matter: AmendmentMatter,
    /// SHA-256 of the text that it changes: of the canonical JSON (RFC 8785) of that treaty's spec.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub replaces: String,
    /// The whole new text.
    pub text: TreatySpec,
    /// Members that it suspends, admits again or excludes; nobody else can be named.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 63)))]
    pub concerns: Vec<String>,
    /// Why, for people.
    #[serde(default)]
    #[schemars(length(max = 5_000))]
    pub note: String,
    /// Signatures, each under a name that `concord ratify` makes of its content.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 2_000))]
    pub ballots: BTreeMap<String, SignedBallot>,
}

/// As what a text is proposed.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum AmendmentMatter {
    /// The text.
    Body,
    /// Numbers: guarantees, ceilings, budgets, weights.
    Annex,
    /// A change that cannot wait and ends by itself.
    Emergency,
    /// Who is a member, and by which keys.
    Admission,
    /// A member's rights rest, or do not any more.
    Suspension,
    /// A member leaves; the others are not asked.
    Withdrawal,
}

/// What a member signed.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "a ballot cannot be changed"}]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedBallot {
    /// Member.
    #[schemars(length(min = 1, max = 63))]
    pub member: String,
    /// What.
    pub act: BallotAct,
    /// Signature line of C2SP signed-note under the note that `concord ratify` shows.
    #[schemars(length(min = 1, max = 512))]
    pub signature: String,
}

/// What a member says. The words differ from those in the note, `yes` and `no`, which YAML takes for switches.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum BallotAct {
    /// Votes for it; signed as `yes`.
    Approve,
    /// Votes against it; signed as `no`.
    Reject,
    /// Votes neither way, and takes part.
    Abstain,
    /// Is bound by it: the signature after the vote, or the notice of a member that leaves.
    Ratify,
}

/// How a proposal stands; written by the operator.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct AmendmentStatus {
    /// The step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<AmendmentState>,
    /// Why it stands so, in sentences.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// `Admissible`: whether it can be decided on; `Acts`: whether its text rules now.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When it was published: when the API server stored it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// SHA-256 of the new text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text_sha256: String,
    /// The note of the proposal; members sign it with two lines more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The text that it changes, which rules over the change; kept, because the treaty itself will have another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<TreatySpec>>,
    /// Every ballot in the order in which it was received.
    #[schemars(length(max = 2_000), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub received: Vec<ReceivedBallot>,
    /// The count, as it is or as it was when the vote ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<VoteCounts>,
    /// The end of the vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<AmendmentDecision>,
    /// Members whose signature is still needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub missing: Vec<String>,
    /// From when on its text rules, provisionally or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acts_from: Option<MicroTime>,
    /// When it is in force for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force_from: Option<MicroTime>,
    /// When it ends by itself, and the text before rules again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sunset: Option<MicroTime>,
    /// When the state changes without anybody doing anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<MicroTime>,
    /// When its text was put into the treaty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<MicroTime>,
    /// When the text before was put back, or was found to have been replaced by a later amendment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<MicroTime>,
}

/// The step.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AmendmentState {
    /// It cannot be decided on as it is.
    Refused,
    /// Nothing is decided before the end of the notice.
    NoticeRunning,
    /// The vote is open.
    Voting,
    /// The vote was lost.
    Rejected,
    /// Decided, and not signed by all who must.
    WaitingForSignatures,
    /// Its text rules while signatures or the day of force are awaited.
    Provisional,
    /// Decided and signed; comes into force by itself.
    Adopted,
    /// It is law.
    InForce,
    /// Its time is over.
    Expired,
    /// Another amendment changed the text first.
    Overtaken,
}

/// A ballot as the operator found it.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedBallot {
    /// Its name among the ballots.
    pub id: String,
    /// Member.
    pub member: String,
    /// What.
    pub act: BallotAct,
    /// When it was received: the time that counts.
    pub at: MicroTime,
    /// The signature was made by a key of the member.
    pub valid: bool,
    /// Why it does not count; absent when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Heads on each side.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VoteCounts {
    /// For it.
    pub approving: i64,
    /// Against it.
    pub rejecting: i64,
    /// Neither.
    pub abstained: i64,
    /// Without a ballot.
    pub absent: i64,
    /// Concerned, and not asked.
    pub recused: i64,
}

/// The end of the vote.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AmendmentDecision {
    /// When.
    pub at: MicroTime,
    /// Whether it passed.
    pub passed: bool,
    /// How it was counted.
    pub why: String,
}

impl AmendmentMatter {
    /// The same as the rules know it.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match self {
            Self::Body => Subject::Change(Matter::Body),
            Self::Annex => Subject::Change(Matter::Annex),
            Self::Emergency => Subject::Change(Matter::Emergency),
            Self::Admission => Subject::Change(Matter::Admission),
            Self::Suspension => Subject::Change(Matter::Suspension),
            Self::Withdrawal => Subject::Withdrawal,
        }
    }
}

impl BallotAct {
    /// The same as the rules know it.
    #[must_use]
    pub const fn act(self) -> Act {
        match self {
            Self::Approve => Act::Yes,
            Self::Reject => Act::No,
            Self::Abstain => Act::Abstain,
            Self::Ratify => Act::Ratify,
        }
    }
}

impl AmendmentState {
    /// Nothing changes any more, whatever comes.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Refused | Self::Rejected | Self::Expired | Self::Overtaken)
    }
}
