//! The walk over a document, and the checks of single values that all clauses share. Each clause family has a file of
//! its own beside this one; all of them report here, so that every fault is found in one pass.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::clauses::{BasisPoints, ClassId};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{Document, NodeLabels};
use crate::source::{is_unseen, nearest};
use crate::treaty::{Treaty, support};
use crate::units::{Gpus, MemberId};

/// Same limit as the CRD's schema; keeps [`MemberId`] in 16 bits with room.
const MEMBERS_MOST: usize = 500;
/// Same limit as the CRD's schema; sums of 500 members stay far below `u32::MAX`.
const GPUS_MOST: i64 = 1_000_000;
/// Same limit as the CRD's schema.
const TEXT_CHARACTERS_MOST: usize = 200;
/// GPU-hours of a million GPUs in a century; sums stay far below `u64::MAX`.
pub const GPU_HOURS_MOST: i64 = 1_000_000_000_000;
/// One week: a longer notice would promise a member its own GPUs only in another accounting period.
pub const RECLAIM_SECONDS_MOST: i64 = 604_800;

/// Collects faults and knows the names that clauses may refer to.
pub struct Checker<'d> {
    pub document: &'d Document,
    pub faults: Vec<Diagnostic>,
    pub member_ids: BTreeMap<&'d str, MemberId>,
    pub class_ids: BTreeMap<&'d str, ClassId>,
    pub zone: TimeZone,
}

/// The treaty, as far as it can be read, and all faults.
pub fn validate(document: &Document) -> (Treaty, Vec<Diagnostic>) {
    let mut checker = Checker::new(document);
    let time_zone = document.time_zone.as_deref().unwrap_or("UTC");
    if let Some(name) = &document.time_zone {
        checker.zone = checker.time_zone(name, "timeZone");
    }
    checker.text(&document.title, "title");
    let treaty = Treaty {
        title: document.title.clone(),
        effective: checker.effective(),
        time_zone: time_zone.to_owned(),
        year_starts_in_month: checker.year_starts_in_month(),
        classes: checker.classes(),
        members: checker.members(),
        rounding: checker.rounding(),
        rounding_unit: checker.rounding_unit(),
        reserves: checker.reserves(),
        surplus: checker.surplus(),
        line: checker.line(),
        reclaim: checker.reclaim(),
        budget: checker.budget(),
        windows: checker.windows(),
        eligibility: document.eligibility.as_ref().map(|e| checker.eligibility(e, "eligibility")),
        votes: checker.votes(),
        amendments: checker.amendments(),
        withdrawal: checker.withdrawal(),
        publication: checker.publication(),
        id_by_name: checker.member_ids.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(),
    };
    checker.keys();
    checker.ways_of_change();
    checker.sums();
    checker.weights();
    checker.faults.extend(support::refused(document));
    (treaty, checker.faults)
}

impl<'d> Checker<'d> {
    fn new(document: &'d Document) -> Self {
        let mut member_ids = BTreeMap::new();
        for (index, member) in document.members.iter().enumerate().take(MEMBERS_MOST) {
            let id = MemberId(u16::try_from(index).unwrap_or(u16::MAX));
            member_ids.entry(member.name.as_str()).or_insert(id);
        }
        let mut class_ids = BTreeMap::new();
        for (index, class) in document.classes.iter().enumerate() {
            class_ids.entry(class.name.as_str()).or_insert(ClassId(u16::try_from(index).unwrap_or(u16::MAX)));
        }
        let mut checker = Self { document, faults: Vec::new(), member_ids, class_ids, zone: TimeZone::UTC };
        let members = document.members.len();
        if members == 0 {
            checker.fault("TR001", "members", "a treaty needs at least one member", "add a member");
        } else if members > MEMBERS_MOST {
            let message = format!("{members} members, but at most {MEMBERS_MOST} are supported");
            checker.fault("TR001", "members", &message, "group small members under one name");
        }
        checker
    }

    pub fn fault(&mut self, code: &'static str, path: &str, message: &str, help: &str) {
        self.faults.push(Diagnostic::new(code, path, message, help));
    }

