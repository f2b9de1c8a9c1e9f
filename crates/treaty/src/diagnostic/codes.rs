//! All codes of diagnostics, in one table. A code is never used for something else later.

use super::Severity::{self, Error, Note, Warning};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it says, in a few words; the documentation has the same.
    pub summary: &'static str,
}

/// All codes, in their order. Below 100: what the treaty says; from 100 on: how it is written.
pub const CODES: &[Code] = &[
    code("TR001", Error, "no member, or more than 500"),
    code("TR002", Error, "a name is not a DNS label"),
    code("TR003", Error, "a name or an entry stands twice"),
    code("TR004", Error, "a number of GPUs is not between 0 and 1,000,000"),
    code("TR005", Error, "a ceiling is below the guarantee"),
    code("TR006", Error, "the notice is not between 0 and 604,800 seconds (one week)"),
    code("TR007", Error, "a member keeps more than its guarantee"),
    code("TR008", Error, "a text for people is empty, too long or has line breaks"),
    code("TR009", Error, "a number is out of its range"),
    code("TR010", Error, "promises add up to more than the pool has"),
    code("TR011", Error, "guarantees need more whole nodes than the pool has"),
    code("TR012", Error, "a percentage or price is not a plain decimal in its range"),
    code(
        "TR013",
        Error,
        "a date or time does not exist or is written otherwise than YYYY-MM-DD or YYYY-MM-DDTHH:MM",
    ),
    code("TR014", Error, "an end lies before its start"),
    code("TR015", Error, "a time zone is unknown"),
    code("TR016", Error, "a reference to a member that does not exist"),
    code("TR017", Error, "a reference to a class that does not exist"),
    code("TR018", Error, "none or several of the forms of a clause, where exactly one is needed"),
    code("TR019", Error, "percent shares of a class add up to more than 100"),
    code("TR020", Error, "more than one residual share of a class"),
    code("TR021", Error, "shares or weights by contribution, but a member has none"),
    code("TR022", Error, "a name of a reserve is a member's"),
    code("TR023", Error, "a number of GPUs in a treaty with several classes does not say of which"),
    code("TR024", Error, "a country is not an ISO 3166-1 alpha-2 code"),
    code("TR025", Error, "a node label is not valid, or missing where needed"),
    code("TR026", Error, "a node could be of two classes"),
    code("TR027", Error, "weights stated and not used, or used and not stated"),
    code("TR028", Error, "a field that has no effect here, or is missing for the form chosen"),
    code("TR029", Error, "steps do not rise"),
    code("TR030", Error, "two windows overlap on the same nodes"),
    code("TR031", Error, "a window is longer than the distance to its next occurrence"),
    code("TR032", Error, "a civil time does not exist in its time zone (clocks go forward)"),
    code("TR033", Warning, "a civil time occurs twice in its time zone (clocks go back)"),
    code("TR034", Warning, "a monthly window starts on a day that some months do not have"),
    code("TR040", Error, "a class has no node"),
    code("TR041", Warning, "a guarantee is not a number of whole nodes"),
    code("TR042", Error, "floors cannot be kept by what is left"),
    code("TR043", Warning, "a share comes to no GPU at all"),
    code("TR050", Error, "a member quota has no institution, or a list of it more than 500 entries"),
    code("TR051", Error, "a quota of a member that no treaty here has"),
    code("TR052", Error, "guarantees inside a member add up to more than the member's"),
    code("TR053", Error, "guarantees inside an institution add up to more than the institution's"),
    code("TR054", Warning, "a ceiling above the one around it has no effect"),
    code("TR055", Error, "a member has two quotas"),
    code(
        "TR056",
        Note,
        "guarantees inside a member are not compared with one that is known only with the nodes",
    ),
    code("TR060", Error, "a key is not of the form <name>+<id>+<key> of C2SP signed-note"),
    code("TR061", Error, "a treaty that is amended by signatures, and a member without a key"),
    code("TR062", Error, "a change for which it is not said how it is voted on"),
    code("TR063", Error, "votes weighed by guarantees that depend on the pool"),
    code("TR064", Warning, "the first yes decides: no notice, no quorum and nobody absent counted"),
    code("TR090", Error, "a clause is not supported by this release"),
    code("TR091", Note, "a clause that the simulator keeps and the operator of this release refuses"),
    code("TR100", Error, "the text is not UTF-8"),
    code("TR101", Error, "the text is too large, too deep or has too many values"),
    code("TR102", Error, "the text is not YAML"),
    code("TR103", Error, "anchors, aliases, tags and merge keys are not read"),
    code("TR104", Error, "a field stands twice"),
    code("TR105", Error, "a character that cannot be seen"),
    code("TR106", Error, "no treaty"),
    code("TR107", Error, "a tab where YAML wants spaces"),
    code("TR108", Note, "an object of another kind was skipped"),
    code("TR110", Error, "an unknown field"),
    code("TR111", Error, "a field is missing"),
    code("TR112", Error, "a value of another type than the field's"),
    code("TR113", Error, "not one of the words that the field knows"),
    code("TR114", Error, "a text that YAML readers take for something else"),
    code("TR115", Error, "a field without a value"),
    code("TR116", Error, "a number is not a plain whole decimal number, or too large"),
    code("TR119", Error, "more faults than are shown"),
];

const fn code(code: &'static str, severity: Severity, summary: &'static str) -> Code {
    Code { code, severity, summary }
}

/// Severity of a code; an unknown one counts as an error.
#[must_use]
pub fn severity(code: &str) -> Severity {
    CODES.iter().find(|known| known.code == code).map_or(Error, |known| known.severity)
}
