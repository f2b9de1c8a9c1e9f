//! What decides beside treaty, claims and nodes: how members share inside themselves, tiers of projects and openings of
//! reserves, from the list and from the command line; and what is left out, which the reader is told.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use concord_treaty::books::Books;
use concord_treaty::document::MemberQuotaDocument;
use concord_treaty::quota::{Award, MemberQuota, QuotaInForce};
use concord_treaty::snapshot::{Opened, SharePath, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{MemberId, TimestampMillis};
use serde::Deserialize;

use crate::commands::explain::object::Object;
use crate::commands::simulate::decided::Decided;

/// All of it.
pub struct Beside {
    quotas: Vec<QuotaInForce>,
    awards: Vec<Award>,
    openings: Vec<Opened>,
}

impl Beside {
    /// Of a list and a command line.
    ///
    /// # Errors
    /// A quota or file with faults, two quotas of one member, or a decision that the treaty does not know.
    pub fn of(file: &str, objects: &[Object<'_>], decided: &Decided, treaty: &Treaty) -> Result<Self> {
        let mut quotas: Vec<QuotaInForce> = Vec::new();
        for object in objects {
            quotas.extend(in_force(object, treaty)?);
        }
        for quota in decided.quotas(treaty, None)? {
            if quotas.iter().any(|q| q.member == quota.member) {
                let name = &treaty.member(quota.member).name;
                bail!("{file} has a quota of {name}, and --quota another; keep one of the two");
            }
            quotas.push(quota);
        }
        let (awards, openings) = (decided.awards(treaty)?, decided.openings(treaty, None)?);
        Ok(Self { quotas, awards, openings })
    }

    /// On whose behalf inside its party a claim of that project asks: the institution that has the project. The list says
    /// nothing of persons.
    pub fn path(&self, party: MemberId, project: Option<&str>) -> SharePath {
        let Some(project) = project else { return SharePath::default() };
        if self.awards.iter().any(|award| award.reserve == party) {
            return [Arc::from(project)].into();
        }
        let quota = self.quotas.iter().find(|q| q.member == party).and_then(|q| q.quota.as_ref());
        quota.map_or_else(SharePath::default, |quota| quota.path_of(project))
    }

    /// The snapshot with all of it.
    pub fn added_to(&self, snapshot: Snapshot) -> Snapshot {
        Snapshot {
            openings: self.openings.clone(),
            quotas: self.quotas.clone(),
            awards: self.awards.clone(),
            ..snapshot
        }
    }

    /// What is left out, and what the operator does not know.
    pub fn notes(&self, treaty: &Treaty) -> Vec<String> {
        let mut notes = Vec::new();
        if Books::matter_under(treaty) {
            notes.push(
                "the books of the past are not in the list: budgets, past borrowing and credit are left out; the claim's \
                 status has the operator's own reason"
                    .to_owned(),
            );
        }
        if !self.quotas.is_empty() {
            let names: Vec<&str> =
                self.quotas.iter().map(|q| treaty.member(q.member).name.as_str()).collect();
            notes.push(format!(
                "reckoned with the shares inside {}: a project that they do not name is the member's own, and limits of one \
                 person are left out, because the list names no persons",
                names.join(", ")
            ));
        }
        notes
    }
}

/// A quota object of the list; `None`: of a member that the treaty does not have, or refused by the operator.
fn in_force(object: &Object<'_>, treaty: &Treaty) -> Result<Option<QuotaInForce>> {
    let name = object.text("metadata.name")?;
    let Some(member) = treaty.member_id(name) else { return Ok(None) };
    let spec = object.part("spec").with_context(|| object.fault("spec is missing").to_string())?;
    let document =
        MemberQuotaDocument::deserialize(spec.value()).map_err(|fault| spec.fault(&fault.to_string()))?;
    let quota = MemberQuota::validate(name, &document).map_err(|faults| {
        let first = faults.iter().find(|f| f.is_error());
        spec.fault(&first.map_or_else(String::new, |f| format!("{}: {}; {}", f.path, f.message, f.help)))
    })?;
    let conditions =
        object.part("status.conditions").map(|_| object.list("status.conditions")).transpose()?;
    for condition in conditions.into_iter().flatten() {
        if condition.text("type")? == "InForce" && condition.text("status")? == "False" {
            return Ok(None);
        }
    }
    let since = match object.text_if("status.inForceSince")? {
        Some(_) => object.time("status.inForceSince")?,
        None => TimestampMillis(i64::MIN),
    };
    Ok(Some(QuotaInForce { member, quota: Some(Arc::new(quota)), since }))
}
