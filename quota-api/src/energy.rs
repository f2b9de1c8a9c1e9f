//! Energy: reads the node agents' metrics, when this server was told where they are.
//!
//! Counters of the agents only grow; what is kept is what they grew by between two readings. What an agent counted while
//! nobody read it belongs to the first reading after it; a counter that shrank began anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_api::Project;
use futures::StreamExt;
use jiff::Timestamp;
use openidconnect::reqwest::Client;
use openidconnect::url::Url;
use prometheus_parse::{Scrape, Value};
use serde::Serialize;
use utoipa::ToSchema;

/// An agent that does not answer by then is left out of this reading.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Agents asked at once.
const AT_ONCE: usize = 16;
/// Longest text of one agent that is read: 64 GPUs with some hundred claims are about 200 KB.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Where agents are, and what they said last.
pub struct Energy {
    agents: Vec<Url>,
    /// Whoever started this server says that the GPUs are made up; agents cannot tell.
    simulated: bool,
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counters by agent and series at the reading before.
    before: HashMap<(usize, Series), f64>,
    /// Agents that were read before; only for these a new series grew from nothing.
    known: Vec<bool>,
    now: Option<PowerNow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Series {
    Booked(String),
    Unallocated(String),
    Claim(ClaimSeries),
}

/// All labels of an agent's series of a claim: without one of them two series would be taken for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClaimSeries {
    namespace: String,
    claim: String,
    job: JobGpu,
    method: String,
    basis: String,
}

/// A job on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobGpu {
    /// UID of the Job.
    pub workload_uid: String,
    /// GPU.
    pub gpu_uuid: String,
}

/// Energy of a job, by how it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// While it alone held whole GPUs.
    pub measured_millijoules: i64,
    /// By the agents' rule for shared GPUs.
    pub estimated_millijoules: i64,
}

/// What was spent between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// By all GPUs that agents watch.
    pub all_millijoules: i64,
    /// Part of it while nobody held a GPU.
    pub idle_millijoules: i64,
    /// Part of it that claims of a member were charged.
    pub members: BTreeMap<String, i64>,
    /// What jobs were charged from their beginning on.
    pub jobs: BTreeMap<JobGpu, Charge>,
}

/// Power as last read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PowerNow {
    /// When.
    pub as_of: Timestamp,
    /// Agents that answered.
    pub agents_read: i64,
    /// Agents that this server knows.
    pub agents_known: i64,
    /// GPUs that they watch.
    pub gpus: i64,
    /// Power of these GPUs together.
    pub watts: f64,
    /// True when these GPUs are simulated and their joules made up.
    pub simulated: bool,
}

impl Energy {
    /// Of these agents; of none, nothing is ever measured.
    #[must_use]
    pub fn new(agents: Vec<Url>, simulated: bool) -> Self {
        let client = Client::builder().timeout(READ_TIMEOUT).build().unwrap_or_default();
        let state = Mutex::new(State { known: vec![false; agents.len()], ..State::default() });
        Self { agents, simulated, client, state }
    }

    /// Whether anything is measured.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Power as last read.
    #[must_use]
    pub fn now(&self) -> Option<PowerNow> {
        let now = self.state.lock().unwrap_or_else(PoisonError::into_inner).now.clone();
        now.map(|now| PowerNow { simulated: self.simulated, ..now })
    }

    /// Whether the GPUs are made up.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }

    /// Reads all agents; what was spent since they were read before.
    pub async fn read(&self, projects: &[Arc<Project>], now: Timestamp) -> Option<Spent> {
        if self.agents.is_empty() {
            return None;
        }
        let texts: Vec<(usize, Option<String>)> = futures::stream::iter(self.agents.iter().enumerate())
            .map(|(place, agent)| async move { (place, self.ask(agent).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let members =
            |project: &Arc<Project>| Some((project.metadata.name.clone()?, project.spec.member.clone()));
        let members: HashMap<String, String> = projects.iter().filter_map(members).collect();
        Some(state.take(texts, &members, now))
    }

    async fn ask(&self, agent: &Url) -> Option<String> {
        let answer = self.client.get(agent.clone()).send().await.and_then(|answer| answer.error_for_status());
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(agent = %agent.host_str().unwrap_or_default(), error = %error.without_url(), "an agent's energy cannot be read");
                return None;
            }
        };
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            if text.len() + chunk.len() > TEXT_BYTES_MAX {
                return None;
            }
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).ok()
    }
}

