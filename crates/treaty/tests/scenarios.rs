//! What the treaty means, one situation a file: `tests/scenarios/NAME.txt` is a script, and `NAME.out` is what the
//! engine answered to each line, reviewed as text. `UPDATE_EXPECTED=1 cargo test --test scenarios` writes the answers.
//!
//! ```text
//! members NAME=GPUS[,ceiling=GPUS][,keep=GPUS] ...   guarantee in GPUs; first line
//! nodes COUNTxGPUS[,rack=NAME][,row=NAME][,KEY=VALUE] ...   second line; more nodes after a blank
//! notice SECONDS                                      reclaim notice; 60 without it
//! at SECONDS                                          the clock moves on
//! wish CLAIM [rack | row] [KEY=VALUE ...]             it must lie in one rack or row, on nodes with these labels
//! inside MEMBER INSTITUTION[/PROJECT] [weight=N] [floor=GPUS] [ceiling=GPUS]   the member's own quota changes
//! person MEMBER GPUS                                  most of one person of that member in one project
//! submit CLAIM MEMBER PODSxGPUS [SECONDS expected] [in INSTITUTION[/PROJECT[/PERSON]]]   a claim arrives
//! finish | cancel | release CLAIM                     its work is done, it is taken back, its pods are gone
//! linger                                              from now on stopped claims hold their GPUs until `release`
//! lose NODE-INDEX                                     a node is gone
//! guarantee | ceiling MEMBER GPUS                     the treaty changes
//! window NAME at MINUTE for MINUTES [member=M] [rack=R] [announce=HOURS]   maintenance, or reserved for a member
//! rack NODE-INDEX NAME                                a label of the node
//! aging HOURS | minimum-run SECONDS                   clauses of line and reclaim
//! standing MEMBER [last] [most=GPUS] [past=GPUS]      what the books say: behind the others, a limit, past borrowing
//! decide                                              the engine decides until nothing changes
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use concord_treaty::document::{
    InstitutionDocument, MemberQuotaDocument, PeopleDocument, ProjectShareDocument, QuotaGpusDocument,
};
use concord_treaty::quota::{MemberQuota, QuotaInForce};
use concord_treaty::snapshot::{Level, Node, Standing};
use concord_treaty::units::{MemberId, NodeName, TimestampMillis};
use support::pool::Pool;
use support::{document, gang, keeping, labels, limits, nodes, told, with_ceiling};

#[test]
fn every_script_gets_its_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.retain(|p| p.extension().is_some_and(|e| e == "txt"));
    scripts.sort();
    assert!(scripts.len() >= 20, "scripts are missing");
    let mut wrong = Vec::new();
    for script in scripts {
        let answers = answer(&std::fs::read_to_string(&script).unwrap());
        let golden = script.with_extension("out");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&golden, &answers).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != answers {
            wrong.push(format!("{}:\n{answers}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "answers differ from the reviewed ones:\n{}", wrong.join("\n"));
}

fn answer(script: &str) -> String {
    let mut out = String::new();
    let mut pool: Option<Pool> = None;
    let mut members: Vec<String> = Vec::new();
    let mut treaty = document(&[], 60);
    let mut quotas: BTreeMap<usize, MemberQuotaDocument> = BTreeMap::new();
    for line in script.lines() {
        writeln!(out, "{line}").unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), &mut pool) {
            ([] | ["#", ..], _) => {}
            (["members", list @ ..], _) => {
                let guarantee = |m: &&str| m.split(['=', ',']).nth(1).unwrap().parse().unwrap();
                treaty = document(&list.iter().map(guarantee).collect::<Vec<i64>>(), 60);
                for (member, text) in treaty.members.iter_mut().zip(list) {
                    member.name = text.split_once('=').unwrap().0.to_owned();
                }
                for (index, member) in list.iter().enumerate() {
                    let (name, rest) = member.split_once('=').unwrap();
                    members.push(name.to_owned());
                    for option in rest.split(',').skip(1) {
                        treaty = match option.split_once('=').unwrap() {
                            ("ceiling", gpus) => with_ceiling(treaty, index, gpus.parse().unwrap()),
                            ("keep", gpus) => keeping(treaty, index, gpus.parse().unwrap()),
                            other => panic!("unknown option {other:?}"),
                        };
                    }
                }
            }
            (["nodes", groups @ ..], _) => {
                let all = groups.iter().flat_map(|group| nodes_of(group)).zip(0..);
                let mut empty = Pool::new(treaty.clone(), 0, 0);
                empty.snapshot.nodes = all.map(|(node, i)| Node { name: name(i), ..node }).collect();
                pool = Some(empty);
            }
            ([command @ ("inside" | "person"), name, words @ ..], Some(pool)) => {
                let index = members.iter().position(|m| m == name).expect("a member of the treaty");
                let quota = quotas.entry(index).or_default();
                arrange(quota, command, words);
                let valid = Arc::new(MemberQuota::validate(name, quota).expect("a sound quota"));
                let id = MemberId(u16::try_from(index).unwrap());
                let since = TimestampMillis(pool.now);
                pool.snapshot.quotas.retain(|q| q.member != id);
                pool.snapshot.quotas.push(QuotaInForce { member: id, quota: Some(valid), since });
            }
            ([command, words @ ..], Some(pool)) => run(pool, &members, command, words, &mut out),
            _ => panic!("members and nodes come first: {line}"),
        }
    }
    out
}

fn name(index: usize) -> NodeName {
    NodeName::from(format!("n{index:03}").as_str())
}

