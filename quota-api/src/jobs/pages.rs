//! What the templates of jobs are filled with. Texts come from the language files; what the engine and the cluster say is
//! English and marked so.

use askama::Template;
use fluent_templates::fluent_bundle::FluentValue;
use jiff::Timestamp;

use super::ask::JobKind;
use super::catalogue::{TEMPLATES, Template as StartingPoint};
use super::charge::Estimate;
use super::cite::Citation;
use super::duration;
use super::fault::{Fault, Field};
use super::form::JobForm;
use super::list::{Page, Wanted};
use super::moment::{Moment, charge_units, gpu_hours};
use super::preview::{Preview, Reason, Verdict};
use super::view::{Account, JobState, JobView};
use crate::frame::Frame;
use crate::language::Words;
use crate::store::api_keys::KeyRow;
use crate::store::submissions::Submission;

/// Codes that have a text of their own in every language; others are told in the engine's words alone.
const REASONS: [&str; 30] = [
    "WaitingForReclaim",
    "GuaranteeFragmented",
    "NoIdleGpus",
    "KeptByOwners",
    "CeilingReached",
    "ExceedsCeiling",
    "BudgetOverdrawn",
    "BorrowingLimited",
    "ExceedsPool",
    "PlaceTaken",
    "NoSuchPlace",
    "UnsupportedShape",
    "NoSuchClass",
    "NotEligible",
    "TreatyNotInForce",
    "MemberSuspended",
    "ReserveNotOpen",
    "ReservedByAge",
    "KeptForAged",
    "WindowAhead",
    "NodesInWindow",
    "ShareCeilingReached",
    "ExceedsShareCeiling",
    "NoTier",
    "TierHoursUsed",
    "ReclaimedForGuarantee",
    "AboveCeiling",
    "NodeLost",
    "Overran",
    "Window",
];

/// Texts and figures in the reader's language.
#[derive(Debug, Clone, Copy)]
pub struct Say(pub Words);

impl Say {
    /// Where a job stands.
    pub fn state(&self, state: &JobState) -> String {
        self.0.get(format!("job-state-{}", state.name()))
    }

    /// A reason in the reader's language; `None` where only the engine's sentence says it.
    pub fn why(&self, code: &str) -> Option<String> {
        REASONS.contains(&code).then(|| self.0.get(format!("reason-{code}")))
    }

    /// What will happen.
    pub fn verdict(&self, verdict: &Verdict) -> String {
        self.0.get(match verdict {
            Verdict::StartsGuaranteed => "job-verdict-startsGuaranteed",
            Verdict::StartsBorrowed => "job-verdict-startsBorrowed",
            Verdict::Waits => "job-verdict-waits",
            Verdict::Refused => "job-verdict-refused",
        })
    }

    /// A time.
    pub fn moment(&self, at: &Timestamp) -> Moment {
        Moment::from(*at)
    }

    /// A time that was kept as milliseconds.
    pub fn moment_of(&self, at_ms: &i64) -> Moment {
        Moment::from(Timestamp::from_millisecond(*at_ms).unwrap_or_default())
    }

    /// GPU-hours.
    pub fn hours(&self, gpu_seconds: &u64) -> String {
        self.0.with("job-gpu-hours", &[("amount", FluentValue::from(gpu_hours(*gpu_seconds)))])
    }

    /// GPU-hours, and the charge where there is a price.
    pub fn cost(&self, estimate: &Estimate) -> String {
        let hours = self.hours(&estimate.gpu_seconds);
        let charge = estimate.charge_thousandths.map(|thousandths| {
            self.0.with("job-charge", &[("amount", FluentValue::from(charge_units(thousandths)))])
        });
        charge.map_or(hours.clone(), |charge| format!("{hours}, {charge}"))
    }

    /// A length of time.
    pub fn length(&self, seconds: &i64) -> String {
        duration::show(*seconds)
    }

    /// Energy, and what of it is not measured.
    pub fn energy(&self, account: &Account) -> String {
        let joules = |key: &str, joules: f64| {
            self.0.with(key, &[("amount", FluentValue::from(format!("{joules:.0}")))])
        };
        let Some(all) = account.joules else { return self.0.get("job-not-measured") };
        let mut text = joules("job-joules", all);
        if let Some(estimated) = account.estimated_joules.filter(|estimated| *estimated > 0.0) {
            text = format!("{text}, {}", joules("job-joules-estimated", estimated));
        }
        if account.is_energy_simulated {
            text = format!("{text} ({})", self.0.get("job-joules-simulated"));
        }
        text
    }

