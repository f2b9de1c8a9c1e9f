//! Who may use a reserve or the pool: every condition that an applicant does not meet, with the clause and a sentence.
//!
//! Also where data of a class may be processed. Whether statements are true is for reviewers; an applicant's data class
//! of `None` is public data, which may go anywhere.

use std::collections::BTreeMap;
use std::fmt;

use crate::clauses::{Eligibility, OrganisationKind, Purpose};
use crate::document::ApplicantDocument;

/// What an applicant states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// Kind of its organisation.
    pub organisation_kind: OrganisationKind,
    /// ISO 3166-1 alpha-2 code of the organisation's country.
    pub country: String,
    /// Purpose of the work.
    pub purpose: Purpose,
    /// Name of the class of the data; `None` is public data.
    pub data_class: Option<String>,
}

impl From<&ApplicantDocument> for Applicant {
    fn from(raw: &ApplicantDocument) -> Self {
        Self {
            organisation_kind: raw.organisation_kind.into(),
            country: raw.country.clone(),
            purpose: raw.purpose.into(),
            data_class: raw.data_class.clone(),
        }
    }
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Field of the clause, as in the treaty: `organisationKinds`, `countries`, `purposes` or `dataClasses`.
    pub clause: &'static str,
    /// What was stated and what the treaty admits.
    pub sentence: String,
}

/// Holds an applicant against a clause.
///
/// # Errors
/// All conditions that are not met, in the order of the clause.
pub fn judge(clause: &Eligibility, applicant: &Applicant) -> Result<(), Vec<Refusal>> {
    let Applicant { organisation_kind, country, purpose, data_class } = applicant;
    let Eligibility { organisation_kinds, countries, purposes, data_classes: classes } = clause;
    let mut refusals = Vec::new();
    let mut refuse = |clause, what: String, admitted: String| {
        refusals.push(Refusal { clause, sentence: format!("{what}; admitted: {admitted}.") });
    };
    if !organisation_kinds.is_empty() && !organisation_kinds.contains(organisation_kind) {
        let admitted = listed(organisation_kinds.iter());
        refuse("organisationKinds", format!("the organisation is of kind {organisation_kind}"), admitted);
    }
    if !countries.is_empty() && !countries.iter().any(|admitted| admitted.eq_ignore_ascii_case(country)) {
        refuse("countries", format!("the organisation's country is {country}"), listed(countries.iter()));
    }
    if !purposes.is_empty() && !purposes.contains(purpose) {
        refuse("purposes", format!("the purpose is {purpose}"), listed(purposes.iter()));
    }
    if let Some(class) = data_class.as_ref().filter(|class| node_labels(clause, Some(class)).is_none()) {
        let admitted = ["public"].into_iter().chain(classes.iter().map(|class| class.name.as_str()));
        refuse("dataClasses", format!("the data are of class {class}"), listed(admitted));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// An applicant whom the clause admits, for what says nothing of applicants: with public data.
#[must_use]
pub fn admitted(clause: &Eligibility) -> Applicant {
    Applicant {
        organisation_kind: clause.organisation_kinds.first().copied().unwrap_or(OrganisationKind::Academic),
        country: clause.countries.first().cloned().unwrap_or_default(),
        purpose: clause.purposes.first().copied().unwrap_or(Purpose::Civil),
        data_class: None,
    }
}

/// Labels that a node must all have to process data of that class; empty for public data and for classes that may go
/// anywhere. `None` when the clause does not admit the class at all.
#[must_use]
pub fn node_labels<'a>(
    clause: &'a Eligibility,
    data_class: Option<&str>,
) -> Option<&'a BTreeMap<String, String>> {
    static ANYWHERE: BTreeMap<String, String> = BTreeMap::new();
    match data_class {
        None => Some(&ANYWHERE),
        Some(name) => {
            clause.data_classes.iter().find(|class| class.name == name).map(|class| &class.node_labels)
        }
    }
}

/// Whether the export-control review must have seen the work before it starts.
#[must_use]
pub const fn needs_export_review(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::DualUse)
}

fn listed(names: impl Iterator<Item = impl fmt::Display>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for OrganisationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Academic => "academic",
            Self::Ngo => "ngo",
            Self::PublicBody => "publicBody",
            Self::Sme => "sme",
            Self::Industry => "industry",
        })
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Civil => "civil",
            Self::DualUse => "dualUse",
            Self::Military => "military",
        })
    }
}
