//! How a paper names the GPU-hours that it used: a sentence, BibTeX, and the Citation File Format. Pure.

use jiff::Timestamp;

use super::moment::gpu_hours;
use super::picture::Version;
use super::view::{Account, JobView};

/// A citation in three forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// A sentence.
    pub text: String,
    /// BibTeX.
    pub bibtex: String,
    /// Citation File Format 1.2.0.
    pub cff: String,
}

/// The citation of a job under the treaty that rules at that time; `link` leads to its page.
#[must_use]
pub fn citation(view: &JobView, treaty: Option<&Version>, link: &str, now: Timestamp) -> Citation {
    let title = treaty.map_or("a shared pool of GPUs", |treaty| &treaty.title);
    let version =
        treaty.map_or_else(String::new, |treaty| format!("{}, version {}", treaty.name, treaty.generation));
    let hours = gpu_hours(view.account.used_gpu_seconds);
    let energy = energy(&view.account);
    let day = view.account.finished_at.unwrap_or(now).strftime("%Y-%m-%d").to_string();
    let (year, _) = day.split_once('-').unwrap_or((&day, ""));
    let (project, name) = (&view.project, &view.name);
    let subject = format!("Computing job {name} of project {project}");
    let measured = format!("{hours} GPU-hours, {energy}");
    let under = if version.is_empty() { title.to_owned() } else { format!("{title} ({version})") };
    let text = format!("{subject}: {measured}, until {day}. Under: {under}. {link}");
    let bibtex = format!(
        "@misc{{{project}-{name}-{year},\n  title = {{{}}},\n  howpublished = {{{}}},\n  note = {{{}}},\n  year = {{{year}}},\n  url = {{{link}}}\n}}\n",
        braces(&subject),
        braces(&under),
        braces(&measured),
    );
    let cff = format!(
        "cff-version: 1.2.0\nmessage: {}\ntype: dataset\ntitle: {}\nauthors:\n  - name: {}\ndate-released: {day}\nversion: {}\nabstract: {}\nurl: {}\n",
        quoted("If you use these results, please name the computing time behind them."),
        quoted(&subject),
        quoted(&format!("project {project}")),
        quoted(&version),
        quoted(&format!("{measured}. Under: {under}.")),
        quoted(link),
    );
    Citation { text, bibtex, cff }
}

/// In a paper a number of joules must say how it came about.
fn energy(account: &Account) -> String {
    let Some(joules) = account.joules else { return "energy not measured".to_owned() };
    let how = match account.estimated_joules {
        _ if account.is_energy_simulated => " of simulated GPUs",
        Some(estimated) if estimated > 0.0 => ", in part estimated",
        _ => " measured",
    };
    format!("{joules:.0} J{how}")
}

/// A title is anybody's text: what BibTeX reads as a command is taken out of it.
fn braces(text: &str) -> String {
    let special = |c: char| "{}\\%#$&_~^".contains(c);
    text.chars().map(|c| if special(c) { ' ' } else { c }).collect()
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::view::JobState;
    use super::*;
    use crate::energy::Charge;

    #[test]
    fn a_citation_says_what_is_known_and_titles_cannot_break_it() {
        let at = "2027-03-04T05:06:07Z".parse().unwrap();
        let view = JobView {
            project: "lab".to_owned(),
            name: "train".to_owned(),
            is_service: false,
            state: JobState::Succeeded,
            gpus: 8,
            pods: 1,
            gpus_per_pod: 8,
            submitted_at: None,
            claims: Vec::new(),
            pods_now: Vec::new(),
            timeline: Vec::new(),
            account: Account { used_gpu_seconds: 9_000, finished_at: Some(at), ..Account::default() },
        };
        let treaty =
            Version { name: "pool".to_owned(), title: "Of {all} & \"some\"".to_owned(), generation: 3 };
        let cited = citation(&view, Some(&treaty), "https://x/projects/lab/jobs/train", at);
        assert_eq!(
            cited.text,
            "Computing job train of project lab: 2.50 GPU-hours, energy not measured, until 2027-03-04. Under: Of {all} & \"some\" (pool, version 3). https://x/projects/lab/jobs/train"
        );
        let mut simulated = view.clone();
        let charge = Charge { measured_millijoules: 1_500_000, estimated_millijoules: 500_000 };
        simulated.account.add_energy(Some(charge), true);
        let told = |view: &JobView| citation(view, None, "https://x", at).text;
        assert!(
            told(&simulated).contains("2.50 GPU-hours, 2000 J of simulated GPUs,"),
            "{}",
            told(&simulated)
        );
        simulated.account.is_energy_simulated = false;
        assert!(told(&simulated).contains("2000 J, in part estimated,"), "{}", told(&simulated));
        assert_eq!(cited.bibtex.matches(['{', '}']).count(), 12, "{}", cited.bibtex);
        let read: serde_json::Value = serde_yaml::from_str(&cited.cff).unwrap();
        assert_eq!((&read["cff-version"], &read["version"]), (&"1.2.0".into(), &"pool, version 3".into()));
    }
}
