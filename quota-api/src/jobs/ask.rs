//! What is asked for: the request as it came, and the ask that can be submitted. Only [`validate`] makes the second. Pure.
//!
//! Checked is what can be said of the text alone. Whether the ask fits the treaty and the pool is the engine's to say
//! ([`super::preview`]), and whether it may be made the API server's.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use concord_treaty::clauses::GpuClass;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::{Fault, Field};

/// A Job's name and `-` and the index of a pod must be a label of 63 characters.
const NAME_CHARS_MOST: usize = 50;
const IMAGE_CHARS_MOST: usize = 255;
/// Words of a command, and variables; with [`WORD_CHARS_MOST`] the whole stays below the 1.5 MB of an object.
const WORDS_MOST: usize = 100;
const WORD_CHARS_MOST: usize = 4_096;
/// As the schema of a GpuClaim bounds them.
const GPUS_PER_POD: RangeInclusive<i64> = 1..=1_000;
/// A project's namespace has at most 10,000 pods.
const PODS: RangeInclusive<i64> = 1..=10_000;
const TASKS: RangeInclusive<i64> = 1..=10_000;
/// A minute is no sensible run, but tests of a set-up are; a year is no sensible limit.
const RUN_LIMIT_SECONDS: RangeInclusive<i64> = 1..=31_536_000;
/// What the operator believes.
const CHECKPOINT_SECONDS: RangeInclusive<i64> = 1..=9_999_999;
const PORTS: RangeInclusive<i64> = 1..=65_535;
/// Of a service that names none.
const PORT: u16 = 8_000;
/// By these a container runtime hands out GPUs that nobody counted; admission policies refuse them too.
const RESERVED_VARIABLES: [&str; 4] = [
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "AMD_VISIBLE_DEVICES",
];
/// Set for the pods of a distributed training by the manifest.
const RENDEZVOUS_VARIABLES: [&str; 3] = ["MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE"];

/// Kind of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobKind {
    /// One pod that runs to its end: a Job.
    #[default]
    Training,
    /// Many tasks of the same program, each with its index in `JOB_COMPLETION_INDEX`: an Indexed Job.
    Sweep,
    /// Several pods that start together and find each other: an Indexed Job as one gang, and a headless Service.
    Distributed,
    /// A service that answers until it is deleted: a Deployment and a Service.
    Inference,
}

impl JobKind {
    /// All, in the order of the form.
    pub const ALL: [Self; 4] = [Self::Training, Self::Sweep, Self::Distributed, Self::Inference];

    /// Name in the form and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Sweep => "sweep",
            Self::Distributed => "distributed",
            Self::Inference => "inference",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A request as a program sends it, or as the form is read; nothing of it has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobRequest {
    /// Lower-case letters, digits and `-`, a letter first; at most 50 characters.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    pub name: String,
    /// Kind of work.
    pub kind: JobKind,
    /// Container image.
    #[schema(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9]([-A-Za-z0-9._/:@]*[A-Za-z0-9])?$")]
    pub image: String,
    /// Program that replaces the image's own, word by word; each of at most 4,096 characters.
    #[schema(max_items = 100)]
    #[serde(default)]
    pub command: Vec<String>,
    /// Its arguments, word by word.
    #[schema(max_items = 100)]
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Environment variables. Not for secrets: everybody in the project can read them.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// GPUs of each pod.
    #[schema(minimum = 1, maximum = 1_000)]
    pub gpus_per_pod: i64,
    /// Pods at the same time: 1 for a training, several for a distributed one, replicas of a service.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(default = "one")]
    pub pods: i64,
    /// Tasks of a sweep, at least as many as pods; only there.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<i64>,
    /// Class of GPUs, where the treaty has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// It is ended after so many seconds. Short work can start earlier under some treaties; not for services.
    #[schema(minimum = 1, maximum = 31_536_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_limit_seconds: Option<i64>,
    /// It saves its work every so many seconds, so that a reclaim is known to destroy little; not for services.
    #[schema(minimum = 1, maximum = 9_999_999)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_seconds: Option<i64>,
    /// Port at which a service answers, 8000 if absent; only there.
    #[schema(minimum = 1, maximum = 65_535)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}

const fn one() -> i64 {
    1
}

/// What can be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Name.
    pub name: String,
    /// Kind of work.
    pub kind: JobKind,
    /// Container image.
    pub image: String,
    /// Program.
    pub command: Vec<String>,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Environment.
    pub environment: BTreeMap<String, String>,
    /// GPUs of each pod.
    pub gpus_per_pod: u32,
    /// Pods at the same time.
    pub pods: u32,
    /// Runs of a pod to its end; more than `pods` only in a sweep.
    pub tasks: u32,
    /// Class of GPUs.
    pub class: Option<AskedClass>,
    /// Longest run.
    pub run_limit_seconds: Option<i64>,
    /// Time between saves.
    pub checkpoint_seconds: Option<i64>,
    /// Port of a service.
    pub port: u16,
}

/// A class of GPUs, with the labels by which its nodes are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedClass {
    /// Name in the treaty.
    pub name: String,
    /// Labels.
    pub node_labels: BTreeMap<String, String>,
}