impl State {
    fn take(
        &mut self,
        texts: Vec<(usize, Option<String>)>,
        members: &HashMap<String, String>,
        now: Timestamp,
    ) -> Spent {
        let mut spent = Spent::default();
        let mut power = PowerNow {
            as_of: now,
            agents_read: 0,
            agents_known: i64::try_from(texts.len()).unwrap_or(i64::MAX),
            gpus: 0,
            watts: 0.0,
            simulated: false,
        };
        for (agent, text) in texts {
            let lines = |text: String| Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).ok();
            let Some(scrape) = text.and_then(lines) else { continue };
            power.agents_read += 1;
            let readings: HashMap<Series, f64> =
                scrape.samples.iter().filter_map(|s| read(s, &mut power)).collect();
            let known = self.known.get(agent).copied().unwrap_or(false);
            for (series, value) in &readings {
                let before = self.before.get(&(agent, series.clone())).copied();
                let grown = match before {
                    Some(before) if *value >= before => value - before,
                    // It began anew, or is new at an agent that was read before.
                    Some(_) => *value,
                    None if known => *value,
                    None => 0.0,
                };
                spent.add(series, grown, members);
                if let Series::Claim(series) = series {
                    spent.charge(series, *value);
                }
            }
            self.before.retain(|(of, _), _| *of != agent);
            self.before.extend(readings.into_iter().map(|(series, value)| ((agent, series), value)));
            if let Some(known) = self.known.get_mut(agent) {
                *known = true;
            }
        }
        self.now = Some(power);
        spent
    }
}

impl Spent {
    fn add(&mut self, series: &Series, joules: f64, members: &HashMap<String, String>) {
        let millijoules = millijoules(joules);
        match series {
            Series::Booked(_) => self.all_millijoules += millijoules,
            Series::Unallocated(_) => self.idle_millijoules += millijoules,
            Series::Claim(ClaimSeries { namespace, .. }) => {
                if let Some(member) = members.get(namespace).filter(|_| millijoules != 0) {
                    *self.members.entry(member.clone()).or_default() += millijoules;
                }
            }
        }
    }

    fn charge(&mut self, series: &ClaimSeries, joules: f64) {
        if series.job.workload_uid.is_empty() {
            return;
        }
        let charge = self.jobs.entry(series.job.clone()).or_default();
        match series.method.as_str() {
            "measured" => charge.measured_millijoules += millijoules(joules),
            _ => charge.estimated_millijoules += millijoules(joules),
        }
    }
}

/// Far below the range of the type: a pool of 100 MW spends 6 TJ in a minute.
#[allow(clippy::cast_possible_truncation, reason = "saturates, and a reading is finite")]
fn millijoules(joules: f64) -> i64 {
    if joules.is_finite() { (joules * 1_000.0).round() as i64 } else { 0 }
}

