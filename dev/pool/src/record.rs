//! The public record of the pool, read as a stranger reads it, beside what the API server and the agents say.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use concord_api::GpuClaim;
use concord_audit::{audit::audit, history::History, report::Report, span::Span, texts::Texts};
use concord_ledger::{
    files,
    head::open,
    key::LogVerifier,
    text::text_of,
    tiles::{self, Store},
    verify::{Report as Whole, walk},
};
use kube::{Api, Client, api::ListParams};
use object_store::local::LocalFileSystem;
use serde::Serialize;
use tokio::time::Instant;

use crate::energy::Energy;

/// The last entries are written a few seconds after what they tell.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Sums of the record beside those of others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Entries.
    pub entries: u64,
    /// GPU-milliseconds by member: of the record, and of the claims in the API server.
    pub used_gpu_milliseconds: BTreeMap<String, (u64, u64)>,
    /// Joules of all GPUs with an agent, by the record and by the agents' counters, which were read later.
    pub joules: Option<(f64, f64)>,
    /// What is not as it should be.
    pub findings: Vec<String>,
    /// Floors that were missed.
    pub missed_floors: usize,
}

impl Recorded {
    /// Whether both sums of use are the same to the millisecond, and nothing was found.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.used_gpu_milliseconds.values().all(|(record, api)| record == api)
    }
}

/// Reads the record until it has all use, or for a minute.
///
/// # Errors
/// When it cannot be read.
pub async fn compare(folder: &Path, client: &Client, energy: Option<&Energy>) -> Result<Recorded> {
    let until = Instant::now() + PATIENCE;
    loop {
        let recorded = read(folder, client, energy).await?;
        if recorded.is_sound() || Instant::now() > until {
            return Ok(recorded);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Checks a record in a folder, by the key beside it: whether it is whole, and what it comes to.
///
/// # Errors
/// When it cannot be read.
pub async fn check(folder: &Path) -> Result<(Whole, Report)> {
    let store: Store = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
    let key = tiles::read(&store, &files::key()).await?;
    let verifier = LogVerifier::of_text(&String::from_utf8_lossy(&key)).context("the record's key")?;
    let newest = open(&verifier, &tiles::read(&store, &files::checkpoint()).await?)?;
    let mut history = History::new(Span::default());
    let whole = walk(&store, newest, None, |_, entry| history.take(entry)).await?;
    let mut texts = Texts::default();
    for sha256 in history.texts() {
        match text_of(&store, &sha256).await {
            Ok(text) => texts.take(&sha256, Ok(&text)),
            Err(error) => texts.take(&sha256, Err(error.to_string())),
        }
    }
    Ok((whole, audit(&mut history, &texts)))
}

async fn read(folder: &Path, client: &Client, energy: Option<&Energy>) -> Result<Recorded> {
    let (whole, report) = check(folder).await?;
    let mut used: BTreeMap<String, (u64, u64)> =
        report.parties.iter().map(|(name, party)| (name.clone(), (party.used_gpu_millis, 0))).collect();
    let claims: Api<GpuClaim> = Api::all(client.clone());
    for claim in claims.list(&ListParams::default()).await? {
        let booked = claim.status.map_or(0, |status| status.used_gpu_milliseconds);
        used.entry(claim.spec.member).or_default().1 += u64::try_from(booked).unwrap_or(0);
    }
    let of_record = whole.findings.iter().map(ToString::to_string);
    let of_entries = report.findings.iter().map(|finding| finding.what.clone());
    Ok(Recorded {
        entries: whole.newest.size,
        used_gpu_milliseconds: used,
        joules: energy.map(|energy| (report.energy.all_millijoules as f64 / 1_000.0, energy.booked_joules)),
        findings: of_record.chain(of_entries).collect(),
        missed_floors: report.missed_floors.len(),
    })
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |milliseconds: u64| milliseconds as f64 / 3_600_000.0;
        let (record, api) =
            self.used_gpu_milliseconds.values().fold((0, 0), |(record, api), (r, a)| (record + r, api + a));
        writeln!(f, "Public record: {} entries, {} findings", self.entries, self.findings.len())?;
        for finding in self.findings.iter().take(10) {
            writeln!(f, "  {finding}")?;
        }
        let same = if record == api { "the same to the millisecond" } else { "NOT THE SAME" };
        writeln!(
            f,
            "  GPU-hours in the record {:.3}, of claims in the API server {:.3}: {same}",
            hours(record),
            hours(api)
        )?;
        if let Some((record, agents)) = self.joules {
            writeln!(
                f,
                "  joules of SIMULATED GPUs in the record {record:.0}, of the agents a little later {agents:.0}"
            )?;
        }
        writeln!(f, "  promises not kept: {}", self.missed_floors)
    }
}
