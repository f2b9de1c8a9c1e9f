//! A validated treaty. It can only be made from a [`Document`] without faults, so that no later step has to ask
//! again whether a number makes sense.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::document::{Document, MemberDocument};
use crate::snapshot::Node;
use crate::units::{DurationMillis, Gpus, MemberId};

/// A treaty that passed every rule that needs only its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treaty {
    title: String,
    members: Vec<Member>,
    reclaim_notice: DurationMillis,
    id_by_name: BTreeMap<String, MemberId>,
}

/// One member's rights and duties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name, a DNS label.
    pub name: String,
    /// GPUs that the member can always have.
    pub guarantee: Gpus,
    /// Most GPUs at once; `None` is the whole pool.
    pub ceiling: Option<Gpus>,
    /// Guaranteed GPUs that are never lent.
    pub keep: Gpus,
}

/// A clause that a decision can cite; its id is stable as long as the member keeps its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clause {
    /// `members[].guarantee`
    Guarantee(MemberId),
    /// `members[].ceiling`
    Ceiling(MemberId),
    /// `members[].lending`
    Lending(MemberId),
    /// `reclaim`
    Reclaim,
    /// No clause but a fact: the pool's nodes as they are.
    Capacity,
}

impl Treaty {
    /// Checks every rule of the text in one pass.
    ///
    /// # Errors
    /// All faults found, in the order of the document.
    pub fn validate(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let mut members = Vec::new();
        let mut id_by_name = BTreeMap::new();
        if document.members.is_empty() {
            faults.push(fault("TR001", "members", "a treaty needs at least one member", "add a member"));
        }
        if document.members.len() > MEMBERS_MAX {
            let message =
                format!("{} members, but at most {MEMBERS_MAX} are supported", document.members.len());
            faults.push(fault("TR001", "members", &message, "group small members under one name"));
        }
        for (index, raw) in document.members.iter().enumerate().take(MEMBERS_MAX) {
            let path = format!("members[{index}]");
            let member = validate_member(raw, &path, &mut faults);
            let id = MemberId(u16::try_from(index).unwrap_or(u16::MAX));
            if let Some(MemberId(first)) = id_by_name.insert(member.name.clone(), id) {
                let message = format!("member {:?} stands already at members[{first}]", member.name);
                faults.push(fault(
                    "TR003",
                    &format!("{path}.name"),
                    &message,
                    "give each member a name of its own",
                ));
            }
            members.push(member);
        }
        let seconds = document.reclaim.notice_seconds;
        if !(0..=NOTICE_SECONDS_MAX).contains(&seconds) {
            let message = format!("{seconds} is not between 0 and {NOTICE_SECONDS_MAX}");
            faults.push(fault(
                "TR006",
                "reclaim.noticeSeconds",
                &message,
                "state the notice in seconds, at most one week",
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let reclaim_notice = DurationMillis::from_seconds(seconds);
        Ok(Self { title: document.title.clone(), members, reclaim_notice, id_by_name })
    }

    /// Promises that the pool as it stands cannot keep; they do not stop the treaty, but members must know.
    #[must_use]
    pub fn shortfalls(&self, nodes: &[Node]) -> Vec<Diagnostic> {
        let capacity: u64 = nodes.iter().filter(|n| n.schedulable).map(|n| u64::from(n.gpus)).sum();
        let promised: u64 = self.members.iter().map(|m| u64::from(m.guarantee)).sum();
        let mut found = Vec::new();
        if promised > capacity {
            let message = format!("guarantees add up to {promised} GPUs, but the pool has {capacity}");
            found.push(fault("TR010", "members", &message, "lower a guarantee or add nodes"));
        }
        let cell = cell_gpus(nodes);
        let cells: u64 = self.members.iter().map(|m| u64::from(m.guarantee.div_ceil(cell.max(1)))).sum();
        let usable = nodes.iter().filter(|n| n.schedulable && n.gpus > 0).count() as u64;
        if promised <= capacity && cells > usable {
            let message =
                format!("guarantees need {cells} whole nodes of {cell} GPUs, but the pool has {usable}");
            found.push(fault("TR011", "members", &message, "round guarantees to whole nodes"));
        }
        found
    }

    /// The same treaty as if that member had no partners; its id is then 0.
    #[must_use]
    pub fn alone(&self, id: MemberId) -> Self {
        let member = Member { ceiling: None, ..self.member(id).clone() };
        Self {
            title: self.title.clone(),
            id_by_name: [(member.name.clone(), MemberId(0))].into(),
            members: vec![member],
            reclaim_notice: self.reclaim_notice,
        }
    }

    /// Title, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Members in the treaty's order; a [`MemberId`] is an index into it.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Time between telling a borrower and stopping it.
    #[must_use]
    pub const fn reclaim_notice(&self) -> DurationMillis {
        self.reclaim_notice
    }

    /// The member of that name.
    #[must_use]
    pub fn member_id(&self, name: &str) -> Option<MemberId> {
        self.id_by_name.get(name).copied()
    }

    /// The member behind an id that this treaty gave out.
    #[must_use]
    pub fn member(&self, id: MemberId) -> &Member {
        &self.members[id.index()]
    }

    /// All member ids, in the treaty's order.
    pub fn member_ids(&self) -> impl Iterator<Item = MemberId> + use<> {
        (0..u16::try_from(self.members.len()).unwrap_or(u16::MAX)).map(MemberId)
    }

    /// Stable id of a clause, as reasons, metrics and the ledger cite it.
    #[must_use]
    pub fn clause_id(&self, clause: Clause) -> String {
        match clause {
            Clause::Guarantee(m) => format!("guarantee/{}", self.member(m).name),
            Clause::Ceiling(m) => format!("ceiling/{}", self.member(m).name),
            Clause::Lending(m) => format!("lending/{}", self.member(m).name),
            Clause::Reclaim => "reclaim".to_owned(),
            Clause::Capacity => "capacity".to_owned(),
        }
    }
}

/// GPUs of the largest node: the cell in which guarantees are promised by shape (HiveD, OSDI'20).
#[must_use]
pub fn cell_gpus(nodes: &[Node]) -> Gpus {
    nodes.iter().map(|n| n.gpus).max().unwrap_or(0)
}

/// One week: a longer notice would promise a member its own GPUs only in another accounting period.
const NOTICE_SECONDS_MAX: i64 = 604_800;
/// Same limit as the CRD's schema; keeps [`MemberId`] in 16 bits with room.
const MEMBERS_MAX: usize = 500;
/// Same limit as the CRD's schema; sums of 500 members stay far below `u32::MAX`.
const GPUS_MAX: i64 = 1_000_000;

fn validate_member(raw: &MemberDocument, path: &str, faults: &mut Vec<Diagnostic>) -> Member {
    if !is_dns_label(&raw.name) {
        let message = format!("{:?} is not a DNS label", raw.name);
        let help = "use lower-case letters, digits and inner hyphens, at most 63";
        faults.push(fault("TR002", &format!("{path}.name"), &message, help));
    }
    let guarantee = gpus(raw.guarantee.gpus, &format!("{path}.guarantee.gpus"), faults);
    let ceiling = raw.ceiling.map(|c| gpus(c.gpus, &format!("{path}.ceiling.gpus"), faults));
    let keep = raw.lending.map_or(0, |l| gpus(l.keep_gpus, &format!("{path}.lending.keepGpus"), faults));
    if let Some(ceiling) = ceiling.filter(|c| *c < guarantee) {
        let message = format!("ceiling {ceiling} is below the guarantee {guarantee}");
        faults.push(fault(
            "TR005",
            &format!("{path}.ceiling.gpus"),
            &message,
            "raise the ceiling or lower the guarantee",
        ));
    }
    if keep > guarantee {
        let message = format!("keeps {keep} GPUs, but is guaranteed only {guarantee}");
        faults.push(fault(
            "TR007",
            &format!("{path}.lending.keepGpus"),
            &message,
            "keep at most the guarantee",
        ));
    }
    Member { name: raw.name.clone(), guarantee, ceiling, keep }
}

fn gpus(value: i64, path: &str, faults: &mut Vec<Diagnostic>) -> Gpus {
    if !(0..=GPUS_MAX).contains(&value) {
        let message = format!("{value} is not between 0 and {GPUS_MAX}");
        faults.push(fault("TR004", path, &message, "state a number of whole GPUs"));
    }
    Gpus::try_from(value.clamp(0, GPUS_MAX)).unwrap_or(0)
}

fn fault(code: &'static str, path: &str, message: &str, help: &str) -> Diagnostic {
    Diagnostic { code, path: path.to_owned(), message: message.to_owned(), help: help.to_owned() }
}

/// RFC 1123 label, as Kubernetes wants it in label values and namespace names.
fn is_dns_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let ends_well = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= 63 && bytes.iter().all(inner) && ends_well(bytes.first()) && ends_well(bytes.last())
}

#[cfg(test)]
mod tests;
