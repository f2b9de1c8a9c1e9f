//! Entries of what the API server has stored. Pure.

use concord_api::application::{Application, ApplicationKind, Decision as Answer, Outcome as Said, Stage};
use concord_api::claim::{EndedRun, RunEnd};
use concord_api::names::{ANNOTATION_AMENDED_AT, ANNOTATION_AMENDMENT};
use concord_api::{ClaimBasis, Incident, IncidentSpec, Treaty};
use concord_ledger::entry::{
    Capacity, ClaimEnergy, Decision, End, EndKind, Energy, Entry, Event, GrantedAccess, Incident as Told,
    NodeKind, Outcome, TreatyInForce, Usage,
};
use concord_treaty::snapshot::Node;
use concord_treaty::terms::capacity;
use concord_treaty::treaty::{ClassCapacity, Treaty as Rules};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::record::readings::Reading;
use crate::view::ClaimView;

/// The record counts milliseconds, as the accounts do.
fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// A part of a claim's use. `project` is the commitment to its project's name.
pub fn usage(
    claim: &ClaimView,
    run: &EndedRun,
    project: String,
    class: Option<String>,
    rules: &Rules,
) -> Entry {
    let (from, until) = (milliseconds(run.from.0), milliseconds(run.until.0));
    let gpus = u32::try_from(run.gpus).unwrap_or(0);
    let length = u64::try_from(until.as_millisecond() - from.as_millisecond()).unwrap_or(0);
    let number = u64::try_from(run.number).unwrap_or(0);
    let borrowed = run.basis == ClaimBasis::Borrowed;
    let party = &claim.spec.member;
    let is_reserve = rules.reserves().iter().any(|reserve| reserve.name == *party);
    let clause = match (borrowed, is_reserve) {
        (true, _) => "reclaim".to_owned(),
        (false, true) => format!("reserve/{party}"),
        (false, false) => format!("guarantee/{party}"),
    };
    let kind = match run.end {
        RunEnd::Finished => EndKind::Finished,
        RunEnd::Reclaimed => EndKind::Reclaimed,
        RunEnd::Rebooked => EndKind::Rebooked,
    };
    let behind = run.clause.as_deref().and_then(|clause| clause.strip_prefix("guarantee/"));
    let end = End {
        kind,
        reason: run.reason.clone(),
        clause: run.clause.clone(),
        party: behind.map(str::to_owned),
    };
    let usage = Usage {
        claim: claim.uid.clone(),
        run: number,
        project,
        party: party.clone(),
        class,
        clause,
        borrowed,
        gpus,
        submitted_at: milliseconds(claim.spec.submitted_at.0),
        due_since: run.due_since.as_ref().map(|due| milliseconds(due.0)),
        from,
        until,
        gpu_milliseconds: u64::from(gpus) * length,
        lost_gpu_milliseconds: u64::try_from(run.lost_gpu_milliseconds).unwrap_or(0),
        end,
    };
    Entry::new(format!("usage/{}/{number}", claim.uid), until, Event::Usage(usage))
}

/// Id of the entry that this text of the treaty rules, and since when a text of it does; `None` until its status says so.
pub fn force_of(treaty: &Treaty) -> Option<(String, Timestamp)> {
    let conditions = &treaty.status.as_ref()?.conditions;
    let in_force = conditions.iter().find(|c| c.type_ == "InForce" && c.status == "True")?;
    if in_force.observed_generation.is_some_and(|seen| Some(seen) != treaty.metadata.generation) {
        return None;
    }
    // The condition stays true over an amendment; the text rules since the operator wrote it.
    let amended = treaty.annotations().get(ANNOTATION_AMENDED_AT).and_then(|at| at.parse::<Timestamp>().ok());
    let since = amended.map_or(in_force.last_transition_time.0, |at| at.max(in_force.last_transition_time.0));
    let generation = treaty.metadata.generation.unwrap_or_default();
    Some((format!("treaty/{}/{generation}/{}", treaty.uid().unwrap_or_default(), since.as_second()), since))
}

/// The text that rules.
pub fn treaty(treaty: &Treaty, id: String, since: Timestamp, text: String) -> Entry {
    let generation = treaty.metadata.generation.unwrap_or_default();
    let amendment = treaty.annotations().get(ANNOTATION_AMENDMENT).cloned();
    let event = TreatyInForce { treaty: treaty.name_any(), generation, text, amendment };
    Entry::new(id, since, Event::Treaty(event))
}

/// The pool's nodes, in the words of the record.
pub fn nodes(rules: &Rules, nodes: &[Node]) -> Vec<NodeKind> {
    let kind = |counted: &ClassCapacity| NodeKind {
        class: rules.class_name(counted.class).map(str::to_owned),
        gpus_per_node: counted.gpus_per_node,
        nodes: counted.nodes,
    };
    capacity(rules, nodes).iter().map(kind).collect()
}

