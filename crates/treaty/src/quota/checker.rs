//! Validation of a member quota by its own text; every fault is found in one pass.

use std::collections::{BTreeMap, BTreeSet};

use super::{GpusByClass, MemberQuota, Share};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{InstitutionDocument, MemberQuotaDocument, ProjectShareDocument, QuotaGpusDocument};
use crate::treaty::is_dns_label;
use crate::units::Gpus;

/// Same limits as the schema's.
const ENTRIES_MOST: usize = 500;
const GPUS_MOST: i64 = 1_000_000;
const WEIGHT_MOST: i64 = 1_000_000;

/// The quota, as far as it can be read, and all faults.
pub(super) fn validate(member: &str, document: &MemberQuotaDocument) -> (MemberQuota, Vec<Diagnostic>) {
    let mut checker = Checker::default();
    checker.dns_label(member, "metadata.name");
    checker.entries(document.institutions.len(), 1, "institutions");
    let mut institutions = Vec::new();
    for (index, raw) in document.institutions.iter().enumerate().take(ENTRIES_MOST) {
        institutions.push(checker.institution(raw, &format!("institutions[{index}]")));
    }
    let ceiling = document.people.and_then(|p| p.ceiling_gpus);
    let person_ceiling = ceiling.map(|gpus| checker.number(gpus, 1, GPUS_MOST, "people.ceilingGpus"));
    (MemberQuota { member: member.to_owned(), institutions, person_ceiling }, checker.faults)
}

#[derive(Default)]
struct Checker {
    faults: Vec<Diagnostic>,
    /// Where each name was seen first. A project stands in one institution only: it is one namespace.
    institutions: BTreeMap<String, String>,
    projects: BTreeMap<String, String>,
}

impl Checker {
    fn fault(&mut self, code: &'static str, path: &str, message: &str, help: &str) {
        self.faults.push(Diagnostic::new(code, path, message, help));
    }

    fn entries(&mut self, found: usize, least: usize, path: &str) {
        if found < least {
            let help = "add an institution, or delete the object: without it all institutions share equally";
            self.fault("TR050", path, "a member quota needs at least one institution", help);
        } else if found > ENTRIES_MOST {
            let message = format!("{found} entries, but at most {ENTRIES_MOST} are supported");
            self.fault("TR050", path, &message, "leave out those with weight 1 and no limits");
        }
    }

    fn institution(&mut self, raw: &InstitutionDocument, path: &str) -> Share {
        self.name(&raw.name, path, false);
        self.entries(raw.projects.len(), 0, &format!("{path}.projects"));
        let mut share = self.share(&raw.name, raw.weight, raw.guarantee.as_ref(), raw.ceiling.as_ref(), path);
        for (index, project) in raw.projects.iter().enumerate().take(ENTRIES_MOST) {
            let path = format!("{path}.projects[{index}]");
            share.inside.push(self.project(project, &path));
        }
        self.floors_inside(&share, path);
        self.ceilings_inside(&share, path);
        share
    }

    fn project(&mut self, raw: &ProjectShareDocument, path: &str) -> Share {
        self.name(&raw.name, path, true);
        self.share(&raw.name, raw.weight, raw.guarantee.as_ref(), raw.ceiling.as_ref(), path)
    }

    fn share(
        &mut self,
        name: &str,
        weight: Option<i64>,
        guarantee: Option<&QuotaGpusDocument>,
        ceiling: Option<&QuotaGpusDocument>,
        path: &str,
    ) -> Share {
        let weight = self.number(weight.unwrap_or(1), 1, WEIGHT_MOST, &format!("{path}.weight"));
        let floor = guarantee.map(|raw| self.gpus_by_class(raw, &format!("{path}.guarantee")));
        let ceiling = ceiling.map(|raw| self.gpus_by_class(raw, &format!("{path}.ceiling")));
        if let (Some(floor), Some(ceiling)) = (&floor, &ceiling) {
            self.ceiling_holds_floor(floor, ceiling, path);
        }
        Share { name: name.to_owned(), weight, floor, ceiling, inside: Vec::new() }
    }

    fn ceiling_holds_floor(&mut self, floor: &GpusByClass, ceiling: &GpusByClass, path: &str) {
        for class in classes_of([floor]) {
            let both = of_same_form(floor, class).zip(of_same_form(ceiling, class));
            let Some((floor, ceiling)) = both.filter(|(floor, ceiling)| ceiling < floor) else { continue };
            let message = format!("ceiling {ceiling} is below the guarantee {floor}");
            let help = "raise the ceiling or lower the guarantee";
            let fault = Diagnostic::new("TR005", &field(path, "ceiling", class), &message, help);
            self.faults.push(fault.related_to(&field(path, "guarantee", class), "the guarantee"));
        }
    }

