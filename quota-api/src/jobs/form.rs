//! The form as a browser sends it: every field a text, kept as it was typed whatever is wrong with it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ask::{JobKind, JobRequest};
use super::duration;
use super::fault::{Fault, Field};

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct JobForm {
    /// Made with the form: sent twice, it makes one job.
    pub token: String,
    /// Project.
    pub project: String,
    /// Kind of work.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Program, a word a line.
    pub command: String,
    /// Arguments, a word a line.
    pub arguments: String,
    /// `NAME=value`, one a line.
    pub environment: String,
    /// GPUs of each pod.
    pub gpus_per_pod: String,
    /// Pods at the same time.
    pub pods: String,
    /// Tasks of a sweep.
    pub tasks: String,
    /// Class of GPUs.
    pub class: String,
    /// Longest run.
    pub run_limit: String,
    /// Time between saves.
    pub checkpoint: String,
    /// Port of a service.
    pub port: String,
    /// `check` or `submit`: which button was pressed.
    pub action: String,
}

impl JobForm {
    /// The request, and what could not be read of it. What a kind of work has no use for is left out, so that changing the
    /// kind does not mean clearing fields.
    #[must_use]
    pub fn read(&self) -> (JobRequest, Vec<Fault>) {
        let mut faults = Vec::new();
        let kind = JobKind::of_name(self.kind.trim()).unwrap_or_else(|| {
            faults.push(Fault::new(Field::Kind, "kind"));
            JobKind::default()
        });
        let is_service = kind == JobKind::Inference;
        let pods = if self.pods.trim().is_empty() { "1" } else { &self.pods };
        let request = JobRequest {
            name: self.name.trim().to_owned(),
            kind,
            image: self.image.trim().to_owned(),
            command: lines(&self.command),
            arguments: lines(&self.arguments),
            environment: environment(&self.environment, &mut faults),
            gpus_per_pod: number(Field::GpusPerPod, &self.gpus_per_pod, &mut faults).unwrap_or(1),
            pods: number(Field::Pods, pods, &mut faults).unwrap_or(if kind == JobKind::Distributed {
                2
            } else {
                1
            }),
            tasks: if kind == JobKind::Sweep {
                optional(Field::Tasks, &self.tasks, &mut faults)
            } else {
                None
            },
            class: Some(self.class.trim().to_owned()).filter(|class| !class.is_empty()),
            run_limit_seconds: if is_service {
                None
            } else {
                length(Field::RunLimit, &self.run_limit, &mut faults)
            },
            checkpoint_seconds: if is_service {
                None
            } else {
                length(Field::Checkpoint, &self.checkpoint, &mut faults)
            },
            port: if is_service { optional(Field::Port, &self.port, &mut faults) } else { None },
        };
        (request, faults)
    }

    /// The form that comes to this request: to submit something again, or a template.
    #[must_use]
    pub fn of(request: &JobRequest) -> Self {
        // No `..`: a new field must not be lost on the way.
        let JobRequest {
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
        } = request;
        let number = |value: &Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        let time = |value: &Option<i64>| value.map(duration::show).unwrap_or_default();
        let variables: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            kind: kind.name().to_owned(),
            name: name.clone(),
            image: image.clone(),
            command: command.join("\n"),
            arguments: arguments.join("\n"),
            environment: variables.join("\n"),
            gpus_per_pod: gpus_per_pod.to_string(),
            pods: pods.to_string(),
            tasks: number(tasks),
            class: class.clone().unwrap_or_default(),
            run_limit: time(run_limit_seconds),
            checkpoint: time(checkpoint_seconds),
            port: number(port),
            ..Self::default()
        }
    }

    /// What was typed into a field.
    #[must_use]
    pub fn typed(&self, field: Field) -> &str {
        match field {
            Field::Project => &self.project,
            Field::Kind => &self.kind,
            Field::Name => &self.name,
            Field::Image => &self.image,
            Field::Command => &self.command,
            Field::Arguments => &self.arguments,
            Field::Environment => &self.environment,
            Field::GpusPerPod => &self.gpus_per_pod,
            Field::Pods => &self.pods,
            Field::Tasks => &self.tasks,
            Field::Class => &self.class,
            Field::RunLimit => &self.run_limit,
            Field::Checkpoint => &self.checkpoint,
            Field::Port => &self.port,
        }
    }
}

/// One word a line; a browser sends CR LF. Empty lines are nothing that anybody means.
fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

fn environment(text: &str, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let Some((name, value)) = line.split_once('=') else {
            faults.push(Fault::new(Field::Environment, "variable-line").with("line", at + 1));
            continue;
        };
        if variables.insert(name.trim().to_owned(), value.to_owned()).is_some() {
            faults.push(Fault::new(Field::Environment, "variable-twice").with("line", at + 1));
        }
    }
    variables
}

fn number(field: Field, text: &str, faults: &mut Vec<Fault>) -> Option<i64> {
    if text.trim().is_empty() {
        faults.push(Fault::new(field, "missing"));
        return None;
    }
    optional(field, text, faults)
}

fn optional(field: Field, text: &str, faults: &mut Vec<Fault>) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let read = text.parse().ok();
    if read.is_none() {
        faults.push(Fault::new(field, "number"));
    }
    read
}

fn length(field: Field, text: &str, faults: &mut Vec<Fault>) -> Option<i64> {
    if text.trim().is_empty() {
        return None;
    }
    let read = duration::parse(text);
    if read.is_none() {
        faults.push(Fault::new(field, "duration"));
    }
    read
}
