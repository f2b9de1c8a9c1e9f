//! What a treaty says to an application: whether the applicant may have access, in which tier, and until when the answer
//! is promised. The answer itself is people's, except where the treaty promises it at once.

use crate::accounts::eligibility::{Applicant, judge, needs_export_review};
use crate::clauses::{Opening, ReserveRule, Tier};
use crate::treaty::Treaty;
use crate::units::{GpuHours, Gpus, TimestampMillis};

/// What somebody applies for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Name of the reserve or member on whose GPUs the project would run.
    pub party: &'a str,
    /// Who asks, as stated.
    pub applicant: &'a Applicant,
    /// Hours for the whole project.
    pub gpu_hours: GpuHours,
    /// Most GPUs at once.
    pub gpus_most: Gpus,
}

/// What the treaty says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Every condition that is not met; while there is one, the application can only be refused.
    pub faults: Vec<Fault>,
    /// The smallest tier that is large enough; `None` where the party has no tiers, or none is.
    pub tier: Option<String>,
    /// The answer is promised by this moment; `None`: the treaty promises nothing.
    pub decide_by: Option<TimestampMillis>,
    /// The treaty lets it be answered at once, without a review.
    pub automatic: bool,
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Id of the clause.
    pub clause: String,
    /// What was asked and what is admitted, in a sentence.
    pub sentence: String,
}

/// Holds an application, submitted at that moment, against the treaty.
#[must_use]
pub fn assess(treaty: &Treaty, ask: &Ask<'_>, submitted_at: TimestampMillis) -> Assessment {
    let mut faults = conditions(treaty, ask);
    let reserve = treaty.reserves().iter().find(|reserve| reserve.name == ask.party);
    faults.extend(reserve.and_then(too_closed));
    let tier = reserve.and_then(|reserve| tier_for(reserve, ask));
    if let Some(reserve) = reserve.filter(|reserve| tier.is_none() && !reserve.tiers.is_empty()) {
        faults.push(too_large(reserve, ask));
    }
    let decide_by = tier.map(|tier| submitted_at.after(tier.decision));
    let automatic = faults.is_empty()
        && tier.is_some_and(|tier| tier.decision.0 == 0)
        && !needs_export_review(ask.applicant.purpose);
    Assessment { faults, tier: tier.map(|tier| tier.name.clone()), decide_by, automatic }
}

/// The smallest tier, by hours and then by GPUs, that holds what is asked.
#[must_use]
pub fn tier_for<'t>(reserve: &'t ReserveRule, ask: &Ask<'_>) -> Option<&'t Tier> {
    let holds = |tier: &&Tier| ask.gpu_hours <= tier.gpu_hours_most && ask.gpus_most <= tier.gpus_most;
    reserve.tiers.iter().filter(holds).min_by_key(|tier| (tier.gpu_hours_most, tier.gpus_most))
}

fn conditions(treaty: &Treaty, ask: &Ask<'_>) -> Vec<Fault> {
    let Some(party) = treaty.party_id(ask.party) else {
        let names = treaty.members().iter().map(|member| member.name.as_str());
        let names: Vec<&str> = names.chain(treaty.reserves().iter().map(|r| r.name.as_str())).collect();
        let sentence = format!(
            "{} is neither a member nor a reserve of the treaty; there are: {}.",
            ask.party,
            names.join(", ")
        );
        return vec![Fault { clause: "members".to_owned(), sentence }];
    };
    let Some(clause) = treaty.eligibility_of(party) else { return Vec::new() };
    let whose = match treaty.reserve(party) {
        Some(reserve) if reserve.eligibility == *clause => format!("reserve/{}/eligibility", reserve.name),
        _ => "eligibility".to_owned(),
    };
    let refusals = judge(clause, ask.applicant).err().unwrap_or_default();
    refusals
        .into_iter()
        .map(|refusal| Fault {
            clause: format!("{whose}/{}", refusal.clause),
            sentence: capital(&refusal.sentence),
        })
        .collect()
}

fn too_closed(reserve: &ReserveRule) -> Option<Fault> {
    matches!(reserve.opening, Opening::OnDecision { .. }).then(|| Fault {
        clause: format!("reserve/{}", reserve.name),
        sentence: format!(
            "The reserve {} is opened by its members in an emergency and takes no applications.",
            reserve.name
        ),
    })
}

