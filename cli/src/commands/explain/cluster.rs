//! A cluster as `kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json` prints it: the treaty in force,
//! and the snapshot that the operator decides on. Only the fields that decide are read.

mod applicant;
mod beside;
mod claim;
mod node;
mod treaty;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::explain::near_names;
use concord_treaty::snapshot::{Claim, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, Gpus, TimestampMillis};
use serde_json::Value;

use super::Explained;
use super::kubectl::BY_HAND;
use super::object::Object;
use super::words::Clock;
use crate::commands::simulate::decided::Decided;
use beside::Beside;
use claim::ClaimObject;

/// Largest list that is read: 100,000 claims of 4 KiB are 400 MiB.
const BYTES_MOST: u64 = 1 << 30;
/// Claims of one name that are listed.
const LISTED_MOST: usize = 10;

/// Which claim is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    namespace: Option<String>,
    name: String,
    by: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Job,
    Pod,
    Claim,
}

impl Wanted {
    /// Reads `NAMESPACE/NAME`, `job/NAME`, `pod/NAME`, `gpuclaim/NAME` or `NAME`.
    ///
    /// # Errors
    /// When the text is none of these, or names another namespace than the flag.
    pub fn parse(text: &str, namespace: Option<&str>) -> Result<Self> {
        let (first, name) = match text.split_once('/') {
            None => (None, text),
            Some((first, name)) => (Some(first), name),
        };
        if name.is_empty() || name.contains('/') || first == Some("") {
            bail!("{text:?} is no claim; write NAMESPACE/NAME, job/NAME, pod/NAME, gpuclaim/NAME or NAME");
        }
        let by = match first {
            Some("job" | "jobs" | "job.batch" | "jobs.batch") => Some(Kind::Job),
            Some("pod" | "pods" | "po") => Some(Kind::Pod),
            Some("gpuclaim" | "gpuclaims" | "gc" | "gpuclaims.concord.dev" | "gpuclaim.concord.dev") => {
                Some(Kind::Claim)
            }
            _ => None,
        };
        let own = first.filter(|_| by.is_none());
        if let (Some(own), Some(flag)) = (own, namespace)
            && own != flag
        {
            bail!("the claim is of namespace {own:?}, but -n says {flag:?}; leave one out");
        }
        Ok(Self { namespace: own.or(namespace).map(str::to_owned), name: name.to_owned(), by })
    }

    fn is(&self, claim: &ClaimObject) -> bool {
        let works = |kind: Option<&str>| {
            let found = claim.workload.as_ref();
            found.is_some_and(|(of, name)| *name == self.name && kind.is_none_or(|kind| of == kind))
        };
        let name = match self.by {
            Some(Kind::Job) => works(Some("Job")),
            Some(Kind::Pod) => {
                claim.workload.as_ref().is_some_and(|(kind, name)| is_pod_of(&self.name, kind, name))
            }
            Some(Kind::Claim) => claim.name == self.name,
            None => claim.name == self.name || works(None),
        };
        name && self.namespace.as_ref().is_none_or(|n| *n == claim.namespace)
    }