    /// A number within its range; outside, the nearest limit goes on.
    pub fn number(&mut self, value: i64, range: std::ops::RangeInclusive<i64>, path: &str) -> i64 {
        if !range.contains(&value) {
            let message = format!("{value} is not between {} and {}", range.start(), range.end());
            self.fault("TR009", path, &message, "write a number in that range");
        }
        value.clamp(*range.start(), *range.end())
    }

    pub fn gpus(&mut self, value: i64, path: &str) -> Gpus {
        if !(0..=GPUS_MOST).contains(&value) {
            let message = format!("{value} is not between 0 and {GPUS_MOST}");
            self.fault("TR004", path, &message, "state a number of whole GPUs");
        }
        Gpus::try_from(value.clamp(0, GPUS_MOST)).unwrap_or(0)
    }

    /// A share written as `"12.5"`, at most so many percent.
    pub fn percent(&mut self, text: &str, most_percent: u32, path: &str) -> BasisPoints {
        let value = decimal(text, 2).filter(|v| *v <= u64::from(most_percent) * 100);
        let Some(points) = value.and_then(|v| u32::try_from(v).ok()) else {
            let message = format!("{} is not a percentage between 0 and {most_percent}", quoted(text));
            let bare = text.trim().trim_end_matches('%').trim_end().replace(',', ".");
            let help = if bare != text && decimal(&bare, 2).is_some() {
                format!("write \"{bare}\"")
            } else {
                "write digits with at most two decimals, for example \"12.5\"".to_owned()
            };
            self.fault("TR012", path, &message, &help);
            return BasisPoints(0);
        };
        BasisPoints(points)
    }

    /// A text for people: not empty, one line, nothing hidden.
    pub fn text(&mut self, text: &str, path: &str) {
        let characters = text.chars().count();
        if text.trim().is_empty() || characters > TEXT_CHARACTERS_MOST || text.contains(['\n', '\r', '\t']) {
            let message =
                format!("{characters} characters; a text has 1 to {TEXT_CHARACTERS_MOST} on one line");
            self.fault("TR008", path, &message, "write one short line");
        }
        if let Some(hidden) = text.chars().find(|c| is_unseen(*c)) {
            let message = format!("a character that cannot be seen (U+{:04X})", u32::from(hidden));
            self.fault("TR105", path, &message, "delete the character or type a space");
        }
    }

