//! What a treaty says changes with its dates, and a replay goes along: `Treaty::next_change` misses no change, and the
//! kept engine decides at each instant as one that is made anew under the terms of that instant.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::sync::Arc;

use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::clauses::{OrganisationKind, Purpose};
use concord_treaty::decide::decide;
use concord_treaty::quota::{Award, QuotaInForce};
use concord_treaty::simulate::{Ask, Replay, Setting, TraceJob};
use concord_treaty::snapshot::{Gang, Level, Opened, RACK_LABEL, SharePath, Snapshot};
use concord_treaty::source::read;
use concord_treaty::terms::Terms;
use concord_treaty::units::{ClaimId, DurationMillis, MemberId, TimestampMillis};
use proptest::prelude::*;
use support::{labels, nodes, told, treaty_of};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// 2026-03-01 in UTC.
const BEGIN: TimestampMillis = TimestampMillis(1_772_323_200_000);

fn job(name: &str, party: u16, pods: u32, submitted_hour: i64, hours: i64) -> TraceJob {
    TraceJob {
        id: ClaimId::from(name),
        member: MemberId(party),
        gang: Gang { pods, gpus_per_pod: 8 },
        class: None,
        submitted_at: TimestampMillis(submitted_hour * HOUR),
        runtime: DurationMillis(hours * HOUR),
    }
}

/// Starts and ends of each run, in hours of the trace, by name of the job; an end with `!` was a stop.
fn runs(setting: &Setting, jobs: &[TraceJob], asks: &[Ask]) -> Vec<String> {
    let mut replay = Replay::under(setting, jobs, asks);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    let hours = |at: TimestampMillis| at.0 / HOUR;
    let mut runs: Vec<_> = replay.trial().runs.iter().collect();
    runs.sort_by_key(|run| (run.started_at, run.job));
    let told = |run: &&concord_treaty::simulate::Run| {
        let stopped = if run.completed { "" } else { "!" };
        let name = &jobs[run.job as usize].id;
        format!("{name} {}-{}{stopped}", hours(run.started_at), hours(run.ended_at))
    };
    runs.iter().map(told).collect()
}

fn path(text: &str) -> SharePath {
    text.split('/').map(Arc::from).collect()
}

#[test]
fn a_suspended_member_starts_nothing_and_the_others_get_its_share() {
    let treaty = treaty_of(
        "members:\n  - {name: a, contributions: [{amount: 1}], guarantee: {proportional: true}, suspended: {from: 2026-03-02, reason: dues}}\n  - {name: b, contributions: [{amount: 1}], guarantee: {proportional: true}}\nreclaim: {noticeSeconds: 0}\n",
    );
    let setting = Setting::new(treaty, nodes(2, 8), BEGIN);
    // From hour 24 on a has no rights: what runs of it borrows, and leaves for b. Its second job never starts.
    let jobs = [job("a1", 0, 1, 0, 100), job("b1", 1, 2, 20, 10), job("a2", 0, 1, 30, 1)];
    assert_eq!(runs(&setting, &jobs, &[]), ["a1 0-24!", "b1 24-34"]);
}

#[test]
fn contributions_count_from_the_day_on_which_they_are_paid() {
    let treaty = treaty_of(
        "timeZone: Europe/Paris\nmembers:\n  - {name: a, contributions: [{amount: 1}], guarantee: {proportional: true}}\n  - {name: b, contributions: [{amount: 1}, {amount: 2, paidOn: 2026-03-03}], guarantee: {proportional: true}}\nreclaim: {noticeSeconds: 0}\n",
    );
    let setting = Setting::new(treaty, nodes(4, 8), BEGIN);
    let jobs = [job("a1", 0, 1, 0, 90), job("a2", 0, 1, 0, 90), job("b1", 1, 3, 1, 10)];
    // Two nodes each; from midnight in Paris on, hour 47, one of a and three of b.
    assert_eq!(runs(&setting, &jobs, &[]), ["a1 0-90", "a2 0-47!", "b1 47-57", "a2 57-147"]);
    assert_eq!(setting.guarantees_until(TimestampMillis(100 * HOUR)).len(), 2);
}