    fn shown(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Whether a pod of that name is, or comes from, that work. Pods are not in the list, so it goes by their names: a
/// single pod's own, and `JOB-SUFFIX` or `JOB-INDEX-SUFFIX`, as the Job controller makes them.
fn is_pod_of(pod: &str, kind: &str, name: &str) -> bool {
    let made_by_job = || {
        let rest = pod.strip_prefix(name)?.strip_prefix('-')?;
        let (index, suffix) = rest.split_once('-').unwrap_or(("0", rest));
        let random =
            suffix.len() == 5 && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        Some(random && !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
    };
    match kind {
        "PodGroup" => pod == name,
        "Job" => made_by_job().unwrap_or(false),
        _ => false,
    }
}

/// Reads a file, or for `-` standard input, and says its name for faults.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(BYTES_MOST).read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(("<standard input>".to_owned(), bytes));
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(BYTES_MOST)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok((path.display().to_string(), bytes))
}

/// Explains a claim of the list, with what people decided beside the treaty and the list does not have.
///
/// # Errors
/// When the list is faulty, has no treaty, or not exactly one such claim.
pub fn explain(
    (file, text): (&str, &[u8]),
    wanted: &Wanted,
    decided: &Decided,
    now: jiff::Timestamp,
) -> Result<Explained> {
    let list: Value =
        serde_json::from_slice(text).with_context(|| format!("{file}: is no JSON; make it by {BY_HAND}"))?;
    let Some(items) = list.get("items").and_then(Value::as_array) else {
        bail!("{file}: has no `items`; make it by {BY_HAND}");
    };
    let now = TimestampMillis(now.as_millisecond());
    let mut parts = Parts::default();
    for item in items {
        parts.take(Object::new(file, item))?;
    }
    let (treaty, notes) = treaty::in_force(file, &parts.treaties, now)?;
    let id = parts.find(file, wanted, &treaty)?;
    let beside = Beside::of(file, &parts.quotas, decided, &treaty)?;
    let snapshot = beside.added_to(parts.snapshot(&treaty, &id, now, &beside));
    let mut explanation = concord_treaty::explain::explain(&treaty, &snapshot, &id, now)
        .with_context(|| format!("{file}: {id} is being deleted and waits for nothing"))?;
    explanation.notes.extend(notes);
    explanation.notes.extend(beside.notes(&treaty));
    Ok(Explained { explanation, clock: Clock::Utc })
}

/// The objects of a list.
#[derive(Default)]
struct Parts<'v> {
    treaties: Vec<Object<'v>>,
    claims: Vec<ClaimObject>,
    nodes: Vec<concord_treaty::snapshot::Node>,
    quotas: Vec<Object<'v>>,
    /// What each project's applicant states, by the project's name.
    applicants: BTreeMap<String, Arc<Applicant>>,
}

impl<'v> Parts<'v> {
    fn take(&mut self, object: Object<'v>) -> Result<()> {
        match object.text("kind")? {
            "Treaty" => self.treaties.push(object),
            "GpuClaim" => self.claims.push(ClaimObject::read(&object)?),
            "MemberQuota" => self.quotas.push(object),
            "Project" => self.applicants.extend(applicant::read(&object)?),
            "Node" => self.nodes.extend(node::read(&object)?),
            _ => {}
        }
        Ok(())
    }

    fn find(&self, file: &str, wanted: &Wanted, treaty: &Treaty) -> Result<ClaimId> {
        let found: Vec<&ClaimObject> = self.claims.iter().filter(|c| wanted.is(c)).collect();
        match found.as_slice() {
            [claim] => {
                if treaty.party_id(&claim.member).is_none() {
                    let members: Vec<&str> = treaty.members().iter().map(|m| m.name.as_str()).collect();
                    bail!(
                        "{file}: GpuClaim {}: spec.member: {:?} is not in the treaty {:?}; its members: {}",
                        claim.id(),
                        claim.member,
                        treaty.title(),
                        members.join(", ")
                    );
                }
                Ok(claim.id())
            }
            [] => {
                let ids: Vec<String> = self.claims.iter().map(|c| c.id().to_string()).collect();
                let near = near_names(&wanted.shown(), ids.iter().map(String::as_str));
                match near.as_slice() {
                    [] => bail!("{file}: no claim {} among {}", wanted.shown(), self.claims.len()),
                    near => bail!("{file}: no claim {}; did you mean {}?", wanted.shown(), near.join(" or ")),
                }
            }
            several => {
                let ids: Vec<String> = several.iter().take(LISTED_MOST).map(|c| c.id().to_string()).collect();
                bail!("{file}: several claims {}; name one of {}", wanted.shown(), ids.join(", "))
            }
        }
    }

    /// The engine's input, as the operator makes it. GPUs of claims whose member is not in the treaty are taken off
    /// their nodes. The claim that is asked for stays in sight also when nothing of it matters any more.
    fn snapshot(self, treaty: &Treaty, asked: &ClaimId, now: TimestampMillis, beside: &Beside) -> Snapshot {
        let mut foreign: BTreeMap<String, Gpus> = BTreeMap::new();
        let mut claims = Vec::new();
        for object in self.claims {
            match treaty.party_id(&object.member) {
                Some(member) if !object.is_going() => {
                    let path = beside.path(member, object.project.as_deref());
                    let applicant = object.project.as_ref().and_then(|p| self.applicants.get(p)).cloned();
                    let claim = Claim { path, applicant, ..object.claim(member, treaty) };
                    if claim.id == *asked || !claim.is_forgotten(now, treaty.reclaim_notice()) {
                        claims.push(claim);
                    }
                }
                Some(_) => {}
                None => {
                    for slot in object.slots() {
                        let taken = foreign.entry(slot.node.to_string()).or_default();
                        *taken = taken.saturating_add(slot.gpus);
                    }
                }
            }
        }
        let mut nodes = self.nodes;
        for node in &mut nodes {
            node.gpus = node.gpus.saturating_sub(foreign.get(&*node.name.0).copied().unwrap_or(0));
        }
        Snapshot::new(nodes, claims)
    }
}

#[cfg(test)]
mod tests;
