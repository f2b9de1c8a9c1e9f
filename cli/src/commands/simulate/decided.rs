//! What people decide beside the treaty, as the command line states it: how members share inside themselves, tiers of
//! projects in reserves, and decisions to open a reserve.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::clauses::Opening;
use concord_treaty::quota::{Award, MemberQuota, QuotaInForce};
use concord_treaty::snapshot::Opened;
use concord_treaty::source;
use concord_treaty::treaty::{Entitlements, Treaty};
use concord_treaty::units::{DurationMillis, GpuHours, MemberId, TimestampMillis};

use crate::commands::files;
use crate::commands::render::{Colour, Drawing};

/// What `--quota` is.
pub const QUOTA: &str =
    "How a member shares inside itself: a file or folder of kind MemberQuota; may be repeated";
/// What `--awards` is.
pub const AWARDS: &str = "Tiers of projects in reserves: CSV file with the columns reserve, project, tier and, if wanted, used_gpu_hours";

/// Seconds of a trace.
const SECONDS_MAX: i64 = 31_557_600_000;

/// What was decided.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// Files of kind `MemberQuota`.
    pub quotas: Vec<PathBuf>,
    /// A CSV file of tiers.
    pub awards: Option<PathBuf>,
    /// Openings of reserves.
    pub openings: Vec<OpeningArgument>,
}

/// A decision to open a reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningArgument {
    reserve: String,
    by: String,
    at: When,
}

/// When something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At that second of the trace.
    Second(i64),
    /// At that time.
    Time(TimestampMillis),
}

/// Reads `RESERVE=MEMBER@SECOND`, or with a time such as `2027-01-31T12:00:00Z` instead of the second.
///
/// # Errors
/// What is wrong with it.
pub fn parse_opening(text: &str) -> Result<OpeningArgument, String> {
    let parts = text.split_once('=').and_then(|(reserve, rest)| Some((reserve, rest.split_once('@')?)));
    match parts {
        Some((reserve, (by, at))) if !reserve.is_empty() && !by.is_empty() => {
            let at = when(at).ok_or_else(|| {
                format!("{at:?} is neither a second of the trace nor a time such as 2027-01-31T12:00:00Z")
            })?;
            Ok(OpeningArgument { reserve: reserve.to_owned(), by: by.to_owned(), at })
        }
        _ => Err(format!("{text:?} is not RESERVE=MEMBER@SECOND")),
    }
}

fn when(text: &str) -> Option<When> {
    let second = text.parse().ok().filter(|second| (0..=SECONDS_MAX).contains(second)).map(When::Second);
    let time =
        || text.parse::<jiff::Timestamp>().ok().map(|at| When::Time(TimestampMillis(at.as_millisecond())));
    second.or_else(time)
}

impl Decided {
    /// Quotas in force from the beginning; `entitlements` are what shares come to then.
    ///
    /// # Errors
    /// A file that cannot be read or holds none, faults of a quota or under the treaty, or two of one member.
    pub fn quotas(&self, treaty: &Treaty, entitlements: Option<&Entitlements>) -> Result<Vec<QuotaInForce>> {
        let mut found: BTreeMap<MemberId, (QuotaInForce, String)> = BTreeMap::new();
        for path in files::expand(&self.quotas)? {
            for (quota, file) in read_quotas(&path, treaty, entitlements)? {
                let member = treaty.member_id(&quota.member);
                let member = member.with_context(|| format!("{file}: no member {}", quota.member))?;
                let since = TimestampMillis(i64::MIN);
                let name = quota.member.clone();
                let in_force = QuotaInForce { member, quota: Some(Arc::new(quota)), since };
                if let Some((_, other)) = found.insert(member, (in_force, file.clone())) {
                    bail!("{file}: {name} has a quota already, in {other}; keep one of the two");
                }
            }
        }
        Ok(found.into_values().map(|(quota, _)| quota).collect())
    }

    /// Tiers of projects, from the beginning.
    ///
    /// # Errors
    /// A file that cannot be read, or a line of it that names no reserve or tier of the treaty.
    pub fn awards(&self, treaty: &Treaty) -> Result<Vec<Award>> {
        let Some(path) = &self.awards else { return Ok(Vec::new()) };
        let shown = path.display();
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .with_context(|| format!("cannot read {shown}"))?;
        let header = reader.headers().with_context(|| format!("{shown}:1: cannot read the header"))?.clone();
        let column = |name: &str| header.iter().position(|found| found == name);
        let (Some(reserve), Some(project), Some(tier)) =
            (column("reserve"), column("project"), column("tier"))
        else {
            bail!("{shown}:1: begin the file with the line reserve,project,tier,used_gpu_hours");
        };
        let used = column("used_gpu_hours");
        let mut awards: Vec<Award> = Vec::new();
        for row in reader.records() {
            let row = row.with_context(|| format!("{shown}: cannot read a line"))?;
            let text = |column: usize| row.get(column).unwrap_or("");
            let stated = (text(reserve), text(project), text(tier), used.map_or("", text));
            let line = row.position().map_or(0, csv::Position::line);
            awards.push(award(treaty, stated).map_err(|fault| anyhow::anyhow!("{shown}:{line}: {fault}"))?);
        }
        Ok(awards)
    }

