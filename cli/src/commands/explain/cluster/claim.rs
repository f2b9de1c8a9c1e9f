//! A GpuClaim of a cluster; field names are those of its CRD.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use concord_treaty::clauses::{ClassId, GpuClass};
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Due, Gang, Holding, Phase, Reserved, Saves, Slot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};

use crate::commands::explain::object::Object;

/// What is read of a claim.
pub struct ClaimObject {
    pub namespace: String,
    pub name: String,
    pub member: String,
    /// Name of its Project.
    pub project: Option<String>,
    /// Kind and name of what it is for.
    pub workload: Option<(String, String)>,
    deleting: bool,
    gang: Gang,
    node_selector: BTreeMap<String, String>,
    run_limit: Option<DurationMillis>,
    submitted_at: TimestampMillis,
    due: Option<Due>,
    state: ClaimState,
}

impl ClaimObject {
    pub fn read(object: &Object<'_>) -> Result<Self> {
        let deleting = object.text_if("metadata.deletionTimestamp")?.is_some();
        let due = object.part("status.due").map(|due| due_of(&due)).transpose()?;
        Ok(Self {
            namespace: object.text("metadata.namespace")?.to_owned(),
            name: object.text("metadata.name")?.to_owned(),
            member: object.text("spec.member")?.to_owned(),
            project: object.text_if("spec.project")?.map(str::to_owned),
            workload: workload_of(object)?,
            gang: Gang { pods: object.gpus("spec.pods")?, gpus_per_pod: object.gpus("spec.gpusPerPod")? },
            node_selector: object.labels("spec.nodeSelector")?,
            run_limit: object.number_if("spec.runLimitSeconds")?.map(DurationMillis::from_seconds),
            submitted_at: object.time("spec.submittedAt")?,
            state: state_of(object, deleting, due.is_some())?,
            due,
            deleting,
        })
    }

    pub fn id(&self) -> ClaimId {
        ClaimId::from(format!("{}/{}", self.namespace, self.name).as_str())
    }

    /// Somebody deletes it, and it has nothing that anybody waits for.
    pub fn is_going(&self) -> bool {
        self.deleting && matches!(self.state, ClaimState::Waiting { .. } | ClaimState::Reserved(_))
    }

    /// GPUs that it holds.
    pub fn slots(&self) -> &[Slot] {
        match &self.state {
            ClaimState::Holding(holding) => &holding.slots,
            ClaimState::Waiting { .. } | ClaimState::Reserved(_) | ClaimState::Finished { .. } => &[],
        }
    }

    pub fn claim(self, member: MemberId, treaty: &Treaty) -> Claim {
        let id = self.id();
        // The class of GPUs of the nodes with these labels.
        let asked = |class: &GpuClass| {
            class.node_labels.iter().all(|(key, value)| self.node_selector.get(key) == Some(value))
        };
        let class = treaty.classes().iter().position(asked);
        Claim {
            class: class.and_then(|index| u16::try_from(index).ok()).map(ClassId),
            node_labels: self.node_selector.into(),
            expected_runtime: self.run_limit,
            due: self.due,
            state: self.state,
            ..Claim::new(id, member, self.gang, self.submitted_at)
        }
    }
}

fn saves_of(object: &Object<'_>) -> Result<Saves> {
    let every = object.number_if("status.checkpointSeconds")?.map(DurationMillis::from_seconds);
    let told = object.text_if("status.savedAt")?.is_some();
    let told_at = told.then(|| object.time("status.savedAt")).transpose()?;
    Ok(Saves { every, told_at })
}

fn workload_of(object: &Object<'_>) -> Result<Option<(String, String)>> {
    let (kind, name) = (object.text_if("spec.workload.kind")?, object.text_if("spec.workload.name")?);
    Ok(kind.zip(name).map(|(kind, name)| (kind.to_owned(), name.to_owned())))
}

/// As the operator reads its own writes.
fn state_of(object: &Object<'_>, deleting: bool, due: bool) -> Result<ClaimState> {
    let phase = match object.text_if("status.state")?.unwrap_or("Queued") {
        "Succeeded" | "Failed" => {
            let ran = object.number_if("status.ranMilliseconds")?.unwrap_or(0);
            return Ok(ClaimState::Finished { runtime: DurationMillis(ran) });
        }
        "Queued" => {
            let slots = slots_of(object, "status.reserved")?;
            if slots.is_empty() {
                return Ok(ClaimState::Waiting { put_back: object.flag("status.putBack")? });
            }
            let basis = if due { Basis::Due } else { Basis::Guaranteed };
            return Ok(ClaimState::Reserved(Reserved { slots, basis }));
        }
        "Admitted" | "Reclaiming" | "Stopping" if deleting => Phase::Stopping,
        "Admitted" => Phase::Running,
        "Reclaiming" => Phase::Noticed { deadline: object.time("status.noticeDeadline")? },
        "Stopping" => Phase::Stopping,
        other => {
            let states = "Queued, Admitted, Reclaiming, Stopping, Succeeded, Failed";
            let what = format!("{other:?} is none of {states}; is this program older than the operator?");
            bail!(object.part("status.state").map_or_else(|| object.fault(&what), |part| part.fault(&what)))
        }
    };
    let basis = match object.text_if("status.basis")? {
        Some("Guaranteed") if due => Basis::Due,
        Some("Guaranteed") => Basis::Guaranteed,
        _ => Basis::Borrowed,
    };
    Ok(ClaimState::Holding(Holding {
        slots: slots_of(object, "status.placement")?,
        basis,
        since: object.time("status.admittedAt")?,
        phase,
        promised_to: object.text_if("status.noticeFor")?.map(ClaimId::from),
        saves: saves_of(object)?,
    }))
}

fn slots_of(object: &Object<'_>, path: &str) -> Result<Vec<Slot>> {
    let slot =
        |part: Object<'_>| Ok(Slot { node: NodeName::from(part.text("node")?), gpus: part.gpus("gpus")? });
    object.list(path)?.into_iter().map(slot).collect()
}

fn due_of(due: &Object<'_>) -> Result<Due> {
    let place = |part: Object<'_>| -> Result<(u32, Gpus)> { Ok((part.gpus("node")?, part.gpus("gpus")?)) };
    let places = due.list("places")?.into_iter().map(place).collect::<Result<_>>()?;
    Ok(Due { since: due.time("since")?, places })
}
