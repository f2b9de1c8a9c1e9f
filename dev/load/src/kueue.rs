//! Kueue's own runner and the small Kueue that it drives, on a control plane of ours.
//!
//! The runner believes that it has started `minimalkueue` on a cluster of its own (`envtest` with `USE_EXISTING_CLUSTER`);
//! a script in between gives that program the kubeconfig of the identity whose writes are counted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use concord_pool::{ControlPlane, GoModule, Identity, Launch, Progress, replay::statistics::Summary};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::{
    calls::{self, Counters},
    generator::Load,
    meter::Reading,
    plane,
    report::Outcome,
    usage::Usage,
};

const MODULE: &str = "sigs.k8s.io/kueue";
const MINIMAL_KUEUE: &str = "sigs.k8s.io/kueue/test/performance/scheduler/minimalkueue";
const RUNNER: &str = "sigs.k8s.io/kueue/test/performance/scheduler/runner";
/// As in Kueue's Makefile (`hack/make/test.mk`).
const RUNNER_QPS: u32 = 1_000;
const RUNNER_BURST: u32 = 2_000;
/// Client limits that `minimalkueue` has in its source.
const BUILT_IN_QPS: u32 = 50;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// The built programs and their sources.
#[derive(Debug, Clone)]
pub struct Kueue {
    bin: PathBuf,
    sources: PathBuf,
    qps: u32,
}

impl Kueue {
    /// Builds them if that was not done before. `qps` other than 50 changes that number in the source of `minimalkueue` on
    /// its way to the compiler, and nothing else.
    ///
    /// # Errors
    /// When Go is missing or does not build them.
    pub fn ensure(qps: Option<u32>, scratch: &Path, progress: &Progress) -> Result<Self> {
        let sources = module(&[]).sources_of(MODULE)?;
        let qps = qps.unwrap_or(BUILT_IN_QPS);
        let changed = (qps != BUILT_IN_QPS).then(|| with_limit(&sources, scratch, qps)).transpose()?;
        let package = changed.as_deref().unwrap_or(MINIMAL_KUEUE);
        let programs = [("minimalkueue", package), ("runner", RUNNER)];
        Ok(Self { bin: module(&programs).ensure(progress)?, sources, qps })
    }

    /// A generator file of Kueue's own; its sources are fetched if they are not there.
    ///
    /// # Errors
    /// When Go is missing or cannot get them.
    pub fn generator_file(name: &str) -> Result<PathBuf> {
        let configs = module(&[]).sources_of(MODULE)?.join("test/performance/scheduler/configs");
        Ok(configs.join(name).join("generator.yaml"))
    }

    /// Runs a generator file to its end on an empty control plane.
    ///
    /// # Errors
    /// When the runner fails, or does not end within the limit.
    pub async fn run(
        &self,
        plane: &mut ControlPlane,
        file: &Path,
        load: &Load,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Outcome> {
        let admin = plane.client(Identity::ADMIN).await?;
        plane::grant_everything(&admin, plane::KUEUE).await?;
        calls::count_writes_of(&admin, plane::KUEUE).await?;
        let output = plane.data_dir().join("kueue");
        fs::create_dir_all(&output)?;
        let before = Reading::take(plane, &admin).await?;
        let launch = self.launch(plane, file, &output, limit)?;
        plane.spawn(&launch)?;
        self.until_it_ends(plane, &output, limit, progress).await?;
        let spent = Reading::take(plane, &admin).await?.since(&before);
        let times = Times::of(&admin).await?;
        let (admission_milliseconds, evictions) = states(&output.join("wlStates.csv"))?;
        let mut outcome = Outcome {
            scheduler: format!("Kueue v0.19.2, {} requests/s", self.qps),
            workloads: load.workloads(),
            finished: times.finished,
            wall_seconds: times.seconds,
            usage: stats(&output)?,
            api_server: spent.api_server,
            etcd: spent.etcd,
            writes: spent.counters.writes,
            requests: spent.counters.requests,
            admission_milliseconds,
            admissions: load.workloads() as u64 + evictions,
            evictions,
            faults: Vec::new(),
        };
        if outcome.finished != outcome.workloads {
            outcome.faults.push(format!("{} workloads never finished", outcome.workloads - outcome.finished));
        }
        Ok(outcome)
    }

    fn launch(&self, plane: &ControlPlane, file: &Path, output: &Path, limit: Duration) -> Result<Launch> {
        let program = self.bin.join("minimalkueue");
        let script = output.join("minimalkueue");
        let kubeconfig = plane.kubeconfig(plane::KUEUE);
        // The last `--kubeconfig` counts.
        let text = format!(
            "#!/bin/sh\necho $$ > {}/pid\nexec {} \"$@\" --kubeconfig {}\n",
            output.display(),
            program.display(),
            kubeconfig.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(Launch::new("runner", self.bin.join("runner"))
            .flag("o", output.display())
            .flag("crds", self.sources.join("config/components/crd/bases").display())
            .flag("generatorConfig", file.display())
            .flag("minimalKueue", script.display())
            .flag("qps", RUNNER_QPS)
            .flag("burst", RUNNER_BURST)
            .flag("timeout", format!("{}s", limit.as_secs()))
            // Otherwise it writes a line for every step of every queue.
            .flag("zap-log-level", "error")
            .env("USE_EXISTING_CLUSTER", "true")
            .env("KUBECONFIG", plane.kubeconfig(Identity::ADMIN).display().to_string()))
    }

    async fn until_it_ends(
        &self,
        plane: &mut ControlPlane,
        output: &Path,
        limit: Duration,
        progress: &Progress,
    ) -> Result<()> {
        let admin = plane.client(Identity::ADMIN).await?;
        let (started, mut told) = (Instant::now(), Instant::now());
        while plane.processes().ensure_alive("runner").is_ok() {
            ensure!(started.elapsed() < limit + PROGRESS_EVERY * 6, "Kueue's runner does not end");
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                let pid = fs::read_to_string(output.join("pid")).unwrap_or_default();
                let usage = pid.trim().parse().ok().and_then(|pid| Usage::of(pid).ok()).unwrap_or_default();
                let made = Counters::look(&admin).await?.requests.get("POST workloads").copied().unwrap_or(0);
                progress.line(format!(
                    "Kueue: {:>4} s, {made} workloads made; minimalkueue {:.0} s of CPU, {:.0} MiB",
                    started.elapsed().as_secs(),
                    usage.cpu_seconds(),
                    usage.peak_rss_mebibytes
                ));
            }
            tokio::time::sleep(POLL).await;
        }
        if !output.join("summary.yaml").is_file() {
            bail!("Kueue's runner failed:\n{}", plane.processes().last_log_lines("runner", 20));
        }
        plane.processes().stop("runner")
    }
}

fn module<'a>(programs: &'a [(&'a str, &'a str)]) -> GoModule<'a> {
    GoModule {
        directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("../kueue"),
        cache: "kueue",
        title: "Kueue's load test",
        programs,
        linker_flags: "-s -w",
    }
}

