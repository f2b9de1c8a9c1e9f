//! A quota held against the treaty of its member: classes, the member's guarantee, its ceiling.

use super::checker::{classes_of, field};
use super::{GpusByClass, MemberQuota, Share};
use crate::clauses::{ClassId, ShareRule};
use crate::diagnostic::{Diagnostic, quoted};
use crate::source::nearest;
use crate::treaty::{Entitlements, Member, Treaty};
use crate::units::Gpus;

impl MemberQuota {
    /// What is wrong with the quota under that treaty. The entitlements are what shares come to on the nodes, if these
    /// are known; a treaty that has no such member is told by TR051.
    #[must_use]
    pub fn faults_under(&self, treaty: &Treaty, entitlements: Option<&Entitlements>) -> Vec<Diagnostic> {
        let Some(id) = treaty.member_id(&self.member) else { return vec![self.unknown_member(&[treaty])] };
        let mut faults = Vec::new();
        for (path, share) in self.shares() {
            for (name, number) in [("guarantee", &share.floor), ("ceiling", &share.ceiling)] {
                faults.extend(number.iter().flat_map(|n| classes(treaty, n, &path, name)));
            }
        }
        if !faults.is_empty() {
            return faults;
        }
        let member = treaty.member(id);
        let classes: Vec<Option<ClassId>> = if treaty.classes().is_empty() {
            vec![None]
        } else {
            (0..treaty.classes().len()).map(|i| u16::try_from(i).ok().map(ClassId)).collect()
        };
        for (index, class) in classes.into_iter().enumerate() {
            let name = class.map(|c| treaty.classes()[usize::from(c.0)].name.as_str());
            let known = entitlements.and_then(|e| e.members.get(id.index())?.get(index).copied());
            let guarantee = known.or_else(|| fixed_guarantee(member, class));
            faults.extend(self.floors_above(guarantee, name));
            let by_class = class.and_then(|c| member.ceiling_by_class.get(&c).copied());
            faults.extend(self.ceilings_above(by_class.or(member.ceiling), name));
        }
        faults
    }

    /// No treaty has the member.
    #[must_use]
    pub fn unknown_member(&self, treaties: &[&Treaty]) -> Diagnostic {
        let name = self.member.as_str();
        let message = format!("no member is named {}", quoted(name));
        if treaties.iter().any(|t| t.reserves().iter().any(|r| r.name == name)) {
            let message = format!("{message}; a reserve is");
            let help = "delete the object: the treaty's tiers limit the projects of a reserve";
            return Diagnostic::new("TR051", "metadata.name", &message, help);
        }
        let known: Vec<&str> =
            treaties.iter().flat_map(|t| t.members().iter().map(|m| m.name.as_str())).collect();
        let help = nearest(name, &known).map_or_else(
            || "name the object after a member of the treaty".to_owned(),
            |near| format!("did you mean {}?", quoted(near)),
        );
        Diagnostic::new("TR051", "metadata.name", &message, &help)
    }

    /// Institutions and projects with their paths.
    fn shares(&self) -> Vec<(String, &Share)> {
        let mut all = Vec::new();
        for (index, institution) in self.institutions.iter().enumerate() {
            let path = format!("institutions[{index}]");
            let projects = institution.inside.iter().enumerate();
            let projects = projects.map(|(i, project)| (format!("{path}.projects[{i}]"), project));
            all.extend(projects);
            all.push((path, institution));
        }
        all
    }

    /// `guarantee`: `None` if it is not known without the nodes.
    fn floors_above(&self, guarantee: Option<Gpus>, class: Option<&str>) -> Option<Diagnostic> {
        let floor = |share: &Share| share.floor.as_ref().and_then(|f| f.of(class)).unwrap_or(0);
        let sum: u64 = self.institutions.iter().map(|i| u64::from(floor(i))).sum();
        let of = class.map_or_else(String::new, |class| format!(" of {}", quoted(class)));
        let mut with_floor = self.institutions.iter().enumerate().filter(|(_, i)| floor(i) > 0);
        let first = with_floor.next()?.0;
        let Some(guarantee) = guarantee else {
            let message =
                format!("guarantees add up to {sum} GPUs{of}; the member's is known only with the nodes");
            let help = "state the nodes with --nodes or --node-file";
            return Some(Diagnostic::new("TR056", "institutions", &message, help));
        };
        (sum > u64::from(guarantee)).then(|| {
            let message =
                format!("guarantees add up to {sum} GPUs{of}, but {} is guaranteed {guarantee}", self.member);
            let at = |index: usize| self.floor_path(index, class);
            let mut fault = Diagnostic::new("TR052", &at(first), &message, "lower one of them");
            for (index, institution) in with_floor.take(8) {
                fault = fault.related_to(&at(index), &format!("{} GPUs", floor(institution)));
            }
            fault
        })
    }

    fn floor_path(&self, index: usize, class: Option<&str>) -> String {
        let plain = matches!(self.institutions[index].floor, Some(GpusByClass::One(_)));
        field(&format!("institutions[{index}]"), "guarantee", class.filter(|_| !plain))
    }

    fn ceilings_above(&self, of_member: Option<Gpus>, class: Option<&str>) -> Vec<Diagnostic> {
        let Some(most) = of_member else { return Vec::new() };
        let mut found = Vec::new();
        for (index, institution) in self.institutions.iter().enumerate() {
            let Some(number) = &institution.ceiling else { continue };
            let Some(ceiling) = number.of(class).filter(|c| *c > most) else { continue };
            let message = format!("ceiling {ceiling} is above the member's {most}");
            let plain = matches!(number, GpusByClass::One(_));
            let at = field(&format!("institutions[{index}]"), "ceiling", class.filter(|_| !plain));
            found.push(Diagnostic::new("TR054", &at, &message, "lower it or leave it out"));
        }
        found
    }
}

/// Classes that the treaty does not have, and plain numbers where it has several.
fn classes(treaty: &Treaty, number: &GpusByClass, path: &str, name: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for class in classes_of([number]) {
        let path = field(path, name, class);
        let known: Vec<&str> = treaty.classes().iter().map(|c| c.name.as_str()).collect();
        match class {
            None if known.len() > 1 => {
                let gpus = number.of(None).unwrap_or(0);
                let message = format!("{gpus} GPUs of which class?");
                let help = format!("write byClass: {{{}: {gpus}}}", known[0]);
                found.push(Diagnostic::new("TR023", &path, &message, &help));
            }
            Some(class) if !known.contains(&class) => {
                let message = format!("no class is named {}", quoted(class));
                let help = nearest(class, &known).map_or_else(
                    || "name a class of the treaty, or write gpus".to_owned(),
                    |near| format!("did you mean {}?", quoted(near)),
                );
                found.push(Diagnostic::new("TR017", &path, &message, &help));
            }
            _ => {}
        }
    }
    found
}

/// The member's guarantee of a class, where its text says it without the nodes.
fn fixed_guarantee(member: &Member, class: Option<ClassId>) -> Option<Gpus> {
    let mut sum: Gpus = 0;
    for share in member.shares.iter().filter(|s| s.class.is_none() || s.class == class) {
        let ShareRule::Fixed(gpus) = share.rule else { return None };
        sum = sum.saturating_add(gpus);
    }
    Some(sum)
}