    fn floors_inside(&mut self, share: &Share, path: &str) {
        let floors: Vec<&GpusByClass> = share.inside.iter().filter_map(|p| p.floor.as_ref()).collect();
        for class in classes_of(floors) {
            let of = |share: &Share| share.floor.as_ref().and_then(|f| of_same_form(f, class)).unwrap_or(0);
            let sum: u64 = share.inside.iter().map(|p| u64::from(of(p))).sum();
            let own = of(share);
            if sum <= u64::from(own) {
                continue;
            }
            let message =
                format!("guarantees of projects add up to {sum} GPUs, but the institution's own is {own}");
            let help = format!("lower one, or give the institution a guarantee of {sum}");
            let mut fault = Diagnostic::new("TR053", &format!("{path}.projects"), &message, &help);
            if share.floor.is_some() {
                fault = fault.related_to(&field(path, "guarantee", class), "the institution's own");
            }
            self.faults.push(fault);
        }
    }

    fn ceilings_inside(&mut self, share: &Share, path: &str) {
        let Some(own) = &share.ceiling else { return };
        for (index, project) in share.inside.iter().enumerate() {
            let Some(ceiling) = &project.ceiling else { continue };
            for class in classes_of([ceiling]) {
                let both = of_same_form(ceiling, class).zip(of_same_form(own, class));
                let Some((inner, outer)) = both.filter(|(inner, outer)| inner > outer) else { continue };
                let message = format!("ceiling {inner} is above the institution's {outer}");
                let at = field(&format!("{path}.projects[{index}]"), "ceiling", class);
                let fault = Diagnostic::new("TR054", &at, &message, "lower it or leave it out");
                self.faults.push(fault.related_to(&field(path, "ceiling", class), "the institution's own"));
            }
        }
    }

    fn gpus_by_class(&mut self, raw: &QuotaGpusDocument, path: &str) -> GpusByClass {
        if raw.gpus.is_some() != raw.by_class.is_empty() {
            let how_many = if raw.gpus.is_none() { "none" } else { "both" };
            let message = format!("one of gpus and byClass belongs here; here are {how_many}");
            self.fault("TR018", path, &message, "write {gpus: 32} or {byClass: {a-class: 32}}");
        }
        if let Some(gpus) = raw.gpus {
            return GpusByClass::One(self.gpus(gpus, &format!("{path}.gpus")));
        }
        let number = |(name, gpus): (&String, &i64)| {
            (name.clone(), self.gpus(*gpus, &format!("{path}.byClass.{name}")))
        };
        GpusByClass::Named(raw.by_class.iter().map(number).collect())
    }

    fn gpus(&mut self, value: i64, path: &str) -> Gpus {
        if !(0..=GPUS_MOST).contains(&value) {
            let message = format!("{value} is not between 0 and {GPUS_MOST}");
            self.fault("TR004", path, &message, "state a number of whole GPUs");
        }
        Gpus::try_from(value.clamp(0, GPUS_MOST)).unwrap_or(0)
    }

    fn number(&mut self, value: i64, least: i64, most: i64, path: &str) -> u32 {
        if !(least..=most).contains(&value) {
            let message = format!("{value} is not between {least} and {most}");
            self.fault("TR009", path, &message, "write a number in that range");
        }
        u32::try_from(value.clamp(least, most)).unwrap_or(1)
    }

    fn dns_label(&mut self, name: &str, path: &str) {
        if !is_dns_label(name) {
            let message = format!("{} is not a DNS label", quoted(name));
            let help = "use lower-case letters, digits and inner hyphens, at most 63";
            self.fault("TR002", path, &message, help);
        }
    }

    fn name(&mut self, name: &str, path: &str, is_project: bool) {
        let name_path = format!("{path}.name");
        self.dns_label(name, &name_path);
        let taken = if is_project { &mut self.projects } else { &mut self.institutions };
        if let Some(first) = taken.get(name) {
            let owner = first.strip_suffix(".name").unwrap_or(first);
            let message = format!("{} stands already at {owner}", quoted(name));
            let help = "give each a name of its own, or delete one";
            let fault = Diagnostic::new("TR003", &name_path, &message, help);
            self.faults.push(fault.related_to(first, "first here"));
        } else {
            taken.insert(name.to_owned(), name_path);
        }
    }
}

/// The classes of which something is said; `None` where a plain number stands.
pub(super) fn classes_of<'a>(
    numbers: impl IntoIterator<Item = &'a GpusByClass>,
) -> BTreeSet<Option<&'a str>> {
    let names = |number: &'a GpusByClass| match number {
        GpusByClass::One(_) => vec![None],
        GpusByClass::Named(by_class) => by_class.keys().map(|name| Some(name.as_str())).collect(),
    };
    numbers.into_iter().flat_map(names).collect()
}

/// The number in that form; a plain number and one by class are compared only once the treaty is known.
fn of_same_form(number: &GpusByClass, class: Option<&str>) -> Option<Gpus> {
    match (number, class) {
        (GpusByClass::One(gpus), None) => Some(*gpus),
        (GpusByClass::Named(by_class), Some(class)) => by_class.get(class).copied(),
        _ => None,
    }
}

/// Path of a number.
pub(super) fn field(path: &str, name: &str, class: Option<&str>) -> String {
    class.map_or_else(|| format!("{path}.{name}.gpus"), |class| format!("{path}.{name}.byClass.{class}"))
}