/// The source of `minimalkueue` with other client limits; the path of the file.
fn with_limit(sources: &Path, scratch: &Path, qps: u32) -> Result<String> {
    let original = sources.join("test/performance/scheduler/minimalkueue/main.go");
    let text = fs::read_to_string(&original)?;
    let burst = qps * 5 / 3;
    let changed = text
        .replace("kubeConfig.QPS = 50", &format!("kubeConfig.QPS = {qps}"))
        .replace("kubeConfig.Burst = 100", &format!("kubeConfig.Burst = {burst}"));
    ensure!(changed != text, "{} does not state its limits any more", original.display());
    fs::create_dir_all(scratch)?;
    let file = scratch.canonicalize()?.join(format!("minimalkueue-{qps}.go"));
    fs::write(&file, changed)?;
    Ok(file.display().to_string())
}

/// What the runner says that `minimalkueue` used, from `getrusage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandStats {
    user_ms: f64,
    sys_ms: f64,
    /// KiB.
    maxrss: f64,
}

fn stats(output: &Path) -> Result<Usage> {
    let path = output.join("minimalkueue.stats.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let stats: CommandStats = serde_yaml::from_str(&text)?;
    Ok(Usage {
        user_seconds: stats.user_ms / 1_000.0,
        system_seconds: stats.sys_ms / 1_000.0,
        peak_rss_mebibytes: stats.maxrss / 1_024.0,
    })
}

/// Times to admission by class, and evictions, from the runner's table of workloads.
fn states(path: &Path) -> Result<(BTreeMap<String, Summary>, u64)> {
    let mut reader = csv::Reader::from_path(path)?;
    let (mut times, mut evictions): (BTreeMap<String, Vec<f64>>, u64) = (BTreeMap::new(), 0);
    for record in reader.deserialize() {
        let row: BTreeMap<String, String> = record?;
        let number = |name: &str| row.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let class = row.get("class name").cloned().unwrap_or_default();
        times.entry(class).or_default().push(number("ms to admitted"));
        evictions += number("num evictions") as u64;
    }
    Ok((times.into_iter().map(|(class, times)| (class, Summary::of(times))).collect(), evictions))
}

/// When work began and ended, from the objects; known to the second.
struct Times {
    finished: usize,
    seconds: f64,
}

impl Times {
    async fn of(admin: &Client) -> Result<Self> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", "Workload"));
        let api: Api<DynamicObject> = Api::all_with(admin.clone(), &kind);
        let (mut first, mut last, mut finished): (Option<Timestamp>, Option<Timestamp>, usize) =
            (None, None, 0);
        let mut page = ListParams::default().limit(2_000);
        loop {
            let list = api.list(&page).await?;
            for workload in &list.items {
                let made = workload.metadata.creation_timestamp.as_ref().map(|time| time.0);
                first = first.into_iter().chain(made).min();
                let conditions = workload.data.pointer("/status/conditions").and_then(|c| c.as_array());
                let end = conditions
                    .into_iter()
                    .flatten()
                    .find(|condition| condition["type"] == "Finished" && condition["status"] == "True");
                let at = end.and_then(|end| end["lastTransitionTime"].as_str()?.parse().ok());
                finished += usize::from(end.is_some());
                last = last.into_iter().chain(at).max();
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
        let seconds = match (first, last) {
            (Some(first), Some(last)) => last.duration_since(first).as_secs_f64(),
            _ => 0.0,
        };
        Ok(Self { finished, seconds })
    }
}
