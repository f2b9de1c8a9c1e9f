//! Whole lives of a GPU with a known truth: pods come and go, the agent is started again, the driver is reset.

use proptest::prelude::*;

use super::*;
use crate::energy::DriverLife;
use crate::holdings::Listed;
use crate::inventory::Instance;

const SECOND: i64 = 1_000_000;

fn gpu() -> Gpu {
    Gpu { uuid: "GPU-a".to_owned(), minor: Some(0), ..Gpu::default() }
}

fn account(gpu: Gpu) -> Account {
    Account { gpu, ..Account::default() }
}

fn sample(second: i64, millijoules: u64, session: u64) -> Sample {
    Sample {
        wall_microseconds: second * SECOND,
        monotonic_microseconds: u64::try_from(second * SECOND).unwrap(),
        counter_millijoules: Some(millijoules),
        power_milliwatts: None,
        life: DriverLife { boot_id: "b".to_owned(), driver_version: "590".to_owned(), session },
    }
}

fn listed(namespace: &str, slots: Vec<Slot>) -> Listed {
    Listed { namespace: namespace.to_owned(), pod: "p".to_owned(), container: "c".to_owned(), slots }
}

fn slot(instance: Option<(u32, u32)>, replica: Option<&str>) -> Slot {
    Slot { gpu: "GPU-a".to_owned(), instance, replica: replica.map(str::to_owned) }
}

fn joules(account: &Account, namespace: &str) -> u64 {
    let of = account.claims.get(&Owner::without_claim(namespace));
    of.map_or(0, |claim| claim.allocated_microjoules() / 1_000_000)
}

fn restarted(account: &Account) -> Account {
    serde_json::from_str(&serde_json::to_string(account).unwrap()).unwrap()
}

#[test]
fn energy_waits_until_its_holders_are_known() {
    let (mut account, mut holdings) = (account(gpu()), Holdings::default());
    account.take(&sample(0, 0, 0), Activity::default());
    account.take(&sample(1, 100_000, 0), Activity::default());
    account.settle(0, &holdings, &Replicas::new(), None);
    assert_eq!((account.booked_microjoules, account.pending_microjoules()), (0, 100_000_000));
    holdings.update(&[listed("lab", vec![slot(None, None)])], None, 0);
    account.settle(SECOND, &holdings, &Replicas::new(), None);
    assert_eq!((joules(&account, "lab"), account.pending_microjoules()), (100, 0));
}

#[test]
fn replicas_of_an_instance_are_parts_of_its_slices() {
    let instance = |gpu_instance, slices| Instance { gpu_instance, slices, ..Instance::default() };
    let gpu = Gpu { mig_slices: Some(7), instances: vec![instance(1, 3), instance(2, 4)], ..gpu() };
    let replicas: Replicas =
        [(("GPU-a".to_owned(), Some((1, 0))), 2), (("GPU-a".to_owned(), Some((2, 0))), 3)].into();
    let (mut account, mut holdings) = (account(gpu), Holdings::default());
    let shared = listed("half", vec![slot(Some((1, 0)), Some("0"))]);
    let third = listed("third", vec![slot(Some((2, 0)), Some("1"))]);
    holdings.update(&[shared, third], None, 0);
    account.take(&sample(0, 0, 0), Activity::default());
    account.take(&sample(1, 420_000, 0), Activity::default());
    account.settle(SECOND, &holdings, &replicas, None);
    // 3/14 and 4/21 of 420 J.
    assert_eq!((joules(&account, "half"), joules(&account, "third")), (90, 80));
    assert_eq!((account.unallocated_microjoules, account.residual_microjoules()), (250_000_000, 0));
}

#[test]
fn an_account_that_is_closed_stays_in_the_sum() {
    let (mut account, mut holdings) = (account(gpu()), Holdings::default());
    holdings.update(&[listed("lab", vec![slot(None, None)])], None, 0);
    account.take(&sample(0, 0, 0), Activity::default());
    account.take(&sample(1, 100_000, 0), Activity::default());
    account.settle(SECOND, &holdings, &Replicas::new(), None);
    account.retire_before(SECOND);
    assert_eq!(account.claims.len(), 1);
    account.retire_before(SECOND + 1);
    assert_eq!((account.claims.len(), account.retired_microjoules), (0, 100_000_000));
    assert_eq!(account.residual_microjoules(), 0);
}

#[derive(Debug, Clone)]
struct Beat {
    used_millijoules: u64,
    holder: Option<u8>,
    restart: bool,
    reset: bool,
}

fn beats() -> impl Strategy<Value = Vec<Beat>> {
    let beat = (0_u64..700_000, prop::option::weighted(0.7, 0_u8..3), 0_u8..8, 0_u8..12);
    let beat = beat.prop_map(|(used_millijoules, holder, restart, reset)| Beat {
        used_millijoules,
        holder,
        restart: restart == 0,
        reset: reset == 0,
    });
    prop::collection::vec(beat, 1..80)
}

proptest! {
    /// Holders change between samples only, so that the truth is plain: who holds in a second used its energy. Restarts of
    /// the agent at any sample change nothing; a reset loses the second in which it was, and nothing else.
    #[test]
    fn each_holder_is_charged_what_it_used(beats in beats()) {
        let (mut account, mut holdings) = (account(gpu()), Holdings::default());
        let (mut counter, mut session, mut truth, mut nobody) = (0_u64, 0_u64, [0_u64; 3], 0_u64);
        account.take(&sample(0, 0, 0), Activity::default());
        for (second, beat) in (0_i64..).zip(&beats) {
            let names = ["x", "y", "z"];
            let list: Vec<Listed> =
                beat.holder.iter().map(|h| listed(names[usize::from(*h)], vec![slot(None, None)])).collect();
            holdings.update(&list, None, second * SECOND);
            if beat.reset {
                (counter, session) = (beat.used_millijoules, session + 1);
            } else {
                counter += beat.used_millijoules;
                match beat.holder {
                    Some(holder) => truth[usize::from(holder)] += beat.used_millijoules,
                    None => nobody += beat.used_millijoules,
                }
            }
            let step = account.take(&sample(second + 1, counter, session), Activity::default());
            prop_assert_eq!(step.began.is_some(), beat.reset);
            account.settle((second - 3) * SECOND, &holdings, &Replicas::new(), None);
            if beat.restart {
                account = restarted(&account);
            }
            prop_assert_eq!(account.residual_microjoules(), 0);
        }
        account.settle(i64::MAX, &holdings, &Replicas::new(), None);
        for (name, used) in ["x", "y", "z"].iter().zip(truth) {
            let owner = Owner::without_claim(name);
            let charged = account.claims.get(&owner).map_or(0, ClaimAccount::allocated_microjoules);
            prop_assert_eq!(charged, used * 1_000, "{}", name);
        }
        prop_assert_eq!(account.unallocated_microjoules, nobody * 1_000);
        prop_assert_eq!(account.booked_microjoules, account.meter.counter_microjoules);
        let measured = |c: &ClaimAccount| c.energy.keys().all(|basis| *basis == Basis::Exclusive);
        prop_assert!(account.claims.values().all(measured));
    }
}
