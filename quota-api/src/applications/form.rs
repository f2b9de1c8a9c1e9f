//! What an applicant types, and what it means. Pure. Everything is kept as it was typed, so that nothing is lost by a mistake.

use concord_api::application::{AccessRequest, ApplicationKind, ApplicationSpec, Attachment, Declaration};
use concord_api::project::{Person, PersonKind};
use concord_treaty::document::{ApplicantDocument, OrganisationKindName, PurposeName};
use serde::{Deserialize, Serialize};

/// Version of the terms of use that the form shows.
pub const TERMS: &str = "2026-11";
/// People beside the applicant.
const PEOPLE_MAX: usize = 50;

/// The form's fields by name, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationForm {
    /// `New`, `Renewal` or `Extension`.
    pub kind: String,
    /// Name of the project.
    pub project: String,
    /// Title.
    pub title: String,
    /// For everybody.
    pub summary: String,
    /// For reviewers.
    pub justification: String,
    /// Organisation.
    pub organisation: String,
    /// `academic`, `ngo`, `publicBody`, `sme` or `industry`.
    pub organisation_kind: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// `civil`, `dualUse` or `military`.
    pub purpose: String,
    /// Where military use is possible.
    pub dual_use: String,
    /// Class of the data; empty: public.
    pub data_class: String,
    /// Reserve or member.
    pub party: String,
    /// Hours.
    pub gpu_hours: String,
    /// GPUs at once.
    pub most_gpus: String,
    /// Days.
    pub days: String,
    /// One name in the cluster a line.
    pub people: String,
    /// The terms are accepted: `on`.
    pub terms: String,
}

/// A field that must be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Name of the field in the form.
    pub field: &'static str,
    /// Text to show, by its key in the language files.
    pub key: &'static str,
    /// The most that is allowed, or another word for the text's variable `$name`.
    pub name: String,
}

/// The request behind a form.
///
/// # Errors
/// Every field that must be mended, in the form's order.
pub fn read(
    form: &ApplicationForm,
    applicant_user: &str,
    language: &str,
    attachments: Vec<Attachment>,
) -> Result<ApplicationSpec, Vec<FieldError>> {
    let mut reader = Reader::default();
    let spec = ApplicationSpec {
        kind: reader.choice("kind", &form.kind, &KINDS).unwrap_or(ApplicationKind::New),
        project: reader.project(&form.project),
        title: reader.text("title", &form.title, 1, 120),
        summary: reader.text("summary", &form.summary, 1, 500),
        organisation: reader.text("organisation", &form.organisation, 1, 200),
        applicant: ApplicantDocument {
            organisation_kind: reader
                .choice("organisation_kind", &form.organisation_kind, &ORGANISATION_KINDS)
                .unwrap_or(OrganisationKindName::Academic),
            country: reader.country(&form.country),
            purpose: reader.choice("purpose", &form.purpose, &PURPOSES).unwrap_or(PurposeName::Civil),
            data_class: Some(form.data_class.trim().to_owned()).filter(|class| !class.is_empty()),
        },
        declaration: Declaration {
            terms: TERMS.to_owned(),
            dual_use: (form.purpose == "dualUse").then(|| reader.text("dual_use", &form.dual_use, 20, 5_000)),
        },
        request: AccessRequest {
            party: reader.text("party", &form.party, 1, 63),
            gpu_hours: reader.number("gpu_hours", &form.gpu_hours, 1_000_000_000),
            most_gpus: reader.number("most_gpus", &form.most_gpus, 1_000_000),
            days: reader.number("days", &form.days, 1_096),
        },
        justification: reader.text("justification", &form.justification, 1, 20_000),
        people: reader.people(&form.people),
        applicant_user: applicant_user.to_owned(),
        attachments,
        language: language.to_owned(),
        appeal: None,
        withdrawn: false,
    };
    if form.terms != "on" {
        reader.wrong("terms", "error-terms", "");
    }
    if reader.errors.is_empty() { Ok(spec) } else { Err(reader.errors) }
}