fn read(sample: &prometheus_parse::Sample, power: &mut PowerNow) -> Option<(Series, f64)> {
    let (Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) = sample.value else {
        return None;
    };
    let label = |name: &str| sample.labels.get(name).unwrap_or_default().to_owned();
    match sample.metric.as_str() {
        "concord_gpu_power_watts" if value.is_finite() => {
            power.gpus += 1;
            power.watts += value;
            None
        }
        "concord_gpu_booked_joules_total" => Some((Series::Booked(label("gpu_uuid")), value)),
        "concord_gpu_unallocated_joules_total" => Some((Series::Unallocated(label("gpu_uuid")), value)),
        "concord_gpu_claim_allocated_joules_total" => {
            let job = JobGpu { workload_uid: label("workload_uid"), gpu_uuid: label("gpu_uuid") };
            let series = ClaimSeries {
                namespace: label("namespace"),
                claim: label("claim"),
                job,
                method: label("method"),
                basis: label("basis"),
            };
            Some((Series::Claim(series), value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(booked: u32, unallocated: u32, claim: u32) -> Option<String> {
        Some(format!(
            "# TYPE concord_gpu_power_watts gauge\nconcord_gpu_power_watts{{gpu_uuid=\"GPU-1\"}} 300\n\
             # TYPE concord_gpu_booked_joules_total counter\nconcord_gpu_booked_joules_total{{gpu_uuid=\"GPU-1\"}} {booked}\n\
             # TYPE concord_gpu_unallocated_joules_total counter\nconcord_gpu_unallocated_joules_total{{gpu_uuid=\"GPU-1\"}} {unallocated}\n\
             # TYPE concord_gpu_claim_allocated_joules_total counter\nconcord_gpu_claim_allocated_joules_total{{namespace=\"lab\",claim=\"a\"}} {claim}\n"
        ))
    }

    fn take(state: &mut State, text: Option<String>) -> Spent {
        let members = HashMap::from([("lab".to_owned(), "north".to_owned())]);
        state.take(vec![(0, text)], &members, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_growth_between_two_readings_counts() {
        let mut state = State { known: vec![false], ..State::default() };
        assert_eq!(
            take(&mut state, text(1_000, 400, 600)),
            Spent::default(),
            "nobody knows when that was spent"
        );
        let second = take(&mut state, text(1_100, 420, 680));
        assert_eq!((second.all_millijoules, second.idle_millijoules), (100_000, 20_000));
        assert_eq!(second.members, [("north".to_owned(), 80_000)].into());
        assert_eq!(take(&mut state, None), Spent::default(), "an agent that is silent spends nothing yet");
        assert_eq!(
            take(&mut state, text(1_150, 420, 730)).all_millijoules,
            50_000,
            "what it counted meanwhile comes later"
        );
        assert_eq!(take(&mut state, text(30, 0, 30)).all_millijoules, 30_000, "it began anew");
        let now = state.now.as_ref().unwrap();
        assert_eq!((now.agents_read, now.gpus, now.watts, now.simulated), (1, 1, 300.0, false));
    }

    #[test]
    fn series_that_differ_in_any_label_are_added_and_a_job_is_charged_from_its_beginning() {
        let line = |method: &str, basis: &str, gpu: &str, joules: u32| {
            format!(
                "concord_gpu_claim_allocated_joules_total{{namespace=\"lab\",claim=\"a\",workload_uid=\"u\",gpu_uuid=\"{gpu}\",method=\"{method}\",basis=\"{basis}\"}} {joules}\n"
            )
        };
        let text = |joules: u32| {
            let head = "# TYPE concord_gpu_claim_allocated_joules_total counter\n".to_owned();
            let lines = [
                line("measured", "exclusive", "GPU-1", 2 * joules),
                line("estimated", "time_share", "GPU-1", joules),
                line("measured", "exclusive", "GPU-2", joules),
            ];
            Some(head + &lines.concat())
        };
        let mut state = State { known: vec![false], ..State::default() };
        let job = |gpu: &str| JobGpu { workload_uid: "u".to_owned(), gpu_uuid: gpu.to_owned() };
        let charge =
            |measured, estimated| Charge { measured_millijoules: measured, estimated_millijoules: estimated };
        let first = take(&mut state, text(100));
        assert_eq!(
            first.jobs,
            [(job("GPU-1"), charge(200_000, 100_000)), (job("GPU-2"), charge(100_000, 0))].into(),
            "also what was charged before this server began"
        );
        assert!(first.members.is_empty());
        let second = take(&mut state, text(110));
        assert_eq!(second.members, [("north".to_owned(), 40_000)].into());
        assert_eq!(second.jobs[&job("GPU-1")], charge(220_000, 110_000));
    }
}
