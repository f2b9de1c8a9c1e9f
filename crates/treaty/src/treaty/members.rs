//! Validation of the members.

use std::collections::BTreeMap;

use crate::clauses::{ClassId, Contribution, KeyText, Share, ShareRule, Suspension, WeightBy};
use crate::diagnostic::Diagnostic;
use crate::document::{CeilingDocument, GpuCount, LendingDocument, MemberDocument, WeightByName};
use crate::treaty::Member;
use crate::treaty::checker::Checker;
use crate::units::Gpus;

/// Members beyond the limit are not read: their number is the fault.
const READ_MOST: usize = 500;
const AMOUNT_MOST: i64 = 1_000_000_000_000;

impl Checker<'_> {
    pub fn members(&mut self) -> Vec<Member> {
        let mut taken = BTreeMap::new();
        let mut members = Vec::new();
        for (index, raw) in self.document.members.iter().enumerate().take(READ_MOST) {
            let path = format!("members[{index}]");
            self.dns_label(&raw.name, &format!("{path}.name"));
            members.push(self.one_member(raw, &path));
            self.once(&raw.name, &format!("{path}.name"), &mut taken);
        }
        members
    }

    fn one_member(&mut self, raw: &MemberDocument, path: &str) -> Member {
        if let Some(title) = &raw.title {
            self.text(title, &format!("{path}.title"));
        }
        if let Some(country) = &raw.country {
            self.country(country, &format!("{path}.country"));
        }
        let weight = raw.weight.map(|w| self.number(w, 1..=1_000_000, &format!("{path}.weight")));
        let shares = self.shares(&raw.guarantee, &format!("{path}.guarantee"));
        let fixed = |rule: ShareRule| if let ShareRule::Fixed(gpus) = rule { Some(gpus) } else { None };
        let guarantee = shares.iter().filter_map(|s| fixed(s.rule)).sum::<Gpus>();
        let only_fixed = shares.iter().all(|s| fixed(s.rule).is_some());
        let (ceiling, ceiling_by_class) =
            raw.ceiling.as_ref().map_or_else(Default::default, |c| self.ceiling(c, path));
        let (keep, keep_by_class, never_lends) =
            raw.lending.as_ref().map_or_else(Default::default, |l| self.lending(l, path));
        self.within_each_class(&shares, &ceiling_by_class, &keep_by_class, path);
        if let Some(ceiling) = ceiling.filter(|c| *c < guarantee) {
            let message = format!("ceiling {ceiling} is below the guarantee {guarantee}");
            let help = "raise the ceiling or lower the guarantee";
            let fault = Diagnostic::new("TR005", &format!("{path}.ceiling.gpus"), &message, help);
            self.faults.push(fault.related_to(&format!("{path}.guarantee.gpus"), "the guarantee"));
        }
        if keep > guarantee && only_fixed {
            let message = format!("keeps {keep} GPUs, but is guaranteed only {guarantee}");
            let fault = Diagnostic::new(
                "TR007",
                &format!("{path}.lending.keepGpus"),
                &message,
                "keep at most the guarantee",
            );
            self.faults.push(fault.related_to(&format!("{path}.guarantee.gpus"), "the guarantee"));
        }
        Member {
            name: raw.name.clone(),
            title: raw.title.clone(),
            country: raw.country.clone(),
            contributions: self.contributions(raw, path),
            weight: weight.and_then(|w| u32::try_from(w).ok()),
            shares,
            guarantee,
            ceiling,
            ceiling_by_class,
            keep_by_class,
            keep: if never_lends { guarantee } else { keep },
            never_lends,
            suspended: raw.suspended.as_ref().and_then(|s| {
                self.text(&s.reason, &format!("{path}.suspended.reason"));
                let from = self.date(&s.from, &format!("{path}.suspended.from"))?;
                Some(Suspension { from, reason: s.reason.clone() })
            }),
            keys: raw.keys.iter().map(|key| KeyText(key.clone())).collect(),
            is_reserve: false,
            closed: None,
            surplus_weight: u64::from(guarantee).max(1),
        }
    }

    fn ceiling(&mut self, raw: &CeilingDocument, path: &str) -> (Option<Gpus>, BTreeMap<ClassId, Gpus>) {
        let path = format!("{path}.ceiling");
        if raw.gpus.is_some() != raw.by_class.is_empty() {
            let help =
                "write {gpus: 96}, or {byClass: {h100: {gpus: 48}}}; without the clause, the whole pool";
            self.fault("TR018", &path, "a ceiling is one of gpus and byClass", help);
        }
        if let Some(gpus) = raw.gpus {
            self.of_which_class(gpus, "byClass", &path);
        }
        let by_class = self.by_class(&raw.by_class, &format!("{path}.byClass"));
        (raw.gpus.map(|gpus| self.gpus(gpus, &format!("{path}.gpus"))), by_class)
    }

    fn lending(&mut self, raw: &LendingDocument, path: &str) -> (Gpus, BTreeMap<ClassId, Gpus>, bool) {
        let path = format!("{path}.lending");
        let forms = [raw.keep_gpus.is_some(), !raw.keep_by_class.is_empty(), raw.never];
        if forms.iter().filter(|form| **form).count() != 1 {
            let help = "write {keepGpus: 8} or {never: true}; without the clause, all is lent";
            self.fault("TR018", &path, "lending needs one of keepGpus, keepByClass and never", help);
        }
        if let Some(gpus) = raw.keep_gpus {
            self.of_which_class(gpus, "keepByClass", &path);
        }
        let by_class = self.by_class(&raw.keep_by_class, &format!("{path}.keepByClass"));
        let keep = raw.keep_gpus.map_or(0, |keep| self.gpus(keep, &format!("{path}.keepGpus")));
        (keep, by_class, raw.never)
    }

    fn by_class(&mut self, raw: &BTreeMap<String, GpuCount>, path: &str) -> BTreeMap<ClassId, Gpus> {
        let mut by_class = BTreeMap::new();
        for (name, count) in raw {
            let path = format!("{path}.{name}");
            let gpus = self.gpus(count.gpus, &format!("{path}.gpus"));
            by_class.extend(self.class(name, &path).map(|class| (class, gpus)));
        }
        by_class
    }

    /// A ceiling must not be below a fixed guarantee of its class, nor what is kept above it.
    fn within_each_class(
        &mut self,
        shares: &[Share],
        ceilings: &BTreeMap<ClassId, Gpus>,
        keeps: &BTreeMap<ClassId, Gpus>,
        path: &str,
    ) {
        let classes = self.document.classes.iter().map(|class| class.name.as_str());
        for (name, class) in classes.zip((0..).map(ClassId)) {
            let share = shares.iter().find(|s| s.class == Some(class));
            let guarantee = match share.map(|s| s.rule) {
                Some(ShareRule::Fixed(gpus)) => gpus,
                None => 0,
                Some(_) => continue,
            };
            let there = format!("{path}.guarantee.byClass.{name}");
            if let Some(ceiling) = ceilings.get(&class).filter(|ceiling| **ceiling < guarantee) {
                let message = format!("ceiling {ceiling} of {name} is below the guarantee {guarantee}");
                let at = format!("{path}.ceiling.byClass.{name}");
                let fault =
                    Diagnostic::new("TR005", &at, &message, "raise the ceiling or lower the guarantee");
                self.faults.push(fault.related_to(&there, "the guarantee"));
            }
            if let Some(keep) = keeps.get(&class).filter(|keep| **keep > guarantee) {
                let message = format!("keeps {keep} GPUs of {name}, but is guaranteed only {guarantee}");
                let at = format!("{path}.lending.keepByClass.{name}");
                let fault = Diagnostic::new("TR007", &at, &message, "keep at most the guarantee");
                self.faults.push(match share {
                    Some(_) => fault.related_to(&there, "the guarantee"),
                    None => fault.related_to(&format!("{path}.guarantee"), "no guarantee of this class"),
                });
            }
        }
    }

    /// With several classes a number of GPUs must say of which.
    pub(super) fn of_which_class(&mut self, gpus: i64, field: &str, path: &str) {
        if self.class_ids.len() > 1 {
            let class = self.document.classes.first().map_or("a-class", |c| c.name.as_str());
            let help = format!("write {field}: {{{class}: {{gpus: {gpus}}}}}");
            self.fault("TR023", path, &format!("{gpus} GPUs of which class?"), &help);
        }
    }

    fn contributions(&mut self, raw: &MemberDocument, path: &str) -> Vec<Contribution> {
        let mut contributions = Vec::new();
        for (index, contribution) in raw.contributions.iter().enumerate() {
            let path = format!("{path}.contributions[{index}]");
            let amount = self.number(contribution.amount, 1..=AMOUNT_MOST, &format!("{path}.amount"));
            if let Some(note) = &contribution.note {
                self.text(note, &format!("{path}.note"));
            }
            let paid_on = contribution.paid_on.as_ref().and_then(|d| self.date(d, &format!("{path}.paidOn")));
            contributions.push(Contribution { amount: amount.unsigned_abs(), paid_on });
        }
        contributions
    }

    /// Weights and contributions that votes and surplus rest on.
    pub fn weights(&mut self) {
        let surplus = self.document.surplus.and_then(|s| s.weight_by);
        let by: Vec<WeightByName> =
            surplus.into_iter().chain(self.document.votes.iter().map(|v| v.weight_by)).collect();
        let stated = by.contains(&WeightByName::Stated);
        let by_contribution = by.contains(&WeightByName::Contribution);
        let document = self.document;
        for (index, member) in document.members.iter().enumerate().take(READ_MOST) {
            match member.weight {
                None if stated => {
                    let help = "add `weight:` to every member";
                    self.fault(
                        "TR027",
                        &format!("members[{index}]"),
                        "weightBy is stated, but the member has no weight",
                        help,
                    );
                }
                Some(weight) if !stated => {
                    let message =
                        format!("weight {weight} has no effect: nothing is weighed by stated weights");
                    let help = "delete it, or add surplus: {weightBy: stated}";
                    self.fault("TR027", &format!("members[{index}].weight"), &message, help);
                }
                _ => {}
            }
            if by_contribution && member.contributions.is_empty() {
                let message = "weightBy is contribution, but the member has none";
                self.fault(
                    "TR021",
                    &format!("members[{index}]"),
                    message,
                    "add `contributions: [{amount: …}]`",
                );
            }
        }
    }
}

/// The validated form of a word.
pub const fn weight_by(name: WeightByName) -> WeightBy {
    match name {
        WeightByName::Guarantee => WeightBy::Guarantee,
        WeightByName::Equal => WeightBy::Equal,
        WeightByName::Contribution => WeightBy::Contribution,
        WeightByName::Stated => WeightBy::Stated,
    }
}