    /// A percentage.
    pub fn percent(&self, percent: &f64) -> String {
        format!("{percent:.1} %")
    }

    /// GPUs on a node.
    pub fn place(&self, gpus: &i64, node: &str) -> String {
        self.0.with(
            "job-on-node",
            &[("gpus", FluentValue::from(*gpus)), ("node", FluentValue::from(node.to_owned()))],
        )
    }

    /// How many pods of how many GPUs.
    pub fn shape(&self, view: &JobView) -> String {
        let number = |value: i64| FluentValue::from(value.to_string());
        let variables =
            [("gpus", number(view.gpus)), ("pods", number(view.pods)), ("each", number(view.gpus_per_pod))];
        self.0.with("job-shape-text", &variables)
    }

    /// A range of times.
    pub fn range(&self, earliest: Option<&Timestamp>, latest: Option<&Timestamp>) -> String {
        let shown = |at: &Timestamp| FluentValue::from(Moment::from(*at).shown);
        match (earliest, latest) {
            (Some(earliest), Some(latest)) => self
                .0
                .with("job-expected-between", &[("earliest", shown(earliest)), ("latest", shown(latest))]),
            (Some(earliest), None) => self.0.with("job-expected-from", &[("earliest", shown(earliest))]),
            (None, _) => self.0.get("job-expected-never"),
        }
    }

    /// Whether a reason's clause stands in the treaty.
    pub fn links(&self, reason: &Reason) -> bool {
        !reason.clause.is_empty() && reason.clause != "capacity"
    }

    /// A text with a time in it.
    pub fn timed(&self, key: &str, at: &Timestamp) -> String {
        self.0.with(key, &[("time", FluentValue::from(Moment::from(*at).shown))])
    }
}

/// How a field is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// One line.
    Line,
    /// A number; typed text stays as it is, also when it is none.
    Number,
    /// Several lines.
    Lines,
    /// Value, text, chosen.
    Choice(Vec<(String, String, bool)>),
}

/// One field of a form.
#[derive(Debug, Clone)]
pub struct FieldView {
    /// Name and id.
    pub name: &'static str,
    /// Label.
    pub label: String,
    /// What to write.
    pub hint: String,
    /// What was typed.
    pub value: String,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// How it is filled in.
    pub control: Control,
    /// May be left empty.
    pub optional: bool,
}

impl FieldView {
    /// Ids of the texts that belong to it.
    pub fn described_by(&self) -> String {
        let hint = format!("{}-hint", self.name);
        if self.errors.is_empty() { hint } else { format!("{0}-error {hint}", self.name) }
    }
}

/// The fields of the form, as they were typed.
pub fn fields(
    form: &JobForm,
    faults: &[Fault],
    projects: &[String],
    classes: &[String],
    words: Words,
) -> Vec<FieldView> {
    let wanted = Field::ALL.into_iter().filter(|field| *field != Field::Class || !classes.is_empty());
    let field = |field: Field| {
        let choice = |value: &str, text: String| (value.to_owned(), text, form.typed(field) == value);
        let control = match field {
            Field::Project => {
                Control::Choice(projects.iter().map(|name| choice(name, name.clone())).collect())
            }
            Field::Kind => Control::Choice(
                JobKind::ALL
                    .iter()
                    .map(|k| choice(k.name(), words.get(format!("job-kind-{}", k.name()))))
                    .collect(),
            ),
            Field::Class => {
                let none = std::iter::once(choice("", words.get("job-class-any")));
                Control::Choice(none.chain(classes.iter().map(|name| choice(name, name.clone()))).collect())
            }
            Field::Command | Field::Arguments | Field::Environment => Control::Lines,
            Field::GpusPerPod | Field::Pods | Field::Tasks | Field::Port => Control::Number,
            Field::Name | Field::Image | Field::RunLimit | Field::Checkpoint => Control::Line,
        };
        let needed = [Field::Project, Field::Kind, Field::Name, Field::Image, Field::GpusPerPod];
        FieldView {
            name: field.name(),
            label: words.get(format!("job-field-{}", field.name())),
            hint: words.get(format!("job-hint-{}", field.name())),
            value: form.typed(field).to_owned(),
            errors: faults.iter().filter(|f| f.field == field).map(|f| f.sentence(words)).collect(),
            control,
            optional: !needed.contains(&field),
        }
    };
    wanted.map(field).collect()
}

fn counted(words: Words, key: &str, count: usize) -> String {
    words.count(key, &i64::try_from(count).unwrap_or(i64::MAX))
}