    /// Decisions to open reserves, by the clock of the treaty; second 0 of a trace happens at `begin`.
    ///
    /// # Errors
    /// One that names no such reserve, or a member that may not decide it, or a second where there is no trace.
    pub fn openings(&self, treaty: &Treaty, begin: Option<TimestampMillis>) -> Result<Vec<Opened>> {
        self.openings.iter().map(|argument| argument.opened(treaty, begin)).collect()
    }
}

impl OpeningArgument {
    fn opened(&self, treaty: &Treaty, begin: Option<TimestampMillis>) -> Result<Opened> {
        let Self { reserve, by, at } = self;
        let names: Vec<&str> = treaty.reserves().iter().map(|r| r.name.as_str()).collect();
        let rule = treaty.reserves().iter().find(|r| r.name == *reserve);
        let rule = rule.with_context(|| {
            format!("--open: {reserve:?} is no reserve of the treaty; its reserves: [{}]", names.join(", "))
        })?;
        let Opening::OnDecision { by: deciding, .. } = &rule.opening else {
            bail!("--open: the reserve {reserve} is always open; leave it out");
        };
        let allowed: Vec<&str> = deciding.iter().map(|m| treaty.member(*m).name.as_str()).collect();
        ensure!(
            allowed.contains(&by.as_str()),
            "--open: {by:?} may not open {reserve}; the treaty lets decide: {}",
            allowed.join(", ")
        );
        let party = treaty.party_id(reserve).with_context(|| format!("no party {reserve}"))?;
        let by = treaty.member_id(by).with_context(|| format!("no member {by}"))?;
        let at = match (*at, begin) {
            (When::Time(at), _) => at,
            (When::Second(second), Some(begin)) => begin.after(DurationMillis::from_seconds(second)),
            (When::Second(second), None) => {
                bail!("--open: {second} is a second of a trace; write a time such as 2027-01-31T12:00:00Z")
            }
        };
        Ok(Opened { reserve: party, by, at })
    }
}

/// Quotas of one file that fit the treaty.
fn read_quotas(
    path: &Path,
    treaty: &Treaty,
    entitlements: Option<&Entitlements>,
) -> Result<Vec<(MemberQuota, String)>> {
    let text = files::read(path)?;
    let mut reading = source::read(&text.bytes);
    for quota in &mut reading.quotas {
        let faults = quota.quota.as_ref().map(|q| q.faults_under(treaty, entitlements));
        quota.add(faults.unwrap_or_default());
    }
    let drawing = Drawing::new(&text.name, &text.bytes, Colour::Auto);
    let faults: Vec<String> = reading.all().filter(|d| d.is_error()).map(|d| drawing.draw(d)).collect();
    if !faults.is_empty() {
        bail!("a member quota has faults; see concord check\n\n{}", faults.join("\n\n"));
    }
    ensure!(!reading.quotas.is_empty(), "{} holds no MemberQuota", text.name);
    Ok(reading.quotas.into_iter().filter_map(|q| Some((q.quota?, text.name.clone()))).collect())
}

fn award(treaty: &Treaty, (reserve, project, tier, used): (&str, &str, &str, &str)) -> Result<Award, String> {
    let Some(rule) = treaty.reserves().iter().find(|r| r.name == reserve) else {
        let names: Vec<&str> = treaty.reserves().iter().map(|r| r.name.as_str()).collect();
        return Err(format!("reserve: {reserve:?} is not in the treaty; use one of {}", names.join(", ")));
    };
    if !rule.tiers.iter().any(|t| t.name == tier) {
        let names: Vec<&str> = rule.tiers.iter().map(|t| t.name.as_str()).collect();
        return Err(format!("tier: {tier:?} is no tier of {reserve}; use one of {}", names.join(", ")));
    }
    if project.is_empty() {
        return Err("project: is empty; name the project".to_owned());
    }
    let used_gpu_hours: GpuHours = if used.is_empty() {
        0
    } else {
        let number = used.parse();
        number.map_err(|_| format!("used_gpu_hours: {used:?} is not a whole number; write GPU-hours"))?
    };
    let reserve = treaty.party_id(reserve).ok_or_else(|| format!("reserve: no party {reserve}"))?;
    let since = TimestampMillis(i64::MIN);
    Ok(Award {
        reserve,
        project: project.into(),
        tier: tier.to_owned(),
        since,
        used_gpu_hours,
        most_gpu_hours: None,
        most_gpus: None,
    })
}
