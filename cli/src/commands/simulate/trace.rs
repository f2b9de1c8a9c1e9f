//! Reading a trace: a CSV file, plain or gzipped, one line for each gang. Every fault is named with its line, its
//! column and what to write instead, up to a limit at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use concord_treaty::clauses::ClassId;
use concord_treaty::simulate::{Ask, TraceJob};
use concord_treaty::snapshot::Gang;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};
use csv::StringRecord;

use super::pool::Pool;
use columns::Columns;

mod columns;

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
    /// What each of them asks beside GPUs.
    pub asks: Vec<Ask>,
    /// Jobs that the treaty's conditions do not admit, with what their applicants state.
    pub not_eligible: Vec<(TraceJob, Ask)>,
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
    let header = lines.headers().with_context(|| {
        format!("{name}:1: cannot read the header; a trace is a CSV file in UTF-8, plain or gzipped")
    })?;
    let header = header.clone();
    let columns = find_columns(&header, name)?;
    let optional =
        Columns::of(&header, wanted.treaty).map_err(|fault| anyhow::anyhow!("{name}:1: {fault}"))?;
    let mut reading = Reading::new(wanted, columns, optional, header.len());
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
    let used = |column: &&str| {
        COLUMNS.contains(column)
            || reading.class_column.is_some() && *column == CLASS_COLUMN
            || reading.optional.uses(column)
    };
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
        let begin = format!("begin the file with the line {}", COLUMNS.join(","));
        let found: Vec<&str> = header.iter().collect();
        match found.as_slice() {
            [] | [""] => bail!("{name}: is empty; {begin}"),
            [one] if one.contains([';', '\t']) => {
                bail!("{name}:1: the columns are not separated by commas; {begin}")
            }
            _ => bail!("{name}:1: no column {}; found {}; {begin}", missing.join(", "), found.join(", ")),
        }
    }
    Ok(positions)
}

struct Reading<'a> {
    wanted: &'a Wanted<'a>,
    columns: [usize; 5],
    /// Fields of each line.
    width: usize,
    class_column: Option<usize>,
    optional: Columns,
    renamed: BTreeMap<&'a str, &'a str>,
    line: u64,
    jobs: Vec<(TraceJob, Ask)>,
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
    fn new(wanted: &'a Wanted<'a>, columns: [usize; 5], optional: Columns, width: usize) -> Self {
        Self {
            wanted,
            columns,
            width,
            class_column: None,
            optional,
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
        if record.len() != self.width {
            let what = format!("has {} fields, and the first line {}", record.len(), self.width);
            self.faults.push(format!("{}: {what}; write as many, separated by commas", self.line));
            return;
        }
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
        let ask = member.map(|member| self.optional.ask(record, self.wanted.treaty, member));
        for (column, what, fix) in ask.iter().filter_map(|ask| ask.as_ref().err()).flatten() {
            self.fault(column, what, fix);
        }
        let stated = (member, class, submit_s, runtime_s, gpus, ask);
        let (Some(member), Some(class), Some(submit_s), Some(runtime_s), Some(gpus), Some(Ok(ask))) = stated
        else {
            return;
        };
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
        let job = TraceJob {
            id: id(self.line),
            member,
            gang: Gang { pods: gpus.div_ceil(per_node), gpus_per_pod: gpus.min(per_node) },
            class,
            submitted_at: TimestampMillis(submit_s * 1000),
            runtime: DurationMillis::from_seconds(runtime_s),
        };
        self.jobs.push((job, ask));
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
        let terms = &self.wanted.pool.terms;
        let refused = |(job, ask): &(TraceJob, Ask)| {
            let claim = ask.claim(job);
            terms.pool_of(&claim).and_then(|pool| pool.refusal(&claim)).is_some()
        };
        let not_eligible: Vec<(TraceJob, Ask)> = self.jobs.extract_if(.., |job| refused(job)).collect();
        if self.jobs.is_empty() {
            bail!(
                "{name}: no job to replay: {} lines left out by --from and --until, {} refused, {} not admitted by the \
                 treaty's conditions",
                self.left_out,
                self.refused,
                not_eligible.len()
            );
        }
        let mut notes = self.notes(name, &not_eligible);
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
        self.jobs.sort_by_key(|(job, _)| job.submitted_at);
        let (jobs, asks) = self.jobs.into_iter().unzip();
        Ok(Trace { jobs, asks, not_eligible, refused: self.refused, notes, lines: self.names })
    }

    /// What the columns say that nothing here uses, or do not say.
    fn notes(&self, name: &str, not_eligible: &[(TraceJob, Ask)]) -> Vec<String> {
        let mut notes = Vec::new();
        if self.optional.take_all_as_eligible() {
            notes.push(format!(
                "{name}: the trace says nothing of applicants: everybody counts as eligible; add the columns \
                 organisation_kind, country, purpose, data_class"
            ));
        }
        if let Some((first, _)) = not_eligible.first() {
            let line = first.id.0.trim_start_matches('0');
            notes.push(format!(
                "{name}: {} jobs never start: the treaty's conditions do not admit them (first on line {line}); they are \
                 left out",
                not_eligible.len()
            ));
        }
        let setting = &self.wanted.pool.setting;
        let has_shares = !setting.quotas.is_empty() || !setting.awards.is_empty();
        match (has_shares, self.optional.have_paths()) {
            (true, false) => notes.push(format!(
                "{name}: no column says institution, project and person: all work belongs to the member itself; add the \
                 columns institution, project, person, or path"
            )),
            (false, true) => notes.push(format!(
                "{name}: institutions, projects and persons have no effect without shares inside members; add --quota FILE"
            )),
            _ => {}
        }
        notes
    }
}

#[cfg(test)]
mod tests;
