//! The faults, each as a script of steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use concord_fault_proxy::{Act, Request, WatchEnd, refusal};
use http::StatusCode;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::json;

use super::scenario::{NODES, NOTICE_SECONDS};
use super::scene::{Post, Scene, Script, TREATY, When, node};
use super::support;

/// By then every scenario has had its notices.
const NOTICED_LATEST: Duration = Duration::from_secs(9);

/// What is done to the system while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    KilledBetweenWrites,
    PausedPastItsLease,
    ClockAhead,
    ClockBehind,
    ClockJumps,
    WatchesExpire,
    ListsLate,
    Conflicts,
    TooManyRequests,
    ServerErrors,
    AnswersLost,
    ConnectionsCut,
    SlowApi,
    ApiServerKilled,
    EtcdPaused,
    NodeDeleted,
    GpusVanish,
    NodeNotReady,
    QuotaLowered,
    TreatyReplaced,
}

impl Fault {
    /// As the table names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KilledBetweenWrites => "operator killed (-9) before or after its n-th write",
            Self::PausedPastItsLease => "two operators, the acting one paused past its lease",
            Self::ClockAhead => "operator's clock an hour ahead",
            Self::ClockBehind => "operator's clock an hour behind",
            Self::ClockJumps => "operator's clock jumps by an hour, both ways, while notices run",
            Self::WatchesExpire => "watches end with 410 Gone",
            Self::ListsLate => "410 Gone, lists answered late, new claims refused by 429",
            Self::Conflicts => "409 Conflict to half of the writes",
            Self::TooManyRequests => "429 with Retry-After to most requests",
            Self::ServerErrors => "500, 503 and 504 to half of the requests",
            Self::AnswersLost => "writes done, their answers lost, watches stalled",
            Self::ConnectionsCut => "connections and watches cut",
            Self::SlowApi => "slow API server",
            Self::ApiServerKilled => "API server killed (-9) and started again",
            Self::EtcdPaused => "etcd paused, once past the lease",
            Self::NodeDeleted => "node deleted under gangs, registered again later",
            Self::GpusVanish => "a node's GPUs vanish under gangs and come back",
            Self::NodeNotReady => "node not ready for a while",
            Self::QuotaLowered => "guarantee and ceiling lowered below what is used",
            Self::TreatyReplaced => "treaty changed, then replaced, while a notice runs",
        }
    }

    /// Its steps, with times and choices from `dice`.
    pub fn script(self, dice: &mut Pcg64) -> Script {
        let script = Script::new();
        match self {
            Self::KilledBetweenWrites => killed(script, dice),
            Self::PausedPastItsLease => paused(script, dice),
            Self::ClockAhead => script.at(0, |scene| set_clock(scene, "+3600")),
            Self::ClockBehind => script.at(0, |scene| set_clock(scene, "-3600")),
            Self::ClockJumps => clock_jumps(script, dice),
            Self::WatchesExpire => watches(script, dice, WatchEnd::Gone),
            Self::ListsLate => {
                let mut own = Pcg64::seed_from_u64(dice.random());
                let script = script.at(300, move |scene| {
                    scene.proxy.set_rule(move |request| lists_late(request, &mut own));
                });
                watches(script, dice, WatchEnd::Gone)
            }
            Self::ConnectionsCut => {
                let mut own = Pcg64::seed_from_u64(dice.random());
                let script = script.at(dice.random_range(500..1_500), move |scene| {
                    scene.proxy.set_rule(move |_| if own.random_bool(0.2) { Act::Cut } else { Act::Pass });
                });
                watches(script, dice, WatchEnd::Cut)
            }
            Self::Conflicts => storm(script, false, dice, |request, dice| {
                let hit = request.is_write() && dice.random_bool(0.5);
                hit.then(|| Act::Answer(refusal(StatusCode::CONFLICT, "Conflict", None)))
            }),
            Self::TooManyRequests => storm(script, false, dice, |_, dice| {
                let answer = || refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", Some(1));
                dice.random_bool(0.7).then(|| Act::Answer(answer()))
            }),
            Self::ServerErrors => storm(script, false, dice, |_, dice| {
                let (code, reason) = [
                    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
                    (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
                    (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
                ][dice.random_range(0..3)];
                dice.random_bool(0.5).then(|| Act::Answer(refusal(code, reason, None)))
            }),
            Self::AnswersLost => storm(script, true, dice, |request, dice| {
                let hit = request.is_write() && dice.random_bool(0.4);
                hit.then(|| Act::Lose(Box::new(|| ())))
            }),
            Self::SlowApi => storm(script, false, dice, |_, dice| {
                // A few take longer than a renewal of the lease may.
                let longest = if dice.random_bool(0.03) { 3_000 } else { 600 };
                Some(Act::Delay(Duration::from_millis(dice.random_range(20..longest))))
            }),
            Self::ApiServerKilled => api_server(script, dice),
            Self::EtcdPaused => etcd(script, dice),
            Self::NodeDeleted | Self::GpusVanish | Self::NodeNotReady => self.node(script, dice),
            Self::QuotaLowered => quota(script, dice),
            Self::TreatyReplaced => treaty(script),
        }
    }

    fn node(self, script: Script, dice: &mut Pcg64) -> Script {
        let (index, at) = (dice.random_range(0..NODES), dice.random_range(1_500..5_000));
        let back = at + dice.random_range(1_500..3_500);
        let (name, patched) = (node(index).name, node(index).name);
        let gpus = |count: u32| {
            json!({"status": {"allocatable": {"nvidia.com/gpu": count.to_string()}}}).to_string()
        };
        let status = move |scene: &mut Scene, name: &str, text: &str| {
            scene.pool.kubectl(&["patch", "node", name, "--subresource=status", "--type=merge", "-p", text]);
        };
        let failing = "concord.dev/simulated-failure";
        script
            .at(at, move |scene| {
                scene.injected();
                match self {
                    Self::NodeDeleted => drop(scene.pool.kubectl(&["delete", "node", &name])),
                    Self::GpusVanish => status(scene, &name, &gpus(0)),
                    _ => drop(scene.pool.kubectl(&["annotate", "node", &name, &format!("{failing}=test")])),
                }
            })
            .at(back, move |scene| match self {
                Self::NodeDeleted => scene.pool.apply(&json!(node(index).object())),
                Self::GpusVanish => status(scene, &patched, &gpus(node(index).gpus)),
                _ => drop(scene.pool.kubectl(&["annotate", "node", &patched, &format!("{failing}-")])),
            })
    }
}

/// Two kills, each when a write of a claim or Job is about to pass or has just passed.
fn killed(script: Script, dice: &mut Pcg64) -> Script {
    let mut own = Pcg64::seed_from_u64(dice.random());
    script.at(0, move |scene| {
        let (post, kills): (Post, Arc<AtomicU64>) = (scene.posts[0].1.clone(), scene.kills.clone());
        let (mut left, mut writes) = (2, own.random_range(3..60));
        scene.proxy.set_rule(move |request| {
            if left == 0 || !request.is_write() || request.target.contains("/leases/") {
                return Act::Pass;
            }
            writes -= 1;
            if writes > 0 {
                return Act::Pass;
            }
            (left, writes) = (left - 1, own.random_range(3..60));
            let (post, kills) = (post.clone(), kills.clone());
            let kill = move || {
                if let Some(operator) = post.lock().unwrap().as_mut() {
                    operator.kill();
                    kills.fetch_add(1, Ordering::Relaxed);
                }
            };
            if own.random_bool(0.5) {
                return Act::Lose(Box::new(kill));
            }
            kill();
            Act::Cut
        });
    })
}

fn paused(script: Script, dice: &mut Pcg64) -> Script {
    let mut script = script.at(0, |scene| scene.man("second"));
    let mut at = 0;
    for _ in 0..2 {
        at += dice.random_range(1_500..3_000);
        script = script.at(at, |scene| {
            let acts = scene.posts.iter().find(|(_, post)| {
                let operator = post.lock().unwrap();
                operator.as_ref().is_some_and(|o| o.get("/metrics").contains("concord_leader 1"))
            });
            if let Some((_, post)) = acts {
                post.lock().unwrap().as_ref().unwrap().signal("STOP");
                scene.injected();
            }
        });
        // The lease of 4 s, and time for the other to act.
        at += 6_000;
        script = script.at(at, |scene| {
            for (_, post) in &scene.posts {
                post.lock().unwrap().as_ref().unwrap().signal("CONT");
            }
        });
    }
    script
}

/// The pool sets it right again when it is cleared.
fn set_clock(scene: &mut Scene, offset: &str) {
    scene.set_clock(offset);
    scene.injected();
}

/// What is admitted before a jump and ends after it is booked with the jump; such books prove nothing.
fn clock_jumps(script: Script, dice: &mut Pcg64) -> Script {
    let [first, second] = [dice.random_range(3_500..5_000), dice.random_range(6_000..8_000)];
    let script = script
        .then(When::Noticed(NOTICED_LATEST), |scene| set_clock(scene, "+3600"))
        .at(first, |_| ())
        .then(When::Noticed(NOTICED_LATEST), |scene| set_clock(scene, "-3600"))
        .at(second, |scene| set_clock(scene, "+0"));
    Script { clock_is_sound: false, ..script }
}

fn watches(mut script: Script, dice: &mut Pcg64, how: WatchEnd) -> Script {
    let mut at = 500;
    for _ in 0..12 {
        at += dice.random_range(100..1_000);
        script = script.at(at, move |scene| scene.proxy.end_watches(how));
    }
    script.at(at + 100, |scene| scene.proxy.pass_everything())
}

/// What was made after a list had been read is not in it, and no other answer tells of it for a while.
fn lists_late(request: &Request, dice: &mut Pcg64) -> Act {
    let busy = || Act::Answer(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", Some(1)));
    match request.is_of_all("gpuclaims") {
        true if request.is_watch() => Act::Delay(Duration::from_millis(500)),
        true if request.is_write() && dice.random_bool(0.4) => busy(),
        true if !request.is_write() => Act::Late(Duration::from_millis(dice.random_range(300..1_000))),
        _ => Act::Pass,
    }
}

/// Three storms of some seconds; where they stall, nothing is seen but the answers.
fn storm(
    mut script: Script,
    stalls: bool,
    dice: &mut Pcg64,
    strike: impl Fn(&Request, &mut Pcg64) -> Option<Act> + Copy + Send + 'static,
) -> Script {
    let mut at = 0;
    for _ in 0..3 {
        at += dice.random_range(400..1_500);
        let mut own = Pcg64::seed_from_u64(dice.random());
        script = script.at(at, move |scene| {
            scene.proxy.set_rule(move |request| strike(request, &mut own).unwrap_or(Act::Pass));
            if stalls {
                scene.proxy.stall_watches();
            }
        });
        at += dice.random_range(1_500..3_500);
        script = script.at(at, |scene| scene.proxy.pass_everything());
    }
    script
}

fn api_server(mut script: Script, dice: &mut Pcg64) -> Script {
    let mut at = 0;
    for _ in 0..2 {
        at += dice.random_range(1_500..4_000);
        script = script.at(at, |scene| {
            scene.crashed = Some(scene.pool.plane_mut().processes().crash("kube-apiserver").unwrap());
            scene.injected();
        });
        at += dice.random_range(300..2_000);
        script = script.at(at, |scene| {
            let launch = scene.crashed.take().unwrap();
            scene.pool.plane_mut().processes().spawn(&launch).unwrap();
        });
        at += 3_000;
    }
    script
}

fn etcd(mut script: Script, dice: &mut Pcg64) -> Script {
    let mut at = 0;
    for pause in [1_500, 6_000] {
        at += dice.random_range(1_000..3_000);
        script = script.at(at, |scene| {
            scene.pool.plane_mut().processes().pause("etcd").unwrap();
            scene.injected();
        });
        at += pause;
        script = script.at(at, |scene| scene.pool.plane_mut().processes().resume("etcd").unwrap());
    }
    script
}

fn quota(script: Script, dice: &mut Pcg64) -> Script {
    let at = dice.random_range(800..2_000);
    script
        .at(at, |scene| {
            scene.pool.apply(&support::treaty(&[("alpha", 4), ("beta", 16), ("gamma", 8)], NOTICE_SECONDS));
            let share = json!({"name": "lab", "projects": [{"name": "alpha-lab"}], "ceiling": {"gpus": 4}});
            scene.pool.apply(&json!({
                "apiVersion": "concord.dev/v1alpha1", "kind": "MemberQuota", "metadata": {"name": "alpha"},
                "spec": {"institutions": [share]},
            }));
            scene.injected();
        })
        .at(at + 4_000, |scene| drop(scene.pool.kubectl(&["delete", "memberquota", "alpha"])))
}

fn treaty(script: Script) -> Script {
    script
        .then(When::Noticed(NOTICED_LATEST), |scene| {
            scene.pool.apply(&support::treaty(&[("alpha", 8), ("beta", 20), ("gamma", 12)], 2));
            scene.injected();
        })
        .at(3_000, |_| ())
        .then(When::Noticed(NOTICED_LATEST), |scene| {
            let mut next = support::treaty(&[("alpha", 12), ("beta", 12), ("gamma", 16)], NOTICE_SECONDS);
            next["metadata"]["name"] = json!("next");
            scene.pool.apply(&next);
            scene.pool.kubectl(&["delete", "treaty", TREATY]);
            scene.injected();
        })
        .at(11_000, |scene| {
            scene.pool.apply(&support::treaty(&[("alpha", 16), ("beta", 16), ("gamma", 8)], NOTICE_SECONDS));
            scene.pool.kubectl(&["delete", "treaty", "next"]);
        })
}
