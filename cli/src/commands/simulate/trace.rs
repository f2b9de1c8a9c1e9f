//! Reading a trace: a CSV file, plain or gzipped, one line for each gang. Every fault is named with its line, its
//! column and what to write instead, up to a limit at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use concord_treaty::clauses::ClassId;
use concord_treaty::simulate::TraceJob;
use concord_treaty::snapshot::Gang;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};
use csv::StringRecord;

use super::pool::Pool;

const COLUMNS: [&str; 5] = ["job", "member", "submit_s", "runtime_s", "gpus"];
/// Needed only where the treaty has several classes.
const CLASS_COLUMN: &str = "class";
/// More would scroll the first out of sight.
const FAULTS_SHOWN_MAX: usize = 20;
/// A thousand years; keeps sums of milliseconds far from overflow.
const SECONDS_MAX: i64 = 31_557_600_000;
/// Same limit as a treaty's guarantee.
const GPUS_MAX: i64 = 1_000_000;

/// What is wanted of a trace.
pub struct Wanted<'a> {
    /// Names of the members.
    pub treaty: &'a Treaty,
    /// Names in the trace that differ from the treaty's.
    pub members: &'a [(String, String)],
    /// Gangs larger than a node must fill whole nodes.
    pub pool: &'a Pool,
    /// First second of arrival.
    pub from_s: i64,
    /// Second after the last.
    pub until_s: Option<i64>,
}

/// Jobs of a trace.
pub struct Trace {
    /// By arrival; equals in the order of the file.
    pub jobs: Vec<TraceJob>,
    /// Jobs that no pool of such nodes could run.
    pub refused: usize,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Line of each job's name in the file; it is the job's id.
    lines: BTreeMap<String, u64>,
}

impl Trace {
    /// The id of the job of that name, also of a refused one.
    pub fn id_of(&self, name: &str) -> Option<ClaimId> {
        self.lines.get(name).map(|line| id(*line))
    }

    /// Names by id.
    pub fn names(&self) -> BTreeMap<ClaimId, &str> {
        self.lines.iter().map(|(name, line)| (id(*line), name.as_str())).collect()
    }
}

/// The number of the line breaks ties, as the order of the file does.
fn id(line: u64) -> ClaimId {
    ClaimId::from(format!("{line:012}").as_str())
}

/// Reads a trace from a file or, for `-`, from standard input.
///
/// # Errors
/// It cannot be read, has faults, or leaves no job.
pub fn read(path: &Path, wanted: &Wanted<'_>) -> anyhow::Result<Trace> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read the trace {name}"))?)
    };
    let mut source = BufReader::new(source);
    // By its first bytes and not by its name: standard input has none.
    let gzipped =
        source.fill_buf().with_context(|| format!("cannot read {name}"))?.starts_with(&[0x1f, 0x8b]);
    if gzipped {
        parse(flate2::bufread::MultiGzDecoder::new(source), &name, wanted)
    } else {
        parse(source, &name, wanted)
    }
}

fn parse(source: impl Read, name: &str, wanted: &Wanted<'_>) -> anyhow::Result<Trace> {
    let mut lines = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(source);
    let header = lines.headers().with_context(|| format!("{name}:1: cannot read the header"))?.clone();
    let columns = find_columns(&header, name)?;
    let mut reading = Reading::new(wanted, columns);
    if !wanted.treaty.classes().is_empty() {
        reading.class_column = header.iter().position(|found| found == CLASS_COLUMN);
    }
    if wanted.treaty.classes().len() > 1 && reading.class_column.is_none() {
        bail!(
            "{name}:1: no column class; the treaty has several classes: say for each job which, {}",
            reading.classes()
        );
    }
    let mut record = StringRecord::new();
    while reading.faults.len() <= FAULTS_SHOWN_MAX {
        let at = lines.position().line();
        if !lines.read_record(&mut record).with_context(|| format!("{name}:{at}: cannot read the line"))? {
            break;
        }
        reading.line = record.position().map_or(at, csv::Position::line);
        reading.take(&record);
    }
    if !reading.faults.is_empty() {
        let more = if reading.faults.len() > FAULTS_SHOWN_MAX { "; only the first are shown" } else { "" };
        let shown: Vec<String> =
            reading.faults.iter().take(FAULTS_SHOWN_MAX).map(|fault| format!("{name}:{fault}")).collect();
        bail!("the trace has faults{more}:\n{}", shown.join("\n"));
    }
    let used =
        |column: &&str| COLUMNS.contains(column) || reading.class_column.is_some() && *column == CLASS_COLUMN;
    let ignored: Vec<&str> = header.iter().filter(|column| !used(column)).collect();
    reading.finish(name, &ignored)
}

fn find_columns(header: &StringRecord, name: &str) -> anyhow::Result<[usize; 5]> {
    let mut positions = [0; 5];
    let mut missing = Vec::new();
    for (column, position) in COLUMNS.iter().zip(&mut positions) {
        match header.iter().position(|found| found == *column) {
            Some(found) => *position = found,
            None => missing.push(*column),
        }
    }
    if !missing.is_empty() {
        let found: Vec<&str> = header.iter().collect();
        bail!(
            "{name}:1: no column {}; found {}; begin the file with the line {}",
            missing.join(", "),
            found.join(", "),
            COLUMNS.join(",")
        );
    }
    Ok(positions)
}

struct Reading<'a> {
    wanted: &'a Wanted<'a>,
    columns: [usize; 5],
    class_column: Option<usize>,
    renamed: BTreeMap<&'a str, &'a str>,
    line: u64,
    jobs: Vec<TraceJob>,
    /// Line of each job's name.
    names: BTreeMap<String, u64>,
    unknown_names: BTreeSet<(&'static str, String)>,
    faults: Vec<String>,
    refused: usize,
    /// Line, GPUs, and GPUs of a node.
    first_refused: Option<(u64, Gpus, Gpus)>,
    left_out: usize,
}

