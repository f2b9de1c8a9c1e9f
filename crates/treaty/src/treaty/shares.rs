//! Validation of shares: exactly one form each, and the sums that need no capacity.

use std::collections::BTreeMap;

use crate::clauses::{ClassId, Share, ShareRule};
use crate::diagnostic::Diagnostic;
use crate::document::{GuaranteeDocument, ShareDocument};
use crate::treaty::checker::Checker;

/// How many parts of a sum are pointed at; all of 500 would hide the sentence.
const PARTS_SHOWN_MOST: usize = 8;

impl Checker<'_> {
    pub fn shares(&mut self, raw: &GuaranteeDocument, path: &str) -> Vec<Share> {
        let whole = raw.whole();
        if raw.by_class.is_empty() {
            if let Some(gpus) = whole.gpus.filter(|g| *g > 0).or(whole.at_least_gpus) {
                self.of_which_class(gpus, "byClass", path);
            }
            return vec![self.share(&whole, None, path)];
        }
        if whole != ShareDocument::default() {
            let help = "move it into byClass, or delete byClass";
            self.fault("TR018", path, "byClass stands beside a share of all classes", help);
        }
        let mut shares = Vec::new();
        for (name, share) in &raw.by_class {
            let path = format!("{path}.byClass.{name}");
            let class = self.class(name, &path);
            let share = self.share(share, class, &path);
            shares.extend(class.map(|_| share));
        }
        shares
    }

    fn share(&mut self, raw: &ShareDocument, class: Option<ClassId>, path: &str) -> Share {
        let forms = [raw.gpus.is_some(), raw.percent.is_some(), raw.proportional, raw.residual];
        let stated = forms.iter().filter(|f| **f).count();
        if stated != 1 {
            let how_many = if stated == 0 { "none" } else { "several" };
            let message =
                format!("a share is one of gpus, percent, proportional and residual; here are {how_many}");
            let help =
                "write for example {gpus: 64}, {percent: \"12.5\"}, {proportional: true} or {residual: true}";
            self.fault("TR018", path, &message, help);
        }
        if raw.gpus.is_some() || raw.residual {
            let floor = raw.at_least_gpus.map(|_| "atLeastGpus");
            for field in floor.into_iter().chain(raw.at_most_percent.as_ref().map(|_| "atMostPercent")) {
                let message = format!("{field} has no effect on a fixed or residual share");
                self.fault("TR028", &format!("{path}.{field}"), &message, "delete it");
            }
        }
        let rule = if let Some(gpus) = raw.gpus {
            ShareRule::Fixed(self.gpus(gpus, &format!("{path}.gpus")))
        } else if let Some(percent) = &raw.percent {
            ShareRule::Percent(self.percent(percent, 100, &format!("{path}.percent")))
        } else if raw.proportional {
            ShareRule::Proportional
        } else {
            ShareRule::Residual
        };
        Share {
            class,
            rule,
            at_least: raw.at_least_gpus.map(|g| self.gpus(g, &format!("{path}.atLeastGpus"))),
            at_most: raw
                .at_most_percent
                .as_ref()
                .map(|p| self.percent(p, 100, &format!("{path}.atMostPercent"))),
        }
    }

    /// What can be said of all shares together before the pool is known.
    pub fn sums(&mut self) {
        let document = self.document;
        let members = document
            .members
            .iter()
            .enumerate()
            .map(|(i, m)| (format!("members[{i}].guarantee"), &m.guarantee));
        let reserves =
            document.reserves.iter().enumerate().map(|(i, r)| (format!("reserves[{i}].size"), &r.size));
        let stated: Vec<(String, &GuaranteeDocument)> = members.take(500).chain(reserves).collect();
        let classes: Vec<Option<&str>> = match document.classes.as_slice() {
            [] => vec![None],
            classes => classes.iter().map(|c| Some(c.name.as_str())).collect(),
        };
        let mut reported = BTreeMap::new();
        for class in classes {
            let shares: Vec<(String, ShareDocument)> =
                stated.iter().filter_map(|(path, raw)| of_class(path, raw, class)).collect();
            for fault in [percent_sum(&shares, class), residuals(&shares)].into_iter().flatten() {
                // A share of all classes is the same fault in each of them.
                let key = (fault.code, fault.path.clone(), fault.related.len());
                reported.entry(key).or_insert_with(|| self.faults.push(fault));
            }
        }
        for (index, member) in document.members.iter().enumerate().take(500) {
            let by_class = member.guarantee.by_class.values().any(|s| s.proportional);
            if (member.guarantee.proportional || by_class) && member.contributions.is_empty() {
                let message = "a share in proportion to contributions, but the member has none";
                let help = "add `contributions: [{amount: …}]`, or state the share in percent or GPUs";
                self.fault("TR021", &format!("members[{index}].guarantee"), message, help);
            }
        }
    }
}

/// The share that holds for a class, and its path.
fn of_class(path: &str, raw: &GuaranteeDocument, class: Option<&str>) -> Option<(String, ShareDocument)> {
    if raw.by_class.is_empty() {
        return Some((path.to_owned(), raw.whole()));
    }
    let class = class?;
    raw.by_class.get(class).map(|share| (format!("{path}.byClass.{class}"), share.clone()))
}

fn percent_sum(shares: &[(String, ShareDocument)], class: Option<&str>) -> Option<Diagnostic> {
    let points = |s: &ShareDocument| {
        s.percent.as_ref().and_then(|p| super::checker::decimal(p, 2)).filter(|p| *p <= 10_000).unwrap_or(0)
    };
    let sum: u64 = shares.iter().map(|(_, s)| points(s)).sum();
    if sum <= 10_000 {
        return None;
    }
    let of = class.map_or_else(|| "the pool".to_owned(), |c| format!("class {c:?}"));
    let message = format!("percent shares of {of} add up to {}.{:02}, more than 100", sum / 100, sum % 100);
    let mut parts: Vec<&(String, ShareDocument)> = shares.iter().filter(|(_, s)| points(s) > 0).collect();
    parts.sort_by_key(|(_, s)| std::cmp::Reverse(points(s)));
    let (first, others) = parts.split_first()?;
    let percent_path = |path: &str| format!("{path}.percent");
    let mut fault = Diagnostic::new("TR019", &percent_path(&first.0), &message, "lower a share");
    for (path, share) in others.iter().take(PARTS_SHOWN_MOST) {
        let percent = share.percent.as_deref().unwrap_or_default();
        fault = fault.related_to(&percent_path(path), &format!("{percent} percent"));
    }
    Some(fault)
}

fn residuals(shares: &[(String, ShareDocument)]) -> Option<Diagnostic> {
    let mut residual = shares.iter().filter(|(_, s)| s.residual);
    let (first, _) = residual.next()?;
    let (second, _) = residual.next()?;
    let help = "leave one; state the other in percent, in GPUs or as proportional";
    let fault = Diagnostic::new(
        "TR020",
        &format!("{second}.residual"),
        "only one member can get what all others leave",
        help,
    );
    Some(fault.related_to(&format!("{first}.residual"), "first here"))
}
