//! What is wrong with a request, field by field: the same for the form and for programs.

use fluent_templates::fluent_bundle::FluentValue;

use crate::language::Words;

/// A field of the form and of the JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Project.
    Project,
    /// Kind of work.
    Kind,
    /// Name.
    Name,
    /// Container image.
    Image,
    /// Program that replaces the image's own.
    Command,
    /// Arguments of the program.
    Arguments,
    /// Environment.
    Environment,
    /// GPUs of each pod.
    GpusPerPod,
    /// Pods at the same time.
    Pods,
    /// Tasks of a sweep.
    Tasks,
    /// Class of GPUs.
    Class,
    /// Longest run.
    RunLimit,
    /// Time between saves.
    Checkpoint,
    /// Port of a service.
    Port,
}

impl Field {
    /// All, in the order of the form.
    pub const ALL: [Self; 14] = [
        Self::Project,
        Self::Kind,
        Self::Name,
        Self::Image,
        Self::Command,
        Self::Arguments,
        Self::Environment,
        Self::GpusPerPod,
        Self::Pods,
        Self::Tasks,
        Self::Class,
        Self::RunLimit,
        Self::Checkpoint,
        Self::Port,
    ];

    /// Name in the form, and in the keys of texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Kind => "kind",
            Self::Name => "name",
            Self::Image => "image",
            Self::Command => "command",
            Self::Arguments => "arguments",
            Self::Environment => "environment",
            Self::GpusPerPod => "gpus-per-pod",
            Self::Pods => "pods",
            Self::Tasks => "tasks",
            Self::Class => "class",
            Self::RunLimit => "run-limit",
            Self::Checkpoint => "checkpoint",
            Self::Port => "port",
        }
    }

    /// JSON pointer into the document that a program sends (RFC 6901).
    #[must_use]
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::Project => "",
            Self::Kind => "/kind",
            Self::Name => "/name",
            Self::Image => "/image",
            Self::Command => "/command",
            Self::Arguments => "/arguments",
            Self::Environment => "/environment",
            Self::GpusPerPod => "/gpusPerPod",
            Self::Pods => "/pods",
            Self::Tasks => "/tasks",
            Self::Class => "/class",
            Self::RunLimit => "/runLimitSeconds",
            Self::Checkpoint => "/checkpointSeconds",
            Self::Port => "/port",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub field: Field,
    /// What: the end of a text's key, `job-fault-…`.
    pub code: &'static str,
    /// Variables of the text.
    pub variables: Vec<(&'static str, String)>,
}

impl Fault {
    /// Without variables.
    #[must_use]
    pub const fn new(field: Field, code: &'static str) -> Self {
        Self { field, code, variables: Vec::new() }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(&self, words: Words) -> String {
        let variables: Vec<(&'static str, FluentValue<'static>)> =
            self.variables.iter().map(|(name, value)| (*name, FluentValue::from(value.clone()))).collect();
        words.with(&format!("job-fault-{}", self.code), &variables)
    }
}