fn nodes_of(group: &str) -> Vec<Node> {
    let (shape, of_group) = group.split_once(',').unwrap_or((group, ""));
    let (count, gpus) = shape.split_once('x').unwrap();
    let labels = labels(of_group.split(',').filter(|pair| !pair.is_empty()));
    let node = |node| Node { labels: labels.clone(), ..node };
    nodes(count.parse().unwrap(), gpus.parse().unwrap()).into_iter().map(node).collect()
}

/// Changes a member's quota.
fn arrange(quota: &mut MemberQuotaDocument, command: &str, words: &[&str]) {
    if command == "person" {
        quota.people =
            Some(PeopleDocument { weight_by: None, ceiling_gpus: Some(words[0].parse().unwrap()) });
        return;
    }
    let (institution, project) = words[0].split_once('/').map_or((words[0], None), |(i, p)| (i, Some(p)));
    let options: BTreeMap<&str, i64> =
        words[1..].iter().map(|w| w.split_once('=').unwrap()).map(|(k, v)| (k, v.parse().unwrap())).collect();
    let weight = options.get("weight").copied();
    let guarantee = options.get("floor").copied().map(QuotaGpusDocument::of_gpus);
    let ceiling = options.get("ceiling").copied().map(QuotaGpusDocument::of_gpus);
    if !quota.institutions.iter().any(|i| i.name == institution) {
        let name = institution.to_owned();
        quota.institutions.push(InstitutionDocument { name, ..InstitutionDocument::default() });
    }
    let within = quota.institutions.iter_mut().find(|i| i.name == institution).unwrap();
    if let Some(project) = project {
        within.projects.retain(|p| p.name != project);
        within.projects.push(ProjectShareDocument { name: project.to_owned(), weight, guarantee, ceiling });
    } else {
        (within.weight, within.guarantee, within.ceiling) = (weight, guarantee, ceiling);
    }
}

fn run(pool: &mut Pool, members: &[String], command: &str, words: &[&str], out: &mut String) {
    let member = |name: &str| members.iter().position(|m| m == name).expect("a member of the treaty");
    match (command, words) {
        ("notice", [seconds]) => pool.document.reclaim.notice_seconds = seconds.parse().unwrap(),
        ("at", [seconds]) => pool.now = seconds.parse::<i64>().unwrap() * 1000,
        ("submit", [id, of, shape, rest @ ..]) => {
            let (expected, path) = match rest {
                [expected @ .., "in", path] => (expected, *path),
                expected => (expected, ""),
            };
            let (pods, gpus) = shape.split_once('x').unwrap();
            let expected = expected.first().map(|s| s.parse::<i64>().unwrap() * 1000);
            let of = u16::try_from(member(of)).unwrap();
            pool.submit(id, of, gang(pods.parse().unwrap(), gpus.parse().unwrap()), expected);
            let names = path.split('/').filter(|name| !name.is_empty());
            pool.claim(id).unwrap().path = names.map(Arc::from).collect();
        }
        ("wish", [id, place @ ..]) => {
            let within = match place.first() {
                Some(&"rack") => Some(Level::Rack),
                Some(&"row") => Some(Level::Row),
                _ => None,
            };
            pool.wish(id, within, labels(place.iter().copied().filter(|word| word.contains('='))));
        }
        ("finish", [id]) => pool.finish(id),
        ("cancel", [id]) => pool.cancel(id),
        ("release", [id]) => pool.release(id),
        ("linger", []) => pool.pods_linger = true,
        ("lose", [node]) => pool.lose_node(node.parse().unwrap()),
        ("guarantee", [name, gpus]) => {
            pool.document.members[member(name)].guarantee.gpus = Some(gpus.parse().unwrap());
        }
        ("ceiling", [name, gpus]) => {
            let at = member(name);
            pool.document = with_ceiling(pool.document.clone(), at, gpus.parse().unwrap());
        }
        ("window", [name, words @ ..]) => pool.document.windows.push(limits::window(name, words)),
        ("rack", [node, name]) => limits::put_into_rack(pool, node.parse().unwrap(), name),
        ("aging", [hours]) => pool.document = limits::aging(pool.document.clone(), hours.parse().unwrap()),
        ("minimum-run", [seconds]) => {
            pool.document.reclaim.minimum_run_seconds = Some(seconds.parse().unwrap());
        }
        ("standing", [name, said @ ..]) => {
            let mut standing = Standing { last: said.contains(&"last"), ..Standing::default() };
            for (what, gpus) in said.iter().filter_map(|word| word.split_once('=')) {
                let gpus: u32 = gpus.parse().unwrap();
                match what {
                    "most" => standing.most_borrowed = Some(gpus),
                    "past" => standing.handicap_thousandths = i64::from(gpus) * 1000,
                    other => panic!("unknown standing {other:?}"),
                }
            }
            pool.snapshot.standings.resize(members.len(), Standing::default());
            pool.snapshot.standings[member(name)] = standing;
        }
        ("decide", []) => {
            let mut lines = Vec::new();
            let mut waits = Vec::new();
            let told_lines = |_: &Pool, plan: &_| {
                let (wait, acts): (Vec<_>, Vec<_>) =
                    told(plan).into_iter().partition(|l| l.starts_with("wait"));
                lines.extend(acts);
                waits = wait;
            };
            pool.settle(told_lines).expect("a lawful plan");
            for line in lines.into_iter().chain(waits) {
                writeln!(out, "    {line}").unwrap();
            }
        }
        other => panic!("unknown command {other:?}"),
    }
}