fn too_large(reserve: &ReserveRule, ask: &Ask<'_>) -> Fault {
    let tiers = reserve.tiers.iter().map(|tier| {
        format!("{} ({} GPU-hours, {} GPUs at once)", tier.name, tier.gpu_hours_most, tier.gpus_most)
    });
    Fault {
        clause: format!("reserve/{}", reserve.name),
        sentence: format!(
            "No tier holds {} GPU-hours with {} GPUs at once; there are: {}.",
            ask.gpu_hours,
            ask.gpus_most,
            tiers.collect::<Vec<_>>().join(", ")
        ),
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clauses::{OrganisationKind, Purpose};

    const TREATY: &str = "
title: t
members: [{name: north, guarantee: {gpus: 8}}]
reclaim: {noticeSeconds: 0}
eligibility: {purposes: [civil, dualUse]}
reserves:
  - name: public
    size: {gpus: 8}
    eligibility: {organisationKinds: [ngo, academic], purposes: [civil, dualUse]}
    tiers:
      - {name: large, mostGpus: 64, gpuHours: 1000, decidedWithinDays: 30}
      - {name: small, mostGpus: 8, gpuHours: 100, decidedWithinDays: 0}
  - {name: emergency, size: {gpus: 8}, opening: {decidedBy: [north], longestDays: 3}}
";
    const DAY: i64 = 86_400_000;

    fn treaty() -> Treaty {
        Treaty::validate(&serde_yaml::from_str(TREATY).unwrap()).unwrap()
    }

    fn applicant() -> Applicant {
        Applicant {
            organisation_kind: OrganisationKind::Ngo,
            country: "FI".to_owned(),
            purpose: Purpose::Civil,
            data_class: None,
        }
    }

    fn of(party: &str, gpu_hours: GpuHours, gpus_most: Gpus, applicant: &Applicant) -> Assessment {
        assess(&treaty(), &Ask { party, applicant, gpu_hours, gpus_most }, TimestampMillis(DAY))
    }

    #[test]
    fn the_smallest_tier_that_holds_the_ask_is_taken_and_gives_the_promise() {
        let small = of("public", 100, 8, &applicant());
        assert_eq!((small.tier.as_deref(), small.automatic), (Some("small"), true));
        assert_eq!(small.decide_by, Some(TimestampMillis(DAY)));
        for (hours, gpus) in [(101, 8), (100, 9), (1000, 64)] {
            let large = of("public", hours, gpus, &applicant());
            assert_eq!((large.tier.as_deref(), large.automatic), (Some("large"), false));
            assert_eq!(large.decide_by, Some(TimestampMillis(31 * DAY)));
        }
    }

    #[test]
    fn what_no_tier_holds_is_a_fault_that_names_the_tiers() {
        for (hours, gpus) in [(1001, 8), (1, 65)] {
            let none = of("public", hours, gpus, &applicant());
            assert_eq!((none.tier, none.automatic, none.decide_by), (None, false, None));
            assert!(
                none.faults[0].sentence.contains("large (1000 GPU-hours, 64 GPUs at once)"),
                "{:?}",
                none.faults
            );
        }
    }

    #[test]
    fn each_condition_that_is_not_met_is_told_with_its_clause() {
        let army = Applicant {
            organisation_kind: OrganisationKind::Industry,
            purpose: Purpose::Military,
            ..applicant()
        };
        let refused = of("public", 1, 1, &army);
        let clauses: Vec<&str> = refused.faults.iter().map(|fault| fault.clause.as_str()).collect();
        assert_eq!(
            clauses,
            ["reserve/public/eligibility/organisationKinds", "reserve/public/eligibility/purposes"]
        );
        assert!(!refused.automatic);
        // A member has no conditions of its own, so the pool's count.
        assert_eq!(of("north", 1, 1, &army).faults[0].clause, "eligibility/purposes");
    }

    #[test]
    fn possible_military_use_is_never_decided_without_people() {
        let dual = Applicant { purpose: Purpose::DualUse, ..applicant() };
        let small = of("public", 1, 1, &dual);
        assert!(small.faults.is_empty() && !small.automatic);
    }

    #[test]
    fn a_member_promises_no_time_and_decides_itself() {
        let at_member = of("north", 1, 1, &applicant());
        assert_eq!((at_member.faults.len(), at_member.decide_by, at_member.automatic), (0, None, false));
    }

    #[test]
    fn nobody_applies_for_an_emergency_reserve_or_for_what_is_not_there() {
        assert_eq!(of("emergency", 1, 1, &applicant()).faults[0].clause, "reserve/emergency");
        assert!(of("nowhere", 1, 1, &applicant()).faults[0].sentence.contains("north, public, emergency"));
    }
}