    /// A name that is not taken yet.
    pub fn name<'n>(&mut self, name: &'n str, path: &str, taken: &mut BTreeMap<&'n str, String>) {
        self.dns_label(name, path);
        self.once(name, path, taken);
    }

    pub fn dns_label(&mut self, name: &str, path: &str) {
        if !is_dns_label(name) {
            let message = format!("{} is not a DNS label", quoted(name));
            self.fault(
                "TR002",
                path,
                &message,
                "use lower-case letters, digits and inner hyphens, at most 63",
            );
        }
    }

    /// An entry that may stand only once.
    pub fn once<'n>(&mut self, name: &'n str, path: &str, taken: &mut BTreeMap<&'n str, String>) {
        if let Some(first) = taken.get(name) {
            let owner = first.strip_suffix(".name").unwrap_or(first);
            let message = format!("{} stands already at {owner}", quoted(name));
            let fault =
                Diagnostic::new("TR003", path, &message, "give each a name of its own, or delete one");
            self.faults.push(fault.related_to(first, "first here"));
        } else {
            taken.insert(name, path.to_owned());
        }
    }

    pub fn member(&mut self, name: &str, path: &str) -> Option<MemberId> {
        let found = self.member_ids.get(name).copied();
        if found.is_none() {
            let known: Vec<&str> = self.member_ids.keys().copied().collect();
            self.unknown("TR016", "member", name, &known, path);
        }
        found
    }

    pub fn class(&mut self, name: &str, path: &str) -> Option<ClassId> {
        let found = self.class_ids.get(name).copied();
        if found.is_none() {
            let known: Vec<&str> = self.class_ids.keys().copied().collect();
            self.unknown("TR017", "class", name, &known, path);
        }
        found
    }

    fn unknown(&mut self, code: &'static str, what: &str, name: &str, known: &[&str], path: &str) {
        let help = nearest(name, known).map_or_else(
            || format!("name a {what} of this treaty, or add it"),
            |near| format!("did you mean {}?", quoted(near)),
        );
        self.fault(code, path, &format!("no {what} is named {}", quoted(name)), &help);
    }

    pub fn date(&mut self, text: &str, path: &str) -> Option<Date> {
        // Only one way of writing it: the standard allows shorter and longer ones.
        let date = text.parse::<Date>().ok().filter(|d| d.to_string() == text);
        if date.is_none() {
            let message = format!("{} is not a date", quoted(text));
            self.fault("TR013", path, &message, "write a day of the calendar as \"YYYY-MM-DD\"");
        }
        date
    }

    pub fn civil_time(&mut self, text: &str, path: &str) -> Option<DateTime> {
        let time = text.parse::<DateTime>().ok();
        let time = time.filter(|t| t.strftime("%Y-%m-%dT%H:%M").to_string() == text);
        if time.is_none() {
            let message = format!("{} is not a day and time", quoted(text));
            self.fault("TR013", path, &message, "write a time of the calendar as \"YYYY-MM-DDTHH:MM\"");
        }
        time
    }

    /// From the zone database that is built in; a machine's own may differ.
    pub fn time_zone(&mut self, name: &str, path: &str) -> TimeZone {
        let zones = TimeZoneDatabase::bundled();
        zones.get(name).unwrap_or_else(|_| {
            let known: Vec<String> = zones.available().map(|n| n.as_str().to_owned()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = nearest(name, &known).map_or_else(
                || "write an IANA name, for example \"Europe/Oslo\"".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            self.fault("TR015", path, &format!("no time zone is named {}", quoted(name)), &help);
            TimeZone::UTC
        })
    }

    pub fn labels(&mut self, labels: &NodeLabels, path: &str) {
        for (key, value) in labels {
            if !is_label_key(key) || !is_label_value(value) {
                let message = format!("{}: {} is not a node label", quoted(key), quoted(value));
                let help = "copy it from `kubectl get nodes --show-labels`";
                self.fault("TR025", &format!("{path}.{key}"), &message, help);
            }
        }
    }

    pub fn countries(&mut self, countries: &[String], path: &str) {
        let mut seen = BTreeMap::new();
        for (index, country) in countries.iter().enumerate() {
            let path = format!("{path}[{index}]");
            self.country(country, &path);
            self.once(country, &path, &mut seen);
        }
    }

    pub fn country(&mut self, code: &str, path: &str) {
        if !super::countries::CODES.contains(&code) {
            let message = format!("{} is not an ISO 3166-1 alpha-2 code", quoted(code));
            let upper = code.to_ascii_uppercase();
            let help = if super::countries::CODES.contains(&upper.as_str()) {
                format!("write \"{upper}\"")
            } else {
                "write two capital letters in quotes, for example \"NO\"".to_owned()
            };
            self.fault("TR024", path, &message, &help);
        }
    }
}

/// A plain decimal with at most so many decimals, as an integer of its last place: `"12.5"` with 2 is 1,250.
pub fn decimal(text: &str, decimals: u32) -> Option<u64> {
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let digits = |d: &str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit());
    let part_length = u32::try_from(part.map_or(0, str::len)).ok()?;
    if !digits(whole) || part.is_some_and(|p| !digits(p)) || part_length > decimals || whole.len() > 9 {
        return None;
    }
    let fraction = part.map_or(Some(0), |p| p.parse::<u64>().ok())?;
    let scale = 10_u64.pow(decimals);
    Some(whole.parse::<u64>().ok()? * scale + fraction * 10_u64.pow(decimals - part_length))
}

/// RFC 1123 label, as Kubernetes wants it in label values and namespace names.
pub fn is_dns_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let ends_well = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= 63 && bytes.iter().all(inner) && ends_well(bytes.first()) && ends_well(bytes.last())
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|p| p.len() <= 253 && p.split('.').all(is_dns_label));
    prefix_fits && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.len() <= 63 && value.chars().all(inner) && ends(value.chars().next()) && ends(value.chars().last())
}

/// Entries that stand twice in a list of words.
pub fn repeated<T: Ord + Copy>(entries: &[T]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    entries.iter().enumerate().filter(|(_, entry)| !seen.insert(**entry)).map(|(index, _)| index).collect()
}