impl<'a> Reading<'a> {
    fn new(wanted: &'a Wanted<'a>, columns: [usize; 5]) -> Self {
        Self {
            wanted,
            columns,
            class_column: None,
            renamed: wanted.members.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect(),
            line: 1,
            jobs: Vec::new(),
            names: BTreeMap::new(),
            unknown_names: BTreeSet::new(),
            faults: Vec::new(),
            refused: 0,
            first_refused: None,
            left_out: 0,
        }
    }

    fn fault(&mut self, column: &str, what: &str, fix: &str) {
        self.faults.push(format!("{}: {column}: {what}; {fix}", self.line));
    }

    /// Takes one line; a faulty one leaves its faults.
    fn take(&mut self, record: &StringRecord) {
        let field = |column: usize| record.get(self.columns[column]).unwrap_or("").to_owned();
        let [job, member, submit, runtime, gpus] = [0, 1, 2, 3, 4].map(field);
        self.check_name(job);
        let member = self.find_member(&member);
        let class = match self.class_column.and_then(|column| record.get(column)) {
            Some(name) => self.find_class(name).map(Some),
            None => Some(None),
        };
        let submit_s = self.number(
            "submit_s",
            &submit,
            0..=SECONDS_MAX,
            "write whole seconds from the start of the trace",
        );
        let runtime_s = self.number("runtime_s", &runtime, 0..=SECONDS_MAX, "write whole seconds");
        let gpus = self.number("gpus", &gpus, 1..=GPUS_MAX, "write the GPUs of the whole gang");
        let stated = (member, class, submit_s, runtime_s, gpus);
        let (Some(member), Some(class), Some(submit_s), Some(runtime_s), Some(gpus)) = stated else { return };
        if submit_s < self.wanted.from_s || self.wanted.until_s.is_some_and(|until| submit_s >= until) {
            self.left_out += 1;
            return;
        }
        let gpus = Gpus::try_from(gpus).unwrap_or(Gpus::MAX);
        // A class without nodes has nodes of none; its jobs wait for ever.
        let per_node = self.wanted.pool.cell(class.map_or(0, |class| usize::from(class.0))).max(1);
        if gpus > per_node && !gpus.is_multiple_of(per_node) {
            self.refused += 1;
            self.first_refused.get_or_insert((self.line, gpus, per_node));
            return;
        }
        self.jobs.push(TraceJob {
            id: id(self.line),
            member,
            gang: Gang { pods: gpus.div_ceil(per_node), gpus_per_pod: gpus.min(per_node) },
            class,
            submitted_at: TimestampMillis(submit_s * 1000),
            runtime: DurationMillis::from_seconds(runtime_s),
        });
    }

    fn check_name(&mut self, job: String) {
        if job.is_empty() {
            self.fault("job", "is empty", "give each job a name");
        } else if let Some(first) = self.names.get(&job) {
            let what = format!("{job:?} stands already on line {first}");
            self.fault("job", &what, "give each job a name of its own");
        } else {
            self.names.insert(job, self.line);
        }
    }

    fn find_member(&mut self, name: &str) -> Option<MemberId> {
        let in_treaty = self.renamed.get(name).copied().unwrap_or(name);
        let treaty = self.wanted.treaty;
        let found = treaty.party_id(in_treaty);
        // One fault for each name, not for each of its jobs.
        if found.is_none() && self.unknown_names.insert(("member", in_treaty.to_owned())) {
            let reserves = treaty.reserves().iter().map(|r| r.name.as_str());
            let parties: Vec<&str> =
                treaty.members().iter().map(|m| m.name.as_str()).chain(reserves).collect();
            let fix = format!("use one of {}, or rename it by --members {name}=...", parties.join(", "));
            self.fault("member", &format!("{in_treaty:?} is not in the treaty"), &fix);
        }
        found
    }

    fn find_class(&mut self, name: &str) -> Option<ClassId> {
        let found = self.wanted.treaty.class_id(name);
        if found.is_none() && self.unknown_names.insert(("class", name.to_owned())) {
            let fix = format!("use one of {}", self.classes());
            self.fault("class", &format!("{name:?} is not in the treaty"), &fix);
        }
        found
    }

    fn classes(&self) -> String {
        let names: Vec<&str> = self.wanted.treaty.classes().iter().map(|c| c.name.as_str()).collect();
        names.join(", ")
    }

    fn number(
        &mut self,
        column: &str,
        text: &str,
        range: std::ops::RangeInclusive<i64>,
        fix: &str,
    ) -> Option<i64> {
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let what = format!("{text:?} is not a whole number from {} to {}", range.start(), range.end());
            self.fault(column, &what, fix);
        }
        number
    }

    fn finish(mut self, name: &str, ignored: &[&str]) -> anyhow::Result<Trace> {
        if self.jobs.is_empty() {
            bail!(
                "{name}: no job to replay: {} lines left out by --from and --until, {} refused",
                self.left_out,
                self.refused
            );
        }
        let mut notes = Vec::new();
        if !ignored.is_empty() {
            notes.push(format!("{name}: columns not used: {}", ignored.join(", ")));
        }
        if let Some((line, gpus, per_node)) = self.first_refused {
            notes.push(format!(
                "{name}: {} jobs refused: a gang above {per_node} GPUs must fill whole nodes (first on line {line}: \
                 {gpus} GPUs is not a multiple of {per_node})",
                self.refused
            ));
        }
        self.jobs.sort_by_key(|job| job.submitted_at);
        Ok(Trace { jobs: self.jobs, refused: self.refused, notes, lines: self.names })
    }
}

#[cfg(test)]
mod tests;
