//! Eligibility: all conditions that are not met are told, and data go only where their class may.

use std::collections::BTreeMap;

use concord_treaty::accounts::eligibility::{Applicant, judge, needs_export_review, node_labels};
use concord_treaty::clauses::{DataClass, Eligibility, OrganisationKind, Purpose};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::property;

const KINDS: [OrganisationKind; 5] = [
    OrganisationKind::Academic,
    OrganisationKind::Ngo,
    OrganisationKind::PublicBody,
    OrganisationKind::Sme,
    OrganisationKind::Industry,
];
const PURPOSES: [Purpose; 3] = [Purpose::Civil, Purpose::DualUse, Purpose::Military];
const COUNTRIES: [&str; 3] = ["BE", "FI", "NO"];
const CLASSES: [&str; 2] = ["health", "restricted"];

fn zoned(name: &str) -> DataClass {
    DataClass { name: name.to_owned(), node_labels: [("zone".to_owned(), name.to_owned())].into() }
}

fn any_clause() -> impl Strategy<Value = Eligibility> {
    let classes = vec(select(CLASSES.to_vec()), 0..=2);
    let countries = vec(select(COUNTRIES.to_vec()), 0..=2);
    (vec(select(KINDS.to_vec()), 0..=2), countries, vec(select(PURPOSES.to_vec()), 0..=2), classes).prop_map(
        |(organisation_kinds, countries, purposes, classes)| Eligibility {
            organisation_kinds,
            countries: countries.into_iter().map(str::to_owned).collect(),
            purposes,
            data_classes: classes.into_iter().map(zoned).collect(),
        },
    )
}

fn any_applicant() -> impl Strategy<Value = Applicant> {
    let class = proptest::option::of(select(CLASSES.to_vec()));
    (select(KINDS.to_vec()), select(COUNTRIES.to_vec()), select(PURPOSES.to_vec()), class).prop_map(
        |(organisation_kind, country, purpose, class)| Applicant {
            organisation_kind,
            country: country.to_owned(),
            purpose,
            data_class: class.map(str::to_owned),
        },
    )
}

/// Empty lists admit anybody, but for data classes, where they admit nothing but public data.
#[test]
fn each_condition_is_refused_by_itself() {
    property("eligibility", 5_000, (any_clause(), any_applicant()), |(clause, applicant)| {
        fn meets<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.iter().any(|entry| entry == value)
        }
        let class_admitted = match &applicant.data_class {
            Some(class) => clause.data_classes.contains(&zoned(class)),
            None => true,
        };
        let expected: Vec<&str> = [
            ("organisationKinds", meets(&clause.organisation_kinds, &applicant.organisation_kind)),
            ("countries", meets(&clause.countries, &applicant.country)),
            ("purposes", meets(&clause.purposes, &applicant.purpose)),
            ("dataClasses", class_admitted),
        ]
        .into_iter()
        .filter_map(|(clause, met)| (!met).then_some(clause))
        .collect();
        let found: Vec<&str> = judge(&clause, &applicant)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|refusal| refusal.clause)
            .collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(node_labels(&clause, applicant.data_class.as_deref()).is_some(), class_admitted);
        Ok(())
    });
}

/// LUMI and EuroHPC: civil work of public researchers from member countries.
#[test]
fn refusals_say_what_was_stated_and_what_is_admitted() {
    let clause = Eligibility {
        organisation_kinds: vec![OrganisationKind::Academic, OrganisationKind::Ngo],
        countries: vec!["BE".to_owned(), "FI".to_owned()],
        purposes: vec![Purpose::Civil],
        data_classes: vec![zoned("health")],
    };
    let applicant = Applicant {
        organisation_kind: OrganisationKind::Industry,
        country: "NO".to_owned(),
        purpose: Purpose::DualUse,
        data_class: Some("restricted".to_owned()),
    };
    let sentences: Vec<String> =
        judge(&clause, &applicant).unwrap_err().into_iter().map(|refusal| refusal.sentence).collect();
    assert_eq!(
        sentences,
        [
            "the organisation is of kind industry; admitted: academic, ngo.",
            "the organisation's country is NO; admitted: BE, FI.",
            "the purpose is dualUse; admitted: civil.",
            "the data are of class restricted; admitted: public, health.",
        ]
    );
}

#[test]
fn data_go_only_to_nodes_of_their_class() {
    let clause = Eligibility { data_classes: vec![zoned("health")], ..Eligibility::default() };
    let labels: BTreeMap<String, String> = [("zone".to_owned(), "health".to_owned())].into();
    assert_eq!(node_labels(&clause, Some("health")), Some(&labels));
    assert_eq!(node_labels(&clause, None), Some(&BTreeMap::new()));
    assert_eq!(node_labels(&clause, Some("restricted")), None);
}

#[test]
fn only_dual_use_needs_the_export_review() {
    assert_eq!(PURPOSES.map(needs_export_review), [false, true, false]);
}
