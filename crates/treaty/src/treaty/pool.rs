//! Validation of classes, rounding, reserves, surplus, line and reclaim.

use std::collections::BTreeMap;

use crate::clauses::{
    Eligibility, GpuClass, LineOrder, LineRule, Opening, ReclaimRule, ReserveRule, Rounding, RoundingUnit,
    ShareRule, SurplusRule, Tier,
};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{
    ClassDocument, LineOrderName, NodeLabels, OpeningDocument, RemainderName, ReserveDocument, RoundToName,
    TierDocument, WeightByName,
};
use crate::treaty::checker::{Checker, GPU_HOURS_MOST, RECLAIM_SECONDS_MOST, decimal};
use crate::treaty::governance::eligibility_of;
use crate::treaty::members::weight_by;
use crate::units::{DurationMillis, GpuHours};

/// Same limits as the CRD's schema.
const CLASSES_MOST: usize = 16;
const RESERVES_MOST: usize = 32;
const SECONDS_OF_HOUR: i64 = 3_600;
const SECONDS_OF_DAY: i64 = 86_400;
/// One leap year.
const HOURS_MOST: i64 = 8_784;
/// A million charge units for an hour, in thousandths.
const CHARGE_MOST: u64 = 1_000_000_000;

impl Checker<'_> {
    pub fn classes(&mut self) -> Vec<GpuClass> {
        let document = self.document;
        self.at_most(document.classes.len(), CLASSES_MOST, "classes");
        let mut taken = BTreeMap::new();
        let mut classes = Vec::new();
        for (index, raw) in document.classes.iter().enumerate().take(CLASSES_MOST) {
            let path = format!("classes[{index}]");
            self.name(&raw.name, &format!("{path}.name"), &mut taken);
            if raw.node_labels.is_empty() {
                let help = "add a label that only these nodes have, for example {gpu: h100}";
                self.fault(
                    "TR025",
                    &format!("{path}.nodeLabels"),
                    "a class without labels would be every node",
                    help,
                );
            }
            self.labels(&raw.node_labels, &format!("{path}.nodeLabels"));
            for (first, other) in document.classes.iter().enumerate().take(index) {
                self.distinct(raw, other, index, first);
            }
            classes.push(GpuClass {
                name: raw.name.clone(),
                node_labels: raw.node_labels.clone(),
                charge_per_gpu_hour_thousandths: self.charge(raw, &path),
                charge_whole_nodes: raw.charge.as_ref().is_some_and(|c| c.whole_nodes),
            });
        }
        classes
    }

    fn distinct(&mut self, raw: &ClassDocument, other: &ClassDocument, index: usize, first: usize) {
        if raw.node_labels.is_empty() || !could_share_a_node(&raw.node_labels, &other.node_labels) {
            return;
        }
        let message =
            format!("a node could be of class {} and of class {}", quoted(&raw.name), quoted(&other.name));
        let help = "give both a label with the same name and different values";
        let fault = Diagnostic::new("TR026", &format!("classes[{index}].nodeLabels"), &message, help);
        self.faults.push(fault.related_to(&format!("classes[{first}].nodeLabels"), "the other class"));
    }

    fn charge(&mut self, raw: &ClassDocument, path: &str) -> u32 {
        let Some(charge) = &raw.charge else { return 1_000 };
        let thousandths = decimal(&charge.per_gpu_hour, 3).filter(|v| *v <= CHARGE_MOST);
        thousandths.and_then(|v| u32::try_from(v).ok()).unwrap_or_else(|| {
            let message = format!("{} is not a price between 0 and 1,000,000", quoted(&charge.per_gpu_hour));
            let help = "write digits with at most three decimals, for example \"1.25\"";
            self.fault("TR012", &format!("{path}.charge.perGpuHour"), &message, help);
            0
        })
    }

    pub fn rounding(&self) -> Rounding {
        match self.document.rounding.map(|r| r.remainder) {
            Some(RemainderName::Largest) => Rounding::LargestRemainder,
            Some(RemainderName::Surplus) | None => Rounding::Down,
        }
    }

    pub fn rounding_unit(&self) -> RoundingUnit {
        match self.document.rounding.map(|r| r.to) {
            Some(RoundToName::Nodes) => RoundingUnit::Node,
            Some(RoundToName::Gpus) | None => RoundingUnit::Gpu,
        }
    }

    pub fn reserves(&mut self) -> Vec<ReserveRule> {
        let document = self.document;
        self.at_most(document.reserves.len(), RESERVES_MOST, "reserves");
        let mut taken = BTreeMap::new();
        let mut reserves = Vec::new();
        for (index, raw) in document.reserves.iter().enumerate().take(RESERVES_MOST) {
            let path = format!("reserves[{index}]");
            self.name(&raw.name, &format!("{path}.name"), &mut taken);
            if let Some(member) = self.member_ids.get(raw.name.as_str()).copied() {
                let message = format!("{} is the name of a member", quoted(&raw.name));
                let fault = Diagnostic::new(
                    "TR022",
                    &format!("{path}.name"),
                    &message,
                    "give the reserve another name",
                );
                self.faults.push(fault.related_to(&format!("members[{}].name", member.0), "the member"));
            }
            reserves.push(self.reserve(raw, &path));
        }
        reserves
    }

    fn reserve(&mut self, raw: &ReserveDocument, path: &str) -> ReserveRule {
        let size_path = format!("{path}.size");
        let shares = self.shares(&raw.size, &size_path);
        let stated = |rule: &ShareRule| matches!(rule, ShareRule::Fixed(_) | ShareRule::Percent(_));
        let no_form = raw.size.whole() == Default::default();
        if !no_form && !shares.iter().all(|s| stated(&s.rule)) {
            let message = "a reserve is no party: it cannot be proportional or residual";
            self.fault("TR018", &size_path, message, "write {gpus: 16} or {percent: \"5\"}");
        }
        let mut taken = BTreeMap::new();
        let mut tiers = Vec::new();
        for (index, tier) in raw.tiers.iter().enumerate() {
            let path = format!("{path}.tiers[{index}]");
            self.name(&tier.name, &format!("{path}.name"), &mut taken);
            tiers.push(self.tier(tier, &path));
        }
        let eligibility = match (&raw.eligibility, &self.document.eligibility) {
            (Some(own), _) => self.eligibility(own, &format!("{path}.eligibility")),
            (None, Some(of_the_pool)) => eligibility_of(of_the_pool),
            (None, None) => Eligibility::default(),
        };
        ReserveRule {
            name: raw.name.clone(),
            shares,
            opening: raw
                .opening
                .as_ref()
                .map_or(Opening::Always, |o| self.opening(o, &format!("{path}.opening"))),
            eligibility,
            tiers,
        }
    }

    fn opening(&mut self, raw: &OpeningDocument, path: &str) -> Opening {
        if raw.decided_by.is_empty() {
            let help = "name a member, or delete `opening` for a reserve that is always open";
            self.fault("TR028", &format!("{path}.decidedBy"), "nobody can open the reserve", help);
        }
        let mut taken = BTreeMap::new();
        let mut by = Vec::new();
        for (index, name) in raw.decided_by.iter().enumerate() {
            let path = format!("{path}.decidedBy[{index}]");
            by.extend(self.member(name, &path));
            self.once(name, &path, &mut taken);
        }
        let days = self.number(raw.longest_days, 1..=366, &format!("{path}.longestDays"));
        Opening::OnDecision { by, sunset: DurationMillis::from_seconds(days * SECONDS_OF_DAY) }
    }

    fn tier(&mut self, raw: &TierDocument, path: &str) -> Tier {
        let gpus_path = format!("{path}.mostGpus");
        let gpus = self.gpus(raw.most_gpus, &gpus_path);
        if raw.most_gpus == 0 {
            self.fault("TR009", &gpus_path, "a tier of 0 GPUs", "write at least 1");
        }
        let hours = self.number(raw.gpu_hours, 1..=GPU_HOURS_MOST, &format!("{path}.gpuHours"));
        let days = self.number(raw.decided_within_days, 0..=366, &format!("{path}.decidedWithinDays"));
        Tier {
            name: raw.name.clone(),
            gpus_most: gpus,
            gpu_hours_most: hours.unsigned_abs(),
            decision: DurationMillis::from_seconds(days * SECONDS_OF_DAY),
        }
    }

    pub fn surplus(&mut self) -> SurplusRule {
        let Some(raw) = self.document.surplus else { return SurplusRule::default() };
        let half_life = raw.usage_half_life_hours;
        let half_life = half_life.map(|h| self.number(h, 1..=HOURS_MOST, "surplus.usageHalfLifeHours"));
        let cap = raw.credit_cap_gpu_hours;
        let cap = cap.map(|h| self.number(h, 1..=GPU_HOURS_MOST, "surplus.creditCapGpuHours"));
        SurplusRule {
            weight_by: weight_by(raw.weight_by.unwrap_or(WeightByName::Guarantee)),
            usage_half_life: half_life.map(|h| DurationMillis::from_seconds(h * SECONDS_OF_HOUR)),
            credit_cap: cap.map(|h: i64| -> GpuHours { h.unsigned_abs() }),
        }
    }

    pub fn line(&mut self) -> LineRule {
        let Some(raw) = self.document.line else { return LineRule::default() };
        let aging = raw.aging_hours.map(|h| self.number(h, 1..=HOURS_MOST, "line.agingHours"));
        LineRule {
            alone: match raw.alone {
                Some(LineOrderName::FirstFit) => LineOrder::FirstFit,
                Some(LineOrderName::Submission) | None => LineOrder::Submission,
            },
            shortest_first: raw.shortest_first,
            aging: aging.map(|h| DurationMillis::from_seconds(h * SECONDS_OF_HOUR)),
        }
    }

    pub fn reclaim(&mut self) -> ReclaimRule {
        let raw = self.document.reclaim;
        if !(0..=RECLAIM_SECONDS_MOST).contains(&raw.notice_seconds) {
            let message = format!("{} is not between 0 and {RECLAIM_SECONDS_MOST}", raw.notice_seconds);
            self.fault(
                "TR006",
                "reclaim.noticeSeconds",
                &message,
                "state the notice in seconds, at most one week",
            );
        }
        let minimum = raw.minimum_run_seconds.unwrap_or(0);
        let minimum = self.number(minimum, 0..=RECLAIM_SECONDS_MOST, "reclaim.minimumRunSeconds");
        ReclaimRule {
            notice: DurationMillis::from_seconds(raw.notice_seconds.clamp(0, RECLAIM_SECONDS_MOST)),
            minimum_run: DurationMillis::from_seconds(minimum),
        }
    }

    /// Lists have limits, so that checks that compare all with all stay quick.
    pub fn at_most(&mut self, found: usize, most: usize, path: &str) {
        if found > most {
            let message = format!("{found} entries, but at most {most} are supported");
            self.fault("TR009", path, &message, "delete some");
        }
    }
}

/// Whether a node can have both sets of labels: no label is wanted with two values.
pub fn could_share_a_node(some: &NodeLabels, others: &NodeLabels) -> bool {
    some.iter().all(|(key, value)| others.get(key).is_none_or(|other| other == value))
}