/// All faults of a form, each with the field that it belongs to.
fn faults_of(fields: &[FieldView]) -> Vec<(&'static str, &str, &str)> {
    fields
        .iter()
        .flat_map(|field| field.errors.iter().map(|error| (field.name, field.label.as_str(), error.as_str())))
        .collect()
}

/// The form, with what a check found.
#[derive(Template)]
#[template(path = "jobs/new.html")]
pub struct NewPage<'a> {
    pub frame: Frame,
    pub say: Say,
    pub templates: &'static [StartingPoint],
    pub token: &'a str,
    pub fields: Vec<FieldView>,
    pub preview: Option<PreviewView<'a>>,
    pub refused: Option<String>,
}

impl NewPage<'_> {
    /// All faults, each with the field that it belongs to.
    fn faults(&self) -> Vec<(&'static str, &str, &str)> {
        faults_of(&self.fields)
    }

    fn faults_title(&self) -> String {
        counted(self.frame.words, "job-faults-title", self.faults().len())
    }
}

/// Starting points of the form.
pub const STARTING_POINTS: &[StartingPoint] = &TEMPLATES;

/// What a check found.
pub struct PreviewView<'a> {
    pub preview: Option<&'a Preview>,
    pub yaml: String,
    pub hidden: Vec<(&'static str, String)>,
    pub unreachable: bool,
}

/// All of a person's jobs.
#[derive(Template)]
#[template(path = "jobs/list.html")]
pub struct ListPage {
    pub frame: Frame,
    pub say: Say,
    pub page: Page,
    pub projects: Vec<String>,
    pub project: String,
    pub wanted: Wanted,
    pub kept: Vec<Submission>,
    pub is_live: bool,
}

impl ListPage {
    /// Value, text, chosen.
    fn filters(&self) -> Vec<(&'static str, String, bool)> {
        let filter = |wanted: Wanted| {
            (wanted.name(), self.frame.words.get(format!("jobs-{}", wanted.name())), wanted == self.wanted)
        };
        Wanted::ALL.into_iter().map(filter).collect()
    }

    fn total(&self) -> String {
        counted(self.frame.words, "jobs-total", self.page.total)
    }

    /// Address of another page with the same filter.
    fn address(&self, page: &usize) -> String {
        format!("/jobs?project={}&state={}&page={page}", self.project, self.wanted.name())
    }

    fn previous(&self) -> Option<usize> {
        self.page.page.checked_sub(1).filter(|page| *page > 0)
    }
}

/// A job that waits here because the cluster does not answer.
#[derive(Template)]
#[template(path = "jobs/kept.html")]
pub struct KeptPage {
    pub frame: Frame,
    pub say: Say,
    pub kept: Submission,
    pub yaml: String,
    pub tried_again: bool,
}

/// What of a job's page changes by itself.
#[derive(Template)]
#[template(path = "jobs/live.html")]
pub struct LiveFragment<'a> {
    pub say: Say,
    pub view: &'a JobView,
}

/// A job's page.
#[derive(Template)]
#[template(path = "jobs/job.html")]
pub struct JobPage<'a> {
    pub frame: Frame,
    pub say: Say,
    pub view: &'a JobView,
    pub yaml: String,
    pub interrupted: bool,
}

/// Whether a job should really be deleted.
#[derive(Template)]
#[template(path = "jobs/cancel.html")]
pub struct CancelPage<'a> {
    pub frame: Frame,
    pub view: &'a JobView,
    pub uid: String,
}

/// The logs of a pod.
#[derive(Template)]
#[template(path = "jobs/logs.html")]
pub struct LogsPage<'a> {
    pub frame: Frame,
    pub project: &'a str,
    pub name: &'a str,
    pub pod: &'a str,
    pub lines: i64,
    pub text: Result<String, String>,
}

/// A person's keys.
#[derive(Template)]
#[template(path = "jobs/keys.html")]
pub struct KeysPage {
    pub frame: Frame,
    pub say: Say,
    pub keys: Vec<KeyRow>,
    pub made: Option<String>,
    pub fields: Vec<FieldView>,
}

impl KeysPage {
    fn faults(&self) -> Vec<(&'static str, &str, &str)> {
        faults_of(&self.fields)
    }

    fn faults_title(&self) -> String {
        counted(self.frame.words, "job-faults-title", self.faults().len())
    }
}

/// How to cite a job.
#[derive(Template)]
#[template(path = "jobs/cite.html")]
pub struct CitePage<'a> {
    pub frame: Frame,
    pub view: &'a JobView,
    pub citation: Citation,
}