/// The ask that a request comes to.
///
/// # Errors
/// Everything that is wrong with it, in the order of the form.
pub fn validate(request: &JobRequest, classes: &[GpuClass]) -> Result<Ask, Vec<Fault>> {
    let mut faults = Vec::new();
    check_name(&request.name, &mut faults);
    check_image(&request.image, &mut faults);
    check_words(Field::Command, &request.command, &mut faults);
    check_words(Field::Arguments, &request.arguments, &mut faults);
    check_environment(request, &mut faults);
    let gpus_per_pod = number(Field::GpusPerPod, request.gpus_per_pod, &GPUS_PER_POD, &mut faults);
    let pods = number(Field::Pods, request.pods, &PODS, &mut faults);
    match request.kind {
        JobKind::Training if request.pods > 1 => faults.push(Fault::new(Field::Pods, "one-pod")),
        JobKind::Distributed if request.pods == 1 => faults.push(Fault::new(Field::Pods, "several-pods")),
        _ => {}
    }
    let tasks = tasks(request, pods, &mut faults);
    let class = class(request.class.as_deref(), classes, &mut faults);
    let run_limit_seconds =
        seconds(Field::RunLimit, request.kind, request.run_limit_seconds, &RUN_LIMIT_SECONDS, &mut faults);
    let checkpoint_seconds = seconds(
        Field::Checkpoint,
        request.kind,
        request.checkpoint_seconds,
        &CHECKPOINT_SECONDS,
        &mut faults,
    );
    let port = port(request, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let JobRequest { name, kind, image, command, arguments, environment, .. } = request.clone();
    Ok(Ask {
        name,
        kind,
        image,
        command,
        arguments,
        environment,
        gpus_per_pod,
        pods,
        tasks,
        class,
        run_limit_seconds,
        checkpoint_seconds,
        port,
    })
}

fn check_name(name: &str, faults: &mut Vec<Fault>) {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fault = if name.is_empty() {
        "missing"
    } else if name.chars().count() > NAME_CHARS_MOST {
        return faults.push(Fault::new(Field::Name, "too-long").with("most", NAME_CHARS_MOST));
    } else if !name.chars().all(|c| letter(c) || c == '-') {
        "name-letters"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.ends_with(letter) {
        // A Service's name must not begin with a digit.
        "name-ends"
    } else {
        return;
    };
    faults.push(Fault::new(Field::Name, fault));
}

fn check_image(image: &str, faults: &mut Vec<Fault>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if image.is_empty() {
        faults.push(Fault::new(Field::Image, "missing"));
    } else if image.len() > IMAGE_CHARS_MOST {
        faults.push(Fault::new(Field::Image, "too-long").with("most", IMAGE_CHARS_MOST));
    } else if !image.chars().all(allowed)
        || !image.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !image.ends_with(|c: char| c.is_ascii_alphanumeric())
    {
        faults.push(Fault::new(Field::Image, "image"));
    }
}

fn check_words(field: Field, words: &[String], faults: &mut Vec<Fault>) {
    if words.len() > WORDS_MOST {
        faults.push(Fault::new(field, "too-many-lines").with("most", WORDS_MOST));
    } else if words.iter().any(|word| word.chars().count() > WORD_CHARS_MOST) {
        faults.push(Fault::new(field, "line-too-long").with("most", WORD_CHARS_MOST));
    } else if words.iter().any(|word| word.contains('\0')) {
        faults.push(Fault::new(field, "control-character"));
    }
}

fn check_environment(request: &JobRequest, faults: &mut Vec<Fault>) {
    let (field, environment) = (Field::Environment, &request.environment);
    if environment.len() > WORDS_MOST {
        return faults.push(Fault::new(field, "too-many-lines").with("most", WORDS_MOST));
    }
    let distributed = request.kind == JobKind::Distributed;
    for (name, value) in environment {
        let shown = || name.chars().take(40).collect::<String>();
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins
            || name.len() > 253
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        {
            faults.push(Fault::new(field, "variable-name").with("name", shown()));
        } else if RESERVED_VARIABLES.contains(&name.as_str())
            || (distributed && RENDEZVOUS_VARIABLES.contains(&name.as_str()))
        {
            faults.push(Fault::new(field, "variable-reserved").with("name", shown()));
        } else if value.chars().count() > WORD_CHARS_MOST {
            faults.push(Fault::new(field, "line-too-long").with("most", WORD_CHARS_MOST));
        } else if value.contains('\0') {
            faults.push(Fault::new(field, "control-character"));
        }
    }
}

fn number(field: Field, value: i64, range: &RangeInclusive<i64>, faults: &mut Vec<Fault>) -> u32 {
    if !range.contains(&value) {
        faults.push(Fault::new(field, "range").with("least", range.start()).with("most", range.end()));
    }
    u32::try_from(value).unwrap_or(0)
}

fn tasks(request: &JobRequest, pods: u32, faults: &mut Vec<Fault>) -> u32 {
    match (request.kind, request.tasks) {
        (JobKind::Sweep, None) => {
            faults.push(Fault::new(Field::Tasks, "missing"));
            pods
        }
        (JobKind::Sweep, Some(tasks)) => {
            let found = number(Field::Tasks, tasks, &TASKS, faults);
            if found > 0 && found < pods {
                faults.push(Fault::new(Field::Tasks, "fewer-tasks-than-pods"));
            }
            found
        }
        (_, Some(_)) => {
            faults.push(Fault::new(Field::Tasks, "not-for-kind"));
            pods
        }
        (_, None) => pods,
    }
}

fn class(wanted: Option<&str>, classes: &[GpuClass], faults: &mut Vec<Fault>) -> Option<AskedClass> {
    let asked =
        |class: &GpuClass| AskedClass { name: class.name.clone(), node_labels: class.node_labels.clone() };
    match (wanted.filter(|name| !name.is_empty()), classes) {
        (None, []) => None,
        // There is nothing to choose.
        (None, [only]) => Some(asked(only)),
        (None, _) => {
            faults.push(Fault::new(Field::Class, "class-missing"));
            None
        }
        (Some(name), _) => {
            let found = classes.iter().find(|class| class.name == name).map(asked);
            if found.is_none() {
                faults.push(Fault::new(Field::Class, "class-unknown"));
            }
            found
        }
    }
}

fn seconds(
    field: Field,
    kind: JobKind,
    value: Option<i64>,
    range: &RangeInclusive<i64>,
    faults: &mut Vec<Fault>,
) -> Option<i64> {
    let value = value?;
    if kind == JobKind::Inference {
        faults.push(Fault::new(field, "not-for-kind"));
    } else if !range.contains(&value) {
        let show = super::duration::show;
        faults.push(
            Fault::new(field, "duration-range")
                .with("least", show(*range.start()))
                .with("most", show(*range.end())),
        );
    }
    Some(value)
}

fn port(request: &JobRequest, faults: &mut Vec<Fault>) -> u16 {
    match (request.kind, request.port) {
        (_, None) => PORT,
        (JobKind::Inference, Some(port)) => {
            number(Field::Port, port, &PORTS, faults);
            u16::try_from(port).unwrap_or(PORT)
        }
        (_, Some(_)) => {
            faults.push(Fault::new(Field::Port, "not-for-kind"));
            PORT
        }
    }
}