#[test]
fn nothing_starts_before_the_treaty_holds_nor_after() {
    let treaty = treaty_of(
        "effective: {from: 2026-03-02, until: 2026-03-02}\nmembers:\n  - {name: a, guarantee: {gpus: 8}}\nreclaim: {noticeSeconds: 0}\n",
    );
    let setting = Setting::new(treaty, nodes(1, 8), BEGIN);
    let jobs = [job("a1", 0, 1, 0, 10), job("a2", 0, 1, 0, 20), job("a3", 0, 1, 0, 5)];
    assert_eq!(runs(&setting, &jobs, &[]), ["a1 24-34", "a2 34-54"]);
}

#[test]
fn a_reserve_is_used_while_it_is_open() {
    let treaty = treaty_of(
        "members:\n  - {name: a, guarantee: {gpus: 8}}\nreserves:\n  - {name: emergency, size: {gpus: 8}, opening: {decidedBy: [a], longestDays: 1}}\nreclaim: {noticeSeconds: 0}\n",
    );
    let mut setting = Setting::new(treaty, nodes(2, 8), BEGIN);
    let jobs = [job("e1", 1, 1, 0, 20), job("e2", 1, 1, 0, 20), job("e3", 1, 1, 0, 1)];
    assert_eq!(runs(&setting, &jobs, &[]), [""; 0]);
    let (reserve, by) = (MemberId(1), MemberId(0));
    setting.openings = vec![Opened { reserve, by, at: BEGIN.after(DurationMillis(6 * HOUR)) }];
    assert_eq!(runs(&setting, &jobs, &[]), ["e1 6-26", "e2 26-46"]);
}

#[test]
fn a_tier_ends_with_its_hours() {
    let treaty = treaty_of(
        "members:\n  - {name: a, guarantee: {gpus: 8}}\nreserves:\n  - {name: open, size: {gpus: 16}, tiers: [{name: small, mostGpus: 8, gpuHours: 100, decidedWithinDays: 0}]}\nreclaim: {noticeSeconds: 0}\n",
    );
    let mut setting = Setting::new(treaty, nodes(3, 8), BEGIN);
    let jobs = [job("p1", 1, 1, 0, 10), job("p2", 1, 1, 0, 10), job("p3", 1, 1, 0, 1), job("q", 1, 1, 0, 1)];
    let of = |name: &str| Ask { path: path(name), ..Ask::default() };
    let asks = [of("p"), of("p"), of("p"), of("q")];
    assert_eq!(runs(&setting, &jobs, &asks), [""; 0], "nobody has a tier");
    let (reserve, tier, since) = (MemberId(1), "small".to_owned(), TimestampMillis(i64::MIN));
    setting.awards = vec![Award {
        reserve,
        project: "p".into(),
        tier,
        since,
        used_gpu_hours: 10,
        most_gpu_hours: None,
        most_gpus: None,
    }];
    // One node at once; 10 hours were used before, and 80 by the first; the second takes it above 100.
    assert_eq!(runs(&setting, &jobs, &asks), ["p1 0-10", "p2 10-20"]);
}