/// The pool has these nodes from now on.
pub fn capacity_changed(nodes: Vec<NodeKind>, now: Timestamp) -> Entry {
    let since = milliseconds(now);
    let id = format!("capacity/{}", since.as_millisecond());
    Entry::new(id, since, Event::Capacity(Capacity { nodes, since }))
}

/// What a node's agent says. Claims that were charged nothing since the reading before are left out.
pub fn energy(
    node: &str,
    reading: &Reading,
    before: Option<&Reading>,
    party: impl Fn(&str) -> Option<String>,
    simulated: bool,
    at: Timestamp,
) -> Entry {
    let changed = reading
        .claims
        .iter()
        .filter(|(key, charged)| before.is_none_or(|before| before.claims.get(*key) != Some(*charged)));
    let claims = changed.map(|((namespace, workload), (measured, estimated))| ClaimEnergy {
        workload: workload.clone(),
        party: party(namespace),
        measured_millijoules: *measured,
        estimated_millijoules: *estimated,
    });
    let event = Energy {
        node: node.to_owned(),
        all_millijoules: reading.all,
        idle_millijoules: reading.idle,
        claims: claims.collect(),
        simulated,
    };
    Entry::new(format!("energy/{node}/{}", at.as_millisecond()), milliseconds(at), Event::Energy(event))
}

/// An incident as it is told now.
pub fn incident(incident: &Incident) -> Entry {
    let IncidentSpec { title, began_at, ended_at, what_happened, what_was_done, parties, claims, gpus } =
        incident.spec.clone();
    let revision = incident.metadata.generation.unwrap_or_default();
    let told = Told {
        incident: incident.name_any(),
        revision,
        began_at: began_at.0,
        ended_at: ended_at.map(|at| at.0),
        title,
        what_happened,
        what_was_done,
        parties,
        claims,
        gpus: gpus.and_then(|gpus| u32::try_from(gpus).ok()),
    };
    let id = format!("incident/{}/{revision}", incident.uid().unwrap_or_default());
    Entry::new(id, told.began_at, Event::Incident(told))
}

/// Whether its project is still to be made.
pub fn makes_its_project(application: &Application) -> bool {
    let made = application.status.as_ref().is_some_and(|status| status.project_made.is_some());
    application.stage() == Stage::Approved && !made
}

/// The answers to an application that have been given; `project` is the commitment to its project's name.
pub fn decisions(application: &Application, project: &str) -> Vec<Entry> {
    let Some(status) = &application.status else { return Vec::new() };
    let answers = [(&status.decision, false), (&status.appeal_decision, true)];
    let given = answers.into_iter().filter_map(|(answer, on_appeal)| Some((answer.as_ref()?, on_appeal)));
    given.filter_map(|(answer, on_appeal)| decision(application, answer, on_appeal, project)).collect()
}

fn decision(application: &Application, answer: &Answer, on_appeal: bool, project: &str) -> Option<Entry> {
    let status = application.status.as_ref()?;
    let uid = application.uid()?;
    let reviewers = status.reviews.iter().filter(|review| !review.recused).count();
    let recused = status.reviews.len() - reviewers;
    let granted = answer.grant.as_ref().map(|grant| GrantedAccess {
        gpu_hours: u64::try_from(grant.gpu_hours).unwrap_or(0),
        most_gpus: u32::try_from(grant.most_gpus).unwrap_or(0),
        until: grant.until.0,
    });
    let event = Decision {
        application: uid.clone(),
        project: project.to_owned(),
        request: match application.spec.kind {
            ApplicationKind::New => "newProject",
            ApplicationKind::Renewal => "renewal",
            ApplicationKind::Extension => "extension",
        }
        .to_owned(),
        on_appeal,
        party: application.spec.request.party.clone(),
        tier: status.tier.clone(),
        submitted_at: application.creation_timestamp()?.0,
        promised_by: status.promised_by.as_ref().map(|time| time.0),
        outcome: if answer.outcome == Said::Approved { Outcome::Approved } else { Outcome::Refused },
        clauses: answer.clauses.clone(),
        by_reviewers: !answer.by.is_empty(),
        reviewers: u32::try_from(reviewers).unwrap_or(u32::MAX),
        recused: u32::try_from(recused).unwrap_or(u32::MAX),
        granted,
    };
    let kind = if on_appeal { "appeal" } else { "decision" };
    Some(Entry::new(format!("{kind}/{uid}"), milliseconds(answer.at.0), Event::Decision(event)))
}
