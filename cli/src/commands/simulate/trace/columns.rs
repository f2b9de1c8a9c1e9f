//! Columns that a trace may have beside those that it must have: places, shares inside members, applicants.

use std::sync::Arc;

use concord_treaty::accounts::eligibility::{Applicant, admitted};
use concord_treaty::clauses::{Eligibility, OrganisationKind, Purpose};
use concord_treaty::simulate::Ask;
use concord_treaty::snapshot::{Level, SharePath};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{Labels, MemberId};
use csv::StringRecord;

use crate::commands::nodes::labels_of;

/// Columns that are read, in the order of the documentation.
const NAMES: [&str; 10] = [
    "within",
    "node_labels",
    "path",
    "institution",
    "project",
    "person",
    "organisation_kind",
    "country",
    "purpose",
    "data_class",
];
const OF_PATH: [&str; 4] = ["path", "institution", "project", "person"];
const OF_APPLICANT: [&str; 4] = ["organisation_kind", "country", "purpose", "data_class"];

/// A fault of one field: column, what is wrong, what to write.
pub type Fault = (&'static str, String, String);

/// Where the columns stand, and what of them the treaty has a use for.
pub struct Columns {
    positions: [Option<usize>; 10],
    /// The treaty says who may use the pool, or a reserve.
    has_conditions: bool,
}

impl Columns {
    /// Those of a header.
    ///
    /// # Errors
    /// Two ways of saying the same, or conditions that the columns do not answer.
    pub fn of(header: &StringRecord, treaty: &Treaty) -> Result<Self, String> {
        let positions = NAMES.map(|name| header.iter().position(|found| found == name));
        let has_conditions = conditions(treaty).next().is_some();
        let columns = Self { positions, has_conditions };
        if columns.has("path") && OF_PATH[1..].iter().any(|name| columns.has(name)) {
            return Err("columns path and institution, project, person say the same; keep one way".to_owned());
        }
        if columns.states_applicants() {
            let needed = |name: &&str| {
                conditions(treaty).any(|c| match *name {
                    "organisation_kind" => !c.organisation_kinds.is_empty(),
                    "country" => !c.countries.is_empty(),
                    _ => !c.purposes.is_empty(),
                })
            };
            let missing: Vec<&str> =
                OF_APPLICANT[..3].iter().copied().filter(|name| !columns.has(name) && needed(name)).collect();
            if !missing.is_empty() {
                return Err(format!(
                    "no column {}; the treaty has conditions on it, and the other columns speak of applicants",
                    missing.join(", ")
                ));
            }
        }
        Ok(columns)
    }

    /// Whether the column is used.
    pub fn uses(&self, name: &str) -> bool {
        self.has(name) && (self.has_conditions || !OF_APPLICANT.contains(&name))
    }

    /// Whether any column says on whose behalf inside its member a job is.
    pub fn have_paths(&self) -> bool {
        OF_PATH.iter().any(|name| self.has(name))
    }

    /// Whether the treaty has conditions, and nothing is said of applicants.
    pub fn take_all_as_eligible(&self) -> bool {
        self.has_conditions && !self.states_applicants()
    }

    fn states_applicants(&self) -> bool {
        self.has_conditions && OF_APPLICANT.iter().any(|name| self.has(name))
    }

    fn at(&self, name: &str) -> Option<usize> {
        NAMES.iter().position(|known| *known == name).and_then(|index| self.positions[index])
    }

    fn has(&self, name: &str) -> bool {
        self.at(name).is_some()
    }

    fn text<'r>(&self, record: &'r StringRecord, name: &str) -> &'r str {
        self.at(name).and_then(|at| record.get(at)).unwrap_or("")
    }

    /// What one line says.
    ///
    /// # Errors
    /// All faults of the line's optional columns.
    pub fn ask(&self, record: &StringRecord, treaty: &Treaty, party: MemberId) -> Result<Ask, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut kept = |fault: Fault| faults.push(fault);
        let within = match self.text(record, "within") {
            "" => None,
            "rack" => Some(Level::Rack),
            "row" => Some(Level::Row),
            other => {
                kept((
                    "within",
                    format!("{other:?} is no part of a pool"),
                    "write rack or row, or leave it empty".to_owned(),
                ));
                None
            }
        };
        let node_labels = labels_of(self.text(record, "node_labels")).unwrap_or_else(|fault| {
            let (what, fix) = fault.split_once("; ").unwrap_or((&fault, "write KEY=VALUE;KEY=VALUE"));
            kept(("node_labels", what.to_owned(), fix.to_owned()));
            Labels::default()
        });
        let path = self.path(record, treaty, party).unwrap_or_else(|fault| {
            kept(fault);
            SharePath::default()
        });
        let applicant = self.applicant(record, treaty, party).unwrap_or_else(|fault| {
            kept(fault);
            None
        });
        if faults.is_empty() { Ok(Ask { within, node_labels, path, applicant }) } else { Err(faults) }
    }

    /// Names from the outside in; in a reserve there are no institutions.
    fn path(&self, record: &StringRecord, treaty: &Treaty, party: MemberId) -> Result<SharePath, Fault> {
        if self.has("path") {
            let text = self.text(record, "path");
            let names: Vec<&str> = text.split('/').map(str::trim).collect();
            if text.is_empty() {
                return Ok(SharePath::default());
            }
            if names.iter().any(|name| name.is_empty()) {
                let fix = "write INSTITUTION/PROJECT/PERSON, or only the first of them".to_owned();
                return Err(("path", format!("{text:?} has a name that is empty"), fix));
            }
            return Ok(names.into_iter().map(Arc::from).collect());
        }
        let levels = if treaty.reserve(party).is_some() { &OF_PATH[2..] } else { &OF_PATH[1..] };
        let mut path: Vec<Arc<str>> = Vec::new();
        for (depth, column) in levels.iter().enumerate() {
            match self.text(record, column) {
                "" => {}
                name if path.len() == depth => path.push(name.into()),
                name => {
                    let outer = levels[path.len()];
                    let what = format!("{name:?} stands without {outer}");
                    return Err((column, what, format!("name the {outer} too, or leave it empty")));
                }
            }
        }
        Ok(path.into())
    }

    /// `None`: nothing is stated.
    fn applicant(
        &self,
        record: &StringRecord,
        treaty: &Treaty,
        party: MemberId,
    ) -> Result<Option<Arc<Applicant>>, Fault> {
        if !self.has_conditions {
            return Ok(None);
        }
        let nothing = Eligibility::default();
        let mut applicant = admitted(treaty.eligibility_of(party).unwrap_or(&nothing));
        if !self.states_applicants() {
            return Ok(Some(Arc::new(applicant)));
        }
        let text = |name: &str| self.text(record, name);
        let unstated = OF_APPLICANT[..3].iter().any(|name| self.has(name) && text(name).is_empty());
        if unstated {
            return Ok(None);
        }
        if self.has("organisation_kind") {
            applicant.organisation_kind = kind(text("organisation_kind"))?;
        }
        if self.has("country") {
            text("country").clone_into(&mut applicant.country);
        }
        if self.has("purpose") {
            applicant.purpose = purpose(text("purpose"))?;
        }
        let data_class = Some(text("data_class")).filter(|name| !matches!(*name, "" | "public"));
        applicant.data_class = data_class.map(str::to_owned);
        Ok(Some(Arc::new(applicant)))
    }
}

/// Every clause that says who may use the pool or a reserve.
fn conditions(treaty: &Treaty) -> impl Iterator<Item = &Eligibility> {
    let reserves = treaty.reserves().iter().map(|r| &r.eligibility).filter(|e| **e != Eligibility::default());
    treaty.eligibility().into_iter().chain(reserves)
}

fn kind(text: &str) -> Result<OrganisationKind, Fault> {
    use OrganisationKind::{Academic, Industry, Ngo, PublicBody, Sme};
    one_of("organisation_kind", text, &[Academic, Ngo, PublicBody, Sme, Industry])
}

fn purpose(text: &str) -> Result<Purpose, Fault> {
    one_of("purpose", text, &[Purpose::Civil, Purpose::DualUse, Purpose::Military])
}

fn one_of<T: Copy + ToString>(column: &'static str, text: &str, known: &[T]) -> Result<T, Fault> {
    known.iter().copied().find(|one| one.to_string() == text).ok_or_else(|| {
        let names: Vec<String> = known.iter().map(ToString::to_string).collect();
        (column, format!("{text:?} is not known"), format!("use one of {}", names.join(", ")))
    })
}