#[test]
fn shares_inside_a_member_places_and_conditions_count() {
    let spec = "members:\n  - {name: a, guarantee: {gpus: 32}}\neligibility: {purposes: [civil], dataClasses: [{name: health, nodeLabels: {safe: \"yes\"}}]}\nreclaim: {noticeSeconds: 0}\n";
    let text = "apiVersion: concord.dev/v1alpha1\nkind: MemberQuota\nmetadata: {name: a}\nspec: {institutions: [{name: u, ceiling: {gpus: 8}}]}\n";
    let quota = read(text.as_bytes()).quotas.pop().unwrap().quota.unwrap();
    let mut all = nodes(4, 8);
    for (node, rack) in all.iter_mut().zip(["r0", "r0", "r1", "r1"]) {
        node.labels = labels([format!("{RACK_LABEL}={rack}").as_str()]);
    }
    all[3].labels = labels([format!("{RACK_LABEL}=r1").as_str(), "safe=yes"]);
    let mut setting = Setting::new(treaty_of(spec), all, BEGIN);
    let since = TimestampMillis(i64::MIN);
    setting.quotas = vec![QuotaInForce { member: MemberId(0), quota: Some(Arc::new(quota)), since }];
    let applicant = |purpose, data_class: Option<&str>| {
        let data_class = data_class.map(str::to_owned);
        let organisation_kind = OrganisationKind::Academic;
        Some(Arc::new(Applicant { organisation_kind, country: "FI".to_owned(), purpose, data_class }))
    };
    let civil = || Ask { applicant: applicant(Purpose::Civil, None), ..Ask::default() };
    let jobs = [
        job("u1", 0, 1, 0, 2),
        job("u2", 0, 1, 0, 2),
        job("army", 0, 1, 0, 1),
        job("health", 0, 1, 0, 9),
        job("rack", 0, 2, 0, 3),
        job("silent", 0, 1, 0, 1),
    ];
    let asks = [
        Ask { path: path("u/x"), ..civil() },
        Ask { path: path("u/y"), ..civil() },
        Ask { applicant: applicant(Purpose::Military, None), ..Ask::default() },
        Ask { applicant: applicant(Purpose::Civil, Some("health")), ..Ask::default() },
        Ask { within: Some(Level::Rack), ..civil() },
        Ask::default(),
    ];
    // Two nodes are free from the start, but they stand in two racks.
    assert_eq!(runs(&setting, &jobs, &asks), ["u1 0-2", "health 0-9", "u2 2-4", "rack 2-5"]);
}

/// A job that is longer than the time between two windows never ends, and the replay does not go on for ever; windows of
/// later years still act.
#[test]
fn windows_act_for_as_long_as_anything_is_done() {
    let treaty = treaty_of(
        "members: [{name: a, guarantee: {gpus: 8}}]\nwindows: [{name: w, purpose: maintenance, start: 2026-03-02T00:00, lengthMinutes: 60, repeats: weekly}]\nreclaim: {noticeSeconds: 0}\n",
    );
    let setting = Setting::new(treaty, nodes(1, 8), BEGIN);
    let mut jobs = vec![job("short", 0, 1, 0, 2), job("long", 0, 1, 1, 200)];
    let all = runs(&setting, &jobs, &[]);
    assert_eq!(all.first().map(String::as_str), Some("short 0-2"));
    assert_eq!(all.get(1).map(String::as_str), Some("long 2-24!"));
    assert!(all.len() > 50 && all.iter().skip(1).all(|run| run.ends_with('!')), "{all:?}");
    // Four years later: the window opens every Monday, 168 hours after the one before.
    let monday = 24 + 168 * 208;
    jobs[1] = job("late", 0, 1, monday - 5, 10);
    assert_eq!(
        runs(&setting, &jobs, &[]),
        [
            "short 0-2".to_owned(),
            format!("late {}-{monday}!", monday - 5),
            format!("late {}-{}", monday + 1, monday + 11),
        ]
    );
}

/// A day of March 2026 and days after it.
fn any_day() -> impl Strategy<Value = String> {
    (1..=9_i64).prop_map(|day| format!("2026-03-{day:02}"))
}

/// Four nodes of two members and one reserve, with dates.
fn any_spec() -> impl Strategy<Value = String> {
    let zone = prop_oneof![Just("UTC"), Just("America/Santiago"), Just("Pacific/Auckland")];
    let held = proptest::option::of((any_day(), 0..6_i64));
    let paid = proptest::collection::vec((1..4_i64, proptest::option::of(any_day())), 1..4);
    let suspended = proptest::option::of(any_day());
    (zone, held, paid, suspended, any::<bool>(), 0..2_i64).prop_map(|(zone, held, paid, suspended, opens, notice)| {
        let mut spec = format!("timeZone: {zone}\n");
        if let Some((from, days)) = held {
            let until: jiff::civil::Date = from.parse().unwrap();
            let until = until.checked_add(jiff::Span::new().days(days)).unwrap();
            spec += &format!("effective: {{from: {from}, until: {until}}}\n");
        }
        let paid = paid.into_iter().map(|(amount, on)| match on {
            Some(on) => format!("{{amount: {amount}, paidOn: {on}}}"),
            None => format!("{{amount: {amount}}}"),
        });
        let paid = paid.collect::<Vec<_>>().join(", ");
        spec += &format!("members:\n  - {{name: a, contributions: [{{amount: 2}}, {paid}], guarantee: {{proportional: true}}}}\n");
        let suspended = suspended.map_or_else(String::new, |from| format!(", suspended: {{from: {from}, reason: dues}}"));
        spec += &format!("  - {{name: b, contributions: [{{amount: 2}}], guarantee: {{proportional: true}}{suspended}}}\n");
        let opening = if opens { ", opening: {decidedBy: [a], longestDays: 2}" } else { "" };
        spec += &format!("reserves:\n  - {{name: r, size: {{gpus: 8}}{opening}}}\n");
        spec + &format!("rounding: {{to: nodes, remainder: largest}}\nreclaim: {{noticeSeconds: {}}}\n", notice * 7_200)
    })
}