/// Kinds of application by their value in the form.
pub const KINDS: [(&str, ApplicationKind); 3] = [
    ("New", ApplicationKind::New),
    ("Renewal", ApplicationKind::Renewal),
    ("Extension", ApplicationKind::Extension),
];
/// Kinds of organisation.
pub const ORGANISATION_KINDS: [(&str, OrganisationKindName); 5] = [
    ("academic", OrganisationKindName::Academic),
    ("ngo", OrganisationKindName::Ngo),
    ("publicBody", OrganisationKindName::PublicBody),
    ("sme", OrganisationKindName::Sme),
    ("industry", OrganisationKindName::Industry),
];
/// Purposes.
pub const PURPOSES: [(&str, PurposeName); 3] =
    [("civil", PurposeName::Civil), ("dualUse", PurposeName::DualUse), ("military", PurposeName::Military)];

#[derive(Default)]
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn wrong(&mut self, field: &'static str, key: &'static str, name: impl ToString) {
        self.errors.push(FieldError { field, key, name: name.to_string() });
    }

    fn text(&mut self, field: &'static str, typed: &str, least: usize, most: usize) -> String {
        let text = typed.trim();
        let length = text.chars().count();
        if length == 0 {
            self.wrong(field, "error-missing", "");
        } else if length < least {
            self.wrong(field, "error-too-short", least);
        } else if length > most {
            self.wrong(field, "error-too-long", most);
        } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.wrong(field, "error-control-character", "");
        }
        text.to_owned()
    }

    fn number(&mut self, field: &'static str, typed: &str, most: i64) -> i64 {
        let number = typed.trim().parse::<i64>().ok().filter(|number| (1..=most).contains(number));
        if typed.trim().is_empty() {
            self.wrong(field, "error-missing", "");
        } else if number.is_none() {
            self.wrong(field, "error-number", most);
        }
        number.unwrap_or(1)
    }

    fn choice<T: Copy>(&mut self, field: &'static str, typed: &str, all: &[(&'static str, T)]) -> Option<T> {
        let found = all.iter().find(|(value, _)| *value == typed).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.wrong(field, "error-choose", "");
        }
        found
    }

    /// A DNS label that the cluster does not keep for itself.
    fn project(&mut self, typed: &str) -> String {
        let name = typed.trim();
        let of_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_label = (1..=63).contains(&name.len())
            && name.chars().all(of_label)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if name.is_empty() {
            self.wrong("project", "error-missing", "");
        } else if !is_label {
            self.wrong("project", "error-project-name", "");
        } else if name == "default" || name.starts_with("kube-") || name.starts_with("concord-") {
            self.wrong("project", "error-project-reserved", "");
        }
        name.to_owned()
    }

    fn country(&mut self, typed: &str) -> String {
        let code = typed.trim().to_ascii_uppercase();
        if code.is_empty() {
            self.wrong("country", "error-missing", "");
        } else if code.len() != 2 || !code.chars().all(|c| c.is_ascii_uppercase()) {
            self.wrong("country", "error-country", "");
        }
        code
    }

    fn people(&mut self, typed: &str) -> Vec<Person> {
        let names: Vec<&str> = typed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let is_name = |name: &&str| {
            name.split_once(':')
                .is_some_and(|(provider, subject)| !provider.is_empty() && !subject.is_empty())
                && name.len() <= 253
                && !name.starts_with("system:")
                && !name.chars().any(char::is_control)
        };
        if names.len() > PEOPLE_MAX {
            self.wrong("people", "error-too-many", PEOPLE_MAX);
        } else if let Some(name) = names.iter().find(|name| !is_name(name)) {
            self.wrong("people", "error-person", name);
        }
        names.into_iter().map(|name| Person { kind: PersonKind::User, name: name.to_owned() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> ApplicationForm {
        let text = |text: &str| text.to_owned();
        ApplicationForm {
            kind: text("New"),
            project: text("river-floods"),
            title: text("Flood forecasts"),
            summary: text("Forecasts of floods for towns on small rivers."),
            justification: text("We train a model."),
            organisation: text("River Watch"),
            organisation_kind: text("ngo"),
            country: text("fi"),
            purpose: text("civil"),
            party: text("public-interest"),
            gpu_hours: text("100"),
            most_gpus: text("8"),
            days: text("90"),
            people: text("demo:bea\n\n demo:cid "),
            terms: text("on"),
            ..ApplicationForm::default()
        }
    }

    fn faults(change: impl FnOnce(&mut ApplicationForm)) -> Vec<(&'static str, &'static str)> {
        let mut form = complete();
        change(&mut form);
        let errors = read(&form, "demo:ann", "en", Vec::new()).err().unwrap_or_default();
        errors.iter().map(|error| (error.field, error.key)).collect()
    }

    #[test]
    fn a_complete_form_is_a_request_of_who_sends_it() {
        let spec = read(&complete(), "demo:ann", "fr", Vec::new()).unwrap();
        assert_eq!((spec.applicant_user.as_str(), spec.language.as_str()), ("demo:ann", "fr"));
        assert_eq!((spec.applicant.country.as_str(), spec.request.gpu_hours), ("FI", 100));
        let people: Vec<&str> = spec.people.iter().map(|person| person.name.as_str()).collect();
        assert_eq!(people, ["demo:bea", "demo:cid"]);
        assert_eq!(spec.declaration, Declaration { terms: TERMS.to_owned(), dual_use: None });
    }

    #[test]
    fn an_empty_form_names_every_field_that_is_needed() {
        let errors = read(&ApplicationForm::default(), "demo:ann", "en", Vec::new()).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
        let needed = [
            "kind",
            "project",
            "title",
            "summary",
            "organisation",
            "organisation_kind",
            "country",
            "purpose",
            "party",
            "gpu_hours",
            "most_gpus",
            "days",
            "justification",
            "terms",
        ];
        assert_eq!(fields, needed);
    }

    #[test]
    fn each_bad_value_is_told_at_its_field() {
        type Change = fn(&mut ApplicationForm);
        let cases: [(Change, &str, &str); 14] = [
            (|f| f.project = "River".to_owned(), "project", "error-project-name"),
            (|f| f.project = "-a".to_owned(), "project", "error-project-name"),
            (|f| f.project = "x".repeat(64), "project", "error-project-name"),
            (|f| f.project = "kube-system".to_owned(), "project", "error-project-reserved"),
            (|f| f.title = "x".repeat(121), "title", "error-too-long"),
            (|f| f.title = "a\u{7}b".to_owned(), "title", "error-control-character"),
            (|f| f.country = "Finland".to_owned(), "country", "error-country"),
            (|f| f.gpu_hours = "0".to_owned(), "gpu_hours", "error-number"),
            (|f| f.gpu_hours = "99999999999999999999".to_owned(), "gpu_hours", "error-number"),
            (|f| f.most_gpus = "-1".to_owned(), "most_gpus", "error-number"),
            (|f| f.people = "system:masters".to_owned(), "people", "error-person"),
            (|f| f.people = "just-a-name".to_owned(), "people", "error-person"),
            (|f| f.people = "a:b\n".repeat(51), "people", "error-too-many"),
            (|f| f.purpose = "fun".to_owned(), "purpose", "error-choose"),
        ];
        for (change, field, key) in cases {
            assert_eq!(faults(change), [(field, key)]);
        }
    }

    #[test]
    fn possible_military_use_must_be_explained() {
        assert_eq!(faults(|f| f.purpose = "dualUse".to_owned()), [("dual_use", "error-missing")]);
        let short = faults(|f| {
            f.purpose = "dualUse".to_owned();
            f.dual_use = "maybe".to_owned();
        });
        assert_eq!(short, [("dual_use", "error-too-short")]);
    }
}
