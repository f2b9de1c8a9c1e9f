//! Starting points for the form: requests that run as they are, to be changed. Names and images are those of public
//! projects; a site's own registry usually has copies.

use super::ask::{JobKind, JobRequest};

/// One starting point. Its title is the text `job-template-<name>`.
#[derive(Debug)]
pub struct Template {
    /// Name in the address.
    pub name: &'static str,
    make: fn() -> JobRequest,
}

/// All, in the order of the page.
pub const TEMPLATES: [Template; 5] = [
    Template { name: "pytorch", make: pytorch },
    Template { name: "distributed", make: distributed },
    Template { name: "sweep", make: sweep },
    Template { name: "batch-inference", make: batch_inference },
    Template { name: "vllm", make: vllm },
];

const PYTORCH: &str = "docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime";
const VLLM: &str = "docker.io/vllm/vllm-openai:v0.11.0";

impl Template {
    /// The template of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// Key of its title.
    #[must_use]
    pub fn title(&self) -> String {
        format!("job-template-{}", self.name)
    }

    /// Its request.
    #[must_use]
    pub fn request(&self) -> JobRequest {
        (self.make)()
    }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

fn pytorch() -> JobRequest {
    JobRequest {
        name: "train".to_owned(),
        kind: JobKind::Training,
        image: PYTORCH.to_owned(),
        command: words(&["python", "train.py"]),
        arguments: words(&["--epochs=10"]),
        gpus_per_pod: 1,
        pods: 1,
        run_limit_seconds: Some(12 * 3_600),
        checkpoint_seconds: Some(600),
        ..JobRequest::default()
    }
}

fn distributed() -> JobRequest {
    JobRequest {
        name: "train-large".to_owned(),
        kind: JobKind::Distributed,
        command: words(&["torchrun"]),
        // Kubernetes puts the variables' values in before the program starts.
        arguments: words(&[
            "--nnodes=$(WORLD_SIZE)",
            "--nproc-per-node=8",
            "--rdzv-backend=c10d",
            "--rdzv-endpoint=$(MASTER_ADDR):$(MASTER_PORT)",
            "train.py",
        ]),
        gpus_per_pod: 8,
        pods: 2,
        run_limit_seconds: Some(24 * 3_600),
        checkpoint_seconds: Some(1_800),
        ..pytorch()
    }
}

fn sweep() -> JobRequest {
    JobRequest {
        name: "sweep".to_owned(),
        kind: JobKind::Sweep,
        command: words(&["python", "sweep.py"]),
        arguments: words(&["--trial=$(JOB_COMPLETION_INDEX)"]),
        pods: 4,
        tasks: Some(32),
        run_limit_seconds: Some(24 * 3_600),
        checkpoint_seconds: None,
        ..pytorch()
    }
}

fn batch_inference() -> JobRequest {
    JobRequest {
        name: "infer".to_owned(),
        command: words(&["python", "infer.py"]),
        arguments: words(&["--input=/data/in", "--output=/data/out"]),
        run_limit_seconds: Some(4 * 3_600),
        checkpoint_seconds: Some(300),
        ..pytorch()
    }
}

fn vllm() -> JobRequest {
    JobRequest {
        name: "serve".to_owned(),
        kind: JobKind::Inference,
        image: VLLM.to_owned(),
        command: Vec::new(),
        arguments: words(&["--model=HuggingFaceTB/SmolLM2-1.7B-Instruct", "--port=8000"]),
        gpus_per_pod: 1,
        pods: 1,
        port: Some(8_000),
        run_limit_seconds: None,
        checkpoint_seconds: None,
        ..pytorch()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::validate;
    use super::super::form::JobForm;
    use super::*;

    #[test]
    fn every_template_can_be_submitted_as_it_is_and_by_the_form() {
        for template in &TEMPLATES {
            let request = template.request();
            validate(&request, &[]).unwrap_or_else(|faults| panic!("{}: {faults:?}", template.name));
            assert_eq!(JobForm::of(&request).read(), (request, Vec::new()), "{}", template.name);
        }
        assert!(Template::of_name("none").is_none());
    }
}