fn any_setting() -> impl Strategy<Value = Setting> {
    let openings = proptest::collection::vec((0..9 * 24_i64, 0..2_u16), 0..4);
    (any_spec(), openings).prop_map(|(spec, openings)| {
        let mut setting = Setting::new(treaty_of(&spec), nodes(4, 8), BEGIN);
        let opened = |(hour, by): (i64, u16)| Opened {
            reserve: MemberId(2),
            by: MemberId(by),
            at: BEGIN.after(DurationMillis(hour * HOUR)),
        };
        setting.openings = openings.into_iter().map(opened).collect();
        setting
    })
}

/// Party, pods, hours until the next, run time in hours.
fn any_jobs() -> impl Strategy<Value = Vec<(u16, u32, i64, i64)>> {
    proptest::collection::vec((0..3_u16, 1..=3_u32, 0..12_i64, 1..60_i64), 1..25)
}

proptest! {
    #![proptest_config(support::cases(256))]

    #[test]
    fn no_change_is_missed(setting in any_setting(), hours in proptest::collection::vec(0..12 * 24_i64, 8)) {
        let numbers = |at: TimestampMillis| -> Terms {
            let mut terms = setting.terms(at);
            terms.pools.iter_mut().for_each(|pool| pool.windows.clear());
            terms
        };
        let hour = |hour: i64| TimestampMillis(hour * HOUR);
        for from in hours {
            // Up to just before the change everything stays; without one, for ever.
            let next = setting.next_change(hour(from));
            prop_assert!(next.is_none_or(|next| next > hour(from)));
            let until = next.map_or(hour(from).0 + 400 * DAY, |next| next.0 - 1);
            let now = numbers(hour(from));
            for at in [until, hour(from).0 + (until - hour(from).0) / 2, (hour(from).0 + HOUR).min(until)] {
                prop_assert!(numbers(TimestampMillis(at)) == now, "{from}: {at}");
            }
        }
    }

    #[test]
    fn a_replay_decides_under_the_terms_of_each_instant(setting in any_setting(), raw in any_jobs()) {
        let mut hour = 0;
        let jobs: Vec<TraceJob> = raw.iter().enumerate().map(|(index, &(party, pods, pause, hours))| {
            hour += pause;
            job(&format!("j{index:03}"), party, pods, hour, hours)
        }).collect();
        let mut replay = Replay::under(&setting, &jobs, &[]);
        while let Some(now) = replay.next_instant() {
            while replay.decide() {}
            let mut seen: Snapshot = replay.observe(&setting.nodes);
            later(&mut seen, setting.begin);
            seen.openings.clone_from(&setting.openings);
            let plan = decide(&setting.treaty, &seen, setting.in_treaty(now));
            let left: Vec<String> = told(&plan).into_iter().filter(|l| !l.starts_with("wait")).collect();
            prop_assert!(left.is_empty(), "at hour {}: {left:?}", now.0 / HOUR);
        }
    }
}

/// From the clock of the trace to that of the treaty.
fn later(snapshot: &mut Snapshot, begin: TimestampMillis) {
    use concord_treaty::snapshot::{ClaimState, Phase};
    let by = DurationMillis(begin.0);
    for claim in &mut snapshot.claims {
        claim.submitted_at = claim.submitted_at.after(by);
        claim.due.iter_mut().for_each(|due| due.since = due.since.after(by));
        if let ClaimState::Holding(holding) = &mut claim.state {
            holding.since = holding.since.after(by);
            if let Phase::Noticed { deadline } = &mut holding.phase {
                *deadline = deadline.after(by);
            }
        }
    }
}
