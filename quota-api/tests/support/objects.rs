//! Treaties from files, claims from verbs.

use concord_api::claim::{Placement, WorkloadKind, WorkloadReference};
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, Treaty};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// The treaty in force and one that is not.
pub fn treaties() -> Vec<Treaty> {
    let texts = [include_str!("../fixtures/other-treaty.yaml"), include_str!("../fixtures/treaty.yaml")];
    texts.iter().map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

/// A claim that the operator has not answered.
pub fn claim(member: &str, name: &str, gpus: i64) -> GpuClaim {
    let mut claim = GpuClaim::new(
        name,
        GpuClaimSpec {
            member: member.to_owned(),
            project: "p".to_owned(),
            pods: 1,
            gpus_per_pod: gpus,
            gpus,
            node_selector: Default::default(),
            run_limit_seconds: None,
            workload: WorkloadReference {
                kind: WorkloadKind::Job,
                name: name.to_owned(),
                uid: name.to_owned(),
            },
            submitted_at: MicroTime(Timestamp::from_second(1_767_225_600).unwrap()),
        },
    );
    claim.metadata.namespace = Some("p".to_owned());
    claim.metadata.uid = Some(name.to_owned());
    claim.metadata.resource_version = Some("12".to_owned());
    claim
}

/// What may happen to it.
pub trait Answered: Sized {
    fn in_state(self, state: ClaimPhase) -> Self;
    fn holding(self, basis: ClaimBasis, state: ClaimPhase) -> Self;
}

impl Answered for GpuClaim {
    fn in_state(mut self, state: ClaimPhase) -> Self {
        self.status = Some(GpuClaimStatus { state, ..GpuClaimStatus::default() });
        self
    }

    fn holding(mut self, basis: ClaimBasis, state: ClaimPhase) -> Self {
        let placement = vec![Placement { node: "n1".to_owned(), gpus: self.spec.gpus }];
        self.status =
            Some(GpuClaimStatus { state, basis: Some(basis), placement, ..GpuClaimStatus::default() });
        self
    }
}

/// One claim in every state, and one of a member that has left the treaty.
pub fn claims() -> Vec<GpuClaim> {
    use ClaimBasis::{Borrowed, Guaranteed};
    vec![
        claim("north", "training", 8).holding(Guaranteed, ClaimPhase::Admitted),
        claim("north", "sweep", 2).holding(Borrowed, ClaimPhase::Reclaiming),
        claim("south", "draining", 1).holding(Borrowed, ClaimPhase::Stopping),
        claim("south", "waiting", 4).in_state(ClaimPhase::Queued),
        claim("south", "new", 3),
        claim("south", "done", 4).in_state(ClaimPhase::Succeeded),
        claim("gone", "left-over", 1).holding(Guaranteed, ClaimPhase::Admitted),
        claim("also-gone", "failed", 1).in_state(ClaimPhase::Failed),
    ]
}
