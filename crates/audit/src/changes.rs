//! That treaties follow each other, and are what their amendments proposed and their members carried.

use std::collections::{BTreeMap, BTreeSet};

use concord_ledger::entry::{Step, TreatyInForce};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::TimestampMillis;

use crate::amendments::{Case, Doubt};
use crate::finding::{Findings, Kind};
use crate::history::{Dated, History};
use crate::texts::Texts;

/// Checks the changes of the treaty; what is not wrong and yet to be told.
pub(crate) fn check(
    history: &History,
    cases: &[Case<'_>],
    texts: &Texts,
    findings: &mut Findings,
) -> Vec<String> {
    let mut told = Vec::new();
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    let mut before: Option<&Dated<TreatyInForce>> = None;
    let mut unvoted = 0;
    for ruled in &history.treaties {
        let (treaty, generation) = (&ruled.what.treaty, ruled.what.generation);
        let known = newest.insert(uid(ruled), generation);
        match known {
            // The same text may stop ruling for a while, and rule again.
            Some(before) if generation == before => {}
            Some(before) if generation < before => findings.add(Kind::Succession, || {
                format!("generation {generation} of treaty {treaty} came into force at {} after generation {before}", ruled.at)
            }),
            Some(before) if generation > before + 1 => told.push(format!(
                "between generations {before} and {generation} of treaty {treaty} others may have been in force for a moment"
            )),
            _ => {}
        }
        let change = Change { ruled, before: before.replace(ruled), cases, texts };
        match &ruled.what.amendment {
            // A text that may be changed freely keeps the name of the amendment that made it.
            Some(name) if change.is_left_over(name) => unvoted += 1,
            Some(name) => {
                change.named(name, findings, &mut told);
                voted_down(history, ruled, name, findings);
            }
            None if change.is_of_a_settled_text() => change.unnamed(findings, &mut told),
            None => unvoted += u64::from(known.is_some_and(|before| before != generation)),
        }
    }
    if unvoted > 0 {
        told.push(format!(
            "{unvoted} changes of a treaty name no amendment: nobody voted on them in the record"
        ));
    }
    told
}

/// `treaty/<UID>/<generation>/<since>`: an object of the same name that was made anew is another one.
fn uid(ruled: &Dated<TreatyInForce>) -> &str {
    ruled.id.split('/').nth(1).unwrap_or_default()
}

fn voted_down(history: &History, ruled: &Dated<TreatyInForce>, name: &str, findings: &mut Findings) {
    let (treaty, generation) = (&ruled.what.treaty, ruled.what.generation);
    let is_lost = history.amendments.iter().any(|step| {
        let of_it = (step.what.amendment.as_str(), &step.what.treaty) == (name, treaty);
        of_it
            && step.at.as_second() <= ruled.at.as_second()
            && matches!(step.what.step, Step::Decided { passed: false, .. })
    });
    if is_lost {
        findings.add(Kind::Succession, || {
            format!("generation {generation} of treaty {treaty} names amendment {name}, which was voted down")
        });
    }
}

/// A text that begins to rule after another one.
struct Change<'c> {
    ruled: &'c Dated<TreatyInForce>,
    before: Option<&'c Dated<TreatyInForce>>,
    cases: &'c [Case<'c>],
    texts: &'c Texts,
}

