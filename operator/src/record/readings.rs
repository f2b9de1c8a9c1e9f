//! Reads the node agents' counters of energy for the public record.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;
use prometheus_parse::{Scrape, Value};
use tokio::sync::mpsc;

/// An agent that does not answer by then is read the next time.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest text of one agent that is read: 64 GPUs with some hundred claims are about 200 KB.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Where the agent of a node serves its metrics: `node=http://host:port`.
#[derive(Debug, Clone)]
pub struct Agent {
    node: String,
    url: http::Uri,
}

impl std::str::FromStr for Agent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, url) = text.split_once('=').ok_or("it is not of the form node=http://host:port")?;
        let url: http::Uri = url.parse().map_err(|error| format!("{url:?} is no address: {error}"))?;
        if node.is_empty() || url.scheme_str() != Some("http") || url.host().is_none() {
            return Err(format!("{text:?} is not of the form node=http://host:port"));
        }
        Ok(Self { node: node.to_owned(), url })
    }
}

/// Counters of one node's agent since its beginning, in millijoules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Of all GPUs.
    pub all: u64,
    /// Part of it while nobody held a GPU.
    pub idle: u64,
    /// By namespace and UID of the work: measured and estimated.
    pub claims: BTreeMap<(String, String), (u64, u64)>,
}

/// A reading of a node.
pub struct Read {
    /// Node.
    pub node: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub reading: Reading,
}

impl Reading {
    /// From an agent's metrics.
    ///
    /// # Errors
    /// When the text is none of Prometheus.
    pub fn of(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).context("these are no metrics of Prometheus")?;
        let mut reading = Self::default();
        for sample in &scrape.samples {
            let (Value::Counter(joules) | Value::Gauge(joules) | Value::Untyped(joules)) = sample.value
            else {
                continue;
            };
            // Counters of a node stay far below 2^53 millijoules, which are 285 years of ten kilowatts.
            let millijoules = (joules * 1_000.0).round().max(0.0) as u64;
            let label = |name: &str| sample.labels.get(name).unwrap_or_default().to_owned();
            match sample.metric.as_str() {
                "concord_gpu_booked_joules_total" => reading.all += millijoules,
                "concord_gpu_unallocated_joules_total" => reading.idle += millijoules,
                "concord_gpu_claim_allocated_joules_total" => {
                    let key = (label("namespace"), label("workload_uid"));
                    let (measured, estimated) = reading.claims.entry(key).or_default();
                    *(if label("method") == "measured" { measured } else { estimated }) += millijoules;
                }
                _ => {}
            }
        }
        Ok(reading)
    }
}

/// Reads all agents every so often, until nobody wants it any more.
pub async fn read(agents: Vec<Agent>, every: Duration, tell: mpsc::UnboundedSender<Read>) {
    if agents.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = agents.iter().map(|agent| async move { (agent, ask(agent).await) });
        for (agent, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(reading) => {
                    let read = Read { node: agent.node.clone(), at: Timestamp::now(), reading };
                    if tell.send(read).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        node = agent.node,
                        error = format!("{error:#}"),
                        "the agent's energy is not read"
                    );
                }
            }
        }
    }
}

async fn ask(agent: &Agent) -> anyhow::Result<Reading> {
    let client = kube::Client::try_from(kube::Config::new(agent.url.clone()))?;
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = tokio::time::timeout(READ_TIMEOUT, client.request_text(request))
        .await
        .context("no answer in time")??;
    if text.len() > TEXT_BYTES_MAX {
        anyhow::bail!("{} bytes are more than an agent ever says", text.len());
    }
    Reading::of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_over_the_gpus_of_a_node() {
        let text = "# TYPE concord_gpu_booked_joules_total counter\n\
            concord_gpu_booked_joules_total{gpu_uuid=\"GPU-1\"} 100.5\n\
            concord_gpu_booked_joules_total{gpu_uuid=\"GPU-2\"} 10\n\
            # TYPE concord_gpu_unallocated_joules_total counter\n\
            concord_gpu_unallocated_joules_total{gpu_uuid=\"GPU-1\"} 40.25\n\
            # TYPE concord_gpu_claim_allocated_joules_total counter\n\
            concord_gpu_claim_allocated_joules_total{namespace=\"lab\",workload_uid=\"u\",gpu_uuid=\"GPU-1\",method=\"measured\"} 60.25\n\
            concord_gpu_claim_allocated_joules_total{namespace=\"lab\",workload_uid=\"u\",gpu_uuid=\"GPU-2\",method=\"estimated\"} 10\n";
        let reading = Reading::of(text).unwrap();
        assert_eq!((reading.all, reading.idle), (110_500, 40_250));
        assert_eq!(reading.claims, [(("lab".to_owned(), "u".to_owned()), (60_250, 10_000))].into());
        assert!("node".parse::<Agent>().is_err() && "n=https://a".parse::<Agent>().is_err());
        assert_eq!("n1=http://10.0.0.1:9400".parse::<Agent>().unwrap().node, "n1");
    }
}
