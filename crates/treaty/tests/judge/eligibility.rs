//! Eligibility: each condition by itself admits who meets it and nobody else.

use std::sync::Arc;

use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::check::check;
use concord_treaty::clauses::{OrganisationKind, Purpose};
use concord_treaty::plan::{Admission, Plan};
use concord_treaty::snapshot::{Basis, ClaimState, Reserved, Slot};
use concord_treaty::units::TimestampMillis;

use crate::support::{gang, nodes, snapshot, treaty_of, waiting};

fn applicant() -> Applicant {
    Applicant {
        organisation_kind: OrganisationKind::Academic,
        country: "fi".to_owned(),
        purpose: Purpose::Civil,
        data_class: None,
    }
}

/// What the judge says of a start under these conditions, of a claim that has a kept place or has none.
fn starts(conditions: &str, applicant: Option<Applicant>, kept: bool) -> bool {
    let treaty = treaty_of(&format!(
        "\nmembers: [{{name: north, guarantee: {{gpus: 8}}}}]\n{conditions}\nreclaim: {{noticeSeconds: 0}}"
    ));
    let mut claim = waiting("s", 0, gang(1, 8), 0);
    claim.applicant = applicant.map(Arc::new);
    let nodes = nodes(1, 8);
    let slots = vec![Slot { node: nodes[0].name.clone(), gpus: 8 }];
    if kept {
        claim.state = ClaimState::Reserved(Reserved { slots: slots.clone(), basis: Basis::Guaranteed });
    }
    let admission = Admission { claim: "s".into(), slots, basis: Basis::Guaranteed };
    let plan = Plan { admissions: vec![admission], ..Plan::default() };
    let found = check(&treaty, &snapshot(&nodes, &[claim]), TimestampMillis(0), &plan);
    let rules: Vec<_> = found.iter().map(|v| v.rule).collect();
    assert!(rules.is_empty() || rules == ["NotEligible"], "{rules:?}");
    rules.is_empty()
}

#[test]
fn without_conditions_everybody_starts() {
    assert!(starts("", None, false));
    assert!(starts("", Some(applicant()), false));
}

#[test]
fn under_conditions_something_must_be_stated() {
    assert!(!starts("eligibility: {}", None, false));
    assert!(starts("eligibility: {}", Some(applicant()), false));
    assert!(starts("eligibility: {}", None, true), "who has a place already was admitted");
}

#[test]
fn each_condition_counts_by_itself() {
    for (conditions, lawful) in [
        ("{organisationKinds: [academic]}", true),
        ("{organisationKinds: [ngo, academic]}", true),
        ("{organisationKinds: [ngo]}", false),
        ("{countries: [FI]}", true),
        ("{countries: [EE, FI]}", true),
        ("{countries: [EE]}", false),
        ("{purposes: [civil]}", true),
        ("{purposes: [military, civil]}", true),
        ("{purposes: [military]}", false),
        ("{organisationKinds: [ngo], countries: [FI], purposes: [civil]}", false),
        ("{organisationKinds: [academic], countries: [EE], purposes: [civil]}", false),
        ("{organisationKinds: [academic], countries: [FI], purposes: [military]}", false),
        ("{organisationKinds: [academic], countries: [FI], purposes: [civil]}", true),
    ] {
        assert_eq!(
            starts(&format!("eligibility: {conditions}"), Some(applicant()), false),
            lawful,
            "{conditions}"
        );
    }
}

#[test]
fn data_are_processed_where_the_treaty_names_their_class() {
    for (conditions, data_class, lawful) in [
        ("{}", None, true),
        ("{}", Some("health"), false),
        ("{dataClasses: [{name: health}]}", Some("health"), true),
        ("{dataClasses: [{name: health}]}", Some("other"), false),
        ("{dataClasses: [{name: health}]}", None, true),
        ("{dataClasses: [{name: health}], countries: [EE]}", Some("health"), false),
    ] {
        let applicant = Applicant { data_class: data_class.map(str::to_owned), ..applicant() };
        assert_eq!(
            starts(&format!("eligibility: {conditions}"), Some(applicant), false),
            lawful,
            "{conditions}"
        );
    }
}