impl Change<'_> {
    fn title(&self) -> String {
        let TreatyInForce { treaty, generation, .. } = &self.ruled.what;
        format!("generation {generation} of treaty {treaty}, in force since {},", self.ruled.at)
    }

    /// The entry before, where it is another text that may have been changed into this one.
    fn changed(&self) -> Option<&Dated<TreatyInForce>> {
        let is_other = |before: &&Dated<TreatyInForce>| before.what.text != self.ruled.what.text;
        self.before.filter(is_other)
    }

    /// Whether a text may have ruled in between that is in no entry.
    fn has_gap(&self) -> bool {
        self.before.is_some_and(|before| {
            uid(before) == uid(self.ruled) && self.ruled.what.generation > before.what.generation + 1
        })
    }

    /// The text before, if it says how it is amended and still held.
    fn is_of_a_settled_text(&self) -> bool {
        self.changed().and_then(|before| self.texts.treaty(&before.what.text).ok()).is_some_and(is_settled)
    }

    /// Whether the name is that of the amendment that made the text before, which could be changed without another.
    fn is_left_over(&self, name: &str) -> bool {
        let is_free = |before: &&Dated<TreatyInForce>| {
            before.what.amendment.as_deref() == Some(name)
                && before.what.treaty == self.ruled.what.treaty
                && self.texts.treaty(&before.what.text).is_ok_and(|t| !is_settled(t) || self.has_ended(t))
        };
        let (text, at) = (&self.ruled.what.text, self.ruled.at.as_millisecond());
        let of_it = |case: &&Case<'_>| (case.name, case.treaty) == (name, self.ruled.what.treaty.as_str());
        self.changed().filter(is_free).is_some()
            && !self.cases.iter().filter(of_it).any(|case| case.fits(text, at).is_some())
    }

    /// Whether a text does not hold any more, by its own dates.
    fn has_ended(&self, treaty: &Treaty) -> bool {
        !treaty.holds_on(treaty.day(TimestampMillis(self.ruled.at.as_millisecond())))
    }

    /// A text that came to rule by an amendment.
    fn named(&self, name: &str, findings: &mut Findings, told: &mut Vec<String>) {
        let (text, at) = (&self.ruled.what.text, self.ruled.at.as_millisecond());
        if self.before.is_some_and(|before| before.what.text == *text && uid(before) == uid(self.ruled)) {
            return;
        }
        let named =
            self.cases.iter().filter(|case| (case.name, case.treaty) == (name, &self.ruled.what.treaty));
        // The last of a name first: one that was withdrawn may have been proposed again.
        let found = named.filter_map(|case| Some((case, case.fits(text, at)?))).rev();
        let judged: Vec<_> = found
            .map(|(case, fits)| match case.carries(fits, at, self.texts) {
                Ok(()) => case.follows(fits).map_or(Ok(()), |before| self.follows(before)),
                doubt => doubt,
            })
            .collect();
        if judged.contains(&Ok(())) {
            return;
        }
        match judged.into_iter().next() {
            None => findings.add(Kind::Succession, || {
                format!("{} names amendment {name}, which did not propose its text", self.title())
            }),
            Some(Err(Doubt::Wrong(why))) => {
                findings.add(Kind::Unratified, || format!("{} names amendment {name}: {why}", self.title()));
            }
            Some(Err(Doubt::Unknown(why))) => {
                told.push(format!("whether amendment {name} carries {} cannot be told: {why}", self.title()));
            }
            Some(Ok(())) => {}
        }
    }

    /// Whether the text that an amendment changes is the one that ruled before.
    fn follows(&self, expected: &str) -> Result<(), Doubt> {
        let Some(before) = self.changed().filter(|before| before.what.treaty == self.ruled.what.treaty)
        else {
            return Ok(());
        };
        let found = &before.what.text;
        if found == expected || self.has_gap() && self.reached(found).contains(expected) {
            return Ok(());
        }
        if self.has_gap() && !self.is_of_a_settled_text() {
            return Ok(());
        }
        Err(Doubt::Wrong(format!(
            "it follows the text {expected}, and the text that ruled before is {found}"
        )))
    }

    /// A text that nobody is said to have voted on, after one that says how it is amended.
    fn unnamed(&self, findings: &mut Findings, told: &mut Vec<String>) {
        let Some(before) = self.changed() else { return };
        let (old, was) = (&before.what.treaty, self.texts.treaty(&before.what.text));
        let has_ended = was.is_ok_and(|treaty| self.has_ended(treaty));
        if *old != self.ruled.what.treaty {
            if !has_ended {
                told.push(format!(
                    "{} took the place of treaty {old}, which still held, and names no amendment",
                    self.title()
                ));
            }
            return;
        }
        let is_free = |text: &&str| self.texts.treaty(text).is_ok_and(|treaty| !is_settled(treaty));
        if has_ended || self.has_gap() && self.reached(&before.what.text).iter().any(is_free) {
            told.push(format!(
                "{} names no amendment; the text before had ended, or may have been changed",
                self.title()
            ));
            return;
        }
        findings.add(Kind::Unvoted, || {
            let text = &before.what.text;
            format!(
                "{} names no amendment, and the text before, {text}, says how it is amended",
                self.title()
            )
        });
    }

    /// Texts that recorded amendments may have made of one, one after the other, until this one began to rule.
    fn reached<'r>(&'r self, from: &'r str) -> BTreeSet<&'r str> {
        let at = self.ruled.at.as_millisecond();
        let steps: Vec<(&str, &str)> = self
            .cases
            .iter()
            .filter(|case| case.treaty == self.ruled.what.treaty)
            .filter_map(|case| {
                let proposal = &case.proposed.as_ref()?.proposal;
                let fits = case.fits(&proposal.text, at)?;
                case.carries(fits, at, self.texts).ok()?;
                Some((proposal.replaces.as_str(), proposal.text.as_str()))
            })
            .collect();
        let mut found = BTreeSet::from([from]);
        loop {
            let more: Vec<&str> = steps
                .iter()
                .filter(|(old, new)| found.contains(old) && !found.contains(new))
                .map(|(_, new)| *new)
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }
}

/// Whether a text can only be changed by a vote.
fn is_settled(treaty: &Treaty) -> bool {
    !treaty.amendments().is_empty()
}
